/* bench_env.c - what the real env costs: clock, posting, loopback streams, durable writes.
 *
 *     bench_env [FOLDER]      (a folder on the disk to be measured; default: the current one)
 *
 * Figures are for comparing versions on one machine.  Not a test: it checks nothing. */
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/env/disk.h"
#include "core/env/env_real.h"
#include "core/env/net.h"

enum { DISK_BYTES = 64 << 20, PING_BYTES = 1024, DEPTH_MAX = 32, BURST = 1000, BURSTS = 500 };
#define RUN_NS (2 * NS_PER_S)

struct bench {
    struct host *h;
    struct env *a, *b; /* two reactors */
    sem_t over;
    uint64_t until_ns, count;
    const char *folder;
};

static void check(const char *what, int rc)
{
    if (rc >= 0)
        return;
    fprintf(stderr, "%s: %s\n", what, reason_text(rc));
    exit(1);
}

static void wait_over(struct bench *m)
{
    while (sem_wait(&m->over) < 0)
        ;
}

static void begin(struct bench *m)
{
    m->count = 0;
    m->until_ns = env_now_ns(m->a) + RUN_NS;
}

static bool time_is_up(struct bench *m)
{
    return env_now_ns(m->a) >= m->until_ns;
}

static double per_second(uint64_t count)
{
    return (double)count * (double)NS_PER_S / (double)RUN_NS;
}

/* --- clock --- */

static void bench_clock(struct bench *m)
{
    enum { CALLS = 1000000 };
    uint64_t from = env_now_ns(m->a), last = 0;

    for (int i = 0; i < CALLS; i++)
        last = env_now_ns(m->a);
    printf("env_now_ns                        %8.1f ns\n", (double)(last - from) / CALLS);
}

/* --- posting --- */

struct ping_post {
    struct bench *m;
    struct env_task there, back;
};

static void ping_there(struct env_task *t)
{
    struct ping_post *p = CONTAINER_OF(t, struct ping_post, there);

    env_post(p->m->a, &p->back);
}

static void ping_back(struct env_task *t)
{
    struct ping_post *p = CONTAINER_OF(t, struct ping_post, back);

    p->m->count++;
    if (time_is_up(p->m))
        sem_post(&p->m->over);
    else
        env_post(p->m->b, &p->there);
}

static void bench_post(struct bench *m)
{
    struct ping_post p = {.m = m};

    env_task_init(&p.there, ping_there);
    env_task_init(&p.back, ping_back);
    begin(m);
    env_post(m->b, &p.there);
    wait_over(m);
    printf("post round trip, both asleep      %8.0f ns\n", (double)RUN_NS / (double)m->count);
}

struct burst_task {
    struct env_task task;
    struct burst *u;
};
struct burst {
    struct bench *m;
    struct env_task start;
    struct burst_task tasks[BURST];
    uint64_t ran, post_ns;
};

static void burst_start(struct env_task *t)
{
    struct burst *u = CONTAINER_OF(t, struct burst, start);
    uint64_t from = env_now_ns(u->m->a);

    u->ran = 0;
    for (int i = 0; i < BURST; i++)
        env_post(u->m->b, &u->tasks[i].task);
    u->post_ns += env_now_ns(u->m->a) - from;
}

static void burst_ran(struct env_task *t)
{
    struct burst *u = CONTAINER_OF(t, struct burst_task, task)->u;

    if (++u->ran == BURST)
        sem_post(&u->m->over);
}

static void bench_burst(struct bench *m)
{
    struct burst *u = calloc(1, sizeof(*u));
    uint64_t from;

    check("burst", u ? 0 : -ENOMEM);
    u->m = m;
    env_task_init(&u->start, burst_start);
    for (int i = 0; i < BURST; i++) {
        u->tasks[i].u = u;
        env_task_init(&u->tasks[i].task, burst_ran);
    }
    from = env_now_ns(m->a);
    for (int i = 0; i < BURSTS; i++) {
        env_post(m->a, &u->start);
        wait_over(m);
    }
    printf("post in bursts of %d            %8.0f ns for the poster, %.0f ns to have run\n", BURST,
           (double)u->post_ns / ((double)BURST * BURSTS),
           (double)(env_now_ns(m->a) - from) / ((double)BURST * BURSTS));
    free(u);
}

