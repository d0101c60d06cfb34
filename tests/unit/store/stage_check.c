/* stage_check.c - asking the store under test what it holds, and comparing it with the model. */
#include <stdio.h>

#include "tests/unit/store/stage.h"

/* --- reading --- */

struct read_box {
    struct store_read r;
    struct stage *st;
};

static void box_done(struct store_read *r)
{
    struct read_box *b = CONTAINER_OF(r, struct read_box, r);

    b->st->rc = r->rc;
    b->st->done = true;
}

static void do_read(void *arg)
{
    struct read_box *b = arg;

    arena_init(b->r.arena);
    b->r.done = box_done;
    store_read(b->st->s, &b->r);
}

static void drop_arena(void *arg)
{
    struct read_box *b = arg;

    buf_fini(&b->r.data);
    arena_fini(b->r.arena);
}

static int check_rc(struct stage *st, const char *what, int rc)
{
    if (rc < 0 && st->why[0] == 0)
        snprintf(st->why, sizeof(st->why), "%s: %s", what, reason_name(rc));
    return rc;
}

static int differs(struct stage *st, const char *what, unsigned c, unsigned i, uint64_t at)
{
    snprintf(st->why, sizeof(st->why), "seed %llu: %s of object %u.%u differs at %llu",
             (unsigned long long)st->seed, what, c, i, (unsigned long long)at);
    return -EILSEQ;
}

static int check_data(struct stage *st, unsigned c, unsigned i, uint64_t off, uint64_t len)
{
    struct model_object *m = &st->model.o[c][i];
    static struct arena arena;
    static struct read_box b;
    uint64_t want = off < m->size ? MIN(len, m->size - off) : 0;
    int rc;

    b = (struct read_box){.st = st};
    b.r.obj = st->held[c][i];
    b.r.kind = STORE_DATA;
    b.r.off = off;
    b.r.len = len;
    b.r.arena = &arena;
    rc = stage_run(st, do_read, &b);
    if (rc < 0)
        return rc;
    stage_wait(st, &st->done);
    if (!stage_alive(st))
        return -ESHUTDOWN;
    rc = st->rc;
    if (rc == 0 && b.r.data.bytes != want)
        rc = differs(st, "length", c, i, b.r.data.bytes);
    if (rc == 0 && want) {
        uint8_t *got = malloc(want);

        buf_copy_out(&b.r.data, 0, got, want);
        if (memcmp(got, m->data + off, want) != 0) {
            uint64_t k = 0;

            while (got[k] == m->data[off + k])
                k++;
            rc = differs(st, "data", c, i, off + k);
        }
        if (rc == 0 && crcs_check(off, &b.r.data, b.r.crcs) < 0)
            rc = differs(st, "checksum", c, i, off);
        free(got);
    }
    stage_enter(st, drop_arena, &b);
    return rc;
}

int stage_read_object(struct stage *st, unsigned c, unsigned i)
{
    static struct arena arena;
    static struct read_box b;
    int rc = object_damaged(st->held[c][i]) ? -R_CSUM_MISMATCH : 0;

    for (int kind = STORE_DATA; kind <= STORE_OMAP_RANGE && rc == 0; kind += STORE_OMAP_RANGE) {
        b = (struct read_box){.st = st};
        b.r.obj = st->held[c][i];
        b.r.kind = (enum store_read_kind)kind;
        b.r.len = STAGE_BYTES_MAX;
        b.r.rows_max = 1000;
        b.r.arena = &arena;
        rc = stage_run(st, do_read, &b);
        if (rc < 0)
            return rc;
        stage_wait(st, &st->done);
        rc = st->rc;
        stage_enter(st, drop_arena, &b);
    }
    return rc;
}

struct deletion {
    struct store_commit c;
    struct stage *st;
    unsigned coll, o;
};

static void deleted(struct store_commit *c)
{
    struct deletion *d = CONTAINER_OF(c, struct deletion, c);

    d->st->rc = 0;
    d->st->done = true;
}

