/* test_shards.c - index shards that split and merge, and what nobody may notice of it. */
#include <stdio.h>

#include "s3/bucket/shard_move.h"
#include "tests/unit/s3/bucket/fake_int.h"
#include "tests/unit/s3/bucket/stage.h"

enum { SMALL = 8, MANY = 90 };

static void limit_begin(struct stage *st, uint32_t entries_max)
{
    stage_init(st, 11);
    gate_stop(st, 0);
    gate_stop(st, 1);
    st->conf.shard_entries_max = entries_max;
    st->conf.split_batch_keys = 3;
    for (unsigned i = 0; i < GATES; i++)
        gate_start(st, i);
    for (unsigned i = 0; i < GATES; i++)
        gate_wait_ready(st, i);
    T_OK(do_create(st, 0, "box"));
}

static void small_begin(struct stage *st)
{
    limit_begin(st, SMALL);
}

static void key_of(unsigned i, char key[32])
{
    snprintf(key, 32, "k%03u", i * 37 % MANY);
}

static void put_many(struct stage *st)
{
    char key[32];

    for (unsigned i = 0; i < MANY; i++) {
        key_of(i, key);
        T_OK(do_put(st, i % GATES, key, 100 + i, i % 5 ? 40 + i : 5000 + i));
    }
}

static void get_many(struct stage *st, unsigned gate)
{
    char key[32];
    uint64_t id;

    for (unsigned i = 0; i < MANY; i++) {
        key_of(i, key);
        T_OK(do_get(st, gate, key, &id));
        T_EQ(id, 100 + i);
    }
}

static struct bucket_usage usage(struct stage *st, unsigned gate)
{
    struct act a = {.kind = ACT_USAGE};

    T_OK(act_do(st, gate, &a));
    return a.usage;
}

/* All keys in pages of `max`, each once and in order; returns how many. */
static unsigned list_many(struct stage *st, unsigned gate, uint32_t max)
{
    struct act a = {.kind = ACT_LIST, .max = max};
    char last[S3_KEY_MAX + 8] = "";
    unsigned n = 0;

    do {
        T_OK(act_do(st, gate, &a));
        for (unsigned i = 0; i < a.row_count; i++, n++) {
            T_LT(strcmp(last, a.rows[i].name), 0);
            strcpy(last, a.rows[i].name);
        }
        strcpy(a.after, a.next);
    } while (a.truncated);
    act_fini(&a);
    return n;
}

T(bucket, a_bucket_that_grows_is_split_and_looks_the_same)
{
    struct bucket_usage u;
    struct stage st;

    small_begin(&st);
    put_many(&st);
    stage_run(&st, NS_PER_S);
    u = usage(&st, 0);
    T_EQ(u.objects, MANY);
    T_GT(u.shards, MANY / SMALL);
    T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
    for (unsigned gate = 0; gate < GATES; gate++) {
        get_many(&st, gate);
        T_EQ(list_many(&st, gate, 1000), MANY);
        T_EQ(list_many(&st, gate, 7), MANY);
    }
    gate_kill(&st, 1); /* one that knows nothing yet */
    gate_start(&st, 1);
    gate_wait_ready(&st, 1);
    get_many(&st, 1);
    T_EQ(usage(&st, 1).objects, MANY);
    stage_end(&st);
}

T(bucket, a_bucket_that_empties_is_merged)
{
    char key[32];
    struct stage st;

    small_begin(&st);
    put_many(&st);
    stage_run(&st, NS_PER_S);
    for (unsigned i = 0; i < MANY; i++) {
        key_of(i, key);
        T_OK(do_delete(&st, i % GATES, key));
        if (i % 10 == 9)
            T_EQ(list_many(&st, i % GATES, 9), MANY - 1 - i);
    }
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, i % GATES);
    T_EQ(usage(&st, 0).shards, 1);
    T_EQ(usage(&st, 0).objects, 0);
    T_EQ(data_objects(&st), 0);
    T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
    T_GT(counter_get(&bucket_counters(st.gate[0].l)->shard_merges), 2);
    put_many(&st);
    get_many(&st, 1);
    stage_end(&st);
}

