/* test_sigv2.c - signatures of version 2, against what AWS has published, and over the wire.
 *
 * Source: "Signing and authenticating REST requests (AWS signature version 2)" in the Amazon S3
 * API reference.  Its signatures are those of a bucket johnsmith, its text names another; and one
 * of them is left out: DELETE with x-amz-date, where its text and every client say otherwise. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "s3/auth/digest.h"
#include "s3/auth/sigv2.h"
#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

/* --- published --- */

static const struct published {
    const char *method, *host, *target, *signature;
    const char *field[7][2]; /* the first is Date */
} published[] = {
    {"GET",
     "johnsmith.s3.test",
     "/photos/puppy.jpg",
     "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
     {{"date", "Tue, 27 Mar 2007 19:36:42 +0000"}}},
    {"PUT",
     "johnsmith.s3.test",
     "/photos/puppy.jpg",
     "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
     {{"date", "Tue, 27 Mar 2007 21:15:45 +0000"},
      {"content-type", "image/jpeg"},
      {"content-length", "94328"}}},
    {"GET",
     "johnsmith.s3.test",
     "/?prefix=photos&max-keys=50&marker=puppy",
     "htDYFYduRNen8P9ZfE/s9SuKy0U=",
     {{"date", "Tue, 27 Mar 2007 19:42:41 +0000"}, {"user-agent", "Mozilla/5.0"}}},
    {"GET",
     "JohnSmith.s3.test:7480",
     "/?acl",
     "c2WLPFtWHVgbEmeEG93a4cG37dM=",
     {{"date", "Tue, 27 Mar 2007 19:44:46 +0000"}}},
    {"PUT",
     "static.johnsmith.net.s3.test:8080",
     "/db-backup.dat.gz",
     "ilyl83RwaSoYIEdixDQcA4OnAnc=",
     {{"date", "Tue, 27 Mar 2007 21:06:08 +0000"},
      {"x-amz-acl", "public-read"},
      {"content-type", "application/x-download"},
      {"content-md5", "4gJE4saaMU4BqNR0kLY+lw=="},
      {"x-amz-meta-reviewedby", "joe@johnsmith.net"},
      {"x-amz-meta-reviewedby", "jane@johnsmith.net"},
      {"x-amz-meta-filechecksum", "0x02661779"}}},
    {"GET",
     "s3.test",
     "/",
     "qGdzdERIC03wnaRNKh6OqZehG9s=",
     {{"date", "Wed, 28 Mar 2007 01:29:59 +0000"}}},
    {"GET",
     "s3.test",
     "/dictionary/fran%C3%A7ais/pr%c3%a9f%c3%a8re",
     "DNEZGsoieTZ92F3bUfSPQcbGmlM=",
     {{"date", "Wed, 28 Mar 2007 01:49:49 +0000"}}},
};

struct stage {
    struct digest_kit kit;
    struct hash hash;
    struct arena arena;
    struct http_head head;
    struct uri_query query;
    struct sigv2 sig;
    const char *why;
};

static void stage_init(struct stage *s)
{
    memset(s, 0, sizeof(*s));
    arena_init(&s->arena);
    T_OK(digest_kit_init(&s->kit));
}

static void stage_fini(struct stage *s)
{
    hash_fini(&s->hash);
    digest_kit_fini(&s->kit);
    arena_fini(&s->arena);
}

static void field(struct stage *s, const char *name, const char *value)
{
    s->head.field[s->head.field_count++] = (struct http_field){BYTES_STR(name), BYTES_STR(value)};
}

static void request(struct stage *s, const char *method, const char *host, const char *target)
{
    struct bytes path, query;

    s->head.field_count = 0;
    s->head.method = BYTES_STR(method);
    s->head.host = BYTES_STR(host);
    s->head.target = BYTES_STR(target);
    uri_split(s->head.target, &path, &query);
    T_OK(uri_query_parse(&s->arena, query, &s->query));
}

static enum s3_error verify(struct stage *s)
{
    enum s3_error e = sigv2_parse(&s->head, &s->query, "s3.test", &s->sig, &s->why);

    return e ? e : sigv2_verify(&s->hash, &s->kit, &s->head, &s->query, &s->sig, BYTES_STR(SECRET));
}

