/* test_sim_net.c - streams, their ends, and the network's faults. */
#include "tests/unit/env_sim/world.h"

enum { STREAM_BYTES = 3 << 20, SPACE_BYTES = 5000, TRIALS = 100 };

static struct world w;

/* One end and what it saw.  Streams carry the bytes 0, 1, 2, ... (mod 251). */
struct peer {
    struct net_handler h;
    struct net_conn *conn;
    struct env *env;
    uint64_t sent, got;
    unsigned opened, drained, closed, calls;
    int rc;
    size_t room; /* what `space` gives; 0: pause */
    uint8_t space[SPACE_BYTES];
};

struct server {
    struct net_accept accept;
    struct net_listener *listener;
    struct net_addr addr;
    struct peer peer; /* of the latest connection */
    unsigned accepted;
    bool refuse;
};

static void on_opened(struct net_handler *h)
{
    CONTAINER_OF(h, struct peer, h)->opened++;
}

static size_t on_space(struct net_handler *h, uint8_t **out_at)
{
    struct peer *p = CONTAINER_OF(h, struct peer, h);

    *out_at = p->space;
    return p->room;
}

static void on_received(struct net_handler *h, size_t bytes)
{
    struct peer *p = CONTAINER_OF(h, struct peer, h);

    T_EQ(p->closed, 0);
    T_TRUE(env_is_home(p->env));
    T_LE(bytes, p->room);
    for (size_t i = 0; i < bytes; i++)
        T_EQ(p->space[i], (p->got + i) % 251);
    p->got += bytes;
    p->calls++;
}

static void on_drained(struct net_handler *h)
{
    struct peer *p = CONTAINER_OF(h, struct peer, h);

    T_LE(net_queued_bytes(p->conn), NET_DRAINED_BYTES);
    p->drained++;
}

static void on_closed(struct net_handler *h, int rc)
{
    struct peer *p = CONTAINER_OF(h, struct peer, h);

    p->closed++;
    p->rc = rc;
    p->conn = NULL;
}

static void peer_init(struct peer *p, struct env *env)
{
    *p = (struct peer){.h = {on_opened, on_space, on_received, on_drained, on_closed},
                       .env = env,
                       .room = SPACE_BYTES};
}

static struct net_handler *on_accepted(struct net_accept *a, struct net_conn *conn,
                                       const struct net_addr *from)
{
    struct server *s = CONTAINER_OF(a, struct server, accept);

    s->accepted++;
    T_TRUE(net_addr_port(from) != 0);
    if (s->refuse)
        return NULL;
    peer_init(&s->peer, *(struct env **)s->listener);
    s->peer.conn = conn;
    return &s->peer.h;
}

static void serve(struct server *s, struct env *env, const char *addr)
{
    struct net_addr a;
    struct note why = {{0}};

    *s = (struct server){.accept.accepted = on_accepted};
    T_OK(net_addr_parse(addr, &a));
    T_OK(net_listen(env, &a, &s->accept, &s->listener, &why));
    net_listener_addr(s->listener, &s->addr);
}

static void dial(struct peer *p, struct env *env, const struct net_addr *addr)
{
    peer_init(p, env);
    T_OK(net_connect(env, addr, &p->h, &p->conn));
    T_EQ(p->opened, 0);
}

static void send_bytes(struct peer *p, size_t bytes)
{
    struct blob *blob = blob_create(bytes);
    struct buf data = {0};

    for (size_t i = 0; i < bytes; i++)
        blob->data[i] = (uint8_t)((p->sent + i) % 251);
    T_OK(buf_append_blob(&data, blob, 0, (uint32_t)bytes));
    T_OK(net_send(p->conn, &data));
    T_EQ(data.bytes, 0);
    memset(blob->data, 0xff, bytes); /* copied when it was sent */
    blob_unref(blob);
    p->sent += bytes;
}

static bool got_all(void *arg)
{
    const struct peer *const *ends = arg;

    return ends[1]->got == ends[0]->sent;
}

static bool is_closed(void *arg)
{
    return ((struct peer *)arg)->closed > 0;
}

