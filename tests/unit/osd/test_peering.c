/* test_peering.c - single decisions of peering that random histories rarely make plain. */
#include "core/osd/peering.h"
#include "tests/unit/osd/osd_util.h"

/* A PG of three OSDs whose maps a test makes; osd.N looks at it. */
struct stage {
    struct osdmap *map;
    struct pg_copy copy;
    struct peering p;
    struct peering_orders orders; /* of the last event */
};

static const uint8_t fsid[16] = {1};

static struct osdmap *next_map(const struct stage *s)
{
    struct osdmap *m = osdmap_clone(s->map);

    T_TRUE(m != NULL);
    m->epoch.v++;
    return m;
}

static void feed(struct stage *s, struct peering_event ev)
{
    peering_orders_fini(&s->orders);
    ev.map = s->map;
    ev.copy = &s->copy;
    T_OK(peering_step(&s->p, &ev, &s->orders));
    peering_check(&s->p);
    pg_copy_check(&s->copy, true);
}

/* Epoch 10: an interval with acting {0,1,2} that osd.0 led and could write in; epoch 12: the same
 * OSDs, led by osd.1, which is us; osd.0 is in this state. */
static void set_up_with(struct stage *s, uint8_t state_of_0)
{
    struct osd_set acting = {.osd = {{0}, {1}, {2}}, .count = 3};
    struct pool pool = {
        .id = {1}, .name = "p", .size = 3, .size_min = 2, .pg_count = 1, .created = {1}};
    struct osdmap *m = osdmap_create(fsid);

    memset(s, 0, sizeof(*s));
    T_TRUE(m != NULL);
    s->map = m;
    T_OK(osdmap_osds_grow(m, 4));
    for (int i = 0; i < 3; i++) {
        char host[8] = {'h', (char)('0' + i)};

        m->osds[i].state = OSD_EXISTS | OSD_UP;
        m->osds[i].weight = OSD_WEIGHT_IN;
        T_OK(osdmap_crush_add(m, (struct osd_id){i}, host, "", OSD_WEIGHT_IN));
    }
    T_OK(osdmap_pool_set(m, &pool));
    T_OK(osdmap_temp_set(m, util_pg, &acting));
    m->osds[0].up_thru.v = 10;
    m->epoch.v = 11;
    T_OK(osdmap_seal(m));
    T_OK(pg_copy_init(&s->copy, util_pg));
    past_intervals_begin(&s->copy.past, m);
    s->copy.past.first.v = 10;
    m = next_map(s);
    acting = (struct osd_set){.osd = {{1}, {0}, {2}}, .count = 3};
    T_OK(osdmap_temp_set(m, util_pg, &acting));
    m->osds[0].state = state_of_0;
    T_OK(osdmap_seal(m));
    T_EQ(past_intervals_walk(&s->copy.past, util_pg, s->map, m), 1);
    T_EQ(s->copy.past.count, 1);
    osdmap_unref(s->map);
    s->map = m;
    peering_init(&s->p, util_pg);
}

static void set_up(struct stage *s)
{
    set_up_with(s, OSD_EXISTS | OSD_UP);
}

/* Our own copy: complete, activated in `les`, with these writes. */
static void own(struct stage *s, uint32_t les, const char *names)
{
    s->copy.info.created.v = 1;
    s->copy.info.complete = true;
    s->copy.info.les.v = les;
    util_append(&s->copy, 10, names);
}

static void tear_down(struct stage *s)
{
    peering_orders_fini(&s->orders);
    peering_fini(&s->p);
    pg_copy_fini(&s->copy);
    osdmap_unref(s->map);
}

static void start(struct stage *s)
{
    feed(s, (struct peering_event){.kind = PEERING_EV_START, .self = {1}});
}

static void new_map(struct stage *s, struct osdmap *m)
{
    T_OK(osdmap_seal(m));
    osdmap_unref(s->map);
    s->map = m;
    feed(s, (struct peering_event){.kind = PEERING_EV_MAP, .now_ns = 1000});
}

static struct pg_info info(uint32_t les, uint64_t seq)
{
    return (struct pg_info){.pg = util_pg,
                            .created = {1},
                            .complete = true,
                            .les = {les},
                            .last_update = util_v(seq ? 10 : 0, seq)};
}

