/* mon_sub.c - osdmaps to those who subscribed.
 *
 * A subscriber has the epoch it wants next.  It gets increments in order, in messages of bounded
 * size, as long as its session takes them; one that asks for an epoch whose increment is gone gets
 * the oldest map whole and all that follows, so that no epoch that it may need is skipped. */
#include "core/mon/mon_int.h"

static int full_encode(const struct osdmap *map, struct buf *cache, struct epoch *cached,
                       struct buf *out)
{
    if (cached->v != map->epoch.v) {
        AUTO(writer) w = {0};
        int rc = osdmap_encode(map, &w);

        if (rc < 0)
            return rc;
        buf_fini(cache);
        cached->v = 0;
        rc = buf_append_copy(cache, w.data, w.len);
        if (rc < 0)
            return rc;
        *cached = map->epoch;
    }
    return buf_append(out, cache, 0, cache->bytes);
}

int mon_full_newest(struct mon *mon, struct buf *out_shared)
{
    return full_encode(mon->state.map, &mon->full_newest, &mon->full_newest_epoch, out_shared);
}

/* Increments from `from` on: how many fit into one message. */
static uint32_t batch_count(const struct mon *mon, struct epoch from)
{
    struct epoch newest = mon_state_epoch(&mon->state);
    uint64_t bytes = 0;
    uint32_t count = 0;

    while (count < OSDMAPS_INCS_MAX && from.v + count <= newest.v) {
        bytes += mon_state_inc(&mon->state, (struct epoch){from.v + count})->bytes;
        if (count > 0 && bytes > MON_MAPS_MESSAGE_BYTES)
            break;
        count++;
    }
    return count;
}

static int incs_fill(const struct mon *mon, struct msg_osdmaps *m, struct epoch first)
{
    uint32_t count = batch_count(mon, first);

    m->first = first;
    if (count == 0)
        return 0;
    m->incs = mem_calloc(count, sizeof(*m->incs));
    if (!m->incs)
        return -ENOMEM;
    for (; m->count < count; m->count++) {
        const struct buf *inc = mon_state_inc(&mon->state, (struct epoch){first.v + m->count});
        int rc = buf_append(&m->incs[m->count], inc, 0, inc->bytes);

        if (rc < 0)
            return rc;
    }
    return 0;
}

/* One message to a subscriber that wants `next`; moves it.  0 or -ENOMEM. */
static int maps_send(struct mon *mon, struct session *s, struct epoch *next)
{
    struct msg_osdmaps *m = MESSAGE_NEW(osdmaps);
    struct epoch first = *next;
    int rc = m ? 0 : -ENOMEM;

    if (rc < 0)
        return rc;
    m->oldest = mon_state_oldest(&mon->state);
    m->newest = mon_state_epoch(&mon->state);
    if (next->v == 0) {
        m->has_full = true;
        rc = mon_full_newest(mon, &m->full);
        first.v = m->newest.v + 1;
    } else if (next->v <= m->oldest.v) {
        m->has_full = true;
        rc = full_encode(mon->state.oldest, &mon->full_oldest, &mon->full_oldest_epoch, &m->full);
        first.v = m->oldest.v + 1;
    }
    if (rc == 0)
        rc = incs_fill(mon, m, first);
    if (rc < 0) {
        msg_free(&m->base);
        return rc;
    }
    next->v = first.v + m->count;
    mon->n.maps_sent++;
    session_send(s, &m->base);
    return 0;
}

void mon_sub_push(struct mon *mon, struct mon_conn *conn)
{
    struct epoch newest = mon_state_epoch(&mon->state);

    while (conn->subscribed && newest.v && conn->next.v <= newest.v &&
           session_queued_bytes(conn->s) < MON_MAPS_QUEUE_BYTES) {
        if (maps_send(mon, conn->s, &conn->next) < 0) {
            mon->published.v = 0; /* no memory: tried again with the next tick */
            return;
        }
    }
}

void mon_sub_ask(struct mon *mon, struct mon_conn *conn, const struct msg_mon_subscribe *m)
{
    struct epoch newest = mon_state_epoch(&mon->state);
    struct epoch next = m->from;

    if (!m->once) {
        conn->subscribed = true;
        conn->next = m->from;
        if (conn->next.v > newest.v && newest.v)  /* nothing new: say so, it may wait to know */
            (void)maps_send(mon, conn->s, &next); /* no memory: it asks again */
        mon_sub_push(mon, conn);
        return;
    }
    if (newest.v)
        (void)maps_send(mon, conn->s, &next); /* no memory: it asks again */
}

void mon_sub_publish(struct mon *mon)
{
    struct epoch newest = mon_state_epoch(&mon->state);

    if (mon->published.v == newest.v)
        return;
    mon->published = newest;
    LIST_EACH (pos, &mon->conns) {
        mon_sub_push(mon, LIST_ENTRY(pos, struct mon_conn, link));
    }
}
