/* http.c - libmicrohttpd on our reactor.
 *
 * The library waits on an epoll descriptor of its own; the loop watches that descriptor and calls
 * MHD_run (`pump`) when it is readable, when a connection was woken, and when MHD_get_timeout says
 * so.  Everything happens on the reactor.
 *
 * A request goes one way:
 *
 *     NEW      its target is known; the first call of the access handler brings the head
 *     PARKED   the head was handed over; the connection rests until http_accept or http_reply
 *     READING  body bytes go to the sink; it rests whenever the sink is full
 *     ENDED    the body is complete; it rests until http_reply
 *     REPLYING the library sends; it rests whenever the stream has nothing yet
 *
 * The library lets a parked connection be answered or go on reading after a rest in the first
 * call, which is what keeps "100 Continue" back until the handler wants the body.  Once it reads,
 * an answer is possible only after the last byte: with an early answer the rest is read and
 * dropped.  So is the body of a request refused while it was parked, unless its client waits to be
 * asked for it: to close a connection with bytes unread resets it, and the answer with it.
 *
 * A connection has one reference to its request, the handler the other. */
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/list.h"
#include "s3/http.h"
#include "s3/http/conns.h"
#include "s3/http/head.h"
#include "s3/http/response.h"

enum {
    POOL_BYTES = 64 * 1024,  /* of one connection: fastest, see the notes on the library */
    BLOCK_BYTES = 64 * 1024, /* asked of a stream at a time */
    DROP_BYTES_MAX = 64 * 1024 * 1024, /* of a body that nobody asked for, or that is chunked */
};

enum state { NEW, PARKED, READING, ENDED, REPLYING };

struct http_request {
    struct http_server *server;  /* borrowed: outlives every request */
    struct MHD_Connection *conn; /* borrowed; NULL: gone */
    struct list link;            /* in server->requests while the connection is there */
    uint32_t refs;
    enum state state;
    bool accepted, resting, wake_pending, aborted;
    uint64_t waited_ns; /* for bytes of the body */
    struct env_timer rest_timer;
    const struct http_sink *sink; /* NULL: nobody listens */
    void *user;
    uint64_t id;
    const char *raw_target; /* borrowed from the library until the head is built */
    uint64_t dropped_bytes;
    uint64_t bytes_in, bytes_out;
    struct sockaddr_storage peer;

    struct MHD_Response *response; /* ref */
    unsigned status;
    ssize_t (*read)(void *user, uint64_t pos, uint8_t *dst, size_t max);

    struct http_head head; /* its bytes are in the arena */
    struct arena arena;
};

struct http_server {
    struct env *env;
    struct http_conf conf;
    struct log log;
    struct net_addr addr;
    struct MHD_Daemon *daemon; /* owned */
    struct env_watch watch;
    bool watching;
    struct env_timer timer;
    struct env_task pump_task;
    bool pump_queued;
    struct http_conns conns;
    struct env_timer pace_timer; /* while bodies are read */
    bool pacing;
    struct list requests;
    uint32_t live; /* requests not yet freed */
    struct http_stats stats;

