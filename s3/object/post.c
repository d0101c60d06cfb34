/* post.c - PostObject: an object from a browser's form.
 *
 *     FIELDS  of the form are collected, 20 KiB at most; the file comes last
 *     ASKING  its head is here: who signed the policy, and does it hold for the fields?  The
 *             connection rests
 *     FILE    a PUT like others: the fields have become those of a head, and what is in the file's
 *             part is its body
 *     REST    what comes behind the file does not count, but the form must be whole
 *
 * A form without a policy is anonymous.  Like every body, the file becomes visible only after the
 * last byte of the request: a form that breaks off leaves nothing. */
#include "s3/object/post.h"
#include "s3/auth/form.h"
#include "s3/auth/policy.h"
#include "s3/gateway.h"
#include "s3/object/route.h"
#include "s3/text.h"

enum { BEFORE_FILE_MAX = 20 * 1024 };

enum stage { FIELDS, ASKING, FILE_DATA, REST };

struct post {
    enum stage stage;
    bool file_done;
    uint64_t taken; /* bytes of the request's body */
    uint64_t file_bytes;
    struct writer value; /* of the field at hand */
    struct policy_field field[POLICY_FIELDS_MAX];
    uint32_t count;
    struct policy_range range;
    struct form form;
};

static void refuse(struct s3_request *r, enum s3_error e, const char *why)
{
    if (request_open(r))
        request_reply_why(r, e, why);
}

/* --- fields --- */

const struct bytes *post_field(const struct s3_request *r, const char *name)
{
    const struct post *p = r->post;

    for (uint32_t i = 0; i < p->count; i++)
        if (text_is(p->field[i].name, name))
            return &p->field[i].value;
    return NULL;
}

static struct bytes field_or_empty(const struct s3_request *r, const char *name)
{
    const struct bytes *value = post_field(r, name);

    return value ? *value : (struct bytes){0};
}

/* The part's name, in lower case, and room for its value. */
static enum s3_error field_begin(struct s3_request *r)
{
    struct post *p = r->post;
    struct bytes name = p->form.name;
    char *lower = arena_strdup(r->arena, (const char *)name.data, name.len);

    if (!lower)
        return S3_ServiceUnavailable;
    for (uint32_t i = 0; i < name.len; i++)
        if (lower[i] >= 'A' && lower[i] <= 'Z')
            lower[i] = (char)(lower[i] + 32);
    r->why = "A field of the form is there twice.";
    if (post_field(r, lower))
        return S3_InvalidArgument;
    r->why = "The form has too many fields.";
    if (p->count == POLICY_FIELDS_MAX - 1) /* the bucket is one more */
        return S3_MaxPostPreDataLengthExceededError;
    r->why = NULL;
    p->field[p->count].name = (struct bytes){(uint8_t *)lower, name.len};
    p->value.len = 0;
    return S3_OK;
}

static enum s3_error field_end(struct s3_request *r)
{
    struct post *p = r->post;
    char *kept;

    if (p->value.rc < 0)
        return S3_ServiceUnavailable;
    kept = arena_strdup(r->arena, p->value.len ? (const char *)p->value.data : "", p->value.len);
    if (!kept)
        return S3_ServiceUnavailable;
    p->field[p->count++].value = (struct bytes){(uint8_t *)kept, (uint32_t)p->value.len};
    return S3_OK;
}

/* What the user's file is called, without the folders that some browsers tell. */
static struct bytes base_name(struct bytes path)
{
    for (uint32_t i = path.len; i > 0; i--)
        if (path.data[i - 1] == '/' || path.data[i - 1] == '\\')
            return text_skip(path, i);
    return path;
}

/* The key, with ${filename} replaced. */
static enum s3_error key_take(struct s3_request *r)
{
    static const char variable[] = "${filename}";
    struct bytes name = base_name(r->post->form.filename), rest;
    AUTO(writer) key = {0};

