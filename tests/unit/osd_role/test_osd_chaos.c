/* test_osd_chaos.c - a client that goes on while OSDs crash, pause, are cut off and put out.
 *
 * One client, one operation at a time: what it reads must be what was acknowledged last.  At the
 * end faults stop, and every copy of every object must be equal.  CHAOS_SEED and CHAOS_SEEDS
 * choose. */
#include "core/base/rng.h"
#include "tests/unit/osd_role/world.h"

enum { OBJECTS = 8, STEPS = 100, OSDS = 4 };

struct chaos {
    struct world w;
    struct rng r;
    struct {
        uint8_t fill;
        size_t bytes; /* 0: never written */
    } now[OBJECTS], next;
    unsigned writing; /* whose write is under way; OBJECTS: a read is */
    bool open;        /* an operation is under way */
};

static uint32_t running(const struct world *w)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < OSDS; i++)
        n += w->osd[i].env != NULL;
    return n;
}

static void fault(struct chaos *c)
{
    struct world *w = &c->w;
    uint32_t i = (uint32_t)rng_below(&c->r, OSDS), j = (uint32_t)rng_below(&c->r, OSDS);

    switch (rng_below(&c->r, 16)) {
    case 0:
        if (w->osd[i].env && running(w) > 2)
            world_osd_kill(w, i, rng_chance(&c->r, 1, 2));
        break;
    case 1:
    case 2:
    case 3:
        if (!w->osd[i].env)
            world_osd_launch(w, i);
        break;
    case 4:
        if (i != j)
            sim_net_cut(w->sim, w->osd[i].m, w->osd[j].m, rng_chance(&c->r, 1, 2));
        break;
    case 5:
    case 6:
        sim_net_heal_all(w->sim);
        break;
    case 7:
        if (w->osd[i].env)
            sim_process_pause(w->osd[i].env, rng_below(&c->r, 3000) * NS_PER_MS);
        break;
    case 8:
        world_down(w, i);
        break;
    case 9:
        world_out(w, i, rng_chance(&c->r, 1, 2));
        break;
    case 10:
        sim_net_reset_some(w->sim, 1, 3);
        break;
    default:
        break;
    }
}

static void object_name(unsigned o, char *out)
{
    (void)snprintf(out, 16, "o%u", o);
}

/* The answer to what is under way. */
static void settled(struct chaos *c, int rc)
{
    T_OK(rc);
    c->open = false;
    if (c->writing < OBJECTS)
        c->now[c->writing] = (__typeof__(c->now[0])){c->next.fill, c->next.bytes};
}

static void start_write(struct chaos *c, unsigned o, unsigned step)
{
    struct world *w = &c->w;
    char name[16];
    uint8_t *data;

    object_name(o, name);
    c->next.fill = (uint8_t)('a' + step % 26);
    c->next.bytes = 1 + (size_t)rng_below(&c->r, 20000);
    data = malloc(c->next.bytes);
    memset(data, c->next.fill, c->next.bytes);
    step_data(w, op_new(w, name, STEP_WRITE_FULL), data, c->next.bytes);
    free(data);
    c->writing = o;
}

static void check_read(struct chaos *c, unsigned o)
{
    const struct buf *b = &c->w.reply->results.result[0].data;

    T_EQ(b->bytes, c->now[o].bytes);
    for (uint64_t at = 0; at < b->bytes; at += 997) {
        uint8_t byte;

        buf_copy_out(b, at, &byte, 1);
        T_EQ(byte, c->now[o].fill);
    }
}

static void one_op(struct chaos *c, unsigned step)
{
    struct world *w = &c->w;
    unsigned o = (unsigned)rng_below(&c->r, OBJECTS);
    bool read = rng_chance(&c->r, 1, 3) && c->now[o].bytes;
    char name[16];
    int rc;

    if (c->open) {
        rc = op_wait(w, 800);
        if (rc != -ETIMEDOUT)
            settled(c, rc);
        return;
    }
    object_name(o, name);
    if (read) {
        (void)op_new(w, name, STEP_READ);
        c->writing = OBJECTS;
    } else {
        start_write(c, o, step);
    }
    rc = op_run_for(w, 2000);
    c->open = true;
    if (rc == -ETIMEDOUT)
        return;
    settled(c, rc);
    if (read)
        check_read(c, o);
}

static void calm(struct chaos *c)
{
    struct world *w = &c->w;

    sim_net_heal_all(w->sim);
    for (uint32_t i = 0; i < OSDS; i++) {
        if (!w->osd[i].env)
            world_osd_launch(w, i);
        world_out(w, i, false);
    }
    if (c->open)
        settled(c, op_wait(w, 60000));
    world_wait_clean(w, 120000);
    for (unsigned o = 0; o < OBJECTS; o++) {
        char name[16];

        if (!c->now[o].bytes)
            continue;
        object_name(o, name);
        T_OK(get_fill(w, name, c->now[o].fill, c->now[o].bytes));
        copies_equal(w, name);
    }
}

static void run(uint64_t seed)
{
    struct chaos *c = calloc(1, sizeof(*c));
    struct world *w = &c->w;

    rng_seed(&c->r, seed);
    world_init(w, seed, OSDS, 3, 1);
    if (rng_chance(&c->r, 1, 2))
        w->conf.osd_pg_log_min = w->conf.osd_pg_log_max = 2 + (uint32_t)rng_below(&c->r, 30);
    for (uint32_t i = 0; i < OSDS; i++)
        if (rng_chance(&c->r, 1, 2)) {
            world_osd_stop(w, i);
            world_osd_start(w, i);
        }
    for (unsigned step = 0; step < STEPS; step++) {
        fault(c);
        one_op(c, step);
    }
    calm(c);
    world_fini(w);
    free(c);
}

T(osd_chaos, what_is_acknowledged_is_read_whatever_fails)
{
    const char *first = getenv("CHAOS_SEED"), *count = getenv("CHAOS_SEEDS");
    uint64_t seed = first ? strtoull(first, NULL, 10) : 1,
             n = count ? strtoull(count, NULL, 10) : 12;

    for (uint64_t end = seed + n; seed < end; seed++)
        run(seed);
}
