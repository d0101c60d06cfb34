/* messages.h - every message between roles, as a struct and a row of the type table.
 *
 * Field meanings stand here; encodings in doc/format/messages.md.  Each struct begins with struct
 * msg; owned fields are freed by the type's fini.  Ids are never reused.
 *
 * The sender keeps the bounds: strings end within their arrays, counts and sizes within the enums
 * here, the whole within the type's front_max and data_max (msgr refuses what is larger). */
#ifndef CORE_PROTO_MESSAGES_H
#define CORE_PROTO_MESSAGES_H

#include "core/base/addr.h"
#include "core/map/osdmap.h"
#include "core/map/types.h"
#include "core/msgr/msg.h"
#include "core/proto/pg_wire.h"
#include "core/proto/steps.h"
#include "core/store/txn.h"

/* --- anyone <-> mon --- */
enum {
    OSDMAPS_INCS_MAX = 1024,
    OSDMAPS_BYTES_MAX = 64 << 20, /* of the full map and the increments together */
    MON_ARGS_MAX = 256,
    MON_ARG_BYTES_MAX = 65536,
    MON_TEXT_BYTES_MAX = 1 << 20,
    MON_JSON_BYTES_MAX = 64 << 20, /* and of a command's input */
};
struct msg_mon_subscribe { /* please send osdmaps from this epoch on, now and as they come; 0: the
                              latest full one */
    struct msg base;
    struct epoch from;
    bool once; /* what there is now, no subscription */
};
struct msg_osdmaps { /* mon -> subscriber; also OSD -> peer that is behind */
    struct msg base;
    struct epoch oldest, newest; /* what the sender keeps */
    bool has_full;
    struct buf full;    /* an encoded map, when has_full: start from it */
    struct epoch first; /* increments first .. first+count-1 follow */
    uint32_t count;
    struct buf *incs; /* owned array of encoded increments */
};
struct msg_mon_command { /* argv of the command table, answered by one reply with the same id */
    struct msg base;
    uint64_t id;
    uint32_t argc;
    char **argv; /* owned */
    struct buf input;
};
struct msg_mon_reply {
    struct msg base;
    uint64_t id;
    int32_t rc;
    char *text;      /* owned: for people; the reason when rc < 0; NULL: none */
    struct buf json; /* the result as JSON; may be empty */
    char leader[64]; /* -R_NOT_LEADER: ask there (may be empty) */
};
struct msg_mon_raft { /* mon <-> mon: raft_msg_encode's bytes */
    struct msg base;
    struct buf payload;
    uint64_t wall_ns; /* the sender's clock as it left */
};
struct msg_mon_forward { /* follower -> leader: a report below, as it came */
    struct msg base;
    uint16_t type;
    struct buf payload;
};

/* --- osd -> mon --- */
enum { OSD_REPORT_PGS_MAX = 65536 }; /* rows of one msg_osd_stats or msg_osd_pg_temp */
struct msg_osd_boot {
    struct msg base;
    struct osd_id osd;
    uint8_t uuid[16];
    uint64_t instance;
    struct net_addr addr;
    struct epoch newest; /* the newest map it has */
    uint64_t total_bytes;
    char host[64]; /* CRUSH location */
    char device_class[16];
};
struct msg_osd_failure { /* reporter says: target (this instance) does not answer */
    struct msg base;
    struct osd_id reporter, target;
    uint64_t target_instance;
    struct epoch epoch;
    bool refused; /* connection refused: the process is gone */
    bool alive;   /* cancels an earlier report */
    uint32_t silent_ms;
};
struct msg_osd_stopping { /* clean stop: no reads are served, no lease is used any more */
    struct msg base;
    struct osd_id osd;
    uint64_t instance;
};
struct msg_osd_up_thru { /* record up_thru >= want for me */
    struct msg base;
    struct osd_id osd;
    uint64_t instance;
    struct epoch want;
};
struct msg_osd_pg_temp { /* want this acting set (empty: none); several PGs at once */
    struct msg base;
    struct osd_id osd;
    struct epoch epoch;
    uint32_t count;
    struct pg_temp *want; /* owned */
};
struct pg_stat {
    struct pgid pg;
    struct epoch epoch; /* map it was made under */
    uint32_t state;     /* enum pg_state_bits */
    struct version last_update;
    uint64_t objects, bytes, objects_degraded, objects_misplaced, objects_unfound;
    struct epoch last_clean;
    struct osd_set up, acting;
};
enum pg_state_bits {
    PG_S_PEERING = 1,
    PG_S_ACTIVE = 2,
    PG_S_CLEAN = 4,
    PG_S_DEGRADED = 8,
    PG_S_UNDERSIZED = 16,
    PG_S_RECOVERING = 32,
    PG_S_BACKFILLING = 64,
    PG_S_DOWN = 128,
    PG_S_INCOMPLETE = 256,
    PG_S_REMAPPED = 512,
    PG_S_WAIT = 1024,
    PG_S_CREATING = 2048,
};
struct msg_osd_stats { /* PGs it leads, and its space; soft state */
    struct msg base;
    struct osd_id osd;
    uint64_t instance;
    uint64_t total_bytes, used_bytes, objects;
    bool full;
    uint64_t corrupt_found, corrupt_repaired;
    uint32_t count;
    struct pg_stat *pgs; /* owned */
};

