/* real_net.c - TCP on libuv.
 *
 * Sending: net_send hangs the bytes on the connection's queue and the connection on the reactor's
 * list of dirty ones; at the end of the turn each of those writes its queue with one call.  What
 * the socket does not take is handed to uv_write, one request at a time, and the queue goes on
 * when that is done.  Bytes leave the queue only when the kernel has them.
 *
 * Receiving: straight into what the handler's `space` gives.  While it gives nothing we do not
 * read, and the sender is held back by TCP; a peer that leaves is then noticed at net_resume.
 *
 * Closing: every way to the end is conn_close with the first reason.  libuv finishes the handle in
 * a later turn, drops a write that is under way, and only then `closed` is called and the
 * connection freed: so callbacks may close any connection, their own too. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "core/env/real.h"

enum { IOV_COUNT = 1024 /* IOV_MAX */, BACKLOG = 512 };
#define READ_BYTES_MAX GIB(1)

struct net_conn {
    struct env *env; /* borrowed, first */
    struct reactor *r;
    struct net_handler *h; /* borrowed from the user until `closed` */
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct buf queue;  /* owned: not yet in the kernel */
    uint64_t writing;  /* bytes at the queue's front that uv_write holds */
    struct list dirty; /* in reactor.net_dirty */
    int close_rc;      /* what `closed` will say */
    bool open;         /* connected */
    bool paused;       /* `space` gave nothing */
    bool closing;
    bool in_space; /* `space` is being asked: the handle must not be closed under libuv's hands */
    bool close_asked; /* ... net_close was called meanwhile */
};

struct net_listener {
    struct env *env; /* borrowed, first */
    struct reactor *r;
    struct net_accept *accept; /* borrowed */
    uv_tcp_t tcp;
    uv_tcp_t refused; /* takes a connection for which there is no memory, to close it */
    bool refusing;    /* `refused` is in use */
    bool stalled;     /* a connection waits for `refused` */
    bool closing;
    uint32_t handles; /* of tcp and refused, not yet closed */
};

/* --- closing --- */

static void conn_gone(uv_handle_t *handle)
{
    struct net_conn *c = handle->data;
    struct reactor *r = c->r;

    buf_fini(&c->queue);
    r->conns--;
    if (c->h) {
        reactor_enter(r);
        c->h->closed(c->h, c->close_rc);
        reactor_left(r);
    }
    mem_free(c);
}

static void conn_close(struct net_conn *c, int rc)
{
    if (c->closing)
        return;
    c->closing = true;
    c->close_rc = rc;
    list_remove(&c->dirty);
    uv_close((uv_handle_t *)&c->tcp, conn_gone);
}

void real_net_close(struct net_conn *c)
{
    if (c->in_space)
        c->close_asked = true;
    else
        conn_close(c, -ECANCELED);
}

/* --- sending --- */

static void conn_flush(struct net_conn *c);

/* The kernel has taken `bytes` of the queue. */
static void conn_sent(struct net_conn *c, uint64_t bytes)
{
    uint64_t before = c->queue.bytes;

    buf_drop_front(&c->queue, bytes);
    if (before > NET_DRAINED_BYTES && c->queue.bytes <= NET_DRAINED_BYTES && c->h->drained)
        c->h->drained(c->h); /* may send more, or close */
}

/* Describe the front of the queue; returns the number of pieces. */
static unsigned queue_pieces(const struct buf *queue, uv_buf_t *out_pieces, uint64_t *out_bytes)
{
    const struct span *spans = buf_spans_of(queue);
    unsigned n = MIN(queue->span_count, (uint32_t)IOV_COUNT);
    uint64_t bytes = 0;

    for (unsigned i = 0; i < n; i++) {
        out_pieces[i] = uv_buf_init((char *)(uintptr_t)span_data(&spans[i]), spans[i].bytes);
        bytes += spans[i].bytes;
    }
    *out_bytes = bytes;
    return n;
}

static void conn_written(uv_write_t *write, int status)
{
    struct net_conn *c = write->data;
    uint64_t bytes = c->writing;

    c->writing = 0;
    if (c->closing)
        return;
    if (status < 0) {
        conn_close(c, status);
        return;
    }
    reactor_enter(c->r);
    conn_sent(c, bytes);
    if (!c->closing)
        conn_flush(c);
    reactor_left(c->r);
}

