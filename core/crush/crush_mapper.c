/* crush_mapper.c - runs a rule: (map, rule, x) to an ordered list of items.
 *
 * A rule keeps a working list of items.  `take` starts it; `choose` replaces each bucket of it by
 * items of a type found below it; `emit` appends it to the answer.  Each pick descends from the
 * bucket, choosing by (x, r) at every level; r grows with the replica and with each failure, so a
 * retry looks elsewhere.  A pick fails when it was picked before, when the device is (by its
 * reweight) out for this x, or when no leaf is found below it.
 *
 * firstn fills the list from the front, and a hole closes up.  indep keeps positions: a device that
 * leaves changes only its own place, which erasure coding needs.
 *
 * Sealed maps make every item and type known, every descent finite and every count bounded, so
 * nothing is checked twice here. */
#include "core/crush/crush_hash.h"
#include "core/crush/crush_internal.h"

struct scratch {
    const struct crush_map *map; /* borrowed: what it was made for */
    uint32_t out_max;
    uint32_t words[]; /* perm_words, then three lists of out_max items */
};

struct mapping {
    const struct crush_map *map;
    uint32_t x;
    const uint32_t *reweights;
    uint32_t reweight_count;
    uint32_t *perms;
    /* As the rule's steps have set them. */
    uint32_t tries, leaf_tries; /* leaf_tries 0: not set */
    uint32_t local_tries, fallback_tries;
    uint32_t vary_r, stable;
};

/* What one choose step, or the search for a leaf below one of its picks, is after. */
struct want {
    uint32_t type;
    uint32_t tries, leaf_tries;
    bool leaf; /* a device below each pick is wanted too */
};

enum verdict { ACCEPT, COLLIDE, REJECT };

static const struct crush_bucket *bucket_at(const struct mapping *m, int32_t id)
{
    return m->map->buckets[-1 - id];
}

static uint32_t type_of(const struct mapping *m, int32_t item)
{
    return item < 0 ? bucket_at(m, item)->type : 0;
}

static int32_t choose(const struct mapping *m, const struct crush_bucket *in, uint32_t r)
{
    return crush_choose(in, m->perms + in->perm_at, m->x, r);
}

static bool is_out(const struct mapping *m, int32_t device)
{
    uint32_t keep;

    if ((uint32_t)device >= m->reweight_count)
        return true;
    keep = m->reweights[device];
    if (keep >= CRUSH_WEIGHT_ONE)
        return false;
    return (crush_hash2(m->x, (uint32_t)device) & 0xffff) >= keep;
}

static bool among(const int32_t *list, uint32_t from, uint32_t to, int32_t item)
{
    for (uint32_t i = from; i < to; i++)
        if (list[i] == item)
            return true;
    return false;
}

/* ---- firstn ---- */

/* The list being filled: `at` are there, `room` more fit; `leaves` (or NULL) runs beside it. */
struct firstn {
    int32_t *out, *leaves;
    uint32_t at, room;
};

static uint32_t choose_firstn(const struct mapping *m, const struct want *w,
                              const struct crush_bucket *from, uint32_t parent_r, uint32_t rep_end,
                              struct firstn *f);

static bool find_leaf(const struct mapping *m, const struct want *w, const struct firstn *f,
                      int32_t item, uint32_t r)
{
    const struct want leaf = {.type = 0, .tries = w->leaf_tries};
    struct firstn below = {.out = f->leaves, .at = f->at, .room = f->room};
    /* Signed as in Ceph; the shift counts modulo 32 there, whatever a rule says. */
    uint32_t sub_r = m->vary_r ? (uint32_t)((int32_t)r >> ((m->vary_r - 1) & 31)) : 0;

    if (item >= 0) {
        f->leaves[f->at] = item;
        return true;
    }
    return choose_firstn(m, &leaf, bucket_at(m, item), sub_r, m->stable ? 1 : f->at + 1, &below) >
           f->at;
}

static enum verdict judge(const struct mapping *m, const struct want *w, const struct firstn *f,
                          int32_t item, uint32_t r)
{
    if (among(f->out, 0, f->at, item))
        return COLLIDE;
    if (w->leaf && !find_leaf(m, w, f, item, r))
        return REJECT;
    return item >= 0 && is_out(m, item) ? REJECT : ACCEPT;
}

