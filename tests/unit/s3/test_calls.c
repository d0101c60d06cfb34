/* test_calls.c - what is kept with objects and buckets, at the wire: checksums, tags, ACLs, CORS,
 * ownership, conditions, parts; over a real socket and the fake bucket layer. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

#define ETAG_ABC "\"900150983cd24fb0d6963f7d28e17f72\""

struct row {
    const char *method, *target, *fields, *body;
    unsigned status;
    const char *code;
};

static void expect_row(struct server *s, const struct row *row)
{
    struct response r = client_text(s, row->method, row->target, row->fields, row->body);

    T_EQ(r.status, row->status);
    if (row->code && strcmp(row->method, "HEAD") != 0)
        T_STR_EQ(response_xml(&r, "Code"), row->code);
    response_fini(&r);
}

static void expect(struct server *s, const char *method, const char *target, const char *fields,
                   const char *body, unsigned status, const char *code)
{
    expect_row(s, &(struct row){method, target, fields, body, status, code});
}

/* Without a signature. */
static struct response nobody(struct server *s, const char *method, const char *target,
                              const char *fields)
{
    int fd = server_connect(s);
    struct response r;
    char head[1024];

    (void)snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: a\r\n%s\r\n", method, target,
                   fields ? fields : "");
    client_send_text(fd, head);
    client_receive(fd, strcmp(method, "HEAD") == 0, &r);
    close(fd);
    return r;
}

static unsigned nobody_gets(struct server *s, const char *method, const char *target)
{
    struct response r = nobody(s, method, target, NULL);
    unsigned status = r.status;

    response_fini(&r);
    return status;
}

static struct server *server_with_key(void)
{
    struct server *s = server_start(NULL, NULL);

    expect(s, "PUT", "/bucket", NULL, NULL, 200, NULL);
    expect(s, "PUT", "/bucket/key", NULL, "abc", 200, NULL);
    return s;
}

/* --- checksums --- */

T(s3_calls, a_checksum_is_kept_and_told_when_it_is_asked_for)
{
    struct server *s = server_with_key();
    struct response r =
        client_text(s, "PUT", "/bucket/sum", "x-amz-checksum-crc32: NSRBwg==\r\n", "abc");

    T_EQ(r.status, 200);
    T_STR_EQ(response_field(&r, "x-amz-checksum-crc32"), "NSRBwg==");
    T_STR_EQ(response_field(&r, "x-amz-checksum-type"), "FULL_OBJECT");
    response_fini(&r);
    r = client_text(s, "GET", "/bucket/sum", "x-amz-checksum-mode: ENABLED\r\n", NULL);
    T_STR_EQ(response_field(&r, "x-amz-checksum-crc32"), "NSRBwg==");
    response_fini(&r);
    r = client_text(s, "HEAD", "/bucket/sum", NULL, NULL);
    T_EQ(response_field(&r, "x-amz-checksum-crc32"), NULL);
    response_fini(&r);
    r = client_text(s, "GET", "/bucket/sum", "range: bytes=0-1\r\nx-amz-checksum-mode: ENABLED\r\n",
                    NULL);
    T_EQ(r.status, 206);
    T_EQ(response_field(&r, "x-amz-checksum-crc32"), NULL); /* it is not of these bytes */
    response_fini(&r);
    r = client_text(s, "HEAD", "/bucket/key", "x-amz-checksum-mode: ENABLED\r\n", NULL);
    T_EQ(strlen(response_field(&r, "x-amz-checksum-crc64nvme")), 12); /* made here */
    response_fini(&r);
    r = client_text(s, "GET", "/bucket?list-type=2", NULL, NULL);
    T_STR_EQ(response_xml(&r, "ChecksumAlgorithm"), "CRC64NVME");
    T_STR_EQ(response_xml(&r, "ChecksumType"), "FULL_OBJECT");
    response_fini(&r);
    expect(s, "PUT", "/bucket/bad", "x-amz-checksum-crc32: NSRBwA==\r\n", "abc", 400, "BadDigest");
    expect(s, "GET", "/bucket/bad", NULL, NULL, 404, "NoSuchKey");
    server_stop(s);
}

T(s3_calls, an_upload_says_which_checksum_it_will_have)
{
    static const struct {
        const char *fields, *kind, *type;
        unsigned status;
    } rows[] = {
        {"x-amz-checksum-algorithm: CRC32\r\n", "CRC32", "COMPOSITE", 200},
        {"x-amz-checksum-algorithm: CRC64NVME\r\n", "CRC64NVME", "FULL_OBJECT", 200},
        {"x-amz-checksum-algorithm: CRC32C\r\nx-amz-checksum-type: FULL_OBJECT\r\n", "CRC32C",
         "FULL_OBJECT", 200},
        {"x-amz-checksum-algorithm: SHA256\r\n", "SHA256", "COMPOSITE", 200},
        {"x-amz-checksum-algorithm: SHA256\r\nx-amz-checksum-type: FULL_OBJECT\r\n", NULL, NULL,
         400},
        {"x-amz-checksum-algorithm: CRC64NVME\r\nx-amz-checksum-type: COMPOSITE\r\n", NULL, NULL,
         400},
        {"x-amz-checksum-type: COMPOSITE\r\n", NULL, NULL, 400},
        {NULL, NULL, NULL, 200},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows) {
        struct response r = client_text(s, "POST", "/bucket/up?uploads", row->fields, NULL);

        T_EQ(r.status, row->status);
        T_STR_EQ(response_field(&r, "x-amz-checksum-algorithm"), row->kind);
        T_STR_EQ(response_field(&r, "x-amz-checksum-type"), row->type);
        response_fini(&r);
    }
    server_stop(s);
}

