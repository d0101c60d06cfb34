/* test_copies.c - objects that share their data objects: whoever goes, the others keep their bytes;
 * and when all are gone nothing is left.  Deaths and delays: test_copies_hurt.c. */
#include <stdio.h>

#include "s3/bucket/refs.h"
#include "tests/unit/s3/bucket/stage.h"

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

/* An exchange of tags writes the entry anew. */
T(bucket_copy, tags_of_a_copy_are_exchanged_and_its_data_stays)
{
    static const struct s3_header tag[] = {{{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}}};

    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct act change = {.kind = ACT_CHANGE, .key = "copy", .tags = tag, .tag_count = 1};
        struct stage st;

        source_begin(&st, kind);
        T_OK(do_copy(&st, 0, "src", "copy"));
        T_OK(act_do(&st, 1, &change));
        T_OK(do_delete(&st, 0, "src"));
        collect_all(&st, 0);
        T_OK(do_get(&st, 1, "copy", NULL));
        nothing_stays(&st);
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

/* Likewise, and a part that was not named is left over: the manifest tells which, and waits. */
T(bucket_copy, parts_that_are_left_over_go_though_the_object_has_gone)
{
    struct stage st;
    struct act c;

    stage_begin(&st);
    upload_begin(&st, &c, "src", three_parts, 3);
    c.part_count = 2;
    T_OK(act_do(&st, 0, &c));
    T_EQ(data_objects(&st), 2 + 1 + 1);
    T_OK(do_copy(&st, 0, "src", "copy"));
    T_OK(do_delete(&st, 0, "src"));
    stage_run(&st, 100 * NS_PER_S);
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 0);
    T_EQ(data_objects(&st), 2 + 1);
    T_OK(do_get(&st, 1, "copy", NULL));
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

T(bucket_copy, each_data_object_that_is_deleted_is_counted)
{
    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned copies = 0; copies < 3; copies++) {
            struct stage st;
            unsigned all;

            source_begin(&st, kind);
            all = data_objects(&st);
            if (copies > 0)
                T_OK(do_copy(&st, 0, "src", "copy"));
            if (copies > 1)
                T_OK(do_copy(&st, 1, "src", "copy2"));
            nothing_stays(&st);
            T_EQ(counter_get(&bucket_counters(st.gate[1].l)->collected_objects), all);
            stage_end(&st);
        }
}

/* ---- many at once ---- */

/* They all come into one list, and most of them share; some are told to copy the bytes. */
static void crowd(unsigned n)
{
    struct act *copy = calloc(n, sizeof(*copy));
    unsigned shared = 0;
    struct stage st;

    source_begin(&st, STRIPED);
    for (unsigned i = 0; i < n; i++) {
        copy[i].kind = ACT_COPY;
        strcpy(copy[i].from, "src");
        sprintf(copy[i].key, "n%u", i);
        act_start(&st, i % 2, &copy[i]);
    }
    stage_run(&st, 10 * NS_PER_S);
    for (unsigned i = 0; i < n; i++) {
        T_TRUE(copy[i].done);
        if (copy[i].rc == 0)
            shared++;
        else
            T_EQ(copy[i].rc, -R_COPIES_FULL);
    }
    if (n <= 16)
        T_EQ(shared, n);
    T_GT(shared, n / 8);
    T_LT(st.fake.ops[FAKE_DATA], 5 + 20 * n);
    free(copy);
    stage_end(&st);
}

T(bucket_copy, many_copies_of_one_source_at_once_share_it_or_copy_its_bytes)
{
    crowd(2);
    crowd(16);
    crowd(64);
    crowd(990);
}

/* The name of the first data object that carries a list. */
static const char *first_listed(struct stage *st)
{
    for (size_t i = 0; i < data_objects(st); i++)
        if (refs_of(st, i))
            return st->fake.object[FAKE_DATA][i]->name;
    T_FAIL("nothing is shared");
    return NULL;
}

T(bucket_copy, who_never_gets_into_the_list_copies_bytes)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct stage st;

        source_begin(&st, kind);
        T_OK(do_copy(&st, 0, "src", "copy"));
        st.fake.raced = first_listed(&st);
        T_EQ(do_copy(&st, 1, "src", "copy2"), -R_COPIES_FULL);
        st.fake.raced = NULL;
        T_OK(do_copy(&st, 1, "src", "copy3"));
        nothing_stays(&st);
        stage_end(&st);
    }
}

T(bucket_copy, garbage_that_others_race_for_does_not_hold_up_the_rest)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct stage st;
        unsigned all;

        source_begin(&st, kind);
        all = data_objects(&st);
        T_OK(do_copy(&st, 0, "src", "copy"));
        T_OK(do_put(&st, 0, "tail", 5, 9000)); /* the same shard, a later row */
        T_OK(do_delete(&st, 0, "src"));
        T_OK(do_delete(&st, 0, "tail"));
        T_EQ(data_objects(&st), all + 3);
        st.fake.raced = first_listed(&st);
        collect_all(&st, 0);
        T_EQ(data_objects(&st), all);
        T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
        st.fake.raced = NULL;
        nothing_stays(&st);
        stage_end(&st);
    }
}

