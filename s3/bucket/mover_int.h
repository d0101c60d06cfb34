/* mover_int.h - one split or merge under way, shared by the files of the mover. */
#ifndef S3_BUCKET_MOVER_INT_H
#define S3_BUCKET_MOVER_INT_H

#include "s3/bucket/map_fix.h"
#include "s3/bucket/mover.h"
#include "s3/bucket/registry.h"
#include "s3/bucket/settle.h"

enum { MOVER_QUEUE = 16, GRAINS = 8, BORDERS_MAX = 2048 };

/* Where a batch may end: with all keys before this one there are so many in the plan. */
struct border {
    struct bytes key; /* in the arena */
    uint64_t entries, bytes;
};
/* Inline data that was copied before the mark. */
struct early {
    struct bytes key; /* of the data's row, in the batch's arena */
    struct uuid version;
};
struct mover_job {
    char bucket[S3_BUCKET_NAME_MAX + 1];
    struct uuid id;
    uint64_t no;
    bool merge; /* with the shard on its right; else a split */
};
struct mover {
    struct bucket_layer *l;
    struct mover_job queue[MOVER_QUEUE];
    uint32_t queued;
    bool busy;
    struct mover_job job;
    struct call call;
    struct settle settle;
    struct map_fix fix;
    struct shard_view *src, *dst; /* refs: their rows as far as we know; dst NULL: to be made */
    uint64_t src_no, dst_no;
    struct shard_count count; /* of src */

    /* the plan (mover_plan.c) */
    struct arena arena;
    struct border *border; /* owned */
    uint32_t border_count;
    uint64_t seen, seen_bytes, grain_at, grain_at_bytes;
    uint64_t grain_marked; /* of the grain: bytes that are copied under the mark */
    uint32_t first, end; /* borders of batches: first .. end - 1, that of a split being the first */
    struct row_key from; /* of the next page */
    void (*planned)(struct mover *m, int rc);

    /* the batch */
    struct uuid token;
    uint8_t lo[S3_KEY_MAX], hi[S3_KEY_MAX];
    uint32_t lo_bytes, hi_bytes;
    uint32_t grains, patience_ms, failures;
    uint64_t noted_ns, marked_ns;

    /* data ahead of the mark (mover_early.c) */
    struct arena batch;
    struct early *early; /* owned, in the order of keys */
    uint32_t early_count, early_cap, early_at, early_rows;
    bool early_more;
    struct cairn_pair *fetch, *gone; /* owned: rows of data to read once more, to remove */
    uint32_t fetch_count, fetch_cap, gone_count, gone_cap;
    void (*early_done)(struct mover *m, int rc);

    /* the copy (mover_copy.c) */
    struct call read, write;
    struct cairn_op *out; /* of write: under construction */
    uint32_t out_rows;
    uint64_t out_bytes;
    const char *letter;
    struct row_key at, to;
    struct shard_count copied;
    void (*copied_all)(struct mover *m, int rc);
};
static inline struct bytes mover_lo(const struct mover *m)
{
    return (struct bytes){m->lo, m->lo_bytes};
}
static inline struct bytes mover_hi(const struct mover *m)
{
    return (struct bytes){m->hi, m->hi_bytes};
}
/* Reads the entries of m->src and chooses the borders of batches. */
void mover_plan(struct mover *m, void (*done)(struct mover *m, int rc));
/* The next batch: false when all were made. */
bool mover_batch(struct mover *m);
/* Copies the inline data of the batch, which is prepared and not marked yet. */
void mover_early(struct mover *m, void (*done)(struct mover *m, int rc));
/* Under the mark: the batch's entries in their order, then the end.  What follows from them for
 * data that was copied, or not, is in `fetch` and `gone`. */
void early_begin(struct mover *m);
int early_entry(struct mover *m, struct bytes key, const struct entry_row *e);
int early_end(struct mover *m);
/* m->at and m->to become the rows of this letter in the batch. */
void mover_letter(struct mover *m, enum row_prefix letter);
/* Copies the other rows of the batch from src (marked) to dst (prepared); then dst is complete. */
void mover_copy(struct mover *m, void (*done)(struct mover *m, int rc));

#endif
