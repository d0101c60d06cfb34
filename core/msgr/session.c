/* session.c - the life of a session: queues, delivery, acknowledgement, patience, death.
 *
 * Sending only queues and asks for one flush at the end of the loop's turn; the flush encodes what
 * is new (on a link), puts everything into one row of spans and sends that with one call.  On a
 * mailbox the messages themselves are handed over.
 *
 * Everything that can go wrong ends in one of two ways.  session_broken: the path is lost, the
 * session waits for another one.  session_reset: the session is dead and its owner hears of it
 * once. session_die is the only way to DEAD; after it no timer is armed, no path points here, and
 * the struct waits for its references: the tasks that env still holds have one each. */
#include "core/msgr/internal.h"

static void retry_fire(struct env_timer *t);
static void patience_fire(struct env_timer *t);
static void ack_fire(struct env_timer *t);
static void beat_fire(struct env_timer *t);
static void flush_run(struct env_task *task);
static void budget_wake(struct env_task *task);

struct session *session_create(struct msgr *m, bool incoming)
{
    struct session *s = mem_zalloc(sizeof(*s));

    if (!s)
        return NULL;
    s->budget = budget_create(m->env, m->conf.in_bytes_max, s, budget_wake);
    if (!s->budget) {
        mem_free(s);
        return NULL;
    }
    s->m = m;
    s->refs = 1;
    s->incoming = incoming;
    list_init(&s->unsent);
    list_init(&s->ready);
    list_init(&s->sent);
    env_task_init(&s->flush, flush_run);
    env_timer_init(&s->retry, retry_fire);
    env_timer_init(&s->patience, patience_fire);
    env_timer_init(&s->ack, ack_fire);
    env_timer_init(&s->beat, beat_fire);
    list_init(&s->link);
    list_push_back(&m->sessions, &s->link);
    gauge_set(&m->counts.sessions, gauge_get(&m->counts.sessions) + 1);
    return s;
}

struct session *session_ref(struct session *s)
{
    ASSERT(s->refs > 0);
    s->refs++;
    return s;
}

void session_unref(struct session *s)
{
    if (!s)
        return;
    ASSERT(s->refs > 0);
    if (--s->refs)
        return;
    ASSERT(s->state == SESSION_DEAD); /* the messenger's reference went with its life */
    budget_unref(s->budget);
    mem_free(s);
}

/* ---- queues ---- */

static void frame_free(struct frame *f)
{
    buf_fini(&f->bytes);
    mem_free(f);
}

static void drop_frames(struct list *frames)
{
    struct list *node;

    while ((node = list_pop_front(frames)))
        frame_free(LIST_ENTRY(node, struct frame, link));
}

static void drop_queues(struct session *s)
{
    struct list *node;

    while ((node = list_pop_front(&s->unsent)))
        msg_free(LIST_ENTRY(node, struct msg, link));
    drop_frames(&s->sent);
    drop_frames(&s->ready);
    s->unsent_bytes = s->frame_bytes = 0;
}

uint64_t session_queued_bytes(const struct session *s)
{
    if (s->state == SESSION_DEAD)
        return 0;
    return s->unsent_bytes + s->frame_bytes + (s->end ? hub_queued_bytes(s) : 0);
}

void session_drained(struct session *s)
{
    struct msgr_handler *h = s->m->conf.handler;

    if (!s->above || session_queued_bytes(s) > SESSION_DRAINED_BYTES)
        return;
    s->above = false;
    if (h->drained)
        h->drained(h, s);
}

bool session_acked(struct session *s, uint64_t seq)
{
    if (seq > s->out_seq)
        return false;
    if (seq <= s->acked_seq)
        return true; /* an old one: frames keep the ack they were made with */
    s->acked_seq = seq;
    s->retry_ms = MSGR_RETRY_MIN_MS; /* progress: the next break starts anew */
    while (!list_empty(&s->sent) || !list_empty(&s->ready)) {
        struct list *from = list_empty(&s->sent) ? &s->ready : &s->sent;
        struct frame *f = LIST_FIRST(from, struct frame, link);

        if (f->seq > seq)
            break;
        list_remove(&f->link);
        s->frame_bytes -= f->bytes.bytes;
        frame_free(f);
    }
    return true;
}

