/* messages.c - the table of messages, and the codecs of what monitors send and hear.
 *
 * A message is one plain envelope in the front, its fields in the order of the struct; payload goes
 * to `data` by reference with its length in the front (doc/format/messages.md).  MESSAGE_CODEC
 * (wire.h) makes the msg_type out of a put and a get.
 *
 * A get fills the struct as it reads.  When it fails, what it took stays in the struct, for the
 * fini that msg_free calls: no decoder cleans up by itself, and each leaves the struct fit to be
 * freed after every single read. */
#include "core/proto/messages.h"

#include "core/proto/wire.h"

enum { FRONT_SMALL = 4096, FRONT_ARGS = 4 << 20, FRONT_TEXT = MON_TEXT_BYTES_MAX + FRONT_SMALL };
enum { RAFT_PAYLOAD_MAX = 8 << 20, FORWARD_PAYLOAD_MAX = 32 << 20 };
enum { FRONT_INCS = OSDMAPS_INCS_MAX * 4 + FRONT_SMALL };

const struct msg_type *const message_types[] = {
#define MESSAGE_ROW(id, name) &msg_##name##_type,
    MESSAGES(MESSAGE_ROW)
#undef MESSAGE_ROW
        NULL,
};

/* ---- mon_subscribe ---- */

static void mon_subscribe_put(const struct msg_mon_subscribe *m, struct writer *w, struct buf *data)
{
    UNUSED(data);
    wr_u32(w, m->from.v);
    wr_bool(w, m->once);
}

static void mon_subscribe_get(struct msg_mon_subscribe *m, struct cursor *c, struct buf *data)
{
    UNUSED(data);
    m->from.v = cur_u32(c);
    m->once = cur_bool(c);
}

MESSAGE_CODEC(mon_subscribe, FRONT_SMALL, 0, NULL)

/* ---- osdmaps ---- */

static void osdmaps_put(const struct msg_osdmaps *m, struct writer *w, struct buf *data)
{
    ASSERT(m->count <= OSDMAPS_INCS_MAX);
    wr_u32(w, m->oldest.v);
    wr_u32(w, m->newest.v);
    wr_bool(w, m->has_full);
    wire_data_put(w, data, &m->full);
    wr_u32(w, m->first.v);
    wr_u32(w, m->count);
    for (uint32_t i = 0; i < m->count; i++)
        wire_data_put(w, data, &m->incs[i]);
}

static void osdmaps_get(struct msg_osdmaps *m, struct cursor *c, struct buf *data)
{
    m->oldest.v = cur_u32(c);
    m->newest.v = cur_u32(c);
    m->has_full = cur_bool(c);
    wire_data(c, data, &m->full);
    m->first.v = cur_u32(c);
    m->count = cur_count(c, OSDMAPS_INCS_MAX, 4);
    m->incs = wire_rows(c, &m->count, sizeof(*m->incs));
    for (uint32_t i = 0; i < m->count; i++)
        wire_data(c, data, &m->incs[i]);
}

static void osdmaps_fini(struct msg *base)
{
    struct msg_osdmaps *m = MESSAGE_AS(base, osdmaps);

    buf_fini(&m->full);
    for (uint32_t i = 0; i < m->count; i++)
        buf_fini(&m->incs[i]);
    mem_free(m->incs);
}

MESSAGE_CODEC(osdmaps, FRONT_INCS, OSDMAPS_BYTES_MAX, osdmaps_fini)

/* ---- mon_command, mon_reply ---- */

static void mon_command_put(const struct msg_mon_command *m, struct writer *w, struct buf *data)
{
    ASSERT(m->argc <= MON_ARGS_MAX);
    wr_u64(w, m->id);
    wr_u32(w, m->argc);
    for (uint32_t i = 0; i < m->argc; i++)
        wr_str(w, m->argv[i]);
    wire_data_put(w, data, &m->input);
}

static void mon_command_get(struct msg_mon_command *m, struct cursor *c, struct buf *data)
{
    m->id = cur_u64(c);
    m->argc = cur_count(c, MON_ARGS_MAX, 4);
    m->argv = wire_rows(c, &m->argc, sizeof(*m->argv));
    for (uint32_t i = 0; i < m->argc; i++)
        m->argv[i] = wire_text_own(c, MON_ARG_BYTES_MAX);
    wire_data(c, data, &m->input);
}

static void mon_command_fini(struct msg *base)
{
    struct msg_mon_command *m = MESSAGE_AS(base, mon_command);

    for (uint32_t i = 0; i < m->argc; i++)
        mem_free(m->argv[i]);
    mem_free(m->argv);
    buf_fini(&m->input);
}

MESSAGE_CODEC(mon_command, FRONT_ARGS, MON_JSON_BYTES_MAX, mon_command_fini)

static void mon_reply_put(const struct msg_mon_reply *m, struct writer *w, struct buf *data)
{
    wr_u64(w, m->id);
    wr_i32(w, m->rc);
    wr_bool(w, m->text != NULL);
    if (m->text)
        wr_str(w, m->text);
    wire_data_put(w, data, &m->json);
    wire_text_put(w, m->leader, sizeof(m->leader));
}

static void mon_reply_get(struct msg_mon_reply *m, struct cursor *c, struct buf *data)
{
    m->id = cur_u64(c);
    m->rc = cur_i32(c);
    if (cur_bool(c))
        m->text = wire_text_own(c, MON_TEXT_BYTES_MAX);
    wire_data(c, data, &m->json);
    wire_text(c, m->leader, sizeof(m->leader));
}

static void mon_reply_fini(struct msg *base)
{
    struct msg_mon_reply *m = MESSAGE_AS(base, mon_reply);

    mem_free(m->text);
    buf_fini(&m->json);
}

MESSAGE_CODEC(mon_reply, FRONT_TEXT, MON_JSON_BYTES_MAX, mon_reply_fini)

/* ---- mon_raft, mon_forward ---- */

static void mon_raft_put(const struct msg_mon_raft *m, struct writer *w, struct buf *data)
{
    wire_data_put(w, data, &m->payload);
    wr_u64(w, m->wall_ns);
}

static void mon_raft_get(struct msg_mon_raft *m, struct cursor *c, struct buf *data)
{
    wire_data(c, data, &m->payload);
    m->wall_ns = cur_u64(c);
}

static void mon_raft_fini(struct msg *base)
{
    buf_fini(&MESSAGE_AS(base, mon_raft)->payload);
}

MESSAGE_CODEC(mon_raft, FRONT_SMALL, RAFT_PAYLOAD_MAX, mon_raft_fini)

static void mon_forward_put(const struct msg_mon_forward *m, struct writer *w, struct buf *data)
{
    wr_u16(w, m->type);
    wire_data_put(w, data, &m->payload);
}

static void mon_forward_get(struct msg_mon_forward *m, struct cursor *c, struct buf *data)
{
    m->type = cur_u16(c);
    wire_data(c, data, &m->payload);
}

static void mon_forward_fini(struct msg *base)
{
    buf_fini(&MESSAGE_AS(base, mon_forward)->payload);
}

MESSAGE_CODEC(mon_forward, FRONT_SMALL, FORWARD_PAYLOAD_MAX, mon_forward_fini)
