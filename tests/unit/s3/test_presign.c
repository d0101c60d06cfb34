/* test_presign.c - presigned URLs over the wire, signed here by hand. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "s3/auth/digest.h"
#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

/* A URL to be made.  Whatever is NULL or 0 is as it should be. */
struct url {
    const char *method, *path;
    const char *more;                        /* arguments of the operation, "a=b&c=d", sorted */
    const char *expires;                     /* "600" */
    int64_t skew_s;                          /* of its time */
    const char *secret, *region, *algorithm; /* */
    const char *signed_names, *signed_lines; /* besides host: ";x-amz-a" and "x-amz-a:b\n" */
    const char *payload;                     /* UNSIGNED-PAYLOAD */
    const char *content_sha256;              /* X-Amz-Content-Sha256 */
};

static void hmac(const struct digest_kit *kit, const void *key, size_t n, const char *text,
                 uint8_t out[SHA256_BYTES])
{
    struct hash h = {0};

    T_OK(hmac_sha256(&h, kit, key, n, text, strlen(text), out));
    hash_fini(&h);
}

static void sign(const struct url *u, const char *stamp, const char *scope, const char *canonical,
                 char hex[65])
{
    char text[512], first[128];
    uint8_t key[SHA256_BYTES];
    struct digest_kit kit;
    struct hash h = {0};

    T_OK(digest_kit_init(&kit));
    T_OK(sha256_of(&h, &kit, canonical, strlen(canonical), key));
    hex_put(key, sizeof(key), hex);
    (void)snprintf(text, sizeof(text), "AWS4-HMAC-SHA256\n%s\n%s\n%s", stamp, scope, hex);
    (void)snprintf(first, sizeof(first), "AWS4%s", u->secret ? u->secret : FAKE_SECRET);
    stamp = strndup(stamp, 8);
    hmac(&kit, first, strlen(first), stamp, key);
    free((char *)stamp);
    hmac(&kit, key, sizeof(key), u->region ? u->region : "us-east-1", key);
    hmac(&kit, key, sizeof(key), "s3", key);
    hmac(&kit, key, sizeof(key), "aws4_request", key);
    hmac(&kit, key, sizeof(key), text, key);
    hex_put(key, sizeof(key), hex);
    hash_fini(&h);
    digest_kit_fini(&kit);
}

/* The target, with its signature. */
static void presign(const struct url *u, char *out, size_t bytes)
{
    const char *region = u->region ? u->region : "us-east-1";
    const char *names = u->signed_names ? u->signed_names : "";
    char stamp[32], scope[128], query[1024], canonical[2048], hex[65], names_coded[128] = "";
    time_t now = time(NULL) + u->skew_s;
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
    (void)snprintf(scope, sizeof(scope), "%.8s/%s/s3/aws4_request", stamp, region);
    for (const char *at = names; *at; at++)
        (void)snprintf(names_coded + strlen(names_coded), 8, *at == ';' ? "%%3B" : "%c", *at);
    (void)snprintf(query, sizeof(query),
                   "X-Amz-Algorithm=%s%s%s&X-Amz-Credential=" FAKE_KEY
                   "%%2F%.8s%%2F%s%%2Fs3%%2Faws4_request&X-Amz-Date=%s&X-Amz-Expires=%s&"
                   "X-Amz-SignedHeaders=host%s%s%s",
                   u->algorithm ? u->algorithm : "AWS4-HMAC-SHA256",
                   u->content_sha256 ? "&X-Amz-Content-Sha256=" : "",
                   u->content_sha256 ? u->content_sha256 : "", stamp, region, stamp,
                   u->expires ? u->expires : "600", names_coded, u->more ? "&" : "",
                   u->more ? u->more : "");
    (void)snprintf(canonical, sizeof(canonical), "%s\n%s\n%s\nhost:127.0.0.1\n%s\nhost%s\n%s",
                   u->method, u->path, query, u->signed_lines ? u->signed_lines : "", names,
                   u->payload ? u->payload : "UNSIGNED-PAYLOAD");
    sign(u, stamp, scope, canonical, hex);
    (void)snprintf(out, bytes, "%s?%s&X-Amz-Signature=%s", u->path, query, hex);
}

static void ask(struct server *s, const char *method, const char *target, const char *fields,
                const char *body, struct response *out)
{
    char head[4096];
    int fd = server_connect(s);

    (void)snprintf(head, sizeof(head),
                   "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n%s\r\n%s", method,
                   target, strlen(body), fields ? fields : "", body);
    client_send_text(fd, head);
    client_receive(fd, false, out);
    close(fd);
}

