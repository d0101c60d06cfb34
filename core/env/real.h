/* real.h - the inside of the real env, shared by the real_*.c files; nobody else includes it.
 *
 * Threads: a reactor's fields belong to its thread, but for `mail`, `thread` and the counters. */
#ifndef CORE_ENV_REAL_H
#define CORE_ENV_REAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>
#undef MIN /* from sys/param.h, by way of uv.h: the same as ours */
#undef MAX

#include "core/base/metrics.h"
#include "core/env/env_ops.h"
#include "core/env/env_real.h"

enum { ENTROPY_BYTES = 512 };

/* The env that a role sees.  With reactor NULL only the blocking calls work. */
struct real_env {
    struct env env; /* first */
    struct reactor *reactor;
    uint8_t entropy[ENTROPY_BYTES]; /* from getrandom, handed out from the end */
    unsigned entropy_left;
};

RB_HEAD(timer_tree, env_timer);

struct workers; /* real_work.c */
struct uring;   /* real_uring.c */

struct reactor {
    struct real_env env;     /* first */
    struct workers *workers; /* borrowed */
    pthread_t handle;        /* for joining */
    _Atomic uint64_t thread; /* pthread_self() of the running loop; 0: not running */
    bool stopping;

    uv_loop_t loop;
    uv_poll_t wake;   /* watches wake_fd */
    uv_timer_t alarm; /* the earliest of `timers` */
    int wake_fd;      /* eventfd: mail for a sleeping loop, and completions of the ring */

    struct list posted;   /* env_task.link: run in the next round */
    struct list deferred; /* run at the end of this turn */
    struct timer_tree timers;
    uint64_t timer_order; /* of the next to be armed */
    uint64_t alarm_ns;    /* what `alarm` is set to; 0: not set */

    struct list net_dirty; /* net_conn.dirty: to be written at the end of this turn */
    struct uring *ring;    /* owned; NULL: disk I/O by workers */
    struct list works_out; /* env_work.task.link: go to the workers at the end of this turn */
    uint32_t works;        /* submitted and not done */
    uint32_t disk_busy;    /* disk requests under way */
    uint32_t conns;        /* connections and listeners that are not gone */

    uint64_t mark_ns; /* when the callback that is running began */
    struct counter turns, tasks, slow_tasks, slowest_ns, wakes, disk_ios, disk_submits;

    /* Tasks posted by other threads, newest first, by link.next; MAIL_ASLEEP while the loop waits.
     * On a line of its own: every poster writes it. */
    _Atomic(struct list *) mail __attribute__((aligned(64)));
};

struct reactor *reactor_of(struct env *env); /* asserts that there is one */
/* A callback begins, and has ended: counts it, and whether it held the loop for too long. */
void reactor_enter(struct reactor *r);
void reactor_left(struct reactor *r);

/* real_env.c */
const struct env_ops *real_ops(void);
void real_env_init(struct real_env *e, struct reactor *r, struct log_sink *sink);
uint64_t real_now_ns(struct env *env); /* any thread; needs no env */

/* real_loop.c */
int reactor_init(struct reactor *r, struct workers *workers, const struct host_conf *conf);
void reactor_fini(struct reactor *r);
void *reactor_run(void *reactor);           /* the thread */
bool reactor_busy(const struct reactor *r); /* something is left to run or to complete */
bool real_is_home(struct env *env);
void real_post(struct env *env, struct env_task *task);
void real_defer(struct env *env, struct env_task *task);
void real_timer_at(struct env *env, struct env_timer *t, uint64_t at_ns);
void real_timer_cancel(struct env *env, struct env_timer *t);
int real_watch_start(struct env *env, struct env_watch *w, int fd);
void real_watch_stop(struct env *env, struct env_watch *w);

/* real_work.c */
int workers_create(unsigned threads, struct workers **out_workers);
void workers_destroy(struct workers *w);                    /* runs what is queued first */
void workers_submit(struct workers *w, struct list *works); /* env_work.task.link; empties it */
void work_turn_end(struct reactor *r);
/* Start a thread that takes no signals: those are for the main thread. */
int thread_start(pthread_t *out_thread, void *(*run)(void *), void *arg);
/* The work_submit of the table. */
void real_work_submit(struct env *env, struct env_work *w);

/* real_net.c */
void net_turn_end(struct reactor *r);
int real_net_listen(struct env *env, const struct net_addr *addr, struct net_accept *accept,
                    struct net_listener **out_listener, struct note *why);
void real_net_listener_addr(const struct net_listener *l, struct net_addr *out_addr);
void real_net_listener_close(struct net_listener *l);
int real_net_connect(struct env *env, const struct net_addr *addr, struct net_handler *h,
                     struct net_conn **out_conn);
int real_net_send(struct net_conn *conn, struct buf *data);
uint64_t real_net_queued_bytes(const struct net_conn *conn);
void real_net_resume(struct net_conn *conn);
void real_net_close(struct net_conn *conn);

/* real_file.c */
int real_file_read(struct env *env, const char *path, uint64_t bytes_max, struct buf *out_data);
int real_file_replace(struct env *env, const char *path, const void *data, size_t bytes,
                      unsigned mode);
int real_file_append(struct env *env, const char *path, const void *data, size_t bytes,
                     unsigned mode);
int real_file_remove(struct env *env, const char *path);
int real_dir_create(struct env *env, const char *path, unsigned mode);
int real_dir_list(struct env *env, const char *path, void (*each)(void *arg, const char *name),
                  void *arg);
int real_file_lock(struct env *env, const char *path, struct file_lock **out_lock);
void real_file_unlock(struct file_lock *lock);
int real_fs_space(struct env *env, const char *path, struct fs_space *out_space);
/* Make the names in the folder of `path` durable. */
int folder_sync_of(const char *path);

#endif
