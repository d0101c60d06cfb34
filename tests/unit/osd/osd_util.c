/* osd_util.c - small things that the tests of the log, of missing objects and of merging share. */
#include "tests/unit/osd/osd_util.h"

const struct pgid util_pg = {{1}, 0};

struct oid util_oid(char name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    struct oid o;

    T_OK(oid_make(util_pg.pool, (struct bytes){(const uint8_t *)&letters[name - 'a'], 1}, &o));
    return o;
}

struct version util_v(uint32_t epoch, uint64_t seq)
{
    return (struct version){{epoch}, seq};
}

struct pg_log_entry *util_entry(const struct pg_log *log, uint32_t epoch, char name,
                                uint64_t client, uint64_t op, uint64_t floor)
{
    struct pg_log_entry *e = pg_log_entry_create();
    struct oid oid = util_oid(name);
    const struct pg_log_entry *before = pg_log_newest(log, &oid);

    T_TRUE(e != NULL);
    e->version = util_v(epoch, log->head.seq + 1);
    if (before && before->kind == PG_ENTRY_MODIFY)
        e->prior = before->version;
    e->kind = PG_ENTRY_MODIFY;
    T_OK(oid_copy(&oid, &e->oid));
    e->reqid = (struct reqid){client, op};
    e->floor = floor;
    e->rc = (int32_t)op;
    touched_range(&e->touched, 100 * e->version.seq, 10);
    return e;
}

void util_write(struct pg_log *log, uint32_t epoch, char name, uint64_t client, uint64_t op,
                uint64_t floor)
{
    T_OK(pg_log_append(log, util_entry(log, epoch, name, client, op, floor)));
}

void util_delete(struct pg_log *log, uint32_t epoch, char name)
{
    struct pg_log_entry *e = util_entry(log, epoch, name, 0, 0, 0);

    e->kind = PG_ENTRY_DELETE;
    T_OK(pg_log_append(log, e));
}

void util_append(struct pg_copy *c, uint32_t epoch, const char *names)
{
    for (; *names; names++)
        util_write(&c->log, epoch, *names, 0, 0, 0);
}

void util_copy(struct pg_copy *c, uint32_t epoch, const char *names)
{
    T_OK(pg_copy_init(c, util_pg));
    c->info.created.v = 1;
    c->info.complete = true;
    util_append(c, epoch, names);
}

static uint32_t place(const struct util_rows *r, struct bytes key)
{
    uint32_t at = 0;

    while (at < r->count && bytes_compare(r->row[at].key, key) < 0)
        at++;
    return at;
}

static void drop(struct util_rows *r, uint32_t at)
{
    mem_free((void *)r->row[at].key.data);
    mem_free((void *)r->row[at].value.data);
    memmove(&r->row[at], &r->row[at + 1], (r->count - at - 1) * sizeof(*r->row));
    r->count--;
}

static void set(struct util_rows *r, struct bytes key, struct bytes value)
{
    uint32_t at = place(r, key);

    if (at < r->count && bytes_equal(r->row[at].key, key))
        drop(r, at);
    r->row = mem_realloc(r->row, (r->count + 1) * sizeof(*r->row));
    T_TRUE(r->row != NULL);
    memmove(&r->row[at + 1], &r->row[at], (r->count - at) * sizeof(*r->row));
    r->row[at].key = (struct bytes){mem_dup(key.data, key.len), key.len};
    r->row[at].value = (struct bytes){mem_dup(value.data, value.len), value.len};
    r->count++;
}

void util_rows_apply(struct util_rows *r, const struct txn *txn)
{
    T_EQ(txn->rc, 0);
    for (uint32_t i = 0; i < txn->op_count; i++) {
        const struct txn_op *op = &txn->ops[i];
        uint32_t at = op->key.len ? place(r, op->key) : 0;

        if (op->kind == TXN_META_SET)
            set(r, op->key, op->value);
        else if (op->kind == TXN_META_RM && at < r->count && bytes_equal(r->row[at].key, op->key))
            drop(r, at);
        while (op->kind == TXN_META_RM_RANGE && at < r->count &&
               bytes_compare(r->row[at].key, op->value) < 0)
            drop(r, at);
    }
}

void util_rows_load(const struct util_rows *r, struct pg_copy *out)
{
    T_OK(pg_copy_init(out, util_pg));
    for (uint32_t i = 0; i < r->count; i++)
        T_OK(pg_copy_load_row(out, r->row[i].key, r->row[i].value));
    T_OK(pg_copy_load_end(out));
}

void util_rows_fini(struct util_rows *r)
{
    while (r->count)
        drop(r, r->count - 1);
    mem_free(r->row);
}
