/* pg.h - one placement group on this OSD: its copy, its interval, its queues.  Only for core/osd.
 *
 *   pg.c         life, the driver of peering
 *   pg_map.c     maps: places, intervals, promises
 *   pg_message.c what is said to other copies, and what they say
 *   pg_submit.c  transactions, in order; what waits for them to be durable
 *   pg_remove.c  deleting a copy
 *   exec*.c      client operations
 *   replicate.c  the primary's writes on their way; replica.c the members' side
 *   recovery*.c  copying objects; backfill.c the scan that drives it; repair.c bad blocks
 *
 * Phases.  WALK: old maps are walked first (osd_history.c).  DRAIN: a new interval began; nothing
 * of it is handled until all that was submitted is durable and the map calls us up.  LIVE: peering
 * runs, messages of the interval are handled.  REMOVE: the copy is being deleted.  Messages of the
 * PG's interval that come before LIVE, and those of later intervals, wait in `early`. */
#ifndef CORE_OSD_PG_H
#define CORE_OSD_PG_H

#include "core/osd/osd_int.h"
#include "core/osd/peering.h"

struct octx;
struct rep;
struct recovery;
struct backfill;

enum pg_phase { PG_WALK, PG_DRAIN, PG_LIVE, PG_REMOVE };
enum { PG_MEMBERS_MAX = 2 * OSD_SET_MAX };

struct pg_member { /* of the acting set, or a backfill target; never self.  Primary, from activation
                    */
    struct osd_id osd;
    bool target;
    struct version durable; /* newest version that is on its stable storage */
};

struct pg {
    struct hnode node;
    struct list link, check_link, recovery_link;
    struct osd *o; /* borrowed */
    struct log log;
    struct pgid id;
    enum pg_phase phase;
    struct placement at; /* under the newest map */
    bool pool_gone;

    struct pg_copy copy;
    struct peering peering;
    struct epoch saved_newest; /* past.newest as it stands in the `i` row, durably or on its way */
    struct list early;         /* held.link */
    uint64_t early_bytes;
    struct env_timer timer;
    uint32_t busy;    /* things that come back, beside transactions */
    uint32_t opening; /* objects that transactions wait for */
    bool temp_wished, temp_said;
    struct osd_set temp_wish;
    struct epoch up_thru_wish; /* 0: none */
    struct lease_holds holds;  /* what we granted to primaries of earlier intervals */
    bool walk_wanted;
    struct list walk_link; /* of the history walk */
    struct osd_id led_by;  /* the primary of the newest activated interval we know; for counters */

    /* pg_submit.c */
    struct list subs;     /* pg_sub.link: in order, their objects are being opened */
    struct list inflight; /* pg_sub.link: in the store */
    struct list after;    /* pg_after.link: when all before them is durable */
    uint64_t sub_seq, durable_seq;
    struct version applied; /* of the newest log entry handed to the store */
    struct version durable; /* newest own version on stable storage */

    /* clients; primary */
    struct list ops;         /* client_op.pg_link: all of them */
    struct list waiting;     /* client_op.link: until active */
    struct list blocked;     /* client_op.link: until an object is copied or there is room */
    struct list lease_waits; /* client_op.link: done but for a lease */
    struct htable octxs;
    uint32_t op_count;

    /* replicate.c; primary */
    struct pg_member member[PG_MEMBERS_MAX];
    uint32_t member_count;
    struct version committed_to;
    bool leading;        /* from activation on */
    struct list reps;    /* rep.link: by version, not committed */
    struct list lagging; /* rep.link: committed, not durable on every target */
    uint64_t lag_bytes;
    struct version trim_asked; /* the last trim_to that was sent */
    uint32_t trim_skip;        /* writes since trimming was looked at */

    /* replica.c; member */
    struct session *answer_to; /* ref: where the last write came from; NULL: nothing is owed */
    struct env_task answer_task;
    bool answer_posted;
    struct session *asker; /* ref: the session of the last query or activation */

    /* recovery */
    struct list copies; /* recovery.link */
    uint32_t failed_copies;
    struct backfill *backfill; /* owned: primary, one target at a time */
    struct env_timer recovery_timer;
    uint64_t next_tag;
    struct list rotten; /* rotten.link, owned: objects that rotted here and are not repaired yet */
    uint32_t rotten_count;

