/* osd_report.c - what an OSD tells about itself: statistics to the monitors, status, metrics. */
#include "core/base/json.h"
#include "core/osd/pg.h"

#include <stdio.h>

/* At least so long after the last ones: when they are void; when they changed; always. */
enum { STATS_VOID_MS = 100, STATS_CHANGED_MS = 1000, STATS_EVERY_MS = 5000, STATE_TEXT_MAX = 160 };

/* ---- states ---- */

static bool recovering(const struct pg *pg)
{
    const struct peering *p = &pg->peering;

    if (pg->copy.missing.count)
        return true;
    for (uint32_t i = 0; i < p->peer_count; i++)
        if ((p->peer[i]->acting || p->peer[i]->target) && p->peer[i]->missing.count)
            return true;
    return false;
}

static bool filling(const struct pg *pg)
{
    const struct peering *p = &pg->peering;

    for (uint32_t i = 0; i < p->peer_count; i++)
        if (p->peer[i]->target && !p->peer[i]->info.complete)
            return true;
    return false;
}

uint32_t pg_state_bits(const struct pg *pg)
{
    const struct peering *p = &pg->peering;
    const struct pool *pool = osdmap_pool(pg->o->map, pg->id.pool);
    uint32_t bits = 0;

    if (pg->phase != PG_LIVE || !p->primary)
        return PG_S_PEERING;
    switch (p->state) {
    case PEERING_DOWN:
        bits = PG_S_DOWN | PG_S_PEERING;
        break;
    case PEERING_INCOMPLETE:
        bits = PG_S_INCOMPLETE | PG_S_PEERING;
        break;
    case PEERING_ACTIVE:
        bits = PG_S_ACTIVE;
        break;
    case PEERING_PEERED:
        bits = PG_S_WAIT;
        break;
    default:
        bits = PG_S_PEERING;
        break;
    }
    if (pool && p->at.acting.count < pool->size)
        bits |= PG_S_UNDERSIZED | PG_S_DEGRADED;
    if (!osd_set_equal(&p->at.up, &p->at.acting))
        bits |= PG_S_REMAPPED;
    if (bits & (PG_S_ACTIVE | PG_S_WAIT)) {
        bits |= recovering(pg) ? PG_S_RECOVERING | PG_S_DEGRADED : 0;
        bits |= filling(pg) ? PG_S_BACKFILLING | PG_S_DEGRADED : 0;
    }
    if (p->clean && (bits & PG_S_ACTIVE))
        bits |= PG_S_CLEAN;
    return bits;
}

static void state_text(uint32_t bits, char *out)
{
    static const char *const names[] = {"peering",    "active",     "clean",       "degraded",
                                        "undersized", "recovering", "backfilling", "down",
                                        "incomplete", "remapped",   "wait",        "creating"};
    size_t at = 0;

    out[0] = 0;
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (bits & (1u << i))
            at += (size_t)snprintf(out + at, STATE_TEXT_MAX - at, "%s%s", at ? "+" : "", names[i]);
}

/* ---- statistics for the monitors ---- */

static void stat_fill(const struct pg *pg, struct pg_stat *s)
{
    const struct peering *p = &pg->peering;

    s->pg = pg->id;
    s->epoch = pg->o->map->epoch;
    s->state = pg_state_bits(pg);
    s->last_update = pg->copy.log.head;
    s->objects = pg->objects;
    s->bytes = pg->bytes;
    s->objects_degraded = pg->copy.missing.count;
    for (uint32_t i = 0; i < p->peer_count; i++)
        if (p->peer[i]->acting || p->peer[i]->target)
            s->objects_degraded += p->peer[i]->missing.count;
    s->objects_unfound = pg->failed_copies;
    s->last_clean = pg->copy.info.last_clean;
    s->up = pg->at.up;
    s->acting = pg->at.acting;
}

static bool leads(const struct pg *pg)
{
    return osd_eq(pg->at.primary, pg->o->id) && !pg->pool_gone;
}

static bool changed(const struct pg *pg)
{
    return pg->stat_state != pg_state_bits(pg) || pg->stat_objects != pg->objects ||
           pg->stat_bytes != pg->bytes;
}

