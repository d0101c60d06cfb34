/* mon_osd.c - OSDs come up, stop, ask for rows in the map, and go out.
 *
 * Everything here runs on the leader and ends as a change of the draft.  An OSD's row is judged by
 * the base (what was proposed last), since the draft is one epoch: within one epoch an OSD does not
 * go down and come up again.  Boots that must wait for an epoch wait in `boots`. */
#include "core/mon/mon_int.h"

#include <stdio.h>

#include "core/crush/crush_build.h"

enum { WEIGHT_MIN = 64 }; /* 16.16 TiB: about 1 GiB */

struct mon_osd *mon_osd_at(struct mon *mon, struct osd_id id)
{
    uint32_t count = (uint32_t)id.v + 1;
    struct mon_osd *osds;

    ASSERT(id.v >= 0);
    if (count <= mon->osd_count)
        return &mon->osds[id.v];
    osds = mem_calloc(count, sizeof(*osds));
    if (!osds)
        return NULL;
    for (uint32_t i = 0; i < count; i++) {
        list_init(&osds[i].accusers);
        if (i >= mon->osd_count)
            continue;
        osds[i] = mon->osds[i];
        list_init(&osds[i].accusers);
        list_splice(&osds[i].accusers, &mon->osds[i].accusers);
    }
    mem_free(mon->osds);
    mon->osds = osds;
    mon->osd_count = count;
    return &osds[id.v];
}

void mon_osds_free(struct mon *mon)
{
    struct list *node;

    for (uint32_t i = 0; i < mon->osd_count; i++)
        while ((node = list_pop_front(&mon->osds[i].accusers)))
            mem_free(LIST_ENTRY(node, struct mon_accuser, link));
    mem_free(TAKE(mon->osds));
    mon->osd_count = 0;
    while ((node = list_pop_front(&mon->boots)))
        msg_free(LIST_ENTRY(node, struct msg, link));
}

/* The row of an OSD that is up as this instance, else NULL. */
static const struct osd_info *up_as(const struct osdmap *m, struct osd_id id, uint64_t instance)
{
    return m && osdmap_up(m, id) && m->osds[id.v].instance == instance ? &m->osds[id.v] : NULL;
}

/* Up in the draft only. */
static void boot_undo(struct mon *mon, struct osd_id id)
{
    struct osd_info *o = &mon->draft.map->osds[id.v];

    if (osdmap_exists(mon_base(mon), id)) {
        *o = mon_base(mon)->osds[id.v];
    } else {
        o->state &= (uint8_t)~OSD_UP;
        o->down_at = mon->draft.map->epoch;
    }
}

bool mon_osd_down(struct mon *mon, struct osd_id id, const char *why)
{
    const struct osdmap *base = mon_base(mon);
    struct osdmap *m;

    if (!base)
        return false;
    if (!osdmap_up(base, id)) {
        if (mon->draft.map && osdmap_up(mon->draft.map, id)) /* it does not come up at all */
            boot_undo(mon, id);
        return false;
    }
    m = mon_draft_map(mon);
    if (!m)
        return false;
    if (m->osds[id.v].state & OSD_UP) {
        log_info(&mon->log, "marks an OSD down", KV_OSD(id), KV_STR("reason", why),
                 KV_EPOCH(m->epoch));
        m->osds[id.v].state &= (uint8_t)~OSD_UP;
        m->osds[id.v].down_at = m->epoch;
    }
    mon_failure_forget(mon, id);
    mon_draft_touched(mon);
    return true;
}

/* ---- boots ---- */

/* A CRUSH name out of what the OSD calls its host. */
static void host_name(const struct osdmap *m, const char *from, char out[64])
{
    size_t n = 0;
    int32_t id;

    for (; from[n] && n < 58; n++) {
        char ch = from[n];
        bool fine = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') ||
                    (ch >= '0' && ch <= '9') || ch == '-' || ch == '_' || ch == '.';

        out[n] = fine ? ch : '_';
    }
    out[n] = 0;
    if (n == 0)
        strcpy(out, "localhost");
    /* The name of a device, or of another kind of bucket ("default"), is no host's. */
    if (crush_item_find(m->crush, out, &id) == 0 &&
        (id >= 0 || crush_bucket(m->crush, id)->type != CRUSH_TYPE_HOST))
        strcat(out, "-host");
}

static uint32_t weight_of_bytes(uint64_t total_bytes)
{
    uint64_t weight = total_bytes >> 24; /* TiB (2^40) in 16.16 */

    return (uint32_t)MIN(MAX(weight, WEIGHT_MIN), (uint64_t)CRUSH_WEIGHT_ONE * 1000);
}

