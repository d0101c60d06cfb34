/* cache.c - blocks of the data disk in memory, for reads that come again.
 *
 * Filled by what was written back and by short reads; the least recently used goes first.  An entry
 * may be stale for a moment (its block written anew): every reader checks the bytes against the
 * checksum it wants, so a stale entry is a miss, never an answer and never taken for damage. */
#include "core/store/store_int.h"

struct cached {
    struct hnode node;
    struct list lru; /* store.data_lru, the oldest first */
    uint64_t phys;
    struct blob *blob; /* ref: STORE_BLOCK bytes from `off` on */
    uint32_t off;
};
enum { CACHED_COST = STORE_BLOCK + sizeof(struct cached) + 64, PINNED_MAX = 4 * STORE_BLOCK };

static struct cached *cached_find(const struct store *s, uint64_t phys)
{
    for (struct hnode *n = htable_first(&s->data_cache, hash64_u64(2, phys)); n;
         n = htable_next(n)) {
        struct cached *c = CONTAINER_OF(n, struct cached, node);

        if (c->phys == phys)
            return c;
    }
    return NULL;
}

static void cached_drop(struct store *s, struct cached *c)
{
    htable_remove(&s->data_cache, &c->node);
    list_remove(&c->lru);
    blob_unref(c->blob);
    mem_free(c);
    s->data_cached -= CACHED_COST;
}

void data_cache_trim(struct store *s, uint64_t keep_bytes)
{
    while (s->data_cached > keep_bytes)
        cached_drop(s, LIST_FIRST(&s->data_lru, struct cached, lru));
}

/* One whole block in one span; what cannot be kept is not kept. */
void data_cache_put(struct store *s, uint64_t phys, const struct buf *data, uint64_t off)
{
    const uint8_t *bytes = buf_contiguous(data, off, STORE_BLOCK);
    const struct span *span = buf_spans_of(data);
    struct cached *c = cached_find(s, phys);

    if (c)
        cached_drop(s, c);
    if (!bytes || s->data_cache_max < CACHED_COST || !(c = mem_alloc(sizeof(*c))))
        return;
    if (data->span_count == 1 && span->blob->bytes <= PINNED_MAX) {
        c->blob = blob_ref(span->blob);
        c->off = span->off + (uint32_t)off;
    } else { /* do not hold a large blob for one block of it */
        c->blob = blob_create(STORE_BLOCK);
        c->off = 0;
        if (!c->blob) {
            mem_free(c);
            return;
        }
        memcpy(c->blob->data, bytes, STORE_BLOCK);
    }
    c->phys = phys;
    htable_insert(&s->data_cache, &c->node, hash64_u64(2, phys));
    list_push_back(&s->data_lru, &c->lru);
    s->data_cached += CACHED_COST;
    data_cache_trim(s, s->data_cache_max);
}

/* True when the block is here with just these bytes: appended to `out` (or *out_rc says why not).
 */
bool data_cache_get(struct store *s, uint64_t phys, uint32_t crc, struct buf *out, int *out_rc)
{
    struct cached *c = cached_find(s, phys);

    if (!c)
        return false;
    if (crc32c(0, c->blob->data + c->off, STORE_BLOCK) != crc) {
        cached_drop(s, c);
        return false;
    }
    list_remove(&c->lru);
    list_push_back(&s->data_lru, &c->lru);
    *out_rc = buf_append_blob(out, c->blob, c->off, STORE_BLOCK);
    return true;
}
