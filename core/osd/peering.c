/* peering.c - how the copies of a PG agree on one history: events, and the peers they are about.
 *
 * A step first accounts for the event, then goes through the stages (peering_primary.c) as far as
 * they lead.  Each stage prepares all that can fail (memory), then changes state: a step that ran
 * short stands between two stages, and the same event fed again carries it on. */
#include "core/osd/peering_int.h"

#include <stdlib.h>

const char *peering_state_name(enum peering_state s)
{
    static const char *const name[] = {
        [PEERING_IDLE] = "idle",
        [PEERING_GET_INFO] = "get-info",
        [PEERING_DOWN] = "down",
        [PEERING_INCOMPLETE] = "incomplete",
        [PEERING_WAIT_ACTING] = "wait-acting",
        [PEERING_GET_LOG] = "get-log",
        [PEERING_GET_MISSING] = "get-missing",
        [PEERING_WAIT_UP_THRU] = "wait-up-thru",
        [PEERING_WAIT_LEASE] = "wait-lease",
        [PEERING_ACTIVATING] = "activating",
        [PEERING_PEERED] = "peered",
        [PEERING_ACTIVE] = "active",
        [PEERING_STRAY] = "stray",
        [PEERING_REPLICA_ACTIVE] = "replica-active",
    };

    return name[s];
}

/* ---- orders ---- */

void send_fini(struct peering_send *s)
{
    pg_info_fini(&s->info);
    pg_log_wire_fini(&s->log);
}

void peering_orders_fini(struct peering_orders *t)
{
    for (uint32_t i = 0; i < t->send_count; i++)
        send_fini(&t->send[i]);
    mem_free(t->send);
    txn_unref(t->persist);
    memset(t, 0, sizeof(*t));
}

