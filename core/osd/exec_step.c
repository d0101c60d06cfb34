/* exec_step.c - guards and reads of an operation, one after the other.
 *
 * What is in the cached onode is answered at once; data and omap come from the store, which calls
 * back: then the operation goes on with the same step.  A block that fails its checksum is fetched
 * from another member, rewritten here and read again (repair.c): the client does not see it. */
#include "core/osd/pg.h"

enum { READ_TRIES = 3, OMAP_BYTES_MAX = STEPS_FRONT_BYTES_MAX };

static void read_done(struct store_read *r)
{
    struct client_op *op = CONTAINER_OF(r, struct client_op, read);

    op->read_done = true;
    exec_read_done(op);
}

static int ask(struct client_op *op, struct store_read r)
{
    if (!object_exists(op->octx->obj) && !object_damaged(op->octx->obj))
        return -R_NO_OBJECT;
    buf_fini(&op->read.data);
    r.obj = op->octx->obj;
    r.arena = &op->reply->results.arena;
    r.done = read_done;
    op->read = r;
    op->read_done = false;
    op->busy = true;
    store_read(op->pg->o->store, &op->read);
    return 1;
}

/* ---- guards ---- */

static int compare(const struct step *st, struct step_result *res, bool present, struct bytes have)
{
    if (step_cmp_holds(st->cmp, present, have, st->value))
        return 0;
    if (present && have.len && buf_append_copy(&res->data, have.data, have.len) < 0)
        return -ENOMEM;
    return -R_GUARD_FAILED;
}

static int cmp_xattr(struct client_op *op, const struct step *st, struct step_result *res)
{
    struct bytes have = {0};
    bool present = object_exists(op->octx->obj) && object_xattr(op->octx->obj, st->key, &have) == 0;

    return compare(st, res, present, have);
}

static int cmp_omap(struct client_op *op, const struct step *st, struct step_result *res)
{
    if (op->read_done)
        return compare(st, res, op->read.pair_count > 0,
                       op->read.pair_count ? op->read.pairs[0].value : (struct bytes){0});
    if (!object_exists(op->octx->obj))
        return compare(st, res, false, (struct bytes){0});
    return ask(op, (struct store_read){.kind = STORE_OMAP_GET, .keys = &st->key, .key_count = 1});
}

static int guard_version(struct client_op *op, const struct step *st, struct step_result *res)
{
    res->version = object_version(op->octx->obj);
    return version_eq(res->version, st->version) ? 0 : -R_GUARD_FAILED;
}

/* ---- reads ---- */

static int take_pairs(struct client_op *op, struct step_result *res)
{
    uint32_t n = op->read.pair_count;

    if (n) {
        res->pairs = arena_alloc(&op->reply->results.arena, n * sizeof(*res->pairs));
        if (!res->pairs)
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < n; i++)
        res->pairs[i] = (struct step_pair){op->read.pairs[i].key, op->read.pairs[i].value};
    res->pair_count = n;
    res->more = op->read.more;
    return 0;
}

static int read_data(struct client_op *op, const struct step *st, struct step_result *res)
{
    bool data = st->kind == STEP_READ;

    if (op->read_done) {
        res->data = buf_move(&op->read.data);
        res->crcs = op->read.crcs;
        res->crc_count = data ? crc_count(st->off, res->data.bytes) : 0;
        return 0;
    }
    return ask(op, (struct store_read){.kind = data ? STORE_DATA : STORE_EXTENTS,
                                       .off = st->off,
                                       .len = st->len ? st->len : OBJECT_BYTES_MAX});
}

static int read_stat(struct client_op *op, struct step_result *res)
{
    const struct object *obj = op->octx->obj;
    struct bytes mtime;
    struct cursor c;

    if (!object_exists(obj))
        return -R_NO_OBJECT;
    res->size = object_size(obj);
    res->version = object_version(obj);
    if (object_xattr(obj, EXEC_MTIME_XATTR, &mtime) == 0) {
        c = cur_over(mtime.data, mtime.len);
        res->mtime_wall_ns = cur_u64(&c);
    }
    return 0;
}

static int read_xattr(struct client_op *op, const struct step *st, struct step_result *res)
{
    struct bytes value;
    int rc =
        object_exists(op->octx->obj) ? object_xattr(op->octx->obj, st->key, &value) : -R_NO_OBJECT;

    if (exec_xattr_own(st->key))
        return -R_NO_XATTR;
    if (rc == 0 && value.len)
        rc = buf_append_copy(&res->data, value.data, value.len);
    return rc;
}

static int read_xattrs(struct client_op *op, struct step_result *res)
{
    struct arena *arena = &op->reply->results.arena;
    struct bytes name = {0}, value;
    uint32_t n = 0;

    if (!object_exists(op->octx->obj))
        return -R_NO_OBJECT;
    while (object_xattr_next(op->octx->obj, name, &name, &value))
        n += !exec_xattr_own(name);
    res->pairs = n ? arena_alloc(arena, n * sizeof(*res->pairs)) : NULL;
    if (n && !res->pairs)
        return -ENOMEM;
    name = (struct bytes){0};
    while (res->pair_count < n && object_xattr_next(op->octx->obj, name, &name, &value)) {
        struct step_pair *p = &res->pairs[res->pair_count];

        if (exec_xattr_own(name))
            continue;
        res->pair_count++;
        /* The next write may change what the onode holds; the answer may still wait then. */
        p->key = (struct bytes){arena_dup(arena, name.data, name.len), name.len};
        p->value = (struct bytes){arena_dup(arena, value.data, value.len), value.len};
        if (!p->key.data || !p->value.data)
            return -ENOMEM;
    }
    return 0;
}

