/* osd_map.c - maps: taken in one epoch at a time, kept in the store, cached while they are new.
 *
 * Increments come from the monitors (or a peer that saw us lag) and are applied in order; for each
 * epoch the PGs walk, peers are compared, and what waited for that epoch goes on.  The store keeps
 * each increment (`m`+epoch) and now and then a full map (`M`+epoch), from the oldest epoch that
 * the monitors keep and that a PG's saved walk needs.  A map need not be durable before it is acted
 * upon: after a power cut it comes again, and a PG that had seen it does not walk it twice. */
#include "core/osd/pg.h"

enum { ASK_AGAIN_MS = 500 };

struct pgid osd_coll(void)
{
    return (struct pgid){{0}, 0};
}

struct bytes osd_row_key(char kind, uint32_t n, uint8_t *out)
{
    out[0] = (uint8_t)kind;
    for (unsigned i = 0; i < 4; i++)
        out[1 + i] = (uint8_t)(n >> (24 - 8 * i));
    return (struct bytes){out, 5};
}

/* ---- our own rows ---- */

struct meta_submit {
    struct store_commit commit;
    struct list link;
    struct osd *o;
    struct txn *txn; /* ref */
    void (*durable)(void *arg);
    void *arg;
};

static void meta_committed(struct store_commit *c)
{
    struct meta_submit *m = CONTAINER_OF(c, struct meta_submit, commit);
    void (*durable)(void *arg) = m->durable;
    void *arg = m->arg;

    list_remove(&m->link);
    txn_unref(m->txn);
    mem_free(m);
    if (durable)
        durable(arg);
}

int osd_meta_submit(struct osd *o, struct txn *txn, void (*durable)(void *arg), void *arg)
{
    struct meta_submit *m = mem_zalloc(sizeof(*m));
    int rc = m ? txn->rc : -ENOMEM;

    if (rc == 0) {
        m->o = o;
        m->commit.committed = meta_committed;
        m->durable = durable;
        m->arg = arg;
        list_push_back(&o->submits, &m->link);
        rc = store_submit(o->store, txn, &m->commit);
        if (rc == 0) {
            m->txn = txn;
            return 0;
        }
        list_remove(&m->link);
    }
    mem_free(m);
    return rc;
}

void osd_meta_drop(struct osd *o) /* the store is closed */
{
    while (!list_empty(&o->submits)) {
        struct meta_submit *m = LIST_FIRST(&o->submits, struct meta_submit, link);

        ASSERT(o->state == ROLE_CLOSING);
        meta_committed(&m->commit); /* whoever waits sees that the role is closing */
    }
}

static void rows_add(struct txn *txn, char kind, struct epoch e, const void *data, size_t bytes)
{
    uint8_t key[OSD_ROW_KEY_MAX];

    txn_meta_set(txn, osd_row_key(kind, e.v, key),
                 (struct bytes){(const uint8_t *)data, (uint32_t)bytes});
}

static int full_row(struct osd *o, struct txn *txn, const struct osdmap *map)
{
    struct writer w = {0};
    int rc = osdmap_encode(map, &w);

    if (rc == 0 && w.rc == 0) {
        rows_add(txn, 'M', map->epoch, w.data, w.len);
        o->stored_full = map->epoch;
        if (o->stored_oldest.v == 0)
            o->stored_oldest = map->epoch;
    }
    rc = rc ? rc : w.rc;
    writer_fini(&w);
    return rc;
}

/* ---- the cache ---- */

struct osdmap *osd_map_cached(const struct osd *o, struct epoch e)
{
    struct osdmap *m = o->cached[e.v % OSD_MAPS_CACHED];

    return m && epoch_eq(m->epoch, e) ? m : NULL;
}

static void cache(struct osd *o, struct osdmap *map)
{
    struct osdmap **slot = &o->cached[map->epoch.v % OSD_MAPS_CACHED];

    osdmap_unref(*slot);
    *slot = osdmap_ref(map);
}

void osd_maps_fini(struct osd *o)
{
    for (unsigned i = 0; i < OSD_MAPS_CACHED; i++)
        osdmap_unref(TAKE(o->cached[i]));
    osdmap_unref(TAKE(o->map));
}

/* ---- a new map ---- */

