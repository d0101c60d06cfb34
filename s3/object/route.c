/* route.c - from method, target and fields to an operation.
 *
 * A row names a method, what the target is, and the query argument that makes it a sub-resource.
 * It also names every other argument that the operation understands, and the fields: what is not
 * named is answered with 501.  Clients send some fields always, with values that say what we do
 * anyway; these values are accepted, and no others. */
#include "s3/object/route.h"
#include "s3/gateway.h"
#include "s3/host.h"
#include "s3/object/gate.h"

enum level { SERVICE, BUCKET, OBJECT };

/* Fields that an operation understands beside those of every request. */
enum {
    TAKES_BODY = 1,       /* Content-MD5, checksums */
    TAKES_META = 2,       /* what is kept with an object */
    TAKES_CONDITIONS = 4, /* If-* of a read */
    TAKES_WRITE_IF = 8,   /* If-Match, If-None-Match: * of a write */
    TAKES_BUCKET_MAKE = 16,
    TAKES_COPY = 32,
    TAKES_CHECKSUM_KIND = 64, /* of an upload */
    TAKES_COPY_RANGE = 128,
    TAKES_ROOM = 256, /* something is stored: quotas */
    TAKES_ACL = 512,
    TAKES_OBJECT_SUM = 1024, /* a checksum not of the body but of the object */
    TAKES_DELETE_IF = 2048,
    TAKES_ATTRIBUTES = 4096,
    TAKES_LIST = 8192,
};

struct row {
    const char *method;
    enum level level;
    const char *sub; /* NULL: none */
    const struct s3_op *op;
    const char *args; /* separated by blanks */
    unsigned takes;
};

#define LIST_ARGS "prefix delimiter max-keys encoding-type"
#define READ_ARGS                                                                                  \
    "versionId partNumber response-content-type response-content-language response-expires "       \
    "response-cache-control response-content-disposition response-content-encoding"