    for (uint32_t i = 0; i < r->post->count; i++) {
        struct bytes *value = &r->post->field[i].value;

        if (!text_is(r->post->field[i].name, "key"))
            continue;
        for (rest = *value; rest.len;) {
            bool here = text_starts(rest, variable);
            size_t n = here ? strlen(variable) : 1;

            wr_raw(&key, here ? name.data : rest.data, here ? name.len : 1);
            rest = text_skip(rest, n);
        }
        if (key.rc < 0)
            return S3_ServiceUnavailable;
        value->data =
            (uint8_t *)arena_strdup(r->arena, key.len ? (const char *)key.data : "", key.len);
        value->len = (uint32_t)key.len;
        r->key = *value;
        return !value->data ? S3_ServiceUnavailable : key.len ? S3_OK : S3_InvalidArgument;
    }
    r->why = "Bucket POST must contain a field named 'key'.  If it is specified, please check the "
             "order of the fields.";
    return S3_InvalidArgument;
}

/* --- the head of the PUT that the form stands for --- */

/* Fields of the form that are about the form. */
static bool is_of_form(struct bytes name)
{
    static const char *const names[] = {
        "key",
        "bucket",
        "policy",
        "x-amz-algorithm",
        "x-amz-date",
        "x-amz-credential",
        "file",
        "x-amz-signature",
        "awsaccesskeyid",
        "signature",
        "redirect",
        "submit",
        "success_action_redirect",
        "success_action_status",
    };

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (text_is(name, names[i]))
            return true;
    return text_starts(name, "x-ignore-");
}

/* As a head would name it: some have other names in forms. */
static struct bytes name_in_head(struct bytes name)
{
    if (text_is(name, "acl"))
        return BYTES_STR("x-amz-acl");
    return text_is(name, "tagging") ? BYTES_STR("x-amz-tagging") : name;
}

static bool is_field_value(struct bytes value)
{
    for (uint32_t i = 0; i < value.len; i++)
        if ((value.data[i] < 0x20 && value.data[i] != '\t') || value.data[i] == 0x7f)
            return false;
    return true;
}

static bool is_of_put(struct bytes name)
{
    static const char *const names[] = {
        "content-type",     "content-disposition", "content-md5", "content-encoding",
        "content-language", "cache-control",       "expires",     "acl",
        "tagging"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (text_is(name, names[i]))
            return true;
    return text_starts(name, "x-amz-");
}

static enum s3_error head_make(struct s3_request *r)
{
    struct http_head *head = arena_alloc(r->arena, sizeof(*head));
    const struct post *p = r->post;

    if (!head)
        return S3_ServiceUnavailable;
    *head = *r->head;
    head->method = BYTES_STR("PUT");
    head->field_count = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct policy_field *f = &p->field[i];

        if (is_of_form(f->name) || !is_of_put(f->name))
            continue;
        r->why = "A field of the form has a name or a value that no header could have.";
        if (f->name.len > HTTP_NAME_BYTES_MAX || !is_field_value(f->value))
            return S3_InvalidArgument;
        head->field[head->field_count++] =
            (struct http_field){name_in_head(f->name), text_trim(f->value)};
    }
    r->why = NULL;
    r->head = head;
    return S3_OK;
}

/* --- who, and whether it is allowed --- */

static enum s3_error policy_holds(struct s3_request *r)
{
    struct post *p = r->post;
    const struct bytes *policy = post_field(r, "policy");
    struct policy_field *bucket = &p->field[p->count];

    p->range = (struct policy_range){0, S3_PUT_BYTES_MAX};
    if (!policy)
        return S3_OK;
    *bucket = (struct policy_field){BYTES_STR("bucket"), r->bucket};
    return policy_check(r->arena, *policy, (int64_t)(env_wall_ns(r->g->env) / NS_PER_S), p->field,
                        p->count + 1, &p->range, &r->why);
}

