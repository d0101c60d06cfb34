/* policy.c - the policy document of a browser's POST. */
#include <stdio.h>
#include <time.h>

#include "core/base/json.h"
#include "s3/auth/digest.h"
#include "s3/auth/policy.h"
#include "s3/text.h"

enum { WHY_BYTES = 512 };

/* One check under way. */
struct check {
    struct arena *arena;
    const struct policy_field *fields;
    uint32_t count;
    bool named[POLICY_FIELDS_MAX]; /* by a condition */
    struct policy_range range;
    const char *why;
};

static enum s3_error refuse(struct check *c, enum s3_error e, const char *why)
{
    c->why = why;
    return e;
}

/* --- the text --- */

/* JSON proper has no \$ and no \v, which policies may have. */
static int escapes_replace(struct writer *w, const uint8_t *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        bool escape = text[i] == '\\' && i + 1 < bytes;

        if (escape && text[i + 1] == '$') {
            wr_raw(w, "$", 1);
            i++;
        } else if (escape && text[i + 1] == 'v') {
            wr_raw(w, "\\u000b", 6);
            i++;
        } else {
            wr_raw(w, &text[i], escape ? 2 : 1);
            i += escape;
        }
    }
    return w->rc;
}

/* A new reference, or NULL: it is none, or memory is short. */
static json_t *document(struct check *c, struct bytes text)
{
    uint8_t *plain = arena_alloc(c->arena, (size_t)text.len + 1);
    uint8_t *decoded = arena_alloc(c->arena, (size_t)text.len + 1);
    AUTO(writer) w = {0};
    struct bytes packed = {plain, 0};
    size_t bytes;

    if (!plain || !decoded)
        return NULL;
    for (uint32_t i = 0; i < text.len; i++) /* forms may break lines */
        if (text.data[i] != '\r' && text.data[i] != '\n')
            plain[packed.len++] = text.data[i];
    bytes = packed.len / 4 * 3;
    for (uint32_t i = packed.len; i > 0 && plain[i - 1] == '=' && packed.len - i < 2; i--)
        bytes--;
    if (packed.len < 4 || !base64_get(packed, decoded, bytes) ||
        escapes_replace(&w, decoded, bytes) < 0)
        return NULL;
    return json_parse(w.data, w.len, NULL);
}

/* 2007-12-01T12:00:00.000Z, with or without the fraction. */
static bool time_get(const char *text, int64_t *out_s)
{
    struct tm tm = {0};
    int used = 0;

    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec, &used) != 6 ||
        used != 19)
        return false;
    text += used;
    if (*text == '.')
        text += 1 + strspn(text + 1, "0123456789");
    if (strcmp(text, "Z") != 0 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
        tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60 || tm.tm_year < 0 ||
        tm.tm_hour < 0 || tm.tm_min < 0 || tm.tm_sec < 0)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon--;
    *out_s = timegm(&tm);
    return true;
}

/* --- conditions --- */

static bool begins(struct bytes text, struct bytes with)
{
    return text.len >= with.len && memcmp(text.data, with.data, with.len) == 0;
}

/* A list of content types begins with something when each of them does. */
static bool list_begins(struct bytes list, struct bytes with)
{
    struct bytes one;
    bool more = true;

    while (more) {
        more = text_cut(&list, ',', &one);
        if (!begins(text_trim(more ? one : list), with))
            return false;
    }
    return true;
}

static bool meets(const struct policy_field *f, bool prefix, struct bytes value)
{
    if (!prefix)
        return bytes_equal(f->value, value);
    return text_is(f->name, "content-type") ? list_begins(f->value, value)
                                            : begins(f->value, value);
}

static enum s3_error failed(struct check *c, bool prefix, const char *name, struct bytes value)
{
    char *why = arena_alloc(c->arena, WHY_BYTES);

    if (why)
        (void)snprintf(why, WHY_BYTES,
                       "Invalid according to Policy: Policy Condition failed: [\"%s\", \"$%s\", "
                       "\"%.*s\"]",
                       prefix ? "starts-with" : "eq", name, (int)value.len,
                       (const char *)value.data);
    return refuse(c, S3_AccessDenied, why);
}

/* A field that is not there meets nothing. */
static enum s3_error condition(struct check *c, bool prefix, const char *name, const json_t *json)
{
    struct bytes value;
    bool met = false;

    if (!json_is_string(json))
        return refuse(c, S3_InvalidPolicyDocument, "Invalid Policy: a value is not a string.");
    value = (struct bytes){(const uint8_t *)json_string_value(json),
                           (uint32_t)json_string_length(json)};
    for (uint32_t i = 0; i < c->count; i++) {
        if (!text_is_any_case(c->fields[i].name, name))
            continue;
        c->named[i] = true;
        met = meets(&c->fields[i], prefix, value);
    }
    return met ? S3_OK : failed(c, prefix, name, value);
}

