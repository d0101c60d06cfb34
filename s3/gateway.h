/* gateway.h - the gateway's own state, for its request handlers.  Threads: the env's reactor. */
#ifndef S3_GATEWAY_H
#define S3_GATEWAY_H

#include "core/base/list.h"
#include "s3/auth/auth.h"
#include "s3/bucket/bucket.h"
#include "s3/http.h"

struct s3_stats {
    struct counter requests, errors_client, errors_server, not_implemented, denied;
    struct histogram seconds;
};

/* What handlers see.  s3.c puts a cluster below it, tests put a bucket layer of their own. */
struct s3_gateway {
    struct env *env;
    struct log log;
    struct bucket_layer *buckets; /* borrowed */
    struct digest_kit kit;        /* owned */
    struct sigv4_keys keys;
    struct auth_conf auth;
    char region[64];
    char domain[256]; /* "": path style only */
    char host_id[17];
    struct http_server *http; /* owned */
    struct list requests;     /* struct s3_request, by link */
    struct s3_stats stats;
};

/* Everything but the bucket layer, which `buckets` is.  0, or a negative code with `why`. */
int gateway_start(struct s3_gateway *g, struct env *env, struct bucket_layer *buckets,
                  const struct net_addr *addr, const char *region, const char *domain,
                  struct note *why);
/* Answer what is under way, cut what takes too long; then nothing uses the bucket layer any more.
 */
void gateway_stop(struct s3_gateway *g, uint32_t grace_ms, void (*stopped)(void *arg), void *arg);
/* After stopped, or without a start. */
void gateway_fini(struct s3_gateway *g);
int gateway_metrics(struct s3_gateway *g, struct metric_set *set);

#endif
