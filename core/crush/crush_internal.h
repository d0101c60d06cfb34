/* crush_internal.h - what the files of this folder share. */
#ifndef CORE_CRUSH_CRUSH_INTERNAL_H
#define CORE_CRUSH_CRUSH_INTERNAL_H

#include "core/crush/crush.h"

/* ---- putting parts into an open map: 0, -ENOMEM, -EEXIST, -EINVAL or -R_OVERFLOW, and on failure
 * the map is unchanged ---- */

MUST_CHECK int crush_put_type(struct crush_map *map, uint32_t id, const char *name);
MUST_CHECK int crush_put_class(struct crush_map *map, const char *name, uint32_t *out_class);
MUST_CHECK int crush_put_device(struct crush_map *map, int32_t id, const char *name,
                                int32_t class_id);
/* A bucket with zeroed arrays of `size` items.  `name` NULL: a shadow, to be named by the caller.
 */
MUST_CHECK int crush_put_bucket(struct crush_map *map, int32_t id, const char *name, uint16_t type,
                                uint8_t alg, uint32_t size, struct crush_bucket **out_bucket);
MUST_CHECK int crush_put_rule(struct crush_map *map, int id, const struct crush_rule *head,
                              const struct crush_step *steps, uint32_t step_count);
MUST_CHECK int crush_put_shadow_id(struct crush_bucket *b, uint32_t class_id, int32_t id);
void crush_drop_bucket(struct crush_map *map, int32_t id); /* NULL slots are fine */
void crush_drop_device(struct crush_map *map, int32_t id); /* it must be there */
void crush_drop_rule(struct crush_map *map, int id);       /* it must be there */
bool crush_name_ok(const char *name);                      /* letters, digits, '-', '_', '.' */

/* Which bucket ids are taken or reserved, a byte for each: [-1-id].  NULL when memory is short. */
uint8_t *crush_ids_taken(const struct crush_map *map);
/* The first free id from -1 down, marked as taken; 0 when none is left. */
int32_t crush_id_take(uint8_t *taken);

/* ---- sealing ---- */

/* Everything the mapper relies on, apart from derived tables. */
MUST_CHECK int crush_check_tree(const struct crush_map *map, struct note *why);
MUST_CHECK int crush_check_rules(const struct crush_map *map, struct note *why);
/* Fill weight, derived and perm_at of every bucket.  `keep_straws`: they were decoded. */
MUST_CHECK int crush_derive(struct crush_map *map, bool keep_straws, struct note *why);
uint32_t crush_tree_nodes(uint32_t size);
MUST_CHECK int crush_shadows_rebuild(struct crush_map *map, struct note *why);

/* ---- choosing within one bucket (not empty); `perm` is its part of the scratch memory ---- */

enum { CRUSH_PERM_HEAD = 2 }; /* words before the permutation: its x, and how much is computed */

int32_t crush_choose(const struct crush_bucket *b, uint32_t *perm, uint32_t x, uint32_t r);
int32_t crush_choose_perm(const struct crush_bucket *b, uint32_t *perm, uint32_t x, uint32_t r);

#endif
