/* extent.c - a bitmap of used blocks, units that are open or not, and a small table of blocks with
 * several owners.
 *
 * One bit a block costs 32 MiB for each TiB and never needs memory to give a block back, which is
 * what makes releasing infallible.  Chunks of 32768 blocks count their free ones, so that a search
 * steps over full parts of the disk.  The bitmap starts as untouched zero pages: an empty store
 * costs next to nothing.  The bitmap says who owns what; a search sees a closed unit as used. */
#include "core/store/extent.h"

#include "core/base/hash.h"
#include "core/base/htable.h"

enum {
    CHUNK_BLOCKS = 32768,
    CHUNK_WORDS = CHUNK_BLOCKS / 64,
    REGION_BLOCKS = 64,
    OWNERS_MAX = 60000,
    SEARCH_CHUNKS = 16
};

struct region {
    struct hnode node;
    uint64_t first;
    uint32_t count; /* sum of extra */
    uint16_t extra[REGION_BLOCKS];
};

struct extents {
    uint64_t blocks, free_blocks;
    uint64_t *used;       /* owned; bit set: has an owner, or waits for a checkpoint */
    uint32_t *chunk_free; /* owned; in open units only */
    uint64_t chunks, low; /* no block before `low` is free and in an open unit */
    uint64_t unit_blocks, units;
    uint32_t *unit_free; /* owned */
    bool *unit_open;     /* owned */
    uint64_t open_free;  /* free blocks of open units */
    uint64_t open_empty; /* open units with nothing but free blocks */
    uint64_t closed_low; /* no closed unit before this has a free block */
    struct htable regions;
};

struct extents *extents_create(uint64_t blocks, uint32_t unit_blocks)
{
    struct extents *e = mem_zalloc(sizeof(*e));

    ASSERT(unit_blocks % 64 == 0);
    ASSERT(CHUNK_BLOCKS % unit_blocks == 0);

