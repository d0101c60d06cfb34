/* mon_raft.c - the driver of core/raft, in the order of its contract: copy what a step lent,
 * persist, send, apply, answer.
 *
 * Snapshots are written by a worker while the log goes on.  The newest durable one is kept in
 * memory too, to be sent to a member that fell behind.  A received one is collected in memory,
 * decoded, written, and only then becomes the state. */
#include "core/mon/mon_int.h"

#include <stdlib.h>

static void step(struct mon *mon, struct raft_event *ev);

static uint64_t now_ms(const struct mon *mon)
{
    return mon_now(mon) / NS_PER_MS;
}

/* ---- messages ---- */

static struct mon_peer *peer_of(struct mon *mon, uint32_t raft_id)
{
    for (uint32_t i = 0; i < mon->peer_count; i++)
        if (mon->peers[i].id + 1 == raft_id)
            return &mon->peers[i];
    return NULL;
}

static void send_now(struct mon *mon, uint32_t to, struct msg_mon_raft *m)
{
    struct mon_peer *p = peer_of(mon, to);

    /* A peer that does not take its messages is sent less: Raft sends again what matters. */
    if (!p || !p->s || session_queued_bytes(p->s) > MON_PEER_QUEUE_BYTES) {
        msg_free(&m->base);
        return;
    }
    m->wall_ns = env_wall_ns(mon->env);
    session_send(p->s, &m->base);
}

/* Compare clocks.  A message may have waited on its way: of a window the one counts that says
 * least. */
static void skew_take(struct mon *mon, struct mon_peer *p, uint64_t wall_ns)
{
    int64_t skew = (int64_t)(env_wall_ns(mon->env) - wall_ns);
    uint64_t now = mon_now(mon);

    if (!wall_ns)
        return;
    if (!p->skew.since_ns || now - p->skew.since_ns > MON_SKEW_WINDOW_MS * NS_PER_MS) {
        p->skew.least_before = p->skew.since_ns ? p->skew.least : 0;
        p->skew.least = skew;
        p->skew.since_ns = now;
    } else if (llabs(skew) < llabs(p->skew.least)) {
        p->skew.least = skew;
    }
}

int64_t mon_peer_skew_ns(const struct mon *mon, const struct mon_peer *p)
{
    bool old = mon_now(mon) - p->skew.since_ns > 2 * MON_SKEW_WINDOW_MS * NS_PER_MS;

    return p->skew.since_ns && !old ? p->skew.least_before : 0;
}

static void chunk_fill(const struct mon *mon, struct raft_msg *m, uint8_t *room)
{
    buf_copy_out(&mon->snap_state, m->offset, room, m->chunk.len);
    m->chunk.data = room;
}

static bool chunk_there(const struct mon *mon, const struct raft_msg *m)
{
    return mon->snap.pos.index == m->pos.index && mon->snap.pos.term == m->pos.term &&
           m->offset + m->chunk.len <= mon->snap_state.bytes;
}

/* Losing a message for want of memory is as if the network lost it. */
static struct msg_mon_raft *encode(const struct mon *mon, struct raft_msg *m)
{
    AUTO(writer) w = {0};
    AUTO_FREE uint8_t *room = NULL;
    struct msg_mon_raft *out;

    if (m->type == RAFT_MSG_SNAPSHOT) {
        if (!chunk_there(mon, m))
            return NULL;
        room = mem_alloc(m->chunk.len);
        if (!room)
            return NULL;
        chunk_fill(mon, m, room);
    }
    raft_msg_encode(&w, m);
    out = w.rc == 0 ? MESSAGE_NEW(mon_raft) : NULL;
    if (out && buf_append_copy(&out->payload, w.data, w.len) < 0) {
        msg_free(&out->base);
        return NULL;
    }
    return out;
}

static void send_or_hold(struct mon *mon, struct raft_msg *m)
{
    struct msg_mon_raft *out = encode(mon, m);
    struct mon_held_msg *h;

    if (!out)
        return;
    if (m->after_seq <= mon->durable_seq) {
        send_now(mon, m->to, out);
        return;
    }
    h = mem_zalloc(sizeof(*h));
    if (!h) {
        msg_free(&out->base);
        return;
    }
    *h = (struct mon_held_msg){.after_seq = m->after_seq, .to = m->to, .m = out};
    list_push_back(&mon->held_msgs, &h->link);
}

