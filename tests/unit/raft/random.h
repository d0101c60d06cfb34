/* random.h - one seed is one history of a group under faults. */
#ifndef TESTS_UNIT_RAFT_RANDOM_H
#define TESTS_UNIT_RAFT_RANDOM_H

#include "tests/unit/raft/cluster.h"

/* Run it with these planted bugs (0: none).  False: the oracle saw something; `why` says what.
 * `sum` gets the counters added. */
bool random_run(uint64_t seed, uint32_t bugs, struct counters *sum, char why[160]);

/* The same history, every allocation of every step failing once.  Returns how many failed, 0 when
 * the oracle saw something. */
uint64_t random_run_failing(uint64_t seed, char why[160]);

#endif
