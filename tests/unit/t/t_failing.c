/* t_failing.c - one test per check, each of which must fail, and one that must be skipped.  Not
 * part of make check by itself: check_t.sh runs it and counts. */
#include "tests/unit/t.h"

#include <errno.h>

T(failing, eq)
{
    T_EQ(UINT64_MAX, -1);
}

T(failing, ne)
{
    T_NE(2, 2u);
}

T(failing, gt)
{
    T_GT(-2, 1u);
}

T(failing, is_true)
{
    T_TRUE(errno < 0);
}

T(failing, ok)
{
    T_OK(-ENOENT);
}

T(failing, str_eq)
{
    T_STR_EQ("a", "b");
}

T(failing, str_eq_null)
{
    T_STR_EQ("a", NULL);
}

T(failing, mem_eq)
{
    T_MEM_EQ("ab", "ac", 2);
}

T(failing, cases)
{
    static const int rows[] = {1, 2, 3};

    T_CASES (row, rows)
        T_LT(*row, 3);
}

T(failing, aborts)
{
    T_ABORTS((void)0);
}

T(failing, fail)
{
    T_FAIL("reached %d", 1);
}

T(failing, skip)
{
    T_SKIP("it is meant to be skipped");
}
