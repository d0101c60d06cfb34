/* test_client.c - libcairn against a monitor and an OSD that answer when a test says so. */
#include "tests/unit/t.h"
#include "core/client/include/cairn_env.h"
#include "core/env/sim.h"
#include "core/map/osdmap.h"
#include "core/msgr/msgr.h"
#include "core/proto/messages.h"

enum { SEEN_MAX = 64, OSD_INSTANCE = 5 };

struct seen {                /* an operation as it came to the OSD */
    struct session *session; /* ref */
    uint64_t op, floor;
    uint32_t attempt;
};
struct stage {
    struct sim *sim;
    struct env *server, *user;
    struct config conf;
    struct msgr *mon, *osd;
    struct msgr_handler mon_handler, osd_handler;
    struct net_addr mon_addr, osd_addr;
    struct osdmap *map;
    struct seen seen[SEEN_MAX];
    uint32_t seen_count;
    /* the user's */
    struct cairn *c;
    struct cairn_pool *pool;
    struct cairn_op *op;
    struct cairn_op *more[SEEN_MAX];
    uint32_t done, more_count;
    int rc;
    bool closed;
};

__attribute__((constructor)) static void scopes(void)
{
    mem_scopes_enable();
}

/* ---- the servers ---- */

static void send_map(struct stage *s, struct session *to)
{
    struct msg_osdmaps *m = MESSAGE_NEW(osdmaps);
    struct writer w = {0};

    T_OK(osdmap_encode(s->map, &w));
    T_OK(buf_append_copy(&m->full, w.data, w.len));
    writer_fini(&w);
    m->has_full = true;
    m->oldest = m->newest = s->map->epoch;
    session_send(to, &m->base);
}

static void mon_message(struct msgr_handler *h, struct session *from, struct msg *m)
{
    struct stage *s = CONTAINER_OF(h, struct stage, mon_handler);

    if (MESSAGE_IS(m, mon_subscribe))
        send_map(s, from);
    msg_free(m);
}

static void osd_message(struct msgr_handler *h, struct session *from, struct msg *m)
{
    struct stage *s = CONTAINER_OF(h, struct stage, osd_handler);

    T_TRUE(MESSAGE_IS(m, osd_op));
    T_LT(s->seen_count, SEEN_MAX);
    s->seen[s->seen_count++] = (struct seen){.session = session_ref(from),
                                             .op = MESSAGE_AS(m, osd_op)->reqid.op,
                                             .floor = MESSAGE_AS(m, osd_op)->floor,
                                             .attempt = MESSAGE_AS(m, osd_op)->attempt};
    msg_free(m);
}

static void ignore_reset(struct msgr_handler *h, struct session *s, int why)
{
    UNUSED(h);
    UNUSED(s);
    UNUSED(why);
}

static void make_map(struct stage *s)
{
    static const uint8_t fsid[16] = {7};
    struct pool pool = {.id = {1},
                        .name = "p",
                        .size = 1,
                        .size_min = 1,
                        .crush_rule = OSDMAP_RULE_OSD,
                        .pg_count = 1,
                        .created = {1}};
    struct osdmap *m = osdmap_create(fsid);

    T_TRUE(m != NULL);
    m->epoch.v = 1;
    T_OK(osdmap_osds_grow(m, 1));
    m->osds[0] = (struct osd_info){.state = OSD_EXISTS | OSD_UP,
                                   .weight = OSD_WEIGHT_IN,
                                   .addr = s->osd_addr,
                                   .instance = OSD_INSTANCE,
                                   .up_from = {1}};
    T_OK(osdmap_crush_add(m, (struct osd_id){0}, "host", "", OSD_WEIGHT_IN));
    T_OK(osdmap_pool_set(m, &pool));
    T_OK(osdmap_seal(m));
    s->map = m;
}

