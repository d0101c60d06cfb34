/* crush_test.h - what a map would do: the lines of `crushtool --test --show-mappings`. */
#ifndef CORE_CRUSH_CRUSH_TEST_H
#define CORE_CRUSH_CRUSH_TEST_H

#include "core/base/cursor.h"
#include "core/crush/crush.h"

struct crush_test_weight {
    int32_t device;
    uint32_t weight; /* 16.16, above one counts as one */
};

struct crush_test {
    int rule;
    uint32_t rep_count;
    uint32_t x_min, x_max; /* inclusive */
    const struct crush_test_weight
        *weights; /* borrowed: devices not named that the map uses: one */
    uint32_t weight_count;
};

/* Called with each line, a string, newline included; less than 0 stops the test and is returned. */
typedef int (*crush_test_line)(void *arg, const char *line, size_t bytes);

/* One line for each x: "CRUSH rule 0 x 448501 [19,15,20,10]".  No line for a rule that does not
 * exist, nor when every device keeps nothing.  0, -ENOMEM, -EINVAL (counts out of bounds, with
 * `why`), or what `line` returned. */
int crush_test_run(const struct crush_map *map, const struct crush_test *test, crush_test_line line,
                   void *arg, struct note *why);

#endif
