/* bench_limits.c - what disk and loopback could do without us, measured in the same run. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { SMALL = 4096, LARGE = 4 << 20, FILE_LARGES = 128, CHUNK = 256 << 10, PING = 100 };

static void *aligned(size_t bytes)
{
    void *p;

    if (posix_memalign(&p, 4096, bytes) != 0)
        bench_die("out of memory");
    memset(p, 0x5a, bytes);
    return p;
}

static double seconds_since(uint64_t start)
{
    return (double)(bench_now_ns() - start) / 1e9;
}

static void fdatasync_measure(int fd, char *block, double seconds, struct limits *out)
{
    uint64_t start = bench_now_ns();
    unsigned n = 0;

    for (; seconds_since(start) < seconds; n++)
        if (pwrite(fd, block, SMALL, (off_t)(n * 7919 % (FILE_LARGES * 1024)) * SMALL) != SMALL ||
            fdatasync(fd) < 0)
            bench_die("the limits' file: %s", strerror(errno));
    out->fdatasync_rate = n / seconds_since(start);
}

static double stream_measure(int fd, char *block, bool write, double seconds)
{
    uint64_t start = bench_now_ns();
    unsigned n = 0;

    for (; seconds_since(start) < seconds || n == 0; n++) {
        off_t at = (off_t)(n % FILE_LARGES) * LARGE;
        ssize_t did = write ? pwrite(fd, block, LARGE, at) : pread(fd, block, LARGE, at);

        if (did != LARGE)
            bench_die("the limits' file: %s", did < 0 ? strerror(errno) : "short");
    }
    if (write && fdatasync(fd) < 0)
        bench_die("fdatasync: %s", strerror(errno));
    return n * (LARGE / 1e6) / seconds_since(start);
}

static void disk_measure(const char *folder, double seconds, struct limits *out)
{
    char path[CLUSTER_PATH_BYTES + 16];
    char *block = aligned(LARGE);
    int fd;

    snprintf(path, sizeof(path), "%s/limits", folder);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0) /* a file system without direct I/O: its page cache counts then */
        fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        bench_die("%s: %s", path, strerror(errno));
    for (unsigned i = 0; i < FILE_LARGES; i++) /* blocks that exist are what a journal overwrites */
        if (pwrite(fd, block, LARGE, (off_t)i * LARGE) != LARGE)
            bench_die("%s: %s", path, strerror(errno));
    if (fsync(fd) < 0)
        bench_die("%s: %s", path, strerror(errno));
    fdatasync_measure(fd, block, seconds, out);
    out->disk_write_mb = stream_measure(fd, block, true, seconds);
    out->disk_read_mb = stream_measure(fd, block, false, seconds);
    close(fd);
    unlink(path);
    free(block);
}

/* --- loopback --- */

struct peer {
    int fd;
    bool ping;
};

static bool all_of(int fd, char *p, size_t bytes, bool write)
{
    while (bytes) {
        ssize_t n = write ? send(fd, p, bytes, MSG_NOSIGNAL) : recv(fd, p, bytes, 0);

        if (n <= 0)
            return false;
        p += n;
        bytes -= (size_t)n;
    }
    return true;
}

static void *peer_main(void *arg)
{
    struct peer *p = arg;
    size_t bytes = p->ping ? PING : CHUNK;
    char *block = bench_alloc(CHUNK);

    while (all_of(p->fd, block, bytes, false) && (!p->ping || all_of(p->fd, block, bytes, true)))
        ;
    free(block);
    return NULL;
}

static void tcp_pair(int fds[2])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || fds[0] < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(listener, 1) < 0 || getsockname(listener, (struct sockaddr *)&a, &len) < 0 ||
        connect(fds[0], (struct sockaddr *)&a, sizeof(a)) < 0 ||
        (fds[1] = accept(listener, NULL, NULL)) < 0)
        bench_die("loopback: %s", strerror(errno));
    for (int i = 0; i < 2; i++)
        (void)setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one,
                         sizeof(one)); /* else slower only */
    close(listener);
}

static double loopback_measure(bool ping, double seconds)
{
    char *block = bench_alloc(CHUNK);
    uint64_t n = 0, start;
    pthread_t thread;
    struct peer p;
    int fds[2];
    double rate;

    tcp_pair(fds);
    p = (struct peer){fds[1], ping};
    if (pthread_create(&thread, NULL, peer_main, &p) != 0)
        bench_die("cannot start a thread");
    start = bench_now_ns();
    for (; seconds_since(start) < seconds; n++)
        if (!all_of(fds[0], block, ping ? PING : CHUNK, true) ||
            (ping && !all_of(fds[0], block, PING, false)))
            bench_die("loopback: %s", strerror(errno));
    rate = (double)n / seconds_since(start);
    close(fds[0]);
    pthread_join(thread, NULL);
    close(fds[1]);
    free(block);
    return ping ? rate : rate * (CHUNK / 1e6);
}

void limits_measure(const char *folder, double seconds, struct limits *out_limits)
{
    disk_measure(folder, seconds, out_limits);
    out_limits->loopback_mb = loopback_measure(false, seconds);
    out_limits->loopback_rate = loopback_measure(true, seconds);
}
