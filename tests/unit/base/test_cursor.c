/* Cursors and writers. */
#include "core/base/crc.h"
#include "core/base/cursor.h"
#include "core/base/rng.h"
#include "tests/unit/base/fail.h"

/* ---- round trips ---- */

enum item_kind {
    ITEM_U8,
    ITEM_BOOL,
    ITEM_U16,
    ITEM_U32,
    ITEM_U64,
    ITEM_I32,
    ITEM_I64,
    ITEM_BYTES,
    ITEM_ZEROS,
    ITEM_SEALED,
    ITEM_PLAIN,
    ITEM_KINDS
};

/* Write a random tree of values; the same draws are made again to check what is read. */
static void write_items(struct writer *w, struct rng *rng, int depth)
{
    uint8_t data[40];

    for (uint64_t n = rng_below(rng, 12); n; n--) {
        enum item_kind kind = (enum item_kind)rng_below(rng, depth ? ITEM_KINDS : ITEM_SEALED);
        uint64_t v = rng_u64(rng);
        size_t mark;

        switch (kind) {
        case ITEM_U8:
            wr_u8(w, (uint8_t)v);
            break;
        case ITEM_BOOL:
            wr_bool(w, v & 1);
            break;
        case ITEM_U16:
            wr_u16(w, (uint16_t)v);
            break;
        case ITEM_U32:
            wr_u32(w, (uint32_t)v);
            break;
        case ITEM_U64:
            wr_u64(w, v);
            break;
        case ITEM_I32:
            wr_i32(w, (int32_t)v);
            break;
        case ITEM_I64:
            wr_i64(w, (int64_t)v);
            break;
        case ITEM_BYTES:
            memset(data, (int)v & 0xff, sizeof(data));
            wr_bytes(w, (struct bytes){data, (uint32_t)(v % 41)});
            break;
        case ITEM_ZEROS:
            wr_zeros(w, v % 9);
            break;
        case ITEM_SEALED:
            mark = wr_begin(w, (uint8_t)(v % 9 + 1), 1);
            write_items(w, rng, depth - 1);
            wr_end(w, mark);
            break;
        case ITEM_PLAIN:
        case ITEM_KINDS:
            mark = wr_begin_plain(w, (uint8_t)(v % 9 + 1), 1);
            write_items(w, rng, depth - 1);
            wr_end_plain(w, mark);
            break;
        }
    }
}

static void read_items(struct cursor *c, struct rng *rng, int depth);

static void read_envelope(struct cursor *c, struct rng *rng, int depth, bool sealed, unsigned want)
{
    struct cursor body;
    unsigned version = sealed ? cur_enter(c, 1, &body) : cur_enter_plain(c, 1, &body);

    T_EQ(version, want);
    read_items(&body, rng, depth);
    T_OK(cur_finish(&body));
    T_OK(cur_leave(c, &body));
}

static void read_items(struct cursor *c, struct rng *rng, int depth)
{
    uint8_t data[40];
    struct bytes b;

    for (uint64_t n = rng_below(rng, 12); n; n--) {
        enum item_kind kind = (enum item_kind)rng_below(rng, depth ? ITEM_KINDS : ITEM_SEALED);
        uint64_t v = rng_u64(rng);

        switch (kind) {
        case ITEM_U8:
            T_EQ(cur_u8(c), (uint8_t)v);
            break;
        case ITEM_BOOL:
            T_EQ(cur_bool(c), v & 1);
            break;
        case ITEM_U16:
            T_EQ(cur_u16(c), (uint16_t)v);
            break;
        case ITEM_U32:
            T_EQ(cur_u32(c), (uint32_t)v);
            break;
        case ITEM_U64:
            T_EQ(cur_u64(c), v);
            break;
        case ITEM_I32:
            T_EQ(cur_i32(c), (int32_t)v);
            break;
        case ITEM_I64:
            T_EQ(cur_i64(c), (int64_t)v);
            break;
        case ITEM_BYTES:
            memset(data, (int)v & 0xff, sizeof(data));
            b = cur_bytes(c, 40);
            T_TRUE(bytes_equal(b, (struct bytes){data, (uint32_t)(v % 41)}));
            break;
        case ITEM_ZEROS:
            cur_zeros(c, v % 9);
            break;
        case ITEM_SEALED:
        case ITEM_PLAIN:
        case ITEM_KINDS:
            read_envelope(c, rng, depth - 1, kind == ITEM_SEALED, v % 9 + 1);
            break;
        }
    }
}

