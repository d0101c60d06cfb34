/* overlay.c - the rows that are newer than LevelDB, as one ordered map.
 *
 * `points` holds the newest put or delete of each key, `ranges` the range deletes that LevelDB has
 * not seen.  A range takes the place of every point it covers when it comes, so a point that is
 * here is always newer than any range over it; only keys without a point have to ask the ranges.
 *
 * A point is found by its hash; the tree that orders points is brought up to date only when
 * somebody asks for an order (`fresh` are those it lacks).  Most rows are replaced or applied
 * before that.
 *
 * A row that was replaced leaves the tree and remembers its successor: whether it must still be
 * applied depends on whether the successor is applied in the same batch (checkpoint.c). */
#include "core/store/store_int.h"

static int point_cmp(struct row *a, struct row *b)
{
    return bytes_compare(a->key, b->key);
}

static int range_cmp(struct row *a, struct row *b)
{
    int cmp = bytes_compare(a->key, b->key);

    if (cmp)
        return cmp;
    return a->order < b->order ? -1 : a->order > b->order;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
RB_GENERATE_STATIC(row_tree, row, node, point_cmp)
#define range_tree row_tree
static struct row *range_nfind(struct row_tree *t, struct row *key)
{
    struct row *n = RB_ROOT(t), *best = NULL;

    while (n) {
        if (range_cmp(key, n) <= 0) {
            best = n;
            n = RB_LEFT(n, node);
        } else {
            n = RB_RIGHT(n, node);
        }
    }
    return best;
}
#pragma GCC diagnostic pop

int overlay_init(struct overlay *o)
{
    RB_INIT(&o->points);
    RB_INIT(&o->ranges);
    list_init(&o->fresh);
    o->order = 0;
    return htable_init(&o->index, 1024);
}

void overlay_fini(struct overlay *o)
{
    htable_fini(&o->index);
}

static struct row *point_find(const struct overlay *o, struct bytes key, uint64_t hash)
{
    for (struct hnode *n = htable_first(&o->index, hash); n; n = htable_next(n)) {
        struct row *r = CONTAINER_OF(n, struct row, hash);

        if (bytes_equal(r->key, key))
            return r;
    }
    return NULL;
}

static uint64_t key_hash(struct bytes key)
{
    return hash64(3, key.data, key.len);
}

static void points_sort(struct overlay *o)
{
    struct list *l;

    while ((l = list_pop_front(&o->fresh))) {
        struct row *r = CONTAINER_OF(l, struct row, fresh), *old;

        r->sorted = true;
        old = RB_INSERT(row_tree, &o->points, r);
        ASSERT(!old);
    }
}

static void range_insert(struct overlay *o, struct row *r)
{
    struct row *n = RB_ROOT(&o->ranges), *parent = NULL;
    int cmp = 0;

    while (n) {
        parent = n;
        cmp = range_cmp(r, n);
        n = cmp < 0 ? RB_LEFT(n, node) : RB_RIGHT(n, node);
    }
    RB_SET(r, parent, node);
    if (!parent)
        RB_ROOT(&o->ranges) = r;
    else if (cmp < 0)
        RB_LEFT(parent, node) = r;
    else
        RB_RIGHT(parent, node) = r;
    row_tree_RB_INSERT_COLOR(&o->ranges, r);
}

static bool before_end(struct bytes key, struct bytes to)
{
    return to.len == 0 || bytes_compare(key, to) < 0;
}

void overlay_remove(struct overlay *o, struct row *r)
{
    if (!r->linked)
        return;
    r->linked = false;
    if (r->sorted)
        RB_REMOVE(row_tree, r->kind == ROW_RANGE ? &o->ranges : &o->points, r);
    else
        list_remove(&r->fresh);
    if (r->kind != ROW_RANGE)
        htable_remove(&o->index, &r->hash);
}

static void replace(struct overlay *o, struct row *old, struct row *r)
{
    overlay_remove(o, old);
    old->next = r;
}

static void cover(struct overlay *o, struct row *range)
{
    struct row *p = overlay_from(o, range->key);

    while (p && before_end(p->key, range->value)) {
        struct row *after = overlay_next(p);

        replace(o, p, range);
        p = after;
    }
}

void overlay_insert(struct overlay *o, struct row *r)
{
    r->order = ++o->order;
    r->linked = true;
    r->next = NULL;
    r->sorted = r->kind == ROW_RANGE;
    if (r->sorted) {
        cover(o, r);
        range_insert(o, r);
    } else {
        uint64_t hash = key_hash(r->key);
        struct row *old = point_find(o, r->key, hash);

        if (old)
            replace(o, old, r);
        htable_insert(&o->index, &r->hash, hash);
        list_init(&r->fresh);
        list_push_back(&o->fresh, &r->fresh);
    }
}

struct row *overlay_from(struct overlay *o, struct bytes from)
{
    struct row key = {.key = from};

    points_sort(o);
    return RB_NFIND(row_tree, &o->points, &key);
}

struct row *overlay_next(struct row *r)
{
    return RB_NEXT(row_tree, NULL, r);
}

/* Ranges never leave the nine bytes (kind and id) that their first key begins with. */
bool overlay_hidden(const struct overlay *o, struct bytes key)
{
    struct row prefix = {.key = {key.data, MIN(key.len, 9u)}, .order = 0};

    if (RB_EMPTY(&o->ranges))
        return false;
    for (struct row *r = range_nfind((struct row_tree *)&o->ranges, &prefix);
         r && bytes_compare(r->key, key) <= 0; r = RB_NEXT(row_tree, NULL, r))
        if (before_end(key, r->value))
            return true;
    return false;
}

int overlay_get(const struct overlay *o, struct bytes key, struct bytes *out_value)
{
    struct row *r = point_find(o, key, key_hash(key));

    if (r) {
        if (r->kind == ROW_PUT)
            *out_value = r->value;
        return r->kind;
    }
    return overlay_hidden(o, key) ? ROW_DEL : 0;
}

/* Does any range hide keys between the two? */
static bool ranges_within(const struct overlay *o, struct bytes from, struct bytes to)
{
    struct row prefix = {.key = {from.data, MIN(from.len, 9u)}, .order = 0};

    if (RB_EMPTY(&o->ranges))
        return false;
    for (struct row *r = range_nfind((struct row_tree *)&o->ranges, &prefix);
         r && before_end(r->key, to); r = RB_NEXT(row_tree, NULL, r))
        if (before_end(from, r->value))
            return true;
    return false;
}

void merge_start(struct merge *m, struct store *s, const struct kvread *k)
{
    *m = (struct merge){.overlay = &s->overlay, .kv = k->first, .to = k->to};
    m->ranges = ranges_within(&s->overlay, k->from, k->to);
    m->point = overlay_from(&s->overlay, k->from);
    if (k->more)
        m->last = k->last->key;
}

static bool known(const struct merge *m, struct bytes key)
{
    return before_end(key, m->to) && (!m->last.data || bytes_compare(key, m->last) <= 0);
}

bool merge_next(struct merge *m, struct bytes *out_key, struct bytes *out_value)
{
    for (;;) {
        struct row *p = m->point && known(m, m->point->key) ? m->point : NULL;
        int cmp = !p ? (m->kv ? -1 : 0) : m->kv ? bytes_compare(m->kv->key, p->key) : 1;

        if (!p && !m->kv)
            return false;
        if (cmp < 0) { /* LevelDB's row alone */
            struct kvrow *row = m->kv;

            m->kv = row->next;
            m->from_kv = true;
            if (m->ranges && overlay_hidden(m->overlay, row->key))
                continue;
            *out_key = row->key;
            *out_value = row->value;
            return true;
        }
        if (cmp == 0)
            m->kv = m->kv->next;
        m->point = overlay_next(p);
        if (p->kind != ROW_PUT)
            continue;
        m->from_kv = false;
        *out_key = p->key;
        *out_value = p->value;
        return true;
    }
}
