/* osd_session.c - the session with a monitor: maps come in on it, reports and wishes go out.
 *
 * One monitor at a time; when its session ends the next is tried.  Nothing here waits for an
 * answer: what we want (to be up, an up_thru, an acting set) is a wish that is repeated once a
 * second, and at once on a new session, until the map shows it. */
#include "core/osd/pg.h"

#include <stdio.h>
#include <stdlib.h>

enum { WISH_EVERY_MS = 1000, SECOND_MS = 500 };

/* ---- which monitors ---- */

/* "0=127.0.0.1:6789, 1=..." */
int osd_session_init(struct osd *o, struct note *why)
{
    char *text = mem_strdup(o->conf.cluster_mons.s), *save = NULL;
    int rc = text ? 0 : -ENOMEM;

    for (char *t = text ? strtok_r(text, ", ", &save) : NULL; rc == 0 && t;
         t = strtok_r(NULL, ", ", &save)) {
        struct mon_link *l = &o->mon;
        char *eq = strchr(t, '=');

        if (!eq || l->count == OSD_MONS_MAX || net_addr_parse(eq + 1, &l->addr[l->count]) < 0) {
            note_set(why, "cluster.mons: \"%s\" is not id=ADDR:PORT", t);
            rc = -EINVAL;
            break;
        }
        l->id[l->count++] = strtoull(t, NULL, 10);
    }
    if (rc == 0 && o->mon.count == 0) {
        note_set(why, "cluster.mons names no monitor");
        rc = -EINVAL;
    }
    mem_free(text);
    o->mon.at = o->mon.count ? (uint32_t)o->id.v % o->mon.count : 0;
    return rc;
}

void osd_session_fini(struct osd *o)
{
    if (!o->mon.session)
        return;
    session_close(o->mon.session);
    session_unref(TAKE(o->mon.session));
}

static void open_session(struct osd *o)
{
    struct mon_link *l = &o->mon;
    struct session_conf conf = {.addr = l->addr[l->at],
                                .expect = {.role = ENTITY_MON, .id = l->id[l->at]},
                                .fast_fail = true};

    if (session_open(o->msgr, &conf, &l->session) < 0)
        return; /* at the next second */
    l->asked_ns = l->boot_ns = l->up_thru_ns = l->temp_ns = l->stats_ns = 0;
    l->stats_changed = true;
    osd_maps_request(o);
    osd_wish(o);
}

bool osd_session_reset(struct osd *o, struct session *s)
{
    if (s != o->mon.session)
        return false;
    session_unref(TAKE(o->mon.session));
    o->mon.at = (o->mon.at + 1) % o->mon.count;
    return true; /* opened again by the next tick: a dead monitor is not asked in a tight loop */
}

void osd_mon_send(struct osd *o, struct msg *m)
{
    if (o->mon.session && m)
        session_send(o->mon.session, m);
    else
        msg_free(m);
}

/* ---- wishes ---- */

static bool due(uint64_t *sent_ns, uint64_t now_ns)
{
    if (*sent_ns && now_ns - *sent_ns < WISH_EVERY_MS * NS_PER_MS)
        return false;
    *sent_ns = now_ns;
    return true;
}

static void wish_boot(struct osd *o, uint64_t now_ns)
{
    struct msg_osd_boot *m;
    struct store_space space;

    if (o->state != ROLE_BOOTING || !o->map || o->mon.newest.v == 0 ||
        o->map->epoch.v < o->mon.newest.v)
        return; /* what an older map says of us does not count */
    if (osdmap_exists(o->map, o->id) && (o->map->osds[o->id.v].state & OSD_HELD)) {
        osd_held(o);
        return;
    }
    if (!due(&o->mon.boot_ns, now_ns))
        return;
    m = MESSAGE_NEW(osd_boot);
    if (!m)
        return;
    store_space(o->store, &space);
    m->osd = o->id;
    memcpy(m->uuid, o->uuid, sizeof(m->uuid));
    m->instance = o->instance;
    m->addr = o->addr;
    m->newest = o->map->epoch;
    m->total_bytes = space.total_bytes;
    memcpy(m->host, o->host, sizeof(m->host));
    memcpy(m->device_class, o->device_class, sizeof(m->device_class));
    osd_mon_send(o, &m->base);
}

