/* closers.h - the shards of a bucket that is being deleted: closed, and opened again, some at a
 * time.
 *
 * Closing is for speed only: a shard that cannot be closed at once (it is in a move, has gone, or
 * another deletion has it) is passed over, and left to whoever follows the chain. */
#ifndef S3_BUCKET_CLOSERS_H
#define S3_BUCKET_CLOSERS_H

#include "s3/bucket/bucket_int.h"

enum { CLOSERS = 16 };

struct closers;
struct closer {
    struct closers *set;
    struct call call;
    struct shard_view *view; /* ref: the row as it was read, then as we wrote it */
    uint64_t no;
};
struct closers {
    struct bucket_layer *l;
    struct uuid bucket, token;
    struct closer closer[CLOSERS];
    uint32_t busy;
    uint64_t *queue; /* owned: numbers of shards */
    uint32_t queued, taken;
    struct shard_view **closed; /* owned, refs: the rows that we wrote */
    uint32_t closed_count, closed_cap;
    bool has_entries, sorted;
    struct env_task end;
    void (*done)(struct closers *s);
};
void closers_init(struct closers *s, struct bucket_layer *l);
void closers_fini(struct closers *s); /* not while one is busy */
/* Forget what was closed; from now on shards of this bucket are closed with this token. */
void closers_begin(struct closers *s, const struct uuid *bucket, const struct uuid *token);
/* A shard that the caller has closed, and looked at.  0 or -ENOMEM. */
int closers_add(struct closers *s, struct shard_view *v);
/* Those that are known of `b`.  It ends early when one has entries.  0, then `done` comes, from the
 * loop; or -ENOMEM. */
int closers_close(struct closers *s, const struct bucket *b, void (*done)(struct closers *s));
/* The row of a shard that is closed; NULL: it is not. */
const struct shard_row *closers_find(struct closers *s, uint64_t no);
/* All of them: each has still what we wrote, or somebody else has opened it. */
void closers_reopen(struct closers *s, void (*done)(struct closers *s));

/* The row closed with a token; NULL: open. */
void shard_row_closed(const struct shard_row *r, const struct uuid *token,
                      struct shard_row *out_next);
/* Does a shard that we closed have an entry?  Not asked as it is closed: the answer to a repeat of
 * a write tells no rows, and an entry would be taken for none.  Begins the operation. */
void shard_look(struct call *c, const struct shard_view *closed);
bool shard_has_entries(const struct call *c);

#endif
