/* s3.h - the S3 gateway as a role.
 *
 * One instance serves one address on one env: HTTP by libmicrohttpd (s3/http.h) in front of the
 * bucket layer (s3/bucket/), which keeps everything in two pools through libcairn. Threads: the
 * env's reactor. */
#ifndef S3_S3_H
#define S3_S3_H

#include "core/base/addr.h"
#include "core/base/metrics.h"
#include "core/base/option.h"
#include "core/env/env.h"

struct msgr_hub;
struct s3_gateway;

struct s3_conf {
    const struct config *conf; /* borrowed until s3_start returned: s3_*, cluster_*, client_* */
    struct msgr_hub *hub;      /* borrowed; NULL: sockets only */
    /* All metrics of the process, `own` among them: what GET /metrics shows (s3.metrics_addr).
     * NULL: those of the gateway alone. */
    int (*metrics)(void *arg, struct metric_set *own, struct writer *out);
    void *metrics_arg;
    /* Where to listen; port 0: a free one; empty: for HTTPS only (s3.tls_* of conf). */
    struct net_addr addr;
};

/* `ready(arg, 0, bound, _)` comes from the loop when requests are answered (the pools exist; one
 * whose PGs are inactive is not waited for, but by requests), or with a negative code and why;
 * after that only s3_stop is left to call. */
int s3_start(struct env *env, const struct s3_conf *conf,
             void (*ready)(void *arg, int rc, const struct net_addr *bound, const struct note *why),
             void *arg, struct s3_gateway **out_gateway);
/* Answer what is under way (bounded in time), refuse the rest, close. */
void s3_stop(struct s3_gateway *g, void (*stopped)(void *arg), void *arg);
/* Take the files of the certificate again (they are looked at every few seconds anyway). */
void s3_reload(struct s3_gateway *g);

#endif
