/* exec_room.c - is there room for an operation?
 *
 *   grows    writes bytes, or sets xattrs and rows
 *   frees    sets those of which the client says that they lead to space given back (STEP_FREES: a
 *            row that names what is to be removed); or truncates, which may make an object
 *   shrinks  takes away; or frees, and each xattr and row that it sets stands in the place of one
 *            that a guard of the operation shows to be there, no shorter; or rows stand for rows
 *            that it removes and its guards show, no fewer and together no shorter; or it adds to
 *            the numbers of an xattr that is there (that, add_step sees)
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

/* Rows and their bytes. */
struct room {
    uint64_t rows, bytes;
};

static bool sets_row(const struct steps *steps, struct bytes key)
{
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct step *st = &steps->step[i];

        for (uint32_t p = 0; st->kind == STEP_OMAP_SET && p < MIN(st->pair_in_count, STEPS_MAX);
             p++)
            if (bytes_equal(st->pairs_in[p].key, key))
                return true;
    }
    return false;
}

static bool removes_row(const struct steps *steps, struct bytes key)
{
    for (uint32_t i = 0; i < steps->count; i++) {
        const struct step *st = &steps->step[i];

        for (uint32_t p = 0; st->kind == STEP_OMAP_RM && p < MIN(st->pair_in_count, STEPS_MAX); p++)
            if (bytes_equal(st->pairs_in[p].key, key))
                return true;
    }
    return false;
}

/* Of rows that are there, by its guards, and are not behind it.  A row is counted once. */
static struct room room_given(const struct steps *steps)
{
    struct room given = {0, 0};

    for (uint32_t i = 0; i < steps->count; i++) {
        const struct step *st = &steps->step[i];
        bool again = false;

        if (st->kind != STEP_CMP_OMAP || st->cmp != CMP_EQ || !removes_row(steps, st->key) ||
            sets_row(steps, st->key))
            continue;
        for (uint32_t k = 0; k < i; k++)
            again |= steps->step[k].kind == STEP_CMP_OMAP && steps->step[k].cmp == CMP_EQ &&
                     bytes_equal(steps->step[k].key, st->key);
        given.rows += !again;
        given.bytes += again ? 0 : st->key.len + st->value.len;
    }
    return given;
}

/* Of rows that stand in no other's place.  False: too many to look at. */
static bool room_taken(const struct steps *steps, const struct step *st, struct room *taken)
{
    if (st->pair_in_count > STEPS_MAX)
        return false;
    for (uint32_t i = 0; i < st->pair_in_count; i++) {
        const struct step_pair *p = &st->pairs_in[i];

        if (shown(steps, STEP_CMP_OMAP, p->key, p->value))
            continue;
        taken->rows++;
        taken->bytes += p->key.len + p->value.len;
    }
    return true;
}

static bool steps_shrink(const struct steps *steps)
{
    struct room given = room_given(steps), taken = {0, 0};

    for (uint32_t i = 0; i < steps->count; i++) {
        const struct step *st = &steps->step[i];
        bool shrinks = true;

        if (st->kind == STEP_XATTR_SET)
            shrinks = shown(steps, STEP_CMP_XATTR, st->key, st->value);
        else if (st->kind == STEP_OMAP_SET)
            shrinks = room_taken(steps, st, &taken);
        else if (st->kind != STEP_XATTR_ADD)
            shrinks = step_wants(st) == STORE_SHRINKS;
        if (!shrinks)
            return false;
    }
    return taken.rows <= given.rows && taken.bytes <= given.bytes;
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

int exec_admit(struct client_op *op)
{
    const struct steps *steps = &op->m->steps;
    uint64_t bytes;
    enum store_want want = steps_want(steps, &bytes);
    int rc = room_for(op->pg, want, bytes);

    op->shrinks = rc == -R_STORE_FULL && want == STORE_FREES && steps_shrink(steps);
    return op->shrinks ? room_for(op->pg, STORE_SHRINKS, 0) : rc;
}
