/* resolve.c - from a transaction to its after-images.
 *
 * A build (blocks.c, and the rows here) is staged in scratch memory: shards are copied before they
 * change, blocks are taken from free space but can be put back.  It ends in one of three ways.
 *   commit   everything becomes visible at once, and nothing can fail any more;
 *   load     something it needs is not in memory: undone, loaded, built again;
 *   failure  memory is short: undone, tried again later.
 * So a half-made transaction never exists, whatever fails. */
#include "core/store/store_int.h"

#include "core/base/crc.h"

enum { VALUE_KEPT_MAX = 64 << 10 };

/* --- rows --- */

static void add_row(struct build *b, uint8_t op, struct bytes key, struct bytes value)
{
    struct work_row *r = vec_push(b->rows, sizeof(*r));

    if (!r) {
        b->rc = -ENOMEM;
        return;
    }
    record_put(b->w, op, key, value);
    r->kind = op == REC_PUT ? ROW_PUT : op == REC_DEL ? ROW_DEL : ROW_RANGE;
    r->value_len = op == REC_DEL ? 0 : value.len;
    r->key_len = key.len;
    r->value_at = (uint32_t)b->w->len - r->value_len;
    r->key_at = r->value_at - (op == REC_DEL ? 0 : 4) - key.len;
}

struct key {
    uint8_t memory[STORE_KEY_MAX];
    struct writer w;
};

static struct writer *key_start(struct key *k)
{
    k->w = wr_over(k->memory, sizeof(k->memory));
    return &k->w;
}

static struct bytes key_bytes(const struct key *k)
{
    ASSERT(k->w.rc == 0);
    return (struct bytes){k->memory, (uint32_t)k->w.len};
}

/* Values are made in scratch memory first, since rows are length-led. */
static struct writer *value_start(struct build *b)
{
    struct writer *w = &b->s->scratch_value;

    if (w->cap > VALUE_KEPT_MAX)
        writer_fini(w);
    w->len = 0;
    w->rc = 0;
    return w;
}

static void value_end(struct build *b, struct bytes key)
{
    const struct writer *w = &b->s->scratch_value;

    if (w->rc < 0)
        b->rc = w->rc;
    else
        add_row(b, REC_PUT, key, (struct bytes){w->data, (uint32_t)w->len});
}

static void add_value_row(struct build *b, struct bytes key, struct bytes value)
{
    wr_row_value(value_start(b), key, value);
    value_end(b, key);
}

static void meta_op(struct build *b, const struct txn_op *op)
{
    struct pgid pg = b->tx->t->coll;
    struct key from, to;

    key_meta(key_start(&from), pg, op->key);
    if (op->kind == TXN_META_SET) {
        add_value_row(b, key_bytes(&from), op->value);
    } else if (op->kind == TXN_META_RM) {
        add_row(b, REC_DEL, key_bytes(&from), (struct bytes){0});
    } else {
        if (op->value.len)
            key_meta(key_start(&to), pg, op->value);
        else
            key_meta_end(key_start(&to), pg);
        add_row(b, REC_RANGE, key_bytes(&from), key_bytes(&to));
    }
}

static void omap_range_row(struct build *b, uint64_t nid, struct bytes first, struct bytes end)
{
    struct key from, to;

    key_omap(key_start(&from), nid, first);
    if (end.len)
        key_omap(key_start(&to), nid, end);
    else
        key_omap_end(key_start(&to), nid);
    add_row(b, REC_RANGE, key_bytes(&from), key_bytes(&to));
}

static void omap_op(struct build *b, const struct txn_op *op, const struct tx_op *x)
{
    struct key key;

    if (x->nid == 0)
        return; /* nothing there to remove */
    switch (op->kind) {
    case TXN_OMAP_SET:
        key_omap(key_start(&key), x->nid, op->key);
        add_value_row(b, key_bytes(&key), op->value);
        break;
    case TXN_OMAP_RM:
        key_omap(key_start(&key), x->nid, op->key);
        add_row(b, REC_DEL, key_bytes(&key), (struct bytes){0});
        break;
    case TXN_OMAP_RM_RANGE:
        omap_range_row(b, x->nid, op->key, op->value);
        break;
    case TXN_DELETE:
        if (x->omap)
            omap_range_row(b, x->nid, (struct bytes){0}, (struct bytes){0});
        break;
    default:
        break;
    }
}

