/* resolve.c - which bucket, which shard, and is what we believe of it still so?
 *
 * Nothing is done on the word of the cache.  Every operation on a shard is guarded by the shard row
 * that we believe in; a failed guard brings the present row.  From there (shard_move.c,
 * shard_route):
 *
 *   here               go, guarded on that row
 *   right, left        the key is another shard's: the one that follows, or the one that we know
 *                      before it, whose row is read anew
 *   being copied away  a write waits, as long as the mark says; then it takes the mark away
 *   being copied here  bring that move to its end, or go where the key still is
 *   closed, or absent  read the record, with its map:
 *     absent, making, another id   NO_BUCKET, or the new bucket of that name
 *     live                         a deletion went back before the shard was reopened: reopen it;
 *                                  or the shard was merged away: go by the map
 *     deleting                     wait, up to DELETION_WAIT; then turn the record back to live
 *
 * What a repair writes is guarded on what it has read, so that any number of gateways may repair at
 * the same time, and a deleter that lives notices (bucket_drop.c). */
#include "s3/bucket/registry.h"
#include "s3/bucket/settle.h"

enum { TRIES_MAX = 80, TRIES_AT_ONCE = 12 };
#define DELETION_WAIT_NS (2 * NS_PER_S)
#define PAUSE_NS         (20 * NS_PER_MS)
#define PROBE_NS         (3 * NS_PER_MS)
#define MOVING_NS        (8 * NS_PER_MS)

static void access_go(struct access *a);

static void access_end(struct access *a, int code)
{
    if (a->moving_since_ns) {
        struct gauge *max = &a->l->n.move_wait_us_max;
        uint64_t us = (env_now_ns(a->l->env) - a->moving_since_ns) / 1000;

        gauge_set(max, MAX(gauge_get(max), (int64_t)us));
    }
    a->busy = false;
    a->code = code;
    a->done(a); /* it may be gone */
}

static void access_paused(struct env_timer *t)
{
    struct access *a = CONTAINER_OF(t, struct access, timer);

    list_remove(&a->moving_link);
    access_go(a);
}

void accesses_moved(struct bucket_layer *l, const struct uuid *token)
{
    struct list due;

    list_init(&due);
    LIST_EACH_SAFE (pos, &l->moving) {
        struct access *a = LIST_ENTRY(pos, struct access, moving_link);

        if (!uuid_equal(&a->moving, token))
            continue;
        list_remove(&a->moving_link);
        list_push_back(&due, &a->moving_link);
    }
    while (!list_empty(&due)) {
        struct access *a = LIST_FIRST(&due, struct access, moving_link);

        list_remove(&a->moving_link);
        env_timer_cancel(l->env, &a->timer);
        access_go(a);
    }
}

void access_init(struct access *a, struct bucket_layer *l, const struct s3_principal *who,
                 struct bytes bucket, struct bytes key)
{
    memset(a, 0, sizeof(*a));
    a->l = l;
    call_init(&a->call, l);
    a->checked = who != NULL;
    if (who)
        memcpy(a->who, who->name, sizeof(a->who));
    ASSERT(bucket.len <= S3_BUCKET_NAME_MAX);
    memcpy(a->name, bucket.data, bucket.len);
    a->key = key;
    env_timer_init(&a->timer, access_paused);
    list_init(&a->moving_link);
}

void access_fini(struct access *a)
{
    ASSERT(!a->busy);
    call_fini(&a->call);
    if (a->settle) {
        settle_fini(a->settle);
        mem_free(TAKE(a->settle));
    }
    shard_view_unref(TAKE(a->view));
    bucket_unref(TAKE(a->mapped));
    bucket_unref(TAKE(a->b));
    writer_fini(&a->old);
    writer_fini(&a->new);
}

/* One more round, or too many. */
static bool access_again(struct access *a)
{
    if (++a->tries < TRIES_MAX)
        return true;
    access_end(a, -R_BUCKET_BUSY);
    return false;
}

