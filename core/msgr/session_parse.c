/* session_parse.c - the only reader of bytes that come from outside.
 *
 * A stage asks for what it needs; when the staging block does not hold it, it waits.  The order in
 * a frame: the head's own CRC, then the limits of its type, then memory, then the payload, then
 * the payload's CRC, and only then does anybody see it.
 *
 * Data that is wholly in the staging block is copied from there; what is missing of it, if that is
 * much, is received in place.  A read of small frames so takes one system call for many. */
#include "core/msgr/session_parse.h"

#include "core/base/crc.h"

enum { DIRECT_BYTES_MIN = 16 << 10 }; /* missing data from here up is received in place */

int parse_init(struct parse *p, const struct msg_types *types)
{
    *p = (struct parse){.types = types, .staging = mem_alloc(PARSE_STAGING_BYTES)};
    return p->staging ? 0 : -ENOMEM;
}

static void drop_frame(struct parse *p)
{
    mem_free(TAKE(p->front));
    blob_unref(TAKE(p->data));
}

void parse_fini(struct parse *p)
{
    drop_frame(p);
    mem_free(TAKE(p->staging));
}

static bool direct(const struct parse *p)
{
    return p->stage == PARSE_DATA && p->from == p->to &&
           p->head.data_bytes - p->data_got >= DIRECT_BYTES_MIN;
}

size_t parse_space(struct parse *p, uint8_t **out_at)
{
    if (p->rc)
        return 0;
    if (direct(p)) {
        *out_at = p->data->data + p->data_got;
        return p->head.data_bytes - p->data_got;
    }
    if (p->from > 0) { /* what is left is less than a head or a greeting */
        memmove(p->staging, p->staging + p->from, p->to - p->from);
        p->to -= p->from;
        p->from = 0;
    }
    *out_at = p->staging + p->to;
    return PARSE_STAGING_BYTES - p->to;
}

void parse_received(struct parse *p, size_t bytes)
{
    if (direct(p)) {
        ASSERT(bytes <= p->head.data_bytes - p->data_got);
        p->crc = crc32c(p->crc, p->data->data + p->data_got, bytes);
        p->data_got += (uint32_t)bytes;
    } else {
        ASSERT(bytes <= PARSE_STAGING_BYTES - p->to);
        p->to += (uint32_t)bytes;
    }
}

/* The next `bytes` as one row, used up; NULL when they are not all here. */
static const uint8_t *take(struct parse *p, uint32_t bytes)
{
    const uint8_t *at = p->staging + p->from;

    if (p->to - p->from < bytes)
        return NULL;
    p->from += bytes;
    return at;
}

/* Fill *got up to `want` from the staging block; true when complete. */
static bool fill(struct parse *p, uint8_t *into, uint32_t *got, uint32_t want)
{
    uint32_t step = MIN(want - *got, p->to - p->from);

    if (step) {
        memcpy(into + *got, p->staging + p->from, step);
        p->crc = crc32c(p->crc, into + *got, step);
        p->from += step;
        *got += step;
    }
    return *got == want;
}

static int read_preface(struct parse *p)
{
    const uint8_t *at = take(p, WIRE_PREFACE_BYTES);
    int rc;

    if (!at)
        return 0;
    rc = preface_decode(at, &p->greeting_bytes);
    if (rc)
        return rc;
    p->stage = PARSE_GREETING;
    return 1;
}

static int read_greeting(struct parse *p, struct parse_event *ev)
{
    const uint8_t *at = take(p, p->greeting_bytes);

    if (!at)
        return 0;
    ev->greeting = true;
    ev->envelope = (struct bytes){at, p->greeting_bytes};
    p->stage = PARSE_HEAD;
    return 1;
}

/* Limits, then memory. */
static int frame_begin(struct parse *p)
{
    const struct frame_head *h = &p->head;

    p->type = msg_types_find(p->types, h->type);
    if (!p->type)
        return -R_MALFORMED;
    if (h->front_bytes > p->type->front_max || h->data_bytes > p->type->data_max)
        return -R_OVERFLOW;
    p->front_got = p->data_got = 0;
    p->crc = 0;
    if (h->front_bytes && !(p->front = mem_alloc(h->front_bytes)))
        return -ENOMEM;
    if (h->data_bytes && !(p->data = blob_create(h->data_bytes)))
        return -ENOMEM;
    p->stage = PARSE_FRONT;
    return 1;
}

/* 2: a frame without payload is complete. */
static int read_head(struct parse *p)
{
    const uint8_t *at;
    int rc;

    drop_frame(p); /* the front that the last event lent out */
    at = take(p, WIRE_HEAD_BYTES);
    if (!at)
        return 0;
    rc = frame_head_decode(at, &p->head);
    if (rc)
        return rc;
    if (p->head.kind == FRAME_MESSAGE)
        return frame_begin(p);
    p->type = NULL;
    return 2;
}

static int read_data(struct parse *p)
{
    if (p->data && !fill(p, p->data->data, &p->data_got, p->head.data_bytes))
        return 0;
    if (p->crc != p->head.payload_crc)
        return -R_CSUM_MISMATCH;
    p->stage = PARSE_HEAD;
    return 2;
}

static int frame_event(struct parse *p, struct parse_event *ev)
{
    ev->head = p->head;
    ev->type = p->type;
    if (p->front)
        ev->front = (struct bytes){p->front, p->head.front_bytes};
    if (p->data) {
        int rc = buf_append_blob(&ev->data, p->data, 0, p->head.data_bytes);

        if (rc)
            return rc;
        blob_unref(TAKE(p->data));
    }
    return 1;
}

int parse_next(struct parse *p, struct parse_event *out_event)
{
    int rc = p->rc ? p->rc : 1;

    *out_event = (struct parse_event){0};
    while (rc == 1) {
        switch (p->stage) {
        case PARSE_PREFACE:
            rc = read_preface(p);
            break;
        case PARSE_GREETING:
            rc = read_greeting(p, out_event);
            if (rc == 1)
                return 1;
            break;
        case PARSE_HEAD:
            rc = read_head(p);
            break;
        case PARSE_FRONT:
            rc = p->front ? fill(p, p->front, &p->front_got, p->head.front_bytes) : 1;
            if (rc == 1)
                p->stage = PARSE_DATA;
            break;
        case PARSE_DATA:
            rc = read_data(p);
            break;
        }
    }
    if (rc == 2)
        rc = frame_event(p, out_event);
    if (rc < 0)
        p->rc = rc;
    return rc;
}
