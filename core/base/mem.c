/* mem.c - the one door to the allocator.
 *
 * In daemons each call is malloc behind one predictable branch.  In the simulator and in tests
 * mem_scopes_enable() puts a header of 32 bytes before every block: it names the scope that was
 * current when the block was made and links the block into it, so that a role whose process
 * "loses power" can be dropped with everything it held, and so that what it held can be counted.
 *
 *      raw                          what the caller gets
 *      |  (pad, aligned blocks)  |  header  |  bytes ...
 *
 * A block stays with its scope for life, also when it grows or is freed under another scope. */
#include "core/base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/base.h"
#include "core/base/pages.h"

#define BLOCK_MAGIC 0xb10cu

struct block {
    struct block *prev, *next; /* of its scope's ring; NULL outside scopes */
    struct mem_scope *scope;   /* borrowed; NULL: made outside any */
    uint64_t bytes : 40;
    uint64_t offset_log2 : 8; /* what the caller gets lies 1 << offset_log2 behind raw */
    uint64_t magic : 16;
};

struct mem_scope {
    struct block ring; /* of its blocks */
    uint64_t bytes, blocks;
    uint64_t made;              /* allocations asked for */
    uint64_t fail_at, fail_end; /* those with these numbers fail */
    bool failed;
};

#define BLOCK_BYTES_MAX ((UINT64_C(1) << 40) - 1)
#define HEADER_LOG2     5
#define ALIGN_MAX       4096u
static_assert(sizeof(struct block) == 1u << HEADER_LOG2, "blocks stay aligned to 16 bytes");

/* The allocator's own settings: one per process, one per thread. */
static bool scopes_on;
static __thread struct {
    int64_t fail_in; /* the fail_in-th allocation from now fails; 0: off */
    bool fail_hit;
    struct mem_scope *scope; /* current; NULL: none */
} here;

static __attribute__((noinline, cold)) bool fail_count(void)
{
    if (--here.fail_in > 0)
        return false;
    here.fail_hit = true;
    return true;
}

static inline bool fail_now(void)
{
    return __builtin_expect(here.fail_in > 0, 0) && fail_count();
}

void mem_fail_after(int64_t n)
{
    here.fail_in = n < 0 ? 0 : n + 1;
    here.fail_hit = false;
}

bool mem_fail_hit(void)
{
    return here.fail_hit;
}

/* ---- scopes ---- */

static struct block *block_of(const void *p)
{
    struct block *b = (struct block *)((uintptr_t)p - sizeof(*b));

    ASSERT(b->magic == BLOCK_MAGIC); /* freed twice, or made before mem_scopes_enable() */
    return b;
}

static void *block_raw(struct block *b)
{
    return (uint8_t *)(b + 1) - ((size_t)1 << b->offset_log2);
}

static void scope_link(struct mem_scope *scope, struct block *b)
{
    b->scope = scope;
    b->prev = b->next = NULL;
    if (!scope)
        return;
    b->next = &scope->ring;
    b->prev = scope->ring.prev;
    b->prev->next = b;
    scope->ring.prev = b;
    scope->bytes += b->bytes;
    scope->blocks++;
}

static void scope_unlink(struct block *b)
{
    if (!b->scope)
        return;
    b->prev->next = b->next;
    b->next->prev = b->prev;
    b->scope->bytes -= b->bytes;
    b->scope->blocks--;
}

/* Count one more of the current scope's; whether it is one that has to fail. */
static bool scope_refuses(void)
{
    struct mem_scope *scope = here.scope;
    uint64_t n = scope ? scope->made++ : 0;

    if (!scope || n < scope->fail_at || n >= scope->fail_end)
        return false;
    scope->failed = true;
    return true;
}

static void *block_make(int offset_log2, size_t bytes, bool zeroed)
{
    size_t offset = (size_t)1 << offset_log2;
    uint8_t *raw;
    struct block *b;

    if (bytes > BLOCK_BYTES_MAX || scope_refuses())
        return NULL;
    if (offset_log2 > HEADER_LOG2)
        raw = aligned_alloc(offset, ROUND_UP(offset + bytes, offset));
    else
        raw = zeroed ? calloc(1, offset + bytes) : malloc(offset + bytes);
    if (!raw)
        return NULL;
    b = (struct block *)(raw + offset) - 1;
    b->bytes = bytes;
    b->offset_log2 = (uint8_t)offset_log2;
    b->magic = BLOCK_MAGIC;
    scope_link(here.scope, b);
    return b + 1;
}

static void block_free(struct block *b)
{
    scope_unlink(b);
    b->magic = 0;
    free(block_raw(b));
}

