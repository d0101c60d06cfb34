/* http.h - an HTTP/1.1 server for one reactor: heads that passed the guard, streamed bodies.
 *
 * libmicrohttpd stands behind it (s3/http/http.c) and nothing of it shows here.  A request is
 * *parked* when its head is handed over: no byte of its body is asked for, and no "100 Continue"
 * sent, before http_accept.  An answer leaves when the whole body has been read (what nobody wants
 * of it is dropped); at once when there is none, when the client waits for "100 Continue", or when
 * a body that was not accepted is large (the connection is closed then).
 *
 * HTTPS is TLS 1.2 and 1.3 by GnuTLS, which the library brings, with ALPN for http/1.1.
 *
 * Back-pressure is both ways: `data` takes less than it is given, `read` gives nothing, and the
 * connection rests until http_wake.  A resting connection is bounded by `rest_ms`.
 * Threads: the env's reactor.  Callbacks come from the loop, and from http_accept and http_reply
 * never. */
#ifndef S3_HTTP_H
#define S3_HTTP_H

#include "core/base/addr.h"
#include "core/base/arena.h"
#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/base/metrics.h"
#include "core/env/env.h"

enum {
    HTTP_FIELDS_MAX = 100,
    HTTP_HEAD_BYTES_MAX = 16 * 1024, /* request line and fields */
    HTTP_NAME_BYTES_MAX = 128,       /* of one field */
};

struct http_field {
    struct bytes name;  /* lower case; never empty */
    struct bytes value; /* without white space around it */
};

/* What the client said.  All bytes live as long as the request. */
struct http_head {
    struct bytes method;
    struct bytes target; /* as sent: not decoded, query included; starts with '/' */
    struct http_field field[HTTP_FIELDS_MAX];
    uint32_t field_count;
    bool http_1_0;
    const char *tls, *cipher; /* "TLSv1.3" and so on; NULL: it came in the clear */

    /* Filled by http_guard. */
    struct bytes host;
    bool has_length, chunked, expects_continue;
    uint64_t length;
};

/* The first field of this name (lower case), or NULL. */
const struct bytes *http_field(const struct http_head *head, const char *name);

/* Everything that libmicrohttpd lets pass and two readers could understand differently is refused:
 * length with chunks, lengths that disagree or repeat, codings other than chunked, names that are
 * no tokens, control characters, no Host or several, unknown expectations, trailers that nobody
 * announced.  0, or the status to refuse with; `out_why` is a constant then.
 * Fills the lower part of the head. */
unsigned http_guard(struct http_head *head, const char **out_why);

/* --- one request --- */
struct http_request;

struct http_reply;
struct http_sink { /* of one request; set in `head` */
    /* Body bytes, lent for the call: take some, say how many; fewer rest until http_wake. */
    size_t (*data)(void *user, const uint8_t *data, size_t bytes);
    void (*end)(void *user); /* the body is complete */
    /* The body comes too slowly, `gone` is next: what to say?  Status and body of the answer count.
     * NULL: nothing. */
    void (*slow)(void *user, struct http_reply *out_reply);
    /* The last call: the answer was sent, or (not `sent`) the connection is gone.  Nothing else of
     * this sink or of the reply is called after it; http_unref may still be far away. */
    void (*gone)(void *user, bool sent);
};

const struct http_head *http_request_head(const struct http_request *r);
struct arena *http_request_arena(struct http_request *r); /* lives as long as the request */
uint64_t http_request_id(const struct http_request *r);   /* random */
/* What has passed so far of bodies, without HTTP's own bytes; and who is at the other end. */
struct http_passed {
    uint64_t in, out;
    struct net_addr peer; /* empty: not known */
};
void http_request_passed(const struct http_request *r, struct http_passed *out_passed);
/* The handler holds one reference from `head` on and returns it after `gone`. */
void http_unref(struct http_request *r);
void http_attach(struct http_request *r, const struct http_sink *sink, void *user);

/* Ask for the body ("100 Continue" goes out when the client waits for it).  Once, before
 * http_reply. */
void http_accept(struct http_request *r);
/* Look again at `data` or `read`. */
void http_wake(struct http_request *r);
/* Drop the connection: what went wrong leaves no other honest way. */
void http_abort(struct http_request *r);

struct http_reply {
    unsigned status;
    const struct http_field *field; /* copied; Content-Length, Date and Connection are ours */
    uint32_t field_count;
    struct buf body; /* moved out */
    /* Or, when `read` is set, a stream of `stream_bytes`: fills up to `max` bytes at `pos` and
     * returns how many, 0: later (http_wake), negative: abort.  A HEAD request never reads. */
    uint64_t stream_bytes;
    ssize_t (*read)(void *user, uint64_t pos, uint8_t *dst, size_t max);
    bool close; /* the connection, afterwards */
};
/* Once.  -ENOMEM aborts the connection: there is nothing else to do about it. */
void http_reply(struct http_request *r, struct http_reply *reply);

/* --- the server --- */
struct http_tls; /* s3/http/tls.h */
struct http_conf {
    struct net_addr addr; /* port 0: a free one */
    struct http_tls *tls; /* borrowed; NULL: without encryption */
    uint32_t connections_max;
    uint32_t idle_s; /* a silent connection is closed after this, and one without a whole head */
    /* Bytes a second that a body must bring on average, beyond the first idle_s; 0: any number.
     * Time in which we do not read does not count. */
    uint32_t body_rate_min;
    uint32_t rest_ms; /* a resting one after this */
    void (*head)(void *arg, struct http_request *r);
    /* A head that the guard refused: fill what the answer says.  The arena is the request's. */
    void (*refused)(void *arg, struct http_request *r, unsigned status, const char *why,
                    struct http_reply *out_reply);
    void *arg;
};

struct http_stats {
    struct counter connections, requests, refused, aborted, slow;
    struct counter bytes_in, bytes_out;
    struct gauge active; /* requests under way */
};

struct http_server;
/* 0 or a negative code with `why`. */
int http_start(struct env *env, const struct http_conf *conf, struct http_server **out_server,
               struct note *why);
const struct net_addr *http_addr(const struct http_server *s); /* the port resolved */
struct http_stats *http_stats(struct http_server *s);
/* Take no new connections and requests; wait up to `grace_ms` for those under way, then cut them;
 * `stopped` comes when every handler has returned its request.  Once. */
void http_stop(struct http_server *s, uint32_t grace_ms, void (*stopped)(void *arg), void *arg);

#endif
