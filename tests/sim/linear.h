/* linear.h - is there an order in which one object alone could have given all these answers?
 *
 * Histories of different objects are independent, so each is judged by itself (Herlihy and Wing).
 * The search is that of Wing and Gong with Lowe's memory of (operations placed, state reached).
 * Operations without an answer may be placed anywhere after their invocation, or nowhere. */
#ifndef TESTS_SIM_LINEAR_H
#define TESTS_SIM_LINEAR_H

#include "tests/sim/history.h"

enum linear { LINEAR_YES, LINEAR_NO, LINEAR_GAVE_UP };

struct linear_report {
    uint64_t states; /* tried */
    uint32_t placed,
        of; /* answered operations in the longest order found, and how many there are */
};
/* `states_max` bounds the search.  `f` (may be NULL) receives, unless the answer is LINEAR_YES, the
 * longest order found, the state it leads to and why no operation can follow. */
enum linear linear_check(const struct history *h, uint64_t states_max, FILE *f,
                         struct linear_report *out_report);

#endif
