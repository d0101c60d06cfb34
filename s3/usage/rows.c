/* rows.c - codecs of usage. */
#include "s3/usage/rows.h"

#include <stdio.h>
#include <time.h>

enum { VERSION = 1, DAY_S = 86400, DAY_MAX = 2932896 /* 9999-12-31 */ };

const char *const usage_kind_names[USAGE_KINDS] = {"get", "head", "put", "delete", "list", "other"};

enum usage_kind usage_kind_of(const char *op)
{
    static const struct {
        const char *begins;
        enum usage_kind kind;
    } rows[] = {
        {"List", USAGE_LIST},     {"Get", USAGE_GET},      {"Head", USAGE_HEAD},
        {"Delete", USAGE_DELETE}, {"Abort", USAGE_DELETE}, {"Put", USAGE_PUT},
        {"Post", USAGE_PUT},      {"Create", USAGE_PUT},   {"Copy", USAGE_PUT},
        {"Upload", USAGE_PUT},    {"Complete", USAGE_PUT},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows) && op; i++)
        if (strncmp(op, rows[i].begins, strlen(rows[i].begins)) == 0)
            return rows[i].kind;
    return USAGE_OTHER;
}

void usage_tally_add(struct usage_tally *to, const struct usage_tally *t)
{
    for (unsigned i = 0; i < USAGE_KINDS; i++)
        to->requests[i] += t->requests[i];
    to->failed += t->failed;
    to->bytes_in += t->bytes_in;
    to->bytes_out += t->bytes_out;
}

void usage_tally_encode(const struct usage_tally *t, struct writer *w)
{
    size_t mark = wr_begin(w, VERSION, VERSION);

    for (unsigned i = 0; i < USAGE_KINDS; i++)
        wr_u64(w, t->requests[i]);
    wr_u64(w, t->failed);
    wr_u64(w, t->bytes_in);
    wr_u64(w, t->bytes_out);
    wr_end(w, mark);
}

int usage_tally_decode(struct bytes value, struct usage_tally *out_tally)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct usage_tally t;

    (void)cur_enter(&c, VERSION, &body);
    for (unsigned i = 0; i < USAGE_KINDS; i++)
        t.requests[i] = cur_u64(&body);
    t.failed = cur_u64(&body);
    t.bytes_in = cur_u64(&body);
    t.bytes_out = cur_u64(&body);
    if (cur_leave(&c, &body) == 0 && cur_finish(&c) == 0)
        *out_tally = t;
    return c.rc;
}

void usage_sample_encode(const struct usage_sample *s, struct writer *w)
{
    size_t mark = wr_begin(w, VERSION, VERSION);

    wr_u64(w, s->bytes);
    wr_u64(w, s->objects);
    wr_end(w, mark);
}

int usage_sample_decode(struct bytes value, struct usage_sample *out_sample)
{
    struct cursor c = cur_over(value.data, value.len), body;
    struct usage_sample s;

    (void)cur_enter(&c, VERSION, &body);
    s.bytes = cur_u64(&body);
    s.objects = cur_u64(&body);
    if (cur_leave(&c, &body) == 0 && cur_finish(&c) == 0)
        *out_sample = s;
    return c.rc;
}

/* ---- keys ---- */

void usage_key_encode(const struct usage_key *k, struct writer *w)
{
    wr_u8(w, (uint8_t)k->kind);
    wr_u8(w, k->hour);
    if (k->kind == 'm')
        return;
    wr_raw(w, k->user, strlen(k->user) + 1);
    wr_raw(w, k->bucket, strlen(k->bucket));
    if (k->kind != 'r')
        return;
    wr_u8(w, 0);
    for (unsigned i = 0; i < 8; i++)
        wr_u8(w, (uint8_t)(k->instance >> 8 * (7 - i)));
}

static bool text_take(struct cursor *c, size_t len, char *out, size_t size)
{
    struct bytes text = cur_raw(c, len);

    if (c->rc < 0 || len >= size || memchr(text.data, 0, len))
        return false;
    memcpy(out, text.data, len);
    out[len] = 0;
    return true;
}

int usage_key_decode(struct bytes raw, struct usage_key *out_key)
{
    struct cursor c = cur_over(raw.data, raw.len);
    struct usage_key k = {.kind = (char)cur_u8(&c), .hour = cur_u8(&c)};
    size_t tail = k.kind == 'r' ? 1 + 8 : 0;
    const uint8_t *nul;

    if (c.rc < 0 || k.hour > 23 || !strchr("mrs", k.kind) || !k.kind)
        return -R_MALFORMED;
    if (k.kind != 'm') {
        nul = cur_left(&c) ? memchr(c.at, 0, cur_left(&c)) : NULL;
        if (!nul || !text_take(&c, (size_t)(nul - c.at), k.user, sizeof(k.user)))
            return -R_MALFORMED;
        (void)cur_u8(&c);
        if (cur_left(&c) < tail || !text_take(&c, cur_left(&c) - tail, k.bucket, sizeof(k.bucket)))
            return -R_MALFORMED;
    }
    if (tail && cur_u8(&c) != 0)
        return -R_MALFORMED;
    for (unsigned i = 0; tail && i < 8; i++)
        k.instance = k.instance << 8 | cur_u8(&c);
    if (cur_finish(&c) < 0)
        return -R_MALFORMED;
    *out_key = k;
    return 0;
}

/* ---- days ---- */

void usage_day_text(uint32_t day, char out[USAGE_DAY_TEXT])
{
    time_t t = (time_t)MIN(day, (uint32_t)DAY_MAX) * DAY_S;
    char text[40];
    struct tm tm;

    (void)gmtime_r(&t, &tm); /* in range */
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday);
    memcpy(out, text, USAGE_DAY_TEXT);
}

bool usage_day_parse(struct bytes text, uint32_t *out_day)
{
    char copy[USAGE_DAY_TEXT], back[USAGE_DAY_TEXT];
    struct tm tm = {0};
    time_t t;

    if (text.len != USAGE_DAY_TEXT - 1)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    if (sscanf(copy, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday) != 3)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    t = timegm(&tm);
    if (t < 0 || t / DAY_S > DAY_MAX)
        return false;
    usage_day_text((uint32_t)(t / DAY_S), back);
    if (strcmp(back, copy) != 0) /* the 31st of a short month, say */
        return false;
    *out_day = (uint32_t)(t / DAY_S);
    return true;
}

void usage_day_name(uint32_t day, char out[USAGE_NAME_BYTES])
{
    char text[USAGE_DAY_TEXT];

    usage_day_text(day, text);
    (void)snprintf(out, USAGE_NAME_BYTES, "usage.%s", text);
}
