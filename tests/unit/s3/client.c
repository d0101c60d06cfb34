/* client.c - the tests' own HTTP client, and a gateway to talk to. */
#include "tests/unit/s3/client.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/env/env_real.h"
#include "s3/gateway.h"
#include "s3/http/tls.h"
#include "tests/unit/t.h"

enum { PATIENCE_S = 20 };

/* --- the server --- */

struct server {
    struct host *host;
    struct env *env;
    struct log_sink sink;
    struct bucket_layer *layer;
    struct s3_gateway gateway;
    const struct fake_knobs *knobs;
    const char *domain, *cert, *key;
    struct net_addr addr, tls_addr;
    uint64_t looks;
    uint32_t grace_ms, open;
    int rc;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopped;
};

static void no_lines(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    UNUSED(sink);
    UNUSED(level);
    UNUSED(line);
    UNUSED(bytes);
}

static void start(void *arg)
{
    struct server *s = arg;
    struct note why = {{0}};
    struct gateway_conf conf = {.addr = &s->addr,
                                .tls_addr = s->cert ? &s->tls_addr : NULL,
                                .tls_cert = s->cert,
                                .tls_key = s->key,
                                .connections_max = 1000,
                                .region = "us-east-1",
                                .domain = s->domain,
                                .access_log = s->knobs ? s->knobs->access_log : NULL,
                                .signature_v2 = !s->knobs || !s->knobs->no_signature_v2,
                                .access_log_format = "s3",
                                .access_log_bytes = 1 << 20,
                                .requests_max = s->knobs ? s->knobs->requests_max : 0};

    s->layer = fake_create(s->env);
    if (s->knobs)
        *fake_knobs(s->layer) = *s->knobs;
    s->rc = gateway_start(&s->gateway, s->env, s->layer, &conf, &why);
    if (s->rc == 0)
        s->addr = *http_addr(s->gateway.http);
    if (s->rc == 0 && s->cert)
        s->tls_addr = *http_addr(s->gateway.https);
}

static struct server *begin(const struct fake_knobs *knobs, const char *domain, const char *cert,
                            const char *key)
{
    struct server *s = mem_zalloc(sizeof(*s));
    struct host_conf conf = {.reactors = 1, .workers = 2, .sink = &s->sink};
    struct note why = {{0}};

    T_NE(s, NULL);
    s->sink = (struct log_sink){.write = no_lines, .level_max = LOG_DEBUG};
    s->knobs = knobs;
    s->domain = domain ? domain : "";
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->cert = cert;
    s->key = key;
    T_OK(net_addr_parse("127.0.0.1:0", &s->addr));
    T_OK(net_addr_parse("127.0.0.1:0", &s->tls_addr));
    T_OK(host_create(&conf, &s->host, &why));
    s->env = host_env(s->host, 0);
    host_call(s->host, 0, start, s);
    T_OK(s->rc);
    return s;
}

struct server *server_start(const struct fake_knobs *knobs, const char *domain)
{
    return begin(knobs, domain, NULL, NULL);
}

struct server *server_start_tls(const char *cert, const char *key)
{
    return begin(NULL, NULL, cert, key);
}

static void count_looks(void *arg)
{
    struct server *s = arg;

    s->looks = http_tls_looks(s->gateway.tls);
}

static void reload(void *arg)
{
    struct server *s = arg;

    count_looks(s);
    gateway_reload(&s->gateway);
}

void server_reload(struct server *s)
{
    uint64_t before;

    host_call(s->host, 0, reload, s);
    before = s->looks;
    for (int i = 0; i < PATIENCE_S * 100 && s->looks == before; i++) {
        usleep(10000);
        host_call(s->host, 0, count_looks, s);
    }
    T_NE(s->looks, before);
}

