/* sim_disk.c - disks: requests take a random time and complete in any order.
 *
 * A write's bytes are copied when it is submitted and reach the media when it completes.  A flush
 * covers what was complete when it was submitted.  What is under way when the process dies is
 * resolved block by block: with the power on each block was written or not; when the power goes the
 * media decides, and may also lose what had completed. */
#include "core/base/note.h"
#include "core/env/sim_impl.h"

struct disk {
    struct env *env;       /* first: borrowed */
    struct list link;      /* of the process's disks */
    struct sim_node *node; /* ref */
    bool read_only;
    uint32_t io_count; /* under way */
};

struct sim_io {
    struct list link;
    struct sim_event ev;
    struct disk_io *io; /* borrowed: the process's memory */
    struct disk *disk;  /* borrowed */
    uint64_t off, bytes, mark;
    bool durable;
    enum disk_op op;
    int rc;                  /* decided on submit */
    struct sim_data *data[]; /* WRITE: refs, bytes / DISK_BLOCK of them */
};

static struct sim_process *process_of(const struct disk *d)
{
    return sim_process_of(d->env);
}

/* --- opening --- */

static int media_prepare(struct sim_machine *m, struct sim_node *n, const struct disk_conf *conf)
{
    if (!conf->create || conf->bytes == 0)
        return 0;
    sim_media_grow(n->media, conf->bytes);
    for (uint64_t b = 0; conf->zeroed && b < conf->bytes / DISK_BLOCK; b++) {
        if (!sim_media_allocate(m, n->media, b))
            return -ENOSPC;
    }
    return 0;
}

/* A file that has its name is whole: it is made aside. */
static int media_make(struct sim_process *p, const char *path, const struct disk_conf *conf,
                      struct sim_node **out_node)
{
    bool lives = sim_io_starts(p);
    struct sim_node *n;
    int rc;

    if (!lives && rng_chance(&sim_of(p)->fault_rng, 1, 2))
        return -EIO;
    rc = sim_node_make(p->m, path, SIM_DISK, &n);
    if (rc < 0)
        return rc;
    n->media = sim_media_create(0);
    rc = media_prepare(p->m, n, conf);
    if (rc < 0)
        sim_node_remove(p->m, n);
    else
        *out_node = n;
    return lives ? rc : -EIO;
}

static int media_open(struct sim_process *p, const char *path, const struct disk_conf *conf,
                      struct sim_node **out_node)
{
    struct sim_node *n = sim_node_find(p->m, path);

    if (conf->bytes % DISK_BLOCK)
        return -EINVAL;
    if (!n)
        return conf->create && !conf->read_only ? media_make(p, path, conf, out_node) : -ENOENT;
    if (n->kind != SIM_DISK)
        return n->kind == SIM_FILE ? -EINVAL : -EISDIR;
    *out_node = n;
    return media_prepare(p->m, n, conf);
}

int sim_disk_open(struct env *env, const char *path, const struct disk_conf *conf,
                  struct disk **out_disk, struct note *why)
{
    struct sim_process *p = sim_process_of(env);
    struct sim_node *n = NULL;
    struct disk *d;
    int rc = -EIO;

    d = sim_try_alloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    if (sim_process_works(p))
        rc = media_open(p, path, conf, &n);
    if (rc < 0) {
        sim_free(d);
        note_add(why, "%s: %s", path, reason_text(rc));
        return rc;
    }
    d->env = env;
    d->node = n;
    n->refs++;
    d->read_only = conf->read_only;
    list_push_back(&p->disks, &d->link);
    *out_disk = d;
    return 0;
}

void sim_disk_close(struct disk *d)
{
    ASSERT(d->io_count == 0 || !sim_process_works(process_of(d)));
    if (d->io_count > 0)
        return; /* doomed: its death closes it */
    list_remove(&d->link);
    sim_node_unref(d->node);
    sim_free(d);
}

uint64_t sim_disk_bytes(const struct disk *d)
{
    return sim_media_bytes(d->node->media);
}

const char *sim_disk_name(const struct disk *d)
{
    return d->node->path;
}

/* --- what an I/O does when its time has come --- */

