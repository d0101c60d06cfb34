/* verify.h - holds index, data, intents and garbage against each other, and names what is wrong.
 *
 * Pure: whoever has the pools feeds what lies in them, in this order:
 *
 *     every object of s3.data           verify_object          (optional)
 *     of each that comes first          verify_refs            (verify_firsts names them)
 *     for each bucket                   verify_bucket
 *         its map                       verify_map_row
 *         each shard ever made of it    verify_shard, verify_row for each row in order,
 *                                       verify_shard_end
 *                                       verify_bucket_end
 *     verify_end
 *
 * Data first: what lies there and is wanted has somebody who refers to it from before it was
 * written until after it was deleted.  On a bucket that is being worked on something may still look
 * wrong that is not: what was moved, or written, while we read.  Then the whole is done once more,
 * and what was found both times is true; findings are the same text each time, and name the
 * version: what was found of one is not confirmed by what is found of the next. */
#ifndef S3_BUCKET_VERIFY_H
#define S3_BUCKET_VERIFY_H

#include "s3/bucket/rows.h"

struct verify;
/* `found` is told each finding, one line without an end. */
struct verify *verify_create(void (*found)(void *arg, const char *text), void *arg);
void verify_destroy(struct verify *v);

/* Each: 0 or -ENOMEM.  What cannot be read is a finding. */
int verify_object(struct verify *v, struct bytes name, uint64_t bytes);
/* Each data object that may carry a list of references (refs.h), by name; `ask` says 0, or ends it.
 */
int verify_firsts(struct verify *v, int (*ask)(void *arg, const char *name), void *arg);
int verify_refs(struct verify *v, struct bytes name, struct bytes value);
/* A bucket that is gone, `live` false, has no map, and its shards go one by one. */
int verify_bucket(struct verify *v, struct bytes name, const struct uuid *id, bool live);
int verify_map_row(struct verify *v, struct bytes key, struct bytes value);
/* `shard`, `count`: its xattrs, empty when there are none. */
int verify_shard(struct verify *v, struct bytes object, struct bytes shard, struct bytes count);
int verify_row(struct verify *v, struct bytes key, struct bytes value);
int verify_shard_end(struct verify *v);
int verify_bucket_end(struct verify *v);
/* With `whole`, all buckets were seen: data that nobody refers to is a finding. */
void verify_end(struct verify *v, bool whole);

struct verify_totals {
    uint64_t objects, bytes; /* of whole objects */
    uint64_t shards, rows, stripes, findings;
    uint64_t moving; /* shards that were in a move: little is asked of what is on its way */
};
const struct verify_totals *verify_totals(const struct verify *v);

#endif
