/* test_pg_wire.c - log entries, infos and logs arrive as they were. */
#include <stdio.h>

#include "core/base/rng.h"
#include "tests/unit/proto/samples.h"
#include "tests/unit/t.h"

static void touched_same(const struct touched *a, const struct touched *b)
{
    T_EQ(a->whole, b->whole);
    T_EQ(a->omap_cleared, b->omap_cleared);
    T_EQ(a->range_count, b->range_count);
    T_EQ(a->key_count, b->key_count);
    for (unsigned i = 0; i < a->range_count; i++) {
        T_EQ(a->range[i].off, b->range[i].off);
        T_EQ(a->range[i].len, b->range[i].len);
    }
    for (unsigned i = 0; i < a->key_count; i++)
        T_TRUE(bytes_equal(a->key[i], b->key[i]));
}

static void entry_same(const struct pg_log_entry *a, const struct pg_log_entry *b)
{
    T_TRUE(version_eq(a->version, b->version));
    T_TRUE(version_eq(a->prior, b->prior));
    T_EQ(a->kind, b->kind);
    T_TRUE(oid_equal(&a->oid, &b->oid));
    T_TRUE(reqid_eq(a->reqid, b->reqid));
    T_EQ(a->floor, b->floor);
    T_EQ(a->rc, b->rc);
    touched_same(&a->touched, &b->touched);
    T_EQ(a->mtime_wall_ns, b->mtime_wall_ns);
}

static void info_same(const struct pg_info *a, const struct pg_info *b)
{
    T_TRUE(pgid_eq(a->pg, b->pg));
    T_TRUE(epoch_eq(a->created, b->created));
    T_TRUE(version_eq(a->last_update, b->last_update));
    T_TRUE(version_eq(a->log_tail, b->log_tail));
    T_TRUE(epoch_eq(a->les, b->les));
    T_TRUE(epoch_eq(a->last_clean, b->last_clean));
    T_TRUE(epoch_eq(a->same_since, b->same_since));
    T_EQ(a->complete, b->complete);
    T_TRUE(bytes_equal(a->last_backfill, b->last_backfill));
    T_EQ(a->salvaged, b->salvaged);
    T_EQ(a->objects, b->objects);
    T_EQ(a->bytes, b->bytes);
    T_EQ(a->missing_count, b->missing_count);
}

static void log_same(const struct pg_log_wire *a, const struct pg_log_wire *b)
{
    T_TRUE(version_eq(a->tail, b->tail));
    T_TRUE(version_eq(a->head, b->head));
    T_TRUE(epoch_eq(a->expired, b->expired));
    T_EQ(a->entry_count, b->entry_count);
    for (uint32_t i = 0; i < a->entry_count; i++)
        entry_same(&a->entries[i], &b->entries[i]);
    T_EQ(a->result_count, b->result_count);
    for (uint32_t i = 0; i < a->result_count; i++) {
        T_TRUE(reqid_eq(a->results[i].reqid, b->results[i].reqid));
        T_TRUE(version_eq(a->results[i].version, b->results[i].version));
        T_EQ(a->results[i].rc, b->results[i].rc);
    }
    T_EQ(a->floor_count, b->floor_count);
    for (uint32_t i = 0; i < a->floor_count; i++) {
        T_EQ(a->floors[i].client, b->floors[i].client);
        T_EQ(a->floors[i].floor, b->floors[i].floor);
        T_TRUE(version_eq(a->floors[i].last, b->floors[i].last));
        T_TRUE(epoch_eq(a->floors[i].unknown_until, b->floors[i].unknown_until));
    }
    T_EQ(a->missing_count, b->missing_count);
    for (uint32_t i = 0; i < a->missing_count; i++) {
        T_TRUE(oid_equal(&a->missing[i].oid, &b->missing[i].oid));
        T_TRUE(version_eq(a->missing[i].need, b->missing[i].need));
        T_TRUE(version_eq(a->missing[i].have, b->missing[i].have));
        touched_same(&a->missing[i].touched, &b->missing[i].touched);
    }
}

/* One of each, in this order: also what the golden file holds. */
struct all {
    struct pg_log_entry entry;
    struct pg_info info;
    struct pg_log_wire log;
};

