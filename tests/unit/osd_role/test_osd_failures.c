/* test_osd_failures.c - what OSDs do when others die, return, lose their data, or are cut off. */
#include "core/base/rng.h"
#include "core/osd/osd_int.h"
#include "tests/unit/osd_role/world.h"

static void name_of(unsigned i, char *out)
{
    (void)snprintf(out, 16, "o%u", i);
}

static void put_many(struct world *w, unsigned n, uint8_t fill, size_t bytes)
{
    for (unsigned i = 0; i < n; i++) {
        char name[16];

        name_of(i, name);
        T_OK(put_fill(w, name, (uint8_t)(fill + i), bytes + i));
    }
}

static void get_many(struct world *w, unsigned n, uint8_t fill, size_t bytes)
{
    for (unsigned i = 0; i < n; i++) {
        char name[16];

        name_of(i, name);
        T_OK(get_fill(w, name, (uint8_t)(fill + i), bytes + i));
        copies_equal(w, name);
    }
}

static uint64_t sum(struct world *w, size_t field)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < w->osd_count; i++)
        if (w->osd[i].osd)
            total += *(const uint64_t *)((const char *)osd_counters(w->osd[i].osd) + field);
    return total;
}
#define SUM(w, name) sum(w, offsetof(struct osd_counters, name))

T(osd_failures, a_replica_that_was_away_catches_up_by_log)
{
    struct world w;
    uint32_t away;

    world_init(&w, 11, 3, 3, 2);
    put_many(&w, 8, 'a', 3000);
    away = (primary_of(&w, "o0") + 1) % 3;
    world_osd_kill(&w, away, false);
    put_many(&w, 8, 'k', 6000);
    T_OK(rm(&w, "o7"));
    world_osd_start(&w, away);
    world_wait_clean(&w, 30000);
    get_many(&w, 7, 'k', 6000);
    T_EQ(copy_of(&w, away, "o7"), -R_NO_OBJECT);
    T_GT(SUM(&w, recoveries), 0);
    T_EQ(SUM(&w, backfills), 0);
    world_fini(&w);
}

T(osd_failures, another_takes_over_when_the_primary_dies)
{
    struct world w;
    uint32_t p;

    world_init(&w, 12, 3, 3, 2);
    put_many(&w, 8, 'a', 3000);
    p = primary_of(&w, "o0");
    world_osd_kill(&w, p, true);
    get_many(&w, 8, 'a', 3000);
    put_many(&w, 8, 'b', 300);
    T_GT(SUM(&w, failovers), 0);
    world_osd_start(&w, p);
    world_wait_clean(&w, 30000);
    get_many(&w, 8, 'b', 300);
    world_fini(&w);
}

T(osd_failures, an_osd_out_of_reach_of_the_log_is_backfilled)
{
    struct world w;

    world_init(&w, 13, 3, 3, 1);
    w.conf.osd_pg_log_min = w.conf.osd_pg_log_max = 4;
    world_osd_stop(&w, 0);
    world_osd_start(&w, 0);
    world_osd_stop(&w, 1);
    world_osd_start(&w, 1);
    world_osd_stop(&w, 2);
    world_osd_start(&w, 2);
    put_many(&w, 40, 'a', 3000);
    world_osd_kill(&w, 2, false);
    put_many(&w, 40, 'b', 2000);
    T_OK(rm(&w, "o39"));
    world_osd_start(&w, 2);
    world_wait_clean(&w, 60000);
    T_GT(SUM(&w, backfills), 0);
    get_many(&w, 39, 'b', 2000);
    T_EQ(copy_of(&w, 2, "o39"), -R_NO_OBJECT);
    world_fini(&w);
}

/* Each write falls on some stage of the backfill: before its part, in it, as it moves on, at its
 * end.  What waited for a part must reach the target like any member. */
