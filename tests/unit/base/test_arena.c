#include "core/base/arena.h"
#include "core/base/rng.h"
#include "tests/unit/t.h"

T(arena, blocks_are_aligned_apart_and_keep_what_they_hold)
{
    struct {
        uint8_t *p;
        size_t bytes;
    } held[500];
    struct arena a;
    struct rng rng;

    rng_seed(&rng, 5);
    arena_init(&a);
    for (int i = 0; i < 500; i++) {
        held[i].bytes = rng_below(&rng, rng_chance(&rng, 1, 20) ? 9000 : 200);
        held[i].p = arena_alloc(&a, held[i].bytes);
        T_TRUE(held[i].p != NULL);
        T_EQ((uintptr_t)held[i].p % 16, 0);
        memset(held[i].p, i & 0xff, held[i].bytes);
    }
    for (int i = 0; i < 500; i++)
        for (size_t k = 0; k < held[i].bytes; k++)
            T_EQ(held[i].p[k], i & 0xff);
    arena_fini(&a);
    T_TRUE(arena_alloc(&a, 1) != NULL); /* usable again */
    arena_fini(&a);
}

T(arena, the_first_bytes_cost_no_allocation)
{
    struct arena a;

    arena_init(&a);
    mem_fail_after(0);
    for (int i = 0; i < ARENA_INLINE / 16; i++)
        T_TRUE(arena_alloc(&a, 16) != NULL);
    T_FALSE(mem_fail_hit());
    T_EQ(arena_alloc(&a, 1), NULL);
    T_TRUE(mem_fail_hit());
    T_TRUE(arena_alloc(&a, 1) != NULL); /* the failure did no harm */
    mem_fail_after(-1);
    arena_fini(&a);
}

T(arena, a_big_request_does_not_waste_the_block_being_filled)
{
    struct arena a;
    uint8_t *first;

    arena_init(&a);
    first = arena_alloc(&a, 16);
    T_TRUE(arena_alloc(&a, 100000) != NULL);
    T_EQ((uint8_t *)arena_alloc(&a, 16), first + 16);
    arena_fini(&a);
}

T(arena, copies_and_zeroes)
{
    struct arena a;
    uint8_t *zeroed;

    arena_init(&a);
    memset(arena_alloc(&a, 64), 0xff, 64);
    arena_fini(&a);
    zeroed = arena_zalloc(&a, 64);
    for (int i = 0; i < 64; i++)
        T_EQ(zeroed[i], 0);
    T_MEM_EQ(arena_dup(&a, "\1\2\3", 3), "\1\2\3", 3);
    T_STR_EQ(arena_strdup(&a, "cut here", 3), "cut");
    T_STR_EQ(arena_strdup(&a, NULL, 0), "");
    arena_fini(&a);
}

T(arena, refuses_sizes_that_wrap)
{
    struct arena a;

    arena_init(&a);
    T_EQ(arena_alloc(&a, SIZE_MAX), NULL);
    T_EQ(arena_alloc(&a, SIZE_MAX - 20), NULL);
    T_EQ(arena_strdup(&a, "x", SIZE_MAX), NULL);
    T_EQ(arena_alloc(&a, UINT64_C(1) << 32), NULL);
    arena_fini(&a);
}
