/* bench_store.c - one store alone on the real env: small durable transactions, large writes, reads.
 *
 *     bench_store FOLDER [SECONDS [NAME]]   (FOLDER/store is made anew and left there)
 *
 * NAME: only the runs that are named so.  CPU is that of all threads, and the reactor's share.
 *
 * Each small transaction is what an OSD submits for a 4 KiB write: the write, an xattr, a version,
 * a log row, the info row, and the trimming of an old log row. */
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/rng.h"
#include "core/env/env_real.h"
#include "core/store/store.h"

enum { DEPTH_MAX = 64, OBJECTS = 512, OBJECT_BYTES = 1 << 20, LARGE_BYTES = 4 << 20, COLLS = 16 };

struct bench;
struct slot {
    struct store_commit c;
    struct store_read r;
    struct arena arena;
    struct bench *b;
    uint64_t start_ns;
};
struct bench {
    struct host *h;
    struct env *env;
    struct store *s;
    struct object *objs[OBJECTS];
    struct oid oids[OBJECTS];
    char names[OBJECTS][16];
    struct slot slots[DEPTH_MAX];
    struct buf small, large;
    struct rng rng;
    sem_t over;
    const char *folder, *only;
    unsigned depth, flying;
    uint64_t until_ns, begin_ns, done, bytes, seq, lat_ns;
    uint64_t ns;
    struct timespec home_cpu, home_cpu_end; /* of the reactor's thread */
    int kind;
    struct object_open open;
    unsigned opened;
};

static void die(const char *what, int rc)
{
    fprintf(stderr, "%s: %s\n", what, reason_text(rc));
    exit(1);
}

static void wait_over(struct bench *b)
{
    while (sem_wait(&b->over) < 0)
        ;
}

static void on_open(void *arg, int rc, struct store *s, const struct note *why)
{
    struct bench *b = arg;

    if (rc < 0)
        die(why->text, rc);
    b->s = s;
    sem_post(&b->over);
}

static void do_start(void *arg)
{
    struct bench *b = arg;
    struct store_conf conf = {.folder = b->folder, .cache_bytes = 64 << 20};
    struct store_id id = {.osd = 0};
    struct note why = {0};
    int rc = store_mkfs(b->env, &conf, &id, &why);

    if (rc == 0)
        rc = store_open(b->env, &conf, on_open, b);
    if (rc < 0)
        die(why.text, rc);
}

static void open_next(struct object_open *o)
{
    struct bench *b = CONTAINER_OF(o, struct bench, open);

    if (o->obj)
        b->objs[b->opened++] = o->obj;
    if (b->opened == OBJECTS) {
        sem_post(&b->over);
        return;
    }
    snprintf(b->names[b->opened], 16, "object%06u", b->opened);
    (void)oid_make((struct pool_id){1}, BYTES_STR(b->names[b->opened]), &b->oids[b->opened]);
    o->oid = b->oids[b->opened];
    o->obj = NULL;
    o->done = open_next;
    store_object_open(b->s, o);
}

static void do_objects(void *arg)
{
    struct bench *b = arg;

    b->open.obj = NULL;
    open_next(&b->open);
}

static void next(struct slot *sl);

static void finished(struct slot *sl, uint64_t bytes)
{
    struct bench *b = sl->b;
    uint64_t now = env_now_ns(b->env);

    b->done++;
    b->bytes += bytes;
    b->lat_ns += now - sl->start_ns;
    b->flying--;
    if (now < b->until_ns)
        next(sl);
    else if (b->flying == 0) {
        b->ns = now - b->begin_ns;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b->home_cpu_end);
        sem_post(&b->over);
    }
}

static void committed(struct store_commit *c)
{
    struct slot *sl = CONTAINER_OF(c, struct slot, c);

    finished(sl, sl->b->kind == 1 ? LARGE_BYTES : 4096);
}

static void write_done(struct bench *b, struct slot *sl, uint32_t i, uint64_t off,
                       const struct buf *data)
{
    struct txn *t = txn_create((struct pgid){{1}, i % COLLS});
    char key[24], old[24];
    uint64_t seq = ++b->seq;
    uint8_t value[150] = {0};
    uint16_t o = txn_object(t, &b->oids[i]);
    int rc;

    txn_write(t, o, off, data, NULL);
    txn_xattr_set(t, o, BYTES_STR("_"), (struct bytes){value, 40});
    txn_version(t, o, (struct version){{1}, seq});
    snprintf(key, sizeof(key), "l%016llu", (unsigned long long)seq);
    snprintf(old, sizeof(old), "l%016llu", (unsigned long long)(seq > 16000 ? seq - 16000 : 0));
    txn_meta_set(t, BYTES_STR(key), (struct bytes){value, 150});
    txn_meta_set(t, BYTES_STR("info"), (struct bytes){value, 100});
    txn_meta_rm(t, BYTES_STR(old));
    sl->c.committed = committed;
    rc = store_submit(b->s, t, &sl->c);
    if (rc < 0)
        die("submit", rc);
    txn_unref(t);
}