static void all_fini(struct all *a)
{
    oid_fini(&a->entry.oid);
    touched_fini(&a->entry.touched);
    pg_info_fini(&a->info);
    pg_log_wire_fini(&a->log);
}

static void all_sample(struct all *a)
{
    sample_entry(&a->entry, 5);
    sample_info(&a->info);
    sample_log(&a->log);
}

static void all_encode(const struct all *a, struct writer *w)
{
    pg_log_entry_encode(&a->entry, w);
    pg_info_encode(&a->info, w);
    pg_log_wire_encode(&a->log, w);
}

static int all_decode(struct cursor *c, struct all *out)
{
    int rc = pg_log_entry_decode(c, &out->entry);

    if (rc == 0)
        rc = pg_info_decode(c, &out->info);
    if (rc == 0)
        rc = pg_log_wire_decode(c, &out->log);
    return rc;
}

static void all_same(const struct all *a, const struct all *b)
{
    entry_same(&a->entry, &b->entry);
    info_same(&a->info, &b->info);
    log_same(&a->log, &b->log);
}

T(pg_wire, structures_arrive_as_sent)
{
    AUTO(all) a = {0};
    AUTO(all) back = {0};
    AUTO(writer) w = {0};
    struct cursor c;

    all_sample(&a);
    all_encode(&a, &w);
    T_OK(w.rc);
    c = cur_over(w.data, w.len);
    T_OK(all_decode(&c, &back));
    T_OK(cur_finish(&c));
    all_same(&a, &back);
}

T(pg_wire, empty_structures_arrive_as_sent)
{
    AUTO(pg_log_wire) log = {0};
    AUTO(pg_info) info = {0};
    AUTO(writer) w = {0};
    AUTO(pg_log_wire) log_back = {.entry_count = 0};
    AUTO(pg_info) info_back = {.complete = true};
    struct cursor c;

    pg_log_wire_encode(&log, &w);
    pg_info_encode(&info, &w);
    T_OK(w.rc);
    c = cur_over(w.data, w.len);
    T_OK(pg_log_wire_decode(&c, &log_back));
    T_OK(pg_info_decode(&c, &info_back));
    log_same(&log, &log_back);
    info_same(&info, &info_back);
}

T(pg_wire, golden_bytes_are_read_and_rebuilt)
{
    AUTO(all) a = {0};
    AUTO(all) back = {0};
    AUTO(writer) w = {0};
    uint8_t golden[4096];
    struct cursor c;
    size_t bytes;

    bytes = t_golden_read("pg", golden, sizeof(golden));
    all_sample(&a);
    c = cur_over(golden, bytes);
    T_OK(all_decode(&c, &back));
    T_OK(cur_finish(&c));
    all_same(&a, &back);
    all_encode(&back, &w);
    T_EQ(w.len, bytes);
    T_MEM_EQ(w.data, golden, bytes);
}

T(pg_wire, cut_short_anywhere_are_refused)
{
    AUTO(all) a = {0};
    AUTO(writer) w = {0};

    all_sample(&a);
    all_encode(&a, &w);
    T_OK(w.rc);
    for (size_t n = 0; n < w.len; n++) {
        AUTO(all) back = {0};
        uint8_t *cut = mem_dup(w.data, n);
        struct cursor c = cur_over(cut, n);

        T_EQ(all_decode(&c, &back), -R_TRUNCATED);
        mem_free(cut);
    }
}

/* A `touched` may become "whole" instead of failing: more is copied, never less. */
T(pg_wire, short_memory_fails_decoding_cleanly)
{
    AUTO(all) a = {0};
    AUTO(writer) w = {0};
    bool hit = true;

    all_sample(&a);
    all_encode(&a, &w);
    T_OK(w.rc);
    for (int64_t n = 0; hit; n++) {
        AUTO(all) back = {0};
        struct cursor c = cur_over(w.data, w.len);
        int rc;

        mem_fail_after(n);
        rc = all_decode(&c, &back);
        hit = mem_fail_hit();
        mem_fail_after(-1);
        if (!hit) {
            all_same(&a, &back);
        } else if (rc == 0) {
            T_TRUE(back.entry.touched.whole || back.log.entries[0].touched.whole ||
                   back.log.entries[1].touched.whole || back.log.missing[0].touched.whole);
        } else {
            T_EQ(rc, -ENOMEM);
        }
    }
}

