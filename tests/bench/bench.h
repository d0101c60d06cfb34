/* bench.h - the parts of cairn-bench: the machine's limits, a cluster of its own, loads on it.
 *
 * Whatever fails ends the program with a message: half a table helps nobody. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void bench_die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void *bench_alloc(size_t bytes); /* zeroed */
uint64_t bench_now_ns(void);

/* --- bench_limits.c: what the machine could do at best, each over about a second --- */
struct limits {
    double fdatasync_rate; /* overwrites of 4 KiB, each followed by fdatasync, a second */
    double disk_write_mb;  /* 4 MiB direct writes, flushed at the end: MB/s */
    double disk_read_mb;   /* the same bytes, direct */
    double loopback_mb;    /* one TCP stream */
    double loopback_rate;  /* round trips of 100 bytes a second, one at a time */
};
void limits_measure(const char *folder, double seconds, struct limits *out_limits);

/* --- bench_cluster.c: processes of the cluster --- */
enum { CLUSTER_PROCESSES_MAX = 16, CLUSTER_PATH_BYTES = 512 };
struct process {
    pid_t pid;
    char name[16]; /* "all roles", "mon", "osd.0", ... */
};
struct cluster {
    char bin[CLUSTER_PATH_BYTES];    /* folder of cairn and cairnd */
    char folder[CLUSTER_PATH_BYTES]; /* its data */
    char conf[CLUSTER_PATH_BYTES + 16];
    struct process processes[CLUSTER_PROCESSES_MAX];
    unsigned process_count;
    char s3_host[64], s3_port[8];
    char access_key[64], secret_key[128], region[32];
};
/* Both wait until everything answers and return the seconds that took. */
double cluster_up(struct cluster *c);               /* all roles in one process */
double cluster_daemons(struct cluster *c);          /* one monitor, three OSDs, a gateway */
void cluster_stop(struct cluster *c);               /* cleanly */
void cluster_kill(struct cluster *c);               /* for a way out that cannot wait */
double cluster_cpu_s(const struct cluster *c);      /* used by its processes so far */
uint64_t cluster_switches(const struct cluster *c); /* context switches of its threads so far */
struct process_memory {
    double now_mb, peak_mb; /* resident */
};
void process_memory(const struct process *p, struct process_memory *out_memory);

/* --- bench_nginx.c: a static file of 4 KiB, to compare with --- */
bool nginx_up(struct cluster *c); /* false: it is not installed */

/* --- loads --- */
enum load_verb { LOAD_GET, LOAD_PUT, LOAD_HEAD, LOAD_DELETE, LOAD_LIST, LOAD_PARTS };
struct load_test {
    const char *name;
    bool s3;
    bool nginx; /* instead of the cluster */
    enum load_verb verb;
    bool write; /* PUT, DELETE, PARTS */
    size_t bytes;
    unsigned depth;
    double seconds;
    unsigned first; /* object with which a `create` begins */
    unsigned names; /* how many objects there are; reads need all of them */
    bool create;    /* each name once, instead of for some seconds */
    size_t needs;   /* objects of this size; 0: none */
    bool doomed;    /* other names: those that deletes are measured on */
    bool anywhere;  /* LOAD_LIST: pages from anywhere among the names, not the first one */
    bool trailer;   /* LOAD_PUT: the body is not signed, but a CRC32 follows it */
};
struct load_result {
    uint64_t ops;
    double seconds;
    double p50_ms, p99_ms, worst_ms;
};
void objects_prepare(const struct cluster *c); /* connect, make the pool */
void objects_run(const struct load_test *t, struct load_result *out_result);
void objects_close(void);
void s3_prepare(const struct cluster *c);                         /* make the bucket */
void s3_fill(const struct cluster *c, const struct load_test *t); /* what a test of deletes finds */
/* LOAD_PARTS uploads `names` parts of one object, all that there is to it. */
void s3_run(const struct cluster *c, const struct load_test *t, struct load_result *out_result);

/* Latencies of one test; not locked. */
struct latencies {
    float *ms; /* owned */
    size_t count, room;
};
void latency_add(struct latencies *l, uint64_t ns);
void latencies_result(struct latencies *l, struct load_result *out_result); /* empties it */

#endif
