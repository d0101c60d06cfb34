/* checkpoint.c - rows go to LevelDB, and the journal behind them is given back.
 *
 * Applying: durable records, in order, a few megabytes at a time, on a worker.  A row that a later
 * row of the same batch replaced is skipped; one that was replaced by a row outside of the batch is
 * not, because that later row may still be lost.  LevelDB may keep any subset of what is written
 * between checkpoints: replay starts at the last checkpoint and rewrites it all.
 *
 * A checkpoint at record S: (1) every deferred block of records up to S is written, every row up to
 * S applied; (2) the data disk is flushed; (3) LevelDB is made durable; (4) the superblock says S,
 * in the other slot; then the ring before it is free, and blocks let go by records up to S become
 * allocatable, in the order in which transactions were resolved. */
#include "core/store/store_int.h"

void tx_release_rows(struct tx *tx)
{
    if (!tx->rows_dropped || tx->items_left)
        return;
    mem_free(tx->mem);
    tx->mem = NULL;
    tx->rows = NULL;
    tx->items = NULL;
    tx->item_count = 0;
}

static void tx_maybe_free(struct tx *tx)
{
    if (!tx->covered || !tx->rows_dropped || list_linked(&tx->resolved_link))
        return;
    list_remove(&tx->link);
    tx->s->record_count--;
    tx_free(tx);
}

void records_add(struct tx *tx)
{
    struct store *s = tx->s;

    list_push_back(&s->records, &tx->link);
    s->record_count++;
    if (!s->apply_next)
        s->apply_next = tx;
    if (!s->drop_next)
        s->drop_next = tx;
    if (!s->ck_next)
        s->ck_next = tx;
}

static struct tx *record_after(struct store *s, struct tx *tx)
{
    return tx->link.next == &s->records ? NULL : CONTAINER_OF(tx->link.next, struct tx, link);
}

/* --- applying --- */

static int batch_flush(struct store *s, struct kv_batch **b)
{
    int rc = kv_write(s->kv, *b);

    kv_batch_destroy(*b);
    *b = rc < 0 ? NULL : kv_batch_create();
    return rc < 0 ? rc : *b ? 0 : -ENOMEM;
}

static int batch_range(struct store *s, struct kv_batch **b, const struct row *r)
{
    struct kv_iter *it;
    struct bytes key, value;
    int rc = kv_iter_create(s->kv, r->key, r->value, &it);

    if (rc < 0)
        return rc;
    while ((rc = kv_iter_next(it, &key, &value)) == 1) {
        rc = kv_batch_delete(*b, key);
        if (rc == 0 && kv_batch_bytes(*b) >= APPLY_BATCH_BYTES)
            rc = batch_flush(s, b);
        if (rc < 0)
            break;
    }
    kv_iter_destroy(it);
    return rc;
}

static int apply_rows(struct apply *a)
{
    struct row **rows = a->rows.at;
    struct kv_batch *b = kv_batch_create();
    int rc = b ? 0 : -ENOMEM;

    for (uint32_t i = 0; i < a->rows.n && rc == 0; i++) {
        const struct row *r = rows[i];

        if (r->kind == ROW_RANGE)
            rc = batch_range(a->s, &b, r);
        else if (r->kind == ROW_PUT)
            rc = kv_batch_put(b, r->key, r->value);
        else
            rc = kv_batch_delete(b, r->key);
        if (rc == 0 && kv_batch_bytes(b) >= APPLY_BATCH_BYTES)
            rc = batch_flush(a->s, &b);
    }
    if (rc == 0 && a->rows.n)
        rc = kv_write(a->s->kv, b);
    kv_batch_destroy(b);
    return rc;
}

static void apply_work(struct env_work *w)
{
    struct apply *a = CONTAINER_OF(w, struct apply, work);

    a->rc = a->checkpoint ? kv_checkpoint(a->s->kv) : apply_rows(a);
}

static void checkpoint_kv_done(struct store *s);

static void apply_done(struct env_work *w)
{
    struct apply *a = CONTAINER_OF(w, struct apply, work);
    struct store *s = a->s;

    s->apply_busy = false;
    s->no_room = a->rc == -ENOSPC;
    if (s->no_room && !store_dead(s)) {
        store_later(s); /* as below; the ballast may help */
        space_look(s);
    } else if (a->rc == -ENOMEM) {
        store_later(s); /* nothing of it counts; the same rows are written again */
    } else if (a->rc < 0) {
        store_fail(s, a->rc, "write of the key-value store");
    } else if (a->checkpoint) {
        if (!store_dead(s))
            checkpoint_kv_done(s);
    } else {
        struct applied_batch *d =
            s->drops.cap ? (struct applied_batch *)s->drops.at + s->drops.n++ : NULL;

        counter_add(&s->m.applied_rows, a->rows.n);
        *d = (struct applied_batch){a->upto, ++s->applied_batches};
        s->applied_seq = a->upto;
        while (s->apply_next && s->apply_next->seq <= a->upto)
            s->apply_next = record_after(s, s->apply_next);
        overlay_release(s);
    }
    if (!store_dead(s))
        store_progress(s);
    store_busy_end(s);
}

