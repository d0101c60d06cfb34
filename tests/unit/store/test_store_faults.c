/* test_store_faults.c - memory, disks and file systems fail. */
#include "core/env/file.h"
#include "tests/unit/store/stage.h"

#include <stdio.h>

/* The store stopped, or not: after a new start all that was acknowledged is there. */
static void restart_and_check(struct stage *st, uint64_t n)
{
    int rc;

    if (st->order_errors)
        stage_bad(st, n, "acknowledged out of order", 0);
    if (st->s)
        (void)stage_close(st, true);
    sim_process_kill(st->env);
    stage_start_process(st);
    rc = stage_fsck(st);
    if (rc < 0 || st->problems)
        stage_bad(st, n, "fsck", rc);
    rc = stage_open(st);
    if (rc == 0)
        rc = stage_recovered(st);
    if (rc == 0)
        rc = stage_check_all(st);
    if (rc < 0)
        stage_bad(st, n, "restart", rc);
}

static void fault_everywhere(enum sim_disk_fault fault, uint64_t step, uint64_t *out_stopped)
{
    bool hit = true;

    for (uint64_t n = 1; hit; n += step) {
        struct stage st;

        stage_start(&st, 40 + n % 4);
        sim_disk_fault(st.m, fault, n);
        stage_work(&st, 25);
        if (!st.failed && st.s)
            (void)stage_close(&st, false);
        hit = st.failed; /* at the latest by the checkpoint of the close */
        *out_stopped += hit;
        sim_disk_fault(st.m, fault, 0);
        restart_and_check(&st, n);
        stage_fini(&st);
    }
}

T(store_faults, a_failed_write_stops_the_store_and_loses_nothing_acknowledged)
{
    uint64_t stopped = 0;

    fault_everywhere(SIM_DISK_WRITE_EIO, 1, &stopped);
    T_GE(stopped, 20);
}

T(store_faults, a_failed_kv_call_stops_the_store_and_loses_nothing_acknowledged)
{
    uint64_t stopped = 0;

    fault_everywhere(SIM_KV_EIO, 1, &stopped);
    T_GE(stopped, 3);
}

T(store_faults, a_device_that_cannot_be_read_is_reported_as_damage)
{
    uint64_t damaged = 0;

    for (uint64_t n = 1; n <= 12; n++) {
        struct stage st;
        int rc;

        stage_start(&st, 60 + n);
        stage_work(&st, 25);
        T_OK(stage_close(&st, false));
        T_OK(stage_open(&st));
        sim_disk_fault(st.m, SIM_DISK_READ_EIO, n);
        rc = stage_check_all(&st);
        T_TRUE(rc == 0 || rc == -R_CSUM_MISMATCH);
        damaged += rc != 0;
        T_FALSE(st.failed);
        sim_disk_fault(st.m, SIM_DISK_READ_EIO, 0);
        T_OK(stage_check_all(&st)); /* it was a read, not a loss */
        stage_fini(&st);
    }
    T_GE(damaged, 6);
}

/* Every n-th allocation fails, for each n; what submit refused changed nothing, what it took comes
 * through. */
T(store_faults, short_memory_refuses_or_delays_and_never_loses)
{
    uint64_t refused = 0;

    for (int64_t n = 0; n < 400; n++) {
        struct stage st;
        int rc = 0;

        stage_start(&st, 80 + (uint64_t)n % 3);
        stage_work(&st, 6);
        for (unsigned i = 0; i < 6; i++) {
            mem_fail_after(i % 2 ? n : n / 4);
            rc = stage_submit(&st, i % STAGE_COLLS);
            refused += rc == -ENOMEM;
            T_TRUE(rc == 0 || rc == -ENOMEM);
            if (i % 2)
                sim_run_until(st.sim, sim_now_ns(st.sim) + 20 * NS_PER_MS, NULL, NULL);
            mem_fail_after(-1);
        }
        stage_drain(&st);
        T_FALSE(st.failed);
        T_EQ(st.order_errors, 0);
        rc = stage_check_all(&st);
        if (rc < 0)
            stage_bad(&st, (uint64_t)n, "contents", rc);
        rc = stage_close(&st, false);
        if (rc < 0)
            stage_bad(&st, (uint64_t)n, "close", rc);
        rc = stage_fsck(&st);
        if (rc < 0 || st.problems)
            stage_bad(&st, (uint64_t)n, "fsck", rc);
        stage_fini(&st);
    }
    T_GE(refused, 20);
}

T(store_faults, a_full_file_system_refuses_writes_and_forgets_nothing)
{
    struct stage st;
    struct store_space sp;

    stage_init(&st, 5);
    st.conf.journal_bytes = MIB(1);
    st.conf.data_bytes = MIB(64);
    T_OK(stage_mkfs(&st));
    T_OK(stage_open(&st));
    stage_work(&st, 10);
    T_OK(stage_admit(&st, STORE_GROWS, 4096));
    sim_disk_fault(st.m, SIM_DISK_FULL, 0);
    sim_run_until(st.sim, sim_now_ns(st.sim) + NS_PER_S, NULL, NULL);
    T_FALSE(st.failed);
    T_EQ(stage_admit(&st, STORE_GROWS, 4096), -R_STORE_FULL);
    T_OK(stage_admit(&st, STORE_SHRINKS, 0));
    store_space(st.s, &sp);
    T_EQ(sp.fill, STORE_FULL);
    T_OK(stage_check_all(&st));
    sim_disk_fault(st.m, SIM_DISK_FULL, UINT64_MAX);
    sim_run_until(st.sim, sim_now_ns(st.sim) + NS_PER_S, NULL, NULL);
    T_OK(stage_admit(&st, STORE_GROWS, 4096));
    stage_work(&st, 10);
    T_OK(stage_check_all(&st));
    T_OK(stage_close(&st, false));
    T_OK(stage_fsck(&st));
    T_EQ(st.problems, 0);
    stage_fini(&st);
}

