/* internal.h - the state of a member, shared by the files of this folder only. */
#ifndef CORE_RAFT_INTERNAL_H
#define CORE_RAFT_INTERNAL_H

#include "core/raft/raft.h"
#include "core/raft/rlog.h"

enum peer_state { PEER_PROBE, PEER_REPLICATE, PEER_SNAPSHOT };

struct inflight {
    uint64_t last;  /* index of the append's last entry */
    uint64_t round; /* the leader's heartbeat round when it left */
};

struct peer { /* a member, as the leader sees it; for the member itself only id and learner count */
    uint32_t id;
    bool learner;
    enum peer_state state;
    uint64_t match; /* durable there and equal to our log up to here */
    uint64_t next;  /* the first entry to send; > match */
    uint64_t commit_sent;
    bool waiting; /* probe, snapshot: one message is out */
    uint64_t waiting_round;
    uint64_t waiting_ms;
    struct inflight inflight[RAFT_INFLIGHT_MAX]; /* replicate: a ring, oldest at inflight_head */
    uint32_t inflight_head, inflight_count;
    uint64_t acked_round;   /* newest round it answered in this term; 0: none */
    uint64_t acked_sent_ms; /* when that message left, by our clock; 0: none */
    uint64_t heard_ms;      /* when we last got an answer in this term */
    struct raft_pos snap;   /* being sent */
    uint64_t snap_offset;
};

struct pending_read {
    uint64_t id;
    uint32_t from;  /* our own id, or the follower that asks */
    uint64_t index; /* the commit index it must see; valid with `round` */
    uint64_t round; /* leadership is proved by a majority's answer to this one; 0: not begun */
};

struct incoming { /* a snapshot being received */
    struct raft_snap snap;
    uint32_t from;
    uint64_t term; /* of the leader that sends it */
    uint64_t offset;
    bool active;
    bool installing; /* complete: the driver installs it, nothing is given out for apply */
};

struct raft {
    struct raft_conf conf;
    uint64_t now_ms;
    bool started; /* has seen its first event */

    struct raft_hard hard;
    enum raft_role role;
    uint32_t leader;
    uint64_t contact_ms; /* last heard of the leader of this term, or started */
    uint64_t election_at_ms;
    uint32_t granted, answered; /* votes as bit masks of member slots */

    struct rlog log;
    struct raft_snap snap; /* the newest that exists here */
    uint64_t commit;
    uint64_t emitted; /* given out for apply */
    uint64_t applied;
    uint64_t durable; /* log prefix */
    uint64_t persist_seq, durable_seq;
    uint64_t hard_seq; /* the persist that holds the present hard state */

    struct peer peers[RAFT_MEMBERS_MAX]; /* all members, ourselves at `self` */
    uint32_t peer_count, self;

    /* leader */
    uint64_t heartbeat_at_ms;
    uint64_t round;      /* of the newest heartbeat */
    uint64_t term_start; /* index of our no-op */
    uint64_t uncommitted_bytes;
    uint32_t transferee;
    uint64_t transfer_until_ms;
    bool lease_given_up;        /* we asked somebody to take over in this term */
    struct pending_read *reads; /* owned; conf.reads_max */
    uint32_t read_count;
    uint64_t read_round; /* newest one that reads wait for */

    struct incoming in;

    /* the step at hand */
    struct raft_msg *msgs; /* owned; msg_max */
    uint32_t msg_count, msg_max;
    struct raft_read *ready; /* owned; reads_max + 1 */
    uint32_t ready_count;
    struct raft_hard hard_before;
    enum raft_role role_before;
    uint32_t leader_before;
    uint64_t log_from; /* lowest index changed; UINT64_MAX: none */
    bool log_reset;
    struct raft_persist chunk; /* its chunk fields */
    struct raft_pos proposed;
    void **copies; /* owned, with payloads not used yet: made before anything changes */
    uint32_t copy_first, copy_count; /* copies[i] belongs to entry copy_first + i of the message */
};