static void published_request(struct stage *s, const struct published *p, char text[128])
{
    request(s, p->method, p->host, p->target);
    (void)snprintf(text, 128, "AWS AKIAIOSFODNN7EXAMPLE:%s", p->signature);
    field(s, "authorization", text);
    for (size_t i = 0; i < ARRAY_LEN(p->field) && p->field[i][0]; i++)
        field(s, p->field[i][0], p->field[i][1]);
    if (p->field[6][0]) /* its last field */
        field(s, "x-amz-meta-checksumalgorithm", "crc32");
}

T(s3_sigv2, the_published_requests_are_verified)
{
    struct stage s;
    char text[128];

    stage_init(&s);
    T_CASES (row, published) {
        published_request(&s, row, text);
        T_EQ(verify(&s), S3_OK);
        T_TRUE(bytes_equal(s.sig.access_key, BYTES_STR("AKIAIOSFODNN7EXAMPLE")));
        s.head.field[1].value = BYTES_STR("Tue, 27 Mar 2007 19:36:43 +0000");
        T_EQ(verify(&s), S3_SignatureDoesNotMatch);
    }
    stage_fini(&s);
}

T(s3_sigv2, the_published_url_is_verified)
{
    struct stage s;

    stage_init(&s);
    request(&s, "GET", "johnsmith.s3.test",
            "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&"
            "Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620");
    T_EQ(verify(&s), S3_OK);
    T_EQ(sigv2_check_time(&s.sig, 1175139620, &s.why), S3_OK);
    T_EQ(sigv2_check_time(&s.sig, 1175139621, &s.why), S3_AccessDenied);
    T_STR_EQ(s.why, "Request has expired");
    s.head.method = BYTES_STR("HEAD");
    T_EQ(verify(&s), S3_SignatureDoesNotMatch);
    stage_fini(&s);
}

