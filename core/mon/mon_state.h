/* mon_state.h - what the majority decided: a pure function of the log's entries.
 *
 * No clock, no randomness, no configuration: members that applied the same entries encode to the
 * same bytes.  Threads: one owner; maps and increments it lends are immutable and counted. */
#ifndef CORE_MON_MON_STATE_H
#define CORE_MON_MON_STATE_H

#include "core/base/htable.h"
#include "core/base/list.h"
#include "core/base/tree.h"
#include "core/map/osdmap.h"
#include "core/mon/mon_change.h"

enum { MON_RESULTS_KEPT = 1024 };

struct mon_row { /* of the key-value table */
    RB_ENTRY(mon_row) node;
    char *key;      /* owned, terminated */
    uint8_t *value; /* owned, terminated beyond its length */
    uint32_t value_bytes;
};
RB_HEAD(mon_rows, mon_row);

struct mon_result {    /* of a command that ran */
    struct list link;  /* oldest first */
    struct hnode node; /* by client and id */
    uint64_t client, id;
    int32_t rc;
    char *text;    /* owned, terminated */
    uint8_t *json; /* owned */
    uint32_t text_bytes, json_bytes;
};

struct mon_state {
    uint8_t fsid[16];
    struct osdmap *oldest; /* ref: the oldest epoch kept; NULL before the first */
    struct osdmap *map;    /* ref: the newest */
    struct buf *incs;      /* owned: encoded, of epochs oldest+1 .. map */
    uint32_t inc_count, inc_cap;
    struct mon_rows rows; /* owned */
    uint32_t row_count;
    struct list results; /* owned */
    struct htable results_by_id;
    uint32_t result_count;
};

int mon_state_init(struct mon_state *s, const uint8_t fsid[16]); /* 0 or -ENOMEM */
void mon_state_fini(struct mon_state *s);                        /* takes a zeroed one */
/* Apply an entry's payload.  0; anything else: it cannot be applied, and the role must stop (the
 * state may hold a part of it). */
int mon_state_apply(struct mon_state *s, struct bytes entry);
/* The whole state as sealed bytes, and back. */
void mon_state_encode(const struct mon_state *s, struct writer *w);
int mon_state_decode(struct bytes from, struct mon_state *out_state);

const struct mon_row *mon_state_get(const struct mon_state *s, const char *key); /* NULL: none */
/* The first row whose key is `prefix` or later, and the next after a row; NULL: no more. */
const struct mon_row *mon_state_from(const struct mon_state *s, const char *prefix);
const struct mon_row *mon_state_next(const struct mon_row *row);
const struct mon_result *mon_state_result(const struct mon_state *s, uint64_t client, uint64_t id);
struct epoch mon_state_epoch(const struct mon_state *s);  /* 0: no map yet */
struct epoch mon_state_oldest(const struct mon_state *s); /* likewise */
/* The encoded increment that leads to `epoch`: oldest < epoch <= newest. */
const struct buf *mon_state_inc(const struct mon_state *s, struct epoch epoch);
void mon_state_check(const struct mon_state *s);

#endif
