/* crush_codec.c - the encoded map: doc/format/crush.md.
 *
 * Written are the parts themselves, shadow buckets included, and straw lengths; list sums, tree
 * nodes and bucket weights are recomputed.  A reader trusts nothing: parts go in by the same doors
 * as in a text, then the whole is checked as sealing does, and shadows must match their owners. */
#include "core/crush/crush_codec.h"

#include "core/crush/crush_internal.h"

enum {
    VERSION = 1,
    COMPAT = 1,
    NAMED_BYTES_MIN = 4, /* the least bytes of an entry, to bound counts by what is left */
    BUCKET_BYTES_MIN = 24,
    RULE_BYTES_MIN = 12,
    ITEM_BYTES = 8,
    STEP_BYTES = 12,
    SHADOW_BYTES = 8,
};

/* ---- encoding ---- */

static void encode_tunables(const struct crush_tunables *t, struct writer *w)
{
    wr_u32(w, t->choose_local_tries);
    wr_u32(w, t->choose_local_fallback_tries);
    wr_u32(w, t->choose_total_tries);
    wr_u32(w, t->chooseleaf_descend_once);
    wr_u32(w, t->chooseleaf_vary_r);
    wr_u32(w, t->chooseleaf_stable);
    wr_u32(w, t->straw_calc_version);
    wr_u32(w, t->allowed_bucket_algs);
}

/* Entries that are not NULL. */
static uint32_t present(void *const *slots, uint32_t max)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < max; i++)
        n += slots[i] != NULL;
    return n;
}

static void encode_devices(const struct crush_map *map, struct writer *w)
{
    wr_u32(w, present((void *const *)map->devices, map->device_max));
    for (uint32_t i = 0; i < map->device_max; i++)
        if (map->devices[i]) {
            wr_i32(w, (int32_t)i);
            wr_i32(w, map->devices[i]->class_id);
            wr_str(w, map->devices[i]->name.text);
        }
}

static void encode_bucket(const struct crush_bucket *b, struct writer *w)
{
    wr_i32(w, b->name.id);
    wr_u16(w, b->type);
    wr_u8(w, b->alg);
    wr_u8(w, b->hash);
    wr_i32(w, b->shadow_of);
    wr_str(w, b->shadow_of ? "" : b->name.text);
    wr_u32(w, b->size);
    for (uint32_t i = 0; i < b->size; i++) {
        wr_i32(w, b->items[i]);
        wr_u32(w, b->weights[i]);
    }
    if (b->alg == CRUSH_STRAW)
        for (uint32_t i = 0; i < b->size; i++)
            wr_u32(w, b->derived[i]);
    wr_u32(w, b->shadow_count);
    for (uint32_t i = 0; i < b->shadow_count; i++) {
        wr_u32(w, b->shadows[i].class_id);
        wr_i32(w, b->shadows[i].id);
    }
}

static void encode_rule(uint32_t id, const struct crush_rule *r, struct writer *w)
{
    wr_u32(w, id);
    wr_u8(w, r->type);
    wr_u8(w, r->size_min);
    wr_u8(w, r->size_max);
    wr_u8(w, 0);
    wr_str(w, r->name);
    wr_u32(w, r->step_count);
    for (uint32_t i = 0; i < r->step_count; i++) {
        wr_u32(w, r->steps[i].op);
        wr_i32(w, r->steps[i].arg1);
        wr_i32(w, r->steps[i].arg2);
    }
}

void crush_encode(const struct crush_map *map, struct writer *w)
{
    size_t mark = wr_begin(w, VERSION, COMPAT);

    ASSERT(map->sealed);
    encode_tunables(&map->tunables, w);
    wr_u32(w, map->type_count);
    for (uint32_t i = 0; i < map->type_count; i++) {
        wr_u32(w, map->types[i].id);
        wr_str(w, map->types[i].name);
    }
    wr_u32(w, map->class_count);
    for (uint32_t i = 0; i < map->class_count; i++)
        wr_str(w, map->classes[i]);
    encode_devices(map, w);
    wr_u32(w, present((void *const *)map->buckets, map->bucket_max));
    for (uint32_t i = 0; i < map->bucket_max; i++)
        if (map->buckets[i])
            encode_bucket(map->buckets[i], w);
    wr_u32(w, present((void *const *)map->rules, map->rule_max));
    for (uint32_t i = 0; i < map->rule_max; i++)
        if (map->rules[i])
            encode_rule(i, map->rules[i], w);
    wr_end(w, mark);
}

