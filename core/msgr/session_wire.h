/* session_wire.h - greetings and frames as bytes (doc/format/session.md).
 *
 * Pure functions.  Threads: any. */
#ifndef CORE_MSGR_SESSION_WIRE_H
#define CORE_MSGR_SESSION_WIRE_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/msgr/msg.h"
#include "core/msgr/msgr.h"

enum {
    WIRE_PREFACE_BYTES = 16,
    WIRE_GREETING_MAX = 4096, /* the envelope after the preface */
    WIRE_AUTH_MAX = 2048,
    WIRE_FRAMING = 1,
    WIRE_PROTOCOL_MIN = 1,
    WIRE_PROTOCOL_MAX = 1,
    WIRE_HEAD_BYTES = 48,
};
#define WIRE_FEATURES UINT64_C(0) /* those we know */

struct hello {
    uint16_t protocol_min, protocol_max;
    uint64_t features, required;
    struct entity self;
    uint8_t fsid[16];
    uint64_t session;
    uint32_t attempt;
    bool fresh;
    uint64_t in_seq, out_seq; /* last received, last sent */
    uint16_t auth_method;
    struct bytes auth; /* borrowed */
};
struct answer {
    uint32_t refused; /* 0, or a positive reason or errno */
    uint16_t protocol;
    uint64_t features, required;
    struct entity self;
    uint8_t fsid[16];
    uint64_t in_seq, out_seq;
    uint16_t auth_method;
    struct bytes auth; /* borrowed */
};
/* Preface and envelope.  The outcome is in w->rc. */
void hello_encode(struct writer *w, const struct hello *h);
void answer_encode(struct writer *w, const struct answer *a);
/* From the envelope, all of it: 0, or why not with *out unchanged. */
int hello_decode(struct cursor *c, struct hello *out_hello);
int answer_decode(struct cursor *c, struct answer *out_answer);
/* The preface: 0 with the envelope's length, -R_BAD_MAGIC, -R_TOO_NEW, -R_MALFORMED. */
int preface_decode(const uint8_t at[WIRE_PREFACE_BYTES], uint32_t *out_bytes);

enum frame_kind { FRAME_MESSAGE = 1, FRAME_ACK, FRAME_PING, FRAME_PONG, FRAME_BYE, FRAME_KIND_END };
struct frame_head {
    uint8_t kind;
    uint16_t type;
    uint32_t front_bytes, data_bytes, payload_crc;
    uint64_t seq, ack, trace_id;
};
void frame_head_encode(uint8_t at[WIRE_HEAD_BYTES], const struct frame_head *h);
/* 0, -R_BAD_MAGIC, -R_CSUM_MISMATCH, -R_MALFORMED; limits are the caller's to check. */
int frame_head_decode(const uint8_t at[WIRE_HEAD_BYTES], struct frame_head *out_head);

/* A table of message types by id. */
struct msg_types {
    const struct msg_type **by_id; /* owned; NULL: not spoken */
    uint32_t count;
};
MUST_CHECK int msg_types_init(struct msg_types *t, const struct msg_type *const *types);
void msg_types_fini(struct msg_types *t);
const struct msg_type *msg_types_find(const struct msg_types *t, uint16_t id); /* or NULL */

/* Head, front and data of a message as one row; `scratch` is memory to reuse.
 * 0, -ENOMEM, -EMSGSIZE (over its type's limits). */
MUST_CHECK int msg_encode(const struct msg *m, uint64_t seq, uint64_t ack, struct writer *scratch,
                          struct buf *out_frame);
/* 0 with a message for the caller to free; -ENOMEM, or what is wrong with it.  Consumes `data`. */
MUST_CHECK int msg_decode(const struct msg_type *type, struct bytes front, struct buf *data,
                          struct msg **out_msg);
/* Through the codec and out again, as if it had travelled. */
MUST_CHECK int msg_recode(const struct msg *m, const struct msg_types *types, struct msg **out_msg);

#endif
