/* test_copies.c - objects that share their data objects: whoever goes, and whoever dies, the others
 * keep their bytes; and when all are gone nothing is left. */
#include <stdio.h>

#include "s3/bucket/refs.h"
#include "tests/unit/s3/bucket/stage.h"

enum { STRIPED, MANIFEST, SOURCES };

/* The object "src" of several data objects; how many. */
static unsigned source_make(struct stage *st, unsigned kind)
{
    static const uint64_t seeds[] = {1100000 + 9000, 2200000 + 5000};
    struct act c;

    if (kind == STRIPED) {
        T_OK(do_put(st, 0, "src", 3, 20000));
        return 5;
    }
    upload_begin(st, &c, "src", seeds, 2);
    T_OK(act_do(st, 0, &c));
    return 3 + 2;
}

static void source_begin(struct stage *st, unsigned kind)
{
    unsigned n;

    stage_begin(st);
    n = source_make(st, kind);
    T_EQ(data_objects(st), n);
}

/* What is left must be whole, then go without a trace. */
static void nothing_stays(struct stage *st)
{
    static const char *const keys[] = {"src", "copy", "copy2", "copy3"};
    unsigned intents, garbage;

    for (unsigned i = 0; i < ARRAY_LEN(keys); i++) {
        int rc = do_get(st, 1, keys[i], NULL);

        if (rc != 0)
            T_EQ(rc, -R_NO_KEY);
        T_OK(do_delete(st, 1, keys[i]));
    }
    T_EQ(stage_audit(st, NULL, NULL, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        collect_all(st, 1);
    T_EQ(stage_audit(st, &intents, &garbage, NULL), 0);
    T_EQ(intents + garbage, 0);
    T_EQ(data_objects(st), 0);
}

T(bucket_copy, a_copy_shares_its_sources_data_and_is_one_to_its_user)
{
    static const struct s3_header h[] = {
        {{(const uint8_t *)"x-amz-meta-a", 12}, {(const uint8_t *)"new", 3}}};
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct act copy = {
            .kind = ACT_COPY, .from = "src", .key = "copy", .headers = h, .header_count = 1};
        struct act src = {.kind = ACT_GET, .key = "src"}, get = {.kind = ACT_GET, .key = "copy"};
        struct act usage = {.kind = ACT_USAGE};
        struct stage st;
        unsigned before;

        source_begin(&st, kind);
        before = data_objects(&st);
        T_OK(act_do(&st, 1, &copy));
        T_EQ(data_objects(&st), before);
        T_EQ(counter_get(&bucket_counters(st.gate[1].l)->copies), 1);
        T_OK(act_do(&st, 0, &src));
        T_OK(act_do(&st, 0, &get));
        T_FALSE(get.bad_bytes);
        T_EQ(get.id, src.id);
        T_EQ(copy.id, src.id);
        T_EQ(get.etag_parts, src.etag_parts);
        T_EQ(get.got_size, src.got_size);
        T_EQ(get.told_count, src.told_count);
        T_EQ(get.sum_got.kind, src.sum_got.kind);
        T_STR_EQ(get.header_value, "new");
        T_EQ(src.header_got, 0);
        T_OK(act_do(&st, 0, &usage)); /* each counts in full */
        T_EQ(usage.usage.objects, 2);
        T_EQ(usage.usage.bytes, 2 * src.got_size);
        T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
        nothing_stays(&st);
        stage_end(&st);
    }
}

T(bucket_copy, small_objects_are_copied_as_bytes)
{
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "src", 3, 500));
    T_OK(do_copy(&st, 0, "src", "copy"));
    T_OK(do_delete(&st, 0, "src"));
    T_OK(do_get(&st, 1, "copy", NULL));
    T_EQ(data_objects(&st), 0);
    T_EQ(counter_get(&bucket_counters(st.gate[0].l)->copies), 0);
    stage_end(&st);
}