/* Find an item for replica `rep`: true with *out_item, or false when it is given up. */
static bool place_firstn(const struct mapping *m, const struct want *w,
                         const struct crush_bucket *from, uint32_t r0, const struct firstn *f,
                         int32_t *out_item)
{
    uint32_t failed = 0, failed_here = 0;
    const struct crush_bucket *in = from;

    for (;;) {
        uint32_t r = r0 + failed;
        enum verdict verdict = REJECT; /* what an empty bucket gets */

        if (in->size > 0) {
            bool exhaustive = m->fallback_tries > 0 && failed_here >= in->size >> 1 &&
                              failed_here > m->fallback_tries;
            int32_t item = exhaustive ? crush_choose_perm(in, m->perms + in->perm_at, m->x, r)
                                      : choose(m, in, r);

            if (type_of(m, item) != w->type) {
                if (item >= 0)
                    return false; /* the tree has no such type here */
                in = bucket_at(m, item);
                continue;
            }
            verdict = judge(m, w, f, item, r);
            if (verdict == ACCEPT) {
                *out_item = item;
                return true;
            }
        }
        failed++;
        failed_here++;
        if (verdict == COLLIDE && failed_here <= m->local_tries)
            continue; /* a few times in the same bucket */
        if (m->fallback_tries > 0 && failed_here <= in->size + m->fallback_tries)
            continue; /* then through all of the bucket */
        if (failed >= w->tries)
            return false;
        in = from; /* then from the top */
        failed_here = 0;
    }
}

static uint32_t choose_firstn(const struct mapping *m, const struct want *w,
                              const struct crush_bucket *from, uint32_t parent_r, uint32_t rep_end,
                              struct firstn *f)
{
    for (uint32_t rep = m->stable ? 0 : f->at; rep < rep_end && f->room > 0; rep++) {
        int32_t item;

        if (!place_firstn(m, w, from, rep + parent_r, f, &item))
            continue;
        f->out[f->at++] = item;
        f->room--;
    }
    return f->at;
}

/* ---- indep ---- */

/* Positions `from` to `to` of a list of `rep_count` replicas. */
struct indep {
    int32_t *out, *leaves; /* leaves may be NULL */
    uint32_t from, to, rep_count;
};

static void choose_indep(const struct mapping *m, const struct want *w,
                         const struct crush_bucket *from, uint32_t parent_r, const struct indep *d);

static enum verdict judge_indep(const struct mapping *m, const struct want *w,
                                const struct indep *d, int32_t item, uint32_t rep, uint32_t r)
{
    if (among(d->out, d->from, d->to, item))
        return COLLIDE;
    if (w->leaf && item < 0) {
        const struct want leaf = {.type = 0, .tries = w->leaf_tries};
        const struct indep below = {
            .out = d->leaves, .from = rep, .to = rep + 1, .rep_count = d->rep_count};

        choose_indep(m, &leaf, bucket_at(m, item), r, &below);
        if (d->leaves[rep] == CRUSH_ITEM_NONE)
            return REJECT;
    } else if (w->leaf) {
        d->leaves[rep] = item;
    }
    return item >= 0 && is_out(m, item) ? REJECT : ACCEPT;
}

/* One attempt for one position: true if it is settled, with an item or as a hole for good. */
static bool place_indep(const struct mapping *m, const struct want *w,
                        const struct crush_bucket *in, uint32_t parent_r, const struct indep *d,
                        uint32_t rep, uint32_t failed)
{
    while (in->size > 0) {
        /* A stride that divides a uniform bucket would walk in circles. */
        bool in_circles = in->alg == CRUSH_UNIFORM && in->size % d->rep_count == 0;
        uint32_t r = rep + parent_r + (d->rep_count + (in_circles ? 1 : 0)) * failed;
        int32_t item = choose(m, in, r);

        if (type_of(m, item) == w->type) {
            if (judge_indep(m, w, d, item, rep, r) != ACCEPT)
                return false;
            d->out[rep] = item;
            return true;
        }
        if (item >= 0) { /* the tree has no such type here */
            d->out[rep] = CRUSH_ITEM_NONE;
            if (d->leaves)
                d->leaves[rep] = CRUSH_ITEM_NONE;
            return true;
        }
        in = bucket_at(m, item);
    }
    return false;
}

