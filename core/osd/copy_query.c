/* copy_query.c - what this OSD's own copy of an object is, read from the disk now.
 *
 * Any OSD answers for itself, whatever its part in the PG: that is how `cairn object where` and the
 * tests look at each copy.  A copy found damaged that way is repaired like any other. */
#include "core/base/crc.h"
#include "core/osd/pg.h"

enum { PIECE = 4 << 20 };

struct copy_query {
    struct osd *o;
    struct session *session;  /* ref */
    struct msg_copy_query *m; /* owned */
    struct object_open open;
    struct object *obj; /* ref */
    struct arena arena;
    struct store_read read;
    uint64_t off;
    uint32_t crc;
};

static void answer(struct copy_query *q, int rc)
{
    struct msg_copy_reply *r = MESSAGE_NEW(copy_reply);
    struct pg *pg = rc == -R_CSUM_MISMATCH && osd_serving(q->o) ? osd_pg(q->o, q->m->pg) : NULL;

    if (pg && q->obj)
        repair_found(pg, q->obj, &q->read);
    if (r) {
        r->id = q->m->id;
        r->from = q->o->id;
        r->rc = rc;
        r->size = q->obj ? object_size(q->obj) : 0;
        if (q->obj)
            r->version = object_version(q->obj);
        r->crc32c = q->crc;
        session_send(q->session, &r->base);
    } else {
        session_close(q->session);
    }
    buf_fini(&q->read.data);
    arena_fini(&q->arena);
    object_unref(q->obj);
    session_unref(q->session);
    msg_free(&q->m->base);
    mem_free(q);
}

static void next(struct copy_query *q);

static void was_read(struct store_read *r)
{
    struct copy_query *q = CONTAINER_OF(r, struct copy_query, read);

    if (r->rc < 0 || r->data.bytes == 0) {
        answer(q, r->rc);
        return;
    }
    q->crc = crc32c_join(q->crc, buf_crc32c(&r->data, 0, r->data.bytes), r->data.bytes);
    q->off += r->data.bytes;
    next(q);
}

static void next(struct copy_query *q)
{
    if (q->off >= object_size(q->obj)) {
        answer(q, 0);
        return;
    }
    buf_fini(&q->read.data);
    arena_fini(&q->arena);
    q->read = (struct store_read){.obj = q->obj,
                                  .kind = STORE_DATA,
                                  .off = q->off,
                                  .len = PIECE,
                                  .from_device = true,
                                  .arena = &q->arena,
                                  .done = was_read};
    store_read(q->o->store, &q->read);
}

static void opened(struct object_open *open)
{
    struct copy_query *q = CONTAINER_OF(open, struct copy_query, open);

    q->obj = open->obj;
    if (open->rc < 0)
        answer(q, open->rc);
    else if (object_damaged(q->obj))
        answer(q, -R_CSUM_MISMATCH);
    else if (!object_exists(q->obj))
        answer(q, -R_NO_OBJECT);
    else
        next(q);
}

void copy_query_take(struct osd *o, struct session *s, struct msg_copy_query *m)
{
    struct copy_query *q = mem_zalloc(sizeof(*q));

    if (!q) {
        session_close(s);
        msg_free(&m->base);
        return;
    }
    q->o = o;
    q->m = m;
    q->session = session_ref(s);
    arena_init(&q->arena);
    q->open = (struct object_open){.oid = m->oid, .done = opened};
    store_object_open(o->store, &q->open);
}