/* The device's weight where it stands, or 0. */
static uint32_t crush_weight(const struct crush_map *crush, struct osd_id id, int32_t *out_parent)
{
    const struct crush_bucket *b;

    if (crush_parent(crush, id.v, out_parent) < 0)
        return 0;
    b = crush_bucket(crush, *out_parent);
    for (uint32_t i = 0; i < b->size; i++)
        if (b->items[i] == id.v)
            return b->weights[i];
    return 0;
}

static int crush_place(struct osdmap *m, const struct msg_osd_boot *b)
{
    char host[64], class[sizeof(b->device_class)];
    int32_t parent;
    uint32_t weight = crush_weight(m->crush, b->osd, &parent);

    host_name(m, b->host, host);
    if (weight && strcmp(crush_bucket(m->crush, parent)->name.text, host) == 0)
        return 0;
    snprintf(class, sizeof(class), "%s", b->device_class);
    for (char *ch = class; *ch; ch++)
        if (!((*ch >= 'a' && *ch <= 'z') || (*ch >= '0' && *ch <= '9')))
            *ch = '_';
    return osdmap_crush_add(m, b->osd, host, class,
                            weight ? weight : weight_of_bytes(b->total_bytes));
}

static const char *boot_refusal(const struct mon *mon, const struct msg_osd_boot *b)
{
    const struct osdmap *m = mon_view(mon);

    if (b->osd.v < 0 || b->osd.v >= OSDMAP_OSDS_MAX)
        return "its id is out of range";
    if (b->newest.v > mon_base(mon)->epoch.v)
        return "it knows a newer map than the monitors: they lost something";
    if (osdmap_exists(m, b->osd) && memcmp(m->osds[b->osd.v].uuid, b->uuid, 16) != 0)
        return "its id belongs to another store";
    if (osdmap_exists(m, b->osd) && (m->osds[b->osd.v].state & OSD_HELD))
        return "an operator stopped it";
    for (uint32_t i = 0; i < m->osd_count; i++)
        if (osdmap_exists(m, (struct osd_id){(int32_t)i}) && (int32_t)i != b->osd.v &&
            memcmp(m->osds[i].uuid, b->uuid, 16) == 0)
            return "its store has another id";
    return NULL;
}

static int boot_apply(struct mon *mon, const struct msg_osd_boot *b)
{
    struct osdmap *m = mon_draft_map(mon);
    struct osd_info *o;
    bool fresh;
    int rc = m ? osdmap_osds_grow(m, (uint32_t)b->osd.v + 1) : -ENOMEM;

    if (rc == 0)
        rc = crush_place(m, b);
    if (rc < 0)
        return rc;
    o = &m->osds[b->osd.v];
    fresh = !(o->state & OSD_EXISTS);
    if (fresh) {
        *o = (struct osd_info){.weight = OSD_WEIGHT_IN};
        memcpy(o->uuid, b->uuid, sizeof(o->uuid));
    }
    if (o->state & OSD_AUTO_OUT)
        o->weight = OSD_WEIGHT_IN;
    o->state = OSD_EXISTS | OSD_UP | (o->state & OSD_FULL);
    o->addr = b->addr;
    o->instance = b->instance;
    o->up_from = m->epoch;
    log_info(&mon->log, fresh ? "a new OSD joins" : "an OSD is up", KV_OSD(b->osd),
             KV_STR("addr", b->addr.s), KV_EPOCH(m->epoch));
    return 0;
}

enum boot_end { BOOT_DONE, BOOT_WAITS };

static enum boot_end boot_run(struct mon *mon, const struct msg_osd_boot *b)
{
    const struct osdmap *base = mon_base(mon);
    const char *refusal = boot_refusal(mon, b);
    struct mon_osd *soft;
    int rc;

    if (refusal) {
        mon->n.boots_refused++;
        log_error(&mon->log, "an OSD is refused", KV_OSD(b->osd), KV_STR("reason", refusal));
        return BOOT_DONE;
    }
    soft = mon_osd_at(mon, b->osd);
    if (!soft)
        return BOOT_WAITS;
    soft->heard_ns = mon_now(mon);
    if (osdmap_up(base, b->osd)) {
        if (base->osds[b->osd.v].instance != b->instance) {
            (void)mon_osd_down(mon, b->osd, "another instance of it starts");
            return BOOT_WAITS;
        }
        /* A repeat; unless it is going down in this very epoch. */
        return mon->draft.map && !osdmap_up(mon->draft.map, b->osd) ? BOOT_WAITS : BOOT_DONE;
    }
    if (osdmap_exists(base, b->osd) && base->osds[b->osd.v].instance == b->instance &&
        base->osds[b->osd.v].down_at.v && !up_as(mon_view(mon), b->osd, b->instance))
        mon_failure_came_back(mon, b->osd);
    if (up_as(mon_view(mon), b->osd, b->instance))
        return BOOT_DONE;
    rc = boot_apply(mon, b);
    if (rc == -ENOMEM)
        return BOOT_WAITS;
    if (rc < 0) {
        mon->n.boots_refused++;
        log_error(&mon->log, "an OSD cannot be placed", KV_OSD(b->osd), KV_RC(rc));
        return BOOT_DONE;
    }
    mon->n.boots++;
    mon_draft_touched(mon);
    return BOOT_DONE;
}

