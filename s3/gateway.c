/* gateway.c - HTTP, authentication and operations put together over a bucket layer. */
#include <stdio.h>

#include "s3/gateway.h"
#include "s3/http/tls.h"
#include "s3/object/request.h"
#include "s3/object/route.h"

enum { IDLE_S = 60, BODY_RATE_MIN = 512, REST_MS = 600 * 1000, OPS_MAX = 256 };

static int copy_text(char *out, size_t size, const char *text)
{
    size_t len = strlen(text);

    if (len >= size)
        return -R_OVERFLOW;
    memcpy(out, text, len + 1);
    return 0;
}

static int listen_on(struct s3_gateway *g, const struct gateway_conf *gc,
                     const struct net_addr *addr, struct http_tls *tls,
                     struct http_server **out_server, struct note *why)
{
    struct http_conf conf = {
        .addr = *addr,
        .tls = tls,
        .connections_max = gc->connections_max,
        .idle_s = IDLE_S,
        .body_rate_min = BODY_RATE_MIN,
        .rest_ms = REST_MS,
        .head = request_head,
        .refused = request_refused,
        .arg = g,
    };

    return http_start(g->env, &conf, out_server, why);
}

static int listen_tls(struct s3_gateway *g, const struct gateway_conf *conf, struct note *why)
{
    struct http_tls_conf tls = {.cert_file = conf->tls_cert, .key_file = conf->tls_key};
    int rc;

    if (!conf->tls_addr)
        return 0;
    rc = http_tls_create(g->env, &tls, &g->tls, why);
    return rc < 0 ? rc : listen_on(g, conf, conf->tls_addr, g->tls, &g->https, why);
}

static int ops_create(struct s3_gateway *g)
{
    const struct s3_op *op[OPS_MAX];
    const char *name[OPS_MAX];
    uint32_t count = 0;

    while ((op[count] = route_op(count))) {
        name[count] = op[count]->name;
        count++;
        ASSERT(count < OPS_MAX);
    }
    return op_stats_create(op, name, count, &g->ops);
}

static int access_start(struct s3_gateway *g, const struct gateway_conf *conf, struct note *why)
{
    enum access_format format;

    if (!conf->access_log || !conf->access_log[0])
        return 0;
    if (!access_format_parse(conf->access_log_format, &format)) {
        note_set(why, "s3.access_log_format must be s3 or json, got %s", conf->access_log_format);
        return -EINVAL;
    }
    return access_log_start(g->env, conf->access_log, format, conf->access_log_bytes, &g->access);
}

int gateway_start(struct s3_gateway *g, struct env *env, struct bucket_layer *buckets,
                  const struct gateway_conf *conf, struct note *why)
{
    int rc = digest_kit_init(&g->kit);

    g->env = env;
    g->buckets = buckets;
    list_init(&g->requests);
    g->requests_max = conf->requests_max ? conf->requests_max : UINT32_MAX;
    log_init(&g->log, env_log_sink(env), "s3");
    if (rc == 0)
        rc = copy_text(g->region, sizeof(g->region), conf->region);
    if (rc == 0)
        rc = copy_text(g->domain, sizeof(g->domain), conf->domain);
    if (rc == 0)
        rc = ops_create(g);
    if (rc == 0 && !(g->line = hash_line_create(env, conf->workers)))
        rc = -ENOMEM;
    if (rc < 0) {
        note_set(why, "s3: the region or the domain is too long, or memory is short");
        return rc;
    }
    (void)snprintf(g->host_id, sizeof(g->host_id), "%016llx",
                   (unsigned long long)env_random_u64(env));
    g->auth = (struct auth_conf){
        .env = env,
        .kit = &g->kit,
        .keys = &g->keys,
        .buckets = buckets,
        .region = BYTES_STR(g->region),
        .domains = g->domain,
        .version_2 = conf->signature_v2,
    };
    rc = listen_tls(g, conf, why); /* first: its files are what is most likely wrong */
    if (rc == 0 && conf->addr)
        rc = listen_on(g, conf, conf->addr, NULL, &g->http, why);
    return rc < 0 ? rc : access_start(g, conf, why);
}

const struct net_addr *gateway_addr(const struct s3_gateway *g)
{
    return http_addr(g->http ? g->http : g->https);
}

