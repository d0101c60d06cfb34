/* test_commands.c - the table of commands on one monitor: results, refusals, what they change. */
#include <stdio.h>

#include "core/crush/crush_text.h"
#include "core/mon/mon_user.h"
#include "tests/unit/mon/world.h"

static struct actor *one_mon(struct world *w, unsigned osds)
{
    struct actor *c;

    world_init(w, 1, 1);
    world_up(w);
    for (unsigned i = 0; i < osds; i++)
        (void)world_osd(w, i); /* found in w->actor */
    for (unsigned i = 0; i < osds; i++)
        T_TRUE(osd_wait(w, i, true, 5000));
    c = world_actor(w, false, 0, 0);
    world_run(w, 1500);
    return c;
}

static void one_mon_end(struct world *w)
{
    world_mon_stop(w, 0);
    world_fini(w);
}

static bool says(const struct actor *c, const char *text)
{
    return (c->json && strstr(c->json, text)) || (c->text && strstr(c->text, text));
}

T(mon_commands, what_is_wrong_is_refused_with_a_reason)
{
    static const struct {
        const char *argv[7];
        int rc;
        const char *text;
    } rows[] = {
        {{"osd", "outt", "1"}, -R_BAD_COMMAND, "osd out"},
        {{"osd"}, -R_BAD_COMMAND, "osd ls"},
        {{""}, -R_BAD_COMMAND, "help"},
        {{"osd", "out"}, -R_BAD_COMMAND, "usage: osd out N"},
        {{"osd", "out", "1", "2"}, -R_BAD_COMMAND, "usage"},
        {{"osd", "out", "x"}, -R_BAD_COMMAND, "number"},
        {{"osd", "out", "-1"}, -R_BAD_COMMAND, "number"},
        {{"osd", "out", "99999999999999999999"}, -R_BAD_COMMAND, "number"},
        {{"osd", "out", "7"}, -ENOENT, "osd.7"},
        {{"osd", "lost", "0"}, -EBUSY, "is up"},
        {{"osd", "rm", "0"}, -EBUSY, "is up"},
        {{"pool", "create", "a/b"}, -R_BAD_COMMAND, "name"},
        {{"pool", "create", "-x"}, -R_BAD_COMMAND, "name"},
        {{"pool", "create", "p", "size", "11"}, -R_BAD_COMMAND, "size"},
        {{"pool", "create", "p", "size", "2", "size_min", "3"}, -R_BAD_COMMAND, "size_min"},
        {{"pool", "create", "p", "pgs", "33"}, -R_BAD_COMMAND, "power of two"},
        {{"pool", "create", "p", "colour", "3"}, -R_BAD_COMMAND, "usage"},
        {{"pool", "create", "p", "size"}, -R_BAD_COMMAND, "usage"},
        {{"pool", "rm", "p"}, -R_NO_POOL, "no pool p"},
        {{"pool", "set", "p", "size", "2"}, -R_NO_POOL, "no pool p"},
        {{"pg", "ls", "p"}, -R_NO_POOL, "no pool p"},
        {{"user", "rm", "nobody"}, -ENOENT, "nobody"},
        {{"user", "create", "a b"}, -R_BAD_COMMAND, "name"},
        {{"user", "create", "a", "b/c"}, -R_BAD_COMMAND, "access key"},
        {{"user", "create", "a", "key-of-mine"}, -R_BAD_COMMAND, "input"},
        {{"user", "info", "nobody"}, -ENOENT, "nobody"},
        {{"user", "suspend", "nobody"}, -ENOENT, "nobody"},
        {{"user", "enable", "no/body"}, -ENOENT, "no/body"},
        {{"user", "quota", "nobody", "bytes", "1"}, -ENOENT, "nobody"},
        {{"user", "key"}, -R_BAD_COMMAND, "user key ls"},
        {{"user", "key", "ls", "nobody"}, -ENOENT, "nobody"},
        {{"user", "key", "add", "nobody"}, -ENOENT, "nobody"},
        {{"user", "key", "rm", "nobody", "AAAA"}, -ENOENT, "nobody"},
        {{"user", "find", "AAAA"}, -ENOENT, "access key"},
        {{"config-key", "get", "k"}, -ENOENT, "no such key"},
        {{"config-key", "rm", "k"}, -ENOENT, "no such key"},
        {{"blocklist", "rm", "12"}, -ENOENT, "not fenced"},
        {{"blocklist", "add", "0"}, -R_BAD_COMMAND, "0"},
        {{"map", "get", "4000"}, -ENOENT, "epochs"},
        {{"map", "get", "0"}, -ENOENT, "epochs"},
    };
    struct world w;
    struct actor *c = one_mon(&w, 1);
    uint32_t epoch = mon_epoch(w.mon[0]).v;

    T_CASES (row, rows) {
        const char *const *v = row->argv;

        T_EQ(actor_command(c, v[0], v[1], v[2], v[3], v[4], v[5], v[6], NULL), row->rc);
        if (!says(c, row->text))
            T_FAIL("it says: %s", c->text);
    }
    T_EQ(mon_epoch(w.mon[0]).v, epoch); /* none of them made a map */
    one_mon_end(&w);
}