T(s3_sigv2, a_host_and_a_path_name_the_same_bucket)
{
    struct stage s;

    stage_init(&s);
    request(&s, "GET", "127.0.0.1", "/johnsmith/photos/puppy.jpg");
    field(&s, "authorization", "AWS AKIAIOSFODNN7EXAMPLE:bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
    field(&s, "date", "Tue, 27 Mar 2007 19:36:42 +0000");
    T_EQ(verify(&s), S3_OK);
    s.head.host = BYTES_STR("johnsmith.s3.test");
    T_EQ(verify(&s), S3_SignatureDoesNotMatch); /* /johnsmith/johnsmith/... */
    stage_fini(&s);
}

T(s3_sigv2, dates_are_read_as_clients_write_them)
{
    static const struct {
        const char *text;
        int64_t at_s; /* 0: it is none */
    } rows[] = {
        {"Tue, 27 Mar 2007 19:36:42 +0000", 1175024202},
        {"Tue, 27 Mar 2007 19:36:42 GMT", 1175024202},
        {"27 Mar 2007 19:36:42 UTC", 1175024202},
        {"Tue, 27 Mar 2007 21:36:42 +0200", 1175024202},
        {"Tue, 27 Mar 2007 14:06:42 -0530", 1175024202},
        {"20070327T193642Z", 1175024202},
        {"Tue, 27 Mar 2007 19:36:42", 0},
        {"Tue, 27 Mar 2007 19:36:42 CET", 0},
        {"Tue, 27 Mar 2007 19:36:42 +00:00", 0},
        {"1175024202", 0},
        {"Tue, 27 Mar 2007 19:36:42 GMT and more", 0},
        {"", 0},
    };
    struct stage s;

    stage_init(&s);
    T_CASES (row, rows) {
        request(&s, "GET", "s3.test", "/");
        field(&s, "authorization", "AWS a:bWq2s1WEIj+Ydj0vQ697zp+IXMU=");
        field(&s, "date", row->text);
        T_EQ(sigv2_parse(&s.head, &s.query, "", &s.sig, &s.why),
             row->at_s ? S3_OK : S3_AccessDenied);
        if (!row->at_s)
            continue;
        T_EQ(s.sig.at_s, row->at_s);
        T_EQ(sigv2_check_time(&s.sig, row->at_s + 900, &s.why), S3_OK);
        T_EQ(sigv2_check_time(&s.sig, row->at_s - 900, &s.why), S3_OK);
        T_EQ(sigv2_check_time(&s.sig, row->at_s + 901, &s.why), S3_RequestTimeTooSkewed);
        T_EQ(sigv2_check_time(&s.sig, row->at_s - 901, &s.why), S3_RequestTimeTooSkewed);
    }
    stage_fini(&s);
}

/* --- over the wire, signed here by hand --- */

static void sign(const char *secret, const char *text, char out[32])
{
    uint8_t made[SHA1_BYTES];
    struct digest_kit kit;
    struct hash h = {0};

    T_OK(digest_kit_init(&kit));
    T_OK(hmac_sha1(&h, &kit, secret, strlen(secret), text, strlen(text), made));
    base64_put(made, sizeof(made), out);
    hash_fini(&h);
    digest_kit_fini(&kit);
}

static void http_date(int64_t skew_s, char out[64])
{
    time_t at = time(NULL) + skew_s;
    struct tm tm;

    gmtime_r(&at, &tm);
    strftime(out, 64, "%a, %d %b %Y %H:%M:%S +0000", &tm);
}

/* A request, and the string that its client signs: "$D" in it is the date, or the second at which a
 * URL ends.  Whatever is NULL is as it should be. */
struct call {
    const char *method, *target, *text;
    unsigned status;
    const char *code;
    struct {
        bool in_query;
        int64_t skew_s;   /* in the query: how long it is good */
        const char *more; /* behind the target, not signed */
        const char *fields, *body, *host;
        const char *secret, *key;
    } with;
};

static void put_text(const struct call *c, const char *date, char *out, size_t bytes)
{
    const char *at = strstr(c->text, "$D");

    if (at)
        (void)snprintf(out, bytes, "%.*s%s%s", (int)(at - c->text), c->text, date, at + 2);
    else
        (void)snprintf(out, bytes, "%s", c->text);
}

static void url_put(const struct call *c, const char *date, const char *signature, char *out,
                    size_t bytes)
{
    char coded[96] = "";

    for (const char *at = signature; *at; at++)
        (void)snprintf(coded + strlen(coded), 4,
                       *at == '+'   ? "%%2B"
                       : *at == '/' ? "%%2F"
                       : *at == '=' ? "%%3D"
                                    : "%c",
                       *at);
    (void)snprintf(out, bytes, "%s%sAWSAccessKeyId=%s&Expires=%s&Signature=%s%s", c->target,
                   strchr(c->target, '?') ? "&" : "?", c->with.key ? c->with.key : FAKE_KEY, date,
                   coded, c->with.more ? c->with.more : "");
}

static void ask(struct server *s, const struct call *c, struct response *out)
{
    char date[64], text[1024], signature[32], target[2048], head[4096];
    const char *body = c->with.body ? c->with.body : "";
    const char *host = c->with.host ? c->with.host : "127.0.0.1";
    int fd = server_connect(s);

    if (c->with.in_query)
        (void)snprintf(date, sizeof(date), "%lld", (long long)(time(NULL) + c->with.skew_s));
    else
        http_date(c->with.skew_s, date);
    put_text(c, date, text, sizeof(text));
    sign(c->with.secret ? c->with.secret : FAKE_SECRET, text, signature);
    if (c->with.in_query)
        url_put(c, date, signature, target, sizeof(target));
    else
        (void)snprintf(target, sizeof(target), "%s%s", c->target, c->with.more ? c->with.more : "");
    (void)snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n%s",
                   c->method, target, host, strlen(body), c->with.fields ? c->with.fields : "");
    if (!c->with.in_query)
        (void)snprintf(head + strlen(head), sizeof(head) - strlen(head),
                       "%s: %s\r\nAuthorization: AWS %s:%s\r\n",
                       strstr(c->text, "x-amz-date:$D") ? "x-amz-date" : "Date", date,
                       c->with.key ? c->with.key : FAKE_KEY, signature);
    client_send_text(fd, head);
    client_send_text(fd, "\r\n");
    client_send_text(fd, body);
    client_receive(fd, strcmp(c->method, "HEAD") == 0, out);
    close(fd);
}

static void expect(struct server *s, const struct call *c)
{
    struct response r;

    ask(s, c, &r);
    T_EQ(r.status, c->status);
    if (c->code)
        T_STR_EQ(response_xml(&r, "Code"), c->code);
    response_fini(&r);
}

static struct server *server_with_object(const struct fake_knobs *knobs)
{
    static const struct call_args bucket = {.method = "PUT", .target = "/bucket"};
    static const struct call_args key = {
        .method = "PUT", .target = "/bucket/key", .body = "abc", .body_bytes = 3};
    struct server *s = server_start(knobs, "s3.test");
    struct response r;

    T_EQ(client_once(s, &bucket, &r), 200);
    response_fini(&r);
    T_EQ(client_once(s, &key, &r), 200);
    response_fini(&r);
    return s;
}

