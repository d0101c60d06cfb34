/* arena.h - scratch memory of one operation, released all at once.
 *
 * The first `ARENA_INLINE` bytes come from the struct itself; then chunks of at least 4 KiB.  An
 * arena points into itself: it must not be moved.
 * Threads: one owner. */
#ifndef CORE_BASE_ARENA_H
#define CORE_BASE_ARENA_H

#include "core/base/base.h"

enum { ARENA_INLINE = 512 };

struct arena {
    struct arena_chunk *chunks; /* owned, newest first */
    uint8_t *base;              /* the block being filled: `first`, or a chunk's data */
    uint32_t used, cap;         /* of that block */
    uint8_t first[ARENA_INLINE] __attribute__((aligned(16)));
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a); /* frees all; the arena is empty and usable after */
void *arena_alloc(struct arena *a, size_t bytes); /* 16-aligned, not zeroed; NULL when short */
void *arena_zalloc(struct arena *a, size_t bytes);
void *arena_dup(struct arena *a, const void *data, size_t bytes);
char *arena_strdup(struct arena *a, const char *text, size_t bytes); /* adds the NUL */

#endif