T(mon_commands, pools_get_copies_groups_and_a_rule_that_fit_the_cluster)
{
    struct world w;
    struct actor *c = one_mon(&w, 2);

    T_EQ(actor_command(c, "pool", "create", "two", NULL), 0);
    T_TRUE(says(c, "\"size\":2,\"size_min\":1,\"pgs\":32,\"rule\":1") && says(c, "warning"));
    T_EQ(actor_command(c, "pool", "create", "four", "--size", "4", "size_min", "2", NULL), 0);
    T_TRUE(says(c, "\"size\":4,\"size_min\":2,\"pgs\":32,\"rule\":0"));
    for (unsigned i = 2; i < 7; i++)
        (void)world_osd(&w, i);
    T_TRUE(osd_wait(&w, 6, true, 5000));
    world_run(&w, 1000);
    T_EQ(actor_command(c, "pool", "create", "three", NULL), 0);
    T_TRUE(says(c, "\"size\":3,\"size_min\":2,\"pgs\":64,\"rule\":1") && !says(c, "warning"));
    T_EQ(actor_command(c, "pool", "create", "one", "size", "1", "pgs", "8", NULL), 0);
    T_TRUE(says(c, "\"size\":1,\"size_min\":1,\"pgs\":8"));
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "POOL_NO_COPIES") && !says(c, "POOL_FEW_OSDS"));
    T_EQ(actor_command(c, "pool", "set", "two", "size", "3", NULL), 0);
    T_TRUE(says(c, "\"size\":3,\"size_min\":2"));
    T_EQ(actor_command(c, "pool", "set", "two", "size_min", "1", NULL), 0);
    T_EQ(actor_command(c, "pool", "set", "two", "size", "4", NULL), 0);
    T_TRUE(says(c, "\"size\":4,\"size_min\":1")); /* set by hand, so it stays */
    T_EQ(actor_command(c, "pool", "rm", "one", NULL), 0);
    T_EQ(actor_command(c, "pool", "ls", NULL), 0);
    T_TRUE(says(c, "\"four\"") && !says(c, "\"one\""));
    T_EQ(actor_command(c, "pool", "create", "one", NULL), 0);
    T_TRUE(says(c, "\"id\":5")); /* ids are not used again */
    one_mon_end(&w);
}

T(mon_commands, a_pool_without_osds_is_refused)
{
    struct world w;
    struct actor *c = one_mon(&w, 0);

    T_EQ(actor_command(c, "pool", "create", "p", NULL), -EAGAIN);
    one_mon_end(&w);
}

T(mon_commands, an_operators_out_stays_and_a_held_osd_does_not_come_up)
{
    struct world w;
    struct actor *c = one_mon(&w, 3);
    struct msg_osd_stopping *m;

    T_EQ(actor_command(c, "osd", "out", "osd.1", NULL), 0);
    w.actor[1].boots = true;
    osd_restart(&w.actor[1]);
    world_run(&w, 3000);
    T_TRUE(world_osd_info(&w, 1)->state & OSD_UP);
    T_EQ(world_osd_info(&w, 1)->weight, 0);
    T_EQ(actor_command(c, "osd", "in", "1", NULL), 0);
    world_run(&w, 500);
    T_EQ(world_osd_info(&w, 1)->weight, OSD_WEIGHT_IN);

    T_EQ(actor_command(c, "osd", "stop", "2", NULL), 0);
    world_run(&w, 500);
    T_TRUE(world_osd_info(&w, 2)->state & OSD_HELD);
    T_TRUE(world_osd_info(&w, 2)->state & OSD_UP); /* it is given the time to stop in order */
    m = MESSAGE_NEW(osd_stopping);
    m->osd.v = 2;
    m->instance = w.actor[2].self.instance;
    actor_send(&w.actor[2], &m->base);
    T_TRUE(osd_wait(&w, 2, false, 500));
    T_TRUE(world_osd_info(&w, 2)->state & OSD_STOPPED);
    osd_restart(&w.actor[2]);
    world_run(&w, 3000);
    T_FALSE(world_osd_info(&w, 2)->state & OSD_UP);
    T_EQ(actor_command(c, "osd", "start", "2", NULL), 0);
    T_TRUE(osd_wait(&w, 2, true, 3000));

    w.actor[0].boots = false; /* one that does not stop */
    T_EQ(actor_command(c, "osd", "stop", "0", NULL), 0);
    T_FALSE(osd_wait(&w, 0, false, 3000));
    T_TRUE(osd_wait(&w, 0, false, 5000));
    T_FALSE(world_osd_info(&w, 0)->state & OSD_STOPPED); /* nothing is proved */
    one_mon_end(&w);
}

