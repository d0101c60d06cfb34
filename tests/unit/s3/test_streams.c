/* test_streams.c - bodies in chunks of S3 over the wire: unwrapped, verified, refused. */
#include <stdio.h>
#include <unistd.h>

#include "s3/auth/checksum.h"
#include "s3/auth/chunks.h"
#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

enum { CHUNK = 64 * 1024 };

/* How a chunked body is made wrong. */
enum wrong {
    RIGHT,
    WRONG_DATA,
    WRONG_SIGNATURE,
    NO_LAST,
    TOO_SHORT,
    WRONG_TRAILER,
    NO_TRAILER,
    OTHER_TRAILER,
    TWO_TRAILERS,
    NO_END,
    SMALL_CHUNKS,
    UNSIGNED_TRAILER,
    FORGED_TRAILER,
};

static void sign_chunk(struct sigv4_chain *chain, bool trailer, const void *data, size_t bytes,
                       char hex[65])
{
    struct digest_kit kit;
    struct hash h = {0};
    uint8_t sum[SHA256_BYTES];

    T_OK(digest_kit_init(&kit));
    T_OK(sha256_of(&h, &kit, data, bytes, sum));
    T_OK(sigv4_chain_next(chain, &h, &kit, trailer, sum));
    hex_put(chain->last, SHA256_BYTES, hex);
    hash_fini(&h);
    digest_kit_fini(&kit);
}

static void put_chunk(struct writer *w, struct sigv4_chain *chain, const uint8_t *data, size_t n,
                      enum wrong wrong)
{
    char line[128], hex[65];
    int len = snprintf(line, sizeof(line), "%zx\r\n", n);

    if (chain) {
        sign_chunk(chain, false, data, n, hex);
        if (wrong == WRONG_SIGNATURE)
            hex[0] = hex[0] == '0' ? '1' : '0';
        len = snprintf(line, sizeof(line), "%zx;chunk-signature=%s\r\n", n, hex);
    }
    wr_raw(w, line, (size_t)len);
    if (n == 0)
        return;
    wr_raw(w, data, n);
    if (wrong == WRONG_DATA)
        w->data[w->len - 1] ^= 1;
    wr_raw(w, "\r\n", 2);
}

static void put_trailer(struct writer *w, struct sigv4_chain *chain, const uint8_t *data,
                        size_t bytes, enum wrong wrong)
{
    const char *name = wrong == OTHER_TRAILER ? "x-amz-checksum-crc32c" : "x-amz-checksum-crc32";
    struct digest_kit kit;
    struct checksum c = {0};
    uint8_t sum[CHECKSUM_BYTES_MAX];
    char text[16], line[256], hex[65];
    int len;

    T_OK(digest_kit_init(&kit));
    T_OK(checksum_begin(&c, &kit, CHECKSUM_CRC32));
    checksum_add(&c, data, bytes);
    checksum_end(&c, sum);
    checksum_fini(&c);
    digest_kit_fini(&kit);
    if (wrong == WRONG_TRAILER)
        sum[0] ^= 1;
    base64_put(sum, 4, text);
    len = snprintf(line, sizeof(line), "%s:%s\n", name, text);
    if (chain)
        sign_chunk(chain, true, line, (size_t)len, hex);
    if (wrong == NO_TRAILER)
        return;
    for (int i = 0; i < (wrong == TWO_TRAILERS ? 2 : 1); i++) {
        wr_raw(w, line, (size_t)len - 1);
        wr_raw(w, "\r\n", 2);
    }
    if (wrong == FORGED_TRAILER)
        hex[5] = hex[5] == 'a' ? 'b' : 'a';
    if (chain && wrong != UNSIGNED_TRAILER) {
        len = snprintf(line, sizeof(line), "x-amz-trailer-signature:%s\r\n", hex);
        wr_raw(w, line, (size_t)len);
    }
}

static const char *const payloads[] = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
};

struct stream {
    int kind; /* of `payloads` */
    size_t bytes;
    enum wrong wrong;
    const char *trailer; /* x-amz-trailer: NULL: crc32 where there is one; "": none */
    bool in_http_chunks;
};

/* All chunks; the last but one of them (or the trailer) is made wrong. */
static void stream_body(const struct stream *t, struct sigv4_chain *chain, const uint8_t *data,
                        struct writer *body)
{
    size_t step = t->wrong == SMALL_CHUNKS ? CHUNKS_SIGNED_BYTES_MIN - 1 : CHUNK;

