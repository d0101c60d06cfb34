/* raft.c - one step: check the event, allocate what it may need, change the state, say what to do.
 *
 * Everything that can fail comes first (step_prepare): what other members send is checked against
 * what a correct member could send, payloads that will enter the log are copied, room in the log is
 * reserved.  The handlers behind it cannot fail for want of memory.
 *
 * Messages, reads and entries in the orders lie in our own arrays; pointers into the log are taken
 * when the step ends (orders_finish), since the log may move while it runs. */
#include "core/raft/internal.h"

#define WAIT_FOR_THIS_STEP UINT64_MAX

void raft_conf_init(struct raft_conf *conf)
{
    *conf = (struct raft_conf){
        .election_ms = 1000,
        .heartbeat_ms = 100,
        .pre_vote = true,
        .check_quorum = true,
        .lease = true,
        .drift_permille = 50,
        .append_entries_max = RAFT_APPEND_ENTRIES_MAX,
        .append_bytes_max = RAFT_APPEND_BYTES_MAX,
        .inflight_max = 16,
        .chunk_bytes = 256 << 10,
        .reads_max = 256,
        .log_keep = 256,
        .uncommitted_bytes_max = MIB(32),
        .log_bytes_max = MIB(256),
    };
}

/* ---- members ---- */

struct peer *raft_peer(struct raft *r, uint32_t id)
{
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (r->peers[i].id == id)
            return &r->peers[i];
    }
    return NULL;
}

uint32_t raft_voters(const struct raft *r)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->peer_count; i++)
        n += !r->peers[i].learner;
    return n;
}

uint64_t raft_quorum_value(const struct raft *r,
                           uint64_t (*value)(const struct raft *, const struct peer *))
{
    uint64_t v[RAFT_MEMBERS_MAX]; /* highest first */
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->peer_count; i++) {
        uint64_t x = value(r, &r->peers[i]);
        uint32_t at = n;

        if (r->peers[i].learner)
            continue;
        for (; at > 0 && v[at - 1] < x; at--)
            v[at] = v[at - 1];
        v[at] = x;
        n++;
    }
    ASSERT(n > 0);
    return v[n / 2];
}

/* ---- what handlers use ---- */

struct raft_msg *raft_msg_new(struct raft *r, enum raft_msg_type type, uint32_t to)
{
    struct raft_msg *m;

    ASSERT(r->msg_count < r->msg_max);
    ASSERT(to != r->conf.id);
    m = &r->msgs[r->msg_count++];
    *m = (struct raft_msg){.type = type, .from = r->conf.id, .to = to, .term = r->hard.term};
    return m;
}

void raft_msg_wait(struct raft_msg *m)
{
    m->after_seq = WAIT_FOR_THIS_STEP;
}

void raft_log_append(struct raft *r, uint64_t term, enum raft_entry_type type, struct bytes owned)
{
    rlog_push(&r->log, term, type, owned);
    r->log_from = MIN(r->log_from, rlog_last_index(&r->log));
    if (r->role == RAFT_LEADER)
        r->uncommitted_bytes += owned.len;
}

void raft_log_cut(struct raft *r, uint64_t from)
{
    ASSERT(from > r->commit);
    rlog_truncate(&r->log, from);
    r->durable = MIN(r->durable, from - 1);
    r->log_from = MIN(r->log_from, from);
}

struct bytes raft_copy_take(struct raft *r, uint32_t i, struct bytes original)
{
    struct bytes owned = {NULL, original.len};

    if (original.len == 0)
        return owned;
    ASSERT(i >= r->copy_first);
    ASSERT(i - r->copy_first < r->copy_count);
    owned.data = TAKE(r->copies[i - r->copy_first]);
    ASSERT(owned.data != NULL);
    return owned;
}

/* ---- before a step ---- */

