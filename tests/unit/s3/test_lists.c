/* test_lists.c - listings, multi-object deletes and multipart uploads over the wire. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

static struct response call(struct server *s, const char *method, const char *target,
                            const void *body, size_t bytes)
{
    struct call_args args = {.method = method, .target = target, .body = body, .body_bytes = bytes};
    struct response r;

    (void)client_once(s, &args, &r);
    return r;
}

static void expect(struct server *s, const char *method, const char *target, const char *body,
                   unsigned status, const char *code)
{
    struct response r = call(s, method, target, body, body ? strlen(body) : 0);

    T_EQ(r.status, status);
    if (code)
        T_STR_EQ(response_xml(&r, "Code"), code);
    response_fini(&r);
}

static struct server *server_with_keys(void)
{
    static const char *const targets[] = {"/bucket",          "/bucket/a",    "/bucket/b/1",
                                          "/bucket/b/2",      "/bucket/c%26", "/bucket/d/1",
                                          "/bucket/e%0Df%20g"};
    struct server *s = server_start(NULL, NULL);

    T_CASES (row, targets)
        expect(s, "PUT", *row, NULL, 200, NULL);
    return s;
}

/* The texts of all elements `name`, joined by blanks. */
static void all_of(const struct response *r, const char *name, char *out)
{
    char open[64];
    const char *at = (const char *)r->body;

    *out = '\0';
    (void)snprintf(open, sizeof(open), "<%s>", name);
    while ((at = strstr(at, open))) {
        at += strlen(open);
        out += sprintf(out, "%.*s ", (int)strcspn(at, "<"), at);
    }
}

T(s3_lists, a_listing_has_keys_and_prefixes)
{
    static const struct {
        const char *target, *keys, *prefixes;
    } rows[] = {
        {"/bucket", "a b/1 b/2 c&amp; d/1 e&#xd;f g ", " "},
        {"/bucket?encoding-type=url", "a b/1 b/2 c%26 d/1 e%0Df%20g ", " "},
        {"/bucket?delimiter=/", "a c&amp; e&#xd;f g ", " b/ d/ "},
        {"/bucket?delimiter=%2F&prefix=b/", "b/1 b/2 ", "b/ "},
        {"/bucket?prefix=x", "", "x "},
        {"/bucket?marker=b/1", "b/2 c&amp; d/1 e&#xd;f g ", " "},
        {"/bucket?delimiter=/&marker=b/", "c&amp; e&#xd;f g ", " d/ "},
        {"/bucket?max-keys=0", "", " "},
        {"/bucket?list-type=2", "a b/1 b/2 c&amp; d/1 e&#xd;f g ", " "},
        {"/bucket?list-type=2&start-after=c%26", "d/1 e&#xd;f g ", " "},
        {"/bucket?list-type=2&delimiter=/", "a c&amp; e&#xd;f g ", " b/ d/ "},
        {"/bucket?versions", "a b/1 b/2 c&amp; d/1 e&#xd;f g ", " "},
        {"/bucket?versions&delimiter=/&key-marker=b/&version-id-marker=", "c&amp; e&#xd;f g ",
         " d/ "},
        {"/bucket?versions&prefix=b&key-marker=b/1&version-id-marker=null", "b/2 ", "b "},
    };
    struct server *s = server_with_keys();
    char text[1024];

    T_CASES (row, rows) {
        struct response r = call(s, "GET", row->target, NULL, 0);

        T_EQ(r.status, 200);
        all_of(&r, "Key", text);
        T_STR_EQ(text, row->keys);
        all_of(&r, "Prefix", text);
        T_STR_EQ(text, row->prefixes);
        T_STR_EQ(response_xml(&r, "Name"), "bucket");
        T_STR_EQ(response_xml(&r, "IsTruncated"), "false");
        response_fini(&r);
    }
    expect(s, "GET", "/bucket?max-keys=x", NULL, 400, "InvalidArgument");
    expect(s, "GET", "/bucket?encoding-type=base64", NULL, 400, "InvalidArgument");
    expect(s, "GET", "/bucket?list-type=3", NULL, 400, "InvalidArgument");
    expect(s, "GET", "/bucket?list-type=2&continuation-token=xyz", NULL, 400, "InvalidArgument");
    expect(s, "GET", "/none", NULL, 404, "NoSuchBucket");
    server_stop(s);
}