    bool stopping, closed;
    struct env_timer grace_timer;
    struct env_task stop_task;
    bool stop_queued;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* --- the pump --- */

static void pump_soon(struct http_server *s)
{
    if (s->pump_queued || s->closed)
        return;
    s->pump_queued = true;
    env_post(s->env, &s->pump_task);
}

static void pump(struct http_server *s)
{
    unsigned MHD_LONG_LONG ms;

    if (s->closed)
        return;
    (void)MHD_run(s->daemon); /* fails only when the epoll descriptor does */
    if (MHD_get_timeout(s->daemon, &ms) != MHD_YES)
        env_timer_cancel(s->env, &s->timer);
    else if (ms == 0)
        pump_soon(s);
    else
        env_timer_after(s->env, &s->timer, (uint64_t)ms * NS_PER_MS);
}

static void pump_task(struct env_task *task)
{
    struct http_server *s = CONTAINER_OF(task, struct http_server, pump_task);

    s->pump_queued = false;
    pump(s);
}

static void pump_timer(struct env_timer *t)
{
    pump(CONTAINER_OF(t, struct http_server, timer));
}

static void pump_ready(struct env_watch *w)
{
    pump(CONTAINER_OF(w, struct http_server, watch));
}

/* --- requests --- */

static struct http_conn *conn_of(struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    return info ? info->socket_context : NULL;
}

static void stop_step_soon(struct http_server *s)
{
    if (!s->stopping || s->stop_queued)
        return;
    s->stop_queued = true;
    env_post(s->env, &s->stop_task);
}

void http_unref(struct http_request *r)
{
    struct http_server *s = r->server;

    ASSERT(r->refs > 0);
    if (--r->refs)
        return;
    arena_fini(&r->arena);
    mem_free(r);
    s->live--;
    stop_step_soon(s);
}

static void unrest(struct http_request *r)
{
    r->resting = false;
    env_timer_cancel(r->server->env, &r->rest_timer);
    MHD_resume_connection(r->conn);
    pump_soon(r->server);
}

/* Rest until http_wake.  A wake-up that came during the upcall counts. */
static void rest(struct http_request *r)
{
    ASSERT(!r->resting);
    MHD_suspend_connection(r->conn);
    r->resting = true;
    env_timer_after(r->server->env, &r->rest_timer, (uint64_t)r->server->conf.rest_ms * NS_PER_MS);
    if (r->wake_pending)
        unrest(r);
    r->wake_pending = false;
}

void http_wake(struct http_request *r)
{
    if (!r->conn)
        return;
    if (r->resting)
        unrest(r);
    else
        r->wake_pending = true;
}

void http_abort(struct http_request *r)
{
    if (!r->conn || r->aborted)
        return;
    r->aborted = true;
    counter_add(&r->server->stats.aborted, 1);
    http_wake(r);
}

/* The library has no time-out for a connection that rests, and does not see its peer leave. */
static void rest_expired(struct env_timer *t)
{
    struct http_request *r = CONTAINER_OF(t, struct http_request, rest_timer);

    log_warn(&r->server->log, "a request waited too long and was cut", KV_HEX("request", r->id),
             KV_MS("for", r->server->conf.rest_ms));
    http_abort(r);
}

const struct http_head *http_request_head(const struct http_request *r)
{
    return &r->head;
}

void http_request_passed(const struct http_request *r, struct http_passed *out_passed)
{
    *out_passed = (struct http_passed){.in = r->bytes_in, .out = r->bytes_out};
    if (r->peer.ss_family)
        net_addr_from_sockaddr(&r->peer, &out_passed->peer);
}

struct arena *http_request_arena(struct http_request *r)
{
    return &r->arena;
}

uint64_t http_request_id(const struct http_request *r)
{
    return r->id;
}

void http_attach(struct http_request *r, const struct http_sink *sink, void *user)
{
    r->sink = sink;
    r->user = user;
}

void http_accept(struct http_request *r)
{
    ASSERT(!r->accepted);
    r->accepted = true;
    http_wake(r);
}

/* The request line was read.  The pointer returned is what the other callbacks get. */
static void *request_begin(void *arg, const char *target, struct MHD_Connection *conn)
{
    struct http_server *s = arg;
    struct http_request *r = mem_alloc(sizeof(*r));

    if (!r)
        return NULL; /* the access handler closes */
    memset(r, 0, offsetof(struct http_request, head.field));
    r->head.field_count = 0;
    memset(&r->head.http_1_0, 0, sizeof(r->head) - offsetof(struct http_head, http_1_0));
    arena_init(&r->arena);
    r->server = s;
    r->conn = conn;
    r->refs = 1;
    r->id = env_random_u64(s->env);
    r->raw_target = target;
    /* Copied now: the library is about to cut it at the question mark. */
    r->head.target.len = (uint32_t)strnlen(target, HTTP_HEAD_BYTES_MAX + 1);
    r->head.target.data = (uint8_t *)arena_strdup(&r->arena, target, r->head.target.len);
    if (!r->head.target.data)
        r->aborted = true;
    env_timer_init(&r->rest_timer, rest_expired);
    list_push_back(&s->requests, &r->link);
    s->live++;
    gauge_set(&s->stats.active, gauge_get(&s->stats.active) + 1);
    return r;
}

static void request_completed(void *arg, struct MHD_Connection *conn, void **con_cls,
                              enum MHD_RequestTerminationCode how)
{
    struct http_server *s = arg;
    struct http_request *r = *con_cls;

