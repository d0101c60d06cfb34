/* collect.c - rounds: every shard of every bucket, one after the other, at a low rate.
 *
 * The registry lists all shards that were ever made.  A shard that has something to collect is
 * watched: we remember when which of its epochs had ended (README.md).  That memory is this
 * gateway's own; a new one begins to count anew, so what it costs to lose it is time.  A round is
 * followed by a pause of at least collect_every_ms and at least 20 times what the round took; time
 * beyond a second for one shard was spent waiting for OSDs, and is not counted.  Nothing is waited
 * for long: what does not answer is left for a later round (silent.c). */
#include "core/base/hash.h"
#include "s3/bucket/collect_int.h"

enum { NOTE_ROWS = 200, PAUSE_FACTOR = 20 };
#define WORK_NS_MAX NS_PER_S

/* ---- watches ---- */

struct watch *watch_find(struct collector *c, const char *name)
{
    uint64_t hash = hash64(0, name, strlen(name));

    for (struct hnode *n = htable_first(&c->watches, hash); n; n = htable_next(n)) {
        struct watch *w = CONTAINER_OF(n, struct watch, node);

        if (strcmp(w->name, name) == 0)
            return w;
    }
    return NULL;
}

struct watch *watch_get(struct collector *c, const char *name)
{
    struct watch *w = watch_find(c, name);

    if (w || c->watch_count == WATCHES_MAX)
        return w;
    w = mem_zalloc(sizeof(*w));
    if (!w)
        return NULL;
    strcpy(w->name, name);
    htable_insert(&c->watches, &w->node, hash64(0, name, strlen(name)));
    c->watch_count++;
    return w;
}

void watch_drop(struct collector *c, struct watch *w)
{
    htable_remove(&c->watches, &w->node);
    c->watch_count--;
    mem_free(w);
}

/* When there is no room, every second one of the older half goes: rows get ripe later for it. */
static void marks_thin(struct watch *w)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < w->mark_count; i++)
        if (i >= w->mark_count / 2 || i % 2 == 1)
            w->marks[kept++] = w->marks[i];
    w->mark_count = kept;
}

/* The shard's row was read just now. */
void watch_see(struct watch *w, uint64_t epoch, uint64_t now_ns)
{
    if (w->epoch != epoch || !w->epoch_since_ns) {
        w->epoch = epoch;
        w->epoch_since_ns = now_ns;
    }
    if (w->mark_count && w->marks[w->mark_count - 1].epoch >= epoch - 1)
        return;
    if (w->mark_count == WATCH_MARKS)
        marks_thin(w);
    w->marks[w->mark_count++] = (struct mark){epoch - 1, now_ns};
}

bool watch_ripe(const struct watch *w, uint64_t epoch, uint64_t need_ns, uint64_t now_ns)
{
    if (PLANTED(PLANT_UNRIPE))
        return true;
    for (uint32_t i = 0; i < w->mark_count; i++)
        if (w->marks[i].epoch >= epoch)
            return now_ns - w->marks[i].at_ns >= need_ns;
    return false;
}

/* ---- rounds ---- */

static void notes_read(struct call *call);
static void note_next(struct collector *c);

/* A page of notes, or a shard, is through. */
static void work_count(struct collector *c)
{
    uint64_t now = env_now_ns(c->l->env);

    c->work_ns += MIN(now - c->worked_ns, WORK_NS_MAX);
    c->worked_ns = now;
}

static void round_end(struct collector *c, int rc)
{
    struct bucket_layer *l = c->l;
    bucket_done_fn *done = TAKE(c->done);

    c->running = false;
    if (!l->stopping && !l->conf.no_collector)
        env_timer_after(l->env, &c->timer,
                        MAX(l->conf.collect_every_ms * NS_PER_MS, PAUSE_FACTOR * c->work_ns));
    if (done)
        done(c->arg, rc);
    layer_dead(l);
}

static void notes_ask(struct collector *c)
{
    struct cairn_op *op = call_begin(&c->page, CALL_INDEX);

    name_notes(c->page.name, c->notes);
    if (op)
        cairn_op_omap_range(op, c->from.data, c->from.len, NULL, 0, NOTE_ROWS);
    c->at = 0;
    call_submit_if(&c->page, c->from.rc, notes_read);
}

static void notes_next(struct collector *c)
{
    writer_fini(&c->from);
    if (++c->notes == SHARD_NOTES || c->l->stopping)
        round_end(c, c->rc);
    else
        notes_ask(c);
}

static void notes_read(struct call *call)
{
    struct collector *c = CONTAINER_OF(call, struct collector, page);

    work_count(c);
    if (call->code == 0) {
        note_next(c);
        return;
    }
    if (call->code != -R_NO_OBJECT && c->rc == 0)
        c->rc = call->code; /* the other notes are elsewhere */
    notes_next(c);
}

static void note_removed(struct call *call)
{
    struct collector *c = CONTAINER_OF(call, struct collector, call);

    c->at++;
    note_next(c);
}

/* It is gone, with its bucket or into its neighbour, and it has been for two graces: one in which
 * somebody may be about to make it, and one more in which what he asked for may be on its way. */
static void note_remove(struct collector *c)
{
    struct cairn_pair p = cairn_op_pair(c->page.op, 0, c->at);
    struct cairn_op *op = call_begin(&c->call, CALL_INDEX);

    memcpy(c->call.name, c->page.name, sizeof(c->page.name));
    if (op)
        cairn_op_omap_rm(op, &p, 1);
    call_submit(&c->call, note_removed);
}

