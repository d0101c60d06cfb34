/* object_change.c - tags and ACL of an object are exchanged.
 *
 * The entry is read, and replaced under a guard on what was read: the version stays what it is, its
 * data is not touched, and a PUT or deletion that comes in between wins: then we look again. */
#include "s3/bucket/bucket_int.h"

enum { CHANGE_TRIES_MAX = 100 };

struct change_req {
    struct req r;
    struct access a;
    bool set_tags, set_acl;
    enum s3_acl acl;
    struct writer tags, was, next;
    uint32_t tries;
    bucket_done_fn *done;
    void *arg;
};

static void change_look(struct change_req *q);

static void change_end(struct change_req *q, int rc)
{
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

static int write_build(struct access *a, struct cairn_op *op)
{
    struct change_req *q = CONTAINER_OF(a, struct change_req, a);
    int64_t numbers[3] = {0, 0, (int64_t)q->next.len - (int64_t)q->was.len};
    struct cairn_pair pair;
    struct row_key key;

    row_key_named(&key, ROW_ENTRY, a->key);
    pair = pair_of(key_bytes(&key), written(&q->next));
    if (!PLANTED(PLANT_CHANGE_BLIND))
        cairn_op_cmp_omap(op, key.b, key.len, CAIRN_EQ, q->was.data, q->was.len);
    cairn_op_omap_set(op, &pair, 1);
    if (numbers[2]) /* what the shard counts of its rows */
        cairn_op_xattr_add(op, "count", numbers, ARRAY_LEN(numbers));
    return 0;
}

static void changed(struct access *a)
{
    struct change_req *q = CONTAINER_OF(a, struct change_req, a);

    if (a->code != -R_GUARD_FAILED) {
        change_end(q, a->code);
        return;
    }
    counter_add(&a->l->n.link_retries, 1);
    if (++q->tries == CHANGE_TRIES_MAX)
        change_end(q, -R_BUCKET_BUSY);
    else
        change_look(q);
}

/* The entry as it will be. */
static int next_make(struct change_req *q)
{
    struct entry_row e;
    struct bytes value;
    struct row_key key;
    int rc;

    row_key_named(&key, ROW_ENTRY, q->r.key);
    if (!call_row(&q->a.call, 1, key_bytes(&key), &value))
        return -R_NO_KEY;
    writer_fini(&q->was);
    writer_fini(&q->next);
    wr_raw(&q->was, value.data, value.len);
    rc = q->was.rc < 0 ? q->was.rc : entry_row_decode(written(&q->was), &e);
    if (rc < 0)
        return rc;
    if (q->set_tags)
        e.tags = written(&q->tags);
    if (q->set_acl)
        e.acl = (uint8_t)q->acl;
    entry_row_encode(&e, &q->next);
    return q->next.rc;
}

static void looked(struct access *a)
{
    struct change_req *q = CONTAINER_OF(a, struct change_req, a);
    int rc = a->code == 0 ? next_make(q) : a->code;

    if (rc < 0)
        change_end(q, rc);
    else
        access_run(a, write_build, changed);
}

static void change_look(struct change_req *q)
{
    access_read(&q->a, access_ask_entry, looked);
}

static void change_run(struct op *op)
{
    change_look(CONTAINER_OF(op, struct change_req, r.op));
}

static void change_finish(struct req *r)
{
    struct change_req *q = CONTAINER_OF(r, struct change_req, r);

    q->done(q->arg, r->op.rc);
}

static void change_fini(struct req *r)
{
    struct change_req *q = CONTAINER_OF(r, struct change_req, r);

    access_fini(&q->a);
    writer_fini(&q->tags);
    writer_fini(&q->was);
    writer_fini(&q->next);
}

int object_change(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct object_change *change, bucket_done_fn *done,
                  void *arg)
{
    struct change_req *q = NULL;
    int rc = s3_key_check(key);

    if (rc == 0)
        rc = s3_tags_check(change->tags, change->tag_count);
    if (rc == 0)
        q = req_create(sizeof(*q), l, who, bucket, key, change_run, &rc);
    if (!q)
        return rc;
    if (change->tag_count)
        headers_encode(change->tags, change->tag_count, &q->tags);
    if (q->tags.rc < 0) {
        writer_fini(&q->tags);
        req_destroy(&q->r);
        return -ENOMEM;
    }
    q->set_tags = change->set_tags;
    q->set_acl = change->set_acl;
    q->acl = change->acl;
    q->done = done;
    q->arg = arg;
    access_init(&q->a, l, who, q->r.bucket, q->r.key);
    req_start(&q->r, change_finish, change_fini);
    return 0;
}
