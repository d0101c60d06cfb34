/* crush_map.c - the parts of a map: put in, looked up, copied, dropped.
 *
 * Parts stand in arrays by id that grow as ids come; a table finds devices and buckets by name.
 * Putting a part in either succeeds or leaves the map as it was. */
#include "core/crush/crush.h"

#include "core/base/hash.h"
#include "core/crush/crush_internal.h"

enum { NAME_SLOTS = 64 };

struct crush_map *crush_create_bare(void)
{
    struct crush_map *map = mem_zalloc(sizeof(*map));

    if (!map)
        return NULL;
    if (htable_init(&map->names, NAME_SLOTS) < 0) {
        mem_free(map);
        return NULL;
    }
    map->tunables = (struct crush_tunables){
        .choose_local_tries = 2,
        .choose_local_fallback_tries = 5,
        .choose_total_tries = 19,
        .allowed_bucket_algs = 1 << CRUSH_UNIFORM | 1 << CRUSH_LIST | 1 << CRUSH_STRAW,
    };
    return map;
}

static void device_free(struct crush_device *d)
{
    if (!d)
        return;
    mem_free(d->name.text);
    mem_free(d);
}

static void bucket_free(struct crush_bucket *b)
{
    if (!b)
        return;
    mem_free(b->name.text);
    mem_free(b->items);
    mem_free(b->weights);
    mem_free(b->derived);
    mem_free(b->shadows);
    mem_free(b);
}

static void rule_free(struct crush_rule *r)
{
    if (!r)
        return;
    mem_free(r->name);
    mem_free(r);
}

void crush_destroy(struct crush_map *map)
{
    if (!map)
        return;
    for (uint32_t i = 0; i < map->type_count; i++)
        mem_free(map->types[i].name);
    for (uint32_t i = 0; i < map->class_count; i++)
        mem_free(map->classes[i]);
    for (uint32_t i = 0; i < map->device_max; i++)
        device_free(map->devices[i]);
    for (uint32_t i = 0; i < map->bucket_max; i++)
        bucket_free(map->buckets[i]);
    for (uint32_t i = 0; i < map->rule_max; i++)
        rule_free(map->rules[i]);
    mem_free(map->types);
    mem_free(map->classes);
    mem_free(map->devices);
    mem_free(map->buckets);
    mem_free(map->rules);
    htable_fini(&map->names);
    mem_free(map);
}

/* ---- names ---- */

static uint64_t name_hash(const char *name)
{
    return hash64(0, name, strlen(name));
}

bool crush_name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > CRUSH_NAME_MAX)
        return false;
    for (const char *p = name; *p; p++) {
        bool alnum =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        if (!alnum && *p != '-' && *p != '_' && *p != '.')
            return false;
    }
    return true;
}

static struct crush_name *name_find(const struct crush_map *map, const char *name)
{
    struct hnode *n = htable_first(&map->names, name_hash(name));

    for (; n; n = htable_next(n)) {
        struct crush_name *found = CONTAINER_OF(n, struct crush_name, node);

        if (strcmp(found->text, name) == 0)
            return found;
    }
    return NULL;
}

int crush_item_find(const struct crush_map *map, const char *name, int32_t *out_id)
{
    const struct crush_name *found = name_find(map, name);

    if (!found)
        return -ENOENT;
    *out_id = found->id;
    return 0;
}

int crush_type_find(const struct crush_map *map, const char *name, uint32_t *out_type)
{
    for (uint32_t i = 0; i < map->type_count; i++)
        if (strcmp(map->types[i].name, name) == 0) {
            *out_type = map->types[i].id;
            return 0;
        }
    return -ENOENT;
}

const char *crush_type_name(const struct crush_map *map, uint32_t type)
{
    for (uint32_t i = 0; i < map->type_count; i++)
        if (map->types[i].id == type)
            return map->types[i].name;
    return NULL;
}

int crush_class_find(const struct crush_map *map, const char *name, uint32_t *out_class)
{
    for (uint32_t i = 0; i < map->class_count; i++)
        if (strcmp(map->classes[i], name) == 0) {
            *out_class = i;
            return 0;
        }
    return -ENOENT;
}

