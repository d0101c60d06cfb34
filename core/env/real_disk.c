/* real_disk.c - requests to a disk, run by the ring or by workers.
 *
 * A request is checked, given memory (a read's target; a copy of what a write brings misaligned)
 * and a list of pieces, and issued.  Each result of a system call goes through disk_req_step,
 * which continues short transfers and decides when the request is over; disk_req_finish tells the
 * caller.  The blocking forms do the same on the spot.
 *
 * After the first write or flush that the kernel refused, the disk refuses all others: the kernel
 * drops dirty pages after a failed fsync, and the next one would say that all is well. */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "core/env/real_disk.h"

enum { RETRIES_MAX = 100 };

uint64_t real_disk_bytes(const struct disk *d)
{
    return d->bytes;
}

const char *real_disk_name(const struct disk *d)
{
    return d->name;
}

static bool disk_failed(const struct disk *d)
{
    return __atomic_load_n((const bool *)&d->failed, __ATOMIC_ACQUIRE);
}

static void disk_fail(struct disk *d)
{
    __atomic_store_n((bool *)&d->failed, true, __ATOMIC_RELEASE);
}

/* --- the steps of a request --- */

/* Skip `bytes` of what is left. */
static void req_advance(struct disk_req *q, uint64_t bytes)
{
    q->off += bytes;
    q->left -= bytes;
    while (bytes) {
        size_t step = MIN(bytes, q->iov->iov_len);

        q->iov->iov_base = (uint8_t *)q->iov->iov_base + step;
        q->iov->iov_len -= step;
        bytes -= step;
        if (q->iov->iov_len == 0) {
            q->iov++;
            q->iov_count--;
        }
    }
}

static bool req_over(struct disk_req *q, int rc)
{
    q->rc = rc;
    return true;
}

/* Nothing was wrong, but nothing moved either. */
static bool req_again(struct disk_req *q, int rc)
{
    return ++q->retries > RETRIES_MAX ? req_over(q, rc) : false;
}

bool disk_req_step(struct disk_req *q, int64_t result)
{
    const struct disk_io *io = q->io;
    uint64_t moved;

    if (result == -EINTR || result == -EAGAIN)
        return req_again(q, (int)result);
    if ((io->op == DISK_DISCARD || io->op == DISK_ALLOCATE) &&
        (result == -EOPNOTSUPP || result == -ENODEV))
        return req_over(q, 0); /* only advice; or a device, which has all its blocks */
    if (result < 0)
        return req_over(q, (int)result);
    if (io->op != DISK_READ && io->op != DISK_WRITE)
        return req_over(q, 0);
    moved = (uint64_t)result;
    if (moved == 0)
        return req_over(q, -EIO); /* the file is shorter than when we opened it */
    if (moved == q->left) {
        q->left = 0;
        return req_over(q, 0);
    }
    if (io->disk->direct) /* go on from an aligned place */
        moved = ROUND_DOWN(moved, DISK_BLOCK);
    if (moved == 0)
        return req_again(q, -EIO);
    req_advance(q, moved);
    return false;
}

void disk_req_finish(struct disk_req *q)
{
    struct disk_io *io = q->io;
    struct disk *d = io->disk;
    struct reactor *r = q->r;
    int rc = q->rc;

    if (rc == 0 && io->op == DISK_READ)
        rc = buf_append_blob(&io->data, q->memory, 0, (uint32_t)io->bytes);
    else if (rc < 0 && (io->op == DISK_WRITE || io->op == DISK_FLUSH))
        disk_fail(d);
    blob_unref(q->memory);
    mem_free(q);
    r->disk_busy--;
    __atomic_fetch_sub((uint32_t *)&d->busy, 1, __ATOMIC_RELAXED);
    counter_add(&r->disk_ios, 1);
    io->rc = rc;
    io->impl = NULL;
    io->done(io); /* may free it */
}

/* --- without a ring: workers --- */

static int64_t req_call(const struct disk_req *q)
{
    const struct disk_io *io = q->io;
    int fd = io->disk->fd, count = (int)q->iov_count;
    int64_t rc = 0;

    switch (io->op) {
    case DISK_READ:
        rc = preadv(fd, q->iov, count, (off_t)q->off);
        break;
    case DISK_WRITE:
        rc = pwritev2(fd, q->iov, count, (off_t)q->off, io->flags & DISK_DURABLE ? RWF_DSYNC : 0);
        break;
    case DISK_FLUSH:
        rc = fdatasync(fd);
        break;
    case DISK_DISCARD:
        rc = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)io->off,
                       (off_t)io->bytes);
        break;
    case DISK_ALLOCATE:
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)io->off, (off_t)io->bytes);
        break;
    }
    return rc < 0 ? -errno : rc;
}

static void req_work(struct env_work *w)
{
    struct disk_req *q = CONTAINER_OF(w, struct disk_req, work);

    while (!disk_req_step(q, req_call(q)))
        ;
}

static void req_worked(struct env_work *w)
{
    disk_req_finish(CONTAINER_OF(w, struct disk_req, work));
}

/* --- submitting --- */

static bool piece_aligned(const struct disk *d, const void *at, size_t bytes)
{
    return (uintptr_t)at % d->mem_align == 0 && bytes % d->len_align == 0;
}

/* Whether a write's memory can be handed to the kernel as it lies. */
static bool write_fits(const struct disk *d, const struct buf *data)
{
    const struct span *spans = buf_spans_of(data);

    if (data->span_count > IOV_MAX)
        return false;
    for (uint32_t i = 0; d->direct && i < data->span_count; i++)
        if (!piece_aligned(d, span_data(&spans[i]), spans[i].bytes))
            return false;
    return true;
}

