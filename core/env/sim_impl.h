/* sim_impl.h - what the files of the simulator share.  Nobody else includes this.
 *
 * The simulator's own memory lies outside of every scope and never fails for want of an injected
 * failure (sim_alloc): only calls whose contract says -ENOMEM fail, before they change anything. */
#ifndef CORE_ENV_SIM_IMPL_H
#define CORE_ENV_SIM_IMPL_H

#include "core/base/cursor.h"
#include "core/base/list.h"
#include "core/base/rng.h"
#include "core/base/tree.h"
#include "core/env/env_ops.h"
#include "core/env/sim.h"

struct sim_process;

/* --- events (sim_queue.c) --- */

enum sim_kind {                  /* folded into the trace; append only, or all hashes change */
                SIM_EV_CALL = 1, /* sim_at */
                SIM_EV_TURN,     /* a posted or deferred task */
                SIM_EV_TIMER,
                SIM_EV_WORK,
                SIM_EV_WORK_DONE,
                SIM_EV_DISK,
                SIM_EV_NET_CONNECT,
                SIM_EV_NET_SEND,
                SIM_EV_NET_RECEIVE,
                SIM_EV_NET_END,
                SIM_EV_NET_SILENCE,
};

enum { SIM_IDLE = UINT32_MAX }; /* pos of an event that is not in the queue */

struct sim_event {
    uint64_t at_ns, seq;
    uint32_t pos;
    uint32_t kind;
    uint64_t id;           /* a stable number of what it is about, for the trace */
    struct sim_process *p; /* borrowed; NULL: runs outside of processes */
    void (*run)(struct sim_event *ev);
};

struct sim_slot {
    uint64_t at_ns, seq;
    struct sim_event *ev; /* borrowed */
};
struct sim_queue {
    struct sim_slot *slots; /* owned: a heap with four children per node */
    uint32_t count, cap;
};

void sim_event_init(struct sim_event *ev, struct sim_process *p, enum sim_kind kind, uint64_t id,
                    void (*run)(struct sim_event *));
static inline bool sim_event_pending(const struct sim_event *ev)
{
    return ev->pos != SIM_IDLE;
}
void sim_schedule(struct sim *s, struct sim_event *ev, uint64_t at_ns); /* arms or moves */
void sim_unschedule(struct sim *s, struct sim_event *ev);               /* harmless if not armed */
struct sim_event *sim_queue_first(const struct sim_queue *q);           /* NULL: empty */
void sim_queue_fini(struct sim_queue *q);

/* --- the world (sim.c) --- */

struct sim {
    struct sim_conf conf;
    struct rng rng, test_rng, fault_rng; /* separate, so that a test's draws move no delays */
    uint64_t now_ns, seq, hash;
    struct sim_process *inside; /* whose reactor runs; NULL: none, or a worker */
    uint32_t depth;             /* processes being inside of, by sim_enter or an event */
    bool reaping;               /* something was doomed: clean up when depth is 0 */
    struct sim_queue queue;
    struct list machines;   /* owned: sim_machine.link */
    struct list links;      /* owned: sim_link.link */
    struct list calls;      /* owned: sim_call.link, pending */
    struct list calls_free; /* owned: sim_call.link */
    uint64_t last_machine, last_process, last_link;
    void (*check)(void *arg);
    void *check_arg;
};

void *sim_alloc(size_t bytes); /* zeroed, outside scopes; never NULL */
void sim_free(void *p);
void *sim_try_alloc(size_t bytes); /* as above, but NULL when memory is (made) short */
uint64_t sim_between(struct sim *s, uint64_t lo, uint64_t hi);
void sim_trace(struct sim *s, uint64_t a, uint64_t b);

/* A callback with its own event: work of a process, or a call of the driver. */
struct sim_call {
    struct list link;
    struct sim_event ev;
    struct sim *sim;       /* borrowed */
    struct env_work *work; /* borrowed: the process's memory */
    void (*fn)(void *arg);
    void *arg;
};
struct sim_call *sim_call_get(struct sim *s);
void sim_call_put(struct sim *s, struct sim_call *c);

/* --- machines and processes (sim_machine.c, sim_process.c) --- */

RB_HEAD(sim_tree, sim_node);
struct sim_faults {
    uint64_t reads, writes, kvs; /* the n-th from now fails; 0: none */
    uint64_t slow_ns;
};