#define GET_KEY "GET", "/bucket/key", "GET\n\n\n$D\n/bucket/key"
#define PUT_KEY "PUT", "/bucket/put"

T(s3_sigv2, a_signed_head_does_what_it_says)
{
    static const struct call rows[] = {
        {GET_KEY, 200, NULL, {0}},
        {GET_KEY, 200, NULL, {.skew_s = 800}},
        {GET_KEY, 403, "RequestTimeTooSkewed", {.skew_s = -1000}},
        {GET_KEY, 403, "RequestTimeTooSkewed", {.skew_s = 1000}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.secret = "guess"}},
        {GET_KEY, 403, "InvalidAccessKeyId", {.key = "NOBODY"}},
        {GET_KEY, 403, "AccessDenied", {.key = FAKE_SUSPENDED_KEY}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.more = "?acl"}},
        {GET_KEY, 403, "AccessDenied", {.more = "?attributes"}},
        {GET_KEY, 400, "InvalidArgument", {.more = "?X-Amz-Signature=0"}},
        {GET_KEY, 400, "InvalidArgument", {.more = "?Signature=0"}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.fields = "x-amz-meta-a: b\r\n"}},
        {GET_KEY,
         403,
         "RequestTimeTooSkewed",
         {.fields = "x-amz-date: Tue, 27 Mar 2007 19:36:42 GMT\r\n"}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.fields = "Content-Type: a/b\r\n"}},
        {"GET",
         "/bucket/key",
         "GET\n\n\n$D\n/bucket/bucket/key",
         404,
         "NoSuchKey",
         {.host = "bucket.s3.test"}},
        {"GET", "/key", "GET\n\n\n$D\n/bucket/key", 200, NULL, {.host = "Bucket.s3.test"}},
        {"GET", "/bucket/key", "GET\n\n\n\nx-amz-date:$D\n/bucket/key", 200, NULL, {0}},
        {"GET", "/bucket?prefix=k&list-type=2&max-keys=1", "GET\n\n\n$D\n/bucket", 200, NULL, {0}},
        {"GET", "/bucket/?uploads&prefix=k", "GET\n\n\n$D\n/bucket/?uploads", 200, NULL, {0}},
        {"GET", "/bucket/?uploads=", "GET\n\n\n$D\n/bucket/?uploads=", 200, NULL, {0}},
        {"GET", "/bucket?prefix=k", "GET\n\n\n$D\n/bucket/", 200, NULL, {0}}, /* as boto does */
        {"GET", "/bucket/key", "GET\n\n\n$D\n/bucket/key/", 403, "SignatureDoesNotMatch", {0}},
        {"GET", "/bucket?publicAccessBlock", "GET\n\n\n$D\n/bucket", 403, "AccessDenied", {0}},
        {"GET", "/bucket?prefix=a&prefix=b", "GET\n\n\n$D\n/bucket", 400, "InvalidArgument", {0}},
        {PUT_KEY,
         "PUT\n\na/b\n$D\nx-amz-acl:private\nx-amz-meta-a:b  c\n/bucket/put",
         200,
         NULL,
         {.fields = "Content-Type: a/b\r\nX-Amz-Meta-A:  b  c \r\n"
                    "x-amz-acl: private\r\n",
          .body = "abc"}},
        {PUT_KEY,
         "PUT\nkAFQmDzST7DWlj99KOF/cg==\n\n$D\n/bucket/put",
         200,
         NULL,
         {.fields = "Content-MD5: kAFQmDzST7DWlj99KOF/cg==\r\n", .body = "abc"}},
        {PUT_KEY,
         "PUT\nkAFQmDzST7DWlj99KOF/cA==\n\n$D\n/bucket/put",
         400,
         "BadDigest",
         {.fields = "Content-MD5: kAFQmDzST7DWlj99KOF/cA==\r\n", .body = "abc"}},
    };
    struct server *s = server_with_object(NULL);

    T_CASES (row, rows)
        expect(s, row);
    server_stop(s);
}

#define ABC_SHA256 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

