/* size.h - arithmetic on sizes that come from outside: overflow is reported, never wraps. */
#ifndef CORE_BASE_SIZE_H
#define CORE_BASE_SIZE_H

#include "core/base/base.h"

/* 0, or -R_OVERFLOW with *out unchanged. */
static inline MUST_CHECK int size_add(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return -R_OVERFLOW;
    *out = sum;
    return 0;
}

static inline MUST_CHECK int size_mul(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return -R_OVERFLOW;
    *out = product;
    return 0;
}

/* "12.3 MiB", for people; `out` has SIZE_TEXT_BYTES.  Returns it. */
enum { SIZE_TEXT_BYTES = 32 };
char *bytes_print(uint64_t bytes, char *out);

#endif
