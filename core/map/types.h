/* types.h - the names of things that maps, messages, stores and roles share.
 *
 * Integers that must never be swapped have their own types.  All are plain values. */
#ifndef CORE_MAP_TYPES_H
#define CORE_MAP_TYPES_H

#include "core/base/base.h"
#include "core/base/cursor.h"

struct epoch { /* of the osdmap; 0: none */
    uint32_t v;
};
struct osd_id {
    int32_t v;
};
#define OSD_NONE ((struct osd_id){-1})
struct pool_id {
    uint32_t v; /* from 1 */
};
struct pgid {
    struct pool_id pool;
    uint32_t seed; /* 0 .. pg_count-1 */
};

/* The place of a write in its PG's log: the epoch of the interval it was ordered in, then a number
 * that grows by one for each entry of the PG, over all intervals.  {0,0}: before everything. */
struct version {
    struct epoch epoch;
    uint64_t seq;
};

/* Names one client operation for ever: the client instance (random, never reused) and its number.
 */
struct reqid {
    uint64_t client;
    uint64_t op; /* from 1, in the order of submission */
};

static inline bool epoch_eq(struct epoch a, struct epoch b)
{
    return a.v == b.v;
}
static inline bool osd_eq(struct osd_id a, struct osd_id b)
{
    return a.v == b.v;
}
static inline bool pgid_eq(struct pgid a, struct pgid b)
{
    return a.pool.v == b.pool.v && a.seed == b.seed;
}
static inline uint64_t pgid_hash(struct pgid p)
{
    return ((uint64_t)p.pool.v << 32 | p.seed) * UINT64_C(0x9e3779b97f4a7c15);
}
static inline bool reqid_eq(struct reqid a, struct reqid b)
{
    return a.client == b.client && a.op == b.op;
}
static inline int version_cmp(struct version a, struct version b)
{
    if (a.epoch.v != b.epoch.v)
        return a.epoch.v < b.epoch.v ? -1 : 1;
    return a.seq < b.seq ? -1 : a.seq > b.seq;
}
static inline bool version_eq(struct version a, struct version b)
{
    return version_cmp(a, b) == 0;
}
static inline bool version_le(struct version a, struct version b)
{
    return version_cmp(a, b) <= 0;
}
static inline bool version_lt(struct version a, struct version b)
{
    return version_cmp(a, b) < 0;
}

/* A set of OSDs in placement order; a hole is OSD_NONE. */
enum { OSD_SET_MAX = 16 };
struct osd_set {
    struct osd_id osd[OSD_SET_MAX];
    uint8_t count;
};
bool osd_set_has(const struct osd_set *s, struct osd_id id);
bool osd_set_equal(const struct osd_set *a, const struct osd_set *b);
int osd_set_add(struct osd_set *s, struct osd_id id); /* -R_OVERFLOW when full */

/* An object's full name.  The bytes are the namespace, then the name; who holds the struct says
 * whether they are borrowed or owned (oid_copy makes owned ones, oid_fini frees them).
 * A namespace has no NUL; a name may hold any byte.  `hash` places it (core/crush). */
enum { OID_NAME_MAX = 1024, OID_NS_MAX = 128, OID_KEY_MAX = 4 + 4 + OID_NS_MAX + 1 + OID_NAME_MAX };
struct oid {
    struct pool_id pool;
    uint32_t hash;
    uint16_t ns_bytes, name_bytes;
    const uint8_t *bytes;
};
/* Borrows `ns` and `name` when ns is empty; else they must lie back to back.  Computes the hash. */
int oid_make(struct pool_id pool, struct bytes name, struct oid *out_oid);
int oid_copy(const struct oid *from, struct oid *out_owned); /* 0 or -ENOMEM */
void oid_fini(struct oid *owned);                            /* empties it */
struct bytes oid_ns(const struct oid *o);
struct bytes oid_name(const struct oid *o);
bool oid_equal(const struct oid *a, const struct oid *b);
uint64_t oid_hash64(const struct oid *o); /* for tables */
/* The order of scans and backfill: pool, bit-reversed hash, namespace, name.  With pg_count a power
 * of two each PG is one contiguous range of it, before and after a split. */
int oid_cmp(const struct oid *a, const struct oid *b);
/* The same order as memcmp order of keys: u32 BE pool, u32 BE reversed hash, ns, NUL, name. */
void oid_key_put(struct writer *w, const struct oid *o);
/* -R_MALFORMED; -R_UNSUPPORTED for a namespace, whose bytes a key does not hold back to back. */
int oid_key_get(struct bytes key, struct oid *out_borrowed);
/* The first key of a PG, and the first key after it. */
struct oid_range {
    uint8_t from[8], to[8]; /* `to` may be the first key of the next pool */
};
struct oid_range pg_range(struct pgid pg, uint32_t pg_count);
struct pgid oid_pg(const struct oid *o, uint32_t pg_count);

void wr_version(struct writer *w, struct version v);
struct version cur_version(struct cursor *c);
void wr_pgid(struct writer *w, struct pgid p);
struct pgid cur_pgid(struct cursor *c);
void wr_reqid(struct writer *w, struct reqid r);
struct reqid cur_reqid(struct cursor *c);
void wr_oid(struct writer *w, const struct oid *o); /* hash is recomputed by the reader */
struct oid cur_oid(struct cursor *c);               /* borrowed from the memory read */
void wr_osd_set(struct writer *w, const struct osd_set *s);
struct osd_set cur_osd_set(struct cursor *c);

/* For logs and people: "1.3f", "12'345", "osd.2"; `out` of at least 32 bytes, returned. */
char *pgid_print(struct pgid p, char *out);
char *version_print(struct version v, char *out);

#endif
