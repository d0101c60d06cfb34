/* link.c - the one operation that changes what a key means.
 *
 *   guards: shard row (access), entry as we believe it to be, what the maker adds (intent, upload)
 *   writes: entry or its removal; the row beside an inline one; garbage for what was replaced;
 *           what the shard counts; what the maker adds
 *
 * A condition of the client's is judged by the entry that the guard holds to: so at the very
 * commit.
 *
 * The first try believes that the key is new.  A failed guard on the entry returns the present one
 * and is not logged by the OSDs; the next try replaces just that.  Each failed try means that
 * somebody else's change went through, so there is progress, but we do not try for ever. */
#include "s3/bucket/mover.h"

enum { LINK_TRIES_MAX = 200 };

/* ---- rows of a transaction ---- */

void rows_begin(struct link_rows *r)
{
    r->set_count = r->gone_count = 0;
    r->rc = 0;
    memset(r->value, 0, sizeof(r->value));
}

struct row_key *link_gone(struct link_rows *r)
{
    ASSERT(r->gone_count < LINK_ROWS_MAX);
    return &r->key[LINK_ROWS_MAX + r->gone_count++];
}

struct writer *link_set(struct link_rows *r, struct row_key **out_key)
{
    ASSERT(r->set_count < LINK_ROWS_MAX);
    *out_key = &r->key[r->set_count];
    return &r->value[r->set_count++];
}

void link_garbage(struct link_rows *r, struct bytes object_key, const struct uuid *id,
                  const struct garbage_row *g)
{
    struct row_key *key;
    struct writer *w = link_set(r, &key);

    row_key_garbage(key, object_key, g->kind, id);
    garbage_row_encode(g, w);
}

int rows_end(struct link_rows *r, struct cairn_op *op)
{
    for (uint32_t i = 0; i < r->set_count; i++) {
        if (r->value[i].rc < 0)
            r->rc = r->value[i].rc;
        r->set[i] = pair_of(key_bytes(&r->key[i]), written(&r->value[i]));
    }
    for (uint32_t i = 0; i < r->gone_count; i++)
        r->gone[i] = pair_of(key_bytes(&r->key[LINK_ROWS_MAX + i]), (struct bytes){0});
    if (r->rc == 0 && r->gone_count)
        cairn_op_omap_rm(op, r->gone, r->gone_count);
    if (r->rc == 0 && r->set_count)
        cairn_op_omap_set(op, r->set, r->set_count);
    for (uint32_t i = 0; i < r->set_count; i++)
        writer_fini(&r->value[i]);
    return r->rc;
}

/* ---- links ---- */

void link_init(struct link *k, struct bucket_layer *l, const struct s3_principal *who,
               struct bytes bucket, struct bytes key)
{
    memset(k, 0, sizeof(*k));
    access_init(&k->a, l, who, bucket, key);
}

void link_fini(struct link *k)
{
    access_fini(&k->a);
    writer_fini(&k->next);
    writer_fini(&k->data);
    mem_free(TAKE(k->before));
    mem_free(TAKE(k->rows_now));
}

static struct bytes before_of(const struct link *k)
{
    return (struct bytes){k->before, k->before_bytes};
}

/* Does the client's condition hold of the entry that we believe in? */
static int condition_judge(const struct link *k)
{
    return s3_condition_judge(&k->cond, k->had ? &k->was.etag : NULL, k->was.size, k->was.mtime_ns);
}

/* What becomes of the version that was there. */
static void drop_before(struct link *k, struct link_rows *r)
{
    struct garbage_row g = {.state = GARBAGE_WAITING, .epoch = access_epoch(&k->a)};

    if (!k->had)
        return;
    if (k->was.place != ENTRY_INLINE && PLANTED(PLANT_GARBAGE_LOST))
        return;
    if (k->was.place == ENTRY_INLINE) {
        if (!k->data.len) /* else its data row is overwritten */
            row_key_named(link_gone(r), ROW_DATA, k->a.key);
        return;
    }
    g.kind = k->was.place == ENTRY_STRIPES ? GARBAGE_STRIPES : GARBAGE_MANIFEST;
    if (k->was.place == ENTRY_STRIPES)
        g.stripes = (struct stripes){k->was.origin, k->was.size, k->was.stripe};
    else
        g.origin = k->was.origin;
    link_garbage(r, k->a.key, &k->was.version, &g);
}

