/* crush.h - the CRUSH map and the mapping from (rule, x) to an ordered list of devices.
 *
 * Ids: devices count from 0 up, buckets from -1 down; both are "items".  Weights are 16.16 fixed
 * point.  A map is open while it is built and sealed before use; see README.md.
 *
 * Threads: a sealed map is immutable and may be shared; scratch memory has one user at a time.
 * Ownership: a map owns everything it points to. */
#ifndef CORE_CRUSH_CRUSH_H
#define CORE_CRUSH_CRUSH_H

#include "core/base/base.h"
#include "core/base/htable.h"
#include "core/base/note.h"

enum {
    CRUSH_DEVICES_MAX = 65536,
    CRUSH_BUCKETS_MAX = 131072, /* shadows included */
    CRUSH_BUCKET_ITEMS_MAX = 32768,
    CRUSH_ITEMS_MAX = 1 << 20, /* over all buckets, shadows included */
    CRUSH_DEPTH_MAX = 32,
    CRUSH_TYPES_MAX = 256,
    CRUSH_TYPE_ID_MAX = 65535,
    CRUSH_CLASSES_MAX = 64,
    CRUSH_RULES_MAX = 256,
    CRUSH_STEPS_MAX = 256,
    CRUSH_NAME_MAX = 255,    /* bytes */
    CRUSH_TRIES_MAX = 65536, /* of any "tries" tunable or step: bounds the work of one mapping */
    CRUSH_COUNT_MAX = 4096,  /* items asked for by one step, or by the caller */
};

#define CRUSH_ITEM_NONE  INT32_MAX       /* a hole in a mapping: nothing could be placed there */
#define CRUSH_ITEM_UNDEF (INT32_MAX - 1) /* inside the mapper: not decided yet */
#define CRUSH_WEIGHT_ONE UINT32_C(0x10000)
#define CRUSH_WEIGHT_MAX (UINT32_C(65535) * CRUSH_WEIGHT_ONE) /* of one item, and of a bucket */

enum crush_alg { /* the numbers are Ceph's */
                 CRUSH_UNIFORM = 1,
                 CRUSH_LIST = 2,
                 CRUSH_TREE = 3,
                 CRUSH_STRAW = 4,
                 CRUSH_STRAW2 = 5,
};

enum { CRUSH_HASH_RJENKINS1 = 0 };

enum crush_op { /* the numbers are Ceph's */
                CRUSH_NOOP = 0,
                CRUSH_TAKE = 1,
                CRUSH_CHOOSE_FIRSTN = 2,
                CRUSH_CHOOSE_INDEP = 3,
                CRUSH_EMIT = 4,
                CRUSH_CHOOSELEAF_FIRSTN = 6,
                CRUSH_CHOOSELEAF_INDEP = 7,
                CRUSH_SET_CHOOSE_TRIES = 8,
                CRUSH_SET_CHOOSELEAF_TRIES = 9,
                CRUSH_SET_CHOOSE_LOCAL_TRIES = 10,
                CRUSH_SET_CHOOSE_LOCAL_FALLBACK_TRIES = 11,
                CRUSH_SET_CHOOSELEAF_VARY_R = 12,
                CRUSH_SET_CHOOSELEAF_STABLE = 13,
};

enum { CRUSH_RULE_REPLICATED = 1, CRUSH_RULE_ERASURE = 3 }; /* Ceph's pool types */

struct crush_tunables {
    uint32_t choose_local_tries;
    uint32_t choose_local_fallback_tries;
    uint32_t choose_total_tries; /* counts retries: one less than the tries made */
    uint32_t chooseleaf_descend_once;
    uint32_t chooseleaf_vary_r;
    uint32_t chooseleaf_stable;
    uint32_t straw_calc_version;
    uint32_t allowed_bucket_algs; /* bit 1 << alg */
};

struct crush_name { /* one namespace for devices and buckets */
    struct hnode node;
    char *text; /* owned */
    int32_t id;
};

struct crush_device {
    struct crush_name name;
    int32_t class_id; /* index into classes, or -1 */
};

struct crush_shadow {
    uint32_t class_id;
    int32_t id; /* of the shadow bucket */
};

struct crush_bucket {
    struct crush_name name; /* "default", a shadow: "default~hdd" */
    uint16_t type;          /* > 0 */
    uint8_t alg, hash;
    uint32_t size;
    uint32_t weight;   /* sealed: sum of weights[] */
    int32_t *items;    /* owned, `size` of them */
    uint32_t *weights; /* owned, `size` of them */
    /* Derived: list: sums up to each item; tree: node weights; straw: straw lengths. */
    uint32_t *derived; /* owned */
    uint32_t derived_count;
    uint32_t perm_at;  /* sealed: where its permutation stands in scratch memory, in words */
    int32_t shadow_of; /* the bucket this one shadows, or 0 */
    struct crush_shadow *shadows; /* owned: ids reserved for the shadows of this bucket */
    uint32_t shadow_count;
};

