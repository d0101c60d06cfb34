/* test_copies_hurt.c - copies while gateways die, sleep, wait for room and are told nothing: nobody
 * loses bytes, and no version stays in a list that nobody would take it out of. */
#include <stdio.h>

#include "s3/bucket/bucket_int.h"
#include "tests/unit/s3/bucket/stage.h"

/* ---- deaths ---- */

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

/* A gateway died when it had asked, and what it asked for comes after a collector has given its
 * intent up and worked it off for the first time: there is a second. */
T(bucket_copy, a_dead_gateways_reference_that_comes_late_is_taken_out_again)
{
    unsigned between = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
        unsigned was = 0, refs = 0;
        struct stage st;

        stage_init(&st, seed);
        T_OK(do_create(&st, 0, "box"));
        source_make(&st, seed % SOURCES);
        st.fake.data_lost_per_mille = 1000;
        st.fake.late_max_ns = 38 * NS_PER_S;
        act_start(&st, 0, &copy);
        run_to_intent(&st);
        stage_run(&st, 100 * NS_PER_MS);
        st.fake.data_lost_per_mille = 0;
        gate_again(&st, 0);
        for (unsigned t = 0; t < 60; t++, was = refs) {
            uint64_t passes;

            do_collect(&st, 1);
            passes = counter_get(&bucket_counters(st.gate[1].l)->collected_versions);
            refs = 0;
            for (size_t i = 0; i < data_objects(&st); i++)
                refs += refs_of(&st, i);
            between += passes % 2 == 1 && refs == 2 && was != 2;
            stage_run(&st, NS_PER_S);
        }
        collect_all(&st, 1);
        for (size_t i = 0; i < data_objects(&st); i++)
            T_LE(refs_of(&st, i), 1);
        nothing_stays(&st);
        stage_end(&st);
    }
    T_GT(between, 3);
}

T(bucket_copy, a_reference_that_is_not_answered_is_given_up_in_time)
{
    struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
    struct stage st;

    source_begin(&st, STRIPED);
    st.fake.data_lost_per_mille = 1000;
    T_EQ(act_do(&st, 0, &copy), -ETIMEDOUT);
    st.fake.data_lost_per_mille = 0;
    T_GE(copy.ended_ns - copy.began_ns, st.conf.call_timeout_ms * NS_PER_MS);
    T_LT(copy.ended_ns - copy.began_ns, 2 * st.conf.call_timeout_ms * NS_PER_MS);
    nothing_stays(&st);
    stage_end(&st);
}

T(bucket_copy, a_copy_of_lost_data_is_told_so)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        char gone[8][64];
        unsigned all;
        struct stage st;

        source_begin(&st, kind);
        all = data_objects(&st);
        for (unsigned i = 0; i < all; i++)
            snprintf(gone[i], sizeof(gone[i]), "%s", st.fake.object[FAKE_DATA][i]->name);
        for (unsigned i = 0; i < all; i++)
            fake_remove(&st.fake, FAKE_DATA, gone[i]);
        T_EQ(do_copy(&st, 0, "src", "copy"), -R_DATA_LOST);
        T_EQ(do_get(&st, 0, "copy", NULL), -R_NO_KEY);
        T_OK(do_delete(&st, 0, "src"));
        for (unsigned i = 0; i < 3; i++)
            collect_all(&st, 1);
        T_EQ(data_objects(&st), 0);
        stage_end(&st);
    }
}

/* The object with the list is lost: whoever only shares the others leaves them to their origin. */
T(bucket_copy, a_copy_of_damaged_data_leaves_the_rest_to_its_origin)
{
    for (unsigned kind = 0; kind < SOURCES; kind++) {
        struct stage st;
        size_t first = 0;

        source_begin(&st, kind);
        T_OK(do_copy(&st, 0, "src", "copy"));
        while (!refs_of(&st, first))
            first++;
        fake_remove(&st.fake, FAKE_DATA, st.fake.object[FAKE_DATA][first]->name);
        T_OK(do_delete(&st, 0, "copy"));
        collect_all(&st, 1);
        T_EQ(data_objects(&st), 4);
        T_OK(do_delete(&st, 0, "src"));
        for (unsigned i = 0; i < 2; i++)
            collect_all(&st, 1);
        T_EQ(data_objects(&st), 0);
        stage_end(&st);
    }
}

