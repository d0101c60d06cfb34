/* crush_shadow.c - shadow trees: for each device class a copy of the forest with the devices of
 * that class alone, for rules to descend that take "root class hdd".
 *
 * A shadow keeps the order of its original, and its weight is what is left below it.  Shadows are
 * dropped and rebuilt whenever a map is sealed; their ids stay reserved with the original, because
 * ids are hashed.  New ids go out in the order Ceph gives them (roots by ascending id, classes by
 * id, children first), so that a text without shadow ids means the same map here and there. */
#include "core/crush/crush_internal.h"

struct build {
    struct crush_map *map;
    uint8_t *taken; /* owned: see crush_ids_taken */
    uint32_t class_id;
    struct note *why;
};

static void drop_all(struct crush_map *map)
{
    for (uint32_t i = 0; i < map->bucket_max; i++)
        if (map->buckets[i] && map->buckets[i]->shadow_of)
            crush_drop_bucket(map, -1 - (int32_t)i);
}

/* Space for all items of the original; what stays unused is cut when its size is set. */
static int put_shadow(struct build *bd, struct crush_bucket *of, struct crush_bucket **out_shadow)
{
    int32_t id;
    int rc;

    if (crush_shadow_find(bd->map, of->name.id, bd->class_id, &id) < 0) {
        id = crush_id_take(bd->taken);
        if (id == 0) {
            note_set(bd->why, "no bucket id is left for a shadow");
            return -R_OVERFLOW;
        }
        rc = crush_put_shadow_id(of, bd->class_id, id);
        if (rc < 0) {
            bd->taken[-1 - id] = 0;
            return rc;
        }
    }
    rc = crush_put_bucket(bd->map, id, NULL, of->type, of->alg, of->size, out_shadow);
    if (rc == -EEXIST)
        note_set(bd->why, "id %d is the shadow of %s and another bucket", id, of->name.text);
    if (rc < 0)
        return rc == -EEXIST ? -R_MALFORMED : rc;
    (*out_shadow)->shadow_of = of->name.id;
    (*out_shadow)->hash = of->hash;
    (*out_shadow)->name.text = mem_printf("%s~%s", of->name.text, bd->map->classes[bd->class_id]);
    return (*out_shadow)->name.text ? 0 : -ENOMEM;
}

static bool has_class(const struct build *bd, int32_t device)
{
    return bd->map->devices[device]->class_id == (int32_t)bd->class_id;
}

/* Depth is bounded: the tree was checked. */
static int build_shadow(struct build *bd, int32_t id, int32_t *out_id)
{
    struct crush_bucket *of = bd->map->buckets[-1 - id], *shadow;
    uint32_t kept = 0;
    uint64_t weight = 0;
    int rc = 0;

    if (crush_shadow_find(bd->map, id, bd->class_id, out_id) == 0 &&
        crush_bucket(bd->map, *out_id) && crush_bucket(bd->map, *out_id)->shadow_of == id)
        return 0;                                        /* met before, through another parent */
    for (uint32_t i = 0; i < of->size && rc == 0; i++) { /* children take their ids first */
        int32_t below;

        if (of->items[i] < 0)
            rc = build_shadow(bd, of->items[i], &below);
    }
    if (rc == 0)
        rc = put_shadow(bd, of, &shadow);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < of->size; i++) {
        int32_t item = of->items[i];
        uint32_t w = of->weights[i];

        if (item >= 0 && !has_class(bd, item))
            continue;
        if (item < 0) {
            (void)crush_shadow_find(bd->map, item, bd->class_id, &item); /* just built */
            w = crush_bucket(bd->map, item)->weight;
        }
        shadow->items[kept] = item;
        shadow->weights[kept++] = w;
        weight += w;
    }
    shadow->size = kept;
    shadow->weight = (uint32_t)MIN(weight, UINT32_MAX); /* sealing refuses larger sums */
    *out_id = shadow->name.id;
    return 0;
}

static int build_roots(struct build *bd, const uint8_t *is_child)
{
    uint32_t count = bd->map->bucket_max; /* it grows while shadows come */
    int rc = 0;

    for (uint32_t i = count; i-- > 0 && rc == 0;) {
        const struct crush_bucket *b = bd->map->buckets[i];
        int32_t ignored;

        if (!b || b->shadow_of || is_child[i])
            continue;
        for (bd->class_id = 0; bd->class_id < bd->map->class_count && rc == 0; bd->class_id++)
            rc = build_shadow(bd, -1 - (int32_t)i, &ignored);
    }
    return rc;
}

static void mark_children(const struct crush_map *map, uint8_t *is_child)
{
    for (uint32_t i = 0; i < map->bucket_max; i++)
        for (uint32_t j = 0; map->buckets[i] && j < map->buckets[i]->size; j++)
            if (map->buckets[i]->items[j] < 0)
                is_child[-1 - map->buckets[i]->items[j]] = 1;
}

int crush_shadows_rebuild(struct crush_map *map, struct note *why)
{
    struct build bd = {.map = map, .why = why};
    AUTO_FREE uint8_t *is_child = NULL;
    AUTO_FREE uint8_t *taken = NULL;
    int rc;

    drop_all(map);
    rc = crush_check_tree(map, why);
    if (rc < 0 || map->class_count == 0)
        return rc;
    is_child = mem_zalloc(CRUSH_BUCKETS_MAX);
    taken = crush_ids_taken(map);
    if (!is_child || !taken)
        return -ENOMEM;
    bd.taken = taken;
    mark_children(map, is_child);
    rc = build_roots(&bd, is_child);
    return rc == 0 ? crush_check_tree(map, why) : rc; /* the limits hold with shadows too */
}