T(bucket_copy, whoever_goes_first_the_others_keep_the_bytes)
{
    static const char *const keys[] = {"src", "copy", "copy2"};

    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned first = 0; first < 3; first++) {
            struct stage st;
            unsigned all;

            source_begin(&st, kind);
            all = data_objects(&st);
            T_OK(do_copy(&st, 0, "src", "copy"));
            T_OK(do_copy(&st, 1, "copy", "copy2")); /* a copy of a copy */
            for (unsigned i = 0; i < 3; i++) {
                unsigned goes = (first + i) % 3;

                T_EQ(data_objects(&st), all);
                if (i % 2)
                    T_OK(do_put(&st, 1, keys[goes], 9, 100)); /* replaced, not deleted */
                else
                    T_OK(do_delete(&st, 0, keys[goes]));
                collect_all(&st, i % 2);
                for (unsigned k = i + 1; k < 3; k++)
                    T_OK(do_get(&st, 0, keys[(first + k) % 3], NULL));
                T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
            }
            T_EQ(data_objects(&st), 0);
            nothing_stays(&st);
            stage_end(&st);
        }
}

T(bucket_copy, an_object_is_copied_onto_itself)
{
    static const struct s3_header h[] = {
        {{(const uint8_t *)"x-amz-meta-a", 12}, {(const uint8_t *)"new", 3}}};
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct act copy = {
            .kind = ACT_COPY, .from = "src", .key = "src", .headers = h, .header_count = 1};
        struct act get = {.kind = ACT_GET, .key = "src"};
        struct stage st;
        unsigned all;

        source_begin(&st, kind);
        all = data_objects(&st);
        for (unsigned i = 0; i < 5; i++) {
            T_OK(act_do(&st, i % 2, &copy));
            collect_all(&st, i % 2);
            T_EQ(data_objects(&st), all);
            T_OK(act_do(&st, 0, &get));
            T_FALSE(get.bad_bytes);
            T_STR_EQ(get.header_value, "new");
        }
        for (size_t i = 0; i < data_objects(&st); i++)
            T_LE(refs_of(&st, i), 1); /* those before it have left */
        nothing_stays(&st);
        stage_end(&st);
    }
}

T(bucket_copy, a_copy_outlives_the_bucket_of_its_source)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct act copy = {.kind = ACT_COPY,
                           .from_bucket = "box",
                           .from = "src",
                           .bucket = "other",
                           .key = "copy"};
        struct act get = {.kind = ACT_GET, .bucket = "other", .key = "copy"};
        struct act gone = {.kind = ACT_DELETE, .bucket = "other", .key = "copy"};
        unsigned shards;
        struct stage st;

        source_begin(&st, kind);
        T_OK(do_create(&st, 0, "other"));
        T_OK(act_do(&st, 1, &copy));
        T_OK(do_delete(&st, 0, "src"));
        T_OK(do_drop(&st, 0, "box"));
        for (unsigned i = 0; i < 3; i++)
            collect_all(&st, i % 2);
        T_EQ(stage_audit(&st, NULL, NULL, &shards), 0);
        T_EQ(shards, 1); /* of the dropped bucket nothing is left */
        T_OK(act_do(&st, 0, &get));
        T_FALSE(get.bad_bytes);
        T_OK(act_do(&st, 0, &gone));
        for (unsigned i = 0; i < 3; i++)
            collect_all(&st, 0);
        T_EQ(data_objects(&st), 0);
        stage_end(&st);
    }
}

T(bucket_copy, a_condition_of_the_copy_is_judged_at_its_link)
{
    struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy", .cond = {.absent = true}};
    struct stage st;

    source_begin(&st, MANIFEST);
    T_OK(do_put(&st, 0, "copy", 9, 100));
    T_EQ(act_do(&st, 0, &copy), -R_PRECONDITION);
    T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
    T_OK(do_delete(&st, 0, "copy"));
    T_OK(act_do(&st, 0, &copy));
    nothing_stays(&st);
    stage_end(&st);
}

/* What is left over of an upload is worked off after the object that it became was deleted: the
 * parts that a copy has are not left over. */
T(bucket_copy, parts_are_not_left_over_when_only_a_copy_has_them)
{
    struct stage st;

    source_begin(&st, MANIFEST);
    T_OK(do_copy(&st, 0, "src", "copy"));
    T_OK(do_delete(&st, 0, "src"));
    stage_run(&st, 100 * NS_PER_S); /* both rows are ripe at the same time */
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 0);
    T_OK(do_get(&st, 1, "copy", NULL));
    T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
    nothing_stays(&st);
    stage_end(&st);
}

