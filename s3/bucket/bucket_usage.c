/* bucket_usage.c - how much there is in a bucket: the sum of what its shards count, and the parts
 * of unfinished uploads.
 *
 * Every link adds to the counters of its shard (link.c), so objects need no scan: one small read
 * for each shard, from the first key to the last.  Parts are counted nowhere: the rows of uploads
 * come with the same read, and where there are some, the rows of parts in their range follow, page
 * by page.  Both are in the order of key and upload, so they are merged; parts of uploads that
 * were completed or aborted wait for the collector and are not told.
 *
 *     shard: counters, uploads -> parts of these -> more uploads? -> the next shard
 *
 * While a shard splits, parts may be missed: the next reading has them. */
#include "s3/bucket/bucket_int.h"

enum { UPLOAD_ROWS = 500, PART_ROWS = 500, STEP_COUNT = 1, STEP_UPLOADS = 2, STEP_PARTS = 1 };

struct usage_req {
    struct req r;
    struct access a, parts;
    uint8_t from[S3_KEY_MAX], next[S3_KEY_MAX]; /* of the shard being read, and of the one after */
    uint32_t next_len;                          /* 0: it is the last */
    struct row_key upload_from;                 /* empty: the first page of the shard */
    bool more_uploads;
    struct writer
        uploads; /* of the page: their rows' keys without the letter, one behind another */
    uint32_t end[UPLOAD_ROWS], count,
        at;                  /* where each ends; and the one that parts are looked for */
    uint8_t key[S3_KEY_MAX]; /* of the first of them: routes */
    struct row_key part_from, part_to;
    struct bucket_usage sum;
    bucket_usage_fn *done;
    void *arg;
};

static void shard_read(struct usage_req *q);

static void end(struct usage_req *q, int rc)
{
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

/* ---- parts ---- */

static struct bytes upload_at(const struct usage_req *q, uint32_t i)
{
    uint32_t from = i ? q->end[i - 1] : 0;

    return (struct bytes){q->uploads.data + from, q->end[i] - from};
}

enum tail { AT = -1, BEHIND = 0, BEHIND_PARTS = 0xff /* no number begins so high */ };

/* The place of a row: this letter, and the rest of another one's key. */
static void key_make(struct row_key *k, enum row_prefix letter, struct bytes rest, enum tail tail)
{
    ASSERT(rest.len + 2 <= sizeof(k->b));
    k->b[0] = (uint8_t)letter;
    memcpy(k->b + 1, rest.data, rest.len);
    k->len = rest.len + 1;
    if (tail != AT)
        k->b[k->len++] = (uint8_t)tail;
}

static void next(struct usage_req *q)
{
    if (q->more_uploads) {
        shard_read(q);
        return;
    }
    q->upload_from.len = 0;
    if (q->next_len == 0) {
        end(q, 0);
        return;
    }
    memcpy(q->from, q->next, q->next_len);
    q->a.key = (struct bytes){q->from, q->next_len};
    shard_read(q);
}

static int part_count(struct usage_req *q, struct cairn_pair p)
{
    struct bytes key = pair_key(p), upload, name;
    struct part_row row;
    struct uuid id;
    uint32_t number;
    int order = 1, rc = row_key_part_parse(key, &name, &id, &number);

    if (rc < 0)
        return rc;
    upload = (struct bytes){key.data + 1, key.len - 3}; /* without letter and number */
    for (; q->at < q->count && order > 0; q->at += order > 0)
        order = bytes_compare(upload, upload_at(q, q->at));
    if (order != 0)
        return 0;
    rc = part_row_decode(pair_value(p), &row);
    if (rc == 0)
        q->sum.part_bytes += row.stripes.size;
    return rc;
}

static int parts_build(struct access *a, struct cairn_op *op)
{
    struct usage_req *q = CONTAINER_OF(a, struct usage_req, parts);

    cairn_op_omap_range(op, q->part_from.b, q->part_from.len, q->part_to.b, q->part_to.len,
                        PART_ROWS);
    return 0;
}

static void parts_read(struct access *a)
{
    struct usage_req *q = CONTAINER_OF(a, struct usage_req, parts);
    bool more = false;
    size_t n = 0;
    int rc = a->code;

    if (rc == 0)
        n = cairn_op_pair_count(a->call.op, STEP_PARTS, &more);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = part_count(q, cairn_op_pair(a->call.op, STEP_PARTS, i));
    if (rc < 0) {
        end(q, rc);
    } else if (more && n) {
        struct bytes last = pair_key(cairn_op_pair(a->call.op, STEP_PARTS, n - 1));

        key_make(&q->part_from, ROW_PART, (struct bytes){last.data + 1, last.len - 1}, BEHIND);
        access_read(a, parts_build, parts_read);
    } else {
        next(q);
    }
}

static void parts_begin(struct usage_req *q)
{
    struct bytes first = upload_at(q, 0), last = upload_at(q, q->count - 1);
    uint32_t key_bytes = (uint32_t)((const uint8_t *)memchr(first.data, 0, first.len) - first.data);

    memcpy(q->key, first.data, key_bytes);
    q->at = 0;
    key_make(&q->part_from, ROW_PART, first, AT);
    key_make(&q->part_to, ROW_PART, last, BEHIND_PARTS);
    q->parts.key = (struct bytes){q->key, key_bytes};
    access_read(&q->parts, parts_build, parts_read);
}

/* ---- shards ---- */

static int shard_build(struct access *a, struct cairn_op *op)
{
    struct usage_req *q = CONTAINER_OF(a, struct usage_req, a);
    const struct shard_row *row = access_row(a);
    struct row_key to = {.len = 1, .b = {ROW_UPLOAD + 1}};

    if (q->upload_from.len == 0)
        row_key_named(&q->upload_from, ROW_UPLOAD, a->key);
    if (row->to.len)
        row_key_named(&to, ROW_UPLOAD, row->to);
    cairn_op_xattr_get(op, "count");
    cairn_op_omap_range(op, q->upload_from.b, q->upload_from.len, to.b, to.len, UPLOAD_ROWS);
    return 0;
}

static int count_add(struct usage_req *q)
{
    struct shard_count n;
    struct bytes value;
    int rc = call_present(&q->a.call, STEP_COUNT, &value);

    if (rc == 0)
        rc = shard_count_decode(value, &n);
    if (rc < 0)
        return rc;
    q->sum.objects += n.entries;
    q->sum.bytes += n.object_bytes;
    q->sum.index_bytes += n.row_bytes;
    q->sum.shards++;
    return 0;
}

static int uploads_take(struct usage_req *q)
{
    struct cairn_op *op = q->a.call.op;
    size_t n = cairn_op_pair_count(op, STEP_UPLOADS, &q->more_uploads);
    struct bytes key = {0}, name;
    struct uuid id;
    int rc = 0;

    q->uploads.len = q->count = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        key = pair_key(cairn_op_pair(op, STEP_UPLOADS, i));
        rc = row_key_parse(key, &name, &id);
        wr_raw(&q->uploads, key.data + 1, key.len - 1);
        q->end[q->count++] = (uint32_t)q->uploads.len;
    }
    q->more_uploads = q->more_uploads && n > 0;
    if (rc == 0 && n)
        key_make(&q->upload_from, ROW_UPLOAD, (struct bytes){key.data + 1, key.len - 1}, BEHIND);
    return rc < 0 ? rc : q->uploads.rc;
}

