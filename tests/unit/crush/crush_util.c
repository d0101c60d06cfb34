/* crush_util.c - golden files, and maps to test with. */
#include "tests/unit/crush/crush_util.h"

#include "core/crush/crush_build.h"
#include "core/crush/crush_text.h"
#include "tests/unit/t.h"

char *golden_read(const char *name)
{
    char *path = mem_printf("%s/tests/golden/crush/%s", t_srcdir(), name), *text;
    FILE *f = fopen(path, "rb");
    long bytes;

    if (!f)
        T_FAIL("cannot open %s", path);
    T_EQ(fseek(f, 0, SEEK_END), 0);
    bytes = ftell(f);
    rewind(f);
    text = mem_zalloc((size_t)bytes + 1);
    T_EQ(fread(text, 1, (size_t)bytes, f), (size_t)bytes);
    (void)fclose(f);
    mem_free(path);
    return text;
}

struct crush_map *map_of(const char *text)
{
    struct crush_map *map = NULL;
    struct note why = {""};
    int rc = crush_text_parse(text, strlen(text), &map, &why);

    if (rc < 0)
        T_FAIL("%s: %s", reason_name(rc), why.text);
    return map;
}

struct crush_map *golden_map(const char *name)
{
    char *text = golden_read(name);
    struct crush_map *map = map_of(text);

    mem_free(text);
    return map;
}

static bool same_class(const struct crush_map *a, int32_t ca, const struct crush_map *b, int32_t cb)
{
    if (ca < 0 || cb < 0)
        return ca == cb;
    return strcmp(a->classes[ca], b->classes[cb]) == 0;
}

static bool same_bucket(const struct crush_bucket *x, const struct crush_bucket *y)
{
    return x->name.id == y->name.id && strcmp(x->name.text, y->name.text) == 0 &&
           x->type == y->type && x->alg == y->alg && x->hash == y->hash && x->size == y->size &&
           x->weight == y->weight && x->shadow_of == y->shadow_of &&
           memcmp(x->items, y->items, x->size * sizeof(*x->items)) == 0 &&
           memcmp(x->weights, y->weights, x->size * sizeof(*x->weights)) == 0 &&
           x->derived_count == y->derived_count && x->shadow_count == y->shadow_count &&
           memcmp(x->derived, y->derived, x->derived_count * sizeof(*x->derived)) == 0;
}

static bool same_rule(const struct crush_rule *x, const struct crush_rule *y)
{
    return strcmp(x->name, y->name) == 0 && x->type == y->type && x->size_min == y->size_min &&
           x->size_max == y->size_max && x->step_count == y->step_count &&
           memcmp(x->steps, y->steps, x->step_count * sizeof(*x->steps)) == 0;
}

bool maps_equal(const struct crush_map *a, const struct crush_map *b)
{
    if (memcmp(&a->tunables, &b->tunables, sizeof(a->tunables)) != 0 ||
        a->type_count != b->type_count)
        return false;
    for (uint32_t i = 0; i < a->type_count; i++)
        if (a->types[i].id != b->types[i].id || strcmp(a->types[i].name, b->types[i].name) != 0)
            return false;
    for (uint32_t i = 0; i < MAX(a->device_max, b->device_max); i++) {
        const struct crush_device *x = crush_device(a, (int32_t)i),
                                  *y = crush_device(b, (int32_t)i);

        if (!x != !y || (x && (strcmp(x->name.text, y->name.text) != 0 ||
                               !same_class(a, x->class_id, b, y->class_id))))
            return false;
    }
    for (uint32_t i = 0; i < MAX(a->bucket_max, b->bucket_max); i++) {
        const struct crush_bucket *x = crush_bucket(a, -1 - (int32_t)i),
                                  *y = crush_bucket(b, -1 - (int32_t)i);

        if (!x != !y || (x && !same_bucket(x, y)))
            return false;
    }
    for (uint32_t i = 0; i < MAX(a->rule_max, b->rule_max); i++) {
        const struct crush_rule *x = crush_rule(a, (int)i), *y = crush_rule(b, (int)i);

        if (!x != !y || (x && !same_rule(x, y)))
            return false;
    }
    return true;
}

struct crush_map *map_build(uint32_t racks, uint32_t hosts, uint32_t osds)
{
    struct crush_map *map = crush_create();
    int32_t root, rack, host, osd = 0;
    char name[32];
    int rule;

    T_OK(crush_bucket_add(map, CRUSH_TYPE_ROOT, "default", &root));
    for (uint32_t r = 0; r < racks; r++) {
        (void)snprintf(name, sizeof(name), "rack%u", r);
        T_OK(crush_bucket_add(map, CRUSH_TYPE_RACK, name, &rack));
        for (uint32_t h = 0; h < hosts; h++) {
            (void)snprintf(name, sizeof(name), "host%u-%u", r, h);
            T_OK(crush_bucket_add(map, CRUSH_TYPE_HOST, name, &host));
            for (uint32_t o = 0; o < osds; o++, osd++) {
                (void)snprintf(name, sizeof(name), "osd.%d", osd);
                T_OK(crush_device_add(map, osd, name, o % 2 ? "ssd" : "hdd"));
                T_OK(crush_item_link(map, host, osd, CRUSH_WEIGHT_ONE));
            }
            T_OK(crush_item_link(map, rack, host, 0));
        }
        T_OK(crush_item_link(map, root, rack, 0));
    }
    T_OK(crush_rule_add_replicated(map, "replicated", root, NULL, CRUSH_TYPE_HOST, &rule, NULL));
    T_EQ(rule, 0);
    return map;
}