static void post_known(void *arg, enum s3_error e, const struct s3_principal *who)
{
    struct s3_request *r = arg;
    struct post *p = r->post;

    if (!request_open(r)) {
        request_drop(r);
        return;
    }
    r->why = r->auth.why;
    if (e == S3_OK)
        e = policy_holds(r);
    if (e == S3_OK)
        e = head_make(r);
    if (e == S3_OK) {
        r->who = *who;
        p->range.bytes_max = MIN(p->range.bytes_max, S3_PUT_BYTES_MAX);
        p->stage = FILE_DATA;
        r->want.bytes = r->head->length - p->taken;
        r->want.up_to = true;
        e = route_post(r);
    }
    if (e != S3_OK)
        refuse(r, e, r->why);
    request_drop(r);
}

static enum s3_error ask(struct s3_request *r)
{
    const struct bytes *bucket = post_field(r, "bucket");
    struct auth_form form = {
        .policy = field_or_empty(r, "policy"),
        .algorithm = field_or_empty(r, "x-amz-algorithm"),
        .credential = field_or_empty(r, "x-amz-credential"),
        .date = field_or_empty(r, "x-amz-date"),
        .signature = field_or_empty(r, "x-amz-signature"),
        .old_key = field_or_empty(r, "awsaccesskeyid"),
        .old_signature = field_or_empty(r, "signature"),
    };
    enum s3_error e = key_take(r);

    if (e != S3_OK)
        return e;
    r->why = "The field bucket is not the bucket of the request.";
    if (bucket && !bytes_equal(*bucket, r->bucket))
        return S3_InvalidArgument;
    r->why = NULL;
    if (post_field(r, "x-amz-security-token"))
        return S3_InvalidToken;
    request_hold(r);
    e = auth_start_form(&r->auth, &r->g->auth, r->arena, &form, post_known, r);
    if (e == S3_OK)
        return S3_OK;
    r->why = r->auth.why;
    request_drop(r);
    return e;
}

/* --- the body --- */

static enum s3_error part_begin(struct s3_request *r)
{
    struct post *p = r->post;
    bool file = text_is_any_case(p->form.name, "file");

    r->why = NULL;
    if (p->stage == FIELDS && p->taken > BEFORE_FILE_MAX)
        return S3_MaxPostPreDataLengthExceededError;
    if (p->stage == REST)
        return file ? S3_IncorrectNumberOfFilesInPostRequest : S3_OK;
    if (!file)
        return field_begin(r);
    p->stage = ASKING;
    return ask(r);
}

static enum s3_error file_add(struct s3_request *r, size_t *out_taken)
{
    struct post *p = r->post;

    *out_taken = body_add(r->body, p->form.data.data, p->form.data.len);
    p->file_bytes += *out_taken;
    r->why = body_why(r->body);
    if (body_error(r->body) != S3_OK)
        return body_error(r->body);
    r->why = NULL;
    return p->file_bytes > p->range.bytes_max ? S3_EntityTooLarge : S3_OK;
}

static enum s3_error part_data(struct s3_request *r, size_t *out_taken)
{
    struct post *p = r->post;

    *out_taken = p->form.data.len;
    if (p->stage == FILE_DATA)
        return file_add(r, out_taken);
    if (p->stage == FIELDS)
        wr_raw(&p->value, p->form.data.data, p->form.data.len);
    return S3_OK;
}

static enum s3_error part_end(struct s3_request *r)
{
    struct post *p = r->post;

    if (p->stage == FIELDS)
        return field_end(r);
    p->file_done = true;
    p->stage = REST;
    return S3_OK;
}

static enum s3_error step(struct s3_request *r, enum form_event event, size_t *out_taken)
{
    switch (event) {
    case FORM_PART:
        return part_begin(r);
    case FORM_DATA:
        return part_data(r, out_taken);
    case FORM_END:
        return part_end(r);
    case FORM_BAD:
        r->why = NULL;
        return S3_MalformedPOSTRequest;
    case FORM_MORE:
    case FORM_DONE:
        break;
    }
    return S3_OK;
}

