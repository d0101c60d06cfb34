/* test_body_hash.c - bodies that are hashed side by side: each has its own hashes and its own fate.
 *
 * Bodies of two batches go through a line of one worker, some of them in signed chunks; the line is
 * closed while they wait in it. */
#include "core/env/sim.h"
#include "s3/object/body_hash.h"
#include "tests/unit/t.h"

enum { BODIES = 21, BATCHES = 2, BATCH = 9000, WRONG = 5 };

struct one {
    struct stage *st;
    struct body_hash hash;
    struct sigv4_chain signer;
    uint8_t data[BATCHES][BATCH];
    uint32_t bytes[BATCHES];
    unsigned given, back;
};
struct stage {
    struct env *env;
    struct hash_line *line;
    struct digest_kit kit;
    struct hash scratch;
    unsigned over;
    struct one one[BODIES];
};

static bool in_chunks(unsigned i)
{
    return i % 3 != 0;
}

static void give(struct one *o);

static void given_back(struct batch *t)
{
    struct one *o = CONTAINER_OF(t->hash, struct one, hash);

    blob_unref(t->blob);
    mem_free(t);
    if (++o->back < BATCHES)
        give(o);
    else
        o->st->over++;
}

/* What the client signs; a wrong one is wrong from the second chunk on. */
static void mark_add(struct one *o, struct batch *t, uint32_t from, uint32_t at)
{
    struct batch_mark *m = &t->mark[t->mark_count++];
    uint8_t sum[SHA256_BYTES];

    T_OK(sha256_of(&o->st->scratch, &o->st->kit, t->blob->data + from, at - from, sum));
    T_OK(sigv4_chain_next(&o->signer, &o->st->scratch, &o->st->kit, false, sum));
    m->at = at;
    memcpy(m->signature, o->signer.last, SHA256_BYTES);
    m->signature[7] ^= o == &o->st->one[WRONG] && t->mark_count == 2;
}

static void give(struct one *o)
{
    struct batch *t = mem_zalloc(sizeof(*t));
    uint32_t bytes = o->bytes[o->given], from = 0;

    T_TRUE(t != NULL);
    t->blob = blob_create(BATCH);
    T_TRUE(t->blob != NULL);
    memcpy(t->blob->data, o->data[o->given++], bytes);
    t->used = bytes;
    t->hash = &o->hash;
    t->done = given_back;
    for (uint32_t at = bytes / 4; o->hash.signs && o->signer.stamp[0] && from < bytes;) {
        mark_add(o, t, from, at);
        from = at;
        at = MIN(bytes, at + 1 + at * 2); /* chunks end with their batch */
    }
    hash_line_add(o->st->line, t);
}

static void begin(void *arg)
{
    struct stage *st = arg;

    T_OK(digest_kit_init(&st->kit));
    st->line = hash_line_create(st->env, 1);
    T_TRUE(st->line != NULL);
    for (unsigned i = 0; i < BODIES; i++) {
        struct one *o = &st->one[i];

        o->st = st;
        for (unsigned b = 0; b < BATCHES; b++) {
            o->bytes[b] = BATCH - (i * 977 + b * 131) % 5000;
            for (uint32_t k = 0; k < o->bytes[b]; k++)
                o->data[b][k] = (uint8_t)(k * (i + 3) + k / 251 + b);
        }
        T_OK(body_hash_init(&o->hash, st->line, i % 7 != 6, CHECKSUM_CRC32));
        if (in_chunks(i))
            strcpy(o->signer.stamp, "20150830T123600Z");
        o->hash.chain = o->signer;
        give(o);
    }
    hash_line_close(st->line);
}

static void hashes_agree(struct one *o, enum hash_kind kind, struct stream_hash *h)
{
    uint8_t got[SHA256_BYTES], want[SHA256_BYTES];
    struct hash one = {0};

    T_OK(hash_begin(&one, &o->st->kit, kind));
    for (unsigned b = 0; b < BATCHES; b++)
        hash_add(&one, o->data[b], o->bytes[b]);
    hash_end(&one, want);
    stream_end(h, got);
    T_MEM_EQ(got, want, kind == HASH_MD5 ? MD5_BYTES : SHA256_BYTES);
    hash_fini(&one);
}

