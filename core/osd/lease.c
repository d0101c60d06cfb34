/* lease.c - see lease.h. */
#include "core/osd/lease.h"

enum { PPM = 1000000 };

uint64_t lease_shorter(uint64_t ns, uint32_t drift_ppm)
{
    uint64_t drift = ns / PPM * 2 * drift_ppm + NS_PER_MS;

    return ns > drift ? ns - drift : 0;
}

uint64_t lease_longer(uint64_t ns, uint32_t drift_ppm)
{
    return ns + ns / PPM * 2 * drift_ppm + NS_PER_MS;
}

void lease_take(struct lease *l, uint64_t sent_ns, uint32_t granted_ms, struct epoch granter,
                struct epoch own, uint32_t drift_ppm)
{
    uint64_t until = sent_ns + lease_shorter((uint64_t)granted_ms * NS_PER_MS, drift_ppm);

    if (granted_ms == 0)
        return;
    if (granter.v <= own.v) {
        l->until_ns = MAX(l->until_ns, until);
        return;
    }
    l->next_until_ns = until;
    l->next_epoch = granter;
}

void lease_map(struct lease *l, struct epoch own)
{
    if (l->next_epoch.v == 0 || l->next_epoch.v > own.v)
        return;
    l->until_ns = MAX(l->until_ns, l->next_until_ns);
    l->next_epoch.v = 0;
}

void lease_drop(struct lease *l)
{
    *l = (struct lease){0};
}

static void drop_ended(struct lease_holds *h, uint64_t now_ns)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < h->count; i++)
        if (h->row[i].until_ns > now_ns)
            h->row[kept++] = h->row[i];
    h->count = kept;
}

void lease_hold(struct lease_holds *h, struct osd_id osd, struct epoch last, uint64_t until_ns,
                uint64_t now_ns)
{
    struct lease_hold_row *row;

    if (until_ns <= now_ns)
        return;
    drop_ended(h, now_ns);
    for (uint32_t i = 0; i < h->count; i++)
        if (osd_eq(h->row[i].osd, osd)) {
            h->row[i].until_ns = MAX(h->row[i].until_ns, until_ns);
            h->row[i].last.v = MAX(h->row[i].last.v, last.v);
            return;
        }
    if (h->count < LEASE_HOLDS_MAX) {
        h->row[h->count++] = (struct lease_hold_row){osd, last, until_ns};
        return;
    }
    row = &h->row[LEASE_HOLDS_MAX - 1];
    row->osd = OSD_NONE; /* two of them: nobody's death releases it */
    row->until_ns = MAX(row->until_ns, until_ns);
}

void lease_holds_live(const struct lease_holds *h, uint64_t now_ns,
                      bool (*is_void)(void *arg, const struct lease_hold_row *row), void *arg,
                      struct lease_holds *out_live)
{
    out_live->count = 0;
    for (uint32_t i = 0; i < h->count; i++)
        if (h->row[i].until_ns > now_ns && !is_void(arg, &h->row[i]))
            out_live->row[out_live->count++] = h->row[i];
}

uint64_t lease_holds_left(const struct lease_holds *h, uint64_t now_ns,
                          bool (*is_void)(void *arg, const struct lease_hold_row *row), void *arg,
                          struct osd_id *out_of)
{
    uint64_t until_ns = now_ns;
    struct lease_holds live;

    lease_holds_live(h, now_ns, is_void, arg, &live);
    for (uint32_t i = 0; i < live.count; i++)
        until_ns = MAX(until_ns, live.row[i].until_ns);
    *out_of = live.count == 1 ? live.row[0].osd : OSD_NONE;
    return until_ns - now_ns;
}