T(bucket_copy, readers_of_all_of_them_keep_what_they_read)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct act get = {.kind = ACT_GET, .key = "src", .pause_ns = 9 * NS_PER_S};
        struct act copied = {.kind = ACT_GET, .key = "copy", .pause_ns = 11 * NS_PER_S};
        struct stage st;

        source_begin(&st, kind);
        act_start(&st, 1, &get); /* before it is shared */
        stage_run(&st, NS_PER_S);
        T_OK(do_copy(&st, 0, "src", "copy"));
        act_start(&st, 1, &copied);
        stage_run(&st, NS_PER_S);
        T_OK(do_delete(&st, 0, "src"));
        T_OK(do_delete(&st, 0, "copy"));
        while (!get.done || !copied.done) {
            do_collect(&st, 0);
            stage_run(&st, NS_PER_S);
        }
        T_OK(get.rc);
        T_OK(copied.rc);
        T_FALSE(get.bad_bytes || copied.bad_bytes);
        T_GT(copied.ended_ns - copied.began_ns, 40 * NS_PER_S); /* several times the grace */
        nothing_stays(&st);
        stage_end(&st);
    }
}

/* ---- deaths ---- */

struct ops {
    struct fake *f;
    uint64_t until;
};

static uint64_t ops_of(const struct fake *f)
{
    return f->ops[FAKE_INDEX] + f->ops[FAKE_DATA];
}

static bool ops_reached(void *arg)
{
    const struct ops *o = arg;

    return ops_of(o->f) >= o->until;
}

/* Until so many more operations have come to the cluster. */
static void run_ops(struct stage *st, uint64_t n)
{
    struct ops o = {&st->fake, ops_of(&st->fake) + n};

    if (n)
        sim_run_until(st->sim, sim_now_ns(st->sim) + 60 * NS_PER_S, ops_reached, &o);
}

static void gate_again(struct stage *st, unsigned i)
{
    gate_kill(st, i);
    gate_start(st, i);
    gate_wait_ready(st, i);
}

/* The gateway dies after each operation of a copy; the source lives on, or has gone meanwhile. */
T(bucket_copy, a_gateway_that_dies_in_a_copy_leaves_nothing)
{
    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned n = 0; n < 9; n++)
            for (unsigned gone = 0; gone < 3; gone++) {
                struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
                struct stage st;

                source_begin(&st, kind);
                if (gone == 2) /* it is not the first */
                    T_OK(do_copy(&st, 1, "src", "copy2"));
                act_start(&st, 0, &copy);
                run_ops(&st, n);
                gate_again(&st, 0);
                stage_run(&st, NS_PER_S);
                T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
                if (gone)
                    T_OK(do_delete(&st, 1, "src"));
                collect_all(&st, 1);
                if (!gone)
                    T_OK(do_get(&st, 1, "src", NULL));
                if (copy.done && copy.rc == 0)
                    T_OK(do_get(&st, 1, "copy", NULL));
                if (gone == 2)
                    T_OK(do_get(&st, 1, "copy2", NULL));
                T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
                nothing_stays(&st);
                stage_end(&st);
            }
}

/* A collector dies after each operation of a round in which versions leave; another goes on. */
T(bucket_copy, a_collector_that_dies_leaves_the_rest_to_another)
{
    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned both = 0; both < 2; both++)
            for (unsigned n = 1; n < 44; n += both ? 1 : 2) {
                struct act round = {.kind = ACT_COLLECT};
                struct stage st;

                source_begin(&st, kind);
                T_OK(do_copy(&st, 0, "src", "copy"));
                T_OK(do_delete(&st, 0, "src"));
                if (both)
                    T_OK(do_delete(&st, 0, "copy"));
                for (unsigned i = 0; i < 3; i++) { /* it is ripe for the first */
                    do_collect(&st, 0);
                    stage_run(&st, 9 * NS_PER_S);
                }
                act_start(&st, 0, &round);
                run_ops(&st, n);
                gate_again(&st, 0);
                stage_run(&st, NS_PER_S);
                T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
                collect_all(&st, 1);
                if (!both)
                    T_OK(do_get(&st, 1, "copy", NULL));
                T_EQ(data_objects(&st), both ? 0 : 5);
                nothing_stays(&st);
                stage_end(&st);
            }
}