    if (!r)
        return;
    *con_cls = NULL;
    env_timer_cancel(s->env, &r->rest_timer);
    http_conn_waits(&s->conns, conn_of(conn));
    r->resting = false;
    r->conn = NULL;
    list_remove(&r->link);
    gauge_set(&s->stats.active, gauge_get(&s->stats.active) - 1);
    if (r->response)
        MHD_destroy_response(r->response);
    r->response = NULL;
    if (r->sink && r->sink->gone)
        r->sink->gone(r->user, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    http_unref(r);
    stop_step_soon(s);
}

/* --- answers --- */

static ssize_t stream_read(void *arg, uint64_t pos, char *dst, size_t max)
{
    struct http_request *r = arg;
    ssize_t n;

    if (r->aborted || !r->conn)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    n = r->read(r->user, pos, (uint8_t *)dst, max);
    if (n < 0 || r->aborted)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ASSERT((size_t)n <= max);
    if (n == 0)
        rest(r);
    r->bytes_out += (uint64_t)n;
    counter_add(&r->server->stats.bytes_out, (uint64_t)n);
    return n;
}

static struct MHD_Response *response_create(struct http_request *r, struct http_reply *reply)
{
    struct MHD_Response *response;
    int rc = 0;

    if (reply->read)
        response = MHD_create_response_from_callback(reply->stream_bytes, BLOCK_BYTES, stream_read,
                                                     r, NULL);
    else if (reply->body.bytes)
        response = response_of_buf(&reply->body);
    else
        response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return NULL;
    for (uint32_t i = 0; i < reply->field_count && rc == 0; i++)
        rc = response_add(response, reply->field[i].name, reply->field[i].value);
    if (reply->close && rc == 0 &&
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close") != MHD_YES)
        rc = -ENOMEM;
    if (rc == 0)
        return response;
    MHD_destroy_response(response);
    return NULL;
}

static bool has_body(const struct http_request *r)
{
    return r->head.chunked || r->head.length > 0;
}

/* Read the body to its end before the answer, though nobody wants it? */
static bool drops_body(const struct http_request *r)
{
    return !r->head.chunked && has_body(r) && !r->head.expects_continue &&
           r->head.length <= DROP_BYTES_MAX;
}

void http_reply(struct http_request *r, struct http_reply *reply)
{
    ASSERT(!r->response && r->state != REPLYING);
    if (!r->conn) {
        buf_fini(&reply->body);
        return;
    }
    /* A body that nobody will read stands between us and the next request. */
    if (!r->accepted && has_body(r) && !drops_body(r))
        reply->close = true;
    r->read = reply->read;
    r->status = reply->status;
    if (!reply->read) {
        r->bytes_out += reply->body.bytes;
        counter_add(&r->server->stats.bytes_out, reply->body.bytes);
    }
    r->response = response_create(r, reply);
    buf_fini(&reply->body);
    if (!r->response)
        http_abort(r);
    http_wake(r);
}

/* --- bodies that come too slowly --- */

/* The library can answer only behind a body's last byte; so it is told past the library, which then
 * finds that the connection has ended. */
static void cut_slow(struct http_request *r)
{
    struct http_reply reply = {.status = 0};

    counter_add(&r->server->stats.slow, 1);
    log_info(&r->server->log, "a body came too slowly and was cut", KV_HEX("request", r->id),
             KV_BYTES("got", r->bytes_in + r->dropped_bytes),
             KV_MS("for", r->waited_ns / NS_PER_MS));
    r->aborted = true;
    if (!r->response && r->sink->slow)
        r->sink->slow(r->user, &reply);
    http_conn_end(r->conn, reply.status, &reply.body);
    buf_fini(&reply.body);
}

static bool too_slow(const struct http_request *r)
{
    const struct http_conf *conf = &r->server->conf;
    uint64_t bytes = r->bytes_in + r->dropped_bytes;

    return r->waited_ns / NS_PER_S > conf->idle_s + bytes / conf->body_rate_min;
}

static uint64_t pace_ns(const struct http_server *s)
{
    return s->conf.idle_s * NS_PER_S / 8;
}

/* Who waits for its client now is taken to have waited since the last look. */
static void pace_due(struct env_timer *t)
{
    struct http_server *s = CONTAINER_OF(t, struct http_server, pace_timer);

    s->pacing = false;
    LIST_EACH_SAFE (pos, &s->requests) {
        struct http_request *r = LIST_ENTRY(pos, struct http_request, link);

        if (r->state != READING || r->aborted)
            continue;
        s->pacing = true;
        if (!r->resting)
            r->waited_ns += pace_ns(s);
        if (too_slow(r))
            cut_slow(r);
    }
    if (s->pacing)
        env_timer_after(s->env, t, pace_ns(s));
}

static void pace(struct http_server *s)
{
    if (s->pacing || s->conf.body_rate_min == 0)
        return;
    s->pacing = true;
    env_timer_after(s->env, &s->pace_timer, pace_ns(s));
}

/* --- the access handler --- */

static enum MHD_Result send_response(struct http_request *r)
{
    r->state = REPLYING;
    return MHD_queue_response(r->conn, r->status, r->response);
}

/* What is next, after the handler had its say. */
static enum MHD_Result settle(struct http_request *r)
{
    if (r->aborted)
        return MHD_NO;
    if (r->state == PARKED && (r->accepted || (r->response && (!has_body(r) || drops_body(r))))) {
        r->wake_pending = false;
        r->state = READING; /* an answer behind a whole body keeps the connection */
        pace(r->server);
        return MHD_YES;
    }
    if (r->response)
        return send_response(r);
    rest(r);
    return MHD_YES;
}

static void peer_take(struct http_request *r)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *sa = info ? info->client_addr : NULL;

