/* collect_shard.c - one shard in one round of the collector.
 *
 *   READ     shard row, counters, a page of garbage, a page of intents; what epoch it is tells how
 *            old rows are.  A shard in a move waits; a move that nobody gets on with is ended
 *   RECORD   now and then, and whenever the shard is closed, empty or absent: does its bucket still
 *            exist?
 *   CLOSE    a shard whose bucket is gone; or
 *   MAP      where the bucket's map has it; a shard without a range is removed after that
 *   SIZE     too large, or small: the mover is told
 *   INTENTS  stale ones (all, of a dead shard) become garbage
 *   GARBAGE  ripe rows (collect_garbage.c)
 *   UPLOADS  of a dead shard: become garbage
 *   RAISE    the epoch, if rows are dated with it; or REMOVE a dead shard that is empty
 *
 * All changes are guarded on the shard row as it was read: when it changes meanwhile (another
 * collector raised the epoch, say) the rest waits for the next round.  An error ends the job;
 * nothing depends on its being finished. */
#include "s3/bucket/collect_int.h"

#include "s3/bucket/mover.h"
#include "s3/bucket/silent.h"

enum { RECORD_EVERY = 64 };
enum { COUNT_STEP = 4 }; /* of the page: behind row, garbage, intents, uploads */
#define MOVE_STALE_NS (5 * NS_PER_S)

static void job_end(struct job *j)
{
    j->done(j);
}

struct cairn_op *job_change(struct job *j, struct call *c)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);

    memcpy(c->name, j->name, sizeof(j->name));
    if (op)
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, j->value.data, j->value.len);
    return op;
}

static uint64_t ms(uint32_t v)
{
    return v * NS_PER_MS;
}

static bool ripe(const struct job *j, uint64_t epoch, uint32_t need_ms)
{
    return watch_ripe(j->w, epoch, ms(need_ms), env_now_ns(j->l->env));
}

/* ---- the last step: epoch, or the end of a dead shard ---- */

static void last_done(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    if (c->code == 0 && j->dead && !j->any_rows)
        counter_add(&j->l->n.shards_deleted, 1);
    job_end(j);
}

static void emptied(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);
    struct cairn_op *op;

    j->any_rows = c->code < 0 || cairn_op_pair_count(c->op, 1, NULL) > 0;
    if (j->any_rows) {
        job_end(j);
        return;
    }
    op = job_change(j, &j->call);
    if (op)
        cairn_op_delete(op);
    call_submit(&j->call, last_done);
}

static void epoch_raise(struct job *j)
{
    struct shard_row next = j->row;
    struct cairn_op *op = job_change(j, &j->call);
    AUTO(writer) w = {0};

    next.epoch++;
    shard_row_encode(&next, &w);
    if (op && w.rc == 0)
        cairn_op_xattr_set(op, "shard", w.data, w.len);
    call_submit_if(&j->call, w.rc, last_done);
}

static void job_last(struct job *j)
{
    uint32_t every_ms = MIN(j->l->conf.reader_grace_ms, j->l->conf.intent_stale_ms) / 4;
    uint64_t now = env_now_ns(j->l->env);

    if (j->dated_now && now - j->w->epoch_since_ns >= ms(every_ms)) {
        epoch_raise(j);
    } else if (j->dead && !j->any_rows) {
        struct cairn_op *op = job_change(j, &j->call);

        if (op)
            cairn_op_omap_range(op, NULL, 0, NULL, 0, 1);
        call_submit(&j->call, emptied);
    } else {
        job_end(j);
    }
}

/* ---- uploads of a dead shard ---- */

static void uploads_changed(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    UNUSED(c);
    job_end(j); /* the rest in the next round */
}

static void upload_give_up(struct job *j, struct cairn_pair p)
{
    struct garbage_row g = {.state = GARBAGE_WAITING, .kind = GARBAGE_PARTS, .epoch = j->row.epoch};
    struct cairn_op *op = job_change(j, &j->call);
    struct cairn_pair gone = pair_of(pair_key(p), (struct bytes){0}), set;
    AUTO(writer) w = {0};
    struct row_key key;
    struct uuid id;
    struct bytes name;
    int rc = row_key_parse(pair_key(p), &name, &id);

    garbage_row_encode(&g, &w);
    if (rc == 0)
        rc = w.rc;
    if (op && rc == 0) {
        row_key_garbage(&key, name, g.kind, &id);
        set = pair_of(key_bytes(&key), written(&w));
        cairn_op_omap_rm(op, &gone, 1);
        cairn_op_omap_set(op, &set, 1);
    }
    call_submit_if(&j->call, rc, uploads_changed);
}

