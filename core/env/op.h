/* op.h - an asynchronous operation: one struct, one stage list, one function (style 6).
 *
 * An operation type embeds struct op first and is driven by `run`, which its reactor calls again
 * after each wait.  op_wake is what completions call; op_finish is the only exit.
 * Threads: the home reactor. */
#ifndef CORE_ENV_OP_H
#define CORE_ENV_OP_H

#include "core/base/arena.h"
#include "core/base/note.h"
#include "core/env/env.h"

struct op {
    struct env_task task;
    struct env *env;      /* borrowed: home */
    uint64_t trace_id;    /* 0: none */
    uint64_t deadline_ns; /* by env_now_ns; 0: none */
    struct arena arena;
    int rc; /* the first failure, or the result */
    bool cancelled;
    bool woken, finished; /* op.c's own: a run is queued; that run is the last */
    struct note note;
    void (*run)(struct op *op);
    void (*done)(struct op *op, void *arg); /* gives the op back to its owner, who frees it */
    void *done_arg;
    struct list link; /* for the owner's queue */
};

/* We are on the reactor that owns the operation. */
#define ASSERT_HOME(op) ASSERT(env_is_home((op)->env))

void op_init(struct op *op, struct env *env, void (*run)(struct op *));
void op_fini(struct op *op); /* releases the arena */
void op_start(struct op *op, void (*done)(struct op *, void *),
              void *arg);    /* runs it from the loop */
void op_wake(struct op *op); /* run again, from the loop (a completion calls this) */
/* False when it failed, was cancelled or is past its deadline (rc is set then). */
bool op_going(struct op *op);
void op_cancel(struct op *op);       /* asks; takes effect at the next run */
void op_fail(struct op *op, int rc); /* the first failure wins */
void op_finish(struct op *op);       /* calls done from the loop; `op` may be gone after that */

#endif
