/* heartbeat.c - the other OSDs: sessions to them, pings, leases, and what we tell of their
 * failures.
 *
 * We ping every OSD that shares a PG with us, and the next two that are up by id, so that an OSD
 * without PGs is watched as well.  Pings travel on a session of their own: they neither wait behind
 * data nor is their silence hidden by it.  An answer renews the lease that the peer grants us and
 * tells its epoch; a ping that is not answered for two and a half beats is reported at each beat
 * with the length of the silence (whether that is too long is the monitors' decision), and taken
 * back when an answer comes.  A refused connection says at once that the process is gone.
 *
 * When we were stopped ourselves (a suspended machine), everybody seems silent: the time that we
 * missed is not counted.
 *
 * A data session that breaks loses what was under way.  For a moment nothing is sent to that peer;
 * then every PG is told and sends again what was not answered. */
#include "core/osd/osd_int.h"
#include "core/osd/pg.h"

enum { NEIGHBOURS = 2, MEND_MS = 20 };

struct peer *osd_peer(const struct osd *o, struct osd_id id)
{
    uint32_t lo = 0, hi = o->peer_count;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (o->peers[mid]->id.v < id.v)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < o->peer_count && osd_eq(o->peers[lo]->id, id) ? o->peers[lo] : NULL;
}

struct peer *osd_peer_get(struct osd *o, struct osd_id id)
{
    struct peer *p = osd_peer(o, id);
    uint32_t at = o->peer_count;

    if (p)
        return p;
    if (o->peer_count == o->peer_cap) {
        uint32_t cap = o->peer_cap ? o->peer_cap * 2 : 8;
        struct peer **grown = mem_realloc(o->peers, cap * sizeof(struct peer *));

        if (!grown)
            return NULL;
        o->peers = grown;
        o->peer_cap = cap;
    }
    p = mem_zalloc(sizeof(*p));
    if (!p)
        return NULL;
    p->o = o;
    p->id = id;
    for (; at > 0 && o->peers[at - 1]->id.v > id.v; at--)
        o->peers[at] = o->peers[at - 1];
    o->peers[at] = p;
    o->peer_count++;
    return p;
}

static void drop_session(struct session **s)
{
    if (!*s)
        return;
    session_close(*s);
    session_unref(TAKE(*s));
}

/* The peer is another incarnation than the one we talked to. */
static void peer_renew(struct peer *p, uint64_t instance)
{
    drop_session(&p->data);
    drop_session(&p->beats);
    lease_drop(&p->lease);
    p->instance = instance;
    p->heard_ns = env_now_ns(p->o->env);
    p->reported = p->refused = p->broken = false;
    p->fill = STORE_ROOM;
}

static int open_to(struct osd *o, const struct osd_info *info, struct osd_id id,
                   struct session **out_session)
{
    struct session_conf conf = {
        .addr = info->addr,
        .expect = {ENTITY_OSD, (uint64_t)id.v, info->instance},
        .fast_fail = true,
    };

    return session_open(o->msgr, &conf, out_session);
}

struct session *osd_peer_session(struct osd *o, struct osd_id id)
{
    const struct osd_info *info = osd_info_of(o, id);
    struct peer *p = info ? osd_peer_get(o, id) : NULL;

    if (!p || !o->msgr)
        return NULL;
    if (p->instance != info->instance)
        peer_renew(p, info->instance);
    if (p->broken)
        return NULL;
    if (!p->data && open_to(o, info, id, &p->data) < 0) {
        osd_peer_break(o, id); /* no memory: as if what we wanted to send was lost on the way */
        return NULL;
    }
    return p->data;
}

void osd_send(struct osd *o, struct osd_id to, struct msg *m)
{
    struct session *s = osd_peer_session(o, to);

    if (s && m) {
        session_send(s, m);
        return;
    }
    if (s)
        osd_peer_break(o, to); /* there was no memory for the message */
    msg_free(m); /* whoever waits for an answer is told by pg_peer_broken or by a map */
}

void osd_peer_break(struct osd *o, struct osd_id id)
{
    struct peer *p = osd_peer(o, id);

    if (!p || p->broken)
        return;
    drop_session(&p->data);
    p->broken = true;
    env_timer_after(o->env, &o->mend_timer, MEND_MS * NS_PER_MS);
}

/* ---- failure reports ---- */

