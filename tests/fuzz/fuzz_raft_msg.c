/* fuzz_raft_msg.c - a row of Raft messages from anywhere, decoded and given to a member.
 *
 * The decoder must refuse or understand; what it understands encodes to what decodes to the same;
 * and whatever a peer says, the member's invariants hold (raft_check aborts otherwise).  Persists
 * are durable at once, snapshots install at once, and time passes between messages, so that the
 * member also stands for election and leads. */
#include "core/raft/raft.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct member {
    struct raft *raft;
    uint64_t now_ms;
};

static void step(struct member *m, struct raft_event ev)
{
    struct raft_orders orders;

    for (int i = 0; i < 4; i++) { /* an event, and what the driver reports of its work */
        struct raft_persist p;
        uint64_t applied;

        ev.now_ms = m->now_ms;
        if (raft_step(m->raft, &ev, &orders) < 0)
            return;
        raft_check(m->raft);
        p = orders.persist;
        applied = orders.apply_count ? orders.apply[orders.apply_count - 1].pos.index : 0;
        if (p.token.seq)
            ev = (struct raft_event){.type = RAFT_EV_PERSISTED, .token = p.token};
        else if (applied)
            ev = (struct raft_event){.type = RAFT_EV_APPLIED, .index = applied};
        else
            return;
        if (p.has_chunk && p.chunk_last) {
            step(m, ev);
            ev = (struct raft_event){.type = RAFT_EV_SNAPSHOT_INSTALLED,
                                     .index = p.chunk_snap.pos.index};
        }
    }
}

static void encodes_to_the_same(const struct raft_msg *m)
{
    struct writer w = {0}, again = {0};
    struct raft_msg copy = {0};
    struct cursor c;

    raft_msg_encode(&w, m);
    if (w.rc < 0)
        abort();
    c = cur_over(w.data, w.len);
    if (raft_msg_decode(&c, &copy) < 0 || cur_finish(&c) < 0)
        abort();
    raft_msg_encode(&again, &copy);
    if (again.rc < 0 || again.len != w.len || memcmp(again.data, w.data, w.len) != 0)
        abort();
    raft_msg_fini(&copy);
    writer_fini(&w);
    writer_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct cursor c = cur_over(data, bytes);
    struct member m = {.now_ms = 1};
    struct raft_stored stored = {0};
    struct raft_conf conf;

    raft_conf_init(&conf);
    conf.id = 1;
    conf.members = (struct raft_members){.count = 3, .m = {{.id = 1}, {.id = 2}, {.id = 3}}};
    conf.log_keep = 1;
    rng_seed(&conf.rng, 1);
    if (raft_create(&conf, &stored, &m.raft) < 0)
        abort();
    while (cur_left(&c) > 0) {
        struct raft_msg msg = {0};

        if (raft_msg_decode(&c, &msg) < 0)
            break;
        encodes_to_the_same(&msg);
        step(&m, (struct raft_event){.type = RAFT_EV_MSG, .msg = &msg});
        m.now_ms += msg.round % 4096; /* lets the input choose how time passes */
        step(&m, (struct raft_event){.type = RAFT_EV_TICK});
        step(&m, (struct raft_event){.type = RAFT_EV_PROPOSE});
        step(&m, (struct raft_event){.type = RAFT_EV_READ, .id = 1});
        raft_msg_fini(&msg);
    }
    raft_destroy(m.raft);
    return 0;
}
