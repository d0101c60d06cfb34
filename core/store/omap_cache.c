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
    struct kept kept;
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

static void drop(struct store *s, struct kept *k)
{
    struct omap_cached *c = CONTAINER_OF(k, struct omap_cached, kept);

    RB_REMOVE(omap_tree, &s->omap_cache, c);
    kept_remove(s, k);
    mem_free(c);
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
    kept_used(s, &c->kept);
    *out_value = c->value;
    return true;
}

/* What cannot be kept is not kept. */
void omap_cache_put(struct store *s, struct bytes key, struct bytes value)
{
    struct omap_cached *c = find(s, key);

    if (c)
        drop(s, &c->kept);
    if (value.len > VALUE_MAX || !(c = mem_alloc(sizeof(*c) + key.len + value.len)))
        return;
    memcpy(c->memory, key.data, key.len);
    if (value.len)
        memcpy(c->memory + key.len, value.data, value.len);
    c->key = (struct bytes){c->memory, key.len};
    c->value = (struct bytes){value.data ? c->memory + key.len : NULL, value.len};
    c->kept = (struct kept){.bytes = COST + key.len + value.len, .drop = drop};
    RB_INSERT(omap_tree, &s->omap_cache, c);
    kept_add(s, &c->kept);
}

void omap_cache_forget(struct store *s, const struct row *r)
{
    struct omap_cached like = {.key = r->key}, *c;

    if (RB_EMPTY(&s->omap_cache) || !key_is_omap(r->key))
        return;
    if (r->kind != ROW_RANGE) {
        c = find(s, r->key);
        if (c)
            drop(s, &c->kept);
        return;
    }
    c = RB_NFIND(omap_tree, &s->omap_cache, &like);
    while (c && bytes_compare(c->key, r->value) < 0) {
        struct omap_cached *after = RB_NEXT(omap_tree, &s->omap_cache, c);

        drop(s, &c->kept);
        c = after;
    }
}
