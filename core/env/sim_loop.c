/* sim_loop.c - one process's reactor: its clock, randomness, tasks, timers and works.
 *
 * Tasks: one event (turn_ev) runs one task, in order of posting.  Deferred tasks come after the
 * tasks that were posted before the first of them was deferred, a little later, so that
 * completions close together share a batch.
 * Timers: one event (timer_ev) waits for the earliest; the clock may run fast or slow.
 * Works: one event runs `work`, a later one `done`; blocking calls inside move `done` back. */
#include "core/env/sim_impl.h"

enum {
    PPM = 1000000,
    TASK_DELAY_MIN_NS = 200,
    TASK_DELAY_MAX_NS = 2000,
    DEFER_DELAY_MAX_NS = 8000,
    TIMER_LATE_MAX_NS = 50000,
    DONE_DELAY_MAX_NS = 5000,
    WORK_DELAY_MIN_NS = 1000,
};
#define WALL_START_NS (UINT64_C(1767225600) * NS_PER_S) /* 2026-01-01 */
#define FAR_NS        (UINT64_MAX / 4)

bool sim_is_home(struct env *env)
{
    return sim_of(sim_process_of(env))->inside == sim_process_of(env);
}

/* --- clocks and randomness --- */

static uint64_t clock_at(const struct sim_process *p, uint64_t true_ns)
{
    uint64_t passed = true_ns - p->clock_since_ns;

    return p->clock_base_ns + passed + (uint64_t)((__int128)passed * p->clock_ppm / PPM);
}

/* The first virtual time at which our clock shows at least `at_ns`. */
static uint64_t clock_when(const struct sim_process *p, uint64_t at_ns)
{
    uint64_t now_ns = sim_of(p)->now_ns, t;
    __int128 passed;

    if (at_ns <= clock_at(p, now_ns))
        return now_ns;
    passed = (__int128)(at_ns - p->clock_base_ns) * PPM / (PPM + p->clock_ppm);
    if (passed > (__int128)FAR_NS)
        return FAR_NS;
    t = MAX(p->clock_since_ns + (uint64_t)passed, now_ns);
    while (clock_at(p, t) < at_ns)
        t++;
    return t;
}

uint64_t sim_now_in(struct env *env)
{
    struct sim_process *p = sim_process_of(env);

    return clock_at(p, sim_of(p)->now_ns);
}

uint64_t sim_wall_in(struct env *env)
{
    struct sim_process *p = sim_process_of(env);

    return WALL_START_NS + sim_of(p)->now_ns + (uint64_t)p->m->wall_offset_ns;
}

void sim_random_bytes(struct env *env, void *out, size_t bytes)
{
    struct sim_process *p = sim_process_of(env);
    uint8_t *at = out;

    while (bytes > 0) {
        uint64_t v = rng_u64(&p->rng);

        for (size_t i = 0; i < sizeof(v) && bytes > 0; i++, bytes--) /* the same on any machine */
            *at++ = (uint8_t)(v >> (8 * i));
    }
}

/* --- tasks --- */

static void turn_arm(struct sim_process *p)
{
    struct sim *s = sim_of(p);
    bool posted = !list_empty(&p->posted);

    if (!posted && list_empty(&p->deferred))
        return;
    sim_schedule(s, &p->turn_ev,
                 s->now_ns + sim_between(s, TASK_DELAY_MIN_NS,
                                         posted ? TASK_DELAY_MAX_NS : DEFER_DELAY_MAX_NS));
}

static struct list *task_next(struct sim_process *p)
{
    if (list_empty(&p->posted) || (p->turn_left == 0 && !list_empty(&p->deferred)))
        return list_pop_front(&p->deferred);
    p->posted_count--;
    if (p->turn_left > 0)
        p->turn_left--;
    return list_pop_front(&p->posted);
}

static void turn_run(struct sim_event *ev)
{
    struct sim_process *p = ev->p;
    struct env_task *task = LIST_ENTRY(task_next(p), struct env_task, link);

    turn_arm(p);
    task->run(task);
}

void sim_post(struct env *env, struct env_task *task)
{
    struct sim_process *p = sim_process_of(env);

    if (!sim_process_works(p))
        return;
    ASSERT(!list_linked(&task->link)); /* posted again before it ran */
    list_push_back(&p->posted, &task->link);
    p->posted_count++;
    if (!sim_event_pending(&p->turn_ev))
        turn_arm(p);
}

void sim_defer(struct env *env, struct env_task *task)
{
    struct sim_process *p = sim_process_of(env);

    sim_assert_home(p);
    if (!sim_process_works(p))
        return;
    ASSERT(!list_linked(&task->link));
    if (list_empty(&p->deferred))
        p->turn_left = p->posted_count; /* what is ready now goes first */
    list_push_back(&p->deferred, &task->link);
    if (!sim_event_pending(&p->turn_ev))
        turn_arm(p);
}

/* --- timers --- */

