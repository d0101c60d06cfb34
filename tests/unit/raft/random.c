/* random.c - a seeded history: clients write and read a register while nodes crash and lose what
 * was not synced, messages get lost, doubled, late and out of order, links and nodes are cut off,
 * disks and nodes pause, clocks run fast and slow.  Then the faults stop, and the group must come
 * to one state in bounded time.
 *
 * The seed also chooses the configuration: small batches and windows, short logs, with and without
 * pre-vote, check-quorum and leases. */
#include "tests/unit/raft/random.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FAULTY_MS = 2500,
    CALM_MS = 10000,
    ELECTION_MS = 100,
    HEARTBEAT_MS = 20,
    DRIFT_PERMILLE = 100,
};

/* What a seed is about. */
enum profile { MIXED, TOPPLE, SQUEEZE };

struct faults { /* permille, or ms */
    uint32_t lose, twice, late;
    uint32_t crash, cut, pause, slow_disk; /* per step, in 1/10000 */
    uint32_t transfer, write, read;        /* per step, in 1/1000 */
    uint32_t topple;                       /* permille: a new leader crashes soon */
    uint64_t disk_ms, late_ms;
    bool cut_hits_flying; /* a cut also stops what is under way */
};

struct history {
    struct cluster *c;
    struct faults f;
    uint64_t value_next;
    uint64_t heal_at_ms;
    uint64_t slow_until_ms;
    uint64_t restart_at_ms[NODES_MAX];
    uint64_t crash_at_ms[NODES_MAX]; /* 0: not planned */
    uint64_t leaders_seen;
    enum profile profile;
    struct { /* one leader, one friend, one stranger; see squeeze_step */
        uint32_t leader, friend, stranger;
        uint64_t cut_at_ms, part_at_ms, end_ms; /* end 0: none under way */
        bool bounce, deaf, mute, hand_over;
    } squeeze;
    uint64_t install_at_ms[NODES_MAX];
};

static bool chance(struct history *h, uint32_t num, uint32_t den)
{
    return num > 0 && rng_chance(&h->c->rng, num, den);
}

/* ---- network: a heap by due time would be overkill; few packets are on the wire ---- */

static void wire_add(struct cluster *c, struct packet *p)
{
    if (c->packet_count == c->packet_cap) {
        c->packet_cap = c->packet_cap ? c->packet_cap * 2 : 64;
        c->packets = realloc(c->packets, c->packet_cap * sizeof(struct packet *));
        if (!c->packets)
            abort();
    }
    c->packets[c->packet_count++] = p;
}

static bool late_squeeze(const struct history *h, const struct packet *p)
{
    return p->from == h->squeeze.friend + 1 && p->to == h->squeeze.leader + 1;
}

static void net_sent(struct cluster *c, struct packet *p)
{
    struct history *h = c->arg;

    if (chance(h, h->f.lose, 1000) || c->cut[p->from - 1][p->to - 1]) {
        packet_free(p);
        return;
    }
    p->due_ms = c->now_ms + 1 + rng_below(&c->rng, 6);
    if (chance(h, h->f.late, 1000) && (h->profile != SQUEEZE || late_squeeze(h, p)))
        p->due_ms += rng_below(&c->rng, h->f.late_ms);
    wire_add(c, p);
    if (chance(h, h->f.twice, 1000)) {
        struct packet *again = malloc(sizeof(*again));

        if (!again)
            abort();
        *again = *p;
        again->data = malloc(p->bytes);
        if (!again->data)
            abort();
        memcpy(again->data, p->data, p->bytes);
        again->due_ms += rng_below(&c->rng, h->f.late_ms);
        c->n.duplicates++;
        wire_add(c, again);
    }
}

static void net_deliver(struct history *h)
{
    struct cluster *c = h->c;
    size_t kept = 0, due = 0, count = c->packet_count;
    struct packet **ready = malloc((count + 1) * sizeof(struct packet *));

    if (!ready)
        abort();
    for (size_t i = 0; i < count; i++) {
        struct packet *p = c->packets[i];

        uint64_t paused = c->nodes[p->to - 1].paused_until_ms;

        if (p->due_ms <= c->now_ms && paused > c->now_ms) /* it works them off bit by bit */
            p->due_ms = paused + rng_below(&c->rng, 20);
        if (p->due_ms <= c->now_ms)
            ready[due++] = p;
        else
            c->packets[kept++] = p;
    }
    c->packet_count = kept;
    while (due > 0) { /* in any order */
        size_t i = rng_below(&c->rng, due);
        struct packet *p = ready[i];

        ready[i] = ready[--due];
        if (c->cut[p->from - 1][p->to - 1] && h->f.cut_hits_flying)
            packet_free(p);
        else
            packet_deliver(c, p);
    }
    free(ready);
}

