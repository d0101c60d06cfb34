/* test_policy.c - what the policy of a form allows. */
#include "s3/auth/digest.h"
#include "s3/auth/policy.h"
#include "tests/unit/t.h"

enum { NOW = 1196500000 }; /* 2007-12-01 */

#define UNTIL "{\"expiration\": \"2007-12-02T12:00:00.000Z\", \"conditions\": "

static enum s3_error check(const char *text, struct policy_range *range, const char **why)
{
    const struct policy_field fields[] = {
        {BYTES_STR("key"), BYTES_STR("user/eric/a.jpg")},
        {BYTES_STR("content-type"), BYTES_STR("image/jpeg, image/png")},
        {BYTES_STR("x-ignore-me"), BYTES_STR("1")},
        {BYTES_STR("policy"), BYTES_STR("...")},
        {BYTES_STR("x-amz-signature"), BYTES_STR("...")},
        {BYTES_STR("bucket"), BYTES_STR("photos")},
    };
    size_t len = strlen(text);
    char *packed = malloc(len * 2 + 8);
    struct arena arena;
    static char kept[1024];
    enum s3_error e;

    base64_put((const uint8_t *)text, len, packed);
    arena_init(&arena);
    *range = (struct policy_range){1, 2};
    e = policy_check(&arena, BYTES_STR(packed), NOW, fields, ARRAY_LEN(fields), range, why);
    kept[0] = '\0';
    strncat(kept, *why ? *why : "", sizeof(kept) - 1);
    *why = kept;
    arena_fini(&arena);
    free(packed);
    return e;
}

