/* test_cluster.c - three monitors under kills, power cuts and partitions.
 *
 * MON_SEEDS=n runs more histories, MON_SEED=s one of them. */
#include <stdio.h>

#include "tests/unit/mon/world.h"

static void three_mons(struct world *w, uint64_t seed)
{
    world_init(w, 3, seed);
    world_up(w);
}

static bool kept(struct actor *c, const char *user)
{
    T_EQ(actor_command(c, "user", "list", NULL), 0);
    return strstr(c->text, user) != NULL;
}

T(mons, a_change_survives_its_leader_and_followers_serve_it)
{
    struct world w;
    struct actor *c;
    int leader;

    three_mons(&w, 2);
    for (unsigned i = 0; i < 3; i++) /* each at a monitor of its own: followers forward */
        (void)world_osd(&w, i);
    for (unsigned i = 0; i < 3; i++)
        T_TRUE(osd_wait(&w, i, true, 5000));
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "user", "create", "one", NULL), 0);
    T_EQ(actor_command(c, "pool", "create", "p", NULL), 0);
    leader = world_leader(&w);
    world_mon_kill(&w, (unsigned)leader, true);
    T_EQ(actor_command(c, "user", "create", "two", NULL), 0);
    T_NE(world_leader(&w), leader);
    T_TRUE(kept(c, "one") && kept(c, "two"));
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(strstr(c->text, "MON_DOWN") != NULL);
    T_OK(world_mon_start(&w, (unsigned)leader));
    world_run(&w, 10000);
    T_TRUE(w.ready[leader]);
    T_EQ(mon_epoch(w.mon[leader]).v, world_epoch(&w));
    T_EQ(actor_command(c, "health", NULL), 0);
    T_STR_EQ(c->json, "{\"status\":\"HEALTH_OK\",\"checks\":[]}");
    for (unsigned i = 0; i < 3; i++)
        world_mon_stop(&w, i);
    world_fini(&w);
}

T(mons, a_leader_that_stops_hands_over_without_an_election_time_out)
{
    struct world w;
    struct actor *c;
    unsigned leader;
    uint64_t t;

    three_mons(&w, 3);
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "user", "create", "one", NULL), 0);
    leader = (unsigned)world_leader(&w);
    t = sim_now_ns(w.s);
    world_mon_stop(&w, leader);
    T_GE(world_wait_leader(&w, 5000), 0);
    T_LT(sim_now_ns(w.s) - t, w.conf.mon_election_ms * NS_PER_MS);
    T_EQ(actor_command(c, "user", "create", "two", NULL), 0);
    world_fini(&w);
}

T(mons, a_minority_decides_nothing)
{
    struct world w;
    struct actor *c;
    uint32_t epoch;

    three_mons(&w, 4);
    (void)world_osd(&w, 0);
    T_TRUE(osd_wait(&w, 0, true, 5000));
    world_mon_kill(&w, 0, false);
    world_mon_kill(&w, 1, false);
    c = world_actor(&w, false, 0, 2);
    epoch = mon_epoch(w.mon[2]).v;
    actor_command_begin(c, "osd", "out", "0", NULL);
    T_FALSE(actor_wait_answer(c, 10000));
    T_EQ(mon_epoch(w.mon[2]).v, epoch);
    T_EQ(world_leader(&w), -1);
    T_OK(world_mon_start(&w, 0));
    T_TRUE(actor_wait_answer(c, 20000)); /* the same command, sent again with its id */
    T_EQ(c->rc, 0);
    world_fini(&w);
}

T(mons, a_member_that_was_away_long_takes_the_snapshot)
{
    struct world w;
    struct actor *c;
    unsigned away;

    three_mons(&w, 5);
    (void)world_osd(&w, 0);
    T_TRUE(osd_wait(&w, 0, true, 5000));
    c = world_actor(&w, false, 0, 0);
    away = ((unsigned)world_leader(&w) + 1) % 3;
    world_mon_kill(&w, away, false);
    for (unsigned i = 0; i < 700; i++) {
        T_EQ(actor_command(c, "osd", "out", "0", NULL), 0);
        T_EQ(actor_command(c, "osd", "in", "0", NULL), 0);
    }
    world_run(&w, 2000);
    T_OK(world_mon_start(&w, away));
    world_run(&w, 10000);
    T_EQ(mon_counters(w.mon[away])->installs, 1);
    T_EQ(mon_epoch(w.mon[away]).v, world_epoch(&w));
    /* And is whole after it: it can lead. */
    world_mon_kill(&w, (away + 1) % 3, true);
    world_mon_kill(&w, away, true);
    T_OK(world_mon_start(&w, away));
    T_EQ(actor_command(c, "osd", "out", "0", NULL), 0);
    T_EQ(actor_command(c, "map", "get", NULL), 0);
    world_fini(&w);
}

