/* test_faults.c - nothing lost, nothing twice, nothing out of turn: random breaks, cuts, slow
 * networks, pauses, kills, and allocations that fail, in the simulator.
 *
 * A failing seed is printed by the assertion; put it into run_faults() alone to replay it. */
#include "core/msgr/internal.h"
#include "tests/unit/msgr/world.h"
#include "tests/unit/t.h"

enum { SEEDS = 16, MESSAGES = 1500 };

static void one_fault(struct world *w, struct rng *rng)
{
    switch (rng_below(rng, 6)) {
    case 0:
    case 1:
        sim_net_reset_some(w->sim, 1, 1);
        break;
    case 2:
        sim_net_cut(w->sim, w->machine[0], w->machine[1], rng_chance(rng, 1, 2));
        break;
    case 3:
        sim_net_slow(w->sim, w->machine[rng_below(rng, 2)], rng_below(rng, 50) * NS_PER_MS);
        break;
    case 4:
        sim_process_pause(w->env[rng_below(rng, 2)], rng_below(rng, 3000) * NS_PER_MS);
        break;
    default:
        sim_net_heal_all(w->sim);
        break;
    }
}

static void send_some(struct world *w, struct node *n, struct rng *rng)
{
    static const uint32_t sizes[] = {0, 16, 4096, 30000, 100000};
    uint64_t count = 1 + rng_below(rng, 60);

    count = MIN(count, MESSAGES - n->sent);
    if (count && (n->out || n->in))
        world_send(w, n, count, (uint32_t)rng_below(rng, 100), sizes[rng_below(rng, 5)]);
}

struct coverage {
    uint64_t breaks, resent;
};

static void cover(struct coverage *c, const struct node *n)
{
    c->breaks += counter_get(&n->m->counts.breaks);
    c->resent += counter_get(&n->m->counts.resent);
}

/* Returns the trace hash. */
static uint64_t run_faults(uint64_t seed, struct coverage *c)
{
    struct world w;
    struct rng rng;
    uint64_t hash;

    world_init(&w, WORLD_SIM, seed);
    rng_seed(&rng, seed);
    w.conf.give_up_ms = w.conf.forget_ms = 3600 * 1000;
    w.conf.in_bytes_max = rng_chance(&rng, 1, 2) ? 50000 : 0;
    world_start(&w, &w.b, true);
    world_start(&w, &w.a, false);
    T_OK(world_open(&w, NULL));
    while (w.a.sent < MESSAGES || w.b.sent < MESSAGES) {
        send_some(&w, &w.a, &rng);
        send_some(&w, &w.b, &rng);
        if (rng_chance(&rng, 2, 3))
            one_fault(&w, &rng);
        world_sleep(&w, (uint32_t)rng_below(&rng, 400));
    }
    sim_net_heal_all(w.sim);
    sim_net_slow(w.sim, w.machine[0], 0);
    sim_net_slow(w.sim, w.machine[1], 0);
    T_TRUE(world_got(&w, &w.b, MESSAGES, 120000));
    T_TRUE(world_got(&w, &w.a, MESSAGES, 120000));
    world_sleep(&w, 5000);
    T_EQ(w.a.got, MESSAGES);
    T_EQ(w.b.got, MESSAGES);
    T_EQ(w.a.resets + w.b.resets, 0);
    T_EQ(session_queued_bytes(w.a.out), 0);
    T_EQ(session_queued_bytes(w.b.in), 0);
    hash = sim_trace_hash(w.sim);
    cover(c, &w.a);
    cover(c, &w.b);
    world_fini(&w);
    return hash;
}

T(msgr_faults, everything_arrives_once_and_in_order_whatever_breaks)
{
    struct coverage c = {0};

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run_faults(seed, &c);
    fprintf(stderr, "%llu breaks, %llu messages sent again\n", (unsigned long long)c.breaks,
            (unsigned long long)c.resent);
    T_GT(c.breaks, SEEDS * 5);
    T_GT(c.resent, SEEDS * 50);
}

T(msgr_faults, one_seed_is_one_run)
{
    struct coverage c = {0};

    T_EQ(run_faults(7, &c), run_faults(7, &c));
    T_NE(run_faults(7, &c), run_faults(8, &c));
}

static void kill_b(struct world *w)
{
    sim_process_kill(w->env[1]);
    node_init(&w->b, ENTITY_OSD, 2);
    w->env[1] = sim_process_start(w->machine[1], "b");
    w->b.env = w->env[1];
}