/* The connection rests while we ask, and until the PUT has opened. */
static bool waits(const struct s3_request *r)
{
    const struct post *p = r->post;

    return p->stage == ASKING || (p->stage == FILE_DATA && !r->body);
}

size_t post_data(struct s3_request *r, const uint8_t *data, size_t bytes)
{
    const uint8_t *at = data, *end = data + bytes;
    struct post *p = r->post;
    uint64_t before = p->taken;
    enum form_event event = FORM_DATA;
    enum s3_error e = S3_OK;

    while (e == S3_OK && event != FORM_MORE && !waits(r)) {
        size_t taken = 0;

        event = form_next(&p->form, &at, end);
        p->taken = before + (uint64_t)(at - data);
        e = step(r, event, &taken);
        if (event == FORM_DATA && taken < p->form.data.len) {
            form_took(&p->form, taken, &at);
            break;
        }
    }
    p->taken = before + (uint64_t)(at - data);
    if (e == S3_OK && p->stage == FIELDS && p->taken > BEFORE_FILE_MAX) {
        r->why = NULL;
        e = S3_MaxPostPreDataLengthExceededError;
    }
    if (e == S3_OK)
        return (size_t)(at - data);
    refuse(r, e, r->why);
    return bytes;
}

void post_end(struct s3_request *r)
{
    struct post *p = r->post;

    if (!request_open(r))
        return;
    if (form_done(&p->form) && p->file_done)
        body_end(r->body);
    else if (form_done(&p->form) && p->stage == FIELDS)
        refuse(r, S3_IncorrectNumberOfFilesInPostRequest, NULL);
    else
        refuse(r, S3_MalformedPOSTRequest, NULL);
}

/* --- the PUT --- */

static bool file_room(struct s3_request *r)
{
    return op_put_object.body->room(r);
}

static void file_batch(struct s3_request *r, struct buf *data)
{
    op_put_object.body->batch(r, data);
}

static void file_verified(struct s3_request *r, const struct body_sums *sums)
{
    if (sums->bytes < r->post->range.bytes_min)
        refuse(r, S3_EntityTooSmall,
               "Your proposed upload is smaller than the minimum allowed size.");
    else
        op_put_object.body->done(r, sums);
}

static void file_start(struct s3_request *r)
{
    op_put_object.start(r);
}

static const struct request_body_calls post_body = {file_room, file_batch, file_verified};

/* --- the beginning --- */

bool post_is_form(const struct s3_request *r)
{
    return bytes_equal(r->head->method, BYTES_STR("POST")) && r->bucket.len && r->key.len == 0 &&
           r->query.count == 0;
}

void post_fini(struct s3_request *r)
{
    if (r->post)
        writer_fini(&r->post->value);
}

void post_begin(struct s3_request *r)
{
    const struct bytes *type = request_field(r, "content-type");
    struct post *p = arena_zalloc(r->arena, sizeof(*p));

    r->op = &op_post_object;
    if (!p) {
        request_reply_error(r, S3_ServiceUnavailable);
        return;
    }
    if (!type || !form_init(&p->form, *type)) {
        refuse(r, S3_PreconditionFailed,
               "Bucket POST must be of the enclosure-type multipart/form-data");
        return;
    }
    if (request_field(r, "authorization")) {
        refuse(r, S3_InvalidArgument,
               "Only one auth mechanism allowed: the fields of the form, for a form.");
        return;
    }
    if (!r->head->has_length) {
        request_reply_error(r, S3_MissingContentLength);
        return;
    }
    r->post = p;
    r->answer = post_answer;
    r->reading = true;
    http_accept(r->http);
}

const struct s3_op op_post_object = {"PostObject", file_start, &post_body};
