/* read.c - linearizable reads without a log entry.
 *
 * A read may be served from a state machine that has applied everything committed when it came.
 * The leader knows that commit index, once it has committed an entry of its own term; what it must
 * prove is that it still led when it took it.  Either a majority answers a heartbeat sent after the
 * read came, or it holds a lease (README.md).  Reads that come while a round is out wait
 * together for the next one.
 *
 * A follower asks the leader for the index and serves the read itself; it keeps no state for that,
 * and an answer that gets lost is the driver's time-out. */
#include "core/raft/internal.h"

static uint64_t acked_round_of(const struct raft *r, const struct peer *p)
{
    return p->id == r->conf.id ? r->round : p->acked_round;
}

static uint64_t acked_sent_of(const struct raft *r, const struct peer *p)
{
    return p->id == r->conf.id ? r->now_ms : p->acked_sent_ms;
}

/* Two milliseconds less for clocks that are cut to whole ones, at both ends. */
static uint64_t lease_ms(const struct raft_conf *conf)
{
    uint64_t d = conf->drift_permille;

    return (uint64_t)conf->election_ms * (1000 - d) / (1000 + d) - 2;
}

bool raft_lease_held(const struct raft *r)
{
    uint64_t sent;

    if (!r->conf.lease || r->role != RAFT_LEADER)
        return false;
    if (raft_bug(r, RAFT_BUG_LEASE_UNPROVEN))
        return true;
    sent = raft_quorum_value(r, acked_sent_of);
    return !r->lease_given_up && sent != 0 && r->now_ms < sent + lease_ms(&r->conf);
}

static void answer(struct raft *r, const struct pending_read *q, int rc)
{
    struct raft_msg *m;

    if (q->from == r->conf.id) {
        r->ready[r->ready_count++] = (struct raft_read){q->id, q->index, rc};
        return;
    }
    m = raft_msg_new(r, RAFT_MSG_READ_REPLY, q->from);
    m->ok = rc == 0;
    m->read_id = q->id;
    m->commit = q->index;
}

void raft_reads_fail(struct raft *r)
{
    for (uint32_t i = 0; i < r->read_count; i++)
        answer(r, &r->reads[i], -R_NOT_LEADER);
    r->read_count = 0;
}

/* Answer those whose round a majority has answered; keep the others, in order. */
static void answer_proved(struct raft *r, uint64_t proved)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < r->read_count; i++) {
        if (r->reads[i].round != 0 && r->reads[i].round <= proved)
            answer(r, &r->reads[i], 0);
        else
            r->reads[kept++] = r->reads[i];
    }
    r->read_count = kept;
}

void raft_reads_advance(struct raft *r)
{
    uint64_t proved = raft_quorum_value(r, acked_round_of);
    bool at_once = raft_sole_voter(r) || raft_lease_held(r) || raft_bug(r, RAFT_BUG_READ_NO_ROUND);
    bool fresh = false;

    if (r->read_count == 0)
        return;
    if (r->commit < r->term_start && !raft_bug(r, RAFT_BUG_READ_OLD_COMMIT))
        return; /* what earlier leaders committed last is not known yet */
    answer_proved(r, proved);
    if (!at_once && r->read_round > proved)
        return; /* a round is out: the rest share the next one */
    for (uint32_t i = 0; i < r->read_count; i++) {
        struct pending_read *q = &r->reads[i];

        if (q->round != 0)
            continue;
        q->index = r->commit;
        q->round = at_once ? r->round : r->round + 1;
        fresh = true;
    }
    if (at_once) {
        answer_proved(r, r->round);
    } else if (fresh) {
        raft_heartbeats(r);
        r->read_round = r->round;
    }
}

int raft_read_local(struct raft *r, uint64_t id)
{
    struct raft_msg *m;

    if (r->role == RAFT_LEADER) {
        if (r->read_count == r->conf.reads_max)
            return -R_BACK_PRESSURE;
        r->reads[r->read_count++] = (struct pending_read){.id = id, .from = r->conf.id};
        return 0;
    }
    if (r->leader == 0)
        return -R_NOT_LEADER;
    m = raft_msg_new(r, RAFT_MSG_READ, r->leader);
    m->read_id = id;
    return 0;
}

void raft_on_read(struct raft *r, const struct raft_msg *m)
{
    struct pending_read q = {.id = m->read_id, .from = m->from};

    if (r->role == RAFT_LEADER && r->read_count < r->conf.reads_max)
        r->reads[r->read_count++] = q;
    else
        answer(r, &q, -R_NOT_LEADER);
}

void raft_on_read_reply(struct raft *r, const struct raft_msg *m)
{
    r->ready[r->ready_count++] =
        (struct raft_read){m->read_id, m->commit, m->ok ? 0 : -R_NOT_LEADER};
}
