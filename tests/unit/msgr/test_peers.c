/* test_peers.c - peers that do not keep to the rules: a connection in the simulator that says
 * whatever the test wants. */
#include "core/msgr/session_wire.h"
#include "tests/unit/msgr/world.h"
#include "tests/unit/t.h"

struct raw {
    struct net_handler h;
    struct net_accept accept;
    struct net_conn *conn;
    struct net_listener *listener;
    struct net_addr addr;
    struct env *env;
    uint8_t in[65536];
    size_t got;
    unsigned accepted;
    bool open, closed;
};

static void raw_opened(struct net_handler *h)
{
    CONTAINER_OF(h, struct raw, h)->open = true;
}

static size_t raw_space(struct net_handler *h, uint8_t **out_at)
{
    struct raw *r = CONTAINER_OF(h, struct raw, h);

    *out_at = r->in + r->got;
    return sizeof(r->in) - r->got;
}

static void raw_received(struct net_handler *h, size_t bytes)
{
    CONTAINER_OF(h, struct raw, h)->got += bytes;
}

static void raw_closed(struct net_handler *h, int rc)
{
    UNUSED(rc);
    CONTAINER_OF(h, struct raw, h)->closed = true;
    CONTAINER_OF(h, struct raw, h)->open = false;
}

static void raw_reset(struct raw *r, struct env *env)
{
    *r = (struct raw){.h = {.opened = raw_opened,
                            .space = raw_space,
                            .received = raw_received,
                            .closed = raw_closed},
                      .env = env};
}

struct raw_call {
    struct raw *raw;
    struct net_addr addr;
    const void *data;
    size_t bytes;
    int rc;
};

static void connect_run(void *arg)
{
    struct raw_call *c = arg;

    c->rc = net_connect(c->raw->env, &c->addr, &c->raw->h, &c->raw->conn);
}

static void send_run(void *arg)
{
    struct raw_call *c = arg;
    struct buf data = {0};

    c->rc = buf_append_copy(&data, c->data, c->bytes);
    if (c->rc == 0)
        c->rc = net_send(c->raw->conn, &data);
}

static void close_run(void *arg)
{
    net_close(((struct raw *)arg)->conn);
}

static bool is_open(void *arg)
{
    return ((struct raw *)arg)->open;
}

static bool is_closed(void *arg)
{
    return ((struct raw *)arg)->closed;
}

static bool has_some(void *arg)
{
    return ((struct raw *)arg)->got >= WIRE_PREFACE_BYTES + 6;
}

static void raw_connect(struct world *w, struct raw *r)
{
    struct raw_call c = {.raw = r, .addr = w->b.addr};

    raw_reset(r, w->env[0]);
    sim_enter(r->env, connect_run, &c);
    T_OK(c.rc);
    T_TRUE(world_wait(w, &w->a, is_open, r, 1000));
}

static void raw_send(struct raw *r, const void *data, size_t bytes)
{
    struct raw_call c = {.raw = r, .data = data, .bytes = bytes};

    sim_enter(r->env, send_run, &c);
    T_OK(c.rc);
}

static void raw_hello(struct raw *r, const struct hello *h)
{
    struct writer w = {0};

    hello_encode(&w, h);
    raw_send(r, w.data, w.len);
    writer_fini(&w);
}

static struct answer raw_answer(struct world *w, struct raw *r)
{
    struct answer a = {.refused = 9999};
    struct cursor c;
    uint32_t bytes;

    T_TRUE(world_wait(w, &w->a, has_some, r, 2000));
    T_OK(preface_decode(r->in, &bytes));
    T_GE(r->got, WIRE_PREFACE_BYTES + bytes);
    c = cur_over(r->in + WIRE_PREFACE_BYTES, bytes);
    T_OK(answer_decode(&c, &a));
    return a;
}

static struct hello hello_good(void)
{
    return (struct hello){.protocol_min = 1,
                          .protocol_max = 1,
                          .self = {ENTITY_CLIENT, 0, 5},
                          .session = 99,
                          .attempt = 1,
                          .fresh = true};
}

/* A connection whose peer was accepted. */
static void raw_enter(struct world *w, struct raw *r, uint32_t attempt, uint64_t in_seq,
                      uint64_t out_seq)
{
    struct hello h = hello_good();
    struct answer a;

    h.attempt = attempt;
    h.fresh = attempt == 1;
    h.in_seq = in_seq;
    h.out_seq = out_seq;
    raw_connect(w, r);
    raw_hello(r, &h);
    a = raw_answer(w, r);
    T_EQ(a.refused, 0);
}

static void note_frame(struct writer *out, uint64_t seq, uint64_t n)
{
    struct t_note *t = t_note_make(n, 3, 50);
    struct writer scratch = {0};
    struct buf frame = {0};
    uint8_t flat[512];

    T_OK(msg_encode(&t->msg, seq, 0, &scratch, &frame));
    buf_copy_out(&frame, 0, flat, frame.bytes);
    out->len = 0;
    wr_raw(out, flat, frame.bytes);
    buf_fini(&frame);
    writer_fini(&scratch);
    msg_free(&t->msg);
}

