/* osdmap_codec.c - maps and increments as bytes: doc/format/osdmap.md.
 *
 * Rows of a map and rows of an increment have the same form.  What decode lets through is what
 * osdmap_place relies on: ascending tables, ids in range, PG counts that are powers of two, a CRUSH
 * map that its own decoder accepted. */
#include "core/crush/crush_codec.h"
#include "core/map/osdmap.h"

enum { OSDMAP_VERSION = 1, OSDMAP_COMPAT = 1 };

static void osd_put(struct writer *w, const struct osd_info *o)
{
    wr_u8(w, o->state);
    wr_u32(w, o->weight);
    wr_str(w, o->addr.s);
    wr_u64(w, o->instance);
    wr_raw(w, o->uuid, sizeof(o->uuid));
    wr_u32(w, o->up_from.v);
    wr_u32(w, o->up_thru.v);
    wr_u32(w, o->down_at.v);
    wr_u32(w, o->lost_at.v);
}

/* A string into a field of fixed size, with its end. */
static void text_get(struct cursor *c, char *out, uint32_t bytes)
{
    struct bytes text = cur_bytes(c, bytes - 1);

    memset(out, 0, bytes);
    if (c->rc == 0 && text.len && memchr(text.data, 0, text.len))
        cur_fail(c, -R_MALFORMED);
    if (c->rc == 0 && text.len)
        memcpy(out, text.data, text.len);
}

static struct osd_info osd_get(struct cursor *c)
{
    struct osd_info o = {0};
    struct bytes uuid;

    o.state = cur_u8(c);
    o.weight = cur_u32(c);
    text_get(c, o.addr.s, sizeof(o.addr.s));
    o.instance = cur_u64(c);
    uuid = cur_raw(c, sizeof(o.uuid));
    if (c->rc == 0)
        memcpy(o.uuid, uuid.data, sizeof(o.uuid));
    o.up_from.v = cur_u32(c);
    o.up_thru.v = cur_u32(c);
    o.down_at.v = cur_u32(c);
    o.lost_at.v = cur_u32(c);
    if (o.weight > OSD_WEIGHT_IN)
        cur_fail(c, -R_MALFORMED);
    return o;
}

static void pool_put(struct writer *w, const struct pool *p)
{
    wr_u32(w, p->id.v);
    wr_str(w, p->name);
    wr_u8(w, p->size);
    wr_u8(w, p->size_min);
    wr_u32(w, p->crush_rule);
    wr_u32(w, p->pg_count);
    wr_u32(w, p->created.v);
    wr_u32(w, p->changed.v);
}

static struct pool pool_get(struct cursor *c)
{
    struct pool p = {0};

    p.id.v = cur_u32(c);
    text_get(c, p.name, sizeof(p.name));
    p.size = cur_u8(c);
    p.size_min = cur_u8(c);
    p.crush_rule = cur_u32(c);
    p.pg_count = cur_u32(c);
    p.created.v = cur_u32(c);
    p.changed.v = cur_u32(c);
    if (p.id.v == 0 || p.size == 0 || p.size > OSD_SET_MAX || p.size_min == 0 ||
        p.size_min > p.size || p.pg_count == 0 || p.pg_count > POOL_PGS_MAX ||
        (p.pg_count & (p.pg_count - 1)) || p.crush_rule > INT32_MAX)
        cur_fail(c, -R_MALFORMED);
    return p;
}

static void temp_put(struct writer *w, const struct pg_temp *t)
{
    wr_pgid(w, t->pg);
    wr_osd_set(w, &t->acting);
}

static struct pg_temp temp_get(struct cursor *c)
{
    struct pg_temp t;

    t.pg = cur_pgid(c);
    t.acting = cur_osd_set(c);
    return t;
}

static void blocked_put(struct writer *w, const struct blocked *b)
{
    wr_u64(w, b->client);
    wr_u64(w, b->until_wall_ns);
}

static struct blocked blocked_get(struct cursor *c)
{
    struct blocked b;

    b.client = cur_u64(c);
    b.until_wall_ns = cur_u64(c);
    return b;
}

