/* sigv4.c - AWS Signature Version 4.
 *
 *     canonical request = method, path, sorted query, signed fields, their names, payload hash
 *     string to sign    = algorithm, time, scope, sha256(canonical request)
 *     key               = HMAC chain over secret, day, region, service
 *
 * The path and the query are taken as they were sent and encoded again in the one canonical way,
 * so a client may encode more than it must.  The path is encoded once, as S3 has it (other services
 * encode twice and drop dots). */
#include <stdlib.h>
#include <time.h>

#include "core/base/hash.h"
#include "s3/auth/sigv4.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

enum { REGION_BYTES_MAX = 63 };

static bool starts_with(struct bytes b, const char *text)
{
    return b.len >= strlen(text) && memcmp(b.data, text, strlen(text)) == 0;
}

static struct bytes skip(struct bytes b, size_t n)
{
    return (struct bytes){b.data + n, b.len - (uint32_t)n};
}

/* Cut `rest` at the first `at`; false when there is none. */
static bool cut(struct bytes *rest, uint8_t at, struct bytes *out_first)
{
    const uint8_t *end = rest->len ? memchr(rest->data, at, rest->len) : NULL;

    if (!end)
        return false;
    *out_first = (struct bytes){rest->data, (uint32_t)(end - rest->data)};
    *rest = skip(*rest, out_first->len + 1u);
    return true;
}

static struct bytes trim_blanks(struct bytes b)
{
    while (b.len && b.data[0] == ' ')
        b = skip(b, 1);
    while (b.len && b.data[b.len - 1] == ' ')
        b.len--;
    return b;
}

static bool all_digits(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++)
        if (b.data[i] < '0' || b.data[i] > '9')
            return false;
    return true;
}

static bool is_stamp(struct bytes b)
{
    return b.len == SIGV4_STAMP_BYTES && all_digits((struct bytes){b.data, 8}) &&
           b.data[8] == 'T' && all_digits((struct bytes){b.data + 9, 6}) && b.data[15] == 'Z';
}

/* AKID/20150830/us-east-1/s3/aws4_request */
static bool parse_credential(struct bytes text, struct sigv4 *sig)
{
    struct bytes last = text;
    /* An access key may hold slashes: the four fields of the scope are counted from the end. */
    uint32_t slashes = 0, at = text.len;

    while (at > 0 && slashes < 4)
        if (text.data[--at] == '/')
            slashes++;
    if (slashes < 4 || at == 0)
        return false;
    sig->access_key = (struct bytes){text.data, at};
    sig->scope = skip(text, at + 1u);
    last = sig->scope;
    if (!cut(&last, '/', &sig->day) || !cut(&last, '/', &sig->region) ||
        !cut(&last, '/', &sig->service))
        return false;
    return bytes_equal(last, BYTES_STR("aws4_request")) && sig->day.len == SIGV4_DAY_BYTES &&
           all_digits(sig->day) && sig->region.len <= REGION_BYTES_MAX;
}

/* In ascending order, each once: so nobody makes us hash one long field a thousand times. */
static bool names_ascend(struct bytes names)
{
    struct bytes one, before = {0};
    bool more = true;

    while (more) {
        more = cut(&names, ';', &one);
        if (!more)
            one = names;
        if (one.len == 0 || bytes_compare(before, one) >= 0)
            return false;
        before = one;
    }
    return true;
}

static bool parse_parts(struct bytes text, struct sigv4 *sig)
{
    bool credential = false, names = false, signature = false;

    while (text.len) {
        struct bytes part;

        if (!cut(&text, ',', &part)) {
            part = text;
            text.len = 0;
        }
        part = trim_blanks(part);
        if (starts_with(part, "Credential=") && !credential) {
            credential = parse_credential(skip(part, 11), sig);
            if (!credential)
                return false;
        } else if (starts_with(part, "SignedHeaders=") && !names) {
            sig->signed_names = skip(part, 14);
            names = sig->signed_names.len > 0;
        } else if (starts_with(part, "Signature=") && !signature) {
            signature = hex_get(skip(part, 10), sig->signature, sizeof(sig->signature));
            if (!signature)
                return false;
        } else {
            return false;
        }
    }
    return credential && names && signature && names_ascend(sig->signed_names);
}

