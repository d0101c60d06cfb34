/* fuzz_s3_auth.c - the Authorization field, a presigned query and other fields, of arbitrary bytes.
 *
 * Lines: target, Authorization, x-amz-content-sha256, x-amz-date, then "name:value".
 * No input is verified: the secret is not in it.  What is signed by us over the same head is, and
 * no longer so once the method is another. */
#include <stdlib.h>

#include "s3/auth/sigv2.h"
#include "s3/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static struct bytes line_take(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *from = *at, *lf = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;
    const uint8_t *stop = lf ? lf : end;

    *at = lf ? lf + 1 : end;
    return (struct bytes){from, (uint32_t)(stop - from)};
}

static void field_add(struct http_head *head, const char *name, struct bytes value)
{
    if (value.len) /* an empty line: the field is not there */
        head->field[head->field_count++] = (struct http_field){BYTES_STR(name), value};
}

static void fields_fill(struct http_head *head, const uint8_t *at, const uint8_t *end)
{
    head->method = BYTES_STR("GET");
    head->target = line_take(&at, end);
    field_add(head, "authorization", line_take(&at, end));
    field_add(head, "x-amz-content-sha256", line_take(&at, end));
    field_add(head, "x-amz-date", line_take(&at, end));
    while (at < end && head->field_count < HTTP_FIELDS_MAX) {
        struct bytes name = line_take(&at, end), value = {0};
        const uint8_t *colon = name.len ? memchr(name.data, ':', name.len) : NULL;

        if (!colon)
            continue;
        value = (struct bytes){colon + 1, name.len - (uint32_t)(colon - name.data) - 1};
        name.len = (uint32_t)(colon - name.data);
        head->field[head->field_count++] = (struct http_field){name, value};
    }
}

static void verify(struct http_head *head, const struct uri_query *query, struct sigv4 *sig)
{
    struct sigv4_keys keys = {0};
    struct sigv4_chain chain;
    struct digest_kit kit;
    struct hash h = {0};
    enum s3_error e;
    int rc = digest_kit_init(&kit);

    ASSERT(rc == 0);
    e = sigv4_verify(&h, &kit, &keys, head, query, sig, BYTES_STR("secret"), &chain);
    ASSERT(e != S3_OK);
    if (e == S3_SignatureDoesNotMatch) {
        memcpy(sig->signature, chain.last, sizeof(sig->signature));
        e = sigv4_verify(&h, &kit, &keys, head, query, sig, BYTES_STR("secret"), &chain);
        ASSERT(e == S3_OK);
        head->method = BYTES_STR("PUT");
        e = sigv4_verify(&h, &kit, &keys, head, query, sig, BYTES_STR("secret"), &chain);
        ASSERT(e == S3_SignatureDoesNotMatch);
    }
    hash_fini(&h);
    digest_kit_fini(&kit);
}

static void verify_old(struct http_head *head, const struct uri_query *query)
{
    struct digest_kit kit;
    struct sigv2 sig;
    struct hash h = {0};
    AUTO(writer) text = {0};
    const char *why;
    enum s3_error e;
    int rc;

    if (!sigv2_is(head, query) || sigv2_parse(head, query, "s3.test", &sig, &why) != S3_OK)
        return;
    (void)sigv2_check_time(&sig, 1369353600, &why);
    rc = digest_kit_init(&kit);
    ASSERT(rc == 0);
    e = sigv2_verify(&h, &kit, head, query, &sig, BYTES_STR("secret"));
    ASSERT(e != S3_OK);
    sigv2_canonical(&text, head, query, &sig, false);
    ASSERT(text.rc == 0);
    rc = hmac_sha1(&h, &kit, "secret", 6, text.data, text.len, sig.signature);
    ASSERT(rc == 0);
    e = sigv2_verify(&h, &kit, head, query, &sig, BYTES_STR("secret"));
    ASSERT(e == S3_OK);
    head->method = BYTES_STR("PUT");
    e = sigv2_verify(&h, &kit, head, query, &sig, BYTES_STR("secret"));
    ASSERT(e == S3_SignatureDoesNotMatch);
    hash_fini(&h);
    digest_kit_fini(&kit);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const size_t most = HTTP_HEAD_BYTES_MAX;
    struct http_head *head = mem_zalloc(sizeof(*head));
    struct uri_query *query = mem_zalloc(sizeof(*query));
    struct bytes path, raw_query;
    struct arena arena;
    struct sigv4 sig;
    const char *why;

    if (!head || !query)
        abort();
    arena_init(&arena);
    fields_fill(head, data, data + MIN(bytes, most));
    uri_split(head->target, &path, &raw_query);
    if (uri_query_parse(&arena, raw_query, query) == 0) {
        if (sigv4_parse(head, query, BYTES_STR("us-east-1"), &sig, &why) == S3_OK &&
            sig.form != SIGV4_NOWHERE) {
            (void)sigv4_check_time(&sig, 1369353600, &why);
            verify(head, query, &sig);
        }
        verify_old(head, query);
    }
    arena_fini(&arena);
    mem_free(query);
    mem_free(head);
    return 0;
}
