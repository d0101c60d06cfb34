/* test_store.c - what a monitor's folder holds after power cuts, damage, failed writes, and without
 * memory.  MON_SEED=s takes another seed. */
#include <stdio.h>

#include "core/mon/mon_store.h"
#include "tests/unit/mon/world.h"

static uint64_t seed(void)
{
    const char *s = getenv("MON_SEED");

    return s ? strtoull(s, NULL, 10) : 1;
}

static void one_mon(struct world *w, struct actor **out_client)
{
    world_init(w, 1, seed());
    world_up(w);
    *out_client = world_actor(w, false, 0, 0);
}

/* Make users u<from> .. until one is not answered; how many are acknowledged in all. */
static unsigned users_make(struct world *w, struct actor *c, unsigned from, unsigned count)
{
    for (unsigned i = from; i < from + count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "u%u-", i);
        actor_command_begin(c, "user", "create", name, NULL);
        while (!c->answered && sim_process_alive(w->mon_env[0]))
            if (!sim_step(w->s))
                break;
        if (!c->answered)
            return i;
        T_EQ(c->rc, 0);
    }
    return from + count;
}

static void users_check(struct world *w, struct actor *c, unsigned count)
{
    if (world_mon_start(w, 0) < 0)
        T_FAIL("seed %lu: %s", w->seed, w->start_why.text);
    T_EQ(actor_command(c, "user", "list", NULL), 0);
    for (unsigned i = 0; i < count; i++) {
        char name[32];

        snprintf(name, sizeof(name), "u%u-", i);
        if (!strstr(c->text, name))
            T_FAIL("seed %lu: user %s is lost, %u were acknowledged", w->seed, name, count);
    }
}

/* Power is lost at each I/O from here on, until `count` users can be made without reaching it. */
static unsigned cut_everywhere(struct world *w, struct actor *c, unsigned made, unsigned count)
{
    struct sim_image *image;
    unsigned states = 0;

    world_mon_stop(w, 0);
    image = sim_machine_save(w->mon_machine[0]);
    for (uint64_t io = 1;; io++) {
        unsigned acked;

        sim_machine_cut_at_io(w->mon_machine[0], sim_machine_ios(w->mon_machine[0]) + io);
        if (world_mon_start(w, 0) == 0) {
            acked = users_make(w, c, made, count);
        } else {
            acked = made;
            T_FALSE(sim_process_alive(w->mon_env[0]));
        }
        sim_machine_cut_at_io(w->mon_machine[0], 0);
        if (sim_process_alive(w->mon_env[0]))
            break;
        w->mon[0] = NULL;
        users_check(w, c, acked);
        states++;
        world_mon_kill(w, 0, true); /* and what recovery wrote is whole, too */
        users_check(w, c, acked);
        world_mon_kill(w, 0, true);
        w->mon_env[0] = NULL;
        sim_machine_restore(w->mon_machine[0], image);
    }
    sim_image_destroy(image);
    return states;
}

T(mon_store, every_power_cut_keeps_what_was_acknowledged)
{
    struct world w;
    struct actor *c;
    unsigned states;

    one_mon(&w, &c);
    T_EQ(users_make(&w, c, 0, 5), 5);
    states = cut_everywhere(&w, c, 5, 12);
    printf("%u states\n", states);
    T_GE(states, 12);
    world_fini(&w);
}

struct peek {
    struct env *env;
    uint8_t block[DISK_BLOCK];
};

static void peek_run(void *arg)
{
    struct peek *p = arg;
    struct disk *d;
    struct note why = {{0}};

    T_OK(disk_open(p->env, "mon/log.0", &(struct disk_conf){.read_only = true}, &d, &why));
    T_OK(disk_read_now(d, 0, p->block, sizeof(p->block)));
    disk_close(d);
}

/* The first life writes log.1; log.0 is zeros until it is turned to. */
static bool turned(struct world *w)
{
    struct peek p = {.env = w->mon_env[0]};

    sim_enter(p.env, peek_run, &p);
    return p.block[0] != 0;
}

