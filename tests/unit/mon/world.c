/* world.c - see world.h. */
#include "tests/unit/mon/world.h"

#include <stdio.h>

#include "core/base/hash.h"
#include "core/env/file.h"

__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

/* ---- monitors ---- */

void world_init(struct world *w, unsigned mons, uint64_t seed)
{
    *w = (struct world){
        .s = sim_create(&(struct sim_conf){.seed = seed}), .mons = mons, .seed = seed};
    config_defaults(&w->conf);
    w->members.count = mons;
    for (unsigned i = 0; i < mons; i++) {
        char name[32], ip[32];

        snprintf(name, sizeof(name), "mon%u", i);
        snprintf(ip, sizeof(ip), "127.0.0.%u", i + 1);
        w->mon_machine[i] = sim_machine_create(w->s, name, ip);
        w->members.m[i].id = i;
        T_OK(net_addr_make(ip, 6789, &w->members.m[i].addr));
    }
}

void world_fini(struct world *w)
{
    for (unsigned i = 0; i < w->actors; i++) {
        struct actor *a = &w->actor[i];

        free(a->text);
        free(a->json);
        for (int k = 0; k < a->argc; k++)
            free(a->argv[k]);
    }
    sim_destroy(w->s);
}

struct on_mon {
    struct world *w;
    unsigned i;
    int rc;
    bool stopped;
};

static void mkfs_run(void *arg)
{
    struct on_mon *o = arg;
    uint8_t fsid[16] = {0xc0, 0xff, 0xee, 1};
    struct note why = {{0}};

    o->rc = mon_mkfs(o->w->mon_env[o->i], "mon", fsid, o->i, &o->w->members, &why);
}

static struct env *mon_process(struct world *w, unsigned i)
{
    if (!w->mon_env[i] || !sim_process_alive(w->mon_env[i]))
        w->mon_env[i] = sim_process_start(w->mon_machine[i], "mon");
    return w->mon_env[i];
}

void world_mkfs(struct world *w, unsigned i)
{
    struct on_mon o = {.w = w, .i = i};

    sim_enter(mon_process(w, i), mkfs_run, &o);
    T_OK(o.rc);
}

/* Which world a callback belongs to: arg points to the slot's flag. */
static void on_ready(void *arg, int rc, const struct note *why)
{
    UNUSED(why);
    *(bool *)arg = rc == 0;
}

struct failure_slot {
    struct world *w;
    unsigned i;
};

static void on_failed(void *arg, int rc, const struct note *why)
{
    struct failure_slot *f = arg;

    UNUSED(why);
    f->w->failed[f->i] = true;
    f->w->failed_rc[f->i] = rc;
}

static struct failure_slot failure_slots[WORLD_MONS_MAX];

static void start_run(void *arg)
{
    struct on_mon *o = arg;
    struct world *w = o->w;
    struct mon_conf conf = {.id = o->i, .conf = &w->conf, .folder = "mon"};

    w->start_why = (struct note){{0}};
    o->rc =
        mon_start(w->mon_env[o->i], &conf, on_ready, &w->ready[o->i], &w->mon[o->i], &w->start_why);
    if (o->rc < 0)
        return;
    failure_slots[o->i] = (struct failure_slot){w, o->i};
    mon_on_failure(w->mon[o->i], on_failed, &failure_slots[o->i]);
}

int world_mon_start(struct world *w, unsigned i)
{
    struct on_mon o = {.w = w, .i = i};

    w->ready[i] = w->failed[i] = false;
    w->mon[i] = NULL;
    sim_enter(mon_process(w, i), start_run, &o);
    w->start_rc = o.rc;
    return o.rc;
}

void world_mon_kill(struct world *w, unsigned i, bool power_cut)
{
    if (power_cut)
        sim_machine_power_cut(w->mon_machine[i]);
    else
        sim_process_kill(w->mon_env[i]);
    w->mon[i] = NULL;
}

static void stopped(void *arg)
{
    ((struct on_mon *)arg)->stopped = true;
}

static void stop_run(void *arg)
{
    struct on_mon *o = arg;

    mon_stop(o->w->mon[o->i], stopped, o);
}

static bool is_stopped(void *arg)
{
    return ((struct on_mon *)arg)->stopped;
}

