/* deferred.c - data on its way to its blocks.
 *
 * Deferred blocks (struct item) have been, or will be, acknowledged from the journal.  Until they
 * are on the data disk readers get them from memory: store.dblocks finds the versions of a block,
 * newest first.  A version is written to its block only when its record is durable, else a crash
 * would leave new bytes under an old checksum; one write per block is under way at a time.  When a
 * newer version is durable, older ones need not be written any more.
 *
 * Direct writes go to fresh blocks at once; when all of a transaction's are on the disk, a flush
 * that many share makes them durable, and only then may the journal link them. */
#include "core/store/store_int.h"

static int dirty_cmp(struct dblock *a, struct dblock *b)
{
    return a->phys < b->phys ? -1 : a->phys > b->phys;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_STATIC(dirty_tree, dblock, dirty_node, dirty_cmp)
#pragma GCC diagnostic pop

static struct dblock *dblock_find(const struct store *s, uint64_t phys)
{
    for (struct hnode *n = htable_first(&s->dblocks, hash64_u64(1, phys)); n; n = htable_next(n)) {
        struct dblock *b = CONTAINER_OF(n, struct dblock, node);

        if (b->phys == phys)
            return b;
    }
    return NULL;
}

static void set_dirty(struct store *s, struct dblock *b, bool dirty)
{
    if (b->dirty == dirty)
        return;
    b->dirty = dirty;
    if (dirty) {
        RB_INSERT(dirty_tree, &s->dirty, b);
        s->dirty_count++;
    } else {
        RB_REMOVE(dirty_tree, &s->dirty, b);
        s->dirty_count--;
    }
}

static struct item *newest_durable(const struct dblock *b)
{
    LIST_EACH (l, &b->versions) {
        struct item *it = CONTAINER_OF(l, struct item, link);

        if (it->tx->stage == TX_DURABLE)
            return it;
    }
    return NULL;
}

static void item_done(struct item *it)
{
    struct dblock *b = it->block;
    struct tx *tx = it->tx;
    struct store *s = tx->s;

    ASSERT(!it->done);
    it->done = true;
    list_remove(&it->link);
    buf_fini(&it->data);
    s->item_bytes -= STORE_BLOCK;
    if (list_empty(&b->versions)) {
        set_dirty(s, b, false);
        htable_remove(&s->dblocks, &b->node);
        mem_free(b);
    }
    if (--tx->items_left == 0)
        tx_release_rows(tx);
}

void defer_add(struct item *it)
{
    struct store *s = it->tx->s;
    struct dblock *b = dblock_find(s, it->block->phys);

    if (b) {
        mem_free(it->block);
        it->block = b;
    } else {
        b = it->block;
        list_init(&b->versions);
        htable_insert(&s->dblocks, &b->node, hash64_u64(1, b->phys));
    }
    list_push_front(&b->versions, &it->link);
    s->item_bytes += STORE_BLOCK;
}

void defer_durable(struct tx *tx)
{
    for (uint32_t i = 0; i < tx->item_count; i++) {
        struct item *it = &tx->items[i];
        struct dblock *b = it->block;
        struct list *older = it->link.next;

        while (older != &b->versions) {
            struct item *old = CONTAINER_OF(older, struct item, link);

            older = older->next;
            if (old != b->writing)
                item_done(old);
        }
        if (!b->writing)
            set_dirty(tx->s, b, true);
    }
}

bool block_in_memory(const struct store *s, uint64_t phys, struct buf *out_shared, int *out_rc)
{
    struct dblock *b = s->item_bytes ? dblock_find(s, phys) : NULL;

    if (b) {
        *out_rc = buf_slice(&LIST_FIRST(&b->versions, struct item, link)->data, 0, STORE_BLOCK,
                            out_shared);
        return true;
    }
    LIST_EACH (l, &s->directs) {
        struct direct *d = CONTAINER_OF(l, struct direct, link);

        if (phys < d->phys || phys >= d->phys + d->blocks)
            continue;
        *out_rc = buf_slice(&d->io.data, (phys - d->phys) * STORE_BLOCK, STORE_BLOCK, out_shared);
        return true;
    }
    return false;
}

/* --- writing back --- */

enum { DEFER_RUN = DEFER_IO_MAX / STORE_BLOCK };

struct defer_io {
    struct disk_io io;
    struct store *s;
    uint32_t count;
    struct item *items[];
};

static void defer_written(struct disk_io *io)
{
    struct defer_io *d = CONTAINER_OF(io, struct defer_io, io);
    struct store *s = d->s;

    s->defer_ios--;
    if (io->rc < 0)
        store_fail(s, io->rc, "write of deferred data");
    for (uint32_t i = 0; i < d->count; i++) {
        struct item *it = d->items[i];
        struct dblock *b = it->block;
        bool newer = newest_durable(b) != it;

        b->writing = NULL;
        if (s->failed)
            continue;
        counter_add(&s->m.deferred_blocks, 1);
        if (!newer)
            data_cache_put(s, b->phys, &it->data, 0);
        if (newer)
            set_dirty(s, b, true);
        item_done(it);
    }
    buf_fini(&io->data);
    mem_free(d);
    if (!store_dead(s))
        store_progress(s);
    store_busy_end(s);
}

/* One device write of contiguous dirty blocks.  -ENOMEM with nothing changed. */
static int defer_write(struct store *s)
{
    struct dblock *first = RB_MIN(dirty_tree, &s->dirty), *b = first;
    uint32_t count = 0;
    struct defer_io *d;

    while (b && count < DEFER_RUN && b->phys == first->phys + count) {
        count++;
        b = RB_NEXT(dirty_tree, &s->dirty, b);
    }
    d = mem_zalloc(sizeof(*d) + count * sizeof(*d->items));
    if (!d)
        return -ENOMEM;
    b = first;
    for (uint32_t i = 0; i < count; i++, b = RB_NEXT(dirty_tree, &s->dirty, b)) {
        d->items[i] = newest_durable(b);
        ASSERT(d->items[i]);
        if (buf_append(&d->io.data, &d->items[i]->data, 0, STORE_BLOCK) < 0) {
            buf_fini(&d->io.data);
            mem_free(d);
            return -ENOMEM;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        set_dirty(s, d->items[i]->block, false);
        d->items[i]->block->writing = d->items[i];
    }
    d->s = s;
    d->count = count;
    d->io.disk = s->data;
    d->io.op = DISK_WRITE;
    d->io.off = first->phys * STORE_BLOCK;
    d->io.bytes = d->io.data.bytes;
    d->io.done = defer_written;
    s->defer_ios++;
    store_busy(s);
    disk_submit(s->env, &d->io);
    return 0;
}

void defer_run(struct store *s)
{
    if (s->dirty_count * STORE_BLOCK >= DEFER_START_BYTES)
        s->defer_drain = true;
    while (s->defer_drain && s->defer_ios < DEFER_DEPTH && s->dirty_count)
        if (defer_write(s) < 0) {
            store_later(s);
            return;
        }
    if (s->dirty_count == 0)
        s->defer_drain = false;
}

/* --- direct writes --- */

static void flush_done(struct disk_io *io)
{
    struct store *s = CONTAINER_OF(io, struct store, flush_io);
    struct list *l;

    s->flush_busy = false;
    if (io->rc < 0)
        store_fail(s, io->rc, "flush of the data disk");
    while (!store_dead(s) && (l = list_pop_front(&s->flushing)))
        coll_ready(CONTAINER_OF(l, struct tx, flush_link));
    if (!store_dead(s))
        direct_flush(s);
    store_busy_end(s);
}

void direct_flush(struct store *s)
{
    if (s->flush_busy || list_empty(&s->flush_wait))
        return;
    s->flush_busy = true;
    list_splice(&s->flushing, &s->flush_wait);
    s->flush_io = (struct disk_io){.disk = s->data, .op = DISK_FLUSH, .done = flush_done};
    store_busy(s);
    disk_submit(s->env, &s->flush_io);
}

static void direct_done(struct disk_io *io)
{
    struct direct *d = CONTAINER_OF(io, struct direct, io);
    struct tx *tx = d->tx;
    struct store *s = tx->s;

    list_remove(&d->link);
    buf_fini(&io->data);
    if (io->rc < 0)
        store_fail(s, io->rc, "write of new extents");
    if (--tx->directs_left == 0 && !store_dead(s)) {
        list_push_back(&s->flush_wait, &tx->flush_link);
        direct_flush(s);
    }
    store_busy_end(s);
}

void direct_submit(struct tx *tx)
{
    struct store *s = tx->s;

    tx->directs_left = tx->direct_count;
    for (uint32_t i = 0; i < tx->direct_count; i++) {
        struct direct *d = &tx->directs[i];

        d->io.disk = s->data;
        d->io.op = DISK_WRITE;
        d->io.off = d->phys * STORE_BLOCK;
        d->io.bytes = d->io.data.bytes;
        d->io.done = direct_done;
        list_push_back(&s->directs, &d->link);
        counter_add(&s->m.direct_bytes, d->io.bytes);
        store_busy(s);
        disk_submit(s->env, &d->io);
    }
}
