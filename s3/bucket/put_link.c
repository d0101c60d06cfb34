/* put_link.c - the commit of a PUT: all bytes are durable (or small enough to come along), now the
 * object or the part becomes visible, in one operation.
 *
 * An object is a link (link.c), guarded on its intent if there is one.  A part is the same for a
 * part row, guarded on the upload's row, too: that is read first, with the part it replaces, and
 * when one of them has changed by the time of the link both are read again.  An upload that is
 * sealed for completion is opened again by the same operation (README.md). */
#include "s3/bucket/put_int.h"

enum { PART_TRIES_MAX = 100 };

static void info_fill(struct object_put *p)
{
    p->info = (struct object_info){.size = p->total, .mtime_ns = env_wall_ns(p->l->env)};
    memcpy(p->info.etag.md5, p->md5, 16);
    p->info.sum = p->sum;
    p->info.acl = p->acl;
}

/* ---- an object ---- */

static void object_guards(struct link *k, struct cairn_op *op)
{
    struct object_put *p = CONTAINER_OF(k, struct object_put, link);
    struct row_key key;

    p->intent_step = -1;
    if (p->intent != INTENT_HELD)
        return;
    put_intent_key(p, &key);
    p->intent_step = cairn_op_cmp_omap(op, key.b, key.len, CAIRN_PRESENT, NULL, 0);
}

static void object_rows(struct link *k, struct link_rows *rows)
{
    struct object_put *p = CONTAINER_OF(k, struct object_put, link);

    if (p->intent == INTENT_HELD)
        put_intent_key(p, link_gone(rows));
}

static void object_linked(struct link *k)
{
    struct object_put *p = CONTAINER_OF(k, struct object_put, link);
    int rc = k->a.code;

    if (rc == -R_GUARD_FAILED) {
        p->intent = INTENT_NONE;
        rc = -R_INTENT_LOST;
    }
    if (rc == 0 && p->intent != INTENT_HELD)
        counter_add(&p->l->n.puts_inline, 1);
    put_linked(p, rc);
}

static void object_link(struct object_put *p)
{
    bool small = p->intent != INTENT_HELD;
    struct entry_row e = {.version = p->id,
                          .place = small ? ENTRY_INLINE : ENTRY_STRIPES,
                          .size = p->total,
                          .mtime_ns = p->info.mtime_ns,
                          .etag = p->info.etag,
                          .stripe = small ? 0 : p->l->conf.stripe_bytes,
                          .headers = written(&p->headers),
                          .acl = (uint8_t)p->acl,
                          .sum = p->sum,
                          .tags = written(&p->tags)};

    entry_row_encode(&e, &p->link.next);
    if (small)
        inline_row_encode(&p->id, &p->held, &p->link.data);
    p->link.cond = p->cond;
    p->link.guards = object_guards;
    p->link.rows = object_rows;
    link_run(&p->link, object_linked);
}

/* ---- a part ---- */

static void part_read(struct object_put *p);

static void part_keys(const struct object_put *p, struct row_key *upload, struct row_key *part)
{
    row_key_of(upload, ROW_UPLOAD, p->key, &p->upload);
    row_key_part(part, p->key, &p->upload, p->part_number);
}

/* A completion reads the parts under its seal; we have changed them. */
static int seal_break(struct object_put *p, struct link_rows *r)
{
    struct upload_row u;
    struct row_key *key;
    struct writer *w;
    int rc = upload_row_decode(written(&p->upload_was), &u);

    if (rc < 0 || u.state == UPLOAD_OPEN)
        return rc;
    w = link_set(r, &key);
    row_key_of(key, ROW_UPLOAD, p->key, &p->upload);
    u.state = UPLOAD_OPEN;
    memset(&u.token, 0, sizeof(u.token));
    upload_row_encode(&u, w);
    return 0;
}