static uint64_t disk_due(struct cluster *c)
{
    struct history *h = c->arg;
    uint64_t ms = rng_below(&c->rng, h->f.disk_ms + 1);

    return MAX(c->now_ms, h->slow_until_ms) + ms;
}

/* ---- faults ---- */

static void cut_some(struct history *h)
{
    struct cluster *c = h->c;
    struct node *leader = cluster_leader(c);
    uint32_t kind = (uint32_t)rng_below(&c->rng, 7);
    bool more = rng_chance(&c->rng, 1, 3); /* on top of what is cut already */
    uint32_t one = leader ? leader->id - 1 : (uint32_t)rng_below(&c->rng, c->count);
    uint32_t other = (uint32_t)rng_below(&c->rng, c->count);
    uint32_t side = (uint32_t)rng_below(&c->rng, 1u << c->count);

    for (uint32_t i = 0; i < c->count; i++) {
        for (uint32_t j = 0; j < c->count; j++) {
            bool across = ((side >> i) & 1) != ((side >> j) & 1);

            if (kind == 0) /* the leader alone */
                across = i == one || j == one;
            else if (kind == 1) /* it is not heard */
                across = i == one;
            else if (kind == 2) /* with one friend */
                across = (i == one || i == other) != (j == one || j == other);
            else if (kind == 3) /* these two from each other */
                across = (i == one && j == other) || (i == other && j == one);
            else if (kind == 4) /* single directions */
                across = rng_chance(&c->rng, 1, 4);
            c->cut[i][j] = across || (more && c->cut[i][j]);
        }
    }
    h->heal_at_ms = c->now_ms + rng_between(&c->rng, 20, 5 * ELECTION_MS);
}

static void crash_one(struct history *h, uint32_t i)
{
    struct cluster *c = h->c;
    uint64_t down_max = rng_chance(&c->rng, 1, 2) ? 10 : 2 * ELECTION_MS;

    node_crash(c, &c->nodes[i], rng_chance(&c->rng, 1, 2));
    h->restart_at_ms[i] = c->now_ms + rng_between(&c->rng, 1, down_max);
    h->crash_at_ms[i] = 0;
}

static void crash_some(struct history *h)
{
    struct cluster *c = h->c;
    struct node *leader = cluster_leader(c);
    uint32_t i = (uint32_t)rng_below(&c->rng, c->count);
    bool all = rng_chance(&c->rng, 1, 10);

    if (leader && rng_chance(&c->rng, 1, 2))
        i = leader->id - 1;
    for (uint32_t k = 0; k < c->count; k++) {
        if ((k != i && !all) || !c->nodes[k].up)
            continue;
        crash_one(h, k);
    }
}

/* Leaders that fall before their first entries are everywhere: what old terms left behind then
 * meets under new leaders. */
static void topple_step(struct history *h)
{
    struct cluster *c = h->c;
    struct node *leader = cluster_leader(c);

    if (c->n.leaders != h->leaders_seen && leader && chance(h, h->f.topple, 1000))
        h->crash_at_ms[leader->id - 1] = c->now_ms + rng_between(&c->rng, 1, 20);
    h->leaders_seen = c->n.leaders;
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->nodes[i].up && h->crash_at_ms[i] && h->crash_at_ms[i] <= c->now_ms)
            crash_one(h, i);
    }
}

/* Wring a lease.  Writes rest, so that a stranger has all entries when it is cut off from the
 * leader; it will stand for election.  Meanwhile the friend, whose answers keep the lease and whose
 * vote the stranger needs, hears the leader no more, or is heard no more, or restarts just when the
 * stranger asks. */
