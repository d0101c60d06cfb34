/* get.c - GetObject and HeadObject.
 *
 * A read answers only when its first piece is here, so what fails before that is told as an error.
 * What is all in that piece leaves in one go, by reference; the rest is a stream, fed from the
 * piece at hand while the bucket layer fetches the next ones.  After the head of the answer is out,
 * a failure cuts the connection: the client sees that bytes are missing. */
#include <stdio.h>

#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"

struct get_state {
    struct object_get *get;         /* owned */
    const struct object_info *info; /* borrowed from `get` */
    uint64_t off, bytes;            /* of the answer */
    bool whole;
    bool calling; /* a call is out, and holds the request */
    struct buf piece;
    uint64_t came;
    bool failed;
};

static void get_fini(struct s3_request *r)
{
    struct get_state *s = r->state;

    buf_fini(&s->piece);
    if (s->get)
        object_get_close(s->get);
}

static void get_cancel(struct s3_request *r)
{
    struct get_state *s = r->state;

    if (!s->calling)
        return;
    s->calling = false;
    object_get_close(TAKE(s->get)); /* no callback comes any more */
    request_drop(r);
}

/* Conditions and range; fills the fields of the answer.  S3_OK with off, bytes and whole. */
static enum s3_error answer_prepare(struct s3_request *r, const struct object_info *info,
                                    uint64_t *off, uint64_t *bytes, bool *whole)
{
    const struct bytes *range = request_field(r, "range");
    enum s3_error e = conditions_check(r->head, "", info);
    char text[80];
    const char *kept;

    *off = 0;
    *bytes = info->size;
    *whole = true;
    r->object_bytes = info->size;
    if (e == S3_NotModified) /* tells which version the client has */
        (void)meta_reply(r, info, false);
    if (e == S3_OK && range) {
        e = range_parse(*range, info->size, off, bytes, whole);
        if (e == S3_InvalidArgument) /* HTTP: what is no range is ignored */
            e = S3_OK;
    }
    if (e == S3_OK)
        e = meta_reply(r, info, *whole);
    if ((e == S3_OK && *whole) || (e != S3_OK && e != S3_InvalidRange))
        return e;
    if (e == S3_OK)
        (void)snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)*off,
                       (unsigned long long)(*off + *bytes - 1), (unsigned long long)info->size);
    else
        (void)snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)info->size);
    kept = arena_strdup(r->arena, text, strlen(text));
    if (!kept)
        return S3_ServiceUnavailable;
    request_field_set(r, "Content-Range", BYTES_STR(kept));
    return e;
}

static void got_piece(void *arg, int rc, struct buf *data);

static void ask(struct s3_request *r)
{
    struct get_state *s = r->state;
    int rc;

    if (s->calling || s->failed || s->came == s->bytes)
        return;
    s->calling = true;
    request_hold(r);
    rc = object_get_next(s->get, got_piece, r);
    if (rc == 0)
        return;
    s->calling = false;
    s->failed = true;
    request_drop(r); /* never the last: the connection holds one */
}

static ssize_t get_read(void *user, uint64_t pos, uint8_t *dst, size_t max)
{
    struct s3_request *r = user;
    struct get_state *s = r->state;
    size_t n = MIN(s->piece.bytes, max);

    UNUSED(pos);
    if (n == 0 && s->failed)
        return -EIO;
    if (n) {
        buf_copy_out(&s->piece, 0, dst, n);
        buf_drop_front(&s->piece, n);
    }
    if (s->piece.bytes == 0) {
        buf_fini(&s->piece); /* its list of spans outlives the bytes */
        ask(r);
    }
    return (ssize_t)n;
}

static void first_piece(struct s3_request *r)
{
    struct get_state *s = r->state;
    unsigned status = s->whole ? 200 : 206;

    if (s->came == s->bytes)
        request_reply_buf(r, status, &s->piece);
    else
        request_reply_stream(r, status, s->bytes, get_read);
}

static void got_piece(void *arg, int rc, struct buf *data)
{
    struct s3_request *r = arg;
    struct get_state *s = r->state;

    s->calling = false;
    if (rc == 0 && (data->bytes == 0 || data->bytes > s->bytes - s->came))
        rc = -R_DATA_LOST; /* fewer or more bytes than the object has */
    if (rc < 0) {
        s->failed = true;
        if (request_open(r)) {
            request_reply_rc(r, rc);
        } else if (!r->gone) {
            log_warn(&r->g->log, "a read broke off", KV_HEX("request", http_request_id(r->http)),
                     KV_RC(rc));
            http_abort(r->http);
        }
        request_drop(r);
        return;
    }
    s->came += data->bytes;
    s->piece = buf_move(data);
    if (request_open(r))
        first_piece(r);
    else
        http_wake(r->http);
    request_drop(r);
}

static void opened(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    struct get_state *s = r->state;
    enum s3_error e;

    s->calling = false;
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    s->info = info;
    e = answer_prepare(r, info, &s->off, &s->bytes, &s->whole);
    if (e != S3_OK) {
        request_reply_error(r, e);
    } else if (s->bytes == 0) {
        request_reply(r, 200);
    } else {
        object_get_range(s->get, s->off, s->bytes);
        ask(r);
        if (s->failed)
            request_reply_rc(r, -EAGAIN);
    }
    request_drop(r);
}

static void get_start(struct s3_request *r)
{
    struct get_state *s = request_state(r, sizeof(*s), get_fini);
    int rc;

    if (!s)
        return;
    r->cancel = get_cancel;
    s->calling = true;
    request_hold(r);
    rc = object_get_open(r->g->buckets, &r->who, r->bucket, r->key, opened, r, &s->get);
    if (rc == 0)
        return;
    s->calling = false;
    request_call_failed(r, rc);
}

const struct s3_op op_get_object = {"GetObject", get_start, NULL};

/* --- HEAD --- */

static ssize_t head_read(void *user, uint64_t pos, uint8_t *dst, size_t max)
{
    UNUSED(user);
    UNUSED(pos);
    UNUSED(dst);
    UNUSED(max);
    return -EIO; /* nobody reads the body of a HEAD */
}

static void headed(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    uint64_t off, bytes;
    bool whole;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    e = answer_prepare(r, info, &off, &bytes, &whole);
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        request_reply_stream(r, whole ? 200 : 206, bytes, head_read);
    request_drop(r);
}

static void head_start(struct s3_request *r)
{
    int rc;

    request_hold(r);
    rc = object_head(r->g->buckets, &r->who, r->bucket, r->key, headed, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_head_object = {"HeadObject", head_start, NULL};
