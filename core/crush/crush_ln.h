/* crush_ln.h - the fixed-point logarithm of straw2. */
#ifndef CORE_CRUSH_CRUSH_LN_H
#define CORE_CRUSH_CRUSH_LN_H

#include "core/base/base.h"

/* About 2^44 * log2(u + 1), for u up to 0xffff. */
uint64_t crush_ln(uint32_t u);

#endif
