/* kv_batch.h - the inside of a batch, for the implementations of kv.
 *
 * Both implementations share it: a batch is memory of the role that filled it (LevelDB's own batch
 * would be outside of mem.h), and the simulator keeps copies of the unsynced ones. */
#ifndef CORE_ENV_KV_BATCH_H
#define CORE_ENV_KV_BATCH_H

#include "core/base/cursor.h"
#include "core/env/kv.h"

struct kv_batch {
    struct writer records; /* u8 1 put or 0 delete, then key, then (put) value, as wr_bytes */
};

struct kv_record {
    bool put;                /* else delete, and `value` is empty */
    struct bytes key, value; /* borrowed from the batch */
};
/* Start with cur_over(b->records.data, b->records.len).  False at the end. */
bool kv_batch_next(struct cursor *at, struct kv_record *out_record);

#endif
