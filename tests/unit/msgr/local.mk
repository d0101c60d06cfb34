# tests/unit/msgr - unit tests of core/msgr.
MSGR_WORLD = tests/unit/msgr/world.c tests/unit/msgr/world.h

check_PROGRAMS += tests/unit/msgr/test_paths
tests_unit_msgr_test_paths_SOURCES = tests/unit/msgr/test_paths.c $(MSGR_WORLD)
tests_unit_msgr_test_paths_LDADD = $(LINK_msgr) $(LINK_test)

check_PROGRAMS += tests/unit/msgr/test_wire
tests_unit_msgr_test_wire_SOURCES = tests/unit/msgr/test_wire.c $(MSGR_WORLD)
tests_unit_msgr_test_wire_LDADD = $(LINK_msgr) $(LINK_test)

check_PROGRAMS += tests/unit/msgr/test_peers
tests_unit_msgr_test_peers_SOURCES = tests/unit/msgr/test_peers.c $(MSGR_WORLD)
tests_unit_msgr_test_peers_LDADD = $(LINK_msgr) $(LINK_test)

check_PROGRAMS += tests/unit/msgr/test_faults
tests_unit_msgr_test_faults_SOURCES = tests/unit/msgr/test_faults.c $(MSGR_WORLD)
tests_unit_msgr_test_faults_LDADD = $(LINK_msgr) $(LINK_test)
