/* test_pg_log.c - the log, its sessions, and their rows. */
#include "tests/unit/base/fail.h"
#include "tests/unit/osd/osd_util.h"

static enum pg_lookup ask(const struct pg_log *log, uint64_t client, uint64_t op, uint32_t born,
                          uint32_t attempt)
{
    struct pg_result r;
    enum pg_lookup found =
        pg_log_lookup(log, (struct reqid){client, op}, (struct epoch){born}, attempt, &r);

    if (found == PG_LOOKUP_REPEAT)
        T_EQ(r.rc, (int)op);
    return found;
}

T(pg_log, finds_entries_by_seq_and_the_newest_by_object)
{
    struct pg_copy c;
    struct oid a = util_oid('a'), z = util_oid('z');

    util_copy(&c, 3, "abacadaeafagahaiajakalaman");
    T_EQ(pg_log_count(&c.log), 26);
    T_EQ(pg_log_at(&c.log, 5)->version.seq, 5);
    T_TRUE(pg_log_at(&c.log, 27) == NULL);
    T_EQ(pg_log_newest(&c.log, &a)->version.seq, 25);
    T_TRUE(pg_log_newest(&c.log, &z) == NULL);
    T_TRUE(pg_log_has(&c.log, util_v(3, 7)));
    T_FALSE(pg_log_has(&c.log, util_v(2, 7)));
    T_TRUE(pg_log_has(&c.log, util_v(0, 0)));
    pg_log_check(&c.log, true);
    pg_copy_fini(&c);
}

T(pg_log, answers_a_repeat_until_the_floor_passes_it)
{
    struct pg_log log;

    T_OK(pg_log_init(&log));
    T_EQ(ask(&log, 7, 1, 5, 1), PG_LOOKUP_NEW);
    T_EQ(ask(&log, 7, 1, 5, 2), PG_LOOKUP_NEW); /* nothing ever expired: it did not run */
    util_write(&log, 5, 'a', 7, 1, 1);
    util_write(&log, 5, 'b', 7, 3, 1);
    T_EQ(ask(&log, 7, 1, 5, 2), PG_LOOKUP_REPEAT);
    T_EQ(ask(&log, 7, 2, 5, 1), PG_LOOKUP_NEW);
    T_EQ(ask(&log, 7, 3, 5, 2), PG_LOOKUP_REPEAT);
    util_write(&log, 5, 'c', 7, 4, 3);
    T_EQ(ask(&log, 7, 1, 5, 3), PG_LOOKUP_UNKNOWN);
    T_EQ(ask(&log, 7, 2, 5, 1), PG_LOOKUP_UNKNOWN);
    T_EQ(ask(&log, 7, 3, 5, 2), PG_LOOKUP_REPEAT);
    pg_log_fini(&log);
}

T(pg_log, an_expired_client_is_told_that_nobody_knows)
{
    struct pg_log log;

    T_OK(pg_log_init(&log));
    log.now.sessions_max = 2;
    util_write(&log, 5, 'a', 1, 1, 1);
    util_write(&log, 6, 'a', 2, 1, 1);
    util_write(&log, 9, 'a', 3, 1, 1); /* client 1 goes */
    T_EQ(log.now.expired.v, 9);
    T_EQ(ask(&log, 1, 1, 5, 2), PG_LOOKUP_UNKNOWN);
    T_EQ(ask(&log, 1, 2, 5, 1), PG_LOOKUP_NEW);  /* never sent before: it did not run */
    T_EQ(ask(&log, 4, 1, 10, 2), PG_LOOKUP_NEW); /* born later than what was forgotten */
    T_EQ(ask(&log, 2, 1, 6, 2), PG_LOOKUP_REPEAT);
    /* Client 1 comes back: its row is new, what it did before stays unknown. */
    util_write(&log, 10, 'b', 1, 2, 1);
    T_EQ(ask(&log, 1, 2, 5, 2), PG_LOOKUP_REPEAT);
    T_EQ(ask(&log, 1, 1, 5, 2), PG_LOOKUP_UNKNOWN);
    pg_log_fini(&log);
}