static void squeeze_begin(struct history *h)
{
    struct cluster *c = h->c;
    struct node *leader = cluster_leader(c);
    uint32_t l, s;

    if (!leader || !rng_chance(&c->rng, 1, 40))
        return;
    l = leader->id - 1;
    s = (l + 1 + (uint32_t)rng_below(&c->rng, 2)) % 3;
    h->squeeze.leader = l;
    h->squeeze.stranger = s;
    h->squeeze.friend = 3 - l - s;
    h->squeeze.bounce = rng_chance(&c->rng, 1, 3);
    h->squeeze.deaf = rng_chance(&c->rng, 1, 2);
    h->squeeze.mute = rng_chance(&c->rng, 1, 2);
    h->squeeze.hand_over = h->squeeze.mute && rng_chance(&c->rng, 1, 3);
    h->squeeze.cut_at_ms = c->now_ms + 40;
    h->squeeze.part_at_ms = h->squeeze.cut_at_ms + rng_below(&c->rng, 2 * ELECTION_MS);
    h->squeeze.end_ms = h->heal_at_ms = c->now_ms + rng_between(&c->rng, 300, 600);
}

static void squeeze_step(struct history *h)
{
    struct cluster *c = h->c;
    uint32_t l = h->squeeze.leader, f = h->squeeze.friend;
    struct node *stranger = &c->nodes[h->squeeze.stranger];

    if (h->squeeze.end_ms == 0) {
        squeeze_begin(h);
        return;
    }
    if (c->now_ms >= h->squeeze.end_ms)
        h->squeeze.end_ms = 0;
    if (c->now_ms < h->squeeze.cut_at_ms)
        return;
    if (c->now_ms == h->squeeze.cut_at_ms)
        c->cut[l][stranger->id - 1] = c->cut[stranger->id - 1][l] = true;
    if (h->squeeze.bounce) {
        if (!c->nodes[f].up || !stranger->up || node_status(stranger).leader != 0)
            return;
        h->squeeze.bounce = false;
        c->cut[l][f] = true;
        node_crash(c, &c->nodes[f], false);
        h->restart_at_ms[f] = c->now_ms;
    } else if (c->now_ms == h->squeeze.part_at_ms) {
        c->cut[l][f] = h->squeeze.deaf;
        c->cut[f][l] = h->squeeze.mute;
        if (h->squeeze.hand_over && c->nodes[l].up)
            (void)node_step(c, &c->nodes[l], /* refusals are counted */
                            (struct raft_event){.type = RAFT_EV_TRANSFER, .id = f + 1});
    }
}

static void faults_step(struct history *h)
{
    struct cluster *c = h->c;

    if (h->profile == TOPPLE)
        topple_step(h);
    if (h->profile == SQUEEZE)
        squeeze_step(h);
    if (chance(h, h->f.crash, 10000))
        crash_some(h);
    if (chance(h, h->f.cut, 10000))
        cut_some(h);
    if (chance(h, h->f.pause, 10000)) {
        uint32_t i = (uint32_t)rng_below(&c->rng, c->count);
        struct node *leader = cluster_leader(c);

        if (leader && rng_chance(&c->rng, 1, 2))
            i = leader->id - 1;
        c->nodes[i].paused_until_ms = c->now_ms + rng_between(&c->rng, 5, 3 * ELECTION_MS);
    }
    if (chance(h, h->f.slow_disk, 10000))
        h->slow_until_ms = c->now_ms + rng_between(&c->rng, 5, 2 * ELECTION_MS);
}

/* ---- clients ---- */

static struct node *some_node(struct history *h, bool leaders_only)
{
    struct cluster *c = h->c;
    uint32_t start = (uint32_t)rng_below(&c->rng, c->count);

    for (uint32_t k = 0; k < c->count; k++) {
        struct node *n = &c->nodes[(start + k) % c->count];

        if (n->up && n->paused_until_ms <= c->now_ms &&
            (!leaders_only || node_status(n).role == RAFT_LEADER))
            return n;
    }
    return NULL;
}

static void clients_step(struct history *h)
{
    struct node *n;

    if (chance(h, h->f.write, 1000)) {
        n = rng_chance(&h->c->rng, 1, 2) ? cluster_leader(h->c) : some_node(h, true);
        if (n && h->squeeze.end_ms && n->id == h->squeeze.leader + 1)
            n = NULL;
        if (n && n->paused_until_ms <= h->c->now_ms)
            (void)node_propose(h->c, n, ++h->value_next); /* refusals are counted */
    }
    if (chance(h, h->f.read, 1000)) {
        n = some_node(h, rng_chance(&h->c->rng, 3, 4));
        if (n)
            (void)node_read(h->c, n); /* refusals are counted */
    }
    if (chance(h, h->f.transfer, 1000)) {
        n = some_node(h, true);
        if (n)
            (void)node_step(h->c, n,
                            (struct raft_event){.type = RAFT_EV_TRANSFER,
                                                .id = 1 + rng_below(&h->c->rng, h->c->count)});
    }
}

