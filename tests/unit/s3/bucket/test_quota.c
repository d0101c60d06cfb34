/* test_quota.c - quotas of buckets and users, by one gateway and by two. */
#include <stdio.h>
#include <stdlib.h>

#include "s3/bucket/rows.h"
#include "tests/unit/s3/bucket/stage.h"

struct ask { /* one admission */
    struct stage *st;
    struct gate *g;
    const char *bucket;
    struct s3_quota of_user, more;
    bool done;
    int rc;
    struct bucket_grant *grant;
};

static void on_admitted(void *arg, int rc, struct bucket_grant *grant)
{
    struct ask *a = arg;

    a->rc = rc;
    a->grant = grant;
    a->done = true;
}

static void ask_in(void *arg)
{
    struct ask *a = arg;
    struct s3_principal who = {.name = "alice", .quota = a->of_user};

    T_OK(bucket_admit(a->g->l, &who, BYTES_STR(a->bucket), &a->more, on_admitted, a));
}

static void ask_begin(struct stage *st, unsigned gate, struct ask *a)
{
    a->st = st;
    a->g = &st->gate[gate];
    a->done = false;
    a->grant = NULL;
    if (!a->bucket)
        a->bucket = "box";
    sim_enter(a->g->env, ask_in, a);
}

static int ask(struct stage *st, unsigned gate, struct ask *a)
{
    ask_begin(st, gate, a);
    for (unsigned i = 0; i < 1000 && !a->done; i++)
        stage_run(st, 10 * NS_PER_MS);
    T_TRUE(a->done);
    return a->rc;
}

static void end_stored(void *arg)
{
    struct ask *a = arg;

    bucket_grant_end(TAKE(a->grant), true);
}

static void end_failed(void *arg)
{
    struct ask *a = arg;

    bucket_grant_end(TAKE(a->grant), false);
}

static void end(struct ask *a, bool stored)
{
    sim_enter(a->g->env, stored ? end_stored : end_failed, a);
}

static struct ask bytes_of(uint64_t bytes)
{
    return (struct ask){.more = {bytes, 1}};
}

static void quota_set(struct stage *st, const char *bucket, uint64_t bytes, uint64_t objects)
{
    struct s3_quota q = {bytes, objects};
    struct writer w = {0};
    char name[NAME_BYTES];

    quota_row_encode(&q, &w);
    name_bucket(name, BYTES_STR(bucket));
    fake_xattr_set(&st->fake, FAKE_INDEX, name, "quota", (struct bytes){w.data, (uint32_t)w.len});
    writer_fini(&w);
}

T(quota_row, version_1_is_what_it_always_was)
{
    struct s3_quota q = {UINT64_C(0x1122334455667788), 5}, back;
    AUTO(writer) w = {0};

    quota_row_encode(&q, &w);
    T_OK(w.rc);
    T_GOLDEN("bucket-quota", w.data, w.len);
    T_OK(quota_row_decode((struct bytes){w.data, (uint32_t)w.len}, &back));
    T_TRUE(back.bytes == q.bytes && back.objects == 5);
    for (uint32_t n = 0; n < w.len; n++)
        T_TRUE(quota_row_decode((struct bytes){w.data, n}, &back) < 0);
    w.data[w.len - 1] ^= 1;
    T_EQ(quota_row_decode((struct bytes){w.data, (uint32_t)w.len}, &back), -R_CSUM_MISMATCH);
}

/* Admission and the PUT that it is for. */
static int put(struct stage *st, unsigned gate, const char *key, uint64_t size)
{
    struct ask a = bytes_of(size);
    int rc = ask(st, gate, &a);

    if (rc == 0) {
        T_OK(do_put(st, gate, key, 1, size));
        end(&a, true);
    }
    return rc;
}

T(quota, without_one_nothing_is_counted_and_little_is_asked)
{
    struct stage st;
    struct ask a = bytes_of(1);
    uint64_t ops;

    stage_begin(&st);
    T_OK(ask(&st, 0, &a));
    ops = st.fake.ops[FAKE_INDEX];
    for (unsigned i = 0; i < 50; i++) {
        T_OK(ask(&st, 0, &a));
        T_TRUE(a.grant == NULL);
    }
    T_EQ(st.fake.ops[FAKE_INDEX], ops);
    a.bucket = "nobucket"; /* others say that there is none */
    T_OK(ask(&st, 0, &a));
    stage_end(&st);
}

