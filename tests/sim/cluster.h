/* cluster.h - monitors, OSDs and clients on simulated machines, and whoever restarts them.
 *
 * Every role has a machine and a process of its own.  What is here lives outside of processes: the
 * driver's memory.  A node that dies is started again when its `start_at_ns` comes, as a service
 * manager would; a role that gives up by itself is a finding unless somebody expects it. */
#ifndef TESTS_SIM_CLUSTER_H
#define TESTS_SIM_CLUSTER_H

#include "core/base/option.h"
#include "core/base/rng.h"
#include "core/env/sim.h"
#include "core/map/types.h"
#include "core/mon/mon.h"
#include "core/osd/osd.h"
#include "tests/sim/coverage.h"

struct cairn;
struct cairn_pool;
struct workload;

enum { MONS_MAX = 3, OSDS_MAX = 5, CLIENTS_MAX = 5, WHY_BYTES = 512 };
#define NEVER UINT64_MAX

enum node_kind { NODE_MON, NODE_OSD, NODE_CLIENT };
enum node_state {
    NODE_DOWN,     /* no process */
    NODE_STARTING, /* a process, not ready */
    NODE_READY,
    NODE_STOPPING, /* a clean stop is under way */
};

struct node {
    struct cluster *cl;
    enum node_kind kind;
    uint32_t id;
    char name[16];
    struct sim_machine *machine;
    struct env *env; /* the process; NULL: none yet */
    enum node_state state;
    bool made;            /* its folder has been made */
    bool failed;          /* the role gave up: the tick ends the process */
    uint64_t start_at_ns; /* when down; NEVER: whoever stopped it starts it */
    uint64_t since_ns;    /* of this state */
    uint64_t lives;
    struct config conf;
    /* in the process's memory: */
    struct mon *mon;
    struct osd *osd;
    struct cairn *client;
    struct cairn_pool *pool;
    void *work; /* the workload's own, outside of the process */
};

/* What one seed is about: drawn before anything runs. */
struct scenario {
    uint64_t seed;
    uint32_t mons, osds, clients, objects, ops;
    uint32_t log_min, log_max;
    uint32_t mon_log; /* entries between the monitors' snapshots; 0: as they like */
    uint32_t drift_ppm;
    uint32_t down_out_s;
    uint64_t load_ns; /* how long the load and the faults last */
    bool quiet;       /* no faults: what the workload does to itself is enough */
    bool check_each_step;
};

struct cluster {
    struct sim *sim;
    struct scenario sc;
    struct rng rng; /* of the driver: restarts and faults */
    uint8_t fsid[16];
    char mons_text[OPTION_STR_BYTES];
    struct node mon[MONS_MAX], osd[OSDS_MAX], client[CLIENTS_MAX];
    struct node admin;     /* a client that no fault touches */
    struct workload *load; /* borrowed */
    bool started;          /* clients may start their load */
    bool healing;          /* no more faults; everything is to run */
    uint64_t steps;
    struct coverage cov;
    bool broken; /* a finding: the first one is in `why` */
    char why[WHY_BYTES];
    /* of the newest map that the admin saw */
    uint32_t pool_id, pg_count, epoch;
    uint32_t osds_up;
    char command[64]; /* the admin's last one, and its answer */
    int command_rc;
    bool command_busy;
};

/* Draw what seed `seed` is about. */
void scenario_draw(struct scenario *sc, uint64_t seed);
void scenario_print(const struct scenario *sc, FILE *f);

int cluster_init(struct cluster *cl, const struct scenario *sc, struct log_sink *sink,
                 struct workload *load);
void cluster_fini(struct cluster *cl);
/* Make and start everything; the pool "hot" is there when this returns.  False: see `why`. */
bool cluster_boot(struct cluster *cl);
/* Run until `done(cl)` or for `limit_ns`; false: the time is up, or something is broken. */
bool cluster_run(struct cluster *cl, uint64_t limit_ns, bool (*done)(struct cluster *cl));
/* End all faults, start everything. */
void cluster_heal(struct cluster *cl);
/* Every OSD is up and clean, every monitor knows the same map. */
bool cluster_clean(struct cluster *cl);
void cluster_print(struct cluster *cl, FILE *f); /* who is where: for reports */
/* Stop everything cleanly: nothing may be left in any process. */
bool cluster_stop(struct cluster *cl);
void cluster_count(struct cluster *cl); /* take in the counters of who still runs */
/* A finding: remember the first one. */
void cluster_broken(struct cluster *cl, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Any node by number: for faults. */
uint32_t cluster_nodes(const struct cluster *cl);
struct node *cluster_node(struct cluster *cl, uint32_t i);
bool node_alive(const struct node *n);
void node_start(struct node *n);
/* kill -9, power cut or clean stop; starts again after `down_ns` (NEVER: not by itself). */
void node_kill(struct node *n, uint64_t down_ns);
void node_power_cut(struct node *n, uint64_t down_ns);
void node_stop(struct node *n, uint64_t down_ns);
/* Take in that it has died by itself (sim_machine_cut_at_io). */
void node_died(struct node *n, uint64_t down_ns);
/* A command of the table, by the admin; false: the last one is still under way. */
bool cluster_command(struct cluster *cl, int argc, const char *const *argv);

#endif