void world_mon_stop(struct world *w, unsigned i)
{
    struct on_mon o = {.w = w, .i = i};

    sim_enter(w->mon_env[i], stop_run, &o);
    w->mon[i] = NULL;
    sim_run_until(w->s, sim_now_ns(w->s) + 10 * NS_PER_S, is_stopped, &o);
    T_TRUE(o.stopped);
    T_EQ(sim_process_end(w->mon_env[i]), 0);
}

static bool all_ready(struct world *w, void *arg)
{
    UNUSED(arg);
    for (unsigned i = 0; i < w->mons; i++)
        if (!w->ready[i])
            return false;
    return true;
}

static void check_all(void *arg)
{
    struct world *w = arg;

    for (unsigned i = 0; i < w->mons; i++)
        if (w->mon[i] && sim_process_alive(w->mon_env[i]))
            mon_check(w->mon[i]);
}

void world_up(struct world *w)
{
    for (unsigned i = 0; i < w->mons; i++)
        world_mkfs(w, i);
    sim_on_step(w->s, check_all, w);
    for (unsigned i = 0; i < w->mons; i++)
        T_OK(world_mon_start(w, i));
    T_TRUE(world_wait(w, all_ready, NULL, 20000));
}

void world_run(struct world *w, uint64_t ms)
{
    sim_run_until(w->s, sim_now_ns(w->s) + ms * NS_PER_MS, NULL, NULL);
}

struct wait {
    struct world *w;
    bool (*cond)(struct world *w, void *arg);
    void *arg;
};

static bool wait_over(void *arg)
{
    struct wait *q = arg;

    return q->cond(q->w, q->arg);
}

bool world_wait(struct world *w, bool (*cond)(struct world *w, void *arg), void *arg, uint64_t ms)
{
    struct wait q = {w, cond, arg};

    if (!cond(w, arg))
        sim_run_until(w->s, sim_now_ns(w->s) + ms * NS_PER_MS, wait_over, &q);
    return cond(w, arg);
}

int world_leader(struct world *w)
{
    for (unsigned i = 0; i < w->mons; i++)
        if (w->mon[i] && sim_process_alive(w->mon_env[i]) && mon_leads(w->mon[i]))
            return (int)i;
    return -1;
}

static bool has_leader(struct world *w, void *arg)
{
    UNUSED(arg);
    return world_leader(w) >= 0;
}

int world_wait_leader(struct world *w, uint64_t ms)
{
    (void)world_wait(w, has_leader, NULL, ms); /* the answer tells */
    return world_leader(w);
}

uint32_t world_epoch(struct world *w)
{
    uint32_t newest = 0;

    for (unsigned i = 0; i < w->mons; i++)
        if (w->mon[i] && sim_process_alive(w->mon_env[i]))
            newest = MAX(newest, mon_epoch(w->mon[i]).v);
    return newest;
}

/* ---- actors ---- */

static void actor_connect(struct actor *a);

static void subscribe(struct actor *a)
{
    struct msg_mon_subscribe *m = MESSAGE_NEW(mon_subscribe);

    m->from.v = a->map ? a->map->epoch.v + 1 : 0;
    session_send(a->s, &m->base);
}

static void command_send(struct actor *a)
{
    struct msg_mon_command *m;

    if (!a->argc || a->answered || !a->s)
        return;
    m = MESSAGE_NEW(mon_command);
    m->id = a->command_id;
    m->argc = (uint32_t)a->argc;
    m->argv = mem_calloc((size_t)a->argc, sizeof(*m->argv));
    for (int i = 0; i < a->argc; i++)
        m->argv[i] = mem_strdup(a->argv[i]);
    if (a->input)
        T_OK(buf_append_copy(&m->input, a->input, strlen(a->input)));
    a->sent++;
    session_send(a->s, &m->base);
}

static void boot_send(struct actor *a)
{
    struct msg_osd_boot *m;

    if (!a->is_osd || !a->boots || !a->s)
        return;
    if (a->map && osdmap_up(a->map, a->boot.osd) &&
        a->map->osds[a->boot.osd.v].instance == a->self.instance)
        return;
    m = MESSAGE_NEW(osd_boot);
    m->osd = a->boot.osd;
    memcpy(m->uuid, a->boot.uuid, sizeof(m->uuid));
    m->instance = a->self.instance;
    m->addr = a->boot.addr;
    m->newest = a->map ? a->map->epoch : (struct epoch){0};
    m->total_bytes = a->boot.total_bytes;
    memcpy(m->host, a->boot.host, sizeof(m->host));
    session_send(a->s, &m->base);
}

