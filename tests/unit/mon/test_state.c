/* test_state.c - the state as a pure function of changes; its bytes; refusals; lack of memory.
 *
 */
#include "core/mon/mon_state.h"

#include <stdio.h>

#include "core/mon/mon_store_codec.h"
#include "tests/unit/t.h"

static const uint8_t fsid[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

static struct bytes w_bytes(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}

/* A change with what the caller put into it. */
static void change_make(struct writer *w, struct mon_change change, const struct writer *map)
{
    if (map) {
        T_OK(map->rc);
        change.map = w_bytes(map);
    }
    w->len = 0;
    mon_change_encode(w, &change);
    T_OK(w->rc);
}

static struct osdmap *first_map(void)
{
    struct osdmap *m = osdmap_create(fsid);

    T_TRUE(m != NULL);
    m->epoch.v = 1;
    return m;
}

static struct osdmap *with_osd(const struct osdmap *m, uint32_t id)
{
    struct osdmap *n = osdmap_clone(m);
    char host[32];

    T_TRUE(n != NULL);
    n->epoch.v++;
    T_OK(osdmap_osds_grow(n, id + 1));
    n->osds[id] = (struct osd_info){.state = OSD_EXISTS | OSD_UP,
                                    .weight = OSD_WEIGHT_IN,
                                    .instance = id + 100,
                                    .up_from = n->epoch};
    T_OK(net_addr_make("127.0.0.1", (uint16_t)(6800 + id), &n->osds[id].addr));
    snprintf(host, sizeof(host), "host%u", id);
    T_OK(osdmap_crush_add(n, (struct osd_id){(int32_t)id}, host, "ssd", 0x10000));
    T_OK(osdmap_seal(n));
    return n;
}

enum { SCRIPT = 8 };

/* The changes of a small life, one after the other; 0 when all are given. */
static bool script(unsigned step, struct osdmap **map, struct writer *out)
{
    static const char key[] = "user/ann", value[] = "v\0\1", key2[] = "conf/x";
    struct mon_change_row rows[2] = {{.key = BYTES_STR(key), .value = {(const uint8_t *)value, 3}},
                                     {.key = BYTES_STR(key2), .value = BYTES_STR("1")}};
    struct mon_change_result results[1] = {{.client = UINT64_MAX,
                                            .id = step,
                                            .rc = step % 2 ? 0 : -R_EXISTS,
                                            .text = BYTES_STR("done"),
                                            .json = BYTES_STR("{}")}};
    struct mon_change change = {0};
    AUTO(writer) w = {0};
    struct osdmap_inc inc;
    struct osdmap *next;

    if (step == SCRIPT)
        return false;
    if (step == 0) {
        *map = first_map();
        T_OK(osdmap_encode(*map, &w));
        change.map_kind = MON_MAP_FULL;
    } else {
        next = with_osd(*map, step % 3);
        T_OK(osdmap_diff(*map, next, &inc));
        T_OK(osdmap_inc_encode(&inc, &w));
        osdmap_inc_fini(&inc);
        osdmap_unref(*map);
        *map = next;
        change.map_kind = MON_MAP_INC;
    }
    rows[1].remove = step == 5;
    rows[1].value.len = step == 5 ? 0 : 1;
    change.trim_to.v = step == 6 ? 3 : 0;
    change.rows = rows;
    change.row_count = 2;
    change.results = results;
    change.result_count = step > 0;
    change_make(out, change, &w);
    return true;
}

static void run_script(struct mon_state *s, struct osdmap **map)
{
    AUTO(writer) w = {0};

    T_OK(mon_state_init(s, fsid));
    for (unsigned step = 0; script(step, map, &w); step++) {
        T_OK(mon_state_apply(s, w_bytes(&w)));
        mon_state_check(s);
    }
}

T(mon_state, changes_make_the_state_and_its_bytes_make_it_again)
{
    struct mon_state s, again;
    struct osdmap *map = NULL;
    AUTO(writer) a = {0};
    AUTO(writer) b = {0};
    const struct mon_row *row;

    run_script(&s, &map);
    T_EQ(mon_state_epoch(&s).v, SCRIPT);
    T_EQ(mon_state_oldest(&s).v, 3);
    row = mon_state_get(&s, "user/ann");
    T_TRUE(row != NULL);
    T_EQ(row->value_bytes, 3);
    T_MEM_EQ(row->value, "v\0\1", 3);
    T_TRUE(mon_state_get(&s, "conf/x") != NULL); /* removed by one, put back by a later one */
    T_EQ(mon_state_result(&s, UINT64_MAX, 4)->rc, -R_EXISTS);
    T_TRUE(mon_state_result(&s, UINT64_MAX, 99) == NULL);
    mon_state_encode(&s, &a);
    T_OK(a.rc);
    T_OK(mon_state_decode(w_bytes(&a), &again));
    mon_state_encode(&again, &b);
    T_EQ(a.len, b.len);
    T_MEM_EQ(a.data, b.data, a.len);
    /* Both go on in the same way. */
    T_EQ(again.result_count, s.result_count);
    mon_state_fini(&again);
    mon_state_fini(&s);
    osdmap_unref(map);
}

T(mon_state, version_1_is_what_it_always_was)
{
    struct mon_state s;
    struct osdmap *map = NULL;
    AUTO(writer) w = {0};

    run_script(&s, &map);
    mon_state_encode(&s, &w);
    T_GOLDEN("mon-state", w.data, w.len);
    mon_state_fini(&s);
    osdmap_unref(map);
}

T(mon_state, a_log_record_of_version_1_is_what_it_always_was)
{
    AUTO(writer) w = {0};
    struct raft_entry e = {.pos = {8, 3}, .type = RAFT_DATA, .data = BYTES_STR("payload")};
    struct mon_record least = {
        .log_id = 0x1122334455667788, .generation = 5, .seq = 9, .kind = MON_RECORD_MORE};
    struct mon_record r;
    struct mon_item item;
    size_t mark = mon_record_begin(&w, &least);

    mon_item_hard(&w, &(struct raft_hard){.term = 3, .vote = 2});
    mon_item_reset(&w, (struct raft_pos){7, 2});
    mon_item_cut(&w, 8);
    mon_item_entry(&w, &e);
    mon_record_end(&w, mark);
    T_EQ(w.len, DISK_BLOCK);
    T_GOLDEN("mon-log", w.data, w.len);
    T_OK(mon_record_decode(w.data, w.len, &least, &r));
    T_EQ(r.bytes, w.len);
    T_OK(mon_item_decode(&r.body, &item));
    T_EQ(item.hard.term, 3);
    T_OK(mon_item_decode(&r.body, &item));
    T_EQ(item.base.index, 7);
    T_OK(mon_item_decode(&r.body, &item));
    T_EQ(item.from, 8);
    T_OK(mon_item_decode(&r.body, &item));
    T_TRUE(bytes_equal(item.entry.data, e.data));
    T_EQ(cur_left(&r.body), 0);
    least.generation = 6; /* an older generation */
    T_LT(mon_record_decode(w.data, w.len, &least, &r), 0);
    least.generation = 5;
    least.seq = 10; /* an earlier record */
    T_LT(mon_record_decode(w.data, w.len, &least, &r), 0);
    least.seq = 9;
    least.log_id++; /* another log's */
    T_LT(mon_record_decode(w.data, w.len, &least, &r), 0);
    least.log_id--;
    w.data[40] ^= 1;
    T_EQ(mon_record_decode(w.data, w.len, &least, &r), -R_CSUM_MISMATCH);
}

T(mon_state, what_cannot_follow_is_refused)
{
    struct mon_state s;
    struct osdmap *map = NULL, *next;
    struct osdmap_inc inc;
    AUTO(writer) w = {0};
    AUTO(writer) m = {0};
    struct mon_change_result twice = {.client = UINT64_MAX, .id = 1};
    struct mon_change_row bad = {.key = {(const uint8_t *)"a\0b", 3}};

    run_script(&s, &map);
    change_make(&w, (struct mon_change){.results = &twice, .result_count = 1}, NULL);
    T_EQ(mon_state_apply(&s, w_bytes(&w)), -R_MALFORMED); /* a command runs once */
    change_make(&w, (struct mon_change){.rows = &bad, .row_count = 1}, NULL);
    T_EQ(mon_state_apply(&s, w_bytes(&w)), -R_MALFORMED);
    change_make(&w, (struct mon_change){.trim_to = {SCRIPT + 1}}, NULL);
    T_EQ(mon_state_apply(&s, w_bytes(&w)), -R_MALFORMED);
    T_OK(osdmap_encode(map, &m));
    change_make(&w, (struct mon_change){.map_kind = MON_MAP_FULL}, &m);
    T_EQ(mon_state_apply(&s, w_bytes(&w)), -R_MALFORMED); /* a second beginning */
    next = with_osd(map, 0);
    map->epoch.v += 4;
    next->epoch.v += 4;
    T_OK(osdmap_diff(map, next, &inc));
    m.len = 0;
    T_OK(osdmap_inc_encode(&inc, &m));
    change_make(&w, (struct mon_change){.map_kind = MON_MAP_INC}, &m);
    T_LT(mon_state_apply(&s, w_bytes(&w)), 0); /* a hole */
    osdmap_inc_fini(&inc);
    osdmap_unref(next);
    mon_state_check(&s);
    mon_state_fini(&s);
    osdmap_unref(map);
}

T(mon_state, the_oldest_results_are_forgotten_first)
{
    struct mon_state s;
    AUTO(writer) w = {0};

    T_OK(mon_state_init(&s, fsid));
    for (uint64_t id = 1; id <= MON_RESULTS_KEPT + 10; id++) {
        struct mon_change_result r = {.client = 7, .id = id};

        change_make(&w, (struct mon_change){.results = &r, .result_count = 1}, NULL);
        T_OK(mon_state_apply(&s, w_bytes(&w)));
    }
    mon_state_check(&s);
    T_TRUE(mon_state_result(&s, 7, 10) == NULL);
    T_TRUE(mon_state_result(&s, 7, 11) != NULL);
    mon_state_fini(&s);
}

T(mon_state, lack_of_memory_is_an_error_and_leaves_nothing_behind)
{
    struct writer changes[SCRIPT] = {{0}};
    struct osdmap *map = NULL;
    AUTO(writer) all = {0};
    struct mon_state s;

    for (unsigned step = 0; step < SCRIPT; step++)
        T_TRUE(script(step, &map, &changes[step]));
    for (int64_t n = 0;; n++) {
        int rc;

        mem_fail_after(n);
        rc = mon_state_init(&s, fsid);
        for (unsigned step = 0; rc == 0 && step < SCRIPT; step++)
            rc = mon_state_apply(&s, w_bytes(&changes[step]));
        mem_fail_after(-1);
        if (rc == 0)
            break;
        T_EQ(rc, -ENOMEM);
        mon_state_fini(&s);
    }
    mon_state_encode(&s, &all);
    mon_state_fini(&s);
    for (int64_t n = 0;; n++) {
        int rc;

        mem_fail_after(n);
        rc = mon_state_decode(w_bytes(&all), &s);
        mem_fail_after(-1);
        if (rc == 0)
            break;
        T_EQ(rc, -ENOMEM);
    }
    mon_state_fini(&s);
    for (unsigned step = 0; step < SCRIPT; step++)
        writer_fini(&changes[step]);
    osdmap_unref(map);
}
