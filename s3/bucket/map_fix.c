/* map_fix.c - the map beside a bucket's record: which shard begins at which key.
 *
 * It saves whoever meets the bucket for the first time the way from shard to shard, and it is a
 * hint only: rows of shards are the truth.  A shard's row says where the map has it (`mapped`), and
 * after the shard's beginning has changed somebody corrects the map:
 *
 *     READ     the record, which must still be of this bucket, the map's version, the old row
 *     REMOVE   the old row, if it is still ours
 *     CLAIM    in the shard's row: the map may have it at its beginning
 *     SET      the new row; none for a shard without a range
 *     NOTE     in the shard's row that this is done
 *
 * A shard that has no range goes only when the map does not have it; so the shard's row tells of a
 * row of the map before that is there.  Each change of the map is guarded on its version and raises
 * it, REMOVE even where there is nothing to remove: what somebody has sent and what comes late
 * finds another version, since the one who came after him had to change something.  So no row of
 * the map outlives its shard.  Who finds another version begins anew. */
#include "s3/bucket/map_fix.h"

#include <stdio.h>

#include "s3/bucket/registry.h"
#include "s3/bucket/settle.h"

enum { FIX_TRIES_MAX = 8 };

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

static void map_read(struct map_fix *f);

/* Did somebody else change the map?  Then it was begun anew. */
static bool begun_anew(struct map_fix *f)
{
    if (f->call.code != -R_GUARD_FAILED || ++f->tries == FIX_TRIES_MAX)
        return false;
    map_read(f);
    return true;
}

static void map_set(struct call *c)
{
    struct map_fix *f = CONTAINER_OF(c, struct map_fix, call);

    if (c->code == 0)
        note(f);
    else if (!begun_anew(f))
        fix_end(f, c->code);
}

/* A change of the map as it was read; then it is one version on. */
static struct cairn_op *map_change(struct map_fix *f, int *out_rc)
{
    static const int64_t one = 1;
    struct cairn_op *op = call_begin(&f->call, CALL_INDEX);
    AUTO(writer) version = {0};

    name_bucket(f->call.name, BYTES_STR(f->bucket));
    wr_u64(&version, f->version);
    *out_rc = f->record.rc < 0 ? f->record.rc : version.rc;
    if (op && *out_rc == 0) {
        cairn_op_cmp_xattr(op, "record", CAIRN_EQ, f->record.data, f->record.len);
        cairn_op_cmp_xattr(op, "map", CAIRN_EQ, version.data, version.len);
        cairn_op_xattr_add(op, "map", &one, 1);
    }
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

static struct bytes old_place(const struct map_fix *f)
{
    const struct shard_row *r = &f->view->row;

    return r->mapped == MAPPED_OTHER ? r->mapped_from : r->from;
}

static void old_removed(struct call *c)
{
    struct map_fix *f = CONTAINER_OF(c, struct map_fix, call);

    if (c->code == 0) {
        f->version++;
        set(f);
    } else if (!begun_anew(f)) {
        fix_end(f, c->code);
    }
}

static void old_remove(struct map_fix *f)
{
    const struct shard_row *r = &f->view->row;
    struct cairn_op *op;
    struct cairn_pair pair;
    struct row_key key;
    int rc;

    if (r->mapped == MAPPED_NOT ||
        (r->state != SHARD_EMPTY && bytes_equal(old_place(f), r->from))) {
        set(f);
        return;
    }
    op = map_change(f, &rc);
    row_key_map(&key, old_place(f));
    pair = pair_of(key_bytes(&key), (struct bytes){0});
    if (op && f->there)
        cairn_op_omap_rm(op, &pair, 1);
    call_submit_if(&f->call, rc, old_removed);
}

/* The map's version, and whether it has the shard at its old place. */
static int map_take(struct map_fix *f)
{
    struct bytes value;
    struct row_key key;
    struct cursor at;
    uint64_t no;
    int rc = call_present(&f->call, 1, &value);

    if (rc < 0)
        return rc;
    at = cur_over(value.data, value.len);
    f->version = cur_u64(&at);
    row_key_map(&key, old_place(f));
    f->there = call_row(&f->call, 2, key_bytes(&key), &value) && map_row_decode(value, &no) == 0 &&
               no == f->view->row.no;
    return cur_finish(&at);
}

static void map_came(struct call *c)
{
    struct map_fix *f = CONTAINER_OF(c, struct map_fix, call);
    struct bucket_row row;
    int rc = record_take(c, &f->record, &row);

    if (rc == 0 && !uuid_equal(&row.id, &f->view->row.bucket))
        rc = -R_NO_BUCKET;
    if (rc == 0)
        rc = map_take(f);
    if (rc < 0)
        fix_end(f, rc);
    else
        old_remove(f);
}

static void map_read(struct map_fix *f)
{
    struct cairn_op *op;
    struct cairn_pair pair;
    struct row_key key;
    int rc = record_get(&f->call, BYTES_STR(f->bucket));

    op = f->call.op;
    row_key_map(&key, old_place(f));
    pair = pair_of(key_bytes(&key), (struct bytes){0});
    if (op && rc == 0) {
        cairn_op_xattr_get(op, "map");
        cairn_op_omap_get(op, &pair, 1);
    }
    call_submit_if(&f->call, rc, map_came);
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
    f->call.frees = true; /* garbage of a shard waits until the map is right */
    f->call.background = true;
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
    f->tries = 0;
    map_read(f);
}
