/* pg_log.c - the ordered record of recent writes to one placement group.
 *
 * A ring holds the entries, so that the one of a seq is found at once; a table finds the newest of
 * an object.  The sessions are kept twice: `base` is the state at the tail and moves when the log
 * is trimmed, with its rows; `now` is the state at the head and is made again from base and entries
 * when the log is loaded or its end is rolled back.
 *
 * What changes many things at once (trimming, forking) first builds the new state aside, then
 * swaps: short memory leaves the log as it was. */
#include "core/osd/pg_log.h"

#include "core/base/plant.h"
#include "core/osd/pg_rows.h"

enum { RING_MIN = 16, TRIM_BATCH = 32, ENTRY_BYTES = 160 };

int pg_log_init(struct pg_log *log)
{
    memset(log, 0, sizeof(*log));
    if (htable_init(&log->by_oid, 16) < 0)
        return -ENOMEM;
    if (pg_sessions_init(&log->base) < 0 || pg_sessions_init(&log->now) < 0) {
        pg_log_fini(log);
        return -ENOMEM;
    }
    return 0;
}

static struct pg_log_item *item_at(const struct pg_log *log, uint64_t seq)
{
    return log->ring[seq & (log->cap - 1)];
}

/* Free what the log has, but leave entries up to `keep_to` to another log. */
static void log_free(struct pg_log *log, uint64_t keep_to)
{
    for (uint64_t seq = log->tail.seq + 1; log->ring && seq <= log->head.seq; seq++) {
        struct pg_log_item *item = item_at(log, seq);

        if (seq > keep_to)
            pg_log_entry_destroy(item->e);
        mem_free(item);
    }
    mem_free(log->ring);
    if (log->by_oid.slots)
        htable_fini(&log->by_oid);
    pg_sessions_fini(&log->base);
    pg_sessions_fini(&log->now);
    memset(log, 0, sizeof(*log));
}

void pg_log_fini(struct pg_log *log)
{
    log_free(log, 0);
}

void pg_log_move(struct pg_log *from, struct pg_log *to)
{
    *to = *from;
    pg_sessions_move(&from->base, &to->base);
    pg_sessions_move(&from->now, &to->now);
    memset(from, 0, sizeof(*from));
}

const struct pg_log_entry *pg_log_at(const struct pg_log *log, uint64_t seq)
{
    return seq > log->tail.seq && seq <= log->head.seq ? item_at(log, seq)->e : NULL;
}

static struct pg_log_item *newest_of(const struct pg_log *log, const struct oid *oid)
{
    struct hnode *n = htable_first(&log->by_oid, oid_hash64(oid));

    for (; n; n = htable_next(n)) {
        struct pg_log_item *item = CONTAINER_OF(n, struct pg_log_item, by_oid);

        if (oid_equal(&item->e->oid, oid))
            return item;
    }
    return NULL;
}

const struct pg_log_entry *pg_log_newest(const struct pg_log *log, const struct oid *oid)
{
    const struct pg_log_item *item = newest_of(log, oid);

    return item ? item->e : NULL;
}

bool pg_log_has(const struct pg_log *log, struct version v)
{
    const struct pg_log_entry *e = pg_log_at(log, v.seq);

    return version_eq(e ? e->version : log->tail, v);
}

enum pg_lookup pg_log_lookup(const struct pg_log *log, struct reqid reqid, struct epoch born,
                             uint32_t attempt, struct pg_result *out)
{
    return pg_sessions_lookup(&log->now, reqid, born, attempt, out);
}

/* Make room for one more.  0 or -ENOMEM. */
static int ring_grow(struct pg_log *log)
{
    uint32_t cap = log->cap ? 2 * log->cap : RING_MIN;
    struct pg_log_item **ring;

    if (pg_log_count(log) < log->cap)
        return 0;
    ring = mem_calloc(cap, sizeof(struct pg_log_item *));
    if (!ring)
        return -ENOMEM;
    for (uint64_t seq = log->tail.seq + 1; seq <= log->head.seq; seq++)
        ring[seq & (cap - 1)] = item_at(log, seq);
    mem_free(log->ring);
    log->ring = ring;
    log->cap = cap;
    return 0;
}

/* Not less than the bytes of its row, key and all. */
static uint64_t entry_bytes(const struct pg_log_entry *e)
{
    uint64_t bytes = ENTRY_BYTES + e->oid.ns_bytes + e->oid.name_bytes +
                     e->touched.range_count * sizeof(e->touched.range[0]);

    for (unsigned i = 0; i < e->touched.key_count; i++)
        bytes += sizeof(uint32_t) + e->touched.key[i].len;
    return bytes;
}

