/* model_check.c - what must hold: of one copy, of an activation, and of all when it is quiet. */
#include "tests/unit/osd/model.h"

const struct exec *exec_find(const struct world *w, struct version v)
{
    for (uint32_t i = v.seq ? w->exec_count : 0; i-- > 0;)
        if (version_eq(w->exec[i].version, v))
            return &w->exec[i];
    return NULL;
}

/* The version each object has in the history that ends with `head`. */
static void expect(const struct world *w, struct version head, struct version *object)
{
    bool seen[OBJECTS] = {false};
    unsigned left = OBJECTS;

    memset(object, 0, OBJECTS * sizeof(*object));
    for (const struct exec *x = exec_find(w, head); x && left; x = x->after) {
        if (seen[x->object])
            continue;
        if (!x->del)
            object[x->object] = x->version;
        seen[x->object] = true;
        left--;
    }
}

void check_node(struct world *w, const struct node *n)
{
    struct version want[OBJECTS];

    if (!n->alive || !pg_copy_exists(&n->copy) || n->copy.info.salvaged)
        return;
    expect(w, n->copy.log.head, want);
    for (int i = 0; i < OBJECTS; i++) {
        const struct pg_missing_item *item = pg_missing_find(&n->copy.missing, &w->oid[i]);

        if (!pg_info_covers(&n->copy.info, &w->oid[i]))
            continue;
        if (item ? !version_eq(item->need, want[i]) : !version_eq(n->object[i], want[i]))
            broken(w, "osd.%d: object %d is at %u'%lu (%s %u'%lu), its log says %u'%lu", n->id, i,
                   n->object[i].epoch.v, (unsigned long)n->object[i].seq, item ? "needs" : "whole",
                   item ? item->need.epoch.v : 0, (unsigned long)(item ? item->need.seq : 0),
                   want[i].epoch.v, (unsigned long)want[i].seq);
        if (item && item->have.seq && !version_eq(n->object[i], item->have))
            broken(w, "osd.%d: object %d is not what is built upon", n->id, i);
    }
}

void check_activation(struct world *w, struct node *n)
{
    static bool in[EXECS_MAX], ran[CLIENTS + 1][EXECS_MAX];
    const struct exec *x = exec_find(w, n->copy.log.head);

    memset(in, 0, sizeof(in));
    memset(ran, 0, sizeof(ran));
    for (; x; x = x->after) {
        bool *twice = &ran[x->reqid.client][x->reqid.op];

        in[x - w->exec] = true;
        if (*twice)
            broken(w, "osd.%d: client %lu op %lu ran twice", n->id, (unsigned long)x->reqid.client,
                   (unsigned long)x->reqid.op);
        *twice = true;
    }
    for (uint32_t i = 0; i < w->exec_count; i++)
        if (w->exec[i].acked && !in[i])
            broken(w, "osd.%d active in %u without %u'%lu, which was acknowledged", n->id,
                   n->peering.first.v, w->exec[i].version.epoch.v,
                   (unsigned long)w->exec[i].version.seq);
    if (w->primary_of[n->peering.first.v] >= 0 && w->primary_of[n->peering.first.v] != n->id)
        broken(w, "two primaries in interval %u", n->peering.first.v);
    w->primary_of[n->peering.first.v] = n->id;
}

void check_quiet(struct world *w)
{
    struct node *lead = NULL;
    struct placement at;

    ASSERT(osdmap_place(w->map[w->epoch], model_pg, &at) == 0);
    lead = &w->node[at.primary.v];
    if (!io_active(lead) || !lead->peering.clean) {
        broken(w, "not clean: osd.%d is %s", lead->id, peering_state_name(lead->peering.state));
        return;
    }
    check_activation(w, lead);
    for (int i = 0; i < w->nodes; i++) {
        struct node *n = &w->node[i];

        check_node(w, n);
        if (!osd_set_has(&at.acting, (struct osd_id){i})) {
            if (pg_copy_exists(&n->copy))
                broken(w, "osd.%d: a stray copy was left", i);
            continue;
        }
        if (!pg_log_equal(&lead->copy.log, &n->copy.log))
            broken(w, "logs of osd.%d and osd.%d differ", lead->id, i);
        if (n->copy.missing.count)
            broken(w, "osd.%d: missing objects are left", i);
        if (memcmp(n->object, lead->object, sizeof(n->object)) != 0)
            broken(w, "objects of osd.%d and osd.%d differ", lead->id, i);
        if (!epoch_eq(n->copy.info.last_clean, lead->peering.first) || n->copy.past.count)
            broken(w, "osd.%d does not know that it is clean", i);
    }
}
