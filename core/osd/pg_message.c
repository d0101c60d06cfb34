/* pg_message.c - what a PG says to its other copies, and what it is told.
 *
 * Going out: peering decides what to say, here it becomes messages.  An answer about ourselves
 * leaves only when it would survive our power cut, on the session of the question: when that
 * breaks, the asker knows that the answer may be lost.
 *
 * Coming in: a message of the present interval is delivered, one of an earlier interval dropped
 * (its sender learns of the new one by the map), one of a later interval waits. */
#include "core/osd/pg.h"

enum { EARLY_BYTES_MAX = 32 << 20 };

/* ---- messages ---- */

static struct msg *query_make(const struct pg *pg, const struct peering_send *s)
{
    struct msg_pg_query *m = MESSAGE_NEW(pg_query);

    if (!m)
        return NULL;
    m->pg = pg->id;
    m->interval = pg_since(pg);
    m->from = pg->o->id;
    m->what = s->what;
    m->since = s->since;
    return &m->base;
}

static struct msg *notify_make(struct pg *pg, struct peering_send *s)
{
    struct msg_pg_notify *m = MESSAGE_NEW(pg_notify);
    struct osd_id of = OSD_NONE;
    uint64_t left = pg_hold_left_ns(pg, &of);

    if (!m)
        return NULL;
    m->pg = pg->id;
    m->interval = pg_since(pg);
    m->from = pg->o->id;
    m->unasked = s->unasked;
    m->info = s->info;
    s->info = (struct pg_info){0};
    if (left) {
        left = lease_longer(left, pg->o->conf.osd_clock_drift_ppm);
        m->lease_left_ms = (uint32_t)((left + NS_PER_MS - 1) / NS_PER_MS);
    }
    m->lease_of = of;
    m->has_log = s->has_log;
    m->log = s->log;
    s->log = (struct pg_log_wire){0};
    return &m->base;
}

static struct msg *activate_make(const struct pg *pg, struct peering_send *s)
{
    struct msg_pg_activate *m = MESSAGE_NEW(pg_activate);

    if (!m)
        return NULL;
    m->pg = pg->id;
    m->interval = pg_since(pg);
    m->from = pg->o->id;
    m->info = s->info;
    s->info = (struct pg_info){0};
    m->log = s->log;
    s->log = (struct pg_log_wire){0};
    m->restart_backfill = s->restart;
    return &m->base;
}

static struct msg *activated_make(const struct pg *pg)
{
    struct msg_pg_activated *m = MESSAGE_NEW(pg_activated);

    if (!m)
        return NULL;
    m->pg = pg->id;
    m->interval = pg_since(pg);
    m->from = pg->o->id;
    return &m->base;
}

static struct msg *clean_make(const struct pg *pg, const struct peering_send *s)
{
    struct msg_pg_clean *m = MESSAGE_NEW(pg_clean);

    if (!m)
        return NULL;
    m->pg = pg->id;
    m->interval = pg_since(pg);
    m->last_clean = s->last_clean;
    m->remove = s->remove;
    return &m->base;
}

static struct msg *send_make(struct pg *pg, struct peering_send *s)
{
    switch (s->kind) {
    case PEERING_SEND_QUERY:
        return query_make(pg, s);
    case PEERING_SEND_NOTIFY:
        return notify_make(pg, s);
    case PEERING_SEND_ACTIVATE:
        return activate_make(pg, s);
    case PEERING_SEND_ACTIVATED:
        return activated_make(pg);
    case PEERING_SEND_CLEAN:
        return clean_make(pg, s);
    }
    UNREACHABLE();
}

static bool asked_by(const struct pg *pg, struct osd_id id)
{
    return pg->asker && !session_dead(pg->asker) && session_peer(pg->asker)->id == (uint64_t)id.v;
}

/* An answer goes back on the session of the question: when that breaks, the asker knows. */
static void post(struct pg *pg, struct osd_id to, bool answer, struct msg *m)
{
    if (answer && asked_by(pg, to) && !m)
        session_close(pg->asker); /* there was no memory for it: it asks again */
    else if (answer && asked_by(pg, to))
        session_send(pg->asker, m);
    else
        osd_send(pg->o, to, m);
}

struct send_after {
    struct pg_after after;
    struct osd_id to;
    bool answer;
    struct msg *m; /* owned */
};

static void send_now(struct pg_after *a, struct pg *pg, bool dropped)
{
    struct send_after *s = CONTAINER_OF(a, struct send_after, after);

    if (dropped)
        msg_free(s->m);
    else
        post(pg, s->to, s->answer, s->m);
    mem_free(s);
}

void pg_send(struct pg *pg, struct peering_send *send)
{
    struct msg *m = send_make(pg, send);
    struct send_after *s;

    if (!send->after_durable) {
        osd_send(pg->o, send->to, m);
        return;
    }
    s = m ? mem_zalloc(sizeof(*s)) : NULL;
    if (!s) {
        msg_free(m);
        post(pg, send->to, !send->unasked, NULL);
        return;
    }
    s->m = m;
    s->to = send->to;
    s->answer = !send->unasked;
    s->after.run = send_now;
    pg_after(pg, &s->after);
}

/* ---- messages of peering, and all others once their interval is the present one ---- */

