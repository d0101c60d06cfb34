/* test_rows.c - rows of the index as bytes: golden, round trips, refusals.
 *
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/crc.h"
#include "s3/bucket/refs.h"
#include "tests/unit/s3/bucket/recode.h"
#include "tests/unit/t.h"

/* clang-format off */
#define SIXTEEN(n) {n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
/* clang-format on */

static const struct uuid id_a = {SIXTEEN(0xa0)}, id_b = {SIXTEEN(0xb0)};
static const struct stripes stripes = {{SIXTEEN(0xc0)}, 10000000, 4194304};
static const struct s3_header headers[] = {
    {{(const uint8_t *)"content-type", 12}, {(const uint8_t *)"text/plain", 10}},
    {{(const uint8_t *)"x-amz-meta-a", 12}, {(const uint8_t *)"", 0}},
};
static const struct s3_sum sum_crc = {CHECKSUM_CRC32C, S3_SUM_FULL, {0xf0, 1, 2, 3}};
static const struct s3_sum sum_sha = {CHECKSUM_SHA1, S3_SUM_COMPOSITE, SIXTEEN(0xf1)};

struct samples {
    struct writer w;
    size_t end[ROW_KINDS];
    size_t keys; /* behind the values: keys of rows, each as bytes */
};

static struct bytes written(const struct writer *w)
{
    return (struct bytes){w->data, (uint32_t)w->len};
}

static void samples_registry(struct samples *s)
{
    struct bucket_row bucket = {.id = id_a,
                                .token = id_b,
                                .state = BUCKET_DELETING,
                                .created_ns = 1700000000000000001,
                                .owner = BYTES_STR("alice")};
    AUTO(writer) raw = {0};
    struct props_row props = {.bucket = id_a};
    struct own_row own = {true, id_a, id_b, 1700000000000000001};
    struct shard_note note = {id_a, 7, BYTES_STR("box")};
    struct shard_row shard = {.bucket = id_a,
                              .token = id_b,
                              .no = 7,
                              .state = SHARD_CLOSED,
                              .generation = 0x1122334455667788,
                              .epoch = 9,
                              .from = BYTES_STR("k"),
                              .to = BYTES_STR("p"),
                              .next = 8,
                              .mapped = MAPPED_FROM};
    struct shard_row moving = {.bucket = id_a,
                               .no = 8,
                               .state = SHARD_OPEN,
                               .generation = 3,
                               .epoch = 9,
                               .from = BYTES_STR("p"),
                               .mapped = MAPPED_OTHER,
                               .mapped_from = BYTES_STR("q"),
                               .move = MOVE_IN,
                               .m = {.token = id_b,
                                     .peer = 7,
                                     .lo = BYTES_STR("o"),
                                     .hi = BYTES_STR("p"),
                                     .patience_ms = 60,
                                     .complete = true,
                                     .count = {1, 2, 3}}};

    bucket_row_encode(&bucket, &s->w);
    s->end[KIND_BUCKET] = s->w.len;
    headers_encode(headers, ARRAY_LEN(headers), &raw);
    props.props = written(&raw);
    props_row_encode(&props, &s->w);
    s->end[KIND_PROPS] = s->w.len;
    own_row_encode(&own, &s->w);
    s->end[KIND_OWN] = s->w.len;
    shard_note_encode(&note, &s->w);
    s->end[KIND_NOTE] = s->w.len;
    shard_row_encode(&shard, &s->w);
    s->end[KIND_SHARD] = s->w.len;
    shard_row_encode(&moving, &s->w);
    s->end[KIND_MOVING] = s->w.len;
    map_row_encode(8, &s->w);
    s->end[KIND_MAP] = s->w.len;
}

