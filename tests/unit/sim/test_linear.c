/* test_linear.c - the checker of histories: what it must take, and what it must refuse. */
#include "core/base/rng.h"
#include "tests/sim/linear.h"
#include "tests/sim/model.h"
#include "tests/unit/t.h"

enum { STATES = 20000 };

/* An operation of one step, from `call` to `ret` (0: open). */
static struct hstep *op(struct history *h, uint64_t call, uint64_t ret, uint8_t kind)
{
    struct hop *o = history_add(h);

    o->number = h->count;
    o->call_ns = call;
    o->ret_ns = ret;
    o->end = ret ? HOP_DONE : HOP_OPEN;
    o->failed_step = -1;
    o->step_count = 1;
    o->step[0].kind = kind;
    return &o->step[0];
}

static struct hop *last(struct history *h)
{
    return h->op[h->count - 1];
}

static struct hstep *also(struct history *h, uint8_t kind)
{
    struct hstep *st = &last(h)->step[last(h)->step_count++];

    st->kind = kind;
    return st;
}

static void fails(struct history *h, int rc, int step)
{
    last(h)->rc = rc;
    last(h)->failed_step = step;
    last(h)->step[step].rc = rc;
}

static void write_full(struct history *h, uint64_t call, uint64_t ret, uint32_t tag, uint64_t len)
{
    struct hstep *st = op(h, call, ret, STEP_WRITE_FULL);

    st->tag = tag;
    st->len = len;
}

static void append(struct history *h, uint64_t call, uint64_t ret, uint32_t tag, uint64_t len)
{
    struct hstep *st = op(h, call, ret, STEP_APPEND);

    st->tag = tag;
    st->len = len;
}

static void result(struct hstep *st, size_t bytes)
{
    st->data = mem_zalloc(bytes);
    st->data_bytes = bytes;
}

/* A read of everything that finds these values, each of `len` bytes, behind each other. */
static void reads(struct history *h, uint64_t call, uint64_t ret, const uint32_t *tags,
                  unsigned count, size_t len)
{
    struct hstep *st = op(h, call, ret, STEP_READ);

    result(st, count * len);
    for (unsigned i = 0; i < count; i++)
        tag_fill(tags[i], 0, st->data + i * len, len);
}
#define READS(h, call, ret, len, ...)                                                              \
    reads(h, call, ret, (const uint32_t[]){__VA_ARGS__},                                           \
          sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), len)

static void stats(struct history *h, uint64_t call, uint64_t ret, uint64_t size, uint64_t seq)
{
    struct hstep *st = op(h, call, ret, STEP_STAT);

    st->size = size;
    st->seen = (struct version){{3}, seq};
}

static void no_object(struct history *h, uint64_t call, uint64_t ret)
{
    op(h, call, ret, STEP_STAT);
    fails(h, -ENOENT, 0);
}

static enum linear judge(struct history *h)
{
    enum linear got = linear_check(h, STATES, NULL, NULL);

    history_fini(h);
    history_init(h, "x");
    return got;
}

#define GOOD(h) T_EQ(judge(h), LINEAR_YES)
#define BAD(h)  T_EQ(judge(h), LINEAR_NO)

/* --- order ------------------------------------------------------------------------------------ */

T(linear, a_read_may_see_a_write_under_way_or_not)
{
    struct history h;

    history_init(&h, "x");
    write_full(&h, 1, 2, 7, 100);
    write_full(&h, 3, 9, 8, 100);
    READS(&h, 4, 5, 100, 7);
    READS(&h, 6, 7, 100, 8);
    GOOD(&h);
}

T(linear, a_read_sees_no_older_write_than_one_before_it)
{
    struct history h;

    history_init(&h, "x");
    write_full(&h, 1, 2, 7, 100);
    write_full(&h, 3, 9, 8, 100);
    READS(&h, 4, 5, 100, 8);
    READS(&h, 6, 7, 100, 7);
    BAD(&h);
}

T(linear, an_acknowledged_write_is_seen)
{
    struct history h;

    history_init(&h, "x");
    write_full(&h, 1, 2, 7, 100);
    write_full(&h, 3, 4, 8, 100);
    READS(&h, 5, 6, 100, 7);
    BAD(&h);
    write_full(&h, 1, 2, 7, 100);
    no_object(&h, 3, 4);
    BAD(&h);
}

