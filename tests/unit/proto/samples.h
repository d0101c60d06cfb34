/* samples.h - a fixed instance of every message, field by field out of one table. */
#ifndef TESTS_UNIT_PROTO_SAMPLES_H
#define TESTS_UNIT_PROTO_SAMPLES_H

#include "core/proto/messages.h"

/* An encoded message. */
struct encoded {
    struct writer front;
    struct buf data;
};
void encoded_fini(struct encoded *e);
int encoded_make(const struct msg *m, struct encoded *out); /* 0 or -ENOMEM; nothing kept then */
/* As msgr does it: the message must take all of it.  Failures free what was decoded. */
int encoded_read(const struct msg_type *type, struct bytes front, const struct buf *data,
                 struct msg **out_msg);

/* Every field has a value of its own.  Freed by msg_free; ends the test when memory is short. */
struct msg *sample_message(const struct msg_type *type);
/* Ends the test where a field differs, and names it. */
void sample_same(const struct msg *a, const struct msg *b);
/* The table names every field of every message: ends the test where one is missing. */
void sample_table_check(void);

struct bytes sample_bytes(const char *text);
struct buf sample_buf(const char *text, size_t times);
void sample_entry(struct pg_log_entry *e, uint64_t seq); /* e: zeroed */
void sample_info(struct pg_info *i);
void sample_log(struct pg_log_wire *l);
void steps_same(const struct steps *a, const struct steps *b);
void results_same(const struct step_results *a, const struct step_results *b);

#endif
