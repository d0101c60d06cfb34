/* world.c - see world.h. */
#include "tests/unit/osd_role/world.h"

#include <stdio.h>

__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

static void sink_write(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    UNUSED(level);
    if (sink->arg)
        (void)fwrite(line, 1, bytes, stderr);
}

/* Run `fn(arg)` in the process of the monitor and the client. */
void world_in0(struct world *w, void (*fn)(void *arg), void *arg)
{
    sim_enter(w->env0, fn, arg);
}

/* ---- the monitor ---- */

static void send_maps(struct world *w, uint32_t i)
{
    while (w->sub[i].s && w->sub[i].next <= w->map->epoch.v) {
        struct msg_osdmaps *m = MESSAGE_NEW(osdmaps);
        uint32_t from = w->sub[i].next, n;

        T_TRUE(m != NULL);
        m->oldest.v = 1;
        m->newest = w->map->epoch;
        if (from <= 1) {
            m->has_full = true;
            T_OK(buf_append(&m->full, &w->first, 0, w->first.bytes));
            from = 2;
        }
        n = MIN(w->map->epoch.v + 1 - from, 20u);
        m->first.v = from;
        m->count = n;
        m->incs = mem_calloc(MAX(n, 1u), sizeof(struct buf));
        for (uint32_t k = 0; k < n; k++)
            T_OK(buf_append(&m->incs[k], &w->inc[from + k], 0, w->inc[from + k].bytes));
        w->sub[i].next = from + n;
        session_send(w->sub[i].s, &m->base);
    }
}

static void subscribe(struct world *w, struct session *s, uint32_t from)
{
    for (uint32_t i = 0; i < WORLD_SUBS_MAX; i++)
        if (w->sub[i].s == s || !w->sub[i].s) {
            if (!w->sub[i].s)
                w->sub[i].s = session_ref(s);
            w->sub[i].next = MAX(from, 1u);
            if (w->sub[i].next > w->map->epoch.v) { /* there is nothing new: say so */
                struct msg_osdmaps *m = MESSAGE_NEW(osdmaps);

                m->oldest.v = 1;
                m->newest = w->map->epoch;
                m->first.v = w->map->epoch.v + 1;
                session_send(s, &m->base);
            }
            send_maps(w, i);
            return;
        }
    T_FAIL("too many subscribers");
}

struct osdmap *world_draft(struct world *w)
{
    struct osdmap *d = osdmap_clone(w->map);

    T_TRUE(d != NULL);
    return d;
}

static struct buf encoded(int (*encode)(const void *what, struct writer *w), const void *what)
{
    struct writer out = {0};
    struct buf b = {0};

    T_OK(encode(what, &out));
    T_OK(out.rc);
    T_OK(buf_append_copy(&b, out.data, out.len));
    writer_fini(&out);
    return b;
}

static int encode_map(const void *what, struct writer *w)
{
    return osdmap_encode(what, w);
}

static int encode_inc(const void *what, struct writer *w)
{
    return osdmap_inc_encode(what, w);
}

struct publish {
    struct world *w;
    struct osdmap *draft;
};

static void publish(void *arg)
{
    struct publish *p = arg;
    struct world *w = p->w;
    struct osdmap_inc inc = {0};
    struct osdmap *next = NULL;

    p->draft->epoch.v = w->map->epoch.v + 1;
    p->draft->modified_wall_ns = 0;
    T_LT(p->draft->epoch.v, WORLD_EPOCHS_MAX);
    T_OK(osdmap_seal(p->draft));
    T_OK(osdmap_diff(w->map, p->draft, &inc));
    w->inc[inc.epoch.v] = encoded(encode_inc, &inc);
    T_OK(osdmap_apply(w->map, &inc, &next));
    osdmap_inc_fini(&inc);
    osdmap_unref(p->draft);
    osdmap_unref(w->map);
    w->map = next;
    for (uint32_t i = 0; i < WORLD_SUBS_MAX; i++)
        send_maps(w, i);
    if (w->waiting)
        env_timer_after(w->env0, &w->again, NS_PER_MS);
}

