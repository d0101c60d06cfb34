/* cors.c - CORS: rules of a bucket, preflight requests, and what actual requests are told.
 *
 * The rules stand with the bucket as a row of items: a kind and a text each; a RULE begins the next
 * one.  The first rule counts that allows origin, method and, of a preflight request, all of the
 * fields that it asks for. */
#include <stdio.h>

#include "s3/gateway.h"
#include "s3/object/cors.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_body.h"
#include "s3/text.h"

enum item { RULE = 1, ID, ORIGIN, METHOD, HEADER, EXPOSE, MAX_AGE, ITEMS_END };
enum { RULES_MAX = 100, ID_MAX = 255 };

static const char *const elements[ITEMS_END] = {
    [ID] = "ID",
    [ORIGIN] = "AllowedOrigin",
    [METHOD] = "AllowedMethod",
    [HEADER] = "AllowedHeader",
    [EXPOSE] = "ExposeHeader",
    [MAX_AGE] = "MaxAgeSeconds",
};

/* The next item of a row; 0: there is no more, or it is damaged. */
static enum item item_next(struct cursor *c, struct bytes *out_text)
{
    unsigned kind = cur_left(c) ? cur_u8(c) : 0;

    *out_text = kind ? cur_bytes(c, S3_PROPS_BYTES_MAX) : (struct bytes){0};
    return c->rc == 0 && kind < ITEMS_END ? (enum item)kind : 0;
}

/* --- matching --- */

/* One star stands for any text. */
static bool matches(struct bytes pattern, struct bytes text, bool any_case)
{
    struct bytes head = {0};
    bool star = text_cut(&pattern, '*', &head);

    if (!star)
        head = pattern;
    if (star ? text.len < head.len + pattern.len : text.len != head.len)
        return false;
    for (uint32_t i = 0; i < head.len; i++)
        if (head.data[i] != text.data[i] &&
            !(any_case && (head.data[i] | 32) == (text.data[i] | 32)))
            return false;
    for (uint32_t i = 1; star && i <= pattern.len; i++) {
        uint8_t a = pattern.data[pattern.len - i], b = text.data[text.len - i];

        if (a != b && !(any_case && (a | 32) == (b | 32)))
            return false;
    }
    return true;
}

/* Does the rule whose items follow have one of this kind that matches? */
static bool rule_has(struct cursor rule, enum item kind, struct bytes text, bool any_case,
                     struct bytes *out_pattern)
{
    struct bytes item;
    enum item k;

    while ((k = item_next(&rule, &item)) != 0 && k != RULE)
        if (k == kind && matches(item, text, any_case)) {
            *out_pattern = item;
            return true;
        }
    return false;
}

struct question {
    struct bytes origin, method;
    const struct bytes *fields; /* asked for; NULL: none */
};

static bool rule_allows(struct cursor rule, const struct question *q, struct bytes *out_origin)
{
    struct bytes fields = q->fields ? *q->fields : (struct bytes){0}, field, pattern;

    if (!rule_has(rule, ORIGIN, q->origin, false, out_origin) ||
        !rule_has(rule, METHOD, q->method, false, &pattern))
        return false;
    while (list_item(&fields, &field))
        if (field.len && !rule_has(rule, HEADER, field, true, &pattern))
            return false;
    return true;
}

/* The items of the first rule that allows it. */
static bool rule_find(struct bytes rules, const struct question *q, struct cursor *out_rule,
                      struct bytes *out_origin)
{
    struct cursor c = cur_over(rules.data, rules.len);
    struct bytes item;
    enum item k;

    while ((k = item_next(&c, &item)) != 0) {
        if (k != RULE || !rule_allows(c, q, out_origin))
            continue;
        *out_rule = c;
        return true;
    }
    return false;
}

/* --- telling --- */

/* All of a kind, as a list. */
static void tell_list(struct s3_request *r, struct cursor rule, enum item kind, const char *field)
{
    AUTO(writer) w = {0};
    struct bytes item;
    const char *kept;
    enum item k;

    while ((k = item_next(&rule, &item)) != 0 && k != RULE) {
        if (k != kind)
            continue;
        if (w.len)
            wr_raw(&w, ", ", 2);
        wr_raw(&w, item.data, item.len);
    }
    kept = w.len && w.rc == 0 ? arena_strdup(r->arena, (const char *)w.data, w.len) : NULL;
    if (kept)
        request_field_set(r, field, BYTES_STR(kept));
}

