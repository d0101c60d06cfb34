/* t.c - the checks behind tests/unit/t.h.
 *
 * A check that fails prints where, what and both values, then ends the test the way the test
 * library wants it.  State here is of the running test only: which row of a table it is at, and
 * the child of T_ABORTS. */
#include "tests/unit/t.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef TESTS_CMOCKA
#include <cmocka.h>
#endif

static long case_row = -1;
static pid_t child;

void t_fail(const char *file, int line, const char *fmt, ...)
{
    char text[2048];
    char where[32] = "";
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (case_row >= 0)
        snprintf(where, sizeof(where), " (row %ld)", case_row);
    case_row = -1;
#ifdef TESTS_CMOCKA
    fprintf(stderr, "%s:%d: %s%s\n", file, line, text, where);
    _fail(file, line);
    abort(); /* not reached: _fail jumps out of the test */
#else
    cr_assert_fail("%s:%d: %s%s", file, line, text, where);
    abort();
#endif
}

void t_skip(const char *file, int line, const char *reason)
{
    case_row = -1;
#ifdef TESTS_CMOCKA
    fprintf(stderr, "%s:%d: skipped: %s\n", file, line, reason);
    _skip(file, line);
    abort();
#else
    (void)file;
    (void)line;
    cr_skip_test("%s", reason);
    abort();
#endif
}

struct t_num t_signed_(int64_t n)
{
    return (struct t_num){
        .magnitude = n < 0 ? -(uint64_t)n : (uint64_t)n,
        .negative = n < 0,
    };
}

struct t_num t_unsigned_(uint64_t n)
{
    return (struct t_num){.magnitude = n};
}

struct t_num t_pointer_(const volatile void *p)
{
    return (struct t_num){.magnitude = (uintptr_t)p, .pointer = true};
}

static int num_order(struct t_num a, struct t_num b)
{
    int order = (a.magnitude > b.magnitude) - (a.magnitude < b.magnitude);

    if (a.negative != b.negative)
        return a.negative ? -1 : 1;
    return a.negative ? -order : order;
}

static const char *num_text(struct t_num n, char *out_text, size_t bytes)
{
    if (n.pointer)
        snprintf(out_text, bytes, "%#" PRIx64, n.magnitude);
    else if (n.magnitude < 10)
        snprintf(out_text, bytes, "%s%" PRIu64, n.negative ? "-" : "", n.magnitude);
    else
        snprintf(out_text, bytes, "%s%" PRIu64 " (%#" PRIx64 ")", n.negative ? "-" : "",
                 n.magnitude, n.magnitude);
    return out_text;
}

void t_cmp_(const char *file, int line, const char *text_a, struct t_num a, const char *op,
            const char *text_b, struct t_num b)
{
    int order = num_order(a, b);
    bool or_equal = op[1] == '=';
    bool holds;
    char left[64];
    char right[64];

    if (op[0] == '=')
        holds = order == 0;
    else if (op[0] == '!')
        holds = order != 0;
    else if (op[0] == '<')
        holds = order < 0 || (or_equal && order == 0);
    else
        holds = order > 0 || (or_equal && order == 0);
    if (!holds)
        t_fail(file, line, "%s %s %s does not hold: %s against %s", text_a, op, text_b,
               num_text(a, left, sizeof(left)), num_text(b, right, sizeof(right)));
}

void t_str_eq_(const char *file, int line, const char *text_a, const char *a, const char *text_b,
               const char *b)
{
    if (a == b || (a && b && strcmp(a, b) == 0))
        return;
    t_fail(file, line, "%s is not %s:\n  \"%s\"\n  \"%s\"", text_a, text_b, a ? a : "(null)",
           b ? b : "(null)");
}

void t_mem_eq_(const char *file, int line, const char *text_a, const void *a, const char *text_b,
               const void *b, size_t bytes)
{
    const uint8_t *left = a;
    const uint8_t *right = b;

    for (size_t i = 0; i < bytes; i++) {
        if (left[i] != right[i])
            t_fail(file, line, "%s and %s differ at byte %zu of %zu: 0x%02x against 0x%02x", text_a,
                   text_b, i, bytes, left[i], right[i]);
    }
}

static FILE *golden_open(const char *name, const char *mode)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/tests/golden/%s/v1.bin", t_srcdir(), name);
    return fopen(path, mode);
}

size_t t_golden_read(const char *name, uint8_t *dst, size_t max)
{
    FILE *f = golden_open(name, "rb");
    size_t bytes;

    if (!f)
        T_FAIL("there is no golden file of %s", name);
    bytes = fread(dst, 1, max, f);
    fclose(f);
    T_LT(bytes, max);
    return bytes;
}

void t_golden_(const char *file, int line, const char *name, const void *data, size_t bytes)
{
    static uint8_t want[128 << 10];
    FILE *f = getenv("CAIRN_GOLDEN_WRITE") ? golden_open(name, "wbx") : NULL;

    if (f && (fwrite(data, 1, bytes, f) != bytes || fclose(f)))
        t_fail(file, line, "the golden file of %s is not written", name);
    if (t_golden_read(name, want, sizeof(want)) != bytes)
        t_fail(file, line, "%zu bytes, and the golden file of %s has others", bytes, name);
    t_mem_eq_(file, line, "golden", want, name, data, bytes);
}

/* The number says it all but for an errno, which has a name. */
const char *t_code_(long long rc)
{
    const char *name = rc > -1000 ? strerrorname_np((int)-rc) : NULL;

    return name ? name : "a reason";
}

bool t_case_(long row, long rows)
{
    case_row = row < rows ? row : -1;
    return row < rows;
}

int t_fork_(void)
{
    fflush(NULL);
    child = fork();
    if (child < 0)
        t_fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
    if (child == 0) {
        struct rlimit none = {0, 0};

        (void)setrlimit(RLIMIT_CORE, &none); /* an expected abort need not leave a core file */
        (void)signal(SIGABRT, SIG_DFL);      /* the test library's handler would report it */
        alarm(20);
    }
    return (int)child;
}

void t_wait_abort_(const char *file, int line, const char *text)
{
    int status = 0;

    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR)
            t_fail(file, line, "waitpid: %s", strerror(errno));
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
        return;
    if (WIFEXITED(status))
        t_fail(file, line, "%s did not abort but exited with %d", text, WEXITSTATUS(status));
    t_fail(file, line, "%s did not abort but ended by signal %d", text, WTERMSIG(status));
}

const char *t_srcdir(void)
{
    const char *dir = getenv("SRCDIR");

    return dir ? dir : ".";
}
