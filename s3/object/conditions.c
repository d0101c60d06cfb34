/* conditions.c - If-Match and its kin: judged here of a read, passed on to the commit of a write.
 *
 * RFC 9110, 13.2.2: If-Match before If-Unmodified-Since, If-None-Match before If-Modified-Since; of
 * each pair the ETag is the stronger one, and then the time is not looked at. */
#include <stdio.h>

#include "s3/object/meta.h"

static struct bytes skip(struct bytes b, size_t n)
{
    return (struct bytes){b.data + n, b.len - (uint32_t)n};
}

static const struct bytes *condition(const struct http_head *head, const char *prefix,
                                     const char *name)
{
    char full[64];

    (void)snprintf(full, sizeof(full), "%s%s", prefix, name);
    return http_field(head, full);
}

static struct bytes unquoted(struct bytes b)
{
    if (b.len >= 2 && b.data[0] == '"' && b.data[b.len - 1] == '"')
        return (struct bytes){b.data + 1, b.len - 2};
    return b;
}

/* Is the object's ETag one of the list?  Quotes may be missing: clients of S3 leave them out. */
static bool etag_listed(struct bytes list, const struct s3_etag *etag)
{
    char text[S3_ETAG_TEXT];
    struct bytes item;

    s3_etag_text(etag, text);
    while (list_item(&list, &item)) {
        if (bytes_equal(item, BYTES_STR("*")))
            return true;
        if (item.len > 2 && item.data[0] == 'W' && item.data[1] == '/')
            item = skip(item, 2);
        if (bytes_equal(unquoted(item), BYTES_STR(text)))
            return true;
    }
    return false;
}

enum s3_error conditions_check(const struct http_head *head, const char *prefix,
                               const struct object_info *info)
{
    const struct bytes *match = condition(head, prefix, "if-match");
    const struct bytes *none = condition(head, prefix, "if-none-match");
    const struct bytes *since = condition(head, prefix, "if-modified-since");
    const struct bytes *until = condition(head, prefix, "if-unmodified-since");
    int64_t changed = (int64_t)(info->mtime_ns / NS_PER_S), at;
    /* A copy that need not be made is a failure, a read that need not be done is not. */
    enum s3_error same = prefix[0] ? S3_PreconditionFailed : S3_NotModified;

    if (match ? !etag_listed(*match, &info->etag)
              : until && http_date_get(*until, &at) && changed > at)
        return S3_PreconditionFailed;
    if (none ? etag_listed(*none, &info->etag)
             : since && http_date_get(*since, &at) && changed <= at)
        return same;
    return S3_OK;
}

void etag_parse(struct bytes text, struct s3_etag *out_etag)
{
    struct bytes hex = unquoted(text), number;
    struct s3_etag etag = {.parts = 0};
    uint64_t parts = 0;

    out_etag->parts = UINT32_MAX; /* no object has so many: it is nobody's */
    if (hex.len > 32) {
        number = skip(hex, 33);
        if (hex.data[32] != '-' || !number_get(number, S3_PART_NUMBER_MAX, &parts) || parts == 0)
            return;
        hex.len = 32;
    }
    etag.parts = (uint32_t)parts;
    if (hex_get(hex, etag.md5, sizeof(etag.md5)))
        *out_etag = etag;
}

static enum s3_error match_of(const struct bytes *match, struct s3_condition *out_cond)
{
    if (memchr(match->data, ',', match->len))
        return S3_NotImplemented; /* one of several */
    if (bytes_equal(*match, BYTES_STR("*"))) {
        out_cond->exists = true;
    } else {
        out_cond->match = true;
        etag_parse(*match, &out_cond->etag);
    }
    return S3_OK;
}

enum s3_error conditions_of_write(const struct http_head *head, struct s3_condition *out_cond)
{
    const struct bytes *match = http_field(head, "if-match");
    const struct bytes *none = http_field(head, "if-none-match");

    memset(out_cond, 0, sizeof(*out_cond));
    if (none && (match || !bytes_equal(*none, BYTES_STR("*"))))
        return S3_NotImplemented;
    out_cond->absent = none != NULL;
    return match ? match_of(match, out_cond) : S3_OK;
}

enum s3_error conditions_of_delete(const struct http_head *head, struct s3_condition *out_cond)
{
    const struct bytes *match = http_field(head, "if-match");
    const struct bytes *size = http_field(head, "x-amz-if-match-size");
    const struct bytes *mtime = http_field(head, "x-amz-if-match-last-modified-time");
    int64_t at;

    memset(out_cond, 0, sizeof(*out_cond));
    if (size && !number_get(*size, INT64_MAX, &out_cond->size))
        return S3_InvalidArgument;
    if (mtime && (!http_date_get(*mtime, &at) || at < 0))
        return S3_InvalidArgument;
    out_cond->same_size = size != NULL;
    out_cond->same_mtime = mtime != NULL;
    if (mtime)
        out_cond->mtime_s = (uint64_t)at;
    return match ? match_of(match, out_cond) : S3_OK;
}

void condition_failed(struct s3_request *r, int rc, const struct s3_condition *c)
{
    if (rc != -R_BUCKET_BUSY || !request_open(r) || !(c->absent || c->exists || c->match)) {
        request_call_failed(r, rc);
        return;
    }
    request_reply_error(r, S3_ConditionalRequestConflict);
    request_drop(r);
}