T(osd_failures, writes_during_a_backfill_reach_its_target)
{
    for (uint64_t seed = 40; seed < 46; seed++) {
        struct world w;
        uint32_t away;

        world_init(&w, seed, 3, 3, 1);
        w.conf.osd_pg_log_min = w.conf.osd_pg_log_max = 4;
        for (uint32_t i = 0; i < 3; i++) {
            world_osd_stop(&w, i);
            world_osd_start(&w, i);
        }
        put_many(&w, 70, 'a', 3000);
        away = (primary_of(&w, "o0") + 1) % 3;
        world_osd_kill(&w, away, false);
        put_many(&w, 70, 'b', 2000);
        world_osd_launch(&w, away);
        for (unsigned i = 0; !world_clean(&w) || i < 70; i++) {
            char name[16];

            T_LT(i, 20000);
            name_of((i * 37) % 70, name);
            step_data(&w, op_new(&w, name, STEP_APPEND), "more", 4);
            T_OK(op_run(&w));
        }
        T_GT(SUM(&w, backfills), 0);
        for (unsigned i = 0; i < 70; i++) {
            char name[16];

            name_of(i, name);
            copies_equal(&w, name);
        }
        world_fini(&w);
    }
}

/* A peer's session breaks as the role stops: nothing of it may be left (world_fini looks). */
T(osd_failures, a_stop_while_a_peer_dies_leaves_nothing_behind)
{
    for (unsigned i = 0; i < 24; i++) {
        struct world w;

        world_init(&w, 60 + i, 3, 3, 2);
        put_many(&w, 4, 'a', 3000);
        world_osd_kill(&w, (i + 1) % 3, i % 2);
        sim_run_until(w.sim, sim_now_ns(w.sim) + i * 40000, NULL, NULL);
        world_osd_stop(&w, i % 3);
        world_fini(&w);
    }
}

/* A member's whole log goes into one transaction of its store, which takes an eighth of the
 * journal: entries that name many bytes of keys push older ones out. */
T(osd_failures, a_log_of_long_keys_stays_small_enough_for_one_transaction)
{
    struct world w;
    char key[4001];
    uint32_t away;

    world_init(&w, 26, 3, 3, 1);
    away = (primary_of(&w, "o0") + 1) % 3;
    world_osd_kill(&w, away, false);
    memset(key, 'k', sizeof(key) - 1);
    key[sizeof(key) - 1] = 0;
    for (unsigned i = 0; i < 400; i++) {
        char name[16];

        name_of(i % 40, name);
        key[i % 4000] = (char)('a' + i % 26);
        step_key(&w, op_new(&w, name, STEP_OMAP_SET), key, "v");
        T_OK(op_run(&w));
    }
    world_osd_start(&w, away);
    world_wait_clean(&w, 60000);
    for (uint32_t i = 0; i < 3; i++)
        T_FALSE(w.osd[i].failed);
    for (unsigned i = 0; i < 40; i++) {
        char name[16];

        name_of(i, name);
        copies_equal(&w, name);
    }
    world_fini(&w);
}

T(osd_failures, data_moves_when_an_osd_is_put_out_and_back)
{
    struct world w;

    world_init(&w, 14, 4, 3, 8);
    put_many(&w, 30, 'a', 3000);
    world_out(&w, 1, true);
    world_run(&w, 200);
    put_many(&w, 10, 'b', 3000);
    world_wait_clean(&w, 60000);
    world_out(&w, 1, false);
    world_wait_clean(&w, 60000);
    get_many(&w, 10, 'b', 3000);
    T_GT(SUM(&w, backfills), 0);
    world_fini(&w);
}

T(osd_failures, everything_acknowledged_survives_a_power_cut_of_all)
{
    struct world w;

    world_init(&w, 15, 3, 3, 4);
    put_many(&w, 12, 'a', 5000);
    for (uint32_t i = 0; i < 3; i++)
        world_osd_kill(&w, i, true);
    world_run(&w, 1000);
    for (uint32_t i = 0; i < 3; i++)
        world_osd_launch(&w, i);
    world_wait_clean(&w, 30000);
    get_many(&w, 12, 'a', 5000);
    world_fini(&w);
}

T(osd_failures, a_lost_disk_is_filled_again)
{
    struct world w;
    struct osdmap *d;

    world_init(&w, 16, 3, 3, 4);
    put_many(&w, 20, 'a', 5000);
    world_osd_kill(&w, 1, true);
    world_run(&w, 3000);
    sim_disk_wipe(w.osd[1].m);
    d = world_draft(&w);
    memset(d->osds[1].uuid, 0, sizeof(d->osds[1].uuid)); /* an operator made it anew */
    d->osds[1].lost_at.v = d->epoch.v + 1;
    world_publish(&w, d);
    world_osd_start(&w, 1);
    world_wait_clean(&w, 60000);
    get_many(&w, 20, 'a', 5000);
    world_fini(&w);
}