static void view_set(struct access *a, struct shard_view *v)
{
    shard_view_ref(v);
    shard_view_unref(a->view);
    a->view = v;
    a->fresh = false;
}

/* ---- repairs ---- */

static void repaired(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);

    if (c->code < 0 && c->code != -R_GUARD_FAILED)
        access_end(a, c->code);
    else if (access_again(a))
        access_go(a); /* its guard tells what the row is now */
}

/* Full OSDs take it, too: behind it lies what somebody wants to see and to delete. */
static void repair(struct access *a, int rc, void (*done)(struct call *c))
{
    if (a->call.op)
        cairn_op_frees(a->call.op);
    call_submit_if(&a->call, rc, done);
}

/* The record is LIVE and the shard closed: nobody is deleting. */
static void shard_reopen(struct access *a)
{
    struct shard_row row = a->view->row;
    int rc;

    row.state = SHARD_OPEN;
    row.generation++;
    memset(&row.token, 0, sizeof(row.token));
    (void)row_replace(&a->call, a->view, &row, &rc); /* the submit says when there is no memory */
    repair(a, rc, repaired);
}

/* Whoever copies the range is dead, or slower than a writer may wait. */
static void mark_take_back(struct access *a)
{
    struct shard_row row;
    int rc;

    counter_add(&a->l->n.moves_undone, 1);
    move_end(&a->view->row, &row);
    (void)row_replace(&a->call, a->view, &row, &rc);
    repair(a, rc, repaired);
}

static void undeleted(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);

    if (c->code == 0)
        counter_add(&a->l->n.deletes_undone, 1);
    repaired(c);
}

/* The deleter is dead, or slower than anybody wants to wait. */
static void record_undelete(struct access *a, struct bucket_row row)
{
    row.state = BUCKET_LIVE;
    memset(&row.token, 0, sizeof(row.token));
    writer_fini(&a->new);
    bucket_row_encode(&row, &a->new);
    repair(a, record_replace(&a->call, BYTES_STR(a->name), &a->old, &a->new), undeleted);
}

/* ---- who may ---- */

bool access_owns(const struct access *a)
{
    return !a->checked || strcmp(a->who, a->b->owner) == 0;
}

/* As far as the bucket decides. */
static int access_may(const struct access *a)
{
    if (access_owns(a) || a->right == RIGHT_READ)
        return 0;
    return a->right == RIGHT_LIST && bucket_public(a->b, a->b->acl) ? 0 : -R_DENIED;
}

int access_ask_entry(struct access *a, struct cairn_op *op)
{
    struct cairn_pair pair;
    struct row_key key;

    row_key_named(&key, ROW_ENTRY, a->key);
    pair = pair_of(key_bytes(&key), (struct bytes){0});
    cairn_op_omap_get(op, &pair, 1);
    return 0;
}

int access_may_read(const struct access *a, const uint8_t *acl)
{
    bool owns = access_owns(a);

    if (!acl) /* who may not list is not told what there is */
        return owns || bucket_public(a->b, a->b->acl) ? -R_NO_KEY : -R_DENIED;
    return owns || bucket_public(a->b, *acl) ? 0 : -R_DENIED;
}

/* ---- the record, with its map ---- */

static void record_ask(struct access *a, void (*done)(struct call *c))
{
    struct cairn_op *op = call_begin(&a->call, CALL_INDEX);

    if (op) {
        cairn_op_xattr_get(op, "record");
        cairn_op_xattr_get(op, "properties");
        map_range(op, (struct bytes){0});
    }
    a->asked_ns = env_now_ns(a->l->env);
    name_bucket(a->call.name, BYTES_STR(a->name));
    call_submit(&a->call, done);
}

/* 0 with the row (in a->old), or why there is no such bucket. */
static int record_read(struct access *a, struct bucket_row *out_row)
{
    int rc = record_take(&a->call, &a->old, out_row);

    if (rc == 0 && out_row->state == BUCKET_MAKING)
        return -R_NO_BUCKET;
    return rc;
}

