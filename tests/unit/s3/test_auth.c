/* test_auth.c - who may ask, over the wire: refusals of signatures, dates, keys and bodies. */
#include <stdio.h>
#include <unistd.h>

#include "s3/auth/checksum.h"
#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

static struct server *server_with_bucket(const struct fake_knobs *knobs)
{
    struct call_args args = {.method = "PUT", .target = "/bucket"};
    struct server *s = server_start(knobs, NULL);
    struct response r;

    T_EQ(client_once(s, &args, &r), 200);
    response_fini(&r);
    return s;
}

static void expect(struct server *s, const struct call_args *args, unsigned status,
                   const char *code)
{
    struct response r;

    T_EQ(client_once(s, args, &r), status);
    if (code) {
        T_STR_EQ(response_xml(&r, "Code"), code);
        T_STR_EQ(response_xml(&r, "RequestId"), response_field(&r, "x-amz-request-id"));
        T_NE(response_xml(&r, "HostId"), NULL);
    }
    response_fini(&r);
}

T(s3_auth, what_is_wrong_with_a_signature_is_told_apart)
{
    static const struct {
        struct call_args args;
        unsigned status;
        const char *code;
    } rows[] = {
        {{.method = "GET", .target = "/"}, 200, NULL},
        {{.method = "GET", .target = "/", .secret = "guess"}, 403, "SignatureDoesNotMatch"},
        {{.method = "GET", .target = "/", .key = "NOBODY"}, 403, "InvalidAccessKeyId"},
        {{.method = "GET", .target = "/", .skew_s = 1200}, 403, "RequestTimeTooSkewed"},
        {{.method = "GET", .target = "/", .skew_s = -1200}, 403, "RequestTimeTooSkewed"},
        {{.method = "GET", .target = "/", .skew_s = 600}, 200, NULL},
        {{.method = "GET", .target = "/", .region = "eu-west-1"},
         400,
         "AuthorizationHeaderMalformed"},
        {{.method = "GET", .target = "/%zz"}, 400, "InvalidURI"},
        {{.method = "GET", .target = "/", .payload = "UNSIGNED-PAYLOAD"}, 200, NULL},
        {{.method = "GET", .target = "/", .payload = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
         400,
         "XAmzContentSHA256Mismatch"},
        {{.method = "GET",
          .target = "/",
          .payload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b856"},
         400,
         "XAmzContentSHA256Mismatch"},
        {{.method = "GET", .target = "/?X-Amz-Signature=1"}, 501, "NotImplemented"},
    };
    struct server *s = server_start(NULL, NULL);

    T_CASES (row, rows)
        expect(s, &row->args, row->status, row->code);
    server_stop(s);
}

T(s3_auth, a_client_of_another_region_is_told_ours)
{
    struct call_args args = {.method = "GET", .target = "/", .region = "US"};
    struct server *s = server_start(NULL, NULL);
    struct response r;

    T_EQ(client_once(s, &args, &r), 400);
    T_STR_EQ(response_xml(&r, "Region"), "us-east-1");
    response_fini(&r);
    server_stop(s);
}

T(s3_auth, nobody_gets_nothing)
{
    struct server *s = server_start(NULL, NULL);
    int fd = server_connect(s);
    struct response r;

    client_send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_receive(fd, false, &r);
    T_EQ(r.status, 403);
    T_STR_EQ(response_xml(&r, "Code"), "AccessDenied");
    response_fini(&r);
    client_send_text(fd, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_receive(fd, true, &r);
    T_EQ(r.status, 403);
    T_TRUE(client_silent(fd, 50)); /* no body follows */
    response_fini(&r);
    close(fd);
    server_stop(s);
}

T(s3_auth, a_body_must_be_what_was_signed_and_announced)
{
    static const struct {
        const char *fields, *payload;
        unsigned status;
        const char *code;
    } rows[] = {
        {NULL, NULL, 200, NULL},
        {NULL, "UNSIGNED-PAYLOAD", 200, NULL},
        {NULL, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 400,
         "XAmzContentSHA256Mismatch"},
        {"content-md5: kAFQmDzST7DWlj99KOF/cg==\r\n", NULL, 200, NULL},
        {"content-md5: kAFQmDzST7DWlj99KOF/cA==\r\n", NULL, 400, "BadDigest"},
        {"content-md5: kAFQmDzST7DWlj99KOF/cg\r\n", NULL, 400, "InvalidDigest"},
        {"x-amz-checksum-crc32: NSRBwg==\r\n", NULL, 200, NULL},
        {"x-amz-checksum-crc32: NSRBww==\r\n", NULL, 400, "BadDigest"},
        {"x-amz-checksum-crc32: NSRBw\r\n", NULL, 400, "InvalidDigest"},
        {"x-amz-checksum-crc32: NSRBwg==\r\nx-amz-checksum-crc32c: Nks/tw==\r\n", NULL, 400,
         "InvalidRequest"},
        {"x-amz-checksum-crc32c: Nks/tw==\r\n", NULL, 200, NULL},
        {"x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n", NULL, 200, NULL},
        {"x-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n", NULL, 200,
         NULL},
        {"x-amz-trailer: x-amz-checksum-crc32\r\n", NULL, 400, "InvalidRequest"},
    };
    struct server *s = server_with_bucket(NULL);

    T_CASES (row, rows) {
        struct call_args args = {.method = "PUT",
                                 .target = "/bucket/key",
                                 .fields = row->fields,
                                 .payload = row->payload,
                                 .body = "abc",
                                 .body_bytes = 3};

        expect(s, &args, row->status, row->code);
    }
    server_stop(s);
}

T(s3_auth, what_was_refused_is_not_visible)
{
    struct call_args put = {.method = "PUT",
                            .target = "/bucket/key",
                            .fields = "content-md5: kAFQmDzST7DWlj99KOF/cA==\r\n",
                            .body = "abc",
                            .body_bytes = 3};
    struct call_args get = {.method = "GET", .target = "/bucket/key"};
    struct server *s = server_with_bucket(NULL);

    expect(s, &put, 400, "BadDigest");
    expect(s, &get, 404, "NoSuchKey");
    server_stop(s);
}

/* --- aws-chunked --- */

enum { CHUNK = 64 * 1024 };

/* How a chunked body is made wrong. */
enum wrong { RIGHT, WRONG_DATA, WRONG_SIGNATURE, NO_LAST, TOO_SHORT, WRONG_TRAILER, NO_TRAILER };

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
    len = snprintf(line, sizeof(line), "x-amz-checksum-crc32:%s\n", text);
    if (chain)
        sign_chunk(chain, true, line, (size_t)len, hex);
    if (wrong == NO_TRAILER)
        return;
    wr_raw(w, line, (size_t)len - 1);
    wr_raw(w, "\r\n", 2);
    if (chain) {
        len = snprintf(line, sizeof(line), "x-amz-trailer-signature:%s\r\n", hex);
        wr_raw(w, line, (size_t)len);
    }
}

static const char *const payloads[] = {
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
};

/* PUT `bytes` in chunks; the last but one of them (or the trailer) is made wrong. */
static void put_chunked(struct server *s, int kind, size_t bytes, enum wrong wrong,
                        struct response *out)
{
    bool is_signed = kind != 2, trailer = kind != 0;
    struct sigv4_chain chain;
    uint8_t *data = mem_zalloc(bytes + 1);
    char fields[256];
    AUTO(writer) head = {0}, body = {0};
    struct call_args args = {.method = "PUT",
                             .target = "/bucket/chunked",
                             .fields = fields,
                             .payload = payloads[kind],
                             .chain = &chain,
                             .no_length = true};
    int fd = server_connect(s);

    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i * 7 + i / 1000);
    (void)snprintf(fields, sizeof(fields),
                   "content-encoding: aws-chunked,gzip\r\nx-amz-decoded-content-length: %zu\r\n%s",
                   wrong == TOO_SHORT ? bytes + 1 : bytes,
                   trailer ? "x-amz-trailer: x-amz-checksum-crc32\r\n" : "");
    client_head(&args, &head);
    for (size_t at = 0; at < bytes; at += CHUNK) {
        bool last = bytes - at <= CHUNK;

        put_chunk(&body, is_signed ? &chain : NULL, data + at, MIN(CHUNK, bytes - at),
                  last && wrong <= WRONG_SIGNATURE ? wrong : RIGHT);
    }
    if (wrong != NO_LAST) {
        put_chunk(&body, is_signed ? &chain : NULL, NULL, 0, RIGHT);
        if (trailer)
            put_trailer(&body, is_signed ? &chain : NULL, data, bytes, wrong);
        wr_raw(&body, "\r\n", 2);
    }
    head.len -= 2; /* the empty line comes later */
    (void)snprintf(fields, sizeof(fields), "Content-Length: %zu\r\n\r\n", body.len);
    client_send(fd, head.data, head.len);
    client_send_text(fd, fields);
    client_send(fd, body.data, body.len);
    client_receive(fd, false, out);
    close(fd);
    mem_free(data);
}

T(s3_auth, bodies_in_chunks_are_unwrapped_and_verified)
{
    static const size_t sizes[] = {0, 1, 1000, CHUNK, CHUNK + 1, 300 * 1024, 1024 * 1024};
    struct fake_knobs knobs = {.window_bytes = 200 * 1024};
    struct server *s = server_with_bucket(&knobs);
    struct call_args get = {.method = "GET", .target = "/bucket/chunked"};

    for (int kind = 0; kind < 3; kind++)
        T_CASES (row, sizes) {
            struct response r;

            put_chunked(s, kind, *row, RIGHT, &r);
            T_EQ(r.status, 200);
            response_fini(&r);
            T_EQ(client_once(s, &get, &r), 200);
            T_EQ(r.body_bytes, *row);
            for (size_t i = 0; i < *row; i++)
                T_EQ(r.body[i], (uint8_t)(i * 7 + i / 1000));
            T_STR_EQ(response_field(&r, "content-encoding"), "gzip");
            response_fini(&r);
        }
    server_stop(s);
}

T(s3_auth, a_chunked_body_that_was_touched_is_refused)
{
    static const struct {
        int kind;
        enum wrong wrong;
        unsigned status;
        const char *code;
    } rows[] = {
        {0, WRONG_DATA, 403, "SignatureDoesNotMatch"},
        {0, WRONG_SIGNATURE, 403, "SignatureDoesNotMatch"},
        {0, NO_LAST, 400, "IncompleteBody"},
        {0, TOO_SHORT, 400, "IncompleteBody"},
        {1, WRONG_DATA, 403, "SignatureDoesNotMatch"},
        {1, WRONG_TRAILER, 400, "BadDigest"},
        {1, NO_TRAILER, 400, "MalformedTrailerError"},
        {2, WRONG_DATA, 400, "BadDigest"},
        {2, WRONG_TRAILER, 400, "BadDigest"},
        {2, NO_TRAILER, 400, "MalformedTrailerError"},
        {2, NO_LAST, 400, "IncompleteBody"},
    };
    static const size_t sizes[] = {100, 400 * 1024};
    struct call_args get = {.method = "GET", .target = "/bucket/chunked"};
    struct server *s = server_with_bucket(NULL);

    T_CASES (row, rows)
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            struct response r;

            put_chunked(s, row->kind, sizes[i], row->wrong, &r);
            T_EQ(r.status, row->status);
            T_STR_EQ(response_xml(&r, "Code"), row->code);
            response_fini(&r);
            expect(s, &get, 404, "NoSuchKey");
        }
    server_stop(s);
}
