/* hub.c - mailboxes between the messengers of one process.
 *
 * The hub is a table of addresses.  An opener finds a listener's port there and leaves a pair of
 * ends in it: one for itself, one for the listener, who judges the hello that lies beside them and
 * answers into the opener's inbox.  From then on each side splices what it has to send into the
 * other's inbox and wakes its reactor, once until that has run.
 *
 * One mutex per pair guards the two inboxes and the flags beside them; it is taken once per batch.
 * An end is `attached` while its reactor may be woken.  Detaching (hub_leave) takes the flag away
 * under the mutex, so that nobody posts any more; a wake-up that is already on its way holds the
 * messenger until it ran.  The pair goes when both ends are done with it. */
#include "core/msgr/internal.h"

#include <stdatomic.h>

struct hub_pair;
struct hub_end {
    struct hub_pair *pair;
    struct env *env;     /* borrowed: of the messenger that lives here */
    struct msgr *m;      /* borrowed: held */
    struct session *s;   /* borrowed; reactor only; NULL: detached */
    struct list pending; /* reactor only: taken from `in`, not delivered */
    bool peer_left;      /* reactor only: it went, and all it sent is in `pending` */
    struct env_task task;
    _Atomic uint64_t queued_bytes; /* handed to this end and not delivered */
    /* under pair->lock: */
    struct list in; /* owned: messages for this end */
    bool attached, posted, gone /* the other end detached */, drained, answered;
    struct answer answer;
};
struct hub_pair {
    pthread_mutex_t lock;
    _Atomic uint32_t refs; /* one for each end, from its birth until it is done */
    struct list link;      /* of the port, until it is judged */
    struct hello hello;
    struct hub_end opener, listener;
};

struct hub_port {
    struct list link; /* of the hub */
    struct msgr_hub *hub;
    struct msgr *m; /* borrowed: held until the port is freed */
    struct net_addr addr;
    struct env_task task;
    /* under hub->lock: */
    struct list callers; /* owned: pairs to judge */
    bool posted, closed;
};
struct msgr_hub {
    pthread_mutex_t lock;
    struct list ports;
    bool through_codecs;
};

static struct hub_end *other(struct hub_end *e)
{
    return e == &e->pair->opener ? &e->pair->listener : &e->pair->opener;
}

/* ---- pairs ---- */

static void drop_messages(struct list *messages)
{
    struct list *node;

    while ((node = list_pop_front(messages)))
        msg_free(LIST_ENTRY(node, struct msg, link));
}

static void pair_unref(struct hub_pair *p)
{
    if (atomic_fetch_sub(&p->refs, 1) != 1)
        return;
    drop_messages(&p->opener.in);
    drop_messages(&p->listener.in);
    pthread_mutex_destroy(&p->lock);
    mem_free(p);
}

/* Whether the reactor of an end is to be woken; the pair is locked. */
static bool wake_due(struct hub_end *e)
{
    if (!e->attached || e->posted)
        return false;
    return e->posted = true;
}

/* The pair is not locked any more: who is woken asks for the lock at once.  While `posted` is set
 * the end stays. */
static void wake(struct hub_end *e, bool due)
{
    if (due)
        env_post(e->env, &e->task);
}

static void end_run(struct env_task *task);

static void end_init(struct hub_end *e, struct hub_pair *p)
{
    e->pair = p;
    list_init(&e->pending);
    list_init(&e->in);
    env_task_init(&e->task, end_run);
}

static struct hub_pair *pair_create(void)
{
    struct hub_pair *p = mem_zalloc(sizeof(*p));

    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    p->refs = 2;
    list_init(&p->link);
    end_init(&p->opener, p);
    end_init(&p->listener, p);
    return p;
}

/* The end belongs to a session from now on. */
static void attach(struct hub_end *e, struct session *s)
{
    bool due;

    e->env = s->m->env;
    e->m = s->m;
    e->s = s;
    s->end = e;
    msgr_hold(s->m);
    pthread_mutex_lock(&e->pair->lock);
    e->attached = true;
    /* The other end may have come and gone before anybody was here to be told. */
    due = e->gone && wake_due(e);
    pthread_mutex_unlock(&e->pair->lock);
    wake(e, due);
}

/* Nothing will run here any more. */
static void end_done(struct hub_end *e)
{
    struct msgr *m = e->m;

    pair_unref(e->pair);
    msgr_release(m);
}

void hub_leave(struct session *s)
{
    struct hub_end *e = TAKE(s->end);
    struct list in;
    bool posted, due;

    list_init(&in);
    e->s = NULL;
    pthread_mutex_lock(&e->pair->lock);
    e->attached = false;
    posted = e->posted;
    list_splice(&in, &e->in);
    other(e)->gone = true;
    due = wake_due(other(e));
    pthread_mutex_unlock(&e->pair->lock);
    wake(other(e), due);
    drop_messages(&in);
    drop_messages(&e->pending);
    if (!posted)
        end_done(e);
}

