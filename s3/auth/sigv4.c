/* sigv4.c - AWS Signature Version 4: what is signed, and with what.
 *
 *     canonical request = method, path, sorted query, signed fields, their names, payload hash
 *     string to sign    = algorithm, time, scope, sha256(canonical request)
 *     key               = HMAC chain over secret, day, region, service
 *
 * The path and the query are taken as they were sent and encoded again in the one canonical way,
 * so a client may encode more than it must.  The path is encoded once, as S3 has it (other services
 * encode twice and drop dots). */
#include <stdlib.h>

#include "core/base/hash.h"
#include "s3/auth/sigv4.h"
#include "s3/text.h"

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

/* Of a presigned URL all but the signature is signed. */
static void put_query(struct writer *w, const struct uri_query *q, bool presigned)
{
    struct pair pairs[URI_ARGS_MAX];
    size_t at[URI_ARGS_MAX + 1][2];
    AUTO(writer) text = {0};
    uint32_t count = 0;

    for (uint32_t i = 0; i < q->count; i++) {
        if (presigned && text_is(q->arg[i].name, "X-Amz-Signature"))
            continue;
        at[count][0] = text.len;
        uri_normalise(&text, q->arg[i].raw_name, true);
        at[count++][1] = text.len;
        uri_normalise(&text, q->arg[i].raw_value, true);
    }
    at[count][0] = text.len;
    if (text.rc) {
        w->rc = w->rc ? w->rc : text.rc;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct bytes all = written(&text, at[i][0]);

        pairs[i].name = (struct bytes){all.data, (uint32_t)(at[i][1] - at[i][0])};
        pairs[i].value =
            (struct bytes){all.data + pairs[i].name.len, (uint32_t)(at[i + 1][0] - at[i][1])};
    }
    qsort(pairs, count, sizeof(pairs[0]), pair_compare);
    for (uint32_t i = 0; i < count; i++) {
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
                     const struct sigv4 *sig)
{
    struct bytes path, raw_query, names = sig->signed_names, one;

    uri_split(head->target, &path, &raw_query);
    put_bytes(w, head->method);
    put(w, "\n");
    uri_normalise(w, path, false);
    put(w, "\n");
    put_query(w, query, sig->form == SIGV4_IN_QUERY);
    put(w, "\n");
    while (text_cut(&names, ';', &one))
        put_field(w, head, one);
    put_field(w, head, names);
    put(w, "\n");
    put_bytes(w, sig->signed_names);
    put(w, "\n");
    put_bytes(w, sig->payload);
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
    put(&text, SIGV4_ALGORITHM "\n");
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
    AUTO(writer) text = {0};
    int rc;

    sigv4_canonical(&text, head, query, sig);
    rc = text.rc;
    if (rc == 0)
        rc = sigv4_sign(h, kit, keys, secret, sig, written(&text, 0), out_chain);
    if (rc < 0)
        return S3_ServiceUnavailable;
    return equal_in_constant_time(out_chain->last, sig->signature, SHA256_BYTES)
               ? S3_OK
               : S3_SignatureDoesNotMatch;
}

enum s3_error sigv4_verify_form(struct hash *h, const struct digest_kit *kit,
                                struct sigv4_keys *keys, const struct sigv4 *sig,
                                struct bytes secret, struct bytes policy)
{
    uint8_t key[SHA256_BYTES], made[SHA256_BYTES];
    int rc = key_of(keys, h, kit, secret, sig, key);

    if (rc == 0)
        rc = hmac_sha256(h, kit, key, sizeof(key), policy.data, policy.len, made);
    explicit_bzero(key, sizeof(key));
    if (rc < 0)
        return S3_ServiceUnavailable;
    return equal_in_constant_time(made, sig->signature, SHA256_BYTES) ? S3_OK
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
