/* repair.c - bytes that rotted on our disk are fetched from another copy.
 *
 * An object that fails its checksums is missing as far as its damaged part goes: it enters the
 * missing table with the version it has, and the part that is bad as what is touched; recovery
 * brings it like anything else that is missing, and whoever read it waits and reads again.  Only
 * when no other copy can give it does the reader learn of the damage.
 *
 * A member that meets damage (it was asked for its copy) tells its primary, now and again until it
 * is repaired; for the primary that part of the object is then missing there, and is pushed. */
#include "core/osd/pg.h"

/* ---- what rotted here ---- */

enum { ROTTEN_MAX = 1024 };
struct rotten {
    struct list link;
    struct oid oid; /* owned */
    /* As a member told its primary. */
    struct version version;
    uint64_t off, len;
};

static struct rotten *rotten_find(const struct pg *pg, const struct oid *oid)
{
    LIST_EACH (at, &pg->rotten) {
        struct rotten *r = LIST_ENTRY(at, struct rotten, link);

        if (oid_equal(&r->oid, oid))
            return r;
    }
    return NULL;
}

static void rotten_free(struct pg *pg, struct rotten *r)
{
    list_remove(&r->link);
    oid_fini(&r->oid);
    mem_free(r);
    pg->rotten_count--;
}

/* Counted once, until it is repaired.  NULL: no room, or known already. */
static struct rotten *rotten_note(struct pg *pg, const struct oid *oid)
{
    struct rotten *r;

    if (rotten_find(pg, oid) || pg->rotten_count == ROTTEN_MAX)
        return NULL;
    r = mem_zalloc(sizeof(*r));
    if (!r || oid_copy(oid, &r->oid) < 0) {
        mem_free(r);
        return NULL;
    }
    list_push_back(&pg->rotten, &r->link);
    pg->rotten_count++;
    pg->o->n.corrupt_found++;
    pg->o->mon.stats_changed = true;
    return r;
}

void repair_done(struct pg *pg, const struct oid *oid)
{
    struct rotten *r = rotten_find(pg, oid);

    if (!r)
        return;
    rotten_free(pg, r);
    pg->o->n.corrupt_repaired++;
    pg->o->mon.stats_changed = true;
    log_info(&pg->log, "a damaged object was repaired from another copy");
}

void repair_forget(struct pg *pg)
{
    while (!list_empty(&pg->rotten)) /* with the copy the damage goes */
        rotten_free(pg, LIST_FIRST(&pg->rotten, struct rotten, link));
}

/* ---- as primary ---- */

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
    (void)rotten_note(pg, oid); /* it is repaired also when it is not counted */
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
    rc = exec_again(op);
    if (rc < 0)
        return rc;
    recovery_first(pg, &x->oid);
    return 1;
}

/* What of it comes anew, and what it has: a bad part of a version, or nothing.  The reader went no
 * further than the first bad block. */
static void bad_part(const struct object *obj, const struct store_read *r, struct touched *out_part,
                     struct version *out_have)
{
    bool known = r->kind == STORE_DATA && r->bad_len && !object_damaged(obj) &&
                 r->bad_off < object_size(obj);

    *out_part = (struct touched){.whole = !known};
    *out_have = (struct version){{0}, 0};
    if (!known)
        return;
    *out_have = object_version(obj);
    touched_range(out_part, r->bad_off, object_size(obj) - r->bad_off);
}

static void repair_own(struct pg *pg, const struct object *obj, const struct store_read *r)
{
    const struct oid *oid = object_oid(obj);
    struct version version = version_of(pg, obj), have;
    struct touched part;

    if (pg_missing_find(&pg->copy.missing, oid) || pg->member_count == 0 || version.seq == 0)
        return;
    bad_part(obj, r, &part, &have);
    log_warn(&pg->log, "an object is damaged: taking it from another copy");
    if (damaged(pg, oid, version, have, &part) == 0)
        recovery_wake(pg);
    touched_fini(&part);
}

void repair_told(struct pg *pg, const struct msg_pg_damaged *m)
{
    struct peering_peer *peer = peering_peer(&pg->peering, m->from);
    bool known =
        m->version.seq && m->len && m->len <= OBJECT_BYTES_MAX && m->off < OBJECT_BYTES_MAX;
    struct version have = known ? m->version : (struct version){{0}, 0}, need = have;
    struct touched part = {.whole = !known};
    int rc;

    if (!pg_serves(pg) || !peer || !(peer->acting || peer->target) ||
        !pg_info_covers(&peer->info, &m->oid) || pg_missing_find(&peer->missing, &m->oid))
        return;
    if (known)
        touched_range(&part, m->off, m->len);
    else
        need = pg->copy.log.head;
    rc = pg_missing_set(&peer->missing, &m->oid, need, have, &part);
    touched_fini(&part);
    if (rc < 0)
        return; /* it says so again */
    log_warn(&pg->log, "a member's copy of an object is damaged: it gets another", KV_OSD(m->from));
    pg->peering.clean = false;
    recovery_wake(pg);
}

/* ---- as member ---- */

static void say(struct pg *pg, const struct rotten *r)
{
    struct msg_pg_damaged *m = MESSAGE_NEW(pg_damaged);

    if (!m || oid_copy(&r->oid, &m->oid) < 0) {
        msg_free(m ? &m->base : NULL);
        return; /* at the next tick */
    }
    m->pg = pg->id;
    m->interval = pg_since(pg);
    m->from = pg->o->id;
    m->version = r->version;
    m->off = r->off;
    m->len = r->len;
    osd_send(pg->o, pg->at.primary, &m->base);
}

static bool follows(const struct pg *pg)
{
    return pg->phase == PG_LIVE && pg->peering.state == PEERING_REPLICA_ACTIVE;
}

void repair_tick(struct pg *pg)
{
    LIST_EACH (at, &pg->rotten)
        if (follows(pg))
            say(pg, LIST_ENTRY(at, struct rotten, link));
}

static void ask_primary(struct pg *pg, const struct object *obj, const struct store_read *r)
{
    const struct oid *oid = object_oid(obj);
    struct touched part;
    struct rotten *rotten;

    if (rotten_find(pg, oid) || !pg_info_covers(&pg->copy.info, oid) ||
        pg_missing_find(&pg->copy.missing, oid))
        return; /* it was asked, or gives it anyway */
    rotten = rotten_note(pg, oid);
    if (!rotten)
        return; /* whoever reads it next finds it again */
    log_warn(&pg->log, "an object is damaged: the primary is asked for it");
    bad_part(obj, r, &part, &rotten->version);
    if (!part.whole) {
        rotten->off = part.range[0].off;
        rotten->len = part.range[0].len;
    }
    touched_fini(&part);
    say(pg, rotten);
}

bool repair_wants(const struct pg *pg, const struct object *obj, struct version version)
{
    return rotten_find(pg, object_oid(obj)) && !object_damaged(obj) &&
           version_eq(object_version(obj), version);
}

void repair_found(struct pg *pg, const struct object *obj, const struct store_read *r)
{
    if (pg_serves(pg))
        repair_own(pg, obj, r);
    else if (follows(pg))
        ask_primary(pg, obj, r);
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