uint64_t hub_queued_bytes(const struct session *s)
{
    return atomic_load_explicit(&other(s->end)->queued_bytes, memory_order_relaxed);
}

void hub_send(struct session *s)
{
    struct hub_end *to = other(s->end);
    bool due;

    if (list_empty(&s->unsent))
        return;
    LIST_EACH (node, &s->unsent) {
        struct msg *m = LIST_ENTRY(node, struct msg, link);

        m->cost_bytes = msg_cost(m);
        s->out_seq++;
        counter_add(&s->m->counts.messages_out, 1);
    }
    counter_add(&s->m->counts.bytes_out, s->unsent_bytes);
    atomic_fetch_add(&to->queued_bytes, s->unsent_bytes);
    s->unsent_bytes = 0;
    pthread_mutex_lock(&to->pair->lock);
    list_splice(&to->in, &s->unsent);
    due = wake_due(to);
    pthread_mutex_unlock(&to->pair->lock);
    wake(to, due);
    /* If the other end detached meanwhile, our reset is on its way; the pair frees the messages. */
}

/* ---- delivering ---- */

/* The message as the receiver must get it: its own type, through the codec where that is asked. */
static int as_received(struct session *s, struct msg **m)
{
    struct msg *copy;
    uint64_t cost = (*m)->cost_bytes;
    int rc;

    if (!s->m->conf.hub->through_codecs)
        return msg_types_find(&s->m->types, (*m)->type->id) == (*m)->type ? 0 : -R_MALFORMED;
    rc = msg_recode(*m, &s->m->types, &copy);
    if (rc)
        return rc;
    copy->cost_bytes = MAX(cost, copy->cost_bytes);
    msg_free(*m);
    *m = copy;
    return 0;
}

/* The sender waits for its queue to fall. */
static void note_delivered(struct hub_end *e, uint64_t bytes)
{
    uint64_t before = atomic_fetch_sub(&e->queued_bytes, bytes);
    bool due;

    if (before <= SESSION_DRAINED_BYTES || before - bytes > SESSION_DRAINED_BYTES)
        return;
    pthread_mutex_lock(&e->pair->lock);
    other(e)->drained = true;
    due = wake_due(other(e));
    pthread_mutex_unlock(&e->pair->lock);
    wake(other(e), due);
}

/* Deliver what is pending.  False: the session died. */
static bool deliver(struct hub_end *e, struct session *s)
{
    unsigned left = MSGR_TURN_MESSAGES;

    while (!list_empty(&e->pending) && !budget_full(s->budget)) {
        struct msg *m;
        uint64_t cost;
        bool due;
        int rc;

        if (left-- == 0) { /* others want their turn */
            pthread_mutex_lock(&e->pair->lock);
            due = wake_due(e);
            pthread_mutex_unlock(&e->pair->lock);
            wake(e, due);
            return true;
        }
        m = LIST_ENTRY(list_pop_front(&e->pending), struct msg, link);
        cost = m->cost_bytes;
        rc = as_received(s, &m);
        if (rc) {
            log_warn(&s->m->log, "a message cannot be received", KV_STR("type", m->type->name),
                     KV_RC(rc));
            msg_free(m);
            session_reset(s, rc);
            return false;
        }
        s->in_seq++;
        note_delivered(e, cost);
        session_deliver(s, m);
        if (s->state != SESSION_OPEN)
            return false;
    }
    return true;
}

/* The other end left before it had accepted us: as if nobody listened. */
static void not_taken(struct session *s)
{
    hub_leave(s);
    session_attempt_failed(s, -ECONNREFUSED);
}

static void got_answer(struct session *s, const struct answer *a)
{
    int rc = answer_judge(s, a);

    if (rc)
        session_reset(s, rc);
    else
        session_opened(s);
}

static void turn(struct hub_end *e, struct session *s)
{
    struct answer answer;
    bool answered, drained;

    pthread_mutex_lock(&e->pair->lock);
    answered = e->answered;
    drained = e->drained;
    e->answered = e->drained = e->posted = false;
    e->peer_left = e->gone;
    answer = e->answer;
    list_splice(&e->pending, &e->in);
    pthread_mutex_unlock(&e->pair->lock);
    if (answered)
        got_answer(s, &answer);
    else if (e->peer_left && s->state == SESSION_WAIT)
        not_taken(s);
    if (s->end == e && drained)
        session_drained(s);
    if (s->end == e)
        hub_resume(s);
}

void hub_resume(struct session *s)
{
    struct hub_end *e = s->end;

    if (s->state == SESSION_OPEN && deliver(e, s) && e->peer_left && list_empty(&e->pending))
        session_reset(s, -R_SESSION_RESET);
}