static void held_send(struct mon *mon)
{
    LIST_EACH_SAFE (pos, &mon->held_msgs) {
        struct mon_held_msg *h = LIST_ENTRY(pos, struct mon_held_msg, link);

        if (h->after_seq > mon->durable_seq)
            continue;
        list_remove(&h->link);
        send_now(mon, h->to, h->m);
        mem_free(h);
    }
}

/* ---- snapshots ---- */

static void snapshot_made(void *arg, int rc)
{
    struct mon *mon = arg;
    struct raft_event ev = {.type = RAFT_EV_SNAPSHOT_CREATED};

    mon->snapping = false;
    if (mon_halted(mon))
        return;
    if (rc == -ENOSPC || rc == -ENOMEM) { /* the old one is whole: try again later */
        log_warn(&mon->log, "no room for a snapshot", KV_RC(rc));
        buf_fini(&mon->snap_next_state);
        return;
    }
    if (rc < 0) {
        mon_fail(mon, rc, "the snapshot", NULL);
        return;
    }
    mon->snap = mon->snap_next;
    buf_fini(&mon->snap_state);
    mon->snap_state = buf_move(&mon->snap_next_state);
    mon->n.snapshots++;
    ev.index = mon->snap.pos.index;
    ev.id = mon->snap.bytes;
    step(mon, &ev);
}

static bool snapshot_due(const struct mon *mon)
{
    struct raft_status st;

    raft_status(mon->raft, &st);
    if (mon->snapping || st.snapshot_sending || st.applied <= st.snap.pos.index ||
        !raft_entry_at(mon->raft, st.applied))
        return false;
    return st.applied - st.snap.pos.index >= mon->snapshot_entries ||
           st.log_bytes >= MON_SNAPSHOT_BYTES;
}

void mon_raft_snapshot_if_due(struct mon *mon)
{
    AUTO(writer) w = {0};
    struct raft_status st;
    int rc;

    if (!snapshot_due(mon))
        return;
    raft_status(mon->raft, &st);
    mon_state_encode(&mon->state, &w);
    rc = w.rc < 0 ? w.rc : buf_append_copy(&mon->snap_next_state, w.data, w.len);
    if (rc == 0) {
        mon->snap_next = (struct raft_snap){.pos = raft_entry_at(mon->raft, st.applied)->pos,
                                            .bytes = w.len,
                                            .members = st.snap.members};
        rc = mon_store_snapshot(mon->store, &mon->snap_next, &mon->snap_next_state, snapshot_made,
                                mon);
    }
    if (rc < 0) { /* no memory: when the next entry is applied */
        buf_fini(&mon->snap_next_state);
        return;
    }
    mon->snapping = true;
}

static void installed(struct mon *mon, uint64_t index)
{
    struct raft_event ev = {.type = RAFT_EV_SNAPSHOT_INSTALLED, .index = index};

    step(mon, &ev);
}

static void install_done(void *arg, int rc)
{
    struct mon *mon = arg;

    mon->snapping = false;
    mon->snap_installs = false;
    if (mon_halted(mon))
        return;
    if (rc < 0) {
        mon_fail(mon, rc, "the leader's snapshot", NULL);
        return;
    }
    mon_state_fini(&mon->state);
    mon->state = mon->installing;
    list_init(&mon->state.results);
    list_splice(&mon->state.results, &mon->installing.results);
    memset(&mon->installing, 0, sizeof(mon->installing));
    mon->snap = mon->snap_next;
    buf_fini(&mon->snap_state);
    mon->snap_state = buf_move(&mon->snap_next_state);
    mon->applied_index = mon->snap.pos.index;
    mon->n.installs++;
    log_info(&mon->log, "took over the leader's snapshot", KV_U64("index", mon->applied_index),
             KV_EPOCH(mon_state_epoch(&mon->state)));
    installed(mon, mon->applied_index);
    mon_turn_queue(mon);
}

