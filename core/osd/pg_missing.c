/* pg_missing.c - the objects that a copy of a PG lacks although its log names them.
 *
 * One tree orders the items by object (scans, messages), the other by the version needed (what to
 * copy first).  Needs are versions of one history, so no two items share one; an undone object may
 * need an old version, which is unique as well. */
#include "core/osd/pg_missing.h"

#include "core/osd/pg_copy.h"
#include "core/osd/pg_rows.h"

static int cmp_oid(const struct pg_missing_item *a, const struct pg_missing_item *b)
{
    return oid_cmp(&a->oid, &b->oid);
}

static int cmp_need(const struct pg_missing_item *a, const struct pg_missing_item *b)
{
    int order = version_cmp(a->need, b->need);

    return order ? order : oid_cmp(&a->oid, &b->oid);
}

RB_GENERATE_STATIC(pg_missing_oids, pg_missing_item, by_oid, cmp_oid)
RB_GENERATE_STATIC(pg_missing_needs, pg_missing_item, by_need, cmp_need)

void pg_missing_init(struct pg_missing *m)
{
    memset(m, 0, sizeof(*m));
    RB_INIT(&m->by_oid);
    RB_INIT(&m->by_need);
}

static void item_free(struct pg_missing_item *item)
{
    oid_fini(&item->oid);
    touched_fini(&item->touched);
    mem_free(item);
}

static void item_drop(struct pg_missing *m, struct pg_missing_item *item)
{
    RB_REMOVE(pg_missing_oids, &m->by_oid, item);
    RB_REMOVE(pg_missing_needs, &m->by_need, item);
    m->count--;
    item_free(item);
}

void pg_missing_fini(struct pg_missing *m)
{
    struct pg_missing_item *item;

    while ((item = RB_ROOT(&m->by_oid)))
        item_drop(m, item);
}

static void item_insert(struct pg_missing *m, struct pg_missing_item *item)
{
    RB_INSERT(pg_missing_oids, &m->by_oid, item);
    RB_INSERT(pg_missing_needs, &m->by_need, item);
    m->count++;
}

static void whole_set(struct touched *t)
{
    touched_fini(t);
    t->whole = true;
}

/* Owned copies of all; NULL: no memory. */
static struct pg_missing_item *item_create(const struct oid *oid, struct version need,
                                           struct version have, const struct touched *touched)
{
    struct pg_missing_item *item = mem_zalloc(sizeof(*item));

    if (!item)
        return NULL;
    item->need = need;
    item->have = have;
    if (oid_copy(oid, &item->oid) < 0 || (touched && touched_copy(touched, &item->touched) < 0)) {
        item_free(item);
        return NULL;
    }
    if (have.seq == 0 || !touched)
        whole_set(&item->touched);
    return item;
}

int pg_missing_copy(const struct pg_missing *from, struct pg_missing *out)
{
    const struct pg_missing_item *item = pg_missing_first(from);
    struct pg_missing m;

    pg_missing_init(&m);
    for (; item; item = pg_missing_next(item)) {
        struct pg_missing_item *copy =
            item_create(&item->oid, item->need, item->have, &item->touched);

        if (!copy) {
            pg_missing_fini(&m);
            return -ENOMEM;
        }
        item_insert(&m, copy);
    }
    *out = m;
    return 0;
}

bool pg_missing_equal(const struct pg_missing *a, const struct pg_missing *b)
{
    const struct pg_missing_item *x = pg_missing_first(a), *y = pg_missing_first(b);

    for (; x && y; x = pg_missing_next(x), y = pg_missing_next(y))
        if (!oid_equal(&x->oid, &y->oid) || !version_eq(x->need, y->need) ||
            !version_eq(x->have, y->have))
            return false;
    return !x && !y;
}

static struct pg_missing_item *find(const struct pg_missing *m, const struct oid *oid)
{
    struct pg_missing_item key = {.oid = *oid};

    return RB_FIND(pg_missing_oids, (struct pg_missing_oids *)&m->by_oid, &key);
}

