/* bucket_drop.c - deleting a bucket, which must be empty.
 *
 *   READ    the record: LIVE, or DELETING by somebody (whom we give a moment before we take over)
 *   MARK    record DELETING(token), guarded on what was read
 *   OWN     the owner's row, unsure.  Not before MARK: a listing that still found the record LIVE
 *           would make it sure under us
 *   CLOSE   each shard, to closed(token): nothing can be linked in it from then on
 *   LOOK    whether it has an entry, guarded on our closed(token)
 *   REMOVE  the record, guarded on our DELETING: the bucket is gone
 *   or BACK record LIVE, when there are entries; then REOPEN the shards that we closed and the
 *           owner's row away
 *
 * Whoever meets a closed shard may turn the record back to LIVE (resolve.c); then our guard at
 * REMOVE fails and we begin anew, a few times.  The shards stay for the collector. */
#include "s3/bucket/registry.h"

enum { DROP_TRIES_MAX = 10, CLOSE_TRIES_MAX = 30 };
#define OTHERS_NS (2 * NS_PER_S)
#define PAUSE_NS  (20 * NS_PER_MS)

enum drop_stage {
    DROP_READ,
    DROP_MARK,
    DROP_OWN,
    DROP_CLOSE,
    DROP_CLOSED,
    DROP_LOOK,
    DROP_END_RECORD,
    DROP_BACK,
    DROP_REOPEN,
    DROP_DONE,
};

struct drop_req {
    struct req r;
    struct call call;
    enum drop_stage stage;
    struct uuid token;
    uint32_t tries, close_tries, shard;
    uint64_t others_since_ns;
    bool has_entries;
    struct bucket *b;  /* ref: as the record describes it */
    struct writer was; /* record as read */
    struct writer live, marked;
    struct writer own, closed; /* closed: the shard row that we are writing */
    struct env_timer pause;
    bucket_done_fn *done;
    void *arg;
};

static void drop_woken(struct call *c)
{
    REQ_WAKE(c, struct drop_req, call);
}

static void drop_paused(struct env_timer *t)
{
    REQ_WAKE(t, struct drop_req, pause);
}

static void drop_ask(struct drop_req *q, enum drop_stage next, int rc)
{
    q->stage = next;
    call_submit_if(&q->call, rc, drop_woken);
}

static void drop_end(struct drop_req *q, int rc)
{
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

static void drop_again(struct drop_req *q)
{
    struct bucket_layer *l = q->r.l;

    if (++q->tries == DROP_TRIES_MAX) {
        drop_end(q, -R_BUCKET_BUSY);
        return;
    }
    q->stage = DROP_READ;
    env_timer_after(l->env, &q->pause, PAUSE_NS + env_random_u64(l->env) % PAUSE_NS);
}

/* ---- the record ---- */

static int records_make(struct drop_req *q, struct bucket_row row)
{
    q->token = layer_uuid(q->r.l);
    writer_fini(&q->live);
    writer_fini(&q->marked);
    row.state = BUCKET_LIVE;
    memset(&row.token, 0, sizeof(row.token));
    bucket_row_encode(&row, &q->live);
    row.state = BUCKET_DELETING;
    row.token = q->token;
    bucket_row_encode(&row, &q->marked);
    bucket_unref(q->b);
    q->b = bucket_of_row(q->r.bucket, &row);
    return !q->b || q->live.rc < 0 || q->marked.rc < 0 ? -ENOMEM : 0;
}

/* 1: another deletion is under way, look again later. */
static int was_take(struct drop_req *q)
{
    uint64_t now = env_now_ns(q->r.l->env);
    struct bucket_row row;
    int rc = record_take(&q->call, &q->was, &row);

    if (rc == 0 && row.state == BUCKET_MAKING)
        rc = -R_NO_BUCKET;
    if (rc == 0 && !principal_is(&q->r.who, row.owner))
        rc = -R_DENIED;
    if (rc < 0)
        return rc;
    if (row.state == BUCKET_DELETING) {
        if (!q->others_since_ns)
            q->others_since_ns = now;
        if (now - q->others_since_ns < OTHERS_NS)
            return 1;
    }
    return records_make(q, row);
}

static void was_read(struct drop_req *q)
{
    int rc = was_take(q);

    if (rc == 0)
        rc = own_unsure(q->r.l, &q->b->id, q->b->created_ns, &q->own);
    if (rc < 0) {
        drop_end(q, rc);
    } else if (rc == 1) {
        q->stage = DROP_READ;
        env_timer_after(q->r.l->env, &q->pause, PAUSE_NS);
    } else {
        drop_ask(q, DROP_OWN, record_replace(&q->call, q->r.bucket, &q->was, &q->marked));
    }
}

/* ---- shards ---- */

/* From what we believe the row is to closed(our token), or back to open. */
static int shard_switch(struct drop_req *q, bool close)
{
    struct shard *s = &q->b->shards[q->shard];
    struct shard_row row = s->row;
    struct cairn_op *op = call_begin(&q->call, CALL_INDEX);

    row.state = close ? SHARD_CLOSED : SHARD_OPEN;
    row.generation++;
    memset(&row.token, 0, sizeof(row.token));
    if (close)
        row.token = q->token;
    writer_fini(&q->closed);
    shard_row_encode(&row, &q->closed);
    name_shard(q->call.name, &q->b->id, s->no);
    if (!op || q->closed.rc < 0)
        return -ENOMEM;
    cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, s->value, s->value_bytes);
    cairn_op_xattr_set(op, "shard", q->closed.data, q->closed.len);
    return 0;
}

