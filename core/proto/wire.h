/* wire.h - what the codecs of core/proto share: owned fields, and a message's functions.
 *
 * Only for core/proto.  A reader that fails leaves its field empty and the cursor failed. */
#ifndef CORE_PROTO_WIRE_H
#define CORE_PROTO_WIRE_H

#include "core/base/addr.h"
#include "core/proto/messages.h"

/* A copy of the next bytes; none: NULL. */
struct bytes wire_bytes(struct cursor *c, uint32_t len_max);
void wire_bytes_fini(struct bytes *owned);
void wire_oid(struct cursor *c, struct oid *out_owned);
/* Room for `count` zeroed rows; none: NULL.  On failure *count is 0. */
void *wire_rows(struct cursor *c, uint32_t *count, size_t row_bytes);
/* Text: u32 length and bytes, none of them NUL. */
void wire_text_put(struct writer *w, const char *text, size_t cap); /* a char[cap] */
void wire_text(struct cursor *c, char *out, size_t cap);
char *wire_text_own(struct cursor *c, uint32_t len_max); /* terminated */
void wire_addr(struct cursor *c, struct net_addr *out);  /* empty, or what net_addr_parse takes */
/* Payload: its length in the front, its bytes in `data`. */
void wire_data_put(struct writer *w, struct buf *data, const struct buf *b);
void wire_data(struct cursor *c, struct buf *data, struct buf *out);
void wire_data_take(struct cursor *c, struct buf *data, uint64_t bytes,
                    struct buf *out);                                         /* length known */
void wire_txn_put(struct writer *w, struct buf *data, const struct txn *txn); /* NULL is fine */
void wire_txn(struct cursor *c, struct buf *data, struct txn **out_txn);

enum { MESSAGE_VERSION = 1, MESSAGE_COMPAT = 1 };
#define MESSAGE_ID_ROW(id, name) MESSAGE_ID_##name = id,
enum message_id { MESSAGES(MESSAGE_ID_ROW) };
#undef MESSAGE_ID_ROW

/* The type of message `which` out of three typed functions: which_put writes its fields, which_get
 * reads them into a zeroed struct, and `free_fields` (or NULL) is its fini. */
#define MESSAGE_CODEC(which, front_bytes_max, data_bytes_max, free_fields)                         \
    static void which##_encode(const struct msg *m, struct writer *front, struct buf *data)        \
    {                                                                                              \
        size_t mark = wr_begin_plain(front, MESSAGE_VERSION, MESSAGE_COMPAT);                      \
                                                                                                   \
        which##_put((const struct msg_##which *)m, front, data);                                   \
        wr_end_plain(front, mark);                                                                 \
    }                                                                                              \
    static int which##_decode(struct msg *m, struct cursor *front, struct buf *data)               \
    {                                                                                              \
        struct cursor body;                                                                        \
        unsigned version = cur_enter_plain(front, MESSAGE_COMPAT, &body);                          \
                                                                                                   \
        which##_get((struct msg_##which *)m, &body, data);                                         \
        return message_leave(front, &body, version, data);                                         \
    }                                                                                              \
    const struct msg_type msg_##which##_type = {                                                   \
        .id = MESSAGE_ID_##which,                                                                  \
        .name = #which,                                                                            \
        .bytes = sizeof(struct msg_##which),                                                       \
        .front_max = (front_bytes_max),                                                            \
        .data_max = (data_bytes_max),                                                              \
        .encode = which##_encode,                                                                  \
        .decode = which##_decode,                                                                  \
        .fini = (free_fields),                                                                     \
    };

/* The body's failure; payload that nobody took is one, unless a newer sender added it. */
int message_leave(struct cursor *front, struct cursor *body, unsigned version, struct buf *data);

#endif
