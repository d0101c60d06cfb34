/* test_kv_crash.c - what the real LevelDB has after a crash.
 *
 * Power cut: our Env shows every create, append, sync, rename, removal and folder sync of a run to
 * a recorder.  From the record a folder is rebuilt as a power cut at some point could have left it:
 * synced bytes are there; of unsynced ones none, all, a part, or a part with garbage behind it;
 * each change of a name that no folder sync followed is there or not, whatever the others are.  A
 * store opened on it must hold everything before the last successful checkpoint, later batches
 * whole or not at all, and nothing else.
 *
 * The last test shows that the checker sees: with syncs taken out of the record, states are lost.
 *
 * Kill: a child that writes is killed; the same must hold for what it had reported. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/rng.h"
#include "core/env/kv.h"
#include "core/env/real_kv.h"
#include "tests/unit/env_real/rig.h"

enum { KEYS = 120, BATCHES = 500, BATCH_PUTS = 5, CHECKPOINT_EACH = 23, REOPEN_EACH = 170 };
enum { VALUE_BYTES_MAX = 1500, STATES = 400, WRITE_BUFFER = 64 << 10 };

/* --- the history: which batch did what to which key --- */

enum deed { DEED_NONE, DEED_PUT, DEED_DELETE };
struct history {
    uint8_t deeds[BATCHES][KEYS];
};

/* Batch `i`, the same whenever it is made: keys distinct within it. */
static struct kv_batch *batch_make(uint32_t i, uint8_t deeds[KEYS])
{
    static uint8_t value[VALUE_BYTES_MAX];
    struct kv_batch *b = kv_batch_create();
    struct rng rng;
    char key[16];

    T_TRUE(b != NULL);
    memset(deeds, DEED_NONE, KEYS);
    rng_seed(&rng, 1000 + i);
    for (int n = 0; n < BATCH_PUTS; n++) {
        uint32_t k = (uint32_t)rng_below(&rng, KEYS);
        uint32_t bytes = (uint32_t)rng_between(&rng, 8, VALUE_BYTES_MAX);

        if (deeds[k] != DEED_NONE)
            continue;
        snprintf(key, sizeof(key), "key%04u", k);
        if (rng_chance(&rng, 1, 6)) {
            deeds[k] = DEED_DELETE;
            T_OK(kv_batch_delete(b, BYTES_STR(key)));
            continue;
        }
        deeds[k] = DEED_PUT;
        for (uint32_t j = 0; j < bytes; j += 4)
            memcpy(value + (j + 4 <= VALUE_BYTES_MAX ? j : VALUE_BYTES_MAX - 4), &i, 4);
        T_OK(kv_batch_put(b, BYTES_STR(key), (struct bytes){value, ROUND_DOWN(bytes, 4)}));
    }
    return b;
}

/* Which batch wrote the value that key `k` has; -1: there is none.  *out_torn: no batch wrote it.
 */
static int64_t batch_seen(struct kv *kv, uint32_t k, bool *out_torn)
{
    struct buf value = {0};
    uint32_t first, each;
    char key[16];
    int rc;

    snprintf(key, sizeof(key), "key%04u", k);
    rc = kv_get(kv, BYTES_STR(key), &value);
    if (rc == -ENOENT)
        return -1;
    *out_torn = rc < 0 || value.bytes < 4;
    if (*out_torn)
        return -1;
    buf_copy_out(&value, 0, &first, 4);
    for (uint64_t at = 0; at < value.bytes; at += 4) {
        buf_copy_out(&value, at, &each, 4);
        *out_torn |= each != first;
    }
    buf_fini(&value);
    return first;
}

/* Whether key `k`, found as `seen`, can be so when the batches below `sure` are certain and those
 * from there below `maybe` are there or not. */
