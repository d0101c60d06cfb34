/* test_role.c - one monitor: boots, stops, failures, out, pg_temp, full, subscriptions. */
#include "tests/unit/mon/world.h"

#include <stdio.h>

static void one_mon(struct world *w, unsigned osds)
{
    world_init(w, 1, 1);
    world_up(w);
    for (unsigned i = 0; i < osds; i++)
        (void)world_osd(w, i); /* found in w->actor */
    for (unsigned i = 0; i < osds; i++)
        T_TRUE(osd_wait(w, i, true, 5000));
}

static void one_mon_end(struct world *w)
{
    world_mon_stop(w, 0);
    world_fini(w);
}

/* Epochs in which an OSD's row changed from one state to another, by following the maps. */
static uint32_t epoch_now(struct world *w)
{
    return mon_epoch(w->mon[0]).v;
}

T(mon, one_monitor_is_ready_in_milliseconds_and_frees_everything)
{
    struct world w;

    world_init(&w, 1, 1);
    world_up(&w);
    T_LT(sim_now_ns(w.s), 100 * NS_PER_MS);
    T_EQ(mon_epoch(w.mon[0]).v, 1);
    world_mon_stop(&w, 0);
    T_OK(world_mon_start(&w, 0));
    world_run(&w, 200);
    T_TRUE(w.ready[0]);
    T_EQ(mon_epoch(w.mon[0]).v, 1);
    one_mon_end(&w);
}

T(mon, a_start_that_is_refused_leaves_nothing_behind)
{
    struct world w;
    uint64_t writes;

    world_init(&w, 1, 1);
    T_EQ(world_mon_start(&w, 0), -ENOENT);
    T_TRUE(w.start_why.text[0] != 0);
    T_TRUE(strstr(w.start_why.text, "mon.0") == NULL); /* who it is, its starter says */
    world_mkfs(&w, 0);
    T_OK(world_mon_start(&w, 0));
    writes = sim_machine_ios(w.mon_machine[0]);
    world_run(&w, 1000);
    T_GT(sim_machine_ios(w.mon_machine[0]), writes);
    one_mon_end(&w);
}

T(mon, an_idle_monitor_writes_nothing)
{
    struct world w;
    uint64_t ios;

    one_mon(&w, 3);
    world_run(&w, 5000);
    ios = sim_machine_ios(w.mon_machine[0]);
    world_run(&w, 60000);
    T_EQ(sim_machine_ios(w.mon_machine[0]), ios);
    one_mon_end(&w);
}

T(mon, a_known_osd_comes_back_at_its_place_and_a_strange_store_does_not)
{
    struct world w;
    struct actor *a;
    uint32_t up_from;

    one_mon(&w, 3);
    a = &w.actor[1];
    up_from = world_osd_info(&w, 1)->up_from.v;
    osd_restart(a); /* while its older instance is still up in the map */
    T_TRUE(actor_wait_epoch(&w.actor[0], epoch_now(&w) + 2, 5000));
    T_GT(world_osd_info(&w, 1)->up_from.v, up_from);
    T_EQ(world_osd_info(&w, 1)->instance, a->self.instance);
    /* Down in an epoch of its own. */
    T_EQ(world_osd_info(&w, 1)->down_at.v + 1, world_osd_info(&w, 1)->up_from.v);
    w.next_uuid = 99; /* another store under its id */
    (void)world_osd(&w, 1);
    w.next_uuid = a->boot.uuid[0]; /* its store under another id */
    (void)world_osd(&w, 7);
    world_run(&w, 5000);
    T_EQ(world_osd_info(&w, 1)->instance, a->self.instance);
    T_TRUE(world_osd_info(&w, 7) == NULL || world_osd_info(&w, 7)->state == 0);
    T_GE(mon_counters(w.mon[0])->boots_refused, 2);
    one_mon_end(&w);
}

