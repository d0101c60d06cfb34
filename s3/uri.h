/* uri.h - percent-encoding, and a request target taken apart.  Pure functions. */
#ifndef S3_URI_H
#define S3_URI_H

#include "core/base/arena.h"
#include "core/base/cursor.h"

enum { URI_ARGS_MAX = 64 };

/* One name and value of a query, as sent and decoded: a plus sign is a blank there. */
struct uri_arg {
    struct bytes raw_name, raw_value;
    struct bytes name, value;
    bool has_value; /* an equals sign, at least */
};

struct uri_query {
    struct uri_arg arg[URI_ARGS_MAX];
    uint32_t count;
};

/* Decoded into the arena; a plus sign is a plus sign.  0, -ENOMEM, or -R_MALFORMED: a percent sign
 * without two hexadecimal digits. */
int uri_decode(struct arena *a, struct bytes raw, struct bytes *out_text);
/* Everything but letters, digits and "-._~" as %XX; slashes stay when `keep_slash`. */
void uri_encode(struct writer *w, struct bytes text, bool keep_slash);
/* Encoded again in the one way that signatures are made over: what need not be encoded is not, what
 * must be is, with upper-case digits.  A path keeps its slashes, and what was an encoded one stays
 * that; in a query a plus sign is a blank. */
void uri_normalise(struct writer *w, struct bytes raw, bool query);

/* Cut at the first question mark; the query is without it. */
void uri_split(struct bytes target, struct bytes *out_path, struct bytes *out_query);
/* 0, -ENOMEM, -R_MALFORMED, or -R_OVERFLOW: too many. */
int uri_query_parse(struct arena *a, struct bytes raw, struct uri_query *out_query);
const struct bytes *uri_arg(const struct uri_query *q, const char *name); /* decoded; or NULL */

#endif
