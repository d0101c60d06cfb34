/* peering_member.c - a copy that does not lead: it tells what it has, and follows.
 *
 * What it tells is durable: START is fed only when nothing submitted is under way, and answers wait
 * for what was submitted since. */
#include "core/osd/peering_int.h"

/* A copy that the maps place nowhere makes itself known: it may hold what others lack, or is to be
 * removed. */
int member_start(struct peering *p, struct peering_orders *orders)
{
    struct peering_send *s;
    struct pg_info info;

    if (!pg_copy_exists(p->copy) || p->at.primary.v < 0 || osd_set_has(&p->at.up, p->self) ||
        osd_set_has(&p->at.acting, p->self))
        return 0;
    if (orders_reserve(orders, 1) < 0 || pg_copy_info(p->copy, &info) < 0)
        return -ENOMEM;
    s = orders_send(orders, PEERING_SEND_NOTIFY, p->at.primary);
    s->info = info;
    s->unasked = true;
    return 0;
}

static int log_put(const struct peering *p, struct version since, struct peering_send *s)
{
    if (pg_log_wire_make(&p->copy->log, since, &s->log) < 0)
        return -ENOMEM;
    s->has_log = true;
    return pg_missing_wire(&p->copy->missing, &s->log.missing, &s->log.missing_count);
}

int member_query(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    const struct msg_pg_query *q = ev->query;
    struct peering_send s = {.kind = PEERING_SEND_NOTIFY, .to = ev->from, .after_durable = true};

    if (!epoch_eq(q->interval, p->first))
        return 0;
    if (orders_reserve(orders, 1) < 0 || pg_copy_info(p->copy, &s.info) < 0)
        return -ENOMEM;
    if (q->what == PG_QUERY_LOG && log_put(p, q->since, &s) < 0) {
        send_fini(&s);
        return -ENOMEM;
    }
    *orders_send(orders, PEERING_SEND_NOTIFY, ev->from) = s;
    return 0;
}

/* The log and missing as the primary says; rows of both go to `txn`.  `info` is what it will be. */
static int follow(struct peering *p, const struct msg_pg_activate *a, struct pg_info *info,
                  struct txn *txn)
{
    if (a->restart_backfill)
        return pg_merge_restart(p->copy, &a->log, txn);
    if (!pg_copy_exists(p->copy) && (!info->complete || a->log.head.seq))
        return -R_MALFORMED; /* nothing to go on from */
    return pg_merge(p->copy, &a->log, txn, &p->merged);
}

static int activated_send(const struct peering *p, struct peering_orders *orders)
{
    if (orders_reserve(orders, 1) < 0)
        return -ENOMEM;
    (void)orders_send(orders, PEERING_SEND_ACTIVATED, p->at.primary);
    return 0;
}

static int take_activation(struct peering *p, const struct msg_pg_activate *a, struct txn *txn)
{
    struct pg_info info = pg_copy_info_now(p->copy);
    int rc;

    info.created = a->info.created;
    info.les = p->first;
    if (a->info.last_clean.v > info.last_clean.v)
        info.last_clean = a->info.last_clean;
    if (a->restart_backfill) {
        info.complete = false;
        info.last_backfill = (struct bytes){0};
    } else if (!pg_copy_exists(p->copy)) {
        info.complete = a->info.complete;
    }
    past_intervals_prune(&p->copy->past, info.last_clean);
    pg_copy_info_put_as(p->copy, &info, txn);
    rc = follow(p, a, &info, txn);
    if (rc == 0)
        p->copy->info = info; /* the same last_backfill, or none: a restart freed it */
    return rc;
}

int member_activate(struct peering *p, const struct peering_event *ev,
                    struct peering_orders *orders)
{
    const struct msg_pg_activate *a = ev->activate;
    struct txn *txn;
    int rc;

    if (!epoch_eq(a->interval, p->first) || !osd_eq(ev->from, p->at.primary))
        return 0;
    if (a->info.created.v == 0)
        return -R_MALFORMED;
    /* Told twice: writes may have followed the first time, so only the answer is given again. */
    if (p->state == PEERING_REPLICA_ACTIVE)
        return activated_send(p, orders);
    if (orders->persist || orders_reserve(orders, 1) < 0)
        return -ENOMEM;
    txn = txn_create(p->pg);
    if (!txn)
        return -ENOMEM;
    rc = take_activation(p, a, txn);
    if (rc < 0) {
        txn_unref(txn);
        return rc;
    }
    orders->persist = txn;
    p->state = PEERING_REPLICA_ACTIVE;
    return activated_send(p, orders);
}

static int copy_forget(struct peering *p, struct peering_orders *orders)
{
    struct pg_copy empty;

    if (pg_copy_init(&empty, p->pg) < 0) {
        pg_copy_fini(&empty);
        return -ENOMEM;
    }
    empty.past = p->copy->past;
    p->copy->past = (struct past_intervals){0};
    pg_copy_fini(p->copy);
    pg_copy_move(&empty, p->copy);
    p->state = PEERING_STRAY;
    orders->remove_copy = true;
    return 0;
}

int member_clean(struct peering *p, const struct peering_event *ev, struct peering_orders *orders)
{
    const struct msg_pg_clean *c = ev->clean;
    struct pg_info info = pg_copy_info_now(p->copy);
    struct txn *txn;

    if (!epoch_eq(c->interval, p->first) || !osd_eq(ev->from, p->at.primary) ||
        !pg_copy_exists(p->copy))
        return 0;
    if (c->remove) {
        bool placed = osd_set_has(&p->at.up, p->self) || osd_set_has(&p->at.acting, p->self);

        return placed ? 0 : copy_forget(p, orders);
    }
    if (c->last_clean.v <= info.last_clean.v)
        return 0;
    if (orders->persist)
        return -ENOMEM;
    txn = txn_create(p->pg);
    if (!txn)
        return -ENOMEM;
    past_intervals_prune(&p->copy->past, c->last_clean);
    info.last_clean = c->last_clean;
    pg_copy_info_put_as(p->copy, &info, txn);
    if (txn->rc < 0) {
        txn_unref(txn);
        return -ENOMEM;
    }
    p->copy->info.last_clean = c->last_clean;
    orders->persist = txn;
    return 0;
}
