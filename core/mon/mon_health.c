/* mon_health.c - health is counted: what is wrong, how bad, and what to do.
 *
 * Codes are stable; doc/format/mon-commands.md lists them.  A check of severity `note` leaves the
 * cluster HEALTH_OK.  OK needs every PG of every pool reported active and clean by its present
 * primary. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/size.h"
#include "core/mon/mon_command.h"

enum { CLOCK_SKEW_MS = 2000, NEARFULL_PERCENT = 85, PEERING_STUCK_S = 10, TROUBLE_S = 120 };

struct check {
    const char *code;
    enum mon_severity severity;
    char summary[160];
    const char *remedy;
    uint32_t count;
    json_t *details; /* owned: the first MON_DETAILS_MAX */
};

struct checks {
    const struct mon *mon;
    uint32_t count;
    struct check c[MON_CHECKS_MAX];
    int rc;
};

static struct check *check_of(struct checks *cs, const char *code, enum mon_severity severity,
                              const char *remedy)
{
    struct check *c;

    for (uint32_t i = 0; i < cs->count; i++)
        if (strcmp(cs->c[i].code, code) == 0)
            return &cs->c[i];
    ASSERT(cs->count < MON_CHECKS_MAX);
    c = &cs->c[cs->count++];
    *c = (struct check){
        .code = code, .severity = severity, .remedy = remedy, .details = json_array()};
    if (!c->details)
        cs->rc = -ENOMEM;
    return c;
}

static void detail(struct checks *cs, struct check *c, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void detail(struct checks *cs, struct check *c, const char *fmt, ...)
{
    char line[200];
    va_list args;

    c->count++;
    if (c->count > MON_DETAILS_MAX)
        return;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof(line), fmt, args); /* cut when too long */
    va_end(args);
    if (json_array_append_new(c->details, json_string(line)) < 0)
        cs->rc = -ENOMEM;
}

#define SUMMARY(c, ...) ((void)snprintf((c)->summary, sizeof((c)->summary), __VA_ARGS__))

/* ---- OSDs ---- */

static void osd_space(struct checks *cs, uint32_t id, const struct osd_info *o,
                      const struct mon_osd *soft)
{
    char used[SIZE_TEXT_BYTES], total[SIZE_TEXT_BYTES];
    struct check *c;

    if (o->state & OSD_FULL) {
        c = check_of(cs, "OSD_FULL", MON_ERROR,
                     "add OSDs, or delete data: deleting works while full");
        detail(cs, c, "osd.%u has no room left beside its reserve", id);
        SUMMARY(c, "%u OSDs refuse writes for want of space", c->count);
    } else if (soft && soft->instance == o->instance && soft->total_bytes &&
               soft->used_bytes / (soft->total_bytes / 100 + 1) >= NEARFULL_PERCENT) {
        c = check_of(cs, "OSD_NEARFULL", MON_WARN,
                     "add OSDs, or delete data, before they are full");
        detail(cs, c, "osd.%u has used %s of %s", id, bytes_print(soft->used_bytes, used),
               bytes_print(soft->total_bytes, total));
        SUMMARY(c, "%u OSDs are nearly full", c->count);
    }
}

static void osd_corruption(struct checks *cs, uint32_t id, const struct mon_osd *soft)
{
    struct check *c;

    if (!soft || !soft->corrupt_found)
        return;
    if (soft->corrupt_found > soft->corrupt_repaired) {
        c = check_of(cs, "CORRUPTION", MON_ERROR,
                     "see the OSD's log; replace the disk: copies elsewhere are used meanwhile");
        detail(cs, c, "osd.%u: %llu damaged, %llu repaired", id,
               (unsigned long long)soft->corrupt_found, (unsigned long long)soft->corrupt_repaired);
        SUMMARY(c, "%u OSDs found damaged data that is not repaired", c->count);
        return;
    }
    c = check_of(cs, "CORRUPTION_REPAIRED", MON_WARN, "watch this disk: it has damaged data");
    detail(cs, c, "osd.%u: %llu damaged and repaired since it started", id,
           (unsigned long long)soft->corrupt_found);
    SUMMARY(c, "%u OSDs found damaged data and repaired it", c->count);
}

/* Not what was said long ago: whoever tried to start it tries no more. */
static void osd_trouble(struct checks *cs, uint32_t id, const struct mon_osd *soft)
{
    struct check *c;

    if (!soft || !soft->trouble_ns ||
        mon_now(cs->mon) - soft->trouble_ns >= (uint64_t)TROUBLE_S * NS_PER_S)
        return;
    c = check_of(cs, "OSD_TROUBLE", MON_ERROR,
                 "mend what it names; or replace its store: `osd out N`, wait until no PG is "
                 "degraded, `osd rm N`, then make it anew");
    detail(cs, c, "osd.%u does not start: %s", id, soft->trouble);
    SUMMARY(c, "%u OSDs cannot start", c->count);
}

