/* assert.h - assertions that stay on in releases, and the events printed before one fails.
 *
 * ASSERT guards our own logic only; what comes from disks, peers, users or files is checked and
 * returned as an error.  Threads: any; each thread keeps its own ring of recent events. */
#ifndef CORE_BASE_ASSERT_H
#define CORE_BASE_ASSERT_H

#include <assert.h>
#include <stdint.h>

#define ASSERT(cond)                                                                               \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            assert_failed(#cond, __FILE__, __LINE__, __func__);                                    \
    } while (0)
#define UNREACHABLE() assert_failed("unreachable", __FILE__, __LINE__, __func__)

/* Print the condition and this thread's recent events to stderr, then abort(). */
void assert_failed(const char *cond, const char *file, int line, const char *func)
    __attribute__((noreturn, cold));

/* Remember that something happened.  `what` must be a string constant; `a` and `b` are printed as
 * numbers.  Costs a few stores; the last 64 per thread are kept. */
void event_note(const char *what, uint64_t a, uint64_t b);

/* Call `hook(arg)` before a failing assertion aborts (the simulator prints its seed with it). */
void assert_set_hook(void (*hook)(void *arg), void *arg);

#endif
