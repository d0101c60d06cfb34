/* upload_list.c - ListParts and ListMultipartUploads. */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"

struct parts_state {
    uint32_t after, max;
    bool url;
};

struct uploads_state {
    struct upload_list_args args;
    bool url;
};

static enum s3_error encoding_arg(struct s3_request *r, bool *out_url)
{
    const struct bytes *encoding = request_arg(r, "encoding-type");

    *out_url = encoding != NULL;
    if (!encoding || bytes_equal(*encoding, BYTES_STR("url")))
        return S3_OK;
    return request_wrong(r, S3_InvalidArgument,
                         "Invalid Encoding Method specified in Request: there is 'url'");
}

static enum s3_error number_arg(struct s3_request *r, const char *name, uint64_t *io_n)
{
    const struct bytes *text = request_arg(r, name);

    if (!text || number_get(*text, INT32_MAX, io_n))
        return S3_OK;
    return request_wrong(r, S3_InvalidArgument,
                         "max-parts, part-number-marker and max-uploads must be integers between 0 "
                         "and 2147483647");
}

/* --- parts --- */

static void put_sum_kind(struct writer *w, const struct s3_sum *sum)
{
    if (sum->kind == CHECKSUM_NONE)
        return;
    xml_put_str(w, "ChecksumAlgorithm", checksum_name(sum->kind));
    xml_put_str(w, "ChecksumType", sum_type_name(sum->type));
}

static void parts_listed(void *arg, int rc, const struct upload_parts *parts)
{
    struct s3_request *r = arg;
    const struct parts_state *s = r->state;
    struct writer *w = &r->xml;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(w, "ListPartsResult");
    xml_put(w, "Bucket", r->bucket);
    xml_put_key(w, "Key", r->key, s->url);
    xml_put(w, "UploadId", *request_arg(r, "uploadId"));
    xml_put_owner(w, "Initiator", r->who.name);
    xml_put_owner(w, "Owner", r->who.name);
    xml_put_str(w, "StorageClass", "STANDARD");
    put_sum_kind(w, &parts->sum);
    xml_put_u64(w, "PartNumberMarker", s->after);
    if (parts->count)
        xml_put_u64(w, "NextPartNumberMarker", parts->rows[parts->count - 1].number);
    xml_put_u64(w, "MaxParts", s->max);
    xml_put_bool(w, "IsTruncated", parts->truncated);
    for (uint32_t i = 0; i < parts->count; i++) {
        xml_open(w, "Part");
        xml_put_u64(w, "PartNumber", parts->rows[i].number);
        xml_put_time(w, "LastModified", parts->rows[i].mtime_ns);
        xml_put_etag(w, &parts->rows[i].etag);
        xml_put_u64(w, "Size", parts->rows[i].size);
        xml_put_sum(w, &parts->rows[i].sum, 0);
        xml_close(w, "Part");
    }
    xml_close(w, "ListPartsResult");
    request_reply_xml(r);
    request_drop(r);
}

static void parts_start(struct s3_request *r)
{
    struct parts_state *s = request_state(r, sizeof(*s), NULL);
    uint64_t max = S3_LIST_MAX, after = 0;
    enum s3_error e;
    int rc;

    if (!s)
        return;
    e = encoding_arg(r, &s->url);
    if (e == S3_OK)
        e = number_arg(r, "max-parts", &max);
    if (e == S3_OK)
        e = number_arg(r, "part-number-marker", &after);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    s->max = (uint32_t)MIN(max, S3_LIST_MAX);
    s->after = (uint32_t)after;
    request_hold(r);
    rc = upload_list_parts(r->g->buckets, &r->who, r->bucket, r->key, *request_arg(r, "uploadId"),
                           s->after, s->max, parts_listed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_list_parts = {"ListParts", parts_start, NULL};

/* --- uploads --- */

static void put_upload(struct s3_request *r, const struct upload_list_row *row)
{
    const struct uploads_state *s = r->state;
    struct writer *w = &r->xml;

    xml_open(w, "Upload");
    xml_put_key(w, "Key", row->name, s->url);
    xml_put_str(w, "UploadId", row->upload);
    xml_put_owner(w, "Initiator", row->owner);
    xml_put_owner(w, "Owner", r->who.name);
    xml_put_str(w, "StorageClass", "STANDARD");
    xml_put_time(w, "Initiated", row->created_ns);
    put_sum_kind(w, &row->sum);
    xml_close(w, "Upload");
}

static void put_uploads(struct s3_request *r, const struct upload_list *list)
{
    const struct uploads_state *s = r->state;

    for (uint32_t i = 0; i < list->count; i++)
        if (!list->rows[i].is_prefix)
            put_upload(r, &list->rows[i]);
    for (uint32_t i = 0; i < list->count; i++) {
        if (!list->rows[i].is_prefix)
            continue;
        xml_open(&r->xml, "CommonPrefixes");
        xml_put_key(&r->xml, "Prefix", list->rows[i].name, s->url);
        xml_close(&r->xml, "CommonPrefixes");
    }
}

static void uploads_listed(void *arg, int rc, const struct upload_list *list)
{
    struct s3_request *r = arg;
    const struct uploads_state *s = r->state;
    struct writer *w = &r->xml;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(w, "ListMultipartUploadsResult");
    xml_put(w, "Bucket", r->bucket);
    xml_put_key(w, "KeyMarker", s->args.after_key, s->url);
    xml_put(w, "UploadIdMarker", s->args.after_upload);
    if (list->truncated && list->count) {
        xml_put_key(w, "NextKeyMarker", list->rows[list->count - 1].name, s->url);
        xml_put_str(w, "NextUploadIdMarker", list->rows[list->count - 1].upload);
    }
    xml_put_key(w, "Prefix", s->args.prefix, s->url);
    if (s->args.delimiter.len)
        xml_put_key(w, "Delimiter", s->args.delimiter, s->url);
    if (s->url)
        xml_put_str(w, "EncodingType", "url");
    xml_put_u64(w, "MaxUploads", s->args.max);
    xml_put_bool(w, "IsTruncated", list->truncated);
    put_uploads(r, list);
    xml_close(w, "ListMultipartUploadsResult");
    request_reply_xml(r);
    request_drop(r);
}

static void take_arg(const struct s3_request *r, const char *name, struct bytes *out_value)
{
    const struct bytes *value = request_arg(r, name);

    if (value)
        *out_value = *value;
}

static void uploads_start(struct s3_request *r)
{
    struct uploads_state *s = request_state(r, sizeof(*s), NULL);
    uint64_t max = S3_LIST_MAX;
    enum s3_error e;
    int rc;

    if (!s)
        return;
    e = encoding_arg(r, &s->url);
    if (e == S3_OK)
        e = number_arg(r, "max-uploads", &max);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    s->args.bucket = r->bucket;
    s->args.max = (uint32_t)MIN(max, S3_LIST_MAX);
    take_arg(r, "prefix", &s->args.prefix);
    take_arg(r, "delimiter", &s->args.delimiter);
    take_arg(r, "key-marker", &s->args.after_key);
    if (s->args.after_key.len) /* by itself it does not count, as S3 has it */
        take_arg(r, "upload-id-marker", &s->args.after_upload);
    request_hold(r);
    rc = upload_list(r->g->buckets, &r->who, &s->args, uploads_listed, r);
    if (rc == -R_NO_UPLOAD) {
        request_reply_why(r, S3_InvalidArgument, "Invalid uploadId marker");
        request_drop(r);
    } else if (rc < 0) {
        request_call_failed(r, rc);
    }
}

const struct s3_op op_list_uploads = {"ListMultipartUploads", uploads_start, NULL};
