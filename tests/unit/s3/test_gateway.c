/* test_gateway.c - the operations, over a real socket and the fake bucket layer. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

static struct response call(struct server *s, const char *method, const char *target,
                            const char *fields, const void *body, size_t bytes)
{
    struct call_args args = {
        .method = method, .target = target, .fields = fields, .body = body, .body_bytes = bytes};
    struct response r;

    (void)client_once(s, &args, &r);
    return r;
}

/* Only the status, and the error's code if one is expected. */
static void expect(struct server *s, const char *method, const char *target, const char *fields,
                   const char *body, unsigned status, const char *code)
{
    struct response r = call(s, method, target, fields, body, body ? strlen(body) : 0);

    T_EQ(r.status, status);
    if (code)
        T_STR_EQ(response_xml(&r, "Code"), code);
    response_fini(&r);
}

/* --- objects --- */

T(s3_gateway, what_was_put_is_got_whatever_its_size)
{
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 262144, 262145, 3000000};
    static uint8_t body[3000000];
    struct fake_knobs knobs = {.window_bytes = 300 * 1024, .piece_bytes = 70 * 1000};
    struct server *s = server_with_bucket(&knobs);

    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 31 + i / 4096);
    T_CASES (row, sizes) {
        struct response r = call(s, "PUT", "/bucket/a/b", NULL, body, *row);
        char length[32];

        T_EQ(r.status, 200);
        response_fini(&r);
        r = call(s, "GET", "/bucket/a/b", NULL, NULL, 0);
        T_EQ(r.status, 200);
        T_EQ(r.body_bytes, *row);
        T_MEM_EQ(r.body, body, *row);
        response_fini(&r);
        r = call(s, "HEAD", "/bucket/a/b", NULL, NULL, 0);
        (void)snprintf(length, sizeof(length), "%zu", *row);
        T_EQ(r.status, 200);
        T_STR_EQ(response_field(&r, "content-length"), length);
        response_fini(&r);
    }
    server_stop(s);
}

T(s3_gateway, requests_beyond_the_bound_are_told_to_slow_down_and_others_go_on)
{
    enum { MOST = 4 };
    struct fake_knobs knobs = {.requests_max = MOST};
    struct server *s = server_with_bucket(&knobs);
    struct call_args put = {.method = "PUT", .target = "/bucket/a", .body = "abc", .body_bytes = 3};
    struct writer head = {0};
    struct response r;
    int fd[MOST];

    client_head(&put, &head);
    for (unsigned i = 0; i < MOST; i++) { /* they hold their places: no body comes */
        fd[i] = server_connect(s);
        client_send(fd[i], head.data, head.len);
    }
    T_TRUE(client_silent(fd[MOST - 1], 100));
    r = call(s, "GET", "/bucket/none", NULL, NULL, 0);
    T_EQ(r.status, 503);
    T_STR_EQ(response_xml(&r, "Code"), "SlowDown");
    response_fini(&r);
    for (unsigned i = 0; i < MOST; i++) {
        client_send_text(fd[i], "abc");
        client_receive(fd[i], false, &r);
        T_EQ(r.status, 200);
        response_fini(&r);
        close(fd[i]);
    }
    expect(s, "GET", "/bucket/a", NULL, NULL, 200, NULL);
    writer_fini(&head);
    server_stop(s);
}

T(s3_gateway, what_passes_a_quota_is_refused_with_the_code_that_clients_know)
{
    struct fake_knobs knobs = {.quota_bytes = 3};
    struct server *s = server_with_bucket(&knobs);

    expect(s, "PUT", "/bucket/a", NULL, "abc", 200, NULL);
    expect(s, "PUT", "/bucket/b", NULL, "abcd", 403, "QuotaExceeded");
    expect(s, "GET", "/bucket/b", NULL, NULL, 404, "NoSuchKey");
    expect(s, "PUT", "/bucket/c", "x-amz-copy-source: /bucket/a\r\n", NULL, 200, NULL);
    server_stop(s);
}

