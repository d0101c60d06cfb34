/* pg_sessions.h - what clients were answered, as far as they may still ask again.
 *
 * A pure function of a PG's history: pg_sessions_apply() of its entries in order gives the same
 * state on every copy, whatever each copy has trimmed.  A session is one client instance; its floor
 * is the lowest op it still waits for, as of its newest entry.  Results below the floor are
 * dropped. Bounds: SESSIONS_MAX sessions and RESULTS_MAX results, the session whose newest entry is
 * oldest goes first and sets `expired`; SESSION_RESULTS_MAX results each, beyond which the floor is
 * pushed up. */
#ifndef CORE_OSD_PG_SESSIONS_H
#define CORE_OSD_PG_SESSIONS_H

#include "core/base/htable.h"
#include "core/base/list.h"
#include "core/proto/pg_wire.h"
#include "core/store/txn.h"

enum { SESSIONS_MAX = 10000, SESSION_RESULTS_MAX = 4096, RESULTS_MAX = 32768 };

struct pg_sessions {
    struct htable by_client; /* session nodes, owned */
    struct htable results;   /* result nodes, owned, by reqid */
    struct list by_age;      /* sessions, the oldest newest-entry first */
    uint32_t session_count, result_count;
    uint32_t sessions_max; /* SESSIONS_MAX; tests make it small */
    uint64_t drops;        /* sessions dropped, counted */
    struct epoch expired;  /* no session of a client born later was ever dropped */
};

int pg_sessions_init(struct pg_sessions *s);                                   /* 0 or -ENOMEM */
void pg_sessions_fini(struct pg_sessions *s);                                  /* zeroed is fine */
int pg_sessions_copy(const struct pg_sessions *from, struct pg_sessions *out); /* 0 or -ENOMEM */

void pg_sessions_move(struct pg_sessions *from, struct pg_sessions *to); /* empties `from` */

/* Account for the next entry of the history.  -ENOMEM: unchanged. */
int pg_sessions_apply(struct pg_sessions *s, const struct pg_log_entry *e);
/* `to` is a copy of `from` to which entries behind `since` were applied: what that changed in the
 * rows (`c`, `d`) goes to `txn`; the caller looks at txn->rc. */
void pg_sessions_rows_change(const struct pg_sessions *from, const struct pg_sessions *to,
                             struct version since, struct txn *txn);

enum pg_lookup { PG_LOOKUP_NEW, PG_LOOKUP_REPEAT, PG_LOOKUP_UNKNOWN };
enum pg_lookup pg_sessions_lookup(const struct pg_sessions *s, struct reqid reqid,
                                  struct epoch born, uint32_t attempt, struct pg_result *out);

/* As rows of a wire log (arrays owned by the caller); and back, into an empty `s`: all floors, then
 * all results, then the end.  0, -ENOMEM, or -R_MALFORMED: a double row, a result of nobody. */
int pg_sessions_rows(const struct pg_sessions *s, struct pg_floor **out_floors,
                     uint32_t *out_floor_count, struct pg_result **out_results,
                     uint32_t *out_result_count);
int pg_sessions_load_floor(struct pg_sessions *s, const struct pg_floor *f);
int pg_sessions_load_result(struct pg_sessions *s, const struct pg_result *r);
int pg_sessions_load_end(struct pg_sessions *s);
bool pg_sessions_equal(const struct pg_sessions *a, const struct pg_sessions *b);

#endif
