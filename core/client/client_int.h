/* client_int.h - what the files of libcairn share.
 *
 * Threads: everything in struct cairn below "reactor" belongs to the reactor; the part under `lock`
 * is where other threads hand operations over and wait for room. */
#ifndef CORE_CLIENT_CLIENT_INT_H
#define CORE_CLIENT_CLIENT_INT_H

#include <pthread.h>

#include "core/base/htable.h"
#include "core/base/option.h"
#include "core/client/include/cairn_env.h"
#include "core/env/env_real.h"
#include "core/map/osdmap.h"
#include "core/msgr/msgr.h"
#include "core/proto/messages.h"
#include "core/proto/steps.h"

enum { CLIENT_MONS_MAX = 9, CLIENT_OP_COST = 1024 };

/* Where the operations of one PG go: its placement, and since which epoch it has been so.  An
 * operation that was sent under an older interval is sent again. */
struct target {
    struct hnode node; /* in cairn.targets */
    struct pgid pg;
    struct epoch since;
    struct placement at;
    uint8_t size, size_min;
    uint32_t pg_count;
    bool unknown; /* there was no memory to tell; asked again when it is used */
};

/* The session with one OSD. */
struct osd_link {
    struct session *session; /* ref, or NULL */
    struct net_addr addr;
    uint64_t instance;
};

enum op_where { OP_IDLE, OP_QUEUED, OP_WAITS, OP_SENT, OP_DONE };

struct cairn_op {
    struct env_task task; /* handing over, then completing */
    struct hnode node;    /* in cairn.ops_by_id while QUEUED..SENT */
    struct list link;     /* in cairn.ops, ascending ids */
    struct env_timer deadline;
    struct cairn *c; /* borrowed while submitted */
    struct cairn_pool *pool;
    struct steps steps;
    struct oid oid; /* owned */
    struct pgid pg; /* of a PG_LIST: given; else computed */
    bool on_pg;
    enum op_where where;
    uint64_t id;
    uint32_t attempt;
    uint32_t timeout_ms;
    struct epoch sent_since; /* the interval it was sent in */
    struct epoch wait_epoch; /* OSD knows this map: wait for it before sending again */
    struct osd_id sent_to;
    uint64_t cost_bytes;
    bool cancel;
    cairn_done_fn *done;
    void *done_arg;
    /* result */
    int code;
    struct msg_osd_op_reply *reply; /* owned */
};

struct cairn_pool {
    struct cairn *c; /* borrowed */
    char name[POOL_NAME_MAX + 1];
};

struct command { /* to the monitors */
    struct list link;
    struct env_task task;
    struct env_timer deadline;
    struct cairn *c;
    uint64_t id;
    int argc;
    char **argv; /* owned */
    struct buf input;
    cairn_command_fn *done;
    void *arg;
};

struct copy_query { /* of cairn_where */
    struct list link;
    struct env_task task;
    struct env_timer deadline;
    struct cairn *c;
    uint64_t id;
    struct osd_id osd;
    struct pgid pg;
    const struct oid *oid;  /* borrowed from the waiting caller */
    struct cairn_copy *out; /* borrowed, too */
    void (*done)(struct copy_query *q);
    void *arg;
};

struct cairn {
    struct env *env;   /* borrowed */
    struct host *host; /* owned; NULL on somebody else's env */
    struct log_sink sink;
    struct log log;
    struct config conf;
    uint64_t instance;

    /* Shared: operations of other threads on their way in, and the bytes not answered. */
    pthread_mutex_t lock;
    pthread_cond_t room;
    uint64_t in_flight_bytes;

    /* reactor */
    struct msgr *msgr;
    struct msgr_handler handler;
    struct net_addr mons[CLIENT_MONS_MAX];
    unsigned mon_count, mon_at;
    struct session *mon;    /* ref; subscribed */
    struct session *leader; /* ref; for commands, when another monitor leads */
    struct env_timer mon_retry;
    struct list commands;
    struct list copies;
    uint64_t next_id;   /* of operations, commands and copy queries */
    struct osdmap *map; /* ref; NULL until the first */
    struct epoch born;
    struct htable targets;
    struct osd_link *links; /* owned, by OSD id */
    uint32_t link_count;
    struct list ops; /* all unanswered, ascending ids: the first one is the floor */
    struct htable ops_by_id;
    struct env_timer resend;
    uint64_t resends;
    bool stopping;
    void (*ready)(void *arg, int rc);
    void *ready_arg;
    void (*watch)(void *arg, const struct osdmap *map);
    void *watch_arg;
    void (*closed)(void *arg);
    void *closed_arg;
};

/* client.c */
int client_start(struct cairn *c, const struct cairn_env_conf *conf); /* on the reactor */
void client_stop(struct cairn *c, void (*closed)(void *arg), void *arg);
void client_free(struct cairn *c);

/* client_map.c: 1 when there is a newer map than before, else 0 or an error. */
int client_maps_take(struct cairn *c, struct msg_osdmaps *m);
struct target *client_target(struct cairn *c,
                             struct pgid pg); /* NULL: no such pool, or no memory */
void client_targets_free(struct cairn *c);

/* client_mon.c */
void mon_connect(struct cairn *c);
void mon_reset(struct cairn *c, struct session *s, int why);
void mon_reply(struct cairn *c, struct msg_mon_reply *m);
void mon_commands_fail(struct cairn *c, int rc);
void mon_map_wanted(struct cairn *c);  /* an OSD knows a newer one: ask again */
void mon_retry_later(struct cairn *c); /* connect, or ask for maps and send commands again */

/* client_op.c */
int client_submit(struct cairn_pool *p, struct cairn_op *op, cairn_done_fn *done, void *arg);
void ops_map_changed(struct cairn *c);
void ops_session_reset(struct cairn *c, struct session *s);
void ops_reply(struct cairn *c, struct msg_osd_op_reply *m);
void ops_fail_all(struct cairn *c, int rc);
struct session *osd_session(struct cairn *c, struct osd_id id); /* borrowed; NULL: it is not up */

/* client_where.c */
void copies_reply(struct cairn *c, struct msg_copy_reply *m);
void copies_reset(struct cairn *c, struct session *s);
void copies_fail_all(struct cairn *c);

/* A waiting thread and the completion that wakes it. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned left;
};
void waiter_init(struct waiter *w, unsigned count);
void waiter_wait(struct waiter *w); /* until `count` completions came; releases it */
void waiter_done(struct waiter *w);
/* On another thread than the reactor's, of a client with a thread of its own?  Else -EDEADLK. */
int client_may_wait(struct cairn *c);

#endif