static void conn_flush(struct net_conn *c)
{
    uv_buf_t pieces[IOV_COUNT];
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    uint64_t bytes;
    int rc = 0;

    while (c->open && !c->closing && !c->writing && c->queue.bytes) {
        unsigned n = queue_pieces(&c->queue, pieces, &bytes);

        rc = uv_try_write(stream, pieces, n);
        if (rc > 0) {
            conn_sent(c, (uint64_t)rc);
        } else if (rc == UV_EAGAIN) {
            c->write.data = c;
            c->writing = bytes;
            rc = uv_write(&c->write, stream, pieces, n, conn_written);
        }
        if (rc < 0)
            conn_close(c, rc);
    }
}

void net_turn_end(struct reactor *r)
{
    struct list batch = LIST_INIT(batch), *node;

    list_splice(&batch, &r->net_dirty);
    while ((node = list_pop_front(&batch))) {
        conn_flush(LIST_ENTRY(node, struct net_conn, dirty));
        reactor_left(r);
    }
}

int real_net_send(struct net_conn *c, struct buf *data)
{
    int rc = 0;

    if (c->closing || c->close_asked)
        rc = -EPIPE;
    else if (c->queue.bytes == 0 && !c->queue.span_cap)
        c->queue = buf_move(data);
    else
        rc = buf_append(&c->queue, data, 0, data->bytes);
    buf_fini(data);
    if (rc == 0 && c->open && !c->writing && !list_linked(&c->dirty))
        list_push_back(&c->r->net_dirty, &c->dirty);
    return rc;
}

uint64_t real_net_queued_bytes(const struct net_conn *c)
{
    return c->queue.bytes;
}

/* --- receiving --- */

static void conn_space(uv_handle_t *handle, size_t suggested, uv_buf_t *out_space)
{
    struct net_conn *c = handle->data;
    uint8_t *at = NULL;
    size_t bytes;

    UNUSED(suggested);
    c->in_space = true;
    bytes = c->h->space(c->h, &at);
    c->in_space = false;
    if (c->close_asked)
        bytes = 0;
    c->paused = bytes == 0;
    *out_space = uv_buf_init((char *)at, (unsigned)MIN(bytes, READ_BYTES_MAX));
}

static void conn_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *space)
{
    struct net_conn *c = stream->data;

    UNUSED(space);
    if (n > 0) {
        reactor_enter(c->r);
        c->h->received(c->h, (size_t)n);
        reactor_left(c->r);
    } else if (c->close_asked) {
        conn_close(c, -ECANCELED);
    } else if (c->paused) { /* libuv says ENOBUFS: it got no memory to read into */
        uv_read_stop(stream);
    } else if (n < 0) {
        conn_close(c, n == UV_EOF ? 0 : (int)n);
    }
}

static void conn_read_start(struct net_conn *c)
{
    int rc = uv_read_start((uv_stream_t *)&c->tcp, conn_space, conn_read);

    if (rc < 0)
        conn_close(c, rc);
}

void real_net_resume(struct net_conn *c)
{
    if (!c->paused || c->closing || !c->open)
        return;
    c->paused = false;
    conn_read_start(c);
}

/* --- connecting --- */

static int conn_create(struct reactor *r, struct net_handler *h, struct net_conn **out_conn)
{
    struct net_conn *c = mem_zalloc(sizeof(*c));
    int rc = c ? uv_tcp_init(&r->loop, &c->tcp) : -ENOMEM;

    if (rc < 0) {
        mem_free(c);
        return rc;
    }
    c->env = &r->env.env;
    c->r = r;
    c->h = h;
    c->tcp.data = c;
    list_init(&c->dirty);
    r->conns++;
    *out_conn = c;
    return 0;
}

static void conn_connected(uv_connect_t *connect, int status)
{
    struct net_conn *c = connect->data;

    if (c->closing)
        return;
    if (status < 0) {
        conn_close(c, status);
        return;
    }
    c->open = true;
    (void)uv_tcp_nodelay(&c->tcp, 1); /* without it the stream is slow, not wrong */
    reactor_enter(c->r);
    c->h->opened(c->h);
    if (!c->closing)
        conn_read_start(c);
    if (!c->closing && c->queue.bytes && !list_linked(&c->dirty))
        list_push_back(&c->r->net_dirty, &c->dirty);
    reactor_left(c->r);
}

int real_net_connect(struct env *env, const struct net_addr *addr, struct net_handler *h,
                     struct net_conn **out_conn)
{
    struct sockaddr_storage sa;
    struct net_conn *c;
    int rc;

