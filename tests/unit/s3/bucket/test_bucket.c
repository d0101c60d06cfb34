/* test_bucket.c - what one request after the other means: objects, buckets, listings. */
#include <stdio.h>

#include "s3/bucket/rows.h"
#include "tests/unit/s3/bucket/stage.h"

/* ---- objects ---- */

T(bucket, what_was_put_is_got_and_looked_up)
{
    static const uint64_t sizes[] = {0, 1, 511, 512, 513, 4095, 4096, 4097, 8192, 50001};
    struct stage st;

    stage_begin(&st);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        char key[32];
        struct act head = {.kind = ACT_HEAD};
        uint64_t id;

        snprintf(key, sizeof(key), "k/%u", i);
        T_EQ(do_get(&st, 1, key, NULL), -R_NO_KEY);
        T_OK(do_put(&st, 0, key, 100 + i, sizes[i]));
        T_OK(do_get(&st, 1, key, &id));
        T_EQ(id, 100 + i);
        strcpy(head.key, key);
        T_OK(act_do(&st, 0, &head));
        T_EQ(head.got_size, sizes[i]);
        T_EQ(head.id, 100 + i);
        T_NE(head.mtime_ns, 0);
    }
    T_EQ(data_objects(&st), 1 + 1 + 1 + 2 + 2 + 13);
    stage_end(&st);
}

T(bucket, a_new_small_object_costs_one_operation)
{
    struct stage st;
    uint64_t ops, data_ops;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "warm", 1, 10));
    ops = st.fake.ops[FAKE_INDEX];
    data_ops = st.fake.ops[FAKE_DATA];
    T_OK(do_put(&st, 0, "new", 2, 512));
    T_EQ(st.fake.ops[FAKE_INDEX] - ops, 1);
    T_OK(do_get(&st, 0, "new", NULL));
    T_EQ(st.fake.ops[FAKE_INDEX] - ops, 2);
    T_EQ(st.fake.ops[FAKE_DATA], data_ops);
    stage_end(&st);
}

T(bucket, headers_come_back_as_they_were)
{
    static const struct s3_header h[] = {
        {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"text/x", 6}},
        {{(const uint8_t *)"x-amz-meta-a", 12}, {(const uint8_t *)"", 0}}};
    struct act put = {
        .kind = ACT_PUT, .key = "k", .seed = 1, .size = 5, .headers = h, .header_count = 2};
    struct act get = {.kind = ACT_GET, .key = "k"};
    struct stage st;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &put));
    T_OK(act_do(&st, 1, &get));
    T_EQ(get.header_got, 2);
    T_STR_EQ(get.header_name, "content-type");
    T_STR_EQ(get.header_value, "text/x");
    stage_end(&st);
}

T(bucket, any_range_of_an_object_is_read_exactly)
{
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 5, 30000));
    for (uint64_t off = 0; off <= 30000; off += 1873)
        for (uint64_t len = 1; off + len <= 30000; len += 4219) {
            struct act get = {.kind = ACT_GET, .key = "k", .off = off, .len = len};

            T_OK(act_do(&st, 0, &get));
            T_FALSE(get.bad_bytes);
            T_EQ(get.at, off + len);
        }
    stage_end(&st);
}

T(bucket, an_overwrite_replaces_and_its_data_is_collected)
{
    static const uint64_t sizes[] = {10, 9000, 20, 30, 8000, 12000, 5};
    struct stage st;
    uint64_t id;

    stage_begin(&st);
    for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
        T_OK(do_put(&st, i % 2, "k", 50 + i, sizes[i]));
        T_OK(do_get(&st, (i + 1) % 2, "k", &id));
        T_EQ(id, 50 + i);
    }
    T_EQ(data_objects(&st), 3 + 2 + 3);
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 0);
    T_OK(do_get(&st, 0, "k", &id));
    stage_end(&st);
}

