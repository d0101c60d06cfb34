/* acl.c - ACLs of buckets and objects.
 *
 * What there is: the owner has all rights; and everybody may read, or not.  An ACL comes as a name
 * (x-amz-acl) or as XML, which must say one of these two.  A bucket whose ownership is enforced
 * has no ACLs but private ones; where new public ACLs are blocked, none is taken. */
#include "s3/object/acl.h"
#include "s3/gateway.h"
#include "s3/object/route.h"
#include "s3/object/xml_body.h"
#include "s3/object/xml_parts.h"
#include "s3/text.h"

#define ALL_USERS "http://acs.amazonaws.com/groups/global/AllUsers"

/* --- names, and what is allowed --- */

enum s3_error acl_of_name(struct bytes name, enum s3_acl *out_acl)
{
    static const struct {
        const char *name;
        enum s3_error e;
        enum s3_acl acl;
    } names[] = {
        {"private", S3_OK, S3_ACL_PRIVATE},
        {"public-read", S3_OK, S3_ACL_PUBLIC_READ},
        /* With one owner for all in a bucket, these give nobody anything. */
        {"bucket-owner-full-control", S3_OK, S3_ACL_PRIVATE},
        {"bucket-owner-read", S3_OK, S3_ACL_PRIVATE},
        {"public-read-write", S3_NotImplemented, S3_ACL_PRIVATE},
        {"authenticated-read", S3_NotImplemented, S3_ACL_PRIVATE},
        {"aws-exec-read", S3_NotImplemented, S3_ACL_PRIVATE},
        {"log-delivery-write", S3_NotImplemented, S3_ACL_PRIVATE},
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!text_is(name, names[i].name))
            continue;
        *out_acl = names[i].acl;
        return names[i].e;
    }
    return S3_InvalidArgument;
}

enum s3_error acl_allowed(const struct bucket_info *bucket, enum s3_error told, enum s3_acl acl)
{
    const struct bytes *ownership = bucket_prop(bucket, S3_PROP_OWNER);
    const struct bytes *block = bucket_prop(bucket, S3_PROP_BLOCK);

    if (told == S3_OK && acl == S3_ACL_PRIVATE)
        return S3_OK;
    if (ownership && text_is(*ownership, S3_OWNER_ENFORCED))
        return S3_AccessControlListNotSupported;
    if (told != S3_OK)
        return told;
    return block && block->len && block->data[0] & S3_BLOCK_NEW_ACLS ? S3_AccessDenied : S3_OK;
}

/* --- reading --- */

static void put_grant(struct writer *w, const char *type, const char *element, const char *name,
                      const char *permission)
{
    static const char grantee[] =
        "<Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"";

    xml_open(w, "Grant");
    wr_raw(w, grantee, strlen(grantee));
    wr_raw(w, type, strlen(type));
    wr_raw(w, "\">", 2);
    xml_put_str(w, element, name);
    if (strcmp(element, "ID") == 0)
        xml_put_str(w, "DisplayName", name);
    xml_close(w, "Grantee");
    xml_put_str(w, "Permission", permission);
    xml_close(w, "Grant");
}

static void answer(struct s3_request *r, enum s3_acl acl)
{
    struct writer *w = &r->xml;

    xml_begin(w, "AccessControlPolicy");
    xml_put_owner(w, "Owner", r->who.name); /* nobody else may ask */
    xml_open(w, "AccessControlList");
    put_grant(w, "CanonicalUser", "ID", r->who.name, "FULL_CONTROL");
    if (acl == S3_ACL_PUBLIC_READ)
        put_grant(w, "Group", "URI", ALL_USERS, "READ");
    xml_close(w, "AccessControlList");
    xml_close(w, "AccessControlPolicy");
    request_reply_xml(r);
}

struct acl_state {
    struct xml_body xml; /* of a PUT */
    bool has_owner, own, owner_grant, public_grant, has_list;
    char grantee; /* of the grant at hand: 'o' the owner, 'a' everybody, '?' others, 0 not seen */
    char permission;
    bool other;         /* grants that we do not have */
    bool bad;           /* what no ACL says */
    bool bad_group;     /* a group that S3 has not */
    enum s3_error told; /* S3_NotImplemented: an ACL that we do not have */
    enum s3_acl acl;    /* to be set */
};

static void bucket_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    const struct bytes *acl;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    acl = bucket_prop(info, S3_PROP_ACL);
    answer(r, acl && acl->len ? (enum s3_acl)acl->data[0] : S3_ACL_PRIVATE);
    request_drop(r);
}

static void get_bucket_start(struct s3_request *r)
{
    request_ask_bucket(r, bucket_seen);
}

/* Whoever may read an object may not yet read its ACL. */
static void object_seen(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;

    if (rc == 0 && !info->owned)
        rc = -R_DENIED;
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    answer(r, info->acl);
    request_drop(r);
}

static void get_object_start(struct s3_request *r)
{
    request_ask_object(r, object_seen);
}

const struct s3_op op_get_bucket_acl = {"GetBucketAcl", get_bucket_start, NULL};
const struct s3_op op_get_object_acl = {"GetObjectAcl", get_object_start, NULL};

/* --- writing --- */

/* AccessControlPolicy / { Owner / { ID, DisplayName },
 *                         AccessControlList / Grant / { Grantee / { ID, URI, ... }, Permission } }
 */
