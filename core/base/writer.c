/* writer.c - encoding into memory that grows by doubling, or into memory that is lent.
 *
 * room() is the only place that can fail.  After a failure every call does nothing, so an encoder
 * writes straight through and asks for `rc` at the end. */
#include "core/base/crc.h"
#include "core/base/cursor.h"

enum {
    WRITER_FIRST = 128,
    SEALED_COVERED = 8,
    PLAIN_HEAD = 6,
    LEN_AT_SEALED = 4,
    LEN_AT_PLAIN = 2
};

void writer_fini(struct writer *w)
{
    if (!w->fixed)
        mem_free(w->data);
    *w = (struct writer){0};
}

struct writer wr_over(void *memory, size_t bytes)
{
    return (struct writer){.data = memory, .cap = bytes, .fixed = true};
}

static int grow(struct writer *w, size_t need)
{
    size_t cap = MAX(w->cap, (size_t)WRITER_FIRST);
    uint8_t *data;

    if (w->fixed)
        return -R_OVERFLOW;
    while (cap < need)
        if (__builtin_mul_overflow(cap, 2, &cap))
            return -ENOMEM;
    data = mem_realloc(w->data, cap);
    if (!data)
        return -ENOMEM;
    w->data = data;
    w->cap = cap;
    return 0;
}

/* Where the next `bytes` go, or NULL. */
static uint8_t *room(struct writer *w, size_t bytes)
{
    size_t need;

    if (w->rc)
        return NULL;
    if (__builtin_add_overflow(w->len, bytes, &need))
        w->rc = w->fixed ? -R_OVERFLOW : -ENOMEM;
    else if (need > w->cap)
        w->rc = grow(w, need);
    if (w->rc)
        return NULL;
    w->len = need;
    return w->data + (need - bytes);
}

static void store_le(uint8_t *at, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(v >> (8 * i));
}

static void put_le(struct writer *w, uint64_t v, unsigned bytes)
{
    uint8_t *at = room(w, bytes);

    if (at)
        store_le(at, v, bytes);
}

void wr_u8(struct writer *w, uint8_t v)
{
    put_le(w, v, 1);
}

void wr_bool(struct writer *w, bool v)
{
    put_le(w, v, 1);
}

void wr_u16(struct writer *w, uint16_t v)
{
    put_le(w, v, 2);
}

void wr_u32(struct writer *w, uint32_t v)
{
    put_le(w, v, 4);
}

void wr_u64(struct writer *w, uint64_t v)
{
    put_le(w, v, 8);
}

void wr_i32(struct writer *w, int32_t v)
{
    put_le(w, (uint32_t)v, 4);
}

void wr_i64(struct writer *w, int64_t v)
{
    put_le(w, (uint64_t)v, 8);
}

void wr_raw_grow(struct writer *w, const void *data, size_t bytes)
{
    uint8_t *at;

    if (bytes == 0)
        return;
    at = room(w, bytes);
    if (at)
        memcpy(at, data, bytes);
}

void wr_reserve(struct writer *w, size_t bytes)
{
    uint8_t *data;
    size_t cap;

    if (w->rc || w->fixed || bytes <= w->cap - w->len)
        return;
    if (__builtin_add_overflow(w->len, bytes, &cap) || !(data = mem_realloc(w->data, cap))) {
        w->rc = -ENOMEM;
        return;
    }
    w->data = data;
    w->cap = cap;
}

void wr_bytes(struct writer *w, struct bytes b)
{
    wr_u32(w, b.len);
    wr_raw(w, b.data, b.len);
}

void wr_str(struct writer *w, const char *s)
{
    wr_bytes(w, BYTES_STR(s));
}

void wr_zeros(struct writer *w, size_t bytes)
{
    uint8_t *at;

    if (bytes == 0)
        return;
    at = room(w, bytes);
    if (at)
        memset(at, 0, bytes);
}

void wr_put_u32(struct writer *w, size_t at, uint32_t v)
{
    if (w->rc)
        return;
    ASSERT(w->len >= 4 && at <= w->len - 4);
    store_le(w->data + at, v, 4);
}

/* Write the length of the body that started at `body` into the head. */
static void put_length(struct writer *w, size_t at, size_t body)
{
    if (w->rc)
        return;
    ASSERT(body <= w->len);
    if (w->len - body > UINT32_MAX)
        w->rc = -R_OVERFLOW;
    else
        wr_put_u32(w, at, (uint32_t)(w->len - body));
}

size_t wr_begin(struct writer *w, uint8_t version, uint8_t compat)
{
    size_t mark = w->len;

    ASSERT(compat >= 1 && compat <= version);
    wr_u8(w, version);
    wr_u8(w, compat);
    wr_zeros(w, SEALED_HEAD_BYTES - 2); /* zero, length and checksum: known at the end */
    return mark;
}

void wr_end(struct writer *w, size_t mark)
{
    size_t body = mark + SEALED_HEAD_BYTES;
    uint32_t crc;

    put_length(w, mark + LEN_AT_SEALED, body);
    if (w->rc)
        return;
    crc = crc32c(0, w->data + mark, SEALED_COVERED);
    wr_put_u32(w, mark + SEALED_COVERED, crc32c(crc, w->data + body, w->len - body));
}

size_t wr_begin_plain(struct writer *w, uint8_t version, uint8_t compat)
{
    size_t mark = w->len;

    ASSERT(compat >= 1 && compat <= version);
    wr_u8(w, version);
    wr_u8(w, compat);
    wr_zeros(w, PLAIN_HEAD - 2);
    return mark;
}

void wr_end_plain(struct writer *w, size_t mark)
{
    put_length(w, mark + LEN_AT_PLAIN, mark + PLAIN_HEAD);
}

uint8_t *wr_take(struct writer *w, size_t *out_len)
{
    uint8_t *data;

    ASSERT(!w->fixed);
    if (w->rc == 0 && !w->data)
        w->rc = grow(w, 1); /* an empty writer gives memory, too: NULL means failure */
    if (w->rc)
        return NULL;
    data = w->data;
    *out_len = w->len;
    *w = (struct writer){0};
    return data;
}