/* Two collectors at the same rows, and copies at the same time. */
T(bucket_copy, collectors_and_copies_meet)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy2"};
        struct act copy3 = {.kind = ACT_COPY, .from = "copy", .key = "copy3"};
        struct act round[2] = {{.kind = ACT_COLLECT}, {.kind = ACT_COLLECT}};
        struct stage st;

        stage_init(&st, seed);
        T_OK(do_create(&st, 0, "box"));
        source_make(&st, seed % SOURCES);
        T_OK(do_copy(&st, 0, "src", "copy"));
        st.fake.delay_max_ns = 20 * NS_PER_MS;
        for (unsigned i = 0; i < 4; i++) {
            act_start(&st, 0, &copy);
            act_start(&st, 1, &copy3);
            run_ops(&st, seed % 13);
            T_OK(do_delete(&st, 0, i % 2 ? "copy" : "src"));
            T_OK(do_delete(&st, 1, i % 2 ? "copy3" : "copy2"));
            for (unsigned k = 0; k < 20; k++) {
                act_start(&st, 0, &round[0]);
                act_start(&st, 1, &round[1]);
                stage_run(&st, 2 * NS_PER_S);
                T_TRUE(round[0].done && round[1].done);
            }
            T_TRUE(copy.done && copy3.done);
            T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
        }
        nothing_stays(&st);
        stage_end(&st);
    }
}

/* Answers of data operations are lost: what was asked for comes late, or never. */
T(bucket_copy, a_reference_that_comes_late_is_taken_out_again)
{
    unsigned late = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
        struct stage st;

        stage_init(&st, seed);
        T_OK(do_create(&st, 0, "box"));
        source_make(&st, seed % SOURCES);
        st.fake.data_lost_per_mille = 1000;
        st.fake.late_max_ns = 3 * NS_PER_S;
        T_TRUE(act_do(&st, 0, &copy) < 0);
        st.fake.data_lost_per_mille = 0;
        stage_run(&st, 5 * NS_PER_S);
        for (size_t i = 0; i < data_objects(&st); i++)
            late += refs_of(&st, i) == 2;
        collect_all(&st, 1);
        for (size_t i = 0; i < data_objects(&st); i++)
            T_LE(refs_of(&st, i), 1);
        T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
        nothing_stays(&st);
        stage_end(&st);
    }
    T_GT(late, 5);
}

/* It stands still between its steps until collectors have given it up. */
T(bucket_copy, a_copy_that_slept_too_long_fails_and_leaves_nothing)
{
    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned n = 1; n < 8; n++) {
            struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
            struct stage st;

            source_begin(&st, kind);
            act_start(&st, 0, &copy);
            run_ops(&st, n);
            sim_process_pause(st.gate[0].env, 200 * NS_PER_S);
            T_OK(do_delete(&st, 1, "src"));
            for (unsigned i = 0; i < 3; i++)
                collect_all(&st, 1);
            stage_run(&st, 100 * NS_PER_S);
            T_TRUE(copy.done);
            T_EQ(do_get(&st, 1, "copy", NULL), copy.rc ? -R_NO_KEY : 0);
            T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
            nothing_stays(&st);
            stage_end(&st);
        }
}

T(bucket_copy, when_too_many_share_the_next_one_is_told)
{
    struct stage st;
    char key[32];

    source_begin(&st, STRIPED);
    st.fake.delay_max_ns = 20000;
    for (unsigned i = 1; i < REFS_MAX; i++) {
        snprintf(key, sizeof(key), "n%u", i);
        T_OK(do_copy(&st, 0, i % 2 ? "src" : "n1", key));
    }
    T_EQ(do_copy(&st, 1, "src", "copy"), -R_COPIES_FULL);
    T_OK(do_delete(&st, 0, "n7"));
    collect_all(&st, 0);
    T_OK(do_copy(&st, 1, "src", "copy"));
    T_EQ(data_objects(&st), 5);
    stage_end(&st);
}