T(linear, a_write_nobody_asked_for_is_not_seen)
{
    struct history h;

    history_init(&h, "x");
    write_full(&h, 1, 2, 7, 100);
    READS(&h, 3, 4, 100, 9);
    BAD(&h);
}

T(linear, operations_at_the_same_time_have_one_order_for_all)
{
    struct history h;

    history_init(&h, "x");
    append(&h, 1, 10, 7, 8);
    append(&h, 1, 10, 8, 8);
    append(&h, 1, 10, 9, 8);
    READS(&h, 11, 12, 8, 9, 7, 8);
    READS(&h, 13, 14, 8, 9, 7, 8);
    GOOD(&h);
    append(&h, 1, 10, 7, 8);
    append(&h, 1, 10, 8, 8);
    READS(&h, 11, 12, 8, 7, 8);
    READS(&h, 13, 14, 8, 8, 7);
    BAD(&h);
}

/* --- exactly once ----------------------------------------------------------------------------- */

T(linear, an_append_runs_once)
{
    struct history h;

    history_init(&h, "x");
    append(&h, 1, 2, 7, 8);
    READS(&h, 3, 4, 8, 7, 7);
    BAD(&h);
    append(&h, 1, 2, 7, 8);
    append(&h, 3, 4, 8, 8);
    READS(&h, 5, 6, 8, 7, 8, 7);
    BAD(&h);
}

T(linear, an_operation_without_answer_may_have_run_later_or_never)
{
    struct history h;

    history_init(&h, "x");
    append(&h, 1, 2, 7, 8);
    append(&h, 3, 0, 8, 8);
    READS(&h, 5, 6, 8, 7);
    GOOD(&h);
    append(&h, 1, 2, 7, 8);
    append(&h, 3, 0, 8, 8);
    READS(&h, 5, 6, 8, 7);
    append(&h, 7, 8, 9, 8);
    READS(&h, 9, 10, 8, 7, 9);
    READS(&h, 11, 12, 8, 7, 9, 8);
    GOOD(&h);
}

T(linear, an_operation_without_answer_is_not_undone_and_runs_once)
{
    struct history h;

    history_init(&h, "x");
    append(&h, 1, 2, 7, 8);
    append(&h, 3, 0, 8, 8);
    READS(&h, 5, 6, 8, 7, 8);
    READS(&h, 7, 8, 8, 7);
    BAD(&h);
    append(&h, 1, 2, 7, 8);
    append(&h, 3, 0, 8, 8);
    READS(&h, 5, 6, 8, 7, 8, 8);
    BAD(&h);
}

T(linear, an_operation_runs_not_before_it_was_asked_for)
{
    struct history h;

    history_init(&h, "x");
    append(&h, 1, 2, 7, 8);
    READS(&h, 3, 4, 8, 7, 8);
    append(&h, 5, 0, 8, 8);
    BAD(&h);
}

/* --- versions --------------------------------------------------------------------------------- */

/* The first bytes of a word of one value before the last of another's look like a third's. */
T(linear, a_seam_of_two_writes_is_not_taken_for_a_third)
{
    struct history h;
    struct hstep *st;

    history_init(&h, "x");
    write_full(&h, 1, 2, 0x239, 64);
    st = op(&h, 3, 4, STEP_WRITE);
    st->tag = 0x24a;
    st->off = 12; /* its third word ends within the fifth of the first write: 02 00 | 00 00 */
    st->len = 22;
    st = op(&h, 5, 6, STEP_READ);
    result(st, 64);
    tag_fill(0x239, 0, st->data, 64);
    tag_fill(0x24a, 0, st->data + 12, 22);
    append(&h, 7, 8, 2, 16); /* the value that the seam looks like */
    GOOD(&h);
}

