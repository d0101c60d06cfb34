/* utf8.c - the well-formed sequences of Unicode table 3-7. */
#include "core/base/utf8.h"

/* By its first byte: the length of a character, and the bounds of its second byte.  All later ones
 * are 0x80 to 0xbf. */
static unsigned shape(uint8_t first, uint8_t *lo, uint8_t *hi)
{
    *lo = 0x80;
    *hi = 0xbf;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return 2;
    if (first >= 0xe0 && first <= 0xef) {
        if (first == 0xe0)
            *lo = 0xa0; /* below: overlong */
        if (first == 0xed)
            *hi = 0x9f; /* above: surrogates */
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (first == 0xf0)
            *lo = 0x90;
        if (first == 0xf4)
            *hi = 0x8f; /* above: past U+10FFFF */
        return 4;
    }
    return 0;
}

unsigned utf8_char(const uint8_t *at, const uint8_t *end)
{
    uint8_t lo, hi;
    unsigned bytes = shape(*at, &lo, &hi);

    if (bytes <= 1)
        return bytes;
    if ((size_t)(end - at) < bytes || at[1] < lo || at[1] > hi)
        return 0;
    for (unsigned i = 2; i < bytes; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return bytes;
}

bool utf8_valid(const void *text, size_t bytes)
{
    const uint8_t *at = text, *end = at + bytes;

    while (at < end) {
        unsigned step = utf8_char(at, end);

        if (step == 0)
            return false;
        at += step;
    }
    return true;
}
