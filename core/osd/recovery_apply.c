/* recovery_apply.c - a chunk of an object arrives at the copy that lacks it.
 *
 * Up to three transactions, one after the other: what has to be true before (the missing table says
 * that nothing of the object can be built upon any more, or attributes that are gone go), the chunk
 * itself, and after the last chunk the end of the missing item.  A power cut between them leaves a
 * copy that is told again: the item is there until the object is.
 *
 * A member answers when all is durable; the primary, who asked for the chunk, goes on then. */
#include "core/osd/pg.h"

struct apply {
    struct pg *pg;
    struct session *session; /* ref */
    struct msg_pg_push *m;   /* owned */
    struct epoch interval;
    struct object_open open;
    struct object *obj; /* ref */
    struct pg_sub sub;
};

static void destroy(struct apply *a)
{
    struct pg *pg = a->pg;

    object_unref(a->obj);
    session_unref(a->session);
    msg_free(&a->m->base);
    mem_free(a);
    pg->busy--;
    pg_maybe_free(pg);
}

static void reply(struct apply *a, int rc)
{
    struct pg *pg = a->pg;
    const struct msg_pg_push *m = a->m;
    struct msg_pg_pushed *r;

    if (rc == 0 && m->last)
        repair_done(pg, &m->oid);
    if (!osd_serving(pg->o) || pg->phase != PG_LIVE || !epoch_eq(a->interval, pg_since(pg))) {
        destroy(a);
        return;
    }
    if (pg->peering.primary) {
        recovery_pulled(pg, m, rc);
        destroy(a);
        return;
    }
    r = MESSAGE_NEW(pg_pushed);
    if (!r || rc == -ENOMEM || oid_copy(&m->oid, &r->oid) < 0) {
        msg_free(r ? &r->base : NULL);
        session_close(a->session); /* the primary begins this object again */
        destroy(a);
        return;
    }
    r->pg = pg->id;
    r->interval = a->interval;
    r->from = pg->o->id;
    r->version = m->version;
    r->last = m->last;
    r->rc = rc;
    r->tag = m->tag;
    session_send(a->session, &r->base);
    destroy(a);
}

static void durable(struct pg_sub *sub, bool done)
{
    struct apply *a = CONTAINER_OF(sub, struct apply, sub);

    reply(a, done ? 0 : -R_STOPPED);
}

/* ---- what comes before ---- */

static bool is_whole(const struct msg_pg_push *m)
{
    return !m->exists || !m->first || (m->txn->op_count && m->txn->ops[0].kind == TXN_DELETE);
}

static bool sets_xattr(const struct txn *txn, struct bytes name)
{
    for (uint32_t i = 0; i < txn->op_count; i++)
        if (txn->ops[i].kind == TXN_XATTR_SET && bytes_equal(txn->ops[i].key, name))
            return true;
    return false;
}

/* A partial push names all attributes that there are: others are gone. */
static void stale_xattrs(struct apply *a, struct txn *txn)
{
    struct bytes name = {0}, value;
    uint16_t o = txn_object(txn, &a->m->oid);

    while (object_xattr_next(a->obj, name, &name, &value))
        if (!sets_xattr(a->m->txn, name))
            txn_xattr_rm(txn, o, name);
}

/* Nothing of what is here can be built upon any more. */
static int forget_have(struct pg *pg, const struct oid *oid, struct version need, struct txn *txn)
{
    static const struct version none;
    struct touched all = {.whole = true};
    int rc = pg_missing_set(&pg->copy.missing, oid, need, none, &all);

    if (rc == 0)
        pg_missing_row_put(txn, pg_missing_find(&pg->copy.missing, oid));
    return rc;
}

