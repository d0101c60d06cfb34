/* election.c - who leads: time-outs, pre-votes, votes, and giving leadership away.
 *
 * A follower that hears no leader for its random time-out asks the others whether they would vote
 * for it (pre-vote: no term changes, so a member that was cut off disturbs nobody when it comes
 * back).  With a majority it raises the term, votes for itself and asks in earnest.
 *
 * A member that heard a leader, or started, less than election_ms ago ignores both requests: that
 * promise is what the leader's lease rests on.  It must also hold across a restart, which forgets
 * when the leader was last heard; so starting counts as hearing. */
#include "core/raft/internal.h"

static uint32_t slot_bit(const struct raft *r, const struct peer *p)
{
    return UINT32_C(1) << (uint32_t)(p - r->peers);
}

static bool majority(const struct raft *r, uint32_t mask)
{
    return (uint32_t)__builtin_popcount(mask) > raft_voters(r) / 2;
}

void raft_election_reset(struct raft *r)
{
    r->election_at_ms =
        r->now_ms + r->conf.election_ms + rng_below(&r->conf.rng, r->conf.election_ms);
}

void raft_contact(struct raft *r, uint32_t leader)
{
    r->leader = leader;
    r->contact_ms = r->now_ms;
    raft_election_reset(r);
}

bool raft_sticky(const struct raft *r)
{
    if (!r->conf.check_quorum || raft_bug(r, RAFT_BUG_NOT_STICKY))
        return false;
    if (r->role == RAFT_LEADER)
        return true;
    return r->now_ms < r->contact_ms + r->conf.election_ms;
}

/* Term, role and leader; a term that rises forgets the vote. */
void raft_become_follower(struct raft *r, uint64_t term, uint32_t leader)
{
    bool led = r->role == RAFT_LEADER;

    ASSERT(term >= r->hard.term);
    if (term > r->hard.term)
        r->hard = (struct raft_hard){.term = term};
    if (r->role != RAFT_FOLLOWER)
        raft_election_reset(r);
    r->role = RAFT_FOLLOWER;
    r->leader = leader;
    r->transferee = 0;
    r->uncommitted_bytes = 0;
    if (led)
        raft_reads_fail(r);
}

static void ask_votes(struct raft *r, enum raft_msg_type type, uint64_t term, bool force)
{
    r->granted = UINT32_C(1) << r->self;
    r->answered = r->granted;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct raft_msg *m;

        if (i == r->self || r->peers[i].learner)
            continue;
        m = raft_msg_new(r, type, r->peers[i].id);
        m->term = term;
        m->pos = rlog_last(&r->log);
        m->force = force;
        if (type == RAFT_MSG_VOTE) /* attests our own vote, and that our log is what it says */
            raft_msg_wait(m);
    }
}

/* Raise the term and ask for votes.
 *
 * Our own vote is counted before it is durable: the requests leave only after it is, so no
 * majority of several can be complete before.  A sole voter leads at once; what it commits waits
 * for the disk, and the vote lies before it in the same queue. */
static void stand(struct raft *r, bool forced)
{
    ASSERT(r->role != RAFT_LEADER);
    r->leader = 0;
    raft_election_reset(r);
    r->role = RAFT_CANDIDATE;
    r->hard = (struct raft_hard){.term = r->hard.term + 1, .vote = r->conf.id};
    ask_votes(r, RAFT_MSG_VOTE, r->hard.term, forced);
    if (majority(r, r->granted))
        raft_leader_start(r);
}

static void campaign(struct raft *r)
{
    if (!r->conf.pre_vote || raft_sole_voter(r)) {
        stand(r, false);
        return;
    }
    r->leader = 0;
    raft_election_reset(r);
    r->role = RAFT_PRECANDIDATE;
    ask_votes(r, RAFT_MSG_PREVOTE, r->hard.term + 1, false);
}

void raft_election_tick(struct raft *r)
{
    if (r->peers[r->self].learner)
        return;
    if (r->in.installing) { /* our state machine is being replaced: not now */
        raft_election_reset(r);
        return;
    }
    if (raft_sole_voter(r) || r->now_ms >= r->election_at_ms)
        campaign(r);
}

