/* test_role.c - one monitor: boots, failures, commands, subscriptions. */
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
    world_mon_stop(&w, 0);
    world_fini(&w);
}

T(mon, osds_boot_and_pools_are_made)
{
    struct world w;
    struct actor *c;

    one_mon(&w, 3);
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "pool", "create", "p", NULL), 0);
    T_EQ(actor_command(c, "pool", "create", "p", NULL), -R_EXISTS);
    T_EQ(actor_command(c, "pool", "ls", NULL), 0);
    T_TRUE(strstr(c->json, "\"name\":\"p\",\"size\":3,\"size_min\":2,\"pgs\":32,\"rule\":1") !=
           NULL);
    T_EQ(actor_command(c, "status", NULL), 0);
    printf("%s\n%s\n", c->text, c->json);
    world_run(&w, 3000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_STR_EQ(c->json, "{\"status\":\"HEALTH_OK\",\"checks\":[]}");
    world_mon_stop(&w, 0);
    world_fini(&w);
}