struct sim_machines { /* a set of them */
    uint64_t *number; /* owned */
    uint32_t count, cap;
};

struct sim_machine {
    struct list link;
    struct sim *sim; /* borrowed */
    uint64_t number; /* 1, 2, ... */
    char name[32], ip[48];
    bool powered;                    /* a process was started since the last power cut */
    bool doomed;                     /* the power is lost, the callback that lost it still runs */
    uint64_t boot_ns, boot_since_ns; /* its monotonic clock at a virtual time */
    int64_t wall_offset_ns;
    uint64_t ios, cut_at_io;          /* cut_at_io 0: not armed */
    uint64_t total_bytes, used_bytes; /* of its file system */
    uint64_t slow_net_ns;
    uint16_t last_port, last_client_port;
    struct sim_faults faults;
    struct sim_tree tree;        /* owned: files, folders, disks, kv stores by path */
    struct list processes;       /* owned: sim_process.link, dead ones included */
    struct list listeners;       /* owned: net_listener.machine_link */
    struct list locks;           /* owned: file_lock.link */
    struct sim_machines cut_to;  /* those that our packets do not reach */
    struct sim_machines refuses; /* those whose connections we reject */
};

RB_HEAD(sim_timers, env_timer);
struct sim_process {
    struct env env;        /* first: what roles hold */
    struct list link;      /* of machine->processes */
    struct sim_machine *m; /* borrowed */
    uint64_t number;
    char name[32];
    bool alive;
    bool doomed;             /* killed while its code runs: what it still does is void */
    struct mem_scope *scope; /* owned while alive */
    struct rng rng;
    struct log_sink sink;
    uint64_t paused_until_ns, blocked_ns;
    uint64_t clock_base_ns, clock_since_ns; /* its clock at a true time, running from there */
    int32_t clock_ppm;
    struct sim_timers timers;
    uint64_t timer_order, timer_next_ns; /* the latter: what timer_ev waits for, by our clock */
    struct sim_event timer_ev, turn_ev;
    struct list posted, deferred; /* env_task.link, the process's memory */
    uint64_t posted_count, turn_left, last_io;
    struct list works;     /* owned: sim_call.link */
    struct list ios;       /* owned: sim_io.link, submitted and not done */
    struct list disks;     /* owned: disk.link */
    struct list kvs;       /* owned: kv.link */
    struct list listeners; /* owned by the machine's list: net_listener.process_link */
    struct list conns;     /* net_conn.link_in, owned by their links */
};

static inline struct sim_process *sim_process_of(const struct env *env)
{
    return (struct sim_process *)env;
}
/* False when the process is dead, or dies as soon as its callback returns: calls do nothing. */
static inline bool sim_process_works(const struct sim_process *p)
{
    return p->alive && !p->doomed && !p->m->doomed;
}
static inline struct sim *sim_of(const struct sim_process *p)
{
    return p->m->sim;
}
extern const struct env_ops sim_ops;

/* Step into a process, and back out to where we were. */
struct sim_frame {
    struct mem_scope *scope;
    struct sim_process *outer;
};
struct sim_frame sim_inside(struct sim_process *p);
void sim_outside(struct sim_process *p, struct sim_frame before);
/* What belongs to a reactor is called on it, or by the driver: not by workers or other processes.
 */
static inline void sim_assert_home(const struct sim_process *p)
{
    ASSERT(sim_of(p)->depth == 0 || sim_of(p)->inside == p);
}
void sim_machine_stop(struct sim_machine *m);    /* kills what runs on it */
void sim_machine_destroy(struct sim_machine *m); /* nothing runs on any machine any more */
uint64_t sim_machine_clock(const struct sim_machine *m);
void sim_process_die(struct sim_process *p, bool power_cut); /* now; nothing of it may be running */
void sim_reap(struct sim *s);
/* An I/O that the power may be lost at starts.  False when it is lost now, or was. */
bool sim_io_starts(struct sim_process *p);
/* Count down one of sim_faults: true when it fails. */
bool sim_fault_hits(uint64_t *n);
bool sim_space_take(struct sim_machine *m, uint64_t bytes); /* false: the file system is full */
void sim_space_give(struct sim_machine *m, uint64_t bytes);

