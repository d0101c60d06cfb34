/* env.c - the calls of env.h, disk.h, file.h, kv.h and net.h, handed to the implementation.
 *
 * A call that names an env finds its table there.  A call on a disk, connection, listener, store,
 * iterator or lock finds it through the `struct env *` that each of those begins with.  What both
 * implementations must agree on (what a bad disk request is, when a relative timer is due) stands
 * here, so that the simulator cannot be kinder than the machine. */
#include "core/env/env_ops.h"

#include "core/env/env.h"

static struct env *env_of(const void *owned)
{
    return *(struct env *const *)owned;
}

uint64_t env_now_ns(struct env *env)
{
    return env->ops->now_ns(env);
}

uint64_t env_wall_ns(struct env *env)
{
    return env->ops->wall_ns(env);
}

uint64_t env_random_u64(struct env *env)
{
    uint64_t v;

    env->ops->random_bytes(env, &v, sizeof(v));
    return v;
}

void env_random_bytes(struct env *env, void *out, size_t bytes)
{
    env->ops->random_bytes(env, out, bytes);
}

struct log_sink *env_log_sink(struct env *env)
{
    return env->sink;
}

bool env_is_home(struct env *env)
{
    return env->ops->is_home(env);
}

void env_task_init(struct env_task *task, void (*run)(struct env_task *))
{
    list_init(&task->link);
    task->run = run;
}

void env_post(struct env *env, struct env_task *task)
{
    env->ops->post(env, task);
}

void env_defer(struct env *env, struct env_task *task)
{
    env->ops->defer(env, task);
}

void env_timer_init(struct env_timer *t, void (*fire)(struct env_timer *))
{
    *t = (struct env_timer){.fire = fire};
}

void env_timer_at(struct env *env, struct env_timer *t, uint64_t at_ns)
{
    env->ops->timer_at(env, t, at_ns);
}

void env_timer_after(struct env *env, struct env_timer *t, uint64_t delay_ns)
{
    uint64_t at_ns;

    if (__builtin_add_overflow(env_now_ns(env), delay_ns, &at_ns))
        at_ns = UINT64_MAX; /* "never" stays in the future */
    env->ops->timer_at(env, t, at_ns);
}

void env_timer_cancel(struct env *env, struct env_timer *t)
{
    env->ops->timer_cancel(env, t);
}

void env_work_submit(struct env *env, struct env_work *w)
{
    w->env = env;
    env->ops->work_submit(env, w);
}

int env_watch_start(struct env *env, struct env_watch *w, int fd)
{
    return env->ops->watch_start(env, w, fd);
}

void env_watch_stop(struct env *env, struct env_watch *w)
{
    env->ops->watch_stop(env, w);
}

/* --- disk.h --- */

int disk_open(struct env *env, const char *path, const struct disk_conf *conf,
              struct disk **out_disk, struct note *why)
{
    return env->ops->disk_open(env, path, conf, out_disk, why);
}

void disk_close(struct disk *d)
{
    if (d)
        env_of(d)->ops->disk_close(d);
}

uint64_t disk_bytes(const struct disk *d)
{
    return env_of(d)->ops->disk_bytes(d);
}

const char *disk_name(const struct disk *d)
{
    return env_of(d)->ops->disk_name(d);
}

int disk_io_check(const struct disk_io *io, uint64_t disk_bytes_max, bool read_only)
{
    uint64_t bytes = io->op == DISK_WRITE ? io->data.bytes : io->bytes;

    if (io->op == DISK_FLUSH)
        return 0;
    if (io->op != DISK_READ && read_only)
        return -EROFS;
    if (bytes == 0 || bytes % DISK_BLOCK || io->off % DISK_BLOCK)
        return -EINVAL;
    if (io->off > disk_bytes_max || bytes > disk_bytes_max - io->off)
        return -ERANGE;
    return 0;
}

void disk_submit(struct env *env, struct disk_io *io)
{
    ASSERT(io->done);
    ASSERT(io->op != DISK_READ || io->data.bytes == 0);
    env->ops->disk_submit(env, io);
}

int disk_read_now(struct disk *d, uint64_t off, void *out, size_t bytes)
{
    return env_of(d)->ops->disk_read_now(d, off, out, bytes);
}

int disk_write_now(struct disk *d, uint64_t off, const void *data, size_t bytes)
{
    return env_of(d)->ops->disk_write_now(d, off, data, bytes);
}

int disk_flush_now(struct disk *d)
{
    return env_of(d)->ops->disk_flush_now(d);
}

