/* test_steps.c - what an operation may be, and that it arrives as it was sent. */
#include "core/proto/steps.h"

#include "core/base/crc.h"
#include "core/store/txn.h"
#include "tests/unit/proto/samples.h"
#include "tests/unit/t.h"

static bool is_guard(unsigned kind)
{
    return kind <= STEP_CMP_OMAP;
}

static bool is_write(unsigned kind)
{
    return kind >= STEP_CREATE;
}

static bool has_data(unsigned kind)
{
    return kind == STEP_WRITE || kind == STEP_WRITE_FULL || kind == STEP_APPEND;
}

static struct bytes key_of(struct steps *s, uint32_t bytes)
{
    static const uint8_t letters[OMAP_VALUE_MAX + 1] = {'k'};

    return steps_dup(s, (struct bytes){letters, bytes});
}

/* Add a valid step of a kind, with something in each of its fields. */
static struct step *add(struct steps *s, unsigned kind)
{
    const struct step_pair pairs[] = {{BYTES_STR("x"), BYTES_STR("1")}, {BYTES_STR("y"), {0}}};
    const struct step_pair keys[] = {{BYTES_STR("x"), {0}}, {BYTES_STR("y"), {0}}};
    struct step *st = steps_add(s, (uint8_t)kind);

    T_TRUE(st != NULL);
    switch (kind) {
    case STEP_ASSERT_VERSION:
        st->version = (struct version){{3}, 4};
        break;
    case STEP_CMP_XATTR:
    case STEP_CMP_OMAP:
        st->cmp = CMP_GE;
        /* fallthrough */
    case STEP_XATTR_SET:
    case STEP_OMAP_RM_RANGE:
    case STEP_OMAP_RANGE:
        st->value = steps_dup(s, BYTES_STR("value"));
        /* fallthrough */
    case STEP_XATTR_GET:
    case STEP_XATTR_RM:
    case STEP_XATTR_ADD:
    case STEP_PG_LIST:
        if (kind == STEP_XATTR_ADD)
            st->value = steps_dup(s, BYTES_STR("8 bytes!and 8 .."));
        st->key = steps_dup(s, BYTES_STR("key"));
        st->rows_max = kind == STEP_OMAP_RANGE || kind == STEP_PG_LIST ? 17 : 0;
        break;
    case STEP_OMAP_SET:
        T_OK(step_pairs_set(s, st, pairs, ARRAY_LEN(pairs)));
        break;
    case STEP_OMAP_GET:
    case STEP_OMAP_RM:
        T_OK(step_pairs_set(s, st, keys, ARRAY_LEN(keys)));
        break;
    case STEP_CLONE_RANGE:
        st->key = steps_dup(s, BYTES_STR("source"));
        st->off2 = 8192;
        /* fallthrough */
    case STEP_READ:
    case STEP_EXTENTS:
    case STEP_ZERO:
        st->len = 100;
        /* fallthrough */
    case STEP_TRUNCATE:
        st->off = 4097;
        break;
    default:
        break;
    }
    if (has_data(kind)) {
        AUTO(buf) data = sample_buf("0123456789", 1000);

        st->off = kind == STEP_WRITE ? 4000 : 0;
        T_OK(step_data_set(s, st, &data));
    }
    return st;
}

static int recode(const struct steps *s, struct steps *out)
{
    AUTO(writer) front = {0};
    AUTO(buf) data = {0};
    struct cursor c;
    int rc;

    steps_encode(s, &front, &data);
    T_OK(front.rc);
    c = cur_over(front.data, front.len);
    rc = steps_decode(&c, &data, out);
    T_EQ(cur_left(&c), 0);
    T_EQ(data.bytes, 0);
    return rc;
}

T(steps, of_every_kind_are_valid_and_arrive_as_sent)
{
    for (unsigned kind = 1; kind < STEP_KIND_END; kind++) {
        AUTO(steps) s;
        AUTO(steps) back;

        steps_init(&s);
        steps_init(&back);
        add(&s, kind);
        T_EQ(steps_valid(&s), 0);
        T_EQ(steps_write(&s), is_write(kind));
        T_OK(recode(&s, &back));
        steps_same(&s, &back);
        T_EQ(steps_valid(&back), 0);
    }
}

