/* crush_build.h - changes to a map: what a monitor's commands do.
 *
 * Change a private copy (crush_copy), seal it, publish it.  Each call opens the map again; it
 * returns 0, or a negative code with the map's content unchanged: -ENOMEM, -EEXIST (an id or name
 * in use), -ENOENT (what it names is not there), -EBUSY (still in use), -EINVAL (a bad name, or a
 * change that makes no tree), -R_OVERFLOW (a limit of crush.h).
 *
 * Weights: a parent records for each bucket below it that bucket's weight; every change here keeps
 * that so, up to the roots. */
#ifndef CORE_CRUSH_CRUSH_BUILD_H
#define CORE_CRUSH_CRUSH_BUILD_H

#include "core/crush/crush.h"

/* The types of a new map, in Ceph's order. */
enum {
    CRUSH_TYPE_OSD = 0,
    CRUSH_TYPE_HOST = 1,
    CRUSH_TYPE_CHASSIS = 2,
    CRUSH_TYPE_RACK = 3,
    CRUSH_TYPE_ROW = 4,
    CRUSH_TYPE_PDU = 5,
    CRUSH_TYPE_POD = 6,
    CRUSH_TYPE_ROOM = 7,
    CRUSH_TYPE_DATACENTER = 8,
    CRUSH_TYPE_REGION = 9,
    CRUSH_TYPE_ROOT = 10,
};

/* An empty open map with those types and the tunables Ceph calls "jewel".  NULL: no memory. */
struct crush_map *crush_create(void);

/* `class_name` may be NULL.  The device stands in no bucket yet. */
MUST_CHECK int crush_device_add(struct crush_map *map, int32_t id, const char *name,
                                const char *class_name);
MUST_CHECK int crush_device_set_class(struct crush_map *map, int32_t id, const char *class_name);
/* Takes it out of its buckets too; -EBUSY while a rule takes it. */
MUST_CHECK int crush_device_remove(struct crush_map *map, int32_t id);

/* A new empty straw2 bucket of a type above 0, in no bucket yet; its id is the first free one. */
MUST_CHECK int crush_bucket_add(struct crush_map *map, uint32_t type, const char *name,
                                int32_t *out_id);
/* -EBUSY while it has items or a rule takes it (or a shadow of it). */
MUST_CHECK int crush_bucket_remove(struct crush_map *map, int32_t id);

/* Put an item into a bucket of a higher type.  `weight` is that of a device; a bucket brings its
 * own.  -EEXIST if it is there already. */
MUST_CHECK int crush_item_link(struct crush_map *map, int32_t parent, int32_t item,
                               uint32_t weight);
MUST_CHECK int crush_item_unlink(struct crush_map *map, int32_t parent, int32_t item);
/* From the one bucket that lists it (if any) into another, weight kept; an item that stands in
 * several buckets is -EINVAL. */
MUST_CHECK int crush_item_move(struct crush_map *map, int32_t item, int32_t to);
/* The weight of a device, in every bucket that lists it. */
MUST_CHECK int crush_device_reweight(struct crush_map *map, int32_t id, uint32_t weight);

/* "take root [class C], chooseleaf firstn 0 type T, emit", at the first free rule id; for type 0
 * "choose" in place of "chooseleaf".  `class_name` may be NULL.  Seals the map on its way, since
 * it may take a shadow. */
MUST_CHECK int crush_rule_add_replicated(struct crush_map *map, const char *name, int32_t root,
                                         const char *class_name, uint32_t type, int *out_rule,
                                         struct note *why);
MUST_CHECK int crush_rule_remove(struct crush_map *map, int rule);

#endif
