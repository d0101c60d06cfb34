/* mon_command_info.c - commands that look at the whole. */
#include <stdio.h>

#include "core/base/size.h"
#include "core/crush/crush_text.h"
#include "core/mon/mon_command.h"

int mon_cmd_health(struct mon_call *call)
{
    call->json = mon_health(call->mon);
    if (!call->json)
        return -ENOMEM;
    mon_health_print(call->json, &call->text, true);
    return 0;
}

struct osd_sums {
    uint32_t total, up, in;
    uint64_t total_bytes, used_bytes;
};

static struct osd_sums osd_sums(const struct mon *mon)
{
    const struct osdmap *m = mon->state.map;
    struct osd_sums s = {0};

    for (uint32_t i = 0; i < m->osd_count; i++) {
        const struct osd_info *o = &m->osds[i];

        if (!(o->state & OSD_EXISTS))
            continue;
        s.total++;
        s.up += (o->state & OSD_UP) != 0;
        s.in += o->weight > 0;
        if ((o->state & OSD_UP) && i < mon->osd_count && mon->osds[i].instance == o->instance) {
            s.total_bytes += mon->osds[i].total_bytes;
            s.used_bytes += mon->osds[i].used_bytes;
        }
    }
    return s;
}

static void fsid_print(const uint8_t fsid[16], char out[37])
{
    unsigned n = 0;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[n++] = '-';
        n += (unsigned)snprintf(out + n, 3, "%02x", fsid[i]);
    }
    out[n] = 0;
}

static uint32_t mons_heard(const struct mon *mon)
{
    uint32_t n = 1;

    for (uint32_t i = 0; i < mon->peer_count; i++)
        n += mon_peer_heard(mon, &mon->peers[i]);
    return n;
}

static void status_say(struct mon_call *call, const char *fsid, const struct osd_sums *o,
                       const struct mon_pg_sums *p, const json_t *states)
{
    const struct mon *mon = call->mon;
    char used[SIZE_TEXT_BYTES], total[SIZE_TEXT_BYTES];
    const char *name;
    json_t *count;

    mon_call_say(call, "cluster %s, epoch %u\n", fsid, mon->state.map->epoch.v);
    mon_call_say(call, "mons    %u of %u heard, mon.%u leads\n", mons_heard(mon),
                 mon->members.count, mon->id);
    mon_call_say(call, "osds    %u, %u up, %u in\n", o->total, o->up, o->in);
    mon_call_say(call, "space   %s of %s used\n", bytes_print(o->used_bytes, used),
                 bytes_print(o->total_bytes, total));
    mon_call_say(call, "data    %llu objects, %s in %u pools\n", (unsigned long long)p->objects,
                 bytes_print(p->bytes, used), mon->state.map->pool_count);
    mon_call_say(call, "pgs     %u, %u active+clean\n", p->total, p->clean);
    json_object_foreach((json_t *)states, name, count) if (strcmp(name, "active+clean") != 0)
        mon_call_say(call, "        %lld %s\n", (long long)json_integer_value(count), name);
}

int mon_cmd_status(struct mon_call *call)
{
    const struct mon *mon = call->mon;
    struct osd_sums o = osd_sums(mon);
    json_t *states = json_object(), *health = mon_health(mon);
    struct mon_pg_sums p;
    char fsid[37];
    int rc = states && health ? mon_pg_sums(mon, &p, states) : -ENOMEM;

    fsid_print(mon->fsid, fsid);
    if (rc == 0) {
        mon_health_print(health, &call->text, false);
        status_say(call, fsid, &o, &p, states);
        call->json = json_pack(
            "{s:s, s:I, s:O, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I}, s:{s:I, s:I, s:I}, s:I, s:I, "
            "s:I, "
            "s:{s:I, s:I, s:I, s:I, s:I, s:I, s:O}}",
            "fsid", fsid, "epoch", (json_int_t)mon->state.map->epoch.v, "health", health, "mons",
            "total", (json_int_t)mon->members.count, "heard", (json_int_t)mons_heard(mon), "leader",
            (json_int_t)mon->id, "osds", "total", (json_int_t)o.total, "up", (json_int_t)o.up, "in",
            (json_int_t)o.in, "space", "total_bytes", (json_int_t)o.total_bytes, "used_bytes",
            (json_int_t)o.used_bytes, "free_bytes",
            (json_int_t)(o.total_bytes - MIN(o.used_bytes, o.total_bytes)), "pools",
            (json_int_t)mon->state.map->pool_count, "objects", (json_int_t)p.objects, "bytes",
            (json_int_t)p.bytes, "pgs", "total", (json_int_t)p.total, "active_clean",
            (json_int_t)p.clean, "not_reported", (json_int_t)p.not_reported, "objects_degraded",
            (json_int_t)p.degraded, "objects_misplaced", (json_int_t)p.misplaced, "objects_unfound",
            (json_int_t)p.unfound, "states", states);
        rc = call->json ? 0 : -ENOMEM;
    }
    json_decref(states);
    json_decref(health);
    return rc;
}

