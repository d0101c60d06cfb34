/* past_intervals.h - which acting sets could have taken writes since the PG was last clean.
 *
 * Built by walking the maps epoch by epoch.  An interval could have taken writes when its acting
 * set had size_min members and the up_thru of its primary, in the last map of the interval, had
 * reached its first epoch (a primary activates only after it saw that).  Others are not kept, nor
 * is one whose members include all of a later one's under the same primary: the later asks for
 * more. */
#ifndef CORE_OSD_PAST_INTERVALS_H
#define CORE_OSD_PAST_INTERVALS_H

#include "core/map/osdmap.h"
#include "core/proto/pg_wire.h"

struct past_intervals {
    struct epoch first;  /* of the present interval; 0: unknown (no map walked yet) */
    struct epoch newest; /* map walked last */
    uint32_t count;
    struct past_interval *row; /* owned, oldest first */
};

void past_intervals_fini(struct past_intervals *p);
int past_intervals_copy(const struct past_intervals *from, struct past_intervals *out);

/* Begin the walk at `map`: for a new pool the map that created it; for a copy without rows, or one
 * that was away longer than maps are kept, the oldest map there is (maps are kept from the oldest
 * last_clean of all PGs on, so what is before is not needed). */
void past_intervals_begin(struct past_intervals *p, const struct osdmap *map);
/* The next map; `prev` is the one walked last, next->epoch = prev->epoch + 1.
 * 1: a new interval begins at `next`; 0: the same; -ENOMEM, -R_OVERFLOW: unchanged. */
int past_intervals_walk(struct past_intervals *p, struct pgid pg, const struct osdmap *prev,
                        const struct osdmap *next);
/* The interval that began at `last_clean` had everything: those before it go. */
void past_intervals_prune(struct past_intervals *p, struct epoch last_clean);
/* Was `osd` the primary of a kept interval, and until when in the newest?  Its read leases matter
 * to a new primary: what a member reports as lease_left is the longest of its grants to such OSDs.
 */
bool past_intervals_led_by(const struct past_intervals *p, struct osd_id osd,
                           struct epoch *out_last);

/* Whom to ask: members of kept intervals that are up now, ascending, without duplicates.
 * `out_ids` has room for `max`; returns how many there are (more than max: nothing beyond is
 * written). */
uint32_t past_intervals_ask(const struct past_intervals *p, const struct osdmap *map,
                            struct osd_id *out_ids, uint32_t max);

/* What an OSD told about its copy.  (Ids belong to stores: an OSD that answers has its old store.)
 */
struct past_answer {
    bool answered;
    bool usable;      /* complete and not salvaged */
    bool salvaged;    /* its store was damaged: what it says proves nothing */
    struct epoch les; /* 0: it has no copy */
};
typedef struct past_answer past_answer_fn(void *arg, struct osd_id id);
enum past_verdict {
    PAST_SATISFIED,
    PAST_WAIT, /* an up member has not answered yet */
    PAST_DOWN, /* who could have what nobody else has is down, or up with a copy that does not count
                */
};
/* May the PG choose its history from those who answered?  Each interval needs one of these:
 * - a usable copy (of anyone) that was activated after it: its log has all that was acknowledged;
 * - a usable copy of a member: what the interval acknowledged was durable on each member;
 * - a member with an undamaged store that was not activated in it: then the interval never was
 *   active, for that takes all members;
 * - no member left: each was declared lost after the interval, or does not exist any more.
 * out_blocking (may be NULL): an OSD that would help. */
enum past_verdict past_intervals_judge(const struct past_intervals *p, const struct osdmap *map,
                                       struct epoch les_max, past_answer_fn *answer, void *arg,
                                       struct osd_id *out_blocking);

/* The PG's `i` row: info and past intervals. */
void pg_info_row_encode(const struct pg_info *info, const struct past_intervals *past,
                        struct writer *w);
int pg_info_row_decode(struct cursor *c, struct pg_info *out_info, struct past_intervals *out_past);

#endif
