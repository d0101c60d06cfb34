/* crush_derive.c - sealing: what a map must be for the mapper, and the tables it maps by.
 *
 * First the tree is checked (known items, no loops, bounded depth and weights), then shadow trees
 * are built, then rules are checked, which may take shadows, then the tables are filled:
 * list sums, tree nodes, straw lengths.  Straw lengths are fitted so that the longest straw wins in
 * proportion to weight; the fit is computed in floating point, in the two versions that
 * straw_calc_version names (the first one errs when weights repeat, and is kept because maps exist
 * that were filled by it). */
#include <math.h>

#include "core/crush/crush_internal.h"

/* ---- checks ---- */

enum { BUSY = 255 }; /* its check is under way: to meet it again is a loop */

static int check_item(const struct crush_map *map, const struct crush_bucket *b, uint32_t i,
                      struct note *why)
{
    int32_t item = b->items[i];

    const struct crush_bucket *below = crush_bucket(map, item);

    if (!crush_device(map, item) && !below) {
        note_set(why, "bucket %s lists item %d, which does not exist", b->name.text, item);
        return -R_MALFORMED;
    }
    if (below && below->shadow_of && !b->shadow_of) {
        note_set(why, "bucket %s lists item %d, which is a shadow", b->name.text, item);
        return -R_MALFORMED;
    }
    if (b->weights[i] > CRUSH_WEIGHT_MAX) {
        note_set(why, "bucket %s: the weight of item %d is above 65535", b->name.text, item);
        return -R_OVERFLOW;
    }
    /* Shadows of uniform buckets may differ: their algorithm looks at no weight. */
    if (b->alg == CRUSH_UNIFORM && !b->shadow_of && b->weights[i] != b->weights[0]) {
        note_set(why, "uniform bucket %s has items of different weights", b->name.text);
        return -R_MALFORMED;
    }
    return 0;
}

static int check_bucket(const struct crush_map *map, const struct crush_bucket *b, uint8_t *height,
                        uint32_t depth, struct note *why)
{
    uint8_t *mine = &height[-1 - b->name.id], tallest = 0;
    int rc = 0;

    if (*mine > 0 && *mine != BUSY)
        return 0;
    if (*mine == BUSY) {
        note_set(why, "bucket %s contains itself", b->name.text);
        return -R_MALFORMED;
    }
    if (b->type == 0 || !crush_type_name(map, b->type) || !crush_alg_name(b->alg) ||
        b->hash != CRUSH_HASH_RJENKINS1) {
        note_set(why, "bucket %s has an unknown type, algorithm or hash", b->name.text);
        return -R_MALFORMED;
    }
    if (depth >= CRUSH_DEPTH_MAX) {
        note_set(why, "more than %d levels of buckets", CRUSH_DEPTH_MAX);
        return -R_OVERFLOW;
    }
    *mine = BUSY;
    for (uint32_t i = 0; i < b->size && rc == 0; i++) {
        const struct crush_bucket *below = crush_bucket(map, b->items[i]);

        rc = check_item(map, b, i, why);
        if (rc == 0 && below)
            rc = check_bucket(map, below, height, depth + 1, why);
        if (rc == 0 && below)
            tallest = MAX(tallest, height[-1 - b->items[i]]);
        if (rc == 0 && tallest >= CRUSH_DEPTH_MAX) {
            note_set(why, "more than %d levels of buckets", CRUSH_DEPTH_MAX);
            rc = -R_OVERFLOW;
        }
    }
    *mine = (uint8_t)(tallest + 1);
    return rc;
}

int crush_check_tree(const struct crush_map *map, struct note *why)
{
    AUTO_FREE uint8_t *height = mem_zalloc(map->bucket_max);
    uint64_t items = 0;

    if (!height)
        return -ENOMEM;
    for (uint32_t i = 0; i < map->bucket_max; i++) {
        int rc;

        if (!map->buckets[i])
            continue;
        items += map->buckets[i]->size;
        rc = check_bucket(map, map->buckets[i], height, 0, why);
        if (rc < 0)
            return rc;
    }
    if (items > CRUSH_ITEMS_MAX) {
        note_set(why, "the buckets list more than %d items", CRUSH_ITEMS_MAX);
        return -R_OVERFLOW;
    }
    return 0;
}

