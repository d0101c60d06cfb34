/* Allocation as the simulator uses it: what a role holds is counted, and dropped with it. */
#include "core/base/base.h"
#include "core/base/buf.h"
#include "core/base/htable.h"
#include "core/base/rng.h"
#include "tests/unit/t.h"

__attribute__((constructor)) static void enable(void)
{
    mem_scopes_enable();
}

T(mem_scope, what_was_made_outside_any_scope_can_be_used_and_freed)
{
    AUTO_FREE char *text = mem_strdup("outside");
    AUTO_FREE uint8_t *page = mem_aligned(4096, 100);

    text = mem_realloc(text, 10000);
    T_STR_EQ(text, "outside");
    T_EQ((uintptr_t)page % 4096, 0);
}

T(mem_scope, a_block_stays_with_the_scope_it_was_made_in)
{
    struct mem_scope *a = mem_scope_create(), *b = mem_scope_create();
    void *p;

    T_EQ(mem_scope_enter(a), NULL);
    p = mem_alloc(100);
    T_EQ(mem_scope_enter(b), a);
    p = mem_realloc(p, 5000);
    T_EQ(mem_scope_bytes(a), 5000);
    T_EQ(mem_scope_bytes(b), 0);
    mem_free(p);
    T_EQ(mem_scope_blocks(a), 0);
    T_EQ(mem_scope_bytes(a), 0);
    mem_scope_enter(NULL);
    mem_scope_drop(a);
    mem_scope_drop(b);
}

T(mem_scope, dropping_frees_what_its_code_held)
{
    struct mem_scope *scope = mem_scope_create(), *other = mem_scope_create();
    struct htable table;
    struct buf data = {0};
    char *kept;

    mem_scope_enter(other);
    kept = mem_strdup("another role's");
    mem_scope_enter(scope);
    T_OK(htable_init(&table, 100));
    for (int i = 0; i < 20; i++)
        T_OK(buf_append_copy(&data, kept, 10));
    T_TRUE(mem_aligned(4096, 8192) != NULL);
    T_EQ(mem_scope_blocks(scope), 1 + 20 + 1 + 1);
    mem_scope_enter(NULL);
    mem_scope_drop(scope); /* under a sanitizer: no leak, and no block freed twice */
    T_STR_EQ(kept, "another role's");
    T_EQ(mem_scope_bytes(other), strlen(kept) + 1);
    mem_scope_drop(other);
    mem_scope_drop(NULL);
}

/* Random calls against a model that counts. */
T(mem_scope, accounting_is_exact)
{
    struct {
        uint8_t *p;
        size_t bytes;
        int scope;
        bool aligned;
    } held[64] = {0};
    struct mem_scope *scopes[3];
    uint64_t bytes[3] = {0}, blocks[3] = {0};
    struct rng rng;

    rng_seed(&rng, 20261121);
    for (int i = 0; i < 3; i++)
        scopes[i] = mem_scope_create();
    for (int step = 0; step < 20000; step++) {
        unsigned at = (unsigned)rng_below(&rng, 64);
        size_t want = rng_below(&rng, 300);
        int now = (int)rng_below(&rng, 3);

        mem_scope_enter(scopes[now]);
        if (held[at].p && !held[at].aligned && rng_chance(&rng, 1, 2)) {
            uint8_t *p;
            bool fails = rng_chance(&rng, 1, 4);

            mem_fail_after(fails ? 0 : -1);
            p = mem_realloc(held[at].p, want);
            mem_fail_after(-1);
            T_EQ(p == NULL, fails);
            if (p) {
                bytes[held[at].scope] += want - held[at].bytes;
                held[at].p = p;
                held[at].bytes = want;
            }
        } else if (held[at].p) {
            bytes[held[at].scope] -= held[at].bytes;
            blocks[held[at].scope]--;
            mem_free(TAKE(held[at].p));
        } else {
            held[at].aligned = rng_chance(&rng, 1, 3);
            held[at].p =
                held[at].aligned ? mem_aligned(1u << rng_below(&rng, 13), want) : mem_zalloc(want);
            held[at].bytes = want;
            held[at].scope = now;
            memset(held[at].p, 0x5a, want);
            bytes[now] += want;
            blocks[now]++;
        }
        for (int i = 0; i < 3; i++) {
            T_EQ(mem_scope_bytes(scopes[i]), bytes[i]);
            T_EQ(mem_scope_blocks(scopes[i]), blocks[i]);
        }
    }
    mem_scope_enter(NULL);
    for (int i = 0; i < 3; i++)
        mem_scope_drop(scopes[i]);
}

T(mem_scope, creation_fails_like_any_allocation)
{
    mem_fail_after(0);
    T_EQ(mem_scope_create(), NULL);
    T_TRUE(mem_fail_hit());
    mem_fail_after(-1);
}

T(mem_scope, the_chosen_allocations_of_one_scope_fail_and_no_others)
{
    struct mem_scope *scope = mem_scope_create();
    void *p[6];

    mem_scope_fail(scope, 2, 2);
    for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
        void *outside = mem_alloc(8);

        T_TRUE(outside != NULL);
        mem_free(outside);
        T_EQ(mem_scope_failed(scope), i > 2);
        mem_scope_enter(scope);
        p[i] = mem_zalloc(8);
        mem_scope_enter(NULL);
        T_EQ(p[i] == NULL, i == 2 || i == 3);
    }
    T_EQ(mem_scope_made(scope), 6);
    T_EQ(mem_scope_blocks(scope), 4);
    mem_scope_drop(scope);
}

T(mem_scope, the_current_one_cannot_be_dropped)
{
    struct mem_scope *scope = mem_scope_create();

    mem_scope_enter(scope);
    T_ABORTS(mem_scope_drop(scope));
    mem_scope_enter(NULL);
    mem_scope_drop(scope);
}
