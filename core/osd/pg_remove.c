/* pg_remove.c - deleting a copy that is not needed any more, in the background.
 *
 *   noted in a row of our own ─▶ its rows gone ─▶ its objects gone, some at a time ─▶ the note gone
 *
 * The note makes a power cut harmless: what is found noted at start is removed before the PG may be
 * used again. */
#include "core/osd/pg.h"

enum { REMOVE_BATCH = 64, NOTE_KEY_BYTES = 9 };
enum remove_stage { REMOVE_NOTE, REMOVE_ROWS, REMOVE_OBJECTS, REMOVE_FORGET };

struct pg_remove {
    struct pg *pg;
    enum remove_stage stage;
    bool busy, forgotten;
    struct oid_range range;
    struct arena arena;
    struct store_list list;
    struct pg_sub sub;
};

static struct bytes note_key(struct pgid id, uint8_t *out)
{
    (void)osd_row_key('r', id.pool.v, out); /* five bytes, then four more */
    for (unsigned i = 0; i < 4; i++)
        out[5 + i] = (uint8_t)(id.seed >> (24 - 8 * i));
    return (struct bytes){out, NOTE_KEY_BYTES};
}

static void run(struct pg_remove *r);

static void again(struct pg_remove *r)
{
    osd_retry_later(r->pg->o); /* pg_remove_retry */
}

static void note_done(void *arg)
{
    struct pg_remove *r = arg;

    r->busy = false;
    r->pg->busy--;
    if (r->pg->o->state != ROLE_CLOSING)
        run(r);
}

static int note(struct pg_remove *r, bool set)
{
    struct pg *pg = r->pg;
    struct txn *txn = txn_create(osd_coll());
    uint8_t key[OSD_ROW_KEY_MAX], value[16];
    struct writer w = wr_over(value, sizeof(value));

    if (!txn)
        return -ENOMEM;
    wr_pgid(&w, pg->id);
    wr_u32(&w, pg->pg_count);
    if (set)
        txn_meta_set(txn, note_key(pg->id, key), (struct bytes){value, (uint32_t)w.len});
    else
        txn_meta_rm(txn, note_key(pg->id, key));
    if (osd_meta_submit(pg->o, txn, note_done, r) < 0) {
        txn_unref(txn);
        return -ENOMEM;
    }
    r->busy = true;
    pg->busy++;
    return 0;
}

static void sub_done(struct pg_sub *sub, bool done)
{
    struct pg_remove *r = CONTAINER_OF(sub, struct pg_remove, sub);

    r->busy = false;
    if (done && r->pg->o->state != ROLE_CLOSING)
        run(r);
}

/* Takes the transaction. */
static int submit(struct pg_remove *r, struct txn *txn)
{
    int rc = txn->rc ? txn->rc : pg_sub_init(&r->sub, r->pg, txn, NULL);

    txn_unref(txn);
    if (rc < 0)
        return rc;
    r->sub.durable = sub_done;
    r->busy = true;
    pg_submit(&r->sub);
    return 0;
}

static int remove_rows(struct pg_remove *r)
{
    struct txn *txn = txn_create(r->pg->id);

    if (!txn)
        return -ENOMEM;
    pg_copy_rows_rm(txn);
    return submit(r, txn);
}

static void listed(struct store_list *l)
{
    struct pg_remove *r = CONTAINER_OF(l, struct pg_remove, list);
    struct txn *txn;

    r->busy = false;
    r->pg->busy--;
    if (r->pg->o->state == ROLE_CLOSING)
        return;
    if (l->rc < 0) {
        again(r);
        return;
    }
    if (l->row_count == 0) {
        r->stage = REMOVE_FORGET;
        run(r);
        return;
    }
    txn = txn_create(r->pg->id);
    for (uint32_t i = 0; txn && i < l->row_count; i++)
        txn_delete(txn, txn_object(txn, &l->rows[i].oid));
    if (!txn || submit(r, txn) < 0)
        again(r);
}

