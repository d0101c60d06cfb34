/* runner.c - children, their results and their last words.
 *
 * A seed runs in a forked child, so a failed assertion, an endless loop or a leak ends that seed
 * alone.  The child sends its result through a pipe; what it has to tell goes to an unlinked file,
 * which is shown when it failed.  A second run of the same seed is a fresh execution of the
 * program: another layout of memory, the same trace. */
#include "tests/sim/runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/plants.h"

enum { JOBS_MAX = 64, CPU_SECONDS_MAX = 300, TOLD_BYTES_MAX = 64 << 10 };

struct job {
    pid_t pid; /* 0: free */
    int result_fd, words_fd;
    uint64_t seed;
    bool again;
    uint64_t want_hash;
    struct seed_result result;
    size_t got;
};
struct runner {
    const struct runner_conf *conf;
    struct job job[JOBS_MAX];
    uint32_t running;
    struct runner_sum *sum;
    uint64_t total, began_ns, told_ns;
    struct {
        uint64_t seed, hash;
    } * again; /* owned: to be run a second time */
    uint64_t again_count, again_cap;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void runner_report(int fd, const struct seed_result *r)
{
    const char *at = (const char *)r;
    size_t left = sizeof(*r);

    while (left) {
        ssize_t n = write(fd, at, left);

        if (n <= 0)
            return; /* nobody listens */
        at += n;
        left -= (size_t)n;
    }
}

/* --- children --------------------------------------------------------------------------------- */

static int words_open(void)
{
    char path[] = "/tmp/cairn-sim-XXXXXX";
    int fd = mkstemp(path);

    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

static void exec_again(const struct runner_conf *conf, uint64_t seed, int fd)
{
    char seed_text[32], fd_text[16];

    snprintf(seed_text, sizeof(seed_text), "%llu", (unsigned long long)seed);
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    execl("/proc/self/exe", conf->program, "--seed", seed_text, "--report", fd_text, "--plant",
          conf->plant < 0 ? "none" : plant_names[conf->plant],
          conf->buckets ? "--buckets" : "--hot",
          conf->check_each_step ? "--each-step" : (char *)NULL, (char *)NULL);
    _exit(127);
}

static void child(const struct runner_conf *conf, struct job *j, int fd)
{
    struct seed_conf sc = {.seed = j->seed,
                           .check_each_step = conf->check_each_step,
                           .buckets = conf->buckets,
                           .f = stderr};
    struct rlimit limit = {CPU_SECONDS_MAX, CPU_SECONDS_MAX + 5};
    struct seed_result r;

    (void)setrlimit(RLIMIT_CPU, &limit);
    limit = (struct rlimit){0, 0};
    (void)setrlimit(RLIMIT_CORE, &limit);
    (void)dup2(j->words_fd, STDERR_FILENO);
    if (j->again)
        exec_again(conf, j->seed, fd);
    seed_run(&sc, &r);
    (void)fflush(stderr);
    runner_report(fd, &r);
    _exit(0);
}

static bool job_start(struct runner *rn, uint64_t seed, bool again, uint64_t want_hash)
{
    struct job *j = rn->job;
    int pipe_fd[2];

    while (j->pid)
        j++;
    *j = (struct job){
        .seed = seed, .again = again, .want_hash = want_hash, .words_fd = words_open()};
    if (j->words_fd < 0 || pipe(pipe_fd) < 0)
        return false;
    (void)fflush(NULL);
    j->pid = fork();
    if (j->pid == 0) {
        (void)close(pipe_fd[0]);
        child(rn->conf, j, pipe_fd[1]);
    }
    (void)close(pipe_fd[1]);
    j->result_fd = pipe_fd[0];
    rn->running++;
    return j->pid > 0;
}

/* --- results ---------------------------------------------------------------------------------- */

static void tell_words(int fd)
{
    char buf[4096];
    off_t at = 0;
    ssize_t n;

    while (at < TOLD_BYTES_MAX && (n = pread(fd, buf, sizeof(buf), at)) > 0) {
        (void)fwrite(buf, 1, (size_t)n, stderr);
        at += n;
    }
}

static void progress(struct runner *rn, bool last)
{
    uint64_t now = now_ns();

    if (!rn->conf->progress || (!last && now - rn->told_ns < 200 * NS_PER_MS))
        return;
    rn->told_ns = now;
    fprintf(stderr, "\r\033[K%llu of %llu seeds, %llu failed, %llu s%s",
            (unsigned long long)rn->sum->ran, (unsigned long long)rn->total,
            (unsigned long long)rn->sum->failed,
            (unsigned long long)((now - rn->began_ns) / NS_PER_S), last ? "\n" : "");
}

static void again_add(struct runner *rn, const struct seed_result *r)
{
    if (rn->again_count == rn->again_cap) {
        rn->again_cap = rn->again_cap ? 2 * rn->again_cap : 64;
        rn->again = mem_realloc(rn->again, rn->again_cap * sizeof(*rn->again));
        ASSERT(rn->again);
    }
    rn->again[rn->again_count].seed = r->seed;
    rn->again[rn->again_count++].hash = r->hash;
}

static void job_failed(struct runner *rn, struct job *j)
{
    struct runner_sum *sum = rn->sum;

    sum->failed++;
    if (sum->failed == 1 || j->seed < sum->first_failed) {
        sum->first_failed = j->seed;
        memcpy(sum->why, j->result.why, sizeof(sum->why));
    }
    if (rn->conf->plant >= 0)
        return;
    fprintf(stderr, "%s--- seed %llu failed: %s\n", rn->conf->progress ? "\r\033[K" : "",
            (unsigned long long)j->seed, j->result.why);
    tell_words(j->words_fd);
    fprintf(stderr, "replay: %s --seed %llu --verbose\n\n", rn->conf->program,
            (unsigned long long)j->seed);
}

/* By somebody else (limits of ours have signals of their own): that shows no planted bug. */
static bool killed(int status)
{
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void job_end(struct runner *rn, struct job *j)
{
    struct seed_result *r = &j->result;
    struct runner_sum *sum = rn->sum;
    int status = 0;

    (void)waitpid(j->pid, &status, 0);
    if (j->got < sizeof(*r)) {
        *r = (struct seed_result){.seed = j->seed};
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
            snprintf(r->why, sizeof(r->why), "no end after %d seconds of CPU", CPU_SECONDS_MAX);
        else
            snprintf(r->why, sizeof(r->why), "died (%s %d)",
                     WIFSIGNALED(status) ? "signal" : "status",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    if (j->again) {
        sum->repeated++;
        if (r->ok && r->hash != j->want_hash) {
            r->ok = false;
            snprintf(r->why, sizeof(r->why), "two runs differ: trace %016llx, then %016llx",
                     (unsigned long long)j->want_hash, (unsigned long long)r->hash);
        }
    } else {
        sum->ran++;
        sum->cpu_ns += r->cpu_ns;
        sum->cpu_max_ns = MAX(sum->cpu_max_ns, r->cpu_ns);
        sum->virtual_ns += r->virtual_ns;
        coverage_add(&sum->cov, &r->cov);
        if (rn->conf->again_every && r->ok && j->seed % rn->conf->again_every == 0)
            again_add(rn, r);
    }
    if (!r->ok && !(rn->conf->plant >= 0 && killed(status)))
        job_failed(rn, j);
    (void)close(j->result_fd);
    (void)close(j->words_fd);
    j->pid = 0;
    rn->running--;
    progress(rn, false);
}

static void wait_some(struct runner *rn)
{
    struct pollfd fds[JOBS_MAX];
    struct job *of[JOBS_MAX];
    nfds_t count = 0;

    for (uint32_t i = 0; i < JOBS_MAX; i++) {
        if (!rn->job[i].pid)
            continue;
        of[count] = &rn->job[i];
        fds[count++] = (struct pollfd){.fd = rn->job[i].result_fd, .events = POLLIN};
    }
    (void)poll(fds, count, 1000);
    for (nfds_t i = 0; i < count; i++) {
        struct job *j = of[i];
        ssize_t n;

        if (!fds[i].revents)
            continue;
        n = read(j->result_fd, (char *)&j->result + j->got, sizeof(j->result) - j->got);
        if (n > 0)
            j->got += (size_t)n;
        if (n <= 0 || j->got == sizeof(j->result))
            job_end(rn, j);
    }
}

void runner_run(const struct runner_conf *conf, const uint64_t *seeds, uint64_t count,
                struct runner_sum *out_sum)
{
    struct runner *rn = mem_zalloc(sizeof(*rn));
    uint64_t next = 0, next_again = 0;

    ASSERT(rn);
    *out_sum = (struct runner_sum){0};
    rn->conf = conf;
    rn->sum = out_sum;
    rn->total = count;
    rn->began_ns = now_ns();
    for (;;) {
        bool stop = out_sum->failed >= conf->failures_max, more = !stop && next < count;

        if (rn->running < MIN(conf->jobs, (uint32_t)JOBS_MAX) && next_again < rn->again_count &&
            !stop) {
            uint64_t at = next_again++;

            if (!job_start(rn, rn->again[at].seed, true, rn->again[at].hash))
                break;
        } else if (rn->running < MIN(conf->jobs, (uint32_t)JOBS_MAX) && more) {
            if (!job_start(rn, seeds[next++], false, 0))
                break;
        } else if (rn->running) {
            wait_some(rn);
        } else {
            break;
        }
    }
    progress(rn, true);
    mem_free(rn->again);
    mem_free(rn);
}
