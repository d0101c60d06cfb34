/* faults.c - each fault is a small play of its own: sim_at calls it again until it is over.
 *
 * All choices come from the fault's own stream of random numbers, and none depends on what the
 * cluster answered but for who is alive.  cluster.healing ends them all. */
#include "tests/sim/faults.h"

static uint64_t between_ms(struct fault *ft, uint64_t lo, uint64_t hi)
{
    return rng_between(&ft->rng, lo, hi) * NS_PER_MS;
}

static void play(void *arg);

static void again(struct fault *ft, uint64_t after_ns)
{
    sim_at(ft->cl->sim, sim_now_ns(ft->cl->sim) + after_ns, play, ft);
}

/* An OSD most of the time; with `clients` sometimes one of them. */
static struct node *victim(struct fault *ft, bool clients)
{
    struct cluster *cl = ft->cl;
    uint64_t pick = rng_below(&ft->rng, 10);

    if (pick < 7)
        return &cl->osd[rng_below(&ft->rng, cl->sc.osds)];
    if (pick < 9 || !clients)
        return &cl->mon[rng_below(&ft->rng, cl->sc.mons)];
    return &cl->client[rng_below(&ft->rng, cl->sc.clients)];
}

/* Mostly short; sometimes until well after others have noticed. */
static uint64_t down_for(struct fault *ft)
{
    uint64_t pick = rng_below(&ft->rng, 3);

    return pick == 0   ? between_ms(ft, 1, 200)
           : pick == 1 ? between_ms(ft, 200, 3000)
                       : between_ms(ft, 3000, 12000);
}

/* --- the network ------------------------------------------------------------------------------ */

/* A session outlives a connection that breaks, if the next one comes about; therefore some of the
 * clients are refused for a while.  They give the session up and send again what the OSD may have
 * under way.  Returns when the next turn comes. */
static uint64_t flap(struct fault *ft)
{
    struct cluster *cl = ft->cl;

    ft->refusing = !ft->refusing;
    for (uint32_t i = 0; i < cl->sc.clients; i++)
        for (uint32_t k = 0; k < cl->sc.osds; k++)
            if (ft->refusing && rng_chance(&ft->rng, 1, 2))
                sim_net_refuse(cl->sim, cl->client[i].machine, cl->osd[k].machine);
            else
                sim_net_admit(cl->client[i].machine, cl->osd[k].machine);
    cl->cov.flaps += ft->refusing;
    return ft->refusing ? between_ms(ft, 2, 150) : between_ms(ft, 50, 1000);
}

static void play_resets(struct fault *ft)
{
    if (!ft->on)
        ft->cl->cov.resets++;
    ft->on = true;
    sim_net_reset_some(ft->cl->sim, 1, (uint32_t)rng_between(&ft->rng, 1, 6));
    if (sim_now_ns(ft->cl->sim) < ft->at_ns + ft->for_ns)
        again(ft, between_ms(ft, 20, 1500));
}

static void cut(struct fault *ft, struct node *a, struct node *b, uint64_t way)
{
    if (a == b)
        return;
    if (way == 0)
        sim_net_cut(ft->cl->sim, a->machine, b->machine, true);
    else
        sim_net_cut(ft->cl->sim, way == 1 ? a->machine : b->machine,
                    way == 1 ? b->machine : a->machine, false);
}

/* Who is on `side` does not hear the others, or they it. */
static void cut_sides(struct fault *ft, const bool *side, uint64_t way)
{
    struct cluster *cl = ft->cl;
    uint32_t count = cluster_nodes(cl);

    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < count; k++)
            if (side[i] && !side[k])
                cut(ft, cluster_node(cl, i), cluster_node(cl, k), way);
}

static void cut_some(struct fault *ft)
{
    struct cluster *cl = ft->cl;
    uint32_t count = cluster_nodes(cl);
    uint64_t form = rng_below(&ft->rng, 6), way = rng_below(&ft->rng, 3);
    struct node *one = victim(ft, true), *other = &cl->osd[rng_below(&ft->rng, cl->sc.osds)];
    bool side[MONS_MAX + OSDS_MAX + CLIENTS_MAX];

    switch (form) {
    case 0: /* a pair, one of them an OSD */
        cut(ft, one, other, way);
        return;
    case 1: /* one from the other servers; clients reach it */
    case 2:
        for (uint32_t i = 0; i < count; i++)
            if (cluster_node(cl, i)->kind != NODE_CLIENT)
                cut(ft, form == 1 ? other : one, cluster_node(cl, i), way);
        return;
    case 3: /* an OSD from everybody but some clients, who know no newer map than it does */
        for (uint32_t i = 0; i < count; i++)
            side[i] = cluster_node(cl, i) == other ||
                      (cluster_node(cl, i)->kind == NODE_CLIENT && rng_chance(&ft->rng, 1, 2));
        cut_sides(ft, side, 0);
        return;
    default: /* one from all, or two halves */
        for (uint32_t i = 0; i < count; i++)
            side[i] = form == 4 ? cluster_node(cl, i) == one : rng_chance(&ft->rng, 1, 2);
        cut_sides(ft, side, way);
    }
}

