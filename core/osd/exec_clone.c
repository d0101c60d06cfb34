/* exec_clone.c - the sources of CLONE_RANGE steps.
 *
 * A clone is a transaction of the store that names both objects: they have to be open, and present
 * on every member.  A backfill target may have the one and not yet the other; while there is one,
 * the bytes are read here and written like a client's.  When the source changed between the reading
 * and the ordering, the operation starts again. */
#include "core/osd/pg.h"

bool exec_clones_by_data(const struct pg *pg)
{
    for (uint32_t i = 0; i < pg->member_count; i++)
        if (pg->member[i].target)
            return true;
    return false;
}

struct exec_clone *exec_clone_of(const struct client_op *op, uint32_t step)
{
    LIST_EACH (at, &op->clones) {
        struct exec_clone *c = LIST_ENTRY(at, struct exec_clone, link);

        if (c->step == step)
            return c;
    }
    return NULL;
}

bool exec_clones_stale(const struct client_op *op)
{
    bool by_data = exec_clones_by_data(op->pg);

    LIST_EACH (at, &op->clones) {
        const struct exec_clone *c = LIST_ENTRY(at, struct exec_clone, link);

        if (!object_exists(c->obj))
            return true;
        if (by_data && (!c->have || !version_eq(c->version, object_version(c->obj))))
            return true;
    }
    return false;
}

void exec_clones_drop(struct client_op *op)
{
    while (!list_empty(&op->clones)) {
        struct exec_clone *c = LIST_FIRST(&op->clones, struct exec_clone, link);

        list_remove(&c->link);
        buf_fini(&c->read.data);
        object_unref(c->obj);
        oid_fini(&c->oid);
        arena_fini(&c->arena);
        mem_free(c);
    }
}

static void opened(struct object_open *open)
{
    struct exec_clone *c = CONTAINER_OF(open, struct exec_clone, open);

    c->obj = open->obj;
    c->op->read.rc = open->rc;
    exec_read_done(c->op);
}

static void was_read(struct store_read *r)
{
    struct exec_clone *c = CONTAINER_OF(r, struct exec_clone, read);

    c->reading = false;
    c->have = r->rc == 0;
    c->op->read.rc = r->rc;
    exec_read_done(c->op);
}

static int clone_new(struct client_op *op, uint32_t step, struct exec_clone **out)
{
    const struct step *st = &op->m->steps.step[step];
    const struct pool *pool = osdmap_pool(op->pg->o->map, op->pg->id.pool);
    struct exec_clone *c;
    struct oid oid;
    int rc = oid_make(op->pg->id.pool, st->key, &oid);

    if (rc < 0)
        return rc;
    if (!pgid_eq(oid_pg(&oid, pool->pg_count), op->pg->id) || oid_equal(&oid, &op->m->oid))
        return -R_UNSUPPORTED;
    c = mem_zalloc(sizeof(*c));
    if (!c || oid_copy(&oid, &c->oid) < 0) {
        mem_free(c);
        return -ENOMEM;
    }
    c->op = op;
    c->step = step;
    arena_init(&c->arena);
    list_push_back(&op->clones, &c->link);
    *out = c;
    return 0;
}

int exec_clone_prepare(struct client_op *op, uint32_t step)
{
    struct exec_clone *c = exec_clone_of(op, step);
    const struct step *st = &op->m->steps.step[step];
    struct store *s = op->pg->o->store;
    int rc = c ? op->read.rc : clone_new(op, step, &c);

    op->read.rc = 0;
    if (rc < 0)
        return rc;
    if (exec_degraded(op, &c->oid)) {
        op->stage = EXEC_CHECK;
        list_push_back(&op->pg->blocked, &op->link);
        exec_clones_drop(op);
        return 1;
    }
    if (!c->obj && !store_object_peek(s, &c->oid, &c->obj)) {
        c->open = (struct object_open){.oid = c->oid, .done = opened};
        op->busy = true;
        store_object_open(s, &c->open);
        return 1;
    }
    if (!object_exists(c->obj))
        return -R_NO_OBJECT;
    if (!exec_clones_by_data(op->pg) || c->have)
        return 0;
    c->version = object_version(c->obj);
    c->read = (struct store_read){.obj = c->obj,
                                  .kind = STORE_DATA,
                                  .off = st->off2,
                                  .len = st->len,
                                  .arena = &c->arena,
                                  .done = was_read};
    c->reading = op->busy = true;
    store_read(s, &c->read);
    return 1;
}