static void shard_rows(struct build *b, uint32_t o, uint32_t *tags)
{
    struct tx_object *to = &b->tx->objs[o];
    struct object *obj = to->obj;
    struct work_shard *ws = b->shards->at;
    struct key key;

    for (uint32_t i = 0; i < obj->shard_cap; i++) {
        tags[i] = obj->tags[i];
        if (!b->dropped[o] || tags[i] == 0)
            continue;
        key_shard(key_start(&key), obj->nid, i);
        add_row(b, REC_DEL, key_bytes(&key), (struct bytes){0});
        tags[i] = 0;
    }
    for (uint32_t i = 0; i < b->shards->n; i++) {
        uint32_t index = ws[i].index;
        uint8_t memory[SHARD_ROW_MAX];
        struct writer w = wr_over(memory, sizeof(memory));

        if (ws[i].o != o)
            continue;
        key_shard(key_start(&key), to->meta.nid, index);
        if (!shard_empty(ws[i].sh)) {
            ws[i].tag = tags[index] = shard_encode(&w, to->meta.nid, index, ws[i].sh);
            add_row(b, REC_PUT, key_bytes(&key), (struct bytes){memory, (uint32_t)w.len});
            ws[i].row = shard_row_create((struct bytes){memory, (uint32_t)w.len});
            if (!ws[i].row)
                b->rc = -ENOMEM;
        } else if (tags[index]) {
            add_row(b, REC_DEL, key_bytes(&key), (struct bytes){0});
            tags[index] = 0;
        }
        ASSERT(w.rc == 0);
    }
}

static void object_rows(struct build *b, uint32_t o)
{
    struct tx_object *to = &b->tx->objs[o];
    uint32_t tags[SHARDS_MAX * 2], count = to->obj->shard_cap;
    struct key key;

    if (!to->touched)
        return;
    ASSERT(to->obj->shard_cap <= ARRAY_LEN(tags));
    shard_rows(b, o, tags);
    key_onode(key_start(&key), &to->obj->oid);
    if (!to->meta.exists) {
        add_row(b, REC_DEL, key_bytes(&key), (struct bytes){0});
        return;
    }
    while (count && tags[count - 1] == 0)
        count--;
    onode_encode(value_start(b), key_bytes(&key), &to->meta, tags, count);
    value_end(b, key_bytes(&key));
}

/* --- build and undo --- */

static int build_start(struct tx *tx, struct build **out_b)
{
    struct store *s = tx->s;
    uint32_t objects = tx->t->object_count;
    struct build *b = s->scratch_build;

    if (!b || s->scratch_build_objects < objects) {
        b = mem_realloc(b, sizeof(*b) + MAX(objects, 16u) * sizeof(bool));
        if (!b)
            return -ENOMEM;
        s->scratch_build = b;
        s->scratch_build_objects = MAX(objects, 16u);
    }
    *b = (struct build){.s = s,
                        .tx = tx,
                        .w = &s->scratch,
                        .rows = &s->scratch_rows,
                        .items = &s->scratch_items,
                        .directs = &s->scratch_directs,
                        .allocs = &s->scratch_allocs,
                        .frees = &s->scratch_frees,
                        .shares = &s->scratch_shares,
                        .shards = &s->scratch_shards,
                        .needs = &s->scratch_needs};
    memset(b->dropped, 0, objects * sizeof(bool));
    b->rows->n = b->items->n = b->directs->n = b->allocs->n = b->frees->n = b->shares->n =
        b->shards->n = b->needs->n = 0;
    s->scratch.len = 0;
    s->scratch.rc = 0;
    *out_b = b;
    return 0;
}

static void build_undo(struct build *b)
{
    struct work_shard *ws = b->shards->at;
    struct work_item *it = b->items->at;
    struct work_direct *d = b->directs->at;
    struct work_run *r = b->allocs->at;
    uint64_t *share = b->shares->at;

    for (uint32_t i = 0; i < b->shards->n; i++) {
        mem_free(ws[i].sh);
        mem_free(ws[i].row);
    }
    for (uint32_t i = 0; i < b->items->n; i++) {
        buf_fini(&it[i].data);
        mem_free(it[i].block);
    }
    for (uint32_t i = 0; i < b->directs->n; i++)
        buf_fini(&d[i].data);
    for (uint32_t i = 0; i < b->shares->n; i++)
        (void)extents_unshare(b->s->extents,
                              share[i]); /* the share just made: never the last owner */
    for (uint32_t i = 0; i < b->allocs->n; i++)
        extents_release(b->s->extents, r[i].start, r[i].count);
}

static void build_ops(struct build *b)
{
    struct txn *t = b->tx->t;

    record_begin(b->w, t->coll);
    for (uint32_t i = 0; i < t->op_count && b->rc == 0; i++) {
        const struct txn_op *op = &t->ops[i];

        if (op->kind >= TXN_META_SET) {
            meta_op(b, op);
        } else {
            blocks_op(b, op, &b->tx->opx[i]);
            omap_op(b, op, &b->tx->opx[i]);
        }
    }
    if (b->needs->n)
        return;
    for (uint32_t o = 0; o < t->object_count && b->rc == 0; o++)
        object_rows(b, o);
    for (uint32_t i = 0; i < b->items->n && b->rc == 0; i++) {
        struct work_item *it = (struct work_item *)b->items->at + i;

        record_block(b->w, it->phys, it->crc);
    }
    record_end(b->w);
    if (b->rc == 0)
        b->rc = b->w->rc;
}

