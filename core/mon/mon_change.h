/* mon_change.h - one entry of the monitors' log: what changes, all of it or nothing.
 *
 * doc/format/mon.md.  Pure.  Keys and values are bytes; keys have no NUL, 1 .. MON_KEY_MAX. */
#ifndef CORE_MON_MON_CHANGE_H
#define CORE_MON_MON_CHANGE_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/map/types.h"

enum {
    MON_KEY_MAX = 512,
    MON_VALUE_MAX = 64 << 10,
    MON_CHANGE_ROWS_MAX = 4096,
    MON_RESULT_TEXT_MAX = 16 << 10,
    MON_RESULT_JSON_MAX = 64 << 10,
};
enum mon_map_kind { MON_MAP_NONE = 0, MON_MAP_FULL = 1, MON_MAP_INC = 2 };

struct mon_change_row {
    struct bytes key, value;
    bool remove;
};
struct mon_change_result { /* of a command */
    uint64_t client, id;
    int32_t rc;
    struct bytes text, json;
};
struct mon_change { /* as read; payloads borrowed, arrays owned */
    uint8_t map_kind;
    struct bytes map;     /* an encoded osdmap or increment */
    struct epoch trim_to; /* drop increments up to this epoch; 0: none */
    uint32_t row_count, result_count;
    struct mon_change_row *rows;       /* owned */
    struct mon_change_result *results; /* owned */
};

void mon_change_encode(struct writer *w, const struct mon_change *change);
int mon_change_decode(struct bytes from, struct mon_change *out_change);
void mon_change_fini(struct mon_change *change);

#endif
