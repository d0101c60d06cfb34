#include "tests/unit/t.h"

#include "core/crush/crush_build.h"
#include "core/map/osdmap.h"

static const uint8_t fsid[16] = {1, 2, 3};

static void osd_up(struct osdmap *m, int id)
{
    struct osd_info *o;

    T_OK(osdmap_osds_grow(m, (uint32_t)id + 1));
    o = &m->osds[id];
    o->state = OSD_EXISTS | OSD_UP;
    o->weight = OSD_WEIGHT_IN;
    o->instance = 100 + (uint64_t)id;
    snprintf(o->addr.s, sizeof(o->addr.s), "127.0.0.1:%d", 6800 + id);
}

/* A map with `osds` OSDs on a host each, and one pool. */
static struct osdmap *map_make(int osds)
{
    struct osdmap *m = osdmap_create(fsid);
    struct pool p = {.id = {1}, .name = "data", .size = 3, .size_min = 2, .pg_count = 32};

    T_TRUE(m != NULL);
    for (int i = 0; i < osds; i++) {
        char host[16];

        snprintf(host, sizeof(host), "host%d", i);
        osd_up(m, i);
        T_OK(osdmap_crush_add(m, (struct osd_id){i}, host, "", OSD_WEIGHT_IN));
    }
    T_OK(osdmap_pool_set(m, &p));
    m->epoch.v = 5;
    T_OK(osdmap_seal(m));
    return m;
}

static void bytes_same(const struct osdmap *a, const struct osdmap *b)
{
    AUTO(writer) wa = {0};
    AUTO(writer) wb = {0};

    T_OK(osdmap_encode(a, &wa));
    T_OK(osdmap_encode(b, &wb));
    T_EQ(wa.len, wb.len);
    T_MEM_EQ(wa.data, wb.data, wa.len);
}

T(osdmap, places_each_pg_on_distinct_up_osds)
{
    struct osdmap *m = map_make(5);

    m->osds[1].state = OSD_EXISTS;
    for (uint32_t i = 0; i < 32; i++) {
        struct placement at;

        T_OK(osdmap_place(m, (struct pgid){{1}, i}, &at));
        T_TRUE(at.up.count >= 2 && at.up.count <= 3);
        T_FALSE(osd_set_has(&at.up, (struct osd_id){1}));
        T_TRUE(osd_set_equal(&at.up, &at.acting));
        T_TRUE(osd_eq(at.primary, at.up.osd[0]));
    }
    osdmap_unref(m);
}

T(osdmap, pg_temp_rules_the_acting_set_while_a_member_is_up)
{
    struct osdmap *m = map_make(4);
    struct osd_set want = {.osd = {{3}, {0}}, .count = 2}, none = {.count = 0};
    struct pgid pg = {{1}, 7};
    struct placement at;

    T_OK(osdmap_temp_set(m, pg, &want));
    T_OK(osdmap_place(m, pg, &at));
    T_TRUE(osd_set_equal(&at.acting, &want));
    T_EQ(at.primary.v, 3);
    m->osds[3].state = OSD_EXISTS;
    T_OK(osdmap_place(m, pg, &at));
    T_EQ(at.primary.v, 0);
    m->osds[0].state = OSD_EXISTS;
    T_OK(osdmap_place(m, pg, &at));
    T_TRUE(osd_set_equal(&at.acting, &at.up));
    T_OK(osdmap_temp_set(m, pg, &none));
    T_EQ(m->temp_count, 0);
    osdmap_unref(m);
}

T(osdmap, encoding_round_trips)
{
    struct osdmap *m = map_make(3), *back = NULL;
    AUTO(writer) w = {0};
    struct cursor c;

    T_OK(osdmap_block_set(m, 77, 1234));
    T_OK(osdmap_encode(m, &w));
    c = cur_over(w.data, w.len);
    T_OK(osdmap_decode(&c, &back));
    bytes_same(m, back);
    T_TRUE(osdmap_blocked(back, 77));
    osdmap_unref(m);
    osdmap_unref(back);
}

