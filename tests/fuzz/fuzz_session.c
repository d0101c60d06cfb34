/* fuzz_session.c - a peer's bytes: greeting and frames, in pieces, and the messages in them.
 *
 * The first byte says how the rest is cut; an odd one feeds an answer to an opener's reader. */
#include "core/msgr/session_parse.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct msg_types types;
    struct parse p;
    size_t step;
    bool answers;

    if (bytes < 1 || msg_types_init(&types, fuzz_types))
        return 0;
    answers = data[0] & 1;
    step = 1 + data[0] * 16u;
    data++;
    bytes--;
    if (parse_init(&p, &types)) {
        msg_types_fini(&types);
        return 0;
    }
    while (bytes > 0) {
        uint8_t *at;
        size_t n = MIN(MIN(parse_space(&p, &at), bytes), step);

        if (n == 0)
            break; /* it has failed */
        memcpy(at, data, n);
        data += n;
        bytes -= n;
        parse_received(&p, n);
        use_all(&p, answers);
    }
    parse_fini(&p);
    msg_types_fini(&types);
    return 0;
}