int crush_rule_find(const struct crush_map *map, const char *name, int *out_rule)
{
    for (uint32_t i = 0; i < map->rule_max; i++)
        if (map->rules[i] && strcmp(map->rules[i]->name, name) == 0) {
            *out_rule = (int)i;
            return 0;
        }
    return -ENOENT;
}

int crush_shadow_find(const struct crush_map *map, int32_t id, uint32_t class_id, int32_t *out_id)
{
    const struct crush_bucket *b = crush_bucket(map, id);

    for (uint32_t i = 0; b && i < b->shadow_count; i++)
        if (b->shadows[i].class_id == class_id) {
            *out_id = b->shadows[i].id;
            return 0;
        }
    return -ENOENT;
}

const char *crush_alg_name(uint8_t alg)
{
    static const char *const names[] = {
        [CRUSH_UNIFORM] = "uniform", [CRUSH_LIST] = "list",     [CRUSH_TREE] = "tree",
        [CRUSH_STRAW] = "straw",     [CRUSH_STRAW2] = "straw2",
    };

    return alg < ARRAY_LEN(names) ? names[alg] : NULL;
}

int crush_parent(const struct crush_map *map, int32_t id, int32_t *out_parent)
{
    for (uint32_t i = 0; i < map->bucket_max; i++) {
        const struct crush_bucket *b = map->buckets[i];

        if (!b || b->shadow_of)
            continue;
        for (uint32_t j = 0; j < b->size; j++)
            if (b->items[j] == id) {
                *out_parent = b->name.id;
                return 0;
            }
    }
    return -ENOENT;
}

bool crush_item_placed(const struct crush_map *map, int32_t id)
{
    int32_t parent;

    return crush_parent(map, id, &parent) == 0;
}

/* ---- putting in ---- */

/* Make `*slots` (pointers) reach index `at`; the new ones are NULL. */
static int slots_reach(void *slots_at, uint32_t *count, uint32_t at)
{
    void **slots = *(void ***)slots_at;
    uint32_t want = MAX(at + 1, *count + *count / 2);
    void **grown;

    if (at < *count)
        return 0;
    grown = mem_realloc(slots, want * sizeof(void *));
    if (!grown)
        return -ENOMEM;
    memset(grown + *count, 0, (want - *count) * sizeof(void *));
    *(void ***)slots_at = grown;
    *count = want;
    return 0;
}

int crush_put_type(struct crush_map *map, uint32_t id, const char *name)
{
    uint32_t at = 0, known;
    struct crush_type *grown;
    char *text;

    if (!crush_name_ok(name))
        return -EINVAL;
    if (id > CRUSH_TYPE_ID_MAX || map->type_count >= CRUSH_TYPES_MAX)
        return -R_OVERFLOW;
    if (crush_type_name(map, id) || crush_type_find(map, name, &known) == 0)
        return -EEXIST;
    text = mem_strdup(name);
    grown = text ? mem_realloc(map->types, (map->type_count + 1) * sizeof(*grown)) : NULL;
    if (!grown) {
        mem_free(text);
        return -ENOMEM;
    }
    map->types = grown;
    while (at < map->type_count && grown[at].id < id)
        at++;
    memmove(grown + at + 1, grown + at, (map->type_count - at) * sizeof(*grown));
    grown[at] = (struct crush_type){.id = id, .name = text};
    map->type_count++;
    return 0;
}

int crush_put_class(struct crush_map *map, const char *name, uint32_t *out_class)
{
    char **grown, *text;

    if (!crush_name_ok(name))
        return -EINVAL;
    if (crush_class_find(map, name, out_class) == 0)
        return 0;
    if (map->class_count >= CRUSH_CLASSES_MAX)
        return -R_OVERFLOW;
    text = mem_strdup(name);
    grown = text ? mem_realloc(map->classes, (map->class_count + 1) * sizeof(*grown)) : NULL;
    if (!grown) {
        mem_free(text);
        return -ENOMEM;
    }
    map->classes = grown;
    *out_class = map->class_count++;
    grown[*out_class] = text;
    return 0;
}