static void stopped(void *arg)
{
    struct server *s = arg;

    gateway_fini(&s->gateway);
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void stop(void *arg)
{
    struct server *s = arg;

    gateway_stop(&s->gateway, s->grace_ms, stopped, s);
}

static void tidy(void *arg)
{
    struct server *s = arg;

    s->open = fake_open(s->layer);
    if (s->open == 0)
        fake_destroy(s->layer);
}

void server_stop_in(struct server *s, uint32_t grace_ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    s->grace_ms = grace_ms;
    host_call(s->host, 0, stop, s);
    pthread_mutex_lock(&s->lock);
    while (!s->stopped)
        if (pthread_cond_timedwait(&s->changed, &s->lock, &until) != 0)
            T_FAIL("the gateway does not stop");
    pthread_mutex_unlock(&s->lock);
    for (int i = 0; i < 100; i++) { /* what was aborted ends a turn later */
        host_call(s->host, 0, tidy, s);
        if (s->open == 0)
            break;
        usleep(10000);
    }
    T_EQ(s->open, 0);
    host_destroy(s->host);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    mem_free(s);
}

void server_stop(struct server *s)
{
    server_stop_in(s, 2000);
}

static int connect_to(const struct net_addr *addr)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_storage sa;
    unsigned len = net_addr_sockaddr(addr, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    T_GE(fd, 0);
    T_EQ(connect(fd, (struct sockaddr *)&sa, len), 0);
    T_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    T_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
    return fd;
}

int server_connect(struct server *s)
{
    return connect_to(&s->addr);
}

int server_connect_tls(struct server *s)
{
    return connect_to(&s->tls_addr);
}

/* --- raw --- */

/* A call with a time-out is not restarted when something (the kernel's ring of the host, too)
 * interrupts it. */
static ssize_t receive(int fd, void *to, size_t bytes)
{
    ssize_t n;

    do
        n = recv(fd, to, bytes, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

void client_send(int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
            return; /* the answer says why */
        T_GT(n, 0);
        at += n;
        bytes -= (size_t)n;
    }
}

void client_send_text(int fd, const char *text)
{
    client_send(fd, text, strlen(text));
}

static bool head_complete(const struct response *r, size_t len)
{
    return len >= 4 && memcmp(r->head + len - 4, "\r\n\r\n", 4) == 0;
}

const char *response_field(struct response *r, const char *name)
{
    static _Thread_local char value[1024];
    const char *at = r->head;
    size_t len = strlen(name);

    while ((at = strstr(at, "\r\n"))) {
        at += 2;
        if (strncasecmp(at, name, len) == 0 && at[len] == ':') {
            (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + len + 2, "\r"),
                           at + len + 2);
            return value;
        }
    }
    return NULL;
}

const char *response_xml(struct response *r, const char *name)
{
    static _Thread_local char value[1024];
    char open[64];
    const char *at;

    (void)snprintf(open, sizeof(open), "<%s>", name);
    at = r->body ? strstr((char *)r->body, open) : NULL;
    if (!at)
        return NULL;
    at += strlen(open);
    (void)snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "<"), at);
    return value;
}

void client_receive(int fd, bool to_head, struct response *out)
{
    const char *length;
    size_t len = 0, want;

    memset(out, 0, sizeof(*out));
    while (!head_complete(out, len)) {
        T_LT(len, sizeof(out->head) - 1);
        if (receive(fd, out->head + len, 1) <= 0)
            return;
        len++;
    }
    T_EQ(sscanf(out->head, "HTTP/1.%*d %u", &out->status), 1);
    length = response_field(out, "connection");
    out->closed = length && strcasecmp(length, "close") == 0;
    length = response_field(out, "content-length");
    want = length && !to_head && out->status != 304 ? strtoul(length, NULL, 10) : 0;
    out->body = mem_alloc(want + 1);
    T_NE(out->body, NULL);
    while (out->body_bytes < want && !out->cut) {
        ssize_t n = receive(fd, out->body + out->body_bytes, want - out->body_bytes);

        out->cut = n <= 0;
        out->body_bytes += n > 0 ? (size_t)n : 0;
    }
    out->body[out->body_bytes] = '\0';
}

void response_fini(struct response *r)
{
    mem_free(r->body);
    r->body = NULL;
}

bool client_silent(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;

    do
        n = poll(&p, 1, ms);
    while (n < 0 && errno == EINTR);
    return n == 0;
}

bool client_closed(int fd)
{
    char some[1024];
    ssize_t n;

    do
        n = receive(fd, some, sizeof(some));
    while (n > 0);
    return n == 0 || errno != EAGAIN;
}

/* --- signed --- */

static void put(struct writer *w, const char *text)
{
    wr_raw(w, text, strlen(text));
}

struct names {
    struct http_head head;
    char text[1024];
};

static int field_compare(const void *va, const void *vb)
{
    const struct http_field *a = va, *b = vb;
    int c = bytes_compare(a->name, b->name);

    return c ? c : a->name.data < b->name.data ? -1 : 1; /* lines of one field stay in order */
}

/* Fields from their lines, sorted; and their names, each once, joined. */
static void names_of(const char *lines, struct names *out)
{
    size_t len = 0;

    while (*lines) {
        size_t name = strcspn(lines, ":"), line = strcspn(lines, "\r");

        out->head.field[out->head.field_count++] =
            (struct http_field){{(const uint8_t *)lines, (uint32_t)name},
                                {(const uint8_t *)lines + name + 2, (uint32_t)(line - name - 2)}};
        lines += line + 2;
    }
    qsort(out->head.field, out->head.field_count, sizeof(out->head.field[0]), field_compare);
    for (uint32_t i = 0; i < out->head.field_count; i++)
        if (i == 0 || !bytes_equal(out->head.field[i].name, out->head.field[i - 1].name))
            len += (size_t)snprintf(out->text + len, sizeof(out->text) - len, "%s%.*s",
                                    i ? ";" : "", (int)out->head.field[i].name.len,
                                    (const char *)out->head.field[i].name.data);
}