T(mon_commands, a_removed_osd_is_gone_and_its_id_may_serve_another_store)
{
    struct world w;
    struct actor *c = one_mon(&w, 3);

    w.actor[2].boots = false;
    sim_process_kill(w.actor[2].env);
    osd_report(&w.actor[0], &w.actor[2], true, 0, false);
    T_TRUE(osd_wait(&w, 2, false, 1000));
    T_EQ(actor_command(c, "osd", "rm", "2", NULL), -EBUSY); /* it is in */
    T_EQ(actor_command(c, "osd", "lost", "2", NULL), 0);
    T_EQ(actor_command(c, "osd", "out", "2", NULL), 0);
    T_EQ(actor_command(c, "osd", "rm", "2", NULL), 0);
    T_EQ(actor_command(c, "osd", "ls", NULL), 0);
    T_FALSE(says(c, "\"osd\":2"));
    T_EQ(actor_command(c, "osd", "tree", NULL), 0);
    T_TRUE(says(c, "\"osd.1\"") && !says(c, "\"osd.2\""));
    w.next_uuid = 77;
    (void)world_osd(&w, 2);
    T_TRUE(osd_wait(&w, 2, true, 3000));
    T_EQ(world_osd_info(&w, 2)->uuid[0], 77);
    one_mon_end(&w);
}

static char *field_of(const struct actor *c, const char *name)
{
    char *at = strstr(c->json, name), *from, *end;

    T_TRUE(at != NULL);
    from = strchr(at + strlen(name) + 1, '"') + 1;
    end = strchr(from, '"');
    return strndup(from, (size_t)(end - from));
}

T(mon_commands, users_have_keys_that_are_shown_once_and_found_by_gateways)
{
    struct world w;
    struct actor *c = one_mon(&w, 0);
    char *access, *secret, *again;

    T_EQ(actor_command(c, "user", "create", "ann", NULL), 0);
    access = field_of(c, "\"access_key\"");
    secret = field_of(c, "\"secret_key\"");
    T_EQ(strlen(access), 20);
    T_EQ(strlen(secret), 40);
    T_EQ(actor_command(c, "user", "create", "ann", NULL), -R_EXISTS);
    T_EQ(actor_command(c, "user", "create", "bob", NULL), 0);
    T_FALSE(says(c, access) || says(c, secret));
    T_EQ(actor_command(c, "user", "list", NULL), 0);
    T_TRUE(says(c, access) && says(c, "bob") && !says(c, secret));
    T_EQ(actor_command(c, "user", "info", "ann", NULL), 0);
    T_TRUE(says(c, access) && says(c, "\"state\":\"active\"") && !says(c, secret));
    world_mon_kill(&w, 0, true);
    T_OK(world_mon_start(&w, 0));
    T_EQ(actor_command(c, "user", "find", access, NULL), 0);
    T_TRUE(says(c, "\"user\":\"ann\""));
    again = field_of(c, "\"secret_key\"");
    T_STR_EQ(again, secret);
    T_EQ(actor_command(c, "user", "rm", "ann", NULL), 0);
    T_EQ(actor_command(c, "user", "find", access, NULL), -ENOENT);
    free(access);
    free(secret);
    free(again);
    one_mon_end(&w);
}