static void job_done(struct job *j)
{
    struct collector *c = j->c;
    struct bucket_layer *l = c->l;
    struct watch *w = j->w;
    bool over = j->absent && (j->dead || j->no) && w->absent_since_ns &&
                env_now_ns(l->env) - w->absent_since_ns >=
                    2 * (uint64_t)l->conf.reader_grace_ms * NS_PER_MS;

    work_count(c);
    if (over || (!j->any_rows && !j->dead && !j->absent && !j->unread))
        watch_drop(c, w);
    j->w = NULL;
    if (over) {
        note_remove(c);
        return;
    }
    c->at++;
    note_next(c);
}

static int job_fill(struct job *j, struct cairn_pair p)
{
    struct shard_note note;
    int rc = shard_note_decode(pair_value(p), &note);

    if (rc == 0 && (p.key_bytes >= NAME_BYTES || !bucket_name_valid(note.bucket)))
        rc = -R_MALFORMED;
    if (rc < 0)
        return rc;
    memset(j->name, 0, sizeof(j->name));
    memcpy(j->name, p.key, p.key_bytes);
    memset(j->bucket, 0, sizeof(j->bucket));
    memcpy(j->bucket, note.bucket.data, note.bucket.len);
    j->id = note.id;
    j->no = note.no;
    return 0;
}

static void note_next(struct collector *c)
{
    bool more;
    size_t n = cairn_op_pair_count(c->page.op, 0, &more);
    struct cairn_pair p;

    for (; c->at < n && !c->l->stopping; c->at++) {
        p = cairn_op_pair(c->page.op, 0, c->at);
        if (job_fill(&c->job, p) < 0) {
            log_error(&c->l->log, "a note of the shard registry cannot be read");
            continue;
        }
        c->job.w = watch_get(c, c->job.name);
        if (!c->job.w)
            continue;
        job_run(&c->job, job_done);
        return;
    }
    if (c->l->stopping) {
        round_end(c, -R_STOPPED);
    } else if (more && n) {
        p = cairn_op_pair(c->page.op, 0, n - 1);
        writer_fini(&c->from);
        wr_raw(&c->from, p.key, p.key_bytes);
        wr_u8(&c->from, 0);
        notes_ask(c);
    } else {
        notes_next(c);
    }
}

static void round_begin(struct collector *c)
{
    c->running = true;
    c->round++;
    c->rc = 0;
    c->work_ns = 0;
    c->worked_ns = env_now_ns(c->l->env);
    c->notes = 0;
    writer_fini(&c->from);
    layer_live(c->l);
    notes_ask(c);
}

static void collector_fired(struct env_timer *t)
{
    struct collector *c = CONTAINER_OF(t, struct collector, timer);

    if (!c->running && !c->l->stopping)
        round_begin(c);
}

/* ---- start and stop ---- */

int collector_create(struct bucket_layer *l)
{
    struct collector *c = mem_zalloc(sizeof(*c));
    int rc = c ? htable_init(&c->watches, 64) : -ENOMEM;

    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    c->l = l;
    env_timer_init(&c->timer, collector_fired);
    call_init(&c->page, l);
    call_init(&c->call, l);
    c->job.l = l;
    c->job.c = c;
    call_init(&c->job.page, l);
    call_init(&c->job.call, l);
    call_init(&c->job.parts, l);
    c->call.frees = c->job.call.frees = c->job.parts.frees = true;
    c->page.background = c->call.background = true;
    c->job.page.background = c->job.call.background = c->job.parts.background = true;
    arena_init(&c->job.arena);
    release_init(&c->job.release, l);
    eraser_init(&c->job.eraser, l);
    settle_init(&c->job.settle, l);
    c->job.settle.call.background = true;
    map_fix_init(&c->job.fix, l);
    l->collector = c;
    return 0;
}

void collector_begin(struct bucket_layer *l)
{
    uint64_t every = l->conf.collect_every_ms * NS_PER_MS;

    if (!l->conf.no_collector) /* gateways that started together do not collect together */
        env_timer_after(l->env, &l->collector->timer, every + env_random_u64(l->env) % every);
}

void collector_stop(struct bucket_layer *l)
{
    env_timer_cancel(l->env, &l->collector->timer);
}

void collector_destroy(struct collector *c)
{
    struct hnode *n;

    if (!c)
        return;
    ASSERT(!c->running);
    while ((n = htable_any(&c->watches)))
        watch_drop(c, CONTAINER_OF(n, struct watch, node));
    htable_fini(&c->watches);
    call_fini(&c->page);
    call_fini(&c->call);
    call_fini(&c->job.page);
    call_fini(&c->job.call);
    call_fini(&c->job.parts);
    arena_fini(&c->job.arena);
    release_fini(&c->job.release);
    eraser_fini(&c->job.eraser);
    settle_fini(&c->job.settle);
    map_fix_fini(&c->job.fix);
    writer_fini(&c->job.value);
    writer_fini(&c->job.record);
    writer_fini(&c->job.claimed);
    writer_fini(&c->from);
    mem_free(c);
}

int bucket_collect(struct bucket_layer *l, bucket_done_fn *done, void *arg)
{
    struct collector *c = l->collector;
    int rc = layer_takes(l);

    if (rc == 0 && c->running)
        rc = -EBUSY;
    if (rc < 0)
        return rc;
    c->done = done;
    c->arg = arg;
    env_timer_cancel(l->env, &c->timer);
    round_begin(c);
    return 0;
}
