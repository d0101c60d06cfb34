/* test_wire.c - greetings and frames as bytes, and the reader of a peer's bytes. */
#include "core/base/crc.h"
#include "core/base/rng.h"
#include "core/msgr/session_parse.h"
#include "tests/unit/msgr/world.h"
#include "tests/unit/t.h"

static const struct hello hello_sample = {
    .protocol_min = 1,
    .protocol_max = 3,
    .features = 5,
    .required = 1,
    .self = {ENTITY_OSD, 2, 0x1122334455667788},
    .fsid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .session = 0xa1a2a3a4a5a6a7a8,
    .attempt = 4,
    .fresh = true,
    .in_seq = 17,
    .out_seq = 19,
    .auth_method = 0,
};
static const struct answer answer_sample = {
    .refused = 0,
    .protocol = 1,
    .features = 9,
    .required = 0,
    .self = {ENTITY_MON, 0, 77},
    .fsid = {16},
    .in_seq = 19,
    .out_seq = 17,
    .auth_method = 1,
    .auth = {(const uint8_t *)"key", 3},
};

static struct msg_types types_make(void)
{
    struct msg_types types;

    T_OK(msg_types_init(&types, t_types));
    return types;
}

/* A stream: hello, two messages, an ack between them. */
static void stream_make(struct writer *w, uint32_t data_bytes)
{
    struct writer scratch = {0};
    uint8_t ack[WIRE_HEAD_BYTES];

    hello_encode(w, &hello_sample);
    for (uint64_t n = 1; n <= 2; n++) {
        struct t_note *t = t_note_make(n, 5, data_bytes);
        struct buf frame = {0};
        void *flat;

        T_OK(msg_encode(&t->msg, n, 40 + n, &scratch, &frame));
        flat = mem_alloc(frame.bytes);
        buf_copy_out(&frame, 0, flat, frame.bytes);
        wr_raw(w, flat, frame.bytes);
        mem_free(flat);
        buf_fini(&frame);
        msg_free(&t->msg);
        if (n == 2)
            break;
        frame_head_encode(ack, &(struct frame_head){.kind = FRAME_ACK, .ack = 50});
        wr_raw(w, ack, sizeof(ack));
    }
    writer_fini(&scratch);
    T_OK(w->rc);
}

T(session_wire, bytes_of_version_1_never_change)
{
    struct writer w = {0};

    answer_encode(&w, &answer_sample);
    stream_make(&w, 9);
    T_GOLDEN("session", w.data, w.len);
    writer_fini(&w);
}

T(session_wire, greetings_come_back_as_they_went)
{
    struct writer w = {0};
    struct cursor c;
    struct hello h;
    struct answer a;
    uint32_t bytes;

    hello_encode(&w, &hello_sample);
    T_OK(preface_decode(w.data, &bytes));
    T_EQ(bytes, w.len - WIRE_PREFACE_BYTES);
    c = cur_over(w.data + WIRE_PREFACE_BYTES, bytes);
    T_OK(hello_decode(&c, &h));
    h.auth = (struct bytes){0};
    T_MEM_EQ(&h.self, &hello_sample.self, sizeof(h.self));
    T_MEM_EQ(h.fsid, hello_sample.fsid, 16);
    T_EQ(h.session, hello_sample.session);
    T_EQ(h.attempt, 4);
    T_TRUE(h.fresh);
    T_EQ(h.in_seq, 17);
    T_EQ(h.out_seq, 19);
    T_EQ(h.required, 1);
    w.len = 0;
    answer_encode(&w, &answer_sample);
    c = cur_over(w.data + WIRE_PREFACE_BYTES, w.len - WIRE_PREFACE_BYTES);
    T_OK(answer_decode(&c, &a));
    T_EQ(a.auth.len, 3);
    T_EQ(a.self.instance, 77);
    T_EQ(a.in_seq, 19);
    writer_fini(&w);
}

