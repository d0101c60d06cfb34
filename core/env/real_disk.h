/* real_disk.h - the inside of real disks: requests, and the two ways to run them. */
#ifndef CORE_ENV_REAL_DISK_H
#define CORE_ENV_REAL_DISK_H

#include <sys/uio.h>

#include "core/env/real.h"

struct disk {
    struct env *env; /* borrowed, first */
    char *name;      /* owned: its path */
    int fd;
    uint64_t bytes;
    bool direct;        /* O_DIRECT: memory and lengths must be aligned */
    uint32_t mem_align; /* of addresses, when direct */
    uint32_t len_align; /* of each piece's length, when direct */
    bool read_only;
    _Atomic bool failed;   /* a write or flush has: nothing that follows can be called durable */
    _Atomic uint32_t busy; /* requests under way */
};

/* One request on its way through the ring or a worker. */
struct disk_req {
    struct env_work work; /* without a ring */
    struct list link;     /* waits for room in the ring */
    struct reactor *r;    /* borrowed */
    struct disk_io *io;   /* borrowed from the caller until done */
    struct blob *memory;  /* owned; READ: the target; WRITE: a copy of misaligned data, or NULL */
    uint64_t off, left;   /* what is still to be transferred */
    struct iovec *iov;    /* ... and where, in `pieces` */
    unsigned iov_count;
    unsigned retries;
    int rc;
    struct iovec pieces[];
};

/* Account for the result of one system call for this request: a count or -errno.  True when the
 * request is over (rc is set), false when what is left must be issued again. */
bool disk_req_step(struct disk_req *q, int64_t result);
/* Give the result to the caller and free the request.  From the loop. */
void disk_req_finish(struct disk_req *q);

/* real_uring.c: *out_ring stays NULL where io_uring does not work. */
void disk_ring_create(int wake_fd, struct uring **out_ring);
void disk_ring_destroy(struct uring *ring);                 /* NULL is fine */
void disk_ring_add(struct uring *ring, struct disk_req *q); /* issued at the end of the turn */
void disk_turn_reap(struct reactor *r);                     /* finish what has completed */
void disk_turn_end(struct reactor *r);         /* issue what was added, in one system call */
bool disk_turn_stuck(const struct reactor *r); /* the kernel had no room: try again, don't wait */

/* real_disk.c */
int real_disk_open(struct env *env, const char *path, const struct disk_conf *conf,
                   struct disk **out_disk, struct note *why);
void real_disk_close(struct disk *d);
uint64_t real_disk_bytes(const struct disk *d);
const char *real_disk_name(const struct disk *d);
void real_disk_submit(struct env *env, struct disk_io *io);
int real_disk_read_now(struct disk *d, uint64_t off, void *out, size_t bytes);
int real_disk_write_now(struct disk *d, uint64_t off, const void *data, size_t bytes);
int real_disk_flush_now(struct disk *d);

#endif