static void notify(struct stage *s, int from, struct pg_info i, uint32_t lease_ms, int lease_of)
{
    struct msg_pg_notify n = {
        .interval = {12}, .info = i, .lease_left_ms = lease_ms, .lease_of = {lease_of}};

    feed(s, (struct peering_event){
                .kind = PEERING_EV_NOTIFY, .from = {from}, .notify = &n, .now_ns = 1000});
}

static unsigned sends(const struct stage *s, enum peering_send_kind kind)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < s->orders.send_count; i++)
        n += s->orders.send[i].kind == kind;
    return n;
}

static void up_thru(struct stage *s)
{
    struct osdmap *m = next_map(s);

    m->osds[1].up_thru.v = 12;
    new_map(s, m);
}

T(peering, goes_active_by_all_its_stages)
{
    struct stage s;

    set_up(&s);
    own(&s, 10, "ab");
    start(&s);
    T_EQ(s.p.state, PEERING_GET_INFO);
    T_EQ(sends(&s, PEERING_SEND_QUERY), 2);
    notify(&s, 0, info(10, 2), 0, -1);
    T_EQ(s.p.state, PEERING_GET_INFO);
    notify(&s, 2, info(10, 1), 0, -1);
    T_EQ(s.p.state, PEERING_WAIT_UP_THRU);
    T_EQ(s.orders.wish_up_thru.v, 12);
    up_thru(&s);
    T_EQ(s.p.state, PEERING_ACTIVATING);
    T_EQ(sends(&s, PEERING_SEND_ACTIVATE), 2);
    T_TRUE(s.orders.persist != NULL);
    T_TRUE(s.orders.activation);
    T_EQ(s.copy.info.les.v, 12);
    T_EQ(peering_peer(&s.p, (struct osd_id){2})->missing.count, 1);
    feed(&s, (struct peering_event){.kind = PEERING_EV_ACTIVATED, .from = {0}});
    feed(&s, (struct peering_event){.kind = PEERING_EV_ACTIVATED, .from = {2}});
    T_EQ(s.p.state, PEERING_ACTIVATING);
    feed(&s, (struct peering_event){.kind = PEERING_EV_OWN_DURABLE});
    T_EQ(s.p.state, PEERING_ACTIVE);
    T_FALSE(s.p.clean);
    tear_down(&s);
}

T(peering, a_higher_les_wins_over_a_longer_log)
{
    struct stage s;

    set_up(&s);
    own(&s, 5, "abcd");
    start(&s);
    notify(&s, 0, info(10, 2), 0, -1);
    notify(&s, 2, info(5, 3), 0, -1);
    T_EQ(s.p.state, PEERING_GET_LOG);
    T_EQ(s.p.auth.v, 0);
    T_EQ(sends(&s, PEERING_SEND_QUERY), 1);
    tear_down(&s);
}

T(peering, is_incomplete_without_a_copy_that_counts)
{
    struct pg_info salvaged = info(10, 2), partial = info(10, 2);
    struct stage s;

    salvaged.complete = false;
    salvaged.salvaged = true;
    partial.complete = false;
    set_up(&s);
    start(&s);
    notify(&s, 0, salvaged, 0, -1);
    notify(&s, 2, partial, 0, -1);
    /* We have no copy and no damage, so the interval before never was active; yet copies exist. */
    T_EQ(s.p.state, PEERING_INCOMPLETE);
    tear_down(&s);
}

T(peering, a_salvaged_member_keeps_a_pg_down_that_nobody_else_knows)
{
    struct pg_info salvaged = info(10, 2);
    struct osdmap *m;
    struct stage s;

    salvaged.complete = false;
    salvaged.salvaged = true;
    set_up(&s);
    s.copy.info.salvaged = true; /* our store was damaged too, and has no rows of the PG */
    start(&s);
    notify(&s, 0, salvaged, 0, -1);
    notify(&s, 2, salvaged, 0, -1);
    T_EQ(s.p.state, PEERING_DOWN);
    m = next_map(&s);
    for (int i = 0; i < 3; i++)
        m->osds[i].lost_at.v = 13;
    new_map(&s, m);
    T_EQ(s.p.state, PEERING_INCOMPLETE);
    tear_down(&s);
}

