/* test_osd_clients.c - what OSDs owe to clients: every operation once, or never. */
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
