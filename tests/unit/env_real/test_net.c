/* test_net.c - TCP streams of the real env, happy and unhappy. */
#include <arpa/inet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/crc.h"
#include "core/base/rng.h"
#include "core/env/net.h"
#include "tests/unit/env_real/rig.h"

/* One end of a stream.  Counts all that happens to it; fields say how it behaves. */
struct end {
    struct net_handler h;
    struct net_conn *conn;
    struct env *env;
    unsigned opened, closed, drained, received, inside;
    int rc;         /* of closed */
    uint64_t bytes; /* received */
    uint32_t crc;   /* of them */
    bool stuck;     /* gives no space */
    bool echo;
    bool close_on_open, close_on_space, close_on_receive, close_on_drain;
    uint64_t to_send; /* feeds itself on `drained` */
    uint32_t sent_crc;
    struct rng rng;
    uint8_t in[64 << 10];
};

static void end_feed(struct end *e)
{
    while (e->to_send && net_queued_bytes(e->conn) < 4 * NET_DRAINED_BYTES) {
        uint64_t some = rng_between(&e->rng, 1, 100000);
        uint32_t n = (uint32_t)MIN(e->to_send, some);
        struct blob *blob = blob_create(n);
        struct buf data = {0};

        ASSERT(blob);
        for (uint32_t i = 0; i < n; i++)
            blob->data[i] = (uint8_t)(e->to_send * 31 + i * 7);
        e->sent_crc = crc32c(e->sent_crc, blob->data, n);
        ASSERT(buf_append_blob(&data, blob, 0, n) == 0);
        blob_unref(blob);
        ASSERT(net_send(e->conn, &data) == 0);
        e->to_send -= n;
    }
}

static void end_opened(struct net_handler *h)
{
    struct end *e = CONTAINER_OF(h, struct end, h);

    e->opened++;
    end_feed(e);
    if (e->close_on_open)
        net_close(e->conn);
}

static size_t end_space(struct net_handler *h, uint8_t **out_at)
{
    struct end *e = CONTAINER_OF(h, struct end, h);

    if (e->close_on_space)
        net_close(e->conn);
    *out_at = e->in;
    return e->stuck ? 0 : sizeof(e->in);
}

static void end_received(struct net_handler *h, size_t bytes)
{
    struct end *e = CONTAINER_OF(h, struct end, h);
    struct buf data = {0};

    e->received++;
    e->bytes += bytes;
    e->crc = crc32c(e->crc, e->in, bytes);
    if (e->echo) {
        ASSERT(buf_append_copy(&data, e->in, bytes) == 0);
        ASSERT(net_send(e->conn, &data) == 0);
    }
    if (e->close_on_receive)
        net_close(e->conn);
}

static void end_drained(struct net_handler *h)
{
    struct end *e = CONTAINER_OF(h, struct end, h);

    e->drained++;
    ASSERT(net_queued_bytes(e->conn) <= NET_DRAINED_BYTES);
    if (e->close_on_drain)
        net_close(e->conn);
    else
        end_feed(e);
}

static void end_closed(struct net_handler *h, int rc)
{
    struct end *e = CONTAINER_OF(h, struct end, h);

    ASSERT(!e->inside); /* comes from the loop */
    e->closed++;
    e->rc = rc;
}

static void end_init(struct end *e, struct env *env)
{
    *e = (struct end){.h = {end_opened, end_space, end_received, end_drained, end_closed},
                      .env = env};
    rng_seed(&e->rng, 7);
}

struct pair {
    struct rig g;
    struct net_accept accept;
    struct net_listener *listener;
    struct net_addr addr;
    struct end client, server;
    unsigned accepted;
    bool refuse, no_memory;
    struct net_addr peer;
    int rc;
    struct note why;
};

static struct net_handler *pair_accepted(struct net_accept *a, struct net_conn *conn,
                                         const struct net_addr *peer)
{
    struct pair *p = CONTAINER_OF(a, struct pair, accept);

    p->accepted++;
    p->peer = *peer;
    if (p->refuse)
        return NULL;
    p->server.conn = conn;
    end_feed(&p->server);
    if (p->server.close_on_open)
        net_close(conn);
    return &p->server.h;
}

static void pair_listen(void *arg)
{
    struct pair *p = arg;

    p->rc = net_listen(p->g.env, &p->addr, &p->accept, &p->listener, &p->why);
    if (p->rc == 0)
        net_listener_addr(p->listener, &p->addr);
}

static void pair_unlisten(void *arg)
{
    struct pair *p = arg;

    net_listener_close(p->listener);
    p->listener = NULL;
}

