/* exec_write.c - from the write steps of an operation to one transaction and one log entry.
 *
 * All steps are known to be well formed, guards held, the object is open and ours alone.  Sizes and
 * existence are followed from step to step, since a later one stands on what an earlier one did.
 * A step that sets something makes the object when it is not there; one that takes something away
 * fails with -R_NO_OBJECT.  The client's checksums are verified here, once, and then travel with
 * the bytes; where a piece does not begin where the client believed (append), they are made again
 * from the verified bytes. */
#include "core/osd/pg.h"

struct build {
    struct client_op *op;
    struct txn *txn;
    struct pg_log_entry *e;
    uint16_t o;
    bool exists;
    uint64_t size;
};

static void touch(struct build *b)
{
    if (b->exists)
        return;
    txn_touch(b->txn, b->o);
    b->exists = true;
    b->size = 0;
}

static int put(struct build *b, uint64_t off, const struct buf *data, const uint8_t *crcs)
{
    if (off + data->bytes > OBJECT_BYTES_MAX)
        return -EFBIG;
    touch(b);
    if (!data->bytes)
        return 0;
    txn_write(b->txn, b->o, off, data, crcs);
    touched_range(&b->e->touched, off, data->bytes);
    b->size = MAX(b->size, off + data->bytes);
    return 0;
}

static int write_step(struct build *b, const struct step *st)
{
    uint64_t crc_off = st->kind == STEP_WRITE ? st->off : 0, off = st->off;

    if (st->data.bytes && crcs_check(crc_off, &st->data, st->crcs) < 0)
        return -R_CSUM_MISMATCH;
    if (st->kind == STEP_WRITE_FULL) {
        /* Its whole blocks are written over; a partial one shall not be merged with what was. */
        uint64_t whole = st->data.bytes - st->data.bytes % STORE_BLOCK;

        touch(b);
        touched_range(&b->e->touched, 0, MAX(b->size, st->data.bytes));
        if (b->size > whole) {
            txn_truncate(b->txn, b->o, whole);
            b->size = whole;
        }
        off = 0;
    } else if (st->kind == STEP_APPEND) {
        off = b->exists ? b->size : 0;
    }
    return put(b, off, &st->data, off % STORE_BLOCK == crc_off % STORE_BLOCK ? st->crcs : NULL);
}

static int truncate_step(struct build *b, const struct step *st)
{
    uint64_t from, to;

    touch(b);
    from = MIN(b->size, st->off);
    to = MAX(b->size, st->off);
    txn_truncate(b->txn, b->o, st->off);
    touched_range(&b->e->touched, from, to - from);
    b->size = st->off;
    return 0;
}

static int zero_step(struct build *b, const struct step *st)
{
    uint64_t end = MIN(st->off + st->len, b->size);

    if (st->off >= end)
        return 0;
    txn_zero(b->txn, b->o, st->off, end - st->off);
    touched_range(&b->e->touched, st->off, end - st->off);
    return 0;
}

static int xattr_step(struct build *b, const struct step *st)
{
    if (exec_xattr_own(st->key))
        return -EINVAL;
    if (st->kind == STEP_XATTR_RM) {
        txn_xattr_rm(b->txn, b->o, st->key);
        return 0;
    }
    touch(b);
    txn_xattr_set(b->txn, b->o, st->key, st->value);
    return 0;
}

/* What is written is the sum: copies and replays need not know how it came about.  The object is as
 * all operations before left it, and no step before this one has changed the xattr (steps_valid).
 */
static int add_step(struct build *b, const struct step *st)
{
    const struct object *obj = b->op->octx->obj;
    uint8_t sum[8 * STEP_COUNTERS_MAX];
    struct bytes have = {0};
    uint32_t len;

    if (exec_xattr_own(st->key))
        return -EINVAL;
    if (object_exists(obj) && object_xattr(obj, st->key, &have) < 0)
        have = (struct bytes){0};
    if (have.len % 8 || have.len > sizeof(sum))
        return -R_MALFORMED;
    if (b->op->shrinks && have.len < st->value.len)
        return -R_STORE_FULL;
    len = MAX(have.len, st->value.len);
    memset(sum, 0, len);
    if (have.len)
        memcpy(sum, have.data, have.len);
    for (uint32_t at = 0; at < st->value.len; at += 8) {
        struct cursor was = cur_over(sum + at, 8), more = cur_over(st->value.data + at, 8);
        struct writer w = wr_over(sum + at, 8);

        wr_u64(&w, cur_u64(&was) + cur_u64(&more));
    }
    touch(b);
    txn_xattr_set(b->txn, b->o, st->key, (struct bytes){sum, len});
    return 0;
}

static int omap_step(struct build *b, const struct step *st)
{
    for (uint32_t i = 0; i < st->pair_in_count; i++) {
        const struct step_pair *p = &st->pairs_in[i];

        touched_key(&b->e->touched, p->key);
        if (st->kind == STEP_OMAP_RM) {
            txn_omap_rm(b->txn, b->o, p->key);
            continue;
        }
        touch(b);
        txn_omap_set(b->txn, b->o, p->key, p->value);
    }
    return 0;
}

