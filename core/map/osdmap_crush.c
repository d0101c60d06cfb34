/* osdmap_crush.c - the CRUSH map of a new cluster, and where a new OSD goes in it. */
#include "core/crush/crush_build.h"
#include "core/map/osdmap.h"

#include <stdio.h>

int osdmap_crush_create(struct crush_map **out_crush)
{
    struct crush_map *crush = crush_create();
    struct note why = {{0}};
    int32_t root;
    int rule, rc;

    if (!crush)
        return -ENOMEM;
    rc = crush_bucket_add(crush, CRUSH_TYPE_ROOT, "default", &root);
    if (rc == 0)
        rc = crush_rule_add_replicated(crush, "by_osd", root, NULL, CRUSH_TYPE_OSD, &rule, &why);
    if (rc == 0) {
        ASSERT(rule == OSDMAP_RULE_OSD);
        rc = crush_rule_add_replicated(crush, "by_host", root, NULL, CRUSH_TYPE_HOST, &rule, &why);
    }
    if (rc == 0)
        rc = crush_seal(crush, &why);
    if (rc < 0) {
        crush_destroy(crush);
        return rc;
    }
    *out_crush = crush;
    return 0;
}

/* The bucket of a host, made under the root when it is new. */
static int host_bucket(struct crush_map *crush, const char *host, int32_t *out_id)
{
    int32_t root;
    int rc = crush_item_find(crush, host, out_id);

    if (rc == 0)
        return *out_id < 0 ? 0 : -EEXIST; /* a device has that name */
    rc = crush_item_find(crush, "default", &root);
    if (rc == 0)
        rc = crush_bucket_add(crush, CRUSH_TYPE_HOST, host, out_id);
    if (rc == 0)
        rc = crush_item_link(crush, root, *out_id, 0);
    return rc;
}

static int device_put(struct crush_map *crush, struct osd_id id, const char *host,
                      const char *device_class, uint32_t weight)
{
    char name[16];
    int32_t bucket, parent;
    int rc = host_bucket(crush, host, &bucket);

    if (rc < 0)
        return rc;
    snprintf(name, sizeof(name), "osd.%d", id.v);
    if (!crush_device(crush, id.v)) {
        rc = crush_device_add(crush, id.v, name, device_class[0] ? device_class : NULL);
        return rc < 0 ? rc : crush_item_link(crush, bucket, id.v, weight);
    }
    if (crush_parent(crush, id.v, &parent) < 0)
        rc = crush_item_link(crush, bucket, id.v, weight);
    else if (parent != bucket)
        rc = crush_item_move(crush, id.v, bucket);
    return rc < 0 ? rc : crush_device_reweight(crush, id.v, weight);
}

int osdmap_crush_add(struct osdmap *m, struct osd_id id, const char *host, const char *device_class,
                     uint32_t weight)
{
    struct crush_map *crush;
    struct note why = {{0}};
    int rc = crush_copy(m->crush, &crush);

    if (rc < 0)
        return rc;
    rc = device_put(crush, id, host, device_class, weight);
    if (rc == 0)
        rc = crush_seal(crush, &why);
    if (rc < 0) {
        crush_destroy(crush);
        return rc;
    }
    crush_destroy(m->crush);
    m->crush = crush;
    return 0;
}
