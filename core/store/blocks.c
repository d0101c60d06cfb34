/* blocks.c - what a data operation does to an object's blocks, staged in a build.
 *
 * A block is changed in one of three ways.
 *   deferred  small writes, merged and partial blocks: the new 4 KiB go into the journal and are
 *             written to their block later, in place if nobody shares it.
 *   direct    the full blocks of large writes: to fresh blocks now, linked by the journal after.
 *   mapped    zero, truncate, clone: only the map changes.
 * A partial block is merged with its old bytes, which are verified first.  If they are bad (or the
 * device cannot read them) the write must still go on in order, so the merged block gets a checksum
 * that is wrong on purpose: it stays damaged, reads say so, and the caller repairs it from a peer.
 *
 * Bytes of the last block behind the object's end are zero, always; so growing needs no work. */
#include "core/store/store_int.h"

enum { SHARD_MASK = SHARD_BLOCKS - 1 };

static void fail(struct build *b, int rc)
{
    if (b->rc == 0)
        b->rc = rc;
}

/* --- staged shards --- */

struct shard *work_shard_find(struct build *b, uint32_t o, uint32_t index)
{
    struct work_shard *ws = b->shards->at;

    for (uint32_t i = b->shards->n; i-- > 0;)
        if (ws[i].o == o && ws[i].index == index)
            return ws[i].sh;
    return NULL;
}

static void need_shard(struct build *b, struct object *obj, uint32_t index)
{
    struct work_need *n = vec_push(b->needs, sizeof(*n));

    if (!n)
        fail(b, -ENOMEM);
    else
        *n = (struct work_need){.obj = obj, .index = index};
}

/* The object's own, of before this build, while that still counts; NULL when nothing is mapped
 * there (or not in memory: a need). */
static const struct shard_row *row_now(struct build *b, uint32_t o, uint32_t index)
{
    struct object *obj = b->tx->objs[o].obj;

    if (b->dropped[o] || index >= obj->shard_cap || obj->tags[index] == 0)
        return NULL;
    if (!obj->shards[index])
        need_shard(b, obj, index);
    return obj->shards[index];
}

/* Where a block is as things stand now in this build. */
static uint64_t block_now(struct build *b, uint32_t o, uint64_t blk, uint32_t *out_crc)
{
    uint32_t index = (uint32_t)(blk / SHARD_BLOCKS), i = blk & SHARD_MASK;
    const struct shard *sh = work_shard_find(b, o, index);
    const struct shard_row *row = sh ? NULL : row_now(b, o, index);

    if (row)
        return shard_block(shard_row_bytes(row), i, out_crc);
    *out_crc = sh ? sh->crc[i] : 0;
    return sh ? sh->phys[i] : PHYS_HOLE;
}

/* A staged copy to change, or NULL with b->rc set. */
static struct shard *shard_change(struct build *b, uint32_t o, uint32_t index)
{
    struct shard *sh = work_shard_find(b, o, index);
    struct object *obj = b->tx->objs[o].obj;
    const struct shard_row *now;
    struct work_shard *ws;
    int rc = 0;

    if (sh)
        return sh;
    now = row_now(b, o, index);
    if (object_room(obj, index + 1) < 0 || !(sh = mem_alloc(sizeof(*sh)))) {
        fail(b, -ENOMEM);
        return NULL;
    }
    ws = vec_push(b->shards, sizeof(*ws));
    if (!ws) {
        mem_free(sh);
        fail(b, -ENOMEM);
        return NULL;
    }
    if (now)
        rc = shard_decode(shard_row_bytes(now), obj->nid, index, sh);
    else
        *sh = (struct shard){0};
    ASSERT(rc == 0); /* a row is verified before it comes into memory */
    *ws = (struct work_shard){.o = o, .index = index, .sh = sh};
    return sh;
}

/* --- staged space --- */

