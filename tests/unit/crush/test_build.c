/* test_build.c - changes to a map keep its weights, ids and shadows right, or change nothing. */
#include "core/crush/crush_build.h"
#include "core/crush/crush_codec.h"
#include "tests/unit/crush/crush_util.h"
#include "tests/unit/t.h"

static int32_t id_of(const struct crush_map *map, const char *name)
{
    int32_t id = 0;

    if (crush_item_find(map, name, &id) < 0)
        T_FAIL("no %s", name);
    return id;
}

static uint32_t weight_of(const struct crush_map *map, const char *name)
{
    return crush_bucket(map, id_of(map, name))->weight;
}

static void seal(struct crush_map *map)
{
    struct note why = {""};

    if (crush_seal(map, &why) < 0)
        T_FAIL("%s", why.text);
}

T(crush_build, a_new_map_has_cephs_types_and_jewel_tunables)
{
    struct crush_map *map = crush_create();

    seal(map);
    T_EQ(map->type_count, 11);
    T_STR_EQ(crush_type_name(map, CRUSH_TYPE_OSD), "osd");
    T_STR_EQ(crush_type_name(map, CRUSH_TYPE_POD), "pod");
    T_STR_EQ(crush_type_name(map, CRUSH_TYPE_ROOT), "root");
    T_EQ(map->tunables.choose_total_tries, 50);
    T_EQ(map->tunables.chooseleaf_stable, 1);
    crush_destroy(map);
}

T(crush_build, weights_reach_the_root)
{
    struct crush_map *map = map_build(2, 2, 2);

    T_EQ(weight_of(map, "default"), 8 * CRUSH_WEIGHT_ONE);
    T_OK(crush_device_reweight(map, 0, 5 * CRUSH_WEIGHT_ONE));
    seal(map);
    T_EQ(weight_of(map, "host0-0"), 6 * CRUSH_WEIGHT_ONE);
    T_EQ(weight_of(map, "rack0"), 8 * CRUSH_WEIGHT_ONE);
    T_EQ(weight_of(map, "rack1"), 4 * CRUSH_WEIGHT_ONE);
    T_EQ(weight_of(map, "default"), 12 * CRUSH_WEIGHT_ONE);
    T_OK(crush_item_move(map, id_of(map, "host0-0"), id_of(map, "rack1")));
    T_OK(crush_device_remove(map, 7));
    seal(map);
    T_EQ(weight_of(map, "rack0"), 2 * CRUSH_WEIGHT_ONE);
    T_EQ(weight_of(map, "rack1"), 9 * CRUSH_WEIGHT_ONE);
    T_EQ(weight_of(map, "default"), 11 * CRUSH_WEIGHT_ONE);
    T_FALSE(crush_item_placed(map, 7));
    crush_destroy(map);
}

T(crush_build, shadows_keep_their_ids_through_changes)
{
    struct crush_map *map = map_build(2, 2, 2);
    int32_t shadow, host, again, new_host;
    uint32_t ssd;
    int rule;

    T_OK(crush_rule_add_replicated(map, "fast", id_of(map, "default"), "ssd", CRUSH_TYPE_HOST,
                                   &rule, NULL));
    seal(map);
    T_OK(crush_class_find(map, "ssd", &ssd));
    T_OK(crush_shadow_find(map, id_of(map, "default"), ssd, &shadow));
    T_OK(crush_shadow_find(map, id_of(map, "host1-1"), ssd, &host));
    T_EQ(crush_rule(map, rule)->steps[0].arg1, shadow);
    T_EQ(crush_bucket(map, shadow)->weight, 4 * CRUSH_WEIGHT_ONE);
    T_OK(crush_bucket_add(map, CRUSH_TYPE_HOST, "new", &new_host));
    T_OK(crush_device_set_class(map, 0, "nvme"));
    T_OK(crush_device_set_class(map, 2, "ssd"));
    T_OK(crush_item_link(map, id_of(map, "rack0"), new_host, 0));
    seal(map);
    T_OK(crush_shadow_find(map, id_of(map, "default"), ssd, &again));
    T_EQ(again, shadow);
    T_OK(crush_shadow_find(map, id_of(map, "host1-1"), ssd, &again));
    T_EQ(again, host);
    T_EQ(crush_bucket(map, shadow)->weight, 5 * CRUSH_WEIGHT_ONE);
    crush_destroy(map);
}

