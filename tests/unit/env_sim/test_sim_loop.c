/* test_sim_loop.c - clock, tasks, timers, works, and the lives of processes. */
#include "tests/unit/env_sim/world.h"

enum { TASKS = 20, TIMERS = 200 };

struct job {
    struct env_task task;
    struct env_timer timer;
    struct env_work work;
    struct env *env;
    char name;
    uint64_t due_ns;
};

static struct world w;
static char seen[4 * TIMERS]; /* the names of what ran, in order */

static void see(char name)
{
    size_t len = strlen(seen);

    T_LT(len + 1, sizeof(seen));
    seen[len] = name;
    seen[len + 1] = '\0';
}

static void start(uint64_t seed)
{
    memset(seen, 0, sizeof(seen));
    world_init(&w, seed);
}

static void task_run(struct env_task *task)
{
    struct job *j = CONTAINER_OF(task, struct job, task);

    T_TRUE(env_is_home(j->env));
    see(j->name);
}

static struct job job(char name)
{
    struct job j = {.env = w.env[0], .name = name};

    return j;
}

/* --- tasks --- */

T(sim_loop, tasks_run_in_order_of_posting_and_not_inside_the_call)
{
    struct job jobs[TASKS];

    start(1);
    for (unsigned i = 0; i < TASKS; i++) {
        jobs[i] = job((char)('a' + i));
        env_task_init(&jobs[i].task, task_run);
        env_post(w.env[0], &jobs[i].task);
    }
    T_STR_EQ(seen, "");
    world_run(&w, NS_PER_MS);
    T_STR_EQ(seen, "abcdefghijklmnopqrst");
    world_end_clean(&w);
}

static struct job post_jobs[4];
static void post_and_defer(void *arg)
{
    UNUSED(arg);
    env_post(w.env[0], &post_jobs[0].task);
    env_defer(w.env[0], &post_jobs[1].task);
    env_defer(w.env[0], &post_jobs[2].task);
    env_post(w.env[0], &post_jobs[3].task);
}

T(sim_loop, deferred_tasks_run_after_what_was_ready)
{
    start(2);
    for (unsigned i = 0; i < 4; i++) {
        post_jobs[i] = job((char)('a' + i));
        env_task_init(&post_jobs[i].task, task_run);
    }
    sim_enter(w.env[0], post_and_defer, NULL);
    world_run(&w, NS_PER_MS);
    T_STR_EQ(seen, "abcd");
    world_end_clean(&w);
}

T(sim_loop, posting_a_task_twice_is_caught)
{
    struct job j;

    start(3);
    j = job('a');
    env_task_init(&j.task, task_run);
    env_post(w.env[0], &j.task);
    T_ABORTS(env_post(w.env[0], &j.task));
    world_run(&w, NS_PER_MS);
    env_post(w.env[0], &j.task);
    world_run(&w, NS_PER_MS);
    T_STR_EQ(seen, "aa");
    world_end_clean(&w);
}

/* --- timers --- */

static void timer_fire(struct env_timer *t)
{
    struct job *j = CONTAINER_OF(t, struct job, timer);

    T_FALSE(t->armed);
    T_GE(env_now_ns(j->env), j->due_ns);
    T_LT(env_now_ns(j->env), j->due_ns + NS_PER_MS);
    see(j->name);
}

static void arm(struct job *j, uint64_t delay_ns)
{
    j->due_ns = env_now_ns(j->env) + delay_ns;
    env_timer_after(j->env, &j->timer, delay_ns);
}

static struct job timer_job(char name)
{
    struct job j = job(name);

    env_timer_init(&j.timer, timer_fire);
    return j;
}

T(sim_loop, timers_fire_in_order_of_time_and_never_early)
{
    struct job a, b, c, d;

    start(4);
    a = timer_job('a'), b = timer_job('b'), c = timer_job('c'), d = timer_job('d');
    arm(&c, 30 * NS_PER_MS);
    arm(&a, 10 * NS_PER_MS);
    arm(&b, 20 * NS_PER_MS);
    arm(&d, 20 * NS_PER_MS);
    env_timer_cancel(w.env[0], &d.timer);
    env_timer_cancel(w.env[0], &d.timer);
    T_FALSE(d.timer.armed);
    world_run(&w, 9 * NS_PER_MS);
    T_STR_EQ(seen, "");
    world_run(&w, 100 * NS_PER_MS);
    T_STR_EQ(seen, "abc");
    arm(&a, 10 * NS_PER_MS);
    arm(&b, 20 * NS_PER_MS);
    arm(&a, 30 * NS_PER_MS); /* moves it */
    world_run(&w, 100 * NS_PER_MS);
    T_STR_EQ(seen, "abcba");
    env_timer_at(w.env[0], &a.timer, UINT64_MAX); /* never */
    a.due_ns = UINT64_MAX;
    world_run(&w, 3600 * NS_PER_S);
    T_TRUE(a.timer.armed);
    env_timer_cancel(w.env[0], &a.timer);
    world_end_clean(&w);
}

