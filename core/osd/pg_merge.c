/* pg_merge.c - making one history of two logs.
 *
 * The two sides are compared from their newest common seq backwards until a version agrees.  What
 * the own side has beyond that is undone, newest first, so that the oldest divergent write of an
 * object decides which version it had before; then what the authoritative side has beyond it is
 * noted as missing, oldest first.  Objects that the authoritative history does not have are removed
 * in the same transaction, so that only copying is left to recovery. */
#include "core/osd/pg_merge.h"

#include "core/osd/pg_rows.h"

enum { MERGE_REMOVALS_MAX = 4000 }; /* objects one transaction may name; beyond: copy anew */

/* Entries after `tail` up to `head`, wherever they are. */
struct side {
    struct version tail, head;
    const struct pg_log *log; /* one of the two */
    const struct pg_log_wire *wire;
};

static struct side side_of_log(const struct pg_log *log)
{
    return (struct side){.tail = log->tail, .head = log->head, .log = log};
}

static struct side side_of_wire(const struct pg_log_wire *wire)
{
    return (struct side){.tail = wire->tail, .head = wire->head, .wire = wire};
}

static const struct pg_log_entry *entry_at(const struct side *s, uint64_t seq)
{
    return s->log ? pg_log_at(s->log, seq) : &s->wire->entries[seq - s->tail.seq - 1];
}

static struct version version_at(const struct side *s, uint64_t seq)
{
    return seq == s->tail.seq ? s->tail : entry_at(s, seq)->version;
}

static int wire_check(const struct pg_log_wire *wire)
{
    struct version before = wire->tail;

    if (wire->head.seq > PG_SEQ_MAX || wire->head.seq < wire->tail.seq ||
        wire->head.seq - wire->tail.seq != wire->entry_count)
        return -R_MALFORMED;
    for (uint32_t i = 0; i < wire->entry_count; i++) {
        struct version v = wire->entries[i].version;

        if (v.seq != before.seq + 1 || v.epoch.v < before.epoch.v ||
            !version_lt(wire->entries[i].prior, v))
            return -R_MALFORMED;
        before = v;
    }
    return version_eq(before, wire->head) ? 0 : -R_MALFORMED;
}

/* 0 or -ERANGE: the logs do not meet. */
static int common_find(const struct side *a, const struct side *b, struct version *out)
{
    uint64_t lo = MAX(a->tail.seq, b->tail.seq), hi = MIN(a->head.seq, b->head.seq);

    for (uint64_t seq = hi; hi >= lo && seq >= lo; seq--) {
        if (version_eq(version_at(a, seq), version_at(b, seq))) {
            *out = version_at(a, seq);
            return 0;
        }
        if (seq == 0)
            break;
    }
    return -ERANGE;
}

static int object_rm(struct txn *txn, const struct oid *oid, struct pg_merge_stat *stat)
{
    if (++stat->deleted > MERGE_REMOVALS_MAX)
        return -ERANGE;
    if (txn)
        txn_delete(txn, txn_object(txn, oid));
    return 0;
}

static int undo(const struct pg_log_entry *e, const struct pg_info *info, struct pg_missing *m,
                struct txn *txn, struct pg_merge_stat *stat)
{
    if (e->prior.seq == 0) {
        pg_missing_remove(m, &e->oid);
        return object_rm(txn, &e->oid, stat);
    }
    return pg_info_covers(info, &e->oid) ? pg_missing_undo(m, &e->oid, e->prior) : 0;
}

static int follow(const struct pg_log_entry *e, const struct pg_info *info, struct pg_missing *m,
                  struct txn *txn, struct pg_merge_stat *stat)
{
    if (e->kind == PG_ENTRY_DELETE && object_rm(txn, &e->oid, stat) < 0)
        return -ERANGE;
    return pg_info_covers(info, &e->oid) ? pg_missing_entry(m, e) : 0;
}