    /* pg_remove.c */
    bool remove_found;        /* when we started: its past is not known yet */
    struct pg_remove *remove; /* owned: under way */
    uint32_t pg_count;        /* of its pool: which objects are its */

    /* statistics of the whole PG as its primary counts them */
    struct pg_count *count; /* owned: the scan under way */
    bool counted;
    uint64_t objects, bytes;
    uint32_t stat_state; /* as reported last, with the two below */
    uint64_t stat_objects, stat_bytes;
};

/* --- life (pg.c) --- */
struct pg *osd_pg(const struct osd *o, struct pgid id); /* NULL: none here */
struct pg *pg_create(struct osd *o, struct pgid id); /* empty copy, phase WALK; NULL: no memory */
void pg_destroy(struct pg *pg);                      /* nothing of it is under way */
bool pg_idle(const struct pg *pg);                   /* may be destroyed */
void pg_maybe_free(struct pg *pg);                   /* outside of the map, without a copy, idle */
/* One epoch onwards; `begun`: past.first is next->epoch. */
void pg_map(struct pg *pg, const struct osdmap *next);
void pg_interval(struct pg *pg); /* a new interval began: stop what belongs to the old one */
void pg_walked(struct pg *pg);   /* its past is known up to the newest map */
void pg_drained(struct pg *pg);  /* nothing submitted is under way */
void pg_message(struct pg *pg, struct session *s, struct msg *m);
void pg_event(struct pg *pg, const struct peering_event *ev);
void pg_peer_broken(struct pg *pg, struct osd_id id);
void pg_retry(struct pg *pg);   /* after a lack of memory */
void pg_close(struct pg *pg);   /* the role ends: nothing new */
void pg_abandon(struct pg *pg); /* the store is closed: nothing comes back any more */
static inline struct epoch pg_since(const struct pg *pg)
{
    return pg->copy.past.first;
}
static inline bool pg_leads(const struct pg *pg)
{
    return pg->phase == PG_LIVE && pg->peering.primary && osd_serving(pg->o);
}
static inline bool pg_serves(const struct pg *pg)
{
    return pg_leads(pg) && peering_is_active(&pg->peering);
}
void pg_touch(struct pg *pg); /* check it at the next osd_check */
void pg_check(struct pg *pg, bool deep);
uint32_t pg_state_bits(const struct pg *pg);

/* pg_map.c: what we granted to earlier primaries and they may still use; for how long; 0: it is
 * over. */
void pg_promises(struct pg *pg, struct lease_holds *out_live);
uint64_t pg_hold_left_ns(struct pg *pg, struct osd_id *out_of);
/* pg_message.c */
void pg_send(struct pg *pg, struct peering_send *send);

/* For all. */
void pgs_begin(struct osd *o);                                     /* there is a first map */
void pgs_up(struct osd *o);                                        /* the newest map says so */
void pgs_message(struct osd *o, struct session *s, struct msg *m); /* takes it */
void pgs_map(struct osd *o, const struct osdmap *prev, const struct osdmap *next);
void pgs_peer_broken(struct osd *o, struct osd_id id);
void pgs_lease(struct osd *o); /* a lease is usable again */
void pgs_retry(struct osd *o);

/* --- submitting (pg_submit.c) --- */
enum { PG_SUB_INLINE = 2 };
struct pg_sub {
    struct store_commit commit;
    struct list link;
    struct pg *pg;
    struct txn *txn;          /* ref */
    struct object **obj;      /* refs, one for each object of the transaction */
    struct pg_sub_open *open; /* owned, or NULL */
    struct object *near[PG_SUB_INLINE];
    uint32_t count, opening;
    uint64_t seq;
    struct version version; /* of the log entry in it; {0,0}: none */
    /* Gives it back, finished already.  `done` false: the store was closed before it was durable.
     */
    void (*durable)(struct pg_sub *sub, bool done);
};
/* Make ready; refs the transaction.  0 or -ENOMEM.  `first` (may be NULL) is a handle of object 0.
 */