T(pg_log, a_session_keeps_a_bounded_number_of_results)
{
    struct pg_log log;

    T_OK(pg_log_init(&log));
    for (uint64_t op = 1; op <= SESSION_RESULTS_MAX + 10; op++)
        util_write(&log, 5, 'a', 1, op, 1);
    T_EQ(log.now.result_count, SESSION_RESULTS_MAX);
    T_EQ(ask(&log, 1, 10, 5, 2), PG_LOOKUP_UNKNOWN);
    T_EQ(ask(&log, 1, 11, 5, 2), PG_LOOKUP_REPEAT);
    pg_log_fini(&log);
}

/* Write, trim, and compare what rows give with what memory has. */
/* All of them go into one transaction of a copy that starts anew. */
T(pg_log, the_results_of_all_sessions_are_bounded)
{
    struct pg_log log;

    T_OK(pg_log_init(&log));
    for (uint64_t client = 1; client <= 9; client++)
        for (uint64_t op = 1; op <= SESSION_RESULTS_MAX; op++)
            util_write(&log, 4 + (uint32_t)client, 'a', client, op, 1);
    T_LE(log.now.result_count, RESULTS_MAX);
    T_GT(log.now.result_count, RESULTS_MAX - SESSION_RESULTS_MAX);
    T_EQ(ask(&log, 1, 2, 5, 2), PG_LOOKUP_UNKNOWN); /* the one that was quiet longest */
    T_EQ(ask(&log, 2, 2, 5, 2), PG_LOOKUP_REPEAT);
    pg_log_fini(&log);
}

T(pg_log, bytes_are_those_of_the_entries_kept)
{
    struct pg_copy c;
    struct txn *txn = txn_create(util_pg);
    uint64_t all;

    T_TRUE(txn != NULL);
    util_copy(&c, 3, "abacadaeafagahaiajakalaman");
    all = c.log.bytes;
    T_EQ(pg_log_seq_for(&c.log, all), 0);
    T_EQ(pg_log_seq_for(&c.log, all - 1), 1);
    T_EQ(pg_log_seq_for(&c.log, all / 2), 13);
    T_EQ(pg_log_seq_for(&c.log, 0), 26);
    T_EQ(pg_log_trim(&c.log, util_v(3, 13), 0, txn), 13);
    T_EQ(c.log.bytes, all / 2);
    for (uint64_t seq = 14; seq <= 26; seq++) { /* a row is never larger than what was counted */
        struct writer w = {0};

        pg_log_entry_encode(pg_log_at(&c.log, seq), &w);
        T_LE((w.len + 9 + 64) * 26, all); /* key, envelope */
        writer_fini(&w);
    }
    txn_unref(txn);
    pg_copy_fini(&c);
}

/* Three sessions at most, five clients: they come and go within what one trim covers. */
static void trim_and_compare(uint64_t every)
{
    struct util_rows rows = {0};
    struct pg_copy c;
    uint64_t trimmed = 0;

    util_copy(&c, 2, "");
    c.log.now.sessions_max = 3;
    for (uint64_t i = 1; i <= 60; i++) {
        struct txn *txn = txn_create(util_pg);
        struct pg_copy again;
        int rc;

        T_TRUE(txn != NULL);
        pg_copy_info_put(&c, txn);
        util_write(&c.log, 2 + (uint32_t)i / 10, (char)('a' + i % 7), 1 + i % 5, i,
                   i > 9 ? i - 9 : 1);
        pg_log_row_put(txn, pg_log_at(&c.log, i));
        rc = i % every ? 0 : pg_log_trim(&c.log, c.log.head, 4 + (uint32_t)i % 5, txn);
        T_OK(rc);
        trimmed += (uint64_t)rc;
        util_rows_apply(&rows, txn);
        txn_unref(txn);
        T_OK(pg_copy_init(&again, util_pg));
        again.log.now.sessions_max = 3;
        for (uint32_t k = 0; k < rows.count; k++)
            T_OK(pg_copy_load_row(&again, rows.row[k].key, rows.row[k].value));
        T_OK(pg_copy_load_end(&again));
        T_TRUE(pg_log_equal(&c.log, &again.log));
        T_TRUE(pg_sessions_equal(&c.log.base, &again.log.base));
        T_TRUE(version_eq(c.log.tail, again.log.tail));
        pg_copy_fini(&again);
    }
    T_GT(trimmed, 40);
    T_GT(c.log.now.expired.v, 0);
    util_rows_fini(&rows);
    pg_copy_fini(&c);
}