T(session_wire, a_cut_greeting_is_refused)
{
    struct writer w = {0};

    hello_encode(&w, &hello_sample);
    for (size_t cut = 0; cut < w.len - WIRE_PREFACE_BYTES; cut++) {
        struct cursor c = cur_over(w.data + WIRE_PREFACE_BYTES, cut);
        struct hello h;

        T_LT(hello_decode(&c, &h), 0);
    }
    writer_fini(&w);
}

T(session_wire, a_foreign_preface_is_told_by_its_fault)
{
    static const struct {
        size_t at;
        uint8_t put;
        int want;
    } rows[] = {{0, 'c', -R_BAD_MAGIC},
                {7, 'G', -R_BAD_MAGIC},
                {8, 2, -R_TOO_NEW},
                {13, 0x20, -R_MALFORMED},
                {15, 1, -R_MALFORMED}};
    uint32_t bytes;

    T_CASES (row, rows) {
        struct writer w = {0};

        hello_encode(&w, &hello_sample);
        w.data[row->at] = row->put;
        T_EQ(preface_decode(w.data, &bytes), row->want);
        writer_fini(&w);
    }
}

struct seen {
    unsigned greetings, messages, others;
    int rc;
};

static void drain(struct parse *p, struct seen *seen)
{
    struct parse_event ev;
    struct msg *m;

    while ((seen->rc = parse_next(p, &ev)) > 0) {
        if (ev.greeting) {
            seen->greetings++;
        } else if (ev.head.kind == FRAME_MESSAGE) {
            T_OK(msg_decode(ev.type, ev.front, &ev.data, &m));
            m->trace_id = ev.head.trace_id;
            seen->messages++;
            T_TRUE(t_note_right(CONTAINER_OF(m, struct t_note, msg), ev.head.seq));
            T_EQ(ev.head.ack, 40 + ev.head.seq);
            msg_free(m);
        } else {
            seen->others++;
        }
    }
}

/* Feed in pieces of up to `step_max`. */
static struct seen feed(const uint8_t *data, size_t bytes, size_t step_max)
{
    struct msg_types types = types_make();
    struct seen seen = {0};
    struct parse p;
    struct rng rng;

    rng_seed(&rng, step_max);
    T_OK(parse_init(&p, &types));
    while (bytes > 0 && seen.rc == 0) {
        uint8_t *at;
        size_t n = parse_space(&p, &at), step = 1 + rng_below(&rng, step_max);

        T_GT(n, 0);
        n = MIN(n, MIN(bytes, step));
        memcpy(at, data, n);
        data += n;
        bytes -= n;
        parse_received(&p, n);
        drain(&p, &seen);
    }
    parse_fini(&p);
    msg_types_fini(&types);
    return seen;
}

T(session_parse, pieces_of_any_size_give_the_same_events)
{
    static const struct {
        uint32_t data_bytes, step;
    } rows[] = {{0, 1},        {9, 1},          {4096, 3},         {4096, 100000},
                {300000, 977}, {300000, 70000}, {300000, 1 << 20}, {65536, 50000},
                {16384, 64},   {16383, 8192}};

    T_CASES (row, rows) {
        struct writer w = {0};
        struct seen seen;

        stream_make(&w, row->data_bytes);
        seen = feed(w.data, w.len, row->step);
        T_EQ(seen.rc, 0);
        T_EQ(seen.greetings, 1);
        T_EQ(seen.messages, 2);
        T_EQ(seen.others, 1);
        writer_fini(&w);
    }
}

