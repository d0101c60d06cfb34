/* bucket_drop.c - deleting a bucket, which must be empty.
 *
 *   READ    the record: LIVE, or DELETING by somebody (whom we give a moment before we take over)
 *   MARK    record DELETING(token), guarded on what was read
 *   OWN     the owner's row, unsure.  Not before MARK: a listing that still found the record LIVE
 *           would make it sure under us
 *   CLOSE   each shard, from the first to the one that each names as the next, to closed(token):
 *           nothing can be linked in it from then on; a move that it is in is ended before
 *   LOOK    whether it has an entry, guarded on our closed(token)
 *   WIDE    after the first one: all that we know of, some at a time (closers.c); the way along the
 *           chain then closes what was passed over
 *   REMOVE  the record, guarded on our DELETING: the bucket is gone
 *   or BACK record LIVE, when there are entries; then REOPEN the shards that we closed and the
 *           owner's row away
 *
 * Whoever meets a closed shard may turn the record back to LIVE (resolve.c); then our guard at
 * REMOVE fails and we begin anew, a few times.  The shards stay for the collector. */
#include "s3/bucket/closers.h"
#include "s3/bucket/registry.h"
#include "s3/bucket/settle.h"

enum { DROP_TRIES_MAX = 10, CLOSE_TRIES_MAX = 30 };
#define OTHERS_NS (2 * NS_PER_S)
#define PAUSE_NS  (20 * NS_PER_MS)

