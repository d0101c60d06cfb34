/* test_faults.c - slow readers and writers, dead gateways, lack of memory, the collector. */
#include <stdio.h>

#include "s3/bucket/rows.h"
#include "tests/unit/s3/bucket/stage.h"

/* ---- readers, intents, the collector ---- */

T(bucket, a_slow_reader_keeps_what_it_reads)
{
    struct act get = {.kind = ACT_GET, .key = "k", .pause_ns = 4 * NS_PER_S};
    struct act mp = {.kind = ACT_GET, .key = "mp", .pause_ns = 4 * NS_PER_S};
    struct act c;
    struct stage st;
    static const uint64_t seeds[] = {1100000 + 40000, 2200000 + 40000};

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 3, 80000));
    upload_begin(&st, &c, "mp", seeds, 2);
    T_OK(act_do(&st, 0, &c));
    act_start(&st, 1, &get);
    act_start(&st, 1, &mp);
    stage_run(&st, 2 * NS_PER_S);
    T_OK(do_put(&st, 0, "k", 4, 5000));
    T_OK(do_delete(&st, 0, "mp"));
    while (!get.done || !mp.done) {
        do_collect(&st, 0);
        stage_run(&st, NS_PER_S);
    }
    T_OK(get.rc);
    T_OK(mp.rc);
    T_FALSE(get.bad_bytes || mp.bad_bytes);
    T_EQ(get.at, 80000);
    T_GT(get.ended_ns - get.began_ns, 60 * NS_PER_S); /* many times the grace */
    T_GT(counter_get(&bucket_counters(st.gate[1].l)->renewals), 10);
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 2);
    stage_end(&st);
}

T(bucket, a_full_cluster_takes_nothing_new_and_lets_go_of_what_is_deleted)
{
    static const uint64_t seeds[] = {1100000 + 40000, 2200000 + 40000};
    struct act get = {.kind = ACT_GET, .key = "slow", .pause_ns = 4 * NS_PER_S};
    struct act c, gone;
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "large", 3, 80000));
    T_OK(do_put(&st, 0, "slow", 4, 80000));
    T_OK(do_put(&st, 0, "small", 5, 100));
    T_OK(do_put(&st, 0, "shared", 6, 80000));
    T_OK(do_copy(&st, 0, "shared", "copy"));
    upload_begin(&st, &c, "mp", seeds, 2);
    act_start(&st, 1, &get);
    stage_run(&st, 2 * NS_PER_S);
    st.fake.full = true;
    T_EQ(do_put(&st, 0, "large", 6, 80000), -R_STORE_FULL);
    T_EQ(do_put(&st, 0, "new", 6, 100), -R_STORE_FULL);
    T_EQ(do_create(&st, 0, "another"), -R_STORE_FULL);
    T_EQ(do_copy(&st, 0, "shared", "copy of another"), -R_STORE_FULL);
    T_OK(do_get(&st, 0, "large", NULL));
    T_OK(do_delete(&st, 0, "large"));
    T_OK(do_delete(&st, 0, "shared"));
    T_OK(do_delete(&st, 0, "copy"));
    T_OK(do_delete(&st, 0, "slow"));
    T_OK(do_delete(&st, 0, "small"));
    gone = c;
    gone.kind = ACT_ABORT;
    T_OK(act_do(&st, 0, &gone));
    while (!get.done) {
        do_collect(&st, 0);
        stage_run(&st, NS_PER_S);
    }
    T_OK(get.rc);
    T_FALSE(get.bad_bytes);
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 0);
    T_OK(do_drop(&st, 0, "box"));
    st.fake.full = false;
    T_OK(do_create(&st, 0, "box"));
    stage_end(&st);
}

/* Its OSDs have taken in as much as they do of what is said to free: what makes room is no longer
 * than what it takes away, and goes on. */