struct broken {
    struct world *w;
    uint32_t at, to;
};

static void break_session(void *arg)
{
    struct broken *b = arg;

    osd_peer_break(b->w->osd[b->at].osd, (struct osd_id){(int32_t)b->to});
}

/* Nothing but sending again brings the write to the member: no map changes. */
T(osd_failures, a_write_lost_with_its_session_is_sent_again_and_kept_once)
{
    struct world w;
    struct broken b = {.w = &w};
    uint32_t activations;

    world_init(&w, 25, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 100));
    activations = (uint32_t)SUM(&w, activations);
    w.deaf = true;
    b.at = primary_of(&w, "a");
    for (unsigned round = 0; round < 6; round++) {
        b.to = (b.at + 1 + round % 2) % 3;
        if (round < 4) /* what is under way is lost; else only the answers may be */
            sim_net_cut(w.sim, w.osd[b.at].m, w.osd[b.to].m, true);
        step_data(&w, op_new(&w, "a", STEP_APPEND), "0123456789", 10);
        T_EQ(op_run_for(&w, round < 4 ? 100 : 0), -ETIMEDOUT);
        sim_enter(w.osd[b.at].env, break_session, &b);
        sim_net_heal_all(w.sim);
        T_OK(op_wait(&w, 5000));
        (void)op_new(&w, "a", STEP_STAT);
        T_OK(op_run(&w));
        T_EQ(w.reply->results.result[0].size, 110 + 10 * round);
    }
    T_GT(osd_counters(w.osd[b.at].osd)->rep_resends, 3);
    T_EQ(SUM(&w, activations), activations);
    w.deaf = false;
    world_run(&w, 1000);
    copies_equal(&w, "a");
    world_fini(&w);
}

T(osd_failures, writes_wait_below_size_min)
{
    struct world w;

    world_init(&w, 17, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 100));
    world_osd_kill(&w, 0, false);
    world_osd_kill(&w, 1, false);
    world_run(&w, 5000);
    step_data(&w, op_new(&w, "a", STEP_WRITE_FULL), "y", 1);
    T_EQ(op_run_for(&w, 5000), -ETIMEDOUT);
    world_osd_start(&w, 0);
    T_EQ(op_wait(&w, 10000), 0);
    T_OK(get_fill(&w, "a", 'y', 1));
    world_fini(&w);
}

/* What waits for an inactive PG fills the room of its session, and what comes behind it is for
 * other PGs.  A client that has given up does not send again what it gets back. */
T(osd_failures, an_inactive_pg_holds_up_no_other_for_long)
{
    struct world w;
    char name[16];
    uint8_t *data = calloc(1, 400000);
    struct pool_id three;
    unsigned i = 0;

    world_init(&w, 17, 3, 3, 1);
    for (uint32_t o = 0; o < 3; o++)
        world_osd_stop(&w, o);
    w.conf.osd_queue = MIB(1);
    for (uint32_t o = 0; o < 3; o++)
        world_osd_start(&w, o);
    world_wait_clean(&w, 30000);
    T_OK(put_fill(&w, "a", 'x', 100));
    three = w.pool;
    world_pool(&w, "one", 1, 8);
    world_wait_clean(&w, 30000);
    do
        (void)snprintf(name, sizeof(name), "o%u", i++);
    while (primary_of(&w, name) != 2);
    T_OK(put_fill(&w, name, 'x', 100));
    world_osd_kill(&w, 0, false);
    world_osd_kill(&w, 1, false);
    world_run(&w, 5000);
    w.pool = three;
    for (i = 0; i < 4; i++) {
        step_data(&w, op_new(&w, "a", STEP_WRITE_FULL), data, 400000);
        T_EQ(op_run_for(&w, 200), -ETIMEDOUT);
    }
    T_EQ(primary_of(&w, name), 2);
    w.pool = (struct pool_id){three.v + 1};
    step_data(&w, op_new(&w, name, STEP_WRITE_FULL), "y", 1);
    T_EQ(op_run_for(&w, 5000), -ETIMEDOUT);
    T_EQ(op_wait(&w, 40000), 0);
    T_OK(get_fill(&w, name, 'y', 1));
    world_osd_start(&w, 0);
    w.pool = three;
    T_OK(get_fill(&w, "a", 'x', 100)); /* what was given up did not run */
    free(data);
    world_fini(&w);
}

