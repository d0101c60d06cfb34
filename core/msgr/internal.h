/* internal.h - what the files of core/msgr share: messengers, sessions, links, mailboxes.
 *
 * Threads: the messenger's reactor, but for struct hub_end's marked fields and the hub's table. */
#ifndef CORE_MSGR_INTERNAL_H
#define CORE_MSGR_INTERNAL_H

#include <pthread.h>

#include "core/base/hash.h"
#include "core/base/htable.h"
#include "core/base/metrics.h"
#include "core/msgr/budget.h"
#include "core/msgr/msgr.h"
#include "core/msgr/session_parse.h"
#include "core/msgr/session_wire.h"

enum {
    MSGR_IN_BYTES_DEFAULT = 64 << 20,
    MSGR_GIVE_UP_MS_DEFAULT = 30000,
    MSGR_FORGET_MS_DEFAULT = 60000,
    MSGR_GREETINGS_MAX = 1024, /* accepted connections that have not greeted yet */
    MSGR_BAD_FRAMES_MAX = 5,   /* without a good message between them */
    MSGR_RETRY_MIN_MS = 10,
    MSGR_RETRY_MAX_MS = 1000,
    MSGR_GREETING_MS = 10000,
    MSGR_LINGER_MS = 250, /* for a bye or a refusal to reach the peer */
    MSGR_BEAT_MS = 2000,
    MSGR_SILENCE_MS = 10000,
    MSGR_ACK_MS = 5,
    MSGR_ACK_MESSAGES = 32,
    MSGR_ACK_BYTES = 256 << 10,
    MSGR_TURN_MESSAGES = 128, /* delivered from a mailbox in one turn of the loop */
};

struct msgr_counts {
    struct counter messages_in, messages_out, bytes_in, bytes_out;
    struct counter resent, repeats, breaks, bad_frames, resets, refused;
    struct gauge sessions;
};

struct msgr {
    struct env *env; /* borrowed */
    struct msgr_conf conf;
    uint8_t fsid[16];
    struct log log;
    struct msg_types types; /* owned */
    struct list sessions;   /* ref each: those that are not dead */
    struct htable incoming; /* borrowed: the same, by id */
    struct list listeners;  /* owned */
    struct writer scratch;  /* encoding memory */
    uint32_t greetings;     /* accepted links that have not greeted yet */
    uint32_t holds;         /* links, tasks and mailboxes that env or a peer may still call */
    bool closing, closed_posted;
    void (*closed)(void *arg);
    void *closed_arg;
    struct env_task closed_task;
    struct msgr_counts counts;
};
static inline void msgr_hold(struct msgr *m)
{
    m->holds++;
}
void msgr_release(struct msgr *m); /* the last one reports `closed` of a closing messenger */

enum session_state { SESSION_WAIT, SESSION_OPEN, SESSION_DEAD };

/* A message in wire form, kept until the peer acknowledged it. */
struct frame {
    struct list link;
    uint64_t seq;
    struct buf bytes; /* owned */
};

struct session {
    struct msgr *m; /* borrowed; not to be used once dead */
    uint32_t refs;
    enum session_state state;
    bool incoming, accepted; /* accepted: at least once */
    struct list link;        /* m->sessions */
    struct hnode by_id;      /* m->incoming */
    uint64_t id;
    uint32_t attempt; /* opener: made so far; listener: the last one seen */
    struct session_conf conf;
    struct entity peer;
    int fail; /* reset with this at the next flush */

    struct list unsent;      /* owned: messages, by msg.link */
    struct list ready, sent; /* owned: frames, not sent / sent on the present link */
    uint64_t unsent_bytes, frame_bytes;
    uint64_t out_seq, acked_seq; /* last made, last acknowledged to us */
    uint64_t in_seq, told_seq;   /* last delivered here, last acknowledged by us */
    uint32_t untold_bytes;
    uint32_t bad_frames;
    bool above; /* the queue passed SESSION_DRAINED_BYTES and `drained` is due */

    struct link *path;   /* borrowed: the connection, from its acceptance (opener: from connect) */
    struct hub_end *end; /* borrowed: or the mailbox */
    struct msgr_budget *budget; /* ref */
    struct env_task flush;
    bool flush_due;
    uint32_t retry_ms;
    struct env_timer retry, patience, ack, beat;
    uint64_t heard_ns; /* when the path last brought anything */
};

/* session.c */
struct session *session_create(struct msgr *m, bool incoming); /* one reference: m's list */
void session_flush_soon(struct session *s);
void session_opened(struct session *s); /* a path was accepted */
void session_broken(struct session *s); /* the path is gone; both pointers are NULL */
void session_attempt_failed(struct session *s, int rc); /* the opener could not reach the peer */
void session_die(struct session *s, bool tell_peer);
void session_reset(struct session *s, int why); /* die, and report it */
/* Count and hand over; may kill the session.  Socket messages pass their seq. */
void session_deliver(struct session *s, struct msg *m);
void session_drained(struct session *s); /* report it when it is due */
/* The peer has all up to `seq`.  False: it cannot. */
bool session_acked(struct session *s, uint64_t seq);
static inline uint64_t msg_cost(const struct msg *m)
{
    return m->type->bytes + (m->type->cost ? m->type->cost(m) : 0);
}

/* session_accept.c */
void hello_make(struct session *s, struct hello *out_hello);
/* Judge a hello: 0 with the session to open a path for (borrowed, WAIT, its older path gone),
 * or the negative refusal.  -ESTALE: an attempt that the opener has given up, to be ignored;
 * -ENOMEM: likewise, it will come again.  The answer is made in every case. */
int hello_judge(struct msgr *m, const struct hello *h, struct session **out_s,
                struct answer *out_answer);
void answer_refusal(struct msgr *m, int rc, struct answer *out_answer);
/* The opener's side: 0, or why the session must be reset. */
int answer_judge(struct session *s, const struct answer *a);

/* link.c */
struct listener;
int link_connect(struct session *s); /* 0, or no memory / bad address */
struct net_handler *link_accept(struct msgr *m, struct net_conn *conn, const struct net_addr *peer);
void link_drop(struct link *l); /* close now; its session must have let go of it */
void link_bye(struct link *l);  /* likewise, after a word */
bool link_open(const struct link *l);
bool link_reading(const struct link *l); /* false while paused by the budget */
int link_send(struct link *l, struct buf *data);
int link_send_short(struct link *l, enum frame_kind kind); /* ack, ping, pong, bye */
void link_resume(struct link *l);
const struct net_addr *link_peer(const struct link *l);

/* hub.c */
struct hub_port; /* an address in the hub's table */
int hub_listen(struct msgr_hub *hub, struct msgr *m, const struct net_addr *addr,
               struct hub_port **out_port);
void hub_unlisten(struct hub_port *p); /* frees it, when its task has run */
/* 1: under way, 0: nobody of this process listens there, or -ENOMEM. */
int hub_connect(struct session *s);
void hub_send(struct session *s); /* everything unsent */
void hub_resume(struct session *s);
void hub_leave(struct session *s); /* takes the end away; the peer is reset */
uint64_t hub_queued_bytes(const struct session *s);

#endif
