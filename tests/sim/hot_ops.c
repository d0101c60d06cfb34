/* hot_ops.c - drawing operations, handing them to libcairn, keeping what came back. */
#include "tests/sim/hot.h"

/* --- drawing ---------------------------------------------------------------------------------- */

static struct hstep *step(struct hop *op, uint8_t kind)
{
    struct hstep *st = &op->step[op->step_count++];

    ASSERT(op->step_count <= HOP_STEPS_MAX);
    *st = (struct hstep){.kind = kind};
    return st;
}

/* Mostly small, sometimes a few blocks, rarely large enough to go to an extent at once. */
static uint64_t draw_bytes(struct rng *r)
{
    uint64_t pick = rng_below(r, 20), len;

    if (pick < 12)
        len = 8 + rng_below(r, 600);
    else if (pick < 16)
        len = 4096 * rng_between(r, 1, 4);
    else if (pick < 19)
        len = 1 + rng_below(r, 20000);
    else
        len = 60000 + rng_below(r, 20000);
    return rng_chance(r, 3, 4) ? ROUND_UP(len, 8) : len;
}

static uint64_t draw_offset(struct rng *r, const struct hot_object *o, uint64_t len)
{
    uint64_t pick = rng_below(r, 4), limit = HOT_BYTES_DRAWN / 2 - len, off;

    if (pick == 0)
        off = 0;
    else if (pick == 1)
        off = rng_below(r, 16) * 4096;
    else
        off = rng_below(r, MIN(o->size + 4096, (uint64_t)HOT_BYTES_DRAWN / 2));
    off = MIN(off, limit);
    return rng_chance(r, 3, 4) ? ROUND_DOWN(off, 8) : off;
}

static void draw_guard(struct hop *op, const struct hot_object *o, struct rng *r)
{
    static const uint8_t cmps[] = {CMP_EQ, CMP_EQ, CMP_EQ,     CMP_NE,
                                   CMP_LT, CMP_GE, CMP_ABSENT, CMP_PRESENT};
    uint64_t pick = rng_below(r, 10);
    struct hstep *st;

    if (pick < 2) {
        step(op, rng_chance(r, 4, 5) ? STEP_ASSERT_EXISTS : STEP_ASSERT_ABSENT);
        return;
    }
    if (pick < 5) {
        step(op, STEP_ASSERT_VERSION)->version = o->version;
        return;
    }
    st = step(op, pick < 8 ? STEP_CMP_OMAP : STEP_CMP_XATTR);
    st->key = (uint32_t)rng_below(r, st->kind == STEP_CMP_OMAP ? 4 : HOT_XATTRS);
    st->tag = st->kind == STEP_CMP_OMAP ? o->omap[st->key] : o->xattr[st->key];
    st->cmp = cmps[rng_below(r, ARRAY_LEN(cmps))];
    if (st->tag == TAG_NONE)
        st->cmp = rng_chance(r, 3, 4) ? CMP_ABSENT : CMP_PRESENT;
}

static void draw_range(struct hstep *st, struct rng *r)
{
    st->key = (uint32_t)rng_below(r, HOT_KEYS);
    st->key_to = st->key + 1 + (uint32_t)rng_below(r, HOT_KEYS);
    if (rng_chance(r, 1, 3)) {
        st->key = 0;
        st->key_to = HOT_KEYS;
    }
}

static void draw_read(struct hop *op, const struct hot_object *o, struct rng *r)
{
    static const uint8_t kinds[] = {STEP_READ,     STEP_READ,       STEP_READ,      STEP_STAT,
                                    STEP_STAT,     STEP_EXTENTS,    STEP_XATTR_GET, STEP_XATTR_LIST,
                                    STEP_OMAP_GET, STEP_OMAP_RANGE, STEP_OMAP_RANGE};
    struct hstep *st = step(op, kinds[rng_below(r, ARRAY_LEN(kinds))]);

    switch (st->kind) {
    case STEP_READ:
        if (rng_chance(r, 1, 2))
            break; /* all of it */
        /* fall through */
    case STEP_EXTENTS:
        st->off = rng_below(r, o->size + 5000);
        st->len = 1 + rng_below(r, 40000);
        break;
    case STEP_XATTR_GET:
        st->key = (uint32_t)rng_below(r, HOT_XATTRS);
        break;
    case STEP_OMAP_GET:
        st->pair_count = 1 + (uint32_t)rng_below(r, HOP_PAIRS_MAX);
        for (uint32_t i = 0; i < st->pair_count; i++)
            st->pair[i].key = ((uint32_t)rng_below(r, 4) + 4 * i) % HOT_KEYS; /* each once */
        break;
    case STEP_OMAP_RANGE:
        draw_range(st, r);
        st->rows_max = 1 + (uint32_t)rng_below(r, HOT_KEYS + 4);
        break;
    default:
        break;
    }
}