static void osd_check_one(struct checks *cs, uint32_t id, const struct osd_info *o)
{
    const struct mon_osd *soft = id < cs->mon->osd_count ? &cs->mon->osds[id] : NULL;
    struct check *c;

    if (!(o->state & OSD_UP)) {
        c = check_of(cs, "OSD_DOWN", MON_WARN,
                     "start it; or `osd out N`, wait for HEALTH_OK, then `osd rm N`");
        detail(cs, c, "osd.%u is down since epoch %u%s", id, o->down_at.v,
               o->state & OSD_HELD ? ", stopped by an operator: `osd start` lets it up" : "");
        SUMMARY(c, "%u OSDs are down", c->count);
        osd_trouble(cs, id, soft);
    } else {
        osd_space(cs, id, o, soft);
        osd_corruption(cs, id, soft);
    }
    if (o->weight == 0) {
        c = check_of(cs, "OSD_OUT", MON_NOTE, "`osd in N` lets it take data again");
        detail(cs, c, "osd.%u is out%s", id,
               o->state & OSD_AUTO_OUT ? ": it was down too long" : "");
        SUMMARY(c, "%u OSDs are out", c->count);
    }
}

static void osds_check(struct checks *cs)
{
    const struct osdmap *m = cs->mon->state.map;
    uint32_t in = 0;

    for (uint32_t i = 0; i < m->osd_count; i++) {
        if (!(m->osds[i].state & OSD_EXISTS))
            continue;
        in += m->osds[i].weight > 0;
        osd_check_one(cs, i, &m->osds[i]);
    }
    for (uint32_t i = 0; i < m->pool_count; i++) {
        struct check *c;

        if (m->pools[i].size > in) {
            c = check_of(cs, "POOL_FEW_OSDS", MON_WARN, "add OSDs, or `pool set NAME size N`");
            detail(cs, c, "pool %s wants %u copies, %u OSDs are in", m->pools[i].name,
                   m->pools[i].size, in);
            SUMMARY(c, "%u pools want more copies than there are OSDs", c->count);
        }
        if (m->pools[i].size < 2) {
            c = check_of(cs, "POOL_NO_COPIES", MON_WARN, "add OSDs, then `pool set NAME size 3`");
            detail(cs, c, "pool %s keeps one copy: losing its OSD loses data", m->pools[i].name);
            SUMMARY(c, "%u pools keep a single copy", c->count);
        }
    }
}

/* ---- PGs ---- */

static void pg_stuck(struct checks *cs, const char *pg, const struct mon_pg *p)
{
    struct check *c;

    if (p->stat.state & PG_S_DOWN) {
        c = check_of(cs, "PG_DOWN", MON_ERROR,
                     "start the OSDs that had it; if they are gone for ever: `osd lost N`");
        detail(cs, c, "pg %s waits for an OSD that may have newer data", pg);
        SUMMARY(c, "%u PGs wait for OSDs that are down", c->count);
    } else if (p->stat.state & PG_S_INCOMPLETE) {
        c = check_of(cs, "PG_INCOMPLETE", MON_ERROR, "start the OSDs that had it");
        detail(cs, c, "pg %s has no complete copy up", pg);
        SUMMARY(c, "%u PGs have no complete copy", c->count);
    } else if (p->peering_since_ns &&
               mon_now(cs->mon) - p->peering_since_ns >= PEERING_STUCK_S * NS_PER_S) {
        c = check_of(cs, "PG_PEERING", MON_WARN,
                     "see the log of its primary for what it waits for");
        detail(cs, c, "pg %s peers for %llu s", pg,
               (unsigned long long)((mon_now(cs->mon) - p->peering_since_ns) / NS_PER_S));
        SUMMARY(c, "%u PGs do not come to an agreement", c->count);
    } else if (!(p->stat.state & PG_S_ACTIVE)) {
        c = check_of(cs, "PG_NOT_ACTIVE", MON_WARN, "wait: it should be served within seconds");
        detail(cs, c, "pg %s is not served yet", pg);
        SUMMARY(c, "%u PGs are not served yet", c->count);
    }
}