static void fill(int32_t *list, uint32_t from, uint32_t to, int32_t what)
{
    for (uint32_t i = from; i < to; i++)
        list[i] = what;
}

static void settle(int32_t *list, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++)
        if (list[i] == CRUSH_ITEM_UNDEF)
            list[i] = CRUSH_ITEM_NONE;
}

static void choose_indep(const struct mapping *m, const struct want *w,
                         const struct crush_bucket *from, uint32_t parent_r, const struct indep *d)
{
    uint32_t left = d->to - d->from;

    fill(d->out, d->from, d->to, CRUSH_ITEM_UNDEF);
    if (d->leaves)
        fill(d->leaves, d->from, d->to, CRUSH_ITEM_UNDEF);
    for (uint32_t failed = 0; left > 0 && failed < w->tries; failed++)
        for (uint32_t rep = d->from; rep < d->to; rep++)
            if (d->out[rep] == CRUSH_ITEM_UNDEF &&
                place_indep(m, w, from, parent_r, d, rep, failed))
                left--;
    settle(d->out, d->from, d->to);
    if (d->leaves)
        settle(d->leaves, d->from, d->to);
}

/* ---- rules ---- */

/* The lists of a running rule: `work` has `count` items; a choose step fills `next`. */
struct lists {
    int32_t *work, *next, *leaves;
    uint32_t count, max;
};

static void choose_from(const struct mapping *m, const struct crush_step *s, uint32_t reps,
                        int32_t bucket, struct lists *l, uint32_t *filled)
{
    bool firstn = s->op == CRUSH_CHOOSE_FIRSTN || s->op == CRUSH_CHOOSELEAF_FIRSTN;
    bool leaf = s->op == CRUSH_CHOOSELEAF_FIRSTN || s->op == CRUSH_CHOOSELEAF_INDEP;
    uint32_t room = l->max - *filled;
    struct want w = {.type = (uint32_t)s->arg2, .tries = m->tries, .leaf = leaf};

    if (firstn) {
        struct firstn f = {.out = l->next + *filled, .leaves = l->leaves + *filled, .room = room};

        w.leaf_tries = m->leaf_tries                              ? m->leaf_tries
                       : m->map->tunables.chooseleaf_descend_once ? 1
                                                                  : m->tries;
        *filled += choose_firstn(m, &w, bucket_at(m, bucket), 0, reps, &f);
    } else {
        struct indep d = {.out = l->next + *filled,
                          .leaves = l->leaves + *filled,
                          .to = MIN(reps, room),
                          .rep_count = reps};

        w.leaf_tries = m->leaf_tries ? m->leaf_tries : 1;
        choose_indep(m, &w, bucket_at(m, bucket), 0, &d);
        *filled += d.to;
    }
}

static void step_choose(const struct mapping *m, const struct crush_step *s, struct lists *l)
{
    int32_t reps = s->arg1 > 0 ? s->arg1 : s->arg1 + (int32_t)l->max;
    bool leaf = s->op == CRUSH_CHOOSELEAF_FIRSTN || s->op == CRUSH_CHOOSELEAF_INDEP;
    uint32_t filled = 0;
    int32_t *taken;

    if (l->count == 0)
        return;
    for (uint32_t i = 0; i < l->count && reps > 0; i++)
        if (l->work[i] < 0) /* neither a device nor a hole */
            choose_from(m, s, (uint32_t)reps, l->work[i], l, &filled);
    taken = leaf ? l->leaves : l->next;
    if (leaf)
        l->leaves = l->work;
    else
        l->next = l->work;
    l->work = taken;
    l->count = filled;
}

/* A value that a step sets; negative ones set nothing. */
static void step_set(uint32_t *what, int32_t value, int32_t least)
{
    if (value >= least)
        *what = (uint32_t)value;
}

