/* sim_conn.c - streams of bytes between two ends.
 *
 *      net_send -> queued -> (send_ev) flying, cut at random into marks -> (receive_ev) arrived
 *               -> space / received
 *
 * Order holds within a pipe: no mark overtakes another, the end of stream comes last.  A reset
 * overtakes everything.  Where a cut is in the way, what would arrive is tried again later, as
 * retransmissions would.  An end whose peer vanished without a word (power cut, time-out) hears a
 * reset when it sends and somebody is there to answer, else it times out. */
#include "core/env/sim_net.h"

enum {
    PIECE_MIN = 2048,
    SEND_DELAY_MIN_NS = 200,
    SEND_DELAY_MAX_NS = 3000,
    LOCAL_MIN_NS = 5000, /* between processes of one machine */
    LOCAL_MAX_NS = 30000,
};
#define RETRY_MIN_NS   (50 * NS_PER_MS)
#define RETRY_MAX_NS   (400 * NS_PER_MS)
#define SILENCE_MIN_NS (2 * NS_PER_S)
#define SILENCE_MAX_NS (15 * NS_PER_S)

struct piece {
    struct list link;
    size_t off, len, cap; /* bytes off .. len are held */
    uint8_t data[];
};

uint64_t sim_net_delay(struct sim *s, const struct sim_machine *from, const struct sim_machine *to)
{
    if (from == to || !to)
        return sim_between(s, LOCAL_MIN_NS, LOCAL_MAX_NS);
    return sim_between(s, s->conf.net_delay_min_ns, s->conf.net_delay_max_ns) + from->slow_net_ns +
           to->slow_net_ns;
}

static struct sim_process *process_of(const struct net_conn *c)
{
    return sim_process_of(c->env);
}

static struct sim_machine *machine_of(const struct net_conn *c)
{
    return c->link->m[c->side];
}

/* From this end to the other. */
static uint64_t arrival(struct net_conn *c)
{
    struct sim *s = c->link->sim;

    return s->now_ns + sim_net_delay(s, machine_of(c), machine_of(sim_conn_peer(c)));
}

static void soon(struct net_conn *c, struct sim_event *ev)
{
    struct sim *s = c->link->sim;

    sim_schedule(s, ev, s->now_ns + sim_between(s, SEND_DELAY_MIN_NS, SEND_DELAY_MAX_NS));
}

static void later(struct net_conn *c, struct sim_event *ev)
{
    struct sim *s = c->link->sim;

    sim_schedule(s, ev, s->now_ns + sim_between(s, RETRY_MIN_NS, RETRY_MAX_NS));
}

/* --- pipes --- */

static int pipe_append(struct sim_pipe *pipe, const struct buf *data)
{
    struct piece *last =
        list_empty(&pipe->pieces) ? NULL : LIST_LAST(&pipe->pieces, struct piece, link);

    if (!last || last->cap - last->len < data->bytes) {
        size_t cap = MAX(data->bytes, PIECE_MIN);

        last = sim_try_alloc(sizeof(*last) + cap);
        if (!last)
            return -ENOMEM;
        last->cap = cap;
        list_push_back(&pipe->pieces, &last->link);
    }
    buf_copy_out(data, 0, last->data + last->len, data->bytes);
    last->len += data->bytes;
    pipe->queued += data->bytes;
    return 0;
}

static void pipe_take(struct sim_pipe *pipe, uint8_t *out, size_t bytes)
{
    pipe->arrived -= bytes;
    while (bytes > 0) {
        struct piece *first = LIST_FIRST(&pipe->pieces, struct piece, link);
        size_t part = MIN(bytes, first->len - first->off);

        memcpy(out, first->data + first->off, part);
        first->off += part;
        out += part;
        bytes -= part;
        if (first->off == first->len) {
            list_remove(&first->link);
            sim_free(first);
        }
    }
}

static void pipe_fini(struct sim_pipe *pipe)
{
    struct list *l;

    while ((l = list_pop_front(&pipe->pieces)))
        sim_free(LIST_ENTRY(l, struct piece, link));
}

