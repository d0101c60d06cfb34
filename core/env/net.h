/* net.h - listening, connecting, and streams of bytes.
 *
 * Threads: the env's reactor.  Callbacks come from the loop.  A connection is gone after `closed`,
 * which comes exactly once for each connection that net_connect returned or `accepted` took. */
#ifndef CORE_ENV_NET_H
#define CORE_ENV_NET_H

#include "core/base/addr.h"
#include "core/base/buf.h"
#include "core/env/env.h"

/* The receiving side of a connection, owned by the user. */
struct net_handler {
    void (*opened)(struct net_handler *h); /* connect succeeded; not called for accepted ones */
    /* Where the next bytes go, and how many fit.  0 pauses reading until net_resume. */
    size_t (*space)(struct net_handler *h, uint8_t **out_at);
    void (*received)(struct net_handler *h, size_t bytes); /* into what `space` gave */
    void (*drained)(
        struct net_handler *h); /* the send queue fell to net_send's low mark; may be NULL */
    void (*closed)(struct net_handler *h, int rc); /* 0: the peer closed; negative: why */
};

struct net_accept { /* owned by the user */
    /* Return the handler for it, or NULL to refuse. */
    struct net_handler *(*accepted)(struct net_accept *a, struct net_conn *conn,
                                    const struct net_addr *peer);
};

int net_listen(struct env *env, const struct net_addr *addr, struct net_accept *accept,
               struct net_listener **out_listener, struct note *why);
void net_listener_addr(const struct net_listener *l,
                       struct net_addr *out_addr); /* port 0 resolved */
void net_listener_close(struct net_listener *l);   /* no `accepted` after it returned */

/* Failures to connect come as `closed`; only lack of memory and bad addresses fail at once. */
int net_connect(struct env *env, const struct net_addr *addr, struct net_handler *h,
                struct net_conn **out_conn);
/* Queue bytes; takes over the references of `data` (it is empty after), success or not.  What is
 * queued in one loop turn leaves in one system call.  0 or -ENOMEM / -EPIPE. */
int net_send(struct net_conn *conn, struct buf *data);
uint64_t net_queued_bytes(const struct net_conn *conn);
enum { NET_DRAINED_BYTES = 256 << 10 }; /* `drained` when the queue falls to this from above */
void net_resume(struct net_conn *conn);
/* Close now, dropping queued bytes; `closed` follows from the loop with -ECANCELED. */
void net_close(struct net_conn *conn);

#endif
