/* txn.c - building a transaction, and its bytes on the wire.
 *
 * A transaction owns one arena (keys, values, checksums, names) and references to payload. Builders
 * never return an error: the first failure stays in `rc` and the store refuses the transaction.
 * The codec checks everything it reads; what it accepts, a builder could have made.
 * doc/format/txn.md */
#include "core/store/txn.h"

#include "core/base/arena.h"
#include "core/base/crc.h"
#include "core/base/size.h"

enum {
    TXN_VERSION_NOW = 1,
    TXN_COMPAT = 1,
    TXN_OBJECTS_MAX = 4096,
    TXN_OPS_MAX = 1 << 18,
    OP_BYTES_MIN = 3
};

struct txn *txn_create(struct pgid coll)
{
    struct txn *t = mem_zalloc(sizeof(*t));
    struct arena *a = mem_alloc(sizeof(*a));

    if (!t || !a) {
        mem_free(t);
        mem_free(a);
        return NULL;
    }
    arena_init(a);
    t->refs = 1;
    t->coll = coll;
    t->arena = a;
    t->cost_bytes = sizeof(*t) + sizeof(*a);
    return t;
}

struct txn *txn_ref(struct txn *t)
{
    __atomic_add_fetch((uint32_t *)&t->refs, 1, __ATOMIC_RELAXED);
    return t;
}

