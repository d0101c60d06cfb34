/* mon_change.c - the codec of changes. */
#include "core/mon/mon_change.h"

enum { CHANGE_VERSION = 1, ROW_MIN = 9, RESULT_MIN = 28 };

void mon_change_encode(struct writer *w, const struct mon_change *change)
{
    size_t mark = wr_begin_plain(w, CHANGE_VERSION, CHANGE_VERSION);

    wr_u8(w, change->map_kind);
    wr_bytes(w, change->map);
    wr_u32(w, change->trim_to.v);
    wr_u32(w, change->row_count);
    for (uint32_t i = 0; i < change->row_count; i++) {
        wr_bytes(w, change->rows[i].key);
        wr_bool(w, change->rows[i].remove);
        wr_bytes(w, change->rows[i].value);
    }
    wr_u32(w, change->result_count);
    for (uint32_t i = 0; i < change->result_count; i++) {
        const struct mon_change_result *r = &change->results[i];

        wr_u64(w, r->client);
        wr_u64(w, r->id);
        wr_i32(w, r->rc);
        wr_bytes(w, r->text);
        wr_bytes(w, r->json);
    }
    wr_end_plain(w, mark);
}

static void row_get(struct cursor *c, struct mon_change_row *row)
{
    row->key = cur_bytes(c, MON_KEY_MAX);
    row->remove = cur_bool(c);
    row->value = cur_bytes(c, MON_VALUE_MAX);
    if (c->rc == 0 && (row->key.len == 0 || memchr(row->key.data, 0, row->key.len)))
        cur_fail(c, -R_MALFORMED);
}

static void result_get(struct cursor *c, struct mon_change_result *r)
{
    r->client = cur_u64(c);
    r->id = cur_u64(c);
    r->rc = cur_i32(c);
    r->text = cur_bytes(c, MON_RESULT_TEXT_MAX);
    r->json = cur_bytes(c, MON_RESULT_JSON_MAX);
}

/* Zeroed rows; 0 of them when they cannot be had. */
static void *rows_alloc(struct cursor *c, uint32_t *count, size_t row_bytes)
{
    void *rows = *count ? mem_calloc(*count, row_bytes) : NULL;

    if (*count && !rows) {
        cur_fail(c, -ENOMEM);
        *count = 0;
    }
    return rows;
}

int mon_change_decode(struct bytes from, struct mon_change *out_change)
{
    struct mon_change change = {0};
    struct cursor c = cur_over(from.data, from.len), body;

    (void)cur_enter_plain(&c, CHANGE_VERSION, &body);
    change.map_kind = cur_u8(&body);
    change.map = cur_bytes(&body, UINT32_MAX);
    change.trim_to.v = cur_u32(&body);
    if (change.map_kind > MON_MAP_INC || (change.map_kind == MON_MAP_NONE) != (change.map.len == 0))
        cur_fail(&body, -R_MALFORMED);
    change.row_count = cur_count(&body, MON_CHANGE_ROWS_MAX, ROW_MIN);
    change.rows = rows_alloc(&body, &change.row_count, sizeof(*change.rows));
    for (uint32_t i = 0; i < change.row_count; i++)
        row_get(&body, &change.rows[i]);
    change.result_count = cur_count(&body, MON_CHANGE_ROWS_MAX, RESULT_MIN);
    change.results = rows_alloc(&body, &change.result_count, sizeof(*change.results));
    for (uint32_t i = 0; i < change.result_count; i++)
        result_get(&body, &change.results[i]);
    (void)cur_leave(&c, &body); /* c.rc tells */
    if (cur_finish(&c) < 0) {
        mon_change_fini(&change);
        return c.rc;
    }
    *out_change = change;
    return 0;
}

void mon_change_fini(struct mon_change *change)
{
    mem_free(change->rows);
    mem_free(change->results);
    memset(change, 0, sizeof(*change));
}
