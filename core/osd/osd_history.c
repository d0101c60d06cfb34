/* osd_history.c - a walk over the maps in the store, for PGs whose past is not known up to now.
 *
 * Such are those just loaded, whose row was written some epochs ago, and those that a map newly
 * gave to us.  One walk serves all that want one when it starts, from the oldest epoch that any of
 * them needs to the newest map; who comes later gets the next walk.  The rows are read in batches
 * and the maps made again one after the other. */
#include "core/osd/pg.h"

enum { HISTORY_ROWS = 64 };

struct history {
    struct osd *o;
    struct list pgs;  /* pg.walk_link: on this walk */
    struct list next; /* pg.walk_link: on the next one */
    struct epoch from;
    struct osdmap *at; /* ref: reached; NULL: none */
    bool busy, full;   /* reading; reading full maps */
    struct arena arena;
    struct store_meta meta;
    uint8_t key_from[OSD_ROW_KEY_MAX], key_to[OSD_ROW_KEY_MAX];
    struct env_task task;
    bool posted;
};

static void read_more(struct history *h);

static void failed(struct history *h, int rc)
{
    osd_fail(h->o, rc, "walking over old maps");
}

/* The epoch a PG's walk starts at. */
static struct epoch wanted_from(const struct osd *o, const struct pg *pg)
{
    const struct pool *pool = osdmap_pool(o->map, pg->id.pool);

    if (pg->copy.past.newest.v)
        return pg->copy.past.newest;
    return pool ? pool->created : o->map->epoch;
}

static int walk_one(struct pg *pg, const struct osdmap *prev, const struct osdmap *next)
{
    struct past_intervals *past = &pg->copy.past;
    int rc;

    if (past->newest.v >= next->epoch.v || !osdmap_pool(next, pg->id.pool))
        return 0;
    if (!prev || past->newest.v != prev->epoch.v || next->epoch.v != prev->epoch.v + 1) {
        /* New here, or away for longer than maps are kept. */
        past_intervals_begin(past, next);
        return 0;
    }
    rc = past_intervals_walk(past, pg->id, prev, next);
    return rc < 0 ? rc : 0;
}

static int step(struct history *h, struct osdmap *next) /* takes it */
{
    int rc = 0;

    LIST_EACH (at, &h->pgs)
        if (rc == 0)
            rc = walk_one(LIST_ENTRY(at, struct pg, walk_link), h->at, next);
    osdmap_unref(h->at);
    h->at = next;
    return rc;
}

static void done(struct history *h)
{
    struct osd *o = h->o;
    struct list pgs;

    list_init(&pgs);
    list_splice(&pgs, &h->pgs);
    osdmap_unref(TAKE(h->at));
    if (list_empty(&h->next)) {
        o->history = NULL;
        arena_fini(&h->arena);
        mem_free(h);
    } else {
        list_splice(&h->pgs, &h->next);
        env_post(o->env, &h->task);
        h->posted = true;
    }
    while (!list_empty(&pgs)) {
        struct pg *pg = LIST_FIRST(&pgs, struct pg, walk_link);

        list_remove(&pg->walk_link);
        if (pg->copy.past.first.v == 0) /* its pool is gone, or not in any map we have */
            past_intervals_begin(&pg->copy.past, o->map);
        pg_walked(pg);
    }
    heartbeat_map(o);
}

/* From what is in memory, as far as that leads.  True when the newest map is reached. */
static int walk_cached(struct history *h, bool *out_done)
{
    struct osd *o = h->o;
    int rc = 0;

    *out_done = false;
    while (rc == 0 && h->at->epoch.v < o->map->epoch.v) {
        struct osdmap *next = osd_map_cached(o, (struct epoch){h->at->epoch.v + 1});

        if (!next)
            return 0;
        rc = step(h, osdmap_ref(next));
    }
    *out_done = rc == 0;
    return rc;
}

static int take_full(struct history *h)
{
    /* The last full map at or before where the walk starts, or the first there is. */
    for (uint32_t i = 0; i < h->meta.pair_count; i++) {
        struct cursor c = cur_over(h->meta.pairs[i].value.data, h->meta.pairs[i].value.len);
        struct osdmap *map = NULL;
        int rc = osdmap_decode(&c, &map);

        if (rc < 0)
            return rc;
        if (h->at && map->epoch.v > h->from.v) {
            osdmap_unref(map);
            break;
        }
        osdmap_unref(h->at);
        h->at = map;
    }
    return 0;
}