T(s3_sigv2, a_body_is_what_was_told_and_no_chunks_are_taken)
{
    static const struct call rows[] = {
        {PUT_KEY,
         "PUT\n\n\n$D\nx-amz-content-sha256:" ABC_SHA256 "\n/bucket/put",
         200,
         NULL,
         {.fields = "x-amz-content-sha256: " ABC_SHA256 "\r\n", .body = "abc"}},
        {"PUT",
         "/bucket/put",
         "PUT\n\n\n$D\nx-amz-content-sha256:" ABC_SHA256 "\n/bucket/put",
         400,
         "XAmzContentSHA256Mismatch",
         {.fields = "x-amz-content-sha256: " ABC_SHA256 "\r\n", .body = "abd"}},
        {PUT_KEY,
         "PUT\n\n\n$D\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n/bucket/put",
         200,
         NULL,
         {.fields = "x-amz-content-sha256: UNSIGNED-PAYLOAD\r\n", .body = "abc"}},
        {PUT_KEY,
         "PUT\n\n\n$D\nx-amz-content-sha256:STREAMING-AWS4-HMAC-SHA256-PAYLOAD\n/bucket/put",
         400,
         "InvalidRequest",
         {.fields = "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n", .body = "abc"}},
        {PUT_KEY,
         "PUT\n\n\n$D\nx-amz-content-sha256:STREAMING-UNSIGNED-PAYLOAD-TRAILER\n/bucket/put",
         400,
         "InvalidRequest",
         {.fields = "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n", .body = "abc"}},
        {PUT_KEY,
         "PUT\n\n\n$D\nx-amz-security-token:t\n/bucket/put",
         400,
         "InvalidToken",
         {.fields = "x-amz-security-token: t\r\n", .body = "abc"}},
    };
    struct server *s = server_with_object(NULL);

    T_CASES (row, rows)
        expect(s, row);
    server_stop(s);
}

T(s3_sigv2, a_url_does_what_it_was_signed_for_while_it_is_good)
{
    static const struct call rows[] = {
        {GET_KEY, 200, NULL, {.skew_s = 60}},
        {GET_KEY, 200, NULL, {.skew_s = 400000000}}, /* it has no greatest time */
        {GET_KEY, 403, "AccessDenied", {.skew_s = -5}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.skew_s = 60, .secret = "guess"}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.skew_s = 60, .more = "&acl"}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.skew_s = 60, .more = "&tagging"}},
        {GET_KEY,
         403,
         "SignatureDoesNotMatch",
         {.skew_s = 60, .more = "&response-content-type=a%2Fb"}},
        {GET_KEY, 403, "AccessDenied", {.skew_s = 60, .more = "&attributes"}},
        {GET_KEY, 403, "SignatureDoesNotMatch", {.skew_s = 60, .more = "&x-amz-acl=public-read"}},
        {GET_KEY,
         403,
         "SignatureDoesNotMatch",
         {.skew_s = 60, .more = "&X-Amz-Date=20150830T123600Z"}},
        {GET_KEY, 400, "InvalidArgument", {.skew_s = 60, .more = "&Expires=9999999999"}},
        {GET_KEY, 400, "InvalidArgument", {.skew_s = 60, .more = "&Signature=0"}},
        {GET_KEY, 400, "InvalidArgument", {.skew_s = 60, .more = "&AWSAccessKeyId=b"}},
        {GET_KEY, 400, "InvalidArgument", {.skew_s = 60, .more = "&X-Amz-Signature=0"}},
        {GET_KEY, 400, "InvalidArgument", {.skew_s = 60, .fields = "Authorization: AWS a:b\r\n"}},
        {"HEAD", "/bucket/key", "GET\n\n\n$D\n/bucket/key", 403, NULL, {.skew_s = 60}},
        {"DELETE",
         "/bucket/key",
         "GET\n\n\n$D\n/bucket/key",
         403,
         "SignatureDoesNotMatch",
         {.skew_s = 60}},
        {"GET",
         "/bucket/other",
         "GET\n\n\n$D\n/bucket/key",
         403,
         "SignatureDoesNotMatch",
         {.skew_s = 60}},
        {"PUT",
         "/bucket/put?x-amz-meta-a=b%20c&content-type=a%2Fb",
         "PUT\n\na/b\n$D\nx-amz-meta-a:b c\n/bucket/put",
         200,
         NULL,
         {.skew_s = 60, .body = "abc"}},
        {"PUT",
         "/bucket/put?content-type=a%2Fb",
         "PUT\n\na/b\n$D\n/bucket/put",
         400,
         "InvalidArgument",
         {.skew_s = 60, .fields = "Content-Type: c/d\r\n", .body = "abc"}},
        {"PUT",
         "/bucket/put?content-type=a%0D%0Ab",
         "PUT\n\na\r\nb\n$D\n/bucket/put",
         400,
         "InvalidArgument",
         {.skew_s = 60, .body = "abc"}},
    };
    struct call get = {.method = "GET",
                       .target = "/bucket/key?response-content-type=a%2Fb%3Bc&"
                                 "response-cache-control=no-store",
                       .text = "GET\n\n\n$D\n/bucket/key?response-cache-control=no-store&"
                               "response-content-type=a/b;c",
                       .with = {.skew_s = 60, .in_query = true}};
    struct server *s = server_with_object(NULL);
    struct response r;

    T_CASES (row, rows) {
        struct call c = *row;

        c.with.in_query = true;
        expect(s, &c);
    }
    ask(s, &get, &r);
    T_EQ(r.status, 200);
    T_STR_EQ(response_field(&r, "content-type"), "a/b;c");
    T_STR_EQ(response_field(&r, "cache-control"), "no-store");
    response_fini(&r);
    get =
        (struct call){.method = "GET", .target = "/bucket/put", .text = "GET\n\n\n$D\n/bucket/put"};
    ask(s, &get, &r);
    T_STR_EQ(response_field(&r, "x-amz-meta-a"), "b c");
    T_STR_EQ(response_field(&r, "content-type"), "a/b");
    response_fini(&r);
    server_stop(s);
}

