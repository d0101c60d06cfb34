/* cluster.c - the driver's side of a simulated cluster.
 *
 * A node's life: DOWN, a process is made and its role started (STARTING), READY when the role says
 * so, DOWN again when it is killed, loses power, was stopped (STOPPING), or gave up.  Every TICK_NS
 * the driver looks whether one is to be started.  Roles run inside their processes (sim_enter) and
 * tell us by callbacks, which write into the driver's memory: a dead process calls nothing back. */
#include "tests/sim/cluster.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/client/include/cairn_env.h"
#include "core/map/osdmap.h"
#include "tests/sim/workload.h"

enum { STEPS_LIMIT = 1000000 }; /* a seed takes 100,000: it does not come to rest */
#define TICK_NS       (20 * NS_PER_MS)
#define BOOT_LIMIT_NS (60 * NS_PER_S)
#define STOP_LIMIT_NS (60 * NS_PER_S)
#define START_MAX_NS                                                                               \
    (60 * NS_PER_S) /* a role that is not ready after this is stuck, when all is well */

void cluster_broken(struct cluster *cl, const char *fmt, ...)
{
    va_list args;

    if (cl->broken)
        return;
    cl->broken = true;
    va_start(args, fmt);
    vsnprintf(cl->why, sizeof(cl->why), fmt, args);
    va_end(args);
}

/* --- nodes ------------------------------------------------------------------------------------ */

uint32_t cluster_nodes(const struct cluster *cl)
{
    return cl->sc.mons + cl->sc.osds + cl->sc.clients;
}

struct node *cluster_node(struct cluster *cl, uint32_t i)
{
    if (i < cl->sc.mons)
        return &cl->mon[i];
    i -= cl->sc.mons;
    if (i < cl->sc.osds)
        return &cl->osd[i];
    i -= cl->sc.osds;
    return i < cl->sc.clients ? &cl->client[i] : &cl->admin;
}

bool node_alive(const struct node *n)
{
    return n->env && n->state != NODE_DOWN && sim_process_alive(n->env);
}

static void node_state(struct node *n, enum node_state state)
{
    n->state = state;
    n->since_ns = sim_now_ns(n->cl->sim);
}

/* Before its memory goes. */
static void node_count(struct node *n)
{
    struct coverage *cov = &n->cl->cov;

    if (n->osd)
        coverage_osd(cov, osd_counters(n->osd));
    if (n->mon)
        coverage_mon(cov, mon_counters(n->mon));
    if (n->client)
        cov->resends += cairn_resends(n->client);
    if (n->client && n != &n->cl->admin && n->cl->load->client_count)
        n->cl->load->client_count(n->cl->load, n);
}

void cluster_count(struct cluster *cl)
{
    for (uint32_t i = 0; i <= cluster_nodes(cl); i++)
        if (node_alive(cluster_node(cl, i)))
            node_count(cluster_node(cl, i));
}

static void node_gone(struct node *n, uint64_t down_ns)
{
    uint64_t now = sim_now_ns(n->cl->sim);

    n->osd = NULL;
    n->mon = NULL;
    n->client = NULL;
    n->pool = NULL;
    n->failed = false;
    n->start_at_ns = down_ns == NEVER ? NEVER : now + down_ns;
    node_state(n, NODE_DOWN);
    if (n->kind == NODE_CLIENT && n != &n->cl->admin)
        n->cl->load->client_down(n->cl->load, n);
}

void node_died(struct node *n, uint64_t down_ns)
{
    node_gone(n, down_ns);
}

void node_kill(struct node *n, uint64_t down_ns)
{
    if (!node_alive(n))
        return;
    node_count(n);
    sim_process_kill(n->env);
    node_gone(n, down_ns);
}

void node_power_cut(struct node *n, uint64_t down_ns)
{
    if (node_alive(n))
        node_count(n);
    sim_machine_power_cut(n->machine);
    node_gone(n, down_ns);
}

/* --- stopping --------------------------------------------------------------------------------- */

