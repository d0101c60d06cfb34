/* sim_net.c - listening and connecting, and what the network sees of deaths and cuts.
 *
 * A connection request (syn_ev) belongs to no process: the machine it reaches answers, also for a
 * process that is paused.  Then each end opens by itself: `opened` here, `accepted` there. */
#include <stdio.h>

#include "core/base/note.h"
#include "core/env/sim_net.h"

#define SYN_RETRY_MIN_NS (200 * NS_PER_MS)
#define SYN_RETRY_MAX_NS (1000 * NS_PER_MS)
#define HOST_ANY4        "0.0.0.0"
#define HOST_ANY6        "[::]"
#define HOST_SELF        "127.0.0.1"

/* --- addresses --- */

struct host_name {
    char s[64];
};

static struct host_name host_of(const struct net_addr *a)
{
    struct host_name h;
    const char *colon = strrchr(a->s, ':');

    snprintf(h.s, sizeof(h.s), "%.*s", colon ? (int)(colon - a->s) : 0, a->s);
    return h;
}

static bool host_is_any(const char *host)
{
    return strcmp(host, HOST_ANY4) == 0 || strcmp(host, HOST_ANY6) == 0;
}

static struct host_name machine_host(const struct sim_machine *m)
{
    struct net_addr a;

    if (net_addr_make(m->ip, 0, &a) < 0)
        UNREACHABLE(); /* checked when the machine was made */
    return host_of(&a);
}

static bool host_is_mine(const struct sim_machine *m, const char *host)
{
    return host_is_any(host) || strcmp(host, HOST_SELF) == 0 ||
           strcmp(host, machine_host(m).s) == 0;
}

static struct sim_machine *machine_find(struct sim_machine *from, const char *host)
{
    LIST_EACH (l, &from->sim->machines) {
        struct sim_machine *m = LIST_ENTRY(l, struct sim_machine, link);

        if (strcmp(machine_host(m).s, host) == 0)
            return m;
    }
    return strcmp(host, HOST_SELF) == 0 ? from : NULL;
}

/* --- who reaches whom --- */

static bool set_has(const struct sim_machines *set, const struct sim_machine *m)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->number[i] == m->number)
            return true;
    }
    return false;
}

static void set_add(struct sim_machines *set, const struct sim_machine *m)
{
    if (set_has(set, m))
        return;
    if (set->count == set->cap) {
        uint32_t cap = MAX(4, set->cap * 2);
        uint64_t *grown = sim_alloc(cap * sizeof(*grown));

        if (set->count)
            memcpy(grown, set->number, set->count * sizeof(*grown));
        sim_free(set->number);
        set->number = grown;
        set->cap = cap;
    }
    set->number[set->count++] = m->number;
}

static void set_remove(struct sim_machines *set, const struct sim_machine *m)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->number[i] == m->number) {
            set->number[i] = set->number[--set->count];
            return;
        }
    }
}

bool sim_net_is_cut(const struct sim_machine *from, const struct sim_machine *to)
{
    return set_has(&from->cut_to, to);
}

/* --- listening --- */

static struct net_listener *listener_find(struct sim_machine *m, const char *host, uint16_t port)
{
    LIST_EACH (l, &m->listeners) {
        struct net_listener *listener = LIST_ENTRY(l, struct net_listener, machine_link);
        struct host_name bound = host_of(&listener->addr);

        if (net_addr_port(&listener->addr) == port &&
            (host_is_any(bound.s) || host_is_any(host) || strcmp(bound.s, host) == 0))
            return listener;
    }
    return NULL;
}

static uint16_t port_free(struct sim_machine *m, const char *host)
{
    do
        m->last_port++;
    while (listener_find(m, host, m->last_port));
    return m->last_port;
}

int sim_net_listen(struct env *env, const struct net_addr *addr, struct net_accept *accept,
                   struct net_listener **out_listener, struct note *why)
{
    struct sim_process *p = sim_process_of(env);
    struct host_name host = host_of(addr);
    uint16_t port = net_addr_port(addr);
    struct net_listener *l;
    int rc = 0;

