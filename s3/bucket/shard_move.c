/* shard_move.c - what the rows of two neighbours become when a sub-range moves (shard_move.h).
 *
 * The range lies at an end of the source that its neighbour adjoins: at the upper end it goes to
 * the right (a split), at the lower end to the left (a merge).  A destination that has no range yet
 * adjoins where the source ends: its `to` and `next` were copied from the source when it was made.
 */
#include "s3/bucket/shard_move.h"

#include "core/base/plant.h"

static bool at_or_behind(struct bytes key, struct bytes from)
{
    return bytes_compare(from, key) <= 0;
}

static bool before_end(struct bytes key, struct bytes to)
{
    return to.len == 0 || bytes_compare(key, to) < 0;
}

static bool covers(const struct shard_row *r, struct bytes key)
{
    return at_or_behind(key, r->m.lo) && before_end(key, r->m.hi);
}

enum shard_route shard_route(const struct shard_row *r, struct bytes key, bool write)
{
    bool mine = r->state != SHARD_EMPTY && at_or_behind(key, r->from) && before_end(key, r->to);

    if (!mine && r->move == MOVE_IN && covers(r, key))
        return ROUTE_SETTLE;
    if (r->state == SHARD_EMPTY || !at_or_behind(key, r->from))
        return ROUTE_LEFT;
    if (!mine)
        return ROUTE_RIGHT;
    if (r->state == SHARD_CLOSED)
        return ROUTE_CLOSED;
    if (PLANTED(PLANT_SPLIT_WRITES))
        return ROUTE_HERE;
    return write && r->move == MOVE_OUT && covers(r, key) ? ROUTE_WAIT : ROUTE_HERE;
}

static bool other_end(const struct shard_row *mine, const struct shard_row *peer, uint8_t move)
{
    return peer && peer->move == move && uuid_equal(&peer->m.token, &mine->m.token);
}

enum move_orders move_judge(const struct shard_row *mine, bool asked, const struct shard_row *peer,
                            bool force)
{
    switch (mine->move) {
    case MOVE_SOON:
    case MOVE_OUT:
        return force ? SETTLE_UNMARK : SETTLE_WAIT;
    case MOVE_IN:
        if (!asked)
            return SETTLE_ASK;
        if (other_end(mine, peer, MOVE_GIVEN))
            return SETTLE_ADOPT;
        if (other_end(mine, peer, MOVE_SOON) || other_end(mine, peer, MOVE_OUT))
            return force ? SETTLE_UNMARK_PEER : SETTLE_WAIT;
        return SETTLE_CLEAR; /* it was taken back, or never marked */
    case MOVE_GIVEN:
        if (!asked)
            return SETTLE_ASK;
        return other_end(mine, peer, MOVE_IN) ? SETTLE_ADOPT_PEER : SETTLE_FINISH;
    default:
        return SETTLE_NOTHING;
    }
}

static void next_of(const struct shard_row *r, struct shard_row *out_next)
{
    *out_next = *r;
    out_next->generation++;
}

static void begin(struct shard_row *r, uint8_t move, const struct move_range *range, uint64_t peer)
{
    r->move = move;
    memset(&r->m, 0, sizeof(r->m));
    r->m.token = range->token;
    r->m.lo = range->lo;
    r->m.hi = range->hi;
    r->m.peer = peer;
}

int move_prepare(const struct shard_row *destination, const struct move_range *range,
                 uint64_t source, struct shard_row *out_next)
{
    const struct shard_row *d = destination;
    bool right = d->state == SHARD_EMPTY ? bytes_equal(range->hi, d->to)
                                         : d->from.len && bytes_equal(range->hi, d->from);
    bool left = d->state == SHARD_OPEN && d->to.len && bytes_equal(range->lo, d->to);

    if (d->state == SHARD_CLOSED || d->move != MOVE_NONE || right == left)
        return -R_GUARD_FAILED;
    next_of(d, out_next);
    begin(out_next, MOVE_IN, range, source);
    return 0;
}

int move_announce(const struct shard_row *source, const struct move_range *range,
                  uint64_t destination, struct shard_row *out_next)
{
    bool upper = bytes_equal(range->hi, source->to) && bytes_compare(source->from, range->lo) < 0;
    bool lower = bytes_equal(range->lo, source->from) && source->from.len;

    if (lower && !bytes_equal(range->hi, source->to))
        lower = range->hi.len && before_end(range->hi, source->to);
    if (source->state != SHARD_OPEN || source->move != MOVE_NONE || (!upper && !lower))
        return -R_GUARD_FAILED;
    next_of(source, out_next);
    begin(out_next, MOVE_SOON, range, destination);
    return 0;
}

int move_mark(const struct shard_row *source, uint32_t patience_ms, struct shard_row *out_next)
{
    if (source->state != SHARD_OPEN || source->move != MOVE_SOON)
        return -R_GUARD_FAILED;
    next_of(source, out_next);
    out_next->move = MOVE_OUT;
    out_next->m.patience_ms = patience_ms;
    return 0;
}

int move_complete(const struct shard_row *destination, const struct shard_count *count,
                  struct shard_row *out_next)
{
    if (destination->move != MOVE_IN || destination->m.complete)
        return -R_GUARD_FAILED;
    next_of(destination, out_next);
    out_next->m.complete = true;
    out_next->m.count = *count;
    return 0;
}

/* It begins elsewhere: where the map has us is remembered. */
static void from_set(struct shard_row *r, struct bytes from)
{
    if (r->mapped == MAPPED_FROM) {
        r->mapped = MAPPED_OTHER;
        r->mapped_from = r->from;
    }
    r->from = from;
}

int move_flip(const struct shard_row *source, const struct shard_count *count,
              struct shard_row *out_next)
{
    struct shard_row *n = out_next;

    if (source->state != SHARD_OPEN || source->move != MOVE_OUT)
        return -R_GUARD_FAILED;
    next_of(source, n);
    n->move = MOVE_GIVEN;
    n->m.count = *count;
    if (!bytes_equal(n->m.lo, n->from)) { /* the upper end */
        n->to = n->m.lo;
        n->next = n->m.peer;
    } else if (bytes_equal(n->m.hi,
                           n->to)) { /* all of it: `to` and `next` are left to whoever adopts */
        n->state = SHARD_EMPTY;
    } else {
        from_set(n, n->m.hi);
    }
    return 0;
}

int move_adopt(const struct shard_row *destination, const struct shard_row *source,
               struct shard_row *out_next)
{
    struct shard_row *n = out_next;

    if (destination->move != MOVE_IN || !destination->m.complete ||
        !other_end(destination, source, MOVE_GIVEN))
        return -R_GUARD_FAILED;
    next_of(destination, n);
    n->move = MOVE_NONE;
    if (n->state == SHARD_EMPTY) {
        n->state = SHARD_OPEN;
        n->from = n->m.lo;
    } else if (n->from.len && bytes_equal(n->m.hi, n->from)) {
        from_set(n, n->m.lo);
    } else {
        n->to = n->m.hi;
        n->next = source->state == SHARD_EMPTY ? source->next : source->no;
    }
    return 0;
}

void move_end(const struct shard_row *r, struct shard_row *out_next)
{
    next_of(r, out_next);
    out_next->move = MOVE_NONE;
}
