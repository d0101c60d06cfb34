/* collect_garbage.c - one ripe garbage row, from its claim to its end.
 *
 *   CLAIM    the row becomes CLAIMED, guarded on what was read: no reader can re-date it any more
 *   then, by kind:
 *   stripes  release them; row away, or dated anew for its second pass
 *   manifest read it, release the stripes of all parts; manifest and row away, or dated anew
 *   parts    page by page: part rows away, garbage for stripes that the manifest does not name; row
 *            away
 *   result   result row and row away
 *
 * To release is to leave them to others, or to erase them: release.c.
 *
 * What is left of an upload's parts goes before the manifest that they were made into: without it
 * nobody knew which of them are in use, by copies that have it still.  So a claim of a manifest is
 * guarded on there being no such row.
 *
 * Every change is guarded on the shard row and the claimed row; each is a step that another
 * collector may have done already, and may do again. */
#include "s3/bucket/collect_int.h"

enum { PARTS_PAGE = 50 }; /* a guard for each */

static void garbage_end(struct job *j, int rc)
{
    if (rc == 0)
        counter_add(&j->l->n.collected_versions, 1);
    j->garbage_done(j, rc);
}

/* So many come into and leave its list that this one never does, or the list is damaged, or the
 * data objects do not answer: the row is left for the next round, and no other waits for it. */
static void garbage_leave(struct job *j, int rc)
{
    bool told = rc == -R_BUCKET_BUSY || rc == -ETIMEDOUT; /* that one by silent.c */

    if (!told && !j->left) /* there may be thousands of such rows */
        log_warn(&j->l->log, "data is left for the next round", KV_STR("shard", j->name),
                 KV_RC(rc));
    j->left |= !told;
    garbage_end(j, -R_BUCKET_BUSY);
}

static struct bytes garbage_key(const struct job *j)
{
    return pair_key(j->pair);
}

static struct cairn_op *claimed_change(struct job *j)
{
    struct cairn_op *op = job_change(j, &j->call);
    struct bytes key = garbage_key(j);

    if (op)
        cairn_op_cmp_omap(op, key.data, key.len, CAIRN_EQ, j->claimed.data, j->claimed.len);
    return op;
}

/* ---- the end ---- */

static void row_gone(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    garbage_end(j, c->code);
}

/* The row goes, with what else its kind takes along. */
static void row_remove(struct job *j)
{
    struct cairn_op *op = claimed_change(j);
    struct cairn_pair gone[2] = {pair_of(garbage_key(j), (struct bytes){0})}, next;
    struct row_key key;
    AUTO(writer) w = {0};
    unsigned n = 1;

    if (j->g.kind == GARBAGE_MANIFEST || j->g.kind == GARBAGE_RESULT) {
        row_key_of(&key, j->g.kind == GARBAGE_MANIFEST ? ROW_MANIFEST : ROW_RESULT, j->gkey,
                   &j->gid);
        gone[n++] = pair_of(key_bytes(&key), (struct bytes){0});
    }
    if (op && j->g.passes) {
        struct garbage_row again = j->g;

        again.state = GARBAGE_WAITING;
        again.epoch = j->row.epoch;
        again.passes--;
        garbage_row_encode(&again, &w);
        next = pair_of(garbage_key(j), written(&w));
        cairn_op_omap_set(op, &next, 1);
    } else if (op) {
        cairn_op_omap_rm(op, gone, n);
    }
    call_submit_if(&j->call, w.rc, row_gone);
}

static void first_erased(struct release *r, int rc)
{
    struct job *j = CONTAINER_OF(r, struct job, release);

    if (rc < 0)
        garbage_leave(j, rc);
    else
        row_remove(j);
}

static void erased(struct eraser *e)
{
    struct job *j = CONTAINER_OF(e, struct job, eraser);

    if (e->rc < 0)
        garbage_leave(j, e->rc);
    else if (j->release.orders == REFS_DELETE)
        row_remove(j);
    else
        release_end(&j->release, first_erased);
}

