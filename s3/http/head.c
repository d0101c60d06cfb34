/* head.c - a head, copied out of the library's buffer and checked. */
#include "s3/http/head.h"
#include "s3/http/guard.h"

struct head_copy {
    struct http_head *head;
    struct arena *arena;
    const char *expected; /* where the next line must start, were the head in plain form */
    uint32_t bytes;
    unsigned status;
    const char *why;
    int rc;
};

static enum MHD_Result head_refuse(struct head_copy *copy, unsigned status, const char *why)
{
    copy->status = status;
    copy->why = why;
    return MHD_NO;
}

/* One field.  The library has cut the lines apart in its buffer, where both bytes of a line's end
 * became NULs; so lines that follow each other at the right distance had no bare LF, no NUL and
 * were not folded, none of which its callbacks tell. */
static enum MHD_Result head_field(void *arg, enum MHD_ValueKind kind, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    struct head_copy *copy = arg;
    struct http_head *head = copy->head;
    struct http_field *f = &head->field[head->field_count];
    uint8_t *to;

    UNUSED(kind);
    if (name_len + value_len > HTTP_HEAD_BYTES_MAX - copy->bytes ||
        head->field_count == HTTP_FIELDS_MAX)
        return head_refuse(copy, 431, "the head is too large");
    copy->bytes += (uint32_t)(name_len + value_len);
    if (name != copy->expected || !value || value < name + name_len + 1)
        return head_refuse(copy, 400, "a line ends in a bare LF, is folded, or has a NUL");
    copy->expected = value + value_len + 2;
    to = arena_alloc(copy->arena, name_len + value_len + 1);
    if (!to) {
        copy->rc = -ENOMEM;
        return MHD_NO;
    }
    if (!http_token_lower(name, name_len, to))
        return head_refuse(copy, 400, "a field name is not a token");
    memcpy(to + name_len, value, value_len);
    f->name = (struct bytes){to, (uint32_t)name_len};
    f->value = http_trim((struct bytes){to + name_len, (uint32_t)value_len});
    head->field_count++;
    return MHD_YES;
}

int http_head_build(struct MHD_Connection *conn, const char *raw_target, const char *method,
                    const char *version, struct arena *arena, struct http_head *head,
                    const char **out_why)
{
    struct head_copy copy = {.head = head, .arena = arena, .bytes = head->target.len};
    const union MHD_ConnectionInfo *info;
    size_t method_len = strlen(method);

    *out_why = "the head is too large";
    if (head->target.len > HTTP_HEAD_BYTES_MAX)
        return 431;
    *out_why = "the request line has a NUL or more blanks than two, or ends in a bare LF";
    if (raw_target != method + method_len + 1 || version != raw_target + head->target.len + 1)
        return 400;
    *out_why = "an HTTP version other than 1.0 and 1.1";
    if (strcmp(version, "HTTP/1.1") != 0 && strcmp(version, "HTTP/1.0") != 0)
        return 505;
    head->http_1_0 = version[7] == '0';
    head->method.data = (uint8_t *)arena_strdup(arena, method, method_len);
    head->method.len = (uint32_t)method_len;
    if (!head->method.data)
        return -ENOMEM;
    copy.expected = version + strlen(version) + 2;
    (void)MHD_get_connection_values_n(conn, MHD_HEADER_KIND, head_field, &copy);
    if (copy.rc < 0)
        return copy.rc;
    if (copy.status) {
        *out_why = copy.why;
        return (int)copy.status;
    }
    *out_why = "the last lines of the head do not end in CRLF";
    info = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info->header_size != (size_t)(copy.expected - method) + 2)
        return 400;
    return (int)http_guard(head, out_why);
}