T(s3_sigv2, what_is_malformed_is_refused)
{
    static const struct {
        const char *target, *fields;
        unsigned status;
        const char *code, *message;
    } rows[] = {
        {"/bucket/key", "Authorization: AWS a\r\n", 400, "InvalidArgument", NULL},
        {"/bucket/key", "Authorization: AWS :b\r\n", 400, "InvalidArgument", NULL},
        {"/bucket/key", "Authorization: AWS a:b\r\n", 400, "InvalidArgument", NULL},
        {"/bucket/key", "Authorization: AWS a:bWq2s1WEIj+Ydj0vQ697zp+IXMU=\r\n", 403,
         "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"},
        {"/bucket/key", "Authorization: AWS a:bWq2s1WEIj+Ydj0vQ697zp+IXMU=\r\nDate: soon\r\n", 403,
         "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"},
        {"/bucket/key?AWSAccessKeyId=a&Signature=b", "", 403, "AccessDenied", NULL},
        {"/bucket/key?Signature=b&Expires=9", "", 403, "AccessDenied", NULL},
        {"/bucket/key?AWSAccessKeyId=a&Expires=9", "", 403, "AccessDenied", NULL},
        {"/bucket/key?AWSAccessKeyId=a&Signature=b&Expires=soon", "", 403, "AccessDenied",
         "Invalid date (should be seconds since epoch)"},
        {"/bucket/key?AWSAccessKeyId=a&Signature=b&Expires=-1", "", 403, "AccessDenied", NULL},
        {"/bucket/key?AWSAccessKeyId=a&Signature=b&Expires=99999999999999999999", "", 403,
         "AccessDenied", NULL},
        {"/bucket/key?AWSAccessKeyId=a&Signature=b&Expires=9999999999", "", 403,
         "SignatureDoesNotMatch", NULL},
        {"/bucket/key?AWSAccessKeyId=a&Signature=bWq2s1WEIj%2BYdj0vQ697zp%2BIXMU%3D&Expires=1", "",
         403, "AccessDenied", "Request has expired"},
    };
    struct server *s = server_with_object(NULL);
    char text[512];

    T_CASES (row, rows) {
        int fd = server_connect(s);
        struct response r;

        (void)snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n", row->target,
                       row->fields);
        client_send_text(fd, text);
        client_receive(fd, false, &r);
        T_EQ(r.status, row->status);
        T_STR_EQ(response_xml(&r, "Code"), row->code);
        if (row->message)
            T_STR_EQ(response_xml(&r, "Message"), row->message);
        response_fini(&r);
        close(fd);
    }
    server_stop(s);
}

T(s3_sigv2, an_operator_may_forbid_it)
{
    static const struct fake_knobs knobs = {.no_signature_v2 = true};
    static const struct call rows[] = {
        {GET_KEY, 400, "InvalidRequest", {0}},
        {GET_KEY, 400, "InvalidRequest", {.skew_s = 60, .in_query = true}},
    };
    struct server *s = server_with_object(&knobs);

    T_CASES (row, rows)
        expect(s, row);
    server_stop(s);
}
