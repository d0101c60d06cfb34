/* bucket_props.c - what is kept with a bucket beside its record, and who may know.
 *
 * Properties stand in an xattr of their own beside the record, and name the bucket's id.  A change
 * is guarded on both: on the record, so that it is made of this very bucket and only while it is
 * LIVE, and on the properties, so that no other change is lost.  The record itself stays as it is:
 * neither a deletion nor a split is disturbed.
 *
 * The owner hears the present state.  Others are judged by what a gateway read less than
 * BUCKET_FRESH_MS ago: that is how long another gateway may go on with an ACL that was taken away.
 */
#include "s3/bucket/registry.h"

enum { CHANGE_TRIES_MAX = 50, DELETION_TRIES = 10 };
#define DELETION_PAUSE_NS (100 * NS_PER_MS)

/* ---- asking ---- */

struct stat_req {
    struct req r;
    struct call call;
    struct writer raw;
    struct bucket *b; /* ref */
    struct bucket_info info;
    uint64_t asked_ns;
    bool asked, owner_only;
    bucket_info_fn *done;
    void *arg;
};

static void stat_woken(struct call *c)
{
    REQ_WAKE(c, struct stat_req, call);
}

/* The bucket as it was read just now; the cache learns from it. */
static int stat_learn(struct stat_req *q)
{
    struct bucket *cached;
    struct bucket_row row;
    struct bytes props;
    int rc = record_take(&q->call, &q->raw, &row);

    if (rc == 0 && row.state == BUCKET_MAKING)
        rc = -R_NO_BUCKET;
    if (rc == 0)
        rc = call_present(&q->call, 1, &props);
    if (rc < 0)
        return rc;
    q->b = bucket_of_row(q->r.bucket, &row);
    rc = q->b ? bucket_props_learn(q->b, props, q->asked_ns) : -ENOMEM;
    if (rc < 0)
        return rc;
    cached = bucket_cached(q->r.l, q->r.bucket);
    if (cached && uuid_equal(&cached->id, &q->b->id)) /* it knows its shards better */
        rc = bucket_props_learn(cached, props, q->asked_ns);
    else
        bucket_cache_add(q->r.l, q->b);
    bucket_unref(cached);
    return rc;
}

static int stat_tell(struct stat_req *q)
{
    const struct bucket *b = q->b;
    bool owns = strcmp(b->owner, q->r.who.name) == 0;
    struct arena *arena = &q->r.op.arena;
    struct bytes raw;
    int rc = bytes_dup(arena, (struct bytes){b->props, b->props_bytes}, &raw);

    if (!owns && q->owner_only)
        return -R_DENIED;
    q->info.name = q->r.bucket;
    q->info.owner = arena_strdup(arena, b->owner, strlen(b->owner));
    q->info.created_ns = b->created_ns;
    q->info.may_list = owns || bucket_public(b, b->acl);
    if (rc == 0 && !q->info.owner)
        rc = -ENOMEM;
    return rc < 0 ? rc : headers_decode(raw, arena, &q->info.props, &q->info.prop_count);
}

static void stat_run(struct op *op)
{
    struct stat_req *q = CONTAINER_OF(op, struct stat_req, r.op);
    int rc = 0;

    if (!q->asked && !q->owner_only) {
        q->b = bucket_cached(q->r.l, q->r.bucket);
        if (q->b && !bucket_fresh(q->r.l, q->b))
            bucket_unref(TAKE(q->b));
    }
    if (!q->asked && !q->b) {
        struct cairn_op *ask;

        q->asked = true;
        q->asked_ns = env_now_ns(q->r.l->env);
        (void)record_get(&q->call, q->r.bucket);
        ask = q->call.op;
        if (ask)
            cairn_op_xattr_get(ask, "properties");
        call_submit(&q->call, stat_woken);
        return;
    }
    if (q->asked)
        rc = stat_learn(q);
    if (rc == 0)
        rc = stat_tell(q);
    if (rc < 0)
        op_fail(op, rc);
    op_finish(op);
}

static void stat_finish(struct req *r)
{
    struct stat_req *q = CONTAINER_OF(r, struct stat_req, r);

    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &q->info);
}

static void stat_fini(struct req *r)
{
    struct stat_req *q = CONTAINER_OF(r, struct stat_req, r);

    call_fini(&q->call);
    writer_fini(&q->raw);
    bucket_unref(q->b);
}

static int ask(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
               bool owner_only, bucket_info_fn *done, void *arg)
{
    int rc = 0;
    struct stat_req *q = req_create(sizeof(*q), l, who, bucket, (struct bytes){0}, stat_run, &rc);

    if (!q)
        return rc;
    q->owner_only = owner_only;
    q->done = done;
    q->arg = arg;
    call_init(&q->call, l);
    req_start(&q->r, stat_finish, stat_fini);
    return 0;
}

int bucket_stat(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                bucket_info_fn *done, void *arg)
{
    return ask(l, who, bucket, true, done, arg);
}

int bucket_peek(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                bucket_info_fn *done, void *arg)
{
    return ask(l, who, bucket, false, done, arg);
}

const struct bytes *bucket_prop(const struct bucket_info *info, const char *name)
{
    for (uint32_t i = 0; i < info->prop_count; i++)
        if (bytes_equal(info->props[i].name, BYTES_STR(name)))
            return &info->props[i].value;
    return NULL;
}

/* ---- changing ---- */

struct change_req {
    struct req r;
    struct call call;
    enum { CHANGE_READ, CHANGE_WRITE, CHANGE_WRITTEN } stage;
    struct bytes name, value; /* in the arena */
    struct writer record, was, next;
    uint32_t tries;
    struct env_timer pause;
    bucket_done_fn *done;
    void *arg;
};