/* --- loopback --- */

struct echo {
    struct bench *m;
    bool client;
    struct net_handler handler;
    struct net_conn *conn;
    uint8_t in[PING_BYTES];
    size_t have;
};

static void echo_send(struct echo *e)
{
    struct buf data = {0};

    check("send", buf_append_copy(&data, e->in, PING_BYTES));
    check("send", net_send(e->conn, &data));
}

static void echo_opened(struct net_handler *h)
{
    echo_send(CONTAINER_OF(h, struct echo, handler));
}

static size_t echo_space(struct net_handler *h, uint8_t **out_at)
{
    struct echo *e = CONTAINER_OF(h, struct echo, handler);

    *out_at = e->in + e->have;
    return PING_BYTES - e->have;
}

static void echo_received(struct net_handler *h, size_t bytes)
{
    struct echo *e = CONTAINER_OF(h, struct echo, handler);

    e->have += bytes;
    if (e->have < PING_BYTES)
        return;
    e->have = 0;
    e->m->count += e->client;
    if (e->client && time_is_up(e->m))
        net_close(e->conn);
    else
        echo_send(e);
}

static void echo_closed(struct net_handler *h, int rc)
{
    struct echo *e = CONTAINER_OF(h, struct echo, handler);

    UNUSED(rc);
    sem_post(&e->m->over);
}

struct loopback {
    struct bench *m;
    struct net_accept accept;
    struct net_listener *listener;
    struct net_addr addr;
    struct echo server, client;
};

static struct net_handler *loopback_accepted(struct net_accept *a, struct net_conn *conn,
                                             const struct net_addr *peer)
{
    struct loopback *l = CONTAINER_OF(a, struct loopback, accept);

    UNUSED(peer);
    l->server.conn = conn;
    return &l->server.handler;
}

static void loopback_listen(void *arg)
{
    struct loopback *l = arg;
    struct net_addr any = {"127.0.0.1:0"};
    struct note why = {""};

    check("listen", net_listen(l->m->b, &any, &l->accept, &l->listener, &why));
    net_listener_addr(l->listener, &l->addr);
}

static void loopback_connect(void *arg)
{
    struct loopback *l = arg;

    check("connect", net_connect(l->m->a, &l->addr, &l->client.handler, &l->client.conn));
}

static void loopback_end(void *arg)
{
    net_listener_close(((struct loopback *)arg)->listener);
}

static void bench_loopback(struct bench *m)
{
    static const struct net_handler handler = {.opened = echo_opened,
                                               .space = echo_space,
                                               .received = echo_received,
                                               .closed = echo_closed};
    struct loopback l = {.m = m, .accept = {.accepted = loopback_accepted}};

    l.server.m = l.client.m = m;
    l.server.handler = l.client.handler = handler;
    l.client.client = true;
    host_call(m->h, 1, loopback_listen, &l);
    begin(m);
    host_call(m->h, 0, loopback_connect, &l);
    wait_over(m);
    wait_over(m);
    host_call(m->h, 1, loopback_end, &l);
    printf("1 KiB ping-pong over loopback     %8.0f a second\n", per_second(m->count));
}

/* --- disk --- */

struct write_slot {
    struct disk_io io;
    struct writes *w;
};
struct writes {
    struct bench *m;
    struct disk *disk;
    unsigned depth, busy;
    struct write_slot slots[DEPTH_MAX];
};

static void write_next(struct writes *w, struct disk_io *io)
{
    io->off = env_random_u64(w->m->a) % (DISK_BYTES / DISK_BLOCK) * DISK_BLOCK;
    disk_submit(w->m->a, io);
}

