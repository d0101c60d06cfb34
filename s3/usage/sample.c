/* sample.c - what each bucket holds, once an hour.
 *
 * The hour's mark is read: another gateway was here?  Then the users, the buckets of each, what
 * each holds; rows in batches; the mark at the end.  Two gateways that do it at the same time write
 * the same rows; one that dies leaves no mark, and the next one begins anew. */
#include "core/base/json.h"
#include "s3/usage/usage_int.h"

enum { COMMAND_MS = 2000, SPREAD_MAX_MS = 300000 };

enum sample_stage {
    SAMPLE_REST,
    SAMPLE_MARK_READ,
    SAMPLE_DAY,
    SAMPLE_USERS,
    SAMPLE_BUCKETS,
    SAMPLE_COUNT,
    SAMPLE_WRITE,
    SAMPLE_MARK,
};

struct names {
    char (*at)[S3_USER_NAME_MAX + 1]; /* owned */
    uint32_t count, next;
};

struct sampler {
    struct usage *u;
    struct env_timer timer;
    struct usage_op op;
    enum sample_stage stage;
    uint32_t hour;
    struct names users, buckets;
    char user[S3_USER_NAME_MAX + 1], bucket[S3_USER_NAME_MAX + 1];
    struct usage_rows rows;
    bool stopping;
};

static_assert(S3_BUCKET_NAME_MAX <= S3_USER_NAME_MAX, "names holds both");

static void names_free(struct names *n)
{
    mem_free(n->at);
    *n = (struct names){0};
}

static int names_room(struct names *n, uint32_t count)
{
    names_free(n);
    n->at = mem_calloc(MAX(count, 1u), sizeof(*n->at));
    return n->at ? 0 : -ENOMEM;
}

static void step(struct sampler *s);

/* Till the next hour, or, after a failure, for a while. */
static void rest(struct sampler *s, bool failed)
{
    struct usage *u = s->u;
    uint32_t spread = (uint32_t)MIN(u->conf.flush_ms * UINT64_C(5), (uint64_t)SPREAD_MAX_MS);
    uint64_t into = env_wall_ns(u->env) % (3600 * NS_PER_S);
    uint64_t ns = (env_random_u64(u->env) % spread + 1) * NS_PER_MS;

    s->stage = SAMPLE_REST;
    names_free(&s->users);
    names_free(&s->buckets);
    usage_rows_clear(&s->rows);
    if (s->stopping) {
        usage_gone_if_idle(u);
        return;
    }
    if (!failed)
        ns += 3600 * NS_PER_S - into;
    env_timer_after(u->env, &s->timer, ns);
}

/* ---- answers ---- */

static void op_done(struct usage_op *o, int rc)
{
    struct sampler *s = CONTAINER_OF(o, struct sampler, op);
    bool more;

    if (s->stopping || (rc < 0 && !(rc == -R_NO_OBJECT && s->stage == SAMPLE_MARK_READ))) {
        rest(s, true);
        return;
    }
    switch (s->stage) {
    case SAMPLE_MARK_READ:
        if (rc == 0 && cairn_op_pair_count(o->op, 0, &more) > 0) {
            rest(s, false);
            return;
        }
        s->stage = SAMPLE_DAY;
        break;
    case SAMPLE_DAY:
        s->stage = SAMPLE_USERS;
        break;
    case SAMPLE_WRITE:
        usage_rows_clear(&s->rows);
        s->stage = SAMPLE_COUNT;
        break;
    default: /* the mark stands */
        rest(s, false);
        return;
    }
    step(s);
}

static int users_take(struct sampler *s, const void *json, size_t json_bytes)
{
    json_t *list = json_parse(json, json_bytes, NULL), *one;
    size_t i;
    int rc = list ? names_room(&s->users, (uint32_t)json_array_size(list)) : -R_MALFORMED;

    json_array_foreach(list, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "user"));

        if (rc == 0 && name && strlen(name) <= S3_USER_NAME_MAX)
            strcpy(s->users.at[s->users.count++], name);
    }
    json_decref(list);
    return rc;
}

static void users_told(void *arg, int rc, const char *text, const void *json, size_t json_bytes)
{
    struct sampler *s = arg;

    UNUSED(text);
    if (rc == 0)
        rc = users_take(s, json, json_bytes);
    if (rc < 0 || s->stopping) {
        rest(s, true);
        return;
    }
    s->stage = SAMPLE_BUCKETS;
    step(s);
}

