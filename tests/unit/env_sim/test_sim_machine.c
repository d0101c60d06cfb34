/* test_sim_machine.c - images, and the power lost at each I/O in turn.
 *
 * The subject is a tiny store with a journal of one block: it writes a block, flushes, writes the
 * next, and records its progress in a file and in the key-value store.  After a cut anywhere, what
 * it was told to be durable must be there. */
#include "tests/unit/env_sim/world.h"

enum { ROUNDS = 6, REPEATS = 40 };

struct subject {
    struct env *env;
    struct disk *disk;
    struct kv *kv;
    struct disk_io io;
    struct env_work work;
    unsigned round;
    unsigned *out_durable; /* of the test, outside of the process */
};

static struct sim *s;
static struct sim_machine *m;

static void subject_write(struct subject *x);

static void saved_done(struct env_work *w)
{
    struct subject *x = CONTAINER_OF(w, struct subject, work);

    *x->out_durable = ++x->round;
    if (x->round < ROUNDS)
        subject_write(x);
}

/* On a worker: a batch, a checkpoint of it, and a file that names it. */
static void save_work(struct env_work *w)
{
    struct subject *x = CONTAINER_OF(w, struct subject, work);
    struct kv_batch *b = kv_batch_create();
    uint8_t round = (uint8_t)(x->round + 1);
    int rc = kv_batch_put(b, (struct bytes){&round, 1}, (struct bytes){&round, 1});

    if (rc == 0)
        rc = kv_write(x->kv, b);
    if (rc == 0)
        rc = kv_checkpoint(x->kv);
    if (rc == 0)
        rc = file_replace(x->env, "round", &round, 1, 0600);
    kv_batch_destroy(b);
    T_TRUE(rc == 0 || !sim_process_alive(x->env)); /* it fails only when there is no power */
}

static void io_done(struct disk_io *io)
{
    struct subject *x = CONTAINER_OF(io, struct subject, io);

    T_OK(io->rc);
    buf_fini(&io->data);
    if (io->op == DISK_WRITE) {
        x->io = (struct disk_io){.disk = x->disk, .op = DISK_FLUSH, .done = io_done};
        disk_submit(x->env, &x->io);
        return;
    }
    x->work = (struct env_work){.work = save_work, .done = saved_done};
    env_work_submit(x->env, &x->work);
}

static void subject_write(struct subject *x)
{
    uint8_t block[DISK_BLOCK];

    memset(block, (int)x->round + 1, sizeof(block));
    x->io = (struct disk_io){
        .disk = x->disk, .op = DISK_WRITE, .off = x->round * DISK_BLOCK, .done = io_done};
    T_OK(buf_append_copy(&x->io.data, block, sizeof(block)));
    disk_submit(x->env, &x->io);
}

static struct kv *kv_make(struct env *env)
{
    struct kv_conf conf = {.create = true};
    struct kv *kv = NULL;

    T_OK(kv_open(env, "kv", &conf, &kv, NULL));
    return kv;
}

struct start {
    struct env *env;
    unsigned durable;
};

static void subject_start(void *arg)
{
    struct disk_conf conf = {.create = true, .bytes = ROUNDS * DISK_BLOCK};
    struct start *start = arg;
    struct subject *x = mem_zalloc(sizeof(*x));
    int rc;

    x->env = start->env;
    x->out_durable = &start->durable;
    rc = disk_open(x->env, "d", &conf, &x->disk, NULL);
    if (!sim_process_alive(x->env))
        return; /* the power went as the file was made */
    T_OK(rc);
    x->kv = kv_make(x->env);
    subject_write(x);
}

static void check_state(unsigned durable)
{
    struct env *env = sim_process_start(m, "check");
    struct disk *d = world_disk(env, "d", ROUNDS);
    struct kv *kv = kv_make(env);
    struct buf data = {0};
    unsigned round = 0;

    if (file_read(env, "round", 1, &data) == 0)
        round = *buf_contiguous(&data, 0, 1);
    buf_fini(&data);
    T_GE(round, durable);
    T_LE(round, durable + 1); /* the file may be there before we heard of it */
    for (unsigned i = 0; i < round; i++) {
        uint8_t key = (uint8_t)(i + 1);

        T_EQ(world_peek(d, i), i + 1);
        T_OK(kv_get(kv, (struct bytes){&key, 1}, &data));
        buf_fini(&data);
    }
    disk_close(d);
    kv_close(kv);
    T_EQ(sim_process_end(env), 0);
}

