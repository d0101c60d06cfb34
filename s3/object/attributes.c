/* attributes.c - GetObjectAttributes: what is known of an object and its parts, without its bytes.
 */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"
#include "s3/text.h"

enum attribute { ATTR_ETAG = 1, ATTR_CHECKSUM = 2, ATTR_PARTS = 4, ATTR_CLASS = 8, ATTR_SIZE = 16 };
enum { PARTS_AT_ONCE = 1000 };

struct attr_state {
    struct object_get *get; /* owned */
    unsigned wanted;
    uint64_t max, after;
};

static void attr_fini(struct s3_request *r)
{
    struct attr_state *s = r->state;

    if (s->get)
        object_get_close(s->get);
}

static enum s3_error wanted_add(struct bytes list, unsigned *io_wanted)
{
    static const struct {
        const char *name;
        enum attribute bit;
    } names[] = {{"ETag", ATTR_ETAG},
                 {"Checksum", ATTR_CHECKSUM},
                 {"ObjectParts", ATTR_PARTS},
                 {"StorageClass", ATTR_CLASS},
                 {"ObjectSize", ATTR_SIZE}};
    struct bytes item;

    while (list_item(&list, &item)) {
        unsigned bit = 0;

        for (size_t i = 0; i < ARRAY_LEN(names); i++)
            if (text_is(item, names[i].name))
                bit = names[i].bit;
        if (!bit)
            return S3_InvalidArgument;
        *io_wanted |= bit;
    }
    return S3_OK;
}

/* As a list in one line or, by Go's SDK, in a line each. */
static enum s3_error wanted_of(struct s3_request *r, unsigned *out_wanted)
{
    enum s3_error e = S3_OK;

    *out_wanted = 0;
    for (uint32_t i = 0; i < r->head->field_count && e == S3_OK; i++)
        if (text_is(r->head->field[i].name, "x-amz-object-attributes"))
            e = wanted_add(r->head->field[i].value, out_wanted);
    if (e == S3_OK && *out_wanted)
        return S3_OK;
    return request_wrong(r, S3_InvalidArgument,
                         "x-amz-object-attributes must be a list of ETag, Checksum, ObjectParts, "
                         "StorageClass, ObjectSize");
}

static void put_checksum(struct writer *w, const struct object_info *info)
{
    if (info->sum.kind == CHECKSUM_NONE)
        return;
    xml_open(w, "Checksum");
    xml_put_sum(w, &info->sum, info->etag.parts);
    xml_put_str(w, "ChecksumType", sum_type_name(info->sum.type));
    xml_close(w, "Checksum");
}

/* Of an object that came in one piece there are none to tell. */
static void put_parts(struct s3_request *r)
{
    const struct attr_state *s = r->state;
    struct writer *w = &r->xml;
    uint32_t count, i = 0, told = 0;
    const struct object_part *part = object_get_parts(s->get, &count);

    if (!part)
        return;
    while (i < count && part[i].number <= s->after)
        i++;
    xml_open(w, "ObjectParts");
    xml_put_u64(w, "PartsCount", count);
    xml_put_u64(w, "PartNumberMarker", s->after);
    xml_put_u64(w, "MaxParts", s->max);
    xml_put_bool(w, "IsTruncated", count - i > s->max);
    for (; i < count && told < s->max; i++, told++) {
        xml_open(w, "Part");
        xml_put_u64(w, "PartNumber", part[i].number);
        xml_put_u64(w, "Size", part[i].size);
        xml_put_sum(w, &part[i].sum, 0);
        xml_close(w, "Part");
    }
    xml_put_u64(w, "NextPartNumberMarker", told ? part[i - 1].number : s->after);
    xml_close(w, "ObjectParts");
}

static void answer(struct s3_request *r, const struct object_info *info)
{
    const struct attr_state *s = r->state;
    char *date = arena_alloc(r->arena, HTTP_DATE_BYTES), etag[S3_ETAG_TEXT];
    struct writer *w = &r->xml;

    s3_etag_text(&info->etag, etag);
    xml_begin(w, "GetObjectAttributesResponse");
    if (s->wanted & ATTR_ETAG)
        xml_put_str(w, "ETag", etag); /* without quotes here */
    if (s->wanted & ATTR_CHECKSUM)
        put_checksum(w, info);
    if (s->wanted & ATTR_PARTS)
        put_parts(r);
    if (s->wanted & ATTR_CLASS)
        xml_put_str(w, "StorageClass", "STANDARD");
    if (s->wanted & ATTR_SIZE)
        xml_put_u64(w, "ObjectSize", info->size);
    xml_close(w, "GetObjectAttributesResponse");
    if (date) {
        http_date_put(info->mtime_ns, date);
        request_field_set(r, "Last-Modified", BYTES_STR(date));
    }
    request_reply_xml(r);
}

static void opened(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    enum s3_error e;

    if (rc == 0 && !info->owned) /* a right of its own, which no ACL gives */
        rc = -R_DENIED;
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = conditions_check(r->head, "", info);
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        answer(r, info);
    request_drop(r);
}

static enum s3_error number_of(struct s3_request *r, const char *name, uint64_t max, uint64_t *io_n)
{
    const struct bytes *text = request_field(r, name);

    if (!text || number_get(*text, max, io_n))
        return S3_OK;
    return request_wrong(r, S3_InvalidArgument,
                         "x-amz-max-parts and x-amz-part-number-marker must be integers between 0 "
                         "and 2147483647");
}

static void attr_start(struct s3_request *r)
{
    struct attr_state *s = request_state(r, sizeof(*s), attr_fini);
    enum s3_error e;
    int rc;

    if (!s)
        return;
    s->max = PARTS_AT_ONCE;
    e = wanted_of(r, &s->wanted);
    if (e == S3_OK)
        e = number_of(r, "x-amz-max-parts", INT32_MAX, &s->max);
    if (e == S3_OK)
        e = number_of(r, "x-amz-part-number-marker", INT32_MAX, &s->after);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    s->max = MIN(s->max, (uint64_t)PARTS_AT_ONCE);
    request_hold(r);
    rc = object_get_open(r->g->buckets, &r->who, r->bucket, r->key, opened, r, &s->get);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_get_attributes = {"GetObjectAttributes", attr_start, NULL};
