/* test_random.c - seeded histories: clean without planted bugs, and each planted bug is seen.
 *
 * RAFT_SEEDS=n runs more; RAFT_SEED=s runs one, RAFT_TRACE=1 prints its steps. */
#include "tests/unit/raft/random.h"
#include "tests/unit/t.h"

#include <sys/wait.h>
#include <unistd.h>

/* Sanitizers cost an order of magnitude; the planted bugs need no sanitizer. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SEEDS = 60, SEEDS_FAILING = 3, SANITIZED = true };
#else
enum { SEEDS = 600, SEEDS_FAILING = 15, SANITIZED = false };
#endif
enum { BUG_SEEDS = 3000 };

static uint64_t env_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

T(raft_random, histories_under_faults_are_linearizable_and_lose_nothing)
{
    uint64_t first = env_number("RAFT_SEED", 1);
    uint64_t count = getenv("RAFT_SEED") ? 1 : env_number("RAFT_SEEDS", SEEDS);
    struct counters n = {0};
    char why[160];

    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!random_run(seed, 0, &n, why))
            T_FAIL("%s; again with: RAFT_SEED=%lu RAFT_TRACE=1 build/tests/unit/raft/"
                   "test_raft_random",
                   why, (unsigned long)seed);
    }
    printf("%lu seeds: %lu steps, %lu leaders, %lu commits, %lu truncations, %lu crashes, %lu "
           "snapshots, %lu installed, reads %lu leased %lu proved, %lu transfers\n",
           count, n.steps, n.leaders, n.commits, n.truncations, n.crashes, n.snapshots, n.installs,
           n.reads_leased, n.reads_proved, n.transfers);
    if (count < SEEDS || SANITIZED)
        return;
    T_GT(n.leaders, 100u);
    T_GT(n.commits, 1000u);
    T_GT(n.truncations, 50u);
    T_GT(n.crashes, 100u);
    T_GT(n.installs, 50u);
    T_GT(n.reads_leased, 1000u);
    T_GT(n.reads_proved, 1000u);
    T_GT(n.transfers, 20u);
    T_GT(n.duplicates, 100u);
}

/* A bug may also be caught by an assertion, which ends the process: so each runs in its own. */
static bool caught(uint32_t bug)
{
    int status = 0;
    pid_t pid;

    (void)fflush(NULL); /* or the child prints it again */
    pid = fork();
    T_GE(pid, 0);
    if (pid == 0) {
        char why[160];

        (void)!freopen("/dev/null", "w", stderr); /* what the assertion says is expected */
        for (uint64_t seed = 1; seed <= BUG_SEEDS; seed++) {
            if (!random_run(seed, bug, NULL, why))
                _exit(1);
        }
        _exit(0);
    }
    T_EQ(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        T_EQ(WTERMSIG(status), SIGABRT);
    return WIFSIGNALED(status) || WEXITSTATUS(status) == 1;
}

T(raft_random, each_planted_bug_is_seen)
{
    if (SANITIZED)
        T_SKIP("planted bugs are looked for in builds without sanitizers");
    for (uint32_t bit = 0; bit < RAFT_BUG_COUNT; bit++) {
        if (!caught(UINT32_C(1) << bit))
            T_FAIL("planted bug %u was not seen in %d seeds", bit, BUG_SEEDS);
    }
}

T(raft_random, a_seed_is_one_history)
{
    struct counters a = {0}, b = {0};
    char why[160];

    T_TRUE(random_run(5, 0, &a, why));
    T_TRUE(random_run(5, 0, &b, why));
    T_MEM_EQ(&a, &b, sizeof(a));
}

T(raft_random, a_step_without_memory_changes_nothing_and_may_be_repeated)
{
    char why[160];

    for (uint64_t seed = 1; seed <= SEEDS_FAILING; seed++) {
        if (random_run_failing(seed, why) < 50)
            T_FAIL("seed %lu: %s", (unsigned long)seed, why);
    }
}
