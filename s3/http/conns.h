/* conns.h - the connections of one server: what TLS shows on them, and how long a head may take.
 *
 * The library closes a connection that is silent.  One that sends a byte now and then is not; so a
 * connection that waits for a head is cut when the head is not complete in time, whatever comes.
 * Threads: the env's reactor. */
#ifndef S3_HTTP_CONNS_H
#define S3_HTTP_CONNS_H

#include <microhttpd.h>

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/env/env.h"
#include "s3/http/tls.h"

struct http_conns {
    struct env *env;
    struct http_tls *tls; /* borrowed; NULL: none */
    uint64_t head_ns;     /* for a head, from when the connection was free */
    struct list waiting;  /* struct http_conn, the one that waits longest first */
    struct env_timer timer;
};
void http_conns_init(struct http_conns *c, struct env *env, struct http_tls *tls, uint32_t head_s);
void http_conns_fini(struct http_conns *c); /* when all are closed */

/* Say this, if it can be said at once (status 0: nothing), and end the stream: for a request whose
 * body is still to come, where the library has no answer.  The body is not moved. */
void http_conn_end(struct MHD_Connection *conn, unsigned status, const struct buf *body);

struct http_conn;
struct http_conn *http_conn_open(struct http_conns *c, struct MHD_Connection *conn);
void http_conn_close(struct http_conns *c,
                     struct http_conn *conn); /* NULL is fine, here and below */
void http_conn_waits(struct http_conns *c, struct http_conn *conn); /* for the next head */
void http_conn_busy(struct http_conns *c, struct http_conn *conn);  /* its head is complete */

#endif
