/* replicate.c - the leader brings every log to its own; followers check and accept.
 *
 * A peer starts in probe: one append at a time, until one agrees with what precedes it.  A refusal
 * brings a hint (the follower's last entry that is not of a later term than the one asked for),
 * so that a whole diverged term is skipped at once.  Then replicate: appends leave as entries
 * come, up to inflight_max ahead of the answers.
 *
 * A lost append shows in the answer to a later heartbeat: the follower's last index is still below
 * what that append ended with; or its durable index is not, but we had no answer.  Then back to
 * probe.  A heartbeat's answer never waits for the follower's disk, an append's always does; so a
 * slow disk slows commits, not elections.
 *
 * Entries go out while the leader's own disk still works on them; its own copy counts when it is
 * durable.  Only entries of its own term are committed by counting: an entry of an older term can
 * have a majority and still be replaced (Ongaro's thesis, figure 3.7). */
#include "core/raft/internal.h"

static uint64_t match_of(const struct raft *r, const struct peer *p)
{
    if (p->id != r->conf.id)
        return p->match;
    return raft_bug(r, RAFT_BUG_COUNT_UNPERSISTED) ? rlog_last_index(&r->log) : r->durable;
}

static uint64_t heard_of(const struct raft *r, const struct peer *p)
{
    return p->id == r->conf.id ? r->now_ms : p->heard_ms;
}

void raft_peer_probe(struct peer *p, uint64_t next)
{
    p->state = PEER_PROBE;
    p->next = MAX(next, p->match + 1);
    p->waiting = false;
    p->inflight_count = 0;
}

static void peer_replicate(struct peer *p)
{
    p->state = PEER_REPLICATE;
    p->next = p->match + 1;
    p->waiting = false;
    p->inflight_count = 0;
}

static struct inflight *inflight_at(struct peer *p, uint32_t i)
{
    return &p->inflight[(p->inflight_head + i) % RAFT_INFLIGHT_MAX];
}

void raft_leader_start(struct raft *r)
{
    r->role = RAFT_LEADER;
    r->leader = r->conf.id;
    r->transferee = 0;
    r->lease_given_up = false;
    r->read_round = r->round;
    r->heartbeat_at_ms = r->now_ms + r->conf.heartbeat_ms;
    r->uncommitted_bytes = 0;
    for (uint64_t i = r->commit + 1; i <= rlog_last_index(&r->log); i++)
        r->uncommitted_bytes += rlog_at(&r->log, i)->data.len;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        struct peer *p = &r->peers[i];

        *p = (struct peer){.id = p->id, .learner = p->learner, .heard_ms = r->now_ms};
        raft_peer_probe(p, rlog_last_index(&r->log) + 1);
    }
    raft_log_append(r, r->hard.term, RAFT_NOOP, (struct bytes){0});
    r->term_start = rlog_last_index(&r->log);
}

static void heartbeat(struct raft *r, struct peer *p)
{
    struct raft_msg *m = raft_msg_new(r, RAFT_MSG_HEARTBEAT, p->id);

    /* Not beyond what the peer has acknowledged: its log may still differ after that. */
    m->commit = raft_bug(r, RAFT_BUG_COMMIT_UNMATCHED) ? r->commit : MIN(p->match, r->commit);
    m->round = r->round;
    m->sent_ms = r->now_ms;
    p->commit_sent = m->commit;
}

void raft_heartbeats(struct raft *r)
{
    r->round++;
    r->heartbeat_at_ms = r->now_ms + r->conf.heartbeat_ms;
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (i != r->self)
            heartbeat(r, &r->peers[i]);
    }
}

void raft_leader_tick(struct raft *r)
{
    if (r->conf.check_quorum && r->now_ms - raft_quorum_value(r, heard_of) >= r->conf.election_ms) {
        raft_become_follower(r, r->hard.term, 0);
        return;
    }
    if (r->transferee && r->now_ms >= r->transfer_until_ms)
        r->transferee = 0;
    if (r->now_ms >= r->heartbeat_at_ms)
        raft_heartbeats(r);
}

void raft_commit_to(struct raft *r, uint64_t index)
{
    ASSERT(index <= rlog_last_index(&r->log));
    while (r->commit < index) {
        r->commit++;
        if (r->role == RAFT_LEADER && rlog_has(&r->log, r->commit))
            r->uncommitted_bytes -= rlog_at(&r->log, r->commit)->data.len;
    }
}

/* ---- leader: sending ---- */

