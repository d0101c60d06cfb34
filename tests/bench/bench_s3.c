/* bench_s3.c - load through S3: threads with one connection each, kept alive, over bare sockets.
 *
 * Every request is signed (SigV4 in headers).  So is its body, by its real SHA-256, computed once
 * since all bodies are the same; or, as newer SDKs do by default, a CRC32 follows it instead.
 * Answers are read to their end, and must be 200 or 204.  nginx gets the same requests, and looks
 * at nothing but the path. */
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

#include "core/base/crc.h"
#include "tests/bench/bench.h"

enum {
    HEAD_BYTES = 4096,
    PATH_BYTES = 256,
    LIST_BYTES = 1 << 20,
    FRAME_BYTES = 10,
    TRAILER_BYTES = 64
};
#define LIST_QUERY "list-type=2&max-keys=1000"
static const char empty_sha[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char trailer_sha[] = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

struct shared {
    const struct cluster *c;
    const struct load_test *t;
    char *body;
    size_t body_bytes;     /* with what frames it, when a trailer does */
    char body_sha[65];     /* or trailer_sha */
    unsigned char key[32]; /* derived for this day */
    char time[17]; /* 20260101T000000Z: good for a quarter of an hour, a run takes seconds */
    uint64_t until_ns;
    char upload[128]; /* LOAD_PARTS */
};
struct connection {
    struct shared *sh;
    pthread_t thread;
    unsigned index;
    int fd;
    char *in;          /* HEAD_BYTES and a body */
    size_t room;       /* in it */
    char (*etags)[64]; /* borrowed; of LOAD_PARTS, by part */
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

/* One chunk and its CRC32 around the `bytes` of the body, which stand behind FRAME_BYTES. */
static void body_frame(struct shared *sh, size_t bytes)
{
    char head[FRAME_BYTES + 1], sum[12];
    uint32_t crc = crc32eth(0, sh->body + FRAME_BYTES, bytes);
    unsigned char raw[4] = {(unsigned char)(crc >> 24), (unsigned char)(crc >> 16),
                            (unsigned char)(crc >> 8), (unsigned char)crc};

    snprintf(head, sizeof(head), "%0*zx\r\n", FRAME_BYTES - 2, bytes);
    memcpy(sh->body, head, FRAME_BYTES);
    EVP_EncodeBlock((unsigned char *)sum, raw, sizeof(raw));
    sh->body_bytes = FRAME_BYTES + bytes;
    sh->body_bytes += (size_t)snprintf(sh->body + sh->body_bytes, TRAILER_BYTES,
                                       "\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", sum);
    snprintf(sh->body_sha, sizeof(sh->body_sha), "%s", trailer_sha);
}

/* What newer SDKs send beside, in lower case as it is signed. */
static void trailer_fields(const struct shared *sh, const char *sha, const char *end, char out[128])
{
    *out = '\0';
    if (strcmp(sha, trailer_sha) == 0)
        snprintf(out, 128, "x-amz-decoded-content-length:%zu%sx-amz-trailer:x-amz-checksum-crc32%s",
                 sh->t->bytes, end, end);
}

/* The head of a request; returns its length.  The query is in canonical form, "" for none. */
static size_t head_make(const struct shared *sh, const char *method, const char *path,
                        const char *query, size_t body, const char *sha, char out[HEAD_BYTES])
{
    char text[2048], digest[65], signature[65], more[128];
    const char *names = strcmp(sha, trailer_sha) ? "host;x-amz-content-sha256;x-amz-date"
                                                 : "host;x-amz-content-sha256;x-amz-date;"
                                                   "x-amz-decoded-content-length;x-amz-trailer";
    unsigned char mac[32];
    int n;

    trailer_fields(sh, sha, "\n", more);

    snprintf(text, sizeof(text),
             "%s\n%s\n%s\nhost:%s:%s\nx-amz-content-sha256:%s\nx-amz-date:%s\n%s\n%s\n%s", method,
             path, query, sh->c->s3_host, sh->c->s3_port, sha, sh->time, more, names, sha);
    sha_hex(text, strlen(text), digest);
    snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%.8s/%s/s3/aws4_request\n%s", sh->time,
             sh->time, sh->c->region, digest);
    hmac_of(sh->key, 32, text, mac);
    hex_of(mac, signature);
    trailer_fields(sh, sha, "\r\n", more);
    n = snprintf(
        out, HEAD_BYTES,
        "%s %s%s%s HTTP/1.1\r\nHost: %s:%s\r\nx-amz-date: %s\r\nx-amz-content-sha256: %s\r\n"
        "Content-Length: %zu\r\n%sAuthorization: AWS4-HMAC-SHA256 "
        "Credential=%s/%.8s/%s/s3/aws4_request,SignedHeaders=%s,Signature=%s\r\n\r\n",
        method, path, query[0] ? "?" : "", query, sh->c->s3_host, sh->c->s3_port, sh->time, sha,
        body, more, sh->c->access_key, sh->time, sh->c->region, names, signature);
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

/* Reads one answer whole; its body starts at *out_body. */
static size_t answer_read(struct connection *k, bool to_head, char **out_body)
{
    size_t have = 0, head = 0, body = 0;
    char *end, *line;

    for (;;) {
        ssize_t n = have < k->room ? recv(k->fd, k->in + have, k->room - have, 0) : 0;

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
            if (strncmp(k->in, "HTTP/1.1 20", 11) != 0)
                bench_die("S3 answers: %.300s %.300s", k->in, end + 4);
        }
        if (have >= head + (to_head ? 0 : body)) {
            *out_body = k->in + head;
            return body;
        }
    }
}

static size_t request(struct connection *k, const char *method, const char *path, const char *query,
                      const char *body, size_t bytes, char **out_body)
{
    char head[HEAD_BYTES], sha[65];
    size_t n;

    if (bytes && body != k->sh->body)
        sha_hex(body, bytes, sha);
    n = head_make(k->sh, method, path, query, bytes,
                  !bytes                ? empty_sha
                  : body == k->sh->body ? k->sh->body_sha
                                        : sha,
                  head);
    send_all(k->fd, head, n, bytes > 0);
    send_all(k->fd, body, bytes, false);
    return answer_read(k, strcmp(method, "HEAD") == 0, out_body);
}

/* --- the load --- */

static void connection_open(struct shared *sh, struct connection *k, unsigned index)
{
    size_t body = sh->t && sh->t->verb == LOAD_GET ? sh->t->bytes : LIST_BYTES;

    *k = (struct connection){.sh = sh, .index = index, .fd = connect_to(sh->c)};
    k->room = HEAD_BYTES + body;
    k->in = bench_alloc(k->room + 1);
}

static void connection_close(struct connection *k)
{
    close(k->fd);
    free(k->latencies.ms);
    free(k->in);
}

static void part_put(struct connection *k, unsigned part)
{
    char query[PATH_BYTES], *body, *etag;

    snprintf(query, sizeof(query), "partNumber=%u&uploadId=%s", part + 1, k->sh->upload);
    (void)request(k, "PUT", "/bench/parts", query, k->sh->body, k->sh->body_bytes, &body);
    etag = strcasestr(k->in, "\r\nETag: ");
    if (!etag || sscanf(etag + 8, "%63[^\r]", k->etags[part]) != 1)
        bench_die("S3: a part without an ETag");
}

/* A page from behind some name.  None begins with a 9, so that a page is always full. */
static void page_anywhere(struct connection *k, uint64_t i)
{
    uint64_t name = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) % k->sh->t->names;
    char query[PATH_BYTES], *body, *digit;

    snprintf(query, sizeof(query), LIST_QUERY "&start-after=0-%llu", (unsigned long long)name);
    digit = strrchr(query, '-') + 1;
    if (*digit == '9')
        *digit = '8';
    (void)request(k, "GET", "/bench", query, NULL, 0, &body);
    if (!strstr(body, "<KeyCount>1000</KeyCount>"))
        bench_die("%s: not 1,000 keys", k->sh->t->name);
}