    if (net_addr_sockaddr(addr, &sa) == 0)
        return -EINVAL;
    rc = conn_create(reactor_of(env), h, &c);
    if (rc < 0)
        return rc;
    c->connect.data = c;
    rc = uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&sa, conn_connected);
    if (rc < 0)
        conn_close(c, rc); /* `closed` tells, from the loop */
    *out_conn = c;
    return 0;
}

/* --- listening --- */

static void listener_gone(uv_handle_t *handle)
{
    struct net_listener *l = handle->data;

    if (--l->handles > 0)
        return;
    l->r->conns--;
    mem_free(l);
}

static void listener_ready(uv_stream_t *stream, int status);

static void refused_gone(uv_handle_t *handle)
{
    struct net_listener *l = handle->data;

    l->refusing = false;
    if (l->stalled && !l->closing) {
        l->stalled = false;
        listener_ready((uv_stream_t *)&l->tcp, 0);
    }
    listener_gone(handle);
}

/* Accept and drop: a connection left in libuv's hands would end all accepting. */
static void listener_refuse(struct net_listener *l)
{
    l->stalled = l->refusing;
    if (l->refusing)
        return;
    if (uv_tcp_init(&l->r->loop, &l->refused) < 0)
        return;
    l->refusing = true;
    l->handles++;
    l->refused.data = l;
    (void)uv_accept((uv_stream_t *)&l->tcp, (uv_stream_t *)&l->refused); /* closed either way */
    uv_close((uv_handle_t *)&l->refused, refused_gone);
}

static void listener_ready(uv_stream_t *stream, int status)
{
    struct net_listener *l = stream->data;
    struct sockaddr_storage sa = {0};
    struct net_addr peer = {{0}};
    struct net_conn *c;
    int bytes = sizeof(sa);

    if (status < 0 || l->closing)
        return; /* a connection that died in the queue */
    if (conn_create(l->r, NULL, &c) < 0) {
        listener_refuse(l);
        return;
    }
    if (uv_accept(stream, (uv_stream_t *)&c->tcp) < 0 ||
        uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&sa, &bytes) < 0) {
        conn_close(c, -ECONNABORTED); /* nobody knows of it yet */
        return;
    }
    c->open = true;
    (void)uv_tcp_nodelay(&c->tcp, 1); /* without it the stream is slow, not wrong */
    net_addr_from_sockaddr(&sa, &peer);
    reactor_enter(l->r);
    c->h = l->accept->accepted(l->accept, c, &peer);
    if (c->h && !c->closing)
        conn_read_start(c);
    else
        conn_close(c, -ECONNREFUSED);
    reactor_left(l->r);
}

static int listener_open(struct net_listener *l, const struct net_addr *addr)
{
    struct sockaddr_storage sa;
    int rc = net_addr_sockaddr(addr, &sa) == 0 ? -EINVAL : 0;

    if (rc == 0) /* libuv sets SO_REUSEADDR */
        rc = uv_tcp_bind(&l->tcp, (struct sockaddr *)&sa, 0);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&l->tcp, BACKLOG, listener_ready);
    return rc;
}

int real_net_listen(struct env *env, const struct net_addr *addr, struct net_accept *accept,
                    struct net_listener **out_listener, struct note *why)
{
    struct reactor *r = reactor_of(env);
    struct net_listener *l = mem_zalloc(sizeof(*l));
    int rc = l ? uv_tcp_init(&r->loop, &l->tcp) : -ENOMEM;

    if (rc < 0) {
        mem_free(l);
        note_add(why, "listening on %s: %s", addr->s, reason_text(rc));
        return rc;
    }
    l->env = env;
    l->r = r;
    l->accept = accept;
    l->tcp.data = l;
    l->handles = 1;
    r->conns++;
    rc = listener_open(l, addr);
    if (rc < 0) {
        note_add(why, "listening on %s: %s", addr->s, reason_text(rc));
        real_net_listener_close(l);
        return rc;
    }
    *out_listener = l;
    return 0;
}

void real_net_listener_addr(const struct net_listener *l, struct net_addr *out_addr)
{
    struct sockaddr_storage sa = {0};
    int bytes = sizeof(sa);

    if (uv_tcp_getsockname(&l->tcp, (struct sockaddr *)&sa, &bytes) < 0)
        sa.ss_family = AF_UNSPEC; /* gives the empty address */
    net_addr_from_sockaddr(&sa, out_addr);
}

void real_net_listener_close(struct net_listener *l)
{
    l->closing = true;
    uv_close((uv_handle_t *)&l->tcp, listener_gone);
}
