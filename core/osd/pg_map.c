/* pg_map.c - PGs as maps come: where they are, which intervals begin, what was promised in those
 * that end.
 *
 * Read leases across intervals: when an interval ends, what we granted to its primary is remembered
 * (`holds`) until it runs out.  We tell it to a new primary that asks, and as a new primary wait it
 * out ourselves before anybody is told to activate. */
#include "core/osd/pg.h"

/* ---- promises ---- */

/* Is whatever could use our promise gone?  A later incarnation opened the store under its lock, or
 * the OSD told the monitors that it stopped. */
static bool promise_void(void *arg, const struct lease_hold_row *row)
{
    const struct pg *pg = arg;
    const struct osdmap *map = pg->o->map;
    const struct osd_info *info;

    if (osd_eq(row->osd, pg->at.primary))
        return true; /* it leads again, and knows that the interval changed */
    if (!osdmap_exists(map, row->osd))
        return false;
    info = &map->osds[row->osd.v];
    return (info->state & OSD_UP) ? info->up_from.v > row->last.v : (info->state & OSD_STOPPED);
}

void pg_promises(struct pg *pg, struct lease_holds *out_live)
{
    lease_holds_live(&pg->holds, env_now_ns(pg->o->env), promise_void, pg, out_live);
}

uint64_t pg_hold_left_ns(struct pg *pg, struct osd_id *out_of)
{
    return lease_holds_left(&pg->holds, env_now_ns(pg->o->env), promise_void, pg, out_of);
}

/* Its rows tell of later maps than we have, which did not survive: it waits until they come again.
 * A pool that those maps made is not gone. */
static bool ahead_of(const struct pg *pg, const struct osdmap *map)
{
    return MAX(pg->copy.info.created.v, pg->copy.past.newest.v) > map->epoch.v;
}

static void place(struct pg *pg, const struct osdmap *map)
{
    struct placement at = {0};
    const struct pool *pool;
    int rc = osdmap_place(map, pg->id, &at);

    if (rc < 0) {
        at.primary = at.up_primary = OSD_NONE;
        pg->pool_gone = rc == -R_NO_POOL && !ahead_of(pg, map);
    }
    if (rc == -ENOMEM)
        osd_fail(pg->o, rc, "the place of a placement group");
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

/* ---- maps ---- */

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

static void walk_want(struct pg *pg, const struct osdmap *map)
{
    if (pg->phase == PG_WALK && !list_linked(&pg->walk_link) && !ahead_of(pg, map))
        osd_history_want(pg->o, pg);
}

static void map_one(struct pg *pg, const struct osdmap *prev, const struct osdmap *next)
{
    bool gone = !osdmap_pool(next, pg->id.pool);
    int begun = 0;

    if (pg->phase == PG_WALK || pg->copy.past.first.v == 0) {
        place(pg, next);
        walk_want(pg, next);
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
        int rc = osdmap_place(next, id, &at);

        if (rc == -ENOMEM) {
            osd_fail(o, rc, "the place of a placement group");
            return;
        }
        if (rc < 0 || osd_pg(o, id))
            continue;
        if (!osd_set_has(&at.up, o->id) && !osd_set_has(&at.acting, o->id))
            continue;
        pg = pg_create(o, id);
        if (!pg) {
            osd_fail(o, -ENOMEM, "creating a placement group");
            return;
        }
        place(pg, next);
        pg->copy.info.salvaged = osd_may_have_lost(o, id);
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
        walk_want(pg, o->map);
    }
    for (uint32_t i = 0; i < o->map->pool_count; i++)
        create_mapped(o, o->map, &o->map->pools[i]);
}
