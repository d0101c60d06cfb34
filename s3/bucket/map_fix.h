/* map_fix.h - corrects where the map beside a bucket's record has a shard (map_fix.c). */
#ifndef S3_BUCKET_MAP_FIX_H
#define S3_BUCKET_MAP_FIX_H

#include "s3/bucket/bucket_int.h"

struct map_fix {
    struct call call;
    char bucket[S3_BUCKET_NAME_MAX + 1];
    struct shard_view *view; /* ref: the shard's row; the last change is guarded on it */
    struct writer record;    /* as read; each change is guarded on it ... */
    uint64_t version;        /* ... and on that of the map */
    bool there;              /* the old row is this shard's */
    unsigned tries;
    void (*done)(struct map_fix *f, int rc);
};
void map_fix_init(struct map_fix *f, struct bucket_layer *l);
void map_fix_fini(struct map_fix *f);
bool map_needs_fix(const struct shard_row *r);
/* For a shard that map_needs_fix.  -R_GUARD_FAILED: something has changed meanwhile; it will be
 * seen again. */
void map_fix_run(struct map_fix *f, const char *bucket, struct shard_view *view,
                 void (*done)(struct map_fix *f, int rc));

#endif