T(peering, a_new_pg_needs_no_copy)
{
    struct pg_info none = {.pg = {{1}, 0}};
    struct stage s;

    set_up(&s);
    past_intervals_prune(&s.copy.past, (struct epoch){12});
    start(&s);
    notify(&s, 0, none, 0, -1);
    notify(&s, 2, none, 0, -1);
    T_EQ(s.p.state, PEERING_WAIT_UP_THRU);
    up_thru(&s);
    T_EQ(s.p.state, PEERING_ACTIVATING);
    T_TRUE(pg_copy_exists(&s.copy));
    T_TRUE(s.copy.info.complete);
    tear_down(&s);
}

T(peering, asks_for_others_to_act_while_it_is_filled)
{
    struct stage s;

    set_up(&s);
    start(&s); /* we lead, but have nothing */
    notify(&s, 0, info(10, 2), 0, -1);
    notify(&s, 2, info(10, 2), 0, -1);
    T_EQ(s.p.state, PEERING_WAIT_ACTING);
    T_TRUE(s.orders.wish_temp);
    T_EQ(s.orders.temp.count, 2);
    T_FALSE(osd_set_has(&s.orders.temp, (struct osd_id){1}));
    tear_down(&s);
}

T(peering, waits_out_the_lease_of_the_old_primary_unless_it_cannot_use_it)
{
    static const struct {
        uint8_t state;
        bool waits;
    } rows[] = {{OSD_EXISTS | OSD_UP, false}, /* it answers: it has left the old interval */
                {OSD_EXISTS, true},
                {OSD_EXISTS | OSD_STOPPED, false}};

    T_CASES (row, rows) {
        struct stage s;

        set_up_with(&s, row->state);
        own(&s, 10, "ab");
        start(&s);
        if (row->state & OSD_UP)
            notify(&s, 0, info(10, 2), 0, -1);
        notify(&s, 2, info(10, 2), 700, 0);
        T_EQ(s.p.state, PEERING_WAIT_UP_THRU);
        up_thru(&s);
        T_EQ(s.p.state, row->waits ? PEERING_WAIT_LEASE : PEERING_ACTIVATING);
        if (row->waits) {
            T_EQ(s.orders.timer_at_ns, 1000 + 700 * NS_PER_MS);
            feed(&s, (struct peering_event){.kind = PEERING_EV_TIMER, .now_ns = 700 * NS_PER_MS});
            T_EQ(s.p.state, PEERING_WAIT_LEASE);
            feed(&s, (struct peering_event){.kind = PEERING_EV_TIMER,
                                            .now_ns = 1000 + 700 * NS_PER_MS});
            T_EQ(s.p.state, PEERING_ACTIVATING);
        }
        tear_down(&s);
    }
}

/* A member that has two earlier primaries to think of names neither: that one of them is gone says
 * nothing of the other. */
T(peering, waits_out_a_lease_of_nobody_in_particular)
{
    struct stage s;

    set_up(&s);
    own(&s, 10, "ab");
    start(&s);
    notify(&s, 0, info(10, 2), 0, -1);
    notify(&s, 2, info(10, 2), 700, -1);
    up_thru(&s);
    T_EQ(s.p.state, PEERING_WAIT_LEASE);
    T_EQ(s.orders.timer_at_ns, 1000 + 700 * NS_PER_MS);
    feed(&s, (struct peering_event){.kind = PEERING_EV_TIMER, .now_ns = s.orders.timer_at_ns});
    T_EQ(s.p.state, PEERING_ACTIVATING);
    tear_down(&s);
}

/* Once a member has recorded the activation nobody asks about earlier intervals any more, so all
 * that was promised in them has ended before the first one is told, our own part too. */
