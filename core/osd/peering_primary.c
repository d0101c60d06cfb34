/* peering_primary.c - the primary's way through a new interval, stage by stage.
 *
 * primary_advance() is called after each event and goes on while a stage is done.  Up to GET_LOG
 * every map starts the choice anew from what was answered, which costs nothing when nothing
 * changed. From GET_MISSING on the members are fixed: one that went down would have ended the
 * interval. */
#include "core/osd/peering_int.h"

#include "core/base/plant.h"

/* ---- GET_INFO and the states that wait for a better map ---- */

static int choose(struct peering *p, struct peering_orders *orders)
{
    struct osd_set want;

    switch (peering_choose(p, &want)) {
    case CHOSEN_WAIT:
        p->state = PEERING_GET_INFO;
        return 0;
    case CHOSEN_DOWN:
        p->state = PEERING_DOWN;
        return 0;
    case CHOSEN_NOBODY:
        p->state = PEERING_INCOMPLETE;
        return 0;
    case CHOSEN:
        break;
    }
    if (!osd_set_equal(&want, &p->at.acting)) {
        primary_wish(p, &want, orders);
        p->state = PEERING_WAIT_ACTING;
        return 0;
    }
    if (p->wished) /* take it back */
        primary_wish(p, &p->at.acting, orders);
    p->wished = false;
    peering_mark_members(p);
    p->state = PEERING_GET_LOG;
    return 1;
}

/* ---- GET_LOG ---- */

static int log_ask(struct peering_peer *peer, struct version since, struct peering_orders *orders)
{
    struct peering_send *s;

    if (peer->asked_log)
        return 0;
    if (orders_reserve(orders, 1) < 0)
        return -ENOMEM;
    s = orders_send(orders, PEERING_SEND_QUERY, peer->osd);
    s->what = PG_QUERY_LOG;
    s->since = since;
    peer->asked_log = true;
    return 0;
}

static int get_log(struct peering *p, struct peering_orders *orders)
{
    struct peering_peer *peer;

    if (p->auth.v < 0 || osd_eq(p->auth, p->self) || version_eq(p->auth_head, p->copy->log.head)) {
        p->state = PEERING_GET_MISSING;
        return 1;
    }
    peer = peering_peer(p, p->auth);
    return log_ask(peer, p->copy->log.tail, orders);
}

static int got_log(struct peering *p, struct peering_peer *peer, const struct pg_log_wire *log,
                   struct peering_orders *orders)
{
    struct txn *txn;
    int rc;

    if (!osd_eq(peer->osd, p->auth) || version_eq(p->auth_head, p->copy->log.head))
        return 0;
    if (orders->persist)
        return -ENOMEM; /* of a step that ran short: its driver submits that first */
    txn = txn_create(p->pg);
    if (!txn)
        return -ENOMEM;
    rc = pg_merge(p->copy, log, txn, &p->merged);
    if (rc == 0) {
        orders->persist = txn;
        p->state = PEERING_GET_MISSING;
        return 0;
    }
    txn_unref(txn);
    if (rc != -ERANGE)
        return rc;
    p->own_gap = true; /* we cannot follow that history: others must act */
    p->state = PEERING_GET_INFO;
    return 0;
}

/* ---- GET_MISSING ---- */

static void missing_set(struct peering_peer *peer, struct pg_missing *missing,
                        struct version common)
{
    pg_missing_fini(&peer->missing);
    if (missing)
        peer->missing = *missing;
    peer->common = common;
    peer->has_missing = true;
}

/* The logs do not meet: an acting member must be replaced, a target starts anew. */
static void no_overlap(struct peering *p, struct peering_peer *peer)
{
    if (peer->acting) {
        peer->gap = true;
        p->state = PEERING_GET_INFO;
        return;
    }
    peer->restart = true;
    missing_set(peer, NULL, (struct version){0});
}