    if (!e)
        return NULL;
    e->blocks = blocks;
    e->chunks = (blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;
    e->used = mem_calloc(e->chunks * CHUNK_WORDS, sizeof(*e->used));
    e->chunk_free = mem_calloc(e->chunks, sizeof(*e->chunk_free));
    e->unit_blocks = unit_blocks;
    e->units = e->chunks * (CHUNK_BLOCKS / unit_blocks);
    e->unit_free = mem_calloc(e->units, sizeof(*e->unit_free));
    e->unit_open = mem_calloc(e->units, sizeof(*e->unit_open));
    if (!e->used || !e->chunk_free || !e->unit_free || !e->unit_open ||
        htable_init(&e->regions, 16) < 0) {
        extents_destroy(e);
        return NULL;
    }
    for (uint64_t u = 0; u < e->units; u++)
        e->unit_free[u] = unit_blocks;
    for (uint64_t b = blocks; b < e->chunks * CHUNK_BLOCKS; b++) { /* behind the end: never free */
        e->used[b / 64] |= UINT64_C(1) << b % 64;
        e->unit_free[b / unit_blocks]--;
    }
    e->used[0] |= 1; /* block 0 */
    e->unit_free[0]--;
    e->free_blocks = blocks - 1;
    return e;
}

void extents_destroy(struct extents *e)
{
    struct hnode *n;

    if (!e)
        return;
    while (e->regions.slots && (n = htable_any(&e->regions))) {
        htable_remove(&e->regions, n);
        mem_free(CONTAINER_OF(n, struct region, node));
    }
    htable_fini(&e->regions);
    mem_free(e->used);
    mem_free(e->chunk_free);
    mem_free(e->unit_free);
    mem_free(e->unit_open);
    mem_free(e);
}

uint64_t extents_free_blocks(const struct extents *e)
{
    return e->free_blocks;
}

uint64_t extents_open_free(const struct extents *e)
{
    return e->open_free;
}

uint64_t extents_blocks(const struct extents *e)
{
    return e->blocks;
}

static bool is_used(const struct extents *e, uint64_t b)
{
    return b >= e->blocks || (e->used[b / 64] >> b % 64 & 1);
}

/* Not for allocation: used, or in a closed unit. */
static bool is_taken(const struct extents *e, uint64_t b)
{
    return is_used(e, b) || !e->unit_open[b / e->unit_blocks];
}

static uint64_t taken_word(const struct extents *e, uint64_t b)
{
    return e->unit_open[b / e->unit_blocks] ? e->used[b / 64] : UINT64_MAX;
}

static void use(struct extents *e, uint64_t b)
{
    uint64_t u = b / e->unit_blocks;

    ASSERT(!is_used(e, b));
    e->used[b / 64] |= UINT64_C(1) << b % 64;
    e->free_blocks--;
    if (e->unit_open[u]) {
        e->open_empty -= e->unit_free[u] == e->unit_blocks;
        e->open_free--;
        e->chunk_free[b / CHUNK_BLOCKS]--;
    }
    e->unit_free[u]--;
}

static uint64_t take_run(struct extents *e, uint64_t start, uint64_t want)
{
    uint64_t n = 0;

    while (n < want && !is_taken(e, start + n))
        use(e, start + n++);
    return n;
}

/* The longest free run from `at` to the end of its chunk, up to `want`. */
static uint64_t chunk_search(const struct extents *e, uint64_t at, uint64_t want,
                             uint64_t *out_start)
{
    uint64_t end = ROUND_DOWN(at, CHUNK_BLOCKS) + CHUNK_BLOCKS, best = 0;

    while (at < end && best < want) {
        uint64_t word = taken_word(e, at) >> at % 64, n = 0;

        if (word & 1) { /* skip used ones */
            uint64_t skip = ~word ? (uint64_t)__builtin_ctzll(~word) : 64;

            at += MIN(skip, 64 - at % 64);
            continue;
        }
        while (at + n < end && n < want) { /* count free ones, a word at a time */
            uint64_t b = at + n, w = taken_word(e, b) >> b % 64, left = 64 - b % 64;
            uint64_t run = w ? (uint64_t)__builtin_ctzll(w) : left;

            n += run;
            if (run < left)
                break;
        }
        n = MIN(n, want);
        if (n > best) {
            best = n;
            *out_start = at;
        }
        at += n;
    }
    return best;
}

/* Bring `low` to the first block that can be given out: there is one. */
static void low_find(struct extents *e)
{
    if (e->chunk_free[e->low / CHUNK_BLOCKS] == 0) {
        uint64_t c = e->low / CHUNK_BLOCKS;

        while (e->chunk_free[c] == 0)
            c++;
        e->low = c * CHUNK_BLOCKS;
    }
    while (chunk_search(e, e->low, 1, &e->low) == 0)
        e->low = ROUND_DOWN(e->low, CHUNK_BLOCKS) + CHUNK_BLOCKS;
}

uint64_t extents_take(struct extents *e, uint64_t want, uint64_t hint, uint64_t *out_start)
{
    uint64_t best = 0, best_at = 0, looked = 0;

    if (e->open_free == 0 || want == 0)
        return 0;
    if (hint && !is_taken(e, hint)) {
        *out_start = hint;
        return take_run(e, hint, want);
    }
    low_find(e);
    for (uint64_t c = e->low / CHUNK_BLOCKS; c < e->chunks && looked < SEARCH_CHUNKS && best < want;
         c++) {
        uint64_t at = 0, n;

        if (e->chunk_free[c] <= best)
            continue;
        n = chunk_search(e, MAX(c * CHUNK_BLOCKS, e->low), want, &at);
        if (n > best) {
            best = n;
            best_at = at;
        }
        looked++;
    }
    ASSERT(best > 0);
    *out_start = best_at;
    return take_run(e, best_at, best);
}

void extents_release(struct extents *e, uint64_t start, uint64_t count)
{
    for (uint64_t b = start; b < start + count; b++) {
        ASSERT(b > 0 && b < e->blocks && is_used(e, b));
        e->used[b / 64] &= ~(UINT64_C(1) << b % 64);
        e->free_blocks++;
        e->unit_free[b / e->unit_blocks]++;
        if (e->unit_open[b / e->unit_blocks]) {
            e->open_free++;
            e->chunk_free[b / CHUNK_BLOCKS]++;
            e->open_empty += e->unit_free[b / e->unit_blocks] == e->unit_blocks;
        }
    }
    e->low = MIN(e->low, start);
    e->closed_low = MIN(e->closed_low, start / e->unit_blocks);
}

/* --- units --- */

uint64_t extents_closed(struct extents *e, uint64_t want, uint64_t *out_start)
{
    uint64_t u = e->closed_low, first;

    while (u < e->units && (e->unit_open[u] || e->unit_free[u] == 0))
        u++;
    e->closed_low = first = u;
    while (u < e->units && !e->unit_open[u] && e->unit_free[u] &&
           (u - first) * e->unit_blocks < want)
        u++;
    *out_start = first * e->unit_blocks;
    return MIN(u * e->unit_blocks, e->blocks) - MIN(*out_start, e->blocks);
}

static void unit_set(struct extents *e, uint64_t u, bool open)
{
    uint64_t c = u * e->unit_blocks / CHUNK_BLOCKS, empty = e->unit_free[u] == e->unit_blocks;

    ASSERT(e->unit_open[u] != open);
    e->unit_open[u] = open;
    if (open) {
        e->open_free += e->unit_free[u];
        e->chunk_free[c] += e->unit_free[u];
        e->open_empty += empty;
        e->low = MIN(e->low, u * e->unit_blocks);
    } else {
        e->open_free -= e->unit_free[u];
        e->chunk_free[c] -= e->unit_free[u];
        e->open_empty -= empty;
        e->closed_low = MIN(e->closed_low, u);
    }
}

void extents_open(struct extents *e, uint64_t start, uint64_t count)
{
    for (uint64_t b = start; b < start + count; b += e->unit_blocks)
        unit_set(e, b / e->unit_blocks, true);
}

uint64_t extents_close_empty(struct extents *e, uint64_t want, uint64_t *out_start)
{
    uint64_t u = e->units, end;

    if (e->open_empty == 0)
        return 0;
    while (!e->unit_open[u - 1] || e->unit_free[u - 1] != e->unit_blocks)
        u--;
    end = u;
    while (u > 0 && e->unit_open[u - 1] && e->unit_free[u - 1] == e->unit_blocks &&
           (end - u) * e->unit_blocks < want)
        unit_set(e, --u, false);
    *out_start = u * e->unit_blocks;
    return (end - u) * e->unit_blocks;
}

/* --- owners --- */

static struct region *region_find(const struct extents *e, uint64_t block)
{
    uint64_t first = block / REGION_BLOCKS;

