/* done.c - the end of a request: what it was goes to the counters and the access log. */
#include "s3/account/access_log.h"
#include "s3/account/op_stats.h"
#include "s3/gateway.h"
#include "s3/object/request.h"

static struct bytes field_or_nothing(const struct http_head *head, const char *name)
{
    const struct bytes *value = http_field(head, name);

    return value ? *value : (struct bytes){0};
}

static void facts_of_auth(const struct s3_request *r, struct request_facts *f)
{
    bool signed_ = r->auth.sig.form != SIGV4_NOWHERE;

    f->requester = r->who.anonymous ? "" : r->who.name;
    f->signature = !signed_ ? "" : r->auth.version_2 ? "SigV2" : "SigV4";
    f->auth = r->auth.sig.form == SIGV4_IN_HEADER  ? "AuthHeader"
              : r->auth.sig.form == SIGV4_IN_QUERY ? "QueryString"
                                                   : "";
    f->tls = r->head->tls;
    f->cipher = r->head->cipher;
}

/* Whoever asked: the owner of the bucket pays.  A bucket that is not known is no place to count in:
 * anybody could make up its name. */
static void bill(struct s3_request *r, const struct request_facts *f)
{
    enum usage_kind kind = usage_kind_of(r->op ? r->op->name : NULL);
    bool owned = f->owner[0] != 0, failed = f->status == 0 || f->status >= 400;

    if (r->g->usage)
        usage_count(r->g->usage, owned ? f->owner : f->requester,
                    owned ? r->bucket : (struct bytes){0}, kind, failed, f->bytes_in, f->bytes_out);
}

void request_account(struct s3_request *r)
{
    struct s3_gateway *g = r->g;
    const struct http_head *head = http_request_head(r->http);
    uint64_t now = env_now_ns(g->env);
    bool stored = r->status < 400; /* 303 ends a form; without an answer nobody knows */
    struct http_passed passed;
    char owner[S3_USER_NAME_MAX + 1] = "";
    struct request_facts f = {
        .op = r->op,
        .method = head->method,
        .target = head->target,
        .bucket = r->bucket,
        .key = r->key,
        .host = head->host,
        .http_1_0 = head->http_1_0,
        .owner = owner,
        .host_id = g->host_id,
        .error = r->error == S3_OK ? "" : s3_error_code(r->error),
        .status = r->status,
        .request_id = http_request_id(r->http),
        .object_bytes = r->object_bytes,
        .total_ns = now - r->started_ns,
        .turn_ns = r->replied ? r->replied_ns - r->started_ns : 0,
    };

    bucket_grant_end(TAKE(r->grant), stored);
    http_request_passed(r->http, &passed);
    f.bytes_in = passed.in;
    f.bytes_out = passed.out;
    facts_of_auth(r, &f);
    op_stats_count(g->ops, &f, r->error);
    bucket_owner_known(g->buckets, r->bucket, owner);
    bill(r, &f);
    if (!g->access)
        return;
    f.peer = passed.peer.s;
    f.referer = field_or_nothing(head, "referer");
    f.user_agent = field_or_nothing(head, "user-agent");
    f.is_copy = http_field(head, "x-amz-copy-source") != NULL;
    f.begun_wall_ns = env_wall_ns(g->env) - f.total_ns;
    access_log_add(g->access, &f);
}
