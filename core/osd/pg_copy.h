/* pg_copy.h - one OSD's copy of a PG, as far as it is not objects: info, past intervals, log,
 * missing.
 *
 * All of it is on disk as rows of the PG's collection and changes with transactions.  A copy whose
 * info.created is 0 does not exist: it has no rows.  (When its store was salvaged after the pool
 * was created, info.salvaged is set for it too: the rows may have been lost.) */
#ifndef CORE_OSD_PG_COPY_H
#define CORE_OSD_PG_COPY_H

#include "core/osd/past_intervals.h"
#include "core/osd/pg_log.h"
#include "core/osd/pg_missing.h"

struct pg_copy {
    struct pg_info info; /* last_update, log_tail and missing_count are set by pg_copy_info */
    struct past_intervals past;
    struct pg_log log;
    struct pg_missing missing;
};

int pg_copy_init(struct pg_copy *c, struct pgid pg); /* does not exist yet; 0 or -ENOMEM */
void pg_copy_fini(struct pg_copy *c);
void pg_copy_move(struct pg_copy *from, struct pg_copy *to); /* `from` is then as zeroed */
static inline bool pg_copy_exists(const struct pg_copy *c)
{
    return c->info.created.v != 0;
}
/* The info as it is now; last_backfill is borrowed from the copy. */
struct pg_info pg_copy_info_now(const struct pg_copy *c);
/* The info as it is now. 0 or -ENOMEM; out to be freed by pg_info_fini. */
int pg_copy_info(const struct pg_copy *c, struct pg_info *out);
/* Is the object one that this copy should hold (it is before last_backfill)? */
bool pg_info_covers(const struct pg_info *info, const struct oid *oid);

/* Rewrite the `i` row: after any change of info or past intervals. */
void pg_copy_info_put(const struct pg_copy *c, struct txn *txn);
/* The same with another info, which the copy takes on when the transaction was made. */
void pg_copy_info_put_as(const struct pg_copy *c, const struct pg_info *info, struct txn *txn);
/* Backfill moved: 0 or -ENOMEM (unchanged).  `complete`: the end; key is not looked at, and
 * `salvaged` is over.  Objects are before the key when their oid key is less. */
int pg_copy_backfilled(struct pg_copy *c, struct bytes last_backfill, bool complete,
                       struct txn *txn);
/* Remove all meta rows (with the objects, by the caller). */
void pg_copy_rows_rm(struct txn *txn);

/* Load: all meta rows of the collection in key order, then the end. */
int pg_copy_load_row(struct pg_copy *c, struct bytes key, struct bytes value);
int pg_copy_load_end(struct pg_copy *c);
/* The store was salvaged: nothing of this copy counts until it was backfilled.  `unfit`: its log
 * and missing rows do not fit together, and go. */
int pg_copy_salvage(struct pg_copy *c, bool unfit, struct txn *txn);
void pg_copy_check(const struct pg_copy *c, bool deep);

#endif
