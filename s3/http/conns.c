/* conns.c - connections by how long they have waited for a head.
 *
 * All may wait equally long, so the list is in order of their deadlines and one timer is enough. */
#include "s3/http/conns.h"

#include <stdio.h>
#include <sys/socket.h>

#include "core/base/cursor.h"
#include "core/base/mem.h"

struct http_conn {
    struct list link;            /* in conns->waiting while it waits */
    struct MHD_Connection *conn; /* borrowed: it is there until NOTIFY_CLOSED */
    struct tls_pair *pair;       /* ref; NULL: none */
    uint64_t until_ns;
};

static void say(struct MHD_Connection *conn, int fd, const void *data, size_t bytes)
{
    const union MHD_ConnectionInfo *tls =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    /* What does not fit in the socket is not worth waiting for. */
    if (tls && tls->tls_session)
        (void)tls_send(tls->tls_session, data, bytes);
    else
        (void)send(fd, data, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void http_conn_end(struct MHD_Connection *conn, unsigned status, const struct buf *body)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    AUTO(writer) text = {0};
    char head[256];

    if (!info)
        return;
    if (status) {
        (void)snprintf(head, sizeof(head),
                       "HTTP/1.1 %u %s\r\nConnection: close\r\nContent-Type: application/xml\r\n"
                       "Content-Length: %llu\r\n\r\n",
                       status, MHD_get_reason_phrase_for(status), (unsigned long long)body->bytes);
        wr_raw(&text, head, strlen(head));
        for (uint32_t i = 0; i < body->span_count; i++) {
            const struct span *span = &buf_spans_of(body)[i];

            wr_raw(&text, span_data(span), span->bytes);
        }
        if (text.rc == 0)
            say(conn, info->connect_fd, text.data, text.len);
    }
    /* The library sees the end, and closes.  Fails when the peer was faster. */
    (void)shutdown(info->connect_fd, SHUT_RDWR);
}

static void cut(struct http_conn *conn)
{
    static const struct buf nothing;

    http_conn_end(conn->conn, 0, &nothing);
}

static void timer_set(struct http_conns *c)
{
    if (list_empty(&c->waiting))
        env_timer_cancel(c->env, &c->timer);
    else
        env_timer_at(c->env, &c->timer,
                     LIST_ENTRY(c->waiting.next, struct http_conn, link)->until_ns);
}

static void due(struct env_timer *t)
{
    struct http_conns *c = CONTAINER_OF(t, struct http_conns, timer);
    uint64_t now = env_now_ns(c->env);

    LIST_EACH_SAFE (pos, &c->waiting) {
        struct http_conn *conn = LIST_ENTRY(pos, struct http_conn, link);

        if (conn->until_ns > now)
            break;
        list_remove(&conn->link);
        cut(conn);
    }
    timer_set(c);
}

void http_conns_init(struct http_conns *c, struct env *env, struct http_tls *tls, uint32_t head_s)
{
    c->env = env;
    c->tls = tls;
    c->head_ns = head_s * NS_PER_S;
    list_init(&c->waiting);
    env_timer_init(&c->timer, due);
}

void http_conns_fini(struct http_conns *c)
{
    ASSERT(list_empty(&c->waiting));
    env_timer_cancel(c->env, &c->timer);
}

struct http_conn *http_conn_open(struct http_conns *c, struct MHD_Connection *mhd)
{
    struct http_conn *conn = mem_zalloc(sizeof(*conn));
    const union MHD_ConnectionInfo *info;

    if (!conn) /* HTTPS has no certificate then; HTTP goes on without a deadline */
        return NULL;
    conn->conn = mhd;
    list_init(&conn->link);
    if (c->tls) {
        info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        conn->pair = tls_pair_set(c->tls, info ? info->tls_session : NULL);
    }
    http_conn_waits(c, conn);
    return conn;
}

void http_conn_close(struct http_conns *c, struct http_conn *conn)
{
    if (!conn)
        return;
    http_conn_busy(c, conn);
    tls_pair_unref(conn->pair);
    mem_free(conn);
}

void http_conn_waits(struct http_conns *c, struct http_conn *conn)
{
    bool first = list_empty(&c->waiting);

    if (!conn)
        return;
    conn->until_ns = env_now_ns(c->env) + c->head_ns;
    list_remove(&conn->link);
    list_push_back(&c->waiting, &conn->link);
    if (first)
        timer_set(c);
}

/* The timer stays: when it fires for nobody, it looks who is next. */
void http_conn_busy(struct http_conns *c, struct http_conn *conn)
{
    UNUSED(c);
    if (conn)
        list_remove(&conn->link);
}
