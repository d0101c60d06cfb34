/* test_loop.c - reactors: posting, deferring, timers, workers, watching, operations. */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "core/base/cursor.h"
#include "core/base/metrics.h"
#include "core/env/op.h"
#include "tests/unit/env_real/rig.h"

/* --- clock and randomness --- */

T(loop, clock_runs_forward_and_random_bytes_differ)
{
    struct rig g;
    uint8_t a[700] = {0}, b[700] = {0};
    uint64_t last;

    rig_start(&g, NULL);
    last = env_now_ns(g.env);
    for (int i = 0; i < 10000; i++) {
        uint64_t now = env_now_ns(g.env);

        T_GE(now, last);
        last = now;
    }
    T_GT(env_wall_ns(g.env), 1700000000 * NS_PER_S);
    for (size_t bytes = 8; bytes <= sizeof(a); bytes += 173) {
        env_random_bytes(g.env, a, bytes);
        env_random_bytes(g.env, b, bytes);
        T_TRUE(memcmp(a, b, bytes) != 0);
    }
    for (int i = 0; i < 200; i++) /* more than one refill */
        T_NE(env_random_u64(g.env), env_random_u64(g.env));
    rig_stop(&g);
}

/* --- posting --- */

enum { TASKS = 20000, THREADS = 4 };

struct count {
    uint64_t ran, out_of_order;
    uint64_t last[THREADS];
};
struct numbered {
    struct env_task task;
    struct count *count;
    uint32_t thread, number;
};

static void numbered_run(struct env_task *t)
{
    struct numbered *n = CONTAINER_OF(t, struct numbered, task);

    n->count->ran++;
    if (n->number != n->count->last[n->thread])
        n->count->out_of_order++;
    n->count->last[n->thread] = n->number + 1;
}

struct poster {
    struct rig *g;
    struct numbered *tasks;
    struct count *count;
    uint32_t thread;
};

static void *poster_run(void *arg)
{
    struct poster *p = arg;

    for (uint32_t i = 0; i < TASKS; i++) {
        p->tasks[i] = (struct numbered){.count = p->count, .thread = p->thread, .number = i};
        env_task_init(&p->tasks[i].task, numbered_run);
        env_post(p->g->env, &p->tasks[i].task);
        if (i % 1000 == 0)
            usleep(100); /* let the loop fall asleep now and then */
    }
    return NULL;
}

static bool all_ran(void *arg)
{
    return ((struct count *)arg)->ran == (uint64_t)TASKS * THREADS;
}

