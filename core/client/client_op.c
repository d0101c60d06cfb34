/* client_op.c - an operation's way: submit, send, resend, answer.
 *
 * Ids are given in the order of arrival on the reactor; the list of unanswered operations is in
 * that order, so its head is the floor that every message carries.  An operation is sent again,
 * with the same id and a higher attempt, when its PG's interval changed, when the session it went
 * over was reset, or when the OSD said that it acts under a newer map.  The OSDs run it once all
 * the same.
 *
 * States: QUEUED (on its way to the reactor), WAITS (for a map, a primary, or the retry timer),
 * SENT, DONE (its completion is on its way).  Operations that are unanswered at the same time may
 * run in any order; one submitted after another's completion runs after it. */
#include "core/client/client_int.h"

#include "core/store/txn.h"

enum { RESEND_MS = 50 };

static void op_dispatch(struct cairn *c, struct cairn_op *op);

/* ---- sessions ---- */

static struct osd_link *link_of(struct cairn *c, struct osd_id id)
{
    struct osd_link *links;

    if ((uint32_t)id.v < c->link_count)
        return &c->links[id.v];
    links = mem_realloc(c->links, c->map->osd_count * sizeof(*links));
    if (!links)
        return NULL;
    memset(links + c->link_count, 0, (c->map->osd_count - c->link_count) * sizeof(*links));
    c->links = links;
    c->link_count = c->map->osd_count;
    return &c->links[id.v];
}

struct session *osd_session(struct cairn *c, struct osd_id id)
{
    const struct osd_info *o;
    struct osd_link *l;

    if (!osdmap_up(c->map, id))
        return NULL;
    l = link_of(c, id);
    if (!l)
        return NULL;
    o = &c->map->osds[id.v];
    if (l->session && (l->instance != o->instance || !net_addr_equal(&l->addr, &o->addr))) {
        session_close(l->session); /* another incarnation: nobody answers on the old one */
        session_unref(TAKE(l->session));
    }
    if (!l->session) {
        struct session_conf sc = {
            .addr = o->addr,
            .expect = {.role = ENTITY_OSD, .id = (uint64_t)id.v, .instance = o->instance},
            .fast_fail = true};

        if (session_open(c->msgr, &sc, &l->session) < 0)
            return NULL;
        l->addr = o->addr;
        l->instance = o->instance;
    }
    return l->session;
}

/* ---- completion ---- */

static void op_complete(struct env_task *task)
{
    struct cairn_op *op = CONTAINER_OF(task, struct cairn_op, task);
    struct cairn *c = op->c;

    pthread_mutex_lock(&c->lock);
    c->in_flight_bytes -= op->cost_bytes;
    pthread_cond_broadcast(&c->room);
    pthread_mutex_unlock(&c->lock);
    op->where = OP_IDLE;
    op->done(op, reason_errno(op->code), op->done_arg); /* may free it */
}

static void op_end(struct cairn *c, struct cairn_op *op, int code)
{
    if (op->where == OP_DONE)
        return;
    env_timer_cancel(c->env, &op->deadline);
    if (list_linked(&op->link)) {
        list_remove(&op->link);
        htable_remove(&c->ops_by_id, &op->node);
    }
    op->where = OP_DONE;
    op->code = code;
    env_task_init(&op->task, op_complete);
    env_post(c->env, &op->task); /* from the loop, never inside the call */
}

/* ---- sending ---- */

static void resend_all(struct env_timer *t)
{
    struct cairn *c = CONTAINER_OF(t, struct cairn, resend);

    LIST_EACH_SAFE (pos, &c->ops) {
        struct cairn_op *op = LIST_ENTRY(pos, struct cairn_op, link);

        if (op->where == OP_WAITS)
            op_dispatch(c, op);
    }
}

static void resend_later(struct cairn *c)
{
    if (!c->resend.fire)
        env_timer_init(&c->resend, resend_all);
    if (!c->resend.armed)
        env_timer_after(c->env, &c->resend,
                        (RESEND_MS + env_random_u64(c->env) % RESEND_MS) * NS_PER_MS);
}

static uint64_t floor_of(struct cairn *c)
{
    return LIST_FIRST(&c->ops, struct cairn_op, link)->id; /* the op asking is in the list */
}

static int op_send(struct cairn *c, struct cairn_op *op, struct session *s)
{
    struct msg_osd_op *m = MESSAGE_NEW(osd_op);
    int rc = m ? steps_copy(&op->steps, &m->steps) : -ENOMEM;

    if (rc == 0)
        rc = oid_copy(&op->oid, &m->oid);
    if (rc < 0) {
        msg_free(m ? &m->base : NULL);
        return rc;
    }
    m->reqid = (struct reqid){c->instance, op->id};
    m->floor = floor_of(c);
    m->epoch = c->map->epoch;
    m->born = c->born;
    m->attempt = ++op->attempt;
    m->pg = op->pg;
    if (op->attempt > 1)
        c->resends++;
    session_send(s, &m->base);
    return 0;
}

