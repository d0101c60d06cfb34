/* cluster.c - the driver of core/raft that the tests use, and the oracle.
 *
 * The driver keeps the contract of core/raft/README.md: everything borrowed is copied or encoded
 * at once, persists are first in first out, messages wait for theirs.  All messages go through the
 * codec.  A crash keeps the disk; of the orders under way a prefix may have reached it, the last
 * one in part. */
#include "tests/unit/raft/cluster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

void cluster_fail(struct cluster *c, const char *fmt, ...)
{
    va_list args;

    if (c->failed[0])
        return;
    va_start(args, fmt);
    (void)vsnprintf(c->failed, sizeof(c->failed), fmt, args); /* cut when too long */
    va_end(args);
}

/* ---- disk ---- */

static void log_add(struct stored_log *log, const struct stored_entry *e)
{
    if (log->count == log->cap) {
        log->cap = log->cap ? log->cap * 2 : 16;
        log->e = must(realloc(log->e, log->cap * sizeof(*log->e)));
    }
    log->e[log->count++] = *e;
}

static bool log_holds(const struct stored_log *log, struct raft_pos pos)
{
    uint64_t first = log->count ? log->e[0].pos.index : 0;

    return log->count && pos.index >= first && pos.index - first < log->count &&
           log->e[pos.index - first].pos.term == pos.term;
}

static struct stored_entry stored_from(const struct raft_entry *e)
{
    struct stored_entry s = {.pos = e->pos, .type = e->type};

    if (e->data.len == sizeof(s.data))
        memcpy(&s.data, e->data.data, sizeof(s.data));
    return s;
}

static void disk_trim(struct node *n, uint64_t base)
{
    size_t drop = 0;

    while (drop < n->log.count && n->log.e[drop].pos.index < base)
        drop++;
    if (!drop)
        return;
    n->log.count -= drop;
    memmove(n->log.e, n->log.e + drop, n->log.count * sizeof(*n->log.e));
}

static void order_free(struct order *o)
{
    free(o->entries.e);
    free(o);
}

/* ---- the oracle ---- */

static struct known *known_at(struct cluster *c, uint64_t index)
{
    if (index >= INDEX_MAX) {
        cluster_fail(c, "the run is too long for its tables");
        return &c->known[0];
    }
    return &c->known[index];
}

/* Two logs with the same entry agree on everything before it. */
static void see_entry(struct cluster *c, const struct stored_entry *e, uint64_t term_before)
{
    struct known *k = known_at(c, e->pos.index);

    for (uint32_t i = 0; i < k->seen_count; i++) {
        if (k->seen[i].term != e->pos.term)
            continue;
        if (k->seen[i].data != e->data)
            cluster_fail(c, "two entries %lu/%lu", e->pos.index, e->pos.term);
        if (k->seen[i].term_before != term_before)
            cluster_fail(c, "logs differ before %lu/%lu", e->pos.index, e->pos.term);
        return;
    }
    if (k->seen_count == ARRAY_LEN(k->seen))
        return;
    k->seen[k->seen_count].term = e->pos.term;
    k->seen[k->seen_count].term_before = term_before;
    k->seen[k->seen_count].data = e->data;
    k->seen_count++;
}

/* Bring an order to the disk: all of it, or the hard state and `entries_max` entries. */
static void disk_write(struct cluster *c, struct node *n, const struct order *o, size_t entries_max)
{
    if (o->p.hard_changed)
        n->hard = o->p.hard;
    if (o->p.log_reset)
        n->log.count = 0;
    if (!o->p.log_changed)
        return;
    while (n->log.count && n->log.e[n->log.count - 1].pos.index >= o->p.log_from)
        n->log.count--;
    for (size_t i = 0; i < o->entries.count && i < entries_max; i++) {
        see_entry(c, &o->entries.e[i], i ? o->entries.e[i - 1].pos.term : o->term_before);
        log_add(&n->log, &o->entries.e[i]);
    }
}

static bool is_voter(const struct cluster *c, uint32_t slot)
{
    return !c->conf.members.m[slot].learner;
}

