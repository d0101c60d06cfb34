/* stage.c - a simulation with gateways in it, that start, stop and die. */
#include "tests/unit/s3/bucket/stage.h"

#include <stdio.h>

#include "s3/bucket/bucket_int.h"

__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

/* ---- gates ---- */

struct gate_start_arg {
    struct stage *st;
    struct gate *g;
};

static void on_ready(void *arg, int rc)
{
    struct gate *g = arg;

    g->ready = true;
    g->ready_rc = rc;
}

static void gate_start_in(void *arg)
{
    struct gate_start_arg *x = arg;
    struct cairn *c = fake_connect(&x->st->fake, x->g->env);
    int rc = bucket_layer_start(x->g->env, c, &x->st->conf, on_ready, x->g, &x->g->l);

    T_OK(rc);
}

void gate_start(struct stage *st, unsigned i)
{
    struct gate *g = &st->gate[i];
    struct gate_start_arg x = {st, g};

    g->env = sim_process_start(g->m, "s3");
    g->life++;
    g->ready = g->stopped = false;
    sim_enter(g->env, gate_start_in, &x);
}

static bool flag_is_set(void *arg)
{
    return *(bool *)arg;
}

void gate_wait_ready(struct stage *st, unsigned i)
{
    sim_run_until(st->sim, sim_now_ns(st->sim) + 60 * NS_PER_S, flag_is_set, &st->gate[i].ready);
    T_TRUE(st->gate[i].ready);
    T_OK(st->gate[i].ready_rc);
}

static void on_stopped(void *arg)
{
    struct gate *g = arg;

    g->stopped = true;
    g->l = NULL;
}

static void gate_stop_in(void *arg)
{
    struct gate *g = arg;

    bucket_layer_stop(g->l, on_stopped, g);
}

void gate_stop(struct stage *st, unsigned i)
{
    struct gate *g = &st->gate[i];

    if (!g->l)
        return;
    sim_enter(g->env, gate_stop_in, g);
    sim_run_until(st->sim, sim_now_ns(st->sim) + 100 * NS_PER_S, flag_is_set, &g->stopped);
    T_TRUE(g->stopped);
    T_EQ(sim_process_end(g->env), 0);
}

void gate_kill(struct stage *st, unsigned i)
{
    sim_process_kill(st->gate[i].env);
    st->gate[i].l = NULL;
}

void stage_init(struct stage *st, uint64_t seed)
{
    memset(st, 0, sizeof(*st));
    st->sim = sim_create(&(struct sim_conf){.seed = seed});
    st->sets = calloc(SETS_MAX, sizeof(*st->sets));
    fake_init(&st->fake, st->sim, seed + 1);
    st->conf = (struct bucket_conf){.stripe_bytes = 4096,
                                    .window_objects = 3,
                                    .inline_bytes_max = 512,
                                    .call_timeout_ms = 2000,
                                    .background_timeout_ms = 500,
                                    .reader_grace_ms = 8000,
                                    .intent_stale_ms = 20000,
                                    .collect_every_ms = 1000,
                                    .collect_rows_max = 50,
                                    .upload_keep_ms = 60000,
                                    .part_bytes_min = 1000,
                                    .no_collector = true};
    for (unsigned i = 0; i < GATES; i++) {
        char ip[16];

        snprintf(ip, sizeof(ip), "127.0.0.%u", i + 1);
        st->gate[i].m = sim_machine_create(st->sim, ip, ip);
        gate_start(st, i);
    }
    for (unsigned i = 0; i < GATES; i++)
        gate_wait_ready(st, i);
}

void stage_fini(struct stage *st)
{
    for (unsigned i = 0; i < GATES; i++)
        gate_stop(st, i);
    T_EQ(st->fake.misuse, 0);
    sim_destroy(st->sim);
    fake_fini(&st->fake);
    free(st->sets);
}

void stage_run(struct stage *st, uint64_t ns)
{
    sim_run_until(st->sim, sim_now_ns(st->sim) + ns, NULL, NULL);
}

static bool act_is_done(void *arg)
{
    const struct act *a = arg;

    return a->done;
}

int act_do(struct stage *st, unsigned gate, struct act *a)
{
    act_start(st, gate, a);
    if (!a->done)
        sim_run_until(st->sim, sim_now_ns(st->sim) + 600 * NS_PER_S, act_is_done, a);
    if (!a->done)
        T_FAIL("act %d on %s/%s did not end", a->kind, a->bucket, a->key);
    return a->rc;
}
