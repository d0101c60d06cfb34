/* auth.h - who asks: the one place where a principal is made.
 *
 * A request is authenticated once, before anything looks at what it wants; what it asks for may
 * then rely on `who`.  Without a signature that is the anonymous principal: whether it may do what
 * it asks for is for the bucket's access list to say.
 * Threads: the env's reactor. */
#ifndef S3_AUTH_AUTH_H
#define S3_AUTH_AUTH_H

#include "s3/auth/sigv2.h"
#include "s3/auth/sigv4.h"
#include "s3/bucket/bucket.h"

struct auth_conf {
    struct env *env;
    const struct digest_kit *kit; /* borrowed */
    struct sigv4_keys *keys;      /* borrowed */
    struct bucket_layer *buckets; /* borrowed: it knows the users */
    struct bytes region;
    const char *domains; /* borrowed: see host.h */
    bool version_2;      /* signatures of it are taken */
};

/* One authentication under way; part of its request. */
struct auth {
    const struct auth_conf *conf; /* borrowed */
    struct arena *arena;          /* borrowed: the request's */
    const struct http_head *head; /* borrowed; after success with what a presigned URL adds to it */
    struct uri_query *query;      /* borrowed; after success without what is of the signature */
    struct bytes policy;          /* of a form */
    struct env_task task;
    const char *why; /* a sentence about a refusal, or NULL */
    struct hash scratch;
    struct sigv4 sig; /* of version 2: what both have, form, key and payload */
    struct sigv2 old; /* of version 2 */
    bool version_2;
    struct sigv4_chain chain; /* after success: for signed chunks */
    void (*done)(void *arg, enum s3_error e, const struct s3_principal *who);
    void *arg;
};

/* S3_OK: `done` comes once, from the loop; the struct stays until then.  Otherwise it does not. */
enum s3_error auth_start(struct auth *a, const struct auth_conf *conf, struct arena *arena,
                         const struct http_head *head, struct uri_query *query,
                         void (*done)(void *arg, enum s3_error e, const struct s3_principal *who),
                         void *arg);
/* By the fields of a form instead of the head; all of them empty: anonymous.  Whether the policy
 * allows what the form says is not looked at here. */
struct auth_form {
    struct bytes policy, algorithm, credential, date, signature;
    struct bytes old_key, old_signature; /* of version 2 */
};
enum s3_error auth_start_form(
    struct auth *a, const struct auth_conf *conf, struct arena *arena, const struct auth_form *form,
    void (*done)(void *arg, enum s3_error e, const struct s3_principal *who), void *arg);
void auth_fini(struct auth *a); /* forgets the keys */

#endif