T(bucket, a_delete_is_final_and_may_be_repeated)
{
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "small", 1, 10));
    T_OK(do_put(&st, 0, "large", 2, 10000));
    for (unsigned i = 0; i < 2; i++) {
        T_OK(do_delete(&st, 1, "small"));
        T_OK(do_delete(&st, 0, "large"));
        T_EQ(do_get(&st, 0, "small", NULL), -R_NO_KEY);
        T_EQ(do_get(&st, 1, "large", NULL), -R_NO_KEY);
    }
    collect_all(&st, 1);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket, a_put_given_up_leaves_nothing)
{
    struct act put = {.kind = ACT_PUT, .key = "k", .seed = 1, .size = 60000, .give_up = true};
    struct act cut = {.kind = ACT_PUT, .key = "k", .seed = 1, .size = 60000, .short_body = true};
    struct stage st;
    unsigned intents, garbage;

    stage_begin(&st);
    T_EQ(act_do(&st, 0, &put), -ECANCELED);
    T_EQ(act_do(&st, 0, &cut), -R_ENTITY_TOO_SMALL);
    T_EQ(do_get(&st, 0, "k", NULL), -R_NO_KEY);
    collect_all(&st, 0);
    T_EQ(stage_audit(&st, &intents, &garbage, NULL), 0);
    T_EQ(intents + garbage, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket, if_absent_holds_against_what_is_there)
{
    struct act put = {.kind = ACT_PUT, .key = "k", .seed = 2, .size = 10, .cond.absent = true};
    struct stage st;
    uint64_t id;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &put));
    T_EQ(act_do(&st, 1, &put), -R_PRECONDITION);
    put.size = 9000;
    put.seed = 3;
    T_EQ(act_do(&st, 1, &put), -R_PRECONDITION);
    T_OK(do_get(&st, 0, "k", &id));
    T_EQ(id, 2);
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket, a_put_of_unknown_length_goes_where_it_fits)
{
    struct act put = {.kind = ACT_PUT, .key = "k", .seed = 2, .size = 300, .unknown_size = true};
    struct stage st;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &put));
    T_EQ(data_objects(&st), 0);
    put.size = 200000; /* longer than its first intent allows for */
    T_OK(act_do(&st, 0, &put));
    T_EQ(data_objects(&st), 49);
    T_OK(do_get(&st, 1, "k", NULL));
    stage_end(&st);
}

static void held_check(void *arg)
{
    struct stage *st = arg;

    for (unsigned i = 0; i < GATES; i++)
        if (st->gate[i].l)
            bucket_check(st->gate[i].l);
    if (st->gate[0].l)
        T_LE(gauge_get(&bucket_counters(st->gate[0].l)->put_bytes), 3 * 4096);
}

T(bucket, stripes_under_way_stay_within_the_window)
{
    struct act put = {.kind = ACT_PUT, .key = "k", .seed = 9, .size = 90000, .chunk = 5000};
    struct stage st;

    stage_begin(&st);
    st.fake.delay_max_ns = 50 * NS_PER_MS;
    sim_on_step(st.sim, held_check, &st);
    T_OK(act_do(&st, 0, &put));
    sim_on_step(st.sim, NULL, NULL);
    T_OK(do_get(&st, 0, "k", NULL));
    stage_end(&st);
}

/* ---- refusals ---- */