static void tell(struct s3_request *r, struct cursor rule, const struct question *q,
                 struct bytes origin)
{
    bool all = text_is(origin, "*");

    request_field_set(r, "Access-Control-Allow-Origin", all ? origin : q->origin);
    if (!all)
        request_field_set(r, "Access-Control-Allow-Credentials", BYTES_STR("true"));
    tell_list(r, rule, METHOD, "Access-Control-Allow-Methods");
    tell_list(r, rule, EXPOSE, "Access-Control-Expose-Headers");
    tell_list(r, rule, MAX_AGE, "Access-Control-Max-Age");
    request_field_set(
        r, "Vary",
        BYTES_STR("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"));
}

void cors_apply(struct s3_request *r, const struct bytes *rules)
{
    const struct bytes *origin = request_field(r, "origin");
    struct question q = {.method = r->head->method};
    struct bytes pattern;
    struct cursor rule;

    if (!origin || !rules)
        return;
    q.origin = *origin;
    if (rule_find(*rules, &q, &rule, &pattern))
        tell(r, rule, &q, pattern);
}

/* --- preflight --- */

static enum s3_error preflight(struct s3_request *r, const struct bytes *rules)
{
    const struct bytes *fields = request_field(r, "access-control-request-headers");
    struct question q = {.origin = *request_field(r, "origin"),
                         .method = *request_field(r, "access-control-request-method"),
                         .fields = fields};
    struct bytes pattern;
    struct cursor rule;

    r->why = "CORSResponse: CORS is not enabled for this bucket.";
    if (!rules)
        return S3_AccessForbidden;
    r->why = "CORSResponse: This CORS request is not allowed. This is usually because the "
             "evaluation of Origin, request method / Access-Control-Request-Method or "
             "Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.";
    if (!rule_find(*rules, &q, &rule, &pattern))
        return S3_AccessForbidden;
    tell(r, rule, &q, pattern);
    if (fields)
        request_field_set(r, "Access-Control-Allow-Headers", *fields);
    return S3_OK;
}

static void preflight_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = preflight(r, bucket_prop(info, S3_PROP_CORS));
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        request_reply(r, 200);
    request_drop(r);
}

static void preflight_start(struct s3_request *r)
{
    int rc;

    if (!request_field(r, "origin")) {
        request_reply_why(r, S3_BadRequest,
                          "Insufficient information. Origin request header needed.");
        return;
    }
    if (!request_field(r, "access-control-request-method")) {
        request_reply_why(r, S3_BadRequest, "Invalid Access-Control-Request-Method: null");
        return;
    }
    request_hold(r);
    rc = bucket_peek(r->g->buckets, &r->who, r->bucket, preflight_seen, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_preflight = {"PreflightRequest", preflight_start, NULL};

/* --- the rules told --- */

static void put_rules(struct writer *w, struct bytes rules)
{
    struct cursor c = cur_over(rules.data, rules.len);
    struct bytes item;
    bool open = false;
    enum item k;

    xml_begin(w, "CORSConfiguration");
    while ((k = item_next(&c, &item)) != 0) {
        if (k != RULE) {
            xml_put(w, elements[k], item);
            continue;
        }
        if (open)
            xml_close(w, "CORSRule");
        xml_open(w, "CORSRule");
        open = true;
    }
    if (open)
        xml_close(w, "CORSRule");
    xml_close(w, "CORSConfiguration");
}

static void bucket_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;
    const struct bytes *rules;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    rules = bucket_prop(info, S3_PROP_CORS);
    if (rules) {
        put_rules(&r->xml, *rules);
        request_reply_xml(r);
    } else {
        request_reply_error(r, S3_NoSuchCORSConfiguration);
    }
    request_drop(r);
}

static void get_start(struct s3_request *r)
{
    request_ask_bucket(r, bucket_seen);
}

const struct s3_op op_get_bucket_cors = {"GetBucketCors", get_start, NULL};

/* --- the rules set --- */

struct cors_in {
    struct xml_body xml;
    struct writer rules;
    uint32_t rule_count;
    bool seen[ITEMS_END]; /* in the rule at hand */
    enum s3_error e;
};

static void cors_fini(struct s3_request *r)
{
    struct cors_in *s = r->state;

    writer_fini(&s->rules);
}

static enum item item_of(const char *name)
{
    for (unsigned k = ID; k < ITEMS_END; k++)
        if (strcmp(name, elements[k]) == 0)
            return (enum item)k;
    return 0;
}

static int element(void *arg, unsigned depth, const char *name)
{
    struct cors_in *s = arg;

    if (depth == 0)
        return strcmp(name, "CORSConfiguration") == 0 ? 0 : -R_MALFORMED;
    if (depth == 1) {
        if (strcmp(name, "CORSRule") != 0 || s->rule_count++ == RULES_MAX)
            return -R_MALFORMED;
        memset(s->seen, 0, sizeof(s->seen));
        wr_u8(&s->rules, RULE);
        wr_bytes(&s->rules, (struct bytes){0});
        return 0;
    }
    return depth == 2 && item_of(name) ? 0 : -R_MALFORMED;
}

static unsigned stars(struct bytes text)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < text.len; i++)
        n += text.data[i] == '*';
    return n;
}

