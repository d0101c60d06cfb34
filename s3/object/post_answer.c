/* post_answer.c - what a browser is told when its form has made an object.
 *
 * An address of the form's choice, with what was made behind it; or the status of its choice. */
#include "s3/object/post.h"
#include "s3/text.h"

enum { URL_MAX = 2048 };

/* http://host/bucket/key, or with the bucket in the host: as the request had it. */
static void location_put(const struct s3_request *r, struct writer *w)
{
    struct bytes host = r->head->host;
    bool slash = r->path.data[r->path.len - 1] == '/';

    wr_raw(w, r->head->tls ? "https://" : "http://", r->head->tls ? 8 : 7);
    wr_raw(w, host.data, host.len);
    wr_raw(w, r->path.data, r->path.len - slash);
    wr_raw(w, "/", 1);
    uri_encode(w, r->key, true);
}

static struct bytes etag_of(const struct s3_request *r)
{
    for (uint32_t i = 0; i < r->field_count; i++)
        if (text_is(r->field[i].name, "ETag"))
            return r->field[i].value;
    return (struct bytes){0};
}

/* An address that a browser may be sent to; false: there is none, or none that is one. */
static bool redirect_of(const struct s3_request *r, struct bytes *out_url)
{
    const struct bytes *url = post_field(r, "success_action_redirect");

    if (!url)
        url = post_field(r, "redirect");
    if (!url || url->len > URL_MAX ||
        (!text_starts_any_case(*url, "http://") && !text_starts_any_case(*url, "https://")))
        return false;
    for (uint32_t i = 0; i < url->len; i++)
        if (url->data[i] <= ' ' || url->data[i] >= 0x7f || url->data[i] == '#')
            return false;
    *out_url = *url;
    return true;
}

static void redirect_put(const struct s3_request *r, struct bytes url, struct writer *w)
{
    bool query = memchr(url.data, '?', url.len) != NULL;

    wr_raw(w, url.data, url.len);
    wr_raw(w, query ? "&bucket=" : "?bucket=", 8);
    uri_encode(w, r->bucket, false);
    wr_raw(w, "&key=", 5);
    uri_encode(w, r->key, false);
    wr_raw(w, "&etag=", 6);
    uri_encode(w, etag_of(r), false);
}

static void post_response(struct s3_request *r, struct bytes location)
{
    static const char declaration[] = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

    wr_raw(&r->xml, declaration, strlen(declaration));
    xml_open(&r->xml, "PostResponse");
    xml_put(&r->xml, "Location", location);
    xml_put(&r->xml, "Bucket", r->bucket);
    xml_put(&r->xml, "Key", r->key);
    xml_put(&r->xml, "ETag", etag_of(r));
    xml_close(&r->xml, "PostResponse");
}

static struct bytes status_of(const struct s3_request *r)
{
    const struct bytes *status = post_field(r, "success_action_status");

    return status ? *status : (struct bytes){0};
}

void post_answer(struct s3_request *r)
{
    struct bytes status = status_of(r), url, location;
    AUTO(writer) w = {0};
    bool redirect = redirect_of(r, &url);

    if (redirect)
        redirect_put(r, url, &w);
    else
        location_put(r, &w);
    location.data =
        w.rc < 0 ? NULL : (uint8_t *)arena_strdup(r->arena, (const char *)w.data, w.len);
    location.len = (uint32_t)w.len;
    if (!location.data) {
        request_reply_error(r, S3_ServiceUnavailable);
        return;
    }
    request_field_set(r, "Location", location);
    if (redirect) {
        request_reply(r, 303);
    } else if (text_is(status, "201")) {
        post_response(r, location);
        request_reply_xml_as(r, 201);
    } else {
        request_reply(r, text_is(status, "200") ? 200 : 204);
    }
}