static uint64_t take(struct build *b, uint64_t want, uint64_t *out_start)
{
    struct work_run *r = vec_push(b->allocs, sizeof(*r));
    uint64_t n;

    if (!r) {
        fail(b, -ENOMEM);
        return 0;
    }
    n = extents_take(b->s->extents, want, b->hint, out_start);
    if (n == 0) {
        b->allocs->n--;
        fail(b, -R_STORE_FULL);
        return 0;
    }
    *r = (struct work_run){*out_start, n};
    b->hint = *out_start + n;
    return n;
}

/* The object lets go of this block; whether it becomes free is known at the commit. */
static void let_go(struct build *b, uint64_t phys)
{
    uint64_t *f;

    if (phys == PHYS_HOLE || phys == PHYS_LOST)
        return;
    f = vec_push(b->frees, sizeof(*f));
    if (!f)
        fail(b, -ENOMEM);
    else
        *f = phys;
}

static void unmap(struct build *b, struct shard *sh, uint32_t i)
{
    let_go(b, sh->phys[i]);
    sh->phys[i] = PHYS_HOLE;
    sh->crc[i] = 0;
    sh->shared &= ~(UINT64_C(1) << i);
}

static void map(struct shard *sh, uint32_t i, uint64_t phys, uint32_t crc)
{
    sh->phys[i] = phys;
    sh->crc[i] = crc;
    sh->shared &= ~(UINT64_C(1) << i);
}

/* --- old bytes --- */

static struct work_item *staged_item(struct build *b, uint64_t phys)
{
    struct work_item *it = b->items->at;

    for (uint32_t i = b->items->n; i-- > 0;)
        if (it[i].phys == phys)
            return &it[i];
    return NULL;
}

static const struct work_direct *staged_direct(struct build *b, uint64_t phys)
{
    const struct work_direct *d = b->directs->at;

    for (uint32_t i = b->directs->n; i-- > 0;)
        if (phys >= d[i].phys && phys < d[i].phys + d[i].blocks)
            return &d[i];
    return NULL;
}

static bool old_find(struct build *b, uint64_t phys, struct buf *out)
{
    struct old_block *old = b->tx->olds.at;
    struct work_item *it = staged_item(b, phys);
    const struct work_direct *d;
    int rc = 0;

    if (it) {
        rc = buf_slice(&it->data, 0, STORE_BLOCK, out);
    } else if ((d = staged_direct(b, phys))) {
        rc = buf_slice(&d->data, (phys - d->phys) * STORE_BLOCK, STORE_BLOCK, out);
    } else if (!block_in_memory(b->s, phys, out, &rc)) {
        for (uint32_t i = 0; i < b->tx->olds.n; i++)
            if (old[i].phys == phys) {
                rc = buf_slice(&old[i].data, 0, old[i].data.bytes, out);
                if (rc < 0)
                    fail(b, rc);
                return true;
            }
        return false;
    }
    if (rc < 0)
        fail(b, rc);
    return true;
}

/* The present bytes of block `blk`: *out gets STORE_BLOCK bytes (zeros for a hole, and in place of
 * what is bad).  False: bad. */
static bool old_bytes(struct build *b, uint32_t o, uint64_t blk, struct buf *out)
{
    uint32_t crc;
    uint64_t phys = block_now(b, o, blk, &crc);
    bool good = true;

    if (phys == PHYS_LOST) {
        good = false;
    } else if (phys != PHYS_HOLE) {
        if (!old_find(b, phys, out)) {
            struct work_need *n = vec_push(b->needs, sizeof(*n));

            if (!n)
                fail(b, -ENOMEM);
            else
                n->phys = phys;
        } else if (out->bytes != STORE_BLOCK || buf_crc32c(out, 0, STORE_BLOCK) != crc) {
            good = b->rc != 0;
            counter_add(&b->s->m.csum_errors, b->rc == 0);
            buf_fini(out);
        }
    }
    if (out->bytes == 0 && buf_append_zeros(out, STORE_BLOCK) < 0)
        fail(b, -ENOMEM);
    return good;
}

/* --- one block --- */