static enum s3_error parse_payload(const struct http_head *head, struct sigv4 *sig)
{
    static const struct {
        const char *text;
        enum payload_kind kind;
    } kinds[] = {
        {"UNSIGNED-PAYLOAD", PAYLOAD_UNSIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD", PAYLOAD_CHUNKS_SIGNED},
        {"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", PAYLOAD_CHUNKS_SIGNED_TRAILER},
        {"STREAMING-UNSIGNED-PAYLOAD-TRAILER", PAYLOAD_CHUNKS_TRAILER},
    };
    const struct bytes *text = http_field(head, "x-amz-content-sha256");

    if (!text)
        return S3_MissingSecurityHeader;
    sig->payload = *text;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (bytes_equal(*text, BYTES_STR(kinds[i].text))) {
            sig->payload_kind = kinds[i].kind;
            return S3_OK;
        }
    }
    if (starts_with(*text, "STREAMING-"))
        return S3_NotImplemented;
    sig->payload_kind = PAYLOAD_HASHED;
    return hex_get(*text, sig->payload_sha256, SHA256_BYTES) ? S3_OK : S3_InvalidArgument;
}

enum s3_error sigv4_parse(const struct http_head *head, struct bytes region, struct sigv4 *out_sig)
{
    const struct bytes *text = http_field(head, "authorization");
    const struct bytes *stamp = http_field(head, "x-amz-date");
    struct sigv4 sig = {0};
    enum s3_error e;

    if (!text)
        return S3_AccessDenied;
    if (!starts_with(*text, ALGORITHM " "))
        return starts_with(*text, "AWS") ? S3_NotImplemented : S3_AuthorizationHeaderMalformed;
    if (!parse_parts(skip(*text, strlen(ALGORITHM) + 1), &sig))
        return S3_AuthorizationHeaderMalformed;
    if (!bytes_equal(sig.region, region) || !bytes_equal(sig.service, BYTES_STR("s3")))
        return S3_AuthorizationHeaderMalformed;
    if (!stamp || !is_stamp(*stamp))
        return S3_AccessDenied;
    sig.stamp = *stamp;
    if (memcmp(sig.day.data, stamp->data, SIGV4_DAY_BYTES) != 0)
        return S3_AuthorizationHeaderMalformed;
    e = parse_payload(head, &sig);
    if (e == S3_OK)
        *out_sig = sig;
    return e;
}

static int number(struct bytes stamp, uint32_t at, uint32_t digits)
{
    int n = 0;

    for (uint32_t i = at; i < at + digits; i++)
        n = n * 10 + (stamp.data[i] - '0');
    return n;
}

enum s3_error sigv4_check_time(const struct sigv4 *sig, int64_t now_s)
{
    struct tm tm = {
        .tm_year = number(sig->stamp, 0, 4) - 1900,
        .tm_mon = number(sig->stamp, 4, 2) - 1,
        .tm_mday = number(sig->stamp, 6, 2),
        .tm_hour = number(sig->stamp, 9, 2),
        .tm_min = number(sig->stamp, 11, 2),
        .tm_sec = number(sig->stamp, 13, 2),
    };
    int64_t at;

    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return S3_AccessDenied;
    at = timegm(&tm);
    return at > now_s + SIGV4_SKEW_S || at < now_s - SIGV4_SKEW_S ? S3_RequestTimeTooSkewed : S3_OK;
}

static bool is_signed(struct bytes names, struct bytes name)
{
    struct bytes one;

    while (cut(&names, ';', &one))
        if (bytes_equal(one, name))
            return true;
    return bytes_equal(names, name);
}

enum s3_error sigv4_check_names(const struct http_head *head, const struct sigv4 *sig)
{
    if (!is_signed(sig->signed_names, BYTES_STR("host")))
        return S3_AccessDenied;
    for (uint32_t i = 0; i < head->field_count; i++)
        if (starts_with(head->field[i].name, "x-amz-") &&
            !is_signed(sig->signed_names, head->field[i].name))
            return S3_AccessDenied;
    return S3_OK;
}

/* --- the canonical request --- */

static void put(struct writer *w, const char *text)
{
    wr_raw(w, text, strlen(text));
}

static void put_bytes(struct writer *w, struct bytes b)
{
    wr_raw(w, b.data, b.len);
}

struct pair {
    struct bytes name, value; /* encoded */
};

static int pair_compare(const void *va, const void *vb)
{
    const struct pair *a = va, *b = vb;
    int c = bytes_compare(a->name, b->name);

    return c ? c : bytes_compare(a->value, b->value);
}

