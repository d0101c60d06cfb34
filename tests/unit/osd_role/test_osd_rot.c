/* test_osd_rot.c - bits flip under one OSD: whoever reads gets what was written, and in the end
 * every copy is whole, the damage counted and counted as repaired. */
#include "core/base/rng.h"
#include "tests/unit/osd_role/world.h"

enum { BYTES = 300000 }; /* large enough for extents of its own */

static const struct osd_counters *counters(struct world *w, uint32_t i)
{
    return osd_counters(w->osd[i].osd);
}

static uint32_t replica_of(struct world *w, const char *name)
{
    return (primary_of(w, name) + 1) % w->osd_count;
}

/* Nothing of it is in memory after this. */
static void restart(struct world *w, uint32_t i)
{
    world_osd_stop(w, i);
    world_osd_start(w, i);
    world_wait_clean(w, 20000);
}

static void flip_blocks(struct world *w, uint32_t i, uint64_t first, uint64_t blocks)
{
    unsigned flipped = 0;

    for (uint64_t b = first; b < first + blocks; b++)
        flipped += sim_disk_flip(w->osd[i].m, "/osd/data", 4096u * b + 77, 3) == 0;
    T_GT(flipped, 0);
}

static uint32_t watched;

static bool repaired(struct world *w)
{
    const struct osd_counters *n = counters(w, watched);

    return n->corrupt_found > 0 && n->corrupt_repaired == n->corrupt_found;
}

