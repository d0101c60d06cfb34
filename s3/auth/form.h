/* form.h - the body format "multipart/form-data" (RFC 7578), as browsers send it.
 *
 *     --boundary CRLF
 *     Content-Disposition: form-data; name="key" CRLF CRLF
 *     value CRLF --boundary CRLF ... CRLF --boundary-- CRLF
 *
 * A pull parser: it copies nothing but the heads of parts, so a file of any size passes through.
 * Pure. */
#ifndef S3_AUTH_FORM_H
#define S3_AUTH_FORM_H

#include "core/base/cursor.h"

enum {
    FORM_BOUNDARY_MAX = 70,
    FORM_LINE_MAX = 2048, /* of a part's head */
    FORM_LINES_MAX = 16,  /* of one head */
};

enum form_event {
    FORM_MORE, /* the input is used up */
    FORM_PART, /* a part begins: `name`, and `filename` of a file, good until it ends */
    FORM_DATA, /* `data` of it; form_took says how much was taken */
    FORM_END,  /* the part is complete */
    FORM_DONE, /* the form is; what comes behind it does not count */
    FORM_BAD,  /* for ever */
};

struct form {
    uint8_t delimiter[4 + FORM_BOUNDARY_MAX]; /* CRLF, two dashes, the boundary */
    uint32_t delimiter_len;
    uint32_t matched; /* of the delimiter, at the end of what was read */
    uint32_t replay;  /* of what had matched and is data after all: to be told */
    uint32_t replayed;
    uint8_t state;
    bool in_part;
    uint32_t line_len, lines;
    uint8_t line[FORM_LINE_MAX];
    uint8_t text[FORM_LINE_MAX]; /* name and filename */

    struct bytes name, filename;
    bool has_filename;
    struct bytes data;
};

/* By the value of Content-Type; false: it is not multipart/form-data with a boundary. */
bool form_init(struct form *f, struct bytes content_type);
bool form_done(const struct form *f); /* the last delimiter was seen: the form is whole */
/* Advances *at towards `end`. */
enum form_event form_next(struct form *f, const uint8_t **at, const uint8_t *end);
/* After FORM_DATA: only the first `bytes` of it were taken; *at goes back to the rest. */
void form_took(struct form *f, size_t bytes, const uint8_t **at);

#endif
