/* loadgen.c - load that remembers: changes objects, keeps what was acknowledged, and proves it
 * later.
 *
 *     loadgen [OPTIONS] run|verify
 *
 * `run` changes random objects until SIGTERM or --seconds: writes, overwrites of parts, appends,
 * truncations and deletes, each with an xattr and an omap row in the same atomic operation, and
 * reads objects back in between.  Each thread has one operation in flight, on objects of its own,
 * so that what an object must hold is known exactly; appends tell whether an operation ran twice.
 * Nothing is tried again here: an error is an error.
 *
 * `verify` reads every object and compares.  A change without answer may have run or not; which of
 * the two is found out then and noted in the journal.  Both modes begin with the journal's state,
 * so runs and verifications may follow each other on one journal for ever.
 *
 * The last line counts: changes, reads, errors, refused, slowest operation, longest time without
 * any completion, unanswered.  Exit 0: no error and nothing lost; 1 otherwise; 2 it could not work.
 */
#include <cairn.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/integration/load_model.h"

enum { CLIENTS_MAX = 64, THREADS_MAX = 512 };

struct load {
    const char *conf, *pool, *journal;
    unsigned threads, clients, objects, seconds, timeout_s, bytes_max;
    uint64_t seed;
    bool full_ok; /* ENOSPC is an answer */
    bool verify;
    struct model model;
    struct cairn *cluster[CLIENTS_MAX];
    struct cairn_pool *pools[CLIENTS_MAX];
    pthread_mutex_t lock; /* of all below */
    bool stop;
    uint64_t changes, reads, errors, refused, lost, resolved_run, resolved_not;
    uint64_t slowest_ns, gap_ns, last_ns;
    unsigned working;
};
struct worker {
    struct load *load;
    pthread_t thread;
    unsigned index;
    uint64_t rng;
    struct cairn_pool *pool;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t dice(struct worker *w, uint64_t below)
{
    w->rng ^= w->rng << 13; /* xorshift64 */
    w->rng ^= w->rng >> 7;
    w->rng ^= w->rng << 17;
    return below ? (w->rng >> 11) % below : 0;
}

static void object_name(const struct model_object *o, char out[32])
{
    snprintf(out, 32, "load-%06u", o->id);
}

/* --- counting --- */

static void count_completion(struct load *l, uint64_t started, uint64_t *counter)
{
    uint64_t now;

    pthread_mutex_lock(&l->lock);
    now = now_ns(); /* under the lock: never before last_ns */
    if (now - started > l->slowest_ns)
        l->slowest_ns = now - started;
    if (l->last_ns && now - l->last_ns > l->gap_ns)
        l->gap_ns = now - l->last_ns;
    l->last_ns = now;
    ++*counter;
    pthread_mutex_unlock(&l->lock);
}

static void count(struct load *l, uint64_t *counter)
{
    pthread_mutex_lock(&l->lock);
    ++*counter;
    pthread_mutex_unlock(&l->lock);
}

static bool stopping(struct load *l)
{
    bool stop;

    pthread_mutex_lock(&l->lock);
    stop = l->stop;
    pthread_mutex_unlock(&l->lock);
    return stop;
}

static void stop_all(struct load *l)
{
    pthread_mutex_lock(&l->lock);
    l->stop = true;
    pthread_mutex_unlock(&l->lock);
}

static void complain(const struct model_object *o, const char *what, const char *why)
{
    struct timespec t;
    char at[32];
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    strftime(at, sizeof(at), "%H:%M:%S", &tm);
    printf("%s.%03ld load-%06u change %llu: %s: %s\n", at, t.tv_nsec / 1000000, o->id,
           (unsigned long long)o->last_seq, what, why);
    fflush(stdout);
}

/* --- one object as it is --- */

static int row_take(const struct cairn_pair *p, struct state *got)
{
    uint64_t value;

    if (p->key_bytes != 1 || p->value_bytes != sizeof(value) ||
        (unsigned)(*(const unsigned char *)p->key - '0') >= MODEL_ROWS)
        return -EBADMSG;
    memcpy(&value, p->value, sizeof(value));
    got->rows[*(const unsigned char *)p->key - '0'] = value;
    return 0;
}

/* All of an object in one operation.  0 (it may not exist), or the operation's error. */
static int state_read(struct worker *w, const struct model_object *o, struct state *got)
{
    struct cairn_op *op = cairn_op_create();
    int rc, data, tag, rows;
    char name[32];
    bool more;

    *got = (struct state){0};
    if (!op)
        return -ENOMEM;
    object_name(o, name);
    data = cairn_op_read(op, 0, 0);
    tag = cairn_op_xattr_get(op, "tag");
    rows = cairn_op_omap_range(op, NULL, 0, NULL, 0, MODEL_ROWS + 1);
    cairn_op_timeout(op, w->load->timeout_s * 1000);
    rc = cairn_run(w->pool, name, strlen(name), op);
    if (rc == 0) {
        got->exists = true;
        got->bytes = cairn_op_data_bytes(op, data);
        got->data = must_alloc(got->bytes);
        if (cairn_op_data(op, data, 0, got->data, got->bytes) != got->bytes ||
            cairn_op_data(op, tag, 0, &got->seq, sizeof(got->seq)) != sizeof(got->seq))
            rc = -EBADMSG;
        for (size_t i = 0; rc == 0 && i < cairn_op_pair_count(op, rows, &more); i++) {
            struct cairn_pair pair = cairn_op_pair(op, rows, i);

            rc = row_take(&pair, got);
        }
    } else if (rc == -ENOENT) {
        rc = 0;
    }
    cairn_op_destroy(op);
    return rc;
}

/* Compare an object with the model, and find out about a change without answer. */
static void object_verify(struct worker *w, struct model_object *o)
{
    struct load *l = w->load;
    struct state got, after;
    char text[200], text_after[200];
    uint64_t started = now_ns();
    int rc = state_read(w, o, &got);

    if (rc < 0) {
        count(l, &l->errors);
        complain(o, "cannot be read", strerror(-rc));
        return;
    }
    count_completion(l, started, &l->reads);
    if (!state_differs(&o->now, &got, text)) {
        if (o->pending.seq) {
            journal_not_run(&l->model, o);
            count(l, &l->resolved_not);
        }
    } else if (o->pending.seq) {
        state_after_pending(o, &after);
        if (!state_differs(&after, &got, text_after)) {
            journal_acknowledged(&l->model, o);
            count(l, &l->resolved_run);
        } else {
            count(l, &l->lost);
            complain(o, "LOST, before a change without answer", text);
            complain(o, "LOST, after that change", text_after);
        }
        state_free(&after);
    } else {
        count(l, &l->lost);
        complain(o, "LOST", text);
    }
    state_free(&got);
}

/* --- changes --- */

static uint64_t size_choose(struct worker *w)
{
    static const struct {
        unsigned per_thousand, bytes;
    } sizes[] = {{500, 4096}, {300, 16384}, {150, 131072}, {45, 1 << 20}, {5, 4 << 20}};
    uint64_t pick = dice(w, 1000), bytes;
    unsigned i = 0;

    while (pick >= sizes[i].per_thousand)
        pick -= sizes[i++].per_thousand;
    bytes = 1 + dice(w, sizes[i].bytes);
    if (dice(w, 3) == 0)
        bytes = (bytes + 4095) & ~(uint64_t)4095; /* whole blocks go another way in the store */
    return bytes < w->load->bytes_max ? bytes : w->load->bytes_max;
}

static struct change change_choose(struct worker *w, const struct model_object *o)
{
    struct change c = {.seq = o->last_seq + 1, .kind = CHANGE_FULL, .len = size_choose(w)};
    uint64_t pick = dice(w, 100), room;

