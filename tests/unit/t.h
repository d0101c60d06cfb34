/* t.h - how our unit tests are written, over Criterion or (TESTS_CMOCKA, sanitizer builds) cmocka.
 *
 *     T(buf, append_keeps_what_was_there)
 *     {
 *         T_OK(buf_append(&b, "x", 1));
 *         T_EQ(b.bytes, 1);
 *     }
 *
 * A test's name is the sentence that would become false.  The first check that fails ends its test.
 * Under Criterion each test is a process of its own; under cmocka all tests of a program share one,
 * so a test leaves nothing behind.  Check from the test's own thread and process only. */
#ifndef TESTS_UNIT_T_H
#define TESTS_UNIT_T_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef TESTS_CMOCKA

/* Called before main(): tests run in the order in which they were registered. */
void t_register(const char *name, void (*run)(void **state));

#define T(suite, name)                                                                             \
    static void t_##suite##__##name(void **t_state);                                               \
    __attribute__((constructor)) static void t_reg_##suite##__##name(void)                         \
    {                                                                                              \
        t_register(#suite "::" #name, t_##suite##__##name);                                        \
    }                                                                                              \
    static void t_##suite##__##name(void **t_state __attribute__((unused)))

#else

#include <criterion/criterion.h>

#define T(suite, name) Test(suite, name)

#endif

/* Whole numbers of any type, and pointers; prints both sides when they differ. */
#define T_EQ(a, b) T_CMP_(a, ==, b)
#define T_NE(a, b) T_CMP_(a, !=, b)
#define T_LT(a, b) T_CMP_(a, <, b)
#define T_LE(a, b) T_CMP_(a, <=, b)
#define T_GT(a, b) T_CMP_(a, >, b)
#define T_GE(a, b) T_CMP_(a, >=, b)

#define T_TRUE(cond)                                                                               \
    do {                                                                                           \
        if (!(cond))                                                                               \
            t_fail(__FILE__, __LINE__, "%s does not hold", #cond);                                 \
    } while (0)
#define T_FALSE(cond) T_TRUE(!(cond))

/* A call that must succeed: 0 or a count. */
#define T_OK(call)                                                                                 \
    do {                                                                                           \
        long long t_rc_ = (call);                                                                  \
        if (t_rc_ < 0)                                                                             \
            t_fail(__FILE__, __LINE__, "%s returned %lld (%s)", #call, t_rc_, t_code_(t_rc_));     \
    } while (0)

/* NULL equals only NULL. */
#define T_STR_EQ(a, b) t_str_eq_(__FILE__, __LINE__, #a, a, #b, b)
/* The same bytes: `a` and `b` point to at least `bytes` of them. */
#define T_MEM_EQ(a, b, bytes) t_mem_eq_(__FILE__, __LINE__, #a, a, #b, b, bytes)

#define T_FAIL(...) t_fail(__FILE__, __LINE__, __VA_ARGS__)

/* The test needs what this machine lacks.  The reason is printed. */
#define T_SKIP(reason) t_skip(__FILE__, __LINE__, reason)

/* Run the block that follows for each row of a table, with `row` pointing to it; a failure says
 * which row it was.
 *
 *     static const struct { const char *text; int want; } rows[] = {{"a", 1}, {"b", 2}};
 *     T_CASES(row, rows)
 *         T_EQ(parse(row->text), row->want); */
#define T_CASES(row, table)                                                                        \
    for (const __typeof__((table)[0]) *row = (table);                                              \
         t_case_((long)(row - (table)), (long)(sizeof(table) / sizeof((table)[0]))); row++)

/* The statement must end its process by abort(), as a failing ASSERT does. */
#define T_ABORTS(statement)                                                                        \
    do {                                                                                           \
        if (t_fork_() == 0) {                                                                      \
            statement;                                                                             \
            _Exit(0);                                                                              \
        }                                                                                          \
        t_wait_abort_(__FILE__, __LINE__, #statement);                                             \
    } while (0)

/* The bytes are those of tests/golden/NAME/v1.bin.  CAIRN_GOLDEN_WRITE=1 writes a file that is
 * missing; it never overwrites one. */
#define T_GOLDEN(name, data, bytes) t_golden_(__FILE__, __LINE__, name, data, bytes)
/* How many bytes that file has, all of which are in `dst` now; it holds fewer than `max`. */
size_t t_golden_read(const char *name, uint8_t *dst, size_t max);

/* The folder of the sources, to find golden files: "$SRCDIR", or "." without it. */
const char *t_srcdir(void);

/* End the test as failed. */
void t_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, cold, format(printf, 3, 4)));
void t_skip(const char *file, int line, const char *reason) __attribute__((noreturn, cold));

/* --- what the macros stand on ---------------------------------------------------------------- */

/* A whole number of any type, or an address. */
struct t_num {
    uint64_t magnitude;
    bool negative;
    bool pointer;
};

struct t_num t_signed_(int64_t n);
struct t_num t_unsigned_(uint64_t n);
struct t_num t_pointer_(const volatile void *p);

#define T_NUM_(x)                                                                                  \
    _Generic((x), bool                                                                             \
             : t_unsigned_, unsigned char                                                          \
             : t_unsigned_, unsigned short                                                         \
             : t_unsigned_, unsigned int                                                           \
             : t_unsigned_, unsigned long                                                          \
             : t_unsigned_, unsigned long long                                                     \
             : t_unsigned_, char                                                                   \
             : t_signed_, signed char                                                              \
             : t_signed_, short                                                                    \
             : t_signed_, int                                                                      \
             : t_signed_, long                                                                     \
             : t_signed_, long long                                                                \
             : t_signed_, default                                                                  \
             : t_pointer_)(x)

/* `op` is a string constant: one of == != < <= > >=. */
void t_cmp_(const char *file, int line, const char *text_a, struct t_num a, const char *op,
            const char *text_b, struct t_num b);
#define T_CMP_(a, op, b) t_cmp_(__FILE__, __LINE__, #a, T_NUM_(a), #op, #b, T_NUM_(b))

void t_str_eq_(const char *file, int line, const char *text_a, const char *a, const char *text_b,
               const char *b);
void t_mem_eq_(const char *file, int line, const char *text_a, const void *a, const char *text_b,
               const void *b, size_t bytes);
void t_golden_(const char *file, int line, const char *name, const void *data, size_t bytes);
const char *t_code_(long long rc);
bool t_case_(long row, long rows);
int t_fork_(void);
void t_wait_abort_(const char *file, int line, const char *text);

#endif
