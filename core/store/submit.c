/* submit.c - a transaction enters: checked, projected, queued behind its coll.
 *
 * store_submit changes nothing until it can no longer fail: memory is allocated, the projection is
 * made on the side, space is promised.  Then getters see the new state at once, and the transaction
 * waits in its coll's queue for its after-images (resolve.c).  In the common case everything it
 * needs is in memory and that happens before store_submit returns.
 *
 * A coll is a queue and nothing more; it exists while it has transactions.  Its transactions are
 * resolved in order and enter the journal in order: one that still writes its data directly holds
 * those behind it, in its coll only. */
#include "core/store/store_int.h"

#include "core/base/crc.h"

static bool makes_object(uint8_t kind)
{
    return kind == TXN_TOUCH || kind == TXN_WRITE || kind == TXN_TRUNCATE ||
           kind == TXN_XATTR_SET || kind == TXN_OMAP_SET || kind == TXN_CLONE_RANGE;
}

static bool is_meta(uint8_t kind)
{
    return kind == TXN_META_SET || kind == TXN_META_RM || kind == TXN_META_RM_RANGE;
}

static int grow_to(struct onode_meta *m, uint64_t off, uint64_t len)
{
    if (off > OBJECT_BYTES_MAX || len > OBJECT_BYTES_MAX - off)
        return -R_OVERFLOW;
    if (len)
        m->size = MAX(m->size, off + len);
    return 0;
}

static int project_xattr(struct onode_meta *m, struct bytes name, struct bytes value)
{
    struct xattrs *changed;
    int rc;

    if (!value.data && !m->xattrs)
        return 0;
    rc = xattrs_change(m->xattrs, name, value, &changed);
    if (rc < 0)
        return rc;
    xattrs_unref(m->xattrs);
    m->xattrs = changed;
    return 0;
}

static int project_clone(struct tx *tx, const struct txn_op *op, struct tx_op *x,
                         struct onode_meta *m)
{
    const struct onode_meta *src = &tx->objs[op->src].meta;

    x->src_size = src->size;
    x->len = op->off2 >= src->size ? 0 : MIN(op->len, src->size - op->off2);
    m->damaged |= src->damaged;
    return grow_to(m, op->off, x->len);
}

static int project_op(struct tx *tx, const struct txn_op *op, struct tx_op *x)
{
    static const uint8_t nothing[1];
    struct tx_object *to = &tx->objs[op->object];
    struct onode_meta *m = &to->meta;
    struct bytes value = op->value.data ? op->value : (struct bytes){nothing, 0};

    to->touched = true;
    x->size_before = m->size;
    if (op->kind == TXN_DELETE) {
        x->nid = m->nid;
        x->omap = m->omap || m->damaged;
        onode_meta_fini(m);
        return 0;
    }
    if (makes_object(op->kind) && (!m->exists || m->nid == 0)) {
        m->exists = true;
        m->nid = tx->s->next_nid++;
    }
    x->nid = m->nid;
    switch (op->kind) {
    case TXN_WRITE:
        return op->crcs || op->data.bytes == 0 ? grow_to(m, op->off, op->data.bytes) : -EINVAL;
    case TXN_ZERO:
        return op->off > OBJECT_BYTES_MAX || op->len > OBJECT_BYTES_MAX ? -R_OVERFLOW : 0;
    case TXN_TRUNCATE:
        m->size = op->off;
        return op->off > OBJECT_BYTES_MAX ? -R_OVERFLOW : 0;
    case TXN_XATTR_SET:
        return project_xattr(m, op->key, value);
    case TXN_XATTR_RM:
        return project_xattr(m, op->key, (struct bytes){0});
    case TXN_OMAP_SET:
        m->omap = true;
        return 0;
    case TXN_CLONE_RANGE:
        return project_clone(tx, op, x, m);
    case TXN_VERSION:
        if (m->exists)
            m->version = op->version;
        return 0;
    default:
        return 0;
    }
}

/* A bound on the blocks that its after-images may take, and on the bytes of its record. */
static void tx_bounds(const struct txn_op *op, const struct tx_op *x, uint64_t *blocks,
                      uint64_t *bytes)
{
    uint64_t len = op->kind == TXN_WRITE         ? op->data.bytes
                   : op->kind == TXN_CLONE_RANGE ? x->len
                                                 : 0;

    *bytes += op->key.len + op->value.len + 64;
    if (op->kind == TXN_WRITE || op->kind == TXN_CLONE_RANGE)
        *blocks += crc_count(op->off, len);
    else if (op->kind == TXN_ZERO || op->kind == TXN_TRUNCATE)
        *blocks += 2;
    else if (op->kind != TXN_DELETE)
        return; /* no shards */
    if (op->kind == TXN_ZERO)
        len = op->len;
    else if (op->kind == TXN_DELETE || op->kind == TXN_TRUNCATE)
        len = x->size_before / 8; /* deletes of shard rows are short */
    *bytes += (len / SHARD_BYTES + 2) * 1000;
}

