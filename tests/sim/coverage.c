/* coverage.c - sums of what happened, over lives, nodes and seeds. */
#include "tests/sim/coverage.h"

enum needed { NO = 0, HOT = 1, BUCKETS = 2, BOTH = 3 };
static const struct {
    const char *name, *text;
    enum needed needed;
} rows[] = {
#define COVER(name, needed, text) {#name, text, needed},
#include "tests/sim/coverage.def"
#undef COVER
};
static_assert(sizeof(struct coverage) == ARRAY_LEN(rows) * sizeof(uint64_t), "rows are numbers");

static uint64_t value(const struct coverage *c, size_t row)
{
    return ((const uint64_t *)c)[row];
}

void coverage_add(struct coverage *to, const struct coverage *from)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ((uint64_t *)to)[i] += value(from, i);
}

void coverage_osd(struct coverage *to, const struct osd_counters *n)
{
    to->writes += n->writes;
    to->reads += n->reads;
    to->activations += n->activations;
    to->failovers += n->failovers;
    to->log_merges += n->log_merges;
    to->rollbacks += n->rollbacks;
    to->recoveries += n->recoveries;
    to->backfills += n->backfills;
    to->resends_answered += n->resends_answered;
    to->repeats_waited += n->repeats_waited;
    to->refused_unknown += n->refused_unknown;
    to->lease_waits += n->lease_waits;
    to->reads_waited += n->reads_waited;
    to->rep_resends += n->rep_resends;
    to->failure_reports += n->failure_reports;
}

void coverage_mon(struct coverage *to, const struct mon_counters *n)
{
    to->elections += n->elections;
    to->marked_down += n->marked_down;
    to->marked_out += n->marked_out;
    to->wrongly_down += n->wrongly_down;
    to->snapshots += n->snapshots;
    to->installs += n->installs;
    to->epochs += n->epochs;
}

void coverage_print(FILE *f, const struct coverage *c)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        fprintf(f, "  %-18s %12llu  %s\n", rows[i].name, (unsigned long long)value(c, i),
                rows[i].text);
}

unsigned coverage_missing(FILE *f, const struct coverage *c, bool buckets)
{
    unsigned missing = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (!(rows[i].needed & (buckets ? BUCKETS : HOT)) || value(c, i))
            continue;
        fprintf(f, "never happened: %s (%s)\n", rows[i].name, rows[i].text);
        missing++;
    }
    return missing;
}