void world_publish(struct world *w, struct osdmap *draft)
{
    struct publish p = {w, draft};

    world_in0(w, publish, &p);
}

static void publish_here(struct world *w, struct osdmap *draft)
{
    struct publish p = {w, draft};

    publish(&p);
}

static void take_boot(struct world *w, const struct msg_osd_boot *m)
{
    struct osdmap *d;
    struct osd_info *info;

    if (osdmap_up(w->map, m->osd) && w->map->osds[m->osd.v].instance == m->instance)
        return;
    if (osdmap_up(w->map, m->osd)) { /* a new instance: the old one is gone */
        d = world_draft(w);
        d->osds[m->osd.v].state &= (uint8_t)~OSD_UP;
        d->osds[m->osd.v].down_at.v = d->epoch.v + 1;
        publish_here(w, d);
    }
    d = world_draft(w);
    info = &d->osds[m->osd.v];
    info->state = OSD_EXISTS | OSD_UP;
    info->addr = m->addr;
    info->instance = m->instance;
    memcpy(info->uuid, m->uuid, sizeof(info->uuid));
    info->up_from.v = d->epoch.v + 1;
    publish_here(w, d);
}

static void mark_down(struct world *w, struct osd_id id, bool stopped)
{
    struct osdmap *d;

    if (!osdmap_up(w->map, id))
        return;
    d = world_draft(w);
    d->osds[id.v].state &= (uint8_t)~OSD_UP;
    if (stopped)
        d->osds[id.v].state |= OSD_STOPPED;
    d->osds[id.v].down_at.v = d->epoch.v + 1;
    publish_here(w, d);
}

static void take_failure(struct world *w, const struct msg_osd_failure *m)
{
    if (m->alive || !osdmap_up(w->map, m->target) ||
        w->map->osds[m->target.v].instance != m->target_instance)
        return;
    if (m->refused || m->silent_ms >= w->grace_ms)
        mark_down(w, m->target, false);
}

static void take_up_thru(struct world *w, const struct msg_osd_up_thru *m)
{
    struct osdmap *d;

    if (!osdmap_up(w->map, m->osd) || w->map->osds[m->osd.v].instance != m->instance ||
        w->map->osds[m->osd.v].up_thru.v >= m->want.v)
        return;
    d = world_draft(w);
    d->osds[m->osd.v].up_thru = d->epoch;
    publish_here(w, d);
}

static void take_temp(struct world *w, const struct msg_osd_pg_temp *m)
{
    struct osdmap *d = world_draft(w);

    for (uint32_t i = 0; i < m->count; i++)
        T_OK(osdmap_temp_set(d, m->want[i].pg, &m->want[i].acting));
    publish_here(w, d);
}

static void mon_message(struct msgr_handler *h, struct session *s, struct msg *m)
{
    struct world *w = CONTAINER_OF(h, struct world, mon_handler);

    if (w->deaf) {
        msg_free(m);
        return;
    }
    if (MESSAGE_IS(m, mon_subscribe))
        subscribe(w, s, MESSAGE_AS(m, mon_subscribe)->from.v);
    else if (MESSAGE_IS(m, osd_boot))
        take_boot(w, MESSAGE_AS(m, osd_boot));
    else if (MESSAGE_IS(m, osd_failure))
        take_failure(w, MESSAGE_AS(m, osd_failure));
    else if (MESSAGE_IS(m, osd_stopping))
        mark_down(w, MESSAGE_AS(m, osd_stopping)->osd, true);
    else if (MESSAGE_IS(m, osd_up_thru))
        take_up_thru(w, MESSAGE_AS(m, osd_up_thru));
    else if (MESSAGE_IS(m, osd_pg_temp))
        take_temp(w, MESSAGE_AS(m, osd_pg_temp));
    else if (MESSAGE_IS(m, osd_stats)) {
        w->stats_seen++;
        if (MESSAGE_AS(m, osd_stats)->count)
            w->stat = MESSAGE_AS(m, osd_stats)->pgs[0];
    }
    msg_free(m);
}

