/* env_real.h - reactors on libuv, disks on io_uring (threads as fallback), LevelDB as kv.
 *
 * A process makes one struct host: its reactors (threads with an event loop each) and its pool of
 * workers.  Roles are started on a reactor's env, from a task posted to it. */
#ifndef CORE_ENV_ENV_REAL_H
#define CORE_ENV_ENV_REAL_H

#include "core/env/env.h"

struct host;
struct host_conf {
    unsigned reactors;     /* 0: one per core, two at most */
    unsigned workers;      /* 0: 4 */
    bool no_uring;         /* use the thread fallback even where io_uring works */
    struct log_sink *sink; /* borrowed */
};
/* Starts the threads.  0, or a negative code with `why`. */
int host_create(const struct host_conf *conf, struct host **out_host, struct note *why);
struct env *host_env(struct host *h, unsigned reactor); /* borrowed */
unsigned host_reactors(const struct host *h);
/* Run `fn(arg)` on a reactor and wait for it.  Not from a reactor. */
void host_call(struct host *h, unsigned reactor, void (*fn)(void *arg), void *arg);
/* Stop the loops and join all threads.  Every role must have stopped; what is left is reported. */
void host_destroy(struct host *h);

/* What a reactor has counted since its start.  Any thread. */
struct host_stats {
    uint64_t turns;      /* of the loop */
    uint64_t tasks;      /* posted and deferred tasks, timers, completions and network callbacks */
    uint64_t slow_tasks; /* ... of them that ran for more than 5 ms: the watchdog */
    uint64_t slowest_ns;
    uint64_t wakes;        /* times another thread had to wake it */
    uint64_t disk_ios;     /* completed */
    uint64_t disk_submits; /* system calls that started them */
};
void host_stats(const struct host *h, unsigned reactor, struct host_stats *out_stats);
/* Register the same as env_*; `set` must go before the host does.  0 or -ENOMEM. */
struct metric_set;
int host_metrics_add(const struct host *h, unsigned reactor, struct metric_set *set);

/* Single-threaded programs: an env whose blocking calls (files, disks by *_now, kv) work without
 * threads and loop.  For `cairn osd fsck` and tools. */
struct env *env_blocking_create(struct log_sink *sink);
void env_blocking_destroy(struct env *env);

#endif
