/* delete.c - DeleteObject and DeleteObjects.
 *
 * The keys of a DeleteObjects body are collected while it comes in and touched only when it is
 * verified; then a few deletions at a time are under way, and the answer tells of each key. */
#include "s3/gateway.h"
#include "s3/object/meta.h"
#include "s3/object/route.h"
#include "s3/object/xml_parts.h"

enum { DELETE_KEYS_MAX = 1000, DELETES_AT_ONCE = 16 };

/* --- one --- */

static void delete_start(struct s3_request *r)
{
    struct s3_condition cond;
    enum s3_error e = conditions_of_delete(r->head, &cond);
    int rc;

    if (e != S3_OK) {
        request_reply_error(r, e);
        return;
    }
    request_hold(r);
    rc = object_delete(r->g->buckets, &r->who, r->bucket, r->key, &cond, request_call_done, r);
    if (rc < 0)
        request_call_failed(r, rc);
}

const struct s3_op op_delete_object = {"DeleteObject", delete_start, NULL};

/* --- many --- */

struct many;
struct victim {
    struct many *many; /* borrowed */
    struct bytes key;
    struct s3_condition cond;
    bool version; /* "null" was named */
    enum s3_error e;
};

struct many {
    struct s3_request *r; /* borrowed: it has us */
    struct xml_in *xml;
    struct victim *victim; /* owned, `cap` of them */
    uint32_t count, cap;
    uint32_t next, running;
    bool quiet;
    /* Of the object at hand. */
    bool has_key, version;
    struct bytes key;
    struct s3_condition cond;
};

static void many_fini(struct s3_request *r)
{
    struct many *m = r->state;

    xml_in_destroy(m->xml);
    mem_free(m->victim);
}

/* Delete / { Quiet, Object / { Key, VersionId, ETag, LastModifiedTime, Size } } */
static int element(void *arg, unsigned depth, const char *name)
{
    static const char *const known[] = {"Key", "VersionId", "ETag", "LastModifiedTime", "Size"};
    struct many *m = arg;

    if (depth == 0)
        return strcmp(name, "Delete") == 0 ? 0 : -R_MALFORMED;
    if (depth == 1 && strcmp(name, "Object") == 0) {
        m->has_key = m->version = false;
        memset(&m->cond, 0, sizeof(m->cond));
        return m->count < DELETE_KEYS_MAX ? 0 : -R_MALFORMED;
    }
    if (depth == 1)
        return strcmp(name, "Quiet") == 0 ? 0 : -R_MALFORMED;
    for (size_t i = 0; i < ARRAY_LEN(known) && depth == 2; i++)
        if (strcmp(name, known[i]) == 0)
            return 0;
    return -R_MALFORMED;
}

static int victim_add(struct many *m)
{
    if (!m->has_key)
        return -R_MALFORMED;
    if (m->count == m->cap) {
        uint32_t cap = m->cap ? m->cap * 2 : 16;
        struct victim *more = mem_realloc(m->victim, cap * sizeof(*more));

        if (!more)
            return -ENOMEM;
        m->victim = more;
        m->cap = cap;
    }
    m->victim[m->count++] = (struct victim){m, m->key, m->cond, m->version, S3_OK};
    return 0;
}

static int key_take(struct many *m, struct bytes text)
{
    uint8_t *copy;

    if (m->has_key || text.len == 0)
        return -R_MALFORMED;
    copy = arena_dup(m->r->arena, text.data, text.len);
    if (!copy)
        return -ENOMEM;
    m->key = (struct bytes){copy, text.len};
    m->has_key = true;
    return 0;
}

/* What must hold of a key, or the version that is meant: there is one. */
static int detail_take(struct many *m, const char *name, struct bytes text)
{
    int64_t at;

    if (strcmp(name, "VersionId") == 0) {
        m->version = text.len > 0;
        return bytes_equal(text, BYTES_STR("null")) || text.len == 0 ? 0 : -R_UNSUPPORTED;
    }
    if (strcmp(name, "ETag") == 0) {
        m->cond.exists = bytes_equal(text, BYTES_STR("*"));
        m->cond.match = !m->cond.exists;
        etag_parse(text, &m->cond.etag);
        return 0;
    }
    if (strcmp(name, "Size") == 0) {
        m->cond.same_size = true;
        return number_get(text, INT64_MAX, &m->cond.size) ? 0 : -R_MALFORMED;
    }
    m->cond.same_mtime = true;
    if (!http_date_get(text, &at) && !iso_date_get(text, &at))
        return -R_MALFORMED;
    m->cond.mtime_s = at > 0 ? (uint64_t)at : 0;
    return 0;
}