/* The reactor of a process (sim_loop.c). */
void sim_loop_init(struct sim_process *p);
void sim_loop_stop(struct sim_process *p); /* forgets tasks, timers and works */
uint64_t sim_loop_pending(const struct sim_process *p);
bool sim_is_home(struct env *env);
uint64_t sim_now_in(struct env *env);
uint64_t sim_wall_in(struct env *env);
void sim_random_bytes(struct env *env, void *out, size_t bytes);
void sim_post(struct env *env, struct env_task *task);
void sim_defer(struct env *env, struct env_task *task);
void sim_timer_at(struct env *env, struct env_timer *t, uint64_t at_ns);
void sim_timer_cancel(struct env *env, struct env_timer *t);
void sim_work_submit(struct env *env, struct env_work *w);
int sim_watch_start(struct env *env, struct env_watch *w, int fd);
void sim_watch_stop(struct env *env, struct env_watch *w);

/* --- the network (sim_net.c, sim_conn.c) --- */

void sim_net_process_dies(struct sim_process *p, bool power_cut);
int sim_net_listen(struct env *, const struct net_addr *, struct net_accept *,
                   struct net_listener **, struct note *);
void sim_net_listener_addr(const struct net_listener *, struct net_addr *);
void sim_net_listener_close(struct net_listener *);
int sim_net_connect(struct env *, const struct net_addr *, struct net_handler *,
                    struct net_conn **);
int sim_net_send(struct net_conn *, struct buf *);
uint64_t sim_net_queued_bytes(const struct net_conn *);
void sim_net_resume(struct net_conn *);
void sim_net_close(struct net_conn *);

/* --- the tree of files of a machine (sim_file.c) --- */

enum sim_node_kind { SIM_FOLDER, SIM_FILE, SIM_DISK, SIM_KV };
struct sim_media;
struct sim_map;
struct sim_node {
    RB_ENTRY(sim_node) node;
    char *path; /* owned; normal form */
    enum sim_node_kind kind;
    uint32_t refs; /* the tree, and each open handle */
    bool lost;     /* wiped while open */
    uint8_t *data; /* FILE: owned */
    size_t bytes;
    struct sim_media *media; /* DISK: owned */
    struct sim_map *map;     /* KV: owned */
    bool map_open;
};
RB_PROTOTYPE(sim_tree, sim_node, node, )
struct sim_node *sim_node_find(struct sim_machine *m, const char *path); /* NULL: none */
/* A new node whose folder exists; rc: 0, -ENOENT, -EEXIST. */
int sim_node_make(struct sim_machine *m, const char *path, enum sim_node_kind kind,
                  struct sim_node **out_node);
void sim_node_unref(struct sim_node *n);
void sim_node_remove(struct sim_machine *m, struct sim_node *n); /* from the tree */
uint64_t sim_node_space(const struct sim_node *n);
struct sim_node *sim_node_copy(const struct sim_node *n);
void sim_tree_clear(struct sim_tree *t); /* open nodes are lost */
void sim_locks_drop(struct sim_process *p);
uint64_t sim_locks_held(const struct sim_process *p);

int sim_file_read(struct env *, const char *, uint64_t, struct buf *);
int sim_file_replace(struct env *, const char *, const void *, size_t, unsigned);
int sim_file_append(struct env *, const char *, const void *, size_t, unsigned);
int sim_file_remove(struct env *, const char *);
int sim_dir_create(struct env *, const char *, unsigned);
int sim_dir_list(struct env *, const char *, void (*)(void *, const char *), void *);
int sim_file_lock(struct env *, const char *, struct file_lock **);
void sim_file_unlock(struct file_lock *);
int sim_fs_space(struct env *, const char *, struct fs_space *);

/* --- disks: contents (sim_media.c) and requests (sim_disk.c) --- */

/* The content of one block, shared between versions, requests and images.  NULL stands for zeros.
 */
struct sim_data {
    uint32_t refs;
    uint8_t bytes[DISK_BLOCK];
};
struct sim_data *sim_data_from(const uint8_t *block); /* NULL if it is all zeros */
struct sim_data *sim_data_ref(struct sim_data *d);
void sim_data_unref(struct sim_data *d);

