/* fixed.c - what a bucket or object is asked that has one answer here: no versions, no policy, one
 * owner with all rights.  Clients ask as part of other work; they get the answer that AWS gives of
 * a bucket on which nothing of the kind was set. */
#include "s3/gateway.h"
#include "s3/object/route.h"

static const struct {
    const char *sub;
    enum s3_error error; /* or ... */
    const char *root, *name, *value;
} answers[] = {
    {"versioning", S3_OK, "VersioningConfiguration", NULL, NULL},
    {"requestPayment", S3_OK, "RequestPaymentConfiguration", "Payer", "BucketOwner"},
    {"logging", S3_OK, "BucketLoggingStatus", NULL, NULL},
    {"notification", S3_OK, "NotificationConfiguration", NULL, NULL},
    {"accelerate", S3_OK, "AccelerateConfiguration", NULL, NULL},
    {"policy", S3_NoSuchBucketPolicy, NULL, NULL, NULL},
    {"lifecycle", S3_NoSuchLifecycleConfiguration, NULL, NULL, NULL},
    {"website", S3_NoSuchWebsiteConfiguration, NULL, NULL, NULL},
    {"encryption", S3_ServerSideEncryptionConfigurationNotFoundError, NULL, NULL, NULL},
    {"object-lock", S3_ObjectLockConfigurationNotFoundError, NULL, NULL, NULL},
    {"replication", S3_ReplicationConfigurationNotFoundError, NULL, NULL, NULL},
};

static void answer(struct s3_request *r)
{
    size_t i = 0;

    while (i < ARRAY_LEN(answers) && !request_arg(r, answers[i].sub))
        i++;
    ASSERT(i < ARRAY_LEN(answers)); /* a row of the routes without one here */
    if (answers[i].error != S3_OK) {
        request_reply_error(r, answers[i].error);
        return;
    }
    xml_begin(&r->xml, answers[i].root);
    if (answers[i].name)
        xml_put_str(&r->xml, answers[i].name, answers[i].value);
    xml_close(&r->xml, answers[i].root);
    request_reply_xml(r);
}

static void bucket_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;

    UNUSED(info);
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    if (r->op == &op_fixed_delete)
        request_reply(r, 204);
    else
        answer(r);
    request_drop(r);
}

static void bucket_start(struct s3_request *r)
{
    request_ask_bucket(r, bucket_seen);
}

const struct s3_op op_fixed = {"GetBucketProperty", bucket_start, NULL};
/* What was never set is removed. */
const struct s3_op op_fixed_delete = {"DeleteBucketProperty", bucket_start, NULL};
