/* wire.c - readers of owned fields.
 *
 * Memory that is short counts as a failure of the cursor, like bytes that are: decoders read
 * straight through and ask once. */
#include "core/proto/wire.h"

struct bytes wire_bytes(struct cursor *c, uint32_t len_max)
{
    struct bytes b = cur_bytes(c, len_max);
    uint8_t *copy;

    if (b.len == 0 || c->rc < 0)
        return (struct bytes){0};
    copy = mem_dup(b.data, b.len);
    if (!copy) {
        cur_fail(c, -ENOMEM);
        return (struct bytes){0};
    }
    return (struct bytes){copy, b.len};
}

void wire_bytes_fini(struct bytes *owned)
{
    mem_free((void *)owned->data);
    *owned = (struct bytes){0};
}

void wire_oid(struct cursor *c, struct oid *out_owned)
{
    struct oid o = cur_oid(c);

    if (c->rc == 0 && oid_copy(&o, out_owned) < 0)
        cur_fail(c, -ENOMEM);
}

void *wire_rows(struct cursor *c, uint32_t *count, size_t row_bytes)
{
    void *rows;

    if (c->rc < 0 || *count == 0) {
        *count = 0;
        return NULL;
    }
    rows = mem_calloc(*count, row_bytes);
    if (!rows) {
        *count = 0;
        cur_fail(c, -ENOMEM);
    }
    return rows;
}

void wire_text_put(struct writer *w, const char *text, size_t cap)
{
    size_t len = strnlen(text, cap);

    ASSERT(len < cap);
    wr_bytes(w, (struct bytes){(const uint8_t *)text, (uint32_t)len});
}

static struct bytes text_get(struct cursor *c, uint32_t len_max)
{
    struct bytes b = cur_bytes(c, len_max);

    if (b.len && memchr(b.data, 0, b.len))
        cur_fail(c, -R_MALFORMED);
    return b;
}

void wire_text(struct cursor *c, char *out, size_t cap)
{
    struct bytes b = text_get(c, (uint32_t)cap - 1);

    if (c->rc < 0)
        b.len = 0;
    memcpy(out, b.data, b.len);
    memset(out + b.len, 0, cap - b.len);
}

char *wire_text_own(struct cursor *c, uint32_t len_max)
{
    struct bytes b = text_get(c, len_max);
    char *text = c->rc == 0 ? mem_alloc((size_t)b.len + 1) : NULL;

    if (!text) {
        cur_fail(c, -ENOMEM);
        return NULL;
    }
    memcpy(text, b.data, b.len);
    text[b.len] = '\0';
    return text;
}

void wire_addr(struct cursor *c, struct net_addr *out)
{
    struct net_addr a = {0};

    wire_text(c, a.s, sizeof(a.s));
    if (a.s[0] && net_addr_parse(a.s, out) < 0)
        cur_fail(c, -R_MALFORMED);
}

void wire_data_put(struct writer *w, struct buf *data, const struct buf *b)
{
    ASSERT(b->bytes <= UINT32_MAX);
    wr_u32(w, (uint32_t)b->bytes);
    if (w->rc == 0)
        w->rc = buf_append(data, b, 0, b->bytes);
}

void wire_data_take(struct cursor *c, struct buf *data, uint64_t bytes, struct buf *out)
{
    if (bytes > data->bytes)
        cur_fail(c, -R_TRUNCATED);
    if (c->rc < 0)
        return;
    if (bytes == data->bytes) {
        *out = buf_move(data);
    } else if (buf_slice(data, 0, bytes, out) < 0) {
        cur_fail(c, -ENOMEM);
    } else {
        buf_drop_front(data, bytes);
    }
}

void wire_data(struct cursor *c, struct buf *data, struct buf *out)
{
    uint32_t bytes = cur_u32(c);

    wire_data_take(c, data, bytes, out);
}

void wire_txn_put(struct writer *w, struct buf *data, const struct txn *txn)
{
    uint64_t before = data->bytes;
    size_t at;

    wr_bool(w, txn != NULL);
    if (!txn)
        return;
    at = w->len;
    wr_u32(w, 0);
    txn_encode(txn, w, data);
    ASSERT(data->bytes - before <= TXN_BYTES_MAX);
    wr_put_u32(w, at, (uint32_t)(data->bytes - before));
}

void wire_txn(struct cursor *c, struct buf *data, struct txn **out_txn)
{
    AUTO(buf) payload = {0};
    int rc;

    if (!cur_bool(c))
        return;
    wire_data(c, data, &payload);
    if (c->rc < 0)
        return;
    rc = txn_decode(c, &payload, out_txn);
    if (rc < 0)
        cur_fail(c, rc);
}

int message_leave(struct cursor *front, struct cursor *body, unsigned version, struct buf *data)
{
    if (version <= MESSAGE_VERSION && data->bytes)
        cur_fail(body, -R_MALFORMED);
    return cur_leave(front, body);
}
