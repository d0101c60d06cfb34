/* msg.h - a message: a typed struct that can be handed over by reference or encoded.
 *
 * Each message type is a struct that begins with struct msg, and one row of a table with its
 * functions (core/proto).  Within a process the struct itself travels; between processes `encode`
 * writes its fields into the frame's front and moves its payload into `data`, and `decode` makes it
 * again.  The same struct must come out of both ways. */
#ifndef CORE_MSGR_MSG_H
#define CORE_MSGR_MSG_H

#include "core/base/buf.h"
#include "core/base/cursor.h"
#include "core/base/list.h"

struct msg;
struct msg_type {
    uint16_t id;                  /* on the wire; never reused */
    const char *name;             /* "osd_op" */
    size_t bytes;                 /* sizeof its struct */
    uint32_t front_max, data_max; /* larger frames are refused before they are read */
    void (*encode)(const struct msg *m, struct writer *front,
                   struct buf *data); /* data: append refs; rc in front->rc */
    int (*decode)(struct msg *m, struct cursor *front,
                  struct buf *data); /* m is zeroed but for its head; may move from data */
    void (*fini)(struct msg *m);     /* frees what the struct owns, not the struct; may be NULL */
    /* Bytes that the struct holds beside itself (payload, arrays), for queues and limits when it is
     * handed over by reference.  May be NULL: none worth counting. */
    uint64_t (*cost)(const struct msg *m);
};

struct msg {
    const struct msg_type *type;
    struct list link;           /* of whoever holds it */
    uint64_t trace_id;          /* 0: none */
    uint64_t cost_bytes;        /* msgr's: counted against the receiver's limit until msg_free */
    struct msgr_budget *budget; /* ref, or NULL */
};
/* Zeroed but for its head; NULL when memory is short. */
struct msg *msg_create(const struct msg_type *type);
#define MSG_NEW(struct_name, type) ((struct struct_name *)msg_create(type))
void msg_free(struct msg *m); /* NULL is fine; gives back its budget */

#endif
