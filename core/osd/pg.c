/* pg.c - life of a placement group, and the driver of its peering.
 *
 *   WALK ──history known──▶ DRAIN ──all durable──▶ LIVE ──new interval──▶ DRAIN
 *                                                   └──told to remove, pool gone──▶ REMOVE ──▶
 * DRAIN
 *
 * Decisions are peering_step()'s.  Here its todo becomes deeds, in its order: what is to be
 * persisted is submitted, messages are sent (answers about ourselves only when they would survive
 * our power cut), wishes go to the monitor, the timer is set.
 *
 * Read leases across intervals: when an interval ends, what we granted to its primary is remembered
 * (`holds`) until it runs out.  We tell it to a new primary that asks, and as a new primary wait it
 * out ourselves before our own part of the activation counts. */
#include "core/osd/pg.h"

enum { EARLY_BYTES_MAX = 32 << 20 };

/* ---- life ---- */

struct pg *osd_pg(const struct osd *o, struct pgid id)
{
    uint64_t hash = pgid_hash(id);

    for (struct hnode *n = htable_first(&o->pgs, hash); n; n = htable_next(n)) {
        struct pg *pg = CONTAINER_OF(n, struct pg, node);

        if (pgid_eq(pg->id, id))
            return pg;
    }
    return NULL;
}

void pg_touch(struct pg *pg)
{
    if (!list_linked(&pg->check_link))
        list_push_back(&pg->o->check_list, &pg->check_link);
}

/* ---- promises ---- */

/* Is whatever could use our promise gone?  A later incarnation opened the store under its lock, or
 * the OSD told the monitors that it stopped. */
static bool promise_void(const struct pg *pg, const struct lease_hold_row *row)
{
    const struct osdmap *map = pg->o->map;
    const struct osd_info *info;

    if (osd_eq(row->osd, pg->at.primary))
        return true; /* it leads again, and knows that the interval changed */
    if (!osdmap_exists(map, row->osd))
        return false;
    info = &map->osds[row->osd.v];
    return (info->state & OSD_UP) ? info->up_from.v > row->last.v : (info->state & OSD_STOPPED);
}

static uint64_t hold_left_ns(const struct pg *pg, struct osd_id *out_of)
{
    uint64_t now_ns = env_now_ns(pg->o->env), longest = 0;

    for (uint32_t i = 0; i < pg->holds.count; i++) {
        const struct lease_hold_row *row = &pg->holds.row[i];

        if (row->until_ns <= now_ns + longest || promise_void(pg, row))
            continue;
        longest = row->until_ns - now_ns;
        *out_of = row->osd;
    }
    return longest;
}

/* Our own promises to earlier primaries run out before our part of the activation counts. */
static void own_durable(struct pg *pg)
{
    struct osd_id of;
    uint64_t left = hold_left_ns(pg, &of);

    if (left && !PLANTED(PLANT_NO_LEASE)) {
        env_timer_after(pg->o->env, &pg->hold_timer, left);
        return;
    }
    pg_event(pg, &(struct peering_event){.kind = PEERING_EV_OWN_DURABLE});
}

static void hold_fired(struct env_timer *t)
{
    struct pg *pg = CONTAINER_OF(t, struct pg, hold_timer);

    if (pg->phase == PG_LIVE && pg->peering.state == PEERING_ACTIVATING)
        own_durable(pg);
}

static void timer_fired(struct env_timer *t)
{
    struct pg *pg = CONTAINER_OF(t, struct pg, timer);

    pg_event(pg, &(struct peering_event){.kind = PEERING_EV_TIMER});
}