/* The last chunk is here: check, write, become it. */
static void install(struct mon *mon)
{
    struct writer *in = &mon->incoming_bytes;
    int rc;

    if (mon->snapping) { /* our own is being written: the leader sends again */
        installed(mon, 0);
        return;
    }
    rc = mon_state_decode((struct bytes){in->data, (uint32_t)in->len}, &mon->installing);
    if (rc == 0 && memcmp(mon->installing.fsid, mon->fsid, sizeof(mon->fsid)) != 0)
        rc = -R_WRONG_CLUSTER;
    if (rc == 0) {
        buf_fini(&mon->snap_next_state);
        rc = buf_append_copy(&mon->snap_next_state, in->data, in->len);
    }
    if (rc == 0) {
        mon->snap_next = mon->incoming;
        rc = mon_store_snapshot(mon->store, &mon->snap_next, &mon->snap_next_state, install_done,
                                mon);
    }
    writer_fini(in);
    *in = (struct writer){0};
    if (rc < 0) {
        log_warn(&mon->log, "the leader's snapshot cannot be used", KV_RC(rc));
        mon_state_fini(&mon->installing);
        installed(mon, 0);
        return;
    }
    mon->snapping = true;
    mon->snap_installs = true;
}

/* Keep a chunk; false: not usable (the install will fail and begin anew). */
static void chunk_take(struct mon *mon, const struct raft_persist *p)
{
    struct writer *in = &mon->incoming_bytes;

    if (p->chunk_offset == 0) {
        writer_fini(in);
        *in = (struct writer){0};
        mon->incoming = p->chunk_snap;
    }
    if (in->len == p->chunk_offset && p->chunk_snap.bytes <= MON_SNAPSHOT_MAX)
        wr_raw(in, p->chunk.data, p->chunk.len);
}

/* ---- applying ---- */

static int entry_apply(struct mon *mon, const struct raft_entry *e)
{
    int rc = 0;

    if (e->type == RAFT_DATA)
        rc = mon_state_apply(&mon->state, e->data);
    if (rc < 0)
        return rc;
    mon->applied_index = e->pos.index;
    if (e->type == RAFT_DATA)
        mon->n.applied++;
    if (mon->role == RAFT_LEADER && mon->term == e->pos.term && !mon->leading) {
        mon->leading = true;
        mon->n.elections++;
        mon->led_since_ns = mon_now(mon);
        log_info(&mon->log, "leads", KV_U64("term", mon->term),
                 KV_EPOCH(mon_state_epoch(&mon->state)));
    }
    if (mon->in_flight)
        mon_draft_committed(mon, e->pos);
    return 0;
}

static void role_take(struct mon *mon, const struct raft_orders *orders)
{
    bool lost =
        mon->role == RAFT_LEADER && (orders->role != RAFT_LEADER || orders->term != mon->term);

    mon->role = orders->role;
    mon->term = orders->term;
    mon->leader = orders->leader;
    if (lost) {
        if (mon->leading)
            log_info(&mon->log, "leads no more", KV_U64("term", orders->term));
        mon->leading = false;
        mon_draft_drop(mon);
    }
    mon_turn_queue(mon);
}

static void timer_set(struct mon *mon)
{
    uint64_t at = raft_deadline_ms(mon->raft);

    if (at == UINT64_MAX || mon_halted(mon)) {
        env_timer_cancel(mon->env, &mon->raft_timer);
        return;
    }
    if (mon->raft_timer.armed && mon->raft_timer_ms == at)
        return;
    mon->raft_timer_ms = at;
    env_timer_at(mon->env, &mon->raft_timer, at * NS_PER_MS);
}

/* What the step lent is used up before the next step; then the steps that follow from it. */
static void orders_do(struct mon *mon, const struct raft_orders *orders)
{
    bool chunk_last = orders->persist.has_chunk && orders->persist.chunk_last;
    uint64_t applied = 0;
    int rc = 0;

    if (orders->persist.token.seq)
        rc = mon_store_append(mon->store, &orders->persist);
    if (rc < 0) { /* what Raft believes is being made durable is not: no way back */
        mon_fail(mon, rc, "a persist cannot be taken down", NULL);
        return;
    }
    if (orders->persist.has_chunk)
        chunk_take(mon, &orders->persist);
    for (uint32_t i = 0; i < orders->msg_count; i++)
        send_or_hold(mon, &orders->msgs[i]);
    if (orders->role_changed)
        role_take(mon, orders);
    for (uint32_t i = 0; i < orders->apply_count && rc == 0; i++) {
        rc = entry_apply(mon, &orders->apply[i]);
        applied = orders->apply[i].pos.index;
    }
    if (rc < 0) {
        mon_fail(mon, rc, "a committed change cannot be applied", NULL);
        return;
    }
    for (uint32_t i = 0; i < orders->read_count; i++)
        mon_command_read_done(mon, &orders->reads[i]);
    if (applied) {
        struct raft_event ev = {.type = RAFT_EV_APPLIED, .index = applied};

        mon_turn_queue(mon);
        step(mon, &ev);
    }
    if (chunk_last && !mon_halted(mon))
        install(mon);
}

