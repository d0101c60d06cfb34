/* fuzz_s3_xml.c - request bodies of arbitrary bytes, in pieces of arbitrary size.
 *
 * The first byte is the size of the pieces.  Elements begin and end in order, within the bounds;
 * a failure stays. */
#include <stdlib.h>

#include "s3/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct seen {
    unsigned open, elements;
};

static int start(void *arg, unsigned depth, const char *name)
{
    struct seen *s = arg;

    ASSERT(name[0] != '\0');
    ASSERT(depth == s->open && depth < XML_DEPTH_MAX);
    s->open++;
    return 0;
}

static int end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct seen *s = arg;

    UNUSED(name);
    s->open--;
    s->elements++;
    ASSERT(depth == s->open && text.len <= XML_TEXT_MAX);
    return 0;
}

static int parse(const uint8_t *data, size_t bytes, size_t step, struct seen *seen)
{
    static const struct xml_calls calls = {start, end};
    struct xml_in *x = xml_in_create(&calls, seen);
    int rc = 0, again;

    if (!x)
        abort();
    for (size_t at = 0; at < bytes && rc == 0; at += step)
        rc = xml_in_add(x, data + at, MIN(step, bytes - at));
    if (rc == 0)
        rc = xml_in_end(x);
    if (rc == 0)
        ASSERT(seen->open == 0 && seen->elements > 0);
    again = rc < 0 ? xml_in_add(x, "<a/>", 4) : rc;
    ASSERT(again == rc);
    xml_in_destroy(x);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct seen seen = {0};

    if (bytes < 2)
        return 0;
    (void)parse(data + 1, bytes - 1, (size_t)data[0] + 1, &seen);
    return 0;
}
