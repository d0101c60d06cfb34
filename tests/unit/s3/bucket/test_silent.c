/* test_silent.c - PGs that do not answer hold up nothing but what is in them. */
#include <stdio.h>

#include "s3/bucket/rows.h"
#include "s3/bucket/silent.h"
#include "tests/unit/s3/bucket/stage.h"

enum { OBJECTS = 24 };
#define LONG_NS (1000 * NS_PER_S)

static void inactive(struct stage *st, unsigned pool, uint32_t pgs, uint64_t ns)
{
    st->fake.inactive[pool] = pgs;
    st->fake.inactive_until_ns = sim_now_ns(st->sim) + ns;
}

static void active(struct stage *st)
{
    st->fake.inactive_until_ns = 0;
    st->fake.inactive_object = NULL;
    stage_run(st, 100 * NS_PER_MS);
}

static uint32_t pg_bit(const char *name)
{
    return 1u << fake_pg(name);
}

/* Data objects of these PGs; of versions whose first one is. */
static unsigned data_in(const struct stage *st, uint32_t pgs)
{
    unsigned n = 0;

    for (size_t i = 0; i < st->fake.count[FAKE_DATA]; i++)
        n += (pgs & pg_bit(st->fake.object[FAKE_DATA][i]->name)) != 0;
    return n;
}

static unsigned data_held(const struct stage *st, uint32_t pgs)
{
    unsigned n = 0;

    for (size_t i = 0; i < st->fake.count[FAKE_DATA]; i++) {
        const char *name = st->fake.object[FAKE_DATA][i]->name;
        char first[NAME_BYTES];

        snprintf(first, sizeof(first), "%.*s.0", (int)(strrchr(name, '.') - name), name);
        n += (pgs & (pg_bit(name) | pg_bit(first))) != 0;
    }
    return n;
}

static void garbage_make(struct stage *st, unsigned first, unsigned count, uint64_t size)
{
    char key[16];

    for (unsigned i = first; i < first + count; i++) {
        snprintf(key, sizeof(key), "k%03u", i);
        T_OK(do_put(st, 0, key, i + 1, size));
        T_OK(do_delete(st, 0, key));
    }
}

static int64_t silent(const struct stage *st, unsigned gate)
{
    return gauge_get(&bucket_counters(st->gate[gate].l)->silent);
}

static uint64_t round_ns(struct stage *st, unsigned gate)
{
    struct act a = {.kind = ACT_COLLECT};

    (void)act_do(st, gate, &a);
    return a.ended_ns - a.began_ns;
}

/* Rounds until all is ripe that is garbage now, and once more. */
static void rounds(struct stage *st, unsigned gate)
{
    for (unsigned i = 0; i < 16; i++) {
        (void)round_ns(st, gate);
        stage_run(st, NS_PER_S);
    }
}

static char *shard_name(struct stage *st, const char *bucket, char name[NAME_BYTES])
{
    struct bytes value = {0};
    struct bucket_row row;
    struct fake_object *o;
    const struct fake_row *r;

    name_bucket(name, BYTES_STR(bucket));
    o = fake_find(&st->fake, FAKE_INDEX, name);
    r = fake_row_find(&o->xattrs, "record", 6);
    value = (struct bytes){r->value, (uint32_t)r->value_bytes};
    T_OK(bucket_row_decode(value, &row));
    name_shard(name, &row.id, 0);
    return name;
}

/* ---- data ---- */

