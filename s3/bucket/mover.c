/* mover.c - a shard that has grown gives its upper half to a new one; two neighbours that have
 * emptied become one.
 *
 *   SIZE     row and counters of the shard, of both for a merge: is it still so?
 *   PLAN     borders of batches (mover_plan.c)
 *   then for each batch, whose range lies where source and destination meet:
 *   PREPARE  the destination's row: IN.  For a split the first one makes it: note, then object
 *   ANNOUNCE the source's row: SOON.  Other movers keep away
 *   EARLY    inline data (mover_early.c)
 *   MARK     the source's row: OUT.  From here writes of the range wait
 *   COPY     the other rows (mover_copy.c)
 *   FLIP     the source's row: GIVEN, and the range is no longer its own.  This decides
 *   ADOPT    the destination's row: the range is its own.  Writes go on
 *   FINISH   the source's rows of the range away (settle.c)
 *   at last the map (map_fix.c)
 *
 * Anybody may take the mark away before the FLIP (a writer that has waited, a deletion of the
 * bucket): then the batch is tried again, smaller, a few times.  Any failure else ends the job;
 * what it leaves is settled by whoever meets it.  One job at a time; what is asked for meanwhile is
 * remembered, or forgotten: it will be asked for again. */
#include <stdio.h>

#include "s3/bucket/mover_int.h"

enum { FAILURES_MAX = 10, PATIENCE_MAX_MS = 2000, CHECKS = 16, GRAINS_FIRST = 2 };
#define FREEZE_SHORT_NS (15 * NS_PER_MS)
#define FREEZE_LONG_NS  (40 * NS_PER_MS)

static void batch_begin(struct mover *m);
static void job_next(struct mover *m);
static void job_ask(struct mover *m, struct mover_job job);

/* ---- the end of a job ---- */

static void job_end(struct mover *m, int rc)
{
    struct bucket_layer *l = m->l;

    bool told = rc == -ETIMEDOUT; /* by silent.c */

    if (rc < 0 && !told && rc != -R_STOPPED && rc != -R_NO_KEY && rc != -R_GUARD_FAILED)
        log_warn(&l->log, "an index shard could not be split or merged",
                 KV_STR("bucket", m->job.bucket), KV_RC(rc));
    shard_view_unref(TAKE(m->src));
    shard_view_unref(TAKE(m->dst));
    arena_fini(&m->arena);
    arena_fini(&m->batch);
    m->busy = false;
    job_next(m);
    layer_dead(l);
}

static void src_mapped(struct map_fix *f, int rc)
{
    UNUSED(rc); /* the collector does it later */
    job_end(CONTAINER_OF(f, struct mover, fix), 0);
}

static void dst_mapped(struct map_fix *f, int rc)
{
    struct mover *m = CONTAINER_OF(f, struct mover, fix);

    UNUSED(rc);
    if (m->src && map_needs_fix(&m->src->row))
        map_fix_run(&m->fix, m->job.bucket, m->src, src_mapped);
    else
        job_end(m, 0);
}

static void job_done(struct mover *m)
{
    struct mover_job half = m->job;

    counter_add(m->job.merge ? &m->l->n.shard_merges : &m->l->n.shard_splits, 1);
    if (!m->job.merge && m->dst) { /* it may have grown faster than we are */
        job_ask(m, half);
        half.no = m->dst_no;
        job_ask(m, half);
    }
    if (m->dst && map_needs_fix(&m->dst->row))
        map_fix_run(&m->fix, m->job.bucket, m->dst, dst_mapped);
    else
        dst_mapped(&m->fix, 0);
}

/* ---- rows ---- */

static void row_ask(struct mover *m, uint64_t no, void (*done)(struct call *c))
{
    struct cairn_op *op = call_begin(&m->call, CALL_INDEX);

    name_shard(m->call.name, &m->job.id, no);
    if (op) {
        cairn_op_xattr_get(op, "shard");
        cairn_op_xattr_get(op, "count");
    }
    call_submit(&m->call, done);
}

