/* test_meta.c - ranges, conditions, dates and numbers of HTTP fields. */
#include "s3/object/meta.h"
#include "tests/unit/t.h"

T(s3_meta, ranges_mean_what_http_says)
{
    static const struct {
        const char *text;
        uint64_t size;
        enum s3_error e;
        bool whole;
        uint64_t off, bytes;
    } rows[] = {
        {"bytes=0-0", 10, S3_OK, false, 0, 1},
        {"bytes=0-9", 10, S3_OK, false, 0, 10},
        {"bytes=2-5", 10, S3_OK, false, 2, 4},
        {"bytes=2-", 10, S3_OK, false, 2, 8},
        {"bytes=9-100", 10, S3_OK, false, 9, 1},
        {"bytes=-3", 10, S3_OK, false, 7, 3},
        {"bytes=-30", 10, S3_OK, false, 0, 10},
        {"bytes=0-9223372036854775807", 10, S3_OK, false, 0, 10},
        {"bytes=10-", 10, S3_InvalidRange, true, 0, 0},
        {"bytes=10-12", 10, S3_InvalidRange, true, 0, 0},
        {"bytes=-0", 10, S3_InvalidRange, true, 0, 0},
        {"bytes=0-", 0, S3_InvalidRange, true, 0, 0},
        {"bytes=-1", 0, S3_InvalidRange, true, 0, 0},
        {"bytes=5-2", 10, S3_InvalidArgument, true, 0, 0},
        {"bytes=", 10, S3_InvalidArgument, true, 0, 0},
        {"bytes=-", 10, S3_InvalidArgument, true, 0, 0},
        {"bytes=a-b", 10, S3_InvalidArgument, true, 0, 0},
        {"bytes=1", 10, S3_InvalidArgument, true, 0, 0},
        {"bytes=1--2", 10, S3_InvalidArgument, true, 0, 0},
        {"bytes=99999999999999999999-", 10, S3_InvalidRange, true, 0, 0},
        {"bytes=5-99999999999999999999", 10, S3_OK, false, 5, 5},
        {"bytes=0000000000000000000000005-6", 10, S3_OK, false, 5, 2},
        {"bytes=9999999999999999999x-", 10, S3_InvalidArgument, true, 0, 0},
        {"bytes=0-1,3-4", 10, S3_InvalidArgument, true, 0, 0},
        {"lines=0-1", 10, S3_OK, true, 0, 0},
    };

    T_CASES (row, rows) {
        uint64_t off = 0, bytes = 0;
        bool whole;

        T_EQ(range_parse(BYTES_STR(row->text), row->size, &off, &bytes, &whole), row->e);
        T_EQ(whole, row->whole);
        T_EQ(off, row->off);
        T_EQ(bytes, row->bytes);
    }
}

#define ETAG "\"000102030405060708090a0b0c0d0e0f\""
#define THEN "Sun, 30 Aug 2015 12:36:00 GMT"
#define PAST "Sun, 30 Aug 2015 12:35:59 GMT"
#define NEXT "Sun, 30 Aug 2015 12:36:01 GMT"

T(s3_meta, a_tag_is_a_sum_or_a_sum_and_a_number_of_parts)
{
    static const struct {
        const char *text;
        uint32_t parts; /* UINT32_MAX: no object has it */
    } rows[] = {
        {ETAG, 0},
        {"000102030405060708090a0b0c0d0e0f", 0},
        {"\"000102030405060708090a0b0c0d0e0f-1\"", 1},
        {"\"000102030405060708090a0b0c0d0e0f-10000\"", 10000},
        {"\"000102030405060708090a0b0c0d0e0f-10001\"", UINT32_MAX},
        {"\"000102030405060708090a0b0c0d0e0f-0\"", UINT32_MAX},
        {"\"000102030405060708090a0b0c0d0e0f-\"", UINT32_MAX},
        {"\"000102030405060708090a0b0c0d0e0f+1\"", UINT32_MAX},
        {"\"000102030405060708090a0b0c0d0e0\"", UINT32_MAX},
        {"\"000102030405060708090a0b0c0d0e0g\"", UINT32_MAX},
        {"", UINT32_MAX},
    };

    T_CASES (row, rows) {
        struct s3_etag e;

        etag_parse(BYTES_STR(row->text), &e);
        T_EQ(e.parts, row->parts);
        if (e.parts != UINT32_MAX)
            for (unsigned i = 0; i < sizeof(e.md5); i++)
                T_EQ(e.md5[i], i);
    }
}

