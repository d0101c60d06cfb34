/* test_client_memory.c - memory runs short in a client, at any of its allocations.
 *
 * A client on a machine of its own opens a cluster of three OSDs, writes, reads, sees an OSD die
 * and come back, and closes.  That is played once to count its allocations, then again and again
 * with another of them failing, alone or with those behind it.  A call or an operation may say
 * -ENOMEM (it is then tried again); nothing may hang or be left behind, and what was acknowledged
 * is read back by another client.
 *
 * MEMORY_AT=n plays one; CAIRN_TEST_ALL plays all. */
#include <stdio.h>
#include <stdlib.h>

#include "core/client/include/cairn_env.h"
#include "tests/unit/osd_role/world.h"

enum { OBJECTS = 5, SAMPLES = 120, TRIES = 60 };

struct play {
    struct world w;
    struct sim_machine *m;
    struct env *env;
    struct cairn *c;
    struct cairn_pool *pool;
    uint64_t at, count; /* which allocations fail */
    bool hit, over;
    int rc;
    uint64_t made, refusals;
    /* the operation under way */
    struct cairn_op *op;
    char name[16];
    bool read;
    char fill;
    size_t bytes;
};

static size_t size_of(unsigned i)
{
    return i == 0 ? 200000 : 100 + 5000 * i;
}

static void refused(struct play *p, int rc)
{
    p->hit |= mem_scope_failed(sim_process_memory(p->env));
    if (rc != -ENOMEM || !p->hit)
        T_FAIL("at %llu: %s", (unsigned long long)p->at, reason_name(rc));
    p->refusals++;
}

static bool is_over(void *arg)
{
    return ((struct play *)arg)->over;
}

/* Let it come back. */
static int wait_over(struct play *p)
{
    sim_run_until(p->w.sim, sim_now_ns(p->w.sim) + 60 * NS_PER_S, is_over, p);
    if (!p->over)
        T_FAIL("at %llu: nothing came back for %s", (unsigned long long)p->at, p->name);
    return p->rc;
}

/* Call `fn` until it does not refuse. */
static void until_taken(struct play *p, void (*fn)(void *arg))
{
    for (unsigned i = 0; i < TRIES; i++) {
        p->over = false;
        p->rc = 0;
        sim_enter(p->env, fn, p);
        if (p->rc == 0)
            return;
        refused(p, p->rc);
        world_run(&p->w, 10);
    }
    T_FAIL("at %llu: refused again and again", (unsigned long long)p->at);
}

/* --- what runs in the client's process --- */

static void on_ready(void *arg, int rc)
{
    struct play *p = arg;

    p->rc = rc;
    p->over = true;
}

static void do_open(void *arg)
{
    struct play *p = arg;
    struct cairn_env_conf conf = {.conf = &p->w.conf};

    p->rc = cairn_open_env(p->env, &conf, on_ready, p, &p->c);
}

static void do_pool(void *arg)
{
    struct play *p = arg;

    p->rc = cairn_pool_open_env(p->c, "p", &p->pool);
}

static bool right(const struct play *p, const struct cairn_op *op)
{
    bool same = cairn_op_data_bytes(op, 0) == p->bytes;
    char *got = malloc(p->bytes);

    if (same)
        (void)cairn_op_data(op, 0, 0, got, p->bytes);
    for (size_t i = 0; i < p->bytes && same; i++)
        same = got[i] == p->fill;
    free(got);
    return same;
}

static void op_done(struct cairn_op *op, int rc, void *arg)
{
    struct play *p = arg;

    p->rc = rc;
    if (rc == 0 && p->read && !right(p, op))
        p->rc = -EILSEQ;
    cairn_op_destroy(op);
    p->over = true;
}

static void do_submit(void *arg)
{
    struct play *p = arg;
    struct cairn_op *op = cairn_op_create();
    struct cairn_pair pair = {"key", 3, "value", 5};
    char *data = malloc(p->bytes);

    memset(data, p->fill, p->bytes);
    p->rc = op ? 0 : -ENOMEM;
    if (op && p->read)
        p->rc = cairn_op_read(op, 0, p->bytes);
    else if (op)
        p->rc = cairn_op_write_full(op, data, p->bytes);
    if (p->rc >= 0 && !p->read)
        p->rc = cairn_op_omap_set(op, &pair, 1);
    if (p->rc >= 0)
        p->rc = cairn_submit(p->pool, p->name, strlen(p->name), op, op_done, p);
    if (p->rc < 0)
        cairn_op_destroy(op);
    free(data);
}

