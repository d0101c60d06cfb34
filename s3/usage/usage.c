/* usage.c - counting in memory, and writing what was counted.
 *
 * One operation is under way at a time, and none is given up before it is answered: an older value
 * of a row can never arrive after a newer one.
 *
 *     each flush:  the day stands in the list of days? -> dirty tallies in batches -> old days go
 *
 * The list of days is written before the first row of a day, so that every day that has rows is
 * found when it is to go. */
#include "core/base/hash.h"
#include "s3/usage/usage_int.h"

#define STOP_NS       (2 * NS_PER_S)
#define STOP_RETRY_NS (100 * NS_PER_MS)

struct tally {
    struct hnode node;
    struct list link;
    uint32_t hour; /* since 1970 */
    enum tally_state state;
    char user[S3_USER_NAME_MAX + 1], bucket[S3_BUCKET_NAME_MAX + 1];
    struct usage_tally t;
};

/* ---- operations ---- */

void usage_op_init(struct usage_op *o, struct usage *u)
{
    memset(o, 0, sizeof(*o));
    o->u = u;
}

void usage_op_fini(struct usage_op *o)
{
    ASSERT(!o->busy);
    cairn_op_destroy(TAKE(o->op));
}

struct cairn_op *usage_op_begin(struct usage_op *o)
{
    ASSERT(!o->busy);
    cairn_op_destroy(TAKE(o->op));
    o->op = cairn_op_create();
    if (o->op)
        cairn_op_timeout(o->op, 0); /* whatever the configuration says; see above */
    return o->op;
}

static void op_ended(struct usage_op *o, int rc)
{
    o->busy = false;
    if (rc < 0 && rc != -R_NO_OBJECT)
        counter_add(&o->u->n.failures, 1);
    o->done(o, rc);
}

static void op_answered(struct cairn_op *op, int rc, void *arg)
{
    int code = cairn_op_code(op);

    op_ended(arg, code ? code : rc);
}

static void op_refused(struct env_task *task)
{
    struct usage_op *o = CONTAINER_OF(task, struct usage_op, task);

    op_ended(o, o->rc);
}

void usage_op_submit(struct usage_op *o, const char *name, void (*done)(struct usage_op *o, int rc))
{
    int rc = o->op ? cairn_submit(o->u->index, name, strlen(name), o->op, op_answered, o) : -ENOMEM;

    o->done = done;
    o->busy = true;
    if (rc == 0)
        return;
    o->rc = rc;
    env_task_init(&o->task, op_refused);
    env_post(o->u->env, &o->task);
}

void usage_op_cancel(struct usage_op *o)
{
    if (o->busy && o->op)
        cairn_op_cancel(o->op);
}

/* ---- rows of one operation ---- */

void usage_rows_key(struct usage_rows *r, const struct usage_key *k)
{
    ASSERT(r->count < USAGE_BATCH);
    r->at[r->count].key = (uint32_t)r->bytes.len;
    usage_key_encode(k, &r->bytes);
    r->at[r->count].key_bytes = (uint32_t)r->bytes.len - r->at[r->count].key;
}

void usage_rows_end(struct usage_rows *r)
{
    r->at[r->count].value_bytes =
        (uint32_t)r->bytes.len - r->at[r->count].key - r->at[r->count].key_bytes;
    r->count++;
}

int usage_rows_set(struct usage_rows *r, struct cairn_op *op)
{
    struct cairn_pair pair[USAGE_BATCH];

    if (!op || r->bytes.rc < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < r->count; i++) {
        const uint8_t *key = r->bytes.data + r->at[i].key;

        pair[i] = (struct cairn_pair){key, r->at[i].key_bytes, key + r->at[i].key_bytes,
                                      r->at[i].value_bytes};
    }
    cairn_op_omap_set(op, pair, r->count);
    return 0;
}

void usage_rows_clear(struct usage_rows *r)
{
    r->bytes.len = 0;
    r->bytes.rc = 0;
    r->count = 0;
}

/* ---- tallies ---- */

static uint64_t tally_hash(uint32_t hour, struct bytes user, struct bytes bucket)
{
    return hash64(hash64(hour, user.data, user.len), bucket.data, bucket.len);
}

