/* repair.c - bytes that rotted on our disk are fetched from another copy.
 *
 * An object that fails its checksums is missing as far as its damaged part goes: it enters the
 * missing table with the version it has, and the part that is bad as what is touched; recovery
 * brings it like anything else that is missing, and whoever read it waits and reads again.  Only
 * when no other copy can give it does the reader learn of the damage. */
#include "core/osd/pg.h"

static int damaged(struct pg *pg, const struct oid *oid, struct version version,
                   struct version have, const struct touched *part)
{
    struct txn *txn = txn_create(pg->id);
    int rc = txn ? pg_missing_set(&pg->copy.missing, oid, version, have, part) : -ENOMEM;

    if (rc < 0) {
        txn_unref(txn);
        return rc;
    }
    pg_missing_row_put(txn, pg_missing_find(&pg->copy.missing, oid));
    if (txn->rc < 0 || pg_submit_txn(pg, txn) < 0)
        txn_unref(txn); /* if we crash now, it is found again by reading it */
    pg->peering.clean = false;
    pg->o->n.corrupt_found++;
    pg->o->mon.stats_changed = true;
    return 0;
}

/* The version that every whole copy has. */
static struct version version_of(const struct pg *pg, const struct object *obj)
{
    const struct pg_log_entry *e = pg_log_newest(&pg->copy.log, object_oid(obj));

    return object_damaged(obj) && e ? e->version : object_version(obj);
}

int repair_start(struct client_op *op)
{
    struct pg *pg = op->pg;
    struct octx *x = op->octx;
    struct touched part = {.whole = true};
    struct version version;
    int rc;

    if (!x || x->bad || pg->member_count == 0)
        return -R_CSUM_MISMATCH;
    version = version_of(pg, x->obj);
    if (op->read.kind == STORE_DATA && op->read.bad_len && !object_damaged(x->obj)) {
        /* Rot is seldom alone: when there is more of it, all that is read comes anew. */
        bool more = op->tries > 1;

        part.whole = false;
        touched_range(&part, more ? op->read.off : op->read.bad_off,
                      more ? MIN(op->read.len, object_size(x->obj)) : op->read.bad_len);
    }
    if (!pg_missing_find(&pg->copy.missing, &x->oid)) {
        log_warn(&pg->log, "stored bytes are damaged: taking them from another copy",
                 KV_U64("offset", op->read.bad_off), KV_BYTES("bad", op->read.bad_len));
        rc = damaged(pg, &x->oid, version, part.whole ? (struct version){{0}, 0} : version, &part);
        touched_fini(&part);
        if (rc < 0)
            return rc;
    }
    step_results_fini(&op->reply->results);
    if (step_results_reserve(&op->reply->results, op->m->steps.count) < 0)
        return -ENOMEM;
    op->stage = EXEC_CHECK; /* from the start, when it is here */
    list_push_back(&pg->blocked, &op->link);
    recovery_first(pg, &x->oid);
    return 1;
}

void repair_object(struct pg *pg, const struct oid *oid)
{
    const struct pg_log_entry *e = pg_log_newest(&pg->copy.log, oid);
    struct touched all = {.whole = true};
    struct object *obj;
    struct version version;

    if (pg_missing_find(&pg->copy.missing, oid) || !store_object_peek(pg->o->store, oid, &obj))
        return;
    version = object_damaged(obj) && e ? e->version : object_version(obj);
    object_unref(obj);
    log_warn(&pg->log, "an object is damaged: taking it from another copy");
    if (damaged(pg, oid, version, (struct version){{0}, 0}, &all) == 0)
        recovery_wake(pg);
}

/* Those that wait for it are told; a later try may still find it. */
void exec_unfound(struct pg *pg, const struct oid *oid)
{
    const struct pg_missing_item *item = pg_missing_find(&pg->copy.missing, oid);
    struct octx *x = octx_find(pg, oid);

    /* Only what rotted here: another object's newest version may still come with its OSD. */
    if (x && item && x->obj && object_exists(x->obj) &&
        version_eq(item->need, version_of(pg, x->obj)))
        x->bad = true;
    exec_unblock(pg);
}