T(s3_gateway, headers_and_metadata_come_back)
{
    static const char fields[] = "cache-control: max-age=3\r\n"
                                 "content-disposition: attachment\r\n"
                                 "content-encoding: gzip\r\n"
                                 "content-language: de\r\n"
                                 "content-type: text/x\r\n"
                                 "expires: never\r\n"
                                 "x-amz-meta-one: 1  2\r\n"
                                 "x-amz-meta-two: \303\274\r\n"
                                 "x-amz-meta-three: \r\n"
                                 "x-amz-meta-four: 1\t2\r\n";
    struct server *s = server_with_bucket(NULL);
    struct response r = call(s, "PUT", "/bucket/key", fields, "abc", 3);

    T_EQ(r.status, 200);
    T_STR_EQ(response_field(&r, "etag"), "\"900150983cd24fb0d6963f7d28e17f72\"");
    response_fini(&r);
    r = call(s, "GET", "/bucket/key", NULL, NULL, 0);
    T_STR_EQ(response_field(&r, "cache-control"), "max-age=3");
    T_STR_EQ(response_field(&r, "content-disposition"), "attachment");
    T_STR_EQ(response_field(&r, "content-encoding"), "gzip");
    T_STR_EQ(response_field(&r, "content-language"), "de");
    T_STR_EQ(response_field(&r, "content-type"), "text/x");
    T_STR_EQ(response_field(&r, "expires"), "never");
    T_STR_EQ(response_field(&r, "x-amz-meta-one"), "1  2");
    T_STR_EQ(response_field(&r, "x-amz-meta-two"), "\303\274");
    T_STR_EQ(response_field(&r, "x-amz-meta-three"), " ");
    T_STR_EQ(response_field(&r, "x-amz-meta-four"), "1 2");
    T_STR_EQ(response_field(&r, "etag"), "\"900150983cd24fb0d6963f7d28e17f72\"");
    T_STR_EQ(response_field(&r, "accept-ranges"), "bytes");
    T_NE(response_field(&r, "last-modified"), NULL);
    response_fini(&r);
    r = call(s, "GET", "/bucket/key?response-content-type=a%2Fb", NULL, NULL, 0);
    T_STR_EQ(response_field(&r, "content-type"), "a/b");
    response_fini(&r);
    r = call(s, "PUT", "/bucket/key", "content-type: \r\n", "abc", 3); /* says nothing */
    response_fini(&r);
    r = call(s, "GET", "/bucket/key", NULL, NULL, 0);
    T_STR_EQ(response_field(&r, "content-type"), "binary/octet-stream");
    response_fini(&r);
    expect(s, "GET", "/bucket/key?response-content-type=a%0d%0aX:%20y", NULL, NULL, 400,
           "InvalidArgument");
    expect(s, "GET", "/bucket/none", NULL, NULL, 404, "NoSuchKey");
    expect(s, "GET", "/nobucket/key", NULL, NULL, 404, "NoSuchBucket");
    server_stop(s);
}

T(s3_gateway, a_range_is_answered_with_just_that_part)
{
    static const struct {
        const char *range, *content_range, *body;
        unsigned status;
    } rows[] = {
        {"range: bytes=2-4\r\n", "bytes 2-4/10", "234", 206},
        {"range: bytes=-2\r\n", "bytes 8-9/10", "89", 206},
        {"range: bytes=0-\r\n", "bytes 0-9/10", "0123456789", 206},
        {"range: bytes=10-\r\n", "bytes */10", NULL, 416},
        {"range: bytes=x\r\n", NULL, "0123456789", 200},
        {"range: bytes=3-1\r\n", NULL, "0123456789", 200},
        {"range: bytes=0-1,3-4\r\n", NULL, "0123456789", 200}, /* S3 gives no multipart answers */
        {"range: lines=1-2\r\n", NULL, "0123456789", 200},
    };
    struct fake_knobs knobs = {.piece_bytes = 2};
    struct server *s = server_with_bucket(&knobs);

    expect(s, "PUT", "/bucket/key", NULL, "0123456789", 200, NULL);
    T_CASES (row, rows) {
        struct response r = call(s, "GET", "/bucket/key", row->range, NULL, 0);

        T_EQ(r.status, row->status);
        T_STR_EQ(response_field(&r, "content-range"), row->content_range);
        if (row->body)
            T_STR_EQ((char *)r.body, row->body);
        response_fini(&r);
    }
    server_stop(s);
}