T(sim_loop, many_timers_of_random_times_come_sorted)
{
    struct job jobs[TIMERS];
    struct rng *r;
    uint64_t fired = 0;

    start(5);
    r = sim_rng(w.s);
    for (unsigned i = 0; i < TIMERS; i++) {
        jobs[i] = timer_job('t');
        arm(&jobs[i], rng_below(r, NS_PER_S));
        if (rng_chance(r, 1, 4))
            env_timer_cancel(w.env[0], &jobs[i].timer);
        else
            fired++;
    }
    world_run(&w, 2 * NS_PER_S);
    T_EQ(strlen(seen), fired);
    world_end_clean(&w);
}

T(sim_loop, a_skewed_clock_runs_at_its_rate_and_timers_follow_it)
{
    struct job j;
    uint64_t before_ns, after_ns;

    start(6);
    sim_clock_skew(w.env[0], 100000); /* a tenth fast */
    before_ns = env_now_ns(w.env[0]);
    j = timer_job('a');
    arm(&j, 11 * NS_PER_S);
    world_run(&w, 9999 * NS_PER_MS);
    T_STR_EQ(seen, "");
    world_run(&w, 2 * NS_PER_MS);
    T_STR_EQ(seen, "a");
    arm(&j, 9 * NS_PER_S);
    sim_clock_skew(w.env[0], -100000); /* armed timers move */
    world_run(&w, 9999 * NS_PER_MS);
    T_STR_EQ(seen, "a");
    world_run(&w, 2 * NS_PER_MS);
    T_STR_EQ(seen, "aa");
    after_ns = env_now_ns(w.env[0]);
    T_GE(after_ns - before_ns, 20 * NS_PER_S - NS_PER_MS * 10);
    T_LE(after_ns - before_ns, 20 * NS_PER_S + NS_PER_MS * 10);
    world_end_clean(&w);
}

T(sim_loop, clocks_of_machines_differ_and_start_anew_with_the_power)
{
    start(7);
    T_NE(env_now_ns(w.env[0]), env_now_ns(w.env[1]));
    T_GT(env_wall_ns(w.env[0]), UINT64_C(1767225600) * NS_PER_S - NS_PER_S);
    world_run(&w, 3600 * NS_PER_S);
    T_GT(env_now_ns(w.env[0]), 3600 * NS_PER_S);
    world_power_cycle(&w, 0);
    T_LT(env_now_ns(w.env[0]), 60 * NS_PER_S);
    world_end_clean(&w);
}

/* --- works --- */

static void work_work(struct env_work *work)
{
    struct job *j = CONTAINER_OF(work, struct job, work);

    T_FALSE(env_is_home(j->env)); /* a worker, for all that it knows */
    see('W');
}

static void work_done(struct env_work *work)
{
    struct job *j = CONTAINER_OF(work, struct job, work);

    T_TRUE(env_is_home(j->env));
    see('d');
}

static void work_submit(void *arg)
{
    struct job *j = arg;

    env_work_submit(j->env, &j->work);
    see('s');
}

T(sim_loop, work_runs_later_and_done_after_it)
{
    struct job j;

    start(8);
    j = job('a');
    j.work = (struct env_work){.work = work_work, .done = work_done};
    sim_enter(w.env[0], work_submit, &j);
    T_STR_EQ(seen, "s");
    world_run(&w, NS_PER_MS);
    T_STR_EQ(seen, "sWd");
    world_end_clean(&w);
}

static void work_uses_the_loop(struct env_work *work)
{
    struct job *j = CONTAINER_OF(work, struct job, work);

    env_timer_after(j->env, &j->timer, 1);
}

T(sim_loop, a_worker_that_touches_its_reactor_is_caught)
{
    struct job j;

    start(9);
    j = timer_job('a');
    j.work = (struct env_work){.work = work_uses_the_loop, .done = work_done};
    sim_enter(w.env[0], work_submit, &j);
    T_ABORTS(world_run(&w, NS_PER_MS));
    world_fini(&w);
}