T(session_parse, every_flipped_bit_of_a_frame_is_found)
{
    struct writer hello = {0}, w = {0};

    hello_encode(&hello, &hello_sample);
    stream_make(&w, 9);
    for (size_t bit = hello.len * 8; bit < w.len * 8; bit++) {
        struct seen seen;

        w.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        seen = feed(w.data, w.len, 1000000);
        T_LT(seen.rc, 0);
        w.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    writer_fini(&hello);
    writer_fini(&w);
}

static int feed_head(struct frame_head head)
{
    struct writer w = {0};
    uint8_t at[WIRE_HEAD_BYTES];
    int rc;

    hello_encode(&w, &hello_sample);
    frame_head_encode(at, &head);
    wr_raw(&w, at, sizeof(at));
    rc = feed(w.data, w.len, 1000).rc;
    writer_fini(&w);
    return rc;
}

T(session_parse, a_head_is_judged_before_memory_is_taken)
{
    static const struct {
        struct frame_head head;
        int want;
    } rows[] = {
        {{.kind = 1, .type = 7, .seq = 1, .front_bytes = T_FRONT_MAX + 1}, -R_OVERFLOW},
        {{.kind = 1, .type = 7, .seq = 1, .data_bytes = UINT32_MAX}, -R_OVERFLOW},
        {{.kind = 1, .type = 8, .seq = 1}, -R_MALFORMED},
        {{.kind = 1, .type = 65535, .seq = 1}, -R_MALFORMED},
        {{.kind = 1, .type = 7, .seq = 0}, -R_MALFORMED},
        {{.kind = 0, .type = 7, .seq = 1}, -R_MALFORMED},
        {{.kind = 6}, -R_MALFORMED},
        {{.kind = 2, .seq = 1}, -R_MALFORMED},
        {{.kind = 3, .data_bytes = 1}, -R_MALFORMED},
        {{.kind = 5, .type = 7}, -R_MALFORMED},
        {{.kind = 1, .type = 7, .seq = 1, .front_bytes = T_FRONT_MAX}, 0},
        {{.kind = 3}, 0},
    };

    T_CASES (row, rows)
        T_EQ(feed_head(row->head), row->want);
}

T(session_parse, flags_must_be_zero)
{
    uint8_t at[WIRE_HEAD_BYTES];
    struct frame_head h;
    struct writer w = wr_over(at, sizeof(at));

    frame_head_encode(at, &(struct frame_head){.kind = FRAME_PING});
    T_OK(frame_head_decode(at, &h));
    at[40] = 1;
    w.len = sizeof(at);
    wr_put_u32(&w, 44, crc32c(0, at, 44));
    T_EQ(frame_head_decode(at, &h), -R_MALFORMED);
}

T(session_parse, a_failed_reader_stays_failed)
{
    struct msg_types types = types_make();
    struct parse_event ev;
    struct parse p;
    uint8_t *at;

    T_OK(parse_init(&p, &types));
    T_GE(parse_space(&p, &at), 16);
    memcpy(at, "GET / HTTP/1.1\r\n", 16);
    parse_received(&p, 16);
    T_EQ(parse_next(&p, &ev), -R_BAD_MAGIC);
    T_EQ(parse_next(&p, &ev), -R_BAD_MAGIC);
    T_EQ(parse_space(&p, &at), 0);
    parse_fini(&p);
    msg_types_fini(&types);
}

T(session_wire, a_message_over_its_limits_is_not_sent)
{
    struct t_note *t = t_note_make(1, T_FRONT_MAX, 0);
    struct writer scratch = {0};
    struct buf frame = {0};

    T_EQ(msg_encode(&t->msg, 1, 0, &scratch, &frame), -EMSGSIZE);
    msg_free(&t->msg);
    t = t_note_make(1, 0, T_DATA_MAX + 1);
    T_EQ(msg_encode(&t->msg, 1, 0, &scratch, &frame), -EMSGSIZE);
    msg_free(&t->msg);
    writer_fini(&scratch);
}

T(session_wire, a_front_with_bytes_left_over_is_refused)
{
    uint8_t front[13] = {1};
    struct buf data = {0};
    struct msg *m;

    T_OK(msg_decode(&t_note_type, (struct bytes){front, 12}, &data, &m));
    msg_free(m);
    T_EQ(msg_decode(&t_note_type, (struct bytes){front, 13}, &data, &m), -R_MALFORMED);
}
