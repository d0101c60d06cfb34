/* pg.c - life of a placement group, and the driver of its peering.
 *
 *   WALK ──history known──▶ DRAIN ──all durable──▶ LIVE
 *   LIVE ──new interval──▶ DRAIN
 *   LIVE ──told to remove, pool gone──▶ REMOVE ──▶ DRAIN
 *
 * Decisions are peering_step()'s.  Here its orders becomes deeds, in its order: what is to be
 * persisted is submitted, messages are sent (answers about ourselves only when they would survive
 * our power cut), wishes go to the monitor, the timer is set. */
#include "core/osd/pg.h"

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
                            &pg->reps,      &pg->lagging,    &pg->copies,        &pg->rotten};

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
    env_timer_cancel(o->env, &pg->recovery_timer);
    session_unref(pg->asker);
    osd_history_forget(o, pg);
    held_drop_all(&pg->early);
    repair_forget(pg);
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

/* ---- the driver ---- */

struct activation {
    struct pg_after after;
};

static void activation_durable(struct pg_after *a, struct pg *pg, bool dropped)
{
    mem_free(CONTAINER_OF(a, struct activation, after));
    if (!dropped)
        pg_event(pg, &(struct peering_event){.kind = PEERING_EV_OWN_DURABLE});
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
static void do_orders(struct pg *pg, struct peering_orders *orders, enum peering_state was)
{
    struct osd *o = pg->o;

    if (orders->persist && pg_submit_txn(pg, orders->persist) < 0) {
        osd_fail(o, -ENOMEM, "peering could not be made durable");
        return;
    }
    orders->persist = NULL;
    pg->saved_newest = pg->copy.past.newest;
    for (uint32_t i = 0; i < orders->send_count; i++)
        pg_send(pg, &orders->send[i]);
    if (orders->activation) {
        struct activation *a = mem_zalloc(sizeof(*a));

        if (!a) {
            osd_fail(o, -ENOMEM, "peering could not be made durable");
            return;
        }
        a->after.run = activation_durable;
        pg_after(pg, &a->after);
    }
    if (orders->wish_temp || orders->wish_up_thru.v) {
        if (orders->wish_temp) {
            pg->temp_said &= osd_set_equal(&pg->temp_wish, &orders->temp);
            pg->temp_wish = orders->temp;
            pg->temp_wished = true;
        }
        if (orders->wish_up_thru.v)
            pg->up_thru_wish = orders->wish_up_thru;
        osd_wish(o);
    }
    if (orders->timer_at_ns)
        env_timer_at(o->env, &pg->timer, orders->timer_at_ns);
    if (orders->state_changed || pg->peering.state != was)
        state_changed(pg, was);
    if (orders->remove_copy)
        pg_remove_start(pg);
}

void pg_event(struct pg *pg, const struct peering_event *given)
{
    struct peering_event ev = *given;
    struct peering_orders orders = {0};
    enum peering_state was = pg->peering.state;
    struct lease_holds promised;
    int rc;

    if (!osd_serving(pg->o) || (pg->phase != PG_LIVE && ev.kind != PEERING_EV_START))
        return;
    pg_touch(pg);
    ev.now_ns = env_now_ns(pg->o->env);
    if (pg->holds.count && !PLANTED(PLANT_NO_LEASE)) {
        pg_promises(pg, &promised);
        ev.promised = &promised;
    }
    rc = peering_step(&pg->peering, &ev, &orders);
    if (rc == -ENOMEM) {
        /* Rare and nothing is lost by starting over: the process is short of memory. */
        peering_orders_fini(&orders);
        osd_fail(pg->o, rc, "peering of a placement group");
        return;
    }
    if (rc < 0)
        log_warn(&pg->log, "a peering message was dropped", KV_OSD(ev.from), KV_RC(rc));
    do_orders(pg, &orders, was);
    peering_orders_fini(&orders);
}

/* ---- intervals ---- */

void pg_interval(struct pg *pg)
{
    pg_touch(pg);
    if (pg->phase != PG_REMOVE)
        pg->phase = PG_DRAIN; /* first: nothing of the old interval starts from here on */
    env_timer_cancel(pg->o->env, &pg->timer);
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
    /* A map of the time before we started calls our former self up.  What that one told may not
     * have survived it: we have no part in its interval. */
    if (!osd_is_up(o, o->id, o->instance))
        return;
    pg->phase = PG_LIVE;
    pg->durable = pg->applied = pg->copy.log.head;
    pg_event(pg, &(struct peering_event){
                     .kind = PEERING_EV_START, .map = o->map, .self = o->id, .copy = &pg->copy});
    run_early(pg);
    pg_maybe_free(pg);
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

void pgs_up(struct osd *o)
{
    LIST_EACH_SAFE (at, &o->pg_list)
        pg_drained(LIST_ENTRY(at, struct pg, link));
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
    exec_retry(pg);
    recovery_wake(pg);
    pg_remove_retry(pg);
}

void pgs_retry(struct osd *o)
{
    LIST_EACH_SAFE (at, &o->pg_list)
        pg_retry(LIST_ENTRY(at, struct pg, link));
}
