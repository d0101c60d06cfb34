/* test_sigv4.c - signatures, against what AWS has published.
 *
 * Sources: the "Signature Version 4 test suite" (get-vanilla and its kin; keys AKIDEXAMPLE), and
 * the examples of "Authenticating Requests: Using the Authorization Header" and "... in Multiple
 * Chunks" in the Amazon S3 API reference (keys AKIAIOSFODNN7EXAMPLE). */
#include "s3/auth/sigv4.h"
#include "tests/unit/t.h"

#define EMPTY_SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define S3_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define SUITE_KEY "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_SCOPE  "20130524/us-east-1/s3/aws4_request"
#define S3_CRED   "Credential=AKIAIOSFODNN7EXAMPLE/" S3_SCOPE

struct stage {
    struct digest_kit kit;
    struct sigv4_keys keys;
    struct hash hash;
    struct arena arena;
    struct http_head head;
    struct uri_query query;
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
    sigv4_keys_fini(&s->keys);
    arena_fini(&s->arena);
}

static void field(struct stage *s, const char *name, const char *value)
{
    s->head.field[s->head.field_count++] = (struct http_field){BYTES_STR(name), BYTES_STR(value)};
}

static void request(struct stage *s, const char *method, const char *target)
{
    struct bytes path, query;

    s->head.field_count = 0;
    s->head.method = BYTES_STR(method);
    s->head.target = BYTES_STR(target);
    uri_split(s->head.target, &path, &query);
    T_OK(uri_query_parse(&s->arena, query, &s->query));
}

static enum s3_error verify(struct stage *s, struct sigv4_chain *chain)
{
    struct sigv4 sig;
    const char *why;
    enum s3_error e = sigv4_parse(&s->head, &s->query, BYTES_STR("us-east-1"), &sig, &why);

    return e ? e
             : sigv4_verify(&s->hash, &s->kit, &s->keys, &s->head, &s->query, &sig,
                            BYTES_STR(S3_SECRET), chain);
}

/* --- the suite --- */

