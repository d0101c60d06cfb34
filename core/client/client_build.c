/* client_build.c - building operations, and reading their results. */
#include "core/client/client_int.h"

static struct bytes bytes_of(const void *data, size_t bytes)
{
    return (struct bytes){data, (uint32_t)bytes};
}

struct cairn_op *cairn_op_create(void)
{
    struct cairn_op *op = mem_zalloc(sizeof(*op));

    if (op) {
        steps_init(&op->steps);
        list_init(&op->link);
    }
    return op;
}

void cairn_op_destroy(struct cairn_op *op)
{
    if (!op)
        return;
    ASSERT(op->where == OP_IDLE);
    msg_free(op->reply ? &op->reply->base : NULL);
    oid_fini(&op->oid);
    steps_fini(&op->steps);
    mem_free(op);
}

/* The number of the step just added, or why it could not be. */
static int added(struct cairn_op *op, const struct step *st)
{
    if (!st || op->steps.rc < 0)
        return reason_errno(op->steps.rc);
    return (int)op->steps.count - 1;
}

static int failed(struct cairn_op *op, int rc)
{
    if (op->steps.rc == 0)
        op->steps.rc = rc;
    return reason_errno(rc);
}

static int plain_add(struct cairn_op *op, uint8_t kind, uint64_t off, uint64_t len)
{
    struct step *st = steps_add(&op->steps, kind);

    if (st) {
        st->off = off;
        st->len = len;
    }
    return added(op, st);
}

/* Lengths beyond 32 bits are cut by struct bytes: refuse them here. */
static int key_add(struct cairn_op *op, uint8_t kind, uint8_t cmp, const void *key,
                   size_t key_bytes, const void *value, size_t value_bytes)
{
    struct step *st;

    if (key_bytes > UINT32_MAX || value_bytes > UINT32_MAX)
        return failed(op, -E2BIG);
    st = steps_add(&op->steps, kind);
    if (st) {
        st->cmp = cmp;
        st->key = steps_dup(&op->steps, bytes_of(key, key_bytes));
        st->value = steps_dup(&op->steps, bytes_of(value, value_bytes));
    }
    return added(op, st);
}

static int pairs_add(struct cairn_op *op, uint8_t kind, const struct cairn_pair *pairs,
                     size_t count)
{
    struct step_pair *rows;
    struct step *st;
    int rc;

    if (count == 0 || count > STEP_PAIRS_MAX)
        return failed(op, count ? -E2BIG : -EINVAL);
    rows = mem_calloc(count, sizeof(*rows));
    st = rows ? steps_add(&op->steps, kind) : NULL;
    for (size_t i = 0; st && i < count; i++)
        rows[i] = (struct step_pair){bytes_of(pairs[i].key, pairs[i].key_bytes),
                                     bytes_of(pairs[i].value, pairs[i].value_bytes)};
    rc = !rows ? -ENOMEM
         : st  ? step_pairs_set(&op->steps, st, rows, (uint32_t)count)
               : op->steps.rc;
    mem_free(rows);
    return rc < 0 ? failed(op, rc) : added(op, st);
}

static int buf_add(struct cairn_op *op, uint8_t kind, uint64_t off, const struct buf *data)
{
    struct step *st;
    int rc;

    if (data->bytes > CAIRN_OBJECT_BYTES_MAX)
        return failed(op, -EFBIG);
    st = steps_add(&op->steps, kind);
    if (!st)
        return added(op, st);
    st->off = off;
    rc = step_data_set(&op->steps, st, data);
    return rc < 0 ? failed(op, rc) : added(op, st);
}

static int data_add(struct cairn_op *op, uint8_t kind, uint64_t off, const void *data, size_t bytes)
{
    AUTO(buf) b = {0};

    if (bytes > CAIRN_OBJECT_BYTES_MAX)
        return failed(op, -EFBIG);
    if (bytes && buf_append_copy(&b, data, bytes) < 0)
        return failed(op, -ENOMEM);
    return buf_add(op, kind, off, &b);
}

int cairn_op_assert_exists(struct cairn_op *op)
{
    return plain_add(op, STEP_ASSERT_EXISTS, 0, 0);
}

int cairn_op_assert_absent(struct cairn_op *op)
{
    return plain_add(op, STEP_ASSERT_ABSENT, 0, 0);
}