    if (t->kind == 2)
        chain = NULL;
    for (size_t at = 0; at < t->bytes; at += step) {
        bool last = t->bytes - at <= step;

        put_chunk(body, chain, data + at, MIN(step, t->bytes - at),
                  last && t->wrong <= WRONG_SIGNATURE ? t->wrong : RIGHT);
    }
    if (t->wrong == NO_LAST)
        return;
    put_chunk(body, chain, NULL, 0, RIGHT);
    if (t->kind != 0)
        put_trailer(body, chain, data, t->bytes, t->wrong);
    if (t->wrong != NO_END)
        wr_raw(body, "\r\n", 2);
}

static void send_in_http_chunks(int fd, const struct writer *body)
{
    static const size_t steps[] = {1, 7, 1000, 100 * 1024};
    char line[32];
    size_t at = 0;

    for (size_t i = 0; at < body->len; i++) {
        size_t n = MIN(steps[i % ARRAY_LEN(steps)], body->len - at);

        (void)snprintf(line, sizeof(line), "%zx\r\n", n);
        client_send_text(fd, line);
        client_send(fd, body->data + at, n);
        client_send_text(fd, "\r\n");
        at += n;
    }
    client_send_text(fd, "0\r\n\r\n");
}

static void put_stream(struct server *s, const struct stream *t, struct response *out)
{
    struct sigv4_chain chain;
    uint8_t *data = mem_zalloc(t->bytes + 1);
    char fields[256], trailer[64] = "";
    AUTO(writer) head = {0}, body = {0};
    struct call_args args = {.method = "PUT",
                             .target = "/bucket/chunked",
                             .fields = fields,
                             .payload = payloads[t->kind],
                             .chain = &chain,
                             .no_length = true};
    int fd = server_connect(s);

    for (size_t i = 0; i < t->bytes; i++)
        data[i] = (uint8_t)(i * 7 + i / 1000);
    if (t->trailer ? t->trailer[0] != '\0' : t->kind != 0)
        (void)snprintf(trailer, sizeof(trailer), "x-amz-trailer: %s\r\n",
                       t->trailer ? t->trailer : "x-amz-checksum-crc32");
    (void)snprintf(fields, sizeof(fields),
                   "content-encoding: aws-chunked,gzip\r\nx-amz-decoded-content-length: %zu\r\n%s",
                   t->wrong == TOO_SHORT ? t->bytes + 1 : t->bytes, trailer);
    client_head(&args, &head);
    stream_body(t, &chain, data, &body);
    head.len -= 2; /* the empty line comes later */
    client_send(fd, head.data, head.len);
    if (t->in_http_chunks) {
        client_send_text(fd, "Transfer-Encoding: chunked\r\n\r\n");
        send_in_http_chunks(fd, &body);
    } else {
        (void)snprintf(fields, sizeof(fields), "Content-Length: %zu\r\n\r\n", body.len);
        client_send_text(fd, fields);
        client_send(fd, body.data, body.len);
    }
    client_receive(fd, false, out);
    close(fd);
    mem_free(data);
}

static void expect_object(struct server *s, size_t bytes)
{
    struct call_args get = {.method = "GET", .target = "/bucket/chunked"};
    struct response r;

    T_EQ(client_once(s, &get, &r), 200);
    T_EQ(r.body_bytes, bytes);
    for (size_t i = 0; i < bytes; i++)
        T_EQ(r.body[i], (uint8_t)(i * 7 + i / 1000));
    T_STR_EQ(response_field(&r, "content-encoding"), "gzip");
    response_fini(&r);
}

static void expect_nothing(struct server *s)
{
    struct call_args get = {.method = "GET", .target = "/bucket/chunked"};
    struct response r;

    T_EQ(client_once(s, &get, &r), 404);
    response_fini(&r);
}

T(s3_streams, are_unwrapped_and_verified)
{
    static const size_t sizes[] = {0, 1, 1000, CHUNK, CHUNK + 1, 300 * 1024, 1024 * 1024};
    struct fake_knobs knobs = {.window_bytes = 200 * 1024};
    struct server *s = server_with_bucket(&knobs);

    for (int i = 0; i < 6; i++)
        T_CASES (row, sizes) {
            struct stream t = {.kind = i % 3, .bytes = *row, .in_http_chunks = i >= 3};
            struct response r;

            put_stream(s, &t, &r);
            T_EQ(r.status, 200);
            if (t.kind != 0)
                T_NE(response_field(&r, "x-amz-checksum-crc32"), NULL);
            response_fini(&r);
            expect_object(s, *row);
        }
    server_stop(s);
}

