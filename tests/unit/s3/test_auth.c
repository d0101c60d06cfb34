/* test_auth.c - who may ask, over the wire: refusals of signatures, dates, keys and bodies. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

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
        {{.method = "GET", .target = "/", .key = FAKE_SUSPENDED_KEY}, 403, "AccessDenied"},
        {{.method = "GET", .target = "/", .key = FAKE_SUSPENDED_KEY, .secret = "guessed"},
         403,
         "SignatureDoesNotMatch"}, /* whoever has no secret learns nothing */
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
        {{.method = "GET", .target = "/?X-Amz-Signature=1"}, 400, "InvalidArgument"},
        {{.method = "GET", .target = "/?Signature=1"}, 400, "InvalidArgument"},
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
    static const struct call_args make = {.method = "PUT", .target = "/bucket"};
    struct server *s = server_start(NULL, NULL);
    int fd = server_connect(s);
    struct response r;

    T_EQ(client_once(s, &make, &r), 200);
    response_fini(&r);
    client_send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client_receive(fd, false, &r);
    T_EQ(r.status, 403);
    T_STR_EQ(response_xml(&r, "Code"), "AccessDenied");
    response_fini(&r);
    client_send_text(fd, "HEAD /bucket HTTP/1.1\r\nHost: a\r\n\r\n");
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
        {"x-amz-checksum-crc32: NSRBw\r\n", NULL, 400, "InvalidRequest"},
        {"x-amz-checksum-crc32: NSRBwg==\r\nx-amz-checksum-crc32c: Nks/tw==\r\n", NULL, 400,
         "InvalidRequest"},
        {"x-amz-checksum-crc32c: Nks/tw==\r\n", NULL, 200, NULL},
        {"x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n", NULL, 200, NULL},
        {"x-amz-checksum-sha256: ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n", NULL, 200,
         NULL},
        {"x-amz-checksum-crc64nvme: BeXKuz/B+us=\r\n", NULL, 200, NULL},
        {"x-amz-checksum-crc64nvme: BeXKuz/B+uo=\r\n", NULL, 400, "BadDigest"},
        {"x-amz-trailer: x-amz-checksum-crc32\r\n", NULL, 400, "InvalidRequest"},
        {"x-amz-checksum-crc32: NSRBwg==\r\nx-amz-sdk-checksum-algorithm: CRC32\r\n", NULL, 200,
         NULL},
        {"x-amz-checksum-crc32: NSRBwg==\r\nx-amz-sdk-checksum-algorithm: SHA1\r\n", NULL, 400,
         "BadDigest"},
        {"x-amz-checksum-crc32: NSRBwg==\r\nx-amz-sdk-checksum-algorithm: CRC99\r\n", NULL, 400,
         "InvalidRequest"},
        {"x-amz-sdk-checksum-algorithm: CRC32\r\n", NULL, 400, "InvalidRequest"},
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