/* Has the shard that we closed an entry?  Not asked as it is closed: the answer to a repeat of a
 * write tells no rows, and an entry would be taken for none. */
static int shard_look(struct drop_req *q)
{
    struct shard *s = &q->b->shards[q->shard];
    struct cairn_op *op = call_begin(&q->call, CALL_INDEX);
    uint8_t from = ROW_ENTRY, to = ROW_ENTRY + 1;

    name_shard(q->call.name, &q->b->id, s->no);
    if (!op)
        return -ENOMEM;
    cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, s->value, s->value_bytes);
    cairn_op_omap_range(op, &from, 1, &to, 1, 1);
    return 0;
}

/* Learn the row that failed the guard: 0 to try again. */
static int shard_learn(struct drop_req *q)
{
    struct bytes value;
    int rc = call_present(&q->call, 0, &value);

    if (rc == 0 && !value.len)
        rc = -R_NO_BUCKET; /* drained already: we are late */
    if (rc == 0)
        rc = shard_believe(&q->b->shards[q->shard], value);
    if (rc == 0 && ++q->close_tries == CLOSE_TRIES_MAX)
        rc = -R_BUCKET_BUSY;
    return rc;
}

static void shards_close(struct drop_req *q)
{
    int rc = q->call.code;

    if (rc == -R_GUARD_FAILED) {
        rc = shard_learn(q);
    } else if (q->stage == DROP_CLOSED && rc == 0) {
        rc = shard_believe(&q->b->shards[q->shard], written(&q->closed));
        if (rc == 0) {
            drop_ask(q, DROP_LOOK, shard_look(q));
            return;
        }
    } else if (q->stage == DROP_LOOK && rc == 0) {
        q->has_entries = cairn_op_pair_count(q->call.op, 1, NULL) > 0;
        q->shard++;
    }
    if (rc < 0) {
        drop_end(q, rc); /* whoever comes next rolls us back */
        return;
    }
    if (q->shard < q->b->shard_count && !q->has_entries) {
        drop_ask(q, DROP_CLOSED, shard_switch(q, true));
    } else {
        const struct writer nothing = {0};

        drop_ask(q, q->has_entries ? DROP_BACK : DROP_END_RECORD,
                 record_replace(&q->call, q->r.bucket, &q->marked,
                                q->has_entries ? &q->live : &nothing));
    }
}

/* The record is LIVE again.  Each shard has still what we wrote, or somebody else has opened it. */
static void shards_reopen(struct drop_req *q)
{
    if (q->shard == 0) {
        drop_end(q, -R_BUCKET_NOT_EMPTY);
        return;
    }
    q->shard--;
    drop_ask(q, DROP_REOPEN, shard_switch(q, false));
}

/* ---- the way ---- */

static void drop_run(struct op *op)
{
    struct drop_req *q = CONTAINER_OF(op, struct drop_req, r.op);
    int rc = q->call.code;

    switch (q->stage) {
    case DROP_READ:
        drop_ask(q, DROP_MARK, record_get(&q->call, q->r.bucket));
        break;
    case DROP_MARK:
        was_read(q);
        break;
    case DROP_OWN:
        q->shard = 0;
        q->has_entries = false;
        if (rc == -R_GUARD_FAILED)
            drop_again(q);
        else if (rc < 0)
            drop_end(q, rc);
        else
            drop_ask(q, DROP_CLOSE, own_write(&q->call, q->r.who.name, q->r.bucket, &q->own));
        break;
    case DROP_CLOSE:
    case DROP_CLOSED:
    case DROP_LOOK:
        shards_close(q);
        break;
    case DROP_END_RECORD:
        if (rc == -R_GUARD_FAILED)
            drop_again(q);
        else if (rc < 0)
            drop_end(q, rc);
        else /* it is gone; the row that stays behind when this fails is unsure */
            drop_ask(q, DROP_DONE,
                     own_settle(&q->call, q->r.who.name, q->r.bucket, &q->own, false));
        break;
    case DROP_BACK:
        if (rc < 0 && rc != -R_GUARD_FAILED)
            drop_end(q, rc);
        else
            shards_reopen(q);
        break;
    case DROP_REOPEN: /* if it did not work the next visitor of the shard does it */
        shards_reopen(q);
        break;
    case DROP_DONE:
        op_finish(op);
        break;
    }
}

static void drop_finish(struct req *r)
{
    struct drop_req *q = CONTAINER_OF(r, struct drop_req, r);

    bucket_forget(r->l, r->bucket);
    q->done(q->arg, r->op.rc);
}

static void drop_fini(struct req *r)
{
    struct drop_req *q = CONTAINER_OF(r, struct drop_req, r);

    call_fini(&q->call);
    bucket_unref(q->b);
    writer_fini(&q->was);
    writer_fini(&q->live);
    writer_fini(&q->marked);
    writer_fini(&q->own);
    writer_fini(&q->closed);
}

int bucket_delete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  bucket_done_fn *done, void *arg)
{
    int rc = 0;
    struct drop_req *q = req_create(sizeof(*q), l, who, bucket, (struct bytes){0}, drop_run, &rc);

    if (!q)
        return rc;
    q->done = done;
    q->arg = arg;
    call_init(&q->call, l);
    env_timer_init(&q->pause, drop_paused);
    req_start(&q->r, drop_finish, drop_fini);
    return 0;
}
