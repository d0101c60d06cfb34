/* xml_out.c - XML written by hand, escaped. */
#include <stdio.h>
#include <time.h>

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

void xml_open(struct writer *w, const char *name)
{
    put(w, "<");
    put(w, name);
    put(w, ">");
}

void xml_close(struct writer *w, const char *name)
{
    put(w, "</");
    put(w, name);
    put(w, ">");
}

/* Control characters have no form in XML 1.0; S3 writes them as references all the same, and offers
 * encoding-type=url to those who mind. */
void xml_text(struct writer *w, struct bytes text)
{
    char reference[8];
    uint32_t plain = 0;

    for (uint32_t i = 0; i < text.len; i++) {
        const char *as = NULL;

        switch (text.data[i]) {
        case '&':
            as = "&amp;";
            break;
        case '<':
            as = "&lt;";
            break;
        case '>':
            as = "&gt;";
            break;
        case '"':
            as = "&quot;";
            break;
        default:
            if (text.data[i] < 0x20 || text.data[i] == 0x7f) {
                (void)snprintf(reference, sizeof(reference), "&#x%x;", text.data[i]);
                as = reference;
            }
        }
        if (!as)
            continue;
        wr_raw(w, text.data + plain, i - plain);
        put(w, as);
        plain = i + 1;
    }
    wr_raw(w, text.data + plain, text.len - plain);
}

void xml_put(struct writer *w, const char *name, struct bytes text)
{
    xml_open(w, name);
    xml_text(w, text);
    xml_close(w, name);
}

void xml_put_str(struct writer *w, const char *name, const char *text)
{
    xml_put(w, name, BYTES_STR(text));
}

void xml_put_u64(struct writer *w, const char *name, uint64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)v);
    xml_put_str(w, name, text);
}

void xml_put_bool(struct writer *w, const char *name, bool v)
{
    xml_put_str(w, name, v ? "true" : "false");
}

void xml_put_time(struct writer *w, const char *name, uint64_t ns)
{
    time_t seconds = (time_t)(ns / NS_PER_S);
    char day[32], text[48];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    if (strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
        day[0] = '\0';
    (void)snprintf(text, sizeof(text), "%s.%03uZ", day, (unsigned)(ns % NS_PER_S / NS_PER_MS));
    xml_put_str(w, name, text);
}
