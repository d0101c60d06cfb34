/* test_sim_disk.c - what disks keep, lose and refuse. */
#include "tests/unit/env_sim/world.h"

enum { BLOCKS = 64, TRIALS = 200 };

T(sim_disk, reads_return_the_latest_completed_write)
{
    struct world w;
    struct disk *d;

    world_init(&w, 1);
    d = world_disk(w.env[0], "d", BLOCKS);
    T_EQ(disk_bytes(d), BLOCKS * DISK_BLOCK);
    T_STR_EQ(disk_name(d), "d");
    T_EQ(world_peek(d, 3), 0);
    T_OK(world_write(&w, w.env[0], d, 2, 4, 7, 0));
    T_OK(world_write(&w, w.env[0], d, 3, 1, 9, 0));
    T_EQ(world_peek(d, 2), 7);
    T_EQ(world_peek(d, 3), 9);
    T_EQ(world_peek(d, 5), 7);
    T_EQ(world_peek(d, 6), 0);
    disk_close(d);
    world_end_clean(&w);
}

T(sim_disk, a_read_gives_one_span_of_the_processes_own_memory)
{
    struct world w;
    struct disk_io io = {.op = DISK_READ, .off = DISK_BLOCK, .bytes = 2 * DISK_BLOCK};

    world_init(&w, 2);
    io.disk = world_disk(w.env[0], "d", BLOCKS);
    T_OK(world_write(&w, w.env[0], io.disk, 1, 2, 5, 0));
    T_OK(world_io(&w, w.env[0], &io));
    T_EQ(io.data.bytes, 2 * DISK_BLOCK);
    T_EQ(io.data.span_count, 1);
    T_EQ(*buf_contiguous(&io.data, 8191, 1), 5);
    disk_close(io.disk);
    T_GT(sim_process_end(w.env[0]), io.data.bytes); /* nobody freed them */
    world_fini(&w);
}

T(sim_disk, bytes_are_copied_when_submitted)
{
    struct world w;
    struct blob *blob;
    struct disk_io io = {.op = DISK_WRITE};

    world_init(&w, 3);
    io.disk = world_disk(w.env[0], "d", BLOCKS);
    blob = blob_create(DISK_BLOCK);
    memset(blob->data, 1, DISK_BLOCK);
    T_OK(buf_append_blob(&io.data, blob, 0, 100)); /* a block of two spans, not aligned */
    T_OK(buf_append_copy(&io.data, blob->data, DISK_BLOCK - 100));
    T_OK(world_io(&w, w.env[0], &io));
    T_EQ(world_peek(io.disk, 0), 1);
    buf_fini(&io.data);
    blob_unref(blob);
    disk_close(io.disk);
    world_end_clean(&w);
}

T(sim_disk, bad_requests_complete_with_an_error)
{
    static const struct {
        enum disk_op op;
        uint64_t off, bytes;
        int rc;
    } rows[] = {
        {DISK_READ, 1, DISK_BLOCK, -EINVAL},
        {DISK_READ, 0, 100, -EINVAL},
        {DISK_READ, BLOCKS * DISK_BLOCK, DISK_BLOCK, -ERANGE},
        {DISK_READ, UINT64_MAX - DISK_BLOCK + 1, DISK_BLOCK, -ERANGE},
        {DISK_DISCARD, DISK_BLOCK, BLOCKS * DISK_BLOCK, -ERANGE},
    };
    struct world w;
    struct disk *d;

    world_init(&w, 4);
    d = world_disk(w.env[0], "d", BLOCKS);
    T_CASES (row, rows) {
        struct disk_io io = {.disk = d, .op = row->op, .off = row->off, .bytes = row->bytes};

        T_EQ(world_io(&w, w.env[0], &io), row->rc);
    }
    disk_close(d);
    world_end_clean(&w);
}

/* Where a power cut left each of the blocks that were written, by outcome. */
struct outcome {
    unsigned older, newer, unreadable;
};

static void outcome_add(struct outcome *o, struct disk *d, unsigned blocks, int older, int newer)
{
    for (unsigned b = 0; b < blocks; b++) {
        int seen = world_peek(d, b);

        if (seen == older)
            o->older++;
        else if (seen == newer)
            o->newer++;
        else if (seen == -EIO)
            o->unreadable++;
        else
            T_FAIL("block %u holds %d", b, seen);
    }
}

static struct outcome cut_after(unsigned flags, bool flush)
{
    struct outcome o = {0};

