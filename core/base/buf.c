/* buf.c - rows of spans over shared, counted memory.
 *
 * A small blob has its bytes behind the struct; one of 4 KiB or more has pages of its own.  Growing
 * the row of spans is the only step that can fail, and comes before any reference is taken: a call
 * that returns -ENOMEM changed nothing.
 *
 * Neighbouring spans of one blob are merged, so a buf cut up and put together again has as few
 * spans as it had.  Zeros are spans of one constant block, which is not counted. */
#include "core/base/buf.h"

#include "core/base/crc.h"

#define BLOB_BYTES_MAX GIB(1)
enum { BLOB_GRAIN = 16, FAR_SPANS_MIN = 8, ZERO_BYTES = 65536 };

/* ---- blobs ---- */

static void blob_release_small(struct blob *b)
{
    mem_free(b); /* the bytes lie behind it */
}

static void blob_release_pages(struct blob *b)
{
    mem_pages_free(b->data, b->bytes);
    mem_free(b);
}

struct blob *blob_create(size_t bytes)
{
    size_t head = ROUND_UP(sizeof(struct blob), BLOB_GRAIN);
    bool pages = bytes >= BUF_ALIGN;
    struct blob *b;

    if (bytes > BLOB_BYTES_MAX)
        return NULL;
    b = mem_alloc(pages ? head : head + bytes);
    if (!b)
        return NULL;
    b->refs = 1;
    b->bytes = (uint32_t)bytes;
    b->data = pages ? mem_pages(bytes) : (uint8_t *)b + head;
    b->release = pages ? blob_release_pages : blob_release_small;
    if (!b->data) {
        mem_free(b);
        return NULL;
    }
    return b;
}

struct blob *blob_ref(struct blob *b)
{
    if (b->release) {
        uint32_t before = __atomic_fetch_add((uint32_t *)&b->refs, 1, __ATOMIC_RELAXED);

        ASSERT(before > 0 && before < UINT32_MAX);
    }
    return b;
}

void blob_unref(struct blob *b)
{
    uint32_t before;

    if (!b || !b->release)
        return;
    /* Release our reads and writes of the bytes; acquire everybody's before they are freed. */
    before = __atomic_fetch_sub((uint32_t *)&b->refs, 1, __ATOMIC_ACQ_REL);
    ASSERT(before > 0);
    if (before == 1)
        b->release(b);
}

static const uint8_t zero_page[ZERO_BYTES] __attribute__((aligned(BUF_ALIGN)));
/* Never written: its count is not kept, and says "shared" to whoever asks. */
static const struct blob zero_blob = {.refs = 2, .bytes = ZERO_BYTES, .data = (uint8_t *)zero_page};
#define ZERO_BLOB ((struct blob *)&zero_blob)

/* ---- spans ---- */

struct span *buf_spans(struct buf *b)
{
    return b->span_cap ? b->far : b->near;
}

void buf_fini(struct buf *b)
{
    struct span *spans = buf_spans(b);

    for (uint32_t i = 0; i < b->span_count; i++)
        blob_unref(spans[i].blob);
    if (b->span_cap)
        mem_free(b->far);
    *b = (struct buf){0};
}

/* Make room for `more` spans. */
static int reserve(struct buf *b, uint64_t more)
{
    uint64_t need = b->span_count + more;
    uint64_t cap = MAX(b->span_cap, (uint32_t)FAR_SPANS_MIN);
    struct span *far;

    if (need <= (b->span_cap ? b->span_cap : BUF_INLINE_SPANS))
        return 0;
    while (cap < need)
        cap *= 2;
    if (cap > UINT32_MAX)
        return -ENOMEM;
    far = mem_realloc(b->span_cap ? b->far : NULL, cap * sizeof(*far));
    if (!far)
        return -ENOMEM;
    if (!b->span_cap)
        memcpy(far, b->near, b->span_count * sizeof(*far));
    b->far = far;
    b->span_cap = (uint32_t)cap;
    return 0;
}

