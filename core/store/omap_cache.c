/* omap_cache.c - omap rows in memory, for point reads that come again.
 *
 * What a worker found in LevelDB for a key that the overlay said nothing about: the stored bytes,
 * or that there is no such row.  Rows that change are forgotten when their new image enters the
 * overlay, which is asked first; so what is here is what LevelDB says, or will say once nothing is
 * left in the overlay.  Values keep their checksum, and each reader verifies it again.
 *
 * Ordered by key, because removals of ranges must find what they cover. */
#include "core/store/store_int.h"

struct omap_cached {
    RB_ENTRY(omap_cached) node;
    struct list lru;         /* store.omap_lru, the oldest first */
    struct bytes key, value; /* in `memory`; value.data NULL: there is none */
    uint8_t memory[];
};
enum { VALUE_MAX = 16 << 10, COST = sizeof(struct omap_cached) + 32 };

static int cached_cmp(struct omap_cached *a, struct omap_cached *b)
{
    return bytes_compare(a->key, b->key);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_STATIC(omap_tree, omap_cached, node, cached_cmp)
#pragma GCC diagnostic pop

static uint64_t cost(const struct omap_cached *c)
{
    return COST + c->key.len + c->value.len;
}

static void drop(struct store *s, struct omap_cached *c)
{
    RB_REMOVE(omap_tree, &s->omap_cache, c);
    list_remove(&c->lru);
    s->omap_cached -= cost(c);
    mem_free(c);
}

void omap_cache_trim(struct store *s, uint64_t keep_bytes)
{
    while (s->omap_cached > keep_bytes)
        drop(s, LIST_FIRST(&s->omap_lru, struct omap_cached, lru));
}

static struct omap_cached *find(struct store *s, struct bytes key)
{
    struct omap_cached like = {.key = key};

    return RB_FIND(omap_tree, &s->omap_cache, &like);
}

bool omap_cache_get(struct store *s, struct bytes key, struct bytes *out_value)
{
    struct omap_cached *c = find(s, key);

    if (!c)
        return false;
    list_remove(&c->lru);
    list_push_back(&s->omap_lru, &c->lru);
    *out_value = c->value;
    return true;
}

/* What cannot be kept is not kept. */
void omap_cache_put(struct store *s, struct bytes key, struct bytes value)
{
    struct omap_cached *c = find(s, key);

    if (c)
        drop(s, c);
    if (value.len > VALUE_MAX || COST + key.len + value.len > s->omap_cache_max ||
        !(c = mem_alloc(sizeof(*c) + key.len + value.len)))
        return;
    memcpy(c->memory, key.data, key.len);
    if (value.len)
        memcpy(c->memory + key.len, value.data, value.len);
    c->key = (struct bytes){c->memory, key.len};
    c->value = (struct bytes){value.data ? c->memory + key.len : NULL, value.len};
    RB_INSERT(omap_tree, &s->omap_cache, c);
    list_init(&c->lru);
    list_push_back(&s->omap_lru, &c->lru);
    s->omap_cached += cost(c);
    omap_cache_trim(s, s->omap_cache_max);
}

void omap_cache_forget(struct store *s, const struct row *r)
{
    struct omap_cached like = {.key = r->key}, *c;

    if (s->omap_cached == 0 || !key_is_omap(r->key))
        return;
    if (r->kind != ROW_RANGE) {
        c = find(s, r->key);
        if (c)
            drop(s, c);
        return;
    }
    c = RB_NFIND(omap_tree, &s->omap_cache, &like);
    while (c && bytes_compare(c->key, r->value) < 0) {
        struct omap_cached *after = RB_NEXT(omap_tree, &s->omap_cache, c);

        drop(s, c);
        c = after;
    }
}
