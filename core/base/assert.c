/* assert.c - the last words of a process whose own logic is wrong.
 *
 * Each thread keeps its 64 latest events in a ring of its own, so that noting one costs a few
 * stores and no lock.  A failing assertion prints the condition and the ring (oldest first), calls
 * the hook once, and aborts.  By then memory may be damaged: nothing here allocates or takes a
 * lock, and a second failure on the way skips straight to abort(). */
#include "core/base/assert.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/base.h"

enum { EVENTS_KEPT = 64 };

struct event {
    const char *what; /* a constant */
    uint64_t a, b;
};

/* Diagnostics of a thread and of a process, not of a role: this is why they may stand at file
 * scope. */
static __thread struct {
    struct event ring[EVENTS_KEPT];
    uint64_t count; /* ever noted */
    bool failing;
} events;

static struct {
    void (*call)(void *arg);
    void *arg;
} hook;

static_assert((EVENTS_KEPT & (EVENTS_KEPT - 1)) == 0, "the ring is indexed by a mask");

void event_note(const char *what, uint64_t a, uint64_t b)
{
    events.ring[events.count++ & (EVENTS_KEPT - 1)] = (struct event){what, a, b};
}

void assert_set_hook(void (*call)(void *arg), void *arg)
{
    hook.call = call;
    hook.arg = arg;
}

static PRINTF_LIKE(1, 2) void say(const char *fmt, ...)
{
    char line[512];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    if (len < 0)
        return;
    if ((size_t)len >= sizeof(line)) {
        len = sizeof(line) - 1;
        line[len - 1] = '\n';
    }
    if (write(STDERR_FILENO, line, (size_t)len) < 0)
        return; /* nobody is left to be told */
}

static void say_events(void)
{
    uint64_t first = events.count > EVENTS_KEPT ? events.count - EVENTS_KEPT : 0;

    for (uint64_t i = first; i < events.count; i++) {
        const struct event *e = &events.ring[i & (EVENTS_KEPT - 1)];

        say("  event %llu: %s %llu %llu\n", (unsigned long long)i, e->what,
            (unsigned long long)e->a, (unsigned long long)e->b);
    }
}

void assert_failed(const char *cond, const char *file, int line, const char *func)
{
    if (events.failing) /* the hook failed, too */
        abort();
    events.failing = true;
    say("assertion failed: %s, in %s (%s:%d)\n", cond, func, file, line);
    say_events();
    if (hook.call)
        hook.call(hook.arg);
    abort();
}
