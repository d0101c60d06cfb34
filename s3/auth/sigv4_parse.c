/* sigv4_parse.c - what a request says of its signature, and when.
 *
 * There are three places for it: the Authorization field, the query (a presigned URL), and the
 * fields of a form (a browser's POST, see object/post.c).  A request uses one of them or none, then
 * nobody vouches for it. */
#include <time.h>

#include "s3/auth/sigv4.h"
#include "s3/text.h"

enum { REGION_BYTES_MAX = 63 };

static bool is_stamp(struct bytes b)
{
    return b.len == SIGV4_STAMP_BYTES && text_digits((struct bytes){b.data, 8}) &&
           b.data[8] == 'T' && text_digits((struct bytes){b.data + 9, 6}) && b.data[15] == 'Z';
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
    sig->scope = text_skip(text, at + 1u);
    last = sig->scope;
    if (!text_cut(&last, '/', &sig->day) || !text_cut(&last, '/', &sig->region) ||
        !text_cut(&last, '/', &sig->service))
        return false;
    return text_is(last, "aws4_request") && sig->day.len == SIGV4_DAY_BYTES &&
           text_digits(sig->day) && sig->region.len <= REGION_BYTES_MAX;
}

/* In ascending order, each once: so nobody makes us hash one long field a thousand times. */
static bool names_ascend(struct bytes names)
{
    struct bytes one, before = {0};
    bool more = true;

    while (more) {
        more = text_cut(&names, ';', &one);
        if (!more)
            one = names;
        if (one.len == 0 || bytes_compare(before, one) >= 0)
            return false;
        before = one;
    }
    return true;
}

/* The credential is of this service, and its day that of the time stamp; NULL, or what is wrong. */
static const char *check_scope(const struct sigv4 *sig, struct bytes region)
{
    if (!bytes_equal(sig->region, region))
        return "The region in the credential is not that of this service.";
    if (!text_is(sig->service, "s3"))
        return "The service in the credential is not s3.";
    if (memcmp(sig->day.data, sig->stamp.data, SIGV4_DAY_BYTES) != 0)
        return "The day in the credential is not that of the request's time.";
    return NULL;
}

/* --- in the Authorization field --- */

static bool parse_parts(struct bytes text, struct sigv4 *sig)
{
    bool credential = false, names = false, signature = false;

    while (text.len) {
        struct bytes part;

        if (!text_cut(&text, ',', &part)) {
            part = text;
            text.len = 0;
        }
        part = text_trim(part);
        if (text_starts(part, "Credential=") && !credential) {
            credential = parse_credential(text_skip(part, 11), sig);
            if (!credential)
                return false;
        } else if (text_starts(part, "SignedHeaders=") && !names) {
            sig->signed_names = text_skip(part, 14);
            names = sig->signed_names.len > 0;
        } else if (text_starts(part, "Signature=") && !signature) {
            signature = hex_get(text_skip(part, 10), sig->signature, sizeof(sig->signature));
            if (!signature)
                return false;
        } else {
            return false;
        }
    }
    return credential && names && signature && names_ascend(sig->signed_names);
}

static enum s3_error parse_header(const struct http_head *head, struct bytes text,
                                  struct bytes region, struct sigv4 *sig, const char **out_why)
{
    const struct bytes *stamp = http_field(head, "x-amz-date");

    if (!text_starts(text, SIGV4_ALGORITHM " ")) {
        *out_why = "The authorization mechanism you have provided is not supported. Please use "
                   "AWS4-HMAC-SHA256.";
        if (text_starts(text, "AWS"))
            return S3_InvalidRequest; /* version 2, or with elliptic curves */
        *out_why = "Unsupported Authorization Type";
        return S3_InvalidArgument;
    }
    if (!parse_parts(text_skip(text, strlen(SIGV4_ALGORITHM) + 1), sig))
        return S3_AuthorizationHeaderMalformed;
    if (!stamp)
        stamp = http_field(head, "date");
    *out_why = "AWS authentication requires a valid Date or x-amz-date header";
    if (!stamp || !is_stamp(*stamp))
        return S3_AccessDenied;
    sig->stamp = *stamp;
    *out_why = check_scope(sig, region);
    return *out_why ? S3_AuthorizationHeaderMalformed : S3_OK;
}

/* --- in the query --- */

/* The argument, if it is there just once. */
static const struct bytes *arg_once(const struct uri_query *query, const char *name)
{
    const struct bytes *found = NULL;

    for (uint32_t i = 0; i < query->count; i++) {
        if (!text_is(query->arg[i].name, name))
            continue;
        if (found)
            return NULL;
        found = &query->arg[i].value;
    }
    return found;
}

