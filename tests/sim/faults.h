/* faults.h - what goes wrong in a seed: drawn before anything runs, played while the load runs. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/cluster.h"

enum { FAULTS_OF_A_SEED = 5, FAULTS_MAX = 8 };

enum fault_kind {
    FAULT_RESETS,    /* connections break, for a while */
    FAULT_PARTITION, /* a machine, a pair or a half of them hears nothing, one way or both */
    FAULT_PAUSE,     /* processes stand still */
    FAULT_KILL,      /* kill -9, one after the other */
    FAULT_POWER,     /* power cuts, torn at an I/O or between two */
    FAULT_BLACKOUT,  /* several machines at once */
    FAULT_SKEW,      /* clocks run at other rates, within the drift */
    FAULT_KINDS,     /* what is drawn ends here; the rest are an operator's doings, on top */
    FAULT_RESTART = FAULT_KINDS,
    FAULT_OUT,
    FAULT_LAG, /* a monitor is away while maps are made, one after the other */
};
struct fault {
    struct cluster *cl;
    enum fault_kind kind;
    uint64_t at_ns, for_ns;
    struct rng rng;
    uint32_t victim, left;
    bool on, noisy, refusing;
};
struct faults {
    struct fault fault[FAULTS_MAX];
    uint32_t count;
};
/* Draw the faults of a load that starts now. */
void faults_plan(struct faults *fs, struct cluster *cl);
void faults_print(const struct faults *fs, FILE *f);

#endif
