/* mon_int.h - a monitor's inside: its parts, and what they may ask of each other.  Only for
 * core/mon.
 *
 * The loop: a message or a timer changes the draft or the soft state; mon_raft_* steps the
 * consensus; what has to follow (publish, answer, propose) is done by mon_turn, deferred to the end
 * of the loop's turn, so that no part is called again from inside itself. */
#ifndef CORE_MON_MON_INT_H
#define CORE_MON_MON_INT_H

#include "core/mon/mon.h"
#include "core/mon/mon_state.h"
#include "core/mon/mon_store.h"
#include "core/msgr/msgr.h"
#include "core/proto/messages.h"
#include "core/raft/raft.h"

enum {
    MON_BATCH_MS = 2, /* changes are collected for so long */
    MON_IDLE_TICK_MS = 1000,
    MON_COMMANDS_MAX = 1024, /* being answered */
    MON_HELD_MAX = 4096,     /* reports that wait for a leader */
    MON_HELD_BYTES_MAX = 32 << 20,
    MON_MAPS_MESSAGE_BYTES = 1 << 20,
    MON_MAPS_QUEUE_BYTES = 4 << 20, /* on one session, before maps wait for it to drain */
    MON_SKEW_WINDOW_MS = 8000,      /* clocks are compared over so long */
    MON_PEER_QUEUE_BYTES = 8 << 20, /* on a session to a monitor, before messages are dropped */
    MON_SNAPSHOT_ENTRIES = 1000,
    MON_SNAPSHOT_BYTES = 384 << 10, /* of the log */
    MON_LOG_KEEP = 2,     /* entries behind a snapshot: with one change in flight none lags more */
    MON_TEMPS_MAX = 4096, /* changed by one epoch; the rest is asked for again */
    MON_INCS_KEPT_MIN = 500,
    MON_INCS_TRIM_STEP = 250,
    MON_HANDOVER_MS = 300,
    MON_REPORT_FRESH_MS = 10000, /* a failure report of silence lasts so long */
    MON_HELD_DOWN_MS = 5000,     /* an OSD that was told to stop may take so long */
    MON_FLAPS_MAX = 4,
    MON_FLAP_FORGET_MS = 600000,
};

/* ---- the leader's next change ---- */

struct mon_draft_row {
    struct list link;
    char *key;      /* owned */
    uint8_t *value; /* owned; NULL: removed */
    uint32_t value_bytes;
};
struct mon_draft_result {
    struct list link;
    uint64_t client, id;
    int32_t rc;
    struct writer text, json; /* owned */
};
struct mon_draft {
    struct osdmap
        *map;         /* owned: the next map, being changed (in flight: sealed); NULL: no change */
    struct list rows; /* owned */
    struct list results; /* owned */
    uint32_t row_count, result_count, temp_count;
    uint64_t bytes; /* of rows and results */
    struct epoch trim_to;
};

/* ---- what the leader knows of each OSD (soft state) ---- */

struct mon_accuser {  /* a failure report */
    struct list link; /* of the target's */
    struct osd_id reporter;
    uint64_t reporter_instance;
    bool refused;
    uint64_t since_ns; /* silent since */
    uint64_t first_ns, last_ns;
};
struct mon_osd {
    struct list accusers; /* owned */
    uint64_t heard_ns;    /* a report of this OSD; 0: since we lead */
    uint64_t held_ns;     /* told to stop, seen up first; 0: it is not */
    uint64_t down_ns;     /* seen down (and not out) first; 0: it is not */
    uint32_t flaps;       /* wrongly marked down, not forgotten yet */
    uint64_t flap_ns;
    /* Of its newest statistics; instance 0: none. */
    uint64_t instance, total_bytes, used_bytes, objects, corrupt_found, corrupt_repaired;
    bool full;
    char trouble[160]; /* why it does not start, said at */
    uint64_t trouble_ns;
};

struct mon_pg { /* newest statistics of a PG */
    struct hnode node;
    struct pg_stat stat;
    struct osd_id from;
    uint64_t from_instance;
    uint64_t peering_since_ns; /* 0: it is not peering */
};

/* ---- who is connected ---- */

struct mon_conn { /* an incoming session */
    struct list link;
    struct session *s; /* ref */
    bool subscribed;
    struct epoch next; /* the epoch to send next; 0: a whole map first */
};
struct mon_peer { /* another monitor */
    uint32_t id;
    struct net_addr addr;
    struct session *s; /* ref: opened by us; NULL: to be opened again */
    uint64_t heard_ns;
    struct mon_skew {      /* how far its clock is behind ours, delays of messages included */
        uint64_t since_ns; /* of the window */
        int64_t least, least_before; /* in size: of this window; of the last whole one */
    } skew;
};
struct mon_held_msg { /* a message to a peer that waits for a persist */
    struct list link;
    uint64_t after_seq;
    uint32_t to;
    struct msg_mon_raft *m; /* owned */
};