static void node_stopped(void *arg)
{
    struct node *n = arg;

    n->osd = NULL;
    n->mon = NULL;
    n->client = NULL;
    n->failed = false; /* the tick buries the process */
    node_state(n, NODE_STOPPING);
    n->since_ns = 0;
}

static void stop_inside(void *arg)
{
    struct node *n = arg;

    if (n->client && n != &n->cl->admin)
        n->cl->load->client_stops(n->cl->load, n);
    cairn_pool_close(n->pool);
    n->pool = NULL;
    if (n->osd)
        osd_stop(n->osd, node_stopped, n);
    else if (n->mon)
        mon_stop(n->mon, node_stopped, n);
    else if (n->client)
        cairn_close_env(n->client, node_stopped, n);
    else
        node_stopped(n);
}

void node_stop(struct node *n, uint64_t down_ns)
{
    if (!node_alive(n) || n->state != NODE_READY)
        return;
    node_count(n);
    n->start_at_ns = down_ns == NEVER ? NEVER : sim_now_ns(n->cl->sim) + down_ns;
    node_state(n, NODE_STOPPING);
    sim_enter(n->env, stop_inside, n);
}

/* It has told that it is closed: its process must hold nothing any more. */
static void node_bury(struct node *n)
{
    uint64_t left = sim_process_end(n->env);
    uint64_t at = n->start_at_ns;

    if (left)
        cluster_broken(n->cl, "%s: %llu bytes and handles were left after a clean stop", n->name,
                       (unsigned long long)left);
    node_gone(n, NEVER);
    n->start_at_ns = at;
}

/* --- starting --------------------------------------------------------------------------------- */

static void role_failed(void *arg, int rc, const struct note *why)
{
    struct node *n = arg;

    n->failed = true;
    cluster_broken(n->cl, "%s gave up: %s %s", n->name, reason_name(rc), why ? why->text : "");
}

static void role_ready(void *arg, int rc, const struct note *why)
{
    struct node *n = arg;

    if (rc < 0)
        role_failed(n, rc, why);
    else
        node_state(n, NODE_READY);
}

static void start_mon(struct node *n)
{
    struct mon_conf conf = {
        .id = n->id, .conf = &n->conf, .folder = "/mon", .snapshot_entries = n->cl->sc.mon_log};
    struct mon_members members;
    struct note why = {0};
    int rc = mon_members_parse(n->cl->mons_text, &members, &why);

    if (rc == 0 && !n->made)
        rc = mon_mkfs(n->env, "/mon", n->cl->fsid, n->id, &members, &why);
    if (rc == 0) {
        n->made = true;
        rc = mon_start(n->env, &conf, role_ready, n, &n->mon, &why);
    }
    if (rc < 0)
        role_failed(n, rc, &why);
    else
        mon_on_failure(n->mon, role_failed, n);
}

static void start_osd(struct node *n)
{
    struct osd_conf conf = {.id = {(int32_t)n->id}, .conf = &n->conf, .folder = "/osd"};
    struct note why = {0};
    int rc = 0;

    snprintf(conf.addr.s, sizeof(conf.addr.s), "127.0.2.%u:6800", n->id + 1);
    snprintf(conf.host, sizeof(conf.host), "host%u", n->id);
    if (!n->made)
        rc = osd_mkfs(n->env, &conf, n->cl->fsid, &why);
    if (rc == 0) {
        n->made = true;
        rc = osd_start(n->env, &conf, role_ready, n, &n->osd);
    }
    if (rc < 0)
        role_failed(n, rc, &why);
    else
        osd_on_failure(n->osd, role_failed, n);
}

static void map_seen(void *arg, const struct osdmap *map)
{
    struct cluster *cl = arg;
    const struct pool *p = osdmap_pool_named(map, "hot");

    cl->epoch = map->epoch.v;
    cl->osds_up = 0;
    for (uint32_t i = 0; i < map->osd_count; i++)
        cl->osds_up += osdmap_up(map, (struct osd_id){(int32_t)i});
    cl->pool_id = p ? p->id.v : 0;
    cl->pg_count = p ? p->pg_count : 0;
}

