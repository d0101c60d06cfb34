/* model.c - the world around the nodes: maps, the monitor's decisions, and the scheduler. */
#include "tests/unit/osd/model.h"

#include <stdarg.h>
#include <stdio.h>

const struct pgid model_pg = {{1}, 0};

void broken(struct world *w, const char *fmt, ...)
{
    va_list ap;

    if (w->broken[0])
        return;
    va_start(ap, fmt);
    (void)vsnprintf(w->broken, sizeof(w->broken), fmt, ap);
    va_end(ap);
}

/* ---- maps ---- */

static struct osdmap *map_change(struct world *w)
{
    struct osdmap *m = osdmap_clone(w->map[w->epoch]);

    ASSERT(m);
    ASSERT(w->epoch + 1 < EPOCHS_MAX);
    m->epoch.v = w->epoch + 1;
    return m;
}

static void map_publish(struct world *w, struct osdmap *m)
{
    ASSERT(osdmap_seal(m) == 0);
    w->epoch = m->epoch.v;
    w->map[w->epoch] = m;
}

static void maps_begin(struct world *w)
{
    static const uint8_t fsid[16] = {1};
    struct osdmap *m = osdmap_create(fsid);
    struct pool p = {.id = {1}, .name = "p", .pg_count = 1, .created = {1}};

    ASSERT(m);
    p.size = (uint8_t)rng_between(&w->rng, 2, 3);
    p.size_min = (uint8_t)rng_between(&w->rng, 1, p.size - 1);
    ASSERT(osdmap_osds_grow(m, (uint32_t)w->nodes) == 0);
    for (int i = 0; i < w->nodes; i++) {
        char host[16];

        (void)snprintf(host, sizeof(host), "h%d", i);
        m->osds[i].state = OSD_EXISTS | OSD_UP;
        m->osds[i].weight = OSD_WEIGHT_IN;
        m->osds[i].up_from.v = 1;
        ASSERT(osdmap_crush_add(m, (struct osd_id){i}, host, "", OSD_WEIGHT_IN) == 0);
    }
    ASSERT(osdmap_pool_set(m, &p) == 0);
    m->epoch.v = 1;
    map_publish(w, m);
}

static bool is_up(const struct world *w, int i)
{
    return osdmap_up(w->map[w->epoch], (struct osd_id){i});
}

static void mon_down(struct world *w, int i)
{
    struct osdmap *m = map_change(w);

    m->osds[i].state &= (uint8_t)~OSD_UP;
    m->osds[i].down_at = m->epoch;
    map_publish(w, m);
}

static void mon_up(struct world *w, int i)
{
    struct osdmap *m = map_change(w);

    m->osds[i].state |= OSD_UP;
    m->osds[i].up_from = m->epoch;
    map_publish(w, m);
}

static void mon_weight(struct world *w, int i, uint32_t weight)
{
    struct osdmap *m = map_change(w);

    m->osds[i].weight = weight;
    map_publish(w, m);
}

/* The wishes of one node, if any, become a map. */
static bool mon_wish(struct world *w, struct node *n)
{
    const struct osdmap *now = w->map[w->epoch];
    struct osdmap *m;

    if (!n->alive || !n->live || !is_up(w, n->id))
        return false;
    if (n->wish_up_thru.v > now->osds[n->id].up_thru.v) {
        m = map_change(w);
        m->osds[n->id].up_thru = n->wish_up_thru;
        map_publish(w, m);
        return true;
    }
    /* A wish of an older interval is not followed. */
    if (!n->wish_temp || !osdmap_pg_same_interval(n->map, now, model_pg))
        return false;
    n->wish_temp = false;
    m = map_change(w);
    ASSERT(osdmap_temp_set(m, model_pg, &n->temp) == 0);
    map_publish(w, m);
    return true;
}

/* ---- what happens next ---- */

static bool deliver(struct world *w, int from, int to)
{
    struct mm *m;

    if (!w->node[to].alive)
        return false;
    m = queue_pop(&w->net[from][to]);
    if (m)
        node_message(w, &w->node[to], m);
    return m;
}

static bool timer(struct world *w, struct node *n)
{
    if (!n->alive || !n->live || n->timer_at_ns == 0)
        return false;
    w->now_ns = MAX(w->now_ns, n->timer_at_ns);
    n->timer_at_ns = 0;
    node_event(w, n, (struct peering_event){.kind = PEERING_EV_TIMER});
    return true;
}

static void boot(struct world *w, struct node *n)
{
    mon_up(w, n->id);
    node_boot(w, n);
}

static void fault(struct world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->nodes);
    struct node *n = &w->node[i];

    switch (rng_below(&w->rng, 6)) {
    case 0:
        if (n->alive)
            node_crash(w, n);
        break;
    case 1:
    case 2:
        if (!n->alive)
            boot(w, n);
        else if (!is_up(w, i))
            mon_up(w, i); /* it said that it lives */
        break;
    case 3:
        if (is_up(w, i) && (!n->alive || rng_chance(&w->rng, 1, 2)))
            mon_down(w, i);
        break;
    case 4:
        mon_weight(w, i, w->map[w->epoch]->osds[i].weight ? 0 : OSD_WEIGHT_IN);
        break;
    case 5:
        session_break(
            w, i, (int)((uint64_t)i + 1 + rng_below(&w->rng, (uint64_t)w->nodes - 1)) % w->nodes);
        break;
    }
}