T(bucket, names_and_keys_outside_the_rules_are_refused)
{
    static const char *const bad[] = {"ab",   "Abc",     "a_b", "-ab", "ab-", "a..b",
                                      "a.-b", "1.2.3.4", "a/b", "",    ".ab", "abc."};
    static const char *const reserved[] = {"xn--abc",    "abc-s3alias",     "abc.mrap",
                                           "abc--x-s3",  "abc--ol-s3",      "abc--table-s3",
                                           "sthree-abc", "amzn-s3-demo-abc"};
    static const char *const good[] = {"abc", "a-b.c", "1a2", "123", "a--b", "abc.mrap"};
    char longest[S3_KEY_MAX + 2];
    struct stage st;

    for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
        T_FALSE(bucket_name_valid(BYTES_STR(bad[i])));
    for (unsigned i = 0; i < ARRAY_LEN(good); i++)
        T_TRUE(bucket_name_valid(BYTES_STR(good[i])));
    stage_begin(&st);
    for (unsigned i = 0; i < ARRAY_LEN(reserved); i++) /* such are not made; there may be some */
        T_EQ(do_create(&st, 0, reserved[i]), -R_BAD_BUCKET_NAME);
    T_OK(do_create(&st, 0, "xn-abc"));
    T_EQ(do_create(&st, 0, "no_good"), -R_BAD_BUCKET_NAME);
    memset(longest, 'x', sizeof(longest));
    longest[S3_KEY_MAX + 1] = 0;
    T_EQ(do_put(&st, 0, longest, 1, 5), -R_KEY_TOO_LONG);
    longest[S3_KEY_MAX] = 0;
    T_OK(do_put(&st, 0, longest, 1, 5000));
    T_OK(do_get(&st, 0, longest, NULL));
    T_EQ(do_put(&st, 0, "\xff\xfe", 1, 5), -R_BAD_KEY);
    T_EQ(do_put(&st, 0, "", 1, 5), -R_BAD_KEY);
    stage_end(&st);
}

T(bucket, what_belongs_to_others_is_denied)
{
    struct act get = {.kind = ACT_GET, .key = "k", .who = "bob"};
    struct act drop = {.kind = ACT_DROP, .who = "bob"};
    struct act create = {.kind = ACT_CREATE, .who = "bob"};
    struct act stat = {.kind = ACT_STAT, .who = "bob"};
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 1, 5));
    T_EQ(act_do(&st, 0, &get), -R_DENIED);
    T_EQ(act_do(&st, 1, &get), -R_DENIED);
    T_EQ(act_do(&st, 0, &drop), -R_DENIED);
    T_EQ(act_do(&st, 0, &stat), -R_DENIED);
    T_EQ(act_do(&st, 0, &create), -R_BUCKET_EXISTS);
    T_EQ(do_create(&st, 1, "box"), -R_BUCKET_YOURS);
    stage_end(&st);
}

/* ---- buckets ---- */

static unsigned buckets_of(struct stage *st, unsigned gate, const char *who, char *out_names)
{
    struct act a = {.kind = ACT_BUCKETS, .who = who};
    unsigned n;

    T_OK(act_do(st, gate, &a));
    out_names[0] = 0;
    for (unsigned i = 0; i < a.row_count; i++) {
        strcat(out_names, a.rows[i].name);
        strcat(out_names, " ");
    }
    n = a.row_count;
    act_fini(&a);
    return n;
}

static void usage_is(struct stage *st, uint64_t objects, uint64_t bytes)
{
    struct act a = {.kind = ACT_USAGE};

    T_OK(act_do(st, 0, &a));
    T_EQ(a.usage.objects, objects);
    T_EQ(a.usage.bytes, bytes);
    T_EQ(a.usage.index_bytes == 0, objects == 0);
}

T(bucket, usage_follows_every_change)
{
    struct act c, other = {.kind = ACT_USAGE, .who = "bob"},
                  none = {.kind = ACT_USAGE, .bucket = "not"};
    struct stage st;

    stage_begin(&st);
    usage_is(&st, 0, 0);
    T_OK(do_put(&st, 0, "a", 1, 100));
    T_OK(do_put(&st, 1, "b", 2, 9000));
    usage_is(&st, 2, 9100);
    T_OK(do_put(&st, 1, "a", 3, 6000)); /* striped where it was inline */
    T_OK(do_put(&st, 1, "b", 4, 7));
    usage_is(&st, 2, 6007);
    upload_begin(&st, &c, "a", three_parts, 3);
    usage_is(&st, 2, 6007);
    T_OK(act_do(&st, 0, &c));
    T_OK(act_do(&st, 0, &c));
    usage_is(&st, 2, 6007 + 7);
    T_OK(do_delete(&st, 0, "b"));
    T_OK(do_delete(&st, 0, "b"));
    usage_is(&st, 1, 6007);
    T_OK(do_delete(&st, 0, "a"));
    usage_is(&st, 0, 0);
    T_EQ(act_do(&st, 0, &other), -R_DENIED);
    T_EQ(act_do(&st, 0, &none), -R_NO_BUCKET);
    stage_end(&st);
}

