/* types.c - object names and the small values that everyone shares.
 *
 * An object's key sorts by pool, then by the bits of its hash in reverse, then by name.  Reversed,
 * the low bits of the hash, which choose the PG, come first: with a power of two PGs each of them
 * is one contiguous range of keys, and splitting a PG in two cuts its range in the middle. */
#include "core/map/types.h"

#include <stdio.h>

#include "core/base/hash.h"
#include "core/crush/crush_hash.h"

bool osd_set_has(const struct osd_set *s, struct osd_id id)
{
    for (unsigned i = 0; i < s->count; i++)
        if (osd_eq(s->osd[i], id))
            return true;
    return false;
}

bool osd_set_equal(const struct osd_set *a, const struct osd_set *b)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!osd_eq(a->osd[i], b->osd[i]))
            return false;
    return true;
}

int osd_set_add(struct osd_set *s, struct osd_id id)
{
    if (s->count == OSD_SET_MAX)
        return -R_OVERFLOW;
    s->osd[s->count++] = id;
    return 0;
}

static uint32_t bits_reverse(uint32_t v)
{
    v = (v >> 1 & 0x55555555) | (v & 0x55555555) << 1;
    v = (v >> 2 & 0x33333333) | (v & 0x33333333) << 2;
    v = (v >> 4 & 0x0f0f0f0f) | (v & 0x0f0f0f0f) << 4;
    return __builtin_bswap32(v);
}

static void hash_set(struct oid *o)
{
    o->hash = crush_object_hash(o->bytes, o->ns_bytes, o->bytes + o->ns_bytes, o->name_bytes);
}

int oid_make(struct pool_id pool, struct bytes name, struct oid *out_oid)
{
    struct oid o = {.pool = pool, .name_bytes = (uint16_t)name.len, .bytes = name.data};

    if (name.len > OID_NAME_MAX)
        return -ENAMETOOLONG;
    hash_set(&o);
    *out_oid = o;
    return 0;
}

int oid_copy(const struct oid *from, struct oid *out_owned)
{
    struct oid o = *from;

    o.bytes = mem_dup(from->bytes, (size_t)from->ns_bytes + from->name_bytes);
    if (!o.bytes)
        return -ENOMEM;
    *out_owned = o;
    return 0;
}

void oid_fini(struct oid *owned)
{
    mem_free((void *)owned->bytes);
    memset(owned, 0, sizeof(*owned));
}

struct bytes oid_ns(const struct oid *o)
{
    return (struct bytes){o->bytes, o->ns_bytes};
}

struct bytes oid_name(const struct oid *o)
{
    return (struct bytes){o->bytes ? o->bytes + o->ns_bytes : NULL, o->name_bytes};
}

bool oid_equal(const struct oid *a, const struct oid *b)
{
    return a->hash == b->hash && a->pool.v == b->pool.v && bytes_equal(oid_ns(a), oid_ns(b)) &&
           bytes_equal(oid_name(a), oid_name(b));
}

uint64_t oid_hash64(const struct oid *o)
{
    return hash64((uint64_t)o->pool.v << 16 | o->ns_bytes, o->bytes,
                  (size_t)o->ns_bytes + o->name_bytes);
}

int oid_cmp(const struct oid *a, const struct oid *b)
{
    uint32_t ra = bits_reverse(a->hash), rb = bits_reverse(b->hash);
    int order;

    if (a->pool.v != b->pool.v)
        return a->pool.v < b->pool.v ? -1 : 1;
    if (ra != rb)
        return ra < rb ? -1 : 1;
    order = bytes_compare(oid_ns(a), oid_ns(b));
    return order ? order : bytes_compare(oid_name(a), oid_name(b));
}

static void be32_put(uint8_t *out, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(out, &v, 4);
}

static uint32_t be32_get(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, 4);
    return __builtin_bswap32(v);
}

void oid_key_put(struct writer *w, const struct oid *o)
{
    uint8_t head[8];

    be32_put(head, o->pool.v);
    be32_put(head + 4, bits_reverse(o->hash));
    wr_raw(w, head, sizeof(head));
    wr_raw(w, o->bytes, o->ns_bytes);
    wr_u8(w, 0);
    wr_raw(w, o->bytes + o->ns_bytes, o->name_bytes);
}

