/* test_copies_hurt.c - copies while gateways die, sleep, wait for room and are told nothing: nobody
 * loses bytes, and no version stays in a list that nobody would take it out of. */
#include "s3/bucket/bucket_int.h"
#include "tests/unit/s3/bucket/stage.h"

/* ---- deaths ---- */

/* The gateway dies after each operation of a copy; the source lives on, or has gone meanwhile. */
T(bucket_copy, a_gateway_that_dies_in_a_copy_leaves_nothing)
{
    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned n = 0; n < 9; n++)
            for (unsigned gone = 0; gone < 3; gone++) {
                struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
                struct stage st;

                source_begin(&st, kind);
                if (gone == 2) /* it is not the first */
                    T_OK(do_copy(&st, 1, "src", "copy2"));
                act_start(&st, 0, &copy);
                run_ops(&st, n);
                gate_again(&st, 0);
                stage_run(&st, NS_PER_S);
                T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
                if (gone)
                    T_OK(do_delete(&st, 1, "src"));
                collect_all(&st, 1);
                if (!gone)
                    T_OK(do_get(&st, 1, "src", NULL));
                if (copy.done && copy.rc == 0)
                    T_OK(do_get(&st, 1, "copy", NULL));
                if (gone == 2)
                    T_OK(do_get(&st, 1, "copy2", NULL));
                T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
                nothing_stays(&st);
                stage_end(&st);
            }
}

/* A collector dies after each operation of a round in which versions leave; another goes on. */
T(bucket_copy, a_collector_that_dies_leaves_the_rest_to_another)
{
    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned both = 0; both < 2; both++)
            for (unsigned n = 1; n < 44; n += both ? 1 : 2) {
                struct act round = {.kind = ACT_COLLECT};
                struct stage st;

                source_begin(&st, kind);
                T_OK(do_copy(&st, 0, "src", "copy"));
                T_OK(do_delete(&st, 0, "src"));
                if (both)
                    T_OK(do_delete(&st, 0, "copy"));
                for (unsigned i = 0; i < 3; i++) { /* it is ripe for the first */
                    do_collect(&st, 0);
                    stage_run(&st, 9 * NS_PER_S);
                }
                act_start(&st, 0, &round);
                run_ops(&st, n);
                gate_again(&st, 0);
                stage_run(&st, NS_PER_S);
                T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
                collect_all(&st, 1);
                if (!both)
                    T_OK(do_get(&st, 1, "copy", NULL));
                T_EQ(data_objects(&st), both ? 0 : 5);
                nothing_stays(&st);
                stage_end(&st);
            }
}

/* Two collectors at the same rows, and copies at the same time. */
T(bucket_copy, collectors_and_copies_meet)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy2"};
        struct act copy3 = {.kind = ACT_COPY, .from = "copy", .key = "copy3"};
        struct act round[2] = {{.kind = ACT_COLLECT}, {.kind = ACT_COLLECT}};
        struct stage st;

        stage_init(&st, seed);
        T_OK(do_create(&st, 0, "box"));
        source_make(&st, seed % SOURCES);
        T_OK(do_copy(&st, 0, "src", "copy"));
        st.fake.delay_max_ns = 20 * NS_PER_MS;
        for (unsigned i = 0; i < 4; i++) {
            act_start(&st, 0, &copy);
            act_start(&st, 1, &copy3);
            run_ops(&st, seed % 13);
            T_OK(do_delete(&st, 0, i % 2 ? "copy" : "src"));
            T_OK(do_delete(&st, 1, i % 2 ? "copy3" : "copy2"));
            for (unsigned k = 0; k < 20; k++) {
                act_start(&st, 0, &round[0]);
                act_start(&st, 1, &round[1]);
                stage_run(&st, 2 * NS_PER_S);
                T_TRUE(round[0].done && round[1].done);
            }
            T_TRUE(copy.done && copy3.done);
            T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
        }
        nothing_stays(&st);
        stage_end(&st);
    }
}