/* A row that was asked for, in no move; with the counters. */
static int row_take(struct mover *m, struct shard_view **view, struct shard_count *out_count)
{
    struct bytes value;
    int rc = m->call.code;

    shard_view_unref(TAKE(*view));
    if (rc == 0)
        rc = call_present(&m->call, 0, &value);
    if (rc == 0)
        *view = shard_view_create(value, &rc);
    if (rc == 0 && ((*view)->row.state != SHARD_OPEN || (*view)->row.move != MOVE_NONE))
        rc = -R_GUARD_FAILED;
    if (rc == 0)
        rc = call_present(&m->call, 1, &value);
    if (rc == 0)
        rc = shard_count_decode(value, out_count);
    return rc;
}

/* ---- after a batch ---- */

static void dst_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    struct shard_count n;
    int rc = row_take(m, &m->dst, &n);

    if (rc < 0)
        job_end(m, rc);
    else
        batch_begin(m);
}

/* Both sides are in no move: what the rows are now, and on. */
static void batch_settled(struct settle *s, int rc)
{
    struct mover *m = CONTAINER_OF(s, struct mover, settle);

    shard_view_unref(TAKE(m->src));
    m->src = shard_view_ref(s->mine);
    if (rc == 0 && (!m->src || m->src->row.move != MOVE_NONE))
        rc = -R_GUARD_FAILED;
    if (rc < 0)
        job_end(m, rc);
    else if (m->dst)
        row_ask(m, m->dst_no, dst_came);
    else
        batch_begin(m);
}

static void batch_over(struct mover *m)
{
    uint64_t took = env_now_ns(m->l->env) - m->marked_ns;

    gauge_set(&m->l->n.move_freeze_us_max,
              MAX(gauge_get(&m->l->n.move_freeze_us_max), (int64_t)(took / 1000)));
    counter_add(&m->l->n.moved_entries, m->copied.entries);
    if (took < FREEZE_SHORT_NS)
        m->grains = MIN(2 * m->grains, (uint32_t)GRAINS);
    else if (took > FREEZE_LONG_NS)
        m->grains = MAX(m->grains / 2, 1u);
    settle_run(&m->settle, &m->job.id, m->src_no, false, batch_settled);
}

/* Writers that have waited find the new rows in the cache. */
static void writers_tell(struct mover *m)
{
    struct bucket_layer *l = m->l;
    struct bucket *b = bucket_cached(l, BYTES_STR(m->job.bucket));
    struct shard_row next;

    if (b && uuid_equal(&b->id, &m->job.id) && move_adopt(&m->dst->row, &m->src->row, &next) == 0 &&
        shard_view_next(&m->dst, &next) == 0) {
        (void)bucket_learn(b, m->src); /* without memory they ask */
        (void)bucket_learn(b, m->dst);
    }
    bucket_unref(b);
    accesses_moved(l, &m->token);
}

static void adopted(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);

    if (c->code < 0 && c->code != -R_GUARD_FAILED) { /* else somebody was faster */
        job_end(m, c->code);
        return;
    }
    if (c->code == 0)
        writers_tell(m);
    batch_over(m);
}

/* ---- a batch that was taken back ---- */

static void retreat_dst(struct settle *s, int rc)
{
    struct mover *m = CONTAINER_OF(s, struct mover, settle);
    bool made = s->mine && s->mine->row.state == SHARD_OPEN;

    if (rc == 0 && (++m->failures == FAILURES_MAX || (!made && m->job.merge)))
        rc = -R_GUARD_FAILED; /* a merge has no other destination */
    if (rc < 0) {
        job_end(m, rc);
        return;
    }
    if (m->grains == 1)
        m->patience_ms = MIN(2 * m->patience_ms, (uint32_t)PATIENCE_MAX_MS);
    m->grains = MAX(m->grains / 2, 1u);
    if (!made) /* it has no range, or is closed: the next try makes another one */
        shard_view_unref(TAKE(m->dst));
    settle_run(&m->settle, &m->job.id, m->src_no, false, batch_settled);
}

