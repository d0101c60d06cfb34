/* test_codec.c - messages and stored records: round trips, golden bytes, refusals.
 *
 */
#include "tests/unit/raft/samples.h"
#include "tests/unit/t.h"

typedef void encode_fn(struct writer *w);

static void encode_msgs(struct writer *w)
{
    for (uint32_t i = 0; i < SAMPLE_MSGS; i++) {
        struct raft_msg m = sample_msg(i);

        raft_msg_encode(w, &m);
    }
}

static void encode_entry(struct writer *w)
{
    struct raft_entry e = sample_entry();

    raft_entry_encode(w, &e);
}

static void encode_hard(struct writer *w)
{
    raft_hard_encode(w, &(struct raft_hard){.term = 77, .vote = 3});
}

static void encode_snap(struct writer *w)
{
    struct raft_snap s = sample_snap();

    raft_snap_encode(w, &s);
}

static const struct {
    const char *name;
    encode_fn *encode;
} golden[] = {
    {"raft-msg", encode_msgs},
    {"raft-entry", encode_entry},
    {"raft-hard", encode_hard},
    {"raft-snap", encode_snap},
};

T(raft_codec, version_1_is_what_it_always_was)
{
    T_CASES (row, golden) {
        struct writer w = {0};

        row->encode(&w);
        T_OK(w.rc);
        T_GOLDEN(row->name, w.data, w.len);
        writer_fini(&w);
    }
}

static void same_entries(const struct raft_msg *a, const struct raft_msg *b)
{
    T_EQ(a->entry_count, b->entry_count);
    for (uint32_t i = 0; i < a->entry_count; i++) {
        T_EQ(a->entries[i].pos.index, b->entries[i].pos.index);
        T_EQ(a->entries[i].pos.term, b->entries[i].pos.term);
        T_EQ(a->entries[i].type, b->entries[i].type);
        T_TRUE(bytes_equal(a->entries[i].data, b->entries[i].data));
    }
}

T(raft_codec, a_message_comes_back_as_it_was)
{
    for (uint32_t i = 0; i < SAMPLE_MSGS; i++) {
        struct raft_msg in = sample_msg(i), out = {0};
        struct writer w = {0};
        struct cursor c;

        raft_msg_encode(&w, &in);
        T_OK(w.rc);
        c = cur_over(w.data, w.len);
        T_OK(raft_msg_decode(&c, &out));
        T_OK(cur_finish(&c));
        T_EQ(out.type, in.type);
        T_EQ(out.from, in.from);
        T_EQ(out.to, in.to);
        T_EQ(out.term, in.term);
        T_EQ(out.pos.index, in.pos.index);
        T_EQ(out.pos.term, in.pos.term);
        T_EQ(out.refused_index, in.refused_index);
        T_EQ(out.commit, in.commit);
        T_EQ(out.round, in.round);
        T_EQ(out.sent_ms, in.sent_ms);
        T_EQ(out.ok, in.ok);
        T_EQ(out.force, in.force);
        T_EQ(out.offset, in.offset);
        T_EQ(out.read_id, in.read_id);
        T_EQ(out.snap.bytes, in.snap.bytes);
        T_EQ(out.snap.members.count, in.snap.members.count);
        T_EQ(out.snap.members.m[2].learner, in.snap.members.m[2].learner);
        T_TRUE(bytes_equal(out.chunk, in.chunk));
        same_entries(&out, &in);
        raft_msg_fini(&out);
        writer_fini(&w);
    }
}