T(bucket, buckets_come_and_go_and_are_listed)
{
    struct stage st;
    char names[200];

    stage_begin(&st);
    T_OK(do_create(&st, 1, "abc"));
    T_EQ(buckets_of(&st, 0, "alice", names), 2);
    T_STR_EQ(names, "abc box ");
    T_EQ(buckets_of(&st, 0, "bob", names), 0);
    T_OK(do_put(&st, 0, "k", 1, 9000));
    T_EQ(do_drop(&st, 1, "box"), -R_BUCKET_NOT_EMPTY);
    T_OK(do_get(&st, 0, "k", NULL));
    T_OK(do_put(&st, 1, "k2", 2, 100));
    T_OK(do_drop(&st, 1, "abc"));
    T_EQ(do_drop(&st, 0, "abc"), -R_NO_BUCKET);
    T_EQ(buckets_of(&st, 1, "alice", names), 1);
    T_OK(do_delete(&st, 0, "k"));
    T_OK(do_delete(&st, 0, "k2"));
    T_OK(do_drop(&st, 0, "box"));
    T_EQ(do_put(&st, 1, "k", 1, 10), -R_NO_BUCKET);
    T_EQ(do_get(&st, 1, "k", NULL), -R_NO_BUCKET);
    T_EQ(buckets_of(&st, 1, "alice", names), 0);
    T_OK(do_create(&st, 0, "box")); /* the name is free; gate 1 knew the old one */
    T_EQ(do_get(&st, 1, "k", NULL), -R_NO_KEY);
    T_OK(do_put(&st, 1, "k", 3, 10));
    stage_end(&st);
}

T(bucket, a_deleted_bucket_leaves_nothing_behind)
{
    struct act up = {.kind = ACT_UPLOAD, .key = "mp"};
    struct act part = {
        .kind = ACT_PUT, .key = "mp", .seed = 900005000, .size = 5000, .part_number = 1};
    struct stage st;
    unsigned shards;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &up));
    strcpy(part.upload, up.upload);
    T_OK(act_do(&st, 0, &part));
    T_OK(do_put(&st, 0, "k", 1, 9000));
    T_OK(do_delete(&st, 0, "k"));
    T_OK(do_drop(&st, 0, "box")); /* an upload in progress does not keep it */
    T_EQ(act_do(&st, 0, &part), -R_NO_BUCKET);
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 1);
    T_EQ(stage_audit(&st, NULL, NULL, &shards), 0);
    T_EQ(shards, 0);
    T_EQ(data_objects(&st), 0);
    for (size_t i = 0; i < st.fake.count[FAKE_INDEX]; i++)
        T_EQ(st.fake.object[FAKE_INDEX][i]->omap.count, 0); /* registry and own rows */
    T_OK(do_create(&st, 0, "box"));
    stage_end(&st);
}

