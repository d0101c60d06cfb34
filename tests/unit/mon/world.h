/* world.h - monitors, and actors that play OSDs and clients, in the simulator.
 *
 * An actor has a messenger of its own: it subscribes at one monitor, goes to the next one when the
 * session breaks, follows the maps (and fails the test at a hole, a step back, or two maps of one
 * epoch that differ), repeats its boot until the map shows it up, and sends one command at a time
 * until it is answered. */
#ifndef TESTS_UNIT_MON_WORLD_H
#define TESTS_UNIT_MON_WORLD_H

#include "core/env/sim.h"
#include "core/mon/mon.h"
#include "core/msgr/msgr.h"
#include "core/proto/messages.h"
#include "tests/unit/t.h"

enum { WORLD_MONS_MAX = 5, WORLD_ACTORS_MAX = 16, WORLD_EPOCHS_MAX = 20000 };

struct world;
struct actor {
    struct world *w;
    struct env *env;
    struct sim_machine *machine;
    struct msgr *msgr;
    struct msgr_handler handler;
    struct entity self;
    struct session *s;
    unsigned mon_at;
    bool pinned; /* stays with its monitor */
    struct env_timer retry, beat;
    struct osdmap *map;
    uint64_t maps, fulls;

    /* as an OSD */
    bool is_osd, boots; /* keeps booting while the map does not show it up */
    bool mute;          /* sends no statistics */
    struct msg_osd_boot boot;
    bool clean_pgs; /* reports every PG it leads as active and clean */

    /* as a client */
    uint64_t command_id;
    int argc;
    char *argv[8];
    const char *input; /* borrowed; NULL: none */
    bool answered;
    int rc;
    char *text, *json;
    uint64_t sent;
};

struct world {
    struct sim *s;
    uint64_t seed;
    unsigned mons;
    struct sim_machine *mon_machine[WORLD_MONS_MAX];
    struct env *mon_env[WORLD_MONS_MAX];
    struct mon *mon[WORLD_MONS_MAX];
    bool ready[WORLD_MONS_MAX], failed[WORLD_MONS_MAX];
    int failed_rc[WORLD_MONS_MAX];
    int start_rc;
    struct note start_why;
    struct mon_members members;
    struct config conf;
    struct actor actor[WORLD_ACTORS_MAX];
    unsigned actors;
    uint8_t next_uuid;                     /* of the next OSD's store; 0: one of its own */
    uint64_t epoch_hash[WORLD_EPOCHS_MAX]; /* of the map of each epoch that anybody saw */
};

void world_init(struct world *w, unsigned mons, uint64_t seed);
void world_fini(struct world *w);
/* Make the folders, start every monitor, wait until all are ready. */
void world_up(struct world *w);
void world_mkfs(struct world *w, unsigned i);
int world_mon_start(struct world *w, unsigned i); /* in a new process if the old one is dead */
void world_mon_kill(struct world *w, unsigned i, bool power_cut);
void world_mon_stop(struct world *w, unsigned i); /* in order; everything must have been freed */
void world_run(struct world *w, uint64_t ms);
bool world_wait(struct world *w, bool (*cond)(struct world *w, void *arg), void *arg, uint64_t ms);
int world_leader(struct world *w); /* index, or -1 */
int world_wait_leader(struct world *w, uint64_t ms);
uint32_t world_epoch(struct world *w); /* the newest that a monitor applied */

struct actor *world_actor(struct world *w, bool osd, uint32_t id, unsigned mon);
void actor_send(struct actor *a, struct msg *m);
void actor_move(struct actor *a, unsigned mon); /* to another monitor */
/* Send a command (NULL ends it) and wait for the answer; its rc. */
int actor_command(struct actor *a, const char *word, ...);
int actor_command_input(struct actor *a, const char *input, const char *word, ...);
void actor_command_begin(struct actor *a, const char *word, ...);
void actor_command_again(struct actor *a); /* as if the answer had been lost */
bool actor_wait_answer(struct actor *a, uint64_t ms);
bool actor_wait_epoch(struct actor *a, uint32_t epoch, uint64_t ms);

/* An OSD with a uuid of its own that boots; and its start as another instance. */
struct actor *world_osd(struct world *w, uint32_t id);
void osd_restart(struct actor *a);
bool osd_wait(struct world *w, uint32_t id, bool up, uint64_t ms); /* as the leader's map has it */
const struct osd_info *world_osd_info(struct world *w,
                                      uint32_t id); /* in the newest map of an actor */
void osd_report(struct actor *reporter, struct actor *target, bool refused, uint32_t silent_ms,
                bool alive);

#endif
