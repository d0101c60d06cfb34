/* pg_merge.h - making one history of two logs.
 *
 * Logs agree up to the last common entry: equal versions imply equal histories before them.  What
 * one's own log has beyond it is divergent and undone; what the authoritative log has beyond it is
 * appended, and its objects are missing until copied. */
#ifndef CORE_OSD_PG_MERGE_H
#define CORE_OSD_PG_MERGE_H

#include "core/osd/pg_copy.h"

struct pg_merge_stat {
    struct version common;
    uint32_t divergent, appended, deleted; /* entries, entries, objects removed at once */
};

/* Bring `copy` to the authoritative log: its log and missing change, and row changes and deletions
 * of objects go to `txn`.
 * 0; -ERANGE: the logs do not meet, or differ too much (the copy needs a backfill that
 * starts anew); -R_MALFORMED;
 * -ENOMEM.  Failures leave the copy unchanged; the txn is then to be thrown away. */
int pg_merge(struct pg_copy *copy, const struct pg_log_wire *auth, struct txn *txn,
             struct pg_merge_stat *out_stat);

/* What a peer will lack after it merged the authoritative log `auth`, told from its info and its
 * wire log (entries since some version both have, and its own missing).  Same codes. */
int pg_merge_peer(const struct pg_log *auth, const struct pg_info *peer,
                  const struct pg_log_wire *peer_log, struct pg_missing *out_missing,
                  struct version *out_common);

/* Start anew as a backfill target: the whole authoritative log, nothing held for certain. */
int pg_merge_restart(struct pg_copy *copy, const struct pg_log_wire *auth, struct txn *txn);

#endif
