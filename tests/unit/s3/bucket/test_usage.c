/* test_usage.c - usage: its rows, and counting over flushes, lost answers, kills and days. */
#include <stdio.h>
#include <stdlib.h>

#include "s3/usage/usage.h"
#include "tests/unit/s3/bucket/stage.h"

#define DAY_NS  (UINT64_C(86400) * NS_PER_S)
#define HOUR_NS (UINT64_C(3600) * NS_PER_S)

/* ---- rows ---- */

T(usage_rows, keys_come_back_and_sort_marks_before_requests_before_samples)
{
    static const struct usage_key keys[] = {
        {.kind = 'm', .hour = 23},
        {.kind = 'r', .hour = 0, .user = "ann", .bucket = "", .instance = UINT64_MAX - 1},
        {.kind = 'r', .hour = 0, .user = "ann", .bucket = "box", .instance = 0},
        {.kind = 'r', .hour = 7, .user = "ann", .bucket = "box", .instance = 0x100},
        {.kind = 's', .hour = 7, .user = "ann", .bucket = "box"},
    };
    struct writer before = {0};

    T_CASES (k, keys) {
        struct writer w = {0};
        struct usage_key back;

        usage_key_encode(k, &w);
        T_OK(w.rc);
        T_LE(w.len, USAGE_KEY_MAX);
        T_OK(usage_key_decode((struct bytes){w.data, (uint32_t)w.len}, &back));
        T_TRUE(back.kind == k->kind && back.hour == k->hour && back.instance == k->instance);
        T_STR_EQ(back.user, k->user);
        T_STR_EQ(back.bucket, k->bucket);
        T_TRUE(bytes_compare((struct bytes){before.data, (uint32_t)before.len},
                             (struct bytes){w.data, (uint32_t)w.len}) < 0);
        for (uint32_t n = 0; n < w.len && k->kind != 's'; n++)
            T_EQ(usage_key_decode((struct bytes){w.data, n}, &back), -R_MALFORMED);
        writer_fini(&before);
        before = w;
    }
    writer_fini(&before);
}

T(usage_rows, bad_keys_are_malformed)
{
    static const struct bytes bad[] = {
        {(const uint8_t *)"x\0ann\0box", 9},
        {(const uint8_t *)"s\x18"
                          "ann\0box",
         9},
        {(const uint8_t *)"s\0ann", 5},
        {(const uint8_t *)"s\0a\0b\0c", 7},
        {(const uint8_t *)"m\0x", 3},
        {(const uint8_t *)"", 0},
    };
    struct usage_key k;

    T_CASES (b, bad)
        T_EQ(usage_key_decode(*b, &k), -R_MALFORMED);
}

T(usage_rows, days_have_the_names_of_the_calendar)
{
    static const struct {
        uint32_t day;
        const char *text;
    } rows[] = {{0, "1970-01-01"}, {19782, "2024-02-29"}, {20778, "2026-11-21"}};
    static const char *const bad[] = {"2026-02-30", "2026-13-01", "26-01-01",  "2026-1-1",
                                      "x",          "2026-11-2x", "1969-12-31"};
    char text[USAGE_DAY_TEXT];
    uint32_t day;

    T_CASES (r, rows) {
        usage_day_text(r->day, text);
        T_STR_EQ(text, r->text);
        T_TRUE(usage_day_parse(BYTES_STR(r->text), &day));
        T_EQ(day, r->day);
    }
    T_CASES (b, bad)
        T_FALSE(usage_day_parse(BYTES_STR(*b), &day));
}

T(usage_rows, operations_are_of_the_kinds_that_bills_know)
{
    static const struct {
        const char *op;
        enum usage_kind kind;
    } rows[] = {{"GetObject", USAGE_GET},
                {"HeadObject", USAGE_HEAD},
                {"PutObject", USAGE_PUT},
                {"UploadPartCopy", USAGE_PUT},
                {"CompleteMultipartUpload", USAGE_PUT},
                {"DeleteObjects", USAGE_DELETE},
                {"AbortMultipartUpload", USAGE_DELETE},
                {"ListObjectsV2", USAGE_LIST},
                {NULL, USAGE_OTHER}};

    T_CASES (r, rows)
        T_EQ(usage_kind_of(r->op), r->kind);
}

