/* base.h - the few macros every file of the core uses.
 *
 * Everything here is free of state.  Include it first. */
#ifndef CORE_BASE_BASE_H
#define CORE_BASE_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "core/base/assert.h"
#include "core/base/mem.h"
#include "core/base/reason.h"

#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define UNUSED(x)                       ((void)(x))

#define KIB(n)    ((uint64_t)(n) << 10)
#define MIB(n)    ((uint64_t)(n) << 20)
#define GIB(n)    ((uint64_t)(n) << 30)
#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

/* Round to a power-of-two unit.  The caller bounds `n`, see size.h for sizes from outside. */
#define ROUND_DOWN(n, unit) ((n) & ~((uint64_t)(unit)-1))
#define ROUND_UP(n, unit)   ROUND_DOWN((uint64_t)(n) + (unit)-1, unit)

/* Ownership helpers: `AUTO(buf) b = {0};` calls buf_fini(&b) on every way out; TAKE(p) moves a
 * pointer out and leaves NULL behind. */
#define AUTO(name) __attribute__((cleanup(name##_fini))) struct name
#define AUTO_FREE  __attribute__((cleanup(mem_free_at)))
#define TAKE(p)                                                                                    \
    ({                                                                                             \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))

#endif