uint64_t pg_log_seq_for(const struct pg_log *log, uint64_t bytes)
{
    uint64_t seq = log->tail.seq, left = log->bytes;

    while (left > bytes && seq < log->head.seq)
        left -= entry_bytes(item_at(log, ++seq)->e);
    return seq;
}

int pg_log_append(struct pg_log *log, struct pg_log_entry *e)
{
    struct pg_log_item *item, *older;

    ASSERT(e->version.seq == log->head.seq + 1);
    ASSERT(e->version.epoch.v >= log->head.epoch.v);
    if (ring_grow(log) < 0)
        return -ENOMEM;
    item = mem_zalloc(sizeof(*item));
    if (!item)
        return -ENOMEM;
    if (pg_sessions_apply(&log->now, e) < 0) {
        mem_free(item);
        return -ENOMEM;
    }
    item->e = e;
    older = newest_of(log, &e->oid);
    if (older) {
        htable_remove(&log->by_oid, &older->by_oid);
        older->newest = false;
    }
    htable_insert(&log->by_oid, &item->by_oid, oid_hash64(&e->oid));
    item->newest = true;
    log->head = e->version;
    log->bytes += entry_bytes(e);
    log->ring[e->version.seq & (log->cap - 1)] = item;
    return 0;
}

void pg_log_row_put(struct txn *txn, const struct pg_log_entry *e)
{
    pg_row_entry_put(txn, e);
}

static void base_row_put(struct txn *txn, struct version tail, const struct pg_sessions *base)
{
    pg_row_base_put(txn, &(struct pg_base){.tail = tail, .expired = base->expired});
}

static void oldest_drop(struct pg_log *log)
{
    struct pg_log_item *item = item_at(log, log->tail.seq + 1);

    if (item->newest)
        htable_remove(&log->by_oid, &item->by_oid);
    log->tail = item->e->version;
    log->bytes -= entry_bytes(item->e);
    pg_log_entry_destroy(item->e);
    mem_free(item);
}

int pg_log_trim(struct pg_log *log, struct version upto, uint32_t keep_count, struct txn *txn)
{
    uint64_t last = upto.seq, seq;
    struct pg_sessions base;

    if (PLANTED(PLANT_TRIM_TOO_FAR)) {
        last = log->head.seq;
        keep_count = 0;
    }
    if (last > log->head.seq)
        return -EINVAL;
    if (pg_log_count(log) <= keep_count)
        return 0;
    last = MIN(last, log->head.seq - keep_count);
    if (last < log->tail.seq + MIN(TRIM_BATCH, keep_count / 4 + 1))
        return 0; /* copying the sessions pays for several entries only */
    if (pg_sessions_copy(&log->base, &base) < 0)
        return -ENOMEM;
    for (seq = log->tail.seq + 1; seq <= last; seq++) {
        pg_row_entry_rm(txn, seq);
        if (pg_sessions_apply(&base, item_at(log, seq)->e) < 0)
            break;
    }
    if (seq > last) {
        base_row_put(txn, item_at(log, last)->e->version, &base);
        pg_sessions_rows_change(&log->base, &base, log->tail, txn);
    }
    if (seq <= last || txn->rc < 0) {
        pg_sessions_fini(&base);
        return -ENOMEM;
    }
    pg_sessions_fini(&log->base);
    pg_sessions_move(&base, &log->base);
    seq = log->tail.seq;
    while (log->tail.seq < last)
        oldest_drop(log);
    return (int)(last - seq);
}

static int entry_copy_into(struct pg_log_entry *out, const struct pg_log_entry *from)
{
    struct pg_log_entry *e = pg_log_entry_copy(from);

    if (!e)
        return -ENOMEM;
    *out = *e;
    mem_free(e);
    return 0;
}

