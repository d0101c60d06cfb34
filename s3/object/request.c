/* request.c - the life of a request.
 *
 *     head -> authenticate -> take the target apart -> route -> the operation -> answer -> gone
 *
 * The connection holds one reference, each call to the bucket layer another; the last one frees.
 * The answer may come while calls are out (an error during a PUT), and the connection may go while
 * they are; so operations look at request_open before they answer. */
#include <stdio.h>
#include <time.h>

#include "s3/gateway.h"
#include "s3/object/post.h"
#include "s3/object/request.h"
#include "s3/object/route.h"

/* --- life --- */

static void request_free(struct s3_request *r)
{
    if (r->state_fini)
        r->state_fini(r);
    body_destroy(r->body);
    post_fini(r);
    auth_fini(&r->auth);
    writer_fini(&r->xml);
    list_remove(&r->link);
    r->g->request_count--;
    http_unref(r->http);
    mem_free(r);
}

void request_drop(struct s3_request *r)
{
    ASSERT(r->refs > 0);
    if (--r->refs == 0)
        request_free(r);
}

void *request_state(struct s3_request *r, size_t bytes, void (*fini)(struct s3_request *r))
{
    ASSERT(!r->state);
    r->state = arena_zalloc(r->arena, bytes);
    if (!r->state)
        request_reply_rc(r, -ENOMEM);
    else
        r->state_fini = fini;
    return r->state;
}

const struct bytes *request_arg(const struct s3_request *r, const char *name)
{
    return uri_arg(&r->query, name);
}

const struct bytes *request_field(const struct s3_request *r, const char *name)
{
    return http_field(r->head, name);
}

/* --- answers --- */

void request_field_add(struct s3_request *r, struct bytes key, struct bytes value)
{
    for (uint32_t i = 0; i < r->field_count; i++) {
        if (bytes_equal(r->field[i].name, key)) {
            r->field[i].value = value;
            return;
        }
    }
    ASSERT(r->field_count < REPLY_FIELDS_MAX);
    r->field[r->field_count++] = (struct http_field){key, value};
}

void request_field_drop(struct s3_request *r, const char *name)
{
    for (uint32_t i = 0; i < r->field_count; i++)
        if (bytes_equal(r->field[i].name, BYTES_STR(name)))
            r->field[i--] = r->field[--r->field_count];
}

void request_field_set(struct s3_request *r, const char *name, struct bytes value)
{
    request_field_add(r, BYTES_STR(name), value);
}

static const char *id_text(struct http_request *http, struct arena *a)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%016llX", (unsigned long long)http_request_id(http));
    return arena_strdup(a, text, strlen(text));
}

static void count_answer(struct s3_request *r, unsigned status)
{
    struct s3_stats *stats = &r->g->stats;

    histogram_add(&stats->seconds, env_now_ns(r->g->env) - r->started_ns);
    if (status == 501)
        counter_add(&stats->not_implemented, 1);
    else if (status == 403)
        counter_add(&stats->denied, 1);
    else if (status >= 500)
        counter_add(&stats->errors_server, 1);
    else if (status >= 400)
        counter_add(&stats->errors_client, 1);
}

static unsigned answered(struct s3_request *r, unsigned status)
{
    ASSERT(!r->replied);
    r->replied = true;
    r->replied_ns = env_now_ns(r->g->env);
    r->status = status;
    count_answer(r, status);
    return status;
}

static void reply(struct s3_request *r, struct http_reply *answer)
{
    const char *id = id_text(r->http, r->arena);

    (void)answered(r, answer->status);
    if (id) {
        request_field_set(r, "x-amz-request-id", BYTES_STR(id));
        request_field_set(r, "x-amz-id-2", BYTES_STR(r->g->host_id));
    }
    answer->field = r->field;
    answer->field_count = r->field_count;
    http_reply(r->http, answer);
}

void request_reply(struct s3_request *r, unsigned status)
{
    struct http_reply answer = {.status = status};

    reply(r, &answer);
}

void request_reply_buf(struct s3_request *r, unsigned status, struct buf *data)
{
    struct http_reply answer = {.status = status, .body = buf_move(data)};

    reply(r, &answer);
}

void request_reply_stream(struct s3_request *r, unsigned status, uint64_t bytes,
                          ssize_t (*read)(void *user, uint64_t pos, uint8_t *dst, size_t max))
{
    struct http_reply answer = {.status = status, .stream_bytes = bytes, .read = read};

    reply(r, &answer);
}

static void blob_release(struct blob *b)
{
    mem_free(b->data);
    mem_free(b);
}

/* The writer's memory becomes the answer. */
static int writer_to_buf(struct writer *w, struct buf *out)
{
    struct blob *blob;
    size_t len;
    int rc;

    if (w->rc)
        return w->rc;
    blob = mem_zalloc(sizeof(*blob));
    if (!blob)
        return -ENOMEM;
    blob->refs = 1;
    blob->release = blob_release;
    blob->data = wr_take(w, &len);
    blob->bytes = (uint32_t)len;
    rc = buf_append_blob(out, blob, 0, blob->bytes);
    blob_unref(blob);
    return rc;
}