/* Answers of data operations are lost: what was asked for comes late, or never; mostly before the
 * garbage that the copy leaves is worked off for the first time, or the second. */
T(bucket_copy, a_reference_that_comes_late_is_taken_out_again)
{
    unsigned late = 0, very_late = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
        struct stage st;

        stage_init(&st, seed);
        T_OK(do_create(&st, 0, "box"));
        source_make(&st, seed % SOURCES);
        st.fake.data_lost_per_mille = 1000;
        st.fake.late_max_ns = 17 * NS_PER_S;
        T_TRUE(act_do(&st, 0, &copy) < 0);
        st.fake.data_lost_per_mille = 0;
        for (unsigned t = 0, seen = 0; t < 20; t++) {
            do_collect(&st, 1);
            stage_run(&st, NS_PER_S);
            for (size_t i = 0; i < data_objects(&st) && !seen; i++)
                seen = refs_of(&st, i) == 2;
            late += seen == 1;
            very_late += seen == 1 && t > 12;
            seen *= 2;
        }
        collect_all(&st, 1);
        for (size_t i = 0; i < data_objects(&st); i++)
            T_LE(refs_of(&st, i), 1);
        T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
        nothing_stays(&st);
        stage_end(&st);
    }
    T_GT(late, 15);
    T_GT(very_late, 2);
}

/* It stands still between its steps until collectors have given it up. */
T(bucket_copy, a_copy_that_slept_too_long_fails_and_leaves_nothing)
{
    for (unsigned kind = 0; kind < 2 * SOURCES; kind++)
        for (unsigned n = 1; n < 8; n++) {
            struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
            struct stage st;

            source_begin(&st, kind % SOURCES);
            act_start(&st, 0, &copy);
            run_ops(&st, n);
            sim_process_pause(st.gate[0].env, 200 * NS_PER_S);
            if (kind >= SOURCES)
                T_OK(do_delete(&st, 1, "src"));
            for (unsigned i = 0; i < 3; i++)
                collect_all(&st, 1);
            stage_run(&st, 100 * NS_PER_S);
            T_TRUE(copy.done);
            T_EQ(do_get(&st, 1, "copy", NULL), copy.rc ? -R_NO_KEY : 0);
            T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
            nothing_stays(&st);
            stage_end(&st);
        }
}

/* ---- no room ---- */

/* Until an intent was written; its writer does not know yet. */
static void run_to_intent(struct stage *st)
{
    unsigned intents = 0;

    for (unsigned i = 0; i < 100 && !intents; i++) {
        run_ops(st, 1);
        stage_audit(st, &intents, NULL, NULL);
    }
    T_EQ(intents, 1);
}

/* Libcairn has no room for what comes after the intent, until that was given up and worked off. */
static void wait_for_room(struct stage *st, struct act *a)
{
    act_start(st, 0, a);
    run_to_intent(st);
    st->fake.no_room_of = st->gate[0].env;
    for (unsigned i = 0; i < 3; i++)
        collect_all(st, 1);
    st->fake.no_room_of = NULL;
    stage_run(st, 10 * NS_PER_S);
    T_TRUE(a->done);
    T_EQ(a->rc, -ETIMEDOUT);
}

T(bucket_copy, a_reference_that_waited_for_room_too_long_is_not_made)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
        struct stage st;

        source_begin(&st, kind);
        wait_for_room(&st, &copy);
        for (size_t i = 0; i < data_objects(&st); i++)
            T_EQ(refs_of(&st, i), 0);
        nothing_stays(&st);
        stage_end(&st);
    }
}

T(bucket_copy, stripes_that_waited_for_room_too_long_are_not_written)
{
    struct act put = {.kind = ACT_PUT, .key = "src", .seed = 3, .size = 20000};
    struct stage st;

    stage_begin(&st);
    wait_for_room(&st, &put);
    T_EQ(data_objects(&st), 0);
    nothing_stays(&st);
    stage_end(&st);
}
