/* read.h - what read.c and omap.c share. */
#ifndef CORE_STORE_READ_H
#define CORE_STORE_READ_H

#include "core/store/store_int.h"

enum seg_kind { SEG_HOLE, SEG_MEMORY, SEG_DEVICE, SEG_LOST };
/* A run of blocks that come from one place. */
struct seg {
    struct disk_io io; /* DEVICE */
    struct read_op *op;
    enum seg_kind kind;
    uint64_t first; /* block of the object */
    uint32_t blocks;
    struct buf data;
};
struct read_op {
    struct list link;     /* object.waiters */
    struct list all_link; /* store.reads */
    struct store *s;
    struct store_read *r;
    struct object *obj; /* ref */
    uint64_t want;      /* object.submitted at the start */
    bool in_call;       /* store_read is on the stack: answer by a post */
    bool waiting;       /* for the object's transactions */
    uint32_t ios, restarts;
    uint64_t data_gen, off, end; /* bytes, cut to the object's size */
    struct seg *segs;            /* arena */
    uint32_t seg_count;
    uint32_t *crcs; /* arena: as they stood when the read began */
    int rc;
};
void read_finish(struct read_op *op, int rc);
void omap_read(struct read_op *op);

#endif