static int log_decodes(const struct pg_log_wire *l)
{
    AUTO(writer) w = {0};
    AUTO(pg_log_wire) back = {0};
    struct cursor c;

    pg_log_wire_encode(l, &w);
    T_OK(w.rc);
    c = cur_over(w.data, w.len);
    return pg_log_wire_decode(&c, &back);
}

T(pg_wire, entries_of_a_log_ascend_from_its_tail)
{
    AUTO(pg_log_wire) l = {0};

    sample_log(&l);
    T_EQ(log_decodes(&l), 0);
    l.tail.seq = 10;
    T_EQ(log_decodes(&l), -R_MALFORMED);
    l.tail.seq = 9;
    l.entries[1].version.seq = 10;
    T_EQ(log_decodes(&l), -R_MALFORMED);
    l.entries[1].version.seq = 11;
    l.entries[0].kind = 3;
    T_EQ(log_decodes(&l), -R_MALFORMED);
}

T(pg_wire, copies_own_what_they_hold)
{
    AUTO(all) a = {0};
    AUTO(pg_info) info = {0};
    struct pg_log_entry *e;

    all_sample(&a);
    e = pg_log_entry_copy(&a.entry);
    T_TRUE(e != NULL);
    entry_same(&a.entry, e);
    T_TRUE(e->oid.bytes != a.entry.oid.bytes);
    T_TRUE(e->touched.key != a.entry.touched.key);
    pg_log_entry_destroy(e);
    pg_log_entry_destroy(NULL);
    T_OK(pg_info_copy(&a.info, &info));
    info_same(&a.info, &info);
    T_TRUE(info.last_backfill.data != a.info.last_backfill.data);
}

T(pg_wire, copies_with_short_memory_fail_cleanly)
{
    AUTO(all) a = {0};
    bool hit = true;

    all_sample(&a);
    for (int64_t n = 0; hit; n++) {
        struct pg_log_entry *e;

        mem_fail_after(n);
        e = pg_log_entry_copy(&a.entry);
        hit = mem_fail_hit();
        mem_fail_after(-1);
        T_TRUE(hit == (e == NULL));
        pg_log_entry_destroy(e);
    }
}

/* ---- touched ---- */

enum { SPACE = 512 }; /* bytes of the model object */

static void ranges_check(const struct touched *t, const bool *model)
{
    bool have[SPACE] = {0};

    if (t->whole) {
        T_EQ(t->range_count, 0);
        T_EQ(t->key_count, 0);
        return;
    }
    for (unsigned i = 0; i < t->range_count; i++) {
        T_GT(t->range[i].len, 0);
        if (i) /* disjoint, and not even adjacent */
            T_GT(t->range[i].off, t->range[i - 1].off + t->range[i - 1].len);
        for (uint64_t b = 0; b < t->range[i].len; b++)
            have[t->range[i].off + b] = true;
    }
    T_MEM_EQ(have, model, SPACE);
}

T(touched, ranges_are_those_of_a_bitmap)
{
    unsigned wholes = 0;

    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct rng r;
        struct touched t = {0};
        bool model[SPACE] = {0};

        rng_seed(&r, seed);
        for (int i = 0; i < 25; i++) {
            uint64_t len = rng_below(&r, 12), off = rng_below(&r, SPACE - 12);

            touched_range(&t, off, len);
            memset(model + off, 1, len);
            ranges_check(&t, model);
        }
        wholes += t.whole;
        touched_fini(&t);
    }
    T_GT(wholes, 10);
    T_LT(wholes, 290);
}

T(touched, ranges_end_at_the_last_byte)
{
    AUTO(touched) t = {0};

    touched_range(&t, UINT64_MAX - 5, 100);
    T_EQ(t.range[0].len, 5);
    touched_range(&t, 10, UINT64_MAX);
    T_EQ(t.range_count, 1);
    T_EQ(t.range[0].off, 10);
    T_EQ(t.range[0].len, UINT64_MAX - 10);
}

