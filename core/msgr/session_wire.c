/* session_wire.c - the codec of doc/format/session.md.
 *
 * A message is encoded once: head, front and references to its data make one row of spans, which is
 * kept until the peer acknowledged it and sent again unchanged after a break. */
#include "core/msgr/session_wire.h"

#include "core/base/crc.h"

static const char greeting_magic[8] = {'C', 'a', 'i', 'r', 'n', 'M', 's', 'g'};
enum { GREETING_VERSION = 1, GREETING_COMPAT = 1 };
enum { FRAME_MAGIC = 0xC5, HEAD_COVERED = 44, PREFACE_LENGTH_AT = 12 };

/* ---- greetings ---- */

static void put_entity(struct writer *w, const struct entity *e)
{
    wr_u8(w, e->role);
    wr_u64(w, e->id);
    wr_u64(w, e->instance);
}

static struct entity take_entity(struct cursor *c)
{
    struct entity e;

    e.role = cur_u8(c);
    e.id = cur_u64(c);
    e.instance = cur_u64(c);
    return e;
}

static void take_fsid(struct cursor *c, uint8_t fsid[16])
{
    struct bytes raw = cur_raw(c, 16);

    if (raw.len == 16)
        memcpy(fsid, raw.data, 16);
}

/* Returns the mark for end(). */
static size_t begin(struct writer *w)
{
    wr_raw(w, greeting_magic, sizeof(greeting_magic));
    wr_u32(w, WIRE_FRAMING);
    wr_u32(w, 0); /* the length, by end() */
    return wr_begin_plain(w, GREETING_VERSION, GREETING_COMPAT);
}

static void end(struct writer *w, size_t mark, size_t start)
{
    wr_end_plain(w, mark);
    if (w->rc == 0)
        wr_put_u32(w, start + PREFACE_LENGTH_AT, (uint32_t)(w->len - start - WIRE_PREFACE_BYTES));
}

void hello_encode(struct writer *w, const struct hello *h)
{
    size_t start = w->len, mark = begin(w);

    wr_u16(w, h->protocol_min);
    wr_u16(w, h->protocol_max);
    wr_u64(w, h->features);
    wr_u64(w, h->required);
    put_entity(w, &h->self);
    wr_raw(w, h->fsid, sizeof(h->fsid));
    wr_u64(w, h->session);
    wr_u32(w, h->attempt);
    wr_bool(w, h->fresh);
    wr_u64(w, h->in_seq);
    wr_u64(w, h->out_seq);
    wr_u16(w, h->auth_method);
    wr_bytes(w, h->auth);
    end(w, mark, start);
}

void answer_encode(struct writer *w, const struct answer *a)
{
    size_t start = w->len, mark = begin(w);

    wr_u32(w, a->refused);
    wr_u16(w, a->protocol);
    wr_u64(w, a->features);
    wr_u64(w, a->required);
    put_entity(w, &a->self);
    wr_raw(w, a->fsid, sizeof(a->fsid));
    wr_u64(w, a->in_seq);
    wr_u64(w, a->out_seq);
    wr_u16(w, a->auth_method);
    wr_bytes(w, a->auth);
    end(w, mark, start);
}

int hello_decode(struct cursor *c, struct hello *out_hello)
{
    struct hello h = {0};
    struct cursor body;

    cur_enter_plain(c, GREETING_COMPAT, &body);
    h.protocol_min = cur_u16(&body);
    h.protocol_max = cur_u16(&body);
    h.features = cur_u64(&body);
    h.required = cur_u64(&body);
    h.self = take_entity(&body);
    take_fsid(&body, h.fsid);
    h.session = cur_u64(&body);
    h.attempt = cur_u32(&body);
    h.fresh = cur_bool(&body);
    h.in_seq = cur_u64(&body);
    h.out_seq = cur_u64(&body);
    h.auth_method = cur_u16(&body);
    h.auth = cur_bytes(&body, WIRE_AUTH_MAX);
    cur_leave(c, &body);
    if (cur_finish(c) == 0)
        *out_hello = h;
    return c->rc;
}

