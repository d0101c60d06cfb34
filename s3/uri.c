/* uri.c - percent-encoding. */
#include "s3/uri.h"

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The octet that stands at `i`, and how long it is written; 0: not well-formed.  In a query, as in
 * forms, a plus sign is a blank. */
static unsigned octet_at(struct bytes raw, uint32_t i, bool query, uint8_t *out_octet)
{
    if (raw.data[i] != '%') {
        *out_octet = query && raw.data[i] == '+' ? ' ' : raw.data[i];
        return 1;
    }
    if (raw.len - i < 3 || hex_digit(raw.data[i + 1]) < 0 || hex_digit(raw.data[i + 2]) < 0)
        return 0;
    *out_octet = (uint8_t)(hex_digit(raw.data[i + 1]) << 4 | hex_digit(raw.data[i + 2]));
    return 3;
}

static int decode(struct arena *a, struct bytes raw, bool query, struct bytes *out_text)
{
    uint8_t *to = arena_alloc(a, (size_t)raw.len + 1);
    uint32_t len = 0;

    if (!to)
        return -ENOMEM;
    for (uint32_t i = 0; i < raw.len; len++) {
        unsigned n = octet_at(raw, i, query, &to[len]);

        if (n == 0)
            return -R_MALFORMED;
        i += n;
    }
    to[len] = '\0';
    *out_text = (struct bytes){to, len};
    return 0;
}

int uri_decode(struct arena *a, struct bytes raw, struct bytes *out_text)
{
    return decode(a, raw, false, out_text);
}

static bool unreserved(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static void put_octet(struct writer *w, uint8_t c, bool plain)
{
    static const char digits[] = "0123456789ABCDEF";
    const char coded[3] = {'%', digits[c >> 4], digits[c & 15]};

    if (plain)
        wr_raw(w, &c, 1);
    else
        wr_raw(w, coded, 3);
}

void uri_encode(struct writer *w, struct bytes text, bool keep_slash)
{
    uint32_t plain = 0;

    for (uint32_t i = 0; i < text.len; i++) {
        if (unreserved(text.data[i]) || (keep_slash && text.data[i] == '/'))
            continue;
        wr_raw(w, text.data + plain, i - plain);
        put_octet(w, text.data[i], false);
        plain = i + 1;
    }
    wr_raw(w, text.data + plain, text.len - plain);
}

void uri_normalise(struct writer *w, struct bytes raw, bool query)
{
    for (uint32_t i = 0; i < raw.len;) {
        uint8_t c;
        unsigned n = octet_at(raw, i, query, &c);

        if (n == 0) { /* a lone percent sign: uri_decode refuses it */
            c = '%';
            n = 1;
        }
        put_octet(w, c, unreserved(c) || (!query && n == 1 && c == '/'));
        i += n;
    }
}

static struct bytes cut(struct bytes *rest, uint8_t at)
{
    const uint8_t *end = rest->len ? memchr(rest->data, at, rest->len) : NULL;
    struct bytes first = *rest;

    if (!end) {
        *rest = (struct bytes){rest->data + rest->len, 0};
        return first;
    }
    first.len = (uint32_t)(end - rest->data);
    rest->data += first.len + 1;
    rest->len -= first.len + 1;
    return first;
}

void uri_split(struct bytes target, struct bytes *out_path, struct bytes *out_query)
{
    *out_query = target;
    *out_path = cut(out_query, '?');
}

int uri_query_parse(struct arena *a, struct bytes raw, struct uri_query *out_query)
{
    int rc = 0;

    out_query->count = 0;
    while (raw.len && rc == 0) {
        struct bytes value = cut(&raw, '&');
        struct uri_arg *arg = &out_query->arg[out_query->count];

        if (value.len == 0)
            continue;
        if (out_query->count == URI_ARGS_MAX)
            return -R_OVERFLOW;
        arg->has_value = memchr(value.data, '=', value.len) != NULL;
        arg->raw_name = cut(&value, '=');
        arg->raw_value = value;
        rc = decode(a, arg->raw_name, true, &arg->name);
        if (rc == 0)
            rc = decode(a, arg->raw_value, true, &arg->value);
        out_query->count++;
    }
    return rc;
}

const struct bytes *uri_arg(const struct uri_query *q, const char *name)
{
    for (uint32_t i = 0; i < q->count; i++)
        if (bytes_equal(q->arg[i].name, BYTES_STR(name)))
            return &q->arg[i].value;
    return NULL;
}