static void samples_objects(struct samples *s)
{
    struct stripes two[] = {stripes, {{SIXTEEN(0xd0)}, 5, 4194304}};
    const struct object_part parts[] = {{1, 10000000, sum_crc}, {10000, 5, {0}}};
    AUTO(buf) data = {0};
    AUTO(writer) raw = {0};
    AUTO(writer) tags = {0};
    struct entry_row entry = {.version = id_a,
                              .origin = id_b,
                              .place = ENTRY_STRIPES,
                              .size = 10000000,
                              .mtime_ns = 1700000000000000002,
                              .etag = {SIXTEEN(0xe0), 3},
                              .stripe = 4194304,
                              .acl = S3_ACL_PUBLIC_READ,
                              .sum = sum_sha};
    struct intent_row intent = {0x0102030405060708, GARBAGE_MANIFEST, stripes, id_b, 9};

    T_OK(buf_append_copy(&data, "data", 4));
    inline_row_encode(&id_a, &data, &s->w);
    s->end[KIND_INLINE] = s->w.len;
    manifest_encode(two, parts, 2, &s->w);
    s->end[KIND_MANIFEST] = s->w.len;
    headers_encode(headers, ARRAY_LEN(headers), &raw);
    entry.headers = written(&raw);
    headers_encode(headers, 1, &tags);
    entry.tags = written(&tags);
    entry_row_encode(&entry, &s->w);
    s->end[KIND_ENTRY] = s->w.len;
    intent_row_encode(&intent, &s->w);
    s->end[KIND_INTENT] = s->w.len;
}

static void samples_uploads(struct samples *s)
{
    AUTO(writer) raw = {0};
    struct garbage_row garbage = {GARBAGE_CLAIMED, GARBAGE_PARTS, 1, stripes, id_b, 9};
    struct upload_row upload = {.state = UPLOAD_SEALED,
                                .token = id_b,
                                .created_ns = 1700000000000000003,
                                .owner = BYTES_STR("alice"),
                                .acl = S3_ACL_PUBLIC_READ,
                                .sum = {CHECKSUM_CRC64NVME, S3_SUM_FULL, {0}}};
    struct part_row part = {stripes, SIXTEEN(0xe1), 1700000000000000004, sum_crc};
    struct result_row result = {.request = SIXTEEN(0xe2),
                                .size = 10000005,
                                .mtime_ns = 1700000000000000005,
                                .etag = {SIXTEEN(0xe3), 2},
                                .sum = sum_sha};
    static const struct uuid both[] = {{SIXTEEN(0xa0)}, {SIXTEEN(0xb0)}};
    struct refs refs = {2, both[0].b};

    garbage_row_encode(&garbage, &s->w);
    s->end[KIND_GARBAGE] = s->w.len;
    headers_encode(headers, 1, &raw);
    upload.headers = upload.tags = written(&raw);
    upload_row_encode(&upload, &s->w);
    s->end[KIND_UPLOAD] = s->w.len;
    part_row_encode(&part, &s->w);
    s->end[KIND_PART] = s->w.len;
    result_row_encode(&result, &s->w);
    s->end[KIND_RESULT] = s->w.len;
    refs_encode(&refs, &s->w);
    s->end[KIND_REFS] = s->w.len;
}

static void key_put(struct samples *s, const struct row_key *k)
{
    wr_bytes(&s->w, (struct bytes){k->b, k->len});
}

static void samples_keys(struct samples *s)
{
    struct row_key k;

    s->keys = s->w.len;
    row_key_map(&k, BYTES_STR("p"));
    key_put(s, &k);
    row_key_named(&k, ROW_ENTRY, BYTES_STR("a/b"));
    key_put(s, &k);
    row_key_named(&k, ROW_DATA, BYTES_STR("a/b"));
    key_put(s, &k);
    row_key_of(&k, ROW_MANIFEST, BYTES_STR("a/b"), &id_a);
    key_put(s, &k);
    row_key_of(&k, ROW_INTENT, BYTES_STR("a/b"), &id_a);
    key_put(s, &k);
    row_key_garbage(&k, BYTES_STR("a/b"), GARBAGE_PARTS, &id_a);
    key_put(s, &k);
    row_key_of(&k, ROW_UPLOAD, BYTES_STR("a/b"), &id_a);
    key_put(s, &k);
    row_key_part(&k, BYTES_STR("a/b"), &id_a, 10000);
    key_put(s, &k);
    row_key_of(&k, ROW_RESULT, BYTES_STR("a/b"), &id_a);
    key_put(s, &k);
}

static void samples_make(struct samples *s)
{
    memset(s, 0, sizeof(*s));
    samples_registry(s);
    samples_objects(s);
    samples_uploads(s);
    samples_keys(s);
    T_OK(s->w.rc);
}

static struct bytes sample(const struct samples *s, unsigned kind)
{
    size_t from = kind ? s->end[kind - 1] : 0;

    return (struct bytes){s->w.data + from, (uint32_t)(s->end[kind] - from)};
}

T(bucket_rows, version_1_is_what_it_always_was)
{
    struct samples s;

    samples_make(&s);
    T_GOLDEN("bucket", s.w.data, s.w.len);
    writer_fini(&s.w);
}

