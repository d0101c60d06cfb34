/* upload.c - beginning and giving up a multipart upload, and listing its parts.  (Parts are PUTs,
 * put_link.c; completing is upload_complete.c; listing uploads is object_list.c.) */
#include "s3/bucket/bucket_int.h"

enum { ABORT_TRIES_MAX = 50, PART_ROWS = 1000 };

/* ---- create ---- */

struct begin_req {
    struct req r;
    struct access a;
    struct uuid id;
    struct writer value;
    upload_create_fn *done;
    void *arg;
};

static int begin_build(struct access *a, struct cairn_op *op)
{
    struct begin_req *q = CONTAINER_OF(a, struct begin_req, a);
    struct cairn_pair pair;
    struct row_key key;

    row_key_of(&key, ROW_UPLOAD, q->r.key, &q->id);
    pair = pair_of(key_bytes(&key), written(&q->value));
    cairn_op_omap_set(op, &pair, 1);
    return 0;
}

static void begun(struct access *a)
{
    struct begin_req *q = CONTAINER_OF(a, struct begin_req, a);

    if (a->code < 0)
        op_fail(&q->r.op, a->code);
    op_finish(&q->r.op);
}

static void begin_run(struct op *op)
{
    struct begin_req *q = CONTAINER_OF(op, struct begin_req, r.op);

    access_run(&q->a, begin_build, begun);
}

static void begin_finish(struct req *r)
{
    struct begin_req *q = CONTAINER_OF(r, struct begin_req, r);
    char text[S3_UPLOAD_ID_LEN + 1];

    uuid_text(&q->id, text);
    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : text);
}

static void begin_fini(struct req *r)
{
    struct begin_req *q = CONTAINER_OF(r, struct begin_req, r);

    access_fini(&q->a);
    writer_fini(&q->value);
}

int upload_create(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct upload_make *make, upload_create_fn *done,
                  void *arg)
{
    AUTO(writer) h = {0};
    AUTO(writer) t = {0};
    struct upload_row row;
    struct begin_req *q = NULL;
    int rc = s3_key_check(key);

    if (rc == 0)
        rc = s3_headers_check(make->headers, make->header_count);
    if (rc == 0)
        rc = s3_tags_check(make->tags, make->tag_count);
    if (rc == 0)
        q = req_create(sizeof(*q), l, who, bucket, key, begin_run, &rc);
    if (!q)
        return rc;
    q->id = layer_uuid_dated(l); /* uploads of one key are listed in the order of their making */
    headers_encode(make->headers, make->header_count, &h);
    if (make->tag_count)
        headers_encode(make->tags, make->tag_count, &t);
    row = (struct upload_row){.state = UPLOAD_OPEN,
                              .created_ns = env_wall_ns(l->env),
                              .owner = BYTES_STR(who->name),
                              .headers = written(&h),
                              .acl = (uint8_t)make->acl,
                              .sum = make->sum,
                              .tags = written(&t)};
    memset(row.sum.value, 0, sizeof(row.sum.value));
    upload_row_encode(&row, &q->value);
    if (h.rc < 0 || t.rc < 0 || q->value.rc < 0) {
        writer_fini(&q->value);
        req_destroy(&q->r);
        return -ENOMEM;
    }
    q->done = done;
    q->arg = arg;
    access_init(&q->a, l, who, q->r.bucket, q->r.key);
    req_start(&q->r, begin_finish, begin_fini);
    return 0;
}

/* ---- abort ---- */

struct abort_req {
    struct req r;
    struct access a;
    struct uuid id;
    struct writer was; /* the upload's row */
    uint32_t tries;
    int step;
    bucket_done_fn *done;
    void *arg;
};

static void abort_guard(struct abort_req *q);

