/* grow.c - blocks of the data file have their room before anybody is given one.
 *
 * The data file is sparse, and other programs fill the same file system.  A block that is written
 * for the first time could find no room when its write was long acknowledged.  So the data disk is
 * divided into units, and blocks are given out only from open ones: a unit is opened when
 * DISK_ALLOCATE has got it all its blocks.  Some megabytes more than what is promised are kept
 * open, and a step at a time more as the store grows; where a step cannot be had, admission says
 * that the store is full.  Nothing of this is stored: after a start all units are closed, and to
 * allocate again what has its blocks needs no room.
 *
 * Units that deletes have emptied are closed and given back to the file system, once more than
 * enough is open. */
#include "core/store/store_int.h"

#define MARGIN_MAX MIB(32) /* between admission and submit, and for what is never refused */
#define STEP_MAX   MIB(128)
#define UNIT_MAX   MIB(4)
enum { UNIT_MIN_BLOCKS = 64, UNITS_MIN = 64 };

uint32_t grow_unit_blocks(uint64_t data_blocks)
{
    uint32_t unit = UNIT_MIN_BLOCKS;

    while (unit < UNIT_MAX / STORE_BLOCK && (uint64_t)unit * UNITS_MIN * 2 <= data_blocks)
        unit *= 2;
    return unit;
}

uint64_t grow_margin_blocks(const struct store *s)
{
    return MIN(MARGIN_MAX / STORE_BLOCK, extents_blocks(s->extents) / 8);
}

uint64_t grow_open_blocks(const struct store *s)
{
    uint64_t open = extents_open_free(s->extents);

    return open - MIN(open, s->reserved_blocks);
}

static void grow_done(struct disk_io *io)
{
    struct store *s = CONTAINER_OF(io, struct store, grow_io);
    uint64_t start = io->off / STORE_BLOCK, count = io->bytes / STORE_BLOCK;

    s->grow_busy = false;
    if (io->op == DISK_DISCARD) {
        counter_add(&s->m.discarded_bytes, io->bytes); /* and if it failed: it was advice */
    } else if (io->rc == 0) {
        counter_add(&s->m.allocated_bytes, io->bytes);
        s->grow_step = 0;
        extents_open(s->extents, start, count);
    } else if (count > s->unit_blocks) {
        s->grow_step = MAX(s->unit_blocks, count / 2);
    } else {
        s->grow_full = true; /* until the file system was looked at again */
    }
    if (s->opening) {
        grow_run(s);
        open_tell(s);
    } else if (!store_dead(s)) {
        store_progress(s);
    }
    store_busy_end(s);
}

static void grow_submit(struct store *s, enum disk_op op, uint64_t start, uint64_t count)
{
    s->grow_io = (struct disk_io){.disk = s->data,
                                  .op = op,
                                  .off = start * STORE_BLOCK,
                                  .bytes = count * STORE_BLOCK,
                                  .done = grow_done};
    s->grow_busy = true;
    store_busy(s);
    disk_submit(s->env, &s->grow_io);
}

/* An eighth of what is in use, and no more than a quarter of what the file system has to give. */
static uint64_t step_blocks(const struct store *s)
{
    uint64_t used = extents_blocks(s->extents) - extents_free_blocks(s->extents);
    uint64_t step = MIN(MAX(used / 8, grow_margin_blocks(s)), STEP_MAX / STORE_BLOCK);

    step = MIN(step, space_fs_free(s) / STORE_BLOCK / 4);
    if (s->grow_step)
        step = MIN(step, s->grow_step);
    return MAX(step, s->unit_blocks);
}

void grow_run(struct store *s)
{
    uint64_t margin = grow_margin_blocks(s), open = grow_open_blocks(s), keep, start, count;

    if (s->grow_busy || store_dead(s))
        return;
    if (open < margin + MAX(margin, s->grow_wanted)) {
        if (s->grow_full)
            return;
        count = extents_closed(s->extents, step_blocks(s), &start);
        if (count)
            grow_submit(s, DISK_ALLOCATE, start, count);
        return;
    }
    s->grow_wanted = 0;
    keep = 4 * margin + s->grow_asked;
    if (open < keep + s->unit_blocks || s->stopping)
        return;
    s->grow_asked /= 2; /* not asked for again in the meantime, or it would be as before */
    count = extents_close_empty(s->extents, open - keep, &start);
    if (count)
        grow_submit(s, DISK_DISCARD, start, count);
}

int grow_for(struct store *s, uint64_t blocks)
{
    if (extents_open_free(s->extents) == extents_free_blocks(s->extents))
        return -R_STORE_FULL;
    s->grow_wanted = MAX(s->grow_wanted, blocks);
    s->grow_asked = MAX(s->grow_asked, blocks);
    grow_run(s);
    return s->grow_busy ? -R_BACK_PRESSURE : -R_STORE_FULL;
}