/* raft.c */
/* A message to `to`, with type, from, to and term filled in.  Never NULL: room is set aside. */
struct raft_msg *raft_msg_new(struct raft *r, enum raft_msg_type type, uint32_t to);
/* It attests what must be durable first: send it after this step's persist. */
void raft_msg_wait(struct raft_msg *m);
static inline bool raft_bug(const struct raft *r, enum raft_bug bug)
{
    return (r->conf.bugs & (uint32_t)bug) != 0;
}
struct peer *raft_peer(struct raft *r, uint32_t id); /* NULL: not a member */
uint32_t raft_voters(const struct raft *r);
static inline bool raft_sole_voter(const struct raft *r)
{
    return raft_voters(r) == 1 && !r->peers[r->self].learner;
}
/* The highest value that a majority of the voters has reached. */
uint64_t raft_quorum_value(const struct raft *r,
                           uint64_t (*value)(const struct raft *, const struct peer *));
/* Append an entry with payload `owned`; room is reserved. */
void raft_log_append(struct raft *r, uint64_t term, enum raft_entry_type type, struct bytes owned);
void raft_log_cut(struct raft *r, uint64_t from);
/* The payload copied for entry `i` of the event's message (0 for a proposal); ours from now on. */
struct bytes raft_copy_take(struct raft *r, uint32_t i, struct bytes original);

/* election.c */
void raft_become_follower(struct raft *r, uint64_t term, uint32_t leader);
void raft_election_tick(struct raft *r);
void raft_election_reset(struct raft *r);           /* a new random time-out from now */
void raft_contact(struct raft *r, uint32_t leader); /* heard the leader of this term */
bool raft_sticky(const struct raft *r);
void raft_on_vote(struct raft *r, const struct raft_msg *m);
void raft_on_prevote(struct raft *r, const struct raft_msg *m);
void raft_on_vote_reply(struct raft *r, const struct raft_msg *m);
void raft_on_prevote_reply(struct raft *r, const struct raft_msg *m);
void raft_on_timeout_now(struct raft *r, const struct raft_msg *m);
MUST_CHECK int raft_transfer(struct raft *r, uint32_t to);

/* replicate.c */
void raft_leader_start(struct raft *r);
void raft_leader_tick(struct raft *r);
void raft_leader_advance(struct raft *r); /* commit, tell, send: at the end of each step */
void raft_heartbeats(struct raft *r);     /* a new round */
void raft_peer_heard(struct raft *r, struct peer *p, const struct raft_msg *m);
void raft_peer_probe(struct peer *p, uint64_t next);
void raft_on_append(struct raft *r, const struct raft_msg *m);
void raft_on_append_reply(struct raft *r, const struct raft_msg *m);
void raft_on_heartbeat(struct raft *r, const struct raft_msg *m);
void raft_on_heartbeat_reply(struct raft *r, const struct raft_msg *m);
void raft_commit_to(struct raft *r, uint64_t index);

/* snapshot.c */
void raft_snapshot_send(struct raft *r, struct peer *p);
void raft_on_snapshot(struct raft *r, const struct raft_msg *m);
void raft_on_snapshot_reply(struct raft *r, const struct raft_msg *m);
MUST_CHECK int raft_snapshot_created(struct raft *r, uint64_t index, uint64_t bytes);
MUST_CHECK int raft_snapshot_installed(struct raft *r, uint64_t index);

/* read.c */
MUST_CHECK int raft_read_local(struct raft *r, uint64_t id);
void raft_on_read(struct raft *r, const struct raft_msg *m);
void raft_on_read_reply(struct raft *r, const struct raft_msg *m);
void raft_reads_advance(struct raft *r);
void raft_reads_fail(struct raft *r); /* we lead no more */
bool raft_lease_held(const struct raft *r);

#endif
