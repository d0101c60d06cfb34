/* model_io.c - what an active PG does: client operations, replication, recovery and backfill. */
#include "tests/unit/osd/model.h"

static const struct version none;

bool io_active(const struct node *n)
{
    return n->alive && n->live && n->peering.primary &&
           (n->peering.state == PEERING_ACTIVE || n->peering.state == PEERING_PEERED);
}

static struct txn *txn_new(void)
{
    struct txn *txn = txn_create(model_pg);

    ASSERT(txn);
    return txn;
}

static void object_set(struct world *w, struct txn *txn, int object, struct version v)
{
    uint16_t o = txn_object(txn, &w->oid[object]);

    if (v.seq == 0)
        txn_delete(txn, o);
    else
        txn_version(txn, o, v);
}

/* ---- writes ---- */

static void rep_send(struct world *w, struct node *n, const struct peering_peer *peer,
                     const struct pg_log_entry *e)
{
    struct mm *m = mm_new(MM_REP, n, peer->osd.v);

    m->entry = pg_log_entry_copy(e);
    ASSERT(m->entry);
    m->with_object = peer->acting || pg_info_covers(&peer->info, &e->oid);
    m->version = n->trim_to;
    send(w, m);
}

static void trim(struct world *w, struct node *n, struct version upto, struct txn *txn)
{
    int rc;

    if (upto.seq > n->copy.log.head.seq)
        return;
    rc = pg_log_trim(&n->copy.log, upto, w->keep, txn);
    ASSERT(rc >= 0);
    if (rc > 0 && n->copy.log.tail.seq > upto.seq)
        broken(w, "osd.%d: trimmed to %u'%lu, past what is durable everywhere", n->id,
               n->copy.log.tail.epoch.v, (unsigned long)n->copy.log.tail.seq);
}

static void write(struct world *w, struct node *n, const struct client *c, const struct op *op)
{
    const struct oid *oid = &w->oid[op->object];
    struct pg_log_entry *e = pg_log_entry_create();
    struct txn *txn = txn_new();
    struct exec *x = &w->exec[w->exec_count];

    ASSERT(e);
    ASSERT(w->exec_count < EXECS_MAX);
    w->exec_count++;
    e->version = (struct version){n->map->epoch, n->copy.log.head.seq + 1};
    e->prior = n->object[op->object];
    e->kind = op->del ? PG_ENTRY_DELETE : PG_ENTRY_MODIFY;
    ASSERT(oid_copy(oid, &e->oid) == 0);
    e->reqid = (struct reqid){c->id, op->op};
    e->floor = op->op;
    for (int i = 0; i < WINDOW; i++)
        if (c->op[i].op && c->op[i].op < e->floor)
            e->floor = c->op[i].op;
    touched_range(&e->touched, rng_below(&w->rng, 8) * 100, 10);
    *x = (struct exec){.version = e->version,
                       .parent = n->copy.log.head,
                       .prior = e->prior,
                       .reqid = e->reqid,
                       .after = exec_find(w, n->copy.log.head),
                       .object = op->object,
                       .del = op->del};
    ASSERT(pg_log_append(&n->copy.log, e) == 0);
    for (uint32_t i = 0; i < n->peering.peer_count; i++)
        if (n->peering.peer[i]->acting || n->peering.peer[i]->target)
            rep_send(w, n, n->peering.peer[i], e);
    pg_log_row_put(txn, e);
    object_set(w, txn, op->object, op->del ? none : e->version);
    trim(w, n, n->trim_to, txn);
    node_submit(w, n, txn, false);
}

static struct exec *exec_at(struct world *w, struct version v)
{
    return (struct exec *)exec_find(w, v);
}

static void answer(struct world *w, struct client *c, struct op *op, struct version v)
{
    if (op->acked.seq && !version_eq(op->acked, v))
        broken(w, "client %lu op %lu: answered twice, differently", (unsigned long)c->id,
               (unsigned long)op->op);
    if (!op->acked.seq)
        w->acked++;
    op->acked = v;
    exec_at(w, v)->acked = true;
    if (rng_chance(&w->rng, 2, 3))
        op->op = 0; /* it got through */
}

/* What was ordered in this interval and is committed now is answered. */
static void answer_committed(struct world *w, const struct node *n, uint64_t from)
{
    for (uint64_t seq = from + 1; seq <= n->committed.seq; seq++) {
        const struct pg_log_entry *e = pg_log_at(&n->copy.log, seq);
        struct client *c = e ? &w->client[e->reqid.client - 1] : NULL;

        for (int i = 0; e && i < WINDOW && e->version.epoch.v >= n->peering.first.v; i++)
            if (c->op[i].op == e->reqid.op)
                answer(w, c, &c->op[i], e->version);
    }
}

