/* body_hash.c - batches are hashed: several at a time, each body's in order.
 *
 * Where lanes help, few works run at once, with up to LANES batches each: what comes meanwhile
 * waits and goes together.  A client that is alone waits for nobody, and a short batch not for long
 * ones: when these have all those works, it goes to another worker alone.  Elsewhere each batch is
 * a work, one for each worker. */
#include "s3/object/body_hash.h"

enum { SHORT_BYTES = 32 << 10 };

struct job {
    struct env_work work;
    struct hash_line *line; /* borrowed */
    struct batch *batch[LANES];
    unsigned count; /* 0: not under way */
    bool has_long;
};

struct hash_line {
    struct env *env;       /* borrowed */
    struct digest_kit kit; /* owned: a gateway may go while a worker has its last bodies */
    struct lanes lanes;
    struct list waiting; /* struct batch */
    bool answering, closed;
    unsigned running, running_long;
    unsigned at_once, jobs; /* those of the line come first; the others are for short batches */
    unsigned together;      /* batches of one */
    struct job job[];
};

int body_hash_init(struct body_hash *h, const struct hash_line *l, bool signs,
                   enum checksum_kind checksum)
{
    h->kit = &l->kit;
    h->signs = signs;
    stream_begin(&h->md5, HASH_MD5);
    stream_begin(&h->sha256, HASH_SHA256);
    return checksum_begin(&h->checksum, h->kit, checksum);
}

void body_hash_fini(struct body_hash *h)
{
    hash_fini(&h->scratch);
    checksum_fini(&h->checksum);
    explicit_bzero(&h->chain, sizeof(h->chain));
}

/* --- hashing --- */

static void check_chunk(struct body_hash *h, const struct batch_mark *mark)
{
    uint8_t sum[SHA256_BYTES];

    stream_end(&h->sha256, sum);
    stream_begin(&h->sha256, HASH_SHA256);
    if (sigv4_chain_next(&h->chain, &h->scratch, h->kit, false, sum) < 0)
        h->error = S3_ServiceUnavailable;
    else if (!equal_in_constant_time(h->chain.last, mark->signature, SHA256_BYTES))
        h->error = S3_SignatureDoesNotMatch;
}

/* Where piece `i` of a batch begins: pieces lie between marks. */
static uint32_t piece_at(const struct batch *t, unsigned i)
{
    return i == 0 ? 0 : i <= t->mark_count ? t->mark[i - 1].at : t->used;
}

/* Piece `i` of all batches that have so many; false: none has. */
static bool pieces_sha256(const struct lanes *lanes, struct batch *const *batches, unsigned count,
                          unsigned i)
{
    struct stream_piece pieces[LANES];
    struct batch *of[LANES];
    unsigned n = 0;

    for (unsigned k = 0; k < count; k++) {
        struct batch *t = batches[k];
        uint32_t at = piece_at(t, i);

        if (!t->hash->signs || t->hash->error != S3_OK || i > t->mark_count)
            continue;
        of[n] = t;
        pieces[n++] =
            (struct stream_piece){&t->hash->sha256, t->blob->data + at, piece_at(t, i + 1) - at};
    }
    if (n == 0)
        return false;
    stream_add_all(lanes, pieces, n);
    for (unsigned k = 0; k < n; k++)
        if (i < of[k]->mark_count)
            check_chunk(of[k]->hash, &of[k]->mark[i]);
    return true;
}

static void batches_hash(const struct lanes *lanes, struct batch *const *batches, unsigned count)
{
    struct stream_piece pieces[LANES];

    for (unsigned k = 0; k < count; k++) {
        struct batch *t = batches[k];

        checksum_add(&t->hash->checksum, t->blob->data, t->used);
        pieces[k] = (struct stream_piece){&t->hash->md5, t->blob->data, t->used};
    }
    stream_add_all(lanes, pieces, count);
    for (unsigned i = 0; pieces_sha256(lanes, batches, count, i);)
        i++;
}

void batch_hash(struct batch *t)
{
    batches_hash(NULL, &t, 1);
}

/* --- the line --- */

struct hash_line *hash_line_create(struct env *env, unsigned workers)
{
    struct hash_line *l;

    workers = MAX(workers, 1u);
    l = mem_zalloc(sizeof(*l) + workers * sizeof(l->job[0]));
    if (!l || digest_kit_init(&l->kit) < 0) {
        mem_free(l);
        return NULL;
    }
    l->env = env;
    lanes_init(&l->lanes);
    list_init(&l->waiting);
    l->together = lanes_help(&l->lanes) ? LANES : 1;
    l->at_once = l->together > 1 ? MAX(workers / 2, 1u) : workers;
    l->jobs = workers;
    return l;
}

static void line_free_if_over(struct hash_line *l)
{
    if (!l->closed || l->running || !list_empty(&l->waiting))
        return;
    digest_kit_fini(&l->kit);
    mem_free(l);
}

void hash_line_close(struct hash_line *l)
{
    if (!l)
        return;
    l->closed = true;
    line_free_if_over(l);
}

static void job_work(struct env_work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);

    batches_hash(&j->line->lanes, j->batch, j->count);
}

static void line_go(struct hash_line *l);

/* A body's next batch comes from inside `done`: all of them are to go on together. */
static void job_done(struct env_work *w)
{
    struct job *j = CONTAINER_OF(w, struct job, work);
    struct hash_line *l = j->line;

    l->answering = true;
    for (unsigned i = 0; i < j->count; i++)
        j->batch[i]->done(j->batch[i]);
    l->answering = false;
    j->count = 0;
    l->running--;
    l->running_long -= j->has_long;
    line_go(l);
    line_free_if_over(l);
}

static struct job *job_idle(struct hash_line *l, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if (l->job[i].count == 0)
            return &l->job[i];
    return NULL;
}

/* As many of these as go together, at least one. */
static void job_start(struct job *j, struct hash_line *l, struct list *batches)
{
    *j = (struct job){.work = {.work = job_work, .done = job_done}, .line = l};
    while (j->count < l->together && !list_empty(batches)) {
        struct batch *t = LIST_ENTRY(list_pop_front(batches), struct batch, link);

        j->batch[j->count++] = t;
        j->has_long |= t->used > SHORT_BYTES;
    }
    l->running++;
    l->running_long += j->has_long;
    env_work_submit(l->env, &j->work);
}

static void line_go(struct hash_line *l)
{
    struct job *j;

    while (!list_empty(&l->waiting) && (j = job_idle(l, 0, l->at_once)))
        job_start(j, l, &l->waiting);
}

void hash_line_add(struct hash_line *l, struct batch *t)
{
    bool passes = t->used <= SHORT_BYTES && l->running_long >= l->at_once;
    struct job *j = passes ? job_idle(l, l->at_once, l->jobs) : NULL;
    struct list alone;

    if (j) {
        list_init(&alone);
        list_push_back(&alone, &t->link);
        job_start(j, l, &alone);
        return;
    }
    list_push_back(&l->waiting, &t->link);
    if (!l->answering)
        line_go(l);
}
