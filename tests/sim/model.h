/* model.h - what an object is, said as simply as possible: one step after the other on plain state.
 *
 * It shares nothing with core/osd but the list of steps.  What it knows less well than the cluster:
 * the version that a write gets, until a stat or a version guard tells. */
#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "tests/sim/history.h"

enum { MODEL_BLOCK = 4096, MODEL_BLOCKS = HOT_BYTES_MAX / MODEL_BLOCK };

struct model_block;
struct model {
    bool exists, version_known;
    uint64_t size;
    struct version version; /* when known; {0,0}: absent */
    struct version floor;   /* the newest known so far: a later write is above it */
    struct model_block *block[MODEL_BLOCKS];    /* refs; NULL: zeros */
    uint32_t xattr[HOT_XATTRS], omap[HOT_KEYS]; /* tags; TAG_NONE: absent */
};
void model_init(struct model *m); /* absent */
void model_fini(struct model *m);
void model_copy(struct model *to, const struct model *from); /* `to` is overwritten, not freed */
uint64_t model_hash(const struct model *m);
void model_print(FILE *f, const struct model *m);

/* Run `op` now.  True when what it answered fits; then *m is what follows.  An open operation fits
 * when it would change something.  Else *m is as it was, and *out_why (may be NULL) a constant. */
bool model_apply(struct model *m, const struct hop *op, const char **out_why);

#endif
