/* raft.h - one member of a Raft group, as a pure step function (README.md).
 *
 * raft_step() takes one event and tells the driver what to persist, send, apply and answer.
 * Nothing here reads a clock, does I/O or keeps state outside struct raft.
 *
 * Terms: *index* counts log entries from 1; *term* counts elections from 1; 0 means none for
 * both, and for member ids.  Times are milliseconds of the driver's monotonic clock, which should
 * run through suspend.
 * Threads: one owner. */
#ifndef CORE_RAFT_RAFT_H
#define CORE_RAFT_RAFT_H

#include "core/base/base.h"
#include "core/base/cursor.h"
#include "core/base/rng.h"

enum {
    RAFT_MEMBERS_MAX = 15,
    RAFT_ENTRY_BYTES_MAX = 4 << 20,
    RAFT_APPEND_ENTRIES_MAX = 256,   /* in one message */
    RAFT_APPEND_BYTES_MAX = 1 << 20, /* in one message, unless one entry alone is larger */
    RAFT_CHUNK_BYTES_MAX = 1 << 20,  /* of a snapshot, in one message */
    RAFT_INFLIGHT_MAX = 32,          /* appends on their way to one peer */
    RAFT_READS_MAX = 1024,           /* waiting at a leader */
    RAFT_MSG_BYTES_MAX = (5 << 20) + (64 << 10),
};
#define RAFT_NUMBER_MAX                                                                            \
    (UINT64_MAX / 4) /* terms and indexes beyond this are refused as malformed */

struct raft_pos { /* names one entry: no two entries of a group share it */
    uint64_t index;
    uint64_t term;
};

enum raft_entry_type { RAFT_NOOP = 1, RAFT_DATA = 2, RAFT_CONFIG = 3 };

struct raft_entry {
    struct raft_pos pos;
    enum raft_entry_type type;
    struct bytes data; /* borrowed; at most RAFT_ENTRY_BYTES_MAX */
};

struct raft_member {
    uint32_t id;  /* not 0 */
    bool learner; /* gets the log, does not count */
};

struct raft_members {
    uint32_t count;
    struct raft_member m[RAFT_MEMBERS_MAX]; /* by ascending id */
};

struct raft_hard { /* must never be forgotten */
    uint64_t term;
    uint32_t vote; /* in that term; 0: none */
};

struct raft_snap {
    struct raft_pos pos; /* the last entry it covers; {0,0}: no snapshot */
    uint64_t bytes;      /* of the driver's encoding of the state machine */
    struct raft_members members;
};

/* Ways to break the algorithm, for tests only: each must be caught by the random simulation. */
enum raft_bug {
    RAFT_BUG_VOTE_TWICE = 1 << 0,        /* ignore the vote given in this term */
    RAFT_BUG_COMMIT_OLD_TERM = 1 << 1,   /* commit older terms' entries by counting copies */
    RAFT_BUG_COUNT_UNPERSISTED = 1 << 2, /* the leader's own copy counts before it is durable */
    RAFT_BUG_LEASE_UNPROVEN = 1 << 3,    /* a leader always has the lease */
    RAFT_BUG_ACK_EARLY = 1 << 4,         /* no message waits for the disk */
    RAFT_BUG_VOTE_ANY_LOG = 1 << 5,      /* vote for candidates that lack entries */
    RAFT_BUG_KEEP_CONFLICT = 1 << 6,     /* do not replace entries of another term */
    RAFT_BUG_SKIP_PREV = 1 << 7,         /* accept an append without looking at what precedes */
    RAFT_BUG_READ_NO_ROUND = 1 << 8,     /* answer reads without proving leadership */
    RAFT_BUG_READ_OLD_COMMIT = 1 << 9,   /* answer reads before an own entry was committed */
    RAFT_BUG_NOT_STICKY = 1 << 10,       /* vote although a leader was heard just now */
    RAFT_BUG_LEASE_FROM_REPLY = 1 << 11, /* count the lease from the reply, not from the send */
    RAFT_BUG_COMMIT_UNMATCHED = 1 << 12, /* a heartbeat tells the commit index to peers behind */
    RAFT_BUG_BOOT_NOT_STICKY = 1 << 13,  /* forget at restart that a lease may be running */
    RAFT_BUG_LEASE_KEPT = 1 << 14,       /* use leases after asking another to take over */
    RAFT_BUG_COUNT = 15
};