static int element_end(void *arg, unsigned depth, const char *name, struct bytes text)
{
    struct many *m = arg;

    if (depth == 1 && strcmp(name, "Object") == 0)
        return victim_add(m);
    if (depth == 1) {
        m->quiet = bytes_equal(text, BYTES_STR("true"));
        return 0;
    }
    if (depth != 2)
        return 0;
    return strcmp(name, "Key") == 0 ? key_take(m, text) : detail_take(m, name, text);
}

static const struct xml_calls delete_xml = {element, element_end};

static void many_answer(struct s3_request *r)
{
    struct many *m = r->state;
    struct writer *w = &r->xml;

    xml_begin(w, "DeleteResult");
    for (uint32_t i = 0; i < m->count; i++) {
        const struct victim *v = &m->victim[i];

        if (v->e == S3_OK && m->quiet)
            continue;
        xml_open(w, v->e == S3_OK ? "Deleted" : "Error");
        xml_put(w, "Key", v->key);
        if (v->version)
            xml_put_str(w, "VersionId", "null");
        if (v->e != S3_OK) {
            xml_put_str(w, "Code", s3_error_code(v->e));
            xml_put_str(w, "Message", s3_error_text(v->e));
        }
        xml_close(w, v->e == S3_OK ? "Deleted" : "Error");
    }
    xml_close(w, "DeleteResult");
    request_reply_xml(r);
}

static void many_go(struct s3_request *r);

static void victim_deleted(void *arg, int rc)
{
    struct victim *v = arg;
    struct s3_request *r = v->many->r;

    v->e = s3_error_of(rc);
    v->many->running--;
    many_go(r);
    request_drop(r);
}

/* Also when the client has gone: what it signed is done. */
static void many_go(struct s3_request *r)
{
    struct many *m = r->state;

    while (m->next < m->count && m->running < DELETES_AT_ONCE) {
        struct victim *v = &m->victim[m->next++];
        int rc;

        request_hold(r);
        rc = object_delete(r->g->buckets, &r->who, r->bucket, v->key, &v->cond, victim_deleted, v);
        if (rc == 0) {
            m->running++;
            continue;
        }
        v->e = s3_error_of(rc);
        request_drop(r); /* the caller holds another */
    }
    if (m->running == 0 && request_open(r))
        many_answer(r);
}

static void bucket_seen(void *arg, int rc, const struct bucket_info *info)
{
    struct s3_request *r = arg;

    UNUSED(info);
    if (rc < 0 || !request_open(r)) {
        request_call_failed(r, rc);
        return;
    }
    many_go(r);
    request_drop(r);
}

static void many_batch(struct s3_request *r, struct buf *data)
{
    struct many *m = r->state;
    const struct span *span = buf_spans_of(data);

    for (uint32_t i = 0; i < data->span_count; i++)
        (void)xml_in_add(m->xml, span_data(&span[i]), span[i].bytes); /* remembers */
}

static void many_done(struct s3_request *r, const struct body_sums *sums)
{
    struct many *m = r->state;
    int rc = xml_in_end(m->xml);

    UNUSED(sums);
    if (rc < 0 || m->count == 0) {
        request_reply_error(r, rc == -R_UNSUPPORTED ? S3_NotImplemented
                               : rc == -ENOMEM      ? S3_ServiceUnavailable
                                                    : S3_MalformedXML);
        return;
    }
    request_ask_bucket(r, bucket_seen);
}

static void many_start(struct s3_request *r)
{
    struct many *m = request_state(r, sizeof(*m), many_fini);

    if (!m)
        return;
    m->r = r;
    if (!r->head->has_length) {
        request_reply_error(r, S3_MissingContentLength);
        return;
    }
    m->xml = xml_in_create(&delete_xml, m);
    if (!m->xml)
        request_reply_rc(r, -ENOMEM);
    else
        request_read(r);
}

static const struct request_body_calls many_body = {NULL, many_batch, many_done};
const struct s3_op op_delete_objects = {"DeleteObjects", many_start, &many_body};
