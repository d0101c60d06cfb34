/* pg_info_row.c - the PG's `i` row: info and past intervals.  doc/format/pg.md */
#include "core/osd/past_intervals.h"

enum { ROW_VERSION = 1, ROW_COMPAT = 1, INTERVAL_BYTES_MIN = 14 };

static void interval_put(struct writer *w, const struct past_interval *i)
{
    wr_u32(w, i->first.v);
    wr_u32(w, i->last.v);
    wr_osd_set(w, &i->up);
    wr_osd_set(w, &i->acting);
    wr_i32(w, i->primary.v);
}

static struct past_interval interval_get(struct cursor *c)
{
    struct past_interval i = {.maybe_wrote = true};

    i.first.v = cur_u32(c);
    i.last.v = cur_u32(c);
    i.up = cur_osd_set(c);
    i.acting = cur_osd_set(c);
    i.primary.v = cur_i32(c);
    return i;
}

static void past_get(struct cursor *c, struct past_intervals *out)
{
    uint32_t count;

    out->first.v = cur_u32(c);
    out->newest.v = cur_u32(c);
    count = cur_count(c, PAST_INTERVALS_MAX, INTERVAL_BYTES_MIN);
    if (c->rc < 0 || count == 0)
        return;
    out->row = mem_calloc(count, sizeof(*out->row));
    if (!out->row) {
        cur_fail(c, -ENOMEM);
        return;
    }
    for (; c->rc == 0 && out->count < count; out->count++) {
        struct past_interval *i = &out->row[out->count];

        *i = interval_get(c);
        if (i->last.v < i->first.v || (out->count && i->first.v <= i[-1].last.v))
            cur_fail(c, -R_MALFORMED);
    }
}

void pg_info_row_encode(const struct pg_info *info, const struct past_intervals *past,
                        struct writer *w)
{
    size_t mark = wr_begin_plain(w, ROW_VERSION, ROW_COMPAT);

    pg_info_encode(info, w);
    wr_u32(w, past->first.v);
    wr_u32(w, past->newest.v);
    wr_u32(w, past->count);
    for (uint32_t i = 0; i < past->count; i++)
        interval_put(w, &past->row[i]);
    wr_end_plain(w, mark);
}

int pg_info_row_decode(struct cursor *c, struct pg_info *out_info, struct past_intervals *out_past)
{
    struct past_intervals past = {0};
    struct pg_info info = {0};
    struct cursor body;

    (void)cur_enter_plain(c, ROW_COMPAT, &body);
    (void)pg_info_decode(&body, &info);
    past_get(&body, &past);
    if (cur_leave(c, &body) < 0) {
        pg_info_fini(&info);
        past_intervals_fini(&past);
        return c->rc;
    }
    *out_info = info;
    *out_past = past;
    return 0;
}
