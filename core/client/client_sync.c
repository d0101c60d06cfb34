/* client_sync.c - pools, and the forms that wait: one operation at a time, and listing. */
#include <stdio.h>

#include "core/client/client_int.h"

static int pool_make(struct cairn *c, const char *name, struct cairn_pool **out_pool)
{
    struct cairn_pool *p;

    if (strlen(name) > POOL_NAME_MAX)
        return -ENAMETOOLONG;
    p = mem_zalloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->c = c;
    snprintf(p->name, sizeof(p->name), "%s", name);
    *out_pool = p;
    return 0;
}

int cairn_pool_open_env(struct cairn *c, const char *name, struct cairn_pool **out_pool)
{
    return pool_make(c, name, out_pool);
}

struct pool_look {
    struct cairn *c;
    const char *name;
    struct pool_id id;
    uint32_t pg_count;
};

static void look_on_reactor(void *arg)
{
    struct pool_look *l = arg;
    const struct pool *p = osdmap_pool_named(l->c->map, l->name);

    if (p) {
        l->id = p->id;
        l->pg_count = p->pg_count;
    }
}

static struct pool_look pool_look(struct cairn *c, const char *name)
{
    struct pool_look l = {.c = c, .name = name};

    host_call(c->host, 0, look_on_reactor, &l);
    return l;
}

int cairn_pool_open(struct cairn *c, const char *name, struct cairn_pool **out_pool)
{
    int rc = client_may_wait(c);

    if (rc < 0)
        return rc;
    if (pool_look(c, name).pg_count == 0)
        return -ENOENT;
    return pool_make(c, name, out_pool);
}

void cairn_pool_close(struct cairn_pool *p)
{
    mem_free(p);
}

static void run_done(struct cairn_op *op, int rc, void *arg)
{
    UNUSED(op);
    UNUSED(rc);
    waiter_done(arg);
}

int cairn_run(struct cairn_pool *p, const void *name, size_t name_bytes, struct cairn_op *op)
{
    struct waiter w;
    int rc = client_may_wait(p->c);

    if (rc < 0)
        return rc;
    waiter_init(&w, 1);
    rc = cairn_submit(p, name, name_bytes, op, run_done, &w);
    if (rc < 0)
        waiter_done(&w);
    waiter_wait(&w);
    return rc < 0 ? rc : cairn_op_rc(op);
}

/* Run a prepared operation on a named object, then free it. */
static int run_and_free(struct cairn_pool *p, const char *name, struct cairn_op *op)
{
    int rc = cairn_run(p, name, strlen(name), op);

    cairn_op_destroy(op);
    return rc;
}

int cairn_write_full(struct cairn_pool *p, const char *name, const void *data, size_t bytes)
{
    struct cairn_op *op = cairn_op_create();

    if (!op)
        return -ENOMEM;
    (void)cairn_op_write_full(op, data, bytes); /* a failure comes with the submit */
    return run_and_free(p, name, op);
}

int cairn_write(struct cairn_pool *p, const char *name, uint64_t off, const void *data,
                size_t bytes)
{
    struct cairn_op *op = cairn_op_create();

    if (!op)
        return -ENOMEM;
    (void)cairn_op_write(op, off, data, bytes);
    return run_and_free(p, name, op);
}

ssize_t cairn_read(struct cairn_pool *p, const char *name, uint64_t off, void *dst, size_t bytes)
{
    struct cairn_op *op = cairn_op_create();
    ssize_t rc;

    if (!op)
        return -ENOMEM;
    (void)cairn_op_read(op, off, bytes);
    rc = bytes ? cairn_run(p, name, strlen(name), op) : 0;
    if (rc == 0)
        rc = (ssize_t)cairn_op_data(op, 0, 0, dst, bytes);
    cairn_op_destroy(op);
    return rc;
}

int cairn_stat(struct cairn_pool *p, const char *name, struct cairn_stat *out_stat)
{
    struct cairn_op *op = cairn_op_create();
    int rc;

    if (!op)
        return -ENOMEM;
    (void)cairn_op_stat(op);
    rc = cairn_run(p, name, strlen(name), op);
    if (rc == 0)
        rc = cairn_op_stat_result(op, 0, out_stat);
    cairn_op_destroy(op);
    return rc;
}

int cairn_remove(struct cairn_pool *p, const char *name)
{
    struct cairn_op *op = cairn_op_create();

    if (!op)
        return -ENOMEM;
    (void)cairn_op_delete(op);
    return run_and_free(p, name, op);
}

/* ---- listing ---- */

enum { LIST_ROWS = 1000 };

/* One answer's rows to the caller; the key to go on from is kept in `next`. */
static int rows_give(struct cairn_op *op,
                     int (*each)(void *, const void *, size_t, const struct cairn_stat *),
                     void *arg, struct writer *next)
{
    size_t count = cairn_op_pair_count(op, 0, NULL);

    for (size_t i = 0; i < count; i++) {
        struct cairn_pair row = cairn_op_pair(op, 0, i);
        struct cursor c = cur_over(row.value, row.value_bytes);
        struct cairn_stat st = {.bytes = cur_u64(&c)};
        struct version v = cur_version(&c);
        struct oid oid;
        int rc = oid_key_get((struct bytes){row.key, (uint32_t)row.key_bytes}, &oid);

        if (rc == 0)
            rc = c.rc;
        if (rc < 0)
            return reason_errno(rc);
        st.version_epoch = v.epoch.v;
        st.version_seq = v.seq;
        rc = each(arg, oid_name(&oid).data, oid_name(&oid).len, &st);
        if (rc)
            return rc;
        if (i + 1 == count) {
            next->len = 0;
            wr_raw(next, row.key, row.key_bytes);
            wr_u8(next, 0); /* the smallest key after it */
        }
    }
    return reason_errno(next->rc);
}

static int pg_list(struct cairn_pool *p, struct pgid pg,
                   int (*each)(void *, const void *, size_t, const struct cairn_stat *), void *arg)
{
    AUTO(writer) from = {0};
    bool more = true;
    int rc = 0;

    while (rc == 0 && more) {
        struct cairn_op *op = cairn_op_create();
        struct step *st = op ? steps_add(&op->steps, STEP_PG_LIST) : NULL;
        struct waiter w;

        if (!st) {
            cairn_op_destroy(op);
            return -ENOMEM;
        }
        st->rows_max = LIST_ROWS;
        st->key = steps_dup(&op->steps, (struct bytes){from.data, (uint32_t)from.len});
        op->on_pg = true;
        op->pg = pg;
        waiter_init(&w, 1);
        rc = reason_errno(client_submit(p, op, run_done, &w));
        if (rc < 0)
            waiter_done(&w);
        waiter_wait(&w);
        if (rc == 0)
            rc = cairn_op_rc(op);
        if (rc == 0)
            rc = rows_give(op, each, arg, &from);
        (void)cairn_op_pair_count(op, 0, &more);
        cairn_op_destroy(op);
    }
    return rc;
}

int cairn_list(struct cairn_pool *p,
               int (*each)(void *arg, const void *name, size_t name_bytes,
                           const struct cairn_stat *st),
               void *arg)
{
    int rc = client_may_wait(p->c);
    struct pool_look l;

    if (rc < 0)
        return rc;
    l = pool_look(p->c, p->name);
    if (l.pg_count == 0)
        return -ENOENT;
    for (uint32_t i = 0; rc == 0 && i < l.pg_count; i++)
        rc = pg_list(p, (struct pgid){l.id, i}, each, arg);
    return rc;
}