/* The first try believes that there is none: the failed guard shows the row. */
static int abort_build(struct access *a, struct cairn_op *op)
{
    struct abort_req *q = CONTAINER_OF(a, struct abort_req, a);
    struct garbage_row g = {
        .state = GARBAGE_WAITING, .kind = GARBAGE_PARTS, .epoch = access_epoch(a)};
    AUTO(writer) w = {0};
    struct cairn_pair pair;
    struct row_key upload, key;

    row_key_of(&upload, ROW_UPLOAD, q->r.key, &q->id);
    q->step = cairn_op_cmp_omap(op, upload.b, upload.len, q->was.len ? CAIRN_EQ : CAIRN_ABSENT,
                                q->was.data, q->was.len);
    if (!q->was.len)
        return 0;
    garbage_row_encode(&g, &w);
    if (w.rc < 0)
        return w.rc;
    pair = pair_of(key_bytes(&upload), (struct bytes){0});
    cairn_op_omap_rm(op, &pair, 1);
    row_key_garbage(&key, q->r.key, g.kind, &q->id);
    pair = pair_of(key_bytes(&key), written(&w));
    cairn_op_omap_set(op, &pair, 1);
    return 0;
}

static void aborted(struct access *a)
{
    struct abort_req *q = CONTAINER_OF(a, struct abort_req, a);
    struct bytes value = {0};
    int rc = a->code;

    if (rc == 0 && !q->was.len)
        rc = -R_NO_UPLOAD;
    if (rc == -R_GUARD_FAILED) {
        rc = call_present(&a->call, q->step, &value);
        writer_fini(&q->was);
        wr_raw(&q->was, value.data, value.len);
        if (rc == 0)
            rc = q->was.rc;
        if (rc == 0 && ++q->tries == ABORT_TRIES_MAX)
            rc = -R_BUCKET_BUSY;
        if (rc == 0) {
            abort_guard(q);
            return;
        }
    }
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

static void abort_guard(struct abort_req *q)
{
    access_run(&q->a, abort_build, aborted);
}

static void abort_run(struct op *op)
{
    abort_guard(CONTAINER_OF(op, struct abort_req, r.op));
}

static void abort_finish(struct req *r)
{
    struct abort_req *q = CONTAINER_OF(r, struct abort_req, r);

    q->done(q->arg, r->op.rc);
}

static void abort_fini(struct req *r)
{
    struct abort_req *q = CONTAINER_OF(r, struct abort_req, r);

    access_fini(&q->a);
    writer_fini(&q->was);
}

int upload_abort(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 struct bytes key, struct bytes upload, bucket_done_fn *done, void *arg)
{
    struct abort_req *q = NULL;
    struct uuid id = {{0}};
    int rc = s3_key_check(key);

    if (rc == 0 && uuid_parse(upload, &id) < 0)
        rc = -R_NO_UPLOAD;
    if (rc == 0)
        q = req_create(sizeof(*q), l, who, bucket, key, abort_run, &rc);
    if (!q)
        return rc;
    q->id = id;
    q->done = done;
    q->arg = arg;
    access_init(&q->a, l, who, q->r.bucket, q->r.key);
    q->a.call.frees = true;
    req_start(&q->r, abort_finish, abort_fini);
    return 0;
}

/* ---- parts ---- */

struct parts_req {
    struct req r;
    struct access a;
    struct uuid id;
    uint32_t after, max, count;
    bool truncated;
    struct s3_sum sum;            /* the upload's */
    struct upload_part_row *rows; /* in the arena */
    upload_parts_fn *done;        /* or ... */
    upload_stat_fn *stat;
    void *arg;
};

static int parts_build(struct access *a, struct cairn_op *op)
{
    struct parts_req *q = CONTAINER_OF(a, struct parts_req, a);
    struct row_key upload, from, to;
    struct cairn_pair pair;

    row_key_of(&upload, ROW_UPLOAD, q->r.key, &q->id);
    pair = pair_of(key_bytes(&upload), (struct bytes){0});
    cairn_op_omap_get(op, &pair, 1);
    row_key_part(&from, q->r.key, &q->id, MIN(q->after, (uint32_t)S3_PART_NUMBER_MAX) + 1);
    row_key_part(&to, q->r.key, &q->id, S3_PART_NUMBER_MAX + 2);
    cairn_op_omap_range(op, from.b, from.len, to.b, to.len, q->max - q->count + 1);
    return 0;
}

static int part_take(struct parts_req *q, struct cairn_pair p)
{
    struct upload_part_row *row = &q->rows[q->count];
    struct part_row part;
    struct bytes key;
    struct uuid upload;
    uint32_t number;
    int rc = row_key_part_parse(pair_key(p), &key, &upload, &number);

    if (rc == 0)
        rc = part_row_decode(pair_value(p), &part);
    if (rc < 0)
        return rc;
    *row = (struct upload_part_row){
        .number = number, .size = part.stripes.size, .mtime_ns = part.mtime_ns};
    memcpy(row->etag.md5, part.md5, 16);
    row->sum = part.sum;
    q->after = number;
    q->count++;
    return 0;
}

/* 1: there is more to read. */
static int parts_take(struct parts_req *q)
{
    const struct call *c = &q->a.call;
    struct upload_row u;
    struct row_key upload;
    struct bytes value;
    bool more;
    size_t n;
    int rc;

    row_key_of(&upload, ROW_UPLOAD, q->r.key, &q->id);
    if (!call_row(c, 1, key_bytes(&upload), &value))
        return -R_NO_UPLOAD;
    rc = upload_row_decode(value, &u);
    if (rc < 0)
        return rc;
    q->sum = u.sum;
    n = cairn_op_pair_count(c->op, 2, &more);
    for (size_t i = 0; i < n; i++) {
        if (q->count == q->max) {
            q->truncated = q->max > 0;
            return 0;
        }
        rc = part_take(q, cairn_op_pair(c->op, 2, i));
        if (rc < 0)
            return rc;
    }
    return more ? 1 : 0;
}

static void parts_read(struct access *a)
{
    struct parts_req *q = CONTAINER_OF(a, struct parts_req, a);
    int rc = a->code == 0 ? parts_take(q) : a->code;

    if (rc == 1) {
        access_read(a, parts_build, parts_read);
        return;
    }
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

static void parts_run(struct op *op)
{
    struct parts_req *q = CONTAINER_OF(op, struct parts_req, r.op);

    access_read(&q->a, parts_build, parts_read);
}

static void parts_finish(struct req *r)
{
    struct parts_req *q = CONTAINER_OF(r, struct parts_req, r);
    struct upload_parts parts = {q->rows, q->count, q->truncated, q->sum};

    if (q->stat)
        q->stat(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &q->sum);
    else
        q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &parts);
}

static void parts_fini(struct req *r)
{
    access_fini(&CONTAINER_OF(r, struct parts_req, r)->a);
}

static struct parts_req *parts_create(struct bucket_layer *l, const struct s3_principal *who,
                                      struct bytes bucket, struct bytes key, struct bytes upload,
                                      uint32_t max, int *out_rc)
{
    struct parts_req *q = NULL;
    struct uuid id = {{0}};
    int rc = s3_key_check(key);

    if (rc == 0 && uuid_parse(upload, &id) < 0)
        rc = -R_NO_UPLOAD;
    if (rc == 0)
        q = req_create(sizeof(*q), l, who, bucket, key, parts_run, &rc);
    *out_rc = rc;
    if (!q)
        return NULL;
    q->id = id;
    q->max = MIN(max, (uint32_t)PART_ROWS);
    q->rows = arena_alloc(&q->r.op.arena, (q->max + 1) * sizeof(*q->rows));
    if (!q->rows) {
        req_destroy(&q->r);
        *out_rc = -ENOMEM;
        return NULL;
    }
    access_init(&q->a, l, who, q->r.bucket, q->r.key);
    return q;
}

int upload_list_parts(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                      struct bytes key, struct bytes upload, uint32_t after_number, uint32_t max,
                      upload_parts_fn *done, void *arg)
{
    int rc;
    struct parts_req *q = parts_create(l, who, bucket, key, upload, max, &rc);

    if (!q)
        return rc;
    q->after = after_number;
    q->done = done;
    q->arg = arg;
    req_start(&q->r, parts_finish, parts_fini);
    return 0;
}

int upload_stat(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                struct bytes key, struct bytes upload, upload_stat_fn *done, void *arg)
{
    int rc;
    struct parts_req *q = parts_create(l, who, bucket, key, upload, 0, &rc);

    if (!q)
        return rc;
    q->stat = done;
    q->arg = arg;
    req_start(&q->r, parts_finish, parts_fini);
    return 0;
}