/* A gateway dies at each moment of a creation or a deletion; the bucket is there, or it is not. */
static void crash_in(enum act_kind kind, uint64_t after_ns, unsigned *out_kept)
{
    struct act a = {.kind = kind};
    struct act stat = {.kind = ACT_STAT};
    struct stage st;
    char names[100];
    bool there;

    stage_init(&st, after_ns);
    if (kind == ACT_DROP)
        T_OK(do_create(&st, 0, "box"));
    act_start(&st, 0, &a);
    stage_run(&st, after_ns);
    gate_kill(&st, 0);
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    there = act_do(&st, 1, &stat) == 0;
    if (a.done)
        T_EQ(there, kind == ACT_CREATE);
    *out_kept += there;
    T_EQ(buckets_of(&st, 0, "alice", names), there ? 1 : 0);
    T_EQ(do_put(&st, 1, "k", 1, 9000), there ? 0 : -R_NO_BUCKET);
    if (!there)
        T_OK(do_create(&st, 1, "box"));
    else
        T_OK(do_delete(&st, 0, "k"));
    T_OK(do_drop(&st, 0, "box"));
    T_EQ(buckets_of(&st, 1, "alice", names), 0);
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 1);
    T_EQ(st.fake.count[FAKE_DATA], 0);
    stage_fini(&st);
}

T(bucket, a_gateway_may_die_at_any_moment_of_a_creation)
{
    unsigned kept = 0;

    for (uint64_t t = 0; t < 20; t++)
        crash_in(ACT_CREATE, t * 700000 + 1, &kept);
    T_GT(kept, 2);
    T_LT(kept, 18);
}

T(bucket, a_gateway_may_die_at_any_moment_of_a_deletion)
{
    unsigned kept = 0;

    for (uint64_t t = 0; t < 20; t++)
        crash_in(ACT_DROP, t * 900000 + 1, &kept);
    T_GT(kept, 2);
    T_LT(kept, 18);
}

static bool box_is_listed(struct stage *st)
{
    struct act a = {.kind = ACT_BUCKETS};
    bool listed;

    T_OK(act_do(st, 1, &a));
    listed = a.row_count > 0;
    act_fini(&a);
    return listed;
}

/* One gateway makes or drops the bucket; another one lists, from so much later on. */
static void race_listing(struct stage *st, enum act_kind kind, uint64_t after_ns)
{
    struct act change = {.kind = kind}, list = {.kind = ACT_BUCKETS};

    act_start(st, 0, &change);
    stage_run(st, after_ns);
    T_OK(act_do(st, 1, &list));
    stage_run(st, 10 * NS_PER_S);
    T_TRUE(change.done);
    T_OK(change.rc);
    act_fini(&list);
    if (box_is_listed(st) != (kind == ACT_CREATE))
        T_FAIL("after a listing %llu ns into %s the bucket is %s", (unsigned long long)after_ns,
               kind == ACT_CREATE ? "its creation" : "its deletion",
               kind == ACT_CREATE ? "not listed" : "listed still");
}

T(bucket, listings_during_a_creation_or_a_deletion_change_no_later_one)
{
    struct stage st;

    stage_begin(&st);
    T_OK(do_drop(&st, 0, "box"));
    for (unsigned i = 0; i < 300; i++) {
        race_listing(&st, ACT_CREATE, i * 40 * NS_PER_US);
        race_listing(&st, ACT_DROP, i * 40 * NS_PER_US);
    }
    T_OK(do_create(&st, 0, "box"));
    stage_end(&st);
}

/* ---- listings ---- */

