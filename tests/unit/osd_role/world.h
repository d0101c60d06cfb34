/* world.h - a few OSDs in the simulator, with a monitor and a client that are simple on purpose.
 *
 * Machine 0 runs one process with the monitor (it decides alone, at once, and keeps every map) and
 * the client (one operation at a time, sent again as a real one would).  Machines 1.. run an OSD
 * each. */
#ifndef TESTS_UNIT_OSD_ROLE_WORLD_H
#define TESTS_UNIT_OSD_ROLE_WORLD_H

#include "core/env/sim.h"
#include "core/map/osdmap.h"
#include "core/msgr/msgr.h"
#include "core/osd/osd.h"
#include "core/proto/messages.h"
#include "tests/unit/t.h"

enum { WORLD_OSDS_MAX = 6, WORLD_EPOCHS_MAX = 2000, WORLD_SUBS_MAX = 16 };

struct world;
struct world_osd {
    struct world *w;
    struct sim_machine *m;
    struct env *env; /* NULL: not running */
    struct osd *osd;
    struct osd_id id;
    bool ready, failed, stopped;
    struct env_timer again;
    int rc;
    char why[NOTE_BYTES];
};
struct world {
    struct sim *sim;
    uint64_t seed;
    struct config conf;
    uint32_t osd_count;
    struct world_osd osd[WORLD_OSDS_MAX];
    bool mends; /* an OSD that stops itself is stopped in order and started again, as by its node */
    struct sim_machine *m0;
    struct env *env0;
    struct log_sink sink;

    /* monitor */
    struct msgr *mon;
    struct msgr_handler mon_handler;
    struct net_addr mon_addr;
    struct osdmap *map;               /* the newest */
    struct buf inc[WORLD_EPOCHS_MAX]; /* by epoch */
    struct buf first;                 /* the map of epoch 1 */
    struct {
        struct session *s;
        uint32_t next;
    } sub[WORLD_SUBS_MAX];
    uint32_t grace_ms;
    bool deaf; /* takes no reports */
    uint32_t stats_seen;
    struct pg_stat stat; /* the last one, of any PG */

    /* client */
    struct msgr *client;
    struct msgr_handler client_handler;
    struct session *to[WORLD_OSDS_MAX];
    uint64_t client_id, op, floor;
    struct epoch born;
    struct steps steps;
    char name[64];
    struct pool_id pool;
    uint32_t attempt, sent_epoch;
    bool waiting, stale_map;
    uint64_t send_at_ns;
    struct env_timer again;
    struct msg_osd_op_reply *reply; /* owned */
    uint32_t replies;
    struct msg_copy_reply *copy; /* owned */
};

void world_init(struct world *w, uint64_t seed, uint32_t osds, uint32_t size, uint32_t pg_count);
void world_fini(struct world *w); /* stops what runs; everything must be given back */
void world_run(struct world *w, uint32_t ms);
bool world_until(struct world *w, uint32_t ms, bool (*cond)(struct world *w));

void world_osd_start(struct world *w, uint32_t i); /* and waits until it is up */
void world_osd_launch(struct world *w, uint32_t i);
void world_osd_stop(struct world *w, uint32_t i); /* cleanly */
void world_osd_kill(struct world *w, uint32_t i, bool power_cut);
bool world_clean(struct world *w); /* all that run */
void world_wait_clean(struct world *w, uint32_t ms);

/* The monitor's doing: change a draft, then publish it as the next epoch. */
struct osdmap *world_draft(struct world *w);
void world_publish(struct world *w, struct osdmap *draft);
void world_out(struct world *w, uint32_t i, bool out);
void world_down(struct world *w, uint32_t i);
void world_pool(struct world *w, const char *name, uint32_t size, uint32_t pg_count);

/* Between world.c and client.c. */
void world_in0(struct world *w, void (*fn)(void *arg), void *arg); /* in the client's process */
void world_client_message(struct msgr_handler *h, struct session *s, struct msg *m);
void world_client_reset(struct msgr_handler *h, struct session *s, int why);
void world_client_again(struct env_timer *t);

/* The client: build steps, run, look at the reply. */
struct step *op_new(struct world *w, const char *name, uint8_t kind); /* the first step */
struct step *op_step(struct world *w, uint8_t kind);
void step_data(struct world *w, struct step *st, const void *data, size_t bytes);
void step_key(struct world *w, struct step *st, const char *key, const char *value);
int op_run(struct world *w);                  /* the reply's rc; fails the test after 30 s */
int op_run_for(struct world *w, uint32_t ms); /* -ETIMEDOUT: nothing yet; goes on */
int op_wait(struct world *w, uint32_t ms);    /* for what op_run_for left */
int op_repeat(struct world *w);               /* the same op again, as if the reply was lost */
struct msg *op_message(struct world *w);      /* what is sent, as its next attempt */
int put(struct world *w, const char *name, const void *data, size_t bytes); /* write_full */
int put_fill(struct world *w, const char *name, uint8_t fill, size_t bytes);
int get_fill(struct world *w, const char *name, uint8_t fill,
             size_t bytes); /* 0: just that; -EIO: other */
int rm(struct world *w, const char *name);
struct pgid pg_of(struct world *w, const char *name);
uint32_t primary_of(struct world *w, const char *name);
/* An OSD's own copy: rc; the reply is in w->copy. */
int copy_of(struct world *w, uint32_t i, const char *name);
/* Every acting member has the object in the same version and bytes. */
void copies_equal(struct world *w, const char *name);

#endif