static void start_servers(void *arg)
{
    struct stage *s = arg;
    struct msgr_conf mon = {
        .self = {ENTITY_MON, 0, 3}, .types = message_types, .handler = &s->mon_handler};
    struct msgr_conf osd = {
        .self = {ENTITY_OSD, 0, OSD_INSTANCE}, .types = message_types, .handler = &s->osd_handler};
    struct net_addr at;

    s->mon_handler = (struct msgr_handler){.message = mon_message, .reset = ignore_reset};
    s->osd_handler = (struct msgr_handler){.message = osd_message, .reset = ignore_reset};
    T_OK(msgr_create(s->server, &mon, &s->mon));
    T_OK(msgr_create(s->server, &osd, &s->osd));
    T_OK(net_addr_parse("127.0.0.1:6789", &at));
    T_OK(msgr_listen(s->mon, &at, &s->mon_addr, NULL));
    T_OK(net_addr_parse("127.0.0.1:6800", &at));
    T_OK(msgr_listen(s->osd, &at, &s->osd_addr, NULL));
    make_map(s);
}

/* ---- the user ---- */

static void start_client(void *arg)
{
    struct stage *s = arg;
    struct cairn_env_conf conf = {.conf = &s->conf};

    T_OK(cairn_open_env(s->user, &conf, NULL, NULL, &s->c));
    T_OK(cairn_pool_open_env(s->c, "p", &s->pool));
}

static void set_up(struct stage *s)
{
    struct sim_conf sc = {.seed = 1};

    memset(s, 0, sizeof(*s));
    config_defaults(&s->conf);
    (void)snprintf(s->conf.cluster_mons.s, sizeof(s->conf.cluster_mons.s), "0=127.0.0.1:6789");
    s->sim = sim_create(&sc);
    T_TRUE(s->sim != NULL);
    s->server = sim_process_start(sim_machine_create(s->sim, "server", "127.0.0.1"), "server");
    s->user = sim_process_start(sim_machine_create(s->sim, "user", "127.0.0.2"), "user");
    sim_enter(s->server, start_servers, s);
}

static void go(struct stage *s)
{
    sim_enter(s->user, start_client, s);
}

static void run(struct stage *s, uint32_t ms)
{
    sim_run_until(s->sim, sim_now_ns(s->sim) + ms * NS_PER_MS, NULL, NULL);
}

static void is_closed(void *arg)
{
    ((struct stage *)arg)->closed = true;
}

static void stop_client(void *arg)
{
    struct stage *s = arg;

    cairn_pool_close(s->pool);
    cairn_close_env(s->c, is_closed, s);
}

static void drop_ops(void *arg)
{
    struct stage *s = arg;

    cairn_op_destroy(s->op);
    for (uint32_t i = 0; i < s->more_count; i++)
        cairn_op_destroy(s->more[i]);
}

static void tear_down(struct stage *s)
{
    sim_enter(s->user, stop_client, s);
    run(s, 2000);
    T_TRUE(s->closed);
    sim_enter(s->user, drop_ops, s);
    T_EQ(sim_process_end(s->user), 0);
    sim_process_kill(s->server);
    sim_destroy(s->sim);
}

static void finished(struct cairn_op *op, int rc, void *arg)
{
    struct stage *s = arg;

    UNUSED(op);
    s->done++;
    s->rc = rc;
}

static void submit_create(void *arg)
{
    struct stage *s = arg;

    s->op = cairn_op_create();
    T_TRUE(cairn_op_create_object(s->op, true) >= 0);
    T_OK(cairn_submit(s->pool, "a", 1, s->op, finished, s));
}

struct answer {
    struct stage *s;
    uint32_t to; /* number of the operation as it came */
    int rc;
};

static void answer(void *arg)
{
    const struct answer *a = arg;
    const struct seen *to = &a->s->seen[a->to];
    struct msg_osd_op_reply *m = MESSAGE_NEW(osd_op_reply);

    step_results_init(&m->results);
    T_OK(step_results_reserve(&m->results, 1));
    m->op = to->op;
    m->attempt = to->attempt;
    m->epoch = a->s->map->epoch;
    m->rc = m->results.result[0].rc = a->rc;
    session_send(to->session, &m->base);
}

static void answers(struct stage *s, uint32_t to, int rc)
{
    struct answer a = {s, to, rc};

    sim_enter(s->server, answer, &a);
    run(s, 20);
}

