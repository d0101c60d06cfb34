/* sigv2.c - AWS Signature Version 2.
 *
 *     string to sign = method, Content-MD5, Content-Type, time, x-amz- fields, resource
 *     resource       = /bucket (when the host names it), the path as sent, sub-resources
 *
 * In the query the time is the second until which the URL is good, in the header it is Date; with
 * x-amz-date it is empty, for that field is signed among its kin.
 *
 * The query is signed in part only: the arguments that AWS calls sub-resources and those that
 * override fields of the answer.  Of the others we let pass what chooses a page of a listing; with
 * any other, whoever holds a URL could make another operation of it. */
#include <stdlib.h>
#include <time.h>

#include "s3/auth/sigv2.h"
#include "s3/host.h"
#include "s3/text.h"

/* Signed, with their values.  In the order of their bytes. */
static const char *const signed_args[] = {
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
};

/* Not signed, and allowed: they choose what of a listing is shown. */
static const char *const open_args[] = {
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "x-id",
};

static bool is_one_of(struct bytes name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (text_is(name, list[i]))
            return true;
    return false;
}

bool sigv2_is_of_signature(struct bytes name)
{
    return text_is(name, "AWSAccessKeyId") || text_is(name, "Signature") ||
           text_is(name, "Expires");
}

bool sigv2_is_field(struct bytes name)
{
    return text_starts_any_case(name, "x-amz-") || text_is_any_case(name, "content-md5") ||
           text_is_any_case(name, "content-type");
}

/* --- what the request says --- */

bool sigv2_is(const struct http_head *head, const struct uri_query *query)
{
    const struct bytes *field = http_field(head, "authorization");

    return (field && text_starts(*field, "AWS ")) || uri_arg(query, "AWSAccessKeyId") ||
           uri_arg(query, "Signature");
}

static const char in_one_place[] =
    "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
    "string parameter or the Authorization header should be specified";

/* Each argument once, and each either signed or harmless. */
static enum s3_error check_args(const struct uri_query *query, bool presigned, const char **out_why)
{
    for (uint32_t i = 0; i < query->count; i++) {
        struct bytes name = query->arg[i].name;

        *out_why = "A parameter of the query is there twice.";
        for (uint32_t k = 0; k < i; k++)
            if (bytes_equal(query->arg[k].name, name))
                return S3_InvalidArgument;
        if (is_one_of(name, signed_args, ARRAY_LEN(signed_args)) ||
            is_one_of(name, open_args, ARRAY_LEN(open_args)))
            continue;
        *out_why = "A parameter of the query is not covered by a signature of version 2. Please "
                   "use AWS4-HMAC-SHA256.";
        if (!presigned || (!sigv2_is_of_signature(name) && !sigv2_is_field(name)))
            return S3_AccessDenied;
    }
    *out_why = NULL;
    return S3_OK;
}

