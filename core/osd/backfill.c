/* backfill.c - filling a copy that is not whole, in the order of object names.
 *
 *   LIST  ours from the target's last_backfill on
 *   SCAN  the target's same part
 *   COPY  what differs
 *   MOVE  its last_backfill behind that part; LIST the next, or done
 *
 * Until the part's end is known (LIST) every write behind last_backfill waits, then those in the
 * part do, until the target has it: so what was listed is what there is.  Parts are small.  The
 * target's last_backfill is durable, so that a backfill goes on where it stood when the interval
 * ended. */
#include "core/osd/pg.h"

enum { PART_OBJECTS = 32, PART_BYTES = 8 << 20, SCAN_ROWS = PG_SCAN_ROWS_MAX };
enum backfill_stage { BACKFILL_LIST, BACKFILL_SCAN, BACKFILL_COPY, BACKFILL_MOVE };

struct backfill {
    struct pg *pg;
    struct osd_id to;
    enum backfill_stage stage;
    bool busy, dropped, failed; /* the list is being read; the interval ended; something failed */
    struct oid_range range;
    struct writer from, end; /* keys of the part: from (inclusive) .. end (exclusive) */
    bool to_end;             /* the part ends with the PG */
    struct arena arena;
    struct store_list list;
    uint32_t row, pushing;
    uint64_t tag;
};

static void list_start(struct backfill *b);

static void destroy(struct backfill *b)
{
    arena_fini(&b->arena);
    writer_fini(&b->from);
    writer_fini(&b->end);
    mem_free(b);
}

static struct bytes key_of(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}

static int oid_key(const struct oid *oid, struct writer *out)
{
    out->len = 0;
    oid_key_put(out, oid);
    return out->rc;
}

bool backfill_covers(const struct pg *pg, const struct oid *oid)
{
    struct backfill *b = pg->backfill;
    uint8_t mem[OID_KEY_MAX];
    struct writer w = wr_over(mem, sizeof(mem));

    if (!b)
        return false;
    oid_key_put(&w, oid);
    if (bytes_compare(key_of(&w), key_of(&b->from)) < 0)
        return false;
    return b->stage == BACKFILL_LIST || b->to_end || bytes_compare(key_of(&w), key_of(&b->end)) < 0;
}

/* It ends here, done or not: writes go on. */
static void stop(struct pg *pg)
{
    struct backfill *b = TAKE(pg->backfill);

    if (!b)
        return;
    recovery_backfill_drop(pg);
    if (b->busy)
        b->dropped = true; /* listed() frees it */
    else
        destroy(b);
    exec_unblock(pg);
}

static void stop_and_retry(struct pg *pg)
{
    stop(pg);
    osd_retry_later(pg->o); /* recovery_wake comes by, and then we */
}

/* ---- what the part holds ---- */

static void scan_ask(struct backfill *b, struct bytes from)
{
    struct pg *pg = b->pg;
    struct msg_pg_scan *m = MESSAGE_NEW(pg_scan);
    struct bytes end = key_of(&b->end);

    b->stage = BACKFILL_SCAN;
    b->tag = ++pg->next_tag;
    if (m) {
        m->pg = pg->id;
        m->interval = pg_since(pg);
        m->from = pg->o->id;
        m->from_key = (struct bytes){mem_dup(from.data, from.len), from.len};
        m->end_key = (struct bytes){mem_dup(end.data, end.len), end.len};
        m->rows_max = SCAN_ROWS;
        m->tag = b->tag;
        if (!m->from_key.data || !m->end_key.data) {
            msg_free(&m->base);
            m = NULL;
        }
    }
    osd_send(pg->o, b->to, m ? &m->base : NULL);
}

/* How many of the listed rows make the part, and where it ends. */
static int part_end(struct backfill *b)
{
    struct store_list *l = &b->list;
    uint64_t bytes = 0;
    uint32_t n = 0;
    int rc = 0;

    while (n < l->row_count && (n == 0 || bytes + l->rows[n].size <= PART_BYTES))
        bytes += l->rows[n++].size;
    b->to_end = n == l->row_count && !l->more;
    b->end.len = 0;
    if (b->to_end) {
        wr_raw(&b->end, b->range.to, sizeof(b->range.to));
    } else {
        rc = oid_key(&l->rows[n - 1].oid, &b->end);
        wr_u8(&b->end, 0); /* the first key after it */
    }
    l->row_count = n;
    return rc ? rc : b->end.rc;
}

