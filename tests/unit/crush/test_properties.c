/* test_properties.c - what CRUSH promises, measured: shares follow weights, little data moves,
 * replicas stand apart, holes keep their places. */
#include "core/crush/crush_build.h"
#include "core/crush/crush_test.h"
#include "tests/unit/crush/crush_util.h"
#include "tests/unit/t.h"

enum { XS = 20000, DEVICES = 24, REPS = 3 };

static void all_in(uint32_t *reweights)
{
    for (uint32_t i = 0; i < DEVICES; i++)
        reweights[i] = CRUSH_WEIGHT_ONE;
}

static void map_all(const struct crush_map *map, const uint32_t *reweights, int32_t (*out)[REPS])
{
    void *scratch = mem_alloc(crush_scratch_bytes(map, REPS));

    crush_scratch_init(map, REPS, scratch);
    for (uint32_t x = 0; x < XS; x++)
        T_EQ(crush_map_x(map, 0, x, reweights, DEVICES, out[x], REPS, scratch), REPS);
    mem_free(scratch);
}

static struct crush_map *sealed(struct crush_map *map)
{
    struct note why = {""};

    if (crush_seal(map, &why) < 0)
        T_FAIL("%s", why.text);
    return map;
}

/* First replicas only: later ones are bent by having to stand apart. */
T(crush_properties, the_share_of_a_device_follows_its_weight)
{
    struct crush_map *map = map_build(2, 4, 3);
    static int32_t out[XS][REPS];
    uint32_t reweights[DEVICES], count[DEVICES] = {0};

    for (int32_t i = 0; i < DEVICES; i++) /* 1, 2, 3 in each host */
        T_OK(crush_device_reweight(map, i, (uint32_t)(i % 3 + 1) * CRUSH_WEIGHT_ONE));
    all_in(reweights);
    map_all(sealed(map), reweights, out);
    for (uint32_t x = 0; x < XS; x++)
        count[out[x][0]]++;
    for (uint32_t i = 0; i < DEVICES; i++) {
        double want = XS * (i % 3 + 1) / 48.0, off = count[i] - want;

        T_TRUE(off * off < 25 * want); /* five standard deviations */
    }
    crush_destroy(map);
}

T(crush_properties, replicas_stand_in_different_hosts)
{
    struct crush_map *map = sealed(map_build(2, 4, 3));
    static int32_t out[XS][REPS];
    uint32_t reweights[DEVICES];

    all_in(reweights);
    map_all(map, reweights, out);
    for (uint32_t x = 0; x < XS; x++)
        for (uint32_t i = 0; i < REPS; i++)
            for (uint32_t j = 0; j < i; j++)
                T_NE(out[x][i] / 3, out[x][j] / 3);
    crush_destroy(map);
}

/* How many of the replicas of `a` are not among those of `b`, over all x. */
static uint32_t moved(int32_t (*a)[REPS], int32_t (*b)[REPS])
{
    uint32_t n = 0;

    for (uint32_t x = 0; x < XS; x++)
        for (uint32_t i = 0; i < REPS; i++)
            n += b[x][0] != a[x][i] && b[x][1] != a[x][i] && b[x][2] != a[x][i];
    return n;
}

T(crush_properties, a_small_change_of_weight_moves_little)
{
    struct crush_map *map = sealed(map_build(2, 4, 3));
    static int32_t before[XS][REPS], after[XS][REPS];
    uint32_t reweights[DEVICES], n;

    all_in(reweights);
    map_all(map, reweights, before);
    T_OK(crush_device_reweight(map, 5, CRUSH_WEIGHT_ONE * 11 / 10));
    map_all(sealed(map), reweights, after);
    n = moved(before, after);
    /* A 240th of the weight came in: at least some, at most a few times that, must move. */
    T_GT(n, XS * REPS / 240 / 4);
    T_LT(n, XS * REPS / 240 * 4);
    crush_destroy(map);
}

T(crush_properties, a_device_that_is_out_loses_its_data_and_no_other_does)
{
    struct crush_map *map = sealed(map_build(2, 4, 3));
    static int32_t before[XS][REPS], after[XS][REPS];
    uint32_t reweights[DEVICES], had = 0, n;

    all_in(reweights);
    map_all(map, reweights, before);
    reweights[7] = 0;
    map_all(map, reweights, after);
    for (uint32_t x = 0; x < XS; x++)
        for (uint32_t i = 0; i < REPS; i++) {
            had += before[x][i] == 7;
            T_NE(after[x][i], 7);
        }
    n = moved(before, after);
    T_GE(n, had);
    T_LT(n, had + had / 4); /* a replica that steps aside may push another */
    crush_destroy(map);
}

