/* osdmap.h - which OSDs there are, which pools, and where each PG lives: one document per epoch.
 *
 * A map is immutable once published and counted atomically; the next epoch is made by applying an
 * increment.  Only the monitors' majority makes increments.
 *
 * Intervals: a PG's interval changes when its up or acting set (or the primary), the incarnation
 * (up_from) of one of their members, the pool's size or size_min, or its pg_count (a split)
 * changes.  osdmap_pg_same_interval compares two epochs.
 *
 * Threads: a published map may be read from any thread. */
#ifndef CORE_MAP_OSDMAP_H
#define CORE_MAP_OSDMAP_H

#include "core/base/addr.h"
#include "core/base/buf.h"
#include "core/crush/crush.h"
#include "core/map/types.h"

enum {
    OSDMAP_OSDS_MAX = 10000,
    OSDMAP_POOLS_MAX = 10000,
    OSDMAP_TEMPS_MAX = 1 << 20,
    OSDMAP_BLOCKED_MAX = 1 << 20,
    POOL_NAME_MAX = 63,
    POOL_PGS_MAX = 65536,
};
enum { OSD_WEIGHT_IN = 0x10000 }; /* 16.16; 0 is out */

enum osd_state {
    OSD_EXISTS = 1,
    OSD_UP = 2,
    OSD_STOPPED = 4, /* it said that it stops: no lease of its last incarnation is in use */
    OSD_FULL = 8,
    OSD_AUTO_OUT = 16, /* out since it was down too long: in again when it is up */
    OSD_HELD = 32,     /* an operator stopped it: it stops itself, and is not let up */
};
struct osd_info {
    uint8_t state;
    uint32_t weight;      /* reweight, 16.16 */
    struct net_addr addr; /* valid while up */
    uint64_t instance;    /* random per start of the daemon; names the incarnation */
    uint8_t uuid[16];     /* of its store: an id is not taken over by another store */
    struct epoch up_from; /* the epoch in which the present (or last) incarnation came up */
    struct epoch up_thru; /* recorded on its request before a PG it leads takes writes */
    struct epoch down_at; /* when the last incarnation went down */
    /* The store was reopened under lock (so the old incarnation is dead): no lease of an instance
     * before this one can be in use. */
    struct epoch lost_at; /* declared lost by an operator; 0: never */
};

struct pool {
    struct pool_id id;
    char name[POOL_NAME_MAX + 1];
    uint8_t size, size_min;
    uint32_t crush_rule;
    uint32_t pg_count; /* a power of two */
    struct epoch created, changed;
};

struct pg_temp { /* acting set while the up set is being filled */
    struct pgid pg;
    struct osd_set acting;
};

struct blocked { /* a fenced client instance */
    uint64_t client;
    uint64_t until_wall_ns; /* the monitors drop it then */
};

struct osdmap {
    _Atomic uint32_t refs;
    struct epoch epoch;
    uint8_t fsid[16];
    uint64_t modified_wall_ns;
    uint32_t lease_ms;     /* how long read leases last, cluster-wide */
    uint32_t osd_count;    /* ids are below it */
    struct osd_info *osds; /* owned */
    uint32_t pool_count;
    struct pool *pools; /* owned, by id */
    uint32_t pool_next;
    uint32_t temp_count;
    struct pg_temp *temps; /* owned, by pgid */
    uint32_t blocked_count;
    struct blocked *blocked; /* owned, by client */
    struct crush_map *crush; /* owned, sealed */
    uint32_t *weights;       /* owned: osds[i].weight, as the mapper wants them (osdmap_seal) */
};

struct osdmap *
osdmap_create(const uint8_t fsid[16]); /* epoch 0, no OSDs, the 11 crush types, root "default" */
struct osdmap *osdmap_ref(struct osdmap *m);
void osdmap_unref(struct osdmap *m);                 /* NULL is fine */
struct osdmap *osdmap_clone(const struct osdmap *m); /* a private one to change, refs 1 */
/* Changing a private clone: grow the id space, set or drop rows.  0 or -ENOMEM / -R_OVERFLOW. */
int osdmap_osds_grow(struct osdmap *m, uint32_t osd_count);
int osdmap_pool_set(struct osdmap *m, const struct pool *p); /* by id: new or changed */
void osdmap_pool_drop(struct osdmap *m, struct pool_id id);
int osdmap_temp_set(struct osdmap *m, struct pgid pg,
                    const struct osd_set *acting); /* empty: removes */