/* Give the block new bytes (STORE_BLOCK of them; taken) by way of the journal. */
static void put_deferred(struct build *b, struct shard *sh, uint32_t i, struct buf *data,
                         uint32_t crc)
{
    uint64_t phys = sh->phys[i];
    bool in_place =
        phys != PHYS_HOLE && phys != PHYS_LOST && extents_extra(b->s->extents, phys) == 0;
    struct work_item *it;

    if (!in_place) {
        let_go(b, phys);
        if (take(b, 1, &phys) == 0)
            return;
    }
    map(sh, i, phys, crc);
    it = in_place ? staged_item(b, phys) : NULL;
    if (it) {
        buf_fini(&it->data);
    } else if (!(it = vec_push(b->items, sizeof(*it)))) {
        fail(b, -ENOMEM);
        return;
    }
    it->phys = phys;
    it->crc = crc;
    it->data = buf_move(data);
}

/* The same by way of a fresh block that is written before the journal links it. */
static void put_direct(struct build *b, struct shard *sh, uint32_t i, struct buf *data,
                       uint32_t crc)
{
    struct work_direct *d;
    uint64_t phys;

    let_go(b, sh->phys[i]);
    if (take(b, 1, &phys) == 0)
        return;
    map(sh, i, phys, crc);
    d = b->directs->n ? (struct work_direct *)b->directs->at + b->directs->n - 1 : NULL;
    if (d && d->phys + d->blocks == phys) {
        if (buf_append(&d->data, data, 0, STORE_BLOCK) < 0)
            fail(b, -ENOMEM);
        else
            d->blocks++;
        return;
    }
    d = vec_push(b->directs, sizeof(*d));
    if (!d) {
        fail(b, -ENOMEM);
        return;
    }
    *d = (struct work_direct){.phys = phys, .blocks = 1, .data = buf_move(data)};
}

static void put_block(struct build *b, struct shard *sh, uint32_t i, struct buf *data, uint32_t crc)
{
    bool staged = sh->phys[i] != PHYS_HOLE && staged_item(b, sh->phys[i]);

    if (staged || b->items->n < b->s->items_max)
        put_deferred(b, sh, i, data, crc);
    else
        put_direct(b, sh, i, data, crc);
}

/* A piece of new data inside one block. */
struct piece {
    uint64_t blk;
    uint32_t from, to; /* within the block */
    const struct buf *data;
    uint64_t data_off;
    uint32_t crc; /* of the piece */
    bool bad;     /* the data is known to be damaged */
};

static void append(struct build *b, struct buf *to, const struct buf *from, uint64_t off,
                   uint64_t bytes)
{
    if (b->rc == 0 && bytes && buf_append(to, from, off, bytes) < 0)
        fail(b, -ENOMEM);
}

/* Merge a piece into its block.  `size`: of the object before; nothing behind it is kept. */
static void merge_piece(struct build *b, uint32_t o, const struct piece *p, uint64_t size)
{
    uint64_t start = p->blk * STORE_BLOCK;
    uint64_t kept =
        size > start ? MIN(size - start, (uint64_t)STORE_BLOCK) : 0; /* old bytes that count */
    bool need_old = p->from > 0 ? kept > 0 : kept > p->to;
    bool good = !p->bad;
    AUTO(buf) merged = {0};
    AUTO(buf) old = {0};
    struct shard *sh;
    uint32_t crc;

    if (need_old)
        good &= old_bytes(b, o, p->blk, &old);
    else if (buf_append_zeros(&old, STORE_BLOCK) < 0)
        fail(b, -ENOMEM);
    sh = shard_change(b, o, (uint32_t)(p->blk / SHARD_BLOCKS));
    if (!sh || b->rc)
        return;
    append(b, &merged, &old, 0, p->from);
    append(b, &merged, p->data, p->data_off, p->to - p->from);
    append(b, &merged, &old, p->to, STORE_BLOCK - p->to);
    if (b->rc)
        return;
    if (p->from == 0 && !need_old) { /* the given checksum travels on */
        crc = crc32c_zeros(p->crc, STORE_BLOCK - p->to);
    } else {
        good &= buf_crc32c(p->data, p->data_off, p->to - p->from) == p->crc;
        crc = buf_crc32c(&merged, 0, STORE_BLOCK);
    }
    if (!good)
        crc = ~crc;
    put_block(b, sh, p->blk & SHARD_MASK, &merged, crc);
}