T(usage_rows, version_1_is_what_it_always_was)
{
    struct usage_tally t = {{1, 2, 3, 4, 5, 6}, 7, UINT64_C(0x1122334455667788), 9}, back;
    struct usage_sample s = {1 << 30, 12};
    AUTO(writer) w = {0};
    size_t bytes;

    usage_tally_encode(&t, &w);
    bytes = w.len;
    T_OK(usage_tally_decode((struct bytes){w.data, (uint32_t)bytes}, &back));
    T_MEM_EQ(&back, &t, sizeof(t));
    for (uint32_t n = 0; n < bytes; n++)
        T_TRUE(usage_tally_decode((struct bytes){w.data, n}, &back) < 0);
    usage_sample_encode(&s, &w);
    T_GOLDEN("usage", w.data, w.len);
}

/* ---- counting ---- */

struct counter_of { /* usage in a gate's process */
    struct stage *st;
    struct gate *g;
    struct usage *u;
    struct cairn *cluster;
    uint32_t keep_days;
    const char *user, *bucket;
    uint64_t in;
    bool stopped;
};

static void start_in(void *arg)
{
    struct counter_of *c = arg;
    struct usage_conf conf = {
        .buckets = c->g->l, .flush_ms = 60000, .keep_days = c->keep_days ? c->keep_days : 400};

    c->cluster = conf.cluster = fake_connect(&c->st->fake, c->g->env);
    T_OK(usage_start(c->g->env, &conf, &c->u));
}

static void begin(struct stage *st, unsigned gate, struct counter_of *c)
{
    c->st = st;
    c->g = &st->gate[gate];
    c->user = "alice";
    c->bucket = "box";
    sim_enter(c->g->env, start_in, c);
}

static void count_in(void *arg)
{
    struct counter_of *c = arg;

    usage_count(c->u, c->user, BYTES_STR(c->bucket), USAGE_PUT, false, c->in, 1);
}

static void count(struct counter_of *c, uint64_t in)
{
    c->in = in;
    sim_enter(c->g->env, count_in, c);
}

static void on_stopped(void *arg)
{
    ((struct counter_of *)arg)->stopped = true;
}

static void stop_in(void *arg)
{
    struct counter_of *c = arg;

    usage_stop(c->u, on_stopped, c);
}

static void end(struct counter_of *c)
{
    sim_enter(c->g->env, stop_in, c);
    for (unsigned i = 0; i < 500 && !c->stopped; i++)
        stage_run(c->st, 10 * NS_PER_MS);
    T_TRUE(c->stopped);
}

/* The sum over all rows of all days. */
static struct usage_tally all_of(struct stage *st, const char *user, const char *bucket,
                                 unsigned *out_samples, unsigned *out_days)
{
    struct usage_tally sum = {.failed = 0};

    *out_samples = *out_days = 0;
    for (size_t i = 0; i < st->fake.count[FAKE_INDEX]; i++) {
        struct fake_object *o = st->fake.object[FAKE_INDEX][i];

        if (strncmp(o->name, "usage.2", 7) != 0 && strncmp(o->name, "usage.1", 7) != 0)
            continue;
        ++*out_days;
        for (size_t r = 0; r < o->omap.count; r++) {
            const struct fake_row *row = &o->omap.row[r];
            struct bytes value = {row->value, (uint32_t)row->value_bytes};
            struct usage_key k;
            struct usage_tally t;

            T_OK(usage_key_decode((struct bytes){row->key, (uint32_t)row->key_bytes}, &k));
            if (strcmp(k.user, user) != 0 || strcmp(k.bucket, bucket) != 0)
                continue;
            *out_samples += k.kind == 's';
            if (k.kind != 'r')
                continue;
            T_OK(usage_tally_decode(value, &t));
            usage_tally_add(&sum, &t);
        }
    }
    return sum;
}

static uint64_t in_of(struct stage *st, const char *user, const char *bucket)
{
    unsigned samples, days;

    return all_of(st, user, bucket, &samples, &days).bytes_in;
}

T(usage, what_two_gateways_count_adds_up_however_often_it_is_written)
{
    struct counter_of a = {0}, b = {0};
    struct stage st;
    uint64_t sum = 0;

    stage_begin(&st);
    begin(&st, 0, &a);
    begin(&st, 1, &b);
    for (unsigned i = 0; i < 300; i++) { /* five hours, and flushes at any moment */
        count(&a, i);
        count(&b, 1000);
        sum += i + 1000;
        stage_run(&st, 59 * NS_PER_S);
    }
    stage_run(&st, 61 * NS_PER_S);
    T_EQ(in_of(&st, "alice", "box"), sum);
    a.bucket = "";
    count(&a, 5);
    a.user = ""; /* nobody pays for nobody */
    count(&a, 7);
    end(&a);
    end(&b);
    T_EQ(in_of(&st, "alice", "box"), sum);
    T_EQ(in_of(&st, "alice", ""), 5);
    T_EQ(in_of(&st, "", ""), 0);
    stage_end(&st);
}

