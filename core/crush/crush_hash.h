/* crush_hash.h - Robert Jenkins' mixing hash, of numbers and of names, and the way from an object
 * to the x that CRUSH maps.  Placement stands on these values: they never change. */
#ifndef CORE_CRUSH_CRUSH_HASH_H
#define CORE_CRUSH_CRUSH_HASH_H

#include "core/base/base.h"

uint32_t crush_hash2(uint32_t a, uint32_t b);
uint32_t crush_hash3(uint32_t a, uint32_t b, uint32_t c);
uint32_t crush_hash4(uint32_t a, uint32_t b, uint32_t c, uint32_t d);

/* The hash of an object: of its name, or of namespace, 0x1f and name where there is a namespace. */
uint32_t crush_object_hash(const void *ns, size_t ns_bytes, const void *name, size_t name_bytes);

/* The smallest 2^n - 1 that is not below count - 1; count > 0. */
uint32_t crush_pg_mask(uint32_t count);
/* x modulo `count` in such a way that a growing count moves few values: those that split off. */
static inline uint32_t crush_stable_mod(uint32_t x, uint32_t count, uint32_t mask)
{
    return (x & mask) < count ? x & mask : x & (mask >> 1);
}
/* Object hash to PG number within a pool of `pg_num` > 0 PGs. */
uint32_t crush_hash_to_pg(uint32_t hash, uint32_t pg_num);
/* PG to the x that its pool's rule maps.  The pool is mixed in, so that pools do not all pile
 * their equal-numbered PGs on the same devices; pgp_num > 0. */
uint32_t crush_pg_to_x(uint32_t pg, uint32_t pgp_num, uint64_t pool);

#endif
