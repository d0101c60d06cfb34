/* xml_body.c - an operation whose body is an XML document. */
#include "s3/object/xml_body.h"

static void xml_body_fini(struct s3_request *r)
{
    struct xml_body *b = r->state;

    xml_in_destroy(b->xml);
    if (b->fini)
        b->fini(r);
}

void *xml_body_start(struct s3_request *r, size_t bytes, const struct xml_calls *calls,
                     void (*fini)(struct s3_request *r))
{
    struct xml_body *b = request_state(r, bytes, xml_body_fini);

    if (!b)
        return NULL;
    b->r = r;
    b->fini = fini;
    if (!r->head->has_length && !r->head->chunked && !request_field(r, "x-amz-acl")) {
        request_reply_error(r, S3_MissingContentLength);
        return NULL;
    }
    b->xml = xml_in_create(calls, b);
    if (!b->xml) {
        request_reply_rc(r, -ENOMEM);
        return NULL;
    }
    request_read(r);
    return b;
}

void xml_body_batch(struct s3_request *r, struct buf *data)
{
    struct xml_body *b = r->state;
    const struct span *span = buf_spans_of(data);

    b->any = true;
    for (uint32_t i = 0; i < data->span_count; i++)
        (void)xml_in_add(b->xml, span_data(&span[i]), span[i].bytes); /* remembers */
}

bool xml_body_end(struct s3_request *r)
{
    struct xml_body *b = r->state;
    int rc = xml_in_end(b->xml);

    if (rc == 0)
        return true;
    if (!b->any)
        request_reply_error(r, S3_MissingRequestBodyError);
    else if (rc == -R_MALFORMED)
        request_reply_error(r, S3_MalformedXML);
    else
        request_reply_rc(r, rc);
    return false;
}
