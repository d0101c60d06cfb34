/* fuzz_s3_policy.c - the policy document of a form, of arbitrary bytes.
 *
 * The input is taken as the base64 text, and as the document in it. */
#include <stdlib.h>

#include "s3/auth/digest.h"
#include "s3/auth/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static enum s3_error check(struct bytes text, uint32_t count)
{
    static const char *const names[][2] = {{"key", "a/b"},
                                           {"content-type", "image/a,image/b"},
                                           {"bucket", "photos"},
                                           {"x-ignore-a", "1"},
                                           {"policy", "2"}};
    struct policy_field fields[ARRAY_LEN(names)];
    struct policy_range range = {0, 0};
    const char *why = NULL;
    struct arena arena;
    enum s3_error e;

    for (uint32_t i = 0; i < ARRAY_LEN(names); i++)
        fields[i] = (struct policy_field){BYTES_STR(names[i][0]), BYTES_STR(names[i][1])};
    arena_init(&arena);
    e = policy_check(&arena, text, 1196500000, fields, count, &range, &why);
    ASSERT(e == S3_OK || why);
    arena_fini(&arena);
    return e;
}

static void check_text(struct bytes text)
{
    enum s3_error e = check(text, 5);

    ASSERT(e == S3_OK || e == S3_AccessDenied || e == S3_InvalidPolicyDocument);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const size_t most = 20 * 1024;
    char *packed = malloc(most * 2);

    if (!packed)
        abort();
    bytes = MIN(bytes, most);
    check_text((struct bytes){data, (uint32_t)bytes});
    base64_put(data, bytes, packed);
    check_text(BYTES_STR(packed));
    free(packed);
    return 0;
}