struct raft_conf {
    uint32_t id;
    struct raft_members members; /* used when the stored snapshot names none */
    uint32_t election_ms;        /* time-outs lie in [election_ms, 2 * election_ms) */
    uint32_t heartbeat_ms;       /* less than half of election_ms */
    bool pre_vote;
    bool check_quorum;
    bool lease;              /* needs check_quorum */
    uint32_t drift_permille; /* how much faster or slower than true any member's clock may run */
    uint32_t append_entries_max; /* 1 .. RAFT_APPEND_ENTRIES_MAX */
    uint32_t append_bytes_max;   /* 1 .. RAFT_APPEND_BYTES_MAX */
    uint32_t inflight_max;       /* 1 .. RAFT_INFLIGHT_MAX */
    uint32_t chunk_bytes;        /* 1 .. RAFT_CHUNK_BYTES_MAX */
    uint32_t reads_max;          /* 1 .. RAFT_READS_MAX */
    uint32_t log_keep;           /* entries kept behind a snapshot for peers that lag a little */
    uint64_t uncommitted_bytes_max;
    uint64_t log_bytes_max;
    struct rng rng; /* for the time-outs */
    uint32_t bugs;  /* enum raft_bug; tests only */
};

/* Sensible values for everything but id, members and rng. */
void raft_conf_init(struct raft_conf *conf);

struct raft_stored { /* what a restart finds; all borrowed for the call */
    struct raft_hard hard;
    struct raft_snap snap;
    const struct raft_entry *entries; /* contiguous; may start before the snapshot's end */
    size_t entry_count;
    uint64_t applied; /* by the state machine; at least snap.pos.index when there is one */
};

/* ---- messages ---- */

enum raft_msg_type {
    RAFT_MSG_VOTE = 1,
    RAFT_MSG_VOTE_REPLY = 2,
    RAFT_MSG_PREVOTE = 3,
    RAFT_MSG_PREVOTE_REPLY = 4,
    RAFT_MSG_APPEND = 5,
    RAFT_MSG_APPEND_REPLY = 6,
    RAFT_MSG_HEARTBEAT = 7,
    RAFT_MSG_HEARTBEAT_REPLY = 8,
    RAFT_MSG_SNAPSHOT = 9,
    RAFT_MSG_SNAPSHOT_REPLY = 10,
    RAFT_MSG_READ = 11,
    RAFT_MSG_READ_REPLY = 12,
    RAFT_MSG_TIMEOUT_NOW = 13,
};

struct raft_msg {
    enum raft_msg_type type;
    uint32_t from, to;
    uint64_t term; /* the sender's; pre-vote: the one it would have */
    /* vote: the candidate's last; append: the entry before; reply: the last that agrees, or when
     * refused the hint; heartbeat reply: the last in memory; snapshot and its reply: its end */
    struct raft_pos pos;
    uint64_t refused_index; /* append reply: the `pos.index` that was refused */
    uint64_t commit;        /* append, heartbeat; its reply: the durable index; read reply: the
                             * index to wait for */
    uint64_t round;         /* append, heartbeat and their replies: echoed */
    uint64_t sent_ms;       /* the leader's clock; echoed */
    bool ok;                /* replies: granted, accepted */
    bool force;             /* vote: asked for by the leader, stickiness does not apply */
    uint32_t entry_count;
    const struct raft_entry *entries; /* append; positions follow `pos` */
    struct raft_snap snap;            /* snapshot: what `pos` names, size and members */
    uint64_t offset;                  /* snapshot: of the chunk; reply: next byte wanted */
    struct bytes chunk;               /* snapshot; see raft_orders.msgs */
    uint64_t read_id;
    /* Not encoded: */
    uint64_t after_seq;       /* send when this persist is durable; 0: at once */
    struct raft_entry *owned; /* by a decoded message: `entries` */
};

/* Encode: appends to `w`, w->rc tells.  Decode: 0, or the cursor's reason, or -ENOMEM; payloads
 * are borrowed from the cursor's memory, the entries array is owned: raft_msg_fini. */
void raft_msg_encode(struct writer *w, const struct raft_msg *m);
MUST_CHECK int raft_msg_decode(struct cursor *c, struct raft_msg *out_msg);
void raft_msg_fini(struct raft_msg *m); /* takes a zeroed one */
const char *raft_msg_name(enum raft_msg_type type);

/* Stored records (doc/format/raft.md).  Decoded payloads are borrowed. */
void raft_entry_encode(struct writer *w, const struct raft_entry *e);
MUST_CHECK int raft_entry_decode(struct cursor *c, struct raft_entry *out_entry);
void raft_hard_encode(struct writer *w, const struct raft_hard *h);
MUST_CHECK int raft_hard_decode(struct cursor *c, struct raft_hard *out_hard);
void raft_snap_encode(struct writer *w, const struct raft_snap *s);
MUST_CHECK int raft_snap_decode(struct cursor *c, struct raft_snap *out_snap);

/* ---- events ---- */

struct raft_token { /* names one persist; handed back as it was given */
    uint64_t seq;
    struct raft_pos upto; /* the log's last entry then */
};