static bool row_counts(const struct row *r, uint64_t upto)
{
    return !r->next || r->next->tx->seq == 0 || r->next->tx->seq > upto;
}

static int apply_gather(struct store *s, struct apply *a)
{
    uint64_t bytes = 0;

    a->rows.n = 0;
    a->upto = 0;
    for (struct tx *tx = s->apply_next; tx && bytes < APPLY_START_BYTES; tx = record_after(s, tx)) {
        bytes += tx->row_bytes;
        a->upto = tx->seq;
    }
    for (int ranges = 1; ranges >= 0; ranges--)
        for (struct tx *tx = s->apply_next; tx && tx->seq <= a->upto; tx = record_after(s, tx))
            for (uint32_t i = 0; i < tx->row_count; i++) {
                struct row *r = &tx->rows[i], **slot;

                if ((r->kind == ROW_RANGE) != ranges || !row_counts(r, a->upto))
                    continue;
                slot = vec_push(&a->rows, sizeof(*slot));
                if (!slot)
                    return -ENOMEM;
                *slot = r;
            }
    return 0;
}

/* A place for the batch that will be applied: its end must not need memory. */
static int drops_room(struct store *s)
{
    if (!vec_push(&s->drops, sizeof(struct applied_batch)))
        return -ENOMEM;
    s->drops.n--;
    return 0;
}

void apply_run(struct store *s, bool all)
{
    struct apply *a = &s->apply;

    if (s->apply_busy || !s->apply_next || (!all && s->unapplied_bytes < APPLY_START_BYTES))
        return;
    if (drops_room(s) < 0 || apply_gather(s, a) < 0) {
        store_later(s);
        return;
    }
    a->s = s;
    a->checkpoint = false;
    a->work.work = apply_work;
    a->work.done = apply_done;
    s->apply_busy = true;
    store_busy(s);
    env_work_submit(s->env, &a->work);
}

static void drop_rows(struct store *s, uint64_t upto)
{
    while (s->drop_next && s->drop_next->seq <= upto) {
        struct tx *tx = s->drop_next;

        s->drop_next = record_after(s, tx);
        for (uint32_t i = 0; i < tx->row_count; i++)
            overlay_remove(&s->overlay, &tx->rows[i]);
        s->unapplied_bytes -= tx->row_bytes;
        tx->rows_dropped = true;
        tx_release_rows(tx);
        tx_maybe_free(tx);
    }
}

/* Rows leave the overlay when no reader of LevelDB may have missed them there. */
void overlay_release(struct store *s)
{
    struct applied_batch *d = s->drops.at;
    uint64_t oldest =
        list_empty(&s->readers) ? UINT64_MAX : LIST_FIRST(&s->readers, struct kvread, link)->stamp;
    uint32_t n = 0;

    while (n < s->drops.n && d[n].stamp <= oldest)
        drop_rows(s, d[n++].upto);
    if (n) {
        s->drops.n -= n;
        memmove(d, d + n, s->drops.n * sizeof(*d));
    }
}

/* --- the checkpoint --- */

/* Blocks that covered transactions let go become free, up to the first one that is not covered: a
 * block with several owners is let go by several transactions, and each of them must count. */
static void release_covered(struct store *s)
{
    while (!list_empty(&s->resolved)) {
        struct tx *tx = LIST_FIRST(&s->resolved, struct tx, resolved_link);

        if (!tx->covered)
            break;
        list_remove(&tx->resolved_link);
        for (uint32_t i = 0; i < tx->free_count; i++)
            if (extents_unshare(s->extents, tx->frees[i]))
                extents_release(s->extents, tx->frees[i], 1);
        tx_maybe_free(tx);
    }
}

static void checkpoint_end(struct store *s)
{
    s->journal.tail = s->ck_pos;
    LIST_EACH_SAFE (l, &s->records) {
        struct tx *tx = CONTAINER_OF(l, struct tx, link);

        if (tx->seq > s->ck_seq)
            break;
        tx->covered = true;
    }
    release_covered(s);
    counter_add(&s->m.checkpoints, 1);
    s->ck = CK_IDLE;
    journal_kick(s);
    store_progress(s);
}

static void superblock_copied(struct disk_io *io)
{
    struct store *s = CONTAINER_OF(io, struct store, ck_io);

    buf_fini(&io->data);
    if (io->rc < 0 && io->rc != -ENOSPC) /* without room there is no copy */
        store_fail(s, io->rc, "write of the superblock's copy");
    else if (!store_dead(s))
        checkpoint_end(s);
    store_busy_end(s);
}

