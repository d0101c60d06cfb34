/* tags.c - GetObjectTagging and its kin, for objects and buckets.
 *
 * Keys are 1 to 128 characters, values up to 256, each key once; letters of any script, digits,
 * blanks and + - = . _ : / @ are allowed.  Keys that begin with "aws:" belong to AWS. */
#include "s3/object/tags.h"
#include "core/base/utf8.h"
#include "s3/gateway.h"
#include "s3/object/route.h"
#include "s3/object/xml_body.h"
#include "s3/object/xml_parts.h"
#include "s3/text.h"

enum { KEY_CHARS_MAX = 128, VALUE_CHARS_MAX = 256 };

/* --- rules --- */

static bool text_allowed(struct bytes b, unsigned chars_max)
{
    unsigned chars = 0;

    if (!utf8_valid(b.data, b.len))
        return false;
    for (uint32_t i = 0; i < b.len; i++) {
        uint8_t c = b.data[i];

        chars += (c & 0xc0) != 0x80; /* not a byte that goes on with one */
        if (c < 0x80 && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && (c == '\0' || !strchr(" +-=._:/@", c)))
            return false;
    }
    return chars <= chars_max;
}

enum s3_error tag_add(struct s3_request *r, struct tag_set *set, uint32_t count_max,
                      struct bytes key, struct bytes value)
{
    struct s3_header *tag = &set->tag[set->count];

    if (key.len == 0 || !text_allowed(key, KEY_CHARS_MAX) ||
        !text_allowed(value, VALUE_CHARS_MAX) || text_starts_any_case(key, "aws:"))
        return S3_InvalidTag;
    for (uint32_t i = 0; i < set->count; i++)
        if (bytes_equal(set->tag[i].name, key)) {
            r->why = "Cannot provide multiple Tags with the same key";
            return S3_InvalidTag;
        }
    if (set->count == count_max) {
        r->why = count_max == S3_TAGS_MAX ? "Object tags cannot be greater than 10"
                                          : "Bucket tag count cannot be greater than 50";
        return S3_BadRequest;
    }
    tag->name = (struct bytes){arena_dup(r->arena, key.data, key.len), key.len};
    tag->value = (struct bytes){
        arena_dup(r->arena, value.len ? value.data : (const uint8_t *)"", value.len), value.len};
    if (!tag->name.data || !tag->value.data)
        return S3_ServiceUnavailable;
    set->count++;
    return S3_OK;
}

void tags_put_xml(struct writer *w, const struct s3_header *tags, uint32_t count)
{
    xml_begin(w, "Tagging");
    xml_open(w, "TagSet");
    for (uint32_t i = 0; i < count; i++) {
        xml_open(w, "Tag");
        xml_put(w, "Key", tags[i].name);
        xml_put(w, "Value", tags[i].value);
        xml_close(w, "Tag");
    }
    xml_close(w, "TagSet");
    xml_close(w, "Tagging");
}

/* --- reading --- */

/* Whoever may read an object may not yet read its tags. */
static void object_seen(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;

    if (rc == 0 && !info->owned)
        rc = -R_DENIED;
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    tags_put_xml(&r->xml, info->tags, info->tag_count);
    request_reply_xml(r);
    request_drop(r);
}

static void get_object_start(struct s3_request *r)
{
    request_ask_object(r, object_seen);
}

const struct s3_op op_get_object_tagging = {"GetObjectTagging", get_object_start, NULL};

/* As they are kept with a bucket: key and value, one tag after the other. */
static enum s3_error bucket_tags_read(struct s3_request *r, const struct bytes *kept,
                                      struct tag_set *out_set)
{
    struct cursor c;
    enum s3_error e = S3_OK;

    out_set->count = 0;
    if (!kept)
        return S3_NoSuchTagSet;
    c = cur_over(kept->data, kept->len);
    while (cur_left(&c) && e == S3_OK) {
        struct bytes key = cur_bytes(&c, kept->len), value = cur_bytes(&c, kept->len);

        e = c.rc < 0 ? S3_InternalError : tag_add(r, out_set, S3_BUCKET_TAGS_MAX, key, value);
    }
    return e;
}

static void bucket_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    struct tag_set *set = r->state;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = bucket_tags_read(r, bucket_prop(info, S3_PROP_TAGS), set);
    if (e != S3_OK) {
        request_reply_error(r, e);
    } else {
        tags_put_xml(&r->xml, set->tag, set->count);
        request_reply_xml(r);
    }
    request_drop(r);
}

static void get_bucket_start(struct s3_request *r)
{
    if (!request_state(r, sizeof(struct tag_set), NULL))
        return;
    request_ask_bucket(r, bucket_seen);
}

const struct s3_op op_get_bucket_tagging = {"GetBucketTagging", get_bucket_start, NULL};

/* --- writing --- */

struct tags_in {
    struct xml_body xml;
    struct tag_set set;
    struct bytes key, value; /* of the tag at hand; in the arena */
    bool has_key, has_value, has_set;
    enum s3_error e; /* of a well-formed document */
};

/* Tagging / TagSet / Tag / { Key, Value } */
static int element(void *arg, unsigned depth, const char *name)
{
    static const char *const path[] = {"Tagging", "TagSet", "Tag"};
    struct tags_in *t = arg;

    if (depth < ARRAY_LEN(path)) {
        if (strcmp(name, path[depth]) != 0 || (depth == 1 && t->has_set))
            return -R_MALFORMED;
        t->has_set |= depth == 1;
        t->has_key = t->has_value = false;
        return 0;
    }
    return depth == 3 && (strcmp(name, "Key") == 0 || strcmp(name, "Value") == 0) ? 0
                                                                                  : -R_MALFORMED;
}

