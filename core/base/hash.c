/* hash.c - XXH3-64, inlined from the library's header. */
#include "core/base/hash.h"

#include <endian.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64(uint64_t seed, const void *data, size_t bytes)
{
    return XXH3_64bits_withSeed(data, bytes, seed);
}

uint64_t hash64_u64(uint64_t seed, uint64_t value)
{
    uint64_t le = htole64(value);

    return XXH3_64bits_withSeed(&le, sizeof(le), seed);
}
