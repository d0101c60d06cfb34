/* shard_move.h - a sub-range goes from a shard to its neighbour: the rows of both before and after
 * each step, where a key is to be looked for, and what to do about a move that was left.  Pure.
 *
 *     source       OPEN ── announce ──▶ SOON ── mark ──▶ OUT ── flip ──▶ GIVEN ── end ──▶ OPEN,
 *                  or EMPTY
 *     destination  OPEN or EMPTY ── prepare ──▶ IN ── complete ──▶ IN ── adopt ──▶ OPEN
 *
 * The flip decides.  Until then anybody may take the mark away (end) and the destination's rows of
 * the range are nobody's; after it anybody adopts, then ends.  The token ties both sides together.
 *
 * A row made here borrows what it holds from the rows and keys that it was made from. */
#ifndef S3_BUCKET_SHARD_MOVE_H
#define S3_BUCKET_SHARD_MOVE_H

#include "s3/bucket/rows.h"

enum shard_route {
    ROUTE_HERE,
    ROUTE_WAIT,   /* a write, and the key is being copied away */
    ROUTE_SETTLE, /* the key is being copied to here: who has it decides the other shard's row */
    ROUTE_RIGHT,  /* to `next` */
    ROUTE_LEFT,   /* to whoever begins before us */
    ROUTE_CLOSED,
};
enum shard_route shard_route(const struct shard_row *r, struct bytes key, bool write);

enum move_orders {
    SETTLE_NOTHING,
    SETTLE_ASK,         /* ... the other shard, and judge again */
    SETTLE_WAIT,        /* the source is at it */
    SETTLE_UNMARK,      /* the source's mark away; end it */
    SETTLE_UNMARK_PEER, /* likewise, for the other shard */
    SETTLE_CLEAR,       /* the destination's copies away; end it */
    SETTLE_ADOPT,       /* the destination takes the range */
    SETTLE_ADOPT_PEER,
    SETTLE_FINISH, /* the source's rows of the range away; end it */
};
/* `peer` (once `asked`) is the row of mine->m.peer, NULL when that shard is not there.  With
 * `force` a source that is still copying is interrupted. */
enum move_orders move_judge(const struct shard_row *mine, bool asked, const struct shard_row *peer,
                            bool force);

struct move_range {
    struct uuid token;
    struct bytes lo, hi;
};
/* Each fills *out_next, with generation + 1; -R_GUARD_FAILED when the row is not such that the step
 * could be made. */
int move_prepare(const struct shard_row *destination, const struct move_range *range,
                 uint64_t source, struct shard_row *out_next);
int move_announce(const struct shard_row *source, const struct move_range *range,
                  uint64_t destination, struct shard_row *out_next);
int move_mark(const struct shard_row *source, uint32_t patience_ms, struct shard_row *out_next);
int move_complete(const struct shard_row *destination, const struct shard_count *count,
                  struct shard_row *out_next);
int move_flip(const struct shard_row *source, const struct shard_count *count,
              struct shard_row *out_next);
/* `source` is as it was after the flip. */
int move_adopt(const struct shard_row *destination, const struct shard_row *source,
               struct shard_row *out_next);
void move_end(const struct shard_row *r, struct shard_row *out_next);

#endif