bool gateway_listens(const struct s3_gateway *g)
{
    return g->http || g->https;
}

void gateway_reload(struct s3_gateway *g)
{
    if (g->tls)
        http_tls_reload(g->tls);
}

static void server_stopped(void *arg)
{
    struct s3_gateway *g = arg;

    ASSERT(g->stopping > 0);
    if (--g->stopping > 0)
        return;
    if (g->access) /* every request is over, and has its line */
        access_log_stop(TAKE(g->access), g->stopped, g->stopped_arg);
    else
        g->stopped(g->stopped_arg);
}

void gateway_stop(struct s3_gateway *g, uint32_t grace_ms, void (*stopped)(void *arg), void *arg)
{
    struct http_server *both[] = {TAKE(g->http), TAKE(g->https)};

    g->stopped = stopped;
    g->stopped_arg = arg;
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        g->stopping += both[i] != NULL;
    ASSERT(g->stopping > 0);
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        if (both[i])
            http_stop(both[i], grace_ms, server_stopped, g);
}

void gateway_fini(struct s3_gateway *g)
{
    ASSERT(!g->http && !g->https && list_empty(&g->requests));
    http_tls_destroy(TAKE(g->tls));
    op_stats_destroy(TAKE(g->ops));
    hash_line_close(TAKE(g->line));
    digest_kit_fini(&g->kit);
    sigv4_keys_fini(&g->keys);
}

static int server_metrics(struct http_stats *http, const char *listener, struct metric_set *set)
{
    const struct {
        const char *name, *help;
        const struct counter *counter;
    } rows[] = {
        {"s3_http_connections_total", "Connections accepted", &http->connections},
        {"s3_http_refused_total", "Request heads that the guard refused", &http->refused},
        {"s3_http_aborted_total", "Connections cut by us", &http->aborted},
        {"s3_http_slow_total", "Connections cut because a body came too slowly", &http->slow},
        {"s3_http_in_bytes", "Body bytes received", &http->bytes_in},
        {"s3_http_out_bytes", "Body bytes sent", &http->bytes_out},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = metric_add_counter(set, rows[i].name, rows[i].help, listener, rows[i].counter);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_http_active", "Requests under way", listener, &http->active);
    return rc;
}

static int access_metrics(struct access_log_stats *s, struct metric_set *set)
{
    int rc = metric_add_counter(set, "s3_access_log_lines_total", "Lines of the access log written",
                                NULL, &s->lines);

    if (rc == 0)
        rc = metric_add_counter(set, "s3_access_log_dropped_total",
                                "Lines lost: the disk was full or slow", NULL, &s->dropped);
    if (rc == 0)
        rc = metric_add_counter(set, "s3_access_log_failures_total",
                                "Batches of lines that could not be written", NULL, &s->failures);
    if (rc == 0)
        rc = metric_add_gauge(set, "s3_access_log_queued_bytes", "Lines waiting to be written",
                              NULL, &s->queued_bytes);
    return rc;
}

int gateway_metrics(struct s3_gateway *g, struct metric_set *set)
{
    struct s3_stats *s = &g->stats;
    const struct {
        const char *name, *help;
        const struct counter *counter;
    } rows[] = {
        {"s3_requests_total", "Requests taken", &s->requests},
        {"s3_errors_client_total", "Requests answered with 4xx", &s->errors_client},
        {"s3_errors_server_total", "Requests answered with 5xx", &s->errors_server},
        {"s3_not_implemented_total", "Requests answered with 501", &s->not_implemented},
        {"s3_denied_total", "Requests answered with 403", &s->denied},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_LEN(rows) && rc == 0; i++)
        rc = metric_add_counter(set, rows[i].name, rows[i].help, NULL, rows[i].counter);
    if (rc == 0 && g->http)
        rc = server_metrics(http_stats(g->http), "listener=\"http\"", set);
    if (rc == 0 && g->https)
        rc = server_metrics(http_stats(g->https), "listener=\"https\"", set);
    if (rc == 0)
        rc = metric_add_histogram(set, "s3_request_seconds", "From a request's head to its answer",
                                  NULL, &s->seconds);
    if (rc == 0)
        rc = op_stats_metrics(g->ops, set);
    return rc == 0 && g->access ? access_metrics(access_log_stats(g->access), set) : rc;
}