/* The first that fits: sub-resources before what has none. */
static const struct row rows[] = {
    {"GET", SERVICE, NULL, &op_list_buckets, "", 0},

    {"HEAD", BUCKET, NULL, &op_head_bucket, "", 0},
    {"GET", BUCKET, "list-type", &op_list_v2,
     LIST_ARGS " continuation-token start-after fetch-owner", TAKES_LIST},
    {"GET", BUCKET, "location", &op_get_location, "", 0},
    {"GET", BUCKET, "uploads", &op_list_uploads,
     "prefix delimiter max-uploads encoding-type key-marker upload-id-marker", 0},
    {"POST", BUCKET, "delete", &op_delete_objects, "", TAKES_BODY},
    {"GET", BUCKET, "acl", &op_get_bucket_acl, "", 0},
    {"PUT", BUCKET, "acl", &op_put_bucket_acl, "", TAKES_BODY | TAKES_ACL},
    {"GET", BUCKET, "tagging", &op_get_bucket_tagging, "", 0},
    {"PUT", BUCKET, "tagging", &op_put_bucket_tagging, "", TAKES_BODY},
    {"DELETE", BUCKET, "tagging", &op_delete_bucket_tagging, "", 0},
    {"GET", BUCKET, "cors", &op_get_bucket_cors, "", 0},
    {"PUT", BUCKET, "cors", &op_put_bucket_cors, "", TAKES_BODY},
    {"DELETE", BUCKET, "cors", &op_delete_bucket_cors, "", 0},
    {"GET", BUCKET, "ownershipControls", &op_get_ownership, "", 0},
    {"PUT", BUCKET, "ownershipControls", &op_put_ownership, "", TAKES_BODY},
    {"DELETE", BUCKET, "ownershipControls", &op_delete_ownership, "", 0},
    {"GET", BUCKET, "publicAccessBlock", &op_get_public_block, "", 0},
    {"PUT", BUCKET, "publicAccessBlock", &op_put_public_block, "", TAKES_BODY},
    {"DELETE", BUCKET, "publicAccessBlock", &op_delete_public_block, "", 0},
    {"GET", BUCKET, "policyStatus", &op_get_policy_status, "", 0},
    {"GET", BUCKET, "versioning", &op_fixed, "", 0},
    {"GET", BUCKET, "requestPayment", &op_fixed, "", 0},
    {"GET", BUCKET, "logging", &op_fixed, "", 0},
    {"GET", BUCKET, "notification", &op_fixed, "", 0},
    {"GET", BUCKET, "accelerate", &op_fixed, "", 0},
    {"GET", BUCKET, "policy", &op_fixed, "", 0},
    {"GET", BUCKET, "lifecycle", &op_fixed, "", 0},
    {"DELETE", BUCKET, "policy", &op_fixed_delete, "", 0},
    {"DELETE", BUCKET, "lifecycle", &op_fixed_delete, "", 0},
    {"DELETE", BUCKET, "website", &op_fixed_delete, "", 0},
    {"DELETE", BUCKET, "encryption", &op_fixed_delete, "", 0},
    {"DELETE", BUCKET, "replication", &op_fixed_delete, "", 0},
    {"GET", BUCKET, "website", &op_fixed, "", 0},
    {"GET", BUCKET, "encryption", &op_fixed, "", 0},
    {"GET", BUCKET, "object-lock", &op_fixed, "", 0},
    {"GET", BUCKET, "replication", &op_fixed, "", 0},
    {"GET", BUCKET, NULL, &op_list_v1, LIST_ARGS " marker", TAKES_LIST},
    {"PUT", BUCKET, NULL, &op_create_bucket, "", TAKES_BODY | TAKES_BUCKET_MAKE},
    {"DELETE", BUCKET, NULL, &op_delete_bucket, "", 0},
    {"OPTIONS", BUCKET, NULL, &op_preflight, "", 0},

    {"GET", OBJECT, "uploadId", &op_list_parts, "max-parts part-number-marker encoding-type", 0},
    {"GET", OBJECT, "acl", &op_get_object_acl, "versionId", 0},
    {"PUT", OBJECT, "acl", &op_put_object_acl, "versionId", TAKES_BODY | TAKES_ACL},
    {"GET", OBJECT, "tagging", &op_get_object_tagging, "versionId", 0},
    {"PUT", OBJECT, "tagging", &op_put_object_tagging, "versionId", TAKES_BODY},
    {"DELETE", OBJECT, "tagging", &op_delete_object_tagging, "versionId", 0},
    {"GET", OBJECT, "attributes", &op_get_attributes, "versionId",
     TAKES_CONDITIONS | TAKES_ATTRIBUTES},
    {"GET", OBJECT, NULL, &op_get_object, READ_ARGS, TAKES_CONDITIONS},
    {"HEAD", OBJECT, NULL, &op_head_object, READ_ARGS, TAKES_CONDITIONS},
    {"PUT", OBJECT, "uploadId", &op_upload_part, "partNumber", TAKES_BODY | TAKES_ROOM},
    {"PUT", OBJECT, NULL, &op_put_object, "",
     TAKES_BODY | TAKES_META | TAKES_WRITE_IF | TAKES_ROOM},
    {"DELETE", OBJECT, "uploadId", &op_abort_upload, "", 0},
    {"DELETE", OBJECT, NULL, &op_delete_object, "versionId", TAKES_DELETE_IF},
    {"OPTIONS", OBJECT, NULL, &op_preflight, "", 0},
    {"POST", OBJECT, "uploads", &op_create_upload, "", TAKES_META | TAKES_CHECKSUM_KIND},
    {"POST", OBJECT, "uploadId", &op_complete_upload, "",
     TAKES_BODY | TAKES_OBJECT_SUM | TAKES_CHECKSUM_KIND | TAKES_WRITE_IF | TAKES_ROOM},
};

/* With x-amz-copy-source; the first that fits. */
static const struct row copy_rows[] = {
    {"PUT", OBJECT, "uploadId", &op_part_copy, "partNumber",
     TAKES_COPY | TAKES_COPY_RANGE | TAKES_ROOM},
    {"PUT", OBJECT, NULL, &op_copy_object, "",
     TAKES_META | TAKES_COPY | TAKES_CHECKSUM_KIND | TAKES_WRITE_IF | TAKES_ROOM},
};

