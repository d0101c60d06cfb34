/* pages.c - payload memory that is used again.
 *
 * Payload comes in blocks of 4 KiB to 4 MiB, made by one thread and freed by another.  To malloc
 * each small one is a search and a split, because of its alignment; and each large one is a mapping
 * of its own, which the kernel fills with zeros page by page, at more cost than copying into it.
 * So blocks are kept here by size, in powers of two.
 *
 * Blocks below SLAB_BYTES are cut from slabs and stay for ever: what they hold is the most that was
 * in use at a time, and queues bound that.  Of larger ones at most KEEP_BYTES lie idle.  A free
 * block holds the link to the next in its first bytes.  Under AddressSanitizer nothing is kept, so
 * that it sees who uses a block too long. */
#include "core/base/pages.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/base/base.h"

#if defined(__SANITIZE_ADDRESS__)
#define PAGES_KEPT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAGES_KEPT 0
#endif
#endif
#ifndef PAGES_KEPT
#define PAGES_KEPT 1
#endif

enum { LOG2_MIN = 12, LOG2_SLAB = 17, LOG2_MAX = 22, CLASSES = LOG2_MAX - LOG2_MIN + 1 };
#define KEEP_BYTES ((uint64_t)32 << 20)

struct free_block {
    struct free_block *next;
};
/* The allocator's: one per process, as malloc's own state is. */
static struct {
    pthread_mutex_t lock;
    struct free_block *first[CLASSES];
    uint64_t kept_bytes; /* in classes from LOG2_SLAB up */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The class of a size, or CLASSES when it is too large to be kept. */
static unsigned class_of(size_t bytes)
{
    unsigned log2 = LOG2_MIN;

    while (log2 <= LOG2_MAX && (size_t)1 << log2 < bytes)
        log2++;
    return PAGES_KEPT ? log2 - LOG2_MIN : CLASSES;
}

static size_t class_bytes(unsigned class)
{
    return (size_t)1 << (LOG2_MIN + class);
}

static bool from_slab(unsigned class)
{
    return class < LOG2_SLAB - LOG2_MIN;
}

/* The lock is held. */
static struct free_block *pop(unsigned class)
{
    struct free_block *b = pool.first[class];

    if (!b)
        return NULL;
    pool.first[class] = b->next;
    if (!from_slab(class))
        pool.kept_bytes -= class_bytes(class);
    return b;
}

/* One block of a new slab; the others become free. */
static void *slab_cut(unsigned class)
{
    size_t step = class_bytes(class), bytes = (size_t)1 << LOG2_SLAB;
    uint8_t *slab = aligned_alloc(PAGES_ALIGN, bytes);

    if (!slab)
        return NULL;
    pthread_mutex_lock(&pool.lock);
    for (size_t at = step; at < bytes; at += step) {
        struct free_block *b = (struct free_block *)(slab + at);

        b->next = pool.first[class];
        pool.first[class] = b;
    }
    pthread_mutex_unlock(&pool.lock);
    return slab;
}

void *pages_take(size_t bytes)
{
    unsigned class = class_of(bytes);
    void *block;

    if (class == CLASSES)
        return aligned_alloc(PAGES_ALIGN, ROUND_UP(MAX(bytes, (size_t)1), PAGES_ALIGN));
    pthread_mutex_lock(&pool.lock);
    block = pop(class);
    pthread_mutex_unlock(&pool.lock);
    if (block)
        return block;
    return from_slab(class) ? slab_cut(class) : aligned_alloc(PAGES_ALIGN, class_bytes(class));
}

void pages_give(void *block, size_t bytes)
{
    unsigned class = class_of(bytes);
    struct free_block *b = block;

    if (class < CLASSES) {
        pthread_mutex_lock(&pool.lock);
        if (from_slab(class) || pool.kept_bytes + class_bytes(class) <= KEEP_BYTES) {
            if (!from_slab(class))
                pool.kept_bytes += class_bytes(class);
            b->next = pool.first[class];
            pool.first[class] = b;
            block = NULL;
        }
        pthread_mutex_unlock(&pool.lock);
    }
    free(block);
}