T(mon_commands, keys_come_and_go_one_by_one_and_all_go_with_their_user)
{
    char *key[MON_USER_KEYS_MAX];
    struct world w;
    struct actor *c = one_mon(&w, 0);

    T_EQ(actor_command(c, "user", "create", "ann", NULL), 0);
    key[0] = field_of(c, "\"access_key\"");
    for (unsigned i = 1; i < MON_USER_KEYS_MAX; i++) {
        T_EQ(actor_command(c, "user", "key", "add", "ann", NULL), 0);
        T_TRUE(says(c, "secret_key"));
        key[i] = field_of(c, "\"access_key\"");
    }
    T_EQ(actor_command(c, "user", "key", "add", "ann", NULL), -R_OVERFLOW);
    T_TRUE(says(c, "remove one first"));
    T_EQ(actor_command(c, "user", "key", "rm", "ann", key[3], NULL), 0);
    T_EQ(actor_command(c, "user", "key", "rm", "ann", key[3], NULL), -ENOENT);
    world_mon_kill(&w, 0, true);
    T_OK(world_mon_start(&w, 0));
    T_EQ(actor_command(c, "user", "find", key[3], NULL), -ENOENT);
    T_EQ(actor_command(c, "user", "key", "ls", "ann", NULL), 0);
    for (unsigned i = 0; i < MON_USER_KEYS_MAX; i++)
        T_EQ(says(c, key[i]), i != 3);
    for (unsigned i = 0; i < MON_USER_KEYS_MAX; i++)
        if (i != 3)
            T_EQ(actor_command(c, "user", "find", key[i], NULL), 0);
    T_EQ(actor_command(c, "user", "rm", "ann", NULL), 0);
    for (unsigned i = 0; i < MON_USER_KEYS_MAX; i++) {
        T_EQ(actor_command(c, "user", "find", key[i], NULL), -ENOENT);
        free(key[i]);
    }
    one_mon_end(&w);
}

T(mon_commands, keys_made_elsewhere_are_taken_over_and_belong_to_one_user)
{
    struct world w;
    struct actor *c = one_mon(&w, 0);

    T_EQ(actor_command_input(c, "a secret", "user", "create", "ann", "MOVED.KEY-1", NULL),
         -R_BAD_COMMAND); /* it has a blank */
    T_EQ(actor_command_input(c, "wJalr/K7+MDENG=\n", "user", "create", "ann", "MOVED.KEY-1", NULL),
         0);
    T_FALSE(says(c, "wJalr"));
    T_EQ(actor_command(c, "user", "find", "MOVED.KEY-1", NULL), 0);
    T_TRUE(says(c, "\"secret_key\":\"wJalr/K7+MDENG=\"") && says(c, "\"user\":\"ann\""));
    T_EQ(actor_command(c, "user", "create", "bob", NULL), 0);
    T_EQ(actor_command_input(c, "another1", "user", "key", "add", "bob", "MOVED.KEY-1", NULL),
         -R_EXISTS);
    T_EQ(actor_command(c, "user", "key", "rm", "bob", "MOVED.KEY-1", NULL), -ENOENT);
    T_EQ(actor_command(c, "user", "key", "rm", "ann", "MOVED.KEY-1", NULL), 0);
    T_EQ(actor_command_input(c, "another1", "user", "key", "add", "bob", "MOVED.KEY-1", NULL), 0);
    T_EQ(actor_command(c, "user", "find", "MOVED.KEY-1", NULL), 0);
    T_TRUE(says(c, "\"user\":\"bob\"") && says(c, "another1"));
    one_mon_end(&w);
}

T(mon_commands, state_and_quota_of_a_user_reach_gateways_with_its_key)
{
    struct world w;
    struct actor *c = one_mon(&w, 0);
    char *access;

    T_EQ(actor_command(c, "user", "create", "ann", NULL), 0);
    access = field_of(c, "\"access_key\"");
    T_EQ(actor_command(c, "user", "suspend", "ann", NULL), 0);
    T_EQ(actor_command(c, "user", "find", access, NULL), 0);
    T_TRUE(says(c, "\"state\":\"suspended\"") && says(c, "\"bytes\":null,\"objects\":null"));
    T_EQ(actor_command(c, "user", "enable", "ann", NULL), 0);
    T_EQ(actor_command(c, "user", "quota", "ann", "--bytes", "10G", "objects", "5", NULL), 0);
    T_EQ(actor_command(c, "user", "quota", "ann", "bytes", "0", NULL), -R_BAD_COMMAND);
    T_EQ(actor_command(c, "user", "quota", "ann", "bytes", "1X", NULL), -R_BAD_COMMAND);
    T_EQ(actor_command(c, "user", "quota", "ann", "bites", "1", NULL), -R_BAD_COMMAND);
    T_EQ(actor_command(c, "user", "quota", "ann", "objects", "6", "bytes", NULL), -R_BAD_COMMAND);
    T_EQ(actor_command(c, "user", "quota", "ann", NULL), 0);
    T_STR_EQ(c->json, "{\"user\":\"ann\",\"bytes\":10737418240,\"objects\":5}");
    T_EQ(actor_command(c, "user", "quota", "ann", "bytes", "none", NULL), 0);
    T_EQ(actor_command(c, "user", "find", access, NULL), 0);
    T_TRUE(says(c, "\"state\":\"active\"") && says(c, "\"bytes\":null,\"objects\":5"));
    free(access);
    one_mon_end(&w);
}

