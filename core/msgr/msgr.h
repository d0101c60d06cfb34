/* msgr.h - sessions between roles: ordered, checksummed, flow-controlled, resumed after breaks.
 *
 * A session goes from the one who opened it to the role that listens at an address.  Both ends send
 * on it.  Delivery is in order and at most once.  When a connection breaks, the opener reconnects
 * and both ends resend what the other has not acknowledged, so that nothing is lost while both
 * instances live and remember each other.  When the other side is a new instance or has forgotten
 * the session, or (opener) `give_up_ms` passed, the session is reset: everything unsent or
 * unacknowledged is dropped, `reset` is called once, the session is dead.  Requests are the
 * business of the layer above: it sends them again on a new session, with the same request id.
 *
 * Two roles that both want to ask each other open one session each; answers travel back on the
 * session of the question.
 *
 * In one process: messengers that share a struct msgr_hub reach each other by reference through
 * mailboxes (no socket, no codec); semantics are the same.  The hub can be told to go through the
 * codecs all the same.
 *
 * Wire: doc/format/session.md.  Frames carry a CRC32C of front and data.  The handshake names
 * protocol version, features, the entity (role and id), its instance, the cluster's fsid, the
 * session and the last message seen, and has room for authentication (method 0: none).
 *
 * Memory is bounded: a receiver stops reading a session while `in_bytes_max` of its delivered
 * messages have not been freed; a sender sees session_queued_bytes and `drained`.
 *
 * Threads: each messenger lives on one env; calls and callbacks on its reactor. */
#ifndef CORE_MSGR_MSGR_H
#define CORE_MSGR_MSGR_H

#include "core/env/env.h"
#include "core/env/net.h"
#include "core/msgr/msg.h"

enum entity_role { ENTITY_NONE, ENTITY_MON, ENTITY_OSD, ENTITY_MDS, ENTITY_CLIENT };
struct entity {
    uint8_t role;      /* enum entity_role */
    uint64_t id;       /* osd.2 -> 2; clients: 0 */
    uint64_t instance; /* random per start */
};

struct msgr;
struct session;
struct msgr_hub;

struct msgr_handler { /* embedded in the role */
    /* The message is given to the callee (msg_free).  `s` is borrowed: session_ref to keep it. */
    void (*message)(struct msgr_handler *h, struct session *s, struct msg *m);
    /* An incoming session appeared (before its first message).  Non-zero refuses it.  May be NULL.
     */
    int (*opened)(struct msgr_handler *h, struct session *s);
    /* The session is dead; why: -R_SESSION_RESET, -ETIMEDOUT, -ECONNREFUSED (see fast_fail),
     * -R_WRONG_PEER (another entity answers there), or the peer's refusal. */
    void (*reset)(struct msgr_handler *h, struct session *s, int why);
    void (*drained)(struct msgr_handler *h, struct session *s); /* see below; may be NULL */
};

struct msgr_conf {
    struct entity self;
    uint8_t fsid[16]; /* zeros: not known yet (then any peer's is accepted and kept) */
    const struct msg_type *const *types; /* NULL-terminated table of what we speak */
    struct msgr_handler *handler;        /* borrowed */
    struct msgr_hub *hub;                /* borrowed; NULL: sockets only */
    uint64_t in_bytes_max;               /* per session; 0: 64 MiB */
    uint32_t give_up_ms;                 /* opener: 0: 30,000 */
    uint32_t forget_ms; /* listener: a broken session is forgotten after; 0: 60,000 */
    bool allow_remote;  /* false: only loopback addresses are listened on */
};
int msgr_create(struct env *env, const struct msgr_conf *conf, struct msgr **out_msgr);
int msgr_listen(struct msgr *m, const struct net_addr *addr, struct net_addr *out_bound,
                struct note *why);
void msgr_fsid_set(struct msgr *m, const uint8_t fsid[16]);
/* Close every session (no resets are reported), then call `closed(arg)` from the loop. */
void msgr_close(struct msgr *m, void (*closed)(void *arg), void *arg);
void msgr_destroy(struct msgr *m); /* after closed */
struct metric_set;
int msgr_metrics(struct msgr *m, struct metric_set *set); /* at start-up; 0 or -ENOMEM */

struct session_conf {
    struct net_addr addr;
    struct entity expect; /* role 0: anyone; id and instance 0: not checked */
    /* Report reset at the first refused or failed connection attempt instead of trying until
     * give_up_ms: to learn fast that a process died. */
    bool fast_fail;
    void *user; /* the opener's own */
};
/* One reference for the caller.  Connecting goes on in the background; sending may start now. */
int session_open(struct msgr *m, const struct session_conf *conf, struct session **out_session);
struct session *session_ref(struct session *s);
void session_unref(struct session *s); /* NULL is fine.  Does not close. */
/* Drop it: no callback comes for it afterwards. */
void session_close(struct session *s);
/* Takes the message, always.  Dropped silently when the session is dead.  A session whose queue
 * passes SESSION_QUEUE_MAX is reset: watch session_queued_bytes, wait for `drained`. */
enum { SESSION_DRAINED_BYTES = 256 << 10 }; /* `drained`: the queue fell to this from above */
enum { SESSION_QUEUE_MAX = 256 << 20 };
void session_send(struct session *s, struct msg *m);
bool session_dead(const struct session *s);
const struct entity *session_peer(const struct session *s); /* role 0 until connected */
const struct net_addr *session_addr(const struct session *s);
uint64_t session_queued_bytes(const struct session *s);
void *session_user(const struct session *s);
void session_user_set(struct session *s, void *user);

/* Meeting point of the messengers of one process.  Threads: any. */
struct msgr_hub *msgr_hub_create(bool through_codecs);
void msgr_hub_destroy(struct msgr_hub *h); /* after all messengers */

#endif
