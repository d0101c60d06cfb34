/* test_store_crash.c - the power goes at every I/O: nothing acknowledged is lost, nothing is half
 * there.
 *
 * One seed is one run of random transactions; it is run once to count its I/Os, then once for each
 * of them with the power cut as that one starts.  After each cut the store is proven by fsck with
 * its journal unreplayed, opened (in some runs the power goes again during replay), compared with
 * the model's prefix, used again, and proven again. */
#include "tests/unit/store/stage.h"

#include <stdio.h>

struct tally {
    uint64_t states, replays_cut, mkfs_cut, lives;
};

/* Some work; stops where the power goes. */
static void work(struct stage *st, unsigned txns)
{
    for (unsigned i = 0; i < txns && sim_process_alive(st->env) && !st->failed; i++) {
        unsigned c = (unsigned)rng_below(&st->rng, STAGE_COLLS);

        int got = stage_submit(st, c);

        if (got == -R_STORE_FULL) { /* what was let go comes back with a checkpoint */
            stage_drain(st);
            sim_run_until(st->sim, sim_now_ns(st->sim) + 50 * NS_PER_MS, NULL, NULL);
            continue;
        }
        if (got < 0)
            break;
        if (rng_chance(&st->rng, 1, 4))
            stage_drain(st);
        if (rng_chance(&st->rng, 1, 12) && sim_process_alive(st->env) && !st->failed) {
            int rc = stage_check_object(st, c, (unsigned)rng_below(&st->rng, STAGE_OBJECTS));

            if (rc < 0 && rc != -ESHUTDOWN && !st->failed)
                T_FAIL("seed %llu: %s", (unsigned long long)st->seed, st->why);
        }
    }
    stage_drain(st);
}

enum {
    TIGHT = 1000
}; /* seeds from here on: so little room that every block is used again and again */

static void prepare(struct stage *st, uint64_t seed)
{
    stage_init(st, seed);
    st->conf.journal_bytes = MIB(1);
    st->conf.data_bytes = seed >= TIGHT ? MIB(2) : MIB(16);
    st->small_only = seed % 3 == 0;
}

static uint64_t count_ios(uint64_t seed, unsigned txns, uint64_t *out_first)
{
    struct stage st;
    uint64_t ios;

    prepare(&st, seed);
    T_OK(stage_mkfs(&st));
    *out_first = sim_machine_ios(st.m);
    T_OK(stage_open(&st));
    work(&st, txns);
    T_OK(stage_close(&st, false));
    ios = sim_machine_ios(st.m);
    stage_fini(&st);
    return ios;
}

static void fail_at(struct stage *st, uint64_t io, const char *what, int rc)
{
    T_FAIL("seed %llu, power cut at I/O %llu: %s: %s (%s)", (unsigned long long)st->seed,
           (unsigned long long)io, what, reason_name(rc), st->why);
}

static void fsck_at(struct stage *st, uint64_t io, const char *what)
{
    int rc = stage_fsck(st);

    if (rc < 0 || st->problems)
        fail_at(st, io, what, rc);
}

/* Everything that must hold after the cut. */
static void revive(struct stage *st, uint64_t io, struct tally *t)
{
    int rc;

    if (st->order_errors)
        fail_at(st, io, "acknowledged out of order", 0);
    stage_start_process(st);
    fsck_at(st, io, "fsck before replay");
    if (io % 3 == 0) { /* and once more while it replays */
        sim_machine_cut_at_io(st->m, sim_machine_ios(st->m) + 1 + rng_below(&st->rng, 8));
        rc = stage_open(st);
        sim_machine_cut_at_io(st->m, 0);
        if (sim_process_alive(st->env)) {
            if (rc < 0)
                fail_at(st, io, "open", rc);
            sim_process_kill(st->env);
        } else {
            t->replays_cut++;
        }
        stage_start_process(st);
    }
    rc = stage_open(st);
    if (rc < 0)
        fail_at(st, io, "open", rc);
    rc = stage_recovered(st);
    if (rc == 0)
        rc = stage_check_all(st);
    if (rc < 0)
        fail_at(st, io, "contents", rc);
}

static void one_cut(uint64_t seed, unsigned txns, uint64_t io, struct tally *t)
{
    struct stage st;
    int rc;

    prepare(&st, seed);
    T_OK(stage_mkfs(&st));
    sim_machine_cut_at_io(st.m, io);
    if (stage_open(&st) == 0)
        work(&st, txns);
    if (sim_process_alive(st.env) && st.s)
        (void)stage_close(&st, false); /* the cut comes in here */
    if (sim_process_alive(st.env))
        sim_machine_power_cut(st.m);
    sim_machine_cut_at_io(st.m, 0);
    t->states++;
    revive(&st, io, t);
    work(&st, 5);
    if (io % 5 == 0) { /* another life, cut wherever it is */
        sim_machine_cut_at_io(st.m, sim_machine_ios(st.m) + 1 + rng_below(&st.rng, 20));
        work(&st, 10);
        if (sim_process_alive(st.env))
            sim_machine_power_cut(st.m);
        sim_machine_cut_at_io(st.m, 0);
        t->states++;
        t->lives++;
        revive(&st, io, t);
    }
    rc = stage_close(&st, io % 2);
    if (rc < 0)
        fail_at(&st, io, "close", rc);
    fsck_at(&st, io, "fsck at the end");
    stage_fini(&st);
}

static void cut_everywhere(uint64_t first_seed, uint64_t seeds, unsigned txns, struct tally *t)
{
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        uint64_t first, ios = count_ios(seed, txns, &first);

        for (uint64_t io = first + 1; io <= ios + 1; io++)
            one_cut(seed, txns, io, t);
    }
}

T(store_crash, a_power_cut_at_any_io_loses_nothing_acknowledged)
{
    struct tally t = {0};
    const char *more = getenv("STORE_SEEDS");

    cut_everywhere(more && getenv("STORE_FIRST") ? strtoull(getenv("STORE_FIRST"), NULL, 10) : 1,
                   more ? strtoull(more, NULL, 10) : 22, 45, &t);
    printf("states %llu, of them in a second life %llu, cut again in replay %llu\n",
           (unsigned long long)t.states, (unsigned long long)t.lives,
           (unsigned long long)t.replays_cut);
    if (!more) {
        T_GE(t.states, 2000);
        T_GE(t.replays_cut, 100);
    }
}

T(store_crash, replay_never_writes_over_a_block_that_was_used_again)
{
    struct tally t = {0};

    cut_everywhere(TIGHT + 2, 3, 60, &t);
    T_GE(t.states, 300);
}

T(store_crash, a_cut_mkfs_can_be_run_again)
{
    for (uint64_t io = 1; io < 40; io++) {
        struct stage st;
        int rc;

        prepare(&st, io);
        sim_machine_cut_at_io(st.m, io);
        rc = stage_mkfs(&st);
        sim_machine_cut_at_io(st.m, 0);
        if (!sim_process_alive(st.env)) {
            stage_start_process(&st);
            rc = stage_mkfs(&st);
            T_TRUE(rc == 0 || rc == -EEXIST);
        }
        T_OK(stage_open(&st));
        work(&st, 3);
        T_OK(stage_check_all(&st));
        stage_fini(&st);
    }
}
