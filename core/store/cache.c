/* cache.c - blocks of the data disk in memory, for reads that come again.
 *
 * Filled by what was written back and by short reads.  An entry may be stale for a moment (its
 * block written anew): every reader checks the bytes against the checksum it wants, so a stale
 * entry is a miss, never an answer and never taken for damage.
 *
 * Blocks and omap rows (omap_cache.c) stand in one list, and the least recently used goes first,
 * whichever it is.  Onodes have half of the budget for themselves, because a pass over many large
 * values must not push them out; what they leave of it holds values, too. */
#include "core/store/store_int.h"

struct cached {
    struct hnode node;
    struct kept kept;
    uint64_t phys;
    struct blob *blob; /* ref: STORE_BLOCK bytes from `off` on */
    uint32_t off;
};
enum { CACHED_COST = STORE_BLOCK + sizeof(struct cached) + 64, PINNED_MAX = 2 * STORE_BLOCK };

static uint64_t kept_max(const struct store *s)
{
    return s->cache_max - MIN(s->onode_bytes, s->cache_max / 2);
}

void kept_add(struct store *s, struct kept *k)
{
    list_init(&k->lru);
    list_push_back(&s->kept_lru, &k->lru);
    s->kept_bytes += k->bytes;
    kept_trim(s);
}

void kept_used(struct store *s, struct kept *k)
{
    list_remove(&k->lru);
    list_push_back(&s->kept_lru, &k->lru);
}

void kept_remove(struct store *s, struct kept *k)
{
    list_remove(&k->lru);
    s->kept_bytes -= k->bytes;
}

static void drop_down_to(struct store *s, uint64_t keep_bytes)
{
    while (s->kept_bytes > keep_bytes) {
        struct kept *k = LIST_FIRST(&s->kept_lru, struct kept, lru);

        k->drop(s, k);
    }
}

void kept_trim(struct store *s)
{
    drop_down_to(s, kept_max(s));
}

void kept_drop_all(struct store *s)
{
    drop_down_to(s, 0);
}

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

static void cached_drop(struct store *s, struct kept *k)
{
    struct cached *c = CONTAINER_OF(k, struct cached, kept);

    htable_remove(&s->data_cache, &c->node);
    kept_remove(s, k);
    blob_unref(c->blob);
    mem_free(c);
}

/* One whole block in one span; what cannot be kept is not kept. */
void data_cache_put(struct store *s, uint64_t phys, const struct buf *data, uint64_t off)
{
    const uint8_t *bytes = buf_contiguous(data, off, STORE_BLOCK);
    const struct span *span = buf_spans_of(data);
    struct cached *c = cached_find(s, phys);

    if (c)
        cached_drop(s, &c->kept);
    if (!bytes || !(c = mem_alloc(sizeof(*c))))
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
    c->kept = (struct kept){.bytes = CACHED_COST, .drop = cached_drop};
    htable_insert(&s->data_cache, &c->node, hash64_u64(2, phys));
    kept_add(s, &c->kept);
}

/* True when the block is here with just these bytes: appended to `out` (or *out_rc says why not).
 */
bool data_cache_get(struct store *s, uint64_t phys, uint32_t crc, struct buf *out, int *out_rc)
{
    struct cached *c = cached_find(s, phys);

    if (!c)
        return false;
    if (crc32c(0, c->blob->data + c->off, STORE_BLOCK) != crc) {
        cached_drop(s, &c->kept);
        return false;
    }
    kept_used(s, &c->kept);
    *out_rc = buf_append_blob(out, c->blob, c->off, STORE_BLOCK);
    return true;
}
