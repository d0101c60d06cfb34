/* stage_sim.c - the stage in the simulator: a machine whose process is the store's. */
#include "tests/unit/store/stage.h"

__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

void stage_start_process(struct stage *st)
{
    st->env = st->fsck_env = sim_process_start(st->m, "osd");
    st->s = NULL;
    memset(st->held, 0, sizeof(st->held));
}

void stage_init(struct stage *st, uint64_t seed)
{
    memset(st, 0, sizeof(*st));
    st->seed = seed;
    st->sim = sim_create(&(struct sim_conf){.seed = seed});
    st->m = sim_machine_create(st->sim, "m", "127.0.0.1");
    st->conf = (struct store_conf){
        .folder = "osd", .data_bytes = MIB(32), .journal_bytes = MIB(2), .cache_bytes = 20000};
    rng_seed(&st->rng, seed * 77 + 5);
    model_init(&st->model);
    stage_start_process(st);
}

void stage_start(struct stage *st, uint64_t seed)
{
    stage_init(st, seed);
    st->conf.journal_bytes = MIB(1);
    st->conf.data_bytes = MIB(16);
    T_OK(stage_mkfs(st));
    T_OK(stage_open(st));
}

void stage_fini(struct stage *st)
{
    model_fini(&st->model);
    sim_destroy(st->sim);
}

bool stage_alive(struct stage *st)
{
    return sim_process_alive(st->env);
}

void stage_enter(struct stage *st, void (*fn)(void *), void *arg)
{
    sim_enter(st->env, fn, arg);
}

bool stage_until(struct stage *st, bool (*cond)(void *), void *arg)
{
    sim_run_until(st->sim, sim_now_ns(st->sim) + 100 * NS_PER_S, cond, arg);
    return cond(arg);
}

void stage_pass(struct stage *st, uint64_t ns)
{
    sim_run_until(st->sim, sim_now_ns(st->sim) + ns, NULL, NULL);
}