static void own_promise(uint8_t state_of_0, struct lease_holds promised, uint64_t waits_until_ns)
{
    struct stage s;
    struct osdmap *m;

    set_up_with(&s, state_of_0);
    own(&s, 10, "ab");
    start(&s);
    if (state_of_0 & OSD_UP)
        notify(&s, 0, info(10, 2), 0, -1);
    notify(&s, 2, info(10, 2), 0, -1);
    m = next_map(&s);
    m->osds[1].up_thru.v = 12;
    T_OK(osdmap_seal(m));
    osdmap_unref(s.map);
    s.map = m;
    feed(&s, (struct peering_event){.kind = PEERING_EV_MAP, .now_ns = 1000, .promised = &promised});
    if (waits_until_ns) {
        T_EQ(s.p.state, PEERING_WAIT_LEASE);
        T_EQ(sends(&s, PEERING_SEND_ACTIVATE), 0);
        T_TRUE(s.orders.persist == NULL);
        T_EQ(s.orders.timer_at_ns, waits_until_ns);
        feed(&s, (struct peering_event){.kind = PEERING_EV_TIMER, .now_ns = waits_until_ns});
    }
    T_EQ(s.p.state, PEERING_ACTIVATING);
    T_EQ(sends(&s, PEERING_SEND_ACTIVATE), state_of_0 & OSD_UP ? 2 : 1);
    tear_down(&s);
}

T(peering, tells_nobody_to_activate_before_its_own_promises_have_ended)
{
    struct lease_holds one = {1, {{{0}, {11}, 5000}}}, nobody = {1, {{OSD_NONE, {11}, 5000}}},
                       two = {2, {{{0}, {11}, 5000}, {{2}, {9}, 4000}}},
                       other = {2, {{{0}, {11}, 5000}, {{3}, {9}, 4000}}};

    own_promise(OSD_EXISTS, one, 5000);
    own_promise(OSD_EXISTS, two, 5000); /* osd.2 has answered, osd.0 has not */
    own_promise(OSD_EXISTS | OSD_UP, one, 0);
    own_promise(OSD_EXISTS | OSD_UP, two, 0);
    own_promise(OSD_EXISTS | OSD_UP, other, 4000);
    own_promise(OSD_EXISTS | OSD_UP, nobody, 5000);
}

T(peering, asks_again_when_a_session_broke)
{
    struct stage s;

    set_up(&s);
    own(&s, 10, "ab");
    start(&s);
    notify(&s, 0, info(10, 2), 0, -1);
    feed(&s, (struct peering_event){.kind = PEERING_EV_SESSION_RESET, .from = {2}});
    T_EQ(sends(&s, PEERING_SEND_QUERY), 1);
    feed(&s, (struct peering_event){.kind = PEERING_EV_SESSION_RESET, .from = {0}});
    T_EQ(sends(&s, PEERING_SEND_QUERY), 0); /* it has answered */
    notify(&s, 2, info(10, 2), 0, -1);
    up_thru(&s);
    feed(&s, (struct peering_event){.kind = PEERING_EV_ACTIVATED, .from = {0}});
    feed(&s, (struct peering_event){.kind = PEERING_EV_SESSION_RESET, .from = {2}});
    T_EQ(sends(&s, PEERING_SEND_ACTIVATE), 1);
    feed(&s, (struct peering_event){.kind = PEERING_EV_SESSION_RESET, .from = {0}});
    T_EQ(sends(&s, PEERING_SEND_ACTIVATE), 0);
    tear_down(&s);
}

T(peering, a_member_told_twice_only_answers_again)
{
    struct msg_pg_activate a = {.interval = {12}};
    struct stage s;

    set_up(&s);
    own(&s, 10, "ab");
    feed(&s, (struct peering_event){.kind = PEERING_EV_START, .self = {2}});
    T_EQ(s.p.state, PEERING_STRAY);
    a.info = info(12, 2);
    T_OK(pg_log_wire_make(&s.copy.log, util_v(10, 2), &a.log));
    feed(&s, (struct peering_event){.kind = PEERING_EV_ACTIVATE, .from = {1}, .activate = &a});
    T_EQ(s.p.state, PEERING_REPLICA_ACTIVE);
    T_EQ(sends(&s, PEERING_SEND_ACTIVATED), 1);
    T_EQ(s.copy.info.les.v, 12);
    util_append(&s.copy, 12, "c"); /* a write followed */
    feed(&s, (struct peering_event){.kind = PEERING_EV_ACTIVATE, .from = {1}, .activate = &a});
    T_EQ(sends(&s, PEERING_SEND_ACTIVATED), 1);
    T_TRUE(s.orders.persist == NULL);
    T_EQ(s.copy.log.head.seq, 3);
    pg_log_wire_fini(&a.log);
    tear_down(&s);
}