/* Put a span at the end, where there is room for it. */
static void push(struct buf *b, struct blob *blob, uint32_t off, uint32_t bytes)
{
    struct span *spans = buf_spans(b), *last = spans + b->span_count - 1;

    if (b->span_count && last->blob == blob && last->off + last->bytes == off)
        last->bytes += bytes;
    else
        spans[b->span_count++] = (struct span){blob_ref(blob), off, bytes};
    b->bytes += bytes;
}

/* The span that holds byte `off`, and where in it; span_count when off is the end. */
static uint32_t find(const struct buf *b, uint64_t off, uint32_t *out_skip)
{
    const struct span *spans = buf_spans_of(b);
    uint32_t i = 0;

    for (; i < b->span_count && off >= spans[i].bytes; i++)
        off -= spans[i].bytes;
    *out_skip = (uint32_t)off;
    return i;
}

static void check_range(const struct buf *b, uint64_t off, uint64_t bytes)
{
    ASSERT(off <= b->bytes);
    ASSERT(bytes <= b->bytes - off);
}

/* ---- building ---- */

int buf_append_blob(struct buf *b, struct blob *blob, uint32_t off, uint32_t bytes)
{
    int rc;

    ASSERT(off <= blob->bytes);
    ASSERT(bytes <= blob->bytes - off);
    if (bytes == 0)
        return 0;
    rc = reserve(b, 1);
    if (rc == 0)
        push(b, blob, off, bytes);
    return rc;
}

int buf_append_copy(struct buf *b, const void *data, size_t bytes)
{
    struct blob *blob;
    int rc;

    if (bytes == 0)
        return 0;
    blob = blob_create(bytes);
    if (!blob)
        return -ENOMEM;
    memcpy(blob->data, data, bytes);
    rc = buf_append_blob(b, blob, 0, (uint32_t)bytes);
    blob_unref(blob);
    return rc;
}

int buf_append_zeros(struct buf *b, uint64_t bytes)
{
    struct span *last;
    int rc = reserve(b, bytes / ZERO_BYTES + 1);

    if (rc)
        return rc;
    last = buf_spans(b) + b->span_count - 1;
    if (b->span_count && last->blob == ZERO_BLOB) { /* the block has more of the same */
        uint32_t end = last->off + last->bytes;
        uint32_t step = (uint32_t)MIN(bytes, ZERO_BYTES - end);

        last->bytes += step;
        b->bytes += step;
        bytes -= step;
    }
    while (bytes) {
        uint32_t step = (uint32_t)MIN(bytes, (uint64_t)ZERO_BYTES);

        push(b, ZERO_BLOB, 0, step);
        bytes -= step;
    }
    return 0;
}

/* Also right for src == b: only spans that were there before are read, and the last of them, which
 * may have been merged into, is read no further than `bytes` says. */
int buf_append(struct buf *b, const struct buf *src, uint64_t off, uint64_t bytes)
{
    uint32_t first, last, skip, tail;
    int rc;

    check_range(src, off, bytes);
    if (bytes == 0)
        return 0;
    first = find(src, off, &skip);
    last = find(src, off + bytes - 1, &tail);
    rc = reserve(b, (uint64_t)last - first + 1);
    if (rc)
        return rc;
    for (uint32_t i = first; i <= last; i++) {
        struct span s = buf_spans_of(src)[i];
        uint32_t step = (uint32_t)MIN(bytes, (uint64_t)s.bytes - skip);

        push(b, s.blob, s.off + skip, step);
        bytes -= step;
        skip = 0;
    }
    return 0;
}

int buf_slice(const struct buf *src, uint64_t off, uint64_t bytes, struct buf *out)
{
    struct buf part = {0};
    int rc;

    ASSERT(out != src);
    rc = buf_append(&part, src, off, bytes);
    if (rc == 0)
        *out = part;
    return rc;
}