void mon_osd_boot(struct mon *mon, struct msg_osd_boot *m)
{
    LIST_EACH_SAFE (pos, &mon->boots) {
        struct msg *old = LIST_ENTRY(pos, struct msg, link);

        if (MESSAGE_AS(old, osd_boot)->osd.v == m->osd.v) {
            list_remove(&old->link);
            msg_free(old);
        }
    }
    if (mon_base(mon) && boot_run(mon, m) == BOOT_DONE)
        msg_free(&m->base);
    else
        list_push_back(&mon->boots, &m->base.link);
}

void mon_boots_run(struct mon *mon)
{
    LIST_EACH_SAFE (pos, &mon->boots) {
        struct msg *m = LIST_ENTRY(pos, struct msg, link);

        list_remove(&m->link);
        if (boot_run(mon, MESSAGE_AS(m, osd_boot)) == BOOT_DONE)
            msg_free(m);
        else
            list_insert_before(pos_next, &m->link);
    }
}

/* ---- what an OSD that is up asks for ---- */

void mon_osd_stopping(struct mon *mon, const struct msg_osd_stopping *m)
{
    const struct osdmap *view = mon_view(mon);
    struct osdmap *draft;

    if (!view || !osdmap_exists(view, m->osd) || view->osds[m->osd.v].instance != m->instance)
        return;
    if ((view->osds[m->osd.v].state & OSD_UP) && !mon_osd_down(mon, m->osd, "it stops"))
        return; /* it was up in the draft only, or there is no memory: its peers will tell */
    draft = mon_draft_map(mon);
    if (!draft)
        return;
    draft->osds[m->osd.v].state |= OSD_STOPPED; /* also when its peers were faster */
    mon_draft_touched(mon);
}

void mon_osd_up_thru(struct mon *mon, const struct msg_osd_up_thru *m)
{
    const struct osdmap *base = mon_base(mon);
    struct osdmap *draft;

    if (!up_as(base, m->osd, m->instance) || !up_as(mon_view(mon), m->osd, m->instance) ||
        m->want.v > base->epoch.v || mon_view(mon)->osds[m->osd.v].up_thru.v >= m->want.v)
        return;
    draft = mon_draft_map(mon);
    if (!draft)
        return; /* it asks again */
    draft->osds[m->osd.v].up_thru = m->want;
    mon_draft_touched(mon);
}

static bool temp_fits(const struct mon *mon, const struct pg_temp *want, struct osd_id from)
{
    const struct osdmap *view = mon_view(mon);
    struct placement at;

    if (want->acting.count > OSD_SET_MAX || osdmap_place(view, want->pg, &at) < 0 ||
        (!osd_eq(at.primary, from) && !osd_eq(at.up_primary, from)))
        return false;
    for (unsigned i = 0; i < want->acting.count; i++)
        if (!osdmap_up(view, want->acting.osd[i]))
            return false;
    return true;
}

void mon_osd_pg_temp(struct mon *mon, const struct msg_osd_pg_temp *m)
{
    if (!mon_base(mon) || !osdmap_up(mon_view(mon), m->osd))
        return;
    for (uint32_t i = 0; i < m->count && mon->draft.temp_count < MON_TEMPS_MAX; i++) {
        struct osd_set acting = m->want[i].acting;
        struct osdmap *draft;
        struct placement at;

        if (!temp_fits(mon, &m->want[i], m->osd))
            continue;
        draft = mon_draft_map(mon);
        if (!draft || osdmap_place(draft, m->want[i].pg, &at) < 0)
            return; /* it asks again */
        if (osd_set_equal(&acting, &at.up))
            acting.count = 0; /* as CRUSH says: no exception needed */
        if (osdmap_temp_set(draft, m->want[i].pg, &acting) < 0)
            return;
        mon->draft.temp_count++;
    }
    mon_draft_touched(mon);
}

void mon_osd_full(struct mon *mon, struct osd_id id, bool full)
{
    const struct osdmap *view = mon_view(mon);
    struct osdmap *draft;

    if (!osdmap_up(view, id) || !(view->osds[id.v].state & OSD_FULL) == !full)
        return;
    draft = mon_draft_map(mon);
    if (!draft)
        return;
    draft->osds[id.v].state ^= OSD_FULL;
    log_warn(&mon->log, full ? "an OSD is full" : "an OSD has room again", KV_OSD(id));
    mon_draft_touched(mon);
}

