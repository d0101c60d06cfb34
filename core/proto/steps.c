/* steps.c - building an operation, and whether it may be run.
 *
 * A front end adds steps one by one; the first failure stays in `rc` and makes the operation
 * invalid, so that callers check once.  The row of steps moves to a larger place in the arena as it
 * grows, in four strides.
 *
 * What a kind of step may hold stands in one table, which the codec (steps_codec.c) reads as well:
 * a field that is not in a kind's row is neither sent nor looked at. */
#include "core/proto/steps.h"

#include "core/proto/step_kind.h"
#include "core/store/txn.h"

enum { STEPS_FIRST = 2, STEPS_STRIDE = 4 };
/* The counted size of what has no length of its own, see STEPS_FRONT_BYTES_MAX. */
enum { STEP_COST = 64, PAIR_COST = 8, CRC_COST = 4 };

#define GUARD(...)                                                                                 \
    {                                                                                              \
        .class = STEP_GUARD, __VA_ARGS__                                                           \
    }
#define READ(...)                                                                                  \
    {                                                                                              \
        .class = STEP_IS_READ, __VA_ARGS__                                                         \
    }
#define WRITE(...)                                                                                 \
    {                                                                                              \
        .class = STEP_IS_WRITE, __VA_ARGS__                                                        \
    }
#define HAS(...)  .fields = __VA_ARGS__
#define XATTR     .key_min = 1, .key_max = XATTR_NAME_MAX, .value_max = XATTR_VALUE_MAX
#define OMAP      .key_min = 1, .key_max = OMAP_KEY_MAX, .value_max = OMAP_VALUE_MAX
#define OMAP_SPAN .key_max = OMAP_KEY_MAX, .value_max = OMAP_KEY_MAX
static const struct step_kind_row kinds[STEP_KIND_END] = {
    [STEP_ASSERT_EXISTS] = GUARD(HAS(0)),
    [STEP_ASSERT_ABSENT] = GUARD(HAS(0)),
    [STEP_ASSERT_VERSION] = GUARD(HAS(FIELD_VERSION)),
    [STEP_CMP_XATTR] = GUARD(HAS(FIELD_CMP | FIELD_KEY | FIELD_VALUE), XATTR),
    [STEP_CMP_OMAP] = GUARD(HAS(FIELD_CMP | FIELD_KEY | FIELD_VALUE), OMAP),
    [STEP_READ] = READ(HAS(FIELD_OFF | FIELD_LEN)),
    [STEP_EXTENTS] = READ(HAS(FIELD_OFF | FIELD_LEN)),
    [STEP_STAT] = READ(HAS(0)),
    [STEP_XATTR_GET] = READ(HAS(FIELD_KEY), XATTR),
    [STEP_XATTR_LIST] = READ(HAS(0)),
    [STEP_OMAP_GET] = READ(HAS(FIELD_KEYS), OMAP),
    [STEP_OMAP_RANGE] = READ(HAS(FIELD_ROWS | FIELD_KEY | FIELD_VALUE), OMAP_SPAN),
    [STEP_PG_LIST] = READ(HAS(FIELD_ROWS | FIELD_KEY), .key_max = OID_KEY_MAX),
    [STEP_CREATE] = WRITE(HAS(0)),
    [STEP_WRITE] = WRITE(HAS(FIELD_OFF | FIELD_DATA)),
    [STEP_WRITE_FULL] = WRITE(HAS(FIELD_DATA)),
    [STEP_APPEND] = WRITE(HAS(FIELD_DATA)),
    [STEP_TRUNCATE] = WRITE(HAS(FIELD_OFF)),
    [STEP_ZERO] = WRITE(HAS(FIELD_OFF | FIELD_LEN)),
    [STEP_DELETE] = WRITE(HAS(0)),
    [STEP_XATTR_SET] = WRITE(HAS(FIELD_KEY | FIELD_VALUE), XATTR),
    [STEP_XATTR_RM] = WRITE(HAS(FIELD_KEY), XATTR),
    [STEP_OMAP_SET] = WRITE(HAS(FIELD_PAIRS), OMAP),
    [STEP_OMAP_RM] = WRITE(HAS(FIELD_KEYS), OMAP),
    [STEP_OMAP_RM_RANGE] = WRITE(HAS(FIELD_KEY | FIELD_VALUE), OMAP_SPAN),
    [STEP_OMAP_CLEAR] = WRITE(HAS(0)),
    [STEP_CLONE_RANGE] = WRITE(HAS(FIELD_OFF | FIELD_LEN | FIELD_OFF2 | FIELD_KEY), .key_min = 1,
                               .key_max = OID_NAME_MAX),
    [STEP_XATTR_ADD] = WRITE(HAS(FIELD_KEY | FIELD_VALUE), .key_min = 1, .key_max = XATTR_NAME_MAX,
                             .value_max = 8 * STEP_COUNTERS_MAX),
};

