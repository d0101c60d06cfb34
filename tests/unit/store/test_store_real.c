/* test_store_real.c - the same store on real files, io_uring and LevelDB. */
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/rng.h"
#include "core/env/env_real.h"
#include "core/store/store.h"
#include "tests/unit/t.h"

enum { OBJECTS = 24, ROUNDS = 400, DEPTH = 16, BYTES_MAX = 300000 };

struct real;
struct commit {
    struct store_commit c;
    struct real *r;
};
struct real {
    struct host *h;
    struct env *env;
    struct store *s;
    char folder[64];
    sem_t over;
    int rc;
    bool now; /* how to close */
    char names[OBJECTS][8];
    struct oid oids[OBJECTS];
    struct object *objs[OBJECTS];
    struct object_open open;
    unsigned opened, flying, submitted, at;
    uint8_t *model[OBJECTS];
    uint64_t size[OBJECTS], mismatches;
    struct rng rng;
    struct commit commits[ROUNDS];
    struct store_read read;
    struct arena arena;
    bool salvage;
    bool polite; /* asks before it writes, and stops at a refusal */
    int refused;
    atomic_bool failed;
};

static void wait_over(struct real *r)
{
    while (sem_wait(&r->over) < 0)
        ;
}

static void on_failure(void *arg, int rc, const struct note *why)
{
    struct real *r = arg;

    fprintf(stderr, "%d %s\n", rc, why->text);
    r->failed = true;
}

static void on_open(void *arg, int rc, struct store *s, const struct note *why)
{
    struct real *r = arg;

    if (rc < 0)
        fprintf(stderr, "%s\n", why->text);
    r->rc = rc;
    r->s = s;
    if (s)
        store_on_failure(s, on_failure, r);
    sem_post(&r->over);
}

static void do_mkfs(void *arg)
{
    struct real *r = arg;
    struct store_conf conf = {.folder = r->folder, .data_bytes = MIB(64), .journal_bytes = MIB(2)};
    struct store_id id = {.osd = 1};
    struct note why = {0};

    r->rc = store_mkfs(r->env, &conf, &id, &why);
}

static void do_open(void *arg)
{
    struct real *r = arg;
    struct store_conf conf = {.folder = r->folder, .salvage = r->salvage};

    r->rc = store_open(r->env, &conf, on_open, r);
    if (r->rc < 0)
        sem_post(&r->over);
}

static void open_next(struct object_open *o)
{
    struct real *r = CONTAINER_OF(o, struct real, open);

    if (o->rc < 0)
        r->rc = o->rc;
    if (o->obj)
        r->objs[r->opened++] = o->obj;
    if (r->opened == OBJECTS || r->rc < 0) {
        sem_post(&r->over);
        return;
    }
    o->oid = r->oids[r->opened];
    o->obj = NULL;
    store_object_open(r->s, o);
}

static void do_objects(void *arg)
{
    struct real *r = arg;

    r->opened = 0;
    r->open = (struct object_open){.done = open_next};
    open_next(&r->open);
}

static void submit_more(struct real *r);

static void committed(struct store_commit *c)
{
    struct real *r = CONTAINER_OF(c, struct commit, c)->r;

    r->flying--;
    submit_more(r);
}

static void submit_one(struct real *r)
{
    static const uint64_t sizes[] = {100, 4096, 5000, 65536, 200000};
    unsigned i = (unsigned)rng_below(&r->rng, OBJECTS);
    uint64_t len = sizes[rng_below(&r->rng, 5)], off = rng_below(&r->rng, BYTES_MAX - len);
    struct commit *c = &r->commits[r->submitted++];
    struct txn *t;
    struct buf data = {0};
    uint16_t o;

    if (r->polite)
        r->refused = store_admit(r->s, STORE_GROWS, len);
    if (r->refused)
        return;
    t = txn_create((struct pgid){{1}, i % 4});
    o = txn_object(t, &r->oids[i]);

    memset(r->model[i] + off, (int)rng_below(&r->rng, 256), len);
    r->size[i] = MAX(r->size[i], off + len);
    if (buf_append_copy(&data, r->model[i] + off, len) < 0)
        r->rc = -ENOMEM;
    txn_write(t, o, off, &data, NULL);
    txn_omap_set(t, o, BYTES_STR("key"), BYTES_STR("value"));
    txn_version(t, o, (struct version){{1}, r->submitted});
    txn_meta_set(t, BYTES_STR("head"), BYTES_STR("row"));
    c->c.committed = committed;
    c->r = r;
    r->flying++;
    if (store_submit(r->s, t, &c->c) < 0) {
        r->flying--;
        r->rc = -EIO;
    }
    buf_fini(&data);
    txn_unref(t);
}

static void submit_more(struct real *r)
{
    while (r->flying < DEPTH && r->submitted < ROUNDS && r->rc == 0 && r->refused == 0)
        submit_one(r);
    if (r->flying == 0)
        sem_post(&r->over);
}