T(s3_gateway, conditions_decide_between_200_304_and_412)
{
#define ETAG "\"900150983cd24fb0d6963f7d28e17f72\""
    static const struct {
        const char *fields;
        unsigned status;
    } rows[] = {
        {"if-match: " ETAG "\r\n", 200},
        {"if-match: \"x\"\r\n", 412},
        {"if-none-match: " ETAG "\r\n", 304},
        {"if-none-match: \"x\"\r\n", 200},
        {"if-modified-since: Sun, 30 Aug 2015 12:36:00 GMT\r\n", 200},
        {"if-modified-since: Sun, 30 Aug 2099 12:36:00 GMT\r\n", 304},
        {"if-modified-since: Mon, 30 Aug 2099 12:36:00 GMT\r\n", 200}, /* no such day */
        {"if-unmodified-since: Sun, 30 Aug 2015 12:36:00 GMT\r\n", 412},
    };
    struct server *s = server_with_bucket(NULL);
    struct response r;

    expect(s, "PUT", "/bucket/key", NULL, "abc", 200, NULL);
    T_CASES (row, rows) {
        expect(s, "GET", "/bucket/key", row->fields, NULL, row->status, NULL);
        expect(s, "HEAD", "/bucket/key", row->fields, NULL, row->status, NULL);
    }
    r = call(s, "GET", "/bucket/key", "if-none-match: *\r\n", NULL, 0);
    T_EQ(r.status, 304);
    T_STR_EQ(response_field(&r, "etag"), ETAG);
    response_fini(&r);
    expect(s, "PUT", "/bucket/key", "if-none-match: *\r\n", "abc", 412, "PreconditionFailed");
    expect(s, "PUT", "/bucket/new", "if-none-match: *\r\n", "abc", 200, NULL);
    expect(s, "PUT", "/bucket/key", "if-match: " ETAG "\r\n", "abc", 200, NULL);
    server_stop(s);
}

T(s3_gateway, keys_are_taken_as_they_were_sent)
{
    static const char *const targets[] = {
        "/bucket/a//b",   "/bucket//a",       "/bucket/a/../b", "/bucket/./a", "/bucket/a%20b",
        "/bucket/a+b",    "/bucket/%2e%2e",   "/bucket/a%3Fb",  "/bucket/%25", "/bucket/a/",
        "/bucket/%C3%BC", "/bucket/a%0Ab%01", "/bucket/a%26b;",
    };
    struct server *s = server_with_bucket(NULL);
    char count[8];
    struct response r;

    T_CASES (row, targets)
        expect(s, "PUT", *row, NULL, *row, 200, NULL);
    T_CASES (row, targets) {
        r = call(s, "GET", *row, NULL, NULL, 0);
        T_STR_EQ((char *)r.body, *row);
        response_fini(&r);
    }
    r = call(s, "GET", "/bucket?list-type=2", NULL, NULL, 0);
    (void)snprintf(count, sizeof(count), "%zu", ARRAY_LEN(targets));
    T_STR_EQ(response_xml(&r, "KeyCount"), count); /* no two were the same */
    response_fini(&r);
    server_stop(s);
}

T(s3_gateway, a_bucket_may_be_named_by_the_host)
{
    struct server *s = server_start(NULL, "s3.example.org");
    struct response r;

    expect(s, "PUT", "/", "host: photos.s3.example.org:80\r\n", NULL, 200, NULL);
    expect(s, "PUT", "/a/b", "host: photos.s3.example.org\r\n", "abc", 200, NULL);
    r = call(s, "GET", "/photos/a/b", "host: s3.example.org\r\n", NULL, 0);
    T_STR_EQ((char *)r.body, "abc");
    response_fini(&r);
    expect(s, "GET", "/", "host: .s3.example.org\r\n", NULL, 200,
           NULL); /* no bucket: all of them */
    server_stop(s);
}

T(s3_gateway, objects_and_buckets_go_away)
{
    struct server *s = server_with_bucket(NULL);

    expect(s, "HEAD", "/bucket", NULL, NULL, 200, NULL);
    expect(s, "PUT", "/bucket/key", NULL, "abc", 200, NULL);
    expect(s, "DELETE", "/bucket", NULL, NULL, 409, "BucketNotEmpty");
    expect(s, "DELETE", "/bucket/key", NULL, NULL, 204, NULL);
    expect(s, "DELETE", "/bucket/key", NULL, NULL, 204, NULL);
    expect(s, "DELETE", "/bucket", NULL, NULL, 204, NULL);
    expect(s, "DELETE", "/bucket", NULL, NULL, 404, "NoSuchBucket");
    expect(s, "HEAD", "/bucket", NULL, NULL, 404, NULL);
    expect(s, "PUT", "/ab", NULL, NULL, 400, "InvalidBucketName");
    server_stop(s);
}