static void pipe_fly(struct sim_pipe *pipe, uint64_t bytes, uint64_t at_ns)
{
    pipe->last_at_ns = MAX(pipe->last_at_ns, at_ns);
    pipe->marks[(pipe->first + pipe->count++) % PIPE_MARKS] =
        (struct sim_mark){pipe->last_at_ns, bytes};
    pipe->queued -= bytes;
    pipe->flying += bytes;
}

static void pipe_land(struct sim_pipe *pipe, uint64_t now_ns)
{
    while (pipe->count > 0 && pipe->marks[pipe->first].at_ns <= now_ns) {
        uint64_t bytes = pipe->marks[pipe->first].bytes;

        pipe->flying -= bytes;
        pipe->arrived += bytes;
        pipe->first = (pipe->first + 1) % PIPE_MARKS;
        pipe->count--;
    }
}

/* --- ends --- */

void sim_conn_gone(struct net_conn *c)
{
    struct sim_link *l = c->link;
    struct sim *s = l->sim;

    c->state = CONN_GONE;
    sim_unschedule(s, &c->send_ev);
    sim_unschedule(s, &c->receive_ev);
    sim_unschedule(s, &c->end_ev);
    sim_unschedule(s, &c->silence_ev);
    if (c->side == 0)
        sim_unschedule(s, &l->syn_ev);
    list_remove(&c->link_in);
    if (sim_conn_peer(c)->state != CONN_GONE)
        return;
    pipe_fini(&l->pipe[0]);
    pipe_fini(&l->pipe[1]);
    list_remove(&l->link);
    sim_free(l);
}

void sim_conn_reset(struct net_conn *c, uint64_t at_ns, int rc, bool local)
{
    if (!sim_conn_there(c) || (sim_event_pending(&c->end_ev) && c->end_ev.at_ns <= at_ns))
        return;
    c->end_rc = rc;
    c->end_local = local;
    sim_schedule(c->link->sim, &c->end_ev, at_ns);
}

void sim_conn_silence(struct net_conn *c)
{
    struct sim *s = c->link->sim;

    if (sim_conn_there(c) && !sim_event_pending(&c->silence_ev))
        sim_schedule(s, &c->silence_ev, s->now_ns + sim_between(s, SILENCE_MIN_NS, SILENCE_MAX_NS));
}

void sim_conn_leave(struct net_conn *c)
{
    struct sim *s = c->link->sim;
    struct net_conn *peer = sim_conn_peer(c);
    struct sim_pipe *out = &c->link->pipe[c->side], *in = &c->link->pipe[!c->side];

    out->queued = 0; /* its bytes stay behind, never sent */
    if (!sim_conn_there(peer))
        return;
    if (in->arrived + in->flying > 0 && rng_chance(&s->rng, 1, 2)) {
        sim_conn_reset(peer, arrival(c), -ECONNRESET, false); /* bytes met a closed door */
        return;
    }
    out->fin = true;
    out->fin_at_ns = out->last_at_ns = MAX(out->last_at_ns, arrival(c));
    sim_conn_receive_arm(peer);
}

/* The user hears of the end, and the connection is no more. */
static void conn_end(struct net_conn *c, int rc)
{
    struct net_handler *h = c->h;

    sim_trace(c->link->sim, c->link->number, (uint64_t)(int64_t)rc);
    sim_conn_gone(c);
    h->closed(h, rc);
}

static void end_run(struct sim_event *ev)
{
    struct net_conn *c = CONTAINER_OF(ev, struct net_conn, end_ev);

    if (!c->end_local && sim_net_is_cut(machine_of(sim_conn_peer(c)), machine_of(c)))
        later(c, ev);
    else if (c->h)
        conn_end(c, c->end_rc);
    else
        sim_conn_gone(c); /* it was never accepted */
}

static void silence_run(struct sim_event *ev)
{
    struct net_conn *c = CONTAINER_OF(ev, struct net_conn, silence_ev);
    struct net_conn *peer = sim_conn_peer(c);

    if (c->state != CONN_CONNECTING && sim_conn_there(peer) &&
        !sim_net_is_cut(machine_of(c), machine_of(peer)) &&
        !sim_net_is_cut(machine_of(peer), machine_of(c)))
        return;
    if (!sim_conn_there(c))
        return; /* `closed` is on its way */
    sim_conn_silence(peer);
    if (c->h)
        conn_end(c, -ETIMEDOUT);
    else
        sim_conn_gone(c);
}

