/* bench_cluster.c - the cluster that is measured: started, looked at from outside, stopped. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { READY_MS = 60000 };

/* Start a program; what it prints until `word` appears is shown when it does not. */
static pid_t spawn_until(const char *const *argv, const char *log, const char *word)
{
    char text[16384] = "";
    size_t len = 0;
    uint64_t until = bench_now_ns() + READY_MS * (uint64_t)1000000;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
        bench_die("cannot start %s: %s", argv[0], strerror(errno));
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);

        dup2(ends[1], 1);
        if (fd >= 0)
            dup2(fd, 2);
        execv(argv[0], (char *const *)argv);
        _exit(127);
    }
    close(ends[1]);
    while (!strstr(text, word)) {
        struct pollfd p = {.fd = ends[0], .events = POLLIN};
        ssize_t n = -1;

        if (bench_now_ns() < until && len + 1 < sizeof(text) && poll(&p, 1, 1000) >= 0)
            n = p.revents ? read(ends[0], text + len, sizeof(text) - 1 - len) : 0;
        if (n < 0 || (n == 0 && p.revents)) {
            kill(pid, SIGKILL);
            bench_die("%s did not get ready: %s (see %s)", argv[0], text, log);
        }
        len += (size_t)n;
        text[len] = 0;
    }
    close(ends[0]);
    return pid;
}

static void process_add(struct cluster *c, pid_t pid, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void process_add(struct cluster *c, pid_t pid, const char *fmt, ...)
{
    struct process *p = &c->processes[c->process_count++];
    va_list args;

    p->pid = pid;
    va_start(args, fmt);
    vsnprintf(p->name, sizeof(p->name), fmt, args);
    va_end(args);
}

static void value_take(const char *text, const char *name, char *out, size_t bytes)
{
    const char *at = strstr(text, name);

    if (!at)
        bench_die("no %s in what the cluster says", name);
    at += strlen(name);
    snprintf(out, bytes, "%.*s", (int)strcspn(at, "'\"\n"), at);
}

/* Endpoint and keys, from the file that `cairn up` writes for shells. */
static void env_take(struct cluster *c)
{
    char path[CLUSTER_PATH_BYTES + 16], text[4096], url[128];
    size_t n;
    FILE *f;

    snprintf(path, sizeof(path), "%s/env", c->folder);
    f = fopen(path, "re");
    n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (!n)
        bench_die("%s: cannot be read", path);
    fclose(f);
    text[n] = 0;
    value_take(text, "AWS_ENDPOINT_URL='http://", url, sizeof(url));
    value_take(text, "AWS_ACCESS_KEY_ID='", c->access_key, sizeof(c->access_key));
    value_take(text, "AWS_SECRET_ACCESS_KEY='", c->secret_key, sizeof(c->secret_key));
    value_take(text, "AWS_DEFAULT_REGION='", c->region, sizeof(c->region));
    if (sscanf(url, "%63[^:]:%7s", c->s3_host, c->s3_port) != 2)
        bench_die("the endpoint '%s' is not ADDR:PORT", url);
}

double cluster_up(struct cluster *c)
{
    char cairn[CLUSTER_PATH_BYTES + 16], log[CLUSTER_PATH_BYTES + 16];
    const char *argv[] = {cairn, "--data", c->folder, "up", "--s3", "127.0.0.1:0", NULL};
    uint64_t start = bench_now_ns();
    double took;

    snprintf(cairn, sizeof(cairn), "%s/cairn", c->bin);
    snprintf(log, sizeof(log), "%s.err", c->folder);
    snprintf(c->conf, sizeof(c->conf), "%s/cairn.conf", c->folder);
    c->process_count = 0;
    process_add(c, spawn_until(argv, log, "how it is"), "all roles");
    took = (double)(bench_now_ns() - start) / 1e9;
    env_take(c);
    return took;
}

/* --- one role a process --- */

static unsigned free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) < 0)
        bench_die("no free port: %s", strerror(errno));
    close(fd);
    return ntohs(a.sin_port);
}

static void role_start(struct cluster *c, const char *role, unsigned id)
{
    char cairnd[CLUSTER_PATH_BYTES + 16], log[CLUSTER_PATH_BYTES + 16], number[8];
    const char *argv[] = {cairnd, role, "--conf", c->conf, "--id", number, NULL};

    snprintf(cairnd, sizeof(cairnd), "%s/cairnd", c->bin);
    snprintf(log, sizeof(log), "%s.err", c->folder);
    snprintf(number, sizeof(number), "%u", id);
    process_add(c, spawn_until(argv, log, "is ready"), "%s.%u", role, id);
}

