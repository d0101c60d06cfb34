/* op.c - driving an asynchronous operation.
 *
 * An operation has one task.  Waking it queues that task, once, however many completions arrive in
 * the same turn; the task calls `run`, or, after op_finish, `done`.  So `run` is never entered from
 * inside itself or from inside a call that it made, and `done` is the last thing that touches the
 * operation. */
#include "core/env/op.h"

static void op_task_run(struct env_task *task)
{
    struct op *op = CONTAINER_OF(task, struct op, task);

    op->woken = false;
    if (op->finished)
        op->done(op, op->done_arg); /* the op may be gone now */
    else
        op->run(op);
}

void op_init(struct op *op, struct env *env, void (*run)(struct op *))
{
    env_task_init(&op->task, op_task_run);
    op->env = env;
    op->trace_id = 0;
    op->deadline_ns = 0;
    arena_init(&op->arena);
    op->rc = 0;
    op->cancelled = op->woken = op->finished = false;
    op->note.text[0] = '\0';
    op->run = run;
    op->done = NULL;
    op->done_arg = NULL;
    list_init(&op->link);
}

void op_fini(struct op *op)
{
    ASSERT(!op->woken);
    arena_fini(&op->arena);
}

void op_start(struct op *op, void (*done)(struct op *, void *), void *arg)
{
    op->done = done;
    op->done_arg = arg;
    op_wake(op);
}

void op_wake(struct op *op)
{
    if (op->woken)
        return;
    op->woken = true;
    env_post(op->env, &op->task);
}

bool op_going(struct op *op)
{
    if (op->rc < 0)
        return false;
    if (op->cancelled)
        op->rc = -ECANCELED;
    else if (op->deadline_ns && env_now_ns(op->env) >= op->deadline_ns)
        op->rc = -ETIMEDOUT;
    return op->rc >= 0;
}

void op_cancel(struct op *op)
{
    op->cancelled = true;
}

void op_fail(struct op *op, int rc)
{
    ASSERT(rc < 0);
    if (op->rc >= 0)
        op->rc = rc;
}

void op_finish(struct op *op)
{
    ASSERT(!op->finished);
    op->finished = true;
    op_wake(op);
}
