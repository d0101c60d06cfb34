/* test_messages.c - every message survives its codec, and no bytes hurt a decoder. */
#include <stdio.h>

#include "tests/unit/proto/samples.h"
#include "tests/unit/t.h"

static struct bytes front_of(const struct encoded *e)
{
    return (struct bytes){e->front.data, (uint32_t)e->front.len};
}

static void encoded_same(const struct encoded *a, const struct encoded *b)
{
    T_EQ(a->front.len, b->front.len);
    T_MEM_EQ(a->front.data, b->front.data, a->front.len);
    T_TRUE(buf_equal(&a->data, &b->data));
}

T(messages, are_listed_once_by_ascending_id)
{
    size_t count = 0;

    for (; message_types[count]; count++) {
        const struct msg_type *t = message_types[count];

        T_TRUE(t->id > (count ? message_types[count - 1]->id : 0));
        T_GE(t->bytes, sizeof(struct msg));
        T_GT(t->front_max, 0);
    }
    T_EQ(count, 30);
    T_EQ(msg_osd_ping_type.id, 20);
    T_STR_EQ(msg_osd_ping_type.name, "osd_ping");
}

T(messages, samples_have_every_field)
{
    sample_table_check();
}

T(messages, come_out_as_they_went_in)
{
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *m = sample_message(message_types[i]), *back = NULL;
        AUTO(encoded) first = {0};
        AUTO(encoded) second = {0};

        T_OK(encoded_make(m, &first));
        T_LE(first.front.len, m->type->front_max);
        T_LE(first.data.bytes, m->type->data_max);
        T_OK(encoded_read(m->type, front_of(&first), &first.data, &back));
        sample_same(m, back);
        T_OK(encoded_make(back, &second));
        encoded_same(&first, &second);
        msg_free(m);
        msg_free(back);
    }
}

T(messages, zeroed_ones_come_out_as_they_went_in)
{
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *m = msg_create(message_types[i]), *back = NULL;
        AUTO(encoded) first = {0};
        AUTO(encoded) second = {0};

        T_TRUE(m != NULL);
        T_OK(encoded_make(m, &first));
        T_OK(encoded_read(m->type, front_of(&first), &first.data, &back));
        T_OK(encoded_make(back, &second));
        encoded_same(&first, &second);
        msg_free(m);
        msg_free(back);
    }
}

/* The file holds, for each message by id: u16 id, u32 front bytes, u32 data bytes, both. */
T(messages, golden_bytes_are_read_and_rebuilt)
{
    static uint8_t golden[128 << 10];
    struct cursor c;

    c = cur_over(golden, t_golden_read("messages", golden, sizeof(golden)));
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *want = sample_message(message_types[i]), *got = NULL;
        uint16_t id = cur_u16(&c);
        uint32_t front_bytes = cur_u32(&c), data_bytes = cur_u32(&c);
        struct bytes front = cur_raw(&c, front_bytes), payload = cur_raw(&c, data_bytes);
        AUTO(buf) data = {0};
        AUTO(encoded) now = {0};

        T_OK(c.rc);
        T_EQ(id, want->type->id);
        T_OK(buf_append_copy(&data, payload.data, payload.len));
        T_OK(encoded_read(want->type, front, &data, &got));
        sample_same(want, got);
        T_OK(encoded_make(want, &now));
        T_EQ(now.front.len, front.len);
        T_MEM_EQ(now.front.data, front.data, front.len);
        T_TRUE(buf_equal(&now.data, &data));
        msg_free(want);
        msg_free(got);
    }
    T_OK(cur_finish(&c));
}

/* The envelope's length as written here, so that the fields meet the end, not the envelope. */
static void front_cut(const struct encoded *e, size_t body_bytes, uint8_t *out)
{
    struct writer w = wr_over(out, 6);

    wr_u8(&w, 1);
    wr_u8(&w, 1);
    wr_u32(&w, (uint32_t)body_bytes);
    memcpy(out + 6, e->front.data + 6, body_bytes);
}