static void mon_reset(struct msgr_handler *h, struct session *s, int why)
{
    struct world *w = CONTAINER_OF(h, struct world, mon_handler);

    UNUSED(why);
    for (uint32_t i = 0; i < WORLD_SUBS_MAX; i++)
        if (w->sub[i].s == s) {
            session_unref(s);
            w->sub[i].s = NULL;
        }
}

/* ---- the world ---- */

void world_run(struct world *w, uint32_t ms)
{
    sim_run_until(w->sim, sim_now_ns(w->sim) + ms * NS_PER_MS, NULL, NULL);
}

struct until {
    struct world *w;
    bool (*cond)(struct world *w);
};

static bool until(void *arg)
{
    struct until *u = arg;

    return u->cond(u->w);
}

bool world_until(struct world *w, uint32_t ms, bool (*cond)(struct world *w))
{
    struct until u = {w, cond};

    if (!cond(w))
        sim_run_until(w->sim, sim_now_ns(w->sim) + ms * NS_PER_MS, until, &u);
    return cond(w);
}

static void check_osd(void *arg)
{
    struct world_osd *o = arg;

    osd_check(o->osd);
}

static void check_all(void *arg)
{
    struct world *w = arg;

    for (uint32_t i = 0; i < w->osd_count; i++)
        if (w->osd[i].env && w->osd[i].osd && w->osd[i].ready && !w->osd[i].stopped)
            sim_enter(w->osd[i].env, check_osd, &w->osd[i]);
}

static void make_map(struct world *w)
{
    static const uint8_t fsid[16] = {1, 2, 3, 4};
    struct osdmap *m = osdmap_create(fsid);

    T_TRUE(m != NULL);
    m->epoch.v = 1;
    m->lease_ms = w->conf.osd_lease_ms;
    T_OK(osdmap_osds_grow(m, w->osd_count));
    for (uint32_t i = 0; i < w->osd_count; i++) {
        char host[16];

        (void)snprintf(host, sizeof(host), "host%u", i);
        m->osds[i].state = OSD_EXISTS;
        m->osds[i].weight = OSD_WEIGHT_IN;
        T_OK(osdmap_crush_add(m, (struct osd_id){(int32_t)i}, host, "", 0x10000));
    }
    T_OK(osdmap_seal(m));
    w->first = encoded(encode_map, m);
    w->map = m;
}

void world_pool(struct world *w, const char *name, uint32_t size, uint32_t pg_count)
{
    struct osdmap *d = world_draft(w);
    struct pool p = {.id = {d->pool_next ? d->pool_next : 1},
                     .size = (uint8_t)size,
                     .size_min = (uint8_t)(size - size / 2),
                     .crush_rule = OSDMAP_RULE_OSD,
                     .pg_count = pg_count};

    (void)snprintf(p.name, sizeof(p.name), "%s", name);
    p.created.v = p.changed.v = d->epoch.v + 1;
    d->pool_next = p.id.v + 1;
    T_OK(osdmap_pool_set(d, &p));
    w->pool = p.id;
    world_publish(w, d);
}

static void start0(void *arg)
{
    struct world *w = arg;
    struct net_addr any;
    struct note why = {{0}};
    struct msgr_conf mon = {
        .self = {ENTITY_MON, 0, 77}, .types = message_types, .handler = &w->mon_handler};
    struct msgr_conf client = {
        .self = {ENTITY_CLIENT, 0, 78}, .types = message_types, .handler = &w->client_handler};

    make_map(w);
    memcpy(mon.fsid, w->map->fsid, 16);
    memcpy(client.fsid, w->map->fsid, 16);
    w->mon_handler = (struct msgr_handler){.message = mon_message, .reset = mon_reset};
    w->client_handler =
        (struct msgr_handler){.message = world_client_message, .reset = world_client_reset};
    T_OK(msgr_create(w->env0, &mon, &w->mon));
    T_OK(msgr_create(w->env0, &client, &w->client));
    T_OK(net_addr_parse("127.0.0.1:6789", &any));
    T_OK(msgr_listen(w->mon, &any, &w->mon_addr, &why));
    env_timer_init(&w->again, world_client_again);
}

