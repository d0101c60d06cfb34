/* client_map.c - the client's osdmap, and where each PG's operations go under it.
 *
 * Maps come as increments, one epoch after the other, so that a change of interval and back is not
 * overlooked; after a jump to a full map every target counts as changed.  Only PGs that were used
 * are tracked. */
#include "core/client/client_int.h"

int cairn_pg_env(struct cairn_pool *p, const char *name, uint32_t *out_pg)
{
    const struct pool *pool = p->c->map ? osdmap_pool_named(p->c->map, p->name) : NULL;
    struct oid oid;
    int rc = pool ? oid_make(pool->id, BYTES_STR(name), &oid) : -R_NO_POOL;

    if (rc == 0)
        *out_pg = oid_pg(&oid, pool->pg_count).seed;
    return rc;
}

static bool target_update(struct cairn *c, struct target *t, bool jumped)
{
    const struct pool *p = osdmap_pool(c->map, t->pg.pool);
    struct placement at;
    int rc = p ? osdmap_place(c->map, t->pg, &at) : -R_NO_POOL;

    t->unknown = rc == -ENOMEM;
    if (rc < 0) { /* no such PG now, or no memory to tell: nobody to send to, a new interval */
        at = (struct placement){.primary = OSD_NONE, .up_primary = OSD_NONE};
        jumped = true;
    } else if (p->size != t->size || p->size_min != t->size_min || p->pg_count != t->pg_count) {
        t->size = p->size;
        t->size_min = p->size_min;
        t->pg_count = p->pg_count;
        jumped = true;
    }
    if (!jumped && osd_set_equal(&at.up, &t->at.up) && osd_set_equal(&at.acting, &t->at.acting) &&
        osd_eq(at.primary, t->at.primary))
        return false;
    t->at = at;
    t->since = c->map->epoch;
    return true;
}

struct target *client_target(struct cairn *c, struct pgid pg)
{
    uint64_t hash = pgid_hash(pg);
    struct target *t;

    for (struct hnode *n = htable_first(&c->targets, hash); n; n = htable_next(n)) {
        t = CONTAINER_OF(n, struct target, node);
        if (!pgid_eq(t->pg, pg))
            continue;
        if (t->unknown)
            (void)target_update(c, t, true);
        return t;
    }
    if (!osdmap_pool(c->map, pg.pool))
        return NULL;
    t = mem_zalloc(sizeof(*t));
    if (!t)
        return NULL;
    t->pg = pg;
    (void)target_update(c, t, true);
    htable_insert(&c->targets, &t->node, hash);
    return t;
}

void client_targets_free(struct cairn *c)
{
    struct hnode *n;

    while ((n = htable_any(&c->targets))) {
        htable_remove(&c->targets, n);
        mem_free(CONTAINER_OF(n, struct target, node));
    }
    htable_fini(&c->targets);
}

struct update {
    struct cairn *c;
    bool jumped;
};

static void update_one(struct hnode *node, void *arg)
{
    struct update *u = arg;

    (void)target_update(u->c, CONTAINER_OF(node, struct target, node), u->jumped);
}

static void map_set(struct cairn *c, struct osdmap *map, bool jumped)
{
    struct update u = {c, jumped};

    osdmap_unref(c->map);
    c->map = map;
    htable_each(&c->targets, update_one, &u);
    if (c->watch)
        c->watch(c->watch_arg, map);
}

void cairn_watch_map(struct cairn *c, void (*changed)(void *arg, const struct osdmap *map),
                     void *arg)
{
    c->watch = changed;
    c->watch_arg = arg;
    if (changed && c->map)
        changed(arg, c->map);
}

static int full_take(struct cairn *c, struct msg_osdmaps *m)
{
    struct osdmap *map;
    struct cursor cur;
    int rc = buf_flatten(&m->full);

    if (rc < 0)
        return rc;
    cur = cur_over(buf_contiguous(&m->full, 0, m->full.bytes), m->full.bytes);
    rc = osdmap_decode(&cur, &map);
    if (rc < 0)
        return rc;
    if (c->map && map->epoch.v <= c->map->epoch.v) {
        osdmap_unref(map);
        return 0;
    }
    map_set(c, map, true);
    return 1;
}

static int inc_take(struct cairn *c, struct buf *bytes)
{
    struct osdmap_inc inc;
    struct osdmap *next;
    struct cursor cur;
    int rc = buf_flatten(bytes);

    if (rc < 0)
        return rc;
    cur = cur_over(buf_contiguous(bytes, 0, bytes->bytes), bytes->bytes);
    rc = osdmap_inc_decode(&cur, &inc);
    if (rc < 0)
        return rc;
    rc = osdmap_apply(c->map, &inc, &next);
    osdmap_inc_fini(&inc);
    if (rc < 0)
        return rc;
    map_set(c, next, false);
    return 1;
}

int client_maps_take(struct cairn *c, struct msg_osdmaps *m)
{
    bool first = !c->map, newer = false;
    int rc = m->has_full ? full_take(c, m) : 0;

    newer = rc > 0;
    for (uint32_t i = 0; rc >= 0 && c->map && i < m->count; i++) {
        if (m->first.v + i != c->map->epoch.v + 1)
            continue; /* had, or after a gap: the monitor is asked below */
        rc = inc_take(c, &m->incs[i]);
        newer = newer || rc > 0;
    }
    if (rc < 0) {
        log_warn(&c->log, "cannot use a map that was sent", KV_RC(rc));
        mon_retry_later(c);    /* and asks again */
        if (first && c->map) { /* half-way to the present: it would miss pools that there are */
            osdmap_unref(TAKE(c->map));
            newer = false;
        }
    } else if (c->map && m->newest.v > c->map->epoch.v) {
        mon_map_wanted(c);
    }
    if (first && c->map) {
        c->born = c->map->epoch;
        msgr_fsid_set(c->msgr, c->map->fsid);
        if (c->ready)
            c->ready(c->ready_arg, 0);
        c->ready = NULL;
    }
    return newer;
}
