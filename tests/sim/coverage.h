/* coverage.h - did the simulation meet what it is there for?  Rows in coverage.def. */
#ifndef TESTS_SIM_COVERAGE_H
#define TESTS_SIM_COVERAGE_H

#include <stdio.h>

#include "core/mon/mon.h"
#include "core/osd/osd.h"

struct coverage {
#define COVER(name, needed, text) uint64_t name;
#include "tests/sim/coverage.def"
#undef COVER
};
void coverage_add(struct coverage *to, const struct coverage *from);
/* What one life of a role has counted. */
void coverage_osd(struct coverage *to, const struct osd_counters *n);
void coverage_mon(struct coverage *to, const struct mon_counters *n);
void coverage_print(FILE *f, const struct coverage *c);
/* The number of those that are zero though this workload needs them; each is named on `f`. */
unsigned coverage_missing(FILE *f, const struct coverage *c, bool buckets);

#endif