/* What S3 takes in each element: MalformedXML, or a sentence with InvalidRequest. */
static int item_check(struct cors_in *s, enum item k, struct bytes text)
{
    static const char *const methods[] = {"GET", "PUT", "POST", "DELETE", "HEAD"};
    const char *why = NULL;
    uint64_t n;
    bool known = k != METHOD;

    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        known |= text_is(text, methods[i]);
    if (!known)
        why = "Found unsupported HTTP method in CORS config.";
    else if (k == ORIGIN && stars(text) > 1)
        why = "AllowedOrigin can not have more than one wildcard.";
    else if (k == HEADER && stars(text) > 1)
        why = "AllowedHeader can not have more than one wildcard.";
    else if (k == EXPOSE && stars(text))
        why = "ExposeHeader contains wildcard. We currently do not support wildcard for "
              "ExposeHeader.";
    if (why && s->e == S3_OK) {
        s->e = S3_InvalidRequest;
        s->xml.r->why = why;
    }
    if (k == MAX_AGE && !number_get(text, INT32_MAX, &n))
        return -R_MALFORMED;
    if ((k == ID || k == MAX_AGE) && s->seen[k])
        return -R_MALFORMED;
    for (uint32_t i = 0; i < text.len; i++) /* they become fields of answers */
        if (text.data[i] < 0x20 || text.data[i] == 0x7f)
            return -R_MALFORMED;
    return k == ID && text.len > ID_MAX ? -R_MALFORMED : 0;
}

static int element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct cors_in *s = arg;
    enum item k = item_of(name);
    int rc;

    if (depth == 1)
        return s->seen[ORIGIN] && s->seen[METHOD] ? 0 : -R_MALFORMED;
    if (depth != 2)
        return 0;
    rc = item_check(s, k, text);
    if (rc < 0)
        return rc;
    s->seen[k] = true;
    wr_u8(&s->rules, (uint8_t)k);
    wr_bytes(&s->rules, text);
    return s->rules.rc;
}

static const struct xml_calls cors_xml = {element, element_end};

static void put_start(struct s3_request *r)
{
    (void)xml_body_start(r, sizeof(struct cors_in), &cors_xml, cors_fini);
}

static void changed(void *arg, int rc)
{
    struct s3_request *r = arg;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    request_reply(r, r->op == &op_put_bucket_cors ? 200 : 204);
    request_drop(r);
}

static void rules_set(struct s3_request *r, struct bytes rules)
{
    int rc;

    request_hold(r);
    rc = bucket_change(r->g->buckets, &r->who, r->bucket, S3_PROP_CORS, rules, changed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

static void put_done(struct s3_request *r, const struct body_sums *sums)
{
    struct cors_in *s = r->state;

    UNUSED(sums);
    if (!xml_body_end(r))
        return;
    if (s->rule_count == 0)
        request_reply_error(r, S3_MalformedXML);
    else if (s->e != S3_OK)
        request_reply_error(r, s->e);
    else
        rules_set(r, (struct bytes){s->rules.data, (uint32_t)s->rules.len});
}

static void delete_start(struct s3_request *r)
{
    rules_set(r, (struct bytes){0});
}

static const struct request_body_calls put_body = {NULL, xml_body_batch, put_done};
const struct s3_op op_put_bucket_cors = {"PutBucketCors", put_start, &put_body};
const struct s3_op op_delete_bucket_cors = {"DeleteBucketCors", delete_start, NULL};
