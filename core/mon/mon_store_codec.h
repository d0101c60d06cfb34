/* mon_store_codec.h - the bytes of a monitor's files: doc/format/mon.md.  Pure. */
#ifndef CORE_MON_MON_STORE_CODEC_H
#define CORE_MON_MON_STORE_CODEC_H

#include "core/mon/mon_store.h"

enum { MON_FIRST_GENERATION = 1 };
enum mon_record_kind { MON_RECORD_BASE = 1, MON_RECORD_MORE = 2, MON_RECORD_END = 3 };

struct mon_record {
    uint64_t log_id, generation, seq;
    uint8_t kind;
    uint64_t bytes;     /* padding included */
    struct cursor body; /* the items; borrowed */
};

/* Begin and end a record in an empty writer; items go between. */
size_t mon_record_begin(struct writer *w, const struct mon_record *r);
void mon_record_end(struct writer *w, size_t mark); /* pads to whole blocks */
/* The record that begins at `at`, if it is whole, of `least`'s log, of its generation or a later
 * one, and numbered as it or above.  Cheap where it is not. */
int mon_record_decode(const uint8_t *at, uint64_t room, const struct mon_record *least,
                      struct mon_record *out_record);

enum mon_item_kind { MON_ITEM_HARD = 1, MON_ITEM_RESET = 2, MON_ITEM_CUT = 3, MON_ITEM_ENTRY = 4 };
struct mon_item {
    uint8_t kind;
    struct raft_hard hard;
    struct raft_pos base;
    uint64_t from;
    struct raft_entry entry; /* borrowed payload */
};
void mon_item_hard(struct writer *w, const struct raft_hard *h);
void mon_item_reset(struct writer *w, struct raft_pos base);
void mon_item_cut(struct writer *w, uint64_t from);
void mon_item_entry(struct writer *w, const struct raft_entry *e);
int mon_item_decode(struct cursor *c, struct mon_item *out_item);

void mon_identity_encode(struct writer *w, const struct mon_identity *who);
int mon_identity_decode(struct cursor *c, struct mon_identity *out_who);

#endif