/* Half of them are noisy: clients' connections that could go on flap, too, so that writes which
 * wait for a member that is away are asked for again. */
static void play_partition(struct fault *ft)
{
    uint64_t now = sim_now_ns(ft->cl->sim), end = ft->at_ns + ft->for_ns, next = end - now;

    if (!ft->on) {
        ft->on = true;
        ft->cl->cov.partitions++;
        cut_some(ft);
        ft->noisy = rng_chance(&ft->rng, 1, 2);
    } else if (now >= end) {
        sim_net_heal_all(ft->cl->sim);
        return;
    }
    if (ft->noisy) {
        uint64_t turn = flap(ft);

        next = MIN(turn, next);
    }
    again(ft, next);
}

/* --- processes and machines ------------------------------------------------------------------- */

static void play_pause(struct fault *ft)
{
    struct node *n = victim(ft, true);

    if (node_alive(n)) {
        ft->cl->cov.pauses++;
        sim_process_pause(n->env, rng_chance(&ft->rng, 1, 2) ? between_ms(ft, 100, 2000)
                                                             : between_ms(ft, 2000, 9000));
    }
    if (ft->left-- > 1)
        again(ft, between_ms(ft, 1, 4000));
}

static void play_kill(struct fault *ft)
{
    struct node *n = victim(ft, true);
    uint64_t down = down_for(ft);

    if (node_alive(n)) {
        ft->cl->cov.kills++;
        node_kill(n, down);
    }
    if (ft->left-- > 1)
        again(ft, between_ms(ft, 1, 4000));
}

static void play_lag(struct fault *ft)
{
    struct node *n = &ft->cl->mon[ft->victim % ft->cl->sc.mons];

    if (ft->on) /* each death of an OSD makes maps */
        n = &ft->cl->osd[rng_below(&ft->rng, ft->cl->sc.osds)];
    else
        ft->left = 5;
    if (node_alive(n)) {
        ft->cl->cov.kills++;
        node_kill(n, ft->on ? between_ms(ft, 100, 1500) : between_ms(ft, 15000, 20000));
    }
    ft->on = true;
    if (ft->left-- > 1)
        again(ft, between_ms(ft, 2000, 3500));
}

static void cut_power(struct fault *ft, struct node *n)
{
    uint64_t down = down_for(ft), ios = rng_between(&ft->rng, 1, 20);

    if (!node_alive(n))
        return;
    ft->cl->cov.power_cuts++;
    if (rng_chance(&ft->rng, 1, 2))
        node_power_cut(n, down);
    else
        sim_machine_cut_at_io(n->machine, sim_machine_ios(n->machine) + ios);
}

static void play_power(struct fault *ft)
{
    cut_power(ft, victim(ft, false));
    if (ft->left-- > 1)
        again(ft, between_ms(ft, 1, 4000));
}

/* Whoever loses an acknowledged write in a blackout has no other copy to take it from. */
static void play_blackout(struct fault *ft)
{
    struct cluster *cl = ft->cl;
    bool all = rng_chance(&ft->rng, 2, 3), mons = rng_chance(&ft->rng, 1, 3);

    cl->cov.blackouts++;
    for (uint32_t i = 0; i < cl->sc.osds; i++)
        if (all || rng_chance(&ft->rng, 1, 2)) {
            cl->cov.power_cuts++;
            node_power_cut(&cl->osd[i], down_for(ft));
        }
    for (uint32_t i = 0; mons && i < cl->sc.mons; i++) {
        cl->cov.power_cuts++;
        node_power_cut(&cl->mon[i], down_for(ft));
    }
}

static void play_skew(struct fault *ft)
{
    struct cluster *cl = ft->cl;
    int64_t drift = cl->sc.drift_ppm;

    cl->cov.skews++;
    for (uint32_t i = 0; i < cl->sc.mons + cl->sc.osds; i++) {
        struct node *n = cluster_node(cl, i);
        int64_t ppm = (int64_t)rng_below(&ft->rng, (uint64_t)(2 * drift + 1)) - drift;

        if (rng_chance(&ft->rng, 1, 3))
            ppm = ppm < 0 ? -drift : drift;
        if (node_alive(n))
            sim_clock_skew(n->env, (int32_t)ppm);
    }
}