/* Fields of ours and, where only some values say what we do, these (separated by bars). */
static const struct {
    const char *name;
    unsigned takes; /* 0: every operation */
    const char *values;
} fields[] = {
    {"x-amz-date", 0, NULL},
    {"x-amz-content-sha256", 0, NULL},
    {"x-amz-user-agent", 0, NULL},
    {"x-amz-request-payer", 0, "requester"},
    {"x-amz-acl", TAKES_META | TAKES_BUCKET_MAKE | TAKES_ACL, NULL},
    {"x-amz-tagging", TAKES_META, NULL},
    {"x-amz-storage-class", TAKES_META, "STANDARD"},
    {"x-amz-object-ownership", TAKES_BUCKET_MAKE,
     "BucketOwnerEnforced|BucketOwnerPreferred|ObjectWriter"},
    {"x-amz-bucket-object-lock-enabled", TAKES_BUCKET_MAKE, "false|False"},
    {"x-amz-decoded-content-length", TAKES_BODY, NULL},
    {"x-amz-trailer", TAKES_BODY, NULL},
    {"x-amz-sdk-checksum-algorithm", TAKES_BODY, NULL},
    {"x-amz-checksum-crc32", TAKES_BODY, NULL},
    {"x-amz-checksum-crc32c", TAKES_BODY, NULL},
    {"x-amz-checksum-crc64nvme", TAKES_BODY, NULL},
    {"x-amz-checksum-sha1", TAKES_BODY, NULL},
    {"x-amz-checksum-sha256", TAKES_BODY, NULL},
    {"x-amz-checksum-algorithm", TAKES_CHECKSUM_KIND, "CRC32|CRC32C|CRC64NVME|SHA1|SHA256"},
    {"x-amz-checksum-type", TAKES_CHECKSUM_KIND, "COMPOSITE|FULL_OBJECT"},
    {"x-amz-mp-object-size", TAKES_OBJECT_SUM, NULL},
    {"x-amz-checksum-mode", TAKES_CONDITIONS, "ENABLED"},
    {"x-amz-object-attributes", TAKES_ATTRIBUTES, NULL},
    {"x-amz-max-parts", TAKES_ATTRIBUTES, NULL},
    {"x-amz-part-number-marker", TAKES_ATTRIBUTES, NULL},
    {"x-amz-optional-object-attributes", TAKES_LIST, "RestoreStatus"},
    {"x-amz-if-match-size", TAKES_DELETE_IF, NULL},
    {"x-amz-if-match-last-modified-time", TAKES_DELETE_IF, NULL},
    {"x-amz-copy-source", TAKES_COPY, NULL},
    {"x-amz-copy-source-if-match", TAKES_COPY, NULL},
    {"x-amz-copy-source-if-none-match", TAKES_COPY, NULL},
    {"x-amz-copy-source-if-modified-since", TAKES_COPY, NULL},
    {"x-amz-copy-source-if-unmodified-since", TAKES_COPY, NULL},
    {"x-amz-copy-source-range", TAKES_COPY_RANGE, NULL},
    {"x-amz-metadata-directive", TAKES_COPY, "COPY|REPLACE"},
    {"x-amz-tagging-directive", TAKES_COPY, "COPY|REPLACE"},
    {"content-md5", TAKES_BODY, NULL},
    {"range", TAKES_CONDITIONS, NULL},
    {"if-match", TAKES_CONDITIONS | TAKES_WRITE_IF | TAKES_DELETE_IF, NULL},
    {"if-none-match", TAKES_CONDITIONS | TAKES_WRITE_IF, NULL},
    {"if-modified-since", TAKES_CONDITIONS, NULL},
    {"if-unmodified-since", TAKES_CONDITIONS, NULL},
};

