/* osd_dispatch.c - messages to where they belong.
 *
 * A message made under a map that we do not have waits for it (`held`, bounded: beyond that its
 * session ends, and whoever sent it sends it again). */
#include "core/osd/pg.h"

void held_free(struct held *h)
{
    list_remove(&h->link);
    session_unref(h->session);
    msg_free(h->msg);
    mem_free(h);
}

void held_drop_all(struct list *holds)
{
    while (!list_empty(holds))
        held_free(LIST_FIRST(holds, struct held, link));
}

static uint64_t cost(const struct msg *m)
{
    return m->type->bytes + (m->type->cost ? m->type->cost(m) : 0);
}

void osd_hold(struct osd *o, struct session *s, struct msg *m)
{
    struct held *h = o->held_bytes < OSD_HELD_BYTES_MAX ? mem_zalloc(sizeof(*h)) : NULL;

    if (!h) {
        session_close(s);
        msg_free(m);
        return;
    }
    list_init(&h->link);
    h->session = session_ref(s);
    h->msg = m;
    o->held_bytes += cost(m);
    list_push_back(&o->held, &h->link);
    osd_maps_request(o);
}

static void dispatch(struct osd *o, struct session *s, struct msg *m);

void osd_held_run(struct osd *o)
{
    struct list now;

    list_init(&now);
    list_splice(&now, &o->held);
    o->held_bytes = 0;
    while (!list_empty(&now)) {
        struct held *h = LIST_FIRST(&now, struct held, link);
        struct msg *m = TAKE(h->msg);

        list_remove(&h->link);
        if (session_dead(h->session))
            msg_free(m); /* its sender knows that it may be lost */
        else
            dispatch(o, h->session, m);
        held_free(h);
    }
}

static void dispatch(struct osd *o, struct session *s, struct msg *m)
{
    if (MESSAGE_IS(m, osd_ping))
        heartbeat_ping(o, s, MESSAGE_AS(m, osd_ping));
    else if (MESSAGE_IS(m, osdmaps))
        osd_maps_take(o, s, MESSAGE_AS(m, osdmaps));
    else if (MESSAGE_IS(m, osd_op))
        exec_take(o, s, MESSAGE_AS(m, osd_op));
    else if (MESSAGE_IS(m, copy_query))
        copy_query_take(o, s, MESSAGE_AS(m, copy_query));
    else if (m->type->id >= msg_rep_op_type.id && m->type->id <= msg_pg_damaged_type.id)
        pgs_message(o, s, m);
    else
        msg_free(m); /* not for an OSD */
}

static void message(struct msgr_handler *h, struct session *s, struct msg *m)
{
    struct osd *o = CONTAINER_OF(h, struct osd, handler);

    if (osd_serving(o))
        dispatch(o, s, m);
    else if (o->state == ROLE_STOPPING && MESSAGE_IS(m, osdmaps))
        osd_maps_take(o, s, MESSAGE_AS(m, osdmaps));
    else
        msg_free(m);
}

static int opened(struct msgr_handler *h, struct session *s)
{
    struct osd *o = CONTAINER_OF(h, struct osd, handler);

    return session_peer(s)->role == ENTITY_CLIENT ? osd_client_opened(o, s) : 0;
}

static void reset(struct msgr_handler *h, struct session *s, int why)
{
    struct osd *o = CONTAINER_OF(h, struct osd, handler);

    if (!osd_session_reset(o, s))
        (void)heartbeat_reset(o, s, why); /* else: one that a client or peer opened */
}

const struct msgr_handler osd_handler = {.message = message, .opened = opened, .reset = reset};