int osdmap_encode(const struct osdmap *m, struct writer *w)
{
    size_t mark = wr_begin(w, OSDMAP_VERSION, OSDMAP_COMPAT);

    wr_u32(w, m->epoch.v);
    wr_raw(w, m->fsid, sizeof(m->fsid));
    wr_u64(w, m->modified_wall_ns);
    wr_u32(w, m->lease_ms);
    wr_u32(w, m->pool_next);
    wr_u32(w, m->osd_count);
    for (uint32_t i = 0; i < m->osd_count; i++)
        osd_put(w, &m->osds[i]);
    wr_u32(w, m->pool_count);
    for (uint32_t i = 0; i < m->pool_count; i++)
        pool_put(w, &m->pools[i]);
    wr_u32(w, m->temp_count);
    for (uint32_t i = 0; i < m->temp_count; i++)
        temp_put(w, &m->temps[i]);
    wr_u32(w, m->blocked_count);
    for (uint32_t i = 0; i < m->blocked_count; i++)
        blocked_put(w, &m->blocked[i]);
    crush_encode(m->crush, w);
    wr_end(w, mark);
    return w->rc;
}

enum { OSD_ROW_MIN = 57, POOL_ROW_MIN = 26, TEMP_ROW_MIN = 9, BLOCKED_ROW = 16 };

/* Read every table through the setters that keep them sorted; repeats are malformed. */
static int tables_get(struct cursor *c, struct osdmap *m)
{
    uint32_t count = cur_count(c, OSDMAP_OSDS_MAX, OSD_ROW_MIN);
    int rc = osdmap_osds_grow(m, count);

    for (uint32_t i = 0; rc == 0 && i < count; i++)
        m->osds[i] = osd_get(c);
    count = cur_count(c, OSDMAP_POOLS_MAX, POOL_ROW_MIN);
    for (uint32_t i = 0; rc == 0 && c->rc == 0 && i < count; i++) {
        struct pool p = pool_get(c);

        rc = osdmap_pool_set(m, &p);
    }
    if (rc == 0 && m->pool_count != count)
        cur_fail(c, -R_MALFORMED);
    count = cur_count(c, OSDMAP_TEMPS_MAX, TEMP_ROW_MIN);
    for (uint32_t i = 0; rc == 0 && c->rc == 0 && i < count; i++) {
        struct pg_temp t = temp_get(c);

        rc = osdmap_temp_set(m, t.pg, &t.acting);
    }
    if (rc == 0 && m->temp_count != count)
        cur_fail(c, -R_MALFORMED);
    count = cur_count(c, OSDMAP_BLOCKED_MAX, BLOCKED_ROW);
    for (uint32_t i = 0; rc == 0 && c->rc == 0 && i < count; i++) {
        struct blocked b = blocked_get(c);

        rc = osdmap_block_set(m, b.client, b.until_wall_ns);
    }
    if (rc == 0 && m->blocked_count != count)
        cur_fail(c, -R_MALFORMED);
    return rc;
}

int osdmap_decode(struct cursor *c, struct osdmap **out_map)
{
    struct cursor body;
    struct osdmap *m = mem_zalloc(sizeof(*m));
    struct bytes fsid;
    int rc;

    if (!m)
        return -ENOMEM;
    m->refs = 1;
    (void)cur_enter(c, OSDMAP_COMPAT, &body);
    m->epoch.v = cur_u32(&body);
    fsid = cur_raw(&body, sizeof(m->fsid));
    if (body.rc == 0)
        memcpy(m->fsid, fsid.data, sizeof(m->fsid));
    m->modified_wall_ns = cur_u64(&body);
    m->lease_ms = cur_u32(&body);
    m->pool_next = cur_u32(&body);
    rc = tables_get(&body, m);
    if (rc == 0 && body.rc == 0)
        rc = crush_decode(&body, &m->crush);
    if (rc == 0)
        rc = cur_leave(c, &body);
    if (rc == 0)
        rc = osdmap_seal(m);
    if (rc < 0) {
        osdmap_unref(m);
        return rc;
    }
    *out_map = m;
    return 0;
}

