/* mon_command_osd.c - commands on OSDs. */
#include <stdio.h>

#include "core/crush/crush_build.h"
#include "core/mon/mon_command.h"

static int osd_of(struct mon_call *call, struct osd_id *out_id)
{
    uint64_t n;
    const char *text = call->argv[0];
    int rc;

    if (strncmp(text, "osd.", 4) == 0)
        call->argv[0] += 4;
    rc = mon_call_number(call, 0, "the OSD", OSDMAP_OSDS_MAX - 1, &n);
    call->argv[0] = (char *)text;
    if (rc < 0)
        return rc;
    out_id->v = (int32_t)n;
    if (!osdmap_exists(mon_view(call->mon), *out_id))
        return mon_call_fail(call, -ENOENT, "there is no osd.%d", out_id->v);
    return 0;
}

/* The row of argv's OSD in the map to change. */
static int osd_edit(struct mon_call *call, struct osd_id *out_id, struct osd_info **out_row)
{
    struct osdmap *m;
    int rc = osd_of(call, out_id);

    if (rc < 0)
        return rc;
    m = mon_call_map(call);
    if (!m)
        return -ENOMEM;
    *out_row = &m->osds[out_id->v];
    call->json = json_pack("{s:i}", "osd", out_id->v);
    return call->json ? 0 : -ENOMEM;
}

int mon_cmd_osd_out(struct mon_call *call)
{
    struct osd_info *o;
    struct osd_id id;
    int rc = osd_edit(call, &id, &o);

    if (rc < 0)
        return rc;
    o->weight = 0;
    o->state &= (uint8_t)~OSD_AUTO_OUT; /* an operator's decision stays when it comes up */
    mon_call_say(call, "osd.%d is out\n", id.v);
    return 0;
}

int mon_cmd_osd_in(struct mon_call *call)
{
    struct osd_info *o;
    struct osd_id id;
    int rc = osd_edit(call, &id, &o);

    if (rc < 0)
        return rc;
    o->weight = OSD_WEIGHT_IN;
    o->state &= (uint8_t)~OSD_AUTO_OUT;
    mon_call_say(call, "osd.%d is in\n", id.v);
    return 0;
}

int mon_cmd_osd_stop(struct mon_call *call)
{
    struct osd_info *o;
    struct osd_id id;
    int rc = osd_edit(call, &id, &o);

    if (rc < 0)
        return rc;
    o->state |= OSD_HELD; /* it sees that, gives up its leases, and says so: then it is down */
    mon_call_say(call, "osd.%d is told to stop\n", id.v);
    return 0;
}

int mon_cmd_osd_start(struct mon_call *call)
{
    struct osd_info *o;
    struct osd_id id;
    int rc = osd_edit(call, &id, &o);

    if (rc < 0)
        return rc;
    if (o->state & OSD_HELD) {
        o->state &= (uint8_t)~OSD_HELD;
        mon_call_say(call, "osd.%d may start\n", id.v);
    } else {
        mon_call_say(call, "osd.%d was not stopped by an operator\n", id.v);
    }
    return 0;
}

int mon_cmd_osd_lost(struct mon_call *call)
{
    struct osd_info *o;
    struct osd_id id;
    int rc = osd_edit(call, &id, &o);

    if (rc < 0)
        return rc;
    if (o->state & OSD_UP)
        return mon_call_fail(call, -EBUSY, "osd.%d is up: nothing of it is lost", id.v);
    o->lost_at = call->map->epoch;
    mon_call_say(call, "osd.%d is lost: PGs go on without what only it had\n", id.v);
    return 0;
}

/* Soft state of the leader: it is said again with each try. */
int mon_cmd_osd_trouble(struct mon_call *call)
{
    struct osd_id id;
    struct mon_osd *soft;
    int rc = osd_of(call, &id);

    if (rc < 0)
        return rc;
    soft = mon_osd_at(call->mon, id);
    call->json = json_pack("{s:i}", "osd", id.v);
    if (!soft || !call->json)
        return -ENOMEM;
    snprintf(soft->trouble, sizeof(soft->trouble), "%s", call->argv[1]);
    soft->trouble_ns = mon_now(call->mon);
    return 0;
}

