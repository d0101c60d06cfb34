/* past_intervals.c - which acting sets could have taken writes since the PG was last clean.
 *
 * The walk sees every map.  When the interval changes, the one that ended is kept if it could have
 * been active: an active primary had seen its up_thru in a map of that interval, so the last map of
 * it has that too. */
#include "core/osd/past_intervals.h"

void past_intervals_fini(struct past_intervals *p)
{
    mem_free(p->row);
    memset(p, 0, sizeof(*p));
}

int past_intervals_copy(const struct past_intervals *from, struct past_intervals *out)
{
    struct past_intervals p = *from;

    p.row = NULL;
    if (p.count) {
        p.row = mem_dup(from->row, p.count * sizeof(*p.row));
        if (!p.row)
            return -ENOMEM;
    }
    *out = p;
    return 0;
}

void past_intervals_begin(struct past_intervals *p, const struct osdmap *map)
{
    past_intervals_fini(p);
    p->first = p->newest = map->epoch;
}

static struct epoch up_thru(const struct osdmap *map, struct osd_id osd)
{
    return osdmap_exists(map, osd) ? map->osds[osd.v].up_thru : (struct epoch){0};
}

static bool subset(const struct osd_set *small, const struct osd_set *big)
{
    for (unsigned i = 0; i < small->count; i++)
        if (!osd_set_has(big, small->osd[i]))
            return false;
    return true;
}

/* The interval up to `last` ended.  1: `out` is to be kept; 0; or a failure of placing it. */
static int ended(const struct past_intervals *p, struct pgid pg, const struct osdmap *last,
                 struct past_interval *out)
{
    const struct pool *pool = osdmap_pool(last, pg.pool);
    struct placement at;
    int rc;

    if (!pool || pg.seed >= pool->pg_count)
        return 0;
    rc = osdmap_place(last, pg, &at);
    if (rc < 0)
        return rc;
    *out = (struct past_interval){.first = p->first,
                                  .last = last->epoch,
                                  .up = at.up,
                                  .acting = at.acting,
                                  .primary = at.primary,
                                  .maybe_wrote = true};
    return at.acting.count >= pool->size_min && at.acting.count > 0 &&
           up_thru(last, at.primary).v >= p->first.v;
}

static int row_push(struct past_intervals *p, const struct past_interval *row)
{
    struct past_interval *rows;
    uint32_t kept = 0;

    rows = mem_realloc(p->row, (p->count + 1) * sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    p->row = rows;
    for (uint32_t i = 0; i < p->count; i++)
        if (!osd_eq(rows[i].primary, row->primary) || !subset(&row->acting, &rows[i].acting))
            rows[kept++] = rows[i];
    p->count = kept;
    if (kept == PAST_INTERVALS_MAX)
        return -R_OVERFLOW;
    rows[p->count++] = *row;
    return 0;
}

int past_intervals_walk(struct past_intervals *p, struct pgid pg, const struct osdmap *prev,
                        const struct osdmap *next)
{
    struct past_interval row;
    int rc;

    ASSERT(prev->epoch.v == p->newest.v);
    ASSERT(next->epoch.v == prev->epoch.v + 1);
    rc = osdmap_pg_same_interval(prev, next, pg);
    if (rc < 0)
        return rc;
    if (rc == 1) {
        p->newest = next->epoch;
        return 0;
    }
    rc = ended(p, pg, prev, &row);
    if (rc > 0)
        rc = row_push(p, &row);
    if (rc < 0)
        return rc;
    p->first = p->newest = next->epoch;
    return 1;
}

void past_intervals_prune(struct past_intervals *p, struct epoch last_clean)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < p->count; i++)
        if (p->row[i].last.v >= last_clean.v)
            p->row[kept++] = p->row[i];
    p->count = kept;
}

bool past_intervals_led_by(const struct past_intervals *p, struct osd_id osd,
                           struct epoch *out_last)
{
    for (uint32_t i = p->count; i-- > 0;)
        if (osd_eq(p->row[i].primary, osd)) {
            *out_last = p->row[i].last;
            return true;
        }
    return false;
}

/* Insert into an ascending list of at most `max`; the count goes on beyond. */
static uint32_t id_insert(struct osd_id *ids, uint32_t count, uint32_t max, struct osd_id id)
{
    uint32_t at = 0;

    if (count >= max)
        return count + 1;
    while (at < count && ids[at].v < id.v)
        at++;
    if (at < count && ids[at].v == id.v)
        return count;
    memmove(&ids[at + 1], &ids[at], (count - at) * sizeof(*ids));
    ids[at] = id;
    return count + 1;
}

uint32_t past_intervals_ask(const struct past_intervals *p, const struct osdmap *map,
                            struct osd_id *out_ids, uint32_t max)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < p->count; i++)
        for (unsigned k = 0; k < p->row[i].acting.count; k++)
            if (osdmap_up(map, p->row[i].acting.osd[k]))
                count = id_insert(out_ids, count, max, p->row[i].acting.osd[k]);
    return count;
}

static bool written_off(const struct osdmap *map, struct osd_id id, struct epoch last)
{
    return !osdmap_exists(map, id) || map->osds[id.v].lost_at.v > last.v;
}

static enum past_verdict judge_one(const struct past_interval *row, const struct osdmap *map,
                                   past_answer_fn *answer, void *arg, struct osd_id *out_blocking)
{
    enum past_verdict verdict = PAST_SATISFIED;

    for (unsigned k = 0; k < row->acting.count; k++) {
        struct osd_id id = row->acting.osd[k];
        struct past_answer a = answer(arg, id);

        if (a.answered && (a.usable || (!a.salvaged && a.les.v < row->first.v)))
            return PAST_SATISFIED;
        if (written_off(map, id, row->last))
            continue;
        if (!a.answered && osdmap_up(map, id)) {
            verdict = PAST_WAIT;
            *out_blocking = id;
        } else if (verdict != PAST_WAIT) {
            verdict = PAST_DOWN;
            *out_blocking = id;
        }
    }
    return verdict;
}

enum past_verdict past_intervals_judge(const struct past_intervals *p, const struct osdmap *map,
                                       struct epoch les_max, past_answer_fn *answer, void *arg,
                                       struct osd_id *out_blocking)
{
    enum past_verdict worst = PAST_SATISFIED;

    for (uint32_t i = 0; i < p->count; i++) {
        struct osd_id blocking = OSD_NONE;
        enum past_verdict v = PAST_SATISFIED;

        if (p->row[i].last.v >= les_max.v)
            v = judge_one(&p->row[i], map, answer, arg, &blocking);
        if (v <= worst)
            continue;
        worst = v;
        if (out_blocking)
            *out_blocking = blocking;
    }
    return worst;
}