/* Request i of the test, answered as it must be. */
static void once(struct connection *k, uint64_t i)
{
    static const char *const methods[] = {"GET", "PUT", "HEAD", "DELETE", "GET", "PUT"};
    const struct load_test *t = k->sh->t;
    size_t sent = t->verb == LOAD_PUT ? k->sh->body_bytes : 0;
    size_t due = t->verb == LOAD_GET || t->verb == LOAD_HEAD ? t->bytes : 0;
    char path[PATH_BYTES], *body;

    if (t->verb == LOAD_PARTS) {
        part_put(k, (unsigned)i);
        return;
    }
    if (t->anywhere) {
        page_anywhere(k, i);
        return;
    }
    if (t->verb == LOAD_LIST) {
        (void)request(k, "GET", "/bench", LIST_QUERY, NULL, 0, &body);
        if (!strstr(body, "<KeyCount>1000</KeyCount>"))
            bench_die("%s: not 1,000 keys", t->name);
        return;
    }
    snprintf(path, sizeof(path), t->nginx ? "/file" : "/bench/%s%zu-%llu",
             t->doomed ? "doomed-" : "", t->bytes, (unsigned long long)(i % t->names));
    if (request(k, methods[t->verb], path, "", k->sh->body, sent, &body) != due)
        bench_die("%s: an answer of the wrong length", t->name);
}

