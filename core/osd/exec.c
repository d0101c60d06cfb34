/* exec.c - a client's operation on its way through the primary.
 *
 *   QUEUED ─▶ CHECK ─▶ STEPS ─┬─ read, or failed ─────────────▶ COMMIT ─▶ LEASE ─▶ answered
 *               │             └─ write: ordered and submitted ─▶ COMMIT ─────────▶ answered
 *               └─ blocked: an object must be copied first, or there is no room
 *
 * Operations on one object run in the order of arrival (struct octx): reads beside each other, a
 * write alone, and only until its transaction is with the store.  They see the projected state,
 * everything submitted before, durable or not; therefore an answer that could tell of a write waits
 * until that write is committed, also the answer of a failed guard.  Reads leave under a lease
 * only, looked at as they leave.
 *
 * Everything that can change while an operation waits (fencing, repeats, missing objects) is looked
 * at when it runs, not when it arrives; fencing also as a write is ordered, for its guards may have
 * waited for the disk.  When the interval ends, its operations are sent back with
 * -R_OLD_EPOCH: the client asks again in the new one, and what had been ordered is found in the
 * log. */
#include "core/osd/pg.h"

enum { POOL_MAX = 256 };
#define INACTIVE_WAIT_NS (30 * NS_PER_S)

/* ---- memory ---- */

static struct client_op *op_new(struct osd *o)
{
    struct list *node = list_pop_front(&o->free_ops);
    struct client_op *op;

    if (node) {
        o->free_op_count--;
        op = LIST_ENTRY(node, struct client_op, link);
        *op = (struct client_op){0};
    } else {
        op = mem_zalloc(sizeof(*op));
        if (!op)
            return NULL;
    }
    list_init(&op->link);
    list_init(&op->pg_link);
    return op;
}

/* It is evaluated: the next one on the object may begin. */
static void slot_free(struct client_op *op, struct octx *x)
{
    if (!op->holds)
        return;
    op->holds = false;
    if (op->write)
        x->writing = false;
    else
        x->readers--;
}

void exec_op_free(struct client_op *op)
{
    struct pg *pg = op->pg;
    struct osd *o = pg->o;

    ASSERT(!op->busy);
    list_remove(&op->link);
    list_remove(&op->pg_link);
    exec_clones_drop(op);
    buf_fini(&op->read.data);
    msg_free(op->reply ? &op->reply->base : NULL);
    msg_free(op->m ? &op->m->base : NULL);
    session_unref(op->session);
    if (op->octx) {
        struct octx *x = TAKE(op->octx);

        slot_free(op, x);
        octx_run(x);
        octx_unref(x);
    }
    if (o->free_op_count < POOL_MAX) {
        list_push_back(&o->free_ops, &op->link);
        o->free_op_count++;
    } else {
        mem_free(op);
    }
}

void exec_pool_fini(struct osd *o)
{
    struct list *node;

    while ((node = list_pop_front(&o->free_ops)))
        mem_free(LIST_ENTRY(node, struct client_op, link));
    o->free_op_count = 0;
}

/* ---- the order of one object ---- */

struct octx *octx_find(const struct pg *pg, const struct oid *oid)
{
    uint64_t hash = oid_hash64(oid);

    for (struct hnode *n = htable_first(&pg->octxs, hash); n; n = htable_next(n)) {
        struct octx *x = CONTAINER_OF(n, struct octx, node);

        if (oid_equal(&x->oid, oid))
            return x;
    }
    return NULL;
}

static struct octx *octx_get(struct pg *pg, const struct oid *oid)
{
    struct octx *x = octx_find(pg, oid);

    if (x) {
        x->refs++;
        return x;
    }
    x = mem_zalloc(sizeof(*x));
    if (!x || oid_copy(oid, &x->oid) < 0) {
        mem_free(x);
        return NULL;
    }
    x->pg = pg;
    x->refs = 1;
    list_init(&x->queue);
    htable_insert(&pg->octxs, &x->node, oid_hash64(oid));
    return x;
}

