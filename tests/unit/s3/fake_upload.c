/* fake_upload.c - multipart uploads of the fake bucket layer. */
#include "tests/unit/s3/fake_int.h"

#include "s3/bucket/sums.h"

#include <stdio.h>

#include <openssl/evp.h>

void fake_upload_free(struct fake_upload *u)
{
    list_remove(&u->link);
    fake_disown(u->bucket);
    fake_disown(u->key);
    fake_disown_headers(u->header, u->header_count);
    fake_disown_headers(u->tag, u->tag_count);
    for (uint32_t i = 0; i < u->part_count; i++)
        buf_fini(&u->part[i].data);
    mem_free(u);
}

struct fake_upload *fake_upload_find(struct bucket_layer *l, struct bytes key, struct bytes id)
{
    LIST_EACH (pos, &l->uploads) {
        struct fake_upload *u = LIST_ENTRY(pos, struct fake_upload, link);

        if (bytes_equal(BYTES_STR(u->id), id) && bytes_equal(u->key, key))
            return u;
    }
    return NULL;
}

void fake_part_store(struct fake_upload *u, uint32_t number, const struct fake_object *o)
{
    uint32_t i = 0;

    while (i < u->part_count && u->part[i].number < number)
        i++;
    if (i < u->part_count && u->part[i].number == number) {
        buf_fini(&u->part[i].data);
    } else {
        ASSERT(u->part_count < ARRAY_LEN(u->part));
        memmove(&u->part[i + 1], &u->part[i], (u->part_count - i) * sizeof(u->part[0]));
        u->part_count++;
    }
    u->part[i] = (struct fake_part){.number = number, .sum = o->info.sum};
    fake_must(buf_append(&u->part[i].data, &o->data, 0, o->data.bytes));
    memcpy(u->part[i].md5, o->info.etag.md5, 16);
}

struct id_call {
    struct env_task task;
    struct bucket_layer *l;
    char id[S3_UPLOAD_ID_LEN + 1];
    int rc;
    upload_create_fn *done;
    void *arg;
};

static void run_id(struct env_task *task)
{
    struct id_call *c = CONTAINER_OF(task, struct id_call, task);

    c->l->open--;
    c->done(c->arg, c->rc, c->rc ? NULL : c->id);
    mem_free(c);
}

int upload_create(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                  struct bytes key, const struct upload_make *make, upload_create_fn *done,
                  void *arg)
{
    struct id_call *c = mem_zalloc(sizeof(*c));
    struct fake_upload *u;

    c->l = l;
    c->done = done;
    c->arg = arg;
    l->open++;
    env_task_init(&c->task, run_id);
    env_post(l->env, &c->task);
    c->rc = !fake_bucket_find(l, bucket) ? -R_NO_BUCKET : fake_owns(who) ? 0 : -R_DENIED;
    if (c->rc)
        return 0;
    u = mem_zalloc(sizeof(*u));
    (void)snprintf(u->id, sizeof(u->id), "%032x", ++l->serial);
    memcpy(c->id, u->id, sizeof(u->id));
    u->bucket = fake_own(bucket);
    u->key = fake_own(key);
    u->header_count = make->header_count;
    fake_own_headers(u->header, make->headers, make->header_count);
    u->tag_count = make->tag_count;
    fake_own_headers(u->tag, make->tags, make->tag_count);
    u->acl = make->acl;
    u->sum = make->sum;
    list_push_back(&l->uploads, &u->link);
    return 0;
}

struct stat_call {
    struct env_task task;
    struct bucket_layer *l;
    struct s3_sum sum;
    int rc;
    upload_stat_fn *done;
    void *arg;
};

static void run_stat(struct env_task *task)
{
    struct stat_call *c = CONTAINER_OF(task, struct stat_call, task);

    c->l->open--;
    c->done(c->arg, c->rc, c->rc ? NULL : &c->sum);
    mem_free(c);
}

