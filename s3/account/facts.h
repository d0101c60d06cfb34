/* facts.h - what is known of a request when it is over, for counters, the access log and usage.
 *
 * Everything is borrowed for the call.  Texts that are not known are empty. */
#ifndef S3_ACCOUNT_FACTS_H
#define S3_ACCOUNT_FACTS_H

#include "core/base/cursor.h"

#define FACTS_UNKNOWN UINT64_MAX

struct s3_op;

struct request_facts {
    const struct s3_op *op;      /* NULL: it was refused before that was known */
    struct bytes method, target; /* as sent */
    struct bytes bucket, key;    /* decoded */
    struct bytes host, referer, user_agent;
    bool http_1_0, is_copy;
    const char *owner;     /* of the bucket */
    const char *requester; /* empty: anonymous, or not verified */
    const char *peer;      /* ADDR:PORT */
    const char *error;     /* S3's code */
    const char *signature; /* "SigV4", "SigV2" */
    const char *auth;      /* "AuthHeader" */
    const char *cipher, *tls;
    const char *host_id;
    unsigned status; /* 0: no answer was begun */
    uint64_t request_id;
    uint64_t bytes_in, bytes_out; /* of bodies */
    uint64_t object_bytes;        /* FACTS_UNKNOWN */
    uint64_t begun_wall_ns;
    uint64_t total_ns, turn_ns; /* to the last byte of the answer; until it was begun */
};

#endif
