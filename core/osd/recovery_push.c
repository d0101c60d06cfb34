/* recovery_push.c - an object, or what changed of it, as one chunk after the other.
 *
 * A chunk is a transaction for the receiver.  Whole object: the first chunk deletes what is there,
 * sets the size and all attributes; bytes follow by extents (holes stay holes), then omap rows.
 * Only what changed: size, all attributes, the touched ranges and keys, in one chunk or not at all:
 * if it would not fit, the whole object is sent.  The last chunk sets the version: until then the
 * object counts as absent.
 *
 * Operations on the object wait while it is copied, so what is read here does not change between
 * chunks. */
#include "core/osd/pg.h"

enum { CHUNK_BYTES = 4 << 20, CHUNK_ROWS = 1024, CHUNK_OMAP_BYTES = 1 << 20 };
#define DATA_DONE UINT64_MAX /* as an offset: all bytes were sent, omap rows follow */

enum push_stage {
    PUSH_OPEN,
    PUSH_HEAD,
    PUSH_EXTENTS,
    PUSH_DATA,
    PUSH_OMAP,
    PUSH_RANGES,
    PUSH_KEYS,
    PUSH_SEND
};

struct push {
    struct pg *pg;
    struct osd_id to;
    struct session *session; /* ref, or NULL: ours to `to` */
    struct epoch interval;
    enum push_stage stage;
    struct msg_pg_push *m; /* owned */
    struct txn *txn;       /* ref */
    uint16_t o;
    struct oid oid; /* owned */
    struct version need, have;
    bool whole;
    uint64_t off, tag;
    struct bytes omap_from; /* owned */
    struct touched touched; /* owned */
    struct object_open open;
    struct object *obj; /* ref */
    struct arena arena, rows_arena;
    struct store_read read;
    struct buf extents; /* rows of (off, len) in this chunk */
    uint64_t extent_at; /* the next row's place */
    uint64_t size, bytes;
    uint32_t range; /* the next touched range */
};

static void run(struct push *p);

static void destroy(struct push *p)
{
    struct pg *pg = p->pg;

    buf_fini(&p->read.data);
    buf_fini(&p->extents);
    arena_fini(&p->arena);
    arena_fini(&p->rows_arena);
    touched_fini(&p->touched);
    mem_free((void *)p->omap_from.data);
    object_unref(p->obj);
    oid_fini(&p->oid);
    txn_unref(p->txn);
    msg_free(p->m ? &p->m->base : NULL);
    session_unref(p->session);
    mem_free(p);
    pg->busy--;
    pg_maybe_free(pg);
}

/* ---- leaving ---- */

static void send(struct push *p, int rc)
{
    struct pg *pg = p->pg;
    struct msg_pg_push *m = p->m;

    if (!osd_serving(pg->o) || pg->phase != PG_LIVE || !epoch_eq(p->interval, pg_since(pg))) {
        destroy(p);
        return;
    }
    if (rc == -R_CSUM_MISMATCH && p->obj)
        repair_found(pg, p->obj, &p->read);
    if (rc < 0 && !p->session) {
        uint64_t tag = p->tag;

        destroy(p);
        recovery_unreadable(pg, tag, rc);
        return;
    }
    p->m = NULL;
    m->rc = rc;
    if (rc == 0) {
        m->txn = TAKE(p->txn);
        m->version = object_version(p->obj);
    }
    if (!p->session) {
        recovery_sent(pg, m);
        osd_send(pg->o, p->to, &m->base);
    } else {
        session_send(p->session, &m->base);
    }
    destroy(p);
}

static void finish(struct push *p)
{
    int rc = p->txn->rc;

    if (p->m->last && p->m->exists)
        txn_version(p->txn, p->o, object_version(p->obj));
    send(p, rc ? rc : p->txn->rc);
}

/* ---- reading ---- */

static void read_done(struct store_read *r)
{
    struct push *p = CONTAINER_OF(r, struct push, read);

    if (r->rc < 0)
        send(p, r->rc);
    else
        run(p);
}

static void ask(struct push *p, struct store_read r)
{
    buf_fini(&p->read.data);
    arena_fini(&p->arena);
    r.obj = p->obj;
    r.arena = &p->arena;
    r.done = read_done;
    p->read = r;
    store_read(p->pg->o->store, &p->read);
}

/* ---- what every chunk that begins carries ---- */