T(loop, tasks_of_every_thread_run_once_and_in_its_order)
{
    struct rig g;
    struct count count = {0};
    struct poster posters[THREADS];
    pthread_t threads[THREADS];

    rig_start(&g, NULL);
    for (uint32_t i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){&g, calloc(TASKS, sizeof(struct numbered)), &count, i};
        T_TRUE(posters[i].tasks != NULL);
        T_EQ(pthread_create(&threads[i], NULL, poster_run, &posters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    T_TRUE(rig_wait(&g, all_ran, &count));
    T_EQ(count.out_of_order, 0);
    rig_stop(&g);
    for (int i = 0; i < THREADS; i++)
        free(posters[i].tasks);
}

static void held(void *arg)
{
    sem_t *s = arg;

    sem_post(&s[0]);
    while (sem_wait(&s[1]) < 0)
        ;
}

struct holder {
    struct rig *g;
    sem_t s[2]; /* it is held; let it go */
};

static void *holder_run(void *arg)
{
    struct holder *h = arg;

    rig_on(h->g, held, h->s);
    return NULL;
}

T(loop, a_loop_that_is_awake_is_not_woken)
{
    struct rig g;
    struct holder holder = {.g = &g};
    struct count count = {0};
    struct numbered *tasks = calloc(TASKS, sizeof(*tasks));
    struct host_stats before, after;
    pthread_t thread;

    rig_start(&g, NULL);
    sem_init(&holder.s[0], 0, 0);
    sem_init(&holder.s[1], 0, 0);
    T_EQ(pthread_create(&thread, NULL, holder_run, &holder), 0);
    while (sem_wait(&holder.s[0]) < 0)
        ;
    host_stats(g.h, 0, &before);
    for (uint32_t i = 0; i < TASKS; i++) {
        tasks[i] = (struct numbered){.count = &count, .number = i};
        env_task_init(&tasks[i].task, numbered_run);
        env_post(g.env, &tasks[i].task);
    }
    host_stats(g.h, 0, &after);
    sem_post(&holder.s[1]);
    pthread_join(thread, NULL);
    rig_stop(&g); /* runs what was posted */
    T_EQ(after.wakes, before.wakes);
    T_EQ(count.ran, TASKS);
    T_EQ(count.out_of_order, 0);
    free(tasks);
}

struct order {
    struct env *env;
    struct env_task outer, inner, deferred, deferred_again;
    char seen[16];
    unsigned count;
};

static void saw(struct order *o, char what)
{
    o->seen[o->count++] = what;
}

static void order_inner(struct env_task *t)
{
    saw(CONTAINER_OF(t, struct order, inner), 'i');
}

static void order_deferred_again(struct env_task *t)
{
    saw(CONTAINER_OF(t, struct order, deferred_again), 'D');
}

static void order_deferred(struct env_task *t)
{
    struct order *o = CONTAINER_OF(t, struct order, deferred);

    env_defer(o->env, &o->deferred_again);
    saw(o, 'd');
}

static void order_outer(struct env_task *t)
{
    struct order *o = CONTAINER_OF(t, struct order, outer);

    env_defer(o->env, &o->deferred);
    env_post(o->env, &o->inner);
    saw(o, 'o');
}

static bool order_complete(void *arg)
{
    return ((struct order *)arg)->count == 4;
}

T(loop, posted_tasks_run_after_the_call_and_deferred_ones_after_them)
{
    struct rig g;
    struct order o = {0};

    rig_start(&g, NULL);
    o.env = g.env;
    env_task_init(&o.outer, order_outer);
    env_task_init(&o.inner, order_inner);
    env_task_init(&o.deferred, order_deferred);
    env_task_init(&o.deferred_again, order_deferred_again);
    env_post(g.env, &o.outer);
    T_TRUE(rig_wait(&g, order_complete, &o));
    T_STR_EQ(o.seen, "oidD");
    rig_stop(&g);
}

/* --- timers --- */

struct alarm {
    struct env_timer timer;
    struct alarms *all;
    char name;
};
struct alarms {
    struct env *env;
    struct alarm a[5];
    char seen[16];
    unsigned count, early;
    uint64_t spins;
};

static void alarm_fired(struct env_timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);
    struct alarms *all = a->all;

    if (env_now_ns(all->env) < t->at_ns || t->armed)
        all->early++;
    all->seen[all->count++] = a->name;
    if (a->name == 'b') /* due at the same moment, but taken back */
        env_timer_cancel(all->env, &all->a[3].timer);
}

static void alarms_arm(void *arg)
{
    struct alarms *all = arg;
    uint64_t at = env_now_ns(all->env) + 20 * NS_PER_MS;

    for (int i = 0; i < 5; i++) {
        all->a[i] = (struct alarm){.all = all, .name = (char)('a' + i)};
        env_timer_init(&all->a[i].timer, alarm_fired);
    }
    env_timer_at(all->env, &all->a[1].timer, at);
    env_timer_at(all->env, &all->a[2].timer, at);
    env_timer_at(all->env, &all->a[3].timer, at);
    env_timer_at(all->env, &all->a[0].timer, 0); /* overdue: at once, but not from in here */
    env_timer_after(all->env, &all->a[4].timer, UINT64_MAX);
    env_timer_at(all->env, &all->a[4].timer, at - 10 * NS_PER_MS); /* moved */
    env_timer_at(all->env, &all->a[1].timer, at);                  /* moved behind its equals */
    all->spins = all->count;
}

static bool three_fired(void *arg)
{
    return ((struct alarms *)arg)->count >= 4;
}

T(loop, timers_fire_in_order_never_early_and_not_after_cancel)
{
    struct rig g;
    struct alarms all = {0};

    rig_start(&g, NULL);
    all.env = g.env;
    rig_on(&g, alarms_arm, &all);
    T_EQ(all.spins, 0);
    T_TRUE(rig_wait(&g, three_fired, &all));
    usleep(30000);
    T_STR_EQ(all.seen, "aecdb");
    T_EQ(all.early, 0);
    rig_stop(&g);
}

static void spin_fired(struct env_timer *t)
{
    struct alarm *a = CONTAINER_OF(t, struct alarm, timer);

    if (++a->all->spins < 5000)
        env_timer_after(a->all->env, t, 0);
}

static void spin_start(void *arg)
{
    struct alarms *all = arg;

    all->a[0].all = all;
    env_timer_init(&all->a[0].timer, spin_fired);
    env_timer_after(all->env, &all->a[0].timer, 0);
}

static bool spun(void *arg)
{
    return ((struct alarms *)arg)->spins == 5000;
}

T(loop, a_timer_that_rearms_itself_does_not_starve_the_loop)
{
    struct rig g;
    struct alarms all = {0};

    rig_start(&g, NULL);
    all.env = g.env;
    rig_on(&g, spin_start, &all);
    T_TRUE(rig_wait(&g, spun, &all)); /* asked by posted tasks */
    rig_stop(&g);
}

/* --- workers --- */

enum { WORKS = 2000 };
struct work {
    struct env_work w;
    struct works *all;
    bool at_home;
};
struct works {
    struct env *env;
    struct work works[WORKS];
    unsigned done, wrong;
};

static void work_do(struct env_work *w)
{
    struct work *k = CONTAINER_OF(w, struct work, w);

    k->at_home = env_is_home(k->all->env);
}

static void work_done(struct env_work *w)
{
    struct work *k = CONTAINER_OF(w, struct work, w);

    k->all->wrong += k->at_home || !env_is_home(k->all->env);
    k->all->done++;
}

static void works_submit(void *arg)
{
    struct works *all = arg;

    for (int i = 0; i < WORKS; i++) {
        all->works[i] =
            (struct work){.w = {.work = work_do, .done = work_done}, .all = all, .at_home = true};
        env_work_submit(all->env, &all->works[i].w);
    }
    all->wrong += all->done; /* completions do not come from inside the call */
}

static bool works_done(void *arg)
{
    return ((struct works *)arg)->done == WORKS;
}

T(loop, work_runs_elsewhere_and_is_done_at_home)
{
    struct rig g;
    struct works *all = calloc(1, sizeof(*all));

    rig_start(&g, NULL);
    all->env = g.env;
    rig_on(&g, works_submit, all);
    T_TRUE(rig_wait(&g, works_done, all));
    T_EQ(all->wrong, 0);
    rig_stop(&g);
    free(all);
}

T(loop, work_that_was_submitted_is_done_before_the_host_is_gone)
{
    struct rig g;
    struct works *all = calloc(1, sizeof(*all));

    rig_start(&g, NULL);
    all->env = g.env;
    rig_on(&g, works_submit, all);
    rig_stop(&g);
    T_EQ(all->done, WORKS);
    free(all);
}

/* --- watching --- */

struct watched {
    struct env *env;
    struct env_watch watch;
    int fd[2];
    int rc;
    unsigned bytes, calls;
};

static void watched_ready(struct env_watch *w)
{
    struct watched *p = CONTAINER_OF(w, struct watched, watch);
    char in[16];
    ssize_t n = read(p->fd[0], in, sizeof(in));

    p->calls++;
    if (n > 0)
        p->bytes += (unsigned)n;
}

static void watched_start(void *arg)
{
    struct watched *p = arg;

    p->rc = env_watch_start(p->env, &p->watch, p->fd[0]);
}

static void watched_stop(void *arg)
{
    struct watched *p = arg;

    env_watch_stop(p->env, &p->watch);
    env_watch_stop(p->env, &p->watch);
}

static bool watched_three(void *arg)
{
    return ((struct watched *)arg)->bytes == 3;
}

T(loop, a_watched_descriptor_reports_readability_until_stopped)
{
    struct rig g;
    struct watched p = {.watch = {.ready = watched_ready}};
    unsigned calls;

    rig_start(&g, NULL);
    p.env = g.env;
    T_OK(pipe(p.fd));
    rig_on(&g, watched_start, &p);
    T_OK(p.rc);
    T_EQ(write(p.fd[1], "abc", 3), 3);
    T_TRUE(rig_wait(&g, watched_three, &p));
    rig_on(&g, watched_stop, &p);
    calls = p.calls;
    T_EQ(write(p.fd[1], "abc", 3), 3);
    usleep(20000);
    T_EQ(p.calls, calls);
    close(p.fd[0]);
    p.fd[0] = -1;
    rig_on(&g, watched_start, &p);
    T_LT(p.rc, 0);
    close(p.fd[1]);
    rig_stop(&g);
}

/* --- host --- */

static void is_home(void *arg)
{
    struct rig *g = arg;

    T_TRUE(env_is_home(g->env) && !env_is_home(host_env(g->h, 1)));
}

static void sleep_long(void *arg)
{
    UNUSED(arg);
    usleep(12000);
}

T(loop, the_watchdog_counts_a_callback_that_held_the_loop)
{
    struct rig g;
    struct host_stats stats;
    struct metric_set set;
    struct metric_set *sets[] = {&set};
    struct writer page = {0};

    rig_start(&g, &(struct host_conf){.reactors = 2});
    T_EQ(host_reactors(g.h), 2);
    T_FALSE(env_is_home(g.env));
    rig_on(&g, is_home, &g);
    rig_on(&g, sleep_long, NULL);
    rig_on(&g, is_home, &g); /* the one before has been accounted for */
    host_stats(g.h, 0, &stats);
    T_GE(stats.slow_tasks, 1);
    T_GE(stats.slowest_ns, 12 * NS_PER_MS);
    T_GT(stats.turns, 0);
    metric_set_init(&set, "");
    T_OK(host_metrics_add(g.h, 0, &set));
    T_OK(metrics_print(sets, 1, &page));
    wr_u8(&page, 0);
    T_TRUE(strstr((char *)page.data, "env_slow_tasks_total{reactor=\"0\"}") != NULL);
    writer_fini(&page);
    metric_set_fini(&set);
    rig_stop(&g);
}

struct capture {
    struct log_sink sink;
    char line[512];
};

static void captured(struct log_sink *sink, enum log_level level, const char *line, size_t bytes)
{
    struct capture *c = CONTAINER_OF(sink, struct capture, sink);

    UNUSED(level);
    snprintf(c->line, sizeof(c->line), "%.*s", (int)bytes, line);
}

static void never_fired(struct env_timer *t)
{
    UNUSED(t);
}

T(loop, what_is_left_when_the_host_stops_is_reported)
{
    struct rig g;
    struct capture c = {.sink = {.write = captured, .level_max = LOG_WARN}};
    struct alarms all = {0};

    rig_start(&g, &(struct host_conf){.reactors = 1, .sink = &c.sink});
    T_TRUE(env_log_sink(g.env) == &c.sink);
    rig_stop(&g);
    T_STR_EQ(c.line, "");
    rig_start(&g, &(struct host_conf){.reactors = 1, .sink = &c.sink});
    all.env = g.env;
    env_timer_init(&all.a[0].timer, never_fired);
    env_timer_after(g.env, &all.a[0].timer, NS_PER_S); /* no task runs there: nobody looks */
    rig_stop(&g);
    T_TRUE(strstr(c.line, "timers=1") != NULL);
}

T(loop, starting_fails_cleanly_at_every_allocation)
{
    bool started = false;

    for (int n = 0; !started; n++) {
        struct host *h = NULL;
        struct note why = {""};
        int rc;

        T_LT(n, 100);
        mem_fail_after(n);
        rc = host_create(&(struct host_conf){.reactors = 2}, &h, &why);
        started = !mem_fail_hit();
        mem_fail_after(-1);
        if (rc < 0)
            T_EQ(rc, -ENOMEM);
        host_destroy(h); /* a ring that found no memory is done without */
    }
}

/* --- operations --- */

struct sum_op {
    struct op base;
    unsigned runs, done;
    int rc;
    unsigned stage;
};

static void sum_run(struct op *base)
{
    struct sum_op *op = CONTAINER_OF(base, struct sum_op, base);

    ASSERT_HOME(base);
    op->runs++;
    if (!op_going(base) || op->stage == 2) {
        op_finish(base);
        op_wake(base); /* a late completion */
        return;
    }
    op->stage++;
    op_wake(base);
    op_wake(base);
}

static void sum_done(struct op *base, void *arg)
{
    struct sum_op *op = CONTAINER_OF(base, struct sum_op, base);

    op->done++;
    op->rc = base->rc;
    T_TRUE(arg == op);
    op_fini(base);
}

static void sum_start(void *arg)
{
    struct sum_op *op = arg;

    op_start(&op->base, sum_done, op);
    op->stage += op->runs * 100; /* it does not run from inside the call */
}

static bool sum_is_done(void *arg)
{
    return ((struct sum_op *)arg)->done == 1;
}

T(loop, an_operation_runs_once_per_batch_of_wakes_and_is_done_once)
{
    struct rig g;
    struct sum_op op = {0};

    rig_start(&g, NULL);
    op_init(&op.base, g.env, sum_run);
    rig_on(&g, sum_start, &op);
    T_TRUE(rig_wait(&g, sum_is_done, &op));
    T_EQ(op.runs, 3);
    T_EQ(op.rc, 0);

    op = (struct sum_op){0};
    op_init(&op.base, g.env, sum_run);
    op_cancel(&op.base);
    rig_on(&g, sum_start, &op);
    T_TRUE(rig_wait(&g, sum_is_done, &op));
    T_EQ(op.runs, 1);
    T_EQ(op.rc, -ECANCELED);

    op = (struct sum_op){0};
    op_init(&op.base, g.env, sum_run);
    op.base.deadline_ns = 1;
    rig_on(&g, sum_start, &op);
    T_TRUE(rig_wait(&g, sum_is_done, &op));
    T_EQ(op.rc, -ETIMEDOUT);

    op = (struct sum_op){0};
    op_init(&op.base, g.env, sum_run);
    op_fail(&op.base, -EIO);
    op_fail(&op.base, -ENOSPC);
    op_cancel(&op.base);
    rig_on(&g, sum_start, &op);
    T_TRUE(rig_wait(&g, sum_is_done, &op));
    T_EQ(op.rc, -EIO);
    rig_stop(&g);
}
