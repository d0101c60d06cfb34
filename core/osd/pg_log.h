/* pg_log.h - the ordered record of recent writes to one placement group.
 *
 * Entries after `tail` up to `head`, contiguous in seq.  Beside them the sessions twice: as of the
 * tail (`base`, which is on disk) and as of the head (`now`, which answers repeats).
 *
 * An entry's version.epoch is the epoch of the primary's newest map when it ordered the entry
 * (never below the interval's first, never falling): so no client born after it had an op before
 * it, which is what expiring sessions stands on.  A primary runs no op of a client whose map is
 * newer than its own.
 *
 * Rows in the PG's collection (doc/format/pg.md): `l`+seq an entry, `b` tail and expired,
 * `c`+client a floor as of the tail, `d`+client+op a result at or before the tail.
 *
 * Threads: call only on the reactor that owns the PG.  Functions that fail leave the log unchanged;
 * but a txn they were given is then to be thrown away. */
#ifndef CORE_OSD_PG_LOG_H
#define CORE_OSD_PG_LOG_H

#include "core/osd/pg_sessions.h"

#define PG_SEQ_MAX (UINT64_C(1) << 62) /* none is near it: higher ones are malformed */

struct pg_log_item {
    struct hnode by_oid;    /* in the table while it is its object's newest */
    struct pg_log_entry *e; /* owned by the log */
    bool newest;            /* in the table */
};
struct pg_log {
    struct version tail, head;
    struct pg_log_item **ring; /* owned; the item of seq is ring[seq & (cap-1)] */
    uint32_t cap;              /* a power of two, or 0 */
    uint64_t bytes;            /* of the entries' rows, about; not less */
    struct htable by_oid;
    struct pg_sessions base, now;
    bool loaded_base; /* while loading: all rows before the first entry were seen */
};

int pg_log_init(struct pg_log *log);  /* empty, tail and head {0,0}; 0 or -ENOMEM */
void pg_log_fini(struct pg_log *log); /* zeroed is fine */
void pg_log_move(struct pg_log *from, struct pg_log *to); /* empties `from` */
static inline uint64_t pg_log_count(const struct pg_log *log)
{
    return log->head.seq - log->tail.seq;
}
const struct pg_log_entry *pg_log_at(const struct pg_log *log, uint64_t seq); /* NULL: not held */
const struct pg_log_entry *pg_log_newest(const struct pg_log *log, const struct oid *oid);
/* The seq up to which entries would have to go for the others to hold at most `bytes`. */
uint64_t pg_log_seq_for(const struct pg_log *log, uint64_t bytes);
/* Whether `v` is a version of this history as far as the log knows it: its tail, or an entry. */
bool pg_log_has(const struct pg_log *log, struct version v);

/* What to do with a client's op.
 * NEW: it never ran.  REPEAT: it ran; *out has version and rc; the answer waits until that version
 * is committed_to AND its object is on every acting member (peering_missing_anywhere is false): an
 * adopted entry may have its bytes on one copy only.  UNKNOWN: nobody can tell. */
enum pg_lookup pg_log_lookup(const struct pg_log *log, struct reqid reqid, struct epoch born,
                             uint32_t attempt, struct pg_result *out);

/* Take `e`, whose seq is head's plus one and whose epoch is not below head's (asserted).
 * 0, or -ENOMEM: `e` stays the caller's. */
int pg_log_append(struct pg_log *log, struct pg_log_entry *e);
/* The entry's row. */
void pg_log_row_put(struct txn *txn, const struct pg_log_entry *e);

/* Drop entries up to and including `upto`, but keep the newest `keep_count`.  A few more may stay:
 * entries are dropped in batches.
 *
 * `upto` must be durable on every acting member and backfill target: trimming past that point lets
 * a later interval find logs that do not meet, or forget what it cannot undo.  Row changes go to
 * `txn`.
 *
 * Returns entries dropped, -EINVAL (`upto` is past the head), or -ENOMEM (log unchanged, the txn is
 * to be thrown away). */
int pg_log_trim(struct pg_log *log, struct version upto, uint32_t keep_count, struct txn *txn);

/* Entries after `since` (or after the tail, if that is later), for a message; sessions as of its
 * tail go along when it starts at the log's tail.  0 or -ENOMEM. */
int pg_log_wire_make(const struct pg_log *log, struct version since, struct pg_log_wire *out);
/* A log made of a wire log that starts at its sender's tail.  -R_MALFORMED: not contiguous. */
int pg_log_from_wire(const struct pg_log_wire *wire, struct pg_log *out_new);
/* Append copies of the entries beyond the head; they must lead to the wire's head.
 * -R_MALFORMED, -ENOMEM: some may have been appended (callers work on a fork). */
int pg_log_append_wire(struct pg_log *log, const struct pg_log_wire *wire);
/* All rows of the log replace those there are. */
void pg_log_rows_rewrite(const struct pg_log *log, struct txn *txn);

/* A log that is `log` up to `keep_to` (which it has), to which entries can be appended; it shares
 * the kept entries with `log` until one of the two below is called. */
int pg_log_fork(const struct pg_log *log, struct version keep_to, struct pg_log *out_fork);
void pg_log_fork_drop(struct pg_log *fork, struct version keep_to);
void pg_log_fork_commit(struct pg_log *log, struct pg_log *fork, struct version keep_to);

/* Loading from rows, in key order, on an empty log; then once the end.
 * 0; -R_MALFORMED and other decoding codes; -ENOMEM. */
int pg_log_load_row(struct pg_log *log, struct bytes key, struct bytes value); /* keys b c d l */
int pg_log_load_end(struct pg_log *log);
bool pg_log_equal(const struct pg_log *a,
                  const struct pg_log *b); /* where they overlap, and heads */
void pg_log_check(const struct pg_log *log, bool deep);

#endif