T(usage, what_is_counted_while_its_row_is_written_is_written_next)
{
    for (unsigned t = 0; t < 100; t++) {
        struct counter_of a = {0};
        struct stage st;

        stage_begin(&st);
        stage_run(&st, 120 * NS_PER_S); /* away from the turn of an hour */
        begin(&st, 0, &a);
        count(&a, 1);
        stage_run(&st, 60 * NS_PER_S + t * 100 * NS_PER_US);
        count(&a, 2);
        stage_run(&st, 61 * NS_PER_S);
        T_EQ(in_of(&st, "alice", "box"), 3);
        end(&a);
        stage_end(&st);
    }
}

T(usage, a_kill_loses_no_more_than_was_counted_since_the_last_flush)
{
    struct counter_of a = {0};
    struct stage st;

    stage_begin(&st);
    begin(&st, 0, &a);
    count(&a, 100);
    stage_run(&st, 62 * NS_PER_S);
    count(&a, 10);
    stage_run(&st, 30 * NS_PER_S);
    gate_kill(&st, 0);
    T_EQ(in_of(&st, "alice", "box"), 100);
    gate_start(&st, 0);
    gate_wait_ready(&st, 0);
    begin(&st, 0, &a);
    count(&a, 1);
    end(&a);
    T_EQ(in_of(&st, "alice", "box"), 101); /* its rows are its own */
    stage_end(&st);
}

T(usage, a_cluster_that_fails_is_asked_again_and_nothing_is_lost)
{
    struct counter_of a = {0};
    struct stage st;
    uint64_t sum = 0;

    stage_begin(&st);
    begin(&st, 0, &a);
    st.fake.no_room_per_mille = 700;
    for (unsigned i = 0; i < 60; i++) {
        count(&a, 1 + i);
        sum += 1 + i;
        stage_run(&st, 30 * NS_PER_S);
    }
    st.fake.no_room_per_mille = 0;
    end(&a);
    T_EQ(in_of(&st, "alice", "box"), sum);
    stage_end(&st);
}

T(usage, more_rows_than_go_into_one_operation_are_all_written)
{
    static char names[500][8];
    struct counter_of a = {0};
    struct stage st;

    stage_begin(&st);
    begin(&st, 0, &a);
    for (unsigned i = 0; i < 500; i++) {
        snprintf(names[i], sizeof(names[i]), "b%u", i);
        a.bucket = names[i];
        count(&a, i + 1);
    }
    stage_run(&st, 65 * NS_PER_S);
    for (unsigned i = 0; i < 500; i++)
        T_EQ(in_of(&st, "alice", names[i]), i + 1);
    end(&a);
    stage_end(&st);
}

T(usage, old_days_go_and_the_hour_is_sampled_once_for_all_gateways)
{
    struct counter_of a = {.keep_days = 2}, b = {.keep_days = 2};
    unsigned samples, days, before;
    struct stage st;

    stage_begin(&st);
    T_OK(do_put(&st, 0, "k", 1, 5000));
    begin(&st, 0, &a);
    begin(&st, 1, &b);
    for (unsigned i = 0; i < 6 * 24; i++) {
        count(&a, 1);
        stage_run(&st, HOUR_NS);
    }
    (void)all_of(&st, "alice", "box", &samples, &days);
    T_TRUE(days >= 2 && days <= 4);
    T_TRUE(samples >= (days - 1) * 24 && samples <= days * 24);
    before = samples;
    stage_run(&st, 2 * HOUR_NS);
    (void)all_of(&st, "alice", "box", &samples, &days);
    T_TRUE(samples >= before - 24 && samples <= before + 3);
    end(&a);
    end(&b);
    stage_end(&st);
}

T(usage, a_stop_while_it_samples_ends)
{
    for (unsigned t = 0; t < 20; t++) {
        struct counter_of a = {0};
        struct stage st;

        stage_begin(&st);
        T_OK(do_put(&st, 0, "k", 1, 5000));
        begin(&st, 0, &a);
        stage_run(&st, 305 * NS_PER_S * t / 20);
        count(&a, 3);
        end(&a);
        T_EQ(in_of(&st, "alice", "box"), 3);
        stage_end(&st);
    }
}
