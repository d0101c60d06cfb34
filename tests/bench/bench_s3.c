/* bench_s3.c - load through S3: threads with one connection each, kept alive, over bare sockets.
 *
 * Every request is signed (SigV4 in headers, with the body's real SHA-256, computed once since all
 * bodies are the same); answers are read to their end, and must be 200. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { HEAD_BYTES = 4096, DEPTH_MAX = 64 };
static const char empty_sha[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct shared {
    const struct cluster *c;
    const struct load_test *t;
    char *body;
    char body_sha[65];
    unsigned char key[32]; /* derived for this day */
    char time[17]; /* 20260101T000000Z: good for a quarter of an hour, a run takes seconds */
    uint64_t until_ns;
};
struct connection {
    struct shared *sh;
    pthread_t thread;
    unsigned index;
    int fd;
    char *in; /* HEAD_BYTES and a body */
    struct latencies latencies;
};

/* --- signing --- */

static void hex_of(const unsigned char *bytes, char out[65])
{
    for (unsigned i = 0; i < 32; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void sha_hex(const void *data, size_t bytes, char out[65])
{
    unsigned char digest[32];

    if (!EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL))
        bench_die("SHA-256 fails");
    hex_of(digest, out);
}

static void hmac_of(const void *key, size_t key_bytes, const char *text, unsigned char out[32])
{
    unsigned n = 32;

    if (!HMAC(EVP_sha256(), key, (int)key_bytes, (const unsigned char *)text, strlen(text), out,
              &n))
        bench_die("HMAC fails");
}

static void key_derive(struct shared *sh)
{
    char secret[160], date[9];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(sh->time, sizeof(sh->time), "%Y%m%dT%H%M%SZ", &tm);
    snprintf(date, sizeof(date), "%.8s", sh->time);
    snprintf(secret, sizeof(secret), "AWS4%s", sh->c->secret_key);
    hmac_of(secret, strlen(secret), date, sh->key);
    hmac_of(sh->key, 32, sh->c->region, sh->key);
    hmac_of(sh->key, 32, "s3", sh->key);
    hmac_of(sh->key, 32, "aws4_request", sh->key);
}

/* The head of a request; returns its length. */
static size_t head_make(const struct shared *sh, const char *method, const char *path, size_t body,
                        char out[HEAD_BYTES])
{
    const char *sha = body ? sh->body_sha : empty_sha;
    char text[2048], digest[65], signature[65];
    unsigned char mac[32];
    int n;

    snprintf(text, sizeof(text),
             "%s\n%s\n\nhost:%s:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n\n"
             "host;x-amz-content-sha256;x-amz-date\n%s",
             method, path, sh->c->s3_host, sh->c->s3_port, sha, sh->time, sha);
    sha_hex(text, strlen(text), digest);
    snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%.8s/%s/s3/aws4_request\n%s", sh->time,
             sh->time, sh->c->region, digest);
    hmac_of(sh->key, 32, text, mac);
    hex_of(mac, signature);
    n = snprintf(out, HEAD_BYTES,
                 "%s %s HTTP/1.1\r\nHost: %s:%s\r\nx-amz-date: %s\r\nx-amz-content-sha256: %s\r\n"
                 "Content-Length: %zu\r\nAuthorization: AWS4-HMAC-SHA256 "
                 "Credential=%s/%.8s/%s/s3/aws4_request,SignedHeaders=host;x-amz-content-sha256;"
                 "x-amz-date,Signature=%s\r\n\r\n",
                 method, path, sh->c->s3_host, sh->c->s3_port, sh->time, sha, body,
                 sh->c->access_key, sh->time, sh->c->region, signature);
    return (size_t)n;
}

/* --- one request and its answer --- */

static int connect_to(const struct cluster *c)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int one = 1, fd;

    if (getaddrinfo(c->s3_host, c->s3_port, &hints, &list) != 0)
        bench_die("%s: no address", c->s3_host);
    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, list->ai_addr, list->ai_addrlen) < 0)
        bench_die("%s:%s: %s", c->s3_host, c->s3_port, strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* else slower only */
    freeaddrinfo(list);
    return fd;
}

static void send_all(int fd, const char *p, size_t bytes, bool more)
{
    while (bytes) {
        ssize_t n = send(fd, p, bytes, MSG_NOSIGNAL | (more ? MSG_MORE : 0));

        if (n <= 0)
            bench_die("S3: the connection breaks: %s", strerror(errno));
        p += n;
        bytes -= (size_t)n;
    }
}

