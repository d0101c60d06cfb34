/* arena.c - bump allocation out of chunks, each twice the one before up to a maximum.
 *
 * The block being filled is the struct's own `first` until that is full, then the newest chunk of
 * ordinary size.  A request too big for an ordinary chunk gets one of its own, and the block being
 * filled stays what it was, so that its rest is not lost. */
#include "core/base/arena.h"

enum { ARENA_CHUNK = 4096, ARENA_CHUNK_MAX = 16384, ARENA_GRAIN = 16, ARENA_BIG = 1024 };
#define ARENA_REQUEST_MAX GIB(1)

struct arena_chunk {
    struct arena_chunk *next;
    uint64_t pad; /* keeps `data` aligned to 16 */
    uint8_t data[];
};

static_assert(sizeof(struct arena_chunk) == ARENA_GRAIN, "chunk data is 16-aligned");

void arena_init(struct arena *a)
{
    a->chunks = NULL;
    a->base = a->first;
    a->used = 0;
    a->cap = ARENA_INLINE;
}

void arena_fini(struct arena *a)
{
    while (a->chunks) {
        struct arena_chunk *chunk = a->chunks;

        a->chunks = chunk->next;
        mem_free(chunk);
    }
    arena_init(a);
}

static uint8_t *chunk_add(struct arena *a, size_t bytes)
{
    struct arena_chunk *chunk = mem_alloc(sizeof(*chunk) + bytes);

    if (!chunk)
        return NULL;
    chunk->next = a->chunks;
    a->chunks = chunk;
    return chunk->data;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
    uint8_t *base;
    uint32_t at, cap;

    if (bytes > ARENA_REQUEST_MAX)
        return NULL;
    bytes = ROUND_UP(MAX(bytes, (size_t)1), ARENA_GRAIN);
    if (bytes > a->cap - a->used) {
        if (bytes >= ARENA_BIG)
            return chunk_add(a, bytes);
        cap =
            MIN(MAX(2 * (a->cap + ARENA_GRAIN), (uint32_t)ARENA_CHUNK), (uint32_t)ARENA_CHUNK_MAX);
        cap -= ARENA_GRAIN;
        base = chunk_add(a, cap);
        if (!base)
            return NULL;
        a->base = base;
        a->used = 0;
        a->cap = cap;
    }
    at = a->used;
    a->used += (uint32_t)bytes;
    return a->base + at;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
    void *p = arena_alloc(a, bytes);

    if (p)
        memset(p, 0, bytes);
    return p;
}

void *arena_dup(struct arena *a, const void *data, size_t bytes)
{
    void *p = arena_alloc(a, bytes);

    if (p && bytes)
        memcpy(p, data, bytes);
    return p;
}

char *arena_strdup(struct arena *a, const char *text, size_t bytes)
{
    char *p = bytes < ARENA_REQUEST_MAX ? arena_alloc(a, bytes + 1) : NULL;

    if (!p)
        return NULL;
    if (bytes)
        memcpy(p, text, bytes);
    p[bytes] = '\0';
    return p;
}