static int clone_step(struct build *b, const struct step *st, uint32_t i)
{
    const struct exec_clone *c = exec_clone_of(b->op, i);

    if (exec_clones_by_data(b->op->pg))
        return put(b, st->off, &c->read.data,
                   st->off % STORE_BLOCK == st->off2 % STORE_BLOCK ? c->read.crcs : NULL);
    if (st->off + st->len > OBJECT_BYTES_MAX)
        return -EFBIG;
    touch(b);
    txn_clone_range(b->txn, b->o, txn_object(b->txn, &c->oid), st->off2, st->len, st->off);
    touched_range(&b->e->touched, st->off, st->len);
    if (st->off2 < object_size(c->obj))
        b->size = MAX(b->size, st->off + MIN(st->len, object_size(c->obj) - st->off2));
    return 0;
}

static int step(struct build *b, const struct step *st, uint32_t i)
{
    switch (st->kind) {
    case STEP_CREATE:
        if (b->exists && (st->flags & STEP_EXCLUSIVE))
            return -R_EXISTS;
        touch(b);
        return 0;
    case STEP_WRITE:
    case STEP_WRITE_FULL:
    case STEP_APPEND:
        return write_step(b, st);
    case STEP_TRUNCATE:
        return truncate_step(b, st);
    case STEP_XATTR_SET:
        return xattr_step(b, st);
    case STEP_XATTR_ADD:
        return add_step(b, st);
    case STEP_OMAP_SET:
        return omap_step(b, st);
    case STEP_CLONE_RANGE:
        return clone_step(b, st, i);
    default:
        break;
    }
    if (!b->exists)
        return -R_NO_OBJECT;
    switch (st->kind) {
    case STEP_ZERO:
        return zero_step(b, st);
    case STEP_DELETE:
        txn_delete(b->txn, b->o);
        b->e->touched.whole = true;
        b->exists = false;
        b->size = 0;
        return 0;
    case STEP_XATTR_RM:
        return xattr_step(b, st);
    case STEP_OMAP_RM:
        return omap_step(b, st);
    case STEP_OMAP_RM_RANGE:
        txn_omap_rm_range(b->txn, b->o, st->key, st->value);
        b->e->touched.omap_cleared = true; /* which keys there were is not known: all are copied */
        return 0;
    case STEP_OMAP_CLEAR:
        txn_omap_rm_range(b->txn, b->o, (struct bytes){0}, (struct bytes){0});
        b->e->touched.omap_cleared = true;
        return 0;
    default:
        UNREACHABLE();
    }
}

static bool is_write(uint8_t kind)
{
    return kind >= STEP_CREATE;
}

static int steps(struct build *b)
{
    const struct steps *s = &b->op->m->steps;

    for (uint32_t i = 0; i < s->count; i++) {
        int rc = is_write(s->step[i].kind) ? step(b, &s->step[i], i) : 0;

        if (rc < 0) {
            b->op->reply->results.result[i].rc = rc;
            return rc;
        }
    }
    return 0;
}

/* What every change ends with: when it was, and the version. */
static void finish(struct build *b, struct version v)
{
    uint8_t mtime[8];
    struct writer w = wr_over(mtime, sizeof(mtime));

    b->e->kind = b->exists ? PG_ENTRY_MODIFY : PG_ENTRY_DELETE;
    if (!b->exists)
        return;
    wr_u64(&w, b->e->mtime_wall_ns);
    txn_xattr_set(b->txn, b->o, EXEC_MTIME_XATTR, (struct bytes){mtime, sizeof(mtime)});
    txn_version(b->txn, b->o, v);
}

int exec_build(struct client_op *op, struct version v, struct txn **out_txn,
               struct pg_log_entry **out_entry, struct exec_change *out_change)
{
    struct pg *pg = op->pg;
    const struct object *obj = op->octx->obj;
    struct build b = {.op = op, .exists = object_exists(obj), .size = object_size(obj)};
    int rc = -ENOMEM;

    *out_change = (struct exec_change){.was = b.exists, .was_bytes = b.size};
    b.txn = txn_create(pg->id);
    b.e = pg_log_entry_create();
    if (!b.txn || !b.e || oid_copy(&op->m->oid, &b.e->oid) < 0)
        goto failed;
    b.e->version = v;
    b.e->prior = object_version(obj);
    b.e->reqid = op->m->reqid;
    b.e->floor = op->m->floor;
    b.e->mtime_wall_ns = env_wall_ns(pg->o->env);
    b.o = txn_object(b.txn, &op->m->oid);
    rc = steps(&b);
    if (rc < 0)
        goto failed;
    finish(&b, v);
    pg_log_row_put(b.txn, b.e);
    rc = b.txn->rc;
    if (rc < 0)
        goto failed;
    out_change->exists = b.exists;
    out_change->bytes = b.size;
    *out_txn = b.txn;
    *out_entry = b.e;
    return 0;
failed:
    txn_unref(b.txn);
    pg_log_entry_destroy(b.e);
    return rc;
}