static const struct {
    const char *name, *method, *target, *signature;
    const char *field[3][2]; /* in the order of their names */
    const char *signed_names;
} suite[] = {
    {"get-vanilla",
     "GET",
     "/",
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
     {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
     "host;x-amz-date"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/?Param2=value2&Param1=value1",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
     {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
     "host;x-amz-date"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/?Param1=value1",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
     {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
     "host;x-amz-date"},
    {"get-utf8",
     "GET",
     "/\341\210\264",
     "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
     {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
     "host;x-amz-date"},
    {"post-vanilla",
     "POST",
     "/",
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
     {{"host", "example.amazonaws.com"}, {"x-amz-date", "20150830T123600Z"}},
     "host;x-amz-date"},
    {"get-header-value-trim",
     "GET",
     "/",
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
     {{"host", "example.amazonaws.com"}, {"my-header1", "value1"}, {"my-header2", "\"a   b   c\""}},
     "host;my-header1;my-header2;x-amz-date"},
};

T(s3_sigv4, the_published_suite_gives_the_published_signatures)
{
    struct stage s;

    stage_init(&s);
    T_CASES (row, suite) {
        struct sigv4 sig = {
            .scope = BYTES_STR("20150830/us-east-1/service/aws4_request"),
            .day = BYTES_STR("20150830"),
            .region = BYTES_STR("us-east-1"),
            .service = BYTES_STR("service"),
            .stamp = BYTES_STR("20150830T123600Z"),
        };
        struct sigv4_chain chain;
        char hex[65];
        AUTO(writer) text = {0};

        request(&s, row->method, row->target);
        for (size_t i = 0; i < 3 && row->field[i][0]; i++)
            field(&s, row->field[i][0], row->field[i][1]);
        if (!http_field(&s.head, "x-amz-date"))
            field(&s, "x-amz-date", "20150830T123600Z");
        sig.signed_names = BYTES_STR(row->signed_names);
        sig.payload = BYTES_STR(EMPTY_SHA);
        sigv4_canonical(&text, &s.head, &s.query, &sig);
        T_OK(text.rc);
        T_OK(sigv4_sign(&s.hash, &s.kit, &s.keys, BYTES_STR(SUITE_KEY), &sig,
                        (struct bytes){text.data, (uint32_t)text.len}, &chain));
        hex_put(chain.last, sizeof(chain.last), hex);
        T_STR_EQ(hex, row->signature);
    }
    stage_fini(&s);
}

T(s3_sigv4, a_remembered_key_is_that_of_its_secret_and_scope)
{
    static const char *const scopes[] = {"20150830/us-east-1/s3/aws4_request",
                                         "20150831/us-east-1/s3/aws4_request",
                                         "20150831/eu-west-1/s3/aws4_request"};
    struct stage s;

    stage_init(&s);
    for (unsigned i = 0; i < 4 * SIGV4_KEYS * 3; i++) { /* more secrets than slots, each in turn */
        const char *scope = scopes[i % 7 % 3];
        char secret[SIGV4_SECRET_MAX + 2];
        struct sigv4 sig = {.scope = BYTES_STR(scope),
                            .day = {(const uint8_t *)scope, 8},
                            .region = {(const uint8_t *)scope + 9, 9},
                            .service = BYTES_STR("s3"),
                            .stamp = BYTES_STR("20150830T123600Z")};
        struct sigv4_chain with, without;

        memset(secret, 'x', sizeof(secret) - 1);
        secret[SIGV4_SECRET_MAX - 1 + (i & 1)] = '\0'; /* some too long to be remembered */
        (void)snprintf(secret, 8, "%07u", i % 90 / 2);
        secret[7] = 'x';
        T_OK(sigv4_sign(&s.hash, &s.kit, &s.keys, BYTES_STR(secret), &sig, BYTES_STR("a"), &with));
        T_OK(sigv4_sign(&s.hash, &s.kit, NULL, BYTES_STR(secret), &sig, BYTES_STR("a"), &without));
        T_MEM_EQ(with.key, without.key, sizeof(with.key));
        T_MEM_EQ(with.last, without.last, sizeof(with.last));
    }
    stage_fini(&s);
}

/* --- the examples of S3 --- */

static void get_object_example(struct stage *s, const char *signature)
{
    static char text[512];

    request(s, "GET", "/test.txt");
    field(s, "host", "examplebucket.s3.amazonaws.com");
    field(s, "range", "bytes=0-9");
    field(s, "x-amz-content-sha256", EMPTY_SHA);
    field(s, "x-amz-date", "20130524T000000Z");
    (void)snprintf(text, sizeof(text),
                   "AWS4-HMAC-SHA256 " S3_CRED
                   ",SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature=%s",
                   signature);
    field(s, "authorization", text);
}

#define GET_OBJECT_SIGNATURE "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"

T(s3_sigv4, the_examples_of_s3_are_verified)
{
    static const struct {
        const char *target, *signature;
    } gets[] = {
        {"/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"/?max-keys=2&prefix=J",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    struct sigv4_chain chain;
    struct stage s;

    stage_init(&s);
    get_object_example(&s, GET_OBJECT_SIGNATURE);
    T_EQ(verify(&s, &chain), S3_OK);
    T_CASES (row, gets) {
        char text[512];

        request(&s, "GET", row->target);
        field(&s, "host", "examplebucket.s3.amazonaws.com");
        field(&s, "x-amz-content-sha256", EMPTY_SHA);
        field(&s, "x-amz-date", "20130524T000000Z");
        (void)snprintf(text, sizeof(text),
                       "AWS4-HMAC-SHA256 " S3_CRED
                       ", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s",
                       row->signature);
        field(&s, "authorization", text);
        T_EQ(verify(&s, &chain), S3_OK);
    }
    stage_fini(&s);
}

/* "Authenticating Requests: Using Query Parameters". */
T(s3_sigv4, the_example_of_a_presigned_url_is_verified)
{
    struct sigv4_chain chain;
    struct stage s;

    stage_init(&s);
    request(&s, "GET",
            "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F"
            "20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires="
            "86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
            "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    field(&s, "host", "examplebucket.s3.amazonaws.com");
    T_EQ(verify(&s, &chain), S3_OK);
    s.head.field[0].value = BYTES_STR("examplebucket.s3.amazonaws.con");
    T_EQ(verify(&s, &chain), S3_SignatureDoesNotMatch);
    stage_fini(&s);
}

/* "PUT Object" of the reference: a dollar sign in the key, which a client sends as %24. */
T(s3_sigv4, a_path_is_verified_however_much_of_it_was_encoded)
{
    static const char *const targets[] = {"/test%24file.text", "/test$file.text",
                                          "/%74est%24file%2etext"};
    struct sigv4_chain chain;
    struct stage s;

    stage_init(&s);
    T_CASES (row, targets) {
        request(&s, "PUT", *row);
        field(&s, "date", "Fri, 24 May 2013 00:00:00 GMT");
        field(&s, "host", "examplebucket.s3.amazonaws.com");
        field(&s, "x-amz-content-sha256",
              "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072");
        field(&s, "x-amz-date", "20130524T000000Z");
        field(&s, "x-amz-storage-class", "REDUCED_REDUNDANCY");
        field(&s, "authorization",
              "AWS4-HMAC-SHA256 " S3_CRED ",SignedHeaders=date;host;x-amz-content-sha256;"
              "x-amz-date;x-amz-storage-class,Signature="
              "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
        T_EQ(verify(&s, &chain), S3_OK);
    }
    stage_fini(&s);
}

T(s3_sigv4, chunks_go_on_from_the_signature_of_the_head)
{
    static const struct {
        size_t bytes;
        const char *signature;
    } chunks[] = {
        {65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
        {1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
        {0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
    };
    static char data[65536];
    struct sigv4_chain chain;
    uint8_t sum[SHA256_BYTES];
    char hex[65];
    struct stage s;

    stage_init(&s);
    memset(data, 'a', sizeof(data));
    request(&s, "PUT", "/examplebucket/chunkObject.txt");
    field(&s, "content-encoding", "aws-chunked");
    field(&s, "content-length", "66824");
    field(&s, "host", "s3.amazonaws.com");
    field(&s, "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD");
    field(&s, "x-amz-date", "20130524T000000Z");
    field(&s, "x-amz-decoded-content-length", "66560");
    field(&s, "x-amz-storage-class", "REDUCED_REDUNDANCY");
    field(&s, "authorization",
          "AWS4-HMAC-SHA256 " S3_CRED
          ",SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
          "x-amz-decoded-content-length;x-amz-storage-class,Signature="
          "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9");
    T_EQ(verify(&s, &chain), S3_OK);
    T_CASES (row, chunks) {
        T_OK(sha256_of(&s.hash, &s.kit, data, row->bytes, sum));
        T_OK(sigv4_chain_next(&chain, &s.hash, &s.kit, false, sum));
        hex_put(chain.last, sizeof(chain.last), hex);
        T_STR_EQ(hex, row->signature);
    }
    stage_fini(&s);
}

/* --- what must not pass --- */

T(s3_sigv4, any_change_of_what_was_signed_is_found)
{
    struct sigv4_chain chain;
    struct stage s;

    stage_init(&s);
    get_object_example(&s, GET_OBJECT_SIGNATURE);
    s.head.target = BYTES_STR("/test.txu");
    T_EQ(verify(&s, &chain), S3_SignatureDoesNotMatch);
    get_object_example(&s, GET_OBJECT_SIGNATURE);
    s.head.method = BYTES_STR("PUT");
    T_EQ(verify(&s, &chain), S3_SignatureDoesNotMatch);
    get_object_example(&s, GET_OBJECT_SIGNATURE);
    s.head.field[1].value = BYTES_STR("bytes=0-8");
    T_EQ(verify(&s, &chain), S3_SignatureDoesNotMatch);
    get_object_example(&s, GET_OBJECT_SIGNATURE);
    s.head.field[0].value = BYTES_STR("examplebucket.s3.amazonaws.con");
    T_EQ(verify(&s, &chain), S3_SignatureDoesNotMatch);
    get_object_example(&s, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb42");
    T_EQ(verify(&s, &chain), S3_SignatureDoesNotMatch);
    get_object_example(&s, GET_OBJECT_SIGNATURE);
    field(&s, "x-amz-acl", "public-read"); /* not signed, but it would count */
    T_EQ(verify(&s, &chain), S3_AccessDenied);
    get_object_example(&s, GET_OBJECT_SIGNATURE);
    field(&s, "if-match", "\"x\""); /* need not be signed */
    T_EQ(verify(&s, &chain), S3_OK);
    stage_fini(&s);
}

T(s3_sigv4, a_malformed_authorization_is_refused)
{
#define REST "SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=" EMPTY_SHA
    static const struct {
        const char *text;
        enum s3_error e;
    } rows[] = {
        {"AWS4-HMAC-SHA256 " S3_CRED
         ", SignedHeaders=x-amz-content-sha256;x-amz-date,Signature=" EMPTY_SHA,
         S3_AccessDenied},
        {"AWS4-HMAC-SHA256 " S3_CRED "," REST, S3_OK},
        {"AWS4-HMAC-SHA256 Credential=a/b/c/" S3_SCOPE "," REST, S3_OK},
        {"AWS AKIA:signature", S3_InvalidRequest},
        {"AWS4-ECDSA-P256-SHA256 " S3_CRED "," REST, S3_InvalidRequest},
        {"Bearer abc", S3_InvalidArgument},
        {"", S3_InvalidArgument},
        {"AWS4-HMAC-SHA256 ", S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " REST, S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED, S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED "," S3_CRED "," REST, S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED ",X=1," REST, S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 Credential=/" S3_SCOPE "," REST, S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 Credential=a/20130524/eu-west-1/s3/aws4_request," REST,
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/ec2/aws4_request," REST,
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 Credential=a/20130524/us-east-1/s3/aws5_request," REST,
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 Credential=a/20130525/us-east-1/s3/aws4_request," REST,
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED ",SignedHeaders=x-amz-date;host,Signature=" EMPTY_SHA,
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED ",SignedHeaders=host;host,Signature=" EMPTY_SHA,
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED ",SignedHeaders=host;,Signature=" EMPTY_SHA,
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED ",SignedHeaders=host,Signature=12",
         S3_AuthorizationHeaderMalformed},
        {"AWS4-HMAC-SHA256 " S3_CRED ",SignedHeaders=host,Signature=" EMPTY_SHA "00",
         S3_AuthorizationHeaderMalformed},
    };
    struct stage s;

    stage_init(&s);
    T_CASES (row, rows) {
        struct sigv4 sig;
        const char *why;

        request(&s, "GET", "/");
        field(&s, "x-amz-date", "20130524T000000Z");
        field(&s, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
        field(&s, "authorization", row->text);
        T_EQ(sigv4_parse(&s.head, &s.query, BYTES_STR("us-east-1"), &sig, &why), row->e);
    }
    stage_fini(&s);
}

T(s3_sigv4, dates_and_payloads_are_looked_at)
{
    static const struct {
        const char *date, *payload;
        enum s3_error e;
    } rows[] = {
        {"20130524T000000Z", EMPTY_SHA, S3_OK},
        {NULL, EMPTY_SHA, S3_AccessDenied},
        {"20130524T000000", EMPTY_SHA, S3_AccessDenied},
        {"20130524 000000Z", EMPTY_SHA, S3_AccessDenied},
        {"20130524T000000Z", NULL, S3_InvalidRequest},
        {"20130524T000000Z", "e3b0", S3_InvalidArgument},
        {"20130524T000000Z", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", S3_NotImplemented},
        {"20130524T000000Z", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", S3_OK},
    };
    struct stage s;

    stage_init(&s);
    T_CASES (row, rows) {
        struct sigv4 sig;
        const char *why;

        request(&s, "GET", "/");
        if (row->date)
            field(&s, "x-amz-date", row->date);
        if (row->payload)
            field(&s, "x-amz-content-sha256", row->payload);
        field(&s, "authorization", "AWS4-HMAC-SHA256 " S3_CRED "," REST);
        T_EQ(sigv4_parse(&s.head, &s.query, BYTES_STR("us-east-1"), &sig, &why), row->e);
    }
    stage_fini(&s);
}

T(s3_sigv4, a_time_that_is_too_far_away_is_refused)
{
    static const struct {
        const char *stamp;
        enum s3_error e;
    } rows[] = {
        {"20130524T000000Z", S3_OK},
        {"20130524T001500Z", S3_OK},
        {"20130524T001501Z", S3_RequestTimeTooSkewed},
        {"20130523T234500Z", S3_OK},
        {"20130523T234459Z", S3_RequestTimeTooSkewed},
        {"20130624T000000Z", S3_RequestTimeTooSkewed},
        {"20131224T000000Z", S3_RequestTimeTooSkewed},
        {"20131324T000000Z", S3_AccessDenied},
        {"20130500T000000Z", S3_AccessDenied},
        {"20130524T250000Z", S3_AccessDenied},
        {"00000101T000000Z", S3_RequestTimeTooSkewed},
    };

    T_CASES (row, rows) {
        struct sigv4 sig = {.form = SIGV4_IN_HEADER, .stamp = BYTES_STR(row->stamp)};
        const char *why;

        T_EQ(sigv4_check_time(&sig, 1369353600, &why), row->e); /* 2013-05-24 00:00:00 */
    }
}

/* --- canonical form --- */

T(s3_sigv4, the_canonical_form_has_one_text_for_each_meaning)
{
    static const struct {
        const char *target, *path, *query;
    } rows[] = {
        {"/", "/", ""},
        {"/a b", "/a%20b", ""},
        {"/a%20b", "/a%20b", ""},
        {"/a+b", "/a%2Bb", ""},
        {"/a%2fb", "/a%2Fb", ""},
        {"/a//b/../c/.", "/a//b/../c/.", ""},
        {"/%7Ex%7e~", "/~x~~", ""},
        {"/a?b", "/a", "b="},
        {"/?b=2&a=1", "/", "a=1&b=2"},
        {"/?a=2&a=1", "/", "a=1&a=2"},
        {"/?a=b=c", "/", "a=b%3Dc"},
        {"/?a=/", "/", "a=%2F"},
        {"/?a=%2f&&b", "/", "a=%2F&b="},
        {"/?A=1&a=1", "/", "A=1&a=1"},
        {"/?a1=x&a=y", "/", "a=y&a1=x"},
        {"/?a=x+y%20z%2B", "/", "a=x%20y%20z%2B"},
    };
    const struct sigv4 sig = {.signed_names = BYTES_STR("host;z"), .payload = BYTES_STR("P")};
    struct stage s;

    stage_init(&s);
    T_CASES (row, rows) {
        char want[256];
        AUTO(writer) text = {0};

        request(&s, "GET", row->target);
        field(&s, "host", "h");
        field(&s, "z", "a  b   c");
        sigv4_canonical(&text, &s.head, &s.query, &sig);
        (void)snprintf(want, sizeof(want), "GET\n%s\n%s\nhost:h\nz:a b c\n\nhost;z\nP", row->path,
                       row->query);
        T_OK(text.rc);
        T_EQ(text.len, strlen(want));
        T_MEM_EQ(text.data, want, text.len);
    }
    stage_fini(&s);
}

T(s3_sigv4, a_target_that_cannot_be_decoded_is_refused)
{
    static const char *const rows[] = {"%", "%4", "%zz", "a=%4", "%=x"};
    struct uri_query q;
    struct stage s;

    stage_init(&s);
    T_CASES (row, rows)
        T_EQ(uri_query_parse(&s.arena, BYTES_STR(*row), &q), -R_MALFORMED);
    stage_fini(&s);
}

T(s3_sigv4, more_arguments_than_there_is_room_for_are_refused)
{
    char text[3 * URI_ARGS_MAX + 4];
    struct uri_query q;
    struct stage s;

    stage_init(&s);
    for (unsigned i = 0; i <= URI_ARGS_MAX; i++)
        memcpy(text + 2 * i, "a&", 3);
    T_EQ(uri_query_parse(&s.arena, BYTES_STR(text), &q), -R_OVERFLOW);
    text[2 * URI_ARGS_MAX] = '\0';
    T_OK(uri_query_parse(&s.arena, BYTES_STR(text), &q));
    T_EQ(q.count, URI_ARGS_MAX);
    stage_fini(&s);
}