/* --- another program on the same file system --- */

struct filler {
    struct stage *st;
    uint64_t from_io;
    bool filling, ended;
};

/* After each event it takes what is free, to the last byte, for as long as it runs. */
static void filler_step(void *arg)
{
    struct filler *f = arg;

    if (f->ended)
        return;
    f->filling |= sim_machine_ios(f->st->m) >= f->from_io;
    if (f->filling)
        sim_disk_fault(f->st->m, SIM_DISK_FULL, 0);
}

static void filler_ends(struct filler *f)
{
    f->ended = true;
    sim_disk_fault(f->st->m, SIM_DISK_FULL, UINT64_MAX);
}

static void not_failed(struct stage *st, uint64_t n, const char *when)
{
    if (st->failed)
        stage_bad(st, n, when, 0);
}

/* Writes are refused, deletes are made. */
static void full(struct stage *st, uint64_t n)
{
    int rc;

    sim_run_until(st->sim, sim_now_ns(st->sim) + NS_PER_S, NULL, NULL);
    not_failed(st, n, "when it was full");
    rc = stage_admit(st, STORE_GROWS, 4096);
    if (rc != -R_STORE_FULL)
        stage_bad(st, n, "a write was admitted", rc);
    st->deletes_only = true;
    for (unsigned i = 0; i < 12; i++) {
        rc = stage_admit(st, STORE_SHRINKS, 0);
        if (rc == 0)
            rc = stage_submit(st, i % STAGE_COLLS);
        if (rc < 0)
            stage_bad(st, n, "a delete was refused", rc);
    }
    stage_drain(st);
    st->deletes_only = false;
    not_failed(st, n, "at deletes");
    rc = stage_check_all(st);
    if (rc < 0)
        stage_bad(st, n, "contents when full", rc);
}

static void filled_at(uint64_t n, uint64_t *out_refused_opens)
{
    struct stage st;
    struct filler f = {.st = &st};
    int rc;

    stage_start(&st, 3000 + n % 5);
    f.from_io = sim_machine_ios(st.m) + n;
    sim_on_step(st.sim, filler_step, &f);
    stage_work(&st, 25);
    f.from_io = 0; /* at the latest now */
    full(&st, n);
    if (n % 3 == 1) { /* stopped and started while it is full: it comes up, or says why not */
        rc = stage_close(&st, false);
        if (rc < 0)
            stage_bad(&st, n, "close when full", rc);
        rc = stage_open(&st);
        if (rc < 0 && rc != -R_STORE_FULL)
            stage_bad(&st, n, "open when full", rc);
        *out_refused_opens += rc < 0;
    } else if (n % 3 == 2) {
        filler_ends(&f);
        stage_work(&st, 10);
        not_failed(&st, n, "when there was room again");
        sim_run_until(st.sim, sim_now_ns(st.sim) + NS_PER_S, NULL, NULL);
        rc = stage_admit(&st, STORE_GROWS, 4096);
        if (rc < 0)
            stage_bad(&st, n, "a write was refused though there is room", rc);
    }
    filler_ends(&f);
    restart_and_check(&st, n);
    stage_work(&st, 10);
    T_OK(stage_check_all(&st));
    T_OK(stage_close(&st, false));
    sim_on_step(st.sim, NULL, NULL);
    stage_fini(&st);
}

T(store_faults, another_program_fills_the_file_system_at_any_io_and_nothing_stops)
{
    uint64_t refused = 0;

    for (uint64_t n = 1; n <= 90; n++)
        filled_at(n, &refused);
    printf("opens refused for lack of room: %llu of 30\n", (unsigned long long)refused);
}

static uint64_t room(struct stage *st)
{
    struct fs_space fs = {0};

    T_OK(fs_space(st->env, st->conf.folder, &fs));
    return fs.free_bytes;
}

T(store_faults, room_of_deleted_data_goes_back_to_the_file_system)
{
    struct stage st;
    uint64_t before, least = UINT64_MAX;

    stage_init(&st, 77);
    st.conf.journal_bytes = MIB(1); /* checkpoints come by themselves */
    st.conf.data_bytes = MIB(8);
    T_OK(stage_mkfs(&st));
    T_OK(stage_open(&st));
    before = room(&st);
    for (unsigned i = 0; i < 60; i++) {
        stage_work(&st, 10);
        least = MIN(least, room(&st));
    }
    st.deletes_only = true;
    for (unsigned i = 0; i < 120; i++)
        stage_work(&st, 10);
    T_FALSE(st.failed);
    printf("room taken: %llu KiB at most, %llu KiB after the deletes\n",
           (unsigned long long)(before - least) >> 10,
           (unsigned long long)(before - room(&st)) >> 10);
    T_GE(before - least, MIB(2));
    T_LE(before - room(&st), (before - least) / 2);
    T_OK(stage_check_all(&st));
    T_OK(stage_close(&st, false));
    T_OK(stage_fsck(&st));
    T_EQ(st.problems, 0);
    stage_fini(&st);
}