int buf_flatten(struct buf *b)
{
    const struct span *only = buf_spans_of(b);
    struct buf flat = {0};
    struct blob *blob;

    if (b->span_count == 0)
        return 0;
    if (b->span_count == 1 && (b->bytes < BUF_ALIGN || (uintptr_t)span_data(only) % BUF_ALIGN == 0))
        return 0;
    blob = blob_create(b->bytes);
    if (!blob)
        return -ENOMEM;
    buf_copy_out(b, 0, blob->data, b->bytes);
    push(&flat, blob, 0, blob->bytes); /* fits: nothing is in it */
    blob_unref(blob);
    buf_fini(b);
    *b = flat;
    return 0;
}

/* ---- cutting ---- */

void buf_drop_front(struct buf *b, uint64_t bytes)
{
    struct span *spans = buf_spans(b);
    uint32_t gone, skip;

    check_range(b, 0, bytes);
    gone = find(b, bytes, &skip);
    for (uint32_t i = 0; i < gone; i++)
        blob_unref(spans[i].blob);
    b->span_count -= gone;
    b->bytes -= bytes;
    memmove(spans, spans + gone, b->span_count * sizeof(*spans));
    if (skip) {
        spans[0].off += skip;
        spans[0].bytes -= skip;
    }
}

void buf_truncate(struct buf *b, uint64_t bytes)
{
    struct span *spans = buf_spans(b);
    uint32_t keep, part;

    check_range(b, 0, bytes);
    keep = find(b, bytes, &part);
    if (part)
        spans[keep++].bytes = part;
    for (uint32_t i = keep; i < b->span_count; i++)
        blob_unref(spans[i].blob);
    b->span_count = keep;
    b->bytes = bytes;
}

struct buf buf_move(struct buf *b)
{
    struct buf moved = *b;

    *b = (struct buf){0};
    return moved;
}

/* ---- reading ---- */

void buf_copy_out(const struct buf *b, uint64_t off, void *dst, size_t bytes)
{
    const struct span *spans = buf_spans_of(b);
    uint8_t *to = dst;
    uint32_t i, skip;

    check_range(b, off, bytes);
    for (i = find(b, off, &skip); bytes; i++, skip = 0) {
        size_t step = MIN(bytes, (size_t)spans[i].bytes - skip);

        memcpy(to, span_data(&spans[i]) + skip, step);
        to += step;
        bytes -= step;
    }
}

const uint8_t *buf_contiguous(const struct buf *b, uint64_t off, size_t bytes)
{
    const struct span *spans = buf_spans_of(b);
    uint32_t i, skip;

    if (off > b->bytes || bytes > b->bytes - off)
        return NULL;
    if (bytes == 0)
        return zero_page;
    i = find(b, off, &skip);
    return bytes <= spans[i].bytes - skip ? span_data(&spans[i]) + skip : NULL;
}

uint32_t buf_crc32c(const struct buf *b, uint64_t off, uint64_t bytes)
{
    const struct span *spans = buf_spans_of(b);
    uint32_t i, skip, crc = 0;

    check_range(b, off, bytes);
    for (i = find(b, off, &skip); bytes; i++, skip = 0) {
        size_t step = (size_t)MIN(bytes, (uint64_t)spans[i].bytes - skip);

        crc = crc32c(crc, span_data(&spans[i]) + skip, step);
        bytes -= step;
    }
    return crc;
}

bool buf_equal(const struct buf *a, const struct buf *b)
{
    const struct span *as = buf_spans_of(a), *bs = buf_spans_of(b);
    uint32_t a_skip = 0, b_skip = 0;
    uint64_t left = a->bytes;

    if (a->bytes != b->bytes)
        return false;
    while (left) {
        uint32_t step = MIN(as->bytes - a_skip, bs->bytes - b_skip);

        if (memcmp(span_data(as) + a_skip, span_data(bs) + b_skip, step) != 0)
            return false;
        left -= step;
        a_skip += step;
        b_skip += step;
        if (a_skip == as->bytes)
            a_skip = 0, as++;
        if (b_skip == bs->bytes)
            b_skip = 0, bs++;
    }
    return true;
}
