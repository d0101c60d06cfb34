/* replicate.c - the primary's writes on their way to every copy.
 *
 * A write is ordered by appending it to the log; in the same breath it goes to our store and to
 * each member.  Each member commits in log order and says how far it is; `committed_to` is what all
 * acting members have, and answers leave by it.  A backfill target is not waited for, but gets
 * every entry; for an object that it does not have yet it gets the entry alone.  What it has not
 * confirmed is kept (`lagging`, bounded: beyond LAG_BYTES_MAX new writes wait for it).  They wait,
 * too, while the log cannot be trimmed to its bound in bytes because somebody is behind.
 *
 * When a session to a member breaks, everything it has not confirmed is sent again, in order; it
 * drops what it has.  When the interval ends the writes are let go: peering decides what becomes of
 * them, and their clients ask again. */
#include "core/osd/pg.h"

enum { TRIM_LOOK_EVERY = 16, TRIM_MAX = 4096, LAG_BYTES_MAX = 32 << 20 };

struct version pg_next_version(const struct pg *pg)
{
    const struct version head = pg->copy.log.head;

    return (struct version){{MAX(pg->o->map->epoch.v, head.epoch.v)}, head.seq + 1};
}

bool pg_readable(const struct pg *pg, uint64_t now_ns)
{
    const struct osd *o = pg->o;

    for (unsigned i = 0; i < pg->at.acting.count; i++) {
        struct osd_id id = pg->at.acting.osd[i];
        const struct peer *p;

        if (osd_eq(id, o->id) || id.v < 0)
            continue;
        p = osd_peer(o, id);
        if (!p || !lease_usable(&p->lease, now_ns))
            return false;
    }
    return true;
}

struct rep *replicate_find(const struct pg *pg, struct version v)
{
    for (struct list *at = pg->reps.prev; at != &pg->reps; at = at->prev) {
        struct rep *rep = LIST_ENTRY(at, struct rep, link);

        if (version_eq(rep->version, v))
            return rep;
    }
    return NULL;
}

/* ---- one write ---- */

static void rep_free(struct rep *rep)
{
    ASSERT(list_empty(&rep->readers) && !rep->octx);
    txn_unref(rep->txn);
    txn_unref(rep->log_only);
    mem_free(rep);
}

static void rep_durable(struct pg_sub *sub, bool done)
{
    struct rep *rep = CONTAINER_OF(sub, struct rep, sub);

    UNUSED(done);
    rep->own_durable = true;
    if (!list_linked(&rep->link))
        rep_free(rep); /* its interval has ended */
}

static void rep_let_go(struct rep *rep)
{
    list_remove(&rep->link);
    if (rep->own_durable)
        rep_free(rep);
}

/* It is committed, or its interval ended. */
static void rep_settled(struct rep *rep)
{
    struct octx *x = TAKE(rep->octx);

    if (!x)
        return;
    if (x->last == rep)
        x->last = NULL;
    octx_unref(x);
}

static bool member_has(const struct pg *pg, const struct pg_member *member, const struct oid *oid)
{
    const struct peering_peer *p;

    if (!member->target)
        return true;
    p = peering_peer(&pg->peering, member->osd);
    return p && pg_info_covers(&p->info, oid);
}

static struct msg_rep_op *rep_message(const struct pg *pg, const struct rep *rep,
                                      const struct pg_member *member, const struct pg_log_entry *e)
{
    struct msg_rep_op *m = MESSAGE_NEW(rep_op);

    if (!m)
        return NULL;
    m->pg = pg->id;
    m->interval = pg_since(pg);
    m->committed_to = pg->committed_to;
    m->trim_to = pg->trim_asked;
    m->entry = pg_log_entry_copy(e);
    if (!m->entry) {
        msg_free(&m->base);
        return NULL;
    }
    m->txn = txn_ref(member_has(pg, member, &e->oid) ? rep->txn : rep->log_only);
    return m;
}

static bool needs_log_only(const struct pg *pg, const struct oid *oid)
{
    for (uint32_t i = 0; i < pg->member_count; i++)
        if (!member_has(pg, &pg->member[i], oid))
            return true;
    return false;
}

static struct txn *log_only_txn(const struct pg *pg, const struct pg_log_entry *e)
{
    struct txn *txn = txn_create(pg->id);

    if (!txn)
        return NULL;
    pg_log_row_put(txn, e);
    if (txn->rc < 0) {
        txn_unref(txn);
        return NULL;
    }
    return txn;
}