T(cursor, reads_back_what_a_writer_wrote)
{
    for (uint64_t seed = 0; seed < 500; seed++) {
        AUTO(writer) w = {0};
        struct cursor c;
        struct rng rng;

        rng_seed(&rng, seed);
        write_items(&w, &rng, 3);
        T_OK(w.rc);
        c = cur_over(w.data, w.len);
        rng_seed(&rng, seed);
        read_items(&c, &rng, 3);
        T_OK(cur_finish(&c));
    }
}

T(cursor, numbers_are_little_endian)
{
    AUTO(writer) w = {0};

    wr_u16(&w, 0x0102);
    wr_u32(&w, 0x03040506);
    wr_i64(&w, -2);
    wr_str(&w, "ab");
    T_EQ(w.len, 20);
    T_MEM_EQ(w.data, "\2\1\6\5\4\3\xfe\xff\xff\xff\xff\xff\xff\xff\2\0\0\0ab", 20);
}

/* ---- refusals ---- */

T(cursor, the_first_failure_is_kept_and_later_reads_give_zeros)
{
    static const uint8_t data[] = {2, 9, 9, 9, 9, 9, 9, 9, 9, 9};
    struct cursor c = cur_over(data, sizeof(data));

    T_EQ(cur_bool(&c), false);
    T_EQ(c.rc, -R_MALFORMED);
    T_EQ(cur_u8(&c), 0);
    T_EQ(cur_u64(&c), 0);
    T_EQ(cur_raw(&c, 2).len, 0);
    T_TRUE(cur_raw(&c, 2).data != NULL);
    T_EQ(cur_count(&c, 100, 0), 0);
    cur_fail(&c, -R_TRUNCATED);
    T_EQ(cur_finish(&c), -R_MALFORMED);
}

T(cursor, never_reads_past_the_end)
{
    uint8_t *data = mem_zalloc(7); /* exact, so that a sanitizer sees one byte too many */
    struct cursor c = cur_over(data, 7);

    T_EQ(cur_u64(&c), 0);
    T_EQ(c.rc, -R_TRUNCATED);
    T_EQ(c.at, data);
    c = cur_over(data, 7);
    T_EQ(cur_raw(&c, 8).len, 0);
    T_EQ(c.rc, -R_TRUNCATED);
    c = cur_over(data, 7);
    T_EQ(cur_raw(&c, SIZE_MAX).len, 0);
    T_EQ(c.rc, -R_TRUNCATED);
    c = cur_over(NULL, 0);
    T_OK(cur_finish(&c));
    T_EQ(cur_u8(&c), 0);
    T_EQ(c.rc, -R_TRUNCATED);
    mem_free(data);
}

T(cursor, lengths_and_counts_are_bounded_before_they_are_used)
{
    static const uint8_t data[] = {5, 0, 0, 0, 1, 2, 3, 4, 5};
    static const struct {
        uint32_t max, item;
        int rc;
        uint32_t want;
    } rows[] = {
        {5, 1, 0, 5},
        {4, 1, -R_MALFORMED, 0},
        {5, 2, -R_TRUNCATED, 0},
        {UINT32_MAX, UINT32_MAX, -R_TRUNCATED, 0},
        {5, 0, 0, 5},
    };
    struct cursor c = cur_over(data, sizeof(data));

    T_CASES (row, rows) {
        c = cur_over(data, sizeof(data));
        T_EQ(cur_count(&c, row->max, row->item), row->want);
        T_EQ(c.rc, row->rc);
    }
    c = cur_over(data, sizeof(data));
    T_EQ(cur_bytes(&c, 4).len, 0);
    T_EQ(c.rc, -R_MALFORMED);
    c = cur_over(data, sizeof(data) - 1);
    T_EQ(cur_bytes(&c, 5).len, 0);
    T_EQ(c.rc, -R_TRUNCATED);
}

T(cursor, padding_must_be_zero_and_nothing_may_be_left)
{
    static const uint8_t data[] = {0, 0, 1, 0};
    struct cursor c = cur_over(data, 4);

    cur_zeros(&c, 2);
    T_EQ(c.rc, 0);
    cur_zeros(&c, 2);
    T_EQ(c.rc, -R_MALFORMED);
    c = cur_over(data, 4);
    (void)cur_u16(&c);
    T_EQ(cur_finish(&c), -R_MALFORMED);
}

/* ---- envelopes ---- */