/* ---- decoding: the first failure is remembered in the cursor ---- */

static bool keep(struct cursor *c, int rc)
{
    if (rc < 0)
        cur_fail(c, rc == -ENOMEM || rc == -R_OVERFLOW ? rc : -R_MALFORMED);
    return c->rc == 0;
}

static void decode_name(struct cursor *c, char out[CRUSH_NAME_MAX + 1])
{
    struct bytes b = cur_bytes(c, CRUSH_NAME_MAX);

    if (b.len > 0)
        memcpy(out, b.data, b.len);
    out[b.len] = 0;
    if (strlen(out) != b.len)
        cur_fail(c, -R_MALFORMED);
}

static void decode_tunables(struct cursor *c, struct crush_tunables *t)
{
    t->choose_local_tries = cur_u32(c);
    t->choose_local_fallback_tries = cur_u32(c);
    t->choose_total_tries = cur_u32(c);
    t->chooseleaf_descend_once = cur_u32(c);
    t->chooseleaf_vary_r = cur_u32(c);
    t->chooseleaf_stable = cur_u32(c);
    t->straw_calc_version = cur_u32(c);
    t->allowed_bucket_algs = cur_u32(c);
}

static void decode_names(struct cursor *c, struct crush_map *map)
{
    char name[CRUSH_NAME_MAX + 1];
    uint32_t count = cur_count(c, CRUSH_TYPES_MAX, 4 + NAMED_BYTES_MIN), class_id;

    for (uint32_t i = 0; i < count && c->rc == 0; i++) {
        uint32_t id = cur_u32(c);

        decode_name(c, name);
        if (c->rc == 0)
            keep(c, crush_put_type(map, id, name));
    }
    count = cur_count(c, CRUSH_CLASSES_MAX, NAMED_BYTES_MIN);
    for (uint32_t i = 0; i < count && c->rc == 0; i++) {
        decode_name(c, name);
        if (c->rc == 0 && keep(c, crush_put_class(map, name, &class_id)) && class_id != i)
            cur_fail(c, -R_MALFORMED); /* the same name twice */
    }
}

static void decode_devices(struct cursor *c, struct crush_map *map)
{
    char name[CRUSH_NAME_MAX + 1];
    uint32_t count = cur_count(c, CRUSH_DEVICES_MAX, 8 + NAMED_BYTES_MIN);

    for (uint32_t i = 0; i < count && c->rc == 0; i++) {
        int32_t id = cur_i32(c), class_id = cur_i32(c);

        decode_name(c, name);
        if (class_id < -1 || (class_id >= 0 && (uint32_t)class_id >= map->class_count))
            cur_fail(c, -R_MALFORMED);
        if (c->rc == 0)
            keep(c, crush_put_device(map, id, name, class_id));
    }
}

static void decode_shadow_ids(struct cursor *c, const struct crush_map *map, struct crush_bucket *b)
{
    uint32_t count = cur_count(c, CRUSH_CLASSES_MAX, SHADOW_BYTES);

    for (uint32_t i = 0; i < count && c->rc == 0; i++) {
        uint32_t class_id = cur_u32(c);
        int32_t id = cur_i32(c), known;

        if (c->rc == 0 && (class_id >= map->class_count || id >= 0 || id < -CRUSH_BUCKETS_MAX ||
                           crush_shadow_find(map, b->name.id, class_id, &known) == 0))
            cur_fail(c, -R_MALFORMED);
        if (c->rc == 0)
            keep(c, crush_put_shadow_id(b, class_id, id));
    }
}

static void decode_straws(struct cursor *c, struct crush_bucket *b)
{
    b->derived = mem_calloc(b->size, sizeof(*b->derived));
    if (!b->derived) {
        cur_fail(c, -ENOMEM);
        return;
    }
    b->derived_count = b->size;
    for (uint32_t i = 0; i < b->size; i++)
        b->derived[i] = cur_u32(c);
}