/* --- an operator ------------------------------------------------------------------------------ */

static void play_restart(struct fault *ft)
{
    struct node *n = victim(ft, false);

    if (n->state == NODE_READY) {
        ft->cl->cov.clean_restarts++;
        node_stop(n, between_ms(ft, 1, 3000));
    }
    if (ft->left-- > 1)
        again(ft, between_ms(ft, 500, 6000));
}

static void play_out(struct fault *ft)
{
    char id[16];
    const char *argv[3] = {"osd", ft->on ? "in" : "out", id};

    snprintf(id, sizeof(id), "%u", ft->victim);
    if (!cluster_command(ft->cl, 3, argv)) {
        again(ft, NS_PER_S);
        return;
    }
    if (ft->on)
        return;
    ft->on = true;
    ft->cl->cov.outs++;
    again(ft, ft->for_ns);
}

static void play(void *arg)
{
    struct fault *ft = arg;

    if (ft->cl->healing && !(ft->kind == FAULT_OUT && ft->on))
        return;
    switch (ft->kind) {
    case FAULT_RESETS:
        play_resets(ft);
        break;
    case FAULT_PARTITION:
        play_partition(ft);
        break;
    case FAULT_PAUSE:
        play_pause(ft);
        break;
    case FAULT_KILL:
        play_kill(ft);
        break;
    case FAULT_POWER:
        play_power(ft);
        break;
    case FAULT_BLACKOUT:
        play_blackout(ft);
        break;
    case FAULT_SKEW:
        play_skew(ft);
        break;
    case FAULT_RESTART:
        play_restart(ft);
        break;
    case FAULT_OUT:
        play_out(ft);
        break;
    case FAULT_LAG:
        play_lag(ft);
        break;
    }
}

/* --- drawing ---------------------------------------------------------------------------------- */

static void plan(struct faults *fs, struct cluster *cl, struct rng *r, enum fault_kind kind)
{
    struct fault *ft = &fs->fault[fs->count++];
    uint64_t load = cl->sc.load_ns, now = sim_now_ns(cl->sim);

    *ft = (struct fault){.cl = cl, .kind = kind};
    ft->at_ns = now + rng_between(r, load / 30, load * 8 / 10);
    ft->for_ns = rng_between(r, 200, 10000) * NS_PER_MS;
    ft->left = (uint32_t)rng_between(r, 1, 4);
    ft->victim = (uint32_t)rng_below(r, cl->sc.osds);
    rng_seed(&ft->rng, rng_u64(r));
    sim_at(cl->sim, ft->at_ns, play, ft);
}

void faults_plan(struct faults *fs, struct cluster *cl)
{
    /* How often each is drawn. */
    static const uint8_t weight[FAULT_KINDS] = {
        [FAULT_RESETS] = 3, [FAULT_PARTITION] = 4, [FAULT_PAUSE] = 3, [FAULT_KILL] = 4,
        [FAULT_POWER] = 3,  [FAULT_BLACKOUT] = 3,  [FAULT_SKEW] = 1};
    struct rng r;

    *fs = (struct faults){0};
    rng_seed(&r, cl->sc.seed * UINT64_C(0x94d049bb133111eb) + 3);
    for (unsigned i = 0; i < FAULTS_OF_A_SEED; i++) {
        uint64_t pick = rng_below(&r, 21);
        unsigned kind = 0;

        while (pick >= weight[kind])
            pick -= weight[kind++];
        plan(fs, cl, &r, (enum fault_kind)kind);
    }
    if (rng_chance(&r, 1, 3))
        plan(fs, cl, &r, FAULT_RESTART);
    if (rng_chance(&r, 1, 3))
        plan(fs, cl, &r, FAULT_OUT);
    if (cl->sc.mon_log)
        plan(fs, cl, &r, FAULT_LAG);
}

void faults_print(const struct faults *fs, FILE *f)
{
    static const char *const names[] = {"resets",   "partition", "pause",   "kill", "power",
                                        "blackout", "skew",      "restart", "out",  "lag"};

    for (uint32_t i = 0; i < fs->count; i++)
        fprintf(f, "  %.3f s: %s\n", (double)fs->fault[i].at_ns / 1e9, names[fs->fault[i].kind]);
}
