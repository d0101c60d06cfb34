/* req.c - a request of the layer's user: copied arguments, a run of stages, one call back. */
#include "s3/bucket/bucket_int.h"

int bytes_dup(struct arena *arena, struct bytes b, struct bytes *out)
{
    uint8_t *copy = arena_dup(arena, b.len ? b.data : (const uint8_t *)"", b.len);

    if (!copy)
        return -ENOMEM;
    *out = (struct bytes){copy, b.len};
    return 0;
}

void *req_create(size_t bytes, struct bucket_layer *l, const struct s3_principal *who,
                 struct bytes bucket, struct bytes key, void (*run)(struct op *op), int *out_rc)
{
    struct req *r;
    int rc = layer_takes(l);

    if (rc == 0 && bucket.len && !bucket_name_valid(bucket))
        rc = -R_NO_BUCKET; /* none can have it */
    r = rc == 0 ? mem_zalloc(bytes) : NULL;
    if (!r) {
        *out_rc = rc < 0 ? rc : -ENOMEM;
        return NULL;
    }
    op_init(&r->op, l->env, run);
    r->l = l;
    r->who = *who;
    rc = bytes_dup(&r->op.arena, bucket, &r->bucket);
    if (rc == 0)
        rc = bytes_dup(&r->op.arena, key, &r->key);
    if (rc < 0) {
        *out_rc = rc;
        op_fini(&r->op);
        mem_free(r);
        return NULL;
    }
    return r;
}

void req_destroy(struct req *r)
{
    op_fini(&r->op);
    mem_free(r);
}

static void req_done(struct op *op, void *arg)
{
    struct req *r = CONTAINER_OF(op, struct req, op);
    struct bucket_layer *l = r->l;

    UNUSED(arg);
    r->finish(r);
    if (r->fini)
        r->fini(r);
    op_fini(&r->op);
    mem_free(r);
    layer_dead(l);
}

void req_start(struct req *r, void (*finish)(struct req *r), void (*fini)(struct req *r))
{
    r->finish = finish;
    r->fini = fini;
    layer_live(r->l);
    op_start(&r->op, req_done, NULL);
}

int entry_info(const struct entry_row *e, struct arena *arena, struct object_info *out_info)
{
    struct object_info info = {.size = e->size,
                               .mtime_ns = e->mtime_ns,
                               .etag = e->etag,
                               .sum = e->sum,
                               .acl = (enum s3_acl)e->acl};
    struct bytes raw = {0};
    int rc = 0;

    if (arena) {
        rc = bytes_dup(arena, e->headers, &raw);
        if (rc == 0)
            rc = headers_decode(raw, arena, &info.headers, &info.header_count);
        if (rc == 0 && e->tags.len)
            rc = bytes_dup(arena, e->tags, &raw);
        if (rc == 0 && e->tags.len)
            rc = headers_decode(raw, arena, &info.tags, &info.tag_count);
    }
    if (rc == 0)
        *out_info = info;
    return rc;
}
