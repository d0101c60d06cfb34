/* extent.h - which blocks of the data disk are free, and how many owners the others have.
 *
 * In memory only; built at open from the shards of all onodes.  A block has one owner, or more
 * after a clone (counted here as extra owners).  What becomes free is given back with
 * extents_release, which the store calls only when a checkpoint covers the free.
 *
 * Blocks are given out only from open units: those that are known to have room on the file system
 * (grow.c).  All are closed at first.
 *
 * Threads: the store's reactor (the builder at open: a worker). */
#ifndef CORE_STORE_EXTENT_H
#define CORE_STORE_EXTENT_H

#include "core/base/base.h"

struct extents;
/* All of 1 .. blocks-1 free; block 0 is never given out.  A unit is a power of two, 64 .. 32768
 * blocks.  NULL: no memory. */
struct extents *extents_create(uint64_t blocks, uint32_t unit_blocks);
void extents_destroy(struct extents *e);
uint64_t extents_free_blocks(const struct extents *e);
uint64_t extents_open_free(const struct extents *e); /* of them in open units */
uint64_t extents_blocks(const struct extents *e);

/* Up to `want` contiguous blocks, at `hint` if that is free, else as low on the disk as a run of
 * that length is found without a long search (a sparse data file should not grow over free room).
 * Returns how many; 0: none are free in open units. */
uint64_t extents_take(struct extents *e, uint64_t want, uint64_t hint, uint64_t *out_start);
/* The first run of closed units with free blocks, of about `want` blocks at most.  Returns its
 * blocks (0: there is none), to be given to extents_open. */
uint64_t extents_closed(struct extents *e, uint64_t want, uint64_t *out_start);
void extents_open(struct extents *e, uint64_t start, uint64_t count);
/* Close the last run of open units that hold nothing, of about `want` blocks at most: its blocks,
 * or 0. */
uint64_t extents_close_empty(struct extents *e, uint64_t want, uint64_t *out_start);

/* Needs no memory. */
void extents_release(struct extents *e, uint64_t start, uint64_t count);

/* Another owner; -ENOMEM, or -R_OVERFLOW when there are too many. */
int extents_share(struct extents *e, uint64_t block);
/* One owner less.  True: that was the last, the block is free (not yet allocatable). */
bool extents_unshare(struct extents *e, uint64_t block);
uint32_t extents_extra(const struct extents *e, uint64_t block); /* owners beyond the first */

/* While building at open: this block has an owner (one more).  0, -R_MALFORMED outside of the disk,
 * -ENOMEM, -R_OVERFLOW. */
int extents_mark(struct extents *e, uint64_t block);
void extents_check(const struct extents *e);

#endif