/* What a copy has begun is given up at once, too: its origin's data waits for it. */
T(bucket_copy, a_cluster_may_become_full_at_any_moment_of_a_copy)
{
    unsigned refused = 0;

    for (uint64_t ops = 0; ops < 8; ops++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
        struct stage st;

        stage_begin(&st);
        T_OK(do_put(&st, 0, "src", 3, 9000));
        act_start(&st, 0, &copy);
        run_ops(&st, ops);
        st.fake.full = true;
        stage_run(&st, 5 * NS_PER_S);
        T_TRUE(copy.done);
        refused += copy.rc == -R_STORE_FULL;
        T_OK(do_delete(&st, 1, "src"));
        if (copy.rc == 0)
            T_OK(do_delete(&st, 1, "copy"));
        collect_all(&st, 1);
        T_EQ(data_objects(&st), 0);
        T_EQ(counter_get(&bucket_counters(st.gate[1].l)->stale_intents), 0);
        stage_end(&st);
    }
    T_GT(refused, 2);
}

/* ---- damage ---- */

static void list_set(struct stage *st, const char *first, struct bytes value)
{
    fake_xattr_set(&st->fake, FAKE_DATA, first, REFS_XATTR, value);
}

/* Nobody knows any more who has these bytes: they stay, and can be read and copied. */
T(bucket_copy, a_list_that_cannot_be_read_costs_no_bytes)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct stage st;
        const char *first;
        const struct fake_row *r;
        AUTO(writer) good = {0}, bad = {0};
        char text[512];
        unsigned all;

        source_begin(&st, kind);
        all = data_objects(&st);
        T_OK(do_copy(&st, 0, "src", "copy"));
        T_OK(do_copy(&st, 0, "src", "copy3"));
        first = first_listed(&st);
        r = fake_row_find(&fake_find(&st.fake, FAKE_DATA, first)->xattrs, REFS_XATTR, 4);
        wr_raw(&good, r->value, r->value_bytes);
        wr_raw(&bad, r->value, r->value_bytes);
        bad.data[20] ^= 1;
        list_set(&st, first, (struct bytes){bad.data, (uint32_t)bad.len});
        T_GT(stage_verify(&st, text), 0);
        T_OK(do_get(&st, 1, "copy", NULL));
        T_EQ(do_copy(&st, 1, "copy", "copy2"), -R_COPIES_FULL); /* which means: its bytes */
        T_OK(do_put(&st, 0, "tail", 5, 9000));
        T_OK(do_delete(&st, 0, "src"));
        T_OK(do_delete(&st, 0, "copy3"));
        T_OK(do_delete(&st, 0, "tail"));
        collect_all(&st, 1);
        T_EQ(data_objects(&st), all); /* the other garbage did not wait for it */
        T_OK(do_get(&st, 1, "copy", NULL));
        list_set(&st, first, (struct bytes){good.data, (uint32_t)good.len});
        collect_all(&st, 1);
        T_OK(do_get(&st, 1, "copy", NULL));
        nothing_stays(&st);
        stage_end(&st);
    }
}

T(bucket_copy, rows_that_are_left_use_up_no_round)
{
    static const uint8_t bad[] = {1, 2, 3};
    const struct fake_row *r;
    AUTO(writer) good = {0};
    struct stage st;
    const char *first;
    unsigned all;

    stage_begin(&st);
    st.conf.collect_rows_max = 1;
    gate_stop(&st, 1);
    gate_start(&st, 1);
    gate_wait_ready(&st, 1);
    T_OK(do_put(&st, 0, "hurt", 3, 9000));
    T_OK(do_copy(&st, 0, "hurt", "copy"));
    first = first_listed(&st);
    r = fake_row_find(&fake_find(&st.fake, FAKE_DATA, first)->xattrs, REFS_XATTR, 4);
    wr_raw(&good, r->value, r->value_bytes);
    list_set(&st, first, (struct bytes){bad, sizeof(bad)});
    all = data_objects(&st);
    T_OK(do_delete(&st, 0, "copy"));
    T_OK(do_delete(&st, 0, "hurt"));
    T_OK(do_put(&st, 0, "tail", 5, 9000));
    T_OK(do_delete(&st, 0, "tail"));
    collect_all(&st, 1);
    T_EQ(data_objects(&st), all);
    list_set(&st, first, (struct bytes){good.data, (uint32_t)good.len});
    collect_all(&st, 1);
    nothing_stays(&st);
    stage_end(&st);
}