int answer_decode(struct cursor *c, struct answer *out_answer)
{
    struct answer a = {0};
    struct cursor body;

    cur_enter_plain(c, GREETING_COMPAT, &body);
    a.refused = cur_u32(&body);
    a.protocol = cur_u16(&body);
    a.features = cur_u64(&body);
    a.required = cur_u64(&body);
    a.self = take_entity(&body);
    take_fsid(&body, a.fsid);
    a.in_seq = cur_u64(&body);
    a.out_seq = cur_u64(&body);
    a.auth_method = cur_u16(&body);
    a.auth = cur_bytes(&body, WIRE_AUTH_MAX);
    if (a.refused > INT32_MAX)
        cur_fail(&body, -R_MALFORMED);
    cur_leave(c, &body);
    if (cur_finish(c) == 0)
        *out_answer = a;
    return c->rc;
}

int preface_decode(const uint8_t at[WIRE_PREFACE_BYTES], uint32_t *out_bytes)
{
    struct cursor c = cur_over(at, WIRE_PREFACE_BYTES);
    struct bytes magic = cur_raw(&c, sizeof(greeting_magic));
    uint32_t framing = cur_u32(&c), bytes = cur_u32(&c);

    if (memcmp(magic.data, greeting_magic, sizeof(greeting_magic)) != 0)
        return -R_BAD_MAGIC;
    if (framing != WIRE_FRAMING)
        return -R_TOO_NEW;
    if (bytes == 0 || bytes > WIRE_GREETING_MAX)
        return -R_MALFORMED;
    *out_bytes = bytes;
    return 0;
}

/* ---- frames ---- */

void frame_head_encode(uint8_t at[WIRE_HEAD_BYTES], const struct frame_head *h)
{
    struct writer w = wr_over(at, WIRE_HEAD_BYTES);

    wr_u8(&w, FRAME_MAGIC);
    wr_u8(&w, h->kind);
    wr_u16(&w, h->type);
    wr_u32(&w, h->front_bytes);
    wr_u32(&w, h->data_bytes);
    wr_u32(&w, h->payload_crc);
    wr_u64(&w, h->seq);
    wr_u64(&w, h->ack);
    wr_u64(&w, h->trace_id);
    wr_u32(&w, 0);
    wr_u32(&w, crc32c(0, at, HEAD_COVERED));
    ASSERT(w.rc == 0);
    ASSERT(w.len == WIRE_HEAD_BYTES);
}

int frame_head_decode(const uint8_t at[WIRE_HEAD_BYTES], struct frame_head *out_head)
{
    struct cursor c = cur_over(at, WIRE_HEAD_BYTES);
    struct frame_head h = {0};
    uint32_t flags;

    if (cur_u8(&c) != FRAME_MAGIC)
        return -R_BAD_MAGIC;
    h.kind = cur_u8(&c);
    h.type = cur_u16(&c);
    h.front_bytes = cur_u32(&c);
    h.data_bytes = cur_u32(&c);
    h.payload_crc = cur_u32(&c);
    h.seq = cur_u64(&c);
    h.ack = cur_u64(&c);
    h.trace_id = cur_u64(&c);
    flags = cur_u32(&c);
    if (cur_u32(&c) != crc32c(0, at, HEAD_COVERED))
        return -R_CSUM_MISMATCH;
    if (flags != 0 || h.kind < FRAME_MESSAGE || h.kind >= FRAME_KIND_END)
        return -R_MALFORMED;
    if ((h.kind == FRAME_MESSAGE) != (h.seq != 0))
        return -R_MALFORMED;
    if (h.kind != FRAME_MESSAGE &&
        (h.type || h.front_bytes || h.data_bytes || h.payload_crc || h.trace_id))
        return -R_MALFORMED;
    *out_head = h;
    return 0;
}

/* ---- messages ---- */

