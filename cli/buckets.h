/* buckets.h - the registry of buckets as an operator's command reads it.
 *
 * doc/format/bucket.md; read without a gateway, through libcairn alone. */
#ifndef CLI_BUCKETS_H
#define CLI_BUCKETS_H

#include "cli/cli.h"
#include "s3/bucket/rows.h"

/* The pool of the index: 0 and *out_index; 0 and NULL when there is none yet; or it failed (said).
 */
int buckets_open(struct cairn *c, struct cairn_pool **out_index);

struct bucket_record { /* one bucket */
    char name[S3_BUCKET_NAME_MAX + 1];
    struct bucket_row row; /* borrows from raw */
    uint8_t *raw;          /* owned */
    size_t raw_bytes;
};
/* 0, -R_NO_BUCKET (one that is being made does not count), or another negative code. */
int bucket_record_read(struct cairn_pool *index, const char *name, struct bucket_record *out);
void bucket_record_fini(struct bucket_record *r);

/* The buckets of a user, by name; `each` returns 0 to go on.  0, what `each` returned, or a
 * negative code. */
int buckets_of(struct cairn_pool *index, const char *owner,
               int (*each)(void *arg, const char *name, uint64_t created_ns), void *arg);

/* The rows of an object of the index, by key, page by page; none when there is no object.  `each`
 * returns 0 to go on.  0, what `each` returned, or a negative code. */
int rows_each(struct cairn_pool *index, const char *object,
              int (*each)(void *arg, struct cairn_pair row), void *arg);

enum { CHECK_PASSES = 3 }; /* of a check while gateways work */
/* `cairn bucket check`, on an open cluster (bucket_check.c): what each of `passes` looks finds.
 * The exit code: 1 when there are findings. */
int bucket_check_run(struct cli *cli, struct cairn *c, struct cairn_pool *index, unsigned passes);
/* --offline: on one that is stopped (bucket_offline.c). */
int bucket_check_offline(struct cli *cli);

#endif
