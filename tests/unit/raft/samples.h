/* samples.h - one message of each type, and one of each stored record: for codec tests, golden
 * bytes and the fuzzer's corpus. */
#ifndef TESTS_UNIT_RAFT_SAMPLES_H
#define TESTS_UNIT_RAFT_SAMPLES_H

#include "core/raft/raft.h"

enum { SAMPLE_MSGS = 14 };

/* Borrowed from constants. */
struct raft_msg sample_msg(uint32_t i);
struct raft_entry sample_entry(void);
struct raft_snap sample_snap(void);

#endif