T(bucket_silent, garbage_of_an_inactive_pg_waits_and_all_other_garbage_goes)
{
    const uint64_t timeout_ns = 500 * NS_PER_MS;
    uint64_t first = 0, later;
    struct stage st;
    unsigned there;

    stage_begin(&st);
    garbage_make(&st, 0, OBJECTS, 3 * 4096);
    there = data_held(&st, 1);
    T_GT(there, 4);
    T_LT(there, OBJECTS);
    T_EQ(data_objects(&st), 3 * OBJECTS);
    inactive(&st, FAKE_DATA, 1, LONG_NS);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t took = round_ns(&st, 0);

        first = MAX(first, took);
        stage_run(&st, NS_PER_S);
    }
    T_EQ(data_objects(&st), there);
    T_GE(first, timeout_ns);
    T_LT(first, (SILENT_PG + 1) * timeout_ns);
    T_EQ(silent(&st, 0), SILENT_PG);
    later = round_ns(&st, 0);
    T_LT(later, timeout_ns);
    active(&st);
    T_EQ(silent(&st, 0), 0);
    rounds(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

/* The others of a row, too: large objects are in all PGs. */
T(bucket_silent, a_large_object_goes_but_for_what_does_not_answer)
{
    struct stage st;
    unsigned there;

    stage_begin(&st);
    garbage_make(&st, 0, 1, 100 * 4096);
    there = data_in(&st, 5);
    T_GT(there, 5);
    inactive(&st, FAKE_DATA, 5, LONG_NS);
    rounds(&st, 0);
    T_EQ(data_in(&st, 5), there);
    T_EQ(data_objects(&st), there);
    active(&st);
    rounds(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

T(bucket_silent, one_object_that_does_not_answer_is_not_its_pg)
{
    char name[NAME_BYTES];
    struct stage st;

    stage_begin(&st);
    garbage_make(&st, 0, OBJECTS, 3 * 4096);
    snprintf(name, sizeof(name), "%s", st.fake.object[FAKE_DATA][7]->name);
    st.fake.inactive_object = name;
    inactive(&st, FAKE_DATA, 0, LONG_NS);
    rounds(&st, 0);
    T_EQ(silent(&st, 0), 1);
    T_GT(data_in(&st, pg_bit(name)), 0);
    T_LE(data_objects(&st), 3); /* of its version, when it is the first */
    active(&st);
    rounds(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

/* Stale intents of dead gateways are turned into garbage all the same. */
T(bucket_silent, intents_do_not_wait_for_garbage_that_cannot_go)
{
    struct act put = {.kind = ACT_PUT, .key = "zz", .seed = 3, .size = 80000, .pause_ns = NS_PER_S};
    struct stage st;
    unsigned intents;

    stage_begin(&st);
    garbage_make(&st, 0, OBJECTS, 3 * 4096);
    act_start(&st, 1, &put);
    stage_run(&st, 3 * NS_PER_S);
    gate_kill(&st, 1);
    inactive(&st, FAKE_DATA, UINT32_MAX, LONG_NS);
    for (unsigned i = 0; i < 60; i++)
        rounds(&st, 0);
    active(&st);
    T_EQ(stage_audit(&st, &intents, NULL, NULL), 0);
    T_EQ(intents, 0);
    gate_start(&st, 1);
    gate_wait_ready(&st, 1);
    for (unsigned i = 0; i < 4; i++)
        rounds(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

/* ---- the index ---- */

/* Two buckets, the first one's shard in a PG with nothing of the other, nor of the registry. */
static uint32_t buckets_apart(struct stage *st)
{
    for (uint64_t seed = 1;; seed++) {
        char name[NAME_BYTES];
        uint32_t pgs, others;

        stage_init(st, seed);
        T_OK(do_create(st, 0, "box"));
        T_OK(do_create(st, 0, "other"));
        pgs = pg_bit(shard_name(st, "box", name));
        others = pg_bit(shard_name(st, "other", name));
        for (unsigned i = 0; i < SHARD_NOTES; i++) {
            name_notes(name, i);
            if (fake_find(&st->fake, FAKE_INDEX, name))
                others |= pg_bit(name);
        }
        if (!(pgs & others))
            return pgs;
        stage_fini(st);
    }
}

T(bucket_silent, a_bucket_that_does_not_answer_holds_up_no_other)
{
    struct act put = {.kind = ACT_PUT, .bucket = "other", .key = "k", .seed = 1, .size = 9000};
    struct act gone = {.kind = ACT_DELETE, .bucket = "other", .key = "k"};
    uint64_t took = 0;
    struct stage st;
    uint32_t pgs = buckets_apart(&st);

    garbage_make(&st, 0, 2, 9000);
    T_OK(act_do(&st, 0, &put));
    T_OK(act_do(&st, 0, &gone));
    T_EQ(data_objects(&st), 9);
    inactive(&st, FAKE_INDEX, pgs, LONG_NS);
    for (unsigned i = 0; i < 16; i++) {
        took = round_ns(&st, 0);
        stage_run(&st, NS_PER_S);
    }
    T_EQ(data_objects(&st), 6);
    T_LT(took, 500 * NS_PER_MS);
    active(&st);
    rounds(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

/* A second at a time, until the bucket has no garbage; its shard does not answer from `from_s` on
 * for two of them. */
static unsigned garbage_lasts_s(unsigned from_s)
{
    struct stage st;
    uint32_t pgs = buckets_apart(&st);
    unsigned s;

    garbage_make(&st, 0, 1, 9000);
    for (s = 0; s < 60 && data_objects(&st); s++) {
        if (s == from_s)
            inactive(&st, FAKE_INDEX, pgs, 1900 * NS_PER_MS);
        (void)round_ns(&st, 0);
        stage_run(&st, NS_PER_S);
    }
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
    return s;
}

T(bucket_silent, what_was_learned_of_a_shard_is_kept_while_it_is_silent)
{
    unsigned usual = garbage_lasts_s(UINT32_MAX);

    T_GT(usual, 8);
    T_LE(garbage_lasts_s(usual - 4), usual + 3);
}

/* Silent is who does not answer, not who is slower than we would wait. */
T(bucket_silent, what_is_always_slow_is_collected_and_split_all_the_same)
{
    char key[16];
    struct stage st;

    stage_init(&st, 11);
    st.conf.shard_entries_max = 8;
    st.conf.reader_grace_ms = 60000; /* in which a new shard must be there: some 20 operations */
    gate_again(&st, 0);
    T_OK(do_create(&st, 0, "box"));
    garbage_make(&st, 0, 3, 3 * 4096);
    for (unsigned i = 0; i < 7; i++) {
        snprintf(key, sizeof(key), "e%u", i);
        T_OK(do_put(&st, 0, key, 1 + i, 100));
    }
    st.fake.delay_min_ns = 300 * NS_PER_MS; /* to the OSD; and back */
    for (unsigned i = 7; i < 12; i++) {
        snprintf(key, sizeof(key), "e%u", i);
        T_OK(do_put(&st, 0, key, 1 + i, 100));
    }
    for (unsigned i = 0; i < 60; i++) {
        (void)round_ns(&st, 0);
        stage_run(&st, NS_PER_S);
    }
    T_EQ(data_objects(&st), 0);
    T_EQ(counter_get(&bucket_counters(st.gate[0].l)->shard_splits), 1);
    st.fake.delay_min_ns = 0;
    collect_all(&st, 0);
    stage_end(&st);
}

T(bucket_silent, notes_that_do_not_answer_hold_up_no_others)
{
    unsigned of_notes = 0, held = 0;
    struct stage st;

    stage_begin(&st);
    for (unsigned i = 0; i < 12; i++) {
        struct act put = {.kind = ACT_PUT, .key = "k", .seed = 1 + i, .size = 4096};
        struct act gone = {.kind = ACT_DELETE, .key = "k"};

        snprintf(put.bucket, sizeof(put.bucket), "many-%u", i);
        strcpy(gone.bucket, put.bucket);
        T_OK(do_create(&st, 0, put.bucket));
        T_OK(act_do(&st, 0, &put));
        T_OK(act_do(&st, 0, &gone));
    }
    T_EQ(data_objects(&st), 12);
    for (unsigned i = 0; i < SHARD_NOTES && !held; i++) { /* the first that has any */
        char notes[NAME_BYTES];
        struct fake_object *o;

        name_notes(notes, i);
        o = fake_find(&st.fake, FAKE_INDEX, notes);
        if (!o || !o->omap.count)
            continue;
        held = pg_bit(notes);
        of_notes = (unsigned)o->omap.count;
    }
    inactive(&st, FAKE_INDEX, held, LONG_NS);
    for (unsigned i = 0; i < 2; i++)
        rounds(&st, 0);
    T_GE(data_objects(&st), of_notes - 1); /* the bucket "box" may be one of them */
    T_LT(data_objects(&st), 12);
    active(&st);
    rounds(&st, 0);
    T_EQ(data_objects(&st), 0);
    stage_end(&st);
}

/* ---- requests ---- */

/* Their clients have gone long before, as a rule; what they hold in the gateway is given back. */
T(bucket_silent, a_request_that_gets_no_answer_ends)
{
    static const struct act rows[] = {
        {.kind = ACT_PUT, .key = "small", .seed = 2, .size = 100},
        {.kind = ACT_PUT, .key = "large", .seed = 3, .size = 20000},
        {.kind = ACT_GET, .key = "k"},
        {.kind = ACT_HEAD, .key = "k"},
        {.kind = ACT_DELETE, .key = "k"},
        {.kind = ACT_LIST, .max = 100},
        {.kind = ACT_COPY, .from = "k", .key = "copy"},
        {.kind = ACT_UPLOAD, .key = "u"},
        {.kind = ACT_USAGE},
        {.kind = ACT_DROP},
    };
    const uint64_t timeout_ns = 2 * NS_PER_S;
    struct act act[ARRAY_LEN(rows)];
    char box[NAME_BYTES];
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 1, 9000));
    inactive(&st, FAKE_INDEX, pg_bit(shard_name(&st, "box", box)), LONG_NS);
    memcpy(act, rows, sizeof(act));
    for (unsigned i = 0; i < ARRAY_LEN(act); i++)
        act_start(&st, 0, &act[i]);
    stage_run(&st, 6 * timeout_ns);
    for (unsigned i = 0; i < ARRAY_LEN(act); i++) {
        T_TRUE(act[i].done);
        T_EQ(act[i].rc, -ETIMEDOUT);
        act_fini(&act[i]);
    }
    active(&st);
    (void)do_create(&st, 0, "box");
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 1);
    stage_end(&st);
}

/* ---- what was given up and comes late ---- */

T(bucket_silent, what_is_given_up_and_runs_late_does_no_harm)
{
    unsigned was_silent = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint32_t data = (uint32_t)(0x1111u << seed % 4), index = seed % 3 ? 0 : 1u << seed % 16;
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy3"};
        struct stage st;

        stage_init(&st, seed);
        st.conf.shard_entries_max = 4;
        st.conf.background_timeout_ms = 150; /* they are not just slow */
        gate_again(&st, 0);
        T_OK(do_create(&st, 0, "box"));
        source_make(&st, seed % SOURCES);
        T_OK(do_copy(&st, 0, "src", "copy"));
        T_OK(do_copy(&st, 0, "copy", "copy2"));
        T_OK(do_delete(&st, 0, "src"));
        if (seed % 2)
            T_OK(do_delete(&st, 0, "copy2"));
        for (unsigned i = 0; i < 8; i++) {
            inactive(&st, FAKE_DATA, data << i % 4, 700 * NS_PER_MS + seed * 50 * NS_PER_MS);
            st.fake.inactive[FAKE_INDEX] = index;
            for (unsigned g = 0; g < GATES; g++)
                (void)round_ns(&st, g);
            was_silent += silent(&st, 0) > 0;
            stage_run(&st, 2 * NS_PER_S);
        }
        active(&st);
        strcpy(copy.from, "copy");
        T_OK(act_do(&st, 0, &copy));
        nothing_stays(&st);
        stage_end(&st);
    }
    T_GT(was_silent, 20);
}

/* ---- splits ---- */

T(bucket_silent, a_split_that_gets_no_answer_holds_up_no_other)
{
    char box[NAME_BYTES], key[16];
    struct stage st;

    stage_init(&st, 7);
    st.conf.shard_entries_max = 8;
    gate_again(&st, 0);
    T_OK(do_create(&st, 0, "box"));
    T_OK(do_create(&st, 0, "other"));
    for (unsigned i = 0; i < 6; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        T_OK(do_put(&st, 0, key, 1 + i, 100));
    }
    inactive(&st, FAKE_INDEX, pg_bit(shard_name(&st, "box", box)), LONG_NS);
    for (unsigned i = 0; i < 3; i++) { /* these make it split; they are answered at the end */
        static struct act put[3];

        put[i] = (struct act){.kind = ACT_PUT, .seed = 9 + i, .size = 100};
        snprintf(put[i].key, sizeof(put[i].key), "l%u", i);
        act_start(&st, 0, &put[i]);
    }
    stage_run(&st, NS_PER_S);
    for (unsigned i = 0; i < 12; i++) {
        struct act put = {.kind = ACT_PUT, .bucket = "other", .seed = 30 + i, .size = 100};

        snprintf(put.key, sizeof(put.key), "k%02u", i);
        T_OK(act_do(&st, 0, &put));
    }
    stage_run(&st, 20 * NS_PER_S);
    T_GT(counter_get(&bucket_counters(st.gate[0].l)->shard_splits), 0);
    active(&st);
    stage_run(&st, 5 * NS_PER_S);
    collect_all(&st, 0);
    stage_end(&st);
}

/* ---- stopping ---- */

T(bucket_silent, a_gateway_stops_at_once_whatever_does_not_answer)
{
    for (uint64_t ms = 0; ms < 3000; ms += 150) {
        struct act round = {.kind = ACT_COLLECT}, put = {.kind = ACT_PUT, .key = "p", .size = 100};
        struct act drop = {.kind = ACT_DROP};
        struct stage st;
        uint64_t began;

        stage_init(&st, 7 + ms);
        st.conf.shard_entries_max = 4;
        gate_again(&st, 0);
        T_OK(do_create(&st, 0, "box"));
        garbage_make(&st, 0, 5, 9000);
        for (unsigned i = 0; i < 10; i++) {
            do_collect(&st, 0);
            stage_run(&st, NS_PER_S);
        }
        garbage_make(&st, 5, 5, 9000);
        inactive(&st, FAKE_DATA, UINT32_MAX, LONG_NS);
        st.fake.inactive[FAKE_INDEX] = ms % 450 ? 0xff : 0;
        act_start(&st, 0, &round);
        act_start(&st, 0, &put);
        act_start(&st, 0, &drop);
        stage_run(&st, ms * NS_PER_MS);
        began = sim_now_ns(st.sim);
        gate_stop(&st, 0);
        T_LT(sim_now_ns(st.sim) - began, NS_PER_S);
        T_TRUE(round.done && put.done && drop.done);
        active(&st);
        gate_start(&st, 0);
        gate_wait_ready(&st, 0);
        for (unsigned i = 0; i < 2; i++)
            collect_all(&st, 0);
        T_EQ(data_objects(&st), 0);
        stage_end(&st);
    }
}

/* Its last shard, which alone has an object, stops answering behind any operation of the deletion:
 * also between its closing and the look whether it is empty. */
T(bucket_silent, a_bucket_goes_only_when_all_its_shards_have_said_that_they_are_empty)
{
    unsigned dropped = 0, late = 0;
    char key[16];
    struct stage st;

    stage_init(&st, 31);
    st.conf.shard_entries_max = 4;
    gate_again(&st, 0);
    T_OK(do_create(&st, 0, "box"));
    for (unsigned i = 0; i < 16; i++) {
        snprintf(key, sizeof(key), "e%02u", i);
        T_OK(do_put(&st, 0, key, 1 + i, 100));
        stage_run(&st, NS_PER_S);
    }
    T_GT(counter_get(&bucket_counters(st.gate[0].l)->shard_splits), 1);
    for (unsigned i = 0; i < 15; i++) {
        snprintf(key, sizeof(key), "e%02u", i);
        T_OK(do_delete(&st, 0, key));
    }
    for (unsigned ops = 1; ops < 24; ops++)
        for (unsigned pg = 0; pg < FAKE_PGS; pg++) {
            struct act drop = {.kind = ACT_DROP, .bucket = "box"};

            act_start(&st, 0, &drop);
            run_ops(&st, ops);
            inactive(&st, FAKE_INDEX, 1u << pg, 3 * NS_PER_S);
            while (!drop.done)
                stage_run(&st, 100 * NS_PER_MS);
            active(&st);
            dropped += drop.rc == 0;
            late += drop.rc == -ETIMEDOUT;
            T_OK(do_get(&st, 0, "e15", NULL));
        }
    T_EQ(dropped, 0);
    T_GT(late, 5);
    T_OK(do_delete(&st, 0, "e15"));
    T_OK(do_drop(&st, 0, "box"));
    stage_end(&st);
}
