/* mon_command.h - the table of commands.  Only for core/mon.
 *
 * A row's words come first in argv, its arguments after them.  A handler that reads runs on the
 * leader, once its leadership is proved; one that writes changes the draft, and its result is
 * committed with it.  A failing writer must leave the draft's rows as they were; the map it changes
 * is its own copy, kept only when it returns 0.
 *
 * Results: `json` is the result, `text` the same for people; for a refusal `why` says the reason.
 * The shapes of the JSON are in doc/format/mon-commands.md. */
#ifndef CORE_MON_MON_COMMAND_H
#define CORE_MON_MON_COMMAND_H

#include "core/base/json.h"
#include "core/mon/mon_int.h"
#include "core/mon/mon_table.h"

struct mon_call {
    struct mon *mon;
    uint32_t argc; /* behind the words */
    char **argv;   /* borrowed */
    struct bytes input;
    struct osdmap *map; /* writers: the draft's map after mon_call_map */
    json_t *json;       /* owned: the result */
    struct writer text; /* owned */
    struct note why;
};

/* The map to change: a copy of the draft's that replaces it when the handler returns 0. */
struct osdmap *mon_call_map(struct mon_call *call); /* NULL: no memory */
void mon_call_say(struct mon_call *call, const char *fmt, ...) PRINTF_LIKE(2, 3);
int mon_call_fail(struct mon_call *call, int rc, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A whole decimal number up to `max`: 0, or -R_BAD_COMMAND with `why`. */
int mon_call_number(struct mon_call *call, uint32_t arg, const char *what, uint64_t max,
                    uint64_t *out_value);
/* An option "--name VALUE" or "name VALUE" at argv[i]: true when argv[i] is it and a value follows.
 */
bool mon_call_option(const struct mon_call *call, uint32_t i, const char *name);
/* For walking rows of one kind; false at NULL, too. */
bool mon_row_has_prefix(const struct mon_row *row, const char *prefix);

int mon_cmd_status(struct mon_call *call);
int mon_cmd_health(struct mon_call *call);
int mon_cmd_mon_ls(struct mon_call *call);
int mon_cmd_pg_ls(struct mon_call *call);
int mon_cmd_map_get(struct mon_call *call);
int mon_cmd_crush_show(struct mon_call *call);
int mon_cmd_help(struct mon_call *call);
int mon_cmd_osd_ls(struct mon_call *call);
int mon_cmd_osd_tree(struct mon_call *call);
int mon_cmd_osd_out(struct mon_call *call);
int mon_cmd_osd_in(struct mon_call *call);
int mon_cmd_osd_stop(struct mon_call *call);
int mon_cmd_osd_start(struct mon_call *call);
int mon_cmd_osd_trouble(struct mon_call *call);
int mon_cmd_osd_lost(struct mon_call *call);
int mon_cmd_osd_rm(struct mon_call *call);
int mon_cmd_pool_ls(struct mon_call *call);
int mon_cmd_pool_create(struct mon_call *call);
int mon_cmd_pool_rm(struct mon_call *call);
int mon_cmd_pool_set(struct mon_call *call);
int mon_cmd_user_create(struct mon_call *call);
int mon_cmd_user_list(struct mon_call *call);
int mon_cmd_user_rm(struct mon_call *call);
int mon_cmd_user_info(struct mon_call *call);
int mon_cmd_user_suspend(struct mon_call *call);
int mon_cmd_user_enable(struct mon_call *call);
int mon_cmd_user_quota(struct mon_call *call);
int mon_cmd_user_key_ls(struct mon_call *call);
int mon_cmd_user_key_add(struct mon_call *call);
int mon_cmd_user_key_rm(struct mon_call *call);
int mon_cmd_user_find(struct mon_call *call);
int mon_cmd_key_get(struct mon_call *call);
int mon_cmd_key_set(struct mon_call *call);
int mon_cmd_key_rm(struct mon_call *call);
int mon_cmd_key_ls(struct mon_call *call);
int mon_cmd_block_add(struct mon_call *call);
int mon_cmd_block_rm(struct mon_call *call);
int mon_cmd_block_ls(struct mon_call *call);

/* ---- mon_health.c ---- */

enum mon_severity { MON_NOTE, MON_WARN, MON_ERROR };
enum { MON_CHECKS_MAX = 32, MON_DETAILS_MAX = 20 };
struct mon_pg_sums {
    uint32_t total, clean, not_reported;
    uint64_t objects, bytes, degraded, misplaced, unfound;
};
/* Sums over all PGs, and (when `states` is not NULL) how many are in which state, by name. */
int mon_pg_sums(const struct mon *mon, struct mon_pg_sums *out_sums, json_t *states);
/* {"status": "HEALTH_OK", "checks": [...]}: a new reference, NULL: no memory. */
json_t *mon_health(const struct mon *mon);
void mon_health_print(const json_t *health, struct writer *text, bool details);
/* PG count and rule for a pool of this size. */
uint32_t mon_pool_pg_count(const struct osdmap *m, uint32_t size);

#endif