enum raft_event_type {
    RAFT_EV_TICK,               /* time passed; see raft_deadline_ms */
    RAFT_EV_MSG,                /* msg */
    RAFT_EV_PROPOSE,            /* data; orders.proposed says where it went */
    RAFT_EV_READ,               /* id */
    RAFT_EV_PERSISTED,          /* token: this persist and all before it are durable */
    RAFT_EV_APPLIED,            /* index: the state machine is there */
    RAFT_EV_SNAPSHOT_CREATED,   /* index (applied), id: its size in bytes; durable */
    RAFT_EV_SNAPSHOT_INSTALLED, /* index: the received one is durable and is the state; 0: it failed
                                 */
    RAFT_EV_TRANSFER,           /* id: the voter that shall lead */
    RAFT_EV_MEMBERS,            /* members: refused with -R_UNSUPPORTED */
};

struct raft_event {
    enum raft_event_type type;
    uint64_t now_ms; /* always set; a value before an earlier one counts as that */
    uint64_t id;
    uint64_t index;
    struct bytes data;                  /* borrowed for the call */
    const struct raft_msg *msg;         /* borrowed for the call */
    const struct raft_members *members; /* borrowed for the call */
    struct raft_token token;
};

/* ---- what to do ---- */

enum raft_role { RAFT_FOLLOWER, RAFT_PRECANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

struct raft_persist {
    struct raft_token token; /* seq 0: nothing to persist */
    bool hard_changed;
    struct raft_hard hard;
    bool log_reset;           /* drop the whole log first: it goes on after `log_base` */
    struct raft_pos log_base; /* records up to here are not needed any more */
    bool log_changed;         /* drop entries from `log_from` on, then append `entries` */
    uint64_t log_from;
    const struct raft_entry *entries;
    uint32_t entry_count;
    bool has_chunk;  /* of a snapshot being received: write at `chunk_offset` of its own file */
    bool chunk_last; /* now check it, make it durable, install it, report SNAPSHOT_INSTALLED */
    uint64_t chunk_offset;
    struct raft_snap chunk_snap;
    struct bytes chunk; /* borrowed from the event's message */
};

struct raft_read {
    uint64_t id;
    uint64_t index; /* serve it when the state machine has applied this */
    int rc;         /* 0, or -R_NOT_LEADER: ask again */
};

struct raft_orders { /* everything borrowed from the raft until the next call on it */
    struct raft_persist persist;
    /* A snapshot message has `chunk.len` and no `chunk.data`: the driver puts in these bytes of the
     * snapshot at `pos`, from `offset` on; without that snapshot it drops the message. */
    struct raft_msg *msgs;
    uint32_t msg_count;
    const struct raft_entry *apply; /* no-ops included, so that positions have no holes */
    uint32_t apply_count;
    const struct raft_read *reads;
    uint32_t read_count;
    struct raft_pos proposed;
    bool role_changed; /* role, leader or term is not what it was before */
    enum raft_role role;
    uint32_t leader; /* 0: not known */
    uint64_t term;
};

/* ---- the member ---- */

struct raft; /* owned by who created it */

/* 0; -EINVAL: the configuration contradicts itself; -R_MALFORMED: the stored state does;
 * -ENOMEM. */
MUST_CHECK int raft_create(const struct raft_conf *conf, const struct raft_stored *stored,
                           struct raft **out_raft);
void raft_destroy(struct raft *r); /* NULL is fine */

/* Take one event.  On a refusal nothing changed (but the time) and `orders` is empty:
 * -R_NOT_LEADER, -R_BACK_PRESSURE, -R_OVERFLOW (a proposal too large), -R_UNSUPPORTED, -ENOMEM
 * (the event may be given again), -R_MALFORMED (a message that no correct member sends; drop it),
 * -R_RAFT_CONFLICT (a leader contradicts what is committed here: stop the role), -EINVAL (an event
 * that makes no sense now: a stale index, an unknown member). */
MUST_CHECK int raft_step(struct raft *r, const struct raft_event *ev,
                         struct raft_orders *out_orders);

/* When the next TICK is wanted at the latest; it may come earlier. */
uint64_t raft_deadline_ms(const struct raft *r);

struct raft_status {
    uint32_t id;
    enum raft_role role;
    uint32_t leader;
    struct raft_hard hard;
    uint64_t commit, applied, durable;
    struct raft_pos last;
    struct raft_pos log_base; /* the entry before the first in memory */
    struct raft_snap snap;
    uint64_t log_bytes;
    uint32_t reads_waiting;
    bool snapshot_sending; /* some peer is receiving our snapshot */
    bool lease;            /* held at the time of the last event */
};
void raft_status(const struct raft *r, struct raft_status *out_status);
/* The entry at `index`, or NULL if it is not in memory.  Borrowed until the next step. */
const struct raft_entry *raft_entry_at(const struct raft *r, uint64_t index);

/* Assert everything one member can know to be true; O(log). */
void raft_check(const struct raft *r);

#endif