int upload_stat(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                struct bytes key, struct bytes upload, upload_stat_fn *done, void *arg)
{
    struct fake_upload *u = fake_upload_find(l, key, upload);
    struct stat_call *c = mem_zalloc(sizeof(*c));

    c->l = l;
    c->done = done;
    c->arg = arg;
    c->rc = !fake_bucket_find(l, bucket) ? -R_NO_BUCKET
            : !fake_owns(who)            ? -R_DENIED
            : u                          ? 0
                                         : -R_NO_UPLOAD;
    if (u)
        c->sum = u->sum;
    l->open++;
    env_task_init(&c->task, run_stat);
    env_post(l->env, &c->task);
    return 0;
}

static int parts_join(struct fake_upload *u, const struct upload_end *end, struct fake_object *o)
{
    const struct upload_part *parts = end->parts;
    uint32_t n = end->part_count;
    EVP_MD_CTX *md5 = EVP_MD_CTX_new();
    int rc = 0;

    EVP_DigestInit_ex(md5, EVP_md5(), NULL);
    for (uint32_t i = 1; i < n; i++)
        if (parts[i].number <= parts[i - 1].number)
            rc = -R_BAD_PART_ORDER;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        struct fake_part *part = NULL;

        for (uint32_t k = 0; k < u->part_count; k++)
            if (u->part[k].number == parts[i].number &&
                memcmp(u->part[k].md5, parts[i].md5, 16) == 0 &&
                (!parts[i].sum.kind || sums_equal(&parts[i].sum, &u->part[k].sum)))
                part = &u->part[k];
        if (rc == 0 && !part)
            rc = -R_BAD_PART;
        if (rc == 0 && i + 1 < n && part->data.bytes < S3_PART_BYTES_MIN)
            rc = -R_PART_TOO_SMALL;
        if (rc)
            break;
        fake_must(buf_append(&o->data, &part->data, 0, part->data.bytes));
        EVP_DigestUpdate(md5, parts[i].md5, 16);
        o->part[o->part_count++] = (struct object_part){part->number, part->data.bytes, part->sum};
    }
    EVP_DigestFinal_ex(md5, o->info.etag.md5, NULL);
    EVP_MD_CTX_free(md5);
    o->info.etag.parts = n;
    if (rc == 0 && !u->sum.kind)
        u->sum = (struct s3_sum){.kind = o->part[0].sum.kind, .type = S3_SUM_FULL};
    if (rc == 0)
        rc = sums_join(u->sum.kind, u->sum.type, o->part, o->part_count, &o->info.sum);
    if (rc == 0 && ((end->sum.type && end->sum.type != u->sum.type) ||
                    (end->sum.kind && end->sum.kind != u->sum.kind)))
        rc = -R_SUM_KIND;
    if (rc == 0 && end->sum.kind && !sums_equal(&end->sum, &o->info.sum))
        rc = -R_BAD_DIGEST;
    if (rc == 0 && end->has_size && end->size != o->data.bytes)
        rc = -R_SIZE_DIFFERS;
    return rc;
}

int upload_complete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                    struct bytes key, struct bytes upload, const struct upload_end *end,
                    object_info_fn *done, void *arg)
{
    struct fake_upload *u = fake_upload_find(l, key, upload);
    struct fake_object *o = mem_zalloc(sizeof(*o));
    int rc = u ? parts_join(u, end, o) : -R_NO_UPLOAD;
    struct call *c;

    UNUSED(who);
    if (rc == 0)
        rc = fake_judge(&end->cond, fake_object_find(fake_bucket_find(l, bucket), key));
    c = fake_call(l, rc, fake_run_object, arg);
    c->object = done;
    c->o = o;
    if (rc)
        return 0;
    o->key = fake_own(key);
    o->info.size = o->data.bytes;
    o->info.mtime_ns = env_wall_ns(l->env);
    o->info.headers = o->header;
    o->info.header_count = u->header_count;
    fake_own_headers(o->header, u->header, u->header_count);
    o->info.tags = o->tag;
    o->info.tag_count = u->tag_count;
    fake_own_headers(o->tag, u->tag, u->tag_count);
    o->info.acl = u->acl;
    fake_object_store(fake_bucket_find(l, bucket), fake_object_copy(o));
    fake_upload_free(u);
    return 0;
}