static void head(struct push *p)
{
    struct bytes name = {0}, value;

    p->size = object_size(p->obj);
    if (p->whole) {
        txn_delete(p->txn, p->o);
        txn_touch(p->txn, p->o);
    }
    txn_truncate(p->txn, p->o, p->size);
    while (object_xattr_next(p->obj, name, &name, &value))
        txn_xattr_set(p->txn, p->o, name, value);
}

/* ---- bytes of the whole object ---- */

static void extents_ask(struct push *p)
{
    p->stage = PUSH_DATA;
    p->extent_at = 0;
    ask(p, (struct store_read){.kind = STORE_EXTENTS,
                               .off = p->off,
                               .len = MIN((uint64_t)CHUNK_BYTES, p->size - p->off)});
}

/* The bytes that were read go into the transaction. */
static void data_take(struct push *p)
{
    if (p->read.kind == STORE_EXTENTS) {
        buf_fini(&p->extents);
        p->extents = buf_move(&p->read.data);
        return;
    }
    if (p->read.data.bytes)
        txn_write(p->txn, p->o, p->read.off, &p->read.data, p->read.crcs);
}

/* True when something is being read. */
static bool data_ask(struct push *p)
{
    uint8_t row[16];
    struct cursor c;
    uint64_t off, len;

    if (p->extent_at + sizeof(row) > p->extents.bytes)
        return false;
    buf_copy_out(&p->extents, p->extent_at, row, sizeof(row));
    p->extent_at += sizeof(row);
    c = cur_over(row, sizeof(row));
    off = cur_u64(&c);
    len = cur_u64(&c);
    ask(p, (struct store_read){.kind = STORE_DATA, .off = off, .len = len});
    return true;
}

static void data_next(struct push *p)
{
    data_take(p);
    if (data_ask(p))
        return;
    p->off += MIN((uint64_t)CHUNK_BYTES, p->size - p->off);
    if (p->off < p->size) {
        p->m->next_off = p->off;
        finish(p);
        return;
    }
    p->off = DATA_DONE;
    p->stage = PUSH_OMAP;
    run(p);
}

/* ---- omap rows ---- */

static void pairs_take(struct push *p)
{
    for (uint32_t i = 0; i < p->read.pair_count; i++)
        txn_omap_set(p->txn, p->o, p->read.pairs[i].key, p->read.pairs[i].value);
}

static void omap_ask(struct push *p)
{
    p->stage = PUSH_SEND;
    ask(p, (struct store_read){.kind = STORE_OMAP_RANGE,
                               .from = p->omap_from,
                               .rows_max = CHUNK_ROWS,
                               .bytes_max = CHUNK_OMAP_BYTES});
}

/* The rows were read: the end, or the place to go on from. */
static int omap_take(struct push *p)
{
    struct store_read *r = &p->read;
    struct bytes last;
    uint8_t *next;

    pairs_take(p);
    p->m->last = !r->more;
    if (!r->more)
        return 0;
    last = r->pairs[r->pair_count - 1].key;
    next = mem_alloc(last.len + 1u);
    if (!next)
        return -ENOMEM;
    memcpy(next, last.data, last.len);
    next[last.len] = 0; /* the first key after it */
    p->m->next_off = DATA_DONE;
    p->m->next_omap = (struct bytes){next, last.len + 1u};
    return 0;
}

/* ---- only what changed ---- */

static bool fits(const struct push *p)
{
    uint64_t bytes = 0;

    if (p->touched.whole || p->touched.omap_cleared)
        return false;
    for (unsigned i = 0; i < p->touched.range_count; i++)
        bytes += p->touched.range[i].len;
    return bytes <= CHUNK_BYTES;
}

static void ranges_next(struct push *p)
{
    if (p->range > 0 && p->read.data.bytes)
        txn_write(p->txn, p->o, p->read.off, &p->read.data, p->read.crcs);
    while (p->range < p->touched.range_count) {
        uint64_t off = p->touched.range[p->range].off, len = p->touched.range[p->range].len;

        p->range++;
        if (off >= p->size)
            continue;
        ask(p, (struct store_read){.kind = STORE_DATA, .off = off, .len = MIN(len, p->size - off)});
        return;
    }
    p->stage = PUSH_KEYS;
    if (p->touched.key_count == 0) {
        p->m->last = true;
        finish(p);
        return;
    }
    ask(p, (struct store_read){
               .kind = STORE_OMAP_GET, .keys = p->touched.key, .key_count = p->touched.key_count});
}