static void map_paged(struct call *c);

/* A page of the map has come: its shards are added, the next page is asked for, or we go. */
static void map_take(struct access *a, int step)
{
    bool more = false;
    int rc = map_add(a->mapped, &a->call, step, &a->new, &more);
    struct cairn_op *op;

    if (rc < 0) {
        access_end(a, rc);
        return;
    }
    if (a->absent)
        bucket_shard_forget(a->mapped, a->absent); /* whatever the map says */
    if (more) {
        op = call_begin(&a->call, CALL_INDEX);
        if (op)
            map_range(op, written(&a->new));
        name_bucket(a->call.name, BYTES_STR(a->name));
        call_submit(&a->call, map_paged);
        return;
    }
    if (a->b)
        bucket_cache_drop(a->l, a->b);
    bucket_unref(a->b);
    a->b = TAKE(a->mapped);
    bucket_cache_add(a->l, a->b);
    rc = access_may(a);
    if (rc < 0) {
        bucket_unref(TAKE(a->b));
        access_end(a, rc);
    } else if (access_again(a)) {
        access_go(a);
    }
}

static void map_paged(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);

    if (c->code < 0 && c->code != -R_NO_OBJECT)
        access_end(a, c->code);
    else
        map_take(a, 0); /* gone meanwhile: the shards will tell */
}

/* A bucket of this record becomes the one we work on. */
static void access_adopt(struct access *a, const struct bucket_row *row)
{
    struct bytes props;
    int rc = 0;

    if (a->pinned && !uuid_equal(&row->id, &a->pin)) {
        access_end(a, -R_NO_BUCKET); /* the one we mean is gone */
        return;
    }
    bucket_unref(a->mapped);
    a->mapped = bucket_of_row(BYTES_STR(a->name), row);
    rc = a->mapped ? call_present(&a->call, 1, &props) : -ENOMEM;
    if (rc == 0)
        rc = bucket_props_learn(a->mapped, props, a->asked_ns);
    if (rc < 0)
        access_end(a, rc);
    else
        map_take(a, 2);
}

/* The shard was closed or absent when we asked; the record was read after it. */
static void judge_same(struct access *a, const struct bucket_row *row)
{
    uint64_t now = env_now_ns(a->l->env);

    if (!a->closed && a->no != 0) {
        access_adopt(a, row); /* merged away */
        return;
    }
    if (row->state == BUCKET_LIVE) {
        if (a->closed) {
            shard_reopen(a);
            return;
        }
        log_error(&a->l->log, "a bucket has lost its index shard", KV_STR("bucket", a->name));
        access_end(a, -R_DATA_LOST);
        return;
    }
    if (!a->waiting_since_ns)
        a->waiting_since_ns = now;
    if (now - a->waiting_since_ns < DELETION_WAIT_NS)
        env_timer_after(a->l->env, &a->timer, PAUSE_NS + PAUSE_NS * MIN(a->tries, 4u));
    else
        record_undelete(a, *row);
}

static void judged(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);
    struct bucket_row row;
    int rc = record_read(a, &row);

    if (rc == 0 && uuid_equal(&row.id, &a->b->id)) {
        judge_same(a, &row);
        return;
    }
    bucket_cache_drop(a->l, a->b);
    if (rc < 0)
        access_end(a, rc);
    else
        access_adopt(a, &row);
}

static void resolved(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);
    struct bucket_row row;
    int rc = record_read(a, &row);

    if (rc < 0) {
        bucket_unref(TAKE(a->b)); /* what the cache had is not what we may use */
        access_end(a, rc);
    } else {
        access_adopt(a, &row);
    }
}

/* ---- the way to the shard ---- */

static void access_try(struct access *a);