static uint32_t pgs_led(struct actor *a, struct pg_stat *out, uint32_t max)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < a->map->pool_count; i++)
        for (uint32_t seed = 0; seed < a->map->pools[i].pg_count && n < max; seed++) {
            struct pgid pg = {a->map->pools[i].id, seed};
            struct placement at;

            T_OK(osdmap_place(a->map, pg, &at));
            if (!osd_eq(at.primary, a->boot.osd))
                continue;
            out[n++] = (struct pg_stat){.pg = pg,
                                        .epoch = a->map->epoch,
                                        .state = at.acting.count < a->map->pools[i].size
                                                     ? PG_S_ACTIVE | PG_S_UNDERSIZED | PG_S_DEGRADED
                                                     : PG_S_ACTIVE | PG_S_CLEAN,
                                        .last_clean = a->map->epoch,
                                        .up = at.up,
                                        .acting = at.acting};
        }
    return n;
}

static void stats_send(struct actor *a)
{
    struct msg_osd_stats *m;

    if (!a->is_osd || a->mute || !a->s || !a->map)
        return;
    m = MESSAGE_NEW(osd_stats);
    m->osd = a->boot.osd;
    m->instance = a->self.instance;
    m->total_bytes = a->boot.total_bytes;
    m->used_bytes = a->boot.total_bytes / 10;
    if (a->clean_pgs) {
        m->pgs = mem_calloc(1024, sizeof(*m->pgs));
        m->count = pgs_led(a, m->pgs, 1024);
    }
    session_send(a->s, &m->base);
}

static void beat(struct env_timer *t)
{
    struct actor *a = CONTAINER_OF(t, struct actor, beat);

    boot_send(a);
    stats_send(a);
    env_timer_after(a->env, &a->beat, NS_PER_S);
}

/* Every map of an epoch is the same map, whoever serves it. */
static void map_take(struct actor *a, struct osdmap *map)
{
    AUTO(writer) w = {0};
    uint64_t hash;

    T_OK(osdmap_encode(map, &w));
    hash = hash64(1, w.data, w.len);
    T_LT(map->epoch.v, WORLD_EPOCHS_MAX);
    if (a->w->epoch_hash[map->epoch.v])
        T_EQ(a->w->epoch_hash[map->epoch.v], hash);
    a->w->epoch_hash[map->epoch.v] = hash;
    osdmap_unref(a->map);
    a->map = map;
    a->maps++;
}

static void maps_take(struct actor *a, struct msg_osdmaps *m)
{
    struct cursor c;

    if (m->has_full) {
        struct osdmap *map;

        T_OK(buf_flatten(&m->full));
        c = cur_over(buf_contiguous(&m->full, 0, m->full.bytes), m->full.bytes);
        T_OK(osdmap_decode(&c, &map));
        a->fulls++;
        if (!a->map || map->epoch.v > a->map->epoch.v)
            map_take(a, map);
        else
            osdmap_unref(map);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        struct osdmap_inc inc;
        struct osdmap *next;

        if (m->first.v + i <= a->map->epoch.v)
            continue;
        T_EQ(m->first.v + i, a->map->epoch.v + 1); /* a hole */
        T_OK(buf_flatten(&m->incs[i]));
        c = cur_over(buf_contiguous(&m->incs[i], 0, m->incs[i].bytes), m->incs[i].bytes);
        T_OK(osdmap_inc_decode(&c, &inc));
        T_OK(osdmap_apply(a->map, &inc, &next));
        osdmap_inc_fini(&inc);
        map_take(a, next);
    }
    boot_send(a);
}

static void reply_take(struct actor *a, struct msg_mon_reply *m)
{
    if (m->id != a->command_id || a->answered)
        return;
    if (m->rc == -R_NOT_LEADER || m->rc == -R_NO_QUORUM || m->rc == -R_STOPPED) {
        if (!a->pinned && m->leader[0])
            for (unsigned i = 0; i < a->w->mons; i++)
                if (strcmp(a->w->members.m[i].addr.s, m->leader) == 0 && i != a->mon_at) {
                    actor_move(a, i);
                    return;
                }
        env_timer_after(a->env, &a->retry, 100 * NS_PER_MS);
        return;
    }
    a->answered = true;
    a->rc = m->rc;
    a->text = m->text ? strdup(m->text) : NULL;
    a->json = calloc(1, m->json.bytes + 1);
    buf_copy_out(&m->json, 0, a->json, m->json.bytes);
}