static int missing_from(struct peering *p, struct peering_peer *peer, const struct pg_log_wire *log)
{
    struct pg_missing missing;
    struct version common;
    int rc = pg_merge_peer(&p->copy->log, &peer->info, log, &missing, &common);

    if (rc == 0)
        missing_set(peer, &missing, common);
    else if (rc == -ERANGE)
        no_overlap(p, peer);
    return rc == -ERANGE ? 0 : rc;
}

static int missing_find(struct peering *p, struct peering_peer *peer, struct peering_orders *orders)
{
    const struct pg_info *i = &peer->info;
    const struct pg_log *log = &p->copy->log;
    bool begun = i->complete || i->last_backfill.len;
    bool known = pg_log_has(log, i->last_update);

    if (!info_exists(i) && peer->acting) { /* of an empty PG */
        missing_set(peer, NULL, (struct version){0});
        return 0;
    }
    if (!info_exists(i) || i->salvaged || !begun || version_lt(i->last_update, log->tail)) {
        no_overlap(p, peer);
        return 0;
    }
    if (known && i->missing_count == 0) {
        struct pg_log_wire none = {.tail = i->last_update, .head = i->last_update};

        return missing_from(p, peer, &none);
    }
    return log_ask(peer, known ? i->last_update : log->tail, orders);
}

static int get_missing(struct peering *p, struct peering_orders *orders)
{
    bool all = true;

    for (uint32_t i = 0; i < p->peer_count && p->state == PEERING_GET_MISSING; i++) {
        struct peering_peer *peer = p->peer[i];

        if (!peer_is_member(peer))
            continue;
        if (!peer->has_missing && missing_find(p, peer, orders) < 0)
            return -ENOMEM;
        all = all && peer->has_missing;
    }
    if (p->state != PEERING_GET_MISSING)
        return 1; /* the acting set has to be chosen anew */
    if (all)
        p->state = PEERING_WAIT_UP_THRU;
    return all;
}

/* ---- WAIT_UP_THRU, WAIT_LEASE ---- */

/* Until the monitors have recorded that we lead this interval, a later one may go without asking
 * us: then what we acknowledge would be lost. */
static int wait_up_thru(struct peering *p, struct peering_orders *orders)
{
    if (p->map->osds[p->self.v].up_thru.v < p->first.v && !PLANTED(PLANT_NO_UP_THRU)) {
        orders->wish_up_thru = p->first;
        return 0;
    }
    p->state = PEERING_WAIT_LEASE;
    return 1;
}

/* Can the OSD no longer serve reads under a lease of an interval that it led? */
static bool lease_dead(const struct peering *p, struct osd_id of)
{
    const struct peering_peer *peer = peering_peer(p, of);
    const struct osd_info *o;
    struct epoch last;

    if (peer && peer->answered) /* in this interval: it has left the one that it led */
        return true;
    if (osd_eq(of, p->self) || !past_intervals_led_by(&p->copy->past, of, &last) ||
        !osdmap_exists(p->map, of))
        return true;
    o = &p->map->osds[of.v];
    if (o->state & OSD_UP) /* its store was opened again under lock */
        return o->up_from.v > last.v;
    return o->state & OSD_STOPPED; /* it said so before it went */
}

/* All of it before the first member is told: once one has recorded the activation, a later primary
 * may not ask about the intervals before. */
static int wait_lease(struct peering *p, const struct peering_event *ev,
                      struct peering_orders *orders)
{
    uint64_t until = 0;

    for (uint32_t i = 0; ev->promised && i < ev->promised->count; i++) {
        const struct lease_hold_row *row = &ev->promised->row[i];
        const struct peering_peer *peer = peering_peer(p, row->osd);

        if (!peer || !peer->answered) /* else it has left the interval that it led */
            until = MAX(until, row->until_ns);
    }
    for (uint32_t i = 0; i < p->peer_count; i++) {
        const struct peering_peer *peer = p->peer[i];

        if (peer->lease_of.v < 0 || !lease_dead(p, peer->lease_of))
            until = MAX(until, peer->lease_until_ns);
    }
    if (until <= ev->now_ns && orders->persist)
        until = ev->now_ns + 1; /* one transaction a step: come back for the activation's */
    if (until > ev->now_ns) {
        orders->timer_at_ns = until;
        return 0;
    }
    return primary_activate(p, orders) < 0 ? -ENOMEM : 1;
}