T(bucket, the_map_is_a_hint)
{
    struct fake_object *o;
    struct stage st;

    small_begin(&st);
    put_many(&st);
    stage_run(&st, NS_PER_S);
    o = fake_find(&st.fake, FAKE_INDEX, "bucket.box");
    T_EQ(o->omap.count, usage(&st, 0).shards);
    for (size_t i = 1; i < o->omap.count; i++)
        fake_row_free(&o->omap.row[i]);
    o->omap.count = 1; /* the first shard alone */
    gate_kill(&st, 1);
    gate_start(&st, 1);
    gate_wait_ready(&st, 1);
    get_many(&st, 1);
    T_EQ(list_many(&st, 1, 50), MANY);
    T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
    stage_fini(&st);
}

T(bucket, uploads_readers_and_intents_move_along)
{
    struct act c, get = {.kind = ACT_GET, .key = "k045", .pause_ns = 4 * NS_PER_S};
    struct act put = {
        .kind = ACT_PUT, .key = "k046", .seed = 7, .size = 40000, .pause_ns = 3 * NS_PER_S};
    struct act parts = {.kind = ACT_PARTS, .key = "k044", .max = 10};
    uint64_t mtime_ns;
    struct stage st;

    small_begin(&st);
    T_OK(do_put(&st, 0, "k045", 5, 60000));
    upload_begin(&st, &c, "k044", three_parts, 3);
    act_start(&st, 1, &get);
    act_start(&st, 1, &put);
    stage_run(&st, 2 * NS_PER_S);
    T_OK(do_put(&st, 0, "k045", 6, 10)); /* what is being read is garbage now */
    put_many(&st);
    while (!get.done || !put.done) {
        do_collect(&st, 0);
        stage_run(&st, NS_PER_S);
    }
    T_GT(usage(&st, 0).shards, MANY / SMALL);
    T_OK(get.rc);
    T_EQ(get.at, 60000);
    T_FALSE(get.bad_bytes);
    T_OK(put.rc);
    strcpy(parts.upload, c.upload);
    T_OK(act_do(&st, 1, &parts));
    T_EQ(parts.row_count, 3);
    act_fini(&parts);
    T_OK(act_do(&st, 1, &c));
    mtime_ns = c.mtime_ns;
    T_OK(act_do(&st, 0, &c)); /* a repeat, elsewhere */
    T_EQ(c.mtime_ns, mtime_ns);
    T_OK(do_get(&st, 1, "k044", NULL));
    stage_end(&st);
}

/* What becomes of a gateway: in the end it is dead, or what it sent comes through a minute later,
 * or it goes on a minute later. */
enum fate { DIES, IS_CUT_OFF, SLEEPS };

static void meets(struct stage *st, enum fate fate)
{
    if (fate == DIES) {
        gate_kill(st, 0);
        return;
    }
    st->fake.held = st->gate[0].env;
    st->fake.held_until_ns = sim_now_ns(st->sim) + 60 * NS_PER_S;
    st->fake.held_asleep = fate == SLEEPS;
    if (fate == SLEEPS)
        sim_process_pause(st->gate[0].env, 60 * NS_PER_S);
}

/* The other one collects meanwhile, and after that. */
static void outlives(struct stage *st, enum fate fate)
{
    for (unsigned i = 0; i < 40; i++) {
        do_collect(st, 1);
        stage_run(st, NS_PER_S);
    }
    if (fate == DIES)
        gate_start(st, 0);
    else
        stage_run(st, 40 * NS_PER_S);
    gate_wait_ready(st, 0);
    for (unsigned i = 0; i < 2; i++)
        collect_all(st, 1);
}

static void no_shard_is_left(const struct stage *st)
{
    T_EQ(st->fake.count[FAKE_DATA], 0);
    for (size_t i = 0; i < st->fake.count[FAKE_INDEX]; i++)
        T_TRUE(strncmp(st->fake.object[FAKE_INDEX][i]->name, "shard.", 6) != 0);
}