enum mon_command_stage { MON_CMD_WAIT_LEAD, MON_CMD_READ, MON_CMD_COMMIT };
struct mon_command_row;
struct mon_cmd { /* a command being answered */
    struct list link;
    uint64_t client, id;
    struct session *s;         /* ref; NULL: its session is gone */
    struct msg_mon_command *m; /* owned */
    enum mon_command_stage stage;
    const struct mon_command_row *row;
    uint64_t read_id, read_index;
    bool read_proved; /* serve it when `read_index` is applied */
};

struct mon {
    struct env *env;
    struct log log;
    uint32_t id;
    uint64_t instance;
    struct config conf;
    struct mon_members members;
    struct net_addr addr;
    uint8_t fsid[16];

    struct msgr *msgr; /* owned */
    struct msgr_handler handler;
    struct list conns; /* owned: struct mon_conn */
    struct mon_peer peers[MON_MEMBERS_MAX];
    uint32_t peer_count; /* the others */
    struct env_timer peer_retry;

    /* consensus: mon_raft.c */
    struct mon_store *store; /* owned */
    struct raft *raft;       /* owned */
    struct mon_state state;
    uint64_t applied_index;
    uint64_t durable_seq;
    struct list held_msgs; /* owned: struct mon_held_msg, by after_seq */
    struct env_timer raft_timer;
    uint64_t raft_timer_ms;
    enum raft_role role;
    uint64_t term;
    uint32_t leader;     /* raft id; 0: not known */
    uint64_t term_first; /* leader: index of the first entry of its term; 0: not known */
    bool leading;        /* and that entry is applied: may propose and answer */
    uint32_t snapshot_entries;
    struct raft_snap snap; /* the snapshot that is durable; pos 0: none */
    struct buf snap_state; /* its bytes */
    struct raft_snap incoming;
    struct writer incoming_bytes;
    struct raft_snap snap_next; /* being written */
    struct buf snap_next_state;
    struct mon_state installing; /* decoded from the incoming snapshot */
    bool snapping, snap_installs;
    uint64_t next_read_id;

    /* the leader's: mon_draft.c */
    struct mon_draft draft, flight;
    bool in_flight;
    struct raft_pos flight_pos;
    struct env_timer batch;
    struct env_timer tick;
    struct list boots;    /* owned: struct msg_osd_boot by base.link */
    struct mon_osd *osds; /* owned, by id */
    uint32_t osd_count;
    struct htable pgs; /* struct mon_pg */
    uint64_t led_since_ns;
    struct osdmap *seen;       /* ref: the newest map whose OSDs mon_stats has looked at */
    struct epoch osds_changed; /* the last epoch that changed who is up, in, or where */

    struct list commands; /* owned: struct mon_cmd */
    uint32_t command_count;
    struct list held_reports; /* owned: struct msg: no leader is known */
    uint32_t held_count;
    uint64_t held_bytes;

    struct env_task turn;
    bool turn_queued;
    struct epoch published;
    struct buf full_newest, full_oldest; /* encoded, when asked for */
    struct epoch full_newest_epoch, full_oldest_epoch;

    void (*ready)(void *arg, int rc, const struct note *why);
    void *ready_arg;
    void (*failed_fn)(void *arg, int rc, const struct note *why);
    void *failed_arg;
    struct env_task failed_task;
    int failed_rc;
    struct note failed_why;
    bool failed, failed_posted;
    bool stopping;
    struct env_timer handover;
    struct env_task stop_task;
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct mon_counters n;
    struct mon_metric_values *metrics; /* owned; NULL: nobody asked */
};

/* mon_start.c, mon.c */
void mon_events_init(struct mon *mon);
void mon_events_stop(struct mon *mon);
void mon_peers_open(struct mon *mon); /* sessions to the others that are not open */
void mon_conns_free(struct mon *mon);
void mon_stop_if_handed_over(struct mon *mon);
void mon_metrics_update(struct mon *mon);
void mon_turn_queue(struct mon *mon); /* do what has to follow, later in this turn of the loop */
void mon_fail(struct mon *mon, int rc, const char *what, const struct note *why);
static inline uint64_t mon_now(const struct mon *mon)
{
    return env_now_ns(mon->env);
}
static inline bool mon_halted(const struct mon *mon)
{
    return mon->failed || mon->stopping;
}
const struct net_addr *mon_leader_addr(const struct mon *mon);             /* NULL: not known */
int64_t mon_peer_skew_ns(const struct mon *mon, const struct mon_peer *p); /* 0: not known */
bool mon_peer_heard(const struct mon *mon, const struct mon_peer *p);

/* mon_raft.c */
int mon_raft_create(struct mon *mon, const struct mon_stored *stored); /* writes nothing */
void mon_raft_begin(struct mon *mon);                                  /* from now on */
void mon_raft_stop(struct mon *mon);                                   /* no more steps */
void mon_raft_message(struct mon *mon, struct session *s, struct msg_mon_raft *m); /* takes it */
int mon_raft_propose(struct mon *mon, struct bytes data, struct raft_pos *out_pos);
int mon_raft_read(struct mon *mon, uint64_t id); /* mon_command_read_done follows */
void mon_raft_transfer(struct mon *mon);
void mon_raft_durable(void *arg, struct raft_token token);
void mon_raft_snapshot_if_due(struct mon *mon);