static void copies_fini(struct raft *r)
{
    for (uint32_t i = 0; i < r->copy_count; i++)
        mem_free(r->copies[i]);
    mem_free(r->copies);
    r->copies = NULL;
    r->copy_first = 0;
    r->copy_count = 0;
}

/* Copy the payloads of entries from number `first` on, and reserve room for them. */
static int copies_make(struct raft *r, const struct raft_entry *entries, uint32_t first,
                       uint32_t count)
{
    int rc = rlog_reserve(&r->log, (size_t)(count - first) + 1); /* and the no-op of a new leader */

    if (rc < 0 || first == count)
        return rc;
    r->copies = mem_calloc(count - first, sizeof(*r->copies));
    if (!r->copies)
        return -ENOMEM;
    r->copy_first = first;
    r->copy_count = count - first;
    for (uint32_t i = first; i < count; i++) {
        if (entries[i].data.len == 0)
            continue;
        r->copies[i - first] = mem_dup(entries[i].data.data, entries[i].data.len);
        if (!r->copies[i - first]) {
            copies_fini(r);
            return -ENOMEM;
        }
    }
    return 0;
}

static bool from_leader(enum raft_msg_type type)
{
    return type == RAFT_MSG_APPEND || type == RAFT_MSG_HEARTBEAT || type == RAFT_MSG_SNAPSHOT ||
           type == RAFT_MSG_TIMEOUT_NOW;
}

/* Entries in order, of terms that their sender can know; the codec has checked sizes and counts. */
static int append_check(const struct raft_msg *m)
{
    uint64_t term = m->pos.term;

    for (uint32_t i = 0; i < m->entry_count; i++) {
        if (m->entries[i].pos.term < term || m->entries[i].data.len > RAFT_ENTRY_BYTES_MAX)
            return -R_MALFORMED;
        term = m->entries[i].pos.term;
    }
    return term > m->term ? -R_MALFORMED : 0;
}

/* The first entry of the message that is not in our log already; its count if all are. */
static uint32_t append_first_new(const struct raft *r, const struct raft_msg *m)
{
    uint32_t i = 0;

    while (i < m->entry_count) {
        uint64_t index = m->pos.index + 1 + i;

        if (index > r->log.base.index && rlog_term(&r->log, index) != m->entries[i].pos.term)
            break;
        i++;
    }
    return i;
}

static int append_prepare(struct raft *r, const struct raft_msg *m)
{
    uint32_t first;

    if (m->term < r->hard.term || m->pos.index < r->commit ||
        (rlog_term(&r->log, m->pos.index) != m->pos.term && !raft_bug(r, RAFT_BUG_SKIP_PREV)))
        return rlog_reserve(&r->log, 1); /* will be refused, or has nothing new */
    first = append_first_new(r, m);
    if (raft_bug(r, RAFT_BUG_KEEP_CONFLICT))
        first = 0;
    return copies_make(r, m->entries, first, m->entry_count);
}

/* A leader of this term or a later one cannot lack or contradict what is committed here. */
static bool contradicts(const struct raft *r, const struct raft_msg *m)
{
    if (m->term < r->hard.term)
        return false;
    if (from_leader(m->type) && m->term == r->hard.term &&
        (r->role == RAFT_LEADER || (r->leader != 0 && r->leader != m->from)))
        return true; /* two leaders in one term */
    if (m->type != RAFT_MSG_APPEND)
        return false;
    for (uint32_t i = 0; i < m->entry_count; i++) {
        uint64_t index = m->pos.index + 1 + i;

        if (index > r->commit)
            break;
        if (rlog_has(&r->log, index) && rlog_term(&r->log, index) != m->entries[i].pos.term)
            return true;
    }
    return m->pos.index <= r->commit && m->pos.index >= r->log.base.index &&
           rlog_term(&r->log, m->pos.index) != m->pos.term;
}