static void superblock_written(struct disk_io *io)
{
    struct store *s = CONTAINER_OF(io, struct store, ck_io);

    if (io->rc < 0)
        store_fail(s, io->rc, "superblock write");
    if (store_dead(s)) {
        buf_fini(&io->data);
        store_busy_end(s);
        return;
    }
    s->sb_slot = 1 - s->sb_slot;
    s->sb = s->ck_sb;
    io->disk = s->data;
    io->off = 0;
    io->done = superblock_copied;
    disk_submit(s->env, io);
}

static void checkpoint_superblock(struct store *s)
{
    struct blob *b = blob_create(DISK_BLOCK);

    s->ck_sb = s->sb;
    s->ck_sb.generation++;
    s->ck_sb.tail_pos = s->ck_pos;
    s->ck_sb.tail_seq = s->ck_seq;
    s->ck_sb.tail_crc = s->ck_crc;
    s->ck_sb.next_nid = s->ck_nid;
    s->ck_sb.salvaged = s->salvaged;
    s->ck_sb.clean = s->stopping && s->ck_seq == s->journal.seq;
    s->ck_io = (struct disk_io){.disk = s->sb_disk,
                                .op = DISK_WRITE,
                                .flags = DISK_DURABLE,
                                .off = (uint64_t)(1 - s->sb_slot) * DISK_BLOCK,
                                .bytes = DISK_BLOCK,
                                .done = superblock_written};
    if (!b || buf_append_blob(&s->ck_io.data, b, 0, DISK_BLOCK) < 0) {
        blob_unref(b);
        s->ck = CK_KV; /* stay: store_later comes back here */
        s->ck_kv_done = true;
        store_later(s);
        return;
    }
    superblock_encode(&s->ck_sb, b->data);
    blob_unref(b);
    s->ck = CK_SUPERBLOCK;
    store_busy(s);
    disk_submit(s->env, &s->ck_io);
}

static void checkpoint_kv_done(struct store *s)
{
    s->ck_kv_done = true;
    checkpoint_superblock(s);
}

static void checkpoint_kv(struct store *s)
{
    struct apply *a = &s->apply;

    if (s->ck_kv_done) {
        checkpoint_superblock(s);
        return;
    }
    if (s->apply_busy)
        return;
    a->s = s;
    a->checkpoint = true;
    a->work.work = apply_work;
    a->work.done = apply_done;
    s->apply_busy = true;
    store_busy(s);
    env_work_submit(s->env, &a->work);
}

static void checkpoint_flushed(struct disk_io *io)
{
    struct store *s = CONTAINER_OF(io, struct store, ck_io);

    if (io->rc < 0) {
        store_fail(s, io->rc, "flush of the data disk");
    } else if (!store_dead(s)) {
        s->ck = CK_KV;
        s->ck_kv_done = false;
        checkpoint_kv(s);
    }
    store_busy_end(s);
}

static void checkpoint_write_back(struct store *s)
{
    s->defer_drain = true;
    defer_run(s);
    while (s->ck_next && s->ck_next->seq <= s->ck_seq && s->ck_next->items_left == 0)
        s->ck_next = record_after(s, s->ck_next);
    if (s->applied_seq < s->ck_seq) {
        apply_run(s, true);
        return;
    }
    if (s->ck_next && s->ck_next->seq <= s->ck_seq)
        return;
    s->ck = CK_FLUSH;
    s->ck_io = (struct disk_io){.disk = s->data, .op = DISK_FLUSH, .done = checkpoint_flushed};
    store_busy(s);
    disk_submit(s->env, &s->ck_io);
}

static void checkpoint_start(struct store *s)
{
    struct journal *j = &s->journal;

    if (j->head - j->tail <= j->blocks / 2 && s->record_count < RECORDS_MAX && !s->ck_wanted)
        return;
    s->ck_wanted = false;
    if (j->durable_seq == s->sb.tail_seq && !s->stopping && s->salvaged == s->sb.salvaged)
        return;
    s->ck_seq = j->durable_seq;
    s->ck_pos = j->durable_pos;
    s->ck_crc = j->durable_crc;
    s->ck_nid = s->next_nid;
    s->ck = CK_WRITE_BACK;
    checkpoint_write_back(s);
}

void checkpoint_run(struct store *s)
{
    switch (s->ck) {
    case CK_IDLE:
        checkpoint_start(s);
        break;
    case CK_WRITE_BACK:
        checkpoint_write_back(s);
        break;
    case CK_KV:
        checkpoint_kv(s);
        break;
    case CK_FLUSH: /* their completions go on */
    case CK_SUPERBLOCK:
        break;
    }
}
