/* bucket_usage.c - how much there is in a bucket: the sum of what its shards count.
 *
 * Every link adds to the counters of its shard (link.c), so nothing has to be scanned: one small
 * read for each shard, from the first key to the last. */
#include "s3/bucket/bucket_int.h"

struct usage_req {
    struct req r;
    struct access a;
    uint8_t from[S3_KEY_MAX]; /* of the shard being read */
    struct bucket_usage sum;
    bucket_usage_fn *done;
    void *arg;
};

static int count_build(struct access *a, struct cairn_op *op)
{
    UNUSED(a);
    cairn_op_xattr_get(op, "count");
    return 0;
}

static int count_add(struct usage_req *q)
{
    struct shard_count n;
    struct bytes value;
    int rc = call_present(&q->a.call, 1, &value);

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

static void counted(struct access *a)
{
    struct usage_req *q = CONTAINER_OF(a, struct usage_req, a);
    int rc = a->code == 0 ? count_add(q) : a->code;
    struct bytes to = {0};

    if (rc == 0)
        to = access_row(a)->to;
    if (to.len) {
        memcpy(q->from, to.data, to.len);
        a->key = (struct bytes){q->from, to.len};
        access_read(a, count_build, counted);
        return;
    }
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

static void usage_run(struct op *op)
{
    struct usage_req *q = CONTAINER_OF(op, struct usage_req, r.op);

    access_read(&q->a, count_build, counted);
}

static void usage_finish(struct req *r)
{
    struct usage_req *q = CONTAINER_OF(r, struct usage_req, r);

    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &q->sum);
}

static void usage_fini(struct req *r)
{
    access_fini(&CONTAINER_OF(r, struct usage_req, r)->a);
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
    req_start(&q->r, usage_finish, usage_fini);
    return 0;
}