static void *connection_main(void *arg)
{
    struct connection *k = arg;
    const struct load_test *t = k->sh->t;
    bool ends = t->create || t->verb == LOAD_PARTS || t->verb == LOAD_DELETE; /* with the names */

    for (uint64_t i = t->first + k->index;; i += t->depth) {
        uint64_t started = bench_now_ns();

        if ((ends && i >= t->names) ||
            (!t->create && t->verb != LOAD_PARTS && started >= k->sh->until_ns))
            break;
        once(k, i);
        latency_add(&k->latencies, bench_now_ns() - started);
    }
    return NULL;
}

void s3_prepare(const struct cluster *c)
{
    struct shared sh = {.c = c};
    struct connection k;
    char *body;

    key_derive(&sh);
    connection_open(&sh, &k, 0);
    (void)request(&k, "PUT", "/bench", "", NULL, 0, &body);
    connection_close(&k);
}

static void upload_begin(struct shared *sh)
{
    struct connection k;
    char *body, *id;

    connection_open(sh, &k, 0);
    (void)request(&k, "POST", "/bench/parts", "uploads=", NULL, 0, &body);
    id = strstr(body, "<UploadId>");
    if (!id || sscanf(id + 10, "%127[^<]", sh->upload) != 1)
        bench_die("S3: no upload was begun");
    connection_close(&k);
}

static void upload_complete(struct shared *sh, char (*etags)[64])
{
    size_t room = 64 + 160 * (size_t)sh->t->names, n;
    char *text = bench_alloc(room), query[PATH_BYTES], *body;
    struct connection k;

    n = (size_t)snprintf(text, room, "<CompleteMultipartUpload>");
    for (unsigned i = 0; i < sh->t->names; i++)
        n += (size_t)snprintf(text + n, room - n,
                              "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", i + 1,
                              etags[i]);
    n += (size_t)snprintf(text + n, room - n, "</CompleteMultipartUpload>");
    snprintf(query, sizeof(query), "uploadId=%s", sh->upload);
    connection_open(sh, &k, 0);
    (void)request(&k, "POST", "/bench/parts", query, text, n, &body);
    if (strstr(body, "<Error>"))
        bench_die("S3: the upload was not completed: %.300s", body);
    connection_close(&k);
    free(text);
}

static void threads_run(struct shared *sh, struct connection *ks)
{
    const struct load_test *t = sh->t;

    sh->until_ns = bench_now_ns() + (uint64_t)(t->seconds * 1e9);
    for (unsigned i = 0; i < t->depth; i++)
        if (pthread_create(&ks[i].thread, NULL, connection_main, &ks[i]) != 0)
            bench_die("cannot start a thread");
    for (unsigned i = 0; i < t->depth; i++)
        pthread_join(ks[i].thread, NULL);
}

void s3_run(const struct cluster *c, const struct load_test *t, struct load_result *out_result)
{
    struct shared sh = {
        .c = c, .t = t, .body = bench_alloc(FRAME_BYTES + t->bytes + TRAILER_BYTES)};
    struct connection *ks = bench_alloc(t->depth * sizeof(*ks));
    char(*etags)[64] = bench_alloc(t->verb == LOAD_PARTS ? t->names * sizeof(*etags) : 1);
    struct latencies all = {0};
    uint64_t start;

    sh.body_bytes = t->bytes;
    for (size_t i = 0; i < t->bytes; i++)
        sh.body[i + (t->trailer ? FRAME_BYTES : 0)] = (char)(i * 31 + i / 4096);
    if (t->trailer)
        body_frame(&sh, t->bytes);
    else
        sha_hex(sh.body, t->bytes, sh.body_sha);
    key_derive(&sh);
    for (unsigned i = 0; i < t->depth; i++) {
        connection_open(&sh, &ks[i], i);
        ks[i].etags = etags;
    }
    start = bench_now_ns();
    if (t->verb == LOAD_PARTS)
        upload_begin(&sh);
    threads_run(&sh, ks);
    if (t->verb == LOAD_PARTS)
        upload_complete(&sh, etags);
    out_result->seconds = (double)(bench_now_ns() - start) / 1e9;
    for (unsigned i = 0; i < t->depth; i++) {
        for (size_t n = 0; n < ks[i].latencies.count; n++)
            latency_add(&all, (uint64_t)((double)ks[i].latencies.ms[n] * 1e6));
        connection_close(&ks[i]);
    }
    latencies_result(&all, out_result);
    free(etags);
    free(ks);
    free(sh.body);
}

void s3_fill(const struct cluster *c, const struct load_test *t)
{
    struct load_test fill = *t;
    struct load_result unused;

    fill.verb = LOAD_PUT;
    fill.create = true;
    fill.depth = 16;
    s3_run(c, &fill, &unused);
}
