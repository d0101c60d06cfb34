/* test_route.c - what a request may say beyond its operation: arguments that mean nothing, plus
 * signs, whom it believes to own a bucket, checksums that S3 has and we have not; over a real
 * socket and the fake bucket layer, whose buckets are all alice's. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

struct row {
    const char *method, *target, *fields, *body;
    unsigned status;
    const char *code;
};

static void expect(struct server *s, const struct row *row)
{
    struct response r = client_text(s, row->method, row->target, row->fields, row->body);

    T_EQ(r.status, row->status);
    if (row->code)
        T_STR_EQ(response_xml(&r, "Code"), row->code);
    response_fini(&r);
}

static struct server *server_with_key(void)
{
    struct server *s = server_with_bucket(NULL);

    expect(s, &(struct row){"PUT", "/bucket/key", NULL, "abc", 200, NULL});
    return s;
}

/* The answer to a request without a signature, with a field or NULL. */
static unsigned nobody(struct server *s, const char *method, const char *target, const char *field)
{
    int fd = server_connect(s);
    char head[1024];
    struct response r;
    unsigned status;

    (void)snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target,
                   field ? field : "");
    client_send_text(fd, head);
    client_receive(fd, strcmp(method, "HEAD") == 0, &r);
    if (strcmp(method, "HEAD") == 0)
        T_EQ(response_field(&r, "x-amz-tagging-count"), NULL);
    status = r.status;
    response_fini(&r);
    close(fd);
    return status;
}

