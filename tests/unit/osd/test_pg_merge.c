/* test_pg_merge.c - missing objects and merging, case by case; the model runs the rest. */
#include "tests/unit/base/fail.h"
#include "tests/unit/osd/osd_util.h"

static void wire_of(const struct pg_copy *c, struct pg_log_wire *out)
{
    T_OK(pg_log_wire_make(&c->log, util_v(0, 0), out));
    T_OK(pg_missing_wire(&c->missing, &out->missing, &out->missing_count));
}

static const struct pg_missing_item *lacks(const struct pg_copy *c, char name)
{
    struct oid oid = util_oid(name);

    return pg_missing_find(&c->missing, &oid);
}

/* `own` follows `auth`; the primary, told what `own` was, must come to the same missing table. */
static void merge(struct pg_copy *own, const struct pg_copy *auth, struct pg_merge_stat *stat,
                  struct txn *txn)
{
    struct pg_info info = pg_copy_info_now(own);
    struct pg_log_wire theirs, ours;
    struct pg_missing seen;
    struct version common;

    wire_of(auth, &theirs);
    wire_of(own, &ours);
    T_OK(pg_merge_peer(&auth->log, &info, &ours, &seen, &common));
    T_OK(pg_merge(own, &theirs, txn, stat));
    T_TRUE(version_eq(own->log.head, auth->log.head));
    T_TRUE(pg_log_equal(&own->log, &auth->log));
    T_TRUE(version_eq(common, stat->common));
    T_TRUE(pg_missing_equal(&seen, &own->missing));
    pg_copy_check(own, true);
    pg_missing_fini(&seen);
    pg_log_wire_fini(&theirs);
    pg_log_wire_fini(&ours);
}

static bool deletes(const struct txn *txn, char name)
{
    struct oid oid = util_oid(name);

    for (uint32_t i = 0; i < txn->op_count; i++)
        if (txn->ops[i].kind == TXN_DELETE && oid_equal(&txn->objects[txn->ops[i].object], &oid))
            return true;
    return false;
}

T(pg_merge, what_was_not_seen_is_missing_with_its_parts)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_copy own, auth;
    struct pg_merge_stat stat;

    util_copy(&own, 2, "ab");
    util_copy(&auth, 2, "ab");
    util_append(&auth, 3, "caa");
    util_delete(&auth.log, 3, 'b');
    merge(&own, &auth, &stat, txn);
    T_EQ(stat.common.seq, 2);
    T_EQ(stat.divergent, 0);
    T_EQ(stat.appended, 4);
    T_EQ(own.missing.count, 2);
    T_EQ(lacks(&own, 'a')->need.seq, 5);
    T_EQ(lacks(&own, 'a')->have.seq, 1);
    T_FALSE(lacks(&own, 'a')->touched.whole);
    T_EQ(lacks(&own, 'a')->touched.range_count, 2);
    T_TRUE(lacks(&own, 'c')->touched.whole); /* it did not exist */
    T_TRUE(deletes(txn, 'b'));
    txn_unref(txn);
    pg_copy_fini(&own);
    pg_copy_fini(&auth);
}

T(pg_merge, divergent_writes_are_undone)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_copy own, auth;
    struct pg_merge_stat stat;

    util_copy(&own, 2, "abc");
    util_copy(&auth, 2, "abc");
    util_append(&own, 3, "aadb"); /* d is new */
    util_delete(&own.log, 3, 'c');
    util_append(&own, 3, "c"); /* deleted, then made anew */
    util_append(&auth, 4, "b");
    merge(&own, &auth, &stat, txn);
    T_EQ(stat.divergent, 6);
    T_EQ(lacks(&own, 'a')->need.seq, 1);
    T_EQ(lacks(&own, 'a')->have.seq, 0);
    T_EQ(lacks(&own, 'c')->need.seq, 3);
    T_TRUE(version_eq(lacks(&own, 'b')->need, util_v(4, 4)));
    T_TRUE(lacks(&own, 'b')->touched.whole); /* what is there is of the other history */
    T_TRUE(lacks(&own, 'd') == NULL);
    T_TRUE(deletes(txn, 'd'));
    txn_unref(txn);
    pg_copy_fini(&own);
    pg_copy_fini(&auth);
}

