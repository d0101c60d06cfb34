/* main_cmocka.c - main() of a unit test program over cmocka.
 *
 * Tests register themselves by constructor before main() runs.  An argument names the tests to
 * run, as a shell pattern over suite::name.  Criterion brings a main() of its own. */
#ifdef TESTS_CMOCKA

#include "tests/unit/t.h"

#include <cmocka.h>

static struct CMUnitTest *tests;
static size_t test_count;

void t_register(const char *name, void (*run)(void **state))
{
    struct CMUnitTest *grown = realloc(tests, (test_count + 1) * sizeof(*tests));

    if (!grown) {
        fprintf(stderr, "out of memory\n");
        exit(1);
    }
    tests = grown;
    tests[test_count++] = (struct CMUnitTest){.name = name, .test_func = run};
}

int main(int argc, char **argv)
{
    int failed;

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    failed = _cmocka_run_group_tests("tests", tests, test_count, NULL, NULL);
    free(tests);
    return failed == 0 ? 0 : 1;
}

#else

/* ISO C wants at least one declaration in a file. */
typedef int t_no_cmocka;

#endif
