#include <pthread.h>

#include "core/base/buf.h"
#include "core/base/crc.h"
#include "core/base/rng.h"
#include "tests/unit/base/fail.h"

/* ---- blobs ---- */

T(blob, payload_of_a_page_or_more_is_aligned_for_direct_io)
{
    static const size_t sizes[] = {0, 1, 15, 4095, 4096, 4097, 65536, 1000003};

    T_CASES (bytes, sizes) {
        struct blob *b = blob_create(*bytes);

        T_TRUE(b != NULL);
        T_EQ(b->bytes, *bytes);
        T_EQ((uintptr_t)b->data % (*bytes < BUF_ALIGN ? 16 : BUF_ALIGN), 0);
        memset(b->data, 0xa5, *bytes);
        T_EQ(b->refs, 1); /* the bytes and the struct lie apart */
        blob_unref(b);
    }
    T_EQ(blob_create((UINT64_C(1) << 30) + 1), NULL);
    blob_unref(NULL);
}

struct watched {
    struct blob blob;
    int released;
};

static void count_release(struct blob *b)
{
    CONTAINER_OF(b, struct watched, blob)->released++;
}

T(blob, is_released_once_after_its_last_holder)
{
    uint8_t byte = 1;
    struct watched w = {.blob = {.refs = 1, .bytes = 1, .data = &byte, .release = count_release}};
    struct buf a = {0}, b = {0};

    T_OK(buf_append_blob(&a, &w.blob, 0, 1));
    T_OK(buf_append(&b, &a, 0, 1));
    blob_unref(&w.blob);
    buf_fini(&a);
    T_EQ(w.released, 0);
    buf_drop_front(&b, 1);
    T_EQ(w.released, 1);
    buf_fini(&b);
    T_EQ(w.released, 1);
}

struct holder {
    struct buf mine; /* owned by its thread */
    uint32_t crc;
};

static void *hold_and_drop(void *arg)
{
    struct holder *h = arg;

    for (int i = 0; i < 20000; i++) {
        struct buf part;

        if (buf_slice(&h->mine, 1, 5000, &part) == 0)
            h->crc ^= part.span_count;
        buf_fini(&part);
    }
    h->crc = buf_crc32c(&h->mine, 0, h->mine.bytes);
    buf_fini(&h->mine); /* one of the threads is the last holder */
    return NULL;
}

T(blob, holders_on_many_threads_count_together)
{
    struct holder holders[3] = {0};
    struct buf whole = {0};
    pthread_t threads[3];
    uint8_t *data = mem_zalloc(6000);
    uint32_t crc = crc32c(0, data, 6000);

    T_OK(buf_append_copy(&whole, data, 6000));
    mem_free(data);
    for (int i = 0; i < 3; i++)
        T_OK(buf_append(&holders[i].mine, &whole, 0, 6000));
    for (int i = 0; i < 3; i++)
        T_EQ(pthread_create(&threads[i], NULL, hold_and_drop, &holders[i]), 0);
    buf_fini(&whole);
    for (int i = 0; i < 3; i++) {
        T_EQ(pthread_join(threads[i], NULL), 0);
        T_EQ(holders[i].crc, crc);
    }
}

/* ---- against a flat model ---- */

enum { FLAT_MAX = 300000 };

struct flat {
    uint8_t data[FLAT_MAX];
    size_t bytes;
};

static void flat_check(const struct buf *b, const struct flat *f, struct rng *rng)
{
    static uint8_t out[FLAT_MAX];
    const struct span *spans = buf_spans_of(b);
    uint64_t off = rng_between(rng, 0, f->bytes);
    uint64_t bytes = rng_between(rng, 0, f->bytes - off), sum = 0;
    const uint8_t *at;

    T_EQ(b->bytes, f->bytes);
    for (uint32_t i = 0; i < b->span_count; i++) {
        T_GT(spans[i].bytes, 0);
        sum += spans[i].bytes;
    }
    T_EQ(sum, b->bytes);
    memset(out, 0x11, bytes);
    buf_copy_out(b, off, out, bytes);
    T_MEM_EQ(out, f->data + off, bytes);
    T_EQ(buf_crc32c(b, off, bytes), crc32c(0, f->data + off, bytes));
    at = buf_contiguous(b, off, bytes);
    if (at)
        T_MEM_EQ(at, f->data + off, bytes);
    else
        T_TRUE(b->span_count > 1);
    T_EQ(buf_contiguous(b, off, f->bytes - off + 1), NULL);
    T_EQ(buf_contiguous(b, f->bytes + 1, 0), NULL);
}