int pg_sub_init(struct pg_sub *sub, struct pg *pg, struct txn *txn, struct object *first);
void pg_sub_fini(struct pg_sub *sub);
/* In order after all submitted before; it is visible when this returns if pg_sub_ready. */
void pg_submit(struct pg_sub *sub);
bool pg_sub_ready(const struct pg *pg); /* nothing waits to be submitted */
void pg_subs_run(struct pg *pg);
/* A transaction nobody waits for but the PG's order; takes the reference.  0 or -ENOMEM (kept). */
int pg_submit_txn(struct pg *pg, struct txn *txn);
struct pg_after { /* call when all that was submitted so far is durable (maybe at once) */
    struct list link;
    uint64_t seq;
    struct epoch interval;                                        /* dropped by a later one */
    void (*run)(struct pg_after *a, struct pg *pg, bool dropped); /* frees it */
};
void pg_after(struct pg *pg, struct pg_after *a);
void pg_after_drop(struct pg *pg); /* those of earlier intervals */
void pg_subs_free(struct pg *pg);  /* the store is closed */

/* --- clients (exec.c) --- */
enum exec_stage { EXEC_QUEUED, EXEC_CHECK, EXEC_STEPS, EXEC_COMMIT, EXEC_LEASE };
struct client_op {
    struct list link, pg_link;
    struct pg *pg;
    struct octx *octx;              /* counted; NULL: an operation on the PG */
    struct msg_osd_op *m;           /* owned */
    struct session *session;        /* ref */
    struct msg_osd_op_reply *reply; /* owned until sent */
    enum exec_stage stage;
    bool write;
    bool holds;     /* the object's turn */
    bool busy;      /* something comes back: exec_read_done */
    bool dropped;   /* the interval ended meanwhile */
    bool read_done; /* of the present step */
    bool needs_lease;
    bool shrinks;  /* admitted as one that does not grow */
    uint8_t tries; /* bad blocks repaired for it */
    uint32_t step;
    struct version seen; /* the answer waits until this is committed */
    struct store_read read;
    struct store_list list;
    struct oid_range range;
    struct list clones; /* exec_clone.link: sources of its clone steps */
    uint64_t start_ns;
};
void exec_take(struct osd *o, struct session *s, struct msg_osd_op *m);
void exec_active(struct pg *pg);                  /* run those that waited */
void exec_waited(struct pg *pg, uint64_t now_ns); /* send back those that waited for too long */
void exec_interval(struct pg *pg);                /* send all back */
void exec_unblock(struct pg *pg);                 /* objects were copied, or there is room */
void exec_retry(struct pg *pg);                   /* after a lack of memory */
void exec_lease(struct pg *pg);
void exec_committed(struct list *ops); /* what they saw is committed: they may leave */
void exec_run(struct client_op *op);
void exec_read_done(struct client_op *op);
void exec_op_free(struct client_op *op);
void exec_pool_fini(struct osd *o);
/* Must it wait for a copy of this object?  Then it is copied first. */
bool exec_degraded(struct client_op *op, const struct oid *oid);
/* A failure that says something of us, not of the object: the client asks again, elsewhere. */
static inline bool exec_no_answer(int rc)
{
    return rc == -ENOMEM || rc == -R_STORE_FAILED || rc == -R_STOPPED;
}
/* It waits, and runs from the start again. 0 or -ENOMEM. */
int exec_again(struct client_op *op);

struct octx {          /* the order of operations on one object */
    struct hnode node; /* pg.octxs by oid_hash64 */
    struct pg *pg;
    struct oid oid;     /* owned */
    struct object *obj; /* ref; NULL: not opened yet */
    struct object_open open;
    struct list queue; /* client_op.link: not begun */
    uint32_t refs;     /* operations, writes not committed, the open under way */
    uint32_t readers;
    bool opening, writing, running;
    bool bad;         /* damaged here, and no good copy was found so far */
    struct rep *last; /* borrowed: its newest write that is not committed */
};
struct octx *octx_find(const struct pg *pg, const struct oid *oid); /* NULL: none */
void octx_unref(struct octx *x);
void octx_run(struct octx *x);

