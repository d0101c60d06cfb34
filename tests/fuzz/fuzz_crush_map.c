/* fuzz_crush_map.c - encoded maps from anyone: refused, or equal to what they encode to.  The
 * input is the body; the envelope with its checksum is made here, so that bodies are reached. */
#include "core/crush/crush_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(writer) sealed = {0};
    AUTO(writer) first = {0};
    AUTO(writer) second = {0};
    struct crush_map *map = NULL, *again = NULL;
    size_t mark = wr_begin(&sealed, 1, 1);
    struct cursor c;

    wr_raw(&sealed, data, size);
    wr_end(&sealed, mark);
    c = cur_over(sealed.data, sealed.len);
    if (crush_decode(&c, &map) < 0)
        return 0;
    crush_encode(map, &first);
    c = cur_over(first.data, first.len);
    ASSERT(crush_decode(&c, &again) == 0);
    crush_encode(again, &second);
    ASSERT(second.len == first.len);
    ASSERT(memcmp(first.data, second.data, first.len) == 0);
    crush_destroy(map);
    crush_destroy(again);
    return 0;
}
