/* hot.h - what the files of the workload on hot objects share. */
#ifndef TESTS_SIM_HOT_H
#define TESTS_SIM_HOT_H

#include "core/client/include/cairn_env.h"
#include "tests/sim/history.h"
#include "tests/sim/workload.h"

enum { HOT_OBJECTS_MAX = 20 };

struct hot_object {
    struct history history;
    uint32_t in_flight;
    /* What some client was told last: guards are made of it, so that many hold. */
    struct version version;
    uint64_t size;
    uint32_t xattr[HOT_XATTRS], omap[HOT_KEYS];
};

/* Draw what an operation does: fills op->step.  Every value gets a tag of its own from *tag. */
void hot_draw(struct hop *op, const struct hot_object *o, struct rng *r, uint32_t *tag);
void hot_draw_final(struct hop *op); /* read all there is */
/* As libcairn wants it: 0 or a negative errno. */
int hot_build(const struct hop *op, struct cairn_op *to);
/* What it answered; allocates outside of processes.  Also into what is known of the object. */
void hot_take(struct hop *op, const struct cairn_op *from, struct hot_object *o);

#endif
