/* request.h - one S3 request, from its verified head to its answer.
 *
 * A request is authenticated, then routed to an operation (route.h), whose `start` begins it.  The
 * operation calls the bucket layer, holds the request while a call is out, and answers once.
 *
 *     void head_found(void *arg, int rc, const struct object_info *info)
 *     {
 *         struct s3_request *r = arg;
 *
 *         if (request_open(r))  (the client may have gone meanwhile)
 *             request_reply...
 *         request_drop(r);
 *     }
 *
 * Threads: the env's reactor. */
#ifndef S3_OBJECT_REQUEST_H
#define S3_OBJECT_REQUEST_H

#include "core/base/list.h"
#include "s3/account/facts.h"
#include "s3/auth/auth.h"
#include "s3/http.h"
#include "s3/object/body.h"
#include "s3/xml.h"

struct s3_gateway;
struct s3_request;

struct s3_op {
    const char *name; /* as S3 calls it */
    void (*start)(struct s3_request *r);
    /* For operations with a body: what request_read does with it. */
    const struct request_body_calls *body;
};

struct request_body_calls {
    bool (*room)(struct s3_request *r); /* NULL: always */
    void (*batch)(struct s3_request *r, struct buf *data);
    void (*done)(struct s3_request *r, const struct body_sums *sums); /* verified */
};

enum { REPLY_FIELDS_MAX = S3_HEADERS_MAX + 24 };

struct s3_request {
    struct s3_gateway *g;      /* borrowed */
    struct http_request *http; /* ref */
    const struct http_head *head;
    struct arena *arena;
    struct list link; /* in the gateway's list */
    uint32_t refs;    /* the connection, and each call that is out */
    bool gone;        /* the connection is */
    bool replied;
    uint64_t started_ns, replied_ns;
    unsigned status; /* of the answer */
    enum s3_error error;
    uint64_t object_bytes; /* for the log: size of the object it is about, or FACTS_UNKNOWN */

    struct bytes path;        /* raw */
    struct bytes bucket, key; /* decoded */
    struct uri_query query;

    bool stores;                /* its operation does: quotas */
    struct bucket_grant *grant; /* owned, or NULL: room for what it stores */
    struct auth auth;
    struct s3_principal who;
    const struct s3_op *op;
    struct body *body; /* owned */
    struct post *post; /* of the arena; NULL: this is no form */
    struct body_want want;
    bool reading;

    struct http_field field[REPLY_FIELDS_MAX]; /* of the answer */
    uint32_t field_count;
    struct writer xml;                    /* of the answer */
    void (*answer)(struct s3_request *r); /* of a PUT that was done; NULL: 200 */
    const char *why; /* what an error says instead of its own text; NULL: nothing else */

    void *state; /* owned, of the operation, from the arena */
    void (*state_fini)(struct s3_request *r);
    /* The connection is gone: stop what is under way.  May be NULL. */
    void (*cancel)(struct s3_request *r);
};

/* It is over: counters, log, usage.  done.c */
void request_account(struct s3_request *r);

/* The callbacks of the HTTP server; `arg` is the gateway. */
void request_head(void *arg, struct http_request *http);
void request_refused(void *arg, struct http_request *http, unsigned status, const char *why,
                     struct http_reply *out_reply);

static inline void request_hold(struct s3_request *r)
{
    r->refs++;
}
void request_drop(struct s3_request *r);
/* Whether an answer still makes sense. */
static inline bool request_open(const struct s3_request *r)
{
    return !r->gone && !r->replied;
}

/* Zeroed memory for the operation, freed with the request; NULL: answered already. */
void *request_state(struct s3_request *r, size_t bytes, void (*fini)(struct s3_request *r));
const struct bytes *request_arg(const struct s3_request *r, const char *name);
const struct bytes *request_field(const struct s3_request *r, const char *name);

/* Take the body in, by r->op->body.  0, or answered already. */
void request_read(struct s3_request *r);
/* Whether a body was announced. */
bool request_has_body(const struct s3_request *r);

/* --- answers; each of them ends the request, once --- */

/* Add a field, borrowed until the answer; a repeat replaces. */
void request_field_set(struct s3_request *r, const char *name, struct bytes value);
void request_field_drop(struct s3_request *r, const char *name);
void request_field_add(struct s3_request *r, struct bytes name, struct bytes value);
void request_reply(struct s3_request *r, unsigned status);
void request_reply_xml(struct s3_request *r); /* what is in r->xml, 200 */
void request_reply_xml_as(struct s3_request *r, unsigned status);
void request_reply_buf(struct s3_request *r, unsigned status, struct buf *data);
void request_reply_stream(struct s3_request *r, unsigned status, uint64_t bytes,
                          ssize_t (*read)(void *user, uint64_t pos, uint8_t *dst, size_t max));
void request_reply_error(struct s3_request *r, enum s3_error e);
/* With a sentence (a constant, or of the arena) instead of the error's own. */
void request_reply_why(struct s3_request *r, enum s3_error e, const char *why);
/* The same for whoever answers later: `e`, with the sentence kept. */
static inline enum s3_error request_wrong(struct s3_request *r, enum s3_error e, const char *why)
{
    r->why = why;
    return e;
}
/* The number of a part, which an argument tells. */
enum s3_error request_part_number(struct s3_request *r, uint32_t *out_number);
/* By the code of the bucket layer. */
void request_reply_rc(struct s3_request *r, int rc);
/* A call that was not taken: answers and drops what request_hold took. */
void request_call_failed(struct s3_request *r, int rc);
/* Ask for r's bucket: holds r until `done`, which is called with it, or answers. */
void request_ask_bucket(struct s3_request *r, bucket_info_fn *done);
/* The same for r's object. */
void request_ask_object(struct s3_request *r, object_info_fn *done);
/* The end of a call that only had to be done: 204, or what failed.  Drops. */
void request_call_done(void *arg, int rc);

/* --- values --- */
enum { HTTP_DATE_BYTES = 30 };
void http_date_put(uint64_t ns, char out[HTTP_DATE_BYTES]);
bool http_date_get(struct bytes text, int64_t *out_s);             /* IMF-fixdate only */
bool iso_date_get(struct bytes text, int64_t *out_s);              /* 2006-01-02T15:04:05[.000]Z */
bool number_get(struct bytes text, uint64_t max, uint64_t *out_n); /* digits only */

#endif