static void end(void *arg)
{
    struct stage *st = arg;

    for (unsigned i = 0; i < BODIES; i++) {
        struct one *o = &st->one[i];

        T_EQ(o->hash.error, i == WRONG ? S3_SignatureDoesNotMatch : S3_OK);
        hashes_agree(o, HASH_MD5, &o->hash.md5);
        if (!in_chunks(i) && o->hash.signs)
            hashes_agree(o, HASH_SHA256, &o->hash.sha256);
        else if (o->hash.signs && i != WRONG)
            T_MEM_EQ(o->hash.chain.last, o->signer.last, SHA256_BYTES);
        body_hash_fini(&o->hash);
    }
    hash_fini(&st->scratch);
    digest_kit_fini(&st->kit);
}

static bool all_over(void *arg)
{
    return ((struct stage *)arg)->over == BODIES;
}

T(s3_body_hash, bodies_that_are_hashed_together_keep_their_own_hashes_and_faults)
{
    static struct stage st;
    struct sim_conf conf = {.seed = 1};
    struct sim *sim;

    mem_scopes_enable();
    sim = sim_create(&conf);
    T_TRUE(sim != NULL);
    st.env = sim_process_start(sim_machine_create(sim, "gate", "127.0.0.1"), "gate");
    sim_enter(st.env, begin, &st);
    sim_run_until(sim, 10 * NS_PER_S, all_over, &st);
    T_EQ(st.over, BODIES);
    sim_enter(st.env, end, &st);
    while (sim_step(sim))
        continue;
    T_EQ(sim_process_end(st.env), 0);
    sim_destroy(sim);
}

/* ---- long ones and a short one ---- */

enum { LONG_ONES = 20, LONG = 200 << 10, SHORT = 20 << 10 };

struct queue {
    struct env *env;
    struct hash_line *line;
    struct body_hash hash[LONG_ONES + 1];
    unsigned back, before_short; /* how many had come back when the short one did */
};

static struct queue queue;

static void queue_back(struct batch *t)
{
    if (t->used == SHORT)
        queue.before_short = queue.back;
    queue.back++;
    blob_unref(t->blob);
    mem_free(t);
}

static void queue_begin(void *arg)
{
    UNUSED(arg);
    queue.line = hash_line_create(queue.env, 2);
    T_TRUE(queue.line != NULL);
    for (unsigned i = 0; i <= LONG_ONES; i++) {
        struct batch *t = mem_zalloc(sizeof(*t));

        T_TRUE(t != NULL);
        t->used = i < LONG_ONES ? LONG : SHORT;
        t->blob = blob_create(t->used);
        T_TRUE(t->blob != NULL);
        memset(t->blob->data, (int)i, t->used);
        T_OK(body_hash_init(&queue.hash[i], queue.line, true, CHECKSUM_CRC32));
        t->hash = &queue.hash[i];
        t->done = queue_back;
        hash_line_add(queue.line, t);
    }
    hash_line_close(queue.line);
}

static void queue_end(void *arg)
{
    UNUSED(arg);
    for (unsigned i = 0; i <= LONG_ONES; i++)
        body_hash_fini(&queue.hash[i]);
}

static bool queue_over(void *arg)
{
    UNUSED(arg);
    return queue.back == LONG_ONES + 1;
}

T(s3_body_hash, a_short_batch_does_not_stand_in_line_behind_long_ones)
{
    struct sim_conf conf = {.seed = 1};
    struct lanes lanes;
    struct sim *sim;

    lanes_init(&lanes);
    if (!lanes_help(&lanes))
        return; /* each batch is a work here, in the order of coming */
    mem_scopes_enable();
    sim = sim_create(&conf);
    T_TRUE(sim != NULL);
    queue.env = sim_process_start(sim_machine_create(sim, "gate", "127.0.0.1"), "gate");
    sim_enter(queue.env, queue_begin, NULL);
    sim_run_until(sim, 10 * NS_PER_S, queue_over, NULL);
    T_EQ(queue.back, LONG_ONES + 1);
    T_LE(queue.before_short, 1 + LANES); /* who was first, alone, and those after him */
    sim_enter(queue.env, queue_end, NULL);
    while (sim_step(sim))
        continue;
    T_EQ(sim_process_end(queue.env), 0);
    sim_destroy(sim);
}