enum drop_stage {
    DROP_READ,
    DROP_MARK,
    DROP_OWN,
    DROP_CLOSE,
    DROP_CLOSE_READ,
    DROP_CLOSED,
    DROP_LOOK,
    DROP_WIDE,
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
    uint32_t tries, close_tries;
    uint64_t others_since_ns;
    struct uuid id; /* of the bucket */
    uint64_t created_ns;
    uint64_t shard;          /* the one being closed */
    struct shard_view *view; /* ref: its row; NULL: not read yet */
    struct closers closers;  /* ... and all that were */
    struct settle settle;
    struct writer was; /* record as read */
    struct writer live, marked;
    struct writer own;
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
    q->id = row.id;
    q->created_ns = row.created_ns;
    return q->live.rc < 0 || q->marked.rc < 0 ? -ENOMEM : 0;
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
        rc = own_unsure(q->r.l, &q->id, q->created_ns, &q->own);
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

static void view_drop(struct drop_req *q)
{
    shard_view_unref(TAKE(q->view));
}

/* The shard's row as it is; then it is closed, when it is in no move. */
static int shard_read(struct drop_req *q)
{
    struct cairn_op *op = call_begin(&q->call, CALL_INDEX);

    name_shard(q->call.name, &q->id, q->shard);
    if (op)
        cairn_op_xattr_get(op, "shard");
    return 0;
}

static int shard_switch(struct drop_req *q)
{
    struct shard_row row;
    int rc;

    shard_row_closed(&q->view->row, &q->token, &row);
    (void)row_replace(&q->call, q->view, &row, &rc); /* the submit says when there is no memory */
    return rc < 0 ? rc : shard_view_next(&q->view, &row);
}

static void shard_settled(struct settle *s, int rc)
{
    struct drop_req *q = CONTAINER_OF(s, struct drop_req, settle);

    if (rc < 0)
        drop_end(q, rc);
    else
        drop_ask(q, DROP_CLOSE_READ, shard_read(q));
}

/* The row that was read, or that failed our guard. */
static void shard_close(struct drop_req *q)
{
    struct bytes value = {0};
    int rc = call_present(&q->call, 0, &value);

    view_drop(q);
    if (rc == 0 && !value.len) {
        drop_again(q);
        return;
    }
    if (rc == 0)
        q->view = shard_view_create(value, &rc);
    if (rc == 0 && ++q->close_tries == CLOSE_TRIES_MAX)
        rc = -R_BUCKET_BUSY;
    if (rc == 0 && q->view->row.state == SHARD_EMPTY)
        rc = -R_BUCKET_BUSY; /* merged away between the row before it and this one */
    if (rc < 0)
        drop_end(q, rc); /* whoever comes next rolls us back */
    else if (q->view->row.move != MOVE_NONE)
        settle_run(&q->settle, &q->id, q->shard, true, shard_settled);
    else
        drop_ask(q, DROP_CLOSED, shard_switch(q));
}

static void close_begin(struct drop_req *q, uint64_t shard)
{
    q->shard = shard;
    q->close_tries = 0;
    drop_ask(q, DROP_CLOSE_READ, shard_read(q));
}

/* All are closed and empty, or one is not. */
static void shards_known(struct drop_req *q)
{
    const struct writer nothing = {0};
    bool back = q->closers.has_entries;

    drop_ask(q, back ? DROP_BACK : DROP_END_RECORD,
             record_replace(&q->call, q->r.bucket, &q->marked, back ? &q->live : &nothing));
}

/* From a shard that is closed along the chain, to one that is not, or to the end. */
static void chain_follow(struct drop_req *q, const struct shard_row *r)
{
    while (r && r->to.len && !q->closers.has_entries) {
        const struct shard_row *next = closers_find(&q->closers, r->next);

        if (!next || !bytes_equal(next->from, r->to)) {
            close_begin(q, r->next);
            return;
        }
        r = next;
    }
    shards_known(q);
}

static void wide_over(struct closers *s)
{
    REQ_WAKE(s, struct drop_req, closers);
}

/* Those that the cache knows; 1: it is under way, 0: there is nothing to do. */
static int wide_begin(struct drop_req *q)
{
    struct bucket *b = bucket_cached(q->r.l, q->r.bucket);
    int rc = 0;

    if (b && uuid_equal(&b->id, &q->id) && b->shard_count > 1) {
        q->stage = DROP_WIDE;
        rc = closers_close(&q->closers, b, wide_over);
        rc = rc < 0 ? rc : 1;
    }
    bucket_unref(b);
    return rc;
}

static void shard_looked(struct drop_req *q)
{
    int rc = closers_add(&q->closers, q->view);

    q->closers.has_entries = shard_has_entries(&q->call);
    if (rc == 0 && q->shard == 0 && q->view->row.to.len && !q->closers.has_entries)
        rc = wide_begin(q);
    if (rc < 0)
        drop_end(q, rc);
    else if (rc == 0)
        chain_follow(q, &q->view->row);
}

static void shards_close(struct drop_req *q)
{
    int rc = q->call.code;

    if (q->stage == DROP_CLOSE_READ && (rc == -R_NO_OBJECT || rc == -R_NO_XATTR))
        drop_again(q); /* merged away, or drained: the record knows */
    else if (rc == -R_GUARD_FAILED || (rc == 0 && q->stage == DROP_CLOSE_READ))
        shard_close(q);
    else if (rc < 0)
        drop_end(q, rc);
    else if (q->stage == DROP_LOOK)
        shard_looked(q);
    else {
        shard_look(&q->call, q->view);
        drop_ask(q, DROP_LOOK, 0);
    }
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
        closers_begin(&q->closers, &q->id, &q->token);
        if (rc == -R_GUARD_FAILED)
            drop_again(q);
        else if (rc < 0)
            drop_end(q, rc);
        else
            drop_ask(q, DROP_CLOSE, own_write(&q->call, q->r.who.name, q->r.bucket, &q->own));
        break;
    case DROP_CLOSE:
        if (rc < 0)
            drop_end(q, rc);
        else
            close_begin(q, 0);
        break;
    case DROP_CLOSE_READ:
    case DROP_CLOSED:
    case DROP_LOOK:
        shards_close(q);
        break;
    case DROP_WIDE:
        chain_follow(q, &q->view->row);
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
        if (rc < 0 && rc != -R_GUARD_FAILED) {
            drop_end(q, rc);
        } else {
            q->stage = DROP_REOPEN;
            closers_reopen(&q->closers, wide_over);
        }
        break;
    case DROP_REOPEN:
        drop_end(q, -R_BUCKET_NOT_EMPTY);
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
    settle_fini(&q->settle);
    view_drop(q);
    closers_fini(&q->closers);
    writer_fini(&q->was);
    writer_fini(&q->live);
    writer_fini(&q->marked);
    writer_fini(&q->own);
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
    q->call.frees = true;
    settle_init(&q->settle, l);
    closers_init(&q->closers, l);
    env_timer_init(&q->pause, drop_paused);
    req_start(&q->r, drop_finish, drop_fini);
    return 0;
}
