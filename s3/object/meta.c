/* meta.c - headers kept with objects, conditions and ranges of reads. */
#include <stdio.h>

#include "s3/gateway.h"
#include "s3/object/acl.h"
#include "s3/object/meta.h"
#include "s3/text.h"

/* The next of a list, without blanks around it. */
bool list_item(struct bytes *list, struct bytes *out_item)
{
    const uint8_t *comma;

    if (list->len == 0)
        return false;
    comma = memchr(list->data, ',', list->len);
    *out_item = *list;
    if (comma)
        out_item->len = (uint32_t)(comma - list->data);
    *list = text_skip(*list, comma ? out_item->len + 1u : out_item->len);
    *out_item = text_trim(*out_item);
    return true;
}

/* --- what is kept --- */

static bool is_kept(struct bytes name)
{
    static const char *const names[] = {"content-type",     "content-disposition",
                                        "content-encoding", "content-language",
                                        "cache-control",    "expires"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (bytes_equal(name, BYTES_STR(names[i])))
            return true;
    return text_starts(name, "x-amz-meta-");
}

/* "aws-chunked" says how the request was wrapped, not what the object is. */
static int strip_chunked(struct arena *a, struct bytes value, struct bytes *out_value)
{
    char *text = arena_alloc(a, (size_t)value.len * 2 + 1);
    struct bytes item;
    uint32_t len = 0;

    if (!text)
        return -ENOMEM;
    while (list_item(&value, &item)) {
        if (item.len == 0 || bytes_equal(item, BYTES_STR("aws-chunked")))
            continue;
        if (len)
            text[len++] = ',';
        memcpy(text + len, item.data, item.len);
        len += item.len;
    }
    *out_value = (struct bytes){(uint8_t *)text, len};
    return 0;
}

static enum s3_error keep(struct meta *m, struct bytes name, struct bytes value)
{
    if (m->count == S3_HEADERS_MAX)
        return S3_MetadataTooLarge;
    m->header[m->count++] = (struct s3_header){name, value};
    return S3_OK;
}

enum s3_error meta_collect(struct s3_request *r, struct meta *out_meta)
{
    const struct bytes *tagging = request_field(r, "x-amz-tagging");
    const struct bytes *acl = request_field(r, "x-amz-acl");
    enum s3_error e = S3_OK;
    uint64_t user_bytes = 0;

    out_meta->count = out_meta->tags.count = 0;
    out_meta->acl = S3_ACL_PRIVATE;
    if (tagging)
        e = tags_of_header(r, *tagging, &out_meta->tags);
    if (acl && e == S3_OK)
        e = acl_of_name(*acl, &out_meta->acl);
    for (uint32_t i = 0; i < r->head->field_count && e == S3_OK; i++) {
        struct http_field f = r->head->field[i];

        if (!is_kept(f.name))
            continue;
        if (text_starts(f.name, "x-amz-meta-"))
            user_bytes += f.name.len - strlen("x-amz-meta-") + f.value.len;
        if (bytes_equal(f.name, BYTES_STR("content-encoding"))) {
            if (strip_chunked(r->arena, f.value, &f.value) < 0)
                return S3_ServiceUnavailable;
        }
        if (f.value.len == 0 && !text_starts(f.name, "x-amz-meta-"))
            continue; /* says nothing */
        e = keep(out_meta, f.name, f.value);
    }
    return user_bytes > META_USER_BYTES_MAX ? S3_MetadataTooLarge : e;
}

/* --- what is told --- */

enum s3_error meta_reply_etag(struct s3_request *r, const struct s3_etag *etag)
{
    char text[S3_ETAG_TEXT + 2] = "\"";
    const char *kept;

    s3_etag_text(etag, text + 1);
    strcat(text, "\"");
    kept = arena_strdup(r->arena, text, strlen(text));
    if (!kept)
        return S3_ServiceUnavailable;
    request_field_set(r, "ETag", BYTES_STR(kept));
    return S3_OK;
}

const char *sum_type_name(enum s3_sum_type type)
{
    return type == S3_SUM_COMPOSITE ? "COMPOSITE" : "FULL_OBJECT";
}

void sum_text(const struct s3_sum *sum, uint32_t parts, char out[SUM_TEXT])
{
    base64_put(sum->value, checksum_bytes(sum->kind), out);
    if (sum->type == S3_SUM_COMPOSITE)
        (void)snprintf(out + strlen(out), 12, "-%u", (unsigned)parts);
}

enum s3_error meta_reply_sum(struct s3_request *r, const struct s3_sum *sum, uint32_t parts)
{
    char *text = arena_alloc(r->arena, SUM_TEXT);

    if (sum->kind == CHECKSUM_NONE)
        return S3_OK;
    if (!text)
        return S3_ServiceUnavailable;
    sum_text(sum, parts, text);
    request_field_set(r, checksum_field(sum->kind), BYTES_STR(text));
    request_field_set(r, "x-amz-checksum-type", BYTES_STR(sum_type_name(sum->type)));
    return S3_OK;
}

/* response-content-type=... and its kin replace what was kept. */
static void overrides(struct s3_request *r)
{
    static const struct {
        const char *arg, *field;
    } all[] = {
        {"response-content-type", "content-type"},
        {"response-content-language", "content-language"},
        {"response-expires", "expires"},
        {"response-cache-control", "cache-control"},
        {"response-content-disposition", "content-disposition"},
        {"response-content-encoding", "content-encoding"},
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        const struct bytes *value = request_arg(r, all[i].arg);

        if (value)
            request_field_set(r, all[i].field, *value);
    }
}

static bool is_field_text(struct bytes b)
{
    for (uint32_t i = 0; i < b.len; i++)
        if ((b.data[i] < 0x20 && b.data[i] != '\t') || b.data[i] == 0x7f)
            return false;
    return true;
}

/* An override was decoded: it could hold line ends, and so begin another answer. */
static enum s3_error check_overrides(struct s3_request *r)
{
    for (uint32_t i = 0; i < r->query.count; i++) {
        if (!text_starts(r->query.arg[i].name, "response-"))
            continue;
        if (r->who.anonymous) /* nobody may make a site say what it does not */
            return request_wrong(r, S3_InvalidRequest,
                                 "Request specific response headers cannot be used for anonymous "
                                 "GET requests.");
        if (!is_field_text(r->query.arg[i].value))
            return request_wrong(
                r, S3_InvalidArgument,
                "A response- parameter of the query is not one that a header could "
                "be.");
    }
    return S3_OK;
}

/* How many, where there are any; which is asked for by a call of its own. */
static enum s3_error reply_tag_count(struct s3_request *r, uint32_t count)
{
    const char *kept;
    char text[12];

    if (count == 0)
        return S3_OK;
    (void)snprintf(text, sizeof(text), "%u", (unsigned)count);
    kept = arena_strdup(r->arena, text, strlen(text));
    if (!kept)
        return S3_ServiceUnavailable;
    request_field_set(r, "x-amz-tagging-count", BYTES_STR(kept));
    return S3_OK;
}

enum s3_error meta_reply(struct s3_request *r, const struct object_info *info, bool whole)
{
    char *date = arena_alloc(r->arena, HTTP_DATE_BYTES);
    enum s3_error e = check_overrides(r);

    if (e == S3_OK && whole && request_field(r, "x-amz-checksum-mode"))
        e = meta_reply_sum(r, &info->sum, info->etag.parts);
    if (e == S3_OK)
        e = reply_tag_count(r, info->owned ? info->tag_count : 0);
    if (e == S3_OK)
        e = date ? meta_reply_etag(r, &info->etag) : S3_ServiceUnavailable;
    if (e != S3_OK)
        return e;
    http_date_put(info->mtime_ns, date);
    request_field_set(r, "Last-Modified", BYTES_STR(date));
    request_field_set(r, "Accept-Ranges", BYTES_STR("bytes"));
    request_field_set(r, "content-type", BYTES_STR("binary/octet-stream"));
    for (uint32_t i = 0; i < info->header_count; i++)
        request_field_add(r, info->headers[i].name, info->headers[i].value);
    overrides(r);
    return S3_OK;
}

/* --- ranges --- */

/* A position; one that no object has is as good as the last possible. */
static bool position_get(struct bytes text, uint64_t *out_at)
{
    while (text.len > 1 && text.data[0] == '0')
        text = text_skip(text, 1);
    if (number_get(text, INT64_MAX, out_at))
        return true;
    for (uint32_t i = 0; i < text.len; i++)
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
    *out_at = INT64_MAX;
    return text.len > 0;
}

enum s3_error range_parse(struct bytes text, uint64_t size, uint64_t *out_off, uint64_t *out_bytes,
                          bool *out_whole)
{
    const uint8_t *dash;
    struct bytes first, last;
    uint64_t from = 0, to = 0;

    *out_whole = true;
    if (!text_starts(text, "bytes="))
        return S3_OK;
    text = text_trim(text_skip(text, 6));
    if (text.len && memchr(text.data, ',', text.len))
        return S3_InvalidArgument; /* several: S3 sends the whole object, HTTP allows it */
    dash = text.len ? memchr(text.data, '-', text.len) : NULL;
    if (!dash)
        return S3_InvalidArgument;
    first = (struct bytes){text.data, (uint32_t)(dash - text.data)};
    last = text_skip(text, first.len + 1u);
    if ((first.len && !position_get(first, &from)) || (last.len && !position_get(last, &to)) ||
        first.len + last.len == 0 || (first.len && last.len && from > to))
        return S3_InvalidArgument;
    if (first.len ? from >= size : to == 0 || size == 0)
        return S3_InvalidRange;
    if (!first.len) /* the last `to` bytes */
        from = size - MIN(to, size);
    *out_off = from;
    *out_bytes = first.len && last.len ? MIN(to, size - 1) - from + 1 : size - from;
    *out_whole = false;
    return S3_OK;
}
