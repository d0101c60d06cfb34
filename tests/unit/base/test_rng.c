/* Random numbers and hashes. */
#include "core/base/hash.h"
#include "core/base/rng.h"
#include "tests/unit/t.h"

/* From the authors' reference code, seeded by splitmix64 from 0. */
T(rng, gives_the_published_numbers)
{
    static const uint64_t want[] = {
        UINT64_C(0x99ec5f36cb75f2b4),
        UINT64_C(0xbf6e1f784956452a),
        UINT64_C(0x1a5f849d4933e6e0),
        UINT64_C(0x6aa594f1262d2d2c),
    };
    struct rng r;

    rng_seed(&r, 0);
    for (unsigned i = 0; i < ARRAY_LEN(want); i++)
        T_EQ(rng_u64(&r), want[i]);
}

T(rng, one_seed_is_one_row_of_numbers)
{
    struct rng a, b, c;
    bool differ = false;

    rng_seed(&a, 42);
    rng_seed(&b, 42);
    rng_seed(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t v = rng_u64(&a);

        T_EQ(v, rng_u64(&b));
        differ |= v != rng_u64(&c);
    }
    T_TRUE(differ);
}

T(rng, draws_stay_in_bounds_and_reach_them)
{
    static const uint64_t bounds[] = {1, 2, 3, 7, 100, UINT64_C(3) << 62};
    struct rng r;

    rng_seed(&r, 7);
    T_CASES (bound, bounds) {
        for (int i = 0; i < 1000; i++)
            T_LT(rng_below(&r, *bound), *bound);
    }
    for (unsigned seen = 0; seen != 7;) {
        uint64_t v = rng_between(&r, 10, 12);

        T_TRUE(v >= 10 && v <= 12);
        seen |= 1u << (v - 10);
    }
    T_EQ(rng_between(&r, 5, 5), 5);
    (void)rng_between(&r, 0, UINT64_MAX); /* any value is right: it must not divide by zero */
}

/* A bound of 3 * 2^62 does not divide 2^64.  A plain modulo would draw the lowest third twice as
 * often; a plain multiplication, every third value. */
T(rng, draws_are_even)
{
    uint64_t bound = UINT64_C(3) << 62, third = UINT64_C(1) << 62;
    unsigned by_third[3] = {0}, by_rest[3] = {0}, yes = 0;
    struct rng r;

    rng_seed(&r, 8);
    for (int i = 0; i < 30000; i++) {
        uint64_t v = rng_below(&r, bound);

        by_third[v / third]++;
        by_rest[v % 3]++;
        yes += rng_chance(&r, 1, 4);
    }
    for (int i = 0; i < 3; i++) {
        T_TRUE(by_third[i] > 9500 && by_third[i] < 10500);
        T_TRUE(by_rest[i] > 9500 && by_rest[i] < 10500);
    }
    T_TRUE(yes > 7100 && yes < 7900);
}

/* XXH3-64 as its specification gives it; the numbers must not move between releases. */
T(hash, is_xxh3)
{
    T_EQ(hash64(0, "", 0), UINT64_C(0x2d06800538d394c2));
    T_NE(hash64(0, "a", 1), hash64(1, "a", 1));
    T_EQ(hash64_u64(3, UINT64_C(0x0807060504030201)), hash64(3, "\1\2\3\4\5\6\7\10", 8));
}