T(mon, a_refused_connection_marks_down_at_once_and_the_dead_goes_out_and_comes_in)
{
    struct world w;
    struct actor *dead;
    uint64_t t;

    one_mon(&w, 3);
    w.conf.mon_osd_down_out_s = 20;
    world_mon_stop(&w, 0);
    T_OK(world_mon_start(&w, 0));
    world_run(&w, 3000);
    dead = &w.actor[2];
    dead->boots = false;
    sim_process_kill(dead->env);
    t = sim_now_ns(w.s);
    osd_report(&w.actor[0], dead, true, 0, false);
    T_TRUE(osd_wait(&w, 2, false, 1000));
    T_LT(sim_now_ns(w.s) - t, 100 * NS_PER_MS);
    T_EQ(world_osd_info(&w, 2)->weight, OSD_WEIGHT_IN);
    world_run(&w, 15000);
    T_EQ(world_osd_info(&w, 2)->weight, OSD_WEIGHT_IN);
    world_run(&w, 10000);
    T_EQ(world_osd_info(&w, 2)->weight, 0);
    T_TRUE(world_osd_info(&w, 2)->state & OSD_AUTO_OUT);
    dead->boots = true;
    osd_restart(dead);
    T_TRUE(osd_wait(&w, 2, true, 5000));
    T_EQ(world_osd_info(&w, 2)->weight, OSD_WEIGHT_IN);
    T_FALSE(world_osd_info(&w, 2)->state & OSD_AUTO_OUT);
    one_mon_end(&w);
}

T(mon, silence_counts_after_the_grace_and_can_be_taken_back)
{
    struct world w;
    uint64_t t;

    one_mon(&w, 3);
    osd_report(&w.actor[0], &w.actor[2], false, 900, false);
    osd_report(&w.actor[1], &w.actor[2], false, 900, false);
    world_run(&w, 500);
    osd_report(&w.actor[0], &w.actor[2], false, 0, true);
    osd_report(&w.actor[1], &w.actor[2], false, 0, true);
    world_run(&w, 5000);
    T_TRUE(world_osd_info(&w, 2)->state & OSD_UP);
    w.actor[2].boots = false;
    osd_report(&w.actor[0], &w.actor[2], false, 900, false);
    osd_report(&w.actor[1], &w.actor[2], false, 900, false);
    t = sim_now_ns(w.s);
    T_TRUE(osd_wait(&w, 2, false, 5000));
    T_GE(sim_now_ns(w.s) - t, 1000 * NS_PER_MS); /* 2 s of silence in all */
    T_LT(sim_now_ns(w.s) - t, 1600 * NS_PER_MS);
    one_mon_end(&w);
}

T(mon, one_that_accuses_everybody_is_the_one_that_is_cut_off)
{
    struct world w;

    one_mon(&w, 4);
    for (unsigned i = 0; i < 4; i++)
        w.actor[i].boots = false;
    for (unsigned i = 1; i < 4; i++)
        osd_report(&w.actor[0], &w.actor[i], false, 2500, false);
    world_run(&w, 100);
    for (unsigned i = 1; i < 4; i++)
        osd_report(&w.actor[i], &w.actor[0], false, 2400, false);
    T_TRUE(osd_wait(&w, 0, false, 2000));
    world_run(&w, 3000);
    for (unsigned i = 1; i < 4; i++)
        T_TRUE(world_osd_info(&w, i)->state & OSD_UP);
    one_mon_end(&w);
}

T(mon, an_osd_that_was_marked_down_wrongly_gets_a_longer_grace)
{
    struct world w;
    uint64_t took[3];

    one_mon(&w, 3);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t t = sim_now_ns(w.s), marked = mon_counters(w.mon[0])->marked_down;

        for (unsigned ms = 0; ms < 40000 && mon_counters(w.mon[0])->marked_down == marked;
             ms += 250) {
            osd_report(&w.actor[0], &w.actor[2], false, ms, false);
            osd_report(&w.actor[1], &w.actor[2], false, ms, false);
            world_run(&w, 250);
        }
        took[round] = sim_now_ns(w.s) - t;
        T_TRUE(osd_wait(&w, 2, true, 5000)); /* the same instance, alive all the time */
    }
    T_GT(took[1], took[0] * 3 / 2);
    T_GT(took[2], took[1] * 3 / 2);
    T_EQ(mon_counters(w.mon[0])->wrongly_down, 3);
    one_mon_end(&w);
}