static void keys_take(struct push *p)
{
    for (unsigned i = 0; i < p->touched.key_count; i++)
        txn_omap_rm(p->txn, p->o, p->touched.key[i]);
    pairs_take(p);
    p->m->last = true;
    finish(p);
}

/* ---- from stage to stage ---- */

/* 0, or why it cannot be had here. */
static int check(const struct push *p)
{
    static const struct version none;

    if (object_damaged(p->obj))
        return -R_CSUM_MISMATCH;
    if (version_eq(p->need, none))
        return 0;
    return object_exists(p->obj) && version_eq(object_version(p->obj), p->need) ? 0 : -R_NO_OBJECT;
}

static void begin(struct push *p)
{
    int rc = check(p);

    if (rc < 0) {
        send(p, rc);
        return;
    }
    p->m->exists = object_exists(p->obj);
    if (!p->m->exists) {
        txn_delete(p->txn, p->o);
        p->m->first = p->m->last = true;
        finish(p);
        return;
    }
    if (!p->whole && !fits(p))
        p->whole = true;
    p->m->first = !p->whole || (p->off == 0 && p->omap_from.len == 0);
    if (p->m->first)
        head(p);
    p->size = object_size(p->obj);
    if (!p->whole)
        p->stage = PUSH_RANGES;
    else
        p->stage = p->off == DATA_DONE || p->off >= p->size ? PUSH_OMAP : PUSH_EXTENTS;
    run(p);
}

static void run(struct push *p)
{
    int rc;

    switch (p->stage) {
    case PUSH_OPEN:
    case PUSH_HEAD:
        begin(p);
        break;
    case PUSH_EXTENTS:
        extents_ask(p);
        break;
    case PUSH_DATA:
        data_next(p);
        break;
    case PUSH_OMAP:
        omap_ask(p);
        break;
    case PUSH_RANGES:
        ranges_next(p);
        break;
    case PUSH_KEYS:
        keys_take(p);
        break;
    case PUSH_SEND:
        rc = omap_take(p);
        if (rc < 0)
            send(p, rc);
        else
            finish(p);
        break;
    }
}

static void opened(struct object_open *open)
{
    struct push *p = CONTAINER_OF(open, struct push, open);

    p->obj = open->obj;
    if (open->rc < 0)
        send(p, open->rc);
    else
        run(p);
}

/* ---- starting ---- */

static int fill(struct push *p, const struct push_want *want)
{
    static const struct version none;

    p->need = want->need;
    p->have = want->have;
    p->off = want->off;
    p->tag = want->tag;
    p->whole = !want->touched || want->touched->whole || version_eq(want->have, none);
    if (oid_copy(&want->oid, &p->oid) < 0 || oid_copy(&want->oid, &p->m->oid) < 0)
        return -ENOMEM;
    if (!p->whole && touched_copy(want->touched, &p->touched) < 0)
        return -ENOMEM;
    if (want->omap_from.len) {
        p->omap_from.data = mem_dup(want->omap_from.data, want->omap_from.len);
        if (!p->omap_from.data)
            return -ENOMEM;
        p->omap_from.len = want->omap_from.len;
    }
    p->m->pg = p->pg->id;
    p->m->interval = p->interval;
    p->m->tag = want->tag;
    p->o = txn_object(p->txn, &p->oid);
    return 0;
}

int push_start(struct pg *pg, struct osd_id to, struct session *s, const struct push_want *want)
{
    struct push *p = mem_zalloc(sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->pg = pg;
    p->to = to;
    p->interval = pg_since(pg);
    p->session = s ? session_ref(s) : NULL;
    arena_init(&p->arena);
    arena_init(&p->rows_arena);
    pg->busy++;
    p->m = MESSAGE_NEW(pg_push);
    p->txn = txn_create(pg->id);
    if (!p->m || !p->txn || fill(p, want) < 0) {
        destroy(p);
        return -ENOMEM;
    }
    p->open = (struct object_open){.oid = p->oid, .done = opened};
    store_object_open(pg->o->store, &p->open);
    return 0;
}

void recovery_pull(struct pg *pg, struct session *s, struct msg_pg_pull *m)
{
    struct push_want want = {.oid = m->oid,
                             .need = m->need,
                             .have = m->have,
                             .off = m->off,
                             .touched = m->touched.whole ? NULL : &m->touched,
                             .omap_from = m->omap_from,
                             .tag = m->tag};

    if (push_start(pg, OSD_NONE, s, &want) < 0)
        session_close(s); /* the asker learns that it has to ask again */
    msg_free(&m->base);
}