static void *block_resize(struct block *b, size_t bytes)
{
    struct block *grown;

    ASSERT(b->offset_log2 == HEADER_LOG2); /* realloc would lose the alignment */
    if (bytes > BLOCK_BYTES_MAX || scope_refuses())
        return NULL;
    grown = realloc(b, sizeof(*b) + bytes);
    if (!grown)
        return NULL;
    if (grown->scope) { /* its neighbours may point to where it was */
        grown->prev->next = grown;
        grown->next->prev = grown;
        grown->scope->bytes += bytes - grown->bytes;
    }
    grown->bytes = bytes;
    return grown + 1;
}

void mem_scopes_enable(void)
{
    scopes_on = true;
}

struct mem_scope *mem_scope_create(void)
{
    struct mem_scope *scope;

    ASSERT(scopes_on);
    if (fail_now())
        return NULL;
    scope = calloc(1, sizeof(*scope));
    if (scope)
        scope->ring.prev = scope->ring.next = &scope->ring;
    return scope;
}

void mem_scope_drop(struct mem_scope *scope)
{
    if (!scope)
        return;
    ASSERT(here.scope != scope);
    while (scope->ring.next != &scope->ring)
        block_free(scope->ring.next);
    ASSERT(scope->blocks == 0);
    ASSERT(scope->bytes == 0);
    free(scope);
}

struct mem_scope *mem_scope_enter(struct mem_scope *scope)
{
    struct mem_scope *before = here.scope;

    here.scope = scope;
    return before;
}

uint64_t mem_scope_bytes(const struct mem_scope *scope)
{
    return scope->bytes;
}

uint64_t mem_scope_blocks(const struct mem_scope *scope)
{
    return scope->blocks;
}

uint64_t mem_scope_made(const struct mem_scope *scope)
{
    return scope->made;
}

void mem_scope_fail(struct mem_scope *scope, uint64_t after, uint64_t count)
{
    scope->fail_at = scope->made + after;
    scope->fail_end = scope->fail_at + count;
    scope->failed = false;
}

bool mem_scope_failed(const struct mem_scope *scope)
{
    return scope->failed;
}

/* ---- allocation ---- */

void *mem_alloc(size_t bytes)
{
    if (fail_now())
        return NULL;
    if (__builtin_expect(scopes_on, 0))
        return block_make(HEADER_LOG2, bytes, false);
    return malloc(bytes ? bytes : 1);
}

void *mem_zalloc(size_t bytes)
{
    if (fail_now())
        return NULL;
    if (__builtin_expect(scopes_on, 0))
        return block_make(HEADER_LOG2, bytes, true);
    return calloc(1, bytes ? bytes : 1);
}

void *mem_calloc(size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total))
        return NULL;
    return mem_zalloc(total);
}

void *mem_aligned(size_t align, size_t bytes)
{
    ASSERT(align && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    if (fail_now())
        return NULL;
    if (bytes > BLOCK_BYTES_MAX)
        return NULL;
    if (__builtin_expect(scopes_on, 0))
        return block_make(MAX(__builtin_ctzl(align), HEADER_LOG2), bytes, false);
    align = MAX(align, sizeof(void *));
    return aligned_alloc(align, ROUND_UP(bytes ? bytes : 1, align));
}

void *mem_pages(size_t bytes)
{
    if (fail_now())
        return NULL;
    if (bytes > BLOCK_BYTES_MAX)
        return NULL;
    if (__builtin_expect(scopes_on, 0))
        return block_make(__builtin_ctz(PAGES_ALIGN), bytes, false);
    return pages_take(bytes);
}

void mem_pages_free(void *p, size_t bytes)
{
    if (__builtin_expect(scopes_on, 0))
        block_free(block_of(p));
    else
        pages_give(p, bytes);
}

void *mem_dup(const void *data, size_t bytes)
{
    void *copy = mem_alloc(bytes);

    if (copy && bytes)
        memcpy(copy, data, bytes);
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

char *mem_printf(const char *fmt, ...)
{
    va_list args, again;
    char *text = NULL;
    int len;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    if (len >= 0)
        text = mem_alloc((size_t)len + 1);
    if (text)
        vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

void *mem_realloc(void *p, size_t bytes)
{
    if (!p)
        return mem_alloc(bytes);
    if (fail_now())
        return NULL;
    if (__builtin_expect(scopes_on, 0))
        return block_resize(block_of(p), bytes);
    return realloc(p, bytes ? bytes : 1);
}

void mem_free(void *p)
{
    if (__builtin_expect(scopes_on, 0) && p)
        block_free(block_of(p));
    else
        free(p);
}

void mem_free_at(void *pp)
{
    mem_free(*(void **)pp);
}