T(linear, versions_grow_with_writes_only)
{
    struct history h;

    history_init(&h, "x");
    append(&h, 1, 2, 7, 8);
    stats(&h, 3, 4, 8, 5);
    stats(&h, 5, 6, 8, 5);
    append(&h, 7, 8, 8, 8);
    stats(&h, 9, 10, 16, 6);
    GOOD(&h);
    append(&h, 1, 2, 7, 8);
    stats(&h, 3, 4, 8, 5);
    stats(&h, 5, 6, 8, 6); /* what happened between? */
    BAD(&h);
    append(&h, 1, 2, 7, 8);
    stats(&h, 3, 4, 8, 5);
    append(&h, 5, 6, 8, 8);
    stats(&h, 7, 8, 16, 5);
    BAD(&h);
    append(&h, 1, 2, 7, 8);
    stats(&h, 3, 4, 8, 5);
    op(&h, 5, 6, STEP_DELETE);
    append(&h, 7, 8, 8, 8);
    stats(&h, 9, 10, 8, 4);
    BAD(&h);
}

T(linear, a_version_guard_holds_for_that_version_only)
{
    struct history h;

    history_init(&h, "x");
    for (unsigned good = 0; good < 2; good++) {
        append(&h, 1, 2, 7, 8);
        stats(&h, 3, 4, 8, 5);
        if (!good)
            append(&h, 5, 6, 8, 8);
        op(&h, 7, 8, STEP_ASSERT_VERSION)->version = (struct version){{3}, 5};
        also(&h, STEP_DELETE);
        T_EQ(judge(&h), good ? LINEAR_YES : LINEAR_NO);
    }
}

/* --- steps ------------------------------------------------------------------------------------ */

T(linear, one_exclusive_create_of_two_wins)
{
    struct history h;

    history_init(&h, "x");
    for (unsigned losers = 0; losers < 3; losers++) {
        for (unsigned i = 0; i < 2; i++) {
            op(&h, 1, 10, STEP_CREATE)->exclusive = true;
            if (i < losers)
                fails(&h, -EEXIST, 0);
        }
        T_EQ(judge(&h), losers == 1 ? LINEAR_YES : LINEAR_NO);
    }
}

T(linear, a_compare_and_set_is_one_step)
{
    struct history h;

    history_init(&h, "x");
    for (unsigned losers = 0; losers < 3; losers++) {
        struct hstep *st = op(&h, 1, 2, STEP_OMAP_SET);

        st->pair[0] = (struct hpair){3, 70};
        st->pair_count = 1;
        for (unsigned i = 0; i < 2; i++) {
            st = op(&h, 3, 10, STEP_CMP_OMAP);
            st->key = 3;
            st->cmp = CMP_EQ;
            st->tag = 70;
            if (i < losers) {
                fails(&h, -ECANCELED, 0);
                result(st, VALUE_BYTES_MAX);
                st->data_bytes = tag_value(i == 0 ? 81 : 80, st->data);
            }
            st = also(&h, STEP_OMAP_SET);
            st->pair[0] = (struct hpair){3, 80 + i};
            st->pair_count = 1;
        }
        T_EQ(judge(&h), losers == 1 ? LINEAR_YES : LINEAR_NO);
    }
}

T(linear, bytes_follow_writes_truncations_and_zeros)
{
    struct history h;
    struct hstep *st;

    history_init(&h, "x");
    for (unsigned wrong = 0; wrong < 3; wrong++) {
        write_full(&h, 1, 2, 7, 10000);
        op(&h, 3, 4, STEP_TRUNCATE)->off = 5000;
        op(&h, 5, 6, STEP_TRUNCATE)->off = 9000; /* what was cut off does not come back */
        st = op(&h, 7, 8, STEP_WRITE);
        st->off = 4000;
        st->len = 200;
        st->tag = 8;
        st = op(&h, 9, 10, STEP_ZERO);
        st->off = 10;
        st->len = 20;
        st = op(&h, 11, 12, STEP_READ);
        result(st, 9000);
        tag_fill(7, 0, st->data, 5000);
        tag_fill(8, 0, st->data + 4000, 200);
        memset(st->data + 10, 0, 20);
        if (wrong == 1)
            st->data[6000] = 1;
        if (wrong == 2)
            st->data[4199] ^= 1;
        T_EQ(judge(&h), wrong ? LINEAR_NO : LINEAR_YES);
    }
}

