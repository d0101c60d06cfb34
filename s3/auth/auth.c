/* auth.c - from a head to a principal.
 *
 * Form and time are looked at before the key is looked up, so that what cannot succeed costs
 * nobody anything. */
#include "s3/auth/auth.h"

static void user_found(void *arg, int rc, const struct s3_user *user)
{
    struct auth *a = arg;
    struct s3_principal who = {{0}};
    enum s3_error e = s3_error_of(rc);

    if (e == S3_OK)
        e = sigv4_verify(&a->scratch, a->conf->kit, a->conf->keys, a->head, a->query, &a->sig,
                         BYTES_STR(user->secret_key), &a->chain);
    if (e == S3_OK && user->suspended) /* told to nobody but the user */
        e = S3_AccessDenied;
    if (e == S3_OK)
        memcpy(who.name, user->name, sizeof(who.name));
    a->done(a->arg, e, e == S3_OK ? &who : NULL);
}

enum s3_error auth_start(struct auth *a, const struct auth_conf *conf, const struct http_head *head,
                         const struct uri_query *query,
                         void (*done)(void *arg, enum s3_error e, const struct s3_principal *who),
                         void *arg)
{
    enum s3_error e;

    memset(a, 0, sizeof(*a));
    a->conf = conf;
    a->head = head;
    a->query = query;
    a->done = done;
    a->arg = arg;
    /* Signatures in the query are a form of their own, which is not spoken here. */
    if (uri_arg(query, "X-Amz-Signature") || uri_arg(query, "Signature"))
        return S3_NotImplemented;
    e = sigv4_parse(head, conf->region, &a->sig);
    if (e == S3_OK)
        e = sigv4_check_time(&a->sig, (int64_t)(env_wall_ns(conf->env) / NS_PER_S));
    if (e == S3_OK && (a->sig.access_key.len == 0 || a->sig.access_key.len > S3_ACCESS_KEY_MAX))
        e = S3_InvalidAccessKeyId;
    if (e == S3_OK)
        e = s3_error_of(bucket_user(conf->buckets, a->sig.access_key, user_found, a));
    return e;
}

void auth_fini(struct auth *a)
{
    hash_fini(&a->scratch);
    explicit_bzero(&a->chain, sizeof(a->chain));
}
