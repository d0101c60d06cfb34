/* cairn.h - libcairn: objects in pools of a Cairn cluster.
 *
 * An operation on one object is a list of steps that is applied atomically and in order: guards and
 * reads, or guards and then writes (a write returns no data).  Each step has its own result.
 * Acknowledged writes are durable on every copy; reads are linearizable; an operation runs exactly
 * once however often the library resends it.
 *
 * Errors are negative errno values; cairn_op_reason names the precise cause.
 * Threads: every function from any thread.  Completions run on the library's own thread: they must
 * not block; they may submit.  Memory: strings and buffers passed in are copied or referenced until
 * the operation completes, as each function says; results live in the operation until it is
 * destroyed. */
#ifndef CAIRN_H
#define CAIRN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CAIRN_API              __attribute__((visibility("default")))
#define CAIRN_OBJECT_BYTES_MAX (128u << 20)
#define CAIRN_NAME_BYTES_MAX   1024

struct cairn;      /* one client instance: a connection to a cluster */
struct cairn_pool; /* one pool, opened */
struct cairn_op;   /* a list of steps, and its results */

/* --- connection --- */

/* `conf`: path of a cairn.conf, NULL for $CAIRN_CONF.  Waits for the first map: up to `timeout_ms`
 * (0: 30,000), then -ETIMEDOUT.  `why` (may be NULL) receives a sentence. */
CAIRN_API int cairn_connect(const char *conf, uint32_t timeout_ms, struct cairn **out_cluster,
                            char *why, size_t why_bytes);
/* Fails what is unanswered with -ESHUTDOWN, then frees.  Pools must be closed. */
CAIRN_API void cairn_shutdown(struct cairn *c);
CAIRN_API uint64_t cairn_instance(const struct cairn *c); /* for the blocklist */

/* --- management: the monitors' command table (see `cairn help`) --- */
struct cairn_reply {
    int rc;
    char *text; /* for people; never NULL */
    char *json; /* never NULL; "" when there is none; NUL-terminated */
    size_t json_bytes;
};
CAIRN_API int cairn_command(struct cairn *c, int argc, const char *const *argv, const void *input,
                            size_t input_bytes, uint32_t timeout_ms, struct cairn_reply *out_reply);
CAIRN_API void cairn_reply_free(struct cairn_reply *r);

/* --- pools --- */
CAIRN_API int cairn_pool_open(struct cairn *c, const char *name,
                              struct cairn_pool **out_pool); /* -ENOENT */
CAIRN_API void cairn_pool_close(struct cairn_pool *p);

/* --- building an operation --- */
CAIRN_API struct cairn_op *cairn_op_create(void);     /* NULL: no memory */
CAIRN_API void cairn_op_destroy(struct cairn_op *op); /* not while submitted */
/* A builder that fails (memory, bounds) makes the submit return its error.  Each returns its step's
 * number, from 0, or a negative errno. */
enum cairn_cmp {
    CAIRN_EQ,
    CAIRN_NE,
    CAIRN_LT,
    CAIRN_LE,
    CAIRN_GT,
    CAIRN_GE,
    CAIRN_ABSENT,
    CAIRN_PRESENT
};
struct cairn_pair {
    const void *key;
    size_t key_bytes;
    const void *value;
    size_t value_bytes;
};
CAIRN_API int cairn_op_assert_exists(struct cairn_op *op);
CAIRN_API int cairn_op_assert_absent(struct cairn_op *op);
CAIRN_API int cairn_op_assert_version(struct cairn_op *op, uint32_t epoch, uint64_t seq);
CAIRN_API int cairn_op_cmp_xattr(struct cairn_op *op, const char *name, enum cairn_cmp cmp,
                                 const void *value, size_t bytes);
CAIRN_API int cairn_op_cmp_omap(struct cairn_op *op, const void *key, size_t key_bytes,
                                enum cairn_cmp cmp, const void *value, size_t bytes);
CAIRN_API int cairn_op_read(struct cairn_op *op, uint64_t off,
                            uint64_t len); /* len 0: to the end */
CAIRN_API int cairn_op_extents(struct cairn_op *op, uint64_t off, uint64_t len);
CAIRN_API int cairn_op_stat(struct cairn_op *op);
CAIRN_API int cairn_op_xattr_get(struct cairn_op *op, const char *name);
CAIRN_API int cairn_op_xattr_list(struct cairn_op *op);
CAIRN_API int cairn_op_omap_get(struct cairn_op *op, const struct cairn_pair *keys, size_t count);
/* Keys from `from` (inclusive) up to `to` (exclusive; 0 bytes: no end), at most `rows_max`. */
CAIRN_API int cairn_op_omap_range(struct cairn_op *op, const void *from, size_t from_bytes,
                                  const void *to, size_t to_bytes, uint32_t rows_max);
CAIRN_API int cairn_op_create_object(struct cairn_op *op, bool exclusive);
/* The bytes of all writes are copied here: copies of an object keep them after the answer. */
CAIRN_API int cairn_op_write(struct cairn_op *op, uint64_t off, const void *data, size_t bytes);
CAIRN_API int cairn_op_write_full(struct cairn_op *op, const void *data, size_t bytes);
CAIRN_API int cairn_op_append(struct cairn_op *op, const void *data, size_t bytes);
CAIRN_API int cairn_op_truncate(struct cairn_op *op, uint64_t bytes);
CAIRN_API int cairn_op_zero(struct cairn_op *op, uint64_t off, uint64_t len);
CAIRN_API int cairn_op_delete(struct cairn_op *op);
CAIRN_API int cairn_op_xattr_set(struct cairn_op *op, const char *name, const void *value,
                                 size_t bytes);
