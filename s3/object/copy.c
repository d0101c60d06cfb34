/* copy.c - CopyObject and UploadPartCopy: a read and a write, piece by piece, without the client in
 * between.
 *
 *     open the source -> check its conditions -> open the target -> { next piece, hash, write }
 *     -> commit
 *
 * One step is out at a time.  The MD5 of a whole source that was put in one go is known; of a part
 * of it, or of a multipart one, it is made here, on a worker. */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"

struct copy_state {
    struct s3_request *r; /* borrowed: it has us */
    struct bytes bucket, key;
    struct object_get *get; /* owned */
    struct object_put *put; /* owned */
    struct meta meta;
    struct bytes upload; /* UploadPartCopy: ... */
    uint32_t part_number;
    uint64_t off, size, came; /* of the source */
    struct s3_etag etag;      /* of the source */
    struct buf piece;         /* read, not yet written */
    bool hashed;              /* `md5` is being made */
    struct hash md5;
    struct env_work work;
};

static void copy_fini(struct s3_request *r)
{
    struct copy_state *s = r->state;

    if (s->get)
        object_get_close(s->get);
    if (s->put)
        object_put_abort(s->put);
    buf_fini(&s->piece);
    hash_fini(&s->md5);
}

/* Each step holds the request; this ends one, and with `rc` the whole copy. */
static void step_failed(struct s3_request *r, int rc)
{
    if (request_open(r))
        request_reply_rc(r, rc);
    request_drop(r);
}

static void copied(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    const struct copy_state *s = r->state;
    const char *root = s->part_number ? "CopyPartResult" : "CopyObjectResult";

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(&r->xml, root);
    xml_put_time(&r->xml, "LastModified", info->mtime_ns);
    xml_put_etag(&r->xml, &info->etag);
    xml_close(&r->xml, root);
    request_reply_xml(r);
    request_drop(r);
}

static void next_piece(struct s3_request *r);

/* Write the piece at hand, and go on; or wait for room (copy_room comes back here). */
static void write_piece(struct s3_request *r)
{
    struct copy_state *s = r->state;
    int rc = object_put_write(s->put, &s->piece);

    if (rc == -EAGAIN)
        return;
    buf_fini(&s->piece);
    if (rc < 0)
        step_failed(r, rc);
    else
        next_piece(r);
}

static void copy_room(void *arg)
{
    struct s3_request *r = arg;
    struct copy_state *s = r->state;
    int rc = s->put ? object_put_rc(s->put) : 0;

    /* A failed target is met by the next write. */
    if (s->put && s->piece.bytes && !s->work.env && (rc < 0 || object_put_room(s->put) > 0))
        write_piece(r);
}

static void piece_hash(struct env_work *w)
{
    struct copy_state *s = CONTAINER_OF(w, struct copy_state, work);
    const struct span *span = buf_spans_of(&s->piece);

    for (uint32_t i = 0; i < s->piece.span_count; i++)
        hash_add(&s->md5, span_data(&span[i]), span[i].bytes);
}

static void piece_hashed(struct env_work *w)
{
    struct copy_state *s = CONTAINER_OF(w, struct copy_state, work);

    s->work.env = NULL; /* back from the worker */
    if (request_open(s->r))
        write_piece(s->r);
    else
        request_drop(s->r);
}

static void got_piece(void *arg, int rc, struct buf *data)
{
    struct s3_request *r = arg;
    struct copy_state *s = r->state;

    if (rc == 0 && (data->bytes == 0 || data->bytes > s->size - s->came))
        rc = -R_DATA_LOST;
    if (rc < 0 || !request_open(r)) {
        step_failed(r, rc);
        return;
    }
    s->came += data->bytes;
    s->piece = buf_move(data);
    if (s->hashed)
        env_work_submit(r->g->env, &s->work);
    else
        write_piece(r);
}

static void commit(struct s3_request *r)
{
    struct copy_state *s = r->state;
    uint8_t md5[MD5_BYTES];

    if (s->hashed)
        hash_end(&s->md5, md5);
    else
        memcpy(md5, s->etag.md5, sizeof(md5));
    object_put_commit(TAKE(s->put), md5, NULL, copied, r);
}

/* The step that the caller held goes on here. */
static void next_piece(struct s3_request *r)
{
    struct copy_state *s = r->state;
    int rc;

    if (!request_open(r)) {
        request_drop(r);
        return;
    }
    if (s->came == s->size) {
        commit(r);
        return;
    }
    rc = object_get_next(s->get, got_piece, r);
    if (rc < 0)
        step_failed(r, rc);
}

/* Which bytes of the source; S3 takes a range of a part only, and only one that lies in it. */
static enum s3_error source_range(struct s3_request *r, const struct object_info *info)
{
    const struct bytes *range = request_field(r, "x-amz-copy-source-range");
    struct copy_state *s = r->state;
    enum s3_error e = S3_OK;
    bool whole = true;

