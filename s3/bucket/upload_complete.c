/* upload_complete.c - parts become an object.
 *
 *   LOOK   the upload's row, and the result row in case we were here before
 *   SEAL   the upload's row gets our token
 *   PAGE   the parts, page by page, guarded on our seal
 *   (check the request against the parts)
 *   LINK   the link of an entry, guarded on our seal: entry, manifest, result row for repeats,
 *          upload's row away; two garbage rows: what is left of the parts, and the result row
 *
 * A part that arrives in between breaks the seal, another completion replaces it: our guard fails
 * and we begin anew.  A gateway that dies leaves a seal, which means nothing to anybody. */
#include <openssl/evp.h>

#include "s3/bucket/bucket_int.h"
#include "s3/bucket/sums.h"

enum { COMPLETE_TRIES_MAX = 30, PART_ROWS = S3_PART_NUMBER_MAX };

struct complete_req {
    struct req r;
    struct link link; /* its access serves all stages */
    struct uuid id; /* of the upload, and of the version that it becomes: so the garbage of both is
                       found from either */
    struct upload_end end;
    struct upload_part *parts; /* in the arena, as are the three below */
    struct stripes *stripes;   /* of each part asked for */
    struct object_part *told;
    bool *found;
    uint32_t part_count;
    uint32_t seen;  /* the next part asked for that no row has been compared with */
    uint32_t after; /* the last part row read */
    uint8_t request[16];
    uint32_t tries;
    int step;                  /* of the guard on the upload's row */
    struct writer was, sealed; /* the upload's row */
    struct writer manifest;
    struct upload_row upload; /* borrows from was */
    struct entry_row entry;
    struct object_info info;
    object_info_fn *done;
    void *arg;
};

static struct access *access_of(struct complete_req *q)
{
    return &q->link.a;
}

static void complete_end(struct complete_req *q, int rc)
{
    if (rc < 0)
        op_fail(&q->r.op, rc);
    op_finish(&q->r.op);
}

static void look(struct complete_req *q);

/* Somebody else changed the upload. */
static void complete_again(struct complete_req *q)
{
    counter_add(&q->r.l->n.link_retries, 1);
    if (++q->tries == COMPLETE_TRIES_MAX)
        complete_end(q, -R_BUCKET_BUSY);
    else
        look(q);
}

/* ---- digests ---- */

/* MD5 of (number, MD5) of each part, or of the MD5s alone: what a multipart ETag is. */
static int parts_md5(const struct complete_req *q, bool numbers, uint8_t out[16])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL);

    for (uint32_t i = 0; i < q->part_count && ok; i++) {
        uint32_t n = q->parts[i].number;
        uint8_t le[4] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24)};

        if (numbers)
            ok = EVP_DigestUpdate(ctx, le, sizeof(le));
        ok = ok && EVP_DigestUpdate(ctx, q->parts[i].md5, 16);
    }
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL);
    EVP_MD_CTX_free(ctx);
    return ok ? 0 : -ENOMEM;
}

/* ---- the link ---- */

static void complete_guards(struct link *k, struct cairn_op *op)
{
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);
    struct row_key key;

    row_key_of(&key, ROW_UPLOAD, q->r.key, &q->id);
    q->step = cairn_op_cmp_omap(op, key.b, key.len, CAIRN_EQ, q->sealed.data, q->sealed.len);
}

static void complete_rows(struct link *k, struct link_rows *rows)
{
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);
    struct garbage_row parts = {.state = GARBAGE_WAITING,
                                .kind = GARBAGE_PARTS,
                                .origin = q->id,
                                .epoch = access_epoch(&k->a)};
    struct garbage_row result = {
        .state = GARBAGE_WAITING, .kind = GARBAGE_RESULT, .epoch = access_epoch(&k->a)};
    struct result_row r = {.size = q->entry.size,
                           .mtime_ns = q->entry.mtime_ns,
                           .etag = q->entry.etag,
                           .sum = q->entry.sum};
    struct row_key *key;
    struct writer *w;

    memcpy(r.request, q->request, 16);
    row_key_of(link_gone(rows), ROW_UPLOAD, q->r.key, &q->id);
    w = link_set(rows, &key);
    row_key_of(key, ROW_MANIFEST, q->r.key, &q->id);
    wr_raw(w, q->manifest.data, q->manifest.len);
    w = link_set(rows, &key);
    row_key_of(key, ROW_RESULT, q->r.key, &q->id);
    result_row_encode(&r, w);
    link_garbage(rows, q->r.key, &q->id, &parts);
    link_garbage(rows, q->r.key, &q->id, &result);
}