T(msgr_faults, a_killed_and_restarted_listener_resets_the_opener_once)
{
    struct world w;
    struct net_addr at;

    world_init(&w, WORLD_SIM, 5);
    world_start(&w, &w.b, true);
    world_start(&w, &w.a, false);
    T_OK(world_open(&w, NULL));
    world_send(&w, &w.a, 50, 0, 5000);
    T_TRUE(world_got(&w, &w.b, 10, 1000));
    at = w.b.addr;
    kill_b(&w);
    world_sleep(&w, 3000);
    T_EQ(w.a.resets, 0);
    world_send(&w, &w.a, 50, 0, 5000);
    w.b.addr = at;
    world_start(&w, &w.b, true);
    T_TRUE(world_resets(&w, &w.a, 1, 3000));
    world_sleep(&w, 3000);
    T_EQ(w.a.resets, 1);
    T_EQ(w.a.why, -R_SESSION_RESET);
    T_EQ(w.b.got, 0);
    world_fini(&w);
}

T(msgr_faults, a_killed_listener_is_noticed_at_once_by_who_wants_to_know)
{
    struct world w;
    struct session_conf conf = {.fast_fail = true};

    world_init(&w, WORLD_SIM, 5);
    world_start(&w, &w.b, true);
    world_start(&w, &w.a, false);
    T_OK(world_open(&w, &conf));
    world_send(&w, &w.a, 5, 0, 100);
    T_TRUE(world_got(&w, &w.b, 5, 1000));
    kill_b(&w);
    T_TRUE(world_resets(&w, &w.a, 1, 100));
    T_EQ(w.a.why, -ECONNREFUSED);
    world_fini(&w);
}

T(msgr_faults, a_restarted_opener_resets_its_former_session_once)
{
    struct world w;

    world_init(&w, WORLD_SIM, 5);
    world_start(&w, &w.b, true);
    world_start(&w, &w.a, false);
    T_OK(world_open(&w, NULL));
    world_send(&w, &w.a, 5, 0, 100);
    T_TRUE(world_got(&w, &w.b, 5, 1000));
    sim_process_kill(w.env[0]);
    node_init(&w.a, ENTITY_OSD, 1);
    w.env[0] = w.a.env = sim_process_start(w.machine[0], "a");
    world_start(&w, &w.a, false);
    w.b.got = 0;
    T_OK(world_open(&w, NULL));
    world_send(&w, &w.a, 5, 0, 100);
    T_TRUE(world_got(&w, &w.b, 5, 1000));
    T_EQ(w.b.resets, 1);
    T_EQ(w.b.why, -R_SESSION_RESET);
    T_EQ(w.b.opened, 2);
    T_EQ(w.a.resets, 0);
    world_fini(&w);
}

T(msgr_faults, a_cut_longer_than_all_patience_resets_each_end_once)
{
    struct world w;

    world_init(&w, WORLD_SIM, 5);
    w.conf.give_up_ms = 4000;
    w.conf.forget_ms = 6000;
    world_start(&w, &w.b, true);
    world_start(&w, &w.a, false);
    T_OK(world_open(&w, NULL));
    world_send(&w, &w.a, 5, 0, 100);
    T_TRUE(world_got(&w, &w.b, 5, 1000));
    sim_net_cut(w.sim, w.machine[0], w.machine[1], true);
    world_send(&w, &w.a, 5, 0, 100);
    T_TRUE(world_resets(&w, &w.a, 1, 25000));
    T_TRUE(world_resets(&w, &w.b, 1, 25000));
    sim_net_heal_all(w.sim);
    world_sleep(&w, 30000);
    T_EQ(w.a.resets, 1);
    T_EQ(w.b.resets, 1);
    T_EQ(w.a.why, -ETIMEDOUT);
    T_EQ(w.b.got, 5);
    world_fini(&w);
}

static bool done_or_reset(void *arg)
{
    struct world *w = arg;

    return w->a.resets || w->b.resets || (w->b.got >= w->a.sent && w->a.got >= w->b.sent);
}

/* The n-th allocation of the conversation fails: both ends get everything, or hear of a reset. */
static bool fail_at(enum world_kind kind, int64_t n)
{
    struct world w;
    bool hit;
    int rc;

    world_init(&w, kind, 11);
    w.conf.give_up_ms = 5000;
    world_start(&w, &w.b, true);
    world_start(&w, &w.a, false);
    mem_fail_after(n);
    rc = world_open(&w, NULL);
    if (rc == 0) {
        world_send(&w, &w.a, 20, 10, 5000);
        sim_run_until(w.sim, sim_now_ns(w.sim) + 50 * NS_PER_MS, NULL, NULL);
        if (w.b.in)
            world_send(&w, &w.b, 20, 10, 5000);
        sim_run_until(w.sim, sim_now_ns(w.sim) + 20 * NS_PER_S, done_or_reset, &w);
    }
    hit = mem_fail_hit();
    mem_fail_after(-1);
    T_TRUE(rc == 0 || rc == -ENOMEM);
    if (rc == 0)
        T_TRUE(done_or_reset(&w));
    world_fini(&w);
    return hit;
}

T(msgr_faults, any_allocation_may_fail)
{
    static const enum world_kind rows[] = {WORLD_SIM, WORLD_HUB, WORLD_CODECS};

    T_CASES (row, rows)
        for (int64_t n = 0; fail_at(*row, n); n++)
            T_LT(n, 5000);
}
