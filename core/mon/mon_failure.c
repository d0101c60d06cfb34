/* mon_failure.c - who is believed when an OSD is said to be gone.
 *
 * A refused connection is a proof and acts at once; silence is a guess: it must have lasted for the
 * grace, and the decision waits one heartbeat longer, so that everybody's view is in.  A reporter
 * that more peers accuse than its target does not count: it is the one that is cut off. */
#include "core/mon/mon_int.h"

void mon_failure_forget(struct mon *mon, struct osd_id id)
{
    struct list *node;

    if (id.v < 0 || (uint32_t)id.v >= mon->osd_count)
        return;
    while ((node = list_pop_front(&mon->osds[id.v].accusers)))
        mem_free(LIST_ENTRY(node, struct mon_accuser, link));
}

/* The same instance boots again: it had not died. */
void mon_failure_came_back(struct mon *mon, struct osd_id id)
{
    struct mon_osd *soft = mon_osd_at(mon, id);

    if (!soft)
        return;
    mon->n.wrongly_down++;
    soft->flaps = MIN(soft->flaps + 1, MON_FLAPS_MAX);
    soft->flap_ns = mon_now(mon);
    log_warn(&mon->log, "an OSD was marked down wrongly", KV_OSD(id), KV_U64("times", soft->flaps));
}

static void flaps_forget(struct mon_osd *soft, uint64_t now)
{
    if (soft->flaps && now - soft->flap_ns >= MON_FLAP_FORGET_MS * NS_PER_MS) {
        soft->flaps--;
        soft->flap_ns = now;
    }
}

static struct mon_accuser *accuser_of(struct mon_osd *soft, struct osd_id reporter)
{
    LIST_EACH (pos, &soft->accusers) {
        struct mon_accuser *a = LIST_ENTRY(pos, struct mon_accuser, link);

        if (osd_eq(a->reporter, reporter))
            return a;
    }
    return NULL;
}

static uint32_t accusers_count(const struct mon *mon, struct osd_id id)
{
    uint32_t n = 0;

    if ((uint32_t)id.v < mon->osd_count)
        LIST_EACH (pos, &mon->osds[id.v].accusers)
            n++;
    return n;
}

/* Accusations that do not stand any more: of who is down or started anew, and old ones of silence.
 */
static void accusers_clean(struct mon *mon, struct mon_osd *soft, uint64_t now)
{
    const struct osdmap *view = mon_view(mon);

    LIST_EACH_SAFE (pos, &soft->accusers) {
        struct mon_accuser *a = LIST_ENTRY(pos, struct mon_accuser, link);

        if (osdmap_up(view, a->reporter) &&
            view->osds[a->reporter.v].instance == a->reporter_instance &&
            now - a->last_ns < MON_REPORT_FRESH_MS * NS_PER_MS)
            continue;
        list_remove(&a->link);
        mem_free(a);
    }
}

static uint32_t reporters_needed(const struct mon *mon, struct osd_id target)
{
    const struct osdmap *view = mon_view(mon);
    uint32_t others = 0;

    for (uint32_t i = 0; i < view->osd_count; i++)
        others += (int32_t)i != target.v && osdmap_up(view, (struct osd_id){(int32_t)i});
    return MIN(mon->conf.mon_osd_reporters_min, MAX(others, 1));
}

/* Weigh what is said against an OSD; true: it was marked down. */
static bool judge(struct mon *mon, struct osd_id id, struct mon_osd *soft, uint64_t now)
{
    uint64_t grace = (uint64_t)mon->conf.mon_osd_grace_ms * NS_PER_MS << soft->flaps;
    uint64_t settle = (uint64_t)mon->conf.osd_heartbeat_ms * NS_PER_MS;
    uint32_t against = accusers_count(mon, id), count = 0;
    bool refused = false;

    LIST_EACH (pos, &soft->accusers) {
        const struct mon_accuser *a = LIST_ENTRY(pos, struct mon_accuser, link);
        bool proof = a->refused && soft->flaps < 2;

        if (!proof && (now - a->since_ns < grace || now - a->first_ns < settle ||
                       accusers_count(mon, a->reporter) > against))
            continue;
        count++;
        refused = refused || proof;
    }
    if (count < reporters_needed(mon, id))
        return false;
    if (mon_osd_down(mon, id, refused ? "its port is closed" : "its peers do not hear it"))
        mon->n.marked_down++;
    return true;
}

void mon_failure_report(struct mon *mon, const struct msg_osd_failure *m)
{
    const struct osdmap *view = mon_view(mon);
    uint64_t now = mon_now(mon), silent = (uint64_t)m->silent_ms * NS_PER_MS;
    struct mon_accuser *a;
    struct mon_osd *soft;

    if (!view || !osdmap_up(view, m->reporter) || !osdmap_up(view, m->target) ||
        osd_eq(m->reporter, m->target) || view->osds[m->target.v].instance != m->target_instance)
        return;
    mon->n.reports++;
    soft = mon_osd_at(mon, (struct osd_id){MAX(m->target.v, m->reporter.v)});
    if (!soft)
        return; /* it reports again */
    soft = mon_osd_at(mon, m->target);
    a = accuser_of(soft, m->reporter);
    if (m->alive) {
        if (a) {
            list_remove(&a->link);
            mem_free(a);
        }
        return;
    }
    if (!a) {
        a = mem_zalloc(sizeof(*a));
        if (!a)
            return;
        a->first_ns = now;
        a->since_ns = now - MIN(silent, now);
        list_push_back(&soft->accusers, &a->link);
    }
    a->reporter = m->reporter;
    a->reporter_instance = view->osds[m->reporter.v].instance;
    a->refused = a->refused || m->refused;
    a->since_ns = MIN(a->since_ns, now - MIN(silent, now));
    a->last_ns = now;
    (void)judge(mon, m->target, soft, now);
}

bool mon_failure_tick(struct mon *mon)
{
    uint64_t now = mon_now(mon);
    bool waiting = false;

    if (!mon_base(mon))
        return false;
    for (uint32_t i = 0; i < mon->osd_count; i++) {
        struct osd_id id = {(int32_t)i};
        struct mon_osd *soft = &mon->osds[i];

        flaps_forget(soft, now);
        accusers_clean(mon, soft, now);
        if (list_empty(&soft->accusers))
            continue;
        if (!osdmap_up(mon_view(mon), id))
            mon_failure_forget(mon, id);
        else if (!judge(mon, id, soft, now))
            waiting = true;
    }
    return waiting;
}