/* One gateway fills and splits, and meets its fate at this moment; the other one must not mind. */
static void split_left(uint64_t after_ns, enum fate fate, bool drop, unsigned *out_undone)
{
    struct stage st;
    char key[32];

    small_begin(&st);
    st.fake.delay_max_ns = NS_PER_MS;
    for (unsigned i = 0; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 10 + i, 10 + 600 * (i % 2)));
    }
    stage_run(&st, after_ns);
    meets(&st, fate);
    for (unsigned i = 0; i < SMALL; i++) {
        uint64_t before = sim_now_ns(st.sim), id;

        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_get(&st, 1, key, &id));
        T_EQ(id, 10 + i);
        T_OK(do_put(&st, 1, key, 30 + i, 20));
        T_LT(sim_now_ns(st.sim) - before, 150 * NS_PER_MS); /* patience and a dozen operations */
        T_OK(do_get(&st, 1, key, &id));
        T_EQ(id, 30 + i);
    }
    T_EQ(list_many(&st, 1, 3), SMALL);
    *out_undone += (unsigned)counter_get(&bucket_counters(st.gate[1].l)->moves_undone);
    if (drop) {
        for (unsigned i = 0; i < SMALL; i++) {
            snprintf(key, sizeof(key), "k%u", i);
            T_OK(do_delete(&st, 1, key));
        }
        T_OK(do_drop(&st, 1, "box"));
    }
    outlives(&st, fate);
    if (drop) {
        no_shard_is_left(&st);
    } else {
        for (unsigned i = 0; i < SMALL; i++) {
            snprintf(key, sizeof(key), "k%u", i);
            T_OK(do_get(&st, 0, key, NULL));
        }
        T_EQ(usage(&st, 0).objects, SMALL);
    }
    stage_end(&st);
}

static unsigned closed_shards(struct stage *st)
{
    unsigned n = 0;

    for (size_t i = 0; i < st->fake.count[FAKE_INDEX]; i++) {
        const struct fake_row *x =
            fake_row_find(&st->fake.object[FAKE_INDEX][i]->xattrs, "shard", 5);
        struct shard_row r;

        if (x) {
            T_OK(shard_row_decode((struct bytes){x->value, (uint32_t)x->value_bytes}, &r));
            n += r.state == SHARD_CLOSED;
        }
    }
    return n;
}

T(bucket, many_shards_are_closed_beside_each_other)
{
    struct stage st;
    uint64_t from_ns, took_ns, one_ns;
    unsigned shards;
    char key[32];

    small_begin(&st);
    put_many(&st);
    stage_run(&st, NS_PER_S);
    shards = usage(&st, 0).shards;
    T_GT(shards, 12);
    st.fake.delay_max_ns = 20 * NS_PER_MS;
    for (unsigned i = 0; i < MANY; i++) { /* but for one key, in one of the last shards */
        key_of(i, key);
        if (strcmp(key, "k085") != 0)
            T_OK(do_delete(&st, 0, key));
    }
    T_EQ(do_drop(&st, 0, "box"), -R_BUCKET_NOT_EMPTY);
    T_EQ(closed_shards(&st), 0);
    T_OK(do_put(&st, 1, "k001", 7, 50));
    T_OK(do_delete(&st, 1, "k001"));
    T_OK(do_delete(&st, 0, "k085"));
    from_ns = sim_now_ns(st.sim);
    T_OK(do_create(&st, 0, "other"));
    one_ns = sim_now_ns(st.sim) - from_ns;
    from_ns = sim_now_ns(st.sim);
    T_OK(do_drop(&st, 0, "box"));
    took_ns = sim_now_ns(st.sim) - from_ns;
    T_EQ(closed_shards(&st), shards);
    T_LT(took_ns, one_ns * 5); /* one after the other: an operation for each of 3 * shards */
    stage_fini(&st);
}

T(bucket, a_gateway_may_die_at_any_moment_of_a_split)
{
    unsigned undone = 0;

    for (uint64_t t = 0; t < 120; t++)
        split_left(t * 500000, DIES, t % 2, &undone);
    T_GT(undone, 3);
}

T(bucket, what_a_split_sent_may_arrive_late_from_any_moment)
{
    unsigned undone = 0;

    for (uint64_t t = 0; t < 60; t++)
        split_left(t * 1000000, IS_CUT_OFF, t % 2, &undone);
    T_GT(undone, 1);
}

/* What was split is merged again, and what the first gateway sent comes after that: the map must
 * not lead to a shard that is gone, nor lack one. */
