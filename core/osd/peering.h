/* peering.h - how the copies of a PG agree on one history in a new interval: a step function.
 *
 * The driver (pg.c) feeds events and does what the orders says, in this order: submit `persist`;
 * send `sends` (those with `after_durable` once everything submitted for this PG so far is
 * durable); pass wishes to the monitor; set the timer.  Steps see no clock and no I/O; they change
 * the copy (struct pg_copy) in memory and describe the same change as rows in `persist`.
 *
 * Rules for the driver:
 * - START is fed only when all that was submitted for the PG is durable (or the PG was just
 * loaded): what a copy tells about itself must survive its power cut.
 * - A message of another interval is not fed: of an older one it is dropped, of a newer one it
 * waits until the own map reaches it.  Unasked notifies (interval 0) are fed as they come.
 * - Maps are fed one epoch at a time: past_intervals_walk() says whether MAP or START.
 * - On -ENOMEM do what `orders` holds, then feed the same event again.  Nothing was lost.
 * - A wish is repeated towards the monitor until the map follows it or the interval ends.
 *
 *              primary                                             member
 *   START -> GET_INFO -> [DOWN | INCOMPLETE | WAIT_ACTING]         START -> STRAY (waits; answers)
 *         -> GET_LOG -> GET_MISSING -> WAIT_UP_THRU                ACTIVATE -> REPLICA_ACTIVE
 *         -> WAIT_LEASE -> ACTIVATING -> ACTIVE (or PEERED: fewer than size_min)
 */
#ifndef CORE_OSD_PEERING_H
#define CORE_OSD_PEERING_H

#include "core/osd/lease.h"
#include "core/osd/pg_merge.h"
#include "core/proto/messages.h"

enum peering_state {
    PEERING_IDLE,         /* before START */
    PEERING_GET_INFO,     /* asked; not all have answered */
    PEERING_DOWN,         /* an OSD that is down may have what nobody else has */
    PEERING_INCOMPLETE,   /* all answered; no copy that counts is left */
    PEERING_WAIT_ACTING,  /* another acting set was asked of the monitor */
    PEERING_GET_LOG,      /* fetching the authoritative log */
    PEERING_GET_MISSING,  /* fetching what the others have and lack */
    PEERING_WAIT_UP_THRU, /* until a map has it */
    PEERING_WAIT_LEASE,   /* until no older primary can serve a read */
    PEERING_ACTIVATING,   /* members and self make the history durable */
    PEERING_PEERED,       /* as ACTIVE for recovery and backfill, but takes no client operations */
    PEERING_ACTIVE,
    PEERING_STRAY,          /* member, or outside: waits to be told */
    PEERING_REPLICA_ACTIVE, /* member or backfill target of an activated interval */
};
const char *peering_state_name(enum peering_state s);

struct peering_peer {
    struct osd_id osd;
    bool up;              /* in the newest map */
    struct epoch up_from; /* of its incarnation */
    bool acting;          /* of the acting set */
    bool target;          /* to be backfilled: of up, not of acting */
    bool asked;           /* for its info */
    bool asked_log;       /* for its log */
    bool answered;        /* `info` is theirs in this interval */
    bool gap;             /* its log does not meet ours after all */
    bool has_missing;     /* `missing` and `common` are known (acting and targets) */
    bool restart;         /* activation starts its backfill anew */
    bool activated;       /* durably */
    bool removed;         /* told to delete its copy */
    struct pg_info info;  /* owned; kept up to date by the driver's events once active */
    struct pg_missing missing;
    struct version common; /* where its history leaves the authoritative one */
    uint64_t lease_until_ns;
    struct osd_id lease_of;
};

struct peering {
    struct pgid pg;
    struct osd_id self;
    struct pg_copy *copy; /* borrowed */
    enum peering_state state;
    struct epoch first; /* of the interval */
    struct osdmap *map; /* ref: the newest */
    struct placement at;
    uint8_t size, size_min;
    bool primary;
    bool clean; /* every copy of `acting` has everything, and acting is up */
    uint32_t peer_count, peer_cap;
    struct peering_peer **peer; /* owned, each owned; by osd id; never self */
    struct osd_id auth; /* whose log is authoritative: self, or a peer; OSD_NONE: a new PG */
    struct version auth_head, auth_tail;
    struct osd_id blocking;      /* DOWN, INCOMPLETE: who would help; or OSD_NONE */
    bool own_gap;                /* as peer.gap */
    bool own_durable;            /* ACTIVATING: the activation's transaction */
    bool wished;                 /* another acting set: repeated with each map */
    struct osd_set wish;         /* the wished one, even if it is up */
    struct pg_merge_stat merged; /* for counters: what the own merge did */
};

