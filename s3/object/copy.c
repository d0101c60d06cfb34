/* copy.c - CopyObject and UploadPartCopy, without the client in between.
 *
 *     open the source -> check its conditions -> share its data
 *                                              \-> open the target -> { next piece, hash, write }
 *                                                  -> commit
 *
 * A copy shares the data of its source (object_copy), and has its ETag, parts and checksum.  Its
 * bytes are read and written, piece by piece, when they are few, when it is to have another
 * checksum than the source, and for a part of an upload.  One step is out at a time.  The MD5 of a
 * whole source that was put in one go is known; of a part of it, or of a multipart one, it is made
 * here, on a worker. */
#include "s3/gateway.h"
#include "s3/object/gate.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"
#include "s3/text.h"

struct copy_state {
    struct s3_request *r; /* borrowed: it has us */
    struct bytes bucket, key;
    struct object_get *get;         /* owned */
    const struct object_info *info; /* of the source: the get's */
    struct object_put *put;         /* owned */
    struct meta meta;
    struct bytes upload; /* UploadPartCopy: ... */
    uint32_t part_number;
    uint64_t off, size, came; /* of the source */
    struct s3_etag etag;      /* of the source */
    struct buf piece;         /* read, not yet written */
    bool hashed;              /* `md5` is being made */
    struct hash md5;
    bool summed; /* `checksum` is being made */
    struct checksum checksum;
    struct s3_sum sum; /* of the copy */
    struct s3_condition cond;
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
    checksum_fini(&s->checksum);
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
        condition_failed(r, rc, &s->cond);
        return;
    }
    r->object_bytes = info->size;
    xml_begin(&r->xml, root);
    xml_put_time(&r->xml, "LastModified", info->mtime_ns);
    xml_put_etag(&r->xml, &info->etag);
    xml_put_sum(&r->xml, &info->sum, info->etag.parts);
    if (!s->part_number)
        xml_put_str(&r->xml, "ChecksumType", sum_type_name(info->sum.type));
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
        if (s->hashed)
            hash_add(&s->md5, span_data(&span[i]), span[i].bytes);
    for (uint32_t i = 0; s->summed && i < s->piece.span_count; i++)
        checksum_add(&s->checksum, span_data(&span[i]), span[i].bytes);
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
    if (s->hashed || s->summed)
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
    if (s->summed)
        checksum_end(&s->checksum, s->sum.value);
    object_put_commit(TAKE(s->put), md5, &s->sum, copied, r);
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
    struct bytes last, first;
    enum s3_error e = S3_OK;
    uint64_t to;

    s->size = info->size;
    if (range) {
        last = text_starts(*range, "bytes=") ? text_skip(*range, 6) : (struct bytes){0};
        if (!text_cut(&last, '-', &first) || !number_get(first, INT64_MAX, &s->off) ||
            !number_get(last, INT64_MAX, &to) || to < s->off)
            e = request_wrong(r, S3_InvalidArgument,
                              "The x-amz-copy-source-range value must be of the form "
                              "bytes=first-last where first and last are the zero-based offsets "
                              "of the first and last bytes to copy");
        else if (to >= info->size)
            e = S3_InvalidRange;
        else
            s->size = to - s->off + 1;
    }
    if (e == S3_OK && s->size > S3_PUT_BYTES_MAX)
        e = request_wrong(r, S3_InvalidRequest,
                          "The copy source is larger than the maximum allowable size of 5 GiB: "
                          "copy it by parts.");
    return e;
}

static bool replaces(const struct s3_request *r, const char *directive)
{
    const struct bytes *value = request_field(r, directive);

    return value && bytes_equal(*value, BYTES_STR("REPLACE"));
}

/* Which checksum the copy is to have: the one that is asked for, else of the source's kind; a whole
 * one of a whole source need not be made again. */
static int sum_begin(struct s3_request *r, const struct object_info *info)
{
    const struct bytes *name = request_field(r, "x-amz-checksum-algorithm");
    struct copy_state *s = r->state;
    enum checksum_kind kind = s->sum.kind; /* the upload's */

    if (name)
        kind = checksum_of_name(*name);
    if (kind == CHECKSUM_NONE && !s->part_number)
        kind = info->sum.kind;
    if (kind == CHECKSUM_NONE)
        kind = CHECKSUM_CRC64NVME;
    if (kind == info->sum.kind && info->sum.type == S3_SUM_FULL && s->size == info->size) {
        s->sum = info->sum;
        return 0;
    }
    s->summed = true;
    s->sum = (struct s3_sum){.kind = kind, .type = S3_SUM_FULL};
    return checksum_begin(&s->checksum, &r->g->kit, kind);
}

static struct object_put_args target_args(struct s3_request *r, const struct object_info *info)
{
    struct copy_state *s = r->state;
    bool replace = replaces(r, "x-amz-metadata-directive");
    bool retag = replaces(r, "x-amz-tagging-directive");
    struct object_put_args args = {
        .bucket = r->bucket,
        .key = r->key,
        .headers = replace ? s->meta.header : info->headers,
        .header_count = replace ? s->meta.count : info->header_count,
        .tags = retag ? s->meta.tags.tag : info->tags,
        .tag_count = retag ? s->meta.tags.count : info->tag_count,
        .acl = s->meta.acl, /* never the source's */
        .cond = s->cond,
        .size = s->size,
        .upload = s->upload,
        .part_number = s->part_number,
        .room = copy_room,
        .arg = r,
    };

    if (s->part_number)
        args.header_count = args.tag_count = 0; /* the upload has them */
    return args;
}

static enum s3_error target_check(struct s3_request *r)
{
    struct copy_state *s = r->state;