/* Values that these fields may have besides, in S3: they are not implemented.  Others are wrong. */
static const struct {
    const char *name, *values;
    enum s3_error wrong;
} elsewhere[] = {
    {"x-amz-storage-class",
     "REDUCED_REDUNDANCY|STANDARD_IA|ONEZONE_IA|INTELLIGENT_TIERING|GLACIER|GLACIER_IR|"
     "DEEP_ARCHIVE|OUTPOSTS|SNOW|EXPRESS_ONEZONE|FSX_OPENZFS|FSX_ONTAP",
     S3_InvalidStorageClass},
    {"x-amz-object-ownership", "", S3_InvalidArgument},
    {"x-amz-checksum-algorithm", "SHA512|MD5|XXHASH64|XXHASH3|XXHASH128", S3_InvalidRequest},
    {"x-amz-checksum-type", "", S3_InvalidRequest},
    {"x-amz-metadata-directive", "", S3_InvalidArgument},
    {"x-amz-tagging-directive", "", S3_InvalidArgument},
};

static bool starts_with(struct bytes b, const char *text)
{
    return b.len >= strlen(text) && memcmp(b.data, text, strlen(text)) == 0;
}

/* Is `word` one of `list`, whose words are separated by `by`? */
static bool listed(const char *list, char by, struct bytes word)
{
    while (*list) {
        const char *end = strchrnul(list, by);

        if (bytes_equal((struct bytes){(const uint8_t *)list, (uint32_t)(end - list)}, word))
            return true;
        list = *end ? end + 1 : end;
    }
    return false;
}

/* --- the target --- */

/* In lower case, as buckets are: names of hosts have none. */
static int bucket_from_host(struct s3_request *r, struct bytes name)
{
    char *lower = arena_strdup(r->arena, (const char *)name.data, name.len);

    if (!lower)
        return -ENOMEM;
    for (uint32_t i = 0; i < name.len; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] + 32);
    r->bucket = (struct bytes){(uint8_t *)lower, name.len};
    return 0;
}

int route_target(struct s3_request *r)
{
    struct bytes path = {r->path.data + 1, r->path.len - 1}, bucket;
    const uint8_t *slash;
    int rc;

    if (host_bucket(r->head->host, r->g->domain, &bucket)) {
        rc = bucket_from_host(r, bucket);
        return rc < 0 ? rc : uri_decode(r->arena, path, &r->key);
    }
    slash = path.len ? memchr(path.data, '/', path.len) : NULL;
    bucket = (struct bytes){path.data, slash ? (uint32_t)(slash - path.data) : path.len};
    rc = uri_decode(r->arena, bucket, &r->bucket);
    if (rc < 0 || !slash)
        return rc;
    return uri_decode(r->arena, (struct bytes){slash + 1, path.len - bucket.len - 1}, &r->key);
}

/* --- what is understood --- */

static enum s3_error check_args(const struct s3_request *r, const struct row *row)
{
    for (uint32_t i = 0; i < r->query.count; i++) {
        struct bytes name = r->query.arg[i].name;

        for (uint32_t k = 0; k < i; k++)
            if (bytes_equal(r->query.arg[k].name, name))
                return S3_InvalidArgument;        /* two answers to one question */
        if (bytes_equal(name, BYTES_STR("x-id"))) /* the operation's name, for their logs */
            continue;
        if (row->sub && bytes_equal(name, BYTES_STR(row->sub)))
            continue;
        if (!listed(row->args, ' ', name))
            return S3_NotImplemented;
        if (bytes_equal(name, BYTES_STR("versionId")) &&
            !bytes_equal(r->query.arg[i].value, BYTES_STR("null")))
            return S3_NotImplemented; /* there are no versions but this one */
    }
    return S3_OK;
}

static enum s3_error other_value(const struct http_field *f)
{
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
        if (bytes_equal(f->name, BYTES_STR(elsewhere[i].name)) &&
            !listed(elsewhere[i].values, '|', f->value))
            return elsewhere[i].wrong;
    return S3_NotImplemented;
}