/* mon_draft.c */
void mon_draft_init(struct mon_draft *d);
void mon_draft_fini(struct mon_draft *d);
bool mon_draft_empty(const struct mon_draft *d);
/* The map that the draft starts from: in flight or applied.  NULL before the first. */
const struct osdmap *mon_base(const struct mon *mon);
/* The newest view: the draft's map, or the base. */
const struct osdmap *mon_view(const struct mon *mon);
/* The map to change, epoch already the next one; NULL: no memory (or no map yet). */
struct osdmap *mon_draft_map(struct mon *mon);
/* A row of the table, as it will be: draft, flight, then state.  False: none. */
bool mon_draft_get(const struct mon *mon, const char *key, struct bytes *out_value);
int mon_draft_put(struct mon *mon, const char *key, const void *value, size_t bytes);
int mon_draft_remove(struct mon *mon, const char *key);
/* The rows whose keys begin with `prefix`, ascending, draft and flight included. */
void mon_draft_each(const struct mon *mon, const char *prefix,
                    void (*each)(void *arg, const char *key, struct bytes value), void *arg);
void mon_draft_touched(struct mon *mon); /* propose it within MON_BATCH_MS */
void mon_draft_propose(struct mon *mon); /* if it can be now */
void mon_draft_drop(struct mon *mon);    /* leadership is lost */
void mon_draft_committed(struct mon *mon, struct raft_pos pos);

/* mon_osd.c, mon_failure.c */
struct mon_osd *mon_osd_at(struct mon *mon, struct osd_id id); /* NULL: no memory */
void mon_osds_free(struct mon *mon);
void mon_osd_boot(struct mon *mon, struct msg_osd_boot *m); /* takes it */
void mon_boots_run(struct mon *mon);                        /* those that waited for an epoch */
void mon_osd_stopping(struct mon *mon, const struct msg_osd_stopping *m);
void mon_osd_up_thru(struct mon *mon, const struct msg_osd_up_thru *m);
void mon_osd_pg_temp(struct mon *mon, const struct msg_osd_pg_temp *m);
void mon_osd_full(struct mon *mon, struct osd_id id, bool full);
void mon_osd_tick(struct mon *mon); /* down to out, silent to the monitors, blocklist, trimming */
/* Clear OSD_UP in the draft; false: it is not up in the base (then the draft is as the base). */
bool mon_osd_down(struct mon *mon, struct osd_id id, const char *why);
void mon_failure_report(struct mon *mon, const struct msg_osd_failure *m);
bool mon_failure_tick(struct mon *mon); /* true: some report waits for its time */
void mon_failure_forget(struct mon *mon, struct osd_id id);
void mon_failure_came_back(struct mon *mon, struct osd_id id);

/* mon_sub.c */
void mon_sub_ask(struct mon *mon, struct mon_conn *conn, const struct msg_mon_subscribe *m);
void mon_sub_push(struct mon *mon, struct mon_conn *conn);
void mon_sub_publish(struct mon *mon);
int mon_full_newest(struct mon *mon, struct buf *out_shared); /* encoded once per epoch */

/* mon_stats.c */
void mon_stats_take(struct mon *mon, const struct msg_osd_stats *m);
void mon_stats_clear(struct mon *mon);
void mon_stats_map(struct mon *mon); /* after an epoch was applied */
/* The PG's statistics if its present primary made them in its present mapping, else NULL. */
const struct mon_pg *mon_pg_current(const struct mon *mon, struct pgid pg,
                                    const struct placement *at);
struct mon_pg *mon_pg_find(const struct mon *mon, struct pgid pg);
char *mon_pg_state_print(uint32_t state, char *out, size_t bytes); /* "active+clean" */
/* The oldest epoch that a PG may need; 0: not all are known. */
struct epoch mon_stats_last_clean(const struct mon *mon);

/* mon_forward.c */
bool mon_report_is(const struct msg *m);
void mon_report_route(struct mon *mon, struct session *s, struct msg *m);             /* takes it */
void mon_forward_take(struct mon *mon, struct session *s, struct msg_mon_forward *m); /* takes it */
void mon_held_run(struct mon *mon); /* a leader is known */
void mon_held_free(struct mon *mon);

/* mon_command.c */
void mon_command_take(struct mon *mon, struct session *s, struct msg_mon_command *m); /* takes it */
void mon_command_session_gone(struct mon *mon, struct session *s);
void mon_command_read_done(struct mon *mon, const struct raft_read *read);
void mon_commands_start(struct mon *mon);   /* we lead now */
void mon_commands_applied(struct mon *mon); /* some may have their result */
void mon_commands_refuse(struct mon *mon, int rc);
void mon_commands_free(struct mon *mon);

#endif
