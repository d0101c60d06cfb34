/* steps_codec.c - operations and results as bytes: doc/format/messages.md.
 *
 * Each step says how long it is and how much payload it has, so that a reader can pass over a step
 * of a kind it does not know (steps_valid refuses it then, and the client gets an answer instead of
 * a broken session).  The fields follow that the kind's row names.
 *
 * Reading copies the front into the arena once; keys, values and checksums point into that copy.
 * Payload is taken off `data` by reference. */
#include "core/proto/step_kind.h"
#include "core/proto/wire.h"

enum { STEPS_VERSION = 1, STEPS_COMPAT = 1, RESULTS_VERSION = 1, RESULTS_COMPAT = 1 };
enum { STEP_HEAD_BYTES = 11, RESULT_HEAD_BYTES = 8, KEY_BYTES_MIN = 4, PAIR_BYTES_MIN = 8 };
enum { CRCS_MAX = OBJECT_BYTES_MAX / STORE_BLOCK + 1 };
enum { RESULT_STAT = 1, RESULT_MORE = 2, RESULT_FLAGS = 3 };
/* More than any kind allows now: what is too long is refused by steps_valid, with its own code. */
enum { FIELD_BYTES_MAX = STEPS_FRONT_BYTES_MAX };

static void data_put(struct writer *w, struct buf *data, const struct buf *more)
{
    if (w->rc == 0)
        w->rc = buf_append(data, more, 0, more->bytes);
}

/* The body of an envelope, as a copy in the arena. */
static struct cursor body_copy(struct arena *arena, struct cursor *body)
{
    size_t bytes = cur_left(body);
    uint8_t *copy = body->rc == 0 ? arena_dup(arena, body->at, bytes) : NULL;
    struct cursor c = cur_over(copy, copy ? bytes : 0);

    if (!copy)
        cur_fail(body, -ENOMEM);
    c.rc = body->rc;
    return c;
}

static void pairs_put(struct writer *w, const struct step_pair *pairs, uint32_t count, bool values)
{
    wr_u32(w, count);
    for (uint32_t i = 0; i < count; i++) {
        wr_bytes(w, pairs[i].key);
        if (values)
            wr_bytes(w, pairs[i].value);
    }
}

static struct step_pair *pairs_get(struct cursor *c, struct arena *arena, bool values,
                                   uint32_t *out_count)
{
    uint32_t count = cur_count(c, STEP_PAIRS_MAX, values ? PAIR_BYTES_MIN : KEY_BYTES_MIN);
    struct step_pair *pairs = count ? arena_zalloc(arena, count * sizeof(*pairs)) : NULL;

    if (count && !pairs)
        cur_fail(c, -ENOMEM);
    for (uint32_t i = 0; c->rc == 0 && i < count; i++) {
        pairs[i].key = cur_bytes(c, FIELD_BYTES_MAX);
        if (values)
            pairs[i].value = cur_bytes(c, FIELD_BYTES_MAX);
    }
    *out_count = c->rc == 0 ? count : 0;
    return pairs;
}

/* ---- steps ---- */

static void fields_put(struct writer *w, const struct step *st, unsigned fields)
{
    if (fields & FIELD_CMP)
        wr_u8(w, st->cmp);
    if (fields & FIELD_OFF)
        wr_u64(w, st->off);
    if (fields & FIELD_LEN)
        wr_u64(w, st->len);
    if (fields & FIELD_OFF2)
        wr_u64(w, st->off2);
    if (fields & FIELD_ROWS)
        wr_u32(w, st->rows_max);
    if (fields & FIELD_VERSION)
        wr_version(w, st->version);
    if (fields & FIELD_KEY)
        wr_bytes(w, st->key);
    if (fields & FIELD_VALUE)
        wr_bytes(w, st->value);
    if (fields & (FIELD_PAIRS | FIELD_KEYS))
        pairs_put(w, st->pairs_in, st->pair_in_count, fields & FIELD_PAIRS);
    if (fields & FIELD_DATA)
        wr_raw(w, st->crcs, 4 * (size_t)crc_count(step_crc_off(st), st->data.bytes));
}