void octx_unref(struct octx *x)
{
    if (--x->refs > 0)
        return;
    ASSERT(list_empty(&x->queue) && !x->opening && !x->last && !x->writing && x->readers == 0);
    htable_remove(&x->pg->octxs, &x->node);
    object_unref(x->obj);
    oid_fini(&x->oid);
    mem_free(x);
}

static void octx_opened(struct object_open *open)
{
    struct octx *x = CONTAINER_OF(open, struct octx, open);
    struct pg *pg = x->pg;

    x->opening = false;
    pg->busy--;
    x->obj = open->obj;
    if (open->rc < 0)
        osd_retry_later(pg->o); /* no memory; anything else has stopped the store */
    else
        octx_run(x);
    octx_unref(x);
    pg_maybe_free(pg);
}

static void octx_load(struct octx *x)
{
    x->opening = true;
    x->refs++;
    x->pg->busy++;
    x->open = (struct object_open){.oid = x->oid, .done = octx_opened};
    store_object_open(x->pg->o->store, &x->open);
}

/* True when the object is open. */
static bool octx_open(struct octx *x)
{
    if (x->obj || store_object_peek(x->pg->o->store, &x->oid, &x->obj))
        return true;
    if (!x->opening)
        octx_load(x);
    return false;
}

void octx_run(struct octx *x)
{
    if (x->running || !pg_serves(x->pg))
        return; /* the loop below goes on; or all will be sent back */
    x->running = true;
    x->refs++;
    while (!list_empty(&x->queue) && pg_serves(x->pg) && octx_open(x)) {
        struct client_op *op = LIST_FIRST(&x->queue, struct client_op, link);

        if (x->writing || (op->write && x->readers))
            break;
        list_remove(&op->link);
        x->writing = op->write;
        x->readers += !op->write;
        op->holds = true;
        op->stage = EXEC_CHECK;
        exec_run(op);
    }
    x->running = false;
    octx_unref(x);
}

/* ---- answers ---- */

static void answer(struct client_op *op)
{
    struct osd *o = op->pg->o;
    struct msg_osd_op_reply *r = TAKE(op->reply);

    r->op = op->m->reqid.op;
    r->attempt = op->m->attempt;
    r->epoch = o->map->epoch;
    o->n.ops++;
    if (op->write)
        o->n.writes++;
    else
        o->n.reads++;
    osd_op_latency(o, op->write, env_now_ns(o->env) - op->start_ns);
    session_send(op->session, &r->base);
    exec_op_free(op);
}

/* Before there is a client_op, or instead of its answer. */
static void refuse(struct osd *o, struct session *s, const struct msg_osd_op *m, int rc)
{
    struct msg_osd_op_reply *r = MESSAGE_NEW(osd_op_reply);

    if (!r) {
        session_close(s); /* the client sends again what was not answered */
        return;
    }
    step_results_init(&r->results);
    r->op = m->reqid.op;
    r->attempt = m->attempt;
    r->epoch = o->map->epoch;
    r->rc = rc;
    session_send(s, &r->base);
}

static void send_back(struct client_op *op, int rc)
{
    refuse(op->pg->o, op->session, op->m, rc);
    exec_op_free(op);
}

/* We cannot: the session ends and the client sends it again. */
static void give_up(struct client_op *op)
{
    session_close(op->session);
    exec_op_free(op);
}

/* Leaves as soon as what it saw is committed and, if it is no acknowledged write, a lease holds. */
static void settle(struct client_op *op, bool lease)
{
    struct pg *pg = op->pg;
    struct osd *o = pg->o;

    op->stage = EXEC_COMMIT;
    op->needs_lease = lease;
    if (version_lt(pg->committed_to, op->seen)) {
        struct rep *rep = replicate_find(pg, op->seen);

        ASSERT(rep);
        o->n.reads_waited++;
        list_push_back(&rep->readers, &op->link);
        return;
    }
    op->stage = EXEC_LEASE;
    if (lease && !pg_readable(pg, env_now_ns(o->env)) && !PLANTED(PLANT_NO_LEASE)) {
        o->n.lease_waits++;
        list_push_back(&pg->lease_waits, &op->link);
        return;
    }
    answer(op);
}