    if (!host_is_mine(p->m, host.s))
        rc = -EADDRNOTAVAIL;
    else if (port != 0 && listener_find(p->m, host.s, port))
        rc = -EADDRINUSE;
    else if (!sim_process_works(p))
        rc = -EIO;
    if (rc < 0) {
        note_add(why, "listening on %s: %s", addr->s, reason_text(rc));
        return rc;
    }
    l = sim_try_alloc(sizeof(*l));
    if (!l)
        return -ENOMEM;
    l->env = env;
    l->accept = accept;
    l->addr = *addr;
    if (port == 0)
        snprintf(l->addr.s, sizeof(l->addr.s), "%.56s:%u", host.s, port_free(p->m, host.s));
    list_push_back(&p->m->listeners, &l->machine_link);
    list_push_back(&p->listeners, &l->process_link);
    *out_listener = l;
    return 0;
}

void sim_net_listener_addr(const struct net_listener *l, struct net_addr *out_addr)
{
    *out_addr = l->addr;
}

void sim_net_listener_close(struct net_listener *l)
{
    struct sim_process *p = sim_process_of(l->env);

    LIST_EACH_SAFE (pos, &p->conns) {
        struct net_conn *c = LIST_ENTRY(pos, struct net_conn, link_in);

        if (c->listener != l)
            continue;
        sim_conn_leave(c); /* connected, not accepted */
        sim_conn_gone(c);
    }
    list_remove(&l->machine_link);
    list_remove(&l->process_link);
    sim_free(l);
}

/* --- connecting --- */

static void syn_run(struct sim_event *ev)
{
    struct sim_link *l = CONTAINER_OF(ev, struct sim_link, syn_ev);
    struct sim *s = l->sim;
    struct net_conn *c = &l->end[0];
    struct host_name host = host_of(&l->to);
    struct sim_machine *m = machine_find(l->m[0], host.s);
    struct net_listener *listener;
    uint64_t back_ns;

    if (m && (!m->powered || sim_net_is_cut(l->m[0], m) || sim_net_is_cut(m, l->m[0]))) {
        sim_schedule(s, ev, s->now_ns + sim_between(s, SYN_RETRY_MIN_NS, SYN_RETRY_MAX_NS));
        return;
    }
    listener = m && !set_has(&m->refuses, l->m[0]) ? listener_find(m, host.s, net_addr_port(&l->to))
                                                   : NULL;
    back_ns = s->now_ns + sim_net_delay(s, l->m[0], m);
    if (!listener) {
        sim_conn_reset(c, back_ns, m ? -ECONNREFUSED : -EHOSTUNREACH, true);
        return;
    }
    sim_conn_init(l, 1, sim_process_of(listener->env), CONN_OPENING);
    l->end[1].listener = listener;
    sim_schedule(s, &l->end[1].receive_ev, s->now_ns + sim_net_delay(s, m, m));
    sim_unschedule(s, &c->silence_ev);
    c->state = CONN_OPENING;
    sim_schedule(s, &c->receive_ev, back_ns);
}

int sim_net_connect(struct env *env, const struct net_addr *addr, struct net_handler *h,
                    struct net_conn **out_conn)
{
    struct sim_process *p = sim_process_of(env);
    struct sim *s = sim_of(p);
    struct sim_machine *to = machine_find(p->m, host_of(addr).s);
    struct sim_link *l;

    sim_assert_home(p);
    if (net_addr_port(addr) == 0)
        return -EINVAL;
    l = sim_link_make(s);
    if (!l)
        return -ENOMEM;
    sim_conn_init(l, 0, p, CONN_CONNECTING);
    l->to = *addr;
    snprintf(l->from.s, sizeof(l->from.s), "%.56s:%u", machine_host(p->m).s,
             ++p->m->last_client_port);
    l->end[0].h = h;
    sim_event_init(&l->syn_ev, NULL, SIM_EV_NET_CONNECT, l->number, syn_run);
    if (sim_process_works(p)) {
        sim_schedule(s, &l->syn_ev, s->now_ns + sim_net_delay(s, p->m, to));
        sim_conn_silence(&l->end[0]);
    }
    *out_conn = &l->end[0];
    return 0;
}

/* --- deaths --- */

/* The kernel closes the sockets of a killed process: what is on the wire arrives and then the end
 * of the stream, or a reset overtakes it (there were bytes nobody will read).  Without power nobody
 * closes anything. */
