/* mem.h - every allocation of the core passes here.
 *
 * Three things are had from that: the n-th allocation can be made to fail (for every n, in tests),
 * what one role allocated can be counted and, in the simulator, dropped at once when its process
 * "loses power", and one place decides which allocator is used.
 *
 * Threads: any, except that scopes are for single-threaded programs (simulator, tests). */
#ifndef CORE_BASE_MEM_H
#define CORE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All return NULL when memory is short.  Zero-byte requests return a unique pointer. */
void *mem_alloc(size_t bytes);
void *mem_zalloc(size_t bytes);
void *mem_calloc(size_t count, size_t bytes);  /* zeroed; NULL on overflow */
void *mem_aligned(size_t align, size_t bytes); /* align: power of two, up to 4096 */
void *mem_dup(const void *data, size_t bytes);
char *mem_strdup(const char *text);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Grow or shrink; on NULL the old block is untouched.  Not for mem_aligned blocks. */
void *mem_realloc(void *p, size_t bytes);
void mem_free(void *p);     /* NULL is fine; takes what any function above returned */
void mem_free_at(void *pp); /* for AUTO_FREE: frees *(void **)pp */
/* For payload: aligned to 4 KiB, not zeroed, kept for the next one when freed.  The size is said
 * again then. */
void *mem_pages(size_t bytes);
void mem_pages_free(void *p, size_t bytes);

/* Fault injection: after `n` more successful allocations of this thread, one fails.  0 fails the
 * next; a negative `n` turns it off.  mem_fail_hit() says whether one has failed since. */
void mem_fail_after(int64_t n);
bool mem_fail_hit(void);

/* Scopes: while a scope is current, every allocation belongs to it.  mem_scopes_enable() comes
 * before the first allocation of the program and costs 32 bytes per block from then on. */
struct mem_scope;
void mem_scopes_enable(void);
struct mem_scope *mem_scope_create(void);
void mem_scope_drop(struct mem_scope *scope); /* frees all of its blocks, then itself */
struct mem_scope *mem_scope_enter(struct mem_scope *scope); /* returns the one before; NULL: none */
uint64_t mem_scope_bytes(const struct mem_scope *scope);    /* live bytes */
uint64_t mem_scope_blocks(const struct mem_scope *scope);
uint64_t mem_scope_made(const struct mem_scope *scope); /* allocations so far, failed ones too */
/* Of this scope's allocations, `count` fail when `after` more have not.  `count` 0 turns it off.
 * True from mem_scope_failed: at least one has. */
void mem_scope_fail(struct mem_scope *scope, uint64_t after, uint64_t count);
bool mem_scope_failed(const struct mem_scope *scope);

#endif
