/* policy.h - the policy document of a browser's POST: what its signer allows to be sent.
 *
 *     {"expiration": "2026-11-21T12:00:00Z",
 *      "conditions": [{"bucket": "photos"}, ["starts-with", "$key", "user/eric/"],
 *                     ["eq", "$acl", "private"], ["content-length-range", 0, 1048576]]}
 *
 * Every field of the form must be named by a condition that it meets, but for those that carry the
 * policy itself and x-ignore-*.  Pure: the time is an argument. */
#ifndef S3_AUTH_POLICY_H
#define S3_AUTH_POLICY_H

#include "core/base/arena.h"
#include "core/base/cursor.h"
#include "s3/error.h"

enum { POLICY_FIELDS_MAX = 100 };

struct policy_field {
    struct bytes name; /* in lower case */
    struct bytes value;
};

/* Of the file. */
struct policy_range {
    uint64_t bytes_min, bytes_max;
};

/* Does the policy (in base64, as it was signed) hold at `now_s` for these fields (the bucket among
 * them)?  A refusal has a sentence, of the arena or a constant; NULL when memory is short. */
enum s3_error policy_check(struct arena *a, struct bytes text, int64_t now_s,
                           const struct policy_field *fields, uint32_t count,
                           struct policy_range *out_range, const char **out_why);

#endif