/* Wait for the end of a connection; returns its rc. */
static int wait_closed(struct peer *p)
{
    sim_run_until(w.s, sim_now_ns(w.s) + 60 * NS_PER_S, is_closed, p);
    T_EQ(p->closed, 1);
    return p->rc;
}

static struct server server;
static struct peer client;

/* A client on machine 0, connected to a server on machine 1. */
static void connected(uint64_t seed)
{
    world_init(&w, seed);
    serve(&server, w.env[1], "127.0.0.2:0");
    dial(&client, w.env[0], &server.addr);
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(client.opened, 1);
    T_EQ(server.accepted, 1);
}

static void clean(void)
{
    world_run(&w, 60 * NS_PER_S);
    net_listener_close(server.listener);
    world_end_clean(&w);
}

T(sim_net, bytes_arrive_in_order_in_random_pieces)
{
    struct peer *ends[] = {&client, &server.peer};

    connected(1);
    send_bytes(&client, 1);
    send_bytes(&client, 10000);
    send_bytes(&client, STREAM_BYTES);
    T_EQ(net_queued_bytes(client.conn), STREAM_BYTES + 10001);
    sim_run_until(w.s, NS_PER_S, got_all, ends);
    T_EQ(server.peer.got, STREAM_BYTES + 10001);
    T_EQ(client.drained, 1);
    T_EQ(net_queued_bytes(client.conn), 0);
    for (unsigned i = 0; i < 100; i++) { /* small ones merge and split */
        send_bytes(&server.peer, 100);
        world_run(&w, 20 * NS_PER_US);
    }
    world_run(&w, NS_PER_S);
    T_EQ(client.got, 10000);
    T_NE(client.calls, 100);
    net_close(client.conn);
    T_EQ(wait_closed(&client), -ECANCELED);
    T_EQ(wait_closed(&server.peer), 0);
    clean();
}

T(sim_net, what_is_sent_before_opened_arrives_after_it)
{
    world_init(&w, 2);
    serve(&server, w.env[1], "127.0.0.2:700");
    T_STR_EQ(server.addr.s, "127.0.0.2:700");
    dial(&client, w.env[0], &server.addr);
    send_bytes(&client, 100);
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(server.peer.got, 100);
    net_close(server.peer.conn);
    T_EQ(wait_closed(&client), 0);
    T_EQ(wait_closed(&server.peer), -ECANCELED);
    clean();
}

T(sim_net, close_lets_what_was_sent_arrive_first)
{
    connected(3);
    send_bytes(&client, 5000);
    world_run(&w, 5 * NS_PER_US); /* sent, on the wire */
    T_EQ(net_queued_bytes(client.conn), 0);
    T_EQ(server.peer.got, 0);
    net_close(client.conn);
    T_EQ(wait_closed(&server.peer), 0);
    T_EQ(server.peer.got, 5000);
    clean();
}

T(sim_net, a_receiver_without_space_pauses_and_the_sender_queues)
{
    struct peer *ends[] = {&client, &server.peer};

    connected(4);
    server.peer.room = 0;
    send_bytes(&client, STREAM_BYTES);
    world_run(&w, NS_PER_S);
    T_EQ(server.peer.got, 0);
    T_GT(net_queued_bytes(client.conn), STREAM_BYTES / 2);
    T_EQ(client.drained, 0);
    server.peer.room = 1000;
    world_run(&w, NS_PER_S);
    T_EQ(server.peer.got, 0);
    net_resume(server.peer.conn);
    sim_run_until(w.s, sim_now_ns(w.s) + NS_PER_S, got_all, ends);
    T_EQ(server.peer.got, STREAM_BYTES);
    net_close(client.conn);
    clean();
}

