/* object_query.c - HEAD and DELETE of an object: one operation each, when nobody interferes. */
#include "s3/bucket/bucket_int.h"

/* ---- HEAD ---- */

struct head_req {
    struct req r;
    struct access a;
    struct object_info info;
    object_info_fn *done;
    void *arg;
};

static void head_read(struct access *a)
{
    struct head_req *q = CONTAINER_OF(a, struct head_req, a);
    struct entry_row e;
    struct row_key key;
    struct bytes value;
    int rc = a->code;

    row_key_named(&key, ROW_ENTRY, a->key);
    if (rc == 0 && !call_row(&a->call, 1, key_bytes(&key), &value))
        rc = access_may_read(a, NULL);
    if (rc == 0)
        rc = entry_row_decode(value, &e);
    if (rc == 0)
        rc = access_may_read(a, &e.acl);
    if (rc == 0)
        rc = entry_info(&e, &q->r.op.arena, &q->info);
    q->info.owned = rc == 0 && access_owns(a);
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

static void head_run(struct op *op)
{
    struct head_req *q = CONTAINER_OF(op, struct head_req, r.op);

    counter_add(&q->r.l->n.heads, 1);
    access_read(&q->a, access_ask_entry, head_read);
}

static void head_finish(struct req *r)
{
    struct head_req *q = CONTAINER_OF(r, struct head_req, r);

    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &q->info);
}

static void head_fini(struct req *r)
{
    access_fini(&CONTAINER_OF(r, struct head_req, r)->a);
}

int object_head(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                struct bytes key, object_info_fn *done, void *arg)
{
    int rc = s3_key_check(key);
    struct head_req *q =
        rc == 0 ? req_create(sizeof(*q), l, who, bucket, key, head_run, &rc) : NULL;

    if (!q)
        return rc;
    q->done = done;
    q->arg = arg;
    access_init(&q->a, l, who, q->r.bucket, q->r.key);
    q->a.right = RIGHT_READ;
    req_start(&q->r, head_finish, head_fini);
    return 0;
}

/* ---- DELETE ---- */

struct delete_req {
    struct req r;
    struct link link; /* to nothing */
    bucket_done_fn *done;
    void *arg;
};

static void delete_linked(struct link *k)
{
    struct delete_req *q = CONTAINER_OF(k, struct delete_req, link);

    if (k->a.code < 0)
        op_fail(&q->r.op, k->a.code);
    else
        counter_add(&q->r.l->n.deletes, 1);
    op_finish(&q->r.op);
}

static void delete_run(struct op *op)
{
    struct delete_req *q = CONTAINER_OF(op, struct delete_req, r.op);

    link_run(&q->link, delete_linked);
}

static void delete_finish(struct req *r)
{
    struct delete_req *q = CONTAINER_OF(r, struct delete_req, r);

    q->done(q->arg, r->op.rc);
}

static void delete_fini(struct req *r)
{
    link_fini(&CONTAINER_OF(r, struct delete_req, r)->link);
}

int object_delete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct s3_condition *cond, bucket_done_fn *done,
                  void *arg)
{
    int rc = s3_key_check(key);
    struct delete_req *q =
        rc == 0 ? req_create(sizeof(*q), l, who, bucket, key, delete_run, &rc) : NULL;

    if (!q)
        return rc;
    q->done = done;
    q->arg = arg;
    link_init(&q->link, l, who, q->r.bucket, q->r.key);
    q->link.a.call.frees = true;
    if (cond)
        q->link.cond = *cond;
    req_start(&q->r, delete_finish, delete_fini);
    return 0;
}
