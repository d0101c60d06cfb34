/* crush_build.c - changes to a map.
 *
 * Each function looks first and changes last, so that a refusal leaves the map as it was.  Limits
 * on sums of weights and on depth are those of the whole map: crush_seal finds them.  Shadows are
 * out of date from the first change to the next seal, which rebuilds them. */
#include "core/crush/crush_build.h"

#include "core/crush/crush_internal.h"

struct crush_map *crush_create(void)
{
    static const char *const types[] = {"osd", "host", "chassis",    "rack",   "row", "pdu",
                                        "pod", "room", "datacenter", "region", "root"};
    struct crush_map *map = crush_create_bare();

    for (uint32_t i = 0; map && i < ARRAY_LEN(types); i++)
        if (crush_put_type(map, i, types[i]) < 0) { /* only memory can be short here */
            crush_destroy(map);
            return NULL;
        }
    if (!map)
        return NULL;
    map->tunables = (struct crush_tunables){
        .choose_total_tries = 50,
        .chooseleaf_descend_once = 1,
        .chooseleaf_vary_r = 1,
        .chooseleaf_stable = 1,
        .straw_calc_version = 1,
        .allowed_bucket_algs = 1 << CRUSH_UNIFORM | 1 << CRUSH_LIST | 1 << CRUSH_TREE |
                               1 << CRUSH_STRAW | 1 << CRUSH_STRAW2,
    };
    return map;
}

static struct crush_bucket *original(const struct crush_map *map, int32_t id)
{
    struct crush_bucket *b =
        id < 0 && (uint32_t)(-1 - id) < map->bucket_max ? map->buckets[-1 - id] : NULL;

    return b && !b->shadow_of ? b : NULL;
}

static bool taken_by_rule(const struct crush_map *map, int32_t id)
{
    for (uint32_t i = 0; i < map->rule_max; i++)
        for (uint32_t j = 0; map->rules[i] && j < map->rules[i]->step_count; j++) {
            const struct crush_step *s = &map->rules[i]->steps[j];
            const struct crush_bucket *b = s->op == CRUSH_TAKE ? crush_bucket(map, s->arg1) : NULL;

            if (s->op == CRUSH_TAKE && (s->arg1 == id || (b && b->shadow_of == id)))
                return true;
        }
    return false;
}

static bool find_in(const struct crush_bucket *b, int32_t item, uint32_t *out_at)
{
    for (uint32_t i = 0; i < b->size; i++)
        if (b->items[i] == item) {
            *out_at = i;
            return true;
        }
    return false;
}

/* ---- weights ---- */

/* A uniform bucket has one weight for all. */
static void set_weight(struct crush_bucket *b, uint32_t at, uint32_t weight)
{
    for (uint32_t i = 0; i < b->size; i++)
        if (i == at || b->alg == CRUSH_UNIFORM)
            b->weights[i] = weight;
}

static uint32_t weight_of(const struct crush_bucket *b)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < b->size; i++)
        sum += b->weights[i];
    return (uint32_t)MIN(sum, CRUSH_WEIGHT_MAX);
}

/* Tell every bucket above, up to the roots.  `levels` bounds the climb in a map that a seal would
 * refuse. */
static void tell_parents(struct crush_map *map, struct crush_bucket *b, uint32_t levels)
{
    b->weight = weight_of(b);
    map->sealed = false;
    for (uint32_t i = 0; i < map->bucket_max && levels > 0; i++) {
        struct crush_bucket *up = original(map, -1 - (int32_t)i);
        uint32_t at;

        if (up && find_in(up, b->name.id, &at) && up->weights[at] != b->weight) {
            set_weight(up, at, b->weight);
            tell_parents(map, up, levels - 1);
        }
    }
}

int crush_device_reweight(struct crush_map *map, int32_t id, uint32_t weight)
{
    bool found = false;

    if (weight > CRUSH_WEIGHT_MAX)
        return -R_OVERFLOW;
    for (uint32_t i = 0; i < map->bucket_max; i++) {
        struct crush_bucket *b = original(map, -1 - (int32_t)i);
        uint32_t at;

        if (!b || id < 0 || !find_in(b, id, &at))
            continue;
        found = true;
        set_weight(b, at, weight);
        tell_parents(map, b, CRUSH_DEPTH_MAX);
    }
    return found ? 0 : -ENOENT;
}

