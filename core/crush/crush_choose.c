/* crush_choose.c - the five ways a bucket picks one of its items for (x, r).
 *
 * r is the attempt: another r gives an independent pick.  uniform walks a permutation, so that as
 * many attempts as items meet each of them once; list and tree compare one hash with cumulated
 * weights and move little when they grow at the end; straw and straw2 let every item draw and take
 * the longest.  straw2's draw depends on the item alone, so a changed weight moves data only from
 * or to that item.  All arithmetic is that of Ceph, since the outcome must be. */
#include "core/crush/crush_hash.h"
#include "core/crush/crush_internal.h"
#include "core/crush/crush_ln.h"

/* 2^44 * log2(65536), which the logarithm of a 16-bit share is taken below. */
static const int64_t LN_ONE = INT64_C(1) << 48;

/* The permutation belongs to x, and grows as far as it is asked for. */
int32_t crush_choose_perm(const struct crush_bucket *b, uint32_t *perm, uint32_t x, uint32_t r)
{
    uint32_t at = r % b->size, *order = perm + CRUSH_PERM_HEAD;
    uint32_t id = (uint32_t)b->name.id;

    if (at == 0) /* the common first attempt needs no table */
        return b->items[crush_hash3(x, id, 0) % b->size];
    if (perm[1] == 0 || perm[0] != x) {
        perm[0] = x;
        perm[1] = 0;
        for (uint32_t i = 0; i < b->size; i++)
            order[i] = i;
    }
    for (uint32_t p = perm[1]; p <= at; p++) {
        uint32_t other = p + crush_hash3(x, id, p) % (b->size - p);
        uint32_t held = order[other];

        order[other] = order[p];
        order[p] = held;
        perm[1] = p + 1;
    }
    return b->items[order[at]];
}

static int32_t choose_list(const struct crush_bucket *b, uint32_t x, uint32_t r)
{
    for (uint32_t i = b->size; i-- > 0;) {
        uint64_t point = crush_hash4(x, (uint32_t)b->items[i], r, (uint32_t)b->name.id) & 0xffff;

        if ((point * b->derived[i]) >> 16 < b->weights[i])
            return b->items[i];
    }
    return b->items[0]; /* nothing weighs anything */
}

/* Nodes are numbered in order: leaves odd, an inner node 2^h * odd, its children 2^(h-1) away. */
static int32_t choose_tree(const struct crush_bucket *b, uint32_t x, uint32_t r)
{
    uint32_t node = b->derived_count >> 1, index;

    while ((node & 1) == 0) {
        uint32_t half = (node & -node) >> 1;
        uint64_t point = crush_hash4(x, node, r, (uint32_t)b->name.id);

        point = (point * b->derived[node]) >> 32;
        node = point < b->derived[node - half] ? node - half : node + half;
    }
    index = node >> 1;
    return b->items[MIN(index, b->size - 1)]; /* past the end only if nothing weighs anything */
}

static int32_t choose_straw(const struct crush_bucket *b, uint32_t x, uint32_t r)
{
    uint32_t high = 0;
    uint64_t high_draw = 0;

    for (uint32_t i = 0; i < b->size; i++) {
        uint64_t draw = crush_hash3(x, (uint32_t)b->items[i], r) & 0xffff;

        draw *= b->derived[i];
        if (i == 0 || draw > high_draw) {
            high = i;
            high_draw = draw;
        }
    }
    return b->items[high];
}

static int32_t choose_straw2(const struct crush_bucket *b, uint32_t x, uint32_t r)
{
    uint32_t high = 0;
    int64_t high_draw = 0;

    for (uint32_t i = 0; i < b->size; i++) {
        int64_t draw = INT64_MIN;

        if (b->weights[i] > 0) {
            uint32_t u = crush_hash3(x, (uint32_t)b->items[i], r) & 0xffff;

            draw = ((int64_t)crush_ln(u) - LN_ONE) / (int64_t)b->weights[i];
        }
        if (i == 0 || draw > high_draw) {
            high = i;
            high_draw = draw;
        }
    }
    return b->items[high];
}

int32_t crush_choose(const struct crush_bucket *b, uint32_t *perm, uint32_t x, uint32_t r)
{
    switch (b->alg) {
    case CRUSH_UNIFORM:
        return crush_choose_perm(b, perm, x, r);
    case CRUSH_LIST:
        return choose_list(b, x, r);
    case CRUSH_TREE:
        return choose_tree(b, x, r);
    case CRUSH_STRAW:
        return choose_straw(b, x, r);
    case CRUSH_STRAW2:
        return choose_straw2(b, x, r);
    default:
        UNREACHABLE();
    }
}
