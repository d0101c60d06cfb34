/* test_osd_memory.c - memory runs short in an OSD, at any of its allocations.
 *
 * A small history touches what an OSD does: writes small and large, omap, reads, deletes, a replica
 * that dies and catches up by log, one that is out of reach of the log, a start.  It is played once
 * to count one OSD's allocations, then again and again with another of them failing, alone or with
 * the ones behind it.  The OSD may answer -ENOMEM, take longer, or stop by itself (and then give
 * everything back, and be started again); nothing acknowledged may be lost, no copies may differ,
 * and no invariant may break.
 *
 * MEMORY_AT=n plays one; CAIRN_TEST_ALL plays all. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/osd_role/world.h"

enum { OBJECTS = 6, SAMPLES = 120, TRIES = 40 };

struct short_of {
    struct world w;
    uint32_t victim;
    uint64_t at, count; /* which of its allocations fail */
    bool hit, armed;
    uint64_t made; /* at the end */
    uint64_t stops, refusals;
};

/* --- an OSD that may fail --- */

static void arm(struct short_of *s)
{
    struct world_osd *o = &s->w.osd[s->victim];

    if (o->env && !s->armed && s->count) {
        mem_scope_fail(sim_process_memory(o->env), s->at, s->count);
        s->armed = true;
    }
}

static void look(struct short_of *s)
{
    struct world_osd *o = &s->w.osd[s->victim];

    if (o->env && s->armed)
        s->hit |= mem_scope_failed(sim_process_memory(o->env));
}

/* What stopped by itself is started again. */
static void revive(struct short_of *s)
{
    struct world_osd *o = &s->w.osd[s->victim];

    look(s);
    if (!o->env || !o->failed)
        return;
    if (!s->hit)
        T_FAIL("osd.%u failed without a reason: %s", s->victim, o->why);
    s->stops++;
    world_osd_stop(&s->w, s->victim); /* everything is given back */
    world_osd_launch(&s->w, s->victim);
}

static int wait_for_op(struct short_of *s, int rc)
{
    for (unsigned i = 0; rc == -ETIMEDOUT && i < 120; i++) {
        revive(s);
        rc = op_wait(&s->w, 500);
    }
    return rc;
}

/* The operation that was built, until it is done. */
static void run(struct short_of *s)
{
    int rc = -ENOMEM;

    for (unsigned i = 0; rc == -ENOMEM && i < TRIES; i++) {
        rc = wait_for_op(s, op_run_for(&s->w, 500));
        s->refusals += rc == -ENOMEM;
        if (rc == -ENOMEM && !s->hit)
            look(s);
        T_TRUE(rc != -ENOMEM || s->hit);
    }
    if (rc < 0)
        T_FAIL("at %llu of osd.%u: an operation ended with %s", (unsigned long long)s->at,
               s->victim, reason_name(rc));
}

static void name_of(unsigned i, char out[16])
{
    (void)snprintf(out, 16, "o%u", i);
}

static size_t size_of(unsigned i, unsigned round)
{
    return i == 0 ? 150000 : 500 + 3000 * i + round;
}

static void write_all(struct short_of *s, unsigned round)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        size_t bytes = size_of(i, round);
        uint8_t *data = malloc(bytes);
        char name[16];

        name_of(i, name);
        memset(data, (int)('a' + round + i), bytes);
        step_data(&s->w, op_new(&s->w, name, STEP_WRITE_FULL), data, bytes);
        if (i % 2)
            step_key(&s->w, op_step(&s->w, STEP_OMAP_SET), "key", "value");
        free(data);
        run(s);
    }
    (void)op_new(&s->w, "gone", STEP_CREATE);
    run(s);
    (void)op_new(&s->w, "gone", STEP_DELETE);
    run(s);
}

static void read_all(struct short_of *s, unsigned round)
{
    for (unsigned i = 0; i < OBJECTS; i++) {
        const struct buf *b;
        char name[16];

        name_of(i, name);
        (void)op_new(&s->w, name, STEP_READ);
        run(s);
        b = &s->w.reply->results.result[0].data;
        T_EQ(b->bytes, size_of(i, round));
        for (uint64_t at = 0; at < b->bytes; at += 499) {
            uint8_t byte;

            buf_copy_out(b, at, &byte, 1);
            T_EQ(byte, 'a' + round + i);
        }
    }
}

