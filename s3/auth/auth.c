/* auth.c - from a head to a principal.
 *
 * There are two versions of signatures: 4, and (an operator may forbid it) 2.  They differ in what
 * they cover; who made one is the same principal.
 *
 * Form and time are looked at before the key is looked up, so that what cannot succeed costs
 * nobody anything.  Who signs nothing is anonymous: a principal too, which owns nothing.
 *
 * A presigned URL may carry x-amz-* fields in its query: whoever signed it wants them to count as
 * if they were sent.  They become fields of the head here, and the query keeps what is of the
 * operation.  In version 2 they are signed as fields: there it is done first. */
#include "s3/auth/auth.h"
#include "s3/text.h"

static void finish(struct auth *a, enum s3_error e, const struct s3_principal *who)
{
    a->done(a->arg, e, e == S3_OK ? who : NULL);
}

/* --- what a presigned URL carries --- */

static bool is_of_signature(const struct auth *a, struct bytes name)
{
    static const char *const names[] = {
        "X-Amz-Algorithm",     "X-Amz-Credential", "X-Amz-Date",          "X-Amz-Expires",
        "X-Amz-SignedHeaders", "X-Amz-Signature",  "X-Amz-Content-Sha256"};

    if (a->version_2)
        return sigv2_is_of_signature(name);
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (text_is(name, names[i]))
            return true;
    return false;
}

static bool is_field(const struct auth *a, struct bytes name)
{
    return a->version_2 ? sigv2_is_field(name) : text_starts_any_case(name, "x-amz-");
}