T(envelope, readers_skip_a_newer_tail)
{
    AUTO(writer) w = {0};
    size_t sealed = wr_begin(&w, 3, 2), plain;
    struct cursor c, body;

    wr_u32(&w, 7);
    wr_str(&w, "of version 3");
    wr_end(&w, sealed);
    plain = wr_begin_plain(&w, 3, 2);
    wr_u32(&w, 8);
    wr_u64(&w, 99);
    wr_end_plain(&w, plain);
    wr_u8(&w, 0x5a);

    c = cur_over(w.data, w.len);
    T_EQ(cur_enter(&c, 2, &body), 3);
    T_EQ(cur_u32(&body), 7);
    T_OK(cur_leave(&c, &body));
    T_EQ(cur_enter_plain(&c, 2, &body), 3);
    T_EQ(cur_u32(&body), 8);
    T_OK(cur_leave(&c, &body));
    T_EQ(cur_u8(&c), 0x5a);
    T_OK(cur_finish(&c));
}

T(envelope, a_reader_that_is_too_old_refuses)
{
    AUTO(writer) w = {0};
    size_t mark = wr_begin(&w, 3, 3);
    struct cursor c, body;

    wr_u32(&w, 7);
    wr_end(&w, mark);
    c = cur_over(w.data, w.len);
    T_EQ(cur_enter(&c, 2, &body), 0);
    T_EQ(cur_u32(&body), 0);
    T_EQ(cur_leave(&c, &body), -R_TOO_NEW);
}

T(envelope, a_body_that_ends_early_fails_the_whole)
{
    AUTO(writer) w = {0};
    size_t mark = wr_begin_plain(&w, 1, 1);
    struct cursor c, body;

    wr_u16(&w, 7);
    wr_end_plain(&w, mark);
    wr_u64(&w, 0); /* must not be read from inside the body */
    c = cur_over(w.data, w.len);
    T_EQ(cur_enter_plain(&c, 1, &body), 1);
    (void)cur_u32(&body);
    T_EQ(cur_leave(&c, &body), -R_TRUNCATED);
    T_EQ(c.rc, -R_TRUNCATED);
}

