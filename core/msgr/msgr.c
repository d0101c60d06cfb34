/* msgr.c - a messenger: listening, closing, counting.
 *
 * Closing drops every session without a report, stops listening, and then waits: for links to be
 * closed by env (a bye lingers a moment), for tasks that are posted, for mailboxes that the peer is
 * just waking.  Each of them holds the messenger; the last release posts one task that calls
 * `closed`. */
#include "core/msgr/internal.h"

struct listener {
    struct net_accept accept;
    struct list link;         /* m->listeners */
    struct msgr *m;           /* borrowed */
    struct net_listener *net; /* owned */
    struct hub_port *port;    /* owned; NULL without a hub */
};

static void closed_run(struct env_task *task)
{
    struct msgr *m = CONTAINER_OF(task, struct msgr, closed_task);

    m->closed(m->closed_arg);
}

static void report_closed(struct msgr *m)
{
    if (!m->closing || m->holds > 0 || m->closed_posted)
        return;
    m->closed_posted = true;
    env_post(m->env, &m->closed_task);
}

void msgr_release(struct msgr *m)
{
    ASSERT(m->holds > 0);
    m->holds--;
    report_closed(m);
}

int msgr_create(struct env *env, const struct msgr_conf *conf, struct msgr **out_msgr)
{
    static const char *const roles[] = {"none", "mon", "osd", "mds", "client"};
    struct msgr *m;

    ASSERT(conf->handler && conf->handler->message && conf->handler->reset);
    if (conf->self.role == ENTITY_NONE || conf->self.role > ENTITY_CLIENT)
        return -EINVAL;
    m = mem_zalloc(sizeof(*m));
    if (!m)
        return -ENOMEM;
    if (htable_init(&m->incoming, 0)) {
        mem_free(m);
        return -ENOMEM;
    }
    if (msg_types_init(&m->types, conf->types)) {
        htable_fini(&m->incoming);
        mem_free(m);
        return -ENOMEM;
    }
    m->env = env;
    m->conf = *conf;
    if (!m->conf.in_bytes_max)
        m->conf.in_bytes_max = MSGR_IN_BYTES_DEFAULT;
    if (!m->conf.give_up_ms)
        m->conf.give_up_ms = MSGR_GIVE_UP_MS_DEFAULT;
    if (!m->conf.forget_ms)
        m->conf.forget_ms = MSGR_FORGET_MS_DEFAULT;
    memcpy(m->fsid, conf->fsid, sizeof(m->fsid));
    log_init(&m->log, env_log_sink(env), "%s.%llu", roles[conf->self.role],
             (unsigned long long)conf->self.id);
    list_init(&m->sessions);
    list_init(&m->listeners);
    env_task_init(&m->closed_task, closed_run);
    *out_msgr = m;
    return 0;
}

void msgr_fsid_set(struct msgr *m, const uint8_t fsid[16])
{
    memcpy(m->fsid, fsid, sizeof(m->fsid));
}

static struct net_handler *on_accepted(struct net_accept *a, struct net_conn *conn,
                                       const struct net_addr *peer)
{
    return link_accept(CONTAINER_OF(a, struct listener, accept)->m, conn, peer);
}

static void listener_destroy(struct listener *l)
{
    if (l->port)
        hub_unlisten(l->port);
    net_listener_close(l->net);
    list_remove(&l->link);
    mem_free(l);
}

int msgr_listen(struct msgr *m, const struct net_addr *addr, struct net_addr *out_bound,
                struct note *why)
{
    struct listener *l;
    struct net_addr bound;
    int rc;

    if (m->closing)
        return -R_STOPPED;
    if (!net_addr_loopback(addr) && !m->conf.allow_remote) {
        note_add(why,
                 "%s: only loopback addresses are listened on, since peers cannot prove who "
                 "they are",
                 addr->s);
        return -EPERM;
    }
    l = mem_zalloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->accept.accepted = on_accepted;
    l->m = m;
    list_init(&l->link);
    rc = net_listen(m->env, addr, &l->accept, &l->net, why);
    if (rc) {
        mem_free(l);
        return rc;
    }
    net_listener_addr(l->net, &bound);
    list_push_back(&m->listeners, &l->link);
    if (m->conf.hub)
        rc = hub_listen(m->conf.hub, m, &bound, &l->port);
    if (rc) {
        listener_destroy(l);
        return rc;
    }
    if (out_bound)
        *out_bound = bound;
    return 0;
}

void msgr_close(struct msgr *m, void (*closed)(void *arg), void *arg)
{
    ASSERT(!m->closing);
    m->closing = true;
    m->closed = closed;
    m->closed_arg = arg;
    msgr_hold(m);
    while (!list_empty(&m->listeners))
        listener_destroy(LIST_FIRST(&m->listeners, struct listener, link));
    while (!list_empty(&m->sessions))
        session_die(LIST_FIRST(&m->sessions, struct session, link), true);
    msgr_release(m);
}

void msgr_destroy(struct msgr *m)
{
    if (!m)
        return;
    ASSERT(m->holds == 0);
    ASSERT(list_empty(&m->sessions) && list_empty(&m->listeners));
    htable_fini(&m->incoming);
    msg_types_fini(&m->types);
    writer_fini(&m->scratch);
    mem_free(m);
}

int msgr_metrics(struct msgr *m, struct metric_set *set)
{
    struct msgr_counts *n = &m->counts;
    const struct {
        const char *name, *help;
        const struct counter *counter;
    } rows[] = {
        {"msgr_messages_received_total", "Messages delivered", &n->messages_in},
        {"msgr_messages_sent_total", "Messages sent, repeats included", &n->messages_out},
        {"msgr_received_bytes_total", "Bytes of messages delivered", &n->bytes_in},
        {"msgr_sent_bytes_total", "Bytes of messages sent", &n->bytes_out},
        {"msgr_resent_total", "Messages sent again after a break", &n->resent},
        {"msgr_repeats_total", "Messages received again and dropped", &n->repeats},
        {"msgr_breaks_total", "Connections of sessions that broke", &n->breaks},
        {"msgr_bad_frames_total", "Frames that did not parse or had a wrong checksum",
         &n->bad_frames},
        {"msgr_resets_total", "Sessions that were reset", &n->resets},
        {"msgr_refused_total", "Greetings refused", &n->refused},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int rc = metric_add_counter(set, rows[i].name, rows[i].help, NULL, rows[i].counter);

        if (rc)
            return rc;
    }
    return metric_add_gauge(set, "msgr_sessions", "Sessions that live", NULL, &n->sessions);
}