/* --- parts --- */

enum { PART = 5 * 1024 * 1024 };

struct up {
    char id[64], etag[2][64], sum[2][64];
};

static void part_put(struct server *s, struct up *u, unsigned i, const char *body, size_t bytes)
{
    struct call_args args = {.method = "PUT", .body = body, .body_bytes = bytes};
    char target[128];
    struct response r;

    (void)snprintf(target, sizeof(target), "/bucket/up?partNumber=%u&uploadId=%s", 3 + 4 * i,
                   u->id);
    args.target = target;
    T_EQ(client_once(s, &args, &r), 200);
    (void)snprintf(u->etag[i], 64, "%s", response_field(&r, "etag"));
    T_NE(response_field(&r, "x-amz-checksum-crc32"), NULL);
    T_EQ(response_field(&r, "x-amz-checksum-type"), NULL);
    (void)snprintf(u->sum[i], 64, "%s", response_field(&r, "x-amz-checksum-crc32"));
    response_fini(&r);
}

static void up_begin(struct server *s, struct up *u, const char *type)
{
    static char big[PART];
    struct response r;
    char fields[128];

    (void)snprintf(fields, sizeof(fields),
                   "x-amz-checksum-algorithm: CRC32\r\nx-amz-checksum-type: %s\r\n"
                   "x-amz-tagging: a=1\r\n",
                   type);
    r = client_text(s, "POST", "/bucket/up?uploads", fields, NULL);
    T_EQ(r.status, 200);
    (void)snprintf(u->id, sizeof(u->id), "%s", response_xml(&r, "UploadId"));
    response_fini(&r);
    memset(big, 'x', sizeof(big));
    part_put(s, u, 0, big, sizeof(big));
    part_put(s, u, 1, "tail", 4);
}

static struct response up_end(struct server *s, const struct up *u, const char *fields,
                              const char *sum0)
{
    char target[128], body[1024];

    (void)snprintf(target, sizeof(target), "/bucket/up?uploadId=%s", u->id);
    (void)snprintf(body, sizeof(body),
                   "<CompleteMultipartUpload>"
                   "<Part><PartNumber>3</PartNumber><ETag>%s</ETag>"
                   "<ChecksumCRC32>%s</ChecksumCRC32></Part>"
                   "<Part><PartNumber>7</PartNumber><ETag>%s</ETag></Part>"
                   "</CompleteMultipartUpload>",
                   u->etag[0], sum0, u->etag[1]);
    return client_text(s, "POST", target, fields, body);
}

static void up_refused(struct server *s, const struct up *u, const char *fields, const char *sum0,
                       unsigned status, const char *code)
{
    struct response r = up_end(s, u, fields, sum0);

    T_EQ(r.status, status);
    T_STR_EQ(response_xml(&r, "Code"), code);
    response_fini(&r);
}

T(s3_calls, a_completion_is_checked_against_what_the_client_knows_and_tells_what_came_of_it)
{
    struct server *s = server_with_key();
    struct response r;
    struct up u;

    up_begin(s, &u, "COMPOSITE");
    up_refused(s, &u, NULL, "AAAAAA==", 400, "InvalidPart");
    up_refused(s, &u, "x-amz-checksum-type: FULL_OBJECT\r\n", u.sum[0], 400, "InvalidRequest");
    up_refused(s, &u, "x-amz-checksum-crc32: AAAAAA==-2\r\n", u.sum[0], 400, "BadDigest");
    r = up_end(s, &u, "x-amz-mp-object-size: 7\r\n", u.sum[0]);
    T_STR_EQ(response_xml(&r, "Code"), "InvalidRequest");
    T_NE(strstr(response_xml(&r, "Message"), "x-amz-mp-object-size"), NULL);
    response_fini(&r);
    up_refused(s, &u, "if-match: " ETAG_ABC "\r\n", u.sum[0], 404, "NoSuchKey");
    r = up_end(s, &u, "if-none-match: *\r\n", u.sum[0]);
    T_EQ(r.status, 200);
    T_STR_EQ(response_xml(&r, "ChecksumType"), "COMPOSITE");
    T_STR_EQ(response_xml(&r, "ChecksumCRC32") + 8, "-2");
    response_fini(&r);
    r = client_text(s, "HEAD", "/bucket/up", NULL, NULL);
    T_STR_EQ(response_field(&r, "x-amz-tagging-count"), "1");
    response_fini(&r);
    server_stop(s);
}