struct crush_step {
    enum crush_op op;
    int32_t arg1; /* take: item; choose: count, 0 or less means as many as asked plus this */
    int32_t arg2; /* choose: type */
};

struct crush_rule {
    char *name;   /* owned; "" when the rule has none */
    uint8_t type; /* CRUSH_RULE_REPLICATED or another pool type */
    uint8_t size_min, size_max;
    uint32_t step_count;
    struct crush_step steps[]; /* step_count of them */
};

struct crush_type {
    uint32_t id;
    char *name; /* owned */
};

struct crush_map {
    struct crush_tunables tunables;
    struct crush_type *types; /* owned, ascending ids */
    uint32_t type_count;
    char **classes; /* owned, each owned; the index is the class id */
    uint32_t class_count;
    struct crush_device **devices; /* owned, by id, NULL where none */
    uint32_t device_max;
    struct crush_bucket **buckets; /* owned, by -1-id, NULL where none */
    uint32_t bucket_max;
    struct crush_rule **rules; /* owned, by id, NULL where none */
    uint32_t rule_max;
    struct htable names; /* of devices and buckets */
    uint32_t perm_words; /* sealed: scratch words for permutations */
    bool sealed;
};

/* ---- life ---- */

/* An open map without types, with the tunables a text has that names none (Ceph's "argonaut").
 * NULL when memory is short.  See crush_build.h for a map to start a cluster with. */
struct crush_map *crush_create_bare(void);
void crush_destroy(struct crush_map *map); /* NULL is fine */
/* A deep copy, in the state of the original. */
MUST_CHECK int crush_copy(const struct crush_map *map, struct crush_map **out_map);

/* Check the map, build shadow trees for every class, fill derived tables.  0, -ENOMEM,
 * -R_OVERFLOW (a limit above) or -R_MALFORMED with `why`; on failure it stays open. */
MUST_CHECK int crush_seal(struct crush_map *map, struct note *why);

/* ---- looking ---- */

static inline const struct crush_bucket *crush_bucket(const struct crush_map *map, int32_t id)
{
    return id < 0 && (uint32_t)(-1 - id) < map->bucket_max ? map->buckets[-1 - id] : NULL;
}
static inline const struct crush_device *crush_device(const struct crush_map *map, int32_t id)
{
    return id >= 0 && (uint32_t)id < map->device_max ? map->devices[id] : NULL;
}
static inline const struct crush_rule *crush_rule(const struct crush_map *map, int rule)
{
    return rule >= 0 && (uint32_t)rule < map->rule_max ? map->rules[rule] : NULL;
}
/* Each returns 0 with the answer, or -ENOENT. */
int crush_item_find(const struct crush_map *map, const char *name, int32_t *out_id);
int crush_type_find(const struct crush_map *map, const char *name, uint32_t *out_type);
int crush_class_find(const struct crush_map *map, const char *name, uint32_t *out_class);
int crush_rule_find(const struct crush_map *map, const char *name, int *out_rule);
int crush_shadow_find(const struct crush_map *map, int32_t id, uint32_t class_id, int32_t *out_id);
const char *crush_type_name(const struct crush_map *map, uint32_t type); /* NULL: no such type */
const char *crush_alg_name(uint8_t alg);                                 /* NULL: no such one */
/* True if some bucket (not a shadow) lists the item. */
bool crush_item_placed(const struct crush_map *map, int32_t id);
/* The first bucket, not a shadow, that lists the item: 0 or -ENOENT. */
int crush_parent(const struct crush_map *map, int32_t id, int32_t *out_parent);

/* ---- mapping ---- */

/* Scratch memory of one thread for one sealed map: bytes needed, and how to make it ready (once;
 * it then serves any number of mappings of up to `out_max` items, aligned to 8). */
size_t crush_scratch_bytes(const struct crush_map *map, uint32_t out_max);
void crush_scratch_init(const struct crush_map *map, uint32_t out_max, void *scratch);

/* Map x by a rule.
 *
 * `reweights[i]` (16.16) is the share of its data that device i keeps: CRUSH_WEIGHT_ONE all, 0
 * none; devices from `reweight_count` up keep none.  firstn rules return what they found, in order;
 * indep rules return CRUSH_ITEM_NONE where they found nothing.
 *
 * Returns the count written to `out`, at most `out_max` (<= CRUSH_COUNT_MAX); 0 for a rule that
 * does not exist; -ENOMEM only if `scratch` is NULL, which makes it allocate its own. */
int crush_map_x(const struct crush_map *map, int rule, uint32_t x, const uint32_t *reweights,
                uint32_t reweight_count, int32_t *out, uint32_t out_max, void *scratch);

#endif
