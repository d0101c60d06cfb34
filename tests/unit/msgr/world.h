/* world.h - two messengers that talk, over each kind of path, for tests with one body.
 *
 * WORLD_SIM: sockets of the simulator; WORLD_HUB, WORLD_CODECS: mailboxes in one simulated
 * process, by reference and through the codecs; WORLD_REAL: real sockets between two reactors;
 * WORLD_THREADS: mailboxes between two reactors.
 *
 * In the last two a node lives on another thread: touch it only through world_do and world_wait. */
#ifndef TESTS_UNIT_MSGR_WORLD_H
#define TESTS_UNIT_MSGR_WORLD_H

#include "core/env/env_real.h"
#include "core/env/sim.h"
#include "core/msgr/msgr.h"

/* A message with a number, and bytes that follow from it. */
struct t_note {
    struct msg msg;
    uint64_t n;
    uint32_t pad;    /* bytes in the front */
    struct buf data; /* owned */
};
extern const struct msg_type t_note_type;
extern const struct msg_type *const t_types[];
enum { T_FRONT_MAX = 1 << 20, T_DATA_MAX = 8 << 20 };
struct t_note *t_note_make(uint64_t n, uint32_t pad, uint32_t data_bytes); /* NULL: no memory */
bool t_note_right(const struct t_note *t, uint64_t n); /* it is number n, whole */

struct node {
    struct msgr_handler h;
    struct env *env;
    struct msgr *m;
    struct net_addr addr;
    struct entity self;
    struct session *out; /* ref: opened by us */
    struct session *in;  /* ref: the last one that came */
    uint64_t got, wrong; /* messages, and those out of turn or damaged */
    uint64_t sent;
    uint64_t opened, resets, drained;
    int why;         /* of the last reset */
    int refuse_with; /* what `opened` returns */
    bool keep;       /* messages are not freed but kept */
    struct list kept;
    uint64_t kept_bytes;
    bool closed;
};

enum world_kind { WORLD_SIM, WORLD_HUB, WORLD_CODECS, WORLD_REAL, WORLD_THREADS, WORLD_KINDS };
struct world {
    enum world_kind kind;
    struct sim *sim;
    struct host *host;
    struct msgr_hub *hub;
    struct sim_machine *machine[2];
    struct env *env[2];
    struct node a, b;      /* a opens, b listens */
    struct msgr_conf conf; /* for the next world_start */
    uint64_t seed;
};
void world_init(struct world *w, enum world_kind kind, uint64_t seed);
void world_fini(struct world *w); /* stops what runs; everything must be freed */
/* Make a node's messenger; `listen`: at a free port, or at its old one. */
void world_start(struct world *w, struct node *n, bool listen);
void world_stop(struct world *w, struct node *n); /* msgr_close, wait, destroy */
void world_do(struct world *w, struct node *n, void (*fn)(void *arg), void *arg);
/* Wait until `cond(arg)`, which looks at `n`; false: not within the time. */
bool world_wait(struct world *w, struct node *n, bool (*cond)(void *arg), void *arg, uint32_t ms);
void world_sleep(struct world *w, uint32_t ms);
/* a opens a session to b. */
int world_open(struct world *w, const struct session_conf *conf);
/* Send `count` notes on n's session (out, else in), numbered from n->sent + 1. */
void world_send(struct world *w, struct node *n, uint64_t count, uint32_t pad, uint32_t data_bytes);
bool world_got(struct world *w, struct node *n, uint64_t count, uint32_t ms); /* at least */
bool world_resets(struct world *w, struct node *n, uint64_t count, uint32_t ms);
void node_free_kept(struct node *n); /* on its reactor */
void node_init(struct node *n, uint8_t role, uint64_t id);
int node_start(struct node *n, struct env *env, struct msgr_conf conf, const char *listen);

#endif
