/* cursor.c - reading encoded bytes, failing once and for all.
 *
 * Every read goes through cur_take(), the only place that compares with what is left.  A failed
 * cursor gives zeros; so a decoder reads straight through and asks at the end. */
#include "core/base/cursor.h"

#include "core/base/crc.h"

enum { SEALED_COVERED = 8 }; /* bytes of the head that its checksum covers */

static const uint8_t nothing[1];

int bytes_compare(struct bytes a, struct bytes b)
{
    uint32_t len = MIN(a.len, b.len);
    int order = len ? memcmp(a.data, b.data, len) : 0;

    return order ? order : (a.len > b.len) - (a.len < b.len);
}

struct cursor cur_over(const void *data, size_t bytes)
{
    const uint8_t *at = data ? data : nothing;

    ASSERT(data || bytes == 0);
    return (struct cursor){.at = at, .end = at + bytes};
}

void cur_fail(struct cursor *c, int rc)
{
    ASSERT(rc < 0);
    if (c->rc == 0)
        c->rc = rc;
}

bool cur_bool(struct cursor *c)
{
    uint8_t v = cur_u8(c);

    if (v > 1)
        cur_fail(c, -R_MALFORMED);
    return v == 1;
}

struct bytes cur_raw(struct cursor *c, size_t bytes)
{
    const uint8_t *at;

    if (bytes > UINT32_MAX)
        cur_fail(c, -R_TRUNCATED); /* more than a struct bytes can say */
    at = cur_take(c, bytes);
    if (!at)
        return (struct bytes){nothing, 0};
    return (struct bytes){at, (uint32_t)bytes};
}

struct bytes cur_bytes(struct cursor *c, uint32_t len_max)
{
    uint32_t len = cur_u32(c);

    if (len > len_max)
        cur_fail(c, -R_MALFORMED);
    return cur_raw(c, len);
}

uint32_t cur_count(struct cursor *c, uint32_t max, uint32_t item_bytes_min)
{
    uint32_t count = cur_u32(c);

    if (count > max)
        cur_fail(c, -R_MALFORMED);
    if ((uint64_t)count * item_bytes_min > cur_left(c))
        cur_fail(c, -R_TRUNCATED);
    return c->rc ? 0 : count;
}

void cur_zeros(struct cursor *c, size_t bytes)
{
    const uint8_t *at = cur_take(c, bytes);

    if (!at)
        return;
    for (size_t i = 0; i < bytes; i++)
        if (at[i])
            cur_fail(c, -R_MALFORMED);
}

int cur_finish(struct cursor *c)
{
    if (c->at != c->end)
        cur_fail(c, -R_MALFORMED);
    return c->rc;
}

/* Check an envelope's head, and hand its body out. */
static unsigned enter(struct cursor *c, unsigned version, unsigned compat, uint8_t compat_max,
                      struct bytes data, struct cursor *body)
{
    if (compat < 1 || compat > version)
        cur_fail(c, -R_MALFORMED);
    if (compat > compat_max)
        cur_fail(c, -R_TOO_NEW);
    *body = cur_over(data.data, c->rc ? 0 : data.len);
    body->rc = c->rc;
    return c->rc ? 0 : version;
}

/* The checksum comes first: a rotten version byte must not pass for a newer format. */
unsigned cur_enter(struct cursor *c, uint8_t compat_max, struct cursor *body)
{
    const uint8_t *head = c->at;
    uint8_t version = cur_u8(c);
    uint8_t compat = cur_u8(c);
    uint16_t zero = cur_u16(c);
    uint32_t len = cur_u32(c);
    uint32_t crc = cur_u32(c);
    struct bytes data = cur_raw(c, len);

    if (c->rc == 0 && crc32c(crc32c(0, head, SEALED_COVERED), data.data, data.len) != crc)
        cur_fail(c, -R_CSUM_MISMATCH);
    if (zero)
        cur_fail(c, -R_MALFORMED);
    return enter(c, version, compat, compat_max, data, body);
}

unsigned cur_enter_plain(struct cursor *c, uint8_t compat_max, struct cursor *body)
{
    uint8_t version = cur_u8(c);
    uint8_t compat = cur_u8(c);
    struct bytes data = cur_bytes(c, UINT32_MAX);

    return enter(c, version, compat, compat_max, data, body);
}

int cur_leave(struct cursor *c, struct cursor *body)
{
    if (body->rc)
        cur_fail(c, body->rc);
    return c->rc;
}