T(mon_store, power_cuts_around_the_turn_to_the_other_file_lose_nothing)
{
    struct world w;
    struct actor *c;
    unsigned states;

    one_mon(&w, &c);
    T_EQ(users_make(&w, c, 0, 240), 240);
    T_FALSE(turned(&w));
    states = cut_everywhere(&w, c, 240, 30);
    T_TRUE(turned(&w));
    printf("%u states\n", states);
    T_GE(states, 30);
    world_fini(&w);
}

T(mon_store, power_cuts_around_a_snapshot_lose_nothing)
{
    struct world w;
    struct actor *c;
    unsigned states, first = 0;

    one_mon(&w, &c); /* where is it? */
    while (mon_counters(w.mon[0])->snapshots == 0)
        first = users_make(&w, c, first, 1);
    world_fini(&w);
    T_GT(first, 500);
    one_mon(&w, &c);
    T_EQ(users_make(&w, c, 0, first - 15), first - 15);
    T_EQ(mon_counters(w.mon[0])->snapshots, 0);
    states = cut_everywhere(&w, c, first - 15, 30);
    printf("%u states\n", states);
    T_GE(states, 30);
    T_GE(mon_counters(w.mon[0])->snapshots, 1);
    world_fini(&w);
}

static void flip(struct world *w, const char *file, uint64_t byte)
{
    T_OK(sim_disk_flip(w->mon_machine[0], file, byte, 3));
}

T(mon_store, damage_of_what_was_durable_is_told_and_nothing_starts)
{
    static const struct {
        const char *file;
        uint64_t byte;
    } rows[] = {
        {"mon/log.1", 20},                 /* the base */
        {"mon/log.1", 3 * DISK_BLOCK + 5}, /* records in the middle */
        {"mon/log.1", 3 * DISK_BLOCK + 30},
        {"mon/log.1", 4 * DISK_BLOCK + 14},
        {"mon/mon", 20},
    };

    T_CASES (row, rows) {
        struct world w;
        struct actor *c;

        one_mon(&w, &c);
        T_EQ(users_make(&w, c, 0, 20), 20);
        world_mon_stop(&w, 0);
        flip(&w, row->file, row->byte);
        T_EQ(world_mon_start(&w, 0), -R_CSUM_MISMATCH);
        T_TRUE(w.start_why.text[0] != 0);
        T_EQ(sim_process_end(w.mon_env[0]), 0);
        world_fini(&w);
    }
}

T(mon_store, a_damaged_snapshot_is_told)
{
    struct world w;
    struct actor *c;

    one_mon(&w, &c);
    T_EQ(users_make(&w, c, 0, 1010), 1010);
    world_run(&w, 100);
    T_EQ(mon_counters(w.mon[0])->snapshots, 1);
    world_mon_stop(&w, 0);
    flip(&w, "mon/snapshot", 500);
    T_EQ(world_mon_start(&w, 0), -R_CSUM_MISMATCH);
    flip(&w, "mon/snapshot", 500);
    users_check(&w, c, 1010);
    world_fini(&w);
}

static bool has_failed(struct world *w, void *arg)
{
    UNUSED(arg);
    return w->failed[0];
}

T(mon_store, a_failed_write_stops_the_role_and_loses_nothing)
{
    for (uint64_t nth = 1; nth <= 6; nth++) {
        struct world w;
        struct actor *c;
        unsigned acked;

        one_mon(&w, &c);
        T_EQ(users_make(&w, c, 0, 3), 3);
        sim_disk_fault(w.mon_machine[0], SIM_DISK_WRITE_EIO, nth);
        for (acked = 3; acked < 20; acked++) {
            char name[32];

            snprintf(name, sizeof(name), "u%u-", acked);
            actor_command_begin(c, "user", "create", name, NULL);
            if (!actor_wait_answer(c, 500))
                break;
        }
        T_TRUE(world_wait(&w, has_failed, NULL, 1000));
        T_EQ(w.failed_rc[0], -EIO);
        T_LT(acked, 20);
        sim_disk_fault(w.mon_machine[0], SIM_DISK_WRITE_EIO, 0);
        world_mon_stop(&w, 0);
        users_check(&w, c, acked);
        world_fini(&w);
    }
}