int pg_log_wire_make(const struct pg_log *log, struct version since, struct pg_log_wire *out)
{
    uint64_t from = MIN(MAX(since.seq, log->tail.seq), log->head.seq);
    struct pg_log_wire w = {.head = log->head};
    const struct pg_log_entry *first = pg_log_at(log, from);

    w.tail = first ? first->version : log->tail;
    w.entries = mem_calloc(log->head.seq - from, sizeof(*w.entries));
    if (!w.entries)
        return -ENOMEM;
    for (uint64_t seq = from + 1; seq <= log->head.seq; seq++) {
        if (entry_copy_into(&w.entries[w.entry_count], item_at(log, seq)->e) < 0)
            goto no_memory;
        w.entry_count++;
    }
    if (from == log->tail.seq) {
        w.expired = log->base.expired;
        if (pg_sessions_rows(&log->base, &w.floors, &w.floor_count, &w.results, &w.result_count) <
            0)
            goto no_memory;
    }
    *out = w;
    return 0;
no_memory:
    pg_log_wire_fini(&w);
    return -ENOMEM;
}

static int append_copy(struct pg_log *log, const struct pg_log_entry *from)
{
    struct pg_log_entry *e;
    int rc;

    if (from->version.seq != log->head.seq + 1 || from->version.epoch.v < log->head.epoch.v)
        return -R_MALFORMED;
    e = pg_log_entry_copy(from);
    if (!e)
        return -ENOMEM;
    rc = pg_log_append(log, e);
    if (rc < 0)
        pg_log_entry_destroy(e);
    return rc;
}

int pg_log_append_wire(struct pg_log *log, const struct pg_log_wire *wire)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < wire->entry_count; i++)
        if (wire->entries[i].version.seq > log->head.seq)
            rc = append_copy(log, &wire->entries[i]);
    if (rc == 0 && !version_eq(log->head, wire->head))
        rc = -R_MALFORMED;
    return rc;
}

/* `now` from `base`: the sessions before the first entry. */
static int now_begin(struct pg_log *log)
{
    uint32_t max = log->now.sessions_max;

    pg_sessions_fini(&log->now);
    log->base.sessions_max = max;
    return pg_sessions_copy(&log->base, &log->now);
}

int pg_log_from_wire(const struct pg_log_wire *wire, struct pg_log *out_new)
{
    struct pg_log log;
    int rc = wire->tail.seq > PG_SEQ_MAX ? -R_MALFORMED : pg_log_init(&log);

    if (rc < 0)
        return rc;
    log.tail = log.head = wire->tail;
    for (uint32_t i = 0; rc == 0 && i < wire->floor_count; i++)
        rc = pg_sessions_load_floor(&log.base, &wire->floors[i]);
    for (uint32_t i = 0; rc == 0 && i < wire->result_count; i++)
        rc = pg_sessions_load_result(&log.base, &wire->results[i]);
    log.base.expired = wire->expired;
    if (rc == 0)
        rc = pg_sessions_load_end(&log.base);
    if (rc == 0)
        rc = now_begin(&log);
    if (rc == 0)
        rc = pg_log_append_wire(&log, wire);
    if (rc < 0)
        pg_log_fini(&log);
    else
        pg_log_move(&log, out_new);
    return rc;
}

static int base_rows_put(const struct pg_log *log, struct txn *txn)
{
    struct pg_floor *floors;
    struct pg_result *results;
    uint32_t floor_count, result_count;

    if (pg_sessions_rows(&log->base, &floors, &floor_count, &results, &result_count) < 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < floor_count; i++)
        pg_row_floor_put(txn, &floors[i]);
    for (uint32_t i = 0; i < result_count; i++)
        pg_row_result_put(txn, &results[i]);
    mem_free(floors);
    mem_free(results);
    return 0;
}

void pg_log_rows_rewrite(const struct pg_log *log, struct txn *txn)
{
    pg_rows_rm(txn, 'b', 'd');
    pg_rows_rm(txn, 'l', 'l');
    base_row_put(txn, log->tail, &log->base);
    if (base_rows_put(log, txn) < 0 && txn->rc == 0)
        txn->rc = -ENOMEM;
    for (uint64_t seq = log->tail.seq + 1; seq <= log->head.seq; seq++)
        pg_row_entry_put(txn, item_at(log, seq)->e);
}

int pg_log_fork(const struct pg_log *log, struct version keep_to, struct pg_log *out_fork)
{
    struct pg_log fork;

    ASSERT(pg_log_has(log, keep_to));
    if (pg_log_init(&fork) < 0)
        return -ENOMEM;
    fork.tail = fork.head = log->tail;
    pg_sessions_fini(&fork.base);
    if (pg_sessions_copy(&log->base, &fork.base) < 0)
        goto no_memory;
    fork.now.sessions_max = log->now.sessions_max;
    if (now_begin(&fork) < 0)
        goto no_memory;
    for (uint64_t seq = log->tail.seq + 1; seq <= keep_to.seq; seq++)
        if (pg_log_append(&fork, item_at(log, seq)->e) < 0)
            goto no_memory;
    pg_log_move(&fork, out_fork);
    return 0;
no_memory:
    log_free(&fork, keep_to.seq);
    return -ENOMEM;
}

