/* access_line.c - one line for each request, in the order of AWS's server access log or as JSON.
 *
 * Both are made from one table of fields.  Text from clients holds only printable ASCII when it is
 * written, without '"' and '\': it needs no quoting beyond that in either form, and nothing that a
 * client sends can begin a line or a field. */
#include <stdio.h>
#include <time.h>

#include "s3/account/access_line.h"
#include "s3/uri.h"

/* ---- texts from clients ---- */

static void put(struct writer *w, const char *text)
{
    wr_raw(w, text, strlen(text));
}

static bool plain(uint8_t c, bool in_quotes)
{
    if (c <= ' ' || c > '~' || c == '"' || c == '\\')
        return c == ' ' && in_quotes;
    return true;
}

static void put_encoded(struct writer *w, struct bytes text, bool in_quotes)
{
    static const char digits[] = "0123456789ABCDEF";
    uint32_t from = 0;

    for (uint32_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        char code[3] = {'%', digits[c >> 4], digits[c & 15]};

        if (plain(c, in_quotes))
            continue;
        wr_raw(w, text.data + from, i - from);
        wr_raw(w, code, sizeof(code));
        from = i + 1;
    }
    if (text.len > from)
        wr_raw(w, text.data + from, text.len - from);
}

/* As AWS writes keys: percent signs of the key itself are encoded, too. */
static void put_key(struct writer *w, struct bytes key)
{
    while (key.len) {
        const uint8_t *percent = memchr(key.data, '%', key.len);
        uint32_t n = percent ? (uint32_t)(percent - key.data) : key.len;

        put_encoded(w, (struct bytes){key.data, n}, false);
        if (percent)
            put(w, "%25");
        n += percent != NULL;
        key = (struct bytes){key.data + n, key.len - n};
    }
}

/* ---- the target, without what it is worth ---- */

static int hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether an argument's name, which may be encoded, is this one. */
static bool name_is(struct bytes name, const char *want)
{
    uint32_t i = 0;

    for (; *want && i < name.len; want++) {
        int c = name.data[i++];

        if (c == '%' && i + 1 < name.len && hex(name.data[i]) >= 0 && hex(name.data[i + 1]) >= 0) {
            c = hex(name.data[i]) << 4 | hex(name.data[i + 1]);
            i += 2;
        }
        if ((c | 0x20) != (*want | 0x20))
            return false;
    }
    return !*want && i == name.len;
}

static bool is_secret(struct bytes name)
{
    static const char *const secrets[] = {"X-Amz-Signature", "Signature", "X-Amz-Security-Token"};

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        if (name_is(name, secrets[i]))
            return true;
    return false;
}

static void put_target(struct writer *w, struct bytes target)
{
    const uint8_t *question = target.len ? memchr(target.data, '?', target.len) : NULL;
    uint32_t at = question ? (uint32_t)(question - target.data) + 1 : target.len;

    put_encoded(w, (struct bytes){target.data, at}, false);
    while (at < target.len) {
        const uint8_t *from = target.data + at;
        const uint8_t *end = memchr(from, '&', target.len - at);
        uint32_t len = end ? (uint32_t)(end - from) : target.len - at;
        const uint8_t *equals = len ? memchr(from, '=', len) : NULL;
        struct bytes name = {from, equals ? (uint32_t)(equals - from) : len};

        if (equals && is_secret(name)) {
            put_encoded(w, name, false);
            put(w, "=***");
        } else {
            put_encoded(w, (struct bytes){from, len}, false);
        }
        if (end)
            put(w, "&");
        at += len + (end != NULL);
    }
}

/* ---- what S3 calls the operation ---- */