T(bucket, a_cluster_that_takes_no_more_rows_lets_go_of_all_that_is_deleted)
{
    static const uint64_t seeds[] = {1100000 + 40000, 2200000 + 40000};
    struct act put = {.kind = ACT_PUT, .key = "zz", .seed = 3, .size = 80000, .pause_ns = NS_PER_S};
    struct act before, after, gone;
    unsigned intents;
    struct stage st;
    char key[16];

    stage_begin(&st);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 1 + i, 9000));
    }
    T_OK(do_put(&st, 0, "small", 20, 100));
    T_OK(do_copy(&st, 0, "k3", "copy"));
    upload_begin(&st, &before, "before", seeds, 2);
    upload_begin(&st, &after, "after", seeds, 2);
    act_start(&st, 1, &put);
    stage_run(&st, 3 * NS_PER_S);
    gate_kill(&st, 1);
    st.fake.full = true;
    gone = before;
    gone.kind = ACT_ABORT;
    T_OK(act_do(&st, 0, &gone));
    for (unsigned i = 0; i < 9; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_delete(&st, 0, key));
    }
    st.fake.spent = true;
    T_OK(do_delete(&st, 0, "small"));
    T_OK(do_delete(&st, 0, "k9"));
    T_OK(do_delete(&st, 0, "copy"));
    gone = after;
    gone.kind = ACT_ABORT;
    T_OK(act_do(&st, 0, &gone));
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 0);
    T_EQ(stage_audit(&st, &intents, NULL, NULL), 0);
    T_EQ(intents, 0);
    T_EQ(data_objects(&st), 0);
    st.fake.full = st.fake.spent = false;
    stage_end(&st);
}

/* The shards that a dead gateway has closed are opened again by whoever comes, also to read. */
T(bucket, a_full_cluster_shows_what_a_dead_deleter_has_closed)
{
    for (uint64_t t = 0; t < 40; t++) {
        struct act drop = {.kind = ACT_DROP}, head = {.kind = ACT_HEAD, .key = "k"};
        struct act list = {.kind = ACT_LIST};
        struct stage st;

        stage_begin(&st);
        T_OK(do_put(&st, 1, "k", 3, 9000));
        act_start(&st, 0, &drop);
        stage_run(&st, t * 250000);
        gate_kill(&st, 0);
        st.fake.full = true;
        T_OK(t % 2 ? act_do(&st, 1, &head) : act_do(&st, 1, &list));
        T_OK(do_delete(&st, 1, "k"));
        T_OK(do_drop(&st, 1, "box"));
        st.fake.full = false;
        act_fini(&list);
        gate_start(&st, 0);
        gate_wait_ready(&st, 0);
        stage_end(&st);
    }
}

T(bucket, what_a_full_cluster_refused_in_the_middle_does_not_wait_to_grow_stale)
{
    struct act put = {.kind = ACT_PUT,
                      .key = "half",
                      .seed = 3,
                      .size = 80000,
                      .chunk = 8000,
                      .pause_ns = NS_PER_S};
    struct stage st;

    stage_begin(&st);
    act_start(&st, 0, &put);
    stage_run(&st, 5 * NS_PER_S);
    T_GT(data_objects(&st), 0);
    st.fake.full = true;
    stage_run(&st, 20 * NS_PER_S);
    T_TRUE(put.done);
    T_EQ(put.rc, -R_STORE_FULL);
    collect_all(&st, 1);
    T_EQ(data_objects(&st), 0);
    T_EQ(counter_get(&bucket_counters(st.gate[1].l)->stale_intents), 0);
    stage_end(&st);
}

T(bucket, data_that_is_missing_ends_the_read_with_an_error)
{
    struct act get = {.kind = ACT_GET, .key = "k"};
    struct stage st;
    char name[128];

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 3, 30000));
    strcpy(name, st.fake.object[FAKE_DATA][3]->name);
    fake_remove(&st.fake, FAKE_DATA, name);
    T_EQ(act_do(&st, 0, &get), -R_DATA_LOST);
    T_OK(do_delete(&st, 0, "k"));
    collect_all(&st, 0);
    stage_end(&st);
}

T(bucket, a_reader_may_leave_at_any_time)
{
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 3, 30000));
    for (unsigned i = 0; i < 10; i++) {
        struct act get = {.kind = ACT_GET, .key = "k", .give_up = true, .len = 1 + 3000 * i};

        T_EQ(act_do(&st, 0, &get), -ECANCELED);
    }
    stage_end(&st);
}

