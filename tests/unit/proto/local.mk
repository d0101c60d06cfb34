# tests/unit/proto - unit tests of core/proto.
check_PROGRAMS += tests/unit/proto/test_proto
tests_unit_proto_test_proto_SOURCES = \
	tests/unit/proto/samples.c \
	tests/unit/proto/samples.h \
	tests/unit/proto/test_messages.c \
	tests/unit/proto/test_pg_wire.c \
	tests/unit/proto/test_steps.c
tests_unit_proto_test_proto_LDADD = $(LINK_proto) $(LINK_test)

check_PROGRAMS += tests/fuzz/fuzz_messages
tests_fuzz_fuzz_messages_SOURCES = tests/fuzz/fuzz_messages.c
tests_fuzz_fuzz_messages_LDADD = $(LINK_proto) $(LINK_fuzz)

check_PROGRAMS += tests/fuzz/fuzz_steps
tests_fuzz_fuzz_steps_SOURCES = tests/fuzz/fuzz_steps.c
tests_fuzz_fuzz_steps_LDADD = $(LINK_proto) $(LINK_fuzz)