static void client_ready(void *arg, int rc)
{
    struct node *n = arg;

    if (rc < 0) {
        role_failed(n, rc, NULL);
        return;
    }
    node_state(n, NODE_READY);
    if (n == &n->cl->admin)
        cairn_watch_map(n->client, map_seen, n->cl);
    else if (n->cl->started)
        n->cl->load->client_up(n->cl->load, n);
}

static void start_client(struct node *n)
{
    struct cairn_env_conf conf = {.conf = &n->conf};
    int rc = cairn_open_env(n->env, &conf, client_ready, n, &n->client);

    if (rc == 0)
        rc = cairn_pool_open_env(n->client, "hot", &n->pool);
    if (rc < 0)
        role_failed(n, rc, NULL);
}

static void start_inside(void *arg)
{
    struct node *n = arg;

    if (n->kind == NODE_MON)
        start_mon(n);
    else if (n->kind == NODE_OSD)
        start_osd(n);
    else
        start_client(n);
}

void node_start(struct node *n)
{
    ASSERT(n->state == NODE_DOWN);
    n->env = sim_process_start(n->machine, n->name);
    n->start_at_ns = NEVER;
    n->lives++;
    node_state(n, NODE_STARTING);
    sim_enter(n->env, start_inside, n);
}

/* --- the driver's clock ----------------------------------------------------------------------- */

static void node_tick(struct node *n)
{
    uint64_t now = sim_now_ns(n->cl->sim);

    if (n->state == NODE_DOWN) {
        if (n->machine && n->start_at_ns <= now)
            node_start(n);
        return;
    }
    if (!sim_process_alive(n->env))
        node_died(n, rng_between(&n->cl->rng, NS_PER_MS, 3 * NS_PER_S)); /* cut_at_io */
    else if (n->state == NODE_STOPPING && n->since_ns == 0)
        node_bury(n);
    else if (n->failed)
        node_kill(n, NS_PER_S);
}

static void tick(void *arg)
{
    struct cluster *cl = arg;

    for (uint32_t i = 0; i <= cluster_nodes(cl); i++)
        node_tick(cluster_node(cl, i));
    sim_at(cl->sim, sim_now_ns(cl->sim) + TICK_NS, tick, cl);
}

static void check_node(struct node *n)
{
    if (!node_alive(n))
        return;
    if (n->osd)
        osd_check(n->osd);
    if (n->mon)
        mon_check(n->mon);
}

/* After every event: all of them, or one after the other. */
static void check(void *arg)
{
    struct cluster *cl = arg;
    uint32_t count = cl->sc.mons + cl->sc.osds;

    if (++cl->steps == STEPS_LIMIT)
        cluster_broken(cl, "no rest after %u events", STEPS_LIMIT);
    if (cl->load->stepped)
        cl->load->stepped(cl->load);
    if (!cl->sc.check_each_step) {
        check_node(cluster_node(cl, (uint32_t)(cl->steps % count)));
        return;
    }
    for (uint32_t i = 0; i < count; i++)
        check_node(cluster_node(cl, i));
}

struct run_until {
    struct cluster *cl;
    bool (*done)(struct cluster *cl);
};

static bool stop_running(void *arg)
{
    struct run_until *u = arg;

    return u->cl->broken || u->done(u->cl);
}

bool cluster_run(struct cluster *cl, uint64_t limit_ns, bool (*done)(struct cluster *cl))
{
    struct run_until u = {cl, done};

    if (!stop_running(&u))
        sim_run_until(cl->sim, sim_now_ns(cl->sim) + limit_ns, stop_running, &u);
    return !cl->broken && done(cl);
}

/* --- what it is about ------------------------------------------------------------------------- */