int osdmap_block_set(struct osdmap *m, uint64_t client, uint64_t until_wall_ns); /* 0: removes */
/* The CRUSH map of a new cluster: the 11 types, an empty root "default", and two rules. */
enum { OSDMAP_RULE_OSD = 0, OSDMAP_RULE_HOST = 1 }; /* copies on distinct OSDs; on distinct hosts */
int osdmap_crush_create(struct crush_map **out_crush);
/* Put an OSD under `host` (made under "default" when new) with a CRUSH weight in 16.16; an empty
 * class is none.  One that stands elsewhere is moved.  The map is sealed again. */
int osdmap_crush_add(struct osdmap *m, struct osd_id id, const char *host, const char *device_class,
                     uint32_t weight);
int osdmap_seal(struct osdmap *m); /* after changes, before publishing: derived tables */

static inline bool osdmap_exists(const struct osdmap *m, struct osd_id id)
{
    return id.v >= 0 && (uint32_t)id.v < m->osd_count && (m->osds[id.v].state & OSD_EXISTS);
}
static inline bool osdmap_up(const struct osdmap *m, struct osd_id id)
{
    return osdmap_exists(m, id) && (m->osds[id.v].state & OSD_UP);
}
const struct pool *osdmap_pool(const struct osdmap *m, struct pool_id id); /* NULL: none */
const struct pool *osdmap_pool_named(const struct osdmap *m, const char *name);
bool osdmap_blocked(const struct osdmap *m, uint64_t client);

/* Where a PG is.  `up` is what CRUSH says, with OSDs that are not up left out (replicated pools
 * shift); `acting` is pg_temp's set where there is one with an up member, else `up`. primary: the
 * first of acting, OSD_NONE when empty. */
struct placement {
    struct osd_set up, acting;
    struct osd_id primary, up_primary;
};
int osdmap_place(const struct osdmap *m, struct pgid pg, struct placement *out); /* -R_NO_POOL */
/* The same OSDs, up, in, and the same incarnations? */
bool osdmap_osds_same(const struct osdmap *a, const struct osdmap *b);
/* 1, 0, or -ENOMEM. */
int osdmap_pg_same_interval(const struct osdmap *a, const struct osdmap *b, struct pgid pg);

/* sealed envelope; doc/format/osdmap.md */
int osdmap_encode(const struct osdmap *m, struct writer *w);
int osdmap_decode(struct cursor *c,
                  struct osdmap **out_map); /* verifies all that place() relies on */

/* One step from `epoch - 1` to `epoch`.  Changes are whole rows: new value of an osd, pool, temp or
 * blocked entry, or its removal. */
struct osdmap_inc {
    struct epoch epoch;
    uint64_t modified_wall_ns;
    uint32_t osd_count; /* new number of ids */
    uint32_t lease_ms;
    uint32_t pool_next;
    uint32_t osd_rows, pool_rows, temp_rows, blocked_rows, pool_gone_rows;
    struct osd_row {
        struct osd_id id;
        struct osd_info info;
    } * osds; /* owned, all of these */
    struct pool *pools;
    struct pool_id *pools_gone;
    struct pg_temp *temps;   /* an empty acting set removes it */
    struct blocked *blocked; /* until 0 removes it */
    struct crush_map *crush; /* NULL: unchanged */
};
void osdmap_inc_fini(struct osdmap_inc *inc);
/* What leads from `a` to `b` (b's epoch must be a's + 1). */
int osdmap_diff(const struct osdmap *a, const struct osdmap *b, struct osdmap_inc *out_inc);
int osdmap_apply(const struct osdmap *m, const struct osdmap_inc *inc, struct osdmap **out_map);
int osdmap_inc_encode(const struct osdmap_inc *inc, struct writer *w);
int osdmap_inc_decode(struct cursor *c, struct osdmap_inc *out_inc);

#endif
