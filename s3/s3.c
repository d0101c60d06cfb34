/* s3.c - the gateway as a role: a client of the cluster, the bucket layer on it, HTTP in front.
 *
 *     start: open the cluster -> its first map -> the bucket layer, which makes its pools -> listen
 *     stop:  no new requests -> those under way answered, or cut -> the bucket layer -> the cluster
 *
 * A call that the cluster does not answer would hold its request for ever; so the bucket layer is
 * stopped, which fails such calls, shortly after the grace of HTTP is over. */
#include "s3/s3.h"
#include "core/client/include/cairn_env.h"
#include "s3/account/metrics_page.h"
#include "s3/gateway.h"

enum { CUT_AFTER_MS = 500, USAGE_MS = 3000 };

struct role {
    struct s3_gateway g; /* first: the role is its gateway, with what stands below */
    struct config conf;
    struct net_addr addr;
    struct cairn *cluster;        /* owned */
    struct bucket_layer *buckets; /* owned */
    struct metric_set metrics;
    int (*print)(void *arg, struct metric_set *own,
                 struct writer *out); /* NULL: there are no others */
    void *print_arg;
    struct metrics_page *page; /* owned; NULL: nobody may ask */
    struct usage *usage;       /* owned */
    bool http_up, layer_stopping, stopping;
    void (*ready)(void *arg, int rc, const struct net_addr *bound, const struct note *why);
    void *ready_arg;
    struct env_timer cut_timer;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static struct role *role_of(struct s3_gateway *g)
{
    return CONTAINER_OF(g, struct role, g);
}

/* --- start --- */

static void start_ended(struct role *role, int rc, const struct note *why)
{
    void (*ready)(void *, int, const struct net_addr *, const struct note *) = TAKE(role->ready);

    if (ready)
        ready(role->ready_arg, rc, rc == 0 ? gateway_addr(&role->g) : NULL, why);
}

static int listen_all(struct role *role, struct note *why)
{
    const struct config *conf = &role->conf;
    bool tls = conf->s3_tls_addr.s[0] != '\0';
    struct net_addr tls_addr;
    struct gateway_conf gc = {.addr = role->addr.s[0] ? &role->addr : NULL,
                              .tls_addr = tls ? &tls_addr : NULL,
                              .tls_cert = conf->s3_tls_cert.s,
                              .tls_key = conf->s3_tls_key.s,
                              .connections_max = conf->s3_connections_max,
                              .region = conf->s3_region.s,
                              .domain = conf->s3_domain.s,
                              .signature_v2 = conf->s3_signature_v2,
                              .access_log = conf->s3_access_log.s,
                              .access_log_format = conf->s3_access_log_format.s,
                              .access_log_bytes = conf->s3_access_log_queue,
                              .requests_max = conf->s3_requests_max,
                              .workers = conf->cluster_workers};
    int rc = tls ? net_addr_parse(conf->s3_tls_addr.s, &tls_addr) : 0;

    if (rc < 0) {
        note_set(why, "s3.tls_addr: '%s' is no address to listen on (ADDR:PORT)",
                 conf->s3_tls_addr.s);
        return rc;
    }
    if (!tls && !gc.addr) {
        note_set(why, "s3.addr is off: name an address in s3.tls_addr");
        return -EINVAL;
    }
    if (tls && (!gc.tls_cert[0] || !gc.tls_key[0])) {
        note_set(why, "s3.tls_addr is set: name the files of s3.tls_cert and s3.tls_key, too");
        return -EINVAL;
    }
    rc = gateway_start(&role->g, role->g.env, role->buckets, &gc, why);
    if (rc == 0 && tls)
        log_info(&role->g.log, "listening for HTTPS", KV_STR("addr", http_addr(role->g.https)->s));
    return rc;
}

static int count_start(struct role *role)
{
    struct usage_conf conf = {
        .cluster = role->cluster,
        .buckets = role->buckets,
        .flush_ms = role->conf.s3_usage_flush_s * 1000,
        .keep_days = role->conf.s3_usage_keep_days,
    };
    int rc = usage_start(role->g.env, &conf, &role->usage);

    role->g.usage = role->usage;
    return rc;
}

static int metrics_collect(struct role *role)
{
    int rc = role->http_up ? gateway_metrics(&role->g, &role->metrics) : 0;

    if (rc == 0 && role->usage)
        rc = usage_metrics(role->usage, &role->metrics);
    return rc == 0 && role->buckets ? bucket_metrics(role->buckets, &role->metrics) : rc;
}

static int page_print(void *arg, struct writer *out)
{
    struct role *role = arg;
    struct metric_set *own = &role->metrics;

    return role->print ? role->print(role->print_arg, own, out) : metrics_print(&own, 1, out);
}

static int page_start(struct role *role, struct note *why)
{
    const char *text = role->conf.s3_metrics_addr.s;
    struct net_addr addr;
    int rc;

    if (!text[0])
        return 0;
    if (net_addr_parse(text, &addr) < 0 || !net_addr_loopback(&addr)) {
        note_set(why, "s3.metrics_addr must be a loopback address with a port, got %s", text);
        return -EINVAL;
    }
    rc = metrics_collect(role);
    if (rc == 0)
        rc = metrics_page_start(role->g.env, &addr, page_print, role, &role->page, why);
    if (rc == 0)
        log_info(&role->g.log, "metrics are at /metrics",
                 KV_STR("addr", metrics_page_addr(role->page)->s));
    return rc;
}

static void layer_ready(void *arg, int rc)
{
    struct role *role = arg;
    struct note why = {{0}};

    if (role->stopping)
        return;
    if (rc < 0) {
        note_set(&why, "s3: the pools cannot be made: %s", reason_text(rc));
    } else {
        rc = listen_all(role, &why);
        role->http_up = gateway_listens(&role->g);
    }
    if (rc == 0)
        rc = count_start(role);
    if (rc == 0)
        rc = page_start(role, &why);
    if (rc == 0)
        log_info(&role->g.log, "listening", KV_STR("addr", gateway_addr(&role->g)->s));
    start_ended(role, rc, &why);
}

static void cluster_ready(void *arg, int rc)
{
    struct role *role = arg;
    struct bucket_conf conf = {.shard_entries_max = role->conf.s3_shard_entries,
                               .shard_bytes_max = role->conf.s3_shard_bytes};
    struct note why = {{0}};

    if (role->stopping)
        return;
    if (rc == 0)
        rc = bucket_layer_start(role->g.env, role->cluster, &conf, layer_ready, role,
                                &role->buckets);
    if (rc == 0)
        return;
    note_set(&why, "s3: the cluster cannot be used: %s", reason_text(rc));
    start_ended(role, rc, &why);
}

int s3_start(struct env *env, const struct s3_conf *conf,
             void (*ready)(void *arg, int rc, const struct net_addr *bound, const struct note *why),
             void *arg, struct s3_gateway **out_gateway)
{
    struct cairn_env_conf cluster = {.conf = conf->conf, .hub = conf->hub};
    struct role *role = mem_zalloc(sizeof(*role));
    int rc;

    if (!role)
        return -ENOMEM;
    role->g.env = env;
    role->conf = *conf->conf;
    role->addr = conf->addr;
    role->print = conf->metrics;
    role->print_arg = conf->metrics_arg;
    role->ready = ready;
    role->ready_arg = arg;
    list_init(&role->g.requests);
    metric_set_init(&role->metrics, "role=\"s3\"");
    rc = cairn_open_env(env, &cluster, cluster_ready, role, &role->cluster);
    if (rc < 0) {
        mem_free(role);
        return rc;
    }
    *out_gateway = &role->g;
    return 0;
}

/* --- stop --- */

static void cluster_closed(void *arg)
{
    struct role *role = arg;
    void (*stopped)(void *) = role->stopped;
    void *stopped_arg = role->stopped_arg;

    gateway_fini(&role->g);
    metric_set_fini(&role->metrics);
    mem_free(role);
    stopped(stopped_arg);
}

static void stop_cluster_when_alone(struct role *role)
{
    if (role->http_up || role->usage || role->buckets)
        return;
    cairn_close_env(TAKE(role->cluster), cluster_closed, role);
}

static void layer_stopped(void *arg)
{
    struct role *role = arg;

    role->buckets = NULL;
    stop_cluster_when_alone(role);
}

static void stop_layer(struct role *role)
{
    env_timer_cancel(role->g.env, &role->cut_timer);
    if (role->layer_stopping)
        return;
    role->layer_stopping = true;
    if (role->buckets)
        bucket_layer_stop(role->buckets, layer_stopped, role);
}

static void cut(struct env_timer *t)
{
    stop_layer(CONTAINER_OF(t, struct role, cut_timer));
}

static void usage_stopped(void *arg)
{
    struct role *role = arg;

    role->usage = role->g.usage = NULL;
    stop_layer(role);
    stop_cluster_when_alone(role);
}

/* Nothing is counted any more.  What usage asked of the bucket layer may have no answer: then it is
 * for the cut to end that. */
static void http_stopped(void *arg)
{
    struct role *role = arg;

    role->http_up = false;
    if (role->usage) {
        if (!role->layer_stopping)
            env_timer_after(role->g.env, &role->cut_timer, USAGE_MS * NS_PER_MS);
        usage_stop(role->usage, usage_stopped, role);
        return;
    }
    stop_layer(role);
    stop_cluster_when_alone(role);
}

static void stop_front(void *arg)
{
    struct role *role = arg;
    uint32_t grace_ms = role->conf.s3_stop_ms;

    role->page = NULL;
    if (role->http_up) {
        env_timer_after(role->g.env, &role->cut_timer, (grace_ms + CUT_AFTER_MS) * NS_PER_MS);
        gateway_stop(&role->g, grace_ms, http_stopped, role);
    } else {
        stop_layer(role);
        stop_cluster_when_alone(role);
    }
}

void s3_stop(struct s3_gateway *g, void (*stopped)(void *arg), void *arg)
{
    struct role *role = role_of(g);

    ASSERT(!role->stopping);
    role->stopping = true;
    role->stopped = stopped;
    role->stopped_arg = arg;
    env_timer_init(&role->cut_timer, cut);
    if (role->page) /* it shows what the others count */
        metrics_page_stop(role->page, stop_front, role);
    else
        stop_front(role);
}

void s3_reload(struct s3_gateway *g)
{
    gateway_reload(g);
}