T(s3_calls, parts_are_got_by_their_numbers)
{
    static const struct {
        const char *target, *fields;
        unsigned status;
        const char *range, *parts, *code;
    } rows[] = {
        {"/bucket/up?partNumber=7", NULL, 206, "bytes 5242880-5242883/5242884", "2", NULL},
        {"/bucket/up?partNumber=3", NULL, 206, "bytes 0-5242879/5242884", "2", NULL},
        {"/bucket/up?partNumber=1", NULL, 416, NULL, NULL, "InvalidPartNumber"},
        {"/bucket/up?partNumber=0", NULL, 400, NULL, NULL, "InvalidArgument"},
        {"/bucket/up?partNumber=10001", NULL, 400, NULL, NULL, "InvalidArgument"},
        {"/bucket/up?partNumber=7", "range: bytes=0-1\r\n", 400, NULL, NULL, "InvalidRequest"},
        {"/bucket/key?partNumber=1", NULL, 206, "bytes 0-2/3", NULL, NULL},
        {"/bucket/key?partNumber=2", NULL, 416, NULL, NULL, "InvalidPartNumber"},
    };
    struct server *s = server_with_key();
    struct response r;
    struct up u;

    up_begin(s, &u, "FULL_OBJECT");
    r = up_end(s, &u, NULL, u.sum[0]);
    T_EQ(r.status, 200);
    response_fini(&r);
    T_CASES (row, rows) {
        r = client_text(s, "GET", row->target, row->fields, NULL);
        T_EQ(r.status, row->status);
        T_STR_EQ(response_field(&r, "content-range"), row->range);
        T_STR_EQ(response_field(&r, "x-amz-mp-parts-count"), row->parts);
        if (row->code)
            T_STR_EQ(response_xml(&r, "Code"), row->code);
        response_fini(&r);
        r = client_text(s, "HEAD", row->target, row->fields, NULL);
        T_EQ(r.status, row->status);
        response_fini(&r);
    }
    r = client_text(s, "GET", "/bucket/up?partNumber=7", "x-amz-checksum-mode: ENABLED\r\n", NULL);
    T_STR_EQ((char *)r.body, "tail");
    T_STR_EQ(response_field(&r, "x-amz-checksum-crc32"), u.sum[1]);
    response_fini(&r);
    server_stop(s);
}

T(s3_calls, attributes_tell_of_an_object_and_its_parts)
{
    struct server *s = server_with_key();
    struct response r;
    struct up u;

    up_begin(s, &u, "FULL_OBJECT");
    r = up_end(s, &u, NULL, u.sum[0]);
    response_fini(&r);
    r = client_text(s, "GET", "/bucket/up?attributes",
                    "x-amz-max-parts: 1\r\nx-amz-object-attributes: "
                    "ETag,Checksum,ObjectParts,StorageClass,ObjectSize\r\n",
                    NULL);
    T_EQ(r.status, 200);
    T_STR_EQ(response_xml(&r, "ObjectSize"), "5242884");
    T_STR_EQ(response_xml(&r, "PartsCount"), "2");
    T_STR_EQ(response_xml(&r, "IsTruncated"), "true");
    T_STR_EQ(response_xml(&r, "NextPartNumberMarker"), "3");
    T_STR_EQ(response_xml(&r, "ChecksumType"), "FULL_OBJECT");
    T_NE(response_field(&r, "last-modified"), NULL);
    response_fini(&r);
    r = client_text(s, "GET", "/bucket/up?attributes",
                    "x-amz-object-attributes: ObjectParts\r\nx-amz-part-number-marker: 3\r\n",
                    NULL);
    T_STR_EQ(response_xml(&r, "PartNumber"), "7");
    T_STR_EQ(response_xml(&r, "ChecksumCRC32"), u.sum[1]);
    T_EQ(response_xml(&r, "ObjectSize"), NULL);
    response_fini(&r);
    r = client_text(
        s, "GET", "/bucket/up?attributes",
        "x-amz-object-attributes: ETag\r\nx-amz-object-attributes: ObjectSize, ETag\r\n",
        NULL); /* as Go's SDK sends them */
    T_EQ(r.status, 200);
    T_TRUE(response_xml(&r, "ETag") != NULL);
    T_TRUE(response_xml(&r, "ObjectSize") != NULL);
    T_EQ(response_xml(&r, "StorageClass"), NULL);
    response_fini(&r);
    expect(s, "GET", "/bucket/up?attributes",
           "x-amz-object-attributes: ETag\r\nx-amz-object-attributes: Colour\r\n", NULL, 400,
           "InvalidArgument");
    expect(s, "GET", "/bucket/up?attributes", NULL, NULL, 400, "InvalidArgument");
    expect(s, "GET", "/bucket/up?attributes", "x-amz-object-attributes: Colour\r\n", NULL, 400,
           "InvalidArgument");
    server_stop(s);
}

/* --- tags --- */

#define TAG(k, v)  "<Tag><Key>" k "</Key><Value>" v "</Value></Tag>"
#define TAGGING(t) "<Tagging><TagSet>" t "</TagSet></Tagging>"
#define FIVE(a)    TAG(a "1", "") TAG(a "2", "") TAG(a "3", "") TAG(a "4", "") TAG(a "5", "")
#define TEN(k)     FIVE(k "1") FIVE(k "2")
#define FIFTY      TEN("a") TEN("b") TEN("c") TEN("d") TEN("e")