T(sim_net, connecting_to_nobody_fails_as_closed)
{
    struct net_addr addr;
    struct note why = {{0}};
    struct net_listener *l;

    world_init(&w, 5);
    serve(&server, w.env[1], "127.0.0.2:0");
    T_OK(net_addr_parse("127.0.0.2:1", &addr));
    dial(&client, w.env[0], &addr);
    T_EQ(wait_closed(&client), -ECONNREFUSED);
    T_OK(net_addr_parse("127.0.0.9:1", &addr));
    dial(&client, w.env[0], &addr);
    T_EQ(wait_closed(&client), -EHOSTUNREACH);
    dial(&client, w.env[0], &addr);
    net_close(client.conn);
    T_EQ(wait_closed(&client), -ECANCELED);
    T_EQ(client.opened, 0);
    T_EQ(net_connect(w.env[0], &(struct net_addr){"127.0.0.2:0"}, &client.h, &client.conn),
         -EINVAL);
    T_EQ(net_listen(w.env[0], &server.addr, &server.accept, &l, &why), -EADDRNOTAVAIL);
    T_EQ(net_listen(w.env[1], &server.addr, &server.accept, &l, &why), -EADDRINUSE);
    server.refuse = true;
    dial(&client, w.env[0], &server.addr);
    T_EQ(wait_closed(&client), 0);
    T_EQ(server.accepted, 1);
    clean();
}

T(sim_net, ports_of_a_machine_are_unique_and_loopback_is_its_own)
{
    struct server second;
    struct net_addr self;

    world_init(&w, 6);
    serve(&server, w.env[1], "127.0.0.2:0");
    serve(&second, w.env[1], "0.0.0.0:0");
    T_NE(net_addr_port(&server.addr), net_addr_port(&second.addr));
    snprintf(self.s, sizeof(self.s), "127.0.0.2:%u", net_addr_port(&second.addr));
    dial(&client, w.env[1], &self);
    world_run(&w, NS_PER_S);
    T_EQ(client.opened, 1);
    T_EQ(second.accepted, 1);
    net_close(client.conn);
    world_run(&w, NS_PER_S);
    net_listener_close(second.listener);
    clean();
}

T(sim_net, a_closed_listener_accepts_nobody)
{
    world_init(&w, 7);
    serve(&server, w.env[1], "127.0.0.2:0");
    dial(&client, w.env[0], &server.addr);
    sim_process_pause(w.env[1], 100 * NS_PER_MS); /* the machine answers, the process cannot */
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(client.opened, 1);
    T_EQ(server.accepted, 0);
    net_listener_close(server.listener);
    T_EQ(wait_closed(&client), 0);
    T_EQ(server.accepted, 0);
    world_end_clean(&w);
}

T(sim_net, a_killed_peer_is_heard_of_at_once_by_a_reset_or_the_end)
{
    unsigned data = 0, resets = 0;

    for (unsigned i = 0; i < TRIALS; i++) {
        uint64_t start_ns;

        connected(100 + i);
        send_bytes(&server.peer, 1000);
        world_run(&w, 10 * NS_PER_US);
        start_ns = sim_now_ns(w.s);
        sim_process_kill(w.env[1]);
        T_EQ(client.closed, 0);
        if (wait_closed(&client) == -ECONNRESET)
            resets++;
        else
            T_EQ(client.rc, 0);
        T_LT(sim_now_ns(w.s), start_ns + 10 * NS_PER_MS);
        data += client.got == 1000;
        T_TRUE(client.rc < 0 || client.got == 1000); /* nothing is missing before an end */
        world_fini(&w);
    }
    T_GT(resets, TRIALS / 4);
    T_LT(resets, TRIALS * 3 / 4);
    T_GE(data, TRIALS - resets);
}

T(sim_net, a_peer_without_power_is_silent_until_a_timeout)
{
    connected(8);
    sim_machine_power_cut(w.m[1]);
    world_run(&w, 1900 * NS_PER_MS);
    send_bytes(&client, 100);
    world_run(&w, 90 * NS_PER_MS);
    T_EQ(client.closed, 0);
    T_EQ(wait_closed(&client), -ETIMEDOUT);
    T_LT(sim_now_ns(w.s), 16 * NS_PER_S);
    dial(&client, w.env[0], &server.addr); /* nobody answers either */
    T_EQ(wait_closed(&client), -ETIMEDOUT);
    world_fini(&w);
}

T(sim_net, a_rebooted_peer_resets_when_sent_to)
{
    connected(9);
    world_power_cycle(&w, 1);
    world_run(&w, NS_PER_S);
    T_EQ(client.closed, 0);
    send_bytes(&client, 100);
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(client.closed, 1);
    T_EQ(client.rc, -ECONNRESET);
    world_fini(&w);
}