static void do_delete(void *arg)
{
    struct deletion *d = arg;
    struct oid oid = stage_oid(d->coll, d->o);
    struct txn *t = txn_create(stage_pg(d->coll));

    d->c.committed = deleted;
    txn_delete(t, txn_object(t, &oid));
    d->st->rc = store_submit(d->st->s, t, &d->c);
    d->st->done = d->st->rc < 0;
    txn_unref(t);
}

int stage_delete(struct stage *st, unsigned c, unsigned i)
{
    static struct deletion d;
    int rc;

    d = (struct deletion){.st = st, .coll = c, .o = i};
    rc = stage_run(st, do_delete, &d);
    if (rc == 0)
        stage_wait(st, &st->done);
    return rc < 0 ? rc : st->rc;
}

static void do_salvage_over(void *arg)
{
    struct stage *st = arg;

    store_salvage_over(st->s);
}

int stage_salvage_over(struct stage *st)
{
    return stage_run(st, do_salvage_over, st);
}

struct past {
    uint8_t *data;
    uint64_t size;
};

static struct past remember(const struct model_object *m)
{
    struct past p = {malloc(m->size + 1), m->size};

    memcpy(p.data, m->data, m->size);
    return p;
}

int stage_check_pipelined(struct stage *st, unsigned c, unsigned i, unsigned more)
{
    static struct arena arena;
    static struct read_box b;
    struct past past[9] = {remember(&st->model.o[c][i])};
    uint8_t *got = malloc(STAGE_BYTES_MAX);
    bool found = false;
    int rc;

    T_LT(more, 9);
    b = (struct read_box){.st = st};
    b.r.obj = st->held[c][i];
    b.r.kind = STORE_DATA;
    b.r.len = STAGE_BYTES_MAX;
    b.r.arena = &arena;
    rc = stage_run(st, do_read, &b);
    for (unsigned k = 1; k <= more && rc == 0; k++) {
        rc = stage_submit(st, c);
        past[k] = remember(&st->model.o[c][i]);
        stage_pass(st, rng_below(&st->rng, 3 * NS_PER_MS));
    }
    stage_wait(st, &st->done);
    rc = rc < 0 ? rc : st->rc;
    if (rc == 0)
        buf_copy_out(&b.r.data, 0, got, b.r.data.bytes);
    for (unsigned k = 0; k <= more && rc == 0 && !found; k++)
        found = b.r.data.bytes == past[k].size && memcmp(got, past[k].data, past[k].size) == 0;
    if (rc == 0 && !found)
        rc = differs(st, "pipelined read", c, i, b.r.data.bytes);
    for (unsigned k = 0; k <= more; k++)
        free(past[k].data);
    free(got);
    stage_enter(st, drop_arena, &b);
    return check_rc(st, "pipelined read", rc);
}

static int check_omap(struct stage *st, unsigned c, unsigned i)
{
    struct model_object *m = &st->model.o[c][i];
    static struct arena arena;
    static struct read_box b;
    uint8_t memory[256];
    uint32_t at = 0, k = 0;
    int rc;

    b = (struct read_box){.st = st};
    b.r.obj = st->held[c][i];
    b.r.kind = STORE_OMAP_RANGE;
    b.r.rows_max = 1000;
    b.r.arena = &arena;
    rc = stage_run(st, do_read, &b);
    if (rc < 0)
        return rc;
    stage_wait(st, &st->done);
    if (!stage_alive(st))
        return -ESHUTDOWN;
    rc = st->rc;
    for (k = 0; k < STAGE_KEYS && rc == 0; k++) {
        char key[16];

        if (m->omap[k] == 0)
            continue;
        stage_omap_key(k, key);
        if (at >= b.r.pair_count || !bytes_equal(b.r.pairs[at].key, BYTES_STR(key)) ||
            !bytes_equal(b.r.pairs[at].value, stage_value(m->omap[k], memory)))
            rc = differs(st, "omap", c, i, k);
        at++;
    }
    if (rc == 0 && (at != b.r.pair_count || b.r.more))
        rc = differs(st, "number of omap rows", c, i, b.r.pair_count);
    stage_enter(st, drop_arena, &b);
    return rc;
}

static bool version_as(const struct stage *st, struct version v, const struct model_object *m)
{
    return version_eq(v, m->version) || (st->in_doubt && v.seq == 0);
}

