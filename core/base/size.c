/* size.c - see size.h. */
#include "core/base/size.h"

#include <stdio.h>

char *bytes_print(uint64_t bytes, char *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double n = (double)bytes;
    unsigned u = 0;

    while (n >= 1024 && u + 1 < ARRAY_LEN(units)) {
        n /= 1024;
        u++;
    }
    snprintf(out, 32, u ? "%.1f %s" : "%.0f %s", n, units[u]);
    return out;
}