/* exec_step.c: guards and reads from op->step on.
 * 1: something comes back to exec_run; 0: all done; negative: the operation's failure. */
int exec_steps(struct client_op *op);
/* Attributes whose name begins with NUL are ours; one holds the time of the last write. */
#define EXEC_MTIME_XATTR ((struct bytes){(const uint8_t *)"\0t", 2})
static inline bool exec_xattr_own(struct bytes name)
{
    return name.len && name.data[0] == 0;
}
/* exec_write.c: the transaction of a write, and its log entry.  0 or negative (nothing was made).
 */
struct exec_change {
    bool was, exists;
    uint64_t was_bytes, bytes;
};
int exec_build(struct client_op *op, struct version v, struct txn **out_txn,
               struct pg_log_entry **out_entry, struct exec_change *out_change);
/* exec_room.c: 0, -R_STORE_FULL, -R_BACK_PRESSURE. */
int exec_admit(struct client_op *op);
/* exec_clone.c: the source of a clone step.  As exec_steps. */
struct exec_clone {
    struct list link;
    struct client_op *op;
    uint32_t step;
    struct oid oid; /* owned */
    struct object_open open;
    struct object *obj;     /* ref */
    struct version version; /* whose bytes were read */
    bool reading, have;
    struct arena arena;
    struct store_read read;
};
int exec_clone_prepare(struct client_op *op, uint32_t step);
struct exec_clone *exec_clone_of(const struct client_op *op, uint32_t step);
bool exec_clones_stale(const struct client_op *op); /* a source changed since it was read */
void exec_clones_drop(struct client_op *op);
bool exec_clones_by_data(const struct pg *pg);
/* repair.c: the read of op failed its checksum.  1: it waits for another copy; negative: no good
 * one is left. */
int repair_start(struct client_op *op);
/* Others than an operation of a client read it, at `bad_off`, and met damage. */
void repair_found(struct pg *pg, const struct object *obj, const struct store_read *r);
/* Is it known that our copy of it rotted, and does it still have this version? */
bool repair_wants(const struct pg *pg, const struct object *obj, struct version version);
void repair_told(struct pg *pg, const struct msg_pg_damaged *m); /* a member met it */
void repair_done(struct pg *pg, const struct oid *oid);          /* it came from another copy */
void repair_tick(struct pg *pg);                         /* members say again what they found */
void repair_forget(struct pg *pg);                       /* frees the list */
void exec_unfound(struct pg *pg, const struct oid *oid); /* nobody has a good copy */

/* --- replication --- */
struct rep {           /* a write of ours on its way */
    struct pg_sub sub; /* own store; also after the interval ended */
    struct list link;  /* pg.reps, pg.lagging; unlinked: its interval ended */
    struct version version;
    bool own_durable;
    struct octx *octx;    /* counted; until it is committed */
    struct list readers;  /* client_op.link: its own, and those that saw it */
    struct txn *txn;      /* ref, for sending again */
    struct txn *log_only; /* ref, for targets that do not have the object yet; may be NULL */
};
/* Order and send; op waits in it.  Takes txn and e.  0, or -ENOMEM: nothing happened, they stay the
 * caller's. */
int replicate(struct pg *pg, struct client_op *op, struct txn *txn, struct pg_log_entry *e);
struct rep *replicate_find(const struct pg *pg, struct version v);
bool replicate_lags(const struct pg *pg); /* a copy is too far behind for more writes */
void replicate_start(struct pg *pg);      /* activated: the members are known */
void replicate_interval(struct pg *pg);   /* detach all */
void replicate_reply(struct pg *pg, const struct msg_rep_reply *m);
void replicate_durable(struct pg *pg); /* own store */
void replicate_resend(struct pg *pg, struct osd_id to);
void replicate_trim(struct pg *pg);
void pg_trim(struct pg *pg, struct version upto);
bool pg_readable(const struct pg *pg, uint64_t now_ns);
struct version pg_next_version(const struct pg *pg);

/* How many bytes of entries a log keeps at leisure.  A copy that starts anew writes its whole log,
 * floors and results in one transaction, and the store takes no larger one than an eighth of its
 * journal: twice this is never passed, results and floors need about as much. */
