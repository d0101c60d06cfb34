/* store.c - the life of an open store: progress, failure, close, numbers.
 *
 * `busy` counts everything that will come back to this reactor (I/O, works, posted tasks, timers
 * that matter).  A close waits for what was submitted, makes a last checkpoint, waits for busy to
 * be zero, then a worker closes the files.  After a failed write the store is dead: nothing is
 * acknowledged, nothing new is started, and the close that must follow abandons what is in memory.
 */
#include "core/store/store_int.h"

static void close_step(struct store *s);

static void fail_tell(struct env_task *task)
{
    struct store *s = CONTAINER_OF(task, struct store, fail_task);

    if (s->on_failure && !s->failure_told) {
        s->failure_told = true;
        s->on_failure(s->on_failure_arg, s->fail_rc, &s->fail_note);
    }
    store_busy_end(s);
}

void store_fail(struct store *s, int rc, const char *what)
{
    if (s->failed || s->close_now)
        return;
    s->failed = true;
    s->fail_rc = rc;
    note_set(&s->fail_note, "%s: %s: %s", s->folder, what, reason_text(rc));
    log_error(&s->log, "the store stops", KV_STR("what", what), KV_RC(rc));
    kv_wait_for_room(s->kv, false);
    store_busy(s);
    env_task_init(&s->fail_task, fail_tell);
    env_post(s->env, &s->fail_task);
    readers_fail(s);
}

void store_on_failure(struct store *s, void (*failed)(void *arg, int rc, const struct note *why),
                      void *arg)
{
    s->on_failure = failed;
    s->on_failure_arg = arg;
}

static void later_fire(struct env_timer *t)
{
    struct store *s = CONTAINER_OF(t, struct store, later);

    s->later_armed = false;
    if (!store_dead(s)) {
        journal_kick(s);
        store_progress(s);
    }
    store_busy_end(s);
}

void store_later(struct store *s)
{
    if (s->later_armed || store_dead(s))
        return;
    counter_add(&s->m.no_memory, 1);
    s->later_armed = true;
    store_busy(s);
    env_timer_init(&s->later, later_fire);
    env_timer_after(s->env, &s->later, NO_MEMORY_RETRY_MS * NS_PER_MS);
}

static void set_gauges(struct store *s)
{
    struct store_space sp;

    store_space(s, &sp);
    gauge_set(&s->m.used_bytes, (int64_t)sp.used_bytes);
    gauge_set(&s->m.free_bytes, (int64_t)sp.free_bytes);
    gauge_set(&s->m.full, sp.fill);
    gauge_set(&s->m.objects, (int64_t)s->object_count);
    gauge_set(&s->m.cache_bytes, (int64_t)(s->onode_bytes + s->kept_bytes));
    gauge_set(&s->m.overlay_bytes, (int64_t)s->unapplied_bytes);
    gauge_set(&s->m.deferred_bytes, (int64_t)s->item_bytes);
    gauge_set(&s->m.queued_bytes, (int64_t)s->queued_bytes);
}

void store_progress(struct store *s)
{
    if (s->in_progress || store_dead(s))
        return;
    s->in_progress = true;
    defer_run(s);
    apply_run(s, false);
    checkpoint_run(s);
    grow_run(s);
    set_gauges(s);
    s->in_progress = false;
    if (s->stopping)
        close_step(s);
}

void store_busy_end(struct store *s)
{
    ASSERT(s->busy > 0);
    s->busy--;
    if (s->stopping || s->close_now)
        close_step(s);
}

/* --- closing --- */

static void free_list(struct list *l)
{
    struct list *n;

    while ((n = list_pop_front(l)))
        tx_free(CONTAINER_OF(n, struct tx, link));
}

static void free_dblocks(struct store *s)
{
    struct hnode *n;

    while (s->dblocks.slots && (n = htable_any(&s->dblocks))) {
        struct dblock *b = CONTAINER_OF(n, struct dblock, node);

        LIST_EACH (l, &b->versions)
            buf_fini(&CONTAINER_OF(l, struct item, link)->data);
        htable_remove(&s->dblocks, n);
        mem_free(b);
    }
}