T(touched, keys_are_kept_once_in_order_up_to_the_bound)
{
    AUTO(touched) t = {0};

    for (int i = 0; i < 2 * TOUCHED_KEYS_MAX; i++) {
        char key[16];

        snprintf(key, sizeof(key), "%02d", i * 37 % TOUCHED_KEYS_MAX);
        touched_key(&t, BYTES_STR(key));
        T_EQ(t.key_count, MIN(i + 1, TOUCHED_KEYS_MAX));
    }
    for (unsigned i = 1; i < t.key_count; i++)
        T_LT(bytes_compare(t.key[i - 1], t.key[i]), 0);
    touched_range(&t, 0, 1);
    touched_key(&t, BYTES_STR("one more"));
    T_TRUE(t.whole);
    T_EQ(t.key_count, 0);
    T_EQ(t.range_count, 0);
}

T(touched, merging_adds_and_never_loses)
{
    AUTO(touched) a = {0};
    AUTO(touched) b = {0};

    touched_range(&a, 0, 10);
    touched_key(&a, BYTES_STR("x"));
    touched_range(&b, 5, 10);
    touched_key(&b, BYTES_STR("y"));
    touched_merge(&a, &b);
    T_EQ(a.range_count, 1);
    T_EQ(a.range[0].len, 15);
    T_EQ(a.key_count, 2);
    touched_fini(&b);
    b.omap_cleared = true;
    touched_merge(&a, &b);
    T_TRUE(a.omap_cleared);
    T_EQ(a.key_count, 0);
    touched_key(&a, BYTES_STR("z"));
    T_EQ(a.key_count, 0);
    T_EQ(a.range_count, 1);
    touched_fini(&b);
    b.whole = true;
    touched_merge(&a, &b);
    T_TRUE(a.whole);
    T_EQ(a.range_count, 0);
    touched_range(&a, 1, 1);
    T_EQ(a.range_count, 0);
}

T(touched, clearing_here_drops_keys_that_come_later)
{
    AUTO(touched) a = {0};
    AUTO(touched) b = {0};

    a.omap_cleared = true;
    touched_key(&b, BYTES_STR("y"));
    touched_merge(&a, &b);
    T_TRUE(a.omap_cleared);
    T_EQ(a.key_count, 0);
    T_FALSE(a.whole);
}

T(touched, a_key_that_finds_no_memory_makes_it_whole)
{
    AUTO(touched) t = {0};

    touched_range(&t, 1, 1);
    mem_fail_after(1);
    touched_key(&t, BYTES_STR("x"));
    mem_fail_after(-1);
    T_TRUE(t.whole);
    T_EQ(t.range_count, 0);
    T_TRUE(t.key == NULL);
}

T(touched, arrives_as_sent)
{
    static const uint8_t flags[] = {0, 1, 2};

    for (unsigned i = 0; i < ARRAY_LEN(flags); i++) {
        AUTO(touched) t = {0};
        AUTO(touched) back = {0};
        AUTO(writer) w = {0};
        struct cursor c;

        t.whole = flags[i] & 1;
        t.omap_cleared = flags[i] & 2;
        touched_range(&t, 3, 4);
        touched_range(&t, 300, 400);
        touched_key(&t, BYTES_STR("x"));
        touched_encode(&t, &w);
        c = cur_over(w.data, w.len);
        touched_decode(&c, &back);
        T_OK(cur_finish(&c));
        touched_same(&t, &back);
    }
}

T(touched, out_of_bounds_is_refused)
{
    static const uint8_t many_ranges[] = {0, TOUCHED_RANGES_MAX + 1, 0};
    static const uint8_t many_keys[] = {0, 0, TOUCHED_KEYS_MAX + 1};
    static const uint8_t unknown_flag[] = {4, 0, 0};
    static const struct {
        const uint8_t *data;
        size_t bytes;
    } rows[] = {{many_ranges, 3}, {many_keys, 3}, {unknown_flag, 3}};

    T_CASES (row, rows) {
        AUTO(touched) t = {0};
        struct cursor c = cur_over(row->data, row->bytes);

        touched_decode(&c, &t);
        T_EQ(c.rc, -R_MALFORMED);
    }
}
