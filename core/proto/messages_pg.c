/* messages_pg.c - codecs of what OSDs say to each other about a PG: replication, peering, recovery.
 *
 * The rules of messages.c hold: fields in the order of the struct, failures left to fini.  Each of
 * these begins with the PG and the interval.  Messages that carry a log have a generous bound: a
 * log of thousands of entries with many omap keys each must still be sent, or its PG never peers.
 */
#include "core/proto/messages.h"
#include "core/proto/wire.h"

enum { FRONT_SMALL = 4096, FRONT_TXN = 64 << 20, FRONT_LOG = 512 << 20, FRONT_PULL = 1 << 20 };
enum { FRONT_SCAN = 8 << 20, SCAN_ROW_BYTES_MIN = 20 };

/* ---- rep_op, rep_reply ---- */

static void rep_op_put(const struct msg_rep_op *m, struct writer *w, struct buf *data)
{
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_version(w, m->committed_to);
    wr_version(w, m->trim_to);
    wr_bool(w, m->entry != NULL);
    if (m->entry)
        pg_log_entry_encode(m->entry, w);
    wire_txn_put(w, data, m->txn);
    wr_u64(w, m->tag);
}

static void rep_op_get(struct msg_rep_op *m, struct cursor *c, struct buf *data)
{
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->committed_to = cur_version(c);
    m->trim_to = cur_version(c);
    if (cur_bool(c)) {
        m->entry = pg_log_entry_create();
        if (m->entry)
            (void)pg_log_entry_decode(c, m->entry); /* the cursor keeps its failure */
        else
            cur_fail(c, -ENOMEM);
    }
    wire_txn(c, data, &m->txn);
    m->tag = cur_u64(c);
}

static void rep_op_fini(struct msg *base)
{
    struct msg_rep_op *m = MESSAGE_AS(base, rep_op);

    pg_log_entry_destroy(m->entry);
    if (m->txn)
        txn_unref(m->txn);
}

MESSAGE_CODEC(rep_op, FRONT_TXN, TXN_BYTES_MAX, rep_op_fini)

static void rep_reply_put(const struct msg_rep_reply *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
    wr_u64(w, m->tag);
    wr_version(w, m->durable);
}

static void rep_reply_get(struct msg_rep_reply *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
    m->tag = cur_u64(c);
    m->durable = cur_version(c);
}

MESSAGE_CODEC(rep_reply, FRONT_SMALL, 0, NULL)

/* ---- pg_query, pg_notify ---- */

static void pg_query_put(const struct msg_pg_query *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
    wr_u8(w, m->what);
    wr_version(w, m->since);
}

static void pg_query_get(struct msg_pg_query *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
    m->what = cur_u8(c);
    m->since = cur_version(c);
    if (m->what > PG_QUERY_LOG)
        cur_fail(c, -R_MALFORMED);
}

MESSAGE_CODEC(pg_query, FRONT_SMALL, 0, NULL)

static void pg_notify_put(const struct msg_pg_notify *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
    wr_bool(w, m->unasked);
    pg_info_encode(&m->info, w);
    wr_u32(w, m->lease_left_ms);
    wr_i32(w, m->lease_of.v);
    wr_bool(w, m->has_log);
    if (m->has_log)
        pg_log_wire_encode(&m->log, w);
}

static void pg_notify_get(struct msg_pg_notify *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
    m->unasked = cur_bool(c);
    (void)pg_info_decode(c, &m->info); /* the cursor keeps its failure */
    m->lease_left_ms = cur_u32(c);
    m->lease_of.v = cur_i32(c);
    m->has_log = cur_bool(c);
    if (m->has_log)
        (void)pg_log_wire_decode(c, &m->log); /* as above */
}

static void pg_notify_fini(struct msg *base)
{
    struct msg_pg_notify *m = MESSAGE_AS(base, pg_notify);

    pg_info_fini(&m->info);
    pg_log_wire_fini(&m->log);
}

MESSAGE_CODEC(pg_notify, FRONT_LOG, 0, pg_notify_fini)

/* ---- pg_activate, pg_activated, pg_clean ---- */

