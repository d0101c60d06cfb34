/* eraser.c - deleting the data objects of versions that nobody refers to any more; but the
 * first, whose deletion decides or ends it (release.c). */
#include "s3/bucket/collect_int.h"

void eraser_init(struct eraser *e, struct bucket_layer *l)
{
    memset(e, 0, sizeof(*e));
    e->l = l;
    for (unsigned i = 0; i < ERASERS; i++) {
        e->erase[i].e = e;
        call_init(&e->erase[i].call, l);
        e->erase[i].call.background = true;
    }
}

void eraser_fini(struct eraser *e)
{
    for (unsigned i = 0; i < ERASERS; i++)
        call_fini(&e->erase[i].call);
}

static bool goes_on(const struct eraser *e)
{
    return e->rc == 0 || (e->thorough && e->rc == -ETIMEDOUT);
}

static void erase_some(struct eraser *e);

static void erased(struct call *c)
{
    struct erase *x = CONTAINER_OF(c, struct erase, call);
    struct eraser *e = x->e;

    e->flying--;
    if (c->code == 0)
        counter_add(&e->l->n.collected_objects, 1);
    else if (c->code != -R_NO_OBJECT && goes_on(e))
        e->rc = c->code;
    erase_some(e);
}

/* The next stripe that there is to delete. */
static bool erase_next(struct eraser *e, char name[NAME_BYTES])
{
    while (e->at < e->count && e->stripe >= stripes_count(&e->list[e->at])) {
        e->at++;
        e->stripe = 0;
    }
    if (e->at == e->count)
        return false;
    name_stripe(name, &e->list[e->at].id, e->stripe++);
    return true;
}

static void erase_some(struct eraser *e)
{
    for (unsigned i = 0; i < ERASERS && goes_on(e); i++) {
        struct call *c = &e->erase[i].call;
        struct cairn_op *op;

        if (c->busy)
            continue;
        if (!erase_next(e, c->name))
            break;
        op = call_begin(c, CALL_DATA);
        if (op)
            cairn_op_delete(op);
        e->flying++;
        call_submit(c, erased);
    }
    if (!e->flying)
        e->done(e);
}

/* From a callback of the loop: with nothing to delete `done` comes at once. */
void eraser_run(struct eraser *e, const struct stripes *list, uint32_t count, bool thorough,
                void (*done)(struct eraser *e))
{
    e->list = list;
    e->count = count;
    e->at = 0;
    e->stripe = 1;
    e->thorough = thorough;
    e->rc = 0;
    e->done = done;
    erase_some(e);
}
