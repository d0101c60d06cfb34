/* test_osd_clients.c - what OSDs owe to clients: every operation once, or never. */
#include <stdio.h>

#include "tests/unit/osd_role/world.h"

/* ---- two sessions of one client ---- */

struct late {
    struct world *w;
    struct session *session; /* ref: the one that was given up */
    struct msg *msg;         /* owned: what lay in it */
};

static void give_up(void *arg)
{
    struct late *l = arg;
    uint32_t p = primary_of(l->w, l->w->name);

    l->session = l->w->to[p];
    l->w->to[p] = NULL; /* not closed: the OSD does not know yet */
}

static void first_attempt(void *arg)
{
    struct late *l = arg;

    l->msg = op_message(l->w);
}

static void arrives(void *arg)
{
    struct late *l = arg;

    session_send(l->session, l->msg);
    session_unref(l->session);
}

T(osd_clients, reads_beside_writes_are_refused)
{
    struct world w;
    struct msg_osd_op *m;
    struct late late = {.w = &w};

    world_init(&w, 32, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 10));
    step_data(&w, op_new(&w, "a", STEP_WRITE_FULL), "new", 3);
    world_in0(&w, first_attempt, &late);
    m = MESSAGE_AS(late.msg, osd_op);
    (void)steps_add(&m->steps, STEP_STAT);
    m->steps.step[1] = m->steps.step[0];
    m->steps.step[0] = (struct step){.kind = STEP_STAT};
    w.op++;
    m->reqid.op = w.op;
    w.waiting = true;
    late.session = session_ref(w.to[primary_of(&w, "a")]);
    world_in0(&w, arrives, &late);
    T_EQ(op_wait(&w, 5000), -R_MIXED_STEPS);
    T_OK(get_fill(&w, "a", 'x', 10));
    world_fini(&w);
}

T(osd_clients, nothing_of_a_given_up_session_runs_after_the_next_one_began)
{
    struct world w;
    struct late late = {.w = &w};

    world_init(&w, 31, 3, 3, 1);
    T_OK(put_fill(&w, "a", 'x', 10));
    world_in0(&w, give_up, &late);
    (void)op_new(&w, "a", STEP_ASSERT_ABSENT);
    step_data(&w, op_step(&w, STEP_WRITE_FULL), "late", 4);
    w.op++;
    w.attempt = 0;
    world_in0(&w, first_attempt, &late); /* on its way, for long */
    w.op--;
    T_EQ(op_run(&w), -R_EXISTS); /* the second attempt: the client knows that it failed */
    w.client_id++;               /* another's: no floor tells the OSD that the first one is over */
    T_OK(rm(&w, "a"));
    world_in0(&w, arrives, &late);
    world_run(&w, 1000);
    T_EQ(get_fill(&w, "a", 'x', 10), -R_NO_OBJECT);
    world_fini(&w);
}

/* ---- fencing ---- */

enum { FENCED_OPS = 40, FENCED_STEP_US = 100, FENCED_GUARDS = 10 };

static const char *guard_key(unsigned g)
{
    static const char *const keys[FENCED_GUARDS] = {"a", "b", "c", "d", "e",
                                                    "f", "g", "h", "i", "j"};

    return keys[g];
}

/* Versions tell under which map a write was ordered. */
T(osd_clients, a_write_that_was_reading_when_the_fence_came_is_not_ordered_behind_it)
{
    struct world w;
    unsigned done = 0, refused = 0;
    char name[16];

    world_init(&w, 33, 3, 3, 1);
    for (unsigned i = 0; i < FENCED_OPS; i++) {
        (void)snprintf(name, sizeof(name), "f%u", i);
        (void)op_new(&w, name, STEP_CREATE);
        for (unsigned g = 0; g < FENCED_GUARDS; g++)
            step_key(&w, op_step(&w, STEP_OMAP_SET), guard_key(g), "v");
        T_OK(op_run(&w));
    }
    for (uint32_t i = 0; i < 3; i++) { /* rows are read from the disk again */
        world_osd_stop(&w, i);
        world_osd_start(&w, i);
    }
    world_wait_clean(&w, 20000);
    for (unsigned i = 0; i < FENCED_OPS; i++) {
        struct osdmap *d;
        uint32_t fence;
        bool ran;

        w.client_id++;
        (void)snprintf(name, sizeof(name), "f%u", i);
        (void)op_new(&w, name, STEP_ASSERT_EXISTS);
        for (unsigned g = 0; g < FENCED_GUARDS; g++) { /* a read each */
            struct step *st = op_step(&w, STEP_CMP_OMAP);

            st->cmp = CMP_EQ;
            step_key(&w, st, guard_key(g), "v");
        }
        step_data(&w, op_step(&w, STEP_WRITE_FULL), "x", 1);
        T_EQ(op_run_for(&w, 0), -ETIMEDOUT);
        sim_run_until(w.sim, sim_now_ns(w.sim) + (uint64_t)i * FENCED_STEP_US * 1000, NULL, NULL);
        d = world_draft(&w);
        T_OK(osdmap_block_set(d, w.client_id, UINT64_MAX));
        world_publish(&w, d);
        (void)op_wait(&w, 10000); /* of a repeat, perhaps: the first attempt goes its own way */
        fence = w.map->epoch.v;
        w.client_id++;
        (void)op_new(&w, name, STEP_STAT);
        T_OK(op_run(&w));
        ran = w.reply->results.result[0].size == 1;
        if (ran)
            T_LT(w.reply->results.result[0].version.epoch.v, fence);
        done += ran;
        refused += !ran;
    }
    T_GT(done, 5);
    T_GT(refused, 5);
    world_fini(&w);
}

/* ---- answers that tell of others' writes ---- */

/* The source is deleted, but not everywhere yet: a clone that fails for it would tell of a deletion
 * that may never have been. */
T(osd_clients, a_failed_clone_waits_for_the_deletion_that_it_saw)
{
    struct world w;
    struct step *st;
    uint32_t p;

    world_init(&w, 34, 3, 3, 1);
    T_OK(put_fill(&w, "source", 'x', 10));
    p = primary_of(&w, "source");
    world_run(&w, 1000); /* leases for a while */
    w.deaf = true;
    sim_net_cut(w.sim, w.osd[p].m, w.osd[(p + 1) % 3].m, true);
    (void)op_new(&w, "source", STEP_DELETE);
    T_EQ(op_run_for(&w, 50), -ETIMEDOUT);
    st = op_new(&w, "copy", STEP_CLONE_RANGE);
    step_key(&w, st, "source", NULL);
    st->len = 10;
    T_EQ(op_run_for(&w, 50), -ETIMEDOUT);
    sim_net_heal_all(w.sim);
    w.deaf = false;
    T_EQ(op_wait(&w, 20000), -R_NO_OBJECT);
    world_fini(&w);
}
