/* recovery.c - the primary makes every copy whole: first its own, then the others'.
 *
 * What is missing where stands in the missing tables (own and the peers'); each object being copied
 * has a struct recovery.  A pull asks a copy that has the object, chunk by chunk, and tries the
 * next copy when one cannot give it; when none can, it is tried again every second, and operations
 * on the object wait: nothing is given up silently.  A push sends chunks and waits for each to be
 * durable. Objects that operations wait for are started at once, others a few at a time
 * (osd.recovery_ops). When nothing is missing, backfill goes on (backfill.c), which pushes through
 * the same machine. */
#include "core/osd/pg.h"

enum { UNFOUND_RETRY_MS = 1000 };

/* ---- the table ---- */

static struct recovery *find(const struct pg *pg, enum recovery_kind kind, const struct oid *oid,
                             struct osd_id peer)
{
    LIST_EACH (at, &pg->copies) {
        struct recovery *r = LIST_ENTRY(at, struct recovery, link);

        if (r->kind == kind && (kind == RECOVERY_PULL || osd_eq(r->peer, peer)) &&
            oid_equal(&r->oid, oid))
            return r;
    }
    return NULL;
}

static struct recovery *find_tag(const struct pg *pg, uint64_t tag)
{
    LIST_EACH (at, &pg->copies) {
        struct recovery *r = LIST_ENTRY(at, struct recovery, link);

        if (r->tag == tag)
            return r;
    }
    return NULL;
}

static struct recovery *create(struct pg *pg, enum recovery_kind kind, const struct oid *oid,
                               struct osd_id peer, struct version version)
{
    struct recovery *r = mem_zalloc(sizeof(*r));

    if (!r || oid_copy(oid, &r->oid) < 0) {
        mem_free(r);
        osd_retry_later(pg->o);
        return NULL;
    }
    r->pg = pg;
    r->kind = kind;
    r->peer = peer;
    r->version = version;
    r->counted = true;
    pg->o->recovering++;
    list_push_back(&pg->copies, &r->link);
    return r;
}

static void uncount(struct recovery *r)
{
    if (!r->counted)
        return;
    r->counted = false;
    r->pg->o->recovering--;
    recovery_kick(r->pg->o);
}

static void destroy(struct recovery *r)
{
    uncount(r);
    if (r->failed)
        r->pg->failed_copies--;
    list_remove(&r->link);
    oid_fini(&r->oid);
    mem_free((void *)r->omap_from.data);
    mem_free(r);
}

static void set_omap_from(struct recovery *r, struct bytes key)
{
    mem_free((void *)r->omap_from.data);
    r->omap_from = (struct bytes){0};
    if (!key.len)
        return;
    r->omap_from.data = mem_dup(key.data, key.len);
    r->omap_from.len = r->omap_from.data ? key.len : 0;
}

/* ---- pulling ---- */

static bool may_have(const struct peering_peer *peer, const struct recovery *r)
{
    const struct pg_missing_item *item;

    if (!peer->up || !peer->answered || peer->info.created.v == 0 || peer->removed)
        return false;
    if (!pg_info_covers(&peer->info, &r->oid))
        return false;
    item = peer->has_missing ? pg_missing_find(&peer->missing, &r->oid) : NULL;
    return !item || version_eq(item->have, r->version); /* it rotted there, but not all of it */
}

static void give_up(struct recovery *r)
{
    struct pg *pg = r->pg;

    log_warn(&pg->log, "no copy of an object could be found", KV_U64("version", r->version.seq));
    r->failed = true;
    pg->failed_copies++;
    uncount(r);
    exec_unfound(pg, &r->oid);
    if (!pg->recovery_timer.armed)
        env_timer_after(pg->o->env, &pg->recovery_timer, UNFOUND_RETRY_MS * NS_PER_MS);
}