static void retreat_src(struct settle *s, int rc)
{
    struct mover *m = CONTAINER_OF(s, struct mover, settle);

    accesses_moved(m->l, &m->token);
    if (rc < 0)
        job_end(m, rc);
    else
        settle_run(&m->settle, &m->job.id, m->dst_no, true, retreat_dst);
}

/* `ours`: the source's move, if it is in any. */
static void retreat(struct mover *m, int rc, bool ours)
{
    if (rc == -R_GUARD_FAILED)
        settle_run(&m->settle, &m->job.id, m->src_no, ours, retreat_src);
    else
        job_end(m, rc);
}

/* ---- the note of the new shard ---- */

static bool note_old(const struct mover *m)
{
    return m->noted_ns && note_is_old(m->l, m->noted_ns);
}

static int note_build(struct mover *m)
{
    struct shard_note note = {m->job.id, m->dst_no, BYTES_STR(m->job.bucket)};

    m->noted_ns = env_now_ns(m->l->env);
    return note_write(&m->call, &note);
}

static void noted_again(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);

    job_end(m, c->code < 0 ? c->code : -R_GUARD_FAILED);
}

/* ---- one batch ---- */

static void adopt(struct mover *m)
{
    struct shard_row next;
    struct cairn_op *op = NULL;
    int rc = move_adopt(&m->dst->row, &m->src->row, &next);

    if (rc == 0)
        op = row_replace(&m->call, m->dst, &next, &rc);
    if (op && rc == 0)
        count_add(op, &m->copied, false);
    call_submit_if(&m->call, rc, adopted);
}

static void flipped(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    struct shard_row next;
    int rc = c->code;

    if (rc < 0) {
        retreat(m, rc, true);
        return;
    }
    m->noted_ns = 0; /* from now on the shard itself keeps its note */
    rc = move_flip(&m->src->row, &m->copied, &next);
    if (rc == 0)
        rc = shard_view_next(&m->src, &next);
    if (rc < 0)
        job_end(m, rc);
    else
        adopt(m);
}

static void copied(struct mover *m, int rc)
{
    struct cairn_op *op = NULL;
    struct shard_row next;

    if (rc == 0 && note_old(m))
        rc = -R_GUARD_FAILED;
    if (rc < 0) {
        retreat(m, rc, true);
        return;
    }
    rc = move_flip(&m->src->row, &m->copied, &next);
    if (rc == 0)
        op = row_replace(&m->call, m->src, &next, &rc);
    if (op && rc == 0)
        count_add(op, &m->copied, true);
    call_submit_if(&m->call, rc, flipped);
}

static struct move_range range_of(const struct mover *m)
{
    return (struct move_range){m->token, mover_lo(m), mover_hi(m)};
}

static void marked(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    struct shard_row next;
    int rc = c->code;

    if (rc == 0)
        rc = move_mark(&m->src->row, m->patience_ms, &next);
    if (rc == 0)
        rc = shard_view_next(&m->src, &next);
    if (rc < 0)
        retreat(m, rc, true);
    else
        mover_copy(m, copied);
}

static void data_copied(struct mover *m, int rc)
{
    struct shard_row next;

    if (rc == 0)
        rc = move_mark(&m->src->row, m->patience_ms, &next);
    if (rc < 0) {
        retreat(m, rc, true);
        return;
    }
    m->marked_ns = env_now_ns(m->l->env);
    (void)row_replace(&m->call, m->src, &next, &rc); /* the submit says when there is no memory */
    call_submit_if(&m->call, rc, marked);
}

static void announced(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    struct move_range range = range_of(m);
    struct shard_row next;
    int rc = c->code;

    if (rc == 0)
        rc = move_announce(&m->src->row, &range, m->dst_no, &next);
    if (rc == 0)
        rc = shard_view_next(&m->src, &next);
    if (rc < 0)
        retreat(m, rc, false);
    else
        mover_early(m, data_copied);
}