static int timer_compare(struct env_timer *a, struct env_timer *b)
{
    if (a->at_ns != b->at_ns)
        return a->at_ns < b->at_ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

RB_GENERATE_STATIC(sim_timers, env_timer, node, timer_compare)

static void timers_arm(struct sim_process *p, bool clock_changed)
{
    struct sim *s = sim_of(p);
    struct env_timer *first = RB_MIN(sim_timers, &p->timers);

    if (!first) {
        sim_unschedule(s, &p->timer_ev);
        return;
    }
    if (sim_event_pending(&p->timer_ev) && p->timer_next_ns == first->at_ns && !clock_changed)
        return;
    p->timer_next_ns = first->at_ns;
    sim_schedule(s, &p->timer_ev,
                 clock_when(p, first->at_ns) + sim_between(s, 0, TIMER_LATE_MAX_NS));
}

static void timer_run(struct sim_event *ev)
{
    struct sim_process *p = ev->p;
    struct env_timer *t = RB_MIN(sim_timers, &p->timers);

    ASSERT(t && t->at_ns <= clock_at(p, sim_of(p)->now_ns));
    RB_REMOVE(sim_timers, &p->timers, t);
    t->armed = false;
    timers_arm(p, false);
    t->fire(t);
}

void sim_timer_cancel(struct env *env, struct env_timer *t)
{
    struct sim_process *p = sim_process_of(env);

    if (!t->armed || !sim_process_works(p))
        return;
    RB_REMOVE(sim_timers, &p->timers, t);
    t->armed = false;
    timers_arm(p, false);
}

void sim_timer_at(struct env *env, struct env_timer *t, uint64_t at_ns)
{
    struct sim_process *p = sim_process_of(env);

    sim_assert_home(p);
    if (!sim_process_works(p))
        return;
    if (t->armed)
        RB_REMOVE(sim_timers, &p->timers, t);
    t->at_ns = at_ns;
    t->order = ++p->timer_order;
    t->armed = true;
    RB_INSERT(sim_timers, &p->timers, t);
    timers_arm(p, false);
}

void sim_clock_skew(struct env *env, int32_t ppm)
{
    struct sim_process *p = sim_process_of(env);

    ASSERT(ppm > -PPM);
    p->clock_base_ns = sim_now_in(env);
    p->clock_since_ns = sim_of(p)->now_ns;
    p->clock_ppm = ppm;
    timers_arm(p, true);
}

void sim_wall_step(struct sim_machine *m, int64_t ns)
{
    m->wall_offset_ns += ns;
}

/* --- works --- */

static void work_done_run(struct sim_event *ev)
{
    struct sim_call *c = CONTAINER_OF(ev, struct sim_call, ev);
    struct env_work *w = c->work;

    sim_call_put(c->sim, c);
    w->done(w);
}

static void work_run(struct sim_event *ev)
{
    struct sim_call *c = CONTAINER_OF(ev, struct sim_call, ev);
    struct sim_process *p = ev->p;
    uint64_t delay_ns = sim_between(c->sim, TASK_DELAY_MIN_NS, DONE_DELAY_MAX_NS);

    c->sim->inside = NULL; /* not on the reactor: ASSERT_HOME sees who touches it from here */
    c->work->work(c->work);
    c->sim->inside = p;
    sim_event_init(&c->ev, p, SIM_EV_WORK_DONE, p->number, work_done_run);
    sim_schedule(c->sim, &c->ev, c->sim->now_ns + delay_ns + p->blocked_ns);
    p->blocked_ns = 0; /* a worker waited, not the loop */
}

void sim_work_submit(struct env *env, struct env_work *w)
{
    struct sim_process *p = sim_process_of(env);
    struct sim *s = sim_of(p);
    struct sim_call *c;

    w->env = env;
    if (!sim_process_works(p))
        return;
    c = sim_call_get(s);
    *c = (struct sim_call){.sim = s, .work = w};
    list_push_back(&p->works, &c->link);
    sim_event_init(&c->ev, p, SIM_EV_WORK, p->number, work_run);
    sim_schedule(s, &c->ev,
                 s->now_ns + sim_between(s, WORK_DELAY_MIN_NS, s->conf.work_delay_max_ns));
}

/* --- descriptors: there are none --- */

int sim_watch_start(struct env *env, struct env_watch *w, int fd)
{
    UNUSED(env);
    UNUSED(w);
    UNUSED(fd);
    return -ENOTSUP;
}

void sim_watch_stop(struct env *env, struct env_watch *w)
{
    UNUSED(env);
    UNUSED(w);
}

/* --- life --- */

void sim_loop_init(struct sim_process *p)
{
    RB_INIT(&p->timers);
    list_init(&p->posted);
    list_init(&p->deferred);
    list_init(&p->works);
    sim_event_init(&p->timer_ev, p, SIM_EV_TIMER, 0, timer_run);
    sim_event_init(&p->turn_ev, p, SIM_EV_TURN, 0, turn_run);
    p->clock_base_ns = sim_machine_clock(p->m);
    p->clock_since_ns = sim_of(p)->now_ns;
}

/* Comes before the scope is dropped: what is listed here is still there to be unlisted. */
void sim_loop_stop(struct sim_process *p)
{
    struct sim *s = sim_of(p);
    struct env_timer *t;

    while (list_pop_front(&p->posted))
        ;
    while (list_pop_front(&p->deferred))
        ;
    p->posted_count = p->turn_left = 0;
    while ((t = RB_MIN(sim_timers, &p->timers))) {
        RB_REMOVE(sim_timers, &p->timers, t);
        t->armed = false;
    }
    while (!list_empty(&p->works)) {
        struct sim_call *c = LIST_FIRST(&p->works, struct sim_call, link);

        sim_unschedule(s, &c->ev);
        sim_call_put(s, c);
    }
    sim_unschedule(s, &p->timer_ev);
    sim_unschedule(s, &p->turn_ev);
}

uint64_t sim_loop_pending(const struct sim_process *p)
{
    uint64_t count = p->posted_count;
    struct env_timer *t;

    LIST_EACH (l, &p->deferred)
        count++;
    LIST_EACH (l, &p->works)
        count++;
    for (t = RB_MIN(sim_timers, (struct sim_timers *)&p->timers); t; t = RB_NEXT(sim_timers, , t))
        count++;
    return count;
}