T(pg_log, rows_and_memory_agree_whatever_was_trimmed)
{
    trim_and_compare(1);
    trim_and_compare(4);
    trim_and_compare(15);
}

T(pg_log, trim_keeps_the_newest_and_refuses_what_is_not_there)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_copy c;

    util_copy(&c, 2, "abcdefghijkl");
    T_EQ(pg_log_trim(&c.log, util_v(2, 13), 0, txn), -EINVAL);
    T_EQ(pg_log_trim(&c.log, util_v(2, 12), 20, txn), 0);
    T_EQ(pg_log_trim(&c.log, util_v(2, 12), 5, txn), 7);
    T_EQ(c.log.tail.seq, 7);
    T_TRUE(pg_log_at(&c.log, 7) == NULL);
    T_EQ(pg_log_at(&c.log, 8)->version.seq, 8);
    txn_unref(txn);
    pg_copy_fini(&c);
}

T(pg_log, a_log_made_of_a_wire_log_answers_alike)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_log_wire wire;
    struct pg_log log, twin;

    T_OK(pg_log_init(&log));
    for (uint64_t i = 1; i <= 20; i++)
        util_write(&log, 4, (char)('a' + i % 5), 1 + i % 3, i, 1);
    T_GT(pg_log_trim(&log, util_v(4, 15), 3, txn), 0);
    T_OK(pg_log_wire_make(&log, util_v(0, 0), &wire));
    T_GT(wire.result_count, 0);
    T_OK(pg_log_from_wire(&wire, &twin));
    T_TRUE(pg_log_equal(&log, &twin));
    T_TRUE(pg_sessions_equal(&log.base, &twin.base));
    pg_log_fini(&twin);
    wire.entries[1].version.seq++;
    T_EQ(pg_log_from_wire(&wire, &twin), -R_MALFORMED);
    pg_log_wire_fini(&wire);
    txn_unref(txn);
    pg_log_fini(&log);
}

static int trim_once(struct pg_log *log)
{
    struct txn *txn = txn_create(util_pg);
    int rc = txn ? pg_log_trim(log, util_v(4, 16), 3, txn) : -ENOMEM;

    txn_unref(txn);
    return rc;
}

static void sixteen(struct pg_log *log)
{
    T_OK(pg_log_init(log));
    for (uint64_t i = 1; i <= 16; i++)
        util_write(log, 4, (char)('a' + i % 5), 1 + i % 3, i, 1);
}

/* Tables that cannot grow only get slower, so a call may succeed although an allocation failed. */
T(pg_log, short_memory_leaves_the_log_as_it_was)
{
    bool hit = true;

    for (int64_t nth = 0; hit; nth++) {
        struct pg_log_entry *e;
        struct pg_log log;
        int rc;

        sixteen(&log);
        e = util_entry(&log, 4, 'x', 9, 1, 1);
        mem_fail_after(nth);
        rc = pg_log_append(&log, e);
        hit = mem_fail_hit();
        mem_fail_after(-1);
        T_EQ(log.head.seq, rc == 0 ? 17 : 16);
        T_EQ(log.now.result_count, rc == 0 ? 17 : 16);
        T_TRUE(rc == 0 || (hit && rc == -ENOMEM));
        T_TRUE(rc == 0 || nth < 10);
        if (rc < 0)
            pg_log_entry_destroy(e);
        pg_log_check(&log, true);
        pg_log_fini(&log);
    }
}

