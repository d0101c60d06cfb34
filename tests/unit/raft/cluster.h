/* cluster.h - a Raft group in one process, with disks that lose what was not synced, a network
 * under the test's control, a state machine (a register), and an oracle that sees everything.
 *
 * The oracle notes the first thing that must not happen in `failed` and goes on; drivers of the
 * cluster look at it. */
#ifndef TESTS_UNIT_RAFT_CLUSTER_H
#define TESTS_UNIT_RAFT_CLUSTER_H

#include "core/raft/raft.h"

enum {
    NODES_MAX = 7,
    INDEX_MAX = 4096,
    TERM_MAX = 4096,
    READS_MAX = 256,
    STATE_BYTES = 24,
};

struct stored_entry {
    struct raft_pos pos;
    enum raft_entry_type type;
    uint64_t data; /* the payload: 8 bytes, none for a no-op */
};

struct stored_log {
    struct stored_entry *e; /* owned */
    size_t count, cap;
};

struct state { /* the state machine */
    uint64_t value;
    uint64_t value_index; /* of the entry that wrote it */
    uint64_t hash;        /* of everything applied */
};

struct order { /* a persist under way */
    struct order *next;
    struct raft_persist p;
    struct stored_log entries;
    uint64_t term_before; /* of the entry before the first */
    uint64_t due_ms;
};

struct packet {
    uint32_t from, to;
    uint64_t due_ms;
    uint64_t after_seq;
    enum raft_msg_type type;
    uint8_t *data; /* owned */
    size_t bytes;
    struct packet *next; /* held by its sender until after_seq is durable */
};

struct node {
    uint32_t id;
    bool up;
    struct raft *raft;      /* owned while up */
    uint32_t rate_permille; /* of its clock */
    uint64_t clock_base_ms;
    uint64_t paused_until_ms;
    /* disk */
    struct raft_hard hard;
    struct stored_log log;
    struct raft_snap snap;
    struct state snap_state;
    /* lost in a crash */
    struct order *orders, **orders_tail;
    struct packet *held, **held_tail;
    struct state state;
    uint64_t applied, commit_seen;
    struct raft_snap incoming;
    uint8_t incoming_bytes[STATE_BYTES];
    bool install_due;
    uint64_t durable_seq;
};

struct known {     /* the oracle's knowledge of one index */
    uint64_t term; /* committed; 0: not yet */
    uint64_t data;
    uint64_t committed_in; /* the term of who committed it first */
    bool applied;
    struct state after;
    struct { /* entries seen at this index: log matching */
        uint64_t term, term_before, data;
    } seen[12];
    uint32_t seen_count;
};

struct read_op {
    bool used, proved;
    uint32_t node;
    uint64_t id, index, floor;
};

struct counters {
    uint64_t steps, leaders, commits, truncations, crashes, snapshots, installs, reads_leased,
        reads_proved, reads_refused, transfers, refusals, packets, duplicates;
};

struct cluster {
    uint32_t count;
    struct node nodes[NODES_MAX]; /* id is slot + 1 */
    struct raft_conf conf;
    struct rng rng;
    uint64_t now_ms;
    bool cut[NODES_MAX][NODES_MAX]; /* from, to */
    struct packet **packets;        /* owned: on the wire */
    size_t packet_count, packet_cap;
    /* called to decide a packet's or a persist's time; NULL: at once */
    uint64_t (*persist_due)(struct cluster *c);
    void (*sent)(struct cluster *c, struct packet *p); /* takes it over */
    void (*read_done)(struct cluster *c, struct node *n, const struct raft_read *r); /* or NULL */
    void *arg; /* borrowed: the callbacks' */
    /* oracle */
    struct known *known; /* owned: INDEX_MAX */
    uint32_t leader_of[TERM_MAX];
    uint64_t committed;
    uint64_t floor; /* the newest write index that a finished operation has shown */
    struct read_op reads[READS_MAX];
    uint64_t read_next;
    bool trace;       /* print each step */
    bool fail_allocs; /* before each step, let each of its allocations fail once */
    uint64_t allocs_failed;
    char failed[160];
    struct counters n;
    int last_rc;
    struct raft_pos proposed;
};

struct cluster *cluster_create(const struct raft_conf *conf, uint32_t count, uint64_t seed);
void cluster_destroy(struct cluster *c);
void cluster_fail(struct cluster *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

uint64_t node_clock(const struct cluster *c, const struct node *n);
/* Give one event (its now_ms is filled in) and do what it asks for.  Returns raft_step's answer. */
int node_step(struct cluster *c, struct node *n, struct raft_event ev);
bool node_persist(struct cluster *c, struct node *n); /* the oldest becomes durable; false: none */
void node_crash(struct cluster *c, struct node *n, bool torn); /* torn: some orders survive */
void node_start(struct cluster *c, struct node *n);
int node_read(struct cluster *c, struct node *n); /* the oracle checks the answer */
int node_propose(struct cluster *c, struct node *n, uint64_t value);
void node_snapshot(struct cluster *c, struct node *n);
void node_install(struct cluster *c, struct node *n); /* finish the received snapshot */
struct raft_status node_status(const struct node *n);
struct node *cluster_leader(struct cluster *c); /* of the highest term, among those up; or NULL */
/* Hand a packet to its receiver, if that is up; frees it. */
void packet_deliver(struct cluster *c, struct packet *p);
void packet_free(struct packet *p);

#endif
