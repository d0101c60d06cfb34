/* mon_command_pool.c - commands on pools. */
#include "core/crush/crush_build.h"
#include "core/mon/mon_command.h"

enum { PGS_PER_OSD = 32, PGS_MIN = 32, PGS_MAX = 8192, SIZE_MAX_COPIES = 10 };

static uint32_t osds_in(const struct osdmap *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->osd_count; i++)
        n += (m->osds[i].state & OSD_EXISTS) && m->osds[i].weight > 0;
    return n;
}

uint32_t mon_pool_pg_count(const struct osdmap *m, uint32_t size)
{
    uint32_t want = osds_in(m) * PGS_PER_OSD / size, count = PGS_MIN;

    while (count * 2 <= want && count < PGS_MAX)
        count *= 2;
    return count;
}

/* Hosts that have an OSD which is in. */
static uint32_t hosts_in(const struct osdmap *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->crush->bucket_max; i++) {
        const struct crush_bucket *b = m->crush->buckets[i];
        bool in = false;

        if (!b || b->shadow_of || b->type != CRUSH_TYPE_HOST)
            continue;
        for (uint32_t k = 0; k < b->size; k++)
            in = in || (b->items[k] >= 0 && osdmap_exists(m, (struct osd_id){b->items[k]}) &&
                        m->osds[b->items[k]].weight > 0);
        n += in;
    }
    return n;
}

static bool name_is_fine(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > POOL_NAME_MAX || name[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++) {
        char ch = name[i];

        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '.' || ch == '_' || ch == '-'))
            return false;
    }
    return true;
}

static json_t *pool_json(const struct pool *p)
{
    return json_pack("{s:I, s:s, s:i, s:i, s:I, s:I, s:I}", "id", (json_int_t)p->id.v, "name",
                     p->name, "size", p->size, "size_min", p->size_min, "pgs",
                     (json_int_t)p->pg_count, "rule", (json_int_t)p->crush_rule, "created",
                     (json_int_t)p->created.v);
}

static uint32_t size_min_of(const struct mon *mon, uint32_t size)
{
    uint32_t min = mon->conf.pool_size_min;

    return min == 0 ? size - size / 2 : MIN(min, size);
}

struct wanted {
    uint64_t size, size_min, pgs; /* 0: not given */
};

static int options_read(struct mon_call *call, struct wanted *out)
{
    for (uint32_t i = 1; i < call->argc; i += 2) {
        int rc;

        if (mon_call_option(call, i, "size"))
            rc = mon_call_number(call, i + 1, "size", SIZE_MAX_COPIES, &out->size);
        else if (mon_call_option(call, i, "size_min") || mon_call_option(call, i, "size-min"))
            rc = mon_call_number(call, i + 1, "size_min", SIZE_MAX_COPIES, &out->size_min);
        else if (mon_call_option(call, i, "pgs"))
            rc = mon_call_number(call, i + 1, "pgs", POOL_PGS_MAX, &out->pgs);
        else
            rc = mon_call_fail(call, -R_BAD_COMMAND,
                               "usage: pool create NAME [size N] [size_min N] [pgs N]");
        if (rc < 0)
            return rc;
    }
    if (out->pgs & (out->pgs - 1))
        return mon_call_fail(call, -R_BAD_COMMAND, "pgs must be a power of two");
    return 0;
}

