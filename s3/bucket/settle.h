/* settle.h - brings a move that somebody left to its end (settle.c). */
#ifndef S3_BUCKET_SETTLE_H
#define S3_BUCKET_SETTLE_H

#include "s3/bucket/bucket_int.h"
#include "s3/bucket/shard_move.h"

struct settle {
    struct call call;
    struct uuid bucket;
    uint64_t no;
    bool force;
    struct shard_view *mine, *peer; /* refs: as read last */
    uint32_t tries;
    struct access *access; /* borrowed: whose it is, if any's */
    void (*done)(struct settle *s, int rc);
};
void settle_init(struct settle *s, struct bucket_layer *l);
void settle_fini(struct settle *s);
/* Works on the move that shard `no` is in until it is in none.  `done(0)`: s->mine is its row by
 * then, NULL when the shard is not there; without `force` it may still be in one whose source is
 * copying. */
void settle_run(struct settle *s, const struct uuid *bucket, uint64_t no, bool force,
                void (*done)(struct settle *s, int rc));

/* Adds the steps that delete the rows of a range of keys. */
void rows_rm_range(struct cairn_op *op, struct bytes lo, struct bytes hi);
/* Begins an operation on the shard that replaces the row `v` by `next`; its outcome in *out_rc. */
struct cairn_op *row_replace(struct call *c, const struct shard_view *v,
                             const struct shard_row *next, int *out_rc);
void count_add(struct cairn_op *op, const struct shard_count *n, bool minus);

#endif