static void complete_linked(struct link *k)
{
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);

    if (k->a.code == -R_GUARD_FAILED) {
        complete_again(q);
        return;
    }
    if (k->a.code == 0)
        q->info = (struct object_info){.size = q->entry.size,
                                       .mtime_ns = q->entry.mtime_ns,
                                       .etag = q->entry.etag,
                                       .sum = q->entry.sum};
    complete_end(q, k->a.code);
}

/* The parts are those that were asked for. */
static int parts_judge(struct complete_req *q, uint64_t *out_size)
{
    uint64_t size = 0;
    int rc = 0;

    for (uint32_t i = 0; i < q->part_count; i++) {
        if (!q->found[i])
            return -R_BAD_PART;
        if (i + 1 < q->part_count && q->stripes[i].size < q->r.l->conf.part_bytes_min)
            rc = -R_PART_TOO_SMALL;
        if (size_add(size, q->stripes[i].size, &size) < 0 || size > S3_OBJECT_BYTES_MAX)
            return -R_ENTITY_TOO_LARGE;
    }
    if (rc == 0 && q->end.has_size && q->end.size != size)
        rc = -R_SIZE_DIFFERS;
    *out_size = size;
    return rc;
}

/* The object's checksum, and whether it is the one that the client has. */
static int sum_make(struct complete_req *q)
{
    const struct s3_sum *want = &q->end.sum;
    struct s3_sum begun = q->upload.sum;
    int rc;

    if (begun.kind == CHECKSUM_NONE) { /* nothing was said of it: what the parts can give */
        begun.kind = q->told[0].sum.kind;
        begun.type = checksum_joins(begun.kind) ? S3_SUM_FULL : S3_SUM_COMPOSITE;
    }
    rc = sums_join(begun.kind, begun.type, q->told, q->part_count, &q->entry.sum);
    if (rc < 0)
        return rc;
    if (q->entry.sum.kind == CHECKSUM_NONE) /* those of parts are of no use, and not counted on */
        for (uint32_t i = 0; i < q->part_count; i++)
            q->told[i].sum = (struct s3_sum){0};
    if (want->type && want->type != begun.type)
        return -R_SUM_KIND;
    if (want->kind == CHECKSUM_NONE)
        return 0;
    if (want->kind != begun.kind)
        return -R_SUM_KIND;
    return sums_equal(want, &q->entry.sum) ? 0 : -R_BAD_DIGEST;
}

static int object_make(struct complete_req *q)
{
    uint64_t size = 0;
    int rc = parts_judge(q, &size);

    if (rc < 0)
        return rc;
    q->entry = (struct entry_row){.version = q->id,
                                  .place = ENTRY_MANIFEST,
                                  .size = size,
                                  .mtime_ns = env_wall_ns(q->r.l->env),
                                  .etag = {.parts = q->part_count},
                                  .headers = q->upload.headers,
                                  .acl = q->upload.acl,
                                  .tags = q->upload.tags};
    rc = parts_md5(q, false, q->entry.etag.md5);
    if (rc == 0)
        rc = sum_make(q);
    if (rc < 0)
        return rc;
    writer_fini(&q->manifest);
    manifest_encode(q->stripes, q->told, q->part_count, &q->manifest);
    writer_fini(&q->link.next);
    entry_row_encode(&q->entry, &q->link.next);
    return q->manifest.rc < 0 ? q->manifest.rc : q->link.next.rc;
}

static void link_parts(struct complete_req *q)
{
    int rc = object_make(q);

    if (rc < 0) {
        complete_end(q, rc);
        return;
    }
    q->link.guards = complete_guards;
    q->link.rows = complete_rows;
    q->link.tries = 0;
    link_run(&q->link, complete_linked);
}

/* ---- reading the parts under the seal ---- */