static void message(struct msgr_handler *h, struct session *s, struct msg *m)
{
    struct actor *a = CONTAINER_OF(h, struct actor, handler);

    if (s == a->s && MESSAGE_IS(m, osdmaps))
        maps_take(a, MESSAGE_AS(m, osdmaps));
    else if (s == a->s && MESSAGE_IS(m, mon_reply))
        reply_take(a, MESSAGE_AS(m, mon_reply));
    msg_free(m);
}

static void reset(struct msgr_handler *h, struct session *s, int why)
{
    struct actor *a = CONTAINER_OF(h, struct actor, handler);

    UNUSED(why);
    if (s != a->s)
        return;
    session_unref(TAKE(a->s));
    if (!a->pinned)
        a->mon_at = (a->mon_at + 1) % a->w->mons;
    env_timer_after(a->env, &a->retry, 50 * NS_PER_MS);
}

static void retry(struct env_timer *t)
{
    actor_connect(CONTAINER_OF(t, struct actor, retry));
}

static void actor_connect(struct actor *a)
{
    struct session_conf sc = {
        .addr = a->w->members.m[a->mon_at].addr, .expect = {.role = ENTITY_MON}, .fast_fail = true};

    if (!a->s) {
        T_OK(session_open(a->msgr, &sc, &a->s));
        subscribe(a);
    }
    boot_send(a);
    command_send(a);
}

static void actor_start(void *arg)
{
    struct actor *a = arg;
    struct msgr_conf mc = {
        .self = a->self, .types = message_types, .handler = &a->handler, .give_up_ms = 3000};

    T_OK(msgr_create(a->env, &mc, &a->msgr));
    env_timer_init(&a->retry, retry);
    env_timer_init(&a->beat, beat);
    env_timer_after(a->env, &a->beat, NS_PER_S);
    actor_connect(a);
}

static void actor_process(struct actor *a)
{
    a->env = sim_process_start(a->machine, "actor");
    a->handler = (struct msgr_handler){.message = message, .reset = reset};
    sim_enter(a->env, actor_start, a);
}

struct actor *world_actor(struct world *w, bool osd, uint32_t id, unsigned mon)
{
    struct actor *a = &w->actor[w->actors];
    char name[32], ip[32];

    T_LT(w->actors, WORLD_ACTORS_MAX);
    snprintf(name, sizeof(name), "actor%u", w->actors);
    snprintf(ip, sizeof(ip), "127.0.1.%u", w->actors + 1);
    w->actors++;
    *a = (struct actor){.w = w, .mon_at = mon, .is_osd = osd, .boots = osd, .clean_pgs = osd};
    a->machine = sim_machine_create(w->s, name, ip);
    a->self = (struct entity){osd ? ENTITY_OSD : ENTITY_CLIENT, id, rng_u64(sim_rng(w->s))};
    a->boot.osd.v = (int32_t)id;
    a->boot.total_bytes = GIB(64);
    a->boot.uuid[0] = w->next_uuid ? w->next_uuid : (uint8_t)(id + 1);
    w->next_uuid = 0;
    a->boot.uuid[15] = 7;
    snprintf(a->boot.host, sizeof(a->boot.host), "host%u", id);
    snprintf(a->boot.addr.s, sizeof(a->boot.addr.s), "127.0.1.%u:6800", id + 1);
    actor_process(a);
    return a;
}

struct actor *world_osd(struct world *w, uint32_t id)
{
    return world_actor(w, true, id, id % w->mons);
}

void osd_restart(struct actor *a)
{
    sim_process_kill(a->env);
    a->msgr = NULL;
    a->s = NULL;
    a->map = NULL;
    a->self.instance = rng_u64(sim_rng(a->w->s));
    actor_process(a);
}

struct sending {
    struct actor *a;
    struct msg *m;
    unsigned mon;
};

static void send_run(void *arg)
{
    struct sending *x = arg;

    if (x->a->s)
        session_send(x->a->s, x->m);
    else
        msg_free(x->m);
}

void actor_send(struct actor *a, struct msg *m)
{
    struct sending x = {a, m, 0};

    sim_enter(a->env, send_run, &x);
}

