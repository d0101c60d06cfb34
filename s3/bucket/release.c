/* release.c - a version leaves the data objects that it refers to.
 *
 * Who else has them stands with the first of them (refs.h), so one guarded operation on that object
 * finds out and decides.  Almost always nothing was ever copied: then that operation deletes it,
 * and the others follow.  When the last of several leaves, the first object is marked and deleted
 * after the others: as long as it is there, a collector that died in between is followed by one
 * that knows. */
#include "s3/bucket/collect_int.h"

enum { RELEASE_TRIES_MAX = 50 };

void release_init(struct release *r, struct bucket_layer *l)
{
    memset(r, 0, sizeof(*r));
    call_init(&r->call, l);
    r->call.frees = r->call.background = true;
}

void release_fini(struct release *r)
{
    call_fini(&r->call);
    writer_fini(&r->was);
    writer_fini(&r->next);
}

static void release_try(struct release *r);

/* Believe what the failed guard has shown. */
static void release_again(struct release *r, int step)
{
    struct bytes value;
    int rc = call_present(&r->call, step, &value);

    writer_fini(&r->was);
    if (rc == 0)
        wr_raw(&r->was, value.data, value.len);
    if (rc == 0)
        rc = r->was.rc;
    if (rc == 0 && ++r->tries == RELEASE_TRIES_MAX)
        rc = -R_BUCKET_BUSY;
    if (rc < 0)
        r->done(r, rc);
    else
        release_try(r);
}

static void released(struct call *c)
{
    struct release *r = CONTAINER_OF(c, struct release, call);

    if (c->code == -R_GUARD_FAILED) {
        release_again(r, cairn_op_failed_step(c->op));
        return;
    }
    if (c->code == 0 && r->orders == REFS_DELETE)
        counter_add(&c->l->n.collected_objects, 1);
    if (c->code == -R_NO_OBJECT)
        r->orders = refs_release_absent(&r->origin, &r->who);
    r->done(r, c->code == -R_NO_OBJECT ? 0 : c->code);
}

static struct cairn_op *first_begin(struct release *r)
{
    struct cairn_op *op = call_begin(&r->call, CALL_DATA);

    name_stripe(r->call.name, &r->first.id, 0);
    return op;
}

static void release_try(struct release *r)
{
    struct cairn_op *op;
    int rc;

    writer_fini(&r->next);
    rc = refs_release(written(&r->was), &r->origin, &r->who, &r->next);
    if (PLANTED(PLANT_RELEASE_ALL) && rc == REFS_WRITE)
        rc = REFS_LAST;
    if (rc >= 0)
        r->orders = (enum refs_orders)rc;
    if (rc < 0 || (r->was.len && (rc == REFS_KEEP || rc == REFS_ERASE))) {
        r->done(r, MIN(rc, 0)); /* the failed guard has said all */
        return;
    }
    op = first_begin(r);
    if (op)
        cairn_op_cmp_xattr(op, REFS_XATTR, r->was.len ? CAIRN_EQ : CAIRN_ABSENT, r->was.data,
                           r->was.len);
    if (op && rc == REFS_DELETE)
        cairn_op_delete(op);
    else if (op && rc != REFS_KEEP)
        cairn_op_xattr_set(op, REFS_XATTR, r->next.data, r->next.len);
    call_submit(&r->call, released);
}

/* From a callback of the loop. */
void release_run(struct release *r, const struct stripes *first, const struct uuid *origin,
                 const struct uuid *who, void (*done)(struct release *r, int rc))
{
    r->first = *first;
    r->origin = *origin;
    r->who = *who;
    r->done = done;
    r->tries = 0;
    writer_fini(&r->was);
    release_try(r); /* as if nothing was copied */
}

static void first_erased(struct call *c)
{
    struct release *r = CONTAINER_OF(c, struct release, call);

    if (c->code == 0)
        counter_add(&c->l->n.collected_objects, 1);
    r->done(r, c->code == -R_NO_OBJECT ? 0 : c->code);
}

void release_end(struct release *r, void (*done)(struct release *r, int rc))
{
    struct cairn_op *op = first_begin(r);

    r->done = done;
    if (op)
        cairn_op_delete(op);
    call_submit(&r->call, first_erased);
}