/* What is committed is durable on a majority. */
static void see_durable(struct cluster *c, struct raft_pos pos)
{
    uint32_t holds = 0, voters = 0;

    for (uint32_t i = 0; i < c->count; i++) {
        const struct node *n = &c->nodes[i];

        voters += is_voter(c, i);
        holds += is_voter(c, i) && (n->snap.pos.index >= pos.index || log_holds(&n->log, pos));
    }
    if (holds <= voters / 2)
        cluster_fail(c, "%lu/%lu committed, durable on %u of %u", pos.index, pos.term, holds,
                     voters);
}

static void see_commit(struct cluster *c, struct node *n, uint64_t commit)
{
    for (uint64_t i = n->commit_seen + 1; i <= commit; i++) {
        const struct raft_entry *e = raft_entry_at(n->raft, i);
        struct known *k = known_at(c, i);

        if (!e)
            continue; /* came with a snapshot */
        if (k->term != 0 && k->term != e->pos.term)
            cluster_fail(c, "n%u commits %lu/%lu, committed was term %lu", n->id, i, e->pos.term,
                         k->term);
        if (k->term != 0)
            continue;
        k->term = e->pos.term;
        k->data = stored_from(e).data;
        k->committed_in = node_status(n).hard.term;
        c->committed = MAX(c->committed, i);
        c->n.commits++;
        see_durable(c, e->pos);
    }
    if (commit < n->commit_seen)
        cluster_fail(c, "n%u: commit went back", n->id);
    n->commit_seen = commit;
}

/* A leader holds everything committed in earlier terms.  (It may learn late, by votes that were
 * under way, that it leads an old term.) */
static void see_leader(struct cluster *c, struct node *n)
{
    struct raft_status s = node_status(n);
    uint32_t *leader;

    c->n.leaders++;
    if (s.hard.term >= TERM_MAX) {
        cluster_fail(c, "too many terms");
        return;
    }
    leader = &c->leader_of[s.hard.term];
    if (*leader != 0 && *leader != n->id)
        cluster_fail(c, "n%u and n%u lead term %lu", *leader, n->id, s.hard.term);
    *leader = n->id;
    for (uint64_t i = s.log_base.index + 1; i <= c->committed; i++) {
        const struct raft_entry *e = raft_entry_at(n->raft, i);
        const struct known *k = known_at(c, i);

        if (k->term != 0 && k->committed_in < s.hard.term && (!e || e->pos.term != k->term))
            cluster_fail(c, "n%u leads term %lu without entry %lu", n->id, s.hard.term, i);
    }
}

static void see_state(struct cluster *c, const struct node *n)
{
    struct known *k = known_at(c, n->applied);

    if (k->applied && k->after.hash != n->state.hash)
        cluster_fail(c, "n%u: another state at %lu", n->id, n->applied);
    k->applied = true;
    k->after = n->state;
}

/* A read shows at least what finished before it began. */
static void reads_finish(struct cluster *c, struct node *n)
{
    for (uint32_t i = 0; i < READS_MAX; i++) {
        struct read_op *r = &c->reads[i];

        if (!r->used || !r->proved || r->node != n->id || n->applied < r->index)
            continue;
        if (n->state.value_index < r->floor)
            cluster_fail(c, "n%u: stale read, saw entry %lu, entry %lu was known", n->id,
                         n->state.value_index, r->floor);
        c->floor = MAX(c->floor, n->state.value_index);
        r->used = false;
    }
}

static void reads_answered(struct cluster *c, struct node *n, const struct raft_orders *orders)
{
    for (uint32_t i = 0; i < orders->read_count; i++) {
        struct read_op *r = &c->reads[orders->reads[i].id % READS_MAX];

        if (c->read_done)
            c->read_done(c, n, &orders->reads[i]);
        if (!r->used || r->id != orders->reads[i].id || r->node != n->id)
            continue; /* answered twice */
        r->proved = true;
        r->index = orders->reads[i].index;
        if (orders->reads[i].rc < 0) {
            r->used = false;
            c->n.reads_refused++;
        } else if (orders->role == RAFT_LEADER && node_status(n).lease) {
            c->n.reads_leased++;
        } else {
            c->n.reads_proved++;
        }
    }
}

/* ---- doing what a step asks ---- */