/* ---- links ---- */

static int append_item(struct crush_bucket *b, int32_t item, uint32_t weight)
{
    int32_t *items;
    uint32_t *weights;

    if (b->size == CRUSH_BUCKET_ITEMS_MAX)
        return -R_OVERFLOW;
    items = mem_realloc(b->items, (b->size + 1) * sizeof(*items));
    if (!items)
        return -ENOMEM;
    b->items = items; /* larger than needed if the next fails */
    weights = mem_realloc(b->weights, (b->size + 1) * sizeof(*weights));
    if (!weights)
        return -ENOMEM;
    b->weights = weights;
    items[b->size] = item;
    weights[b->size++] = weight;
    return 0;
}

static void cut_item(struct crush_bucket *b, uint32_t at)
{
    uint32_t after = b->size - at - 1;

    memmove(b->items + at, b->items + at + 1, after * sizeof(*b->items));
    memmove(b->weights + at, b->weights + at + 1, after * sizeof(*b->weights));
    b->size--;
}

/* May `item` stand in `parent`: both there, and types descending? */
static int may_link(const struct crush_map *map, int32_t parent, int32_t item)
{
    const struct crush_bucket *up = original(map, parent), *below = original(map, item);
    uint32_t at;

    if (!up || (!below && !crush_device(map, item)))
        return -ENOENT;
    if (below && below->type >= up->type)
        return -EINVAL;
    return find_in(up, item, &at) ? -EEXIST : 0;
}

int crush_item_link(struct crush_map *map, int32_t parent, int32_t item, uint32_t weight)
{
    struct crush_bucket *up = original(map, parent), *below = original(map, item);
    int rc = may_link(map, parent, item);

    if (rc < 0)
        return rc;
    if (below)
        weight = weight_of(below);
    if (weight > CRUSH_WEIGHT_MAX)
        return -R_OVERFLOW;
    if (up->alg == CRUSH_UNIFORM && up->size > 0 && up->weights[0] != weight)
        return -EINVAL;
    rc = append_item(up, item, weight);
    if (rc == 0)
        tell_parents(map, up, CRUSH_DEPTH_MAX);
    return rc;
}

int crush_item_unlink(struct crush_map *map, int32_t parent, int32_t item)
{
    struct crush_bucket *up = original(map, parent);
    uint32_t at;

    if (!up || !find_in(up, item, &at))
        return -ENOENT;
    cut_item(up, at);
    tell_parents(map, up, CRUSH_DEPTH_MAX);
    return 0;
}

static void unlink_everywhere(struct crush_map *map, int32_t item)
{
    for (uint32_t i = 0; i < map->bucket_max; i++) {
        struct crush_bucket *b = original(map, -1 - (int32_t)i);
        uint32_t at;

        if (!b || !find_in(b, item, &at))
            continue;
        cut_item(b, at);
        tell_parents(map, b, CRUSH_DEPTH_MAX);
    }
}

static uint32_t count_parents(const struct crush_map *map, int32_t item)
{
    uint32_t n = 0, at;

    for (uint32_t i = 0; i < map->bucket_max; i++) {
        const struct crush_bucket *b = original(map, -1 - (int32_t)i);

        n += b && find_in(b, item, &at);
    }
    return n;
}

int crush_item_move(struct crush_map *map, int32_t item, int32_t to)
{
    uint32_t parents = count_parents(map, item), at, weight = CRUSH_WEIGHT_ONE;
    int32_t from;
    int rc = may_link(map, to, item);

    if (rc < 0)
        return rc;
    if (parents > 1)
        return -EINVAL;
    if (parents == 1 && crush_parent(map, item, &from) == 0 &&
        find_in(original(map, from), item, &at))
        weight = original(map, from)->weights[at];
    rc = crush_item_link(map, to, item, weight);
    if (rc == 0 && parents == 1)
        rc = crush_item_unlink(map, from, item); /* cannot fail: it was found there */
    return rc;
}