    info = MHD_get_connection_info(r->conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (r->server->conf.tls && info)
        tls_facts(info->tls_session, &r->head.tls, &r->head.cipher);

    if (sa && sa->sa_family == AF_INET)
        memcpy(&r->peer, sa, sizeof(struct sockaddr_in));
    else if (sa && sa->sa_family == AF_INET6)
        memcpy(&r->peer, sa, sizeof(struct sockaddr_in6));
}

static enum MHD_Result first_call(struct http_request *r, const char *method, const char *version)
{
    struct http_server *s = r->server;
    struct http_reply reply = {0};
    const char *why;
    int status =
        http_head_build(r->conn, r->raw_target, method, version, &r->arena, &r->head, &why);

    http_conn_busy(&s->conns, conn_of(r->conn));
    r->raw_target = NULL;
    if (status < 0)
        r->aborted = true;
    if (r->aborted)
        return MHD_NO;
    if (status == 0 && s->stopping) {
        status = 503;
        why = "the gateway is stopping";
    }
    counter_add(&s->stats.requests, 1);
    r->state = PARKED;
    if (status) {
        counter_add(&s->stats.refused, 1);
        s->conf.refused(s->conf.arg, r, (unsigned)status, why, &reply);
        reply.close = true;
        http_reply(r, &reply);
        if (r->aborted)
            return MHD_NO;
        /* Of a head with two readings nobody knows where its body ends. */
        return status == 503 ? settle(r) : send_response(r);
    }
    r->refs++;
    peer_take(r);
    s->conf.head(s->conf.arg, r);
    return settle(r);
}

static enum MHD_Result body_call(struct http_request *r, const char *data, size_t *bytes)
{
    size_t taken;