/* NULL, or what is wrong. */
static const char *parse_expires(struct bytes text, struct sigv4 *sig)
{
    if (text_starts(text, "-"))
        return "X-Amz-Expires must be non-negative";
    if (!text_digits(text))
        return "X-Amz-Expires should be a number";
    for (uint32_t i = 0; i < text.len && sig->expires_s <= SIGV4_EXPIRES_MAX_S; i++)
        sig->expires_s = sig->expires_s * 10 + (uint32_t)(text.data[i] - '0');
    if (sig->expires_s == 0)
        return "X-Amz-Expires must be at least one second";
    return sig->expires_s <= SIGV4_EXPIRES_MAX_S
               ? NULL
               : "X-Amz-Expires must be less than a week (in seconds); that is, the given "
                 "X-Amz-Expires must be less than 604800 seconds";
}

static const char *parse_args(const struct uri_query *query, struct bytes region, struct sigv4 *sig)
{
    const struct bytes *algorithm = arg_once(query, "X-Amz-Algorithm");
    const struct bytes *credential = arg_once(query, "X-Amz-Credential");
    const struct bytes *signature = arg_once(query, "X-Amz-Signature");
    const struct bytes *stamp = arg_once(query, "X-Amz-Date");
    const struct bytes *names = arg_once(query, "X-Amz-SignedHeaders");
    const struct bytes *expires = arg_once(query, "X-Amz-Expires");
    const char *why;

    if (!algorithm || !credential || !signature || !stamp || !names || !expires)
        return "Query-string authentication version 4 requires the X-Amz-Algorithm, "
               "X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and "
               "X-Amz-Expires parameters, each of them once.";
    if (!text_is(*algorithm, SIGV4_ALGORITHM))
        return "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
    if (!parse_credential(*credential, sig))
        return "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; "
               "expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
    if (!is_stamp(*stamp))
        return "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
    sig->stamp = *stamp;
    why = parse_expires(*expires, sig);
    if (!why)
        why = check_scope(sig, region);
    if (why)
        return why;
    sig->signed_names = *names;
    if (!names_ascend(*names))
        return "X-Amz-SignedHeaders must name headers in ascending order.";
    return hex_get(*signature, sig->signature, sizeof(sig->signature))
               ? NULL
               : "X-Amz-Signature must be 64 lower-case hexadecimal digits.";
}

/* --- in the fields of a form --- */

enum s3_error sigv4_parse_form(struct bytes algorithm, struct bytes credential, struct bytes date,
                               struct bytes signature, struct bytes region, struct sigv4 *out_sig,
                               const char **out_why)
{
    struct sigv4 sig = {.form = SIGV4_IN_POST, .stamp = date, .payload_kind = PAYLOAD_UNSIGNED};

    *out_why = "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"";
    if (!text_is(algorithm, SIGV4_ALGORITHM))
        return S3_InvalidArgument;
    *out_why = "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; "
               "expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
    if (!parse_credential(credential, &sig))
        return S3_InvalidArgument;
    *out_why = "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"";
    if (!is_stamp(date))
        return S3_InvalidArgument;
    *out_why = check_scope(&sig, region);
    if (*out_why)
        return S3_InvalidArgument;
    *out_why = "X-Amz-Signature must be 64 lower-case hexadecimal digits.";
    if (!hex_get(signature, sig.signature, sizeof(sig.signature)))
        return S3_InvalidArgument;
    *out_why = NULL;
    *out_sig = sig;
    return S3_OK;
}

/* --- all together --- */

static bool is_signed(struct bytes names, struct bytes name)
{
    struct bytes one;

    while (text_cut(&names, ';', &one))
        if (bytes_equal(one, name))
            return true;
    return bytes_equal(names, name);
}

/* Fields that change what a request means must be signed: host and x-amz-*. */
static enum s3_error check_names(const struct http_head *head, const struct sigv4 *sig,
                                 const char **out_why)
{
    *out_why = "The header host must be signed.";
    if (!is_signed(sig->signed_names, BYTES_STR("host")))
        return S3_AccessDenied;
    *out_why = "There were headers present in the request which were not signed";
    for (uint32_t i = 0; i < head->field_count; i++)
        if (text_starts(head->field[i].name, "x-amz-") &&
            !is_signed(sig->signed_names, head->field[i].name))
            return S3_AccessDenied;
    return S3_OK;
}

enum s3_error sigv4_payload(struct bytes text, struct sigv4 *sig, const char **out_why)
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

    sig->payload = text;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (text_is(text, kinds[i].text)) {
            sig->payload_kind = kinds[i].kind;
            return S3_OK;
        }
    }
    if (text_starts(text, "STREAMING-"))
        return S3_NotImplemented;
    sig->payload_kind = PAYLOAD_HASHED;
    *out_why = "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, "
               "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-UNSIGNED-PAYLOAD-TRAILER "
               "or a valid sha256 value.";
    return hex_get(text, sig->payload_sha256, SHA256_BYTES) ? S3_OK : S3_InvalidArgument;
}

static enum s3_error find_payload(const struct http_head *head, const struct uri_query *query,
                                  struct sigv4 *sig, const char **out_why)
{
    const struct bytes *field = http_field(head, "x-amz-content-sha256");
    const struct bytes *arg = uri_arg(query, "X-Amz-Content-Sha256");