/* ---- devices ---- */

int crush_device_add(struct crush_map *map, int32_t id, const char *name, const char *class_name)
{
    uint32_t class_id = 0;
    int rc = class_name ? crush_put_class(map, class_name, &class_id) : 0;

    if (rc == 0)
        rc = crush_put_device(map, id, name, class_name ? (int32_t)class_id : -1);
    map->sealed = false;
    return rc;
}

int crush_device_set_class(struct crush_map *map, int32_t id, const char *class_name)
{
    uint32_t class_id = 0;
    int rc;

    if (!crush_device(map, id))
        return -ENOENT;
    rc = class_name ? crush_put_class(map, class_name, &class_id) : 0;
    if (rc < 0)
        return rc;
    map->devices[id]->class_id = class_name ? (int32_t)class_id : -1;
    map->sealed = false;
    return 0;
}

int crush_device_remove(struct crush_map *map, int32_t id)
{
    if (!crush_device(map, id))
        return -ENOENT;
    if (taken_by_rule(map, id))
        return -EBUSY;
    unlink_everywhere(map, id);
    crush_drop_device(map, id);
    map->sealed = false;
    return 0;
}

/* ---- buckets ---- */

int crush_bucket_add(struct crush_map *map, uint32_t type, const char *name, int32_t *out_id)
{
    AUTO_FREE uint8_t *taken = NULL;
    struct crush_bucket *made;
    int32_t id;
    int rc;

    if (type == 0 || !crush_type_name(map, type))
        return -EINVAL;
    taken = crush_ids_taken(map);
    if (!taken)
        return -ENOMEM;
    id = crush_id_take(taken);
    if (id == 0)
        return -R_OVERFLOW;
    rc = crush_put_bucket(map, id, name, (uint16_t)type, CRUSH_STRAW2, 0, &made);
    if (rc < 0)
        return rc;
    map->sealed = false;
    *out_id = id;
    return 0;
}

int crush_bucket_remove(struct crush_map *map, int32_t id)
{
    const struct crush_bucket *b = original(map, id);

    if (!b)
        return -ENOENT;
    if (b->size > 0 || taken_by_rule(map, id))
        return -EBUSY;
    unlink_everywhere(map, id);
    for (uint32_t i = 0; i < b->shadow_count; i++)
        if (crush_bucket(map, b->shadows[i].id))
            crush_drop_bucket(map, b->shadows[i].id);
    crush_drop_bucket(map, id);
    map->sealed = false;
    return 0;
}

/* ---- rules ---- */

int crush_rule_add_replicated(struct crush_map *map, const char *name, int32_t root,
                              const char *class_name, uint32_t type, int *out_rule,
                              struct note *why)
{
    struct crush_rule head = {.type = CRUSH_RULE_REPLICATED,
                              .size_min = 1,
                              .size_max = 10,
                              .name = (char *)(uintptr_t)name};
    struct crush_step steps[] = {
        {.op = CRUSH_TAKE, .arg1 = root},
        {.op = type == 0 ? CRUSH_CHOOSE_FIRSTN : CRUSH_CHOOSELEAF_FIRSTN, .arg2 = (int32_t)type},
        {.op = CRUSH_EMIT},
    };
    uint32_t class_id;
    int id = 0, rc;

    if (!original(map, root) || !crush_type_name(map, type) ||
        (class_name && crush_class_find(map, class_name, &class_id) < 0))
        return -ENOENT;
    if (class_name) {
        rc = crush_seal(map, why);
        if (rc < 0)
            return rc;
        rc = crush_shadow_find(map, root, class_id, &steps[0].arg1);
        if (rc < 0)
            return rc;
    }
    while (crush_rule(map, id))
        id++;
    rc = crush_put_rule(map, id, &head, steps, ARRAY_LEN(steps));
    if (rc < 0)
        return rc;
    map->sealed = false;
    *out_rule = id;
    return 0;
}

int crush_rule_remove(struct crush_map *map, int rule)
{
    if (!crush_rule(map, rule))
        return -ENOENT;
    crush_drop_rule(map, rule);
    map->sealed = false;
    return 0;
}