/* Turn what `own` lacks (m) into what it will lack with the history of `auth`. */
static int missing_merge(const struct side *own, const struct side *auth,
                         const struct pg_info *info, struct pg_missing *m, struct txn *txn,
                         struct pg_merge_stat *stat)
{
    int rc = common_find(own, auth, &stat->common);

    for (uint64_t seq = own->head.seq; rc == 0 && seq > stat->common.seq; seq--) {
        rc = undo(entry_at(own, seq), info, m, txn, stat);
        stat->divergent++;
    }
    for (uint64_t seq = stat->common.seq + 1; rc == 0 && seq <= auth->head.seq; seq++) {
        rc = follow(entry_at(auth, seq), info, m, txn, stat);
        stat->appended++;
    }
    return rc;
}

static void log_rows_put(const struct pg_log *log, struct version common, struct txn *txn)
{
    pg_row_entries_rm_from(txn, common.seq + 1);
    for (uint64_t seq = common.seq + 1; seq <= log->head.seq; seq++)
        pg_log_row_put(txn, pg_log_at(log, seq));
}

int pg_merge(struct pg_copy *copy, const struct pg_log_wire *auth, struct txn *txn,
             struct pg_merge_stat *out_stat)
{
    struct side own = side_of_log(&copy->log), theirs = side_of_wire(auth);
    struct pg_merge_stat stat = {0};
    struct pg_missing missing;
    struct pg_log fork;
    int rc = wire_check(auth);

    if (rc < 0)
        return rc;
    if (pg_missing_copy(&copy->missing, &missing) < 0)
        return -ENOMEM;
    rc = missing_merge(&own, &theirs, &copy->info, &missing, txn, &stat);
    if (rc == 0)
        rc = pg_log_fork(&copy->log, stat.common, &fork);
    if (rc < 0)
        goto done;
    rc = pg_log_append_wire(&fork, auth);
    if (rc == 0) {
        if (stat.divergent || stat.appended)
            log_rows_put(&fork, stat.common, txn);
        pg_missing_rows_diff(&copy->missing, &missing, txn);
        rc = txn->rc;
    }
    if (rc < 0) {
        pg_log_fork_drop(&fork, stat.common);
        goto done;
    }
    pg_log_fork_commit(&copy->log, &fork, stat.common);
    pg_missing_fini(&copy->missing);
    copy->missing = missing;
    *out_stat = stat;
    return 0;
done:
    pg_missing_fini(&missing);
    return rc;
}

int pg_merge_peer(const struct pg_log *auth, const struct pg_info *peer,
                  const struct pg_log_wire *peer_log, struct pg_missing *out_missing,
                  struct version *out_common)
{
    struct side theirs = side_of_wire(peer_log), ours = side_of_log(auth);
    struct pg_merge_stat stat = {0};
    struct pg_missing missing;
    int rc = wire_check(peer_log);

    if (rc == 0)
        rc = pg_missing_from_wire(peer_log->missing, peer_log->missing_count, &missing);
    if (rc < 0)
        return rc;
    rc = missing_merge(&theirs, &ours, peer, &missing, NULL, &stat);
    if (rc < 0) {
        pg_missing_fini(&missing);
        return rc;
    }
    *out_missing = missing;
    *out_common = stat.common;
    return 0;
}

int pg_merge_restart(struct pg_copy *copy, const struct pg_log_wire *auth, struct txn *txn)
{
    struct pg_log log;
    int rc = wire_check(auth);

    if (rc == 0)
        rc = pg_log_from_wire(auth, &log);
    if (rc < 0)
        return rc;
    pg_rows_rm(txn, 'm', 'm');
    pg_log_rows_rewrite(&log, txn);
    if (txn->rc < 0) {
        pg_log_fini(&log);
        return txn->rc;
    }
    pg_log_fini(&copy->log);
    pg_log_move(&log, &copy->log);
    pg_missing_fini(&copy->missing);
    pg_missing_init(&copy->missing);
    mem_free((void *)copy->info.last_backfill.data);
    copy->info.last_backfill = (struct bytes){0};
    copy->info.complete = false;
    return 0;
}
