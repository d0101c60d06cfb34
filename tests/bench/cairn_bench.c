/* cairn_bench.c - measures a cluster of its own beside the limits of the machine it runs on.
 *
 * A cluster in one process is started in a temporary folder, looked at while it idles, loaded
 * through libcairn and S3, and stopped; then one with a process for each role, for the memory of
 * each.  CPU is that of all the cluster's processes; the load comes from this one, whose own CPU
 * stands beside it.  A ratio compares with the limit named beside it, measured before and after the
 * load: on a machine that others use, the two tell how far to believe the rest.  Nothing passes or
 * fails: what the numbers mean is for whoever reads them. */
#include <errno.h>
#include <ftw.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum {
    TESTS_MAX = 64,
    SMALL = 4096,
    MIDDLE = 64 << 10,
    LARGE = 4 << 20,
    PART = 16 << 20,
    PARTS = 64, /* 1 GiB */
    REST_S = 10,
    KEYS_FEW = 10000,
    KEYS_AT_ONCE = 100000, /* signatures are made once for so many */
};

struct row {
    struct load_test t;
    struct load_result r;
    double cpu_ms;    /* of the cluster, for each operation */
    double client_ms; /* of this program */
    double switches;  /* context switches of the cluster, for each operation */
    bool ran;
};
struct bench {
    bool json, quick, has_nginx;
    unsigned keys;              /* --keys; 0: the ordinary table */
    double fill_s, fill_cpu_ms; /* all keys; for each */
    double seconds;
    const char *only;
    char folder[CLUSTER_PATH_BYTES - 16]; /* ours, temporary */
    char bin[CLUSTER_PATH_BYTES];
    struct limits limits, after;
    double load_first, load_last; /* of the machine, a minute's mean */
    double first_s, again_s, idle_cpu_percent, idle_switches;
    double own_peak_mb;
    struct process_memory idle, loaded;
    struct process roles[CLUSTER_PROCESSES_MAX];
    struct process_memory role_idle[CLUSTER_PROCESSES_MAX], role_loaded[CLUSTER_PROCESSES_MAX];
    unsigned role_count;
    struct row rows[TESTS_MAX];
    unsigned row_count;
};
static struct cluster cluster, nginx; /* here for the way out: their processes end with us */
static char temporary[CLUSTER_PATH_BYTES];

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

static void clean_up(void)
{
    cluster_kill(&cluster);
    cluster_kill(&nginx);
    if (temporary[0])
        (void)nftw(temporary, remove_one, 32, FTW_DEPTH | FTW_PHYS); /* what is left is in /tmp */
}