/* --- file.h --- */

int file_read(struct env *env, const char *path, uint64_t bytes_max, struct buf *out_data)
{
    return env->ops->file_read(env, path, bytes_max, out_data);
}

int file_replace(struct env *env, const char *path, const void *data, size_t bytes, unsigned mode)
{
    return env->ops->file_replace(env, path, data, bytes, mode);
}

int file_append(struct env *env, const char *path, const void *data, size_t bytes, unsigned mode)
{
    return env->ops->file_append(env, path, data, bytes, mode);
}

int file_remove(struct env *env, const char *path)
{
    return env->ops->file_remove(env, path);
}

int dir_create(struct env *env, const char *path, unsigned mode)
{
    return env->ops->dir_create(env, path, mode);
}

int dir_list(struct env *env, const char *path, void (*each)(void *arg, const char *name),
             void *arg)
{
    return env->ops->dir_list(env, path, each, arg);
}

int file_lock(struct env *env, const char *path, struct file_lock **out_lock)
{
    return env->ops->file_lock(env, path, out_lock);
}

void file_unlock(struct file_lock *lock)
{
    if (lock)
        env_of(lock)->ops->file_unlock(lock);
}

int fs_space(struct env *env, const char *path, struct fs_space *out_space)
{
    return env->ops->fs_space(env, path, out_space);
}

/* --- kv.h (batches: kv_batch.c) --- */

int kv_open(struct env *env, const char *folder, const struct kv_conf *conf, struct kv **out_kv,
            struct note *why)
{
    return env->ops->kv_open(env, folder, conf, out_kv, why);
}

int kv_salvage(struct env *env, const char *folder, struct note *why)
{
    return env->ops->kv_salvage(env, folder, why);
}

void kv_close(struct kv *kv)
{
    if (kv)
        env_of(kv)->ops->kv_close(kv);
}

int kv_get(struct kv *kv, struct bytes key, struct buf *out_value)
{
    return env_of(kv)->ops->kv_get(kv, key, out_value);
}

int kv_write(struct kv *kv, const struct kv_batch *b)
{
    return env_of(kv)->ops->kv_write(kv, b);
}

int kv_checkpoint(struct kv *kv)
{
    return env_of(kv)->ops->kv_checkpoint(kv);
}

void kv_wait_for_room(struct kv *kv, bool wait)
{
    env_of(kv)->ops->kv_wait_for_room(kv, wait);
}

int kv_iter_create(struct kv *kv, struct bytes from, struct bytes to, struct kv_iter **out_iter)
{
    return env_of(kv)->ops->kv_iter_create(kv, from, to, out_iter);
}

int kv_iter_next(struct kv_iter *it, struct bytes *out_key, struct bytes *out_value)
{
    return env_of(it)->ops->kv_iter_next(it, out_key, out_value);
}

void kv_iter_destroy(struct kv_iter *it)
{
    if (it)
        env_of(it)->ops->kv_iter_destroy(it);
}

int kv_scan(struct kv *kv, struct bytes from, struct bytes to, kv_row_fn *row, void *arg)
{
    return env_of(kv)->ops->kv_scan(kv, from, to, row, arg);
}

void kv_stats(struct kv *kv, struct kv_stats *out_stats)
{
    env_of(kv)->ops->kv_stats(kv, out_stats);
}

/* --- net.h --- */

int net_listen(struct env *env, const struct net_addr *addr, struct net_accept *accept,
               struct net_listener **out_listener, struct note *why)
{
    return env->ops->net_listen(env, addr, accept, out_listener, why);
}

void net_listener_addr(const struct net_listener *l, struct net_addr *out_addr)
{
    env_of(l)->ops->net_listener_addr(l, out_addr);
}

void net_listener_close(struct net_listener *l)
{
    if (l)
        env_of(l)->ops->net_listener_close(l);
}

int net_connect(struct env *env, const struct net_addr *addr, struct net_handler *h,
                struct net_conn **out_conn)
{
    return env->ops->net_connect(env, addr, h, out_conn);
}

int net_send(struct net_conn *conn, struct buf *data)
{
    return env_of(conn)->ops->net_send(conn, data);
}

uint64_t net_queued_bytes(const struct net_conn *conn)
{
    return env_of(conn)->ops->net_queued_bytes(conn);
}

void net_resume(struct net_conn *conn)
{
    env_of(conn)->ops->net_resume(conn);
}

void net_close(struct net_conn *conn)
{
    env_of(conn)->ops->net_close(conn);
}