static int msg_prepare(struct raft *r, const struct raft_msg *m)
{
    if (m->to != r->conf.id || m->from == r->conf.id || m->term == 0 || m->term > RAFT_NUMBER_MAX ||
        m->pos.index > RAFT_NUMBER_MAX)
        return -R_MALFORMED;
    if (m->type == RAFT_MSG_SNAPSHOT &&
        (m->pos.index == 0 || m->pos.term > m->term || m->offset > m->snap.bytes ||
         m->chunk.len > m->snap.bytes - m->offset || (m->chunk.len == 0 && m->snap.bytes != 0)))
        return -R_MALFORMED;
    if (m->type == RAFT_MSG_APPEND && append_check(m) < 0)
        return -R_MALFORMED;
    if (contradicts(r, m))
        return -R_RAFT_CONFLICT;
    return m->type == RAFT_MSG_APPEND ? append_prepare(r, m) : rlog_reserve(&r->log, 1);
}

static int propose_prepare(struct raft *r, struct bytes data)
{
    struct raft_entry e = {.data = data};

    if (r->role != RAFT_LEADER)
        return -R_NOT_LEADER;
    if (data.len > RAFT_ENTRY_BYTES_MAX)
        return -R_OVERFLOW;
    if (r->transferee || r->uncommitted_bytes + data.len > r->conf.uncommitted_bytes_max ||
        r->log.bytes + data.len > r->conf.log_bytes_max)
        return -R_BACK_PRESSURE;
    return copies_make(r, &e, 0, 1);
}

static int step_prepare(struct raft *r, const struct raft_event *ev)
{
    switch (ev->type) {
    case RAFT_EV_MSG:
        return msg_prepare(r, ev->msg);
    case RAFT_EV_PROPOSE:
        return propose_prepare(r, ev->data);
    case RAFT_EV_MEMBERS:
        return -R_UNSUPPORTED;
    case RAFT_EV_PERSISTED:
        return ev->token.seq == 0 || ev->token.seq > r->persist_seq ? -EINVAL : 0;
    case RAFT_EV_APPLIED:
        return ev->index > r->emitted ? -EINVAL : 0;
    default:
        return rlog_reserve(&r->log, 1);
    }
}

/* ---- the step ---- */

static void step_begin(struct raft *r, uint64_t now_ms)
{
    r->now_ms = MAX(r->now_ms, now_ms);
    r->msg_count = 0;
    r->ready_count = 0;
    r->hard_before = r->hard;
    r->role_before = r->role;
    r->leader_before = r->leader;
    r->log_from = UINT64_MAX;
    r->log_reset = false;
    r->chunk = (struct raft_persist){0};
    r->proposed = (struct raft_pos){0};
    if (!r->started) {
        r->started = true;
        r->contact_ms = r->now_ms; /* a lease that we helped to give before may still run */
        if (raft_bug(r, RAFT_BUG_BOOT_NOT_STICKY))
            r->contact_ms = 0;
        raft_election_reset(r);
    }
}

static void msg_old_term(struct raft *r, const struct raft_msg *m)
{
    enum raft_msg_type type;

    switch (m->type) {
    case RAFT_MSG_VOTE:
        type = RAFT_MSG_VOTE_REPLY;
        break;
    case RAFT_MSG_PREVOTE:
        type = RAFT_MSG_PREVOTE_REPLY;
        break;
    case RAFT_MSG_APPEND:
    case RAFT_MSG_HEARTBEAT:
    case RAFT_MSG_SNAPSHOT: /* it must learn that it leads no more */
        type = RAFT_MSG_APPEND_REPLY;
        break;
    default:
        return;
    }
    raft_msg_wait(raft_msg_new(r, type, m->from)); /* refused, with our term */
}

