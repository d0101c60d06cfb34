/* htable.c - chains kept in order of their hashes.
 *
 * A chain is sorted by hash, equal hashes in order of insertion.  That makes iteration independent
 * of addresses, lets a lookup stop early, and lets a slot be split without looking at its order
 * again.  When the doubled slots cannot be had, the table stays as it is and tries again at the
 * next insertion. */
#include "core/base/htable.h"

enum { SLOTS_MIN = 8 };
#define SLOTS_MAX (UINT32_C(1) << 31)

static uint32_t slot_of(const struct htable *t, uint64_t hash)
{
    return (uint32_t)hash & (t->slot_count - 1);
}

int htable_init(struct htable *t, uint32_t slots)
{
    uint32_t count = SLOTS_MIN;
    struct hnode **memory;

    while (count < slots && count < SLOTS_MAX)
        count *= 2;
    memory = mem_calloc(count, sizeof(*memory));
    if (!memory)
        return -ENOMEM;
    *t = (struct htable){.slots = memory, .slot_count = count, .used_from = count};
    return 0;
}

void htable_fini(struct htable *t)
{
    mem_free(t->slots);
    *t = (struct htable){0};
}

/* Deal the chain of one slot out to the two slots it becomes. */
static void chain_split(struct hnode *chain, uint32_t bit, struct hnode **low, struct hnode **high)
{
    while (chain) {
        struct hnode *node = chain, ***tail = (node->hash & bit) ? &high : &low;

        chain = node->next;
        **tail = node;
        *tail = &node->next;
    }
    *low = *high = NULL;
}

static void grow(struct htable *t)
{
    uint32_t old = t->slot_count;
    struct hnode **slots;

    if (old == SLOTS_MAX)
        return;
    slots = mem_calloc((size_t)old * 2, sizeof(*slots));
    if (!slots)
        return;
    for (uint32_t i = 0; i < old; i++)
        chain_split(t->slots[i], old, &slots[i], &slots[i + old]);
    mem_free(t->slots);
    t->slots = slots;
    t->slot_count = old * 2;
}

void htable_insert(struct htable *t, struct hnode *node, uint64_t hash)
{
    struct hnode **at;
    uint32_t slot;

    if (t->count >= t->slot_count)
        grow(t);
    slot = slot_of(t, hash);
    at = &t->slots[slot];
    while (*at && (*at)->hash <= hash)
        at = &(*at)->next;
    node->hash = hash;
    node->next = *at;
    *at = node;
    t->count++;
    t->used_from = MIN(t->used_from, slot);
}

void htable_remove(struct htable *t, struct hnode *node)
{
    struct hnode **at = &t->slots[slot_of(t, node->hash)];

    while (*at != node) {
        ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    t->count--;
}

/* The first of this hash in a chain from `node` on. */
static struct hnode *find(struct hnode *node, uint64_t hash)
{
    while (node && node->hash < hash)
        node = node->next;
    return node && node->hash == hash ? node : NULL;
}

struct hnode *htable_first(const struct htable *t, uint64_t hash)
{
    return find(t->slots[slot_of(t, hash)], hash);
}

struct hnode *htable_next(const struct hnode *node)
{
    return find(node->next, node->hash);
}

struct hnode *htable_any(struct htable *t)
{
    if (t->count == 0)
        return NULL;
    while (!t->slots[t->used_from]) {
        t->used_from++;
        ASSERT(t->used_from < t->slot_count);
    }
    return t->slots[t->used_from];
}

void htable_each(const struct htable *t, void (*visit)(struct hnode *node, void *arg), void *arg)
{
    for (uint32_t i = 0; i < t->slot_count; i++)
        for (struct hnode *node = t->slots[i]; node; node = node->next)
            visit(node, arg);
}