int replicate(struct pg *pg, struct client_op *op, struct txn *txn, struct pg_log_entry *e)
{
    struct msg_rep_op *m[PG_MEMBERS_MAX] = {NULL};
    struct rep *rep = mem_zalloc(sizeof(*rep));
    bool log_only = needs_log_only(pg, &e->oid), ok;

    if (!rep)
        return -ENOMEM;
    list_init(&rep->link);
    list_init(&rep->readers);
    rep->version = e->version;
    rep->txn = txn;
    ok = pg_sub_init(&rep->sub, pg, txn, op->octx->obj) == 0;
    if (ok && log_only)
        ok = (rep->log_only = log_only_txn(pg, e)) != NULL;
    for (uint32_t i = 0; ok && i < pg->member_count; i++)
        ok = (m[i] = rep_message(pg, rep, &pg->member[i], e)) != NULL;
    if (!ok || pg_log_append(&pg->copy.log, e) < 0) {
        for (uint32_t i = 0; i < pg->member_count; i++)
            msg_free(m[i] ? &m[i]->base : NULL);
        pg_sub_fini(&rep->sub);
        txn_unref(rep->log_only);
        mem_free(rep);
        return -ENOMEM;
    }
    rep->octx = op->octx;
    rep->octx->refs++;
    rep->octx->last = rep;
    list_push_back(&pg->reps, &rep->link);
    list_push_back(&rep->readers, &op->link);
    rep->sub.version = rep->version;
    rep->sub.durable = rep_durable;
    pg_submit(&rep->sub);
    for (uint32_t i = 0; i < pg->member_count; i++)
        osd_send(pg->o, pg->member[i].osd, &m[i]->base);
    if (++pg->trim_skip >= TRIM_LOOK_EVERY || pg->copy.log.bytes > pg_log_bytes_keep(pg))
        replicate_trim(pg);
    return 0;
}

/* ---- how far everybody is ---- */

bool replicate_lags(const struct pg *pg)
{
    return pg->lag_bytes > LAG_BYTES_MAX || pg->copy.log.bytes > 2 * pg_log_bytes_keep(pg);
}

/* Every target has it? */
static struct version targets_durable(const struct pg *pg, struct version v)
{
    for (uint32_t i = 0; i < pg->member_count; i++)
        if (pg->member[i].target && version_lt(pg->member[i].durable, v))
            v = pg->member[i].durable;
    return v;
}

static void drop_lagging(struct pg *pg)
{
    struct version v = targets_durable(pg, pg->committed_to);
    bool lagged = replicate_lags(pg);

    while (!list_empty(&pg->lagging)) {
        struct rep *rep = LIST_FIRST(&pg->lagging, struct rep, link);

        if (version_lt(v, rep->version))
            break;
        pg->lag_bytes -= rep->txn->cost_bytes;
        rep_let_go(rep);
    }
    if (lagged)
        replicate_trim(pg);
    if (lagged && !replicate_lags(pg))
        exec_unblock(pg);
}

static void advance(struct pg *pg)
{
    struct version v = pg->durable;

    for (uint32_t i = 0; i < pg->member_count && !PLANTED(PLANT_EARLY_ACK); i++)
        if (!pg->member[i].target && version_lt(pg->member[i].durable, v))
            v = pg->member[i].durable;
    if (version_le(v, pg->committed_to))
        return;
    pg_touch(pg);
    pg->committed_to = v;
    while (!list_empty(&pg->reps)) {
        struct rep *rep = LIST_FIRST(&pg->reps, struct rep, link);
        struct list readers;

        if (version_lt(pg->committed_to, rep->version))
            break;
        list_init(&readers);
        list_splice(&readers, &rep->readers);
        list_remove(&rep->link);
        list_push_back(&pg->lagging, &rep->link);
        pg->lag_bytes += rep->txn->cost_bytes;
        rep_settled(rep);
        exec_committed(&readers);
    }
    drop_lagging(pg);
}

void replicate_durable(struct pg *pg)
{
    if (pg->leading)
        advance(pg);
}

void replicate_reply(struct pg *pg, const struct msg_rep_reply *m)
{
    if (m->tag) {
        backfill_reply(pg, m);
        return;
    }
    for (uint32_t i = 0; pg->leading && i < pg->member_count; i++) {
        struct pg_member *member = &pg->member[i];

        if (!osd_eq(member->osd, m->from) || version_le(m->durable, member->durable))
            continue;
        member->durable = m->durable;
        advance(pg);
        if (member->target)
            drop_lagging(pg);
        return;
    }
}