T(bucket_rows, a_row_is_read_as_it_was_written)
{
    struct samples s;

    samples_make(&s);
    for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
        struct bytes row = sample(&s, kind);
        AUTO(writer) again = {0};

        T_OK(row_recode(kind, row, &again));
        T_OK(again.rc);
        T_EQ(again.len, row.len);
        T_MEM_EQ(again.data, row.data, row.len);
    }
    writer_fini(&s.w);
}

T(bucket_rows, a_cut_or_rotten_row_or_one_with_a_tail_is_refused)
{
    struct samples s;

    samples_make(&s);
    for (unsigned kind = 0; kind < ROW_KINDS; kind++) {
        struct bytes row = sample(&s, kind);
        AUTO_FREE uint8_t *copy = mem_alloc((size_t)row.len + 1);
        AUTO(writer) again = {0};

        memcpy(copy, row.data, row.len);
        copy[row.len] = 0;
        T_LT(row_recode(kind, (struct bytes){copy, row.len + 1}, &again), 0);
        for (uint32_t i = 0; i < row.len; i++) {
            T_LT(row_recode(kind, (struct bytes){copy, i}, &again), 0);
            copy[i] ^= 0x10;
            T_LT(row_recode(kind, (struct bytes){copy, row.len}, &again), 0);
            copy[i] ^= 0x10;
        }
        T_EQ(again.len, 0);
    }
    writer_fini(&s.w);
}

T(bucket_rows, a_state_or_place_that_there_is_not_is_refused)
{
    static const struct {
        enum row_kind kind;
        uint32_t at; /* in the body */
        uint8_t low, high;
    } rows[] = {
        {KIND_BUCKET, 16, 1, 3}, {KIND_OWN, 0, 0, 1},     {KIND_SHARD, 32, 1, 3},
        {KIND_GARBAGE, 0, 1, 2}, {KIND_GARBAGE, 1, 2, 4}, {KIND_UPLOAD, 0, 1, 2},
        {KIND_INTENT, 8, 1, 2},  {KIND_ENTRY, 16, 2, 2}, /* its fields are of that place, or kind */
    };
    enum { HEAD = 12, CRC_AT = 8 };
    struct samples s;

    samples_make(&s);
    T_CASES (row, rows) {
        struct bytes value = sample(&s, row->kind);
        uint8_t *at = (uint8_t *)value.data, was = at[HEAD + row->at];

        for (unsigned v = 0; v < 256; v++) {
            AUTO(writer) again = {0};
            uint32_t crc;

            at[HEAD + row->at] = (uint8_t)v;
            crc = crc32c(crc32c(0, at, CRC_AT), at + HEAD, value.len - HEAD);
            for (unsigned i = 0; i < 4; i++)
                at[CRC_AT + i] = (uint8_t)(crc >> 8 * i);
            T_EQ(row_recode(row->kind, value, &again) == 0, v >= row->low && v <= row->high);
        }
        at[HEAD + row->at] = was;
    }
    writer_fini(&s.w);
}

T(bucket_rows, keys_sort_by_the_objects_key_first_and_give_it_back)
{
    struct row_key a, b;
    struct bytes key;
    struct uuid id;
    uint32_t number;

    row_key_of(&a, ROW_UPLOAD, BYTES_STR("a"), &id_b); /* all of a key before any that goes on */
    row_key_of(&b, ROW_UPLOAD, BYTES_STR("a\001"), &id_a);
    T_LT(bytes_compare((struct bytes){a.b, a.len}, (struct bytes){b.b, b.len}), 0);
    T_OK(row_key_parse((struct bytes){a.b, a.len}, &key, &id));
    T_TRUE(bytes_equal(key, BYTES_STR("a")) && uuid_equal(&id, &id_b));
    row_key_garbage(&a, BYTES_STR("a"), GARBAGE_RESULT, &id_b);
    row_key_garbage(&b, BYTES_STR("a\001"), GARBAGE_STRIPES, &id_a);
    T_LT(bytes_compare((struct bytes){a.b, a.len}, (struct bytes){b.b, b.len}), 0);
    T_OK(row_key_garbage_parse((struct bytes){b.b, b.len}, &key, &id));
    T_TRUE(bytes_equal(key, BYTES_STR("a\001")) && uuid_equal(&id, &id_a));
    T_LT(row_key_garbage_parse((struct bytes){a.b, a.len - 1}, &key, &id), 0);
    row_key_part(&a, BYTES_STR("a"), &id_a, 255);
    row_key_part(&b, BYTES_STR("a"), &id_a, 256);
    T_LT(bytes_compare((struct bytes){a.b, a.len}, (struct bytes){b.b, b.len}), 0);
    T_OK(row_key_part_parse((struct bytes){b.b, b.len}, &key, &id, &number));
    T_TRUE(bytes_equal(key, BYTES_STR("a")) && uuid_equal(&id, &id_a));
    T_EQ(number, 256);
    T_LT(row_key_part_parse((struct bytes){b.b, b.len - 1}, &key, &id, &number), 0);
}

