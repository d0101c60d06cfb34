/* kv.h - an ordered key-value store: LevelDB in production, a memory map in the simulator.
 *
 * It is a cache of what the caller's journal has made durable: writes are NOT durable until a
 * kv_checkpoint that started after them returned 0.  After a power cut any subset of the batches
 * written since then may be there (each batch whole or not at all).  The first error of any call
 * (but see kv_wait_for_room) poisons the store: every later call returns -R_STORE_FAILED, and the
 * role must stop.
 *
 * Threads: gets and iterators from any thread at once, writes and checkpoints from one at a time.
 * Every call blocks: workers, start-up and fsck only (the simulator runs them in its one thread).
 */
#ifndef CORE_ENV_KV_H
#define CORE_ENV_KV_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/env/env.h"

struct kv_conf {
    bool create;
    bool read_only_check;        /* verify checksums on every read, for fsck */
    uint32_t cache_bytes;        /* 0: 8 MiB */
    uint32_t write_buffer_bytes; /* 0: 8 MiB */
};
int kv_open(struct env *env, const char *folder, const struct kv_conf *conf, struct kv **out_kv,
            struct note *why);
/* Make a damaged store one that opens again, from what can still be read: rows may be missing, and
 * others may be older than they were or be back though they were deleted.  Not for a store that is
 * open.  0, -ENOENT, or why even that failed. */
int kv_salvage(struct env *env, const char *folder, struct note *why);
void kv_close(struct kv *kv); /* no checkpoint is made; NULL is fine */

/* *out_value: a new one-span buf the caller frees; -ENOENT when there is none. */
int kv_get(struct kv *kv, struct bytes key, struct buf *out_value);

struct kv_batch;
struct kv_batch *kv_batch_create(void); /* NULL: no memory */
void kv_batch_destroy(struct kv_batch *b);
/* Copies its arguments; later calls on the same key win.  0 or -ENOMEM (batch then unusable). */
int kv_batch_put(struct kv_batch *b, struct bytes key, struct bytes value);
int kv_batch_delete(struct kv_batch *b, struct bytes key);
uint64_t kv_batch_bytes(const struct kv_batch *b);
int kv_write(struct kv *kv, const struct kv_batch *b); /* atomic; visible at return; not durable */

/* Make every write that returned before this call durable in synced tables. */
int kv_checkpoint(struct kv *kv);

/* What a write or checkpoint does that finds the file system full.  False, as after kv_open: it
 * fails and poisons like any other error.  True: it waits until there is room, or returns -ENOSPC
 * having changed nothing that its repetition would not change, and nothing is poisoned.  Turning it
 * off ends the waits: what waited fails.  Any thread; does not block. */
void kv_wait_for_room(struct kv *kv, bool wait);

/* Keys in memcmp order from `from` (inclusive) up to `to` (exclusive; len 0: no end), as of the
 * moment of creation.  Key and value are borrowed until the next call on this iterator. */
int kv_iter_create(struct kv *kv, struct bytes from, struct bytes to, struct kv_iter **out_iter);
/* 1: *out_key and *out_value are set; 0: the end; negative: failed. */
int kv_iter_next(struct kv_iter *it, struct bytes *out_key, struct bytes *out_value);
void kv_iter_destroy(struct kv_iter *it);

/* The same rows, each given to `row` until that returns something else than 0.  Damage may show
 * only at the end: rows count when this returned no failure, not before.
 * 0: the end was reached; what `row` returned; or a failure. */
typedef int kv_row_fn(void *arg, struct bytes key, struct bytes value);
int kv_scan(struct kv *kv, struct bytes from, struct bytes to, kv_row_fn *row, void *arg);

struct kv_stats {
    uint64_t bytes_on_disk, stalls, stall_ns;
};
void kv_stats(struct kv *kv, struct kv_stats *out_stats);

#endif