/* One OSD holds a bad copy; to be asked for it is enough. */
static void found_by_asking(bool primary)
{
    struct world w;

    world_init(&w, 30 + primary, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', BYTES));
    watched = primary ? primary_of(&w, "a") : replica_of(&w, "a");
    restart(&w, watched);
    watched = primary ? primary_of(&w, "a") : replica_of(&w, "a");
    flip_blocks(&w, watched, 1, 70);
    T_EQ(copy_of(&w, watched, "a"), -R_CSUM_MISMATCH);
    T_TRUE(world_until(&w, 20000, repaired));
    world_wait_clean(&w, 20000);
    T_OK(copy_of(&w, watched, "a"));
    copies_equal(&w, "a");
    T_OK(get_fill(&w, "a", 'x', BYTES));
    T_EQ(counters(&w, watched)->corrupt_found, 1);
    world_fini(&w);
}

T(osd_rot, a_replica_that_is_asked_for_a_rotten_copy_gets_it_repaired)
{
    found_by_asking(false);
}

T(osd_rot, a_primary_that_is_asked_for_a_rotten_copy_repairs_it)
{
    found_by_asking(true);
}

/* Of two copies each has another bad block: together they are whole. */
T(osd_rot, two_copies_with_damage_in_different_places_heal_each_other)
{
    struct world w;
    uint32_t p, r;

    world_init(&w, 33, 2, 2, 1);
    T_OK(put_fill(&w, "a", 'x', BYTES));
    restart(&w, 0);
    restart(&w, 1);
    p = primary_of(&w, "a");
    r = replica_of(&w, "a");
    flip_blocks(&w, p, 5, 1);
    flip_blocks(&w, r, 60, 1);
    T_EQ(copy_of(&w, r, "a"), -R_CSUM_MISMATCH); /* the primary reads for it, and meets its own */
    watched = r;
    T_TRUE(world_until(&w, 30000, repaired));
    T_OK(get_fill(&w, "a", 'x', BYTES));
    watched = p;
    T_TRUE(world_until(&w, 30000, repaired));
    world_wait_clean(&w, 20000);
    copies_equal(&w, "a");
    world_fini(&w);
}

/* Damage was noted down, and the power went before it was repaired. */
T(osd_rot, an_osd_starts_with_damage_that_it_knew_of)
{
    struct world w;
    uint32_t p;

    world_init(&w, 34, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', BYTES));
    restart(&w, primary_of(&w, "a"));
    p = primary_of(&w, "a");
    flip_blocks(&w, p, 1, 70);
    w.deaf = true; /* it goes on to lead */
    for (uint32_t i = 0; i < 3; i++)
        if (i != p)
            sim_net_cut(w.sim, w.osd[p].m, w.osd[i].m, true);
    T_EQ(copy_of(&w, p, "a"), -R_CSUM_MISMATCH);
    world_run(&w, 500);
    T_EQ(counters(&w, p)->corrupt_found, 1);
    T_EQ(counters(&w, p)->corrupt_repaired, 0);
    world_osd_kill(&w, p, true);
    w.deaf = false;
    sim_net_heal_all(w.sim);
    world_run(&w, 1000);
    world_osd_start(&w, p);
    world_wait_clean(&w, 30000);
    T_OK(get_fill(&w, "a", 'x', BYTES));
    copies_equal(&w, "a");
    world_fini(&w);
}

/* ---- anything rots, any time ---- */

enum { OBJECTS = 10, STEPS = 60 };

struct model {
    uint8_t fill[OBJECTS];
    size_t bytes[OBJECTS];
    unsigned key[OBJECTS]; /* the value of its omap row; 0: none */
};

static void name_of(unsigned i, char *out)
{
    (void)snprintf(out, 16, "o%u", i);
}

static void change(struct world *w, struct model *m, struct rng *r)
{
    unsigned o = (unsigned)rng_below(r, OBJECTS);
    char name[16], value[16];

    name_of(o, name);
    if (m->bytes[o] && rng_chance(r, 1, 2)) {
        (void)snprintf(value, sizeof(value), "%u", ++m->key[o]);
        step_key(w, op_new(w, name, STEP_OMAP_SET), "k", value);
        T_OK(op_run(w));
        return;
    }
    m->fill[o] = (uint8_t)('a' + rng_below(r, 26));
    m->bytes[o] = 1 + (size_t)rng_below(r, rng_chance(r, 1, 3) ? 200000 : 9000);
    T_OK(put_fill(w, name, m->fill[o], m->bytes[o]));
}

static void check_all(struct world *w, const struct model *m)
{
    for (unsigned o = 0; o < OBJECTS; o++) {
        char name[16], value[16];
        int rc;

        if (!m->bytes[o])
            continue;
        name_of(o, name);
        rc = get_fill(w, name, m->fill[o], m->bytes[o]);
        if (rc < 0)
            T_FAIL("seed %llu: reading %s: %s", (unsigned long long)w->seed, name, reason_name(rc));
        if (!m->key[o])
            continue;
        (void)snprintf(value, sizeof(value), "%u", m->key[o]);
        step_key(w, op_new(w, name, STEP_CMP_OMAP), "k", value);
        T_OK(op_run(w));
    }
}

static void flip_any(struct world *w, uint32_t i, struct rng *r)
{
    static const struct {
        const char *path;
        uint64_t bytes;
    } file[] = {{"/osd/data", MIB(4)},
                {"/osd/kv", 20000},
                {"/osd/kv", 200000},
                {"/osd/journal", MIB(2)},
                {"/osd/superblock", 200}};
    unsigned at = (unsigned)rng_below(r, ARRAY_LEN(file)), n = 1 + (unsigned)rng_below(r, 6);

    for (unsigned k = 0; k < n; k++) {
        uint64_t byte = rng_below(r, file[at].bytes);

        (void)sim_disk_flip(w->osd[i].m, file[at].path, byte, (unsigned)rng_below(r, 8));
    }
}

static bool up(struct world *w)
{
    return w->osd[watched].ready;
}

static void wait_up(struct world *w, uint32_t i)
{
    watched = i;
    if (!world_until(w, 30000, up))
        T_FAIL("seed %llu: osd.%u does not come up: %s", (unsigned long long)w->seed, i,
               w->osd[i].why);
}

static void rot_one(uint64_t seed, uint64_t *out_found)
{
    struct model m = {{0}, {0}, {0}};
    struct world w;
    struct rng r;
    uint32_t victim;

    rng_seed(&r, seed);
    world_init(&w, seed, 3, 3, 4);
    w.conf.osd_pg_log_min = w.conf.osd_pg_log_max = 5 + (uint32_t)rng_below(&r, 30);
    w.mends = true;
    victim = (uint32_t)rng_below(&r, 3);
    for (unsigned step = 0; step < STEPS; step++) {
        if (rng_chance(&r, 1, 12))
            flip_any(&w, victim, &r);
        if (rng_chance(&r, 1, 20)) {
            world_osd_kill(&w, victim, rng_chance(&r, 1, 3));
            w.osd[victim].ready = false;
            if (rng_chance(&r, 1, 2))
                flip_any(&w, victim, &r);
            change(&w, &m, &r);
            world_osd_launch(&w, victim);
            wait_up(&w, victim);
        }
        change(&w, &m, &r);
        if (step % 8 == 0)
            check_all(&w, &m);
    }
    check_all(&w, &m);
    wait_up(&w, victim);
    world_wait_clean(&w, 60000);
    *out_found += counters(&w, victim)->corrupt_found;
    /* What the victim has must do without one of the others, whoever leads then. */
    for (uint32_t i = 0; i < 3; i++) {
        if (i == victim)
            continue;
        world_osd_stop(&w, i);
        check_all(&w, &m);
        world_osd_start(&w, i);
        wait_up(&w, victim);
        world_wait_clean(&w, 60000);
    }
    world_fini(&w);
}

T(osd_rot, one_osd_may_rot_anywhere_and_nothing_is_lost)
{
    uint64_t found = 0;

    for (uint64_t seed = 500; seed < 560; seed++)
        rot_one(seed, &found);
    printf("damage found in last lives: %llu\n", (unsigned long long)found);
    T_GT(found, 5);
}