static bool work(struct world *w)
{
    int i = (int)rng_below(&w->rng, (uint64_t)w->nodes);
    struct node *n = &w->node[i];

    switch (rng_below(&w->rng, 8)) {
    case 0:
        return node_map(w, n);
    case 1:
        return node_flush(w, n);
    case 2:
        return mon_wish(w, n);
    case 3:
        return timer(w, n);
    case 4:
        io_recover(w, n);
        return false;
    default:
        return deliver(w, i, (int)rng_below(&w->rng, (uint64_t)w->nodes));
    }
}

static void chaos(struct world *w, unsigned steps)
{
    while (steps-- > 0 && !w->broken[0]) {
        w->now_ns += NS_PER_MS / 4;
        if (rng_below(&w->rng, 1000) < w->faults && w->epoch + 300 < EPOCHS_MAX)
            fault(w);
        else if (rng_chance(&w->rng, 1, 6))
            io_client(w, &w->client[rng_below(&w->rng, CLIENTS)]);
        else
            (void)work(w);
    }
}

/* Faults end; everything that can go on does, until nothing does.  Clients go on for a while:
 * writes must meet backfills that end. */
static void quiet(struct world *w)
{
    for (int i = 0; i < w->nodes; i++) {
        if (!w->node[i].alive)
            boot(w, &w->node[i]);
        if (!is_up(w, i))
            mon_up(w, i);
        if (w->map[w->epoch]->osds[i].weight == 0)
            mon_weight(w, i, OSD_WEIGHT_IN);
    }
    for (unsigned idle = 0, steps = 0; idle < 3 && steps < 20000 && !w->broken[0]; steps++) {
        bool moved = false;

        w->now_ns += NS_PER_MS;
        if (steps < 150 && rng_chance(&w->rng, 1, 3))
            io_client(w, &w->client[rng_below(&w->rng, CLIENTS)]);
        for (int i = 0; i < w->nodes; i++) {
            struct node *n = &w->node[i];

            if (steps < 150 && rng_chance(&w->rng, 1, 3))
                continue; /* not all are equally fast */
            moved |= node_map(w, n) | node_flush(w, n) | mon_wish(w, n) | timer(w, n);
            for (int k = 0; k < w->nodes; k++)
                moved |= deliver(w, i, k);
            io_recover(w, n);
        }
        idle = moved || steps < 150 ? 0 : idle + 1;
        if (steps == 19999)
            broken(w, "it never becomes quiet");
    }
}

static void objects_begin(struct world *w)
{
    for (int i = 0; i < OBJECTS; i++) {
        (void)snprintf(w->oid_name[i], sizeof(w->oid_name[i]), "object-%d", i);
        ASSERT(oid_make(model_pg.pool, BYTES_STR(w->oid_name[i]), &w->oid[i]) == 0);
    }
    for (int i = 1; i < OBJECTS; i++)
        for (int k = i; k > 0 && oid_cmp(&w->oid[k], &w->oid[k - 1]) < 0; k--) {
            struct oid swap = w->oid[k];

            w->oid[k] = w->oid[k - 1];
            w->oid[k - 1] = swap;
        }
}

bool model_run(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof(*w));
    rng_seed(&w->rng, seed);
    w->seed = seed;
    w->nodes = (int)rng_between(&w->rng, 3, NODES);
    w->keep = (uint32_t)rng_between(&w->rng, 2, 12);
    w->faults = (uint32_t)rng_between(&w->rng, 2, 40);
    w->no_memory = rng_chance(&w->rng, 1, 4);
    w->now_ns = NS_PER_S;
    memset(w->primary_of, 0xff, sizeof(w->primary_of));
    w->exec = mem_calloc(EXECS_MAX, sizeof(*w->exec));
    ASSERT(w->exec);
    objects_begin(w);
    maps_begin(w);
    for (int i = 0; i < CLIENTS; i++)
        w->client[i] = (struct client){.id = (uint64_t)i + 1, .next = 1, .born = {1}};
    for (int i = 0; i < w->nodes; i++) {
        w->node[i].id = i;
        node_boot(w, &w->node[i]);
    }
    for (int round = 0; round < 3 && !w->broken[0]; round++) {
        chaos(w, 1500);
        quiet(w);
        check_quiet(w);
    }
    return !w->broken[0];
}

void model_fini(struct world *w)
{
    for (int i = 0; i < w->nodes; i++)
        if (w->node[i].alive)
            node_crash(w, &w->node[i]);
    for (int i = 0; i < w->nodes; i++)
        disk_fini(&w->node[i].disk);
    for (uint32_t e = 1; e <= w->epoch; e++)
        osdmap_unref(w->map[e]);
    mem_free(w->exec);
}