static uint64_t written_end(const struct hop *op, const struct hot_object *o)
{
    uint64_t end = o->size;

    for (uint32_t i = 0; i < op->step_count; i++)
        end = MAX(end, op->step[i].off + op->step[i].len);
    return end;
}

static void draw_data(struct hop *op, const struct hot_object *o, struct rng *r, uint32_t *tag)
{
    uint64_t pick = rng_below(r, 10), len = draw_bytes(r);
    struct hstep *st;

    /* Many may append at the same time: leave the room for it, or begin anew. */
    if (pick < 4 && written_end(op, o) < HOT_BYTES_DRAWN / 4)
        st = step(op, STEP_APPEND);
    else if (pick < 8)
        st = step(op, STEP_WRITE);
    else
        st = step(op, STEP_WRITE_FULL);
    if (st->kind == STEP_APPEND)
        len = MIN(len, (uint64_t)8000);
    if (st->kind == STEP_WRITE)
        st->off = draw_offset(r, o, len);
    st->len = len;
    st->tag = ++*tag;
}

static void draw_small(struct hop *op, const struct hot_object *o, struct rng *r, uint32_t *tag)
{
    static const uint8_t kinds[] = {
        STEP_TRUNCATE,  STEP_ZERO,     STEP_DELETE,        STEP_CREATE,    STEP_XATTR_SET,
        STEP_XATTR_SET, STEP_XATTR_RM, STEP_OMAP_SET,      STEP_OMAP_SET,  STEP_OMAP_SET,
        STEP_OMAP_SET,  STEP_OMAP_RM,  STEP_OMAP_RM_RANGE, STEP_OMAP_CLEAR};
    struct hstep *st = step(op, kinds[rng_below(r, ARRAY_LEN(kinds))]);

    switch (st->kind) {
    case STEP_TRUNCATE:
        st->off = rng_below(r, MIN(o->size * 2 + 100, (uint64_t)HOT_BYTES_DRAWN / 4));
        break;
    case STEP_ZERO:
        st->off = rng_below(r, o->size + 1000);
        st->len = 1 + rng_below(r, 20000);
        break;
    case STEP_CREATE:
        st->exclusive = rng_chance(r, 3, 4);
        break;
    case STEP_XATTR_SET:
        st->tag = ++*tag;
        /* fall through */
    case STEP_XATTR_RM:
        st->key = (uint32_t)rng_below(r, HOT_XATTRS);
        break;
    case STEP_OMAP_SET:
    case STEP_OMAP_RM:
        st->pair_count = 1 + (uint32_t)rng_below(r, HOP_PAIRS_MAX);
        for (uint32_t i = 0; i < st->pair_count; i++) {
            st->pair[i].key = ((uint32_t)rng_below(r, 4) + 4 * i) % HOT_KEYS;
            st->pair[i].tag = st->kind == STEP_OMAP_SET ? ++*tag : TAG_NONE;
        }
        break;
    case STEP_OMAP_RM_RANGE:
        draw_range(st, r);
        break;
    default:
        break;
    }
}

void hot_draw(struct hop *op, const struct hot_object *o, struct rng *r, uint32_t *tag)
{
    bool writes = rng_chance(r, 3, 5);
    uint32_t more = rng_chance(r, 1, 3) ? 1 + (uint32_t)rng_below(r, 2) : 0;

    if (rng_chance(r, 1, writes ? 3 : 12))
        draw_guard(op, o, r);
    for (uint32_t i = 0; i <= more; i++) {
        if (!writes)
            draw_read(op, o, r);
        else if (rng_chance(r, 1, 2))
            draw_data(op, o, r, tag);
        else
            draw_small(op, o, r, tag);
    }
}

