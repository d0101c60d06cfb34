/* buf.h - payload bytes, shared by reference.
 *
 * A blob is one block of memory with an atomic reference count, immutable once a second holder
 * exists.  A buf is an ordered row of pieces (spans) of blobs: slicing and concatenation copy no
 * payload.  A zeroed struct buf is empty and valid; a buf may be moved by assignment (then forget
 * the old one).
 *
 * Threads: blobs may be referenced from any thread; a buf has one owner. */
#ifndef CORE_BASE_BUF_H
#define CORE_BASE_BUF_H

#include "core/base/base.h"

enum { BUF_ALIGN = 4096, BUF_INLINE_SPANS = 2 };

struct blob {
    _Atomic uint32_t refs;
    uint32_t bytes; /* up to 1 GiB */
    uint8_t *data;
    void (*release)(struct blob *); /* called once, at the last unref; NULL: a constant */
};

/* One reference, held by the caller.  Blocks of 4 KiB and more are aligned to BUF_ALIGN, so that
 * direct I/O can use them.  Not zeroed.  NULL when memory is short. */
struct blob *blob_create(size_t bytes);
struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* NULL is fine */

struct span {
    struct blob *blob; /* ref */
    uint32_t off, bytes;
};

struct buf {
    uint64_t bytes;      /* sum of the spans */
    uint32_t span_count; /* no span is empty */
    uint32_t span_cap;   /* 0: spans live in `near` */
    union {
        struct span near[BUF_INLINE_SPANS];
        struct span *far; /* owned */
    };
};

void buf_fini(struct buf *b); /* drops the references; the buf is empty and valid after */
struct span *buf_spans(struct buf *b);
static inline const struct span *buf_spans_of(const struct buf *b)
{
    return b->span_cap ? b->far : b->near;
}
static inline const uint8_t *span_data(const struct span *s)
{
    return s->blob->data + s->off;
}

/* All of these return 0, or -ENOMEM with the target unchanged. */
MUST_CHECK int buf_append_blob(struct buf *b, struct blob *blob, uint32_t off,
                               uint32_t bytes); /* takes its own ref */
MUST_CHECK int buf_append_copy(struct buf *b, const void *data, size_t bytes); /* a new blob */
MUST_CHECK int buf_append_zeros(struct buf *b, uint64_t bytes); /* shares one static zero page */
MUST_CHECK int buf_append(struct buf *b, const struct buf *src, uint64_t off,
                          uint64_t bytes); /* shares */
MUST_CHECK int buf_slice(const struct buf *src, uint64_t off, uint64_t bytes,
                         struct buf *out); /* out: overwritten */
/* Make one span of it, aligned to BUF_ALIGN if it holds 4 KiB or more, copying only if it is not
 * one already. */
MUST_CHECK int buf_flatten(struct buf *b);

void buf_drop_front(struct buf *b, uint64_t bytes);
void buf_truncate(struct buf *b, uint64_t bytes);
struct buf buf_move(struct buf *b); /* returns it, leaves an empty one */
void buf_copy_out(const struct buf *b, uint64_t off, void *dst, size_t bytes);
/* The bytes, where they lie in one span, else NULL. */
const uint8_t *buf_contiguous(const struct buf *b, uint64_t off, size_t bytes);
uint32_t buf_crc32c(const struct buf *b, uint64_t off, uint64_t bytes);
bool buf_equal(const struct buf *a, const struct buf *b);

#endif
