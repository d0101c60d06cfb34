/* controls.c - ownership controls and the public-access block of a bucket.
 *
 * Ownership: all in a bucket belongs to its owner anyway, so two of the three words change nothing;
 * BucketOwnerEnforced says that there are no ACLs but private ones.  Of the block, the half about
 * policies changes nothing: there are none. */
#include "s3/gateway.h"
#include "s3/object/acl.h"
#include "s3/object/route.h"
#include "s3/object/xml_body.h"
#include "s3/text.h"

static const struct {
    const char *element;
    uint8_t bit;
} blocks[] = {
    {"BlockPublicAcls", S3_BLOCK_NEW_ACLS},
    {"IgnorePublicAcls", S3_BLOCK_ACLS},
    {"BlockPublicPolicy", S3_BLOCK_NEW_POLICIES},
    {"RestrictPublicBuckets", S3_BLOCK_POLICIES},
};

/* --- told --- */

static void put_ownership(struct writer *w, struct bytes word)
{
    xml_begin(w, "OwnershipControls");
    xml_open(w, "Rule");
    xml_put(w, "ObjectOwnership", word);
    xml_close(w, "Rule");
    xml_close(w, "OwnershipControls");
}

static void put_blocks(struct writer *w, uint8_t bits)
{
    xml_begin(w, "PublicAccessBlockConfiguration");
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
        xml_put_bool(w, blocks[i].element, bits & blocks[i].bit);
    xml_close(w, "PublicAccessBlockConfiguration");
}

static enum s3_error answer(struct s3_request *r, const struct bucket_info *info)
{
    const struct bytes *acl = bucket_prop(info, S3_PROP_ACL);
    const struct bytes *owner = bucket_prop(info, S3_PROP_OWNER);
    const struct bytes *block = bucket_prop(info, S3_PROP_BLOCK);

    if (r->op == &op_get_ownership) {
        if (!owner)
            return S3_OwnershipControlsNotFoundError;
        put_ownership(&r->xml, *owner);
    } else if (r->op == &op_get_public_block) {
        if (!block)
            return S3_NoSuchPublicAccessBlockConfiguration;
        put_blocks(&r->xml, block->data[0]);
    } else { /* no policies: public is what the ACL makes so */
        if (!acl)
            return S3_NoSuchBucketPolicy;
        xml_begin(&r->xml, "PolicyStatus");
        xml_put_bool(&r->xml, "IsPublic", !(block && block->data[0] & S3_BLOCK_ACLS));
        xml_close(&r->xml, "PolicyStatus");
    }
    return S3_OK;
}

static void bucket_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = answer(r, info);
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        request_reply_xml(r);
    request_drop(r);
}

static void get_start(struct s3_request *r)
{
    request_ask_bucket(r, bucket_seen);
}

const struct s3_op op_get_ownership = {"GetBucketOwnershipControls", get_start, NULL};
const struct s3_op op_get_public_block = {"GetPublicAccessBlock", get_start, NULL};
const struct s3_op op_get_policy_status = {"GetBucketPolicyStatus", get_start, NULL};

/* --- set --- */

struct controls_in {
    struct xml_body xml;
    char word[24]; /* of ownership */
    uint8_t bits;
    bool seen;
};

static bool is_ownership(const struct controls_in *s)
{
    return s->xml.r->op == &op_put_ownership;
}

/* OwnershipControls / Rule / ObjectOwnership, or PublicAccessBlockConfiguration / { four } */
static int element(void *arg, unsigned depth, const char *name)
{
    static const char *const path[] = {"OwnershipControls", "Rule", "ObjectOwnership"};
    const struct controls_in *s = arg;

    if (is_ownership(s))
        return depth < ARRAY_LEN(path) && strcmp(name, path[depth]) == 0 ? 0 : -R_MALFORMED;
    if (depth == 0)
        return strcmp(name, "PublicAccessBlockConfiguration") == 0 ? 0 : -R_MALFORMED;
    for (size_t i = 0; i < ARRAY_LEN(blocks) && depth == 1; i++)
        if (strcmp(name, blocks[i].element) == 0)
            return 0;
    return -R_MALFORMED;
}

static int ownership_end(struct controls_in *s, struct bytes text)
{
    static const char *const words[] = {S3_OWNER_ENFORCED, "BucketOwnerPreferred", "ObjectWriter"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        if (!text_is(text, words[i]))
            continue;
        strcpy(s->word, words[i]);
        if (s->seen)
            break;
        s->seen = true;
        return 0;
    }
    return -R_MALFORMED;
}

static int element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct controls_in *s = arg;
    bool yes = text_is_any_case(text, "true");

    if (is_ownership(s))
        return depth == 2 ? ownership_end(s, text) : 0;
    if (depth != 1)
        return 0;
    if (!yes && !text_is_any_case(text, "false"))
        return -R_MALFORMED;
    s->seen = true;
    for (size_t i = 0; i < ARRAY_LEN(blocks) && yes; i++)
        if (strcmp(name, blocks[i].element) == 0)
            s->bits |= blocks[i].bit;
    return 0;
}

static const struct xml_calls controls_xml = {element, element_end};

static void changed(void *arg, int rc)
{
    struct s3_request *r = arg;
    bool put = r->op == &op_put_ownership || r->op == &op_put_public_block;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    request_reply(r, put ? 200 : 204);
    request_drop(r);
}

static void change(struct s3_request *r, const char *prop, struct bytes value)
{
    int rc;

    request_hold(r);
    rc = bucket_change(r->g->buckets, &r->who, r->bucket, prop, value, changed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

/* A bucket that everybody may list cannot be one without ACLs. */
static void may_enforce(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    const struct controls_in *s = r->state;
    const struct bytes *acl;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    acl = bucket_prop(info, S3_PROP_ACL);
    if (acl && text_is(BYTES_STR(s->word), S3_OWNER_ENFORCED))
        request_reply_error(r, S3_InvalidBucketAclWithObjectOwnership);
    else
        change(r, S3_PROP_OWNER, BYTES_STR(s->word));
    request_drop(r);
}

static void put_start(struct s3_request *r)
{
    (void)xml_body_start(r, sizeof(struct controls_in), &controls_xml, NULL);
}

static void put_done(struct s3_request *r, const struct body_sums *sums)
{
    const struct controls_in *s = r->state;

    UNUSED(sums);
    if (!xml_body_end(r))
        return;
    if (!s->seen) {
        request_reply_error(r, S3_MalformedXML);
    } else if (is_ownership(s)) {
        request_ask_bucket(r, may_enforce);
    } else {
        change(r, S3_PROP_BLOCK, (struct bytes){&s->bits, 1});
    }
}

static void delete_start(struct s3_request *r)
{
    change(r, r->op == &op_delete_ownership ? S3_PROP_OWNER : S3_PROP_BLOCK, (struct bytes){0});
}

static const struct request_body_calls put_body = {NULL, xml_body_batch, put_done};
const struct s3_op op_put_ownership = {"PutBucketOwnershipControls", put_start, &put_body};
const struct s3_op op_put_public_block = {"PutPublicAccessBlock", put_start, &put_body};
const struct s3_op op_delete_ownership = {"DeleteBucketOwnershipControls", delete_start, NULL};
const struct s3_op op_delete_public_block = {"DeletePublicAccessBlock", delete_start, NULL};