T(bucket, intents_of_a_dead_gateway_are_collected)
{
    struct act put = {
        .kind = ACT_PUT, .key = "k", .seed = 1, .size = 90000, .pause_ns = 20 * NS_PER_MS};
    struct stage st;
    unsigned intents;

    stage_begin(&st);
    act_start(&st, 0, &put);
    stage_run(&st, NS_PER_S);
    T_FALSE(put.done);
    gate_kill(&st, 0);
    stage_run(&st, NS_PER_S);
    T_EQ(stage_audit(&st, &intents, NULL, NULL), 0);
    T_EQ(intents, 1);
    T_GT(data_objects(&st), 5);
    collect_all(&st, 1);
    T_EQ(stage_audit(&st, &intents, NULL, NULL), 0);
    T_EQ(intents, 0);
    T_EQ(data_objects(&st), 0);
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    stage_end(&st);
}

T(bucket, a_slow_writer_keeps_its_intent)
{
    struct act put = {
        .kind = ACT_PUT, .key = "k", .seed = 1, .size = 40000, .pause_ns = 3 * NS_PER_S};
    struct stage st;

    stage_begin(&st);
    act_start(&st, 0, &put);
    while (!put.done) {
        do_collect(&st, 1);
        stage_run(&st, NS_PER_S);
    }
    T_OK(put.rc);
    T_GT(put.ended_ns - put.began_ns, 100 * NS_PER_S); /* five times until it is stale */
    T_OK(do_get(&st, 1, "k", NULL));
    stage_end(&st);
}

