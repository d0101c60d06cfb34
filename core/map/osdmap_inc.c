/* osdmap_inc.c - the step from one epoch to the next: making it, and taking it.
 *
 * osdmap_apply(a, osdmap_diff(a, b)) equals b, byte for byte when encoded: every daemon that
 * follows the increments has the map that the monitors decided. */
#include "core/crush/crush_codec.h"
#include "core/map/osdmap.h"

/* Room for `max` rows, or NULL when none can be needed. */
static int rows_alloc(void **out, uint32_t max, size_t row_bytes)
{
    *out = NULL;
    if (max == 0)
        return 0;
    *out = mem_calloc(max, row_bytes);
    return *out ? 0 : -ENOMEM;
}

static int inc_alloc(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *inc)
{
    int rc = rows_alloc((void **)&inc->osds, b->osd_count, sizeof(*inc->osds));

    if (rc == 0)
        rc = rows_alloc((void **)&inc->pools, b->pool_count, sizeof(*inc->pools));
    if (rc == 0)
        rc = rows_alloc((void **)&inc->pools_gone, a->pool_count, sizeof(*inc->pools_gone));
    if (rc == 0)
        rc = rows_alloc((void **)&inc->temps, a->temp_count + b->temp_count, sizeof(*inc->temps));
    if (rc == 0)
        rc = rows_alloc((void **)&inc->blocked, a->blocked_count + b->blocked_count,
                        sizeof(*inc->blocked));
    return rc;
}

static bool osd_same(const struct osd_info *a, const struct osd_info *b)
{
    return a->state == b->state && a->weight == b->weight && net_addr_equal(&a->addr, &b->addr) &&
           a->instance == b->instance && memcmp(a->uuid, b->uuid, sizeof(a->uuid)) == 0 &&
           a->up_from.v == b->up_from.v && a->up_thru.v == b->up_thru.v &&
           a->down_at.v == b->down_at.v && a->lost_at.v == b->lost_at.v;
}

static bool pool_same(const struct pool *a, const struct pool *b)
{
    return strcmp(a->name, b->name) == 0 && a->size == b->size && a->size_min == b->size_min &&
           a->crush_rule == b->crush_rule && a->pg_count == b->pg_count &&
           a->created.v == b->created.v && a->changed.v == b->changed.v;
}

static void osds_diff(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *inc)
{
    for (uint32_t i = 0; i < b->osd_count; i++) {
        if (i < a->osd_count && osd_same(&a->osds[i], &b->osds[i]))
            continue;
        inc->osds[inc->osd_rows++] = (struct osd_row){{(int32_t)i}, b->osds[i]};
    }
}

static void pools_diff(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *inc)
{
    for (uint32_t i = 0; i < b->pool_count; i++) {
        const struct pool *was = osdmap_pool(a, b->pools[i].id);

        if (!was || !pool_same(was, &b->pools[i]))
            inc->pools[inc->pool_rows++] = b->pools[i];
    }
    for (uint32_t i = 0; i < a->pool_count; i++)
        if (!osdmap_pool(b, a->pools[i].id))
            inc->pools_gone[inc->pool_gone_rows++] = a->pools[i].id;
}

static int pg_order(struct pgid a, struct pgid b)
{
    if (a.pool.v != b.pool.v)
        return a.pool.v < b.pool.v ? -1 : 1;
    return a.seed < b.seed ? -1 : a.seed > b.seed;
}

/* Both tables are sorted: one walk finds what is new, changed and gone. */
static void temps_diff(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *inc)
{
    uint32_t i = 0, j = 0;

    while (i < a->temp_count || j < b->temp_count) {
        int order = i == a->temp_count   ? 1
                    : j == b->temp_count ? -1
                                         : pg_order(a->temps[i].pg, b->temps[j].pg);

        if (order < 0) {
            inc->temps[inc->temp_rows++] = (struct pg_temp){.pg = a->temps[i++].pg};
            continue;
        }
        if (order > 0 || !osd_set_equal(&a->temps[i].acting, &b->temps[j].acting))
            inc->temps[inc->temp_rows++] = b->temps[j];
        i += order == 0;
        j++;
    }
}