bool stage_same_version(struct stage *st, unsigned c, unsigned i)
{
    const struct model_object *m = &st->model.o[c][i];

    return m->exists && version_eq(object_version(st->held[c][i]), m->version);
}

static int check_meta(struct stage *st, unsigned c, unsigned i)
{
    struct model_object *m = &st->model.o[c][i];
    struct object *obj = st->held[c][i];
    uint8_t memory[256];
    struct bytes v;

    if (object_exists(obj) != m->exists)
        return differs(st, "existence", c, i, 0);
    if (object_size(obj) != m->size)
        return differs(st, "size", c, i, object_size(obj));
    if (!version_as(st, object_version(obj), m))
        return differs(st, "version", c, i, object_version(obj).seq);
    for (unsigned k = 0; k < STAGE_XATTRS; k++) {
        int rc = object_xattr(obj, BYTES_STR(stage_xattr_names[k]), &v);

        if ((rc == 0) != (m->xattr[k] != 0) ||
            (rc == 0 && !bytes_equal(v, stage_value(m->xattr[k], memory))))
            return differs(st, "xattr", c, i, k);
    }
    return 0;
}

int stage_check_object(struct stage *st, unsigned c, unsigned i)
{
    int rc = check_rc(st, "meta", check_meta(st, c, i));

    if (rc == 0)
        rc = check_rc(st, "data", check_data(st, c, i, 0, STAGE_BYTES_MAX));
    if (rc == 0)
        rc = check_rc(st, "part",
                      check_data(st, c, i, rng_below(&st->rng, STAGE_BYTES_MAX),
                                 rng_below(&st->rng, 20000) + 1));
    if (rc == 0)
        rc = check_rc(st, "omap", check_omap(st, c, i));
    return rc;
}

struct list_box {
    struct store_list l;
    struct stage *st;
};

static void list_done(struct store_list *l)
{
    struct list_box *b = CONTAINER_OF(l, struct list_box, l);

    b->st->rc = l->rc;
    b->st->done = true;
}

static void do_list(void *arg)
{
    struct list_box *b = arg;

    arena_init(b->l.arena);
    b->l.done = list_done;
    store_list(b->st->s, &b->l);
}

static void drop_list(void *arg)
{
    arena_fini(arg);
}

static int check_list(struct stage *st)
{
    static struct arena arena;
    static struct list_box b;
    uint32_t want = 0, found = 0;
    int rc;

    b = (struct list_box){.st = st};
    b.l.rows_max = 100;
    b.l.arena = &arena;
    rc = stage_run(st, do_list, &b);
    if (rc < 0)
        return rc;
    stage_wait(st, &st->done);
    if (!stage_alive(st))
        return -ESHUTDOWN;
    rc = st->rc;
    for (unsigned c = 0; c < STAGE_COLLS; c++)
        for (unsigned i = 0; i < STAGE_OBJECTS; i++) {
            struct oid oid = stage_oid(c, i);

            want += st->model.o[c][i].exists;
            for (uint32_t k = 0; k < b.l.row_count; k++)
                if (oid_equal(&b.l.rows[k].oid, &oid))
                    found += st->model.o[c][i].exists &&
                             b.l.rows[k].size == st->model.o[c][i].size &&
                             version_as(st, b.l.rows[k].version, &st->model.o[c][i]);
        }
    for (uint32_t k = 1; k < b.l.row_count && rc == 0; k++)
        if (oid_cmp(&b.l.rows[k - 1].oid, &b.l.rows[k].oid) >= 0)
            rc = differs(st, "order of listing", 0, 0, k);
    if (rc == 0 && (found != want || b.l.row_count != want || b.l.more))
        rc = differs(st, "listing", 0, 0, b.l.row_count);
    stage_enter(st, drop_list, &arena);
    return rc;
}

struct meta_box {
    struct store_meta m;
    struct stage *st;
};

static void meta_done(struct store_meta *m)
{
    struct meta_box *b = CONTAINER_OF(m, struct meta_box, m);

    b->st->rc = m->rc;
    b->st->done = true;
}

