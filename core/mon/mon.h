/* mon.h - the monitor role: the cluster's maps, users and settings, decided by the majority.
 *
 * One, three or five monitors keep one log (core/raft); what they decided is served to whoever
 * subscribes.  README.md tells what others may rely on.  Several may live in one process, each on
 * an env of its own.  Threads: the env's reactor. */
#ifndef CORE_MON_MON_H
#define CORE_MON_MON_H

#include "core/base/addr.h"
#include "core/base/metrics.h"
#include "core/base/option.h"
#include "core/env/env.h"
#include "core/map/types.h"

struct msgr_hub;
struct mon;

enum { MON_MEMBERS_MAX = 15 };
struct mon_member {
    uint32_t id; /* as in "mon.0" */
    struct net_addr addr;
};
struct mon_members {
    uint32_t count;
    struct mon_member m[MON_MEMBERS_MAX]; /* ascending ids */
};
/* "0=127.0.0.1:6789,1=127.0.0.1:6790", as cluster.mons is written.  0 or -EINVAL with `why`. */
int mon_members_parse(const char *text, struct mon_members *out_members, struct note *why);

/* Make the folder of monitor `id` of a new cluster; blocks.  Each of `members` is made with the
 * same fsid and members.  -EEXIST when the folder holds a monitor already. */
int mon_mkfs(struct env *env, const char *folder, const uint8_t fsid[16], uint32_t id,
             const struct mon_members *members, struct note *why);
/* What a monitor's folder says; blocks.  -ENOENT: none there. */
int mon_peek(struct env *env, const char *folder, uint8_t out_fsid[16], uint32_t *out_id,
             struct mon_members *out_members, struct note *why);

struct mon_conf {
    uint32_t id;
    const struct config *conf; /* borrowed until mon_start returned: mon_*, osd_*, pool_*; an
                                  address that cluster_mons gives wins over the folder's */
    struct msgr_hub *hub;      /* borrowed; NULL: sockets only */
    const char *folder;        /* borrowed until mon_start returned */
    uint32_t snapshot_entries; /* of the log between snapshots; 0: 1000 */
};

/* Start; opening the folder blocks.  `ready(arg, 0, _)` comes from the loop once a majority works
 * and this monitor has the cluster's map. 0 with *out_mon, or a negative code with `why`: then
 * nothing was started (-R_STORE_LOCKED, -R_CSUM_MISMATCH for a damaged log, -EINVAL for another
 * monitor's folder, ...). */
int mon_start(struct env *env, const struct mon_conf *conf,
              void (*ready)(void *arg, int rc, const struct note *why), void *arg,
              struct mon **out_mon, struct note *why);
/* Called once, from the loop, when the role cannot go on: a write failed, or what the majority
 * decided cannot be applied here.  It does nothing any more; mon_stop is to be called then. */
void mon_on_failure(struct mon *mon, void (*failed)(void *arg, int rc, const struct note *why),
                    void *arg);
/* Hand leadership over, finish what is being written, close.  `stopped(arg)` comes from the loop;
 * the mon is gone then.  Once. */
void mon_stop(struct mon *mon, void (*stopped)(void *arg), void *arg);

const struct net_addr *mon_addr(const struct mon *mon); /* where it listens, port resolved */
struct epoch mon_epoch(const struct mon *mon);          /* of the newest osdmap it applied */
bool mon_leads(const struct mon *mon);                  /* and answers commands */

/* What happened so far: for coverage of simulations, and for metrics. */
struct mon_counters {
    uint64_t elections; /* times it began to lead */
    uint64_t proposals; /* changes put into the log */
    uint64_t applied;   /* changes applied */
    uint64_t epochs;    /* osdmaps made, as leader */
    uint64_t persists;  /* durable writes of the log */
    uint64_t snapshots; /* made */
    uint64_t installs;  /* snapshots taken over from a leader */
    uint64_t boots;     /* OSDs brought up */
    uint64_t boots_refused;
    uint64_t reports;          /* of failures */
    uint64_t marked_down;      /* for being refused or silent */
    uint64_t marked_out;       /* for being down too long */
    uint64_t wrongly_down;     /* came back at once as the same instance */
    uint64_t commands;         /* answered */
    uint64_t repeats_answered; /* commands that had run already */
    uint64_t forwards;         /* reports passed on to the leader */
    uint64_t maps_sent;        /* msg_osdmaps */
};
const struct mon_counters *mon_counters(const struct mon *mon);
/* Its own and its sessions': once it is ready, good until mon_stop.  0 or -ENOMEM. */
int mon_metrics(struct mon *mon, struct metric_set *set);
/* Invariants.  Cheap enough to run after every simulated step. */
void mon_check(struct mon *mon);

#endif
