/* list.c - ListObjects, ListObjectsV2 and ListObjectVersions: one scan of the bucket layer, told in
 * three ways.
 *
 * There are no versions: of a bucket that never had any, S3 tells each object as the only, latest,
 * version of its key, with the id "null".  Who empties a bucket asks so.
 *
 * A continuation token is where the page before stopped, in hexadecimal digits: opaque to clients,
 * and good for ever. */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"

enum { ROW_BYTES = 320 }; /* of XML, with a key of ordinary length */

enum form { FORM_V1, FORM_V2, FORM_VERSIONS };

struct list_state {
    struct object_list_args args;
    enum form form;
    bool url, owner;
    struct xml_date date; /* of the row before: most have the same */
};

static const struct bytes none;

static struct bytes arg_or_none(const struct s3_request *r, const char *name)
{
    const struct bytes *value = request_arg(r, name);

    return value ? *value : none;
}

#define PUT(w, literal) wr_raw((w), (literal), sizeof(literal) - 1)

static void put_word(struct writer *w, const char *word) /* nothing in it needs an escape */
{
    wr_raw(w, word, strlen(word));
}

/* There are 1,000 on a page: what stands between two values is written at once. */
static void put_object(struct s3_request *r, const struct object_list *list,
                       const struct object_list_row *row)
{
    struct list_state *s = r->state;
    struct writer *w = &r->xml;
    char etag[S3_ETAG_TEXT];

    s3_etag_text(&row->info.etag, etag);
    if (s->form == FORM_VERSIONS)
        PUT(w, "<Version><Key>");
    else
        PUT(w, "<Contents><Key>");
    xml_text_key(w, row->name, s->url);
    PUT(w, "</Key>");
    if (s->form == FORM_VERSIONS)
        PUT(w, "<VersionId>null</VersionId><IsLatest>true</IsLatest>");
    PUT(w, "<LastModified>");
    xml_text_time(w, row->info.mtime_ns, &s->date);
    PUT(w, "</LastModified><ETag>&quot;");
    put_word(w, etag);
    PUT(w, "&quot;</ETag>");
    if (row->info.sum.kind) {
        PUT(w, "<ChecksumAlgorithm>");
        put_word(w, checksum_name(row->info.sum.kind));
        PUT(w, "</ChecksumAlgorithm><ChecksumType>");
        put_word(w, sum_type_name(row->info.sum.type));
        PUT(w, "</ChecksumType>");
    }
    PUT(w, "<Size>");
    xml_text_u64(w, row->info.size);
    PUT(w, "</Size><StorageClass>STANDARD</StorageClass>");
    if (s->owner)
        xml_put_owner(w, "Owner", list->owner);
    if (s->form == FORM_VERSIONS)
        PUT(w, "</Version>");
    else
        PUT(w, "</Contents>");
}

static void put_rows(struct s3_request *r, const struct object_list *list)
{
    const struct list_state *s = r->state;
    struct writer *w = &r->xml;

    wr_reserve(w, list->count * (size_t)ROW_BYTES);
    for (uint32_t i = 0; i < list->count; i++)
        if (!list->rows[i].is_prefix)
            put_object(r, list, &list->rows[i]);
    for (uint32_t i = 0; i < list->count; i++) {
        if (!list->rows[i].is_prefix)
            continue;
        xml_open(w, "CommonPrefixes");
        xml_put_key(w, "Prefix", list->rows[i].name, s->url);
        xml_close(w, "CommonPrefixes");
    }
}

static void put_position_v2(struct s3_request *r, const struct object_list *list)
{
    const struct list_state *s = r->state;
    const struct bytes *token = request_arg(r, "continuation-token");
    const struct bytes *after = request_arg(r, "start-after");
    char hex[2 * (S3_KEY_MAX + 1) + 1];

    xml_put_u64(&r->xml, "KeyCount", list->count);
    if (token)
        xml_put(&r->xml, "ContinuationToken", *token);
    if (after)
        xml_put_key(&r->xml, "StartAfter", *after, s->url);
    if (!list->truncated || list->next.len > S3_KEY_MAX + 1)
        return;
    hex_put(list->next.data, list->next.len, hex);
    xml_put_str(&r->xml, "NextContinuationToken", hex);
}

static void put_position_versions(struct s3_request *r, const struct object_list *list)
{
    const struct list_state *s = r->state;
    struct writer *w = &r->xml;

    xml_put_key(w, "KeyMarker", s->args.after, s->url);
    xml_put(w, "VersionIdMarker", arg_or_none(r, "version-id-marker"));
    if (!list->truncated)
        return;
    xml_put_key(w, "NextKeyMarker", list->next, s->url);
    if (!list->rows[list->count - 1].is_prefix)
        xml_put_str(w, "NextVersionIdMarker", "null");
}

