/* check.c - what one member can know to be true of itself.
 *
 * What takes several members to see (one leader a term, logs that agree, nothing committed lost)
 * is checked by the simulation in tests/unit/raft. */
#include "core/raft/internal.h"

static void check_log(const struct raft *r)
{
    const struct rlog *log = &r->log;
    struct raft_pos before = log->base;
    uint64_t bytes = 0;

    for (size_t i = 0; i < log->count; i++) {
        const struct raft_entry *e = &log->e[log->head + i];

        ASSERT(e->pos.index == before.index + 1);
        ASSERT(e->pos.term >= before.term);
        ASSERT((e->data.data != NULL) == (e->data.len != 0));
        bytes += e->data.len + sizeof(*e);
        before = e->pos;
    }
    ASSERT(before.term <= r->hard.term);
    ASSERT(bytes == log->bytes);
    ASSERT(log->head + log->count <= log->cap);
}

static void check_positions(const struct raft *r)
{
    uint64_t last = rlog_last_index(&r->log);

    ASSERT(r->log.base.index <= r->snap.pos.index);
    ASSERT(r->snap.pos.index <= r->commit);
    ASSERT(r->commit <= last);
    ASSERT(r->durable <= last);
    ASSERT(r->durable >= r->log.base.index);
    ASSERT(r->applied <= r->emitted);
    ASSERT(r->emitted <= MIN(r->commit, r->durable));
    ASSERT(r->log.base.index <= r->applied);
    ASSERT(r->durable_seq <= r->persist_seq);
}

static void check_peer(const struct raft *r, const struct peer *p)
{
    uint64_t last = rlog_last_index(&r->log);

    ASSERT(p->match <= last);
    ASSERT(p->acked_round <= r->round);
    ASSERT(p->acked_sent_ms <= r->now_ms);
    ASSERT(p->inflight_count <= r->conf.inflight_max);
    if (p->state != PEER_SNAPSHOT) {
        ASSERT(p->next > p->match);
        ASSERT(p->next <= last + 1);
        ASSERT(p->next > r->log.base.index);
    }
    if (p->state != PEER_REPLICATE)
        ASSERT(p->inflight_count == 0);
    for (uint32_t i = 0; i < p->inflight_count; i++)
        ASSERT(p->inflight[(p->inflight_head + i) % RAFT_INFLIGHT_MAX].last < p->next);
}

static void check_leader(const struct raft *r)
{
    uint64_t bytes = 0;

    ASSERT(r->leader == r->conf.id);
    ASSERT(r->hard.vote == r->conf.id);
    ASSERT(!r->peers[r->self].learner);
    ASSERT(!r->in.installing);
    ASSERT(rlog_last(&r->log).term == r->hard.term); /* at least the no-op */
    for (uint64_t i = r->commit + 1; i <= rlog_last_index(&r->log); i++)
        bytes += rlog_at(&r->log, i)->data.len;
    ASSERT(bytes == r->uncommitted_bytes);
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (i != r->self)
            check_peer(r, &r->peers[i]);
    }
    for (uint32_t i = 0; i < r->read_count; i++)
        ASSERT(r->reads[i].index <= r->commit);
}

void raft_check(const struct raft *r)
{
    check_log(r);
    check_positions(r);
    ASSERT(r->copies == NULL);
    switch (r->role) {
    case RAFT_LEADER:
        check_leader(r);
        return;
    case RAFT_CANDIDATE:
        ASSERT(r->hard.vote == r->conf.id);
        ASSERT(r->leader == 0);
        break;
    case RAFT_PRECANDIDATE:
        ASSERT(r->leader == 0);
        break;
    case RAFT_FOLLOWER:
        ASSERT(r->leader != r->conf.id);
        break;
    }
    ASSERT(r->read_count == 0);
    ASSERT(r->uncommitted_bytes == 0);
}