static void do_meta(void *arg)
{
    struct meta_box *b = arg;

    arena_init(b->m.arena);
    b->m.done = meta_done;
    store_meta(b->st->s, &b->m);
}

/* The head row, and exactly the log rows that it implies.  *out_head gets the number. */
static int read_meta(struct stage *st, unsigned c, uint32_t *out_head)
{
    static struct arena arena;
    static struct meta_box b;
    uint32_t head = 0, rows = 0, first;
    uint8_t memory[256];
    int rc;

    b = (struct meta_box){.st = st};
    b.m.coll = stage_pg(c);
    b.m.rows_max = 1000;
    b.m.arena = &arena;
    rc = stage_run(st, do_meta, &b);
    if (rc < 0)
        return rc;
    stage_wait(st, &st->done);
    if (!stage_alive(st))
        return -ESHUTDOWN;
    rc = st->rc;
    if (rc == 0 && b.m.pair_count && bytes_equal(b.m.pairs[0].key, BYTES_STR("head")))
        memcpy(&head, b.m.pairs[0].value.data, 4);
    first = head > STAGE_LOG_KEEP ? head - STAGE_LOG_KEEP : 1;
    rows = head ? 1 : 0;
    for (uint32_t n = first; n <= head && rc == 0 && head; n++, rows++) {
        char key[16];

        snprintf(key, sizeof(key), "log%08u", n);
        if (rows >= b.m.pair_count || !bytes_equal(b.m.pairs[rows].key, BYTES_STR(key)) ||
            !bytes_equal(b.m.pairs[rows].value, stage_value(n, memory)))
            rc = differs(st, "log rows", c, 0, n);
    }
    if (rc == 0 && rows != b.m.pair_count)
        rc = differs(st, "number of log rows", c, 0, b.m.pair_count);
    *out_head = head;
    stage_enter(st, drop_list, &arena);
    return rc;
}

int stage_check_all(struct stage *st)
{
    int rc = 0;

    for (unsigned c = 0; c < STAGE_COLLS && rc == 0; c++) {
        uint32_t head;

        for (unsigned i = 0; i < STAGE_OBJECTS && rc == 0; i++)
            rc = stage_check_object(st, c, i);
        if (rc == 0)
            rc = check_rc(st, "meta rows", read_meta(st, c, &head));
        if (rc == 0 && head != st->model.head[c])
            rc = differs(st, "head", c, 0, head);
    }
    return rc ? rc : check_rc(st, "list", check_list(st));
}

int stage_recovered(struct stage *st)
{
    int rc = 0;

    for (unsigned c = 0; c < STAGE_COLLS && rc == 0; c++) {
        uint32_t head;

        rc = check_rc(st, "head", read_meta(st, c, &head));
        if (rc == 0 && head < st->acked[c]) {
            snprintf(st->why, sizeof(st->why), "seed %llu: coll %u acknowledged %u, recovered %u",
                     (unsigned long long)st->seed, c, st->acked[c], head);
            rc = -EILSEQ;
        }
        /* The one being submitted when the power went may be there though submit did not return. */
        if (rc == 0 && head > st->submitted[c] + 1)
            rc = differs(st, "future", c, 0, head);
        if (rc == 0 && head != st->model.head[c]) {
            model_clear(&st->model, c);
            for (uint32_t n = 1; n <= head; n++)
                stage_play(st, &st->model, c, n);
        }
        st->submitted[c] = st->acked[c] = head;
    }
    return rc;
}

static void on_problem(void *arg, const char *text)
{
    struct stage *st = arg;

    if (st->problems++ == 0)
        snprintf(st->why, sizeof(st->why), "fsck: %s", text);
}

static void do_fsck(void *arg)
{
    struct stage *st = arg;
    struct fsck_report report;
    struct note why = {0};

    st->rc = store_fsck(st->fsck_env, st->conf.folder, &report, on_problem, NULL, st, &why);
    if (st->rc < 0)
        snprintf(st->why, sizeof(st->why), "fsck: %s", why.text);
}

int stage_fsck(struct stage *st)
{
    int rc;

    st->problems = 0;
    rc = stage_run(st, do_fsck, st);
    return rc < 0 ? rc : st->rc;
}
