/* peering_int.h - between the files of peering; nobody else includes it. */
#ifndef CORE_OSD_PEERING_INT_H
#define CORE_OSD_PEERING_INT_H

#include "core/osd/peering.h"

/* --- orders --- */
int orders_reserve(struct peering_orders *t,
                   uint32_t sends); /* then so many orders_send cannot fail */
struct peering_send *orders_send(struct peering_orders *t, enum peering_send_kind kind,
                                 struct osd_id to);
void send_fini(struct peering_send *s);

/* --- peers --- */
int peer_add(struct peering *p, struct osd_id osd, struct peering_peer **out);
int peers_add_past(struct peering *p); /* members of past intervals that are up */
int peers_ask(struct peering *p,
              struct peering_orders *orders); /* for infos: who is up and was not asked */
static inline bool info_exists(const struct pg_info *i)
{
    return i->created.v != 0;
}
static inline bool info_usable(const struct pg_info *i) /* counts as a copy of the history */
{
    return info_exists(i) && i->complete && !i->salvaged;
}
static inline bool peer_is_member(const struct peering_peer *peer) /* is activated */
{
    return peer->acting || peer->target;
}

/* --- choosing (peering_choose.c) --- */
enum chosen {
    CHOSEN,        /* p->auth, auth_head, auth_tail, *want */
    CHOSEN_WAIT,   /* somebody who is up has not answered */
    CHOSEN_DOWN,   /* p->blocking */
    CHOSEN_NOBODY, /* copies exist, none counts */
};
enum chosen peering_choose(struct peering *p, struct osd_set *want);
/* The acting set as it should be, from those who can serve; while active: from acting members and
 * targets that are complete. */
void peering_want_acting(const struct peering *p, struct osd_set *want);
void peering_mark_members(struct peering *p);

/* --- stages of the primary (peering_primary.c) --- */
int primary_advance(struct peering *p, const struct peering_event *ev,
                    struct peering_orders *orders);
int primary_notify(struct peering *p, const struct peering_event *ev,
                   struct peering_orders *orders);
int primary_reset(struct peering *p, const struct peering_event *ev, struct peering_orders *orders);

/* --- from activation on (peering_active.c) --- */
int primary_activate(struct peering *p, struct peering_orders *orders);
int activate_send(const struct peering *p, const struct peering_peer *peer,
                  struct peering_send *out);
void primary_wish(struct peering *p, const struct osd_set *want, struct peering_orders *orders);
int primary_settle(struct peering *p, struct peering_orders *orders);
int primary_tell_clean(struct peering *p, struct peering_peer *peer, struct peering_orders *orders);

/* --- member (peering_member.c) --- */
int member_start(struct peering *p, struct peering_orders *orders);
int member_query(struct peering *p, const struct peering_event *ev, struct peering_orders *orders);
int member_activate(struct peering *p, const struct peering_event *ev,
                    struct peering_orders *orders);
int member_clean(struct peering *p, const struct peering_event *ev, struct peering_orders *orders);

#endif