static int check_tunables(const struct crush_tunables *t, struct note *why)
{
    if (t->choose_local_tries > CRUSH_TRIES_MAX || t->choose_total_tries > CRUSH_TRIES_MAX ||
        t->choose_local_fallback_tries > CRUSH_TRIES_MAX) {
        note_set(why, "a tunable allows more than %d tries", CRUSH_TRIES_MAX);
        return -R_OVERFLOW;
    }
    return 0;
}

static bool step_ok(const struct crush_map *map, const struct crush_step *s)
{
    switch (s->op) {
    case CRUSH_NOOP:
    case CRUSH_EMIT:
        return true;
    case CRUSH_TAKE:
        return crush_device(map, s->arg1) || crush_bucket(map, s->arg1);
    case CRUSH_CHOOSE_FIRSTN:
    case CRUSH_CHOOSE_INDEP:
    case CRUSH_CHOOSELEAF_FIRSTN:
    case CRUSH_CHOOSELEAF_INDEP:
        return s->arg1 >= -CRUSH_COUNT_MAX && s->arg1 <= CRUSH_COUNT_MAX && s->arg2 >= 0 &&
               crush_type_name(map, (uint32_t)s->arg2);
    case CRUSH_SET_CHOOSE_TRIES:
    case CRUSH_SET_CHOOSELEAF_TRIES:
    case CRUSH_SET_CHOOSE_LOCAL_TRIES:
    case CRUSH_SET_CHOOSE_LOCAL_FALLBACK_TRIES:
        return s->arg1 <= CRUSH_TRIES_MAX;
    case CRUSH_SET_CHOOSELEAF_VARY_R:
    case CRUSH_SET_CHOOSELEAF_STABLE:
        return true;
    }
    return false;
}

int crush_check_rules(const struct crush_map *map, struct note *why)
{
    for (uint32_t i = 0; i < map->rule_max; i++) {
        const struct crush_rule *r = map->rules[i];

        for (uint32_t j = 0; r && j < r->step_count; j++)
            if (!step_ok(map, &r->steps[j])) {
                note_set(why, "rule %u, step %u names what is not in the map, or out of bounds", i,
                         j + 1);
                return -R_MALFORMED;
            }
    }
    return check_tunables(&map->tunables, why);
}

/* ---- tables ---- */

uint32_t crush_tree_nodes(uint32_t size)
{
    return size == 0 ? 0 : size == 1 ? 2 : 4U << (31 - __builtin_clz(size - 1));
}

/* Leaf i is node 2i + 1; each weight is added to all nodes above its leaf. */
static void derive_tree(struct crush_bucket *b)
{
    for (uint32_t i = 0; i < b->size; i++) {
        uint32_t node = 2 * i + 1, half = 1;

        b->derived[node] = b->weights[i];
        for (; 2 * half < b->derived_count; half *= 2) {
            node = (node & (2 * half)) ? node - half : node + half;
            b->derived[node] += b->weights[i];
        }
    }
}

static void derive_list(struct crush_bucket *b)
{
    uint32_t sum = 0;

    for (uint32_t i = 0; i < b->size; i++) {
        sum += b->weights[i];
        b->derived[i] = sum;
    }
}

static void sift_down(uint64_t *keys, uint32_t at, uint32_t count)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        uint64_t held;

        if (child + 1 < count && keys[child + 1] > keys[child])
            child++;
        if (child >= count || keys[child] <= keys[at])
            return;
        held = keys[at];
        keys[at] = keys[child];
        keys[child] = held;
        at = child;
    }
}

/* Ascending heap sort: bounded time, no memory, one order, whatever the input. */
static void sort_keys(uint64_t *keys, uint32_t count)
{
    for (uint32_t i = count / 2; i-- > 0;)
        sift_down(keys, i, count);
    for (uint32_t end = count; end-- > 1;) {
        uint64_t held = keys[0];

        keys[0] = keys[end];
        keys[end] = held;
        sift_down(keys, 0, end);
    }
}

static uint32_t straw_bits(double straw)
{
    double scaled = straw * 0x10000;

    /* Past 32 bits the low ones are kept, as a conversion through 64 bits does. */
    return scaled < 0x1p63 ? (uint32_t)(uint64_t)scaled : 0;
}

/* What one straw must be longer than the last for the heavier items to win their share: `below` is
 * the weight handed out so far, `heavier` how many items are still longer. */
static double straw_factor(double below, uint32_t heavier, uint32_t step)
{
    double next = (uint32_t)(heavier * step); /* 32 bits, as in the maps that exist */

    return pow(1.0 / (below / (below + next)), 1.0 / heavier);
}