/* The row of the shard that we asked, as it is now. */
static void row_came(struct access *a, struct bytes value)
{
    struct shard_view *v = NULL;
    int rc = 0;

    counter_add(&a->l->n.shard_refreshes, 1);
    view_set(a, NULL);
    if (value.len)
        v = shard_view_create(value, &rc);
    if (rc == 0 && v && v->row.state != SHARD_CLOSED)
        rc = bucket_learn(a->b, v);
    view_set(a, v);
    shard_view_unref(v);
    if (rc < 0) {
        access_end(a, rc);
        return;
    }
    a->fresh = true;
    if (!access_again(a))
        return;
    if (v) {
        access_try(a);
        return;
    }
    bucket_shard_forget(a->b, a->no);
    a->closed = false;
    a->absent = a->no;
    record_ask(a, judged);
}

static void probed(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);
    struct bytes value = {0};
    int rc = c->code;

    if (rc == 0)
        rc = call_present(c, 0, &value);
    if (rc < 0 && rc != -R_NO_OBJECT && rc != -R_NO_XATTR)
        access_end(a, rc);
    else
        row_came(a, value);
}

static void probe(struct access *a)
{
    struct cairn_op *op = call_begin(&a->call, CALL_INDEX);

    name_shard(a->call.name, &a->b->id, a->no);
    if (op)
        cairn_op_xattr_get(op, "shard");
    call_submit(&a->call, probed);
}

static void access_ran(struct call *c)
{
    struct access *a = CONTAINER_OF(c, struct access, call);
    struct bytes value;
    int rc = c->code;

    if (rc == -R_GUARD_FAILED && cairn_op_failed_step(c->op) == 0) {
        rc = call_present(c, 0, &value);
        if (rc == 0) {
            row_came(a, value);
            return;
        }
    }
    access_end(a, rc);
}

static void run_here(struct access *a)
{
    struct cairn_op *op = call_begin(&a->call, CALL_INDEX);
    int rc = 0;

    name_shard(a->call.name, &a->b->id, a->no);
    if (op && a->view) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, a->view->value, a->view->bytes);
        rc = a->build(a, op);
    } else if (op) { /* fails, and brings the row */
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, NULL, 0);
    }
    call_submit_if(&a->call, rc, access_ran);
}

/* To a shard that another one's row has named. */
static void step_to(struct access *a, uint64_t no)
{
    struct shard *s = bucket_shard_no(a->b, no);

    a->no = no;
    view_set(a, s ? s->view : NULL);
    access_try(a);
}

/* The same, on a way that might be a circle while others change the shards. */
static void step_again(struct access *a, uint64_t no)
{
    if (!access_again(a))
        return;
    if (a->tries > TRIES_AT_ONCE)
        env_timer_after(a->l->env, &a->timer, PROBE_NS);
    else
        step_to(a, no);
}

/* To the one before: what we know of it let us pass over it. */
static void step_left(struct access *a)
{
    uint64_t from = a->no;
    struct shard *s;

    bucket_shard_forget(a->b, a->no);
    if (a->view->row.state != SHARD_EMPTY && bucket_learn(a->b, a->view) < 0) {
        access_end(a, -ENOMEM);
        return;
    }
    s = bucket_shard(a->b, a->key);
    if (!s || s->no == from) { /* none is known: by the map */
        a->closed = false;
        record_ask(a, resolved);
        return;
    }
    shard_view_unref(TAKE(s->view));
    step_again(a, s->no);
}

static void settled(struct settle *s, int rc)
{
    struct access *a = s->access;
    bool elsewhere = rc == 0 && s->mine && s->mine->row.move == MOVE_IN;

    if (rc < 0)
        access_end(a, rc);
    else if (elsewhere) /* its source has the key still */
        step_again(a, s->mine->row.m.peer);
    else if (access_again(a))
        probe(a);
}

static void settle_here(struct access *a)
{
    if (!a->settle) {
        a->settle = mem_alloc(sizeof(*a->settle));
        if (!a->settle) {
            access_end(a, -ENOMEM);
            return;
        }
        settle_init(a->settle, a->l);
    }
    a->settle->access = a;
    settle_run(a->settle, &a->b->id, a->no, false, settled);
}