/* --- loads --- */

struct old_read {
    struct disk_io io;
    struct tx *tx;
    struct coll *coll;
};

static void old_done(struct disk_io *io)
{
    struct old_read *r = CONTAINER_OF(io, struct old_read, io);
    struct coll *c = r->coll;
    struct store *s = c->s;
    struct old_block *old = io->rc == -ENOMEM ? NULL : vec_push(&r->tx->olds, sizeof(*old));
    int rc = 0;

    if (!old) {
        rc = -ENOMEM; /* says nothing about the block */
        buf_fini(&io->data);
    } else {
        *old = (struct old_block){.phys = io->off / STORE_BLOCK};
        if (io->rc == 0)
            old->data = buf_move(&io->data);
        else
            log_error(&s->log, "a block cannot be read", KV_U64("block", old->phys), KV_RC(io->rc));
    }
    mem_free(r);
    coll_loaded(c, rc);
    store_busy_end(s);
}

static int old_load(struct tx *tx, uint64_t phys)
{
    struct store *s = tx->s;
    struct old_read *r = mem_zalloc(sizeof(*r));

    if (!r)
        return -ENOMEM;
    r->tx = tx;
    r->coll = tx->coll;
    r->io = (struct disk_io){.disk = s->data,
                             .op = DISK_READ,
                             .off = phys * STORE_BLOCK,
                             .bytes = STORE_BLOCK,
                             .done = old_done};
    tx->coll->loads++;
    store_busy(s);
    disk_submit(s->env, &r->io);
    return 0;
}

static void shards_loaded(void *arg, int rc)
{
    coll_loaded(arg, rc);
}

static bool needed_before(const struct work_need *n, uint32_t i)
{
    for (uint32_t k = 0; k < i; k++)
        if (n[k].obj == n[i].obj && n[k].index == n[i].index && n[k].phys == n[i].phys)
            return true;
    return false;
}

/* Start all loads.  1: under way; 0: all came in at once; -ENOMEM only if none was started. */
static int load_needs(struct build *b)
{
    struct work_need *n = b->needs->at;
    struct coll *c = b->tx->coll;
    struct vec wants = {0};
    int rc = 0;

    c->loads = 1; /* this function's own */
    for (uint32_t i = 0; i < b->needs->n && rc == 0; i++) {
        if (needed_before(n, i))
            continue;
        if (n[i].obj) {
            struct shard_load *w = vec_push(&wants, sizeof(*w));

            if (w)
                *w = (struct shard_load){n[i].obj, n[i].index, 1};
            else
                rc = -ENOMEM;
        } else {
            rc = old_load(b->tx, n[i].phys);
        }
    }
    if (rc == 0 && wants.n) {
        rc = shards_load(b->s, wants.at, wants.n, shards_loaded, c);
        if (rc == 1)
            c->loads++;
    }
    vec_free(&wants);
    if (--c->loads) {
        if (rc < 0)
            c->load_rc = rc; /* coll_loaded waits for the others, then tries later */
        return 1;
    }
    return rc < 0 ? rc : 0;
}

/* --- commit --- */

static int items_prepare(struct build *b)
{
    struct work_item *it = b->items->at;

    for (uint32_t i = 0; i < b->items->n; i++) {
        it[i].block = mem_zalloc(sizeof(*it[i].block)); /* given back if one exists already */
        if (!it[i].block || buf_flatten(&it[i].data) < 0)
            return -ENOMEM;
        it[i].block->phys = it[i].phys;
    }
    return 0;
}

/* All memory that the commit needs. */
static int tx_memory(struct build *b)
{
    struct tx *tx = b->tx;
    size_t rows = b->rows->n * sizeof(struct row), items = b->items->n * sizeof(struct item);

    tx->mem = mem_alloc(rows + items + b->w->len);
    if (b->directs->n)
        tx->directs = mem_calloc(b->directs->n, sizeof(*tx->directs));
    if (b->frees->n)
        tx->frees = mem_dup(b->frees->at, b->frees->n * sizeof(uint64_t));
    if (!tx->mem || (b->directs->n && !tx->directs) || (b->frees->n && !tx->frees) ||
        items_prepare(b) < 0) {
        mem_free(tx->mem);
        mem_free(tx->directs);
        mem_free(tx->frees);
        tx->mem = NULL;
        tx->directs = NULL;
        tx->frees = NULL;
        return -ENOMEM;
    }
    memset(tx->mem, 0, rows + items);
    tx->rows = tx->mem;
    tx->items = (struct item *)((char *)tx->mem + rows);
    tx->front = (uint8_t *)tx->mem + rows + items;
    memcpy(tx->front, b->w->data, b->w->len);
    tx->row_count = b->rows->n;
    tx->item_count = b->items->n;
    tx->direct_count = b->directs->n;
    tx->free_count = b->frees->n;
    tx->front_bytes = (uint32_t)b->w->len;
    return 0;
}