static uint32_t batch_count(const struct raft *r, uint64_t next)
{
    uint64_t bytes = 0;
    uint32_t n = 0;

    while (n < r->conf.append_entries_max && rlog_has(&r->log, next + n)) {
        bytes += rlog_at(&r->log, next + n)->data.len;
        if (n > 0 && bytes > r->conf.append_bytes_max)
            break;
        n++;
    }
    return n;
}

static void send_append(struct raft *r, struct peer *p)
{
    struct raft_msg *m = raft_msg_new(r, RAFT_MSG_APPEND, p->id);

    m->pos.index = p->next - 1;
    m->pos.term = rlog_term(&r->log, m->pos.index);
    m->entry_count = batch_count(r, p->next); /* `entries` is filled in when the step ends */
    m->commit = r->commit;
    m->round = r->round;
    m->sent_ms = r->now_ms;
    p->commit_sent = MIN(r->commit, m->pos.index + m->entry_count);
    if (p->state == PEER_PROBE) {
        p->waiting = true;
        p->waiting_round = r->round;
        return;
    }
    p->next += m->entry_count;
    *inflight_at(p, p->inflight_count++) = (struct inflight){p->next - 1, r->round};
}

static void peer_send(struct raft *r, struct peer *p)
{
    uint64_t last = rlog_last_index(&r->log);

    if (p->state != PEER_SNAPSHOT && p->next <= r->log.base.index) {
        p->state = PEER_SNAPSHOT;
        p->waiting = false;
        p->inflight_count = 0;
        p->snap = (struct raft_pos){0};
    }
    if (p->state == PEER_SNAPSHOT) {
        raft_snapshot_send(r, p);
        return;
    }
    if (p->state == PEER_PROBE) {
        if (!p->waiting)
            send_append(r, p);
        return;
    }
    while (p->next <= last && p->inflight_count < r->conf.inflight_max)
        send_append(r, p);
    if (p->commit_sent < MIN(p->match, r->commit))
        heartbeat(r, p); /* tell it now: its readers need not wait for the next heartbeat */
}

static void transfer_advance(struct raft *r)
{
    struct peer *p = raft_peer(r, r->transferee);

    if (!p || p->match != rlog_last_index(&r->log))
        return;
    (void)raft_msg_new(r, RAFT_MSG_TIMEOUT_NOW, p->id);
    /* It may arrive at any later time, and votes it causes ignore stickiness. */
    r->lease_given_up = !raft_bug(r, RAFT_BUG_LEASE_KEPT);
    r->transferee = 0;
}

void raft_leader_advance(struct raft *r)
{
    uint64_t agreed = raft_quorum_value(r, match_of);

    if (agreed > r->commit &&
        (rlog_term(&r->log, agreed) == r->hard.term || raft_bug(r, RAFT_BUG_COMMIT_OLD_TERM)))
        raft_commit_to(r, agreed);
    raft_reads_advance(r);
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (i != r->self)
            peer_send(r, &r->peers[i]);
    }
    if (r->transferee)
        transfer_advance(r);
}

/* ---- leader: answers ---- */

void raft_peer_heard(struct raft *r, struct peer *p, const struct raft_msg *m)
{
    p->heard_ms = r->now_ms;
    if (m->round <= r->round) /* what we never sent proves nothing */
        p->acked_round = MAX(p->acked_round, m->round);
    if (m->sent_ms <= r->now_ms)
        p->acked_sent_ms = MAX(p->acked_sent_ms, m->sent_ms);
    if (raft_bug(r, RAFT_BUG_LEASE_FROM_REPLY))
        p->acked_sent_ms = r->now_ms;
}

static void append_refused(struct raft *r, struct peer *p, const struct raft_msg *m)
{
    uint64_t next;

    if (p->state == PEER_REPLICATE) {
        if (m->refused_index > p->match) /* else an old answer */
            raft_peer_probe(p, p->match + 1);
        return;
    }
    if (p->state != PEER_PROBE || m->refused_index != p->next - 1)
        return;
    next = rlog_find_term(&r->log, m->pos.index, m->pos.term) + 1;
    if (m->pos.index < r->log.base.index)
        next = m->pos.index + 1; /* no terms left to compare: a snapshot will do */
    raft_peer_probe(p, MIN(next, p->next - 1));
}

