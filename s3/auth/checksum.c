/* checksum.c - CRC32 (IEEE 802.3), CRC32C, CRC64/NVME, SHA-1, SHA-256 as S3 uses them. */
#include "s3/auth/checksum.h"
#include "core/base/crc.h"

/* Reflected polynomials. */
#define POLY_CRC32     UINT64_C(0xedb88320)
#define POLY_CRC64NVME UINT64_C(0x9a6c9329ac4bc9b5)

static const struct {
    const char *name, *field;
    unsigned bytes;
} kinds[CHECKSUM_KINDS] = {
    [CHECKSUM_NONE] = {"", "", 0},
    [CHECKSUM_CRC32] = {"CRC32", "x-amz-checksum-crc32", 4},
    [CHECKSUM_CRC32C] = {"CRC32C", "x-amz-checksum-crc32c", 4},
    [CHECKSUM_CRC64NVME] = {"CRC64NVME", "x-amz-checksum-crc64nvme", 8},
    [CHECKSUM_SHA1] = {"SHA1", "x-amz-checksum-sha1", SHA1_BYTES},
    [CHECKSUM_SHA256] = {"SHA256", "x-amz-checksum-sha256", SHA256_BYTES},
};

const char *checksum_name(enum checksum_kind kind)
{
    return kinds[kind].name;
}

const char *checksum_field(enum checksum_kind kind)
{
    return kinds[kind].field;
}

unsigned checksum_bytes(enum checksum_kind kind)
{
    return kinds[kind].bytes;
}

enum checksum_kind checksum_of_name(struct bytes name)
{
    for (int k = CHECKSUM_NONE + 1; k < CHECKSUM_KINDS; k++)
        if (bytes_equal(name, BYTES_STR(kinds[k].name)))
            return (enum checksum_kind)k;
    return CHECKSUM_NONE;
}

enum checksum_kind checksum_of_field(struct bytes field)
{
    for (int k = CHECKSUM_NONE + 1; k < CHECKSUM_KINDS; k++)
        if (bytes_equal(field, BYTES_STR(kinds[k].field)))
            return (enum checksum_kind)k;
    return CHECKSUM_NONE;
}

/* The table is small enough to be made for each call, so that no state is shared; that costs
 * little beside the batch it is used on. */
static uint64_t crc_add(uint64_t crc, uint64_t poly, const uint8_t *data, size_t bytes)
{
    uint64_t table[256];

    for (unsigned i = 0; i < 256; i++) {
        uint64_t v = i;

        for (int bit = 0; bit < 8; bit++)
            v = v & 1 ? v >> 1 ^ poly : v >> 1;
        table[i] = v;
    }
    for (size_t i = 0; i < bytes; i++)
        crc = table[(crc ^ data[i]) & 0xff] ^ crc >> 8;
    return crc;
}

int checksum_begin(struct checksum *c, const struct digest_kit *kit, enum checksum_kind kind)
{
    c->kind = kind;
    c->crc = kind == CHECKSUM_CRC32 ? UINT32_MAX : kind == CHECKSUM_CRC64NVME ? UINT64_MAX : 0;
    if (kind == CHECKSUM_SHA1)
        return hash_begin(&c->hash, kit, HASH_SHA1);
    return kind == CHECKSUM_SHA256 ? hash_begin(&c->hash, kit, HASH_SHA256) : 0;
}

void checksum_add(struct checksum *c, const void *data, size_t bytes)
{
    switch (c->kind) {
    case CHECKSUM_CRC32:
        c->crc = crc_add(c->crc, POLY_CRC32, data, bytes);
        break;
    case CHECKSUM_CRC64NVME:
        c->crc = crc_add(c->crc, POLY_CRC64NVME, data, bytes);
        break;
    case CHECKSUM_CRC32C:
        c->crc = crc32c((uint32_t)c->crc, data, bytes);
        break;
    case CHECKSUM_SHA1:
    case CHECKSUM_SHA256:
        hash_add(&c->hash, data, bytes);
        break;
    case CHECKSUM_NONE:
    case CHECKSUM_KINDS:
        break;
    }
}

void checksum_end(struct checksum *c, uint8_t out[CHECKSUM_BYTES_MAX])
{
    unsigned bytes = kinds[c->kind].bytes;
    uint64_t crc = c->crc;

    if (c->kind == CHECKSUM_SHA1 || c->kind == CHECKSUM_SHA256) {
        hash_end(&c->hash, out);
        return;
    }
    if (c->kind == CHECKSUM_CRC32 || c->kind == CHECKSUM_CRC64NVME)
        crc = ~crc;
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(crc >> 8 * (bytes - 1 - i));
}

void checksum_fini(struct checksum *c)
{
    hash_fini(&c->hash);
}