int msg_types_init(struct msg_types *t, const struct msg_type *const *types)
{
    uint32_t count = 0;
    const struct msg_type **by_id;

    for (uint32_t i = 0; types[i]; i++)
        count = MAX(count, (uint32_t)types[i]->id + 1);
    by_id = mem_calloc(count, sizeof(*by_id));
    if (!by_id)
        return -ENOMEM;
    for (uint32_t i = 0; types[i]; i++) {
        ASSERT(!by_id[types[i]->id]);
        by_id[types[i]->id] = types[i];
    }
    *t = (struct msg_types){.by_id = by_id, .count = count};
    return 0;
}

void msg_types_fini(struct msg_types *t)
{
    mem_free(t->by_id);
    *t = (struct msg_types){0};
}

const struct msg_type *msg_types_find(const struct msg_types *t, uint16_t id)
{
    return id < t->count ? t->by_id[id] : NULL;
}

/* Front into `scratch` behind room for the head; data by reference. */
static int encode_parts(const struct msg *m, struct writer *scratch, struct buf *data)
{
    const struct msg_type *type = m->type;

    scratch->len = 0;
    scratch->rc = 0;
    wr_zeros(scratch, WIRE_HEAD_BYTES);
    type->encode(m, scratch, data);
    if (scratch->rc)
        return scratch->rc;
    if (scratch->len - WIRE_HEAD_BYTES > type->front_max || data->bytes > type->data_max)
        return -EMSGSIZE;
    return 0;
}

int msg_encode(const struct msg *m, uint64_t seq, uint64_t ack, struct writer *scratch,
               struct buf *out_frame)
{
    AUTO(buf) data = {0};
    AUTO(buf) frame = {0};
    struct frame_head head = {.kind = FRAME_MESSAGE,
                              .type = m->type->id,
                              .seq = seq,
                              .ack = ack,
                              .trace_id = m->trace_id};
    uint32_t crc;
    int rc = encode_parts(m, scratch, &data);

    if (rc)
        return rc;
    head.front_bytes = (uint32_t)(scratch->len - WIRE_HEAD_BYTES);
    head.data_bytes = (uint32_t)data.bytes;
    crc = crc32c(0, scratch->data + WIRE_HEAD_BYTES, head.front_bytes);
    for (uint32_t i = 0; i < data.span_count; i++) {
        const struct span *s = buf_spans_of(&data) + i;

        crc = crc32c(crc, span_data(s), s->bytes);
    }
    head.payload_crc = crc;
    frame_head_encode(scratch->data, &head);
    rc = buf_append_copy(&frame, scratch->data, scratch->len);
    if (rc == 0)
        rc = buf_append(&frame, &data, 0, data.bytes);
    if (rc == 0)
        *out_frame = buf_move(&frame);
    return rc;
}

int msg_decode(const struct msg_type *type, struct bytes front, struct buf *data,
               struct msg **out_msg)
{
    struct cursor c = cur_over(front.data, front.len);
    struct msg *m = msg_create(type);
    uint64_t bytes = type->bytes + front.len + data->bytes;
    int rc = -ENOMEM;

    if (m) {
        rc = type->decode(m, &c, data);
        if (rc == 0)
            rc = cur_finish(&c);
    }
    buf_fini(data);
    if (rc) {
        msg_free(m);
        return rc;
    }
    m->cost_bytes = bytes;
    *out_msg = m;
    return 0;
}

int msg_recode(const struct msg *m, const struct msg_types *types, struct msg **out_msg)
{
    AUTO(writer) scratch = {0};
    AUTO(buf) data = {0};
    const struct msg_type *type = msg_types_find(types, m->type->id);
    int rc = encode_parts(m, &scratch, &data);

    if (rc == 0)
        rc = type ? buf_flatten(&data) : -R_MALFORMED;
    if (rc == 0)
        rc = msg_decode(type,
                        (struct bytes){scratch.data + WIRE_HEAD_BYTES,
                                       (uint32_t)(scratch.len - WIRE_HEAD_BYTES)},
                        &data, out_msg);
    if (rc == 0)
        (*out_msg)->trace_id = m->trace_id;
    return rc;
}