    for (unsigned i = 0; i < TRIALS; i++) {
        struct world w;
        struct disk *d;

        world_init(&w, 100 + i);
        d = world_disk(w.env[0], "d", BLOCKS);
        T_OK(world_write(&w, w.env[0], d, 0, 8, 1, DISK_DURABLE));
        T_OK(world_write(&w, w.env[0], d, 0, 8, 2, flags));
        if (flush)
            T_OK(world_flush(&w, w.env[0], d));
        world_power_cycle(&w, 0);
        outcome_add(&o, world_disk(w.env[0], "d", BLOCKS), 8, 1, 2);
        world_fini(&w);
    }
    return o;
}

T(sim_disk, a_durable_write_survives_every_power_cut)
{
    struct outcome o = cut_after(DISK_DURABLE, false);

    T_EQ(o.newer, 8 * TRIALS);
}

T(sim_disk, a_flushed_write_survives_every_power_cut)
{
    struct outcome o = cut_after(0, true);

    T_EQ(o.newer, 8 * TRIALS);
}

T(sim_disk, an_unflushed_block_is_old_or_new_or_rarely_unreadable)
{
    struct outcome o = cut_after(0, false);

    T_GT(o.older, 8 * TRIALS / 3);
    T_GT(o.newer, 8 * TRIALS / 3);
    T_LT(o.unreadable, 8 * TRIALS / 50);
}

static struct disk *opened; /* of the current test */
static bool flush_done;
static void flush_is_done(struct disk_io *io)
{
    T_OK(io->rc);
    flush_done = true;
}

static void flush_submit(void *arg)
{
    struct disk_io *io = arg;

    disk_submit(*(struct env **)io->disk, io);
}

T(sim_disk, a_flush_covers_only_what_completed_before_it_was_submitted)
{
    struct outcome o = {0};

    for (unsigned i = 0; i < TRIALS; i++) {
        struct world w;
        struct disk_io flush = {.op = DISK_FLUSH, .done = flush_is_done};

        world_init(&w, 400 + i);
        opened = flush.disk = world_disk(w.env[0], "d", BLOCKS);
        T_OK(disk_write_now(opened, 0, (uint8_t[DISK_BLOCK]){1}, DISK_BLOCK));
        flush_done = false;
        sim_enter(w.env[0], flush_submit, &flush);
        T_OK(disk_write_now(opened, DISK_BLOCK, (uint8_t[DISK_BLOCK]){1}, DISK_BLOCK));
        while (!flush_done)
            T_TRUE(sim_step(w.s));
        world_power_cycle(&w, 0);
        opened = world_disk(w.env[0], "d", BLOCKS);
        T_EQ(world_peek(opened, 0), -1); /* not all bytes alike: it is the new one */
        o.newer += world_peek(opened, 1) == -1;
        o.older += world_peek(opened, 1) == 0;
        world_fini(&w);
    }
    T_GT(o.newer, TRIALS / 4);
    T_GT(o.older, TRIALS / 4);
}

static void write_submit(void *arg)
{
    struct disk_io *io = arg;

    for (unsigned b = 0; b < 8; b++)
        T_OK(buf_append_copy(&io->data, memset((uint8_t[DISK_BLOCK]){0}, 2, DISK_BLOCK),
                             DISK_BLOCK));
    disk_submit(*(struct env **)io->disk, io);
}

static void write_never_completes(struct disk_io *io)
{
    UNUSED(io);
    T_FAIL("a dead process was called");
}

static struct outcome die_under_way(bool power_cut, unsigned flags)
{
    struct outcome o = {0};

    for (unsigned i = 0; i < TRIALS; i++) {
        struct world w;
        struct disk_io *io;

        world_init(&w, 800 + i);
        opened = world_disk(w.env[0], "d", BLOCKS);
        T_OK(world_write(&w, w.env[0], opened, 0, 8, 1, DISK_DURABLE));
        io = calloc(1, sizeof(*io));
        *io = (struct disk_io){
            .disk = opened, .op = DISK_WRITE, .flags = flags, .done = write_never_completes};
        sim_enter(w.env[0], write_submit, io);
        if (power_cut)
            world_power_cycle(&w, 0);
        else
            world_kill_and_start(&w, 0);
        free(io);
        world_run(&w, NS_PER_S);
        opened = world_disk(w.env[0], "d", BLOCKS);
        outcome_add(&o, opened, 8, 1, 2);
        world_fini(&w);
    }
    return o;
}

T(sim_disk, a_write_under_way_at_a_kill_happened_block_by_block_or_not)
{
    struct outcome o = die_under_way(false, DISK_DURABLE);

    T_GT(o.older, 8 * TRIALS / 3);
    T_GT(o.newer, 8 * TRIALS / 3);
    T_EQ(o.unreadable, 0);
}

