/* link.c - one connection: greeting, frames, pings, the end.
 *
 *   CONNECT ──opened──▶ GREET ──accepted──▶ OPEN ──bye──▶ LINGER ──▶ CLOSED ──closed──▶ (freed)
 *
 * A link is freed by `closed` alone, which comes from the loop, so it can be used until the end of
 * any callback.  The session may let go of it before (link_drop, link_bye); then it only waits.
 * LINGER gives a bye or a refusal time to arrive: closing at once would drop what is queued. */
#include "core/msgr/internal.h"

enum link_state { LINK_CONNECT, LINK_GREET, LINK_OPEN, LINK_LINGER, LINK_CLOSED };

struct link {
    struct net_handler h;
    struct msgr *m;        /* borrowed: waits for its links */
    struct net_conn *conn; /* borrowed until `closed` */
    struct session *s;     /* borrowed; NULL: none yet, or not any more */
    enum link_state state;
    bool outgoing;
    bool counted; /* among m->greetings */
    bool paused;  /* the session's budget is used up */
    struct parse parse;
    struct env_timer timer; /* greeting, lingering */
    struct net_addr peer;
};

bool link_open(const struct link *l)
{
    return l->state == LINK_OPEN;
}

bool link_reading(const struct link *l)
{
    return !l->paused;
}

const struct net_addr *link_peer(const struct link *l)
{
    return &l->peer;
}

static void greeting_over(struct link *l)
{
    if (l->counted)
        l->m->greetings--;
    l->counted = false;
}

static void shut(struct link *l)
{
    greeting_over(l);
    if (l->state == LINK_CLOSED)
        return;
    env_timer_cancel(l->m->env, &l->timer);
    l->state = LINK_CLOSED;
    net_close(l->conn);
}

static void linger(struct link *l)
{
    greeting_over(l);
    l->state = LINK_LINGER;
    l->paused = false;
    env_timer_after(l->m->env, &l->timer, MSGR_LINGER_MS * NS_PER_MS);
    net_resume(l->conn); /* to see the peer close */
}

void link_drop(struct link *l)
{
    l->s = NULL;
    shut(l);
}

/* The connection is of no more use: tell the session, if there is one. */
static void lost(struct link *l, int rc)
{
    struct session *s = TAKE(l->s);

    shut(l);
    if (!s)
        return;
    s->path = NULL;
    if (s->state == SESSION_OPEN)
        session_broken(s);
    else
        session_attempt_failed(s, rc);
}

/* ---- sending ---- */

int link_send(struct link *l, struct buf *data)
{
    int rc = net_send(l->conn, data);

    return rc == -EPIPE ? 0 : rc; /* closing already: `closed` will say so */
}

int link_send_short(struct link *l, enum frame_kind kind)
{
    AUTO(buf) out = {0};
    struct frame_head head = {.kind = (uint8_t)kind, .ack = l->s ? l->s->in_seq : 0};
    uint8_t bytes[WIRE_HEAD_BYTES];
    int rc;

    frame_head_encode(bytes, &head);
    rc = buf_append_copy(&out, bytes, sizeof(bytes));
    return rc ? rc : link_send(l, &out);
}

static int send_greeting(struct link *l, const struct hello *hello, const struct answer *answer)
{
    AUTO(buf) out = {0};
    AUTO(writer) w = {0};
    int rc;

    if (hello)
        hello_encode(&w, hello);
    else
        answer_encode(&w, answer);
    rc = w.rc ? w.rc : buf_append_copy(&out, w.data, w.len);
    return rc ? rc : link_send(l, &out);
}

void link_bye(struct link *l)
{
    int rc = link_send_short(l, FRAME_BYE);

    l->s = NULL;
    if (rc)
        shut(l);
    else
        linger(l);
}

/* ---- receiving ---- */

/* What came breaks the format, or its checksum does.  A few times in a row may be a bad wire; more
 * is a message that cannot be read, which would come again for ever. */
static void bad(struct link *l, int rc)
{
    struct session *s = l->s;

    log_warn(&l->m->log, "peer sent bytes that cannot be used", KV_STR("peer", l->peer.s),
             KV_RC(rc));
    counter_add(&l->m->counts.bad_frames, 1);
    if (s && l->state == LINK_OPEN && ++s->bad_frames >= MSGR_BAD_FRAMES_MAX)
        session_reset(s, rc);
    else
        lost(l, rc);
}