static void take_persist(struct cluster *c, struct node *n, const struct raft_persist *p)
{
    struct order *o;

    if (p->token.seq == 0)
        return;
    o = must(calloc(1, sizeof(*o)));
    o->p = *p;
    o->p.entries = NULL;
    o->p.chunk = (struct bytes){0};
    o->due_ms = c->persist_due ? c->persist_due(c) : c->now_ms;
    for (uint32_t i = 0; i < p->entry_count; i++) {
        struct stored_entry e = stored_from(&p->entries[i]);
        const struct raft_entry *prev = raft_entry_at(n->raft, e.pos.index - 1);

        if (i == 0)
            o->term_before = prev ? prev->pos.term : p->log_base.term;
        log_add(&o->entries, &e);
    }
    if (p->log_changed && n->log.count && n->log.e[n->log.count - 1].pos.index >= p->log_from)
        c->n.truncations++;
    if (p->has_chunk) {
        if (p->chunk_offset + p->chunk.len > STATE_BYTES)
            cluster_fail(c, "n%u: chunk too long", n->id);
        else
            memcpy(n->incoming_bytes + p->chunk_offset, p->chunk.data, p->chunk.len);
        n->incoming = p->chunk_snap;
        n->install_due = p->chunk_last;
    }
    *n->orders_tail = o;
    n->orders_tail = &o->next;
}

static void state_encode(const struct state *s, uint8_t out[STATE_BYTES])
{
    memcpy(out, &s->value, 8);
    memcpy(out + 8, &s->value_index, 8);
    memcpy(out + 16, &s->hash, 8);
}

static void take_msg(struct cluster *c, struct node *n, struct raft_msg *m)
{
    struct packet *p;
    struct writer w = {0};
    uint8_t state[STATE_BYTES];

    if (m->type == RAFT_MSG_SNAPSHOT) {
        if (n->snap.pos.index != m->pos.index || m->offset + m->chunk.len > STATE_BYTES)
            cluster_fail(c, "n%u sends a snapshot it has not", n->id);
        state_encode(&n->snap_state, state);
        m->chunk.data = state + MIN(m->offset, (uint64_t)STATE_BYTES);
    }
    c->n.transfers += m->type == RAFT_MSG_TIMEOUT_NOW;
    raft_msg_encode(&w, m);
    if (w.rc < 0)
        abort();
    p = must(calloc(1, sizeof(*p)));
    *p = (struct packet){.from = m->from, .to = m->to, .after_seq = m->after_seq, .type = m->type};
    p->data = must(malloc(w.len));
    p->bytes = w.len;
    memcpy(p->data, w.data, w.len);
    writer_fini(&w);
    if (p->after_seq > n->durable_seq) {
        *n->held_tail = p;
        n->held_tail = &p->next;
        return;
    }
    c->sent(c, p);
}

static void take_apply(struct cluster *c, struct node *n, const struct raft_orders *orders)
{
    for (uint32_t i = 0; i < orders->apply_count; i++) {
        struct stored_entry e = stored_from(&orders->apply[i]);
        struct known *k = known_at(c, e.pos.index);

        if (e.pos.index != n->applied + 1)
            cluster_fail(c, "n%u applies %lu after %lu", n->id, e.pos.index, n->applied);
        if (k->term != e.pos.term || k->data != e.data)
            cluster_fail(c, "n%u applies another entry %lu", n->id, e.pos.index);
        n->applied = e.pos.index;
        n->state.hash = (n->state.hash ^ (e.pos.index * 31 + e.pos.term * 17 + e.data)) *
                        UINT64_C(0x9e3779b97f4a7c15);
        if (e.type == RAFT_DATA) {
            n->state.value = e.data;
            n->state.value_index = e.pos.index;
        }
        see_state(c, n);
        /* Who proposed it in this term and still leads answers its client now. */
        if (orders->role == RAFT_LEADER && orders->term == e.pos.term && e.type == RAFT_DATA)
            c->floor = MAX(c->floor, e.pos.index);
    }
}