T(s3_lists, an_object_is_the_only_version_of_its_key)
{
    static const char one[] =
        "<Delete><Object><Key>a</Key><VersionId>null</VersionId></Object></Delete>";
    struct server *s = server_with_keys();
    struct response r = call(s, "GET", "/bucket?versions&prefix=b/1", NULL, 0);

    T_STR_EQ(response_xml(&r, "VersionId"), "null");
    T_STR_EQ(response_xml(&r, "IsLatest"), "true");
    T_TRUE(strstr((char *)r.body, "<ListVersionsResult") != NULL);
    T_TRUE(strstr((char *)r.body, "</Version></ListVersionsResult>") != NULL);
    T_EQ(strstr((char *)r.body, "Contents"), NULL);
    response_fini(&r);
    expect(s, "GET", "/bucket?versions&version-id-marker=null", NULL, 400, "InvalidArgument");
    expect(s, "GET", "/bucket?versions&key-marker=a&version-id-marker=3", NULL, 400,
           "InvalidArgument");
    expect(s, "GET", "/bucket?versions&marker=a", NULL, 501, "NotImplemented");
    r = call(s, "POST", "/bucket?delete", one, strlen(one));
    T_EQ(r.status, 200);
    T_STR_EQ(response_xml(&r, "VersionId"), "null"); /* what was named is what is gone */
    response_fini(&r);
    expect(s, "GET", "/bucket/a", NULL, 404, "NoSuchKey");
    server_stop(s);
}

/* Pages of one, by each form's own way of going on. */
static void walk(struct server *s, const char *base, const char *next, const char *with,
                 const char *want)
{
    char target[512], seen[512] = "", text[256];

    (void)snprintf(target, sizeof(target), "%s", base);
    for (int page = 0; page < 10; page++) {
        struct response r = call(s, "GET", target, NULL, 0);
        bool more;

        T_EQ(r.status, 200);
        T_STR_EQ(response_xml(&r, "MaxKeys"), "1");
        all_of(&r, "Key", text);
        strcat(seen, text);
        all_of(&r, "CommonPrefixes><Prefix", text);
        strcat(seen, text);
        more = strcmp(response_xml(&r, "IsTruncated"), "true") == 0;
        if (more)
            (void)snprintf(target, sizeof(target), "%s&%s=%s", base, with, response_xml(&r, next));
        response_fini(&r);
        if (!more)
            break;
    }
    T_STR_EQ(seen, want);
}

T(s3_lists, pages_follow_each_other_without_gaps)
{
    struct server *s = server_with_keys();

    walk(s, "/bucket?max-keys=1&encoding-type=url", "NextMarker", "marker",
         "a b/1 b/2 c%26 d/1 e%0Df%20g ");
    walk(s, "/bucket?max-keys=1&encoding-type=url&delimiter=/", "NextMarker", "marker",
         "a b/ c%26 d/ e%0Df%20g ");
    walk(s, "/bucket?list-type=2&max-keys=1&encoding-type=url&delimiter=/", "NextContinuationToken",
         "continuation-token", "a b/ c%26 d/ e%0Df%20g ");
    walk(s, "/bucket?versions&max-keys=1&encoding-type=url", "NextKeyMarker", "key-marker",
         "a b/1 b/2 c%26 d/1 e%0Df%20g ");
    walk(s, "/bucket?versions&max-keys=1&encoding-type=url&delimiter=/", "NextKeyMarker",
         "key-marker", "a b/ c%26 d/ e%0Df%20g ");
    server_stop(s);
}

T(s3_lists, an_owner_is_told_when_asked_for)
{
    struct server *s = server_with_keys();
    struct response r = call(s, "GET", "/bucket?list-type=2", NULL, 0);

    T_EQ(response_xml(&r, "DisplayName"), NULL);
    response_fini(&r);
    r = call(s, "GET", "/bucket?list-type=2&fetch-owner=true", NULL, 0);
    T_STR_EQ(response_xml(&r, "DisplayName"), "alice");
    response_fini(&r);
    server_stop(s);
}

/* --- deletes --- */

#define OBJ(key) "<Object><Key>" key "</Key></Object>"

T(s3_lists, many_are_deleted_at_once)
{
    struct server *s = server_with_keys();
    struct response r =
        call(s, "POST", "/bucket?delete", "<Delete>" OBJ("a") OBJ("none") OBJ("c&amp;") "</Delete>",
             strlen("<Delete>" OBJ("a") OBJ("none") OBJ("c&amp;") "</Delete>"));
    char text[1024];

    T_EQ(r.status, 200);
    all_of(&r, "Key", text);
    T_STR_EQ(text, "a none c&amp; ");
    response_fini(&r);
    r = call(s, "POST", "/bucket?delete", "<Delete><Quiet>true</Quiet>" OBJ("b/1") "</Delete>",
             strlen("<Delete><Quiet>true</Quiet>" OBJ("b/1") "</Delete>"));
    all_of(&r, "Key", text);
    T_STR_EQ(text, "");
    response_fini(&r);
    r = call(s, "GET", "/bucket", NULL, 0);
    all_of(&r, "Key", text);
    T_STR_EQ(text, "b/2 d/1 e&#xd;f g ");
    response_fini(&r);
    server_stop(s);
}