    if (r->response) {
        r->dropped_bytes += *bytes;
        *bytes = 0;
        return r->head.chunked && r->dropped_bytes > DROP_BYTES_MAX ? MHD_NO : MHD_YES;
    }
    taken = r->sink->data(r->user, (const uint8_t *)data, *bytes);
    ASSERT(taken <= *bytes);
    r->bytes_in += taken;
    counter_add(&r->server->stats.bytes_in, taken);
    *bytes -= taken;
    if (r->aborted)
        return MHD_NO;
    if (*bytes && !r->response)
        rest(r);
    else if (*bytes)
        return body_call(r, data + taken, bytes);
    return MHD_YES;
}

static enum MHD_Result body_end(struct http_request *r)
{
    /* The guard let no Trailer field pass, so these come unannounced. */
    if (MHD_get_connection_values(r->conn, MHD_FOOTER_KIND, NULL, NULL) > 0)
        return MHD_NO;
    r->state = ENDED;
    if (!r->response)
        r->sink->end(r->user);
    return settle(r);
}

static enum MHD_Result access_handler(void *arg, struct MHD_Connection *conn, const char *url,
                                      const char *method, const char *version, const char *data,
                                      size_t *bytes, void **con_cls)
{
    struct http_request *r = *con_cls;

    UNUSED(arg);
    UNUSED(conn);
    UNUSED(url); /* cut and decoded; see request_begin */
    if (!r || r->aborted)
        return MHD_NO;
    switch (r->state) {
    case NEW:
        return first_call(r, method, version);
    case READING:
        return *bytes ? body_call(r, data, bytes) : body_end(r);
    case PARKED:
    case ENDED:
        return settle(r);
    case REPLYING:
        break;
    }
    return MHD_NO;
}

/* Keys and signatures use the raw target; nobody looks at what this would give. */
static size_t unescape_nothing(void *arg, struct MHD_Connection *conn, char *text)
{
    UNUSED(arg);
    UNUSED(conn);
    return strlen(text);
}

static void connection_changed(void *arg, struct MHD_Connection *conn, void **socket_context,
                               enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = arg;

    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        http_conn_close(&s->conns, *socket_context);
        return;
    }
    counter_add(&s->stats.connections, 1);
    *socket_context = http_conn_open(&s->conns, conn);
}

/* --- start and stop --- */

static void cut_all(struct env_timer *t)
{
    struct http_server *s = CONTAINER_OF(t, struct http_server, grace_timer);

    LIST_EACH_SAFE (pos, &s->requests)
        http_abort(LIST_ENTRY(pos, struct http_request, link));
    s->closed = true;
    env_watch_stop(s->env, &s->watch);
    env_timer_cancel(s->env, &s->timer);
    env_timer_cancel(s->env, &s->pace_timer);
    MHD_stop_daemon(s->daemon); /* completes every request that is left, closes all connections */
    http_conns_fini(&s->conns);
    s->daemon = NULL;
    ASSERT(list_empty(&s->requests));
    stop_step_soon(s);
}

static void stop_step(struct env_task *task)
{
    struct http_server *s = CONTAINER_OF(task, struct http_server, stop_task);
    void (*stopped)(void *) = s->stopped;
    void *arg = s->stopped_arg;

    s->stop_queued = false;
    if (!s->closed && list_empty(&s->requests)) {
        env_timer_cancel(s->env, &s->grace_timer);
        cut_all(&s->grace_timer); /* closes idle connections; queues the next step */
        return;
    }
    if (!s->closed || s->live || s->pump_queued) {
        if (s->closed && s->pump_queued)
            stop_step_soon(s);
        return;
    }
    mem_free(s);
    stopped(arg);
}

void http_stop(struct http_server *s, uint32_t grace_ms, void (*stopped)(void *arg), void *arg)
{
    MHD_socket listener;

    ASSERT(!s->stopping);
    s->stopping = true;
    s->stopped = stopped;
    s->stopped_arg = arg;
    listener = MHD_quiesce_daemon(s->daemon);
    if (listener != MHD_INVALID_SOCKET)
        close(listener);
    env_timer_after(s->env, &s->grace_timer, (uint64_t)grace_ms * NS_PER_MS);
    stop_step_soon(s);
}

static int daemon_start(struct http_server *s, struct note *why)
{
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_PRIORITIES, 0, tls_priorities()},
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, tls_no_certificate()},
        {MHD_OPTION_END, 0, NULL},
    };
    struct sockaddr_storage sa = {0};
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO;
    const union MHD_DaemonInfo *info;
    int rc;

    (void)net_addr_sockaddr(&s->conf.addr, &sa);
    if (sa.ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    if (s->conf.tls)
        flags |= MHD_USE_TLS;
    else
        tls[0].option = MHD_OPTION_END;
    errno = 0;
    s->daemon =
        MHD_start_daemon(flags, net_addr_port(&s->conf.addr), NULL, NULL, access_handler, s, /* */
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&sa,                       /* */
                         MHD_OPTION_URI_LOG_CALLBACK, request_begin, s,                      /* */
                         MHD_OPTION_UNESCAPE_CALLBACK, unescape_nothing, NULL,               /* */
                         MHD_OPTION_NOTIFY_COMPLETED, request_completed, s,                  /* */
                         MHD_OPTION_NOTIFY_CONNECTION, connection_changed, s,                /* */
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,             /* */
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)s->conf.connections_max,     /* */
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)s->conf.idle_s,            /* */
                         MHD_OPTION_LISTEN_BACKLOG_SIZE, 1024u,                              /* */
                         MHD_OPTION_ARRAY, tls,                                              /* */
                         MHD_OPTION_END);
    if (!s->daemon) {
        rc = errno ? -errno : -EADDRINUSE;
        note_set(why, "%s: cannot listen: %s", s->conf.addr.s, strerror(-rc));
        return rc;
    }
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT);
    if (sa.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)&sa)->sin6_port = htons(info->port);
    else
        ((struct sockaddr_in *)&sa)->sin_port = htons(info->port);
    net_addr_from_sockaddr(&sa, &s->addr);
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    rc = env_watch_start(s->env, &s->watch, info->epoll_fd);
    if (rc == 0)
        return 0;
    note_set(why, "%s: cannot watch: %s", s->conf.addr.s, reason_text(rc));
    MHD_stop_daemon(s->daemon);
    return rc;
}

int http_start(struct env *env, const struct http_conf *conf, struct http_server **out_server,
               struct note *why)
{
    struct http_server *s = mem_zalloc(sizeof(*s));
    int rc;

    if (!s)
        return -ENOMEM;
    s->env = env;
    s->conf = *conf;
    log_init(&s->log, env_log_sink(env), "s3.http");
    list_init(&s->requests);
    http_conns_init(&s->conns, env, conf->tls, conf->idle_s);
    s->watch.ready = pump_ready;
    env_timer_init(&s->timer, pump_timer);
    env_timer_init(&s->grace_timer, cut_all);
    env_timer_init(&s->pace_timer, pace_due);
    env_task_init(&s->pump_task, pump_task);
    env_task_init(&s->stop_task, stop_step);
    rc = daemon_start(s, why);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    pump_soon(s);
    *out_server = s;
    return 0;
}

const struct net_addr *http_addr(const struct http_server *s)
{
    return &s->addr;
}

struct http_stats *http_stats(struct http_server *s)
{
    return &s->stats;
}