static void msg_dispatch(struct raft *r, const struct raft_msg *m)
{
    bool leads = r->role == RAFT_LEADER;

    if (from_leader(m->type) && m->type != RAFT_MSG_TIMEOUT_NOW)
        raft_contact(r, m->from);
    switch (m->type) {
    case RAFT_MSG_VOTE:
        raft_on_vote(r, m);
        break;
    case RAFT_MSG_PREVOTE:
        raft_on_prevote(r, m);
        break;
    case RAFT_MSG_VOTE_REPLY:
        raft_on_vote_reply(r, m);
        break;
    case RAFT_MSG_PREVOTE_REPLY:
        raft_on_prevote_reply(r, m);
        break;
    case RAFT_MSG_APPEND:
        raft_on_append(r, m);
        break;
    case RAFT_MSG_HEARTBEAT:
        raft_on_heartbeat(r, m);
        break;
    case RAFT_MSG_SNAPSHOT:
        raft_on_snapshot(r, m);
        break;
    case RAFT_MSG_TIMEOUT_NOW:
        raft_on_timeout_now(r, m);
        break;
    case RAFT_MSG_READ:
        raft_on_read(r, m);
        break;
    case RAFT_MSG_READ_REPLY:
        raft_on_read_reply(r, m);
        break;
    case RAFT_MSG_APPEND_REPLY:
        if (leads)
            raft_on_append_reply(r, m);
        break;
    case RAFT_MSG_HEARTBEAT_REPLY:
        if (leads)
            raft_on_heartbeat_reply(r, m);
        break;
    case RAFT_MSG_SNAPSHOT_REPLY:
        if (leads)
            raft_on_snapshot_reply(r, m);
        break;
    }
}

/* Terms first: a newer one is taken over, an older one answered with ours. */
static void on_msg(struct raft *r, const struct raft_msg *m)
{
    bool vote = m->type == RAFT_MSG_VOTE || m->type == RAFT_MSG_PREVOTE;
    bool tentative = m->type == RAFT_MSG_PREVOTE || (m->type == RAFT_MSG_PREVOTE_REPLY && m->ok);

    if (!raft_peer(r, m->from))
        return; /* not a member */
    /* Whatever its term: we may have taken over that term from someone who is no leader. */
    if (vote && m->term >= r->hard.term && !m->force && raft_sticky(r))
        return;
    if (m->type == RAFT_MSG_READ || m->type == RAFT_MSG_READ_REPLY) {
        if (m->term > r->hard.term)
            raft_become_follower(r, m->term, 0);
        msg_dispatch(r, m); /* an index proved after the question is good in any term */
        return;
    }
    if (m->term < r->hard.term) {
        msg_old_term(r, m);
        return;
    }
    if (m->term > r->hard.term && !tentative)
        raft_become_follower(r, m->term, from_leader(m->type) ? m->from : 0);
    else if (from_leader(m->type) && r->role != RAFT_FOLLOWER)
        raft_become_follower(r, m->term, m->from);
    msg_dispatch(r, m);
}

static void on_persisted(struct raft *r, const struct raft_token *t)
{
    r->durable_seq = MAX(r->durable_seq, t->seq);
    /* Entries replaced since then are not what became durable. */
    if (t->upto.index > r->durable && rlog_has(&r->log, t->upto.index) &&
        rlog_term(&r->log, t->upto.index) == t->upto.term)
        r->durable = t->upto.index;
}

static int step_event(struct raft *r, const struct raft_event *ev)
{
    switch (ev->type) {
    case RAFT_EV_TICK:
        if (r->role == RAFT_LEADER)
            raft_leader_tick(r);
        else
            raft_election_tick(r);
        return 0;
    case RAFT_EV_MSG:
        on_msg(r, ev->msg);
        return 0;
    case RAFT_EV_PROPOSE:
        raft_log_append(r, r->hard.term, RAFT_DATA, raft_copy_take(r, 0, ev->data));
        r->proposed = rlog_last(&r->log);
        return 0;
    case RAFT_EV_READ:
        return raft_read_local(r, ev->id);
    case RAFT_EV_PERSISTED:
        on_persisted(r, &ev->token);
        return 0;
    case RAFT_EV_APPLIED:
        r->applied = MAX(r->applied, ev->index);
        return 0;
    case RAFT_EV_SNAPSHOT_CREATED:
        return raft_snapshot_created(r, ev->index, ev->id);
    case RAFT_EV_SNAPSHOT_INSTALLED:
        return raft_snapshot_installed(r, ev->index);
    case RAFT_EV_TRANSFER:
        return raft_transfer(r, (uint32_t)ev->id);
    case RAFT_EV_MEMBERS:
        break;
    }
    return -R_UNSUPPORTED;
}