static void trace(const struct cluster *c, const struct node *n, const struct raft_event *ev,
                  int rc)
{
    static const char *const events[] = {"tick",    "msg",     "propose",   "read",     "persisted",
                                         "applied", "created", "installed", "transfer", "members"};
    struct raft_status s = node_status(n);

    printf("%6lu n%u %s", c->now_ms, n->id, events[ev->type]);
    if (ev->type == RAFT_EV_MSG)
        printf(" %s from n%u term %lu pos %lu/%lu +%u commit %lu ok %d",
               raft_msg_name(ev->msg->type), ev->msg->from, ev->msg->term, ev->msg->pos.index,
               ev->msg->pos.term, ev->msg->entry_count, ev->msg->commit, ev->msg->ok);
    printf(
        " -> %d role %d term %lu vote %u leader %u last %lu/%lu commit %lu durable %lu base %lu\n",
        rc, s.role, s.hard.term, s.hard.vote, s.leader, s.last.index, s.last.term, s.commit,
        s.durable, s.log_base.index);
}

static bool status_equal(const struct raft_status *a, const struct raft_status *b)
{
    return a->role == b->role && a->leader == b->leader && a->hard.term == b->hard.term &&
           a->hard.vote == b->hard.vote && a->commit == b->commit && a->applied == b->applied &&
           a->durable == b->durable && a->last.index == b->last.index &&
           a->last.term == b->last.term && a->log_base.index == b->log_base.index &&
           a->snap.pos.index == b->snap.pos.index && a->log_bytes == b->log_bytes &&
           a->reads_waiting == b->reads_waiting && a->snapshot_sending == b->snapshot_sending;
}

/* A step that runs short of memory changes nothing and may be given again. */
static int step_failing(struct cluster *c, struct node *n, const struct raft_event *ev,
                        struct raft_orders *orders)
{
    struct raft_status before = node_status(n), after;
    bool hit;
    int rc;

    for (int64_t nth = 0;; nth++) {
        mem_fail_after(nth);
        rc = raft_step(n->raft, ev, orders);
        hit = mem_fail_hit();
        mem_fail_after(-1);
        if (!hit)
            return rc;
        c->allocs_failed++;
        after = node_status(n);
        raft_check(n->raft);
        if (rc != -ENOMEM)
            cluster_fail(c, "n%u: allocation %ld failed, the step says %s", n->id, (long)nth,
                         reason_name(rc));
        if (!status_equal(&before, &after) || orders->msg_count || orders->persist.token.seq)
            cluster_fail(c, "n%u: a step without memory changed something", n->id);
        if (rc != -ENOMEM)
            return rc;
    }
}

static int event_give(struct cluster *c, struct node *n, struct raft_event *ev)
{
    enum raft_role before = node_status(n).role;
    struct raft_orders orders;
    int rc;

    ev->now_ms = node_clock(c, n);
    rc = c->fail_allocs ? step_failing(c, n, ev, &orders) : raft_step(n->raft, ev, &orders);
    c->n.steps++;
    c->last_rc = rc;
    if (c->trace)
        trace(c, n, ev, rc);
    raft_check(n->raft);
    if (rc == -R_RAFT_CONFLICT || rc == -R_MALFORMED)
        cluster_fail(c, "n%u: %s", n->id, reason_name(rc));
    if (rc < 0) {
        c->n.refusals++;
        return rc;
    }
    c->proposed = orders.proposed;
    take_persist(c, n, &orders.persist);
    for (uint32_t i = 0; i < orders.msg_count; i++)
        take_msg(c, n, &orders.msgs[i]);
    if (orders.role == RAFT_LEADER && before != RAFT_LEADER)
        see_leader(c, n);
    see_commit(c, n, node_status(n).commit);
    take_apply(c, n, &orders);
    reads_answered(c, n, &orders);
    return orders.apply_count ? 1 : 0;
}

int node_step(struct cluster *c, struct node *n, struct raft_event ev)
{
    int rc = event_give(c, n, &ev);
    int more = rc;

    while (more > 0) { /* something was applied: say so */
        struct raft_event applied = {.type = RAFT_EV_APPLIED, .index = n->applied};

        more = event_give(c, n, &applied);
    }
    reads_finish(c, n);
    return MIN(rc, 0);
}

static void release_held(struct cluster *c, struct node *n)
{
    while (n->held && n->held->after_seq <= n->durable_seq) {
        struct packet *p = n->held;

        n->held = p->next;
        if (!n->held)
            n->held_tail = &n->held;
        p->next = NULL;
        c->sent(c, p);
    }
}