T(mon_commands, settings_are_kept)
{
    struct world w;
    struct actor *c = one_mon(&w, 0);

    T_EQ(actor_command(c, "config-key", "set", "a/b", "one", NULL), 0);
    T_EQ(actor_command(c, "config-key", "set", "a/b", "two", NULL), 0);
    T_EQ(actor_command(c, "config-key", "set", "z", "", NULL), 0);
    T_EQ(actor_command(c, "config-key", "get", "a/b", NULL), 0);
    T_STR_EQ(c->json, "{\"key\":\"a/b\",\"value\":\"two\"}");
    T_EQ(actor_command(c, "config-key", "ls", NULL), 0);
    T_STR_EQ(c->json, "[\"a/b\",\"z\"]");
    T_EQ(actor_command(c, "config-key", "rm", "a/b", NULL), 0);
    T_EQ(actor_command(c, "config-key", "get", "a/b", NULL), -ENOENT);
    one_mon_end(&w);
}

T(mon_commands, a_fenced_client_is_in_the_map_until_its_time_is_over)
{
    struct world w;
    struct actor *c = one_mon(&w, 0);

    T_EQ(actor_command(c, "blocklist", "add", "18446744073709551615", "30", NULL), 0);
    T_EQ(actor_command(c, "blocklist", "add", "5", NULL), 0);
    T_TRUE(actor_wait_epoch(c, mon_epoch(w.mon[0]).v, 1000));
    T_TRUE(osdmap_blocked(c->map, UINT64_MAX) && osdmap_blocked(c->map, 5));
    T_EQ(actor_command(c, "blocklist", "ls", NULL), 0);
    T_TRUE(says(c, "\"18446744073709551615\""));
    world_run(&w, 25000);
    T_TRUE(osdmap_blocked(c->map, UINT64_MAX));
    world_run(&w, 10000);
    T_FALSE(osdmap_blocked(c->map, UINT64_MAX));
    T_EQ(actor_command(c, "blocklist", "rm", "5", NULL), 0);
    T_TRUE(actor_wait_epoch(c, mon_epoch(w.mon[0]).v, 1000));
    T_FALSE(osdmap_blocked(c->map, 5));
    one_mon_end(&w);
}

T(mon_commands, those_that_look_answer_what_is)
{
    struct world w;
    struct actor *c = one_mon(&w, 3);
    struct crush_map *crush;
    struct note why = {{0}};

    T_EQ(actor_command(c, "pool", "create", "p", "pgs", "8", NULL), 0);
    T_EQ(actor_command(c, "pg", "ls", "p", NULL), 0);
    T_TRUE(says(c, "\"pg\":\"1.7\"") && says(c, "not reported"));
    world_run(&w, 3000);
    T_EQ(actor_command(c, "pg", "ls", NULL), 0);
    T_TRUE(says(c, "\"state\":\"active+clean\"") && !says(c, "not reported"));
    T_EQ(actor_command(c, "status", NULL), 0);
    T_TRUE(says(c, "\"active_clean\":8") && says(c, "\"up\":3,\"in\":3") && says(c, "HEALTH_OK"));
    T_EQ(actor_command(c, "mon", "ls", NULL), 0);
    T_STR_EQ(c->json, "[{\"mon\":0,\"addr\":\"127.0.0.1:6789\",\"leads\":true,\"heard\":true}]");
    T_EQ(actor_command(c, "osd", "ls", NULL), 0);
    T_TRUE(says(
        c, "\"osd\":2,\"up\":true,\"in\":true,\"stopped\":false,\"full\":false,\"weight\":1.0"));
    T_EQ(actor_command(c, "map", "get", "1", NULL), 0);
    T_TRUE(says(c, "\"epoch\":1") && says(c, "\"osds\":[]"));
    T_EQ(actor_command(c, "crush", "show", NULL), 0);
    T_OK(crush_text_parse(c->text, strlen(c->text), &crush, &why));
    crush_destroy(crush);
    T_EQ(actor_command(c, "help", NULL), 0);
    T_TRUE(says(c, "\"command\":\"osd out\""));
    one_mon_end(&w);
}