static void pull_send(struct recovery *r)
{
    struct pg *pg = r->pg;
    const struct pg_missing_item *item = pg_missing_find(&pg->copy.missing, &r->oid);
    struct msg_pg_pull *m = MESSAGE_NEW(pg_pull);

    ASSERT(item);
    r->tag = ++pg->next_tag;
    if (m && (oid_copy(&r->oid, &m->oid) < 0 || touched_copy(&item->touched, &m->touched) < 0)) {
        msg_free(&m->base);
        m = NULL;
    }
    if (m) {
        m->pg = pg->id;
        m->interval = pg_since(pg);
        m->need = r->version;
        m->have = r->whole ? (struct version){{0}, 0} : item->have;
        m->off = r->off;
        m->tag = r->tag;
        if (r->whole)
            m->touched.whole = true;
        if (r->omap_from.len)
            m->omap_from =
                (struct bytes){mem_dup(r->omap_from.data, r->omap_from.len), r->omap_from.len};
    }
    osd_send(pg->o, r->peer, m ? &m->base : NULL);
}

static void pull_next_source(struct recovery *r)
{
    struct pg *pg = r->pg;
    const struct peering *p = &pg->peering;
    const struct pg_missing_item *item = pg_missing_find(&pg->copy.missing, &r->oid);

    if (!item) {
        destroy(r); /* it came by another way */
        return;
    }
    r->version = item->need;
    r->whole = item->touched.whole || version_eq(item->have, (struct version){{0}, 0});
    r->off = 0;
    set_omap_from(r, (struct bytes){0});
    for (; r->source < p->peer_count; r->source++)
        if (may_have(p->peer[r->source], r)) {
            r->peer = p->peer[r->source++]->osd;
            pull_send(r);
            return;
        }
    give_up(r);
}

static void all_of_it(struct pg *pg)
{
    if (!pg->counted && !pg->count)
        pg_count_start(pg);
    pg_event(pg, &(struct peering_event){.kind = PEERING_EV_RECOVERED});
}

static void pull_done(struct recovery *r)
{
    struct pg *pg = r->pg;

    pg->o->n.recoveries++;
    destroy(r);
    if (pg->copy.missing.count == 0)
        all_of_it(pg);
    exec_unblock(pg);
    recovery_wake(pg);
}

void recovery_pulled(struct pg *pg, const struct msg_pg_push *m, int rc)
{
    struct recovery *r = find_tag(pg, m->tag);

    if (!r || r->kind != RECOVERY_PULL)
        return;
    pg_touch(pg);
    if (rc < 0) {
        pull_next_source(r);
        return;
    }
    if (m->last) {
        pull_done(r);
        return;
    }
    r->whole = true;
    r->off = m->next_off;
    set_omap_from(r, m->next_omap);
    pull_send(r);
}

/* ---- pushing ---- */

static void push_next(struct recovery *r)
{
    struct pg *pg = r->pg;
    const struct peering_peer *peer = peering_peer(&pg->peering, r->peer);
    const struct pg_missing_item *item = peer ? pg_missing_find(&peer->missing, &r->oid) : NULL;
    struct push_want want = {.oid = r->oid, .off = r->off, .omap_from = r->omap_from};

    if (r->kind == RECOVERY_PUSH && !r->whole && item) {
        want.touched = &item->touched;
        want.have = item->have;
    }
    want.tag = r->tag = ++pg->next_tag;
    if (push_start(pg, r->peer, NULL, &want) < 0)
        osd_peer_break(pg->o, r->peer); /* all begins again there */
}

/* A target that begins to be overwritten has nothing to build upon if we have to begin again. */
static void push_started(struct recovery *r)
{
    struct peering_peer *peer = peering_peer(&r->pg->peering, r->peer);
    const struct pg_missing_item *item = peer ? pg_missing_find(&peer->missing, &r->oid) : NULL;
    static const struct version none;
    struct touched all = {.whole = true};

    r->whole = true;
    if (item && !version_eq(item->have, none))
        (void)pg_missing_set(&peer->missing, &r->oid, item->need, none,
                             &all); /* or it is refused there */
}