static void prepared(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    struct move_range range = range_of(m);
    struct shard_row next;
    int rc = c->code;

    if (note_old(m)) { /* the shard may have come late, and without a note nobody finds it */
        call_submit_if(c, note_build(m), noted_again);
        return;
    }
    if (rc == 0)
        rc = move_prepare(&m->dst->row, &range, m->src_no, &next);
    if (rc == 0)
        rc = shard_view_next(&m->dst, &next);
    if (rc == 0)
        rc = move_announce(&m->src->row, &range, m->dst_no, &next);
    if (rc < 0) {
        job_end(m, rc);
        return;
    }
    (void)row_replace(&m->call, m->src, &next, &rc); /* the submit says when there is no memory */
    call_submit_if(&m->call, rc, announced);
}

static void prepare(struct mover *m)
{
    struct move_range range = range_of(m);
    struct shard_row next;
    int rc = move_prepare(&m->dst->row, &range, m->src_no, &next);

    if (rc == 0)
        (void)row_replace(&m->call, m->dst, &next, &rc);
    else
        (void)call_begin(&m->call, CALL_INDEX);
    call_submit_if(&m->call, rc, prepared);
}

/* The new shard, with its first batch on the way. */
static void noted(struct call *c)
{
    static const uint8_t nothing[SHARD_COUNT_BYTES] = {0};
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    struct move_range range = range_of(m);
    struct shard_row next;
    AUTO(writer) w = {0};
    struct cairn_op *op;
    int rc = c->code;

    if (rc == 0 && note_old(m)) /* we have slept */
        rc = -R_GUARD_FAILED;
    if (rc == 0)
        rc = move_prepare(&m->dst->row, &range, m->src_no, &next);
    if (rc < 0) {
        job_end(m, rc);
        return;
    }
    shard_row_encode(&next, &w);
    op = call_begin(&m->call, CALL_INDEX);
    name_shard(m->call.name, &m->job.id, m->dst_no);
    if (op && w.rc == 0) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_ABSENT, NULL, 0);
        cairn_op_xattr_set(op, "shard", w.data, w.len);
        cairn_op_xattr_set(op, "count", nothing, sizeof(nothing));
    }
    call_under_intent(&m->call, m->noted_ns); /* a note is good for as long */
    call_submit_if(&m->call, w.rc, prepared);
}

static void dst_make(struct mover *m)
{
    struct shard_row row = {.bucket = m->job.id,
                            .state = SHARD_EMPTY,
                            .epoch = 1,
                            .to = m->src->row.to,
                            .next = m->src->row.next};
    int rc;

    ASSERT(!m->job.merge); /* the neighbour's row would not know of it: the chain would break */
    do
        m->dst_no = env_random_u64(m->l->env);
    while (m->dst_no == 0);
    row.no = m->dst_no;
    rc = shard_view_next(&m->dst, &row);
    if (rc == 0)
        rc = note_build(m);
    else
        (void)call_begin(&m->call, CALL_INDEX);
    call_submit_if(&m->call, rc, noted);
}

static void batch_begin(struct mover *m)
{
    if (m->l->stopping || !mover_batch(m)) {
        job_done(m);
        return;
    }
    m->token = layer_uuid(m->l);
    if (m->dst)
        prepare(m);
    else
        dst_make(m);
}

/* ---- is it to be done? ---- */

static void planned(struct mover *m, int rc)
{
    if (rc < 0)
        job_end(m, rc);
    else
        batch_begin(m);
}

static bool too_large(const struct mover *m, const struct shard_count *n)
{
    return n->entries >= m->l->conf.shard_entries_max || n->row_bytes >= m->l->conf.shard_bytes_max;
}

/* Far below what a split leaves: they do not go to and fro. */
static bool too_small(const struct bucket_layer *l, const struct shard_count *n)
{
    return n->entries < l->conf.shard_entries_max / 4 && n->row_bytes < l->conf.shard_bytes_max / 4;
}