int orders_reserve(struct peering_orders *t, uint32_t sends)
{
    struct peering_send *grown;

    if (t->send_count + sends <= t->send_cap)
        return 0;
    grown = mem_realloc(t->send, (t->send_count + sends) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    t->send = grown;
    t->send_cap = t->send_count + sends;
    return 0;
}

struct peering_send *orders_send(struct peering_orders *t, enum peering_send_kind kind,
                                 struct osd_id to)
{
    struct peering_send *s = &t->send[t->send_count];

    ASSERT(t->send_count < t->send_cap);
    t->send_count++;
    *s = (struct peering_send){.kind = kind, .to = to};
    s->after_durable = kind == PEERING_SEND_NOTIFY || kind == PEERING_SEND_ACTIVATED;
    return s;
}

/* ---- peers ---- */

static uint32_t peer_place(const struct peering *p, struct osd_id osd)
{
    uint32_t at = 0;

    while (at < p->peer_count && p->peer[at]->osd.v < osd.v)
        at++;
    return at;
}

struct peering_peer *peering_peer(const struct peering *p, struct osd_id osd)
{
    uint32_t at = peer_place(p, osd);

    return at < p->peer_count && osd_eq(p->peer[at]->osd, osd) ? p->peer[at] : NULL;
}

static void peer_free(struct peering_peer *peer)
{
    pg_info_fini(&peer->info);
    pg_missing_fini(&peer->missing);
    mem_free(peer);
}

static void peer_look_up(const struct peering *p, struct peering_peer *peer)
{
    peer->up = osdmap_up(p->map, peer->osd);
    peer->up_from = peer->up ? p->map->osds[peer->osd.v].up_from : (struct epoch){0};
}

int peer_add(struct peering *p, struct osd_id osd, struct peering_peer **out)
{
    uint32_t at = peer_place(p, osd);
    struct peering_peer *peer, **grown;

    if (at < p->peer_count && osd_eq(p->peer[at]->osd, osd)) {
        *out = p->peer[at];
        return 0;
    }
    if (p->peer_count == p->peer_cap) {
        grown = mem_realloc(p->peer, (p->peer_cap + 8) * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        p->peer = grown;
        p->peer_cap += 8;
    }
    peer = mem_zalloc(sizeof(*peer));
    if (!peer)
        return -ENOMEM;
    peer->osd = osd;
    peer_look_up(p, peer);
    peer->lease_of = OSD_NONE;
    pg_missing_init(&peer->missing);
    memmove(&p->peer[at + 1], &p->peer[at], (p->peer_count - at) * sizeof(*p->peer));
    p->peer[at] = peer;
    p->peer_count++;
    *out = peer;
    return 0;
}

static int peers_add(struct peering *p, const struct osd_id *ids, uint32_t count)
{
    struct peering_peer *peer;

    for (uint32_t i = 0; i < count; i++)
        if (!osd_eq(ids[i], p->self) && ids[i].v >= 0 && peer_add(p, ids[i], &peer) < 0)
            return -ENOMEM;
    return 0;
}

int peers_add_past(struct peering *p)
{
    uint32_t max = MIN(p->copy->past.count * OSD_SET_MAX, p->map->osd_count), count;
    struct osd_id *ids = mem_calloc(max, sizeof(*ids));
    int rc;

    if (!ids)
        return -ENOMEM;
    count = past_intervals_ask(&p->copy->past, p->map, ids, max);
    rc = peers_add(p, ids, MIN(count, max));
    mem_free(ids);
    return rc;
}

int peers_ask(struct peering *p, struct peering_orders *orders)
{
    if (orders_reserve(orders, p->peer_count) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->peer_count; i++) {
        struct peering_peer *peer = p->peer[i];

        if (!peer->up || peer->asked || peer->answered)
            continue;
        orders_send(orders, PEERING_SEND_QUERY, peer->osd)->what = PG_QUERY_INFO;
        peer->asked = true;
    }
    return 0;
}

/* ---- events ---- */

static void peers_drop(struct peering *p)
{
    for (uint32_t i = 0; i < p->peer_count; i++)
        peer_free(p->peer[i]);
    mem_free(p->peer);
    p->peer = NULL;
    p->peer_count = p->peer_cap = 0;
}

void peering_init(struct peering *p, struct pgid pg)
{
    *p = (struct peering){.pg = pg, .self = OSD_NONE, .auth = OSD_NONE, .blocking = OSD_NONE};
}

void peering_fini(struct peering *p)
{
    peers_drop(p);
    osdmap_unref(p->map);
    peering_init(p, p->pg);
}

static void map_set(struct peering *p, struct osdmap *map)
{
    (void)osdmap_ref(map);
    osdmap_unref(p->map);
    p->map = map;
}

static int start(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    const struct pool *pool = osdmap_pool(ev->map, p->pg.pool);
    struct placement at;
    int rc = osdmap_place(ev->map, p->pg, &at);

    if (rc < 0)
        return rc;
    (void)osdmap_ref(ev->map);
    peering_fini(p);
    p->map = ev->map;
    p->self = ev->self;
    p->copy = ev->copy;
    p->first = ev->copy->past.first;
    p->at = at;
    p->size = pool->size;
    p->size_min = pool->size_min;
    p->primary = osd_eq(at.primary, p->self);
    p->state = p->primary ? PEERING_GET_INFO : PEERING_STRAY;
    if (!p->primary)
        return member_start(p, orders);
    rc = peers_add(p, at.up.osd, at.up.count);
    if (rc == 0)
        rc = peers_add(p, at.acting.osd, at.acting.count);
    if (rc == 0)
        rc = peers_add_past(p);
    return rc < 0 ? rc : peers_ask(p, orders);
}

/* Is the history still being chosen? */
static bool choosing(const struct peering *p)
{
    return p->state >= PEERING_GET_INFO && p->state <= PEERING_GET_LOG;
}

static int new_map(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    map_set(p, ev->map);
    for (uint32_t i = 0; i < p->peer_count; i++) {
        struct peering_peer *peer = p->peer[i];

        struct epoch was = peer->up_from;

        peer_look_up(p, peer);
        /* What it told may be gone with its disk by the time it is needed; another incarnation was
         * not asked. */
        if (!peer->up || !epoch_eq(was, peer->up_from))
            peer->asked = peer->asked_log = peer->answered = false;
    }
    if (p->wished && (p->state == PEERING_ACTIVE || p->state == PEERING_PEERED))
        primary_wish(p, &p->wish, orders);
    if (choosing(p)) {
        p->state = PEERING_GET_INFO;
        if (peers_add_past(p) < 0)
            return -ENOMEM;
    }
    return peers_ask(p, orders); /* a stray that came up is asked at any time: it may have to go */
}

static void backfill_complete(struct peering *p, struct osd_id from)
{
    struct peering_peer *peer = peering_peer(p, from);

    if (!peer)
        return;
    mem_free((void *)peer->info.last_backfill.data);
    peer->info.last_backfill = (struct bytes){0};
    peer->info.complete = true;
    peer->info.salvaged = false;
}

static int primary_event(struct peering *p, const struct peering_event *ev,
                         struct peering_orders *orders)
{
    struct peering_peer *peer = peering_peer(p, ev->from);

    switch (ev->kind) {
    case PEERING_EV_MAP:
        return new_map(p, ev, orders);
    case PEERING_EV_NOTIFY:
        return primary_notify(p, ev, orders);
    case PEERING_EV_SESSION_RESET:
        return primary_reset(p, ev, orders);
    case PEERING_EV_OWN_DURABLE:
        p->own_durable = true;
        return 0;
    case PEERING_EV_ACTIVATED:
        if (peer && p->state == PEERING_ACTIVATING)
            peer->activated = true;
        return 0;
    case PEERING_EV_COMPLETE:
        backfill_complete(p, ev->from);
        return 0;
    default:
        return 0; /* a timer or progress: the stages look; a member's event: not for us */
    }
}

static int member_event(struct peering *p, const struct peering_event *ev,
                        struct peering_orders *orders)
{
    switch (ev->kind) {
    case PEERING_EV_MAP:
        map_set(p, ev->map);
        return 0;
    case PEERING_EV_SESSION_RESET:
        return osd_eq(ev->from, p->at.primary) ? member_start(p, orders) : 0;
    case PEERING_EV_QUERY:
        return member_query(p, ev, orders);
    case PEERING_EV_ACTIVATE:
        return member_activate(p, ev, orders);
    case PEERING_EV_CLEAN:
        return member_clean(p, ev, orders);
    default:
        return 0;
    }
}

int peering_step(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    enum peering_state before = p->state;
    int rc;

    if (ev->kind == PEERING_EV_START)
        rc = start(p, ev, orders);
    else if (p->state == PEERING_IDLE)
        return 0;
    else
        rc = p->primary ? primary_event(p, ev, orders) : member_event(p, ev, orders);
    if (rc == 0 && p->primary)
        rc = primary_advance(p, ev, orders);
    if (p->state != before || ev->kind == PEERING_EV_START)
        orders->state_changed = true;
    return rc;
}

/* ---- what others ask ---- */

bool peering_missing_anywhere(const struct peering *p, const struct oid *oid)
{
    if (pg_missing_find(&p->copy->missing, oid))
        return true;
    for (uint32_t i = 0; i < p->peer_count; i++)
        if (peer_is_member(p->peer[i]) && pg_missing_find(&p->peer[i]->missing, oid))
            return true;
    return false;
}

struct version peering_trim_limit(const struct peering *p, struct version durable)
{
    return version_lt(durable, p->copy->log.head) ? durable : p->copy->log.head;
}

bool peering_all_recovered(const struct peering *p)
{
    if (p->copy->missing.count || !p->copy->info.complete)
        return false;
    for (uint32_t i = 0; i < p->peer_count; i++) {
        const struct peering_peer *peer = p->peer[i];

        if (peer_is_member(peer) && (peer->missing.count || !peer->info.complete))
            return false;
    }
    return true;
}

void peering_check(const struct peering *p)
{
    if (p->state == PEERING_IDLE)
        return;
    ASSERT(p->first.v <= p->map->epoch.v);
    ASSERT(p->primary == (p->state < PEERING_STRAY));
    if (p->state == PEERING_ACTIVE) {
        ASSERT(p->at.acting.count >= p->size_min);
        ASSERT(info_usable(&p->copy->info));
        ASSERT(epoch_eq(p->copy->info.les, p->first));
    }
    if (p->state == PEERING_REPLICA_ACTIVE)
        ASSERT(epoch_eq(p->copy->info.les, p->first));
    ASSERT(!p->clean || peering_all_recovered(p));
}
