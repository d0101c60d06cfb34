/* pg_copy.c - one OSD's copy of a PG, as far as it is not objects.
 *
 * Rows and memory change together: whoever changes the copy describes the same change in the
 * transaction, and the store makes it durable with the objects it belongs to. */
#include "core/osd/pg_copy.h"

#include "core/osd/pg_rows.h"

int pg_copy_init(struct pg_copy *c, struct pgid pg)
{
    memset(c, 0, sizeof(*c));
    pg_missing_init(&c->missing);
    c->info.pg = pg;
    return pg_log_init(&c->log);
}

void pg_copy_fini(struct pg_copy *c)
{
    pg_info_fini(&c->info);
    past_intervals_fini(&c->past);
    pg_log_fini(&c->log);
    pg_missing_fini(&c->missing);
}

void pg_copy_move(struct pg_copy *from, struct pg_copy *to)
{
    to->info = from->info;
    to->past = from->past;
    to->missing = from->missing;
    pg_log_move(&from->log, &to->log);
    memset(from, 0, sizeof(*from));
}

struct pg_info pg_copy_info_now(const struct pg_copy *c)
{
    struct pg_info i = c->info;

    i.last_update = c->log.head;
    i.log_tail = c->log.tail;
    i.missing_count = c->missing.count;
    i.same_since = c->past.first;
    return i;
}

int pg_copy_info(const struct pg_copy *c, struct pg_info *out)
{
    struct pg_info i = pg_copy_info_now(c);

    return pg_info_copy(&i, out);
}

bool pg_info_covers(const struct pg_info *info, const struct oid *oid)
{
    uint8_t memory[OID_KEY_MAX];
    struct writer w = wr_over(memory, sizeof(memory));

    if (info->complete)
        return true;
    if (info->last_backfill.len == 0)
        return false;
    oid_key_put(&w, oid);
    return bytes_compare((struct bytes){w.data, (uint32_t)w.len}, info->last_backfill) < 0;
}

void pg_copy_info_put_as(const struct pg_copy *c, const struct pg_info *info, struct txn *txn)
{
    AUTO(writer) w = {0};

    pg_info_row_encode(info, &c->past, &w);
    if (w.rc < 0 && txn->rc == 0)
        txn->rc = w.rc;
    if (txn->rc == 0)
        txn_meta_set(txn, BYTES_STR("i"), (struct bytes){w.data, (uint32_t)w.len});
}

void pg_copy_info_put(const struct pg_copy *c, struct txn *txn)
{
    struct pg_info i = pg_copy_info_now(c);

    pg_copy_info_put_as(c, &i, txn);
}

int pg_copy_backfilled(struct pg_copy *c, struct bytes last_backfill, bool complete,
                       struct txn *txn)
{
    struct pg_info i = pg_copy_info_now(c);

    i.complete = complete;
    i.last_backfill = (struct bytes){0};
    if (complete) {
        i.salvaged = false;
    } else if (last_backfill.len) {
        i.last_backfill.data = mem_dup(last_backfill.data, last_backfill.len);
        if (!i.last_backfill.data)
            return -ENOMEM;
        i.last_backfill.len = last_backfill.len;
    }
    pg_copy_info_put_as(c, &i, txn);
    if (txn->rc < 0) {
        mem_free((void *)i.last_backfill.data);
        return -ENOMEM;
    }
    mem_free((void *)c->info.last_backfill.data);
    c->info = i;
    return 0;
}

void pg_copy_rows_rm(struct txn *txn)
{
    pg_rows_rm(txn, 'b', 'm');
}

static bool info_sane(const struct pg_info *i, struct pgid pg)
{
    return pgid_eq(i->pg, pg) && i->created.v &&
           !(i->complete && (i->salvaged || i->last_backfill.len));
}

static int load_info(struct pg_copy *c, struct bytes value)
{
    struct cursor cur = cur_over(value.data, value.len);
    struct past_intervals past;
    struct pg_info info;
    int rc = pg_info_row_decode(&cur, &info, &past);

    if (rc == 0 && (cur_finish(&cur) < 0 || !info_sane(&info, c->info.pg))) {
        pg_info_fini(&info);
        past_intervals_fini(&past);
        rc = -R_MALFORMED;
    }
    if (rc < 0)
        return rc;
    pg_info_fini(&c->info);
    past_intervals_fini(&c->past);
    c->info = info;
    c->past = past;
    return 0;
}

int pg_copy_load_row(struct pg_copy *c, struct bytes key, struct bytes value)
{
    switch (key.len ? key.data[0] : 0) {
    case 'i':
        return key.len == 1 ? load_info(c, value) : -R_MALFORMED;
    case 'm':
        return pg_missing_load_row(&c->missing, key, value);
    default:
        return pg_log_load_row(&c->log, key, value);
    }
}

int pg_copy_load_end(struct pg_copy *c)
{
    if (!pg_copy_exists(c) && (pg_log_count(&c->log) || c->missing.count))
        return -R_MALFORMED; /* rows of a copy whose own row is gone */
    return pg_log_load_end(&c->log);
}

static int log_drop(struct pg_copy *c, struct txn *txn)
{
    struct pg_log empty;

    if (pg_log_init(&empty) < 0)
        return -ENOMEM;
    pg_copy_rows_rm(txn);
    pg_log_fini(&c->log);
    pg_log_move(&empty, &c->log);
    pg_missing_fini(&c->missing);
    return 0;
}

int pg_copy_salvage(struct pg_copy *c, bool unfit, struct txn *txn)
{
    struct pg_info i;

    if (unfit && log_drop(c, txn) < 0)
        return -ENOMEM;
    i = pg_copy_info_now(c);
    i.salvaged = true;
    if (!pg_copy_exists(c)) { /* its own row is gone: the OSD remembers that for it */
        c->info.salvaged = true;
        return txn->rc;
    }
    i.complete = false;
    i.last_backfill = (struct bytes){0};
    pg_copy_info_put_as(c, &i, txn);
    if (txn->rc < 0)
        return -ENOMEM;
    mem_free((void *)c->info.last_backfill.data);
    c->info = i;
    return 0;
}

void pg_copy_check(const struct pg_copy *c, bool deep)
{
    pg_log_check(&c->log, deep);
    if (deep)
        pg_missing_check(&c->missing);
    ASSERT(!c->info.complete || !c->info.salvaged);
    ASSERT(!c->info.complete || c->info.last_backfill.len == 0);
    if (!pg_copy_exists(c)) {
        ASSERT(pg_log_count(&c->log) == 0);
        ASSERT(c->missing.count == 0);
    }
}
