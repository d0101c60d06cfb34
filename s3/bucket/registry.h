/* registry.h - what creating, deleting and listing buckets share: the record and the owner's row.
 */
#ifndef S3_BUCKET_REGISTRY_H
#define S3_BUCKET_REGISTRY_H

#include "s3/bucket/bucket_int.h"

/* Each begins an operation on `c`; submit it with call_submit_if and the code returned. */
int record_get(struct call *c, struct bytes bucket);
/* Guarded on the record being `was` (empty: absent); an empty `next` removes it. */
int record_replace(struct call *c, struct bytes bucket, const struct writer *was,
                   const struct writer *next);
/* What a record_get, or a record_replace whose guard failed, has read: 0, -R_NO_BUCKET when there
 * is no record, or a failure.  The row borrows from `raw`, which is overwritten. */
int record_take(struct call *c, struct writer *raw, struct bucket_row *out_row);
/* The note by which collectors find a shard, written before the shard is made. */
int note_write(struct call *c, const struct shard_note *note);
/* A note of a shard that is not there goes after the grace.  True for one that may be gone: who has
 * asked for it at `noted_ns` makes no shard any more, and if one came late, notes it again. */
bool note_is_old(const struct bucket_layer *l, uint64_t noted_ns);
/* The owner's row of a bucket: written without a guard, or guarded on `was`. */
int own_write(struct call *c, const char *owner, struct bytes bucket, const struct writer *value);
int own_settle(struct call *c, const char *owner, struct bytes bucket, const struct writer *was,
               bool sure);
/* A new unsure row: a token makes it unlike any other. */
int own_unsure(struct bucket_layer *l, const struct uuid *id, uint64_t created_ns,
               struct writer *out_value);

#endif