static void pg_copies(struct checks *cs, const char *pg, const struct mon_pg *p)
{
    struct check *c;
    char state[128];

    if (p->stat.objects_unfound) {
        c = check_of(cs, "OBJECT_UNFOUND", MON_ERROR,
                     "start the OSDs that had them; if they are gone for ever: `osd lost N`");
        detail(cs, c, "pg %s lacks %llu objects", pg, (unsigned long long)p->stat.objects_unfound);
        SUMMARY(c, "%u PGs know of objects that no OSD which is up has", c->count);
    }
    if (p->stat.state & PG_S_UNDERSIZED) {
        c = check_of(cs, "PG_UNDERSIZED", MON_WARN, "start or add OSDs");
        detail(cs, c, "pg %s is on %u OSDs", pg, p->stat.acting.count);
        SUMMARY(c, "%u PGs have fewer OSDs than copies", c->count);
    }
    if ((p->stat.state & PG_S_DEGRADED) || p->stat.objects_degraded) {
        c = check_of(cs, "PG_DEGRADED", MON_WARN, "wait for recovery; start OSDs that are down");
        if (p->stat.objects_degraded)
            detail(cs, c, "pg %s: %llu copies are missing", pg,
                   (unsigned long long)p->stat.objects_degraded);
        else
            detail(cs, c, "pg %s lacks a whole copy", pg);
        SUMMARY(c, "%u PGs lack copies", c->count);
    } else if (!(p->stat.state & PG_S_CLEAN) && (p->stat.state & PG_S_ACTIVE)) {
        c = check_of(cs, "PG_NOT_CLEAN", MON_WARN, "wait: copies move to where they belong");
        detail(cs, c, "pg %s is %s", pg, mon_pg_state_print(p->stat.state, state, sizeof(state)));
        SUMMARY(c, "%u PGs are served but not clean", c->count);
    }
}

static void pg_check(struct checks *cs, struct pgid pg, const struct placement *at)
{
    const struct mon_pg *p = mon_pg_current(cs->mon, pg, at);
    struct check *c;
    char name[32];

    pgid_print(pg, name);
    if (at->primary.v < 0) {
        c = check_of(cs, "PG_DOWN", MON_ERROR,
                     "start the OSDs that had it; if they are gone for ever: `osd lost N`");
        detail(cs, c, "pg %s has no OSD that is up", name);
        SUMMARY(c, "%u PGs wait for OSDs that are down", c->count);
    } else if (!p) {
        c = check_of(cs, "PG_NOT_REPORTED", MON_WARN, "wait: primaries report every few seconds");
        detail(cs, c, "pg %s was not reported by osd.%d yet", name, at->primary.v);
        SUMMARY(c, "%u PGs are not known to be healthy", c->count);
    } else {
        pg_stuck(cs, name, p);
        pg_copies(cs, name, p);
    }
}

static void pgs_check(struct checks *cs)
{
    const struct osdmap *m = cs->mon->state.map;

    for (uint32_t i = 0; i < m->pool_count; i++)
        for (uint32_t seed = 0; seed < m->pools[i].pg_count; seed++) {
            struct pgid pg = {m->pools[i].id, seed};
            struct placement at;
            int rc = osdmap_place(m, pg, &at);

            if (rc < 0)
                cs->rc = rc;
            else
                pg_check(cs, pg, &at);
        }
}

int mon_pg_sums(const struct mon *mon, struct mon_pg_sums *out_sums, json_t *states)
{
    const struct osdmap *m = mon->state.map;
    struct mon_pg_sums sums = {0};

    for (uint32_t i = 0; i < m->pool_count; i++)
        for (uint32_t seed = 0; seed < m->pools[i].pg_count; seed++) {
            struct pgid pg = {m->pools[i].id, seed};
            const struct mon_pg *p;
            char name[128] = "not reported";
            struct placement at;
            int rc = osdmap_place(m, pg, &at);

            if (rc < 0)
                return rc;
            p = mon_pg_current(mon, pg, &at);
            sums.total++;
            sums.not_reported += !p;
            if (p) {
                mon_pg_state_print(p->stat.state, name, sizeof(name));
                sums.clean += p->stat.state == (PG_S_ACTIVE | PG_S_CLEAN);
                sums.objects += p->stat.objects;
                sums.bytes += p->stat.bytes;
                sums.degraded += p->stat.objects_degraded;
                sums.misplaced += p->stat.objects_misplaced;
                sums.unfound += p->stat.objects_unfound;
            }
            if (states &&
                json_object_set_new(
                    states, name,
                    json_integer(json_integer_value(json_object_get(states, name)) + 1)) < 0)
                return -ENOMEM;
        }
    *out_sums = sums;
    return 0;
}

