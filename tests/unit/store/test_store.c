/* test_store.c - a store in calm weather: everything written is read back, at once and after
 * reopening. */
#include "tests/unit/store/stage.h"

#define OK(st, call)                                                                               \
    do {                                                                                           \
        int rc_ = (call);                                                                          \
        if (rc_ < 0)                                                                               \
            T_FAIL("%s: %s (%s)", #call, reason_name(rc_), (st)->why);                             \
    } while (0)

T(store, random_transactions_read_back_as_the_model_says)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct stage st;

        stage_init(&st, seed);
        OK(&st, stage_mkfs(&st));
        OK(&st, stage_open(&st));
        for (unsigned i = 0; i < 150; i++) {
            unsigned c = (unsigned)rng_below(&st.rng, STAGE_COLLS);

            OK(&st, stage_submit(&st, c));
            if (i % 7 == 0)
                OK(&st, stage_check_object(&st, c, (unsigned)rng_below(&st.rng, STAGE_OBJECTS)));
            if (i % 16 == 0)
                stage_drain(&st);
        }
        stage_drain(&st);
        T_EQ(st.order_errors, 0);
        OK(&st, stage_check_all(&st));
        OK(&st, stage_close(&st, false));
        OK(&st, stage_fsck(&st));
        if (st.problems)
            T_FAIL("seed %llu: %s", (unsigned long long)seed, st.why);
        OK(&st, stage_open(&st));
        OK(&st, stage_check_all(&st));
        OK(&st, stage_close(&st, false));
        T_EQ(sim_process_end(st.env), 0);
        stage_fini(&st);
    }
}

T(store, a_read_shows_one_state_whatever_is_written_behind_it)
{
    for (uint64_t seed = 30; seed < 36; seed++) {
        struct stage st;

        stage_init(&st, seed);
        OK(&st, stage_mkfs(&st));
        OK(&st, stage_open(&st));
        for (unsigned i = 0; i < 60; i++) {
            unsigned c = (unsigned)rng_below(&st.rng, STAGE_COLLS);

            OK(&st, stage_submit(&st, c));
            if (i % 3 == 0) /* what is read comes from the device, not from memory */
                sim_run_until(st.sim, sim_now_ns(st.sim) + 50 * NS_PER_MS, NULL, NULL);
            OK(&st, stage_check_pipelined(&st, c, (unsigned)rng_below(&st.rng, STAGE_OBJECTS),
                                          (unsigned)rng_below(&st.rng, 6)));
            if (i % 20 == 19) {
                stage_drain(&st);
                OK(&st, stage_close(&st, false));
                OK(&st, stage_open(&st));
            }
        }
        stage_drain(&st);
        T_EQ(st.order_errors, 0);
        OK(&st, stage_check_all(&st));
        stage_fini(&st);
    }
}

T(store, a_second_mkfs_is_refused)
{
    struct stage st;

    stage_init(&st, 1);
    OK(&st, stage_mkfs(&st));
    T_EQ(stage_mkfs(&st), -EEXIST);
    stage_fini(&st);
}

struct rows {
    struct stage *st;
    struct store_commit commit;
    bool durable;
    int rc;
};

static void rows_committed(struct store_commit *c)
{
    CONTAINER_OF(c, struct rows, commit)->durable = true;
}

static void rows_submit(void *arg)
{
    struct rows *r = arg;
    struct txn *t = txn_create(stage_pg(0));
    char key[16];

    for (unsigned i = 0; i < 1000; i++) {
        struct bytes k = {(uint8_t *)key, (uint32_t)snprintf(key, sizeof(key), "x%06u", i)};

        txn_meta_set(t, k, k);
    }
    r->commit.committed = rows_committed;
    r->rc = store_submit(r->st->s, t, &r->commit);
    txn_unref(t);
}

T(store, many_rows_of_a_pg_go_into_one_transaction)
{
    struct stage st;
    struct rows r = {.st = &st};

    stage_init(&st, 1); /* its journal takes records of a quarter MiB */
    OK(&st, stage_mkfs(&st));
    OK(&st, stage_open(&st));
    sim_enter(st.env, rows_submit, &r);
    T_EQ(r.rc, 0);
    stage_wait(&st, &r.durable);
    T_TRUE(r.durable);
    OK(&st, stage_close(&st, false));
    T_EQ(sim_process_end(st.env), 0);
    stage_fini(&st);
}

T(store, room_that_was_got_is_kept_for_whoever_asked)
{
    struct stage st;
    int rc = -R_BACK_PRESSURE;

    stage_init(&st, 1);
    st.conf.data_bytes = 2ull << 30; /* the largest object is more than the margin kept open */
    OK(&st, stage_mkfs(&st));
    OK(&st, stage_open(&st));
    for (unsigned i = 0; i < 100 && rc == -R_BACK_PRESSURE; i++) {
        rc = stage_admit(&st, STORE_GROWS, OBJECT_BYTES_MAX);
        sim_run_until(st.sim, sim_now_ns(st.sim) + 20 * NS_PER_MS, NULL, NULL);
    }
    T_EQ(rc, 0);
    OK(&st, stage_close(&st, false));
    T_EQ(sim_process_end(st.env), 0);
    stage_fini(&st);
}
