/* test_copy.c - copies of objects and of parts at the wire, over a real socket and the fake bucket
 * layer. */
#include <stdio.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

static void expect(struct server *s, const char *method, const char *target, const char *fields,
                   const char *body, unsigned status, const char *code)
{
    struct response r = client_text(s, method, target, fields, body);

    T_EQ(r.status, status);
    if (code)
        T_STR_EQ(response_xml(&r, "Code"), code);
    response_fini(&r);
}

/* An object of these bytes in a bucket. */
static struct server *server_with(const struct fake_knobs *knobs, const char *key,
                                  const char *fields)
{
    struct server *s = server_start(knobs, NULL);
    char target[64];

    (void)snprintf(target, sizeof(target), "/bucket/%s", key);
    expect(s, "PUT", "/bucket", NULL, NULL, 200, NULL);
    expect(s, "PUT", target, fields, "abc", 200, NULL);
    return s;
}

T(s3_copy, a_copy_takes_or_replaces_what_is_kept_as_it_is_told)
{
    struct server *s = server_with(NULL, "src", "x-amz-meta-a: 1\r\nx-amz-tagging: t=1\r\n");
    struct response r;

    r = client_text(s, "PUT", "/bucket/dst", "x-amz-copy-source: /bucket/src\r\n", NULL);
    T_EQ(r.status, 200);
    T_NE(response_xml(&r, "ChecksumCRC64NVME"), NULL);
    response_fini(&r);
    r = client_text(s, "HEAD", "/bucket/dst", NULL, NULL);
    T_STR_EQ(response_field(&r, "x-amz-meta-a"), "1");
    T_STR_EQ(response_field(&r, "x-amz-tagging-count"), "1");
    response_fini(&r);
    expect(s, "PUT", "/bucket/dst",
           "x-amz-checksum-algorithm: SHA1\r\nx-amz-copy-source: /bucket/src\r\n"
           "x-amz-meta-b: 2\r\nx-amz-metadata-directive: REPLACE\r\n"
           "x-amz-tagging: u=1&v=2\r\nx-amz-tagging-directive: REPLACE\r\n",
           NULL, 200, NULL);
    r = client_text(s, "HEAD", "/bucket/dst", "x-amz-checksum-mode: ENABLED\r\n", NULL);
    T_EQ(response_field(&r, "x-amz-meta-a"), NULL);
    T_STR_EQ(response_field(&r, "x-amz-meta-b"), "2");
    T_STR_EQ(response_field(&r, "x-amz-tagging-count"), "2");
    T_STR_EQ(response_field(&r, "x-amz-checksum-sha1"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
    response_fini(&r);
    expect(s, "PUT", "/bucket/src", "x-amz-copy-source: /bucket/src\r\n", NULL, 400,
           "InvalidRequest");
    expect(s, "PUT", "/bucket/src",
           "x-amz-copy-source: /bucket/src\r\nx-amz-metadata-directive: REPLACE\r\n", NULL, 200,
           NULL);
    r = client_text(s, "HEAD", "/bucket/src", NULL, NULL);
    T_EQ(response_field(&r, "x-amz-meta-a"), NULL);
    response_fini(&r);
    server_stop(s);
}

/* Bytes cannot be read there: what works shares them. */
T(s3_copy, a_copy_shares_its_sources_data_unless_the_bytes_are_wanted)
{
    static const struct fake_knobs knobs = {.share_from = 3, .piece_bytes = 1, .get_fails_at = 1};
    static const struct {
        const char *fields;
        unsigned status;
        const char *code;
    } rows[] = {
        {"", 200, NULL},
        {"x-amz-checksum-algorithm: SHA1\r\n", 200, NULL},
        {"x-amz-checksum-algorithm: CRC32\r\n", 500, "InternalError"},
        {"if-none-match: *\r\n", 412, "PreconditionFailed"},
        {"x-amz-metadata-directive: REPLACE\r\nx-amz-meta-b: 2\r\n", 200, NULL},
    };
    struct server *s = server_with(&knobs, "src",
                                   "x-amz-meta-a: 1\r\nx-amz-sdk-checksum-algorithm: SHA1\r\n"
                                   "x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\r\n");
    struct response r;
    char fields[256];

    expect(s, "PUT", "/bucket/small", NULL, "ab", 200, NULL);
    expect(s, "PUT", "/bucket/dst", "x-amz-copy-source: /bucket/small\r\n", NULL, 500,
           "InternalError");
    T_CASES (row, rows) {
        (void)snprintf(fields, sizeof(fields), "x-amz-copy-source: /bucket/src\r\n%s", row->fields);
        expect(s, "PUT", "/bucket/dst", fields, NULL, row->status, row->code);
        if (row != rows)
            continue;
        r = client_text(s, "HEAD", "/bucket/dst", "x-amz-checksum-mode: ENABLED\r\n", NULL);
        T_STR_EQ(response_field(&r, "x-amz-meta-a"), "1");
        T_STR_EQ(response_field(&r, "ETag"), "\"900150983cd24fb0d6963f7d28e17f72\"");
        T_STR_EQ(response_field(&r, "x-amz-checksum-sha1"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        response_fini(&r);
    }
    r = client_text(s, "HEAD", "/bucket/dst", NULL, NULL);
    T_EQ(response_field(&r, "x-amz-meta-a"), NULL);
    T_STR_EQ(response_field(&r, "x-amz-meta-b"), "2");
    response_fini(&r);
    server_stop(s);
}

T(s3_copy, a_copy_takes_the_bytes_when_too_many_share_them)
{
    static const struct fake_knobs full = {.share_from = 1, .copy_rc = -R_COPIES_FULL};
    static const struct fake_knobs slow = {.share_from = 1, .copy_rc = -ETIMEDOUT};
    struct server *s = server_with(&full, "src", NULL);
    struct response r;

    expect(s, "PUT", "/bucket/dst", "x-amz-copy-source: /bucket/src\r\n", NULL, 200, NULL);
    r = client_text(s, "GET", "/bucket/dst", NULL, NULL);
    T_EQ(r.body_bytes, 3);
    response_fini(&r);
    server_stop(s);
    s = server_with(&slow, "src", NULL);
    expect(s, "PUT", "/bucket/dst", "x-amz-copy-source: /bucket/src\r\n", NULL, 503,
           "ServiceUnavailable");
    server_stop(s);
}

T(s3_copy, a_part_is_copied_from_a_range_within_its_source)
{
    static const struct {
        const char *range;
        unsigned status;
        const char *code;
    } rows[] = {
        {"bytes=0-2", 200, NULL},
        {"bytes=0-3", 416, "InvalidRange"},
        {"bytes=2-1", 400, "InvalidArgument"},
        {"bytes=-2", 400, "InvalidArgument"},
        {"bytes=1-", 400, "InvalidArgument"},
        {"0-2", 400, "InvalidArgument"},
        {"bytes=0-1,2-2", 400, "InvalidArgument"},
    };
    struct server *s = server_with(NULL, "key", NULL);
    struct response r = client_text(s, "POST", "/bucket/up?uploads", NULL, NULL);
    char target[128], fields[128];

    (void)snprintf(target, sizeof(target), "/bucket/up?partNumber=1&uploadId=%s",
                   response_xml(&r, "UploadId"));
    response_fini(&r);
    T_CASES (row, rows) {
        (void)snprintf(fields, sizeof(fields),
                       "x-amz-copy-source: bucket/key\r\nx-amz-copy-source-range: %s\r\n",
                       row->range);
        expect(s, "PUT", target, fields, NULL, row->status, row->code);
    }
    server_stop(s);
}