static void split_undone(uint64_t after_ns)
{
    struct stage st;
    char key[32];

    small_begin(&st);
    st.fake.delay_max_ns = NS_PER_MS;
    for (unsigned i = 0; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 10 + i, 10));
    }
    stage_run(&st, after_ns);
    st.fake.held = st.gate[0].env;
    st.fake.held_until_ns = sim_now_ns(st.sim) + 300 * NS_PER_S;
    for (unsigned i = 1; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_delete(&st, 1, key));
    }
    collect_all(&st, 1);
    stage_run(&st, 300 * NS_PER_S);
    for (unsigned i = 0; i < 2; i++)
        collect_all(&st, 1);
    T_EQ(usage(&st, 1).shards, 1);
    stage_end(&st);
}

T(bucket, what_a_split_sent_may_arrive_when_all_is_merged_again)
{
    for (uint64_t t = 0; t < 160; t++)
        split_undone(t * 250000);
}

/* The new shard is noted; then its gateway has no room to make it until the note has gone, and dies
 * when it has: nobody would find a shard that was made. */
static void made_late(uint64_t after_ns, uint64_t dies_ns)
{
    struct stage st;
    char key[32];

    small_begin(&st);
    st.fake.delay_max_ns = NS_PER_MS;
    for (unsigned i = 0; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 10 + i, 10));
    }
    stage_run(&st, after_ns);
    st.fake.no_room_of = st.gate[0].env;
    collect_all(&st, 1);
    st.fake.no_room_of = NULL;
    stage_run(&st, dies_ns);
    gate_kill(&st, 0);
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    for (unsigned i = 0; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_delete(&st, 1, key));
    }
    T_OK(do_drop(&st, 1, "box"));
    for (unsigned i = 0; i < 2; i++)
        collect_all(&st, 1);
    no_shard_is_left(&st);
    stage_end(&st);
}

T(bucket, a_shard_is_not_made_when_its_note_may_be_gone)
{
    for (uint64_t t = 0; t < 64; t++)
        made_late(t / 8 * 500000, t % 8 * 500000);
}

/* Likewise, but it was asked for in time, and is on its way for longer than a grace. */
static void made_by_the_dead(uint64_t after_ns)
{
    struct stage st;
    char key[32];

    small_begin(&st);
    st.fake.delay_max_ns = NS_PER_MS;
    for (unsigned i = 0; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 10 + i, 10));
    }
    stage_run(&st, after_ns);
    st.fake.held = st.gate[0].env;
    st.fake.held_until_ns = sim_now_ns(st.sim) + 3 * st.conf.reader_grace_ms / 2 * NS_PER_MS;
    stage_run(&st, 10 * NS_PER_MS);
    gate_kill(&st, 0);
    for (unsigned i = 0; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_delete(&st, 1, key));
    }
    T_OK(do_drop(&st, 1, "box"));
    for (unsigned i = 0; i < 4; i++)
        collect_all(&st, 1);
    no_shard_is_left(&st);
    st.fake.held = NULL;
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    stage_end(&st);
}

T(bucket, a_shard_that_was_long_on_its_way_has_its_note)
{
    for (uint64_t t = 0; t < 64; t++)
        made_by_the_dead(t * 250000);
}

static void small_deletes(struct stage *st, unsigned gate, unsigned from)
{
    char key[32];

    for (unsigned i = from; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_delete(st, gate, key));
    }
}

/* The cluster is full from some moment of a split, or of a merge, on: all that is deleted goes. */
static void moved_when_full(bool merge, uint64_t after_ns)
{
    struct act round = {.kind = ACT_COLLECT};
    struct stage st;
    char key[32];

    small_begin(&st);
    st.fake.delay_max_ns = NS_PER_MS;
    for (unsigned i = 0; i < SMALL; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 10 + i, 5000));
    }
    if (merge) {
        stage_run(&st, NS_PER_S);
        small_deletes(&st, 1, 1);
        act_start(&st, 0, &round); /* finds that they are small */
    }
    stage_run(&st, after_ns);
    st.fake.full = true;
    if (merge)
        T_OK(do_delete(&st, 1, "k0"));
    else
        small_deletes(&st, 1, 0);
    collect_all(&st, 1);
    T_EQ(data_objects(&st), 0);
    T_OK(do_drop(&st, 1, "box"));
    stage_end(&st);
}

