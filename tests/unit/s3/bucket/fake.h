/* fake.h - a cluster in memory behind cairn_env.h, for tests of what stands on libcairn.
 *
 * Objects with bytes, xattrs and rows; compound operations by the rules of core/osd/README.md
 * (guards, then reads or writes; atomic; a failed guard returns the present value).  It runs inside
 * a simulation, outside of every process: what a process submitted runs even when the process is
 * dead by then.  Operations take random time, so that those under way together run in any order. On
 * request answers are lost: the client is told -ETIMEDOUT, the operation ran, will run late, or
 * never runs.  PGs, or one object, may be inactive for a time: what comes for them waits until
 * then; what is given up meanwhile runs late or never. */
#ifndef TESTS_UNIT_S3_BUCKET_FAKE_H
#define TESTS_UNIT_S3_BUCKET_FAKE_H

#include "core/base/rng.h"
#include "core/client/include/cairn_env.h"
#include "core/env/sim.h"

enum { FAKE_INDEX, FAKE_DATA, FAKE_POOLS };
enum { FAKE_PGS = 16 };

struct fake_row {
    uint8_t *key, *value; /* owned, by libc */
    size_t key_bytes, value_bytes;
};
struct fake_rows {
    struct fake_row *row; /* by key */
    size_t count, cap;
};
struct fake_object {
    char *name;
    uint8_t *data;
    size_t bytes;
    struct fake_rows xattrs, omap;
};
struct fake {
    struct sim *s;
    struct rng rng;
    bool pool[FAKE_POOLS];                   /* made already */
    struct fake_object **object[FAKE_POOLS]; /* by name */
    size_t count[FAKE_POOLS], cap[FAKE_POOLS];
    struct list runs, clusters;
    uint64_t delay_min_ns, delay_max_ns; /* of a way; the latter is added at random */
    uint32_t data_lost_per_mille;        /* answers of data operations that are lost */
    uint32_t index_lost_per_mille;       /* ... and of changes of the index */
    uint32_t no_room_per_mille;          /* submits that say -EAGAIN */
    const struct env *no_room_of;        /* all of this gateway do */
    const char *raced;      /* guards on this data object fail: others are always faster */
    uint64_t late_max_ns;   /* how late an operation whose answer was lost may run */
    size_t range_bytes_max; /* of one omap_range */
    bool suspended;         /* alice */
    bool full;              /* what grows is refused, unless it frees */
    bool spent; /* ... also that, unless it puts no more in the place of what its guards show */
    const struct env *held; /* its operations run, and its answers come, only after ... */
    uint64_t held_until_ns;
    bool held_asleep; /* only its answers wait: paused, it would be entered all the same */
    uint32_t inactive[FAKE_POOLS]; /* a bit for each PG */
    const char *inactive_object;   /* this data object alone */
    uint64_t inactive_until_ns;
    int command_rc; /* what the monitors' commands fail with; 0: they do not */
    uint64_t ops[FAKE_POOLS], writes[FAKE_POOLS], commands;
    uint64_t misuse; /* operations that the real OSD would refuse as malformed */
};
void fake_init(struct fake *f, struct sim *s, uint64_t seed);
void fake_fini(struct fake *f);
struct cairn *fake_connect(struct fake *f, struct env *env);
uint32_t fake_pg(const char *name);
struct fake_object *fake_find(struct fake *f, unsigned pool, const char *name);
void fake_xattr_set(struct fake *f, unsigned pool, const char *name, const char *xattr,
                    struct bytes value); /* of an object that is there */
void fake_remove(struct fake *f, unsigned pool, const char *name);
const struct fake_row *fake_row_find(const struct fake_rows *r, const void *key, size_t bytes);

#endif