T(bucket, a_listing_folds_pages_and_begins_where_it_is_told)
{
    static const char *const keys[] = {"a", "a/1", "a/2", "a/b/3", "a0", "b", "b/", "c/x", "d"};
    struct stage st;
    char out[400];

    stage_begin(&st);
    T_STR_EQ(listing(&st, "", "", "", 1000, out), "");
    for (unsigned i = 0; i < ARRAY_LEN(keys); i++)
        T_OK(do_put(&st, 0, keys[i], 10 + i, 3));
    T_STR_EQ(listing(&st, "", "", "", 1000, out), "a a/1 a/2 a/b/3 a0 b b/ c/x d ");
    T_STR_EQ(listing(&st, "", "/", "", 1000, out), "a a/* a0 b b/* c/* d ");
    T_STR_EQ(listing(&st, "a/", "/", "", 1000, out), "a/1 a/2 a/b/* ");
    T_STR_EQ(listing(&st, "a/", "", "", 1000, out), "a/1 a/2 a/b/3 ");
    T_STR_EQ(listing(&st, "", "/", "", 2, out), "a a/* ... a/");
    T_STR_EQ(listing(&st, "", "/", "a/", 2, out), "a0 b ... b");
    T_STR_EQ(listing(&st, "", "/", "b", 2, out), "b/* c/* ... c/");
    T_STR_EQ(listing(&st, "", "/", "c/", 2, out), "d ");
    T_STR_EQ(listing(&st, "", "", "a/2", 3, out), "a/b/3 a0 b ... b");
    T_STR_EQ(listing(&st, "", "", "a/2", 6, out), "a/b/3 a0 b b/ c/x d ");
    T_STR_EQ(listing(&st, "", "/", "a/1", 1000, out), "a/* a0 b b/* c/* d ");
    T_STR_EQ(listing(&st, "a", "", "a/a", 1000, out), "a/b/3 a0 ");
    T_STR_EQ(listing(&st, "a", "", "z", 1000, out), "");
    T_STR_EQ(listing(&st, "b", "", "a", 1000, out), "b b/ ");
    T_STR_EQ(listing(&st, "x", "", "", 1000, out), "");
    T_STR_EQ(listing(&st, "", "", "", 0, out), "");
    T_STR_EQ(listing(&st, "", "b/", "", 1000, out), "a a/1 a/2 a/b/* a0 b b/* c/x d ");
    stage_end(&st);
}

T(bucket, common_prefixes_are_skipped_not_scanned)
{
    struct stage st;
    char key[32], out[400];
    uint64_t ops;

    stage_begin(&st);
    st.fake.delay_max_ns = 1000;
    for (unsigned i = 0; i < 900; i++) {
        snprintf(key, sizeof(key), "p%u/%03u", i / 300, i % 300);
        T_OK(do_put(&st, 0, key, 1, 1));
    }
    ops = st.fake.ops[FAKE_INDEX];
    T_STR_EQ(listing(&st, "", "/", "", 1000, out), "p0/* p1/* p2/* ");
    T_LE(st.fake.ops[FAKE_INDEX] - ops, 4);
    stage_end(&st);
}

T(bucket, pages_cut_by_the_osd_make_one_listing)
{
    struct act a = {.kind = ACT_LIST, .max = 1000};
    struct stage st;
    char key[32];

    stage_begin(&st);
    st.fake.delay_max_ns = 1000;
    st.fake.range_bytes_max = 700;
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%03u", i);
        T_OK(do_put(&st, 0, key, i, 1));
    }
    T_OK(act_do(&st, 0, &a));
    T_EQ(a.row_count, 100);
    T_FALSE(a.truncated);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%03u", i);
        T_STR_EQ(a.rows[i].name, key);
        T_EQ(a.rows[i].id, i);
    }
    act_fini(&a);
    stage_end(&st);
}

/* ---- memory ---- */

struct held {
    struct stage *st;
    int64_t most;
};

static void held_look(void *arg)
{
    struct held *h = arg;
    const struct bucket_counters *n = bucket_counters(h->st->gate[0].l);

    h->most = MAX(h->most, gauge_get(&n->put_bytes) + gauge_get(&n->get_bytes));
}