void steps_encode(const struct steps *s, struct writer *front, struct buf *data)
{
    size_t mark = wr_begin_plain(front, STEPS_VERSION, STEPS_COMPAT), at;

    if (front->rc == 0)
        front->rc = s->rc;
    wr_u32(front, s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct step *st = &s->step[i];
        unsigned fields = step_kind_row(st->kind)->fields;

        ASSERT(st->data.bytes <= OBJECT_BYTES_MAX);
        ASSERT(st->data.bytes == 0 || (fields & FIELD_DATA));
        ASSERT(st->data.bytes == 0 || st->crcs);
        wr_u8(front, st->kind);
        wr_u16(front, st->flags);
        wr_u32(front, (uint32_t)st->data.bytes);
        at = front->len;
        wr_u32(front, 0);
        fields_put(front, st, fields);
        if (front->rc == 0)
            wr_put_u32(front, at, (uint32_t)(front->len - at - 4));
        data_put(front, data, &st->data);
    }
    wr_end_plain(front, mark);
}

static void crcs_get(struct cursor *c, struct step *st, uint32_t bytes)
{
    uint64_t off = step_crc_off(st);

    if (off > UINT64_MAX - bytes)
        cur_fail(c, -R_MALFORMED);
    if (c->rc == 0 && bytes)
        st->crcs = (uint8_t *)cur_raw(c, 4 * (size_t)crc_count(off, bytes)).data; /* our own copy */
}

static void fields_get(struct cursor *c, struct arena *arena, struct step *st, uint32_t data_bytes)
{
    unsigned fields = step_kind_row(st->kind)->fields;

    if (fields & FIELD_CMP)
        st->cmp = cur_u8(c);
    if (fields & FIELD_OFF)
        st->off = cur_u64(c);
    if (fields & FIELD_LEN)
        st->len = cur_u64(c);
    if (fields & FIELD_OFF2)
        st->off2 = cur_u64(c);
    if (fields & FIELD_ROWS)
        st->rows_max = cur_u32(c);
    if (fields & FIELD_VERSION)
        st->version = cur_version(c);
    if (fields & FIELD_KEY)
        st->key = cur_bytes(c, FIELD_BYTES_MAX);
    if (fields & FIELD_VALUE)
        st->value = cur_bytes(c, FIELD_BYTES_MAX);
    if (fields & (FIELD_PAIRS | FIELD_KEYS))
        st->pairs_in = pairs_get(c, arena, fields & FIELD_PAIRS, &st->pair_in_count);
    if (fields & FIELD_DATA)
        crcs_get(c, st, data_bytes);
}

static void step_get(struct cursor *c, struct buf *data, struct steps *out)
{
    struct step *st = steps_add(out, cur_u8(c));
    uint32_t data_bytes;
    struct bytes body;
    struct cursor fields;

    if (!st) {
        cur_fail(c, out->rc);
        return;
    }
    st->flags = cur_u16(c);
    data_bytes = cur_u32(c);
    body = cur_bytes(c, UINT32_MAX);
    if (data_bytes > OBJECT_BYTES_MAX)
        cur_fail(c, -R_MALFORMED);
    if (data_bytes && !(step_kind_row(st->kind)->fields & FIELD_DATA) && st->kind < STEP_KIND_END)
        cur_fail(c, -R_MALFORMED);
    fields = cur_over(body.data, body.len);
    fields.rc = c->rc;
    fields_get(&fields, &out->arena, st, data_bytes);
    (void)cur_leave(c, &fields); /* the caller looks at c->rc */
    wire_data_take(c, data, data_bytes, &st->data);
    if (step_kind_row(st->kind)->class == STEP_NO_CLASS)
        buf_fini(&st->data); /* passed over with the step */
}

