/* mon_stats.c - what OSDs say of themselves and of the PGs they lead: soft state of the leader.
 *
 * A PG's word counts only if its present primary said it, of its present mapping, under a map at
 * least as new as the last change of who is up and in (and of its pool): a PG that went away and
 * came back meanwhile may be anything. */
#include "core/mon/mon_int.h"

struct mon_pg *mon_pg_find(const struct mon *mon, struct pgid pg)
{
    struct hnode *n = htable_first(&mon->pgs, pgid_hash(pg));

    for (; n; n = htable_next(n)) {
        struct mon_pg *p = CONTAINER_OF(n, struct mon_pg, node);

        if (pgid_eq(p->stat.pg, pg))
            return p;
    }
    return NULL;
}

void mon_stats_clear(struct mon *mon)
{
    struct hnode *n;

    while ((n = htable_any(&mon->pgs))) {
        htable_remove(&mon->pgs, n);
        mem_free(CONTAINER_OF(n, struct mon_pg, node));
    }
    osdmap_unref(TAKE(mon->seen));
}

static bool pg_exists(const struct osdmap *m, struct pgid pg)
{
    const struct pool *p = osdmap_pool(m, pg.pool);

    return p && pg.seed < p->pg_count;
}

static void pg_take(struct mon *mon, const struct msg_osd_stats *m, const struct pg_stat *stat)
{
    struct mon_pg *p;

    if (!pg_exists(mon->state.map, stat->pg))
        return;
    p = mon_pg_find(mon, stat->pg);
    if (p && !osd_eq(p->from, m->osd) && p->stat.epoch.v > stat->epoch.v)
        return; /* a later primary has spoken */
    if (!p) {
        p = mem_zalloc(sizeof(*p));
        if (!p)
            return; /* it counts as not reported */
        p->stat.pg = stat->pg;
        htable_insert(&mon->pgs, &p->node, pgid_hash(stat->pg));
    }
    if (!(stat->state & PG_S_PEERING))
        p->peering_since_ns = 0;
    else if (!p->peering_since_ns)
        p->peering_since_ns = mon_now(mon);
    p->stat = *stat;
    p->from = m->osd;
    p->from_instance = m->instance;
}

void mon_stats_take(struct mon *mon, const struct msg_osd_stats *m)
{
    const struct osdmap *map = mon->state.map;
    struct mon_osd *soft;

    if (!map || !osdmap_up(map, m->osd) || map->osds[m->osd.v].instance != m->instance)
        return;
    soft = mon_osd_at(mon, m->osd);
    if (!soft)
        return;
    soft->heard_ns = mon_now(mon);
    soft->trouble_ns = 0;
    soft->instance = m->instance;
    soft->total_bytes = m->total_bytes;
    soft->used_bytes = m->used_bytes;
    soft->objects = m->objects;
    soft->full = m->full;
    soft->corrupt_found = m->corrupt_found;
    soft->corrupt_repaired = m->corrupt_repaired;
    mon_osd_full(mon, m->osd, m->full);
    for (uint32_t i = 0; i < m->count; i++)
        pg_take(mon, m, &m->pgs[i]);
}

struct gone {
    struct mon *mon;
    struct mon_pg *pg;
};

static void gone_find(struct hnode *node, void *arg)
{
    struct gone *g = arg;
    struct mon_pg *p = CONTAINER_OF(node, struct mon_pg, node);

    if (!pg_exists(g->mon->state.map, p->stat.pg))
        g->pg = p;
}

/* PGs of pools that went. */
static void pgs_sweep(struct mon *mon)
{
    struct gone g = {.mon = mon};

    do {
        g.pg = NULL;
        htable_each(&mon->pgs, gone_find, &g);
        if (g.pg) {
            htable_remove(&mon->pgs, &g.pg->node);
            mem_free(g.pg);
        }
    } while (g.pg);
}

void mon_stats_map(struct mon *mon)
{
    struct osdmap *map = mon->state.map;

    if (!map || mon->seen == map)
        return;
    if (!mon->seen || !osdmap_osds_same(mon->seen, map))
        mon->osds_changed = map->epoch;
    if (mon->seen && mon->seen->pool_count > map->pool_count)
        pgs_sweep(mon);
    osdmap_unref(mon->seen);
    mon->seen = osdmap_ref(map);
}

const struct mon_pg *mon_pg_current(const struct mon *mon, struct pgid pg,
                                    const struct placement *at)
{
    const struct osdmap *map = mon->state.map;
    const struct pool *pool = osdmap_pool(map, pg.pool);
    const struct mon_pg *p = mon_pg_find(mon, pg);

    if (!p || at->primary.v < 0 || !osd_eq(p->from, at->primary) ||
        p->from_instance != map->osds[at->primary.v].instance ||
        p->stat.epoch.v < MAX(pool->changed.v, mon->osds_changed.v) ||
        !osd_set_equal(&p->stat.up, &at->up) || !osd_set_equal(&p->stat.acting, &at->acting))
        return NULL;
    return p;
}

struct epoch mon_stats_last_clean(const struct mon *mon)
{
    const struct osdmap *map = mon->state.map;
    struct epoch least = map->epoch;

    for (uint32_t i = 0; i < map->pool_count; i++)
        for (uint32_t seed = 0; seed < map->pools[i].pg_count; seed++) {
            struct pgid pg = {map->pools[i].id, seed};
            const struct mon_pg *p;
            struct placement at;

            p = osdmap_place(map, pg, &at) == 0 ? mon_pg_current(mon, pg, &at) : NULL;
            if (!p)
                return (struct epoch){0};
            least.v = MIN(least.v, p->stat.last_clean.v);
        }
    return least;
}

char *mon_pg_state_print(uint32_t state, char *out, size_t bytes)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {PG_S_CREATING, "creating"},
        {PG_S_PEERING, "peering"},
        {PG_S_ACTIVE, "active"},
        {PG_S_CLEAN, "clean"},
        {PG_S_DEGRADED, "degraded"},
        {PG_S_UNDERSIZED, "undersized"},
        {PG_S_RECOVERING, "recovering"},
        {PG_S_BACKFILLING, "backfilling"},
        {PG_S_DOWN, "down"},
        {PG_S_INCOMPLETE, "incomplete"},
        {PG_S_REMAPPED, "remapped"},
        {PG_S_WAIT, "wait"},
    };
    struct writer w = wr_over(out, bytes - 1);

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!(state & names[i].bit))
            continue;
        if (w.len)
            wr_u8(&w, '+');
        wr_raw(&w, names[i].name, strlen(names[i].name));
    }
    if (w.len == 0)
        wr_raw(&w, "unknown", 7);
    out[w.len] = 0;
    return out;
}
