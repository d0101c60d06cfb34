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
/* `f` receives what there is to tell of a failure; `sink` (may be NULL) the roles' logs. */
void seed_run(uint64_t seed, bool check_each_step, struct log_sink *sink, FILE *f,
              struct seed_result *out_result);

#endif