T(crush_build, refusals_change_nothing)
{
    struct crush_map *map = map_build(2, 2, 2);
    AUTO(writer) before = {0};
    AUTO(writer) after = {0};
    int32_t id, rack = id_of(map, "rack0"), host = id_of(map, "host0-0");
    int rule;

    seal(map);
    crush_encode(map, &before);
    T_EQ(crush_device_add(map, 0, "osd.99", NULL), -EEXIST);
    T_EQ(crush_device_add(map, 99, "rack0", NULL), -EEXIST);
    T_EQ(crush_device_add(map, 99, "a b", NULL), -EINVAL);
    T_EQ(crush_device_add(map, -1, "osd.99", NULL), -R_OVERFLOW);
    T_EQ(crush_device_remove(map, 99), -ENOENT);
    T_EQ(crush_device_set_class(map, 99, "ssd"), -ENOENT);
    T_EQ(crush_device_reweight(map, 99, 1), -ENOENT);
    T_EQ(crush_device_reweight(map, 0, CRUSH_WEIGHT_MAX + 1), -R_OVERFLOW);
    T_EQ(crush_bucket_add(map, 0, "x", &id), -EINVAL);
    T_EQ(crush_bucket_add(map, 77, "x", &id), -EINVAL);
    T_EQ(crush_bucket_add(map, CRUSH_TYPE_HOST, "rack0", &id), -EEXIST);
    T_EQ(crush_bucket_remove(map, rack), -EBUSY);
    T_EQ(crush_bucket_remove(map, -999), -ENOENT);
    T_EQ(crush_item_link(map, rack, host, 0), -EEXIST);
    T_EQ(crush_item_link(map, host, rack, 0), -EINVAL);
    T_EQ(crush_item_link(map, rack, rack, 0), -EINVAL);
    T_EQ(crush_item_link(map, rack, 99, 0), -ENOENT);
    T_EQ(crush_item_unlink(map, rack, 0), -ENOENT);
    T_EQ(crush_item_move(map, host, host), -EINVAL);
    T_EQ(crush_item_move(map, 0, host), -EEXIST);
    T_EQ(crush_rule_add_replicated(map, "r", -999, NULL, 1, &rule, NULL), -ENOENT);
    T_EQ(crush_rule_add_replicated(map, "r", rack, "none", 1, &rule, NULL), -ENOENT);
    T_EQ(crush_rule_add_replicated(map, "replicated", rack, NULL, 1, &rule, NULL), -EEXIST);
    T_EQ(crush_rule_remove(map, 4), -ENOENT);
    seal(map);
    crush_encode(map, &after);
    T_EQ(after.len, before.len);
    T_MEM_EQ(after.data, before.data, before.len);
    crush_destroy(map);
}

T(crush_build, what_a_rule_takes_stays)
{
    struct crush_map *map = crush_create();
    int32_t root;
    int rule;

    T_OK(crush_bucket_add(map, CRUSH_TYPE_ROOT, "default", &root));
    T_OK(crush_device_add(map, 0, "osd.0", "hdd"));
    T_OK(crush_rule_add_replicated(map, "r", root, "hdd", CRUSH_TYPE_OSD, &rule, NULL));
    T_EQ(crush_rule(map, rule)->steps[1].op, CRUSH_CHOOSE_FIRSTN);
    T_EQ(crush_bucket_remove(map, root), -EBUSY);
    T_OK(crush_rule_remove(map, rule));
    T_OK(crush_bucket_remove(map, root));
    seal(map);
    T_TRUE(crush_bucket(map, root) == NULL);
    crush_destroy(map);
}

T(crush_build, an_open_map_is_not_mapped_with)
{
    struct crush_map *map = map_build(1, 1, 1);
    uint32_t one = CRUSH_WEIGHT_ONE;
    int32_t out;

    T_ABORTS((void)crush_map_x(map, 0, 0, &one, 1, &out, 1, NULL));
    seal(map);
    T_EQ(crush_map_x(map, 0, 0, &one, 1, &out, 1, NULL), 1);
    T_EQ(out, 0);
    crush_destroy(map);
}

T(crush_build, a_copy_is_equal_and_apart)
{
    struct crush_map *map = golden_map("map05.txt"), *copy = NULL;

    T_OK(crush_copy(map, &copy));
    T_TRUE(copy->sealed);
    T_TRUE(maps_equal(map, copy));
    T_OK(crush_device_reweight(copy, 1, 7));
    seal(copy);
    T_FALSE(maps_equal(map, copy));
    crush_destroy(map);
    crush_destroy(copy);
}

/* Fail each allocation of a change in turn: it must report -ENOMEM and leave an equal map, or
 * succeed. */
T(crush_build, a_failed_allocation_changes_nothing)
{
    struct crush_map *map = map_build(2, 2, 2), *copy = NULL;
    int32_t id;
    int rule, rc;

    seal(map);
    for (int step = 0; step < 6; step++) {
        rc = -ENOMEM;
        for (int64_t n = 0; rc == -ENOMEM; n++) {
            T_LT(n, 2000);
            T_OK(crush_copy(map, &copy));
            mem_fail_after(n);
            rc = step == 0   ? crush_device_add(copy, 50, "osd.50", "nvme")
                 : step == 1 ? crush_bucket_add(copy, CRUSH_TYPE_HOST, "h", &id)
                 : step == 2 ? crush_item_move(copy, 0, id_of(copy, "host1-1"))
                 : step == 3 ? crush_rule_add_replicated(copy, "r", id_of(copy, "default"), "ssd",
                                                         1, &rule, NULL)
                 : step == 4 ? crush_seal(copy, NULL)
                             : crush_device_set_class(copy, 0, "ssd");
            mem_fail_after(-1);
            if (rc == -ENOMEM && step != 0 && step != 3) { /* a class named stays named */
                seal(copy);
                T_TRUE(maps_equal(map, copy));
            }
            crush_destroy(copy);
            copy = NULL;
        }
        T_OK(rc);
    }
    rc = -ENOMEM;
    for (int64_t n = 0; rc == -ENOMEM; n++) {
        mem_fail_after(n);
        rc = crush_copy(map, &copy);
        mem_fail_after(-1);
    }
    T_TRUE(maps_equal(map, copy));
    crush_destroy(copy);
    crush_destroy(map);
}