void hot_draw_final(struct hop *op)
{
    struct hstep *st;

    step(op, STEP_STAT);
    step(op, STEP_READ);
    step(op, STEP_XATTR_LIST);
    st = step(op, STEP_OMAP_RANGE);
    st->key_to = HOT_KEYS;
    st->rows_max = HOT_KEYS + 4;
}

/* --- for libcairn ----------------------------------------------------------------------------- */

static int build_pairs(const struct hstep *st, struct cairn_op *to)
{
    struct cairn_pair pairs[HOP_PAIRS_MAX] = {0};
    char keys[HOP_PAIRS_MAX][16];
    uint8_t values[HOP_PAIRS_MAX][VALUE_BYTES_MAX];

    for (uint32_t i = 0; i < st->pair_count; i++) {
        pairs[i].key = keys[i];
        pairs[i].key_bytes = key_name(st->pair[i].key, keys[i]);
        if (st->kind != STEP_OMAP_SET)
            continue;
        pairs[i].value = values[i];
        pairs[i].value_bytes = tag_value(st->pair[i].tag, values[i]);
    }
    if (st->kind == STEP_OMAP_SET)
        return cairn_op_omap_set(to, pairs, st->pair_count);
    if (st->kind == STEP_OMAP_RM)
        return cairn_op_omap_rm(to, pairs, st->pair_count);
    return cairn_op_omap_get(to, pairs, st->pair_count);
}

static int build_data(const struct hstep *st, struct cairn_op *to)
{
    AUTO_FREE uint8_t *data = mem_alloc(st->len);

    if (!data)
        return -ENOMEM;
    tag_fill(st->tag, 0, data, st->len);
    if (st->kind == STEP_WRITE)
        return cairn_op_write(to, st->off, data, st->len);
    if (st->kind == STEP_WRITE_FULL)
        return cairn_op_write_full(to, data, st->len);
    return cairn_op_append(to, data, st->len);
}

static int build_keyed(const struct hstep *st, struct cairn_op *to)
{
    uint8_t value[VALUE_BYTES_MAX];
    size_t value_bytes = st->tag == TAG_NONE ? 0 : tag_value(st->tag, value);
    char key[16], key_to[16];
    size_t key_bytes = key_name(st->key, key), to_bytes = key_name(st->key_to, key_to);

    switch (st->kind) {
    case STEP_CMP_XATTR:
        return cairn_op_cmp_xattr(to, xattr_name(st->key), (enum cairn_cmp)st->cmp, value,
                                  value_bytes);
    case STEP_CMP_OMAP:
        return cairn_op_cmp_omap(to, key, key_bytes, (enum cairn_cmp)st->cmp, value, value_bytes);
    case STEP_OMAP_RANGE:
        return cairn_op_omap_range(to, key, key_bytes, key_to, to_bytes, st->rows_max);
    case STEP_OMAP_RM_RANGE:
        return cairn_op_omap_rm_range(to, key, key_bytes, key_to, to_bytes);
    case STEP_XATTR_GET:
        return cairn_op_xattr_get(to, xattr_name(st->key));
    case STEP_XATTR_SET:
        return cairn_op_xattr_set(to, xattr_name(st->key), value, value_bytes);
    default:
        return cairn_op_xattr_rm(to, xattr_name(st->key));
    }
}