static enum s3_error check_field(const struct s3_request *r, const struct row *row,
                                 const struct http_field *f)
{
    if (starts_with(f->name, "x-amz-meta-"))
        return row->takes & TAKES_META ? S3_OK : S3_NotImplemented;
    if (bytes_equal(f->name, BYTES_STR("x-amz-expected-bucket-owner")))
        return bytes_equal(f->value, BYTES_STR(r->who.name)) ? S3_OK : S3_AccessDenied;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!bytes_equal(f->name, BYTES_STR(fields[i].name)))
            continue;
        if (fields[i].takes && !(fields[i].takes & row->takes))
            return S3_NotImplemented;
        return !fields[i].values || listed(fields[i].values, '|', f->value) ? S3_OK
                                                                            : other_value(f);
    }
    return starts_with(f->name, "x-amz-") ? S3_NotImplemented : S3_OK;
}

static enum s3_error check_fields(const struct s3_request *r, const struct row *row)
{
    enum s3_error e = S3_OK;

    for (uint32_t i = 0; i < r->head->field_count && e == S3_OK; i++)
        e = check_field(r, row, &r->head->field[i]);
    return e;
}

/* --- bodies --- */

/* The length of what is inside an aws-chunked body is told in a field of its own. */
static enum s3_error wanted_bytes(struct s3_request *r)
{
    const struct bytes *inside = request_field(r, "x-amz-decoded-content-length");
    enum payload_kind kind = r->auth.sig.payload_kind;

    if (kind == PAYLOAD_HASHED || kind == PAYLOAD_UNSIGNED) {
        r->want.bytes = r->head->length;
        return inside ? S3_InvalidArgument : S3_OK;
    }
    if (!inside)
        return S3_MissingContentLength;
    return number_get(*inside, S3_OBJECT_BYTES_MAX, &r->want.bytes) ? S3_OK : S3_InvalidArgument;
}

/* At most one in a field. */
static enum s3_error sum_in_field(struct s3_request *r)
{
    struct body_want *want = &r->want;

    for (uint32_t i = 0; i < r->head->field_count; i++) {
        const struct http_field *f = &r->head->field[i];
        enum checksum_kind sum = checksum_of_field(f->name);

        if (sum == CHECKSUM_NONE)
            continue;
        r->why = "Expecting a single x-amz-checksum- header; several are not allowed.";
        if (want->checksum_told)
            return S3_InvalidRequest;
        want->checksum = sum;
        want->checksum_told = true;
        r->why = "The value of the x-amz-checksum- header is not one.";
        if (!base64_get(f->value, want->checksum_value, checksum_bytes(sum)))
            return S3_InvalidRequest;
    }
    return S3_OK;
}

/* Announced for the trailer.  Where the payload may have one, none need come. */
static enum s3_error sum_in_trailer(struct s3_request *r)
{
    const struct bytes *trailer = request_field(r, "x-amz-trailer");
    enum payload_kind kind = r->auth.sig.payload_kind;
    struct body_want *want = &r->want;

    if (!trailer)
        return S3_OK;
    r->why = "The payload that x-amz-content-sha256 names has no trailer, but x-amz-trailer does.";
    if (kind != PAYLOAD_CHUNKS_TRAILER && kind != PAYLOAD_CHUNKS_SIGNED_TRAILER)
        return S3_InvalidRequest;
    r->why = "Expecting a single checksum, in a header or in the trailer.";
    if (want->checksum_told)
        return S3_InvalidRequest;
    want->checksum = checksum_of_field(*trailer);
    want->checksum_told = want->checksum_in_trailer = true;
    r->why = "The value specified in the x-amz-trailer header is not supported.";
    return want->checksum == CHECKSUM_NONE ? S3_InvalidRequest : S3_OK;
}

/* What SDKs say they have done must be there, and be that. */
static enum s3_error sum_of_sdk(struct s3_request *r)
{
    const struct bytes *name = request_field(r, "x-amz-sdk-checksum-algorithm");
    enum checksum_kind kind;

