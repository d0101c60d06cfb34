/* test_conns.c - how long a connection may take for a head, and for a body. */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/env/env_real.h"
#include "s3/http.h"
#include "tests/unit/t.h"

enum { HEAD_S = 2, PATIENCE_S = 20, RATE = 1000 };

struct stage {
    struct host *host;
    struct env *env;
    struct log_sink sink;
    struct http_server *server;
    struct net_addr addr;
    int rc;
    bool stopped;
};

static void no_lines(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    UNUSED(sink);
    UNUSED(level);
    UNUSED(line);
    UNUSED(bytes);
}

static void gone(void *user, bool sent)
{
    UNUSED(sent);
    http_unref(user);
}

static size_t data(void *user, const uint8_t *bytes, size_t count)
{
    UNUSED(user);
    UNUSED(bytes);
    return count;
}

static void end(void *user)
{
    struct http_reply reply = {.status = 204};

    http_reply(user, &reply);
}

static void slow(void *user, struct http_reply *out_reply)
{
    struct buf *body = &out_reply->body;
    struct blob *blob = blob_create(8);

    UNUSED(user);
    T_NE(blob, NULL);
    memcpy(blob->data, "too slow", 8);
    T_OK(buf_append_blob(body, blob, 0, 8));
    blob_unref(blob);
    out_reply->status = 400;
}

static const struct http_sink sink = {.gone = gone};
static const struct http_sink body_sink = {data, end, slow, gone};

static void head(void *arg, struct http_request *r)
{
    struct http_reply reply = {.status = 204};

    UNUSED(arg);
    if (http_request_head(r)->length) {
        http_attach(r, &body_sink, r);
        http_accept(r);
        return;
    }
    http_attach(r, &sink, r);
    http_reply(r, &reply);
}

static void refused(void *arg, struct http_request *r, unsigned status, const char *why,
                    struct http_reply *out_reply)
{
    UNUSED(arg);
    UNUSED(r);
    UNUSED(why);
    out_reply->status = status;
}

static void start(void *arg)
{
    struct stage *s = arg;
    struct note why = {{0}};
    struct http_conf conf = {.addr = s->addr,
                             .connections_max = 100,
                             .idle_s = HEAD_S,
                             .body_rate_min = RATE,
                             .rest_ms = 1000,
                             .head = head,
                             .refused = refused};

    s->rc = http_start(s->env, &conf, &s->server, &why);
    if (s->rc == 0)
        s->addr = *http_addr(s->server);
}

static void stopped(void *arg)
{
    struct stage *s = arg;

    __atomic_store_n(&s->stopped, true, __ATOMIC_RELEASE);
}

static void stop(void *arg)
{
    struct stage *s = arg;

    http_stop(s->server, 0, stopped, s);
}

static void stage_init(struct stage *s)
{
    struct host_conf conf = {.reactors = 1, .workers = 1, .sink = &s->sink};
    struct note why = {{0}};

    memset(s, 0, sizeof(*s));
    s->sink = (struct log_sink){.write = no_lines, .level_max = LOG_DEBUG};
    T_OK(net_addr_parse("127.0.0.1:0", &s->addr));
    T_OK(host_create(&conf, &s->host, &why));
    s->env = host_env(s->host, 0);
    host_call(s->host, 0, start, s);
    T_OK(s->rc);
}

static void stage_fini(struct stage *s)
{
    host_call(s->host, 0, stop, s);
    for (int i = 0; i < PATIENCE_S * 100 && !__atomic_load_n(&s->stopped, __ATOMIC_ACQUIRE); i++)
        usleep(10000);
    T_TRUE(s->stopped);
    host_destroy(s->host);
}

static int connect_to(struct stage *s)
{
    struct sockaddr_storage sa;
    unsigned len = net_addr_sockaddr(&s->addr, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    T_EQ(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Something came, or the end did. */
static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, ms) > 0;
}

static void ask(int fd)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    char answer[1024];

    T_EQ(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
    T_TRUE(readable(fd, PATIENCE_S * 1000));
    T_GE(recv(fd, answer, sizeof(answer), 0), 12);
    T_EQ(memcmp(answer, "HTTP/1.1 204", 12), 0);
}

/* A head that comes byte by byte is never silent for long. */
T(s3_conns, a_head_that_takes_too_long_is_cut)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    struct stage s;
    double began;
    size_t at = 0;
    int fd;
    char c;

    stage_init(&s);
    fd = connect_to(&s);
    ask(fd); /* it counts from when the connection is free again */
    usleep(HEAD_S * 1000000 / 2);
    ask(fd);
    began = now();
    while (!readable(fd, 50)) {
        c = text[at < strlen(text) ? at : strlen(text) - 2];
        at++;
        (void)send(fd, &c, 1, MSG_NOSIGNAL);
        T_TRUE(now() - began < PATIENCE_S);
    }
    T_TRUE(recv(fd, &c, 1, 0) <= 0);
    T_TRUE(now() - began > HEAD_S - 0.5);
    close(fd);
    stage_fini(&s);
}

/* Deadlines are each connection's own. */
T(s3_conns, others_are_not_cut_with_it)
{
    struct stage s;
    int slow, busy;
    double began = now();

    stage_init(&s);
    slow = connect_to(&s);
    busy = connect_to(&s);
    T_EQ(send(slow, "GET", 3, MSG_NOSIGNAL), 3);
    while (!readable(slow, 0)) {
        ask(busy);
        usleep(50000);
        T_TRUE(now() - began < PATIENCE_S);
    }
    ask(busy);
    close(slow);
    close(busy);
    stage_fini(&s);
}

/* Send a body of `total` bytes, `piece` each `ms`, until it is over or an answer comes; how long.
 */
static double send_slowly(struct stage *s, size_t total, size_t piece, int ms, char answer[1024])
{
    static const char bytes[4096];
    char head[128];
    int fd = connect_to(s);
    double began = now();
    ssize_t n;

    (void)snprintf(head, sizeof(head), "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n",
                   total);
    T_EQ(send(fd, head, strlen(head), MSG_NOSIGNAL), (ssize_t)strlen(head));
    for (size_t at = 0; at < total && !readable(fd, ms); at += piece) {
        (void)send(fd, bytes, MIN(piece, total - at), MSG_NOSIGNAL);
        T_TRUE(now() - began < PATIENCE_S);
    }
    T_TRUE(readable(fd, PATIENCE_S * 1000));
    n = recv(fd, answer, 1023, MSG_WAITALL);
    T_GT(n, 0);
    answer[n] = '\0';
    close(fd);
    return now() - began;
}

/* Never silent, and a byte now and then is too little. */
T(s3_conns, a_body_that_comes_too_slowly_is_cut_and_told)
{
    char answer[1024];
    struct stage s;
    double took;

    stage_init(&s);
    took = send_slowly(&s, 10000, 1, 100, answer);
    T_EQ(memcmp(answer, "HTTP/1.1 400 ", 13), 0);
    T_NE(strstr(answer, "Connection: close\r\n"), NULL);
    T_STR_EQ(strstr(answer, "\r\n\r\n"), "\r\n\r\ntoo slow");
    T_TRUE(took > HEAD_S - 0.5);
    stage_fini(&s);
}

/* 4 seconds at twice the least rate, and twice as long as the grace. */
T(s3_conns, a_body_that_comes_slowly_is_taken)
{
    char answer[1024];
    struct stage s;

    stage_init(&s);
    (void)send_slowly(&s, 2 * RATE * 2 * HEAD_S, 2 * RATE / 10, 100, answer);
    T_EQ(memcmp(answer, "HTTP/1.1 204", 12), 0);
    stage_fini(&s);
}
