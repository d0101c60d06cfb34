/* osdmap.c - the map itself: life, lookups, and where a PG is.
 *
 * A map is changed only as a private clone (by the monitor, or while an increment is applied), then
 * sealed and published; from then on it is immutable and shared by reference. */
#include "core/map/osdmap.h"

#include "core/crush/crush_hash.h"

struct osdmap *osdmap_create(const uint8_t fsid[16])
{
    struct osdmap *m = mem_zalloc(sizeof(*m));

    if (!m)
        return NULL;
    m->refs = 1;
    memcpy(m->fsid, fsid, sizeof(m->fsid));
    m->pool_next = 1;
    m->lease_ms = 1500;
    if (osdmap_crush_create(&m->crush) < 0 || osdmap_seal(m) < 0) {
        osdmap_unref(m);
        return NULL;
    }
    return m;
}

struct osdmap *osdmap_ref(struct osdmap *m)
{
    __atomic_fetch_add((uint32_t *)&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void osdmap_unref(struct osdmap *m)
{
    if (!m || __atomic_fetch_sub((uint32_t *)&m->refs, 1, __ATOMIC_ACQ_REL) != 1)
        return;
    mem_free(m->osds);
    mem_free(m->pools);
    mem_free(m->temps);
    mem_free(m->blocked);
    mem_free(m->weights);
    crush_destroy(m->crush);
    mem_free(m);
}

/* A copy of `count` rows; an empty table is NULL.  0 or -ENOMEM. */
static int rows_copy(const void *from, size_t count, size_t row_bytes, void **out)
{
    *out = NULL;
    if (count == 0)
        return 0;
    *out = mem_dup(from, count * row_bytes);
    return *out ? 0 : -ENOMEM;
}

struct osdmap *osdmap_clone(const struct osdmap *m)
{
    struct osdmap *n = mem_dup(m, sizeof(*m));

    if (!n)
        return NULL;
    n->refs = 1;
    n->osds = NULL;
    n->pools = NULL;
    n->temps = NULL;
    n->blocked = NULL;
    n->weights = NULL;
    n->crush = NULL;
    if (rows_copy(m->osds, m->osd_count, sizeof(*m->osds), (void **)&n->osds) < 0 ||
        rows_copy(m->pools, m->pool_count, sizeof(*m->pools), (void **)&n->pools) < 0 ||
        rows_copy(m->temps, m->temp_count, sizeof(*m->temps), (void **)&n->temps) < 0 ||
        rows_copy(m->blocked, m->blocked_count, sizeof(*m->blocked), (void **)&n->blocked) < 0 ||
        rows_copy(m->weights, m->osd_count, sizeof(*m->weights), (void **)&n->weights) < 0 ||
        crush_copy(m->crush, &n->crush) < 0) {
        osdmap_unref(n);
        return NULL;
    }
    return n;
}

int osdmap_seal(struct osdmap *m)
{
    uint32_t *weights = mem_calloc(m->osd_count ? m->osd_count : 1, sizeof(*weights));

    if (!weights)
        return -ENOMEM;
    for (uint32_t i = 0; i < m->osd_count; i++)
        weights[i] = m->osds[i].state & OSD_EXISTS ? m->osds[i].weight : 0;
    mem_free(m->weights);
    m->weights = weights;
    return 0;
}

int osdmap_osds_grow(struct osdmap *m, uint32_t osd_count)
{
    struct osd_info *osds;

    if (osd_count > OSDMAP_OSDS_MAX)
        return -R_OVERFLOW;
    if (osd_count <= m->osd_count)
        return 0;
    osds = mem_realloc(m->osds, osd_count * sizeof(*osds));
    if (!osds)
        return -ENOMEM;
    memset(osds + m->osd_count, 0, (osd_count - m->osd_count) * sizeof(*osds));
    m->osds = osds;
    m->osd_count = osd_count;
    return 0;
}

/* The tables are sorted arrays.  Find the row `key` by `cmp`: its place, or where it would go. */
static bool row_find(const void *rows, uint32_t count, size_t row_bytes, const void *key,
                     int (*cmp)(const void *row, const void *key), uint32_t *out_at)
{
    uint32_t lo = 0, hi = count;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int order = cmp((const char *)rows + mid * row_bytes, key);

        if (order == 0) {
            *out_at = mid;
            return true;
        }
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out_at = lo;
    return false;
}

static int row_set(void **rows, uint32_t *count, uint32_t count_max, size_t row_bytes,
                   const void *row, const void *key, int (*cmp)(const void *, const void *))
{
    uint32_t at;
    char *table = *rows;

    if (!row_find(table, *count, row_bytes, key, cmp, &at)) {
        if (*count == count_max)
            return -R_OVERFLOW;
        table = mem_realloc(table, (*count + 1) * row_bytes);
        if (!table)
            return -ENOMEM;
        memmove(table + (at + 1) * row_bytes, table + at * row_bytes, (*count - at) * row_bytes);
        *rows = table;
        (*count)++;
    }
    memcpy(table + at * row_bytes, row, row_bytes);
    return 0;
}

static void row_drop(void *rows, uint32_t *count, size_t row_bytes, const void *key,
                     int (*cmp)(const void *, const void *))
{
    uint32_t at;
    char *table = rows;

    if (!row_find(rows, *count, row_bytes, key, cmp, &at))
        return;
    memmove(table + at * row_bytes, table + (at + 1) * row_bytes, (*count - at - 1) * row_bytes);
    (*count)--;
}

static int pool_cmp(const void *row, const void *key)
{
    uint32_t a = ((const struct pool *)row)->id.v, b = ((const struct pool_id *)key)->v;

    return a < b ? -1 : a > b;
}

static int pgid_cmp(struct pgid a, struct pgid b)
{
    if (a.pool.v != b.pool.v)
        return a.pool.v < b.pool.v ? -1 : 1;
    return a.seed < b.seed ? -1 : a.seed > b.seed;
}

static int temp_cmp(const void *row, const void *key)
{
    return pgid_cmp(((const struct pg_temp *)row)->pg, *(const struct pgid *)key);
}

static int blocked_cmp(const void *row, const void *key)
{
    uint64_t a = ((const struct blocked *)row)->client, b = *(const uint64_t *)key;

    return a < b ? -1 : a > b;
}

int osdmap_pool_set(struct osdmap *m, const struct pool *p)
{
    return row_set((void **)&m->pools, &m->pool_count, OSDMAP_POOLS_MAX, sizeof(*p), p, &p->id,
                   pool_cmp);
}

void osdmap_pool_drop(struct osdmap *m, struct pool_id id)
{
    row_drop(m->pools, &m->pool_count, sizeof(*m->pools), &id, pool_cmp);
}

int osdmap_temp_set(struct osdmap *m, struct pgid pg, const struct osd_set *acting)
{
    struct pg_temp row = {.pg = pg, .acting = *acting};

    if (acting->count == 0) {
        row_drop(m->temps, &m->temp_count, sizeof(*m->temps), &pg, temp_cmp);
        return 0;
    }
    return row_set((void **)&m->temps, &m->temp_count, OSDMAP_TEMPS_MAX, sizeof(row), &row, &pg,
                   temp_cmp);
}

int osdmap_block_set(struct osdmap *m, uint64_t client, uint64_t until_wall_ns)
{
    struct blocked row = {.client = client, .until_wall_ns = until_wall_ns};

    if (until_wall_ns == 0) {
        row_drop(m->blocked, &m->blocked_count, sizeof(*m->blocked), &client, blocked_cmp);
        return 0;
    }
    return row_set((void **)&m->blocked, &m->blocked_count, OSDMAP_BLOCKED_MAX, sizeof(row), &row,
                   &client, blocked_cmp);
}

const struct pool *osdmap_pool(const struct osdmap *m, struct pool_id id)
{
    uint32_t at;

    return row_find(m->pools, m->pool_count, sizeof(*m->pools), &id, pool_cmp, &at) ? &m->pools[at]
                                                                                    : NULL;
}

const struct pool *osdmap_pool_named(const struct osdmap *m, const char *name)
{
    for (uint32_t i = 0; i < m->pool_count; i++)
        if (strcmp(m->pools[i].name, name) == 0)
            return &m->pools[i];
    return NULL;
}

bool osdmap_blocked(const struct osdmap *m, uint64_t client)
{
    uint32_t at;

    return row_find(m->blocked, m->blocked_count, sizeof(*m->blocked), &client, blocked_cmp, &at);
}

static struct osd_id first_of(const struct osd_set *s)
{
    return s->count ? s->osd[0] : OSD_NONE;
}

/* The members of `from` that are up, in order: a replicated pool closes its gaps. */
static void up_members(const struct osdmap *m, const int32_t *from, int count, struct osd_set *out)
{
    out->count = 0;
    for (int i = 0; i < count && out->count < OSD_SET_MAX; i++)
        if (osdmap_up(m, (struct osd_id){from[i]}))
            out->osd[out->count++].v = from[i];
}

int osdmap_place(const struct osdmap *m, struct pgid pg, struct placement *out)
{
    const struct pool *p = osdmap_pool(m, pg.pool);
    struct placement at = {0};
    int32_t raw[OSD_SET_MAX];
    uint32_t temp;
    int count;

    if (!p || pg.seed >= p->pg_count)
        return -R_NO_POOL;
    count =
        crush_map_x(m->crush, (int)p->crush_rule, crush_pg_to_x(pg.seed, p->pg_count, pg.pool.v),
                    m->weights, m->osd_count, raw, p->size, NULL);
    if (count < 0)
        return count;
    up_members(m, raw, count, &at.up);
    if (row_find(m->temps, m->temp_count, sizeof(*m->temps), &pg, temp_cmp, &temp)) {
        const struct osd_set *want = &m->temps[temp].acting;

        for (unsigned i = 0; i < want->count; i++)
            raw[i] = want->osd[i].v;
        up_members(m, raw, want->count, &at.acting);
    }
    if (at.acting.count == 0)
        at.acting = at.up;
    at.primary = first_of(&at.acting);
    at.up_primary = first_of(&at.up);
    *out = at;
    return 0;
}

/* Is each member the incarnation that it was?  One that started anew has forgotten what it had
 * agreed to, so it must agree again. */
static bool same_incarnations(const struct osdmap *a, const struct osdmap *b,
                              const struct osd_set *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (!epoch_eq(a->osds[s->osd[i].v].up_from, b->osds[s->osd[i].v].up_from))
            return false;
    return true;
}

bool osdmap_osds_same(const struct osdmap *a, const struct osdmap *b)
{
    const uint8_t bits = OSD_EXISTS | OSD_UP;

    if (a->osd_count != b->osd_count)
        return false;
    for (uint32_t i = 0; i < a->osd_count; i++)
        if ((a->osds[i].state & bits) != (b->osds[i].state & bits) ||
            a->osds[i].weight != b->osds[i].weight || a->osds[i].instance != b->osds[i].instance)
            return false;
    return true;
}

int osdmap_pg_same_interval(const struct osdmap *a, const struct osdmap *b, struct pgid pg)
{
    const struct pool *pa = osdmap_pool(a, pg.pool), *pb = osdmap_pool(b, pg.pool);
    struct placement at_a, at_b;
    int rc_a, rc_b;

    if (!pa || !pb)
        return pa == pb;
    if (pa->size != pb->size || pa->size_min != pb->size_min || pa->pg_count != pb->pg_count)
        return false;
    rc_a = osdmap_place(a, pg, &at_a);
    rc_b = osdmap_place(b, pg, &at_b);
    if (rc_a == -ENOMEM || rc_b == -ENOMEM)
        return -ENOMEM; /* an interval that only one OSD sees would never be agreed on */
    if (rc_a < 0 || rc_b < 0)
        return false;
    return osd_set_equal(&at_a.up, &at_b.up) && osd_set_equal(&at_a.acting, &at_b.acting) &&
           osd_eq(at_a.primary, at_b.primary) && same_incarnations(a, b, &at_a.up) &&
           same_incarnations(a, b, &at_a.acting);
}