T(s3_calls, values_that_s3_has_come_later_and_others_are_wrong)
{
#define COPY "x-amz-copy-source: /bucket/key\r\n"
    static const struct row rows[] = {
        {"PUT", "/bucket/x", "x-amz-storage-class: GLACIER\r\n", "x", 501, "NotImplemented"},
        {"PUT", "/bucket/x", "x-amz-storage-class: COLD\r\n", "x", 400, "InvalidStorageClass"},
        {"PUT", "/bucket/x", "x-amz-storage-class: STANDARD\r\n", "x", 200, NULL},
        {"POST", "/bucket/x?uploads", "x-amz-storage-class: SNOW\r\n", NULL, 501, "NotImplemented"},
        {"POST", "/bucket/x?uploads", "x-amz-checksum-algorithm: SHA512\r\n", NULL, 501,
         "NotImplemented"},
        {"POST", "/bucket/x?uploads", "x-amz-checksum-algorithm: CRC31\r\n", NULL, 400,
         "InvalidRequest"},
        {"POST", "/bucket/x?uploads",
         "x-amz-checksum-algorithm: CRC32\r\nx-amz-checksum-type: PARTS\r\n", NULL, 400,
         "InvalidRequest"},
        {"PUT", "/bucket/x", COPY "x-amz-metadata-directive: MERGE\r\n", NULL, 400,
         "InvalidArgument"},
        {"PUT", "/bucket/x", COPY "x-amz-tagging-directive: MERGE\r\n", NULL, 400,
         "InvalidArgument"},
        {"PUT", "/other", "x-amz-object-ownership: Nobody\r\n", NULL, 400, "InvalidArgument"},
        {"HEAD", "/other", NULL, NULL, 404, NULL},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect_row(s, row);
    server_stop(s);
}

T(s3_calls, tags_of_an_object_come_and_go)
{
    struct server *s = server_with_key();
    struct response r;

    expect(s, "PUT", "/bucket/key?tagging", NULL, TAGGING(TAG("a", "1") TAG("b", "")), 200, NULL);
    r = client_text(s, "GET", "/bucket/key?tagging", NULL, NULL);
    T_NE(strstr((char *)r.body, TAG("a", "1") TAG("b", "")), NULL);
    response_fini(&r);
    r = client_text(s, "GET", "/bucket/key", NULL, NULL);
    T_STR_EQ(response_field(&r, "x-amz-tagging-count"), "2");
    response_fini(&r);
    expect(s, "DELETE", "/bucket/key?tagging", NULL, NULL, 204, NULL);
    r = client_text(s, "GET", "/bucket/key?tagging", NULL, NULL);
    T_NE(strstr((char *)r.body, "<TagSet></TagSet>"), NULL);
    response_fini(&r);
    expect(s, "PUT", "/bucket/other", "x-amz-tagging: k%20x=v+y&z=\r\n", "", 200, NULL);
    r = client_text(s, "GET", "/bucket/other?tagging", NULL, NULL);
    T_NE(strstr((char *)r.body, TAG("k x", "v y") TAG("z", "")), NULL);
    response_fini(&r);
    server_stop(s);
}

T(s3_calls, tags_outside_the_rules_are_refused)
{
    static const struct row rows[] = {
        {"PUT", "/bucket/key?tagging", NULL, TAGGING(FIVE("a") FIVE("b") TAG("c", "")), 400,
         "BadRequest"},
        {"PUT", "/bucket/key?tagging", NULL, TAGGING(TAG("a", "1") TAG("a", "2")), 400,
         "InvalidTag"},
        {"PUT", "/bucket/key?tagging", NULL, TAGGING(TAG("", "1")), 400, "InvalidTag"},
        {"PUT", "/bucket/key?tagging", NULL, TAGGING(TAG("aws:x", "1")), 400, "InvalidTag"},
        {"PUT", "/bucket/key?tagging", NULL, TAGGING(TAG("a!", "1")), 400, "InvalidTag"},
        {"PUT", "/bucket/key?tagging", NULL, TAGGING("<Tag><Key>a</Key></Tag>"), 400,
         "MalformedXML"},
        {"PUT", "/bucket/key?tagging", NULL, "<Tagging/>", 400, "MalformedXML"},
        {"PUT", "/bucket/key?tagging", NULL, NULL, 400, "MissingRequestBodyError"},
        {"PUT", "/bucket/none?tagging", NULL, TAGGING(TAG("a", "1")), 404, "NoSuchKey"},
        {"PUT", "/bucket/key", "x-amz-tagging: a=1&a=2\r\n", "x", 400, "InvalidTag"},
        {"GET", "/bucket?tagging", NULL, NULL, 404, "NoSuchTagSet"},
        {"PUT", "/bucket?tagging", NULL, TAGGING(FIVE("a") FIVE("b") TAG("c", "")), 204, NULL},
        {"GET", "/bucket?tagging", NULL, NULL, 200, NULL},
        {"DELETE", "/bucket?tagging", NULL, NULL, 204, NULL},
        {"GET", "/bucket?tagging", NULL, NULL, 404, "NoSuchTagSet"},
    };
    struct server *s = server_with_key();
    struct response r;

    T_CASES (row, rows)
        expect_row(s, row);
    r = client_text(s, "PUT", "/bucket?tagging", NULL, TAGGING(FIFTY TAG("x", "")));
    T_EQ(r.status, 400);
    T_STR_EQ(response_xml(&r, "Message"), "Bucket tag count cannot be greater than 50");
    response_fini(&r);
    expect(s, "PUT", "/bucket?tagging", NULL, TAGGING(FIFTY), 204, NULL);
    server_stop(s);
}

/* --- ACLs --- */

#define GRANTEE(type, id)                                                                          \
    "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"" type "\">" id   \
    "</Grantee>"
#define GRANT(who, what) "<Grant>" who "<Permission>" what "</Permission></Grant>"
#define MINE             GRANT(GRANTEE("CanonicalUser", "<ID>alice</ID>"), "FULL_CONTROL")
#define ALL(what)                                                                                  \
    GRANT(GRANTEE("Group", "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI>"), what)
#define GROUP(name)                                                                                \
    GRANT(GRANTEE("Group", "<URI>http://acs.amazonaws.com/groups/" name "</URI>"), "READ")
#define BOB GRANT(GRANTEE("CanonicalUser", "<ID>bob</ID>"), "READ")
#define POLICY_OF(owner, grants)                                                                   \
    "<AccessControlPolicy><Owner><ID>" owner "</ID></Owner><AccessControlList>" grants             \
    "</AccessControlList></AccessControlPolicy>"
#define POLICY(grants) POLICY_OF("alice", grants)

T(s3_calls, an_acl_opens_an_object_to_everybody_and_closes_it)
{
    struct server *s = server_with_key();
    struct response r;

    T_EQ(nobody_gets(s, "GET", "/bucket/key"), 403);
    T_EQ(nobody_gets(s, "GET", "/bucket/none"), 403);
    expect(s, "PUT", "/bucket/key?acl", "x-amz-acl: public-read\r\n", NULL, 200, NULL);
    T_EQ(nobody_gets(s, "GET", "/bucket/key"), 200);
    T_EQ(nobody_gets(s, "HEAD", "/bucket/key"), 200);
    T_EQ(nobody_gets(s, "GET", "/bucket/key?response-expires=x"), 400);
    T_EQ(nobody_gets(s, "GET", "/bucket/key?acl"), 403);
    T_EQ(nobody_gets(s, "DELETE", "/bucket/key"), 403);
    r = client_text(s, "GET", "/bucket/key?acl", NULL, NULL);
    T_NE(strstr((char *)r.body, "AllUsers"), NULL);
    response_fini(&r);
    expect(s, "PUT", "/bucket/key?acl", NULL, POLICY(MINE), 200, NULL);
    T_EQ(nobody_gets(s, "GET", "/bucket/key"), 403);
    expect(s, "PUT", "/bucket/key?acl", NULL, POLICY(MINE ALL("READ")), 200, NULL);
    T_EQ(nobody_gets(s, "GET", "/bucket/key"), 200);
    expect(s, "PUT", "/bucket/new", "x-amz-acl: public-read\r\n", "x", 200, NULL);
    T_EQ(nobody_gets(s, "GET", "/bucket/new"), 200);
    server_stop(s);
}

T(s3_calls, an_acl_of_a_bucket_opens_its_listing)
{
    struct server *s = server_with_key();

    T_EQ(nobody_gets(s, "GET", "/bucket"), 403);
    expect(s, "PUT", "/bucket?acl", "x-amz-acl: public-read\r\n", NULL, 200, NULL);
    T_EQ(nobody_gets(s, "GET", "/bucket"), 200);
    T_EQ(nobody_gets(s, "GET", "/bucket?list-type=2"), 200);
    T_EQ(nobody_gets(s, "HEAD", "/bucket"), 200);
    T_EQ(nobody_gets(s, "GET", "/bucket/none"), 404);
    T_EQ(nobody_gets(s, "GET", "/bucket/key"), 403);
    T_EQ(nobody_gets(s, "GET", "/bucket?uploads"), 403);
    T_EQ(nobody_gets(s, "GET", "/bucket?acl"), 403);
    expect(s, "PUT", "/open", "x-amz-acl: public-read\r\n", NULL, 200, NULL);
    T_EQ(nobody_gets(s, "GET", "/open"), 200);
    server_stop(s);
}

T(s3_calls, acls_that_there_are_not_are_refused)
{
    static const struct row rows[] = {
        {"PUT", "/bucket/key?acl", "x-amz-acl: public-read-write\r\n", NULL, 501, "NotImplemented"},
        {"PUT", "/bucket/key?acl", "x-amz-acl: nonsense\r\n", NULL, 400, "InvalidArgument"},
        {"PUT", "/bucket/key?acl", NULL, POLICY(MINE ALL("WRITE")), 501, "NotImplemented"},
        {"PUT", "/bucket/key?acl", NULL, POLICY(ALL("READ")), 501, "NotImplemented"},
        {"PUT", "/bucket/key?acl", NULL, POLICY(MINE ALL("READ_ACP")), 501, "NotImplemented"},
        {"PUT", "/bucket/key?acl", NULL, POLICY(MINE GROUP("global/AuthenticatedUsers")), 501,
         "NotImplemented"},
        {"PUT", "/bucket/key?acl", NULL, POLICY(MINE GROUP("global/Everybody")), 400,
         "InvalidArgument"},
        {"PUT", "/bucket/key?acl", NULL, POLICY(MINE BOB), 501, "NotImplemented"},
        {"PUT", "/bucket/key?acl", NULL, POLICY(MINE ALL("EXECUTE")), 400, "MalformedACLError"},
        {"PUT", "/bucket/key?acl", NULL, POLICY_OF("bob", MINE), 403, "AccessDenied"},
        {"PUT", "/bucket?acl", "x-amz-acl: log-delivery-write\r\n", NULL, 501, "NotImplemented"},
        {"PUT", "/bucket?acl", "x-amz-grant-read: id=bob\r\n", NULL, 501, "NotImplemented"},
        {"PUT", "/bucket/key?acl", NULL, "<AccessControlPolicy/>", 400, "MalformedACLError"},
        {"PUT", "/bucket/key?acl", NULL, NULL, 400, "MissingRequestBodyError"},
        {"PUT", "/bucket/key?acl", "x-amz-acl: private\r\n", POLICY(MINE), 400, "InvalidRequest"},
        {"PUT", "/bucket/none?acl", "x-amz-acl: private\r\n", NULL, 404, "NoSuchKey"},
        {"PUT", "/none?acl", "x-amz-acl: private\r\n", NULL, 404, "NoSuchBucket"},
        {"PUT", "/bucket/key", "x-amz-acl: authenticated-read\r\n", "x", 501, "NotImplemented"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect_row(s, row);
    server_stop(s);
}

#define OWNERSHIP(w)                                                                               \
    "<OwnershipControls><Rule><ObjectOwnership>" w "</ObjectOwnership></Rule></OwnershipControls>"
#define BLOCK(x) "<PublicAccessBlockConfiguration>" x "</PublicAccessBlockConfiguration>"

T(s3_calls, ownership_and_the_public_block_decide_over_acls)
{
    static const struct row rows[] = {
        {"GET", "/bucket?ownershipControls", NULL, NULL, 404, "OwnershipControlsNotFoundError"},
        {"GET", "/bucket?publicAccessBlock", NULL, NULL, 404,
         "NoSuchPublicAccessBlockConfiguration"},
        {"PUT", "/bucket?ownershipControls", NULL, OWNERSHIP("Nobody"), 400, "MalformedXML"},
        {"PUT", "/bucket?publicAccessBlock", NULL, BLOCK("<Other>true</Other>"), 400,
         "MalformedXML"},
        {"PUT", "/bucket/key?acl", "x-amz-acl: public-read\r\n", NULL, 200, NULL},
        {"PUT", "/bucket?ownershipControls", NULL, OWNERSHIP("BucketOwnerEnforced"), 200, NULL},
        {"PUT", "/bucket/key?acl", "x-amz-acl: public-read\r\n", NULL, 400,
         "AccessControlListNotSupported"},
        {"PUT", "/bucket/x", "x-amz-acl: public-read\r\n", "x", 400,
         "AccessControlListNotSupported"},
        {"PUT", "/bucket/x", "x-amz-acl: bucket-owner-full-control\r\n", "x", 200, NULL},
        {"PUT", "/bucket/x", "x-amz-acl: public-read-write\r\n", "x", 400,
         "AccessControlListNotSupported"},
        {"PUT", "/bucket/key?acl", "x-amz-acl: authenticated-read\r\n", NULL, 400,
         "AccessControlListNotSupported"},
        {"PUT", "/bucket?acl", NULL, POLICY(MINE ALL("WRITE")), 400,
         "AccessControlListNotSupported"},
        {"PUT", "/bucket?acl", NULL, POLICY(MINE), 200, NULL},
        {"DELETE", "/bucket?ownershipControls", NULL, NULL, 204, NULL},
        {"PUT", "/bucket?publicAccessBlock", NULL, BLOCK("<BlockPublicAcls>true</BlockPublicAcls>"),
         200, NULL},
        {"PUT", "/bucket?acl", "x-amz-acl: public-read\r\n", NULL, 403, "AccessDenied"},
        {"POST", "/bucket/y?uploads", "x-amz-acl: public-read\r\n", NULL, 403, "AccessDenied"},
        {"PUT", "/bucket?publicAccessBlock", NULL,
         BLOCK("<IgnorePublicAcls>true</IgnorePublicAcls>"), 200, NULL},
        {"PUT", "/enforced",
         "x-amz-acl: public-read\r\nx-amz-object-ownership: BucketOwnerEnforced\r\n", NULL, 400,
         "InvalidBucketAclWithObjectOwnership"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows) {
        expect_row(s, row);
        if (row == &rows[5]) /* enforced: the object's ACL gives nothing any more */
            T_EQ(nobody_gets(s, "GET", "/bucket/key"), 403);
        if (row->status == 204) /* no longer */
            T_EQ(nobody_gets(s, "GET", "/bucket/key"), 200);
    }
    T_EQ(nobody_gets(s, "GET", "/bucket/key"), 403); /* ignored */
    expect(s, "DELETE", "/bucket?publicAccessBlock", NULL, NULL, 204, NULL);
    T_EQ(nobody_gets(s, "GET", "/bucket/key"), 200);
    server_stop(s);
}

/* --- CORS --- */

#define RULES                                                                                      \
    "<CORSConfiguration><CORSRule><ID>one</ID><AllowedOrigin>http://*.example</AllowedOrigin>"     \
    "<AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>"                         \
    "<AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>"                      \
    "<MaxAgeSeconds>9</MaxAgeSeconds></CORSRule>"                                                  \
    "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>"     \
    "</CORSConfiguration>"
#define FROM(origin) "Origin: " origin "\r\n"
#define ASKS(method) "Access-Control-Request-Method: " method "\r\n"
#define WITH(fields) "Access-Control-Request-Headers: " fields "\r\n"

T(s3_calls, a_preflight_is_answered_by_the_first_rule_that_allows_it)
{
    static const struct {
        const char *fields;
        unsigned status;
        const char *origin, *methods;
    } rows[] = {
        {FROM("http://a.example") ASKS("PUT"), 200, "http://a.example", "PUT, GET"},
        {FROM("http://a.example") ASKS("GET") WITH("X-Amz-Date, x-amz-acl"), 200,
         "http://a.example", "PUT, GET"},
        {FROM("http://a.example") ASKS("GET") WITH("range"), 403, NULL, NULL},
        {FROM("http://a.example") ASKS("DELETE"), 403, NULL, NULL},
        {FROM("http://.example") ASKS("PUT"), 200, "http://.example", "PUT, GET"},
        {FROM("http://a.example.org") ASKS("PUT"), 403, NULL, NULL},
        {FROM("https://b") ASKS("HEAD"), 200, "*", "HEAD"},
        {FROM("https://b"), 400, NULL, NULL},
        {ASKS("PUT"), 400, NULL, NULL},
    };
    struct server *s = server_with_key();
    struct response r;

    r = nobody(s, "OPTIONS", "/bucket/key", FROM("http://a.example") ASKS("PUT"));
    T_EQ(r.status, 403);
    T_STR_EQ(response_xml(&r, "Code"), "AccessForbidden");
    response_fini(&r);
    expect(s, "PUT", "/bucket?cors", NULL, RULES, 200, NULL);
    T_CASES (row, rows) {
        /* Whatever the query says, even a signature: it is of the request that comes after. */
        r = nobody(s, "OPTIONS", "/bucket/none?X-Amz-Signature=1&a=b", row->fields);
        T_EQ(r.status, row->status);
        T_STR_EQ(response_field(&r, "access-control-allow-origin"), row->origin);
        T_STR_EQ(response_field(&r, "access-control-allow-methods"), row->methods);
        response_fini(&r);
    }
    r = nobody(s, "OPTIONS", "/bucket", FROM("http://a.example") ASKS("PUT") WITH("x-amz-a"));
    T_STR_EQ(response_field(&r, "access-control-allow-headers"), "x-amz-a");
    T_STR_EQ(response_field(&r, "access-control-max-age"), "9");
    T_STR_EQ(response_field(&r, "access-control-expose-headers"), "ETag");
    T_STR_EQ(response_field(&r, "access-control-allow-credentials"), "true");
    response_fini(&r);
    T_EQ(nobody_gets(s, "OPTIONS", "/none"), 400);
    server_stop(s);
}

T(s3_calls, actual_requests_of_other_sites_are_told_what_they_may_even_when_they_fail)
{
    struct server *s = server_with_key();
    struct response r;

    expect(s, "PUT", "/bucket?cors", NULL, RULES, 200, NULL);
    r = client_text(s, "GET", "/bucket/key", "origin: http://a.example\r\n", NULL);
    T_EQ(r.status, 200);
    T_STR_EQ(response_field(&r, "access-control-allow-origin"), "http://a.example");
    T_NE(response_field(&r, "vary"), NULL);
    response_fini(&r);
    r = nobody(s, "GET", "/bucket/key", FROM("http://a.example"));
    T_EQ(r.status, 403);
    T_STR_EQ(response_field(&r, "access-control-allow-origin"), "http://a.example");
    response_fini(&r);
    r = client_text(s, "GET", "/bucket/key", "origin: http://b\r\n", NULL);
    T_EQ(r.status, 200);
    T_EQ(response_field(&r, "access-control-allow-origin"), NULL);
    response_fini(&r);
    server_stop(s);
}

#define RULE(inside) "<CORSConfiguration><CORSRule>" inside "</CORSRule></CORSConfiguration>"
#define ORIGIN(o)    "<AllowedOrigin>" o "</AllowedOrigin>"
#define METHOD(m)    "<AllowedMethod>" m "</AllowedMethod>"

T(s3_calls, rules_are_checked_kept_and_removed)
{
    static const struct row rows[] = {
        {"GET", "/bucket?cors", NULL, NULL, 404, "NoSuchCORSConfiguration"},
        {"PUT", "/bucket?cors", NULL, RULE(ORIGIN("a") METHOD("PATCH")), 400, "InvalidRequest"},
        {"PUT", "/bucket?cors", NULL, RULE(ORIGIN("*a*") METHOD("GET")), 400, "InvalidRequest"},
        {"PUT", "/bucket?cors", NULL, RULE(METHOD("GET")), 400, "MalformedXML"},
        {"PUT", "/bucket?cors", NULL, RULE(ORIGIN("a")), 400, "MalformedXML"},
        {"PUT", "/bucket?cors", NULL, RULE(ORIGIN("a&#13;&#10;b") METHOD("GET")), 400,
         "MalformedXML"},
        {"PUT", "/bucket?cors", NULL, "<CORSConfiguration/>", 400, "MalformedXML"},
        {"GET", "/bucket?cors", NULL, NULL, 404, "NoSuchCORSConfiguration"},
        {"PUT", "/bucket?cors", NULL, RULES, 200, NULL},
        {"PUT", "/none?cors", NULL, RULES, 404, "NoSuchBucket"},
    };
    struct server *s = server_with_key();
    struct response r;

    T_CASES (row, rows)
        expect_row(s, row);
    r = client_text(s, "GET", "/bucket?cors", NULL, NULL);
    T_EQ(r.status, 200);
    T_STR_EQ(response_xml(&r, "AllowedOrigin"), "http://*.example");
    T_STR_EQ(response_xml(&r, "MaxAgeSeconds"), "9");
    response_fini(&r);
    expect(s, "DELETE", "/bucket?cors", NULL, NULL, 204, NULL);
    expect(s, "GET", "/bucket?cors", NULL, NULL, 404, "NoSuchCORSConfiguration");
    server_stop(s);
}

/* --- conditions of changes --- */

T(s3_calls, changes_are_made_only_under_their_conditions)
{
    static const struct row rows[] = {
        {"PUT", "/bucket/key", "if-match: \"x\"\r\n", "new", 412, "PreconditionFailed"},
        {"PUT", "/bucket/none", "if-match: *\r\n", "new", 404, "NoSuchKey"},
        {"PUT", "/bucket/none", "if-match: " ETAG_ABC "\r\n", "new", 404, "NoSuchKey"},
        {"PUT", "/bucket/key", "if-match: \"a\", \"b\"\r\n", "new", 501, "NotImplemented"},
        {"PUT", "/bucket/key", "if-none-match: \"a\"\r\n", "new", 501, "NotImplemented"},
        {"PUT", "/bucket/key", "if-match: *\r\nif-none-match: *\r\n", "new", 501, NULL},
        {"PUT", "/bucket/key", "if-none-match: *\r\n", "new", 412, "PreconditionFailed"},
        {"PUT", "/bucket/key", "if-match: " ETAG_ABC "\r\n", "abc", 200, NULL},
        {"PUT", "/bucket/key", "if-match: *\r\n", "abc", 200, NULL},
        {"PUT", "/bucket/copy", "if-none-match: *\r\nx-amz-copy-source: bucket/key\r\n", NULL, 200,
         NULL},
        {"PUT", "/bucket/copy", "if-none-match: *\r\nx-amz-copy-source: bucket/key\r\n", NULL, 412,
         "PreconditionFailed"},
        {"DELETE", "/bucket/key", "if-match: \"x\"\r\n", NULL, 412, "PreconditionFailed"},
        {"DELETE", "/bucket/none", "if-match: *\r\n", NULL, 404, "NoSuchKey"},
        {"DELETE", "/bucket/none", NULL, NULL, 204, NULL},
        {"DELETE", "/bucket/key", "x-amz-if-match-size: 4\r\n", NULL, 412, "PreconditionFailed"},
        {"DELETE", "/bucket/none", "x-amz-if-match-size: 4\r\n", NULL, 204, NULL},
        {"DELETE", "/bucket/key", "x-amz-if-match-last-modified-time: now\r\n", NULL, 400,
         "InvalidArgument"},
        {"DELETE", "/bucket/key",
         "x-amz-if-match-last-modified-time: Wed, 31 Dec 1969 23:59:59 GMT\r\n", NULL, 400,
         "InvalidArgument"},
        {"DELETE", "/bucket/key",
         "x-amz-if-match-last-modified-time: Thu, 01 Jan 1970 00:00:01 GMT\r\n", NULL, 412,
         "PreconditionFailed"},
        {"DELETE", "/bucket/key", "if-match: " ETAG_ABC "\r\nx-amz-if-match-size: 3\r\n", NULL, 204,
         NULL},
        {"GET", "/bucket/key", NULL, NULL, 404, "NoSuchKey"},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect_row(s, row);
    server_stop(s);
}

T(s3_calls, a_range_is_given_only_of_the_version_that_if_range_names)
{
    static const struct {
        const char *fields;
        unsigned status;
    } rows[] = {
        {"if-range: " ETAG_ABC "\r\nrange: bytes=0-1\r\n", 206},
        {"if-range: \"x\"\r\nrange: bytes=0-1\r\n", 200},
        {"if-range: Thu, 01 Jan 1970 00:00:01 GMT\r\nrange: bytes=0-1\r\n", 200},
    };
    struct server *s = server_with_key();

    T_CASES (row, rows)
        expect(s, "GET", "/bucket/key", row->fields, NULL, row->status, NULL);
    server_stop(s);
}

/* --- many deletions, with conditions --- */

T(s3_calls, each_of_many_deletions_has_its_own_condition)
{
    struct server *s = server_with_key();
    struct response r;

    expect(s, "PUT", "/bucket/a", NULL, "abc", 200, NULL);
    r = client_text(s, "POST", "/bucket?delete", NULL,
                    "<Delete><Object><Key>key</Key><ETag>\"x\"</ETag></Object>"
                    "<Object><Key>a</Key><ETag>" ETAG_ABC "</ETag><Size>3</Size></Object>"
                    "<Object><Key>none</Key><ETag>*</ETag></Object></Delete>");
    T_EQ(r.status, 200);
    T_NE(strstr((char *)r.body, "<Deleted><Key>a</Key></Deleted>"), NULL);
    T_NE(strstr((char *)r.body, "<Key>key</Key><Code>PreconditionFailed</Code>"), NULL);
    T_NE(strstr((char *)r.body, "<Key>none</Key><Code>NoSuchKey</Code>"), NULL);
    response_fini(&r);
    expect(s, "GET", "/bucket/key", NULL, NULL, 200, NULL);
    server_stop(s);
}
