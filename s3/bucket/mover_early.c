/* mover_early.c - inline data goes to the other shard before the range is marked.
 *
 * The data beside an entry is most of what a shard holds, and never changes: another version has
 * another uuid.  So it is copied while everybody goes on writing, in small pages, and it is noted
 * which version of which key was; under the mark only entries and other small rows are read
 * (mover_copy.c), and the few keys that were written meanwhile are told by their versions.
 *
 * What is copied here is nobody's, as all rows of a shard that is IN: a batch that is taken back
 * leaves nothing of it.  Each page is read under the source's row and written under the
 * destination's, so whatever happens to either ends the batch. */
#include "s3/bucket/mover_int.h"

enum { PAGE_BYTES = 256 << 10, ROWS_FIRST = 32, ROWS_MAX = 1000 };

static void page_ask(struct mover *m);

/* ---- before the mark ---- */

static int note(struct mover *m, struct bytes key, const struct uuid *version)
{
    struct early *e;

    if (m->early_count == m->early_cap) {
        uint32_t cap = m->early_cap ? 2 * m->early_cap : 1024;

        e = mem_realloc(m->early, cap * sizeof(*e));
        if (!e)
            return -ENOMEM;
        m->early = e;
        m->early_cap = cap;
    }
    e = &m->early[m->early_count];
    e->version = *version;
    if (bytes_dup(&m->batch, key, &e->key) < 0)
        return -ENOMEM;
    m->early_count++;
    return 0;
}

static void page_sent(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, write);

    if (c->code < 0 || !m->early_more)
        m->early_done(m, c->code);
    else
        page_ask(m);
}

/* Pages are of so many rows: as many as make about PAGE_BYTES. */
static void rows_adapt(struct mover *m, uint64_t bytes)
{
    if (bytes < PAGE_BYTES / 2)
        m->early_rows = MIN(2 * m->early_rows, (uint32_t)ROWS_MAX);
    else if (bytes > PAGE_BYTES)
        m->early_rows = MAX(m->early_rows / 2, 1u);
}

static int page_send(struct mover *m, size_t n)
{
    struct cairn_pair *pairs = mem_calloc(n, sizeof(*pairs));
    struct cairn_op *op = call_begin(&m->write, CALL_INDEX);
    uint64_t bytes = 0;
    int rc = pairs ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && rc == 0; i++) {
        struct bytes data;
        struct uuid version;

        pairs[i] = cairn_op_pair(m->read.op, 1, i);
        rc = inline_row_decode(pair_value(pairs[i]), &version, &data);
        if (rc == 0)
            rc = note(m, pair_key(pairs[i]), &version);
        bytes += pairs[i].key_bytes + pairs[i].value_bytes;
    }
    name_shard(m->write.name, &m->job.id, m->dst_no);
    if (op && rc == 0) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, m->dst->value, m->dst->bytes);
        cairn_op_omap_set(op, pairs, n);
    }
    mem_free(pairs);
    rows_adapt(m, bytes);
    return rc;
}

static void page_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, read);
    size_t n = c->code == 0 ? cairn_op_pair_count(c->op, 1, &m->early_more) : 0;
    struct bytes last;
    int rc = c->code;

    if (rc < 0 || n == 0) {
        m->early_done(m, rc);
        return;
    }
    rc = page_send(m, n);
    last = pair_key(cairn_op_pair(c->op, 1, n - 1));
    memcpy(m->at.b, last.data, last.len);
    m->at.len = last.len;
    m->at.b[m->at.len++] = 0;
    call_submit_if(&m->write, rc, page_sent);
}

static void page_ask(struct mover *m)
{
    struct cairn_op *op = call_begin(&m->read, CALL_INDEX);

    name_shard(m->read.name, &m->job.id, m->src_no);
    if (op) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, m->src->value, m->src->bytes);
        cairn_op_omap_range(op, m->at.b, m->at.len, m->to.b, m->to.len, m->early_rows);
    }
    call_submit(&m->read, page_came);
}

void mover_early(struct mover *m, void (*done)(struct mover *m, int rc))
{
    arena_fini(&m->batch);
    m->early_count = 0;
    m->early_rows = ROWS_FIRST;
    m->early_done = done;
    mover_letter(m, ROW_DATA);
    page_ask(m);
}

/* ---- under the mark ---- */

void early_begin(struct mover *m)
{
    m->early_at = m->fetch_count = m->gone_count = 0;
}

static int push(struct mover *m, struct cairn_pair **at, uint32_t *count, uint32_t *cap,
                struct bytes key)
{
    struct bytes copy;

    if (*count == *cap) {
        uint32_t more = *cap ? 2 * *cap : 64;
        struct cairn_pair *p = mem_realloc(*at, more * sizeof(*p));

        if (!p)
            return -ENOMEM;
        *at = p;
        *cap = more;
    }
    if (bytes_dup(&m->batch, key, &copy) < 0)
        return -ENOMEM;
    (*at)[(*count)++] = pair_of(copy, (struct bytes){0});
    return 0;
}

/* The data of a key that is not here, or no longer of that version. */
static int fetch(struct mover *m, struct bytes key)
{
    return push(m, &m->fetch, &m->fetch_count, &m->fetch_cap, key);
}

static int gone(struct mover *m, struct bytes key)
{
    return push(m, &m->gone, &m->gone_count, &m->gone_cap, key);
}

int early_entry(struct mover *m, struct bytes key, const struct entry_row *e)
{
    struct row_key data;
    const struct early *early;
    int order = 1, rc = 0;

    row_key_named(&data, ROW_DATA, key);
    for (; m->early_at < m->early_count && rc == 0; m->early_at++) {
        early = &m->early[m->early_at];
        order = bytes_compare(early->key, key_bytes(&data));
        if (order >= 0)
            break;
        rc = gone(m, early->key); /* its entry was deleted */
    }
    if (rc < 0)
        return rc;
    if (m->early_at == m->early_count || order != 0)
        return e->place == ENTRY_INLINE ? fetch(m, key_bytes(&data)) : 0;
    early = &m->early[m->early_at++];
    if (e->place != ENTRY_INLINE)
        return gone(m, early->key);
    return uuid_equal(&early->version, &e->version) ? 0 : fetch(m, early->key);
}

int early_end(struct mover *m)
{
    int rc = 0;

    for (; m->early_at < m->early_count && rc == 0; m->early_at++)
        rc = gone(m, m->early[m->early_at].key);
    return rc;
}
