/* reason.c - the table of reasons, and what an errno is called. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrorname_np, strerrordesc_np */
#endif

#include "core/base/reason.h"

#include "core/base/base.h"

struct reason_row {
    const char *name, *text;
    int err;
};

static const struct reason_row rows[] = {
#define REASON(name, err, text) {#name, text, err},
#include "core/base/reason.def"
#undef REASON
};

static_assert(ARRAY_LEN(rows) == R_END - R_FIRST - 1, "reasons start right after R_FIRST");

/* The row of a reason, or NULL: success, an errno, or a number that a newer peer made. */
static const struct reason_row *row_of(int code)
{
    if (code >= -R_FIRST || code <= -R_END)
        return NULL;
    return &rows[-code - R_FIRST - 1];
}

int reason_errno(int code)
{
    const struct reason_row *row = row_of(code);

    if (row)
        return -row->err;
    return code <= -R_FIRST ? -EIO : code;
}

const char *reason_name(int code)
{
    const struct reason_row *row = row_of(code);
    const char *name = NULL;

    if (code >= 0)
        return "OK";
    if (row)
        return row->name;
    if (code > -R_FIRST)
        name = strerrorname_np(-code);
    return name ? name : "UNKNOWN";
}

const char *reason_text(int code)
{
    const struct reason_row *row = row_of(code);
    const char *text = NULL;

    if (code >= 0)
        return "success";
    if (row)
        return row->text;
    if (code > -R_FIRST)
        text = strerrordesc_np(-code);
    return text ? text : "an error that this version does not know";
}