int upload_abort(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                 struct bytes key, struct bytes upload, bucket_done_fn *done, void *arg)
{
    struct fake_upload *u = fake_upload_find(l, key, upload);

    if (!fake_owns(who))
        return fake_answer(l, -R_DENIED, done, arg);
    UNUSED(bucket);
    if (!u)
        return fake_answer(l, -R_NO_UPLOAD, done, arg);
    fake_upload_free(u);
    return fake_answer(l, 0, done, arg);
}

struct parts_call {
    struct env_task task;
    struct bucket_layer *l;
    struct upload_part_row row[64];
    struct upload_parts parts;
    int rc;
    upload_parts_fn *done;
    void *arg;
};

static void run_parts(struct env_task *task)
{
    struct parts_call *c = CONTAINER_OF(task, struct parts_call, task);

    c->l->open--;
    c->done(c->arg, c->rc, c->rc ? NULL : &c->parts);
    mem_free(c);
}

int upload_list_parts(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                      struct bytes key, struct bytes upload, uint32_t after_number, uint32_t max,
                      upload_parts_fn *done, void *arg)
{
    struct fake_upload *u = fake_upload_find(l, key, upload);
    struct parts_call *c = mem_zalloc(sizeof(*c));

    UNUSED(bucket);
    c->l = l;
    c->rc = !fake_owns(who) ? -R_DENIED : u ? 0 : -R_NO_UPLOAD;
    c->parts.rows = c->row;
    if (u)
        c->parts.sum = u->sum;
    c->done = done;
    c->arg = arg;
    for (uint32_t i = 0; u && i < u->part_count; i++) {
        struct upload_part_row *row = &c->row[c->parts.count];

        if (u->part[i].number <= after_number)
            continue;
        c->parts.truncated = c->parts.count == max;
        if (c->parts.truncated)
            break;
        *row = (struct upload_part_row){.number = u->part[i].number, .size = u->part[i].data.bytes};
        memcpy(row->etag.md5, u->part[i].md5, 16);
        row->sum = u->part[i].sum;
        c->parts.count++;
    }
    l->open++;
    env_task_init(&c->task, run_parts);
    env_post(l->env, &c->task);
    return 0;
}

struct uploads_call {
    struct env_task task;
    struct bucket_layer *l;
    struct upload_list_row row[16];
    struct upload_list list;
    int rc;
    upload_list_fn *done;
    void *arg;
};

static void run_uploads(struct env_task *task)
{
    struct uploads_call *c = CONTAINER_OF(task, struct uploads_call, task);

    c->l->open--;
    c->done(c->arg, c->rc, c->rc ? NULL : &c->list);
    for (uint32_t i = 0; i < c->list.count; i++)
        fake_disown(c->row[i].name);
    mem_free(c);
}

int upload_list(struct bucket_layer *l, const struct s3_principal *who,
                const struct upload_list_args *args, upload_list_fn *done, void *arg)
{
    struct uploads_call *c = mem_zalloc(sizeof(*c));

    c->l = l;
    c->rc = !fake_owns(who) ? -R_DENIED : fake_bucket_find(l, args->bucket) ? 0 : -R_NO_BUCKET;
    c->list.rows = c->row;
    c->done = done;
    c->arg = arg;
    LIST_EACH (pos, &l->uploads) {
        struct fake_upload *u = LIST_ENTRY(pos, struct fake_upload, link);
        struct upload_list_row *row = &c->row[c->list.count];

        if (c->list.count == ARRAY_LEN(c->row) || !bytes_equal(u->bucket, args->bucket) ||
            !fake_begins(u->key, args->prefix))
            continue;
        *row = (struct upload_list_row){.name = fake_own(u->key), .owner = "alice", .sum = u->sum};
        memcpy(row->upload, u->id, sizeof(u->id));
        c->list.count++;
    }
    l->open++;
    env_task_init(&c->task, run_uploads);
    env_post(l->env, &c->task);
    return 0;
}