/* Rows come in ascending order, and so do the parts asked for. */
static int part_match(struct complete_req *q, struct cairn_pair p)
{
    struct part_row row;
    struct bytes key;
    struct uuid upload;
    uint32_t number;
    int rc = row_key_part_parse(pair_key(p), &key, &upload, &number);

    if (rc == 0)
        rc = part_row_decode(pair_value(p), &row);
    if (rc < 0)
        return rc;
    q->after = number;
    while (q->seen < q->part_count && q->parts[q->seen].number < number)
        q->seen++;
    if (q->seen < q->part_count && q->parts[q->seen].number == number) {
        const struct upload_part *want = &q->parts[q->seen];

        q->found[q->seen] = memcmp(want->md5, row.md5, 16) == 0 &&
                            (want->sum.kind == CHECKSUM_NONE || sums_equal(&want->sum, &row.sum));
        q->told[q->seen] = (struct object_part){number, row.stripes.size, row.sum};
        q->stripes[q->seen++] = row.stripes;
    }
    return 0;
}

static int page_build(struct access *a, struct cairn_op *op)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);
    struct row_key upload, from, to;

    row_key_of(&upload, ROW_UPLOAD, q->r.key, &q->id);
    row_key_part(&from, q->r.key, &q->id, q->after + 1);
    row_key_part(&to, q->r.key, &q->id, S3_PART_NUMBER_MAX + 1);
    q->step = cairn_op_cmp_omap(op, upload.b, upload.len, CAIRN_EQ, q->sealed.data, q->sealed.len);
    cairn_op_omap_range(op, from.b, from.len, to.b, to.len, PART_ROWS);
    return 0;
}

static void page_read(struct access *a)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);
    bool more = false;
    int rc = a->code;
    size_t n;

    if (rc == -R_GUARD_FAILED) {
        complete_again(q);
        return;
    }
    n = rc == 0 ? cairn_op_pair_count(a->call.op, q->step + 1, &more) : 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = part_match(q, cairn_op_pair(a->call.op, q->step + 1, i));
    if (rc < 0) {
        complete_end(q, rc);
    } else if (more && q->seen < q->part_count) {
        access_read(a, page_build, page_read);
    } else {
        link_parts(q);
    }
}

static int seal_build(struct access *a, struct cairn_op *op)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);
    struct row_key upload;
    struct cairn_pair pair;

    row_key_of(&upload, ROW_UPLOAD, q->r.key, &q->id);
    cairn_op_cmp_omap(op, upload.b, upload.len, CAIRN_EQ, q->was.data, q->was.len);
    pair = pair_of(key_bytes(&upload), written(&q->sealed));
    cairn_op_omap_set(op, &pair, 1);
    return 0;
}

static void sealed(struct access *a)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);

    if (a->code == -R_GUARD_FAILED)
        complete_again(q);
    else if (a->code < 0)
        complete_end(q, a->code);
    else
        access_read(a, page_build, page_read);
}

static void seal(struct complete_req *q)
{
    struct upload_row row = q->upload;

    row.state = UPLOAD_SEALED;
    row.token = layer_uuid(q->r.l);
    writer_fini(&q->sealed);
    upload_row_encode(&row, &q->sealed);
    if (q->sealed.rc < 0) {
        complete_end(q, q->sealed.rc);
        return;
    }
    q->after = 0;
    q->seen = 0;
    memset(q->found, 0, q->part_count * sizeof(*q->found));
    access_run(access_of(q), seal_build, sealed);
}

/* ---- looking ---- */

static int look_build(struct access *a, struct cairn_op *op)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);
    struct row_key upload, result;
    struct cairn_pair keys[2];

    row_key_of(&upload, ROW_UPLOAD, q->r.key, &q->id);
    row_key_of(&result, ROW_RESULT, q->r.key, &q->id);
    keys[0] = pair_of(key_bytes(&upload), (struct bytes){0});
    keys[1] = pair_of(key_bytes(&result), (struct bytes){0});
    cairn_op_omap_get(op, keys, 2);
    return 0;
}

