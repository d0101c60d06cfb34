/* upload.c - CreateMultipartUpload, CompleteMultipartUpload, AbortMultipartUpload. */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_body.h"
#include "s3/object/xml_parts.h"
#include "s3/text.h"

/* --- create --- */

struct create_state {
    struct meta meta;
    struct s3_sum sum; /* that the object will have: kind and type */
};

static void created(void *arg, int rc, const char *upload)
{
    struct s3_request *r = arg;
    const struct create_state *s = r->state;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    if (s->sum.kind != CHECKSUM_NONE) {
        request_field_set(r, "x-amz-checksum-algorithm", BYTES_STR(checksum_name(s->sum.kind)));
        request_field_set(r, "x-amz-checksum-type", BYTES_STR(sum_type_name(s->sum.type)));
    }
    xml_begin(&r->xml, "InitiateMultipartUploadResult");
    xml_put(&r->xml, "Bucket", r->bucket);
    xml_put(&r->xml, "Key", r->key);
    xml_put_str(&r->xml, "UploadId", upload);
    xml_close(&r->xml, "InitiateMultipartUploadResult");
    request_reply_xml(r);
    request_drop(r);
}

/* A type that was told, or 0. */
static enum s3_error type_told(const struct s3_request *r, enum s3_sum_type *out_type)
{
    const struct bytes *type = request_field(r, "x-amz-checksum-type");

    *out_type = 0;
    if (type && text_is_any_case(*type, "FULL_OBJECT"))
        *out_type = S3_SUM_FULL;
    else if (type && text_is_any_case(*type, "COMPOSITE"))
        *out_type = S3_SUM_COMPOSITE;
    return type && !*out_type ? S3_InvalidRequest : S3_OK;
}

/* Of all bytes only CRCs can be told from parts; CRC64NVME is told in no other way. */
static enum s3_error sum_wanted(struct s3_request *r, struct s3_sum *out_sum)
{
    const struct bytes *name = request_field(r, "x-amz-checksum-algorithm");
    enum checksum_kind kind = name ? checksum_of_name(*name) : CHECKSUM_NONE;
    enum s3_sum_type type, usual;

    r->why = "The value specified in the x-amz-checksum-type header is not valid.";
    if (type_told(r, &type) != S3_OK)
        return S3_InvalidRequest;
    r->why = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm "
             "header.";
    if (type && !name)
        return S3_InvalidRequest;
    r->why = "Checksum algorithm provided is unsupported.";
    if (name && kind == CHECKSUM_NONE)
        return S3_InvalidRequest;
    r->why = "The checksum type cannot be used with the checksum algorithm.";
    if ((type == S3_SUM_FULL && !checksum_joins(kind)) ||
        (type == S3_SUM_COMPOSITE && kind == CHECKSUM_CRC64NVME))
        return S3_InvalidRequest;
    usual = kind == CHECKSUM_CRC64NVME ? S3_SUM_FULL : S3_SUM_COMPOSITE;
    r->why = NULL;
    out_sum->kind = kind;
    out_sum->type = kind == CHECKSUM_NONE ? 0 : type ? type : usual;
    return S3_OK;
}