const struct step_kind_row *step_kind_row(uint8_t kind)
{
    return &kinds[kind < STEP_KIND_END ? kind : 0];
}

/* ---- building ---- */

void steps_init(struct steps *s)
{
    arena_init(&s->arena);
    s->step = NULL;
    s->count = s->cap = 0;
    s->rc = 0;
}

void steps_fini(struct steps *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        buf_fini(&s->step[i].data);
    arena_fini(&s->arena);
    steps_init(s);
}

/* Keep the first failure. */
static int fail(struct steps *s, int rc)
{
    if (s->rc == 0)
        s->rc = rc;
    return rc;
}

static int grow(struct steps *s)
{
    uint32_t cap = s->cap ? MIN(s->cap * STEPS_STRIDE, (uint32_t)STEPS_MAX) : STEPS_FIRST;
    struct step *step = arena_alloc(&s->arena, cap * sizeof(*step));

    if (!step)
        return -ENOMEM;
    if (s->count)
        memcpy(step, s->step, s->count * sizeof(*step)); /* the old row dies with the arena */
    s->step = step;
    s->cap = cap;
    return 0;
}

struct step *steps_add(struct steps *s, uint8_t kind)
{
    struct step *st;
    int rc = 0;

    if (s->count == STEPS_MAX)
        rc = -E2BIG;
    else if (s->count == s->cap)
        rc = grow(s);
    if (rc < 0) {
        (void)fail(s, rc); /* NULL says it here */
        return NULL;
    }
    st = &s->step[s->count++];
    *st = (struct step){.kind = kind};
    return st;
}

struct bytes steps_dup(struct steps *s, struct bytes b)
{
    uint8_t *copy = arena_dup(&s->arena, b.data, b.len);

    if (!copy) {
        (void)fail(s, -ENOMEM); /* seen by steps_valid */
        return (struct bytes){0};
    }
    return (struct bytes){copy, b.len};
}

int step_pairs_set(struct steps *s, struct step *st, const struct step_pair *pairs, uint32_t count)
{
    struct step_pair *copy;

    if (count > STEP_PAIRS_MAX)
        return fail(s, -E2BIG);
    copy = arena_alloc(&s->arena, count * sizeof(*copy));
    if (!copy)
        return fail(s, -ENOMEM);
    for (uint32_t i = 0; i < count; i++) {
        copy[i].key = steps_dup(s, pairs[i].key);
        copy[i].value = steps_dup(s, pairs[i].value);
    }
    if (s->rc < 0)
        return s->rc;
    st->pairs_in = copy;
    st->pair_in_count = count;
    return 0;
}

int step_data_set(struct steps *s, struct step *st, const struct buf *data)
{
    uint64_t off = step_crc_off(st);
    struct buf ref;
    uint8_t *crcs;

    if (data->bytes > OBJECT_BYTES_MAX || off > OBJECT_BYTES_MAX - data->bytes)
        return fail(s, -EFBIG);
    crcs = arena_alloc(&s->arena, CRC_COST * crc_count(off, data->bytes));
    if (!crcs || buf_slice(data, 0, data->bytes, &ref) < 0)
        return fail(s, -ENOMEM);
    crcs_make(off, data, crcs);
    buf_fini(&st->data);
    st->data = ref;
    st->crcs = crcs;
    return 0;
}

/* ---- checking ---- */