    if (!o->now.exists || pick < 25)
        return c;
    room = w->load->bytes_max -
           (o->now.bytes < w->load->bytes_max ? o->now.bytes : w->load->bytes_max);
    if (pick < 60) {
        c.kind = CHANGE_WRITE;
        c.off = dice(w, o->now.bytes + 1 + (dice(w, 4) ? 0 : 65536)); /* a hole, at times */
        if (c.off + c.len > w->load->bytes_max)
            c.off = w->load->bytes_max - c.len;
    } else if (pick < 85 && room) {
        c.kind = CHANGE_APPEND;
        c.len = c.len < room ? c.len : room;
    } else if (pick < 92) {
        c.kind = CHANGE_TRUNCATE;
        c.off = dice(w, o->now.bytes + 1);
        c.len = 0;
    } else {
        c.kind = CHANGE_DELETE;
        c.len = 0;
    }
    return c;
}

static struct cairn_op *change_build(const struct model_object *o, const struct change *c)
{
    struct cairn_op *op = cairn_op_create();
    unsigned char *data = must_alloc(c->len);
    char key = (char)('0' + c->seq % MODEL_ROWS);
    struct cairn_pair row = {&key, 1, &c->seq, sizeof(c->seq)};

    if (!op)
        goto out;
    change_fill(o->id, c->seq, data, c->len);
    /* A builder's error makes the run return it. */
    switch (c->kind) {
    case CHANGE_FULL:
        (void)cairn_op_write_full(op, data, c->len);
        break;
    case CHANGE_WRITE:
        (void)cairn_op_write(op, c->off, data, c->len);
        break;
    case CHANGE_APPEND:
        (void)cairn_op_append(op, data, c->len);
        break;
    case CHANGE_TRUNCATE:
        (void)cairn_op_truncate(op, c->off);
        break;
    case CHANGE_DELETE:
        (void)cairn_op_delete(op);
        break;
    }
    if (c->kind != CHANGE_DELETE) {
        (void)cairn_op_xattr_set(op, "tag", &c->seq, sizeof(c->seq));
        (void)cairn_op_omap_set(op, &row, 1);
    }
out:
    free(data);
    return op;
}

/* False: the object's state is not known any more in this run. */
static bool object_change(struct worker *w, struct model_object *o)
{
    struct load *l = w->load;
    struct change c = change_choose(w, o);
    struct cairn_op *op = change_build(o, &c);
    uint64_t started = now_ns();
    char name[32], what[64];
    int rc;

    if (!op)
        return false;
    object_name(o, name);
    cairn_op_timeout(op, l->timeout_s * 1000);
    journal_intent(&l->model, o, &c);
    rc = cairn_run(w->pool, name, strlen(name), op);
    if (rc == 0) {
        journal_acknowledged(&l->model, o);
        count_completion(l, started, &l->changes);
    } else if (rc == -ENOSPC && l->full_ok) {
        journal_not_run(&l->model, o);
        count_completion(l, started, &l->refused);
        usleep(20000);
    } else {
        count(l, &l->errors);
        snprintf(what, sizeof(what), "%c failed after %llu ms", (char)c.kind,
                 (unsigned long long)((now_ns() - started) / 1000000));
        complain(o, what, cairn_op_reason(op));
    }
    cairn_op_destroy(op);
    return rc == 0 || (rc == -ENOSPC && l->full_ok);
}

/* --- threads --- */

static void *verify_worker(void *arg)
{
    struct worker *w = arg;
    struct load *l = w->load;

    for (uint32_t i = w->index; i < l->model.count; i += l->threads)
        object_verify(w, &l->model.objects[i]);
    return NULL;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    struct load *l = w->load;
    uint32_t mine = (l->model.count - w->index + l->threads - 1) / l->threads;
    bool *lost_sight = must_alloc(mine);

    while (!stopping(l)) {
        uint32_t k = (uint32_t)dice(w, mine);
        struct model_object *o = &l->model.objects[w->index + k * l->threads];

        if (lost_sight[k]) {
            usleep(1000);
            continue;
        }
        if (o->pending.seq || dice(w, 100) < 25)
            object_verify(w, o);
        else if (!object_change(w, o))
            lost_sight[k] = true;
        if (o->pending.seq) /* could not be found out about */
            lost_sight[k] = true;
    }
    free(lost_sight);
    pthread_mutex_lock(&l->lock);
    l->working--;
    pthread_mutex_unlock(&l->lock);
    return NULL;
}

/* Until a signal, or the time is over.  Then what is in flight may still be answered, for a while.
 */
static unsigned run_supervise(struct load *l, const sigset_t *set)
{
    struct timespec span = {.tv_sec = l->seconds ? l->seconds : 1000000};
    uint64_t until;
    unsigned left;

    while (sigtimedwait(set, NULL, &span) < 0 && errno == EINTR)
        ;
    stop_all(l);
    until = now_ns() + (uint64_t)l->timeout_s * 1000000000u;
    do {
        usleep(5000);
        pthread_mutex_lock(&l->lock);
        left = l->working;
        pthread_mutex_unlock(&l->lock);
    } while (left && now_ns() < until);
    return left;
}

/* --- the list of all objects agrees with the model --- */

struct listing {
    struct load *l;
    unsigned *seen;
};

static int listed(void *arg, const void *name, size_t bytes, const struct cairn_stat *st)
{
    struct listing *k = arg;
    char text[32] = "";
    unsigned id;

    if (bytes < sizeof(text))
        memcpy(text, name, bytes);
    if (sscanf(text, "load-%u", &id) != 1)
        return 0; /* not ours */
    if (id >= k->l->model.count || !k->l->model.objects[id].now.exists || k->seen[id]++ ||
        st->bytes != k->l->model.objects[id].now.bytes) {
        printf("the listing has %s with %llu bytes%s\n", text, (unsigned long long)st->bytes,
               id < k->l->model.count && k->seen[id] > 1 ? ", again" : ", which is wrong");
        k->l->lost++;
    }
    return 0;
}

static void listing_verify(struct load *l)
{
    struct listing k = {l, must_alloc(l->model.count * sizeof(unsigned))};
    int rc = cairn_list(l->pools[0], listed, &k);

    if (rc < 0) {
        printf("the pool cannot be listed: %s\n", strerror(-rc));
        l->errors++;
    }
    for (uint32_t i = 0; rc == 0 && i < l->model.count; i++)
        if (l->model.objects[i].now.exists && !k.seen[i]) {
            complain(&l->model.objects[i], "LOST", "not listed");
            l->lost++;
        }
    free(k.seen);
}

/* --- the whole --- */

static void connect_all(struct load *l)
{
    char why[256] = "";

    for (unsigned i = 0; i < l->clients; i++) {
        int rc = cairn_connect(l->conf, l->timeout_s * 1000, &l->cluster[i], why, sizeof(why));

        if (rc == 0)
            rc = cairn_pool_open(l->cluster[i], l->pool, &l->pools[i]);
        if (rc < 0) {
            fprintf(stderr, "client %u: %s %s\n", i, strerror(-rc), why);
            exit(2);
        }
    }
}

static void disconnect_all(struct load *l)
{
    for (unsigned i = 0; i < l->clients; i++) {
        cairn_pool_close(l->pools[i]);
        cairn_shutdown(l->cluster[i]);
    }
}

static int work(struct load *l, const sigset_t *set)
{
    struct worker *workers = must_alloc(l->threads * sizeof(*workers));
    unsigned left = 0;

    l->working = l->threads;
    for (unsigned i = 0; i < l->threads; i++) {
        workers[i] = (struct worker){.load = l, .index = i, .pool = l->pools[i % l->clients]};
        workers[i].rng = (l->seed + 1) * 0x9e3779b97f4a7c15u ^ ((uint64_t)(i + 1) << 32);
        if (pthread_create(&workers[i].thread, NULL, l->verify ? verify_worker : run_worker,
                           &workers[i]) != 0) {
            fprintf(stderr, "cannot start thread %u\n", i);
            exit(2);
        }
    }
    if (!l->verify)
        left = run_supervise(l, set);
    for (unsigned i = 0; i < l->threads && !left; i++)
        pthread_join(workers[i].thread, NULL);
    if (l->verify)
        listing_verify(l);
    printf(
        "%s changes=%llu reads=%llu errors=%llu refused=%llu lost=%llu resolved=%llu+%llu "
        "slowest_ms=%llu gap_ms=%llu unanswered=%u\n",
        l->verify ? "verify" : "run", (unsigned long long)l->changes, (unsigned long long)l->reads,
        (unsigned long long)l->errors, (unsigned long long)l->refused, (unsigned long long)l->lost,
        (unsigned long long)l->resolved_run, (unsigned long long)l->resolved_not,
        (unsigned long long)l->slowest_ns / 1000000, (unsigned long long)l->gap_ns / 1000000, left);
    fflush(stdout);
    if (left) /* their threads are still waiting: nothing can be released */
        _exit(1);
    free(workers);
    return l->errors || l->lost ? 1 : 0;
}

static unsigned number(const char *text, unsigned min, unsigned max)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (*end || n < min || n > max) {
        fprintf(stderr, "'%s' is not a number from %u to %u\n", text, min, max);
        exit(2);
    }
    return (unsigned)n;
}