static void listed(struct store_list *l)
{
    struct backfill *b = CONTAINER_OF(l, struct backfill, list);
    struct pg *pg = b->pg;

    b->busy = false;
    pg->busy--;
    if (b->dropped) {
        destroy(b);
        pg_maybe_free(pg);
        return;
    }
    if (l->rc < 0 || part_end(b) < 0) {
        stop_and_retry(pg);
        return;
    }
    b->row = 0;
    b->failed = false;
    scan_ask(b, key_of(&b->from));
    exec_unblock(pg); /* those behind the part */
}

static void list_start(struct backfill *b)
{
    struct pg *pg = b->pg;

    b->stage = BACKFILL_LIST;
    arena_fini(&b->arena);
    b->list = (struct store_list){.from = key_of(&b->from),
                                  .to = {b->range.to, sizeof(b->range.to)},
                                  .rows_max = PART_OBJECTS,
                                  .arena = &b->arena,
                                  .done = listed};
    b->busy = true;
    pg->busy++;
    store_list(pg->o->store, &b->list);
}

/* ---- copying what differs ---- */

/* From here on the target gets writes to the part like an acting member.  Not later: it may move
 * its last_backfill and the answer be lost, and what it then missed it would count as whole. */
static int note_moved(struct backfill *b)
{
    struct peering_peer *peer = peering_peer(&b->pg->peering, b->to);
    struct bytes end = key_of(&b->end);

    end.data = mem_dup(end.data, end.len);
    b->from.len = 0;
    wr_raw(&b->from, b->end.data, b->end.len);
    if (!end.data || b->from.rc < 0 || !peer) {
        mem_free((void *)end.data);
        return -ENOMEM;
    }
    mem_free((void *)peer->info.last_backfill.data);
    peer->info.last_backfill = end;
    return 0;
}

static void move_on(struct backfill *b)
{
    struct pg *pg = b->pg;
    struct msg_pg_progress *m;
    struct bytes end = key_of(&b->end);

    if (note_moved(b) < 0) {
        stop_and_retry(pg);
        return;
    }
    m = MESSAGE_NEW(pg_progress);
    b->stage = BACKFILL_MOVE;
    b->tag = ++pg->next_tag;
    if (m) {
        m->pg = pg->id;
        m->interval = pg_since(pg);
        m->complete = b->to_end;
        m->tag = b->tag;
        if (!b->to_end)
            m->last_backfill = (struct bytes){mem_dup(end.data, end.len), end.len};
        if (!b->to_end && !m->last_backfill.data) {
            msg_free(&m->base);
            m = NULL;
        }
    }
    osd_send(pg->o, b->to, m ? &m->base : NULL);
    exec_unblock(pg);
}

static void copy_done(struct backfill *b)
{
    if (b->failed)
        stop_and_retry(b->pg);
    else
        move_on(b);
}

static void push(struct backfill *b, const struct oid *oid)
{
    b->pushing++;
    recovery_backfill(b->pg, b->to, oid);
}

void backfill_pushed(struct pg *pg, struct osd_id to, int rc)
{
    struct backfill *b = pg->backfill;

    if (!b || !osd_eq(b->to, to) || b->stage < BACKFILL_SCAN)
        return;
    ASSERT(b->pushing > 0);
    b->pushing--;
    b->failed |= rc < 0;
    if (b->pushing == 0 && b->stage == BACKFILL_COPY)
        copy_done(b);
}

/* Both lists ascend: what is in one only, or in another version, is pushed (or deleted by a push).
 */