    if (sig->form == SIGV4_IN_HEADER && !field) {
        *out_why = "Missing required header for this request: x-amz-content-sha256";
        return S3_InvalidRequest;
    }
    if (sig->form == SIGV4_IN_QUERY && arg) {
        *out_why = "X-Amz-Content-Sha256 and x-amz-content-sha256 differ.";
        if (field && !bytes_equal(*field, *arg))
            return S3_InvalidRequest;
        field = arg;
    }
    if (field)
        return sigv4_payload(*field, sig, out_why);
    sig->payload = BYTES_STR("UNSIGNED-PAYLOAD");
    sig->payload_kind = PAYLOAD_UNSIGNED;
    return S3_OK;
}

/* Where is it?  Several places at once would leave open which of them counts. */
static enum s3_error find_form(const struct http_head *head, const struct uri_query *query,
                               enum sigv4_form *out_form, const char **out_why)
{
    bool in_header = http_field(head, "authorization") != NULL;
    bool in_query = uri_arg(query, "X-Amz-Algorithm") || uri_arg(query, "X-Amz-Signature") ||
                    uri_arg(query, "X-Amz-Credential");
    bool version_2 = uri_arg(query, "Signature") || uri_arg(query, "AWSAccessKeyId");

    *out_why = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
               "Signature query string parameter or the Authorization header should be specified";
    if (in_header + in_query + version_2 > 1)
        return S3_InvalidArgument;
    *out_why = "The authorization mechanism you have provided is not supported. Please use "
               "AWS4-HMAC-SHA256.";
    if (version_2)
        return S3_InvalidRequest;
    *out_why = NULL;
    *out_form = in_header ? SIGV4_IN_HEADER : in_query ? SIGV4_IN_QUERY : SIGV4_NOWHERE;
    return S3_OK;
}

/* Tokens come with temporary keys, and all keys here are lasting ones. */
static bool has_token(const struct http_head *head, const struct uri_query *query)
{
    return http_field(head, "x-amz-security-token") || uri_arg(query, "X-Amz-Security-Token");
}

enum s3_error sigv4_parse(const struct http_head *head, const struct uri_query *query,
                          struct bytes region, struct sigv4 *out_sig, const char **out_why)
{
    struct sigv4 sig = {0};
    enum s3_error e = find_form(head, query, &sig.form, out_why);

    if (e == S3_OK && sig.form == SIGV4_IN_HEADER)
        e = parse_header(head, *http_field(head, "authorization"), region, &sig, out_why);
    if (e == S3_OK && sig.form == SIGV4_IN_QUERY) {
        *out_why = parse_args(query, region, &sig);
        e = *out_why ? S3_AuthorizationQueryParametersError : S3_OK;
    }
    if (e == S3_OK && sig.form != SIGV4_NOWHERE)
        e = check_names(head, &sig, out_why);
    *out_why = e == S3_OK ? NULL : *out_why;
    if (e == S3_OK && has_token(head, query))
        e = S3_InvalidToken;
    if (e == S3_OK)
        e = find_payload(head, query, &sig, out_why);
    if (e != S3_OK)
        return e;
    *out_why = NULL;
    *out_sig = sig;
    return S3_OK;
}

/* --- time --- */

static int number(struct bytes stamp, uint32_t at, uint32_t digits)
{
    int n = 0;

    for (uint32_t i = at; i < at + digits; i++)
        n = n * 10 + (stamp.data[i] - '0');
    return n;
}

bool sigv4_stamp_time(struct bytes stamp, int64_t *out_s)
{
    struct tm tm;

    if (!is_stamp(stamp))
        return false;
    tm = (struct tm){
        .tm_year = number(stamp, 0, 4) - 1900,
        .tm_mon = number(stamp, 4, 2) - 1,
        .tm_mday = number(stamp, 6, 2),
        .tm_hour = number(stamp, 9, 2),
        .tm_min = number(stamp, 11, 2),
        .tm_sec = number(stamp, 13, 2),
    };
    if (tm.tm_mon < 0 || tm.tm_mon > 11 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 ||
        tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    *out_s = timegm(&tm);
    return true;
}

enum s3_error sigv4_check_time(const struct sigv4 *sig, int64_t now_s, const char **out_why)
{
    int64_t at;

    *out_why = "The time of the request is none.";
    if (!sigv4_stamp_time(sig->stamp, &at))
        return S3_AccessDenied;
    if (sig->form == SIGV4_IN_QUERY) { /* good from then on, for as long as it says */
        *out_why = "Request is not yet valid";
        if (at > now_s + SIGV4_SKEW_S)
            return S3_AccessDenied;
        *out_why = "Request has expired";
        if (at + sig->expires_s < now_s)
            return S3_AccessDenied;
    } else if (sig->form == SIGV4_IN_HEADER) {
        *out_why = NULL;
        if (at > now_s + SIGV4_SKEW_S || at < now_s - SIGV4_SKEW_S)
            return S3_RequestTimeTooSkewed;
    }
    *out_why = NULL;
    return S3_OK;
}
