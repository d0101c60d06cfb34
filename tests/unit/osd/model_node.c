/* model_node.c - a node: its disk queue, its maps, and the driver of peering. */
#include "tests/unit/osd/model.h"

static void must(int rc)
{
    ASSERT(rc >= 0);
}

/* ---- messages ---- */

struct mm *mm_new(enum mm_kind kind, const struct node *from, int to)
{
    struct mm *m = mem_zalloc(sizeof(*m));

    ASSERT(m);
    m->kind = kind;
    m->from = from->id;
    m->to = to;
    m->interval = from->copy.past.first;
    return m;
}

void mm_free(struct mm *m)
{
    pg_info_fini(&m->send.info);
    pg_log_wire_fini(&m->send.log);
    pg_log_entry_destroy(m->entry);
    mem_free(m);
}

void queue_push(struct queue *q, struct mm *m)
{
    m->next = NULL;
    if (q->last)
        q->last->next = m;
    else
        q->first = m;
    q->last = m;
}

struct mm *queue_pop(struct queue *q)
{
    struct mm *m = q->first;

    if (!m)
        return NULL;
    q->first = m->next;
    if (!q->first)
        q->last = NULL;
    m->next = NULL;
    return m;
}

static void queue_drop(struct queue *q)
{
    struct mm *m;

    while ((m = queue_pop(q)))
        mm_free(m);
}

void send(struct world *w, struct mm *m)
{
    if (w->node[m->to].alive && w->node[m->from].alive)
        queue_push(&w->net[m->from][m->to], m);
    else
        mm_free(m);
}

/* When all that was submitted is durable. */
void send_after(struct world *w, struct node *n, struct mm *m)
{
    if (n->pend_last)
        queue_push(&n->pend_last->after, m);
    else
        send(w, m);
}

void session_break(struct world *w, int a, int b)
{
    queue_drop(&w->net[a][b]);
    queue_drop(&w->net[b][a]);
    for (int i = 0; i < 2; i++) {
        struct node *n = &w->node[i ? b : a];
        int other = i ? a : b;

        if (!n->alive || !n->live)
            continue;
        io_resend(w, n, other);
        node_event(w, n, (struct peering_event){.kind = PEERING_EV_SESSION_RESET, .from = {other}});
    }
}

/* ---- disk ---- */

void node_submit(struct world *w, struct node *n, struct txn *txn, bool activation)
{
    struct pend *p = mem_zalloc(sizeof(*p));

    ASSERT(p);
    ASSERT(txn->rc == 0);
    objects_apply(w, n->object, txn);
    p->txn = txn;
    p->activation = activation;
    p->version = n->copy.log.head;
    if (n->pend_last)
        n->pend_last->next = p;
    else
        n->pend_first = p;
    n->pend_last = p;
}

static struct pend *pend_pop(struct node *n)
{
    struct pend *p = n->pend_first;

    n->pend_first = p->next;
    if (!n->pend_first)
        n->pend_last = NULL;
    return p;
}

static void pend_free(struct pend *p)
{
    queue_drop(&p->after);
    txn_unref(p->txn);
    mem_free(p);
}

static void node_start(struct world *w, struct node *n);

bool node_flush(struct world *w, struct node *n)
{
    struct pend *p;
    struct mm *m;

    if (!n->alive || !n->pend_first)
        return false;
    p = pend_pop(n);
    disk_apply(w, &n->disk, p->txn);
    n->durable = p->version;
    while ((m = queue_pop(&p->after)))
        send(w, m);
    if (n->live) {
        if (p->activation)
            node_event(w, n, (struct peering_event){.kind = PEERING_EV_OWN_DURABLE});
        io_durable(w, n);
    } else if (!n->pend_first) {
        node_start(w, n);
    }
    pend_free(p);
    return true;
}

/* ---- peering ---- */

static void remove_copy(struct world *w, struct node *n)
{
    struct txn *txn = txn_create(model_pg);

    ASSERT(txn);
    pg_copy_rows_rm(txn);
    for (int i = 0; i < OBJECTS; i++)
        txn_delete(txn, txn_object(txn, &w->oid[i]));
    node_submit(w, n, txn, false);
}