static const struct {
    const char *arg, *bucket, *object; /* of a request to a bucket, to an object */
} resources[] = {
    {"uploads", "UPLOADS", "UPLOADS"},
    {"uploadId", NULL, "UPLOAD"},
    {"delete", "MULTI_OBJECT_DELETE", NULL},
    {"location", "LOCATION", NULL},
    {"acl", "ACL", "ACL"},
    {"tagging", "TAGGING", "OBJECT_TAGGING"},
    {"cors", "CORS", NULL},
    {"versioning", "VERSIONING", NULL},
    {"versions", "BUCKETVERSIONS", NULL},
    {"policy", "BUCKETPOLICY", NULL},
    {"policyStatus", "POLICY_STATUS", NULL},
    {"lifecycle", "LIFECYCLE", NULL},
    {"website", "WEBSITE", NULL},
    {"logging", "LOGGING_STATUS", NULL},
    {"notification", "NOTIFICATION", NULL},
    {"replication", "REPLICATION", NULL},
    {"encryption", "ENCRYPTION", NULL},
    {"accelerate", "ACCELERATE", NULL},
    {"requestPayment", "REQUEST_PAYMENT", NULL},
    {"object-lock", "OBJECT_LOCK_CONFIGURATION", NULL},
    {"ownershipControls", "OWNERSHIP_CONTROLS", NULL},
    {"publicAccessBlock", "PUBLIC_ACCESS_BLOCK", NULL},
    {"attributes", NULL, "OBJECT_ATTRIBUTES"},
};

/* Does the query have an argument of this name? */
static bool has_arg(struct bytes target, const char *want)
{
    const uint8_t *question = target.len ? memchr(target.data, '?', target.len) : NULL;
    const uint8_t *at = question ? question + 1 : NULL, *stop = target.data + target.len;

    while (at && at < stop) {
        const uint8_t *end = memchr(at, '&', (size_t)(stop - at));
        uint32_t len = (uint32_t)((end ? end : stop) - at);
        const uint8_t *equals = len ? memchr(at, '=', len) : NULL;

        if (name_is((struct bytes){at, equals ? (uint32_t)(equals - at) : len}, want))
            return true;
        at = end ? end + 1 : NULL;
    }
    return false;
}

static const char *resource(const struct request_facts *f)
{
    if (f->bucket.len == 0)
        return "SERVICE";
    if (f->key.len && bytes_equal(f->method, BYTES_STR("PUT")) && has_arg(f->target, "uploadId"))
        return "PART";
    for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
        const char *name = f->key.len ? resources[i].object : resources[i].bucket;

        if (name && has_arg(f->target, resources[i].arg))
            return name;
    }
    return f->key.len ? "OBJECT" : "BUCKET";
}

static void put_operation(struct writer *w, const struct request_facts *f)
{
    put(w, "REST.");
    if (f->is_copy)
        put(w, "COPY");
    else
        put_encoded(w, f->method, false);
    put(w, ".");
    put(w, resource(f));
}

/* ---- times ---- */

static void broken_down(uint64_t wall_ns, struct tm *out)
{
    time_t t = (time_t)(wall_ns / NS_PER_S);

    (void)gmtime_r(&t, out); /* in range: our clock */
}

/* [06/Feb/2019:00:00:38 +0000], whatever the locale */
static void put_time_s3(struct writer *w, uint64_t wall_ns)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char text[64];
    struct tm tm;

    broken_down(wall_ns, &tm);
    (void)snprintf(text, sizeof(text), "[%02d/%s/%04d:%02d:%02d:%02d +0000]", tm.tm_mday,
                   months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    put(w, text);
}

static void put_time_iso(struct writer *w, uint64_t wall_ns)
{
    char text[64];
    struct tm tm;

    broken_down(wall_ns, &tm);
    (void)snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", tm.tm_year + 1900,
                   tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                   (unsigned)(wall_ns % NS_PER_S / NS_PER_MS));
    put(w, text);
}

/* ---- lines ---- */

struct line {
    struct writer *w;
    enum access_format format;
    bool begun;
};

/* Before the value of the next field. */
static void name(struct line *l, const char *json)
{
    if (l->format == ACCESS_JSON) {
        put(l->w, l->begun ? ",\"" : "{\"");
        put(l->w, json);
        put(l->w, "\":");
    } else if (l->begun) {
        put(l->w, " ");
    }
    l->begun = true;
}

static void nothing(struct line *l)
{
    put(l->w, l->format == ACCESS_JSON ? "null" : "-");
}

/* Quotes stand around all texts of JSON and around some of S3's. */
static void quote(struct line *l, bool quoted)
{
    if (quoted || l->format == ACCESS_JSON)
        put(l->w, "\"");
}

