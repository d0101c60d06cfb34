/* steps_copy.c - a second operation with the same steps, for sending one again. */
#include "core/proto/steps.h"
#include "core/store/txn.h"

static int step_fill(struct steps *out, struct step *to, const struct step *from)
{
    struct step_pair *pairs = from->pairs_in;
    int rc = 0;

    *to = *from;
    to->pairs_in = NULL;
    to->pair_in_count = 0;
    to->data = (struct buf){0};
    to->key = steps_dup(out, from->key);
    to->value = steps_dup(out, from->value);
    if (from->pair_in_count)
        rc = step_pairs_set(out, to, pairs, from->pair_in_count);
    if (rc == 0 && from->crcs) {
        uint64_t off = from->kind == STEP_WRITE ? from->off : 0; /* others count from 0 */

        to->crcs = arena_dup(&out->arena, from->crcs, 4 * (size_t)crc_count(off, from->data.bytes));
        rc = to->crcs ? 0 : -ENOMEM;
    }
    if (rc == 0)
        rc = buf_append(&to->data, &from->data, 0, from->data.bytes);
    return rc < 0 ? rc : out->rc;
}

int steps_copy(const struct steps *from, struct steps *out)
{
    int rc = from->rc;

    steps_init(out);
    for (uint32_t i = 0; rc == 0 && i < from->count; i++) {
        struct step *to = steps_add(out, from->step[i].kind);

        rc = to ? step_fill(out, to, &from->step[i]) : out->rc;
    }
    if (rc < 0)
        steps_fini(out);
    return rc;
}
