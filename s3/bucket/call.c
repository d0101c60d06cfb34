/* call.c - one libcairn operation under way.
 *
 * A call is built (call_begin and libcairn's builders), submitted, and done exactly once from the
 * loop, whatever goes wrong on the way: its maker has one place that looks at the outcome.  After
 * call_timeout_ms that is -ETIMEDOUT: what it asked for may have run, may run yet, or never.
 *
 * When libcairn has no room for its bytes (-EAGAIN), or the layer is not ready, the call waits in a
 * queue and goes in order.  How long that takes nobody knows: what an intent answers for only so
 * long is not submitted any more when its turn comes too late, and background work gives up soon,
 * whatever it waits for. */
#include "s3/bucket/silent.h"

#define RETRY_NS (2 * NS_PER_MS)

void call_init(struct call *c, struct bucket_layer *l)
{
    memset(c, 0, sizeof(*c));
    c->l = l;
    list_init(&c->link);
}

void call_fini(struct call *c)
{
    ASSERT(!c->busy);
    cairn_op_destroy(TAKE(c->op));
    mem_free(TAKE(c->present));
}

struct cairn_op *call_begin(struct call *c, enum call_pool pool)
{
    ASSERT(!c->busy);
    cairn_op_destroy(TAKE(c->op));
    c->pool = pool;
    c->until_ns = 0;
    c->op = cairn_op_create();
    if (c->op)
        cairn_op_timeout(c->op, c->l->conf.call_timeout_ms);
    return c->op;
}

static void call_end(struct call *c, int code)
{
    list_remove(&c->link);
    c->busy = c->with_cairn = false;
    c->code = code;
    c->done(c); /* it may be gone */
}

static void call_failed(struct env_task *task)
{
    struct call *c = CONTAINER_OF(task, struct call, task);

    call_end(c, c->code);
}

/* Not from inside the submit. */
static void call_fail_later(struct call *c, int code)
{
    list_remove(&c->link);
    c->code = code;
    env_task_init(&c->task, call_failed);
    env_post(c->l->env, &c->task);
}

static void call_done(struct cairn_op *op, int rc, void *arg)
{
    struct call *c = arg;
    struct bucket_layer *l = c->l;
    int code = cairn_op_code(op);

    layer_live(l); /* what comes next may be the last of it */
    if (c->background && code == -ETIMEDOUT)
        silent_add(l, c->pool, c->name);
    else if (c->background)
        silent_heard(l, c->pool, c->name, env_now_ns(l->env) - c->asked_ns);
    call_end(c, code ? code : rc);
    calls_go(l);
    layer_dead(l);
}

/* 0: it is with libcairn; -EAGAIN: no room. */
static int call_go(struct call *c)
{
    struct bucket_layer *l = c->l;
    int rc = -ETIMEDOUT;

    if (!c->until_ns || env_now_ns(l->env) < c->until_ns)
        rc = cairn_submit(layer_pool(l, c->pool), c->name, strlen(c->name), c->op, call_done, c);
    if (rc == -EAGAIN)
        return rc;
    if (rc < 0) {
        call_fail_later(c, rc);
        return 0;
    }
    c->with_cairn = true;
    list_push_back(&l->calls, &c->link);
    return 0;
}

static void call_wait(struct call *c)
{
    list_push_back(&c->l->waiting, &c->link);
    if (c->l->ready)
        env_timer_after(c->l->env, &c->l->retry, RETRY_NS);
}

/* Background work: 0, and it ends soon; or there is no answer to be expected. */
static int call_bound(struct call *c)
{
    uint32_t ms = silent_wait_ms(c->l, c->pool, c->name);
    uint64_t until;

    if (silent_is(c->l, c->pool, c->name))
        return -ETIMEDOUT;
    c->asked_ns = env_now_ns(c->l->env);
    until = c->asked_ns + ms * NS_PER_MS;
    c->until_ns = c->until_ns ? MIN(c->until_ns, until) : until;
    cairn_op_timeout(c->op, ms);
    return 0;
}

void call_submit_if(struct call *c, int rc, void (*done)(struct call *c))
{
    struct bucket_layer *l = c->l;

    ASSERT(!c->busy);
    c->busy = true;
    c->done = done;
    if (c->op && c->frees)
        cairn_op_frees(c->op);
    if (c->op && c->background && rc == 0)
        rc = call_bound(c);
    if (!c->op || rc < 0)
        call_fail_later(c, c->op ? rc : -ENOMEM);
    else if (l->stopping || l->failed)
        call_fail_later(c, l->stopping ? -R_STOPPED : l->failed);
    else if (!c->early && (!l->ready || !list_empty(&l->waiting)))
        call_wait(c);
    else if (call_go(c) < 0) {
        if (c->early) /* nobody empties the queue yet */
            call_fail_later(c, -EAGAIN);
        else
            call_wait(c);
    }
}

void call_submit(struct call *c, void (*done)(struct call *c))
{
    call_submit_if(c, 0, done);
}

void calls_go(struct bucket_layer *l)
{
    int refuse = l->stopping ? -R_STOPPED : l->failed;

    while (!list_empty(&l->waiting) && (l->ready || refuse)) {
        struct call *c = LIST_FIRST(&l->waiting, struct call, link);

        list_remove(&c->link);
        if (refuse) {
            call_fail_later(c, refuse);
        } else if (call_go(c) < 0) {
            list_push_front(&l->waiting, &c->link);
            env_timer_after(l->env, &l->retry, RETRY_NS);
            return;
        }
    }
}

uint64_t intent_life_ns(const struct bucket_layer *l)
{
    return MIN(l->conf.intent_stale_ms, l->conf.reader_grace_ms) * NS_PER_MS;
}

void call_under_intent(struct call *c, uint64_t dated_ns)
{
    c->until_ns = dated_ns + intent_life_ns(c->l) / 2;
}

void call_cancel(struct call *c)
{
    if (!c->busy)
        return;
    if (c->with_cairn) {
        cairn_op_cancel(c->op);
    } else if (list_linked(&c->link)) {
        call_fail_later(c, -ECANCELED);
    }
}

int call_present(struct call *c, int step, struct bytes *out_value)
{
    size_t bytes = cairn_op_data_bytes(c->op, step);

    mem_free(TAKE(c->present));
    if (bytes) {
        c->present = mem_alloc(bytes);
        if (!c->present)
            return -ENOMEM;
        bytes = cairn_op_data(c->op, step, 0, c->present, bytes);
    }
    *out_value = (struct bytes){c->present, (uint32_t)bytes};
    return 0;
}

bool call_row(const struct call *c, int step, struct bytes key, struct bytes *out_value)
{
    size_t n = cairn_op_pair_count(c->op, step, NULL);

    for (size_t i = 0; i < n; i++) {
        struct cairn_pair p = cairn_op_pair(c->op, step, i);

        if (bytes_equal(pair_key(p), key)) {
            *out_value = pair_value(p);
            return true;
        }
    }
    return false;
}