static void compare(struct backfill *b, const struct msg_pg_scan *m, struct bytes upto)
{
    struct store_list *l = &b->list;
    uint32_t theirs = 0;

    b->pushing++; /* ours, until all have started */
    for (;;) {
        const struct store_list_row *ours = b->row < l->row_count ? &l->rows[b->row] : NULL;
        const struct pg_scan_row *other = theirs < m->count ? &m->rows[theirs] : NULL;
        int order = ours && other ? oid_cmp(&ours->oid, &other->oid) : ours ? -1 : 1;

        if (!ours && !other)
            break;
        if (order < 0) {
            uint8_t mem[OID_KEY_MAX];
            struct writer w = wr_over(mem, sizeof(mem));

            oid_key_put(&w, &ours->oid);
            if (bytes_compare(key_of(&w), upto) >= 0)
                break; /* the target has not listed so far */
        }
        if (order != 0 || !version_eq(ours->version, other->version))
            push(b, order <= 0 ? &ours->oid : &other->oid);
        b->row += order <= 0;
        theirs += order >= 0;
    }
    b->pushing--;
}

static void scanned(struct pg *pg, const struct msg_pg_scan *m)
{
    struct backfill *b = pg->backfill;
    struct bytes end;

    if (!b || b->stage != BACKFILL_SCAN || m->tag != b->tag || !osd_eq(b->to, m->from))
        return;
    if (m->rc < 0) {
        stop_and_retry(pg);
        return;
    }
    end = key_of(&b->end);
    compare(b, m, m->end_key);
    if (bytes_compare(m->end_key, end) < 0) {
        scan_ask(b, m->end_key);
        return;
    }
    b->stage = BACKFILL_COPY;
    if (b->pushing == 0)
        copy_done(b);
}

/* ---- the target has it ---- */

void backfill_reply(struct pg *pg, const struct msg_rep_reply *m)
{
    struct backfill *b = pg->backfill;
    struct osd_id to = m->from;

    if (!b || b->stage != BACKFILL_MOVE || m->tag != b->tag || !osd_eq(b->to, to))
        return;
    pg_touch(pg);
    if (!b->to_end) {
        list_start(b);
        return;
    }
    pg->o->n.backfills++;
    log_info(&pg->log, "backfilled", KV_OSD(to));
    pg_event(pg, &(struct peering_event){.kind = PEERING_EV_COMPLETE, .from = to});
    stop(pg);
    recovery_wake(pg);
}

/* ---- starting and stopping ---- */

static struct peering_peer *next_target(const struct pg *pg)
{
    const struct peering *p = &pg->peering;

    for (uint32_t i = 0; i < p->peer_count; i++)
        if (p->peer[i]->target && p->peer[i]->up && !p->peer[i]->info.complete)
            return p->peer[i];
    return NULL;
}

void backfill_wake(struct pg *pg)
{
    struct peering_peer *peer = next_target(pg);
    struct backfill *b;

    if (pg->backfill || !peer || pg->copy.missing.count || peer->missing.count ||
        !list_empty(&pg->copies) || !pg_leads(pg))
        return;
    b = mem_zalloc(sizeof(*b));
    if (!b) {
        osd_retry_later(pg->o);
        return;
    }
    b->pg = pg;
    b->to = peer->osd;
    b->range = pg_range(pg->id, pg->pg_count);
    arena_init(&b->arena);
    if (peer->info.last_backfill.len)
        wr_raw(&b->from, peer->info.last_backfill.data, peer->info.last_backfill.len);
    else
        wr_raw(&b->from, b->range.from, sizeof(b->range.from));
    if (b->from.rc < 0) {
        destroy(b);
        osd_retry_later(pg->o);
        return;
    }
    pg->backfill = b;
    list_start(b);
}

void backfill_peer_broken(struct pg *pg, struct osd_id id)
{
    if (!pg->backfill || !osd_eq(pg->backfill->to, id))
        return;
    stop(pg);
    recovery_wake(pg);
}

void backfill_interval(struct pg *pg)
{
    stop(pg);
}

/* ---- the target ---- */

struct scan {
    struct pg *pg;
    struct session *session; /* ref */
    struct msg_pg_scan *m;   /* owned: the question */
    struct arena arena;
    struct store_list list;
};

static struct msg_pg_scan *scan_answer(const struct scan *s)
{
    const struct store_list *l = &s->list;
    struct msg_pg_scan *a = MESSAGE_NEW(pg_scan);
    struct writer end = {0};
    size_t end_bytes;