static int part_rows(struct object_put *p, struct link_rows *r, uint64_t epoch)
{
    struct part_row part = {.stripes = {p->id, p->total, p->l->conf.stripe_bytes},
                            .mtime_ns = p->info.mtime_ns,
                            .sum = p->sum};
    struct part_row was;
    struct row_key *key;
    struct writer *w;
    int rc = 0;

    memcpy(part.md5, p->md5, 16);
    w = link_set(r, &key);
    row_key_part(key, p->key, &p->upload, p->part_number);
    part_row_encode(&part, w);
    put_intent_key(p, link_gone(r));
    if (p->had_part)
        rc = part_row_decode(written(&p->part_was), &was);
    if (rc == 0 && p->had_part) {
        struct garbage_row g = {.state = GARBAGE_WAITING,
                                .kind = GARBAGE_STRIPES,
                                .stripes = was.stripes,
                                .epoch = epoch};

        link_garbage(r, p->key, &was.stripes.id, &g);
    }
    return rc < 0 ? rc : seal_break(p, r);
}

static int part_link_build(struct access *a, struct cairn_op *op)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, pa);
    struct row_key upload, part, intent;
    int rc, rows_rc;

    part_keys(p, &upload, &part);
    put_intent_key(p, &intent);
    p->intent_step = cairn_op_cmp_omap(op, intent.b, intent.len, CAIRN_PRESENT, NULL, 0);
    p->upload_step = cairn_op_cmp_omap(op, upload.b, upload.len, CAIRN_EQ, p->upload_was.data,
                                       p->upload_was.len);
    p->part_step = cairn_op_cmp_omap(op, part.b, part.len, p->had_part ? CAIRN_EQ : CAIRN_ABSENT,
                                     p->part_was.data, p->part_was.len);
    rows_begin(p->part_rows);
    rc = part_rows(p, p->part_rows, access_epoch(a));
    rows_rc = rows_end(p->part_rows, op);
    return rc < 0 ? rc : rows_rc;
}

static void part_linked(struct access *a)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, pa);
    int rc = a->code;

    if (rc != -R_GUARD_FAILED) {
        put_linked(p, rc);
    } else if (access_failed(a) == p->intent_step) {
        p->intent = INTENT_NONE;
        put_linked(p, -R_INTENT_LOST);
    } else {
        counter_add(&p->l->n.link_retries, 1);
        part_read(p);
    }
}

static int part_read_build(struct access *a, struct cairn_op *op)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, pa);
    struct row_key upload, part;
    struct cairn_pair keys[2];

    part_keys(p, &upload, &part);
    keys[0] = pair_of(key_bytes(&upload), (struct bytes){0});
    keys[1] = pair_of(key_bytes(&part), (struct bytes){0});
    cairn_op_omap_get(op, keys, 2);
    return 0;
}

/* What the rows are now, kept for the guards. */
static int part_learn(struct object_put *p)
{
    struct row_key upload, part;
    struct bytes value;

    struct upload_row u;
    int rc;

    part_keys(p, &upload, &part);
    writer_fini(&p->upload_was);
    writer_fini(&p->part_was);
    if (!call_row(&p->pa.call, 1, key_bytes(&upload), &value))
        return -R_NO_UPLOAD;
    wr_raw(&p->upload_was, value.data, value.len);
    p->had_part = call_row(&p->pa.call, 1, key_bytes(&part), &value);
    if (p->had_part)
        wr_raw(&p->part_was, value.data, value.len);
    if (!p->part_rows)
        p->part_rows = mem_alloc(sizeof(*p->part_rows));
    if (!p->part_rows || p->upload_was.rc < 0 || p->part_was.rc < 0)
        return -ENOMEM;
    rc = upload_row_decode(written(&p->upload_was), &u);
    if (rc == 0 && u.sum.kind != CHECKSUM_NONE && u.sum.kind != p->sum.kind)
        rc = -R_SUM_KIND;
    return rc;
}

static void part_was_read(struct access *a)
{
    struct object_put *p = CONTAINER_OF(a, struct object_put, pa);
    int rc = a->code;

    if (rc == 0)
        rc = part_learn(p);
    if (rc == 0 && ++p->part_tries == PART_TRIES_MAX)
        rc = -R_BUCKET_BUSY;
    if (rc < 0)
        put_linked(p, rc);
    else
        access_run(a, part_link_build, part_linked);
}

static void part_read(struct object_put *p)
{
    access_read(&p->pa, part_read_build, part_was_read);
}

void put_link(struct object_put *p)
{
    info_fill(p);
    if (p->part_number)
        part_read(p);
    else
        object_link(p);
}