void world_init(struct world *w, uint64_t seed, uint32_t osds, uint32_t size, uint32_t pg_count)
{
    struct sim_conf sc = {.seed = seed, .sink = &w->sink};

    memset(w, 0, sizeof(*w));
    w->seed = seed;
    w->sink = (struct log_sink){
        .write = sink_write, .level_max = LOG_DEBUG, .arg = getenv("OSD_LOG") ? w : NULL};
    w->osd_count = osds;
    w->grace_ms = 1500;
    w->client_id = 4711 + seed;
    w->floor = 1;
    config_defaults(&w->conf);
    w->conf.osd_size = 1 << 30;
    w->conf.osd_journal = 8 << 20;
    steps_init(&w->steps);
    w->sim = sim_create(&sc);
    T_TRUE(w->sim != NULL);
    w->m0 = sim_machine_create(w->sim, "m0", "127.0.0.1");
    w->env0 = sim_process_start(w->m0, "mon");
    for (uint32_t i = 0; i < osds; i++) {
        char name[16], ip[32];

        (void)snprintf(name, sizeof(name), "osd%u", i);
        (void)snprintf(ip, sizeof(ip), "127.0.0.%u", i + 2);
        w->osd[i] = (struct world_osd){.w = w, .id = {(int32_t)i}};
        w->osd[i].m = sim_machine_create(w->sim, name, ip);
    }
    world_in0(w, start0, w);
    (void)snprintf(w->conf.cluster_mons.s, sizeof(w->conf.cluster_mons.s), "0=%s", w->mon_addr.s);
    sim_on_step(w->sim, check_all, w);
    for (uint32_t i = 0; i < osds; i++)
        world_osd_start(w, i);
    w->born = w->map->epoch;
    if (size)
        world_pool(w, "p", size, pg_count);
}

static void start_osd(void *arg);

static void start_again(struct env_timer *t)
{
    start_osd(CONTAINER_OF(t, struct world_osd, again));
}

static void mend_stopped(void *arg)
{
    struct world_osd *o = arg;

    o->osd = NULL;
    env_timer_init(&o->again, start_again);
    env_timer_after(o->env, &o->again, 500 * NS_PER_MS);
}

static void on_failed(void *arg, int rc, const struct note *why)
{
    struct world_osd *o = arg;

    o->ready = false;
    o->rc = rc;
    (void)snprintf(o->why, sizeof(o->why), "%s", why->text);
    if (o->w->mends)
        osd_stop(o->osd, mend_stopped, o);
    else
        o->failed = true;
}

static void on_ready(void *arg, int rc, const struct note *why)
{
    struct world_osd *o = arg;

    if (rc < 0) {
        on_failed(arg, rc, why);
        return;
    }
    o->ready = true;
    o->rc = 0;
}

static void on_stopped(void *arg)
{
    struct world_osd *o = arg;

    o->stopped = true;
    o->osd = NULL;
}

static void start_osd(void *arg)
{
    struct world_osd *o = arg;
    struct osd_conf conf = {.id = o->id, .conf = &o->w->conf, .folder = "/osd"};
    struct note why = {{0}};
    int rc;

    (void)snprintf(conf.addr.s, sizeof(conf.addr.s), "127.0.0.%d:0", o->id.v + 2);
    (void)snprintf(conf.host, sizeof(conf.host), "host%d", o->id.v);
    rc = osd_mkfs(o->env, &conf, o->w->map->fsid, &why);
    if (rc < 0 && rc != -EEXIST)
        T_FAIL("mkfs: %s: %s", reason_name(rc), why.text);
    T_OK(osd_start(o->env, &conf, on_ready, o, &o->osd));
    osd_on_failure(o->osd, on_failed, o);
}

