/* cursor.h - reading and writing encoded bytes.
 *
 * All numbers are little-endian.  A cursor reads from borrowed memory and remembers the first
 * failed read: read on, then ask once (`c->rc`, or cur_leave).  After a failure reads give zeros
 * and empty strings.  A writer grows its own memory and remembers the first failed allocation.
 *
 * Two envelopes, both versioned: readers skip a newer tail; `compat` above what the reader knows
 * is -R_TOO_NEW.
 *   sealed (disk):  u8 version, u8 compat, u16 zero, u32 length,
 *                   u32 crc32c of these 8 bytes and the body, then the body
 *   plain (wire):   u8 version, u8 compat, u32 length, then the body
 * version >= compat >= 1; length counts the body. */
#ifndef CORE_BASE_CURSOR_H
#define CORE_BASE_CURSOR_H

#include <endian.h>

#include "core/base/base.h"

enum { SEALED_HEAD_BYTES = 12 }; /* of a sealed envelope, before its body */

struct cursor {
    const uint8_t *at, *end; /* borrowed */
    int rc;                  /* 0, -R_TRUNCATED, -R_MALFORMED, -R_TOO_NEW, -R_CSUM_MISMATCH */
};

struct bytes { /* borrowed, not terminated */
    const uint8_t *data;
    uint32_t len;
};
#define BYTES_STR(s) ((struct bytes){(const uint8_t *)(s), (uint32_t)strlen(s)})
static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
int bytes_compare(struct bytes a, struct bytes b); /* memcmp order, shorter first */

struct cursor cur_over(const void *data, size_t bytes);
static inline size_t cur_left(const struct cursor *c)
{
    return (size_t)(c->end - c->at);
}
/* The next `bytes`, or NULL: they are not there, or the cursor has failed. */
static inline const uint8_t *cur_take(struct cursor *c, size_t bytes)
{
    const uint8_t *at = c->at;

    if (c->rc)
        return NULL;
    if (bytes > cur_left(c)) {
        c->rc = -R_TRUNCATED;
        return NULL;
    }
    c->at += bytes;
    return at;
}
static inline uint8_t cur_u8(struct cursor *c)
{
    const uint8_t *at = cur_take(c, 1);

    return at ? *at : 0;
}
static inline uint16_t cur_u16(struct cursor *c)
{
    const uint8_t *at = cur_take(c, 2);
    uint16_t v = 0;

    if (at)
        memcpy(&v, at, sizeof(v));
    return le16toh(v);
}
static inline uint32_t cur_u32(struct cursor *c)
{
    const uint8_t *at = cur_take(c, 4);
    uint32_t v = 0;

    if (at)
        memcpy(&v, at, sizeof(v));
    return le32toh(v);
}
static inline uint64_t cur_u64(struct cursor *c)
{
    const uint8_t *at = cur_take(c, 8);
    uint64_t v = 0;

    if (at)
        memcpy(&v, at, sizeof(v));
    return le64toh(v);
}
static inline int32_t cur_i32(struct cursor *c)
{
    return (int32_t)cur_u32(c);
}
static inline int64_t cur_i64(struct cursor *c)
{
    return (int64_t)cur_u64(c);
}
bool cur_bool(struct cursor *c);                            /* 0 or 1, else malformed */
struct bytes cur_raw(struct cursor *c, size_t bytes);       /* borrowed from the memory read */
struct bytes cur_bytes(struct cursor *c, uint32_t len_max); /* u32 length, then that many */
/* A u32 count of items of at least `item_bytes_min` each: fits in what is left and in `max`. */
uint32_t cur_count(struct cursor *c, uint32_t max, uint32_t item_bytes_min);
void cur_zeros(struct cursor *c, size_t bytes); /* padding: verified */
void cur_fail(struct cursor *c, int rc);        /* the first one wins */
int cur_finish(struct cursor *c);               /* rc, or -R_MALFORMED if bytes are left */

/* Enter a sealed or plain envelope; `body` reads inside it.  Returns its version (0 on failure).
 * cur_leave hands body's failure to `c`, skips what the reader did not know, returns c->rc. */
unsigned cur_enter(struct cursor *c, uint8_t compat_max, struct cursor *body);
unsigned cur_enter_plain(struct cursor *c, uint8_t compat_max, struct cursor *body);
int cur_leave(struct cursor *c, struct cursor *body);

struct writer {
    uint8_t *data; /* owned, unless `fixed` */
    size_t len, cap;
    int rc; /* 0 or -ENOMEM (or -R_OVERFLOW for a fixed writer that ran out) */
    bool fixed;
};

void writer_fini(struct writer *w);
struct writer wr_over(void *memory, size_t bytes); /* writes into borrowed memory */
void wr_u8(struct writer *w, uint8_t v);
void wr_bool(struct writer *w, bool v);
void wr_u16(struct writer *w, uint16_t v);
void wr_u32(struct writer *w, uint32_t v);
void wr_u64(struct writer *w, uint64_t v);
void wr_i32(struct writer *w, int32_t v);
void wr_i64(struct writer *w, int64_t v);
void wr_raw_grow(struct writer *w, const void *data, size_t bytes); /* wr_raw's way out of line */
static inline void wr_raw(struct writer *w, const void *data, size_t bytes)
{
    if (w->rc || bytes > w->cap - w->len) {
        wr_raw_grow(w, data, bytes);
    } else if (bytes) {
        memcpy(w->data + w->len, data, bytes);
        w->len += bytes;
    }
}
/* Memory for `bytes` more, taken in one go; the writer grows beyond it all the same. */
void wr_reserve(struct writer *w, size_t bytes);
void wr_bytes(struct writer *w, struct bytes b); /* u32 length, then the bytes */
void wr_str(struct writer *w, const char *s);
void wr_zeros(struct writer *w, size_t bytes);
void wr_put_u32(struct writer *w, size_t at, uint32_t v); /* overwrite at a position */
/* Returns a mark for the matching end. */
size_t wr_begin(struct writer *w, uint8_t version, uint8_t compat);
void wr_end(struct writer *w, size_t mark);
size_t wr_begin_plain(struct writer *w, uint8_t version, uint8_t compat);
void wr_end_plain(struct writer *w, size_t mark);
uint8_t *wr_take(struct writer *w, size_t *out_len); /* moves the memory out */

#endif