T(bucket, a_writer_that_slept_too_long_fails_and_leaves_nothing)
{
    struct act put = {
        .kind = ACT_PUT, .key = "k", .seed = 1, .size = 40000, .pause_ns = 100 * NS_PER_MS};
    struct stage st;

    stage_begin(&st);
    act_start(&st, 0, &put);
    stage_run(&st, NS_PER_S);
    sim_process_pause(st.gate[0].env, 200 * NS_PER_S);
    collect_all(&st, 1);
    stage_run(&st, 100 * NS_PER_S);
    T_TRUE(put.done);
    T_EQ(put.rc, -R_INTENT_LOST);
    T_EQ(do_get(&st, 0, "k", NULL), -R_NO_KEY);
    collect_all(&st, 1);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

/* Its pauses are as long as its work, not as what it had to wait for. */
T(bucket, a_collector_that_was_cut_off_goes_on_at_once)
{
    struct stage st;

    stage_begin(&st);
    gate_stop(&st, 1);
    st.conf.no_collector = false;
    gate_start(&st, 1);
    gate_wait_ready(&st, 1);
    T_OK(do_put(&st, 0, "k", 1, 9000));
    st.fake.held = st.gate[1].env;
    st.fake.held_until_ns = sim_now_ns(st.sim) + 60 * NS_PER_S;
    stage_run(&st, 60 * NS_PER_S);
    T_OK(do_delete(&st, 0, "k"));
    T_EQ(data_objects(&st), 3);
    stage_run(&st, 60 * NS_PER_S);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

/* ---- memory ---- */

/* The act with its 1st, 2nd, ... allocation failing: it says -ENOMEM or works, and works at last.
 */
static void starve(struct stage *st, struct act a, void (*before)(struct stage *st, struct act *a))
{
    unsigned failures = 0;
    bool hit = true;

    for (int64_t n = 0; hit; n++) {
        struct act try = a;

        if (before)
            before(st, &try);
        mem_fail_after(n);
        act_do(st, 0, &try);
        hit = mem_fail_hit();
        mem_fail_after(-1);
        if (try.rc != 0)
            T_EQ(try.rc, -ENOMEM);
        if (!hit)
            T_OK(try.rc);
        T_FALSE(try.bad_bytes);
        failures += try.rc != 0;
        act_fini(&try);
    }
    T_GT(failures, 2);
}

static void before_create(struct stage *st, struct act *a)
{
    (void)do_drop(st, 1, a->bucket); /* if it is there */
}

static void before_drop(struct stage *st, struct act *a)
{
    (void)do_create(st, 1, a->bucket); /* if it is not */
}

static void before_delete(struct stage *st, struct act *a)
{
    T_OK(do_put(st, 1, a->key, 77, 9000));
}

static void before_complete(struct stage *st, struct act *a)
{
    upload_begin(st, a, "mp", three_parts, 3);
}

static void before_abort(struct stage *st, struct act *a)
{
    upload_begin(st, a, "mp", three_parts, 2);
    a->kind = ACT_ABORT;
}

static void before_copy(struct stage *st, struct act *a)
{
    struct act c;

    upload_begin(st, &c, a->from, three_parts, 3);
    T_OK(act_do(st, 1, &c));
}

static void before_part(struct stage *st, struct act *a)
{
    struct act c;

    upload_begin(st, &c, "mp", three_parts, 1);
    strcpy(a->upload, c.upload);
}

T(bucket, lack_of_memory_at_any_moment_fails_cleanly)
{
    static const struct s3_header h[] = {
        {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"text/x", 6}}};
    static const struct {
        struct act a;
        void (*before)(struct stage *st, struct act *a);
    } rows[] = {
        {{.kind = ACT_PUT, .key = "s", .seed = 1, .size = 100, .headers = h, .header_count = 1},
         NULL},
        {{.kind = ACT_PUT, .key = "l", .seed = 2, .size = 9000}, NULL},
        {{.kind = ACT_GET, .key = "k"}, NULL},
        {{.kind = ACT_GET, .key = "s"}, NULL},
        {{.kind = ACT_HEAD, .key = "s"}, NULL},
        {{.kind = ACT_LIST, .max = 100}, NULL},
        {{.kind = ACT_BUCKETS}, NULL},
        {{.kind = ACT_STAT}, NULL},
        {{.kind = ACT_DELETE, .key = "k"}, before_delete},
        {{.kind = ACT_CREATE, .bucket = "other"}, before_create},
        {{.kind = ACT_DROP, .bucket = "other"}, before_drop},
        {{.kind = ACT_UPLOAD, .key = "u", .headers = h, .header_count = 1}, NULL},
        {{.kind = ACT_UPLOADS, .max = 10}, NULL},
        {{.kind = ACT_COPY, .from = "s", .key = "copy"}, NULL},
        {{.kind = ACT_COPY, .from = "l", .key = "copy", .headers = h, .header_count = 1}, NULL},
        {{.kind = ACT_COPY, .from = "mp", .key = "copy"}, before_copy},
        {{.kind = ACT_COMPLETE}, before_complete},
        {{.kind = ACT_ABORT}, before_abort},
        {{.kind = ACT_PUT, .key = "mp", .seed = 100003000, .size = 3000, .part_number = 1},
         before_part},
    };
    struct stage st;
    unsigned intents;

    stage_begin(&st);
    st.fake.delay_max_ns = 50000;
    T_OK(do_put(&st, 1, "k", 77, 9000));
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
        starve(&st, rows[i].a, rows[i].before);
    T_EQ(do_delete(&st, 0, "mp"), 0);
    T_EQ(do_delete(&st, 0, "copy"), 0);
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 0);
    T_EQ(stage_audit(&st, &intents, NULL, NULL), 0);
    T_EQ(intents, 0);
    stage_end(&st);
}

T(bucket, a_collector_without_memory_goes_on_later)
{
    struct stage st;

    stage_begin(&st);
    st.fake.delay_max_ns = 50000;
    for (int64_t n = 0; n < 120; n++) {
        struct act a = {.kind = ACT_COLLECT};

        T_OK(do_put(&st, 0, "k", 1, 9000));
        mem_fail_after(n);
        (void)act_do(&st, 0, &a); /* may say so, or leave work undone */
        mem_fail_after(-1);
        stage_run(&st, NS_PER_S);
    }
    collect_all(&st, 0);
    T_EQ(data_objects(&st), 3);
    stage_end(&st);
}