static void check_self(struct osd *o)
{
    const struct osd_info *info = osdmap_exists(o->map, o->id) ? &o->map->osds[o->id.v] : NULL;
    static const uint8_t none[16];
    bool ours;

    if (!info)
        return;
    if (o->map->epoch.v >= o->mon.newest.v && /* not what was true some time ago */
        memcmp(info->uuid, none, sizeof(none)) != 0 &&
        memcmp(info->uuid, o->uuid, sizeof(none)) != 0) {
        osd_fail(o, -EEXIST, "osd.%d belongs to another store", o->id.v);
        return;
    }
    if ((info->state & OSD_HELD) && o->state == ROLE_ACTIVE) {
        osd_held(o);
        return;
    }
    ours = osd_is_up(o, o->id, o->instance);
    if (ours && o->state == ROLE_BOOTING) {
        o->state = ROLE_ACTIVE;
        log_info(&o->log, "up", KV_EPOCH(o->map->epoch));
        osd_salvage_up(o);
        pgs_up(o);
        osd_up(o);
    } else if (!ours && o->state == ROLE_ACTIVE) {
        if (info->state & OSD_UP) {
            osd_fail(o, -EEXIST, "another instance of osd.%d is up", o->id.v);
            return;
        }
        log_warn(&o->log, "marked down while alive: booting again", KV_EPOCH(o->map->epoch));
        o->state = ROLE_BOOTING;
        o->mon.boot_ns = 0;
        osd_wish(o);
    } else if (!ours && o->state == ROLE_STOPPING) {
        osd_stop_seen(o);
    }
}

int osd_map_install(struct osd *o, struct osdmap *map)
{
    struct osdmap *prev = o->map;

    o->map = map;
    cache(o, map);
    o->n.maps++;
    if (prev)
        pgs_map(o, prev, map);
    else
        pgs_begin(o);
    if (!prev || !osdmap_osds_same(prev, map))
        o->mon.stats_void = true;
    osdmap_unref(prev);
    heartbeat_map(o);
    check_self(o);
    return 0;
}

/* A PG's messages and wishes may have waited for it. */
static void installed(struct osd *o)
{
    osd_held_run(o);
    osd_wish(o);
    osd_stats_send(o);
    osd_maps_trim(o);
}

static int apply_one(struct osd *o, struct buf *bytes, struct txn *txn)
{
    struct osdmap_inc inc = {0};
    struct osdmap *next = NULL;
    struct cursor c;
    int rc = buf_flatten(bytes);

    if (rc < 0)
        return rc;
    c = cur_over(buf_contiguous(bytes, 0, bytes->bytes), bytes->bytes);
    rc = osdmap_inc_decode(&c, &inc);
    if (rc == 0 && inc.epoch.v != o->map->epoch.v + 1)
        rc = -R_MALFORMED;
    if (rc == 0)
        rc = osdmap_apply(o->map, &inc, &next);
    osdmap_inc_fini(&inc);
    if (rc < 0)
        return rc;
    rows_add(txn, 'm', next->epoch, buf_contiguous(bytes, 0, bytes->bytes), bytes->bytes);
    if (next->epoch.v % OSD_FULL_MAP_EVERY == 0)
        rc = full_row(o, txn, next);
    if (rc < 0) {
        osdmap_unref(next);
        return rc;
    }
    return osd_map_install(o, next);
}

/* The sender has nothing older: start from its full map. */
static int take_full(struct osd *o, const struct buf *full, struct txn *txn)
{
    struct osdmap *map = NULL;
    struct buf flat = {0};
    struct cursor c;
    int rc = buf_slice(full, 0, full->bytes, &flat);

    if (rc == 0)
        rc = buf_flatten(&flat);
    if (rc == 0) {
        c = cur_over(buf_contiguous(&flat, 0, flat.bytes), flat.bytes);
        rc = osdmap_decode(&c, &map);
    }
    buf_fini(&flat);
    if (rc < 0)
        return rc;
    if (o->map && map->epoch.v <= o->map->epoch.v) {
        osdmap_unref(map);
        return 0;
    }
    if (memcmp(map->fsid, o->fsid, sizeof(o->fsid)) != 0) {
        osdmap_unref(map);
        return -R_WRONG_CLUSTER;
    }
    rc = full_row(o, txn, map);
    if (rc < 0) {
        osdmap_unref(map);
        return rc;
    }
    return osd_map_install(o, map);
}

