/* fake_ops.c - building an operation on the cluster in memory, and reading its results. */
#include "tests/unit/s3/bucket/fake_int.h"

struct cairn_op *cairn_op_create(void)
{
    struct cairn_op *op = mem_zalloc(sizeof(*op));

    if (!op)
        return NULL;
    op->run = calloc(1, sizeof(*op->run));
    list_push_back(&fake_unsent, &op->run->link);
    return op;
}

void fake_run_free(struct frun *run)
{
    list_remove(&run->link);
    for (unsigned i = 0; i < run->steps; i++) {
        struct fstep *st = &run->step[i];

        fake_row_free(&st->kv);
        fake_rows_free(&st->pairs);
        fake_rows_free(&st->out);
        free(st->data);
    }
    free(run->step);
    free(run->name);
    free(run);
}

void cairn_op_destroy(struct cairn_op *op)
{
    struct frun *run;

    if (!op)
        return;
    run = op->run;
    ASSERT(!run->submitted);
    for (unsigned i = 0; i < run->steps; i++)
        buf_fini(&run->step[i].buf);
    run->op = NULL;
    run->destroyed = true;
    if (!run->pending)
        fake_run_free(run);
    mem_free(op); /* the run may be executed yet: it stays with the cluster */
}

static struct fstep *step_add(struct cairn_op *op, enum kind kind)
{
    struct frun *run = op->run;
    struct fstep *st;
    uint8_t *probe = mem_alloc(16); /* as the real one: a builder may lack memory */

    if (!probe && op->rc == 0)
        op->rc = -ENOMEM;
    mem_free(probe);
    /* guards, then reads or writes: the real one refuses both together */
    if (op->rc == 0 &&
        (run->steps == STEPS ||
         (run->steps && run->step[run->steps - 1].kind > CMP_OMAP && kind <= CMP_OMAP) ||
         (run->steps && run->step[run->steps - 1].kind > CMP_OMAP &&
          (run->step[run->steps - 1].kind >= FIRST_WRITE) != (kind >= FIRST_WRITE))))
        op->rc = -EINVAL;
    if (op->rc < 0) {
        ASSERT(op->rc == -ENOMEM);
        return NULL;
    }
    if (run->steps == run->cap) {
        run->cap = run->cap ? 4 * run->cap : 4;
        run->step = realloc(run->step, run->cap * sizeof(*run->step));
    }
    st = &run->step[run->steps++];
    memset(st, 0, sizeof(*st));
    st->kind = kind;
    return st;
}

static int kv_add(struct cairn_op *op, enum kind kind, const void *key, size_t key_bytes,
                  const void *value, size_t value_bytes)
{
    struct fstep *st = step_add(op, kind);

    if (!st)
        return op->rc;
    ASSERT(kind == OMAP_RANGE || kind == OMAP_RM_RANGE || kind == WRITE_FULL ||
           (key_bytes > 0 && key_bytes <= 4096));
    ASSERT(value_bytes <= (kind == XATTR_SET || kind == CMP_XATTR ? 65536u : 1u << 20) ||
           kind == WRITE_FULL);
    st->kv = (struct fake_row){fake_dup(key, key_bytes), fake_dup(value, value_bytes), key_bytes,
                               value_bytes};
    return (int)op->run->steps - 1;
}

static int pairs_add(struct cairn_op *op, enum kind kind, const struct cairn_pair *pairs,
                     size_t count)
{
    struct fstep *st = step_add(op, kind);
    size_t bytes = 0;

    if (!st)
        return op->rc;
    ASSERT(count > 0 && count <= PAIRS_MAX);
    for (size_t i = 0; i < count; i++) {
        ASSERT(pairs[i].key_bytes > 0 && pairs[i].key_bytes <= 4096);
        ASSERT(kind != OMAP_SET || pairs[i].value_bytes <= 1u << 20);
        bytes += 8 + pairs[i].key_bytes + (kind == OMAP_SET ? pairs[i].value_bytes : 0);
        fake_rows_push(&st->pairs, st->pairs.count, pairs[i].key, pairs[i].key_bytes,
                       kind == OMAP_SET ? pairs[i].value : NULL,
                       kind == OMAP_SET ? pairs[i].value_bytes : 0);
    }
    ASSERT(bytes <= 3u << 20);
    return (int)op->run->steps - 1;
}

int cairn_op_assert_exists(struct cairn_op *op)
{
    return step_add(op, ASSERT_EXISTS) ? (int)op->run->steps - 1 : op->rc;
}

int cairn_op_cmp_xattr(struct cairn_op *op, const char *name, enum cairn_cmp cmp, const void *value,
                       size_t bytes)
{
    int n = kv_add(op, CMP_XATTR, name, strlen(name), value, bytes);

    if (n >= 0)
        op->run->step[n].cmp = cmp;
    return n;
}

