/* access_log.c - lines in, batches out.
 *
 *     QUIET -- a line --> GATHERING -- a while, or much --> WRITING -- done --> QUIET or GATHERING
 *
 * Two buffers: lines gather in one while a worker writes the other.  Both keep their memory, so
 * that in steady use nothing is allocated for a request. */
#include "s3/account/access_log.h"

#include "core/env/file.h"

#define GATHER_NS (200 * NS_PER_MS)
enum { MODE = 0640, WRITE_BYTES = 64 * 1024 };

struct access_log {
    struct env *env;
    struct log log;
    char *path; /* owned */
    enum access_format format;
    uint64_t queue_bytes;
    struct writer gathered, written; /* the second belongs to the worker while it runs */
    uint64_t gathered_lines, written_lines;
    struct env_timer timer;
    struct env_work work;
    struct env_task gone;
    bool writing, stopping, torn; /* torn: the file may end within a line */
    int rc;
    struct access_log_stats stats;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static void log_gone(struct env_task *task)
{
    struct access_log *l = CONTAINER_OF(task, struct access_log, gone);
    void (*stopped)(void *) = l->stopped;
    void *arg = l->stopped_arg;

    env_timer_cancel(l->env, &l->timer);
    writer_fini(&l->gathered);
    writer_fini(&l->written);
    mem_free(l->path);
    mem_free(l);
    stopped(arg);
}

static void write_work(struct env_work *w)
{
    struct access_log *l = CONTAINER_OF(w, struct access_log, work);

    l->rc = 0;
    if (l->torn)
        l->rc = file_append(l->env, l->path, "\n", 1, MODE);
    if (l->rc == 0)
        l->rc = file_append(l->env, l->path, l->written.data, l->written.len, MODE);
}

static void write_next(struct access_log *l)
{
    struct writer empty = l->written;

    if (l->writing)
        return;
    if (l->gathered.len == 0) {
        if (l->stopping)
            env_post(l->env, &l->gone);
        return;
    }
    env_timer_cancel(l->env, &l->timer);
    empty.len = 0;
    empty.rc = 0;
    l->written = l->gathered;
    l->written_lines = l->gathered_lines;
    l->gathered = empty;
    l->gathered_lines = 0;
    l->writing = true;
    env_work_submit(l->env, &l->work);
}

/* The first failure after a success is told; all are counted. */
static void write_done(struct env_work *w)
{
    struct access_log *l = CONTAINER_OF(w, struct access_log, work);

    l->writing = false;
    if (l->rc < 0) {
        counter_add(&l->stats.failures, 1);
        counter_add(&l->stats.dropped, l->written_lines);
        if (!l->torn)
            log_warn(&l->log, "the access log cannot be written, lines are lost", KV_RC(l->rc));
    } else {
        counter_add(&l->stats.lines, l->written_lines);
    }
    l->torn = l->rc < 0;
    gauge_set(&l->stats.queued_bytes, (int64_t)l->gathered.len);
    if (l->stopping || l->gathered.len >= WRITE_BYTES)
        write_next(l);
    else if (l->gathered.len)
        env_timer_after(l->env, &l->timer, GATHER_NS);
}

static void gathered_enough(struct env_timer *t)
{
    write_next(CONTAINER_OF(t, struct access_log, timer));
}

void access_log_add(struct access_log *l, const struct request_facts *f)
{
    size_t before = l->gathered.len;

    ASSERT(!l->stopping);
    access_line(f, l->format, &l->gathered);
    if (l->gathered.rc < 0 || l->gathered.len > l->queue_bytes) {
        l->gathered.len = before;
        l->gathered.rc = 0;
        counter_add(&l->stats.dropped, 1);
        return;
    }
    l->gathered_lines++;
    gauge_set(&l->stats.queued_bytes, (int64_t)(l->gathered.len + l->written.len * l->writing));
    if (l->writing)
        return;
    if (l->gathered.len >= WRITE_BYTES)
        write_next(l);
    else if (before == 0)
        env_timer_after(l->env, &l->timer, GATHER_NS);
}

struct access_log_stats *access_log_stats(struct access_log *l)
{
    return &l->stats;
}

int access_log_start(struct env *env, const char *path, enum access_format format,
                     uint64_t queue_bytes, struct access_log **out_log)
{
    struct access_log *l = mem_zalloc(sizeof(*l));

    if (!l)
        return -ENOMEM;
    l->env = env;
    l->path = mem_strdup(path);
    if (!l->path) {
        mem_free(l);
        return -ENOMEM;
    }
    log_init(&l->log, env_log_sink(env), "s3.access");
    l->format = format;
    l->queue_bytes = queue_bytes;
    l->work.work = write_work;
    l->work.done = write_done;
    env_timer_init(&l->timer, gathered_enough);
    env_task_init(&l->gone, log_gone);
    *out_log = l;
    return 0;
}

void access_log_stop(struct access_log *l, void (*stopped)(void *arg), void *arg)
{
    ASSERT(!l->stopping);
    l->stopping = true;
    l->stopped = stopped;
    l->stopped_arg = arg;
    write_next(l);
}
