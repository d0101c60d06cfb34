/* response.c - payload and fields in the library's form. */
#include "s3/http/response.h"
#include "core/base/mem.h"
#include "s3/http.h"

struct iov_body {
    struct buf buf;
    struct MHD_IoVec iov[];
};

static void iov_body_free(void *arg)
{
    struct iov_body *body = arg;

    buf_fini(&body->buf);
    mem_free(body);
}

/* The payload is sent from where it is. */
struct MHD_Response *response_of_buf(struct buf *buf)
{
    struct iov_body *body = mem_alloc(sizeof(*body) + buf->span_count * sizeof(body->iov[0]));
    const struct span *span = buf_spans_of(buf);
    struct MHD_Response *response;

    if (!body)
        return NULL;
    for (uint32_t i = 0; i < buf->span_count; i++) {
        body->iov[i].iov_base = span_data(&span[i]);
        body->iov[i].iov_len = span[i].bytes;
    }
    body->buf = buf_move(buf);
    response = MHD_create_response_from_iovec(body->iov, body->buf.span_count, iov_body_free, body);
    if (!response)
        iov_body_free(body);
    return response;
}

/* The library takes no empty value, and none with a tab.  To HTTP a blank says the same as both. */
int response_add(struct MHD_Response *response, struct bytes name, struct bytes value)
{
    char name_text[HTTP_NAME_BYTES_MAX + 1];
    AUTO_FREE char *value_text = mem_alloc((size_t)value.len + 2);

    if (!value_text)
        return -ENOMEM;
    ASSERT(name.len <= HTTP_NAME_BYTES_MAX);
    memcpy(name_text, name.data, name.len);
    name_text[name.len] = '\0';
    strcpy(value_text, " ");
    for (uint32_t i = 0; i < value.len; i++)
        value_text[i] = value.data[i] == '\t' ? ' ' : (char)value.data[i];
    if (value.len)
        value_text[value.len] = '\0';
    return MHD_add_response_header(response, name_text, value_text) == MHD_YES ? 0 : -ENOMEM;
}
