/* test_post.c - browsers' forms over the wire. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "s3/auth/digest.h"
#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

enum { CONDITIONS_MAX = 2048 };

/* A form to be sent.  Whatever is NULL or 0 is as it should be. */
struct form {
    const char *conditions; /* of the policy, behind those of the signature; "" : none */
    const char *fields[8][2];
    const char *file, *filename; /* "abc", "a.txt" */
    size_t file_bytes;
    const char *secret, *key_id;
    int64_t expires_s; /* 600 */
    bool version_2, unsigned_form, no_file, no_end, field_behind, two_files;
};

static void hmac(const struct digest_kit *kit, void *key, size_t n, const char *text)
{
    uint8_t out[SHA256_BYTES];
    struct hash h = {0};

    T_OK(hmac_sha256(&h, kit, key, n, text, strlen(text), out));
    memcpy(key, out, sizeof(out));
    hash_fini(&h);
}

static void sign(const char *secret, const char *day, const char *policy, char hex[65])
{
    uint8_t key[256];
    struct digest_kit kit;

    T_OK(digest_kit_init(&kit));
    (void)snprintf((char *)key, sizeof(key), "AWS4%s", secret);
    hmac(&kit, key, strlen((char *)key), day);
    hmac(&kit, key, SHA256_BYTES, "us-east-1");
    hmac(&kit, key, SHA256_BYTES, "s3");
    hmac(&kit, key, SHA256_BYTES, "aws4_request");
    hmac(&kit, key, SHA256_BYTES, policy);
    hex_put(key, SHA256_BYTES, hex);
    digest_kit_fini(&kit);
}

static void put(struct writer *w, const char *text)
{
    wr_raw(w, text, strlen(text));
}

static void put_field(struct writer *w, const char *name, const char *value)
{
    put(w, "--xYz\r\nContent-Disposition: form-data; name=\"");
    put(w, name);
    put(w, "\"\r\n\r\n");
    put(w, value);
    put(w, "\r\n");
}

static void time_text(int64_t at, const char *form, char out[32])
{
    time_t t = (time_t)at;
    struct tm tm;

    gmtime_r(&t, &tm);
    strftime(out, 32, form, &tm);
}

/* Of version 2 the policy itself is signed, with the secret itself. */
static void put_old_signature(struct writer *w, const struct form *f)
{
    char document[CONDITIONS_MAX], packed[CONDITIONS_MAX * 2], until[32], text[32];
    const char *secret = f->secret ? f->secret : FAKE_SECRET;
    uint8_t made[SHA1_BYTES];
    struct digest_kit kit;
    struct hash h = {0};

    time_text(time(NULL) + (f->expires_s ? f->expires_s : 600), "%Y-%m-%dT%H:%M:%SZ", until);
    (void)snprintf(document, sizeof(document),
                   "{\"expiration\": \"%s\", \"conditions\": [{\"bucket\": \"bucket\"},"
                   "[\"starts-with\", \"$key\", \"up/\"]]}",
                   until);
    base64_put((const uint8_t *)document, strlen(document), packed);
    T_OK(digest_kit_init(&kit));
    T_OK(hmac_sha1(&h, &kit, secret, strlen(secret), packed, strlen(packed), made));
    hash_fini(&h);
    digest_kit_fini(&kit);
    base64_put(made, sizeof(made), text);
    put_field(w, "AWSAccessKeyId", f->key_id ? f->key_id : FAKE_KEY);
    put_field(w, "policy", packed);
    put_field(w, "signature", text);
}