/* ---- after a step ---- */

static void orders_persist(struct raft *r, struct raft_persist *p)
{
    *p = r->chunk;
    p->hard = r->hard;
    p->hard_changed = r->hard.term != r->hard_before.term || r->hard.vote != r->hard_before.vote;
    p->log_reset = r->log_reset;
    p->log_base = r->log.base;
    p->log_changed = r->log_from != UINT64_MAX;
    if (p->log_changed) {
        p->log_from = r->log_from;
        p->entry_count = (uint32_t)(rlog_last_index(&r->log) + 1 - r->log_from);
        p->entries = p->entry_count ? rlog_at(&r->log, r->log_from) : NULL;
    }
    if (p->hard_changed || p->log_reset || p->log_changed || p->has_chunk)
        p->token = (struct raft_token){++r->persist_seq, rlog_last(&r->log)};
    if (p->hard_changed)
        r->hard_seq = r->persist_seq;
}

static void orders_msgs(struct raft *r)
{
    for (uint32_t i = 0; i < r->msg_count; i++) {
        struct raft_msg *m = &r->msgs[i];

        if (m->after_seq == WAIT_FOR_THIS_STEP)
            m->after_seq = r->persist_seq;
        else if (r->role == RAFT_LEADER)
            m->after_seq = r->hard_seq; /* a sole voter leads before its vote is durable */
        if (m->after_seq <= r->durable_seq || raft_bug(r, RAFT_BUG_ACK_EARLY))
            m->after_seq = 0;
        if (m->type == RAFT_MSG_APPEND && m->entry_count)
            m->entries = rlog_at(&r->log, m->pos.index + 1);
    }
}

static void orders_finish(struct raft *r, struct raft_orders *orders)
{
    /* Not before it is durable here: the state machine must never be ahead of the log. */
    uint64_t upto = MIN(r->commit, r->durable);

    orders_persist(r, &orders->persist);
    orders_msgs(r);
    orders->msgs = r->msgs;
    orders->msg_count = r->msg_count;
    if (upto > r->emitted && !r->in.installing) {
        orders->apply = rlog_at(&r->log, r->emitted + 1);
        orders->apply_count = (uint32_t)(upto - r->emitted);
        r->emitted = upto;
    }
    orders->reads = r->ready;
    orders->read_count = r->ready_count;
    orders->proposed = r->proposed;
    orders->role = r->role;
    orders->leader = r->leader;
    orders->term = r->hard.term;
    orders->role_changed = r->role != r->role_before || r->leader != r->leader_before ||
                           r->hard.term != r->hard_before.term;
}

int raft_step(struct raft *r, const struct raft_event *ev, struct raft_orders *out_orders)
{
    struct raft_orders orders = {0};
    int rc = step_prepare(r, ev);

    *out_orders = orders;
    if (rc < 0)
        return rc;
    step_begin(r, ev->now_ms);
    rc = step_event(r, ev);
    copies_fini(r);
    if (rc < 0)
        return rc;
    if (r->role == RAFT_FOLLOWER && raft_sole_voter(r))
        raft_election_tick(r); /* nobody to wait for */
    if (r->role == RAFT_LEADER)
        raft_leader_advance(r);
    orders_finish(r, &orders);
    *out_orders = orders;
    return 0;
}

/* ---- life ---- */