/* Find where it goes under the present map, and send it there or let it wait. */
static void op_dispatch(struct cairn *c, struct cairn_op *op)
{
    const struct pool *pool;
    struct target *t;
    struct session *s;

    op->where = OP_WAITS;
    if (!c->map || c->map->epoch.v < op->wait_epoch.v)
        return; /* the map's arrival goes on */
    pool = op->on_pg ? osdmap_pool(c->map, op->pg.pool) : osdmap_pool_named(c->map, op->pool->name);
    if (!pool) {
        op_end(c, op, -R_NO_POOL);
        return;
    }
    if (!op->on_pg) {
        op->oid.pool = pool->id;
        op->pg = oid_pg(&op->oid, pool->pg_count);
    }
    t = client_target(c, op->pg);
    if (!t || t->unknown) {
        resend_later(c);
        return;
    }
    op->sent_since = t->since;
    op->sent_to = t->at.primary;
    if (t->at.primary.v < 0)
        return; /* no member is up: a map will tell */
    s = osd_session(c, t->at.primary);
    if (!s || op_send(c, op, s) < 0) {
        resend_later(c);
        return;
    }
    op->where = OP_SENT;
}

void ops_map_changed(struct cairn *c)
{
    LIST_EACH_SAFE (pos, &c->ops) {
        struct cairn_op *op = LIST_ENTRY(pos, struct cairn_op, link);
        struct target *t;

        if (op->where == OP_SENT) {
            t = client_target(c, op->pg);
            if (t && epoch_eq(t->since, op->sent_since))
                continue;
        }
        op_dispatch(c, op);
    }
}

void ops_session_reset(struct cairn *c, struct session *s)
{
    for (uint32_t i = 0; i < c->link_count; i++) {
        if (c->links[i].session != s)
            continue;
        session_unref(TAKE(c->links[i].session));
        LIST_EACH (pos, &c->ops) {
            struct cairn_op *op = LIST_ENTRY(pos, struct cairn_op, link);

            if (op->where == OP_SENT && op->sent_to.v == (int32_t)i)
                op->where = OP_WAITS;
        }
        resend_later(c);
        return;
    }
}

static struct cairn_op *op_by_id(struct cairn *c, uint64_t id)
{
    struct hnode *n = htable_first(&c->ops_by_id, id);

    return n ? CONTAINER_OF(n, struct cairn_op, node) : NULL;
}

/* The bytes of each read against the checksums that travelled with them. */
static int reads_check(const struct cairn_op *op, const struct step_results *r)
{
    for (uint32_t i = 0; i < r->count && i < op->steps.count; i++)
        if (op->steps.step[i].kind == STEP_READ && r->result[i].rc >= 0 && r->result[i].crcs &&
            crcs_check(op->steps.step[i].off, &r->result[i].data, r->result[i].crcs) < 0)
            return -R_CSUM_MISMATCH;
    return 0;
}

void ops_reply(struct cairn *c, struct msg_osd_op_reply *m)
{
    struct cairn_op *op = op_by_id(c, m->op);
    bool again = m->rc == -R_WRONG_PG || m->rc == -R_OLD_EPOCH;

    if (!op || op->where == OP_DONE) {
        msg_free(&m->base); /* a repeat of what was answered */
        return;
    }
    if (m->rc == 0 && reads_check(op, &m->results) < 0) {
        log_warn(&c->log, "an answer's data was damaged on its way", KV_OSD(op->sent_to));
        again = true;
        if (op->attempt > 5) {
            msg_free(&m->base);
            op_end(c, op, -R_CSUM_MISMATCH);
            return;
        }
    }
    /* A write that failed left no trace by which a later attempt would be known as a repeat: while
     * one is under way it may still run, so its answer is the one that counts. */
    if (m->rc < 0 && !again && steps_write(&op->steps) &&
        (m->attempt != op->attempt || op->where != OP_SENT)) {
        msg_free(&m->base);
        return;
    }
    if (!again) {
        op->reply = m;
        op_end(c, op, m->rc);
        return;
    }
    if (m->attempt != op->attempt) { /* of an earlier one; the present one is under way */
        msg_free(&m->base);
        return;
    }
    op->where = OP_WAITS;
    if (m->epoch.v > c->map->epoch.v) {
        op->wait_epoch = m->epoch;
        mon_map_wanted(c);
    } else {
        resend_later(c); /* the OSD is behind: it will have our map soon */
    }
    msg_free(&m->base);
}