int cairn_op_assert_version(struct cairn_op *op, uint32_t epoch, uint64_t seq)
{
    struct step *st = steps_add(&op->steps, STEP_ASSERT_VERSION);

    if (st)
        st->version = (struct version){{epoch}, seq};
    return added(op, st);
}

int cairn_op_cmp_xattr(struct cairn_op *op, const char *name, enum cairn_cmp cmp, const void *value,
                       size_t bytes)
{
    return key_add(op, STEP_CMP_XATTR, (uint8_t)cmp, name, strlen(name), value, bytes);
}

int cairn_op_cmp_omap(struct cairn_op *op, const void *key, size_t key_bytes, enum cairn_cmp cmp,
                      const void *value, size_t bytes)
{
    return key_add(op, STEP_CMP_OMAP, (uint8_t)cmp, key, key_bytes, value, bytes);
}

int cairn_op_read(struct cairn_op *op, uint64_t off, uint64_t len)
{
    return plain_add(op, STEP_READ, off, len);
}

int cairn_op_extents(struct cairn_op *op, uint64_t off, uint64_t len)
{
    return plain_add(op, STEP_EXTENTS, off, len);
}

int cairn_op_stat(struct cairn_op *op)
{
    return plain_add(op, STEP_STAT, 0, 0);
}

int cairn_op_xattr_get(struct cairn_op *op, const char *name)
{
    return key_add(op, STEP_XATTR_GET, 0, name, strlen(name), NULL, 0);
}

int cairn_op_xattr_list(struct cairn_op *op)
{
    return plain_add(op, STEP_XATTR_LIST, 0, 0);
}

int cairn_op_omap_get(struct cairn_op *op, const struct cairn_pair *keys, size_t count)
{
    return pairs_add(op, STEP_OMAP_GET, keys, count);
}

int cairn_op_omap_range(struct cairn_op *op, const void *from, size_t from_bytes, const void *to,
                        size_t to_bytes, uint32_t rows_max)
{
    int n = key_add(op, STEP_OMAP_RANGE, 0, from, from_bytes, to, to_bytes);

    if (n >= 0)
        op->steps.step[n].rows_max = rows_max;
    return n;
}

int cairn_op_create_object(struct cairn_op *op, bool exclusive)
{
    int n = plain_add(op, STEP_CREATE, 0, 0);

    if (n >= 0 && exclusive)
        op->steps.step[n].flags |= STEP_EXCLUSIVE;
    return n;
}

int cairn_op_write(struct cairn_op *op, uint64_t off, const void *data, size_t bytes)
{
    return data_add(op, STEP_WRITE, off, data, bytes);
}

int cairn_op_write_full(struct cairn_op *op, const void *data, size_t bytes)
{
    return data_add(op, STEP_WRITE_FULL, 0, data, bytes);
}

int cairn_op_write_buf(struct cairn_op *op, uint64_t off, const struct buf *data)
{
    return buf_add(op, STEP_WRITE, off, data);
}

int cairn_op_write_full_buf(struct cairn_op *op, const struct buf *data)
{
    return buf_add(op, STEP_WRITE_FULL, 0, data);
}

int cairn_op_append(struct cairn_op *op, const void *data, size_t bytes)
{
    return data_add(op, STEP_APPEND, 0, data, bytes);
}

int cairn_op_truncate(struct cairn_op *op, uint64_t bytes)
{
    return plain_add(op, STEP_TRUNCATE, bytes, 0);
}

int cairn_op_zero(struct cairn_op *op, uint64_t off, uint64_t len)
{
    return plain_add(op, STEP_ZERO, off, len);
}

int cairn_op_delete(struct cairn_op *op)
{
    return plain_add(op, STEP_DELETE, 0, 0);
}

int cairn_op_xattr_set(struct cairn_op *op, const char *name, const void *value, size_t bytes)
{
    return key_add(op, STEP_XATTR_SET, 0, name, strlen(name), value, bytes);
}

int cairn_op_xattr_rm(struct cairn_op *op, const char *name)
{
    return key_add(op, STEP_XATTR_RM, 0, name, strlen(name), NULL, 0);
}

int cairn_op_xattr_add(struct cairn_op *op, const char *name, const int64_t *numbers, size_t count)
{
    uint8_t value[8 * STEP_COUNTERS_MAX];
    struct writer w = wr_over(value, sizeof(value));

    if (count > STEP_COUNTERS_MAX)
        return failed(op, -E2BIG);
    for (size_t i = 0; i < count; i++)
        wr_u64(&w, (uint64_t)numbers[i]);
    return key_add(op, STEP_XATTR_ADD, 0, name, strlen(name), value, w.len);
}