T(sim_net, bytes_wait_out_a_short_cut)
{
    connected(10);
    sim_net_cut(w.s, w.m[0], w.m[1], true);
    send_bytes(&client, 100);
    send_bytes(&server.peer, 100);
    world_run(&w, 1900 * NS_PER_MS);
    T_EQ(server.peer.got, 0);
    T_EQ(client.got, 0);
    sim_net_heal(w.s, w.m[0], w.m[1]);
    world_run(&w, 30 * NS_PER_S);
    T_EQ(server.peer.got, 100);
    T_EQ(client.got, 100);
    T_EQ(client.closed, 0);
    T_EQ(server.peer.closed, 0);
    net_close(client.conn);
    clean();
}

T(sim_net, each_cut_counts_its_own_silence)
{
    for (unsigned i = 0; i < TRIALS; i++) {
        connected(600 + i);
        world_run(&w, i * 100 * NS_PER_MS);
        for (unsigned cut = 0; cut < 10; cut++) {
            sim_net_cut(w.s, w.m[0], w.m[1], true);
            world_run(&w, 1900 * NS_PER_MS);
            sim_net_heal(w.s, w.m[0], w.m[1]);
            world_run(&w, 10 * NS_PER_MS);
        }
        T_EQ(client.closed, 0);
        T_EQ(server.peer.closed, 0);
        net_close(client.conn);
        clean();
    }
}

T(sim_net, a_one_way_cut_stops_one_direction)
{
    connected(11);
    sim_net_cut(w.s, w.m[0], w.m[1], false);
    send_bytes(&client, 100);
    send_bytes(&server.peer, 100);
    world_run(&w, 1900 * NS_PER_MS);
    T_EQ(server.peer.got, 0);
    T_EQ(client.got, 100);
    T_EQ(wait_closed(&client), -ETIMEDOUT); /* no acknowledgement */
    T_EQ(wait_closed(&server.peer), -ETIMEDOUT);
    sim_net_heal_all(w.s);
    clean();
}

T(sim_net, a_long_cut_breaks_connections_and_stops_new_ones)
{
    struct peer late;

    connected(12);
    sim_net_cut(w.s, w.m[0], w.m[1], true);
    T_EQ(wait_closed(&client), -ETIMEDOUT);
    T_EQ(wait_closed(&server.peer), -ETIMEDOUT);
    dial(&client, w.env[0], &server.addr);
    T_EQ(wait_closed(&client), -ETIMEDOUT);
    T_EQ(client.opened, 0);
    dial(&late, w.env[0], &server.addr);
    world_run(&w, NS_PER_S);
    sim_net_heal(w.s, w.m[0], w.m[1]);
    world_run(&w, 2 * NS_PER_S);
    T_EQ(late.opened, 1);
    net_close(late.conn);
    clean();
}

T(sim_net, an_end_left_alone_by_a_timeout_is_told_or_times_out)
{
    for (unsigned i = 0; i < TRIALS; i++) {
        connected(200 + i);
        sim_net_cut(w.s, w.m[0], w.m[1], true);
        while (client.closed == 0 && server.peer.closed == 0)
            T_TRUE(sim_step(w.s));
        sim_net_heal(w.s, w.m[0], w.m[1]);
        if (i % 2 && client.closed == 0)
            send_bytes(&client, 10);
        world_run(&w, 20 * NS_PER_S);
        T_EQ(client.closed, 1);
        T_EQ(server.peer.closed, 1);
        clean();
    }
}

