/* fuzz_s3_chunks.c - aws-chunked bodies of arbitrary bytes, whole and cut anywhere.
 *
 * The first byte says whether they are signed and where to cut.  The data that comes out, and
 * whether the body is refused, do not depend on the cuts. */
#include "s3/auth/chunks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct result {
    uint64_t hash, data_bytes, ends, trailers;
    bool done, bad;
};

static bool note(struct result *r, struct chunks *c, enum chunks_event event)
{
    switch (event) {
    case CHUNKS_DATA:
        for (uint32_t i = 0; i < c->data.len; i++)
            r->hash = r->hash * 31 + c->data.data[i];
        r->data_bytes += c->data.len;
        break;
    case CHUNKS_END:
        ASSERT(c->has_signature == c->is_signed);
        r->ends++;
        break;
    case CHUNKS_TRAILER:
        ASSERT(c->name.len > 0);
        r->trailers++;
        break;
    case CHUNKS_DONE:
        r->done = true;
        break;
    case CHUNKS_BAD:
        r->bad = true;
        break;
    case CHUNKS_MORE:
        return false;
    }
    return !r->bad;
}

static struct result run(const uint8_t *data, size_t bytes, bool is_signed, size_t step)
{
    struct result r = {0};
    struct chunks c;

    chunks_init(&c, is_signed);
    for (size_t at = 0; at < bytes && !r.bad; at += step) {
        const uint8_t *from = data + at, *end = from + MIN(step, bytes - at);

        while (note(&r, &c, chunks_next(&c, &from, end)))
            ;
        ASSERT(r.bad || from == end);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct result whole, cut;

    if (bytes < 2)
        return 0;
    whole = run(data + 1, bytes - 1, data[0] & 1, bytes);
    cut = run(data + 1, bytes - 1, data[0] & 1, (size_t)(data[0] >> 1) % 16 + 1);
    ASSERT(whole.hash == cut.hash && whole.data_bytes == cut.data_bytes);
    ASSERT(whole.ends == cut.ends && whole.trailers == cut.trailers);
    ASSERT(whole.done == cut.done && whole.bad == cut.bad);
    return 0;
}