static int build_step(const struct hstep *st, struct cairn_op *to)
{
    switch (st->kind) {
    case STEP_ASSERT_EXISTS:
        return cairn_op_assert_exists(to);
    case STEP_ASSERT_ABSENT:
        return cairn_op_assert_absent(to);
    case STEP_ASSERT_VERSION:
        return cairn_op_assert_version(to, st->version.epoch.v, st->version.seq);
    case STEP_READ:
        return cairn_op_read(to, st->off, st->len);
    case STEP_EXTENTS:
        return cairn_op_extents(to, st->off, st->len);
    case STEP_STAT:
        return cairn_op_stat(to);
    case STEP_XATTR_LIST:
        return cairn_op_xattr_list(to);
    case STEP_OMAP_GET:
    case STEP_OMAP_SET:
    case STEP_OMAP_RM:
        return build_pairs(st, to);
    case STEP_CREATE:
        return cairn_op_create_object(to, st->exclusive);
    case STEP_WRITE:
    case STEP_WRITE_FULL:
    case STEP_APPEND:
        return build_data(st, to);
    case STEP_TRUNCATE:
        return cairn_op_truncate(to, st->off);
    case STEP_ZERO:
        return cairn_op_zero(to, st->off, st->len);
    case STEP_DELETE:
        return cairn_op_delete(to);
    case STEP_OMAP_CLEAR:
        return cairn_op_omap_clear(to);
    default:
        return build_keyed(st, to);
    }
}

int hot_build(const struct hop *op, struct cairn_op *to)
{
    int rc = 0;

    for (uint32_t i = 0; i < op->step_count && rc >= 0; i++)
        rc = build_step(&op->step[i], to);
    return rc < 0 ? rc : 0;
}

/* --- what came back --------------------------------------------------------------------------- */

static void take_data(struct hstep *st, const struct cairn_op *from, int i)
{
    st->data_bytes = cairn_op_data_bytes(from, i);
    st->data = mem_alloc(st->data_bytes);
    ASSERT(st->data);
    (void)cairn_op_data(from, i, 0, st->data, st->data_bytes);
}

static void take_pairs(struct hstep *st, const struct cairn_op *from, int i)
{
    st->result_count = (uint32_t)cairn_op_pair_count(from, i, &st->more);
    st->pairs = mem_calloc(st->result_count, sizeof(*st->pairs));
    ASSERT(st->pairs);
    for (uint32_t p = 0; p < st->result_count; p++) {
        struct cairn_pair pair = cairn_op_pair(from, i, p);

        st->pairs[p].key = st->kind == STEP_XATTR_LIST ? xattr_number(pair.key, pair.key_bytes)
                                                       : key_number(pair.key, pair.key_bytes);
        st->pairs[p].tag = tag_of_value(pair.value, pair.value_bytes);
    }
}

static void take_stat(struct hstep *st, const struct cairn_op *from, int i)
{
    struct cairn_stat stat = {0};

    (void)cairn_op_stat_result(from, i, &stat);
    st->size = stat.bytes;
    st->seen = (struct version){{stat.version_epoch}, stat.version_seq};
}

/* What is known of the object, as far as it goes: only to draw likely guards. */
static void know(struct hot_object *o, const struct hstep *st)
{
    if (st->kind == STEP_STAT) {
        o->version = st->seen;
        o->size = st->size;
    }
    if (st->kind == STEP_READ && st->off == 0 && st->len == 0)
        o->size = st->data_bytes;
    for (uint32_t p = 0; p < st->result_count; p++) {
        uint32_t key = st->pairs[p].key;

        if (st->kind == STEP_XATTR_LIST && key < HOT_XATTRS)
            o->xattr[key] = st->pairs[p].tag;
        else if (st->kind != STEP_XATTR_LIST && key < HOT_KEYS)
            o->omap[key] = st->pairs[p].tag;
    }
}

void hot_take(struct hop *op, const struct cairn_op *from, struct hot_object *o)
{
    struct mem_scope *inside = mem_scope_enter(NULL);

    op->rc = cairn_op_rc(from);
    op->failed_step = cairn_op_failed_step(from);
    for (uint32_t i = 0; i < op->step_count; i++) {
        struct hstep *st = &op->step[i];

        st->rc = cairn_op_step_rc(from, (int)i);
        if (op->rc < 0 && (int)i > op->failed_step)
            break;
        take_data(st, from, (int)i);
        take_pairs(st, from, (int)i);
        if (st->kind == STEP_STAT && st->rc == 0)
            take_stat(st, from, (int)i);
        if (op->rc == 0)
            know(o, st);
    }
    (void)mem_scope_enter(inside);
}