static bool healthy(struct world *w)
{
    struct short_of *s = CONTAINER_OF(w, struct short_of, w);

    return w->osd[s->victim].failed || world_clean(w);
}

static void wait_clean(struct short_of *s)
{
    for (unsigned i = 0; i < 60; i++) {
        revive(s);
        (void)world_until(&s->w, 2000, healthy);
        if (!s->w.osd[s->victim].failed && world_clean(&s->w))
            return;
    }
    T_FAIL("at %llu of osd.%u: not clean", (unsigned long long)s->at, s->victim);
}

/* --- the history --- */

/* The one that dies is never the victim. */
static uint32_t other(const struct short_of *s)
{
    return (s->victim + 1) % 3;
}

static void start_again(struct short_of *s, uint32_t i)
{
    world_osd_launch(&s->w, i);
    if (i == s->victim)
        arm(s); /* what it asks for from here on */
    wait_clean(s);
}

static void play(struct short_of *s, uint64_t seed, bool at_start)
{
    struct world *w = &s->w;

    world_init(w, seed, 3, 3, 2);
    w->conf.osd_pg_log_min = w->conf.osd_pg_log_max = 8;
    if (at_start) {
        write_all(s, 0);
        world_osd_kill(w, s->victim, true);
        world_run(w, 100);
        start_again(s, s->victim);
    } else {
        world_osd_stop(w, s->victim); /* for the short logs */
        world_osd_start(w, s->victim);
        world_wait_clean(w, 30000);
        arm(s);
        write_all(s, 0);
    }
    read_all(s, 0);
    world_osd_kill(w, other(s), false);
    write_all(s, 1);
    start_again(s, other(s)); /* by log, or not */
    world_osd_kill(w, other(s), true);
    write_all(s, 2);
    write_all(s, 3);
    write_all(s, 4);
    start_again(s, other(s)); /* by backfill */
    read_all(s, 4);
    look(s);
    s->made = mem_scope_made(sim_process_memory(w->osd[s->victim].env));
    if (s->armed)
        mem_scope_fail(sim_process_memory(w->osd[s->victim].env), 0, 0);
    wait_clean(s);
    for (unsigned i = 0; i < OBJECTS; i++) {
        char name[16];

        name_of(i, name);
        copies_equal(w, name);
    }
    world_fini(w);
}

static void short_everywhere(bool at_start)
{
    static const uint64_t counts[] = {1, 1, 3, 40};
    const char *one = getenv("MEMORY_AT");
    struct short_of s = {.victim = 0};
    uint64_t made, step, hits = 0, stops = 0, refusals = 0, runs = 0;

    play(&s, 31, at_start);
    made = s.made;
    step = getenv("CAIRN_TEST_ALL") ? 1 : MAX(made / SAMPLES, 1);
    for (uint64_t n = one ? strtoull(one, NULL, 10) : 0; n < made; n += one ? made : step) {
        /* Most between the even ones, else some would never be. */
        uint64_t at = one ? n : n + (step > 1 ? n / step * 7919 % step : 0);

        s = (struct short_of){.victim = (uint32_t)(at % 3), .at = at, .count = counts[at / 3 % 4]};
        if (getenv("MEMORY_SAY"))
            fprintf(stderr, "at %llu\n", (unsigned long long)at);
        play(&s, 31 + at % 5, at_start);
        hits += s.hit;
        stops += s.stops;
        refusals += s.refusals;
        runs++;
    }
    printf("%llu allocations; %llu runs: %llu were hit, %llu times an OSD stopped itself, %llu "
           "operations were refused\n",
           (unsigned long long)made, (unsigned long long)runs, (unsigned long long)hits,
           (unsigned long long)stops, (unsigned long long)refusals);
    T_TRUE(one || hits >= runs / 2);
}

T(osd_memory, any_allocation_may_fail_and_nothing_acknowledged_is_lost)
{
    short_everywhere(false);
}

T(osd_memory, any_allocation_of_a_start_may_fail)
{
    short_everywhere(true);
}