static void do_orders(struct world *w, struct node *n, struct peering_orders *orders)
{
    if (orders->persist) {
        node_submit(w, n, orders->persist, orders->activation);
        orders->persist = NULL;
    }
    if (orders->remove_copy)
        remove_copy(w, n);
    for (uint32_t i = 0; i < orders->send_count; i++) {
        struct mm *m = mm_new(MM_PEERING, n, orders->send[i].to.v);

        m->send = orders->send[i];
        if (m->send.after_durable)
            send_after(w, n, m);
        else
            send(w, m);
    }
    orders->send_count = 0;
    if (orders->wish_temp) {
        n->wish_temp = true;
        n->temp = orders->temp;
    }
    if (orders->wish_up_thru.v)
        n->wish_up_thru = orders->wish_up_thru;
    if (orders->timer_at_ns)
        n->timer_at_ns = orders->timer_at_ns;
    peering_orders_fini(orders);
}

static int step(struct world *w, struct node *n, const struct peering_event *ev)
{
    struct peering_orders orders = {0};
    int rc = -ENOMEM;

    for (unsigned tries = 0; rc == -ENOMEM; tries++) {
        bool fail = w->no_memory && tries < 3 && rng_chance(&w->rng, 1, 2);

        if (fail)
            mem_fail_after((int64_t)rng_below(&w->rng, 30));
        rc = peering_step(&n->peering, ev, &orders);
        mem_fail_after(-1);
        w->short_steps += rc == -ENOMEM;
        if (rc == -ENOMEM && !fail) {
            broken(w, "osd.%d: a step says no memory for ever", n->id);
            rc = 0;
        }
        do_orders(w, n, &orders);
    }
    return rc;
}

void node_event(struct world *w, struct node *n, struct peering_event ev)
{
    enum peering_state before = n->peering.state;
    struct version head = n->copy.log.head;
    int rc;

    ev.now_ns = w->now_ns;
    ev.self.v = n->id;
    rc = step(w, n, &ev);
    if (rc < 0)
        broken(w, "osd.%d: event %d gave %d", n->id, ev.kind, rc);
    peering_check(&n->peering);
    pg_copy_check(&n->copy, true);
    if (n->peering.state == PEERING_REPLICA_ACTIVE && before != PEERING_REPLICA_ACTIVE) {
        w->merges += !version_eq(head, n->copy.log.head);
        w->rollbacks += n->peering.merged.divergent;
    }
    if (n->peering.primary && n->peering.state >= PEERING_PEERED &&
        (before < PEERING_PEERED || ev.kind == PEERING_EV_START)) {
        w->rollbacks += n->peering.merged.divergent;
        check_activation(w, n);
        io_started(w, n);
    }
    check_node(w, n);
}

static void peering_message(struct world *w, struct node *n, struct mm *m)
{
    struct peering_send *s = &m->send;
    struct peering_event ev = {.from = {m->from}};
    struct msg_pg_notify notify = {.interval = m->interval,
                                   .unasked = s->unasked,
                                   .info = s->info,
                                   .has_log = s->has_log,
                                   .log = s->log,
                                   .lease_of = OSD_NONE};
    struct msg_pg_query query = {.interval = m->interval, .what = s->what, .since = s->since};
    struct msg_pg_activate activate = {
        .interval = m->interval, .info = s->info, .log = s->log, .restart_backfill = s->restart};
    struct msg_pg_clean clean = {
        .interval = m->interval, .last_clean = s->last_clean, .remove = s->remove};

    switch (s->kind) {
    case PEERING_SEND_QUERY:
        ev.kind = PEERING_EV_QUERY;
        ev.query = &query;
        break;
    case PEERING_SEND_NOTIFY:
        ev.kind = PEERING_EV_NOTIFY;
        if (rng_chance(&w->rng, 1, 4)) {
            notify.lease_left_ms = (uint32_t)rng_below(&w->rng, 50);
            notify.lease_of.v = (int32_t)rng_below(&w->rng, (uint64_t)w->nodes);
        }
        ev.notify = &notify;
        break;
    case PEERING_SEND_ACTIVATE:
        w->restarts += s->restart;
        ev.kind = PEERING_EV_ACTIVATE;
        ev.activate = &activate;
        break;
    case PEERING_SEND_ACTIVATED:
        ev.kind = PEERING_EV_ACTIVATED;
        break;
    case PEERING_SEND_CLEAN:
        ev.kind = PEERING_EV_CLEAN;
        ev.clean = &clean;
        break;
    }
    node_event(w, n, ev);
}