T(pg_merge, equal_lengths_of_two_histories_do_not_pass_for_equal)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_copy own, auth;
    struct pg_merge_stat stat;

    util_copy(&own, 2, "ab");
    util_copy(&auth, 2, "ab");
    util_append(&own, 3, "a");
    util_append(&auth, 5, "a");
    merge(&own, &auth, &stat, txn);
    T_EQ(stat.divergent, 1);
    T_TRUE(version_eq(lacks(&own, 'a')->need, util_v(5, 3)));
    T_EQ(lacks(&own, 'a')->have.seq, 0);
    txn_unref(txn);
    pg_copy_fini(&own);
    pg_copy_fini(&auth);
}

T(pg_merge, an_adopted_write_that_was_never_copied_is_undone_without_copying)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_copy own, first, second;
    struct pg_merge_stat stat;

    util_copy(&own, 2, "ab");
    util_copy(&first, 2, "ab");
    util_append(&first, 3, "a");
    util_copy(&second, 2, "ab");
    util_append(&second, 4, "b");
    merge(&own, &first, &stat, txn);
    T_EQ(own.missing.count, 1);
    merge(&own, &second, &stat, txn);
    T_TRUE(lacks(&own, 'a') == NULL); /* it still is as the older history wants it */
    T_EQ(lacks(&own, 'b')->have.seq, 2);
    txn_unref(txn);
    pg_copy_fini(&own);
    pg_copy_fini(&first);
    pg_copy_fini(&second);
}

T(pg_merge, logs_that_do_not_meet_are_refused)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_copy own, auth;
    struct pg_merge_stat stat;
    struct pg_log_wire wire;

    util_copy(&own, 2, "ab");
    util_copy(&auth, 2, "abcdef");
    T_EQ(pg_log_trim(&auth.log, util_v(2, 4), 0, txn), 4);
    wire_of(&auth, &wire);
    T_EQ(pg_merge(&own, &wire, txn, &stat), -ERANGE);
    T_EQ(own.log.head.seq, 2);
    wire.head.seq++;
    T_EQ(pg_merge(&own, &wire, txn, &stat), -R_MALFORMED);
    wire.head.seq--;
    T_OK(pg_merge_restart(&own, &wire, txn));
    T_FALSE(own.info.complete);
    T_TRUE(pg_log_equal(&own.log, &auth.log));
    pg_log_wire_fini(&wire);
    txn_unref(txn);
    pg_copy_fini(&own);
    pg_copy_fini(&auth);
}

T(pg_merge, a_backfill_target_lacks_only_what_is_before_its_mark)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_copy own, auth;
    struct pg_merge_stat stat;
    AUTO(writer) key = {0};
    struct oid a = util_oid('a'), b = util_oid('b');
    char low = oid_cmp(&a, &b) < 0 ? 'a' : 'b', high = low == 'a' ? 'b' : 'a';
    struct oid mark = util_oid(high);

    util_copy(&own, 2, "ab");
    util_copy(&auth, 2, "ab");
    oid_key_put(&key, &mark);
    T_OK(pg_copy_backfilled(&own, (struct bytes){key.data, (uint32_t)key.len}, false, txn));
    util_append(&auth, 3, "abab");
    merge(&own, &auth, &stat, txn);
    T_EQ(own.missing.count, 1);
    T_TRUE(lacks(&own, low) != NULL);
    txn_unref(txn);
    pg_copy_fini(&own);
    pg_copy_fini(&auth);
}

