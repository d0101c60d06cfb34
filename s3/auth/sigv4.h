/* sigv4.h - AWS Signature Version 4: in the Authorization field, in the query, in a form.
 *
 * Parsing believes nothing; verifying says whether the holder of the secret sent just this method,
 * target, signed fields and (by its hash) body.  Pure functions: the time is an argument.  A
 * refusal may have a sentence, `out_why` (a constant), that says more than the error's own; or
 * NULL. */
#ifndef S3_AUTH_SIGV4_H
#define S3_AUTH_SIGV4_H

#include "s3/auth/digest.h"
#include "s3/error.h"
#include "s3/http.h"
#include "s3/uri.h"

#define SIGV4_ALGORITHM "AWS4-HMAC-SHA256"

enum {
    SIGV4_SKEW_S = 900,
    SIGV4_EXPIRES_MAX_S = 7 * 24 * 3600,
    SIGV4_DAY_BYTES = 8,
    SIGV4_STAMP_BYTES = 16,
    SIGV4_SCOPE_BYTES = SIGV4_DAY_BYTES + 64 + 32, /* terminated */
    SIGV4_KEYS = 32,
    SIGV4_SECRET_MAX = 128, /* longer ones are not remembered */
};

enum payload_kind {
    PAYLOAD_HASHED,                /* x-amz-content-sha256 is of the body */
    PAYLOAD_UNSIGNED,              /* UNSIGNED-PAYLOAD */
    PAYLOAD_CHUNKS_SIGNED,         /* STREAMING-AWS4-HMAC-SHA256-PAYLOAD */
    PAYLOAD_CHUNKS_SIGNED_TRAILER, /* ... -TRAILER */
    PAYLOAD_CHUNKS_TRAILER,        /* STREAMING-UNSIGNED-PAYLOAD-TRAILER */
};

enum sigv4_form { SIGV4_NOWHERE, SIGV4_IN_HEADER, SIGV4_IN_QUERY, SIGV4_IN_POST };

/* What a request says of its signature; borrowed from its head and query. */
struct sigv4 {
    enum sigv4_form form; /* SIGV4_NOWHERE: it is not signed, and only the payload is told */
    struct bytes access_key;
    struct bytes scope; /* day/region/service/aws4_request */
    struct bytes day, region, service;
    struct bytes signed_names; /* a;b;c */
    struct bytes stamp;        /* 20150830T123600Z */
    uint32_t expires_s;        /* SIGV4_IN_QUERY: good for so long */
    uint8_t signature[SHA256_BYTES];
    struct bytes payload; /* the text of x-amz-content-sha256 */
    enum payload_kind payload_kind;
    uint8_t payload_sha256[SHA256_BYTES]; /* PAYLOAD_HASHED */
};

/* A key for one day, region and service, and the last signature made: what chunks go on with. */
struct sigv4_chain {
    uint8_t key[SHA256_BYTES];
    uint8_t last[SHA256_BYTES];
    char stamp[SIGV4_STAMP_BYTES + 1];
    char scope[SIGV4_SCOPE_BYTES];
};

/* Keys derived lately: four of the five HMACs of a signature are the same for a whole day.  Starts
 * zeroed; belongs to one reactor. */
struct sigv4_keys {
    struct {
        uint32_t secret_len; /* 0: free */
        uint8_t secret[SIGV4_SECRET_MAX];
        char scope[SIGV4_SCOPE_BYTES];
        uint8_t key[SHA256_BYTES];
    } slot[SIGV4_KEYS];
};
void sigv4_keys_fini(struct sigv4_keys *keys); /* forgets them */

/* All that belongs to the signature, well-formed, for `region`; or that there is none.  Fields that
 * change what a request means (host and x-amz-*) are among the signed ones. */
enum s3_error sigv4_parse(const struct http_head *head, const struct uri_query *query,
                          struct bytes region, struct sigv4 *out_sig, const char **out_why);
/* Of a form: the values of its x-amz-algorithm, -credential, -date and -signature. */
enum s3_error sigv4_parse_form(struct bytes algorithm, struct bytes credential, struct bytes date,
                               struct bytes signature, struct bytes region, struct sigv4 *out_sig,
                               const char **out_why);
/* What x-amz-content-sha256 says of the body. */
enum s3_error sigv4_payload(struct bytes text, struct sigv4 *sig, const char **out_why);
/* 20150830T123600Z; false: there is no such time. */
bool sigv4_stamp_time(struct bytes stamp, int64_t *out_s);
/* Within SIGV4_SKEW_S of `now_s` (seconds since 1970 UTC), or not yet expired.  A form has a time
 * of its own, in its policy. */
enum s3_error sigv4_check_time(const struct sigv4 *sig, int64_t now_s, const char **out_why);

/* The canonical request, appended to `w`; a failure stays there. */
void sigv4_canonical(struct writer *w, const struct http_head *head, const struct uri_query *query,
                     const struct sigv4 *sig);
/* The signature that the secret gives.  `keys` may be NULL.  0 or -ENOMEM. */
int sigv4_sign(struct hash *h, const struct digest_kit *kit, struct sigv4_keys *keys,
               struct bytes secret, const struct sigv4 *sig, struct bytes canonical,
               struct sigv4_chain *out_chain);
/* All of it but the time. */
enum s3_error sigv4_verify(struct hash *h, const struct digest_kit *kit, struct sigv4_keys *keys,
                           const struct http_head *head, const struct uri_query *query,
                           const struct sigv4 *sig, struct bytes secret,
                           struct sigv4_chain *out_chain);

/* Whether the holder of the secret signed this policy (its text, in base64). */
enum s3_error sigv4_verify_form(struct hash *h, const struct digest_kit *kit,
                                struct sigv4_keys *keys, const struct sigv4 *sig,
                                struct bytes secret, struct bytes policy);

/* The signature of the next chunk (by the hash of its data), or of the trailer (by the hash of its
 * lines); it becomes the last.  0 or -ENOMEM. */
int sigv4_chain_next(struct sigv4_chain *c, struct hash *h, const struct digest_kit *kit,
                     bool trailer, const uint8_t data_sha256[SHA256_BYTES]);

#endif