T(quota, one_gateway_never_passes_a_quota_by_itself)
{
    struct ask a = bytes_of(400), b = bytes_of(400), c = bytes_of(200), d = bytes_of(1);
    struct stage st;

    stage_begin(&st);
    quota_set(&st, "box", 1000, 0);
    ask_begin(&st, 0, &a); /* all at once, before anything is known */
    ask_begin(&st, 0, &b);
    ask_begin(&st, 0, &c);
    ask_begin(&st, 0, &d);
    stage_run(&st, NS_PER_S);
    T_TRUE(a.done && b.done && c.done && d.done);
    T_EQ((a.rc == 0) + (b.rc == 0) + (c.rc == 0) + (d.rc == 0), 3);
    T_EQ(d.rc, -R_QUOTA);
    end(&a, true); /* but the counters do not have it: it counts until they are read */
    T_EQ(ask(&st, 0, &d), 0);
    end(&d, false);
    end(&b, false);
    T_OK(put(&st, 0, "k", 400));
    T_OK(put(&st, 0, "l", 400));
    T_EQ(put(&st, 0, "m", 1), -R_QUOTA);
    end(&c, false);
    T_OK(put(&st, 0, "m", 200));
    T_EQ(put(&st, 0, "n", 1), -R_QUOTA);
    T_OK(do_delete(&st, 1, "k"));
    T_OK(put(&st, 0, "n", 400)); /* at once */
    T_EQ(put(&st, 0, "o", 1), -R_QUOTA);
    T_OK(put(&st, 0, "empty", 0));
    stage_end(&st);
}

T(quota, objects_are_counted_likewise)
{
    struct stage st;

    stage_begin(&st);
    quota_set(&st, "box", 0, 3);
    T_OK(put(&st, 0, "a", 10));
    T_OK(put(&st, 0, "b", 100000));
    T_OK(put(&st, 0, "c", 0));
    T_EQ(put(&st, 0, "d", 0), -R_QUOTA);
    stage_run(&st, 6 * NS_PER_S);
    T_EQ(put(&st, 0, "d", 0), -R_QUOTA);
    T_OK(do_delete(&st, 0, "b"));
    T_OK(put(&st, 0, "d", 0));
    stage_end(&st);
}

T(quota, what_another_gateway_stored_is_known_within_the_age_that_is_stated)
{
    struct stage st;

    stage_begin(&st);
    quota_set(&st, "box", 1000, 0);
    T_OK(put(&st, 0, "a", 10));
    T_OK(put(&st, 1, "b", 900));
    stage_run(&st, 5 * NS_PER_S);
    T_EQ(put(&st, 0, "c", 200), -R_QUOTA);
    T_OK(put(&st, 0, "c", 50));
    stage_end(&st);
}

T(quota, a_changed_quota_counts_within_the_same_age)
{
    struct stage st;

    stage_begin(&st);
    T_OK(put(&st, 0, "a", 10000));
    quota_set(&st, "box", 10100, 0);
    stage_run(&st, 5 * NS_PER_S);
    T_EQ(put(&st, 0, "b", 200), -R_QUOTA);
    quota_set(&st, "box", 20000, 0);
    T_OK(put(&st, 0, "b", 200)); /* nobody is refused by old knowledge */
    stage_end(&st);
}

T(quota, a_user_has_one_for_all_buckets_together)
{
    struct ask a = bytes_of(300);
    struct act other = {.kind = ACT_PUT, .bucket = "other", .key = "k", .seed = 1, .size = 600};
    struct stage st;

    stage_begin(&st);
    T_OK(do_create(&st, 0, "other"));
    T_OK(act_do(&st, 0, &other));
    act_fini(&other);
    T_OK(do_put(&st, 0, "k", 1, 200));
    a.of_user = (struct s3_quota){1000, 0};
    T_EQ(ask(&st, 0, &a), -R_QUOTA);
    a.more.bytes = 200;
    T_OK(ask(&st, 0, &a));
    end(&a, false);
    a.of_user = (struct s3_quota){1000, 2};
    T_EQ(ask(&st, 0, &a), -R_QUOTA);
    a.of_user = (struct s3_quota){0, 0};
    T_OK(ask(&st, 0, &a));
    T_TRUE(a.grant == NULL);
    stage_end(&st);
}

T(quota, both_hold)
{
    struct ask a = bytes_of(500);
    struct stage st;

    stage_begin(&st);
    quota_set(&st, "box", 400, 0);
    a.of_user = (struct s3_quota){10000, 0};
    T_EQ(ask(&st, 0, &a), -R_QUOTA);
    quota_set(&st, "box", 10000, 0);
    a.of_user = (struct s3_quota){400, 0};
    T_EQ(ask(&st, 0, &a), -R_QUOTA);
    a.of_user = (struct s3_quota){500, 0};
    T_OK(ask(&st, 0, &a));
    end(&a, false);
    stage_end(&st);
}

struct more {
    struct ask *a;
    uint64_t bytes;
    int rc;
};

static void more_in(void *arg)
{
    struct more *m = arg;

    m->rc = bucket_grant_more(m->a->grant, m->bytes);
}

T(quota, what_is_known_later_is_judged_by_a_count_made_after_the_request)
{
    struct ask a = bytes_of(S3_BYTES_UNKNOWN);
    struct stage st;
    struct more m = {.a = &a, .bytes = 600};

    stage_begin(&st);
    quota_set(&st, "box", 1000, 0);
    T_OK(put(&st, 0, "k", 900));
    T_OK(do_delete(&st, 1, "k"));
    T_OK(ask(&st, 0, &a));
    sim_enter(a.g->env, more_in, &m);
    T_OK(m.rc);
    sim_enter(a.g->env, more_in, &m);
    T_EQ(m.rc, -R_QUOTA);
    end(&a, false);
    stage_end(&st);
}

