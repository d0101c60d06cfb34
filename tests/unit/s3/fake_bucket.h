/* fake_bucket.h - a bucket layer in memory behind s3/bucket/bucket.h, to test what is above it.
 *
 * One user, "alice", with FAKE_KEY and FAKE_SECRET; FAKE_SUSPENDED_KEY has the same secret, and a
 * user who is suspended.  Everything answers from the loop.
 * Threads: the env's reactor; the knobs are set before, or from it. */
#ifndef TESTS_UNIT_S3_FAKE_BUCKET_H
#define TESTS_UNIT_S3_FAKE_BUCKET_H

#include "s3/bucket/bucket.h"

#define FAKE_KEY           "AKIDEXAMPLE"
#define FAKE_SUSPENDED_KEY "AKIDSUSPENDED"
#define FAKE_SECRET        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

struct fake_knobs {
    uint32_t piece_bytes;   /* of a GET; 0: all in one */
    uint64_t get_fails_at;  /* a piece behind so many bytes fails; 0: never */
    uint64_t window_bytes;  /* of a PUT, drained a turn later; 0: unbounded */
    int commit_rc, put_rc;  /* what they fail with */
    const char *access_log; /* path; of the gateway */
    uint32_t requests_max;  /* at once; of the gateway */
    bool no_signature_v2;   /* of the gateway */
    uint64_t quota_bytes;   /* what one request may store; 0: no limit */
    uint64_t share_from;    /* from so many bytes on copies share data; 0: never */
    int copy_rc;            /* what such a copy fails with */
};

struct bucket_layer *fake_create(struct env *env);
struct fake_knobs *fake_knobs(struct bucket_layer *l);
void fake_destroy(struct bucket_layer *l);
/* What is open: PUTs, GETs, calls. */
uint32_t fake_open(const struct bucket_layer *l);

#endif