    s->size = info->size;
    if (range)
        e = range_parse(*range, info->size, &s->off, &s->size, &whole);
    if (e == S3_OK && range && whole)
        e = S3_InvalidArgument;
    if (e == S3_OK && s->size > S3_PUT_BYTES_MAX)
        e = S3_InvalidRequest; /* such are copied by parts */
    return e;
}

static enum s3_error target_open(struct s3_request *r, const struct object_info *info)
{
    struct copy_state *s = r->state;
    const struct bytes *directive = request_field(r, "x-amz-metadata-directive");
    bool replace = directive && bytes_equal(*directive, BYTES_STR("REPLACE"));
    struct object_put_args args = {
        .bucket = r->bucket,
        .key = r->key,
        .headers = replace ? s->meta.header : info->headers,
        .header_count = replace ? s->meta.count : info->header_count,
        .size = s->size,
        .upload = s->upload,
        .part_number = s->part_number,
        .room = copy_room,
        .arg = r,
    };

    if (s->part_number)
        args.header_count = 0; /* the upload has them */
    else if (!replace && bytes_equal(s->bucket, r->bucket) && bytes_equal(s->key, r->key))
        return S3_InvalidRequest; /* nothing would change */
    if (bucket_grant_more(r->grant, s->size) < 0)
        return S3_QuotaExceeded;
    s->etag = info->etag;
    s->hashed = info->etag.parts > 0 || s->size != info->size;
    if (s->hashed && hash_begin(&s->md5, &r->g->kit, HASH_MD5) < 0)
        return S3_ServiceUnavailable;
    return s3_error_of(object_put_open(r->g->buckets, &r->who, &args, &s->put));
}

static void opened(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    struct copy_state *s = r->state;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = conditions_check(r->head, "x-amz-copy-source-", info);
    if (e == S3_OK)
        e = source_range(r, info);
    if (e == S3_OK)
        e = target_open(r, info);
    if (e != S3_OK) {
        request_reply_error(r, e);
        request_drop(r);
        return;
    }
    if (s->size)
        object_get_range(s->get, s->off, s->size);
    next_piece(r);
}

/* "/bucket/key" or "bucket/key", encoded; "?versionId=null" may follow. */
static enum s3_error source_parse(struct s3_request *r, struct copy_state *s)
{
    struct bytes path, query, bucket;
    const uint8_t *slash;

    uri_split(*request_field(r, "x-amz-copy-source"), &path, &query);
    if (query.len && !bytes_equal(query, BYTES_STR("versionId=null")))
        return S3_NotImplemented;
    if (path.len && path.data[0] == '/')
        path = (struct bytes){path.data + 1, path.len - 1};
    slash = path.len ? memchr(path.data, '/', path.len) : NULL;
    if (!slash)
        return S3_InvalidArgument;
    bucket = (struct bytes){path.data, (uint32_t)(slash - path.data)};
    path = (struct bytes){slash + 1, path.len - bucket.len - 1};
    if (uri_decode(r->arena, bucket, &s->bucket) < 0 || uri_decode(r->arena, path, &s->key) < 0 ||
        s->key.len == 0)
        return S3_InvalidArgument;
    return S3_OK;
}

/* The client has gone: a step that waits for room would wait for ever. */
static void copy_cancel(struct s3_request *r)
{
    struct copy_state *s = r->state;
    bool waits = s->piece.bytes && !s->work.env;

    if (!waits)
        return; /* the step that is out comes back and sees it */
    buf_fini(&s->piece);
    if (s->put)
        object_put_abort(TAKE(s->put));
    request_drop(r);
}

static void copy_begin(struct s3_request *r)
{
    struct copy_state *s = r->state;
    enum s3_error e = source_parse(r, s);
    int rc;

    if (e == S3_OK)
        e = meta_collect(r, &s->meta);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    r->cancel = copy_cancel;
    request_hold(r);
    rc = object_get_open(r->g->buckets, &r->who, s->bucket, s->key, opened, r, &s->get);
    if (rc < 0)
        request_call_failed(r, rc);
}

static struct copy_state *copy_state(struct s3_request *r)
{
    struct copy_state *s = request_state(r, sizeof(*s), copy_fini);

    if (!s)
        return NULL;
    s->r = r;
    s->work.work = piece_hash;
    s->work.done = piece_hashed;
    return s;
}

static void copy_start(struct s3_request *r)
{
    if (copy_state(r))
        copy_begin(r);
}

static void part_copy_start(struct s3_request *r)
{
    struct copy_state *s = copy_state(r);
    const struct bytes *number = request_arg(r, "partNumber");
    uint64_t n;

    if (!s)
        return;
    if (!number || !number_get(*number, S3_PART_NUMBER_MAX, &n) || n == 0) {
        request_reply_error(r, S3_InvalidArgument);
        return;
    }
    s->upload = *request_arg(r, "uploadId");
    s->part_number = (uint32_t)n;
    if (s->upload.len == 0)
        request_reply_error(r, S3_NoSuchUpload); /* empty would mean: no part */
    else
        copy_begin(r);
}

const struct s3_op op_copy_object = {"CopyObject", copy_start, NULL};
const struct s3_op op_part_copy = {"UploadPartCopy", part_copy_start, NULL};