T(raft_codec, stored_records_come_back_and_rot_is_seen)
{
    struct writer w = {0};
    struct raft_entry e, want = sample_entry();
    struct raft_hard h;
    struct raft_snap s;
    struct cursor c;

    encode_entry(&w);
    encode_hard(&w);
    encode_snap(&w);
    c = cur_over(w.data, w.len);
    T_OK(raft_entry_decode(&c, &e));
    T_OK(raft_hard_decode(&c, &h));
    T_OK(raft_snap_decode(&c, &s));
    T_OK(cur_finish(&c));
    T_EQ(e.pos.index, want.pos.index);
    T_TRUE(bytes_equal(e.data, want.data));
    T_EQ(h.term, 77u);
    T_EQ(h.vote, 3u);
    T_EQ(s.pos.index, 100u);
    T_TRUE(s.members.m[2].learner);
    for (size_t i = 12; i < 12 + 17; i++) { /* in the first record's body */
        w.data[i] ^= 1;
        c = cur_over(w.data, w.len);
        T_EQ(raft_entry_decode(&c, &e), -R_CSUM_MISMATCH);
        w.data[i] ^= 1;
    }
    writer_fini(&w);
}

static int decode_patched(uint32_t sample, size_t at, const void *patch, size_t bytes)
{
    struct raft_msg m = sample_msg(sample), out = {0};
    struct writer w = {0};
    struct cursor c;
    int rc;

    raft_msg_encode(&w, &m);
    T_TRUE(at + bytes <= w.len);
    memcpy(w.data + at, patch, bytes);
    c = cur_over(w.data, w.len);
    rc = raft_msg_decode(&c, &out);
    raft_msg_fini(&out);
    writer_fini(&w);
    return rc;
}

T(raft_codec, what_breaks_the_format_is_refused)
{
    enum { HEAD = 6, TYPE = HEAD, FROM = 7, TO = 11, TERM = 15, BODY = 23 };
    static const uint8_t ff[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t zero[8] = {0}, two[1] = {2}, fourteen[1] = {14};
    static const struct {
        uint32_t sample;
        size_t at;
        const uint8_t *patch;
        size_t bytes;
        int rc;
    } rows[] = {
        {0, 0, zero, 1, -R_MALFORMED}, /* version 0, compat 1 */
        {0, 1, two, 1, -R_MALFORMED},  /* compat above version */
        {0, 0, (const uint8_t *)"\2\2", 2, -R_TOO_NEW},
        {0, TYPE, zero, 1, -R_MALFORMED},
        {0, TYPE, fourteen, 1, -R_MALFORMED},
        {0, FROM, zero, 4, -R_MALFORMED},
        {0, TO, zero, 4, -R_MALFORMED},
        {0, TERM, ff, 8, -R_MALFORMED},
        {0, BODY, ff, 8, -R_MALFORMED},        /* index */
        {0, BODY + 8, zero, 8, -R_MALFORMED},  /* an index of no term */
        {0, BODY + 16, two, 1, -R_MALFORMED},  /* force */
        {4, BODY + 40, ff, 4, -R_MALFORMED},   /* entry count */
        {4, BODY + 44, zero, 8, -R_MALFORMED}, /* an entry of term 0 */
        {4, BODY + 52, zero, 1, -R_MALFORMED}, /* of no type */
        {4, BODY + 53, ff, 4, -R_MALFORMED},   /* of any length */
        {8, BODY + 40, ff, 4, -R_MALFORMED},   /* members */
        {8, BODY + 44, zero, 4, -R_MALFORMED}, /* member 0 */
    };

    T_CASES (row, rows)
        T_EQ(decode_patched(row->sample, row->at, row->patch, row->bytes), row->rc);
}

T(raft_codec, any_failing_allocation_is_enomem)
{
    struct raft_msg m = sample_msg(4), out = {0};
    struct writer w = {0};
    struct cursor c;

    mem_fail_after(0);
    raft_msg_encode(&w, &m);
    mem_fail_after(-1);
    T_EQ(w.rc, -ENOMEM);
    writer_fini(&w);
    raft_msg_encode(&w, &m);
    c = cur_over(w.data, w.len);
    mem_fail_after(0);
    T_EQ(raft_msg_decode(&c, &out), -ENOMEM);
    mem_fail_after(-1);
    T_TRUE(out.entries == NULL);
    writer_fini(&w);
}
