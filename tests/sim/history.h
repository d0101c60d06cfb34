/* history.h - what clients asked of one object, when, and what they were told.
 *
 * An operation is a list of steps, as core/proto has them, in which every value is named by a tag:
 * a number of its own, from which the bytes follow.  So a lost, doubled or misplaced write shows.
 * Times are the simulation's: one clock for all clients.  Memory lies outside of processes. */
#ifndef TESTS_SIM_HISTORY_H
#define TESTS_SIM_HISTORY_H

#include <stdio.h>

#include "core/map/types.h"
#include "core/proto/steps.h"

enum {
    HOT_XATTRS = 4,
    HOT_KEYS = 16,
    HOT_BYTES_MAX = 1 << 20,     /* what a model can hold, */
    HOT_BYTES_DRAWN = 256 << 10, /* and what the workload aims below */
    HOP_STEPS_MAX = 4,
    HOP_PAIRS_MAX = 4,
    VALUE_BYTES_MAX = 256,
};

/* The bytes of value `tag`: of a write, and of an attribute or omap row (at most VALUE_BYTES_MAX).
 * Each eight of them hold the tag, and TAG_PLACE with the number of the eight. */
#define TAG_PLACE UINT64_C(0x5a000000)
void tag_fill(uint32_t tag, uint64_t from, uint8_t *out, size_t bytes);
size_t tag_value(uint32_t tag, uint8_t *out);
/* The tag of an attribute's or omap row's bytes; TAG_BROKEN when they are no value of ours. */
enum { TAG_NONE = 0 };
#define TAG_BROKEN UINT32_MAX
uint32_t tag_of_value(const void *data, size_t bytes);
/* Names of attributes and omap keys, by number; TAG_BROKEN for a name that is none of ours. */
const char *xattr_name(uint32_t n);
uint32_t xattr_number(const void *name, size_t bytes);
size_t key_name(uint32_t n, char out[16]);
uint32_t key_number(const void *name, size_t bytes);

struct hpair {
    uint32_t key, tag; /* a number of an attribute or omap key; TAG_NONE where keys only count */
};

struct hstep {
    uint8_t kind, cmp; /* enum step_kind, enum step_cmp */
    bool exclusive;
    uint64_t off, len; /* as struct step; len also of the data written */
    uint32_t tag;      /* of what is written or compared with */
    uint32_t key, key_to, rows_max;
    struct version version;
    struct hpair pair[HOP_PAIRS_MAX];
    uint32_t pair_count;

    /* results */
    int rc;        /* a negative errno; of the whole operation for steps not reached */
    uint8_t *data; /* owned */
    size_t data_bytes;
    struct hpair *pairs; /* owned */
    uint32_t result_count;
    bool more;
    uint64_t size;       /* STAT */
    struct version seen; /* STAT */
};

enum hop_end {
    HOP_OPEN, /* nobody said: it may have run, or not, or may run later */
    HOP_DONE, /* answered: rc and results count */
};
struct hop {
    uint32_t client, number; /* who asked; of all operations, in order of invocation */
    uint64_t call_ns, ret_ns;
    enum hop_end end;
    int rc; /* a negative errno */
    int failed_step;
    struct hstep step[HOP_STEPS_MAX];
    uint32_t step_count;
};
bool hop_writes(const struct hop *op);
void hop_print(FILE *f, const struct hop *op);

/* All operations on one object, in the order of invocation. */
struct history {
    char name[32];
    struct hop **op; /* owned, owned */
    uint32_t count, cap;
};
void history_init(struct history *h, const char *name);
void history_fini(struct history *h);
struct hop *history_add(struct history *h); /* zeroed, HOP_OPEN; ends the program without memory */

#endif
