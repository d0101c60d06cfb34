/* real_uring.c - disk requests through io_uring: one ring per reactor.
 *
 * Requests gather during a turn and enter the kernel together at its end.  The ring signals the
 * reactor's eventfd when something completes; completions are taken at the start of the next turn,
 * whatever woke it.  No more requests are in the kernel than its completion queue has room for;
 * the others wait here in order. */
#include <fcntl.h>
#include <liburing.h>

#include "core/env/real_disk.h"

enum { RING_ENTRIES = 256, REAP_BATCH = 64 };

struct uring {
    struct io_uring ring;
    struct list waiting; /* disk_req.link */
    unsigned busy;       /* in the submission queue or the kernel */
    unsigned busy_max;
};

/* Every operation that we need. */
static bool ring_usable(struct io_uring *ring)
{
    static const int ops[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
                              IORING_OP_FALLOCATE};
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool usable = probe != NULL;

    for (size_t i = 0; usable && i < ARRAY_LEN(ops); i++)
        usable = io_uring_opcode_supported(probe, ops[i]);
    io_uring_free_probe(probe);
    return usable && (ring->features & IORING_FEAT_NODROP);
}

void disk_ring_create(int wake_fd, struct uring **out_ring)
{
    struct uring *u = mem_zalloc(sizeof(*u));

    if (!u)
        return;
    if (io_uring_queue_init(RING_ENTRIES, &u->ring, IORING_SETUP_CLAMP) < 0) {
        mem_free(u);
        return;
    }
    if (!ring_usable(&u->ring) || io_uring_register_eventfd(&u->ring, wake_fd) < 0) {
        disk_ring_destroy(u);
        return;
    }
    list_init(&u->waiting);
    u->busy_max = *u->ring.cq.kring_entries;
    *out_ring = u;
}

void disk_ring_destroy(struct uring *u)
{
    if (!u)
        return;
    io_uring_queue_exit(&u->ring);
    mem_free(u);
}

void disk_ring_add(struct uring *u, struct disk_req *q)
{
    list_init(&q->link);
    list_push_back(&u->waiting, &q->link);
}

static void req_prepare(struct io_uring_sqe *sqe, struct disk_req *q)
{
    const struct disk_io *io = q->io;
    int fd = io->disk->fd;

    switch (io->op) {
    case DISK_READ:
        io_uring_prep_readv(sqe, fd, q->iov, q->iov_count, q->off);
        break;
    case DISK_WRITE:
        io_uring_prep_writev2(sqe, fd, q->iov, q->iov_count, q->off,
                              io->flags & DISK_DURABLE ? RWF_DSYNC : 0);
        break;
    case DISK_FLUSH:
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
        break;
    case DISK_DISCARD:
        io_uring_prep_fallocate(sqe, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)io->off,
                                (off_t)io->bytes);
        break;
    case DISK_ALLOCATE:
        io_uring_prep_fallocate(sqe, fd, FALLOC_FL_KEEP_SIZE, (off_t)io->off, (off_t)io->bytes);
        break;
    }
    io_uring_sqe_set_data(sqe, q);
}

void disk_turn_end(struct reactor *r)
{
    struct uring *u = r->ring;

    if (!u)
        return;
    while (!list_empty(&u->waiting) && u->busy < u->busy_max) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

        if (!sqe) { /* full: hand over what is there */
            if (io_uring_submit(&u->ring) < 0)
                return;
            counter_add(&r->disk_submits, 1);
            continue;
        }
        req_prepare(sqe, LIST_ENTRY(list_pop_front(&u->waiting), struct disk_req, link));
        u->busy++;
    }
    if (io_uring_sq_ready(&u->ring) == 0)
        return;
    if (io_uring_submit(&u->ring) >= 0) /* else they stay queued: disk_turn_stuck */
        counter_add(&r->disk_submits, 1);
}

bool disk_turn_stuck(const struct reactor *r)
{
    return r->ring && io_uring_sq_ready(&r->ring->ring) > 0;
}

void disk_turn_reap(struct reactor *r)
{
    struct io_uring_cqe *cqes[REAP_BATCH];
    struct uring *u = r->ring;
    unsigned n;

    while (u && (n = io_uring_peek_batch_cqe(&u->ring, cqes, REAP_BATCH)) > 0) {
        for (unsigned i = 0; i < n; i++) {
            struct disk_req *q = io_uring_cqe_get_data(cqes[i]);

            u->busy--;
            if (disk_req_step(q, cqes[i]->res)) {
                disk_req_finish(q);
                reactor_left(r);
            } else {
                list_push_front(&u->waiting, &q->link);
            }
        }
        io_uring_cq_advance(&u->ring, n);
        if (n < REAP_BATCH)
            break; /* what completes from here on is for the next turn */
    }
}