static void change_woken(struct call *c)
{
    REQ_WAKE(c, struct change_req, call);
}

static void change_paused(struct env_timer *t)
{
    REQ_WAKE(t, struct change_req, pause);
}

/* All properties but this one, then this one. */
static int props_change(struct change_req *q, struct bytes raw, struct bytes *out)
{
    const struct s3_header *old;
    struct s3_header *all;
    AUTO(writer) w = {0};
    uint32_t count, kept = 0;
    int rc = headers_decode(raw, &q->r.op.arena, &old, &count);

    if (rc < 0)
        return rc;
    all = arena_alloc(&q->r.op.arena, (count + 1) * sizeof(*all));
    if (!all)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++)
        if (!bytes_equal(old[i].name, q->name))
            all[kept++] = old[i];
    if (q->value.len)
        all[kept++] = (struct s3_header){q->name, q->value};
    rc = props_check(all, kept);
    headers_encode(all, kept, &w);
    if (rc == 0)
        rc = w.rc;
    return rc < 0 ? rc : bytes_dup(&q->r.op.arena, written(&w), out);
}

/* What to write instead of what was read.  1: a deletion is under way. */
static int change_make(struct change_req *q)
{
    struct props_row props;
    struct bucket_row row;
    struct bytes value;
    int rc = record_take(&q->call, &q->record, &row);

    if (rc == 0 && row.state == BUCKET_MAKING)
        rc = -R_NO_BUCKET;
    if (rc == 0 && !principal_is(&q->r.who, row.owner))
        rc = -R_DENIED;
    if (rc == 0)
        rc = call_present(&q->call, 1, &value);
    if (rc < 0)
        return rc;
    if (row.state == BUCKET_DELETING)
        return 1;
    writer_fini(&q->was);
    writer_fini(&q->next);
    wr_raw(&q->was, value.data, value.len);
    rc = q->was.rc < 0 ? q->was.rc : props_row_decode(written(&q->was), &props);
    if (rc == 0)
        rc = props_change(q, props.props, &props.props);
    if (rc < 0)
        return rc;
    props_row_encode(&props, &q->next);
    return q->next.rc;
}

static void change_read(struct change_req *q)
{
    struct cairn_op *op;

    q->stage = CHANGE_WRITE;
    (void)record_get(&q->call, q->r.bucket);
    op = q->call.op;
    if (op)
        cairn_op_xattr_get(op, "properties");
    call_submit(&q->call, change_woken);
}

static void change_write(struct change_req *q)
{
    struct cairn_op *op = call_begin(&q->call, CALL_INDEX);

    q->stage = CHANGE_WRITTEN;
    name_bucket(q->call.name, q->r.bucket);
    if (op) {
        cairn_op_cmp_xattr(op, "record", CAIRN_EQ, q->record.data, q->record.len);
        cairn_op_cmp_xattr(op, "properties", CAIRN_EQ, q->was.data, q->was.len);
        cairn_op_xattr_set(op, "properties", q->next.data, q->next.len);
    }
    call_submit(&q->call, change_woken);
}

/* What this gateway believed is out of date. */
static void change_tell(struct change_req *q)
{
    struct bucket *b = bucket_cached(q->r.l, q->r.bucket);

    if (b)
        mem_free(TAKE(b->props)); /* not fresh any more */
    bucket_unref(b);
}

static void change_run(struct op *op)
{
    struct change_req *q = CONTAINER_OF(op, struct change_req, r.op);
    struct bucket_layer *l = q->r.l;
    int rc = q->call.code;

    switch (q->stage) {
    case CHANGE_READ:
        change_read(q);
        return;
    case CHANGE_WRITE:
        rc = change_make(q);
        if (rc == 0) {
            change_write(q);
            return;
        }
        if (rc == 1 && ++q->tries < DELETION_TRIES) {
            q->stage = CHANGE_READ;
            env_timer_after(l->env, &q->pause, DELETION_PAUSE_NS);
            return;
        }
        break;
    case CHANGE_WRITTEN:
        change_tell(q); /* also if nobody knows */
        if (rc == -R_GUARD_FAILED && ++q->tries < CHANGE_TRIES_MAX) {
            change_read(q);
            return;
        }
        break;
    }
    if (rc != 0)
        op_fail(op, rc == 1 || rc == -R_GUARD_FAILED ? -R_BUCKET_BUSY : rc);
    op_finish(op);
}

static void change_finish(struct req *r)
{
    struct change_req *q = CONTAINER_OF(r, struct change_req, r);

    q->done(q->arg, r->op.rc);
}

static void change_fini(struct req *r)
{
    struct change_req *q = CONTAINER_OF(r, struct change_req, r);

    call_fini(&q->call);
    writer_fini(&q->record);
    writer_fini(&q->was);
    writer_fini(&q->next);
}

int bucket_change(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  const char *name, struct bytes value, bucket_done_fn *done, void *arg)
{
    struct change_req *q = NULL;
    int rc = value.len > S3_PROPS_BYTES_MAX ? -R_META_TOO_LARGE : 0;

    if (rc == 0)
        q = req_create(sizeof(*q), l, who, bucket, (struct bytes){0}, change_run, &rc);
    if (!q)
        return rc;
    rc = bytes_dup(&q->r.op.arena, BYTES_STR(name), &q->name);
    if (rc == 0)
        rc = bytes_dup(&q->r.op.arena, value, &q->value);
    if (rc < 0) {
        req_destroy(&q->r);
        return rc;
    }
    q->done = done;
    q->arg = arg;
    call_init(&q->call, l);
    env_timer_init(&q->pause, change_paused);
    req_start(&q->r, change_finish, change_fini);
    return 0;
}