/* ---- all stages ---- */

static int stage(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    switch (p->state) {
    case PEERING_GET_INFO:
    case PEERING_DOWN:
    case PEERING_INCOMPLETE:
    case PEERING_WAIT_ACTING:
        return choose(p, orders);
    case PEERING_GET_LOG:
        return get_log(p, orders);
    case PEERING_GET_MISSING:
        return get_missing(p, orders);
    case PEERING_WAIT_UP_THRU:
        return wait_up_thru(p, orders);
    case PEERING_WAIT_LEASE:
        return wait_lease(p, ev, orders);
    default:
        return primary_settle(p, orders);
    }
}

/* A stage returns 1 when the next may begin. */
int primary_advance(struct peering *p, const struct peering_event *ev,
                    struct peering_orders *orders)
{
    int rc;

    do
        rc = stage(p, ev, orders);
    while (rc > 0);
    return rc;
}

/* ---- events ---- */

static int info_take(struct peering_peer *peer, const struct pg_info *info)
{
    struct pg_info copy;

    if (pg_info_copy(info, &copy) < 0)
        return -ENOMEM;
    pg_info_fini(&peer->info);
    peer->info = copy;
    peer->answered = true;
    return 0;
}

int primary_notify(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    const struct msg_pg_notify *n = ev->notify;
    struct peering_peer *peer;

    if (!epoch_eq(n->interval, p->first) || osd_eq(ev->from, p->self))
        return 0;
    if (peer_add(p, ev->from, &peer) < 0)
        return -ENOMEM;
    if (n->unasked) { /* what it holds is told in answer to a question */
        if (!peer_is_member(peer))
            peer->asked = peer->answered = peer->removed = false;
        return peers_ask(p, orders);
    }
    if (!peer->up)
        return 0;
    if (n->lease_left_ms) {
        peer->lease_until_ns = ev->now_ns + n->lease_left_ms * NS_PER_MS;
        peer->lease_of = n->lease_of;
    }
    if (p->state >= PEERING_ACTIVATING && peer_is_member(peer))
        return 0; /* since then we know better */
    if (info_take(peer, &n->info) < 0)
        return -ENOMEM;
    if (n->has_log) /* a stage that has no use for it now will ask again */
        peer->asked_log = false;
    if (p->state >= PEERING_ACTIVATING)
        return p->clean ? primary_tell_clean(p, peer, orders) : 0;
    if (p->state == PEERING_GET_LOG && n->has_log)
        return got_log(p, peer, &n->log, orders);
    if (p->state == PEERING_GET_MISSING && n->has_log && peer_is_member(peer) && !peer->has_missing)
        return missing_from(p, peer, &n->log);
    return 0;
}

int primary_reset(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    struct peering_peer *peer = peering_peer(p, ev->from);

    if (!peer || !peer->up)
        return 0;
    if (orders_reserve(orders, 2) < 0)
        return -ENOMEM;
    if (p->state == PEERING_ACTIVATING && peer_is_member(peer) && !peer->activated) {
        struct peering_send s;

        if (activate_send(p, peer, &s) < 0)
            return -ENOMEM;
        *orders_send(orders, PEERING_SEND_ACTIVATE, peer->osd) = s;
        return 0;
    }
    if (!peer->answered) {
        peer->asked = true;
        orders_send(orders, PEERING_SEND_QUERY, peer->osd)->what = PG_QUERY_INFO;
    }
    peer->asked_log = false; /* the stage asks again */
    return p->clean ? primary_tell_clean(p, peer, orders) : 0;
}
