/* crush_lex.c - splits the text form into words, and reads numbers without the C library, whose
 * decimal point depends on the locale. */
#include "core/crush/crush_lex.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/crush/crush_internal.h"
#include "core/crush/crush_text.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

static bool is_bracket(char c)
{
    return c == '{' || c == '}' || c == '[' || c == ']';
}

static void skip_blank(struct lex *l)
{
    for (; l->at < l->end && (is_space(*l->at) || *l->at == '#'); l->at++) {
        if (*l->at == '#')
            while (l->at < l->end && *l->at != '\n')
                l->at++;
        if (l->at == l->end)
            return;
        if (*l->at == '\n')
            l->line++;
    }
}

void lex_next(struct lex *l)
{
    size_t n = 0;

    l->word[0] = 0;
    if (l->rc < 0)
        return;
    skip_blank(l);
    if (l->at < l->end && is_bracket(*l->at)) {
        l->word[n++] = *l->at++;
    } else {
        while (l->at < l->end && !is_space(*l->at) && !is_bracket(*l->at) && *l->at != '#') {
            if (n == CRUSH_NAME_MAX || *l->at == 0) {
                l->word[0] = 0;
                (void)lex_fail(l, -R_MALFORMED, "a word has more than %d bytes or a NUL",
                               CRUSH_NAME_MAX);
                return;
            }
            l->word[n++] = *l->at++;
        }
    }
    l->word[n] = 0;
}

void lex_init(struct lex *l, const char *text, size_t bytes, struct note *why)
{
    *l = (struct lex){.at = text, .end = text + bytes, .line = 1, .why = why};
    lex_next(l);
}

int lex_fail(struct lex *l, int rc, const char *fmt, ...)
{
    char text[NOTE_BYTES];
    va_list ap;

    if (l->rc < 0)
        return l->rc;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap); /* cut when too long, as notes are */
    va_end(ap);
    note_set(l->why, "line %u: %s", l->line, text);
    l->rc = rc;
    l->word[0] = 0;
    return rc;
}

int lex_expected(struct lex *l, const char *what)
{
    if (l->word[0])
        return lex_fail(l, -R_MALFORMED, "expected %s, got '%.64s'", what, l->word);
    return lex_fail(l, -R_MALFORMED, "expected %s, but the text ends", what);
}

bool lex_is(const struct lex *l, const char *word)
{
    return strcmp(l->word, word) == 0;
}

bool lex_skip(struct lex *l, const char *word)
{
    if (!lex_is(l, word))
        return false;
    lex_next(l);
    return true;
}

int lex_need(struct lex *l, const char *word)
{
    char what[CRUSH_NAME_MAX + 3];

    if (lex_skip(l, word))
        return l->rc;
    (void)snprintf(what, sizeof(what), "'%s'", word); /* keywords are short */
    return lex_expected(l, what);
}

int lex_int(struct lex *l, int32_t lo, int32_t hi, const char *what, int32_t *out)
{
    const char *p = l->word;
    bool negative = *p == '-';
    int64_t value = 0;

    p += negative;
    if (!*p)
        return lex_expected(l, what);
    for (; *p; p++) {
        if (*p < '0' || *p > '9')
            return lex_expected(l, what);
        value = MIN(value * 10 + (*p - '0'), INT64_C(1) << 40);
    }
    value = negative ? -value : value;
    if (value < lo || value > hi)
        return lex_fail(l, -R_OVERFLOW, "expected %s between %d and %d, got %.64s", what, lo, hi,
                        l->word);
    *out = (int32_t)value;
    lex_next(l);
    return l->rc;
}

int lex_name(struct lex *l, const char *what, char out[CRUSH_NAME_MAX + 1])
{
    if (l->rc < 0 || !crush_name_ok(l->word))
        return lex_expected(l, what);
    memcpy(out, l->word, strlen(l->word) + 1);
    lex_next(l);
    return l->rc;
}

int lex_weight(struct lex *l, uint32_t *out)
{
    int rc = l->rc < 0 ? l->rc : crush_weight_parse(l->word, out);

    if (rc == -EINVAL)
        return lex_expected(l, "a weight");
    if (rc < 0)
        return lex_fail(l, rc, "expected a weight up to 65535, got %.64s", l->word);
    lex_next(l);
    return l->rc;
}

/* ---- weights ---- */

enum {
    FLOAT_BITS = 24,
    DECIMALS_EXACT = 10, /* from here on nothing is rounded */
    DECIMALS_MAX = 16,   /* all that 1/65536 has */
    INTEGER_DIGITS_MAX = 6,
};

/* digits / power, rounded to the nearest 24-bit float, to 16.16. */
static uint64_t through_float(unsigned __int128 digits, unsigned __int128 power)
{
    uint32_t shift = 0;
    unsigned __int128 scaled, rest;
    uint64_t mantissa;

    while (shift < 41 && (digits << (shift + 1)) / power < (UINT64_C(1) << FLOAT_BITS))
        shift++;
    scaled = digits << shift;
    mantissa = (uint64_t)(scaled / power);
    rest = scaled % power;
    if (2 * rest > power || (2 * rest == power && (mantissa & 1)))
        mantissa++;
    return shift <= 16 ? mantissa << (16 - shift) : mantissa >> (shift - 16);
}

int crush_weight_parse(const char *text, uint32_t *out_weight)
{
    unsigned __int128 digits = 0, power = 1;
    uint32_t integers = 0, decimals = 0;
    const char *p = text;
    uint64_t weight;

    for (; *p >= '0' && *p <= '9'; p++) {
        digits = digits * 10 + (unsigned)(*p - '0');
        if (digits > 0 && ++integers > INTEGER_DIGITS_MAX)
            return -R_OVERFLOW;
    }
    if (p == text && *p != '.')
        return -EINVAL;
    if (*p == '.') {
        if (p[1] < '0' || p[1] > '9')
            return -EINVAL;
        for (p++; *p >= '0' && *p <= '9'; p++) {
            if (decimals == DECIMALS_MAX)
                continue; /* below 2^-16 for good */
            digits = digits * 10 + (unsigned)(*p - '0');
            power *= 10;
            decimals++;
        }
    }
    if (*p)
        return -EINVAL;
    weight = decimals >= DECIMALS_EXACT ? (uint64_t)((digits << 16) / power)
                                        : through_float(digits, power);
    if (weight > CRUSH_WEIGHT_MAX)
        return -R_OVERFLOW;
    *out_weight = (uint32_t)weight;
    return 0;
}

void crush_weight_print(uint32_t weight, char out_text[CRUSH_WEIGHT_TEXT])
{
    uint64_t power = 1000;

    for (int decimals = 3; decimals < DECIMALS_EXACT; decimals++, power *= 10) {
        uint64_t scaled = (weight * power + 0x8000) >> 16;
        uint32_t back;

        (void)snprintf(out_text, CRUSH_WEIGHT_TEXT, "%u.%0*u", (unsigned)(scaled / power), decimals,
                       (unsigned)(scaled % power));
        if (crush_weight_parse(out_text, &back) == 0 && back == weight)
            return;
    }
    /* 10^16 / 2^16 = 152587890625: the exact value. */
    (void)snprintf(out_text, CRUSH_WEIGHT_TEXT, "%u.%016llu", weight >> 16,
                   (weight & 0xffff) * 152587890625ULL);
}
