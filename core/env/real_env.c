/* real_env.c - the table of the real env; clock and randomness. */
#include <sys/random.h>
#include <time.h>

#include "core/env/real.h"
#include "core/env/real_disk.h"
#include "core/env/real_kv.h"

/* --- clock and randomness --- */

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t); /* fails for no clock that we name */
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t real_now_ns(struct env *env)
{
    UNUSED(env);
    return clock_ns(CLOCK_BOOTTIME);
}

static uint64_t real_wall_ns(struct env *env)
{
    UNUSED(env);
    return clock_ns(CLOCK_REALTIME);
}

static void entropy_fill(void *out, size_t bytes)
{
    uint8_t *at = out;

    while (bytes) {
        ssize_t n = getrandom(at, bytes, 0);

        ASSERT(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        }
    }
}

static void real_random_bytes(struct env *env, void *out, size_t bytes)
{
    struct real_env *e = CONTAINER_OF(env, struct real_env, env);
    uint8_t *at;

    if (bytes > ENTROPY_BYTES) {
        entropy_fill(out, bytes);
        return;
    }
    if (e->entropy_left < bytes) {
        entropy_fill(e->entropy, ENTROPY_BYTES);
        e->entropy_left = ENTROPY_BYTES;
    }
    e->entropy_left -= (unsigned)bytes;
    at = e->entropy + e->entropy_left;
    memcpy(out, at, bytes);
    explicit_bzero(at, bytes); /* what was handed out must not be found here later */
}

/* --- the table --- */

const struct env_ops *real_ops(void)
{
    static const struct env_ops ops = {
        .now_ns = real_now_ns,
        .wall_ns = real_wall_ns,
        .random_bytes = real_random_bytes,
        .is_home = real_is_home,
        .post = real_post,
        .defer = real_defer,
        .timer_at = real_timer_at,
        .timer_cancel = real_timer_cancel,
        .work_submit = real_work_submit,
        .watch_start = real_watch_start,
        .watch_stop = real_watch_stop,
        .disk_open = real_disk_open,
        .disk_close = real_disk_close,
        .disk_bytes = real_disk_bytes,
        .disk_name = real_disk_name,
        .disk_submit = real_disk_submit,
        .disk_read_now = real_disk_read_now,
        .disk_write_now = real_disk_write_now,
        .disk_flush_now = real_disk_flush_now,
        .file_read = real_file_read,
        .file_replace = real_file_replace,
        .file_append = real_file_append,
        .file_remove = real_file_remove,
        .dir_create = real_dir_create,
        .dir_list = real_dir_list,
        .file_lock = real_file_lock,
        .file_unlock = real_file_unlock,
        .fs_space = real_fs_space,
        .kv_open = real_kv_open,
        .kv_salvage = real_kv_salvage,
        .kv_close = real_kv_close,
        .kv_get = real_kv_get,
        .kv_write = real_kv_write,
        .kv_checkpoint = real_kv_checkpoint,
        .kv_wait_for_room = real_kv_wait_for_room,
        .kv_iter_create = real_kv_iter_create,
        .kv_iter_next = real_kv_iter_next,
        .kv_iter_destroy = real_kv_iter_destroy,
        .kv_scan = real_kv_scan,
        .kv_stats = real_kv_stats,
        .net_listen = real_net_listen,
        .net_listener_addr = real_net_listener_addr,
        .net_listener_close = real_net_listener_close,
        .net_connect = real_net_connect,
        .net_send = real_net_send,
        .net_queued_bytes = real_net_queued_bytes,
        .net_resume = real_net_resume,
        .net_close = real_net_close,
    };

    return &ops;
}

void real_env_init(struct real_env *e, struct reactor *r, struct log_sink *sink)
{
    *e = (struct real_env){.env = {.ops = real_ops(), .sink = sink}, .reactor = r};
}

struct env *env_blocking_create(struct log_sink *sink)
{
    struct real_env *e = mem_alloc(sizeof(*e));

    if (!e)
        return NULL;
    real_env_init(e, NULL, sink);
    return &e->env;
}

void env_blocking_destroy(struct env *env)
{
    mem_free(env);
}