/* Adds each number to the u64 (little-endian) in the same place of the xattr, which counts as zeros
 * where it is not there: counters that need no guard.  Up to 32 numbers.  An operation that adds to
 * an xattr does not change it before. */
CAIRN_API int cairn_op_xattr_add(struct cairn_op *op, const char *name, const int64_t *numbers,
                                 size_t count);
CAIRN_API int cairn_op_xattr_rm(struct cairn_op *op, const char *name);
CAIRN_API int cairn_op_omap_set(struct cairn_op *op, const struct cairn_pair *pairs, size_t count);
CAIRN_API int cairn_op_omap_rm(struct cairn_op *op, const struct cairn_pair *keys, size_t count);
CAIRN_API int cairn_op_omap_rm_range(struct cairn_op *op, const void *from, size_t from_bytes,
                                     const void *to, size_t to_bytes);
CAIRN_API int cairn_op_omap_clear(struct cairn_op *op);
/* What this operation sets leads to space that is given back (a row that says what is to be
 * removed): OSDs that are full take it, from all clients together up to a quarter of the reserve,
 * and beyond that where it puts no more in the place of what its guards show.  It may hold no data.
 * Call it behind the last step. */
CAIRN_API void cairn_op_frees(struct cairn_op *op);
CAIRN_API void cairn_op_timeout(struct cairn_op *op,
                                uint32_t ms); /* 0: wait for ever (default from conf) */

/* --- running it --- */
typedef void cairn_done_fn(struct cairn_op *op, int rc, void *arg);
/* 0 (then `done` comes exactly once, from the library's thread), or a negative errno (then it does
 * not). -EAGAIN when client.in_flight is reached and the call came from the library's thread; other
 * threads wait. */
CAIRN_API int cairn_submit(struct cairn_pool *p, const void *name, size_t name_bytes,
                           struct cairn_op *op, cairn_done_fn *done, void *arg);
/* Submit and wait.  Returns the operation's result. */
CAIRN_API int cairn_run(struct cairn_pool *p, const void *name, size_t name_bytes,
                        struct cairn_op *op);
/* Ask to give up: the operation completes with -ECANCELED, or with its real result. A write may
 * have run. */
CAIRN_API void cairn_op_cancel(struct cairn_op *op);

/* --- results, after completion --- */
CAIRN_API int cairn_op_rc(const struct cairn_op *op);             /* of the whole */
CAIRN_API const char *cairn_op_reason(const struct cairn_op *op); /* "GUARD_FAILED", "OK" */
CAIRN_API int cairn_op_failed_step(const struct cairn_op *op);    /* -1: none */
CAIRN_API int cairn_op_step_rc(const struct cairn_op *op, int step);
/* Bytes of a read, extents, xattr_get, or the present value of a failed guard: how many; copied
 * into dst. */
CAIRN_API size_t cairn_op_data_bytes(const struct cairn_op *op, int step);
CAIRN_API size_t cairn_op_data(const struct cairn_op *op, int step, size_t off, void *dst,
                               size_t bytes);
CAIRN_API size_t cairn_op_pair_count(const struct cairn_op *op, int step, bool *out_more);
CAIRN_API struct cairn_pair cairn_op_pair(const struct cairn_op *op, int step,
                                          size_t i); /* borrowed from op */
struct cairn_stat {
    uint64_t bytes;
    uint64_t mtime_ns; /* since 1970 UTC */
    uint32_t version_epoch;
    uint64_t version_seq;
};
CAIRN_API int cairn_op_stat_result(const struct cairn_op *op, int step,
                                   struct cairn_stat *out_stat);

/* --- plain forms of the common operations (they wait) --- */
CAIRN_API int cairn_write_full(struct cairn_pool *p, const char *name, const void *data,
                               size_t bytes);
CAIRN_API int cairn_write(struct cairn_pool *p, const char *name, uint64_t off, const void *data,
                          size_t bytes);
CAIRN_API ssize_t cairn_read(struct cairn_pool *p, const char *name, uint64_t off, void *dst,
                             size_t bytes);
CAIRN_API int cairn_stat(struct cairn_pool *p, const char *name, struct cairn_stat *out_stat);
CAIRN_API int cairn_remove(struct cairn_pool *p, const char *name);

/* Every object of a pool, in placement order; each name is passed once as long as it exists
 * meanwhile. Stops when `each` returns non-zero, and returns that. */
CAIRN_API int cairn_list(struct cairn_pool *p,
                         int (*each)(void *arg, const void *name, size_t name_bytes,
                                     const struct cairn_stat *st),
                         void *arg);

/* Where an object is, as read from each OSD now. */
struct cairn_copy {
    int osd;
    int rc; /* -ENOENT, -EIO, -ETIMEDOUT: what that OSD said */
    uint64_t bytes;
    uint32_t version_epoch;
    uint64_t version_seq;
    uint32_t crc32c;
};
struct cairn_where {
    uint32_t epoch, pool, pg;
    int up[16], acting[16];
    int up_count, acting_count;
    struct cairn_copy copy[32]; /* of up and acting, each once */
    int copy_count;
};
CAIRN_API int cairn_where(struct cairn_pool *p, const char *name, struct cairn_where *out_where);

#ifdef __cplusplus
}
#endif
#endif