T(sim_disk, a_write_under_way_at_a_power_cut_is_torn)
{
    struct outcome o = die_under_way(true, DISK_DURABLE);

    T_GT(o.older, 8 * TRIALS / 3);
    T_GT(o.newer, 8 * TRIALS / 3);
}

T(sim_disk, a_kill_keeps_completed_writes_but_does_not_make_them_durable)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < TRIALS; i++) {
        struct world w;

        world_init(&w, 1200 + i);
        opened = world_disk(w.env[0], "d", BLOCKS);
        T_OK(world_write(&w, w.env[0], opened, 0, 1, 3, 0));
        world_kill_and_start(&w, 0);
        opened = world_disk(w.env[0], "d", BLOCKS);
        T_EQ(world_peek(opened, 0), 3);
        world_power_cycle(&w, 0);
        opened = world_disk(w.env[0], "d", BLOCKS);
        kept += world_peek(opened, 0) == 3;
        world_fini(&w);
    }
    T_GT(kept, TRIALS / 4);
    T_LT(kept, TRIALS * 3 / 4);
}

T(sim_disk, an_unreadable_block_reads_again_once_rewritten)
{
    struct world w;
    struct sim_conf conf = {.seed = 5, .unreadable_per_million = 1000000};
    struct sim_machine *m;
    struct env *env;

    w.s = sim_create(&conf);
    m = sim_machine_create(w.s, "m", "127.0.0.1");
    env = sim_process_start(m, "p");
    opened = world_disk(env, "d", BLOCKS);
    T_OK(world_write(&w, env, opened, 0, 2, 1, 0));
    sim_machine_power_cut(m);
    env = sim_process_start(m, "p");
    opened = world_disk(env, "d", BLOCKS);
    T_EQ(world_peek(opened, 0), -EIO);
    T_EQ(world_peek(opened, 1), -EIO);
    T_OK(world_write(&w, env, opened, 0, 1, 4, 0));
    T_EQ(world_peek(opened, 0), 4);
    T_EQ(world_peek(opened, 1), -EIO);
    world_fini(&w);
}

T(sim_disk, the_nth_read_and_the_nth_write_or_flush_fail)
{
    struct world w;

    world_init(&w, 6);
    opened = world_disk(w.env[0], "d", BLOCKS);
    sim_disk_fault(w.m[0], SIM_DISK_READ_EIO, 2);
    T_EQ(world_peek(opened, 0), 0);
    T_EQ(world_peek(opened, 0), -EIO);
    T_EQ(world_peek(opened, 0), 0);
    sim_disk_fault(w.m[0], SIM_DISK_WRITE_EIO, 3);
    T_OK(world_write(&w, w.env[0], opened, 0, 1, 1, 0));
    T_OK(world_write(&w, w.env[0], opened, 0, 1, 1, 0));
    T_EQ(world_flush(&w, w.env[0], opened), -EIO);
    T_OK(world_flush(&w, w.env[0], opened));
    disk_close(opened);
    world_end_clean(&w);
}

T(sim_disk, a_full_disk_takes_overwrites_and_refuses_new_blocks)
{
    struct world w;
    struct fs_space space;
    struct disk_io discard = {.op = DISK_DISCARD, .bytes = DISK_BLOCK};
    struct disk_io allocate = {.op = DISK_ALLOCATE, .off = 8 * DISK_BLOCK, .bytes = 4 * DISK_BLOCK};

    world_init(&w, 7);
    opened = discard.disk = allocate.disk = world_disk(w.env[0], "d", BLOCKS);
    T_OK(world_write(&w, w.env[0], opened, 0, 4, 1, 0));
    sim_disk_fault(w.m[0], SIM_DISK_FULL, 2 * DISK_BLOCK);
    T_OK(world_write(&w, w.env[0], opened, 0, 4, 2, 0));
    T_OK(world_write(&w, w.env[0], opened, 4, 2, 2, 0));
    T_OK(fs_space(w.env[0], "d", &space));
    T_EQ(space.free_bytes, 0);
    T_EQ(world_write(&w, w.env[0], opened, 6, 1, 2, 0), -ENOSPC);
    T_OK(world_io(&w, w.env[0], &discard));
    T_OK(world_write(&w, w.env[0], opened, 6, 1, 2, 0));
    T_EQ(world_write(&w, w.env[0], opened, 7, 1, 2, 0), -ENOSPC);
    T_EQ(world_io(&w, w.env[0], &allocate), -ENOSPC);
    sim_disk_fault(w.m[0], SIM_DISK_FULL, UINT64_MAX);
    T_OK(world_write(&w, w.env[0], opened, 7, 1, 2, 0));
    T_OK(world_io(&w, w.env[0], &allocate));
    sim_disk_fault(w.m[0], SIM_DISK_FULL, 0);
    T_OK(world_write(&w, w.env[0], opened, 8, 4, 2, 0));
    T_EQ(world_write(&w, w.env[0], opened, 12, 1, 2, 0), -ENOSPC);
    disk_close(opened);
    world_end_clean(&w);
}