void raft_on_append_reply(struct raft *r, const struct raft_msg *m)
{
    struct peer *p = raft_peer(r, m->from);

    raft_peer_heard(r, p, m);
    if (!m->ok) {
        append_refused(r, p, m);
        return;
    }
    if (m->pos.index > rlog_last_index(&r->log))
        return; /* we never sent that */
    p->match = MAX(p->match, m->pos.index);
    if (p->state == PEER_REPLICATE) {
        while (p->inflight_count && inflight_at(p, 0)->last <= p->match) {
            p->inflight_head = (p->inflight_head + 1) % RAFT_INFLIGHT_MAX;
            p->inflight_count--;
        }
        p->next = MAX(p->next, p->match + 1);
    } else if (p->state == PEER_PROBE && p->match + 1 >= p->next) {
        peer_replicate(p);
    } else if (p->state == PEER_SNAPSHOT && p->match >= r->log.base.index) {
        raft_peer_probe(p, p->match + 1);
    }
}

void raft_on_heartbeat_reply(struct raft *r, const struct raft_msg *m)
{
    struct peer *p = raft_peer(r, m->from);

    raft_peer_heard(r, p, m);
    switch (p->state) {
    case PEER_PROBE:
        if (p->waiting && m->round > p->waiting_round)
            p->waiting = false;
        break;
    case PEER_REPLICATE:
        if (p->inflight_count && m->round > inflight_at(p, 0)->round &&
            (m->pos.index < inflight_at(p, 0)->last || m->commit >= inflight_at(p, 0)->last))
            raft_peer_probe(p, p->match + 1); /* the append, or its answer, was lost */
        break;
    case PEER_SNAPSHOT: /* a chunk's answer waits for a disk: give it more time */
        if (p->waiting && r->now_ms >= p->waiting_ms + r->conf.election_ms)
            p->waiting = false;
        break;
    }
}

/* ---- follower ---- */

void raft_on_heartbeat(struct raft *r, const struct raft_msg *m)
{
    struct raft_msg *reply = raft_msg_new(r, RAFT_MSG_HEARTBEAT_REPLY, m->from);

    raft_commit_to(r, MAX(r->commit, MIN(m->commit, rlog_last_index(&r->log))));
    reply->pos = rlog_last(&r->log);
    reply->commit = r->durable;
    reply->round = m->round;
    reply->sent_ms = m->sent_ms;
    reply->ok = true;
}

static void append_refuse(struct raft *r, const struct raft_msg *m, struct raft_msg *reply)
{
    uint64_t hint = rlog_find_term(&r->log, m->pos.index, m->pos.term);

    reply->ok = false;
    reply->refused_index = m->pos.index;
    reply->pos = (struct raft_pos){hint, rlog_term(&r->log, hint)};
}

/* The message's entries agree with what precedes them: replace what differs, keep what is equal
 * (an old message may come late, and must not cut off what a newer one brought). */
static void append_entries(struct raft *r, const struct raft_msg *m)
{
    for (uint32_t i = 0; i < m->entry_count; i++) {
        const struct raft_entry *e = &m->entries[i];
        uint64_t index = m->pos.index + 1 + i;

        if (index <= r->log.base.index)
            continue;
        if (rlog_has(&r->log, index)) {
            if (rlog_term(&r->log, index) == e->pos.term || raft_bug(r, RAFT_BUG_KEEP_CONFLICT))
                continue;
            raft_log_cut(r, index);
        }
        raft_log_append(r, e->pos.term, e->type, raft_copy_take(r, i, e->data));
    }
}

void raft_on_append(struct raft *r, const struct raft_msg *m)
{
    struct raft_msg *reply = raft_msg_new(r, RAFT_MSG_APPEND_REPLY, m->from);
    uint64_t agreed = m->pos.index + m->entry_count;

    reply->round = m->round;
    reply->sent_ms = m->sent_ms;
    raft_msg_wait(reply);
    if (m->pos.index < r->commit) { /* late, or sent before it knew us: what is committed agrees */
        reply->ok = true;
        reply->pos = (struct raft_pos){r->commit, rlog_term(&r->log, r->commit)};
        return;
    }
    if (m->pos.index > rlog_last_index(&r->log) ||
        (rlog_term(&r->log, m->pos.index) != m->pos.term && !raft_bug(r, RAFT_BUG_SKIP_PREV))) {
        append_refuse(r, m, reply);
        return;
    }
    append_entries(r, m);
    raft_commit_to(r, MAX(r->commit, MIN(m->commit, agreed)));
    reply->ok = true;
    reply->pos = (struct raft_pos){agreed, rlog_term(&r->log, agreed)};
}
