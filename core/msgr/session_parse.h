/* session_parse.h - bytes of a peer in, greetings and frames out: a pure state machine.
 *
 *   at least one of: n = parse_space(p, &at); put up to n bytes there; parse_received(p, bytes);
 *   then: while ((rc = parse_next(p, &ev)) > 0) use ev;
 *
 * Small things pass through one staging block; the data of a large message is received straight
 * into its own page-aligned blob, with its CRC computed as the bytes come.  After a failure the
 * reader stays failed.  Threads: one owner. */
#ifndef CORE_MSGR_SESSION_PARSE_H
#define CORE_MSGR_SESSION_PARSE_H

#include "core/msgr/session_wire.h"

enum { PARSE_STAGING_BYTES = 64 << 10 };

enum parse_stage { PARSE_PREFACE, PARSE_GREETING, PARSE_HEAD, PARSE_FRONT, PARSE_DATA };
struct parse {
    enum parse_stage stage;
    int rc;                        /* the failure, if there was one */
    const struct msg_types *types; /* borrowed */
    uint8_t *staging;              /* owned */
    uint32_t from, to;             /* what of it is not used yet */
    uint32_t greeting_bytes;
    struct frame_head head;
    const struct msg_type *type;
    uint8_t *front;    /* owned; NULL where there is none */
    struct blob *data; /* owned; likewise */
    uint32_t front_got, data_got;
    uint32_t crc; /* of front and data so far */
};
struct parse_event {
    bool greeting;         /* else a frame */
    struct bytes envelope; /* greeting; borrowed until the next call */
    struct frame_head head;
    const struct msg_type *type; /* of a message */
    struct bytes front;          /* borrowed until the next call */
    struct buf data;             /* given: one span, or empty */
};
MUST_CHECK int parse_init(struct parse *p, const struct msg_types *types); /* 0 or -ENOMEM */
void parse_fini(struct parse *p);
/* Where the next bytes go.  0: call parse_next until it returns 0 first. */
size_t parse_space(struct parse *p, uint8_t **out_at);
void parse_received(struct parse *p, size_t bytes);
/* 1 with an event, 0: more bytes are needed, negative: what is wrong, or -ENOMEM. */
int parse_next(struct parse *p, struct parse_event *out_event);

#endif
