/* guard.c - which request heads we answer at all.
 *
 * The parser in front of us is generous: it takes a length beside a chunked coding, a second
 * length, blanks before a colon, no Host or two.  A proxy in front of *it* may read such a head
 * another way, and then the two disagree about where a request ends.  So everything that has two
 * readings is refused, and the connection closed. */
#include <string.h>

#include "s3/http.h"
#include "s3/http/guard.h"

enum { METHOD_BYTES_MAX = 16, LENGTH_DIGITS_MAX = 18 };

static bool is_token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++)
        if (!is_token_char(b.data[i]))
            return false;
    return b.len > 0;
}

bool http_token_lower(const void *name, size_t len, uint8_t *out)
{
    const uint8_t *from = name;

    for (size_t i = 0; i < len; i++) {
        if (!is_token_char(from[i]))
            return false;
        out[i] = from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i];
    }
    return len > 0;
}

struct bytes http_trim(struct bytes b)
{
    while (b.len && (b.data[0] == ' ' || b.data[0] == '\t')) {
        b.data++;
        b.len--;
    }
    while (b.len && (b.data[b.len - 1] == ' ' || b.data[b.len - 1] == '\t'))
        b.len--;
    return b;
}

static bool is_text(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++)
        if ((b.data[i] < 0x20 && b.data[i] != '\t') || b.data[i] == 0x7f)
            return false;
    return true;
}

static bool is_target(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++)
        if (b.data[i] <= 0x20 || b.data[i] >= 0x7f || b.data[i] == '#')
            return false;
    return b.len > 0 && b.data[0] == '/';
}

static bool equals(struct bytes b, const char *text)
{
    return bytes_equal(b, BYTES_STR(text));
}

static bool equals_any_case(struct bytes b, const char *lower)
{
    if (b.len != strlen(lower))
        return false;
    for (uint32_t i = 0; i < b.len; i++)
        if ((b.data[i] >= 'A' && b.data[i] <= 'Z' ? b.data[i] + 32 : b.data[i]) != lower[i])
            return false;
    return true;
}

const struct bytes *http_field(const struct http_head *head, const char *name)
{
    size_t len = strlen(name);

    for (uint32_t i = 0; i < head->field_count; i++)
        if (head->field[i].name.len == len && memcmp(head->field[i].name.data, name, len) == 0)
            return &head->field[i].value;
    return NULL;
}

/* Fields whose value is a list, which may therefore come in several lines. */
static bool may_repeat(struct bytes name)
{
    static const char *const lists[] = {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "cookie",
        "forwarded",
        "pragma",
        "te",
        "upgrade",
        "via",
        "warning",
        "x-forwarded-host",
        "x-forwarded-for",
        "x-amz-object-attributes",
        "x-amz-optional-object-attributes",
    };

    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (equals(name, lists[i]))
            return true;
    return false;
}

static unsigned check_fields(const struct http_head *head, const char **out_why)
{
    for (uint32_t i = 0; i < head->field_count; i++) {
        const struct http_field *f = &head->field[i];

        *out_why = "a field name is not a token, or too long";
        if (!is_token(f->name) || f->name.len > HTTP_NAME_BYTES_MAX)
            return 400;
        *out_why = "a field value has control characters";
        if (!is_text(f->value))
            return 400;
        *out_why = "a field that must be single is repeated";
        for (uint32_t k = 0; k < i; k++)
            if (bytes_equal(head->field[k].name, f->name) && !may_repeat(f->name))
                return 400;
    }
    return 0;
}

static bool is_host(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++) {
        uint8_t c = b.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              strchr(".-_:[]%", c)))
            return false;
    }
    return b.len > 0 && b.len <= 255;
}

static unsigned check_host(struct http_head *head, const char **out_why)
{
    const struct bytes *host = http_field(head, "host");

    *out_why = "no Host, or none that is one";
    if (!host)
        return head->http_1_0 ? 0 : 400;
    head->host = *host;
    return is_host(*host) ? 0 : 400;
}

static unsigned check_length(struct http_head *head, const char **out_why)
{
    const struct bytes *length = http_field(head, "content-length");
    const struct bytes *coding = http_field(head, "transfer-encoding");

    if (coding) {
        *out_why = "a body is both chunked and of a length, or chunked under HTTP/1.0";
        if (length || head->http_1_0)
            return 400;
        *out_why = "a transfer coding other than chunked";
        if (!equals_any_case(*coding, "chunked"))
            return 501;
        head->chunked = true;
    }
    if (!length)
        return 0;
    *out_why = "Content-Length is not a number";
    if (length->len == 0 || length->len > LENGTH_DIGITS_MAX)
        return 400;
    for (uint32_t i = 0; i < length->len; i++) {
        if (length->data[i] < '0' || length->data[i] > '9')
            return 400;
        head->length = head->length * 10 + (length->data[i] - '0');
    }
    head->has_length = true;
    return 0;
}

static unsigned check_expect(struct http_head *head, const char **out_why)
{
    const struct bytes *expect = http_field(head, "expect");

    *out_why = "an expectation other than 100-continue";
    if (expect && !equals_any_case(*expect, "100-continue"))
        return 417;
    head->expects_continue = expect && !head->http_1_0;
    /* Fields after a body could undo what was checked before it. */
    *out_why = "trailers are not taken";
    return http_field(head, "trailer") ? 400 : 0;
}

unsigned http_guard(struct http_head *head, const char **out_why)
{
    unsigned status;

    *out_why = "the method is not a token, or too long";
    if (!is_token(head->method) || head->method.len > METHOD_BYTES_MAX)
        return 400;
    *out_why = "the target is not a path, or has bytes that must be encoded";
    if (!is_target(head->target))
        return 400;
    status = check_fields(head, out_why);
    if (!status)
        status = check_host(head, out_why);
    if (!status)
        status = check_length(head, out_why);
    if (!status)
        status = check_expect(head, out_why);
    return status;
}