/* The gateway's user; its keys stand in the answer's JSON. */
static void user_make(struct cluster *c)
{
    char command[2 * CLUSTER_PATH_BYTES + 64], text[4096];
    size_t n;
    FILE *f;

    snprintf(command, sizeof(command), "'%s/cairn' --conf '%s' --json user create bench", c->bin,
             c->conf);
    f = popen(command, "re");
    n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (!n || pclose(f) != 0)
        bench_die("cannot create a user");
    text[n] = 0;
    value_take(text, "\"access_key\":\"", c->access_key, sizeof(c->access_key));
    value_take(text, "\"secret_key\":\"", c->secret_key, sizeof(c->secret_key));
    snprintf(c->region, sizeof(c->region), "us-east-1");
}

double cluster_daemons(struct cluster *c)
{
    unsigned mon = free_port(), s3 = free_port();
    char fsid[64] = "";
    uint64_t start;
    double took;
    FILE *f;

    f = fopen("/proc/sys/kernel/random/uuid", "re");
    if (!f || !fgets(fsid, sizeof(fsid), f))
        bench_die("no UUID from the kernel");
    fclose(f);
    if (mkdir(c->folder, 0700) < 0)
        bench_die("%s: %s", c->folder, strerror(errno));
    snprintf(c->conf, sizeof(c->conf), "%s/cairn.conf", c->folder);
    snprintf(c->s3_host, sizeof(c->s3_host), "127.0.0.1");
    snprintf(c->s3_port, sizeof(c->s3_port), "%u", s3 & 0xffff);
    f = fopen(c->conf, "we");
    if (!f ||
        fprintf(f,
                "[cluster]\nfsid = %smons = 0=127.0.0.1:%u\ndata = %s\n[s3]\naddr = "
                "127.0.0.1:%u\n",
                fsid, mon, c->folder, s3) < 0 ||
        fclose(f) != 0)
        bench_die("%s: %s", c->conf, strerror(errno));
    start = bench_now_ns();
    c->process_count = 0;
    role_start(c, "mon", 0);
    for (unsigned i = 0; i < 3; i++)
        role_start(c, "osd", i);
    role_start(c, "s3", 0);
    took = (double)(bench_now_ns() - start) / 1e9;
    user_make(c);
    return took;
}

/* --- the end --- */

void cluster_kill(struct cluster *c)
{
    while (c->process_count) {
        pid_t pid = c->processes[--c->process_count].pid;

        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

void cluster_stop(struct cluster *c)
{
    int status;

    while (c->process_count) { /* the gateway first, the monitor last */
        const struct process *p = &c->processes[--c->process_count];

        if (kill(p->pid, SIGTERM) < 0 || waitpid(p->pid, &status, 0) < 0 || status != 0)
            bench_die("%s did not end cleanly", p->name);
    }
}

/* --- seen from outside --- */

double cluster_cpu_s(const struct cluster *c)
{
    double ticks = 0;

    for (unsigned i = 0; i < c->process_count; i++) {
        char path[64], text[1024];
        unsigned long user = 0, sys = 0;
        char *after;
        FILE *f;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int)c->processes[i].pid);
        f = fopen(path, "re");
        if (!f || !fgets(text, sizeof(text), f) || !(after = strrchr(text, ')')) ||
            sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &sys) != 2)
            bench_die("%s is gone", c->processes[i].name);
        fclose(f);
        ticks += (double)(user + sys);
    }
    return ticks / (double)sysconf(_SC_CLK_TCK);
}

/* Of one thread; one that ends meanwhile counts nothing. */
static uint64_t thread_switches(const char *path)
{
    unsigned long long n, sum = 0;
    char line[256];
    FILE *f = fopen(path, "re");

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1 ||
            sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
            sum += n;
    if (f)
        fclose(f);
    return sum;
}

uint64_t cluster_switches(const struct cluster *c)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < c->process_count; i++) {
        char pattern[64];
        glob_t g;

        snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/status", (int)c->processes[i].pid);
        if (glob(pattern, 0, NULL, &g) != 0)
            bench_die("%s is gone", c->processes[i].name);
        for (size_t k = 0; k < g.gl_pathc; k++)
            sum += thread_switches(g.gl_pathv[k]);
        globfree(&g);
    }
    return sum;
}

void process_memory(const struct process *p, struct process_memory *out_memory)
{
    char path[64], line[256];
    unsigned long kb;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)p->pid);
    f = fopen(path, "re");
    if (!f)
        bench_die("%s is gone", p->name);
    *out_memory = (struct process_memory){0};
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "VmRSS: %lu", &kb) == 1)
            out_memory->now_mb = (double)kb / 1024;
        if (sscanf(line, "VmHWM: %lu", &kb) == 1)
            out_memory->peak_mb = (double)kb / 1024;
    }
    fclose(f);
}