void exec_committed(struct list *ops)
{
    while (!list_empty(ops)) {
        struct client_op *op = LIST_FIRST(ops, struct client_op, link);

        list_remove(&op->link);
        settle(op, op->needs_lease);
    }
}

void exec_lease(struct pg *pg)
{
    struct list waits;

    if (!pg_serves(pg) || list_empty(&pg->lease_waits) || !pg_readable(pg, env_now_ns(pg->o->env)))
        return;
    list_init(&waits);
    list_splice(&waits, &pg->lease_waits);
    exec_committed(&waits);
}

/* What the evaluation could have seen of writes that are not committed; with a source to clone
 * from, or a list, those of all objects. */
static struct version newest_seen(const struct client_op *op)
{
    const struct pg *pg = op->pg;

    if (op->octx && list_empty(&op->clones))
        return op->octx->last ? op->octx->last->version : (struct version){{0}, 0};
    return list_empty(&pg->reps) ? (struct version){{0}, 0}
                                 : LIST_LAST(&pg->reps, struct rep, link)->version;
}

/* It changed nothing: its answer waits for what it saw. */
static void evaluated(struct client_op *op, int rc)
{
    struct octx *x = op->octx;

    if (rc == -ENOMEM) {
        give_up(op);
        return;
    }
    if (exec_no_answer(rc)) { /* we stop: the client asks whoever leads next */
        exec_op_free(op);
        return;
    }
    if (rc == 0)
        rc = step_results_fit(&op->reply->results);
    op->reply->rc = rc;
    op->seen = newest_seen(op);
    if (!x) {
        settle(op, true);
        return;
    }
    if (x->obj)
        op->reply->version = object_version(x->obj);
    x->refs++;
    slot_free(op, x);
    settle(op, true);
    octx_run(x);
    octx_unref(x);
}

/* ---- checks ---- */

static void block(struct client_op *op)
{
    list_push_back(&op->pg->blocked, &op->link);
}

/* From the start, when what it waits for is here.  0 or -ENOMEM. */
int exec_again(struct client_op *op)
{
    step_results_fini(&op->reply->results);
    if (step_results_reserve(&op->reply->results, op->m->steps.count) < 0)
        return -ENOMEM;
    op->stage = EXEC_CHECK;
    block(op);
    return 0;
}

/* Wait when the object, or one it clones from, has to be copied first. */
bool exec_degraded(struct client_op *op, const struct oid *oid)
{
    struct pg *pg = op->pg;
    bool wait;

    if (op->write)
        wait = peering_missing_anywhere(&pg->peering, oid) || backfill_covers(pg, oid);
    else
        wait = pg_missing_find(&pg->copy.missing, oid) != NULL;
    if (wait)
        recovery_first(pg, oid);
    return wait;
}

/* A repeat is told the first run's outcome once that is certain on every acting member. */
static void repeat(struct client_op *op, const struct pg_result *first)
{
    struct octx *x = op->octx;

    op->reply->rc = first->rc;
    op->reply->version = first->version;
    op->seen = first->version;
    if (PLANTED(PLANT_EARLY_REPEAT))
        op->seen = (struct version){{0}, 0};
    op->pg->o->n.resends_answered++;
    op->pg->o->n.repeats_waited += version_lt(op->pg->committed_to, first->version);
    x->refs++;
    slot_free(op, x);
    settle(op, false);
    octx_run(x);
    octx_unref(x);
}