static void text(struct line *l, const char *json, struct bytes value, bool quoted)
{
    name(l, json);
    if (value.len == 0) {
        if (quoted && l->format == ACCESS_S3)
            put(l->w, "\"-\"");
        else
            nothing(l);
        return;
    }
    quote(l, quoted);
    put_encoded(l->w, value, quoted || l->format == ACCESS_JSON);
    quote(l, quoted);
}

static void word(struct line *l, const char *json, const char *value)
{
    text(l, json, BYTES_STR(value ? value : ""), false);
}

static void number(struct line *l, const char *json, uint64_t v, bool known)
{
    char digits[24];

    name(l, json);
    if (!known) {
        nothing(l);
        return;
    }
    (void)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
    put(l->w, digits);
}

static void fields_of_target(struct line *l, const struct request_facts *f)
{
    name(l, "operation");
    quote(l, false);
    put_operation(l->w, f);
    quote(l, false);
    name(l, "key");
    if (f->key.len) {
        quote(l, false);
        put_key(l->w, f->key);
        quote(l, false);
    } else {
        nothing(l);
    }
    name(l, "request_uri");
    quote(l, true);
    put_encoded(l->w, f->method, false);
    put(l->w, " ");
    put_target(l->w, f->target);
    put(l->w, f->http_1_0 ? " HTTP/1.0" : " HTTP/1.1");
    quote(l, true);
}

static void fields_of_answer(struct line *l, const struct request_facts *f)
{
    number(l, "http_status", f->status, f->status != 0);
    word(l, "error_code", f->error);
    number(l, "bytes_sent", f->bytes_out, l->format == ACCESS_JSON || f->bytes_out != 0);
    number(l, "object_size", f->object_bytes, f->object_bytes != FACTS_UNKNOWN);
    number(l, "total_time_ms", f->total_ns / NS_PER_MS, true);
    number(l, "turn_around_time_ms", f->turn_ns / NS_PER_MS, f->status != 0);
}

/* An address without its port, and IPv6 without brackets. */
static struct bytes peer_ip(const char *peer)
{
    struct bytes ip = BYTES_STR(peer);
    const char *colon = strrchr(peer, ':');

    if (colon)
        ip.len = (uint32_t)(colon - peer);
    if (ip.len > 2 && ip.data[0] == '[')
        ip = (struct bytes){ip.data + 1, ip.len - 2};
    return ip;
}

void access_line(const struct request_facts *f, enum access_format format, struct writer *out)
{
    struct line l = {out, format, false};
    char id[24];

    (void)snprintf(id, sizeof(id), "%016llX", (unsigned long long)f->request_id);
    word(&l, "bucket_owner", f->owner);
    text(&l, "bucket", f->bucket, false);
    name(&l, "time");
    quote(&l, false);
    if (format == ACCESS_JSON)
        put_time_iso(out, f->begun_wall_ns);
    else
        put_time_s3(out, f->begun_wall_ns);
    quote(&l, false);
    text(&l, "remote_ip", peer_ip(f->peer ? f->peer : ""), false);
    word(&l, "requester", f->requester);
    word(&l, "request_id", id);
    fields_of_target(&l, f);
    fields_of_answer(&l, f);
    text(&l, "referer", f->referer, true);
    text(&l, "user_agent", f->user_agent, true);
    word(&l, "version_id", NULL);
    word(&l, "host_id", f->host_id);
    word(&l, "signature_version", f->signature);
    word(&l, "cipher_suite", f->cipher);
    word(&l, "authentication_type", f->auth);
    text(&l, "host_header", f->host, false);
    word(&l, "tls_version", f->tls);
    if (format == ACCESS_JSON) {
        number(&l, "bytes_received", f->bytes_in, true);
        put(out, "}\n");
    } else {
        put(out, " - -\n"); /* no access point; no answer rested on an ACL alone */
    }
}

bool access_format_parse(const char *text, enum access_format *out_format)
{
    if (strcmp(text, "s3") != 0 && strcmp(text, "json") != 0)
        return false;
    *out_format = strcmp(text, "s3") == 0 ? ACCESS_S3 : ACCESS_JSON;
    return true;
}