bool node_persist(struct cluster *c, struct node *n)
{
    struct order *o = n->orders;
    struct raft_event ev = {.type = RAFT_EV_PERSISTED};

    if (!o)
        return false;
    n->orders = o->next;
    if (!n->orders)
        n->orders_tail = &n->orders;
    disk_write(c, n, o, SIZE_MAX);
    if (o->p.log_base.index <= n->snap.pos.index)
        disk_trim(n, o->p.log_base.index);
    n->durable_seq = o->p.token.seq;
    release_held(c, n);
    ev.token = o->p.token;
    (void)node_step(c, n, ev);
    order_free(o);
    return true;
}

void node_install(struct cluster *c, struct node *n)
{
    struct raft_event ev = {.type = RAFT_EV_SNAPSHOT_INSTALLED, .index = n->incoming.pos.index};

    n->install_due = false;
    n->snap = n->incoming;
    memcpy(&n->snap_state.value, n->incoming_bytes, 8);
    memcpy(&n->snap_state.value_index, n->incoming_bytes + 8, 8);
    memcpy(&n->snap_state.hash, n->incoming_bytes + 16, 8);
    n->state = n->snap_state;
    n->applied = n->snap.pos.index;
    see_state(c, n);
    c->n.installs++;
    if (node_step(c, n, ev) < 0)
        cluster_fail(c, "n%u refuses its snapshot", n->id);
}

/* ---- life ---- */

static void volatile_drop(struct node *n)
{
    while (n->orders) {
        struct order *o = n->orders;

        n->orders = o->next;
        order_free(o);
    }
    while (n->held) {
        struct packet *p = n->held;

        n->held = p->next;
        packet_free(p);
    }
    n->orders_tail = &n->orders;
    n->held_tail = &n->held;
    n->install_due = false;
    n->durable_seq = 0;
    raft_destroy(n->raft);
    n->raft = NULL;
    n->up = false;
}

void node_crash(struct cluster *c, struct node *n, bool torn)
{
    uint64_t whole = torn ? rng_below(&c->rng, 3) : 0;
    struct order *o = n->orders;

    c->n.crashes++;
    for (; o && whole > 0; o = o->next, whole--)
        disk_write(c, n, o, SIZE_MAX);
    if (o && torn && rng_chance(&c->rng, 1, 2))
        disk_write(c, n, o, rng_below(&c->rng, o->entries.count + 1));
    for (uint32_t i = 0; i < READS_MAX; i++) {
        if (c->reads[i].node == n->id)
            c->reads[i].used = false;
    }
    volatile_drop(n);
}

static void raft_open(struct cluster *c, struct node *n)
{
    struct raft_conf conf = c->conf;
    struct raft_entry *entries = must(calloc(n->log.count + 1, sizeof(*entries)));
    struct raft_stored stored = {
        .hard = n->hard,
        .snap = n->snap,
        .entries = entries,
        .entry_count = n->log.count,
        .applied = n->snap.pos.index,
    };
    int rc;

    for (size_t i = 0; i < n->log.count; i++) {
        const struct stored_entry *e = &n->log.e[i];

        entries[i].pos = e->pos;
        entries[i].type = e->type;
        if (e->type != RAFT_NOOP)
            entries[i].data = (struct bytes){(const uint8_t *)&e->data, sizeof(e->data)};
    }
    conf.id = n->id;
    rng_seed(&conf.rng, rng_u64(&c->rng));
    for (int64_t nth = 0; c->fail_allocs; nth++) {
        mem_fail_after(nth);
        rc = raft_create(&conf, &stored, &n->raft);
        mem_fail_after(-1);
        if (rc == 0)
            break;
        c->allocs_failed++;
        if (rc != -ENOMEM)
            cluster_fail(c, "n%u: a start without memory says %s", n->id, reason_name(rc));
    }
    rc = c->fail_allocs ? 0 : raft_create(&conf, &stored, &n->raft);
    free(entries);
    if (rc < 0) {
        fprintf(stderr, "n%u: raft_create: %s\n", n->id, reason_name(rc));
        abort();
    }
}