struct sim_media *sim_media_create(uint64_t bytes);
void sim_media_destroy(struct sim_media *md);
struct sim_media *sim_media_copy(const struct sim_media *md); /* with what is unflushed */
uint64_t sim_media_bytes(const struct sim_media *md);
uint64_t sim_media_allocated(const struct sim_media *md); /* blocks */
void sim_media_grow(struct sim_media *md, uint64_t bytes);
/* Store one block.  Takes over the reference.  False, unchanged, when it needs space and `m` has
 * none. */
bool sim_media_write(struct sim_machine *m, struct sim_media *md, uint64_t block,
                     struct sim_data *data, bool durable);
bool sim_media_allocate(struct sim_machine *m, struct sim_media *md, uint64_t block); /* as zeros */
void sim_media_discard(struct sim_machine *m, struct sim_media *md, uint64_t block);
/* 0 or -EIO (unreadable since a power cut). */
int sim_media_read(const struct sim_media *md, uint64_t block, uint8_t *out);
uint64_t sim_media_mark(const struct sim_media *md); /* for a flush: what is complete by now ... */
void sim_media_flush(struct sim_media *md, uint64_t mark); /* ... is durable */
void sim_media_flush_fails(struct sim_media *md, struct rng *r);
void sim_media_power_cut(struct sim_media *md, struct rng *r, uint32_t unreadable_per_million);
int sim_media_flip(struct sim_media *md, uint64_t byte, unsigned bit);

struct disk;
void sim_disks_process_dies(struct sim_process *p, bool power_cut);
int sim_disk_open(struct env *, const char *, const struct disk_conf *, struct disk **,
                  struct note *);
void sim_disk_close(struct disk *);
uint64_t sim_disk_bytes(const struct disk *);
const char *sim_disk_name(const struct disk *);
void sim_disk_submit(struct env *, struct disk_io *);
int sim_disk_read_now(struct disk *, uint64_t, void *, size_t);
int sim_disk_write_now(struct disk *, uint64_t, const void *, size_t);
int sim_disk_flush_now(struct disk *);

/* --- key-value stores: contents (sim_map.c) and calls (sim_kv.c) --- */

struct sim_entry;
struct sim_map *sim_map_create(void);
void sim_map_destroy(struct sim_map *map);
struct sim_map *sim_map_copy(const struct sim_map *map); /* with what is not checkpointed */
uint64_t sim_map_bytes(const struct sim_map *map);
void sim_map_write(struct sim_map *map, const void *records, size_t bytes);
/* Remember a batch that was being written when the power went. */
void sim_map_log(struct sim_map *map, const void *records, size_t bytes);
void sim_map_checkpoint(struct sim_map *map);
void sim_map_power_cut(struct sim_map *map, struct rng *r);
void sim_map_salvage(struct sim_map *map); /* what was flipped is gone */
int sim_map_flip(struct sim_map *map, uint64_t byte, unsigned bit);
struct sim_value { /* borrowed from the map */
    struct bytes key, value;
    bool flipped;
};
bool sim_map_get(const struct sim_map *map, struct bytes key, struct sim_value *out_value);
uint64_t sim_map_hold(struct sim_map *map); /* a snapshot: its versions and entries stay */
void sim_map_release(struct sim_map *map);
/* The next entry in order that has a value in the snapshot: after `at`, or from `from` if NULL. */
struct sim_entry *sim_map_next(struct sim_map *map, struct sim_entry *at, struct bytes from,
                               uint64_t snapshot, struct sim_value *out_value);

void sim_kvs_process_dies(struct sim_process *p);
int sim_kv_salvage(struct env *, const char *, struct note *);
int sim_kv_open(struct env *, const char *, const struct kv_conf *, struct kv **, struct note *);
void sim_kv_close(struct kv *);
int sim_kv_get(struct kv *, struct bytes, struct buf *);
int sim_kv_write(struct kv *, const struct kv_batch *);
int sim_kv_checkpoint(struct kv *);
void sim_kv_wait_for_room(struct kv *, bool);
int sim_kv_iter_create(struct kv *, struct bytes, struct bytes, struct kv_iter **);
int sim_kv_iter_next(struct kv_iter *, struct bytes *, struct bytes *);
void sim_kv_iter_destroy(struct kv_iter *);
int sim_kv_scan(struct kv *, struct bytes, struct bytes, kv_row_fn *, void *);
void sim_kv_stats(struct kv *, struct kv_stats *);

#endif
