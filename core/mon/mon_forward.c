/* mon_forward.c - reports: to the leader that we are, or to the one we know.
 *
 * While no leader is known reports are held, up to a bound; beyond it the oldest are dropped (their
 * senders repeat them). */
#include "core/mon/mon_int.h"

bool mon_report_is(const struct msg *m)
{
    return MESSAGE_IS(m, osd_boot) || MESSAGE_IS(m, osd_failure) || MESSAGE_IS(m, osd_stopping) ||
           MESSAGE_IS(m, osd_up_thru) || MESSAGE_IS(m, osd_pg_temp) || MESSAGE_IS(m, osd_stats);
}

/* The OSD that a report says it comes from. */
static struct osd_id report_from(const struct msg *m)
{
    if (MESSAGE_IS(m, osd_boot))
        return MESSAGE_AS(m, osd_boot)->osd;
    if (MESSAGE_IS(m, osd_failure))
        return MESSAGE_AS(m, osd_failure)->reporter;
    if (MESSAGE_IS(m, osd_stopping))
        return MESSAGE_AS(m, osd_stopping)->osd;
    if (MESSAGE_IS(m, osd_up_thru))
        return MESSAGE_AS(m, osd_up_thru)->osd;
    if (MESSAGE_IS(m, osd_pg_temp))
        return MESSAGE_AS(m, osd_pg_temp)->osd;
    return MESSAGE_AS(m, osd_stats)->osd;
}

/* As the leader. */
static void report_take(struct mon *mon, struct msg *m)
{
    struct osd_id from = report_from(m);

    if (from.v < 0 || from.v >= OSDMAP_OSDS_MAX) {
        msg_free(m);
        return;
    }
    if (MESSAGE_IS(m, osd_boot)) {
        mon_osd_boot(mon, MESSAGE_AS(m, osd_boot)); /* keeps it */
        return;
    }
    if ((uint32_t)from.v < mon->osd_count)
        mon->osds[from.v].heard_ns = mon_now(mon);
    if (MESSAGE_IS(m, osd_failure)) {
        mon_failure_report(mon, MESSAGE_AS(m, osd_failure));
        mon_turn_queue(mon); /* the tick may be wanted earlier now */
    } else if (MESSAGE_IS(m, osd_stopping)) {
        mon_osd_stopping(mon, MESSAGE_AS(m, osd_stopping));
    } else if (MESSAGE_IS(m, osd_up_thru)) {
        mon_osd_up_thru(mon, MESSAGE_AS(m, osd_up_thru));
    } else if (MESSAGE_IS(m, osd_pg_temp)) {
        mon_osd_pg_temp(mon, MESSAGE_AS(m, osd_pg_temp));
    } else {
        mon_stats_take(mon, MESSAGE_AS(m, osd_stats));
    }
    msg_free(m);
}

static struct mon_peer *leader_peer(struct mon *mon)
{
    for (uint32_t i = 0; i < mon->peer_count; i++)
        if (mon->peers[i].id + 1 == mon->leader)
            return &mon->peers[i];
    return NULL;
}

static int payload_make(const struct msg *m, struct buf *out)
{
    AUTO(writer) w = {0};
    AUTO(writer) head = {0};
    AUTO(buf) data = {0};
    int rc;

    m->type->encode(m, &w, &data);
    wr_u32(&head, (uint32_t)w.len);
    if (w.rc < 0 || head.rc < 0)
        return -ENOMEM;
    rc = buf_append_copy(out, head.data, head.len);
    if (rc == 0)
        rc = buf_append_copy(out, w.data, w.len);
    if (rc == 0)
        rc = buf_append(out, &data, 0, data.bytes);
    return rc;
}

static void forward(struct mon *mon, struct mon_peer *to, struct msg *m)
{
    struct msg_mon_forward *f = MESSAGE_NEW(mon_forward);

    if (f) {
        f->type = m->type->id;
        if (payload_make(m, &f->payload) == 0 && to->s &&
            session_queued_bytes(to->s) < MON_PEER_QUEUE_BYTES) {
            mon->n.forwards++;
            session_send(to->s, &f->base);
        } else {
            msg_free(&f->base); /* as if the network lost it: it will be repeated */
        }
    }
    msg_free(m);
}