static struct tally *tally_find(struct usage *u, uint32_t hour, struct bytes user,
                                struct bytes bucket)
{
    for (struct hnode *n = htable_first(&u->tallies, tally_hash(hour, user, bucket)); n;
         n = htable_next(n)) {
        struct tally *t = CONTAINER_OF(n, struct tally, node);

        if (t->hour == hour && bytes_equal(BYTES_STR(t->user), user) &&
            bytes_equal(BYTES_STR(t->bucket), bucket))
            return t;
    }
    return NULL;
}

static void tally_destroy(struct usage *u, struct tally *t)
{
    list_remove(&t->link);
    htable_remove(&u->tallies, &t->node);
    u->tally_count--;
    mem_free(t);
}

static struct tally *tally_get(struct usage *u, uint32_t hour, struct bytes user,
                               struct bytes bucket)
{
    struct tally *t = tally_find(u, hour, user, bucket);

    if (t || u->tally_count == USAGE_TALLIES_MAX)
        return t;
    t = mem_zalloc(sizeof(*t));
    if (!t)
        return NULL;
    t->hour = hour;
    memcpy(t->user, user.data, user.len);
    memcpy(t->bucket, bucket.len ? (const char *)bucket.data : "", bucket.len);
    list_init(&t->link);
    list_push_back(&u->tally[TALLY_CLEAN], &t->link);
    htable_insert(&u->tallies, &t->node, tally_hash(hour, user, bucket));
    u->tally_count++;
    return t;
}

static void tally_to(struct usage *u, struct tally *t, enum tally_state state)
{
    t->state = state;
    list_remove(&t->link);
    list_push_back(&u->tally[state], &t->link);
}

static void tallies_to(struct usage *u, enum tally_state from, enum tally_state to)
{
    while (!list_empty(&u->tally[from]))
        tally_to(u, LIST_FIRST(&u->tally[from], struct tally, link), to);
}

void usage_count(struct usage *u, const char *user, struct bytes bucket, enum usage_kind kind,
                 bool failed, uint64_t bytes_in, uint64_t bytes_out)
{
    struct tally *t;

    if (!user[0])
        return;
    ASSERT(strlen(user) <= S3_USER_NAME_MAX && bucket.len <= S3_BUCKET_NAME_MAX);
    t = tally_get(u, usage_hour(u), BYTES_STR(user), bucket);
    if (!t) {
        counter_add(&u->n.dropped, 1);
        return;
    }
    t->t.requests[kind]++;
    t->t.failed += failed;
    t->t.bytes_in += bytes_in;
    t->t.bytes_out += bytes_out;
    if (t->state == TALLY_CLEAN || t->state == TALLY_FLYING)
        tally_to(u, t, TALLY_DIRTY);
}

/* ---- writing ---- */

static void flush_next(struct usage *u);

static void flush_over(struct usage *u)
{
    uint32_t now = usage_hour(u);

    tallies_to(u, TALLY_DUE, TALLY_DIRTY); /* after a failure */
    LIST_EACH_SAFE (at, &u->tally[TALLY_CLEAN]) {
        struct tally *t = LIST_ENTRY(at, struct tally, link);

        if (t->hour < now)
            tally_destroy(u, t);
    }
    if (!u->stopping)
        env_timer_after(u->env, &u->timer, u->conf.flush_ms * NS_PER_MS);
    else if (!u->stop_over && !list_empty(&u->tally[TALLY_DIRTY]))
        env_timer_after(u->env, &u->timer, STOP_RETRY_NS);
    usage_gone_if_idle(u);
}

static void batch_written(struct usage_op *o, int rc)
{
    struct usage *u = o->u;

    tallies_to(u, TALLY_FLYING, rc < 0 ? TALLY_DIRTY : TALLY_CLEAN);
    if (rc < 0) {
        flush_over(u);
        return;
    }
    counter_add(&u->n.rows, u->rows.count);
    flush_next(u);
}