bool steps_write(const struct steps *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (step_kind_row(s->step[i].kind)->class == STEP_IS_WRITE)
            return true;
    return false;
}

static int key_valid(const struct step_kind_row *row, struct bytes key)
{
    if (key.len < row->key_min)
        return -EINVAL;
    return key.len > row->key_max ? -ENAMETOOLONG : 0;
}

static int pairs_valid(const struct step_kind_row *row, const struct step *st)
{
    if (st->pair_in_count > STEP_PAIRS_MAX)
        return -E2BIG;
    for (uint32_t i = 0; i < st->pair_in_count; i++) {
        int rc = key_valid(row, st->pairs_in[i].key);

        if (rc < 0)
            return rc;
        if ((row->fields & FIELD_PAIRS) && st->pairs_in[i].value.len > row->value_max)
            return -E2BIG;
    }
    return 0;
}

/* Offsets and lengths: a span that wraps has no meaning, one past the largest object is too big for
 * a step that would extend. */
static int span_valid(const struct step *st)
{
    uint64_t end, end2;

    if (__builtin_add_overflow(st->off, st->len, &end) ||
        __builtin_add_overflow(st->off2, st->len, &end2))
        return -EINVAL;
    switch (st->kind) {
    case STEP_WRITE:
    case STEP_WRITE_FULL:
    case STEP_APPEND:
        end = step_crc_off(st);
        return st->data.bytes > OBJECT_BYTES_MAX || end > OBJECT_BYTES_MAX - st->data.bytes ? -EFBIG
                                                                                            : 0;
    case STEP_CLONE_RANGE:
        return MAX(end, end2) > OBJECT_BYTES_MAX ? -EFBIG : 0;
    case STEP_TRUNCATE:
        return st->off > OBJECT_BYTES_MAX ? -EFBIG : 0;
    default:
        return 0;
    }
}

static int flags_valid(const struct step_kind_row *row, const struct step *st)
{
    unsigned known = row->class == STEP_IS_READ ? STEP_MAY_FAIL : 0;

    if (st->kind == STEP_CREATE)
        known |= STEP_EXCLUSIVE;
    if (st->kind == STEP_XATTR_SET || st->kind == STEP_XATTR_ADD || st->kind == STEP_OMAP_SET)
        known |= STEP_FREES;
    return st->flags & ~known ? -EINVAL : 0;
}

/* Numbers are added to what the xattr was before the operation: no step may have changed it. */
static int add_valid(const struct steps *s, uint32_t i)
{
    const struct step *add = &s->step[i];

    if (add->value.len == 0 || add->value.len % 8)
        return -EINVAL;
    for (uint32_t k = 0; k < i; k++) {
        const struct step *st = &s->step[k];
        bool xattr =
            st->kind == STEP_XATTR_SET || st->kind == STEP_XATTR_RM || st->kind == STEP_XATTR_ADD;

        if (st->kind == STEP_DELETE || (xattr && bytes_equal(st->key, add->key)))
            return -EINVAL;
    }
    return 0;
}

static int step_valid(const struct step_kind_row *row, const struct step *st)
{
    int rc = flags_valid(row, st);

    if (rc == 0 && (row->fields & FIELD_CMP) && st->cmp > CMP_PRESENT)
        rc = -EINVAL;
    if (rc == 0 && (row->fields & FIELD_ROWS) &&
        (st->rows_max == 0 || st->rows_max > STEP_PAIRS_MAX))
        rc = -EINVAL;
    if (rc == 0 && (row->fields & FIELD_KEY))
        rc = key_valid(row, st->key);
    if (rc == 0 && (row->fields & FIELD_VALUE) && st->value.len > row->value_max)
        rc = -E2BIG;
    if (rc == 0 && (row->fields & (FIELD_PAIRS | FIELD_KEYS)))
        rc = pairs_valid(row, st);
    if (rc == 0)
        rc = span_valid(st);
    if (rc == 0 && st->data.bytes && (!(row->fields & FIELD_DATA) || !st->crcs))
        rc = -EINVAL;
    return rc;
}

