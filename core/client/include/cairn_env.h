/* cairn_env.h - libcairn on a reactor of our own, for roles that run in the simulator (s3, mgr).
 *
 * Same operations; completions come on the role's own env, payload travels by reference, nothing
 * locks.  Everything here is called on that env's reactor only; on a cluster opened here the
 * waiting forms of cairn.h (cairn_run, cairn_command, cairn_list, ...) return -EDEADLK. */
#ifndef CAIRN_ENV_H
#define CAIRN_ENV_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/base/option.h"
#include "core/client/include/cairn.h"
#include "core/env/env.h"

struct msgr_hub;
struct cairn_env_conf {
    const struct config *conf; /* borrowed during the call: cluster_mons, cluster_fsid, client_* */
    struct msgr_hub *hub;      /* borrowed, may be NULL */
};
/* Starts connecting; operations submitted before the first map wait for it.  `ready(arg, rc)` (may
 * be NULL) comes once, when the first map is here. */
int cairn_open_env(struct env *env, const struct cairn_env_conf *conf,
                   void (*ready)(void *arg, int rc), void *arg, struct cairn **out_cluster);
/* Completes everything with -ESHUTDOWN, closes, then `closed(arg)` from the loop; `c` is gone then.
 */
void cairn_close_env(struct cairn *c, void (*closed)(void *arg), void *arg);
/* The pool need not exist yet: operations on a missing one fail with -ENOENT.  Never fails but for
 * memory. */
int cairn_pool_open_env(struct cairn *c, const char *name, struct cairn_pool **out_pool);

/* The PG of an object of this name under the present map: its number in the pool.  0, or -R_NO_POOL
 * while no map has the pool. */
int cairn_pg_env(struct cairn_pool *p, const char *name, uint32_t *out_pg);

/* Payload by reference: takes its own references; crcs are computed once, here. */
int cairn_op_write_buf(struct cairn_op *op, uint64_t off, const struct buf *data);
int cairn_op_write_full_buf(struct cairn_op *op, const struct buf *data);
/* Lends the bytes read. */
const struct buf *cairn_op_data_buf(const struct cairn_op *op, int step);
/* The precise code (0 or -R_...), where cairn_op_rc folds to errno. */
int cairn_op_code(const struct cairn_op *op);

typedef void cairn_command_fn(void *arg, int rc, const char *text, const void *json,
                              size_t json_bytes);
int cairn_command_env(struct cairn *c, int argc, const char *const *argv, const void *input,
                      size_t input_bytes, uint32_t timeout_ms, cairn_command_fn *done, void *arg);

/* Call `changed(arg, map)` for each new map (borrowed during the call), and once for the present
 * one. One watcher; NULL ends it. */
struct osdmap;
void cairn_watch_map(struct cairn *c, void (*changed)(void *arg, const struct osdmap *map),
                     void *arg);

/* Number of ops resent, for statistics and the simulator's coverage counters. */
uint64_t cairn_resends(const struct cairn *c);

#endif