T(linear, rows_are_those_of_the_range)
{
    struct history h;

    history_init(&h, "x");
    for (unsigned wrong = 0; wrong < 4; wrong++) {
        struct hstep *st = op(&h, 1, 2, STEP_OMAP_SET);

        for (uint32_t i = 0; i < 4; i++)
            st->pair[i] = (struct hpair){2 * i, 50 + i};
        st->pair_count = 4;
        st = op(&h, 3, 4, STEP_OMAP_RM_RANGE);
        st->key = 1;
        st->key_to = 4;
        st = op(&h, 5, 6, STEP_OMAP_RANGE);
        st->key = 0;
        st->key_to = 7;
        st->rows_max = 2;
        st->pairs = mem_calloc(3, sizeof(*st->pairs));
        st->pairs[0] = (struct hpair){0, 50};
        st->pairs[1] = wrong == 1 ? (struct hpair){2, 51} : (struct hpair){4, wrong == 2 ? 51 : 52};
        st->result_count = 2;
        st->more = wrong != 3;
        T_EQ(judge(&h), wrong ? LINEAR_NO : LINEAR_YES);
    }
}

T(linear, extents_leave_out_no_data)
{
    struct history h;

    history_init(&h, "x");
    for (unsigned wrong = 0; wrong < 2; wrong++) {
        struct hstep *st = op(&h, 1, 2, STEP_WRITE);

        st->off = 8192;
        st->len = 100;
        st->tag = 5;
        st = op(&h, 3, 4, STEP_EXTENTS);
        st->len = 100000;
        result(st, 16);
        st->data[1] = 8192 >> 8; /* from 8192, */
        st->data[8] = wrong ? 96 : 100;
        T_EQ(judge(&h), wrong ? LINEAR_NO : LINEAR_YES);
    }
}

/* --- against itself --------------------------------------------------------------------------- */

enum { RANDOM_OPS = 150, CLIENTS = 5 };

/* Clients append and read at random on one true object; each operation takes effect at a moment
 * between its call and its answer.  With `lie` one read near the end shows an older state. */
static enum linear random_history(uint64_t seed, bool lie)
{
    struct history h;
    struct rng r;
    uint64_t busy[CLIENTS] = {0}, at = 1, lied = 0;
    uint32_t tags[RANDOM_OPS], count = 0;

    rng_seed(&r, seed);
    history_init(&h, "x");
    for (uint32_t i = 0; i < RANDOM_OPS; i++) {
        uint32_t c = (uint32_t)rng_below(&r, CLIENTS);
        uint64_t before = rng_below(&r, 20), after = 1 + rng_below(&r, 20);
        uint64_t call, ret;

        at += 4;
        call = MAX(busy[c] + 1, at > before ? at - before : 1);
        at = MAX(at, call);
        ret = at + after;
        busy[c] = ret;
        if (count == 0 || rng_chance(&r, 1, 2)) {
            bool open = rng_chance(&r, 1, 10);

            append(&h, call, open ? 0 : ret, i + 1, 8);
            if (!open || rng_chance(&r, 1, 2))
                tags[count++] = i + 1;
        } else {
            uint32_t seen = count;

            if (lie && !lied && i > RANDOM_OPS / 2 && count > 30) {
                seen = count - 20; /* at least one of these was answered before the read */
                lied = i;
            }
            reads(&h, call, ret, tags, seen, 8);
        }
    }
    if (lie && !lied) {
        history_fini(&h);
        return LINEAR_NO;
    }
    return judge(&h);
}

T(linear, random_true_histories_are_taken_and_stale_reads_refused)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        T_EQ(random_history(seed, false), LINEAR_YES);
        T_NE(random_history(seed, true), LINEAR_YES);
    }
}

T(linear, the_search_is_bounded)
{
    struct history h;

    history_init(&h, "x");
    for (uint32_t i = 1; i <= 24; i++)
        write_full(&h, 1, 100, i, 8);
    READS(&h, 101, 102, 8, 99);
    T_EQ(linear_check(&h, 1000, NULL, NULL), LINEAR_GAVE_UP);
    history_fini(&h);
}