static bool key_possible(const struct history *h, uint32_t k, int64_t seen, uint32_t sure,
                         uint32_t maybe)
{
    int64_t last = -1; /* the certain batch that touched it last */

    for (uint32_t i = 0; i < sure; i++)
        if (h->deeds[i][k] != DEED_NONE)
            last = i;
    if (seen >= 0)
        return seen >= last && seen < maybe && h->deeds[seen][k] == DEED_PUT;
    if (last < 0 || h->deeds[last][k] == DEED_DELETE)
        return true;
    for (uint32_t i = sure; i < maybe; i++) /* an uncertain batch may have deleted it */
        if (h->deeds[i][k] == DEED_DELETE)
            return true;
    return false;
}

/* NULL, or what is wrong with the store. */
static const char *store_wrong(struct kv *kv, const struct history *h, uint32_t sure,
                               uint32_t maybe)
{
    int64_t seen[KEYS];

    for (uint32_t k = 0; k < KEYS; k++) {
        bool torn = false;

        seen[k] = batch_seen(kv, k, &torn);
        if (torn)
            return "a value is torn or cannot be read";
        if (!key_possible(h, k, seen[k], sure, maybe))
            return "a key has a value that was overwritten or never written";
    }
    for (uint32_t k = 0; k < KEYS; k++) /* a batch is there: then all of it, unless overwritten */
        for (uint32_t j = 0; seen[k] >= 0 && j < KEYS; j++)
            if (h->deeds[seen[k]][j] == DEED_PUT && seen[j] >= 0 && seen[j] < seen[k])
                return "a batch is there in part";
    return NULL;
}

/* --- the record --- */

enum { FILES_MAX = 4096 };
struct act {
    enum ldb_call call;
    uint32_t file; /* CREATE, APPEND, SYNC: which inode */
    char name[24], to[24];
    uint8_t *data; /* owned */
    size_t bytes;
};
struct mark {
    size_t acts;   /* recorded when the checkpoint had returned */
    uint32_t sure; /* batches before it */
};
struct record {
    struct ldb_hooks hooks;
    pthread_mutex_t lock;
    struct act *acts;
    size_t count, cap;
    struct mark marks[BATCHES];
    unsigned mark_count;
    size_t batch_at[BATCHES]; /* acts recorded when the batch was begun */
    uint32_t batches;
    struct history history;
};

static void base_name(const char *path, char out[24])
{
    const char *slash = strrchr(path, '/');

    snprintf(out, 24, "%.23s", slash ? slash + 1 : path);
}

static int record_before(void *arg, enum ldb_call call, const char *path, const char *to,
                         const void *data, size_t bytes)
{
    struct record *r = arg;
    struct act *a;

    if (call == LDB_READ)
        return 0;
    pthread_mutex_lock(&r->lock);
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 1024;
        r->acts = realloc(r->acts, r->cap * sizeof(*r->acts));
    }
    a = &r->acts[r->count++];
    *a = (struct act){.call = call, .bytes = bytes};
    base_name(path, a->name);
    base_name(to, a->to);
    if (bytes) {
        a->data = malloc(bytes);
        memcpy(a->data, data, bytes);
    }
    pthread_mutex_unlock(&r->lock);
    return 0;
}

static size_t record_count(struct record *r)
{
    size_t count;

    pthread_mutex_lock(&r->lock);
    count = r->count;
    pthread_mutex_unlock(&r->lock);
    return count;
}

static struct kv *record_open(struct record *r, struct env *env, const char *folder)
{
    struct kv_conf conf = {.create = true, .write_buffer_bytes = WRITE_BUFFER};
    struct note why = {""};
    struct kv *kv = NULL;

    T_OK(real_kv_open_hooked(env, folder, &conf, &r->hooks, &kv, &why));
    return kv;
}

static void record_run(struct record *r, struct env *env)
{
    char folder[128];
    struct kv *kv;

    r->hooks = (struct ldb_hooks){r, record_before};
    pthread_mutex_init(&r->lock, NULL);
    folder_make(folder, sizeof(folder));
    kv = record_open(r, env, folder);
    for (uint32_t i = 0; i < BATCHES; i++) {
        struct kv_batch *b = batch_make(i, r->history.deeds[i]);

        r->batch_at[i] = record_count(r);
        r->batches = i + 1;
        T_OK(kv_write(kv, b));
        kv_batch_destroy(b);
        if (i % CHECKPOINT_EACH == CHECKPOINT_EACH - 1) {
            T_OK(kv_checkpoint(kv));
            r->marks[r->mark_count++] = (struct mark){record_count(r), i + 1};
        }
        if (i % REOPEN_EACH == REOPEN_EACH - 1) {
            kv_close(kv);
            kv = record_open(r, env, folder);
        }
    }
    kv_close(kv);
    folder_drop(folder);
}