static int omap_get(struct client_op *op, const struct step *st, struct step_result *res)
{
    struct bytes *keys;

    if (op->read_done)
        return take_pairs(op, res);
    keys = arena_alloc(&op->reply->results.arena, MAX(st->pair_in_count, 1u) * sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    for (uint32_t i = 0; i < st->pair_in_count; i++)
        keys[i] = st->pairs_in[i].key;
    return ask(op, (struct store_read){
                       .kind = STORE_OMAP_GET, .keys = keys, .key_count = st->pair_in_count});
}

static int omap_range(struct client_op *op, const struct step *st, struct step_result *res)
{
    if (op->read_done)
        return take_pairs(op, res);
    return ask(op, (struct store_read){.kind = STORE_OMAP_RANGE,
                                       .from = st->key,
                                       .to = st->value,
                                       .rows_max = st->rows_max,
                                       .bytes_max = OMAP_BYTES_MAX / 2});
}

/* ---- the PG's objects ---- */

static void list_done(struct store_list *l)
{
    struct client_op *op = CONTAINER_OF(l, struct client_op, list);

    op->read_done = true;
    op->read.rc = l->rc;
    exec_read_done(op);
}

static int list_take(struct client_op *op, struct step_result *res)
{
    struct arena *arena = &op->reply->results.arena;
    struct store_list *l = &op->list;

    res->pairs = l->row_count ? arena_alloc(arena, l->row_count * sizeof(*res->pairs)) : NULL;
    if (l->row_count && !res->pairs)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->row_count; i++) {
        const struct oid *oid = &l->rows[i].oid;
        size_t room = 9u + oid->ns_bytes + oid->name_bytes + 20u; /* the key, then the value */
        uint8_t *mem = arena_alloc(arena, room);
        struct writer w;
        size_t key_len;

        if (!mem)
            return -ENOMEM;
        w = wr_over(mem, room);
        oid_key_put(&w, oid);
        key_len = w.len;
        wr_u64(&w, l->rows[i].size);
        wr_version(&w, l->rows[i].version);
        ASSERT(w.rc == 0);
        res->pairs[i] = (struct step_pair){{mem, (uint32_t)key_len},
                                           {mem + key_len, (uint32_t)(w.len - key_len)}};
    }
    res->pair_count = l->row_count;
    res->more = l->more;
    return 0;
}

static int pg_list(struct client_op *op, const struct step *st, struct step_result *res)
{
    struct pg *pg = op->pg;
    const struct pool *pool = osdmap_pool(pg->o->map, pg->id.pool);
    struct bytes first;

    if (op->read_done)
        return list_take(op, res);
    if (pg->copy.missing.count) { /* what we lack would be left out: wait until it is here */
        list_push_back(&pg->blocked, &op->link);
        return 1;
    }
    op->range = pg_range(pg->id, pool->pg_count);
    first = (struct bytes){op->range.from, sizeof(op->range.from)};
    op->list = (struct store_list){
        .from = bytes_compare(st->key, first) > 0 ? st->key : first,
        .to = {op->range.to, sizeof(op->range.to)},
        .rows_max = st->rows_max,
        .arena = &op->reply->results.arena,
        .done = list_done,
    };
    if (bytes_compare(op->list.from, op->list.to) >= 0)
        return 0;
    op->busy = true;
    store_list(pg->o->store, &op->list);
    return 1;
}

/* ---- one after the other ---- */

static int step_run(struct client_op *op, const struct step *st, struct step_result *res)
{
    switch (st->kind) {
    case STEP_ASSERT_EXISTS:
        return object_exists(op->octx->obj) ? 0 : -R_NO_OBJECT;
    case STEP_ASSERT_ABSENT:
        res->version = object_version(op->octx->obj);
        return object_exists(op->octx->obj) ? -R_EXISTS : 0;
    case STEP_ASSERT_VERSION:
        return guard_version(op, st, res);
    case STEP_CMP_XATTR:
        return cmp_xattr(op, st, res);
    case STEP_CMP_OMAP:
        return cmp_omap(op, st, res);
    case STEP_READ:
    case STEP_EXTENTS:
        return read_data(op, st, res);
    case STEP_STAT:
        return read_stat(op, res);
    case STEP_XATTR_GET:
        return read_xattr(op, st, res);
    case STEP_XATTR_LIST:
        return read_xattrs(op, res);
    case STEP_OMAP_GET:
        return omap_get(op, st, res);
    case STEP_OMAP_RANGE:
        return omap_range(op, st, res);
    case STEP_PG_LIST:
        return pg_list(op, st, res);
    case STEP_CLONE_RANGE:
        return exec_clone_prepare(op, op->step);
    default:
        return 0; /* other writes are built in one go */
    }
}

int exec_steps(struct client_op *op)
{
    const struct steps *s = &op->m->steps;

    for (; op->step < s->count; op->step++) {
        const struct step *st = &s->step[op->step];
        struct step_result *res = &op->reply->results.result[op->step];
        int rc = op->read_done ? op->read.rc : 0;

        if (rc == -R_CSUM_MISMATCH && op->tries++ < READ_TRIES) {
            op->read_done = false;
            rc = repair_start(op);
            if (rc == 1)
                return 1;
        }
        if (rc == 0)
            rc = step_run(op, st, res);
        if (rc == 1)
            return 1;
        op->read_done = false;
        res->rc = rc;
        if (rc < 0 && (exec_no_answer(rc) || !(st->flags & STEP_MAY_FAIL)))
            return rc;
    }
    return 0;
}