static void init_lists(struct pg *pg)
{
    struct list *lists[] = {&pg->link,      &pg->check_link, &pg->recovery_link, &pg->early,
                            &pg->walk_link, &pg->subs,       &pg->inflight,      &pg->after,
                            &pg->ops,       &pg->waiting,    &pg->blocked,       &pg->lease_waits,
                            &pg->reps,      &pg->lagging,    &pg->copies};

    for (unsigned i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
}

struct pg *pg_create(struct osd *o, struct pgid id)
{
    struct pg *pg = mem_zalloc(sizeof(*pg));
    char name[32];

    if (!pg)
        return NULL;
    pg->o = o;
    pg->id = id;
    pg->led_by = pg->at.primary = pg->at.up_primary = OSD_NONE;
    init_lists(pg);
    if (htable_init(&pg->octxs, 64) < 0 || pg_copy_init(&pg->copy, id) < 0) {
        htable_fini(&pg->octxs);
        mem_free(pg);
        return NULL;
    }
    peering_init(&pg->peering, id);
    log_init(&pg->log, env_log_sink(o->env), "osd.%d pg %s", o->id.v, pgid_print(id, name));
    env_timer_init(&pg->timer, timer_fired);
    env_timer_init(&pg->hold_timer, hold_fired);
    replica_init(pg);
    recovery_init(pg);
    htable_insert(&o->pgs, &pg->node, pgid_hash(id));
    list_push_back(&o->pg_list, &pg->link);
    return pg;
}

void pg_destroy(struct pg *pg)
{
    struct osd *o = pg->o;

    env_timer_cancel(o->env, &pg->timer);
    env_timer_cancel(o->env, &pg->hold_timer);
    env_timer_cancel(o->env, &pg->recovery_timer);
    session_unref(pg->asker);
    osd_history_forget(o, pg);
    held_drop_all(&pg->early);
    list_remove(&pg->check_link);
    list_remove(&pg->recovery_link);
    list_remove(&pg->link);
    if (o->check_next == pg)
        o->check_next = NULL;
    htable_remove(&o->pgs, &pg->node);
    peering_fini(&pg->peering);
    pg_copy_fini(&pg->copy);
    htable_fini(&pg->octxs);
    mem_free(pg);
}

bool pg_idle(const struct pg *pg)
{
    return pg->durable_seq == pg->sub_seq && list_empty(&pg->ops) && pg->octxs.count == 0 &&
           list_empty(&pg->copies) && !pg->backfill && !pg->count && pg->busy == 0;
}

void pg_maybe_free(struct pg *pg)
{
    const struct osd *o = pg->o;

    if (!osd_serving(o) || pg->phase == PG_WALK || pg->phase == PG_REMOVE ||
        pg_copy_exists(&pg->copy) || !pg_idle(pg))
        return;
    if (!pg->pool_gone && (osd_set_has(&pg->at.up, o->id) || osd_set_has(&pg->at.acting, o->id)))
        return;
    if (!list_empty(&pg->early))
        return;
    pg_destroy(pg);
}

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

static struct msg *notify_make(const struct pg *pg, struct peering_send *s)
{
    struct msg_pg_notify *m = MESSAGE_NEW(pg_notify);
    struct osd_id of = OSD_NONE;
    uint64_t left = hold_left_ns(pg, &of);

    if (!m)
        return NULL;
    m->pg = pg->id;
    m->interval = s->unasked ? (struct epoch){0} : pg_since(pg);
    m->from = pg->o->id;
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

static struct msg *send_make(const struct pg *pg, struct peering_send *s)
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

/* An answer goes back on the session of the question: when that breaks, the asker knows. */
static void post(struct pg *pg, struct osd_id to, bool answer, struct msg *m)
{
    if (answer && m && pg->asker && !session_dead(pg->asker) &&
        session_peer(pg->asker)->id == (uint64_t)to.v)
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

static void send_one(struct pg *pg, struct peering_send *send)
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
        return; /* the primary asks again when its timer fires */
    }
    s->m = m;
    s->to = send->to;
    s->answer = !send->unasked;
    s->after.run = send_now;
    pg_after(pg, &s->after);
}

/* ---- the driver ---- */

struct activation {
    struct pg_after after;
};

static void activation_durable(struct pg_after *a, struct pg *pg, bool dropped)
{
    mem_free(CONTAINER_OF(a, struct activation, after));
    if (!dropped)
        own_durable(pg);
}

static void state_changed(struct pg *pg, enum peering_state was)
{
    struct osd *o = pg->o;
    enum peering_state now = pg->peering.state;
    bool active = now == PEERING_ACTIVE || now == PEERING_PEERED;
    bool was_active = was == PEERING_ACTIVE || was == PEERING_PEERED;

    log_debug(&pg->log, "peering", KV_STR("state", peering_state_name(now)),
              KV_EPOCH(pg_since(pg)));
    event_note(peering_state_name(now), pg->id.seed, pg_since(pg).v);
    if (now == PEERING_REPLICA_ACTIVE && was != now) {
        pg->durable = pg->applied = pg->copy.log.head;
        pg->led_by = pg->at.primary;
    }
    if (active && !was_active) {
        o->n.activations++;
        if (pg->led_by.v >= 0 && !osd_eq(pg->led_by, o->id))
            o->n.failovers++;
        pg->led_by = o->id;
        o->n.rollbacks += pg->peering.merged.divergent;
        o->n.log_merges += pg->peering.merged.divergent || pg->peering.merged.appended;
        replicate_start(pg);
        pg_count_start(pg);
        recovery_wake(pg);
    }
    if (now == PEERING_ACTIVE)
        exec_active(pg);
    o->mon.stats_changed = true;
}

/* Everything in it is done, or dropped where it will be asked for again. */
static void do_todo(struct pg *pg, struct peering_todo *todo, enum peering_state was)
{
    struct osd *o = pg->o;

    if (todo->persist && pg_submit_txn(pg, todo->persist) < 0) {
        osd_fail(o, -ENOMEM, "peering could not be made durable");
        return;
    }
    todo->persist = NULL;
    pg->saved_newest = pg->copy.past.newest;
    for (uint32_t i = 0; i < todo->send_count; i++)
        send_one(pg, &todo->send[i]);
    if (todo->activation) {
        struct activation *a = mem_zalloc(sizeof(*a));

        if (!a) {
            osd_fail(o, -ENOMEM, "peering could not be made durable");
            return;
        }
        a->after.run = activation_durable;
        pg_after(pg, &a->after);
    }
    if (todo->wish_temp || todo->wish_up_thru.v) {
        if (todo->wish_temp) {
            pg->temp_said &= osd_set_equal(&pg->temp_wish, &todo->temp);
            pg->temp_wish = todo->temp;
            pg->temp_wished = true;
        }
        if (todo->wish_up_thru.v)
            pg->up_thru_wish = todo->wish_up_thru;
        osd_wish(o);
    }
    if (todo->timer_at_ns)
        env_timer_at(o->env, &pg->timer, todo->timer_at_ns);
    if (todo->state_changed || pg->peering.state != was)
        state_changed(pg, was);
    if (todo->remove_copy)
        pg_remove_start(pg);
}

void pg_event(struct pg *pg, const struct peering_event *given)
{
    struct peering_event ev = *given;
    struct peering_todo todo = {0};
    enum peering_state was = pg->peering.state;
    int rc;

    if (!osd_serving(pg->o) || (pg->phase != PG_LIVE && ev.kind != PEERING_EV_START))
        return;
    pg_touch(pg);
    ev.now_ns = env_now_ns(pg->o->env);
    rc = peering_step(&pg->peering, &ev, &todo);
    if (rc == -ENOMEM) {
        /* Rare and nothing is lost by starting over: the process is short of memory. */
        peering_todo_fini(&todo);
        osd_fail(pg->o, rc, "peering of a placement group");
        return;
    }
    if (rc < 0)
        log_warn(&pg->log, "a peering message was dropped", KV_OSD(ev.from), KV_RC(rc));
    do_todo(pg, &todo, was);
    peering_todo_fini(&todo);
}

/* ---- maps and intervals ---- */

static void place(struct pg *pg, const struct osdmap *map)
{
    struct placement at = {0};
    const struct pool *pool;

    if (osdmap_place(map, pg->id, &at) < 0) {
        at.primary = at.up_primary = OSD_NONE;
        pg->pool_gone = true;
    }
    pg->at = at;
    pool = osdmap_pool(map, pg->id.pool);
    if (pool)
        pg->pg_count = pool->pg_count;
}

/* Until when promises of our earlier incarnation may run, which we do not remember. */
static uint64_t forgotten_until_ns(const struct osd *o)
{
    return o->started_ns +
           lease_longer((uint64_t)o->map->lease_ms * NS_PER_MS, o->conf.osd_clock_drift_ppm);
}

/* What we granted to the primary of the interval that ends with `last`. */
static void note_promises(struct pg *pg, struct osd_id primary, struct epoch last)
{
    const struct osd *o = pg->o;
    const struct peer *p = osd_peer(o, primary);
    struct epoch led;

    if (osd_eq(primary, o->id) || !past_intervals_led_by(&pg->copy.past, primary, &led))
        return; /* it cannot have been active */
    lease_hold(&pg->holds, primary, last, MAX(p ? p->granted_until_ns : 0, forgotten_until_ns(o)),
               env_now_ns(o->env));
}

void pg_interval(struct pg *pg)
{
    pg_touch(pg);
    if (pg->phase != PG_REMOVE)
        pg->phase = PG_DRAIN; /* first: nothing of the old interval starts from here on */
    env_timer_cancel(pg->o->env, &pg->timer);
    env_timer_cancel(pg->o->env, &pg->hold_timer);
    pg->temp_wished = pg->temp_said = false;
    pg->up_thru_wish.v = 0;
    pg_after_drop(pg);
    exec_interval(pg);
    replicate_interval(pg);
    replica_interval(pg);
    backfill_interval(pg);
    recovery_interval(pg);
    pg_count_stop(pg);
    pg->o->mon.stats_changed = true;
}

static void run_early(struct pg *pg)
{
    struct list now;

    list_init(&now);
    list_splice(&now, &pg->early);
    pg->early_bytes = 0;
    while (!list_empty(&now)) {
        struct held *h = LIST_FIRST(&now, struct held, link);
        struct msg *m = TAKE(h->msg);

        list_remove(&h->link);
        pg_message(pg, h->session, m);
        held_free(h);
    }
}

void pg_drained(struct pg *pg)
{
    struct osd *o = pg->o;

    if (!o->map || !osd_serving(o))
        return;
    if (pg->phase != PG_DRAIN || pg->durable_seq != pg->sub_seq) {
        pg_maybe_free(pg);
        return;
    }
    if (pg->pool_gone) {
        if (pg_copy_exists(&pg->copy))
            pg_remove_start(pg);
        else
            pg_maybe_free(pg);
        return;
    }
    pg->phase = PG_LIVE;
    pg->durable = pg->applied = pg->copy.log.head;
    pg_event(pg, &(struct peering_event){
                     .kind = PEERING_EV_START, .map = o->map, .self = o->id, .copy = &pg->copy});
    run_early(pg);
    pg_maybe_free(pg);
}

void pg_walked(struct pg *pg)
{
    ASSERT(pg->phase == PG_WALK);
    place(pg, pg->o->map);
    for (uint32_t i = 0; i < pg->copy.past.count; i++)
        note_promises(pg, pg->copy.past.row[i].primary, pg->copy.past.row[i].last);
    pg->phase = PG_DRAIN;
    pg_drained(pg);
}

/* An `i` row whose walk ended long ago would keep old maps in the store. */
static void save_walk(struct pg *pg)
{
    struct txn *txn;

    if (!pg_copy_exists(&pg->copy) || pg->phase != PG_LIVE ||
        pg->copy.past.newest.v - pg->saved_newest.v < 2 * OSD_FULL_MAP_EVERY)
        return;
    txn = txn_create(pg->id);
    if (!txn)
        return;
    pg_copy_info_put(&pg->copy, txn);
    if (txn->rc < 0 || pg_submit_txn(pg, txn) < 0)
        txn_unref(txn);
    else
        pg->saved_newest = pg->copy.past.newest;
}

static void map_one(struct pg *pg, const struct osdmap *prev, const struct osdmap *next)
{
    bool gone = !osdmap_pool(next, pg->id.pool);
    int begun = 0;

    if (pg->phase == PG_WALK || pg->copy.past.first.v == 0) {
        place(pg, next);
        return; /* the walk comes by */
    }
    if (gone) {
        if (!pg->pool_gone) {
            place(pg, next);
            pg_interval(pg);
            pg_drained(pg);
        }
        return;
    }
    if (pg->copy.past.newest.v >= next->epoch.v)
        return; /* it saw this map before a crash that the map itself did not survive */
    if (next->epoch.v != prev->epoch.v + 1) {
        past_intervals_begin(&pg->copy.past, next);
        begun = 1;
    } else {
        begun = past_intervals_walk(&pg->copy.past, pg->id, prev, next);
    }
    if (begun < 0) {
        osd_fail(pg->o, begun, "the intervals of a placement group");
        return;
    }
    if (begun) {
        note_promises(pg, pg->at.primary, prev->epoch);
        place(pg, next);
        pg_interval(pg);
        pg_drained(pg);
        return;
    }
    place(pg, next);
    pg_event(pg, &(struct peering_event){.kind = PEERING_EV_MAP, .map = pg->o->map});
    save_walk(pg);
}

static void create_mapped(struct osd *o, const struct osdmap *next, const struct pool *pool)
{
    for (uint32_t seed = 0; seed < pool->pg_count; seed++) {
        struct pgid id = {pool->id, seed};
        struct placement at;
        struct pg *pg;

        if (osdmap_place(next, id, &at) < 0 || osd_pg(o, id))
            continue;
        if (!osd_set_has(&at.up, o->id) && !osd_set_has(&at.acting, o->id))
            continue;
        pg = pg_create(o, id);
        if (!pg) {
            osd_fail(o, -ENOMEM, "creating a placement group");
            return;
        }
        place(pg, next);
        if (pool->created.v == next->epoch.v) {
            past_intervals_begin(&pg->copy.past, next);
            pg_walked(pg);
        } else {
            osd_history_want(o, pg);
        }
    }
}

void pgs_map(struct osd *o, const struct osdmap *prev, const struct osdmap *next)
{
    LIST_EACH_SAFE (at, &o->pg_list)
        map_one(LIST_ENTRY(at, struct pg, link), prev, next);
    for (uint32_t i = 0; i < next->pool_count; i++)
        create_mapped(o, next, &next->pools[i]);
}

void pgs_begin(struct osd *o)
{
    LIST_EACH_SAFE (at, &o->pg_list) {
        struct pg *pg = LIST_ENTRY(at, struct pg, link);

        if (pg->phase != PG_WALK || list_linked(&pg->walk_link))
            continue;
        place(pg, o->map);
        osd_history_want(o, pg);
    }
    for (uint32_t i = 0; i < o->map->pool_count; i++)
        create_mapped(o, o->map, &o->map->pools[i]);
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
    bool unasked = interval.v == 0 && MESSAGE_IS(m, pg_notify);

    if (who->role != ENTITY_OSD) {
        msg_free(m);
        return;
    }
    if (pg->phase != PG_LIVE && (unasked || pg->phase == PG_WALK || interval.v >= pg_since(pg).v)) {
        keep_early(pg, s, m);
        return;
    }
    if (!unasked && interval.v != pg_since(pg).v) {
        msg_free(m); /* of an older interval: its sender learns of the new one by the map */
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

/* ---- the end of the role ---- */

void pg_close(struct pg *pg)
{
    enum pg_phase phase = pg->phase;

    pg_interval(pg);
    pg->phase = phase == PG_WALK ? PG_WALK : pg->phase;
    held_drop_all(&pg->early);
}

void pg_abandon(struct pg *pg)
{
    pg_subs_free(pg);
    pg_remove_abandon(pg);
    ASSERT(list_empty(&pg->ops) && list_empty(&pg->reps) && list_empty(&pg->lagging));
}

/* ---- for all ---- */

void pg_peer_broken(struct pg *pg, struct osd_id id)
{
    if (pg->phase != PG_LIVE)
        return;
    pg_event(pg, &(struct peering_event){.kind = PEERING_EV_SESSION_RESET, .from = id});
    replicate_resend(pg, id);
    recovery_peer_broken(pg, id);
    backfill_peer_broken(pg, id);
}

void pgs_peer_broken(struct osd *o, struct osd_id id)
{
    LIST_EACH_SAFE (at, &o->pg_list)
        pg_peer_broken(LIST_ENTRY(at, struct pg, link), id);
}

void pgs_lease(struct osd *o)
{
    LIST_EACH_SAFE (at, &o->pg_list)
        exec_lease(LIST_ENTRY(at, struct pg, link));
}

void pg_retry(struct pg *pg)
{
    pg_subs_run(pg);
    exec_unblock(pg);
    recovery_wake(pg);
    pg_remove_retry(pg);
}

void pgs_retry(struct osd *o)
{
    LIST_EACH_SAFE (at, &o->pg_list)
        pg_retry(LIST_ENTRY(at, struct pg, link));
}
