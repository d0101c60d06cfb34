# tests/unit/client - unit tests of core/client.
check_PROGRAMS += tests/unit/client/test_client
tests_unit_client_test_client_SOURCES = tests/unit/client/test_client.c
tests_unit_client_test_client_LDADD = libcore_client.a $(LINK_proto) $(LINK_test)

check_PROGRAMS += tests/unit/client/test_client_memory
tests_unit_client_test_client_memory_SOURCES = tests/unit/client/test_client_memory.c $(OSD_WORLD)
tests_unit_client_test_client_memory_LDADD = $(LINK_client) $(LINK_osd) $(LINK_test)