T(mons, a_follower_answers_for_what_is_on_its_disk_only)
{
    struct world w;
    struct actor *c;
    uint64_t t;

    three_mons(&w, 7);
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "user", "create", "one", NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        if ((int)i != world_leader(&w))
            sim_disk_fault(w.mon_machine[i], SIM_DISK_SLOW, 700 * NS_PER_MS);
    t = sim_now_ns(w.s);
    T_EQ(actor_command(c, "user", "create", "two", NULL), 0);
    T_GE(sim_now_ns(w.s) - t, 700 * NS_PER_MS);
    world_fini(&w);
}

/* ---- histories ---- */

enum { CLIENTS = 4, STEPS = 60 };

struct history {
    struct world w;
    struct rng *rng;
    uint64_t name;        /* of the next user */
    uint64_t acked[4096]; /* users that were made */
    unsigned acked_count;
    uint64_t making[CLIENTS]; /* 0: nothing under way */
    uint64_t leaders_killed;
};

static void client_step(struct history *h, unsigned i)
{
    struct actor *c = &h->w.actor[i];
    char name[32];

    if (h->making[i]) {
        if (!c->answered)
            return;
        /* Never -R_EXISTS: the name is new, so that would be a second run of the first command. */
        if (c->rc != 0 && c->rc != -R_BACK_PRESSURE)
            T_FAIL("seed %lu: user create: %s", h->w.seed, reason_name(c->rc));
        if (c->rc == 0) {
            T_LT(h->acked_count, ARRAY_LEN(h->acked));
            h->acked[h->acked_count++] = h->making[i];
        }
        h->making[i] = 0;
    }
    h->making[i] = ++h->name;
    snprintf(name, sizeof(name), "u%lu-", h->making[i]);
    actor_command_begin(c, "user", "create", name, NULL);
}

static void fault_step(struct history *h)
{
    struct world *w = &h->w;
    unsigned i = (unsigned)rng_below(h->rng, w->mons);
    unsigned k = (unsigned)rng_below(h->rng, w->mons);
    unsigned what = (unsigned)rng_below(h->rng, 10);
    int leader = world_leader(w);

    if (what < 3 && leader >= 0 && rng_chance(h->rng, 1, 2))
        i = (unsigned)leader;
    if (what < 3 && w->mon[i]) {
        h->leaders_killed += (int)i == leader;
        world_mon_kill(w, i, what == 0);
    } else if (what < 6) {
        if (!w->mon[i])
            T_OK(world_mon_start(w, i));
    } else if (what < 8 && i != k) {
        bool both = rng_chance(h->rng, 1, 2);

        sim_net_cut(w->s, w->mon_machine[i], w->mon_machine[k], both);
    } else if (what == 8) {
        sim_net_heal_all(w->s);
    } else {
        sim_net_reset_some(w->s, 1, 3);
    }
}

static bool all_agree(struct world *w, void *arg)
{
    uint32_t epoch = world_epoch(w);

    UNUSED(arg);
    for (unsigned i = 0; i < w->mons; i++)
        if (!w->mon[i] || mon_epoch(w->mon[i]).v != epoch)
            return false;
    for (unsigned i = 0; i < w->actors; i++)
        if (!w->actor[i].map || w->actor[i].map->epoch.v != epoch)
            return false;
    return world_leader(w) >= 0;
}

