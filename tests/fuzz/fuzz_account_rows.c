/* fuzz_account_rows.c - reads arbitrary values as what quotas and bills are kept in: a bucket's
 * quota, usage by hour, samples, and the keys of both.
 *
 * Input: u8 kind, u8 form, bytes.  Form 0: the bytes are the value.  Form 1: they are what stands
 * in its envelope, which is made here, since nobody guesses checksums.  What was understood must
 * come out the same when it is written and read again. */
#include "s3/bucket/rows.h"
#include "s3/usage/rows.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

enum { QUOTA, TALLY, SAMPLE, KEY, DAY, KINDS };

static int day_recode(struct bytes value, struct writer *w)
{
    char text[USAGE_DAY_TEXT], name[USAGE_NAME_BYTES];
    uint32_t day;

    if (!usage_day_parse(value, &day))
        return -R_MALFORMED;
    usage_day_text(day, text);
    usage_day_name(day, name);
    ASSERT(memcmp(value.data, text, value.len) == 0); /* a day has one name */
    wr_raw(w, text, strlen(text));
    return 0;
}

static int recode(unsigned kind, struct bytes value, struct writer *w)
{
    struct s3_quota quota;
    struct usage_tally tally, sum = {.failed = 0};
    struct usage_sample sample;
    struct usage_key key;
    int rc = -R_MALFORMED;

    switch (kind) {
    case QUOTA:
        rc = quota_row_decode(value, &quota);
        if (rc == 0)
            quota_row_encode(&quota, w);
        break;
    case TALLY:
        rc = usage_tally_decode(value, &tally);
        if (rc < 0)
            break;
        usage_tally_add(&sum, &tally);
        usage_tally_encode(&sum, w);
        break;
    case SAMPLE:
        rc = usage_sample_decode(value, &sample);
        if (rc == 0)
            usage_sample_encode(&sample, w);
        break;
    case KEY:
        rc = usage_key_decode(value, &key);
        if (rc < 0)
            break;
        ASSERT(key.hour < 24);
        usage_key_encode(&key, w);
        ASSERT(w->len <= USAGE_KEY_MAX);
        break;
    case DAY:
        rc = day_recode(value, w);
        break;
    }
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    AUTO(writer) sealed = {0};
    AUTO(writer) once = {0};
    AUTO(writer) twice = {0};
    struct bytes value;
    unsigned kind;
    int rc;

    if (bytes < 2 || bytes > 1 << 16)
        return 0;
    kind = data[0] % KINDS;
    value = (struct bytes){data + 2, (uint32_t)bytes - 2};
    if (data[1] & 1) {
        size_t mark = wr_begin(&sealed, 1, 1);

        wr_raw(&sealed, value.data, value.len);
        wr_end(&sealed, mark);
        ASSERT(sealed.rc == 0);
        value = (struct bytes){sealed.data, (uint32_t)sealed.len};
    }
    if (recode(kind, value, &once) < 0)
        return 0;
    ASSERT(once.rc == 0);
    rc = recode(kind, (struct bytes){once.data, (uint32_t)once.len}, &twice);
    ASSERT(rc == 0 && twice.rc == 0);
    ASSERT(once.len == twice.len);
    ASSERT(memcmp(once.data, twice.data, once.len) == 0);
    return 0;
}
