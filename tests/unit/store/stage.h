/* stage.h - a store under test beside a small model of it.
 *
 * The model is a list of transaction seeds for each coll; playing the first n of them gives what
 * the store must hold after n transactions.  So a store that lost power is checked by asking it how
 * far it got (a meta row says so), and comparing everything.  The model's memory is libc's: it
 * outlives the simulated process. */
#ifndef TESTS_UNIT_STORE_STAGE_H
#define TESTS_UNIT_STORE_STAGE_H

#include "core/base/arena.h"
#include "core/base/rng.h"
#include "core/env/sim.h"
#include "core/store/store.h"
#include "tests/unit/t.h"

enum {
    STAGE_COLLS = 3,
    STAGE_OBJECTS = 4 /* of each coll */,
    STAGE_TXNS_MAX = 4096,
    STAGE_BYTES_MAX = 400 << 10,
    STAGE_XATTRS = 4,
    STAGE_KEYS = 24,
    STAGE_LOG_KEEP = 5
};

struct model_object {
    bool exists;
    uint64_t size;
    uint8_t *data; /* STAGE_BYTES_MAX */
    struct version version;
    uint32_t xattr[STAGE_XATTRS]; /* 0: none */
    uint32_t omap[STAGE_KEYS];    /* 0: none */
};
struct model {
    struct model_object o[STAGE_COLLS][STAGE_OBJECTS];
    uint32_t head[STAGE_COLLS];
};
struct host;
struct stage {
    struct sim *sim; /* stage_sim.c */
    struct sim_machine *m;
    struct host *host; /* stage_real.c, borrowed */
    struct env *env;
    struct env *fsck_env; /* one that may block */
    struct store *s;
    struct store_conf conf;
    uint64_t seed, life;
    uint64_t history[STAGE_COLLS][STAGE_TXNS_MAX]; /* seeds; number n is at n-1 */
    uint32_t submitted[STAGE_COLLS], acked[STAGE_COLLS], order_errors;
    struct object *held[STAGE_COLLS][STAGE_OBJECTS];
    struct model model; /* of everything submitted */
    struct rng rng;
    int rc; /* of the last open, submit, read */
    uint32_t waiting;
    bool done, failed, large;
    bool small_only, deletes_only;
    bool in_doubt; /* objects may have lost their version by salvage */
    char why[NOTE_BYTES + 32];
    uint64_t problems;
    /* Transaction `n` of a coll is about to be submitted, or was acknowledged: on the store's
     * reactor.  May be NULL. */
    void (*noted)(struct stage *st, unsigned coll, uint32_t n, bool acked);
};

void stage_init(struct stage *st, uint64_t seed);
/* On real files: the reactor 0 of a host, and a folder (borrowed) for the store. */
void stage_init_real(struct stage *st, uint64_t seed, struct host *h, const char *folder);
void stage_fini(struct stage *st);
void model_init(struct model *m);
void model_fini(struct model *m);

/* mkfs; open; hold every object.  Each returns a code; a dead process gives -ESHUTDOWN. */
int stage_mkfs(struct stage *st);
int stage_open(struct stage *st);
int stage_close(struct stage *st, bool now);
/* One random transaction for a coll; `acked` counts it when it is durable. */
int stage_submit(struct stage *st, unsigned coll);
/* store_admit inside the process. */
int stage_admit(struct stage *st, enum store_want want, uint64_t bytes);
/* Let time pass until everything submitted is durable, the process is dead, or the store failed. */
void stage_drain(struct stage *st);
/* A small store, made and opened; so many transactions, as long as it lives; a failure at step `n`.
 */
void stage_start(struct stage *st, uint64_t seed);
void stage_work(struct stage *st, unsigned txns);
void stage_bad(struct stage *st, uint64_t n, const char *what, int rc);
/* Compare one object with the model (of all that was submitted), reading everything of it. */
int stage_check_object(struct stage *st, unsigned coll, unsigned o);
/* Whether its version is that of the model. */
bool stage_same_version(struct stage *st, unsigned coll, unsigned o);
/* Read an object without comparing it: 0, or -R_CSUM_MISMATCH. */
int stage_read_object(struct stage *st, unsigned coll, unsigned o);
/* Delete an object, beside the model, and wait until that is durable. */
int stage_delete(struct stage *st, unsigned coll, unsigned o);
int stage_salvage_over(struct stage *st);
/* Start a read of a whole object, submit `more` transactions of its coll behind it, then compare:
 * the read must show one of the states since it began, whole. */
int stage_check_pipelined(struct stage *st, unsigned coll, unsigned o, unsigned more);
/* All objects, listings, metas. */
int stage_check_all(struct stage *st);
/* After a crash: which prefix of each coll is there; fails if an acknowledged one is missing.  The
 * model is set to it. */
int stage_recovered(struct stage *st);
int stage_fsck(struct stage *st); /* store closed; st->problems counts */
void stage_start_process(struct stage *st);
/* Run the simulation until *flag, or the process is dead. */
void stage_wait(struct stage *st, bool *flag);
struct oid stage_oid(unsigned coll, unsigned o);
struct pgid stage_pg(unsigned coll);

/* The world: stage_sim.c or stage_real.c, whichever is linked. */
bool stage_alive(struct stage *st);                                  /* the process */
void stage_enter(struct stage *st, void (*fn)(void *), void *arg);   /* on its reactor */
bool stage_until(struct stage *st, bool (*cond)(void *), void *arg); /* false after 100 s */
void stage_pass(struct stage *st, uint64_t ns);                      /* let time pass */

/* What stage.c and stage_check.c share. */
extern const char stage_xattr_names[STAGE_XATTRS][4];
int stage_run(struct stage *st, void (*fn)(void *), void *arg); /* inside the process */
void stage_play(struct stage *st, struct model *m, unsigned coll, uint32_t n);
struct bytes stage_value(uint32_t v, uint8_t *buf); /* buf of 256 bytes */
void stage_omap_key(unsigned k, char *out);         /* out of 16 bytes */
void model_clear(struct model *m, unsigned coll);

#endif