T(bucket, all_puts_together_hold_no_more_than_their_budget)
{
    enum { PUTS = 12, BUDGET = 4 * 4096 };
    struct act a[PUTS] = {{0}};
    struct held held = {0};
    struct stage st;

    stage_begin(&st);
    gate_stop(&st, 0);
    st.conf.put_bytes_max = BUDGET;
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    st.fake.delay_max_ns = 50 * NS_PER_MS;
    held.st = &st;
    sim_on_step(st.sim, held_look, &held);
    for (unsigned i = 0; i < PUTS; i++) {
        a[i] = (struct act){.kind = ACT_PUT, .seed = i, .size = 30000, .chunk = 1000};
        a[i].give_up = i % 5 == 1; /* before or after its turn */
        snprintf(a[i].key, sizeof(a[i].key), "%u", i);
        act_start(&st, 0, &a[i]);
    }
    stage_run(&st, 60 * NS_PER_S);
    sim_on_step(st.sim, NULL, NULL);
    for (unsigned i = 0; i < PUTS; i++) {
        T_TRUE(a[i].done);
        T_EQ(a[i].rc, a[i].give_up ? -ECANCELED : 0);
    }
    T_GT(held.most, BUDGET / 2);
    T_LE(held.most, BUDGET);
    stage_end(&st);
}

T(bucket, slow_readers_together_read_ahead_no_more_than_their_budget)
{
    enum { GETS = 12, STRIPE = 4096, BUDGET = 4 * STRIPE };
    struct act put = {.kind = ACT_PUT, .key = "key", .seed = 1, .size = 30000};
    struct act a[GETS] = {{0}};
    struct held held = {0};
    struct stage st;

    stage_begin(&st);
    gate_stop(&st, 0);
    st.conf.get_bytes_max = BUDGET;
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    T_OK(act_do(&st, 0, &put));
    held.st = &st;
    sim_on_step(st.sim, held_look, &held);
    for (unsigned i = 0; i < GETS; i++) {
        a[i] = (struct act){.kind = ACT_GET, .key = "key", .seed = 1};
        a[i].pause_ns = 20 * NS_PER_MS;
        act_start(&st, 0, &a[i]);
    }
    stage_run(&st, 60 * NS_PER_S);
    sim_on_step(st.sim, NULL, NULL);
    for (unsigned i = 0; i < GETS; i++) {
        T_TRUE(a[i].done);
        T_OK(a[i].rc);
        T_FALSE(a[i].bad_bytes);
    }
    T_GT(held.most, BUDGET / 2);
    T_LT(held.most, BUDGET + STRIPE + GETS * STRIPE); /* one piece each, whatever there is */
    T_EQ(gauge_get(&bucket_counters(st.gate[0].l)->get_bytes), 0);
    stage_end(&st);
}

/* ---- users, stop ---- */

T(bucket, users_are_looked_up_and_remembered)
{
    struct act user = {.kind = ACT_USER, .key = "AKNOWN"}, none = {.kind = ACT_USER, .key = "ANO"};
    struct stage st;
    uint64_t commands;

    stage_begin(&st);
    commands = st.fake.commands;
    for (unsigned i = 0; i < 5; i++) {
        T_OK(act_do(&st, 0, &user));
        T_STR_EQ(user.user, "alice");
        T_STR_EQ(user.secret, "hush");
        T_EQ(act_do(&st, 0, &none), -R_NO_USER);
    }
    T_EQ(st.fake.commands - commands, 2);
    stage_run(&st, 4 * NS_PER_S);
    T_EQ(act_do(&st, 0, &none), -R_NO_USER);
    T_OK(act_do(&st, 0, &user));
    T_EQ(st.fake.commands - commands, 3);
    T_TRUE(!user.suspended && user.quota.bytes == 0 && user.quota.objects == 7);
    stage_run(&st, 60 * NS_PER_S);
    T_OK(act_do(&st, 0, &user));
    T_EQ(st.fake.commands - commands, 4);
    strcpy(none.key, "no blanks");
    T_EQ(act_do(&st, 0, &none), -R_NO_USER);
    T_EQ(st.fake.commands - commands, 4);
    stage_end(&st);
}