T(sim_machine, the_power_can_go_at_each_io_and_durable_things_stay)
{
    struct sim_image *image;
    unsigned cuts = 0, cut_short = 0;

    for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
        s = sim_create(&(struct sim_conf){.seed = repeat + 1});
        m = sim_machine_create(s, "m", "127.0.0.1");
        image = sim_machine_save(m);
        for (unsigned io = 1;; io++) {
            struct start start = {.env = sim_process_start(m, "subject")};
            bool cut;

            sim_machine_cut_at_io(m, sim_machine_ios(m) + io);
            sim_enter(start.env, subject_start, &start);
            sim_run_until(s, sim_now_ns(s) + 10 * NS_PER_S, NULL, NULL);
            cut = !sim_process_alive(start.env);
            if (!cut) {
                T_EQ(start.durable, ROUNDS);
                sim_machine_cut_at_io(m, 0);
                sim_machine_power_cut(m);
            }
            check_state(start.durable);
            cuts++;
            cut_short += cut;
            sim_machine_restore(m, image);
            if (!cut)
                break;
        }
        sim_image_destroy(image);
        sim_destroy(s);
    }
    T_EQ(cut_short, REPEATS * (1 + ROUNDS * 5)); /* the disk's creation; 5 I/Os a round */
    T_EQ(cuts, cut_short + REPEATS);
}

T(sim_machine, an_image_can_be_put_back_any_number_of_times)
{
    struct world w;
    struct sim_image *image;
    struct disk *d;
    unsigned older = 0;

    world_init(&w, 2);
    d = world_disk(w.env[0], "d", 8);
    T_OK(world_write(&w, w.env[0], d, 0, 1, 1, DISK_DURABLE));
    T_OK(world_write(&w, w.env[0], d, 0, 1, 2, 0)); /* not durable: saved as such */
    T_OK(file_replace(w.env[0], "f", "1", 1, 0600));
    image = sim_machine_save(w.m[0]);
    for (unsigned i = 0; i < 40; i++) {
        T_OK(file_replace(w.env[0], "g", "2", 1, 0600));
        T_OK(world_write(&w, w.env[0], d, 0, 1, 3, DISK_DURABLE));
        sim_machine_power_cut(w.m[0]);
        sim_machine_restore(w.m[0], image);
        w.env[0] = sim_process_start(w.m[0], "p");
        d = world_disk(w.env[0], "d", 8);
        T_EQ(world_peek(d, 0), 2);
        T_EQ(file_remove(w.env[0], "g"), -ENOENT);
        world_power_cycle(&w, 0);
        d = world_disk(w.env[0], "d", 8);
        older += world_peek(d, 0) == 1;
    }
    T_GT(older, 10);
    T_LT(older, 30);
    sim_image_destroy(image);
    world_fini(&w);
}

T(sim_machine, injected_failures_of_memory_reach_roles_and_spare_the_simulator)
{
    unsigned refused = 0;

    for (int n = 0;; n++) {
        struct world w;
        struct disk_conf conf = {.create = true, .bytes = 8 * DISK_BLOCK};
        struct kv_conf kv_conf = {.create = true};
        struct disk *d = NULL;
        struct kv *kv = NULL;
        bool hit;
        int rc;

        world_init(&w, 3);
        mem_fail_after(n);
        rc = disk_open(w.env[0], "d", &conf, &d, NULL);
        T_TRUE(rc == 0 || rc == -ENOMEM);
        refused += rc < 0;
        rc = kv_open(w.env[0], "kv", &kv_conf, &kv, NULL);
        T_TRUE(rc == 0 || rc == -ENOMEM);
        refused += rc < 0;
        rc = file_replace(w.env[0], "f", "1", 1, 0600);
        T_TRUE(rc == 0 || rc == -ENOMEM);
        refused += rc < 0;
        if (d)
            T_OK(disk_write_now(d, 0, (uint8_t[DISK_BLOCK]){1}, DISK_BLOCK));
        hit = mem_fail_hit();
        mem_fail_after(-1);
        if (d)
            disk_close(d);
        kv_close(kv);
        world_end_clean(&w);
        if (!hit)
            break;
    }
    T_EQ(refused, 3);
}