T(mon_store, a_read_that_fails_once_does_no_harm)
{
    struct world w;
    struct actor *c;

    one_mon(&w, &c);
    T_EQ(users_make(&w, c, 0, 20), 20);
    world_mon_stop(&w, 0);
    sim_disk_fault(w.mon_machine[0], SIM_DISK_READ_EIO, 9); /* of log.1 */
    users_check(&w, c, 20);
    world_fini(&w);
}

struct failing {
    struct world *w;
    int64_t n;
    int rc;
};

static void failing_start(void *arg)
{
    struct failing *f = arg;
    struct mon_conf conf = {.id = 0, .conf = &f->w->conf, .folder = "mon"};
    struct note why = {{0}};

    mem_fail_after(f->n);
    f->rc = mon_start(f->w->mon_env[0], &conf, NULL, NULL, &f->w->mon[0], &why);
    mem_fail_after(-1);
}

T(mon_store, a_start_without_memory_leaves_nothing_behind)
{
    struct world w;
    struct failing f = {.w = &w};
    struct actor *c;

    one_mon(&w, &c);
    T_EQ(users_make(&w, c, 0, 20), 20);
    world_mon_stop(&w, 0);
    sim_on_step(w.s, NULL, NULL);
    for (f.n = 0; f.n == 0 || f.rc < 0; f.n += 1 + f.n / 16) {
        w.mon_env[0] = sim_process_start(w.mon_machine[0], "mon");
        sim_enter(w.mon_env[0], failing_start, &f);
        if (f.rc == 0)
            break;
        T_EQ(f.rc, -ENOMEM);
        T_EQ(sim_process_end(w.mon_env[0]), 0);
    }
    T_GT(f.n, 20);
    world_mon_stop(&w, 0);
    users_check(&w, c, 20);
    world_fini(&w);
}

T(mon_store, two_processes_do_not_share_a_folder_and_mkfs_does_not_overwrite)
{
    struct world w;
    struct actor *c;
    struct env *first;
    uint8_t fsid[16];
    struct mon_members members;
    struct note why = {{0}};
    uint32_t id;

    one_mon(&w, &c);
    first = w.mon_env[0];
    w.mon_env[0] = sim_process_start(w.mon_machine[0], "second");
    T_EQ(world_mon_start(&w, 0), -R_STORE_LOCKED);
    T_EQ(sim_process_end(w.mon_env[0]), 0);
    w.mon_env[0] = first;
    T_EQ(mon_mkfs(first, "mon", fsid, 0, &w.members, &why), -EEXIST);
    T_OK(mon_peek(first, "mon", fsid, &id, &members, &why));
    T_EQ(id, 0);
    T_EQ(members.count, 1);
    T_EQ(fsid[0], 0xc0);
    world_fini(&w);
}

T(mon_store, members_are_read_as_cluster_mons_is_written)
{
    static const struct {
        const char *text;
        int rc;
        uint32_t count;
    } rows[] = {
        {"0=127.0.0.1:6789", 0, 1},
        {"0=127.0.0.1:1, 2=[::1]:2,5=127.0.0.1:3", 0, 3},
        {"", -EINVAL, 0},
        {"127.0.0.1:1", -EINVAL, 0},
        {"0=host:1", -EINVAL, 0},
        {"1=127.0.0.1:1,0=127.0.0.1:2", -EINVAL, 0},
        {"1=127.0.0.1:1,1=127.0.0.1:2", -EINVAL, 0},
        {"99999999999=127.0.0.1:1", -EINVAL, 0},
        {"=127.0.0.1:1", -EINVAL, 0},
    };

    T_CASES (row, rows) {
        struct mon_members ms = {0};
        struct note why = {{0}};

        T_EQ(mon_members_parse(row->text, &ms, &why), row->rc);
        T_EQ(ms.count, row->count);
    }
}