static void job_uploads(struct job *j)
{
    if (j->dead && cairn_op_pair_count(j->page.op, 3, NULL))
        upload_give_up(j, cairn_op_pair(j->page.op, 3, 0));
    else
        job_last(j);
}

/* ---- garbage ---- */

static void job_read(struct job *j);
static void garbage_next(struct job *j);

static void garbage_worked(struct job *j, int rc)
{
    if (rc == -R_GUARD_FAILED && cairn_op_failed_step(j->call.op) == 0) {
        job_end(j); /* the shard row has changed */
        return;
    }
    if (rc < 0 && rc != -R_GUARD_FAILED && rc != -R_BUCKET_BUSY) {
        log_warn(&j->l->log, "garbage is left for the next round", KV_RC(rc));
        job_end(j);
        return;
    }
    j->at++;
    if (rc != -R_BUCKET_BUSY && --j->budget == 0) /* what is left for ever must not use it up */
        job_end(j);
    else
        garbage_next(j);
}

static uint32_t need_ms(const struct job *j, const struct garbage_row *g)
{
    if (g->kind == GARBAGE_RESULT)
        return j->dead ? 0 : j->l->conf.upload_keep_ms;
    return j->l->conf.reader_grace_ms;
}

/* Its data would not answer: then it is not even claimed. */
static bool garbage_silent(const struct job *j)
{
    char name[NAME_BYTES];

    if (j->g.kind != GARBAGE_STRIPES)
        return false;
    name_stripe(name, &j->g.stripes.id, 0);
    return silent_is(j->l, CALL_DATA, name);
}

/* 1: it is to be worked off; 0: not yet. */
static int garbage_take(struct job *j)
{
    int rc;

    j->pair = cairn_op_pair(j->page.op, 1, j->at);
    rc = row_key_garbage_parse(pair_key(j->pair), &j->gkey, &j->gid);
    if (rc == 0)
        rc = garbage_row_decode(pair_value(j->pair), &j->g);
    if (rc < 0)
        return rc;
    if (j->g.epoch == j->row.epoch)
        j->dated_now = true;
    if (garbage_silent(j))
        return 0;
    if (j->g.state == GARBAGE_CLAIMED || (j->dead && j->g.kind == GARBAGE_RESULT))
        return 1;
    return ripe(j, j->g.epoch, need_ms(j, &j->g));
}

static void garbage_next(struct job *j)
{
    size_t n = cairn_op_pair_count(j->page.op, 1, &j->garbage_more);

    for (; j->at < n; j->at++) {
        int rc = garbage_take(j);

        if (rc < 0) {
            log_error(&j->l->log, "a garbage row cannot be read", KV_STR("shard", j->name),
                      KV_RC(rc));
            continue;
        }
        if (rc == 1) {
            garbage_work(j, garbage_worked);
            return;
        }
    }
    if (j->garbage_more && n) { /* rows that wait long must not hide the others */
        j->garbage_from.len = (uint32_t)j->pair.key_bytes;
        memcpy(j->garbage_from.b, j->pair.key, j->pair.key_bytes);
        j->garbage_from.b[j->garbage_from.len++] = 0;
        job_read(j);
    } else {
        job_uploads(j);
    }
}

/* ---- intents ---- */

static void intents_next(struct job *j);

static void intent_changed(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    if (c->code == 0)
        counter_add(&j->l->n.stale_intents, 1);
    if (c->code < 0 && (c->code != -R_GUARD_FAILED || cairn_op_failed_step(c->op) == 0)) {
        job_end(j);
        return;
    }
    j->at++;
    intents_next(j);
}

