/* test_raft.c - one member alone: what it starts from, what it refuses, its limits. */
#include "tests/unit/t.h"
#include "core/raft/raft.h"

enum { ME = 1 };

static struct raft_conf conf_of(uint32_t members)
{
    struct raft_conf conf;

    raft_conf_init(&conf);
    conf.id = ME;
    conf.members.count = members;
    for (uint32_t i = 0; i < members; i++)
        conf.members.m[i].id = i + 1;
    rng_seed(&conf.rng, 1);
    return conf;
}

static int start(const struct raft_conf *conf, const struct raft_stored *stored)
{
    struct raft *r = NULL;
    int rc = raft_create(conf, stored, &r);

    if (rc == 0)
        raft_check(r);
    else
        T_TRUE(r == NULL);
    raft_destroy(r);
    return rc;
}

T(raft, a_configuration_that_contradicts_itself_is_refused)
{
    struct raft_stored none = {0};
    struct raft_conf good = conf_of(3), conf;

    T_OK(start(&good, &none));
#define REFUSED(change)                                                                            \
    conf = good;                                                                                   \
    conf.change;                                                                                   \
    T_EQ(start(&conf, &none), -EINVAL)
    REFUSED(id = 0);
    REFUSED(id = 9);               /* no member */
    REFUSED(check_quorum = false); /* but leases */
    REFUSED(heartbeat_ms = good.election_ms);
    REFUSED(election_ms = 5);
    REFUSED(drift_permille = 501);
    REFUSED(append_entries_max = 0);
    REFUSED(append_bytes_max = 0);
    REFUSED(inflight_max = RAFT_INFLIGHT_MAX + 1);
    REFUSED(chunk_bytes = 0);
    REFUSED(reads_max = 0);
    REFUSED(members.count = 0);
    REFUSED(members.m[1].id = 1); /* twice */
    REFUSED(members.m[2].id = 0); /* not ascending */
#undef REFUSED
    conf = conf_of(1);
    conf.members.m[0].learner = true; /* nobody can lead */
    T_EQ(start(&conf, &none), -EINVAL);
}

static const struct raft_entry log_1234[] = {
    {.pos = {1, 1}, .type = RAFT_NOOP},
    {.pos = {2, 1}, .type = RAFT_DATA, .data = {(const uint8_t *)"a", 1}},
    {.pos = {3, 2}, .type = RAFT_NOOP},
    {.pos = {4, 2}, .type = RAFT_DATA, .data = {(const uint8_t *)"b", 1}},
};

T(raft, a_stored_state_that_contradicts_itself_is_refused)
{
    static const struct raft_entry hole[] = {{.pos = {1, 1}, .type = RAFT_NOOP},
                                             {.pos = {3, 1}, .type = RAFT_NOOP}};
    static const struct raft_entry back[] = {{.pos = {1, 2}, .type = RAFT_NOOP},
                                             {.pos = {2, 1}, .type = RAFT_NOOP}};
    static const struct {
        struct raft_stored s;
        int rc;
    } rows[] = {
        {{.hard = {2, 0}, .entries = log_1234, .entry_count = 4}, 0},
        {{.hard = {2, 0}, .entries = log_1234, .entry_count = 4, .applied = 4}, 0},
        {{.hard = {2, 0}, .entries = log_1234, .entry_count = 4, .applied = 5}, -R_MALFORMED},
        {{.hard = {1, 0}, .entries = log_1234, .entry_count = 4}, -R_MALFORMED}, /* term 2 */
        {{.hard = {1, 0}, .entries = hole, .entry_count = 2}, -R_MALFORMED},
        {{.hard = {2, 0}, .entries = back, .entry_count = 2}, -R_MALFORMED},
        {{.hard = {2, 0}, .entries = log_1234 + 1, .entry_count = 3}, -R_MALFORMED},
        {{.hard = {2, 0}, .snap = {.pos = {2, 1}}, .applied = 1}, -R_MALFORMED},
        {{.hard = {RAFT_NUMBER_MAX + 1, 0}}, -R_MALFORMED},
        /* applied says 4, but the snapshot at 2 contradicts the log, which goes */
        {{.hard = {3, 0},
          .snap = {.pos = {2, 2}},
          .entries = log_1234,
          .entry_count = 4,
          .applied = 4},
         -R_MALFORMED},
    };
    struct raft_conf conf = conf_of(3);

    T_CASES (row, rows)
        T_EQ(start(&conf, &row->s), row->rc);
}

