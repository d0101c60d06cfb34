/* bucket_make.c - creating a bucket.
 *
 *   READ   the record: there is none, or one in MAKING that somebody left or is at; we take it over
 *   CLAIM  record MAKING(our id, our token), guarded on what was read
 *   OWN    the owner's row, unsure: from here on a listing asks the record.  Not before CLAIM: one
 *          that found no record would take the row away under us
 *   NOTE   the shard in the registry, so that a collector finds it whatever becomes of us
 *   SHARD  the shard object; one that came late is noted again, for its note may have gone
 *   LIVE   record LIVE, guarded on our MAKING: the bucket exists
 *   SURE   the owner's row
 *
 * A failed guard at CLAIM or LIVE means that somebody else was faster: begin anew with what the
 * record says now.  What we made by then under our id is an orphan; the collector removes it. */
#include "s3/bucket/registry.h"

enum { MAKE_TRIES_MAX = 30 };
#define MAKE_PAUSE_NS (5 * NS_PER_MS)

enum make_stage {
    MAKE_READ,
    MAKE_CLAIM,
    MAKE_OWN,
    MAKE_NOTE,
    MAKE_SHARD,
    MAKE_LIVE,
    MAKE_SURE,
    MAKE_DONE,
};

struct make_req {
    struct req r;
    struct call call;
    enum make_stage stage;
    struct uuid id;
    uint64_t created_ns, noted_ns;
    uint32_t tries;
    struct writer was, making, live, own;
    struct bytes props; /* in the arena, as encoded */
    struct env_timer pause;
    bucket_done_fn *done;
    void *arg;
};

static void make_woken(struct call *c)
{
    REQ_WAKE(c, struct make_req, call);
}

static void make_paused(struct env_timer *t)
{
    REQ_WAKE(t, struct make_req, pause);
}

static void make_ask(struct make_req *q, enum make_stage next, int rc)
{
    q->stage = next;
    call_submit_if(&q->call, rc, make_woken);
}

/* The record in both of its states. */
static int records_make(struct make_req *q)
{
    struct bucket_row row = {.id = q->id,
                             .created_ns = q->created_ns,
                             .owner = BYTES_STR(q->r.who.name),
                             .state = BUCKET_LIVE};

    writer_fini(&q->live);
    writer_fini(&q->making);
    bucket_row_encode(&row, &q->live);
    row.state = BUCKET_MAKING;
    row.token = layer_uuid(q->r.l);
    bucket_row_encode(&row, &q->making);
    return q->live.rc < 0 ? q->live.rc : q->making.rc;
}

/* What the record says, into q->was; negative when that decides. */
static int was_take(struct make_req *q)
{
    struct bucket_row row;
    int rc = record_take(&q->call, &q->was, &row);

    if (rc == -R_NO_BUCKET)
        return 0;
    if (rc == 0 && row.state != BUCKET_MAKING)
        rc = principal_is(&q->r.who, row.owner) ? -R_BUCKET_YOURS : -R_BUCKET_EXISTS;
    return rc;
}

/* The record becomes LIVE, with a map of one shard for all keys, and map and properties are its
 * own, whoever's lay there before. */
static int live_build(struct make_req *q)
{
    struct props_row props = {.bucket = q->id, .props = q->props};
    int rc = record_replace(&q->call, q->r.bucket, &q->making, &q->live);
    AUTO(writer) w = {0};
    AUTO(writer) map = {0};
    AUTO(writer) version = {0};
    struct cairn_pair pair;
    struct row_key key;

    wr_u64(&version, 0);
    props_row_encode(&props, &w);
    map_row_encode(0, &map);
    if (rc == 0)
        rc = w.rc < 0 ? w.rc : map.rc;
    if (rc == 0)
        rc = version.rc;
    if (rc < 0)
        return rc;
    row_key_map(&key, (struct bytes){0});
    pair = pair_of(key_bytes(&key), written(&map));
    cairn_op_xattr_set(q->call.op, "properties", w.data, w.len);
    cairn_op_xattr_set(q->call.op, "map", version.data, version.len);
    cairn_op_omap_set(q->call.op, &pair, 1);
    return 0;
}

static int note_build(struct make_req *q)
{
    struct shard_note note = {.id = q->id, .bucket = q->r.bucket};

    q->noted_ns = env_now_ns(q->r.l->env);
    return note_write(&q->call, &note);
}

static int shard_build(struct make_req *q)
{
    struct shard_row row = {
        .bucket = q->id, .state = SHARD_OPEN, .generation = 1, .epoch = 1, .mapped = MAPPED_FROM};
    static const uint8_t nothing[SHARD_COUNT_BYTES] = {0};
    struct cairn_op *op = call_begin(&q->call, CALL_INDEX);
    AUTO(writer) w = {0};

    shard_row_encode(&row, &w);
    name_shard(q->call.name, &q->id, 0);
    if (!op || w.rc < 0)
        return -ENOMEM;
    cairn_op_cmp_xattr(op, "shard", CAIRN_ABSENT, NULL, 0);
    cairn_op_xattr_set(op, "shard", w.data, w.len);
    cairn_op_xattr_set(op, "count", nothing, sizeof(nothing));
    call_under_intent(&q->call, q->noted_ns); /* a note is good for as long */
    return 0;
}

