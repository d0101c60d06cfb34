/* omap.c - an object's key/value rows: some keys, or a range.
 *
 * Keys that the overlay or the cache know all of are answered at once.  Else LevelDB is asked on a
 * worker, and the overlay is merged when the answer is back (kvread.c says why that is one
 * consistent state).  Each value is verified against the checksum that binds it to its key. */
#include "core/store/read.h"

enum { OMAP_ROWS_DEFAULT = 1024, OMAP_BYTES_DEFAULT = 4 << 20, PAIR_STEP = 64 };

static int read_end_rc(const struct read_op *op, int rc)
{
    if (store_dead(op->s))
        return op->s->failed ? -R_STORE_FAILED : -R_STOPPED;
    return rc;
}

static int pair_copy(struct arena *arena, struct store_pair *p)
{
    p->key.data = arena_dup(arena, p->key.data, p->key.len);
    p->value.data = arena_dup(arena, p->value.data, p->value.len);
    return p->key.data && p->value.data ? 0 : -ENOMEM;
}

/* `stays`: the row is in the reader's arena already. */
static int add_pair(struct store_read *r, uint32_t *cap, struct bytes key, struct bytes stored,
                    bool stays)
{
    struct bytes value;
    struct store_pair *p;
    int rc = row_value_get(key, stored, &value);

    if (rc < 0)
        return rc;
    if (r->pair_count == *cap) {
        uint32_t n = *cap ? *cap * 2 : PAIR_STEP;

        p = arena_alloc(r->arena, n * sizeof(*p));
        if (!p)
            return -ENOMEM;
        if (r->pair_count)
            memcpy(p, r->pairs, r->pair_count * sizeof(*p));
        r->pairs = p;
        *cap = n;
    }
    p = &r->pairs[r->pair_count];
    *p = (struct store_pair){{key.data + 9, key.len - 9}, value};
    rc = stays ? 0 : pair_copy(r->arena, p);
    if (rc == 0)
        r->pair_count++;
    return rc;
}

static void omap_end(struct read_op *op, struct kvread *k, int rc)
{
    if (rc == -R_CSUM_MISMATCH)
        counter_add(&op->s->m.csum_errors, 1);
    if (rc < 0)
        op->r->pair_count = 0;
    kvread_finish(k);
    read_finish(op, rc);
}

static void get_done(struct kvread *k)
{
    struct read_op *op = k->arg;
    uint32_t cap = 0;
    int rc = read_end_rc(op, k->rc);

    for (uint32_t i = 0; i < k->key_count && rc == 0; i++) {
        struct bytes value = k->values[i];
        int newer = overlay_get(&op->s->overlay, k->keys[i], &value);

        if (newer == ROW_PUT || (newer == 0 && value.data))
            rc = add_pair(op->r, &cap, k->keys[i], value, false);
        if (newer == 0 && rc == 0)
            omap_cache_put(op->s, k->keys[i], value);
    }
    omap_end(op, k, rc);
}

/* 1: all keys were known in memory; 0: not all; or a failure. */
static int get_now(struct read_op *op)
{
    struct store_read *r = op->r;
    uint32_t cap = 0;
    int rc = 0;

    for (uint32_t i = 0; i < r->key_count && rc == 0; i++) {
        uint8_t memory[STORE_KEY_MAX];
        struct writer w = wr_over(memory, sizeof(memory));
        struct bytes key, value = {0};
        int newer;

        key_omap(&w, op->obj->nid, r->keys[i]);
        if (w.rc)
            return w.rc;
        key = (struct bytes){memory, (uint32_t)w.len};
        newer = overlay_get(&op->s->overlay, key, &value);
        if (newer == 0 && !omap_cache_get(op->s, key, &value)) {
            r->pair_count = 0;
            return 0;
        }
        if (newer != ROW_DEL && value.data)
            rc = add_pair(r, &cap, key, value, false);
    }
    if (rc == 0)
        counter_add(&op->s->m.omap_memory_rows, r->key_count);
    return rc < 0 ? rc : 1;
}

static int get_start(struct read_op *op, struct kvread *k)
{
    struct store_read *r = op->r;
    int rc = kvread_keys(k, r->key_count);

    for (uint32_t i = 0; i < r->key_count && rc == 0; i++) {
        uint8_t memory[STORE_KEY_MAX];
        struct writer w = wr_over(memory, sizeof(memory));

        key_omap(&w, op->obj->nid, r->keys[i]);
        rc = w.rc ? w.rc : kvread_copy(k, (struct bytes){memory, (uint32_t)w.len}, &k->keys[i]);
    }
    return rc;
}

static void range_done(struct kvread *k)
{
    struct read_op *op = k->arg;
    struct store_read *r = op->r;
    struct bytes key, value;
    struct merge m;
    uint64_t bytes = 0;
    uint32_t cap = 0, rows_max = r->rows_max ? r->rows_max : OMAP_ROWS_DEFAULT;
    uint32_t bytes_max = r->bytes_max ? r->bytes_max : OMAP_BYTES_DEFAULT;
    int rc = read_end_rc(op, k->rc);

    merge_start(&m, op->s, k);
    r->more = k->more;
    while (rc == 0 && merge_next(&m, &key, &value)) {
        bytes += key.len + value.len;
        if (r->pair_count == rows_max || (r->pair_count && bytes > bytes_max)) {
            r->more = true;
            break;
        }
        rc = add_pair(r, &cap, key, value, m.from_kv);
    }
    if (rc == 0 && r->pair_count == 0 && k->more) { /* all of it is deleted: look further */
        kvread_start(k);
        return;
    }
    omap_end(op, k, rc);
}

static int range_start(struct read_op *op, struct kvread *k)
{
    struct store_read *r = op->r;
    uint8_t memory[STORE_KEY_MAX];
    struct writer w = wr_over(memory, sizeof(memory));
    int rc;

    key_omap(&w, op->obj->nid, r->from);
    rc = w.rc ? w.rc : kvread_copy(k, (struct bytes){memory, (uint32_t)w.len}, &k->from);
    w = wr_over(memory, sizeof(memory));
    if (r->to.len)
        key_omap(&w, op->obj->nid, r->to);
    else
        key_omap_end(&w, op->obj->nid);
    if (rc == 0)
        rc = w.rc ? w.rc : kvread_copy(k, (struct bytes){memory, (uint32_t)w.len}, &k->to);
    k->rows = r->arena; /* nobody else touches it before we are done */
    k->rows_max = r->rows_max ? r->rows_max : OMAP_ROWS_DEFAULT;
    k->bytes_max = r->bytes_max ? r->bytes_max : OMAP_BYTES_DEFAULT;
    return rc;
}

void omap_read(struct read_op *op)
{
    bool get = op->r->kind == STORE_OMAP_GET;
    struct kvread *k;
    int rc;

    if (!op->obj->exists || (get && op->r->key_count == 0) ||
        (!get && bytes_compare(op->r->from, op->r->to) >= 0 && op->r->to.len)) {
        read_finish(op, 0);
        return;
    }
    rc = get ? get_now(op) : 0;
    if (rc) {
        if (rc == -R_CSUM_MISMATCH)
            counter_add(&op->s->m.csum_errors, 1);
        if (rc < 0)
            op->r->pair_count = 0;
        read_finish(op, MIN(rc, 0));
        return;
    }
    k = kvread_create(op->s, get ? get_done : range_done, op);
    rc = !k ? -ENOMEM : get ? get_start(op, k) : range_start(op, k);
    if (rc < 0) {
        if (k)
            kvread_finish(k);
        read_finish(op, rc);
        return;
    }
    kvread_start(k);
}