/* Reads one answer whole; returns its body's length. */
static size_t answer_read(struct connection *k, size_t room)
{
    size_t have = 0, head = 0, body = 0;
    char *end, *line;

    for (;;) {
        ssize_t n = recv(k->fd, k->in + have, room - have, 0);

        if (n <= 0)
            bench_die("S3: no whole answer: %s", n ? strerror(errno) : "the connection was closed");
        have += (size_t)n;
        if (!head) {
            k->in[have < HEAD_BYTES ? have : HEAD_BYTES - 1] = 0;
            end = strstr(k->in, "\r\n\r\n");
            if (!end)
                continue;
            head = (size_t)(end - k->in) + 4;
            *end = 0;
            line = strcasestr(k->in, "\r\nContent-Length:");
            body = line ? strtoul(line + 17, NULL, 10) : 0;
            if (strncmp(k->in, "HTTP/1.1 200", 12) != 0)
                bench_die("S3 answers: %.300s %.300s", k->in, end + 4);
        }
        if (have >= head + body)
            return body;
    }
}

static size_t request(struct connection *k, const char *method, const char *path, size_t body)
{
    char head[HEAD_BYTES];
    size_t bytes = head_make(k->sh, method, path, body, head);

    send_all(k->fd, head, bytes, body > 0);
    send_all(k->fd, k->sh->body, body, false);
    return answer_read(k, HEAD_BYTES + (k->sh->t ? k->sh->t->bytes : 0) + 1);
}

/* --- the load --- */

static void *connection_main(void *arg)
{
    struct connection *k = arg;
    const struct load_test *t = k->sh->t;
    char path[64];

    for (uint64_t i = k->index;; i += t->depth) {
        uint64_t started = bench_now_ns();

        if (t->create ? i >= t->names : started >= k->sh->until_ns)
            break;
        snprintf(path, sizeof(path), "/bench/%zu-%llu", t->bytes,
                 (unsigned long long)(i % t->names));
        if (request(k, t->write ? "PUT" : "GET", path, t->write ? t->bytes : 0) !=
            (t->write ? 0 : t->bytes))
            bench_die("%s: an answer of the wrong length", t->name);
        latency_add(&k->latencies, bench_now_ns() - started);
    }
    return NULL;
}

void s3_prepare(const struct cluster *c)
{
    struct shared sh = {.c = c};
    struct connection k = {.sh = &sh};

    key_derive(&sh);
    k.in = bench_alloc(HEAD_BYTES + 1);
    k.fd = connect_to(c);
    (void)request(&k, "PUT", "/bench", 0);
    close(k.fd);
    free(k.in);
}

void s3_run(const struct cluster *c, const struct load_test *t, struct load_result *out_result)
{
    struct shared sh = {.c = c, .t = t, .body = bench_alloc(t->bytes)};
    struct connection *ks = bench_alloc(t->depth * sizeof(*ks));
    struct latencies all = {0};
    uint64_t start;

    for (size_t i = 0; i < t->bytes; i++)
        sh.body[i] = (char)(i * 31 + i / 4096);
    sha_hex(sh.body, t->bytes, sh.body_sha);
    key_derive(&sh);
    for (unsigned i = 0; i < t->depth; i++)
        ks[i] = (struct connection){.sh = &sh,
                                    .index = i,
                                    .fd = connect_to(c),
                                    .in = bench_alloc(HEAD_BYTES + t->bytes + 1)};
    start = bench_now_ns();
    sh.until_ns = start + (uint64_t)(t->seconds * 1e9);
    for (unsigned i = 0; i < t->depth; i++)
        if (pthread_create(&ks[i].thread, NULL, connection_main, &ks[i]) != 0)
            bench_die("cannot start a thread");
    for (unsigned i = 0; i < t->depth; i++)
        pthread_join(ks[i].thread, NULL);
    out_result->seconds = (double)(bench_now_ns() - start) / 1e9;
    for (unsigned i = 0; i < t->depth; i++) {
        for (size_t n = 0; n < ks[i].latencies.count; n++)
            latency_add(&all, (uint64_t)((double)ks[i].latencies.ms[n] * 1e6));
        close(ks[i].fd);
        free(ks[i].latencies.ms);
        free(ks[i].in);
    }
    latencies_result(&all, out_result);
    free(ks);
    free(sh.body);
}