/* 1: go on; 0: answered, or waits. */
static int check(struct client_op *op)
{
    struct pg *pg = op->pg;
    struct pg_result first;
    int rc;

    if (osdmap_blocked(pg->o->map, op->m->reqid.client)) {
        send_back(op, -R_FENCED);
        return 0;
    }
    if (op->octx && exec_degraded(op, &op->m->oid)) {
        if (op->octx->bad && !op->write)
            evaluated(op, -R_CSUM_MISMATCH);
        else
            block(op);
        return 0;
    }
    if (op->octx)
        op->octx->bad = false;
    if (!op->write)
        return 1;
    switch (pg_log_lookup(&pg->copy.log, op->m->reqid, op->m->born, op->m->attempt, &first)) {
    case PG_LOOKUP_REPEAT:
        repeat(op, &first);
        return 0;
    case PG_LOOKUP_UNKNOWN:
        pg->o->n.refused_unknown++;
        send_back(op, -R_UNKNOWN_OP);
        return 0;
    case PG_LOOKUP_NEW:
        break;
    }
    rc = replicate_lags(pg) ? -R_BACK_PRESSURE : exec_admit(op);
    if (rc == -R_BACK_PRESSURE || !pg_sub_ready(pg)) {
        block(op);
        osd_retry_later(pg->o);
        return 0;
    }
    if (rc < 0) {
        evaluated(op, rc);
        return 0;
    }
    return 1;
}

/* ---- the way ---- */

static void order_write(struct client_op *op)
{
    struct pg *pg = op->pg;
    struct octx *x = op->octx;
    struct pg_log_entry *e = NULL;
    struct txn *txn = NULL;
    struct version v = pg_next_version(pg);
    struct exec_change change;
    int rc;

    if (osdmap_blocked(pg->o->map, op->m->reqid.client)) { /* since then: a fence is one for all */
        send_back(op, -R_FENCED);
        return;
    }
    /* Since the check it began to read; or a copy was found rotten, and is brought anew. */
    if (!pg_sub_ready(pg) || exec_clones_stale(op) || exec_degraded(op, &x->oid)) {
        exec_clones_drop(op);
        if (exec_again(op) < 0)
            give_up(op);
        osd_retry_later(pg->o);
        return;
    }
    rc = exec_build(op, v, &txn, &e, &change);
    if (rc == 0) {
        op->reply->version = change.exists ? v : (struct version){{0}, 0};
        op->seen = v;
        op->stage = EXEC_COMMIT;
        op->needs_lease = false;
        x->refs++;
        slot_free(op, x);
        rc = replicate(pg, op, txn, e);
        if (rc == 0) {
            pg_count_write(pg, &x->oid, &change);
            octx_run(x);
            octx_unref(x);
            return;
        }
        x->writing = op->holds = true;
        octx_unref(x);
    }
    txn_unref(txn);
    pg_log_entry_destroy(e);
    evaluated(op, rc);
}

void exec_run(struct client_op *op)
{
    int rc;

    if (op->stage == EXEC_CHECK) {
        if (!check(op))
            return;
        op->stage = EXEC_STEPS;
        op->step = 0;
    }
    rc = exec_steps(op);
    if (rc == 1)
        return; /* the store, or a copy of another object, comes back to us */
    if (rc < 0 || !op->write)
        evaluated(op, rc);
    else
        order_write(op);
}

/* The store has read for it. */
void exec_read_done(struct client_op *op)
{
    struct pg *pg = op->pg;

    ASSERT(op->busy);
    op->busy = false;
    pg_touch(pg);
    if (!op->dropped) {
        exec_run(op);
        return;
    }
    send_back(op, -R_OLD_EPOCH);
    pg_maybe_free(pg);
}

static int begin(struct client_op *op)
{
    struct pg *pg = op->pg;

    if (op->m->steps.step[0].kind == STEP_PG_LIST) {
        op->stage = EXEC_CHECK;
        exec_run(op);
        return 0;
    }
    op->octx = octx_get(pg, &op->m->oid);
    if (!op->octx)
        return -ENOMEM;
    list_push_back(&op->octx->queue, &op->link);
    octx_run(op->octx);
    return 0;
}

static void start(struct client_op *op)
{
    if (op->m->epoch.v < pg_since(op->pg).v)
        send_back(op, -R_OLD_EPOCH);
    else if (begin(op) < 0)
        give_up(op);
}

void exec_active(struct pg *pg)
{
    struct list ops;

    list_init(&ops);
    list_splice(&ops, &pg->waiting);
    while (!list_empty(&ops)) {
        struct client_op *op = LIST_FIRST(&ops, struct client_op, link);

        list_remove(&op->link);
        start(op);
    }
    exec_unblock(pg);
}

