/* env_ops.h - the table an implementation of env fills in.  Roles never include this. */
#ifndef CORE_ENV_ENV_OPS_H
#define CORE_ENV_ENV_OPS_H

#include "core/env/disk.h"
#include "core/env/file.h"
#include "core/env/kv.h"
#include "core/env/net.h"

/* Each entry is the function of the same name in env.h, disk.h, file.h, kv.h or net.h.  struct
 * disk, net_conn, net_listener, kv, kv_iter and file_lock begin with a `struct env *env` in both
 * implementations, so that calls on them find their table. */
struct env_ops {
    uint64_t (*now_ns)(struct env *);
    uint64_t (*wall_ns)(struct env *);
    void (*random_bytes)(struct env *, void *, size_t);
    bool (*is_home)(struct env *);
    void (*post)(struct env *, struct env_task *);
    void (*defer)(struct env *, struct env_task *);
    void (*timer_at)(struct env *, struct env_timer *, uint64_t);
    void (*timer_cancel)(struct env *, struct env_timer *);
    void (*work_submit)(struct env *, struct env_work *);
    int (*watch_start)(struct env *, struct env_watch *, int fd);
    void (*watch_stop)(struct env *, struct env_watch *);

    int (*disk_open)(struct env *, const char *, const struct disk_conf *, struct disk **,
                     struct note *);
    void (*disk_close)(struct disk *);
    uint64_t (*disk_bytes)(const struct disk *);
    const char *(*disk_name)(const struct disk *);
    void (*disk_submit)(struct env *, struct disk_io *);
    int (*disk_read_now)(struct disk *, uint64_t, void *, size_t);
    int (*disk_write_now)(struct disk *, uint64_t, const void *, size_t);
    int (*disk_flush_now)(struct disk *);

    int (*file_read)(struct env *, const char *, uint64_t, struct buf *);
    int (*file_replace)(struct env *, const char *, const void *, size_t, unsigned);
    int (*file_append)(struct env *, const char *, const void *, size_t, unsigned);
    int (*file_remove)(struct env *, const char *);
    int (*dir_create)(struct env *, const char *, unsigned);
    int (*dir_list)(struct env *, const char *, void (*)(void *, const char *), void *);
    int (*file_lock)(struct env *, const char *, struct file_lock **);
    void (*file_unlock)(struct file_lock *);
    int (*fs_space)(struct env *, const char *, struct fs_space *);

    int (*kv_open)(struct env *, const char *, const struct kv_conf *, struct kv **, struct note *);
    int (*kv_salvage)(struct env *, const char *, struct note *);
    void (*kv_close)(struct kv *);
    int (*kv_get)(struct kv *, struct bytes, struct buf *);
    int (*kv_write)(struct kv *, const struct kv_batch *);
    int (*kv_checkpoint)(struct kv *);
    void (*kv_wait_for_room)(struct kv *, bool);
    int (*kv_iter_create)(struct kv *, struct bytes, struct bytes, struct kv_iter **);
    int (*kv_iter_next)(struct kv_iter *, struct bytes *, struct bytes *);
    void (*kv_iter_destroy)(struct kv_iter *);
    int (*kv_scan)(struct kv *, struct bytes, struct bytes, kv_row_fn *, void *);
    void (*kv_stats)(struct kv *, struct kv_stats *);

    int (*net_listen)(struct env *, const struct net_addr *, struct net_accept *,
                      struct net_listener **, struct note *);
    void (*net_listener_addr)(const struct net_listener *, struct net_addr *);
    void (*net_listener_close)(struct net_listener *);
    int (*net_connect)(struct env *, const struct net_addr *, struct net_handler *,
                       struct net_conn **);
    int (*net_send)(struct net_conn *, struct buf *);
    uint64_t (*net_queued_bytes)(const struct net_conn *);
    void (*net_resume)(struct net_conn *);
    void (*net_close)(struct net_conn *);
};

/* Shared by the implementations (env.c).
 *
 * 0 when the request is aligned, within the disk and permitted; else the code to complete it with.
 */
int disk_io_check(const struct disk_io *io, uint64_t disk_bytes, bool read_only);

#endif