T(msgr_peers, garbage_gets_a_clear_refusal_and_is_closed)
{
    struct world w;
    struct raw r;
    struct answer a;

    world_init(&w, WORLD_SIM, 3);
    world_start(&w, &w.b, true);
    raw_connect(&w, &r);
    raw_send(&r, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    a = raw_answer(&w, &r);
    T_EQ(a.refused, R_BAD_MAGIC);
    T_TRUE(world_wait(&w, &w.a, is_closed, &r, 2000));
    T_EQ(w.b.opened, 0);
    world_fini(&w);
}

T(msgr_peers, a_hello_is_refused_by_its_fault)
{
    static const struct {
        struct hello h;
        uint32_t want;
    } rows[] = {
        {{1, 1, 0, 0, {ENTITY_CLIENT, 0, 5}, {0}, 9, 1, true, 0, 0, 0, {0}}, 0},
        {{2, 9, 0, 0, {ENTITY_CLIENT, 0, 5}, {0}, 9, 1, true, 0, 0, 0, {0}}, R_TOO_NEW},
        {{1, 1, 0, 1, {ENTITY_CLIENT, 0, 5}, {0}, 9, 1, true, 0, 0, 0, {0}}, R_TOO_NEW},
        {{1, 1, 0, 0, {ENTITY_NONE, 0, 5}, {0}, 9, 1, true, 0, 0, 0, {0}}, R_MALFORMED},
        {{1, 1, 0, 0, {9, 0, 5}, {0}, 9, 1, true, 0, 0, 0, {0}}, R_MALFORMED},
        {{1, 1, 0, 0, {ENTITY_CLIENT, 0, 5}, {0}, 9, 0, true, 0, 0, 0, {0}}, R_MALFORMED},
        {{1, 1, 0, 0, {ENTITY_CLIENT, 0, 5}, {1}, 9, 1, true, 0, 0, 0, {0}}, R_WRONG_CLUSTER},
        {{1, 1, 0, 0, {ENTITY_CLIENT, 0, 5}, {7}, 8, 1, false, 0, 0, 0, {0}}, R_SESSION_RESET},
        {{1, 1, 0, 0, {ENTITY_CLIENT, 0, 5}, {7}, 7, 1, true, 0, 0, 1, {0}}, R_BAD_AUTH},
        {{1, 1, 0, 0, {ENTITY_CLIENT, 0, 5}, {7}, 6, 1, true, 4, 0, 0, {0}}, 0},
    };

    T_CASES (row, rows) {
        struct world w;
        struct raw r;
        struct answer a;

        world_init(&w, WORLD_SIM, 3);
        w.conf.fsid[0] = 7;
        world_start(&w, &w.b, true);
        raw_connect(&w, &r);
        raw_hello(&r, &row->h);
        a = raw_answer(&w, &r);
        T_EQ(a.refused, row->want);
        if (row->want)
            T_TRUE(world_wait(&w, &w.a, is_closed, &r, 2000));
        else
            sim_enter(r.env, close_run, &r);
        world_fini(&w);
    }
}

T(msgr_peers, one_who_does_not_greet_is_dropped_in_time)
{
    struct world w;
    struct raw r;

    world_init(&w, WORLD_SIM, 3);
    world_start(&w, &w.b, true);
    raw_connect(&w, &r);
    raw_send(&r, "CairnMsg", 8);
    world_sleep(&w, 9000);
    T_FALSE(r.closed);
    T_TRUE(world_wait(&w, &w.a, is_closed, &r, 2000));
    world_fini(&w);
}

T(msgr_peers, repeats_are_dropped_and_gaps_break_the_connection)
{
    struct world w;
    struct raw r;
    struct writer f = {0};

    world_init(&w, WORLD_SIM, 3);
    world_start(&w, &w.b, true);
    raw_enter(&w, &r, 1, 0, 0);
    for (uint64_t n = 1; n <= 3; n++) {
        note_frame(&f, n, n);
        raw_send(&r, f.data, f.len);
        raw_send(&r, f.data, f.len);
    }
    T_TRUE(world_got(&w, &w.b, 3, 1000));
    note_frame(&f, 5, 5);
    raw_send(&r, f.data, f.len);
    T_TRUE(world_wait(&w, &w.a, is_closed, &r, 1000));
    T_EQ(w.b.got, 3);
    T_EQ(w.b.resets, 0);
    raw_enter(&w, &r, 2, 0, 5); /* and the session goes on */
    note_frame(&f, 4, 4);
    raw_send(&r, f.data, f.len);
    T_TRUE(world_got(&w, &w.b, 4, 1000));
    sim_enter(r.env, close_run, &r);
    writer_fini(&f);
    world_fini(&w);
}

T(msgr_peers, a_message_that_cannot_be_read_ends_the_session_after_a_few_times)
{
    struct world w;
    struct raw r;
    struct writer f = {0};

    world_init(&w, WORLD_SIM, 3);
    world_start(&w, &w.b, true);
    note_frame(&f, 1, 1);
    f.data[f.len - 1] ^= 1;
    for (uint32_t attempt = 1; attempt <= 5; attempt++) {
        T_EQ(w.b.resets, 0);
        raw_enter(&w, &r, attempt, 0, 1);
        raw_send(&r, f.data, f.len);
        T_TRUE(world_wait(&w, &w.a, is_closed, &r, 1000));
    }
    T_EQ(w.b.resets, 1);
    T_EQ(w.b.why, -R_CSUM_MISMATCH);
    T_EQ(w.b.got, 0);
    writer_fini(&f);
    world_fini(&w);
}

T(msgr_peers, an_older_attempt_does_not_displace_a_newer_one)
{
    struct world w;
    struct raw newer, older;
    struct hello h = hello_good();
    struct writer f = {0};

    world_init(&w, WORLD_SIM, 3);
    world_start(&w, &w.b, true);
    raw_enter(&w, &older, 1, 0, 0);
    raw_enter(&w, &newer, 3, 0, 0);
    T_TRUE(world_wait(&w, &w.a, is_closed, &older, 1000));
    raw_connect(&w, &older);
    h.attempt = 2;
    h.fresh = false;
    raw_hello(&older, &h);
    T_TRUE(world_wait(&w, &w.a, is_closed, &older, 1000));
    T_EQ(older.got, 0);
    note_frame(&f, 1, 1);
    raw_send(&newer, f.data, f.len);
    T_TRUE(world_got(&w, &w.b, 1, 1000));
    T_EQ(w.b.resets, 0);
    sim_enter(newer.env, close_run, &newer);
    writer_fini(&f);
    world_fini(&w);
}

T(msgr_peers, seqs_that_cannot_be_joined_reset_both_ends)
{
    struct world w;
    struct raw r;
    struct writer f = {0};
    struct hello h = hello_good();
    struct answer a;

    world_init(&w, WORLD_SIM, 3);
    world_start(&w, &w.b, true);
    raw_enter(&w, &r, 1, 0, 0);
    note_frame(&f, 1, 1);
    raw_send(&r, f.data, f.len);
    T_TRUE(world_got(&w, &w.b, 1, 1000));
    sim_enter(r.env, close_run, &r);
    T_TRUE(world_wait(&w, &w.a, is_closed, &r, 1000));
    raw_connect(&w, &r);
    h.attempt = 2;
    h.fresh = false;
    h.out_seq = 0; /* it forgot that it sent one */
    raw_hello(&r, &h);
    a = raw_answer(&w, &r);
    T_EQ(a.refused, R_SESSION_RESET);
    T_EQ(w.b.resets, 1);
    T_TRUE(world_wait(&w, &w.a, is_closed, &r, 1000));
    writer_fini(&f);
    world_fini(&w);
}

T(msgr_peers, a_session_nobody_returns_to_is_forgotten)
{
    struct world w;
    struct raw r;

    world_init(&w, WORLD_SIM, 3);
    w.conf.forget_ms = 5000;
    world_start(&w, &w.b, true);
    raw_enter(&w, &r, 1, 0, 0);
    sim_enter(r.env, close_run, &r);
    world_sleep(&w, 4900);
    T_EQ(w.b.resets, 0);
    T_TRUE(world_resets(&w, &w.b, 1, 300));
    T_EQ(w.b.why, -ETIMEDOUT);
    world_fini(&w);
}

T(msgr_peers, a_silent_peer_is_pinged_then_left)
{
    struct world w;
    struct raw r;
    struct frame_head h;
    size_t greeting;

    world_init(&w, WORLD_SIM, 3);
    world_start(&w, &w.b, true);
    raw_enter(&w, &r, 1, 0, 0);
    greeting = r.got;
    world_sleep(&w, 4500);
    T_GE(r.got, greeting + WIRE_HEAD_BYTES);
    T_OK(frame_head_decode(r.in + greeting, &h));
    T_EQ(h.kind, FRAME_PING);
    T_FALSE(r.closed);
    T_TRUE(world_wait(&w, &w.a, is_closed, &r, 8000));
    T_EQ(w.b.resets, 0);
    world_fini(&w);
}

T(msgr_peers, remote_addresses_are_not_listened_on_unasked)
{
    struct world w;
    struct node n;

    world_init(&w, WORLD_SIM, 3);
    w.conf.allow_remote = false;
    node_init(&n, ENTITY_OSD, 4);
    T_EQ(node_start(&n, w.env[0], w.conf, "10.0.0.1:6800"), -EPERM);
    w.a.m = n.m;
    world_fini(&w);
}
