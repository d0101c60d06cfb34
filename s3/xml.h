/* xml.h - the XML of S3: bodies read by libxml2's push parser, answers written by hand.
 *
 * The reader hands over elements as they end, with their text; it takes no DOCTYPE, no entity but
 * the five of XML, no depth, text or size beyond its bounds, and asks nobody for anything. */
#ifndef S3_XML_H
#define S3_XML_H

#include "core/base/cursor.h"

enum {
    XML_DEPTH_MAX = 6,
    XML_TEXT_MAX = 8 * 1024,        /* of one element */
    XML_BYTES_MAX = 4 * 1024 * 1024 /* of a body: 10,000 parts, or 1,000 keys */
};

struct xml_in;
struct xml_calls {
    /* 0, or negative: the document is refused.  `depth` of the root is 0. */
    int (*start)(void *arg, unsigned depth, const char *name);
    int (*end)(void *arg, unsigned depth, const char *name, struct bytes text);
};
/* NULL: no memory.  `calls` and `arg` are borrowed. */
struct xml_in *xml_in_create(const struct xml_calls *calls, void *arg);
void xml_in_destroy(struct xml_in *x); /* NULL is fine */
/* 0, -R_MALFORMED, -ENOMEM, or what a call returned; the first failure stays. */
int xml_in_add(struct xml_in *x, const void *data, size_t bytes);
int xml_in_end(struct xml_in *x); /* also -R_MALFORMED: the document is not complete */

/* Into a writer, which remembers failures. */
void xml_begin(struct writer *w,
               const char *root); /* declaration, and the root with S3's namespace */
/* In line, since names are literals: a listing has thousands of them. */
static inline void xml_open(struct writer *w, const char *name)
{
    wr_raw(w, "<", 1);
    wr_raw(w, name, strlen(name));
    wr_raw(w, ">", 1);
}
static inline void xml_close(struct writer *w, const char *name)
{
    wr_raw(w, "</", 2);
    wr_raw(w, name, strlen(name));
    wr_raw(w, ">", 1);
}
void xml_text(struct writer *w, struct bytes text); /* escaped */
void xml_text_u64(struct writer *w, uint64_t v);    /* in digits */
/* 2006-01-02T15:04:05.000Z.  `date` remembers the last one, for times of which many are of one day;
 * all zero at first. */
struct xml_date {
    uint64_t day; /* since 1970 */
    char text[25];
};
void xml_text_time(struct writer *w, uint64_t ns, struct xml_date *date);

static inline void xml_put(struct writer *w, const char *name, struct bytes text)
{
    xml_open(w, name);
    xml_text(w, text);
    xml_close(w, name);
}
static inline void xml_put_str(struct writer *w, const char *name, const char *text)
{
    xml_put(w, name, BYTES_STR(text));
}
static inline void xml_put_u64(struct writer *w, const char *name, uint64_t v)
{
    xml_open(w, name);
    xml_text_u64(w, v);
    xml_close(w, name);
}
static inline void xml_put_bool(struct writer *w, const char *name, bool v)
{
    xml_put_str(w, name, v ? "true" : "false");
}
static inline void xml_put_time(struct writer *w, const char *name, uint64_t ns)
{
    struct xml_date date = {0};

    xml_open(w, name);
    xml_text_time(w, ns, &date);
    xml_close(w, name);
}

#endif