void osd_stats_send(struct osd *o)
{
    uint64_t now_ns = env_now_ns(o->env), since = now_ns - o->mon.stats_ns;
    struct msg_osd_stats *m;
    struct store_space space;
    uint32_t n = 0;
    bool news;

    if (!o->mon.session || o->state != ROLE_ACTIVE ||
        since < (o->mon.stats_void ? STATS_VOID_MS : STATS_CHANGED_MS) * NS_PER_MS)
        return;
    osd_salvage_watch(o);
    news = o->mon.stats_changed || o->mon.stats_void;
    LIST_EACH (at, &o->pg_list) {
        const struct pg *pg = LIST_ENTRY(at, struct pg, link);

        repair_tick(LIST_ENTRY(at, struct pg, link));
        n += leads(pg);
        news = news || (leads(pg) && changed(pg));
    }
    if (!news && since < STATS_EVERY_MS * NS_PER_MS)
        return;
    m = MESSAGE_NEW(osd_stats);
    if (m && n)
        m->pgs = mem_calloc(MIN(n, (uint32_t)OSD_REPORT_PGS_MAX), sizeof(*m->pgs));
    if (!m || (n && !m->pgs)) {
        msg_free(m ? &m->base : NULL);
        return; /* next time */
    }
    store_space(o->store, &space);
    m->osd = o->id;
    m->instance = o->instance;
    m->total_bytes = space.total_bytes;
    m->used_bytes = space.used_bytes;
    m->objects = space.objects;
    m->full = space.fill != STORE_ROOM;
    m->corrupt_found = o->n.corrupt_found;
    m->corrupt_repaired = o->n.corrupt_repaired;
    LIST_EACH (at, &o->pg_list) {
        struct pg *pg = LIST_ENTRY(at, struct pg, link);

        if (!leads(pg) || m->count == OSD_REPORT_PGS_MAX)
            continue;
        stat_fill(pg, &m->pgs[m->count++]);
        pg->stat_state = pg_state_bits(pg);
        pg->stat_objects = pg->objects;
        pg->stat_bytes = pg->bytes;
    }
    o->mon.stats_ns = now_ns;
    o->mon.stats_changed = o->mon.stats_void = false;
    osd_mon_send(o, &m->base);
}

void osd_report(struct osd *o)
{
    o->mon.stats_ns -= MIN(o->mon.stats_ns, STATS_CHANGED_MS * NS_PER_MS);
    osd_stats_send(o);
}

/* ---- status ---- */

static json_t *set_json(const struct osd_set *s)
{
    json_t *a = json_array();

    for (unsigned i = 0; i < s->count; i++)
        (void)json_array_append_new(a, json_integer(s->osd[i].v)); /* a NULL fails the whole */
    return a;
}

static json_t *pg_json(const struct pg *pg)
{
    char id[32], version[32], state[STATE_TEXT_MAX];

    state_text(pg->o->map ? pg_state_bits(pg) : 0, state);
    return json_pack("{s:s, s:s, s:s, s:b, s:i, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "pg",
                     pgid_print(pg->id, id), "state", state, "peering",
                     peering_state_name(pg->peering.state), "primary", pg->peering.primary,
                     "interval", (int)pg_since(pg).v, "last_update",
                     version_print(pg->copy.log.head, version), "objects", (json_int_t)pg->objects,
                     "bytes", (json_int_t)pg->bytes, "missing", (json_int_t)pg->copy.missing.count,
                     "log", (json_int_t)pg_log_count(&pg->copy.log), "up", set_json(&pg->at.up),
                     "acting", set_json(&pg->at.acting));
}

char *osd_status(const struct osd *o)
{
    json_t *pgs = json_array(), *root;
    size_t bytes;
    char *text;

    LIST_EACH (at, &o->pg_list)
        (void)json_array_append_new(pgs, pg_json(LIST_ENTRY(at, struct pg, link)));
    root = json_pack("{s:i, s:i, s:b, s:o}", "osd", o->id.v, "epoch", (int)osd_epoch(o).v, "up",
                     o->state == ROLE_ACTIVE, "pgs", pgs);
    if (!root)
        return NULL;
    bytes = json_dumpb(root, NULL, 0, JSON_COMPACT);
    text = mem_alloc(bytes + 1);
    if (text)
        text[json_dumpb(root, text, bytes, JSON_COMPACT)] = 0;
    json_decref(root);
    return text;
}