static uint64_t pairs_cost(const struct step_pair *pairs, uint32_t count)
{
    uint64_t bytes = 0;

    for (uint32_t i = 0; i < count; i++)
        bytes += (uint64_t)PAIR_COST + pairs[i].key.len + pairs[i].value.len;
    return bytes;
}

/* Keys, values and checksums with what each step costs; the payload. */
static uint64_t sizes(const struct steps *s, uint64_t *out_data)
{
    uint64_t front = 0, data = 0;

    for (uint32_t i = 0; i < s->count; i++) {
        const struct step *st = &s->step[i];

        front += (uint64_t)STEP_COST + st->key.len + st->value.len +
                 pairs_cost(st->pairs_in, st->pair_in_count) +
                 CRC_COST * (uint64_t)crc_count(step_crc_off(st), st->data.bytes);
        data += st->data.bytes;
    }
    *out_data = data;
    return front;
}

static int sizes_valid(const struct steps *s)
{
    uint64_t data, front = sizes(s, &data);

    return front > STEPS_FRONT_BYTES_MAX || data > OBJECT_BYTES_MAX ? -E2BIG : 0;
}

uint64_t steps_bytes(const struct steps *s)
{
    uint64_t data, front = sizes(s, &data);

    return front + data;
}

int steps_valid(const struct steps *s)
{
    bool read = false, wrote = false;

    if (s->rc < 0)
        return s->rc;
    if (s->count == 0 || s->count > STEPS_MAX)
        return -EINVAL;
    for (uint32_t i = 0; i < s->count; i++) {
        const struct step *st = &s->step[i];
        const struct step_kind_row *row = step_kind_row(st->kind);
        int rc;

        if (row->class == STEP_NO_CLASS)
            return -R_UNSUPPORTED;
        if ((wrote && row->class != STEP_IS_WRITE) || (st->kind == STEP_PG_LIST && s->count > 1))
            return -EINVAL;
        read |= row->class == STEP_IS_READ;
        wrote = row->class == STEP_IS_WRITE;
        if (read && wrote)
            return -R_MIXED_STEPS;
        rc = step_valid(row, st);
        if (rc == 0 && st->kind == STEP_XATTR_ADD)
            rc = add_valid(s, i);
        if (rc < 0)
            return rc;
    }
    return sizes_valid(s);
}

/* ---- results ---- */

void step_results_init(struct step_results *r)
{
    arena_init(&r->arena);
    r->result = NULL;
    r->count = 0;
}

void step_results_fini(struct step_results *r)
{
    for (uint32_t i = 0; i < r->count; i++)
        buf_fini(&r->result[i].data);
    arena_fini(&r->arena);
    step_results_init(r);
}

int step_results_reserve(struct step_results *r, uint32_t count)
{
    struct step_result *result;

    step_results_fini(r);
    result = arena_zalloc(&r->arena, count * sizeof(*result));
    if (!result)
        return -ENOMEM;
    r->result = result;
    r->count = count;
    return 0;
}

int step_results_fit(const struct step_results *r)
{
    uint64_t front = 0, data = 0;

    for (uint32_t i = 0; i < r->count; i++) {
        const struct step_result *res = &r->result[i];

        if (res->pair_count > STEP_PAIRS_MAX)
            return -E2BIG;
        front += STEP_COST + pairs_cost(res->pairs, res->pair_count) +
                 CRC_COST * (uint64_t)res->crc_count;
        data += res->data.bytes;
    }
    return front > STEPS_FRONT_BYTES_MAX || data > OBJECT_BYTES_MAX ? -E2BIG : 0;
}

bool step_cmp_holds(uint8_t cmp, bool present, struct bytes have, struct bytes want)
{
    int order;

    if (cmp == CMP_PRESENT || cmp == CMP_ABSENT)
        return present == (cmp == CMP_PRESENT);
    if (!present)
        return cmp == CMP_NE;
    order = bytes_compare(have, want);
    switch (cmp) {
    case CMP_EQ:
        return order == 0;
    case CMP_NE:
        return order != 0;
    case CMP_LT:
        return order < 0;
    case CMP_LE:
        return order <= 0;
    case CMP_GT:
        return order > 0;
    case CMP_GE:
        return order >= 0;
    default:
        return false;
    }
}
