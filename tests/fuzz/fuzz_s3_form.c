/* fuzz_s3_form.c - a browser's form of arbitrary bytes.  First line: the Content-Type.
 *
 * However the input is cut and however little is taken at a time, the parts come out the same. */
#include <stdlib.h>

#include "core/base/hash.h"
#include "s3/auth/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Tag 0 leaves no mark: data may come in any number of pieces. */
static uint64_t mix(uint64_t sum, int tag, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    if (tag)
        sum = hash64_u64(sum, (uint64_t)tag);
    for (size_t i = 0; i < bytes; i++) /* byte by byte: cuts do not show */
        sum = hash64_u64(sum, 256u + at[i]);
    return sum;
}

/* Of all that was told. */
static uint64_t run(struct bytes type, const uint8_t *at, const uint8_t *end, size_t step,
                    size_t most)
{
    struct form *f = malloc(sizeof(*f));
    enum form_event event = FORM_MORE;
    uint64_t sum = 0;

    if (!f)
        abort();
    if (!form_init(f, type))
        at = end;
    while (event != FORM_BAD && at < end) {
        const uint8_t *stop = at + MIN(step, (size_t)(end - at));

        do {
            event = form_next(f, &at, stop);
            ASSERT(at <= stop);
            if (event == FORM_DATA) {
                size_t n = MIN(most, f->data.len);

                sum = mix(sum, 0, f->data.data, n);
                form_took(f, n, &at);
            } else if (event == FORM_PART) {
                ASSERT(f->name.len > 0);
                sum = mix(sum, 1, f->name.data, f->name.len);
                sum = mix(sum, 2 + f->has_filename, f->filename.data, f->filename.len);
            } else if (event != FORM_MORE) {
                sum = mix(sum, 4 + (int)event, NULL, 0);
            }
        } while (event != FORM_MORE && event != FORM_BAD);
    }
    free(f);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const uint8_t *end = data + bytes, *lf = bytes ? memchr(data, '\n', bytes) : NULL;
    struct bytes type = {data, (uint32_t)(lf ? lf - data : (long)bytes)};
    const uint8_t *body = lf ? lf + 1 : end;
    uint64_t whole = run(type, body, end, SIZE_MAX, SIZE_MAX);

    ASSERT(run(type, body, end, 1, 1) == whole);
    ASSERT(run(type, body, end, 3, 2) == whole);
    return 0;
}