/* An ack of all that was delivered is on its way. */
static void note_told(struct session *s)
{
    env_timer_cancel(s->m->env, &s->ack);
    s->told_seq = s->in_seq;
    s->untold_bytes = 0;
}

/* Turn the oldest unsent message into a frame, which also carries the ack. */
static int encode_first(struct session *s)
{
    struct msg *m = LIST_FIRST(&s->unsent, struct msg, link);
    struct frame *f = mem_zalloc(sizeof(*f));
    int rc;

    if (!f)
        return -ENOMEM;
    rc = msg_encode(m, s->out_seq + 1, s->in_seq, &s->m->scratch, &f->bytes);
    if (rc) {
        log_error(&s->m->log, "a message cannot be sent", KV_STR("type", m->type->name), KV_RC(rc));
        mem_free(f);
        return rc;
    }
    f->seq = ++s->out_seq;
    note_told(s);
    list_init(&f->link);
    list_push_back(&s->ready, &f->link);
    s->frame_bytes += f->bytes.bytes;
    s->unsent_bytes -= msg_cost(m);
    list_remove(&m->link);
    msg_free(m);
    return 0;
}

/* All that is ready leaves in one call. */
static int send_ready(struct session *s)
{
    AUTO(buf) out = {0};
    uint64_t count = 0;
    int rc = 0;

    LIST_EACH (node, &s->ready) {
        struct frame *f = LIST_ENTRY(node, struct frame, link);

        rc = buf_append(&out, &f->bytes, 0, f->bytes.bytes);
        if (rc)
            return rc;
        count++;
    }
    if (count == 0)
        return 0;
    counter_add(&s->m->counts.messages_out, count);
    counter_add(&s->m->counts.bytes_out, out.bytes);
    list_splice(&s->sent, &s->ready);
    return link_send(s->path, &out);
}

static void lose_path(struct session *s)
{
    struct link *path = TAKE(s->path);

    if (path)
        link_drop(path);
    session_broken(s);
}

static void flush_link(struct session *s)
{
    int rc = 0;

    while (!list_empty(&s->unsent) && rc == 0)
        rc = encode_first(s);
    if (rc) { /* a message cannot be left out, and those behind it must not overtake it */
        session_reset(s, rc);
        return;
    }
    if (send_ready(s))
        lose_path(s);
}

static void flush_run(struct env_task *task)
{
    struct session *s = CONTAINER_OF(task, struct session, flush);
    struct msgr *m = s->m;

    s->flush_due = false;
    if (s->state != SESSION_DEAD && s->fail) {
        session_reset(s, s->fail);
    } else if (s->state == SESSION_OPEN) {
        if (s->path)
            flush_link(s);
        else
            hub_send(s);
        if (s->state != SESSION_DEAD)
            session_drained(s);
    }
    session_unref(s);
    msgr_release(m);
}

void session_flush_soon(struct session *s)
{
    if (s->flush_due)
        return;
    s->flush_due = true;
    session_ref(s);
    msgr_hold(s->m);
    env_defer(s->m->env, &s->flush);
}

void session_send(struct session *s, struct msg *m)
{
    uint64_t queued;

    if (s->state == SESSION_DEAD) {
        msg_free(m);
        return;
    }
    ASSERT(!list_linked(&m->link));
    ASSERT(!m->budget); /* what was received is not passed on as it is */
    list_push_back(&s->unsent, &m->link);
    s->unsent_bytes += msg_cost(m);
    queued = session_queued_bytes(s);
    if (queued > SESSION_DRAINED_BYTES)
        s->above = true;
    if (queued > SESSION_QUEUE_MAX)
        s->fail = -R_BACK_PRESSURE;
    if (s->state == SESSION_OPEN || s->fail)
        session_flush_soon(s);
}

/* ---- acknowledging and delivering ---- */

static void tell(struct session *s)
{
    note_told(s);
    if (link_send_short(s->path, FRAME_ACK))
        lose_path(s);
}

static void ack_fire(struct env_timer *t)
{
    struct session *s = CONTAINER_OF(t, struct session, ack);

    if (s->path && s->state == SESSION_OPEN && s->told_seq < s->in_seq)
        tell(s);
}

