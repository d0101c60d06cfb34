/* model_disk.c - the rows and object versions of a node, and what a transaction does to them. */
#include "tests/unit/osd/model.h"

int object_of(const struct world *w, const struct oid *oid)
{
    for (int i = 0; i < OBJECTS; i++)
        if (oid_equal(&w->oid[i], oid))
            return i;
    UNREACHABLE();
}

static uint32_t row_place(const struct disk *d, struct bytes key)
{
    uint32_t at = 0;

    while (at < d->count && bytes_compare(d->row[at].key, key) < 0)
        at++;
    return at;
}

static struct bytes dup(struct bytes b)
{
    struct bytes n = {mem_dup(b.data, b.len), b.len};

    ASSERT(n.data);
    return n;
}

static void row_drop(struct disk *d, uint32_t at)
{
    mem_free((void *)d->row[at].key.data);
    mem_free((void *)d->row[at].value.data);
    memmove(&d->row[at], &d->row[at + 1], (d->count - at - 1) * sizeof(*d->row));
    d->count--;
}

static void row_set(struct disk *d, struct bytes key, struct bytes value)
{
    uint32_t at = row_place(d, key);

    if (at < d->count && bytes_equal(d->row[at].key, key))
        row_drop(d, at);
    d->row = mem_realloc(d->row, (d->count + 1) * sizeof(*d->row));
    ASSERT(d->row);
    memmove(&d->row[at + 1], &d->row[at], (d->count - at) * sizeof(*d->row));
    d->row[at] = (struct row){dup(key), dup(value)};
    d->count++;
}

void objects_apply(struct world *w, struct version *object, const struct txn *txn)
{
    for (uint32_t i = 0; i < txn->op_count; i++) {
        const struct txn_op *op = &txn->ops[i];

        if (op->kind == TXN_DELETE)
            object[object_of(w, &txn->objects[op->object])] = (struct version){0};
        else if (op->kind == TXN_VERSION)
            object[object_of(w, &txn->objects[op->object])] = op->version;
    }
}

void disk_apply(struct world *w, struct disk *d, const struct txn *txn)
{
    ASSERT(txn->rc == 0);
    objects_apply(w, d->object, txn);
    for (uint32_t i = 0; i < txn->op_count; i++) {
        const struct txn_op *op = &txn->ops[i];
        uint32_t at = op->key.len ? row_place(d, op->key) : 0;

        if (op->kind == TXN_META_SET)
            row_set(d, op->key, op->value);
        else if (op->kind == TXN_META_RM && at < d->count && bytes_equal(d->row[at].key, op->key))
            row_drop(d, at);
        else if (op->kind == TXN_META_RM_RANGE)
            while (at < d->count && bytes_compare(d->row[at].key, op->value) < 0)
                row_drop(d, at);
    }
}

void disk_fini(struct disk *d)
{
    while (d->count)
        row_drop(d, d->count - 1);
    mem_free(d->row);
    memset(d, 0, sizeof(*d));
}
