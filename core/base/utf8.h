/* utf8.h - is this UTF-8?  For text that comes from outside. */
#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include "core/base/base.h"

/* The bytes of the character at `at` (1 to 4), or 0: broken, overlong, a surrogate, or cut off at
 * `end`.  at < end. */
unsigned utf8_char(const uint8_t *at, const uint8_t *end);
bool utf8_valid(const void *text, size_t bytes);
/* A control character, of ASCII or of C1; `at` starts a whole character. */
static inline bool utf8_is_control(const uint8_t *at)
{
    return at[0] < 0x20 || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

#endif