static int members_check(const struct raft_members *ms)
{
    uint32_t voters = 0;

    if (ms->count == 0 || ms->count > RAFT_MEMBERS_MAX)
        return -EINVAL;
    for (uint32_t i = 0; i < ms->count; i++) {
        if (ms->m[i].id == 0 || (i > 0 && ms->m[i].id <= ms->m[i - 1].id))
            return -EINVAL;
        voters += !ms->m[i].learner;
    }
    return voters ? 0 : -EINVAL;
}

static bool within(uint64_t value, uint64_t lo, uint64_t hi)
{
    return value >= lo && value <= hi;
}

static int conf_check(const struct raft_conf *c)
{
    if (c->id == 0 || (c->lease && !c->check_quorum))
        return -EINVAL;
    if (!within(c->election_ms, 10, 1 << 24) || !within(c->heartbeat_ms, 1, c->election_ms / 2) ||
        !within(c->drift_permille, 0, 500))
        return -EINVAL;
    if (!within(c->append_entries_max, 1, RAFT_APPEND_ENTRIES_MAX) ||
        !within(c->append_bytes_max, 1, RAFT_APPEND_BYTES_MAX) ||
        !within(c->inflight_max, 1, RAFT_INFLIGHT_MAX) ||
        !within(c->chunk_bytes, 1, RAFT_CHUNK_BYTES_MAX) ||
        !within(c->reads_max, 1, RAFT_READS_MAX))
        return -EINVAL;
    return members_check(&c->members);
}

static int stored_check(const struct raft_stored *s)
{
    uint64_t last = s->snap.pos.index;
    uint64_t term = 0;

    if (s->hard.term > RAFT_NUMBER_MAX || s->snap.pos.index > RAFT_NUMBER_MAX ||
        s->applied < s->snap.pos.index)
        return -R_MALFORMED;
    for (size_t i = 0; i < s->entry_count; i++) {
        const struct raft_entry *e = &s->entries[i];

        if (e->pos.term < term || e->pos.term > s->hard.term || e->pos.term == 0 ||
            e->pos.index == 0 || e->pos.index > RAFT_NUMBER_MAX ||
            e->data.len > RAFT_ENTRY_BYTES_MAX)
            return -R_MALFORMED;
        if (i > 0 && e->pos.index != s->entries[i - 1].pos.index + 1)
            return -R_MALFORMED;
        term = e->pos.term;
    }
    if (s->entry_count) {
        last = MAX(last, s->entries[s->entry_count - 1].pos.index);
        if (s->entries[0].pos.index > s->snap.pos.index + 1)
            return -R_MALFORMED; /* a hole */
    }
    return s->applied > last ? -R_MALFORMED : 0;
}

/* How many of the stored entries to skip, and after what position the log then begins.
 *
 * The snapshot wins over a log that does not contain its last entry: the crash came between the
 * installation and the log's reset. */
static size_t stored_skip(const struct raft_stored *s, struct raft_pos *out_base)
{
    const struct raft_entry *e = s->entries;
    uint64_t snap = s->snap.pos.index;

    *out_base = s->snap.pos;
    if (s->entry_count == 0 || e[0].pos.index == snap + 1)
        return 0;
    if (e[s->entry_count - 1].pos.index < snap ||
        e[snap - e[0].pos.index].pos.term != s->snap.pos.term)
        return s->entry_count;
    *out_base = e[0].pos; /* its payload is not needed: it is covered */
    return 1;
}

static int log_load(struct raft *r, const struct raft_stored *s)
{
    struct raft_pos base;
    size_t skip = stored_skip(s, &base);
    int rc = rlog_reserve(&r->log, s->entry_count - skip + 1);

    if (rc < 0)
        return rc;
    r->log.base = base;
    if (s->entry_count > skip && s->entries[skip].pos.term < base.term)
        return -R_MALFORMED;
    for (size_t i = skip; i < s->entry_count; i++) {
        const struct raft_entry *e = &s->entries[i];
        struct bytes owned = {NULL, e->data.len};

        if (owned.len) {
            owned.data = mem_dup(e->data.data, owned.len);
            if (!owned.data)
                return -ENOMEM;
        }
        rlog_push(&r->log, e->pos.term, e->type, owned);
    }
    return s->applied > rlog_last_index(&r->log) ? -R_MALFORMED : 0;
}

