/* list.h - intrusive doubly linked lists.
 *
 * A node outside a list points to itself, so removing twice is harmless. */
#ifndef CORE_BASE_LIST_H
#define CORE_BASE_LIST_H

#include "core/base/base.h"

struct list {
    struct list *next, *prev;
};

#define LIST_INIT(name)                                                                            \
    {                                                                                              \
        &(name), &(name)                                                                           \
    }

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
    return l->next == l;
}

static inline bool list_linked(const struct list *node)
{
    return node->next != node;
}

static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

static inline void list_push_back(struct list *l, struct list *node)
{
    list_insert_before(l, node);
}

static inline void list_push_front(struct list *l, struct list *node)
{
    list_insert_before(l->next, node);
}

static inline void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

static inline struct list *list_pop_front(struct list *l) /* NULL when empty */
{
    struct list *node = l->next;

    if (node == l)
        return NULL;
    list_remove(node);
    return node;
}

/* Move all nodes of `from` to the end of `to`. */
static inline void list_splice(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_FIRST(l, type, member)    LIST_ENTRY((l)->next, type, member)
#define LIST_LAST(l, type, member)     LIST_ENTRY((l)->prev, type, member)
#define LIST_EACH(pos, l)              for (struct list *pos = (l)->next; pos != (l); pos = pos->next)
/* The body may remove and free `pos`, nothing else. */
#define LIST_EACH_SAFE(pos, l)                                                                     \
    for (struct list *pos = (l)->next, *pos##_next = pos->next; pos != (l);                        \
         pos = pos##_next, pos##_next = pos->next)

#endif
