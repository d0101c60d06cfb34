/* onode.c - the values of 'o' and 'e' rows: an object's metadata, and the map of its blocks.
 *
 * The onode carries a tag (CRC) of each shard row, each shard row the CRC of each block: from the
 * onode down, everything is bound to this object at this version.  doc/format/store.md */
#include "core/store/format.h"

#include <endian.h>

#include "core/base/crc.h"

enum {
    ONODE_COMPAT = 1,
    SHARD_COMPAT = 1,
    FLAG_OMAP = 1,
    FLAG_DAMAGED = 2,
    RUN_SHARED = 1,
    RUN_LOST = 2,
    XATTR_HEAD = 6,
    SHARD_FRONT = 16, /* nid, index, runs */
    RUN_BYTES = 11
};

struct xattrs *xattrs_ref(struct xattrs *x)
{
    if (x)
        x->refs++;
    return x;
}

void xattrs_unref(struct xattrs *x)
{
    if (x && --x->refs == 0)
        mem_free(x);
}

struct xattr_at {
    struct bytes name, value;
    uint32_t bytes;
};

static struct xattr_at xattr_at(const struct xattrs *x, uint32_t off)
{
    const uint8_t *p = x->data + off;
    uint32_t name = (uint32_t)p[0] | (uint32_t)p[1] << 8;
    uint32_t value =
        (uint32_t)p[2] | (uint32_t)p[3] << 8 | (uint32_t)p[4] << 16 | (uint32_t)p[5] << 24;

    return (struct xattr_at){
        {p + XATTR_HEAD, name}, {p + XATTR_HEAD + name, value}, XATTR_HEAD + name + value};
}

/* The place of `name`, or of the first one behind it.  Says whether it is there. */
static bool xattr_seek(const struct xattrs *x, struct bytes name, uint32_t *out_off)
{
    uint32_t off = 0;

    while (x && off < x->bytes) {
        struct xattr_at a = xattr_at(x, off);
        int cmp = bytes_compare(a.name, name);

        if (cmp >= 0) {
            *out_off = off;
            return cmp == 0;
        }
        off += a.bytes;
    }
    *out_off = off;
    return false;
}

bool xattrs_find(const struct xattrs *x, struct bytes name, struct bytes *out_value)
{
    uint32_t off;

    if (!xattr_seek(x, name, &off))
        return false;
    *out_value = xattr_at(x, off).value;
    return true;
}

bool xattrs_after(const struct xattrs *x, struct bytes after, struct bytes *out_name,
                  struct bytes *out_value)
{
    uint32_t off = 0;
    struct xattr_at a;

    if (!x)
        return false;
    if (after.len && xattr_seek(x, after, &off))
        off += xattr_at(x, off).bytes;
    if (off >= x->bytes)
        return false;
    a = xattr_at(x, off);
    *out_name = a.name;
    *out_value = a.value;
    return true;
}

int xattrs_change(const struct xattrs *x, struct bytes name, struct bytes value,
                  struct xattrs **out)
{
    uint32_t off, old = 0, bytes = x ? x->bytes : 0, count = x ? x->count : 0, rest;
    bool there = xattr_seek(x, name, &off);
    struct xattrs *n;
    uint8_t *p;

    if (there)
        old = xattr_at(x, off).bytes;
    rest = bytes - off - old;
    bytes -= old;
    count -= there;
    if (value.data) {
        bytes += XATTR_HEAD + name.len + value.len;
        count++;
    }
    *out = NULL;
    if (bytes > XATTRS_BYTES_MAX)
        return -R_OVERFLOW;
    if (count == 0)
        return 0;
    n = mem_alloc(sizeof(*n) + bytes);
    if (!n)
        return -ENOMEM;
    n->refs = 1;
    n->count = count;
    n->bytes = bytes;
    p = n->data;
    if (off)
        memcpy(p, x->data, off);
    p += off;
    if (value.data) {
        struct writer w = wr_over(p, XATTR_HEAD + name.len + value.len);

        wr_u16(&w, (uint16_t)name.len);
        wr_u32(&w, value.len);
        wr_raw(&w, name.data, name.len);
        wr_raw(&w, value.data, value.len);
        p += w.len;
    }
    if (rest)
        memcpy(p, x->data + off + old, rest);
    *out = n;
    return 0;
}

void onode_meta_copy(struct onode_meta *to, const struct onode_meta *from)
{
    *to = *from;
    xattrs_ref(to->xattrs);
}

void onode_meta_fini(struct onode_meta *m)
{
    xattrs_unref(m->xattrs);
    *m = (struct onode_meta){0};
}