int steps_decode(struct cursor *front, struct buf *data, struct steps *out)
{
    struct cursor body, c;
    uint32_t count;

    ASSERT(out->count == 0);
    (void)cur_enter_plain(front, STEPS_COMPAT, &body);
    c = body_copy(&out->arena, &body);
    count = cur_count(&c, STEPS_MAX, STEP_HEAD_BYTES);
    for (uint32_t i = 0; c.rc == 0 && i < count; i++)
        step_get(&c, data, out);
    return cur_leave(front, &c);
}

/* ---- results ---- */

static bool has_stat(const struct step_result *r)
{
    return r->size || r->mtime_wall_ns || !version_eq(r->version, (struct version){0});
}

void step_results_encode(const struct step_results *r, struct writer *front, struct buf *data)
{
    size_t mark = wr_begin_plain(front, RESULTS_VERSION, RESULTS_COMPAT), at;

    wr_u32(front, r->count);
    for (uint32_t i = 0; i < r->count; i++) {
        const struct step_result *res = &r->result[i];

        ASSERT(res->data.bytes <= OBJECT_BYTES_MAX);
        wr_u32(front, (uint32_t)res->data.bytes);
        at = front->len;
        wr_u32(front, 0);
        wr_i32(front, res->rc);
        wr_u8(front, (uint8_t)((has_stat(res) ? RESULT_STAT : 0) | (res->more ? RESULT_MORE : 0)));
        if (has_stat(res)) {
            wr_u64(front, res->size);
            wr_u64(front, res->mtime_wall_ns);
            wr_version(front, res->version);
        }
        wr_u32(front, res->crc_count);
        wr_raw(front, res->crcs, 4 * (size_t)res->crc_count);
        pairs_put(front, res->pairs, res->pair_count, true);
        if (front->rc == 0)
            wr_put_u32(front, at, (uint32_t)(front->len - at - 4));
        data_put(front, data, &res->data);
    }
    wr_end_plain(front, mark);
}

static void result_get(struct cursor *c, struct arena *arena, struct buf *data,
                       struct step_result *out)
{
    uint32_t data_bytes = cur_u32(c);
    struct bytes bytes = cur_bytes(c, UINT32_MAX);
    struct cursor body = cur_over(bytes.data, bytes.len);
    unsigned flags;

    body.rc = c->rc;
    out->rc = cur_i32(&body);
    flags = cur_u8(&body);
    if (flags & ~RESULT_FLAGS || data_bytes > OBJECT_BYTES_MAX)
        cur_fail(&body, -R_MALFORMED);
    out->more = flags & RESULT_MORE;
    if (flags & RESULT_STAT) {
        out->size = cur_u64(&body);
        out->mtime_wall_ns = cur_u64(&body);
        out->version = cur_version(&body);
    }
    out->crc_count = cur_count(&body, CRCS_MAX, 4);
    if (out->crc_count)
        out->crcs = (uint8_t *)cur_raw(&body, 4 * (size_t)out->crc_count).data; /* our own copy */
    out->pairs = pairs_get(&body, arena, true, &out->pair_count);
    (void)cur_leave(c, &body); /* the caller looks at c->rc */
    wire_data_take(c, data, data_bytes, &out->data);
}

int step_results_decode(struct cursor *front, struct buf *data, struct step_results *out)
{
    struct cursor body, c;
    uint32_t count;

    ASSERT(out->count == 0);
    (void)cur_enter_plain(front, RESULTS_COMPAT, &body);
    c = cur_over(body.at, cur_left(&body));
    c.rc = body.rc;
    count = cur_count(&c, STEPS_MAX, RESULT_HEAD_BYTES);
    if (c.rc == 0 && step_results_reserve(out, count) < 0)
        cur_fail(&c, -ENOMEM);
    if (c.rc == 0) {
        body.at = c.at;
        c = body_copy(&out->arena, &body);
    }
    for (uint32_t i = 0; c.rc == 0 && i < count; i++)
        result_get(&c, &out->arena, data, &out->result[i]);
    return cur_leave(front, &c);
}
