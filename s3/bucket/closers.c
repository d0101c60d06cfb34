/* closers.c - some shards at a time are closed, looked at, or opened again (closers.h).
 *
 *   READ  the row: open, and in no move?
 *   CLOSE guarded on it
 *   LOOK  for an entry, guarded on the row that we wrote
 *
 * Only a shard that was looked at is one of those that are closed: any other, whatever went wrong,
 * is left to who asks, who finds it missing in the chain.
 *
 * A bucket of ten million keys has some thousand shards: one after the other they take seconds. */
#include "s3/bucket/closers.h"

#include <stdlib.h>

#include "core/base/plant.h"
#include "s3/bucket/settle.h"

static void next_close(struct closer *c);
static void next_reopen(struct closer *c);

/* ---- one shard ---- */

void shard_row_closed(const struct shard_row *r, const struct uuid *token,
                      struct shard_row *out_next)
{
    *out_next = *r;
    out_next->state = token ? SHARD_CLOSED : SHARD_OPEN;
    out_next->generation++;
    memset(&out_next->token, 0, sizeof(out_next->token));
    if (token)
        out_next->token = *token;
}

void shard_look(struct call *c, const struct shard_view *closed)
{
    struct cairn_op *op = call_begin(c, CALL_INDEX);
    uint8_t from = ROW_ENTRY, to = ROW_ENTRY + 1;

    name_shard(c->name, &closed->row.bucket, closed->row.no);
    if (!op)
        return; /* the submit says so */
    cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, closed->value, closed->bytes);
    cairn_op_omap_range(op, &from, 1, &to, 1, 1);
}

bool shard_has_entries(const struct call *c)
{
    return cairn_op_pair_count(c->op, 1, NULL) > 0 && !PLANTED(PLANT_DROP_UNSEEN);
}

/* ---- closing ---- */

int closers_add(struct closers *s, struct shard_view *v)
{
    if (s->closed_count == s->closed_cap) {
        uint32_t cap = s->closed_cap ? 2 * s->closed_cap : 4;
        struct shard_view **grown = mem_realloc(s->closed, cap * sizeof(*grown));

        if (!grown)
            return -ENOMEM;
        s->closed = grown;
        s->closed_cap = cap;
    }
    s->closed[s->closed_count++] = shard_view_ref(v);
    s->sorted = false;
    return 0;
}

static void closer_idle(struct closer *c)
{
    struct closers *s = c->set;

    shard_view_unref(TAKE(c->view));
    if (--s->busy == 0)
        env_post(s->l->env, &s->end);
}

static void looked(struct call *call)
{
    struct closer *c = CONTAINER_OF(call, struct closer, call);

    if (call->code == 0 && closers_add(c->set, c->view) == 0)
        c->set->has_entries |= shard_has_entries(call);
    next_close(c);
}

static void closed(struct call *call)
{
    struct closer *c = CONTAINER_OF(call, struct closer, call);
    struct shard_row next;
    int rc = call->code;

    if (rc == 0) {
        shard_row_closed(&c->view->row, &c->set->token, &next);
        rc = shard_view_next(&c->view, &next);
    }
    if (rc < 0) {
        next_close(c);
        return;
    }
    shard_look(call, c->view);
    call_submit(call, looked);
}

static void row_came(struct call *call)
{
    struct closer *c = CONTAINER_OF(call, struct closer, call);
    struct shard_row next;
    struct bytes value;
    int rc = call->code;

    shard_view_unref(TAKE(c->view));
    if (rc == 0)
        rc = call_present(call, 0, &value);
    if (rc == 0)
        c->view = shard_view_create(value, &rc);
    if (rc < 0 || c->view->row.state != SHARD_OPEN || c->view->row.move != MOVE_NONE) {
        next_close(c);
        return;
    }
    shard_row_closed(&c->view->row, &c->set->token, &next);
    (void)row_replace(call, c->view, &next, &rc); /* the submit says when there is no memory */
    call_submit_if(call, rc, closed);
}