/* Its link takes place, or will, or never does, and nobody tells: it may be given up only under the
 * guard that it was not linked. */
T(bucket_copy, a_copy_whose_link_is_not_answered_keeps_its_bytes_or_is_none)
{
    unsigned linked = 0;

    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
        struct stage st;
        bool there;

        stage_init(&st, seed);
        T_OK(do_create(&st, 0, "box"));
        source_make(&st, seed % SOURCES);
        st.fake.ops[FAKE_DATA] = 0;
        act_start(&st, 0, &copy);
        while (!st.fake.ops[FAKE_DATA] && !copy.done) /* the reference */
            run_ops(&st, 1);
        st.fake.index_lost_per_mille = 1000;
        stage_run(&st, 10 * NS_PER_MS);
        st.fake.index_lost_per_mille = 0;
        stage_run(&st, 10 * NS_PER_S);
        T_TRUE(copy.done);
        there = do_get(&st, 1, "copy", NULL) == 0;
        linked += there && copy.rc != 0;
        T_OK(do_delete(&st, 1, "src"));
        for (unsigned i = 0; i < 2; i++)
            collect_all(&st, 1);
        T_EQ(do_get(&st, 1, "copy", NULL), there ? 0 : -R_NO_KEY);
        T_EQ(data_objects(&st), there ? 5 : 0);
        nothing_stays(&st);
        stage_end(&st);
    }
    T_GT(linked, 5);
}

/* ---- sleep ---- */

/* Nothing comes through to a gateway, or from it. */
static void hold(struct stage *st, unsigned gate, uint64_t ns)
{
    st->fake.held = st->gate[gate].env;
    st->fake.held_until_ns = sim_now_ns(st->sim) + ns;
}

/* It stands still between its steps until collectors have given it up. */
T(bucket_copy, a_copy_that_slept_too_long_fails_and_leaves_nothing)
{
    unsigned failed = 0;

    for (unsigned kind = 0; kind < 2 * SOURCES; kind++)
        for (unsigned n = 1; n < 8; n++) {
            struct act copy = {.kind = ACT_COPY, .from = "src", .key = "copy"};
            struct stage st;

            source_begin(&st, kind % SOURCES);
            act_start(&st, 0, &copy);
            run_ops(&st, n);
            hold(&st, 0, 400 * NS_PER_S);
            if (kind >= SOURCES)
                T_OK(do_delete(&st, 1, "src"));
            for (unsigned i = 0; i < 2; i++)
                collect_all(&st, 1);
            stage_run(&st, 100 * NS_PER_S);
            T_TRUE(copy.done);
            failed += copy.rc != 0;
            T_EQ(do_get(&st, 1, "copy", NULL), copy.rc ? -R_NO_KEY : 0);
            T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
            nothing_stays(&st);
            stage_end(&st);
        }
    T_GT(failed, 4);
}