int mon_cmd_mon_ls(struct mon_call *call)
{
    const struct mon *mon = call->mon;

    call->json = json_array();
    for (uint32_t i = 0; i < mon->members.count; i++) {
        const struct mon_member *m = &mon->members.m[i];
        bool self = m->id == mon->id, heard = self;
        json_t *one;

        for (uint32_t k = 0; k < mon->peer_count; k++)
            if (mon->peers[k].id == m->id)
                heard = mon_peer_heard(mon, &mon->peers[k]);
        one = json_pack("{s:I, s:s, s:b, s:b}", "mon", (json_int_t)m->id, "addr",
                        self ? mon->addr.s : m->addr.s, "leads", self, "heard", heard);
        if (!call->json || !one || json_array_append_new(call->json, one) < 0)
            return -ENOMEM;
        mon_call_say(call, "mon.%u %s%s\n", m->id, self ? mon->addr.s : m->addr.s,
                     self    ? " leads"
                     : heard ? ""
                             : " not heard");
    }
    return 0;
}

/* ---- PGs ---- */

static json_t *osds_json(const struct osd_set *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; list && i < s->count; i++)
        if (json_array_append_new(list, json_integer(s->osd[i].v)) < 0) {
            json_decref(list);
            list = NULL;
        }
    return list;
}

static int pg_row(struct mon_call *call, struct pgid pg)
{
    char name[32], state[128] = "not reported", version[32] = "0'0";
    const struct mon_pg *p;
    struct placement at;
    json_t *one;
    int rc = osdmap_place(call->mon->state.map, pg, &at);

    if (rc < 0)
        return rc;
    p = mon_pg_current(call->mon, pg, &at);
    if (p) {
        mon_pg_state_print(p->stat.state, state, sizeof(state));
        version_print(p->stat.last_update, version);
    }
    pgid_print(pg, name);
    one = json_pack("{s:s, s:s, s:o, s:o, s:i, s:I, s:I, s:I, s:I, s:s}", "pg", name, "state",
                    state, "up", osds_json(&at.up), "acting", osds_json(&at.acting), "primary",
                    at.primary.v, "objects", (json_int_t)(p ? p->stat.objects : 0), "bytes",
                    (json_int_t)(p ? p->stat.bytes : 0), "objects_degraded",
                    (json_int_t)(p ? p->stat.objects_degraded : 0), "objects_unfound",
                    (json_int_t)(p ? p->stat.objects_unfound : 0), "version", version);
    if (!one || json_array_append_new(call->json, one) < 0)
        return -ENOMEM;
    mon_call_say(call, "%-8s %-28s primary %d  %llu objects\n", name, state, at.primary.v,
                 (unsigned long long)(p ? p->stat.objects : 0));
    return 0;
}

int mon_cmd_pg_ls(struct mon_call *call)
{
    const struct osdmap *m = call->mon->state.map;
    const struct pool *only = NULL;
    int rc = 0;

    if (call->argc == 1) {
        only = osdmap_pool_named(m, call->argv[0]);
        if (!only)
            return mon_call_fail(call, -R_NO_POOL, "there is no pool %s", call->argv[0]);
    }
    call->json = json_array();
    if (!call->json)
        return -ENOMEM;
    for (uint32_t i = 0; i < m->pool_count; i++)
        for (uint32_t seed = 0; rc == 0 && seed < m->pools[i].pg_count; seed++)
            if (!only || only == &m->pools[i])
                rc = pg_row(call, (struct pgid){m->pools[i].id, seed});
    return rc;
}

/* ---- maps ---- */

