/* fuzz_messages.c - decodes arbitrary bytes as any message.
 *
 * Input: u16 id of the message, u32 length of the front (more than there is: all of it), the front;
 * the rest is payload.  What decodes must encode, and that must decode to the same bytes. */
#include "core/proto/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct encoded {
    struct writer front;
    struct buf data;
};

static void encoded_fini(struct encoded *e)
{
    writer_fini(&e->front);
    buf_fini(&e->data);
}

static struct msg *decode(const struct msg_type *type, struct bytes front, struct buf *data)
{
    struct cursor c = cur_over(front.data, front.len);
    struct msg *m = msg_create(type);
    int rc;

    ASSERT(m);
    rc = type->decode(m, &c, data);
    ASSERT(rc <= 0);
    ASSERT(rc == c.rc);
    if (rc < 0) {
        msg_free(m);
        return NULL;
    }
    return m;
}

/* Encodes `m`, frees it, and gives back what its bytes decode to. */
static struct msg *recode(struct msg *m, struct encoded *out)
{
    const struct msg_type *type = m->type;
    AUTO(buf) data = {0};
    struct msg *back;
    int rc;

    type->encode(m, &out->front, &out->data);
    ASSERT(out->front.rc == 0);
    msg_free(m);
    rc = buf_append(&data, &out->data, 0, out->data.bytes);
    ASSERT(rc == 0);
    back = decode(type, (struct bytes){out->front.data, (uint32_t)out->front.len}, &data);
    ASSERT(back);
    return back;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct cursor c = cur_over(data, bytes);
    unsigned id = cur_u16(&c);
    uint32_t front_bytes = cur_u32(&c);
    struct bytes front = cur_raw(&c, MIN(front_bytes, cur_left(&c)));
    struct bytes rest = cur_raw(&c, cur_left(&c));
    AUTO(buf) payload = {0};
    AUTO(encoded) first = {0};
    AUTO(encoded) second = {0};
    const struct msg_type *type = NULL;
    struct msg *m;
    int rc;

    for (size_t i = 0; message_types[i] && !type; i++)
        if (message_types[i]->id == id)
            type = message_types[i];
    if (c.rc < 0 || !type)
        return 0;
    rc = buf_append_copy(&payload, rest.data, rest.len);
    ASSERT(rc == 0);
    m = decode(type, front, &payload);
    if (!m)
        return 0;
    msg_free(recode(recode(m, &first), &second));
    ASSERT(first.front.len == second.front.len);
    ASSERT(memcmp(first.front.data, second.front.data, first.front.len) == 0);
    ASSERT(buf_equal(&first.data, &second.data));
    return 0;
}
