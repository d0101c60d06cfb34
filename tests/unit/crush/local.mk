# tests/unit/crush - unit tests of core/crush.
check_PROGRAMS += tests/unit/crush/test_crush
tests_unit_crush_test_crush_SOURCES = \
	tests/unit/crush/crush_util.c \
	tests/unit/crush/crush_util.h \
	tests/unit/crush/test_build.c \
	tests/unit/crush/test_codec.c \
	tests/unit/crush/test_golden.c \
	tests/unit/crush/test_properties.c \
	tests/unit/crush/test_text.c
tests_unit_crush_test_crush_LDADD = $(LINK_crush) $(LINK_test)