T(steps, many_in_one_operation_arrive_as_sent)
{
    AUTO(steps) s;
    AUTO(steps) back;

    steps_init(&s);
    steps_init(&back);
    for (unsigned i = 0; i < STEPS_MAX; i++)
        add(&s, i < 20 ? STEP_CMP_OMAP : STEP_WRITE);
    T_EQ(steps_valid(&s), 0);
    T_OK(recode(&s, &back));
    steps_same(&s, &back);
    T_TRUE(steps_add(&s, STEP_STAT) == NULL);
    T_EQ(steps_valid(&s), -E2BIG);
}

static int want_of_two(unsigned first, unsigned second)
{
    if (first == STEP_PG_LIST || second == STEP_PG_LIST || (is_write(first) && !is_write(second)))
        return -EINVAL;
    if (second == STEP_XATTR_ADD && (first == STEP_XATTR_ADD || first == STEP_XATTR_SET ||
                                     first == STEP_XATTR_RM || first == STEP_DELETE))
        return -EINVAL; /* of the same xattr, here */
    return is_write(second) && !is_write(first) && !is_guard(first) ? -R_MIXED_STEPS : 0;
}

T(steps, guards_precede_writes_and_reads_stand_without_them)
{
    for (unsigned first = 1; first < STEP_KIND_END; first++) {
        for (unsigned second = 1; second < STEP_KIND_END; second++) {
            AUTO(steps) s;

            steps_init(&s);
            add(&s, first);
            add(&s, second);
            T_EQ(steps_valid(&s), want_of_two(first, second));
        }
    }
}

T(steps, none_or_of_unknown_kind_are_refused)
{
    AUTO(steps) s = {0};

    T_EQ(steps_valid(&s), -EINVAL);
    T_FALSE(steps_write(&s));
    add(&s, STEP_STAT);
    T_TRUE(steps_add(&s, STEP_KIND_END) != NULL);
    T_EQ(steps_valid(&s), -R_UNSUPPORTED);
    s.step[1].kind = 0;
    T_EQ(steps_valid(&s), -R_UNSUPPORTED);
}

T(steps, flags_fit_their_kind)
{
    for (unsigned kind = 1; kind < STEP_KIND_END; kind++) {
        AUTO(steps) s = {0};
        struct step *st = add(&s, kind);

        st->flags = STEP_MAY_FAIL;
        T_EQ(steps_valid(&s), is_guard(kind) || is_write(kind) ? -EINVAL : 0);
        st->flags = STEP_EXCLUSIVE;
        T_EQ(steps_valid(&s), kind == STEP_CREATE ? 0 : -EINVAL);
        st->flags = STEP_FREES;
        T_EQ(steps_valid(&s),
             kind == STEP_XATTR_SET || kind == STEP_XATTR_ADD || kind == STEP_OMAP_SET ? 0
                                                                                       : -EINVAL);
        st->flags = 8;
        T_EQ(steps_valid(&s), -EINVAL);
    }
}

T(steps, keys_and_values_have_bounds)
{
    static const struct {
        unsigned kind;
        uint32_t key, value;
        int want;
    } rows[] = {
        {STEP_XATTR_GET, 0, 0, -EINVAL},
        {STEP_XATTR_GET, XATTR_NAME_MAX, 0, 0},
        {STEP_XATTR_GET, XATTR_NAME_MAX + 1, 0, -ENAMETOOLONG},
        {STEP_XATTR_SET, 1, 0, 0},
        {STEP_XATTR_SET, 1, XATTR_VALUE_MAX, 0},
        {STEP_XATTR_SET, 1, XATTR_VALUE_MAX + 1, -E2BIG},
        {STEP_XATTR_RM, 0, 0, -EINVAL},
        {STEP_XATTR_ADD, 0, 8, -EINVAL},
        {STEP_XATTR_ADD, XATTR_NAME_MAX + 1, 8, -ENAMETOOLONG},
        {STEP_XATTR_ADD, 1, 0, -EINVAL},
        {STEP_XATTR_ADD, 1, 12, -EINVAL},
        {STEP_XATTR_ADD, 1, 8 * STEP_COUNTERS_MAX, 0},
        {STEP_XATTR_ADD, 1, 8 * STEP_COUNTERS_MAX + 8, -E2BIG},
        {STEP_CMP_XATTR, 1, XATTR_VALUE_MAX + 1, -E2BIG},
        {STEP_CMP_OMAP, 0, 0, -EINVAL},
        {STEP_CMP_OMAP, OMAP_KEY_MAX, OMAP_VALUE_MAX, 0},
        {STEP_CMP_OMAP, OMAP_KEY_MAX + 1, 0, -ENAMETOOLONG},
        {STEP_CMP_OMAP, 1, OMAP_VALUE_MAX + 1, -E2BIG},
        {STEP_OMAP_RANGE, 0, 0, 0},
        {STEP_OMAP_RANGE, OMAP_KEY_MAX, OMAP_KEY_MAX, 0},
        {STEP_OMAP_RANGE, OMAP_KEY_MAX + 1, 0, -ENAMETOOLONG},
        {STEP_OMAP_RANGE, 0, OMAP_KEY_MAX + 1, -E2BIG},
        {STEP_OMAP_RM_RANGE, 0, 0, 0},
        {STEP_OMAP_RM_RANGE, OMAP_KEY_MAX + 1, 0, -ENAMETOOLONG},
        {STEP_PG_LIST, 0, 0, 0},
        {STEP_PG_LIST, OID_KEY_MAX, 0, 0},
        {STEP_PG_LIST, OID_KEY_MAX + 1, 0, -ENAMETOOLONG},
        {STEP_CLONE_RANGE, 0, 0, -EINVAL},
        {STEP_CLONE_RANGE, OID_NAME_MAX, 0, 0},
        {STEP_CLONE_RANGE, OID_NAME_MAX + 1, 0, -ENAMETOOLONG},
    };

    T_CASES (row, rows) {
        AUTO(steps) s = {0};
        struct step *st = add(&s, row->kind);

        st->key = key_of(&s, row->key);
        st->value = key_of(&s, row->value);
        T_EQ(steps_valid(&s), row->want);
    }
}