/* As many as go into one operation, of one day. */
static void batch_write(struct usage *u)
{
    uint32_t day = LIST_FIRST(&u->tally[TALLY_DUE], struct tally, link)->hour / 24;
    char name[USAGE_NAME_BYTES];

    usage_rows_clear(&u->rows);
    LIST_EACH_SAFE (at, &u->tally[TALLY_DUE]) {
        struct tally *t = LIST_ENTRY(at, struct tally, link);
        struct usage_key k = {
            .kind = 'r', .hour = (uint8_t)(t->hour % 24), .instance = u->instance};

        if (t->hour / 24 != day || u->rows.count == USAGE_BATCH)
            continue;
        memcpy(k.user, t->user, sizeof(k.user));
        memcpy(k.bucket, t->bucket, sizeof(k.bucket));
        usage_rows_key(&u->rows, &k);
        usage_tally_encode(&t->t, &u->rows.bytes);
        usage_rows_end(&u->rows);
        tally_to(u, t, TALLY_FLYING);
    }
    usage_day_name(day, name);
    if (usage_rows_set(&u->rows, usage_op_begin(&u->op)) < 0)
        cairn_op_destroy(TAKE(u->op.op)); /* submit reports it */
    usage_op_submit(&u->op, name, batch_written);
}

static void day_listed(struct usage_op *o, int rc)
{
    struct usage *u = o->u;

    if (rc < 0) {
        flush_over(u);
        return;
    }
    u->day_known = u->day_now;
    flush_next(u);
}

static void day_list(struct usage *u, uint32_t day)
{
    struct cairn_op *op = usage_op_begin(&u->op);
    struct cairn_pair pair;
    char text[USAGE_DAY_TEXT];

    u->day_now = day;
    usage_day_text(day, text);
    pair = (struct cairn_pair){text, strlen(text), "", 0};
    if (op)
        cairn_op_omap_set(op, &pair, 1);
    usage_op_submit(&u->op, USAGE_DAYS, day_listed);
}

/* ---- old days ---- */

static void expire_next(struct usage_op *o, int rc);

static void old_day_unlisted(struct usage_op *o, int rc)
{
    if (rc < 0)
        flush_over(o->u);
    else
        expire_next(o, 0);
}

static void old_day_gone(struct usage_op *o, int rc)
{
    struct usage *u = o->u;
    struct cairn_op *op;
    struct cairn_pair pair;
    char text[USAGE_DAY_TEXT];

    if (rc < 0 && rc != -R_NO_OBJECT) {
        flush_over(u);
        return;
    }
    usage_day_text(u->day_now, text);
    pair = (struct cairn_pair){text, strlen(text), NULL, 0};
    op = usage_op_begin(&u->op);
    if (op)
        cairn_op_omap_rm(op, &pair, 1);
    usage_op_submit(&u->op, USAGE_DAYS, old_day_unlisted);
}

/* The first day of the list, if it is too old. */
static void oldest_read(struct usage_op *o, int rc)
{
    struct usage *u = o->u;
    uint32_t today = usage_hour(u) / 24, day = 0;
    struct cairn_pair pair = {0};
    struct cairn_op *op;
    char name[USAGE_NAME_BYTES];
    bool more;

    if (rc == 0 && cairn_op_pair_count(o->op, 0, &more) > 0)
        pair = cairn_op_pair(o->op, 0, 0);
    if (rc < 0 || !pair.key_bytes ||
        !usage_day_parse((struct bytes){pair.key, (uint32_t)pair.key_bytes}, &day) ||
        day + u->conf.keep_days >= today) {
        if (rc == 0 || rc == -R_NO_OBJECT)
            u->day_expired = today;
        flush_over(u);
        return;
    }
    u->day_now = day;
    usage_day_name(day, name);
    op = usage_op_begin(&u->op);
    if (op)
        cairn_op_delete(op);
    usage_op_submit(&u->op, name, old_day_gone);
}

static void expire_next(struct usage_op *o, int rc)
{
    struct cairn_op *op = usage_op_begin(o);

    UNUSED(rc);
    if (op)
        cairn_op_omap_range(op, NULL, 0, NULL, 0, 1);
    usage_op_submit(o, USAGE_DAYS, oldest_read);
}

/* ---- in order ---- */

static void flush_next(struct usage *u)
{
    struct list *due = &u->tally[TALLY_DUE];
    uint32_t day = list_empty(due) ? 0 : LIST_FIRST(due, struct tally, link)->hour / 24;

    if (u->stop_over)
        flush_over(u);
    else if (day && day != u->day_known)
        day_list(u, day);
    else if (day)
        batch_write(u);
    else if (!u->stopping && u->day_expired != usage_hour(u) / 24)
        expire_next(&u->op, 0);
    else
        flush_over(u);
}

