# tests/lint - rules that no compiler holds.
LINT_TESTS = tests/lint/check_layers tests/lint/check_words tests/lint/check_length \
	tests/lint/selftest.sh

check_SCRIPTS += $(LINT_TESTS)
EXTRA_DIST += $(LINT_TESTS) tests/lint/layers.txt tests/lint/words.txt tests/lint/sources tests/driver
