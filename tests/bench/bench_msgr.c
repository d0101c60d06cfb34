/* bench_msgr.c - messages a second between two reactors: mailboxes, and sockets over loopback.
 *
 *   bench_msgr [PAYLOAD_BYTES [SECONDS]]
 *
 * One side asks, the other answers each message with an empty one; at depth 1 and 64.  A row says
 * messages a second in one direction, the mean round trip, and the payload's rate. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/env/env_real.h"
#include "core/msgr/msgr.h"

struct ask {
    struct msg msg;
    struct buf data; /* owned */
};

static void ask_encode(const struct msg *m, struct writer *front, struct buf *data)
{
    const struct ask *n = CONTAINER_OF(m, struct ask, msg);

    if (buf_append(data, &n->data, 0, n->data.bytes))
        front->rc = -ENOMEM;
}

static int ask_decode(struct msg *m, struct cursor *front, struct buf *data)
{
    CONTAINER_OF(m, struct ask, msg)->data = buf_move(data);
    return front->rc;
}

static void ask_fini(struct msg *m)
{
    buf_fini(&CONTAINER_OF(m, struct ask, msg)->data);
}

static uint64_t ask_cost(const struct msg *m)
{
    return CONTAINER_OF(m, struct ask, msg)->data.bytes;
}

static const struct msg_type ask_type = {
    .id = 1,
    .name = "ask",
    .bytes = sizeof(struct ask),
    .front_max = 64,
    .data_max = 64 << 20,
    .encode = ask_encode,
    .decode = ask_decode,
    .fini = ask_fini,
    .cost = ask_cost,
};
static const struct msg_type *const types[] = {&ask_type, NULL};

struct side {
    struct msgr_handler h;
    struct host *host;
    unsigned reactor;
    struct msgr *m;
    struct msgr_hub *hub;
    struct net_addr addr;
    struct session *s;
    struct blob *payload; /* ref: what each question carries */
    unsigned depth;
    _Atomic uint64_t done;
    _Atomic bool stop, closed;
    int rc;
};

static void say(struct session *s, struct blob *payload)
{
    struct ask *n = MSG_NEW(ask, &ask_type);

    ASSERT(n != NULL);
    if (payload)
        ASSERT(buf_append_blob(&n->data, payload, 0, payload->bytes) == 0);
    session_send(s, &n->msg);
}

static void on_answer(struct msgr_handler *h, struct session *s, struct msg *m)
{
    struct side *a = CONTAINER_OF(h, struct side, h);

    msg_free(m);
    atomic_fetch_add_explicit(&a->done, 1, memory_order_relaxed);
    if (!atomic_load_explicit(&a->stop, memory_order_relaxed))
        say(s, a->payload);
}

static void on_question(struct msgr_handler *h, struct session *s, struct msg *m)
{
    UNUSED(h);
    msg_free(m);
    say(s, NULL);
}

static void on_reset(struct msgr_handler *h, struct session *s, int why)
{
    UNUSED(h);
    UNUSED(s);
    if (why != -R_SESSION_RESET) /* which is how the other one's end of work is heard */
        fprintf(stderr, "the session was reset: %s\n", reason_text(why));
}

static void start_run(void *arg)
{
    struct side *x = arg;
    struct env *env = host_env(x->host, x->reactor);
    struct msgr_conf conf = {.self = {ENTITY_OSD, x->reactor, env_random_u64(env)},
                             .types = types,
                             .handler = &x->h,
                             .hub = x->hub};
    struct net_addr any;

    x->rc = msgr_create(env, &conf, &x->m);
    if (x->rc == 0)
        x->rc = net_addr_parse("127.0.0.1:0", &any);
    if (x->rc == 0)
        x->rc = msgr_listen(x->m, &any, &x->addr, NULL);
}

static void open_run(void *arg)
{
    struct side *a = arg;
    struct session_conf conf = {.addr = a->addr};

    a->rc = session_open(a->m, &conf, &a->s);
    for (unsigned i = 0; a->rc == 0 && i < a->depth; i++)
        say(a->s, a->payload);
}

static void closed_run(void *arg)
{
    atomic_store(&((struct side *)arg)->closed, true);
}

static void close_run(void *arg)
{
    struct side *x = arg;

    msgr_close(x->m, closed_run, x);
}

static void destroy_run(void *arg)
{
    struct side *x = arg;

    msgr_destroy(x->m);
    session_unref(x->s);
}

static void side_stop(struct side *x)
{
    host_call(x->host, x->reactor, close_run, x);
    while (!atomic_load(&x->closed))
        usleep(1000);
    host_call(x->host, x->reactor, destroy_run, x);
}

static void run(const char *what, struct msgr_hub *hub, uint32_t bytes, unsigned depth, double secs)
{
    struct host_conf conf = {.reactors = 2, .workers = 1, .no_uring = true};
    struct side a = {.h = {.message = on_answer, .reset = on_reset}, .hub = hub, .depth = depth};
    struct side b = {.h = {.message = on_question, .reset = on_reset}, .hub = hub, .reactor = 1};
    uint64_t from, count;
    double rate;

    a.payload = blob_create(bytes);
    ASSERT(a.payload != NULL);
    memset(a.payload->data, 1, bytes);
    if (host_create(&conf, &a.host, NULL) < 0)
        exit(1);
    b.host = a.host;
    host_call(a.host, 0, start_run, &a);
    host_call(a.host, 1, start_run, &b);
    a.addr = b.addr;
    if (a.rc || b.rc)
        exit(1);
    host_call(a.host, 0, open_run, &a);
    usleep(200000);
    from = atomic_load(&a.done);
    usleep((useconds_t)(secs * 1e6));
    count = atomic_load(&a.done) - from;
    atomic_store(&a.stop, true);
    usleep(100000);
    side_stop(&a);
    side_stop(&b);
    host_destroy(a.host);
    blob_unref(a.payload);
    rate = (double)count / secs;
    printf("%-10s %8u B  depth %3u  %10.0f messages/s  %8.1f us  %8.1f MB/s\n", what, bytes, depth,
           rate, 1e6 * depth / rate, rate * bytes / 1e6);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    uint32_t bytes = argc > 1 ? (uint32_t)atoi(argv[1]) : 4096;
    double secs = argc > 2 ? atof(argv[2]) : 2;
    static const unsigned depths[] = {1, 64};
    struct msgr_hub *hub = msgr_hub_create(false);

    ASSERT(hub != NULL);
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        run("mailbox", hub, bytes, depths[i], secs);
        run("loopback", NULL, bytes, depths[i], secs);
    }
    msgr_hub_destroy(hub);
    return 0;
}
