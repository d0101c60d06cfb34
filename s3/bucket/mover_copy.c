/* mover_copy.c - the rows of a batch go to the other shard, while its writers wait.
 *
 * Inline data is there already (mover_early.c), but for the keys that were written since.  The rest
 * is read from the source, under its mark, and written to the destination, under its row; the
 * last write says that all are there.  Mostly that is one read of all letters and one write; what
 * is too much for an answer goes letter by letter and page by page.  Rows with a date get the
 * destination's present epoch: they were written before now, so this is late enough for any reader
 * and writer who counts on them, and dates of different shards are never compared. */
#include "s3/bucket/mover_int.h"

/* ROW_PREFIXES but that of inline data. */
static const char letters[] = {ROW_RESULT,   ROW_ENTRY, ROW_GARBAGE, ROW_INTENT,
                               ROW_MANIFEST, ROW_PART,  ROW_UPLOAD,  0};

enum {
    COPY_ROWS = 1000,
    COPY_BYTES = 768 << 10,
    COPY_STEPS = 40,
    FETCH_KEYS = 64, /* of inline data: at most 1 MiB */
    LETTERS = sizeof(letters) - 1
};
static_assert(sizeof(letters) + 1 == sizeof(ROW_PREFIXES), "all letters but one");

static void letter_read(struct mover *m);
static void data_read(struct mover *m);

static void copy_end(struct mover *m, int rc)
{
    m->out = NULL;
    m->copied_all(m, rc);
}

/* ---- writing ---- */

static void out_begin(struct mover *m)
{
    m->out = call_begin(&m->write, CALL_INDEX);
    m->out_rows = 0;
    m->out_bytes = 0;
    name_shard(m->write.name, &m->job.id, m->dst_no);
    if (m->out)
        cairn_op_cmp_xattr(m->out, "shard", CAIRN_EQ, m->dst->value, m->dst->bytes);
}

static void flushed(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, write);

    if (c->code < 0) {
        copy_end(m, c->code);
        return;
    }
    out_begin(m);
    letter_read(m);
}

static void completed(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, write);
    struct shard_row next;
    int rc = c->code;

    if (rc == 0)
        rc = move_complete(&m->dst->row, &m->copied, &next);
    if (rc == 0)
        rc = shard_view_next(&m->dst, &next);
    copy_end(m, rc);
}

static void complete(struct mover *m)
{
    struct shard_row next;
    AUTO(writer) w = {0};
    int rc = move_complete(&m->dst->row, &m->copied, &next);

    if (rc == 0) {
        shard_row_encode(&next, &w);
        rc = w.rc;
    }
    if (m->out && rc == 0) {
        if (m->gone_count)
            cairn_op_omap_rm(m->out, m->gone, m->gone_count);
        cairn_op_xattr_set(m->out, "shard", w.data, w.len);
    }
    call_submit_if(&m->write, rc, completed);
}

/* ---- rows ---- */

/* The value with the destination's epoch, in the arena. */
static int dated(struct mover *m, struct bytes value, bool intent, struct bytes *out_value)
{
    struct garbage_row g;
    struct intent_row i;
    AUTO(writer) w = {0};
    int rc = intent ? intent_row_decode(value, &i) : garbage_row_decode(value, &g);

    if (rc < 0)
        return rc;
    if (intent) {
        i.epoch = m->dst->row.epoch;
        intent_row_encode(&i, &w);
    } else {
        g.epoch = m->dst->row.epoch;
        garbage_row_encode(&g, &w);
    }
    return w.rc < 0 ? w.rc : bytes_dup(&m->arena, written(&w), out_value);
}

static int row_copy(struct mover *m, struct cairn_pair from, struct cairn_pair *to)
{
    struct bytes key = pair_key(from), value = pair_value(from);
    struct shard_count n;
    struct entry_row e;
    int rc = 0;

    switch (key.data[0]) {
    case ROW_ENTRY:
        rc = entry_row_decode(value, &e);
        if (rc < 0)
            return rc;
        rc = early_entry(m, (struct bytes){key.data + 1, key.len - 1}, &e);
        n = entry_count(key.len - 1, value.len, &e);
        m->copied.entries += n.entries;
        m->copied.object_bytes += n.object_bytes;
        m->copied.row_bytes += n.row_bytes;
        break;
    case ROW_INTENT:
    case ROW_GARBAGE:
        rc = dated(m, value, key.data[0] == ROW_INTENT, &value);
        break;
    default:
        break;
    }
    *to = pair_of(key, value);
    m->out_bytes += key.len + value.len;
    return rc;
}