/* Does the chunk fit what is here?  0 with *txn (maybe empty), or why not. */
static int before(struct apply *a, struct txn *txn)
{
    struct pg *pg = a->pg;
    const struct msg_pg_push *m = a->m;
    const struct pg_missing_item *item = pg_missing_find(&pg->copy.missing, &m->oid);
    static const struct version none;

    if (!is_whole(m)) {
        if (!item && repair_wants(pg, a->obj, m->version)) {
            stale_xattrs(a, txn);
            return 0;
        }
        if (item && !object_damaged(a->obj) && version_eq(object_version(a->obj), item->have)) {
            stale_xattrs(a, txn);
            return 0;
        }
        if (item && forget_have(pg, &m->oid, item->need, txn) < 0)
            return -ENOMEM;
        return -R_GUARD_FAILED;
    }
    if (m->last && item && m->exists && version_lt(m->version, item->need))
        return -R_NO_OBJECT;
    if (m->first && !m->last && !item && pg_info_covers(&pg->copy.info, &m->oid))
        return forget_have(pg, &m->oid, m->version, txn); /* it rotted: gone until all is here */
    if (m->first && item && !version_eq(item->have, none))
        return forget_have(pg, &m->oid, item->need, txn);
    return 0;
}

/* Takes the transaction; an empty one is dropped. */
static int hand_over(struct pg *pg, struct txn *txn)
{
    int rc = txn->rc;

    if (rc == 0 && txn->op_count) {
        rc = pg_submit_txn(pg, txn);
        if (rc == 0)
            return 0;
    }
    txn_unref(txn);
    return rc;
}

/* The end of the missing item, as the last transaction.  0, 1 when there is none, -ENOMEM. */
static int after(struct apply *a, struct txn **out)
{
    struct pg *pg = a->pg;
    struct txn *txn;

    if (!a->m->last || !pg_missing_find(&pg->copy.missing, &a->m->oid))
        return 1;
    txn = txn_create(pg->id);
    if (!txn)
        return -ENOMEM;
    pg_missing_recovered(&pg->copy.missing, &a->m->oid, a->m->version, txn);
    if (txn->rc < 0) {
        osd_fail(pg->o, txn->rc, "the missing table");
        txn_unref(txn);
        return -ENOMEM;
    }
    *out = txn;
    return 0;
}

static int submit_all(struct apply *a)
{
    struct pg *pg = a->pg;
    struct txn *first = txn_create(pg->id), *last = NULL;
    int rc = first ? before(a, first) : -ENOMEM, handed;

    handed = first ? hand_over(pg, first) : 0; /* also what a refusal changed */
    if (rc == 0)
        rc = handed;
    if (rc < 0)
        return rc;
    rc = after(a, &last);
    if (rc < 0)
        return rc;
    if (rc == 0) {
        rc = pg_submit_txn(pg, txn_ref(a->m->txn));
        if (rc < 0)
            txn_unref(a->m->txn);
        else
            rc = pg_sub_init(&a->sub, pg, last, NULL);
        txn_unref(last);
        if (rc < 0)
            osd_fail(pg->o, rc, "the missing table"); /* it says that the object is here */
    } else {
        rc = pg_sub_init(&a->sub, pg, a->m->txn, a->obj);
    }
    if (rc < 0)
        return rc;
    a->sub.durable = durable;
    pg_submit(&a->sub);
    return 0;
}

static void opened(struct object_open *open)
{
    struct apply *a = CONTAINER_OF(open, struct apply, open);
    struct pg *pg = a->pg;
    int rc = open->rc;

    a->obj = open->obj;
    if (!osd_serving(pg->o) || pg->phase != PG_LIVE || !epoch_eq(a->interval, pg_since(pg)))
        rc = -R_STOPPED;
    if (rc == 0)
        rc = submit_all(a);
    if (rc < 0)
        reply(a, rc);
}

void recovery_push(struct pg *pg, struct session *s, struct msg_pg_push *m)
{
    struct apply *a;

    if (pg->peering.primary && m->rc < 0) {
        recovery_pulled(pg, m, m->rc);
        msg_free(&m->base);
        return;
    }
    a = m->txn && m->rc == 0 ? mem_zalloc(sizeof(*a)) : NULL;
    if (!a) {
        session_close(s);
        msg_free(&m->base);
        return;
    }
    a->pg = pg;
    a->m = m;
    a->session = session_ref(s);
    a->interval = pg_since(pg);
    pg->busy++;
    a->open = (struct object_open){.oid = m->oid, .done = opened};
    store_object_open(pg->o->store, &a->open);
}