static int step_once(struct mon *mon, struct raft_event *ev, struct raft_orders *orders)
{
    int rc;

    ev->now_ms = now_ms(mon);
    rc = raft_step(mon->raft, ev, orders);
    if (rc == -R_RAFT_CONFLICT)
        mon_fail(mon, rc, "the log", NULL);
    return rc;
}

/* An event that must not be lost. */
static void step(struct mon *mon, struct raft_event *ev)
{
    struct raft_orders orders;
    int rc;

    if (mon->failed)
        return;
    rc = step_once(mon, ev, &orders);
    if (rc == -ENOMEM) {
        mon_fail(mon, rc, "a step of the consensus", NULL);
        return;
    }
    if (rc == 0)
        orders_do(mon, &orders);
    timer_set(mon);
}

/* ---- events ---- */

void mon_raft_durable(void *arg, struct raft_token token)
{
    struct mon *mon = arg;
    struct raft_event ev = {.type = RAFT_EV_PERSISTED, .token = token};

    mon->durable_seq = token.seq;
    mon->n.persists++;
    if (mon->failed || !mon->raft)
        return;
    held_send(mon);
    step(mon, &ev);
}

static void raft_tick(struct env_timer *t)
{
    struct mon *mon = CONTAINER_OF(t, struct mon, raft_timer);
    struct raft_event ev = {.type = RAFT_EV_TICK};
    struct raft_orders orders;

    if (mon_halted(mon))
        return;
    if (step_once(mon, &ev, &orders) == 0)
        orders_do(mon, &orders);
    if (mon_halted(mon))
        return;
    if (raft_deadline_ms(mon->raft) <= now_ms(mon)) { /* no memory: soon again */
        mon->raft_timer_ms = 0;
        env_timer_after(mon->env, &mon->raft_timer, 10 * NS_PER_MS);
    } else {
        timer_set(mon);
    }
}

void mon_raft_message(struct mon *mon, struct session *s, struct msg_mon_raft *m)
{
    struct raft_event ev = {.type = RAFT_EV_MSG};
    struct raft_msg in = {0};
    struct raft_orders orders;
    struct cursor c;
    struct mon_peer *p;
    int rc = buf_flatten(&m->payload);

    if (rc == 0) {
        c = cur_over(m->payload.bytes ? buf_contiguous(&m->payload, 0, m->payload.bytes) : NULL,
                     m->payload.bytes);
        rc = raft_msg_decode(&c, &in);
    }
    p = rc == 0 ? peer_of(mon, in.from) : NULL;
    if (rc == 0 && (!p || session_peer(s)->id != p->id)) /* who it says it is */
        rc = -R_WRONG_PEER;
    if (rc == 0) {
        p->heard_ns = mon_now(mon);
        skew_take(mon, p, m->wall_ns);
        ev.msg = &in;
        rc = step_once(mon, &ev, &orders);
    }
    if (rc == 0)
        orders_do(mon, &orders);
    else if (rc != -ENOMEM && rc != -R_RAFT_CONFLICT)
        log_debug(&mon->log, "a monitor's message is dropped", KV_RC(rc));
    if (!mon_halted(mon))
        timer_set(mon);
    raft_msg_fini(&in);
    msg_free(&m->base);
}

int mon_raft_propose(struct mon *mon, struct bytes data, struct raft_pos *out_pos)
{
    struct raft_event ev = {.type = RAFT_EV_PROPOSE, .data = data};
    struct raft_orders orders;
    int rc = step_once(mon, &ev, &orders);

    if (rc < 0)
        return rc;
    *out_pos = orders.proposed;
    orders_do(mon, &orders);
    if (!mon_halted(mon))
        timer_set(mon);
    return 0;
}

