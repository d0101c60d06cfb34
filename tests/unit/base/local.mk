check_PROGRAMS += tests/unit/base/test_arena
tests_unit_base_test_arena_SOURCES = tests/unit/base/test_arena.c
tests_unit_base_test_arena_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_assert
tests_unit_base_test_assert_SOURCES = tests/unit/base/test_assert.c
tests_unit_base_test_assert_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_buf
tests_unit_base_test_buf_SOURCES = tests/unit/base/test_buf.c tests/unit/base/fail.h
tests_unit_base_test_buf_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_crc
tests_unit_base_test_crc_SOURCES = tests/unit/base/test_crc.c
tests_unit_base_test_crc_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_cursor
tests_unit_base_test_cursor_SOURCES = tests/unit/base/test_cursor.c tests/unit/base/fail.h
tests_unit_base_test_cursor_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_htable
tests_unit_base_test_htable_SOURCES = tests/unit/base/test_htable.c
tests_unit_base_test_htable_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_json
tests_unit_base_test_json_SOURCES = tests/unit/base/test_json.c
tests_unit_base_test_json_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_log
tests_unit_base_test_log_SOURCES = tests/unit/base/test_log.c
tests_unit_base_test_log_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_mem
tests_unit_base_test_mem_SOURCES = tests/unit/base/test_mem.c
tests_unit_base_test_mem_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_mem_scopes
tests_unit_base_test_mem_scopes_SOURCES = tests/unit/base/test_mem_scopes.c
tests_unit_base_test_mem_scopes_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_metrics
tests_unit_base_test_metrics_SOURCES = tests/unit/base/test_metrics.c tests/unit/base/fail.h
tests_unit_base_test_metrics_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_option
tests_unit_base_test_option_SOURCES = tests/unit/base/test_option.c tests/unit/base/fail.h
tests_unit_base_test_option_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_rng
tests_unit_base_test_rng_SOURCES = tests/unit/base/test_rng.c
tests_unit_base_test_rng_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/unit/base/test_text
tests_unit_base_test_text_SOURCES = tests/unit/base/test_text.c
tests_unit_base_test_text_LDADD = $(LINK_base) $(LINK_test)

# The checksum without ISA-L, so that it is tested where ISA-L is.
check_PROGRAMS += tests/unit/base/test_crc_portable
tests_unit_base_test_crc_portable_SOURCES = tests/unit/base/test_crc.c core/base/crc.c \
	core/base/crc32.c core/base/crc64.c
tests_unit_base_test_crc_portable_CPPFLAGS = $(AM_CPPFLAGS) -DCRC_PORTABLE
tests_unit_base_test_crc_portable_LDADD = $(LINK_base) $(LINK_test)

check_PROGRAMS += tests/fuzz/fuzz_cursor
tests_fuzz_fuzz_cursor_SOURCES = tests/fuzz/fuzz_cursor.c
tests_fuzz_fuzz_cursor_LDADD = $(LINK_base) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_config
tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz_config.c
tests_fuzz_fuzz_config_LDADD = $(LINK_base) $(LINK_fuzz)