T(s3_policy, a_form_must_meet_every_condition_and_have_no_other_field)
{
#define BUCKET "{\"bucket\": \"photos\"}"
#define KEY    "[\"starts-with\", \"$key\", \"user/\"]"
#define TYPE   "[\"starts-with\", \"$Content-Type\", \"image/\"]," BUCKET
    static const struct {
        const char *text;
        enum s3_error e;
        const char *why;
    } rows[] = {
        {UNTIL "[" KEY "," TYPE "]}", S3_OK, ""},
        {UNTIL "[" KEY ",[\"starts-with\", \"$Content-Type\", \"image/\"]]}", S3_AccessDenied,
         "Invalid according to Policy: Extra input fields: bucket"},
        {UNTIL "[" KEY "," TYPE ",[\"EQ\", \"$bucket\", \"photos\"]]}", S3_OK, ""},
        {UNTIL "[{\"key\": \"user/eric/a.jpg\"}," TYPE "]}", S3_OK, ""},
        {UNTIL "[{\"KEY\": \"user/eric/a.jpg\"}," TYPE "]}", S3_OK, ""},
        {UNTIL "[[\"starts-with\", \"\\$key\", \"\"]," TYPE "]}", S3_OK, ""},
        {UNTIL "[" KEY "," BUCKET "]}", S3_AccessDenied,
         "Invalid according to Policy: Extra input fields: content-type"},
        {UNTIL "[" KEY "," TYPE ",{\"bucket\": \"other\"}]}", S3_AccessDenied,
         "Invalid according to Policy: Policy Condition failed: [\"eq\", \"$bucket\", \"other\"]"},
        {UNTIL "[[\"starts-with\", \"$key\", \"admin/\"]," TYPE "]}", S3_AccessDenied,
         "Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$key\", "
         "\"admin/\"]"},
        {UNTIL "[" KEY ",[\"starts-with\", \"$Content-Type\", \"image/j\"]]}", S3_AccessDenied,
         "Invalid according to Policy: Policy Condition failed: [\"starts-with\", "
         "\"$Content-Type\", \"image/j\"]"}, /* each of the list must */
        {UNTIL "[" KEY "," TYPE ",[\"starts-with\", \"$acl\", \"\"]]}", S3_AccessDenied,
         "Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$acl\", "
         "\"\"]"}, /* it is not there */
        {"{\"expiration\": \"2007-11-30T12:00:00Z\", \"conditions\": [" KEY "," TYPE "]}",
         S3_AccessDenied, "Invalid according to Policy: Policy expired."},
        /* no policies */
        {"{\"conditions\": [" KEY "," TYPE "]}", S3_InvalidPolicyDocument, NULL},
        {"{\"expiration\": \"tomorrow\", \"conditions\": []}", S3_InvalidPolicyDocument, NULL},
        {"{\"expiration\": \"2007-12-02T12:00:00\", \"conditions\": []}", S3_InvalidPolicyDocument,
         NULL},
        {"{\"expiration\": \"2007-13-02T12:00:00Z\", \"conditions\": []}", S3_InvalidPolicyDocument,
         NULL},
        {"{\"expiration\": 5, \"conditions\": []}", S3_InvalidPolicyDocument, NULL},
        {"{\"expiration\": \"2007-12-02T12:00:00Z\"}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "{}}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "[5]}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "[[\"eq\", \"key\", \"user/eric/a.jpg\"]," TYPE "]}", S3_InvalidPolicyDocument,
         NULL},
        {UNTIL "[[\"eq\", \"$key\"]]}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "[[\"ends-with\", \"$key\", \"a\"]]}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "[{\"key\": 5}]}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "[[\"content-length-range\", 5, 4]]}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "[[\"content-length-range\", -1, 4]]}", S3_InvalidPolicyDocument, NULL},
        {UNTIL "[[\"content-length-range\", \"x\", 4]]}", S3_InvalidPolicyDocument, NULL},
        {UNTIL, S3_InvalidPolicyDocument, "Invalid Policy: Invalid JSON."},
        {"[]", S3_InvalidPolicyDocument, "Invalid Policy: Invalid JSON."},
        {"", S3_InvalidPolicyDocument, "Invalid Policy: Invalid JSON."},
    };

    T_CASES (row, rows) {
        struct policy_range range;
        const char *why;

        T_EQ(check(row->text, &range, &why), row->e);
        if (row->why)
            T_STR_EQ(why, row->why);
        if (row->e != S3_OK)
            T_EQ(range.bytes_max, 2); /* not written */
    }
}

T(s3_policy, ranges_of_length_narrow_each_other)
{
    static const struct {
        const char *text;
        uint64_t min, max;
    } rows[] = {
        {UNTIL "[" KEY "," TYPE "]}", 0, UINT64_MAX},
        {UNTIL "[" KEY "," TYPE ",[\"content-length-range\", 10, 20]]}", 10, 20},
        {UNTIL "[" KEY "," TYPE ",[\"content-length-range\", \"10\", \"20\"]]}", 10, 20},
        {UNTIL "[" KEY "," TYPE
               ",[\"content-length-range\", 0, 15],[\"content-length-range\", 5, 20]]}",
         5, 15},
    };

    T_CASES (row, rows) {
        struct policy_range range;
        const char *why;

        T_EQ(check(row->text, &range, &why), S3_OK);
        T_EQ(range.bytes_min, row->min);
        T_EQ(range.bytes_max, row->max);
    }
}

T(s3_policy, the_text_is_base64_perhaps_in_lines)
{
    static const struct {
        const char *text;
        enum s3_error e;
    } rows[] = {
        {"eyJleHBpcmF0aW9uIjoiMjAwNy0xMi0wMlQxMjowMDowMFoi\r\nLCJjb25kaXRpb25zIjpbXX0=", S3_OK},
        {"eyJleHBpcmF0aW9uIjoiMjAwNy0xMi0wMlQxMjowMDowMFoiLCJjb25kaXRpb25zIjpbXX0",
         S3_InvalidPolicyDocument},
        {"eyJleHBpcmF0aW9uIjoiMjAwNy0xMi0wMlQxMjowMDowMFoiLCJjb25kaXRpb25zIjpbXX0*",
         S3_InvalidPolicyDocument},
        {"====", S3_InvalidPolicyDocument},
        {"=", S3_InvalidPolicyDocument},
        {"", S3_InvalidPolicyDocument},
    };

    T_CASES (row, rows) {
        struct policy_range range;
        struct arena arena;
        const char *why;

        arena_init(&arena);
        T_EQ(policy_check(&arena, BYTES_STR(row->text), NOW, NULL, 0, &range, &why), row->e);
        arena_fini(&arena);
    }
}