static int project(struct tx *tx, uint64_t *out_bytes)
{
    struct txn *t = tx->t;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < t->op_count; i++) {
        const struct txn_op *op = &t->ops[i];
        int rc = 0;

        if (!is_meta(op->kind)) {
            if (op->object >= t->object_count ||
                (op->kind == TXN_CLONE_RANGE && op->src >= t->object_count))
                return -EINVAL;
            rc = project_op(tx, op, &tx->opx[i]);
        }
        if (rc < 0)
            return rc;
        tx_bounds(op, &tx->opx[i], &tx->reserved, &bytes);
    }
    for (uint32_t i = 0; i < t->object_count; i++) {
        const struct onode_meta *m = &tx->objs[i].meta;

        bytes += 256 + OID_KEY_MAX + m->size / SHARD_BYTES * 4 + (m->xattrs ? m->xattrs->bytes : 0);
    }
    *out_bytes = bytes;
    return 0;
}

static int tx_objects(struct tx *tx)
{
    struct txn *t = tx->t;

    for (uint32_t i = 0; i < t->object_count; i++) {
        struct object *obj = object_find(tx->s, &t->objects[i]);

        if (!obj || !obj->loaded || obj->refs == 0)
            return -EINVAL; /* the caller must hold it open */
        tx->objs[i].obj = object_ref(obj);
        tx->objs[i].nid_before = obj->meta.nid;
        onode_meta_copy(&tx->objs[i].meta, &obj->meta);
    }
    return 0;
}

static struct tx *tx_create(struct store *s, struct txn *t)
{
    size_t objs = ROUND_UP(sizeof(struct tx), 16),
           opx = objs + t->object_count * sizeof(struct tx_object);
    struct tx *tx = mem_zalloc(opx + t->op_count * sizeof(struct tx_op));

    if (!tx)
        return NULL;
    tx->s = s;
    tx->t = txn_ref(t);
    tx->objs = (struct tx_object *)((char *)tx + objs);
    tx->opx = (struct tx_op *)((char *)tx + opx);
    list_init(&tx->link);
    list_init(&tx->resolved_link);
    list_init(&tx->flush_link);
    return tx;
}

void tx_release_objects(struct tx *tx)
{
    if (!tx->t)
        return;
    for (uint32_t i = 0; i < tx->t->object_count; i++) {
        onode_meta_fini(&tx->objs[i].meta);
        object_unref(tx->objs[i].obj);
        tx->objs[i].obj = NULL;
    }
    txn_unref(tx->t);
    tx->t = NULL;
}

void tx_drop_olds(struct tx *tx)
{
    struct old_block *old = tx->olds.at;

    for (uint32_t i = 0; i < tx->olds.n; i++)
        buf_fini(&old[i].data);
    vec_free(&tx->olds);
}

void tx_free(struct tx *tx)
{
    tx_release_objects(tx);
    tx_drop_olds(tx);
    mem_free(tx->mem);
    mem_free(tx->directs);
    mem_free(tx->frees);
    mem_free(tx);
}

/* --- colls --- */

static struct coll *coll_find(struct store *s, struct pgid id)
{
    for (struct hnode *n = htable_first(&s->colls_busy, pgid_hash(id)); n; n = htable_next(n)) {
        struct coll *c = CONTAINER_OF(n, struct coll, node);

        if (pgid_eq(c->id, id))
            return c;
    }
    return NULL;
}

static void coll_retry(struct env_timer *t)
{
    struct coll *c = CONTAINER_OF(t, struct coll, retry);
    struct store *s = c->s;

    c->waiting = false;
    coll_run(c);
    store_busy_end(s);
}

static struct coll *coll_get(struct store *s, struct pgid id)
{
    struct coll *c = coll_find(s, id);

    if (c)
        return c;
    c = mem_zalloc(sizeof(*c));
    if (!c)
        return NULL;
    c->s = s;
    c->id = id;
    list_init(&c->queue);
    list_init(&c->orders);
    env_timer_init(&c->retry, coll_retry);
    list_push_back(&s->coll_list, &c->link);
    htable_insert(&s->colls_busy, &c->node, pgid_hash(id));
    return c;
}

static void coll_put(struct coll *c)
{
    if (!list_empty(&c->queue) || !list_empty(&c->orders) || c->waiting || c->running)
        return;
    htable_remove(&c->s->colls_busy, &c->node);
    list_remove(&c->link);
    mem_free(c);
}

/* Memory is short: the transaction was accepted, so try again soon. */
static void coll_later(struct coll *c)
{
    counter_add(&c->s->m.no_memory, 1);
    c->waiting = true;
    store_busy(c->s);
    env_timer_after(c->s->env, &c->retry, NO_MEMORY_RETRY_MS * NS_PER_MS);
}

/* A load of resolve_tx ended. */
void coll_loaded(struct coll *c, int rc)
{
    if (c->load_rc == 0)
        c->load_rc = rc;
    if (--c->loads)
        return;
    c->waiting = false;
    rc = c->load_rc;
    c->load_rc = 0;
    if (rc == -ENOMEM && !store_dead(c->s))
        coll_later(c);
    else
        coll_run(c);
}

