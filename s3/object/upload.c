/* upload.c - CreateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload. */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"

/* --- create --- */

static void created(void *arg, int rc, const char *upload)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(&r->xml, "InitiateMultipartUploadResult");
    xml_put(&r->xml, "Bucket", r->bucket);
    xml_put(&r->xml, "Key", r->key);
    xml_put_str(&r->xml, "UploadId", upload);
    xml_close(&r->xml, "InitiateMultipartUploadResult");
    request_reply_xml(r);
    request_drop(r);
}

static void create_start(struct s3_request *r)
{
    struct meta *meta = request_state(r, sizeof(*meta), NULL);
    struct upload_make make = {0};
    enum s3_error e;
    int rc;

    if (!meta)
        return;
    e = meta_collect(r, meta);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    request_hold(r);
    make.headers = meta->header;
    make.header_count = meta->count;
    rc = upload_create(r->g->buckets, &r->who, r->bucket, r->key, &make, created, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_create_upload = {"CreateMultipartUpload", create_start, NULL};

/* --- complete --- */

struct complete_state {
    struct s3_request *r;
    struct xml_in *xml;
    struct upload_part *part; /* owned, `cap` of them */
    uint32_t count, cap;
    bool has_number, has_etag;
};

static void complete_fini(struct s3_request *r)
{
    struct complete_state *s = r->state;

    xml_in_destroy(s->xml);
    mem_free(s->part);
}

static int part_begin(struct complete_state *s)
{
    if (s->count == S3_PART_NUMBER_MAX)
        return -R_MALFORMED;
    if (s->count == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 64;
        struct upload_part *more = mem_realloc(s->part, cap * sizeof(*more));

        if (!more)
            return -ENOMEM;
        s->part = more;
        s->cap = cap;
    }
    s->has_number = s->has_etag = false;
    s->part[s->count] = (struct upload_part){0};
    return 0;
}

/* CompleteMultipartUpload / Part / { PartNumber, ETag } */
static int element(void *arg, unsigned depth, const char *name)
{
    struct complete_state *s = arg;

    if (depth == 0)
        return strcmp(name, "CompleteMultipartUpload") == 0 ? 0 : -R_MALFORMED;
    if (depth == 1)
        return strcmp(name, "Part") == 0 ? part_begin(s) : -R_MALFORMED;
    if (depth == 2 && (strcmp(name, "PartNumber") == 0 || strcmp(name, "ETag") == 0))
        return 0;
    /* Checksums of parts are not kept, so they cannot be compared. */
    return depth == 2 && strncmp(name, "Checksum", 8) == 0 ? -R_UNSUPPORTED : -R_MALFORMED;
}

static bool etag_get(struct bytes text, uint8_t md5[MD5_BYTES])
{
    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
        text = (struct bytes){text.data + 1, text.len - 2};
    return hex_get(text, md5, MD5_BYTES);
}

static int element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct complete_state *s = arg;
    struct upload_part *part;
    uint64_t n;

    if (depth == 1) {
        s->count++;
        return s->has_number && s->has_etag ? 0 : -R_MALFORMED;
    }
    if (depth != 2)
        return 0;
    part = &s->part[s->count];
    if (strcmp(name, "ETag") == 0) {
        if (s->has_etag)
            return -R_MALFORMED;
        s->has_etag = true;
        return etag_get(text, part->md5) ? 0 : -R_BAD_PART;
    }
    if (s->has_number || !number_get(text, S3_PART_NUMBER_MAX, &n) || n == 0)
        return -R_MALFORMED;
    s->has_number = true;
    part->number = (uint32_t)n;
    return 0;
}

static const struct xml_calls complete_xml = {element, element_end};

static void completed(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    struct writer *w = &r->xml;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(w, "CompleteMultipartUploadResult");
    xml_open(w, "Location");
    wr_raw(w, "http://", 7);
    xml_text(w, r->head->host);
    xml_text(w, r->path);
    xml_close(w, "Location");
    xml_put(w, "Bucket", r->bucket);
    xml_put(w, "Key", r->key);
    xml_put_etag(w, &info->etag);
    xml_close(w, "CompleteMultipartUploadResult");
    request_reply_xml(r);
    request_drop(r);
}

static void complete_batch(struct s3_request *r, struct buf *data)
{
    struct complete_state *s = r->state;
    const struct span *span = buf_spans_of(data);

    for (uint32_t i = 0; i < data->span_count; i++)
        (void)xml_in_add(s->xml, span_data(&span[i]), span[i].bytes); /* remembers */
}

static void complete_done(struct s3_request *r, const struct body_sums *sums)
{
    struct complete_state *s = r->state;
    struct upload_end end = {.parts = s->part, .part_count = s->count};
    int rc = xml_in_end(s->xml);

    UNUSED(sums);
    if (rc == -R_MALFORMED || (rc == 0 && s->count == 0)) {
        request_reply_error(r, S3_MalformedXML);
        return;
    }
    if (rc < 0) {
        request_reply_rc(r, rc);
        return;
    }
    request_hold(r);
    rc = upload_complete(r->g->buckets, &r->who, r->bucket, r->key, *request_arg(r, "uploadId"),
                         &end, completed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void complete_start(struct s3_request *r)
{
    struct complete_state *s = request_state(r, sizeof(*s), complete_fini);

    if (!s)
        return;
    s->r = r;
    if (r->want.checksum != CHECKSUM_NONE && !request_field(r, "x-amz-sdk-checksum-algorithm")) {
        request_reply_error(r, S3_NotImplemented); /* of the whole object, not of this body */
        return;
    }
    s->xml = xml_in_create(&complete_xml, s);
    if (!s->xml)
        request_reply_rc(r, -ENOMEM);
    else
        request_read(r);
}

static const struct request_body_calls complete_body = {NULL, complete_batch, complete_done};
const struct s3_op op_complete_upload = {"CompleteMultipartUpload", complete_start, &complete_body};

/* --- abort --- */

static void aborted(void *arg, int rc)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    request_reply(r, 204);
    request_drop(r);
}

static void abort_start(struct s3_request *r)
{
    int rc;

    request_hold(r);
    rc = upload_abort(r->g->buckets, &r->who, r->bucket, r->key, *request_arg(r, "uploadId"),
                      aborted, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_abort_upload = {"AbortMultipartUpload", abort_start, NULL};
