# tests/unit/raft - unit tests of core/raft.
check_PROGRAMS += tests/unit/raft/test_raft_random
tests_unit_raft_test_raft_random_SOURCES = \
	tests/unit/raft/cluster.c \
	tests/unit/raft/cluster.h \
	tests/unit/raft/random.c \
	tests/unit/raft/random.h \
	tests/unit/raft/test_random.c
tests_unit_raft_test_raft_random_LDADD = $(LINK_raft) $(LINK_test)

check_PROGRAMS += tests/unit/raft/test_raft_codec
tests_unit_raft_test_raft_codec_SOURCES = \
	tests/unit/raft/samples.c \
	tests/unit/raft/samples.h \
	tests/unit/raft/test_codec.c
tests_unit_raft_test_raft_codec_LDADD = $(LINK_raft) $(LINK_test)

check_PROGRAMS += tests/unit/raft/test_raft_script
tests_unit_raft_test_raft_script_SOURCES = \
	tests/unit/raft/cluster.c \
	tests/unit/raft/cluster.h \
	tests/unit/raft/test_script.c
tests_unit_raft_test_raft_script_LDADD = $(LINK_raft) $(LINK_test)

check_PROGRAMS += tests/unit/raft/test_raft
tests_unit_raft_test_raft_SOURCES = tests/unit/raft/test_raft.c
tests_unit_raft_test_raft_LDADD = $(LINK_raft) $(LINK_test)