T(raft, a_snapshot_wins_over_a_log_that_does_not_contain_its_end)
{
    static const struct {
        struct raft_pos snap;
        size_t entries;
        struct raft_pos base, last;
    } rows[] = {
        {{3, 2}, 4, {1, 1}, {4, 2}}, /* the log contains it, and goes on */
        {{4, 2}, 4, {1, 1}, {4, 2}},
        {{3, 3}, 4, {3, 3}, {3, 3}}, /* another entry 3: all of the log goes */
        {{9, 3}, 4, {9, 3}, {9, 3}}, /* the log ends before */
        {{9, 3}, 0, {9, 3}, {9, 3}},
    };
    struct raft_conf conf = conf_of(3);

    T_CASES (row, rows) {
        struct raft_stored s = {.hard = {3, 0},
                                .snap = {.pos = row->snap},
                                .entries = log_1234,
                                .entry_count = row->entries,
                                .applied = row->snap.index};
        struct raft_status st;
        struct raft *r;

        T_OK(raft_create(&conf, &s, &r));
        raft_check(r);
        raft_status(r, &st);
        T_EQ(st.log_base.index, row->base.index);
        T_EQ(st.log_base.term, row->base.term);
        T_EQ(st.last.index, row->last.index);
        T_EQ(st.last.term, row->last.term);
        T_EQ(st.commit, row->snap.index);
        raft_destroy(r);
    }
}

/* A sole voter that leads, with its first persist under way. */
static struct raft *leader_start(const struct raft_conf *conf, struct raft_orders *orders)
{
    struct raft_stored none = {0};
    struct raft *r;

    T_OK(raft_create(conf, &none, &r));
    T_OK(raft_step(r, &(struct raft_event){.type = RAFT_EV_TICK, .now_ms = 7}, orders));
    T_EQ(orders->role, RAFT_LEADER);
    return r;
}

T(raft, a_sole_voter_leads_in_its_first_step_and_commits_what_is_durable)
{
    struct raft_conf conf = conf_of(1);
    struct raft_orders orders;
    struct raft *r = leader_start(&conf, &orders);
    struct raft_token token = orders.persist.token;

    T_TRUE(orders.role_changed);
    T_TRUE(orders.persist.hard_changed);
    T_EQ(orders.persist.hard.vote, ME);
    T_EQ(orders.persist.log_from, 1u);
    T_EQ(orders.persist.entry_count, 1u);
    T_EQ(orders.apply_count, 0u);
    T_EQ(raft_deadline_ms(r), UINT64_MAX); /* nothing to wake up for */
    T_OK(raft_step(r, &(struct raft_event){.type = RAFT_EV_PERSISTED, .token = token}, &orders));
    T_EQ(orders.apply_count, 1u);
    T_EQ(orders.apply[0].type, RAFT_NOOP);
    token.seq = 99;
    T_EQ(raft_step(r, &(struct raft_event){.type = RAFT_EV_PERSISTED, .token = token}, &orders),
         -EINVAL);
    T_EQ(raft_step(r, &(struct raft_event){.type = RAFT_EV_APPLIED, .index = 2}, &orders), -EINVAL);
    raft_destroy(r);
}

static int propose(struct raft *r, struct bytes data, struct raft_orders *orders)
{
    int rc = raft_step(r, &(struct raft_event){.type = RAFT_EV_PROPOSE, .data = data}, orders);

    raft_check(r);
    return rc;
}