static void list_released(struct release *r, int rc)
{
    struct job *j = CONTAINER_OF(r, struct job, release);

    if (rc < 0)
        garbage_leave(j, rc);
    else if (r->orders == REFS_KEEP || r->orders == REFS_WRITE)
        row_remove(j);
    else /* when we come again, only what did not answer is left */
        eraser_run(&j->eraser, j->list, j->list_count, j->g.state == GARBAGE_WAITING, erased);
}

/* The version at hand leaves the stripes of the list, which `origin` wrote.  Only the last part of
 * an upload may be empty: when it is the first, too, there is no data. */
static void list_release(struct job *j, const struct uuid *origin)
{
    if (!j->list_count || !j->list[0].size)
        row_remove(j);
    else
        release_run(&j->release, &j->list[0], origin, &j->gid, list_released);
}

/* ---- parts ---- */

static void parts_page(struct job *j);

static void parts_changed(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    if (c->code < 0)
        garbage_end(j, c->code);
    else
        parts_page(j);
}

/* Without the manifest, which should be there, nobody can tell: nothing is erased then. */
static bool in_manifest(const struct job *j, const struct uuid *id)
{
    if (!uuid_none(&j->g.origin) && !j->list_count)
        return true;
    for (uint32_t i = 0; i < j->list_count; i++)
        if (uuid_equal(&j->list[i].id, id) && !PLANTED(PLANT_PARTS_ALL))
            return true;
    return false;
}

struct parts_change {
    struct cairn_pair gone[PARTS_PAGE], set[PARTS_PAGE];
    struct row_key key[PARTS_PAGE];
    struct writer value[PARTS_PAGE];
    uint32_t gone_count, set_count;
};

static int part_add(struct job *j, struct parts_change *x, struct cairn_pair p, struct cairn_op *op)
{
    struct garbage_row g = {
        .state = GARBAGE_WAITING, .kind = GARBAGE_STRIPES, .epoch = j->row.epoch};
    struct part_row part;
    int rc = part_row_decode(pair_value(p), &part);

    if (rc < 0)
        return rc;
    if (op) /* shows what goes: full OSDs take what is no longer in its place */
        cairn_op_cmp_omap(op, p.key, p.key_bytes, CAIRN_EQ, p.value, p.value_bytes);
    x->gone[x->gone_count++] = pair_of(pair_key(p), (struct bytes){0});
    if (in_manifest(j, &part.stripes.id))
        return 0;
    g.stripes = part.stripes;
    garbage_row_encode(&g, &x->value[x->set_count]);
    row_key_garbage(&x->key[x->set_count], j->gkey, g.kind, &part.stripes.id);
    x->set[x->set_count] =
        pair_of(key_bytes(&x->key[x->set_count]), written(&x->value[x->set_count]));
    return x->value[x->set_count++].rc;
}

static int parts_build(struct job *j, struct parts_change *x, size_t n)
{
    struct cairn_op *op = claimed_change(j);
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++)
        rc = part_add(j, x, cairn_op_pair(j->parts.op, 0, i), op);
    if (op && rc == 0)
        cairn_op_omap_rm(op, x->gone, x->gone_count);
    if (op && rc == 0 && x->set_count)
        cairn_op_omap_set(op, x->set, x->set_count);
    return rc;
}

static void parts_read(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, parts);
    size_t n = c->code == 0 ? cairn_op_pair_count(c->op, 0, NULL) : 0;
    struct parts_change *x;
    int rc;

    if (c->code < 0 || n == 0) {
        if (c->code < 0)
            garbage_end(j, c->code);
        else
            row_remove(j);
        return;
    }
    x = mem_zalloc(sizeof(*x));
    if (!x) {
        garbage_end(j, -ENOMEM);
        return;
    }
    rc = parts_build(j, x, n);
    for (uint32_t i = 0; i < x->set_count; i++)
        writer_fini(&x->value[i]);
    mem_free(x);
    call_submit_if(&j->call, rc, parts_changed);
}

