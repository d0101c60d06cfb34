/* fuzz_steps.c - decodes arbitrary bytes as an operation, or as its results.
 *
 * Input: u8 (even: steps, odd: results), u32 length of the front (more than there is: all of it),
 * the front; the rest is payload.  Every byte that the result points to is read; what steps_valid
 * takes is as it must be for whoever runs it, and encodes to what decodes the same. */
#include "core/base/crc.h"
#include "core/proto/steps.h"
#include "core/store/txn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Read it, for the sanitizer. */
static void touch(struct bytes b)
{
    (void)crc32c(0, b.data, b.len); /* only reading counts */
}

static void touch_pairs(const struct step_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        touch(pairs[i].key);
        touch(pairs[i].value);
    }
}

static void encoded_same(struct writer *a, struct buf *a_data, struct writer *b, struct buf *b_data)
{
    ASSERT(a->rc == 0);
    ASSERT(b->rc == 0);
    ASSERT(a->len == b->len);
    ASSERT(memcmp(a->data, b->data, a->len) == 0);
    ASSERT(buf_equal(a_data, b_data));
}

static void check_step(const struct step *st)
{
    uint64_t off = st->kind == STEP_WRITE ? st->off : 0;

    ASSERT(st->kind > 0 && st->kind < STEP_KIND_END);
    ASSERT(st->data.bytes <= OBJECT_BYTES_MAX);
    ASSERT(off <= OBJECT_BYTES_MAX - st->data.bytes);
    ASSERT(st->off + st->len >= st->off);
    if (st->data.bytes)
        ASSERT(crcs_check(off, &st->data, st->crcs) <= 0);
}

static void fuzz_steps(struct cursor *front, struct buf *payload)
{
    AUTO(steps) s = {0};
    AUTO(steps) back = {0};
    AUTO(writer) w = {0};
    AUTO(writer) w2 = {0};
    AUTO(buf) data = {0};
    AUTO(buf) data2 = {0};
    AUTO(buf) copy = {0};
    bool wrote = false;
    struct cursor c;
    int rc;

    rc = steps_decode(front, payload, &s);
    ASSERT(rc == front->rc);
    if (rc < 0)
        return;
    for (uint32_t i = 0; i < s.count; i++) {
        touch(s.step[i].key);
        touch(s.step[i].value);
        touch_pairs(s.step[i].pairs_in, s.step[i].pair_in_count);
    }
    if (steps_valid(&s) < 0)
        return;
    for (uint32_t i = 0; i < s.count; i++) {
        check_step(&s.step[i]);
        ASSERT(!wrote || s.step[i].kind >= STEP_CREATE);
        wrote = s.step[i].kind >= STEP_CREATE;
    }
    ASSERT(wrote == steps_write(&s));
    steps_encode(&s, &w, &data);
    rc = buf_append(&copy, &data, 0, data.bytes);
    ASSERT(rc == 0);
    c = cur_over(w.data, w.len);
    rc = steps_decode(&c, &copy, &back);
    ASSERT(rc == 0);
    ASSERT(copy.bytes == 0);
    steps_encode(&back, &w2, &data2);
    encoded_same(&w, &data, &w2, &data2);
}

static void fuzz_results(struct cursor *front, struct buf *payload)
{
    AUTO(step_results) r = {0};
    AUTO(step_results) back = {0};
    AUTO(writer) w = {0};
    AUTO(writer) w2 = {0};
    AUTO(buf) data = {0};
    AUTO(buf) data2 = {0};
    AUTO(buf) copy = {0};
    struct cursor c;
    int rc = step_results_decode(front, payload, &r);

    ASSERT(rc == front->rc);
    if (rc < 0)
        return;
    for (uint32_t i = 0; i < r.count; i++) {
        touch((struct bytes){r.result[i].crcs, 4 * r.result[i].crc_count});
        touch_pairs(r.result[i].pairs, r.result[i].pair_count);
    }
    (void)step_results_fit(&r); /* any answer will do: it must not fall over */
    step_results_encode(&r, &w, &data);
    rc = buf_append(&copy, &data, 0, data.bytes);
    ASSERT(rc == 0);
    c = cur_over(w.data, w.len);
    rc = step_results_decode(&c, &copy, &back);
    ASSERT(rc == 0);
    ASSERT(copy.bytes == 0);
    step_results_encode(&back, &w2, &data2);
    encoded_same(&w, &data, &w2, &data2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct cursor c = cur_over(data, bytes), front;
    bool results = cur_u8(&c) & 1;
    uint32_t front_bytes = cur_u32(&c);
    struct bytes head = cur_raw(&c, MIN(front_bytes, cur_left(&c)));
    struct bytes rest = cur_raw(&c, cur_left(&c));
    AUTO(buf) payload = {0};
    int rc;

    if (c.rc < 0)
        return 0;
    rc = buf_append_copy(&payload, rest.data, rest.len);
    ASSERT(rc == 0);
    front = cur_over(head.data, head.len);
    if (results)
        fuzz_results(&front, &payload);
    else
        fuzz_steps(&front, &payload);
    return 0;
}
