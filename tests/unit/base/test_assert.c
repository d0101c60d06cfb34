/* What a failing assertion leaves behind. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/base.h"
#include "tests/unit/t.h"

static void hook(void *arg)
{
    dprintf(STDERR_FILENO, "hook says %s\n", (const char *)arg);
}

static void hook_that_fails(void *arg)
{
    UNUSED(arg);
    ASSERT(1 + 1 == 3);
}

static void fail_after_events(unsigned events, void (*call)(void *))
{
    for (unsigned i = 0; i < events; i++)
        event_note("step", i, i * 2);
    assert_set_hook(call, (void *)"seed 7");
    ASSERT(events == 12345);
}

/* Run it in a child; what it said goes to `out`. */
static void last_words(unsigned events, void (*call)(void *), char *out, size_t size)
{
    int ends[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t child;

    T_EQ(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        signal(SIGABRT, SIG_DFL);
        fail_after_events(events, call);
        _exit(0);
    }
    close(ends[1]);
    while (len < size - 1 && (n = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    out[len] = '\0';
    close(ends[0]);
    T_EQ(waitpid(child, &status, 0), child);
    T_TRUE(WIFSIGNALED(status));
    T_EQ(WTERMSIG(status), SIGABRT);
}

T(assert, prints_the_condition_then_the_events_oldest_first_then_the_hook)
{
    char said[8192];
    const char *cond, *first, *last, *hooked;

    last_words(3, hook, said, sizeof(said));
    cond = strstr(said, "assertion failed: events == 12345, in fail_after_events");
    first = strstr(said, "event 0: step 0 0\n");
    last = strstr(said, "event 2: step 2 4\n");
    hooked = strstr(said, "hook says seed 7\n");
    T_TRUE(cond && first && last && hooked);
    T_TRUE(cond < first && first < last && last < hooked);
}

T(assert, keeps_the_last_64_events)
{
    char said[8192];

    last_words(100, hook, said, sizeof(said));
    T_TRUE(strstr(said, "event 35:") == NULL);
    T_TRUE(strstr(said, "event 36: step 36 72\n") != NULL);
    T_TRUE(strstr(said, "event 99: step 99 198\n") != NULL);
}

T(assert, a_hook_that_fails_still_ends_in_abort)
{
    char said[8192];

    last_words(1, hook_that_fails, said, sizeof(said));
    T_TRUE(strstr(said, "12345") != NULL);
    T_TRUE(strstr(said, "1 + 1 == 3") == NULL); /* the second failure says nothing */
}

T(assert, a_condition_that_holds_is_evaluated_once)
{
    int n = 0;

    ASSERT(++n == 1);
    T_EQ(n, 1);
}