static void pg_activate_put(const struct msg_pg_activate *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
    pg_info_encode(&m->info, w);
    pg_log_wire_encode(&m->log, w);
    wr_bool(w, m->restart_backfill);
}

static void pg_activate_get(struct msg_pg_activate *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
    (void)pg_info_decode(c, &m->info);    /* the cursor keeps its failure */
    (void)pg_log_wire_decode(c, &m->log); /* as above */
    m->restart_backfill = cur_bool(c);
}

static void pg_activate_fini(struct msg *base)
{
    struct msg_pg_activate *m = MESSAGE_AS(base, pg_activate);

    pg_info_fini(&m->info);
    pg_log_wire_fini(&m->log);
}

MESSAGE_CODEC(pg_activate, FRONT_LOG, 0, pg_activate_fini)

static void pg_activated_put(const struct msg_pg_activated *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
}

static void pg_activated_get(struct msg_pg_activated *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
}

MESSAGE_CODEC(pg_activated, FRONT_SMALL, 0, NULL)

static void pg_clean_put(const struct msg_pg_clean *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_u32(w, m->last_clean.v);
    wr_bool(w, m->remove);
}

static void pg_clean_get(struct msg_pg_clean *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->last_clean.v = cur_u32(c);
    m->remove = cur_bool(c);
}

MESSAGE_CODEC(pg_clean, FRONT_SMALL, 0, NULL)

/* ---- pg_pull, pg_push, pg_pushed ---- */

static void pg_pull_put(const struct msg_pg_pull *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_oid(w, &m->oid);
    wr_version(w, m->need);
    wr_version(w, m->have);
    touched_encode(&m->touched, w);
    wr_u64(w, m->off);
    wr_bytes(w, m->omap_from);
    wr_u64(w, m->tag);
}

static void pg_pull_get(struct msg_pg_pull *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    wire_oid(c, &m->oid);
    m->need = cur_version(c);
    m->have = cur_version(c);
    touched_decode(c, &m->touched);
    m->off = cur_u64(c);
    m->omap_from = wire_bytes(c, OMAP_KEY_MAX);
    m->tag = cur_u64(c);
}

static void pg_pull_fini(struct msg *base)
{
    struct msg_pg_pull *m = MESSAGE_AS(base, pg_pull);

    oid_fini(&m->oid);
    touched_fini(&m->touched);
    wire_bytes_fini(&m->omap_from);
}

MESSAGE_CODEC(pg_pull, FRONT_PULL, 0, pg_pull_fini)

static void pg_push_put(const struct msg_pg_push *m, struct writer *w, struct buf *data)
{
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_oid(w, &m->oid);
    wr_version(w, m->version);
    wr_bool(w, m->first);
    wr_bool(w, m->last);
    wr_bool(w, m->exists);
    wr_i32(w, m->rc);
    wire_txn_put(w, data, m->txn);
    wr_u64(w, m->next_off);
    wr_bytes(w, m->next_omap);
    wr_u64(w, m->tag);
}

static void pg_push_get(struct msg_pg_push *m, struct cursor *c, struct buf *data)
{
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    wire_oid(c, &m->oid);
    m->version = cur_version(c);
    m->first = cur_bool(c);
    m->last = cur_bool(c);
    m->exists = cur_bool(c);
    m->rc = cur_i32(c);
    wire_txn(c, data, &m->txn);
    m->next_off = cur_u64(c);
    m->next_omap = wire_bytes(c, OMAP_KEY_MAX);
    m->tag = cur_u64(c);
}

static void pg_push_fini(struct msg *base)
{
    struct msg_pg_push *m = MESSAGE_AS(base, pg_push);

    oid_fini(&m->oid);
    if (m->txn)
        txn_unref(m->txn);
    wire_bytes_fini(&m->next_omap);
}

MESSAGE_CODEC(pg_push, FRONT_TXN, TXN_BYTES_MAX, pg_push_fini)

static void pg_pushed_put(const struct msg_pg_pushed *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
    wr_oid(w, &m->oid);
    wr_version(w, m->version);
    wr_bool(w, m->last);
    wr_i32(w, m->rc);
    wr_u64(w, m->tag);
}