static void pair_connect(void *arg)
{
    struct pair *p = arg;

    p->client.inside = 1;
    p->rc = net_connect(p->g.env, &p->addr, &p->client.h, &p->client.conn);
    p->client.inside = 0;
}

static struct pair *pair_start(const char *addr)
{
    struct pair *p = calloc(1, sizeof(*p));

    rig_start(&p->g, NULL);
    T_OK(net_addr_parse(addr, &p->addr));
    p->accept.accepted = pair_accepted;
    end_init(&p->client, p->g.env);
    end_init(&p->server, p->g.env);
    rig_on(&p->g, pair_listen, p);
    T_OK(p->rc);
    return p;
}

static void pair_close(void *arg)
{
    struct pair *p = arg;

    if (p->client.conn && !p->client.closed)
        net_close(p->client.conn);
    if (p->server.conn && !p->server.closed)
        net_close(p->server.conn);
    if (p->listener)
        net_listener_close(p->listener);
}

static bool pair_gone(void *arg)
{
    struct pair *p = arg;

    return (!p->client.conn || p->client.closed) && (!p->server.conn || p->server.closed);
}

static void pair_stop(struct pair *p)
{
    rig_on(&p->g, pair_close, p);
    T_TRUE(rig_wait(&p->g, pair_gone, p));
    T_LE(p->client.closed, 1);
    T_LE(p->server.closed, 1);
    rig_stop(&p->g);
    free(p);
}

static void pair_open(struct pair *p)
{
    rig_on(&p->g, pair_connect, p);
    T_OK(p->rc);
}

static bool client_closed(void *arg)
{
    return ((struct pair *)arg)->client.closed > 0;
}

static bool server_closed(void *arg)
{
    return ((struct pair *)arg)->server.closed > 0;
}

static void client_send(struct pair *p, const void *data, size_t bytes)
{
    struct buf b = {0};

    ASSERT(buf_append_copy(&b, data, bytes) == 0);
    p->rc = net_send(p->client.conn, &b);
    ASSERT(b.bytes == 0 && b.span_count == 0);
}

static void client_hello(void *arg)
{
    client_send(arg, "hello", 5);
}

static void client_close(void *arg)
{
    struct pair *p = arg;

    p->client.inside = 1;
    net_close(p->client.conn);
    p->client.inside = 0;
}

static bool client_has_hello(void *arg)
{
    return ((struct pair *)arg)->client.bytes == 5;
}

static void stream_works(const char *addr, const char *peer_prefix)
{
    struct pair *p = pair_start(addr);

    p->server.echo = true;
    T_TRUE(net_addr_port(&p->addr) != 0);
    rig_on(&p->g, pair_connect, p);
    T_OK(p->rc);
    rig_on(&p->g, client_hello, p);
    T_OK(p->rc);
    T_TRUE(rig_wait(&p->g, client_has_hello, p));
    T_EQ(p->client.crc, crc32c(0, "hello", 5));
    T_EQ(p->client.opened, 1);
    T_EQ(p->server.opened, 0);
    T_EQ(strncmp(p->peer.s, peer_prefix, strlen(peer_prefix)), 0);
    rig_on(&p->g, client_close, p);
    T_TRUE(rig_wait(&p->g, pair_gone, p));
    T_EQ(p->client.rc, -ECANCELED);
    T_EQ(p->server.rc, 0); /* its peer closed */
    pair_stop(p);
}

static bool ipv6_is_here(void)
{
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool here = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;

    if (fd >= 0)
        close(fd);
    return here;
}

T(net, a_stream_carries_bytes_both_ways_and_ends_once_on_both_sides)
{
    stream_works("127.0.0.1:0", "127.0.0.1:");
    if (ipv6_is_here())
        stream_works("[::1]:0", "[::1]:");
}

static void connect_and_send(void *arg)
{
    pair_connect(arg);
    client_hello(arg);
}

T(net, bytes_sent_before_the_connection_stands_are_kept)
{
    struct pair *p = pair_start("127.0.0.1:0");

    p->server.echo = true;
    rig_on(&p->g, connect_and_send, p);
    T_TRUE(rig_wait(&p->g, client_has_hello, p));
    pair_stop(p);
}

/* --- failing to connect and to listen --- */

T(net, a_refused_connection_is_told_by_closed_from_the_loop)
{
    struct pair *p = pair_start("127.0.0.1:0");

    rig_on(&p->g, pair_unlisten, p);
    pair_open(p);
    T_TRUE(rig_wait(&p->g, client_closed, p));
    T_EQ(p->client.rc, -ECONNREFUSED);
    T_EQ(p->client.opened, 0);
    pair_stop(p);
}

