/* test_model.c - random requests to two gateways at the same time, gateways that die, answers that
 * are lost; then: was every answer possible, and is what lies in the pools exactly what is referred
 * to?  The requests and the judge are in model.c.  A seed is one history: CAIRN_SEED=n plays just
 * that one. */
#include <stdio.h>

#include "tests/unit/s3/bucket/model.h"

static void fail(struct model *m, const char *text)
{
    T_FAIL("seed %llu: %s", (unsigned long long)m->seed, text);
}

static void check_step(void *arg)
{
    struct model *m = arg;

    for (unsigned i = 0; i < GATES; i++)
        if (m->st.gate[i].l)
            bucket_check(m->st.gate[i].l);
}

static void gate_count(struct model *m, unsigned gate)
{
    const struct bucket_counters *n =
        m->st.gate[gate].l ? bucket_counters(m->st.gate[gate].l) : NULL;

    if (!n)
        return;
    m->splits += (unsigned)counter_get(&n->shard_splits);
    m->merges += (unsigned)counter_get(&n->shard_merges);
    m->undone += (unsigned)counter_get(&n->moves_undone);
    m->silences += (unsigned)counter_get(&n->silences);
}

/* Some PGs do not answer a while, often longer than background work waits for them. */
static void silence(struct model *m)
{
    struct fake *f = &m->st.fake;

    f->inactive[FAKE_INDEX] =
        1u << rng_below(&m->rng, FAKE_PGS) | 1u << rng_below(&m->rng, FAKE_PGS);
    f->inactive[FAKE_DATA] = 1u << rng_below(&m->rng, FAKE_PGS);
    f->inactive_until_ns = sim_now_ns(m->st.sim) + rng_below(&m->rng, 1500) * NS_PER_MS;
}

static void gate_crash(struct model *m, unsigned gate)
{
    gate_count(m, gate);
    gate_kill(&m->st, gate);
    model_gate_lost(m, gate);
    gate_start(&m->st, gate);
}

static void settle(struct model *m)
{
    struct act list = {.kind = ACT_UPLOADS, .max = 1000};
    unsigned intents, garbage;

    for (unsigned i = 0; i < 2000 && !model_idle(m); i++) {
        stage_run(&m->st, 100 * NS_PER_MS);
        model_step(m, false);
    }
    for (unsigned i = 0; i < SLOTS; i++)
        if (m->slot[i].busy)
            T_FAIL("seed %llu: act %d on %s does not end", (unsigned long long)m->seed,
                   m->slot[i].a.kind, m->slot[i].a.key);
    m->st.fake.delay_max_ns = NS_PER_MS;
    stage_run(&m->st, 10 * NS_PER_S); /* what was late has run */
    for (unsigned k = 0; k < KEYS; k++) {
        struct act get = {.kind = ACT_GET};

        strcpy(get.key, model_keys[k]);
        (void)act_do(&m->st, k % GATES, &get);
        model_read(m, &get);
    }
    if (act_do(&m->st, 0, &list) == 0)
        for (unsigned i = 0; i < list.row_count; i++) {
            struct act gone = {.kind = ACT_ABORT};

            strcpy(gone.key, list.rows[i].name);
            strcpy(gone.upload, list.rows[i].upload);
            T_OK(act_do(&m->st, 1, &gone));
        }
    act_fini(&list);
    for (unsigned i = 0; i < 30; i++) { /* the collectors of both gateways are at work */
        stage_run(&m->st, 30 * NS_PER_S);
        if (stage_audit(&m->st, &intents, &garbage, NULL))
            T_FAIL("seed %llu: the audit has found faults", (unsigned long long)m->seed);
        if (intents + garbage == 0)
            return;
    }
    T_FAIL("seed %llu: %u intents and %u garbage rows stay", (unsigned long long)m->seed, intents,
           garbage);
}