void ops_fail_all(struct cairn *c, int rc)
{
    while (!list_empty(&c->ops))
        op_end(c, LIST_FIRST(&c->ops, struct cairn_op, link), rc);
}

/* ---- submitting ---- */

static void op_timed_out(struct env_timer *t)
{
    struct cairn_op *op = CONTAINER_OF(t, struct cairn_op, deadline);

    op_end(op->c, op, -ETIMEDOUT);
}

static void op_arrive(struct env_task *task)
{
    struct cairn_op *op = CONTAINER_OF(task, struct cairn_op, task);
    struct cairn *c = op->c;

    op->id = c->next_id++;
    op->attempt = 0;
    op->wait_epoch.v = 0;
    list_init(&op->link);
    env_timer_init(&op->deadline, op_timed_out);
    if (c->stopping || __atomic_load_n(&op->cancel, __ATOMIC_ACQUIRE)) {
        op_end(c, op, c->stopping ? -R_STOPPED : -ECANCELED);
        return;
    }
    list_push_back(&c->ops, &op->link);
    htable_insert(&c->ops_by_id, &op->node, op->id);
    if (op->timeout_ms)
        env_timer_after(c->env, &op->deadline, op->timeout_ms * NS_PER_MS);
    op_dispatch(c, op);
}

/* Room for its bytes under client.in_flight; one operation always fits. */
static int room_take(struct cairn *c, struct cairn_op *op)
{
    int rc = 0;

    pthread_mutex_lock(&c->lock);
    while (c->in_flight_bytes && c->in_flight_bytes + op->cost_bytes > c->conf.client_in_flight) {
        if (client_may_wait(c) < 0) {
            rc = -EAGAIN;
            break;
        }
        pthread_cond_wait(&c->room, &c->lock);
    }
    if (rc == 0)
        c->in_flight_bytes += op->cost_bytes;
    pthread_mutex_unlock(&c->lock);
    return rc;
}

int client_submit(struct cairn_pool *p, struct cairn_op *op, cairn_done_fn *done, void *arg)
{
    struct cairn *c = p->c;
    int rc = op->where == OP_IDLE ? op->steps.rc : -EBUSY;

    if (rc == 0)
        rc = steps_valid(&op->steps);
    if (rc < 0)
        return rc;
    op->cost_bytes = CLIENT_OP_COST + op->oid.name_bytes + steps_bytes(&op->steps);
    rc = room_take(c, op);
    if (rc < 0)
        return rc;
    msg_free(op->reply ? &TAKE(op->reply)->base : NULL);
    op->c = c;
    op->pool = p;
    op->where = OP_QUEUED;
    op->cancel = false;
    op->code = 0;
    op->done = done;
    op->done_arg = arg;
    if (op->timeout_ms == 0)
        op->timeout_ms = c->conf.client_op_timeout_ms;
    env_task_init(&op->task, op_arrive);
    if (c->host && client_may_wait(c) == 0)
        env_post(c->env, &op->task);
    else
        op_arrive(&op->task); /* on its reactor already */
    return 0;
}

int cairn_submit(struct cairn_pool *p, const void *name, size_t name_bytes, struct cairn_op *op,
                 cairn_done_fn *done, void *arg)
{
    struct bytes n = {name, (uint32_t)name_bytes};
    struct oid borrowed, owned;
    int rc;

    if (name_bytes == 0 || name_bytes > OID_NAME_MAX)
        return name_bytes ? -ENAMETOOLONG : -EINVAL;
    if (op->where != OP_IDLE)
        return -EBUSY;
    rc = oid_make((struct pool_id){0}, n, &borrowed);
    if (rc == 0)
        rc = oid_copy(&borrowed, &owned);
    if (rc < 0)
        return rc;
    oid_fini(&op->oid);
    op->oid = owned;
    op->on_pg = false;
    rc = client_submit(p, op, done, arg);
    return reason_errno(rc);
}

static void cancel_on_reactor(void *arg)
{
    struct cairn_op *op = arg;

    if (op->where == OP_WAITS || op->where == OP_SENT)
        op_end(op->c, op, -ECANCELED);
}

void cairn_op_cancel(struct cairn_op *op)
{
    struct cairn *c = op->c;

    if (!c)
        return;
    __atomic_store_n(&op->cancel, true, __ATOMIC_RELEASE);
    if (client_may_wait(c) == 0)
        host_call(c->host, 0, cancel_on_reactor, op);
    else
        cancel_on_reactor(op);
}