T(s3_gateway, failures_of_the_cluster_are_told_as_such)
{
    static const struct {
        int rc;
        unsigned status;
        const char *code;
    } rows[] = {
        {-ETIMEDOUT, 503, "ServiceUnavailable"}, {-EAGAIN, 503, "SlowDown"},
        {-R_DATA_LOST, 500, "InternalError"},    {-R_ENTITY_TOO_LARGE, 400, "EntityTooLarge"},
        {-R_DENIED, 403, "AccessDenied"},
    };

    T_CASES (row, rows) {
        struct fake_knobs at_commit = {.commit_rc = row->rc}, at_write = {.put_rc = row->rc};
        struct server *s = server_with_bucket(&at_commit);

        expect(s, "PUT", "/bucket/key", NULL, "abc", row->status, row->code);
        server_stop(s);
        if (row->rc == -EAGAIN) /* of a write it would mean: later */
            continue;
        s = server_with_bucket(&at_write);
        expect(s, "PUT", "/bucket/key", NULL, "abc", row->status, row->code);
        server_stop(s);
    }
}

/* --- what is understood --- */

T(s3_gateway, what_is_not_implemented_is_said_and_never_ignored)
{
    static const struct {
        const char *method, *target, *fields;
        unsigned status;
    } rows[] = {
        {"PUT", "/bucket/key", "x-amz-acl: public-read-write\r\n", 501},
        {"PUT", "/bucket/key", "x-amz-storage-class: GLACIER\r\n", 501},
        {"PUT", "/bucket/key", "x-amz-server-side-encryption: AES256\r\n", 501},
        {"PUT", "/bucket/key", "x-amz-object-lock-mode: GOVERNANCE\r\n", 501},
        {"PUT", "/bucket/key", "x-amz-grant-read: id=a\r\n", 501},
        {"PUT", "/bucket/key", "x-amz-website-redirect-location: /\r\n", 501},
        {"PUT", "/bucket/key", "x-amz-something-new: 1\r\n", 501},
        {"PUT", "/bucket/key?retention", NULL, 501},
        {"PUT", "/bucket/key?legal-hold", NULL, 501},
        {"PUT", "/bucket?versioning", NULL, 501},
        {"PUT", "/bucket", "x-amz-bucket-object-lock-enabled: true\r\n", 501},
        {"GET", "/bucket/key?versionId=abc", NULL, 501},
        {"GET", "/bucket/key?torrent", NULL, 501},
        {"GET", "/bucket?versions&list-type=2", NULL, 501},
        {"GET", "/bucket?inventory", NULL, 501},
        {"DELETE", "/bucket?inventory", NULL, 501},
        {"DELETE", "/bucket/key", "if-none-match: \"a\"\r\n", 501},
        {"GET", "/bucket/key", "x-amz-meta-a: b\r\n", 501},
        {"POST", "/bucket/key?restore", NULL, 501},
        {"PATCH", "/bucket/key", NULL, 405},
        {"GET", "/bucket?prefix=a&prefix=b", NULL, 400},
        {"PUT", "/bucket/key", "x-amz-expected-bucket-owner: bob\r\n", 403},
    };
    struct server *s = server_with_bucket(NULL);

    expect(s, "PUT", "/bucket/key", NULL, "abc", 200, NULL);
    T_CASES (row, rows)
        expect(s, row->method, row->target, row->fields, NULL, row->status, NULL);
    server_stop(s);
}

T(s3_gateway, what_clients_send_always_is_taken_when_it_says_what_we_do)
{
    static const struct {
        const char *method, *target, *fields;
        unsigned status;
        const char *code, *element, *value;
    } rows[] = {
        {"PUT", "/bucket/key",
         "x-amz-acl: private\r\nx-amz-expected-bucket-owner: alice\r\n"
         "x-amz-request-payer: requester\r\nx-amz-storage-class: STANDARD\r\n",
         200, NULL, NULL, NULL},
        {"PUT", "/other",
         "x-amz-acl: private\r\nx-amz-bucket-object-lock-enabled: false\r\n"
         "x-amz-object-ownership: BucketOwnerEnforced\r\n",
         200, NULL, NULL, NULL},
        {"GET", "/bucket/key?versionId=null&x-id=GetObject", "x-amz-checksum-mode: ENABLED\r\n",
         200, NULL, NULL, NULL},
        {"GET", "/bucket?location", NULL, 200, NULL, NULL, NULL},
        {"GET", "/bucket?acl", NULL, 200, NULL, "Permission", "FULL_CONTROL"},
        {"GET", "/bucket/key?acl", NULL, 200, NULL, "DisplayName", "alice"},
        {"GET", "/bucket/key?tagging", NULL, 200, NULL, NULL, NULL},
        {"GET", "/bucket?versioning", NULL, 200, NULL, NULL, NULL},
        {"GET", "/bucket?requestPayment", NULL, 200, NULL, "Payer", "BucketOwner"},
        {"GET", "/bucket?policy", NULL, 404, "NoSuchBucketPolicy", NULL, NULL},
        {"GET", "/bucket?lifecycle", NULL, 404, "NoSuchLifecycleConfiguration", NULL, NULL},
        {"GET", "/bucket?cors", NULL, 404, "NoSuchCORSConfiguration", NULL, NULL},
        {"GET", "/bucket?tagging", NULL, 404, "NoSuchTagSet", NULL, NULL},
        {"GET", "/none?policy", NULL, 404, "NoSuchBucket", NULL, NULL},
        {"GET", "/bucket/none?acl", NULL, 404, "NoSuchKey", NULL, NULL},
    };
    struct server *s = server_with_bucket(NULL);

    T_CASES (row, rows) {
        struct response r = call(s, row->method, row->target, row->fields, NULL, 0);

        T_EQ(r.status, row->status);
        if (row->code)
            T_STR_EQ(response_xml(&r, "Code"), row->code);
        if (row->element)
            T_STR_EQ(response_xml(&r, row->element), row->value);
        response_fini(&r);
    }
    server_stop(s);
}