static void hold(struct mon *mon, struct msg *m)
{
    list_push_back(&mon->held_reports, &m->link);
    mon->held_count++;
    mon->held_bytes += m->cost_bytes;
    while (mon->held_count > MON_HELD_MAX || mon->held_bytes > MON_HELD_BYTES_MAX) {
        struct msg *oldest = LIST_ENTRY(list_pop_front(&mon->held_reports), struct msg, link);

        mon->held_count--;
        mon->held_bytes -= oldest->cost_bytes;
        msg_free(oldest);
    }
}

static void route(struct mon *mon, struct msg *m)
{
    struct mon_peer *leader = leader_peer(mon);

    if (mon->leading && mon->state.map)
        report_take(mon, m);
    else if (leader && mon->role != RAFT_LEADER)
        forward(mon, leader, m);
    else
        hold(mon, m);
}

void mon_report_route(struct mon *mon, struct session *s, struct msg *m)
{
    const struct entity *peer = session_peer(s);

    if (peer->role != ENTITY_OSD || peer->id != (uint64_t)report_from(m).v) {
        log_warn(&mon->log, "a report in another's name is dropped", KV_STR("type", m->type->name));
        msg_free(m);
        return;
    }
    route(mon, m);
}

static const struct msg_type *type_of(uint16_t id)
{
    for (size_t i = 0; message_types[i]; i++)
        if (message_types[i]->id == id)
            return message_types[i];
    return NULL;
}

static int unwrap(struct msg_mon_forward *f, struct msg **out)
{
    const struct msg_type *type = type_of(f->type);
    struct msg *m = type ? msg_create(type) : NULL;
    AUTO(buf) data = {0};
    struct cursor c, front;
    int rc = m ? buf_flatten(&f->payload) : type ? -ENOMEM : -R_UNSUPPORTED;

    if (rc == 0 && !mon_report_is(m))
        rc = -R_MALFORMED;
    if (rc == 0) {
        c = cur_over(f->payload.bytes ? buf_contiguous(&f->payload, 0, f->payload.bytes) : NULL,
                     f->payload.bytes);
        struct bytes raw = cur_bytes(&c, type->front_max);

        front = cur_over(raw.data, raw.len);
        rc = c.rc < 0 ? c.rc : cur_left(&c) > type->data_max ? -R_OVERFLOW : 0;
    }
    if (rc == 0)
        rc = buf_slice(&f->payload, f->payload.bytes - cur_left(&c), cur_left(&c), &data);
    if (rc == 0)
        rc = type->decode(m, &front, &data);
    if (rc < 0) {
        msg_free(m);
        return rc;
    }
    *out = m;
    return 0;
}

void mon_forward_take(struct mon *mon, struct session *s, struct msg_mon_forward *f)
{
    struct msg *m = NULL;
    int rc = session_peer(s)->role == ENTITY_MON ? unwrap(f, &m) : -R_WRONG_PEER;

    msg_free(&f->base);
    if (rc < 0) {
        log_warn(&mon->log, "a forwarded report is dropped", KV_RC(rc));
        return;
    }
    if (mon->leading && mon->state.map)
        report_take(mon, m);
    else if (mon->role == RAFT_LEADER)
        hold(mon, m);
    else
        msg_free(m); /* never forwarded twice: two that point at each other would go on for ever */
}

void mon_held_run(struct mon *mon)
{
    uint32_t count = mon->held_count; /* those that are held again come behind them */

    while (count-- && !list_empty(&mon->held_reports)) {
        struct msg *m = LIST_ENTRY(list_pop_front(&mon->held_reports), struct msg, link);

        mon->held_count--;
        mon->held_bytes -= m->cost_bytes;
        route(mon, m);
    }
}

void mon_held_free(struct mon *mon)
{
    struct list *node;

    while ((node = list_pop_front(&mon->held_reports)))
        msg_free(LIST_ENTRY(node, struct msg, link));
    mon->held_count = 0;
    mon->held_bytes = 0;
}