static void refuse(struct link *l, const struct answer *a)
{
    log_warn(&l->m->log, "peer is refused", KV_STR("peer", l->peer.s), KV_RC(-(int)a->refused));
    if (send_greeting(l, NULL, a))
        shut(l);
    else
        linger(l);
}

/* Both have agreed. */
static void agreed(struct link *l)
{
    env_timer_cancel(l->m->env, &l->timer);
    greeting_over(l);
    l->state = LINK_OPEN;
    session_opened(l->s);
}

static void got_hello(struct link *l, const struct hello *h)
{
    struct answer a;
    struct session *s = NULL;
    int rc = hello_judge(l->m, h, &s, &a);

    if (l->state != LINK_GREET) /* a handler closed the messenger */
        return;
    if (rc == -ESTALE || rc == -ENOMEM) {
        shut(l);
        return;
    }
    if (rc) {
        refuse(l, &a);
        return;
    }
    l->s = s;
    s->path = l;
    s->conf.addr = l->peer;
    rc = send_greeting(l, NULL, &a);
    agreed(l);
    if (rc)
        lost(l, rc);
}

static void got_answer(struct link *l, const struct answer *a)
{
    struct session *s = l->s;
    int rc = answer_judge(s, a);

    if (rc == 0) {
        agreed(l);
        return;
    }
    log_info(&l->m->log, "session is not accepted", KV_STR("peer", l->peer.s), KV_RC(rc));
    session_reset(s, rc);
}

static void got_greeting(struct link *l, struct bytes envelope)
{
    struct cursor c = cur_over(envelope.data, envelope.len);
    union {
        struct hello hello;
        struct answer answer;
    } in;
    struct answer refusal;
    int rc = l->outgoing ? answer_decode(&c, &in.answer) : hello_decode(&c, &in.hello);

    if (rc && l->outgoing) {
        bad(l, rc);
    } else if (rc) {
        answer_refusal(l->m, rc, &refusal);
        refuse(l, &refusal);
    } else if (l->outgoing) {
        got_answer(l, &in.answer);
    } else {
        got_hello(l, &in.hello);
    }
}

static void got_message(struct link *l, struct parse_event *ev)
{
    struct session *s = l->s;
    struct msg *m;
    int rc;

    if (ev->head.seq <= s->in_seq) {
        counter_add(&l->m->counts.repeats, 1);
        buf_fini(&ev->data);
        return;
    }
    if (ev->head.seq != s->in_seq + 1) {
        buf_fini(&ev->data);
        bad(l, -R_MALFORMED);
        return;
    }
    rc = msg_decode(ev->type, ev->front, &ev->data, &m);
    if (rc == -ENOMEM) {
        lost(l, rc); /* it will come again */
        return;
    }
    if (rc) {
        bad(l, rc);
        return;
    }
    m->trace_id = ev->head.trace_id;
    s->in_seq++;
    s->bad_frames = 0;
    session_deliver(s, m);
}

static void use_frame(struct link *l, struct session *s, struct parse_event *ev)
{
    if (!session_acked(s, ev->head.ack)) {
        buf_fini(&ev->data);
        bad(l, -R_MALFORMED);
        return;
    }
    session_drained(s);
    if (l->s != s) { /* closed from there */
        buf_fini(&ev->data);
        return;
    }
    switch (ev->head.kind) {
    case FRAME_MESSAGE:
        got_message(l, ev);
        break;
    case FRAME_PING:
        if (link_send_short(l, FRAME_PONG))
            lost(l, -ENOMEM);
        break;
    case FRAME_BYE:
        s->path = NULL;
        link_drop(l);
        session_reset(s, -R_SESSION_RESET);
        break;
    default: /* ack, pong: said all with their head */
        break;
    }
}

static void got_frame(struct link *l, struct parse_event *ev)
{
    struct session *s = session_ref(l->s); /* handlers may drop it */

    use_frame(l, s, ev);
    session_unref(s);
}

/* The reader failed: a listener tells who does not speak our language at all. */
static void unreadable(struct link *l, int rc)
{
    struct answer a;

    if (rc == -ENOMEM) {
        lost(l, rc);
    } else if (!l->outgoing && l->state == LINK_GREET) {
        answer_refusal(l->m, rc, &a);
        refuse(l, &a);
    } else {
        bad(l, rc);
    }
}