int cairn_op_cmp_omap(struct cairn_op *op, const void *key, size_t key_bytes, enum cairn_cmp cmp,
                      const void *value, size_t bytes)
{
    int n = kv_add(op, CMP_OMAP, key, key_bytes, value, bytes);

    if (n >= 0)
        op->run->step[n].cmp = cmp;
    return n;
}

int cairn_op_read(struct cairn_op *op, uint64_t off, uint64_t len)
{
    struct fstep *st = step_add(op, READ);

    if (!st)
        return op->rc;
    st->off = off;
    st->len = len;
    return (int)op->run->steps - 1;
}

int cairn_op_stat(struct cairn_op *op)
{
    return step_add(op, STAT) ? (int)op->run->steps - 1 : op->rc;
}

int cairn_op_xattr_get(struct cairn_op *op, const char *name)
{
    return kv_add(op, XATTR_GET, name, strlen(name), NULL, 0);
}

int cairn_op_omap_get(struct cairn_op *op, const struct cairn_pair *keys, size_t count)
{
    return pairs_add(op, OMAP_GET, keys, count);
}

int cairn_op_omap_range(struct cairn_op *op, const void *from, size_t from_bytes, const void *to,
                        size_t to_bytes, uint32_t rows_max)
{
    int n = kv_add(op, OMAP_RANGE, from, from_bytes, to, to_bytes);

    ASSERT(rows_max > 0 && rows_max <= PAIRS_MAX);
    if (n >= 0)
        op->run->step[n].rows_max = rows_max;
    return n;
}

int cairn_op_write_full_buf(struct cairn_op *op, const struct buf *data)
{
    uint8_t *flat = malloc(data->bytes + 1);
    int n;

    buf_copy_out(data, 0, flat, data->bytes);
    n = kv_add(op, WRITE_FULL, NULL, 0, flat, data->bytes);
    free(flat);
    return n;
}

int cairn_op_delete(struct cairn_op *op)
{
    return step_add(op, DELETE) ? (int)op->run->steps - 1 : op->rc;
}

int cairn_op_xattr_set(struct cairn_op *op, const char *name, const void *value, size_t bytes)
{
    return kv_add(op, XATTR_SET, name, strlen(name), value, bytes);
}

int cairn_op_xattr_add(struct cairn_op *op, const char *name, const int64_t *numbers, size_t count)
{
    return kv_add(op, XATTR_ADD, name, strlen(name), numbers, 8 * count);
}

int cairn_op_omap_rm_range(struct cairn_op *op, const void *from, size_t from_bytes, const void *to,
                           size_t to_bytes)
{
    return kv_add(op, OMAP_RM_RANGE, from, from_bytes, to, to_bytes);
}

int cairn_op_omap_clear(struct cairn_op *op)
{
    return kv_add(op, OMAP_RM_RANGE, NULL, 0, NULL, 0);
}

int cairn_op_omap_set(struct cairn_op *op, const struct cairn_pair *pairs, size_t count)
{
    return pairs_add(op, OMAP_SET, pairs, count);
}

int cairn_op_omap_rm(struct cairn_op *op, const struct cairn_pair *keys, size_t count)
{
    return pairs_add(op, OMAP_RM, keys, count);
}

void cairn_op_frees(struct cairn_op *op)
{
    op->run->frees = true;
}

void cairn_op_timeout(struct cairn_op *op, uint32_t ms)
{
    op->run->timeout_ms = ms;
}

/* ---- results ---- */

int cairn_op_code(const struct cairn_op *op)
{
    return op->rc;
}

int cairn_op_failed_step(const struct cairn_op *op)
{
    for (unsigned i = 0; op->rc < 0 && i < op->run->steps; i++)
        if (op->run->step[i].rc == op->rc)
            return (int)i;
    return -1;
}

static const struct fstep *step_of(const struct cairn_op *op, int step)
{
    return step >= 0 && (unsigned)step < op->run->steps ? &op->run->step[step] : NULL;
}

const struct buf *cairn_op_data_buf(const struct cairn_op *op, int step)
{
    static const struct buf empty = {0};
    const struct fstep *st = step_of(op, step);

    return st ? &st->buf : &empty;
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
    const struct fstep *st = step_of(op, step);

    if (out_more)
        *out_more = st && st->more;
    return st ? st->out.count : 0;
}

struct cairn_pair cairn_op_pair(const struct cairn_op *op, int step, size_t i)
{
    const struct fake_row *r = &step_of(op, step)->out.row[i];

    return (struct cairn_pair){r->key, r->key_bytes, r->value, r->value_bytes};
}