/* ---- time ---- */

static void node_work(struct history *h, struct node *n)
{
    struct cluster *c = h->c;
    uint32_t i = n->id - 1;

    if (!n->up) {
        if (c->now_ms >= h->restart_at_ms[i])
            node_start(c, n);
        return;
    }
    if (n->paused_until_ms > c->now_ms)
        return;
    while (n->up && n->orders && n->orders->due_ms <= c->now_ms)
        (void)node_persist(c, n);
    if (n->install_due && !n->orders) {
        if (h->install_at_ms[i] == 0)
            h->install_at_ms[i] = c->now_ms + rng_below(&c->rng, 20);
        if (c->now_ms >= h->install_at_ms[i]) {
            h->install_at_ms[i] = 0;
            node_install(c, n);
        }
    }
    if (node_clock(c, n) >= raft_deadline_ms(n->raft))
        (void)node_step(c, n, (struct raft_event){.type = RAFT_EV_TICK});
    if (n->applied > n->snap.pos.index + 12 && rng_chance(&c->rng, 1, 30) &&
        !node_status(n).snapshot_sending)
        node_snapshot(c, n);
}

static void world_step(struct history *h, bool faulty)
{
    struct cluster *c = h->c;

    c->now_ms++;
    if (faulty)
        faults_step(h);
    if (c->now_ms >= h->heal_at_ms)
        memset(c->cut, 0, sizeof(c->cut));
    net_deliver(h);
    for (uint32_t i = 0; i < c->count; i++)
        node_work(h, &c->nodes[i]);
    if (faulty)
        clients_step(h);
}

static void faults_choose(struct history *h)
{
    struct rng *r = &h->c->rng;

    h->f = (struct faults){
        .lose = rng_chance(r, 1, 2) ? (uint32_t)rng_below(r, 200) : 0,
        .twice = rng_chance(r, 1, 2) ? (uint32_t)rng_below(r, 100) : 0,
        .late = rng_chance(r, 1, 2) ? (uint32_t)rng_below(r, 200) : 0,
        .late_ms = rng_between(r, 10, 4 * ELECTION_MS),
        .crash = (uint32_t)rng_below(r, 120),
        .cut = (uint32_t)rng_below(r, 100),
        .pause = (uint32_t)rng_below(r, 60),
        .slow_disk = (uint32_t)rng_below(r, 60),
        .transfer = rng_chance(r, 1, 3) ? 10 : 0,
        .write = (uint32_t)rng_between(r, 20, 250),
        .read = (uint32_t)rng_between(r, 20, 250),
        .disk_ms = rng_between(r, 0, 30),
        .cut_hits_flying = rng_chance(r, 1, 2),
    };
    if (h->profile == MIXED)
        return;
    h->f.crash = h->f.cut = h->f.pause = h->f.slow_disk = 0;
    h->f.disk_ms = rng_below(r, 4);
    if (h->profile == TOPPLE) {
        h->f.topple = (uint32_t)rng_between(r, 300, 900);
        h->f.late = 0;
        return;
    }
    h->f.lose = 0;
    h->f.write = 300;
    h->f.read = 600;
    h->f.late = rng_chance(r, 1, 2) ? 400 : 0;
    h->f.cut_hits_flying = false;
}

static void conf_choose(struct raft_conf *conf, enum profile profile, struct rng *r,
                        uint32_t *out_count)
{
    static const uint32_t counts[] = {3, 3, 3, 3, 5, 5, 5, 4, 2, 1};
    uint32_t count = profile == MIXED ? counts[rng_below(r, ARRAY_LEN(counts))] : 3;

    raft_conf_init(conf);
    conf->election_ms = ELECTION_MS;
    conf->heartbeat_ms = HEARTBEAT_MS;
    conf->drift_permille = DRIFT_PERMILLE;
    conf->pre_vote = rng_chance(r, 3, 4);
    conf->check_quorum = rng_chance(r, 3, 4);
    conf->lease = conf->check_quorum && rng_chance(r, 2, 3);
    conf->append_entries_max = (uint32_t)rng_between(r, 1, 4);
    conf->inflight_max = (uint32_t)rng_between(r, 1, 5);
    conf->chunk_bytes = (uint32_t)rng_between(r, 5, 30);
    conf->log_keep = (uint32_t)rng_below(r, 6);
    conf->reads_max = 16;
    conf->members.count = count;
    for (uint32_t i = 0; i < count; i++)
        conf->members.m[i] = (struct raft_member){.id = i + 1};
    if (count == 4 || count == 2) /* and a learner */
        conf->members.m[rng_below(r, count)].learner = true;
    *out_count = count;
}