/* It was completed before: the same request has the same answer. */
static int result_take(struct complete_req *q, struct bytes value)
{
    struct result_row r;
    int rc = result_row_decode(value, &r);

    if (rc < 0)
        return rc;
    if (memcmp(r.request, q->request, 16) != 0)
        return -R_NO_UPLOAD;
    q->info =
        (struct object_info){.size = r.size, .mtime_ns = r.mtime_ns, .etag = r.etag, .sum = r.sum};
    if (PLANTED(PLANT_REPEAT_ANEW))
        q->info.mtime_ns = env_wall_ns(q->r.l->env);
    return 0;
}

static void looked(struct access *a)
{
    struct link *k = CONTAINER_OF(a, struct link, a);
    struct complete_req *q = CONTAINER_OF(k, struct complete_req, link);
    struct row_key upload, result;
    struct bytes value;
    int rc = a->code;

    row_key_of(&upload, ROW_UPLOAD, q->r.key, &q->id);
    row_key_of(&result, ROW_RESULT, q->r.key, &q->id);
    if (rc == 0 && call_row(&a->call, 1, key_bytes(&upload), &value)) {
        writer_fini(&q->was);
        wr_raw(&q->was, value.data, value.len);
        rc = q->was.rc < 0 ? q->was.rc : upload_row_decode(written(&q->was), &q->upload);
        if (rc == 0) {
            seal(q);
            return;
        }
    } else if (rc == 0) {
        rc = call_row(&a->call, 1, key_bytes(&result), &value) ? result_take(q, value)
                                                               : -R_NO_UPLOAD;
    }
    complete_end(q, rc);
}

static void look(struct complete_req *q)
{
    access_read(access_of(q), look_build, looked);
}

static void complete_run(struct op *op)
{
    look(CONTAINER_OF(op, struct complete_req, r.op));
}

/* ---- the request ---- */

static void complete_finish(struct req *r)
{
    struct complete_req *q = CONTAINER_OF(r, struct complete_req, r);

    q->done(q->arg, r->op.rc, r->op.rc < 0 ? NULL : &q->info);
}

static void complete_fini(struct req *r)
{
    struct complete_req *q = CONTAINER_OF(r, struct complete_req, r);

    link_fini(&q->link);
    writer_fini(&q->was);
    writer_fini(&q->sealed);
    writer_fini(&q->manifest);
}

static int parts_check(const struct upload_part *parts, uint32_t count)
{
    if (count == 0 || count > S3_PART_NUMBER_MAX)
        return -R_BAD_PART;
    for (uint32_t i = 0; i < count; i++) {
        if (parts[i].number < 1 || parts[i].number > S3_PART_NUMBER_MAX)
            return -R_BAD_PART;
        if (i && parts[i].number <= parts[i - 1].number)
            return -R_BAD_PART_ORDER;
    }
    return 0;
}

int upload_complete(struct bucket_layer *l, const struct s3_principal *who, struct bytes bucket,
                    struct bytes key, struct bytes upload, const struct upload_end *end,
                    object_info_fn *done, void *arg)
{
    uint32_t part_count = end->part_count;
    struct complete_req *q = NULL;
    struct uuid id = {{0}};
    struct arena *arena;
    int rc = s3_key_check(key);

    if (rc == 0 && uuid_parse(upload, &id) < 0)
        rc = -R_NO_UPLOAD;
    if (rc == 0)
        rc = parts_check(end->parts, part_count);
    if (rc == 0)
        q = req_create(sizeof(*q), l, who, bucket, key, complete_run, &rc);
    if (!q)
        return rc;
    arena = &q->r.op.arena;
    q->id = id;
    q->part_count = part_count;
    q->end = *end;
    q->parts = arena_dup(arena, end->parts, part_count * sizeof(*q->parts));
    q->told = arena_zalloc(arena, part_count * sizeof(*q->told));
    q->stripes = arena_zalloc(arena, part_count * sizeof(*q->stripes));
    q->found = arena_zalloc(arena, part_count * sizeof(*q->found));
    rc = q->parts && q->told && q->stripes && q->found ? parts_md5(q, true, q->request) : -ENOMEM;
    if (rc < 0) {
        req_destroy(&q->r);
        return rc;
    }
    q->done = done;
    q->arg = arg;
    link_init(&q->link, l, who, q->r.bucket, q->r.key);
    q->link.cond = end->cond;
    req_start(&q->r, complete_finish, complete_fini);
    return 0;
}