int cairn_op_omap_set(struct cairn_op *op, const struct cairn_pair *pairs, size_t count)
{
    return pairs_add(op, STEP_OMAP_SET, pairs, count);
}

int cairn_op_omap_rm(struct cairn_op *op, const struct cairn_pair *keys, size_t count)
{
    return pairs_add(op, STEP_OMAP_RM, keys, count);
}

int cairn_op_omap_rm_range(struct cairn_op *op, const void *from, size_t from_bytes, const void *to,
                           size_t to_bytes)
{
    return key_add(op, STEP_OMAP_RM_RANGE, 0, from, from_bytes, to, to_bytes);
}

int cairn_op_omap_clear(struct cairn_op *op)
{
    return plain_add(op, STEP_OMAP_CLEAR, 0, 0);
}

void cairn_op_frees(struct cairn_op *op)
{
    for (uint32_t i = 0; i < op->steps.count; i++) {
        struct step *st = &op->steps.step[i];

        if (st->kind == STEP_XATTR_SET || st->kind == STEP_XATTR_ADD || st->kind == STEP_OMAP_SET)
            st->flags |= STEP_FREES;
    }
}

void cairn_op_timeout(struct cairn_op *op, uint32_t ms)
{
    op->timeout_ms = ms;
}

/* ---- results ---- */

static const struct step_result *result_of(const struct cairn_op *op, int step)
{
    if (!op->reply || step < 0 || (uint32_t)step >= op->reply->results.count)
        return NULL;
    return &op->reply->results.result[step];
}

int cairn_op_code(const struct cairn_op *op)
{
    return op->code;
}

int cairn_op_rc(const struct cairn_op *op)
{
    return reason_errno(op->code);
}

const char *cairn_op_reason(const struct cairn_op *op)
{
    return reason_name(op->code);
}

int cairn_op_failed_step(const struct cairn_op *op)
{
    if (op->code < 0 && op->reply)
        for (uint32_t i = 0; i < op->reply->results.count; i++)
            if (op->reply->results.result[i].rc == op->code)
                return (int)i;
    return -1;
}

int cairn_op_step_rc(const struct cairn_op *op, int step)
{
    const struct step_result *r = result_of(op, step);

    return r ? reason_errno(r->rc) : cairn_op_rc(op);
}

const struct buf *cairn_op_data_buf(const struct cairn_op *op, int step)
{
    static const struct buf empty = {0};
    const struct step_result *r = result_of(op, step);

    return r ? &r->data : &empty;
}

size_t cairn_op_data_bytes(const struct cairn_op *op, int step)
{
    return cairn_op_data_buf(op, step)->bytes;
}

size_t cairn_op_data(const struct cairn_op *op, int step, size_t off, void *dst, size_t bytes)
{
    const struct buf *b = cairn_op_data_buf(op, step);

    if (off >= b->bytes)
        return 0;
    bytes = MIN(bytes, b->bytes - off);
    buf_copy_out(b, off, dst, bytes);
    return bytes;
}

size_t cairn_op_pair_count(const struct cairn_op *op, int step, bool *out_more)
{
    const struct step_result *r = result_of(op, step);

    if (out_more)
        *out_more = r && r->more;
    return r ? r->pair_count : 0;
}

struct cairn_pair cairn_op_pair(const struct cairn_op *op, int step, size_t i)
{
    const struct step_result *r = result_of(op, step);
    const struct step_pair *p;

    if (!r || i >= r->pair_count)
        return (struct cairn_pair){0};
    p = &r->pairs[i];
    return (struct cairn_pair){p->key.data, p->key.len, p->value.data, p->value.len};
}

int cairn_op_stat_result(const struct cairn_op *op, int step, struct cairn_stat *out_stat)
{
    const struct step_result *r = result_of(op, step);

    if (!r || r->rc < 0)
        return cairn_op_step_rc(op, step);
    *out_stat = (struct cairn_stat){.bytes = r->size,
                                    .mtime_ns = r->mtime_wall_ns,
                                    .version_epoch = r->version.epoch.v,
                                    .version_seq = r->version.seq};
    return 0;
}
