/* world.c - machines, processes and short ways to write and read for the simulator's tests. */
#include "tests/unit/env_sim/world.h"

#include <stdio.h>

__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.s = sim_create(&(struct sim_conf){.seed = seed})};
    for (unsigned i = 0; i < WORLD_MACHINES; i++) {
        char name[16], ip[16];

        snprintf(name, sizeof(name), "m%u", i + 1);
        snprintf(ip, sizeof(ip), "127.0.0.%u", i + 1);
        w->m[i] = sim_machine_create(w->s, name, ip);
        w->env[i] = sim_process_start(w->m[i], "p");
    }
}

void world_fini(struct world *w)
{
    sim_destroy(w->s);
}

void world_run(struct world *w, uint64_t ns)
{
    sim_run_until(w->s, sim_now_ns(w->s) + ns, NULL, NULL);
}

struct env *world_power_cycle(struct world *w, unsigned i)
{
    sim_machine_power_cut(w->m[i]);
    T_FALSE(sim_process_alive(w->env[i]));
    w->env[i] = sim_process_start(w->m[i], "p");
    return w->env[i];
}

struct env *world_kill_and_start(struct world *w, unsigned i)
{
    sim_process_kill(w->env[i]);
    T_FALSE(sim_process_alive(w->env[i]));
    w->env[i] = sim_process_start(w->m[i], "p");
    return w->env[i];
}

void world_end_clean(struct world *w)
{
    for (unsigned i = 0; i < WORLD_MACHINES; i++)
        T_EQ(sim_process_end(w->env[i]), 0);
    world_fini(w);
}

static void io_done(struct disk_io *io)
{
    io->impl = io; /* seen by io_is_done */
}

static bool io_is_done(void *arg)
{
    struct disk_io *io = arg;

    return io->impl == io;
}

static void io_submit(void *arg)
{
    struct disk_io *io = arg;

    disk_submit(*(struct env **)io->disk, io); /* a disk begins with its env */
}

int world_io(struct world *w, struct env *env, struct disk_io *io)
{
    io->done = io_done;
    io->impl = NULL;
    sim_enter(env, io_submit, io);
    T_FALSE(io_is_done(io)); /* never from inside the call */
    sim_run_until(w->s, sim_now_ns(w->s) + NS_PER_S, io_is_done, io);
    T_TRUE(io_is_done(io));
    return io->rc;
}

int world_write(struct world *w, struct env *env, struct disk *d, uint64_t block, uint64_t blocks,
                uint8_t fill, unsigned flags)
{
    struct blob *blob = blob_create(blocks * DISK_BLOCK);
    struct disk_io io = {.disk = d, .op = DISK_WRITE, .flags = flags, .off = block * DISK_BLOCK};
    int rc;

    T_TRUE(blob != NULL);
    memset(blob->data, fill, blocks * DISK_BLOCK);
    T_OK(buf_append_blob(&io.data, blob, 0, (uint32_t)(blocks * DISK_BLOCK)));
    rc = world_io(w, env, &io);
    blob_unref(blob);
    buf_fini(&io.data);
    return rc;
}

int world_flush(struct world *w, struct env *env, struct disk *d)
{
    struct disk_io io = {.disk = d, .op = DISK_FLUSH};

    return world_io(w, env, &io);
}

int world_peek(struct disk *d, uint64_t block)
{
    uint8_t data[DISK_BLOCK];
    int rc = disk_read_now(d, block * DISK_BLOCK, data, sizeof(data));

    if (rc < 0)
        return rc;
    for (unsigned i = 1; i < sizeof(data); i++) {
        if (data[i] != data[0])
            return -1;
    }
    return data[0];
}

struct disk *world_disk(struct env *env, const char *path, uint64_t blocks)
{
    struct disk_conf conf = {.create = true, .bytes = blocks * DISK_BLOCK};
    struct note why = {{0}};
    struct disk *d = NULL;
    int rc = disk_open(env, path, &conf, &d, &why);

    if (rc < 0)
        T_FAIL("disk_open: %s", why.text);
    return d;
}