static struct bytes written(const struct writer *w, size_t from)
{
    return (struct bytes){w->data + from, (uint32_t)(w->len - from)};
}

static void put_query(struct writer *w, const struct uri_query *q)
{
    struct pair pairs[URI_ARGS_MAX];
    size_t at[URI_ARGS_MAX][2];
    AUTO(writer) text = {0};

    for (uint32_t i = 0; i < q->count; i++) {
        at[i][0] = text.len;
        uri_normalise(&text, q->arg[i].raw_name, false);
        at[i][1] = text.len;
        uri_normalise(&text, q->arg[i].raw_value, false);
    }
    if (text.rc) {
        w->rc = w->rc ? w->rc : text.rc;
        return;
    }
    for (uint32_t i = 0; i < q->count; i++) {
        struct bytes all = written(&text, at[i][0]);
        size_t end = i + 1 < q->count ? at[i + 1][0] : text.len;

        pairs[i].name = (struct bytes){all.data, (uint32_t)(at[i][1] - at[i][0])};
        pairs[i].value = (struct bytes){all.data + pairs[i].name.len, (uint32_t)(end - at[i][1])};
    }
    qsort(pairs, q->count, sizeof(pairs[0]), pair_compare);
    for (uint32_t i = 0; i < q->count; i++) {
        if (i)
            put(w, "&");
        put_bytes(w, pairs[i].name);
        put(w, "=");
        put_bytes(w, pairs[i].value);
    }
}

/* Runs of blanks become one. */
static void put_value(struct writer *w, struct bytes value)
{
    for (uint32_t i = 0; i < value.len; i++)
        if (value.data[i] != ' ' || i == 0 || value.data[i - 1] != ' ')
            wr_raw(w, &value.data[i], 1);
}

/* All lines of one field, joined; an absent one is empty, which no client signs. */
static void put_field(struct writer *w, const struct http_head *head, struct bytes name)
{
    bool any = false;

    put_bytes(w, name);
    put(w, ":");
    for (uint32_t i = 0; i < head->field_count; i++) {
        if (!bytes_equal(head->field[i].name, name))
            continue;
        if (any)
            put(w, ",");
        put_value(w, head->field[i].value);
        any = true;
    }
    put(w, "\n");
}

void sigv4_canonical(struct writer *w, const struct http_head *head, const struct uri_query *query,
                     struct bytes signed_names, struct bytes payload)
{
    struct bytes path, raw_query, names = signed_names, one;

    uri_split(head->target, &path, &raw_query);
    put_bytes(w, head->method);
    put(w, "\n");
    uri_normalise(w, path, true);
    put(w, "\n");
    put_query(w, query);
    put(w, "\n");
    while (cut(&names, ';', &one))
        put_field(w, head, one);
    put_field(w, head, names);
    put(w, "\n");
    put_bytes(w, signed_names);
    put(w, "\n");
    put_bytes(w, payload);
}

/* --- signing --- */

static int chain_key(struct hash *h, const struct digest_kit *kit, struct bytes secret,
                     const struct sigv4 *sig, uint8_t out[SHA256_BYTES])
{
    const struct bytes last = BYTES_STR("aws4_request");
    const struct bytes steps[] = {sig->region, sig->service, last};
    AUTO(writer) first = {0};
    int rc;

    put(&first, "AWS4");
    put_bytes(&first, secret);
    rc = first.rc;
    if (rc == 0)
        rc = hmac_sha256(h, kit, first.data, first.len, sig->day.data, sig->day.len, out);
    for (size_t i = 0; i < ARRAY_LEN(steps) && rc == 0; i++)
        rc = hmac_sha256(h, kit, out, SHA256_BYTES, steps[i].data, steps[i].len, out);
    if (first.data)
        explicit_bzero(first.data, first.cap);
    return rc;
}

static void copy_text(char *out, size_t size, struct bytes text)
{
    ASSERT(text.len < size);
    memcpy(out, text.data, text.len);
    out[text.len] = '\0';
}

void sigv4_keys_fini(struct sigv4_keys *keys)
{
    explicit_bzero(keys, sizeof(*keys));
}

/* The key of this secret and scope, remembered or made.  A slot is found by the secret and holds
 * the last one that was looked for there. */