/* committed: durable on all of acting; trim_to: on targets too. */
void io_durable(struct world *w, struct node *n)
{
    struct version committed = n->durable, all = n->durable;

    if (!io_active(n))
        return;
    for (uint32_t i = 0; i < n->peering.peer_count; i++) {
        const struct peering_peer *peer = n->peering.peer[i];
        struct version v = n->member_durable[peer->osd.v];

        if (peer->acting && version_lt(v, committed))
            committed = v;
        if ((peer->acting || peer->target) && version_lt(v, all))
            all = v;
    }
    n->trim_to = peering_trim_limit(&n->peering, all);
    if (version_lt(n->committed, committed)) {
        uint64_t from = n->committed.seq;

        n->committed = committed;
        answer_committed(w, n, from);
    }
}

void io_started(struct world *w, struct node *n)
{
    for (uint32_t i = 0; i < n->peering.peer_count; i++)
        n->member_durable[n->peering.peer[i]->osd.v] = n->copy.log.head;
    n->durable = n->copy.log.head;
    io_durable(w, n);
    w->activations++;
}

void io_rep(struct world *w, struct node *n, struct mm *m)
{
    const struct pg_log_entry *e = m->entry;
    struct mm *reply = mm_new(MM_REP_REPLY, n, m->from);
    struct version v = e->version;

    if (n->peering.state != PEERING_REPLICA_ACTIVE) {
        broken(w, "osd.%d: a write before activation", n->id);
        mm_free(reply);
        return;
    }
    if (v.seq > n->copy.log.head.seq) {
        struct txn *txn = txn_new();
        int object = object_of(w, &e->oid);

        pg_log_row_put(txn, e);
        if (m->with_object)
            object_set(w, txn, object, e->kind == PG_ENTRY_DELETE ? none : v);
        if (pg_missing_find(&n->copy.missing, &e->oid))
            broken(w, "osd.%d: a write to an object that is missing", n->id);
        ASSERT(pg_log_append(&n->copy.log, TAKE(m->entry)) == 0);
        trim(w, n, m->version, txn);
        node_submit(w, n, txn, false);
    }
    reply->version = v;
    send_after(w, n, reply);
    check_node(w, n);
}

void io_rep_reply(struct world *w, struct node *n, const struct mm *m)
{
    if (!io_active(n))
        return;
    if (version_lt(n->member_durable[m->from], m->version))
        n->member_durable[m->from] = m->version;
    io_durable(w, n);
}

/* ---- clients ---- */

static bool in_flight(const struct node *n, int object)
{
    for (int i = 0; i < NODES; i++)
        if (n->flight[i].busy && n->flight[i].object == object)
            return true;
    return false;
}

static void client_send(struct world *w, struct client *c, struct op *op, struct node *n)
{
    struct pg_result r;
    enum pg_lookup found;
    bool blocked =
        peering_missing_anywhere(&n->peering, &w->oid[op->object]) || in_flight(n, op->object);

    op->attempt++;
    found = pg_log_lookup(&n->copy.log, (struct reqid){c->id, op->op}, c->born, op->attempt, &r);
    switch (found) {
    case PG_LOOKUP_UNKNOWN:
        broken(w, "client %lu op %lu: unknown, but it is waited for", (unsigned long)c->id,
               (unsigned long)op->op);
        break;
    case PG_LOOKUP_REPEAT:
        w->repeats++;
        if (version_le(r.version, n->committed) && !blocked)
            answer(w, c, op, r.version);
        break;
    case PG_LOOKUP_NEW:
        if (op->acked.seq)
            broken(w, "client %lu op %lu: answered, yet it would run again", (unsigned long)c->id,
                   (unsigned long)op->op);
        else if (!blocked)
            write(w, n, c, op);
        break;
    }
}

void io_client(struct world *w, struct client *c)
{
    struct op *op = &c->op[rng_below(&w->rng, WINDOW)];
    struct node *n = &w->node[rng_below(&w->rng, (uint64_t)w->nodes)];

    if (op->op == 0)
        *op = (struct op){.op = c->next++,
                          .object = (int)rng_below(&w->rng, OBJECTS),
                          .del = rng_chance(&w->rng, 1, 5)};
    if (io_active(n) && n->peering.state == PEERING_ACTIVE && w->exec_count < EXECS_MAX)
        client_send(w, c, op, n);
    check_node(w, n);
}

/* ---- recovery ---- */

/* A node that has the object as it is needed, in the same interval. */
static struct node *source_find(struct world *w, const struct node *n, int object,
                                struct version need)
{
    for (int i = 0; i < w->nodes; i++) {
        struct node *s = &w->node[i];

        if (s->alive && s->live && epoch_eq(s->copy.past.first, n->copy.past.first) &&
            pg_copy_exists(&s->copy) && version_eq(s->object[object], need) &&
            !pg_missing_find(&s->copy.missing, &w->oid[object]))
            return s;
    }
    return NULL;
}

static void recover_own(struct world *w, struct node *n, const struct pg_missing_item *item)
{
    int object = object_of(w, &item->oid);
    struct version need = item->need;
    struct txn *txn;

    if (!source_find(w, n, object, need))
        return;
    txn = txn_new();
    if (rng_chance(&w->rng, 1, 3)) { /* the first chunk only */
        pg_missing_begin_copy(&n->copy.missing, &w->oid[object], txn);
        object_set(w, txn, object, none);
    } else {
        object_set(w, txn, object, need);
        pg_missing_recovered(&n->copy.missing, &w->oid[object], need, txn);
    }
    node_submit(w, n, txn, false);
    node_event(w, n, (struct peering_event){.kind = PEERING_EV_RECOVERED});
}