T(bucket, a_cluster_may_become_full_at_any_moment_of_a_move)
{
    for (uint64_t t = 0; t < 160; t++)
        moved_when_full(t % 2, t * 250000);
}

T(bucket, a_gateway_may_sleep_at_any_moment_of_a_split)
{
    unsigned undone = 0;

    for (uint64_t t = 0; t < 60; t++)
        split_left(t * 1000000, SLEEPS, t % 2, &undone);
    T_GT(undone, 1);
}

/* One gateway makes a bucket, and meets its fate meanwhile; the other one makes it, too. */
T(bucket, what_is_left_of_making_a_bucket_goes)
{
    for (unsigned i = 0; i < 3 * 40; i++) {
        struct act make = {.kind = ACT_CREATE, .bucket = "other"};
        enum fate fate = (enum fate)(i % 3);
        struct stage st;

        stage_begin(&st);
        st.fake.delay_max_ns = NS_PER_MS;
        act_start(&st, 0, &make);
        stage_run(&st, i / 3 * 250000);
        meets(&st, fate);
        (void)do_create(&st, 1, "other");
        T_OK(do_drop(&st, 1, "other"));
        T_OK(do_drop(&st, 1, "box"));
        outlives(&st, fate);
        (void)do_drop(&st, 1, "other"); /* the first one may have made it after all */
        for (unsigned n = 0; n < 2; n++)
            collect_all(&st, 1);
        no_shard_is_left(&st);
        stage_end(&st);
    }
}

T(bucket, a_bucket_may_be_deleted_while_it_is_split)
{
    for (uint64_t t = 0; t < 40; t++) {
        struct stage st;
        char key[32];

        small_begin(&st);
        for (unsigned i = 0; i < SMALL; i++) {
            snprintf(key, sizeof(key), "k%u", i);
            T_OK(do_put(&st, 0, key, 10 + i, 10));
        }
        for (unsigned i = 0; i < SMALL; i++) {
            snprintf(key, sizeof(key), "k%u", i);
            T_OK(do_delete(&st, 1, key));
        }
        stage_run(&st, t * NS_PER_MS);
        T_OK(do_drop(&st, 1, "box"));
        T_EQ(do_put(&st, 0, "k", 1, 1), -R_NO_BUCKET);
        for (unsigned i = 0; i < 2; i++)
            collect_all(&st, 1);
        for (size_t i = 0; i < st.fake.count[FAKE_INDEX]; i++)
            T_TRUE(strncmp(st.fake.object[FAKE_INDEX][i]->name, "shard.", 6) != 0);
        stage_end(&st);
    }
}

/* Two shards with three keys left between them: whoever collects will merge them. */
static const char *const kept[] = {"k01", "k14", "k16"};

static void two_small(struct stage *st)
{
    char key[32];

    limit_begin(st, 16);
    st->fake.delay_max_ns = NS_PER_MS;
    for (unsigned i = 0; i < 17; i++) {
        snprintf(key, sizeof(key), "k%02u", i);
        T_OK(do_put(st, 1, key, 10 + i, 10 + 600 * (i % 2)));
    }
    stage_run(st, NS_PER_S);
    T_EQ(usage(st, 1).shards, 2);
    for (unsigned i = 0; i < 17; i++) {
        snprintf(key, sizeof(key), "k%02u", i);
        if (strcmp(key, kept[0]) != 0 && strcmp(key, kept[1]) != 0 && strcmp(key, kept[2]) != 0)
            T_OK(do_delete(st, 1, key));
    }
}

