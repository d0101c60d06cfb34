/* sums.h - the checksum of an object from those of its parts.  Pure. */
#ifndef S3_BUCKET_SUMS_H
#define S3_BUCKET_SUMS_H

#include "s3/bucket/bucket.h"

/* Composite: the checksum of the parts' checksums; full: of all bytes, which only CRCs can tell
 * from those of the parts.  kind NONE, if a part lacks one of this kind or nothing can tell it.
 * 0 or -ENOMEM. */
int sums_join(enum checksum_kind kind, enum s3_sum_type type, const struct object_part *parts,
              uint32_t count, struct s3_sum *out_sum);
bool sums_equal(const struct s3_sum *a, const struct s3_sum *b); /* kind and value */

#endif
