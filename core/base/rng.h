/* rng.h - a small seeded generator (xoshiro256**, Blackman and Vigna 2018; seeded by splitmix64).
 * For simulation, jitter and tests; never for secrets. */
#ifndef CORE_BASE_RNG_H
#define CORE_BASE_RNG_H

#include "core/base/base.h"

struct rng {
    uint64_t s[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_u64(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); /* 0 .. bound-1, unbiased; bound > 0 */
uint64_t rng_between(struct rng *r, uint64_t lo, uint64_t hi); /* inclusive */
bool rng_chance(struct rng *r, uint32_t num, uint32_t den);

#endif