bool osd_clean(const struct osd *o)
{
    if (o->state != ROLE_ACTIVE || !o->map)
        return false;
    LIST_EACH (at, &o->pg_list) {
        const struct pg *pg = LIST_ENTRY(at, struct pg, link);
        const struct pool *pool = osdmap_pool(o->map, pg->id.pool);
        uint32_t bits = pg_state_bits(pg);

        if (!leads(pg))
            continue;
        if (!(bits & PG_S_ACTIVE) || (bits & (PG_S_RECOVERING | PG_S_BACKFILLING)))
            return false;
        if (!(bits & PG_S_CLEAN) && pool && pg->at.up.count >= pool->size)
            return false;
    }
    return true;
}

/* ---- metrics ---- */

void osd_op_latency(struct osd *o, bool write, uint64_t ns)
{
    struct osd_metrics *m = o->metrics;

    counter_add(write ? &m->writes : &m->reads, 1);
    histogram_add(write ? &m->write : &m->read, ns);
}

int osd_metrics(struct osd *o, struct metric_set *set)
{
    struct osd_metrics *m = o->metrics;
    int rc = metric_add_counter(set, "osd_reads_total", "Reads answered", NULL, &m->reads);

    if (rc == 0)
        rc = metric_add_counter(set, "osd_writes_total", "Writes answered", NULL, &m->writes);
    if (rc == 0)
        rc =
            metric_add_histogram(set, "osd_read_seconds", "From arrival to answer", NULL, &m->read);
    if (rc == 0)
        rc = metric_add_histogram(set, "osd_write_seconds", "From arrival to answer", NULL,
                                  &m->write);
    if (rc == 0)
        rc = store_metrics(o->store, set);
    return rc == 0 ? msgr_metrics(o->msgr, set) : rc;
}

/* ---- invariants ---- */

static void members_check(const struct pg *pg)
{
    struct version seen = pg->committed_to;

    ASSERT(version_le(pg->committed_to, pg->copy.log.head));
    LIST_EACH (at, &pg->reps) {
        const struct rep *rep = LIST_ENTRY(at, struct rep, link);

        ASSERT(version_lt(seen, rep->version));
        seen = rep->version;
    }
    if (PLANTED(PLANT_EARLY_ACK))
        return;
    for (uint32_t i = 0; i < pg->member_count; i++)
        ASSERT(pg->member[i].target || version_le(pg->committed_to, pg->member[i].durable));
    ASSERT(version_le(pg->committed_to, pg->durable));
}

void pg_check(struct pg *pg, bool deep)
{
    ASSERT(pg->durable_seq <= pg->sub_seq);
    ASSERT(pg_sub_ready(pg) || pg->durable_seq < pg->sub_seq);
    if (pg->phase == PG_LIVE)
        peering_check(&pg->peering);
    if (pg->leading)
        members_check(pg);
    ASSERT(pg->leading || (list_empty(&pg->reps) && list_empty(&pg->lagging)));
    pg_log_check(&pg->copy.log, deep);
    if (deep)
        pg_copy_check(&pg->copy, true);
}

void osd_check(struct osd *o)
{
    while (!list_empty(&o->check_list)) {
        struct pg *pg = LIST_FIRST(&o->check_list, struct pg, check_link);

        list_remove(&pg->check_link);
        pg_check(pg, false);
    }
    if (list_empty(&o->pg_list) || ++o->checks % 64)
        return;
    if (!o->check_next)
        o->check_next = LIST_FIRST(&o->pg_list, struct pg, link);
    pg_check(o->check_next, true);
    o->check_next = o->check_next->link.next == &o->pg_list
                        ? NULL
                        : LIST_ENTRY(o->check_next->link.next, struct pg, link);
}
