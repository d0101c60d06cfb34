/* list.c - scans that are not of one object: object names, the rows of a PG, the PGs that have
 * rows.
 *
 * A scan waits until every transaction submitted before it has its after-images (tickets are given
 * out in order of submission), then reads LevelDB and the overlay as one order. */
#include "core/store/store_int.h"

enum { SCAN_ROWS_DEFAULT = 1024, SCAN_BYTES = 8 << 20 };

enum scan_kind { SCAN_LIST, SCAN_META, SCAN_COLLS };
struct scan {
    struct list link; /* store.scans, while it waits */
    struct store *s;
    enum scan_kind kind;
    uint64_t ticket;
    uint32_t cap;
    struct env_task task;
    union {
        struct store_list *l;
        struct store_meta *m;
        struct store_colls *c;
    };
    uint8_t from[STORE_KEY_MAX]; /* COLLS: where the next one may begin */
    uint32_t from_len;
};

static void scan_start(struct scan *sc);

static void scan_finish(struct scan *sc, int rc)
{
    struct store *s = sc->s;
    enum scan_kind kind = sc->kind;
    struct store_list *l = sc->l;
    struct store_meta *m = sc->m;
    struct store_colls *c = sc->c;

    mem_free(sc);
    if (kind == SCAN_LIST) {
        l->rc = rc;
        l->done(l);
    } else if (kind == SCAN_META) {
        m->rc = rc;
        m->done(m);
    } else {
        c->rc = rc;
        c->done(c);
    }
    store_busy_end(s);
}

/* Room for one more in an arena's array. */
static int arena_grow(struct arena *a, void **at, uint32_t count, uint32_t *cap, size_t item)
{
    uint32_t n = *cap ? *cap * 2 : 64;
    void *p;

    if (count < *cap)
        return 0;
    p = arena_alloc(a, n * item);
    if (!p)
        return -ENOMEM;
    if (count)
        memcpy(p, *at, count * item);
    *at = p;
    *cap = n;
    return 0;
}

/* A key with a namespace has a NUL before the name; an oid's bytes have none.  `copy` is ours. */
static int oid_from_key(uint8_t *copy, uint32_t len, struct oid *out_oid)
{
    uint8_t *nul = len > 8 ? memchr(copy + 8, 0, len - 8) : NULL;
    struct oid o = {0};
    uint32_t reversed = 0;

    if (!nul || nul == copy + 8)
        return oid_key_get((struct bytes){copy, len}, out_oid);
    o.ns_bytes = (uint16_t)(nul - copy - 8);
    o.name_bytes = (uint16_t)(copy + len - nul - 1);
    if (o.ns_bytes > OID_NS_MAX || o.name_bytes > OID_NAME_MAX)
        return -R_MALFORMED;
    for (int i = 0; i < 4; i++) {
        o.pool.v = o.pool.v << 8 | copy[i];
        reversed = reversed << 8 | copy[4 + i];
    }
    for (int i = 0; i < 32; i++)
        o.hash |= (reversed >> i & 1) << (31 - i);
    memmove(nul, nul + 1, o.name_bytes);
    o.bytes = copy + 8;
    *out_oid = o;
    return 0;
}

static int list_row(struct scan *sc, struct bytes key, struct bytes value)
{
    struct store_list *l = sc->l;
    struct store_list_row row = {0};
    struct onode_meta meta = {0};
    uint8_t *copy = arena_dup(l->arena, key.data + 1, key.len - 1);
    int rc = copy ? oid_from_key(copy, key.len - 1, &row.oid) : -ENOMEM;

    if (rc < 0)
        return rc == -ENOMEM ? rc : -R_CSUM_MISMATCH;
    /* A damaged onode is listed as version zero: the caller finds the damage when it opens it. */
    if (onode_peek(key, value, &meta) == 0 && !meta.damaged) {
        row.version = meta.version;
        row.size = meta.size;
    }
    rc = arena_grow(l->arena, (void **)&l->rows, l->row_count, &sc->cap, sizeof(row));
    if (rc < 0)
        return rc;
    l->rows[l->row_count++] = row;
    return 0;
}

