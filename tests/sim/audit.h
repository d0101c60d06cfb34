/* audit.h - what the stores hold after a clean stop: each sound by itself, all copies equal. */
#ifndef TESTS_SIM_AUDIT_H
#define TESTS_SIM_AUDIT_H

#include <stdio.h>

#include "tests/sim/cluster.h"

/* Where copies are to be, while the cluster still stands: call it in a healthy cluster. */
enum { AUDIT_OBJECTS_MAX = 32, AUDIT_COPIES_MAX = 8 };
struct audit_place {
    char name[32];
    uint32_t copies, osd[AUDIT_COPIES_MAX];
};
struct audit {
    struct cluster *cl;
    uint32_t count;
    struct audit_place place[AUDIT_OBJECTS_MAX];
};
void audit_plan(struct audit *a, struct cluster *cl);
/* All roles are stopped.  False: a finding, through cluster_broken and `f`. */
bool audit_run(struct audit *a, FILE *f);

#endif