static void next_close(struct closer *c)
{
    struct closers *s = c->set;
    struct cairn_op *op;

    if (s->has_entries || s->taken == s->queued) {
        closer_idle(c);
        return;
    }
    c->no = s->queue[s->taken++];
    op = call_begin(&c->call, CALL_INDEX);
    name_shard(c->call.name, &s->bucket, c->no);
    if (op)
        cairn_op_xattr_get(op, "shard");
    call_submit(&c->call, row_came);
}

int closers_close(struct closers *s, const struct bucket *b, void (*done)(struct closers *s))
{
    uint64_t *queue = mem_calloc(MAX(b->shard_count, 1u), sizeof(*queue));

    if (!queue)
        return -ENOMEM;
    mem_free(s->queue);
    s->queue = queue;
    s->queued = s->taken = 0;
    for (uint32_t i = 0; i < b->shard_count; i++)
        if (!closers_find(s, b->shards[i].no))
            queue[s->queued++] = b->shards[i].no;
    s->done = done;
    s->busy = CLOSERS;
    for (uint32_t i = 0; i < CLOSERS; i++)
        next_close(&s->closer[i]);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct shard_view *x = *(struct shard_view *const *)a,
                            *y = *(struct shard_view *const *)b;

    return x->row.no < y->row.no ? -1 : x->row.no > y->row.no;
}

const struct shard_row *closers_find(struct closers *s, uint64_t no)
{
    uint32_t lo = 0, hi = s->closed_count;

    if (!s->sorted && s->closed_count)
        qsort(s->closed, s->closed_count, sizeof(struct shard_view *), by_number);
    s->sorted = true;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;

        if (s->closed[mid]->row.no < no)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < s->closed_count && s->closed[lo]->row.no == no ? &s->closed[lo]->row : NULL;
}

/* ---- opening again ---- */

static void reopened(struct call *call)
{
    next_reopen(CONTAINER_OF(call, struct closer, call)); /* or the shard's next visitor does it */
}

static void next_reopen(struct closer *c)
{
    struct closers *s = c->set;
    struct shard_row next;
    int rc;

    if (s->closed_count == 0) {
        closer_idle(c);
        return;
    }
    shard_view_unref(c->view);
    c->view = s->closed[--s->closed_count];
    shard_row_closed(&c->view->row, NULL, &next);
    (void)row_replace(&c->call, c->view, &next, &rc);
    call_submit_if(&c->call, rc, reopened);
}

void closers_reopen(struct closers *s, void (*done)(struct closers *s))
{
    s->done = done;
    s->busy = CLOSERS;
    for (uint32_t i = 0; i < CLOSERS; i++)
        next_reopen(&s->closer[i]);
}

/* ---- the set ---- */

void closers_begin(struct closers *s, const struct uuid *bucket, const struct uuid *token)
{
    while (s->closed_count)
        shard_view_unref(s->closed[--s->closed_count]);
    s->bucket = *bucket;
    s->token = *token;
    s->has_entries = false;
}

static void ended(struct env_task *task)
{
    struct closers *s = CONTAINER_OF(task, struct closers, end);

    s->done(s);
}

void closers_init(struct closers *s, struct bucket_layer *l)
{
    memset(s, 0, sizeof(*s));
    s->l = l;
    env_task_init(&s->end, ended);
    for (uint32_t i = 0; i < CLOSERS; i++) {
        s->closer[i].set = s;
        call_init(&s->closer[i].call, l);
        s->closer[i].call.frees = true;
    }
}

void closers_fini(struct closers *s)
{
    ASSERT(s->busy == 0);
    for (uint32_t i = 0; i < CLOSERS; i++) {
        call_fini(&s->closer[i].call);
        shard_view_unref(TAKE(s->closer[i].view));
    }
    while (s->closed_count)
        shard_view_unref(s->closed[--s->closed_count]);
    mem_free(s->closed);
    mem_free(s->queue);
}