/* A message of a link was delivered: acknowledge at once, soon, or with what we send anyway. */
static void note_untold(struct session *s, uint64_t bytes)
{
    s->untold_bytes += (uint32_t)MIN(bytes, (uint64_t)MSGR_ACK_BYTES);
    if (s->in_seq - s->told_seq >= MSGR_ACK_MESSAGES || s->untold_bytes >= MSGR_ACK_BYTES)
        tell(s);
    else if (!s->ack.armed)
        env_timer_after(s->m->env, &s->ack, MSGR_ACK_MS * NS_PER_MS);
}

void session_deliver(struct session *s, struct msg *m)
{
    struct msgr *msgr = s->m;
    uint64_t cost = m->cost_bytes;

    counter_add(&msgr->counts.messages_in, 1);
    counter_add(&msgr->counts.bytes_in, cost);
    s->retry_ms = MSGR_RETRY_MIN_MS;
    budget_charge(s->budget, m);
    msgr->conf.handler->message(msgr->conf.handler, s, m);
    if (s->state == SESSION_OPEN && s->path)
        note_untold(s, cost);
}

/* Enough of what was delivered has been freed. */
static void budget_wake(struct env_task *task)
{
    struct msgr_budget *b = CONTAINER_OF(task, struct msgr_budget, wake);
    struct session *s = b->owner;

    b->armed = false;
    ASSERT(s != NULL); /* a dead session's budget keeps its owner until this ran */
    if (s->state == SESSION_OPEN) {
        session_ref(s);
        if (s->path)
            link_resume(s->path);
        else
            hub_resume(s);
        session_unref(s);
        return;
    }
    if (s->state == SESSION_DEAD) {
        struct msgr *m = s->m;

        b->owner = NULL;
        session_unref(s);
        msgr_release(m);
    }
}

/* ---- paths ---- */

static void beat_fire(struct env_timer *t)
{
    struct session *s = CONTAINER_OF(t, struct session, beat);
    uint64_t now = env_now_ns(s->m->env), silent_ns = now - MIN(now, s->heard_ns);
    int rc = 0;

    if (!s->path || s->state != SESSION_OPEN)
        return;
    env_timer_after(s->m->env, &s->beat, MSGR_BEAT_MS * NS_PER_MS);
    if (!link_reading(s->path)) { /* our own doing: the peer must not take us for dead */
        s->heard_ns = now;
        rc = link_send_short(s->path, FRAME_PONG);
    } else if (silent_ns >= MSGR_SILENCE_MS * NS_PER_MS) {
        log_warn(&s->m->log, "peer is silent", KV_STR("peer", link_peer(s->path)->s),
                 KV_MS("for", silent_ns / NS_PER_MS));
        rc = -ETIMEDOUT;
    } else if (silent_ns >= MSGR_BEAT_MS * NS_PER_MS) {
        rc = link_send_short(s->path, FRAME_PING);
    }
    if (rc)
        lose_path(s);
}

void session_opened(struct session *s)
{
    struct env *env = s->m->env;

    ASSERT(s->state == SESSION_WAIT);
    ASSERT(!s->path != !s->end);
    s->state = SESSION_OPEN;
    s->accepted = true;
    note_told(s); /* the greeting did it */
    env_timer_cancel(env, &s->patience);
    env_timer_cancel(env, &s->retry);
    if (s->path) {
        s->heard_ns = env_now_ns(env);
        env_timer_after(env, &s->beat, MSGR_BEAT_MS * NS_PER_MS);
        for (const struct list *f = s->ready.next; f != &s->ready; f = f->next)
            counter_add(&s->m->counts.resent, 1);
    }
    session_flush_soon(s);
}

static void attempt(struct session *s)
{
    int rc = 0;

    s->attempt++;
    if (s->m->conf.hub && !s->accepted)
        rc = hub_connect(s);
    if (rc == 0)
        rc = link_connect(s);
    if (rc < 0)
        session_attempt_failed(s, rc);
}

static void retry_fire(struct env_timer *t)
{
    attempt(CONTAINER_OF(t, struct session, retry));
}

/* Between half of the step and all of it, so that those who lost one peer do not come back as one.
 */