T(steps, do_not_add_to_an_xattr_that_they_have_changed)
{
    static const struct {
        unsigned first;
        const char *key;
        int want;
    } rows[] = {
        {STEP_XATTR_SET, "key", -EINVAL}, {STEP_XATTR_RM, "key", -EINVAL},
        {STEP_XATTR_ADD, "key", -EINVAL}, {STEP_DELETE, "key", -EINVAL},
        {STEP_XATTR_SET, "other", 0},     {STEP_XATTR_ADD, "other", 0},
        {STEP_OMAP_CLEAR, "key", 0},
    };

    T_CASES (row, rows) {
        AUTO(steps) s = {0};

        add(&s, row->first)->key = BYTES_STR(row->key);
        add(&s, STEP_XATTR_ADD);
        T_EQ(steps_valid(&s), row->want);
    }
}

T(steps, pairs_have_bounds)
{
    static const struct {
        unsigned kind;
        uint32_t key, value;
        int want;
    } rows[] = {
        {STEP_OMAP_SET, 0, 1, -EINVAL},
        {STEP_OMAP_SET, OMAP_KEY_MAX, OMAP_VALUE_MAX, 0},
        {STEP_OMAP_SET, OMAP_KEY_MAX + 1, 1, -ENAMETOOLONG},
        {STEP_OMAP_SET, 1, OMAP_VALUE_MAX + 1, -E2BIG},
        {STEP_OMAP_GET, 0, 0, -EINVAL},
        {STEP_OMAP_GET, OMAP_KEY_MAX, 0, 0},
        {STEP_OMAP_RM, OMAP_KEY_MAX + 1, 0, -ENAMETOOLONG},
    };

    T_CASES (row, rows) {
        AUTO(steps) s = {0};
        struct step *st = add(&s, row->kind);

        st->pairs_in[1] = (struct step_pair){key_of(&s, row->key), key_of(&s, row->value)};
        T_EQ(steps_valid(&s), row->want);
    }
}

T(steps, pairs_are_counted)
{
    AUTO(steps) s = {0};
    struct step *st = add(&s, STEP_OMAP_RM);
    struct step_pair *many = mem_calloc(STEP_PAIRS_MAX + 1, sizeof(*many));

    T_TRUE(many != NULL);
    for (unsigned i = 0; i <= STEP_PAIRS_MAX; i++)
        many[i].key = BYTES_STR("key");
    T_OK(step_pairs_set(&s, st, many, STEP_PAIRS_MAX));
    T_EQ(steps_valid(&s), 0);
    T_EQ(step_pairs_set(&s, st, many, STEP_PAIRS_MAX + 1), -E2BIG);
    T_EQ(st->pair_in_count, STEP_PAIRS_MAX);
    T_EQ(steps_valid(&s), -E2BIG); /* a failure while building is kept */
    mem_free(many);
}