/* Two passes: its writer may not know yet, and be late. */
static void intent_give_up(struct job *j, struct cairn_pair p, const struct intent_row *i)
{
    struct garbage_row g = {.state = GARBAGE_WAITING,
                            .kind = i->kind,
                            .passes = 1,
                            .stripes = i->stripes,
                            .origin = i->origin,
                            .epoch = j->row.epoch};
    struct cairn_op *op = job_change(j, &j->call);
    struct cairn_pair gone = pair_of(pair_key(p), (struct bytes){0}), set;
    AUTO(writer) w = {0};
    struct row_key key;
    struct bytes name;
    struct uuid id;
    int rc = row_key_parse(pair_key(p), &name, &id);

    garbage_row_encode(&g, &w);
    if (rc == 0)
        rc = w.rc;
    if (op && rc == 0) {
        row_key_garbage(&key, name, g.kind, &id);
        set = pair_of(key_bytes(&key), written(&w));
        cairn_op_cmp_omap(op, p.key, p.key_bytes, CAIRN_EQ, p.value, p.value_bytes);
        cairn_op_omap_rm(op, &gone, 1);
        if (!PLANTED(PLANT_COPY_FORGOTTEN) || uuid_equal(&i->stripes.id, &id))
            cairn_op_omap_set(op, &set, 1);
        j->dated_now = true;
    }
    call_submit_if(&j->call, rc, intent_changed);
}

static void intents_next(struct job *j)
{
    size_t n = cairn_op_pair_count(j->page.op, 2, NULL);

    for (; j->at < n; j->at++) {
        struct cairn_pair p = cairn_op_pair(j->page.op, 2, j->at);
        struct intent_row i;

        if (intent_row_decode(pair_value(p), &i) < 0) {
            log_error(&j->l->log, "an intent cannot be read", KV_STR("shard", j->name));
            continue;
        }
        if (i.epoch == j->row.epoch)
            j->dated_now = true;
        if (j->dead || ripe(j, i.epoch, j->l->conf.intent_stale_ms)) {
            intent_give_up(j, p, &i);
            return;
        }
    }
    j->at = 0;
    garbage_next(j);
}

/* ---- is it dead? ---- */

static void shard_closed(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    UNUSED(c);
    job_end(j); /* with its new row, in the next round */
}

static void shard_close(struct job *j)
{
    struct shard_row next = j->row;
    struct cairn_op *op = job_change(j, &j->call);
    AUTO(writer) w = {0};

    next.state = SHARD_CLOSED;
    next.generation++;
    shard_row_encode(&next, &w);
    if (op && w.rc == 0)
        cairn_op_xattr_set(op, "shard", w.data, w.len);
    call_submit_if(&j->call, w.rc, shard_closed);
}

/* ---- moves, the map, the size ---- */

static void job_settled(struct settle *s, int rc)
{
    struct job *j = CONTAINER_OF(s, struct job, settle);

    if (rc < 0)
        log_warn(&j->l->log, "a move of index rows is left for the next round", KV_RC(rc));
    job_end(j);
}

/* Its rows are not to be touched.  Seen again and again, it is a dead gateway's. */
static void job_move(struct job *j)
{
    uint64_t now = env_now_ns(j->l->env);

    j->any_rows = true; /* it stays watched */
    if (!j->w->moving_since_ns || !uuid_equal(&j->w->moving, &j->row.m.token)) {
        j->w->moving = j->row.m.token;
        j->w->moving_since_ns = now;
    }
    if (now - j->w->moving_since_ns < MOVE_STALE_NS)
        job_end(j);
    else
        settle_run(&j->settle, &j->id, j->no, true, job_settled);
}

static void job_mapped(struct map_fix *f, int rc)
{
    UNUSED(rc);
    job_end(CONTAINER_OF(f, struct job, fix)); /* with its new row, in the next round */
}

static void job_map(struct job *j)
{
    int rc;
    struct shard_view *v = shard_view_create(written(&j->value), &rc);

    if (!v) {
        job_end(j);
        return;
    }
    j->any_rows = true;
    map_fix_run(&j->fix, j->bucket, v, job_mapped);
    shard_view_unref(v);
}

static void empty_removed(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    if (c->code == 0)
        counter_add(&j->l->n.shards_deleted, 1);
    job_end(j);
}

static void empty_remove(struct job *j)
{
    struct cairn_op *op = job_change(j, &j->call);

    if (op)
        cairn_op_delete(op);
    call_submit(&j->call, empty_removed);
}