const struct pg_missing_item *pg_missing_find(const struct pg_missing *m, const struct oid *oid)
{
    return find(m, oid);
}

const struct pg_missing_item *pg_missing_first(const struct pg_missing *m)
{
    return RB_MIN(pg_missing_oids, (struct pg_missing_oids *)&m->by_oid);
}

const struct pg_missing_item *pg_missing_next(const struct pg_missing_item *item)
{
    return RB_NEXT(pg_missing_oids, NULL, (struct pg_missing_item *)item);
}

const struct pg_missing_item *pg_missing_from(const struct pg_missing *m, const struct oid *oid)
{
    struct pg_missing_item key = {.oid = *oid};

    return RB_NFIND(pg_missing_oids, (struct pg_missing_oids *)&m->by_oid, &key);
}

const struct pg_missing_item *pg_missing_oldest(const struct pg_missing *m)
{
    return RB_MIN(pg_missing_needs, (struct pg_missing_needs *)&m->by_need);
}

static void need_set(struct pg_missing *m, struct pg_missing_item *item, struct version need)
{
    RB_REMOVE(pg_missing_needs, &m->by_need, item);
    item->need = need;
    RB_INSERT(pg_missing_needs, &m->by_need, item);
}

int pg_missing_entry(struct pg_missing *m, const struct pg_log_entry *e)
{
    struct pg_missing_item *item = find(m, &e->oid);

    if (e->kind == PG_ENTRY_DELETE) {
        if (item)
            item_drop(m, item);
        return 0;
    }
    if (!item) {
        item = item_create(&e->oid, e->version, e->prior, &e->touched);
        if (!item)
            return -ENOMEM;
        item_insert(m, item);
        return 0;
    }
    /* Changes add up only when this one was made on what was needed so far. */
    if (version_eq(e->prior, item->need))
        touched_merge(&item->touched, &e->touched);
    else
        whole_set(&item->touched);
    need_set(m, item, e->version);
    return 0;
}

int pg_missing_set(struct pg_missing *m, const struct oid *oid, struct version need,
                   struct version have, const struct touched *touched)
{
    struct pg_missing_item *item = item_create(oid, need, have, touched), *old = find(m, oid);

    if (!item)
        return -ENOMEM;
    if (old)
        item_drop(m, old);
    item_insert(m, item);
    return 0;
}

int pg_missing_undo(struct pg_missing *m, const struct oid *oid, struct version target)
{
    struct pg_missing_item *item = find(m, oid);

    if (item && item->have.seq && version_eq(item->have, target)) {
        item_drop(m, item);
        return 0;
    }
    if (item && item->have.seq && version_lt(item->have, target)) {
        need_set(m, item, target); /* never got further than an ancestor of the target */
        return 0;
    }
    return pg_missing_set(m, oid, target, (struct version){0}, NULL);
}

void pg_missing_remove(struct pg_missing *m, const struct oid *oid)
{
    struct pg_missing_item *item = find(m, oid);

    if (item)
        item_drop(m, item);
}

void pg_missing_recovered(struct pg_missing *m, const struct oid *oid, struct version version,
                          struct txn *txn)
{
    struct pg_missing_item *item = find(m, oid);

    if (!item || version_lt(version, item->need))
        return;
    if (txn)
        pg_row_missing_rm(txn, oid);
    item_drop(m, item);
}

void pg_missing_begin_copy(struct pg_missing *m, const struct oid *oid, struct txn *txn)
{
    struct pg_missing_item *item = find(m, oid);

    if (!item)
        return;
    item->have = (struct version){0};
    whole_set(&item->touched);
    if (txn)
        pg_missing_row_put(txn, item);
}

void pg_missing_row_put(struct txn *txn, const struct pg_missing_item *item)
{
    struct pg_missing_row row = {item->oid, item->need, item->have, item->touched};

    pg_row_missing_put(txn, &row);
}

