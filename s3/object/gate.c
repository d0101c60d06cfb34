/* gate.c - what the bucket and its quotas say before an operation begins, so that none need ask.
 *
 *     CORS   a page of another site asks: rules add fields to whatever the answer will be
 *     OWNER  x-amz-expected-bucket-owner: whoever asks believes the bucket to be this user's
 *     ACL    an object that everybody may read may not be made in every bucket
 *     ROOM   quotas, of what stores something
 *
 * Each asks only when the request gives a reason to. */
#include "s3/object/gate.h"
#include "s3/gateway.h"
#include "s3/object/acl.h"
#include "s3/object/cors.h"
#include "s3/object/route.h"
#include "s3/text.h"

/* --- room --- */

static void admitted(void *arg, int rc, struct bucket_grant *grant)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        bucket_grant_end(grant, false);
        request_call_failed(r, rc);
        return;
    }
    r->grant = grant;
    r->op->start(r);
    request_drop(r);
}

/* How much of a copy becomes known when its source is found.  Parts that become an object count
 * already. */
static void gate_room(struct s3_request *r)
{
    bool part = request_arg(r, "partNumber") != NULL;
    bool told = r->op == &op_put_object || r->op == &op_upload_part || r->op == &op_post_object;
    bool done = r->op == &op_complete_upload;
    struct s3_quota more = {.bytes = told   ? r->want.bytes
                                     : done ? 0
                                            : S3_BYTES_UNKNOWN,
                            .objects = !part};
    int rc;

    if (!r->stores) {
        r->op->start(r);
        return;
    }
    request_hold(r);
    rc = bucket_admit(r->g->buckets, &r->who, r->bucket, &more, admitted, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

/* --- ACL --- */

static enum s3_error acl_told(const struct s3_request *r, enum s3_acl *out_acl)
{
    const struct bytes *name = request_field(r, "x-amz-acl");

    *out_acl = S3_ACL_PRIVATE;
    return name ? acl_of_name(*name, out_acl) : S3_OK;
}

static void acl_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    enum s3_error e;
    enum s3_acl acl;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = acl_told(r, &acl);
    e = acl_allowed(info, e, acl);
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        gate_room(r);
    request_drop(r);
}

static void gate_acl(struct s3_request *r)
{
    enum s3_acl acl;
    bool private_ = acl_told(r, &acl) == S3_OK && acl == S3_ACL_PRIVATE;

    /* Setting the ACL of what is there asks by itself. */
    if (!r->key.len || r->op == &op_put_object_acl || private_) {
        gate_room(r);
        return;
    }
    request_ask_bucket(r, acl_seen);
}

/* --- owner --- */

struct expected {
    struct s3_request *r;
    struct bytes owner;
    void (*next)(struct s3_request *r);
};

/* That there is no such bucket the operation tells. */
static void owner_seen(void *arg, int rc, const struct bucket_info *info)
{
    const struct expected *x = arg;
    struct s3_request *r = x->r;

    if (!request_open(r) || (rc < 0 && rc != -R_NO_BUCKET)) {
        request_call_failed(r, rc);
        return;
    }
    if (rc == 0 && !text_is(x->owner, info->owner))
        request_reply_error(r, S3_AccessDenied);
    else
        x->next(r);
    request_drop(r);
}

void gate_expect(struct s3_request *r, const char *field, struct bytes bucket,
                 void (*next)(struct s3_request *r))
{
    const struct bytes *owner = request_field(r, field);
    struct expected *x;
    int rc;

    if (!owner || !bucket.len) {
        next(r);
        return;
    }
    x = arena_alloc(r->arena, sizeof(*x));
    if (!x) {
        request_reply_error(r, S3_ServiceUnavailable);
        return;
    }
    *x = (struct expected){r, *owner, next};
    request_hold(r);
    rc = bucket_peek(r->g->buckets, &r->who, bucket, owner_seen, x);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void gate_owner(struct s3_request *r)
{
    gate_expect(r, "x-amz-expected-bucket-owner", r->bucket, gate_acl);
}

/* --- CORS --- */

/* That there is no such bucket the operation tells. */
static void cors_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;

    if (rc == 0)
        cors_apply(r, bucket_prop(info, S3_PROP_CORS));
    if (request_open(r))
        gate_owner(r);
    request_drop(r);
}

void gate(struct s3_request *r, bool room)
{
    int rc;

    r->stores = room;
    if (!r->bucket.len || r->op == &op_preflight || !request_field(r, "origin")) {
        gate_owner(r);
        return;
    }
    request_hold(r);
    rc = bucket_peek(r->g->buckets, &r->who, r->bucket, cors_seen, r);
    if (rc < 0)
        cors_seen(r, rc, NULL);
}