/* Erasure coded: the position is the shard. */
T(crush_properties, indep_keeps_every_other_position_when_a_device_goes_out)
{
    struct crush_map *map =
        map_of("device 0 d0 device 1 d1 device 2 d2 device 3 d3 device 4 d4 device 5 d5\n"
               "type 0 osd type 10 root\nroot r { alg straw2 item d0 item d1 item d2 item d3\n"
               "item d4 item d5 }\nrule e { id 0 type erasure step set_choose_tries 100\n"
               "step take r step choose indep 0 type osd step emit }");
    uint32_t reweights[DEVICES];
    int32_t before[4], after[4], all[8];
    uint32_t kept = 0, others = 0, holes = 0;

    all_in(reweights);
    for (uint32_t x = 0; x < 1000; x++) {
        T_EQ(crush_map_x(map, 0, x, reweights, 6, before, 4, NULL), 4);
        reweights[2] = 0;
        T_EQ(crush_map_x(map, 0, x, reweights, 6, after, 4, NULL), 4);
        T_EQ(crush_map_x(map, 0, x, reweights, 6, all, 8, NULL), 8);
        reweights[2] = CRUSH_WEIGHT_ONE;
        for (int i = 0; i < 4; i++)
            if (before[i] != 2) {
                others++;
                kept += before[i] == after[i];
            }
        for (int i = 0; i < 8; i++)
            holes += all[i] == CRUSH_ITEM_NONE;
    }
    T_GT(kept, others * 9 / 10);
    T_EQ(holes, 3000); /* eight places, five devices */
    crush_destroy(map);
}

T(crush_properties, scratch_memory_carries_nothing_from_one_mapping_to_the_next)
{
    struct crush_map *map = golden_map("map09.txt");
    uint32_t reweights[64];
    void *scratch = mem_alloc(crush_scratch_bytes(map, 6));
    int32_t with[6], without[6];

    for (size_t i = 0; i < ARRAY_LEN(reweights); i++)
        reweights[i] = CRUSH_WEIGHT_ONE;
    crush_scratch_init(map, 6, scratch);
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t x = round / 3;
        int rule = (int)(round % 7), n;

        n = crush_map_x(map, rule, x, reweights, ARRAY_LEN(reweights), with, 6, scratch);
        T_EQ(crush_map_x(map, rule, x, reweights, ARRAY_LEN(reweights), without, 6, NULL), n);
        T_MEM_EQ(with, without, (size_t)n * sizeof(*with));
    }
    mem_free(scratch);
    crush_destroy(map);
}

T(crush_properties, mapping_with_scratch_memory_allocates_nothing)
{
    struct crush_map *map = sealed(map_build(2, 4, 3));
    void *scratch = mem_alloc(crush_scratch_bytes(map, REPS));
    uint32_t reweights[DEVICES];
    int32_t out[REPS];

    all_in(reweights);
    crush_scratch_init(map, REPS, scratch);
    mem_fail_after(0);
    T_EQ(crush_map_x(map, 0, 1, reweights, DEVICES, out, REPS, scratch), REPS);
    T_FALSE(mem_fail_hit());
    T_EQ(crush_map_x(map, 0, 1, reweights, DEVICES, out, REPS, NULL), -ENOMEM);
    mem_fail_after(-1);
    T_EQ(crush_map_x(map, 9, 1, reweights, DEVICES, out, REPS, scratch), 0);
    T_EQ(crush_map_x(map, 0, 1, reweights, DEVICES, out, 0, scratch), 0);
    mem_free(scratch);
    crush_destroy(map);
}

static int stop_at_two(void *arg, const char *line, size_t bytes)
{
    UNUSED(line);
    UNUSED(bytes);
    return ++*(int *)arg == 2 ? -ECANCELED : 0;
}

T(crush_properties, a_test_run_stops_when_told_and_refuses_what_is_out_of_bounds)
{
    struct crush_map *map = sealed(map_build(1, 3, 2));
    static const struct crush_test_weight out[] = {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {4, 0}, {5, 0}};
    struct crush_test t = {.rep_count = 3, .x_max = 100};
    struct note why = {""};
    int lines = 0;

    T_EQ(crush_test_run(map, &t, stop_at_two, &lines, &why), -ECANCELED);
    T_EQ(lines, 2);
    t.rule = 5;
    T_EQ(crush_test_run(map, &t, stop_at_two, &lines, &why), 0);
    T_EQ(lines, 2);
    t.rule = 0;
    t.weights = out;
    t.weight_count = ARRAY_LEN(out);
    T_EQ(crush_test_run(map, &t, stop_at_two, &lines, &why), 0);
    T_EQ(lines, 2);
    t.rep_count = CRUSH_COUNT_MAX + 1;
    T_EQ(crush_test_run(map, &t, stop_at_two, &lines, &why), -EINVAL);
    T_STR_EQ(why.text, "expected up to 4096 replicas and a range of x that is not empty");
    crush_destroy(map);
}
