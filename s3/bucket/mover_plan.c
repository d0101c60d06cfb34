/* mover_plan.c - which keys go with which batch.
 *
 * The entries are read once, while everybody goes on working: a border every so many keys or bytes.
 * A split gives away what is behind the middle, the last batch first, so that at every moment the
 * two shards meet at one key; a merge takes from the lower end.  What is written meanwhile makes
 * batches larger or smaller, not wrong. */
#include "s3/bucket/mover_int.h"

enum {
    PLAN_ROWS = 1000,
    GRAIN_BYTES = 512 << 10,
    GRAIN_MARKED_BYTES = 64 << 10 /* copied under the mark */
};

static void page_read(struct call *c);

/* Fine enough to find the middle. */
static bool grain_full(const struct mover *m)
{
    const struct bucket_conf *c = &m->l->conf;
    uint64_t keys = MIN(c->split_batch_keys / GRAINS, c->shard_entries_max / 16);
    uint64_t bytes = MIN((uint64_t)GRAIN_BYTES, c->shard_bytes_max / 16);

    return m->seen - m->grain_at >= MAX(keys, (uint64_t)1) ||
           m->seen_bytes - m->grain_at_bytes >= bytes || m->grain_marked >= GRAIN_MARKED_BYTES;
}

/* Too many: every second one goes, and from now on they are wider apart. */
static void borders_thin(struct mover *m)
{
    uint32_t kept = 0;

    for (uint32_t i = 1; i < m->border_count; i += 2)
        m->border[kept++] = m->border[i];
    m->border_count = kept;
}

static int border_add(struct mover *m, struct bytes key)
{
    struct border *b;

    if (m->border_count == BORDERS_MAX)
        borders_thin(m);
    b = &m->border[m->border_count];
    b->entries = m->seen;
    b->bytes = m->seen_bytes;
    m->grain_at = m->seen;
    m->grain_at_bytes = m->seen_bytes;
    m->grain_marked = 0;
    if (bytes_dup(&m->arena, key, &b->key) < 0)
        return -ENOMEM;
    m->border_count++;
    return 0;
}

static int entry_plan(struct mover *m, struct cairn_pair p)
{
    struct bytes key = {pair_key(p).data + 1, pair_key(p).len - 1};
    struct shard_count n;
    struct entry_row e;
    int rc = entry_row_decode(pair_value(p), &e);

    if (rc == 0 && m->seen && grain_full(m))
        rc = border_add(m, key);
    if (rc < 0)
        return rc;
    n = entry_count(key.len, (uint32_t)p.value_bytes, &e);
    m->seen++;
    m->seen_bytes += n.row_bytes;
    m->grain_marked += e.place == ENTRY_INLINE ? key.len + p.value_bytes : n.row_bytes;
    return 0;
}

/* A split begins behind half of what counts: keys, or bytes when these are what is too much. */
static int plan_end(struct mover *m)
{
    bool by_keys = m->seen >= m->l->conf.shard_entries_max;

    m->first = 0;
    m->end = m->border_count;
    if (m->job.merge)
        return 0;
    while (m->first < m->end && (by_keys ? 2 * m->border[m->first].entries < m->seen
                                         : 2 * m->border[m->first].bytes < m->seen_bytes))
        m->first++;
    return m->first < m->end ? 0 : -R_NO_KEY; /* one key holds it all: nothing to part */
}

static void page_ask(struct mover *m)
{
    struct cairn_op *op = call_begin(&m->call, CALL_INDEX);
    struct bytes to = m->src->row.to;
    struct row_key end;

    name_shard(m->call.name, &m->job.id, m->src_no);
    row_key_named(&end, (enum row_prefix)(ROW_ENTRY + (to.len ? 0 : 1)), to);
    if (op)
        cairn_op_omap_range(op, m->from.b, m->from.len, end.b, end.len, PLAN_ROWS);
    call_submit(&m->call, page_read);
}

static void page_read(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    bool more = false;
    size_t n = c->code == 0 ? cairn_op_pair_count(c->op, 0, &more) : 0;
    int rc = c->code;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = entry_plan(m, cairn_op_pair(c->op, 0, i));
    if (rc == 0 && more && n) {
        struct bytes last = pair_key(cairn_op_pair(c->op, 0, n - 1));

        memcpy(m->from.b, last.data, last.len);
        m->from.len = last.len;
        m->from.b[m->from.len++] = 0;
        page_ask(m);
        return;
    }
    m->planned(m, rc < 0 ? rc : plan_end(m));
}

void mover_plan(struct mover *m, void (*done)(struct mover *m, int rc))
{
    m->planned = done;
    arena_fini(&m->arena);
    m->border_count = 0;
    m->seen = m->seen_bytes = m->grain_at = m->grain_at_bytes = m->grain_marked = 0;
    row_key_named(&m->from, ROW_ENTRY, m->src->row.from);
    if (!m->border)
        m->border = mem_calloc(BORDERS_MAX, sizeof(*m->border));
    if (!m->border)
        done(m, -ENOMEM);
    else
        page_ask(m);
}

static void bound_set(uint8_t *to, uint32_t *bytes, struct bytes from)
{
    if (from.len)
        memcpy(to, from.data, from.len);
    *bytes = from.len;
}

bool mover_batch(struct mover *m)
{
    const struct shard_row *src = &m->src->row;

    if (src->state != SHARD_OPEN)
        return false;
    if (m->job.merge) { /* from the lower end, up to a border or all that is left */
        uint32_t at;

        bound_set(m->lo, &m->lo_bytes, src->from);
        while (m->first < m->end && bytes_compare(m->border[m->first].key, src->from) <= 0)
            m->first++;
        at = m->first + m->grains - 1;
        bound_set(m->hi, &m->hi_bytes, at < m->end ? m->border[at].key : src->to);
        return true;
    }
    while (m->end > m->first && bytes_compare(m->border[m->first].key, src->from) <= 0)
        m->first++; /* it has given its lower end away since: some of it must stay */
    while (m->end > m->first && src->to.len &&
           bytes_compare(m->border[m->end - 1].key, src->to) >= 0)
        m->end--;
    if (m->end <= m->first)
        return false;
    bound_set(m->hi, &m->hi_bytes, src->to);
    bound_set(m->lo, &m->lo_bytes, m->border[MAX(m->end, m->first + m->grains) - m->grains].key);
    return true;
}
