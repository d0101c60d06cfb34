/* real_host.c - a process's reactors and workers: starting, calling, stopping, counting. */
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

#include "core/env/real.h"

enum { REACTORS_DEFAULT = 2, REACTORS_MAX = 64, WORKERS_DEFAULT = 4 };

struct host {
    struct workers *workers;  /* owned */
    struct reactor *reactors; /* owned */
    unsigned count, started;
    struct log log;
};

static unsigned reactors_default(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    return cores < REACTORS_DEFAULT ? 1 : REACTORS_DEFAULT;
}

static int host_start(struct host *h, const struct host_conf *conf)
{
    int rc = 0;

    for (unsigned i = 0; i < h->count && rc == 0; i++) {
        rc = reactor_init(&h->reactors[i], h->workers, conf);
        if (rc < 0)
            break;
        rc = thread_start(&h->reactors[i].handle, reactor_run, &h->reactors[i]);
        if (rc < 0)
            reactor_fini(&h->reactors[i]);
        else
            h->started++;
    }
    return rc;
}

int host_create(const struct host_conf *conf, struct host **out_host, struct note *why)
{
    struct host *h = mem_zalloc(sizeof(*h));
    int rc = h ? 0 : -ENOMEM;

    if (rc == 0) {
        h->count = MIN(conf->reactors ? conf->reactors : reactors_default(), REACTORS_MAX);
        log_init(&h->log, conf->sink, "host");
        h->reactors = mem_aligned(64, h->count * sizeof(*h->reactors));
        rc = h->reactors ? 0 : -ENOMEM;
    }
    if (rc == 0) {
        memset(h->reactors, 0, h->count * sizeof(*h->reactors));
        rc = workers_create(conf->workers ? conf->workers : WORKERS_DEFAULT, &h->workers);
    }
    if (rc == 0)
        rc = host_start(h, conf);
    if (rc < 0) {
        note_add(why, "starting the reactors: %s", reason_text(rc));
        host_destroy(h);
        return rc;
    }
    *out_host = h;
    return 0;
}

struct env *host_env(struct host *h, unsigned reactor)
{
    ASSERT(reactor < h->count);
    return &h->reactors[reactor].env.env;
}

unsigned host_reactors(const struct host *h)
{
    return h->count;
}

struct call {
    struct env_task task;
    void (*fn)(void *arg);
    void *arg;
    sem_t finished;
};

static void call_run(struct env_task *task)
{
    struct call *c = CONTAINER_OF(task, struct call, task);

    c->fn(c->arg);
    sem_post(&c->finished);
}

void host_call(struct host *h, unsigned reactor, void (*fn)(void *arg), void *arg)
{
    struct env *env = host_env(h, reactor);
    struct call c = {.fn = fn, .arg = arg};

    for (unsigned i = 0; i < h->count; i++)
        ASSERT(!env_is_home(host_env(h, i))); /* it would wait for itself */
    sem_init(&c.finished, 0, 0);
    env_task_init(&c.task, call_run);
    env_post(env, &c.task);
    while (sem_wait(&c.finished) < 0)
        ASSERT(errno == EINTR);
    sem_destroy(&c.finished);
}

static void reactor_stop(void *arg)
{
    ((struct reactor *)arg)->stopping = true;
}

static void leftovers_report(const struct host *h, unsigned i)
{
    const struct reactor *r = &h->reactors[i];
    bool timers = !RB_EMPTY(&r->timers);

    if (reactor_busy(r) || r->conns || timers)
        log_warn(&h->log, "a reactor stopped with work left", KV_U64("reactor", i),
                 KV_U64("conns", r->conns), KV_U64("disk_ios", r->disk_busy),
                 KV_U64("works", r->works), KV_U64("timers", timers));
}

void host_destroy(struct host *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < h->started; i++)
        host_call(h, i, reactor_stop, &h->reactors[i]);
    for (unsigned i = 0; i < h->started; i++)
        pthread_join(h->reactors[i].handle, NULL);
    workers_destroy(h->workers);
    for (unsigned i = 0; i < h->started; i++) {
        leftovers_report(h, i);
        reactor_fini(&h->reactors[i]);
    }
    mem_free(h->reactors);
    mem_free(h);
}

/* --- what was counted --- */

void host_stats(const struct host *h, unsigned reactor, struct host_stats *out_stats)
{
    const struct reactor *r = &h->reactors[reactor];

    ASSERT(reactor < h->count);
    *out_stats = (struct host_stats){
        .turns = counter_get(&r->turns),
        .tasks = counter_get(&r->tasks),
        .slow_tasks = counter_get(&r->slow_tasks),
        .slowest_ns = counter_get(&r->slowest_ns),
        .wakes = counter_get(&r->wakes),
        .disk_ios = counter_get(&r->disk_ios),
        .disk_submits = counter_get(&r->disk_submits),
    };
}

int host_metrics_add(const struct host *h, unsigned reactor, struct metric_set *set)
{
    const struct reactor *r = &h->reactors[reactor];
    const struct {
        const char *name, *help;
        const struct counter *counter;
    } rows[] = {
        {"env_turns_total", "Turns of the event loop", &r->turns},
        {"env_tasks_total", "Callbacks run by the event loop", &r->tasks},
        {"env_slow_tasks_total", "Callbacks that held the loop for over 5 ms", &r->slow_tasks},
        {"env_slowest_task_ns", "Longest time one callback held the loop", &r->slowest_ns},
        {"env_wakes_total", "Wake-ups of a sleeping loop by other threads", &r->wakes},
        {"env_disk_ios_total", "Disk requests completed", &r->disk_ios},
        {"env_disk_submits_total", "System calls that started disk requests", &r->disk_submits},
    };
    char label[32];
    int rc = 0;

    ASSERT(reactor < h->count);
    snprintf(label, sizeof(label), "reactor=\"%u\"", reactor);
    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = metric_add_counter(set, rows[i].name, rows[i].help, label, rows[i].counter);
    return rc;
}