T(steps, rows_are_asked_for_within_bounds)
{
    AUTO(steps) s = {0};
    struct step *st = add(&s, STEP_OMAP_RANGE);

    st->rows_max = STEP_PAIRS_MAX;
    T_EQ(steps_valid(&s), 0);
    st->rows_max = STEP_PAIRS_MAX + 1;
    T_EQ(steps_valid(&s), -EINVAL);
    st->rows_max = 0;
    T_EQ(steps_valid(&s), -EINVAL);
}

T(steps, compare_by_a_known_order)
{
    AUTO(steps) s = {0};
    struct step *st = add(&s, STEP_CMP_XATTR);

    st->cmp = CMP_PRESENT;
    T_EQ(steps_valid(&s), 0);
    st->cmp = CMP_PRESENT + 1;
    T_EQ(steps_valid(&s), -EINVAL);
}

T(steps, spans_stay_within_the_largest_object)
{
    static const struct {
        unsigned kind;
        uint64_t off, len, off2;
        int want;
    } rows[] = {
        {STEP_READ, UINT64_MAX, 0, 0, 0},
        {STEP_READ, UINT64_MAX, 1, 0, -EINVAL},
        {STEP_EXTENTS, 1, UINT64_MAX, 0, -EINVAL},
        {STEP_ZERO, OBJECT_BYTES_MAX, 4096, 0, 0},
        {STEP_ZERO, UINT64_MAX, 1, 0, -EINVAL},
        {STEP_TRUNCATE, OBJECT_BYTES_MAX, 0, 0, 0},
        {STEP_TRUNCATE, OBJECT_BYTES_MAX + UINT64_C(1), 0, 0, -EFBIG},
        {STEP_CLONE_RANGE, OBJECT_BYTES_MAX - 1, 1, 0, 0},
        {STEP_CLONE_RANGE, OBJECT_BYTES_MAX - 1, 2, 0, -EFBIG},
        {STEP_CLONE_RANGE, 0, 2, OBJECT_BYTES_MAX - 1, -EFBIG},
        {STEP_CLONE_RANGE, 0, 2, UINT64_MAX, -EINVAL},
    };

    T_CASES (row, rows) {
        AUTO(steps) s = {0};
        struct step *st = add(&s, row->kind);

        st->off = row->off;
        st->len = row->len;
        st->off2 = row->off2;
        T_EQ(steps_valid(&s), row->want);
    }
}

T(steps, payload_stays_within_the_largest_object)
{
    AUTO(buf) most = {0};
    AUTO(buf) few = {0};
    AUTO(steps) s = {0};
    struct step *st = steps_add(&s, STEP_WRITE_FULL);

    T_OK(buf_append_zeros(&most, OBJECT_BYTES_MAX));
    T_OK(buf_append_zeros(&few, 2));
    T_OK(step_data_set(&s, st, &most));
    T_EQ(steps_valid(&s), 0);
    st = steps_add(&s, STEP_APPEND); /* together more than one frame may carry */
    T_OK(step_data_set(&s, st, &few));
    T_EQ(steps_valid(&s), -E2BIG);
    steps_fini(&s);

    st = steps_add(&s, STEP_WRITE);
    st->off = OBJECT_BYTES_MAX - 2;
    T_OK(step_data_set(&s, st, &few));
    T_EQ(steps_valid(&s), 0);
    st->off++;
    T_EQ(steps_valid(&s), -EFBIG);
    T_EQ(step_data_set(&s, st, &few), -EFBIG);
    T_EQ(steps_valid(&s), -EFBIG);
}

T(steps, keys_and_values_of_all_steps_are_summed)
{
    AUTO(steps) s = {0};

    for (int i = 0; i < 2; i++)
        add(&s, STEP_CMP_OMAP)->value = key_of(&s, OMAP_VALUE_MAX);
    T_EQ(steps_valid(&s), 0);
    add(&s, STEP_CMP_OMAP)->value = key_of(&s, OMAP_VALUE_MAX);
    T_EQ(steps_valid(&s), -E2BIG);
}

T(steps, payload_without_checksums_is_refused)
{
    AUTO(steps) s = {0};
    struct step *st = add(&s, STEP_WRITE);

    st->crcs = NULL;
    T_EQ(steps_valid(&s), -EINVAL);
    buf_fini(&st->data); /* a write of nothing has none */
    T_EQ(steps_valid(&s), 0);
}

static void payload_on_a_step_without(struct steps *s)
{
    add(s, STEP_WRITE)->kind = STEP_TRUNCATE;
}