static int take(struct osd *o, struct msg_osdmaps *m, struct txn *txn)
{
    int rc = 0;

    if (m->has_full && (!o->map || m->count == 0 || m->first.v > o->map->epoch.v + 1))
        rc = take_full(o, &m->full, txn);
    for (uint32_t i = 0; rc == 0 && o->map && o->state != ROLE_FAILED && i < m->count; i++)
        if (m->first.v + i == o->map->epoch.v + 1)
            rc = apply_one(o, &m->incs[i], txn);
    return rc;
}

void osd_maps_take(struct osd *o, struct session *s, struct msg_osdmaps *m)
{
    struct txn *txn;
    uint32_t before = o->map ? o->map->epoch.v : 0;
    int rc;

    if (o->state == ROLE_FAILED) { /* a PG may have stopped in the middle of the last one */
        msg_free(&m->base);
        return;
    }
    txn = txn_create(osd_coll());
    rc = txn ? 0 : -ENOMEM;
    if (s == o->mon.session) {
        o->mon.oldest = m->oldest;
        o->mon.newest = m->newest;
    }
    if (rc == 0)
        rc = take(o, m, txn);
    if (txn && txn->op_count && osd_meta_submit(o, txn, NULL, NULL) == 0)
        txn = NULL;
    else if (txn && txn->op_count)
        osd_fail(o, -ENOMEM, "maps could not be kept");
    txn_unref(txn);
    if (rc < 0)
        log_error(&o->log, "maps could not be taken in", KV_U64("first", m->first.v), KV_RC(rc));
    o->mon.asked_ns = 0;
    if (o->map && m->newest.v > o->map->epoch.v)
        osd_maps_request(o);
    if (o->map && o->map->epoch.v != before)
        installed(o);
    else
        osd_wish(o); /* that nothing is newer is what a boot waits to hear */
    msg_free(&m->base);
}

void osd_maps_request(struct osd *o)
{
    struct msg_mon_subscribe *m;
    uint64_t now_ns = env_now_ns(o->env);

    if (o->mon.asked_ns && now_ns - o->mon.asked_ns < ASK_AGAIN_MS * NS_PER_MS)
        return;
    m = MESSAGE_NEW(mon_subscribe);
    if (!m)
        return; /* asked for again every second */
    m->from.v = o->map ? o->map->epoch.v + 1 : 1;
    o->mon.asked_ns = now_ns;
    osd_mon_send(o, &m->base);
}

/* ---- trimming ---- */

/* The oldest epoch from which somebody here may still have to walk. */
static struct epoch needed_from(const struct osd *o)
{
    struct epoch e = {MIN(o->mon.oldest.v, o->map->epoch.v)};

    LIST_EACH (at, &o->pg_list) {
        const struct pg *pg = LIST_ENTRY(at, struct pg, link);

        if (pg_copy_exists(&pg->copy) && pg->saved_newest.v < e.v)
            e = pg->saved_newest;
    }
    return e;
}

void osd_maps_trim(struct osd *o)
{
    struct epoch from, full;
    uint8_t a[OSD_ROW_KEY_MAX], b[OSD_ROW_KEY_MAX];
    struct txn *txn;

    if (o->history || o->mon.oldest.v == 0 || o->stored_full.v <= o->stored_oldest.v ||
        o->map->epoch.v % OSD_FULL_MAP_EVERY != 1)
        return;
    from = needed_from(o);
    full.v = from.v - from.v % OSD_FULL_MAP_EVERY; /* full maps stand at these, beside the first */
    if (full.v <= o->stored_oldest.v || full.v > o->stored_full.v)
        return;
    txn = txn_create(osd_coll());
    if (!txn)
        return;
    txn_meta_rm_range(txn, osd_row_key('m', 0, a), osd_row_key('m', full.v + 1, b));
    txn_meta_rm_range(txn, osd_row_key('M', 0, a), osd_row_key('M', full.v, b));
    if (osd_meta_submit(o, txn, NULL, NULL) < 0) {
        txn_unref(txn); /* at another epoch */
        return;
    }
    o->stored_oldest = full;
}
