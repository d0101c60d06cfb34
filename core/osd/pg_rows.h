/* pg_rows.h - the meta rows of a PG: their keys and values.  doc/format/pg.md */
#ifndef CORE_OSD_PG_ROWS_H
#define CORE_OSD_PG_ROWS_H

#include "core/proto/pg_wire.h"
#include "core/store/txn.h"

enum { PG_ROW_KEY_MAX = 1 + OID_KEY_MAX };

/* `b`: where the log begins, and what expired before. */
struct pg_base {
    struct version tail;
    struct epoch expired;
};
void pg_row_base_put(struct txn *txn, const struct pg_base *b);
int pg_row_base_get(struct bytes value, struct pg_base *out);

void pg_row_floor_put(struct txn *txn, const struct pg_floor *f); /* `c` */
void pg_row_floor_rm(struct txn *txn, uint64_t client);
int pg_row_floor_get(struct bytes key, struct bytes value, struct pg_floor *out);

void pg_row_result_put(struct txn *txn, const struct pg_result *r); /* `d` */
void pg_row_result_rm(struct txn *txn, struct reqid reqid);
int pg_row_result_get(struct bytes key, struct bytes value, struct pg_result *out);

void pg_row_entry_put(struct txn *txn, const struct pg_log_entry *e); /* `l` */
void pg_row_entry_rm(struct txn *txn, uint64_t seq);
void pg_row_entries_rm_from(struct txn *txn, uint64_t seq); /* this one and all after it */
int pg_row_entry_get(struct bytes key, struct bytes value, struct pg_log_entry **out_owned);

void pg_row_missing_put(struct txn *txn, const struct pg_missing_row *m); /* `m` */
void pg_row_missing_rm(struct txn *txn, const struct oid *oid);
int pg_row_missing_get(struct bytes key, struct bytes value, struct pg_missing_row *out_owned);

/* All rows whose keys begin with letters from .. to. */
void pg_rows_rm(struct txn *txn, char from, char to);

#endif
