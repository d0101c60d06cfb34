/* space.c - saying no in time.
 *
 * Writes are refused at admission, while there is still a reserve, so that the journal, LevelDB and
 * the deferred writes of what was admitted never meet a full disk.  Two measures count: blocks of
 * the data disk, and, since data file and LevelDB grow on a file system that others use too, what
 * that file system has left.  The latter is asked on a worker a few times a second.  The journal's
 * blocks exist, and so do those of the data file that may be given out (grow.c).
 *
 * What leads to space given back needs rows of its own (this is to be removed, say), and is let
 * through when the store is full; but nobody proves that it does lead there.  So
 * omap rows that come in while the store is full, and growth of xattrs, are counted; after a
 * quarter of the reserve they are refused like all that grows.  LevelDB may need twice that while
 * it merges tables; the other half is for what shrinks, whose traces (log rows, marks of deleted
 * rows) are bounded or merged away. With room the count begins anew.
 *
 * LevelDB is what still needs room.  The ballast is a file of real blocks for it: when the file
 * system is nearly full it is removed, so that replay, deletes and checkpoints still have room;
 * when there is room again it is made anew.  Should somebody else take that as well, LevelDB waits
 * (kv_wait_for_room) and the journal goes on until it is full. */
#include "core/store/store_int.h"

enum { SPACE_CHECK_MS = 200, LOW_BYTES = 16 << 20 };

/* max(512 MiB, 5 %), but at most a quarter: a store under 2 GiB must be usable too. */
uint64_t space_reserve_bytes(uint64_t total)
{
    return MIN(MAX(MIB(512), total / 20), total / 4);
}

/* The file system's share of the rule.  It is as small as the store is, when the store is small. */
static uint64_t fs_reserve(const struct store *s)
{
    uint64_t store = space_reserve_bytes(extents_blocks(s->extents) * STORE_BLOCK);

    return MIN(store, s->fs.total_bytes / 4);
}

static uint64_t fs_low_bytes(const struct store *s)
{
    return MIN((uint64_t)LOW_BYTES, s->ballast_bytes / 2);
}

int ballast_make(struct env *env, const char *folder, uint64_t bytes, struct disk **out_disk)
{
    struct disk_conf conf = {.create = true, .zeroed = true, .bytes = bytes};
    char *path = store_path(folder, "ballast");
    struct note why = {0};
    int rc = path ? disk_open(env, path, &conf, out_disk, &why) : -ENOMEM;

    if (rc < 0 && path)
        (void)file_remove(env, path); /* a part of it is of no use */
    mem_free(path);
    return rc;
}

static void ballast_drop(struct store *s)
{
    char *path = store_path(s->folder, "ballast");

    if (!path)
        return;
    disk_close(TAKE(s->ballast));
    (void)file_remove(s->env, path); /* it may be gone already */
    mem_free(path);
}

static void space_work(struct env_work *w)
{
    struct store *s = CONTAINER_OF(w, struct store, space_work);
    struct fs_space fs = {0};

    s->space_rc = fs_space(s->env, s->folder, &fs);
    if (s->space_rc < 0)
        return;
    if (s->ballast && fs.free_bytes < fs_low_bytes(s))
        ballast_drop(s);
    else if (s->ballast_bytes && !s->ballast &&
             fs.free_bytes > fs_reserve(s) + 2 * s->ballast_bytes)
        (void)ballast_make(s->env, s->folder, s->ballast_bytes, &s->ballast);
    s->space_seen = fs;
}

static enum store_fill store_fill(const struct store *s)
{
    struct store_space sp;

    store_space(s, &sp);
    return sp.fill;
}

static void space_done(struct env_work *w)
{
    struct store *s = CONTAINER_OF(w, struct store, space_work);

    s->space_busy = false;
    s->ballast_up = s->ballast != NULL;
    if (s->space_rc == 0)
        s->fs = s->space_seen;
    s->grow_full = false; /* it may ask again */
    if (store_fill(s) == STORE_ROOM)
        s->reserve_taken = 0;
    if (s->apply_busy && s->fs.free_bytes < fs_low_bytes(s))
        s->no_room = true; /* or LevelDB is just done: its end knows */
    if (!s->space_stopped && !store_dead(s)) {
        env_timer_after(s->env, &s->space_timer, SPACE_CHECK_MS * NS_PER_MS);
        store_progress(s);
    }
    store_busy_end(s);
}

