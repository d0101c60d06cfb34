/* osd.h - the OSD role: one store, the PGs on it, and their share of the cluster's work.
 *
 * Several may live in one process, each on an env of its own.  Threads: the env's reactor. */
#ifndef CORE_OSD_OSD_H
#define CORE_OSD_OSD_H

#include "core/base/addr.h"
#include "core/base/metrics.h"
#include "core/base/option.h"
#include "core/env/env.h"
#include "core/map/types.h"

struct msgr_hub;
struct osd;

struct osd_conf {
    struct osd_id id;
    const struct config *conf; /* borrowed until osd_start returned: osd_*, cluster_* */
    struct msgr_hub *hub;      /* borrowed; NULL: sockets only */
    const char *folder;        /* borrowed until osd_start returned */
    struct net_addr addr;      /* where to listen; port 0: a free one */
    char host[64];             /* CRUSH location */
    char device_class[16];     /* "hdd", "ssd", ...; empty: none */
};

/* Make a new store in `conf->folder`; blocks.  -EEXIST when there is one already. */
int osd_mkfs(struct env *env, const struct osd_conf *conf, const uint8_t fsid[16],
             struct note *why);

/* Start.  `ready(arg, 0, _)` comes from the loop when it is up in the map, or `ready(arg, rc, why)`
 * when it cannot be: the store does not open (see store_open), the address is taken, its id belongs
 * to another store (-EEXIST).  After a failure only osd_stop is left to call.
 * 0 with *out_osd, or a negative code: then nothing was started. */
int osd_start(struct env *env, const struct osd_conf *conf,
              void (*ready)(void *arg, int rc, const struct note *why), void *arg,
              struct osd **out_osd);
/* Called once, from the loop, when the role cannot go on after it was ready: the store failed, an
 * operator stopped this OSD (-R_STOPPED: then osd_stop still ends it in order), or
 * another instance runs under this id.  osd_stop is to be called then. */
void osd_on_failure(struct osd *o, void (*failed)(void *arg, int rc, const struct note *why),
                    void *arg);
/* Stop cleanly: no reads are served and no lease is used from now on; the monitors are told and
 * given a moment to put it into the map; then the store is closed.  `stopped(arg)` comes from the
 * loop; the osd is gone then. */
void osd_stop(struct osd *o, void (*stopped)(void *arg), void *arg);

const struct net_addr *osd_addr(const struct osd *o); /* valid when ready */
struct epoch osd_epoch(const struct osd *o);          /* of its newest map */
uint64_t osd_instance(const struct osd *o);

/* What happened so far: for coverage of simulations, and for metrics. */
struct osd_counters {
    uint64_t ops, writes, reads; /* of clients, answered */
    uint64_t activations;        /* as primary */
    uint64_t failovers;          /* of those: another OSD was the primary before */
    uint64_t log_merges;         /* a log that lacked entries took another's */
    uint64_t rollbacks;          /* divergent entries undone */
    uint64_t recoveries;         /* objects pulled or pushed by log */
    uint64_t backfills;          /* targets filled to the end */
    uint64_t resends_answered;   /* repeats that got the first run's result */
    uint64_t repeats_waited;     /* those for which it was not committed yet */
    uint64_t refused_unknown;    /* ops of which nobody knows whether they ran */
    uint64_t lease_waits;        /* answers that waited for a lease */
    uint64_t reads_waited;       /* answers that waited for a write in flight */
    uint64_t rep_resends;        /* replicated writes sent again on a new session */
    uint64_t maps;               /* epochs taken in */
    uint64_t failure_reports;
    uint64_t corrupt_found, corrupt_repaired;
};
const struct osd_counters *osd_counters(const struct osd *o);
/* Its own, its store's and its sessions': once it is ready, good until osd_stop.  0 or -ENOMEM. */
int osd_metrics(struct osd *o, struct metric_set *set);

/* {"osd":0,"epoch":12,"pgs":[{"pg":"1.3","state":"active+clean",...}]}; the caller frees by
 * mem_free. NULL: no memory. */
char *osd_status(const struct osd *o);
/* Tell the monitors how its PGs are, now: it does so by itself within a second of a change. */
void osd_report(struct osd *o);
/* Every PG it leads is active with nothing left to copy, and clean where enough OSDs are up. */
bool osd_clean(const struct osd *o);
/* Invariants: cheap for the PGs touched since the last call, deep for one more PG each time. */
void osd_check(struct osd *o);

#endif