void actor_move(struct actor *a, unsigned mon)
{
    if (a->s) {
        session_close(a->s);
        session_unref(TAKE(a->s));
    }
    a->mon_at = mon;
    env_timer_after(a->env, &a->retry, 10 * NS_PER_MS);
}

static void command_begin_run(void *arg)
{
    command_send(arg);
}

static void answer_forget(struct actor *a)
{
    free(a->text);
    free(a->json);
    a->text = a->json = NULL;
    a->answered = false;
    a->rc = -ETIMEDOUT;
}

static void command_set(struct actor *a, const char *input, const char *word, va_list more)
{
    for (int i = 0; i < a->argc; i++)
        free(a->argv[i]);
    answer_forget(a);
    a->input = input;
    a->argc = 0;
    a->command_id++;
    for (; word; word = va_arg(more, const char *))
        a->argv[a->argc++] = strdup(word);
    sim_enter(a->env, command_begin_run, a);
}

static void again_run(void *arg)
{
    actor_connect(arg);
}

void actor_command_again(struct actor *a)
{
    answer_forget(a);
    sim_enter(a->env, again_run, a);
}

void actor_command_begin(struct actor *a, const char *word, ...)
{
    va_list more;

    va_start(more, word);
    command_set(a, NULL, word, more);
    va_end(more);
}

static bool is_answered(struct world *w, void *arg)
{
    UNUSED(w);
    return ((struct actor *)arg)->answered;
}

bool actor_wait_answer(struct actor *a, uint64_t ms)
{
    return world_wait(a->w, is_answered, a, ms);
}

int actor_command(struct actor *a, const char *word, ...)
{
    va_list more;

    va_start(more, word);
    command_set(a, NULL, word, more);
    va_end(more);
    (void)actor_wait_answer(a, 20000); /* rc tells */
    return a->rc;
}

int actor_command_input(struct actor *a, const char *input, const char *word, ...)
{
    va_list more;

    va_start(more, word);
    command_set(a, input, word, more);
    va_end(more);
    (void)actor_wait_answer(a, 20000);
    return a->rc;
}

struct want_epoch {
    struct actor *a;
    uint32_t epoch;
};

static bool has_epoch(struct world *w, void *arg)
{
    struct want_epoch *x = arg;

    UNUSED(w);
    return x->a->map && x->a->map->epoch.v >= x->epoch;
}

bool actor_wait_epoch(struct actor *a, uint32_t epoch, uint64_t ms)
{
    struct want_epoch x = {a, epoch};

    return world_wait(a->w, has_epoch, &x, ms);
}

const struct osd_info *world_osd_info(struct world *w, uint32_t id)
{
    const struct osdmap *newest = NULL;

    for (unsigned i = 0; i < w->actors; i++) {
        const struct actor *a = &w->actor[i];

        if (sim_process_alive(a->env) && a->map && (!newest || a->map->epoch.v > newest->epoch.v))
            newest = a->map;
    }
    return newest && id < newest->osd_count ? &newest->osds[id] : NULL;
}

struct want_osd {
    uint32_t id;
    bool up;
};

static bool osd_is(struct world *w, void *arg)
{
    struct want_osd *x = arg;
    const struct osd_info *o = world_osd_info(w, x->id);

    return ((o && (o->state & OSD_UP)) ? true : false) == x->up;
}

bool osd_wait(struct world *w, uint32_t id, bool up, uint64_t ms)
{
    struct want_osd x = {id, up};

    return world_wait(w, osd_is, &x, ms);
}

struct reporting {
    struct actor *reporter, *target;
    bool refused, alive;
    uint32_t silent_ms;
};

static void report_run(void *arg)
{
    struct reporting *r = arg;
    struct msg_osd_failure *m = MESSAGE_NEW(osd_failure);

    m->reporter = r->reporter->boot.osd;
    m->target = r->target->boot.osd;
    m->target_instance = r->target->self.instance;
    m->refused = r->refused;
    m->alive = r->alive;
    m->silent_ms = r->silent_ms;
    if (r->reporter->s)
        session_send(r->reporter->s, &m->base);
    else
        msg_free(&m->base);
}

void osd_report(struct actor *reporter, struct actor *target, bool refused, uint32_t silent_ms,
                bool alive)
{
    struct reporting r = {reporter, target, refused, alive, silent_ms};

    sim_enter(reporter->env, report_run, &r);
}