/* The head is covered, too: version and compat decide how the body is read. */
T(envelope, any_flipped_bit_of_a_sealed_one_is_noticed)
{
    AUTO(writer) w = {0};
    size_t mark = wr_begin(&w, 2, 1);

    wr_str(&w, "payload");
    wr_end(&w, mark);
    for (size_t bit = 0; bit < w.len * 8; bit++) {
        struct cursor c = cur_over(w.data, w.len), body;

        w.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        T_EQ(cur_enter(&c, 255, &body), 0);
        T_TRUE(c.rc == -R_CSUM_MISMATCH || c.rc == -R_TRUNCATED);
        T_EQ(cur_left(&body), 0);
        w.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

T(envelope, impossible_heads_are_malformed)
{
    static const struct {
        uint8_t version, compat;
    } rows[] = {{0, 0}, {1, 0}, {1, 2}};

    T_CASES (row, rows) {
        uint8_t data[6] = {row->version, row->compat};
        struct cursor c = cur_over(data, sizeof(data)), body;

        T_EQ(cur_enter_plain(&c, 9, &body), 0);
        T_EQ(cur_leave(&c, &body), -R_MALFORMED);
    }
}

T(envelope, a_sealed_one_has_the_documented_bytes)
{
    AUTO(writer) w = {0};
    size_t mark = wr_begin(&w, 2, 1);
    uint8_t covered[9] = {2, 1, 0, 0, 1, 0, 0, 0, 'x'};

    wr_u8(&w, 'x');
    wr_end(&w, mark);
    T_EQ(w.len, 13);
    T_MEM_EQ(w.data, covered, 8);
    T_EQ(w.data[12], 'x');
    T_EQ(w.data[8] | w.data[9] << 8 | w.data[10] << 16 | (uint32_t)w.data[11] << 24,
         crc32c(0, covered, 9));
}

/* Bytes made by a program of its own (not by a writer), kept for ever. */
T(envelope, golden_bytes_are_read_and_rebuilt)
{
    AUTO(writer) w = {0};
    uint8_t golden[200];
    struct cursor c, body, inner;
    size_t bytes = t_golden_read("envelope", golden, sizeof(golden)), sealed, plain;

    c = cur_over(golden, bytes);
    T_EQ(cur_enter(&c, 2, &body), 3);
    T_EQ(cur_u32(&body), 7);
    T_EQ(cur_u64(&body), (UINT64_C(1) << 63) + 1);
    T_EQ(cur_i32(&body), -2);
    T_TRUE(bytes_equal(cur_bytes(&body, 5), BYTES_STR("cairn")));
    T_TRUE(cur_bool(&body));
    cur_zeros(&body, 3);
    T_EQ(cur_enter_plain(&body, 1, &inner), 2);
    T_TRUE(bytes_equal(cur_raw(&inner, 3), BYTES_STR("abc")));
    T_OK(cur_leave(&body, &inner));
    T_OK(cur_finish(&body));
    T_OK(cur_leave(&c, &body));
    T_OK(cur_finish(&c));

    sealed = wr_begin(&w, 3, 2);
    wr_u32(&w, 7);
    wr_u64(&w, (UINT64_C(1) << 63) + 1);
    wr_i32(&w, -2);
    wr_str(&w, "cairn");
    wr_bool(&w, true);
    wr_zeros(&w, 3);
    plain = wr_begin_plain(&w, 2, 1);
    wr_raw(&w, "abc", 3);
    wr_end_plain(&w, plain);
    wr_end(&w, sealed);
    T_OK(w.rc);
    T_EQ(w.len, bytes);
    T_MEM_EQ(w.data, golden, bytes);
}

/* ---- writers ---- */

T(writer, a_fixed_one_fails_instead_of_growing)
{
    uint8_t memory[6] = {0, 0, 0, 0, 0, 0xee};
    struct writer w = wr_over(memory, 5);

    wr_u32(&w, 1);
    wr_u16(&w, 2);
    T_EQ(w.rc, -R_OVERFLOW);
    T_EQ(w.len, 4);
    wr_u8(&w, 3); /* would fit, but the failure stays */
    T_EQ(w.len, 4);
    T_EQ(memory[5], 0xee);
    writer_fini(&w);
}

static int write_many(struct writer *w)
{
    size_t mark = wr_begin(w, 1, 1);

    for (int i = 0; i < 100; i++)
        wr_str(w, "a string of some length");
    wr_put_u32(w, 0, 1);
    wr_end(w, mark);
    return w->rc;
}

T(writer, short_memory_is_remembered_and_harmless)
{
    struct writer w = {0};
    uint8_t *data;
    size_t len = 0;

    EACH_ALLOCATION_FAILS(4, write_many(&w), {
        T_EQ(wr_take(&w, &len), NULL);
        writer_fini(&w);
    });
    data = wr_take(&w, &len);
    T_TRUE(data != NULL);
    T_EQ(len, 12 + 100 * 27);
    T_EQ(w.data, NULL);
    mem_free(data);
}

T(writer, an_empty_one_gives_memory_too)
{
    struct writer w = {0};
    size_t len = 1;
    uint8_t *data = wr_take(&w, &len);

    T_TRUE(data != NULL);
    T_EQ(len, 0);
    mem_free(data);
    mem_fail_after(0);
    T_EQ(wr_take(&w, &len), NULL);
    mem_fail_after(-1);
    T_EQ(w.rc, -ENOMEM);
    writer_fini(&w);
}

T(writer, what_is_reserved_is_filled_without_more_memory)
{
    struct writer w = {0};

    wr_str(&w, "begin");
    wr_reserve(&w, 4096);
    mem_fail_after(0);
    for (int i = 0; i < 512; i++)
        wr_u64(&w, 1);
    T_OK(w.rc);
    wr_raw(&w, "more", 4);
    T_EQ(w.rc, -ENOMEM);
    mem_fail_after(-1);
    T_EQ(w.len, 9 + 4096);
    writer_fini(&w);

    mem_fail_after(0);
    wr_reserve(&w, 1);
    T_EQ(w.rc, -ENOMEM);
    mem_fail_after(-1);
    writer_fini(&w);
    wr_u8(&w, 1);
    wr_reserve(&w, SIZE_MAX); /* with what is there it is more than a size can say */
    T_EQ(w.rc, -ENOMEM);
    writer_fini(&w);
}

T(bytes, compare_orders_like_memcmp_and_shorter_first)
{
    static const struct {
        const char *a, *b;
        int sign;
    } rows[] = {{"", "", 0}, {"", "a", -1}, {"a", "ab", -1}, {"b", "ab", 1}, {"a", "\xff", -1}};

    T_CASES (row, rows) {
        int order = bytes_compare(BYTES_STR(row->a), BYTES_STR(row->b));
        int back = bytes_compare(BYTES_STR(row->b), BYTES_STR(row->a));

        T_EQ((order > 0) - (order < 0), row->sign);
        T_EQ((back > 0) - (back < 0), -row->sign);
    }
}