static void shard_done(struct access *a)
{
    struct usage_req *q = CONTAINER_OF(a, struct usage_req, a);
    bool first = !q->more_uploads; /* counters are added once */
    int rc = a->code;
    struct bytes to;

    if (rc == 0 && first)
        rc = count_add(q);
    if (rc == 0)
        rc = uploads_take(q);
    if (rc < 0) {
        end(q, rc);
        return;
    }
    to = access_row(a)->to;
    q->next_len = to.len;
    if (to.len)
        memcpy(q->next, to.data, to.len);
    if (q->count)
        parts_begin(q);
    else
        next(q);
}

static void shard_read(struct usage_req *q)
{
    access_read(&q->a, shard_build, shard_done);
}

static void usage_run(struct op *op)
{
    shard_read(CONTAINER_OF(op, struct usage_req, r.op));
}

static void usage_finish(struct req *r)
{
    struct usage_req *q = CONTAINER_OF(r, struct usage_req, r);

    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &q->sum);
}

static void usage_fini(struct req *r)
{
    struct usage_req *q = CONTAINER_OF(r, struct usage_req, r);

    access_fini(&q->a);
    access_fini(&q->parts);
    writer_fini(&q->uploads);
}

int bucket_usage(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 bucket_usage_fn *done, void *arg)
{
    static const struct s3_principal anybody = {.anonymous = false};
    int rc = 0;
    struct usage_req *q =
        req_create(sizeof(*q), l, who ? who : &anybody, bucket, (struct bytes){0}, usage_run, &rc);

    if (!q)
        return rc;
    q->done = done;
    q->arg = arg;
    access_init(&q->a, l, who, q->r.bucket, (struct bytes){0});
    access_init(&q->parts, l, who, q->r.bucket, (struct bytes){0});
    req_start(&q->r, usage_finish, usage_fini);
    return 0;
}