/* The rows that a step has read. */
static int page_copy(struct mover *m, const struct call *c, int step, size_t n)
{
    struct cairn_pair *pairs = mem_calloc(n, sizeof(*pairs));
    int rc = pairs ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = row_copy(m, cairn_op_pair(c->op, step, i), &pairs[i]);
    if (rc == 0 && m->out)
        cairn_op_omap_set(m->out, pairs, n);
    m->out_rows++;
    mem_free(pairs);
    return rc;
}

/* ---- inline data of keys that were written since ---- */

static void data_flushed(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, write);

    if (c->code < 0) {
        copy_end(m, c->code);
        return;
    }
    out_begin(m);
    data_read(m);
}

static void data_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, read);
    size_t n = c->code == 0 ? cairn_op_pair_count(c->op, 1, NULL) : 0;
    int rc = c->code;

    if (n && rc == 0)
        rc = page_copy(m, c, 1, n);
    if (rc < 0)
        copy_end(m, rc);
    else if (m->out_bytes >= COPY_BYTES)
        call_submit(&m->write, data_flushed);
    else
        data_read(m);
}

static void data_read(struct mover *m)
{
    uint32_t n = MIN(m->fetch_count, (uint32_t)FETCH_KEYS);
    struct cairn_op *op;

    if (n == 0) {
        complete(m);
        return;
    }
    op = call_begin(&m->read, CALL_INDEX);
    name_shard(m->read.name, &m->job.id, m->src_no);
    m->fetch_count -= n;
    if (op) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, m->src->value, m->src->bytes);
        cairn_op_omap_get(op, m->fetch + m->fetch_count, n);
    }
    call_submit(&m->read, data_came);
}

/* All other rows were read. */
static void letters_end(struct mover *m)
{
    int rc = early_end(m);

    if (rc < 0)
        copy_end(m, rc);
    else
        data_read(m);
}

/* ---- reading ---- */

void mover_letter(struct mover *m, enum row_prefix letter)
{
    struct bytes hi = mover_hi(m);

    row_key_named(&m->at, letter, mover_lo(m));
    row_key_named(&m->to, (enum row_prefix)(letter + (hi.len ? 0 : 1)), hi);
}

static void letter_set(struct mover *m)
{
    mover_letter(m, (enum row_prefix) * m->letter);
}

static void page_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, read);
    bool more = false;
    size_t n = c->code == 0 ? cairn_op_pair_count(c->op, 1, &more) : 0;
    int rc = c->code;

    if (n && rc == 0)
        rc = page_copy(m, c, 1, n);
    if (rc < 0) {
        copy_end(m, rc);
        return;
    }
    if (more && n) {
        struct bytes last = pair_key(cairn_op_pair(c->op, 1, n - 1));

        memcpy(m->at.b, last.data, last.len);
        m->at.len = last.len;
        m->at.b[m->at.len++] = 0;
    } else if (*++m->letter) {
        letter_set(m);
    }
    if (m->out_bytes >= COPY_BYTES || m->out_rows >= COPY_STEPS)
        call_submit(&m->write, flushed);
    else
        letter_read(m);
}

static void letter_read(struct mover *m)
{
    struct cairn_op *op;

    if (!*m->letter) {
        letters_end(m);
        return;
    }
    op = call_begin(&m->read, CALL_INDEX);
    name_shard(m->read.name, &m->job.id, m->src_no);
    if (op) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, m->src->value, m->src->bytes);
        cairn_op_omap_range(op, m->at.b, m->at.len, m->to.b, m->to.len, COPY_ROWS);
    }
    call_submit(&m->read, page_came);
}

/* ---- all letters at once ---- */

static void letters_begin(struct mover *m)
{
    m->copied = (struct shard_count){0};
    m->letter = letters;
    letter_set(m);
    out_begin(m);
    early_begin(m);
}

static void all_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, read);
    int rc = c->code;

    for (int step = 1; rc == 0 && step <= LETTERS; step++) {
        bool more = false;
        size_t n = cairn_op_pair_count(c->op, step, &more);

        if (more)
            rc = -E2BIG;
        else if (n)
            rc = page_copy(m, c, step, n);
    }
    if (rc == -E2BIG) {
        letters_begin(m);
        letter_read(m);
    } else if (rc < 0) {
        copy_end(m, rc);
    } else {
        letters_end(m);
    }
}

void mover_copy(struct mover *m, void (*done)(struct mover *m, int rc))
{
    struct cairn_op *op = call_begin(&m->read, CALL_INDEX);

    m->copied_all = done;
    letters_begin(m);
    name_shard(m->read.name, &m->job.id, m->src_no);
    if (op)
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, m->src->value, m->src->bytes);
    for (; *m->letter; m->letter++) {
        letter_set(m);
        if (op)
            cairn_op_omap_range(op, m->at.b, m->at.len, m->to.b, m->to.len, COPY_ROWS);
    }
    call_submit(&m->read, all_came);
}