    if (!a)
        return NULL;
    a->pg = s->pg->id;
    a->interval = s->m->interval;
    a->from = s->pg->o->id;
    a->answer = true;
    a->tag = s->m->tag;
    a->rc = l->rc;
    a->rows_max = s->m->rows_max;
    a->rows = mem_calloc(MAX(l->row_count, 1u), sizeof(*a->rows));
    for (uint32_t i = 0; a->rows && i < l->row_count; i++) {
        if (oid_copy(&l->rows[i].oid, &a->rows[i].oid) < 0)
            goto failed;
        a->rows[i].version = l->rows[i].version;
        a->count++;
    }
    if (l->more) {
        oid_key_put(&end, &l->rows[l->row_count - 1].oid);
        wr_u8(&end, 0);
    } else {
        wr_raw(&end, s->m->end_key.data, s->m->end_key.len);
    }
    if (!a->rows || end.rc < 0)
        goto failed;
    a->end_key.data = wr_take(&end, &end_bytes);
    a->end_key.len = (uint32_t)end_bytes;
    return a;
failed:
    writer_fini(&end);
    msg_free(&a->base);
    return NULL;
}

static void scan_listed(struct store_list *l)
{
    struct scan *s = CONTAINER_OF(l, struct scan, list);
    struct pg *pg = s->pg;
    struct msg_pg_scan *a = osd_serving(pg->o) ? scan_answer(s) : NULL;

    if (a)
        session_send(s->session, &a->base);
    else
        session_close(s->session); /* the primary asks again */
    arena_fini(&s->arena);
    session_unref(s->session);
    msg_free(&s->m->base);
    mem_free(s);
    pg->busy--;
    pg_maybe_free(pg);
}

void backfill_scan(struct pg *pg, struct session *session, struct msg_pg_scan *m)
{
    struct scan *s;

    if (m->answer) {
        scanned(pg, m);
        msg_free(&m->base);
        return;
    }
    s = mem_zalloc(sizeof(*s));
    if (!s) {
        session_close(session);
        msg_free(&m->base);
        return;
    }
    s->pg = pg;
    s->m = m;
    s->session = session_ref(session);
    arena_init(&s->arena);
    s->list = (struct store_list){.from = m->from_key,
                                  .to = m->end_key,
                                  .rows_max = MIN(m->rows_max, (uint32_t)PG_SCAN_ROWS_MAX),
                                  .arena = &s->arena,
                                  .done = scan_listed};
    pg->busy++;
    store_list(pg->o->store, &s->list);
}

struct progress {
    struct pg_sub sub;
    struct session *session; /* ref */
    struct epoch interval;
    uint64_t tag;
};

static void progress_durable(struct pg_sub *sub, bool done)
{
    struct progress *p = CONTAINER_OF(sub, struct progress, sub);
    struct msg_rep_reply *m = done ? MESSAGE_NEW(rep_reply) : NULL;

    if (m) {
        m->pg = sub->pg->id;
        m->interval = p->interval;
        m->from = sub->pg->o->id;
        m->tag = p->tag;
        m->durable = sub->pg->durable;
        session_send(p->session, &m->base);
    } else {
        session_close(p->session);
    }
    session_unref(p->session);
    mem_free(p);
}

void backfill_progress(struct pg *pg, struct session *session, struct msg_pg_progress *m)
{
    struct progress *p = mem_zalloc(sizeof(*p));
    struct txn *txn = txn_create(pg->id);
    int rc = p && txn ? 0 : -ENOMEM;

    if (pg->peering.state != PEERING_REPLICA_ACTIVE)
        rc = -EINVAL;
    if (rc == 0)
        rc = pg_sub_init(&p->sub, pg, txn, NULL);
    if (rc == 0) {
        rc = pg_copy_backfilled(&pg->copy, m->last_backfill, m->complete, txn);
        if (rc < 0)
            pg_sub_fini(&p->sub);
    }
    if (rc == 0) {
        p->session = session_ref(session);
        p->interval = pg_since(pg);
        p->tag = m->tag;
        p->sub.durable = progress_durable;
        pg_submit(&p->sub);
    } else {
        mem_free(p);
        session_close(session);
    }
    txn_unref(txn);
    msg_free(&m->base);
}