static int load(struct pg_missing *m, const struct pg_missing_row *row)
{
    if (find(m, &row->oid) || row->need.seq == 0 || version_lt(row->need, row->have))
        return -R_MALFORMED;
    return pg_missing_set(m, &row->oid, row->need, row->have, &row->touched);
}

int pg_missing_load_row(struct pg_missing *m, struct bytes key, struct bytes value)
{
    struct pg_missing_row row;
    int rc = pg_row_missing_get(key, value, &row);

    if (rc < 0)
        return rc;
    rc = load(m, &row);
    oid_fini(&row.oid);
    touched_fini(&row.touched);
    return rc;
}

int pg_missing_wire(const struct pg_missing *m, struct pg_missing_row **out_rows,
                    uint32_t *out_count)
{
    struct pg_missing_row *rows = mem_calloc(m->count, sizeof(*rows));
    const struct pg_missing_item *item = pg_missing_first(m);
    uint32_t n = 0;

    if (!rows)
        return -ENOMEM;
    for (; item; item = pg_missing_next(item), n++) {
        rows[n].need = item->need;
        rows[n].have = item->have;
        if (oid_copy(&item->oid, &rows[n].oid) < 0)
            goto no_memory;
        if (touched_copy(&item->touched, &rows[n].touched) < 0) {
            oid_fini(&rows[n].oid);
            goto no_memory;
        }
    }
    *out_rows = rows;
    *out_count = n;
    return 0;
no_memory:
    while (n-- > 0) {
        oid_fini(&rows[n].oid);
        touched_fini(&rows[n].touched);
    }
    mem_free(rows);
    return -ENOMEM;
}

int pg_missing_from_wire(const struct pg_missing_row *rows, uint32_t count, struct pg_missing *out)
{
    struct pg_missing m;
    int rc = 0;

    pg_missing_init(&m);
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = load(&m, &rows[i]);
    if (rc < 0)
        pg_missing_fini(&m);
    else
        *out = m;
    return rc;
}

void pg_missing_rows_diff(const struct pg_missing *before, const struct pg_missing *after,
                          struct txn *txn)
{
    const struct pg_missing_item *b = pg_missing_first(before), *a = pg_missing_first(after);

    while (b || a) {
        int order = !b ? 1 : !a ? -1 : oid_cmp(&b->oid, &a->oid);

        if (order < 0)
            pg_row_missing_rm(txn, &b->oid);
        else if (order > 0 || !version_eq(a->need, b->need) || !version_eq(a->have, b->have) ||
                 a->touched.whole != b->touched.whole)
            pg_missing_row_put(txn, a);
        if (order <= 0)
            b = pg_missing_next(b);
        if (order >= 0)
            a = pg_missing_next(a);
    }
}

int pg_missing_derive(struct pg_missing *m, const struct pg_log *log, bool complete,
                      struct bytes last_backfill,
                      struct version (*version_of)(void *arg, const struct oid *oid), void *arg)
{
    struct pg_info info = {.complete = complete, .last_backfill = last_backfill};
    int added = 0;

    for (uint64_t seq = log->tail.seq + 1; seq <= log->head.seq; seq++) {
        const struct pg_log_entry *e = pg_log_at(log, seq);

        if (e != pg_log_newest(log, &e->oid) || e->kind == PG_ENTRY_DELETE || find(m, &e->oid) ||
            !pg_info_covers(&info, &e->oid) || version_eq(version_of(arg, &e->oid), e->version))
            continue;
        if (pg_missing_set(m, &e->oid, e->version, (struct version){0}, NULL) < 0)
            return -ENOMEM;
        added++;
    }
    return added;
}

void pg_missing_check(const struct pg_missing *m)
{
    const struct pg_missing_item *item = pg_missing_first(m);
    uint32_t n = 0;

    for (; item; item = pg_missing_next(item), n++) {
        ASSERT(item->need.seq > 0);
        ASSERT(version_le(item->have, item->need));
        ASSERT(item->have.seq > 0 || item->touched.whole);
    }
    ASSERT(n == m->count);
}
