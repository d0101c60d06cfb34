/* test_xml.c - the XML reader's refusals, and what the writer writes. */
#include <time.h>

#include "s3/xml.h"
#include "tests/unit/t.h"

struct seen {
    char text[4096];
    size_t len;
};

static int start(void *arg, unsigned depth, const char *name)
{
    struct seen *s = arg;

    s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "<%u%s>", depth, name);
    return strcmp(name, "Refused") == 0 ? -R_BAD_PART : 0;
}

static int end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct seen *s = arg;

    s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "[%.*s]</%u%s>",
                               (int)text.len, (const char *)text.data, depth, name);
    return 0;
}

static int parse(const char *body, size_t step, struct seen *seen)
{
    static const struct xml_calls calls = {start, end};
    struct xml_in *x;
    size_t left = strlen(body);
    int rc = 0;

    memset(seen, 0, sizeof(*seen));
    x = xml_in_create(&calls, seen);
    T_NE(x, NULL);
    for (; left && rc == 0; body += MIN(step, left), left -= MIN(step, left))
        rc = xml_in_add(x, body, MIN(step, left));
    if (rc == 0)
        rc = xml_in_end(x);
    xml_in_destroy(x);
    return rc;
}

T(s3_xml, elements_come_with_their_text)
{
    static const char body[] = "<?xml version=\"1.0\"?>\n<A xmlns=\"http://x/\"><B>a&amp;b"
                               "<![CDATA[<c>]]>&#65;</B><C/></A>";
    struct seen seen;

    for (size_t step = 1; step < sizeof(body); step++) {
        T_OK(parse(body, step, &seen));
        T_STR_EQ(seen.text, "<0A><1B>[a&b<c>A]</1B><1C>[]</1C>[]</0A>");
    }
}

T(s3_xml, what_no_s3_body_has_is_refused)
{
    static const struct {
        const char *body;
        int rc;
    } rows[] = {
        {"<!DOCTYPE a><a/>", -R_MALFORMED},
        {"<!DOCTYPE a SYSTEM \"file:///etc/passwd\"><a/>", -R_MALFORMED},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", -R_MALFORMED},
        {"<!DOCTYPE a [<!ENTITY b SYSTEM \"/etc/passwd\">]><a>&b;</a>", -R_MALFORMED},
        {"<a>&b;</a>", -R_MALFORMED},
        {"<a><b></a>", -R_MALFORMED},
        {"<a>", -R_MALFORMED},
        {"<a/><b/>", -R_MALFORMED},
        {"text", -R_MALFORMED},
        {"", -R_MALFORMED},
        {"<a>\001</a>", -R_MALFORMED},
        {"<a>\377\376</a>", -R_MALFORMED},
        {"<a><b><c><d><e><f><g/></f></e></d></c></b></a>", -R_MALFORMED},
        {"<a><b><c><d><e><f/></e></d></c></b></a>", 0},
        {"<a><Refused/></a>", -R_BAD_PART},
    };
    struct seen seen;

    T_CASES (row, rows) {
        T_EQ(parse(row->body, 4096, &seen), row->rc);
        T_EQ(parse(row->body, 3, &seen), row->rc);
    }
}

T(s3_xml, text_and_documents_without_end_are_refused)
{
    static const struct xml_calls calls = {start, end};
    struct seen seen = {.len = 0};
    struct xml_in *x = xml_in_create(&calls, &seen);
    static char block[65536];
    int rc;

    memset(block, 'x', sizeof(block));
    T_NE(x, NULL);
    T_OK(xml_in_add(x, "<a>", 3));
    T_EQ(xml_in_add(x, block, XML_TEXT_MAX + 1), -R_MALFORMED);
    T_EQ(xml_in_add(x, "</a>", 4), -R_MALFORMED); /* for ever */
    T_EQ(xml_in_end(x), -R_MALFORMED);
    xml_in_destroy(x);

    memset(block, ' ', sizeof(block));
    memset(&seen, 0, sizeof(seen));
    x = xml_in_create(&calls, &seen);
    T_NE(x, NULL);
    rc = xml_in_add(x, "<a/>", 4);
    for (size_t n = 0; n <= XML_BYTES_MAX && rc == 0; n += sizeof(block))
        rc = xml_in_add(x, block, sizeof(block));
    T_EQ(rc, -R_MALFORMED);
    xml_in_destroy(x);
}

T(s3_xml, text_is_escaped)
{
    static const char want[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<K>a&amp;b&lt;c&gt;&quot;&#xd;&#x1;\303\274</K><N>18446744073709551615"
        "</N><B>true</B><T>2015-08-30T12:36:00.250Z</T></R>";
    AUTO(writer) w = {0};

    xml_begin(&w, "R");
    xml_put_str(&w, "K", "a&b<c>\"\r\001\303\274");
    xml_put_u64(&w, "N", UINT64_MAX);
    xml_put_bool(&w, "B", true);
    xml_put_time(&w, "T", UINT64_C(1440938160) * NS_PER_S + 250 * NS_PER_MS);
    xml_close(&w, "R");
    T_OK(w.rc);
    T_EQ(w.len, strlen(want));
    T_MEM_EQ(w.data, want, w.len);
}

static void time_is(uint64_t seconds, unsigned ms, struct xml_date *date)
{
    time_t t = (time_t)seconds;
    AUTO(writer) w = {0};
    char want[64], tail[16];
    struct tm tm;

    T_TRUE(gmtime_r(&t, &tm) != NULL);
    strftime(want, sizeof(want), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(tail, sizeof(tail), ".%03uZ", ms);
    strcat(want, tail);
    xml_text_time(&w, seconds * NS_PER_S + ms * NS_PER_MS, date);
    T_OK(w.rc);
    T_EQ(w.len, strlen(want));
    T_MEM_EQ(w.data, want, w.len);
}

T(s3_xml, times_are_those_of_the_calendar)
{
    struct xml_date date = {0}, fresh = {0};

    for (uint64_t day = 0; day < 213503;
         day++) { /* to the end of 64 bits of nanoseconds, in 2554 */
        time_is(day * 86400 + day * 7919 % 86400, (unsigned)(day % 1000), &date);
        time_is(day * 86400 + 86399, 999, &date);
    }
    time_is(0, 0, &fresh);
    time_is(0, 0, &date);
}