static void play(struct model *m, uint64_t seed, unsigned acts)
{
    unsigned total = 0;
    char text[512];

    memset(m, 0, sizeof(*m));
    m->fail = fail;
    m->gates = GATES;
    m->seed = seed;
    rng_seed(&m->rng, seed * 77);
    stage_init(&m->st, seed);
    gate_stop(&m->st, 0);
    gate_stop(&m->st, 1);
    m->st.conf.no_collector = false;
    if (seed % 4 != 0) { /* shards split and merge all the time */
        m->st.conf.shard_entries_max = 4 + (unsigned)(seed % 5);
        m->st.conf.split_batch_keys = 1 + (unsigned)(seed % 7);
        m->st.conf.split_wait_ms = 2 + 20 * (unsigned)(seed % 3);
    }
    if (seed % 2)
        m->st.conf.background_timeout_ms = 40 + 100 * (unsigned)(seed % 3);
    for (unsigned i = 0; i < GATES; i++) {
        gate_start(&m->st, i);
        gate_wait_ready(&m->st, i);
    }
    T_OK(do_create(&m->st, 0, "box"));
    model_made(m, 0);
    sim_on_step(m->st.sim, check_step, m);
    m->st.fake.no_room_per_mille = 20;
    m->st.fake.late_max_ns = 3 * NS_PER_S;
    m->st.fake.delay_max_ns = 1000000 + rng_below(&m->rng, 20000000);
    m->st.fake.range_bytes_max = 300 + rng_below(&m->rng, 5000);
    if (seed % 3 != 0) {
        m->st.fake.data_lost_per_mille = 10;
        m->st.fake.index_lost_per_mille = seed % 3 == 1 ? 5 : 0;
    }
    while (total++ < acts) {
        m->draining = total % 200 > 140;
        if (seed % 2 && rng_chance(&m->rng, 1, 12))
            silence(m);
        model_step(m, true);
        sim_run_until(m->st.sim, sim_now_ns(m->st.sim) + 2 * NS_PER_S, model_any_done, m);
        if (rng_chance(&m->rng, 1, 150))
            gate_crash(m, (unsigned)rng_below(&m->rng, GATES));
    }
    m->st.fake.data_lost_per_mille = m->st.fake.index_lost_per_mille = 0;
    settle(m);
    sim_on_step(m->st.sim, NULL, NULL);
    for (unsigned i = 0; i < GATES; i++)
        gate_count(m, i);
    model_judge(m);
    if (stage_verify(&m->st, text))
        T_FAIL("seed %llu: the checker has found: %s", (unsigned long long)seed, text);
    stage_fini(&m->st);
}

T(bucket_model, every_answer_is_possible_and_nothing_is_lost_or_left)
{
    const char *one = getenv("CAIRN_SEED");
    uint64_t first = one ? strtoull(one, NULL, 10) : 1;
    unsigned seeds = one ? 1 : getenv("CAIRN_TEST_ALL") ? 300 : 25;
    unsigned kills = 0, completes = 0, repeats = 0, gone = 0, puts = 0, gets = 0, splits = 0;
    unsigned merges = 0, undone = 0, copies = 0, silences = 0;
    struct model *m = malloc(sizeof(*m));

    for (uint64_t seed = first; seed < first + seeds; seed++) {
        play(m, seed, 800);
        kills += m->kills;
        completes += m->completes;
        repeats += m->repeats;
        gone += m->gone;
        puts += m->ended[ACT_PUT];
        gets += m->ended[ACT_GET];
        splits += m->splits;
        merges += m->merges;
        undone += m->undone;
        copies += m->copies;
        silences += m->silences;
    }
    free(m);
    printf("# kills %u, completions %u, repeated %u, buckets deleted %u, puts %u, gets %u, "
           "splits %u, merges %u, taken back %u, copies %u, silences %u\n",
           kills, completes, repeats, gone, puts, gets, splits, merges, undone, copies, silences);
    if (!one) { /* what is not exercised proves nothing */
        T_GT(kills, seeds);
        T_GT(completes, seeds);
        T_GT(repeats, seeds / 2);
        T_GT(gone, seeds / 5);
        T_GT(splits, 3 * seeds);
        T_GT(merges, seeds / 4);
        T_GT(undone, seeds);
        T_GT(silences, 10 * seeds);
        T_GT(puts, 50 * seeds);
        T_GT(copies, 10 * seeds);
        T_GT(gets, 15 * seeds);
    }
}