static void decode_bucket(struct cursor *c, struct crush_map *map)
{
    char name[CRUSH_NAME_MAX + 1];
    int32_t id = cur_i32(c);
    uint16_t type = cur_u16(c);
    uint8_t alg = cur_u8(c), hash = cur_u8(c);
    int32_t shadow_of = cur_i32(c);
    struct crush_bucket *b;
    uint32_t size;

    decode_name(c, name);
    size = cur_count(c, CRUSH_BUCKET_ITEMS_MAX, ITEM_BYTES);
    if (shadow_of > 0 || (shadow_of < 0 && name[0]))
        cur_fail(c, -R_MALFORMED);
    if (c->rc < 0 ||
        !keep(c, crush_put_bucket(map, id, shadow_of ? NULL : name, type, alg, size, &b)))
        return;
    b->hash = hash;
    b->shadow_of = shadow_of;
    for (uint32_t i = 0; i < size; i++) {
        b->items[i] = cur_i32(c);
        b->weights[i] = cur_u32(c);
    }
    if (alg == CRUSH_STRAW)
        decode_straws(c, b);
    decode_shadow_ids(c, map, b);
}

static void decode_rule(struct cursor *c, struct crush_map *map)
{
    AUTO_FREE struct crush_step *steps = NULL;
    char name[CRUSH_NAME_MAX + 1];
    struct crush_rule head = {.name = name};
    uint32_t id = cur_u32(c), count;

    head.type = cur_u8(c);
    head.size_min = cur_u8(c);
    head.size_max = cur_u8(c);
    cur_zeros(c, 1);
    decode_name(c, name);
    count = cur_count(c, CRUSH_STEPS_MAX, STEP_BYTES);
    steps = mem_calloc(count, sizeof(*steps));
    if (!steps) {
        cur_fail(c, -ENOMEM);
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        steps[i].op = (enum crush_op)cur_u32(c); /* checked with the rest of the rule */
        steps[i].arg1 = cur_i32(c);
        steps[i].arg2 = cur_i32(c);
    }
    if (c->rc == 0)
        keep(c, crush_put_rule(map, id < CRUSH_RULES_MAX ? (int)id : -1, &head, steps, count));
}

/* Every shadow belongs to one class of one bucket that is none itself; then it has its name. */
static int link_shadows(struct crush_map *map)
{
    uint32_t shadows = 0, owned = 0;

    for (uint32_t i = 0; i < map->bucket_max; i++) {
        const struct crush_bucket *b = map->buckets[i];

        if (!b)
            continue;
        shadows += b->shadow_of != 0;
        owned += b->shadow_count;
        for (uint32_t j = 0; j < b->shadow_count; j++) {
            const struct crush_bucket *s = crush_bucket(map, b->shadows[j].id);
            struct crush_bucket *named = s ? map->buckets[-1 - s->name.id] : NULL;

            if (b->shadow_of || !named || named->shadow_of != b->name.id || named->name.text)
                return -R_MALFORMED;
            named->name.text =
                mem_printf("%s~%s", b->name.text, map->classes[b->shadows[j].class_id]);
            if (!named->name.text)
                return -ENOMEM;
        }
    }
    return shadows == owned ? 0 : -R_MALFORMED;
}

static int check_all(struct crush_map *map)
{
    struct note unused;
    int rc = link_shadows(map);

    if (rc == 0)
        rc = crush_check_tree(map, &unused);
    if (rc == 0)
        rc = crush_check_rules(map, &unused);
    if (rc == 0)
        rc = crush_derive(map, true, &unused);
    map->sealed = rc == 0;
    return rc;
}

int crush_decode(struct cursor *c, struct crush_map **out_map)
{
    struct crush_map *map = crush_create_bare();
    struct cursor body;
    uint32_t count;

    if (!map) {
        cur_fail(c, -ENOMEM);
        return c->rc;
    }
    (void)cur_enter(c, COMPAT, &body); /* one version so far; a failure stands in the cursor */
    decode_tunables(&body, &map->tunables);
    decode_names(&body, map);
    decode_devices(&body, map);
    count = cur_count(&body, CRUSH_BUCKETS_MAX, BUCKET_BYTES_MIN);
    for (uint32_t i = 0; i < count && body.rc == 0; i++)
        decode_bucket(&body, map);
    count = cur_count(&body, CRUSH_RULES_MAX, RULE_BYTES_MIN);
    for (uint32_t i = 0; i < count && body.rc == 0; i++)
        decode_rule(&body, map);
    if (body.rc == 0)
        keep(&body, check_all(map));
    if (cur_leave(c, &body) < 0) {
        crush_destroy(map);
        return c->rc;
    }
    *out_map = map;
    return 0;
}
