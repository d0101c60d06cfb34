/* osd_int.h - the role's own state, and what its files share.  Nobody else includes it.
 *
 *   osd.c          start, stop, failure
 *   osd_dispatch.c messages to where they belong; those that wait for a map
 *   osd_map.c      maps: taken in, kept in the store, walked by the PGs
 *   osd_history.c  old maps, for PGs that were away or are new here
 *   osd_client.c   the sessions of clients
 *   osd_session.c  the session with a monitor: subscription, boot, wishes
 *   osd_report.c   statistics for the monitor, status for people, metrics
 *   heartbeat.c    the other OSDs: sessions, pings, leases, failure reports
 *   pg*.c exec*.c replicate.c replica.c recovery*.c backfill.c ...: see pg.h */
#ifndef CORE_OSD_OSD_INT_H
#define CORE_OSD_OSD_INT_H

#include "core/base/htable.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/plant.h"
#include "core/map/osdmap.h"
#include "core/msgr/msgr.h"
#include "core/osd/lease.h"
#include "core/osd/osd.h"
#include "core/proto/messages.h"
#include "core/store/store.h"

struct pg;
struct osd;

enum {
    OSD_MONS_MAX = 9,
    OSD_MAPS_CACHED = 32,          /* newest maps, by epoch */
    OSD_FULL_MAP_EVERY = 128,      /* epochs between full maps in the store */
    OSD_HELD_BYTES_MAX = 64 << 20, /* messages of OSDs that wait for a map */
    OSD_STOP_WAIT_MS = 1000,
    OSD_RETRY_MS = 10, /* after a lack of memory */
};

/* --- other OSDs (heartbeat.c) --- */

struct peer {
    struct osd *o; /* borrowed */
    struct osd_id id;
    uint64_t instance;     /* that the sessions below lead to */
    struct session *data;  /* ref, or NULL: everything but pings */
    struct session *beats; /* ref, or NULL */
    bool wanted, marked;   /* shares a PG with us, or is a neighbour by id */
    uint64_t heard_ns;     /* its last answer, or when we began to ask */
    bool reported;         /* to the monitors, as failed */
    bool refused;          /* nobody listens at its address */
    bool broken;           /* data was reset: what was sent may be lost, nothing is sent until the
                              PGs have been told (they then send again what is not answered) */
    uint8_t fill;          /* its store's (enum store_fill) */
    struct lease lease;    /* granted by it */
    uint64_t granted_until_ns; /* by us to it, in our time */
};

/* A message that waits, with the session it came on. */
struct held {
    struct list link;
    struct session *session; /* ref */
    struct msg *msg;         /* owned */
};
void held_free(struct held *h);
void held_drop_all(struct list *holds);

/* --- the monitor (osd_session.c) --- */

struct mon_link {
    struct net_addr addr[OSD_MONS_MAX];
    uint64_t id[OSD_MONS_MAX];
    uint32_t count, at;
    struct session *session;               /* ref, or NULL */
    uint64_t asked_ns;                     /* for maps */
    uint64_t boot_ns, up_thru_ns, temp_ns; /* when each wish was sent last; 0: say it now */
    struct epoch up_thru_asked;
    struct env_task wish_task;
    bool wish_posted;
    struct epoch oldest, newest; /* what it has, as it told */
    uint64_t stats_ns;
    bool stats_changed;
    bool stats_void; /* the monitors count nothing from before the newest map */
};

enum role_state {
    ROLE_OPENING,  /* the store, the rows */
    ROLE_BOOTING,  /* not up in the map */
    ROLE_ACTIVE,   /* up */
    ROLE_STOPPING, /* asked to stop: serves nothing */
    ROLE_FAILED,   /* waits for osd_stop */
    ROLE_CLOSING,
};

struct osd {
    struct env *env; /* borrowed */
    struct log log;
    struct osd_id id;
    uint64_t instance;
    uint8_t uuid[16], fsid[16];
    char host[64], device_class[16];
    struct net_addr listen_addr, addr;
    char *folder; /* owned */
    struct config conf;
    struct osd_counters n;
    enum role_state state;

    void (*ready)(void *arg, int rc, const struct note *why);
    void *ready_arg;
    bool told_ready;
    void (*failed)(void *arg, int rc, const struct note *why);
    void *failed_arg;
    void (*stopped)(void *arg);
    void *stopped_arg;
    int fail_rc;
    struct note fail_note;
    struct env_task fail_task;

    struct msgr *msgr; /* owned */
    struct msgr_hub *hub;
    struct msgr_handler handler;
    struct store *store; /* owned while open */
    bool store_failed, store_opening, closing_store, closing_msgr, abandoned, fail_posted;
    struct load *load;   /* owned: what is being read at start */
    uint64_t started_ns; /* promises of an earlier incarnation end a lease after this */

    struct mon_link mon;
    struct osdmap *map;                     /* ref: the newest */
    struct osdmap *cached[OSD_MAPS_CACHED]; /* refs, at epoch % OSD_MAPS_CACHED */
    struct epoch stored_oldest;             /* the first full map in the store; 0: none */
    struct epoch stored_full;               /* the last one */
    struct epoch salvaged_to; /* the store lost rows: even those of PGs of pools made up to here.
                                 0: it did not; UINT32_MAX: until we are up */
    bool salvaging;           /* copies on it are not whole again yet */
    struct list submits;      /* meta_submit.link: our own rows, not durable */
    struct list held;         /* held.link: until a newer map */
    uint64_t held_bytes;
    struct history *history; /* owned: a walk over old maps, or NULL */

    struct peer **peers; /* owned, each owned; by id */
    uint32_t peer_count, peer_cap;
    struct env_timer beat_timer, mend_timer, second_timer, retry_timer, stop_timer;
    uint64_t beat_ns; /* of the last one */
    bool retry_armed;