/* --- lives --- */

T(sim_loop, a_paused_process_runs_what_it_missed_in_order_afterwards)
{
    struct job a, b;

    start(10);
    a = timer_job('a'), b = timer_job('b');
    arm(&a, 10 * NS_PER_MS);
    arm(&b, 20 * NS_PER_MS);
    a.due_ns = b.due_ns = env_now_ns(w.env[0]) + 100 * NS_PER_MS;
    sim_process_pause(w.env[0], 100 * NS_PER_MS);
    world_run(&w, 99 * NS_PER_MS);
    T_STR_EQ(seen, "");
    world_run(&w, 10 * NS_PER_MS);
    T_STR_EQ(seen, "ab");
    world_end_clean(&w);
}

static void hoard(void *arg)
{
    struct env *env = arg;
    struct job *j = mem_zalloc(sizeof(*j));

    *j = (struct job){.env = env, .name = 'x'};
    env_task_init(&j->task, task_run);
    env_timer_init(&j->timer, timer_fire);
    j->work = (struct env_work){.work = work_work, .done = work_done};
    env_post(env, &j->task);
    env_timer_after(env, &j->timer, NS_PER_MS);
    env_work_submit(env, &j->work);
    T_TRUE(mem_alloc(1000) != NULL);
}

T(sim_loop, a_killed_process_runs_nothing_any_more)
{
    start(11);
    sim_enter(w.env[0], hoard, w.env[0]);
    T_TRUE(sim_process_alive(w.env[0]));
    sim_process_kill(w.env[0]);
    T_FALSE(sim_process_alive(w.env[0]));
    world_run(&w, NS_PER_S);
    T_STR_EQ(seen, "");
    sim_enter(w.env[0], hoard, w.env[0]);
    T_FALSE(sim_step(w.s));
    sim_process_kill(w.env[0]);
    world_fini(&w);
}

static void hoard_and_die(void *arg)
{
    hoard(arg);
    sim_process_kill(arg);
    T_FALSE(sim_process_alive(arg));
    hoard(arg); /* void, but its memory is still its own */
}

T(sim_loop, a_process_that_kills_itself_dies_when_its_code_returns)
{
    start(12);
    sim_enter(w.env[0], hoard_and_die, w.env[0]);
    world_run(&w, NS_PER_S);
    T_STR_EQ(seen, "");
    world_fini(&w);
}

T(sim_loop, ending_a_process_counts_what_it_leaves)
{
    start(13);
    sim_enter(w.env[0], hoard, w.env[0]);
    T_GT(sim_process_end(w.env[0]), 1000);
    T_FALSE(sim_process_alive(w.env[0]));
    T_EQ(sim_process_end(w.env[1]), 0);
    world_fini(&w);
}

static unsigned steps;
static void count_step(void *arg)
{
    T_TRUE(arg == &w);
    steps++;
}

static void kill_first(void *arg)
{
    T_TRUE(sim_now_ns(w.s) >= 5 * NS_PER_MS);
    sim_process_kill(arg);
}

T(sim_loop, the_driver_checks_after_each_event_and_acts_at_times)
{
    struct job j;

    start(14);
    steps = 0;
    j = timer_job('a');
    arm(&j, 10 * NS_PER_MS);
    sim_on_step(w.s, count_step, &w);
    sim_at(w.s, 5 * NS_PER_MS, kill_first, w.env[0]);
    world_run(&w, NS_PER_S);
    T_EQ(steps, 1);
    T_STR_EQ(seen, "");
    T_EQ(sim_now_ns(w.s), NS_PER_S);
    world_fini(&w);
}

T(sim_loop, random_bytes_come_from_the_seed)
{
    uint64_t first, again;
    uint8_t bytes[13] = {0};

    start(15);
    first = env_random_u64(w.env[0]);
    T_NE(first, env_random_u64(w.env[1]));
    world_fini(&w);
    start(15);
    again = env_random_u64(w.env[0]);
    T_EQ(first, again);
    env_random_bytes(w.env[0], bytes, 12);
    T_EQ(bytes[12], 0);
    world_fini(&w);
    start(16);
    T_NE(first, env_random_u64(w.env[0]));
    T_EQ(env_watch_start(w.env[0], NULL, 0), -ENOTSUP);
    world_fini(&w);
}