void onode_encode(struct writer *w, struct bytes key, const struct onode_meta *m,
                  const uint32_t *tags, uint32_t tag_count)
{
    size_t mark = wr_begin(w, 1, 1);

    wr_u32(w, crc32c(0, key.data, key.len));
    wr_u64(w, m->nid);
    wr_u64(w, m->size);
    wr_version(w, m->version);
    wr_u8(w, (uint8_t)((m->omap ? FLAG_OMAP : 0) | (m->damaged ? FLAG_DAMAGED : 0)));
    wr_u32(w, m->xattrs ? m->xattrs->count : 0);
    wr_bytes(w, m->xattrs ? (struct bytes){m->xattrs->data, m->xattrs->bytes} : (struct bytes){0});
    wr_u32(w, tag_count);
    for (uint32_t i = 0; i < tag_count; i++)
        wr_u32(w, tags[i]);
    wr_end(w, mark);
}

/* Names in order, lengths in bounds, count as said. */
static int xattrs_verify(struct bytes raw, uint32_t count)
{
    struct cursor c = cur_over(raw.data, raw.len);
    struct bytes last = {0};

    for (uint32_t i = 0; i < count; i++) {
        uint16_t name_len = cur_u16(&c);
        uint32_t value_len = cur_u32(&c);
        struct bytes name = cur_raw(&c, name_len);

        cur_raw(&c, value_len);
        if (c.rc || name_len == 0 || name_len > XATTR_NAME_MAX || value_len > XATTR_VALUE_MAX ||
            (i && bytes_compare(last, name) >= 0))
            return -R_MALFORMED;
        last = name;
    }
    return cur_finish(&c);
}

struct onode_rest {
    uint32_t xattr_count;
    struct bytes xattrs;
};

static void onode_front(struct bytes key, struct cursor *body, struct onode_meta *m,
                        struct onode_rest *rest)
{
    uint8_t flags;

    if (cur_u32(body) != crc32c(0, key.data, key.len))
        cur_fail(body, -R_CSUM_MISMATCH);
    m->exists = true;
    m->nid = cur_u64(body);
    m->size = cur_u64(body);
    m->version = cur_version(body);
    flags = cur_u8(body);
    m->omap = flags & FLAG_OMAP;
    m->damaged = flags & FLAG_DAMAGED;
    rest->xattr_count = cur_u32(body);
    rest->xattrs = cur_bytes(body, XATTRS_BYTES_MAX);
    if (m->size > OBJECT_BYTES_MAX || m->nid == 0 || flags > 3)
        cur_fail(body, -R_MALFORMED);
}

int onode_peek(struct bytes key, struct bytes stored, struct onode_meta *out_meta_borrowed)
{
    struct cursor c = cur_over(stored.data, stored.len), body;
    struct onode_meta m = {0};
    struct onode_rest rest;

    cur_enter(&c, ONODE_COMPAT, &body);
    onode_front(key, &body, &m, &rest);
    if (cur_leave(&c, &body) < 0)
        return c.rc;
    *out_meta_borrowed = m;
    return 0;
}

int onode_decode(struct bytes key, struct bytes stored, struct onode_meta *out_meta,
                 uint32_t **out_tags, uint32_t *out_tag_count)
{
    struct cursor c = cur_over(stored.data, stored.len), body;
    struct onode_meta m = {0};
    struct onode_rest rest = {0};
    uint32_t count, *tags = NULL;

    cur_enter(&c, ONODE_COMPAT, &body);
    onode_front(key, &body, &m, &rest);
    count = cur_count(&body, SHARDS_MAX, 4);
    if (body.rc == 0 && xattrs_verify(rest.xattrs, rest.xattr_count) < 0)
        cur_fail(&body, -R_MALFORMED);
    if (body.rc == 0 && count) {
        tags = mem_alloc(count * sizeof(*tags));
        if (!tags)
            return -ENOMEM;
        for (uint32_t i = 0; i < count; i++)
            tags[i] = cur_u32(&body);
    }
    if (cur_leave(&c, &body) < 0) {
        mem_free(tags);
        return c.rc;
    }
    if (rest.xattr_count) {
        m.xattrs = mem_alloc(sizeof(*m.xattrs) + rest.xattrs.len);
        if (!m.xattrs) {
            mem_free(tags);
            return -ENOMEM;
        }
        *m.xattrs = (struct xattrs){.refs = 1, .count = rest.xattr_count, .bytes = rest.xattrs.len};
        memcpy(m.xattrs->data, rest.xattrs.data, rest.xattrs.len);
    }
    *out_meta = m;
    *out_tags = tags;
    *out_tag_count = count;
    return 0;
}

bool shard_empty(const struct shard *sh)
{
    for (uint32_t i = 0; i < SHARD_BLOCKS; i++)
        if (sh->phys[i] != PHYS_HOLE)
            return false;
    return true;
}

static uint8_t run_flags(const struct shard *sh, uint32_t i)
{
    if (sh->phys[i] == PHYS_LOST)
        return RUN_LOST;
    return sh->shared >> i & 1 ? RUN_SHARED : 0;
}

static uint32_t run_end(const struct shard *sh, uint32_t first)
{
    uint32_t i = first + 1;
    uint8_t flags = run_flags(sh, first);

    while (i < SHARD_BLOCKS && sh->phys[i] != PHYS_HOLE && run_flags(sh, i) == flags &&
           (flags == RUN_LOST || sh->phys[i] == sh->phys[i - 1] + 1))
        i++;
    return i;
}