static void buckets_told(void *arg, int rc, const struct bucket_info *rows, uint32_t count)
{
    struct sampler *s = arg;

    if (rc == 0)
        rc = names_room(&s->buckets, count);
    if (rc < 0 || s->stopping) {
        rest(s, true);
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        memcpy(s->buckets.at[s->buckets.count++], rows[i].name.data, rows[i].name.len);
    s->stage = SAMPLE_COUNT;
    step(s);
}

static void bucket_counted(void *arg, int rc, const struct bucket_usage *usage)
{
    struct sampler *s = arg;
    struct usage_key k = {.kind = 's', .hour = (uint8_t)(s->hour % 24)};
    struct usage_sample sample;

    if (s->stopping || (rc < 0 && rc != -R_NO_BUCKET)) {
        rest(s, true);
        return;
    }
    if (rc == 0) {
        memcpy(k.user, s->user, sizeof(k.user));
        memcpy(k.bucket, s->bucket, sizeof(k.bucket));
        sample = (struct usage_sample){usage->bytes, usage->objects};
        usage_rows_key(&s->rows, &k);
        usage_sample_encode(&sample, &s->rows.bytes);
        usage_rows_end(&s->rows);
        counter_add(&s->u->n.samples, 1);
    }
    step(s);
}

/* ---- questions ---- */

static void mark_key(const struct sampler *s, struct writer *w)
{
    struct usage_key k = {.kind = 'm', .hour = (uint8_t)(s->hour % 24)};

    usage_key_encode(&k, w);
}

static void on_day(struct sampler *s)
{
    char name[USAGE_NAME_BYTES];

    usage_day_name(s->hour / 24, name);
    usage_op_submit(&s->op, name, op_done);
}

static void mark_read(struct sampler *s)
{
    struct cairn_op *op = usage_op_begin(&s->op);
    uint8_t memory[8];
    struct writer w = wr_over(memory, sizeof(memory));
    struct cairn_pair pair;

    mark_key(s, &w);
    pair = (struct cairn_pair){w.data, w.len, NULL, 0};
    if (op)
        cairn_op_omap_get(op, &pair, 1);
    on_day(s);
}

static void day_list(struct sampler *s)
{
    struct cairn_op *op = usage_op_begin(&s->op);
    char text[USAGE_DAY_TEXT];
    struct cairn_pair pair = {text, USAGE_DAY_TEXT - 1, "", 0};

    usage_day_text(s->hour / 24, text);
    if (op)
        cairn_op_omap_set(op, &pair, 1);
    usage_op_submit(&s->op, USAGE_DAYS, op_done);
}

static void rows_write(struct sampler *s)
{
    if (usage_rows_set(&s->rows, usage_op_begin(&s->op)) < 0)
        cairn_op_destroy(TAKE(s->op.op)); /* submit reports it */
    on_day(s);
}

static void mark_write(struct sampler *s)
{
    struct usage_key k = {.kind = 'm', .hour = (uint8_t)(s->hour % 24)};

    usage_rows_key(&s->rows, &k);
    usage_rows_end(&s->rows);
    rows_write(s);
}

/* The next bucket, the next user, or the end. */
static int count_next(struct sampler *s)
{
    struct usage *u = s->u;
    struct s3_principal who = {.anonymous = false};

    if (s->rows.count + 1 >= USAGE_BATCH) {
        s->stage = SAMPLE_WRITE;
        rows_write(s);
        return 0;
    }
    if (s->buckets.next < s->buckets.count) {
        memcpy(s->bucket, s->buckets.at[s->buckets.next++], sizeof(s->bucket));
        return bucket_usage(u->conf.buckets, NULL, BYTES_STR(s->bucket), bucket_counted, s);
    }
    if (s->users.next < s->users.count) {
        memcpy(s->user, s->users.at[s->users.next++], sizeof(s->user));
        memcpy(who.name, s->user, sizeof(who.name));
        return bucket_list(u->conf.buckets, &who, buckets_told, s);
    }
    s->stage = SAMPLE_MARK;
    mark_write(s);
    return 0;
}

static void step(struct sampler *s)
{
    static const char *const argv[] = {"user", "list"};
    int rc = 0;

    switch (s->stage) {
    case SAMPLE_MARK_READ:
        mark_read(s);
        break;
    case SAMPLE_DAY:
        day_list(s);
        break;
    case SAMPLE_USERS:
        rc = cairn_command_env(s->u->conf.cluster, ARRAY_LEN(argv), argv, NULL, 0, COMMAND_MS,
                               users_told, s);
        break;
    default:
        rc = count_next(s);
        break;
    }
    if (rc < 0)
        rest(s, true);
}

static void due(struct env_timer *t)
{
    struct sampler *s = CONTAINER_OF(t, struct sampler, timer);

    s->hour = usage_hour(s->u);
    s->stage = SAMPLE_MARK_READ;
    step(s);
}

/* ---- start and stop ---- */

int sampler_create(struct usage *u)
{
    struct sampler *s = mem_zalloc(sizeof(*s));

    if (!s)
        return -ENOMEM;
    u->sampler = s;
    s->u = u;
    usage_op_init(&s->op, u);
    env_timer_init(&s->timer, due);
    rest(s, true); /* soon */
    return 0;
}

bool sampler_idle(const struct usage *u)
{
    return u->sampler->stage == SAMPLE_REST;
}

void sampler_stop(struct usage *u)
{
    u->sampler->stopping = true;
    env_timer_cancel(u->env, &u->sampler->timer);
    usage_op_cancel(&u->sampler->op);
}

void sampler_destroy(struct usage *u)
{
    struct sampler *s = TAKE(u->sampler);

    if (!s)
        return;
    env_timer_cancel(u->env, &s->timer);
    usage_op_fini(&s->op);
    names_free(&s->users);
    names_free(&s->buckets);
    writer_fini(&s->rows.bytes);
    mem_free(s);
}
