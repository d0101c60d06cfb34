/* hash.h - XXH3-64 for tables and sampling; never for security, never for placement
 * (placement has its own hash in core/crush). */
#ifndef CORE_BASE_HASH_H
#define CORE_BASE_HASH_H

#include "core/base/base.h"

uint64_t hash64(uint64_t seed, const void *data, size_t bytes);
uint64_t hash64_u64(uint64_t seed, uint64_t value);

#endif
