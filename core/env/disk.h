/* disk.h - block I/O on a preallocated file or a raw device.
 *
 * I/O is direct where the file system allows it, in units of DISK_BLOCK; offsets and sizes must be
 * multiples of it.  Requests complete in any order.  A write is durable when it completed with
 * DISK_DURABLE, or when a flush that was submitted after its completion has completed.
 *
 * Fault model (the simulator's, architecture 2): without that, after a power cut each DISK_BLOCK of
 * an unflushed write is, independently, old, new, or (rarely) unreadable; a flushed block may rot;
 * reads and writes may fail with -EIO; the disk may be slow or gone.  After a failed write or flush
 * nothing is known about durability: the caller stops using the disk.
 *
 * Threads: the env's reactor; disk_open/close block and belong to start-up and shut-down. */
#ifndef CORE_ENV_DISK_H
#define CORE_ENV_DISK_H

#include "core/base/buf.h"
#include "core/env/env.h"

enum { DISK_BLOCK = 4096 };

struct disk_conf {
    bool create; /* make it when missing; -ENOENT otherwise */
    bool zeroed; /* allocate and write zeros up to `bytes` (journals), else sparse */
    bool read_only;
    uint64_t bytes; /* with create: its size, a multiple of DISK_BLOCK; 0: as it is */
};
/* 0 with *out_disk owned by the caller, or a negative code with `why` set. */
int disk_open(struct env *env, const char *path, const struct disk_conf *conf,
              struct disk **out_disk, struct note *why);
void disk_close(struct disk *d); /* no I/O may be under way; NULL is fine */
uint64_t disk_bytes(const struct disk *d);
const char *disk_name(const struct disk *d);

enum disk_op {
    DISK_READ,
    DISK_WRITE,
    DISK_FLUSH,
    DISK_DISCARD,  /* give back a range; reads as zeros or old bytes */
    DISK_ALLOCATE, /* blocks for a range, what it holds unchanged: writes to it cannot meet -ENOSPC
                      any more.  -ENOSPC: a part of it may have got them.  A power cut before the
                      next flush may undo it.  Where the file system has no such call: 0, nothing
                      promised. */
};
enum { DISK_DURABLE = 1 }; /* flags: this write is on stable storage when it completes */

struct disk_io {
    struct env_task task; /* used by env until done */
    struct disk *disk;    /* borrowed */
    enum disk_op op;
    unsigned flags;
    uint64_t off, bytes; /* READ, DISCARD, ALLOCATE: `bytes`; WRITE: data.bytes */
    struct buf data;     /* WRITE: held until done, memory of any alignment, caller frees after;
                            READ: empty on submit, one aligned span on success */
    int rc;              /* 0 or a negative code; short transfers are completed or failed inside */
    void (*done)(struct disk_io *io);
    void *impl; /* env's own */
};
/* `io` stays put until done, which comes exactly once, from the loop. */
void disk_submit(struct env *env, struct disk_io *io);
/* Blocking forms for start-up, fsck and workers. */
int disk_read_now(struct disk *d, uint64_t off, void *out, size_t bytes);
int disk_write_now(struct disk *d, uint64_t off, const void *data, size_t bytes);
int disk_flush_now(struct disk *d);

#endif