int oid_key_get(struct bytes key, struct oid *out_borrowed)
{
    const uint8_t *nul = key.len > 8 ? memchr(key.data + 8, 0, key.len - 8) : NULL;
    struct oid o = {0};
    size_t ns_bytes, name_bytes;

    if (!nul)
        return -R_MALFORMED;
    ns_bytes = (size_t)(nul - key.data) - 8;
    name_bytes = key.len - 8 - ns_bytes - 1;
    if (ns_bytes > OID_NS_MAX || name_bytes > OID_NAME_MAX)
        return -R_MALFORMED;
    if (ns_bytes)
        return -R_UNSUPPORTED;
    o.pool.v = be32_get(key.data);
    o.name_bytes = (uint16_t)name_bytes;
    o.bytes = nul + 1;
    hash_set(&o);
    if (bits_reverse(o.hash) != be32_get(key.data + 4))
        return -R_MALFORMED;
    *out_borrowed = o;
    return 0;
}

struct oid_range pg_range(struct pgid pg, uint32_t pg_count)
{
    unsigned bits = (unsigned)__builtin_ctz(pg_count);
    uint64_t from = bits_reverse(pg.seed), width = UINT64_C(1) << (32 - bits);
    uint64_t end = from + width; /* may be one past the last hash: carried into the pool */
    struct oid_range r;

    ASSERT((pg_count & (pg_count - 1)) == 0);
    ASSERT(pg.seed < pg_count);
    be32_put(r.from, pg.pool.v);
    be32_put(r.from + 4, (uint32_t)from);
    be32_put(r.to, pg.pool.v + (uint32_t)(end >> 32));
    be32_put(r.to + 4, (uint32_t)end);
    return r;
}

struct pgid oid_pg(const struct oid *o, uint32_t pg_count)
{
    return (struct pgid){o->pool, crush_hash_to_pg(o->hash, pg_count)};
}

void wr_version(struct writer *w, struct version v)
{
    wr_u32(w, v.epoch.v);
    wr_u64(w, v.seq);
}

struct version cur_version(struct cursor *c)
{
    struct version v;

    v.epoch.v = cur_u32(c);
    v.seq = cur_u64(c);
    return v;
}

void wr_pgid(struct writer *w, struct pgid p)
{
    wr_u32(w, p.pool.v);
    wr_u32(w, p.seed);
}

struct pgid cur_pgid(struct cursor *c)
{
    struct pgid p;

    p.pool.v = cur_u32(c);
    p.seed = cur_u32(c);
    return p;
}

void wr_reqid(struct writer *w, struct reqid r)
{
    wr_u64(w, r.client);
    wr_u64(w, r.op);
}

struct reqid cur_reqid(struct cursor *c)
{
    struct reqid r;

    r.client = cur_u64(c);
    r.op = cur_u64(c);
    return r;
}

void wr_oid(struct writer *w, const struct oid *o)
{
    wr_u32(w, o->pool.v);
    wr_u16(w, o->ns_bytes);
    wr_u16(w, o->name_bytes);
    wr_raw(w, o->bytes, (size_t)o->ns_bytes + o->name_bytes);
}

struct oid cur_oid(struct cursor *c)
{
    struct oid o = {0};

    o.pool.v = cur_u32(c);
    o.ns_bytes = cur_u16(c);
    o.name_bytes = cur_u16(c);
    if (o.ns_bytes > OID_NS_MAX || o.name_bytes > OID_NAME_MAX)
        cur_fail(c, -R_MALFORMED);
    o.bytes = cur_raw(c, (size_t)o.ns_bytes + o.name_bytes).data;
    if (c->rc == 0 && o.ns_bytes && memchr(o.bytes, 0, o.ns_bytes))
        cur_fail(c, -R_MALFORMED);
    if (c->rc < 0)
        return (struct oid){0};
    hash_set(&o);
    return o;
}

void wr_osd_set(struct writer *w, const struct osd_set *s)
{
    wr_u8(w, s->count);
    for (unsigned i = 0; i < s->count; i++)
        wr_i32(w, s->osd[i].v);
}

struct osd_set cur_osd_set(struct cursor *c)
{
    struct osd_set s = {.count = cur_u8(c)};

    if (s.count > OSD_SET_MAX)
        cur_fail(c, -R_MALFORMED);
    for (unsigned i = 0; c->rc == 0 && i < s.count; i++)
        s.osd[i].v = cur_i32(c);
    if (c->rc < 0)
        s.count = 0;
    return s;
}

char *pgid_print(struct pgid p, char *out)
{
    snprintf(out, 32, "%u.%x", p.pool.v, p.seed);
    return out;
}

char *version_print(struct version v, char *out)
{
    snprintf(out, 32, "%u'%llu", v.epoch.v, (unsigned long long)v.seq);
    return out;
}