void node_start(struct cluster *c, struct node *n)
{
    raft_open(c, n);
    n->up = true;
    n->state = n->snap_state;
    n->applied = n->snap.pos.index;
    n->commit_seen = n->applied;
    n->clock_base_ms = rng_below(&c->rng, 1000000); /* clocks agree on nothing but their rate */
    raft_check(n->raft);
    (void)node_step(c, n, (struct raft_event){.type = RAFT_EV_TICK});
}

uint64_t node_clock(const struct cluster *c, const struct node *n)
{
    return n->clock_base_ms + 1 + c->now_ms * n->rate_permille / 1000;
}

struct raft_status node_status(const struct node *n)
{
    struct raft_status s;

    raft_status(n->raft, &s);
    return s;
}

int node_read(struct cluster *c, struct node *n)
{
    uint64_t id = ++c->read_next;
    struct read_op *r = &c->reads[id % READS_MAX];
    int rc;

    *r = (struct read_op){.used = true, .node = n->id, .id = id, .floor = c->floor};
    rc = node_step(c, n, (struct raft_event){.type = RAFT_EV_READ, .id = id});
    if (rc < 0 && r->id == id)
        r->used = false;
    return rc;
}

int node_propose(struct cluster *c, struct node *n, uint64_t value)
{
    struct bytes data = {(const uint8_t *)&value, sizeof(value)};

    return node_step(c, n, (struct raft_event){.type = RAFT_EV_PROPOSE, .data = data});
}

void node_snapshot(struct cluster *c, struct node *n)
{
    struct raft_event ev = {
        .type = RAFT_EV_SNAPSHOT_CREATED, .index = n->applied, .id = STATE_BYTES};
    const struct raft_entry *e = raft_entry_at(n->raft, n->applied);

    if (!e || n->install_due || n->applied <= n->snap.pos.index)
        return;
    n->snap.pos = e->pos;
    n->snap.bytes = STATE_BYTES;
    n->snap.members = c->conf.members;
    n->snap_state = n->state;
    c->n.snapshots++;
    if (node_step(c, n, ev) < 0)
        cluster_fail(c, "n%u refuses a snapshot of its own", n->id);
}

struct node *cluster_leader(struct cluster *c)
{
    struct node *leader = NULL;

    for (uint32_t i = 0; i < c->count; i++) {
        struct node *n = &c->nodes[i];

        if (!n->up || node_status(n).role != RAFT_LEADER)
            continue;
        if (!leader || node_status(n).hard.term > node_status(leader).hard.term)
            leader = n;
    }
    return leader;
}

void packet_free(struct packet *p)
{
    free(p->data);
    free(p);
}

void packet_deliver(struct cluster *c, struct packet *p)
{
    struct node *to = &c->nodes[p->to - 1];
    struct cursor cur = cur_over(p->data, p->bytes);
    struct raft_msg m = {0};
    int rc;

    c->n.packets++;
    if (to->up) {
        rc = raft_msg_decode(&cur, &m);
        if (rc < 0 || cur_finish(&cur) < 0)
            cluster_fail(c, "a message does not decode: %s", reason_name(rc));
        else
            (void)node_step(c, to, (struct raft_event){.type = RAFT_EV_MSG, .msg = &m});
        raft_msg_fini(&m);
    }
    packet_free(p);
}

struct cluster *cluster_create(const struct raft_conf *conf, uint32_t count, uint64_t seed)
{
    struct cluster *c = must(calloc(1, sizeof(*c)));

    c->conf = *conf;
    c->count = count;
    c->known = must(calloc(INDEX_MAX, sizeof(*c->known)));
    rng_seed(&c->rng, seed);
    for (uint32_t i = 0; i < count; i++) {
        struct node *n = &c->nodes[i];

        n->id = i + 1;
        n->rate_permille = 1000;
        n->orders_tail = &n->orders;
        n->held_tail = &n->held;
    }
    return c;
}

void cluster_destroy(struct cluster *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        volatile_drop(&c->nodes[i]);
        free(c->nodes[i].log.e);
    }
    for (size_t i = 0; i < c->packet_count; i++)
        packet_free(c->packets[i]);
    free(c->packets);
    free(c->known);
    free(c);
}