int mon_cmd_crush_show(struct mon_call *call)
{
    crush_text_print(call->mon->state.map->crush, &call->text);
    if (call->text.rc < 0)
        return call->text.rc;
    call->json = json_pack("{s:s#}", "text", (const char *)call->text.data, call->text.len);
    return call->json ? 0 : -ENOMEM;
}

/* The map of an older epoch, built from the oldest one. */
static int map_at(const struct mon_state *s, struct epoch epoch, struct osdmap **out)
{
    struct osdmap *m = osdmap_ref(s->oldest);

    while (m->epoch.v < epoch.v) {
        const struct buf *b = mon_state_inc(s, (struct epoch){m->epoch.v + 1});
        struct cursor c = cur_over(buf_contiguous(b, 0, b->bytes), b->bytes);
        struct osdmap_inc inc;
        struct osdmap *next;
        int rc = osdmap_inc_decode(&c, &inc);

        if (rc == 0) {
            rc = osdmap_apply(m, &inc, &next);
            osdmap_inc_fini(&inc);
        }
        osdmap_unref(m);
        if (rc < 0)
            return rc;
        m = next;
    }
    *out = m;
    return 0;
}

static json_t *map_json(const struct osdmap *m)
{
    json_t *osds = json_array(), *pools = json_array(), *temps = json_array(), *all;

    for (uint32_t i = 0; osds && i < m->osd_count; i++)
        (void)json_array_append_new(
            osds, json_pack("{s:i, s:i, s:I, s:s, s:I, s:I, s:I}", "osd", (int)i, "state",
                            m->osds[i].state, "weight", (json_int_t)m->osds[i].weight, "addr",
                            m->osds[i].addr.s, "up_from", (json_int_t)m->osds[i].up_from.v,
                            "up_thru", (json_int_t)m->osds[i].up_thru.v, "down_at",
                            (json_int_t)m->osds[i].down_at.v));
    for (uint32_t i = 0; pools && i < m->pool_count; i++)
        (void)json_array_append_new(
            pools, json_pack("{s:I, s:s, s:i, s:i, s:I}", "id", (json_int_t)m->pools[i].id.v,
                             "name", m->pools[i].name, "size", m->pools[i].size, "size_min",
                             m->pools[i].size_min, "pgs", (json_int_t)m->pools[i].pg_count));
    for (uint32_t i = 0; temps && i < m->temp_count; i++) {
        char name[32];

        (void)json_array_append_new(temps,
                                    json_pack("{s:s, s:o}", "pg", pgid_print(m->temps[i].pg, name),
                                              "acting", osds_json(&m->temps[i].acting)));
    }
    all = json_pack("{s:I, s:I, s:O, s:O, s:O, s:I}", "epoch", (json_int_t)m->epoch.v, "lease_ms",
                    (json_int_t)m->lease_ms, "osds", osds, "pools", pools, "pg_temp", temps,
                    "blocked", (json_int_t)m->blocked_count);
    if (all && (json_array_size(osds) != m->osd_count || json_array_size(pools) != m->pool_count ||
                json_array_size(temps) != m->temp_count)) {
        json_decref(all); /* memory was short for a row */
        all = NULL;
    }
    json_decref(osds);
    json_decref(pools);
    json_decref(temps);
    return all;
}

int mon_cmd_map_get(struct mon_call *call)
{
    const struct mon_state *s = &call->mon->state;
    uint64_t epoch = s->map->epoch.v;
    struct osdmap *m = NULL;
    int rc = call->argc ? mon_call_number(call, 0, "the epoch", UINT32_MAX, &epoch) : 0;

    if (rc == 0 && (epoch < s->oldest->epoch.v || epoch > s->map->epoch.v))
        return mon_call_fail(call, -ENOENT, "kept are epochs %u to %u", s->oldest->epoch.v,
                             s->map->epoch.v);
    if (rc == 0)
        rc = map_at(s, (struct epoch){(uint32_t)epoch}, &m);
    if (rc < 0)
        return rc;
    call->json = map_json(m);
    mon_call_say(call, "epoch %u: %u OSD ids, %u pools, %u exceptions, %u clients fenced\n",
                 m->epoch.v, m->osd_count, m->pool_count, m->temp_count, m->blocked_count);
    osdmap_unref(m);
    return call->json ? 0 : -ENOMEM;
}
