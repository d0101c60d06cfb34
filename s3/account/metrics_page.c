/* metrics_page.c - one small answer to one question. */
#include "s3/account/metrics_page.h"
#include "s3/http.h"

enum { CONNECTIONS_MAX = 16, IDLE_S = 60, REST_MS = 10000 };

struct metrics_page {
    struct env *env;
    metrics_print_fn *print;
    void *arg;
    struct http_server *http;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

static void page_gone(void *user, bool sent)
{
    UNUSED(sent);
    http_unref(user);
}

/* Nothing accepts a body, and the answer is whole: only the end is left to hear of. */
static const struct http_sink page_sink = {.gone = page_gone};

static void page_refused(void *arg, struct http_request *r, unsigned status, const char *why,
                         struct http_reply *out_reply)
{
    UNUSED(arg);
    UNUSED(r);
    UNUSED(why);
    out_reply->status = status;
}

static bool is_ours(const struct http_head *head)
{
    return (bytes_equal(head->method, BYTES_STR("GET")) ||
            bytes_equal(head->method, BYTES_STR("HEAD"))) &&
           bytes_equal(head->target, BYTES_STR("/metrics"));
}

static void page_head(void *arg, struct http_request *r)
{
    struct metrics_page *p = arg;
    struct http_field type = {.name = BYTES_STR("Content-Type"),
                              .value = BYTES_STR("text/plain; version=0.0.4; charset=utf-8")};
    struct http_reply reply = {.status = 404};
    AUTO(writer) text = {0};

    http_attach(r, &page_sink, r);
    if (is_ours(http_request_head(r))) {
        reply.status = 200;
        reply.field = &type;
        reply.field_count = 1;
        if (p->print(p->arg, &text) < 0 || buf_append_copy(&reply.body, text.data, text.len) < 0)
            reply = (struct http_reply){.status = 503};
    }
    http_reply(r, &reply);
}

int metrics_page_start(struct env *env, const struct net_addr *addr, metrics_print_fn *print,
                       void *arg, struct metrics_page **out_page, struct note *why)
{
    struct metrics_page *p = mem_zalloc(sizeof(*p));
    struct http_conf conf = {
        .addr = *addr,
        .connections_max = CONNECTIONS_MAX,
        .idle_s = IDLE_S,
        .rest_ms = REST_MS,
        .head = page_head,
        .refused = page_refused,
        .arg = p,
    };
    int rc;

    if (!p)
        return -ENOMEM;
    p->env = env;
    p->print = print;
    p->arg = arg;
    rc = http_start(env, &conf, &p->http, why);
    if (rc < 0) {
        mem_free(p);
        return rc;
    }
    *out_page = p;
    return 0;
}

const struct net_addr *metrics_page_addr(const struct metrics_page *p)
{
    return http_addr(p->http);
}

static void page_stopped(void *arg)
{
    struct metrics_page *p = arg;
    void (*stopped)(void *) = p->stopped;
    void *stopped_arg = p->stopped_arg;

    mem_free(p);
    stopped(stopped_arg);
}

void metrics_page_stop(struct metrics_page *p, void (*stopped)(void *arg), void *arg)
{
    p->stopped = stopped;
    p->stopped_arg = arg;
    http_stop(p->http, 0, page_stopped, p);
}