static void req_pieces(struct disk_req *q, const struct buf *data)
{
    const struct span *spans = buf_spans_of(data);

    if (q->memory) {
        q->iov_count = 1;
        q->pieces[0] = (struct iovec){q->memory->data, q->left};
    } else {
        q->iov_count = data->span_count;
        for (uint32_t i = 0; i < data->span_count; i++)
            q->pieces[i] = (struct iovec){(void *)(uintptr_t)span_data(&spans[i]), spans[i].bytes};
    }
}

/* A request with its memory, or NULL when there is none. */
static struct disk_req *req_create(struct reactor *r, struct disk_io *io)
{
    bool transfer = io->op == DISK_READ || io->op == DISK_WRITE;
    bool own = io->op == DISK_READ || (transfer && !write_fits(io->disk, &io->data));
    unsigned pieces = own ? 1 : transfer ? io->data.span_count : 0;
    struct disk_req *q = mem_alloc(sizeof(*q) + pieces * sizeof(q->pieces[0]));

    if (!q)
        return NULL;
    *q = (struct disk_req){.r = r, .io = io, .off = io->off, .iov = q->pieces};
    if (!transfer)
        return q;
    q->left = io->op == DISK_WRITE ? io->data.bytes : io->bytes;
    if (own) {
        q->memory = blob_create(q->left);
        if (!q->memory) {
            mem_free(q);
            return NULL;
        }
        if (io->op == DISK_WRITE)
            buf_copy_out(&io->data, 0, q->memory->data, q->left);
    }
    req_pieces(q, &io->data);
    return q;
}

static void refused_run(struct env_task *task)
{
    struct disk_io *io = CONTAINER_OF(task, struct disk_io, task);

    io->done(io);
}

void real_disk_submit(struct env *env, struct disk_io *io)
{
    struct reactor *r = reactor_of(env);
    struct disk *d = io->disk;
    bool write = io->op == DISK_WRITE || io->op == DISK_FLUSH;
    int rc = write && disk_failed(d) ? -R_STORE_FAILED : disk_io_check(io, d->bytes, d->read_only);
    struct disk_req *q = rc == 0 ? req_create(r, io) : NULL;

    if (!q) { /* nothing was started; the answer still comes from the loop */
        io->rc = rc ? rc : -ENOMEM;
        env_task_init(&io->task, refused_run);
        env_post(env, &io->task);
        return;
    }
    io->impl = q;
    r->disk_busy++;
    __atomic_fetch_add((uint32_t *)&d->busy, 1, __ATOMIC_RELAXED);
    if (r->ring) {
        disk_ring_add(r->ring, q);
    } else {
        q->work = (struct env_work){.env = env, .work = req_work, .done = req_worked};
        real_work_submit(env, &q->work);
    }
}

/* --- blocking forms --- */

/* Move all bytes between the file and aligned memory. */
static int transfer_now(struct disk *d, bool write, uint64_t off, uint8_t *at, size_t bytes)
{
    unsigned retries = 0;

    while (bytes) {
        ssize_t n =
            write ? pwrite(d->fd, at, bytes, (off_t)off) : pread(d->fd, at, bytes, (off_t)off);

        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return -errno;
        if (n == 0)
            return -EIO; /* the file is shorter than when we opened it */
        if (n > 0 && (size_t)n < bytes)
            n = (ssize_t)ROUND_DOWN(n, DISK_BLOCK);
        if (n <= 0) {
            if (++retries > RETRIES_MAX)
                return -EIO;
            continue;
        }
        at += n;
        off += (uint64_t)n;
        bytes -= (size_t)n;
    }
    return 0;
}

int real_disk_read_now(struct disk *d, uint64_t off, void *out, size_t bytes)
{
    struct disk_io io = {.op = DISK_READ, .off = off, .bytes = bytes};
    struct blob *copy;
    int rc = disk_io_check(&io, d->bytes, d->read_only);

    if (rc < 0)
        return rc;
    if (!d->direct || piece_aligned(d, out, bytes))
        return transfer_now(d, false, off, out, bytes);
    copy = blob_create(bytes);
    if (!copy)
        return -ENOMEM;
    rc = transfer_now(d, false, off, copy->data, bytes);
    if (rc == 0)
        memcpy(out, copy->data, bytes);
    blob_unref(copy);
    return rc;
}

int real_disk_write_now(struct disk *d, uint64_t off, const void *data, size_t bytes)
{
    struct disk_io io = {.op = DISK_WRITE, .off = off, .data = {.bytes = bytes}};
    struct blob *copy = NULL;
    int rc = disk_io_check(&io, d->bytes, d->read_only);

    if (rc == 0 && disk_failed(d))
        rc = -R_STORE_FAILED;
    if (rc < 0)
        return rc;
    if (d->direct && !piece_aligned(d, data, bytes)) {
        copy = blob_create(bytes);
        if (!copy)
            return -ENOMEM;
        memcpy(copy->data, data, bytes);
        data = copy->data;
    }
    rc = transfer_now(d, true, off, (uint8_t *)(uintptr_t)data, bytes);
    if (rc < 0)
        disk_fail(d);
    blob_unref(copy);
    return rc;
}

int real_disk_flush_now(struct disk *d)
{
    int rc = 0;

    if (disk_failed(d))
        return -R_STORE_FAILED;
    while ((rc = fdatasync(d->fd)) < 0 && errno == EINTR)
        ;
    if (rc < 0) {
        rc = -errno;
        disk_fail(d);
    }
    return rc;
}
