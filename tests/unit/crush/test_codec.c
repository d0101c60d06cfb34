/* test_codec.c - the encoded map: its bytes stay, and nothing wrong gets in. */
#include "core/base/rng.h"
#include "core/crush/crush_codec.h"
#include "core/crush/crush_text.h"
#include "tests/unit/crush/crush_util.h"
#include "tests/unit/t.h"

/* Every algorithm, classes, names, steps, a second root. */
static const char everything[] =
    "tunable choose_local_tries 0\ntunable choose_local_fallback_tries 0\n"
    "tunable choose_total_tries 50\ntunable chooseleaf_descend_once 1\n"
    "tunable chooseleaf_vary_r 1\ntunable chooseleaf_stable 1\ntunable straw_calc_version 1\n"
    "tunable allowed_bucket_algs 62\n"
    "device 0 osd.0 class hdd\ndevice 1 osd.1 class ssd\ndevice 2 osd.2\ndevice 7 osd.7 class hdd\n"
    "type 0 osd type 1 host type 3 rack type 10 root\n"
    "host a { id -3 alg uniform hash 0 item osd.0 weight 2 item osd.1 weight 2 }\n"
    "host b { id -4 alg list hash 0 item osd.2 weight 0.5 item osd.7 weight 1.25 }\n"
    "rack t { id -5 alg tree hash 0 item a item b }\n"
    "rack s { id -6 alg straw hash 0 item b weight 9 item a }\n"
    "root default { id -1 alg straw2 hash 0 item t item s }\n"
    "root other { id -2 alg straw2 hash 0 }\n"
    "rule one { id 0 type replicated min_size 1 max_size 10 step take default class hdd\n"
    " step chooseleaf firstn 0 type host step emit }\n"
    "rule { id 5 type erasure min_size 3 max_size 20 step set_choose_tries 100\n"
    " step set_chooseleaf_tries 5 step take default step choose indep 2 type rack\n"
    " step choose indep 2 type osd step emit }\n";

static void encode(const struct crush_map *map, struct writer *w)
{
    crush_encode(map, w);
    T_OK(w->rc);
}

T(crush_codec, the_first_version_reads_and_writes_the_same_bytes_for_ever)
{
    struct crush_map *map = map_of(everything), *back = NULL;
    AUTO(writer) w = {0};
    uint8_t golden[8192];
    struct cursor c;
    size_t n;

    n = t_golden_read("crush-map", golden, sizeof(golden));
    encode(map, &w);
    T_EQ(w.len, n);
    T_MEM_EQ(w.data, golden, n);
    c = cur_over(golden, n);
    T_OK(crush_decode(&c, &back));
    T_TRUE(maps_equal(map, back));
    crush_destroy(back);
    crush_destroy(map);
}

T(crush_codec, a_cut_or_changed_byte_is_seen)
{
    struct crush_map *map = map_of(everything), *back = NULL;
    AUTO(writer) w = {0};

    encode(map, &w);
    for (size_t n = 0; n < w.len; n++) {
        struct cursor c = cur_over(w.data, n);

        T_LT(crush_decode(&c, &back), 0);
        w.data[n] ^= 0x10;
        c = cur_over(w.data, w.len);
        if (n != 0 && n != 2 && n != 3) /* the version may be newer, zeros are the envelope's */
            T_LT(crush_decode(&c, &back), 0);
        w.data[n] ^= 0x10;
    }
    T_TRUE(back == NULL);
    crush_destroy(map);
}

/* Behind a right checksum anything may stand.  What is let in must encode to what it came from,
 * and map without harm (the sanitizers look on). */