static void expect(struct server *s, const struct url *u, const char *fields, const char *body,
                   unsigned status, const char *code)
{
    char target[2048];
    struct response r;

    presign(u, target, sizeof(target));
    ask(s, u->method, target, fields, body, &r);
    T_EQ(r.status, status);
    if (code)
        T_STR_EQ(response_xml(&r, "Code"), code);
    response_fini(&r);
}

static struct server *server_with_object(void)
{
    struct url bucket = {.method = "PUT", .path = "/bucket"};
    struct url key = {.method = "PUT", .path = "/bucket/a%20key"};
    struct server *s = server_start(NULL, NULL);

    expect(s, &bucket, NULL, "", 200, NULL);
    expect(s, &key, NULL, "abc", 200, NULL);
    return s;
}

T(s3_presign, a_url_does_what_it_was_signed_for)
{
    struct url get = {.method = "GET",
                      .path = "/bucket/a%20key",
                      .more = "response-content-type=text%2Fplain&x-id=GetObject"};
    struct server *s = server_with_object();
    char target[2048];
    struct response r;

    presign(&get, target, sizeof(target));
    ask(s, "GET", target, NULL, "", &r);
    T_EQ(r.status, 200);
    T_MEM_EQ(r.body, "abc", 3);
    T_STR_EQ(response_field(&r, "content-type"), "text/plain");
    response_fini(&r);
    ask(s, "HEAD", target, NULL, "", &r); /* another method was signed */
    T_EQ(r.status, 403);
    response_fini(&r);
    strcat(target, "&x-id=GetObject");
    ask(s, "GET", target, NULL, "", &r);
    T_EQ(r.status, 403);
    T_STR_EQ(response_xml(&r, "Code"), "SignatureDoesNotMatch");
    response_fini(&r);
    server_stop(s);
}

T(s3_presign, a_url_is_good_for_its_time)
{
    static const struct {
        int64_t skew_s;
        const char *expires;
        unsigned status;
        const char *code;
    } rows[] = {
        {0, "1", 200, NULL},
        {0, "604800", 200, NULL},
        {-500000, "604800", 200, NULL},
        {800, "10", 200, NULL}, /* the client's clock is ahead of ours */
        {-60, "30", 403, "AccessDenied"},
        {-604900, "604800", 403, "AccessDenied"},
        {1000, "3600", 403, "AccessDenied"},
        {0, "604801", 400, "AuthorizationQueryParametersError"},
        {0, "99999999999999999999", 400, "AuthorizationQueryParametersError"},
        {0, "0", 400, "AuthorizationQueryParametersError"},
        {0, "-1", 400, "AuthorizationQueryParametersError"},
        {0, "", 400, "AuthorizationQueryParametersError"},
        {0, "10s", 400, "AuthorizationQueryParametersError"},
    };
    struct server *s = server_with_object();

    T_CASES (row, rows) {
        struct url u = {.method = "GET",
                        .path = "/bucket/a%20key",
                        .skew_s = row->skew_s,
                        .expires = row->expires};

        expect(s, &u, NULL, "", row->status, row->code);
    }
    server_stop(s);
}