static int meta_row(struct scan *sc, struct bytes key, struct bytes stored)
{
    struct store_meta *m = sc->m;
    struct bytes value;
    struct store_pair *p;
    int rc = row_value_get(key, stored, &value);

    if (rc == 0)
        rc = arena_grow(m->arena, (void **)&m->pairs, m->pair_count, &sc->cap, sizeof(*p));
    if (rc < 0)
        return rc;
    p = &m->pairs[m->pair_count];
    p->key = (struct bytes){arena_dup(m->arena, key.data + 9, key.len - 9), key.len - 9};
    p->value = (struct bytes){arena_dup(m->arena, value.data, value.len), value.len};
    if (!p->key.data || !p->value.data)
        return -ENOMEM;
    m->pair_count++;
    return 0;
}

static int colls_row(struct scan *sc, struct bytes key)
{
    struct writer w = wr_over(sc->from, sizeof(sc->from));
    struct store_colls *c = sc->c;
    struct bytes rest;
    struct pgid pg;
    int rc = key_meta_get(key, &pg, &rest);

    if (rc == 0)
        rc = arena_grow(c->arena, (void **)&c->colls, c->count, &sc->cap, sizeof(pg));
    if (rc < 0)
        return rc;
    c->colls[c->count++] = pg;
    key_meta_end(&w, pg);
    sc->from_len = (uint32_t)w.len;
    return 0;
}

static uint32_t rows_max(const struct scan *sc)
{
    uint32_t n = sc->kind == SCAN_LIST   ? sc->l->rows_max
                 : sc->kind == SCAN_META ? sc->m->rows_max
                                         : 1;

    return n ? n : SCAN_ROWS_DEFAULT;
}

static void set_more(struct scan *sc, bool more)
{
    if (sc->kind == SCAN_LIST)
        sc->l->more = more;
    else if (sc->kind == SCAN_META)
        sc->m->more = more;
}

static void scan_done(struct kvread *k)
{
    struct scan *sc = k->arg;
    struct store *s = sc->s;
    struct bytes key, value;
    struct merge m;
    uint32_t rows = 0;
    bool more = k->more;
    int rc = store_dead(s) ? s->failed ? -R_STORE_FAILED : -R_STOPPED : k->rc;

    merge_start(&m, s, k);
    while (rc == 0 && merge_next(&m, &key, &value)) {
        if (rows++ == rows_max(sc)) {
            more = true;
            break;
        }
        if (sc->kind == SCAN_LIST)
            rc = list_row(sc, key, value);
        else if (sc->kind == SCAN_META)
            rc = meta_row(sc, key, value);
        else
            rc = colls_row(sc, key);
    }
    if (rc == 0 && rows == 0 && k->more) { /* all of it is deleted: look further */
        kvread_start(k);
        return;
    }
    set_more(sc, more);
    kvread_finish(k);
    if (rc == 0 && rows && sc->kind == SCAN_COLLS)
        scan_start(sc);
    else
        scan_finish(sc, rc);
}

static int scan_keys(struct scan *sc, struct kvread *k)
{
    uint8_t memory[2][STORE_KEY_MAX];
    struct writer from = wr_over(memory[0], STORE_KEY_MAX), to = wr_over(memory[1], STORE_KEY_MAX);
    int rc;

    if (sc->kind == SCAN_LIST) {
        wr_u8(&from, 'o');
        wr_raw(&from, sc->l->from.data, sc->l->from.len);
        wr_u8(&to, sc->l->to.len ? 'o' : 'o' + 1);
        wr_raw(&to, sc->l->to.data, sc->l->to.len);
    } else if (sc->kind == SCAN_META) {
        key_meta(&from, sc->m->coll, sc->m->from);
        if (sc->m->to.len)
            key_meta(&to, sc->m->coll, sc->m->to);
        else
            key_meta_end(&to, sc->m->coll);
    } else {
        wr_raw(&from, sc->from, sc->from_len);
        wr_u8(&to, 'p' + 1);
    }
    rc = from.rc ? from.rc : to.rc;
    if (rc == 0)
        rc = kvread_copy(k, (struct bytes){memory[0], (uint32_t)from.len}, &k->from);
    if (rc == 0)
        rc = kvread_copy(k, (struct bytes){memory[1], (uint32_t)to.len}, &k->to);
    return rc;
}