T(s3_route, a_read_ignores_what_means_nothing_in_s3)
{
    static const struct row rows[] = {
        {"GET", "/bucket/key?v=2", NULL, NULL, 200, NULL},
        {"GET", "/bucket/key?utm_source=a&v=2&v=3&=", NULL, NULL, 200, NULL},
        {"HEAD", "/bucket/key?1234", NULL, NULL, 200, NULL},
        {"GET", "/bucket/key?torrent", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket/key?retention&v=2", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket/key?legal-hold", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket/key?X-Amz-Something=1", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket/key?response-something=1", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket/key?tagging&v=2", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket?v=2", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket?list-type=2&metadata=true&marker=z", NULL, NULL, 200, NULL},
        {"GET", "/bucket?Version=2006-03-01&prefix=a", NULL, NULL, 200, NULL},
        {"GET", "/bucket?Version=2012-01-01", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket?list-type=2&versions", NULL, NULL, 501, "NotImplemented"},
        {"GET", "/bucket?list-type=2&prefix=a&prefix=b", NULL, NULL, 400, "InvalidArgument"},
        {"PUT", "/bucket/new?v=2", NULL, "abc", 501, "NotImplemented"},
        {"GET", "/bucket/new", NULL, NULL, 404, "NoSuchKey"},
        /* S3 keeps these for its log, whatever the operation. */
        {"GET", "/bucket?x-user=anna&list-type=2", NULL, NULL, 200, NULL},
        {"PUT", "/bucket/new?x-user=anna", NULL, "abc", 200, NULL},
        {"DELETE", "/bucket/new?x-user=anna", NULL, NULL, 204, NULL},
        {"DELETE", "/bucket/key?x-amz-user=anna", NULL, NULL, 501, "NotImplemented"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect(s, row);
    server_stop(s);
}

T(s3_route, what_is_not_implemented_is_named)
{
    static const struct {
        const char *method, *target, *fields, *name;
    } rows[] = {
        {"GET", "/bucket?inventory", NULL, "inventory"},
        {"GET", "/bucket/key?versionId=3", NULL, "versionId"},
        {"GET", "/bucket/key", "x-amz-something-new: 1\r\n", "x-amz-something-new"},
        {"GET", "/bucket/key", "x-amz-meta-a: b\r\n", "x-amz-meta-a"},
        {"POST", "/bucket/key?uploads", "x-amz-storage-class: GLACIER\r\n", "x-amz-storage-class"},
        {"DELETE", "/bucket/key", "if-none-match: *\r\n", "if-none-match"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows) {
        struct response r = client_text(s, row->method, row->target, row->fields, NULL);

        T_EQ(r.status, 501);
        T_TRUE(strstr(response_xml(&r, "Message"), row->name) != NULL);
        response_fini(&r);
    }
    server_stop(s);
}

T(s3_route, in_a_query_a_plus_sign_is_a_blank)
{
    struct server *s = server_with_key();
    struct response r =
        client_text(s, "GET", "/bucket/key?response-content-disposition=a+b%2Bc%20d", NULL, NULL);

    T_EQ(r.status, 200);
    T_STR_EQ(response_field(&r, "content-disposition"), "a b+c d");
    response_fini(&r);
    expect(s, &(struct row){"PUT", "/bucket/a+b", NULL, "plus", 200, NULL});
    expect(s, &(struct row){"GET", "/bucket/a%2Bb", NULL, NULL, 200, NULL}); /* a path has none */
    r = client_text(s, "GET", "/bucket?prefix=a%2Bb&start-after=a+b&list-type=2", NULL, NULL);
    T_STR_EQ(response_xml(&r, "Key"), "a+b");
    T_STR_EQ(response_xml(&r, "StartAfter"), "a b");
    response_fini(&r);
    server_stop(s);
}

T(s3_route, what_an_sdk_could_take_is_no_demand)
{
    static const struct row rows[] = {
        {"GET", "/bucket/key", "x-amz-te: append-md5\r\n", NULL, 200, NULL},
        {"GET", "/bucket/key", "x-amz-te: append-sha1\r\n", NULL, 501, "NotImplemented"},
        {"PUT", "/bucket/key", "x-amz-te: append-md5\r\n", "new", 501, "NotImplemented"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect(s, row);
    server_stop(s);
}

T(s3_route, a_request_for_a_bucket_of_somebody_else_does_nothing)
{
    static const struct row rows[] = {
        {"GET", "/bucket/key", "x-amz-expected-bucket-owner: alice\r\n", NULL, 200, NULL},
        {"GET", "/bucket/key", "x-amz-expected-bucket-owner: bob\r\n", NULL, 403, "AccessDenied"},
        {"PUT", "/bucket/key", "x-amz-expected-bucket-owner: bob\r\n", "new", 403, "AccessDenied"},
        {"DELETE", "/bucket/key", "x-amz-expected-bucket-owner: bob\r\n", NULL, 403, NULL},
        {"GET", "/none/key", "x-amz-expected-bucket-owner: bob\r\n", NULL, 404, "NoSuchBucket"},
        {"PUT", "/bucket/copy",
         "x-amz-copy-source: bucket/key\r\nx-amz-source-expected-bucket-owner: bob\r\n", NULL, 403,
         "AccessDenied"},
        {"PUT", "/bucket/copy",
         "x-amz-copy-source: none/key\r\nx-amz-source-expected-bucket-owner: bob\r\n", NULL, 404,
         "NoSuchBucket"},
        {"GET", "/bucket/copy", NULL, NULL, 404, "NoSuchKey"},
        {"PUT", "/bucket/copy",
         "x-amz-copy-source: bucket/key\r\nx-amz-source-expected-bucket-owner: alice\r\n", NULL,
         200, NULL},
        {"GET", "/bucket/copy", "x-amz-source-expected-bucket-owner: alice\r\n", NULL, 501, NULL},
        {"PUT", "/bucket/key", "x-amz-acl: public-read\r\n", "abc", 200, NULL},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect(s, row);
    /* It is about the bucket, not about who asks. */
    T_EQ(nobody(s, "GET", "/bucket/key", "x-amz-expected-bucket-owner: alice\r\n"), 200);
    T_EQ(nobody(s, "GET", "/bucket/key", "x-amz-expected-bucket-owner: *\r\n"), 403);
    server_stop(s);
}

T(s3_route, who_may_read_an_object_may_not_read_its_tags)
{
    static const struct row put = {
        "PUT", "/bucket/key", "x-amz-acl: public-read\r\nx-amz-tagging: a=b\r\n", "abc", 200, NULL};
    struct server *s = server_with_key();
    struct response r;

    expect(s, &put);
    T_EQ(nobody(s, "GET", "/bucket/key", NULL), 200);
    T_EQ(nobody(s, "HEAD", "/bucket/key", NULL), 200);
    T_EQ(nobody(s, "GET", "/bucket/key?tagging", NULL), 403);
    T_EQ(nobody(s, "GET", "/bucket/key?acl", NULL), 403);
    T_EQ(nobody(s, "GET", "/bucket/key?attributes", "x-amz-object-attributes: ETag\r\n"), 403);
    r = client_text(s, "HEAD", "/bucket/key", NULL, NULL);
    T_STR_EQ(response_field(&r, "x-amz-tagging-count"), "1");
    response_fini(&r);
    server_stop(s);
}

T(s3_route, checksums_that_s3_has_and_we_have_not_are_told_so_everywhere)
{
    static const char *const names[] = {"SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"};
    static const struct {
        const char *method, *target, *fields; /* with %s for the name */
        const char *payload, *body;
    } rows[] = {
        {"PUT", "/bucket/new", "x-amz-checksum-%s: AAAA\r\n", NULL, "abc"},
        {"PUT", "/bucket/new", "x-amz-sdk-checksum-algorithm: %s\r\n", NULL, "abc"},
        {"PUT", "/bucket/new",
         "x-amz-decoded-content-length: 3\r\nx-amz-trailer: x-amz-checksum-%s\r\n",
         "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "3\r\nabc\r\n0\r\n\r\n"},
        {"PUT", "/bucket/new", "x-amz-checksum-algorithm: %s\r\nx-amz-copy-source: bucket/key\r\n",
         NULL, NULL},
        {"POST", "/bucket/new?uploads", "x-amz-checksum-algorithm: %s\r\n", NULL, NULL},
        {"POST", "/bucket/new?uploadId=1", "x-amz-checksum-%s: AAAA\r\n", NULL, "<"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows) {
        for (size_t i = 0; i < ARRAY_LEN(names); i++) {
            char fields[256];
            struct call_args args = {.method = row->method,
                                     .target = row->target,
                                     .fields = fields,
                                     .payload = row->payload,
                                     .body = row->body,
                                     .body_bytes = row->body ? strlen(row->body) : 0};
            struct response r;

            (void)snprintf(fields, sizeof(fields), row->fields, names[i]);
            for (char *at = strstr(fields, "x-amz-checksum-"); at && *at > '\r' && *at != ':'; at++)
                if (*at >= 'A' && *at <= 'Z') /* names of fields are compared in lower case */
                    *at = (char)(*at + 32);
            T_EQ(client_once(s, &args, &r), 501);
            T_STR_EQ(response_xml(&r, "Code"), "NotImplemented");
            response_fini(&r);
        }
    }
    expect(s, &(struct row){"POST", "/bucket/new?uploadId=1", NULL,
                            "<CompleteMultipartUpload><Part><ChecksumXXHASH3>A</ChecksumXXHASH3>"
                            "</Part></CompleteMultipartUpload>",
                            501, "NotImplemented"});
    expect(s, &(struct row){"GET", "/bucket/new", NULL, NULL, 404, "NoSuchKey"});
    server_stop(s);
}

T(s3_route, buckets_are_listed_by_pages)
{
    static const struct {
        const char *target, *first, *last, *token; /* names; NULL: none */
        unsigned status;
    } rows[] = {
        {"/", "buck-1", "other", NULL, 200},
        {"/?max-buckets=4", "buck-1", "other", NULL, 200},
        {"/?max-buckets=1", "buck-1", "buck-1", "6275636b2d31", 200},
        {"/?max-buckets=1&continuation-token=6275636b2d31", "buck-2", "buck-2", "6275636b2d32",
         200},
        {"/?continuation-token=6275636b2d32", "bucket", "other", NULL, 200},
        {"/?prefix=buck-", "buck-1", "buck-2", NULL, 200},
        {"/?prefix=buck-&max-buckets=2", "buck-1", "buck-2", NULL, 200},
        {"/?prefix=none", NULL, NULL, NULL, 200},
        {"/?bucket-region=us-east-1&prefix=o", "other", "other", NULL, 200},
        {"/?bucket-region=eu-west-1", NULL, NULL, NULL, 200},
        {"/?max-buckets=0", NULL, NULL, NULL, 400},
        {"/?max-buckets=10001", NULL, NULL, NULL, 400},
        {"/?continuation-token=x", NULL, NULL, NULL, 400},
        {"/?delimiter=x", NULL, NULL, NULL, 501},
    };
    static const char *const names[] = {"/buck-1", "/buck-2", "/bucket", "/other"};
    struct server *s = server_start(NULL, NULL);

    T_CASES (name, names)
        expect(s, &(struct row){"PUT", *name, NULL, NULL, 200, NULL});
    T_CASES (row, rows) {
        struct response r = client_text(s, "GET", row->target, NULL, NULL);
        char last[64];

        (void)snprintf(last, sizeof(last), "<Name>%s</Name>", row->last ? row->last : "");
        T_EQ(r.status, row->status);
        if (row->first)
            T_STR_EQ(response_xml(&r, "Name"), row->first);
        else
            T_EQ(response_xml(&r, "Name"), NULL);
        if (row->last)
            T_EQ(strstr(strstr((char *)r.body, last) + strlen(last), "<Name>"), NULL);
        if (row->token)
            T_STR_EQ(response_xml(&r, "ContinuationToken"), row->token);
        else
            T_EQ(response_xml(&r, "ContinuationToken"), NULL);
        response_fini(&r);
    }
    server_stop(s);
}

T(s3_route, a_marker_of_uploads_counts_only_behind_its_key)
{
    static const struct row rows[] = {
        {"GET", "/bucket?uploads&upload-id-marker=x", NULL, NULL, 200, NULL},
        {"GET", "/bucket?uploads&upload-id-marker=x&key-marker=", NULL, NULL, 200, NULL},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect(s, row);
    server_stop(s);
}

T(s3_route, what_is_wrong_with_an_argument_is_said)
{
    static const struct row rows[] = {
        {"GET", "/bucket?max-keys=x", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket?encoding-type=x", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket?list-type=1", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket?list-type=2&continuation-token=x", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket?prefix=a&prefix=b", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket?uploads&max-uploads=-1", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket?uploads&encoding-type=x", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket/key?partNumber=0", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket/key?partNumber=1", "range: bytes=0-1\r\n", NULL, 400, "InvalidRequest"},
        {"GET", "/bucket/key?response-expires=%0A", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket/key?attributes", NULL, NULL, 400, "InvalidArgument"},
        {"GET", "/bucket/key?attributes", "x-amz-max-parts: x\r\nx-amz-object-attributes: ETag\r\n",
         NULL, 400, "InvalidArgument"},
        {"GET", "/bucket/key", NULL, "body", 400, "InvalidRequest"},
        {"PUT", "/bucket/key?uploadId=1&partNumber=10001", NULL, "x", 400, "InvalidArgument"},
        {"PUT", "/bucket/new", "x-amz-copy-source: bucket\r\n", NULL, 400, "InvalidArgument"},
        {"PUT", "/bucket/new",
         "x-amz-copy-source: bucket/key\r\nx-amz-metadata-directive: MAYBE\r\n", NULL, 400,
         "InvalidArgument"},
        {"PUT", "/bucket/new", "x-amz-decoded-content-length: 3\r\n", "abc", 400,
         "InvalidArgument"},
        {"PUT", "/bucket/new", "x-amz-tagging: %\r\n", "abc", 400, "InvalidArgument"},
        {"POST", "/bucket/new?uploadId=1", "x-amz-mp-object-size: x\r\n", "<", 400,
         "InvalidRequest"},
        {"POST", "/bucket/new?uploads", "x-amz-checksum-algorithm: CRC\r\n", NULL, 400,
         "InvalidRequest"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows) {
        struct response r = client_text(s, row->method, row->target, row->fields, row->body);

        T_EQ(r.status, row->status);
        T_STR_EQ(response_xml(&r, "Code"), row->code);
        T_TRUE(strcmp(response_xml(&r, "Message"), "Invalid argument.") != 0);
        T_TRUE(strcmp(response_xml(&r, "Message"), "Invalid request.") != 0);
        response_fini(&r);
    }
    server_stop(s);
}

T(s3_route, a_copys_source_is_decoded_as_a_whole)
{
    static const struct row rows[] = {
        {"PUT", "/bucket/a%20b%2Fc", NULL, "abc", 200, NULL},
        {"PUT", "/bucket/copy", "x-amz-copy-source: bucket/a%20b/c\r\n", NULL, 200, NULL},
        {"PUT", "/bucket/copy", "x-amz-copy-source: /bucket/a%20b/c\r\n", NULL, 200, NULL},
        {"PUT", "/bucket/copy", "x-amz-copy-source: bucket%2Fa%20b%2Fc\r\n", NULL, 200, NULL},
        {"PUT", "/bucket/copy", "x-amz-copy-source: %2Fbucket%2Fa%20b/c?versionId=null\r\n", NULL,
         200, NULL},
        {"PUT", "/bucket/copy", "x-amz-copy-source: bucket/a%20b%2Fc%3FversionId=null\r\n", NULL,
         404, "NoSuchKey"},
        {"PUT", "/bucket/copy", "x-amz-copy-source: bucket//a%20b/c\r\n", NULL, 404, "NoSuchKey"},
        {"PUT", "/bucket/copy", "x-amz-copy-source: bucket%2F\r\n", NULL, 400, "InvalidArgument"},
        {"PUT", "/bucket/copy", "x-amz-copy-source: bucket/%\r\n", NULL, 400, "InvalidArgument"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect(s, row);
    server_stop(s);
}