void node_message(struct world *w, struct node *n, struct mm *m)
{
    if (m->interval.v < n->copy.past.first.v) {
        mm_free(m); /* of an interval that is over */
        return;
    }
    if (!n->live || m->interval.v > n->copy.past.first.v) {
        queue_push(&n->early, m);
        return;
    }
    switch (m->kind) {
    case MM_PEERING:
        peering_message(w, n, m);
        break;
    case MM_REP:
        io_rep(w, n, m);
        break;
    case MM_REP_REPLY:
        io_rep_reply(w, n, m);
        break;
    case MM_PUSH:
        io_push(w, n, m);
        break;
    case MM_PUSHED:
        io_pushed(w, n, m);
        break;
    }
    mm_free(m);
}

/* ---- maps ---- */

static void node_start(struct world *w, struct node *n)
{
    struct queue early = n->early;
    struct mm *m;

    n->early = (struct queue){0};
    n->live = true;
    n->timer_at_ns = 0;
    n->wish_temp = false;
    n->wish_up_thru.v = 0;
    memset(n->flight, 0, sizeof(n->flight));
    memset(n->member_durable, 0, sizeof(n->member_durable));
    n->durable = n->copy.log.head;
    n->committed = (struct version){0};
    node_event(w, n,
               (struct peering_event){.kind = PEERING_EV_START, .map = n->map, .copy = &n->copy});
    while ((m = queue_pop(&early)))
        node_message(w, n, m);
}

bool node_map(struct world *w, struct node *n)
{
    struct osdmap *prev = n->map, *next;
    int rc;

    if (!n->alive || prev->epoch.v == w->epoch)
        return false;
    next = w->map[prev->epoch.v + 1];
    rc = past_intervals_walk(&n->copy.past, model_pg, prev, next);
    ASSERT(rc >= 0);
    n->map = next;
    if (rc > 0) {
        n->live = false;
        if (!n->pend_first)
            node_start(w, n);
    } else if (n->live) {
        node_event(w, n, (struct peering_event){.kind = PEERING_EV_MAP, .map = next});
    }
    return true;
}

void node_crash(struct world *w, struct node *n)
{
    uint32_t pending = 0;

    for (struct pend *p = n->pend_first; p; p = p->next)
        pending++;
    for (uint64_t keep = rng_below(&w->rng, pending + 1); keep > 0; keep--) {
        struct pend *p = pend_pop(n);

        disk_apply(w, &n->disk, p->txn);
        pend_free(p);
    }
    while (n->pend_first)
        pend_free(pend_pop(n));
    queue_drop(&n->early);
    peering_fini(&n->peering);
    pg_copy_fini(&n->copy);
    n->alive = n->live = false;
    for (int i = 0; i < w->nodes; i++)
        if (i != n->id)
            session_break(w, i, n->id);
}

/* Loads what the disk has and walks the maps since. */
void node_boot(struct world *w, struct node *n)
{
    must(pg_copy_init(&n->copy, model_pg));
    peering_init(&n->peering, model_pg);
    for (uint32_t i = 0; i < n->disk.count; i++)
        must(pg_copy_load_row(&n->copy, n->disk.row[i].key, n->disk.row[i].value));
    must(pg_copy_load_end(&n->copy));
    memcpy(n->object, n->disk.object, sizeof(n->object));
    n->alive = true;
    n->live = false;
    n->map = w->map[MAX(n->copy.past.newest.v, 1)];
    if (n->copy.past.newest.v == 0)
        past_intervals_begin(&n->copy.past, n->map);
    while (n->map->epoch.v < w->epoch) {
        must(past_intervals_walk(&n->copy.past, model_pg, n->map, w->map[n->map->epoch.v + 1]));
        n->map = w->map[n->map->epoch.v + 1];
    }
    node_start(w, n);
    for (int i = 0; i < w->nodes; i++) /* what was sent to it before is known to be lost */
        if (i != n->id)
            session_break(w, i, n->id);
}
