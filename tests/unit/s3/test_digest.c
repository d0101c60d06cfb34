/* test_digest.c - digests, checksums and their texts; values of RFCs and catalogues. */
#include "tests/unit/t.h"
#include "s3/auth/checksum.h"
#include "s3/auth/lanes.h"

T(s3_digest, hashes_have_their_known_values)
{
    static const struct {
        enum hash_kind kind;
        const char *hex;
    } rows[] = {
        {HASH_MD5, "900150983cd24fb0d6963f7d28e17f72"},
        {HASH_SHA1, "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {HASH_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    };
    struct digest_kit kit;
    struct hash h = {0};
    uint8_t sum[SHA256_BYTES];
    char hex[65];

    T_OK(digest_kit_init(&kit));
    T_CASES (row, rows) {
        T_OK(hash_begin(&h, &kit, row->kind));
        hash_add(&h, "a", 1);
        hash_add(&h, "bc", 2);
        hash_end(&h, sum);
        hex_put(sum, strlen(row->hex) / 2, hex);
        T_STR_EQ(hex, row->hex);
    }
    hash_fini(&h);
    digest_kit_fini(&kit);
}

/* RFC 4231, test cases 1, 2 and 6. */
T(s3_digest, hmac_is_that_of_its_rfc)
{
    static uint8_t a_131[131], b_20[20];
    static const struct {
        const void *key;
        size_t key_bytes;
        const char *data, *hex;
    } rows[] = {
        {b_20, sizeof(b_20), "Hi There",
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {"Jefe", 4, "what do ya want for nothing?",
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {a_131, sizeof(a_131), "Test Using Larger Than Block-Size Key - Hash Key First",
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    };
    struct digest_kit kit;
    struct hash h = {0};
    uint8_t sum[SHA256_BYTES];
    char hex[65];

    memset(a_131, 0xaa, sizeof(a_131));
    memset(b_20, 0x0b, sizeof(b_20));
    T_OK(digest_kit_init(&kit));
    T_CASES (row, rows) {
        T_OK(hmac_sha256(&h, &kit, row->key, row->key_bytes, row->data, strlen(row->data), sum));
        hex_put(sum, sizeof(sum), hex);
        T_STR_EQ(hex, row->hex);
    }
    hash_fini(&h);
    digest_kit_fini(&kit);
}

/* The "check" values of the catalogue of CRCs, over the digits 1 to 9. */
T(s3_digest, checksums_have_their_known_values)
{
    static const struct {
        enum checksum_kind kind;
        const char *hex;
    } rows[] = {
        {CHECKSUM_CRC32, "cbf43926"},
        {CHECKSUM_CRC32C, "e3069283"},
        {CHECKSUM_CRC64NVME, "ae8b14860a799888"},
        {CHECKSUM_SHA1, "f7c3bc1d808e04732adf679965ccc34ca7ae3441"},
        {CHECKSUM_SHA256, "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"},
    };
    struct digest_kit kit;
    struct checksum c = {0};
    uint8_t sum[CHECKSUM_BYTES_MAX];
    char hex[65];

    T_OK(digest_kit_init(&kit));
    T_CASES (row, rows) {
        T_EQ(checksum_bytes(row->kind), strlen(row->hex) / 2);
        T_OK(checksum_begin(&c, &kit, row->kind));
        checksum_add(&c, "1234", 4);
        checksum_add(&c, "56789", 5);
        checksum_end(&c, sum);
        hex_put(sum, checksum_bytes(row->kind), hex);
        T_STR_EQ(hex, row->hex);
        T_EQ(checksum_of_field(BYTES_STR(checksum_field(row->kind))), row->kind);
        T_EQ(checksum_of_name(BYTES_STR(checksum_name(row->kind))), row->kind);
    }
    T_EQ(checksum_of_field(BYTES_STR("")), CHECKSUM_NONE);
    T_EQ(checksum_of_name(BYTES_STR("MD5")), CHECKSUM_NONE);
    checksum_fini(&c);
    digest_kit_fini(&kit);
}

T(s3_digest, base64_has_one_text_for_each_value)
{
    static const struct {
        const char *text;
        size_t bytes;
        bool good;
    } rows[] = {
        {"AAAA", 3, true},  {"/+8=", 2, true},    {"/w==", 1, true},  {"/x==", 1, false},
        {"/+9=", 2, false}, {"AAA", 3, false},    {"AAAA", 2, false}, {"A=AA", 3, false},
        {"AA A", 3, false}, {"AAAA\n", 3, false}, {"", 1, false},     {"====", 3, false},
        {"-_8=", 2, false},
    };
    uint8_t out[8];

    T_CASES (row, rows)
        T_EQ(base64_get(BYTES_STR(row->text), out, row->bytes), row->good);
    T_TRUE(base64_get(BYTES_STR("/+8="), out, 2));
    T_EQ(out[0], 0xff);
    T_EQ(out[1], 0xef);
}

T(s3_digest, hexadecimal_is_lower_case_and_whole)
{
    uint8_t out[2];
    char text[5];

    T_TRUE(hex_get(BYTES_STR("0aff"), out, 2));
    T_EQ(out[0], 0x0a);
    T_FALSE(hex_get(BYTES_STR("0AFF"), out, 2));
    T_FALSE(hex_get(BYTES_STR("0af"), out, 2));
    T_FALSE(hex_get(BYTES_STR("0affa"), out, 2));
    T_FALSE(hex_get(BYTES_STR("0agf"), out, 2));
    hex_put(out, 2, text);
    T_STR_EQ(text, "0aff");
}

static void sum_of(const struct digest_kit *kit, enum checksum_kind kind, const uint8_t *data,
                   size_t bytes, uint8_t out[CHECKSUM_BYTES_MAX])
{
    struct checksum c = {0};

    T_OK(checksum_begin(&c, kit, kind));
    checksum_add(&c, data, bytes);
    checksum_end(&c, out);
    checksum_fini(&c);
}

T(s3_digest, crcs_of_parts_join_to_that_of_the_whole)
{
    static const enum checksum_kind joining[] = {CHECKSUM_CRC32, CHECKSUM_CRC32C,
                                                 CHECKSUM_CRC64NVME};
    struct digest_kit kit;
    uint8_t data[5000];

    T_OK(digest_kit_init(&kit));
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 31 + i / 256);
    T_CASES (kind, joining) {
        uint8_t whole[CHECKSUM_BYTES_MAX], first[CHECKSUM_BYTES_MAX], rest[CHECKSUM_BYTES_MAX];

        T_TRUE(checksum_joins(*kind));
        sum_of(&kit, *kind, data, sizeof(data), whole);
        for (size_t cut = 0; cut <= sizeof(data); cut += 1000) {
            sum_of(&kit, *kind, data, cut, first);
            sum_of(&kit, *kind, data + cut, sizeof(data) - cut, rest);
            checksum_join(*kind, first, rest, sizeof(data) - cut);
            T_MEM_EQ(first, whole, checksum_bytes(*kind));
        }
    }
    T_TRUE(!checksum_joins(CHECKSUM_SHA1) && !checksum_joins(CHECKSUM_SHA256));
    digest_kit_fini(&kit);
}

/* --- streams side by side --- */

enum { STREAM_BYTES = 3000 };

static uint32_t next_number(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

/* All of `count` streams, cut into pieces of random lengths, against OpenSSL on the whole. */
static void streams_agree(const struct lanes *l, enum hash_kind kind, unsigned count,
                          uint32_t *seed)
{
    static uint8_t data[LANES][STREAM_BYTES];
    struct stream_hash h[LANES];
    size_t bytes[LANES], at[LANES] = {0};
    uint8_t got[SHA256_BYTES], want[SHA256_BYTES];
    unsigned left = count, sum_bytes = kind == HASH_MD5 ? MD5_BYTES : SHA256_BYTES;
    struct digest_kit kit;
    struct hash one = {0};

    for (unsigned i = 0; i < count; i++) {
        stream_begin(&h[i], kind);
        bytes[i] = next_number(seed) % (STREAM_BYTES + 1);
        for (size_t k = 0; k < bytes[i]; k++)
            data[i][k] = (uint8_t)next_number(seed);
    }
    while (left) {
        struct stream_piece pieces[LANES];

        left = 0;
        for (unsigned i = 0; i < count; i++) {
            size_t n = next_number(seed) % 700;

            n = MIN(n, bytes[i] - at[i]);
            pieces[i] = (struct stream_piece){&h[i], data[i] + at[i], n};
            at[i] += n;
            left += at[i] < bytes[i];
        }
        stream_add_all(l, pieces, count);
    }
    T_OK(digest_kit_init(&kit));
    for (unsigned i = 0; i < count; i++) {
        T_OK(hash_begin(&one, &kit, kind));
        hash_add(&one, data[i], bytes[i]);
        hash_end(&one, want);
        stream_end(&h[i], got);
        T_MEM_EQ(got, want, sum_bytes);
    }
    hash_fini(&one);
    digest_kit_fini(&kit);
}

T(s3_digest, streams_side_by_side_have_the_hashes_that_each_has_alone)
{
    struct lanes here, narrow;
    uint32_t seed = 1;

    lanes_init(&here);
    if (lanes_help(&here))
        here.md5_from = here.sha256_from = 2; /* also where it would not pay */
    narrow = here;
    narrow.wide = false;
    for (unsigned run = 0; run < 20; run++)
        for (unsigned count = 1; count <= LANES; count++) {
            streams_agree(&here, HASH_MD5, count, &seed);
            streams_agree(&here, HASH_SHA256, count, &seed);
            streams_agree(&narrow, HASH_MD5, count, &seed);
            streams_agree(&narrow, HASH_SHA256, count, &seed);
            streams_agree(NULL, HASH_SHA256, count, &seed);
        }
}