static int key_of(struct sigv4_keys *keys, struct hash *h, const struct digest_kit *kit,
                  struct bytes secret, const struct sigv4 *sig, uint8_t out[SHA256_BYTES])
{
    uint64_t at = hash64(0, secret.data, secret.len) % SIGV4_KEYS;
    int rc;

    if (!keys || secret.len == 0 || secret.len > SIGV4_SECRET_MAX)
        return chain_key(h, kit, secret, sig, out);
    if (keys->slot[at].secret_len == secret.len &&
        memcmp(keys->slot[at].secret, secret.data, secret.len) == 0 &&
        bytes_equal(BYTES_STR(keys->slot[at].scope), sig->scope)) {
        memcpy(out, keys->slot[at].key, SHA256_BYTES);
        return 0;
    }
    rc = chain_key(h, kit, secret, sig, out);
    if (rc < 0)
        return rc;
    keys->slot[at].secret_len = secret.len;
    memcpy(keys->slot[at].secret, secret.data, secret.len);
    copy_text(keys->slot[at].scope, sizeof(keys->slot[at].scope), sig->scope);
    memcpy(keys->slot[at].key, out, SHA256_BYTES);
    return 0;
}

int sigv4_sign(struct hash *h, const struct digest_kit *kit, struct sigv4_keys *keys,
               struct bytes secret, const struct sigv4 *sig, struct bytes canonical,
               struct sigv4_chain *out_chain)
{
    uint8_t digest[SHA256_BYTES];
    char memory[256], hex[2 * SHA256_BYTES + 1];
    struct writer text = wr_over(memory, sizeof(memory));
    int rc = sha256_of(h, kit, canonical.data, canonical.len, digest);

    if (rc == 0)
        rc = key_of(keys, h, kit, secret, sig, out_chain->key);
    if (rc < 0)
        return rc;
    copy_text(out_chain->stamp, sizeof(out_chain->stamp), sig->stamp);
    copy_text(out_chain->scope, sizeof(out_chain->scope), sig->scope);
    hex_put(digest, sizeof(digest), hex);
    put(&text, ALGORITHM "\n");
    put_bytes(&text, sig->stamp);
    put(&text, "\n");
    put_bytes(&text, sig->scope);
    put(&text, "\n");
    put(&text, hex);
    ASSERT(text.rc == 0);
    return hmac_sha256(h, kit, out_chain->key, SHA256_BYTES, text.data, text.len, out_chain->last);
}

enum s3_error sigv4_verify(struct hash *h, const struct digest_kit *kit, struct sigv4_keys *keys,
                           const struct http_head *head, const struct uri_query *query,
                           const struct sigv4 *sig, struct bytes secret,
                           struct sigv4_chain *out_chain)
{
    enum s3_error e = sigv4_check_names(head, sig);
    AUTO(writer) text = {0};
    int rc;

    if (e != S3_OK)
        return e;
    sigv4_canonical(&text, head, query, sig->signed_names, sig->payload);
    rc = text.rc;
    if (rc == 0)
        rc = sigv4_sign(h, kit, keys, secret, sig, written(&text, 0), out_chain);
    if (rc < 0)
        return S3_ServiceUnavailable;
    return equal_in_constant_time(out_chain->last, sig->signature, SHA256_BYTES)
               ? S3_OK
               : S3_SignatureDoesNotMatch;
}

int sigv4_chain_next(struct sigv4_chain *c, struct hash *h, const struct digest_kit *kit,
                     bool trailer, const uint8_t data_sha256[SHA256_BYTES])
{
    static const char empty[] =
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";
    char memory[512], hex[2 * SHA256_BYTES + 1];
    struct writer text = wr_over(memory, sizeof(memory));

    put(&text, trailer ? "AWS4-HMAC-SHA256-TRAILER\n" : "AWS4-HMAC-SHA256-PAYLOAD\n");
    put(&text, c->stamp);
    put(&text, "\n");
    put(&text, c->scope);
    put(&text, "\n");
    hex_put(c->last, SHA256_BYTES, hex);
    put(&text, hex);
    put(&text, "\n");
    if (!trailer)
        put(&text, empty);
    hex_put(data_sha256, SHA256_BYTES, hex);
    put(&text, hex);
    ASSERT(text.rc == 0);
    return hmac_sha256(h, kit, c->key, SHA256_BYTES, text.data, text.len, c->last);
}