static int take_incs(struct history *h)
{
    for (uint32_t i = 0; i < h->meta.pair_count; i++) {
        struct cursor c = cur_over(h->meta.pairs[i].value.data, h->meta.pairs[i].value.len);
        struct osdmap_inc inc = {0};
        struct osdmap *next = NULL;
        int rc = osdmap_inc_decode(&c, &inc);

        if (rc == 0 && inc.epoch.v == h->at->epoch.v + 1)
            rc = osdmap_apply(h->at, &inc, &next);
        osdmap_inc_fini(&inc);
        if (rc == 0 && next)
            rc = step(h, next);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* A gap in the store: a full map follows, or memory has the rest. */
static void jump(struct history *h)
{
    struct osd *o = h->o;
    int rc = step(h, osdmap_ref(o->map));

    if (rc < 0)
        failed(h, rc);
    else
        done(h);
}

static void rows(struct store_meta *m)
{
    struct history *h = CONTAINER_OF(m, struct history, meta);
    uint32_t before = h->at ? h->at->epoch.v : 0;
    bool reached = false;
    int rc = m->rc;

    h->busy = false;
    if (rc == 0)
        rc = h->full ? take_full(h) : take_incs(h);
    if (rc == 0 && h->at)
        rc = walk_cached(h, &reached);
    if (rc < 0) {
        failed(h, rc);
        return;
    }
    if (reached) {
        done(h);
        return;
    }
    if (!h->at || (!h->full && h->at->epoch.v == before)) {
        jump(h);
        return;
    }
    if (h->full) {
        h->full = false;
        rc = step(h, TAKE(h->at)); /* who needs no older one begins here */
        if (rc < 0) {
            failed(h, rc);
            return;
        }
    }
    read_more(h);
}

static void read_more(struct history *h)
{
    arena_fini(&h->arena);
    h->meta = (struct store_meta){
        .coll = osd_coll(), .rows_max = HISTORY_ROWS, .arena = &h->arena, .done = rows};
    h->meta.from = osd_row_key(h->full ? 'M' : 'm', h->full ? 0 : h->at->epoch.v + 1, h->key_from);
    h->meta.to = osd_row_key(h->full ? 'M' : 'm', UINT32_MAX, h->key_to);
    h->busy = true;
    store_meta(h->o->store, &h->meta);
}

static void begin(struct env_task *task)
{
    struct history *h = CONTAINER_OF(task, struct history, task);
    struct osd *o = h->o;
    struct osdmap *cached;
    bool reached = false;
    int rc = 0;

    h->posted = false;
    if (!osd_serving(o) || list_empty(&h->pgs)) {
        if (list_empty(&h->pgs) && list_empty(&h->next)) {
            o->history = NULL;
            arena_fini(&h->arena);
            mem_free(h);
        }
        return;
    }
    h->from = o->map->epoch;
    LIST_EACH (at, &h->pgs) {
        struct epoch e = wanted_from(o, LIST_ENTRY(at, struct pg, walk_link));

        if (e.v < h->from.v)
            h->from = e;
    }
    cached = osd_map_cached(o, h->from);
    if (cached) {
        rc = step(h, osdmap_ref(cached));
        if (rc == 0)
            rc = walk_cached(h, &reached);
        if (rc < 0)
            failed(h, rc);
        else if (reached)
            done(h);
        else
            read_more(h);
        return;
    }
    h->full = true;
    read_more(h);
}

void osd_history_want(struct osd *o, struct pg *pg)
{
    struct history *h = o->history;

    ASSERT(pg->phase == PG_WALK && !list_linked(&pg->walk_link));
    if (!h) {
        h = mem_zalloc(sizeof(*h));
        if (!h) {
            osd_fail(o, -ENOMEM, "walking over old maps");
            return;
        }
        h->o = o;
        list_init(&h->pgs);
        list_init(&h->next);
        arena_init(&h->arena);
        env_task_init(&h->task, begin);
        env_post(o->env, &h->task);
        h->posted = true;
        o->history = h;
    }
    list_push_back(h->posted && !h->at ? &h->pgs : &h->next, &pg->walk_link);
}

void osd_history_forget(struct osd *o, struct pg *pg)
{
    UNUSED(o);
    list_remove(&pg->walk_link);
}

void osd_history_free(struct osd *o)
{
    struct history *h = TAKE(o->history);

    if (!h)
        return;
    ASSERT(!h->busy && !h->posted);
    osdmap_unref(h->at);
    arena_fini(&h->arena);
    mem_free(h);
}
