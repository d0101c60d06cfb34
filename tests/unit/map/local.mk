# tests/unit/map - unit tests of core/map.
check_PROGRAMS += tests/unit/map/test_map
tests_unit_map_test_map_SOURCES = tests/unit/map/test_types.c tests/unit/map/test_osdmap.c
tests_unit_map_test_map_LDADD = $(LINK_map) $(LINK_test)
