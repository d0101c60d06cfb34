/* ldb.h - LevelDB with our own Env, as plain C.
 *
 * The one exception to C in the core: LevelDB's C API has no custom Env, and its default Env shares
 * one background thread among all databases, reads tables through mmap and does not sync folders.
 * The files behind this header know nothing of env, and no exception crosses it: they are built
 * without exceptions, so a failed allocation inside LevelDB ends the process.
 *
 * Codes: 0, -ENOENT, or a negative code with a text in `why` where there is one.
 * Threads: reads and iterators from any, writes and checkpoints one at a time. */
#ifndef CORE_ENV_LDB_H
#define CORE_ENV_LDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ldb_call {
    LDB_CREATE,      /* path: an empty file, or an old one emptied */
    LDB_APPEND,      /* path, data, bytes */
    LDB_SYNC,        /* path: its bytes and size */
    LDB_RENAME,      /* path -> to */
    LDB_REMOVE,      /* path */
    LDB_FOLDER_MAKE, /* path */
    LDB_FOLDER_SYNC, /* path: the names in it */
    LDB_READ,        /* path */
};
struct ldb_hooks {
    void *arg;
    /* Called before the operation, from any thread.  0 to go on, or a positive errno that it is to
     * fail with (nothing is done then). */
    int (*before)(void *arg, enum ldb_call call, const char *path, const char *to, const void *data,
                  size_t bytes);
};

struct ldb_conf {
    bool create;
    uint32_t cache_bytes, write_buffer_bytes;
    const struct ldb_hooks *hooks; /* borrowed until close; NULL: none */
};
struct ldb;
/* -ENOENT: there is no database and `create` is off; -EBUSY: somebody has it open. */
int ldb_open(const char *folder, const struct ldb_conf *conf, struct ldb **out_db, char *why,
             size_t why_bytes);
void ldb_close(struct ldb *db);
/* Build a database anew from the tables and logs that can be read. */
int ldb_salvage(const char *folder, char *why, size_t why_bytes);

/* Calls value(arg, ...) once when the key is there, and returns what that returned. */
int ldb_get(struct ldb *db, const void *key, size_t key_bytes,
            int (*value)(void *arg, const void *data, size_t bytes), void *arg);

struct ldb_batch;
struct ldb_batch *ldb_batch_create(void);
void ldb_batch_destroy(struct ldb_batch *b);
void ldb_batch_put(struct ldb_batch *b, const void *key, size_t key_bytes, const void *value,
                   size_t value_bytes);
void ldb_batch_delete(struct ldb_batch *b, const void *key, size_t key_bytes);
int ldb_write(struct ldb *db, struct ldb_batch *b);

/* Bring every write so far into synced tables. */
int ldb_checkpoint(struct ldb *db);

/* Whether operations on files that find the file system full wait for room instead of failing. */
void ldb_wait_for_room(struct ldb *db, bool wait);

struct ldb_iter;
struct ldb_iter *ldb_iter_create(struct ldb *db, const void *from, size_t from_bytes);
/* 1: on an entry, 0: past the last one, negative: failed.  The first call does not move. */
int ldb_iter_next(struct ldb_iter *it, const void **out_key, size_t *out_key_bytes,
                  const void **out_value, size_t *out_value_bytes);
void ldb_iter_destroy(struct ldb_iter *it);
/* Each entry up to `to` (exclusive, 0 bytes: no end), until `row` returns something else than 0.
 * 0, or negative: failed, and what `row` has seen may lack entries. */
int ldb_scan(struct ldb *db, const void *from, size_t from_bytes, const void *to, size_t to_bytes,
             int (*row)(void *arg, const void *key, size_t key_bytes, const void *value,
                        size_t value_bytes),
             void *arg);

uint64_t ldb_bytes_on_disk(struct ldb *db);

#ifdef __cplusplus
}
#endif

#endif
