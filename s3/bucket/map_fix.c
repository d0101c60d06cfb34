/* map_fix.c - the map beside a bucket's record: which shard begins at which key.
 *
 * It saves whoever meets the bucket for the first time the way from shard to shard, and it is a
 * hint only: rows of shards are the truth.  A shard's row says where the map has it (`mapped`), and
 * after the shard's beginning has changed somebody corrects the map, guarded on the record:
 *
 *     RECORD   which must still be of this bucket
 *     REMOVE   the old row, if it is still ours
 *     CLAIM    in the shard's row: the map may have it at its beginning
 *     SET      the new row; none for a shard without a range
 *     NOTE     in the shard's row that this is done
 *
 * A shard that has no range goes only when the map does not have it; so the shard's row tells of a
 * row of the map before that is there. */
#include "s3/bucket/map_fix.h"

#include <stdio.h>

#include "s3/bucket/registry.h"
#include "s3/bucket/settle.h"

static void fix_end(struct map_fix *f, int rc)
{
    f->done(f, rc);
}

/* The shard's row as it is, but for what it says of the map. */
static struct shard_row mapped_as(const struct map_fix *f, enum shard_mapped mapped)
{
    struct shard_row next = f->view->row;

    next.generation++;
    next.mapped = mapped;
    next.mapped_from = next.from;
    return next;
}

static void row_write(struct map_fix *f, const struct shard_row *next, void (*done)(struct call *c))
{
    int rc;

    (void)row_replace(&f->call, f->view, next, &rc); /* the submit says when there is no memory */
    call_submit_if(&f->call, rc, done);
}

static void noted(struct call *c)
{
    fix_end(CONTAINER_OF(c, struct map_fix, call), c->code);
}

static void note(struct map_fix *f)
{
    bool none = f->view->row.state == SHARD_EMPTY;
    struct shard_row next = mapped_as(f, none ? MAPPED_NOT : MAPPED_FROM);

    row_write(f, &next, noted);
}

static void map_set(struct call *c)
{
    struct map_fix *f = CONTAINER_OF(c, struct map_fix, call);

    if (c->code < 0)
        fix_end(f, c->code);
    else
        note(f);
}

/* A change of the map, guarded on the record as it was read. */
static struct cairn_op *map_change(struct map_fix *f, int *out_rc)
{
    struct cairn_op *op = call_begin(&f->call, CALL_INDEX);

    name_bucket(f->call.name, BYTES_STR(f->bucket));
    *out_rc = f->record.rc;
    if (op && f->record.rc == 0)
        cairn_op_cmp_xattr(op, "record", CAIRN_EQ, f->record.data, f->record.len);
    return op;
}

static void map_put(struct map_fix *f)
{
    const struct shard_row *r = &f->view->row;
    AUTO(writer) w = {0};
    struct cairn_op *op;
    struct cairn_pair pair;
    struct row_key key;
    int rc;

    op = map_change(f, &rc);
    map_row_encode(r->no, &w);
    row_key_map(&key, r->from);
    pair = pair_of(key_bytes(&key), written(&w));
    if (op && w.rc == 0)
        cairn_op_omap_set(op, &pair, 1);
    call_submit_if(&f->call, rc < 0 ? rc : w.rc, map_set);
}

static void claimed(struct call *c)
{
    struct map_fix *f = CONTAINER_OF(c, struct map_fix, call);
    struct shard_row next = mapped_as(f, MAPPED_OTHER);
    int rc = c->code;

    if (rc == 0)
        rc = shard_view_next(&f->view, &next);
    if (rc < 0)
        fix_end(f, rc);
    else
        map_put(f);
}

static void set(struct map_fix *f)
{
    struct shard_row next = mapped_as(f, MAPPED_OTHER);

    if (f->view->row.state == SHARD_EMPTY)
        note(f);
    else
        row_write(f, &next, claimed);
}

static void old_removed(struct call *c)
{
    struct map_fix *f = CONTAINER_OF(c, struct map_fix, call);

    if (c->code == -R_GUARD_FAILED && cairn_op_failed_step(c->op) > 0)
        set(f); /* another shard begins there by now */
    else if (c->code < 0)
        fix_end(f, c->code);
    else
        set(f);
}

static void old_remove(struct map_fix *f)
{
    const struct shard_row *r = &f->view->row;
    struct bytes at = r->mapped == MAPPED_OTHER ? r->mapped_from : r->from;
    AUTO(writer) w = {0};
    struct cairn_op *op;
    struct cairn_pair pair;
    struct row_key key;
    int rc;

    if (r->mapped == MAPPED_NOT || (r->state != SHARD_EMPTY && bytes_equal(at, r->from))) {
        set(f);
        return;
    }
    op = map_change(f, &rc);
    map_row_encode(r->no, &w);
    row_key_map(&key, at);
    pair = pair_of(key_bytes(&key), (struct bytes){0});
    if (op && w.rc == 0) {
        cairn_op_cmp_omap(op, key.b, key.len, CAIRN_EQ, w.data, w.len);
        cairn_op_omap_rm(op, &pair, 1);
    }
    call_submit_if(&f->call, rc < 0 ? rc : w.rc, old_removed);
}

static void record_read(struct call *c)
{
    struct map_fix *f = CONTAINER_OF(c, struct map_fix, call);
    struct bucket_row row;
    int rc = record_take(c, &f->record, &row);

    if (rc == 0 && !uuid_equal(&row.id, &f->view->row.bucket))
        rc = -R_NO_BUCKET;
    if (rc < 0)
        fix_end(f, rc);
    else
        old_remove(f);
}

bool map_needs_fix(const struct shard_row *r)
{
    return r->move == MOVE_NONE &&
           (r->state == SHARD_EMPTY ? r->mapped != MAPPED_NOT
                                    : r->state == SHARD_OPEN && r->mapped != MAPPED_FROM);
}

void map_fix_init(struct map_fix *f, struct bucket_layer *l)
{
    memset(f, 0, sizeof(*f));
    call_init(&f->call, l);
}

void map_fix_fini(struct map_fix *f)
{
    call_fini(&f->call);
    shard_view_unref(TAKE(f->view));
    writer_fini(&f->record);
}

void map_fix_run(struct map_fix *f, const char *bucket, struct shard_view *view,
                 void (*done)(struct map_fix *f, int rc))
{
    snprintf(f->bucket, sizeof(f->bucket), "%s", bucket);
    shard_view_ref(view);
    shard_view_unref(f->view);
    f->view = view;
    f->done = done;
    call_submit_if(&f->call, record_get(&f->call, BYTES_STR(f->bucket)), record_read);
}