void world_osd_launch(struct world *w, uint32_t i)
{
    struct world_osd *o = &w->osd[i];

    o->env = sim_process_start(o->m, "osd");
    o->ready = o->failed = o->stopped = false;
    o->osd = NULL;
    sim_enter(o->env, start_osd, o);
}

static bool all_ready(struct world *w)
{
    for (uint32_t i = 0; i < w->osd_count; i++)
        if (w->osd[i].env && !w->osd[i].ready && !w->osd[i].failed)
            return false;
    return true;
}

void world_osd_start(struct world *w, uint32_t i)
{
    world_osd_launch(w, i);
    if (!world_until(w, 10000, all_ready))
        T_FAIL("osd.%u does not come up", i);
    if (w->osd[i].failed)
        T_FAIL("osd.%u: %s", i, w->osd[i].why);
}

static void stop_osd(void *arg)
{
    struct world_osd *o = arg;

    osd_stop(o->osd, on_stopped, o);
}

static bool all_stopped(struct world *w)
{
    for (uint32_t i = 0; i < w->osd_count; i++)
        if (w->osd[i].env && w->osd[i].rc == 1 && !w->osd[i].stopped)
            return false;
    return true;
}

void world_osd_stop(struct world *w, uint32_t i)
{
    struct world_osd *o = &w->osd[i];
    uint64_t left;

    o->rc = 1; /* stopping */
    sim_enter(o->env, stop_osd, o);
    if (!world_until(w, 20000, all_stopped))
        T_FAIL("osd.%u does not stop", i);
    left = sim_process_end(o->env);
    T_EQ(left, 0);
    o->env = NULL;
    o->rc = 0;
}

void world_osd_kill(struct world *w, uint32_t i, bool power_cut)
{
    if (power_cut)
        sim_machine_power_cut(w->osd[i].m);
    else
        sim_process_kill(w->osd[i].env);
    w->osd[i].env = NULL;
    w->osd[i].osd = NULL;
}

struct which {
    struct world *w;
    uint32_t i;
};

static void down_now(void *arg)
{
    struct which *a = arg;

    mark_down(a->w, (struct osd_id){(int32_t)a->i}, false);
}

void world_down(struct world *w, uint32_t i)
{
    struct which a = {.w = w, .i = i};

    world_in0(w, down_now, &a);
}

void world_out(struct world *w, uint32_t i, bool out)
{
    struct osdmap *d = world_draft(w);

    d->osds[i].weight = out ? 0 : OSD_WEIGHT_IN;
    world_publish(w, d);
}

bool world_clean(struct world *w)
{
    for (uint32_t i = 0; i < w->osd_count; i++)
        if (w->osd[i].env && (!w->osd[i].osd || !osd_clean(w->osd[i].osd) ||
                              osd_epoch(w->osd[i].osd).v < w->map->epoch.v))
            return false;
    return true;
}

void world_wait_clean(struct world *w, uint32_t ms)
{
    if (world_until(w, ms, world_clean))
        return;
    for (uint32_t i = 0; i < w->osd_count; i++)
        if (w->osd[i].osd) {
            char *text = osd_status(w->osd[i].osd);

            fprintf(stderr, "%s\n", text);
            mem_free(text);
        }
    T_FAIL("not clean after %u ms, seed %llu", ms, (unsigned long long)w->seed);
}

void world_fini(struct world *w)
{
    for (uint32_t i = 0; i < w->osd_count; i++)
        if (w->osd[i].env && w->osd[i].osd)
            world_osd_stop(w, i);
    sim_on_step(w->sim, NULL, NULL);
    sim_process_kill(w->env0); /* its memory goes with it */
    sim_destroy(w->sim);
    steps_fini(&w->steps);
}