static void write_done(struct disk_io *io)
{
    struct writes *w = CONTAINER_OF(io, struct write_slot, io)->w;

    check("write", io->rc);
    w->m->count++;
    if (!time_is_up(w->m)) {
        write_next(w, io);
        return;
    }
    buf_fini(&io->data);
    if (--w->busy == 0)
        sem_post(&w->m->over);
}

static void writes_start(void *arg)
{
    struct writes *w = arg;
    struct blob *block = blob_create(DISK_BLOCK);

    check("block", block ? 0 : -ENOMEM);
    memset(block->data, 0x5a, DISK_BLOCK);
    for (w->busy = 0; w->busy < w->depth; w->busy++) {
        struct write_slot *slot = &w->slots[w->busy];

        *slot = (struct write_slot){
            .io = {.disk = w->disk, .op = DISK_WRITE, .flags = DISK_DURABLE, .done = write_done},
            .w = w};
        check("block", buf_append_blob(&slot->io.data, block, 0, DISK_BLOCK));
        write_next(w, &slot->io);
    }
    blob_unref(block);
}

static void bench_writes(struct bench *m, const char *how)
{
    static const unsigned depths[] = {1, 16, DEPTH_MAX};
    struct disk_conf conf = {.create = true, .zeroed = true, .bytes = DISK_BYTES};
    struct writes *w = calloc(1, sizeof(*w));
    char path[512];
    struct note why = {""};

    check("writes", w ? 0 : -ENOMEM);
    w->m = m;
    snprintf(path, sizeof(path), "%s/bench_env.disk", m->folder);
    check(path, disk_open(m->a, path, &conf, &w->disk, &why));
    for (size_t i = 0; i < ARRAY_LEN(depths); i++) {
        struct host_stats from, to;

        w->depth = depths[i];
        host_stats(m->h, 0, &from);
        begin(m);
        host_call(m->h, 0, writes_start, w);
        wait_over(m);
        host_stats(m->h, 0, &to);
        printf("durable 4 KiB writes, %s %2u deep %8.0f a second", how, w->depth,
               per_second(m->count));
        if (to.disk_submits > from.disk_submits)
            printf(", %.1f per submission",
                   (double)m->count / (double)(to.disk_submits - from.disk_submits));
        printf("\n");
    }
    disk_close(w->disk);
    unlink(path);
    free(w);
}

static void bench_fdatasync(struct bench *m)
{
    static const char block[DISK_BLOCK];
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/bench_env.log", m->folder);
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    check(path, fd < 0 ? -errno : 0);
    begin(m);
    while (!time_is_up(m)) {
        off_t at = (off_t)(m->count % 256) * DISK_BLOCK;

        check("write", pwrite(fd, block, sizeof(block), at) < 0 ? -errno : 0);
        check("fdatasync", fdatasync(fd) < 0 ? -errno : 0);
        m->count++;
    }
    printf("write 4 KiB and fdatasync         %8.0f a second\n", per_second(m->count));
    close(fd);
    unlink(path);
}

/* --- all of it --- */

static void host_open(struct bench *m, bool no_uring)
{
    struct host_conf conf = {.reactors = 2, .no_uring = no_uring};
    struct note why = {""};

    check("host", host_create(&conf, &m->h, &why));
    m->a = host_env(m->h, 0);
    m->b = host_env(m->h, 1);
}

int main(int argc, char **argv)
{
    struct bench m = {.folder = argc > 1 ? argv[1] : "."};

    sem_init(&m.over, 0, 0);
    host_open(&m, false);
    bench_clock(&m);
    bench_post(&m);
    bench_burst(&m);
    bench_loopback(&m);
    bench_fdatasync(&m);
    bench_writes(&m, "ring,   ");
    host_destroy(m.h);
    host_open(&m, true);
    bench_writes(&m, "workers,");
    host_destroy(m.h);
    return 0;
}
