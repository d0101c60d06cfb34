/* crc_join.h - a remainder moved past bytes that come behind it, for any reversed CRC of up to 64
 * bits.  Pure functions. */
#ifndef CORE_BASE_CRC_JOIN_H
#define CORE_BASE_CRC_JOIN_H

#include "core/base/base.h"

/* The product of two polynomials; bit `width` - 1 holds x^0. */
static inline uint64_t crc_mul(uint64_t a, uint64_t b, uint64_t poly, unsigned width)
{
    uint64_t product = 0;

    for (uint64_t bit = UINT64_C(1) << (width - 1); bit; bit >>= 1) {
        if (a & bit)
            product ^= b;
        b = b >> 1 ^ (poly & (0 - (b & 1)));
    }
    return product;
}

/* `value` times x^(8 * bytes), in O(log bytes). */
static inline uint64_t crc_shift(uint64_t value, uint64_t bytes, uint64_t poly, unsigned width)
{
    uint64_t power = UINT64_C(1) << (width - 1 - 8); /* x^8 */

    for (; bytes; bytes >>= 1) {
        if (bytes & 1)
            value = crc_mul(value, power, poly, width);
        power = crc_mul(power, power, poly, width);
    }
    return value;
}

#endif