static int list_objects(struct pg_remove *r)
{
    struct pg *pg = r->pg;

    arena_fini(&r->arena);
    r->list = (struct store_list){.from = {r->range.from, sizeof(r->range.from)},
                                  .to = {r->range.to, sizeof(r->range.to)},
                                  .rows_max = REMOVE_BATCH,
                                  .arena = &r->arena,
                                  .done = listed};
    r->busy = true;
    pg->busy++;
    store_list(pg->o->store, &r->list);
    return 0;
}

static void removed(struct pg_remove *r)
{
    struct pg *pg = r->pg;

    pg->remove = NULL;
    arena_fini(&r->arena);
    mem_free(r);
    log_info(&pg->log, "a copy was removed");
    if (pg->copy.past.first.v) {
        pg->phase = PG_DRAIN;
        pg_drained(pg);
        return;
    }
    pg->remove_found = false;
    pg->phase = PG_WALK;
    if (pg->o->map)
        osd_history_want(pg->o, pg); /* else when there is one: pgs_begin */
}

static void run(struct pg_remove *r)
{
    int rc = 0;

    if (r->busy)
        return;
    switch (r->stage) {
    case REMOVE_NOTE:
        r->stage = REMOVE_ROWS;
        rc = note(r, true);
        if (rc < 0)
            r->stage = REMOVE_NOTE;
        break;
    case REMOVE_ROWS:
        r->stage = REMOVE_OBJECTS;
        rc = remove_rows(r);
        if (rc < 0)
            r->stage = REMOVE_ROWS;
        break;
    case REMOVE_OBJECTS:
        rc = list_objects(r);
        break;
    case REMOVE_FORGET:
        if (r->forgotten) {
            removed(r);
            return;
        }
        rc = note(r, false);
        r->forgotten = rc == 0;
        break;
    }
    if (rc < 0)
        again(r);
}

static void begin(struct pg *pg, enum remove_stage stage)
{
    struct pg_remove *r = mem_zalloc(sizeof(*r));

    pg->phase = PG_REMOVE;
    if (!r) {
        osd_fail(pg->o, -ENOMEM, "removing a placement group");
        return;
    }
    r->pg = pg;
    r->stage = stage;
    r->range = pg_range(pg->id, pg->pg_count);
    arena_init(&r->arena);
    pg->remove = r;
    run(r);
}

/* The copy does not exist any more; its place in history goes on. */
static int copy_clear(struct pg_copy *copy, struct pgid id)
{
    struct pg_copy empty;

    if (pg_copy_init(&empty, id) < 0) {
        pg_copy_fini(&empty);
        return -ENOMEM;
    }
    empty.past = copy->past;
    copy->past = (struct past_intervals){0};
    pg_copy_fini(copy);
    pg_copy_move(&empty, copy);
    return 0;
}

void pg_remove_start(struct pg *pg)
{
    ASSERT(!pg->remove);
    pg_interval(pg);
    if (pg_copy_exists(&pg->copy) && copy_clear(&pg->copy, pg->id) < 0) {
        osd_fail(pg->o, -ENOMEM, "removing a placement group");
        return;
    }
    begin(pg, REMOVE_NOTE);
}

void pg_remove_retry(struct pg *pg)
{
    if (pg->remove)
        run(pg->remove);
}

void pgs_remove_found(struct osd *o)
{
    LIST_EACH_SAFE (at, &o->pg_list) {
        struct pg *pg = LIST_ENTRY(at, struct pg, link);

        if (pg->remove_found && !pg->remove)
            begin(pg, REMOVE_ROWS);
    }
}

void pg_remove_abandon(struct pg *pg)
{
    struct pg_remove *r = TAKE(pg->remove);

    if (!r)
        return;
    arena_fini(&r->arena);
    mem_free(r);
}