/* Items by ascending weight; their indexes are the low halves of `keys`. */
static void derive_straws(struct crush_bucket *b, const uint64_t *keys, bool first_version)
{
    uint32_t heavier = b->size;
    double straw = 1.0, below = 0, last = 0;

    for (uint32_t i = 0; i < b->size; i++) {
        uint32_t weight = (uint32_t)(keys[i] >> 32), next;

        if (weight == 0) { /* straws of length 0 */
            heavier -= first_version ? 0 : 1;
            continue;
        }
        b->derived[(uint32_t)keys[i]] = straw_bits(straw);
        if (i + 1 == b->size)
            break;
        next = (uint32_t)(keys[i + 1] >> 32);
        if (first_version && next == weight)
            continue;
        below += (weight - last) * heavier;
        if (first_version)
            for (uint32_t j = i + 1; j < b->size && keys[j] >> 32 == next; j++)
                heavier--;
        else
            heavier--;
        straw *= straw_factor(below, heavier, next - weight);
        last = weight;
    }
}

static int derive_straw(struct crush_bucket *b, uint32_t version)
{
    AUTO_FREE uint64_t *keys = mem_calloc(b->size, sizeof(*keys));

    if (!keys)
        return -ENOMEM;
    for (uint32_t i = 0; i < b->size; i++)
        keys[i] = (uint64_t)b->weights[i] << 32 | i;
    sort_keys(keys, b->size);
    derive_straws(b, keys, version == 0);
    return 0;
}

static int derive_bucket(struct crush_bucket *b, uint32_t straw_version, bool keep_straws)
{
    uint32_t count = b->alg == CRUSH_TREE                            ? crush_tree_nodes(b->size)
                     : b->alg == CRUSH_LIST || b->alg == CRUSH_STRAW ? b->size
                                                                     : 0;
    uint32_t *table;

    if (b->alg == CRUSH_STRAW && keep_straws)
        return 0;
    table = mem_calloc(count, sizeof(*table));
    if (!table)
        return -ENOMEM;
    mem_free(b->derived);
    b->derived = table;
    b->derived_count = count;
    if (b->alg == CRUSH_TREE)
        derive_tree(b);
    else if (b->alg == CRUSH_LIST)
        derive_list(b);
    else if (b->alg == CRUSH_STRAW)
        return derive_straw(b, straw_version);
    return 0;
}

static int sum_weights(struct crush_bucket *b, struct note *why)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < b->size; i++)
        sum += b->weights[i];
    if (sum > UINT32_MAX) {
        note_set(why, "the weights in bucket %s add up to more than 65535", b->name.text);
        return -R_OVERFLOW;
    }
    b->weight = (uint32_t)sum;
    return 0;
}

/* Permutations are walked by uniform buckets, and by all when retries may fall back to them. */
static bool all_permute(const struct crush_map *map)
{
    if (map->tunables.choose_local_fallback_tries > 0)
        return true;
    for (uint32_t i = 0; i < map->rule_max; i++)
        for (uint32_t j = 0; map->rules[i] && j < map->rules[i]->step_count; j++) {
            const struct crush_step *s = &map->rules[i]->steps[j];

            if (s->op == CRUSH_SET_CHOOSE_LOCAL_FALLBACK_TRIES && s->arg1 > 0)
                return true;
        }
    return false;
}

int crush_derive(struct crush_map *map, bool keep_straws, struct note *why)
{
    bool all = all_permute(map);
    uint32_t words = 0; /* bounded by CRUSH_ITEMS_MAX and CRUSH_BUCKETS_MAX */

    for (uint32_t i = 0; i < map->bucket_max; i++) {
        struct crush_bucket *b = map->buckets[i];
        int rc;

        if (!b)
            continue;
        rc = sum_weights(b, why);
        if (rc == 0)
            rc = derive_bucket(b, map->tunables.straw_calc_version, keep_straws);
        if (rc < 0)
            return rc;
        b->perm_at = words;
        if (all || b->alg == CRUSH_UNIFORM)
            words += CRUSH_PERM_HEAD + b->size;
    }
    map->perm_words = words;
    return 0;
}

int crush_seal(struct crush_map *map, struct note *why)
{
    int rc;

    map->sealed = false;
    rc = crush_shadows_rebuild(map, why);
    if (rc == 0)
        rc = crush_check_rules(map, why);
    if (rc == 0)
        rc = crush_derive(map, false, why);
    map->sealed = rc == 0;
    return rc;
}