T(messages, cut_short_anywhere_are_refused)
{
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *m = sample_message(message_types[i]), *back = NULL;
        AUTO(encoded) e = {0};

        T_OK(encoded_make(m, &e));
        msg_free(m);
        for (size_t n = 0; n < e.front.len; n++) {
            uint8_t *cut = mem_dup(e.front.data, n); /* exact, for the sanitizer */

            T_EQ(encoded_read(message_types[i], (struct bytes){cut, (uint32_t)n}, &e.data, &back),
                 -R_TRUNCATED);
            mem_free(cut);
        }
        for (size_t n = 0; n + 6 < e.front.len; n++) {
            uint8_t *cut = mem_alloc(6 + n);

            T_TRUE(cut != NULL);
            front_cut(&e, n, cut);
            T_LT(encoded_read(message_types[i], (struct bytes){cut, (uint32_t)n + 6}, &e.data,
                              &back),
                 0);
            mem_free(cut);
        }
        T_TRUE(back == NULL);
    }
}

T(messages, payload_must_be_there_to_the_byte)
{
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *m = sample_message(message_types[i]), *back = NULL;
        AUTO(encoded) e = {0};

        T_OK(encoded_make(m, &e));
        msg_free(m);
        T_OK(buf_append_copy(&e.data, "x", 1));
        T_EQ(encoded_read(message_types[i], front_of(&e), &e.data, &back), -R_MALFORMED);
        if (e.data.bytes == 1)
            continue;
        buf_truncate(&e.data, e.data.bytes - 2);
        T_EQ(encoded_read(message_types[i], front_of(&e), &e.data, &back), -R_TRUNCATED);
        T_TRUE(back == NULL);
    }
}

T(messages, newer_tails_are_skipped_and_newer_formats_refused)
{
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *m = sample_message(message_types[i]), *back = NULL;
        AUTO(encoded) e = {0};

        T_OK(encoded_make(m, &e));
        wr_u64(&e.front, UINT64_MAX); /* a field that we do not know, and its payload */
        T_OK(e.front.rc);
        wr_put_u32(&e.front, 2, (uint32_t)e.front.len - 6);
        T_OK(buf_append_copy(&e.data, "more", 4));
        e.front.data[0] = 2;
        T_OK(encoded_read(m->type, front_of(&e), &e.data, &back));
        sample_same(m, back);
        msg_free(back);
        e.front.data[1] = 2;
        T_EQ(encoded_read(m->type, front_of(&e), &e.data, &back), -R_TOO_NEW);
        msg_free(m);
    }
}

T(messages, short_memory_fails_encoding_cleanly)
{
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *m = sample_message(message_types[i]);
        bool hit = true;

        for (int64_t n = 0; hit; n++) {
            struct encoded e;
            int rc;

            mem_fail_after(n);
            rc = encoded_make(m, &e);
            hit = mem_fail_hit();
            mem_fail_after(-1);
            T_EQ(rc, hit ? -ENOMEM : 0);
            encoded_fini(&e);
        }
        msg_free(m);
    }
}

/* What a span of entries touched degrades to "the whole object" when memory is short: that message
 * decodes, and says more than it did. */
static bool has_touched(const struct msg_type *t)
{
    return t == &msg_rep_op_type || t == &msg_pg_notify_type || t == &msg_pg_activate_type ||
           t == &msg_pg_pull_type;
}

T(messages, short_memory_fails_decoding_cleanly)
{
    for (size_t i = 0; message_types[i]; i++) {
        struct msg *m = sample_message(message_types[i]);
        AUTO(encoded) e = {0};
        bool hit = true;

        T_OK(encoded_make(m, &e));
        for (int64_t n = 0; hit; n++) {
            struct msg *back = NULL;
            int rc;

            mem_fail_after(n);
            rc = encoded_read(m->type, front_of(&e), &e.data, &back);
            hit = mem_fail_hit();
            mem_fail_after(-1);
            if (!hit || !has_touched(m->type))
                T_EQ(rc, hit ? -ENOMEM : 0);
            T_TRUE((rc == 0) == (back != NULL));
            if (!hit)
                sample_same(m, back);
            msg_free(back);
        }
        msg_free(m);
    }
}