/* --- osd <-> osd --- */
struct msg_osd_ping { /* and its answer */
    struct msg base;
    bool answer;
    struct osd_id from;
    uint64_t instance;
    struct epoch epoch;  /* sender's newest map */
    uint64_t sent_ns;    /* pinger's clock, echoed */
    uint32_t granted_ms; /* answer: lease from the moment of answering; 0: none (pinger not up in my
                            map) */
    uint8_t fill;        /* sender's store refuses: 1 what grows, 2 what is said to free, too */
};
struct msg_rep_op { /* primary -> member: apply, keep, answer when durable */
    struct msg base;
    struct pgid pg;
    struct epoch interval; /* its first epoch; another interval's are dropped */
    struct version committed_to, trim_to;
    struct pg_log_entry *entry; /* owned; NULL: transaction without entry (recovery bookkeeping) */
    struct txn *txn;            /* ref */
    uint64_t tag;               /* echoed */
};
struct msg_rep_reply {
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
    uint64_t tag;
    struct version durable; /* newest version durable there */
};
struct msg_pg_query { /* primary -> anyone with a copy */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
    uint8_t what;         /* enum pg_query_kind */
    struct version since; /* LOG: entries after it (or all that there is, when the tail is later) */
};
enum pg_query_kind { PG_QUERY_INFO, PG_QUERY_LOG };
struct msg_pg_notify { /* answer to a query; also unasked: a stray copy tells the primary that it
                          exists */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
    bool unasked; /* `info` says only that there is a copy */
    struct pg_info info;
    uint32_t
        lease_left_ms; /* how long my last grant to the previous interval's primary may still run */
    struct osd_id lease_of;
    bool has_log;
    struct pg_log_wire log; /* owned */
};
struct msg_pg_activate { /* primary -> member or backfill target: adopt this log and info, persist,
                            answer */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
    struct pg_info info; /* the PG's, as it is now; last_backfill is the member's own from now on */
    struct pg_log_wire log; /* entries after `log.tail`, which lies at or before the member's last
                               common entry; for a backfill that starts anew: the whole log */
    bool restart_backfill;
};
struct msg_pg_activated {
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
};
struct msg_pg_clean { /* primary -> members: all copies are complete as of this interval; strays may
                         go */
    struct msg base;
    struct pgid pg;
    struct epoch interval, last_clean;
    bool remove; /* to a stray: delete your copy */
};
struct msg_pg_pull { /* primary -> member that has it: push me this object */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct oid oid;            /* owned */
    struct version need, have; /* have: what the asker holds; {0,0}: nothing */
    struct touched touched;    /* owned: what changed from have to need; whole: everything */
    uint64_t off;              /* whole: continue from here */
    struct bytes omap_from;    /* owned: continue after this key */
    uint64_t tag;
};
struct msg_pg_push { /* an object, or what changed of it, to a member */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct oid oid; /* owned */
    struct version version;
    bool first, last; /* of the chunks; the version counts with the last */
    bool exists;      /* false: delete it */
    int32_t rc;       /* answer to a pull that failed */
    struct txn *txn;  /* ref: the changes */
    uint64_t next_off;
    struct bytes next_omap; /* owned */
    uint64_t tag;
};
struct msg_pg_pushed { /* durable there */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
    struct oid oid; /* owned */
    struct version version;
    bool last;
    int32_t rc;
    uint64_t tag;
};
enum { PG_SCAN_ROWS_MAX = 4096 };
struct msg_pg_scan { /* primary -> backfill target: list objects; and the answer */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
    bool answer;
    struct bytes from_key, end_key; /* owned; oid keys; answer: end_key is where the list stopped */
    uint32_t rows_max, count;       /* at most PG_SCAN_ROWS_MAX */
    struct pg_scan_row {
        struct oid oid; /* owned */
        struct version version;
    } * rows; /* owned */
    int32_t rc;
    uint64_t tag;
};
struct msg_pg_progress { /* primary -> backfill target: last_backfill moves; persisted, answered by
                            msg_rep_reply with tag */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct bytes last_backfill; /* owned oid key; empty with `complete` */
    bool complete;
    uint64_t tag;
};

