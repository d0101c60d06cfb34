/* file.h - small whole files, folders, locks.  All calls block: start-up, shut-down and workers.
 *
 * In the simulator each machine has its own tree of files; file_replace is atomic and durable once
 * it returned, as the real one (write aside, fsync, rename, fsync the folder). */
#ifndef CORE_ENV_FILE_H
#define CORE_ENV_FILE_H

#include "core/base/buf.h"
#include "core/env/env.h"

int file_read(struct env *env, const char *path, uint64_t bytes_max,
              struct buf *out_data); /* one span; -EFBIG */
int file_replace(struct env *env, const char *path, const void *data, size_t bytes, unsigned mode);
/* Add to the end, making the file if need be: for logs.  Opened for this call alone, so that a file
 * that was renamed or removed is left behind.  Not durable; a failure may leave a part. */
int file_append(struct env *env, const char *path, const void *data, size_t bytes, unsigned mode);
int file_remove(struct env *env, const char *path); /* durable; -ENOENT */
int dir_create(struct env *env, const char *path,
               unsigned mode); /* with parents; durable; 0 if there */
int dir_list(struct env *env, const char *path, void (*each)(void *arg, const char *name),
             void *arg);

/* An advisory lock that dies with the process: -EBUSY when another process holds it. */
int file_lock(struct env *env, const char *path, struct file_lock **out_lock);
void file_unlock(struct file_lock *lock); /* NULL is fine */

struct fs_space {
    uint64_t total_bytes, free_bytes; /* free to us */
};
int fs_space(struct env *env, const char *path, struct fs_space *out_space);

#endif
