/* fuzz_cursor.c - reads arbitrary bytes by a script that is part of them.
 *
 * Input: u8 n, n script bytes, then the data that a cursor reads.  Each script byte is one read or
 * one step into or out of an envelope.  Whatever the bytes are: a cursor never leaves its memory,
 * never goes back, keeps its first failure, and gives zeros after it. */
#include "core/base/crc.h"
#include "core/base/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { DEPTH_MAX = 8 };

static void check(const struct cursor *before, const struct cursor *after)
{
    ASSERT(after->at >= before->at);
    ASSERT(after->at <= after->end);
    ASSERT(after->end == before->end);
    ASSERT(after->rc <= 0);
    if (before->rc) {
        ASSERT(after->rc == before->rc);
        ASSERT(after->at == before->at);
    }
}

/* Touch every byte, for the sanitizer. */
static void touch(struct bytes b, bool failed)
{
    ASSERT(!failed || b.len == 0);
    (void)crc32c(0, b.data, b.len); /* only reading it counts */
}

static void read_one(struct cursor *c, uint8_t op)
{
    struct cursor before = *c;
    uint64_t v = 0;

    switch (op % 12) {
    case 0:
        v = cur_u8(c);
        break;
    case 1:
        v = cur_bool(c);
        ASSERT(v <= 1);
        break;
    case 2:
        v = cur_u16(c);
        break;
    case 3:
        v = cur_u32(c);
        break;
    case 4:
        v = cur_u64(c);
        break;
    case 5:
        v = (uint32_t)cur_i32(c);
        break;
    case 6:
        v = (uint64_t)cur_i64(c);
        break;
    case 7:
        touch(cur_raw(c, op), c->rc != 0);
        break;
    case 8:
        touch(cur_bytes(c, op), c->rc != 0);
        break;
    case 9:
        v = cur_count(c, 1000, op);
        ASSERT(v <= 1000);
        ASSERT(v * op <= cur_left(c));
        break;
    case 10:
        cur_zeros(c, op / 12);
        break;
    case 11:
        cur_fail(c, -R_MALFORMED);
        break;
    }
    if (c->rc && (op % 12) != 1)
        ASSERT(v == 0);
    check(&before, c);
}

/* Step into an envelope; the stack keeps the ones around it. */
static unsigned enter(struct cursor *stack, unsigned depth, uint8_t op)
{
    struct cursor *outer = &stack[depth], *body = &stack[depth + 1];
    struct cursor before = *outer;
    unsigned version =
        op & 1 ? cur_enter(outer, op >> 4, body) : cur_enter_plain(outer, op >> 4, body);

    ASSERT((version == 0) == (outer->rc != 0));
    ASSERT(body->rc == outer->rc);
    if (version) {
        ASSERT(outer->at == body->end);
        ASSERT(body->at > before.at);
    } else {
        ASSERT(cur_left(body) == 0);
    }
    return depth + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct cursor stack[DEPTH_MAX + 1];
    unsigned depth = 0;
    size_t script;

    if (bytes == 0 || data[0] > bytes - 1)
        return 0;
    script = data[0];
    stack[0] = cur_over(data + 1 + script, bytes - 1 - script);
    for (size_t i = 1; i <= script; i++) {
        if (data[i] < 160) {
            read_one(&stack[depth], data[i]);
        } else if (data[i] < 224) {
            if (depth < DEPTH_MAX)
                depth = enter(stack, depth, data[i]);
        } else if (depth) {
            struct cursor *outer = &stack[depth - 1];

            ASSERT(cur_leave(outer, &stack[depth]) == outer->rc);
            ASSERT(outer->rc == 0 || stack[depth].rc != 0);
            depth--;
        }
    }
    (void)cur_finish(&stack[depth]); /* any answer is right */
    return 0;
}
