/* model.h - a cluster of one PG on few OSDs: maps, messages, crashes and writes, all by one seed.
 *
 * Each node drives the real pg_copy and peering_step.  Its disk holds the PG's rows and, for each
 * object, the version it is at.  Transactions become durable later and in order; a crash keeps a
 * prefix of them.  Messages between two nodes stay in order until the session breaks, which loses
 * what is under way.  Beside the nodes the model keeps every write ever ordered with the one it
 * followed, so that it can say at any time what a copy of a given head must hold. */
#ifndef TESTS_UNIT_OSD_MODEL_H
#define TESTS_UNIT_OSD_MODEL_H

#include "core/base/plant.h"
#include "core/base/rng.h"
#include "core/osd/peering.h"

enum { NODES = 5, OBJECTS = 6, CLIENTS = 3, WINDOW = 2, EXECS_MAX = 4096, EPOCHS_MAX = 4096 };

struct row {
    struct bytes key, value; /* owned */
};
struct disk {
    struct row *row;
    uint32_t count;
    struct version object[OBJECTS]; /* {0,0}: absent */
};

enum mm_kind { MM_PEERING, MM_REP, MM_REP_REPLY, MM_PUSH, MM_PUSHED };
struct mm { /* a message */
    struct mm *next;
    enum mm_kind kind;
    int from, to;
    struct epoch interval;
    struct peering_send send;   /* MM_PEERING */
    struct pg_log_entry *entry; /* MM_REP: owned */
    bool with_object;           /* MM_REP */
    struct version version;     /* MM_REP: trim_to; MM_REP_REPLY: durable; MM_PUSH: of the object */
    int object;                 /* MM_PUSH, MM_PUSHED */
    bool backfill, complete;    /* MM_PUSH, MM_PUSHED: last_backfill moves behind the object */
};
struct queue {
    struct mm *first, *last;
};

struct pend { /* not durable yet */
    struct pend *next;
    struct txn *txn;
    bool activation;
    struct queue after;     /* messages that wait for it */
    struct version version; /* own log head with it */
};

struct flight { /* an object on its way to a member */
    bool busy, backfill, complete;
    int object;
    struct version version;
};

struct node {
    int id;
    bool alive, live; /* live: peering runs (else the disk is being drained) */
    struct disk disk;
    struct version object[OBJECTS]; /* with what is pending */
    struct pend *pend_first, *pend_last;
    struct pg_copy copy;
    struct peering peering;
    struct osdmap *map; /* borrowed from the history */
    struct queue early; /* of this interval, but START waits; or of later intervals */
    uint64_t timer_at_ns;
    struct version durable, committed, trim_to;
    struct version member_durable[NODES];
    struct flight flight[NODES];
    bool wish_temp;
    struct osd_set temp;
    struct epoch wish_up_thru;
};

struct op {
    uint64_t op; /* 0: none */
    uint32_t attempt;
    int object;
    bool del;
    struct version acked; /* an answer has left, with this version */
};
struct client {
    uint64_t id, next;
    struct epoch born;
    struct op op[WINDOW];
};

struct exec { /* a write as some primary ordered it */
    struct version version, parent, prior;
    struct reqid reqid;
    const struct exec *after; /* that of `parent`; NULL: the first */
    int object;
    bool del, acked;
};

struct world {
    struct rng rng;
    uint64_t now_ns;
    uint64_t seed;
    int nodes;
    uint32_t keep;   /* log entries kept */
    uint32_t faults; /* out of 1000 steps */
    bool no_memory;  /* steps run short of it now and then */
    struct osdmap *map[EPOCHS_MAX];
    uint32_t epoch;
    struct node node[NODES];
    struct queue net[NODES][NODES];
    struct client client[CLIENTS];
    struct exec *exec;
    uint32_t exec_count;
    struct oid oid[OBJECTS]; /* in oid order */
    char oid_name[OBJECTS][24];
    char broken[256]; /* what did not hold; empty: all did */
    int primary_of[EPOCHS_MAX];
    uint32_t activations, merges, rollbacks, restarts, repeats, acked, short_steps;
};

extern const struct pgid model_pg;

/* Run one history: chaos, then quiet.  false: w->broken says what is wrong. */
bool model_run(struct world *w, uint64_t seed);
void model_fini(struct world *w);

/* --- between the files --- */
void broken(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* model_disk.c */
void disk_apply(struct world *w, struct disk *d, const struct txn *txn);
void disk_fini(struct disk *d);
void objects_apply(struct world *w, struct version *object, const struct txn *txn);
int object_of(const struct world *w, const struct oid *oid);
/* model_node.c */
void node_boot(struct world *w, struct node *n);
void node_crash(struct world *w, struct node *n);
bool node_map(struct world *w, struct node *n);   /* one epoch on; false: none */
bool node_flush(struct world *w, struct node *n); /* one transaction durable; false: none */
void node_event(struct world *w, struct node *n, struct peering_event ev);
void node_submit(struct world *w, struct node *n, struct txn *txn, bool activation);
void node_message(struct world *w, struct node *n, struct mm *m); /* takes it */
void send(struct world *w, struct mm *m);
void send_after(struct world *w, struct node *n, struct mm *m);
struct mm *mm_new(enum mm_kind kind, const struct node *from, int to);
void mm_free(struct mm *m);
void queue_push(struct queue *q, struct mm *m);
struct mm *queue_pop(struct queue *q);
void session_break(struct world *w, int a, int b);
/* model_io.c: writes, replication, recovery */
void io_rep(struct world *w, struct node *n, struct mm *m);
void io_rep_reply(struct world *w, struct node *n, const struct mm *m);
void io_push(struct world *w, struct node *n, struct mm *m);
void io_pushed(struct world *w, struct node *n, const struct mm *m);
void io_client(struct world *w, struct client *c);
void io_recover(struct world *w, struct node *n);
void io_resend(struct world *w, struct node *n, int to);
void io_started(struct world *w, struct node *n); /* the node became active as a primary */
void io_durable(struct world *w, struct node *n);
bool io_active(const struct node *n);
/* model_check.c */
void check_node(struct world *w, const struct node *n);
void check_activation(struct world *w, struct node *n);
void check_quiet(struct world *w);
const struct exec *exec_find(const struct world *w, struct version v);

#endif
