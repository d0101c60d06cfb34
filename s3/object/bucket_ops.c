/* bucket_ops.c - ListBuckets, CreateBucket, DeleteBucket, HeadBucket, GetBucketLocation. */
#include "s3/gateway.h"
#include "s3/object/acl.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"

/* --- list --- */

enum { BUCKETS_PAGE_MAX = 10000 };

/* Which of the user's buckets are on the page.  A token is the last name of the page before, in
 * hexadecimal digits. */
struct list_state {
    struct bytes prefix, after;
    uint64_t max;
    bool elsewhere; /* those of another region were asked for: there are none */
};

static bool wanted(const struct list_state *s, struct bytes name)
{
    return !s->elsewhere && bytes_compare(name, s->after) > 0 && name.len >= s->prefix.len &&
           (s->prefix.len == 0 || memcmp(name.data, s->prefix.data, s->prefix.len) == 0);
}

static void put_bucket(struct s3_request *r, const struct bucket_info *b)
{
    xml_open(&r->xml, "Bucket");
    xml_put(&r->xml, "Name", b->name);
    xml_put_time(&r->xml, "CreationDate", b->created_ns);
    if (r->query.count) /* as S3: only to those who know of pages */
        xml_put_str(&r->xml, "BucketRegion", r->g->region);
    xml_close(&r->xml, "Bucket");
}

static void listed(void *arg, int rc, const struct bucket_info *rows, uint32_t count)
{
    char token[2 * S3_BUCKET_NAME_MAX + 1] = "";
    struct s3_request *r = arg;
    const struct list_state *s = r->state;
    const struct bytes *last = NULL;
    struct writer *w = &r->xml;
    uint64_t told = 0;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(w, "ListAllMyBucketsResult");
    xml_put_owner(w, "Owner", r->who.name);
    xml_open(w, "Buckets");
    for (uint32_t i = 0; i < count && !token[0]; i++) {
        if (!wanted(s, rows[i].name))
            continue;
        if (told++ == s->max) {
            hex_put(last->data, last->len, token);
            break;
        }
        put_bucket(r, &rows[i]);
        last = &rows[i].name;
    }
    xml_close(w, "Buckets");
    if (token[0])
        xml_put_str(w, "ContinuationToken", token);
    if (s->prefix.len)
        xml_put(w, "Prefix", s->prefix);
    xml_close(w, "ListAllMyBucketsResult");
    request_reply_xml(r);
    request_drop(r);
}

static enum s3_error list_args(struct s3_request *r, struct list_state *s)
{
    const struct bytes *max = request_arg(r, "max-buckets");
    const struct bytes *prefix = request_arg(r, "prefix");
    const struct bytes *token = request_arg(r, "continuation-token");
    const struct bytes *region = request_arg(r, "bucket-region");
    uint8_t *after = arena_alloc(r->arena, S3_BUCKET_NAME_MAX);

    s->max = BUCKETS_PAGE_MAX;
    s->elsewhere = region && !bytes_equal(*region, BYTES_STR(r->g->region));
    if (prefix)
        s->prefix = *prefix;
    r->why = "Argument max-buckets must be an integer between 1 and 10000.";
    if (max && (!number_get(*max, BUCKETS_PAGE_MAX, &s->max) || s->max == 0))
        return S3_InvalidArgument;
    r->why = "The continuation token provided is incorrect";
    if (token && after) {
        if (token->len / 2 > S3_BUCKET_NAME_MAX || !hex_get(*token, after, token->len / 2))
            return S3_InvalidArgument;
        s->after = (struct bytes){after, token->len / 2};
    }
    r->why = NULL;
    return after ? S3_OK : S3_ServiceUnavailable;
}