static void resend(struct pg *pg, const struct list *reps, const struct pg_member *member)
{
    LIST_EACH (at, reps) {
        struct rep *rep = LIST_ENTRY(at, struct rep, link);
        const struct pg_log_entry *e = pg_log_at(&pg->copy.log, rep->version.seq);
        struct msg_rep_op *m;

        if (version_le(rep->version, member->durable))
            continue;
        ASSERT(e); /* trimming stops at what members have */
        m = rep_message(pg, rep, member, e);
        if (!m) {
            osd_peer_break(pg->o, member->osd); /* once more, later */
            return;
        }
        pg->o->n.rep_resends++;
        osd_send(pg->o, member->osd, &m->base);
    }
}

void replicate_resend(struct pg *pg, struct osd_id to)
{
    for (uint32_t i = 0; pg->leading && i < pg->member_count; i++)
        if (osd_eq(pg->member[i].osd, to)) {
            resend(pg, &pg->lagging, &pg->member[i]);
            resend(pg, &pg->reps, &pg->member[i]);
        }
}

/* ---- trimming ---- */

/* Drop log entries here; the same on every member, by the trim_to it is sent. */
void pg_trim(struct pg *pg, struct version upto)
{
    struct txn *txn;
    int dropped;

    if (version_le(upto, pg->copy.log.tail))
        return;
    if (upto.seq - pg->copy.log.tail.seq >
        TRIM_MAX) /* one transaction; the rest at the next look */
        upto = pg_log_at(&pg->copy.log, pg->copy.log.tail.seq + TRIM_MAX)->version;
    txn = txn_create(pg->id);
    if (!txn)
        return; /* at the next occasion */
    dropped = pg_log_trim(&pg->copy.log, upto, 0, txn);
    if (dropped <= 0) {
        txn_unref(txn);
        return;
    }
    if (txn->rc < 0 || pg_submit_txn(pg, txn) < 0) {
        txn_unref(txn);
        osd_fail(pg->o, -ENOMEM, "trimming a log");
    }
}

/* What is more than the log is to hold, by number or by bytes; 0: nothing. */
static uint64_t too_old(const struct pg *pg)
{
    const struct config *conf = &pg->o->conf;
    const struct pg_log *log = &pg->copy.log;
    uint64_t keep = MAX(pg->peering.clean ? conf->osd_pg_log_min : conf->osd_pg_log_max, 2u);
    uint64_t bytes = pg_log_bytes_keep(pg), upto = 0;

    if (pg_log_count(log) > keep + MIN(keep / 8, (uint64_t)256))
        upto = log->head.seq - keep;
    if (log->bytes > bytes)
        upto = MAX(upto, pg_log_seq_for(log, bytes - bytes / 8));
    return MIN(upto, log->head.seq - MIN(log->head.seq, (uint64_t)2));
}

void replicate_trim(struct pg *pg)
{
    const struct pg_log *log = &pg->copy.log;
    struct version limit = peering_trim_limit(&pg->peering, targets_durable(pg, pg->committed_to));
    uint64_t upto = version_le(limit, log->tail) ? 0 : too_old(pg);

    pg->trim_skip = 0;
    if (upto <= log->tail.seq)
        return;
    if (limit.seq > upto)
        limit = pg_log_at(log, upto)->version;
    pg->trim_asked = limit;
    pg_trim(pg, limit);
}

/* ---- intervals ---- */

void replicate_start(struct pg *pg)
{
    const struct peering *p = &pg->peering;

    ASSERT(!pg->leading && list_empty(&pg->reps) && list_empty(&pg->lagging));
    pg->leading = true;
    pg->member_count = 0;
    pg->committed_to = pg->durable = pg->applied = pg->copy.log.head;
    pg->trim_asked = pg->copy.log.tail;
    for (uint32_t i = 0; i < p->peer_count; i++) {
        const struct peering_peer *peer = p->peer[i];

        if (!peer->acting && !peer->target)
            continue;
        ASSERT(pg->member_count < PG_MEMBERS_MAX);
        pg->member[pg->member_count++] = (struct pg_member){
            .osd = peer->osd, .target = peer->target && !peer->acting, .durable = pg->committed_to};
    }
}

static void let_go_all(struct list *reps)
{
    while (!list_empty(reps)) {
        struct rep *rep = LIST_FIRST(reps, struct rep, link);

        ASSERT(list_empty(&rep->readers)); /* exec_interval came before */
        rep_settled(rep);
        rep_let_go(rep);
    }
}

void replicate_interval(struct pg *pg)
{
    let_go_all(&pg->reps);
    let_go_all(&pg->lagging);
    pg->lag_bytes = 0;
    pg->leading = false;
    pg->member_count = 0;
}
