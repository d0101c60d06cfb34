/* recode.h - rows of the index of any kind, taken apart and put together again. */
#ifndef TESTS_UNIT_S3_BUCKET_RECODE_H
#define TESTS_UNIT_S3_BUCKET_RECODE_H

#include "s3/bucket/rows.h"

/* In the order of doc/format/bucket.md. */
enum row_kind {
    KIND_BUCKET,
    KIND_PROPS,
    KIND_OWN,
    KIND_NOTE,
    KIND_SHARD,
    KIND_MOVING,
    KIND_MAP,
    KIND_INLINE,
    KIND_MANIFEST,
    KIND_ENTRY,
    KIND_INTENT,
    KIND_GARBAGE,
    KIND_UPLOAD,
    KIND_PART,
    KIND_RESULT,
    KIND_REFS,
    ROW_KINDS
};

/* Decode `value` and encode what was understood: 0, or what the decoder says. */
int row_recode(enum row_kind kind, struct bytes value, struct writer *w);

#endif
