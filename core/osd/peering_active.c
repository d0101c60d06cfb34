/* peering_active.c - the primary from activation on: making the history durable everywhere, then
 * watching for the moment when all copies have everything.
 *
 * Activation writes les with the log on each member.  The interval takes operations only when all
 * members have answered: a member that did not record les would later prove that the interval never
 * was active. */
#include "core/osd/peering_int.h"

void primary_wish(struct peering *p, const struct osd_set *want, struct peering_orders *orders)
{
    struct osd_set wish = *want;

    p->wish = wish;
    p->wished = true;
    orders->wish_temp = true;
    orders->temp = osd_set_equal(&wish, &p->at.up) ? (struct osd_set){0} : wish;
}

/* What the copy's info is once activated. */
static struct pg_info info_activated(const struct peering *p)
{
    struct pg_info i = pg_copy_info_now(p->copy);

    if (!info_exists(&i)) { /* a new PG */
        i.created = osdmap_pool(p->map, p->pg.pool)->created;
        i.created.v = MAX(i.created.v, 1);
        i.complete = true;
    }
    i.les = p->first;
    return i;
}

int activate_send(const struct peering *p, const struct peering_peer *peer,
                  struct peering_send *out)
{
    struct peering_send s = {.kind = PEERING_SEND_ACTIVATE, .to = peer->osd};
    struct version since = peer->restart ? (struct version){0} : peer->common;
    struct pg_info i = info_activated(p);

    i.complete = peer->acting || (peer->info.complete && !peer->restart);
    i.last_backfill = peer->restart ? (struct bytes){0} : peer->info.last_backfill;
    i.salvaged = peer->info.salvaged;
    i.missing_count = 0;
    s.restart = peer->restart;
    if (pg_info_copy(&i, &s.info) < 0)
        return -ENOMEM;
    if (pg_log_wire_make(&p->copy->log, since, &s.log) < 0) {
        pg_info_fini(&s.info);
        return -ENOMEM;
    }
    *out = s;
    return 0;
}

/* What the peer's info is once it took this. */
static void peer_activated_info(struct peering_peer *peer, const struct pg_info *info)
{
    peer->info.pg = info->pg;
    peer->info.created = info->created;
    peer->info.last_update = info->last_update;
    peer->info.les = info->les;
    peer->info.complete = peer->acting || (peer->info.complete && !peer->restart);
    if (peer->restart || peer->info.complete) {
        mem_free((void *)peer->info.last_backfill.data);
        peer->info.last_backfill = (struct bytes){0};
    }
}

/* Append the activation of every member.  0, or -ENOMEM: none. */
static int activations(struct peering *p, struct peering_orders *orders)
{
    uint32_t before = orders->send_count;

    if (orders_reserve(orders, p->peer_count) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->peer_count; i++) {
        struct peering_send s;

        if (!peer_is_member(p->peer[i]))
            continue;
        if (activate_send(p, p->peer[i], &s) < 0) {
            while (orders->send_count > before)
                send_fini(&orders->send[--orders->send_count]);
            return -ENOMEM;
        }
        *orders_send(orders, PEERING_SEND_ACTIVATE, s.to) = s;
    }
    return 0;
}

int primary_activate(struct peering *p, struct peering_orders *orders)
{
    struct pg_info info = info_activated(p);
    struct txn *txn = txn_create(p->pg);

    if (!txn)
        return -ENOMEM;
    pg_copy_info_put_as(p->copy, &info, txn);
    if (txn->rc < 0 || activations(p, orders) < 0) {
        txn_unref(txn);
        return -ENOMEM;
    }
    orders->persist = txn;
    orders->activation = true;
    p->copy->info = info; /* the same last_backfill */
    for (uint32_t i = 0; i < p->peer_count; i++)
        if (peer_is_member(p->peer[i]))
            peer_activated_info(p->peer[i], &info);
    p->own_durable = false;
    p->state = PEERING_ACTIVATING;
    return 0;
}

static bool all_activated(const struct peering *p)
{
    for (uint32_t i = 0; i < p->peer_count; i++)
        if (peer_is_member(p->peer[i]) && !p->peer[i]->activated)
            return false;
    return p->own_durable;
}

static bool is_stray_copy(const struct peering *p, const struct peering_peer *peer)
{
    return peer->up && peer->answered && !peer_is_member(peer) && !peer->removed &&
           info_exists(&peer->info) && p->at.acting.count >= p->size;
}

static void clean_send(struct peering *p, struct osd_id to, bool remove,
                       struct peering_orders *orders)
{
    struct peering_send *s = orders_send(orders, PEERING_SEND_CLEAN, to);

    s->last_clean = p->first;
    s->remove = remove;
}

/* Again, or for the first time: the peer may not know. */
int primary_tell_clean(struct peering *p, struct peering_peer *peer, struct peering_orders *orders)
{
    peer->removed = false;
    if (orders_reserve(orders, 1) < 0)
        return -ENOMEM;
    if (peer_is_member(peer)) {
        clean_send(p, peer->osd, false, orders);
    } else if (is_stray_copy(p, peer)) {
        clean_send(p, peer->osd, true, orders);
        peer->removed = true;
    }
    return 0;
}

/* Every copy of acting has everything: earlier intervals need not be asked about again, and other
 * copies may go. */
static int become_clean(struct peering *p, struct peering_orders *orders)
{
    struct pg_info info = pg_copy_info_now(p->copy);
    struct txn *txn;

    info.last_clean = p->first;
    past_intervals_prune(&p->copy->past, p->first);
    if (orders_reserve(orders, p->peer_count) < 0)
        return -ENOMEM;
    txn = txn_create(p->pg);
    if (!txn)
        return -ENOMEM;
    pg_copy_info_put_as(p->copy, &info, txn);
    if (txn->rc < 0) {
        txn_unref(txn);
        return -ENOMEM;
    }
    orders->persist = txn;
    p->copy->info.last_clean = p->first;
    p->clean = true;
    for (uint32_t i = 0; i < p->peer_count; i++)
        (void)primary_tell_clean(p, p->peer[i], orders); /* there is room */
    return 0;
}

int primary_settle(struct peering *p, struct peering_orders *orders)
{
    struct osd_set want;

    if (p->state == PEERING_ACTIVATING) {
        if (!all_activated(p))
            return 0;
        p->state = p->at.acting.count < p->size_min ? PEERING_PEERED : PEERING_ACTIVE;
    }
    peering_want_acting(p, &want);
    if (!osd_set_equal(&want, &p->at.acting) && !(p->wished && osd_set_equal(&want, &p->wish)))
        primary_wish(p, &want, orders);
    if (p->state != PEERING_ACTIVE || p->clean || orders->persist ||
        !osd_set_equal(&p->at.up, &p->at.acting) || !peering_all_recovered(p))
        return 0;
    return become_clean(p, orders);
}