static void do_submit(void *arg)
{
    struct real *r = arg;

    r->submitted = 0;
    r->refused = 0;
    submit_more(r);
}

static void do_delete(void *arg)
{
    struct real *r = arg;
    struct txn *t = txn_create((struct pgid){{1}, 0});
    struct commit *c = &r->commits[0];

    txn_delete(t, txn_object(t, &r->oids[0]));
    memset(r->model[0], 0, BYTES_MAX);
    r->size[0] = 0;
    *c = (struct commit){.c.committed = committed, .r = r};
    r->submitted = ROUNDS; /* and nothing behind it */
    r->flying = 1;
    r->rc = store_admit(r->s, STORE_SHRINKS, 0);
    if (r->rc == 0)
        r->rc = store_submit(r->s, t, &c->c);
    if (r->rc < 0)
        sem_post(&r->over);
    txn_unref(t);
}

static void read_next(struct store_read *rd)
{
    struct real *r = CONTAINER_OF(rd, struct real, read);

    if (rd->obj) {
        bool same = rd->rc == 0 && rd->data.bytes == r->size[r->at];
        uint8_t *got = malloc(BYTES_MAX);

        if (same)
            buf_copy_out(&rd->data, 0, got, rd->data.bytes);
        r->mismatches += !same || memcmp(got, r->model[r->at], r->size[r->at]) != 0;
        free(got);
        buf_fini(&rd->data);
        arena_fini(&r->arena);
        r->at++;
    }
    if (r->at == OBJECTS) {
        sem_post(&r->over);
        return;
    }
    *rd = (struct store_read){.obj = r->objs[r->at],
                              .kind = STORE_DATA,
                              .len = BYTES_MAX,
                              .arena = &r->arena,
                              .done = read_next};
    store_read(r->s, rd);
}

static void do_read(void *arg)
{
    struct real *r = arg;

    r->at = 0;
    arena_init(&r->arena);
    r->read.obj = NULL;
    read_next(&r->read);
}

static void on_closed(void *arg)
{
    struct real *r = arg;

    sem_post(&r->over);
}

static void do_close(void *arg)
{
    struct real *r = arg;

    for (unsigned i = 0; i < OBJECTS; i++)
        object_unref(r->objs[i]);
    store_close(r->s, r->now, on_closed, r);
}

static void step(struct real *r, void (*fn)(void *))
{
    host_call(r->h, 0, fn, r);
    if (fn != do_mkfs)
        wait_over(r);
    T_OK(r->rc);
}

static void on_problem(void *arg, const char *text)
{
    fprintf(stderr, "%s\n", text);
    ++*(uint64_t *)arg;
}

static void prove(struct real *r)
{
    struct env *env = env_blocking_create(NULL);
    struct fsck_report report;
    struct note why = {0};
    uint64_t problems = 0;

    T_OK(store_fsck(env, r->folder, &report, on_problem, NULL, &problems, &why));
    T_EQ(problems, 0);
    T_GE(report.objects, OBJECTS - 4);
    env_blocking_destroy(env);
}

static void life(struct real *r, bool now)
{
    step(r, do_open);
    step(r, do_objects);
    r->mismatches = 0;
    step(r, do_read); /* what the life before left */
    T_EQ(r->mismatches, 0);
    step(r, do_submit);
    step(r, do_read);
    T_EQ(r->mismatches, 0);
    r->now = now;
    step(r, do_close);
    prove(r);
}

static void real_start(struct real *r)
{
    struct note why = {0};

    sem_init(&r->over, 0, 0);
    rng_seed(&r->rng, 7);
    for (unsigned i = 0; i < OBJECTS; i++) {
        snprintf(r->names[i], sizeof(r->names[i]), "o%u", i);
        T_OK(oid_make((struct pool_id){1}, BYTES_STR(r->names[i]), &r->oids[i]));
        r->model[i] = calloc(1, BYTES_MAX);
    }
    T_OK(host_create(&(struct host_conf){.reactors = 1}, &r->h, &why));
    r->env = host_env(r->h, 0);
    step(r, do_mkfs);
}

static void real_end(struct real *r)
{
    host_destroy(r->h);
    for (unsigned i = 0; i < OBJECTS; i++)
        free(r->model[i]);
}

T(store_real, what_was_written_is_read_back_after_closing_and_after_a_crash)
{
    static struct real r;
    char command[128];

    memset(&r, 0, sizeof(r));
    snprintf(r.folder, sizeof(r.folder), "store-test-%d", (int)getpid());
    real_start(&r);
    life(&r, true);
    life(&r, false);
    life(&r, true);
    life(&r, false);
    real_end(&r);
    snprintf(command, sizeof(command), "rm -rf %s", r.folder);
    T_EQ(system(command), 0);
}

/* --- another program on the same file system --- */

struct filler {
    pthread_t thread;
    char path[100];
    atomic_bool full, stop;
};