T(osdmap, every_byte_flipped_is_noticed)
{
    struct osdmap *m = map_make(3);
    AUTO(writer) w = {0};

    T_OK(osdmap_encode(m, &w));
    for (size_t i = 0; i < w.len; i++) {
        struct osdmap *back = NULL;
        struct cursor c = cur_over(w.data, w.len);

        w.data[i] ^= 0x10;
        if (osdmap_decode(&c, &back) == 0) {
            T_EQ(i, 0); /* only the version byte is free to grow */
            osdmap_unref(back);
        }
        w.data[i] ^= 0x10;
    }
    osdmap_unref(m);
}

T(osdmap, an_increment_leads_exactly_to_the_next_map)
{
    struct osdmap *a = map_make(4), *b = osdmap_clone(a), *got = NULL;
    struct osd_set want = {.osd = {{2}}, .count = 1};
    struct pool p = {.id = {2}, .name = "more", .size = 2, .size_min = 1, .pg_count = 8};
    struct osdmap_inc inc, back;
    AUTO(writer) w = {0};
    struct cursor c;

    b->epoch.v++;
    b->osds[2].state = OSD_EXISTS;
    osd_up(b, 4);
    T_OK(osdmap_crush_add(b, (struct osd_id){4}, "host4", "ssd", OSD_WEIGHT_IN / 2));
    T_OK(osdmap_pool_set(b, &p));
    osdmap_pool_drop(b, (struct pool_id){1});
    T_OK(osdmap_temp_set(b, (struct pgid){{2}, 1}, &want));
    T_OK(osdmap_block_set(b, 5, 6));
    T_OK(osdmap_seal(b));
    T_OK(osdmap_diff(a, b, &inc));
    T_OK(osdmap_inc_encode(&inc, &w));
    c = cur_over(w.data, w.len);
    T_OK(osdmap_inc_decode(&c, &back));
    T_OK(osdmap_apply(a, &back, &got));
    bytes_same(b, got);
    T_EQ(osdmap_apply(got, &back, &got), -R_OLD_EPOCH);
    osdmap_inc_fini(&inc);
    osdmap_inc_fini(&back);
    osdmap_unref(a);
    osdmap_unref(b);
    osdmap_unref(got);
}

T(osdmap, an_interval_ends_with_any_change_of_members_or_size)
{
    struct osdmap *a = map_make(4), *b;
    struct pgid pg = {{1}, 3};
    struct placement at;
    struct pool p;

    T_OK(osdmap_place(a, pg, &at));
    b = osdmap_clone(a);
    T_TRUE(osdmap_pg_same_interval(a, b, pg));
    b->osds[at.up.osd[2].v].state = OSD_EXISTS;
    T_FALSE(osdmap_pg_same_interval(a, b, pg));
    b->osds[at.up.osd[2].v].state = OSD_EXISTS | OSD_UP;
    p = *osdmap_pool(b, pg.pool);
    p.size_min = 1;
    T_OK(osdmap_pool_set(b, &p));
    T_FALSE(osdmap_pg_same_interval(a, b, pg));
    osdmap_unref(a);
    osdmap_unref(b);
}

T(osdmap, short_memory_leaves_no_half_map)
{
    struct osdmap *m = map_make(3);
    AUTO(writer) w = {0};

    T_OK(osdmap_encode(m, &w));
    for (int64_t n = 0;; n++) {
        struct cursor c = cur_over(w.data, w.len);
        struct osdmap *back = NULL;
        int rc;

        mem_fail_after(n);
        rc = osdmap_decode(&c, &back);
        if (!mem_fail_hit()) {
            mem_fail_after(-1);
            T_OK(rc);
            osdmap_unref(back);
            break;
        }
        mem_fail_after(-1);
        T_EQ(rc, -ENOMEM);
        T_TRUE(back == NULL);
    }
    osdmap_unref(m);
}