/* The bits of `count` blocks from `first` on. */
static uint64_t blocks_mask(uint32_t first, uint32_t count)
{
    return ~UINT64_C(0) >> (SHARD_BLOCKS - count) << first;
}

static uint8_t *put_u32(uint8_t *at, uint32_t v)
{
    v = htole32(v);
    memcpy(at, &v, sizeof(v));
    return at + sizeof(v);
}

static uint8_t *put_u64(uint8_t *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof(v));
    return at + sizeof(v);
}

uint32_t shard_encode(struct writer *w, uint64_t nid, uint32_t index, const struct shard *sh)
{
    size_t start = w->len, mark = wr_begin(w, 1, 1);
    uint8_t body[SHARD_FRONT + SHARD_BLOCKS * (RUN_BYTES + 4)], *at, *count_at;
    uint64_t mapped = 0;
    uint32_t runs = 0;

    count_at = put_u32(put_u64(body, nid), index);
    at = count_at + 4;
    for (uint32_t i = 0, end; i < SHARD_BLOCKS; i = end) {
        end = i + 1;
        if (sh->phys[i] == PHYS_HOLE)
            continue;
        end = run_end(sh, i);
        at[0] = (uint8_t)i;
        at[1] = (uint8_t)(end - i);
        at[2] = run_flags(sh, i);
        at = put_u64(at + 3, sh->phys[i] == PHYS_LOST ? 0 : sh->phys[i]);
        mapped |= blocks_mask(i, end - i);
        runs++;
    }
    put_u32(count_at, runs);
    for (; mapped; mapped &= mapped - 1)
        at = put_u32(at, sh->crc[__builtin_ctzll(mapped)]);
    wr_raw(w, body, (size_t)(at - body));
    wr_end(w, mark);
    return w->rc ? 0 : shard_tag((struct bytes){w->data + start, (uint32_t)(w->len - start)});
}

uint32_t shard_tag(struct bytes stored)
{
    uint32_t crc = crc32c(0, stored.data, stored.len);

    return crc ? crc : 1;
}

int shard_decode(struct bytes stored, uint64_t nid, uint32_t index, struct shard *out_shard)
{
    struct cursor c = cur_over(stored.data, stored.len), body;
    struct shard sh = {0};
    uint64_t mapped = 0;
    uint32_t runs, next = 0;

    cur_enter(&c, SHARD_COMPAT, &body);
    if (cur_u64(&body) != nid || cur_u32(&body) != index)
        cur_fail(&body, -R_CSUM_MISMATCH);
    runs = cur_count(&body, SHARD_BLOCKS, RUN_BYTES);
    for (uint32_t r = 0; r < runs && body.rc == 0; r++) {
        uint32_t first = cur_u8(&body), count = cur_u8(&body), flags = cur_u8(&body);
        uint64_t phys = cur_u64(&body);

        if (first < next || count == 0 || first + count > SHARD_BLOCKS || flags > RUN_LOST ||
            (flags == RUN_LOST ? phys != 0 : phys == PHYS_HOLE || phys >= UINT64_C(1) << 44)) {
            cur_fail(&body, -R_MALFORMED);
            break;
        }
        for (uint32_t i = 0; i < count; i++)
            sh.phys[first + i] = flags == RUN_LOST ? PHYS_LOST : phys + i;
        mapped |= blocks_mask(first, count);
        if (flags == RUN_SHARED)
            sh.shared |= blocks_mask(first, count);
        next = first + count;
    }
    for (; mapped && body.rc == 0; mapped &= mapped - 1)
        sh.crc[__builtin_ctzll(mapped)] = cur_u32(&body);
    if (cur_leave(&c, &body) < 0)
        return c.rc;
    *out_shard = sh;
    return 0;
}

static uint32_t get_u32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return le32toh(v);
}

static uint64_t get_u64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return le64toh(v);
}

uint64_t shard_block(struct bytes stored, uint32_t i, uint32_t *out_crc)
{
    const uint8_t *body = stored.data + SEALED_HEAD_BYTES, *run = body + SHARD_FRONT;
    uint32_t runs = get_u32(run - 4), before = 0;
    const uint8_t *crcs = run + (size_t)runs * RUN_BYTES;

    for (; runs && run[0] <= i; runs--, run += RUN_BYTES) {
        uint32_t in = i - run[0];

        if (in < run[1]) {
            *out_crc = get_u32(crcs + 4 * (size_t)(before + in));
            return run[2] == RUN_LOST ? PHYS_LOST : get_u64(run + 3) + in;
        }
        before += run[1];
    }
    *out_crc = 0;
    return PHYS_HOLE;
}

void shard_lose(struct shard *sh, uint32_t blocks)
{
    *sh = (struct shard){0};
    for (uint32_t i = 0; i < MIN(blocks, (uint32_t)SHARD_BLOCKS); i++)
        sh->phys[i] = PHYS_LOST;
}