T(crush_codec, a_forged_map_is_refused_or_harmless)
{
    struct crush_map *map = map_of(everything);
    AUTO(writer) w = {0};
    uint32_t ones[8], let_in = 0;
    struct rng rng;

    for (size_t i = 0; i < ARRAY_LEN(ones); i++)
        ones[i] = CRUSH_WEIGHT_ONE;
    rng_seed(&rng, 7);
    encode(map, &w);
    for (int round = 0; round < 20000; round++) {
        AUTO(writer) forged = {0};
        struct crush_map *back = NULL;
        size_t mark = wr_begin(&forged, 1, 1);
        struct cursor c;
        int32_t out[4];

        wr_raw(&forged, w.data + 12, w.len - 12);
        for (uint64_t n = rng_between(&rng, 1, 3); n > 0; n--)
            forged.data[rng_between(&rng, 12, forged.len - 1)] ^=
                (uint8_t)(1U << rng_below(&rng, 8));
        wr_end(&forged, mark);
        c = cur_over(forged.data, forged.len);
        if (crush_decode(&c, &back) < 0)
            continue;
        let_in++;
        if (back->tunables.choose_total_tries <= 100)
            for (uint32_t x = 0; x < 2; x++)
                T_OK(crush_map_x(back, 0, x, ones, ARRAY_LEN(ones), out, 4, NULL));
        crush_destroy(back);
    }
    T_GT(let_in, 1000); /* weights, names and tunables may differ */
    T_LT(let_in, 19000);
    crush_destroy(map);
}

static struct crush_map *change(void (*spoil)(struct crush_map *map))
{
    struct crush_map *map = map_of(everything), *back = NULL;
    AUTO(writer) w = {0};
    struct cursor c;

    spoil(map);
    encode(map, &w);
    crush_destroy(map);
    c = cur_over(w.data, w.len);
    if (crush_decode(&c, &back) == 0)
        return back;
    T_TRUE(c.rc == -R_MALFORMED || c.rc == -R_OVERFLOW);
    return NULL;
}

static void spoil_loop(struct crush_map *map)
{
    map->buckets[3]->items[0] = -5; /* host b lists the rack that lists it */
}
static void spoil_item(struct crush_map *map)
{
    map->buckets[3]->items[0] = 3;
}
static void spoil_shadow_item(struct crush_map *map)
{
    T_OK(crush_shadow_find(map, -3, 0, &map->buckets[3]->items[0]));
}
static void spoil_shadow_owner(struct crush_map *map)
{
    map->buckets[2]->shadows[0].id = map->buckets[3]->shadows[0].id;
}
static void spoil_type(struct crush_map *map)
{
    map->buckets[2]->type = 4;
}
static void spoil_hash(struct crush_map *map)
{
    map->buckets[2]->hash = 1;
}
static void spoil_uniform(struct crush_map *map)
{
    map->buckets[2]->weights[1]++;
}
static void spoil_take(struct crush_map *map)
{
    map->rules[0]->steps[0].arg1 = -99;
}
static void spoil_step_type(struct crush_map *map)
{
    map->rules[0]->steps[1].arg2 = 2;
}
static void spoil_step_op(struct crush_map *map)
{
    map->rules[0]->steps[1].op = (enum crush_op)5;
}
static void spoil_tries(struct crush_map *map)
{
    map->tunables.choose_total_tries = CRUSH_TRIES_MAX + 1;
}
static void spoil_weight(struct crush_map *map)
{
    map->buckets[3]->weights[0] = CRUSH_WEIGHT_MAX + 1;
}
static void spoil_nothing(struct crush_map *map)
{
    map->buckets[3]->weights[0]++;
}

T(crush_codec, what_the_mapper_relies_on_is_verified)
{
    static void (*const spoils[])(struct crush_map *) = {
        spoil_loop,  spoil_item,   spoil_shadow_item, spoil_shadow_owner,
        spoil_type,  spoil_hash,   spoil_uniform,     spoil_take,
        spoil_tries, spoil_weight, spoil_step_type,   spoil_step_op,
    };
    struct crush_map *fine = change(spoil_nothing);

    T_TRUE(fine != NULL);
    crush_destroy(fine);
    T_CASES (spoil, spoils)
        T_TRUE(change(*spoil) == NULL);
}

T(crush_codec, a_failed_allocation_gives_up_cleanly)
{
    struct crush_map *map = map_of(everything), *back = NULL;
    AUTO(writer) w = {0};
    int rc = -ENOMEM;

    encode(map, &w);
    for (int64_t n = 0; rc == -ENOMEM; n++) {
        struct cursor c = cur_over(w.data, w.len);

        T_LT(n, 1000);
        mem_fail_after(n);
        rc = crush_decode(&c, &back);
        mem_fail_after(-1);
    }
    T_OK(rc);
    crush_destroy(back);
    crush_destroy(map);
}
