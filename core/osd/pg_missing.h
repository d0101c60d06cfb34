/* pg_missing.h - the objects that a copy of a PG lacks although its log names them.
 *
 * An item says which version is needed, which one is there (`have`; {0,0}: none that could be built
 * upon), and what changed in between; when both are the same version, what rotted of it.  Only
 * objects before the copy's last_backfill can be missing; deletions never are: a merge deletes at
 * once.
 *
 * The table is on disk too, as `m`+oid key rows, written in the transaction that made the object
 * missing and removed in the one that brings it: a rolled back object may have no log entry left
 * that would tell. */
#ifndef CORE_OSD_PG_MISSING_H
#define CORE_OSD_PG_MISSING_H

#include "core/base/tree.h"
#include "core/proto/pg_wire.h"
#include "core/store/txn.h"

struct pg_log;

struct pg_missing_item {
    RB_ENTRY(pg_missing_item) by_oid, by_need;
    struct oid oid; /* owned */
    struct version need, have;
    struct touched touched; /* from have to need */
};
RB_HEAD(pg_missing_oids, pg_missing_item);
RB_HEAD(pg_missing_needs, pg_missing_item);
struct pg_missing {
    struct pg_missing_oids by_oid;
    struct pg_missing_needs by_need;
    uint32_t count;
};

void pg_missing_init(struct pg_missing *m);
void pg_missing_fini(struct pg_missing *m);
int pg_missing_copy(const struct pg_missing *from, struct pg_missing *out); /* 0 or -ENOMEM */
bool pg_missing_equal(const struct pg_missing *a, const struct pg_missing *b);

const struct pg_missing_item *pg_missing_find(const struct pg_missing *m, const struct oid *oid);
/* In oid order: the first, the one after, the first not before `oid`. */
const struct pg_missing_item *pg_missing_first(const struct pg_missing *m);
const struct pg_missing_item *pg_missing_next(const struct pg_missing_item *item);
const struct pg_missing_item *pg_missing_from(const struct pg_missing *m, const struct oid *oid);
/* The item with the lowest need; NULL: none.  It bounds trimming, and is copied first. */
const struct pg_missing_item *pg_missing_oldest(const struct pg_missing *m);

/* The next entry of the history, which this copy did not apply.  0 or -ENOMEM (unchanged). */
int pg_missing_entry(struct pg_missing *m, const struct pg_log_entry *e);
/* `need` replaces what there was; have {0,0} means all of it must be copied. */
int pg_missing_set(struct pg_missing *m, const struct oid *oid, struct version need,
                   struct version have, const struct touched *touched);
/* A write that was undone: the object is needed as it was at `target`, which is nearer the start.
 */
int pg_missing_undo(struct pg_missing *m, const struct oid *oid, struct version target);
void pg_missing_remove(struct pg_missing *m, const struct oid *oid); /* fine if absent */
/* The object is here in `version` (or newer): the item goes, and its row with `txn` (NULL: none).
 */
void pg_missing_recovered(struct pg_missing *m, const struct oid *oid, struct version version,
                          struct txn *txn);

/* The first of several chunks is applied with this transaction: what was there is no longer a
 * version to build upon. */
void pg_missing_begin_copy(struct pg_missing *m, const struct oid *oid, struct txn *txn);

/* Rows. */
void pg_missing_row_put(struct txn *txn, const struct pg_missing_item *item);
/* What leads from one table to the other. */
void pg_missing_rows_diff(const struct pg_missing *before, const struct pg_missing *after,
                          struct txn *txn);
int pg_missing_load_row(struct pg_missing *m, struct bytes key, struct bytes value);
/* For messages; rows owned by the caller. */
int pg_missing_wire(const struct pg_missing *m, struct pg_missing_row **out_rows,
                    uint32_t *out_count);
int pg_missing_from_wire(const struct pg_missing_row *rows, uint32_t count, struct pg_missing *out);

/* A check at start: objects whose newest entry is a modification but whose stored version is
 * another, and that no item names, become missing.  `version_of` gives the stored version, {0,0}:
 * absent. `last_backfill`, `complete`: as in pg_info.  Returns items added (0 unless rows were
 * lost), -ENOMEM. */
int pg_missing_derive(struct pg_missing *m, const struct pg_log *log, bool complete,
                      struct bytes last_backfill,
                      struct version (*version_of)(void *arg, const struct oid *oid), void *arg);
void pg_missing_check(const struct pg_missing *m);

#endif