void pg_log_fork_drop(struct pg_log *fork, struct version keep_to)
{
    log_free(fork, keep_to.seq);
}

void pg_log_fork_commit(struct pg_log *log, struct pg_log *fork, struct version keep_to)
{
    log_free(log, keep_to.seq);
    pg_log_move(fork, log);
}

static int load_base(struct pg_log *log, struct bytes key, struct bytes value)
{
    struct pg_base b;
    int rc = key.len == 1 ? pg_row_base_get(value, &b) : -R_MALFORMED;

    if (rc == 0 && b.tail.seq > PG_SEQ_MAX)
        rc = -R_MALFORMED;
    if (rc < 0)
        return rc;
    log->tail = log->head = b.tail;
    log->base.expired = b.expired;
    return 0;
}

/* The base is complete when its last row was read: at the first entry, or at the end. */
static int load_base_end(struct pg_log *log)
{
    int rc;

    if (log->loaded_base)
        return 0;
    rc = pg_sessions_load_end(&log->base);
    if (rc == 0)
        rc = now_begin(log);
    log->loaded_base = rc == 0;
    return rc;
}

static int load_entry(struct pg_log *log, struct bytes key, struct bytes value)
{
    struct pg_log_entry *e;
    int rc = load_base_end(log);

    if (rc == 0)
        rc = pg_row_entry_get(key, value, &e);
    if (rc < 0)
        return rc;
    rc = -R_MALFORMED;
    if (e->version.seq == log->head.seq + 1 && e->version.epoch.v >= log->head.epoch.v)
        rc = pg_log_append(log, e);
    if (rc < 0)
        pg_log_entry_destroy(e);
    return rc;
}

int pg_log_load_row(struct pg_log *log, struct bytes key, struct bytes value)
{
    struct pg_floor f;
    struct pg_result r;
    int rc = -R_MALFORMED;

    if (log->loaded_base && (key.len == 0 || key.data[0] != 'l'))
        return rc; /* not in key order */
    switch (key.len ? key.data[0] : 0) {
    case 'b':
        return load_base(log, key, value);
    case 'c':
        rc = pg_row_floor_get(key, value, &f);
        return rc < 0 ? rc : pg_sessions_load_floor(&log->base, &f);
    case 'd':
        rc = pg_row_result_get(key, value, &r);
        return rc < 0 ? rc : pg_sessions_load_result(&log->base, &r);
    case 'l':
        return load_entry(log, key, value);
    default:
        return rc;
    }
}

int pg_log_load_end(struct pg_log *log)
{
    return load_base_end(log);
}

static bool entry_equal(const struct pg_log_entry *a, const struct pg_log_entry *b)
{
    return version_eq(a->version, b->version) && version_eq(a->prior, b->prior) &&
           a->kind == b->kind && oid_equal(&a->oid, &b->oid) && reqid_eq(a->reqid, b->reqid) &&
           a->floor == b->floor && a->rc == b->rc;
}

bool pg_log_equal(const struct pg_log *a, const struct pg_log *b)
{
    uint64_t seq = MAX(a->tail.seq, b->tail.seq) + 1;

    if (!version_eq(a->head, b->head))
        return false;
    for (; seq <= a->head.seq; seq++)
        if (!entry_equal(item_at(a, seq)->e, item_at(b, seq)->e))
            return false;
    return pg_sessions_equal(&a->now, &b->now);
}

void pg_log_check(const struct pg_log *log, bool deep)
{
    ASSERT(log->tail.seq <= log->head.seq);
    ASSERT(version_le(log->tail, log->head));
    ASSERT(pg_log_count(log) <= log->cap);
    ASSERT(log->now.session_count <= log->now.sessions_max);
    if (!deep)
        return;
    ASSERT(pg_log_seq_for(log, 0) == log->head.seq);
    for (uint64_t seq = log->tail.seq + 1; seq <= log->head.seq; seq++) {
        const struct pg_log_item *newest = newest_of(log, &item_at(log, seq)->e->oid);

        ASSERT(item_at(log, seq)->e->version.seq == seq);
        ASSERT(newest);
        ASSERT(newest->e->version.seq >= seq);
    }
}