T(mon, reports_that_prove_nothing_change_nothing)
{
    struct world w;
    uint32_t epoch;
    struct actor *a;

    one_mon(&w, 3);
    epoch = epoch_now(&w);
    a = &w.actor[2];
    a->self.instance++; /* accused is an instance that is not up */
    osd_report(&w.actor[0], a, true, 0, false);
    a->self.instance--;
    osd_report(&w.actor[0], &w.actor[0], true, 0, false); /* itself */
    world_run(&w, 3000);
    T_EQ(epoch_now(&w), epoch);
    one_mon_end(&w);
}

T(mon, an_osd_that_reports_nothing_at_all_is_marked_down)
{
    struct world w;

    one_mon(&w, 1); /* nobody is there to accuse it */
    w.actor[0].mute = true;
    w.actor[0].boots = false;
    world_run(&w, 20000);
    T_TRUE(world_osd_info(&w, 0)->state & OSD_UP);
    T_TRUE(osd_wait(&w, 0, false, 20000));
    one_mon_end(&w);
}

T(mon, a_clean_stop_is_down_at_once_and_proves_that_no_lease_is_used)
{
    struct world w;
    struct msg_osd_stopping *m;

    one_mon(&w, 3);
    w.actor[1].boots = false;
    m = MESSAGE_NEW(osd_stopping);
    m->osd.v = 1;
    m->instance = w.actor[1].self.instance + 1; /* an older life's: void */
    actor_send(&w.actor[1], &m->base);
    world_run(&w, 500);
    T_TRUE(world_osd_info(&w, 1)->state & OSD_UP);
    m = MESSAGE_NEW(osd_stopping);
    m->osd.v = 1;
    m->instance = w.actor[1].self.instance;
    actor_send(&w.actor[1], &m->base);
    T_TRUE(osd_wait(&w, 1, false, 500));
    T_TRUE(world_osd_info(&w, 1)->state & OSD_STOPPED);
    osd_restart(&w.actor[1]);
    w.actor[1].boots = true;
    T_TRUE(osd_wait(&w, 1, true, 5000));
    T_FALSE(world_osd_info(&w, 1)->state & OSD_STOPPED);
    one_mon_end(&w);
}

T(mon, up_thru_is_recorded_for_the_present_instance_only)
{
    struct world w;
    struct msg_osd_up_thru *m;
    uint32_t epoch;

    one_mon(&w, 2);
    world_run(&w, 500);
    epoch = epoch_now(&w);
    for (int strange = 1; strange >= 0; strange--) {
        m = MESSAGE_NEW(osd_up_thru);
        m->osd.v = 0;
        m->instance = w.actor[0].self.instance + (uint64_t)strange;
        m->want.v = epoch;
        actor_send(&w.actor[0], &m->base);
        world_run(&w, 500);
        T_EQ(world_osd_info(&w, 0)->up_thru.v, strange ? 0 : epoch);
    }
    m = MESSAGE_NEW(osd_up_thru); /* in another's name */
    m->osd.v = 1;
    m->instance = w.actor[1].self.instance;
    m->want.v = epoch;
    actor_send(&w.actor[0], &m->base);
    world_run(&w, 500);
    T_EQ(world_osd_info(&w, 1)->up_thru.v, 0);
    one_mon_end(&w);
}

static struct placement place(struct world *w, uint32_t seed)
{
    struct placement at;

    T_OK(osdmap_place(w->actor[0].map, (struct pgid){{1}, seed}, &at));
    return at;
}

static void temp_send(struct actor *from, uint32_t seed, const struct osd_set *acting)
{
    struct msg_osd_pg_temp *m = MESSAGE_NEW(osd_pg_temp);

    m->osd = from->boot.osd;
    m->epoch = from->map->epoch;
    m->want = mem_calloc(1, sizeof(*m->want));
    m->count = 1;
    m->want[0].pg = (struct pgid){{1}, seed};
    m->want[0].acting = *acting;
    actor_send(from, &m->base);
}

