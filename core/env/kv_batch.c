/* kv_batch.c - a batch of puts and deletes: encoded records in the order they were asked for. */
#include "core/env/kv_batch.h"

struct kv_batch *kv_batch_create(void)
{
    return mem_zalloc(sizeof(struct kv_batch));
}

void kv_batch_destroy(struct kv_batch *b)
{
    if (!b)
        return;
    writer_fini(&b->records);
    mem_free(b);
}

int kv_batch_put(struct kv_batch *b, struct bytes key, struct bytes value)
{
    wr_bool(&b->records, true);
    wr_bytes(&b->records, key);
    wr_bytes(&b->records, value);
    return b->records.rc;
}

int kv_batch_delete(struct kv_batch *b, struct bytes key)
{
    wr_bool(&b->records, false);
    wr_bytes(&b->records, key);
    return b->records.rc;
}

uint64_t kv_batch_bytes(const struct kv_batch *b)
{
    return b->records.len;
}

bool kv_batch_next(struct cursor *at, struct kv_record *out_record)
{
    if (cur_left(at) == 0)
        return false;
    out_record->put = cur_bool(at);
    out_record->key = cur_bytes(at, UINT32_MAX);
    out_record->value = out_record->put ? cur_bytes(at, UINT32_MAX) : (struct bytes){NULL, 0};
    ASSERT(at->rc == 0); /* we wrote it ourselves */
    return true;
}
