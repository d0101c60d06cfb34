/* crush_hash.c - Jenkins' 1996 mixing function (burtleburtle.net/bob/hash/evahash.html, public
 * domain) in the two arrangements that CRUSH uses.
 *
 * Numbers: a seed is combined with the arguments, then pairs of them and two constants are mixed
 * into it in a fixed order.  Names: the original "lookup2" over 12-byte blocks.  Every output bit
 * decides where somebody's data lies, so nothing here may be "improved". */
#include "core/crush/crush_hash.h"

enum { BLOCK = 12 };

static const uint32_t SEED = 1315423911, X = 231232, Y = 1232;
static const uint32_t GOLDEN_RATIO = 0x9e3779b9;

static inline void mix(uint32_t *pa, uint32_t *pb, uint32_t *pc)
{
    uint32_t a = *pa, b = *pb, c = *pc;

    a = (a - b - c) ^ (c >> 13);
    b = (b - c - a) ^ (a << 8);
    c = (c - a - b) ^ (b >> 13);
    a = (a - b - c) ^ (c >> 12);
    b = (b - c - a) ^ (a << 16);
    c = (c - a - b) ^ (b >> 5);
    a = (a - b - c) ^ (c >> 3);
    b = (b - c - a) ^ (a << 10);
    c = (c - a - b) ^ (b >> 15);
    *pa = a;
    *pb = b;
    *pc = c;
}

uint32_t crush_hash2(uint32_t a, uint32_t b)
{
    uint32_t hash = SEED ^ a ^ b, x = X, y = Y;

    mix(&a, &b, &hash);
    mix(&x, &a, &hash);
    mix(&b, &y, &hash);
    return hash;
}

uint32_t crush_hash3(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t hash = SEED ^ a ^ b ^ c, x = X, y = Y;

    mix(&a, &b, &hash);
    mix(&c, &x, &hash);
    mix(&y, &a, &hash);
    mix(&b, &x, &hash);
    mix(&y, &c, &hash);
    return hash;
}

uint32_t crush_hash4(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t hash = SEED ^ a ^ b ^ c ^ d, x = X, y = Y;

    mix(&a, &b, &hash);
    mix(&c, &d, &hash);
    mix(&a, &x, &hash);
    mix(&y, &b, &hash);
    mix(&c, &x, &hash);
    mix(&y, &d, &hash);
    return hash;
}

struct name_hash {
    uint32_t a, b, c;
    uint8_t block[BLOCK];
    uint32_t filled;
};

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void name_hash_add(struct name_hash *h, const void *data, size_t bytes)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < bytes; i++) {
        h->block[h->filled++] = p[i];
        if (h->filled < BLOCK)
            continue;
        h->a += le32(h->block);
        h->b += le32(h->block + 4);
        h->c += le32(h->block + 8);
        mix(&h->a, &h->b, &h->c);
        h->filled = 0;
    }
}

/* The last, short block: its third word starts at the second byte, the first holds the length. */
static uint32_t name_hash_end(struct name_hash *h, uint32_t length)
{
    memset(h->block + h->filled, 0, BLOCK - h->filled);
    h->a += le32(h->block);
    h->b += le32(h->block + 4);
    h->c += length + (le32(h->block + 8) << 8);
    mix(&h->a, &h->b, &h->c);
    return h->c;
}

uint32_t crush_object_hash(const void *ns, size_t ns_bytes, const void *name, size_t name_bytes)
{
    struct name_hash h = {.a = GOLDEN_RATIO, .b = GOLDEN_RATIO};
    size_t length = name_bytes;

    if (ns_bytes > 0) {
        name_hash_add(&h, ns, ns_bytes);
        name_hash_add(&h, "\x1f", 1);
        length += ns_bytes + 1;
    }
    name_hash_add(&h, name, name_bytes);
    return name_hash_end(&h, (uint32_t)length);
}

uint32_t crush_pg_mask(uint32_t count)
{
    ASSERT(count > 0);
    return count == 1 ? 0 : UINT32_MAX >> __builtin_clz(count - 1);
}

uint32_t crush_hash_to_pg(uint32_t hash, uint32_t pg_num)
{
    return crush_stable_mod(hash, pg_num, crush_pg_mask(pg_num));
}

uint32_t crush_pg_to_x(uint32_t pg, uint32_t pgp_num, uint64_t pool)
{
    return crush_hash2(crush_stable_mod(pg, pgp_num, crush_pg_mask(pgp_num)), (uint32_t)pool);
}