T(s3_lists, a_delete_that_is_not_understood_deletes_nothing)
{
    static const struct {
        const char *body;
        unsigned status;
        const char *code;
    } rows[] = {
        {"<Delete></Delete>", 400, "MalformedXML"},
        {"<Delete>" OBJ("a"), 400, "MalformedXML"},
        {"<Remove>" OBJ("a") "</Remove>", 400, "MalformedXML"},
        {"<!DOCTYPE Delete><Delete>" OBJ("a") "</Delete>", 400, "MalformedXML"},
        {"<Delete>" OBJ("a") "<Object></Object></Delete>", 400, "MalformedXML"},
        {"<Delete>" OBJ("a") "<Force/></Delete>", 400, "MalformedXML"},
        {"<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>", 400, "MalformedXML"},
        {"<Delete><Object><Key>a</Key><VersionId>1</VersionId></Object></Delete>", 501,
         "NotImplemented"},
        {"<Delete><Object><Key>a</Key><Other>1</Other></Object></Delete>", 400, "MalformedXML"},
        {"", 400, "MalformedXML"},
    };
    struct server *s = server_with_keys();

    T_CASES (row, rows)
        expect(s, "POST", "/bucket?delete", row->body, row->status, row->code);
    expect(s, "GET", "/bucket/a", NULL, 200, NULL);
    expect(s, "POST", "/none?delete", "<Delete>" OBJ("a") "</Delete>", 404, "NoSuchBucket");
    server_stop(s);
}

T(s3_lists, a_thousand_keys_are_the_most)
{
    struct server *s = server_with_keys();
    AUTO(writer) body = {0};

    wr_raw(&body, "<Delete>", 8);
    for (int i = 0; i < 1001; i++)
        wr_raw(&body, OBJ("x"), strlen(OBJ("x")));
    wr_raw(&body, "</Delete>", 10);
    expect(s, "POST", "/bucket?delete", (char *)body.data, 400, "MalformedXML");
    server_stop(s);
}

/* --- uploads --- */

enum { PART = 5 * 1024 * 1024 };

static void upload_begin(struct server *s, char id[64])
{
    struct response r = call(s, "POST", "/bucket/up?uploads", NULL, 0);

    T_EQ(r.status, 200);
    (void)snprintf(id, 64, "%s", response_xml(&r, "UploadId"));
    response_fini(&r);
}

static void upload_part(struct server *s, const char *id, unsigned number, const uint8_t *data,
                        size_t bytes, char etag[64])
{
    char target[256];
    struct response r;

    (void)snprintf(target, sizeof(target), "/bucket/up?partNumber=%u&uploadId=%s", number, id);
    r = call(s, "PUT", target, data, bytes);
    T_EQ(r.status, 200);
    (void)snprintf(etag, 64, "%s", response_field(&r, "etag"));
    response_fini(&r);
}

static void complete(struct server *s, const char *id, const char *parts, unsigned status,
                     const char *code)
{
    char target[256], body[1024];

    (void)snprintf(target, sizeof(target), "/bucket/up?uploadId=%s", id);
    (void)snprintf(body, sizeof(body), "<CompleteMultipartUpload>%s</CompleteMultipartUpload>",
                   parts);
    expect(s, "POST", target, body, status, code);
}

#define PART_XML "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>"