void txn_unref(struct txn *t)
{
    if (!t || __atomic_sub_fetch((uint32_t *)&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (uint32_t i = 0; i < t->op_count; i++)
        buf_fini(&t->ops[i].data);
    mem_free(t->ops);
    mem_free(t->objects);
    arena_fini(t->arena);
    mem_free(t->arena);
    mem_free(t);
}

static void fail(struct txn *t, int rc)
{
    if (t->rc == 0)
        t->rc = rc;
}

/* Grow an owned array by one.  NULL: no memory. */
static void *grow(void **at, uint32_t count, uint32_t *cap, size_t item)
{
    if (count == *cap) {
        uint32_t n = *cap ? *cap * 2 : 4;
        void *p = mem_realloc(*at, n * item);

        if (!p)
            return NULL;
        *at = p;
        *cap = n;
    }
    return (char *)*at + count * item;
}

static int object_add(struct txn *t, const struct oid *oid)
{
    struct oid *slot;
    uint8_t *bytes;

    if (t->object_count == TXN_OBJECTS_MAX)
        return -R_OVERFLOW;
    slot = grow((void **)&t->objects, t->object_count, &t->object_cap, sizeof(*slot));
    bytes = arena_dup(t->arena, oid->bytes, (size_t)oid->ns_bytes + oid->name_bytes);
    if (!slot || !bytes)
        return -ENOMEM;
    *slot = *oid;
    slot->bytes = bytes;
    t->object_count++;
    t->cost_bytes += sizeof(*slot) + oid->ns_bytes + oid->name_bytes;
    return 0;
}

uint16_t txn_object(struct txn *t, const struct oid *oid)
{
    int rc;

    for (uint32_t i = 0; i < t->object_count; i++)
        if (oid_equal(&t->objects[i], oid))
            return (uint16_t)i;
    rc = object_add(t, oid);
    if (rc < 0) {
        fail(t, rc);
        return 0;
    }
    return (uint16_t)(t->object_count - 1);
}

static struct txn_op *op_add(struct txn *t, uint8_t kind, uint16_t o)
{
    struct txn_op *op;

    if (t->rc)
        return NULL;
    if (t->op_count == TXN_OPS_MAX) {
        fail(t, -R_OVERFLOW);
        return NULL;
    }
    op = grow((void **)&t->ops, t->op_count, &t->op_cap, sizeof(*op));
    if (!op) {
        fail(t, -ENOMEM);
        return NULL;
    }
    *op = (struct txn_op){.kind = kind, .object = o};
    t->op_count++;
    t->cost_bytes += sizeof(*op);
    return op;
}

/* Drop the op just added: it could not be completed. */
static void op_drop(struct txn *t, int rc)
{
    t->op_count--;
    fail(t, rc);
}

static int keep(struct txn *t, struct bytes b, struct bytes *out)
{
    uint8_t *p = arena_dup(t->arena, b.data, b.len);

    if (!p)
        return -ENOMEM;
    *out = (struct bytes){p, b.len};
    t->cost_bytes += b.len;
    return 0;
}

static void op_key_value(struct txn *t, uint8_t kind, uint16_t o, struct bytes key,
                         struct bytes value)
{
    struct txn_op *op = op_add(t, kind, o);
    int rc;

    if (!op)
        return;
    rc = keep(t, key, &op->key);
    if (rc == 0)
        rc = keep(t, value, &op->value);
    if (rc < 0)
        op_drop(t, rc);
    else if (t->cost_bytes > TXN_BYTES_MAX)
        op_drop(t, -R_OVERFLOW);
}

void txn_touch(struct txn *t, uint16_t o)
{
    (void)op_add(t, TXN_TOUCH, o); /* a failure stays in t->rc */
}

static int range_fits(uint64_t off, uint64_t len)
{
    return off <= OBJECT_BYTES_MAX && len <= OBJECT_BYTES_MAX - off ? 0 : -R_OVERFLOW;
}

void txn_write(struct txn *t, uint16_t o, uint64_t off, const struct buf *data, const uint8_t *crcs)
{
    struct txn_op *op;
    size_t bytes = 4 * (size_t)crc_count(off, data->bytes);
    uint8_t *copy;

    if (range_fits(off, data->bytes) < 0 || t->cost_bytes + data->bytes > TXN_BYTES_MAX) {
        fail(t, -R_OVERFLOW);
        return;
    }
    op = op_add(t, TXN_WRITE, o);
    if (!op)
        return;
    op->off = off;
    op->len = data->bytes;
    copy = arena_alloc(t->arena, bytes + 1);
    if (!copy || buf_slice(data, 0, data->bytes, &op->data) < 0) {
        op_drop(t, -ENOMEM);
        return;
    }
    if (crcs)
        memcpy(copy, crcs, bytes);
    else
        crcs_make(off, data, copy);
    op->crcs = copy;
    t->payload_bytes += data->bytes;
    t->cost_bytes += data->bytes + bytes;
}

static void op_range(struct txn *t, uint8_t kind, uint16_t o, uint64_t off, uint64_t len)
{
    struct txn_op *op;

    if (range_fits(off, len) < 0) {
        fail(t, -R_OVERFLOW);
        return;
    }
    op = op_add(t, kind, o);
    if (op) {
        op->off = off;
        op->len = len;
    }
}

void txn_zero(struct txn *t, uint16_t o, uint64_t off, uint64_t len)
{
    op_range(t, TXN_ZERO, o, off, len);
}

void txn_truncate(struct txn *t, uint16_t o, uint64_t size)
{
    op_range(t, TXN_TRUNCATE, o, size, 0);
}

void txn_delete(struct txn *t, uint16_t o)
{
    (void)op_add(t, TXN_DELETE, o); /* a failure stays in t->rc */
}

void txn_xattr_set(struct txn *t, uint16_t o, struct bytes name, struct bytes value)
{
    if (name.len == 0 || name.len > XATTR_NAME_MAX || value.len > XATTR_VALUE_MAX)
        fail(t, -R_OVERFLOW);
    else
        op_key_value(t, TXN_XATTR_SET, o, name, value);
}

void txn_xattr_rm(struct txn *t, uint16_t o, struct bytes name)
{
    if (name.len == 0 || name.len > XATTR_NAME_MAX)
        fail(t, -R_OVERFLOW);
    else
        op_key_value(t, TXN_XATTR_RM, o, name, (struct bytes){0});
}

static void op_row(struct txn *t, uint8_t kind, uint16_t o, struct bytes key, struct bytes value,
                   uint32_t value_max)
{
    if (key.len > OMAP_KEY_MAX || value.len > value_max)
        fail(t, -R_OVERFLOW);
    else
        op_key_value(t, kind, o, key, value);
}

void txn_omap_set(struct txn *t, uint16_t o, struct bytes key, struct bytes value)
{
    op_row(t, TXN_OMAP_SET, o, key, value, OMAP_VALUE_MAX);
}

void txn_omap_rm(struct txn *t, uint16_t o, struct bytes key)
{
    op_row(t, TXN_OMAP_RM, o, key, (struct bytes){0}, 0);
}

void txn_omap_rm_range(struct txn *t, uint16_t o, struct bytes from, struct bytes to)
{
    op_row(t, TXN_OMAP_RM_RANGE, o, from, to, OMAP_KEY_MAX);
}

void txn_clone_range(struct txn *t, uint16_t dst, uint16_t src, uint64_t src_off, uint64_t len,
                     uint64_t dst_off)
{
    struct txn_op *op;

    if (range_fits(src_off, len) < 0 || range_fits(dst_off, len) < 0) {
        fail(t, -R_OVERFLOW);
        return;
    }
    op = op_add(t, TXN_CLONE_RANGE, dst);
    if (!op)
        return;
    op->src = src;
    op->off = dst_off;
    op->len = len;
    op->off2 = src_off;
}

void txn_version(struct txn *t, uint16_t o, struct version v)
{
    struct txn_op *op = op_add(t, TXN_VERSION, o);

    if (op)
        op->version = v;
}

void txn_meta_set(struct txn *t, struct bytes key, struct bytes value)
{
    op_row(t, TXN_META_SET, 0, key, value, OMAP_VALUE_MAX);
}

void txn_meta_rm(struct txn *t, struct bytes key)
{
    op_row(t, TXN_META_RM, 0, key, (struct bytes){0}, 0);
}

void txn_meta_rm_range(struct txn *t, struct bytes from, struct bytes to)
{
    op_row(t, TXN_META_RM_RANGE, 0, from, to, OMAP_KEY_MAX);
}

/* --- codec --- */

static void op_encode(const struct txn_op *op, struct writer *w)
{
    wr_u8(w, op->kind);
    wr_u16(w, op->object);
    switch (op->kind) {
    case TXN_WRITE:
        wr_u64(w, op->off);
        wr_u64(w, op->data.bytes);
        wr_raw(w, op->crcs, 4 * (size_t)crc_count(op->off, op->data.bytes));
        break;
    case TXN_ZERO:
        wr_u64(w, op->off);
        wr_u64(w, op->len);
        break;
    case TXN_TRUNCATE:
        wr_u64(w, op->off);
        break;
    case TXN_CLONE_RANGE:
        wr_u16(w, op->src);
        wr_u64(w, op->off2);
        wr_u64(w, op->len);
        wr_u64(w, op->off);
        break;
    case TXN_VERSION:
        wr_version(w, op->version);
        break;
    case TXN_XATTR_SET:
    case TXN_OMAP_SET:
    case TXN_OMAP_RM_RANGE:
    case TXN_META_SET:
    case TXN_META_RM_RANGE:
        wr_bytes(w, op->key);
        wr_bytes(w, op->value);
        break;
    case TXN_XATTR_RM:
    case TXN_OMAP_RM:
    case TXN_META_RM:
        wr_bytes(w, op->key);
        break;
    default: /* TOUCH, DELETE: no more */
        break;
    }
}

void txn_encode(const struct txn *t, struct writer *front, struct buf *data)
{
    size_t mark = wr_begin_plain(front, TXN_VERSION_NOW, TXN_COMPAT);

    wr_pgid(front, t->coll);
    wr_u32(front, t->object_count);
    for (uint32_t i = 0; i < t->object_count; i++)
        wr_oid(front, &t->objects[i]);
    wr_u32(front, t->op_count);
    for (uint32_t i = 0; i < t->op_count && front->rc == 0; i++) {
        op_encode(&t->ops[i], front);
        if (t->ops[i].data.bytes && buf_append(data, &t->ops[i].data, 0, t->ops[i].data.bytes) < 0)
            front->rc = -ENOMEM;
    }
    wr_end_plain(front, mark);
}

static void write_decode(struct cursor *c, struct txn *t, uint16_t o, const struct buf *data,
                         uint64_t *at)
{
    uint64_t off = cur_u64(c), len = cur_u64(c);
    struct bytes crcs;
    struct buf piece = {0};

    if (c->rc == 0 && (range_fits(off, len) < 0 || len > data->bytes - *at))
        cur_fail(c, -R_MALFORMED);
    if (c->rc)
        return;
    crcs = cur_raw(c, 4 * (size_t)crc_count(off, len));
    if (c->rc)
        return;
    if (buf_slice(data, *at, len, &piece) < 0) {
        fail(t, -ENOMEM);
        return;
    }
    *at += len;
    txn_write(t, o, off, &piece, crcs.data);
    buf_fini(&piece);
}

static void row_decode(struct cursor *c, struct txn *t, uint8_t kind, uint16_t o)
{
    bool xattr = kind == TXN_XATTR_SET || kind == TXN_XATTR_RM;
    bool pair = kind == TXN_XATTR_SET || kind == TXN_OMAP_SET || kind == TXN_META_SET;
    bool range = kind == TXN_OMAP_RM_RANGE || kind == TXN_META_RM_RANGE;
    struct bytes key = cur_bytes(c, xattr ? XATTR_NAME_MAX : OMAP_KEY_MAX), value = {0};

    if (pair)
        value = cur_bytes(c, xattr ? XATTR_VALUE_MAX : OMAP_VALUE_MAX);
    else if (range)
        value = cur_bytes(c, OMAP_KEY_MAX);
    if (xattr && key.len == 0)
        cur_fail(c, -R_MALFORMED);
    if (c->rc == 0)
        op_key_value(t, kind, o, key, value);
}

static void op_decode(struct cursor *c, struct txn *t, const struct buf *data, uint64_t *at)
{
    uint8_t kind = cur_u8(c);
    uint16_t o = cur_u16(c);

    if (c->rc == 0 && (kind < TXN_TOUCH || kind > TXN_META_RM_RANGE ||
                       (kind >= TXN_META_SET ? o != 0 : o >= t->object_count)))
        cur_fail(c, -R_MALFORMED);
    if (c->rc)
        return;
    if (kind == TXN_TOUCH || kind == TXN_DELETE) {
        (void)op_add(t, kind, o); /* a failure stays in t->rc */
    } else if (kind == TXN_WRITE) {
        write_decode(c, t, o, data, at);
    } else if (kind == TXN_ZERO) {
        uint64_t off = cur_u64(c), len = cur_u64(c);

        op_range(t, kind, o, off, len);
    } else if (kind == TXN_TRUNCATE) {
        op_range(t, kind, o, cur_u64(c), 0);
    } else if (kind == TXN_CLONE_RANGE) {
        uint16_t src = cur_u16(c);
        uint64_t src_off = cur_u64(c), len = cur_u64(c), dst_off = cur_u64(c);

        if (src >= t->object_count)
            cur_fail(c, -R_MALFORMED);
        else
            txn_clone_range(t, o, src, src_off, len, dst_off);
    } else if (kind == TXN_VERSION) {
        txn_version(t, o, cur_version(c));
    } else {
        row_decode(c, t, kind, o);
    }
}

static void body_decode(struct cursor *c, struct txn *t, const struct buf *data)
{
    uint64_t at = 0;
    uint32_t objects, ops;

    t->coll = cur_pgid(c);
    objects = cur_count(c, TXN_OBJECTS_MAX, 8);
    for (uint32_t i = 0; i < objects && c->rc == 0 && t->rc == 0; i++) {
        struct oid oid = cur_oid(c);

        if (c->rc == 0)
            fail(t, object_add(t, &oid));
    }
    ops = cur_count(c, TXN_OPS_MAX, OP_BYTES_MIN);
    for (uint32_t i = 0; i < ops && c->rc == 0 && t->rc == 0; i++)
        op_decode(c, t, data, &at);
    if (c->rc == 0 && t->rc == 0 && at != data->bytes)
        cur_fail(c, -R_MALFORMED);
}

int txn_decode(struct cursor *front, struct buf *data, struct txn **out_txn)
{
    struct txn *t = txn_create((struct pgid){{0}, 0});
    struct cursor body;
    int rc;

    if (!t)
        return -ENOMEM;
    cur_enter_plain(front, TXN_COMPAT, &body);
    if (front->rc == 0)
        body_decode(&body, t, data);
    rc = t->rc == -ENOMEM ? -ENOMEM : cur_leave(front, &body);
    if (rc == 0 && t->rc < 0)
        rc = -R_MALFORMED;
    if (rc < 0) {
        txn_unref(t);
        return rc;
    }
    *out_txn = t;
    return 0;
}

void crcs_make(uint64_t off, const struct buf *data, uint8_t *out)
{
    struct writer w = wr_over(out, 4 * (size_t)crc_count(off, data->bytes));

    for (uint64_t at = 0; at < data->bytes;) {
        uint64_t n = MIN(STORE_BLOCK - (off + at) % STORE_BLOCK, data->bytes - at);

        wr_u32(&w, buf_crc32c(data, at, n));
        at += n;
    }
}

int crcs_check(uint64_t off, const struct buf *data, const uint8_t *crcs)
{
    struct cursor c = cur_over(crcs, 4 * (size_t)crc_count(off, data->bytes));

    for (uint64_t at = 0; at < data->bytes;) {
        uint64_t n = MIN(STORE_BLOCK - (off + at) % STORE_BLOCK, data->bytes - at);

        if (cur_u32(&c) != buf_crc32c(data, at, n))
            return -R_CSUM_MISMATCH;
        at += n;
    }
    return 0;
}