static void commit_shards(struct build *b)
{
    struct work_shard *ws = b->shards->at;
    struct tx *tx = b->tx;

    for (uint32_t o = 0; o < tx->t->object_count; o++) {
        struct object *obj = tx->objs[o].obj;

        for (uint32_t i = 0; b->dropped[o] && i < obj->shard_cap; i++) {
            object_shard_set(obj, i, NULL);
            obj->tags[i] = 0;
        }
        if (tx->objs[o].touched) {
            obj->nid = tx->objs[o].meta.nid;
            obj->size = tx->objs[o].meta.size;
            obj->exists = tx->objs[o].meta.exists;
            obj->damaged = tx->objs[o].meta.damaged;
            obj->data_gen++;
        }
    }
    for (uint32_t i = 0; i < b->shards->n; i++) {
        struct object *obj = tx->objs[ws[i].o].obj;

        object_shard_set(obj, ws[i].index, ws[i].row);
        obj->tags[ws[i].index] = ws[i].tag;
        mem_free(ws[i].sh);
    }
    for (uint32_t o = 0; o < tx->t->object_count; o++)
        object_cost(tx->objs[o].obj);
}

static void commit_rows(struct build *b)
{
    struct work_row *wr = b->rows->at;
    struct tx *tx = b->tx;

    tx->row_bytes = tx->front_bytes + tx->row_count * (uint32_t)sizeof(struct row);
    tx->s->unapplied_bytes += tx->row_bytes;
    for (uint32_t i = 0; i < tx->row_count; i++) {
        struct row *r = &tx->rows[i];

        r->key = (struct bytes){tx->front + wr[i].key_at, wr[i].key_len};
        r->value = (struct bytes){tx->front + wr[i].value_at, wr[i].value_len};
        r->kind = wr[i].kind;
        r->tx = tx;
        overlay_insert(&tx->s->overlay, r);
        omap_cache_forget(tx->s, r);
    }
}

static void commit_items(struct build *b)
{
    struct work_item *wi = b->items->at;
    struct tx *tx = b->tx;

    tx->items_left = tx->item_count;
    for (uint32_t i = 0; i < tx->item_count; i++) {
        struct item *it = &tx->items[i];

        list_init(&it->link);
        it->tx = tx;
        it->data = buf_move(&wi[i].data);
        it->block = wi[i].block;
        defer_add(it);
    }
}

static void build_commit(struct build *b)
{
    struct tx *tx = b->tx;
    struct store *s = b->s;
    struct work_direct *wd = b->directs->at;

    commit_shards(b);
    commit_rows(b);
    commit_items(b);
    for (uint32_t i = 0; i < tx->direct_count; i++) {
        struct direct *d = &tx->directs[i];

        list_init(&d->link);
        d->tx = tx;
        d->phys = wd[i].phys;
        d->blocks = wd[i].blocks;
        d->io.data = buf_move(&wd[i].data);
    }
    ASSERT(s->reserved_blocks >= tx->reserved);
    s->reserved_blocks -= tx->reserved;
    list_remove(&tx->resolved_link);
    list_push_back(&s->resolved, &tx->resolved_link);
    if (tx->free_count && PLANTED(PLANT_REUSE_EARLY)) {
        for (uint32_t i = 0; i < tx->free_count; i++)
            if (extents_unshare(s->extents, tx->frees[i]))
                extents_release(s->extents, tx->frees[i], 1);
        tx->free_count = 0;
    }
}

int resolve_tx(struct tx *tx)
{
    struct build *b;
    int rc = build_start(tx, &b);

    if (rc < 0)
        return rc;
    build_ops(b);
    if (b->rc == 0 && b->needs->n == 0)
        b->rc = tx_memory(b);
    if (b->rc < 0 || b->needs->n) {
        rc = b->rc;
        build_undo(b);
        if (rc < 0)
            return rc;
        rc = load_needs(b);
        return rc == 0 ? resolve_tx(tx) : rc;
    }
    build_commit(b);
    tx_drop_olds(tx);
    tx->stage = TX_READY;
    if (tx->direct_count) {
        tx->stage = TX_WRITING;
        direct_submit(tx);
    }
    for (uint32_t o = 0; o < tx->t->object_count; o++) {
        tx->objs[o].obj->resolved++;
        object_cost(tx->objs[o].obj);
        object_wake(tx->objs[o].obj);
    }
    return 0;
}