void request_reply_xml_as(struct s3_request *r, unsigned status)
{
    AUTO(buf) data = {0};
    int rc = writer_to_buf(&r->xml, &data);

    if (rc < 0) {
        request_reply_rc(r, rc);
        return;
    }
    request_field_set(r, "Content-Type", BYTES_STR("application/xml"));
    request_reply_buf(r, status, &data);
}

void request_reply_xml(struct s3_request *r)
{
    request_reply_xml_as(r, 200);
}

/* Clients sign again for the region that they are told. */
static bool names_region(enum s3_error e)
{
    return e == S3_AuthorizationHeaderMalformed || e == S3_AuthorizationQueryParametersError;
}

static void error_xml(struct writer *w, const struct s3_gateway *g, enum s3_error e,
                      const char *detail, struct bytes resource, const char *id)
{
    static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

    wr_raw(w, declaration, strlen(declaration));
    xml_open(w, "Error");
    xml_put_str(w, "Code", s3_error_code(e));
    xml_put_str(w, "Message", detail ? detail : s3_error_text(e));
    if (names_region(e))
        xml_put_str(w, "Region", g->region);
    xml_put(w, "Resource", resource);
    if (id)
        xml_put_str(w, "RequestId", id);
    xml_put_str(w, "HostId", g->host_id);
    xml_close(w, "Error");
}

void request_reply_error(struct s3_request *r, enum s3_error e)
{
    AUTO(writer) w = {0};
    AUTO(buf) data = {0};

    ASSERT(e != S3_OK);
    r->error = e;
    if (names_region(e))
        request_field_set(r, "x-amz-bucket-region", BYTES_STR(r->g->region));
    error_xml(&w, r->g, e, r->why, r->path, id_text(r->http, r->arena));
    /* A client that asked for nothing but the head, or has it already, gets no body. */
    if (s3_error_status(e) != 304 && !bytes_equal(r->head->method, BYTES_STR("HEAD")) &&
        writer_to_buf(&w, &data) == 0)
        request_field_set(r, "Content-Type", BYTES_STR("application/xml"));
    request_reply_buf(r, s3_error_status(e), &data);
}

void request_reply_why(struct s3_request *r, enum s3_error e, const char *why)
{
    r->why = why;
    request_reply_error(r, e);
}

void request_reply_rc(struct s3_request *r, int rc)
{
    enum s3_error e = s3_error_of(rc);

    if (e == S3_ServiceUnavailable || e == S3_InternalError)
        log_warn(&r->g->log, "a request failed", KV_STR("op", r->op ? r->op->name : "none"),
                 KV_HEX("request", http_request_id(r->http)), KV_RC(rc));
    if (!r->why)
        r->why = s3_error_why(rc);
    request_reply_error(r, e);
}

enum s3_error request_part_number(struct s3_request *r, uint32_t *out_number)
{
    const struct bytes *text = request_arg(r, "partNumber");
    uint64_t n;

    if (!text || !number_get(*text, S3_PART_NUMBER_MAX, &n) || n == 0)
        return request_wrong(r, S3_InvalidArgument,
                             "Part number must be an integer between 1 and 10000, inclusive");
    *out_number = (uint32_t)n;
    return S3_OK;
}

void request_call_failed(struct s3_request *r, int rc)
{
    if (request_open(r))
        request_reply_rc(r, rc);
    request_drop(r);
}

