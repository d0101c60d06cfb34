/* pg_wire.h - what OSDs tell each other about a PG, on the wire and in its meta rows.
 *
 * Plain structs with codecs; the logic over them is in core/osd (pg_log, peering). doc/format/pg.md
 */
#ifndef CORE_PROTO_PG_WIRE_H
#define CORE_PROTO_PG_WIRE_H

#include "core/map/types.h"

/* Which parts of an object a span of log entries touched.  `whole` when the bounds were passed. */
enum { TOUCHED_RANGES_MAX = 16, TOUCHED_KEYS_MAX = 64 };
struct touched {
    bool whole;        /* everything: ranges and keys say nothing */
    bool omap_cleared; /* all omap keys; `keys` says nothing */
    uint8_t range_count;
    uint8_t key_count;
    struct {
        uint64_t off, len;
    } range[TOUCHED_RANGES_MAX]; /* disjoint, ascending */
    struct bytes *key;           /* owned, each owned; ascending */
};
void touched_fini(struct touched *t);
int touched_copy(const struct touched *from, struct touched *out);
void touched_range(struct touched *t, uint64_t off,
                   uint64_t len);                      /* merges; past the bound: whole */
void touched_key(struct touched *t, struct bytes key); /* -ENOMEM becomes whole */
void touched_merge(struct touched *t, const struct touched *more);
void touched_encode(const struct touched *t, struct writer *w);
void touched_decode(struct cursor *c,
                    struct touched *out); /* `out` is to be freed also when c failed */

enum pg_entry_kind { PG_ENTRY_MODIFY = 1, PG_ENTRY_DELETE };
struct pg_log_entry {
    struct version version, prior; /* prior: the object's version before; {0,0}: it did not exist */
    uint8_t kind;
    struct oid oid;     /* owned */
    struct reqid reqid; /* client 0: none */
    uint64_t floor;     /* of that client, when it sent the op */
    int32_t rc;         /* what the client was, or will be, answered */
    struct touched touched;
    uint64_t mtime_wall_ns;
};
struct pg_log_entry *pg_log_entry_create(void);
void pg_log_entry_destroy(struct pg_log_entry *e);
struct pg_log_entry *pg_log_entry_copy(const struct pg_log_entry *e);
void pg_log_entry_encode(const struct pg_log_entry *e, struct writer *w);
int pg_log_entry_decode(struct cursor *c, struct pg_log_entry *out); /* out: zeroed */

/* Results kept for repeats after their log entry is trimmed, and the floors. */
struct pg_result {
    struct reqid reqid;
    struct version version;
    int32_t rc;
};
struct pg_floor {
    uint64_t client, floor;
    struct version last; /* newest entry of this client: the oldest sessions go first */
    /* pg_log_wire.expired when this row was made: a client born by then may have had results here
     * that are forgotten. */
    struct epoch unknown_until;
};
struct pg_missing_row { /* an object that the sender's copy lacks although its log names it */
    struct oid oid;     /* owned */
    struct version need, have; /* have {0,0}: nothing usable */
    struct touched touched;    /* what changed from have to need */
};
struct pg_log_wire {
    struct version tail, head; /* entries are those after tail, up to head */
    uint32_t entry_count, result_count, floor_count, missing_count;
    struct pg_log_entry *entries;   /* owned, ascending */
    struct pg_result *results;      /* owned: with floors and expired, as they were at `tail` */
    struct pg_floor *floors;        /* owned */
    struct pg_missing_row *missing; /* owned, in oid order: what the sender lacks */
    struct epoch expired;           /* sessions were expired under this map epoch; 0: never */
};
void pg_log_wire_fini(struct pg_log_wire *l);
void pg_log_wire_encode(const struct pg_log_wire *l, struct writer *w);
int pg_log_wire_decode(struct cursor *c, struct pg_log_wire *out);

struct past_interval {
    struct epoch first, last; /* inclusive */
    struct osd_set up, acting;
    struct osd_id primary;
    bool maybe_wrote; /* enough members, and up_thru of the primary reached `first` */
};
enum { PAST_INTERVALS_MAX = 4096 };
struct pg_info {
    struct pgid pg;
    struct epoch created;       /* of the pool, or 0: this copy does not exist */
    struct version last_update; /* newest log entry */
    struct version log_tail;    /* entries after this are in the log */
    struct epoch
        les; /* last epoch started: first epoch of the interval this copy was last active in */
    struct epoch last_clean;    /* first epoch of the newest interval known to have become clean */
    struct epoch same_since;    /* first epoch of the present interval, at the sender */
    bool complete;              /* last_backfill is the end */
    struct bytes last_backfill; /* owned oid key: objects before it are here; empty: none */
    bool salvaged; /* its store was damaged: does not count as a witness until backfilled */
    uint64_t objects, bytes; /* estimates for statistics */
    uint32_t missing_count;  /* objects this copy lacks below last_backfill */
};
void pg_info_fini(struct pg_info *i);
int pg_info_copy(const struct pg_info *from, struct pg_info *out);
void pg_info_encode(const struct pg_info *i, struct writer *w);
int pg_info_decode(struct cursor *c, struct pg_info *out);

#endif
