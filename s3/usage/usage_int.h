/* usage_int.h - what the files of usage share. */
#ifndef S3_USAGE_USAGE_INT_H
#define S3_USAGE_USAGE_INT_H

#include "core/base/htable.h"
#include "core/base/list.h"
#include "core/env/env.h"
#include "s3/usage/usage.h"

enum { USAGE_BATCH = 200, USAGE_TALLIES_MAX = 100000 };

/* One operation under way, on an object of s3.index. */
struct usage_op {
    struct usage *u;
    struct cairn_op *op; /* owned; its results stay until the next begin */
    void (*done)(struct usage_op *o, int rc);
    struct env_task task; /* a failure to submit */
    int rc;
    bool busy;
};
void usage_op_init(struct usage_op *o, struct usage *u);
void usage_op_fini(struct usage_op *o);
struct cairn_op *usage_op_begin(struct usage_op *o); /* NULL: no memory; submit says so */
void usage_op_submit(struct usage_op *o, const char *name,
                     void (*done)(struct usage_op *o, int rc));
void usage_op_cancel(struct usage_op *o);

/* Puts one row behind the others of an operation under construction. */
struct usage_rows {
    struct writer bytes; /* keys and values, one after the other */
    struct {
        uint32_t key, key_bytes, value_bytes;
    } at[USAGE_BATCH];
    uint32_t count;
};
void usage_rows_key(struct usage_rows *r, const struct usage_key *k); /* then the value ... */
void usage_rows_end(struct usage_rows *r);                            /* ... written to r->bytes */
int usage_rows_set(struct usage_rows *r, struct cairn_op *op);        /* 0 or -ENOMEM */
void usage_rows_clear(struct usage_rows *r);

/* DIRTY: counted since it was written; DUE: to be written by this flush; FLYING: being written;
 * CLEAN: forgotten when its hour is over. */
enum tally_state { TALLY_CLEAN, TALLY_DIRTY, TALLY_DUE, TALLY_FLYING, TALLY_STATES };

struct sampler;

struct usage {
    struct env *env;
    struct usage_conf conf;
    struct log log;
    struct cairn_pool *index; /* owned */
    uint64_t instance;
    struct htable tallies;
    struct list tally[TALLY_STATES]; /* tally.link */
    uint32_t tally_count;
    uint32_t day_known;   /* the last day that was put into the list of days */
    uint32_t day_expired; /* on this day nothing older is left */
    uint32_t day_now;     /* of the operation under way */
    struct usage_op op;
    struct usage_rows rows;
    struct sampler *sampler; /* owned */
    struct env_timer timer, stop_timer;
    struct env_task gone;
    struct usage_stats n;
    bool stopping, stop_over, leaving;
    void (*stopped)(void *arg);
    void *stopped_arg;
};
static inline uint32_t usage_hour(struct usage *u)
{
    return (uint32_t)(env_wall_ns(u->env) / (3600 * NS_PER_S));
}

int sampler_create(struct usage *u);
bool sampler_idle(const struct usage *u);
void sampler_stop(struct usage *u);
void sampler_destroy(struct usage *u);
void usage_gone_if_idle(struct usage *u);

#endif