/* Takes what is free to the last byte, again and again. */
static void *filler_run(void *arg)
{
    static const uint8_t data[4096];
    struct filler *f = arg;
    int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    while (!f->stop) {
        if (write(fd, data, sizeof(data)) == (ssize_t)sizeof(data))
            continue;
        f->full = true;
        usleep(200);
    }
    close(fd);
    return NULL;
}

static void filled(struct real *r, const char *root)
{
    struct filler f = {0};

    snprintf(f.path, sizeof(f.path), "%s/filler", root);
    step(r, do_open);
    step(r, do_objects);
    T_EQ(pthread_create(&f.thread, NULL, filler_run, &f), 0);
    do { /* writes go on until they are refused */
        step(r, do_submit);
    } while (!r->refused || r->refused == -R_BACK_PRESSURE);
    T_EQ(r->refused, -R_STORE_FULL);
    for (unsigned i = 0; !f.full && i < 10000; i++)
        usleep(1000);
    T_TRUE(f.full);
    r->mismatches = 0;
    step(r, do_read);
    T_EQ(r->mismatches, 0);
    step(r, do_delete);
    r->now = false;
    step(r, do_close); /* though there is no room for a checkpoint */
    T_FALSE(r->failed);
    f.stop = true;
    pthread_join(f.thread, NULL);
    T_EQ(unlink(f.path), 0);
}

T(store_real, another_program_fills_the_file_system_and_nothing_is_lost)
{
    static struct real r;
    char root[40];

    memset(&r, 0, sizeof(r));
    snprintf(root, sizeof(root), "store-full-%d", (int)getpid());
    snprintf(r.folder, sizeof(r.folder), "%s/osd", root);
    T_EQ(mkdir(root, 0700), 0);
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", root, "tmpfs", 0, "size=150m") < 0) {
        rmdir(root);
        T_SKIP("may not mount");
    }
    real_start(&r);
    life(&r, false);
    r.polite = true;
    for (unsigned i = 0; i < 5; i++) {
        filled(&r, root);
        prove(&r);
        r.polite = i % 2; /* the next life finds what was there, with room */
        life(&r, i % 2);
        r.polite = true;
    }
    real_end(&r);
    (void)umount2(root, MNT_DETACH);
    T_EQ(rmdir(root), 0);
}

/* --- damaged tables --- */

/* One bit of each table, or the whole of one of them. */
static unsigned damage_tables(struct real *r, unsigned how)
{
    unsigned count;
    char pattern[100];
    glob_t found;

    snprintf(pattern, sizeof(pattern), how == 2 ? "%s/kv/CURRENT" : "%s/kv/*.ldb", r->folder);
    T_EQ(glob(pattern, 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        int fd = open(found.gl_pathv[i], O_RDWR);
        struct stat st;
        uint8_t byte;

        T_OK(fstat(fd, &st));
        T_EQ(pread(fd, &byte, 1, st.st_size / 3), 1);
        byte ^= 4;
        T_EQ(pwrite(fd, &byte, 1, st.st_size / 3), 1);
        close(fd);
        if (how)
            T_EQ(unlink(found.gl_pathv[i]), 0);
    }
    count = (unsigned)found.gl_pathc;
    globfree(&found);
    return count;
}

/* Delete every object, as one does that will be filled anew. */
static void do_delete_all(void *arg)
{
    struct real *r = arg;

    r->submitted = ROUNDS;
    r->flying = OBJECTS;
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct txn *t = txn_create((struct pgid){{1}, i % 4});
        struct commit *c = &r->commits[i];

        txn_delete(t, txn_object(t, &r->oids[i]));
        memset(r->model[i], 0, BYTES_MAX);
        r->size[i] = 0;
        *c = (struct commit){.c.committed = committed, .r = r};
        if (store_submit(r->s, t, &c->c) < 0)
            abort();
        txn_unref(t);
    }
    store_salvage_over(r->s);
}

T(store_real, damaged_tables_are_refused_or_salvaged)
{
    static struct real r;
    char command[128];

    for (unsigned how = 0; how < 3; how++) {
        memset(&r, 0, sizeof(r));
        snprintf(r.folder, sizeof(r.folder), "store-salvage-%d-%u", (int)getpid(), how);
        real_start(&r);
        life(&r, false);
        T_GE(damage_tables(&r, how), 1);
        host_call(r.h, 0, do_open, &r);
        wait_over(&r);
        T_TRUE(r.rc == -R_CSUM_MISMATCH || r.rc == -ENOENT);
        r.rc = 0;
        r.salvage = true;
        step(&r, do_open);
        T_TRUE(store_salvaged(r.s));
        step(&r, do_objects);
        step(&r, do_delete_all);
        r.now = false;
        step(&r, do_close);
        r.salvage = false;
        life(&r, true); /* it serves again, and fsck is clean */
        T_FALSE(r.failed);
        real_end(&r);
        snprintf(command, sizeof(command), "rm -rf %s", r.folder);
        T_EQ(system(command), 0);
    }
}