static void report(struct peer *p, bool alive, uint64_t silent_ns)
{
    struct osd *o = p->o;
    struct msg_osd_failure *m = MESSAGE_NEW(osd_failure);

    if (!m)
        return; /* the next beat says it again */
    m->reporter = o->id;
    m->target = p->id;
    m->target_instance = p->instance;
    m->epoch = o->map->epoch;
    m->refused = p->refused;
    m->alive = alive;
    m->silent_ms = (uint32_t)MIN(silent_ns / NS_PER_MS, (uint64_t)UINT32_MAX);
    if (!alive && !p->reported) {
        log_info(&o->log, "a peer does not answer", KV_OSD(p->id), KV_MS("silent", m->silent_ms),
                 KV_U64("refused", p->refused));
        o->n.failure_reports++;
    }
    p->reported = !alive;
    osd_mon_send(o, &m->base);
}

/* ---- pings ---- */

static void peer_beat(struct peer *p, uint64_t now_ns)
{
    struct osd *o = p->o;
    const struct osd_info *info = osd_info_of(o, p->id);
    uint64_t beat_ns = o->conf.osd_heartbeat_ms * NS_PER_MS, silent_ns;
    struct msg_osd_ping *m;

    if (!info || !p->wanted) {
        drop_session(&p->beats);
        p->reported = false;
        return;
    }
    if (p->instance != info->instance)
        peer_renew(p, info->instance);
    /* A peer that is new since this beat began was heard after `now_ns`. */
    silent_ns = now_ns > p->heard_ns ? now_ns - p->heard_ns : 0;
    if (silent_ns > beat_ns * 5 / 2)
        report(p, false, silent_ns);
    if (!p->beats && open_to(o, info, p->id, &p->beats) < 0)
        return; /* at the next beat */
    m = MESSAGE_NEW(osd_ping);
    if (!m)
        return;
    m->from = o->id;
    m->instance = o->instance;
    m->epoch = o->map->epoch;
    m->sent_ns = now_ns;
    session_send(p->beats, &m->base);
}

static void beat(struct env_timer *t)
{
    struct osd *o = CONTAINER_OF(t, struct osd, beat_timer);
    uint64_t now_ns = env_now_ns(o->env), beat_ns = o->conf.osd_heartbeat_ms * NS_PER_MS;
    uint64_t missed = 0;

    if (now_ns - o->beat_ns > 2 * beat_ns)
        missed = now_ns - o->beat_ns - beat_ns; /* we did not run: nobody else is to blame */
    o->beat_ns = now_ns;
    for (uint32_t i = 0; osd_serving(o) && o->map && i < o->peer_count; i++) {
        o->peers[i]->heard_ns = MIN(o->peers[i]->heard_ns + missed, now_ns);
        peer_beat(o->peers[i], now_ns);
    }
    LIST_EACH (at, &o->pg_list) {
        if (osd_serving(o))
            exec_waited(LIST_ENTRY(at, struct pg, link), now_ns);
    }
    env_timer_after(o->env, t, beat_ns);
}

static void ping_question(struct osd *o, struct session *s, const struct msg_osd_ping *m)
{
    struct msg_osd_ping *a = MESSAGE_NEW(osd_ping);
    const struct osd_info *info = osd_info_of(o, m->from);
    struct store_space space = {0};
    struct peer *p;

    if (!a)
        return;
    if (o->store)
        store_space(o->store, &space);
    a->answer = true;
    a->from = o->id;
    a->instance = o->instance;
    a->epoch = o->map ? o->map->epoch : (struct epoch){0};
    a->sent_ns = m->sent_ns;
    a->fill = (uint8_t)space.fill;
    p = info && info->instance == m->instance ? osd_peer_get(o, m->from) : NULL;
    if (p && osd_serving(o)) {
        a->granted_ms = o->map->lease_ms;
        p->granted_until_ns = env_now_ns(o->env) + (uint64_t)a->granted_ms * NS_PER_MS;
    }
    session_send(s, &a->base);
}

static void ping_answer(struct osd *o, const struct msg_osd_ping *m)
{
    struct peer *p = osd_peer(o, m->from);
    bool was_usable;
    uint64_t now_ns = env_now_ns(o->env);

    if (!p || p->instance != m->instance || !o->map)
        return;
    p->heard_ns = now_ns;
    p->refused = false;
    p->fill = m->fill;
    if (p->reported)
        report(p, true, 0);
    was_usable = lease_usable(&p->lease, now_ns);
    if (osd_serving(o))
        lease_take(&p->lease, m->sent_ns, m->granted_ms, m->epoch, o->map->epoch,
                   o->conf.osd_clock_drift_ppm);
    if (m->epoch.v > o->map->epoch.v)
        osd_maps_request(o);
    if (!was_usable && lease_usable(&p->lease, now_ns))
        pgs_lease(o);
}

