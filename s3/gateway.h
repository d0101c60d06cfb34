/* gateway.h - the gateway's own state, for its request handlers.  Threads: the env's reactor. */
#ifndef S3_GATEWAY_H
#define S3_GATEWAY_H

#include "core/base/list.h"
#include "s3/account/access_log.h"
#include "s3/account/op_stats.h"
#include "s3/auth/auth.h"
#include "s3/bucket/bucket.h"
#include "s3/http.h"
#include "s3/usage/usage.h"

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
    struct hash_line *line;       /* owned: where bodies are hashed */
    struct sigv4_keys keys;
    struct auth_conf auth;
    char region[64];
    char domain[256]; /* one or several, separated by commas; "": path style only */
    char host_id[17];
    struct http_server *http;  /* owned; NULL: HTTPS only */
    struct http_server *https; /* owned; NULL: there is none */
    struct http_tls *tls;      /* owned; with https */
    uint32_t stopping;         /* servers that are */
    void (*stopped)(void *arg);
    void *stopped_arg;
    struct list requests; /* struct s3_request, by link */
    uint32_t request_count, requests_max;
    struct s3_stats stats;
    struct op_stats *ops;      /* owned */
    struct access_log *access; /* owned; NULL: none is kept */
    struct usage *usage;       /* borrowed; NULL: not counted */
};

struct gateway_conf {
    const struct net_addr *addr;     /* NULL: HTTPS only */
    const struct net_addr *tls_addr; /* NULL: no HTTPS */
    const char *tls_cert, *tls_key;  /* files; with tls_addr */
    uint32_t connections_max;        /* of each listener */
    const char *region, *domain;     /* copied */
    bool signature_v2;               /* is taken */
    const char *access_log;          /* path; NULL or empty: none */
    const char *access_log_format;   /* "s3" or "json" */
    uint64_t access_log_bytes;       /* that may wait to be written */
    uint32_t requests_max;           /* more at once are told to slow down; 0: no bound */
    uint32_t workers;                /* threads of the process for heavy work */
};
/* Everything but the bucket layer, which `buckets` is.  0, or a negative code with `why`.  In both
 * cases: gateway_stop if gateway_listens, then gateway_fini. */
int gateway_start(struct s3_gateway *g, struct env *env, struct bucket_layer *buckets,
                  const struct gateway_conf *conf, struct note *why);
bool gateway_listens(const struct s3_gateway *g);
/* Of HTTP, or else of HTTPS; the port resolved. */
const struct net_addr *gateway_addr(const struct s3_gateway *g);
/* Take the certificate's files again, if there are any. */
void gateway_reload(struct s3_gateway *g);
/* Answer what is under way, cut what takes too long; then nothing uses the bucket layer any more.
 */
void gateway_stop(struct s3_gateway *g, uint32_t grace_ms, void (*stopped)(void *arg), void *arg);
/* After stopped, or when it never listened. */
void gateway_fini(struct s3_gateway *g);
int gateway_metrics(struct s3_gateway *g, struct metric_set *set);

#endif