/* All memory; files are closed by then.  Handles still held by callers become invalid. */
void store_free(struct store *s)
{
    struct list *l;
    struct hnode *n;

    free_dblocks(s);
    while ((l = list_pop_front(&s->coll_list))) {
        struct coll *c = CONTAINER_OF(l, struct coll, link);

        free_list(&c->queue);
        mem_free(c);
    }
    free_list(&s->journal.pending);
    free_list(&s->journal.group.txs);
    free_list(&s->records);
    while (s->objects.slots && (n = htable_any(&s->objects))) {
        struct object *obj = CONTAINER_OF(n, struct object, node);

        htable_remove(&s->objects, n);
        object_destroy(obj);
    }
    htable_fini(&s->objects);
    htable_fini(&s->colls_busy);
    overlay_fini(&s->overlay);
    htable_fini(&s->dblocks);
    kept_drop_all(s);
    htable_fini(&s->data_cache);
    extents_destroy(s->extents);
    vec_free(&s->drops);
    vec_free(&s->apply.rows);
    vec_free(&s->scratch_rows);
    vec_free(&s->scratch_items);
    vec_free(&s->scratch_directs);
    vec_free(&s->scratch_allocs);
    vec_free(&s->scratch_frees);
    vec_free(&s->scratch_shares);
    vec_free(&s->scratch_shards);
    vec_free(&s->scratch_needs);
    mem_free(s->scratch_build);
    writer_fini(&s->scratch);
    writer_fini(&s->scratch_value);
    blob_unref(s->journal.memory);
    mem_free(s->folder);
    mem_free(s);
}

void store_files_close(struct store *s)
{
    kv_close(s->kv);
    disk_close(s->ballast);
    disk_close(s->data);
    disk_close(s->journal.disk);
    disk_close(s->sb_disk);
    file_unlock(s->lock);
}

static void close_work(struct env_work *w)
{
    struct store *s = CONTAINER_OF(w, struct store, close_work);

    if (s->failed && s->fail_rc == -R_CSUM_MISMATCH)
        damage_note(s);
    store_files_close(s);
}

static void close_work_done(struct env_work *w)
{
    struct store *s = CONTAINER_OF(w, struct store, close_work);
    void (*closed)(void *arg) = s->closed;
    void *arg = s->closed_arg;

    store_free(s);
    closed(arg);
}

static bool drained(const struct store *s)
{
    return list_empty(&s->coll_list) && list_empty(&s->journal.pending) && !s->journal.writing;
}

/* Timers of things that will not happen any more. */
static void cancel_timers(struct store *s)
{
    if (s->later_armed) {
        s->later_armed = false;
        env_timer_cancel(s->env, &s->later);
        s->busy--;
    }
    LIST_EACH (l, &s->coll_list) {
        struct coll *c = CONTAINER_OF(l, struct coll, link);

        if (c->waiting && c->loads == 0) {
            c->waiting = false;
            env_timer_cancel(s->env, &c->retry);
            s->busy--;
        }
    }
}

/* What is under way comes back; nothing else happens. */
static void abandon(struct store *s)
{
    kv_wait_for_room(s->kv, false);
    cancel_timers(s);
    readers_fail(s);
}

/* LevelDB waits for room and all that the journal could take is durable: the rest is replay's. */
static bool hopeless(const struct store *s)
{
    return s->no_room && !s->journal.writing && !s->journal.kicked &&
           (drained(s) || !list_empty(&s->journal.pending));
}

static void close_step(struct store *s)
{
    if (s->stopped)
        return;
    if (!store_dead(s) && hopeless(s)) {
        s->close_now = true;
        abandon(s);
    }
    if (!store_dead(s)) {
        if (!drained(s) || s->ck != CK_IDLE)
            return;
        if (!s->close_checkpointed) {
            s->close_checkpointed = true;
            s->ck_wanted = true;
            store_progress(s);
            return;
        }
        if (s->journal.tail != s->journal.head &&
            !s->ck_wanted) { /* the one under way began too early */
            s->ck_wanted = true;
            store_progress(s);
            return;
        }
        if (s->ck != CK_IDLE || s->ck_wanted)
            return;
    }
    space_stop(s);
    if (s->busy || !list_empty(&s->readers))
        return;
    s->stopped = true;
    s->close_work.work = close_work;
    s->close_work.done = close_work_done;
    env_work_submit(s->env, &s->close_work);
}

static void close_begin(struct env_task *task)
{
    struct store *s = CONTAINER_OF(task, struct store, close_task);

    if (!store_dead(s))
        store_progress(s);
    store_busy_end(s);
}

void store_close(struct store *s, bool now, void (*closed)(void *arg), void *arg)
{
    s->stopping = true;
    s->closed = closed;
    s->closed_arg = arg;
    store_busy(s);
    env_task_init(&s->close_task, close_begin);
    env_post(s->env, &s->close_task);
    if (now)
        s->close_now = true;
    if (store_dead(s))
        abandon(s);
}

