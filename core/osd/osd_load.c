/* osd_load.c - what an OSD finds in its store when it starts.
 *
 * In this order: our own rows (the newest full map and the increments after it, removals that were
 * under way), then the rows of every placement group.  A store that was salvaged may have lost or
 * aged any of them: each PG is then marked, and counts again only after it was backfilled.  Rows of
 * it that do not fit together are dropped; a PG whose rows are all gone is osd_salvage.c's. */
#include "core/osd/pg.h"

enum { LOAD_ROWS = 512 };
enum load_stage { LOAD_SALVAGED, LOAD_FULL, LOAD_INCS, LOAD_REMOVALS, LOAD_COLLS, LOAD_PGS };

struct load {
    struct osd *o;
    void (*loaded)(struct osd *o, int rc, const struct note *why);
    enum load_stage stage;
    struct arena arena, colls_arena;
    struct store_meta meta;
    struct store_colls colls;
    uint32_t coll;
    struct pg *pg;
    bool unfit; /* rows of this PG do not fit together, in a salvaged store */
    uint8_t from[OSD_ROW_KEY_MAX], to[OSD_ROW_KEY_MAX];
    struct writer next; /* the key to go on from */
    struct note why;
};

static void next_read(struct load *l);

static void finish(struct load *l, int rc)
{
    struct osd *o = l->o;
    void (*loaded)(struct osd * o, int rc, const struct note *why) = l->loaded;
    struct note why = l->why;

    arena_fini(&l->arena);
    arena_fini(&l->colls_arena);
    writer_fini(&l->next);
    o->load = NULL;
    mem_free(l);
    loaded(o, rc, &why);
}

/* ---- our own rows ---- */

static int salvaged_row(struct load *l, struct store_pair *p)
{
    return osd_salvage_row(l->o, p->value);
}

static int full_row(struct load *l, struct store_pair *p)
{
    struct osd *o = l->o;
    struct cursor c = cur_over(p->value.data, p->value.len);
    struct osdmap *map = NULL;
    int rc = osdmap_decode(&c, &map);

    if (rc < 0) {
        note_set(&l->why, "a stored map does not decode");
        return rc;
    }
    if (o->stored_oldest.v == 0)
        o->stored_oldest = map->epoch;
    o->stored_full = map->epoch;
    osdmap_unref(o->map);
    o->map = map;
    return 0;
}

static int inc_row(struct load *l, struct store_pair *p)
{
    struct osd *o = l->o;
    struct cursor c = cur_over(p->value.data, p->value.len);
    struct osdmap_inc inc = {0};
    struct osdmap *next = NULL;
    int rc = osdmap_inc_decode(&c, &inc);

    if (rc == 0 && inc.epoch.v == o->map->epoch.v + 1)
        rc = osdmap_apply(o->map, &inc, &next);
    osdmap_inc_fini(&inc);
    if (rc < 0) {
        note_set(&l->why, "a stored increment of the map does not apply");
        return rc;
    }
    if (next) {
        osdmap_unref(o->map);
        o->map = next;
        osdmap_unref(o->cached[next->epoch.v % OSD_MAPS_CACHED]);
        o->cached[next->epoch.v % OSD_MAPS_CACHED] = osdmap_ref(next);
    }
    return 0;
}

static int removal_row(struct load *l, struct store_pair *p)
{
    struct cursor c = cur_over(p->value.data, p->value.len);
    struct pgid id = cur_pgid(&c);
    uint32_t pg_count = cur_u32(&c);
    struct pg *pg;

    if (c.rc < 0)
        return c.rc;
    pg = pg_create(l->o, id);
    if (!pg)
        return -ENOMEM;
    pg->pg_count = pg_count;
    pg->remove_found = true; /* goes on when all is loaded */
    return 0;
}

/* ---- placement groups ---- */

/* True when the failure only says what is known: the store was salvaged. */
static bool unfit(struct load *l, int rc)
{
    if (rc == -ENOMEM || !store_salvaged(l->o->store))
        return false;
    if (!l->unfit)
        log_warn(&l->pg->log, "the rows of this copy do not fit together; its log is dropped");
    return l->unfit = true;
}

static int pg_row(struct load *l, struct store_pair *p)
{
    bool info = p->key.len && p->key.data[0] == 'i';
    int rc;

    if (l->pg->remove_found || (l->unfit && !info))
        return 0;
    rc = pg_copy_load_row(&l->pg->copy, p->key, p->value);
    if (rc < 0 && unfit(l, rc))
        return 0;
    if (rc < 0)
        note_set(&l->why, "a row of a placement group does not decode");
    return rc;
}

static int pg_end(struct load *l)
{
    struct pg *pg = l->pg;
    struct txn *txn;
    int rc;

    if (pg->remove_found)
        return 0;
    rc = l->unfit ? 0 : pg_copy_load_end(&pg->copy);
    if (rc < 0 && !unfit(l, rc)) {
        note_set(&l->why, "the rows of a placement group do not fit together");
        return rc;
    }
    pg->saved_newest = pg->copy.past.newest;
    l->o->salvaging |= pg->copy.info.salvaged;
    if (!store_salvaged(l->o->store))
        return 0;
    txn = txn_create(pg->id);
    rc = txn ? pg_copy_salvage(&pg->copy, l->unfit, txn) : -ENOMEM;
    if (rc == 0)
        rc = txn->rc;
    if (rc == 0 && txn->op_count) {
        rc = pg_submit_txn(pg, txn);
        txn = rc == 0 ? NULL : txn;
    }
    txn_unref(txn);
    l->unfit = false;
    return rc;
}

