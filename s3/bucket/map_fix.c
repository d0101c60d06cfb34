/* map_fix.c - the map beside a bucket's record: which shard begins at which key.
 *
 * It saves whoever meets the bucket for the first time the way from shard to shard, and it is a
 * hint only: rows of shards are the truth.  A shard's row says where the map has it (`mapped`), and
 * after the shard's beginning has changed somebody corrects the map, guarded on the record:
 *
 *     RECORD   which must still be of this bucket
 *     REMOVE   the old row, if it is still ours
 *     SET      the new row; none for a shard without a range
 *     NOTE     in the shard's row that this is done
 *
 * A shard that has no range goes only when the map does not have it. */
#include "s3/bucket/map_fix.h"

#include <stdio.h>

#include "s3/bucket/registry.h"

static void fix_end(struct map_fix *f, int rc)
{
    f->done(f, rc);
}

static void noted(struct call *c)
{
    fix_end(CONTAINER_OF(c, struct map_fix, call), c->code);
}

static void note(struct map_fix *f)
{
    struct shard_row next = f->view->row;
    struct cairn_op *op = call_begin(&f->call, CALL_INDEX);
    AUTO(writer) w = {0};

    next.generation++;
    next.mapped = next.state == SHARD_EMPTY ? MAPPED_NOT : MAPPED_FROM;
    shard_row_encode(&next, &w);
    name_shard(f->call.name, &next.bucket, next.no);
    if (op && w.rc == 0) {
        cairn_op_cmp_xattr(op, "shard", CAIRN_EQ, f->view->value, f->view->bytes);
        cairn_op_xattr_set(op, "shard", w.data, w.len);
    }
    call_submit_if(&f->call, w.rc, noted);
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

static void set(struct map_fix *f)
{
    const struct shard_row *r = &f->view->row;
    AUTO(writer) w = {0};
    struct cairn_op *op;
    struct cairn_pair pair;
    struct row_key key;
    int rc;

    if (r->state == SHARD_EMPTY) {
        note(f);
        return;
    }
    op = map_change(f, &rc);
    map_row_encode(r->no, &w);
    row_key_map(&key, r->from);
    pair = pair_of(key_bytes(&key), written(&w));
    if (op && w.rc == 0)
        cairn_op_omap_set(op, &pair, 1);
    call_submit_if(&f->call, rc < 0 ? rc : w.rc, map_set);
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

    if (r->mapped == MAPPED_NOT || (r->mapped == MAPPED_FROM && r->state != SHARD_EMPTY)) {
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