T(mon, pg_temp_is_for_the_primary_to_ask_and_goes_when_it_is_as_crush_says)
{
    struct world w;
    struct placement at;
    struct osd_set other;
    struct actor *c, *primary;

    one_mon(&w, 3);
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "pool", "create", "p", "size", "2", NULL), 0);
    T_TRUE(actor_wait_epoch(&w.actor[0], epoch_now(&w), 1000));
    at = place(&w, 5);
    T_EQ(at.up.count, 2);
    other = (struct osd_set){.osd = {at.up.osd[1], at.up.osd[0]}, .count = 2};
    primary = &w.actor[at.primary.v];
    for (unsigned i = 0; i < 3; i++)
        if ((int32_t)i != at.primary.v)
            temp_send(&w.actor[i], 5, &other); /* not theirs to ask */
    world_run(&w, 500);
    T_EQ(w.actor[0].map->temp_count, 0);
    temp_send(primary, 5, &other);
    world_run(&w, 500);
    T_EQ(w.actor[0].map->temp_count, 1);
    T_EQ(place(&w, 5).primary.v, at.up.osd[1].v);
    temp_send(&w.actor[at.up.osd[1].v], 5, &at.up);
    world_run(&w, 500);
    T_EQ(w.actor[0].map->temp_count, 0);
    one_mon_end(&w);
}

static void full_send(struct actor *a, bool full)
{
    struct msg_osd_stats *m = MESSAGE_NEW(osd_stats);

    m->osd = a->boot.osd;
    m->instance = a->self.instance;
    m->total_bytes = GIB(64);
    m->used_bytes = full ? GIB(63) : GIB(60);
    m->full = full;
    actor_send(a, &m->base);
}

T(mon, a_full_osd_is_in_the_map_and_nearly_full_ones_are_told)
{
    struct world w;
    struct actor *c;

    one_mon(&w, 2);
    c = world_actor(&w, false, 0, 0);
    w.actor[1].mute = true;
    full_send(&w.actor[1], true);
    world_run(&w, 300);
    T_TRUE(world_osd_info(&w, 1)->state & OSD_FULL);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(strstr(c->json, "\"HEALTH_ERROR\"") && strstr(c->json, "\"OSD_FULL\""));
    full_send(&w.actor[1], false);
    world_run(&w, 300);
    T_FALSE(world_osd_info(&w, 1)->state & OSD_FULL);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(strstr(c->json, "\"HEALTH_WARN\"") && strstr(c->json, "\"OSD_NEARFULL\""));
    one_mon_end(&w);
}

T(mon, history_is_trimmed_only_behind_clean_pgs_and_late_comers_get_the_oldest_map_first)
{
    struct world w;
    struct actor *c, *late;

    one_mon(&w, 3);
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "pool", "create", "p", NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        w.actor[i].clean_pgs = false;
    world_run(&w, 7000);
    for (unsigned i = 0; i < 550; i++) {
        T_EQ(actor_command(c, "osd", "out", "0", NULL), 0);
        T_EQ(actor_command(c, "osd", "in", "0", NULL), 0);
    }
    world_run(&w, 5000);
    T_EQ(actor_command(c, "map", "get", "1", NULL), 0); /* PGs were not reported clean */
    for (unsigned i = 0; i < 3; i++)
        w.actor[i].clean_pgs = true;
    world_run(&w, 5000);
    T_EQ(actor_command(c, "map", "get", "1", NULL), -ENOENT);
    late = world_actor(&w, true, 9, 0);
    T_TRUE(osd_wait(&w, 9, true, 5000));
    T_TRUE(actor_wait_epoch(late, epoch_now(&w), 1000));
    /* It was told of every epoch kept: at least 500, and it checked each against the others'. */
    late->boots = false;
    osd_restart(late);
    T_TRUE(actor_wait_epoch(late, epoch_now(&w), 1000));
    T_EQ(late->fulls, 2);
    T_GT(mon_counters(w.mon[0])->snapshots, 0);
    /* A monitor that starts from its snapshot and log has the same history. */
    world_mon_kill(&w, 0, true);
    T_OK(world_mon_start(&w, 0));
    world_run(&w, 3000);
    T_TRUE(w.ready[0]);
    T_EQ(actor_command(c, "map", "get", "1", NULL), -ENOENT);
    one_mon_end(&w);
}