static int element(void *arg, unsigned depth, const char *name)
{
    struct acl_state *s = arg;

    switch (depth) {
    case 0:
        return strcmp(name, "AccessControlPolicy") == 0 ? 0 : -R_MALFORMED;
    case 1:
        s->has_list |= strcmp(name, "AccessControlList") == 0;
        return strcmp(name, "Owner") == 0 || strcmp(name, "AccessControlList") == 0 ? 0
                                                                                    : -R_MALFORMED;
    case 2:
        if (strcmp(name, "Grant") == 0)
            s->grantee = s->permission = 0;
        return strcmp(name, "Grant") == 0 || strcmp(name, "ID") == 0 ||
                       strcmp(name, "DisplayName") == 0
                   ? 0
                   : -R_MALFORMED;
    case 3:
        return strcmp(name, "Grantee") == 0 || strcmp(name, "Permission") == 0 ? 0 : -R_MALFORMED;
    default:
        return 0;
    }
}

static bool is_group(struct bytes uri)
{
    return text_is(uri, "http://acs.amazonaws.com/groups/global/AuthenticatedUsers") ||
           text_is(uri, "http://acs.amazonaws.com/groups/s3/LogDelivery");
}

static char permission_of(struct bytes text)
{
    if (text_is(text, "FULL_CONTROL"))
        return 'F';
    if (text_is(text, "READ"))
        return 'R';
    return text_is(text, "WRITE") || text_is(text, "READ_ACP") || text_is(text, "WRITE_ACP") ? '?'
                                                                                             : 'x';
}

static void grant_end(struct acl_state *s)
{
    if (s->grantee == 'o' && s->permission == 'F')
        s->owner_grant = true;
    else if (s->grantee == 'a' && s->permission == 'R')
        s->public_grant = true;
    else
        s->other = true;
}

static int element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct acl_state *s = arg;
    bool owner = text_is(text, s->xml.r->who.name);

    if (depth == 2 && strcmp(name, "Grant") == 0) {
        if (!s->grantee || !s->permission)
            return -R_MALFORMED;
        grant_end(s);
    } else if (depth == 2 && strcmp(name, "ID") == 0) {
        s->has_owner = true;
        s->own = owner;
    } else if (depth == 4 && strcmp(name, "ID") == 0) {
        s->grantee = owner ? 'o' : '?';
    } else if (depth == 4 && strcmp(name, "URI") == 0) {
        s->grantee = text_is(text, ALL_USERS) ? 'a' : '?';
        s->bad_group |= s->grantee == '?' && !is_group(text);
    } else if (depth == 4 && strcmp(name, "EmailAddress") == 0) {
        s->grantee = '?';
    } else if (depth == 3 && strcmp(name, "Permission") == 0) {
        s->permission = permission_of(text);
        s->bad |= s->permission == 'x';
    }
    return 0;
}

static const struct xml_calls acl_xml = {element, element_end};

static void set_done(void *arg, int rc)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    request_reply(r, 200);
    request_drop(r);
}

static void may_set(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    const struct acl_state *s = r->state;
    struct object_change change = {.set_acl = true, .acl = s->acl};
    uint8_t byte = (uint8_t)s->acl;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = acl_allowed(info, s->told, s->acl);
    if (e != S3_OK) {
        request_reply_error(r, e);
        request_drop(r);
        return;
    }
    if (r->key.len)
        rc = object_change(r->g->buckets, &r->who, r->bucket, r->key, &change, set_done, r);
    else
        rc = bucket_change(r->g->buckets, &r->who, r->bucket, S3_PROP_ACL,
                           (struct bytes){&byte, byte ? 1 : 0}, set_done, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void set(struct s3_request *r)
{
    request_ask_bucket(r, may_set);
}

static void put_start(struct s3_request *r)
{
    (void)xml_body_start(r, sizeof(struct acl_state), &acl_xml, NULL);
}

/* What the XML means: one of the two that there are, or an error.  S3_NotImplemented may become
 * another one once the bucket is known. */
static enum s3_error acl_of_xml(struct s3_request *r)
{
    struct acl_state *s = r->state;

    s->acl = s->public_grant ? S3_ACL_PUBLIC_READ : S3_ACL_PRIVATE;
    if (!s->has_owner || !s->has_list || s->bad)
        return S3_MalformedACLError;
    r->why = "Invalid group uri";
    if (s->bad_group)
        return S3_InvalidArgument;
    r->why = NULL;
    if (!s->own)
        return S3_AccessDenied;
    return s->other || !s->owner_grant ? S3_NotImplemented : S3_OK;
}

static void put_done(struct s3_request *r, const struct body_sums *sums)
{
    const struct bytes *name = request_field(r, "x-amz-acl");
    struct acl_state *s = r->state;

    if (name && sums->bytes) {
        r->why = "Specifying both Canned ACLs and Header Grants is not allowed";
        request_reply_error(r, S3_InvalidRequest);
        return;
    }
    if (!name && sums->bytes == 0) {
        request_reply_error(r, S3_MissingRequestBodyError);
        return;
    }
    if (!name && !xml_body_end(r))
        return;
    s->told = name ? acl_of_name(*name, &s->acl) : acl_of_xml(r);
    if (s->told != S3_OK && s->told != S3_NotImplemented)
        request_reply_error(r, s->told);
    else
        set(r);
}

static const struct request_body_calls put_body = {NULL, xml_body_batch, put_done};
const struct s3_op op_put_bucket_acl = {"PutBucketAcl", put_start, &put_body};
const struct s3_op op_put_object_acl = {"PutObjectAcl", put_start, &put_body};
