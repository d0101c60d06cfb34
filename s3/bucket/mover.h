/* mover.h - splits index shards that have grown, merges those that have emptied (mover.c). */
#ifndef S3_BUCKET_MOVER_H
#define S3_BUCKET_MOVER_H

#include "s3/bucket/bucket_int.h"

struct mover;
int mover_create(struct bucket_layer *l);
void mover_destroy(struct mover *m);
/* An entry was added to this shard from here.  Now and then its counters are read. */
void mover_grown(struct bucket_layer *l, struct bucket *b, struct bytes key, uint64_t no);
/* The counters of a shard were read. */
void mover_size(struct bucket_layer *l, const char *bucket, const struct shard_row *row,
                const struct shard_count *n);

#endif