/* One gateway merges, and dies or is cut off. */
static void merge_left(uint64_t after_ns, bool late)
{
    struct act collect = {.kind = ACT_COLLECT};
    struct stage st;
    uint64_t id;

    two_small(&st);
    act_start(&st, 0, &collect); /* it finds them small */
    stage_run(&st, after_ns);
    if (late) {
        st.fake.held = st.gate[0].env;
        st.fake.held_until_ns = sim_now_ns(st.sim) + 300 * NS_PER_S;
    } else {
        gate_kill(&st, 0);
    }
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++) {
        T_OK(do_get(&st, 1, kept[i], &id));
        T_OK(do_put(&st, 1, kept[i], 50 + i, 20));
        T_OK(do_put(&st, 1, "k12", 60, 20)); /* in what moves, and gone again */
        T_OK(do_delete(&st, 1, "k12"));
    }
    T_EQ(list_many(&st, 1, 2), 3);
    if (late) {
        collect_all(&st, 1); /* the other one merges meanwhile */
        T_OK(do_put(&st, 1, kept[2], 52, 30));
        stage_run(&st, 300 * NS_PER_S);
    } else {
        gate_start(&st, 0);
    }
    gate_wait_ready(&st, 0);
    for (unsigned i = 0; i < ARRAY_LEN(kept); i++) {
        T_OK(do_get(&st, i % 2, kept[i], &id));
        T_EQ(id, 50 + i);
    }
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 1);
    T_EQ(usage(&st, 0).shards, 1);
    T_EQ(usage(&st, 0).objects, 3);
    T_EQ(list_many(&st, 0, 2), 3);
    stage_end(&st);
}

T(bucket, a_gateway_may_die_at_any_moment_of_a_merge)
{
    for (uint64_t t = 0; t < 100; t++) /* the collector comes to it after some 20 ms */
        merge_left(20 * NS_PER_MS + t * 150000, false);
}

T(bucket, what_a_merge_sent_may_arrive_late_from_any_moment)
{
    for (uint64_t t = 0; t < 100; t++)
        merge_left(20 * NS_PER_MS + t * 150000, true);
}

T(bucket, a_deletion_refused_during_a_merge_leaves_every_key)
{
    for (uint64_t t = 0; t < 200; t++) {
        struct act collect = {.kind = ACT_COLLECT};
        struct stage st;

        two_small(&st);
        T_OK(do_delete(&st, 1, kept[0])); /* the left one is closed until the right one was seen */
        st.fake.range_bytes_max = 60;     /* long enough for the copy to begin anew meanwhile */
        act_start(&st, 0, &collect);
        stage_run(&st, 20 * NS_PER_MS + t * 100000);
        T_EQ(do_drop(&st, 1, "box"), -R_BUCKET_NOT_EMPTY);
        stage_run(&st, NS_PER_S);
        for (unsigned i = 0; i < 2; i++)
            collect_all(&st, 1);
        for (unsigned i = 1; i < ARRAY_LEN(kept); i++)
            T_OK(do_get(&st, i % 2, kept[i], NULL));
        T_EQ(list_many(&st, 0, 2), 2);
        stage_end(&st);
    }
}

/* Garbage comes to a shard whose epochs have long been counted: it must not look old there. */
T(bucket, a_reader_keeps_what_it_reads_across_a_merge)
{
    struct act get = {.kind = ACT_GET, .key = "k8", .pause_ns = 3 * NS_PER_S};
    struct stage st;
    char key[32];

    small_begin(&st);
    for (unsigned i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 10 + i, 10));
    }
    T_OK(do_put(&st, 0, "k8", 18, 60000));
    stage_run(&st, NS_PER_S);
    T_EQ(usage(&st, 0).shards, 2);
    for (unsigned i = 0; i < 20; i++) { /* the first shard's epoch rises, the other's does not */
        T_OK(do_put(&st, 0, "k0", 100 + i, 5000));
        do_collect(&st, 0);
        stage_run(&st, 3 * NS_PER_S);
    }
    for (unsigned i = 0; i < 8; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_delete(&st, 0, key));
    }
    act_start(&st, 1, &get);
    stage_run(&st, 200 * NS_PER_MS);
    T_OK(do_delete(&st, 0, "k8"));
    do_collect(&st, 0);
    stage_run(&st, 200 * NS_PER_MS);
    T_GT(counter_get(&bucket_counters(st.gate[0].l)->shard_merges), 0);
    while (!get.done) {
        do_collect(&st, 0);
        stage_run(&st, 100 * NS_PER_MS);
    }
    T_OK(get.rc);
    T_EQ(get.at, 60000);
    T_FALSE(get.bad_bytes);
    for (unsigned i = 0; i < 2; i++)
        collect_all(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}