static struct epoch interval_of(const struct msg *m, struct pgid *out_pg)
{
#define INTERVAL_OF(name)                                                                          \
    if (MESSAGE_IS(m, name)) {                                                                     \
        *out_pg = ((const struct msg_##name *)m)->pg;                                              \
        return ((const struct msg_##name *)m)->interval;                                           \
    }
    INTERVAL_OF(rep_op)
    INTERVAL_OF(rep_reply)
    INTERVAL_OF(pg_query)
    INTERVAL_OF(pg_notify)
    INTERVAL_OF(pg_activate)
    INTERVAL_OF(pg_activated)
    INTERVAL_OF(pg_clean)
    INTERVAL_OF(pg_pull)
    INTERVAL_OF(pg_push)
    INTERVAL_OF(pg_pushed)
    INTERVAL_OF(pg_scan)
    INTERVAL_OF(pg_progress)
    INTERVAL_OF(pg_damaged)
#undef INTERVAL_OF
    UNREACHABLE();
}

static void deliver(struct pg *pg, struct session *s, struct msg *m, struct osd_id from)
{
    struct peering_event ev = {.from = from};

    if (MESSAGE_IS(m, pg_query) || MESSAGE_IS(m, pg_activate)) {
        session_unref(pg->asker);
        pg->asker = session_ref(s);
    }
    if (MESSAGE_IS(m, pg_query)) {
        ev.kind = PEERING_EV_QUERY;
        ev.query = MESSAGE_AS(m, pg_query);
    } else if (MESSAGE_IS(m, pg_notify)) {
        ev.kind = PEERING_EV_NOTIFY;
        ev.notify = MESSAGE_AS(m, pg_notify);
    } else if (MESSAGE_IS(m, pg_activate)) {
        ev.kind = PEERING_EV_ACTIVATE;
        ev.activate = MESSAGE_AS(m, pg_activate);
    } else if (MESSAGE_IS(m, pg_activated)) {
        ev.kind = PEERING_EV_ACTIVATED;
    } else if (MESSAGE_IS(m, pg_clean)) {
        ev.kind = PEERING_EV_CLEAN;
        ev.clean = MESSAGE_AS(m, pg_clean);
    } else if (MESSAGE_IS(m, rep_op)) {
        replica_op(pg, s, MESSAGE_AS(m, rep_op));
        return;
    } else if (MESSAGE_IS(m, rep_reply)) {
        replicate_reply(pg, MESSAGE_AS(m, rep_reply));
    } else if (MESSAGE_IS(m, pg_pull)) {
        recovery_pull(pg, s, MESSAGE_AS(m, pg_pull));
        return;
    } else if (MESSAGE_IS(m, pg_push)) {
        recovery_push(pg, s, MESSAGE_AS(m, pg_push));
        return;
    } else if (MESSAGE_IS(m, pg_pushed)) {
        recovery_pushed(pg, MESSAGE_AS(m, pg_pushed));
    } else if (MESSAGE_IS(m, pg_scan)) {
        backfill_scan(pg, s, MESSAGE_AS(m, pg_scan));
        return;
    } else if (MESSAGE_IS(m, pg_progress)) {
        backfill_progress(pg, s, MESSAGE_AS(m, pg_progress));
        return;
    } else if (MESSAGE_IS(m, pg_damaged)) {
        repair_told(pg, MESSAGE_AS(m, pg_damaged));
    }
    if (ev.kind)
        pg_event(pg, &ev);
    msg_free(m);
}

static void keep_early(struct pg *pg, struct session *s, struct msg *m)
{
    struct held *h = pg->early_bytes < EARLY_BYTES_MAX ? mem_zalloc(sizeof(*h)) : NULL;

    if (!h) {
        session_close(s); /* whoever sent it learns that it may be lost */
        msg_free(m);
        return;
    }
    h->session = session_ref(s);
    h->msg = m;
    pg->early_bytes += m->type->bytes + (m->type->cost ? m->type->cost(m) : 0);
    list_push_back(&pg->early, &h->link);
}

void pg_message(struct pg *pg, struct session *s, struct msg *m)
{
    const struct entity *who = session_peer(s);
    struct osd_id from = {(int32_t)who->id};
    struct pgid id;
    struct epoch interval = interval_of(m, &id);
    bool unasked = MESSAGE_IS(m, pg_notify) && MESSAGE_AS(m, pg_notify)->unasked;

    if (who->role != ENTITY_OSD) {
        msg_free(m);
        return;
    }
    if (pg->phase != PG_LIVE && (pg->phase == PG_WALK || interval.v >= pg_since(pg).v)) {
        keep_early(pg, s, m);
        return;
    }
    /* Of an older interval, or from a former or a later self of a member: its sender learns of the
     * new one by the map.  A stray may be up by a map that is on its way. */
    if (interval.v != pg_since(pg).v || (!unasked && !osd_is_up(pg->o, from, who->instance))) {
        msg_free(m);
        return;
    }
    pg_touch(pg);
    deliver(pg, s, m, from);
}

static void answer_absent(struct osd *o, struct session *s, const struct msg_pg_query *q)
{
    struct msg_pg_notify *m = MESSAGE_NEW(pg_notify);

    if (!m)
        return; /* asked again by timer */
    m->pg = m->info.pg = q->pg;
    m->interval = q->interval;
    m->info.salvaged = osd_may_have_lost(o, q->pg);
    m->from = o->id;
    m->lease_of = OSD_NONE;
    osd_send(o, (struct osd_id){(int32_t)session_peer(s)->id}, &m->base);
}

void pgs_message(struct osd *o, struct session *s, struct msg *m)
{
    struct pgid id;
    struct epoch interval = interval_of(m, &id);
    struct pg *pg;

    if (!o->map || interval.v > o->map->epoch.v) {
        osd_hold(o, s, m);
        return;
    }
    pg = osd_pg(o, id);
    if (pg) {
        pg_message(pg, s, m);
        return;
    }
    if (MESSAGE_IS(m, pg_query) && session_peer(s)->role == ENTITY_OSD)
        answer_absent(o, s, MESSAGE_AS(m, pg_query));
    msg_free(m);
}