static void conn_dies(struct net_conn *c, bool power_cut)
{
    struct sim *s = c->link->sim;
    struct net_conn *peer = sim_conn_peer(c);

    if (!sim_conn_there(c) || !sim_conn_there(peer)) {
        sim_conn_gone(c);
        return;
    }
    if (power_cut) {
        c->link->pipe[c->side].queued = 0;
        sim_conn_silence(peer);
    } else if (rng_chance(&s->rng, 1, 2)) {
        sim_conn_leave(c);
    } else {
        sim_conn_reset(peer,
                       s->now_ns + sim_net_delay(s, c->link->m[c->side], c->link->m[!c->side]),
                       -ECONNRESET, false);
    }
    sim_conn_gone(c);
}

void sim_net_process_dies(struct sim_process *p, bool power_cut)
{
    while (!list_empty(&p->conns))
        conn_dies(LIST_FIRST(&p->conns, struct net_conn, link_in), power_cut);
    while (!list_empty(&p->listeners))
        sim_net_listener_close(LIST_FIRST(&p->listeners, struct net_listener, process_link));
}

/* --- cuts --- */

static bool link_joins(const struct sim_link *l, const struct sim_machine *a,
                       const struct sim_machine *b)
{
    return (l->m[0] == a && l->m[1] == b) || (l->m[0] == b && l->m[1] == a);
}

void sim_net_cut(struct sim *s, struct sim_machine *a, struct sim_machine *b, bool both_ways)
{
    if (a == b)
        return;
    set_add(&a->cut_to, b);
    if (both_ways)
        set_add(&b->cut_to, a);
    LIST_EACH (pos, &s->links) {
        struct sim_link *l = LIST_ENTRY(pos, struct sim_link, link);

        if (!link_joins(l, a, b))
            continue;
        sim_conn_silence(&l->end[0]);
        sim_conn_silence(&l->end[1]);
    }
}

void sim_net_heal(struct sim *s, struct sim_machine *a, struct sim_machine *b)
{
    set_remove(&a->cut_to, b);
    set_remove(&b->cut_to, a);
    LIST_EACH (pos, &s->links) {
        struct sim_link *l = LIST_ENTRY(pos, struct sim_link, link);

        if (!link_joins(l, a, b) || !sim_conn_there(&l->end[0]) || !sim_conn_there(&l->end[1]))
            continue; /* an end that is alone still times out */
        sim_unschedule(s, &l->end[0].silence_ev);
        sim_unschedule(s, &l->end[1].silence_ev);
    }
}

void sim_net_heal_all(struct sim *s)
{
    LIST_EACH (la, &s->machines) {
        LIST_EACH (lb, &s->machines) {
            struct sim_machine *a = LIST_ENTRY(la, struct sim_machine, link);
            struct sim_machine *b = LIST_ENTRY(lb, struct sim_machine, link);

            set_remove(&a->refuses, b);
            if (sim_net_is_cut(a, b))
                sim_net_heal(s, a, b);
        }
    }
}

static void link_break(struct sim_link *l)
{
    struct sim *s = l->sim;

    for (unsigned side = 0; side < ARRAY_LEN(l->end); side++)
        sim_conn_reset(&l->end[side], s->now_ns + sim_net_delay(s, l->m[side], l->m[side]),
                       -ECONNRESET, true);
}

void sim_net_reset_some(struct sim *s, uint32_t num, uint32_t den)
{
    LIST_EACH (pos, &s->links) {
        struct sim_link *l = LIST_ENTRY(pos, struct sim_link, link);

        if (rng_chance(&s->fault_rng, num, den))
            link_break(l);
    }
}

void sim_net_refuse(struct sim *s, struct sim_machine *a, struct sim_machine *b)
{
    set_add(&b->refuses, a);
    LIST_EACH (pos, &s->links) {
        struct sim_link *l = LIST_ENTRY(pos, struct sim_link, link);

        if (l->m[0] == a && l->m[1] == b)
            link_break(l);
    }
}

void sim_net_admit(struct sim_machine *a, struct sim_machine *b)
{
    set_remove(&b->refuses, a);
}

void sim_net_slow(struct sim *s, struct sim_machine *m, uint64_t extra_delay_ns)
{
    UNUSED(s);
    m->slow_net_ns = extra_delay_ns;
}
