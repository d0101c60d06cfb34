/* stage_real.c - the stage on real files: the store runs on a reactor, the test waits beside it. */
#include "core/env/env_real.h"
#include "tests/unit/store/stage.h"

#include <time.h>
#include <unistd.h>

void stage_init_real(struct stage *st, uint64_t seed, struct host *h, const char *folder)
{
    memset(st, 0, sizeof(*st));
    st->seed = seed;
    st->host = h;
    st->env = host_env(h, 0);
    st->fsck_env = env_blocking_create(NULL);
    st->conf = (struct store_conf){
        .folder = folder, .data_bytes = MIB(16), .journal_bytes = MIB(1), .cache_bytes = 20000};
    rng_seed(&st->rng, seed * 77 + 5);
    model_init(&st->model);
}

void stage_fini(struct stage *st)
{
    model_fini(&st->model);
    env_blocking_destroy(st->fsck_env);
}

bool stage_alive(struct stage *st)
{
    UNUSED(st);
    return true;
}

void stage_enter(struct stage *st, void (*fn)(void *), void *arg)
{
    host_call(st->host, 0, fn, arg);
}

struct question {
    bool (*cond)(void *);
    void *arg;
    bool yes;
};

static void ask(void *arg)
{
    struct question *q = arg;

    q->yes = q->cond(q->arg);
}

bool stage_until(struct stage *st, bool (*cond)(void *), void *arg)
{
    struct question q = {cond, arg, false};
    uint64_t until_ns = env_now_ns(st->env) + 100 * NS_PER_S;

    for (;;) {
        stage_enter(st, ask, &q);
        if (q.yes || env_now_ns(st->env) > until_ns)
            return q.yes;
        usleep(20);
    }
}

void stage_pass(struct stage *st, uint64_t ns)
{
    UNUSED(st);
    usleep((useconds_t)(ns / 1000));
}
