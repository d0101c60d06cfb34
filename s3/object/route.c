/* route.c - from method, target and fields to an operation.
 *
 * A row names a method, what the target is, and the query argument that makes it a sub-resource.
 * It also names every other argument that the operation understands, and the fields: what is not
 * named is answered with 501.  Clients send some fields always, with values that say what we do
 * anyway; these values are accepted, and no others. */
#include <stdio.h>

#include "s3/gateway.h"
#include "s3/host.h"
#include "s3/object/gate.h"
#include "s3/object/route.h"
#include "s3/object/wanted.h"
#include "s3/text.h"

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
    {"GET", SERVICE, NULL, &op_list_buckets, "prefix max-buckets continuation-token bucket-region",
     0},

    {"HEAD", BUCKET, NULL, &op_head_bucket, "", 0},
    {"GET", BUCKET, "list-type", &op_list_v2,
     LIST_ARGS " continuation-token start-after fetch-owner", TAKES_LIST},
    {"GET", BUCKET, "versions", &op_list_versions, LIST_ARGS " key-marker version-id-marker",
     TAKES_LIST},
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
    {"x-amz-expected-bucket-owner", 0, NULL},     /* gate.c */
    {"x-amz-te", TAKES_CONDITIONS, "append-md5"}, /* what an SDK could take, not what it wants */
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
    {"x-amz-source-expected-bucket-owner", TAKES_COPY, NULL},
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
    {"x-amz-checksum-algorithm", NULL, S3_InvalidRequest}, /* checksum_elsewhere */
    {"x-amz-checksum-type", "", S3_InvalidRequest},
    {"x-amz-metadata-directive", "", S3_InvalidArgument},
    {"x-amz-tagging-directive", "", S3_InvalidArgument},
};

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

/* With the name of what it is about, if it can be shown. */
static enum s3_error named(struct s3_request *r, enum s3_error e, const char *what,
                           struct bytes name, const char *how)
{
    enum { WHY_BYTES = 192, NAME_BYTES = 64 };
    char *why = arena_alloc(r->arena, WHY_BYTES);

    for (uint32_t i = 0; i < name.len; i++)
        if (name.data[i] <= ' ' || name.data[i] >= 0x7f)
            return e;
    if (why)
        (void)snprintf(why, WHY_BYTES, "The %s %.*s %s.", what,
                       (int)MIN(name.len, (uint32_t)NAME_BYTES), (const char *)name.data, how);
    r->why = why;
    return e;
}

static enum s3_error not_here(struct s3_request *r, const char *what, struct bytes name)
{
    return named(r, S3_NotImplemented, what, name, "that you provided is not implemented");
}

/* Arguments that mean something in S3 where something is read: others mean nothing there. */
static bool is_of_s3(struct bytes name)
{
    static const char all[] =
        "accelerate acl analytics append attributes cors delete encryption intelligent-tiering "
        "inventory legal-hold lifecycle list-type location logging metadataConfiguration "
        "metadataTable metrics notification object-lock ownershipControls partNumber policy "
        "policyStatus publicAccessBlock renameObject replication requestPayment restore retention "
        "select select-type session tagging torrent uploadId uploads versionId versioning versions "
        "website";

    return listed(all, ' ', name) || text_starts_any_case(name, "x-amz-") ||
           text_starts_any_case(name, "response-");
}

/* S3 keeps "x-..." for its log and looks at it no further.  To a page's logo.png they append
 * "?v=2", for browsers to load it anew: a read of an object is the same read with it.  A listing
 * that says so (list-type=2) is one, whatever a client's own server would do besides. */
static bool is_idle(const struct row *row, struct bytes name, struct bytes value)
{
    bool read = row->op == &op_get_object || row->op == &op_head_object || row->op == &op_list_v2;

    if (text_starts(name, "x-") && !text_starts_any_case(name, "x-amz-"))
        return true;
    if (text_is(name, "Version") && text_is(value, "2006-03-01")) /* of the API: ours; libcloud */
        return true;
    return read && !is_of_s3(name) && !listed(row->args, ' ', name);
}

static enum s3_error check_args(struct s3_request *r, const struct row *row)
{
    for (uint32_t i = 0; i < r->query.count; i++) {
        struct bytes name = r->query.arg[i].name;

        if (is_idle(row, name, r->query.arg[i].value)) /* x-id, the operation's name, among them */
            continue;
        for (uint32_t k = 0; k < i; k++)
            if (bytes_equal(r->query.arg[k].name, name))
                return request_wrong(r, S3_InvalidArgument,
                                     "A parameter of the query is there twice.");
        if (row->sub && bytes_equal(name, BYTES_STR(row->sub)))
            continue;
        if (!listed(row->args, ' ', name))
            return not_here(r, "query parameter", name);
        if (bytes_equal(name, BYTES_STR("versionId")) &&
            !bytes_equal(r->query.arg[i].value, BYTES_STR("null")))
            return not_here(r, "value of the query parameter", name); /* there are no versions */
    }
    return S3_OK;
}

static enum s3_error other_value(struct s3_request *r, const struct http_field *f)
{
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
        if (bytes_equal(f->name, BYTES_STR(elsewhere[i].name)) &&
            !(elsewhere[i].values ? listed(elsewhere[i].values, '|', f->value)
                                  : checksum_elsewhere(f->value)))
            return named(r, elsewhere[i].wrong, "header", f->name, "has a value that S3 has not");
    return not_here(r, "value of the header", f->name);
}

static enum s3_error check_field(struct s3_request *r, const struct row *row,
                                 const struct http_field *f)
{
    if (text_starts(f->name, "x-amz-meta-"))
        return row->takes & TAKES_META ? S3_OK : not_here(r, "header", f->name);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!bytes_equal(f->name, BYTES_STR(fields[i].name)))
            continue;
        if (fields[i].takes && !(fields[i].takes & row->takes))
            return not_here(r, "header", f->name);
        return !fields[i].values || listed(fields[i].values, '|', f->value) ? S3_OK
                                                                            : other_value(r, f);
    }
    return text_starts(f->name, "x-amz-") ? not_here(r, "header", f->name) : S3_OK;
}

static enum s3_error check_fields(struct s3_request *r, const struct row *row)
{
    enum s3_error e = S3_OK;

    for (uint32_t i = 0; i < r->head->field_count && e == S3_OK; i++)
        e = check_field(r, row, &r->head->field[i]);
    return e;
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
        e = wanted_body(r, !(row->takes & TAKES_BODY), row->takes & TAKES_OBJECT_SUM);
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
        e = wanted_sums(r, row->takes & TAKES_OBJECT_SUM);
    if (e != S3_OK)
        return e;
    gate(r, true);
    return S3_OK;
}
