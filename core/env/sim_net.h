/* sim_net.h - connections, shared by the network files of the simulator.
 *
 * A link is one connection with its two ends and a pipe of bytes in each direction.  An end is gone
 * once its user was told `closed`, or died; the link is freed with its second end. */
#ifndef CORE_ENV_SIM_NET_H
#define CORE_ENV_SIM_NET_H

#include "core/env/sim_impl.h"

enum {
    PIPE_MARKS = 16,
    PIPE_WINDOW = 1 << 20, /* bytes sent and not yet taken by the receiver */
};

/* Bytes that arrive together. */
struct sim_mark {
    uint64_t at_ns, bytes;
};

struct sim_pipe {       /* from end[i] to end[!i] for pipe[i] */
    struct list pieces; /* owned: the bytes of `arrived`, `flying`, `queued`, in order */
    uint64_t arrived, flying, queued;  /* at the receiver; on the wire; at the sender */
    struct sim_mark marks[PIPE_MARKS]; /* a ring; the bytes of `flying` */
    uint32_t first, count;
    uint64_t last_at_ns; /* nothing overtakes */
    bool fin;            /* the sender closed; its end is seen at fin_at_ns, after all bytes */
    uint64_t fin_at_ns;
};

enum sim_conn_state {
    CONN_GONE = 0, /* or not there yet */
    CONN_CONNECTING,
    CONN_OPENING, /* connected; `opened` or `accepted` will be called */
    CONN_OPEN,
    CONN_CLOSING, /* net_close was called; `closed` will be */
};

struct net_conn {
    struct env *env;       /* first: borrowed */
    struct list link_in;   /* of the process's conns */
    struct sim_link *link; /* borrowed */
    unsigned side;         /* 0: connected, 1: accepted */
    enum sim_conn_state state;
    bool paused;    /* `space` said 0 */
    bool end_local; /* end_ev needs no packet from the peer */
    int end_rc;
    struct net_handler *h;         /* borrowed: the process's memory; NULL before `accepted` */
    struct net_listener *listener; /* borrowed; of an accepted end that is opening */
    struct sim_event send_ev, receive_ev, end_ev, silence_ev;
};

struct sim_link {
    struct list link; /* of sim.links */
    uint64_t number;
    struct sim *sim;          /* borrowed */
    struct sim_machine *m[2]; /* borrowed; [1] is NULL until connected */
    struct net_addr from, to;
    struct net_conn end[2];
    struct sim_pipe pipe[2];
    struct sim_event syn_ev;
};

struct net_listener {
    struct env *env;           /* first: borrowed */
    struct list machine_link;  /* of the machine's listeners */
    struct list process_link;  /* of the process's listeners */
    struct net_accept *accept; /* borrowed: the process's memory */
    struct net_addr addr;
};

/* --- streams (sim_conn.c) --- */
struct sim_link *sim_link_make(struct sim *s); /* NULL: no memory */
void sim_conn_init(struct sim_link *l, unsigned side, struct sim_process *p,
                   enum sim_conn_state state);
/* The end is no more; no callback.  May free the link. */
void sim_conn_gone(struct net_conn *c);
/* The user of this end left: the peer is told, by an end of stream or a reset. */
void sim_conn_leave(struct net_conn *c);
/* A reset arrives at this end at a time; the first one wins. */
void sim_conn_reset(struct net_conn *c, uint64_t at_ns, int rc, bool local);
void sim_conn_silence(struct net_conn *c); /* it will time out, unless healed */
void sim_conn_receive_arm(struct net_conn *c);

static inline struct net_conn *sim_conn_peer(struct net_conn *c)
{
    return &c->link->end[!c->side];
}
static inline bool sim_conn_there(const struct net_conn *c)
{
    return c->state != CONN_GONE && c->state != CONN_CLOSING;
}
uint64_t sim_net_delay(struct sim *s, const struct sim_machine *from, const struct sim_machine *to);
bool sim_net_is_cut(const struct sim_machine *from, const struct sim_machine *to);

#endif
