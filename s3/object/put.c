/* put.c - PutObject and UploadPart.
 *
 * Batches go to the bucket layer while they are hashed; nothing is visible before the commit, and
 * the commit waits for the body to be verified.  The layer's window pushes back on the client. */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"

enum { ASK_FIRST_BYTES = 64 * 1024 };

struct put_state {
    struct object_put *put; /* owned */
    struct object_put_args args;
    struct meta meta;
    struct buf held; /* a batch that found no room */
    bool verified;
    struct body_sums sums; /* when `verified` */
};

static void put_fini(struct s3_request *r)
{
    struct put_state *s = r->state;

    buf_fini(&s->held);
    if (s->put)
        object_put_abort(s->put);
}

static void put_cancel(struct s3_request *r)
{
    struct put_state *s = r->state;

    if (s->put)
        object_put_abort(TAKE(s->put));
}

static void put_failed(struct s3_request *r, int rc)
{
    put_cancel(r);
    request_reply_rc(r, rc);
}

/* A part has one without a type: that is the whole object's. */
static enum s3_error reply_sum(struct s3_request *r, const struct object_info *info)
{
    enum s3_error e = meta_reply_sum(r, &info->sum, 0);

    if (r->op == &op_upload_part)
        request_field_drop(r, "x-amz-checksum-type");
    return e;
}

static void committed(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    const struct put_state *s = r->state;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        condition_failed(r, rc, &s->args.cond);
        return;
    }
    r->object_bytes = info->size;
    e = meta_reply_etag(r, &info->etag);
    if (e == S3_OK)
        e = reply_sum(r, info);
    if (e != S3_OK)
        request_reply_error(r, e);
    else if (r->answer)
        r->answer(r);
    else
        request_reply(r, 200);
    request_drop(r);
}

static void put_commit(struct s3_request *r)
{
    struct put_state *s = r->state;
    struct s3_sum sum = {.kind = s->sums.checksum, .type = S3_SUM_FULL};

    memcpy(sum.value, s->sums.checksum_value, sizeof(sum.value));
    request_hold(r);
    object_put_commit(TAKE(s->put), s->sums.md5, &sum, committed, r);
}

/* Write what waits; false when it still does, or the PUT failed. */
static bool put_held(struct s3_request *r)
{
    struct put_state *s = r->state;
    int rc = s->held.bytes ? object_put_write(s->put, &s->held) : object_put_rc(s->put);

    if (rc == -EAGAIN)
        return false;
    if (rc < 0) {
        put_failed(r, rc);
        return false;
    }
    buf_fini(&s->held);
    return true;
}

static void put_has_room(void *arg)
{
    struct s3_request *r = arg;
    struct put_state *s = r->state;

    if (!s->put || !request_open(r) || !put_held(r))
        return;
    if (s->verified)
        put_commit(r);
    else
        http_wake(r->http);
}

static bool put_room(struct s3_request *r)
{
    struct put_state *s = r->state;

    return !s->put || (s->held.bytes == 0 && object_put_room(s->put) > 0);
}

static void put_batch(struct s3_request *r, struct buf *data)
{
    struct put_state *s = r->state;

    if (!s->put)
        return;
    ASSERT(s->held.bytes == 0);
    s->held = buf_move(data);
    (void)put_held(r);
}

static void put_done(struct s3_request *r, const struct body_sums *sums)
{
    struct put_state *s = r->state;

    s->sums = *sums;
    s->verified = true;
    if (s->held.bytes == 0)
        put_commit(r);
}

static void put_open(struct s3_request *r)
{
    struct put_state *s = r->state;
    int rc = object_put_open(r->g->buckets, &r->who, &s->args, &s->put);

    if (rc < 0)
        request_reply_rc(r, rc);
    else
        request_read(r);
}

static void bucket_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;

    UNUSED(info);
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    put_open(r);
    request_drop(r);
}

/* What the commit decides, decided now where it can only become worse for the client: it would send
 * its body for nothing. */
static void object_seen(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    const struct put_state *s = r->state;

    if (rc == 0)
        rc = s3_condition_judge(&s->args.cond, &info->etag, info->size, info->mtime_ns);
    else if (rc == -R_NO_KEY)
        rc = s3_condition_judge(&s->args.cond, NULL, 0, 0);
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    put_open(r);
    request_drop(r);
}

static void put_begin(struct s3_request *r)
{
    struct put_state *s = r->state;

    if (!r->want.checksum_told && r->want.checksum == CHECKSUM_NONE)
        r->want.checksum = CHECKSUM_CRC64NVME; /* as S3 does: doc/decisions/0010 */
    s->args.bucket = r->bucket;
    s->args.key = r->key;
    s->args.size = r->want.up_to ? UINT64_MAX : r->want.bytes;
    s->args.room = put_has_room;
    s->args.arg = r;
    if (!r->head->has_length && !r->head->chunked) {
        request_reply_error(r, S3_MissingContentLength);
        return;
    }
    if (r->want.bytes > S3_PUT_BYTES_MAX && !r->want.up_to) {
        request_reply_error(r, S3_EntityTooLarge);
        return;
    }
    /* A client that waits to be asked is told before it sends that there is no such bucket, or that
     * its condition does not hold. */
    if (!r->head->expects_continue || r->want.bytes < ASK_FIRST_BYTES)
        put_open(r);
    else if (s->args.cond.absent || s->args.cond.exists || s->args.cond.match)
        request_ask_object(r, object_seen);
    else
        request_ask_bucket(r, bucket_seen);
}

static void put_start(struct s3_request *r)
{
    struct put_state *s = request_state(r, sizeof(*s), put_fini);
    enum s3_error e;

    if (!s)
        return;
    r->cancel = put_cancel;
    e = meta_collect(r, &s->meta);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    s->args.headers = s->meta.header;
    s->args.header_count = s->meta.count;
    s->args.tags = s->meta.tags.tag;
    s->args.tag_count = s->meta.tags.count;
    s->args.acl = s->meta.acl;
    e = conditions_of_write(r->head, &s->args.cond);
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        put_begin(r);
}

static void upload_seen(void *arg, int rc, const struct s3_sum *sum)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    r->want.checksum = sum->kind;
    put_begin(r);
    request_drop(r);
}

/* The upload knows what kind of checksum its parts are to have, when the client tells none. */
static void part_ask(struct s3_request *r)
{
    const struct put_state *s = r->state;
    int rc;

    request_hold(r);
    rc = upload_stat(r->g->buckets, &r->who, r->bucket, r->key, s->args.upload, upload_seen, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void part_start(struct s3_request *r)
{
    struct put_state *s = request_state(r, sizeof(*s), put_fini);
    enum s3_error e;

    if (!s)
        return;
    r->cancel = put_cancel;
    e = request_part_number(r, &s->args.part_number);
    s->args.upload = *request_arg(r, "uploadId");
    if (e != S3_OK)
        request_reply_error(r, e);
    else if (s->args.upload.len == 0)
        request_reply_error(r, S3_NoSuchUpload); /* empty would mean: no part */
    else if (r->want.checksum_told)
        put_begin(r);
    else
        part_ask(r);
}

static const struct request_body_calls put_body = {put_room, put_batch, put_done};
const struct s3_op op_put_object = {"PutObject", put_start, &put_body};
const struct s3_op op_upload_part = {"UploadPart", part_start, &put_body};