T(s3_presign, what_is_wrong_is_told_apart)
{
    static const struct {
        struct url url;
        const char *fields;
        unsigned status;
        const char *code;
    } rows[] = {
        {{.secret = "guess"}, NULL, 403, "SignatureDoesNotMatch"},
        {{.region = "eu-west-1"}, NULL, 400, "AuthorizationQueryParametersError"},
        {{.algorithm = "AWS4-HMAC-SHA1"}, NULL, 400, "AuthorizationQueryParametersError"},
        {{.more = "X-Amz-Signature=00"}, NULL, 400, "AuthorizationQueryParametersError"},
        {{.more = "Signature=00"}, NULL, 400, "InvalidArgument"},
        {{.more = "x-amz-security-token=t"}, NULL, 501, "NotImplemented"},
        {{.more = "uploads"}, NULL, 403, "SignatureDoesNotMatch"}, /* "uploads=" is signed */
        {{0}, "Authorization: AWS4-HMAC-SHA256 Credential=a\r\n", 400, "InvalidArgument"},
        {{0}, "x-amz-acl: public-read\r\n", 403, "AccessDenied"},
        {{0}, "x-amz-security-token: t\r\n", 403, "AccessDenied"},
        {{.signed_names = ";x-amz-security-token", .signed_lines = "x-amz-security-token:t\n"},
         "x-amz-security-token: t\r\n",
         400,
         "InvalidToken"},
        {{.signed_names = ";z", .signed_lines = "z:1\n"}, "z: 2\r\n", 403, "SignatureDoesNotMatch"},
        {{.signed_names = ";z", .signed_lines = "z:1\n"}, "z: 1\r\n", 200, NULL},
        {{0}, "if-none-match: *\r\nRange: bytes=0-1\r\n", 304, NULL}, /* need not be signed */
    };
    struct server *s = server_with_object();
    struct response r;

    T_CASES (row, rows) {
        struct url u = row->url;

        u.method = "GET";
        u.path = "/bucket/a%20key";
        expect(s, &u, row->fields, "", row->status, row->code);
    }
    ask(s, "GET", "/bucket/a%20key?X-Amz-Signature=1", NULL, "", &r);
    T_EQ(r.status, 400);
    T_STR_EQ(response_xml(&r, "Code"), "AuthorizationQueryParametersError");
    response_fini(&r);
    ask(s, "GET",
        "/bucket/a%20key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential="
        "a%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=60&"
        "X-Amz-SignedHeaders=host&X-Amz-Signature=00",
        NULL, "", &r);
    T_EQ(r.status, 400);
    T_STR_EQ(response_xml(&r, "Code"), "AuthorizationQueryParametersError");
    response_fini(&r);
    server_stop(s);
}

#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

T(s3_presign, a_body_may_be_bound_to_the_url)
{
    static const struct {
        struct url url;
        const char *fields;
        unsigned status;
        const char *code;
    } rows[] = {
        {{.content_sha256 = ABC_SHA256, .payload = ABC_SHA256}, NULL, 200, NULL},
        {{.content_sha256 = "UNSIGNED-PAYLOAD"}, NULL, 200, NULL},
        {{.payload = ABC_SHA256,
          .signed_names = ";x-amz-content-sha256",
          .signed_lines = "x-amz-content-sha256:" ABC_SHA256 "\n"},
         "x-amz-content-sha256: " ABC_SHA256 "\r\n",
         200,
         NULL},
        {{0}, "x-amz-content-sha256: " ABC_SHA256 "\r\n", 403, "AccessDenied"},
    };
    struct server *s = server_with_object();

    T_CASES (row, rows) {
        struct url u = row->url;

        u.method = "PUT";
        u.path = "/bucket/bound";
        expect(s, &u, row->fields, "abc", row->status, row->code);
        if (row->status == 200 && u.payload)
            expect(s, &u, row->fields, "abd", 400, "XAmzContentSHA256Mismatch");
    }
    server_stop(s);
}

/* SDKs move x-amz- fields into the query: there they count as if they were sent. */
T(s3_presign, fields_in_the_query_count)
{
    static const struct {
        const char *more, *fields;
        unsigned status;
        const char *code;
    } rows[] = {
        {"x-amz-checksum-crc32=NSRBwg%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", NULL, 200, NULL},
        {"x-amz-checksum-crc32=NSRBww%3D%3D", NULL, 400, "BadDigest"},
        /* Signed before there was a body. */
        {"x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32", NULL, 200, NULL},
        {"x-amz-checksum-sha1=2jmj7l5rSw0yVb%2FvlWAYkK%2FYBwk%3D", NULL, 200, NULL},
        {"x-amz-sdk-checksum-algorithm=CRC32", NULL, 200, NULL},
        {"x-amz-object-lock-mode=GOVERNANCE", NULL, 501, "NotImplemented"},
        {"x-amz-meta-color=blue%0D%0Aset-cookie%3A1", NULL, 400, "InvalidArgument"},
        {"x-amz-meta-color=blue&x-amz-meta-color=red", NULL, 400, "InvalidArgument"},
        {"x-amz-meta-color=blue", NULL, 200, NULL},
    };
    struct url get = {.method = "GET", .path = "/bucket/fields"};
    struct server *s = server_with_object();
    char target[2048];
    struct response r;

    T_CASES (row, rows) {
        struct url u = {.method = "PUT", .path = "/bucket/fields", .more = row->more};

        expect(s, &u, row->fields, "abc", row->status, row->code);
    }
    presign(&get, target, sizeof(target));
    ask(s, "GET", target, NULL, "", &r);
    T_STR_EQ(response_field(&r, "x-amz-meta-color"), "blue");
    response_fini(&r);
    server_stop(s);
}