/* An upload and one part of it, admitted as requests are. */
static int part_put(struct stage *st, struct act *up, const char *key, uint64_t size)
{
    struct act part = {.kind = ACT_PUT, .seed = 5, .size = size, .part_number = 1};
    struct ask a = {.more = {size, 0}};
    int rc = 0;

    if (!up->upload[0]) {
        up->kind = ACT_UPLOAD;
        strcpy(up->key, key);
        T_OK(act_do(st, 0, up));
    }
    strcpy(part.key, key);
    strcpy(part.upload, up->upload);
    rc = ask(st, 0, &a);
    if (rc == 0) {
        T_OK(act_do(st, 0, &part));
        end(&a, true);
    }
    act_fini(&part);
    return rc;
}

static int upload_end(struct stage *st, const struct act *up, enum act_kind kind)
{
    struct act complete = {.kind = kind};
    struct ask a = {.more = {0, 1}};
    int rc = 0;

    strcpy(complete.key, up->key);
    strcpy(complete.upload, up->upload);
    if (kind == ACT_COMPLETE) {
        complete.part_count = 1;
        complete.parts[0].number = 1;
        md5_of_seed(5, complete.parts[0].md5);
        rc = ask(st, 0, &a);
    }
    if (rc == 0)
        T_OK(act_do(st, 0, &complete));
    if (kind == ACT_COMPLETE)
        end(&a, rc == 0);
    act_fini(&complete);
    return rc;
}

T(quota, parts_of_unfinished_uploads_count)
{
    struct act one = {0}, two = {0};
    struct stage st;

    stage_begin(&st);
    quota_set(&st, "box", 100000, 0);
    T_OK(part_put(&st, &one, "big", 70000));
    T_EQ(put(&st, 0, "k", 40000), -R_QUOTA);
    T_EQ(put(&st, 1, "k", 40000), -R_QUOTA); /* another gateway reads it */
    T_EQ(part_put(&st, &two, "more", 40000), -R_QUOTA);
    T_OK(part_put(&st, &two, "more", 30000));
    stage_run(&st, 6 * NS_PER_S); /* what the other gateway knows is old */
    T_EQ(put(&st, 1, "k", 1), -R_QUOTA);
    T_OK(upload_end(&st, &one, ACT_COMPLETE)); /* full, and it needs no more */
    T_EQ(put(&st, 0, "k", 1), -R_QUOTA);
    T_EQ(put(&st, 1, "k", 1), -R_QUOTA);
    T_OK(upload_end(&st, &two, ACT_ABORT));
    T_OK(put(&st, 1, "k", 30000));
    stage_run(&st, 6 * NS_PER_S);
    T_EQ(put(&st, 0, "k", 1), -R_QUOTA);
    T_OK(do_delete(&st, 0, "big"));
    T_OK(put(&st, 0, "l", 70000));
    act_fini(&one);
    act_fini(&two);
    stage_end(&st);
}

/* More uploads than a page has, and on one key several; those that are over do not count, though
 * the rows of their parts are still there. */
T(quota, parts_are_found_however_many_uploads_there_are)
{
    enum { UPLOADS = 1100 };
    struct act usage = {.kind = ACT_USAGE};
    struct stage st;
    uint64_t bytes = 0;
    char key[32];

    stage_begin(&st);
    for (unsigned i = 0; i < UPLOADS; i++) {
        struct act up = {0};

        (void)snprintf(key, sizeof(key), "k%03u", i / 3 % 400);
        T_OK(part_put(&st, &up, key, 100 + i));
        if (i % 3 == 0)
            T_OK(part_put(&st, &up, key, 200 + i)); /* again: the first is gone */
        if (i % 5 == 1)
            T_OK(upload_end(&st, &up, i % 2 ? ACT_COMPLETE : ACT_ABORT));
        else
            bytes += (i % 3 == 0 ? 200 : 100) + i;
        act_fini(&up);
    }
    T_OK(act_do(&st, 1, &usage));
    T_EQ(usage.usage.part_bytes, bytes);
    act_fini(&usage);
    stage_end(&st);
}

T(quota, a_cluster_that_does_not_answer_admits_and_refuses_nobody)
{
    struct ask a = bytes_of(1);
    struct stage st;

    stage_begin(&st);
    quota_set(&st, "box", 1000, 0);
    st.fake.index_lost_per_mille = 0;
    ask_begin(&st, 0, &a);
    gate_stop(&st, 0); /* with the question out */
    T_TRUE(a.done);
    T_TRUE(a.rc == -R_STOPPED || a.rc == -EAGAIN || a.rc == -ECANCELED);
    stage_fini(&st);
}
