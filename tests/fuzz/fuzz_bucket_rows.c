/* fuzz_bucket_rows.c - reads arbitrary values as rows of an S3 index.
 *
 * Input: u8 kind of row, u8 form, bytes.  Form 0: the bytes are the value.  Form 1: they are what
 * stands in its envelope, which is made here, since nobody guesses checksums.  What was understood
 * must come out the same when it is written and read again. */
#include "tests/unit/s3/bucket/recode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void keys_parse(struct bytes key)
{
    struct uuid id;
    struct bytes name;
    uint32_t number;

    if (row_key_garbage_parse(key, &name, &id) == 0)
        ASSERT(name.len <= S3_KEY_MAX);
    if (row_key_part_parse(key, &name, &id, &number) == 0)
        ASSERT(name.len <= S3_KEY_MAX);
    if (row_key_parse(key, &name, &id) == 0)
        ASSERT(name.len <= S3_KEY_MAX);
    (void)s3_key_check(key);
    (void)bucket_name_valid(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    AUTO(writer) sealed = {0};
    AUTO(writer) once = {0};
    AUTO(writer) twice = {0};
    struct bytes value;
    enum row_kind kind;

    if (bytes < 2 || bytes > 1 << 20)
        return 0;
    kind = data[0] % ROW_KINDS;
    value = (struct bytes){data + 2, (uint32_t)bytes - 2};
    keys_parse(value);
    if (data[1] & 1) {
        size_t mark = wr_begin(&sealed, 1, 1);

        wr_raw(&sealed, value.data, value.len);
        wr_end(&sealed, mark);
        ASSERT(sealed.rc == 0);
        value = (struct bytes){sealed.data, (uint32_t)sealed.len};
    }
    if (row_recode(kind, value, &once) < 0)
        return 0;
    ASSERT(once.rc == 0);
    ASSERT(row_recode(kind, (struct bytes){once.data, (uint32_t)once.len}, &twice) == 0);
    ASSERT(twice.rc == 0);
    ASSERT(once.len == twice.len);
    ASSERT(memcmp(once.data, twice.data, once.len) == 0);
    return 0;
}