    if (!s->part_number && !replaces(r, "x-amz-metadata-directive") &&
        !request_field(r, "x-amz-storage-class") && bytes_equal(s->bucket, r->bucket) &&
        bytes_equal(s->key, r->key)) {
        r->why = "This copy request is illegal because it is trying to copy an object to itself "
                 "without changing the object's metadata, storage class, website redirect location "
                 "or encryption attributes.";
        return S3_InvalidRequest;
    }
    /* Whoever may read an object may not read its tags, nor have them by a copy. */
    if (!s->part_number && !s->info->owned && s->info->tag_count &&
        !replaces(r, "x-amz-tagging-directive"))
        return S3_AccessDenied;
    return bucket_grant_more(r->grant, s->size) < 0 ? S3_QuotaExceeded : S3_OK;
}

/* The bytes are to be copied: begin. */
static enum s3_error target_open(struct s3_request *r)
{
    struct copy_state *s = r->state;
    const struct object_info *info = s->info;
    struct object_put_args args = target_args(r, info);

    s->etag = info->etag;
    s->hashed = info->etag.parts > 0 || s->size != info->size;
    if (s->hashed && hash_begin(&s->md5, &r->g->kit, HASH_MD5) < 0)
        return S3_ServiceUnavailable;
    if (sum_begin(r, info) < 0)
        return S3_ServiceUnavailable;
    return s3_error_of(object_put_open(r->g->buckets, &r->who, &args, &s->put));
}

static void stream(struct s3_request *r)
{
    struct copy_state *s = r->state;
    enum s3_error e = target_open(r);

    if (e != S3_OK) {
        request_reply_error(r, e);
        request_drop(r);
        return;
    }
    if (s->size)
        object_get_range(s->get, s->off, s->size);
    next_piece(r);
}

/* Has the source what the copy is to have, as it is? */
static bool may_share(struct s3_request *r)
{
    const struct bytes *name = request_field(r, "x-amz-checksum-algorithm");
    const struct copy_state *s = r->state;
    enum checksum_kind kind = s->info->sum.kind;

    return !s->part_number && object_copy_may(s->get) && kind != CHECKSUM_NONE &&
           (!name || checksum_of_name(*name) == kind);
}

static void shared(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;

    if (rc == -R_COPIES_FULL && request_open(r))
        stream(r);
    else
        copied(r, rc, info);
}

static void share(struct s3_request *r)
{
    struct copy_state *s = r->state;
    struct object_put_args args = target_args(r, s->info);
    int rc = object_copy(r->g->buckets, &r->who, s->get, &args, shared, r);

    if (rc < 0)
        step_failed(r, rc);
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
    s->info = info;
    e = conditions_check(r->head, "x-amz-copy-source-", info);
    if (e == S3_OK)
        e = source_range(r, info);
    if (e == S3_OK)
        e = target_check(r);
    if (e != S3_OK) {
        request_reply_error(r, e);
        request_drop(r);
        return;
    }
    if (may_share(r))
        share(r);
    else
        stream(r);
}

/* "/bucket/key" or "bucket/key", encoded, slashes too if they like; "?versionId=null" may follow.
 */
static enum s3_error source_parse(struct s3_request *r, struct copy_state *s)
{
    struct bytes path, query;

    uri_split(*request_field(r, "x-amz-copy-source"), &path, &query);
    r->why = "The x-amz-copy-source header names a version: there are none here.";
    if (query.len && !bytes_equal(query, BYTES_STR("versionId=null")))
        return S3_NotImplemented;
    r->why = "Copy Source must mention the source bucket and key, URL-encoded: "
             "sourcebucket/sourcekey";
    if (uri_decode(r->arena, path, &s->key) < 0)
        return S3_InvalidArgument;
    if (text_starts(s->key, "/"))
        s->key = text_skip(s->key, 1);
    if (!text_cut(&s->key, '/', &s->bucket) || s->key.len == 0)
        return S3_InvalidArgument;
    r->why = NULL;
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

static void source_open(struct s3_request *r)
{
    struct copy_state *s = r->state;
    int rc;

    request_hold(r);
    rc = object_get_open(r->g->buckets, &r->who, s->bucket, s->key, opened, r, &s->get);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void copy_begin(struct s3_request *r)
{
    struct copy_state *s = r->state;
    enum s3_error e = source_parse(r, s);

    if (e == S3_OK)
        e = meta_collect(r, &s->meta);
    if (e == S3_OK && !s->part_number)
        e = conditions_of_write(r->head, &s->cond);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    r->cancel = copy_cancel;
    gate_expect(r, "x-amz-source-expected-bucket-owner", s->bucket, source_open);
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

static void upload_seen(void *arg, int rc, const struct s3_sum *sum)
{
    struct s3_request *r = arg;
    struct copy_state *s = r->state;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    s->sum.kind = sum->kind;
    copy_begin(r);
    request_drop(r);
}

static void part_copy_start(struct s3_request *r)
{
    struct copy_state *s = copy_state(r);
    enum s3_error e;
    int rc;

    if (!s)
        return;
    e = request_part_number(r, &s->part_number);
    s->upload = *request_arg(r, "uploadId");
    if (e == S3_OK && s->upload.len == 0)
        e = S3_NoSuchUpload; /* empty would mean: no part */
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    request_hold(r);
    rc = upload_stat(r->g->buckets, &r->who, r->bucket, r->key, s->upload, upload_seen, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_copy_object = {"CopyObject", copy_start, NULL};
const struct s3_op op_part_copy = {"UploadPartCopy", part_copy_start, NULL};