static void put_signature(struct writer *w, const struct form *f)
{
    char stamp[32], until[32], day[16], credential[128], hex[65];
    char document[CONDITIONS_MAX], packed[CONDITIONS_MAX * 2];
    int64_t now = time(NULL);

    time_text(now, "%Y%m%dT%H%M%SZ", stamp);
    time_text(now + (f->expires_s ? f->expires_s : 600), "%Y-%m-%dT%H:%M:%SZ", until);
    (void)snprintf(day, sizeof(day), "%.8s", stamp);
    (void)snprintf(credential, sizeof(credential), "%s/%s/us-east-1/s3/aws4_request",
                   f->key_id ? f->key_id : FAKE_KEY, day);
    (void)snprintf(
        document, sizeof(document),
        "{\"expiration\": \"%s\", \"conditions\": [{\"bucket\": \"bucket\"},"
        "[\"starts-with\", \"$key\", \"up/\"],{\"x-amz-algorithm\": "
        "\"AWS4-HMAC-SHA256\"},{\"x-amz-credential\": \"%s\"},{\"x-amz-date\": \"%s\"}%s%s]}",
        until, credential, stamp, f->conditions && f->conditions[0] ? "," : "",
        f->conditions ? f->conditions : "");
    base64_put((const uint8_t *)document, strlen(document), packed);
    sign(f->secret ? f->secret : FAKE_SECRET, day, packed, hex);
    put_field(w, "policy", packed);
    put_field(w, "X-Amz-Algorithm", "AWS4-HMAC-SHA256");
    put_field(w, "X-Amz-Credential", credential);
    put_field(w, "X-Amz-Date", stamp);
    put_field(w, "X-Amz-Signature", hex);
}