static void conf_specialize(struct raft_conf *conf, enum profile profile, struct rng *r)
{
    if (profile == TOPPLE) {
        conf->check_quorum = rng_chance(r, 1, 4);
        conf->lease = false;
        conf->append_entries_max = conf->inflight_max = 1;
    } else if (profile == SQUEEZE) {
        conf->check_quorum = conf->lease = true;
    }
}

/* No faults any more: one leader, and everybody in its state. */
static void must_settle(struct history *h)
{
    struct cluster *c = h->c;
    uint64_t goal = 0;
    uint64_t end = c->now_ms + CALM_MS;

    h->f = (struct faults){.disk_ms = 2};
    h->heal_at_ms = h->slow_until_ms = 0;
    memset(c->cut, 0, sizeof(c->cut));
    while (c->now_ms < end && !c->failed[0]) {
        struct node *leader = cluster_leader(c);
        uint32_t there = 0;

        world_step(h, false);
        if (goal == 0 && leader && c->now_ms > end - CALM_MS + 5 * ELECTION_MS &&
            node_propose(c, leader, ++h->value_next) == 0)
            goal = c->proposed.index;
        for (uint32_t i = 0; i < c->count && goal; i++)
            there += c->nodes[i].up && c->nodes[i].applied >= goal;
        if (goal && there == c->count)
            return;
    }
    cluster_fail(c, "the group did not settle after the faults stopped");
}

static void counters_add(struct counters *sum, const struct counters *n)
{
    const uint64_t *from = (const uint64_t *)n;
    uint64_t *to = (uint64_t *)sum;

    for (size_t i = 0; i < sizeof(*n) / sizeof(uint64_t); i++)
        to[i] += from[i];
}

/* A whole history; the caller looks at the cluster and destroys it. */
static struct cluster *run(uint64_t seed, uint32_t bugs, bool fail_allocs)
{
    struct history h = {0};
    struct cluster *c;
    struct raft_conf conf;
    struct rng r;
    uint32_t count;

    rng_seed(&r, seed);
    h.profile = (enum profile)(seed % 3);
    conf_choose(&conf, h.profile, &r, &count);
    conf_specialize(&conf, h.profile, &r);
    conf.bugs = bugs;
    h.c = c = cluster_create(&conf, count, rng_u64(&r));
    c->arg = &h;
    c->sent = net_sent;
    c->fail_allocs = fail_allocs;
    c->trace = getenv("RAFT_TRACE") != NULL;
    c->persist_due = disk_due;
    faults_choose(&h);
    for (uint32_t i = 0; i < count; i++) {
        c->nodes[i].rate_permille =
            (uint32_t)rng_between(&r, 1000 - DRIFT_PERMILLE, 1000 + DRIFT_PERMILLE);
        node_start(c, &c->nodes[i]);
    }
    while (c->now_ms < FAULTY_MS && !c->failed[0])
        world_step(&h, true);
    if (!c->failed[0])
        must_settle(&h);
    c->arg = NULL; /* the history ends here */
    return c;
}

bool random_run(uint64_t seed, uint32_t bugs, struct counters *sum, char why[160])
{
    struct cluster *c = run(seed, bugs, false);
    bool ok = !c->failed[0];

    memcpy(why, c->failed, sizeof(c->failed));
    if (sum)
        counters_add(sum, &c->n);
    cluster_destroy(c);
    return ok;
}

uint64_t random_run_failing(uint64_t seed, char why[160])
{
    struct cluster *c = run(seed, 0, true);
    uint64_t failed = c->failed[0] ? 0 : c->allocs_failed;

    memcpy(why, c->failed, sizeof(c->failed));
    cluster_destroy(c);
    return failed;
}
