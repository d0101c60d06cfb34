/* CRC32C, CRC32 and CRC-64/NVME.  This file is built twice: over ISA-L and PCLMUL, and
 * (CRC_PORTABLE) over tables. */
#include "core/base/crc.h"
#include "core/base/rng.h"
#include "tests/unit/t.h"

/* Straight from the definition, a bit at a time. */
static uint32_t by_definition(const uint8_t *at, size_t bytes)
{
    uint32_t crc = UINT32_MAX;

    while (bytes--) {
        crc ^= *at++;
        for (int i = 0; i < 8; i++)
            crc = crc & 1 ? (crc >> 1) ^ UINT32_C(0x82f63b78) : crc >> 1;
    }
    return ~crc;
}

static void fill(struct rng *rng, uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)rng_u64(rng);
}

/* RFC 3720, appendix B.4. */
T(crc, gives_the_values_of_iscsi)
{
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];

    for (int i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    T_EQ(crc32c(0, "123456789", 9), 0xe3069283);
    T_EQ(crc32c(0, zeros, 32), 0x8a9136aa);
    T_EQ(crc32c(0, ones, 32), 0x62a8ab43);
    T_EQ(crc32c(0, up, 32), 0x46dd794e);
    T_EQ(crc32c(0, down, 32), 0x113fdb5c);
    T_EQ(crc32c(0, NULL, 0), 0);
    T_EQ(crc32c(77, NULL, 0), 77);
}

T(crc, agrees_with_the_definition_at_any_length_and_alignment)
{
    uint8_t data[700];
    struct rng rng;

    rng_seed(&rng, 1);
    fill(&rng, data, sizeof(data));
    for (size_t off = 0; off < 16; off++)
        for (size_t bytes = 0; bytes + off <= sizeof(data); bytes += 1 + bytes / 8)
            T_EQ(crc32c(0, data + off, bytes), by_definition(data + off, bytes));
}

T(crc, continues_where_it_stopped)
{
    uint8_t data[300];
    struct rng rng;

    rng_seed(&rng, 2);
    fill(&rng, data, sizeof(data));
    for (size_t cut = 0; cut <= sizeof(data); cut++)
        T_EQ(crc32c(crc32c(0, data, cut), data + cut, sizeof(data) - cut),
             by_definition(data, sizeof(data)));
}

T(crc, zeros_and_joins_agree_with_brute_force)
{
    static uint8_t data[20000];
    struct rng rng;

    rng_seed(&rng, 3);
    fill(&rng, data, 1000);
    for (int i = 0; i < 300; i++) {
        size_t head = rng_below(&rng, 1000);
        size_t zeros = rng_below(&rng, i < 150 ? 40 : sizeof(data) - 1000);
        size_t tail = rng_below(&rng, 1000);
        uint32_t crc = crc32c(0, data, head);

        T_EQ(crc32c_zeros(crc, zeros), crc32c(crc, data + 1000, zeros));
        T_EQ(crc32c_join(crc, crc32c(0, data + 7, tail), tail), crc32c(crc, data + 7, tail));
    }
}

/* Lengths whose every bit is used: compared by splitting them. */
T(crc, zeros_of_any_length_add_up)
{
    struct rng rng;

    rng_seed(&rng, 4);
    for (int i = 0; i < 1000; i++) {
        uint32_t crc = (uint32_t)rng_u64(&rng);
        uint64_t a = rng_u64(&rng) >> 1, b = rng_u64(&rng) >> 1;

        T_EQ(crc32c_zeros(crc32c_zeros(crc, a), b), crc32c_zeros(crc, a + b));
        T_EQ(crc32c_join(crc, crc32c_zeros(0, a), a), crc32c_zeros(crc, a));
    }
}

/* Straight from the definition, for what has its bits reversed. */
static uint64_t reversed(uint64_t poly, uint64_t all_ones, const uint8_t *at, size_t bytes)
{
    uint64_t crc = all_ones;

    while (bytes--) {
        crc ^= *at++;
        for (int i = 0; i < 8; i++)
            crc = crc & 1 ? (crc >> 1) ^ poly : crc >> 1;
    }
    return crc ^ all_ones;
}

static uint64_t crc32_slow(const uint8_t *at, size_t bytes)
{
    return reversed(UINT32_C(0xedb88320), UINT32_MAX, at, bytes);
}

static uint64_t crc64_slow(const uint8_t *at, size_t bytes)
{
    return reversed(UINT64_C(0x9a6c9329ac4bc9b5), UINT64_MAX, at, bytes);
}

T(crc, of_others_have_their_check_values)
{
    T_EQ(crc32eth(0, "123456789", 9), 0xcbf43926);
    T_EQ(crc64nvme(0, "123456789", 9), UINT64_C(0xae8b14860a799888));
    T_EQ(crc32eth(77, NULL, 0), 77);
    T_EQ(crc64nvme(77, NULL, 0), 77);
}

T(crc, of_others_agree_with_the_definition_at_any_length_and_cut)
{
    uint8_t data[900];
    struct rng rng;

    rng_seed(&rng, 5);
    fill(&rng, data, sizeof(data));
    for (size_t off = 0; off < 17; off++) {
        for (size_t bytes = 0; bytes + off <= sizeof(data); bytes += 1 + bytes / 8) {
            size_t cut = rng_below(&rng, bytes + 1);
            const uint8_t *at = data + off;

            T_EQ(crc32eth(0, at, bytes), crc32_slow(at, bytes));
            T_EQ(crc64nvme(0, at, bytes), crc64_slow(at, bytes));
            T_EQ(crc32eth(crc32eth(0, at, cut), at + cut, bytes - cut), crc32_slow(at, bytes));
            T_EQ(crc64nvme(crc64nvme(0, at, cut), at + cut, bytes - cut), crc64_slow(at, bytes));
        }
    }
}

T(crc, of_others_join_as_if_they_had_gone_on)
{
    static uint8_t data[20000];
    struct rng rng;

    rng_seed(&rng, 6);
    fill(&rng, data, sizeof(data));
    for (int i = 0; i < 300; i++) {
        size_t a = rng_below(&rng, 1000), b = rng_below(&rng, i < 150 ? 40 : 19000);
        uint32_t c32 = crc32eth(0, data, a);
        uint64_t c64 = crc64nvme(0, data, a);

        T_EQ(crc32eth_join(c32, crc32eth(0, data + a, b), b), crc32eth(0, data, a + b));
        T_EQ(crc64nvme_join(c64, crc64nvme(0, data + a, b), b), crc64nvme(0, data, a + b));
    }
    /* Lengths that nobody adds up byte by byte: 2^40 times, joined in halves. */
    T_EQ(crc64nvme_join(crc64nvme_join(1, 0, UINT64_C(1) << 40), 0, 3),
         crc64nvme_join(1, 0, (UINT64_C(1) << 40) + 3));
    T_EQ(crc32eth_join(crc32eth_join(1, 0, UINT64_C(1) << 40), 0, 3),
         crc32eth_join(1, 0, (UINT64_C(1) << 40) + 3));
}