enum peering_event_kind {
    PEERING_EV_START = 1,     /* map, self, copy (its past.first is the interval); now_ns */
    PEERING_EV_MAP,           /* map: a newer epoch, same interval */
    PEERING_EV_NOTIFY,        /* from, notify */
    PEERING_EV_SESSION_RESET, /* from: what was sent to it may be lost, ask again */
    PEERING_EV_TIMER,         /* orders.timer_at_ns has come */
    PEERING_EV_OWN_DURABLE,   /* the persist of a orders with `activation` is durable */
    PEERING_EV_ACTIVATED,     /* from */
    PEERING_EV_COMPLETE,      /* from: its backfill ended, durably */
    PEERING_EV_RECOVERED,     /* a missing table (own or a peer's) became empty */
    PEERING_EV_QUERY,         /* member: from, query */
    PEERING_EV_ACTIVATE,      /* member: from, activate */
    PEERING_EV_CLEAN,         /* member: from, clean */
};
struct peering_event {
    enum peering_event_kind kind;
    uint64_t now_ns;                    /* monotonic; always */
    const struct lease_holds *promised; /* what the copy granted to earlier primaries, as far as
                                           these may use it; always; NULL: nothing */
    struct osd_id from;
    struct osd_id self;                 /* START */
    struct osdmap *map;                 /* START, MAP: borrowed, referenced when kept */
    struct pg_copy *copy;               /* START: borrowed until the next START */
    const struct msg_pg_notify *notify; /* all borrowed */
    const struct msg_pg_query *query;
    const struct msg_pg_activate *activate;
    const struct msg_pg_clean *clean;
};

enum peering_send_kind {
    PEERING_SEND_QUERY,    /* what, since */
    PEERING_SEND_NOTIFY,   /* info, has_log, log; the driver adds lease_left_ms and lease_of */
    PEERING_SEND_ACTIVATE, /* info, log, restart */
    PEERING_SEND_ACTIVATED,
    PEERING_SEND_CLEAN, /* last_clean, remove */
};
struct peering_send {
    enum peering_send_kind kind;
    struct osd_id to;
    bool after_durable; /* NOTIFY, ACTIVATED */
    bool unasked;       /* NOTIFY */
    uint8_t what;       /* enum pg_query_kind */
    struct version since;
    struct pg_info info; /* owned */
    bool has_log, restart, remove;
    struct pg_log_wire log; /* owned */
    struct epoch last_clean;
};
struct peering_orders {
    struct txn *persist; /* owned, NULL: nothing */
    bool activation;     /* feed OWN_DURABLE when `persist` is durable */
    bool remove_copy;    /* delete objects and rows of this PG; the copy is empty already */
    uint32_t send_count, send_cap;
    struct peering_send *send; /* owned */
    bool wish_temp;            /* ask the monitor for pg_temp `temp` (empty: none) */
    struct osd_set temp;
    struct epoch wish_up_thru; /* ask the monitor for up_thru of at least this; 0: nothing */
    uint64_t timer_at_ns;      /* 0: none.  Feed TIMER then */
    bool state_changed;        /* p->state is another than before */
};
void peering_orders_fini(
    struct peering_orders *t); /* and zeroes it; what was taken is to be zeroed before */

void peering_init(struct peering *p, struct pgid pg);
void peering_fini(struct peering *p);

/* The one entry.  0, or -ENOMEM (see above).  Other failures are of the message: -R_MALFORMED (it
 * is dropped, log it). */
MUST_CHECK int peering_step(struct peering *p, const struct peering_event *ev,
                            struct peering_orders *orders);

/* What the driver and recovery ask; primary, from ACTIVATING on. */
static inline bool peering_is_active(const struct peering *p)
{
    return p->state == PEERING_ACTIVE;
}
struct peering_peer *peering_peer(const struct peering *p, struct osd_id osd); /* NULL: none */
/* Missing on the primary, an acting member or a backfill target that should have it: an operation
 * on it waits until it was copied. */
bool peering_missing_anywhere(const struct peering *p, const struct oid *oid);
/* Up to where the log may be trimmed when `durable` is the newest version durable on self, all
 * acting members and all targets.  (What is missing does not bound it: missing tables are durable.)
 */
struct version peering_trim_limit(const struct peering *p, struct version durable);
/* Everything recovered and backfilled on acting and targets? */
bool peering_all_recovered(const struct peering *p);
void peering_check(const struct peering *p);

#endif