T(net, an_address_the_kernel_refuses_is_told_by_closed_too)
{
    struct pair *p = pair_start("127.0.0.1:0");

    T_OK(net_addr_parse("255.255.255.255:9", &p->addr));
    pair_open(p);
    T_TRUE(rig_wait(&p->g, client_closed, p));
    T_LT(p->client.rc, 0);
    T_EQ(p->client.opened, 0);
    pair_stop(p);
}

T(net, text_that_is_no_address_fails_at_once)
{
    struct pair *p = pair_start("127.0.0.1:0");

    snprintf(p->addr.s, sizeof(p->addr.s), "localhost:80");
    rig_on(&p->g, pair_connect, p);
    T_EQ(p->rc, -EINVAL);
    T_TRUE(p->client.conn == NULL);
    pair_stop(p);
}

struct second {
    struct pair *p;
    struct net_listener *listener;
    struct note why;
    int rc;
};

static void second_listen(void *arg)
{
    struct second *s = arg;

    s->rc = net_listen(s->p->g.env, &s->p->addr, &s->p->accept, &s->listener, &s->why);
}

T(net, a_port_in_use_is_refused_and_free_again_after_close)
{
    struct pair *p = pair_start("127.0.0.1:0");
    struct second s = {.p = p};

    rig_on(&p->g, second_listen, &s);
    T_EQ(s.rc, -EADDRINUSE);
    T_TRUE(strstr(s.why.text, p->addr.s) != NULL);
    p->server.echo = true;
    pair_open(p); /* leaves a socket in TIME_WAIT on our side */
    rig_on(&p->g, client_hello, p);
    T_TRUE(rig_wait(&p->g, client_has_hello, p));
    rig_on(&p->g, pair_close, p);
    p->listener = NULL;
    T_TRUE(rig_wait(&p->g, pair_gone, p));
    rig_on(&p->g, pair_listen, p); /* the same port */
    T_OK(p->rc);
    pair_stop(p);
}

T(net, a_refused_guest_sees_the_end_and_the_next_is_welcome)
{
    struct pair *p = pair_start("127.0.0.1:0");

    p->refuse = true;
    pair_open(p);
    T_TRUE(rig_wait(&p->g, client_closed, p));
    T_EQ(p->accepted, 1);
    T_EQ(p->server.closed, 0);
    p->refuse = false;
    p->server.echo = true;
    end_init(&p->client, p->g.env);
    rig_on(&p->g, connect_and_send, p);
    T_TRUE(rig_wait(&p->g, client_has_hello, p));
    pair_stop(p);
}

/* Memory for connections fails from here until five refused ones are gone. */
static void memory_fails(void *arg)
{
    UNUSED(arg);
    mem_fail_after(0);
}