T(pg_log, a_trim_that_ran_short_trimmed_nothing)
{
    unsigned failed = 0;
    bool hit = true;

    for (int64_t nth = 0; hit; nth++) {
        struct pg_log log;
        int rc;

        sixteen(&log);
        mem_fail_after(nth);
        rc = trim_once(&log);
        hit = mem_fail_hit();
        mem_fail_after(-1);
        failed += rc < 0;
        T_EQ(log.tail.seq, rc < 0 ? 0 : 13);
        T_EQ(log.base.result_count, rc < 0 ? 0 : 13);
        pg_log_check(&log, true);
        pg_log_fini(&log);
    }
    T_GT(failed, 20);
}

/* Rows of every kind, from a copy that was trimmed, rolled back and lacks objects. */
static void rows_of_all_kinds(struct writer *w)
{
    struct txn *txn = txn_create(util_pg);
    struct past_interval past = {.first = {2}, .last = {4}, .primary = {1}, .maybe_wrote = true};
    struct util_rows rows = {0};
    struct oid oid = util_oid('b');
    struct touched touched = {0};
    struct pg_copy c;

    util_copy(&c, 5, "");
    past.up = past.acting = (struct osd_set){.osd = {{1}, {2}}, .count = 2};
    c.past.first.v = 5;
    c.past.newest.v = 6;
    c.past.row = mem_dup(&past, sizeof(past));
    c.past.count = 1;
    c.info.les.v = 5;
    c.info.last_clean.v = 2;
    for (uint64_t op = 1; op <= 6; op++)
        util_write(&c.log, 5, (char)('a' + op % 3), 11 + op % 2, op, 1);
    pg_copy_info_put(&c, txn);
    pg_log_rows_rewrite(&c.log, txn);
    T_EQ(pg_log_trim(&c.log, util_v(5, 4), 1, txn), 4);
    touched_range(&touched, 4096, 100);
    touched_key(&touched, BYTES_STR("key"));
    T_OK(pg_missing_set(&c.missing, &oid, util_v(5, 3), util_v(4, 1), &touched));
    pg_missing_row_put(txn, pg_missing_first(&c.missing));
    util_rows_apply(&rows, txn);
    for (uint32_t i = 0; i < rows.count; i++) {
        wr_bytes(w, rows.row[i].key);
        wr_bytes(w, rows.row[i].value);
    }
    T_EQ(w->rc, 0);
    touched_fini(&touched);
    util_rows_fini(&rows);
    txn_unref(txn);
    pg_copy_fini(&c);
}

T(pg_rows, golden_bytes_are_read_and_rebuilt)
{
    AUTO(writer) made = {0};
    struct pg_copy c;
    struct cursor cur;

    rows_of_all_kinds(&made);
    T_GOLDEN("pg-rows", made.data, made.len);
    T_OK(pg_copy_init(&c, util_pg));
    cur = cur_over(made.data, made.len);
    while (cur_left(&cur)) {
        struct bytes key = cur_bytes(&cur, 4096), value = cur_bytes(&cur, 4096);

        T_EQ(cur.rc, 0);
        T_OK(pg_copy_load_row(&c, key, value));
    }
    T_OK(pg_copy_load_end(&c));
    T_EQ(c.log.tail.seq, 4);
    T_EQ(c.log.head.seq, 6);
    T_EQ(c.missing.count, 1);
    T_EQ(c.past.count, 1);
    T_EQ(c.log.now.result_count, 6);
    pg_copy_check(&c, true);
    pg_copy_fini(&c);
}