T(bucket, a_user_in_steady_use_is_renewed_by_one_question_and_never_waits)
{
    struct act user = {.kind = ACT_USER, .key = "AKNOWN"};
    struct stage st;
    uint64_t commands;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &user));
    commands = st.fake.commands;
    stage_run(&st, 6 * NS_PER_S);
    st.fake.suspended = true;
    for (unsigned i = 0; i < 5; i++) { /* from memory; the first of them asks */
        T_OK(act_do(&st, 0, &user));
        T_FALSE(user.suspended);
    }
    stage_run(&st, NS_PER_S);
    T_EQ(st.fake.commands - commands, 1);
    T_OK(act_do(&st, 0, &user));
    T_TRUE(user.suspended);
    for (unsigned s = 0; s < 20; s++) {
        stage_run(&st, NS_PER_S);
        T_OK(act_do(&st, 0, &user));
    }
    T_LE(st.fake.commands - commands, 6);
    stage_end(&st);
}

T(bucket, a_user_changed_at_the_monitors_is_another_one_within_the_time_stated)
{
    struct act user = {.kind = ACT_USER, .key = "AKNOWN"};
    struct stage st;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &user));
    st.fake.suspended = true;
    stage_run(&st, 10 * NS_PER_S);
    T_OK(act_do(&st, 0, &user));
    T_TRUE(user.suspended);
    st.fake.command_rc = -ENOENT;
    stage_run(&st, 10 * NS_PER_S);
    T_EQ(act_do(&st, 0, &user), -R_NO_USER);
    stage_end(&st);
}

T(bucket, a_user_known_not_long_ago_is_served_while_the_monitors_do_not_answer)
{
    struct act user = {.kind = ACT_USER, .key = "AKNOWN"}, none = {.kind = ACT_USER, .key = "ANO"};
    struct stage st;
    uint64_t commands;

    stage_begin(&st);
    T_OK(act_do(&st, 0, &user));
    stage_run(&st, 61 * NS_PER_S);
    st.fake.command_rc = -ETIMEDOUT;
    commands = st.fake.commands;
    for (unsigned i = 0; i < 5; i++)
        T_OK(act_do(&st, 0, &user));
    T_STR_EQ(user.secret, "hush");
    T_EQ(st.fake.commands - commands, 1); /* not one wait for each request */
    T_EQ(act_do(&st, 0, &none), -ETIMEDOUT);
    stage_run(&st, 600 * NS_PER_S);
    T_EQ(act_do(&st, 0, &user), -ETIMEDOUT);
    st.fake.command_rc = -ENOENT; /* removed meanwhile */
    T_EQ(act_do(&st, 0, &user), -R_NO_USER);
    stage_end(&st);
}

T(bucket, a_stop_at_any_moment_answers_everything_and_frees_it)
{
    for (unsigned t = 0; t < 30; t++) {
        struct act put = {.kind = ACT_PUT, .key = "a", .seed = 1, .size = 50000};
        struct act small = {.kind = ACT_PUT, .key = "b", .seed = 1, .size = 50};
        struct act get = {.kind = ACT_GET, .key = "k"};
        struct act list = {.kind = ACT_LIST, .max = 10};
        struct act drop = {.kind = ACT_DROP, .bucket = "other"};
        struct act create = {.kind = ACT_CREATE, .bucket = "third"};
        struct act collect = {.kind = ACT_COLLECT};
        struct act *all[] = {&put, &small, &get, &list, &drop, &create, &collect};
        struct stage st;

        stage_init(&st, t + 1);
        T_OK(do_create(&st, 0, "box"));
        T_OK(do_create(&st, 0, "other"));
        T_OK(do_put(&st, 1, "k", 2, 50000));
        for (unsigned i = 0; i < ARRAY_LEN(all); i++)
            act_start(&st, 0, all[i]);
        stage_run(&st, t * 800000 + 1);
        gate_stop(&st, 0); /* nothing is left in its memory */
        for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
            T_TRUE(all[i]->done);
            act_fini(all[i]);
        }
        T_OK(do_get(&st, 1, "k", NULL));
        stage_fini(&st);
    }
}