T(sim_disk, a_zeroed_disk_has_its_space)
{
    struct world w;
    struct disk_conf conf = {.create = true, .zeroed = true, .bytes = 16 * DISK_BLOCK};
    struct note why = {{0}};
    struct disk *d;

    world_init(&w, 8);
    sim_disk_fault(w.m[0], SIM_DISK_FULL, 16 * DISK_BLOCK);
    T_OK(disk_open(w.env[0], "j", &conf, &d, &why));
    T_OK(world_write(&w, w.env[0], d, 0, 16, 1, 0));
    opened = d;
    T_EQ(disk_open(w.env[0], "k", &conf, &d, &why), -ENOSPC);
    T_TRUE(strstr(why.text, "k: ") != NULL);
    conf.create = false;
    T_EQ(disk_open(w.env[0], "l", &conf, &d, &why), -ENOENT);
    conf.read_only = true;
    T_OK(disk_open(w.env[0], "j", &conf, &d, &why));
    T_EQ(disk_write_now(d, 0, (uint8_t[DISK_BLOCK]){0}, DISK_BLOCK), -EROFS);
    disk_close(d);
    disk_close(opened);
    world_end_clean(&w);
}

T(sim_disk, a_flipped_bit_is_read_back)
{
    struct world w;

    world_init(&w, 9);
    opened = world_disk(w.env[0], "d", BLOCKS);
    T_OK(world_write(&w, w.env[0], opened, 0, 1, 1, 0));
    T_OK(sim_disk_flip(w.m[0], "d", 17, 3));
    T_EQ(world_peek(opened, 0), -1);
    T_OK(sim_disk_flip(w.m[0], "d", 17, 3));
    T_EQ(world_peek(opened, 0), 1);
    T_EQ(sim_disk_flip(w.m[0], "d", BLOCKS * DISK_BLOCK, 0), -ERANGE);
    T_EQ(sim_disk_flip(w.m[0], "e", 0, 0), -ENOENT);
    disk_close(opened);
    world_end_clean(&w);
}

T(sim_disk, a_wiped_disk_fails_and_is_missing_afterwards)
{
    struct world w;
    struct disk_conf conf = {0};
    struct disk *d;

    world_init(&w, 10);
    opened = world_disk(w.env[0], "d", BLOCKS);
    T_OK(world_write(&w, w.env[0], opened, 0, 1, 1, 0));
    sim_disk_wipe(w.m[0]);
    T_EQ(world_peek(opened, 0), -EIO);
    T_EQ(world_write(&w, w.env[0], opened, 0, 1, 1, 0), -EIO);
    T_EQ(world_flush(&w, w.env[0], opened), -EIO);
    disk_close(opened);
    T_EQ(disk_open(w.env[0], "d", &conf, &d, NULL), -ENOENT);
    world_end_clean(&w);
}

static unsigned completed, out_of_order, last;
static void order_done(struct disk_io *io)
{
    unsigned n = (unsigned)(io->off / DISK_BLOCK);

    out_of_order += completed > 0 && n < last;
    last = n;
    completed++;
}

static void many_submit(void *arg)
{
    struct disk_io *ios = arg;

    for (unsigned i = 0; i < BLOCKS; i++) {
        ios[i] = (struct disk_io){.disk = opened,
                                  .op = DISK_READ,
                                  .off = i * DISK_BLOCK,
                                  .bytes = DISK_BLOCK,
                                  .done = order_done};
        disk_submit(*(struct env **)opened, &ios[i]);
    }
}

T(sim_disk, requests_complete_once_each_in_any_order)
{
    struct world w;
    struct disk_io ios[BLOCKS];

    completed = out_of_order = 0;
    world_init(&w, 11);
    opened = world_disk(w.env[0], "d", BLOCKS);
    sim_enter(w.env[0], many_submit, ios);
    T_EQ(completed, 0);
    world_run(&w, NS_PER_S);
    T_EQ(completed, BLOCKS);
    T_GT(out_of_order, BLOCKS / 8);
    for (unsigned i = 0; i < BLOCKS; i++)
        buf_fini(&ios[i].data);
    disk_close(opened);
    world_end_clean(&w);
}