void scenario_draw(struct scenario *sc, uint64_t seed)
{
    struct rng r;

    rng_seed(&r, seed * UINT64_C(0x9e3779b97f4a7c15) + 1);
    *sc = (struct scenario){.seed = seed, .ops = 2000};
    sc->mons = rng_chance(&r, 1, 2) ? 3 : 1 + (uint32_t)rng_below(&r, 2);
    sc->osds = 3 + (uint32_t)rng_below(&r, 3);
    sc->clients = 2 + (uint32_t)rng_below(&r, 3);
    sc->objects = 4 + (uint32_t)rng_below(&r, 17);
    sc->log_min = 500;
    sc->log_max = 3000;
    if (seed % 2) {
        sc->log_min = 2 + (uint32_t)rng_below(&r, 24);
        sc->log_max = sc->log_min + (uint32_t)rng_below(&r, 51 - sc->log_min);
    }
    sc->drift_ppm = rng_chance(&r, 1, 2) ? 1000 : 20000;
    sc->down_out_s = rng_chance(&r, 1, 3) ? 3 + (uint32_t)rng_below(&r, 8) : 600;
    sc->load_ns = (60 + rng_below(&r, 15)) * NS_PER_S;
    if (seed % 8 == 6) { /* a monitor that was away finds its leader's log gone */
        sc->mons = 3;
        sc->mon_log = 2 + (uint32_t)rng_below(&r, 10);
    }
}

void scenario_print(const struct scenario *sc, FILE *f)
{
    fprintf(f,
            "seed %llu: %u mons, %u OSDs, %u clients, %u operations on %u objects, logs %u..%u, "
            "drift %u "
            "ppm, out after %u s, snapshots of monitors %u, %llu s\n",
            (unsigned long long)sc->seed, sc->mons, sc->osds, sc->clients, sc->ops, sc->objects,
            sc->log_min, sc->log_max, sc->drift_ppm, sc->down_out_s, sc->mon_log,
            (unsigned long long)(sc->load_ns / NS_PER_S));
}

static void node_conf(struct node *n)
{
    const struct scenario *sc = &n->cl->sc;
    const uint8_t *u = n->cl->fsid;
    struct config *c = &n->conf;

    config_defaults(c);
    snprintf(c->cluster_fsid.s, sizeof(c->cluster_fsid.s),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
             u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
             u[15]);
    memcpy(c->cluster_mons.s, n->cl->mons_text, sizeof(c->cluster_mons.s));
    c->osd_size = MIB(512);
    c->osd_journal = MIB(4);
    c->osd_cache = MIB(1);
    c->osd_pg_log_min = sc->log_min;
    c->osd_pg_log_max = sc->log_max;
    c->osd_clock_drift_ppm = sc->drift_ppm;
    c->mon_osd_down_out_s = sc->down_out_s;
}

static void node_init(struct cluster *cl, struct node *n, enum node_kind kind, uint32_t id,
                      const char *role, const char *net)
{
    char ip[32];

    *n = (struct node){.cl = cl, .kind = kind, .id = id, .start_at_ns = NEVER};
    snprintf(n->name, sizeof(n->name), "%s.%u", role, id);
    snprintf(ip, sizeof(ip), "%s.%u", net, id + 1);
    n->machine = sim_machine_create(cl->sim, n->name, ip);
    node_conf(n);
}

int cluster_init(struct cluster *cl, const struct scenario *sc, struct log_sink *sink,
                 struct workload *load)
{
    struct sim_conf conf = {.seed = sc->seed, .sink = sink};
    size_t at = 0;

    *cl = (struct cluster){.sc = *sc, .load = load};
    cl->sim = sim_create(&conf);
    if (!cl->sim)
        return -ENOMEM;
    rng_seed(&cl->rng, sc->seed * UINT64_C(0xbf58476d1ce4e5b9) + 7);
    for (unsigned i = 0; i < sizeof(cl->fsid); i++)
        cl->fsid[i] = (uint8_t)rng_u64(&cl->rng);
    for (uint32_t i = 0; i < sc->mons; i++)
        at += (size_t)snprintf(cl->mons_text + at, sizeof(cl->mons_text) - at,
                               "%s%u=127.0.1.%u:6789", i ? "," : "", i, i + 1);
    for (uint32_t i = 0; i < sc->mons; i++)
        node_init(cl, &cl->mon[i], NODE_MON, i, "mon", "127.0.1");
    for (uint32_t i = 0; i < sc->osds; i++)
        node_init(cl, &cl->osd[i], NODE_OSD, i, "osd", "127.0.2");
    for (uint32_t i = 0; i < sc->clients; i++)
        node_init(cl, &cl->client[i], NODE_CLIENT, i, "client", "127.0.3");
    node_init(cl, &cl->admin, NODE_CLIENT, 9, "admin", "127.0.4");
    sim_on_step(cl->sim, check, cl);
    sim_at(cl->sim, TICK_NS, tick, cl);
    return 0;
}

