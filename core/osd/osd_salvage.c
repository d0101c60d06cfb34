/* osd_salvage.c - an OSD whose store was damaged, and kept what could be read.
 *
 * Rows of PGs may be gone without a trace.  An OSD that has no rows of a PG else says with that
 * that it never had it, and an old interval could be judged never active on its word.  So a row of
 * our own (`s`) says up to which epoch pools were made whose PGs may have been here: unknown until
 * the monitors have taken us up, for our own maps may be old too, then the epoch of that.  It
 * stays: of the PGs that it is about we prove nothing any more by having nothing.
 *
 * Maps may be gone too, in the middle: all are dropped, and come again from the oldest that the
 * monitors keep; PGs wait until ours are as new as what they knew.
 *
 * PGs whose rows are here are marked one by one (osd_load.c) and whole again after a backfill. When
 * the last one is, the damage counts as repaired. */
#include "core/osd/pg.h"

static int row_put(struct osd *o, struct epoch to, bool drop_maps)
{
    struct txn *txn = txn_create(osd_coll());
    uint8_t key[OSD_ROW_KEY_MAX], end[OSD_ROW_KEY_MAX], value[4];
    struct writer w = wr_over(value, sizeof(value));
    int rc;

    if (!txn)
        return -ENOMEM;
    wr_u32(&w, to.v);
    if (drop_maps) {
        txn_meta_rm_range(txn, osd_row_key('M', 0, key), osd_row_key('N', 0, end));
        txn_meta_rm_range(txn, osd_row_key('m', 0, key), osd_row_key('n', 0, end));
    }
    txn_meta_set(txn, osd_row_key('s', 0, key), (struct bytes){value, (uint32_t)w.len});
    rc = osd_meta_submit(o, txn, NULL, NULL);
    if (rc < 0)
        txn_unref(txn);
    return rc;
}

bool osd_may_have_lost(const struct osd *o, struct pgid id)
{
    const struct pool *pool = o->map ? osdmap_pool(o->map, id.pool) : NULL;

    return pool && pool->created.v <= o->salvaged_to.v;
}

int osd_salvage_row(struct osd *o, struct bytes value)
{
    struct cursor c = cur_over(value.data, value.len);
    struct epoch to = {cur_u32(&c)};

    if (cur_finish(&c) < 0)
        return c.rc;
    o->salvaged_to = to;
    return 0;
}

int osd_salvage_begin(struct osd *o)
{
    static const struct epoch unknown = {UINT32_MAX};

    if (!store_salvaged(o->store))
        return 0;
    o->salvaging = true;
    o->salvaged_to = unknown;
    return row_put(o, unknown, true);
}

void osd_salvage_up(struct osd *o)
{
    if (o->salvaged_to.v == UINT32_MAX && row_put(o, o->map->epoch, false) == 0)
        o->salvaged_to = o->map->epoch; /* else at the next start */
}

static bool to_be_filled(const struct osd *o, const struct pg *pg)
{
    return pg->copy.info.salvaged && (pg_copy_exists(&pg->copy) || osd_set_has(&pg->at.up, o->id));
}

void osd_salvage_watch(struct osd *o)
{
    if (!o->salvaging)
        return;
    LIST_EACH (at, &o->pg_list)
        if (to_be_filled(o, LIST_ENTRY(at, struct pg, link)))
            return;
    log_info(&o->log, "every copy on the salvaged store is whole again");
    o->salvaging = false;
    o->n.corrupt_repaired++;
    o->mon.stats_changed = true;
}