static void blocked_diff(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *inc)
{
    uint32_t i = 0, j = 0;

    while (i < a->blocked_count || j < b->blocked_count) {
        uint64_t ca = i < a->blocked_count ? a->blocked[i].client : UINT64_MAX;
        uint64_t cb = j < b->blocked_count ? b->blocked[j].client : UINT64_MAX;

        if (j == b->blocked_count || (i < a->blocked_count && ca < cb)) {
            inc->blocked[inc->blocked_rows++] = (struct blocked){.client = ca};
            i++;
            continue;
        }
        if (i == a->blocked_count || ca != cb ||
            a->blocked[i].until_wall_ns != b->blocked[j].until_wall_ns)
            inc->blocked[inc->blocked_rows++] = b->blocked[j];
        i += i < a->blocked_count && ca == cb;
        j++;
    }
}

/* The CRUSH map travels whole, and only when its bytes changed. */
static int crush_diff(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *inc)
{
    AUTO(writer) wa = {0};
    AUTO(writer) wb = {0};

    crush_encode(a->crush, &wa);
    crush_encode(b->crush, &wb);
    if (wa.rc < 0 || wb.rc < 0)
        return wa.rc < 0 ? wa.rc : wb.rc;
    if (wa.len == wb.len && memcmp(wa.data, wb.data, wa.len) == 0)
        return 0;
    return crush_copy(b->crush, &inc->crush);
}

int osdmap_diff(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *out_inc)
{
    struct osdmap_inc inc = {.epoch = b->epoch,
                             .modified_wall_ns = b->modified_wall_ns,
                             .osd_count = b->osd_count,
                             .lease_ms = b->lease_ms,
                             .pool_next = b->pool_next};
    int rc;

    ASSERT(b->epoch.v == a->epoch.v + 1);
    rc = inc_alloc(a, b, &inc);
    if (rc == 0) {
        osds_diff(a, b, &inc);
        pools_diff(a, b, &inc);
        temps_diff(a, b, &inc);
        blocked_diff(a, b, &inc);
        rc = crush_diff(a, b, &inc);
    }
    if (rc < 0) {
        osdmap_inc_fini(&inc);
        return rc;
    }
    *out_inc = inc;
    return 0;
}

static int rows_apply(struct osdmap *m, const struct osdmap_inc *inc)
{
    int rc = osdmap_osds_grow(m, inc->osd_count);

    for (uint32_t i = 0; rc == 0 && i < inc->osd_rows; i++) {
        int32_t id = inc->osds[i].id.v;

        if (id < 0 || (uint32_t)id >= m->osd_count)
            return -R_MALFORMED;
        m->osds[id] = inc->osds[i].info;
    }
    for (uint32_t i = 0; rc == 0 && i < inc->pool_rows; i++)
        rc = osdmap_pool_set(m, &inc->pools[i]);
    for (uint32_t i = 0; rc == 0 && i < inc->pool_gone_rows; i++)
        osdmap_pool_drop(m, inc->pools_gone[i]);
    for (uint32_t i = 0; rc == 0 && i < inc->temp_rows; i++)
        rc = osdmap_temp_set(m, inc->temps[i].pg, &inc->temps[i].acting);
    for (uint32_t i = 0; rc == 0 && i < inc->blocked_rows; i++)
        rc = osdmap_block_set(m, inc->blocked[i].client, inc->blocked[i].until_wall_ns);
    return rc;
}

int osdmap_apply(const struct osdmap *m, const struct osdmap_inc *inc, struct osdmap **out_map)
{
    struct osdmap *n;
    int rc;

    if (inc->epoch.v != m->epoch.v + 1)
        return -R_OLD_EPOCH;
    n = osdmap_clone(m);
    if (!n)
        return -ENOMEM;
    n->epoch = inc->epoch;
    n->modified_wall_ns = inc->modified_wall_ns;
    n->lease_ms = inc->lease_ms;
    n->pool_next = inc->pool_next;
    rc = rows_apply(n, inc);
    if (rc == 0 && inc->crush) {
        struct crush_map *crush;

        rc = crush_copy(inc->crush, &crush);
        if (rc == 0) {
            crush_destroy(n->crush);
            n->crush = crush;
        }
    }
    if (rc == 0)
        rc = osdmap_seal(n);
    if (rc < 0) {
        osdmap_unref(n);
        return rc;
    }
    *out_map = n;
    return 0;
}