int mon_cmd_pool_create(struct mon_call *call)
{
    const struct osdmap *view = mon_view(call->mon);
    uint32_t in = osds_in(view), usual = call->mon->conf.pool_size;
    struct wanted want = {0};
    struct pool p = {0};
    int rc = options_read(call, &want);

    if (rc < 0)
        return rc;
    if (!name_is_fine(call->argv[0]))
        return mon_call_fail(call, -R_BAD_COMMAND,
                             "a pool's name has 1 to %d of: letters, digits, dot, _, -",
                             POOL_NAME_MAX);
    if (osdmap_pool_named(view, call->argv[0]))
        return mon_call_fail(call, -R_EXISTS, "there is a pool %s already", call->argv[0]);
    if (in == 0)
        return mon_call_fail(call, -EAGAIN, "no OSD is in: a pool has nowhere to be");
    if (!mon_call_map(call))
        return -ENOMEM;
    strcpy(p.name, call->argv[0]);
    p.size = (uint8_t)(want.size ? want.size : MIN(usual, in));
    p.size_min = (uint8_t)(want.size_min ? want.size_min : size_min_of(call->mon, p.size));
    if (p.size_min > p.size)
        return mon_call_fail(call, -R_BAD_COMMAND, "size_min must not be above size");
    p.crush_rule = hosts_in(view) >= p.size ? OSDMAP_RULE_HOST : OSDMAP_RULE_OSD;
    p.pg_count = (uint32_t)(want.pgs ? want.pgs : mon_pool_pg_count(view, p.size));
    p.id.v = call->map->pool_next++;
    p.created = p.changed = call->map->epoch;
    rc = osdmap_pool_set(call->map, &p);
    call->json = rc == 0 ? pool_json(&p) : NULL;
    if (rc == 0 && !call->json)
        rc = -ENOMEM;
    if (rc == 0)
        mon_call_say(call, "pool %s has %u copies in %u PGs\n", p.name, p.size, p.pg_count);
    if (rc == 0 && !want.size && p.size < usual)
        mon_call_say(call, "warning: fewer copies than pool.size (%u), for want of OSDs\n", usual);
    return rc;
}

int mon_cmd_pool_rm(struct mon_call *call)
{
    const struct pool *p = osdmap_pool_named(mon_view(call->mon), call->argv[0]);

    if (!p)
        return mon_call_fail(call, -R_NO_POOL, "there is no pool %s", call->argv[0]);
    call->json = pool_json(p);
    if (!call->json || !mon_call_map(call))
        return -ENOMEM;
    osdmap_pool_drop(call->map, p->id);
    mon_call_say(call, "pool %s is removed\n", call->argv[0]);
    return 0;
}

int mon_cmd_pool_set(struct mon_call *call)
{
    const struct pool *old = osdmap_pool_named(mon_view(call->mon), call->argv[0]);
    struct pool p;
    uint64_t n;
    int rc;

    if (!old)
        return mon_call_fail(call, -R_NO_POOL, "there is no pool %s", call->argv[0]);
    p = *old;
    rc = mon_call_number(call, 2, call->argv[1], SIZE_MAX_COPIES, &n);
    if (rc < 0)
        return rc;
    if (n == 0)
        return mon_call_fail(call, -R_BAD_COMMAND, "%s must be at least 1", call->argv[1]);
    if (strcmp(call->argv[1], "size") == 0) {
        /* size_min follows, unless it was set apart from what the old size gave. */
        if (p.size_min == size_min_of(call->mon, p.size) || p.size_min > n)
            p.size_min = (uint8_t)size_min_of(call->mon, (uint32_t)n);
        p.size = (uint8_t)n;
    } else if (strcmp(call->argv[1], "size_min") == 0 || strcmp(call->argv[1], "size-min") == 0) {
        p.size_min = (uint8_t)n;
    } else {
        return mon_call_fail(call, -R_BAD_COMMAND, "a pool has size and size_min");
    }
    if (p.size_min > p.size)
        return mon_call_fail(call, -R_BAD_COMMAND, "size_min must not be above size");
    if (!mon_call_map(call))
        return -ENOMEM;
    p.changed = call->map->epoch;
    call->json = pool_json(&p);
    rc = call->json ? osdmap_pool_set(call->map, &p) : -ENOMEM;
    if (rc == 0)
        mon_call_say(call, "pool %s: size %u, size_min %u\n", p.name, p.size, p.size_min);
    return rc;
}

int mon_cmd_pool_ls(struct mon_call *call)
{
    const struct osdmap *m = call->mon->state.map;

    call->json = json_array();
    mon_call_say(call, "%-24s %5s %8s %6s  %s\n", "POOL", "SIZE", "SIZE_MIN", "PGS", "COPIES ON");
    for (uint32_t i = 0; i < m->pool_count; i++) {
        const struct pool *p = &m->pools[i];
        json_t *one = pool_json(p);

        if (!call->json || !one || json_array_append_new(call->json, one) < 0)
            return -ENOMEM;
        mon_call_say(call, "%-24s %5u %8u %6u  %s\n", p->name, p->size, p->size_min, p->pg_count,
                     p->crush_rule == OSDMAP_RULE_HOST ? "hosts" : "OSDs");
    }
    return 0;
}