T(pg_merge, rows_lead_to_the_same_copy)
{
    struct txn *before = txn_create(util_pg), *txn = txn_create(util_pg);
    struct util_rows rows = {0};
    struct pg_copy own, auth, again;
    struct pg_merge_stat stat;

    util_copy(&own, 2, "abc");
    pg_copy_info_put(&own, before);
    util_append(&own, 3, "adb");
    pg_log_rows_rewrite(&own.log, before);
    util_copy(&auth, 2, "abc");
    util_append(&auth, 4, "bcce");
    merge(&own, &auth, &stat, txn);
    util_rows_apply(&rows, before);
    util_rows_apply(&rows, txn);
    util_rows_load(&rows, &again);
    T_TRUE(pg_log_equal(&own.log, &again.log));
    T_TRUE(pg_missing_equal(&own.missing, &again.missing));
    T_TRUE(lacks(&again, 'c')->have.seq == 3 && !lacks(&again, 'c')->touched.whole);
    pg_copy_fini(&again);
    util_rows_fini(&rows);
    txn_unref(before);
    txn_unref(txn);
    pg_copy_fini(&own);
    pg_copy_fini(&auth);
}

static int merge_once(struct pg_copy *own, const struct pg_log_wire *wire)
{
    struct txn *txn = txn_create(util_pg);
    struct pg_merge_stat stat;
    int rc = txn ? pg_merge(own, wire, txn, &stat) : -ENOMEM;

    txn_unref(txn);
    return rc;
}

T(pg_merge, short_memory_leaves_the_copy_as_it_was)
{
    struct pg_log_wire wire;
    struct pg_copy own, auth;

    util_copy(&own, 2, "abc");
    util_append(&own, 3, "ad");
    util_copy(&auth, 2, "abc");
    util_append(&auth, 4, "bbe");
    wire_of(&auth, &wire);
    EACH_ALLOCATION_FAILS(20, merge_once(&own, &wire), {
        T_TRUE(version_eq(own.log.head, util_v(3, 5)));
        T_EQ(own.missing.count, 0);
        pg_copy_check(&own, true);
    });
    T_TRUE(version_eq(own.log.head, util_v(4, 6)));
    T_EQ(own.missing.count, 3);
    pg_log_wire_fini(&wire);
    pg_copy_fini(&own);
    pg_copy_fini(&auth);
}

static struct version stored(void *arg, const struct oid *oid)
{
    struct oid a = util_oid('a');

    return oid_equal(oid, &a) ? *(struct version *)arg : util_v(2, 2);
}

T(pg_missing, derives_what_is_older_than_the_log_says)
{
    struct version of_a = util_v(2, 1);
    struct pg_copy c;

    util_copy(&c, 2, "ab");
    T_EQ(pg_missing_derive(&c.missing, &c.log, true, (struct bytes){0}, stored, &of_a), 0);
    util_append(&c, 2, "a");
    T_EQ(pg_missing_derive(&c.missing, &c.log, true, (struct bytes){0}, stored, &of_a), 1);
    T_EQ(lacks(&c, 'a')->need.seq, 3);
    T_EQ(pg_missing_derive(&c.missing, &c.log, true, (struct bytes){0}, stored, &of_a), 0);
    pg_copy_fini(&c);
}

T(pg_missing, gives_the_oldest_need_first_and_walks_in_oid_order)
{
    const struct pg_missing_item *item;
    struct pg_missing m;
    unsigned n = 0;

    pg_missing_init(&m);
    for (char c = 'a'; c <= 'j'; c++) {
        struct oid oid = util_oid(c);

        T_OK(pg_missing_set(&m, &oid, util_v(2, (uint64_t)(30 - c % 7)), util_v(0, 0), NULL));
    }
    T_EQ(pg_missing_oldest(&m)->need.seq, 24);
    for (item = pg_missing_first(&m); item; item = pg_missing_next(item), n++)
        if (pg_missing_next(item))
            T_LT(oid_cmp(&item->oid, &pg_missing_next(item)->oid), 0);
    T_EQ(n, 10);
    pg_missing_check(&m);
    pg_missing_fini(&m);
}