T(steps, payload_where_none_belongs_is_refused)
{
    AUTO(steps) s = {0};

    payload_on_a_step_without(&s);
    T_EQ(steps_valid(&s), -EINVAL);
}

/* Only a write knows its place; the OSD places the others later. */
T(steps, checksums_begin_where_the_payload_will_lie)
{
    static const unsigned kinds[] = {STEP_WRITE, STEP_WRITE_FULL, STEP_APPEND};

    for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
        AUTO(steps) s = {0};
        AUTO(buf) data = sample_buf("0123456789", 1000);
        struct step *st = steps_add(&s, (uint8_t)kinds[i]);
        uint32_t first;

        st->off = 4000;
        T_OK(step_data_set(&s, st, &data));
        first = buf_crc32c(&data, 0, kinds[i] == STEP_WRITE ? 96 : 4096);
        T_EQ(st->crcs[0] | st->crcs[1] << 8 | st->crcs[2] << 16 | (uint32_t)st->crcs[3] << 24,
             first);
        T_EQ(crcs_check(kinds[i] == STEP_WRITE ? 4000 : 0, &data, st->crcs), 0);
        T_EQ(st->data.bytes, data.bytes);
        T_TRUE(buf_spans_of(&st->data)->blob == buf_spans_of(&data)->blob);
    }
}

T(steps, payload_set_again_replaces)
{
    AUTO(steps) s = {0};
    AUTO(buf) data = sample_buf("again", 1);
    struct step *st = add(&s, STEP_APPEND);

    T_OK(step_data_set(&s, st, &data));
    T_EQ(st->data.bytes, 5);
    T_EQ(steps_valid(&s), 0);
}

/* An older OSD: it passes over what it does not know, and refuses the operation. */
T(steps, of_an_unknown_kind_are_passed_over)
{
    AUTO(steps) s = {0};
    AUTO(steps) back;
    AUTO(writer) front = {0};
    AUTO(buf) data = {0};
    struct cursor c;

    add(&s, STEP_WRITE);
    add(&s, STEP_TRUNCATE);
    steps_encode(&s, &front, &data);
    T_EQ(front.data[10], STEP_WRITE);
    front.data[10] = 200;
    steps_init(&back);
    c = cur_over(front.data, front.len);
    T_OK(steps_decode(&c, &data, &back));
    T_EQ(back.count, 2);
    T_EQ(back.step[1].kind, STEP_TRUNCATE);
    T_EQ(back.step[1].off, 4097);
    T_EQ(data.bytes, 0);
    T_EQ(steps_valid(&back), -R_UNSUPPORTED);
}

/* Newer fields of a known kind. */
T(steps, longer_than_known_are_read)
{
    AUTO(steps) s = {0};
    AUTO(steps) back;
    AUTO(writer) front = {0};
    AUTO(buf) data = {0};
    struct cursor c;

    add(&s, STEP_TRUNCATE);
    steps_encode(&s, &front, &data);
    wr_u32(&front, 7);
    T_OK(front.rc);
    wr_put_u32(&front, 2, (uint32_t)front.len - 6);
    wr_put_u32(&front, 17, 12);
    steps_init(&back);
    c = cur_over(front.data, front.len);
    T_OK(steps_decode(&c, &data, &back));
    steps_same(&s, &back);
}

T(steps, with_payload_they_cannot_have_are_malformed)
{
    AUTO(steps) s = {0};
    AUTO(steps) back;
    AUTO(writer) front = {0};
    AUTO(buf) data = sample_buf("x", 1);
    struct cursor c;

    add(&s, STEP_TRUNCATE);
    steps_encode(&s, &front, &data);
    wr_put_u32(&front, 13, 1);
    steps_init(&back);
    c = cur_over(front.data, front.len);
    T_EQ(steps_decode(&c, &data, &back), -R_MALFORMED);
}

T(steps, built_with_short_memory_stay_invalid)
{
    bool hit = true;

    for (int64_t n = 0; hit; n++) {
        AUTO(steps) s = {0};
        const struct step_pair pair = {BYTES_STR("key"), BYTES_STR("value")};
        AUTO(buf) data = sample_buf("0123456789", 1000);
        struct step *st;

        mem_fail_after(n);
        for (int i = 0; i < 20; i++)
            if ((st = steps_add(&s, STEP_XATTR_SET)))
                st->key = steps_dup(&s, BYTES_STR("name"));
        if ((st = steps_add(&s, STEP_WRITE)))
            (void)step_data_set(&s, st, &data); /* kept in s.rc */
        if ((st = steps_add(&s, STEP_OMAP_SET)))
            (void)step_pairs_set(&s, st, &pair, 1); /* kept in s.rc */
        hit = mem_fail_hit();
        mem_fail_after(-1);
        T_EQ(steps_valid(&s), hit ? -ENOMEM : 0);
        if (hit) {
            AUTO(writer) front = {0};
            AUTO(buf) out = {0};

            steps_encode(&s, &front, &out);
            T_EQ(front.rc, -ENOMEM);
        }
    }
}