static void job_size(struct job *j)
{
    struct shard_count n;
    struct bytes value;

    if (call_present(&j->page, COUNT_STEP, &value) == 0 && shard_count_decode(value, &n) == 0)
        mover_size(j->l, j->bucket, &j->row, &n);
}

static void job_judge(struct job *j)
{
    if (j->absent) {
        uint64_t now = env_now_ns(j->l->env);

        if (!j->dead && !j->no)
            j->w->absent_since_ns = 0; /* it is being made */
        else if (!j->w->absent_since_ns)
            j->w->absent_since_ns = now;
        job_end(j);
        return;
    }
    if (!j->dead && map_needs_fix(&j->row)) {
        job_map(j);
        return;
    }
    if (j->row.state == SHARD_EMPTY) {
        empty_remove(j);
        return;
    }
    if (j->dead && j->row.state == SHARD_OPEN) {
        shard_close(j);
        return;
    }
    if (!j->dead && j->row.state == SHARD_OPEN)
        job_size(j);
    j->at = 0;
    intents_next(j);
}

static void record_read(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);
    struct bucket_row row;
    int rc = record_take(c, &j->record, &row);

    if (rc < 0 && rc != -R_NO_BUCKET) {
        job_end(j);
        return;
    }
    j->dead = rc == -R_NO_BUCKET || !uuid_equal(&row.id, &j->id);
    job_judge(j);
}

/* ---- reading ---- */

static void page_read(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, page);
    bool known = j->w->round != 0, first = j->value.len == 0;
    struct bytes value;
    int rc = c->code;

    j->absent = rc == -R_NO_OBJECT || rc == -R_NO_XATTR;
    if (rc == 0)
        rc = call_present(c, 0, &value);
    if (rc == 0 && !first && !bytes_equal(value, written(&j->value))) {
        job_end(j); /* it has changed since the first page */
        return;
    }
    if (rc == 0 && first) {
        wr_raw(&j->value, value.data, value.len);
        rc = j->value.rc < 0 ? j->value.rc : shard_row_decode(written(&j->value), &j->row);
    }
    if (rc < 0 && !j->absent) {
        j->unread = known;
        job_end(j);
        return;
    }
    j->w->round = j->c->round;
    if (!j->absent) {
        watch_see(j->w, j->row.epoch, env_now_ns(j->l->env));
        for (int step = 1; step < COUNT_STEP; step++)
            j->any_rows |= cairn_op_pair_count(c->op, step, NULL) > 0;
    }
    if (!j->absent && j->row.move != MOVE_NONE) {
        job_move(j);
        return;
    }
    if (first &&
        (j->absent || j->row.state != SHARD_OPEN || !known || j->c->round % RECORD_EVERY == 0))
        call_submit_if(&j->call, record_get(&j->call, BYTES_STR(j->bucket)), record_read);
    else
        job_judge(j);
}

static void job_read(struct job *j)
{
    struct cairn_op *op = call_begin(&j->page, CALL_INDEX);
    uint32_t rows = j->l->conf.collect_rows_max;
    const uint8_t garbage_end_key = ROW_GARBAGE + 1, intent_end_key = ROW_INTENT + 1;
    const uint8_t uploads = ROW_UPLOAD, uploads_end = ROW_UPLOAD + 1;

    memcpy(j->page.name, j->name, sizeof(j->name));
    if (op) {
        cairn_op_xattr_get(op, "shard");
        cairn_op_omap_range(op, j->garbage_from.b, j->garbage_from.len, &garbage_end_key, 1, rows);
        cairn_op_omap_range(op, j->intent_from.b, j->intent_from.len, &intent_end_key, 1, rows);
        cairn_op_omap_range(op, &uploads, 1, &uploads_end, 1, 1);
        cairn_op_xattr_get(op, "count");
    }
    call_submit(&j->page, page_read);
}

void job_run(struct job *j, void (*done)(struct job *j))
{
    j->done = done;
    writer_fini(&j->value);
    j->absent = j->dead = j->dated_now = j->any_rows = j->unread = j->left = false;
    j->budget = j->l->conf.collect_rows_max;
    j->garbage_from = (struct row_key){.len = 1, .b = {ROW_GARBAGE}};
    j->intent_from = (struct row_key){.len = 1, .b = {ROW_INTENT}};
    job_read(j);
}
