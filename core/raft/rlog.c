/* rlog.c - the log in memory: one vector whose front moves up as snapshots replace entries.
 *
 * Entries lie side by side, so that a run of them can be lent as pointer and count.  Freed room at
 * the front is taken back when the vector would have to grow. */
#include "core/raft/rlog.h"

enum { LOG_CAP_MIN = 16 };

void rlog_fini(struct rlog *log)
{
    rlog_restart(log, (struct raft_pos){0});
    mem_free(log->e);
    *log = (struct rlog){0};
}

static uint64_t entry_cost(const struct raft_entry *e)
{
    return e->data.len + sizeof(*e);
}

static void entry_drop(struct rlog *log, struct raft_entry *e)
{
    log->bytes -= entry_cost(e);
    mem_free((void *)e->data.data);
}

int rlog_reserve(struct rlog *log, size_t more)
{
    size_t want = log->count + more;
    size_t cap = MAX(log->cap, (size_t)LOG_CAP_MIN);
    struct raft_entry *e;

    if (log->head + want <= log->cap)
        return 0;
    if (want <= log->cap / 2) { /* at least half is free at the front: moving pays for itself */
        memmove(log->e, log->e + log->head, log->count * sizeof(*log->e));
        log->head = 0;
        return 0;
    }
    while (cap < want + want / 2)
        cap *= 2;
    e = mem_calloc(cap, sizeof(*e));
    if (!e)
        return -ENOMEM;
    if (log->count)
        memcpy(e, log->e + log->head, log->count * sizeof(*e));
    mem_free(log->e);
    log->e = e;
    log->cap = cap;
    log->head = 0;
    return 0;
}

void rlog_push(struct rlog *log, uint64_t term, enum raft_entry_type type, struct bytes owned)
{
    struct raft_entry *e;

    ASSERT(log->head + log->count < log->cap);
    ASSERT(term >= rlog_last(log).term);
    e = &log->e[log->head + log->count];
    *e = (struct raft_entry){
        .pos = {.index = rlog_last_index(log) + 1, .term = term}, .type = type, .data = owned};
    log->count++;
    log->bytes += entry_cost(e);
}

void rlog_truncate(struct rlog *log, uint64_t from)
{
    ASSERT(from > log->base.index);
    while (log->count && rlog_last_index(log) >= from) {
        entry_drop(log, &log->e[log->head + log->count - 1]);
        log->count--;
    }
}

void rlog_compact(struct rlog *log, uint64_t upto)
{
    ASSERT(upto <= rlog_last_index(log));
    while (log->base.index < upto) {
        struct raft_entry *e = &log->e[log->head];

        log->base = e->pos;
        entry_drop(log, e);
        log->head++;
        log->count--;
    }
}

void rlog_restart(struct rlog *log, struct raft_pos base)
{
    for (size_t i = 0; i < log->count; i++)
        entry_drop(log, &log->e[log->head + i]);
    log->head = 0;
    log->count = 0;
    log->base = base;
    ASSERT(log->bytes == 0);
}

struct raft_pos rlog_last(const struct rlog *log)
{
    return log->count ? log->e[log->head + log->count - 1].pos : log->base;
}

bool rlog_has(const struct rlog *log, uint64_t index)
{
    return index > log->base.index && index <= rlog_last_index(log);
}

const struct raft_entry *rlog_at(const struct rlog *log, uint64_t index)
{
    ASSERT(rlog_has(log, index));
    return &log->e[log->head + (size_t)(index - log->base.index - 1)];
}

uint64_t rlog_term(const struct rlog *log, uint64_t index)
{
    if (index == log->base.index)
        return log->base.term;
    return rlog_has(log, index) ? rlog_at(log, index)->pos.term : 0;
}

uint64_t rlog_find_term(const struct rlog *log, uint64_t index, uint64_t term)
{
    index = MIN(index, rlog_last_index(log));
    while (index > log->base.index && rlog_at(log, index)->pos.term > term)
        index--;
    return MAX(index, log->base.index);
}