static uint32_t run_rule(struct mapping *m, const struct crush_rule *rule, struct lists *l,
                         int32_t *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < rule->step_count; i++) {
        const struct crush_step *s = &rule->steps[i];

        switch (s->op) {
        case CRUSH_NOOP:
            break;
        case CRUSH_TAKE:
            l->work[0] = s->arg1;
            l->count = 1;
            break;
        case CRUSH_CHOOSE_FIRSTN:
        case CRUSH_CHOOSE_INDEP:
        case CRUSH_CHOOSELEAF_FIRSTN:
        case CRUSH_CHOOSELEAF_INDEP:
            step_choose(m, s, l);
            break;
        case CRUSH_EMIT:
            for (uint32_t j = 0; j < l->count && n < l->max; j++)
                out[n++] = l->work[j];
            l->count = 0;
            break;
        case CRUSH_SET_CHOOSE_TRIES:
            step_set(&m->tries, s->arg1, 1);
            break;
        case CRUSH_SET_CHOOSELEAF_TRIES:
            step_set(&m->leaf_tries, s->arg1, 1);
            break;
        case CRUSH_SET_CHOOSE_LOCAL_TRIES:
            step_set(&m->local_tries, s->arg1, 0);
            break;
        case CRUSH_SET_CHOOSE_LOCAL_FALLBACK_TRIES:
            step_set(&m->fallback_tries, s->arg1, 0);
            break;
        case CRUSH_SET_CHOOSELEAF_VARY_R:
            step_set(&m->vary_r, s->arg1, 0);
            break;
        case CRUSH_SET_CHOOSELEAF_STABLE:
            step_set(&m->stable, s->arg1, 0);
            break;
        }
    }
    return n;
}

size_t crush_scratch_bytes(const struct crush_map *map, uint32_t out_max)
{
    ASSERT(map->sealed);
    return sizeof(struct scratch) + 4 * ((size_t)map->perm_words + 3 * (size_t)out_max);
}

void crush_scratch_init(const struct crush_map *map, uint32_t out_max, void *scratch)
{
    struct scratch *s = scratch;

    ASSERT(map->sealed);
    s->map = map;
    s->out_max = out_max;
    memset(s->words, 0, 4 * (size_t)map->perm_words);
}

static uint32_t map_with(const struct crush_map *map, const struct crush_rule *rule, uint32_t x,
                         const uint32_t *reweights, uint32_t reweight_count, int32_t *out,
                         uint32_t out_max, struct scratch *s)
{
    const struct crush_tunables *t = &map->tunables;
    int32_t *lists = (int32_t *)(s->words + map->perm_words);
    struct lists l = {
        .work = lists, .next = lists + out_max, .leaves = lists + 2 * out_max, .max = out_max};
    struct mapping m = {
        .map = map,
        .x = x,
        .reweights = reweights,
        .reweight_count = reweight_count,
        .perms = s->words,
        .tries = t->choose_total_tries + 1, /* the tunable counts retries */
        .local_tries = t->choose_local_tries,
        .fallback_tries = t->choose_local_fallback_tries,
        .vary_r = t->chooseleaf_vary_r,
        .stable = t->chooseleaf_stable,
    };

    return run_rule(&m, rule, &l, out);
}

int crush_map_x(const struct crush_map *map, int rule, uint32_t x, const uint32_t *reweights,
                uint32_t reweight_count, int32_t *out, uint32_t out_max, void *scratch)
{
    const struct crush_rule *r = crush_rule(map, rule);
    struct scratch *s = scratch;
    uint32_t n;

    ASSERT(map->sealed);
    ASSERT(out_max <= CRUSH_COUNT_MAX);
    if (!r || out_max == 0)
        return 0;
    if (!s) {
        s = mem_alloc(crush_scratch_bytes(map, out_max));
        if (!s)
            return -ENOMEM;
        crush_scratch_init(map, out_max, s);
    }
    ASSERT(s->map == map);
    ASSERT(s->out_max >= out_max);
    n = map_with(map, r, x, reweights, reweight_count, out, out_max, s);
    if (!scratch)
        mem_free(s);
    return (int)n;
}