/* ---- one read after the other ---- */

static int take_rows(struct load *l)
{
    static int (*const take[])(struct load *, struct store_pair *) = {
        [LOAD_SALVAGED] = salvaged_row, [LOAD_FULL] = full_row, [LOAD_INCS] = inc_row,
        [LOAD_REMOVALS] = removal_row,  [LOAD_PGS] = pg_row,
    };
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < l->meta.pair_count; i++)
        rc = take[l->stage](l, &l->meta.pairs[i]);
    return rc;
}

/* The range is read to its end. */
static int stage_done(struct load *l)
{
    int rc = 0;

    switch (l->stage) {
    case LOAD_SALVAGED:
        rc = osd_salvage_begin(l->o);
        l->stage = store_salvaged(l->o->store) ? LOAD_REMOVALS : LOAD_FULL;
        break;
    case LOAD_FULL:
        l->stage = l->o->map ? LOAD_INCS : LOAD_REMOVALS;
        break;
    case LOAD_INCS:
        l->stage = LOAD_REMOVALS;
        break;
    case LOAD_REMOVALS:
        l->stage = LOAD_COLLS;
        break;
    case LOAD_COLLS:
        l->stage = LOAD_PGS;
        l->coll = 0;
        break;
    case LOAD_PGS:
        rc = pg_end(l);
        l->coll++;
        break;
    }
    l->next.len = 0;
    return rc;
}

static void rows_read(struct store_meta *m)
{
    struct load *l = CONTAINER_OF(m, struct load, meta);
    int rc = m->rc;

    if (rc < 0)
        note_set(&l->why, "reading rows of the store");
    else
        rc = take_rows(l);
    if (rc == 0 && m->more) {
        const struct store_pair *last = &m->pairs[m->pair_count - 1];

        l->next.len = 0;
        wr_raw(&l->next, last->key.data, last->key.len);
        wr_u8(&l->next, 0); /* the first key after it */
        rc = l->next.rc;
    } else if (rc == 0) {
        rc = stage_done(l);
    }
    if (rc < 0)
        finish(l, rc);
    else
        next_read(l);
}

static void colls_read(struct store_colls *c)
{
    struct load *l = CONTAINER_OF(c, struct load, colls);

    if (c->rc < 0) {
        note_set(&l->why, "listing the placement groups of the store");
        finish(l, c->rc);
        return;
    }
    (void)stage_done(l); /* cannot fail here */
    next_read(l);
}

/* The next collection that is a PG, with its struct. 1, 0 at the end, or -ENOMEM. */
static int next_pg(struct load *l)
{
    while (l->coll < l->colls.count && pgid_eq(l->colls.colls[l->coll], osd_coll()))
        l->coll++;
    if (l->coll == l->colls.count)
        return 0;
    l->pg = osd_pg(l->o, l->colls.colls[l->coll]);
    if (!l->pg)
        l->pg = pg_create(l->o, l->colls.colls[l->coll]);
    return l->pg ? 1 : -ENOMEM;
}

static void read_own(struct load *l, char kind, uint32_t from)
{
    l->meta.coll = osd_coll();
    l->meta.from = osd_row_key(kind, from, l->from);
    l->meta.to = osd_row_key((char)(kind + 1), 0, l->to);
}

static void next_read(struct load *l)
{
    int rc;

    arena_fini(&l->arena);
    l->meta = (struct store_meta){.rows_max = LOAD_ROWS, .arena = &l->arena, .done = rows_read};
    switch (l->stage) {
    case LOAD_SALVAGED:
        read_own(l, 's', 0);
        break;
    case LOAD_FULL:
        read_own(l, 'M', 0);
        break;
    case LOAD_INCS:
        read_own(l, 'm', l->o->map->epoch.v + 1);
        break;
    case LOAD_REMOVALS:
        read_own(l, 'r', 0);
        break;
    case LOAD_COLLS:
        l->colls = (struct store_colls){.arena = &l->colls_arena, .done = colls_read};
        store_colls(l->o->store, &l->colls);
        return;
    case LOAD_PGS:
        rc = next_pg(l);
        if (rc == 0) /* each copy on it has been marked, by transactions before this */
            store_salvage_over(l->o->store);
        if (rc != 1) {
            finish(l, rc);
            return;
        }
        l->meta.coll = l->pg->id;
        break;
    }
    if (l->next.len)
        l->meta.from = (struct bytes){l->next.data, (uint32_t)l->next.len};
    store_meta(l->o->store, &l->meta);
}

void osd_load(struct osd *o, void (*loaded)(struct osd *o, int rc, const struct note *why))
{
    struct load *l = mem_zalloc(sizeof(*l));
    struct note why = {{0}};

    if (!l) {
        loaded(o, -ENOMEM, &why);
        return;
    }
    l->o = o;
    l->loaded = loaded;
    o->load = l;
    arena_init(&l->arena);
    arena_init(&l->colls_arena);
    next_read(l);
}
