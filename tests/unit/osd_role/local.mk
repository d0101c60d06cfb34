# tests/unit/osd_role - tests of the OSD role, in the simulator.
OSD_WORLD = tests/unit/osd_role/client.c tests/unit/osd_role/world.c tests/unit/osd_role/world.h

check_PROGRAMS += tests/unit/osd_role/test_osd_role
tests_unit_osd_role_test_osd_role_SOURCES = tests/unit/osd_role/test_osd_role.c $(OSD_WORLD)
tests_unit_osd_role_test_osd_role_LDADD = $(LINK_osd) $(LINK_test)

check_PROGRAMS += tests/unit/osd_role/test_osd_failures
tests_unit_osd_role_test_osd_failures_SOURCES = tests/unit/osd_role/test_osd_failures.c $(OSD_WORLD)
tests_unit_osd_role_test_osd_failures_LDADD = $(LINK_osd) $(LINK_test)

check_PROGRAMS += tests/unit/osd_role/test_osd_rot
tests_unit_osd_role_test_osd_rot_SOURCES = tests/unit/osd_role/test_osd_rot.c $(OSD_WORLD)
tests_unit_osd_role_test_osd_rot_LDADD = $(LINK_osd) $(LINK_test)

check_PROGRAMS += tests/unit/osd_role/test_osd_chaos
tests_unit_osd_role_test_osd_chaos_SOURCES = tests/unit/osd_role/test_osd_chaos.c $(OSD_WORLD)
tests_unit_osd_role_test_osd_chaos_LDADD = $(LINK_osd) $(LINK_test)

check_PROGRAMS += tests/unit/osd_role/test_osd_clients
tests_unit_osd_role_test_osd_clients_SOURCES = tests/unit/osd_role/test_osd_clients.c $(OSD_WORLD)
tests_unit_osd_role_test_osd_clients_LDADD = $(LINK_osd) $(LINK_test)

check_PROGRAMS += tests/unit/osd_role/test_lease
tests_unit_osd_role_test_lease_SOURCES = tests/unit/osd_role/test_lease.c
tests_unit_osd_role_test_lease_LDADD = $(LINK_osd) $(LINK_test)

check_PROGRAMS += tests/unit/osd_role/test_osd_memory
tests_unit_osd_role_test_osd_memory_SOURCES = tests/unit/osd_role/test_osd_memory.c $(OSD_WORLD)
tests_unit_osd_role_test_osd_memory_LDADD = $(LINK_osd) $(LINK_test)

check_PROGRAMS += tests/unit/osd_role/test_osd_full
tests_unit_osd_role_test_osd_full_SOURCES = tests/unit/osd_role/test_osd_full.c $(OSD_WORLD)
tests_unit_osd_role_test_osd_full_LDADD = $(LINK_osd) $(LINK_test)
