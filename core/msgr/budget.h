/* budget.h - the receiver's limit on messages that were delivered and not yet freed.
 *
 * One budget per session.  Messages hold references, and may be freed on any reactor and after the
 * session is gone.  The reactor that delivers asks budget_full(); when it is, the budget is armed
 * and posts `wake` once, when at most half of the limit is in use.
 *
 * Threads: budget_give_back from any; the rest on the session's reactor. */
#ifndef CORE_MSGR_BUDGET_H
#define CORE_MSGR_BUDGET_H

#include "core/env/env.h"
#include "core/msgr/msg.h"

struct msgr_budget {
    _Atomic uint32_t refs;
    _Atomic uint64_t used_bytes;
    _Atomic bool waiting; /* whoever turns it off wakes the session, or cancels that */
    bool armed;           /* reactor: `wake` will run, or can be cancelled */
    uint64_t max_bytes;
    struct env *env;       /* borrowed: while armed, its owner keeps it alive */
    struct session *owner; /* borrowed; reactor only; NULL: gone */
    struct env_task wake;
};
/* One reference for the caller; NULL: no memory. */
struct msgr_budget *budget_create(struct env *env, uint64_t max_bytes, struct session *owner,
                                  void (*wake)(struct env_task *task));
void budget_unref(struct msgr_budget *b);
/* Count a message, which then holds a reference until it is freed. */
void budget_charge(struct msgr_budget *b, struct msg *m);
/* True: stop delivering; `wake` will run, and must clear `armed`. */
bool budget_full(struct msgr_budget *b);
/* The owner goes.  True: nothing will run; false: `wake` is on its way and must be waited for. */
bool budget_detach(struct msgr_budget *b);

#endif