static void put_next(struct link *k, struct link_rows *r)
{
    struct row_key *key;
    struct writer *w;

    if (!k->next.len) {
        row_key_named(link_gone(r), ROW_ENTRY, k->a.key);
        return;
    }
    w = link_set(r, &key);
    row_key_named(key, ROW_ENTRY, k->a.key);
    wr_raw(w, k->next.data, k->next.len);
    if (!k->data.len)
        return;
    w = link_set(r, &key);
    row_key_named(key, ROW_DATA, k->a.key);
    wr_raw(w, k->data.data, k->data.len);
}

/* What the shard counts changes with the entry, in the same transaction. */
static int count_change(const struct link *k, struct cairn_op *op)
{
    struct shard_count was = {0}, next = {0};
    struct entry_row e;
    int64_t numbers[3];
    int rc = 0;

    if (k->had && !(PLANTED(PLANT_COUNT_TWICE) && k->next.len))
        was = entry_count(k->a.key.len, k->before_bytes, &k->was);
    if (k->next.len) {
        rc = entry_row_decode(written(&k->next), &e);
        if (rc < 0)
            return rc;
        next = entry_count(k->a.key.len, (uint32_t)k->next.len, &e);
    }
    numbers[0] = (int64_t)(next.entries - was.entries);
    numbers[1] = (int64_t)(next.object_bytes - was.object_bytes);
    numbers[2] = (int64_t)(next.row_bytes - was.row_bytes);
    cairn_op_xattr_add(op, "count", numbers, ARRAY_LEN(numbers));
    return 0;
}

static int link_build(struct access *a, struct cairn_op *op)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    struct link_rows *r = k->rows_now;
    struct bytes before = before_of(k);
    struct row_key key;
    int rc, rows_rc;

    if (!r || k->next.rc < 0 || k->data.rc < 0)
        return -ENOMEM;
    row_key_named(&key, ROW_ENTRY, a->key);
    k->step = cairn_op_cmp_omap(op, key.b, key.len, k->had ? CAIRN_EQ : CAIRN_ABSENT,
                                k->had ? before.data : NULL, k->had ? before.len : 0);
    if (k->guards)
        k->guards(k, op);
    if (!k->had && (!k->next.len || condition_judge(k) < 0))
        return 0; /* nothing to delete or to replace: the guard alone says so */
    rows_begin(r);
    put_next(k, r);
    drop_before(k, r);
    if (k->rows)
        k->rows(k, r);
    rc = count_change(k, op);
    rows_rc = rows_end(r, op);
    return rc < 0 ? rc : rows_rc;
}

/* Believe what the failed guard has shown. */
static int before_learn(struct link *k)
{
    struct bytes value;
    int rc = call_present(&k->a.call, k->step, &value);

    if (rc < 0)
        return rc;
    mem_free(TAKE(k->before));
    k->had = value.len > 0;
    k->before_bytes = value.len;
    if (!k->had)
        return 0;
    k->before = mem_dup(value.data, value.len);
    if (!k->before)
        return -ENOMEM;
    return entry_row_decode(before_of(k), &k->was);
}

static void link_end(struct link *k, int code)
{
    if (code == 0 && !k->had && k->next.len)
        mover_grown(k->a.l, k->a.b, k->a.key, k->a.no);
    k->a.code = code;
    k->done(k);
}

static void link_ran(struct access *a)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    int rc = a->code;

    if (rc == 0 && !k->had)
        rc = condition_judge(k);
    if (rc != -R_GUARD_FAILED || access_failed(a) != k->step) {
        link_end(k, rc);
        return;
    }
    counter_add(&a->l->n.link_retries, 1);
    rc = before_learn(k);
    if (rc == 0 && k->had && !(PLANTED(PLANT_COND_EARLY) && k->tries))
        rc = condition_judge(k);
    if (rc == 0 && ++k->tries == LINK_TRIES_MAX)
        rc = -R_BUCKET_BUSY;
    if (rc < 0)
        link_end(k, rc);
    else
        access_run(a, link_build, link_ran);
}

void link_run(struct link *k, void (*done)(struct link *k))
{
    k->done = done;
    if (!k->rows_now)
        k->rows_now = mem_alloc(sizeof(*k->rows_now));
    access_run(&k->a, link_build, link_ran); /* it looks at what we lack */
}