static bool range_number(const json_t *json, uint64_t *out_n)
{
    struct bytes text;

    if (json_is_integer(json) && json_integer_value(json) >= 0) {
        *out_n = (uint64_t)json_integer_value(json);
        return true;
    }
    if (!json_is_string(json))
        return false;
    text = BYTES_STR(json_string_value(json));
    if (!text_digits(text) || text.len > 18)
        return false;
    *out_n = 0;
    for (uint32_t i = 0; i < text.len; i++)
        *out_n = *out_n * 10 + (uint64_t)(text.data[i] - '0');
    return true;
}

static enum s3_error length_range(struct check *c, const json_t *list)
{
    uint64_t min, max;

    if (!range_number(json_array_get(list, 1), &min) ||
        !range_number(json_array_get(list, 2), &max) || min > max)
        return refuse(c, S3_InvalidPolicyDocument,
                      "Invalid Policy: content-length-range needs two numbers.");
    c->range.bytes_min = MAX(c->range.bytes_min, min);
    c->range.bytes_max = MIN(c->range.bytes_max, max);
    return S3_OK;
}

/* ["eq", "$key", "value"] */
static enum s3_error condition_list(struct check *c, const json_t *list)
{
    const char *how = json_string_value(json_array_get(list, 0));
    const char *name = json_string_value(json_array_get(list, 1));
    bool prefix;

    if (!how || json_array_size(list) != 3)
        return refuse(c, S3_InvalidPolicyDocument,
                      "Invalid Policy: a condition is not a list of three.");
    if (strcasecmp(how, "content-length-range") == 0)
        return length_range(c, list);
    prefix = strcasecmp(how, "starts-with") == 0;
    if (!prefix && strcasecmp(how, "eq") != 0)
        return refuse(c, S3_InvalidPolicyDocument, "Invalid Policy: an unknown condition.");
    if (!name || name[0] != '$')
        return refuse(c, S3_InvalidPolicyDocument,
                      "Invalid Policy: a condition names no field ($...).");
    return condition(c, prefix, name + 1, json_array_get(list, 2));
}

static enum s3_error conditions(struct check *c, json_t *list)
{
    enum s3_error e = S3_OK;

    for (size_t i = 0; i < json_array_size(list) && e == S3_OK; i++) {
        json_t *one = json_array_get(list, i), *value;
        const char *name;

        if (json_is_array(one))
            e = condition_list(c, one);
        else if (!json_is_object(one))
            e = refuse(c, S3_InvalidPolicyDocument,
                       "Invalid Policy: a condition is neither a list nor an object.");
        json_object_foreach(one, name, value) if (e == S3_OK) e = condition(c, false, name, value);
    }
    return e;
}

/* The bucket must, though it need be no field of the form: else a policy would be good for all the
 * buckets of whoever signed it. */
static bool need_not_be_named(struct bytes name)
{
    return text_is(name, "x-amz-signature") || text_is(name, "awsaccesskeyid") ||
           text_is(name, "signature") || text_is(name, "policy") || text_is(name, "file") ||
           text_starts(name, "x-ignore-");
}

static enum s3_error all_named(struct check *c)
{
    for (uint32_t i = 0; i < c->count; i++) {
        struct bytes name = c->fields[i].name;
        char *why;

        if (c->named[i] || need_not_be_named(name))
            continue;
        why = arena_alloc(c->arena, WHY_BYTES);
        if (why)
            (void)snprintf(why, WHY_BYTES, "Invalid according to Policy: Extra input fields: %.*s",
                           (int)name.len, (const char *)name.data);
        return refuse(c, S3_AccessDenied, why);
    }
    return S3_OK;
}

static enum s3_error check_all(struct check *c, json_t *root, int64_t now_s)
{
    const char *expiration = json_string_value(json_object_get(root, "expiration"));
    json_t *list = json_object_get(root, "conditions");
    enum s3_error e;
    int64_t at;

    if (!expiration || !time_get(expiration, &at))
        return refuse(c, S3_InvalidPolicyDocument,
                      "Invalid Policy: 'expiration' must be a time like 2026-11-21T12:00:00Z.");
    if (!json_is_array(list))
        return refuse(c, S3_InvalidPolicyDocument, "Invalid Policy: 'conditions' must be a list.");
    if (at < now_s)
        return refuse(c, S3_AccessDenied, "Invalid according to Policy: Policy expired.");
    e = conditions(c, list);
    return e == S3_OK ? all_named(c) : e;
}

enum s3_error policy_check(struct arena *a, struct bytes text, int64_t now_s,
                           const struct policy_field *fields, uint32_t count,
                           struct policy_range *out_range, const char **out_why)
{
    struct check c = {.arena = a, .fields = fields, .count = count, .range = {0, UINT64_MAX}};
    json_t *root = document(&c, text);
    enum s3_error e;

    ASSERT(count <= POLICY_FIELDS_MAX);
    if (json_is_object(root))
        e = check_all(&c, root, now_s);
    else
        e = refuse(&c, S3_InvalidPolicyDocument, "Invalid Policy: Invalid JSON.");
    json_decref(root);
    *out_why = c.why;
    if (e == S3_OK)
        *out_range = c.range;
    return e;
}