int crush_put_device(struct crush_map *map, int32_t id, const char *name, int32_t class_id)
{
    struct crush_device *d;

    if (!crush_name_ok(name))
        return -EINVAL;
    if (id < 0 || id >= CRUSH_DEVICES_MAX)
        return -R_OVERFLOW;
    if (crush_device(map, id) || name_find(map, name))
        return -EEXIST;
    if (slots_reach(&map->devices, &map->device_max, (uint32_t)id) < 0)
        return -ENOMEM;
    d = mem_zalloc(sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->name.text = mem_strdup(name);
    if (!d->name.text) {
        mem_free(d);
        return -ENOMEM;
    }
    d->name.id = id;
    d->class_id = class_id;
    map->devices[id] = d;
    htable_insert(&map->names, &d->name.node, name_hash(name));
    return 0;
}

int crush_put_bucket(struct crush_map *map, int32_t id, const char *name, uint16_t type,
                     uint8_t alg, uint32_t size, struct crush_bucket **out_bucket)
{
    struct crush_bucket *b;

    if (type == 0 || !crush_alg_name(alg) || (name && !crush_name_ok(name)))
        return -EINVAL;
    if (id >= 0 || id < -CRUSH_BUCKETS_MAX || size > CRUSH_BUCKET_ITEMS_MAX)
        return -R_OVERFLOW;
    if (crush_bucket(map, id) || (name && name_find(map, name)))
        return -EEXIST;
    if (slots_reach(&map->buckets, &map->bucket_max, (uint32_t)(-1 - id)) < 0)
        return -ENOMEM;
    b = mem_zalloc(sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->name.id = id;
    b->type = type;
    b->alg = alg;
    b->size = size;
    b->items = mem_calloc(size, sizeof(*b->items));
    b->weights = mem_calloc(size, sizeof(*b->weights));
    b->name.text = name ? mem_strdup(name) : NULL;
    if (!b->items || !b->weights || (name && !b->name.text)) {
        bucket_free(b);
        return -ENOMEM;
    }
    map->buckets[-1 - id] = b;
    if (name)
        htable_insert(&map->names, &b->name.node, name_hash(name));
    *out_bucket = b;
    return 0;
}

int crush_put_rule(struct crush_map *map, int id, const struct crush_rule *head,
                   const struct crush_step *steps, uint32_t step_count)
{
    struct crush_rule *r;
    int known;

    if (head->name[0] && !crush_name_ok(head->name))
        return -EINVAL;
    if (id < 0 || id >= CRUSH_RULES_MAX || step_count > CRUSH_STEPS_MAX)
        return -R_OVERFLOW;
    if (crush_rule(map, id) || (head->name[0] && crush_rule_find(map, head->name, &known) == 0))
        return -EEXIST;
    if (slots_reach(&map->rules, &map->rule_max, (uint32_t)id) < 0)
        return -ENOMEM;
    r = mem_alloc(sizeof(*r) + step_count * sizeof(*steps));
    if (!r)
        return -ENOMEM;
    *r = *head;
    r->name = mem_strdup(head->name);
    if (!r->name) {
        mem_free(r);
        return -ENOMEM;
    }
    r->step_count = step_count;
    for (uint32_t i = 0; i < step_count; i++)
        r->steps[i] = steps[i];
    map->rules[id] = r;
    return 0;
}

int crush_put_shadow_id(struct crush_bucket *b, uint32_t class_id, int32_t id)
{
    struct crush_shadow *grown =
        mem_realloc(b->shadows, (b->shadow_count + 1) * sizeof(*b->shadows));
    uint32_t at = 0;

    if (!grown)
        return -ENOMEM;
    b->shadows = grown;
    while (at < b->shadow_count && grown[at].class_id < class_id)
        at++;
    memmove(grown + at + 1, grown + at, (b->shadow_count - at) * sizeof(*grown));
    grown[at] = (struct crush_shadow){.class_id = class_id, .id = id};
    b->shadow_count++;
    return 0;
}

void crush_drop_bucket(struct crush_map *map, int32_t id)
{
    struct crush_bucket *b = map->buckets[-1 - id];

    if (b && !b->shadow_of)
        htable_remove(&map->names, &b->name.node);
    bucket_free(b);
    map->buckets[-1 - id] = NULL;
}

void crush_drop_device(struct crush_map *map, int32_t id)
{
    htable_remove(&map->names, &map->devices[id]->name.node);
    device_free(map->devices[id]);
    map->devices[id] = NULL;
}

void crush_drop_rule(struct crush_map *map, int id)
{
    rule_free(map->rules[id]);
    map->rules[id] = NULL;
}

uint8_t *crush_ids_taken(const struct crush_map *map)
{
    uint8_t *taken = mem_zalloc(CRUSH_BUCKETS_MAX);

    for (uint32_t i = 0; taken && i < map->bucket_max; i++) {
        const struct crush_bucket *b = map->buckets[i];

        taken[i] |= b != NULL;
        for (uint32_t j = 0; b && j < b->shadow_count; j++)
            taken[-1 - b->shadows[j].id] = 1;
    }
    return taken;
}

int32_t crush_id_take(uint8_t *taken)
{
    uint8_t *free_at = memchr(taken, 0, CRUSH_BUCKETS_MAX);

    if (!free_at)
        return 0;
    *free_at = 1;
    return -1 - (int32_t)(free_at - taken);
}

/* ---- copying ---- */

static int copy_bucket(struct crush_map *to, const struct crush_bucket *b)
{
    struct crush_bucket *c = NULL;
    const char *name = b->shadow_of ? NULL : b->name.text;
    int rc = crush_put_bucket(to, b->name.id, name, b->type, b->alg, b->size, &c);

    if (rc < 0)
        return rc;
    memcpy(c->items, b->items, b->size * sizeof(*b->items));
    memcpy(c->weights, b->weights, b->size * sizeof(*b->weights));
    c->hash = b->hash;
    c->weight = b->weight;
    c->perm_at = b->perm_at;
    c->shadow_of = b->shadow_of;
    if (b->shadow_of && b->name.text) {
        c->name.text = mem_strdup(b->name.text);
        if (!c->name.text)
            return -ENOMEM;
    }
    if (b->derived) {
        c->derived = mem_dup(b->derived, b->derived_count * sizeof(*b->derived));
        if (!c->derived)
            return -ENOMEM;
        c->derived_count = b->derived_count;
    }
    for (uint32_t i = 0; i < b->shadow_count && rc == 0; i++)
        rc = crush_put_shadow_id(c, b->shadows[i].class_id, b->shadows[i].id);
    return rc;
}

static int copy_parts(const struct crush_map *map, struct crush_map *to)
{
    uint32_t class_id;
    int rc = 0;

    for (uint32_t i = 0; i < map->type_count && rc == 0; i++)
        rc = crush_put_type(to, map->types[i].id, map->types[i].name);
    for (uint32_t i = 0; i < map->class_count && rc == 0; i++)
        rc = crush_put_class(to, map->classes[i], &class_id);
    for (uint32_t i = 0; i < map->device_max && rc == 0; i++)
        if (map->devices[i])
            rc = crush_put_device(to, (int32_t)i, map->devices[i]->name.text,
                                  map->devices[i]->class_id);
    for (uint32_t i = 0; i < map->bucket_max && rc == 0; i++)
        if (map->buckets[i])
            rc = copy_bucket(to, map->buckets[i]);
    for (uint32_t i = 0; i < map->rule_max && rc == 0; i++)
        if (map->rules[i])
            rc = crush_put_rule(to, (int)i, map->rules[i], map->rules[i]->steps,
                                map->rules[i]->step_count);
    return rc;
}

int crush_copy(const struct crush_map *map, struct crush_map **out_map)
{
    struct crush_map *to = crush_create_bare();
    int rc = to ? copy_parts(map, to) : -ENOMEM;

    if (rc < 0) {
        crush_destroy(to);
        return rc;
    }
    to->tunables = map->tunables;
    to->perm_words = map->perm_words;
    to->sealed = map->sealed;
    *out_map = to;
    return 0;
}
