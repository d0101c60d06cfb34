#include "tests/unit/t.h"

#include "core/base/rng.h"
#include "core/map/types.h"

static struct oid name_make(uint32_t pool, const char *name)
{
    struct oid o;

    T_OK(oid_make((struct pool_id){pool}, BYTES_STR(name), &o));
    return o;
}

T(oid, keys_sort_as_oids_compare_and_read_back)
{
    struct rng r;
    static char names[300][24];
    struct oid o[300];

    rng_seed(&r, 7);
    for (int i = 0; i < 300; i++) {
        snprintf(names[i], sizeof(names[i]), "obj-%u", (unsigned)rng_below(&r, 1000));
        o[i] = name_make(1 + (uint32_t)rng_below(&r, 2), names[i]);
    }
    for (int i = 0; i + 1 < 300; i++) {
        AUTO(writer) a = {0};
        AUTO(writer) b = {0};
        struct oid back;
        int by_key, by_oid = oid_cmp(&o[i], &o[i + 1]);

        oid_key_put(&a, &o[i]);
        oid_key_put(&b, &o[i + 1]);
        by_key = bytes_compare((struct bytes){a.data, (uint32_t)a.len},
                               (struct bytes){b.data, (uint32_t)b.len});
        T_EQ(by_key < 0, by_oid < 0);
        T_EQ(by_key > 0, by_oid > 0);
        T_OK(oid_key_get((struct bytes){a.data, (uint32_t)a.len}, &back));
        T_TRUE(oid_equal(&back, &o[i]));
    }
}

T(oid, a_pg_is_one_range_of_keys_before_and_after_a_split)
{
    static const uint32_t counts[] = {1, 2, 8, 64, 65536};

    for (unsigned n = 0; n < ARRAY_LEN(counts); n++)
        for (int i = 0; i < 500; i++) {
            char text[24];
            struct oid o;
            struct pgid pg;
            struct oid_range range;
            AUTO(writer) key = {0};

            snprintf(text, sizeof(text), "n%d", i);
            o = name_make(3, text);
            pg = oid_pg(&o, counts[n]);
            range = pg_range(pg, counts[n]);
            oid_key_put(&key, &o);
            T_TRUE(memcmp(key.data, range.from, 8) >= 0);
            T_TRUE(memcmp(key.data, range.to, 8) < 0);
        }
}

T(oid, the_ranges_of_all_pgs_follow_each_other_without_gap)
{
    struct oid_range last = pg_range((struct pgid){{9}, 15}, 16); /* reversed: the last one */
    struct oid_range first = pg_range((struct pgid){{9}, 0}, 16);
    struct oid_range one = pg_range((struct pgid){{9}, 0}, 1);

    T_MEM_EQ(first.from, one.from, 8);
    T_MEM_EQ(last.to, one.to, 8);
    T_MEM_EQ(last.to, pg_range((struct pgid){{10}, 0}, 1).from, 8);
}

T(oid, malformed_keys_are_refused)
{
    struct oid o = name_make(1, "x"), back;
    AUTO(writer) key = {0};

    oid_key_put(&key, &o);
    T_EQ(oid_key_get((struct bytes){key.data, 8}, &back), -R_MALFORMED);
    key.data[6] ^= 1; /* the hash no longer belongs to the name */
    T_EQ(oid_key_get((struct bytes){key.data, (uint32_t)key.len}, &back), -R_MALFORMED);
}

T(oid, encoding_round_trips_and_refuses_long_names)
{
    static uint8_t big[OID_NAME_MAX + 1];
    struct oid o = name_make(4, "a/b\x01"), back;
    AUTO(writer) w = {0};
    struct cursor c;

    wr_oid(&w, &o);
    c = cur_over(w.data, w.len);
    back = cur_oid(&c);
    T_OK(cur_finish(&c));
    T_TRUE(oid_equal(&o, &back));
    T_EQ(oid_make((struct pool_id){1}, (struct bytes){big, sizeof(big)}, &back), -ENAMETOOLONG);
}

T(osd_set, holds_at_most_its_bound)
{
    struct osd_set s = {.count = 0};

    for (int i = 0; i < OSD_SET_MAX; i++)
        T_OK(osd_set_add(&s, (struct osd_id){i}));
    T_EQ(osd_set_add(&s, (struct osd_id){99}), -R_OVERFLOW);
    T_TRUE(osd_set_has(&s, (struct osd_id){15}));
    T_FALSE(osd_set_has(&s, (struct osd_id){99}));
}