/* One field of a message made wrong; the decoder must see it. */
static int spoiled(struct msg *m, void (*spoil)(struct msg *m))
{
    AUTO(encoded) e = {0};
    struct msg *back = NULL;
    int rc;

    spoil(m);
    T_OK(encoded_make(m, &e));
    rc = encoded_read(m->type, front_of(&e), &e.data, &back);
    msg_free(back);
    msg_free(m);
    return rc;
}

static void bad_query(struct msg *m)
{
    MESSAGE_AS(m, pg_query)->what = PG_QUERY_LOG + 1;
}

static void bad_scan(struct msg *m)
{
    MESSAGE_AS(m, pg_scan)->rows_max = PG_SCAN_ROWS_MAX + 1;
}

static void bad_addr(struct msg *m)
{
    strcpy(MESSAGE_AS(m, osd_boot)->addr.s, "no address");
}

static void good_empty_addr(struct msg *m)
{
    MESSAGE_AS(m, osd_boot)->addr.s[0] = '\0';
}

static void bad_key(struct msg *m)
{
    struct msg_pg_pull *p = MESSAGE_AS(m, pg_pull);

    mem_free((void *)p->omap_from.data);
    p->omap_from = (struct bytes){mem_zalloc(OMAP_KEY_MAX + 1), OMAP_KEY_MAX + 1};
}

static void bad_log_order(struct msg *m)
{
    MESSAGE_AS(m, pg_activate)->log.entries[1].version.seq = 10; /* as the one before */
}

T(messages, values_out_of_range_are_refused)
{
    T_EQ(spoiled(sample_message(&msg_pg_query_type), bad_query), -R_MALFORMED);
    T_EQ(spoiled(sample_message(&msg_pg_scan_type), bad_scan), -R_MALFORMED);
    T_EQ(spoiled(sample_message(&msg_osd_boot_type), bad_addr), -R_MALFORMED);
    T_EQ(spoiled(sample_message(&msg_osd_boot_type), good_empty_addr), 0);
    T_EQ(spoiled(sample_message(&msg_pg_pull_type), bad_key), -R_MALFORMED);
    T_EQ(spoiled(sample_message(&msg_pg_activate_type), bad_log_order), -R_MALFORMED);
}

T(messages, text_with_a_nul_inside_is_refused)
{
    struct msg *m = sample_message(&msg_mon_command_type), *back = NULL;
    AUTO(encoded) e = {0};
    uint8_t *at;

    T_OK(encoded_make(m, &e));
    msg_free(m);
    at = memmem(e.front.data, e.front.len, "argument 1", 10);
    T_TRUE(at != NULL);
    at[3] = 0;
    T_EQ(encoded_read(&msg_mon_command_type, front_of(&e), &e.data, &back), -R_MALFORMED);
}

T(messages, payload_is_not_copied)
{
    struct msg *m = sample_message(&msg_osd_op_type), *back = NULL;
    const struct msg_osd_op *sent = MESSAGE_AS(m, osd_op), *got;
    AUTO(encoded) e = {0};

    T_OK(encoded_make(m, &e));
    T_OK(encoded_read(m->type, front_of(&e), &e.data, &back));
    got = MESSAGE_AS(back, osd_op);
    T_EQ(sent->steps.step[4].kind, STEP_WRITE);
    T_TRUE(span_data(buf_spans_of(&sent->steps.step[4].data)) ==
           span_data(buf_spans_of(&got->steps.step[4].data)));
    msg_free(m);
    msg_free(back);
}