T(raft, proposals_and_reads_beyond_the_limits_are_pushed_back)
{
    struct raft_conf conf = conf_of(1);
    struct bytes ten = {(const uint8_t *)"0123456789", 10};
    struct bytes huge = {(const uint8_t *)"", RAFT_ENTRY_BYTES_MAX + 1};
    struct raft_token token;
    struct raft_orders orders;
    struct raft *r;

    conf.uncommitted_bytes_max = 25;
    conf.reads_max = 2;
    r = leader_start(&conf, &orders);
    T_EQ(propose(r, huge, &orders), -R_OVERFLOW);
    T_OK(propose(r, ten, &orders));
    T_EQ(orders.proposed.index, 2u);
    T_OK(propose(r, ten, &orders));
    token = orders.persist.token;
    T_EQ(propose(r, ten, &orders), -R_BACK_PRESSURE);
    T_EQ(orders.persist.token.seq, 0u);
    for (uint64_t id = 1; id <= 2; id++) /* no entry of its term is committed: they wait */
        T_OK(raft_step(r, &(struct raft_event){.type = RAFT_EV_READ, .id = id}, &orders));
    T_EQ(raft_step(r, &(struct raft_event){.type = RAFT_EV_READ, .id = 3}, &orders),
         -R_BACK_PRESSURE);
    T_OK(raft_step(r, &(struct raft_event){.type = RAFT_EV_PERSISTED, .token = token}, &orders));
    T_EQ(orders.read_count, 2u);
    T_EQ(orders.reads[1].id, 2u);
    T_EQ(orders.reads[1].index, 3u);
    T_EQ(orders.apply_count, 3u);
    T_MEM_EQ(orders.apply[2].data.data, "0123456789", 10);
    T_OK(propose(r, ten, &orders)); /* room again */
    raft_destroy(r);

    conf.log_bytes_max = 95;
    r = leader_start(&conf, &orders);
    T_OK(propose(r, ten, &orders));
    T_EQ(propose(r, ten, &orders), -R_BACK_PRESSURE);
    raft_destroy(r);
}

T(raft, what_no_correct_member_sends_is_refused_and_changes_nothing)
{
    static const struct raft_entry down[] = {{.pos = {2, 3}, .type = RAFT_NOOP},
                                             {.pos = {3, 2}, .type = RAFT_NOOP}};
    static const struct raft_entry other[] = {{.pos = {2, 3}, .type = RAFT_NOOP}};
    static const struct {
        struct raft_msg m;
        int rc;
    } rows[] = {
        {{.type = RAFT_MSG_HEARTBEAT, .from = 2, .to = 3, .term = 9}, -R_MALFORMED},
        {{.type = RAFT_MSG_HEARTBEAT, .from = 1, .to = 1, .term = 9}, -R_MALFORMED},
        {{.type = RAFT_MSG_HEARTBEAT, .from = 2, .to = 1, .term = 0}, -R_MALFORMED},
        {{.type = RAFT_MSG_APPEND,
          .from = 2,
          .to = 1,
          .term = 9,
          .pos = {1, 1},
          .entries = down,
          .entry_count = 2},
         -R_MALFORMED},
        {{.type = RAFT_MSG_APPEND,
          .from = 2,
          .to = 1,
          .term = 2,
          .pos = {1, 1},
          .entries = other,
          .entry_count = 1},
         -R_MALFORMED},
        {{.type = RAFT_MSG_APPEND,
          .from = 2,
          .to = 1,
          .term = 9,
          .pos = {1, 1},
          .entries = other,
          .entry_count = 1},
         -R_RAFT_CONFLICT}, /* entry 2 of term 1 is committed here */
        {{.type = RAFT_MSG_SNAPSHOT,
          .from = 2,
          .to = 1,
          .term = 9,
          .pos = {9, 9},
          .snap = {.bytes = 5},
          .offset = 3,
          .chunk = {(const uint8_t *)"abc", 3}},
         -R_MALFORMED},
    };
    struct raft_conf conf = conf_of(3);
    struct raft_stored s = {.hard = {2, 0}, .entries = log_1234, .entry_count = 4, .applied = 4};
    struct raft_status st;
    struct raft_orders orders;
    struct raft *r;

    T_OK(raft_create(&conf, &s, &r));
    T_CASES (row, rows) {
        struct raft_event ev = {.type = RAFT_EV_MSG, .now_ms = 1, .msg = &row->m};

        T_EQ(raft_step(r, &ev, &orders), row->rc);
        T_EQ(orders.msg_count, 0u);
        raft_check(r);
        raft_status(r, &st);
        T_EQ(st.hard.term, 2u);
        T_EQ(st.last.index, 4u);
    }
    raft_destroy(r);
}

T(raft, a_message_from_nobody_we_know_is_ignored)
{
    struct raft_msg m = {.type = RAFT_MSG_HEARTBEAT, .from = 9, .to = ME, .term = 50};
    struct raft_conf conf = conf_of(3);
    struct raft_stored none = {0};
    struct raft_orders orders;
    struct raft *r;

    T_OK(raft_create(&conf, &none, &r));
    T_OK(raft_step(r, &(struct raft_event){.type = RAFT_EV_MSG, .msg = &m}, &orders));
    T_EQ(orders.msg_count, 0u);
    T_EQ(orders.term, 0u);
    raft_destroy(r);
}