T(osd_failures, a_primary_without_leases_answers_no_read)
{
    struct world w;
    uint32_t p;

    world_init(&w, 18, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 100));
    p = primary_of(&w, "a");
    w.deaf = true; /* no new map */
    for (uint32_t i = 0; i < 3; i++)
        if (i != p)
            sim_net_cut(w.sim, w.osd[p].m, w.osd[i].m, true);
    world_run(&w, 2500);
    (void)op_new(&w, "a", STEP_READ);
    T_EQ(op_run_for(&w, 3000), -ETIMEDOUT);
    sim_net_heal_all(w.sim);
    T_EQ(op_wait(&w, 10000), 0);
    T_GT(osd_counters(w.osd[p].osd)->lease_waits, 0);
    world_fini(&w);
}

T(osd_failures, an_osd_marked_down_by_mistake_comes_back)
{
    struct world w;

    world_init(&w, 19, 3, 3, 4);
    put_many(&w, 8, 'a', 100);
    for (unsigned i = 0; i < 6; i++) {
        world_down(&w, i % 3);
        put_many(&w, 2, (uint8_t)('b' + i), 200);
    }
    world_wait_clean(&w, 30000);
    get_many(&w, 2, 'g', 200);
    world_fini(&w);
}

static bool no_waiter(struct world *w)
{
    return w->osd[primary_of(w, "a")].ready;
}

/* The last map that it kept says that its former self leads: that one may have told more than what
 * is left after a power cut. */
T(osd_failures, a_primary_that_died_does_not_lead_before_a_map_knows_its_new_self)
{
    struct world w;
    uint32_t p;

    world_init(&w, 24, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 100));
    p = primary_of(&w, "a");
    w.deaf = true; /* no new map */
    world_osd_kill(&w, p, true);
    world_osd_launch(&w, p);
    world_run(&w, 3000);
    T_EQ(osd_counters(w.osd[p].osd)->activations, 0);
    w.deaf = false;
    T_TRUE(world_until(&w, 20000, no_waiter));
    T_OK(get_fill(&w, "a", 'x', 100));
    world_wait_clean(&w, 20000);
    copies_equal(&w, "a");
    world_fini(&w);
}

/* They boot one after the other, so some lead for a moment, and no one knows what its former self
 * granted; but all of them answer. */
T(osd_failures, a_cluster_that_was_killed_waits_for_no_lease_of_those_who_answer)
{
    for (uint64_t seed = 70; seed < 76; seed++) {
        uint32_t last = (uint32_t)(seed % 3);
        struct world w;
        uint64_t began;

        world_init(&w, seed, 3, 3, 8);
        put_many(&w, 8, 'a', 100);
        for (uint32_t i = 0; i < 3; i++)
            world_osd_kill(&w, i, true);
        world_osd_launch(&w, (last + 1) % 3);
        world_osd_launch(&w, (last + 2) % 3);
        world_run(&w, 300);
        began = sim_now_ns(w.sim);
        world_osd_start(&w, last);
        world_wait_clean(&w, 20000);
        T_LT(sim_now_ns(w.sim) - began, w.map->lease_ms * NS_PER_MS * 2 / 3);
        get_many(&w, 8, 'a', 100);
        world_fini(&w);
    }
}

static uint32_t watched;

static bool watched_failed(struct world *w)
{
    return !w->osd[watched].ready;
}

static bool watched_up(struct world *w)
{
    return w->osd[watched].ready;
}

/* The transaction waits for an object to be opened while the store that should open it ends. */
T(osd_failures, a_store_that_fails_while_a_transaction_waits_takes_it_along)
{
    for (unsigned n = 1; n < 4; n++) {
        struct world w;
        uint32_t p;

        world_init(&w, 60 + n, 3, 3, 1);
        w.mends = true;
        T_OK(put_fill(&w, "a", 'x', 100));
        T_OK(put_fill(&w, "b", 'x', 100));
        p = primary_of(&w, "a");
        watched = (p + 1) % 3;
        world_osd_stop(&w, watched); /* so that nothing of it is in memory */
        world_osd_start(&w, watched);
        world_wait_clean(&w, 20000);
        sim_disk_fault(w.osd[watched].m, SIM_KV_EIO, n);
        T_OK(put_fill(&w, "a", 'y', 100));
        T_OK(put_fill(&w, "b", 'y', 100));
        T_TRUE(world_until(&w, 20000, watched_failed));
        sim_disk_fault(w.osd[watched].m, SIM_KV_EIO, 0);
        T_TRUE(world_until(&w, 20000, watched_up));
        world_wait_clean(&w, 20000);
        copies_equal(&w, "a");
        copies_equal(&w, "b");
        world_fini(&w);
    }
}