/* ---- lists of references ---- */

struct named {
    struct writer w;
};

static struct bytes now(const struct named *l)
{
    return (struct bytes){l->w.data, (uint32_t)l->w.len};
}

static void becomes(struct named *l, struct writer *next)
{
    writer_fini(&l->w);
    l->w = *next;
    *next = (struct writer){0};
}

static int comes(struct named *l, const struct uuid *who)
{
    AUTO(writer) next = {0};
    int rc = refs_add(now(l), &id_a, who, &next);

    if (rc == 0)
        becomes(l, &next);
    return rc;
}

static int leaves(struct named *l, const struct uuid *who)
{
    AUTO(writer) next = {0};
    int rc = refs_release(now(l), &id_a, who, &next);

    if (rc == REFS_WRITE || rc == REFS_LAST)
        becomes(l, &next);
    else
        T_EQ(next.len, 0);
    return rc;
}

T(bucket_refs, what_was_never_copied_goes_with_its_version)
{
    struct named l = {0};

    T_EQ(leaves(&l, &id_a), REFS_DELETE);
    T_EQ(leaves(&l, &id_b), REFS_KEEP); /* a copy that did not come so far */
    T_EQ(refs_release_absent(&id_a, &id_a), REFS_DELETE);
    T_EQ(refs_release_absent(&id_a, &id_b), REFS_KEEP);
}

T(bucket_refs, only_the_last_one_erases_in_any_order)
{
    static const struct uuid id_c = {SIXTEEN(0xc0)};
    const struct uuid *who[] = {&id_a, &id_b, &id_c};

    for (unsigned i = 0; i < 27; i++) {
        unsigned a = i % 3, b = i / 3 % 3, c = i / 9;
        struct named l = {0};
        struct refs refs;

        if (a == b || b == c || a == c)
            continue;
        T_OK(comes(&l, &id_b));
        T_OK(comes(&l, &id_c));
        T_OK(comes(&l, &id_b)); /* again: it is there once */
        T_OK(refs_decode(now(&l), &refs));
        T_EQ(refs.count, 3);
        T_EQ(leaves(&l, who[a]), REFS_WRITE);
        T_EQ(leaves(&l, who[a]), REFS_KEEP);
        T_EQ(leaves(&l, who[b]), REFS_WRITE);
        T_EQ(leaves(&l, who[c]), REFS_LAST);
        T_EQ(leaves(&l, who[c]), REFS_ERASE); /* a collector died: another goes on */
        T_EQ(leaves(&l, who[a]), REFS_ERASE);
        T_EQ(comes(&l, who[1]), -R_DATA_LOST);
        writer_fini(&l.w);
    }
}

T(bucket_refs, a_list_is_bounded)
{
    struct named l = {0};
    struct uuid id = {{1}};

    for (unsigned i = 1; i < REFS_MAX; i++) {
        id.b[1] = (uint8_t)i;
        id.b[2] = (uint8_t)(i >> 8);
        T_OK(comes(&l, &id));
    }
    T_EQ(comes(&l, &id_b), -R_COPIES_FULL);
    T_LE(l.w.len, 65536); /* of an xattr */
    T_EQ(leaves(&l, &id), REFS_WRITE);
    T_OK(comes(&l, &id_b));
    writer_fini(&l.w);
}

T(bucket_refs, a_list_that_cannot_be_read_erases_nothing)
{
    static const uint8_t rot[20] = {1};
    AUTO(writer) next = {0};

    T_LT(refs_release((struct bytes){rot, sizeof(rot)}, &id_a, &id_a, &next), 0);
    T_LT(refs_add((struct bytes){rot, sizeof(rot)}, &id_a, &id_b, &next), 0);
    T_EQ(next.len, 0);
}