/* --- sending --- */

static void send_to_nobody(struct net_conn *c)
{
    struct net_conn *peer = sim_conn_peer(c);
    struct sim_machine *there = machine_of(peer);
    uint64_t at_ns;

    if (!there->powered || sim_net_is_cut(machine_of(c), there) ||
        sim_net_is_cut(there, machine_of(c))) {
        later(c, &c->send_ev);
        sim_conn_silence(c);
        return;
    }
    at_ns = arrival(c); /* one draw a statement: operands have no order */
    at_ns += sim_net_delay(c->link->sim, there, machine_of(c));
    sim_conn_reset(c, at_ns, -ECONNRESET, false);
}

static void send_run(struct sim_event *ev)
{
    struct net_conn *c = CONTAINER_OF(ev, struct net_conn, send_ev);
    struct sim *s = c->link->sim;
    struct net_conn *peer = sim_conn_peer(c);
    struct sim_pipe *pipe = &c->link->pipe[c->side];
    uint64_t before = pipe->queued;
    uint64_t room = PIPE_WINDOW - pipe->flying - pipe->arrived;
    uint64_t bytes = MIN(pipe->queued, room);

    if (c->state != CONN_OPEN || pipe->queued == 0)
        return;
    if (!sim_conn_there(peer)) {
        send_to_nobody(c);
        return;
    }
    while (bytes > 0 && pipe->count < PIPE_MARKS) {
        uint64_t part = rng_chance(&s->rng, 1, 4) ? rng_between(&s->rng, 1, bytes) : bytes;

        pipe_fly(pipe, part, arrival(c));
        bytes -= part;
    }
    sim_conn_receive_arm(peer); /* which asks for more when it has taken some */
    if (before > NET_DRAINED_BYTES && pipe->queued <= NET_DRAINED_BYTES && c->h->drained)
        c->h->drained(c->h);
}

int sim_net_send(struct net_conn *c, struct buf *data)
{
    struct sim_process *p = process_of(c);
    int rc = 0;

    ASSERT(c->state != CONN_GONE); /* used after `closed` */
    sim_assert_home(p);
    if (c->state == CONN_CLOSING)
        rc = -EPIPE;
    else if (data->bytes > 0 && sim_process_works(p))
        rc = pipe_append(&c->link->pipe[c->side], data);
    buf_fini(data);
    if (rc == 0 && c->state == CONN_OPEN && !sim_event_pending(&c->send_ev))
        soon(c, &c->send_ev);
    return rc;
}

uint64_t sim_net_queued_bytes(const struct net_conn *c)
{
    return c->link->pipe[c->side].queued;
}

/* --- receiving --- */

void sim_conn_receive_arm(struct net_conn *c)
{
    struct sim *s = c->link->sim;
    struct sim_pipe *in = &c->link->pipe[!c->side];
    uint64_t at_ns;

    if (c->state != CONN_OPEN || c->paused || sim_event_pending(&c->receive_ev))
        return;
    if (in->arrived > 0)
        at_ns = s->now_ns;
    else if (in->count > 0)
        at_ns = in->marks[in->first].at_ns;
    else if (in->fin)
        at_ns = in->fin_at_ns;
    else
        return;
    sim_schedule(s, &c->receive_ev, MAX(at_ns, s->now_ns + SEND_DELAY_MIN_NS));
}

/* The receiver took something: its peer may send on once it knows. */
static void window_opens(struct net_conn *c)
{
    struct net_conn *peer = sim_conn_peer(c);

    if (peer->state == CONN_OPEN && c->link->pipe[peer->side].queued > 0 &&
        !sim_event_pending(&peer->send_ev))
        sim_schedule(c->link->sim, &peer->send_ev, arrival(c));
}

