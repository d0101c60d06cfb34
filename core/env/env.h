/* env.h - what a role asks of the world: time, randomness, timers, tasks and workers.
 *
 * A struct env is one reactor as one role instance sees it.  Two implementations stand behind it:
 * the real one (env_real.h: libuv, io_uring, worker threads) and the simulated one (sim.h: one
 * thread, virtual time, one seed).  Disks, files, key-value stores and the network are in disk.h,
 * file.h, kv.h and net.h, under the same env.
 *
 * Threads: all calls on the env's own reactor, except env_post (any thread).  Completions come
 * from the loop, never from inside the call that asked for them, and exactly once. */
#ifndef CORE_ENV_ENV_H
#define CORE_ENV_ENV_H

#include "core/base/base.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/note.h"
#include "core/base/tree.h"

struct env;

/* Monotonic nanoseconds that also pass while the machine is suspended (CLOCK_BOOTTIME); leases are
 * counted in it.  The simulator may make it run fast or slow within the stated drift. */
uint64_t env_now_ns(struct env *env);
/* Nanoseconds since 1970 UTC: for time stamps that users see, never for ordering. */
uint64_t env_wall_ns(struct env *env);
/* Unpredictable in production (getrandom), from the seed in the simulator. */
uint64_t env_random_u64(struct env *env);
void env_random_bytes(struct env *env, void *out, size_t bytes);

struct log_sink *env_log_sink(struct env *env);
/* Whether the caller runs on this env's reactor: what ASSERT_HOME (op.h) asks. */
bool env_is_home(struct env *env);

/* A callback to run on a reactor.  The memory belongs to the caller and must stay until it ran. */
struct env_task {
    struct list link;
    void (*run)(struct env_task *task);
};
void env_task_init(struct env_task *task, void (*run)(struct env_task *));
/* Run on the env's reactor, in order of posting.  Any thread; wakes the loop once per batch.
 * A task may not be posted again before it ran. */
void env_post(struct env *env, struct env_task *task);
/* Run before the loop waits again, after everything that is ready now (to batch flushes and
 * sends).  Own reactor only. */
void env_defer(struct env *env, struct env_task *task);

struct env_timer {
    RB_ENTRY(env_timer) node;
    uint64_t at_ns, order;
    bool armed;
    void (*fire)(struct env_timer *timer);
};
void env_timer_init(struct env_timer *t, void (*fire)(struct env_timer *));
void env_timer_at(struct env *env, struct env_timer *t, uint64_t at_ns); /* arms or moves */
void env_timer_after(struct env *env, struct env_timer *t, uint64_t delay_ns);
void env_timer_cancel(struct env *env, struct env_timer *t); /* harmless if not armed */

/* Work that blocks or burns CPU.  `work` runs on a worker thread (in the simulator: as one step at
 * a later virtual time), then `done` on the env's reactor.  No order among works. */
struct env_work {
    struct env_task task;
    struct env *env;                  /* set by submit */
    void (*work)(struct env_work *w); /* may touch only what belongs to `w` */
    void (*done)(struct env_work *w);
};
void env_work_submit(struct env *env, struct env_work *w);

/* Watch a descriptor of a library (libmicrohttpd's epoll): `ready` on readability.  -ENOTSUP in the
 * simulator. */
struct env_watch {
    void (*ready)(struct env_watch *w);
    void *impl; /* owned by env */
};
int env_watch_start(struct env *env, struct env_watch *w, int fd);
void env_watch_stop(struct env *env, struct env_watch *w);

/* --- for implementations of env --- */
struct disk;
struct disk_io;
struct disk_conf;
struct kv;
struct kv_conf;
struct kv_batch;
struct kv_iter;
struct buf;
struct bytes;
struct net_addr;
struct net_conn;
struct net_handler;
struct net_listener;
struct net_accept;
struct file_lock;
struct fs_space;
struct dir_names;

struct env_ops; /* env_ops.h */
struct env {
    const struct env_ops *ops;
    struct log_sink *sink; /* borrowed */
};

#endif
