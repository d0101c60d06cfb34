/* seed.h - one seed: one cluster, one history, one verdict. */
#ifndef TESTS_SIM_SEED_H
#define TESTS_SIM_SEED_H

#include <stdio.h>

#include "tests/sim/cluster.h"

struct seed_result { /* plain bytes: it travels through a pipe */
    uint64_t seed, hash, cpu_ns, virtual_ns, steps;
    bool ok;
    char why[WHY_BYTES];
    struct coverage cov;
};
struct seed_conf {
    uint64_t seed;
    bool check_each_step;
    bool buckets;          /* the workload on buckets instead of the one on hot objects */
    struct log_sink *sink; /* borrowed: the roles' logs; may be NULL */
    FILE *f;               /* borrowed: what there is to tell of a failure */
    const char *history;   /* borrowed: an object whose whole history is printed; may be NULL */
};
void seed_run(const struct seed_conf *conf, struct seed_result *out_result);

#endif