static bool args_take(struct load *l, int argc, char **argv)
{
    static const struct option options[] = {
        {"conf", 1, NULL, 'c'},    {"pool", 1, NULL, 'p'},    {"journal", 1, NULL, 'j'},
        {"threads", 1, NULL, 't'}, {"clients", 1, NULL, 'n'}, {"objects", 1, NULL, 'o'},
        {"seconds", 1, NULL, 's'}, {"timeout", 1, NULL, 'T'}, {"bytes-max", 1, NULL, 'b'},
        {"seed", 1, NULL, 'S'},    {"full-ok", 0, NULL, 'F'}, {0}};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            l->conf = optarg;
            break;
        case 'p':
            l->pool = optarg;
            break;
        case 'j':
            l->journal = optarg;
            break;
        case 't':
            l->threads = number(optarg, 1, THREADS_MAX);
            break;
        case 'n':
            l->clients = number(optarg, 1, CLIENTS_MAX);
            break;
        case 'o':
            l->objects = number(optarg, 1, 1000000);
            break;
        case 's':
            l->seconds = number(optarg, 1, 1000000);
            break;
        case 'T':
            l->timeout_s = number(optarg, 1, 3600);
            break;
        case 'b':
            l->bytes_max = number(optarg, 1, MODEL_BYTES_MAX);
            break;
        case 'S':
            l->seed = number(optarg, 0, 1u << 31);
            break;
        case 'F':
            l->full_ok = true;
            break;
        default:
            return false;
        }
    }
    if (optind + 1 != argc || !l->pool || !l->journal)
        return false;
    l->verify = strcmp(argv[optind], "verify") == 0;
    if (l->threads > l->objects)
        l->threads = l->objects;
    return l->verify || strcmp(argv[optind], "run") == 0;
}

int main(int argc, char **argv)
{
    struct load l = {.threads = 16,
                     .clients = 4,
                     .objects = 256,
                     .timeout_s = 120,
                     .bytes_max = MODEL_BYTES_MAX,
                     .lock = PTHREAD_MUTEX_INITIALIZER};
    sigset_t set;
    int rc;

    if (!args_take(&l, argc, argv)) {
        fprintf(
            stderr,
            "usage: loadgen --pool POOL --journal FILE [--conf FILE] [--threads N] [--clients N]\n"
            "       [--objects N] [--seconds N] [--timeout SECONDS] [--bytes-max N] [--seed N]\n"
            "       [--full-ok] run|verify\n");
        return 2;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL); /* before any thread: only run_supervise takes them */
    model_open(&l.model, l.journal, l.objects);
    connect_all(&l);
    rc = work(&l, &set);
    disconnect_all(&l);
    model_close(&l.model);
    return rc;
}
