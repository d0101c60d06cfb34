/* text.h - small steps over bytes of text.  Pure functions. */
#ifndef S3_TEXT_H
#define S3_TEXT_H

#include <string.h>
#include <strings.h>

#include "core/base/cursor.h"

static inline bool text_is(struct bytes b, const char *text)
{
    return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static inline bool text_is_any_case(struct bytes b, const char *text)
{
    return b.len == strlen(text) && strncasecmp((const char *)b.data, text, b.len) == 0;
}

static inline bool text_starts(struct bytes b, const char *text)
{
    return b.len >= strlen(text) && memcmp(b.data, text, strlen(text)) == 0;
}

static inline bool text_starts_any_case(struct bytes b, const char *text)
{
    return b.len >= strlen(text) && strncasecmp((const char *)b.data, text, strlen(text)) == 0;
}

static inline struct bytes text_skip(struct bytes b, size_t n)
{
    return (struct bytes){b.data + n, b.len - (uint32_t)n};
}

/* Cut `rest` at the first `at`; false, and nothing is changed, when there is none. */
static inline bool text_cut(struct bytes *rest, uint8_t at, struct bytes *out_first)
{
    const uint8_t *end = rest->len ? memchr(rest->data, at, rest->len) : NULL;

    if (!end)
        return false;
    *out_first = (struct bytes){rest->data, (uint32_t)(end - rest->data)};
    *rest = text_skip(*rest, out_first->len + 1u);
    return true;
}

/* Without the blanks and tabs around it. */
static inline struct bytes text_trim(struct bytes b)
{
    while (b.len && (b.data[0] == ' ' || b.data[0] == '\t'))
        b = text_skip(b, 1);
    while (b.len && (b.data[b.len - 1] == ' ' || b.data[b.len - 1] == '\t'))
        b.len--;
    return b;
}

static inline bool text_digits(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++)
        if (b.data[i] < '0' || b.data[i] > '9')
            return false;
    return b.len > 0;
}

#endif