/* --- numbers --- */

const struct store_id *store_identity(const struct store *s)
{
    return &s->id;
}

bool store_salvaged(const struct store *s)
{
    return s->salvaged;
}

uint32_t store_mended(const struct store *s)
{
    return s->mended;
}

/* The next superblock says so. */
void salvage_over(struct store *s)
{
    s->salvaged = false;
    s->ck_wanted = true;
}

void store_salvage_over(struct store *s)
{
    if (!s->salvaged || store_dead(s))
        return;
    s->over_ticket = s->ticket;
    s->over_left = s->in_flight;
    if (s->over_left == 0)
        salvage_over(s);
    store_progress(s);
}

int store_metrics(struct store *s, struct metric_set *set)
{
    struct store_metrics *m = &s->m;
    const struct {
        const char *name, *help;
        const struct counter *c;
    } counters[] = {
        {"store_txns_total", "Transactions accepted", &m->txns},
        {"store_groups_total", "Journal writes", &m->groups},
        {"store_journal_bytes_total", "Bytes written to the journal", &m->journal_bytes},
        {"store_direct_bytes_total", "Bytes written to extents before the journal linked them",
         &m->direct_bytes},
        {"store_deferred_blocks_total", "Blocks moved from the journal to their place",
         &m->deferred_blocks},
        {"store_checkpoints_total", "Checkpoints", &m->checkpoints},
        {"store_applied_rows_total", "Rows written to the key-value store", &m->applied_rows},
        {"store_reads_total", "Data reads", &m->reads},
        {"store_read_bytes_total", "Bytes read from the data disk", &m->read_bytes},
        {"store_read_memory_blocks_total", "Blocks read from memory", &m->read_memory_blocks},
        {"store_omap_memory_rows_total", "Omap rows read from memory", &m->omap_memory_rows},
        {"store_checksum_errors_total", "Damage found", &m->csum_errors},
        {"store_kv_reads_total", "Reads of the key-value store", &m->loads},
        {"store_no_memory_total", "Times that work waited for memory", &m->no_memory},
        {"store_journal_full_total", "Times that a group waited for a checkpoint",
         &m->journal_full},
        {"store_allocated_bytes_total", "Room got ahead for the data file", &m->allocated_bytes},
        {"store_discarded_bytes_total", "Room given back", &m->discarded_bytes},
    };
    const struct {
        const char *name, *help;
        const struct gauge *g;
    } gauges[] = {
        {"store_used_bytes", "Bytes in use", &m->used_bytes},
        {"store_free_bytes", "Bytes that clients may still use", &m->free_bytes},
        {"store_full", "1: writes are refused for lack of room; 2: also what would lead to room",
         &m->full},
        {"store_objects", "Objects", &m->objects},
        {"store_cache_bytes", "Onodes, blocks and omap rows kept in memory", &m->cache_bytes},
        {"store_overlay_bytes", "Rows not in the key-value store yet", &m->overlay_bytes},
        {"store_deferred_bytes", "Small writes not at their place yet", &m->deferred_bytes},
        {"store_queued_bytes", "Submitted and not durable", &m->queued_bytes},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(counters) && rc == 0; i++)
        rc = metric_add_counter(set, counters[i].name, counters[i].help, NULL, counters[i].c);
    for (size_t i = 0; i < ARRAY_LEN(gauges) && rc == 0; i++)
        rc = metric_add_gauge(set, gauges[i].name, gauges[i].help, NULL, gauges[i].g);
    if (rc == 0)
        rc = metric_add_histogram(set, "store_commit_seconds", "From submit to durable", NULL,
                                  &m->commit);
    return rc;
}

void store_check(const struct store *s)
{
    const struct journal *j = &s->journal;

    ASSERT(j->tail <= j->durable_pos);
    ASSERT(j->durable_pos <= j->head);
    ASSERT(j->head - j->tail <= j->blocks);
    ASSERT(j->durable_seq <= j->seq);
    ASSERT(s->applied_seq <= j->durable_seq);
    ASSERT(s->sb.tail_seq <= s->applied_seq);
    ASSERT(s->sb.tail_pos == j->tail || s->ck != CK_IDLE);
    ASSERT(s->item_bytes % STORE_BLOCK == 0);
    ASSERT(s->kept_bytes <= s->cache_max);
    extents_check(s->extents);
}