void cluster_fini(struct cluster *cl)
{
    sim_destroy(cl->sim);
    cl->sim = NULL;
}

/* --- booting ---------------------------------------------------------------------------------- */

static bool all_ready(struct node *n, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (n[i].state != NODE_READY)
            return false;
    return true;
}

static bool mons_ready(struct cluster *cl)
{
    return all_ready(cl->mon, cl->sc.mons);
}

static bool osds_ready(struct cluster *cl)
{
    return all_ready(cl->osd, cl->sc.osds) && cl->admin.state == NODE_READY;
}

static bool pool_there(struct cluster *cl)
{
    return cl->pool_id != 0;
}

static bool clients_ready(struct cluster *cl)
{
    return all_ready(cl->client, cl->sc.clients);
}

static void command_done(void *arg, int rc, const char *text, const void *json, size_t json_bytes)
{
    struct cluster *cl = arg;

    UNUSED(text);
    UNUSED(json);
    UNUSED(json_bytes);
    cl->command_busy = false;
    cl->command_rc = rc;
}

struct command {
    struct cluster *cl;
    int argc;
    const char *const *argv;
};

static void command_inside(void *arg)
{
    struct command *c = arg;
    int rc =
        cairn_command_env(c->cl->admin.client, c->argc, c->argv, NULL, 0, 0, command_done, c->cl);

    if (rc < 0)
        command_done(c->cl, rc, NULL, NULL, 0);
}

bool cluster_command(struct cluster *cl, int argc, const char *const *argv)
{
    struct command c = {cl, argc, argv};

    if (cl->command_busy || !node_alive(&cl->admin))
        return false;
    snprintf(cl->command, sizeof(cl->command), "%s %s", argv[0], argc > 1 ? argv[1] : "");
    cl->command_busy = true;
    sim_enter(cl->admin.env, command_inside, &c);
    return true;
}

static void start_all(struct node *n, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        n[i].start_at_ns = 0;
}

static void load_starts(void *arg)
{
    struct node *n = arg;

    n->cl->load->client_up(n->cl->load, n);
}

bool cluster_boot(struct cluster *cl)
{
    static const char *const make_pool[] = {"pool", "create", "hot"};
    bool ok;

    start_all(cl->mon, cl->sc.mons);
    ok = cluster_run(cl, BOOT_LIMIT_NS, mons_ready);
    if (ok) {
        start_all(&cl->admin, 1);
        start_all(cl->osd, cl->sc.osds);
        ok = cluster_run(cl, BOOT_LIMIT_NS, osds_ready);
    }
    if (ok) {
        (void)cluster_command(cl, 3, make_pool);
        ok = cluster_run(cl, BOOT_LIMIT_NS, pool_there);
    }
    if (ok) {
        start_all(cl->client, cl->sc.clients);
        ok = cluster_run(cl, BOOT_LIMIT_NS, clients_ready);
    }
    if (!ok) {
        cluster_broken(cl, "the cluster did not start (last command: %s = %d)", cl->command,
                       cl->command_rc);
        return false;
    }
    cl->started = true;
    for (uint32_t i = 0; i < cl->sc.clients; i++)
        sim_enter(cl->client[i].env, load_starts, &cl->client[i]);
    return true;
}

/* --- healing, ending -------------------------------------------------------------------------- */

