/* test_peering_model.c - thousands of random histories of one PG, and bugs put in that they must
 * see. One seed: PEERING_SEED=n tests/unit/osd/test_peering_model. */
#include "tests/unit/osd/model.h"
#include "tests/unit/t.h"

enum { SEEDS = 1000, HUNT_SEEDS = 300 };

static uint64_t total[6];

static bool run_one(uint64_t seed, char why[256])
{
    static struct world w;
    bool ok = model_run(&w, seed);

    (void)snprintf(why, 256, "%s", w.broken);
    total[0] += w.activations;
    total[1] += w.rollbacks;
    total[2] += w.restarts;
    total[3] += w.repeats;
    total[4] += w.acked;
    total[5] += w.short_steps;
    model_fini(&w);
    return ok;
}

T(peering_model, nothing_acknowledged_is_lost_and_all_copies_become_equal)
{
    const char *one = getenv("PEERING_SEED");
    uint64_t first = one ? strtoull(one, NULL, 0) : 1, last = one ? first : SEEDS;
    char why[256];

    for (uint64_t seed = first; seed <= last; seed++)
        if (!run_one(seed, why))
            T_FAIL("PEERING_SEED=%lu: %s", (unsigned long)seed, why);
    if (one)
        return;
    fprintf(stderr,
            "activations %lu, rolled back %lu, backfills anew %lu, repeats %lu, acknowledged %lu, "
            "steps short of memory %lu\n",
            (unsigned long)total[0], (unsigned long)total[1], (unsigned long)total[2],
            (unsigned long)total[3], (unsigned long)total[4], (unsigned long)total[5]);
    for (unsigned i = 0; i < 6; i++) /* else the histories were too tame */
        T_GT(total[i], 100);
}

static const struct {
    enum plant plant;
    const char *name;
} bugs[] = {
    {PLANT_SKIP_MERGE, "skip the log merge"},
    {PLANT_FORGET_REQID, "forget request ids"},
    {PLANT_NO_UP_THRU, "activate without up_thru"},
    {PLANT_TRIM_TOO_FAR, "trim the log too far"},
};

T(peering_model, each_planted_bug_is_seen)
{
    char why[256];

    if (getenv("PEERING_SEED"))
        return;
    T_CASES (row, bugs) {
        uint64_t seed = 1;

        plant_set(1u << row->plant);
        while (seed <= HUNT_SEEDS && run_one(seed, why))
            seed++;
        plant_set(0);
        if (seed > HUNT_SEEDS)
            T_FAIL("nobody saw: %s", row->name);
        fprintf(stderr, "%s: seed %lu: %s\n", row->name, (unsigned long)seed, why);
    }
}