static void pg_pushed_get(struct msg_pg_pushed *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
    wire_oid(c, &m->oid);
    m->version = cur_version(c);
    m->last = cur_bool(c);
    m->rc = cur_i32(c);
    m->tag = cur_u64(c);
}

static void pg_pushed_fini(struct msg *base)
{
    oid_fini(&MESSAGE_AS(base, pg_pushed)->oid);
}

MESSAGE_CODEC(pg_pushed, FRONT_SMALL, 0, pg_pushed_fini)

/* ---- pg_scan, pg_progress ---- */

static void pg_scan_put(const struct msg_pg_scan *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    ASSERT(m->count <= PG_SCAN_ROWS_MAX);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
    wr_bool(w, m->answer);
    wr_bytes(w, m->from_key);
    wr_bytes(w, m->end_key);
    wr_u32(w, m->rows_max);
    wr_u32(w, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        wr_oid(w, &m->rows[i].oid);
        wr_version(w, m->rows[i].version);
    }
    wr_i32(w, m->rc);
    wr_u64(w, m->tag);
}

static void pg_scan_get(struct msg_pg_scan *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
    m->answer = cur_bool(c);
    m->from_key = wire_bytes(c, OID_KEY_MAX);
    m->end_key = wire_bytes(c, OID_KEY_MAX);
    m->rows_max = cur_u32(c);
    if (m->rows_max > PG_SCAN_ROWS_MAX)
        cur_fail(c, -R_MALFORMED);
    m->count = cur_count(c, PG_SCAN_ROWS_MAX, SCAN_ROW_BYTES_MIN);
    m->rows = wire_rows(c, &m->count, sizeof(*m->rows));
    for (uint32_t i = 0; i < m->count; i++) {
        wire_oid(c, &m->rows[i].oid);
        m->rows[i].version = cur_version(c);
    }
    m->rc = cur_i32(c);
    m->tag = cur_u64(c);
}

static void pg_scan_fini(struct msg *base)
{
    struct msg_pg_scan *m = MESSAGE_AS(base, pg_scan);

    wire_bytes_fini(&m->from_key);
    wire_bytes_fini(&m->end_key);
    for (uint32_t i = 0; i < m->count; i++)
        oid_fini(&m->rows[i].oid);
    mem_free(m->rows);
}

MESSAGE_CODEC(pg_scan, FRONT_SCAN, 0, pg_scan_fini)

static void pg_progress_put(const struct msg_pg_progress *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_bytes(w, m->last_backfill);
    wr_bool(w, m->complete);
    wr_u64(w, m->tag);
}

static void pg_progress_get(struct msg_pg_progress *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->last_backfill = wire_bytes(c, OID_KEY_MAX);
    m->complete = cur_bool(c);
    m->tag = cur_u64(c);
}

static void pg_progress_fini(struct msg *base)
{
    wire_bytes_fini(&MESSAGE_AS(base, pg_progress)->last_backfill);
}

MESSAGE_CODEC(pg_progress, FRONT_SMALL, 0, pg_progress_fini)

/* ---- pg_damaged ---- */

static void pg_damaged_put(const struct msg_pg_damaged *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_pgid(w, m->pg);
    wr_u32(w, m->interval.v);
    wr_i32(w, m->from.v);
    wr_oid(w, &m->oid);
    wr_version(w, m->version);
    wr_u64(w, m->off);
    wr_u64(w, m->len);
}

static void pg_damaged_get(struct msg_pg_damaged *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->pg = cur_pgid(c);
    m->interval.v = cur_u32(c);
    m->from.v = cur_i32(c);
    wire_oid(c, &m->oid);
    m->version = cur_version(c);
    m->off = cur_u64(c);
    m->len = cur_u64(c);
}

static void pg_damaged_fini(struct msg *base)
{
    oid_fini(&MESSAGE_AS(base, pg_damaged)->oid);
}

MESSAGE_CODEC(pg_damaged, FRONT_SMALL, 0, pg_damaged_fini)