static uint32_t crc_at(const uint8_t *crcs, uint64_t i)
{
    const uint8_t *p = crcs + 4 * i;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* --- operations --- */

struct write {
    uint32_t o;
    uint64_t off;
    const struct buf *data;
    const uint8_t *crcs;
    uint64_t size; /* of the object before */
    bool bad;
};

static void write_piece(struct build *b, const struct write *wr, uint64_t blk)
{
    uint64_t start = blk * STORE_BLOCK, end = wr->off + wr->data->bytes;
    uint64_t from = MAX(start, wr->off), to = MIN(start + STORE_BLOCK, end);
    struct piece p = {.blk = blk,
                      .from = (uint32_t)(from - start),
                      .to = (uint32_t)(to - start),
                      .data = wr->data,
                      .data_off = from - wr->off,
                      .bad = wr->bad,
                      .crc = crc_at(wr->crcs, blk - wr->off / STORE_BLOCK)};

    merge_piece(b, wr->o, &p, wr->size);
}

/* Full blocks first .. end-1, in runs as long as free space has them. */
static void write_direct(struct build *b, const struct write *wr, uint64_t first, uint64_t end)
{
    while (first < end && b->rc == 0) {
        struct work_direct *d = vec_push(b->directs, sizeof(*d));
        uint64_t phys, n;

        if (!d) {
            fail(b, -ENOMEM);
            return;
        }
        n = take(b, MIN(end - first, (uint64_t)DIRECT_IO_BLOCKS), &phys);
        if (n == 0) {
            b->directs->n--;
            return;
        }
        d->phys = phys;
        d->blocks = (uint32_t)n;
        if (buf_slice(wr->data, first * STORE_BLOCK - wr->off, n * STORE_BLOCK, &d->data) < 0)
            fail(b, -ENOMEM);
        for (uint64_t k = 0; k < n && b->rc == 0; k++) {
            struct shard *sh = shard_change(b, wr->o, (uint32_t)((first + k) / SHARD_BLOCKS));
            uint32_t crc = crc_at(wr->crcs, first + k - wr->off / STORE_BLOCK);

            if (!sh)
                return;
            let_go(b, sh->phys[(first + k) & SHARD_MASK]);
            map(sh, (first + k) & SHARD_MASK, phys + k, wr->bad ? ~crc : crc);
        }
        first += n;
    }
}

/* Contiguous with what the object has before this block, if that is free. */
static void set_hint(struct build *b, uint32_t o, uint64_t blk)
{
    const struct object *obj = b->tx->objs[o].obj;
    uint64_t phys = PHYS_HOLE;
    const struct shard *sh;
    uint32_t index, crc;

    b->hint = 0;
    if (blk-- == 0)
        return;
    index = (uint32_t)(blk / SHARD_BLOCKS);
    sh = work_shard_find(b, o, index);
    if (sh)
        phys = sh->phys[blk & SHARD_MASK];
    else if (!b->dropped[o] && index < obj->shard_cap && obj->shards[index])
        phys = shard_block(shard_row_bytes(obj->shards[index]), blk & SHARD_MASK, &crc);
    if (phys != PHYS_LOST && phys != PHYS_HOLE)
        b->hint = phys + 1;
}

static void blocks_write(struct build *b, const struct write *wr)
{
    uint64_t end = wr->off + wr->data->bytes, first = wr->off / STORE_BLOCK;
    uint64_t last = (end + STORE_BLOCK - 1) / STORE_BLOCK;
    uint64_t full = (wr->off + STORE_BLOCK - 1) / STORE_BLOCK, full_end = end / STORE_BLOCK;

    if (wr->data->bytes == 0)
        return;
    set_hint(b, wr->o, first);
    if (wr->data->bytes <= DIRECT_BYTES_MIN || full >= full_end)
        full = full_end = last;
    for (uint64_t blk = first; blk < full && b->rc == 0; blk++)
        write_piece(b, wr, blk);
    if (full < full_end)
        write_direct(b, wr, full, full_end);
    for (uint64_t blk = full_end; blk < last && b->rc == 0; blk++)
        write_piece(b, wr, blk);
}

/* A part of one block becomes zeros; a hole stays one. */
static void zero_piece(struct build *b, uint32_t o, uint64_t blk, uint32_t from, uint32_t to,
                       uint64_t size)
{
    AUTO(buf) zeros = {0};
    uint32_t crc;
    struct piece p = {
        .blk = blk, .from = from, .to = to, .data = &zeros, .crc = crc32c_zeros(0, to - from)};

    if (block_now(b, o, blk, &crc) == PHYS_HOLE)
        return;
    if (buf_append_zeros(&zeros, to - from) < 0)
        fail(b, -ENOMEM);
    else
        merge_piece(b, o, &p, size);
}

static void unmap_blocks(struct build *b, uint32_t o, uint64_t first, uint64_t end)
{
    struct object *obj = b->tx->objs[o].obj;
    uint64_t cap = (uint64_t)MAX(obj->shard_cap, 1u) * SHARD_BLOCKS;

    for (uint64_t blk = first; blk < MIN(end, cap) && b->rc == 0;) {
        uint32_t index = (uint32_t)(blk / SHARD_BLOCKS);
        uint64_t stop = MIN(end, (uint64_t)(index + 1) * SHARD_BLOCKS);
        bool there = work_shard_find(b, o, index) || row_now(b, o, index);
        struct shard *sh = there ? shard_change(b, o, index) : NULL;

        for (; sh && blk < stop; blk++)
            unmap(b, sh, blk & SHARD_MASK);
        blk = stop;
    }
}

static void blocks_zero(struct build *b, uint32_t o, uint64_t off, uint64_t len, uint64_t size)
{
    uint64_t end = MIN(off + len, size), first, last;

    if (off >= end)
        return;
    first = off / STORE_BLOCK;
    /* Nothing behind the end is kept, so the last block goes whole. */
    last = end == size ? (end + STORE_BLOCK - 1) / STORE_BLOCK : end / STORE_BLOCK;
    if (first == last) {
        zero_piece(b, o, first, off % STORE_BLOCK, (uint32_t)(end % STORE_BLOCK), size);
        return;
    }
    if (off % STORE_BLOCK)
        zero_piece(b, o, first++, off % STORE_BLOCK, STORE_BLOCK, size);
    unmap_blocks(b, o, first, last);
    if (end % STORE_BLOCK && end != size)
        zero_piece(b, o, last, 0, (uint32_t)(end % STORE_BLOCK), size);
}

static void blocks_truncate(struct build *b, uint32_t o, uint64_t to, uint64_t size)
{
    if (to < size)
        blocks_zero(b, o, to, size - to, size);
}

static void blocks_delete(struct build *b, uint32_t o)
{
    struct object *obj = b->tx->objs[o].obj;
    struct work_shard *ws = b->shards->at;

    for (uint32_t i = 0; i < obj->shard_cap && !b->dropped[o]; i++) {
        const struct shard_row *row;
        uint32_t crc;

        if (work_shard_find(b, o, i)) /* counted below */
            continue;
        row = row_now(b, o, i);
        for (uint32_t k = 0; row && k < SHARD_BLOCKS; k++)
            let_go(b, shard_block(shard_row_bytes(row), k, &crc));
    }
    for (uint32_t i = 0; i < b->shards->n; i++)
        if (ws[i].o == o)
            for (uint32_t k = 0; k < SHARD_BLOCKS; k++)
                unmap(b, ws[i].sh, k);
    b->dropped[o] = true;
}

/* Bytes of the source, as they are now.  False: some are bad (and are zeros here). */
static bool gather(struct build *b, uint32_t o, uint64_t off, uint64_t len, struct buf *out)
{
    bool good = true;

    for (uint64_t at = off; at < off + len && b->rc == 0;) {
        uint64_t in = at % STORE_BLOCK, n = MIN(STORE_BLOCK - in, off + len - at);
        AUTO(buf) old = {0};

        good &= old_bytes(b, o, at / STORE_BLOCK, &old);
        append(b, out, &old, in, n);
        at += n;
    }
    return good;
}

static void clone_copy(struct build *b, const struct txn_op *op, const struct tx_op *x,
                       uint64_t rel, uint64_t len)
{
    AUTO(buf) data = {0};
    struct write wr = {
        .o = op->object, .off = op->off + rel, .data = &data, .size = x->size_before};
    uint8_t *crcs = mem_alloc(4 * (size_t)crc_count(wr.off, len) + 1);

    if (!crcs) {
        fail(b, -ENOMEM);
        return;
    }
    wr.bad = !gather(b, op->src, op->off2 + rel, len, &data);
    if (b->rc == 0 && b->needs->n == 0) {
        crcs_make(wr.off, &data, crcs);
        wr.crcs = crcs;
        blocks_write(b, &wr);
    }
    mem_free(crcs);
}

/* Share one whole block.  False: it must be copied. */
static bool clone_block(struct build *b, const struct txn_op *op, uint64_t to, uint64_t from)
{
    uint32_t crc, index = (uint32_t)(to / SHARD_BLOCKS), i = to & SHARD_MASK;
    uint64_t phys = block_now(b, op->src, from, &crc);
    struct shard *dst;
    uint64_t *share;
    int rc;

    if (phys == PHYS_HOLE && !work_shard_find(b, op->object, index) &&
        !row_now(b, op->object, index))
        return true;
    dst = shard_change(b, op->object, index);
    if (!dst)
        return true; /* failed already */
    if (phys == PHYS_HOLE || phys == PHYS_LOST) {
        unmap(b, dst, i);
        dst->phys[i] = phys;
        return true;
    }
    share = vec_push(b->shares, sizeof(*share));
    rc = share ? extents_share(b->s->extents, phys) : -ENOMEM;
    if (rc < 0) {
        b->shares->n -= share != NULL;
        if (rc == -ENOMEM)
            fail(b, rc);
        return rc == -ENOMEM;
    }
    *share = phys;
    unmap(b, dst, i);
    map(dst, i, phys, crc);
    dst->shared |= UINT64_C(1) << i;
    return true;
}

static void blocks_clone(struct build *b, const struct txn_op *op, const struct tx_op *x)
{
    uint64_t rel = 0;

    if (op->off % STORE_BLOCK != op->off2 % STORE_BLOCK || op->src == op->object) {
        clone_copy(b, op, x, 0, x->len);
        return;
    }
    while (rel < x->len && b->rc == 0) {
        uint64_t to = op->off + rel, n = MIN(STORE_BLOCK - to % STORE_BLOCK, x->len - rel);
        /* The source's last block is zero behind its end, so it can stand for the whole block where
         * the target keeps nothing behind it. */
        bool tail = op->off2 + rel + n == x->src_size && to + n >= x->size_before;
        bool whole = to % STORE_BLOCK == 0 && (n == STORE_BLOCK || tail);

        if (!whole || !clone_block(b, op, to / STORE_BLOCK, (op->off2 + rel) / STORE_BLOCK))
            clone_copy(b, op, x, rel, n);
        rel += n;
    }
}

void blocks_op(struct build *b, const struct txn_op *op, const struct tx_op *x)
{
    switch (op->kind) {
    case TXN_WRITE: {
        struct write wr = {.o = op->object,
                           .off = op->off,
                           .data = &op->data,
                           .crcs = op->crcs,
                           .size = x->size_before};

        blocks_write(b, &wr);
        break;
    }
    case TXN_ZERO:
        blocks_zero(b, op->object, op->off, op->len, x->size_before);
        break;
    case TXN_TRUNCATE:
        blocks_truncate(b, op->object, op->off, x->size_before);
        break;
    case TXN_DELETE:
        blocks_delete(b, op->object);
        break;
    case TXN_CLONE_RANGE:
        blocks_clone(b, op, x);
        break;
    default:
        break;
    }
}