static void record_free(struct record *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->acts[i].data);
    free(r->acts);
    free(r);
}

/* --- the file system after a power cut --- */

struct inode {
    uint8_t *data; /* owned */
    size_t bytes, cap, synced;
};
struct name {
    char name[24];
    int inode; /* -1: not there */
};
struct change { /* of a name, since the folder was last synced */
    bool rename;
    char name[24], to[24];
    int inode; /* for a create; -1 for a removal */
};
struct disk_state {
    struct inode inodes[FILES_MAX];
    int inode_count;
    struct name live[64], durable[64];
    int live_count, durable_count;
    struct change changes[512];
    int change_count;
};

static struct name *name_find(struct name *names, int *count, const char *name)
{
    for (int i = 0; i < *count; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    for (int i = 0; i < *count; i++)
        if (names[i].inode < 0) {
            snprintf(names[i].name, sizeof(names[i].name), "%s", name);
            return &names[i];
        }
    T_LT(*count, 64);
    snprintf(names[*count].name, sizeof(names[0].name), "%s", name);
    names[*count].inode = -1;
    return &names[(*count)++];
}

static void change_apply(struct name *names, int *count, const struct change *c)
{
    struct name *n = name_find(names, count, c->name);
    int inode = n->inode;

    n->inode = c->rename ? -1 : c->inode;
    if (c->rename && inode >= 0)
        name_find(names, count, c->to)->inode = inode;
    else if (c->rename)
        n->inode = inode; /* its source's creation is lost: nothing to rename */
}

static void change_add(struct disk_state *d, struct change c)
{
    T_LT(d->change_count, 512);
    d->changes[d->change_count++] = c;
    change_apply(d->live, &d->live_count, &c);
}

static void inode_append(struct inode *f, const uint8_t *data, size_t bytes)
{
    if (f->bytes + bytes > f->cap) {
        f->cap = 2 * (f->bytes + bytes);
        f->data = realloc(f->data, f->cap);
    }
    memcpy(f->data + f->bytes, data, bytes);
    f->bytes += bytes;
}

static void act_apply(struct disk_state *d, const struct act *a)
{
    struct change c = {.inode = -1};
    struct inode *f;
    int inode;

    snprintf(c.name, sizeof(c.name), "%s", a->name);
    snprintf(c.to, sizeof(c.to), "%s", a->to);
    inode = name_find(d->live, &d->live_count, a->name)->inode;
    f = inode >= 0 ? &d->inodes[inode] : NULL;
    switch (a->call) {
    case LDB_CREATE:
        T_TRUE(inode < 0); /* LevelDB never writes a name anew: else emptying must be modelled */
        T_LT(d->inode_count, FILES_MAX);
        c.inode = d->inode_count++;
        change_add(d, c);
        break;
    case LDB_APPEND:
        inode_append(f, a->data, a->bytes);
        break;
    case LDB_SYNC:
        f->synced = f->bytes;
        break;
    case LDB_RENAME:
        c.rename = true;
        change_add(d, c);
        break;
    case LDB_REMOVE:
        change_add(d, c);
        break;
    case LDB_FOLDER_SYNC:
        for (int i = 0; i < d->change_count; i++)
            change_apply(d->durable, &d->durable_count, &d->changes[i]);
        d->change_count = 0;
        break;
    case LDB_FOLDER_MAKE:
    case LDB_READ:
        break;
    }
}

/* Write out what is left of a file. */
static void inode_leave(const struct inode *f, const char *path, struct rng *rng)
{
    static const uint8_t garbage[512] = {0x5a, 0xa5, 1, 2, 3};
    size_t loose = f->bytes - f->synced, keep = f->synced;
    bool dirt = false;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    switch (loose ? rng_below(rng, 4) : 0) {
    case 1:
        keep += loose;
        break;
    case 2:
        keep += rng_below(rng, loose);
        break;
    case 3: /* the size grew, the bytes did not come */
        keep += rng_below(rng, loose);
        dirt = true;
        break;
    }
    T_EQ(write(fd, f->data ? f->data : garbage, keep), (ssize_t)keep);
    if (dirt)
        T_GT(write(fd, garbage, MIN(sizeof(garbage), f->bytes - keep)), 0);
    close(fd);
}

/* Make `folder` what a power cut leaves, losing each unsynced change by chance. */
static void state_leave(struct disk_state *d, const char *folder, struct rng *rng)
{
    unsigned keep_of_8 = (unsigned)rng_below(rng, 9); /* all lost ... all kept */
    char path[256];

    for (int i = 0; i < d->change_count; i++)
        if (rng_chance(rng, keep_of_8, 8))
            change_apply(d->durable, &d->durable_count, &d->changes[i]);
    for (int i = 0; i < d->durable_count; i++)
        if (d->durable[i].inode >= 0) {
            snprintf(path, sizeof(path), "%s/%s", folder, d->durable[i].name);
            inode_leave(&d->inodes[d->durable[i].inode], path, rng);
        }
}

static void state_free(struct disk_state *d)
{
    for (int i = 0; i < d->inode_count; i++)
        free(d->inodes[i].data);
    free(d);
}

/* --- checking states --- */

enum lies { HONEST, NO_FILE_SYNCS, NO_FOLDER_SYNCS };

static bool act_counts(const struct act *a, enum lies lies)
{
    return !(lies == NO_FILE_SYNCS && a->call == LDB_SYNC) &&
           !(lies == NO_FOLDER_SYNCS && a->call == LDB_FOLDER_SYNC);
}

/* Cut the power after `cut` acts.  NULL, or what is wrong then. */
static const char *cut_wrong(struct record *r, struct env *env, size_t cut, enum lies lies,
                             struct rng *rng)
{
    struct disk_state *d = calloc(1, sizeof(*d));
    struct note why = {""};
    struct kv *kv = NULL;
    uint32_t sure = 0, maybe = 0;
    const char *wrong;
    char folder[128];
    int rc;