static int crush_drop(struct osdmap *m, struct osd_id id)
{
    struct crush_map *crush;
    struct note why = {{0}};
    int rc;

    if (!crush_device(m->crush, id.v))
        return 0;
    rc = crush_copy(m->crush, &crush);
    if (rc < 0)
        return rc;
    rc = crush_device_remove(crush, id.v);
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

int mon_cmd_osd_rm(struct mon_call *call)
{
    struct osd_info *o;
    struct osd_id id;
    int rc = osd_edit(call, &id, &o);

    if (rc < 0)
        return rc;
    if (o->state & OSD_UP)
        return mon_call_fail(call, -EBUSY, "osd.%d is up: stop it first", id.v);
    if (o->weight)
        return mon_call_fail(call, -EBUSY, "osd.%d is in: take it out and wait for HEALTH_OK first",
                             id.v);
    rc = crush_drop(call->map, id);
    if (rc < 0)
        return rc;
    /* What PGs must know of its past stays: when it was up, and that it is gone for good. */
    o->state = 0;
    memset(o->uuid, 0, sizeof(o->uuid));
    o->lost_at = call->map->epoch;
    mon_call_say(call, "osd.%d is removed\n", id.v);
    return 0;
}

/* ---- looking ---- */

static json_t *osd_json(const struct mon *mon, struct osd_id id)
{
    const struct osd_info *o = &mon->state.map->osds[id.v];
    const struct mon_osd *soft = (uint32_t)id.v < mon->osd_count ? &mon->osds[id.v] : NULL;
    bool known = soft && soft->instance == o->instance && (o->state & OSD_UP);
    char instance[24];

    snprintf(instance, sizeof(instance), "%llu", (unsigned long long)o->instance);
    return json_pack(
        "{s:i, s:b, s:b, s:b, s:b, s:f, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "osd",
        id.v, "up", (o->state & OSD_UP) != 0, "in", o->weight > 0, "stopped",
        (o->state & OSD_HELD) != 0, "full", (o->state & OSD_FULL) != 0, "weight",
        (double)o->weight / OSD_WEIGHT_IN, "addr", o->addr.s, "instance", instance, "up_from",
        (json_int_t)o->up_from.v, "up_thru", (json_int_t)o->up_thru.v, "down_at",
        (json_int_t)o->down_at.v, "lost_at", (json_int_t)o->lost_at.v, "total_bytes",
        (json_int_t)(known ? soft->total_bytes : 0), "used_bytes",
        (json_int_t)(known ? soft->used_bytes : 0), "corrupt_found",
        (json_int_t)(known ? soft->corrupt_found : 0), "corrupt_repaired",
        (json_int_t)(known ? soft->corrupt_repaired : 0));
}

int mon_cmd_osd_ls(struct mon_call *call)
{
    const struct mon *mon = call->mon;
    const struct osdmap *m = mon->state.map;

    call->json = json_array();
    mon_call_say(call, "%-6s %-5s %-4s %-22s %12s %12s\n", "OSD", "STATE", "IN", "ADDRESS",
                 "USED MiB", "SIZE MiB");
    for (uint32_t i = 0; i < m->osd_count; i++) {
        struct osd_id id = {(int32_t)i};
        json_t *one;

        if (!osdmap_exists(m, id))
            continue;
        one = osd_json(mon, id);
        if (!call->json || !one || json_array_append_new(call->json, one) < 0)
            return -ENOMEM;
        mon_call_say(call, "osd.%-2u %-5s %-4s %-22s %12lld %12lld\n", i,
                     m->osds[i].state & OSD_UP     ? "up"
                     : m->osds[i].state & OSD_HELD ? "stop"
                                                   : "down",
                     m->osds[i].weight ? "in" : "out", m->osds[i].addr.s,
                     (long long)json_integer_value(json_object_get(one, "used_bytes")) >> 20,
                     (long long)json_integer_value(json_object_get(one, "total_bytes")) >> 20);
    }
    return 0;
}

static json_t *tree_node(struct mon_call *call, int32_t id, uint32_t weight, unsigned depth)
{
    const struct osdmap *m = call->mon->state.map;
    const struct crush_bucket *b = crush_bucket(m->crush, id);
    const struct crush_device *d = crush_device(m->crush, id);
    const char *name = b ? b->name.text : d ? d->name.text : "?";
    const char *type = b ? crush_type_name(m->crush, b->type) : "osd";
    json_t *node, *items;

    if (depth > CRUSH_DEPTH_MAX)
        return NULL;
    mon_call_say(call, "%*s%s%s%s  weight %.5f%s\n", (int)depth * 4, "", b && type ? type : "",
                 b ? " " : "", name, (double)weight / CRUSH_WEIGHT_ONE,
                 b                                       ? ""
                 : osdmap_up(m, (struct osd_id){id})     ? "  up"
                 : osdmap_exists(m, (struct osd_id){id}) ? "  down"
                                                         : "  gone");
    node = json_pack("{s:i, s:s, s:s, s:f}", "id", id, "name", name, "type", type ? type : "?",
                     "weight", (double)weight / CRUSH_WEIGHT_ONE);
    if (!node || !b)
        return node;
    items = json_array();
    for (uint32_t i = 0; items && i < b->size; i++) {
        json_t *item = tree_node(call, b->items[i], b->weights[i], depth + 1);

        if (!item || json_array_append_new(items, item) < 0) {
            json_decref(items);
            items = NULL;
        }
    }
    if (!items || json_object_set_new(node, "items", items) < 0) {
        json_decref(node);
        return NULL;
    }
    return node;
}

int mon_cmd_osd_tree(struct mon_call *call)
{
    const struct crush_map *crush = call->mon->state.map->crush;

    call->json = json_array();
    for (uint32_t i = 0; i < crush->bucket_max; i++) {
        const struct crush_bucket *b = crush->buckets[i];
        int32_t id = -1 - (int32_t)i;
        json_t *root;

        if (!b || b->shadow_of || crush_item_placed(crush, id))
            continue;
        root = tree_node(call, id, b->weight, 0);
        if (!call->json || !root || json_array_append_new(call->json, root) < 0)
            return -ENOMEM;
    }
    return 0;
}
