/* snapshot.c - bringing a peer up that needs entries we no longer have.
 *
 * The snapshot's bytes stay with the drivers: the leader's orders names a range (position, offset,
 * length), its driver puts the bytes into the message; the follower's orders hands each chunk to
 * its driver.  One chunk is out at a time; the answer names the next byte wanted and waits until
 * the chunk is written, which is the back-pressure.
 *
 * After the last chunk the follower's driver checks it, makes it durable, replaces the state
 * machine and reports SNAPSHOT_INSTALLED; until then nothing is given out for apply.  Only the
 * report makes it ours and answers the leader.  A crash before that forgets the chunks; a crash
 * after the installation finds a snapshot newer than the log, which raft_create resolves. */
#include "core/raft/internal.h"

static bool pos_equal(struct raft_pos a, struct raft_pos b)
{
    return a.index == b.index && a.term == b.term;
}

void raft_snapshot_send(struct raft *r, struct peer *p)
{
    struct raft_msg *m;

    ASSERT(r->snap.pos.index >= r->log.base.index);
    if (!pos_equal(p->snap, r->snap.pos)) {
        p->snap = r->snap.pos;
        p->snap_offset = 0;
        p->waiting = false;
    }
    if (p->waiting)
        return;
    m = raft_msg_new(r, RAFT_MSG_SNAPSHOT, p->id);
    m->pos = r->snap.pos;
    m->snap = r->snap;
    m->offset = p->snap_offset;
    m->chunk.len = (uint32_t)MIN(r->conf.chunk_bytes, r->snap.bytes - p->snap_offset);
    m->round = r->round;
    m->sent_ms = r->now_ms;
    p->waiting = true;
    p->waiting_round = r->round;
    p->waiting_ms = r->now_ms;
}

void raft_on_snapshot_reply(struct raft *r, const struct raft_msg *m)
{
    struct peer *p = raft_peer(r, m->from);

    raft_peer_heard(r, p, m);
    if (p->state != PEER_SNAPSHOT || !pos_equal(p->snap, m->pos) ||
        !pos_equal(p->snap, r->snap.pos) || m->offset >= r->snap.bytes)
        return;
    p->snap_offset = m->offset;
    p->waiting = false;
}

static void reply_offset(struct raft *r, const struct raft_msg *m, uint64_t offset)
{
    struct raft_msg *reply = raft_msg_new(r, RAFT_MSG_SNAPSHOT_REPLY, m->from);

    reply->ok = true;
    reply->pos = m->pos;
    reply->offset = offset;
    reply->round = m->round;
    reply->sent_ms = m->sent_ms;
    raft_msg_wait(reply);
}

static void reply_have(struct raft *r, uint32_t to, uint64_t index)
{
    struct raft_msg *reply = raft_msg_new(r, RAFT_MSG_APPEND_REPLY, to);

    reply->ok = true;
    reply->pos = (struct raft_pos){index, rlog_term(&r->log, index)};
    raft_msg_wait(reply);
}

void raft_on_snapshot(struct raft *r, const struct raft_msg *m)
{
    struct incoming *in = &r->in;

    if (m->pos.index <= r->commit) {
        reply_have(r, m->from, r->commit);
        return;
    }
    if (in->installing)
        return;
    if (!in->active || !pos_equal(in->snap.pos, m->pos) || in->snap.bytes != m->snap.bytes ||
        in->from != m->from || in->term != m->term)
        *in = (struct incoming){.active = true, .snap = m->snap, .from = m->from, .term = m->term};
    if (m->offset != in->offset) { /* twice, or the start got lost */
        reply_offset(r, m, in->offset);
        return;
    }
    in->offset += m->chunk.len;
    r->chunk.has_chunk = true;
    r->chunk.chunk_offset = m->offset;
    r->chunk.chunk_snap = in->snap;
    r->chunk.chunk = m->chunk;
    r->chunk.chunk_last = in->offset == in->snap.bytes;
    if (r->chunk.chunk_last) {
        in->active = false;
        in->installing = true;
    } else {
        reply_offset(r, m, in->offset);
    }
}

int raft_snapshot_created(struct raft *r, uint64_t index, uint64_t bytes)
{
    if (index <= r->snap.pos.index || index > r->applied || !rlog_has(&r->log, index))
        return -EINVAL;
    r->snap.pos = rlog_at(&r->log, index)->pos;
    r->snap.bytes = bytes;
    if (index > r->conf.log_keep && index - r->conf.log_keep > r->log.base.index)
        rlog_compact(&r->log, index - r->conf.log_keep);
    return 0;
}

int raft_snapshot_installed(struct raft *r, uint64_t index)
{
    struct raft_pos pos = r->in.snap.pos;

    if (!r->in.installing || (index != 0 && index != pos.index))
        return -EINVAL;
    r->snap = index ? r->in.snap : r->snap;
    r->in = (struct incoming){0};
    raft_election_reset(r); /* we may not have stood for election meanwhile */
    if (index == 0)
        return 0; /* the leader will begin again */
    if (rlog_term(&r->log, index) == pos.term) {
        rlog_compact(&r->log, index);
    } else {
        rlog_restart(&r->log, pos);
        r->log_reset = true;
        r->log_from = UINT64_MAX;
        r->durable = index;
    }
    r->durable = MAX(r->durable, index);
    r->commit = MAX(r->commit, index);
    r->emitted = index;
    r->applied = index;
    if (r->leader && r->leader != r->conf.id)
        reply_have(r, r->leader, index);
    return 0;
}