static void list_start(struct s3_request *r)
{
    struct list_state *s = request_state(r, sizeof(*s), NULL);
    enum s3_error e;
    int rc;

    if (!s)
        return;
    e = list_args(r, s);
    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    request_hold(r);
    rc = bucket_list(r->g->buckets, &r->who, listed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_list_buckets = {"ListBuckets", list_start, NULL};

/* --- create --- */

struct create_state {
    struct xml_in *xml;
    bool constrained;
};

static int create_element(void *arg, unsigned depth, const char *name)
{
    UNUSED(arg);
    if (depth == 0)
        return strcmp(name, "CreateBucketConfiguration") == 0 ? 0 : -R_MALFORMED;
    if (depth == 1 && strcmp(name, "LocationConstraint") == 0)
        return 0;
    return -R_UNSUPPORTED;
}

static int create_element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct s3_request *r = arg;
    struct create_state *s = r->state;

    UNUSED(name);
    if (depth == 1)
        s->constrained = text.len && !bytes_equal(text, BYTES_STR(r->g->region));
    return 0;
}

static const struct xml_calls create_xml = {create_element, create_element_end};

static void create_fini(struct s3_request *r)
{
    struct create_state *s = r->state;

    xml_in_destroy(s->xml);
}

static void created(void *arg, int rc)
{
    struct s3_request *r = arg;
    AUTO(writer) location = {0};

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    wr_raw(&location, "/", 1);
    wr_raw(&location, r->bucket.data, r->bucket.len);
    if (location.rc == 0) {
        const char *text = arena_strdup(r->arena, (char *)location.data, location.len);

        if (text)
            request_field_set(r, "Location", BYTES_STR(text));
    }
    request_reply(r, 200);
    request_drop(r);
}

/* What the bucket begins with, as fields tell it. */
static enum s3_error props_told(struct s3_request *r, struct s3_header props[2],
                                uint32_t *out_count)
{
    static const uint8_t public_read = S3_ACL_PUBLIC_READ;
    const struct bytes *name = request_field(r, "x-amz-acl");
    const struct bytes *ownership = request_field(r, "x-amz-object-ownership");
    enum s3_acl acl = S3_ACL_PRIVATE;
    enum s3_error e = name ? acl_of_name(*name, &acl) : S3_OK;

    *out_count = 0;
    if (e != S3_OK)
        return e;
    if (acl == S3_ACL_PUBLIC_READ)
        props[(*out_count)++] =
            (struct s3_header){BYTES_STR(S3_PROP_ACL), {&public_read, sizeof(public_read)}};
    if (ownership)
        props[(*out_count)++] = (struct s3_header){BYTES_STR(S3_PROP_OWNER), *ownership};
    return acl == S3_ACL_PUBLIC_READ && ownership &&
                   bytes_equal(*ownership, BYTES_STR(S3_OWNER_ENFORCED))
               ? S3_InvalidBucketAclWithObjectOwnership
               : S3_OK;
}

static void create_now(struct s3_request *r)
{
    struct s3_header props[2];
    uint32_t count;
    enum s3_error e = props_told(r, props, &count);
    int rc;

    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    request_hold(r);
    rc = bucket_create(r->g->buckets, &r->who, r->bucket, props, count, created, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void create_batch(struct s3_request *r, struct buf *data)
{
    struct create_state *s = r->state;
    const struct span *span = buf_spans_of(data);

    for (uint32_t i = 0; i < data->span_count; i++)
        (void)xml_in_add(s->xml, span_data(&span[i]), span[i].bytes); /* remembers */
}

static void create_done(struct s3_request *r, const struct body_sums *sums)
{
    struct create_state *s = r->state;
    int rc = r->want.bytes ? xml_in_end(s->xml) : 0;

    UNUSED(sums);
    if (rc < 0)
        request_reply_error(r, rc == -R_UNSUPPORTED ? S3_NotImplemented
                               : rc == -ENOMEM      ? S3_ServiceUnavailable
                                                    : S3_MalformedXML);
    else if (s->constrained)
        request_reply_error(r, S3_IllegalLocationConstraintException);
    else
        create_now(r);
}

static void create_start(struct s3_request *r)
{
    struct create_state *s = request_state(r, sizeof(*s), create_fini);

    if (!s)
        return;
    s->xml = xml_in_create(&create_xml, r);
    if (!s->xml)
        request_reply_rc(r, -ENOMEM);
    else
        request_read(r);
}

static const struct request_body_calls create_body = {NULL, create_batch, create_done};
const struct s3_op op_create_bucket = {"CreateBucket", create_start, &create_body};

/* --- delete --- */

static void delete_start(struct s3_request *r)
{
    int rc;

    request_hold(r);
    rc = bucket_delete(r->g->buckets, &r->who, r->bucket, request_call_done, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_delete_bucket = {"DeleteBucket", delete_start, NULL};

/* --- head, location --- */

static void head_answer(struct s3_request *r, int rc)
{
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    request_field_set(r, "x-amz-bucket-region", BYTES_STR(r->g->region));
    request_reply(r, 200);
    request_drop(r);
}

static void head_peeked(void *arg, int rc, const struct bucket_info *info)
{
    head_answer(arg, rc == 0 && !info->may_list ? -R_DENIED : rc);
}

/* Who does not own it may still list it, and that is what a HEAD asks. */
static void head_done(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;

    UNUSED(info);
    if (rc == -R_DENIED && request_open(r)) {
        rc = bucket_peek(r->g->buckets, &r->who, r->bucket, head_peeked, r);
        if (rc == 0)
            return;
    }
    head_answer(r, rc);
}

static void head_start(struct s3_request *r)
{
    request_ask_bucket(r, head_done);
}

const struct s3_op op_head_bucket = {"HeadBucket", head_start, NULL};

/* The first region of S3 has no name here. */
static void location_done(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;

    UNUSED(info);
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    xml_begin(&r->xml, "LocationConstraint");
    if (strcmp(r->g->region, "us-east-1") != 0)
        xml_text(&r->xml, BYTES_STR(r->g->region));
    xml_close(&r->xml, "LocationConstraint");
    request_reply_xml(r);
    request_drop(r);
}

static void location_start(struct s3_request *r)
{
    request_ask_bucket(r, location_done);
}

const struct s3_op op_get_location = {"GetBucketLocation", location_start, NULL};