static void end_run(struct env_task *task)
{
    struct hub_end *e = CONTAINER_OF(task, struct hub_end, task);
    struct session *s = e->s;

    if (!s) { /* detached while we were on our way */
        end_done(e);
        return;
    }
    session_ref(s);
    turn(e, s);
    session_unref(s);
}

/* ---- opening ---- */

int hub_connect(struct session *s)
{
    struct msgr_hub *hub = s->m->conf.hub;
    struct hub_pair *p = pair_create();
    int found = 0;

    if (!p)
        return -ENOMEM;
    hello_make(s, &p->hello);
    attach(&p->opener, s);
    pthread_mutex_lock(&hub->lock);
    LIST_EACH (node, &hub->ports) {
        struct hub_port *port = LIST_ENTRY(node, struct hub_port, link);

        if (port->closed || !net_addr_equal(&port->addr, &s->conf.addr))
            continue;
        found = 1;
        list_push_back(&port->callers, &p->link);
        if (!port->posted)
            env_post(port->m->env, &port->task);
        port->posted = true;
        break;
    }
    pthread_mutex_unlock(&hub->lock);
    if (!found) {
        hub_leave(s);
        pair_unref(p); /* the listener's */
    }
    return found;
}

/* Put the answer into the opener's inbox. */
static void reply(struct hub_pair *p, const struct answer *a)
{
    bool due;

    pthread_mutex_lock(&p->lock);
    p->opener.answer = *a;
    p->opener.answered = true;
    due = wake_due(&p->opener);
    pthread_mutex_unlock(&p->lock);
    wake(&p->opener, due);
}

/* No answer: to the opener it is as if nobody listened. */
static void turn_away(struct hub_pair *p)
{
    bool due;

    pthread_mutex_lock(&p->lock);
    p->opener.gone = true;
    due = wake_due(&p->opener);
    pthread_mutex_unlock(&p->lock);
    wake(&p->opener, due);
}

static void judge(struct hub_port *port, struct hub_pair *p)
{
    struct session *s = NULL;
    struct answer a;
    int rc = port->m->closing ? -ESTALE : hello_judge(port->m, &p->hello, &s, &a);

    if (rc == 0) {
        s->conf.addr = port->addr;
        attach(&p->listener, s);
        reply(p, &a);
        session_opened(s);
        return;
    }
    if (rc == -ESTALE || rc == -ENOMEM) {
        turn_away(p);
    } else {
        log_warn(&port->m->log, "peer is refused", KV_STR("peer", "of this process"), KV_RC(rc));
        reply(p, &a);
    }
    pair_unref(p);
}

static void port_free(struct hub_port *port)
{
    struct msgr *m = port->m;

    mem_free(port);
    msgr_release(m);
}

/* `posted` stays set until nobody is left to be judged: handlers may close the port meanwhile. */
static void port_run(struct env_task *task)
{
    struct hub_port *port = CONTAINER_OF(task, struct hub_port, task);
    struct list callers, *node;
    bool more, closed;

    list_init(&callers);
    do {
        pthread_mutex_lock(&port->hub->lock);
        list_splice(&callers, &port->callers);
        more = port->posted = !list_empty(&callers);
        closed = port->closed;
        pthread_mutex_unlock(&port->hub->lock);
        while ((node = list_pop_front(&callers)))
            judge(port, LIST_ENTRY(node, struct hub_pair, link));
    } while (more);
    if (closed)
        port_free(port);
}

int hub_listen(struct msgr_hub *hub, struct msgr *m, const struct net_addr *addr,
               struct hub_port **out_port)
{
    struct hub_port *port = mem_zalloc(sizeof(*port));

    if (!port)
        return -ENOMEM;
    port->hub = hub;
    port->m = m;
    port->addr = *addr;
    list_init(&port->link);
    list_init(&port->callers);
    env_task_init(&port->task, port_run);
    msgr_hold(m);
    pthread_mutex_lock(&hub->lock);
    list_push_back(&hub->ports, &port->link);
    pthread_mutex_unlock(&hub->lock);
    *out_port = port;
    return 0;
}

void hub_unlisten(struct hub_port *port)
{
    bool posted;

    pthread_mutex_lock(&port->hub->lock);
    list_remove(&port->link);
    port->closed = true;
    posted = port->posted;
    pthread_mutex_unlock(&port->hub->lock);
    if (!posted)
        port_free(port);
}

struct msgr_hub *msgr_hub_create(bool through_codecs)
{
    struct msgr_hub *hub = mem_zalloc(sizeof(*hub));

    if (!hub)
        return NULL;
    pthread_mutex_init(&hub->lock, NULL);
    list_init(&hub->ports);
    hub->through_codecs = through_codecs;
    return hub;
}

void msgr_hub_destroy(struct msgr_hub *hub)
{
    if (!hub)
        return;
    ASSERT(list_empty(&hub->ports));
    pthread_mutex_destroy(&hub->lock);
    mem_free(hub);
}