static void closed(void *arg)
{
    struct play *p = arg;

    p->rc = 0;
    p->over = true;
}

static void do_close(void *arg)
{
    struct play *p = arg;

    cairn_pool_close(p->pool);
    cairn_close_env(p->c, closed, p);
}

/* --- the history --- */

static void run_op(struct play *p, unsigned i, char fill, bool read)
{
    (void)snprintf(p->name, sizeof(p->name), "o%u", i);
    p->fill = (char)(fill + (char)i);
    p->bytes = size_of(i);
    p->read = read;
    for (unsigned tries = 0; tries < TRIES; tries++) {
        int rc;

        until_taken(p, do_submit);
        rc = wait_over(p);
        if (rc == 0)
            return;
        refused(p, rc);
    }
    T_FAIL("at %llu: no memory again and again", (unsigned long long)p->at);
}

static void run_all(struct play *p, char fill, bool read)
{
    for (unsigned i = 0; i < OBJECTS; i++)
        run_op(p, i, fill, read);
}

static void open_cluster(struct play *p)
{
    (void)snprintf(p->name, sizeof(p->name), "the cluster");
    until_taken(p, do_open);
    T_OK(wait_over(p));
    until_taken(p, do_pool);
}

static void close_cluster(struct play *p)
{
    p->hit |= mem_scope_failed(sim_process_memory(p->env));
    p->made = mem_scope_made(sim_process_memory(p->env));
    p->over = false;
    sim_enter(p->env, do_close, p);
    T_OK(wait_over(p));
    T_EQ(sim_process_end(p->env), 0);
}

static void play(struct play *p, uint64_t seed)
{
    struct world *w = &p->w;

    world_init(w, seed, 3, 3, 4);
    p->m = sim_machine_create(w->sim, "client", "127.0.0.99");
    p->env = sim_process_start(p->m, "client");
    mem_scope_fail(sim_process_memory(p->env), p->at, p->count);
    open_cluster(p);
    run_all(p, 'a', false);
    world_osd_kill(w, seed % 3, false);
    run_all(p, 'f', false);
    world_osd_start(w, seed % 3);
    run_all(p, 'f', true);
    run_op(p, 1, 'k', false);
    close_cluster(p);
    for (unsigned i = 0; i < OBJECTS; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "o%u", i);
        T_OK(get_fill(w, name, (uint8_t)((i == 1 ? 'k' : 'f') + i), size_of(i)));
    }
    world_fini(w);
}

T(client_memory, any_allocation_may_fail_and_nothing_hangs_or_is_lost)
{
    static const uint64_t counts[] = {1, 1, 2, 3, 30};
    const char *one = getenv("MEMORY_AT");
    struct play p = {.count = 0};
    uint64_t made, step, hits = 0, refusals = 0, runs = 0;

    play(&p, 51);
    made = p.made;
    step = getenv("CAIRN_TEST_ALL") ? 1 : MAX(made / SAMPLES, 1);
    for (uint64_t n = one ? strtoull(one, NULL, 10) : 0; n < made; n += one ? made : step) {
        uint64_t at = one ? n : n + (step > 1 ? n / step * 7919 % step : 0);

        if (getenv("MEMORY_SAY"))
            fprintf(stderr, "at %llu\n", (unsigned long long)at);
        p = (struct play){.at = at, .count = counts[at % 5]};
        play(&p, 51 + at % 3);
        hits += p.hit;
        refusals += p.refusals;
        runs++;
    }
    printf("%llu allocations; %llu runs: %llu were hit, %llu calls or operations were refused\n",
           (unsigned long long)made, (unsigned long long)runs, (unsigned long long)hits,
           (unsigned long long)refusals);
    T_TRUE(one || hits >= runs / 2);
    T_TRUE(one || refusals > 0);
}