struct msg_pg_damaged { /* member -> primary: my copy of this object rotted, push it to me */
    struct msg base;
    struct pgid pg;
    struct epoch interval;
    struct osd_id from;
    struct oid oid;         /* owned */
    struct version version; /* it has */
    uint64_t off, len;      /* what may be bad; len 0: all of it */
};

/* --- client <-> osd --- */
struct msg_osd_op {
    struct msg base;
    struct reqid reqid;
    uint64_t floor;     /* lowest op id of this client that is not answered */
    struct epoch epoch; /* client's map */
    struct epoch born;  /* map epoch when this client instance began */
    uint32_t attempt;   /* 1: never sent before */
    struct pgid pg;
    struct oid oid;     /* owned; name empty for STEP_PG_LIST */
    struct steps steps; /* owned */
};
struct msg_osd_op_reply {
    struct msg base;
    uint64_t op; /* reqid.op */
    uint32_t attempt;
    struct epoch epoch; /* OSD's map: fetch it when newer than yours and rc says so */
    int32_t rc;         /* 0 or the failing step's code, or -R_WRONG_PG, -R_OLD_EPOCH, -R_FENCED,
                           -R_UNKNOWN_OP */
    struct version version;      /* the object's after a write, or as read */
    struct step_results results; /* owned */
};
struct msg_copy_query { /* client -> any OSD: your own copy of this object (`cairn object where`) */
    struct msg base;
    uint64_t id;
    struct pgid pg;
    struct oid oid; /* owned */
};
struct msg_copy_reply {
    struct msg base;
    uint64_t id;
    struct osd_id from;
    int32_t rc; /* -R_NO_OBJECT, -R_CSUM_MISMATCH, ... */
    uint64_t size;
    struct version version;
    uint32_t crc32c; /* of all bytes, read from disk now */
};

/* The table: one `const struct msg_type` per message, and all of them NULL-terminated for msgr. */
#define MESSAGES(X)                                                                                \
    X(1, mon_subscribe)                                                                            \
    X(2, osdmaps)                                                                                  \
    X(3, mon_command)                                                                              \
    X(4, mon_reply)                                                                                \
    X(5, mon_raft)                                                                                 \
    X(6, mon_forward)                                                                              \
    X(10, osd_boot)                                                                                \
    X(11, osd_failure)                                                                             \
    X(12, osd_stopping)                                                                            \
    X(13, osd_up_thru)                                                                             \
    X(14, osd_pg_temp)                                                                             \
    X(15, osd_stats)                                                                               \
    X(20, osd_ping)                                                                                \
    X(21, rep_op)                                                                                  \
    X(22, rep_reply)                                                                               \
    X(23, pg_query)                                                                                \
    X(24, pg_notify)                                                                               \
    X(25, pg_activate)                                                                             \
    X(26, pg_activated)                                                                            \
    X(27, pg_clean)                                                                                \
    X(28, pg_pull)                                                                                 \
    X(29, pg_push)                                                                                 \
    X(30, pg_pushed)                                                                               \
    X(31, pg_scan)                                                                                 \
    X(32, pg_progress)                                                                             \
    X(33, pg_damaged) X(40, osd_op) X(41, osd_op_reply) X(42, copy_query) X(43, copy_reply)
#define MESSAGE_DECLARE(id, name) extern const struct msg_type msg_##name##_type;
MESSAGES(MESSAGE_DECLARE)
#undef MESSAGE_DECLARE
extern const struct msg_type *const message_types[];
/* A new zeroed one: struct msg_osd_ping *p = MESSAGE_NEW(osd_ping); */
#define MESSAGE_NEW(name)   ((struct msg_##name *)msg_create(&msg_##name##_type))
#define MESSAGE_IS(m, name) ((m)->type == &msg_##name##_type)
#define MESSAGE_AS(m, name) ((struct msg_##name *)(m))

#endif
