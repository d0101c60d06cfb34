/* guard.h - what building a head shares with checking it.  Pure functions. */
#ifndef S3_HTTP_GUARD_H
#define S3_HTTP_GUARD_H

#include "core/base/cursor.h"

/* Copy a field name in lower case.  False when it is not a token (it may not be empty). */
bool http_token_lower(const void *name, size_t len, uint8_t *out);
/* Without the white space around it. */
struct bytes http_trim(struct bytes b);

#endif