    if (!name)
        return S3_OK;
    kind = checksum_of_name(*name);
    r->why = "The value of the x-amz-sdk-checksum-algorithm header is not supported.";
    if (kind == CHECKSUM_NONE)
        return S3_InvalidRequest;
    r->why = "x-amz-sdk-checksum-algorithm was specified, but no corresponding x-amz-checksum-* or "
             "x-amz-trailer header was found.";
    if (!r->want.checksum_told)
        return S3_InvalidRequest;
    r->why = "The checksum is not of the algorithm that x-amz-sdk-checksum-algorithm names.";
    return kind == r->want.checksum ? S3_OK : S3_BadDigest;
}

static enum s3_error wanted_sums(struct s3_request *r, const struct row *row)
{
    const struct bytes *md5 = request_field(r, "content-md5");
    enum s3_error e;

    r->want.has_md5 = md5 != NULL;
    r->why = NULL;
    if (md5 && !base64_get(*md5, r->want.md5, sizeof(r->want.md5)))
        return S3_InvalidDigest;
    e = row->takes & TAKES_OBJECT_SUM ? S3_OK : sum_in_field(r);
    if (e == S3_OK)
        e = sum_in_trailer(r);
    if (e == S3_OK)
        e = sum_of_sdk(r);
    if (e == S3_OK)
        r->why = NULL;
    return e;
}

/* Nothing came and nothing was to come: what was signed must say so. */
static enum s3_error check_no_body(const struct s3_request *r)
{
    static const char empty[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const struct sigv4 *sig = &r->auth.sig;

    if (request_has_body(r))
        return S3_InvalidRequest;
    if (sig->payload_kind == PAYLOAD_UNSIGNED)
        return S3_OK;
    return sig->payload_kind == PAYLOAD_HASHED && bytes_equal(sig->payload, BYTES_STR(empty))
               ? S3_OK
               : S3_XAmzContentSHA256Mismatch;
}

static enum s3_error check_body(struct s3_request *r, const struct row *row)
{
    enum s3_error e;

    if (!(row->takes & TAKES_BODY))
        return check_no_body(r);
    e = wanted_bytes(r);
    return e == S3_OK ? wanted_sums(r, row) : e;
}

/* --- the operation --- */

static const struct row *row_find(const struct s3_request *r)
{
    enum level level = r->key.len ? OBJECT : r->bucket.len ? BUCKET : SERVICE;
    bool copy = level == OBJECT && bytes_equal(r->head->method, BYTES_STR("PUT")) &&
                request_field(r, "x-amz-copy-source");
    const struct row *row = copy ? copy_rows : rows;
    const struct row *end = row + (copy ? ARRAY_LEN(copy_rows) : ARRAY_LEN(rows));

    for (; row < end; row++)
        if (row->level == level && bytes_equal(r->head->method, BYTES_STR(row->method)) &&
            (!row->sub || request_arg(r, row->sub)))
            return row;
    return NULL;
}

void route(struct s3_request *r)
{
    const struct row *row = row_find(r);
    enum s3_error e;

    if (!row) {
        request_reply_error(r, bytes_equal(r->head->method, BYTES_STR("OPTIONS")) ||
                                       bytes_equal(r->head->method, BYTES_STR("POST"))
                                   ? S3_NotImplemented
                                   : S3_MethodNotAllowed);
        return;
    }
    r->op = row->op;
    e = check_args(r, row);
    if (e == S3_OK)
        e = check_fields(r, row);
    if (e == S3_OK)
        e = check_body(r, row);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    gate(r, row->takes & TAKES_ROOM);
}

const struct s3_op *route_op(uint32_t i)
{
    if (i < ARRAY_LEN(rows))
        return rows[i].op;
    i -= ARRAY_LEN(rows);
    if (i < ARRAY_LEN(copy_rows))
        return copy_rows[i].op;
    return i == ARRAY_LEN(copy_rows) ? &op_post_object : NULL;
}

enum s3_error route_post(struct s3_request *r)
{
    const struct row *row = rows;
    enum s3_error e;

    while (row->op != &op_put_object)
        row++;
    e = check_fields(r, row);
    if (e == S3_OK)
        e = wanted_sums(r, row);
    if (e != S3_OK)
        return e;
    gate(r, true);
    return S3_OK;
}