void bench_die(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    fputs("cairn-bench: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    clean_up();
    _exit(1); /* other threads are at work still */
}

void *bench_alloc(size_t bytes)
{
    void *p = calloc(1, bytes ? bytes : 1);

    if (!p)
        bench_die("out of memory");
    return p;
}

uint64_t bench_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- latencies --- */

void latency_add(struct latencies *l, uint64_t ns)
{
    if (l->count == l->room) {
        l->room = l->room ? l->room * 2 : 1024;
        l->ms = realloc(l->ms, l->room * sizeof(*l->ms));
        if (!l->ms)
            bench_die("out of memory");
    }
    l->ms[l->count++] = (float)((double)ns / 1e6);
}

static int float_cmp(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

void latencies_result(struct latencies *l, struct load_result *out_result)
{
    if (!l->count)
        bench_die("a test without any operation");
    qsort(l->ms, l->count, sizeof(*l->ms), float_cmp);
    out_result->ops = l->count;
    out_result->p50_ms = l->ms[l->count / 2];
    out_result->p99_ms = l->ms[l->count * 99 / 100];
    out_result->worst_ms = l->ms[l->count - 1];
    free(l->ms);
    *l = (struct latencies){0};
}

/* --- the tests --- */

static unsigned names_of(const struct bench *b, size_t bytes, bool doomed)
{
    unsigned n = bytes <= SMALL ? 8192 : bytes <= MIDDLE ? 1024 : 64;

    return doomed && b->quick ? n / 4 : n;
}

static struct row *row_add(struct bench *b, const char *name, enum load_verb verb, size_t bytes,
                           unsigned depth)
{
    struct row *row = &b->rows[b->row_count++];

    if (b->row_count > TESTS_MAX)
        bench_die("too many tests");
    row->t =
        (struct load_test){.name = name,
                           .s3 = strncmp(name, "S3", 2) == 0,
                           .verb = verb,
                           .write = verb == LOAD_PUT || verb == LOAD_DELETE || verb == LOAD_PARTS,
                           .doomed = verb == LOAD_DELETE,
                           .bytes = bytes,
                           .depth = depth,
                           .seconds = b->seconds,
                           .names = names_of(b, bytes, verb == LOAD_DELETE),
                           .needs = verb == LOAD_DELETE || verb == LOAD_PARTS ? 0 : bytes};
    return row;
}

static void rows_make(struct bench *b)
{
    static const size_t sizes[] = {SMALL, MIDDLE, LARGE};

    for (unsigned i = 0; i < 3; i += 2) { /* through libcairn: the smallest and the largest */
        row_add(b, "object create", LOAD_PUT, sizes[i], 16)->t.create = true;
        for (unsigned depth = 1; depth <= 16; depth += 15)
            row_add(b, "object write", LOAD_PUT, sizes[i], depth);
        for (unsigned depth = 1; depth <= 16; depth += 15)
            row_add(b, "object read", LOAD_GET, sizes[i], depth);
    }
    for (unsigned i = 0; i < 3; i++) {
        row_add(b, "S3 PUT, new", LOAD_PUT, sizes[i], 16)->t.create = true;
        for (unsigned depth = 1; depth <= 16; depth += 15)
            row_add(b, "S3 PUT", LOAD_PUT, sizes[i], depth);
        for (unsigned depth = 1; depth <= 16; depth += 15)
            row_add(b, "S3 PUT CRC32", LOAD_PUT, sizes[i], depth)->t.trailer = true;
        for (unsigned depth = 1; depth <= 16; depth += 15)
            row_add(b, "S3 GET", LOAD_GET, sizes[i], depth);
        for (unsigned depth = 1; depth <= 16; depth += 15)
            row_add(b, "S3 HEAD", LOAD_HEAD, sizes[i], depth);
        for (unsigned depth = 1; depth <= 16; depth += 15)
            row_add(b, "S3 DELETE", LOAD_DELETE, sizes[i], depth);
    }
    for (unsigned depth = 1; depth <= 16; depth += 15) {
        struct row *row = row_add(b, "S3 LIST 1,000", LOAD_LIST, 0, depth);

        row->t.needs = SMALL;
    }
    row_add(b, "S3 multipart", LOAD_PARTS, PART, 4)->t.names = b->quick ? PARTS / 16 : PARTS;
    for (unsigned depth = 1; depth <= 16; depth += 15) {
        struct row *row = row_add(b, "nginx GET", LOAD_GET, SMALL, depth);

        row->t.nginx = true;
        row->t.needs = 0;
    }
}

static double own_cpu_s(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* A thread that ended meanwhile took its own count along. */
static double switches_since(const struct cluster *c, uint64_t before)
{
    uint64_t now = cluster_switches(c);

    return now > before ? (double)(now - before) : 0;
}

/* Shards that split, rows that are compacted: what a load leaves to do belongs to it.  Waits until
 * that is done, or for so long. */
static void rest_wait(const struct cluster *c, double seconds)
{
    const struct timespec pause = {.tv_nsec = 200000000};
    uint64_t until = bench_now_ns() + (uint64_t)(seconds * 1e9);
    double cpu = cluster_cpu_s(c), before;

    do {
        before = cpu;
        nanosleep(&pause, NULL);
        cpu = cluster_cpu_s(c);
    } while (cpu - before > 0.02 && bench_now_ns() < until);
}

static void row_run(struct bench *b, struct row *row)
{
    const struct cluster *c = row->t.nginx ? &nginx : &cluster;
    uint64_t switches;
    double cpu, own;

    if (!b->json)
        fprintf(stderr, "  %-14s %7zu bytes, depth %2u     \r", row->t.name, row->t.bytes,
                row->t.depth);
    if (row->t.doomed)
        s3_fill(c, &row->t);
    switches = cluster_switches(c);
    cpu = cluster_cpu_s(c);
    own = own_cpu_s();
    if (row->t.s3 || row->t.nginx)
        s3_run(c, &row->t, &row->r);
    else
        objects_run(&row->t, &row->r);
    row->client_ms = (own_cpu_s() - own) * 1e3 / (double)row->r.ops;
    row->switches = switches_since(c, switches) / (double)row->r.ops;
    if (row->t.write)
        rest_wait(c, REST_S);
    row->cpu_ms = (cluster_cpu_s(c) - cpu) * 1e3 / (double)row->r.ops;
    row->ran = true;
}

static bool named(const struct bench *b, const struct row *row)
{
    char text[64];

    snprintf(text, sizeof(text), "%s %zu %u", row->t.name, row->t.bytes, row->t.depth);
    return !b->only || strstr(text, b->only);
}

/* Does --only leave this row in?  Creating comes before what needs the objects. */
static bool wanted(const struct bench *b, const struct row *row)
{
    for (unsigned i = 0; row->t.create && i < b->row_count; i++)
        if (b->rows[i].t.s3 == row->t.s3 && b->rows[i].t.needs == row->t.bytes &&
            named(b, &b->rows[i]))
            return true;
    return named(b, row);
}

/* What a cluster does that nobody asks anything. */
static void idle_measure(struct bench *b)
{
    uint64_t start, switches;
    double cpu, took;

    sleep(2); /* let it settle: what follows a start is not rest */
    start = bench_now_ns();
    switches = cluster_switches(&cluster);
    cpu = cluster_cpu_s(&cluster);
    sleep(b->quick ? 3 : 10);
    took = (double)(bench_now_ns() - start) / 1e9;
    b->idle_cpu_percent = (cluster_cpu_s(&cluster) - cpu) * 1e2 / took;
    b->idle_switches = switches_since(&cluster, switches) / took;
    process_memory(&cluster.processes[0], &b->idle);
}

/* While the cluster rests. */
static void nginx_measure(struct bench *b)
{
    snprintf(nginx.folder, sizeof(nginx.folder), "%s/nginx", b->folder);
    b->has_nginx = nginx_up(&nginx);
    for (unsigned i = 0; b->has_nginx && i < b->row_count; i++)
        if (b->rows[i].t.nginx && wanted(b, &b->rows[i]))
            row_run(b, &b->rows[i]);
    cluster_kill(&nginx);
}

static void one_process_measure(struct bench *b)
{
    struct process self = {.pid = getpid(), .name = "cairn-bench"};
    struct process_memory own;

    snprintf(cluster.folder, sizeof(cluster.folder), "%s/one", b->folder);
    b->first_s = cluster_up(&cluster);
    cluster_stop(&cluster);
    b->again_s = cluster_up(&cluster);
    idle_measure(b);
    objects_prepare(&cluster);
    s3_prepare(&cluster);
    for (unsigned i = 0; i < b->row_count; i++)
        if (!b->rows[i].t.nginx && wanted(b, &b->rows[i]))
            row_run(b, &b->rows[i]);
    nginx_measure(b);
    process_memory(&cluster.processes[0], &b->loaded);
    process_memory(&self, &own);
    b->own_peak_mb = own.peak_mb;
    objects_close();
    cluster_stop(&cluster);
}

/* --- a bucket of many keys: are its pages as cheap as those of one with few? --- */

static void keys_fill(struct bench *b, unsigned from, unsigned to)
{
    struct load_test t = {
        .name = "fill", .s3 = true, .verb = LOAD_PUT, .create = true, .depth = 16};
    struct load_result r;
    uint64_t start = bench_now_ns();
    double cpu = cluster_cpu_s(&cluster);

    for (t.first = from; t.first < to; t.first = t.names) {
        t.names = to - t.first < KEYS_AT_ONCE ? to : t.first + KEYS_AT_ONCE;
        s3_run(&cluster, &t, &r);
        fprintf(stderr, "  %u keys, %.0f a second, the slowest took %.0f ms     \n", t.names,
                (double)r.ops / r.seconds, r.worst_ms);
    }
    b->fill_s = (double)(bench_now_ns() - start) / 1e9;
    rest_wait(&cluster, 6 * REST_S);
    b->fill_cpu_ms = (cluster_cpu_s(&cluster) - cpu) * 1e3 / (to - from);
}

static void keys_list(struct bench *b, unsigned keys)
{
    for (unsigned depth = 1; depth <= 16; depth += 15) {
        struct row *row =
            row_add(b, keys == KEYS_FEW ? "S3 LIST, few" : "S3 LIST, many", LOAD_LIST, 0, depth);

        row->t.anywhere = true;
        row->t.names = keys;
        row_run(b, row);
    }
}

static void keys_measure(struct bench *b)
{
    snprintf(cluster.folder, sizeof(cluster.folder), "%s/one", b->folder);
    b->first_s = cluster_up(&cluster);
    s3_prepare(&cluster);
    keys_fill(b, 0, KEYS_FEW);
    keys_list(b, KEYS_FEW);
    keys_fill(b, KEYS_FEW, b->keys);
    keys_list(b, b->keys);
    process_memory(&cluster.processes[0], &b->loaded);
    cluster_stop(&cluster);
}

/* The memory of each role, under a shorter load of every kind. */
static void roles_measure(struct bench *b)
{
    snprintf(cluster.folder, sizeof(cluster.folder), "%s/many", b->folder);
    (void)cluster_daemons(&cluster); /* five programs, one after the other: no time worth telling */
    sleep(2);
    b->role_count = cluster.process_count;
    memcpy(b->roles, cluster.processes, sizeof(b->roles));
    for (unsigned i = 0; i < b->role_count; i++)
        process_memory(&b->roles[i], &b->role_idle[i]);
    objects_prepare(&cluster);
    s3_prepare(&cluster);
    for (unsigned i = 0; i < b->row_count; i++) {
        struct load_test t = b->rows[i].t;
        struct load_result r;

        t.seconds = b->seconds / 2;
        if (t.depth != 16 || t.nginx || t.doomed)
            continue;
        if (t.s3)
            s3_run(&cluster, &t, &r);
        else
            objects_run(&t, &r);
    }
    for (unsigned i = 0; i < b->role_count; i++)
        process_memory(&b->roles[i], &b->role_loaded[i]);
    objects_close();
    cluster_stop(&cluster);
}

/* --- the table --- */

static double mean(double a, double b)
{
    return (a + b) / 2;
}

/* What a test is compared with. */
static double ratio_of(const struct bench *b, const struct row *row, const char **out_limit)
{
    const struct limits *l = &b->limits, *m = &b->after;
    double rate = (double)row->r.ops / row->r.seconds, mb = rate * (double)row->t.bytes / 1e6;

    bool moves = row->t.bytes > SMALL && row->t.verb != LOAD_HEAD && row->t.verb != LOAD_DELETE;

    if (moves && row->t.write) {
        *out_limit = "disk write";
        return mb / mean(l->disk_write_mb, m->disk_write_mb);
    }
    if (moves) {
        *out_limit = "TCP stream";
        return mb / mean(l->loopback_mb, m->loopback_mb);
    }
    if (row->t.write) {
        *out_limit = "fdatasync";
        return rate / mean(l->fdatasync_rate, m->fdatasync_rate);
    }
    *out_limit = "round trips";
    return rate / mean(l->loopback_rate, m->loopback_rate);
}

/* "4 KiB", "16 MiB", "-" */
static const char *size_text(size_t bytes, char out[16])
{
    if (bytes == 0)
        snprintf(out, 16, "-");
    else
        snprintf(out, 16, bytes < 1 << 20 ? "%zu KiB" : "%zu MiB",
                 bytes < 1 << 20 ? bytes >> 10 : bytes >> 20);
    return out;
}

static void limits_print(const char *when, const struct limits *l, double load)
{
    printf("the machine's limits, %s (load %.1f, %ld cores)\n"
           "  fdatasync of 4 KiB  %10.0f /s     disk write  %8.0f MB/s     disk read  %8.0f MB/s\n"
           "  TCP round trips     %10.0f /s     TCP stream  %8.0f MB/s\n",
           when, load, sysconf(_SC_NPROCESSORS_ONLN), l->fdatasync_rate, l->disk_write_mb,
           l->disk_read_mb, l->loopback_rate, l->loopback_mb);
}

static void rows_print(const struct bench *b)
{
    printf("%-14s %6s %6s %9s %8s %8s %8s %9s %8s %8s %7s\n", "", "size", "depth", "ops/s", "MB/s",
           "p50 ms", "p99 ms", "CPU ms/op", "client", "switches", "ratio");
    for (unsigned i = 0; i < b->row_count; i++) {
        const struct row *row = &b->rows[i];
        double rate = (double)row->r.ops / row->r.seconds, ratio;
        bool moves = row->t.verb != LOAD_HEAD && row->t.verb != LOAD_DELETE;
        const char *limit;
        char size[16];

        if (!row->ran)
            continue;
        ratio = ratio_of(b, row, &limit);
        printf("%-14s %6s %6u %9.0f %8.1f %8.3f %8.3f %9.3f %8.3f %8.1f %7.2f of %s\n", row->t.name,
               size_text(row->t.bytes, size), row->t.depth, rate,
               moves ? rate * (double)row->t.bytes / 1e6 : 0, row->r.p50_ms, row->r.p99_ms,
               row->cpu_ms, row->client_ms, row->switches, ratio, limit);
    }
}

static void keys_print(const struct bench *b)
{
    const struct row *few = b->rows, *many = b->rows + b->row_count / 2;

    limits_print("before", &b->limits, b->load_first);
    limits_print("after", &b->after, b->load_last);
    printf("\n%u keys without data were put by 16 connections: %.0f a second, %.3f ms of CPU each\n"
           "at most %.0f MiB\n\n",
           b->keys - KEYS_FEW, (b->keys - KEYS_FEW) / b->fill_s, b->fill_cpu_ms, b->loaded.peak_mb);
    rows_print(b);
    for (unsigned i = 0; i < b->row_count / 2; i++)
        printf(
            "depth %2u: a page among %u keys takes %.2f times the CPU, %.2f times the time of one "
            "among %u\n",
            few[i].t.depth, b->keys, many[i].cpu_ms / few[i].cpu_ms,
            many[i].r.p50_ms / few[i].r.p50_ms, KEYS_FEW);
}

static void table_print(const struct bench *b)
{
    limits_print("before", &b->limits, b->load_first);
    limits_print("after", &b->after, b->load_last);
    printf("\ncairn up: three OSDs, three copies\n"
           "  ready after %.2f s on a new folder, %.2f s on an old one\n"
           "  at rest %.0f MiB, %.1f %% of a core, %.0f context switches a second\n"
           "  under load %.0f MiB, at most %.0f MiB; with the %.0f MiB of the load %.0f MiB\n\n",
           b->first_s, b->again_s, b->idle.now_mb, b->idle_cpu_percent, b->idle_switches,
           b->loaded.now_mb, b->loaded.peak_mb, b->own_peak_mb, b->loaded.peak_mb + b->own_peak_mb);
    rows_print(b);
    if (!b->has_nginx)
        printf("nginx is not installed: nothing to compare with (Debian: nginx-light)\n");
    if (b->role_count)
        printf("\none role a process, resident MiB: at rest, at most under load\n");
    for (unsigned i = 0; i < b->role_count; i++)
        printf("  %-8s %8.0f %8.0f\n", b->roles[i].name, b->role_idle[i].now_mb,
               b->role_loaded[i].peak_mb);
}

static void limits_json(const char *name, const struct limits *l, double load)
{
    printf("\"%s\":{\"fdatasync_rate\":%.1f,\"disk_write_mb\":%.1f,\"disk_read_mb\":%.1f,"
           "\"loopback_rate\":%.1f,\"loopback_mb\":%.1f,\"load\":%.2f},\n",
           name, l->fdatasync_rate, l->disk_write_mb, l->disk_read_mb, l->loopback_rate,
           l->loopback_mb, load);
}

static void json_print(const struct bench *b)
{
    const char *comma = "";

    printf("{\"cores\":%ld,\n", sysconf(_SC_NPROCESSORS_ONLN));
    limits_json("limits", &b->limits, b->load_first);
    limits_json("limits_after", &b->after, b->load_last);
    printf("\"up\":{\"first_s\":%.3f,\"again_s\":%.3f,\"idle_mb\":%.1f,\"idle_cpu_percent\":%.2f,"
           "\"idle_switches\":%.1f,\"loaded_mb\":%.1f,\"peak_mb\":%.1f,\"client_peak_mb\":%.1f},\n"
           "\"tests\":[",
           b->first_s, b->again_s, b->idle.now_mb, b->idle_cpu_percent, b->idle_switches,
           b->loaded.now_mb, b->loaded.peak_mb, b->own_peak_mb);
    for (unsigned i = 0; i < b->row_count; i++) {
        const struct row *row = &b->rows[i];
        const char *limit;
        double ratio;

        if (!row->ran)
            continue;
        ratio = ratio_of(b, row, &limit);
        printf("%s\n {\"name\":\"%s\",\"bytes\":%zu,\"depth\":%u,\"ops\":%llu,\"seconds\":%.3f,"
               "\"rate\":%.1f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"worst_ms\":%.4f,\"cpu_ms\":%.5f,"
               "\"client_cpu_ms\":%.5f,\"switches\":%.2f,\"limit\":\"%s\",\"ratio\":%.4f}",
               comma, row->t.name, row->t.bytes, row->t.depth, (unsigned long long)row->r.ops,
               row->r.seconds, (double)row->r.ops / row->r.seconds, row->r.p50_ms, row->r.p99_ms,
               row->r.worst_ms, row->cpu_ms, row->client_ms, row->switches, limit, ratio);
        comma = ",";
    }
    printf("],\n\"roles\":[");
    for (unsigned i = 0; i < b->role_count; i++)
        printf("%s{\"name\":\"%s\",\"idle_mb\":%.1f,\"peak_mb\":%.1f}", i ? "," : "",
               b->roles[i].name, b->role_idle[i].now_mb, b->role_loaded[i].peak_mb);
    printf("]}\n");
}

/* --- the whole --- */

static void on_signal(int number)
{
    (void)number;
    clean_up();
    _exit(130);
}

static void folders_find(struct bench *b, const char *dir, const char *bin)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

    if (!dir)
        dir = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
    snprintf(b->folder, sizeof(b->folder), "%s/cairn-bench.XXXXXX", dir);
    if (!mkdtemp(b->folder))
        bench_die("%s: %s", b->folder, strerror(errno));
    snprintf(temporary, sizeof(temporary), "%s", b->folder);
    if (!bin && n > 0) { /* BUILD/tests/bench/cairn-bench */
        self[n] = 0;
        snprintf(b->bin, sizeof(b->bin), "%.400s/../..", dirname(self));
    } else {
        snprintf(b->bin, sizeof(b->bin), "%s", bin ? bin : ".");
    }
    snprintf(cluster.bin, sizeof(cluster.bin), "%s", b->bin);
}

static double machine_load(void)
{
    double load = 0;

    return getloadavg(&load, 1) == 1 ? load : 0;
}

static int help(FILE *to, int status)
{
    fputs(
        "usage: cairn-bench [OPTIONS]\n\n"
        "Starts a cluster in a temporary folder, loads it, and prints what it did beside the\n"
        "limits of the machine.\n\n"
        "  --json           as JSON\n"
        "  --quick          in about a minute: half a second a row, one process only\n"
        "  --only WORDS     only rows whose \"NAME BYTES DEPTH\" contains this, such as\n"
        "                   \"object write 4096 16\"; one process only\n"
        "  --keys N         only this: what a page of a listing costs among 10,000 keys, and "
        "among\n"
        "                   N (which takes minutes to make for each million)\n"
        "  --seconds N      of load for each row (3)\n"
        "  --dir FOLDER     where the cluster is made (TMPDIR or /tmp): the disk that is measured\n"
        "  --bin FOLDER     where cairn and cairnd are (the build that this program is of)\n",
        to);
    return status;
}

static void measure(struct bench *b)
{
    b->load_first = machine_load();
    limits_measure(b->folder, b->quick ? 0.5 : 1, &b->limits);
    if (b->keys)
        keys_measure(b);
    else
        one_process_measure(b);
    if (!b->keys && !b->only && !b->quick)
        roles_measure(b);
    limits_measure(b->folder, b->quick ? 0.5 : 1, &b->after);
    b->load_last = machine_load();
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"json", 0, NULL, 'j'}, {"seconds", 1, NULL, 's'}, {"dir", 1, NULL, 'd'},
        {"bin", 1, NULL, 'b'},  {"only", 1, NULL, 'o'},    {"quick", 0, NULL, 'q'},
        {"keys", 1, NULL, 'k'}, {"help", 0, NULL, 'h'},    {0}};
    struct bench b = {.seconds = 3};
    const char *dir = NULL, *bin = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (c == 'j')
            b.json = true;
        else if (c == 'q')
            b.quick = true;
        else if (c == 's' && atof(optarg) > 0)
            b.seconds = atof(optarg);
        else if (c == 'd')
            dir = optarg;
        else if (c == 'b')
            bin = optarg;
        else if (c == 'o')
            b.only = optarg;
        else if (c == 'k' && atol(optarg) > KEYS_FEW && atol(optarg) <= INT_MAX)
            b.keys = (unsigned)atol(optarg);
        else
            return c == 'h' ? help(stdout, 0) : help(stderr, 2);
    }
    if (optind < argc)
        return help(stderr, 2);
    if (b.quick)
        b.seconds = 0.5;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    folders_find(&b, dir, bin);
    if (!b.keys)
        rows_make(&b);
    measure(&b);
    if (b.json)
        json_print(&b);
    else if (b.keys)
        keys_print(&b);
    else
        table_print(&b);
    clean_up();
    return fflush(stdout) ? 1 : 0;
}
