/* lease.h - read leases between two OSDs: what one may rely on, what the other has promised.
 *
 * A asks at its time t; B answers "L from now on", with the epoch of B's map.  A counts L from t,
 * less the drift of two clocks, so A stops before B's promise ends however long the answer took.  A
 * grant counts only once A's map has reached the epoch it came with: then A knows every change of
 * interval that B knew when it promised.  Pure: the caller says what time it is. */
#ifndef CORE_OSD_LEASE_H
#define CORE_OSD_LEASE_H

#include "core/map/types.h"

struct lease { /* what a peer granted to us */
    uint64_t until_ns;
    uint64_t next_until_ns; /* came with `next_epoch`, which our map has not reached */
    struct epoch next_epoch;
};
/* How much of a duration two clocks of this quality agree upon, and how long the other's may take.
 */
uint64_t lease_shorter(uint64_t ns, uint32_t drift_ppm);
uint64_t lease_longer(uint64_t ns, uint32_t drift_ppm);

void lease_take(struct lease *l, uint64_t sent_ns, uint32_t granted_ms, struct epoch granter,
                struct epoch own, uint32_t drift_ppm);
void lease_map(struct lease *l, struct epoch own); /* our map is at `own` now */
static inline bool lease_usable(const struct lease *l, uint64_t now_ns)
{
    return now_ns < l->until_ns;
}
void lease_drop(struct lease *l); /* the granter is another instance now, or we stop */

/* Promises that a new primary has to wait out: one row for each OSD that may still act on one. */
enum { LEASE_HOLDS_MAX = 8 };
struct lease_holds {
    uint32_t count;
    struct lease_hold_row {
        struct osd_id osd; /* OSD_NONE: several */
        struct epoch last; /* of the interval it led: a later incarnation has no part in it */
        uint64_t until_ns;
    } row[LEASE_HOLDS_MAX];
};
/* Note one; rows that ended go. */
void lease_hold(struct lease_holds *h, struct osd_id osd, struct epoch last, uint64_t until_ns,
                uint64_t now_ns);
/* Those that still run, leaving out what `is_void` says cannot be used any more. */
void lease_holds_live(const struct lease_holds *h, uint64_t now_ns,
                      bool (*is_void)(void *arg, const struct lease_hold_row *row), void *arg,
                      struct lease_holds *out_live);
/* How long the longest of these runs, leaving out what `is_void` says cannot be used any more.
 * *out_of: who may use it; OSD_NONE when that is nobody, or more than one. */
uint64_t lease_holds_left(const struct lease_holds *h, uint64_t now_ns,
                          bool (*is_void)(void *arg, const struct lease_hold_row *row), void *arg,
                          struct osd_id *out_of);

#endif