void space_look(struct store *s)
{
    if (s->space_busy || s->space_stopped || store_dead(s))
        return;
    env_timer_cancel(s->env, &s->space_timer);
    s->space_busy = true;
    s->space_work.work = space_work;
    s->space_work.done = space_done;
    store_busy(s);
    env_work_submit(s->env, &s->space_work);
}

static void space_fire(struct env_timer *t)
{
    struct store *s = CONTAINER_OF(t, struct store, space_timer);

    if (!s->stopping && !store_dead(s))
        journal_mark(s);
    space_look(s);
}

void space_start(struct store *s)
{
    env_timer_init(&s->space_timer, space_fire);
    env_timer_after(s->env, &s->space_timer, SPACE_CHECK_MS * NS_PER_MS);
}

void space_stop(struct store *s)
{
    s->space_stopped = true;
    env_timer_cancel(s->env, &s->space_timer);
}

/* What the file system has for clients.  What the ballast gave up is not theirs: it is needed
 * again. */
uint64_t space_fs_free(const struct store *s)
{
    uint64_t kept = fs_reserve(s) + (s->ballast_up ? 0 : s->ballast_bytes);

    return s->no_room ? 0 : s->fs.free_bytes - MIN(s->fs.free_bytes, kept);
}

/* Bytes of rows that may be taken in while the store is full. */
static uint64_t reserve_for_rows(const struct store *s)
{
    return fs_reserve(s) / 4;
}

void store_space(const struct store *s, struct store_space *out_space)
{
    uint64_t total = (extents_blocks(s->extents) - 1) * STORE_BLOCK,
             reserve = space_reserve_bytes(total);
    uint64_t free_bytes = extents_free_blocks(s->extents) * STORE_BLOCK;
    uint64_t promised = MIN(free_bytes, s->reserved_blocks * STORE_BLOCK),
             fs_free = space_fs_free(s);

    *out_space = (struct store_space){.total_bytes = total - reserve,
                                      .objects = s->object_count,
                                      .used_bytes = total - free_bytes};
    free_bytes -= promised;
    free_bytes -= MIN(free_bytes, reserve);
    if (fs_free) /* what is open has its room already; its rows in LevelDB have not */
        fs_free += grow_open_blocks(s) * STORE_BLOCK;
    out_space->free_bytes = MIN(free_bytes, fs_free);
    out_space->fill = out_space->free_bytes                    ? STORE_ROOM
                      : s->reserve_taken < reserve_for_rows(s) ? STORE_FULL
                                                               : STORE_SPENT;
}

/* The last quarter of the ring is for deletes, should LevelDB have to wait for room. */
static bool journal_tight(const struct store *s)
{
    const struct journal *j = &s->journal;

    return j->head - j->tail + s->queued_journal / DISK_BLOCK > j->blocks / 4 * 3;
}

int store_admit(struct store *s, enum store_want want, uint64_t bytes)
{
    struct store_space sp;

    if (store_dead(s) || s->stopping)
        return -R_STOPPED;
    if (s->queued_bytes > QUEUED_BYTES_MAX ||
        s->unapplied_bytes + s->item_bytes > UNAPPLIED_BYTES_MAX)
        return -R_BACK_PRESSURE;
    if (want == STORE_SHRINKS)
        return 0;
    if (want == STORE_FREES)
        return store_fill(s) == STORE_SPENT ? -R_STORE_FULL : 0;
    if (journal_tight(s))
        return s->no_room ? -R_STORE_FULL : -R_BACK_PRESSURE;
    store_space(s, &sp);
    if (bytes + STORE_BLOCK <= sp.free_bytes) {
        uint64_t blocks = bytes / STORE_BLOCK + 2;

        if (blocks + grow_margin_blocks(s) <= grow_open_blocks(s) ||
            extents_open_free(s->extents) == extents_free_blocks(s->extents))
            return 0;
        return grow_for(s, blocks);
    }
    if (!list_empty(&s->resolved)) { /* what was deleted comes back with a checkpoint */
        s->ck_wanted = true;
        store_progress(s);
    }
    return -R_STORE_FULL;
}
