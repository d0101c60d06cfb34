/* fuzz_session.c - a peer's bytes: greeting and frames, in pieces, and the messages in them.
 *
 * The first byte says how the rest is cut and what it is: bit 0: an answer for an opener's reader;
 * bit 1: frames alone, whose magic and checksums are put right first, so that what lies behind them
 * is reached. */
#include "core/base/crc.h"
#include "core/msgr/session_parse.h"

enum { INPUT_MAX = 256 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct fuzz_msg {
    struct msg msg;
    struct buf data;
};

static void fuzz_encode(const struct msg *m, struct writer *front, struct buf *data)
{
    UNUSED(m);
    UNUSED(front);
    UNUSED(data);
}

static int fuzz_decode(struct msg *m, struct cursor *front, struct buf *data)
{
    struct cursor body;

    cur_enter_plain(front, 1, &body);
    cur_bytes(&body, 100);
    cur_leave(front, &body);
    CONTAINER_OF(m, struct fuzz_msg, msg)->data = buf_move(data);
    return front->rc;
}

static void fuzz_fini(struct msg *m)
{
    buf_fini(&CONTAINER_OF(m, struct fuzz_msg, msg)->data);
}

static const struct msg_type fuzz_type = {
    .id = 7,
    .name = "fuzz",
    .bytes = sizeof(struct fuzz_msg),
    .front_max = 4096,
    .data_max = 65536,
    .encode = fuzz_encode,
    .decode = fuzz_decode,
    .fini = fuzz_fini,
};
static const struct msg_type *const fuzz_types[] = {&fuzz_type, NULL};

static void greeting(struct bytes envelope, bool answers)
{
    struct cursor c = cur_over(envelope.data, envelope.len);
    struct hello h;
    struct answer a;

    if (answers)
        (void)answer_decode(&c, &a); /* any outcome is right */
    else
        (void)hello_decode(&c, &h);
}

static void use_all(struct parse *p, bool answers)
{
    struct parse_event ev;
    struct msg *m;

    while (parse_next(p, &ev) > 0) {
        if (ev.greeting)
            greeting(ev.envelope, answers);
        else if (ev.type && msg_decode(ev.type, ev.front, &ev.data, &m) == 0)
            msg_free(m);
    }
}

static uint32_t u32_at(const uint8_t *at)
{
    struct cursor c = cur_over(at, 4);

    return cur_u32(&c);
}

static void u32_put(uint8_t *at, uint32_t v)
{
    struct writer w = wr_over(at, 4);

    wr_u32(&w, v);
}

/* Make frames of it: right magics, flags and checksums, whatever the lengths say. */
static void frames_mend(uint8_t *data, size_t bytes)
{
    while (bytes >= WIRE_HEAD_BYTES) {
        uint64_t payload = (uint64_t)(u32_at(data + 4) % 8192) + u32_at(data + 8) % 131072;
        size_t here = (size_t)MIN(payload, bytes - WIRE_HEAD_BYTES);

        u32_put(data + 4, u32_at(data + 4) % 8192);
        u32_put(data + 8, u32_at(data + 8) % 131072);
        data[0] = 0xC5;
        if (data[1] == FRAME_MESSAGE)
            u32_put(data + 12, crc32c(0, data + WIRE_HEAD_BYTES, here));
        u32_put(data + 40, 0);
        u32_put(data + 44, crc32c(0, data, 44));
        data += WIRE_HEAD_BYTES + here;
        bytes -= WIRE_HEAD_BYTES + here;
    }
}

static void feed(struct parse *p, const uint8_t *data, size_t bytes, size_t step, bool answers)
{
    while (bytes > 0) {
        uint8_t *at;
        size_t n = parse_space(p, &at);

        n = MIN(n, MIN(bytes, step));
        if (n == 0)
            break; /* it has failed */
        memcpy(at, data, n);
        data += n;
        bytes -= n;
        parse_received(p, n);
        use_all(p, answers);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct msg_types types;
    struct parse p;
    uint8_t *copy;

    if (bytes < 1 || bytes > INPUT_MAX || msg_types_init(&types, fuzz_types))
        return 0;
    copy = mem_dup(data + 1, bytes - 1);
    if (copy && parse_init(&p, &types) == 0) {
        if (data[0] & 2) {
            frames_mend(copy, bytes - 1);
            p.stage = PARSE_HEAD;
        }
        feed(&p, copy, bytes - 1, 1 + data[0] * 16u, data[0] & 1);
        parse_fini(&p);
    }
    mem_free(copy);
    msg_types_fini(&types);
    return 0;
}