/* It has opened its source and sleeps; a collector begins to erase that, and dies at it. */
static void copy_the_erased(unsigned kind, bool listed, unsigned n, unsigned *out_failed)
{
    struct act copy = {.kind = ACT_COPY, .key = "copy2"};
    struct act round = {.kind = ACT_COLLECT};
    struct stage st;

    strcpy(copy.from, listed ? "copy" : "src");
    source_begin(&st, kind);
    if (listed) {
        T_OK(do_copy(&st, 1, "src", "copy"));
        T_OK(do_delete(&st, 1, "src"));
    }
    collect_all(&st, 1);
    act_start(&st, 0, &copy);
    run_ops(&st, 1 + kind);
    hold(&st, 0, 60 * NS_PER_S);
    T_OK(do_delete(&st, 1, copy.from));
    for (unsigned i = 0; i < 3; i++) {
        do_collect(&st, 1);
        stage_run(&st, 9 * NS_PER_S);
    }
    act_start(&st, 1, &round);
    run_ops(&st, n);
    gate_again(&st, 1);
    while (!copy.done)
        stage_run(&st, NS_PER_S);
    *out_failed += copy.rc != 0;
    T_EQ(do_get(&st, 1, "copy2", NULL), copy.rc ? -R_NO_KEY : 0);
    T_EQ(stage_audit(&st, NULL, NULL, NULL), 0);
    for (unsigned i = 0; i < 3; i++)
        collect_all(&st, 1);
    T_EQ(do_get(&st, 1, "copy2", NULL), copy.rc ? -R_NO_KEY : 0);
    nothing_stays(&st);
    stage_end(&st);
}

T(bucket_copy, what_is_being_erased_is_not_copied)
{
    unsigned failed = 0, all = 0;

    for (unsigned kind = 0; kind < SOURCES; kind++)
        for (unsigned listed = 0; listed < 2; listed++)
            for (unsigned n = 1; n < 40; n++, all++)
                copy_the_erased(kind, listed, n, &failed);
    T_GT(failed, 10);
    T_GT(all - failed, 10);
}

/* ---- a bucket that goes ---- */

/* Until a copy into "other" has its intent; then that bucket is dropped. */
static void copy_into_dropped(struct stage *st, struct act *copy)
{
    *copy = (struct act){
        .kind = ACT_COPY, .from_bucket = "box", .from = "src", .bucket = "other", .key = "copy"};
    T_OK(do_create(st, 0, "other"));
    act_start(st, 0, copy);
    run_to_intent(st);
}

static void copy_is_gone(struct stage *st, const struct act *copy)
{
    stage_run(st, 30 * NS_PER_S);
    T_TRUE(copy->done);
    T_TRUE(copy->rc < 0);
    for (unsigned i = 0; i < 3; i++)
        collect_all(st, 1);
    for (size_t i = 0; i < data_objects(st); i++)
        T_LE(refs_of(st, i), 1);
    nothing_stays(st);
    stage_end(st);
}

/* Whoever collects a dropped bucket gives its intents up at once. */
T(bucket_copy, a_copy_that_slept_into_a_dropped_bucket_leaves_nothing)
{
    for (uint64_t ms = 500; ms < 26000; ms += 1500) {
        struct act copy;
        struct stage st;

        source_begin(&st, STRIPED);
        copy_into_dropped(&st, &copy);
        hold(&st, 0, ms * NS_PER_MS);
        T_OK(do_drop(&st, 1, "other"));
        for (unsigned i = 0; i < 60; i++) {
            do_collect(&st, 1);
            stage_run(&st, 400 * NS_PER_MS);
        }
        copy_is_gone(&st, &copy);
    }
}

T(bucket_copy, intents_of_a_dropped_bucket_are_young_for_the_grace_only)
{
    struct act copy;
    struct stage st;

    stage_init(&st, 7);
    for (unsigned i = 0; i < GATES; i++) {
        gate_stop(&st, i);
        st.conf.intent_stale_ms = 200000;
        gate_start(&st, i);
        gate_wait_ready(&st, i);
    }
    T_OK(do_create(&st, 0, "box"));
    source_make(&st, STRIPED);
    copy_into_dropped(&st, &copy);
    st.fake.no_room_of = st.gate[0].env;
    T_OK(do_drop(&st, 1, "other"));
    for (unsigned i = 0; i < 100; i++) {
        do_collect(&st, 1);
        stage_run(&st, 400 * NS_PER_MS);
    }
    st.fake.no_room_of = NULL;
    copy_is_gone(&st, &copy);
}

/* ---- no room ---- */

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