/* What is counted from now on waits for the next one. */
static void flush(struct usage *u)
{
    tallies_to(u, TALLY_DIRTY, TALLY_DUE);
    flush_next(u);
}

static void flush_due(struct env_timer *timer)
{
    flush(CONTAINER_OF(timer, struct usage, timer));
}

/* ---- start and stop ---- */

struct usage_stats *usage_stats(struct usage *u)
{
    return &u->n;
}

int usage_metrics(struct usage *u, struct metric_set *set)
{
    const struct {
        const char *name, *help;
        const struct counter *counter;
    } rows[] = {
        {"s3_usage_rows_total", "Rows of usage written", &u->n.rows},
        {"s3_usage_failures_total", "Operations on usage that failed and come again",
         &u->n.failures},
        {"s3_usage_dropped_total", "Requests that found no memory to be counted in", &u->n.dropped},
        {"s3_usage_samples_total", "Samples of what a bucket holds", &u->n.samples},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = metric_add_counter(set, rows[i].name, rows[i].help, NULL, rows[i].counter);
    return rc;
}

static void usage_free(struct usage *u)
{
    for (unsigned i = 0; i < TALLY_STATES; i++)
        while (!list_empty(&u->tally[i]))
            tally_destroy(u, LIST_FIRST(&u->tally[i], struct tally, link));
    htable_fini(&u->tallies);
    sampler_destroy(u);
    usage_op_fini(&u->op);
    writer_fini(&u->rows.bytes);
    if (u->index)
        cairn_pool_close(u->index);
    mem_free(u);
}

static void usage_gone(struct env_task *task)
{
    struct usage *u = CONTAINER_OF(task, struct usage, gone);
    void (*stopped)(void *) = u->stopped;
    void *arg = u->stopped_arg;

    env_timer_cancel(u->env, &u->timer);
    env_timer_cancel(u->env, &u->stop_timer);
    usage_free(u);
    stopped(arg);
}

void usage_gone_if_idle(struct usage *u)
{
    if (!u->stopping || u->leaving || u->op.busy || u->timer.armed || !sampler_idle(u))
        return;
    u->leaving = true;
    env_post(u->env, &u->gone);
}

static void stop_too_long(struct env_timer *timer)
{
    struct usage *u = CONTAINER_OF(timer, struct usage, stop_timer);

    log_warn(&u->log, "usage of the last minute is lost: the cluster does not answer");
    u->stop_over = true;
    env_timer_cancel(u->env, &u->timer);
    usage_op_cancel(&u->op);
    usage_gone_if_idle(u);
}

int usage_start(struct env *env, const struct usage_conf *conf, struct usage **out_usage)
{
    struct usage *u = mem_zalloc(sizeof(*u));
    int rc;

    if (!u)
        return -ENOMEM;
    u->env = env;
    u->conf = *conf;
    log_init(&u->log, env_log_sink(env), "s3.usage");
    u->instance = env_random_u64(env);
    for (unsigned i = 0; i < TALLY_STATES; i++)
        list_init(&u->tally[i]);
    usage_op_init(&u->op, u);
    env_timer_init(&u->timer, flush_due);
    env_timer_init(&u->stop_timer, stop_too_long);
    env_task_init(&u->gone, usage_gone);
    rc = htable_init(&u->tallies, 64);
    if (rc == 0)
        rc = cairn_pool_open_env(conf->cluster, "s3.index", &u->index);
    if (rc == 0)
        rc = sampler_create(u);
    if (rc < 0) {
        usage_free(u);
        return rc;
    }
    env_timer_after(env, &u->timer, conf->flush_ms * NS_PER_MS);
    *out_usage = u;
    return 0;
}

void usage_stop(struct usage *u, void (*stopped)(void *arg), void *arg)
{
    ASSERT(!u->stopping);
    u->stopping = true;
    u->stopped = stopped;
    u->stopped_arg = arg;
    sampler_stop(u);
    env_timer_after(u->env, &u->stop_timer, STOP_NS);
    if (u->op.busy)
        return; /* it goes on from there */
    env_timer_cancel(u->env, &u->timer);
    flush(u);
}