static void history_end(struct history *h)
{
    struct world *w = &h->w;
    char name[32];

    sim_net_heal_all(w->s);
    for (unsigned i = 0; i < w->mons; i++)
        if (!w->mon[i])
            T_OK(world_mon_start(w, i));
    for (unsigned i = 0; i < CLIENTS; i++)
        if (!actor_wait_answer(&w->actor[i], 60000))
            T_FAIL("seed %lu: a command is not answered", w->seed);
    for (unsigned i = 0; i < CLIENTS; i++)
        client_step(h, i); /* takes the answers, and asks once more */
    for (unsigned i = 0; i < CLIENTS; i++)
        T_TRUE(actor_wait_answer(&w->actor[i], 60000));
    if (!world_wait(w, all_agree, NULL, 60000))
        T_FAIL("seed %lu: the monitors do not come to agree", w->seed);
    T_EQ(actor_command(&w->actor[0], "user", "list", NULL), 0);
    for (unsigned i = 0; i < h->acked_count; i++) {
        snprintf(name, sizeof(name), "u%lu-", h->acked[i]);
        if (!strstr(w->actor[0].text, name))
            T_FAIL("seed %lu: user %s was acknowledged and is lost", w->seed, name);
    }
}

static uint64_t total_kills, total_repeats, total_acked;

static void history_run(uint64_t seed)
{
    struct history *h = calloc(1, sizeof(*h));

    world_init(&h->w, 3, seed);
    h->rng = sim_rng(h->w.s);
    world_up(&h->w);
    for (unsigned i = 0; i < CLIENTS; i++)
        (void)world_actor(&h->w, false, 0, i % 3);
    for (unsigned i = 0; i < 3; i++)
        (void)world_osd(&h->w, i);
    for (unsigned step = 0; step < STEPS; step++) {
        for (unsigned i = 0; i < CLIENTS; i++)
            client_step(h, i);
        if (rng_chance(h->rng, 1, 3))
            fault_step(h);
        if (rng_chance(h->rng, 1, 8))
            osd_restart(&h->w.actor[CLIENTS + rng_below(h->rng, 3)]);
        world_run(&h->w, 1 + rng_below(h->rng, 900));
    }
    history_end(h);
    total_kills += h->leaders_killed;
    total_acked += h->acked_count;
    for (unsigned i = 0; i < 3; i++)
        total_repeats += mon_counters(h->w.mon[i])->repeats_answered;
    world_fini(&h->w);
    free(h);
}

T(mons, no_acknowledged_change_is_lost_and_no_command_runs_twice)
{
    const char *one = getenv("MON_SEED"), *many = getenv("MON_SEEDS");
    uint64_t seeds = many ? strtoull(many, NULL, 10) : 30;

    if (one) {
        history_run(strtoull(one, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= seeds; seed++)
        history_run(seed);
    printf("%lu users made, %lu leaders killed, %lu repeats answered\n", total_acked, total_kills,
           total_repeats);
    T_GT(total_kills, seeds / 2);
    T_GT(total_acked, seeds * 30);
}

T(mons, clocks_that_differ_are_told_and_set_ones_no_more)
{
    struct world w;
    struct actor *c;
    int other;

    world_init(&w, 3, 12);
    world_up(&w);
    c = world_actor(&w, false, 1, (unsigned)world_wait_leader(&w, 10000));
    other = (world_leader(&w) + 1) % 3;
    world_run(&w, 25000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(strstr(c->json, "CLOCK_SKEW") == NULL);
    sim_wall_step(w.mon_machine[other], -(int64_t)(7 * NS_PER_S));
    world_run(&w, 25000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(strstr(c->json, "CLOCK_SKEW") != NULL);
    T_TRUE(strstr(c->json, "behind") != NULL);
    sim_wall_step(w.mon_machine[other], (int64_t)(7 * NS_PER_S));
    world_run(&w, 25000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(strstr(c->json, "CLOCK_SKEW") == NULL);
    world_fini(&w);
}

T(mons, a_command_that_is_sent_again_gets_the_first_result)
{
    struct world w;
    struct actor *c;
    char *first;

    three_mons(&w, 6);
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "user", "create", "one", NULL), 0);
    first = strdup(c->json);
    world_mon_kill(&w, (unsigned)world_leader(&w), false);
    T_GE(world_wait_leader(&w, 10000), 0);
    actor_command_again(c);
    T_TRUE(actor_wait_answer(c, 10000));
    T_EQ(c->rc, 0);
    T_STR_EQ(c->json, first); /* the same keys: it did not run again */
    free(first);
    world_fini(&w);
}