T(s3_streams, that_were_touched_are_refused)
{
    static const struct {
        struct stream t;
        unsigned status;
        const char *code;
    } rows[] = {
        {{0, 0, WRONG_DATA, NULL, false}, 403, "SignatureDoesNotMatch"},
        {{0, 0, WRONG_SIGNATURE, NULL, false}, 403, "SignatureDoesNotMatch"},
        {{0, 0, NO_LAST, NULL, false}, 400, "IncompleteBody"},
        {{0, 0, NO_END, NULL, false}, 400, "IncompleteBody"},
        {{0, 0, TOO_SHORT, NULL, false}, 400, "IncompleteBody"},
        {{1, 0, WRONG_DATA, NULL, false}, 403, "SignatureDoesNotMatch"},
        {{1, 0, WRONG_TRAILER, NULL, false}, 400, "BadDigest"},
        {{1, 0, NO_TRAILER, NULL, false}, 400, "MalformedTrailerError"},
        {{1, 0, TWO_TRAILERS, NULL, false}, 400, "MalformedTrailerError"},
        {{1, 0, OTHER_TRAILER, NULL, false}, 400, "MalformedTrailerError"},
        {{1, 0, UNSIGNED_TRAILER, NULL, false}, 400, "MalformedTrailerError"},
        {{1, 0, FORGED_TRAILER, NULL, false}, 403, "SignatureDoesNotMatch"},
        {{2, 0, WRONG_DATA, NULL, false}, 400, "BadDigest"},
        {{2, 0, WRONG_TRAILER, NULL, false}, 400, "BadDigest"},
        {{2, 0, NO_TRAILER, NULL, false}, 400, "MalformedTrailerError"},
        {{2, 0, TWO_TRAILERS, NULL, false}, 400, "MalformedTrailerError"},
        {{2, 0, OTHER_TRAILER, NULL, false}, 400, "MalformedTrailerError"},
        {{2, 0, NO_LAST, NULL, false}, 400, "IncompleteBody"},
        {{2, 0, NO_END, NULL, false}, 400, "IncompleteBody"},
        {{2, 0, NO_END, NULL, true}, 400, "IncompleteBody"},
        {{2, 0, RIGHT, "", false}, 400, "MalformedTrailerError"}, /* came unannounced */
        {{2, 0, RIGHT, "x-amz-meta-a", false}, 400, "InvalidRequest"},
        {{0, 0, RIGHT, "x-amz-checksum-crc32", false}, 400, "InvalidRequest"},
    };
    static const size_t sizes[] = {100, 400 * 1024};
    struct server *s = server_with_bucket(NULL);

    T_CASES (row, rows)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct stream t = row->t;
            struct response r;

            t.bytes = sizes[i];
            put_stream(s, &t, &r);
            T_EQ(r.status, row->status);
            T_STR_EQ(response_xml(&r, "Code"), row->code);
            response_fini(&r);
            expect_nothing(s);
        }
    server_stop(s);
}

T(s3_streams, signed_chunks_are_not_too_small)
{
    struct stream t = {.kind = 0, .bytes = CHUNKS_SIGNED_BYTES_MIN - 1, .wrong = SMALL_CHUNKS};
    struct server *s = server_with_bucket(NULL);
    struct response r;

    put_stream(s, &t, &r); /* the only one is the last one */
    T_EQ(r.status, 200);
    response_fini(&r);
    t.bytes++;
    put_stream(s, &t, &r);
    T_EQ(r.status, 403);
    T_STR_EQ(response_xml(&r, "Code"), "InvalidChunkSizeError");
    response_fini(&r);
    t.kind = 2; /* what is not signed costs nothing */
    put_stream(s, &t, &r);
    T_EQ(r.status, 200);
    response_fini(&r);
    server_stop(s);
}

T(s3_streams, may_have_no_trailer_when_none_was_announced)
{
    struct stream t = {.kind = 2, .bytes = 1000, .wrong = NO_TRAILER, .trailer = ""};
    struct server *s = server_with_bucket(NULL);
    struct response r;

    put_stream(s, &t, &r);
    T_EQ(r.status, 200);
    response_fini(&r);
    expect_object(s, 1000);
    server_stop(s);
}
