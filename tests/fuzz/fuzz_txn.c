/* fuzz_txn.c - a transaction from the wire: refused, or encoded again to the same bytes.
 *
 * The first byte says how much of the input is payload. */
#include "core/store/txn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t payload = size ? MIN((size_t)data[0] * 16, size - 1) : 0;
    AUTO(writer) front = {0}, again = {0};
    AUTO(buf) in = {0}, out = {0};
    struct txn *t = NULL;
    struct cursor c;
    size_t mark;

    if (size == 0)
        return 0;
    mark = wr_begin_plain(&front, 1, 1);
    wr_raw(&front, data + 1 + payload, size - 1 - payload);
    wr_end_plain(&front, mark);
    if (payload && buf_append_copy(&in, data + 1, payload) < 0)
        return 0;
    c = cur_over(front.data, front.len);
    if (txn_decode(&c, &in, &t) < 0)
        return 0;
    txn_encode(t, &again, &out);
    ASSERT(again.rc == 0);
    ASSERT(again.len <= front.len); /* a newer tail is not kept */
    ASSERT(memcmp(again.data + 6, front.data + 6, again.len - 6) == 0);
    ASSERT(buf_equal(&in, &out));
    txn_unref(t);
    return 0;
}