static void put_file(struct writer *w, const struct form *f)
{
    put(w, "--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"");
    put(w, f->filename ? f->filename : "a.txt");
    put(w, "\"\r\nContent-Type: application/x-of-the-part\r\n\r\n");
    if (f->file_bytes)
        wr_raw(w, f->file, f->file_bytes);
    else
        put(w, f->file ? f->file : "abc");
    put(w, "\r\n");
}

static void form_put(struct writer *w, const struct form *f)
{
    for (size_t i = 0; i < ARRAY_LEN(f->fields) && f->fields[i][0]; i++)
        put_field(w, f->fields[i][0], f->fields[i][1]);
    if (f->version_2)
        put_old_signature(w, f);
    else if (!f->unsigned_form)
        put_signature(w, f);
    if (!f->no_file)
        put_file(w, f);
    if (f->two_files)
        put_file(w, f);
    if (f->field_behind)
        put_field(w, "submit", "Send");
    if (!f->no_end)
        put(w, "--xYz--\r\n");
}

static void post(struct server *s, const struct form *f, const char *target, const char *fields,
                 struct response *out)
{
    AUTO(writer) body = {0};
    char head[1024];
    int fd = server_connect(s);

    form_put(&body, f);
    (void)snprintf(head, sizeof(head),
                   "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; "
                   "boundary=xYz\r\nContent-Length: %zu\r\n%s\r\n",
                   target, body.len, fields ? fields : "");
    client_send_text(fd, head);
    for (size_t at = 0, n = 1; at < body.len; at += n, n = n * 3 + 1) { /* in all sorts of pieces */
        n = MIN(n, body.len - at);
        client_send(fd, body.data + at, n);
    }
    client_receive(fd, false, out);
    close(fd);
}

static void expect_object(struct server *s, const char *target, const char *data, size_t bytes,
                          struct response *out)
{
    struct call_args get = {.method = "GET", .target = target};

    T_EQ(client_once(s, &get, out), 200);
    T_EQ(out->body_bytes, bytes);
    T_EQ(memcmp(out->body, data, bytes), 0);
}

static void expect_nothing(struct server *s, const char *target)
{
    struct call_args get = {.method = "GET", .target = target};
    struct response r;

    T_EQ(client_once(s, &get, &r), 404);
    response_fini(&r);
}

T(s3_post, a_form_makes_an_object)
{
    static const struct form f = {
        .conditions = "[\"starts-with\", \"$Content-Type\", \"text/\"],{\"x-amz-meta-color\": "
                      "\"blue\"},{\"acl\": \"private\"},[\"content-length-range\", 1, 10]",
        .fields = {{"key", "up/${filename}-1"},
                   {"Content-Type", "text/plain"},
                   {"x-amz-meta-color", "blue"},
                   {"acl", "private"},
                   {"x-ignore-me", "anything"}},
        .filename = "C:\\fake\\pic ture.txt",
        .field_behind = true,
    };
    struct server *s = server_with_bucket(NULL);
    struct response r;

    post(s, &f, "/bucket", NULL, &r);
    T_EQ(r.status, 204);
    T_EQ(r.body_bytes, 0);
    T_STR_EQ(response_field(&r, "ETag"), "\"900150983cd24fb0d6963f7d28e17f72\"");
    T_STR_EQ(response_field(&r, "Location"), "http://127.0.0.1/bucket/up/pic%20ture.txt-1");
    response_fini(&r);
    expect_object(s, "/bucket/up/pic%20ture.txt-1", "abc", 3, &r);
    T_STR_EQ(response_field(&r, "content-type"), "text/plain");
    T_STR_EQ(response_field(&r, "x-amz-meta-color"), "blue");
    response_fini(&r);
    server_stop(s);
}

T(s3_post, a_form_may_be_signed_by_version_2_unless_that_is_forbidden)
{
    static const struct fake_knobs forbids = {.no_signature_v2 = true};
    static const struct form f = {.fields = {{"key", "up/old"}}, .version_2 = true};
    struct server *s = server_with_bucket(NULL);
    struct response r;

    post(s, &f, "/bucket", NULL, &r);
    T_EQ(r.status, 204);
    response_fini(&r);
    expect_object(s, "/bucket/up/old", "abc", 3, &r);
    response_fini(&r);
    server_stop(s);
    s = server_with_bucket(&forbids);
    post(s, &f, "/bucket", NULL, &r);
    T_EQ(r.status, 400);
    T_STR_EQ(response_xml(&r, "Code"), "InvalidRequest");
    response_fini(&r);
    expect_nothing(s, "/bucket/up/old");
    server_stop(s);
}

T(s3_post, files_of_any_size_pass_through)
{
    static const size_t sizes[] = {1, 100, 16 * 1024, 300 * 1024, 3000 * 1000};
    struct fake_knobs knobs = {.window_bytes = 200 * 1024};
    struct server *s = server_with_bucket(&knobs);

    T_CASES (row, sizes) {
        char *data = malloc(*row);
        struct form f = {.fields = {{"key", "up/f"}}, .file = data, .file_bytes = *row};
        struct response r;

        for (size_t i = 0; i < *row; i++) /* much that looks like delimiters */
            data[i] = "\r\n--xY\r\n--x"[i * i % 11];
        post(s, &f, "/bucket/", NULL, &r);
        T_EQ(r.status, 204);
        response_fini(&r);
        expect_object(s, "/bucket/up/f", data, *row, &r);
        response_fini(&r);
        free(data);
    }
    server_stop(s);
}

T(s3_post, success_is_told_as_the_form_wants_it)
{
    static const struct {
        const char *name, *value;
        unsigned status;
        const char *location;
    } rows[] = {
        {"success_action_status", "200", 200, "http://127.0.0.1/bucket/up/k"},
        {"success_action_status", "201", 201, "http://127.0.0.1/bucket/up/k"},
        {"success_action_status", "204", 204, "http://127.0.0.1/bucket/up/k"},
        {"success_action_status", "500", 204, "http://127.0.0.1/bucket/up/k"},
        {"success_action_redirect", "http://example.org/done", 303,
         "http://example.org/done?bucket=bucket&key=up%2Fk&etag="
         "%22900150983cd24fb0d6963f7d28e17f72%22"},
        {"redirect", "https://example.org/?a=b", 303,
         "https://example.org/?a=b&bucket=bucket&key=up%2Fk&etag="
         "%22900150983cd24fb0d6963f7d28e17f72%22"},
        {"success_action_redirect", "javascript:alert(1)", 204, "http://127.0.0.1/bucket/up/k"},
        {"success_action_redirect", "http://a\r\nSet-Cookie: b", 204,
         "http://127.0.0.1/bucket/up/k"},
    };
    struct server *s = server_with_bucket(NULL);

    T_CASES (row, rows) {
        char conditions[128];
        struct form f = {.conditions = conditions,
                         .fields = {{"key", "up/k"}, {row->name, row->value}}};
        struct response r;

        (void)snprintf(conditions, sizeof(conditions), "[\"starts-with\", \"$%s\", \"\"]",
                       row->name);
        post(s, &f, "/bucket", NULL, &r);
        T_EQ(r.status, row->status);
        T_STR_EQ(response_field(&r, "Location"), row->location);
        if (row->status == 201) {
            T_STR_EQ(response_xml(&r, "Bucket"), "bucket");
            T_STR_EQ(response_xml(&r, "Key"), "up/k");
            T_STR_EQ(response_xml(&r, "Location"), row->location);
        }
        response_fini(&r);
    }
    server_stop(s);
}

T(s3_post, a_form_that_is_not_allowed_leaves_nothing)
{
#define KEY                                                                                        \
    {                                                                                              \
        "key", "up/k"                                                                              \
    }
    static const struct {
        struct form form;
        unsigned status;
        const char *code;
    } rows[] = {
        {{.fields = {KEY}, .secret = "guess"}, 403, "SignatureDoesNotMatch"},
        {{.fields = {KEY}, .key_id = "NOBODY"}, 403, "InvalidAccessKeyId"},
        {{.fields = {KEY}, .expires_s = -60}, 403, "AccessDenied"},
        {{.fields = {KEY}, .unsigned_form = true}, 403, "AccessDenied"},
        {{.fields = {{"key", "else/k"}}}, 403, "AccessDenied"},
        {{.fields = {KEY, {"x-amz-meta-a", "b"}}}, 403, "AccessDenied"}, /* not allowed for */
        {{.fields = {KEY}, .conditions = "{\"acl\": \"private\"}"}, 403, "AccessDenied"},
        {{.fields = {KEY}, .conditions = "{\"bucket\": \"other\"}"}, 403, "AccessDenied"},
        {{.fields = {KEY}, .conditions = "5"}, 400, "InvalidPolicyDocument"},
        {{.fields = {KEY}, .conditions = "[\"content-length-range\", 4, 9]"},
         400,
         "EntityTooSmall"},
        {{.fields = {KEY}, .conditions = "[\"content-length-range\", 0, 2]"},
         400,
         "EntityTooLarge"},
        {{.fields = {KEY, {"X-Amz-Security-Token", "t"}}}, 400, "InvalidToken"},
        {{.fields = {KEY, {"AWSAccessKeyId", "a"}, {"signature", "b"}}}, 400, "InvalidArgument"},
        {{.fields = {KEY}, .version_2 = true, .secret = "guess"}, 403, "SignatureDoesNotMatch"},
        {{.fields = {KEY}, .version_2 = true, .key_id = "NOBODY"}, 403, "InvalidAccessKeyId"},
        {{.fields = {KEY}, .version_2 = true, .expires_s = -60}, 403, "AccessDenied"},
        {{.fields = {KEY, {"x-amz-meta-a", "b"}}, .version_2 = true}, 403, "AccessDenied"},
        {{.fields = {{"key", "else/k"}}, .version_2 = true}, 403, "AccessDenied"},
        {{.fields = {KEY, {"X-Amz-Signature", "00"}}, .version_2 = true}, 400, "InvalidArgument"},
        {{.fields = {KEY, {"signature", "b"}}, .unsigned_form = true}, 400, "InvalidArgument"},
        {{.fields = {KEY, {"bucket", "other"}}}, 400, "InvalidArgument"},
        {{.fields = {KEY, {"Key", "up/l"}}}, 400, "InvalidArgument"},
        {{.fields = {{"x-ignore-key", "up/l"}}}, 400, "InvalidArgument"},
        {{.fields = {KEY, {"x-amz-website-redirect-location", "/x"}},
          .conditions = "[\"starts-with\", \"$x-amz-website-redirect-location\", \"\"]"},
         501,
         "NotImplemented"},
        {{.fields = {KEY, {"x-amz-meta-a", "b\r\nc: d"}},
          .conditions = "[\"starts-with\", \"$x-amz-meta-a\", \"\"]"},
         400,
         "InvalidArgument"},
        {{.fields = {KEY, {"Content-MD5", "kAFQmDzST7DWlj99KOF/cA=="}},
          .conditions = "[\"starts-with\", \"$content-md5\", \"\"]"},
         400,
         "BadDigest"},
        {{.fields = {KEY, {"x-amz-checksum-crc32", "NSRBww=="}},
          .conditions = "[\"starts-with\", \"$x-amz-checksum-crc32\", \"\"]"},
         400,
         "BadDigest"},
        {{.fields = {KEY}, .no_file = true}, 400, "IncorrectNumberOfFilesInPostRequest"},
        {{.fields = {KEY}, .two_files = true}, 400, "IncorrectNumberOfFilesInPostRequest"},
        {{.fields = {KEY}, .no_end = true}, 400, "MalformedPOSTRequest"},
        {{.fields = {KEY}, .no_end = true, .field_behind = true}, 400, "MalformedPOSTRequest"},
    };
    struct server *s = server_with_bucket(NULL);

    T_CASES (row, rows) {
        struct response r;

        post(s, &row->form, "/bucket", NULL, &r);
        T_EQ(r.status, row->status);
        T_STR_EQ(response_xml(&r, "Code"), row->code);
        response_fini(&r);
        expect_nothing(s, "/bucket/up/k");
    }
    server_stop(s);
}

T(s3_post, only_a_form_to_a_bucket_is_one)
{
    static const struct {
        const char *target, *fields;
        unsigned status;
        const char *code;
    } rows[] = {
        {"/bucket", "Authorization: AWS4-HMAC-SHA256 a\r\n", 400, "InvalidArgument"},
        {"/nobucket", NULL, 403, "AccessDenied"}, /* the policy names the bucket */
        {"/bucket/key", NULL, 501, "NotImplemented"},
        {"/", NULL, 501, "NotImplemented"},
    };
    struct form f = {.fields = {KEY}};
    struct server *s = server_with_bucket(NULL);
    struct response r;
    int fd;

    T_CASES (row, rows) {
        post(s, &f, row->target, row->fields, &r);
        T_EQ(r.status, row->status);
        T_STR_EQ(response_xml(&r, "Code"), row->code);
        response_fini(&r);
    }
    fd = server_connect(s);
    client_send_text(fd, "POST /bucket HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    client_receive(fd, false, &r);
    T_EQ(r.status, 412);
    T_STR_EQ(response_xml(&r, "Code"), "PreconditionFailed");
    response_fini(&r);
    close(fd);
    server_stop(s);
}

T(s3_post, fields_before_the_file_are_bounded)
{
    static char large[21 * 1024];
    struct form f = {.fields = {KEY, {"x-ignore-a", large}}};
    struct server *s = server_with_bucket(NULL);
    struct response r;

    memset(large, 'a', sizeof(large) - 1);
    post(s, &f, "/bucket", NULL, &r);
    T_EQ(r.status, 400);
    T_STR_EQ(response_xml(&r, "Code"), "MaxPostPreDataLengthExceededError");
    response_fini(&r);
    large[10 * 1024] = '\0';
    post(s, &f, "/bucket", NULL, &r);
    T_EQ(r.status, 204);
    response_fini(&r);
    server_stop(s);
}

T(s3_post, a_form_is_held_to_the_quota)
{
    static char data[3000];
    struct form f = {.fields = {KEY}, .file = data, .file_bytes = sizeof(data)};
    struct fake_knobs knobs = {.quota_bytes = sizeof(data)}; /* delimiters count with it */
    struct server *s = server_with_bucket(&knobs);
    struct response r;

    post(s, &f, "/bucket", NULL, &r);
    T_EQ(r.status, 403);
    T_STR_EQ(response_xml(&r, "Code"), "QuotaExceeded");
    response_fini(&r);
    expect_nothing(s, "/bucket/up/k");
    f.file_bytes /= 2;
    post(s, &f, "/bucket", NULL, &r);
    T_EQ(r.status, 204);
    response_fini(&r);
    server_stop(s);
}

/* The client goes in the middle of the file. */
T(s3_post, a_form_that_breaks_off_leaves_nothing)
{
    struct form f = {.fields = {KEY}};
    struct server *s = server_with_bucket(NULL);
    AUTO(writer) body = {0};
    char head[256];

    form_put(&body, &f);
    for (size_t cut = 0; cut < body.len; cut += 97) {
        int fd = server_connect(s);

        (void)snprintf(head, sizeof(head),
                       "POST /bucket HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; "
                       "boundary=xYz\r\nContent-Length: %zu\r\n\r\n",
                       body.len);
        client_send_text(fd, head);
        client_send(fd, body.data, cut);
        close(fd);
    }
    expect_nothing(s, "/bucket/up/k");
    server_stop(s); /* nothing is open */
}