    if (e->regions.count == 0)
        return NULL;
    for (struct hnode *n = htable_first(&e->regions, hash64_u64(0, first)); n; n = htable_next(n)) {
        struct region *r = CONTAINER_OF(n, struct region, node);

        if (r->first == first)
            return r;
    }
    return NULL;
}

int extents_share(struct extents *e, uint64_t block)
{
    struct region *r = region_find(e, block);

    ASSERT(is_used(e, block));
    if (!r) {
        r = mem_zalloc(sizeof(*r));
        if (!r)
            return -ENOMEM;
        r->first = block / REGION_BLOCKS;
        htable_insert(&e->regions, &r->node, hash64_u64(0, r->first));
    }
    if (r->extra[block % REGION_BLOCKS] >= OWNERS_MAX)
        return -R_OVERFLOW;
    r->extra[block % REGION_BLOCKS]++;
    r->count++;
    return 0;
}

bool extents_unshare(struct extents *e, uint64_t block)
{
    struct region *r = region_find(e, block);

    if (!r || r->extra[block % REGION_BLOCKS] == 0)
        return true;
    r->extra[block % REGION_BLOCKS]--;
    if (--r->count == 0) {
        htable_remove(&e->regions, &r->node);
        mem_free(r);
    }
    return false;
}

uint32_t extents_extra(const struct extents *e, uint64_t block)
{
    struct region *r = region_find(e, block);

    return r ? r->extra[block % REGION_BLOCKS] : 0;
}

int extents_mark(struct extents *e, uint64_t block)
{
    if (block == 0 || block >= e->blocks)
        return -R_MALFORMED;
    if (is_used(e, block))
        return extents_share(e, block);
    use(e, block);
    return 0;
}

void extents_check(const struct extents *e)
{
    uint64_t open_free = 0, first = e->low;

    for (uint64_t c = 0; c < e->chunks; c++)
        open_free += e->chunk_free[c];
    ASSERT(open_free == e->open_free);
    ASSERT(open_free <= e->free_blocks);
    for (uint64_t c = 0; c < e->low / CHUNK_BLOCKS; c++)
        ASSERT(e->chunk_free[c] == 0);
    if (e->low < e->blocks)
        (void)chunk_search(e, ROUND_DOWN(e->low, CHUNK_BLOCKS), 1, &first);
    ASSERT(first >= e->low);
}