T(s3_meta, conditions_are_weighed_in_order)
{
    static const struct {
        const char *match, *none, *since, *until;
        enum s3_error e;
    } rows[] = {
        {NULL, NULL, NULL, NULL, S3_OK},
        {ETAG, NULL, NULL, NULL, S3_OK},
        {"000102030405060708090a0b0c0d0e0f", NULL, NULL, NULL, S3_OK},
        {"*", NULL, NULL, NULL, S3_OK},
        {"\"x\", " ETAG, NULL, NULL, NULL, S3_OK},
        {"\"x\"", NULL, NULL, NULL, S3_PreconditionFailed},
        {NULL, ETAG, NULL, NULL, S3_NotModified},
        {NULL, "W/" ETAG, NULL, NULL, S3_NotModified},
        {NULL, "*", NULL, NULL, S3_NotModified},
        {NULL, "\"x\"", NULL, NULL, S3_OK},
        {NULL, NULL, THEN, NULL, S3_NotModified},
        {NULL, NULL, NEXT, NULL, S3_NotModified},
        {NULL, NULL, PAST, NULL, S3_OK},
        {NULL, NULL, "yesterday", NULL, S3_OK},
        {NULL, NULL, NULL, THEN, S3_OK},
        {NULL, NULL, NULL, PAST, S3_PreconditionFailed},
        {ETAG, NULL, NULL, PAST, S3_OK},          /* the ETag is stronger */
        {NULL, "\"x\"", THEN, NULL, S3_OK},       /* likewise */
        {NULL, ETAG, PAST, NULL, S3_NotModified}, /* likewise */
        {"\"x\"", ETAG, NULL, NULL, S3_PreconditionFailed},
    };
    struct object_info info = {.mtime_ns = UINT64_C(1440938160) * NS_PER_S + 500};

    for (uint8_t i = 0; i < 16; i++)
        info.etag.md5[i] = i;
    T_CASES (row, rows) {
        static const char *const names[] = {"if-match", "if-none-match", "if-modified-since",
                                            "if-unmodified-since"};
        const char *const values[] = {row->match, row->none, row->since, row->until};
        static struct http_head head, copy;

        head.field_count = copy.field_count = 0;
        for (size_t i = 0; i < 4; i++) {
            static char prefixed[4][64];

            if (!values[i])
                continue;
            (void)snprintf(prefixed[i], sizeof(prefixed[i]), "x-amz-copy-source-%s", names[i]);
            head.field[head.field_count++] =
                (struct http_field){BYTES_STR(names[i]), BYTES_STR(values[i])};
            copy.field[copy.field_count++] =
                (struct http_field){BYTES_STR(prefixed[i]), BYTES_STR(values[i])};
        }
        T_EQ(conditions_check(&head, "", &info), row->e);
        T_EQ(conditions_check(&copy, "", &info), S3_OK);
        T_EQ(conditions_check(&copy, "x-amz-copy-source-", &info),
             row->e == S3_NotModified ? S3_PreconditionFailed : row->e);
    }
}

T(s3_meta, dates_have_one_form)
{
    static const char *const bad[] = {"",
                                      "Sun, 30 Aug 2015 12:36:00",
                                      "Mon, 30 Aug 2015 12:36:00 GMT",
                                      "Sun, 30 Aug 2015 12:60:00 GMT",
                                      "Sun, 31 Feb 2015 12:36:00 GMT",
                                      "Sun, 30 Foo 2015 12:36:00 GMT",
                                      "Sunday, 30-Aug-15 12:36:00 GM",
                                      "Sun, 30 Aug 0015 12:36:00 GMT"};
    char text[HTTP_DATE_BYTES];
    int64_t s;

    http_date_put(UINT64_C(1440938160) * NS_PER_S, text);
    T_STR_EQ(text, THEN);
    T_TRUE(http_date_get(BYTES_STR(THEN), &s));
    T_EQ(s, 1440938160);
    T_CASES (row, bad)
        T_FALSE(http_date_get(BYTES_STR(*row), &s));
}

T(s3_meta, numbers_are_digits_within_bounds)
{
    uint64_t n = 7;

    T_TRUE(number_get(BYTES_STR("0"), 9, &n));
    T_EQ(n, 0);
    T_TRUE(number_get(BYTES_STR("0010"), 10, &n));
    T_EQ(n, 10);
    T_FALSE(number_get(BYTES_STR("11"), 10, &n));
    T_FALSE(number_get(BYTES_STR(""), 10, &n));
    T_FALSE(number_get(BYTES_STR("-1"), 10, &n));
    T_FALSE(number_get(BYTES_STR("1 "), 10, &n));
    T_FALSE(number_get(BYTES_STR("18446744073709551616"), UINT64_MAX, &n));
    T_EQ(n, 10);
}