static void read_done(struct store_read *r)
{
    struct slot *sl = CONTAINER_OF(r, struct slot, r);

    if (r->rc < 0)
        die("read", r->rc);
    buf_fini(&r->data);
    arena_fini(&sl->arena);
    finished(sl, r->len);
}

static void next(struct slot *sl)
{
    struct bench *b = sl->b;
    uint32_t i = (uint32_t)rng_below(&b->rng, OBJECTS);
    uint64_t off = rng_below(&b->rng, OBJECT_BYTES / 4096) * 4096;

    sl->start_ns = env_now_ns(b->env);
    b->flying++;
    if (b->kind == 0) {
        write_done(b, sl, i, off, &b->small);
    } else if (b->kind == 1) {
        write_done(b, sl, i, 0, &b->large);
    } else {
        arena_init(&sl->arena);
        sl->r = (struct store_read){.obj = b->objs[b->kind == 3 ? i % 64 : i],
                                    .kind = STORE_DATA,
                                    .off = b->kind == 3 ? off % 65536 : off,
                                    .len = 4096,
                                    .arena = &sl->arena,
                                    .done = read_done};
        store_read(b->s, &sl->r);
    }
}

static void do_run(void *arg)
{
    struct bench *b = arg;

    b->begin_ns = env_now_ns(b->env);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b->home_cpu);
    for (unsigned i = 0; i < b->depth; i++) {
        b->slots[i].b = b;
        next(&b->slots[i]);
    }
}

static double cpu_ns(const struct timespec *t)
{
    return (double)t->tv_sec * 1e9 + (double)t->tv_nsec;
}

static void run(struct bench *b, const char *what, int kind, unsigned depth, double seconds)
{
    struct timespec before, after;
    double s;

    if (b->only && strcmp(b->only, what) != 0)
        return;
    b->kind = kind;
    b->depth = depth;
    b->done = b->bytes = b->lat_ns = 0;
    b->flying = 0;
    b->until_ns = env_now_ns(b->env) + (uint64_t)(seconds * 1e9);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    host_call(b->h, 0, do_run, b);
    wait_over(b);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    s = (double)b->ns / 1e9;
    printf("%-28s depth %2u  %9.0f/s  %8.1f MiB/s  %8.1f us  %6.1f us CPU each (reactor %.1f)\n",
           what, depth, (double)b->done / s, (double)b->bytes / s / 1048576.0,
           (double)b->lat_ns / (double)b->done / 1e3,
           (cpu_ns(&after) - cpu_ns(&before)) / (double)b->done / 1e3,
           (cpu_ns(&b->home_cpu_end) - cpu_ns(&b->home_cpu)) / (double)b->done / 1e3);
}

static void on_closed(void *arg)
{
    sem_post(&((struct bench *)arg)->over);
}

static void do_close(void *arg)
{
    struct bench *b = arg;

    for (unsigned i = 0; i < OBJECTS; i++)
        object_unref(b->objs[i]);
    store_close(b->s, false, on_closed, b);
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct note why = {0};
    double seconds = argc > 2 ? atof(argv[2]) : 3;
    AUTO_FREE char *folder = mem_printf("%s/store", argc > 1 ? argv[1] : ".");
    struct blob *blob = blob_create(LARGE_BYTES);
    int rc = host_create(&(struct host_conf){.reactors = 1}, &b.h, &why);

    if (rc < 0 || !blob)
        die(why.text, rc);
    b.env = host_env(b.h, 0);
    b.folder = folder;
    b.only = argc > 3 ? argv[3] : NULL;
    sem_init(&b.over, 0, 0);
    rng_seed(&b.rng, 1);
    for (uint32_t i = 0; i < LARGE_BYTES; i++)
        blob->data[i] = (uint8_t)(i * 2654435761u >> 13);
    if (buf_append_blob(&b.small, blob, 0, 4096) < 0 ||
        buf_append_blob(&b.large, blob, 0, LARGE_BYTES) < 0)
        die("memory", -ENOMEM);
    host_call(b.h, 0, do_start, &b);
    wait_over(&b);
    host_call(b.h, 0, do_objects, &b);
    wait_over(&b);
    run(&b, "write 4 KiB (new blocks)", 0, 1, seconds);
    run(&b, "write 4 KiB", 0, 16, seconds);
    run(&b, "write 4 KiB", 0, 64, seconds);
    run(&b, "write 4 MiB", 1, 1, seconds);
    run(&b, "write 4 MiB", 1, 4, seconds);
    run(&b, "read 4 KiB", 2, 1, seconds);
    run(&b, "read 4 KiB", 2, 64, seconds);
    run(&b, "read 4 KiB (1 MiB of it)", 3, 64, seconds);
    host_call(b.h, 0, do_close, &b);
    wait_over(&b);
    buf_fini(&b.small);
    buf_fini(&b.large);
    blob_unref(blob);
    host_destroy(b.h);
    return 0;
}