static void flat_add(struct flat *f, const void *data, size_t bytes)
{
    memcpy(f->data + f->bytes, data, bytes);
    f->bytes += bytes;
}

/* One random change to both; `other` is a second buf to share with. */
static void change(struct buf *b, struct flat *f, struct buf *other, struct flat *other_flat,
                   struct rng *rng)
{
    static uint8_t data[5000];
    uint64_t room = FLAT_MAX - f->bytes, most;
    uint64_t off, bytes;
    struct buf part;

    switch (rng_below(rng, 8)) {
    case 0:
        bytes = rng_between(rng, 0, MIN(room, sizeof(data)));
        for (size_t i = 0; i < bytes; i++)
            data[i] = (uint8_t)rng_u64(rng);
        T_OK(buf_append_copy(b, data, bytes));
        flat_add(f, data, bytes);
        break;
    case 1:
        most = rng_chance(rng, 1, 4) ? 150000 : 300;
        bytes = rng_between(rng, 0, MIN(room, most));
        T_OK(buf_append_zeros(b, bytes));
        memset(f->data + f->bytes, 0, bytes);
        f->bytes += bytes;
        break;
    case 2:
        off = rng_between(rng, 0, other_flat->bytes);
        bytes = rng_between(rng, 0, MIN(other_flat->bytes - off, room));
        T_OK(buf_append(b, other, off, bytes));
        flat_add(f, other_flat->data + off, bytes);
        break;
    case 3: /* itself */
        off = rng_between(rng, 0, f->bytes);
        bytes = rng_between(rng, 0, MIN(f->bytes - off, room));
        T_OK(buf_append(b, b, off, bytes));
        flat_add(f, f->data + off, bytes);
        break;
    case 4:
        bytes = rng_between(rng, 0, f->bytes / 2);
        buf_drop_front(b, bytes);
        memmove(f->data, f->data + bytes, f->bytes - bytes);
        f->bytes -= bytes;
        break;
    case 5:
        f->bytes = rng_between(rng, f->bytes / 2, f->bytes);
        buf_truncate(b, f->bytes);
        break;
    case 6:
        off = rng_between(rng, 0, f->bytes / 2);
        bytes = rng_between(rng, 0, f->bytes - off);
        T_OK(buf_slice(b, off, bytes, &part));
        buf_fini(b);
        *b = buf_move(&part);
        T_EQ(part.bytes, 0);
        memmove(f->data, f->data + off, bytes);
        f->bytes = bytes;
        break;
    case 7:
        T_OK(buf_flatten(b));
        T_LE(b->span_count, 1);
        if (f->bytes >= BUF_ALIGN)
            T_EQ((uintptr_t)span_data(buf_spans_of(b)) % BUF_ALIGN, 0);
        break;
    }
}

T(buf, any_row_of_operations_matches_flat_memory)
{
    static struct flat flats[2];
    struct buf bufs[2] = {{0}, {0}};
    struct rng rng;

    rng_seed(&rng, 20261121);
    for (int step = 0; step < 3000; step++) {
        unsigned i = (unsigned)rng_below(&rng, 2);

        change(&bufs[i], &flats[i], &bufs[!i], &flats[!i], &rng);
        flat_check(&bufs[i], &flats[i], &rng);
        T_EQ(buf_equal(&bufs[0], &bufs[1]),
             flats[0].bytes == flats[1].bytes &&
                 memcmp(flats[0].data, flats[1].data, flats[0].bytes) == 0);
    }
    buf_fini(&bufs[0]);
    buf_fini(&bufs[1]);
}

/* ---- sharing ---- */

T(buf, slicing_and_joining_copy_no_payload)
{
    AUTO(buf) whole = {0};
    AUTO(buf) joined = {0};
    AUTO(buf) head, tail;

    T_OK(buf_append_copy(&whole, "hello, world", 12));
    T_OK(buf_slice(&whole, 0, 5, &head));
    T_OK(buf_slice(&whole, 5, 7, &tail));
    T_EQ(span_data(buf_spans_of(&tail)), span_data(buf_spans_of(&whole)) + 5);
    T_OK(buf_append(&joined, &head, 0, 5));
    T_OK(buf_append(&joined, &tail, 0, 7));
    T_EQ(joined.span_count, 1); /* neighbours are merged */
    T_EQ(buf_spans_of(&joined)->blob, buf_spans_of(&whole)->blob);
    T_TRUE(buf_equal(&joined, &whole));
    T_EQ(buf_spans_of(&whole)->blob->refs, 4);
}

