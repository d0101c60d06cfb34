# tests/unit/t - the test macros and the driver, tested.
TESTS_OF_T = tests/unit/t/check_t.sh
check_SCRIPTS += $(TESTS_OF_T)
EXTRA_DIST += $(TESTS_OF_T)

check_PROGRAMS += tests/unit/t/test_t
tests_unit_t_test_t_SOURCES = tests/unit/t/test_t.c
tests_unit_t_test_t_LDADD = $(LINK_test)

# Fails on purpose, so it is built as a helper of check_t.sh and not run as a test.
TEST_HELPERS += tests/unit/t/t_failing
EXTRA_PROGRAMS += tests/unit/t/t_failing
tests_unit_t_t_failing_SOURCES = tests/unit/t/t_failing.c
tests_unit_t_t_failing_LDADD = $(LINK_test)