static int io_read(struct disk *d, uint64_t off, uint64_t bytes, uint8_t *out)
{
    struct sim_machine *m = process_of(d)->m;

    if (sim_fault_hits(&m->faults.reads) || d->node->lost)
        return -EIO;
    for (uint64_t at = 0; at < bytes; at += DISK_BLOCK) {
        int rc = sim_media_read(d->node->media, (off + at) / DISK_BLOCK, out + at);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* Write `count` blocks, or on a failing disk a random part of them. */
static int io_write(struct disk *d, uint64_t off, struct sim_data **data, uint64_t count,
                    bool durable)
{
    struct sim_machine *m = process_of(d)->m;
    bool fails = sim_fault_hits(&m->faults.writes);
    int rc = fails ? -EIO : 0;

    if (d->node->lost)
        return -EIO;
    for (uint64_t i = 0; i < count; i++) {
        struct sim_data *block = data[i];

        if (fails && rng_chance(&m->sim->fault_rng, 1, 2))
            continue;
        data[i] = NULL;
        if (sim_media_write(m, d->node->media, off / DISK_BLOCK + i, block, durable && !fails))
            continue;
        sim_data_unref(block);
        rc = rc ? rc : -ENOSPC;
    }
    return rc;
}

static int io_flush(struct disk *d, uint64_t mark)
{
    struct sim_machine *m = process_of(d)->m;

    if (d->node->lost)
        return -EIO;
    if (sim_fault_hits(&m->faults.writes)) {
        sim_media_flush_fails(d->node->media, &m->sim->fault_rng);
        return -EIO;
    }
    sim_media_flush(d->node->media, mark);
    return 0;
}

static void io_discard(struct disk *d, uint64_t off, uint64_t bytes)
{
    for (uint64_t at = 0; at < bytes && !d->node->lost; at += DISK_BLOCK)
        sim_media_discard(process_of(d)->m, d->node->media, (off + at) / DISK_BLOCK);
}

static int io_allocate(struct disk *d, uint64_t off, uint64_t bytes)
{
    int rc = d->node->lost ? -EIO : 0;

    for (uint64_t at = 0; at < bytes && rc == 0; at += DISK_BLOCK)
        if (!sim_media_allocate(process_of(d)->m, d->node->media, (off + at) / DISK_BLOCK))
            rc = -ENOSPC;
    return rc;
}

/* --- requests --- */

static void io_free(struct sim_io *o)
{
    uint64_t count = o->op == DISK_WRITE ? o->bytes / DISK_BLOCK : 0;

    for (uint64_t i = 0; i < count; i++)
        sim_data_unref(o->data[i]);
    list_remove(&o->link);
    o->disk->io_count--;
    sim_free(o);
}

static int read_complete(struct sim_io *o)
{
    struct blob *blob = blob_create(o->bytes); /* in the process's scope */
    struct buf data = {0};
    int rc;

    if (!blob)
        return -ENOMEM;
    rc = io_read(o->disk, o->off, o->bytes, blob->data);
    if (rc == 0)
        rc = buf_append_blob(&data, blob, 0, (uint32_t)o->bytes);
    blob_unref(blob);
    if (rc == 0)
        o->io->data = data;
    return rc;
}

static void io_run(struct sim_event *ev)
{
    struct sim_io *o = CONTAINER_OF(ev, struct sim_io, ev);
    struct disk_io *io = o->io;
    int rc = o->rc;

    if (rc == 0) {
        switch (o->op) {
        case DISK_READ:
            rc = read_complete(o);
            break;
        case DISK_WRITE:
            rc = io_write(o->disk, o->off, o->data, o->bytes / DISK_BLOCK, o->durable);
            break;
        case DISK_FLUSH:
            rc = io_flush(o->disk, o->mark);
            break;
        case DISK_DISCARD:
            io_discard(o->disk, o->off, o->bytes);
            break;
        case DISK_ALLOCATE:
            rc = io_allocate(o->disk, o->off, o->bytes);
            break;
        }
    }
    sim_trace(sim_of(ev->p), o->off, (uint64_t)(int64_t)rc ^ o->bytes << 4);
    io_free(o);
    io->rc = rc;
    io->done(io);
}

/* Blocks that lie in one span are taken from there, others by way of a copy. */
static void io_take_data(struct sim_io *o, const struct buf *data)
{
    uint8_t block[DISK_BLOCK];

    for (uint64_t i = 0; i < o->bytes / DISK_BLOCK; i++) {
        const uint8_t *at = buf_contiguous(data, i * DISK_BLOCK, DISK_BLOCK);

        if (!at) {
            buf_copy_out(data, i * DISK_BLOCK, block, DISK_BLOCK);
            at = block;
        }
        o->data[i] = sim_data_from(at);
    }
}

static uint64_t io_delay(struct sim_process *p)
{
    struct sim *s = sim_of(p);

    return sim_between(s, s->conf.disk_delay_min_ns, s->conf.disk_delay_max_ns) +
           p->m->faults.slow_ns;
}

void sim_disk_submit(struct env *env, struct disk_io *io)
{
    struct sim_process *p = sim_process_of(env);
    struct sim *s = sim_of(p);
    uint64_t bytes = io->op == DISK_WRITE ? io->data.bytes : io->bytes;
    struct sim_io *o;
    int rc;

    if (!sim_process_works(p))
        return; /* it dies before this could complete */
    sim_assert_home(p);
    rc = disk_io_check(io, sim_disk_bytes(io->disk), io->disk->read_only);
    if (rc < 0 || io->op == DISK_FLUSH)
        bytes = 0;
    o = sim_alloc(sizeof(*o) +
                  (io->op == DISK_WRITE ? bytes / DISK_BLOCK * sizeof(o->data[0]) : 0));
    o->io = io;
    o->disk = io->disk;
    o->off = io->off;
    o->bytes = bytes;
    o->durable = io->flags & DISK_DURABLE;
    o->op = io->op;
    o->rc = rc;
    o->mark = sim_media_mark(io->disk->node->media);
    io->disk->io_count++;
    list_push_back(&p->ios, &o->link);
    if (o->op == DISK_WRITE)
        io_take_data(o, &io->data);
    sim_event_init(&o->ev, p, SIM_EV_DISK, (uint64_t)o->op << 32 ^ ++p->last_io, io_run);
    sim_schedule(s, &o->ev, s->now_ns + io_delay(p));
    if (o->op != DISK_READ)
        (void)sim_io_starts(p); /* if the power goes now, it is under way */
}

/* --- blocking forms --- */

static int range_check(const struct disk *d, uint64_t off, size_t bytes, enum disk_op op)
{
    struct disk_io io = {.op = op, .off = off, .bytes = bytes, .data.bytes = bytes};

    return disk_io_check(&io, sim_disk_bytes(d), d->read_only);
}

int sim_disk_read_now(struct disk *d, uint64_t off, void *out, size_t bytes)
{
    struct sim_process *p = process_of(d);
    int rc = range_check(d, off, bytes, DISK_READ);

    if (rc < 0)
        return rc;
    if (!sim_process_works(p))
        return -EIO;
    p->blocked_ns += io_delay(p);
    return io_read(d, off, bytes, out);
}

/* The power goes as it starts: each block is written, or not. */
static void write_torn(struct disk *d, uint64_t off, const uint8_t *data, size_t bytes)
{
    struct sim_machine *m = process_of(d)->m;

    for (uint64_t at = 0; at < bytes && !d->node->lost; at += DISK_BLOCK) {
        struct sim_data *block = sim_data_from(data + at);

        if (!sim_media_write(m, d->node->media, (off + at) / DISK_BLOCK, block, false))
            sim_data_unref(block);
    }
}

int sim_disk_write_now(struct disk *d, uint64_t off, const void *data, size_t bytes)
{
    struct sim_process *p = process_of(d);
    const uint8_t *from = data;
    int rc = range_check(d, off, bytes, DISK_WRITE);

    if (rc < 0)
        return rc;
    if (!sim_process_works(p))
        return -EIO;
    if (!sim_io_starts(p)) {
        write_torn(d, off, from, bytes);
        return -EIO;
    }
    p->blocked_ns += io_delay(p);
    for (uint64_t at = 0; at < bytes && rc == 0; at += DISK_BLOCK) {
        struct sim_data *block = sim_data_from(from + at);

        rc = io_write(d, off + at, &block, 1, false);
        sim_data_unref(rc < 0 ? block : NULL);
    }
    return rc;
}

int sim_disk_flush_now(struct disk *d)
{
    struct sim_process *p = process_of(d);

    if (!sim_process_works(p) || !sim_io_starts(p))
        return -EIO;
    p->blocked_ns += io_delay(p);
    return io_flush(d, sim_media_mark(d->node->media));
}

/* --- death --- */

static void io_resolve(struct sim_io *o, bool power_cut)
{
    struct sim_machine *m = process_of(o->disk)->m;

    if (o->op != DISK_WRITE || o->rc < 0 || o->disk->node->lost)
        return;
    for (uint64_t i = 0; i < o->bytes / DISK_BLOCK; i++) {
        if (!power_cut && rng_chance(&m->sim->fault_rng, 1, 2))
            continue;
        if (sim_media_write(m, o->disk->node->media, o->off / DISK_BLOCK + i, o->data[i], false))
            o->data[i] = NULL;
    }
}

void sim_disks_process_dies(struct sim_process *p, bool power_cut)
{
    while (!list_empty(&p->ios)) {
        struct sim_io *o = LIST_FIRST(&p->ios, struct sim_io, link);

        sim_unschedule(sim_of(p), &o->ev);
        io_resolve(o, power_cut);
        io_free(o);
    }
    while (!list_empty(&p->disks)) {
        struct disk *d = LIST_FIRST(&p->disks, struct disk, link);

        list_remove(&d->link);
        sim_node_unref(d->node);
        sim_free(d);
    }
}
