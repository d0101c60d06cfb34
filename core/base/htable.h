/* htable.h - an intrusive hash table that grows by doubling.
 *
 * Hash keys with core/base/hash.h: slots are picked by the low bits.
 * The table owns only its slots; nodes belong to the caller.  Iteration order depends on hashes
 * alone, never on addresses, so that simulated runs repeat.  Insertion never fails: when slots
 * cannot grow, chains get longer. */
#ifndef CORE_BASE_HTABLE_H
#define CORE_BASE_HTABLE_H

#include "core/base/base.h"

struct hnode {
    struct hnode *next;
    uint64_t hash;
};

struct htable {
    struct hnode **slots; /* owned; slot_count is a power of two */
    uint32_t slot_count;
    uint32_t count;
    uint32_t used_from; /* every slot before this one is empty */
};

MUST_CHECK int htable_init(struct htable *t, uint32_t slots); /* a hint; 0 or -ENOMEM */
void htable_fini(struct htable *t);                           /* does not touch nodes */
void htable_insert(struct htable *t, struct hnode *node, uint64_t hash);
void htable_remove(struct htable *t, struct hnode *node); /* must be in the table */
/* The first node with this hash; then the next with the same.  The caller compares keys. */
struct hnode *htable_first(const struct htable *t, uint64_t hash);
struct hnode *htable_next(const struct hnode *node);
/* Any node, for emptying: NULL when none is left. */
struct hnode *htable_any(struct htable *t);
/* Visit all; the table must not change meanwhile. */
void htable_each(const struct htable *t, void (*visit)(struct hnode *node, void *arg), void *arg);

#endif