static inline uint64_t pg_log_bytes_keep(const struct pg *pg)
{
    return MIN(pg->o->conf.osd_journal / 32, (uint64_t)8 << 20);
}

void replica_op(struct pg *pg, struct session *s, struct msg_rep_op *m); /* takes it */
void replica_durable(struct pg *pg);
void replica_interval(struct pg *pg);
void replica_init(struct pg *pg);

/* --- recovery (recovery.c): the primary copies objects, one struct recovery each --- */
enum recovery_kind { RECOVERY_PULL, RECOVERY_PUSH, RECOVERY_BACKFILL };
struct recovery {
    struct list link; /* pg.copies */
    struct pg *pg;
    enum recovery_kind kind;
    struct oid oid;         /* owned */
    struct osd_id peer;     /* the source, or the destination */
    uint32_t source;        /* PULL: place in peering.peer of the next to try */
    struct version version; /* needed */
    uint64_t tag;
    bool whole, counted /* in osd.recovering */, failed;
    uint64_t off;           /* whole: how far */
    struct bytes omap_from; /* owned */
};
void recovery_init(struct pg *pg);
void recovery_kick(struct osd *o);                         /* there may be room for more */
void recovery_wake(struct pg *pg);                         /* there may be something to copy */
void recovery_first(struct pg *pg, const struct oid *oid); /* an operation waits for this one */
void recovery_interval(struct pg *pg);
void recovery_peer_broken(struct pg *pg, struct osd_id id);
void recovery_pushed(struct pg *pg, const struct msg_pg_pushed *m);
void recovery_backfill(struct pg *pg, struct osd_id to, const struct oid *oid);
uint32_t recovery_backfills(const struct pg *pg); /* under way */
/* A chunk of a pull was applied here (rc 0), or cannot be had. */
void recovery_pulled(struct pg *pg, const struct msg_pg_push *m, int rc);
void recovery_sent(struct pg *pg, const struct msg_pg_push *m); /* a chunk leaves */
void recovery_unreadable(struct pg *pg, uint64_t tag, int rc);  /* or cannot be made */
void recovery_backfill_drop(struct pg *pg);
void recovery_osd_init(struct osd *o);
/* recovery_push.c: make the next chunk of an object and send it. */
struct push_want {
    struct oid oid;      /* borrowed */
    struct version need; /* {0,0}: whatever there is */
    struct version have;
    const struct touched *touched; /* borrowed; NULL: everything */
    uint64_t off;
    struct bytes omap_from; /* borrowed */
    uint64_t tag;
};
/* To `to` on our session, or (s not NULL) as an answer on that.  0 or -ENOMEM. */
int push_start(struct pg *pg, struct osd_id to, struct session *s, const struct push_want *want);
void recovery_pull(struct pg *pg, struct session *s, struct msg_pg_pull *m); /* takes m */
/* recovery_apply.c */
void recovery_push(struct pg *pg, struct session *s, struct msg_pg_push *m); /* takes m */
/* backfill.c */
void backfill_scan(struct pg *pg, struct session *s, struct msg_pg_scan *m);         /* takes m */
void backfill_progress(struct pg *pg, struct session *s, struct msg_pg_progress *m); /* takes m */
void backfill_reply(struct pg *pg, const struct msg_rep_reply *m);
void backfill_wake(struct pg *pg);
void backfill_pushed(struct pg *pg, struct osd_id to, int rc);
void backfill_peer_broken(struct pg *pg, struct osd_id id);
void backfill_interval(struct pg *pg);
bool backfill_covers(const struct pg *pg, const struct oid *oid); /* in the part being copied now */

/* --- removal --- */
void pg_remove_start(struct pg *pg);
void pg_remove_retry(struct pg *pg);
void pg_remove_abandon(struct pg *pg);
void pgs_remove_found(struct osd *o);
/* --- one's own copy (copy_query.c) --- */
void copy_query_take(struct osd *o, struct session *s, struct msg_copy_query *m);
/* --- counting --- */
void pg_count_start(struct pg *pg);
void pg_count_stop(struct pg *pg);
void pg_count_write(struct pg *pg, const struct oid *oid, const struct exec_change *change);

#endif