/* ---- monitors, and the whole ---- */

/* Fences and times of objects are by the monitors' and OSDs' clocks. */
static void clock_check(struct checks *cs, const struct mon_peer *p)
{
    int64_t ms = mon_peer_skew_ns(cs->mon, p) / (int64_t)NS_PER_MS;
    struct check *c;

    if (llabs(ms) <= CLOCK_SKEW_MS)
        return;
    c = check_of(cs, "CLOCK_SKEW", MON_WARN,
                 "let chrony or ntpd set the clocks of the monitors' hosts");
    detail(cs, c, "the clock of mon.%u is %lld ms %s that of mon.%u", p->id, llabs(ms),
           ms > 0 ? "behind" : "ahead of", cs->mon->id);
    SUMMARY(c, "%u monitors' clocks differ by more than %u ms from the leader's", c->count,
            CLOCK_SKEW_MS);
}

static void mons_check(struct checks *cs)
{
    for (uint32_t i = 0; i < cs->mon->peer_count; i++) {
        const struct mon_peer *p = &cs->mon->peers[i];
        struct check *c;

        if (mon_peer_heard(cs->mon, p)) {
            clock_check(cs, p);
            continue;
        }
        c = check_of(cs, "MON_DOWN", MON_WARN, "start it: a majority is needed for any change");
        detail(cs, c, "mon.%u at %s is not heard", p->id, p->addr.s);
        SUMMARY(c, "%u of %u monitors are not heard", c->count, cs->mon->peer_count + 1);
    }
}

static const char *const severities[] = {"note", "warn", "error"};

static json_t *checks_json(struct checks *cs)
{
    static const char *const status[] = {"HEALTH_OK", "HEALTH_WARN", "HEALTH_ERROR"};
    enum mon_severity worst = MON_NOTE;
    json_t *list = json_array(), *all;

    for (uint32_t i = 0; i < cs->count; i++) {
        struct check *c = &cs->c[i];
        json_t *one = json_pack("{s:s, s:s, s:s, s:s, s:I, s:O}", "code", c->code, "severity",
                                severities[c->severity], "summary", c->summary, "remedy", c->remedy,
                                "count", (json_int_t)c->count, "detail", c->details);

        worst = MAX(worst, c->severity);
        if (!list || !one || json_array_append_new(list, one) < 0)
            cs->rc = -ENOMEM;
    }
    all = json_object();
    if (!all || json_object_set_new(all, "status", json_string(status[worst])) < 0 ||
        json_object_set(all, "checks", list) < 0)
        cs->rc = -ENOMEM;
    json_decref(list);
    if (cs->rc < 0) {
        json_decref(all);
        all = NULL;
    }
    return all;
}

json_t *mon_health(const struct mon *mon)
{
    struct checks *cs = mem_zalloc(sizeof(*cs));
    json_t *all;

    if (!cs)
        return NULL;
    cs->mon = mon;
    mons_check(cs);
    osds_check(cs);
    pgs_check(cs);
    all = checks_json(cs);
    for (uint32_t i = 0; i < cs->count; i++)
        json_decref(cs->c[i].details);
    mem_free(cs);
    return all;
}

static void line(struct writer *w, const char *indent, const char *a, const char *b, const char *c)
{
    wr_raw(w, indent, strlen(indent));
    wr_raw(w, a, strlen(a));
    wr_raw(w, b, strlen(b));
    wr_raw(w, c, strlen(c));
    wr_u8(w, '\n');
}

static const char *field(const json_t *check, const char *name)
{
    const char *s = json_string_value(json_object_get(check, name));

    return s ? s : "";
}

void mon_health_print(const json_t *health, struct writer *text, bool details)
{
    const json_t *list = json_object_get(health, "checks");

    line(text, "", field(health, "status"), "", "");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *check = json_array_get(list, i), *ds = json_object_get(check, "detail");
        json_int_t count;
        char more[32];

        line(text, "  ", field(check, "code"), ": ", field(check, "summary"));
        if (!details)
            continue;
        for (size_t k = 0; k < json_array_size(ds); k++)
            line(text, "      ", json_string_value(json_array_get(ds, k)), "", "");
        count = json_integer_value(json_object_get(check, "count"));
        (void)snprintf(more, sizeof(more), "%lld",
                       (long long)count - (long long)json_array_size(ds));
        if (count > (json_int_t)json_array_size(ds))
            line(text, "      and ", more, " more", "");
        line(text, "    to do: ", field(check, "remedy"), "", "");
    }
}