int mon_raft_read(struct mon *mon, uint64_t id)
{
    struct raft_event ev = {.type = RAFT_EV_READ, .id = id};
    struct raft_orders orders;
    int rc = step_once(mon, &ev, &orders);

    if (rc < 0)
        return rc;
    orders_do(mon, &orders);
    if (!mon_halted(mon))
        timer_set(mon);
    return 0;
}

void mon_raft_transfer(struct mon *mon)
{
    struct raft_event ev = {.type = RAFT_EV_TRANSFER};
    const struct mon_peer *best = NULL;
    struct raft_orders orders;

    for (uint32_t i = 0; i < mon->peer_count; i++)
        if (!best || mon->peers[i].heard_ns > best->heard_ns)
            best = &mon->peers[i];
    if (!best || mon->failed)
        return;
    ev.id = best->id + 1;
    if (step_once(mon, &ev, &orders) == 0)
        orders_do(mon, &orders);
}

/* ---- start and stop ---- */

static int members_make(const struct mon *mon, struct raft_members *out)
{
    *out = (struct raft_members){.count = mon->members.count};
    for (uint32_t i = 0; i < mon->members.count; i++)
        out->m[i].id = mon->members.m[i].id + 1; /* 0 is nobody */
    return 0;
}

static int state_load(struct mon *mon, const struct mon_stored *stored)
{
    struct buf copy = {0};
    int rc;

    if (stored->snap.pos.index == 0)
        return mon_state_init(&mon->state, mon->fsid);
    rc = buf_append(&copy, &stored->state, 0, stored->state.bytes);
    if (rc == 0)
        rc = buf_flatten(&copy);
    if (rc == 0)
        rc = mon_state_decode(
            (struct bytes){buf_contiguous(&copy, 0, copy.bytes), (uint32_t)copy.bytes},
            &mon->state);
    if (rc == 0 && memcmp(mon->state.fsid, mon->fsid, sizeof(mon->fsid)) != 0)
        rc = -R_WRONG_CLUSTER;
    if (rc < 0) {
        buf_fini(&copy);
        return rc;
    }
    mon->snap = stored->snap;
    mon->snap_state = copy;
    mon->applied_index = stored->snap.pos.index;
    return 0;
}

int mon_raft_create(struct mon *mon, const struct mon_stored *stored)
{
    struct raft_stored found = {.hard = stored->hard,
                                .snap = stored->snap,
                                .entries = stored->entries,
                                .entry_count = stored->entry_count,
                                .applied = stored->snap.pos.index};
    struct raft_conf conf;
    int rc = state_load(mon, stored);

    if (rc < 0)
        return rc;
    raft_conf_init(&conf);
    conf.id = mon->id + 1;
    rc = members_make(mon, &conf.members);
    conf.election_ms = mon->conf.mon_election_ms;
    conf.heartbeat_ms = MAX(conf.election_ms / 5, 5);
    conf.log_keep = MON_LOG_KEEP;
    conf.append_bytes_max = MON_CHANGE_BYTES_MAX / 2;
    conf.inflight_max = 4;
    conf.uncommitted_bytes_max = MON_RAFT_LOG_MAX;
    conf.log_bytes_max = MON_RAFT_LOG_MAX;
    conf.drift_permille = MAX(mon->conf.osd_clock_drift_ppm / 1000, 50);
    rng_seed(&conf.rng, env_random_u64(mon->env));
    if (rc == 0)
        rc = raft_create(&conf, &found, &mon->raft);
    if (rc < 0)
        return rc;
    mon_store_raft_set(mon->store, mon->raft);
    /* Answers to reads of an earlier life may still travel. */
    mon->next_read_id = env_random_u64(mon->env) >> 1;
    env_timer_init(&mon->raft_timer, raft_tick);
    return 0;
}

void mon_raft_begin(struct mon *mon)
{
    env_timer_at(mon->env, &mon->raft_timer, mon_now(mon)); /* one member alone leads at once */
}

void mon_raft_stop(struct mon *mon)
{
    struct list *node;

    env_timer_cancel(mon->env, &mon->raft_timer);
    while ((node = list_pop_front(&mon->held_msgs))) {
        struct mon_held_msg *h = LIST_ENTRY(node, struct mon_held_msg, link);

        msg_free(&h->m->base);
        mem_free(h);
    }
}