/* Somebody else was faster. */
static void make_again(struct make_req *q)
{
    struct bucket_layer *l = q->r.l;

    if (++q->tries == MAKE_TRIES_MAX) {
        op_fail(&q->r.op, -R_BUCKET_BUSY);
        op_finish(&q->r.op);
        return;
    }
    q->stage = MAKE_READ;
    env_timer_after(l->env, &q->pause,
                    MAKE_PAUSE_NS + env_random_u64(l->env) % (MAKE_PAUSE_NS * q->tries));
}

/* The code of the call that has come back; true when it was a lost race. */
static bool make_lost(struct make_req *q)
{
    bool guarded = q->stage == MAKE_OWN || q->stage == MAKE_SURE;

    if (guarded && q->call.code == -R_GUARD_FAILED)
        return true;
    if (q->stage > MAKE_CLAIM && q->stage < MAKE_DONE && q->call.code < 0)
        op_fail(&q->r.op, q->call.code);
    return false;
}

static void make_run(struct op *op)
{
    struct make_req *q = CONTAINER_OF(op, struct make_req, r.op);
    int rc;

    if (make_lost(q)) { /* after CLAIM, after LIVE */
        make_again(q);
        return;
    }
    if (op->rc < 0)
        q->stage = MAKE_DONE;
    switch (q->stage) {
    case MAKE_READ:
        make_ask(q, MAKE_CLAIM, record_get(&q->call, q->r.bucket));
        break;
    case MAKE_CLAIM:
        q->id = layer_uuid(q->r.l);
        q->created_ns = env_wall_ns(q->r.l->env);
        rc = was_take(q);
        if (rc == 0)
            rc = records_make(q);
        if (rc == 0)
            rc = own_unsure(q->r.l, &q->id, q->created_ns, &q->own);
        if (rc < 0) {
            op_fail(op, rc);
            op_finish(op);
            break;
        }
        make_ask(q, MAKE_OWN, record_replace(&q->call, q->r.bucket, &q->was, &q->making));
        break;
    case MAKE_OWN:
        make_ask(q, MAKE_NOTE, own_write(&q->call, q->r.who.name, q->r.bucket, &q->own));
        break;
    case MAKE_NOTE:
        make_ask(q, MAKE_SHARD, note_build(q));
        break;
    case MAKE_SHARD:
        if (note_is_old(q->r.l, q->noted_ns)) /* we have slept */
            make_again(q);
        else
            make_ask(q, MAKE_LIVE, shard_build(q));
        break;
    case MAKE_LIVE:
        if (note_is_old(q->r.l, q->noted_ns)) /* the shard may have come late */
            make_ask(q, MAKE_LIVE, note_build(q));
        else
            make_ask(q, MAKE_SURE, live_build(q));
        break;
    case MAKE_SURE: /* it exists; an unsure row is only slower to list */
        q->stage = MAKE_DONE;
        call_submit_if(&q->call, own_settle(&q->call, q->r.who.name, q->r.bucket, &q->own, true),
                       make_woken);
        break;
    case MAKE_DONE:
        op_finish(op);
        break;
    }
}

static void make_finish(struct req *r)
{
    struct make_req *q = CONTAINER_OF(r, struct make_req, r);

    if (r->op.rc == 0)
        bucket_forget(r->l, r->bucket); /* one of this name that was before */
    q->done(q->arg, r->op.rc);
}

static void make_fini(struct req *r)
{
    struct make_req *q = CONTAINER_OF(r, struct make_req, r);

    call_fini(&q->call);
    writer_fini(&q->was);
    writer_fini(&q->making);
    writer_fini(&q->live);
    writer_fini(&q->own);
}

int bucket_create(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  const struct s3_header *props, uint32_t prop_count, bucket_done_fn *done,
                  void *arg)
{
    int rc = who->anonymous ? -R_DENIED : props_check(props, prop_count);
    struct make_req *q = NULL;
    AUTO(writer) w = {0};

    if (rc == 0 && (!bucket_name_valid(bucket) || bucket_name_reserved(bucket)))
        rc = -R_BAD_BUCKET_NAME;
    if (rc == 0)
        q = req_create(sizeof(*q), l, who, bucket, (struct bytes){0}, make_run, &rc);
    if (!q)
        return rc;
    headers_encode(props, prop_count, &w);
    rc = w.rc < 0 ? w.rc : bytes_dup(&q->r.op.arena, written(&w), &q->props);
    if (rc < 0) {
        req_destroy(&q->r);
        return rc;
    }
    q->done = done;
    q->arg = arg;
    call_init(&q->call, l);
    env_timer_init(&q->pause, make_paused);
    req_start(&q->r, make_finish, make_fini);
    return 0;
}
