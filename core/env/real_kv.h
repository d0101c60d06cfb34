/* real_kv.h - the inside of real key-value stores. */
#ifndef CORE_ENV_REAL_KV_H
#define CORE_ENV_REAL_KV_H

#include "core/env/env_ops.h"
#include "core/env/ldb.h"

int real_kv_open(struct env *env, const char *folder, const struct kv_conf *conf,
                 struct kv **out_kv, struct note *why);
/* The same, with every file operation shown to `hooks` (borrowed until close) before it is done:
 * tests record and break them. */
int real_kv_open_hooked(struct env *env, const char *folder, const struct kv_conf *conf,
                        const struct ldb_hooks *hooks, struct kv **out_kv, struct note *why);
int real_kv_salvage(struct env *env, const char *folder, struct note *why);
void real_kv_close(struct kv *kv);
int real_kv_get(struct kv *kv, struct bytes key, struct buf *out_value);
int real_kv_write(struct kv *kv, const struct kv_batch *b);
int real_kv_checkpoint(struct kv *kv);
void real_kv_wait_for_room(struct kv *kv, bool wait);
int real_kv_iter_create(struct kv *kv, struct bytes from, struct bytes to,
                        struct kv_iter **out_iter);
int real_kv_iter_next(struct kv_iter *it, struct bytes *out_key, struct bytes *out_value);
void real_kv_iter_destroy(struct kv_iter *it);
int real_kv_scan(struct kv *kv, struct bytes from, struct bytes to, kv_row_fn *row, void *arg);
void real_kv_stats(struct kv *kv, struct kv_stats *out_stats);

#endif