/* ---- time ---- */

static uint32_t in_count(const struct osdmap *m, uint32_t *out_total)
{
    uint32_t in = 0, total = 0;

    for (uint32_t i = 0; i < m->osd_count; i++) {
        if (!(m->osds[i].state & OSD_EXISTS))
            continue;
        total++;
        in += m->osds[i].weight > 0;
    }
    *out_total = total;
    return in;
}

static void out_if_long_down(struct mon *mon, struct osd_id id, struct mon_osd *soft, uint64_t now)
{
    const struct osd_info *o = &mon_view(mon)->osds[id.v];
    struct osdmap *draft;
    uint32_t total, in;

    if ((o->state & (OSD_UP | OSD_HELD)) || !(o->state & OSD_EXISTS) || o->weight == 0) {
        soft->down_ns = 0;
        return;
    }
    if (!soft->down_ns)
        soft->down_ns = now;
    if (now - soft->down_ns < mon->conf.mon_osd_down_out_s * NS_PER_S)
        return;
    in = in_count(mon_view(mon), &total);
    if ((in - 1) * 2 < total)
        return; /* so many at once are an outage: moving their data would not help */
    draft = mon_draft_map(mon);
    if (!draft)
        return;
    draft->osds[id.v].weight = 0;
    draft->osds[id.v].state |= OSD_AUTO_OUT;
    mon->n.marked_out++;
    log_warn(&mon->log, "marks an OSD out: it was down too long", KV_OSD(id),
             KV_EPOCH(draft->epoch));
    mon_draft_touched(mon);
}

/* It was told to stop and does not: it hangs, or cannot hear us. */
static void down_if_held(struct mon *mon, struct osd_id id, struct mon_osd *soft, uint64_t now)
{
    const struct osd_info *o = &mon_view(mon)->osds[id.v];

    if ((o->state & (OSD_UP | OSD_HELD)) != (OSD_UP | OSD_HELD)) {
        soft->held_ns = 0;
        return;
    }
    if (!soft->held_ns)
        soft->held_ns = now;
    if (now - soft->held_ns >= MON_HELD_DOWN_MS * NS_PER_MS)
        (void)mon_osd_down(mon, id, "it was told to stop and does not");
}

/* Nobody may be left to report the last OSDs: they must report themselves. */
static void down_if_unheard(struct mon *mon, struct osd_id id, const struct mon_osd *soft,
                            uint64_t now)
{
    uint64_t heard = MAX(soft->heard_ns, mon->led_since_ns);

    if (osdmap_up(mon_base(mon), id) && osdmap_up(mon_view(mon), id) &&
        now - heard >= mon->conf.mon_osd_report_ms * NS_PER_MS) {
        mon->n.marked_down++;
        (void)mon_osd_down(mon, id, "it does not report");
    }
}

static void blocklist_expire(struct mon *mon)
{
    const struct osdmap *view = mon_view(mon);
    uint64_t wall = env_wall_ns(mon->env);
    struct osdmap *draft;

    for (uint32_t i = 0; i < view->blocked_count; i++) {
        if (view->blocked[i].until_wall_ns > wall)
            continue;
        draft = mon_draft_map(mon);
        if (!draft)
            return;
        (void)osdmap_block_set(draft, view->blocked[i].client, 0); /* removing cannot fail */
        mon_draft_touched(mon);
        return; /* the table moved: the next one with the next tick */
    }
}

static void history_trim(struct mon *mon)
{
    struct epoch newest = mon_state_epoch(&mon->state), oldest = mon_state_oldest(&mon->state);
    struct epoch clean;
    uint32_t upto;

    if (mon->in_flight || newest.v - oldest.v < MON_INCS_KEPT_MIN + MON_INCS_TRIM_STEP)
        return;
    clean = mon_stats_last_clean(mon);
    upto = MIN(clean.v, newest.v - MON_INCS_KEPT_MIN);
    if (upto < oldest.v + MON_INCS_TRIM_STEP)
        return;
    mon->draft.trim_to.v = upto;
    mon_draft_touched(mon);
}

void mon_osd_tick(struct mon *mon)
{
    uint64_t now = mon_now(mon);

    if (!mon_base(mon))
        return;
    for (uint32_t i = 0; i < mon_view(mon)->osd_count; i++) {
        struct osd_id id = {(int32_t)i};
        struct mon_osd *soft = mon_osd_at(mon, id);

        if (!soft)
            return;
        down_if_held(mon, id, soft, now);
        down_if_unheard(mon, id, soft, now);
        out_if_long_down(mon, id, soft, now);
    }
    blocklist_expire(mon);
    history_trim(mon);
    mon_boots_run(mon);
}
