/* client_where.c - where an object is: each OSD is asked for its own copy, read from disk now. */
#include "core/client/client_int.h"

enum { COPY_TIMEOUT_MS = 5000 };

static void query_end(struct copy_query *q)
{
    env_timer_cancel(q->c->env, &q->deadline);
    list_remove(&q->link);
    q->done(q);
}

static void query_timed_out(struct env_timer *t)
{
    query_end(CONTAINER_OF(t, struct copy_query, deadline));
}

static void query_start(struct cairn *c, struct copy_query *q)
{
    struct session *s = osd_session(c, q->osd);
    struct msg_copy_query *m = s ? MESSAGE_NEW(copy_query) : NULL;

    q->out->rc = -ETIMEDOUT;
    q->id = c->next_id++;
    list_push_back(&c->copies, &q->link);
    env_timer_init(&q->deadline, query_timed_out);
    env_timer_after(c->env, &q->deadline, COPY_TIMEOUT_MS * NS_PER_MS);
    if (!m || oid_copy(q->oid, &m->oid) < 0) {
        msg_free(m ? &m->base : NULL);
        q->out->rc = s ? -ENOMEM : -EHOSTDOWN;
        query_end(q);
        return;
    }
    m->id = q->id;
    m->pg = q->pg;
    session_send(s, &m->base);
}

void copies_reply(struct cairn *c, struct msg_copy_reply *m)
{
    LIST_EACH (pos, &c->copies) {
        struct copy_query *q = LIST_ENTRY(pos, struct copy_query, link);

        if (q->id != m->id)
            continue;
        q->out->rc = reason_errno(m->rc);
        q->out->bytes = m->size;
        q->out->version_epoch = m->version.epoch.v;
        q->out->version_seq = m->version.seq;
        q->out->crc32c = m->crc32c;
        query_end(q);
        return;
    }
}

void copies_reset(struct cairn *c, struct session *s)
{
    LIST_EACH_SAFE (pos, &c->copies) {
        struct copy_query *q = LIST_ENTRY(pos, struct copy_query, link);

        if ((uint32_t)q->osd.v < c->link_count && c->links[q->osd.v].session == s) {
            q->out->rc = -ECONNRESET;
            query_end(q);
        }
    }
}

void copies_fail_all(struct cairn *c)
{
    while (!list_empty(&c->copies)) {
        struct copy_query *q = LIST_FIRST(&c->copies, struct copy_query, link);

        q->out->rc = -ESHUTDOWN;
        query_end(q);
    }
}

struct where_call {
    struct cairn_pool *pool;
    struct oid oid; /* borrowed name */
    struct cairn_where *where;
    struct copy_query query[2 * OSD_SET_MAX];
    unsigned left;
    struct waiter waiter;
    int rc;
};

static void where_query_done(struct copy_query *q)
{
    struct where_call *k = q->arg;

    if (--k->left == 0)
        waiter_done(&k->waiter);
}

static void set_out(const struct osd_set *s, int *out, int *out_count)
{
    *out_count = s->count;
    for (unsigned i = 0; i < s->count; i++)
        out[i] = s->osd[i].v;
}

static void copy_add(struct where_call *k, struct pgid pg, struct osd_id osd)
{
    struct cairn_where *w = k->where;

    for (int i = 0; i < w->copy_count; i++)
        if (w->copy[i].osd == osd.v)
            return;
    w->copy[w->copy_count] = (struct cairn_copy){.osd = osd.v};
    k->query[w->copy_count] = (struct copy_query){.c = k->pool->c,
                                                  .osd = osd,
                                                  .pg = pg,
                                                  .oid = &k->oid,
                                                  .out = &w->copy[w->copy_count],
                                                  .done = where_query_done,
                                                  .arg = k};
    w->copy_count++;
}

static void where_on_reactor(void *arg)
{
    struct where_call *k = arg;
    struct cairn *c = k->pool->c;
    const struct pool *p = osdmap_pool_named(c->map, k->pool->name);
    struct placement at;
    struct pgid pg;

    k->rc = p ? 0 : -R_NO_POOL;
    if (p) {
        k->oid.pool = p->id;
        pg = oid_pg(&k->oid, p->pg_count);
        k->rc = osdmap_place(c->map, pg, &at);
    }
    if (k->rc < 0) {
        waiter_done(&k->waiter);
        return;
    }
    k->where->epoch = c->map->epoch.v;
    k->where->pool = pg.pool.v;
    k->where->pg = pg.seed;
    set_out(&at.up, k->where->up, &k->where->up_count);
    set_out(&at.acting, k->where->acting, &k->where->acting_count);
    for (unsigned i = 0; i < at.up.count; i++)
        copy_add(k, pg, at.up.osd[i]);
    for (unsigned i = 0; i < at.acting.count; i++)
        copy_add(k, pg, at.acting.osd[i]);
    k->left = (unsigned)k->where->copy_count + 1;
    for (int i = 0; i < k->where->copy_count; i++)
        query_start(c, &k->query[i]);
    if (--k->left == 0) /* our own hold, so that early failures do not end the wait twice */
        waiter_done(&k->waiter);
}

int cairn_where(struct cairn_pool *p, const char *name, struct cairn_where *out_where)
{
    struct where_call k = {.pool = p, .where = out_where};
    int rc = client_may_wait(p->c);

    memset(out_where, 0, sizeof(*out_where));
    if (rc == 0)
        rc = oid_make((struct pool_id){0}, BYTES_STR(name), &k.oid);
    if (rc < 0)
        return reason_errno(rc);
    waiter_init(&k.waiter, 1);
    host_call(p->c->host, 0, where_on_reactor, &k);
    waiter_wait(&k.waiter);
    return reason_errno(k.rc);
}
