/* runner.h - many seeds, each in a process of its own, as many at a time as there are cores. */
#ifndef TESTS_SIM_RUNNER_H
#define TESTS_SIM_RUNNER_H

#include "tests/sim/seed.h"

struct runner_conf {
    const char *program; /* for the command that replays a seed, and for running one afresh */
    uint32_t jobs;
    int plant; /* enum plant, -1: none */
    bool check_each_step;
    bool buckets;          /* the workload on buckets */
    bool progress;         /* a line on the terminal */
    uint32_t again_every;  /* run each n-th seed twice and compare the traces; 0: none */
    uint32_t failures_max; /* then stop starting seeds */
};
struct runner_sum {
    uint64_t ran, failed, cpu_ns, cpu_max_ns, virtual_ns, repeated;
    uint64_t first_failed; /* the lowest seed that failed */
    char why[WHY_BYTES];   /* of that one */
    struct coverage cov;
};
/* Run these; failures are told on stderr unless a bug is planted (then they are what we want). */
void runner_run(const struct runner_conf *conf, const uint64_t *seeds, uint64_t count,
                struct runner_sum *out_sum);
/* In a child: write the result where runner_run reads it. */
void runner_report(int fd, const struct seed_result *r);

#endif
