/* CRC32C.  This file is built twice: over ISA-L, and (CRC_PORTABLE) over the table. */
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