static void push_send(struct world *w, struct node *n, int to)
{
    const struct flight *f = &n->flight[to];
    struct mm *m = mm_new(MM_PUSH, n, to);

    m->object = f->object;
    m->version = f->version;
    m->backfill = f->backfill;
    m->complete = f->complete;
    send(w, m);
}

/* The first object that is not before last_backfill; OBJECTS: all are. */
static int backfill_next(const struct world *w, const struct pg_info *info)
{
    int i = 0;

    while (i < OBJECTS && pg_info_covers(info, &w->oid[i]))
        i++;
    return i;
}

static void recover_peer(struct world *w, struct node *n, struct peering_peer *peer)
{
    const struct pg_missing_item *item = pg_missing_oldest(&peer->missing);
    struct flight *f = &n->flight[peer->osd.v];
    int object;

    if (f->busy)
        return;
    if (item) {
        object = object_of(w, &item->oid);
    } else if (peer->target && !peer->info.complete) {
        object = MIN(backfill_next(w, &peer->info), OBJECTS - 1);
    } else {
        return;
    }
    if (pg_missing_find(&n->copy.missing, &w->oid[object]))
        return; /* our own comes first */
    *f = (struct flight){.busy = true,
                         .object = object,
                         .version = n->object[object],
                         .backfill = !item,
                         .complete = !item && object == OBJECTS - 1};
    push_send(w, n, peer->osd.v);
}

void io_recover(struct world *w, struct node *n)
{
    const struct pg_missing_item *item;

    if (!io_active(n))
        return;
    item = pg_missing_oldest(&n->copy.missing);
    if (item)
        recover_own(w, n, item);
    for (uint32_t i = 0; i < n->peering.peer_count; i++)
        if (n->peering.peer[i]->acting || n->peering.peer[i]->target)
            recover_peer(w, n, n->peering.peer[i]);
}

void io_push(struct world *w, struct node *n, struct mm *m)
{
    struct txn *txn = txn_new();
    struct mm *reply = mm_new(MM_PUSHED, n, m->from);
    AUTO(writer) key = {0};

    object_set(w, txn, m->object, m->version);
    pg_missing_recovered(&n->copy.missing, &w->oid[m->object], m->version, txn);
    if (m->backfill && !n->copy.info.complete) {
        oid_key_put(&key, &w->oid[m->object]);
        wr_u8(&key, 0);
        ASSERT(pg_copy_backfilled(&n->copy, (struct bytes){key.data, (uint32_t)key.len},
                                  m->complete, txn) == 0);
    }
    node_submit(w, n, txn, false);
    reply->object = m->object;
    reply->version = m->version;
    reply->backfill = m->backfill;
    reply->complete = m->complete;
    send_after(w, n, reply);
    check_node(w, n);
}

static void backfill_moved(struct world *w, struct peering_peer *peer, int object)
{
    AUTO(writer) key = {0};

    oid_key_put(&key, &w->oid[object]);
    wr_u8(&key, 0);
    mem_free((void *)peer->info.last_backfill.data);
    peer->info.last_backfill = (struct bytes){mem_dup(key.data, key.len), (uint32_t)key.len};
    ASSERT(peer->info.last_backfill.data);
}

void io_pushed(struct world *w, struct node *n, const struct mm *m)
{
    struct peering_peer *peer = peering_peer(&n->peering, (struct osd_id){m->from});
    struct flight *f = &n->flight[m->from];

    if (!io_active(n) || !peer || !f->busy || f->object != m->object)
        return;
    f->busy = false;
    pg_missing_recovered(&peer->missing, &w->oid[m->object], m->version, NULL);
    if (m->complete)
        node_event(w, n, (struct peering_event){.kind = PEERING_EV_COMPLETE, .from = {m->from}});
    else if (m->backfill)
        backfill_moved(w, peer, m->object);
    else
        node_event(w, n, (struct peering_event){.kind = PEERING_EV_RECOVERED});
}

/* The session broke: what the member has not answered is sent again, in order. */
void io_resend(struct world *w, struct node *n, int to)
{
    const struct peering_peer *peer = peering_peer(&n->peering, (struct osd_id){to});

    if (!io_active(n) || !peer || !(peer->acting || peer->target))
        return;
    for (uint64_t seq = n->member_durable[to].seq + 1; seq <= n->copy.log.head.seq; seq++) {
        if (!pg_log_at(&n->copy.log, seq)) {
            broken(w, "osd.%d: what osd.%d lacks is trimmed", n->id, to);
            return;
        }
        rep_send(w, n, peer, pg_log_at(&n->copy.log, seq));
    }
    if (n->flight[to].busy)
        push_send(w, n, to);
}