static void scan_start(struct scan *sc)
{
    struct kvread *k = kvread_create(sc->s, scan_done, sc);
    int rc = k ? scan_keys(sc, k) : -ENOMEM;

    if (store_dead(sc->s))
        rc = sc->s->failed ? -R_STORE_FAILED : -R_STOPPED;
    if (rc < 0) {
        if (k)
            kvread_finish(k);
        scan_finish(sc, rc);
        return;
    }
    k->rows_max = rows_max(sc);
    k->bytes_max = SCAN_BYTES;
    kvread_start(k);
}

static bool earlier_unresolved(const struct store *s, uint64_t ticket)
{
    LIST_EACH (l, &s->coll_list) {
        struct coll *c = CONTAINER_OF(l, struct coll, link);

        if (!list_empty(&c->orders) &&
            LIST_FIRST(&c->orders, struct tx, resolved_link)->ticket <= ticket)
            return true;
    }
    return false;
}

static void scan_run(struct env_task *task)
{
    struct scan *sc = CONTAINER_OF(task, struct scan, task);

    if (!store_dead(sc->s) && earlier_unresolved(sc->s, sc->ticket))
        list_push_back(&sc->s->scans, &sc->link);
    else
        scan_start(sc);
}

/* By tasks: the caller may be anywhere. */
void scans_wake(struct store *s)
{
    LIST_EACH_SAFE (l, &s->scans) {
        struct scan *sc = CONTAINER_OF(l, struct scan, link);

        if (!store_dead(s) && earlier_unresolved(s, sc->ticket))
            continue;
        list_remove(&sc->link);
        env_post(s->env, &sc->task);
    }
}

static int scan_create(struct store *s, enum scan_kind kind, struct scan **out_sc)
{
    struct scan *sc = store_dead(s) ? NULL : mem_zalloc(sizeof(*sc));

    if (!sc)
        return store_dead(s) ? s->failed ? -R_STORE_FAILED : -R_STOPPED : -ENOMEM;
    sc->s = s;
    sc->kind = kind;
    sc->ticket = s->ticket;
    list_init(&sc->link);
    env_task_init(&sc->task, scan_run);
    *out_sc = sc;
    return 0;
}

static void list_refused(struct env_task *task)
{
    struct store_list *l = CONTAINER_OF(task, struct store_list, task);

    l->done(l);
}

void store_list(struct store *s, struct store_list *l)
{
    struct scan *sc;

    l->rows = NULL;
    l->row_count = 0;
    l->more = false;
    l->rc = l->from.len > OID_KEY_MAX || l->to.len > OID_KEY_MAX ? -EINVAL
                                                                 : scan_create(s, SCAN_LIST, &sc);
    if (l->rc < 0) {
        env_task_init(&l->task, list_refused);
        env_post(s->env, &l->task);
        return;
    }
    sc->l = l;
    store_busy(s);
    env_post(s->env, &sc->task);
}

static void meta_refused(struct env_task *task)
{
    struct store_meta *m = CONTAINER_OF(task, struct store_meta, task);

    m->done(m);
}

void store_meta(struct store *s, struct store_meta *m)
{
    struct scan *sc;

    m->pairs = NULL;
    m->pair_count = 0;
    m->more = false;
    m->rc = scan_create(s, SCAN_META, &sc);
    if (m->rc < 0) {
        env_task_init(&m->task, meta_refused);
        env_post(s->env, &m->task);
        return;
    }
    sc->m = m;
    store_busy(s);
    env_post(s->env, &sc->task);
}

static void colls_refused(struct env_task *task)
{
    struct store_colls *c = CONTAINER_OF(task, struct store_colls, task);

    c->done(c);
}

void store_colls(struct store *s, struct store_colls *c)
{
    struct scan *sc;

    c->colls = NULL;
    c->count = 0;
    c->rc = scan_create(s, SCAN_COLLS, &sc);
    if (c->rc < 0) {
        env_task_init(&c->task, colls_refused);
        env_post(s->env, &c->task);
        return;
    }
    sc->c = c;
    sc->from[0] = 'p';
    sc->from_len = 1;
    store_busy(s);
    env_post(s->env, &sc->task);
}