T(buf, flattening_what_is_flat_copies_nothing)
{
    static const uint32_t offs[] = {0, 1, 4096};

    T_CASES (off, offs) {
        struct blob *blob = blob_create(12288);
        AUTO(buf) b = {0};

        memset(blob->data, 1, 12288);
        T_OK(buf_append_blob(&b, blob, *off, 8000));
        T_OK(buf_flatten(&b));
        T_EQ(buf_spans_of(&b)->blob == blob, *off != 1);
        T_EQ((uintptr_t)span_data(buf_spans_of(&b)) % BUF_ALIGN, 0);
        buf_fini(&b);
        T_OK(buf_append_blob(&b, blob, *off, 100)); /* too small for direct I/O to care */
        T_OK(buf_flatten(&b));
        T_EQ(buf_spans_of(&b)->blob, blob);
        blob_unref(blob);
    }
}

T(buf, zeros_take_no_memory_of_their_own)
{
    AUTO(buf) a = {0};

    mem_fail_after(0);
    for (int i = 0; i < 1000; i++)
        T_OK(buf_append_zeros(&a, 60));
    mem_fail_after(-1);
    T_EQ(a.bytes, 60000);
    T_EQ(a.span_count, 1);
}

T(buf, zeros_shared_with_others_stay_zero)
{
    AUTO(buf) a = {0};
    AUTO(buf) b = {0};
    uint8_t byte = 1;

    T_OK(buf_append_zeros(&a, 10));
    T_OK(buf_append(&b, &a, 0, 10));
    T_OK(buf_append_zeros(&a, 10)); /* must not lengthen b's span */
    T_EQ(b.bytes, 10);
    T_EQ(buf_spans_of(&b)->bytes, 10);
    buf_copy_out(&a, 19, &byte, 1);
    T_EQ(byte, 0);
    T_NE(buf_spans_of(&a)->blob->refs, 1); /* nobody may think it is alone with it */
}

T(buf, equal_compares_bytes_not_spans)
{
    AUTO(buf) a = {0};
    AUTO(buf) b = {0};

    T_TRUE(buf_equal(&a, &b));
    T_OK(buf_append_copy(&a, "ab", 2));
    T_OK(buf_append_copy(&a, "cd", 2));
    T_OK(buf_append_copy(&b, "abc", 3));
    T_FALSE(buf_equal(&a, &b));
    T_OK(buf_append_copy(&b, "d", 1));
    T_TRUE(buf_equal(&a, &b));
    buf_truncate(&b, 3);
    T_OK(buf_append_copy(&b, "e", 1));
    T_FALSE(buf_equal(&a, &b));
}

T(buf, ranges_outside_are_caught)
{
    AUTO(buf) b = {0};
    uint8_t out[8];

    T_OK(buf_append_copy(&b, "1234", 4));
    T_ABORTS(buf_copy_out(&b, 2, out, 3));
    T_ABORTS(buf_drop_front(&b, 5));
    T_ABORTS(buf_truncate(&b, 5));
    T_ABORTS((void)buf_crc32c(&b, UINT64_MAX, 2));
}

/* ---- short memory ---- */

static void expect(const struct buf *b, const char *text)
{
    char got[64];

    T_EQ(b->bytes, strlen(text));
    buf_copy_out(b, 0, got, b->bytes);
    T_MEM_EQ(got, text, b->bytes);
}

/* Six pieces of one byte each, without room for more. */
static void six(struct buf *b)
{
    for (int i = 0; i < 6; i++)
        T_OK(buf_append_copy(b, &"abcdef"[i], 1));
}

T(buf, short_memory_leaves_the_target_unchanged)
{
    AUTO(buf) b = {0};
    AUTO(buf) more = {0};
    AUTO(buf) part = {0};

    six(&more);
    six(&b);
    EACH_ALLOCATION_FAILS(1, buf_append(&b, &more, 0, 6), expect(&b, "abcdef"));
    expect(&b, "abcdefabcdef");
    buf_fini(&b);
    T_OK(buf_append(&b, &more, 0, 2));
    EACH_ALLOCATION_FAILS(2, buf_append_copy(&b, "x", 1), expect(&b, "ab"));
    expect(&b, "abx");
    EACH_ALLOCATION_FAILS(1, buf_flatten(&b), expect(&b, "abx"));
    T_EQ(b.span_count, 1);
    EACH_ALLOCATION_FAILS(1, buf_slice(&more, 0, 6, &part), T_EQ(part.bytes, 0));
    expect(&part, "abcdef");
    buf_fini(&b);
    T_OK(buf_append(&b, &more, 0, 2));
    EACH_ALLOCATION_FAILS(1, buf_append_zeros(&b, 200000), expect(&b, "ab"));
    T_EQ(b.bytes, 200002);
}