    for (size_t i = 0; i < cut; i++)
        if (act_counts(&r->acts[i], lies))
            act_apply(d, &r->acts[i]);
    for (unsigned i = 0; i < r->mark_count && r->marks[i].acts <= cut; i++)
        sure = r->marks[i].sure;
    while (maybe < r->batches && r->batch_at[maybe] < cut)
        maybe++;
    folder_make(folder, sizeof(folder));
    state_leave(d, folder, rng);
    state_free(d);
    rc = kv_open(env, folder, &(struct kv_conf){.create = sure == 0}, &kv, &why);
    wrong = rc < 0 ? "the store does not open" : store_wrong(kv, &r->history, sure, maybe);
    kv_close(kv);
    folder_drop(folder);
    return wrong;
}

static unsigned states_wrong(struct record *r, struct env *env, enum lies lies, unsigned states,
                             uint64_t seed)
{
    const char *tmp = getenv("TMPDIR");
    struct rng rng;
    unsigned wrong = 0;

    if (!tmp && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1); /* hundreds of small folders */
    rng_seed(&rng, seed);
    for (unsigned i = 0; i < states; i++) {
        /* Half of them right after a checkpoint, where most is promised. */
        size_t cut = rng_chance(&rng, 1, 2) ? r->marks[rng_below(&rng, r->mark_count)].acts
                                            : rng_below(&rng, r->count + 1);
        const char *what = cut_wrong(r, env, cut, lies, &rng);

        if (what && lies == HONEST)
            fprintf(stderr, "seed %llu, state %u, cut after %zu of %zu: %s\n",
                    (unsigned long long)seed, i, cut, r->count, what);
        wrong += what != NULL;
    }
    if (!tmp)
        unsetenv("TMPDIR");
    return wrong;
}

T(kv_crash, a_power_cut_loses_nothing_before_the_last_checkpoint)
{
    struct env *env = env_blocking_create(NULL);
    struct record *r = calloc(1, sizeof(*r));
    const char *seed = getenv("SEED");

    record_run(r, env);
    T_GT(r->mark_count, 15);
    T_GT(r->count, 500);
    T_EQ(states_wrong(r, env, HONEST, STATES, seed ? strtoull(seed, NULL, 0) : 1), 0);
    record_free(r);
    env_blocking_destroy(env);
}

T(kv_crash, the_checker_sees_what_missing_syncs_lose)
{
    struct env *env = env_blocking_create(NULL);
    struct record *r = calloc(1, sizeof(*r));

    record_run(r, env);
    T_GT(states_wrong(r, env, NO_FILE_SYNCS, 60, 2), 10);
    T_GT(states_wrong(r, env, NO_FOLDER_SYNCS, 60, 3), 10);
    record_free(r);
    env_blocking_destroy(env);
}

/* --- kill --- */

/* Write batches from `from` on and report each and each checkpoint (with the top bit) to `fd`. */
static void child_run(const char *folder, uint32_t from, int fd)
{
    struct kv_conf conf = {.create = true, .write_buffer_bytes = WRITE_BUFFER};
    struct env *env = env_blocking_create(NULL);
    struct note why = {""};
    struct kv *kv = NULL;
    uint8_t deeds[KEYS];

    if (kv_open(env, folder, &conf, &kv, &why) < 0)
        _exit(1);
    for (uint32_t i = from; i < BATCHES; i++) {
        struct kv_batch *b = batch_make(i, deeds);
        uint32_t sure = (i + 1) | 0x80000000u;

        if (write(fd, &i, 4) != 4 || kv_write(kv, b) < 0)
            _exit(1);
        kv_batch_destroy(b);
        if (i % 7 == 6 && (kv_checkpoint(kv) < 0 || write(fd, &sure, 4) != 4))
            _exit(1);
    }
    _exit(0);
}

/* Let a child write for some milliseconds, kill it, and learn what it had said. */
static void child_kill(const char *folder, uint32_t from, unsigned ms, uint32_t *sure,
                       uint32_t *maybe)
{
    int fd[2], status;
    uint32_t word;
    pid_t pid;

    T_OK(pipe(fd));
    pid = fork();
    if (pid == 0)
        child_run(folder, from, fd[1]);
    close(fd[1]);
    T_EQ(read(fd[0], &word, 4), 4); /* it has begun */
    *maybe = word + 1;
    usleep(ms * 1000);
    kill(pid, SIGKILL);
    T_EQ(waitpid(pid, &status, 0), pid);
    T_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    while (read(fd[0], &word, 4) == 4) {
        if (word & 0x80000000u)
            *sure = word & 0x7fffffffu;
        else
            *maybe = word + 1;
    }
    close(fd[0]);
}

T(kv_crash, a_killed_process_loses_nothing_before_its_last_checkpoint)
{
    struct env *env = env_blocking_create(NULL);
    struct history *h = calloc(1, sizeof(*h));
    uint32_t sure = 0, maybe = 0;
    char folder[128];

    folder_make(folder, sizeof(folder));
    for (uint32_t i = 0; i < BATCHES; i++)
        kv_batch_destroy(batch_make(i, h->deeds[i]));
    for (unsigned round = 0; (round < 12 || sure <= 20) && maybe < BATCHES; round++) {
        struct note why = {""};
        struct kv *kv = NULL;
        const char *wrong;

        /* The last batch it spoke of may not have been written: that one once more. */
        child_kill(folder, maybe ? maybe - 1 : 0, 3 + 5 * round % 17, &sure, &maybe);
        T_OK(kv_open(env, folder, &(struct kv_conf){.create = sure == 0}, &kv, &why));
        wrong = store_wrong(kv, h, sure, maybe);
        if (wrong)
            T_FAIL("killed after batch %u, checkpoint at %u: %s", maybe, sure, wrong);
        kv_close(kv);
    }
    T_GT(sure, 20);
    folder_drop(folder);
    free(h);
    env_blocking_destroy(env);
}