static void parts_page(struct job *j)
{
    struct cairn_op *op = call_begin(&j->parts, CALL_INDEX);
    struct row_key from, to;

    memcpy(j->parts.name, j->name, sizeof(j->name));
    row_key_part(&from, j->gkey, &j->gid, 0);
    row_key_part(&to, j->gkey, &j->gid, S3_PART_NUMBER_MAX + 1);
    if (op)
        cairn_op_omap_range(op, from.b, from.len, to.b, to.len, PARTS_PAGE);
    call_submit(&j->parts, parts_read);
}

/* ---- manifests ---- */

static void manifest_read(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, parts);
    size_t n = c->code == 0 ? cairn_op_pair_count(c->op, 0, NULL) : 0;
    int rc = 0;

    if (n)
        rc = manifest_decode(pair_value(cairn_op_pair(c->op, 0, 0)), &j->arena, &j->list,
                             &j->list_count);
    if (c->code < 0)
        garbage_end(j, c->code);
    else if (rc < 0)
        garbage_leave(j, rc);
    else if (j->g.kind == GARBAGE_PARTS)
        parts_page(j);
    else
        list_release(j, &j->g.origin);
}

static void manifest_ask(struct job *j, const struct uuid *version)
{
    struct cairn_op *op = call_begin(&j->parts, CALL_INDEX);
    struct cairn_pair pair;
    struct row_key key;

    memcpy(j->parts.name, j->name, sizeof(j->name));
    row_key_of(&key, ROW_MANIFEST, j->gkey, version);
    pair = pair_of(key_bytes(&key), (struct bytes){0});
    if (op)
        cairn_op_omap_get(op, &pair, 1);
    call_submit(&j->parts, manifest_read);
}

/* ---- the claim ---- */

static void garbage_go(struct job *j)
{
    arena_fini(&j->arena);
    j->list_count = 0;
    switch (j->g.kind) {
    case GARBAGE_STRIPES:
        j->list = &j->g.stripes;
        j->list_count = 1;
        list_release(j, &j->g.stripes.id);
        break;
    case GARBAGE_MANIFEST:
        manifest_ask(j, &j->gid);
        break;
    case GARBAGE_PARTS:
        if (uuid_none(&j->g.origin))
            parts_page(j);
        else
            manifest_ask(j, &j->g.origin);
        break;
    default:
        row_remove(j);
        break;
    }
}

static void claimed(struct call *c)
{
    struct job *j = CONTAINER_OF(c, struct job, call);

    if (c->code < 0)
        garbage_end(j, c->code);
    else
        garbage_go(j);
}

void garbage_work(struct job *j, void (*done)(struct job *j, int rc))
{
    struct garbage_row g = j->g;
    struct cairn_op *op = NULL;
    struct cairn_pair next;
    struct row_key parts;

    j->garbage_done = done;
    g.state = GARBAGE_CLAIMED;
    writer_fini(&j->claimed);
    garbage_row_encode(&g, &j->claimed);
    op = job_change(j, &j->call);
    if (op && j->claimed.rc == 0) {
        next = pair_of(garbage_key(j), written(&j->claimed));
        cairn_op_cmp_omap(op, j->pair.key, j->pair.key_bytes, CAIRN_EQ, j->pair.value,
                          j->pair.value_bytes);
        row_key_garbage(&parts, j->gkey, GARBAGE_PARTS, &j->gid);
        if (j->g.kind == GARBAGE_MANIFEST)
            cairn_op_cmp_omap(op, parts.b, parts.len, CAIRN_ABSENT, NULL, 0);
        if (j->g.state == GARBAGE_WAITING)
            cairn_op_omap_set(op, &next, 1);
    }
    call_submit_if(&j->call, j->claimed.rc, claimed);
}
