# tests/unit/mon - unit tests of core/mon.
MON_WORLD = tests/unit/mon/world.c tests/unit/mon/world.h

check_PROGRAMS += tests/unit/mon/test_mon_role
tests_unit_mon_test_mon_role_SOURCES = tests/unit/mon/test_role.c $(MON_WORLD)
tests_unit_mon_test_mon_role_LDADD = $(LINK_mon) $(LINK_test)

check_PROGRAMS += tests/unit/mon/test_mon_cluster
tests_unit_mon_test_mon_cluster_SOURCES = tests/unit/mon/test_cluster.c $(MON_WORLD)
tests_unit_mon_test_mon_cluster_LDADD = $(LINK_mon) $(LINK_test)

check_PROGRAMS += tests/unit/mon/test_mon_state
tests_unit_mon_test_mon_state_SOURCES = tests/unit/mon/test_state.c
tests_unit_mon_test_mon_state_LDADD = $(LINK_mon) $(LINK_test)

check_PROGRAMS += tests/unit/mon/test_mon_store
tests_unit_mon_test_mon_store_SOURCES = tests/unit/mon/test_store.c $(MON_WORLD)
tests_unit_mon_test_mon_store_LDADD = $(LINK_mon) $(LINK_test)

check_PROGRAMS += tests/unit/mon/test_mon_commands
tests_unit_mon_test_mon_commands_SOURCES = tests/unit/mon/test_commands.c $(MON_WORLD)
tests_unit_mon_test_mon_commands_LDADD = $(LINK_mon) $(LINK_test)

check_PROGRAMS += tests/unit/mon/test_mon_user
tests_unit_mon_test_mon_user_SOURCES = tests/unit/mon/test_user.c
tests_unit_mon_test_mon_user_LDADD = $(LINK_mon) $(LINK_test)