T(s3_gateway, a_bucket_is_made_only_in_our_region)
{
    struct server *s = server_start(NULL, NULL);

#define CONF(x) "<CreateBucketConfiguration>" x "</CreateBucketConfiguration>"
    expect(s, "PUT", "/one", NULL, CONF("<LocationConstraint>us-east-1</LocationConstraint>"), 200,
           NULL);
    expect(s, "PUT", "/two", NULL, CONF("<LocationConstraint/>"), 200, NULL);
    expect(s, "PUT", "/six", NULL, CONF("<LocationConstraint>eu</LocationConstraint>"), 400,
           "IllegalLocationConstraintException");
    expect(s, "PUT", "/six", NULL, CONF("<Bucket><Type>Directory</Type></Bucket>"), 501,
           "NotImplemented");
    expect(s, "PUT", "/six", NULL, "<Other/>", 400, "MalformedXML");
    expect(s, "PUT", "/six", NULL, "<!DOCTYPE a>" CONF(""), 400, "MalformedXML");
    expect(s, "HEAD", "/six", NULL, NULL, 404, NULL);
    server_stop(s);
}

/* --- copies --- */

T(s3_gateway, a_copy_has_the_bytes_and_what_it_was_told_of_the_rest)
{
    static uint8_t body[1000000];
    struct fake_knobs knobs = {.window_bytes = 100 * 1000, .piece_bytes = 70 * 1000};
    struct server *s = server_with_bucket(&knobs);
    struct response r;

    memset(body, 'x', sizeof(body));
    r = call(s, "PUT", "/bucket/a%20b", "x-amz-meta-a: 1\r\n", body, sizeof(body));
    T_EQ(r.status, 200);
    response_fini(&r);
    r = call(s, "PUT", "/bucket/copy", "x-amz-copy-source: /bucket/a%20b\r\n", NULL, 0);
    T_EQ(r.status, 200);
    T_NE(response_xml(&r, "ETag"), NULL);
    response_fini(&r);
    r = call(s, "GET", "/bucket/copy", NULL, NULL, 0);
    T_EQ(r.body_bytes, sizeof(body));
    T_MEM_EQ(r.body, body, sizeof(body));
    T_STR_EQ(response_field(&r, "x-amz-meta-a"), "1");
    response_fini(&r);
    r = call(s, "PUT", "/bucket/copy",
             "x-amz-copy-source: bucket/copy\r\nx-amz-meta-b: 2\r\n"
             "x-amz-metadata-directive: REPLACE\r\n",
             NULL, 0);
    T_EQ(r.status, 200);
    response_fini(&r);
    r = call(s, "HEAD", "/bucket/copy", NULL, NULL, 0);
    T_EQ(response_field(&r, "x-amz-meta-a"), NULL);
    T_STR_EQ(response_field(&r, "x-amz-meta-b"), "2");
    response_fini(&r);
    expect(s, "PUT", "/bucket/copy", "x-amz-copy-source: bucket/copy\r\n", NULL, 400,
           "InvalidRequest");
    expect(s, "PUT", "/bucket/copy", "x-amz-copy-source: bucket/none\r\n", NULL, 404, "NoSuchKey");
    expect(s, "PUT", "/bucket/copy", "x-amz-copy-source: bucket\r\n", NULL, 400, "InvalidArgument");
    expect(s, "PUT", "/bucket/copy",
           "x-amz-copy-source: bucket/a%20b\r\nx-amz-copy-source-if-match: \"x\"\r\n", NULL, 412,
           "PreconditionFailed");
    server_stop(s);
}