static void push_done(struct recovery *r)
{
    struct pg *pg = r->pg;
    struct peering_peer *peer = peering_peer(&pg->peering, r->peer);
    struct osd_id to = r->peer;
    bool backfill = r->kind == RECOVERY_BACKFILL;

    if (!backfill && peer)
        pg_missing_remove(&peer->missing, &r->oid);
    destroy(r);
    if (backfill) {
        backfill_pushed(pg, to, 0);
        return;
    }
    pg->o->n.recoveries++;
    if (peer && peer->missing.count == 0)
        pg_event(pg, &(struct peering_event){.kind = PEERING_EV_RECOVERED, .from = to});
    exec_unblock(pg);
    recovery_wake(pg);
}

void recovery_pushed(struct pg *pg, const struct msg_pg_pushed *m)
{
    struct recovery *r = find_tag(pg, m->tag);

    if (!r || r->kind == RECOVERY_PULL || !osd_eq(r->peer, m->from))
        return;
    pg_touch(pg);
    if (m->rc < 0) {
        /* It was refused: what we believed of that copy is wrong, so all of the object is sent. */
        r->off = 0;
        set_omap_from(r, (struct bytes){0});
        push_started(r);
        push_next(r);
        return;
    }
    if (m->last) {
        push_done(r);
        return;
    }
    push_started(r);
    push_next(r);
}

/* Called by recovery_push.c as a chunk leaves: where the next one begins. */
void recovery_sent(struct pg *pg, const struct msg_pg_push *m)
{
    struct recovery *r = find_tag(pg, m->tag);

    if (!r || r->kind == RECOVERY_PULL)
        return;
    r->version = m->version;
    r->off = m->next_off;
    set_omap_from(r, m->next_omap);
}

void recovery_unreadable(struct pg *pg, uint64_t tag, int rc)
{
    struct recovery *r = find_tag(pg, tag);

    if (!r || r->kind == RECOVERY_PULL)
        return;
    log_warn(&pg->log, "an object cannot be read to be copied", KV_RC(rc));
    r->failed = true;
    pg->failed_copies++;
    uncount(r);
    if (!pg->recovery_timer.armed)
        env_timer_after(pg->o->env, &pg->recovery_timer, UNFOUND_RETRY_MS * NS_PER_MS);
}

void recovery_backfill(struct pg *pg, struct osd_id to, const struct oid *oid)
{
    struct recovery *r = create(pg, RECOVERY_BACKFILL, oid, to, (struct version){{0}, 0});

    if (!r) {
        backfill_pushed(pg, to, -ENOMEM);
        return;
    }
    r->whole = true;
    push_next(r);
}

/* ---- what is next ---- */

static bool pull_start(struct pg *pg, const struct pg_missing_item *item)
{
    struct recovery *r = create(pg, RECOVERY_PULL, &item->oid, OSD_NONE, item->need);

    if (!r)
        return false;
    pull_next_source(r);
    return true;
}

static bool push_start_one(struct pg *pg, struct peering_peer *peer,
                           const struct pg_missing_item *item)
{
    static const struct version none;
    struct recovery *r = create(pg, RECOVERY_PUSH, &item->oid, peer->osd, item->need);

    if (!r)
        return false;
    r->whole = item->touched.whole || version_eq(item->have, none);
    push_next(r);
    return true;
}

static bool is_member(const struct peering_peer *peer)
{
    return peer->acting || peer->target;
}

static bool recovers(const struct pg *pg)
{
    return pg_leads(pg) &&
           (pg->peering.state == PEERING_ACTIVE || pg->peering.state == PEERING_PEERED);
}

/* One more object. False: there is none. */
static bool start_one(struct pg *pg)
{
    const struct peering *p = &pg->peering;
    const struct pg_missing_item *item;

    for (item = pg_missing_first(&pg->copy.missing); item; item = pg_missing_next(item))
        if (!find(pg, RECOVERY_PULL, &item->oid, OSD_NONE))
            return pull_start(pg, item);
    for (uint32_t i = 0; i < p->peer_count; i++) {
        struct peering_peer *peer = p->peer[i];

        if (!is_member(peer) || !peer->up)
            continue;
        for (item = pg_missing_first(&peer->missing); item; item = pg_missing_next(item))
            if (!pg_missing_find(&pg->copy.missing, &item->oid) &&
                !find(pg, RECOVERY_PUSH, &item->oid, peer->osd))
                return push_start_one(pg, peer, item);
    }
    return false;
}