/* A decoded value is not yet one that a field could have. */
static bool is_field_value(struct bytes value)
{
    for (uint32_t i = 0; i < value.len; i++)
        if ((value.data[i] < 0x20 && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    return true;
}

static enum s3_error field_from_arg(struct auth *a, struct http_head *head,
                                    const struct uri_arg *arg)
{
    char name[HTTP_NAME_BYTES_MAX + 1];
    const struct bytes *sent;
    char *kept;

    a->why = "An x-amz- parameter of the query is not one that a header could be.";
    if (arg->name.len > HTTP_NAME_BYTES_MAX || !is_field_value(arg->value))
        return S3_InvalidArgument;
    for (uint32_t i = 0; i < arg->name.len; i++) {
        uint8_t c = arg->name.data[i];

        name[i] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    name[arg->name.len] = '\0';
    sent = http_field(head, name);
    a->why = "A header and a parameter of the query differ.";
    if (sent)
        return bytes_equal(*sent, text_trim(arg->value)) ? S3_OK : S3_InvalidArgument;
    if (head->field_count == HTTP_FIELDS_MAX)
        return S3_RequestHeaderSectionTooLarge;
    kept = arena_strdup(a->arena, name, arg->name.len);
    if (!kept)
        return S3_ServiceUnavailable;
    head->field[head->field_count++] = (struct http_field){BYTES_STR(kept), text_trim(arg->value)};
    return S3_OK;
}

/* URLs are often signed before there is a body, and SDKs (JavaScript's by default) then tell the
 * checksum of none, which no body would meet.  S3 looks at no checksum of a query; we do, if it is
 * one of some bytes. */
static bool says_nothing(const struct auth *a, const struct uri_arg *arg)
{
    if (a->version_2) /* what is signed must be there to be verified */
        return false;
    return text_is_any_case(arg->name, "x-amz-sdk-checksum-algorithm") ||
           checksum_is_of_nothing(checksum_of_field(arg->name), arg->value);
}

static enum s3_error unwrap_query(struct auth *a)
{
    struct http_head *head = NULL;
    enum s3_error e = S3_OK;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < a->query->count && e == S3_OK; i++) {
        const struct uri_arg *arg = &a->query->arg[i];

        if (is_of_signature(a, arg->name) || says_nothing(a, arg))
            continue;
        if (!is_field(a, arg->name)) {
            a->query->arg[kept++] = *arg;
            continue;
        }
        if (!head) {
            head = arena_alloc(a->arena, sizeof(*head));
            if (!head)
                return S3_ServiceUnavailable;
            *head = *a->head;
        }
        e = field_from_arg(a, head, arg);
    }
    if (e != S3_OK)
        return e;
    a->why = NULL;
    a->query->count = kept;
    if (head)
        a->head = head;
    return S3_OK;
}

/* --- who --- */

static enum s3_error verify(struct auth *a, struct bytes secret)
{
    const struct auth_conf *c = a->conf;

    if (a->version_2 && a->sig.form == SIGV4_IN_POST)
        return sigv2_verify_text(&a->scratch, c->kit, &a->old, secret, a->policy);
    if (a->version_2)
        return sigv2_verify(&a->scratch, c->kit, a->head, a->query, &a->old, secret);
    if (a->sig.form == SIGV4_IN_POST)
        return sigv4_verify_form(&a->scratch, c->kit, c->keys, &a->sig, secret, a->policy);
    return sigv4_verify(&a->scratch, c->kit, c->keys, a->head, a->query, &a->sig, secret,
                        &a->chain);
}

static void user_found(void *arg, int rc, const struct s3_user *user)
{
    struct auth *a = arg;
    struct s3_principal who = {.anonymous = false};
    enum s3_error e = s3_error_of(rc);

    if (e == S3_OK)
        e = verify(a, BYTES_STR(user->secret_key));
    if (e == S3_OK && user->suspended) /* told to nobody but the user */
        e = S3_AccessDenied;
    if (e == S3_OK && a->sig.form == SIGV4_IN_QUERY && !a->version_2)
        e = unwrap_query(a);
    if (e == S3_OK)
        memcpy(who.name, user->name, sizeof(who.name));
    if (e == S3_OK)
        who.quota = user->quota;
    finish(a, e, &who);
}

static void nobody(struct env_task *task)
{
    static const struct s3_principal anonymous = {.name = S3_ANONYMOUS, .anonymous = true};

    finish(CONTAINER_OF(task, struct auth, task), S3_OK, &anonymous);
}

static enum s3_error ask(struct auth *a)
{
    if (a->sig.access_key.len == 0 || a->sig.access_key.len > S3_ACCESS_KEY_MAX)
        return S3_InvalidAccessKeyId;
    return s3_error_of(bucket_user(a->conf->buckets, a->sig.access_key, user_found, a));
}

static enum s3_error ask_nobody(struct auth *a)
{
    a->why = "The chunks of the body are signed, but the request is not.";
    if (a->sig.payload_kind == PAYLOAD_CHUNKS_SIGNED ||
        a->sig.payload_kind == PAYLOAD_CHUNKS_SIGNED_TRAILER)
        return S3_InvalidRequest;
    a->why = NULL;
    env_task_init(&a->task, nobody);
    env_post(a->conf->env, &a->task);
    return S3_OK;
}

/* The body of a request is not signed, unless x-amz-content-sha256 has its hash. */
static enum s3_error old_payload(struct auth *a)
{
    const struct bytes *field = http_field(a->head, "x-amz-content-sha256");
    enum s3_error e = S3_OK;

    a->sig.payload = BYTES_STR("UNSIGNED-PAYLOAD");
    a->sig.payload_kind = PAYLOAD_UNSIGNED;
    if (field)
        e = sigv4_payload(*field, &a->sig, &a->why);
    if (e != S3_OK || a->sig.payload_kind == PAYLOAD_HASHED ||
        a->sig.payload_kind == PAYLOAD_UNSIGNED)
        return e;
    a->why = "A body in chunks needs a signature of version 4. Please use AWS4-HMAC-SHA256.";
    return S3_InvalidRequest;
}

static void old_take(struct auth *a)
{
    a->version_2 = true;
    a->sig.form = a->old.form;
    a->sig.access_key = a->old.access_key;
}

static enum s3_error start_old(struct auth *a)
{
    const struct auth_conf *c = a->conf;
    enum s3_error e = sigv2_parse(a->head, a->query, c->domains, &a->old, &a->why);

    if (e != S3_OK)
        return e;
    old_take(a);
    e = sigv2_check_time(&a->old, (int64_t)(env_wall_ns(c->env) / NS_PER_S), &a->why);
    if (e == S3_OK && a->sig.form == SIGV4_IN_QUERY)
        e = unwrap_query(a);
    if (e == S3_OK)
        e = old_payload(a);
    return e == S3_OK ? ask(a) : e;
}

enum s3_error auth_start(struct auth *a, const struct auth_conf *conf, struct arena *arena,
                         const struct http_head *head, struct uri_query *query,
                         void (*done)(void *arg, enum s3_error e, const struct s3_principal *who),
                         void *arg)
{
    enum s3_error e;

    memset(a, 0, sizeof(*a));
    a->conf = conf;
    a->arena = arena;
    a->head = head;
    a->query = query;
    a->done = done;
    a->arg = arg;
    if (conf->version_2 && sigv2_is(head, query))
        return start_old(a);
    e = sigv4_parse(head, query, conf->region, &a->sig, &a->why);
    if (e == S3_OK && a->sig.form == SIGV4_NOWHERE)
        return ask_nobody(a);
    if (e == S3_OK)
        e = sigv4_check_time(&a->sig, (int64_t)(env_wall_ns(conf->env) / NS_PER_S), &a->why);
    return e == S3_OK ? ask(a) : e;
}

static enum s3_error start_old_form(struct auth *a, const struct auth_form *form)
{
    enum s3_error e;

    a->why = "The authorization mechanism you have provided is not supported. Please use "
             "AWS4-HMAC-SHA256.";
    if (!a->conf->version_2)
        return S3_InvalidRequest;
    a->why = "A form is signed in one way: by its field 'signature' or by 'X-Amz-Signature'.";
    if (form->algorithm.len || form->credential.len || form->signature.len)
        return S3_InvalidArgument;
    a->why = "Bucket POST must contain a field named 'policy', and one named 'signature'.  If they "
             "are specified, please check the order of the fields.";
    if (form->policy.len == 0 || form->old_signature.len == 0)
        return S3_InvalidArgument;
    e = sigv2_parse_form(form->old_key, form->old_signature, &a->old, &a->why);
    if (e != S3_OK)
        return e;
    old_take(a);
    return ask(a);
}

enum s3_error
auth_start_form(struct auth *a, const struct auth_conf *conf, struct arena *arena,
                const struct auth_form *form,
                void (*done)(void *arg, enum s3_error e, const struct s3_principal *who), void *arg)
{
    enum s3_error e;

    memset(a, 0, sizeof(*a));
    a->conf = conf;
    a->arena = arena;
    a->done = done;
    a->arg = arg;
    a->policy = form->policy;
    a->sig.payload_kind = PAYLOAD_UNSIGNED;
    if (form->old_key.len || form->old_signature.len)
        return start_old_form(a, form);
    if (form->policy.len == 0 && form->signature.len == 0)
        return ask_nobody(a);
    a->why =
        "Bucket POST must contain a field named 'policy', and one named 'X-Amz-Signature'.  If "
        "they are specified, please check the order of the fields.";
    if (form->policy.len == 0 || form->signature.len == 0)
        return S3_InvalidArgument;
    e = sigv4_parse_form(form->algorithm, form->credential, form->date, form->signature,
                         conf->region, &a->sig, &a->why);
    return e == S3_OK ? ask(a) : e;
}

void auth_fini(struct auth *a)
{
    hash_fini(&a->scratch);
    explicit_bzero(&a->chain, sizeof(a->chain));
}
