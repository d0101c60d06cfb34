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
    unsigned status;                /* 200 or 206 */
    bool calling;                   /* a call is out, and holds the request */
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

/* Which bytes an answer brings. */
struct reach {
    uint64_t off, bytes;
    bool whole;
    const struct object_part *part; /* that was asked for; NULL: none */
};

/* "bytes 1-2/3"; without `reach`, of what cannot be satisfied. */
static enum s3_error reply_range(struct s3_request *r, const struct reach *reach, uint64_t size)
{
    char text[80];
    const char *kept;

    if (reach)
        (void)snprintf(text, sizeof(text), "bytes %llu-%llu/%llu", (unsigned long long)reach->off,
                       (unsigned long long)(reach->off + reach->bytes - 1),
                       (unsigned long long)size);
    else
        (void)snprintf(text, sizeof(text), "bytes */%llu", (unsigned long long)size);
    kept = arena_strdup(r->arena, text, strlen(text));
    if (!kept)
        return S3_ServiceUnavailable;
    request_field_set(r, "Content-Range", BYTES_STR(kept));
    return S3_OK;
}

/* If-Range: a range is of the version that the client has, or it is not looked at. */
static bool range_counts(const struct s3_request *r, const struct object_info *info)
{
    const struct bytes *only = request_field(r, "if-range");
    struct s3_etag etag;
    int64_t at;

    if (!only)
        return true;
    if (http_date_get(*only, &at))
        return at == (int64_t)(info->mtime_ns / NS_PER_S);
    etag_parse(*only, &etag);
    return s3_etag_equal(&etag, &info->etag);
}

static enum s3_error reach_of_range(struct s3_request *r, const struct object_info *info,
                                    struct reach *reach)
{
    const struct bytes *range = request_field(r, "range");
    enum s3_error e;

    if (!range || !range_counts(r, info))
        return S3_OK;
    e = range_parse(*range, info->size, &reach->off, &reach->bytes, &reach->whole);
    if (e == S3_InvalidRange)
        (void)reply_range(r, NULL, info->size);
    return e == S3_InvalidArgument ? S3_OK : e; /* HTTP: what is no range is ignored */
}

/* partNumber=: an object that came in one piece is its own first part. */
static enum s3_error reach_of_part(struct s3_request *r, const struct object_info *info,
                                   const struct object_part *part, uint32_t count, uint32_t number,
                                   struct reach *reach)
{
    char *text = arena_alloc(r->arena, 12);

    reach->whole = info->size == 0;
    if (count == 0)
        return number == 1 ? S3_OK : S3_InvalidPartNumber;
    reach->bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        reach->off += reach->bytes;
        reach->bytes = part[i].size;
        if (part[i].number == number)
            reach->part = &part[i];
        if (reach->part)
            break;
    }
    if (!reach->part || !text)
        return text ? S3_InvalidPartNumber : S3_ServiceUnavailable;
    (void)snprintf(text, 12, "%u", (unsigned)count);
    request_field_set(r, "x-amz-mp-parts-count", BYTES_STR(text));
    return S3_OK;
}

/* The number of partNumber=, or 0. */
static enum s3_error part_arg(struct s3_request *r, uint32_t *out_number)
{
    *out_number = 0;
    if (!request_arg(r, "partNumber"))
        return S3_OK;
    if (request_field(r, "range"))
        return request_wrong(r, S3_InvalidRequest,
                             "Cannot specify both Range header and partNumber query parameter");
    return request_part_number(r, out_number);
}

/* Conditions, range or part; fills the fields of the answer.  S3_OK with what to send. */
static enum s3_error answer_prepare(struct s3_request *r, const struct object_info *info,
                                    const struct object_part *part, uint32_t parts,
                                    struct reach *reach)
{
    enum s3_error e = conditions_check(r->head, "", info);
    uint32_t number = 0;

    *reach = (struct reach){.bytes = info->size, .whole = true};
    if (e == S3_NotModified) /* tells which version the client has */
        (void)meta_reply(r, info, false);
    if (e == S3_OK)
        e = part_arg(r, &number);
    if (e == S3_OK)
        e = number ? reach_of_part(r, info, part, parts, number, reach)
                   : reach_of_range(r, info, reach);
    if (e == S3_OK)
        e = meta_reply(r, info, reach->whole || (number && !reach->part));
    if (e == S3_OK && reach->part && request_field(r, "x-amz-checksum-mode"))
        e = meta_reply_sum(r, &reach->part->sum, 0);
    if (e == S3_OK && !reach->whole && reach->bytes)
        e = reply_range(r, reach, info->size);
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

    if (s->came == s->bytes)
        request_reply_buf(r, s->status, &s->piece);
    else
        request_reply_stream(r, s->status, s->bytes, get_read);
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

static ssize_t head_read(void *user, uint64_t pos, uint8_t *dst, size_t max)
{
    UNUSED(user);
    UNUSED(pos);
    UNUSED(dst);
    UNUSED(max);
    return -EIO; /* nobody reads the body of a HEAD */
}

static void reply_bytes(struct s3_request *r, const struct reach *reach)
{
    struct get_state *s = r->state;

    s->off = reach->off;
    s->bytes = reach->bytes;
    s->status = reach->whole ? 200 : 206;
    if (r->op == &op_head_object) {
        request_reply_stream(r, s->status, s->bytes, head_read);
    } else if (s->bytes == 0) {
        request_reply(r, s->status);
    } else {
        object_get_range(s->get, s->off, s->bytes);
        ask(r);
        if (s->failed)
            request_reply_rc(r, -EAGAIN);
    }
}

static void opened(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    struct get_state *s = r->state;
    const struct object_part *part;
    struct reach reach;
    uint32_t parts;
    enum s3_error e;

    s->calling = false;
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    s->info = info;
    r->object_bytes = info->size;
    part = object_get_parts(s->get, &parts);
    e = answer_prepare(r, info, part, parts, &reach);
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        reply_bytes(r, &reach);
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

static void headed(void *arg, int rc, const struct object_info *info)
{
    struct s3_request *r = arg;
    struct reach reach;
    enum s3_error e;

    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    r->object_bytes = info->size;
    e = answer_prepare(r, info, NULL, 0, &reach);
    if (e != S3_OK)
        request_reply_error(r, e);
    else
        request_reply_stream(r, reach.whole ? 200 : 206, reach.bytes, head_read);
    request_drop(r);
}

static void head_start(struct s3_request *r)
{
    if (request_arg(r, "partNumber")) /* what the parts are an opening tells */
        get_start(r);
    else
        request_ask_object(r, headed);
}

const struct s3_op op_head_object = {"HeadObject", head_start, NULL};