/* Use what has arrived, as far as the budget allows. */
static void pump(struct link *l)
{
    struct parse_event ev;
    int rc = 1;

    while (rc > 0 && (l->state == LINK_OPEN || l->state == LINK_GREET)) {
        if (l->state == LINK_OPEN && budget_full(l->s->budget)) {
            l->paused = true;
            return;
        }
        rc = parse_next(&l->parse, &ev);
        if (rc < 0)
            unreadable(l, rc);
        else if (rc > 0 && ev.greeting)
            got_greeting(l, ev.envelope);
        else if (rc > 0)
            got_frame(l, &ev);
    }
}

void link_resume(struct link *l)
{
    if (!l->paused)
        return;
    l->paused = false;
    l->s->heard_ns = env_now_ns(l->m->env); /* the silence was ours */
    pump(l);
    if (!l->paused && l->state == LINK_OPEN)
        net_resume(l->conn);
}

/* ---- what the network says ---- */

static void on_opened(struct net_handler *h)
{
    struct link *l = CONTAINER_OF(h, struct link, h);
    struct hello hello;
    int rc;

    if (l->state != LINK_CONNECT)
        return;
    l->state = LINK_GREET;
    hello_make(l->s, &hello);
    rc = send_greeting(l, &hello, NULL);
    if (rc)
        lost(l, rc);
}

static size_t on_space(struct net_handler *h, uint8_t **out_at)
{
    struct link *l = CONTAINER_OF(h, struct link, h);

    if (l->paused || l->state == LINK_CLOSED)
        return 0;
    if (l->state == LINK_LINGER) { /* nobody reads it any more */
        *out_at = l->parse.staging;
        return PARSE_STAGING_BYTES;
    }
    return parse_space(&l->parse, out_at);
}

static void on_received(struct net_handler *h, size_t bytes)
{
    struct link *l = CONTAINER_OF(h, struct link, h);

    if (l->state != LINK_OPEN && l->state != LINK_GREET)
        return;
    parse_received(&l->parse, bytes);
    if (l->s)
        l->s->heard_ns = env_now_ns(l->m->env);
    pump(l);
}

static void on_closed(struct net_handler *h, int rc)
{
    struct link *l = CONTAINER_OF(h, struct link, h);
    struct msgr *m = l->m;

    env_timer_cancel(m->env, &l->timer);
    greeting_over(l);
    l->state = LINK_CLOSED;
    if (l->s)
        lost(l, rc ? rc : -ECONNRESET);
    parse_fini(&l->parse);
    mem_free(l);
    msgr_release(m);
}

static void timer_fire(struct env_timer *t)
{
    struct link *l = CONTAINER_OF(t, struct link, timer);

    if (l->state == LINK_LINGER) {
        shut(l);
        return;
    }
    log_warn(&l->m->log, "peer did not greet in time", KV_STR("peer", l->peer.s));
    lost(l, -ETIMEDOUT);
}

static struct link *create(struct msgr *m, const struct net_addr *peer)
{
    struct link *l = mem_zalloc(sizeof(*l));

    if (!l)
        return NULL;
    if (parse_init(&l->parse, &m->types)) {
        mem_free(l);
        return NULL;
    }
    l->h = (struct net_handler){
        .opened = on_opened, .space = on_space, .received = on_received, .closed = on_closed};
    l->m = m;
    l->peer = *peer;
    env_timer_init(&l->timer, timer_fire);
    return l;
}

static void start(struct link *l)
{
    msgr_hold(l->m);
    env_timer_after(l->m->env, &l->timer, MSGR_GREETING_MS * NS_PER_MS);
}

int link_connect(struct session *s)
{
    struct link *l = create(s->m, &s->conf.addr);
    int rc;

    if (!l)
        return -ENOMEM;
    rc = net_connect(s->m->env, &s->conf.addr, &l->h, &l->conn);
    if (rc) {
        parse_fini(&l->parse);
        mem_free(l);
        return rc;
    }
    l->outgoing = true;
    l->s = s;
    s->path = l;
    start(l);
    return 0;
}

struct net_handler *link_accept(struct msgr *m, struct net_conn *conn, const struct net_addr *peer)
{
    struct link *l;

    if (m->closing || m->greetings >= MSGR_GREETINGS_MAX)
        return NULL;
    l = create(m, peer);
    if (!l)
        return NULL;
    l->conn = conn;
    l->state = LINK_GREET;
    l->counted = true;
    m->greetings++;
    start(l);
    return &l->h;
}