/* The key is being copied away.  The row is fresh. */
static void wait_here(struct access *a)
{
    const struct shard_row *r = &a->view->row;
    uint64_t now = env_now_ns(a->l->env);

    if (!a->moving_since_ns || !uuid_equal(&a->moving, &r->m.token)) {
        a->moving = r->m.token;
        a->moving_since_ns = now;
        counter_add(&a->l->n.move_waits, 1);
    }
    if (now - a->moving_since_ns >= r->m.patience_ms * NS_PER_MS) {
        mark_take_back(a);
        return;
    }
    a->tries--;                                     /* the mark says how long */
    list_push_back(&a->l->moving, &a->moving_link); /* a mover of ours tells; others are asked */
    env_timer_after(a->l->env, &a->timer, MOVING_NS);
}

static void access_try(struct access *a)
{
    enum shard_route route = ROUTE_HERE;

    if (a->view)
        route = shard_route(&a->view->row, a->key, !a->reading);
    if ((route == ROUTE_WAIT || route == ROUTE_LEFT) && !a->fresh) {
        probe(a); /* what we remember may be long past */
        return;
    }
    switch (route) {
    case ROUTE_HERE:
        run_here(a);
        break;
    case ROUTE_WAIT:
        wait_here(a);
        break;
    case ROUTE_SETTLE:
        settle_here(a);
        break;
    case ROUTE_RIGHT:
        step_to(a, a->view->row.next); /* it begins behind us: no circle */
        break;
    case ROUTE_LEFT:
        step_left(a);
        break;
    case ROUTE_CLOSED:
        a->closed = true;
        if (PLANTED(PLANT_REOPEN_BLIND))
            shard_reopen(a);
        else
            record_ask(a, judged);
        break;
    }
}

/* From the beginning: the shard that has the key as far as we know. */
static void access_go(struct access *a)
{
    struct shard *s = bucket_shard(a->b, a->key);

    if (!s) {
        a->closed = false;
        record_ask(a, resolved);
        return;
    }
    a->no = s->no;
    if (a->tries > TRIES_AT_ONCE && !a->waiting_since_ns && !a->moving_since_ns)
        shard_view_unref(TAKE(s->view)); /* going in circles: trust nothing */
    view_set(a, s->view);
    access_try(a);
}

static void access_resolve(struct access *a)
{
    a->b = bucket_cached(a->l, BYTES_STR(a->name));
    if (!a->b)
        record_ask(a, resolved);
    else if (!access_owns(a) && (a->right == RIGHT_OWN || !bucket_fresh(a->l, a->b)))
        record_ask(a, resolved); /* it may be another bucket by now, or have another ACL */
    else if (a->pinned && !uuid_equal(&a->b->id, &a->pin))
        record_ask(a, resolved);
    else if (access_may(a) < 0)
        record_ask(a, resolved); /* a refusal is always of the present */
    else
        access_go(a);
}

void access_pin(struct access *a, const struct uuid *bucket)
{
    a->pinned = true;
    a->pin = *bucket;
}

static void begin(struct access *a, bool reading,
                  int (*build)(struct access *a, struct cairn_op *op),
                  void (*done)(struct access *a))
{
    ASSERT(!a->busy);
    a->busy = true;
    a->reading = reading;
    a->tries = 0;
    a->waiting_since_ns = a->moving_since_ns = 0;
    a->absent = 0;
    a->build = build;
    a->done = done;
    if (a->b)
        access_go(a);
    else
        access_resolve(a);
}

void access_run(struct access *a, int (*build)(struct access *a, struct cairn_op *op),
                void (*done)(struct access *a))
{
    begin(a, false, build, done);
}

void access_read(struct access *a, int (*build)(struct access *a, struct cairn_op *op),
                 void (*done)(struct access *a))
{
    begin(a, true, build, done);
}