void cluster_heal(struct cluster *cl)
{
    uint64_t now = sim_now_ns(cl->sim);

    cl->healing = true;
    sim_net_heal_all(cl->sim);
    for (uint32_t i = 0; i < cluster_nodes(cl); i++) {
        struct node *n = cluster_node(cl, i);

        sim_machine_cut_at_io(n->machine, 0);
        sim_net_slow(cl->sim, n->machine, 0);
        sim_disk_fault(n->machine, SIM_DISK_SLOW, 0);
        if (n->start_at_ns == NEVER || n->start_at_ns > now)
            n->start_at_ns = n->state == NODE_READY || n->state == NODE_STARTING ? NEVER : now;
    }
}

bool cluster_clean(struct cluster *cl)
{
    uint32_t epoch = cl->epoch;

    if (!all_ready(cl->mon, cl->sc.mons) || !all_ready(cl->osd, cl->sc.osds) ||
        !all_ready(cl->client, cl->sc.clients) || cl->osds_up != cl->sc.osds)
        return false;
    for (uint32_t i = 0; i < cl->sc.mons; i++)
        if (mon_epoch(cl->mon[i].mon).v != epoch)
            return false;
    for (uint32_t i = 0; i < cl->sc.osds; i++)
        if (osd_epoch(cl->osd[i].osd).v != epoch || !osd_clean(cl->osd[i].osd))
            return false;
    return true;
}

static const char *state_name(const struct node *n)
{
    static const char *const names[] = {"down", "starting", "ready", "stopping"};

    return names[n->state];
}

static void status_inside(void *arg)
{
    struct node *n = arg;
    char *text = osd_status(n->osd);

    fprintf(stderr, "  %s\n", text ? text : "(no memory)");
    mem_free(text);
}

void cluster_print(struct cluster *cl, FILE *f)
{
    fprintf(f, "at %.6f s, the admin's map is %u, %u OSDs up\n", (double)sim_now_ns(cl->sim) / 1e9,
            cl->epoch, cl->osds_up);
    for (uint32_t i = 0; i <= cluster_nodes(cl); i++) {
        struct node *n = cluster_node(cl, i);

        fprintf(f, "  %-9s %s since %.3f, life %llu", n->name, state_name(n),
                (double)n->since_ns / 1e9, (unsigned long long)n->lives);
        if (node_alive(n) && n->mon)
            fprintf(f, ", epoch %u%s", mon_epoch(n->mon).v, mon_leads(n->mon) ? ", leads" : "");
        if (node_alive(n) && n->osd)
            fprintf(f, ", epoch %u%s", osd_epoch(n->osd).v, osd_clean(n->osd) ? ", clean" : "");
        fprintf(f, "\n");
    }
    fflush(f);
    for (uint32_t i = 0; i < cl->sc.osds; i++)
        if (node_alive(&cl->osd[i]) && cl->osd[i].osd && cl->osd[i].state == NODE_READY)
            sim_enter(cl->osd[i].env, status_inside, &cl->osd[i]);
}

static bool all_down(struct node *n, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (n[i].state != NODE_DOWN)
            return false;
    return true;
}

static bool clients_down(struct cluster *cl)
{
    return all_down(cl->client, cl->sc.clients);
}

static bool osds_down(struct cluster *cl)
{
    return all_down(cl->osd, cl->sc.osds);
}

static bool mons_down(struct cluster *cl)
{
    return all_down(cl->mon, cl->sc.mons) && cl->admin.state == NODE_DOWN;
}

static bool stop_all(struct cluster *cl, struct node *n, uint32_t count,
                     bool (*down)(struct cluster *cl))
{
    for (uint32_t i = 0; i < count; i++)
        node_stop(&n[i], NEVER);
    if (cluster_run(cl, STOP_LIMIT_NS, down))
        return true;
    cluster_broken(cl, "%ss did not stop",
                   n[0].kind == NODE_OSD   ? "OSD"
                   : n[0].kind == NODE_MON ? "mon"
                                           : "client");
    return false;
}

bool cluster_stop(struct cluster *cl)
{
    if (!stop_all(cl, cl->client, cl->sc.clients, clients_down) ||
        !stop_all(cl, cl->osd, cl->sc.osds, osds_down))
        return false;
    node_stop(&cl->admin, NEVER);
    return stop_all(cl, cl->mon, cl->sc.mons, mons_down);
}
