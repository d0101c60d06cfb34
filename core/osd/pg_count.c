/* pg_count.c - how many objects and bytes a PG has, as its primary counts them.
 *
 * A scan in the background adds up what is there; writes that happen meanwhile are added where the
 * scan has been and found by it where it has not.  A write during the reading of a batch spoils
 * that batch, which is read again. */
#include "core/osd/pg.h"

enum { COUNT_ROWS = 512, SPOILED_MAX = 8 };

struct pg_count {
    struct pg *pg;
    bool dropped, spoiled;
    uint32_t tries;
    struct arena arena;
    struct oid_range range;
    struct writer at; /* counted before this key */
    struct store_list list;
};

static void destroy(struct pg_count *c)
{
    arena_fini(&c->arena);
    writer_fini(&c->at);
    mem_free(c);
}

static void scan(struct pg_count *c);

static void take(struct pg_count *c)
{
    struct pg *pg = c->pg;
    struct store_list *l = &c->list;

    for (uint32_t i = 0; i < l->row_count; i++) {
        pg->objects++;
        pg->bytes += l->rows[i].size;
    }
    if (l->row_count) {
        c->at.len = 0;
        oid_key_put(&c->at, &l->rows[l->row_count - 1].oid);
        wr_u8(&c->at, 0);
    }
    c->tries = 0;
}

static void listed(struct store_list *l)
{
    struct pg_count *c = CONTAINER_OF(l, struct pg_count, list);
    struct pg *pg = c->pg;

    pg->busy--;
    if (c->dropped || l->rc < 0) {
        if (!c->dropped)
            pg->count = NULL;
        destroy(c);
        pg_maybe_free(pg);
        return;
    }
    if (!c->spoiled || c->tries++ >= SPOILED_MAX)
        take(c);
    else
        l->more = true;
    if (l->more && c->at.rc == 0) {
        scan(c);
        return;
    }
    pg->count = NULL;
    pg->counted = c->at.rc == 0;
    pg->o->mon.stats_changed = true;
    destroy(c);
}

static void scan(struct pg_count *c)
{
    struct pg *pg = c->pg;

    c->spoiled = false;
    arena_fini(&c->arena);
    c->list = (struct store_list){.from = {c->at.data, (uint32_t)c->at.len},
                                  .to = {c->range.to, sizeof(c->range.to)},
                                  .rows_max = COUNT_ROWS,
                                  .arena = &c->arena,
                                  .done = listed};
    pg->busy++;
    store_list(pg->o->store, &c->list);
}

void pg_count_start(struct pg *pg)
{
    struct pg_count *c;

    if (pg->count || pg->copy.missing.count) /* what is missing would not be counted: afterwards */
        return;
    c = mem_zalloc(sizeof(*c));
    if (!c)
        return; /* the numbers stay those of the scan before */
    c->pg = pg;
    c->range = pg_range(pg->id, pg->pg_count);
    arena_init(&c->arena);
    wr_raw(&c->at, c->range.from, sizeof(c->range.from));
    pg->objects = pg->bytes = 0;
    pg->counted = false;
    pg->count = c;
    if (c->at.rc < 0) {
        pg->count = NULL;
        destroy(c);
        return;
    }
    scan(c);
}

void pg_count_stop(struct pg *pg)
{
    if (pg->count)
        pg->count->dropped = true;
    pg->count = NULL;
    pg->counted = false;
}

void pg_count_write(struct pg *pg, const struct oid *oid, const struct exec_change *change)
{
    struct pg_count *c = pg->count;
    uint8_t mem[OID_KEY_MAX];
    struct writer w = wr_over(mem, sizeof(mem));

    if (c) {
        oid_key_put(&w, oid);
        c->spoiled = true;
        if (bytes_compare((struct bytes){w.data, (uint32_t)w.len},
                          (struct bytes){c->at.data, (uint32_t)c->at.len}) >= 0)
            return;
    }
    pg->objects += change->exists;
    pg->objects -= change->was;
    pg->bytes += change->bytes;
    pg->bytes -= change->was_bytes;
}
