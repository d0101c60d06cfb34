/* sim.c - the simulated world: virtual time, one event after the other, one trace.
 *
 * A run is a loop: take the event with the least (time, sequence), make its time the present, step
 * into its process's memory scope, run it, step out, and clean up after whatever died of it.  All
 * that happens is an event's callback or the driver's own doing between events.
 *
 * A process that is killed while its own code runs (by cut_at_io, or by itself) cannot be taken
 * apart under that code's feet: it is doomed, which makes every call of it void, and dies when the
 * outermost callback has returned (sim_reap). */
#include <stdio.h>

#include "core/env/sim_impl.h"

enum { ALLOC_TRIES = 2, UNREADABLE_PER_MILLION = 1000 };

void *sim_try_alloc(size_t bytes)
{
    struct mem_scope *before = mem_scope_enter(NULL);
    void *p = mem_zalloc(bytes);

    mem_scope_enter(before);
    return p;
}

/* An injected failure hits one allocation: what cannot report it tries again. */
void *sim_alloc(size_t bytes)
{
    for (int i = 0; i < ALLOC_TRIES; i++) {
        void *p = sim_try_alloc(bytes);

        if (p)
            return p;
    }
    UNREACHABLE(); /* the simulating machine is out of memory */
}

void sim_free(void *p)
{
    mem_free(p);
}

uint64_t sim_between(struct sim *s, uint64_t lo, uint64_t hi)
{
    return lo >= hi ? lo : rng_between(&s->rng, lo, hi);
}

void sim_trace(struct sim *s, uint64_t a, uint64_t b)
{
    uint64_t h = (s->hash ^ a) * UINT64_C(0x9e3779b97f4a7c15);

    h = (h ^ (h >> 32) ^ b) * UINT64_C(0xd6e8feb86659fd93);
    s->hash = h ^ (h >> 32);
}

/* --- life --- */

static void print_seed(void *arg)
{
    const struct sim *s = arg;

    fprintf(stderr, "simulator: seed %llu, at %llu ns of virtual time\n",
            (unsigned long long)s->conf.seed, (unsigned long long)s->now_ns);
}

static void fill(uint64_t *value, uint64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

struct sim *sim_create(const struct sim_conf *conf)
{
    struct sim *s = sim_alloc(sizeof(*s));

    s->conf = *conf;
    fill(&s->conf.net_delay_min_ns, 50 * NS_PER_US);
    fill(&s->conf.net_delay_max_ns, 500 * NS_PER_US);
    fill(&s->conf.disk_delay_min_ns, 50 * NS_PER_US);
    fill(&s->conf.disk_delay_max_ns, 2 * NS_PER_MS);
    fill(&s->conf.work_delay_max_ns, 300 * NS_PER_US);
    if (s->conf.unreadable_per_million == 0)
        s->conf.unreadable_per_million = UNREADABLE_PER_MILLION;
    rng_seed(&s->rng, conf->seed);
    rng_seed(&s->test_rng, conf->seed ^ UINT64_C(0x7465737473));
    rng_seed(&s->fault_rng, conf->seed ^ UINT64_C(0x6661756c7473));
    s->hash = conf->seed;
    list_init(&s->machines);
    list_init(&s->links);
    list_init(&s->calls);
    list_init(&s->calls_free);
    assert_set_hook(print_seed, s);
    return s;
}

static void calls_free(struct list *calls)
{
    struct list *l;

    while ((l = list_pop_front(calls)))
        sim_free(LIST_ENTRY(l, struct sim_call, link));
}

void sim_destroy(struct sim *s)
{
    struct list *l;

    if (!s)
        return;
    ASSERT(s->depth == 0);
    LIST_EACH (pos, &s->machines) /* all of them first: their connections know each other */
        sim_machine_stop(LIST_ENTRY(pos, struct sim_machine, link));
    while ((l = list_pop_front(&s->machines)))
        sim_machine_destroy(LIST_ENTRY(l, struct sim_machine, link));
    ASSERT(list_empty(&s->links)); /* each had an end in some process */
    calls_free(&s->calls);
    calls_free(&s->calls_free);
    sim_queue_fini(&s->queue);
    assert_set_hook(NULL, NULL);
    sim_free(s);
}

struct rng *sim_rng(struct sim *s)
{
    return &s->test_rng;
}

uint64_t sim_now_ns(const struct sim *s)
{
    return s->now_ns;
}

uint64_t sim_trace_hash(const struct sim *s)
{
    return s->hash;
}

void sim_trace_add(struct sim *s, uint64_t value)
{
    sim_trace(s, UINT64_MAX, value);
}

/* --- calls --- */

struct sim_call *sim_call_get(struct sim *s)
{
    struct list *l = list_pop_front(&s->calls_free);

    if (l)
        return LIST_ENTRY(l, struct sim_call, link);
    return sim_alloc(sizeof(struct sim_call));
}

void sim_call_put(struct sim *s, struct sim_call *c)
{
    list_remove(&c->link);
    list_push_front(&s->calls_free, &c->link);
}

static void call_run(struct sim_event *ev)
{
    struct sim_call *c = CONTAINER_OF(ev, struct sim_call, ev);
    void (*fn)(void *) = c->fn;
    void *arg = c->arg;

    sim_call_put(c->sim, c);
    fn(arg);
}

void sim_at(struct sim *s, uint64_t t_ns, void (*fn)(void *arg), void *arg)
{
    struct sim_call *c = sim_call_get(s);

    *c = (struct sim_call){.sim = s, .fn = fn, .arg = arg};
    list_push_back(&s->calls, &c->link);
    sim_event_init(&c->ev, NULL, SIM_EV_CALL, 0, call_run);
    sim_schedule(s, &c->ev, MAX(t_ns, s->now_ns));
}

/* --- running --- */

static void event_run(struct sim *s, struct sim_event *ev)
{
    struct sim_process *p = ev->p;

    sim_unschedule(s, ev);
    sim_trace(s, s->now_ns, (uint64_t)ev->kind << 56 ^ (p ? p->number << 40 : 0) ^ ev->id);
    if (p) {
        struct sim_frame before = sim_inside(p);

        ev->run(ev); /* `ev` may be gone now */
        sim_outside(p, before);
    } else {
        ev->run(ev);
    }
    if (s->reaping)
        sim_reap(s);
    if (s->check)
        s->check(s->check_arg);
}

bool sim_step(struct sim *s)
{
    struct sim_event *ev;

    ASSERT(s->depth == 0); /* not from inside a process */
    if (s->reaping)
        sim_reap(s);
    while ((ev = sim_queue_first(&s->queue))) {
        s->now_ns = ev->at_ns;
        if (!ev->p || ev->p->paused_until_ns <= s->now_ns)
            break;
        sim_schedule(s, ev, ev->p->paused_until_ns); /* a new sequence: they keep their order */
    }
    if (!ev)
        return false;
    event_run(s, ev);
    return true;
}

void sim_run_until(struct sim *s, uint64_t t_ns, bool (*stop)(void *arg), void *arg)
{
    struct sim_event *ev;

    while ((ev = sim_queue_first(&s->queue)) && ev->at_ns <= t_ns) {
        if (ev->p && ev->p->paused_until_ns > t_ns) { /* sim_step would go past t_ns */
            sim_schedule(s, ev, ev->p->paused_until_ns);
            continue;
        }
        sim_step(s);
        if (stop && stop(arg))
            return;
    }
    s->now_ns = MAX(s->now_ns, t_ns);
}

void sim_on_step(struct sim *s, void (*check)(void *arg), void *arg)
{
    s->check = check;
    s->check_arg = arg;
}
