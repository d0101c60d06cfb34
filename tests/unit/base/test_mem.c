/* Allocation as daemons use it: no scopes. */
#include <pthread.h>

#include "core/base/base.h"
#include "core/base/size.h"
#include "tests/unit/t.h"

T(mem, a_request_for_nothing_gives_distinct_blocks)
{
    AUTO_FREE void *a = mem_alloc(0);
    AUTO_FREE void *b = mem_zalloc(0);
    AUTO_FREE void *c = mem_aligned(64, 0);

    T_TRUE(a && b && c);
    T_NE(a, b);
    a = mem_realloc(a, 0);
    T_TRUE(a != NULL);
}

T(mem, aligned_blocks_are_aligned_and_freed_like_others)
{
    for (size_t align = 1; align <= 4096; align *= 2) {
        uint8_t *p = mem_aligned(align, align + 3);

        T_TRUE(p != NULL);
        T_EQ((uintptr_t)p % align, 0);
        memset(p, 7, align + 3);
        mem_free(p);
    }
}

T(mem, pages_are_aligned_whole_and_nobody_elses)
{
    enum { COUNT = 300 };
    uint8_t *p[COUNT];

    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            size_t bytes = (i * 7919 % 60 + 1) * 1000 * (i % 50 ? 1 : 100);

            p[i] = mem_pages(bytes);
            T_TRUE(p[i] != NULL);
            T_EQ((uintptr_t)p[i] % 4096, 0);
            memset(p[i], (int)i, bytes);
        }
        for (size_t i = 0; i < COUNT; i++) {
            size_t bytes = (i * 7919 % 60 + 1) * 1000 * (i % 50 ? 1 : 100);

            T_EQ(p[i][0], (uint8_t)i);
            T_EQ(memcmp(p[i], p[i] + 1, bytes - 1), 0);
            mem_pages_free(p[i], bytes);
        }
    }
    T_EQ(mem_pages(SIZE_MAX - 1), NULL);
}

static void *pages_churn(void *arg)
{
    uint8_t **slot = arg;

    for (int i = 0; i < 20000; i++) {
        uint8_t *mine = mem_pages(4096), *theirs;

        if (!mine)
            return NULL;
        mine[0] = mine[4095] = (uint8_t)i;
        theirs = __atomic_exchange_n(slot, mine, __ATOMIC_ACQ_REL);
        if (!theirs)
            continue;
        if (theirs[0] != theirs[4095])
            return NULL;
        mem_pages_free(theirs, 4096);
    }
    return slot;
}

T(mem, pages_may_be_freed_by_another_thread)
{
    pthread_t threads[3];
    uint8_t *slot = NULL;
    void *rc;

    for (int i = 0; i < 3; i++)
        T_EQ(pthread_create(&threads[i], NULL, pages_churn, &slot), 0);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], &rc);
        T_EQ(rc, &slot);
    }
    mem_pages_free(slot, 4096);
}

T(mem, zeroed_blocks_are_zero_and_overflow_is_short_memory)
{
    uint8_t *p = mem_calloc(100, 7);

    for (int i = 0; i < 700; i++)
        T_EQ(p[i], 0);
    mem_free(p);
    T_EQ(mem_calloc(SIZE_MAX / 2, 3), NULL);
    T_EQ(mem_aligned(4096, SIZE_MAX - 1), NULL);
}

T(mem, copies_hold_what_they_copy)
{
    AUTO_FREE char *text = mem_strdup("cairn");
    AUTO_FREE char *printed = mem_printf("%s.%d", "osd", 2);
    AUTO_FREE uint8_t *data = mem_dup("\0\1\2", 3);

    T_STR_EQ(text, "cairn");
    T_STR_EQ(printed, "osd.2");
    T_MEM_EQ(data, "\0\1\2", 3);
    text = mem_realloc(text, 4000);
    T_STR_EQ(text, "cairn");
}

static bool alloc_fails(int which)
{
    void *p = NULL;

    switch (which) {
    case 0:
        p = mem_alloc(8);
        break;
    case 1:
        p = mem_zalloc(8);
        break;
    case 2:
        p = mem_calloc(2, 8);
        break;
    case 3:
        p = mem_aligned(64, 8);
        break;
    case 4:
        p = mem_dup("x", 1);
        break;
    case 5:
        p = mem_strdup("x");
        break;
    case 6:
        p = mem_printf("%d", 1);
        break;
    case 7:
        p = mem_realloc(NULL, 8);
        break;
    }
    mem_free(p);
    return p == NULL;
}

T(mem, exactly_the_chosen_allocation_fails)
{
    for (int which = 0; which < 8; which++) {
        for (int n = 0; n < 3; n++) {
            mem_fail_after(n);
            for (int i = 0; i < 6; i++) {
                T_EQ(mem_fail_hit(), i > n);
                T_EQ(alloc_fails(which), i == n);
            }
            mem_fail_after(-1);
            T_FALSE(mem_fail_hit());
            T_FALSE(alloc_fails(which));
        }
    }
}

T(mem, a_failed_growth_leaves_the_old_block)
{
    char *text = mem_strdup("kept");

    mem_fail_after(0);
    T_EQ(mem_realloc(text, 1 << 20), NULL);
    mem_fail_after(-1);
    T_STR_EQ(text, "kept");
    mem_free(text);
}

T(mem, take_leaves_null_behind)
{
    char *text = mem_strdup("given");
    char *taken = TAKE(text);

    T_EQ(text, NULL);
    T_STR_EQ(taken, "given");
    mem_free(taken);
}

T(size, overflow_is_reported_and_changes_nothing)
{
    uint64_t out = 5;

    T_EQ(size_add(UINT64_MAX, 1, &out), -R_OVERFLOW);
    T_EQ(size_mul(UINT64_C(1) << 32, UINT64_C(1) << 32, &out), -R_OVERFLOW);
    T_EQ(out, 5);
    T_OK(size_add(UINT64_MAX - 1, 1, &out));
    T_EQ(out, UINT64_MAX);
    T_OK(size_mul(1 << 16, 1 << 16, &out));
    T_EQ(out, UINT64_C(1) << 32);
}