static int element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct tags_in *t = arg;
    struct s3_request *r = t->xml.r;
    bool key = strcmp(name, "Key") == 0;
    uint8_t *copy;

    if (depth == 2) {
        if (!t->has_key || !t->has_value)
            return -R_MALFORMED;
        if (t->e == S3_OK)
            t->e = tag_add(r, &t->set, r->key.len ? S3_TAGS_MAX : S3_BUCKET_TAGS_MAX, t->key,
                           t->value);
        return 0;
    }
    if (depth != 3)
        return 0;
    if (key ? t->has_key : t->has_value)
        return -R_MALFORMED;
    copy = arena_dup(r->arena, text.len ? text.data : (const uint8_t *)"", text.len);
    if (!copy)
        return -ENOMEM;
    if (key)
        t->key = (struct bytes){copy, text.len};
    else
        t->value = (struct bytes){copy, text.len};
    t->has_key |= key;
    t->has_value |= !key;
    return 0;
}

static const struct xml_calls tagging_xml = {element, element_end};

static enum s3_error tags_of_document(struct s3_request *r, struct bytes text,
                                      struct tag_set *out_set)
{
    struct tags_in *t = arena_zalloc(r->arena, sizeof(*t));
    enum s3_error e;
    int rc = -ENOMEM;

    if (!t)
        return S3_ServiceUnavailable;
    t->xml.r = r;
    t->xml.xml = xml_in_create(&tagging_xml, t);
    if (t->xml.xml) {
        (void)xml_in_add(t->xml.xml, text.data, text.len); /* remembers */
        rc = xml_in_end(t->xml.xml);
    }
    xml_in_destroy(t->xml.xml);
    if (rc < 0)
        e = rc == -ENOMEM ? S3_ServiceUnavailable : S3_MalformedXML;
    else
        e = t->has_set ? t->e : S3_MalformedXML;
    if (e == S3_OK)
        *out_set = t->set;
    return e;
}

enum s3_error tags_of_header(struct s3_request *r, struct bytes text, struct tag_set *out_set)
{
    struct uri_query query = {0};
    enum s3_error e = S3_OK;
    int rc;

    out_set->count = 0;
    if (text.len && text.data[0] == '<')
        return tags_of_document(r, text, out_set);
    rc = uri_query_parse(r->arena, text, &query);
    if (rc < 0)
        return rc == -ENOMEM ? S3_ServiceUnavailable
               : rc == -R_OVERFLOW
                   ? request_wrong(r, S3_BadRequest, "Object tags cannot be greater than 10")
                   : request_wrong(r, S3_InvalidArgument,
                                   "The header 'x-amz-tagging' shall be encoded as UTF-8 then "
                                   "URLEncoded URL query parameters without tag name duplicates.");
    for (uint32_t i = 0; i < query.count && e == S3_OK; i++)
        e = tag_add(r, out_set, S3_TAGS_MAX, query.arg[i].name, query.arg[i].value);
    return e;
}

static void put_start(struct s3_request *r)
{
    (void)xml_body_start(r, sizeof(struct tags_in), &tagging_xml, NULL);
}

static void changed(void *arg, int rc)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    /* Setting an object's tags answers 200; a bucket's, and removing either's, 204. */
    request_reply(r, r->op == &op_put_object_tagging ? 200 : 204);
    request_drop(r);
}

static void object_set(struct s3_request *r, const struct tag_set *set)
{
    struct object_change change = {
        .set_tags = true, .tags = set ? set->tag : NULL, .tag_count = set ? set->count : 0};
    int rc;

    request_hold(r);
    rc = object_change(r->g->buckets, &r->who, r->bucket, r->key, &change, changed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void bucket_set(struct s3_request *r, const struct tag_set *set)
{
    AUTO(writer) w = {0};
    int rc;

    for (uint32_t i = 0; set && i < set->count; i++) {
        wr_bytes(&w, set->tag[i].name);
        wr_bytes(&w, set->tag[i].value);
    }
    if (w.rc < 0) {
        request_reply_rc(r, w.rc);
        return;
    }
    request_hold(r);
    rc = bucket_change(r->g->buckets, &r->who, r->bucket, S3_PROP_TAGS,
                       (struct bytes){w.data, (uint32_t)w.len}, changed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void put_done(struct s3_request *r, const struct body_sums *sums)
{
    struct tags_in *t = r->state;

    UNUSED(sums);
    if (!xml_body_end(r))
        return;
    if (!t->has_set)
        request_reply_error(r, S3_MalformedXML);
    else if (t->e != S3_OK)
        request_reply_error(r, t->e);
    else if (r->key.len)
        object_set(r, &t->set);
    else
        bucket_set(r, &t->set);
}

static void delete_start(struct s3_request *r)
{
    if (r->key.len)
        object_set(r, NULL);
    else
        bucket_set(r, NULL);
}

static const struct request_body_calls put_body = {NULL, xml_body_batch, put_done};
const struct s3_op op_put_object_tagging = {"PutObjectTagging", put_start, &put_body};
const struct s3_op op_put_bucket_tagging = {"PutBucketTagging", put_start, &put_body};
const struct s3_op op_delete_object_tagging = {"DeleteObjectTagging", delete_start, NULL};
const struct s3_op op_delete_bucket_tagging = {"DeleteBucketTagging", delete_start, NULL};