/* ---- results ---- */

T(results, arrive_as_sent)
{
    AUTO(step_results) r;
    AUTO(step_results) back;
    AUTO(writer) front = {0};
    AUTO(buf) data = {0};
    struct cursor c;

    step_results_init(&r);
    T_OK(step_results_reserve(&r, STEPS_MAX));
    for (unsigned i = 0; i < STEPS_MAX; i++) {
        r.result[i].rc = -(int)i;
        r.result[i].more = i & 1;
        r.result[i].version.seq = i % 3;
        r.result[i].data = sample_buf("data", i % 5);
    }
    step_results_encode(&r, &front, &data);
    T_OK(front.rc);
    step_results_init(&back);
    c = cur_over(front.data, front.len);
    T_OK(step_results_decode(&c, &data, &back));
    results_same(&r, &back);
    T_EQ(data.bytes, 0);
}

T(results, reserved_again_start_anew)
{
    AUTO(step_results) r;

    step_results_init(&r);
    T_OK(step_results_reserve(&r, 3));
    r.result[2].data = sample_buf("data", 1);
    T_OK(step_results_reserve(&r, 2));
    T_EQ(r.count, 2);
    T_EQ(r.result[1].data.bytes, 0);
}

T(results, that_fill_more_than_a_frame_do_not_fit)
{
    static const uint8_t value[1 << 20];
    AUTO(step_results) r;
    struct step_pair pairs[3] = {{{0}, {value, 1 << 20}}, {{0}, {value, 1 << 20}}, {{0}, {0}}};

    step_results_init(&r);
    T_OK(step_results_reserve(&r, 2));
    T_EQ(step_results_fit(&r), 0);
    r.result[1].pairs = pairs;
    r.result[1].pair_count = 3;
    T_EQ(step_results_fit(&r), 0);
    pairs[2].value = (struct bytes){value, 1 << 20};
    T_EQ(step_results_fit(&r), -E2BIG);
    r.result[1].pair_count = 0;
    T_OK(buf_append_zeros(&r.result[0].data, OBJECT_BYTES_MAX));
    T_EQ(step_results_fit(&r), 0);
    T_OK(buf_append_zeros(&r.result[1].data, 1));
    T_EQ(step_results_fit(&r), -E2BIG);
}

/* ---- guards ---- */

T(guards, compare_in_the_order_of_bytes)
{
    static const struct {
        const char *have, *want; /* have NULL: absent */
        unsigned holds;          /* bit per enum step_cmp */
    } rows[] = {
        {"b", "b", 1 << CMP_EQ | 1 << CMP_LE | 1 << CMP_GE | 1 << CMP_PRESENT},
        {"a", "b", 1 << CMP_NE | 1 << CMP_LT | 1 << CMP_LE | 1 << CMP_PRESENT},
        {"c", "b", 1 << CMP_NE | 1 << CMP_GT | 1 << CMP_GE | 1 << CMP_PRESENT},
        {"b", "bb", 1 << CMP_NE | 1 << CMP_LT | 1 << CMP_LE | 1 << CMP_PRESENT},
        {"\xff", "b", 1 << CMP_NE | 1 << CMP_GT | 1 << CMP_GE | 1 << CMP_PRESENT},
        {"", "", 1 << CMP_EQ | 1 << CMP_LE | 1 << CMP_GE | 1 << CMP_PRESENT},
        {NULL, "", 1 << CMP_NE | 1 << CMP_ABSENT},
        {NULL, "b", 1 << CMP_NE | 1 << CMP_ABSENT},
    };

    T_CASES (row, rows) {
        for (unsigned cmp = 0; cmp < 16; cmp++)
            T_EQ(step_cmp_holds((uint8_t)cmp, row->have, BYTES_STR(row->have ? row->have : ""),
                                BYTES_STR(row->want)),
                 row->holds >> cmp & 1);
    }
}
