/* test_conns.c - how long a connection may take for a head. */
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/env/env_real.h"
#include "s3/http.h"
#include "tests/unit/t.h"

enum { HEAD_S = 2, PATIENCE_S = 20 };

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

static const struct http_sink sink = {.gone = gone};

static void head(void *arg, struct http_request *r)
{
    struct http_reply reply = {.status = 204};

    UNUSED(arg);
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
