/* msg.c - making and freeing messages, and the budget that they hold.
 *
 * The hand-over in budget_full and give_back is the usual one of two flags: the waiter raises
 * `waiting` and then looks at the bytes again, the giver lowers the bytes and then looks at
 * `waiting`.  Both are sequentially consistent, so at least one of them sees the other; the
 * exchange of `waiting` decides which single one acts. */
#include "core/msgr/msg.h"

#include <stdatomic.h>

#include "core/msgr/budget.h"

struct msg *msg_create(const struct msg_type *type)
{
    struct msg *m;

    ASSERT(type->bytes >= sizeof(*m));
    m = mem_zalloc(type->bytes);
    if (!m)
        return NULL;
    m->type = type;
    list_init(&m->link);
    return m;
}

static void give_back(struct msgr_budget *b, uint64_t bytes)
{
    uint64_t left = atomic_fetch_sub(&b->used_bytes, bytes) - bytes;

    if (left <= b->max_bytes / 2 && atomic_load(&b->waiting) && atomic_exchange(&b->waiting, false))
        env_post(b->env, &b->wake);
    budget_unref(b);
}

void msg_free(struct msg *m)
{
    struct msgr_budget *budget;
    uint64_t cost;

    if (!m)
        return;
    ASSERT(!list_linked(&m->link));
    budget = m->budget;
    cost = m->cost_bytes;
    if (m->type->fini)
        m->type->fini(m);
    mem_free(m);
    if (budget)
        give_back(budget, cost);
}

struct msgr_budget *budget_create(struct env *env, uint64_t max_bytes, struct session *owner,
                                  void (*wake)(struct env_task *task))
{
    struct msgr_budget *b = mem_zalloc(sizeof(*b));

    if (!b)
        return NULL;
    b->refs = 1;
    b->max_bytes = max_bytes;
    b->env = env;
    b->owner = owner;
    env_task_init(&b->wake, wake);
    return b;
}

void budget_unref(struct msgr_budget *b)
{
    if (b && atomic_fetch_sub(&b->refs, 1) == 1)
        mem_free(b);
}

void budget_charge(struct msgr_budget *b, struct msg *m)
{
    ASSERT(!m->budget);
    atomic_fetch_add(&b->refs, 1);
    atomic_fetch_add(&b->used_bytes, m->cost_bytes);
    m->budget = b;
}

bool budget_full(struct msgr_budget *b)
{
    if (b->armed)
        return true;
    if (atomic_load(&b->used_bytes) < b->max_bytes)
        return false;
    atomic_store(&b->waiting, true);
    if (atomic_load(&b->used_bytes) <= b->max_bytes / 2 && atomic_exchange(&b->waiting, false))
        return false;
    b->armed = true;
    return true;
}

bool budget_detach(struct msgr_budget *b)
{
    b->owner = NULL;
    if (b->armed && atomic_exchange(&b->waiting, false))
        b->armed = false;
    return !b->armed;
}