static int peers_init(struct raft *r, const struct raft_members *ms)
{
    int rc = -EINVAL;

    for (uint32_t i = 0; i < ms->count; i++) {
        r->peers[i] = (struct peer){.id = ms->m[i].id, .learner = ms->m[i].learner, .next = 1};
        if (ms->m[i].id == r->conf.id) {
            r->self = i;
            rc = 0;
        }
    }
    r->peer_count = ms->count;
    return rc;
}

static int raft_init(struct raft *r, const struct raft_stored *s)
{
    const struct raft_members *ms = s->snap.members.count ? &s->snap.members : &r->conf.members;
    int rc = members_check(ms);

    if (rc == 0)
        rc = peers_init(r, ms);
    if (rc < 0)
        return rc;
    r->msg_max = ms->count * (r->conf.inflight_max + 8) + r->conf.reads_max;
    r->msgs = mem_calloc(r->msg_max, sizeof(*r->msgs));
    r->reads = mem_calloc(r->conf.reads_max, sizeof(*r->reads));
    r->ready = mem_calloc(r->conf.reads_max + 1, sizeof(*r->ready));
    if (!r->msgs || !r->reads || !r->ready)
        return -ENOMEM;
    r->hard = s->hard;
    r->snap = s->snap;
    r->snap.members = *ms;
    rc = log_load(r, s);
    r->durable = rlog_last_index(&r->log);
    r->commit = r->emitted = r->applied = s->applied;
    r->round = 1;
    return rc;
}

int raft_create(const struct raft_conf *conf, const struct raft_stored *stored,
                struct raft **out_raft)
{
    struct raft *r;
    int rc = conf_check(conf);

    if (rc == 0)
        rc = stored_check(stored);
    if (rc < 0)
        return rc;
    r = mem_zalloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->conf = *conf;
    rc = raft_init(r, stored);
    if (rc < 0) {
        raft_destroy(r);
        return rc;
    }
    *out_raft = r;
    return 0;
}

void raft_destroy(struct raft *r)
{
    if (!r)
        return;
    copies_fini(r);
    rlog_fini(&r->log);
    mem_free(r->msgs);
    mem_free(r->reads);
    mem_free(r->ready);
    mem_free(r);
}

uint64_t raft_deadline_ms(const struct raft *r)
{
    if (r->role != RAFT_LEADER)
        return r->peers[r->self].learner ? UINT64_MAX : r->election_at_ms;
    if (r->peer_count == 1)
        return UINT64_MAX;
    return r->heartbeat_at_ms;
}

void raft_status(const struct raft *r, struct raft_status *out_status)
{
    *out_status = (struct raft_status){
        .id = r->conf.id,
        .role = r->role,
        .leader = r->leader,
        .hard = r->hard,
        .commit = r->commit,
        .applied = r->applied,
        .durable = r->durable,
        .last = rlog_last(&r->log),
        .log_base = r->log.base,
        .snap = r->snap,
        .log_bytes = r->log.bytes,
        .reads_waiting = r->read_count,
        .lease = raft_lease_held(r),
    };
    for (uint32_t i = 0; i < r->peer_count; i++) {
        if (i != r->self && r->role == RAFT_LEADER && r->peers[i].state == PEER_SNAPSHOT)
            out_status->snapshot_sending = true;
    }
}

const struct raft_entry *raft_entry_at(const struct raft *r, uint64_t index)
{
    return rlog_has(&r->log, index) ? rlog_at(&r->log, index) : NULL;
}