T(osd_failures, rotten_bytes_are_taken_from_another_copy)
{
    struct world w;
    uint32_t p;
    unsigned flipped = 0;

    world_init(&w, 20, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 300000)); /* large enough for extents of its own */
    p = primary_of(&w, "a");
    world_osd_stop(&w, p);
    world_osd_start(&w, p);
    world_wait_clean(&w, 20000);
    p = primary_of(&w, "a");
    for (unsigned b = 0; b < 40; b++)
        flipped += sim_disk_flip(w.osd[p].m, "/osd/data", 4096u * b + 77, 3) == 0;
    T_GT(flipped, 0);
    T_OK(get_fill(&w, "a", 'x', 300000));
    world_wait_clean(&w, 20000);
    T_GT(osd_counters(w.osd[p].osd)->corrupt_repaired, 0);
    copies_equal(&w, "a");
    world_fini(&w);
}

T(osd_failures, random_crashes_lose_nothing_acknowledged)
{
    for (uint64_t seed = 100; seed < 112; seed++) {
        struct world w;
        struct rng r;
        uint8_t fill[10] = {0};
        size_t bytes[10] = {0};

        rng_seed(&r, seed);
        world_init(&w, seed, 4, 3, 4);
        w.conf.osd_pg_log_min = w.conf.osd_pg_log_max = 5 + (uint32_t)rng_below(&r, 30);
        for (unsigned step = 0; step < 120; step++) {
            unsigned o = (unsigned)rng_below(&r, 10);
            uint32_t i = (uint32_t)rng_below(&r, 4);
            char name[16];
            uint32_t up = 0;

            for (uint32_t k = 0; k < 4; k++)
                up += w.osd[k].env != NULL;
            if (rng_chance(&r, 1, 8) && w.osd[i].env && up > 2)
                world_osd_kill(&w, i, rng_chance(&r, 1, 2));
            else if (rng_chance(&r, 1, 3) && !w.osd[i].env)
                world_osd_start(&w, i);
            up = 0;
            for (uint32_t k = 0; k < 4; k++)
                up += w.osd[k].env != NULL;
            if (up < 3)
                continue;
            name_of(o, name);
            if (rng_chance(&r, 1, 3) && bytes[o]) {
                T_OK(get_fill(&w, name, fill[o], bytes[o]));
                continue;
            }
            fill[o] = (uint8_t)('a' + step % 26);
            bytes[o] = 1 + (size_t)rng_below(&r, 20000);
            T_OK(put_fill(&w, name, fill[o], bytes[o]));
        }
        for (uint32_t i = 0; i < 4; i++)
            if (!w.osd[i].env)
                world_osd_start(&w, i);
        world_wait_clean(&w, 120000);
        for (unsigned o = 0; o < 10; o++) {
            char name[16];

            name_of(o, name);
            if (!bytes[o])
                continue;
            T_OK(get_fill(&w, name, fill[o], bytes[o]));
            copies_equal(&w, name);
        }
        world_fini(&w);
    }
}

static bool ready_1(struct world *w)
{
    return w->osd[1].ready;
}

T(osd_failures, an_osd_that_has_the_newest_map_asks_to_be_up_at_once)
{
    struct world w;

    world_init(&w, 21, 3, 3, 8);
    T_OK(put_fill(&w, "a", 'x', 1000));
    world_wait_clean(&w, 20000);
    for (uint32_t i = 0; i < 3; i++)
        world_osd_kill(&w, i, false); /* nobody reports: no newer map comes to wake it */
    world_osd_launch(&w, 1);
    T_TRUE(world_until(&w, 250, ready_1)); /* it looks around twice a second */
    world_osd_launch(&w, 0);
    world_osd_launch(&w, 2);
    world_wait_clean(&w, 20000);
    world_fini(&w);
}