static void sign(const struct call_args *args, struct names *names, const char *payload,
                 const char *stamp, char *out_authorization, size_t bytes)
{
    const char *region = args->region ? args->region : "us-east-1";
    struct sigv4_chain own, *chain = args->chain ? args->chain : &own;
    struct digest_kit kit;
    struct hash h = {0};
    struct arena arena;
    struct uri_query query;
    struct bytes path, raw_query;
    AUTO(writer) text = {0};
    char scope[128], hex[65];
    struct sigv4 sig = {.stamp = BYTES_STR(stamp)};

    arena_init(&arena);
    T_OK(digest_kit_init(&kit));
    names->head.method = BYTES_STR(args->method);
    names->head.target = BYTES_STR(args->target);
    uri_split(names->head.target, &path, &raw_query);
    T_OK(uri_query_parse(&arena, raw_query, &query));
    (void)snprintf(scope, sizeof(scope), "%.8s/%s/s3/aws4_request", stamp, region);
    sig.scope = BYTES_STR(scope);
    sig.day = (struct bytes){sig.stamp.data, 8};
    sig.region = BYTES_STR(region);
    sig.service = BYTES_STR("s3");
    sig.signed_names = BYTES_STR(names->text);
    sig.payload = BYTES_STR(payload);
    sigv4_canonical(&text, &names->head, &query, &sig);
    T_OK(text.rc);
    T_OK(sigv4_sign(&h, &kit, NULL, BYTES_STR(args->secret ? args->secret : FAKE_SECRET), &sig,
                    (struct bytes){text.data, (uint32_t)text.len}, chain));
    hex_put(chain->last, sizeof(chain->last), hex);
    (void)snprintf(out_authorization, bytes,
                   "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s",
                   args->key ? args->key : FAKE_KEY, scope, names->text, hex);
    hash_fini(&h);
    digest_kit_fini(&kit);
    arena_fini(&arena);
}

void client_head(const struct call_args *args, struct writer *out)
{
    static const char host[] = "host: 127.0.0.1\r\n";
    bool own_host = args->fields && strstr(args->fields, "host: ");
    char stamp[32], line[256], authorization[2048], hash[65];
    const char *payload = args->payload;
    AUTO(writer) fields = {0};
    struct names *names = mem_zalloc(sizeof(*names));
    struct digest_kit kit;
    struct hash h = {0};
    uint8_t sum[SHA256_BYTES];
    time_t now = time(NULL) + args->skew_s;
    struct tm tm;

    T_NE(names, NULL);
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    T_OK(digest_kit_init(&kit));
    T_OK(sha256_of(&h, &kit, args->body, args->body_bytes, sum));
    hash_fini(&h);
    digest_kit_fini(&kit);
    hex_put(sum, sizeof(sum), hash);
    payload = payload ? payload : hash;
    put(&fields, own_host ? "" : host);
    (void)snprintf(line, sizeof(line), "x-amz-content-sha256: %s\r\nx-amz-date: %s\r\n", payload,
                   stamp);
    put(&fields, line);
    put(&fields, args->fields ? args->fields : "");
    wr_raw(&fields, "", 1);
    T_OK(fields.rc);
    names_of((char *)fields.data, names);
    sign(args, names, payload, stamp, authorization, sizeof(authorization));
    put(out, args->method);
    put(out, " ");
    put(out, args->target);
    put(out, " HTTP/1.1\r\n");
    put(out, (char *)fields.data);
    if (!args->no_length && (args->body_bytes || strcmp(args->method, "PUT") == 0 ||
                             strcmp(args->method, "POST") == 0)) {
        (void)snprintf(line, sizeof(line), "Content-Length: %zu\r\n", args->body_bytes);
        put(out, line);
    }
    put(out, "Authorization: ");
    put(out, authorization);
    put(out, "\r\n\r\n");
    T_OK(out->rc);
    mem_free(names);
}

void client_call(int fd, const struct call_args *args, struct response *out)
{
    AUTO(writer) head = {0};

    client_head(args, &head);
    client_send(fd, head.data, head.len);
    client_send(fd, args->body, args->body_bytes);
    client_receive(fd, strcmp(args->method, "HEAD") == 0, out);
}

unsigned client_once(struct server *s, const struct call_args *args, struct response *out)
{
    int fd = server_connect(s);

    client_call(fd, args, out);
    close(fd);
    return out->status;
}

struct response client_text(struct server *s, const char *method, const char *target,
                            const char *fields, const char *body)
{
    struct call_args args = {.method = method,
                             .target = target,
                             .fields = fields,
                             .body = body,
                             .body_bytes = body ? strlen(body) : 0};
    struct response r;

    (void)client_once(s, &args, &r);
    return r;
}

struct server *server_with_bucket(const struct fake_knobs *knobs)
{
    struct server *s = server_start(knobs, NULL);
    struct response r = client_text(s, "PUT", "/bucket", NULL, NULL);

    T_EQ(r.status, 200);
    response_fini(&r);
    return s;
}