void recovery_first(struct pg *pg, const struct oid *oid)
{
    const struct peering *p = &pg->peering;
    const struct pg_missing_item *item = pg_missing_find(&pg->copy.missing, oid);

    if (!recovers(pg))
        return;
    if (item) {
        if (!find(pg, RECOVERY_PULL, oid, OSD_NONE))
            (void)pull_start(pg, item); /* on failure it is started in turn */
        return;
    }
    for (uint32_t i = 0; i < p->peer_count; i++) {
        struct peering_peer *peer = p->peer[i];

        item = is_member(peer) && peer->up ? pg_missing_find(&peer->missing, oid) : NULL;
        if (item && !find(pg, RECOVERY_PUSH, oid, peer->osd))
            (void)push_start_one(pg, peer, item); /* likewise */
    }
}

static void run(struct env_task *task)
{
    struct osd *o = CONTAINER_OF(task, struct osd, recovery_task);

    o->recovery_posted = false;
    while (osd_serving(o) && !list_empty(&o->recovery_wait) &&
           o->recovering < o->conf.osd_recovery_ops) {
        struct pg *pg = LIST_FIRST(&o->recovery_wait, struct pg, recovery_link);

        list_remove(&pg->recovery_link);
        if (!recovers(pg))
            continue;
        pg_touch(pg);
        if (start_one(pg))
            list_push_back(&o->recovery_wait, &pg->recovery_link); /* others have their turn */
        else if (list_empty(&pg->copies))
            backfill_wake(pg);
    }
}

void recovery_kick(struct osd *o)
{
    if (o->recovery_posted || list_empty(&o->recovery_wait) || !osd_serving(o))
        return;
    o->recovery_posted = true;
    env_post(o->env, &o->recovery_task);
}

void recovery_wake(struct pg *pg)
{
    if (!recovers(pg))
        return;
    if (!list_linked(&pg->recovery_link))
        list_push_back(&pg->o->recovery_wait, &pg->recovery_link);
    recovery_kick(pg->o);
}

/* Those that failed have another chance. */
static void timer_fired(struct env_timer *t)
{
    struct pg *pg = CONTAINER_OF(t, struct pg, recovery_timer);

    LIST_EACH_SAFE (at, &pg->copies) {
        struct recovery *r = LIST_ENTRY(at, struct recovery, link);

        if (r->failed && r->kind == RECOVERY_BACKFILL) {
            struct osd_id to = r->peer;

            destroy(r);
            backfill_pushed(pg, to, -EIO);
            break; /* backfill starts its part again: the list may have changed */
        }
        if (r->failed)
            destroy(r);
    }
    if (pg->failed_copies)
        env_timer_after(pg->o->env, t, UNFOUND_RETRY_MS * NS_PER_MS);
    recovery_wake(pg);
}

/* ---- ends ---- */

void recovery_peer_broken(struct pg *pg, struct osd_id id)
{
    LIST_EACH_SAFE (at, &pg->copies) {
        struct recovery *r = LIST_ENTRY(at, struct recovery, link);

        if (osd_eq(r->peer, id) && r->kind != RECOVERY_BACKFILL)
            destroy(r);
    }
    recovery_wake(pg);
}

void recovery_backfill_drop(struct pg *pg)
{
    LIST_EACH_SAFE (at, &pg->copies) {
        struct recovery *r = LIST_ENTRY(at, struct recovery, link);

        if (r->kind == RECOVERY_BACKFILL)
            destroy(r);
    }
}

void recovery_interval(struct pg *pg)
{
    list_remove(&pg->recovery_link);
    env_timer_cancel(pg->o->env, &pg->recovery_timer);
    while (!list_empty(&pg->copies))
        destroy(LIST_FIRST(&pg->copies, struct recovery, link));
}

void recovery_init(struct pg *pg)
{
    env_timer_init(&pg->recovery_timer, timer_fired);
}

void recovery_osd_init(struct osd *o)
{
    env_task_init(&o->recovery_task, run);
}