static void listed(void *arg, int rc, const struct object_list *list)
{
    static const char *const roots[] = {"ListBucketResult", "ListBucketResult",
                                        "ListVersionsResult"};

    struct s3_request *r = arg;
    const struct list_state *s = r->state;
    struct writer *w = &r->xml;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(w, roots[s->form]);
    xml_put(w, "Name", r->bucket);
    xml_put_key(w, "Prefix", s->args.prefix, s->url);
    if (s->args.delimiter.len)
        xml_put_key(w, "Delimiter", s->args.delimiter, s->url);
    xml_put_u64(w, "MaxKeys", s->args.max);
    if (s->url)
        xml_put_str(w, "EncodingType", "url");
    xml_put_bool(w, "IsTruncated", list->truncated);
    if (s->form == FORM_V2) {
        put_position_v2(r, list);
    } else if (s->form == FORM_VERSIONS) {
        put_position_versions(r, list);
    } else {
        xml_put_key(w, "Marker", s->args.after, s->url);
        if (list->truncated)
            xml_put_key(w, "NextMarker", list->next, s->url);
    }
    put_rows(r, list);
    xml_close(w, roots[s->form]);
    request_reply_xml(r);
    request_drop(r);
}

static enum s3_error token_decode(struct s3_request *r, struct bytes token, struct bytes *out_after)
{
    uint8_t *text = arena_alloc(r->arena, token.len / 2 + 1);

    if (!text)
        return S3_ServiceUnavailable;
    r->why = "The continuation token provided is incorrect";
    if (token.len / 2 > S3_KEY_MAX + 1 || !hex_get(token, text, token.len / 2))
        return S3_InvalidArgument;
    r->why = NULL;
    *out_after = (struct bytes){text, token.len / 2};
    return S3_OK;
}

/* Behind a key there is one version at most: its marker changes nothing. */
static enum s3_error version_marker(struct s3_request *r)
{
    const struct bytes *id = request_arg(r, "version-id-marker");

    if (!id || id->len == 0)
        return S3_OK;
    if (arg_or_none(r, "key-marker").len == 0)
        return request_wrong(r, S3_InvalidArgument,
                             "A version-id marker cannot be specified without a key marker.");
    return bytes_equal(*id, BYTES_STR("null"))
               ? S3_OK
               : request_wrong(r, S3_InvalidArgument, "Invalid version id specified");
}

static enum s3_error list_args(struct s3_request *r, struct list_state *s)
{
    static const char *const markers[] = {"marker", "start-after", "key-marker"};
    const struct bytes *max = request_arg(r, "max-keys");
    const struct bytes *encoding = request_arg(r, "encoding-type");
    const struct bytes *token = request_arg(r, "continuation-token");
    const struct bytes *type = request_arg(r, "list-type");
    uint64_t n = S3_LIST_MAX;

    if (max && !number_get(*max, INT32_MAX, &n))
        return request_wrong(r, S3_InvalidArgument,
                             "Argument max-keys must be an integer between 0 and 2147483647");
    if (encoding && !bytes_equal(*encoding, BYTES_STR("url")))
        return request_wrong(r, S3_InvalidArgument,
                             "Invalid Encoding Method specified in Request: there is 'url'");
    if (type && !bytes_equal(*type, BYTES_STR("2")))
        return request_wrong(r, S3_InvalidArgument, "Argument list-type must be 2");
    s->url = encoding != NULL;
    s->args.bucket = r->bucket;
    s->args.prefix = arg_or_none(r, "prefix");
    s->args.delimiter = arg_or_none(r, "delimiter");
    s->args.max = (uint32_t)MIN(n, S3_LIST_MAX);
    s->args.after = arg_or_none(r, markers[s->form]);
    s->owner = s->form != FORM_V2 || bytes_equal(arg_or_none(r, "fetch-owner"), BYTES_STR("true"));
    if (s->form == FORM_VERSIONS)
        return version_marker(r);
    return token ? token_decode(r, *token, &s->args.after) : S3_OK;
}

static void list_start(struct s3_request *r, enum form form)
{
    struct list_state *s = request_state(r, sizeof(*s), NULL);
    enum s3_error e;
    int rc;

    if (!s)
        return;
    s->form = form;
    e = list_args(r, s);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    request_hold(r);
    rc = object_list(r->g->buckets, &r->who, &s->args, listed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void v1_start(struct s3_request *r)
{
    list_start(r, FORM_V1);
}

static void v2_start(struct s3_request *r)
{
    list_start(r, FORM_V2);
}

static void versions_start(struct s3_request *r)
{
    list_start(r, FORM_VERSIONS);
}

const struct s3_op op_list_v1 = {"ListObjects", v1_start, NULL};
const struct s3_op op_list_v2 = {"ListObjectsV2", v2_start, NULL};
const struct s3_op op_list_versions = {"ListObjectVersions", versions_start, NULL};
