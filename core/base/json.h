/* json.h - JSON by jansson, with the settings that are safe for bytes from outside.
 *
 * Parsing refuses duplicate keys, bad UTF-8 and NUL escapes.  64-bit unsigned numbers travel as
 * strings, since jansson stops at 2^63-1.  Allocation goes through mem.h after json_setup(). */
#ifndef CORE_BASE_JSON_H
#define CORE_BASE_JSON_H

#include <jansson.h>

#include "core/base/base.h"
#include "core/base/note.h"

void json_setup(void); /* once, at program start */
/* A new reference, or NULL with `why` set. */
json_t *json_parse(const void *text, size_t bytes, struct note *why);

#endif