void request_ask_bucket(struct s3_request *r, bucket_info_fn *done)
{
    int rc;

    request_hold(r);
    rc = bucket_stat(r->g->buckets, &r->who, r->bucket, done, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

void request_ask_object(struct s3_request *r, object_info_fn *done)
{
    int rc;

    request_hold(r);
    rc = object_head(r->g->buckets, &r->who, r->bucket, r->key, done, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

void request_call_done(void *arg, int rc)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    request_reply(r, 204);
    request_drop(r);
}

/* --- bodies --- */

bool request_has_body(const struct s3_request *r)
{
    return r->head->chunked || r->head->length > 0;
}

static bool body_room(void *arg)
{
    struct s3_request *r = arg;

    return !r->op->body->room || r->op->body->room(r);
}

static void body_batch(void *arg, struct buf *data)
{
    struct s3_request *r = arg;

    if (request_open(r))
        r->op->body->batch(r, data);
}

static void body_wake(void *arg)
{
    struct s3_request *r = arg;

    if (body_error(r->body) != S3_OK && request_open(r))
        request_reply_why(r, body_error(r->body), body_why(r->body));
    http_wake(r->http);
}

static void body_done(void *arg, enum s3_error e, const struct body_sums *sums)
{
    struct s3_request *r = arg;

    if (!request_open(r))
        return;
    if (e != S3_OK)
        request_reply_why(r, e, body_why(r->body));
    else
        r->op->body->done(r, sums);
}

static const struct body_calls body_calls = {body_room, body_batch, body_wake, body_done};

void request_read(struct s3_request *r)
{
    r->want.payload = r->auth.sig.payload_kind;
    memcpy(r->want.sha256, r->auth.sig.payload_sha256, SHA256_BYTES);
    r->want.chain = r->auth.chain;
    r->body = body_create(r->g->line, &r->want, &body_calls, r);
    if (!r->body) {
        request_reply_rc(r, -ENOMEM);
        return;
    }
    if (r->post) { /* its form is being read already */
        http_wake(r->http);
        return;
    }
    r->reading = true;
    http_accept(r->http);
}

/* --- from the connection --- */

static size_t sink_data(void *user, const uint8_t *data, size_t bytes)
{
    struct s3_request *r = user;
    size_t taken;

    ASSERT(r->reading); /* nothing else accepts a body */
    if (r->post)
        return post_data(r, data, bytes);
    taken = body_add(r->body, data, bytes);
    if (body_error(r->body) != S3_OK && request_open(r))
        request_reply_why(r, body_error(r->body), body_why(r->body));
    return taken;
}

static void sink_end(void *user)
{
    struct s3_request *r = user;

    if (r->post)
        post_end(r);
    else if (r->reading)
        body_end(r->body);
}

static void sink_gone(void *user, bool sent)
{
    struct s3_request *r = user;

    UNUSED(sent);
    r->gone = true;
    request_account(r);
    if (r->cancel)
        r->cancel(r);
    request_drop(r);
}

static void sink_slow(void *user, struct http_reply *out_reply)
{
    struct s3_request *r = user;
    AUTO(writer) w = {0};

    if (!request_open(r))
        return;
    r->error = S3_RequestTimeout;
    out_reply->status = answered(r, s3_error_status(r->error));
    error_xml(&w, r->g, r->error, NULL, r->path, id_text(r->http, r->arena));
    (void)writer_to_buf(&w, &out_reply->body); /* the status says enough */
}

static const struct http_sink sink = {sink_data, sink_end, sink_slow, sink_gone};

static void authenticated(void *arg, enum s3_error e, const struct s3_principal *who)
{
    struct s3_request *r = arg;

    if (request_open(r) && e != S3_OK) {
        request_reply_why(r, e, r->auth.why);
    } else if (request_open(r)) {
        r->who = *who;
        r->head = r->auth.head;
        route(r);
    }
    request_drop(r);
}

static enum s3_error target_parse(struct s3_request *r)
{
    struct bytes query;
    int rc;

    uri_split(r->head->target, &r->path, &query);
    rc = uri_query_parse(r->arena, query, &r->query);
    if (rc == 0)
        rc = route_target(r);
    if (rc == -ENOMEM)
        return S3_ServiceUnavailable;
    return rc < 0 ? S3_InvalidURI : S3_OK;
}

void request_head(void *arg, struct http_request *http)
{
    struct s3_gateway *g = arg;
    struct s3_request *r = mem_zalloc(sizeof(*r));
    enum s3_error e;

    if (!r) {
        http_abort(http);
        http_unref(http);
        return;
    }
    r->g = g;
    r->http = http;
    r->head = http_request_head(http);
    r->arena = http_request_arena(http);
    r->refs = 1;
    r->started_ns = env_now_ns(g->env);
    r->object_bytes = FACTS_UNKNOWN;
    counter_add(&g->stats.requests, 1);
    list_push_back(&g->requests, &r->link);
    g->request_count++;
    http_attach(http, &sink, r);
    e = g->request_count > g->requests_max ? S3_SlowDown : target_parse(r);
    /* Chunks of HTTP may carry chunks of S3, whose length inside is told. */
    if (e == S3_OK && r->head->chunked && !request_field(r, "x-amz-decoded-content-length"))
        e = S3_MissingContentLength;
    if (e == S3_OK && post_is_form(r)) {
        post_begin(r);
        return;
    }
    if (bytes_equal(r->head->method, BYTES_STR("OPTIONS")))
        r->query.count = 0; /* asked before the request that they belong to: nobody signs it */
    request_hold(r);
    if (e == S3_OK)
        e = auth_start(&r->auth, &g->auth, r->arena, r->head, &r->query, authenticated, r);
    if (e == S3_OK)
        return;
    request_reply_why(r, e, r->auth.why);
    request_drop(r);
}

void request_refused(void *arg, struct http_request *http, unsigned status, const char *why,
                     struct http_reply *out_reply)
{
    static const struct http_field xml_type = {
        .name = {(const uint8_t *)"Content-Type", 12},
        .value = {(const uint8_t *)"application/xml", 15},
    };
    struct s3_gateway *g = arg;
    enum s3_error e = s3_error_of_status(status);
    AUTO(writer) w = {0};

    error_xml(&w, g, e, why, http_request_head(http)->target,
              id_text(http, http_request_arena(http)));
    out_reply->status = status;
    if (writer_to_buf(&w, &out_reply->body) < 0)
        return; /* the status says enough */
    out_reply->field = &xml_type;
    out_reply->field_count = 1;
}