static void coll_resolve(struct coll *c)
{
    struct store *s = c->s;

    while (!list_empty(&c->orders) && !c->waiting && !store_dead(s)) {
        struct tx *tx = LIST_FIRST(&c->orders, struct tx, resolved_link);
        int rc = resolve_tx(tx);

        if (rc == 0)
            continue;
        if (rc == 1)
            c->waiting = true;
        else if (rc == -ENOMEM)
            coll_later(c);
        else
            store_fail(s, rc, "resolving a transaction");
    }
}

/* Everything that may have become possible in this coll. */
void coll_run(struct coll *c)
{
    struct store *s = c->s;

    if (c->running)
        return;
    c->running = true;
    coll_resolve(c);
    while (!list_empty(&c->queue) && !store_dead(s)) {
        struct tx *tx = LIST_FIRST(&c->queue, struct tx, link);

        if (tx->stage != TX_READY)
            break;
        list_remove(&tx->link);
        tx->coll = NULL;
        journal_add(tx);
    }
    c->running = false;
    coll_put(c);
    scans_wake(s);
}

void coll_ready(struct tx *tx)
{
    tx->stage = TX_READY;
    coll_run(tx->coll);
}

/* --- the door --- */

static uint64_t record_bytes_max(const struct store *s)
{
    return s->journal.blocks * DISK_BLOCK / 8;
}

static int tx_prepare(struct tx *tx)
{
    struct store *s = tx->s;
    uint64_t bytes;
    int rc = tx_objects(tx);

    if (rc == 0)
        rc = project(tx, &bytes);
    if (rc < 0)
        return rc;
    if (bytes > record_bytes_max(s))
        return -R_OVERFLOW;
    if (tx->reserved <= grow_open_blocks(s))
        return 0;
    rc = grow_for(s, tx->reserved);
    if (rc == -R_STORE_FULL) {
        s->ck_wanted = true; /* freed blocks come back with it */
        store_progress(s);
    }
    return rc;
}

/* What it may add to LevelDB for good: objects, omap rows (whatever they replace), and by how much
 * the xattrs of an object grow; so counters and states that change in their place are not counted.
 */
static uint64_t tx_rows_bytes(const struct tx *tx)
{
    const struct txn *t = tx->t;
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < t->op_count; i++)
        if (t->ops[i].kind == TXN_OMAP_SET)
            bytes += 64 + t->ops[i].key.len + t->ops[i].value.len;
    for (uint32_t i = 0; i < t->object_count; i++) {
        const struct onode_meta *was = &tx->objs[i].obj->meta, *next = &tx->objs[i].meta;
        uint32_t had = was->xattrs ? was->xattrs->bytes : 0,
                 has = next->xattrs ? next->xattrs->bytes : 0;

        if (tx->objs[i].touched) {
            bytes += next->exists && !was->exists ? 256 : 0;
            bytes += has - MIN(has, had);
        }
    }
    return bytes;
}

static void tx_accept(struct tx *tx, struct coll *c, struct store_commit *commit)
{
    struct store *s = tx->s;

    s->reserve_taken += tx_rows_bytes(tx);
    for (uint32_t i = 0; i < tx->t->object_count; i++) {
        struct object *obj = tx->objs[i].obj;

        if (tx->objs[i].touched) {
            s->object_count += tx->objs[i].meta.exists;
            s->object_count -= obj->meta.exists;
            onode_meta_fini(&obj->meta);
            onode_meta_copy(&obj->meta, &tx->objs[i].meta);
            object_cost(obj);
        }
        obj->submitted++;
    }
    tx->c = commit;
    tx->coll = c;
    tx->ticket = ++s->ticket;
    tx->cost = tx->t->cost_bytes + 1024;
    tx->start_ns = env_now_ns(s->env);
    s->reserved_blocks += tx->reserved;
    s->in_flight++;
    s->queued_bytes += tx->cost;
    s->queued_journal += tx_journal_cost(tx);
    list_init(&commit->link);
    list_push_back(&c->queue, &tx->link);
    list_push_back(&c->orders, &tx->resolved_link);
    counter_add(&s->m.txns, 1);
}

int store_submit(struct store *s, struct txn *t, struct store_commit *c)
{
    struct coll *coll;
    struct tx *tx;
    int rc;

    if (t->rc < 0)
        return t->rc;
    if (store_dead(s) || s->stopping)
        return -R_STOPPED;
    tx = tx_create(s, t);
    if (!tx)
        return -ENOMEM;
    rc = tx_prepare(tx);
    coll = rc < 0 ? NULL : coll_get(s, t->coll);
    if (!coll) {
        tx_free(tx);
        return rc < 0 ? rc : -ENOMEM;
    }
    tx_accept(tx, coll, c);
    coll_run(coll);
    store_progress(s);
    return 0;
}