static void create_start(struct s3_request *r)
{
    struct create_state *s = request_state(r, sizeof(*s), NULL);
    struct upload_make make = {0};
    enum s3_error e;
    int rc;

    if (!s)
        return;
    e = meta_collect(r, &s->meta);
    if (e == S3_OK)
        e = sum_wanted(r, &s->sum);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    make.headers = s->meta.header;
    make.header_count = s->meta.count;
    make.tags = s->meta.tags.tag;
    make.tag_count = s->meta.tags.count;
    make.acl = s->meta.acl;
    make.sum = s->sum;
    request_hold(r);
    rc = upload_create(r->g->buckets, &r->who, r->bucket, r->key, &make, created, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_create_upload = {"CreateMultipartUpload", create_start, NULL};

/* --- complete --- */

struct complete_state {
    struct xml_body xml;
    struct upload_part *part; /* owned, `cap` of them */
    uint32_t count, cap;
    bool has_number, has_etag;
    struct upload_end end;
};

static void complete_fini(struct s3_request *r)
{
    struct complete_state *s = r->state;

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

/* "ChecksumCRC32" and its kin. */
static enum checksum_kind sum_of_element(const char *name)
{
    return strncmp(name, "Checksum", 8) == 0 ? checksum_of_name(BYTES_STR(name + 8))
                                             : CHECKSUM_NONE;
}

/* CompleteMultipartUpload / Part / { PartNumber, ETag, Checksum... } */
static int element(void *arg, unsigned depth, const char *name)
{
    struct complete_state *s = arg;

    if (depth == 0)
        return strcmp(name, "CompleteMultipartUpload") == 0 ? 0 : -R_MALFORMED;
    if (depth == 1)
        return strcmp(name, "Part") == 0 ? part_begin(s) : -R_MALFORMED;
    if (depth == 2 && strncmp(name, "Checksum", 8) == 0 && checksum_elsewhere(BYTES_STR(name + 8)))
        return -R_UNSUPPORTED;
    return depth == 2 && (strcmp(name, "PartNumber") == 0 || strcmp(name, "ETag") == 0 ||
                          sum_of_element(name) != CHECKSUM_NONE)
               ? 0
               : -R_MALFORMED;
}

static int etag_take(struct complete_state *s, struct bytes text)
{
    struct s3_etag etag;

    if (s->has_etag)
        return -R_MALFORMED;
    s->has_etag = true;
    etag_parse(text, &etag);
    memcpy(s->part[s->count].md5, etag.md5, MD5_BYTES);
    return etag.parts == 0 ? 0 : -R_BAD_PART;
}

static int element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct complete_state *s = arg;
    enum checksum_kind kind = sum_of_element(name);
    struct upload_part *part;
    uint64_t n;

    if (depth == 1) {
        s->count++;
        return s->has_number && s->has_etag ? 0 : -R_MALFORMED;
    }
    if (depth != 2)
        return 0;
    part = &s->part[s->count];
    if (kind != CHECKSUM_NONE) {
        part->sum.kind = kind;
        return base64_get(text, part->sum.value, checksum_bytes(kind)) ? 0 : -R_BAD_PART;
    }
    if (strcmp(name, "ETag") == 0)
        return etag_take(s, text);
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
    const struct complete_state *s = r->state;
    struct writer *w = &r->xml;

    if (rc < 0 || !request_open(r)) {
        condition_failed(r, rc, &s->end.cond);
        return;
    }
    r->object_bytes = info->size;
    xml_begin(w, "CompleteMultipartUploadResult");
    xml_open(w, "Location");
    xml_text(w, BYTES_STR(r->head->tls ? "https://" : "http://"));
    xml_text(w, r->head->host);
    xml_text(w, r->path);
    xml_close(w, "Location");
    xml_put(w, "Bucket", r->bucket);
    xml_put(w, "Key", r->key);
    xml_put_etag(w, &info->etag);
    if (info->sum.kind != CHECKSUM_NONE) {
        xml_put_sum(w, &info->sum, info->etag.parts);
        xml_put_str(w, "ChecksumType", sum_type_name(info->sum.type));
    }
    xml_close(w, "CompleteMultipartUploadResult");
    request_reply_xml(r);
    request_drop(r);
}

static void complete_done(struct s3_request *r, const struct body_sums *sums)
{
    struct complete_state *s = r->state;
    int rc;

    UNUSED(sums);
    if (!xml_body_end(r))
        return;
    if (s->count == 0) {
        request_reply_error(r, S3_MalformedXML);
        return;
    }
    s->end.parts = s->part;
    s->end.part_count = s->count;
    request_hold(r);
    rc = upload_complete(r->g->buckets, &r->who, r->bucket, r->key, *request_arg(r, "uploadId"),
                         &s->end, completed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

/* What the client knows of the object: its checksum ("-3" behind a composite one) and its type. */
static enum s3_error sum_told(struct s3_request *r, struct s3_sum *out_sum)
{
    enum s3_error e = type_told(r, &out_sum->type);

    for (uint32_t i = 0; i < r->head->field_count && e == S3_OK; i++) {
        const struct http_field *f = &r->head->field[i];
        struct bytes value = f->value, first;
        enum checksum_kind kind = checksum_of_field(f->name);

        if (kind == CHECKSUM_NONE)
            continue;
        if (text_cut(&value, '-', &first))
            value = first;
        if (out_sum->kind != CHECKSUM_NONE ||
            !base64_get(value, out_sum->value, checksum_bytes(kind)))
            e = request_wrong(r, S3_InvalidRequest,
                              "There must be one x-amz-checksum- header at most, with a value that "
                              "is one.");
        out_sum->kind = kind;
    }
    return e;
}

static enum s3_error end_parse(struct s3_request *r, struct upload_end *out_end)
{
    const struct bytes *size = request_field(r, "x-amz-mp-object-size");
    enum s3_error e = conditions_of_write(r->head, &out_end->cond);

    if (e == S3_OK)
        e = sum_told(r, &out_end->sum);
    out_end->has_size = size != NULL;
    if (e == S3_OK && size && !number_get(*size, INT64_MAX, &out_end->size))
        e = request_wrong(r, S3_InvalidRequest, "x-amz-mp-object-size must be a number of bytes.");
    return e;
}

static void complete_start(struct s3_request *r)
{
    struct upload_end end = {0};
    enum s3_error e = end_parse(r, &end);
    struct complete_state *s;

    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    s = xml_body_start(r, sizeof(*s), &complete_xml, complete_fini);
    if (s)
        s->end = end;
}

static const struct request_body_calls complete_body = {NULL, xml_body_batch, complete_done};
const struct s3_op op_complete_upload = {"CompleteMultipartUpload", complete_start, &complete_body};

/* --- abort --- */

static void abort_start(struct s3_request *r)
{
    int rc;

    request_hold(r);
    rc = upload_abort(r->g->buckets, &r->who, r->bucket, r->key, *request_arg(r, "uploadId"),
                      request_call_done, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_abort_upload = {"AbortMultipartUpload", abort_start, NULL};