    struct htable pgs;      /* pg.node */
    struct list pg_list;    /* pg.link, owned */
    struct list check_list; /* pg.check_link: touched since the last check */
    struct pg *check_next;
    uint32_t checks;
    uint32_t recovering;       /* objects being copied, see osd_recovery_ops */
    struct list recovery_wait; /* pg.recovery_link: have something to copy */
    struct env_task recovery_task;
    bool recovery_posted;
    struct list free_ops; /* client_op.link: pooled */
    uint32_t free_op_count;
    struct htable clients; /* their sessions (osd_client.c) */
    struct list client_list;
    struct list copies;          /* copy_query.link: under way */
    struct osd_metrics *metrics; /* owned */
};

static inline const struct osd_info *osd_info_of(const struct osd *o, struct osd_id id)
{
    return o->map && osdmap_up(o->map, id) ? &o->map->osds[id.v] : NULL;
}
/* Is it this incarnation that the newest map calls up? */
static inline bool osd_is_up(const struct osd *o, struct osd_id id, uint64_t instance)
{
    const struct osd_info *info = osd_info_of(o, id);

    return info && info->instance == instance;
}
/* The role stops itself: `failed` is called from the loop. */
void osd_fail(struct osd *o, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* An operator holds it down, says the map: `failed` is called with -R_STOPPED, and osd_stop then
 * ends the role in order, leases and all. */
void osd_held(struct osd *o);
static inline bool osd_serving(const struct osd *o)
{
    return o->state == ROLE_BOOTING || o->state == ROLE_ACTIVE;
}
/* Something lacked memory: pg_retry() for every PG soon. */
void osd_retry_later(struct osd *o);

void osd_up(struct osd *o);        /* the map says so */
void osd_stop_seen(struct osd *o); /* the map says that we stopped */
void osd_close_more(struct osd *o);

/* osd_dispatch.c */
extern const struct msgr_handler osd_handler;
/* Keep until our map is newer, and ask for it. */
void osd_hold(struct osd *o, struct session *s, struct msg *m);
void osd_held_run(struct osd *o);
/* Send to an OSD that is up in our map; dropped when it is not. */
void osd_send(struct osd *o, struct osd_id to, struct msg *m);

/* osd_map.c */
struct osdmap *osd_map_cached(const struct osd *o,
                              struct epoch e); /* borrowed; NULL: not in memory */
void osd_maps_take(struct osd *o, struct session *s, struct msg_osdmaps *m);
int osd_map_install(struct osd *o, struct osdmap *map); /* takes the reference */
void osd_maps_fini(struct osd *o);
void osd_maps_trim(struct osd *o);
void osd_maps_request(struct osd *o);
/* Rows of our own collection {0,0}. */
enum { OSD_ROW_KEY_MAX = 16 };
struct bytes osd_row_key(char kind, uint32_t n, uint8_t *out);
/* Takes the reference of txn when it returns 0. */
int osd_meta_submit(struct osd *o, struct txn *txn, void (*durable)(void *arg), void *arg);
void osd_meta_drop(struct osd *o);
struct pgid osd_coll(void);

/* osd_history.c */
void osd_history_want(struct osd *o, struct pg *pg);
void osd_history_forget(struct osd *o, struct pg *pg);
void osd_history_free(struct osd *o);

/* osd_session.c */
int osd_session_init(struct osd *o, struct note *why);
void osd_session_fini(struct osd *o);
void osd_session_tick(struct osd *o);
bool osd_session_reset(struct osd *o, struct session *s); /* was it the monitor's? */
void osd_mon_send(struct osd *o, struct msg *m);
void osd_wish(struct osd *o); /* something new to tell the monitors: soon, from the loop */
void osd_say_stopping(struct osd *o);

/* osd_client.c */
int osd_client_opened(struct osd *o, struct session *s); /* its former one ends; 0 or -ENOMEM */
void osd_clients_drop(struct osd *o);                    /* the messenger closes */

/* osd_report.c */
void osd_stats_send(struct osd *o);
struct osd_metrics {
    struct counter reads, writes;
    struct histogram read, write;
};
void osd_op_latency(struct osd *o, bool write, uint64_t ns);

/* osd_load.c */
void osd_load(struct osd *o, void (*loaded)(struct osd *o, int rc, const struct note *why));

/* osd_salvage.c */
/* An OSD that has no rows of this PG: may it have lost them? */
bool osd_may_have_lost(const struct osd *o, struct pgid id);
int osd_salvage_begin(struct osd *o); /* at load, before the store may forget it */
int osd_salvage_row(struct osd *o, struct bytes value);
void osd_salvage_up(struct osd *o);    /* the map says that we are up */
void osd_salvage_watch(struct osd *o); /* now and then: is it over? */

/* heartbeat.c */
struct peer *osd_peer(const struct osd *o, struct osd_id id); /* NULL: never met */
struct peer *osd_peer_get(struct osd *o, struct osd_id id);   /* made when new; NULL: no memory */
void heartbeat_init(struct osd *o);
void heartbeat_stop(struct osd *o);
void heartbeat_map(struct osd *o); /* the map changed: whom to ping */
void heartbeat_ping(struct osd *o, struct session *s, struct msg_osd_ping *m);
/* True when it was one of theirs. */
bool heartbeat_reset(struct osd *o, struct session *s, int why);
void heartbeat_fini(struct osd *o);
/* Its data session, opened when there is none; NULL: it is not up, is being mended, or no memory.
 */
struct session *osd_peer_session(struct osd *o, struct osd_id id);
/* What was sent to it must be sent again: as if its session broke. */
void osd_peer_break(struct osd *o, struct osd_id id);

#endif