void heartbeat_ping(struct osd *o, struct session *s, struct msg_osd_ping *m)
{
    if (m->answer)
        ping_answer(o, m);
    else
        ping_question(o, s, m);
    msg_free(&m->base);
}

/* ---- sessions that end ---- */

/* The PGs send again what the broken sessions may have lost. */
static void mend(struct env_timer *t)
{
    struct osd *o = CONTAINER_OF(t, struct osd, mend_timer);

    for (uint32_t i = 0; i < o->peer_count; i++) {
        struct peer *p = o->peers[i];

        if (!p->broken)
            continue;
        p->broken = false;
        pgs_peer_broken(o, p->id);
    }
}

bool heartbeat_reset(struct osd *o, struct session *s, int why)
{
    for (uint32_t i = 0; i < o->peer_count; i++) {
        struct peer *p = o->peers[i];

        if (p->beats != s && p->data != s)
            continue;
        if (why == -ECONNREFUSED && osd_serving(o)) {
            p->refused = true;
            report(p, false, env_now_ns(o->env) - p->heard_ns);
        }
        if (p->beats == s) {
            session_unref(TAKE(p->beats)); /* the next beat opens another */
            return true;
        }
        session_unref(TAKE(p->data));
        p->broken = true;
        if (!o->mend_timer.armed)
            env_timer_after(o->env, &o->mend_timer, MEND_MS * NS_PER_MS);
        return true;
    }
    return false;
}

/* ---- whom to ping ---- */

static void want(struct osd *o, struct osd_id id)
{
    struct peer *p = osd_eq(id, o->id) || id.v < 0 ? NULL : osd_peer_get(o, id);

    if (!p)
        return;
    if (!p->wanted)
        p->heard_ns = env_now_ns(o->env);
    p->wanted = p->marked = true;
}

static void want_neighbours(struct osd *o)
{
    uint32_t n = o->map->osd_count, found = 0;

    for (uint32_t i = 1; i < n && found < NEIGHBOURS; i++) {
        struct osd_id id = {(int32_t)(((uint32_t)o->id.v + i) % n)};

        if (osdmap_up(o->map, id)) {
            want(o, id);
            found++;
        }
    }
}

void heartbeat_map(struct osd *o)
{
    uint64_t now_ns = env_now_ns(o->env);

    for (uint32_t i = 0; i < o->peer_count; i++) {
        struct peer *p = o->peers[i];
        const struct osd_info *info = osd_info_of(o, p->id);
        bool was = lease_usable(&p->lease, now_ns);

        if (info && info->instance != p->instance)
            peer_renew(p, info->instance);
        lease_map(&p->lease, o->map->epoch);
        if (!was && lease_usable(&p->lease, now_ns))
            pgs_lease(o);
    }
    /* Marked first, swept after: a peer that stays keeps what we know of its silence. */
    for (uint32_t i = 0; i < o->peer_count; i++)
        o->peers[i]->marked = false;
    LIST_EACH (at, &o->pg_list) {
        const struct pg *pg = LIST_ENTRY(at, struct pg, link);

        for (unsigned i = 0; i < pg->at.up.count; i++)
            want(o, pg->at.up.osd[i]);
        for (unsigned i = 0; i < pg->at.acting.count; i++)
            want(o, pg->at.acting.osd[i]);
    }
    want_neighbours(o);
    for (uint32_t i = 0; i < o->peer_count; i++)
        o->peers[i]->wanted = o->peers[i]->marked;
}

void heartbeat_init(struct osd *o)
{
    env_timer_init(&o->beat_timer, beat);
    env_timer_init(&o->mend_timer, mend);
    o->beat_ns = env_now_ns(o->env);
    env_timer_after(o->env, &o->beat_timer, o->conf.osd_heartbeat_ms * NS_PER_MS);
}

void heartbeat_stop(struct osd *o)
{
    env_timer_cancel(o->env, &o->beat_timer);
    env_timer_cancel(o->env, &o->mend_timer);
}

void heartbeat_fini(struct osd *o)
{
    env_timer_cancel(o->env, &o->mend_timer); /* a session may have broken since heartbeat_stop */
    for (uint32_t i = 0; i < o->peer_count; i++) {
        drop_session(&o->peers[i]->data);
        drop_session(&o->peers[i]->beats);
        mem_free(o->peers[i]);
    }
    mem_free(o->peers);
    o->peers = NULL;
    o->peer_count = o->peer_cap = 0;
}
