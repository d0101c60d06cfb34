/* xml_out.c - XML written by hand, escaped.
 *
 * A page of a listing has 1,000 keys, times and sizes: neither printf nor strftime is asked for
 * them, and text is copied in runs up to the next byte that has to be escaped. */
#include <stdio.h>

#include "s3/xml.h"

static void put(struct writer *w, const char *text)
{
    wr_raw(w, text, strlen(text));
}

void xml_begin(struct writer *w, const char *root)
{
    put(w, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
    put(w, root);
    put(w, " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
}

/* Control characters have no form in XML 1.0; S3 writes them as references all the same, and offers
 * encoding-type=url to those who mind. */
static const bool special[256] = {
    [0 ... 0x1f] = true, [0x7f] = true, ['&'] = true, ['<'] = true, ['>'] = true, ['"'] = true};

static void put_special(struct writer *w, uint8_t c)
{
    char reference[8];

    (void)snprintf(reference, sizeof(reference), "&#x%x;", c);
    put(w, c == '&'   ? "&amp;"
           : c == '<' ? "&lt;"
           : c == '>' ? "&gt;"
           : c == '"' ? "&quot;"
                      : reference);
}

void xml_text(struct writer *w, struct bytes text)
{
    uint32_t plain = 0;

    for (uint32_t i = 0; i < text.len; i++) {
        if (!special[text.data[i]])
            continue;
        wr_raw(w, text.data + plain, i - plain);
        put_special(w, text.data[i]);
        plain = i + 1;
    }
    wr_raw(w, text.data + plain, text.len - plain);
}

void xml_text_u64(struct writer *w, uint64_t v)
{
    char text[20];
    unsigned at = sizeof(text);

    do {
        text[--at] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    wr_raw(w, text + at, sizeof(text) - at);
}

/* Two digits, and what stands behind them. */
static char *two(char *at, unsigned v)
{
    at[0] = (char)('0' + v / 10);
    at[1] = (char)('0' + v % 10);
    return at + 3;
}

/* Days since 1970 as a date.  Years are counted from March, so that the leap day ends one; eras are
 * the 400 years after which the calendar repeats. */
static void civil(unsigned days, unsigned *out_year, unsigned *out_month, unsigned *out_day)
{
    unsigned since = days + 719468; /* 0000-03-01 */
    unsigned era = since / 146097, day = since % 146097;
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    unsigned of_year = day - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153; /* from March */

    *out_day = of_year - (153 * month + 2) / 5 + 1;
    *out_month = month < 10 ? month + 3 : month - 9;
    *out_year = year + 400 * era + (*out_month <= 2);
}

static void date_set(struct xml_date *d, uint64_t day)
{
    unsigned year, month, of_month;
    char *at = d->text;

    civil((unsigned)day, &year, &month, &of_month);
    memcpy(d->text, "2006-01-02T15:04:05.000Z", sizeof(d->text));
    (void)two(at, year / 100);
    at = two(at + 2, year % 100);
    at = two(at, month);
    (void)two(at, of_month);
    d->day = day;
}

void xml_text_time(struct writer *w, uint64_t ns, struct xml_date *date)
{
    uint64_t all_ms = ns / NS_PER_MS, day = all_ms / 86400000;
    unsigned ms = (unsigned)(all_ms % 86400000), seconds = ms / 1000;
    char *at = date->text + 11;

    if (date->day != day || !date->text[0])
        date_set(date, day);
    at = two(at, seconds / 3600);
    at = two(at, seconds / 60 % 60);
    at = two(at, seconds % 60);
    ms %= 1000;
    at[0] = (char)('0' + ms / 100);
    (void)two(at + 1, ms % 100);
    wr_raw(w, date->text, sizeof(date->text) - 1);
}