void exec_unblock(struct pg *pg)
{
    struct list ops;

    if (!pg_serves(pg) || list_empty(&pg->blocked))
        return;
    list_init(&ops);
    list_splice(&ops, &pg->blocked);
    while (!list_empty(&ops)) {
        struct client_op *op = LIST_FIRST(&ops, struct client_op, link);

        list_remove(&op->link);
        exec_run(op);
    }
}

void exec_retry(struct pg *pg)
{
    exec_unblock(pg);
    if (!pg_serves(pg))
        return;
    LIST_EACH (at, &pg->ops) { /* their objects could not be opened */
        struct client_op *op = LIST_ENTRY(at, struct client_op, pg_link);

        if (op->stage == EXEC_QUEUED && op->octx && !op->octx->obj && !op->octx->opening)
            octx_load(op->octx);
    }
}

/* For a PG that is inactive.  They hold room of their sessions, behind which others' wait, and some
 * of their clients have given up: who has not sends again. */
void exec_waited(struct pg *pg, uint64_t now_ns)
{
    while (!list_empty(&pg->waiting)) {
        struct client_op *op = LIST_FIRST(&pg->waiting, struct client_op, link);

        if (now_ns - op->start_ns < INACTIVE_WAIT_NS)
            return;
        list_remove(&op->link);
        send_back(op, -R_OLD_EPOCH);
    }
}

void exec_interval(struct pg *pg)
{
    struct list *at = pg->ops.next;

    while (at != &pg->ops) {
        struct client_op *op = LIST_ENTRY(at, struct client_op, pg_link);

        at = at->next;
        list_remove(&op->link);
        if (op->busy)
            op->dropped = true; /* exec_read_done */
        else
            send_back(op, -R_OLD_EPOCH);
    }
}

/* ---- arrival ---- */

/* 0, or why not here. */
static int place_check(struct osd *o, const struct msg_osd_op *m, struct pg **out_pg)
{
    const struct pool *pool = osdmap_pool(o->map, m->pg.pool);
    int rc = steps_valid(&m->steps);
    struct pgid want;

    if (rc < 0)
        return rc;
    if (osdmap_blocked(o->map, m->reqid.client))
        return -R_FENCED;
    if (!pool)
        return -R_NO_POOL;
    if (m->steps.step[0].kind != STEP_PG_LIST) {
        want = oid_pg(&m->oid, pool->pg_count);
        if (m->oid.pool.v != m->pg.pool.v || m->oid.name_bytes == 0)
            return -EINVAL;
        if (!pgid_eq(want, m->pg))
            return -R_WRONG_PG;
    }
    *out_pg = osd_pg(o, m->pg);
    if (!*out_pg || !osd_eq((*out_pg)->at.primary, o->id))
        return -R_WRONG_PG;
    return 0;
}

void exec_take(struct osd *o, struct session *s, struct msg_osd_op *m)
{
    struct client_op *op;
    struct pg *pg = NULL;
    int rc;

    if (!o->map || m->epoch.v > o->map->epoch.v) {
        osd_hold(o, s, &m->base);
        return;
    }
    rc = place_check(o, m, &pg);
    if (rc < 0) {
        refuse(o, s, m, rc);
        msg_free(&m->base);
        return;
    }
    op = op_new(o);
    if (!op) {
        session_close(s);
        msg_free(&m->base);
        return;
    }
    op->pg = pg;
    op->m = m;
    op->session = session_ref(s);
    op->write = steps_write(&m->steps);
    op->start_ns = env_now_ns(o->env);
    list_init(&op->clones);
    list_push_back(&pg->ops, &op->pg_link);
    pg_touch(pg);
    op->reply = MESSAGE_NEW(osd_op_reply);
    if (op->reply)
        step_results_init(&op->reply->results);
    if (!op->reply || step_results_reserve(&op->reply->results, m->steps.count) < 0)
        give_up(op);
    else if (pg_serves(pg))
        start(op);
    else
        list_push_back(&pg->waiting, &op->link);
}