static void right_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    struct shard_count n;
    int rc = row_take(m, &m->src, &n);

    n.entries += rc == 0 ? m->count.entries : 0;
    n.row_bytes += rc == 0 ? m->count.row_bytes : 0;
    if (rc == 0 && !bytes_equal(m->src->row.from, m->dst->row.to))
        rc = -R_GUARD_FAILED;
    if (rc < 0 || !too_small(m->l, &n))
        job_end(m, rc);
    else
        mover_plan(m, planned);
}

static void left_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    int rc = row_take(m, &m->dst, &m->count);

    if (rc < 0 || !m->dst->row.to.len) {
        job_end(m, rc);
        return;
    }
    m->dst_no = m->job.no;
    m->src_no = m->dst->row.next;
    row_ask(m, m->src_no, right_came);
}

static void split_came(struct call *c)
{
    struct mover *m = CONTAINER_OF(c, struct mover, call);
    int rc = row_take(m, &m->src, &m->count);

    m->src_no = m->job.no;
    if (rc < 0 || !too_large(m, &m->count))
        job_end(m, rc);
    else
        mover_plan(m, planned);
}

static void job_next(struct mover *m)
{
    if (m->busy || !m->queued || m->l->stopping)
        return;
    m->job = m->queue[0];
    m->queued--;
    memmove(&m->queue[0], &m->queue[1], m->queued * sizeof(m->queue[0]));
    m->busy = true;
    m->grains = GRAINS_FIRST;
    m->patience_ms = m->l->conf.split_wait_ms;
    m->failures = 0;
    m->noted_ns = 0;
    layer_live(m->l);
    row_ask(m, m->job.no, m->job.merge ? left_came : split_came);
}

/* ---- what others ask for ---- */

static void job_ask(struct mover *m, struct mover_job job)
{
    if (m->queued == MOVER_QUEUE || m->l->stopping)
        return;
    for (uint32_t i = 0; i < m->queued; i++)
        if (m->queue[i].no == job.no && uuid_equal(&m->queue[i].id, &job.id))
            return;
    m->queue[m->queued++] = job;
    job_next(m);
}

void mover_grown(struct bucket_layer *l, struct bucket *b, struct bytes key, uint64_t no)
{
    struct mover_job job = {.id = b->id, .no = no};
    struct shard *s = bucket_shard(b, key);

    if (!s || s->no != no || ++s->grown < MAX(l->conf.shard_entries_max / CHECKS, 1u))
        return;
    s->grown = 0;
    memcpy(job.bucket, b->name, sizeof(job.bucket));
    job_ask(l->mover, job);
}

void mover_size(struct bucket_layer *l, const char *bucket, const struct shard_row *row,
                const struct shard_count *n)
{
    struct mover_job job = {.id = row->bucket, .no = row->no};

    snprintf(job.bucket, sizeof(job.bucket), "%s", bucket);
    job.merge = row->to.len && too_small(l, n);
    if (job.merge || too_large(l->mover, n))
        job_ask(l->mover, job);
}

/* ---- start and stop ---- */

int mover_create(struct bucket_layer *l)
{
    struct mover *m = mem_zalloc(sizeof(*m));

    if (!m)
        return -ENOMEM;
    m->l = l;
    call_init(&m->call, l);
    call_init(&m->read, l);
    call_init(&m->write, l);
    settle_init(&m->settle, l);
    m->call.background = m->read.background = m->write.background = true;
    m->settle.call.background = true;
    map_fix_init(&m->fix, l);
    arena_init(&m->arena);
    arena_init(&m->batch);
    l->mover = m;
    return 0;
}

void mover_destroy(struct mover *m)
{
    if (!m)
        return;
    ASSERT(!m->busy);
    call_fini(&m->call);
    call_fini(&m->read);
    call_fini(&m->write);
    settle_fini(&m->settle);
    map_fix_fini(&m->fix);
    arena_fini(&m->arena);
    arena_fini(&m->batch);
    mem_free(m->border);
    mem_free(m->early);
    mem_free(m->fetch);
    mem_free(m->gone);
    mem_free(m);
}