int osdmap_inc_encode(const struct osdmap_inc *inc, struct writer *w)
{
    size_t mark = wr_begin(w, OSDMAP_VERSION, OSDMAP_COMPAT);

    wr_u32(w, inc->epoch.v);
    wr_u64(w, inc->modified_wall_ns);
    wr_u32(w, inc->lease_ms);
    wr_u32(w, inc->pool_next);
    wr_u32(w, inc->osd_count);
    wr_u32(w, inc->osd_rows);
    for (uint32_t i = 0; i < inc->osd_rows; i++) {
        wr_i32(w, inc->osds[i].id.v);
        osd_put(w, &inc->osds[i].info);
    }
    wr_u32(w, inc->pool_rows);
    for (uint32_t i = 0; i < inc->pool_rows; i++)
        pool_put(w, &inc->pools[i]);
    wr_u32(w, inc->pool_gone_rows);
    for (uint32_t i = 0; i < inc->pool_gone_rows; i++)
        wr_u32(w, inc->pools_gone[i].v);
    wr_u32(w, inc->temp_rows);
    for (uint32_t i = 0; i < inc->temp_rows; i++)
        temp_put(w, &inc->temps[i]);
    wr_u32(w, inc->blocked_rows);
    for (uint32_t i = 0; i < inc->blocked_rows; i++)
        blocked_put(w, &inc->blocked[i]);
    wr_bool(w, inc->crush != NULL);
    if (inc->crush)
        crush_encode(inc->crush, w);
    wr_end(w, mark);
    return w->rc;
}

void osdmap_inc_fini(struct osdmap_inc *inc)
{
    mem_free(inc->osds);
    mem_free(inc->pools);
    mem_free(inc->pools_gone);
    mem_free(inc->temps);
    mem_free(inc->blocked);
    crush_destroy(inc->crush);
    memset(inc, 0, sizeof(*inc));
}

/* A table of an increment: its count, and zeroed rows for it.  *rc: -ENOMEM. */
static uint32_t rows_get(struct cursor *c, uint32_t max, uint32_t row_min, size_t row_bytes,
                         void **out_rows, int *rc)
{
    uint32_t count = cur_count(c, max, row_min);

    *out_rows = NULL;
    if (count == 0 || *rc < 0)
        return 0;
    *out_rows = mem_calloc(count, row_bytes);
    if (!*out_rows) {
        *rc = -ENOMEM;
        return 0;
    }
    return count;
}

static int inc_tables_get(struct cursor *c, struct osdmap_inc *inc)
{
    int rc = 0;

    inc->osd_rows =
        rows_get(c, OSDMAP_OSDS_MAX, OSD_ROW_MIN, sizeof(*inc->osds), (void **)&inc->osds, &rc);
    for (uint32_t i = 0; i < inc->osd_rows; i++) {
        inc->osds[i].id.v = cur_i32(c);
        inc->osds[i].info = osd_get(c);
    }
    inc->pool_rows =
        rows_get(c, OSDMAP_POOLS_MAX, POOL_ROW_MIN, sizeof(*inc->pools), (void **)&inc->pools, &rc);
    for (uint32_t i = 0; i < inc->pool_rows; i++)
        inc->pools[i] = pool_get(c);
    inc->pool_gone_rows =
        rows_get(c, OSDMAP_POOLS_MAX, 4, sizeof(*inc->pools_gone), (void **)&inc->pools_gone, &rc);
    for (uint32_t i = 0; i < inc->pool_gone_rows; i++)
        inc->pools_gone[i].v = cur_u32(c);
    inc->temp_rows =
        rows_get(c, OSDMAP_TEMPS_MAX, TEMP_ROW_MIN, sizeof(*inc->temps), (void **)&inc->temps, &rc);
    for (uint32_t i = 0; i < inc->temp_rows; i++)
        inc->temps[i] = temp_get(c);
    inc->blocked_rows = rows_get(c, OSDMAP_BLOCKED_MAX, BLOCKED_ROW, sizeof(*inc->blocked),
                                 (void **)&inc->blocked, &rc);
    for (uint32_t i = 0; i < inc->blocked_rows; i++)
        inc->blocked[i] = blocked_get(c);
    return rc;
}

int osdmap_inc_decode(struct cursor *c, struct osdmap_inc *out_inc)
{
    struct osdmap_inc inc = {0};
    struct cursor body;
    int rc;

    (void)cur_enter(c, OSDMAP_COMPAT, &body);
    inc.epoch.v = cur_u32(&body);
    inc.modified_wall_ns = cur_u64(&body);
    inc.lease_ms = cur_u32(&body);
    inc.pool_next = cur_u32(&body);
    inc.osd_count = cur_u32(&body);
    rc = inc_tables_get(&body, &inc);
    if (rc == 0 && cur_bool(&body) && body.rc == 0)
        rc = crush_decode(&body, &inc.crush);
    if (rc == 0)
        rc = cur_leave(c, &body);
    if (rc < 0) {
        osdmap_inc_fini(&inc);
        return rc;
    }
    *out_inc = inc;
    return 0;
}