static bool log_suffices(const struct raft *r, struct raft_pos candidate)
{
    struct raft_pos mine = rlog_last(&r->log);

    if (raft_bug(r, RAFT_BUG_VOTE_ANY_LOG))
        return true;
    if (candidate.term != mine.term)
        return candidate.term > mine.term;
    return candidate.index >= mine.index;
}

static void answer_vote(struct raft *r, const struct raft_msg *m, enum raft_msg_type type, bool ok,
                        uint64_t term)
{
    struct raft_msg *reply = raft_msg_new(r, type, m->from);

    reply->ok = ok;
    reply->term = term;
    raft_msg_wait(reply);
}

/* The caller asked raft_sticky, and took over m->term if it was newer. */
void raft_on_vote(struct raft *r, const struct raft_msg *m)
{
    bool free_vote =
        r->hard.vote == 0 || r->hard.vote == m->from || raft_bug(r, RAFT_BUG_VOTE_TWICE);
    bool ok = m->term == r->hard.term && !r->peers[r->self].learner && free_vote &&
              r->role == RAFT_FOLLOWER && (r->leader == 0 || r->leader == m->from) &&
              log_suffices(r, m->pos);

    if (ok) {
        r->hard.vote = m->from;
        raft_election_reset(r); /* give it time to lead */
    }
    answer_vote(r, m, RAFT_MSG_VOTE_REPLY, ok, r->hard.term);
}

void raft_on_prevote(struct raft *r, const struct raft_msg *m)
{
    bool ok = m->term > r->hard.term && !r->peers[r->self].learner && log_suffices(r, m->pos);

    if (r->role == RAFT_LEADER && m->term > r->hard.term && !r->conf.check_quorum)
        ok = false; /* we do lead */
    answer_vote(r, m, RAFT_MSG_PREVOTE_REPLY, ok, ok ? m->term : r->hard.term);
}

static void count_vote(struct raft *r, const struct raft_msg *m)
{
    struct peer *p = raft_peer(r, m->from);

    if (!p || p->learner)
        return;
    r->answered |= slot_bit(r, p);
    if (m->ok)
        r->granted |= slot_bit(r, p);
}

void raft_on_vote_reply(struct raft *r, const struct raft_msg *m)
{
    if (r->role != RAFT_CANDIDATE || m->term != r->hard.term)
        return;
    count_vote(r, m);
    if (majority(r, r->granted))
        raft_leader_start(r);
    else if (majority(r, r->answered & ~r->granted))
        raft_become_follower(r, r->hard.term, 0);
}

void raft_on_prevote_reply(struct raft *r, const struct raft_msg *m)
{
    if (r->role != RAFT_PRECANDIDATE)
        return;
    if (m->ok ? m->term != r->hard.term + 1 : m->term != r->hard.term)
        return;
    count_vote(r, m);
    if (majority(r, r->granted))
        stand(r, false);
    else if (majority(r, r->answered & ~r->granted))
        raft_become_follower(r, r->hard.term, 0);
}

void raft_on_timeout_now(struct raft *r, const struct raft_msg *m)
{
    if (m->term != r->hard.term || r->role != RAFT_FOLLOWER || r->leader != m->from)
        return;
    if (!r->peers[r->self].learner && !r->in.installing)
        stand(r, true); /* no pre-vote, and nobody's stickiness applies */
}

int raft_transfer(struct raft *r, uint32_t to)
{
    struct peer *p = raft_peer(r, to);

    if (r->role != RAFT_LEADER)
        return -R_NOT_LEADER;
    if (!p || p->learner)
        return -EINVAL;
    if (to == r->conf.id)
        return 0;
    if (r->transferee)
        return -R_BACK_PRESSURE;
    r->transferee = to; /* raft_leader_advance asks it once it has everything */
    r->transfer_until_ms = r->now_ms + r->conf.election_ms;
    return 0;
}