static void retry_later(struct session *s)
{
    uint64_t step_ns = s->retry_ms * NS_PER_MS;

    env_timer_after(s->m->env, &s->retry, step_ns / 2 + env_random_u64(s->m->env) % (step_ns / 2));
    s->retry_ms = MIN(s->retry_ms * 2, (uint32_t)MSGR_RETRY_MAX_MS);
}

void session_attempt_failed(struct session *s, int rc)
{
    ASSERT(s->state == SESSION_WAIT);
    if (s->conf.fast_fail)
        session_reset(s, rc ? rc : -ECONNRESET);
    else
        retry_later(s);
}

void session_broken(struct session *s)
{
    struct env *env = s->m->env;
    uint32_t patience_ms = s->incoming ? s->m->conf.forget_ms : s->m->conf.give_up_ms;

    ASSERT(!s->path && !s->end);
    ASSERT(s->state == SESSION_OPEN);
    counter_add(&s->m->counts.breaks, 1);
    s->state = SESSION_WAIT;
    env_timer_cancel(env, &s->ack);
    env_timer_cancel(env, &s->beat);
    list_splice(&s->sent, &s->ready);
    list_splice(&s->ready, &s->sent);
    env_timer_after(env, &s->patience, patience_ms * NS_PER_MS);
    if (!s->incoming)
        retry_later(s);
}

static void patience_fire(struct env_timer *t)
{
    session_reset(CONTAINER_OF(t, struct session, patience), -ETIMEDOUT);
}

/* ---- death ---- */

void session_die(struct session *s, bool tell_peer)
{
    struct msgr *m = s->m;
    struct link *path = TAKE(s->path);

    ASSERT(s->state != SESSION_DEAD);
    env_timer_cancel(m->env, &s->retry);
    env_timer_cancel(m->env, &s->patience);
    env_timer_cancel(m->env, &s->ack);
    env_timer_cancel(m->env, &s->beat);
    if (path && tell_peer && link_open(path))
        link_bye(path);
    else if (path)
        link_drop(path);
    if (s->end)
        hub_leave(s);
    s->state = SESSION_DEAD;
    drop_queues(s);
    if (s->incoming)
        htable_remove(&m->incoming, &s->by_id);
    list_remove(&s->link);
    gauge_set(&m->counts.sessions, gauge_get(&m->counts.sessions) - 1);
    if (!budget_detach(s->budget)) { /* its wake-up is on the way here */
        s->budget->owner = s;
        session_ref(s);
        msgr_hold(m);
    }
    session_unref(s); /* the messenger's */
}

void session_reset(struct session *s, int why)
{
    struct msgr_handler *h = s->m->conf.handler;

    log_debug(&s->m->log, "session is reset", KV_HEX("session", s->id), KV_RC(why));
    counter_add(&s->m->counts.resets, 1);
    session_ref(s);
    session_die(s, true);
    h->reset(h, s, why);
    session_unref(s);
}

void session_close(struct session *s)
{
    if (s->state != SESSION_DEAD)
        session_die(s, true);
}

/* ---- opening, and what one may ask ---- */

int session_open(struct msgr *m, const struct session_conf *conf, struct session **out_session)
{
    struct session *s;

    if (m->closing)
        return -R_STOPPED;
    if (conf->addr.s[0] == '\0')
        return -EINVAL;
    s = session_create(m, false);
    if (!s)
        return -ENOMEM;
    s->conf = *conf;
    s->id = env_random_u64(m->env);
    s->retry_ms = MSGR_RETRY_MIN_MS;
    env_timer_after(m->env, &s->patience, m->conf.give_up_ms * NS_PER_MS);
    env_timer_after(m->env, &s->retry, 0);
    *out_session = session_ref(s);
    return 0;
}

bool session_dead(const struct session *s)
{
    return s->state == SESSION_DEAD;
}

const struct entity *session_peer(const struct session *s)
{
    return &s->peer;
}

const struct net_addr *session_addr(const struct session *s)
{
    return &s->conf.addr;
}

void *session_user(const struct session *s)
{
    return s->conf.user;
}

void session_user_set(struct session *s, void *user)
{
    s->conf.user = user;
}
