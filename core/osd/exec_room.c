/* exec_room.c - is there room for an operation?
 *
 *   grows    writes bytes, or sets xattrs and rows
 *   frees    sets those of which the client says that they lead to space given back (STEP_FREES: a
 *            row that names what is to be removed); or truncates, which may make an object
 *   shrinks  takes away; or frees, and each xattr and row that it sets stands in the place of one
 *            that a guard of the operation shows to be there, no shorter
 *
 * A full store takes what frees out of its reserve, up to a bound, since whether it will lead to
 * space nobody proves (core/store/space.c).  What shrinks it takes for ever.  So whoever works off
 * what is to be removed, row by row guarded, goes on even when others have used up that bound. */
#include "core/osd/pg.h"

static enum store_want step_wants(const struct step *st)
{
    switch (st->kind) {
    case STEP_CREATE:
    case STEP_WRITE:
    case STEP_WRITE_FULL:
    case STEP_APPEND:
    case STEP_CLONE_RANGE:
        return STORE_GROWS;
    case STEP_XATTR_SET:
    case STEP_XATTR_ADD:
    case STEP_OMAP_SET:
        return st->flags & STEP_FREES ? STORE_FREES : STORE_GROWS;
    case STEP_TRUNCATE:
        return STORE_FREES;
    default:
        return STORE_SHRINKS;
    }
}

static enum store_want steps_want(const struct steps *steps, uint64_t *out_bytes)
{
    enum store_want all = STORE_SHRINKS;

    *out_bytes = 0;
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct step *st = &steps->step[i];
        enum store_want want = step_wants(st);

        all = MAX(all, want);
        *out_bytes += st->data.bytes + (st->kind == STEP_CLONE_RANGE ? st->len : 0);
    }
    return all;
}

/* Does a guard show that this is there, with a value no shorter than `value`? */
static bool shown(const struct steps *steps, enum step_kind guard, struct bytes key,
                  struct bytes value)
{
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct step *st = &steps->step[i];

        if (st->kind == guard && st->cmp == CMP_EQ && st->value.len >= value.len &&
            bytes_equal(st->key, key))
            return true;
    }
    return false;
}

static bool replaces(const struct steps *steps, const struct step *st)
{
    switch (st->kind) {
    case STEP_XATTR_SET:
    case STEP_XATTR_ADD:
        return shown(steps, STEP_CMP_XATTR, st->key, st->value);
    case STEP_OMAP_SET:
        for (uint32_t i = 0; i < st->pair_in_count; i++)
            if (i == STEPS_MAX ||
                !shown(steps, STEP_CMP_OMAP, st->pairs_in[i].key, st->pairs_in[i].value))
                return false;
        return true;
    default:
        return false;
    }
}

static bool steps_shrink(const struct steps *steps)
{
    for (uint32_t i = 0; i < steps->count; i++)
        if (step_wants(&steps->step[i]) != STORE_SHRINKS && !replaces(steps, &steps->step[i]))
            return false;
    return true;
}

/* On every member: ours says it now, the others with their last answer. */
static int room_for(const struct pg *pg, enum store_want want, uint64_t bytes)
{
    enum store_fill enough = want == STORE_GROWS ? STORE_FULL : STORE_SPENT;

    for (uint32_t i = 0; i < pg->member_count && want != STORE_SHRINKS; i++) {
        const struct peer *p = osd_peer(pg->o, pg->member[i].osd);

        if (p && p->fill >= enough)
            return -R_STORE_FULL;
    }
    return store_admit(pg->o->store, want, bytes);
}

int exec_admit(const struct client_op *op)
{
    const struct steps *steps = &op->m->steps;
    uint64_t bytes;
    enum store_want want = steps_want(steps, &bytes);
    int rc = room_for(op->pg, want, bytes);

    if (rc == -R_STORE_FULL && want == STORE_FREES && steps_shrink(steps))
        rc = room_for(op->pg, STORE_SHRINKS, 0);
    return rc;
}