static void deliver(struct net_conn *c)
{
    struct sim *s = c->link->sim;
    struct sim_pipe *in = &c->link->pipe[!c->side];
    uint64_t before;

    if (sim_net_is_cut(machine_of(sim_conn_peer(c)), machine_of(c))) {
        later(c, &c->receive_ev);
        return;
    }
    pipe_land(in, s->now_ns);
    before = in->arrived;
    while (in->arrived > 0 && c->state == CONN_OPEN && !c->paused) {
        uint8_t *at = NULL;
        size_t room = c->h->space(c->h, &at);

        if (c->state != CONN_OPEN)
            break;
        c->paused = room == 0;
        room = MIN(room, in->arrived);
        if (room == 0)
            break;
        pipe_take(in, at, room);
        c->h->received(c->h, room);
    }
    sim_trace(s, c->link->number, before - in->arrived);
    if (in->arrived < before)
        window_opens(c);
    if (c->state != CONN_OPEN)
        return;
    if (in->fin && in->arrived == 0 && in->count == 0 && in->fin_at_ns <= s->now_ns)
        conn_end(c, 0);
    else
        sim_conn_receive_arm(c);
}

static void open_run(struct net_conn *c)
{
    struct net_listener *listener = c->listener;

    c->state = CONN_OPEN;
    if (c->side == 0) {
        c->h->opened(c->h);
    } else {
        c->listener = NULL;
        c->h = listener->accept->accepted(listener->accept, c, &c->link->from);
        if (!c->h) { /* refused */
            sim_conn_leave(c);
            sim_conn_gone(c);
            return;
        }
    }
    if (c->state != CONN_OPEN)
        return;
    sim_conn_receive_arm(c);
    if (c->link->pipe[c->side].queued > 0 && !sim_event_pending(&c->send_ev))
        soon(c, &c->send_ev);
}

static void receive_run(struct sim_event *ev)
{
    struct net_conn *c = CONTAINER_OF(ev, struct net_conn, receive_ev);

    if (c->state == CONN_OPENING)
        open_run(c);
    else if (c->state == CONN_OPEN)
        deliver(c);
}

void sim_net_resume(struct net_conn *c)
{
    ASSERT(c->state != CONN_GONE);
    sim_assert_home(process_of(c));
    if (!c->paused)
        return;
    c->paused = false;
    sim_conn_receive_arm(c);
}

/* --- closing --- */

void sim_net_close(struct net_conn *c)
{
    ASSERT(c->state != CONN_GONE);
    sim_assert_home(process_of(c));
    if (c->state == CONN_CLOSING || !sim_process_works(process_of(c)))
        return;
    if (c->state == CONN_CONNECTING)
        sim_unschedule(c->link->sim, &c->link->syn_ev);
    else
        sim_conn_leave(c);
    c->state = CONN_CLOSING;
    c->end_rc = -ECANCELED;
    c->end_local = true;
    soon(c, &c->end_ev);
}

/* --- life --- */

void sim_conn_init(struct sim_link *l, unsigned side, struct sim_process *p,
                   enum sim_conn_state state)
{
    struct net_conn *c = &l->end[side];
    uint64_t id = l->number << 1 | side;

    *c = (struct net_conn){.env = &p->env, .link = l, .side = side, .state = state};
    sim_event_init(&c->send_ev, p, SIM_EV_NET_SEND, id, send_run);
    sim_event_init(&c->receive_ev, p, SIM_EV_NET_RECEIVE, id, receive_run);
    sim_event_init(&c->end_ev, p, SIM_EV_NET_END, id, end_run);
    sim_event_init(&c->silence_ev, p, SIM_EV_NET_SILENCE, id, silence_run);
    l->m[side] = p->m;
    list_push_back(&p->conns, &c->link_in);
}

struct sim_link *sim_link_make(struct sim *s)
{
    struct sim_link *l = sim_try_alloc(sizeof(*l));

    if (!l)
        return NULL;
    l->sim = s;
    l->number = ++s->last_link;
    list_init(&l->pipe[0].pieces);
    list_init(&l->pipe[1].pieces);
    l->end[0].link = l->end[1].link = l;
    l->end[1].side = 1;
    list_push_back(&s->links, &l->link);
    return l;
}
