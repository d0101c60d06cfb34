# tests/unit/store - unit tests of core/store.
store_stage = tests/unit/store/stage.c tests/unit/store/stage_check.c tests/unit/store/stage.h

check_PROGRAMS += tests/unit/store/test_store
tests_unit_store_test_store_SOURCES = tests/unit/store/test_store.c $(store_stage)
tests_unit_store_test_store_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_crash
tests_unit_store_test_store_crash_SOURCES = tests/unit/store/test_store_crash.c $(store_stage)
tests_unit_store_test_store_crash_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_faults
tests_unit_store_test_store_faults_SOURCES = tests/unit/store/test_store_faults.c $(store_stage)
tests_unit_store_test_store_faults_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_rot
tests_unit_store_test_store_rot_SOURCES = tests/unit/store/test_store_rot.c $(store_stage)
tests_unit_store_test_store_rot_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_format
tests_unit_store_test_format_SOURCES = tests/unit/store/test_format.c
tests_unit_store_test_format_LDADD = $(LINK_store) $(LINK_test)

check_PROGRAMS += tests/unit/store/test_store_real
tests_unit_store_test_store_real_SOURCES = tests/unit/store/test_store_real.c
tests_unit_store_test_store_real_LDADD = $(LINK_store) $(LINK_test)
