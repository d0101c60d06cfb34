/* test_t.c - the checks of t.h let what holds pass.  That they stop what does not hold is proven by
 * check_t.sh, which runs t_failing and counts. */
#include "tests/unit/t.h"

T(t, numbers_of_different_types_compare_by_value)
{
    int x = 0;
    void *p = &x;

    T_EQ(-1, -1L);
    T_LT(-1, 1u);
    T_GT(UINT64_MAX, -1);
    T_GE(INT64_MIN, INT64_MIN);
    T_LE((uint8_t)3, 3);
    T_NE(UINT64_MAX, INT64_C(-1));
    T_EQ(p, &x);
    T_NE(p, NULL);
    T_TRUE(x == 0);
    T_FALSE(x);
}

T(t, equal_strings_and_bytes_pass)
{
    T_STR_EQ("a", "a");
    T_STR_EQ(NULL, NULL);
    T_MEM_EQ("abc", "abd", 2);
    T_OK(0);
    T_OK(7);
}

T(t, a_table_of_cases_is_walked_to_its_end)
{
    static const int rows[] = {1, 2, 3};
    int sum = 0;

    T_CASES (row, rows)
        sum += *row;
    T_EQ(sum, 6);
}

T(t, an_abort_that_was_expected_passes)
{
    T_ABORTS(abort());
}
