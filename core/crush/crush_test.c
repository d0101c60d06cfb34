/* crush_test.c - maps a range of x by one rule and prints each mapping as crushtool does. */
#include "core/crush/crush_test.h"

#include <stdio.h>

enum {
    HEAD_BYTES = 64, /* "CRUSH rule N x X [" and "]\n" */
    ITEM_BYTES = 12, /* "-2147483648," */
};

struct run {
    const struct crush_map *map;
    const struct crush_test *test;
    uint32_t *weights; /* owned: by device */
    int32_t *out;      /* owned */
    char *text;        /* owned: one line */
    void *scratch;     /* owned */
};

static void run_fini(struct run *r)
{
    mem_free(r->weights);
    mem_free(r->out);
    mem_free(r->text);
    mem_free(r->scratch);
}

/* Devices in no bucket have no weight to lose: they keep nothing, as in crushtool. */
static int fill_weights(struct run *r)
{
    const struct crush_map *map = r->map;

    r->weights = mem_calloc(map->device_max, sizeof(*r->weights));
    if (!r->weights)
        return -ENOMEM;
    for (uint32_t i = 0; i < map->bucket_max; i++)
        for (uint32_t j = 0; map->buckets[i] && j < map->buckets[i]->size; j++)
            if (map->buckets[i]->items[j] >= 0)
                r->weights[map->buckets[i]->items[j]] = CRUSH_WEIGHT_ONE;
    for (uint32_t i = 0; i < r->test->weight_count; i++) {
        const struct crush_test_weight *w = &r->test->weights[i];

        if (w->device >= 0 && (uint32_t)w->device < map->device_max)
            r->weights[w->device] = MIN(w->weight, CRUSH_WEIGHT_ONE);
    }
    return 0;
}

/* crushtool has nothing to say about a cluster in which no device keeps anything. */
static bool all_out(const struct run *r)
{
    for (uint32_t i = 0; i < r->map->device_max; i++)
        if (r->weights[i] > 0)
            return false;
    return true;
}

static int prepare(struct run *r)
{
    uint32_t reps = r->test->rep_count;

    r->out = mem_calloc(reps, sizeof(*r->out));
    r->text = mem_alloc(HEAD_BYTES + (size_t)reps * ITEM_BYTES);
    r->scratch = mem_alloc(crush_scratch_bytes(r->map, reps));
    if (!r->out || !r->text || !r->scratch)
        return -ENOMEM;
    crush_scratch_init(r->map, reps, r->scratch);
    return fill_weights(r);
}

static size_t print_mapping(struct run *r, uint32_t x, int count)
{
    size_t n = (size_t)sprintf(r->text, "CRUSH rule %d x %u [", r->test->rule, x);

    for (int i = 0; i < count; i++)
        n += (size_t)sprintf(r->text + n, "%s%d", i ? "," : "", r->out[i]);
    return n + (size_t)sprintf(r->text + n, "]\n");
}

int crush_test_run(const struct crush_map *map, const struct crush_test *test, crush_test_line line,
                   void *arg, struct note *why)
{
    AUTO(run) r = {.map = map, .test = test};
    int rc;

    if (test->rep_count > CRUSH_COUNT_MAX || test->x_max < test->x_min) {
        note_set(why, "expected up to %d replicas and a range of x that is not empty",
                 CRUSH_COUNT_MAX);
        return -EINVAL;
    }
    if (!crush_rule(map, test->rule))
        return 0;
    rc = prepare(&r);
    if (rc == 0 && all_out(&r))
        return 0;
    for (uint64_t x = test->x_min; rc >= 0 && x <= test->x_max; x++) {
        int count = crush_map_x(map, test->rule, (uint32_t)x, r.weights, map->device_max, r.out,
                                test->rep_count, r.scratch);

        rc = line(arg, r.text, print_mapping(&r, (uint32_t)x, count));
    }
    return MIN(rc, 0);
}