static int raw_connect(const struct net_addr *addr)
{
    struct sockaddr_storage sa;
    unsigned len = net_addr_sockaddr(addr, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    T_OK(connect(fd, (struct sockaddr *)&sa, len));
    return fd;
}

T(net, a_guest_for_whom_there_is_no_memory_is_dropped_and_listening_goes_on)
{
    struct pair *p = pair_start("127.0.0.1:0");
    char byte;

    for (int i = 0; i < 5; i++) {
        int fd;

        rig_on(&p->g, memory_fails, p);
        fd = raw_connect(&p->addr);
        T_LE(read(fd, &byte, 1), 0);
        close(fd);
    }
    T_EQ(p->accepted, 0);
    p->server.echo = true;
    rig_on(&p->g, connect_and_send, p);
    T_TRUE(rig_wait(&p->g, client_has_hello, p));
    pair_stop(p);
}

/* --- the end of a stream --- */

static bool server_got_some(void *arg)
{
    return ((struct pair *)arg)->server.bytes > 0;
}

T(net, a_reset_by_the_peer_is_told_as_such)
{
    struct pair *p = pair_start("127.0.0.1:0");
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    int fd = raw_connect(&p->addr);

    T_EQ(write(fd, "x", 1), 1);
    T_TRUE(rig_wait(&p->g, server_got_some, p));
    T_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
    close(fd);
    T_TRUE(rig_wait(&p->g, server_closed, p));
    T_EQ(p->server.rc, -ECONNRESET);
    pair_stop(p);
}

static void send_after_close(void *arg)
{
    client_close(arg);
    client_hello(arg);
}

T(net, sending_after_close_fails_and_keeps_no_data)
{
    struct pair *p = pair_start("127.0.0.1:0");

    pair_open(p);
    rig_on(&p->g, send_after_close, p);
    T_EQ(p->rc, -EPIPE);
    T_TRUE(rig_wait(&p->g, client_closed, p));
    T_EQ(p->client.rc, -ECANCELED);
    pair_stop(p);
}

T(net, a_connection_may_be_closed_from_each_of_its_callbacks)
{
    for (int which = 0; which < 5; which++) {
        struct pair *p = pair_start("127.0.0.1:0");

        p->server.echo = true;
        p->client.close_on_open = which == 0;
        p->client.close_on_space = which == 1;
        p->client.close_on_receive = which == 2;
        p->client.close_on_drain = which == 3;
        p->server.close_on_open = which == 4;
        p->client.to_send = 8 * NET_DRAINED_BYTES;
        pair_open(p);
        T_TRUE(rig_wait(&p->g, client_closed, p));
        if (which < 4)
            T_EQ(p->client.rc, -ECANCELED);
        pair_stop(p);
    }
}

static void listen_off(void *arg)
{
    struct pair *p = arg;

    pair_connect(arg); /* it waits in the kernel's queue ... */
    usleep(20000);
    pair_unlisten(arg);
    p->accepted = 0;
}

T(net, nobody_is_accepted_after_the_listener_closed)
{
    struct pair *p = pair_start("127.0.0.1:0");

    rig_on(&p->g, listen_off, p);
    T_TRUE(rig_wait(&p->g, client_closed, p));
    T_EQ(p->accepted, 0);
    pair_stop(p);
}

/* --- much data --- */

enum { MUCH = 24 << 20 }; /* more than the kernel holds for one stream */

static bool server_has_much(void *arg)
{
    struct pair *p = arg;

    return p->server.bytes == MUCH && (!p->server.echo || p->client.bytes == MUCH);
}

T(net, much_data_arrives_unchanged_through_a_bounded_queue)
{
    struct pair *p = pair_start("127.0.0.1:0");

    p->client.to_send = MUCH;
    pair_open(p);
    T_TRUE(rig_wait(&p->g, server_has_much, p));
    T_EQ(p->server.crc, p->client.sent_crc);
    T_GT(p->client.drained, 20);
    pair_stop(p);
}

static void server_resume(void *arg)
{
    struct pair *p = arg;

    p->server.stuck = false;
    net_resume(p->server.conn);
    net_resume(p->server.conn); /* harmless */
}

static bool client_is_held_back(void *arg)
{
    struct pair *p = arg;

    return p->client.to_send > 0 && net_queued_bytes(p->client.conn) > NET_DRAINED_BYTES;
}

T(net, a_receiver_without_space_holds_the_sender_back_until_resume)
{
    struct pair *p = pair_start("127.0.0.1:0");
    uint64_t left;

    p->server.stuck = true;
    p->client.to_send = MUCH;
    pair_open(p);
    T_TRUE(rig_wait(&p->g, client_is_held_back, p));
    usleep(30000);
    T_TRUE(rig_wait(&p->g, client_is_held_back, p));
    left = p->client.to_send;
    usleep(30000);
    T_EQ(p->client.to_send, left); /* it waits */
    T_EQ(p->server.bytes, 0);
    rig_on(&p->g, server_resume, p);
    T_TRUE(rig_wait(&p->g, server_has_much, p));
    T_EQ(p->server.crc, p->client.sent_crc);
    pair_stop(p);
}

static void send_pieces(void *arg)
{
    struct pair *p = arg;
    struct buf data = {0};

    for (int i = 0; i < 200; i++) {
        ASSERT(buf_append_copy(&data, "0123456789", 10) == 0);
        ASSERT(net_send(p->server.conn, &data) == 0);
    }
}

static bool server_is_there(void *arg)
{
    return ((struct pair *)arg)->accepted == 1;
}

T(net, what_one_turn_sends_leaves_in_one_piece)
{
    struct pair *p = pair_start("127.0.0.1:0");
    int fd = raw_connect(&p->addr);
    struct tcp_info info = {0};
    socklen_t len = sizeof(info);
    char in[2000];

    T_TRUE(rig_wait(&p->g, server_is_there, p));
    rig_on(&p->g, send_pieces, p);
    for (size_t got = 0; got < sizeof(in);) {
        ssize_t n = read(fd, in + got, sizeof(in) - got);

        T_GT(n, 0);
        got += (size_t)n;
    }
    T_OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
    T_EQ(info.tcpi_data_segs_in, 1);
    close(fd);
    T_TRUE(rig_wait(&p->g, server_closed, p));
    pair_stop(p);
}
