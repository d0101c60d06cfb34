/* rlog.h - the entries a member holds in memory: those after its base.
 *
 * Positions without holes; payloads are owned copies.  Pointers into it hold until it changes. */
#ifndef CORE_RAFT_RLOG_H
#define CORE_RAFT_RLOG_H

#include "core/raft/raft.h"

struct rlog {
    struct raft_entry *e; /* owned, with each data.data; live ones are [head, head + count) */
    size_t head, count, cap;
    struct raft_pos base; /* the entry before the first */
    uint64_t bytes;       /* of payload and bookkeeping */
};

void rlog_fini(struct rlog *log);
/* Room for `more` entries, so that as many rlog_push calls cannot fail.  0 or -ENOMEM. */
MUST_CHECK int rlog_reserve(struct rlog *log, size_t more);
/* Append one entry at last+1; the log takes over the payload.  Needs room reserved. */
void rlog_push(struct rlog *log, uint64_t term, enum raft_entry_type type, struct bytes owned);
/* Drop entries from `from` on (from > base). */
void rlog_truncate(struct rlog *log, uint64_t from);
/* Drop entries up to and including `upto`, which becomes the base. */
void rlog_compact(struct rlog *log, uint64_t upto);
/* Drop everything; the log goes on after `base`. */
void rlog_restart(struct rlog *log, struct raft_pos base);

static inline uint64_t rlog_last_index(const struct rlog *log)
{
    return log->base.index + log->count;
}
struct raft_pos rlog_last(const struct rlog *log);
bool rlog_has(const struct rlog *log, uint64_t index); /* in memory; the base is not */
const struct raft_entry *rlog_at(const struct rlog *log, uint64_t index); /* rlog_has is a must */
/* The term at `index`, which may be the base; 0 when it is not known. */
uint64_t rlog_term(const struct rlog *log, uint64_t index);
/* The highest index <= `index` whose term is <= `term`; not below the base. */
uint64_t rlog_find_term(const struct rlog *log, uint64_t index, uint64_t term);

#endif
