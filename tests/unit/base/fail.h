/* fail.h - run a call once for every allocation it makes, with that allocation failing. */
#ifndef TESTS_UNIT_BASE_FAIL_H
#define TESTS_UNIT_BASE_FAIL_H

#include "core/base/base.h"
#include "tests/unit/t.h"

/* `call` (0 or -errno) runs with its 1st, 2nd, ... allocation failing, and a last time with none.
 * After each failure `unchanged` runs; the call must have said -ENOMEM.  `allocations` (at least)
 * must have been made: a call that allocates nothing proves nothing. */
#define EACH_ALLOCATION_FAILS(allocations, call, unchanged)                                        \
    do {                                                                                           \
        int64_t nth_ = 0;                                                                          \
        for (bool hit_ = true; hit_; nth_++) {                                                     \
            int rc_;                                                                               \
            mem_fail_after(nth_);                                                                  \
            rc_ = (call);                                                                          \
            hit_ = mem_fail_hit();                                                                 \
            mem_fail_after(-1);                                                                    \
            if (hit_) {                                                                            \
                T_EQ(rc_, -ENOMEM);                                                                \
                unchanged;                                                                         \
            } else {                                                                               \
                T_OK(rc_);                                                                         \
            }                                                                                      \
        }                                                                                          \
        T_GT(nth_, allocations);                                                                   \
    } while (0)

#endif
