/* peering_choose.c - which history a PG goes on with, and who shall act.
 *
 * Only complete, undamaged copies count.  The highest les goes first: when a copy was activated in
 * an interval, its log had everything acknowledged before that interval.  Among copies of one les,
 * logs are prefixes of each other, so the newest last_update has all that was acknowledged since.
 *
 * The acting set should be `up`.  Members of up whose copies are not usable are filled in the
 * background; until then others who have the data act in their place, in the order: members of up,
 * present acting members, then anybody, so that the choice is stable. */
#include "core/osd/peering_int.h"

#include "core/base/plant.h"

static struct past_answer answer_of(void *arg, struct osd_id id)
{
    const struct peering *p = arg;
    const struct peering_peer *peer = peering_peer(p, id);
    const struct pg_info *i = osd_eq(id, p->self) ? &p->copy->info : peer ? &peer->info : NULL;
    struct past_answer a = {.answered = i && (!peer || peer->answered)};

    if (!a.answered)
        return a;
    a.usable = info_usable(i);
    a.salvaged = i->salvaged;
    a.les = info_exists(i) ? i->les : (struct epoch){0};
    return a;
}

static bool better(const struct pg_info *a, const struct pg_info *b)
{
    if (!epoch_eq(a->les, b->les))
        return a->les.v > b->les.v;
    if (!version_eq(a->last_update, b->last_update))
        return version_lt(b->last_update, a->last_update);
    return version_lt(a->log_tail, b->log_tail);
}

/* Sets p->auth; false: no copy counts. */
static bool auth_choose(struct peering *p)
{
    struct pg_info own = pg_copy_info_now(p->copy), best = own;
    bool found = info_usable(&own);

    p->auth = found ? p->self : OSD_NONE;
    for (uint32_t i = 0; i < p->peer_count && !(found && PLANTED(PLANT_SKIP_MERGE)); i++) {
        const struct peering_peer *peer = p->peer[i];

        if (!peer->answered || !info_usable(&peer->info) || (found && !better(&peer->info, &best)))
            continue;
        best = peer->info;
        p->auth = peer->osd;
        found = true;
    }
    p->auth_head = found ? best.last_update : (struct version){0};
    p->auth_tail = found ? best.log_tail : (struct version){0};
    return found;
}

static bool copies_exist(const struct peering *p)
{
    if (info_exists(&p->copy->info) || p->copy->info.salvaged)
        return true;
    for (uint32_t i = 0; i < p->peer_count; i++)
        if (p->peer[i]->answered && (info_exists(&p->peer[i]->info) || p->peer[i]->info.salvaged))
            return true;
    return false;
}

static void last_clean_learn(struct peering *p)
{
    struct epoch newest = p->copy->info.last_clean;

    for (uint32_t i = 0; i < p->peer_count; i++)
        if (p->peer[i]->answered && info_exists(&p->peer[i]->info) &&
            p->peer[i]->info.last_clean.v > newest.v)
            newest = p->peer[i]->info.last_clean;
    p->copy->info.last_clean = newest;
    past_intervals_prune(&p->copy->past, newest);
}

static struct epoch les_max(const struct peering *p)
{
    struct epoch les = {0};

    if (info_usable(&p->copy->info))
        les = p->copy->info.les;
    for (uint32_t i = 0; i < p->peer_count; i++)
        if (p->peer[i]->answered && info_usable(&p->peer[i]->info) &&
            p->peer[i]->info.les.v > les.v)
            les = p->peer[i]->info.les;
    return les;
}

/* `tail`: of the log by which the copy will be brought to the present. */
static bool can_serve(const struct peering *p, const struct pg_info *info, bool gap,
                      struct version tail)
{
    if (gap || info->salvaged)
        return false;
    if (!info_exists(info)) /* an empty copy equals an empty history */
        return p->auth_head.seq == 0;
    /* The tail was acknowledged, so whoever has a newer version has it in its history; a seq alone
     * would let in a copy that diverged before the tail. */
    return info->complete && version_le(tail, info->last_update);
}

/* Can the OSD be of the acting set, as far as its data goes? */
static bool eligible(const struct peering *p, struct osd_id id)
{
    bool active = p->state >= PEERING_ACTIVATING;
    const struct peering_peer *peer = peering_peer(p, id);
    struct pg_info own = pg_copy_info_now(p->copy);
    bool self = can_serve(p, &own, p->own_gap, p->auth_tail);
    struct version tail = p->auth_tail;

    if (osd_eq(id, p->self))
        return self;
    /* We bring the others on from our log, which may begin later than the one we merge.  Who is not
     * eligible by the authoritative tail is not by ours either: else two primaries could choose
     * each other for ever. */
    if (self && version_lt(tail, own.log_tail))
        tail = own.log_tail;
    if (!peer || !peer->up)
        return false;
    if (active) /* infos of others are as old as the interval */
        return peer->acting || (peer->target && peer->info.complete);
    return peer->answered && can_serve(p, &peer->info, peer->gap, tail);
}

static void want_add(const struct peering *p, struct osd_set *want, struct osd_id id, bool fill)
{
    if (fill && want->count >= p->size)
        return;
    if (!osd_set_has(want, id) && want->count < OSD_SET_MAX && eligible(p, id))
        want->osd[want->count++] = id;
}

void peering_want_acting(const struct peering *p, struct osd_set *want)
{
    *want = (struct osd_set){0};
    for (unsigned i = 0; i < p->at.up.count; i++)
        want_add(p, want, p->at.up.osd[i], false);
    for (unsigned i = 0; i < p->at.acting.count; i++)
        want_add(p, want, p->at.acting.osd[i], true);
    want_add(p, want, p->self, true);
    for (uint32_t i = 0; i < p->peer_count; i++)
        want_add(p, want, p->peer[i]->osd, true);
}

enum chosen peering_choose(struct peering *p, struct osd_set *want)
{
    for (uint32_t i = 0; i < p->peer_count; i++)
        if (p->peer[i]->up && !p->peer[i]->answered)
            return CHOSEN_WAIT;
    last_clean_learn(p);
    p->blocking = OSD_NONE;
    switch (past_intervals_judge(&p->copy->past, p->map, les_max(p), answer_of, p, &p->blocking)) {
    case PAST_WAIT:
        return CHOSEN_WAIT;
    case PAST_DOWN:
        return CHOSEN_DOWN;
    case PAST_SATISFIED:
        break;
    }
    if (!auth_choose(p) && copies_exist(p))
        return CHOSEN_NOBODY;
    peering_want_acting(p, want);
    return want->count ? CHOSEN : CHOSEN_NOBODY;
}

void peering_mark_members(struct peering *p)
{
    for (uint32_t i = 0; i < p->peer_count; i++) {
        struct peering_peer *peer = p->peer[i];

        peer->acting = osd_set_has(&p->at.acting, peer->osd);
        peer->target = !peer->acting && osd_set_has(&p->at.up, peer->osd);
    }
}