static void wish_up_thru(struct osd *o, uint64_t now_ns)
{
    struct epoch want = {0};
    const struct osd_info *info = osd_info_of(o, o->id);
    struct msg_osd_up_thru *m;

    LIST_EACH (at, &o->pg_list) {
        const struct pg *pg = LIST_ENTRY(at, struct pg, link);

        if (pg->up_thru_wish.v > want.v)
            want = pg->up_thru_wish;
    }
    if (!info || info->up_thru.v >= want.v)
        return;
    if (want.v <= o->mon.up_thru_asked.v && !due(&o->mon.up_thru_ns, now_ns))
        return;
    o->mon.up_thru_ns = now_ns;
    o->mon.up_thru_asked = want;
    m = MESSAGE_NEW(osd_up_thru);
    if (!m)
        return;
    m->osd = o->id;
    m->instance = o->instance;
    m->want = want;
    osd_mon_send(o, &m->base);
}

/* What pg_temp the map has for it: empty when none. */
static struct osd_set temp_of(const struct osdmap *map, struct pgid id)
{
    for (uint32_t i = 0; i < map->temp_count; i++)
        if (pgid_eq(map->temps[i].pg, id))
            return map->temps[i].acting;
    return (struct osd_set){.count = 0};
}

static bool temp_wanted(const struct osd *o, const struct pg *pg)
{
    struct osd_set have;

    if (!pg->temp_wished)
        return false;
    have = temp_of(o->map, pg->id);
    return !osd_set_equal(&have, &pg->temp_wish);
}

static void wish_temp(struct osd *o, uint64_t now_ns)
{
    uint32_t n = 0, fresh = 0;
    struct msg_osd_pg_temp *m;

    LIST_EACH (at, &o->pg_list) {
        const struct pg *pg = LIST_ENTRY(at, struct pg, link);

        n += temp_wanted(o, pg);
        fresh += temp_wanted(o, pg) && !pg->temp_said;
    }
    if (n == 0 || (!fresh && !due(&o->mon.temp_ns, now_ns)))
        return;
    o->mon.temp_ns = now_ns;
    n = MIN(n, (uint32_t)OSD_REPORT_PGS_MAX);
    m = MESSAGE_NEW(osd_pg_temp);
    if (m)
        m->want = mem_calloc(n, sizeof(*m->want));
    if (!m || !m->want) {
        msg_free(m ? &m->base : NULL);
        return;
    }
    m->osd = o->id;
    m->epoch = o->map->epoch;
    LIST_EACH (at, &o->pg_list) {
        struct pg *pg = LIST_ENTRY(at, struct pg, link);

        if (!temp_wanted(o, pg) || m->count == n)
            continue;
        pg->temp_said = true;
        m->want[m->count].pg = pg->id;
        m->want[m->count++].acting = pg->temp_wish;
    }
    osd_mon_send(o, &m->base);
}

static void say_wishes(struct osd *o)
{
    uint64_t now_ns = env_now_ns(o->env);

    if (!o->mon.session || !osd_serving(o))
        return;
    wish_boot(o, now_ns);
    if (!o->map || o->state != ROLE_ACTIVE)
        return;
    wish_up_thru(o, now_ns);
    wish_temp(o, now_ns);
}

static void wish_run(struct env_task *task)
{
    struct osd *o = CONTAINER_OF(task, struct osd, mon.wish_task);

    o->mon.wish_posted = false;
    say_wishes(o);
}

void osd_wish(struct osd *o)
{
    if (o->mon.wish_posted || !osd_serving(o))
        return;
    o->mon.wish_posted = true;
    env_task_init(&o->mon.wish_task, wish_run);
    env_defer(o->env, &o->mon.wish_task);
}

void osd_say_stopping(struct osd *o)
{
    struct msg_osd_stopping *m = MESSAGE_NEW(osd_stopping);

    if (!m)
        return; /* our peers will tell */
    m->osd = o->id;
    m->instance = o->instance;
    osd_mon_send(o, &m->base);
}

/* ---- twice a second ---- */

void osd_session_tick(struct osd *o)
{
    if (!o->msgr || o->state == ROLE_OPENING || o->state >= ROLE_FAILED)
        return;
    if (!o->mon.session)
        open_session(o);
    if (!osd_serving(o))
        return;
    if (!o->map || o->mon.newest.v > o->map->epoch.v || !list_empty(&o->held))
        osd_maps_request(o);
    say_wishes(o);
    osd_stats_send(o);
}
