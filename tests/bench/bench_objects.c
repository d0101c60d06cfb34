/* bench_objects.c - load through libcairn: a fixed number of operations in flight, over two
 * clients.
 *
 * Writes replace whole objects.  Completions come on the library's threads and submit the next one
 * there. */
#include <cairn.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { CLIENTS = 2, DEPTH_MAX = 64 };

/* One for each client: its completions come one at a time, on its own thread. */
struct client {
    struct cairn *cluster;
    struct cairn_pool *pool;
};
static struct client clients[CLIENTS]; /* a program of one thread owns it; set once */

struct run {
    const struct load_test *t;
    char *body;
    uint64_t until_ns;
    unsigned flying;
    sem_t over;
    pthread_mutex_t lock; /* of flying, and of slots' way to the end */
    struct slot {
        struct run *run;
        struct cairn_pool *pool;
        uint64_t started_ns, next; /* numbers the names: every depth-th of them */
        struct latencies latencies;
    } slots[DEPTH_MAX];
};

void objects_prepare(const struct cluster *c)
{
    static const char *const create[] = {"pool", "create", "bench"};
    struct cairn_reply reply;
    char why[256] = "";

    for (unsigned i = 0; i < CLIENTS; i++) {
        int rc = cairn_connect(c->conf, 30000, &clients[i].cluster, why, sizeof(why));

        if (rc < 0)
            bench_die("cannot connect: %s %s", strerror(-rc), why);
        if (i == 0) {
            rc = cairn_command(clients[0].cluster, 3, create, NULL, 0, 0, &reply);
            if (rc < 0)
                bench_die("cannot make a pool: %s", reply.text);
            cairn_reply_free(&reply);
        }
        rc = cairn_pool_open(clients[i].cluster, "bench", &clients[i].pool);
        if (rc < 0)
            bench_die("cannot open the pool: %s", strerror(-rc));
    }
}

void objects_close(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        cairn_pool_close(clients[i].pool);
        cairn_shutdown(clients[i].cluster);
    }
}

static void slot_next(struct slot *s);

static void slot_over(struct slot *s)
{
    struct run *r = s->run;
    bool last;

    pthread_mutex_lock(&r->lock);
    last = --r->flying == 0;
    pthread_mutex_unlock(&r->lock);
    if (last)
        sem_post(&r->over);
}

static void slot_done(struct cairn_op *op, int rc, void *arg)
{
    struct slot *s = arg;
    struct run *r = s->run;
    uint64_t now = bench_now_ns();

    if (rc < 0)
        bench_die("%s: %s", r->t->name, cairn_op_reason(op));
    if (!r->t->write && cairn_op_data_bytes(op, 0) != r->t->bytes)
        bench_die("%s: a read brought %zu bytes", r->t->name, cairn_op_data_bytes(op, 0));
    latency_add(&s->latencies, now - s->started_ns);
    cairn_op_destroy(op);
    if (r->t->create ? (s->next + 1) * r->t->depth <= r->t->names : now < r->until_ns)
        slot_next(s);
    else
        slot_over(s);
}

static void slot_next(struct slot *s)
{
    const struct load_test *t = s->run->t;
    struct cairn_op *op = cairn_op_create();
    char name[64];
    int rc;

    snprintf(name, sizeof(name), "bench-%zu-%llu", t->bytes,
             (unsigned long long)((s->next * t->depth + (uint64_t)(s - s->run->slots)) % t->names));
    s->next++;
    if (!op)
        bench_die("out of memory");
    rc =
        t->write ? cairn_op_write_full(op, s->run->body, t->bytes) : cairn_op_read(op, 0, t->bytes);
    s->started_ns = bench_now_ns();
    if (rc >= 0)
        rc = cairn_submit(s->pool, name, strlen(name), op, slot_done, s);
    if (rc < 0)
        bench_die("%s: cannot submit: %s", t->name, strerror(-rc));
}

void objects_run(const struct load_test *t, struct load_result *out_result)
{
    struct run *r = bench_alloc(sizeof(*r));
    uint64_t start = bench_now_ns();
    struct latencies all = {0};

    *r = (struct run){.t = t, .body = bench_alloc(t->bytes), .flying = t->depth};
    for (size_t i = 0; i < t->bytes; i++)
        r->body[i] = (char)(i * 31 + i / 4096);
    sem_init(&r->over, 0, 0);
    pthread_mutex_init(&r->lock, NULL);
    r->until_ns = start + (uint64_t)(t->seconds * 1e9);
    for (unsigned i = 0; i < t->depth; i++)
        r->slots[i] = (struct slot){.run = r, .pool = clients[i % CLIENTS].pool};
    for (unsigned i = 0; i < t->depth; i++)
        slot_next(&r->slots[i]);
    while (sem_wait(&r->over) < 0)
        ;
    out_result->seconds = (double)(bench_now_ns() - start) / 1e9;
    for (unsigned i = 0; i < t->depth; i++) {
        for (size_t k = 0; k < r->slots[i].latencies.count; k++)
            latency_add(&all, (uint64_t)((double)r->slots[i].latencies.ms[k] * 1e6));
        free(r->slots[i].latencies.ms);
    }
    latencies_result(&all, out_result);
    free(r->body);
    free(r);
}