/* "Tue, 27 Mar 2007 19:36:42 +0000", or GMT; the day of the week may be left out. */
static bool date_parse(struct bytes text, int64_t *out_s)
{
    char copy[40], zone[8], sign = '+';
    const char *end;
    struct tm tm = {0};
    unsigned hours = 0, minutes = 0;

    if (text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    end = strptime(copy, "%a, %d %b %Y %H:%M:%S ", &tm);
    if (!end)
        end = strptime(copy, "%d %b %Y %H:%M:%S ", &tm);
    if (!end || strlen(end) >= sizeof(zone))
        return false;
    strcpy(zone, end);
    if (strcmp(zone, "GMT") != 0 && strcmp(zone, "UTC") != 0) {
        struct bytes digits = {(const uint8_t *)zone + 1, 4};

        sign = zone[0];
        if (strlen(zone) != 5 || (sign != '+' && sign != '-') || !text_digits(digits))
            return false;
        hours = (unsigned)(zone[1] - '0') * 10 + (unsigned)(zone[2] - '0');
        minutes = (unsigned)(zone[3] - '0') * 10 + (unsigned)(zone[4] - '0');
    }
    *out_s = timegm(&tm) - (sign == '-' ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
    return true;
}

static enum s3_error parse_header(const struct http_head *head, struct bytes text,
                                  struct sigv2 *sig, const char **out_why)
{
    const struct bytes *amz_date = http_field(head, "x-amz-date"), *date = amz_date;
    struct bytes last;

    *out_why = "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature";
    last = sig->access_key = text_skip(text, strlen("AWS "));
    while (last.len && last.data[last.len - 1] != ':')
        last.len--;
    if (last.len < 2)
        return S3_InvalidArgument;
    text = text_skip(sig->access_key, last.len);
    sig->access_key.len = last.len - 1;
    if (!base64_get(text, sig->signature, sizeof(sig->signature)))
        return S3_InvalidArgument;
    if (!date)
        date = http_field(head, "date");
    *out_why = "AWS authentication requires a valid Date or x-amz-date header";
    if (!date || (!date_parse(*date, &sig->at_s) && !sigv4_stamp_time(*date, &sig->at_s)))
        return S3_AccessDenied;
    if (!amz_date)
        sig->when = *date;
    return S3_OK;
}

static enum s3_error parse_args(const struct uri_query *query, struct sigv2 *sig,
                                const char **out_why)
{
    const struct bytes *key = uri_arg(query, "AWSAccessKeyId");
    const struct bytes *signature = uri_arg(query, "Signature");
    const struct bytes *expires = uri_arg(query, "Expires");

    *out_why = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId "
               "parameters";
    if (!key || !signature || !expires)
        return S3_AccessDenied;
    *out_why = "Invalid date (should be seconds since epoch)";
    if (!text_digits(*expires) || expires->len > 12)
        return S3_AccessDenied;
    for (uint32_t i = 0; i < expires->len; i++)
        sig->at_s = sig->at_s * 10 + (expires->data[i] - '0');
    *out_why = NULL; /* no signature that we could make has this form */
    if (!base64_get(*signature, sig->signature, sizeof(sig->signature)))
        return S3_SignatureDoesNotMatch;
    sig->access_key = *key;
    sig->when = *expires;
    return S3_OK;
}

enum s3_error sigv2_parse(const struct http_head *head, const struct uri_query *query,
                          const char *domains, struct sigv2 *out_sig, const char **out_why)
{
    const struct bytes *field = http_field(head, "authorization");
    bool in_query = uri_arg(query, "AWSAccessKeyId") || uri_arg(query, "Signature");
    bool version_4 = uri_arg(query, "X-Amz-Algorithm") || uri_arg(query, "X-Amz-Signature") ||
                     uri_arg(query, "X-Amz-Credential");
    struct sigv2 sig = {.form = in_query ? SIGV4_IN_QUERY : SIGV4_IN_HEADER, .domains = domains};
    enum s3_error e;

    *out_why = in_one_place;
    if ((field != NULL) + in_query + version_4 > 1)
        return S3_InvalidArgument;
    e = check_args(query, in_query, out_why);
    if (e == S3_OK)
        e = in_query ? parse_args(query, &sig, out_why) : parse_header(head, *field, &sig, out_why);
    if (e != S3_OK)
        return e;
    *out_why = NULL;
    if (http_field(head, "x-amz-security-token") || uri_arg(query, "x-amz-security-token"))
        return S3_InvalidToken;
    *out_sig = sig;
    return S3_OK;
}

enum s3_error sigv2_parse_form(struct bytes access_key, struct bytes signature,
                               struct sigv2 *out_sig, const char **out_why)
{
    struct sigv2 sig = {.form = SIGV4_IN_POST, .access_key = access_key};

    *out_why = "Bucket POST must contain a field named 'AWSAccessKeyId'.  If it is specified, "
               "please check the order of the fields.";
    if (access_key.len == 0)
        return S3_InvalidArgument;
    *out_why = NULL;
    if (!base64_get(signature, sig.signature, sizeof(sig.signature)))
        return S3_SignatureDoesNotMatch;
    *out_sig = sig;
    return S3_OK;
}

enum s3_error sigv2_check_time(const struct sigv2 *sig, int64_t now_s, const char **out_why)
{
    *out_why = "Request has expired";
    if (sig->form == SIGV4_IN_QUERY && sig->at_s < now_s)
        return S3_AccessDenied;
    *out_why = NULL;
    if (sig->form == SIGV4_IN_HEADER &&
        (sig->at_s > now_s + SIGV4_SKEW_S || sig->at_s < now_s - SIGV4_SKEW_S))
        return S3_RequestTimeTooSkewed;
    return S3_OK;
}

/* --- the string to sign --- */

static void put(struct writer *w, struct bytes b)
{
    wr_raw(w, b.data, b.len);
}

static void put_text(struct writer *w, const char *text)
{
    wr_raw(w, text, strlen(text));
}

static void put_line(struct writer *w, const struct bytes *value)
{
    if (value)
        put(w, *value);
    put_text(w, "\n");
}

/* The order of two fields that the head has at `*a` and `*b`: by name, then as they came. */
static int field_compare(const void *va, const void *vb)
{
    const struct http_field *a = *(const struct http_field *const *)va;
    const struct http_field *b = *(const struct http_field *const *)vb;
    int c = bytes_compare(a->name, b->name);

    return c ? c : (a > b) - (a < b);
}

static void put_fields(struct writer *w, const struct http_head *head)
{
    const struct http_field *field[HTTP_FIELDS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < head->field_count; i++)
        if (text_starts(head->field[i].name, "x-amz-"))
            field[count++] = &head->field[i];
    qsort(field, count, sizeof(field[0]), field_compare);
    for (uint32_t i = 0; i < count; i++) {
        bool joins = i > 0 && bytes_equal(field[i]->name, field[i - 1]->name);

        if (!joins) {
            put_text(w, i ? "\n" : "");
            put(w, field[i]->name);
        }
        put_text(w, joins ? "," : ":");
        put(w, field[i]->value);
    }
    put_text(w, count ? "\n" : "");
}

static void put_bucket_of_host(struct writer *w, struct bytes host, const char *domains)
{
    struct bytes bucket;

    if (!host_bucket(host, domains, &bucket))
        return;
    put_text(w, "/");
    for (uint32_t i = 0; i < bucket.len; i++) { /* names of hosts have no case, buckets one */
        uint8_t c = bucket.data[i];

        c = (uint8_t)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        wr_raw(w, &c, 1);
    }
}

/* Values are signed decoded; one that is not there has no equals sign either. */
static void put_args(struct writer *w, const struct uri_query *query)
{
    bool first = true;

    for (size_t i = 0; i < ARRAY_LEN(signed_args); i++) {
        for (uint32_t k = 0; k < query->count; k++) {
            const struct uri_arg *arg = &query->arg[k];

            if (!text_is(arg->name, signed_args[i]))
                continue;
            put_text(w, first ? "?" : "&");
            put(w, arg->name);
            put_text(w, arg->has_value ? "=" : "");
            put(w, arg->value);
            first = false;
        }
    }
}

/* "/bucket" and no more: some clients sign it with the slash that it could have. */
static bool lacks_slash(struct bytes path)
{
    return path.len > 1 && !memchr(path.data + 1, '/', path.len - 1);
}

void sigv2_canonical(struct writer *w, const struct http_head *head, const struct uri_query *query,
                     const struct sigv2 *sig, bool with_slash)
{
    struct bytes path, raw_query;

    uri_split(head->target, &path, &raw_query);
    put_line(w, &head->method);
    put_line(w, http_field(head, "content-md5"));
    put_line(w, http_field(head, "content-type"));
    put_line(w, &sig->when);
    put_fields(w, head);
    put_bucket_of_host(w, head->host, sig->domains);
    put(w, path);
    if (with_slash)
        put_text(w, "/");
    put_args(w, query);
}

/* --- verifying --- */

enum s3_error sigv2_verify_text(struct hash *h, const struct digest_kit *kit,
                                const struct sigv2 *sig, struct bytes secret, struct bytes text)
{
    uint8_t made[SHA1_BYTES];

    if (hmac_sha1(h, kit, secret.data, secret.len, text.data, text.len, made) < 0)
        return S3_ServiceUnavailable;
    return equal_in_constant_time(made, sig->signature, sizeof(made)) ? S3_OK
                                                                      : S3_SignatureDoesNotMatch;
}

enum s3_error sigv2_verify(struct hash *h, const struct digest_kit *kit,
                           const struct http_head *head, const struct uri_query *query,
                           const struct sigv2 *sig, struct bytes secret)
{
    AUTO(writer) text = {0};
    struct bytes path, raw_query, bucket;
    enum s3_error e = S3_SignatureDoesNotMatch;
    bool may_add;

    uri_split(head->target, &path, &raw_query);
    may_add = lacks_slash(path) && !host_bucket(head->host, sig->domains, &bucket);
    for (int slash = 0; slash <= may_add && e == S3_SignatureDoesNotMatch; slash++) {
        text.len = 0;
        sigv2_canonical(&text, head, query, sig, slash);
        if (text.rc < 0)
            return S3_ServiceUnavailable;
        e = sigv2_verify_text(h, kit, sig, secret, (struct bytes){text.data, (uint32_t)text.len});
    }
    return e;
}