T(s3_lists, an_upload_is_made_of_its_parts)
{
    static uint8_t data[PART + 100];
    struct server *s = server_with_keys();
    char id[64], one[64], two[64], parts[512], target[256], text[256];
    struct response r;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 13 + i / 5000);
    upload_begin(s, id);
    upload_part(s, id, 2, data + PART, 100, two);
    upload_part(s, id, 1, data, PART, one);
    (void)snprintf(target, sizeof(target), "/bucket/up?uploadId=%s", id);
    r = call(s, "GET", target, NULL, 0);
    all_of(&r, "PartNumber", text);
    T_STR_EQ(text, "1 2 ");
    all_of(&r, "Size", text);
    T_STR_EQ(text, "5242880 100 ");
    response_fini(&r);
    r = call(s, "GET", "/bucket?uploads", NULL, 0);
    T_STR_EQ(response_xml(&r, "UploadId"), id);
    response_fini(&r);
    expect(s, "GET", "/bucket/up", NULL, 404, "NoSuchKey");

    (void)snprintf(parts, sizeof(parts), PART_XML PART_XML, 2, two, 1, one);
    complete(s, id, parts, 400, "InvalidPartOrder");
    (void)snprintf(parts, sizeof(parts), PART_XML PART_XML, 1, two, 2, two);
    complete(s, id, parts, 400, "InvalidPart");
    (void)snprintf(parts, sizeof(parts), PART_XML, 1, "nonsense");
    complete(s, id, parts, 400, "InvalidPart");
    (void)snprintf(parts, sizeof(parts), PART_XML, 0, one);
    complete(s, id, parts, 400, "MalformedXML");
    complete(s, id, "", 400, "MalformedXML");
    complete(s, id, "<Part><PartNumber>1</PartNumber></Part>", 400, "MalformedXML");
    (void)snprintf(parts, sizeof(parts), PART_XML PART_XML, 1, one, 2, two);
    complete(s, "00000000000000000000000000000000", parts, 404, "NoSuchUpload");
    complete(s, id, parts, 200, NULL);

    r = call(s, "GET", "/bucket/up", NULL, 0);
    T_EQ(r.body_bytes, sizeof(data));
    T_MEM_EQ(r.body, data, sizeof(data));
    T_NE(strstr(response_field(&r, "etag"), "-2\""), NULL);
    response_fini(&r);
    server_stop(s);
}

T(s3_lists, an_upload_that_was_given_up_is_gone)
{
    struct server *s = server_with_keys();
    char id[64], etag[64], target[256];

    upload_begin(s, id);
    upload_part(s, id, 1, (const uint8_t *)"abc", 3, etag);
    (void)snprintf(target, sizeof(target), "/bucket/up?uploadId=%s", id);
    expect(s, "DELETE", target, NULL, 204, NULL);
    expect(s, "DELETE", target, NULL, 404, "NoSuchUpload");
    expect(s, "GET", target, NULL, 404, "NoSuchUpload");
    (void)snprintf(target, sizeof(target), "/bucket/up?partNumber=1&uploadId=%s", id);
    expect(s, "PUT", target, "abc", 404, "NoSuchUpload");
    expect(s, "PUT", "/bucket/up?partNumber=0&uploadId=1", "abc", 400, "InvalidArgument");
    expect(s, "PUT", "/bucket/up?partNumber=10001&uploadId=1", "abc", 400, "InvalidArgument");
    expect(s, "PUT", "/bucket/up?uploadId=1", "abc", 400, "InvalidArgument");
    expect(s, "PUT", "/bucket/up?partNumber=1&uploadId=", "abc", 404, "NoSuchUpload");
    server_stop(s);
}

T(s3_lists, a_part_may_be_copied_from_an_object)
{
    static uint8_t data[PART + 1000];
    struct fake_knobs knobs = {.piece_bytes = 700 * 1000, .window_bytes = 500 * 1000};
    struct server *s = server_start(&knobs, NULL);
    char id[64], parts[512], target[256], etag[2][64];
    static const char *const ranges[] = {"bytes=0-5242879", "bytes=5242880-5243879"};
    struct response r;

    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 6000);
    expect(s, "PUT", "/bucket", NULL, 200, NULL);
    r = call(s, "PUT", "/bucket/from", data, sizeof(data));
    response_fini(&r);
    upload_begin(s, id);
    for (unsigned i = 0; i < 2; i++) {
        char fields[256];
        struct call_args args = {.method = "PUT", .target = target, .fields = fields};

        (void)snprintf(target, sizeof(target), "/bucket/up?partNumber=%u&uploadId=%s", i + 1, id);
        (void)snprintf(fields, sizeof(fields),
                       "x-amz-copy-source: /bucket/from\r\nx-amz-copy-source-range: %s\r\n",
                       ranges[i]);
        T_EQ(client_once(s, &args, &r), 200);
        (void)snprintf(etag[i], sizeof(etag[i]), "%s", response_xml(&r, "ETag"));
        T_NE(strstr((char *)r.body, "CopyPartResult"), NULL);
        response_fini(&r);
        (void)snprintf(fields, sizeof(fields),
                       "x-amz-copy-source: /bucket/from\r\nx-amz-copy-source-range: bytes=9-8\r\n");
        T_EQ(client_once(s, &args, &r), 400);
        response_fini(&r);
    }
    (void)snprintf(parts, sizeof(parts), PART_XML PART_XML, 1, etag[0], 2, etag[1]);
    complete(s, id, parts, 200, NULL);
    r = call(s, "GET", "/bucket/up", NULL, 0);
    T_EQ(r.body_bytes, sizeof(data));
    T_MEM_EQ(r.body, data, sizeof(data));
    response_fini(&r);
    server_stop(s);
}