/* The OSD says "not under this map" to attempt 1, so that there is an attempt 2. */
static void sent_twice(struct stage *s)
{
    set_up(s);
    go(s);
    sim_enter(s->user, submit_create, s);
    run(s, 100);
    T_EQ(s->seen_count, 1);
    T_EQ(s->seen[0].attempt, 1);
    answers(s, 0, -R_OLD_EPOCH);
    run(s, 300);
    T_EQ(s->seen_count, 2);
    T_EQ(s->seen[1].op, s->seen[0].op);
    T_EQ(s->seen[1].attempt, 2);
    T_EQ(s->done, 0);
}

/* Failures are not in the log: the second attempt may yet succeed. */
T(client, a_failure_of_an_earlier_attempt_is_not_the_answer)
{
    struct stage s;

    sent_twice(&s);
    answers(&s, 0, -R_EXISTS);
    T_EQ(s.done, 0);
    answers(&s, 1, 0);
    T_EQ(s.done, 1);
    T_EQ(s.rc, 0);
    tear_down(&s);
}

T(client, a_failure_of_the_last_attempt_is_the_answer)
{
    struct stage s;

    sent_twice(&s);
    answers(&s, 1, -R_EXISTS);
    T_EQ(s.done, 1);
    T_EQ(s.rc, -EEXIST);
    tear_down(&s);
}

/* A success is in the log: each attempt's is the same. */
T(client, a_success_of_any_attempt_is_the_answer_once)
{
    struct stage s;

    sent_twice(&s);
    answers(&s, 0, 0);
    T_EQ(s.done, 1);
    T_EQ(s.rc, 0);
    answers(&s, 1, 0);
    T_EQ(s.done, 1);
    tear_down(&s);
}

static void drop_session(void *arg)
{
    struct stage *s = arg;

    session_close(s->seen[0].session);
}

T(client, what_a_session_lost_is_sent_again_under_its_id)
{
    struct stage s;

    set_up(&s);
    go(&s);
    sim_enter(s.user, submit_create, &s);
    run(&s, 100);
    T_EQ(s.seen_count, 1);
    sim_enter(s.server, drop_session, &s);
    run(&s, 1000);
    T_EQ(s.seen_count, 2);
    T_EQ(s.seen[1].op, s.seen[0].op);
    T_EQ(s.seen[1].floor, s.seen[1].op);
    T_EQ(s.seen[1].attempt, 2);
    answers(&s, 1, 0);
    T_EQ(s.done, 1);
    tear_down(&s);
}

/* ---- the queue ---- */

static const char value[64 << 10];

/* One that carries its bytes as rows, not as data. */
static int submit_rows(struct stage *s)
{
    struct cairn_op *op = cairn_op_create();
    struct cairn_pair pair = {"key", 3, value, sizeof(value)};

    T_TRUE(cairn_op_omap_set(op, &pair, 1) >= 0);
    s->more[s->more_count++] = op;
    return cairn_submit(s->pool, "a", 1, op, finished, s);
}

static void fill(void *arg)
{
    struct stage *s = arg;
    uint32_t n = 0;

    while (s->more_count < SEEN_MAX && (s->rc = submit_rows(s)) == 0)
        n++;
    s->done = 0;
    T_EQ(s->rc, -EAGAIN);
    T_GT(n, 10);
    T_LE((uint64_t)n * sizeof(value), s->conf.client_in_flight);
}

static void one_more(void *arg)
{
    struct stage *s = arg;

    s->rc = submit_rows(s);
}

T(client, bytes_of_every_kind_count_and_the_full_queue_pushes_back)
{
    struct stage s;

    set_up(&s);
    s.conf.client_in_flight = 1 << 20;
    go(&s);
    run(&s, 100);
    sim_enter(s.user, fill, &s);
    run(&s, 100);
    T_GT(s.seen_count, 10);
    answers(&s, 0, 0);
    T_EQ(s.done, 1);
    sim_enter(s.user, one_more, &s);
    T_EQ(s.rc, 0);
    tear_down(&s);
}