T(sim_net, who_is_refused_loses_connections_and_makes_no_more_until_admitted)
{
    struct peer back;

    connected(14);
    sim_net_refuse(w.s, w.m[0], w.m[1]);
    T_EQ(wait_closed(&client), -ECONNRESET);
    T_EQ(wait_closed(&server.peer), -ECONNRESET);
    dial(&client, w.env[0], &server.addr);
    T_EQ(wait_closed(&client), -ECONNREFUSED);
    T_EQ(client.opened, 0);
    sim_net_admit(w.m[0], w.m[1]);
    dial(&back, w.env[0], &server.addr);
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(back.opened, 1);
    sim_net_refuse(w.s, w.m[1], w.m[0]); /* the other way: not this one */
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(back.closed, 0);
    sim_net_refuse(w.s, w.m[0], w.m[1]);
    T_EQ(wait_closed(&back), -ECONNRESET);
    sim_net_heal_all(w.s);
    dial(&back, w.env[0], &server.addr);
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(back.opened, 1);
    net_close(back.conn);
    clean();
}

T(sim_net, resets_strike_by_chance_and_slow_machines_are_slow)
{
    unsigned broken = 0;

    for (unsigned i = 0; i < TRIALS; i++) {
        connected(300 + i);
        sim_net_reset_some(w.s, 1, 2);
        world_run(&w, NS_PER_S);
        T_EQ(client.closed, server.peer.closed);
        if (client.closed)
            T_EQ(client.rc, -ECONNRESET);
        broken += client.closed;
        world_fini(&w);
    }
    T_GT(broken, TRIALS / 4);
    T_LT(broken, TRIALS * 3 / 4);
    connected(13);
    sim_net_slow(w.s, w.m[0], NS_PER_S);
    send_bytes(&server.peer, 10);
    world_run(&w, NS_PER_S);
    T_EQ(client.got, 0);
    world_run(&w, 10 * NS_PER_MS);
    T_EQ(client.got, 10);
    world_fini(&w);
}

T(sim_net, using_a_connection_after_closed_is_caught)
{
    struct net_conn *conn;
    struct buf none = {0};

    connected(14);
    conn = client.conn;
    net_close(conn);
    net_close(conn); /* twice is harmless */
    T_EQ(net_send(conn, &none), -EPIPE);
    while (client.closed == 0)
        T_TRUE(sim_step(w.s));
    T_EQ(server.peer.closed, 0); /* so that the link is still there */
    T_ABORTS(net_close(conn));
    clean();
}

/* Two machines, many connections, all sizes and faults: whatever happens, each end is told once. */
T(sim_net, every_connection_ends_once)
{
    enum { CONNS = 40 };
    static struct peer clients[CONNS];
    static struct server servers[CONNS];

    for (unsigned seed = 0; seed < TRIALS; seed++) {
        struct rng *r;

        world_init(&w, 1000 + seed);
        r = sim_rng(w.s);
        for (unsigned i = 0; i < CONNS; i++) {
            serve(&servers[i], w.env[1 + i % 2], i % 2 ? "127.0.0.3:0" : "127.0.0.2:0");
            servers[i].refuse = rng_chance(r, 1, 10);
            dial(&clients[i], w.env[0], &servers[i].addr);
        }
        for (unsigned i = 0; i < 200; i++) {
            struct peer *p = &clients[rng_below(r, CONNS)];

            if (rng_chance(r, 1, 2))
                p = &servers[rng_below(r, CONNS)].peer;
            if (p->conn && rng_chance(r, 1, 20))
                net_close(p->conn);
            else if (p->conn)
                send_bytes(p, rng_between(r, 1, 100000));
            if (rng_chance(r, 1, 20))
                sim_net_cut(w.s, w.m[0], w.m[1 + i % 2], i % 3 == 0);
            if (rng_chance(r, 1, 20))
                sim_net_heal_all(w.s);
            if (rng_chance(r, 1, 50))
                sim_net_reset_some(w.s, 1, 20);
            world_run(&w, rng_below(r, 100 * NS_PER_MS));
        }
        sim_net_heal_all(w.s);
        for (unsigned i = 0; i < CONNS; i++) {
            if (clients[i].conn)
                net_close(clients[i].conn);
        }
        world_run(&w, 60 * NS_PER_S);
        for (unsigned i = 0; i < CONNS; i++) {
            T_EQ(clients[i].closed, 1);
            T_EQ(servers[i].peer.closed, servers[i].peer.h.closed ? 1 : 0);
            net_listener_close(servers[i].listener);
        }
        world_end_clean(&w);
    }
}