T(mon_commands, health_counts_what_was_said_by_the_present_primary_only)
{
    struct world w;
    struct actor *c = one_mon(&w, 3);

    T_EQ(actor_command(c, "pool", "create", "p", NULL), 0);
    world_run(&w, 3000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "HEALTH_OK"));
    for (unsigned i = 0; i < 3; i++)
        w.actor[i].mute = true;
    w.actor[2].boots = false;
    sim_process_kill(w.actor[2].env);
    osd_report(&w.actor[0], &w.actor[2], true, 0, false);
    T_TRUE(osd_wait(&w, 2, false, 1000));
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "OSD_DOWN") && says(c, "32 PGs are not known to be healthy"));
    w.actor[0].mute = w.actor[1].mute = false;
    world_run(&w, 2000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "PG_UNDERSIZED") && says(c, "PG_DEGRADED") && !says(c, "PG_NOT_REPORTED"));
    world_mon_stop(&w, 0); /* what was said is soft: the next life knows nothing yet */
    w.actor[0].mute = w.actor[1].mute = true;
    T_OK(world_mon_start(&w, 0));
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "PG_NOT_REPORTED"));
    one_mon_end(&w);
}

T(mon_commands, trouble_is_shown_while_the_osd_is_down_and_its_node_says_so)
{
    struct world w;
    struct actor *c = one_mon(&w, 3);

    T_EQ(actor_command(c, "osd", "trouble", "7", "its disk is gone", NULL), -ENOENT);
    T_EQ(actor_command(c, "osd", "trouble", "2", "its disk is gone", NULL), 0);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_FALSE(says(c, "OSD_TROUBLE")); /* it is up */
    w.actor[2].boots = false;
    sim_process_kill(w.actor[2].env);
    osd_report(&w.actor[0], &w.actor[2], true, 0, false);
    T_TRUE(osd_wait(&w, 2, false, 1000));
    T_EQ(actor_command(c, "osd", "trouble", "2", "its disk is gone", NULL), 0);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "OSD_TROUBLE") && says(c, "osd.2 does not start: its disk is gone"));
    T_TRUE(says(c, "HEALTH_ERROR"));
    world_run(&w, 125000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_FALSE(says(c, "OSD_TROUBLE"));
    T_TRUE(says(c, "OSD_DOWN"));
    one_mon_end(&w);
}

T(mon_commands, a_pg_whose_member_started_anew_must_be_reported_again)
{
    struct world w;
    struct actor *c = one_mon(&w, 3);

    T_EQ(actor_command(c, "pool", "create", "p", NULL), 0);
    world_run(&w, 3000);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "HEALTH_OK"));
    for (unsigned i = 0; i < 3; i++)
        w.actor[i].mute = true;
    osd_restart(&w.actor[2]); /* gone and back: every set is as before */
    T_TRUE(actor_wait_epoch(&w.actor[0], mon_epoch(w.mon[0]).v + 2, 5000));
    T_TRUE(world_osd_info(&w, 2)->state & OSD_UP);
    T_EQ(actor_command(c, "health", NULL), 0);
    T_TRUE(says(c, "32 PGs are not known to be healthy"));
    one_mon_end(&w);
}

T(mon_commands, a_held_osd_does_not_go_out_by_itself)
{
    struct world w;
    struct actor *c;

    world_init(&w, 1, 1);
    w.conf.mon_osd_down_out_s = 5;
    world_up(&w);
    for (unsigned i = 0; i < 3; i++)
        (void)world_osd(&w, i);
    T_TRUE(osd_wait(&w, 2, true, 5000));
    c = world_actor(&w, false, 0, 0);
    T_EQ(actor_command(c, "osd", "stop", "2", NULL), 0);
    T_TRUE(osd_wait(&w, 2, false, 10000));
    world_run(&w, 20000);
    T_EQ(world_osd_info(&w, 2)->weight, OSD_WEIGHT_IN);
    w.actor[2].boots = false;
    T_EQ(actor_command(c, "osd", "start", "2", NULL), 0); /* and does not come: then it does */
    world_run(&w, 20000);
    T_EQ(world_osd_info(&w, 2)->weight, 0);
    one_mon_end(&w);
}
