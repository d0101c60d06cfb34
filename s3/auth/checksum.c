/* checksum.c - CRC32 (IEEE 802.3), CRC32C, CRC-64/NVME, SHA-1, SHA-256 as S3 uses them: values are
 * written big-endian. */
#include <strings.h>

#include "core/base/crc.h"
#include "s3/auth/checksum.h"

static const struct {
    const char *name, *field, *mismatch, *of_nothing;
    unsigned bytes;
} kinds[CHECKSUM_KINDS] = {
#define KIND(name, field, bytes, of_nothing)                                                       \
    [CHECKSUM_##name] = {#name, "x-amz-checksum-" field,                                           \
                         "The " #name " you specified did not match the calculated checksum.",     \
                         of_nothing, bytes}
    [CHECKSUM_NONE] = {"", "", "", "", 0},
    KIND(CRC32, "crc32", 4, "AAAAAA=="),
    KIND(CRC32C, "crc32c", 4, "AAAAAA=="),
    KIND(CRC64NVME, "crc64nvme", 8, "AAAAAAAAAAA="),
    KIND(SHA1, "sha1", SHA1_BYTES, "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
    KIND(SHA256, "sha256", SHA256_BYTES, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
#undef KIND
};

const char *checksum_name(enum checksum_kind kind)
{
    return kinds[kind].name;
}

const char *checksum_field(enum checksum_kind kind)
{
    return kinds[kind].field;
}

const char *checksum_mismatch(enum checksum_kind kind)
{
    return kinds[kind].mismatch;
}

bool checksum_is_of_nothing(enum checksum_kind kind, struct bytes text)
{
    return kind != CHECKSUM_NONE && bytes_equal(text, BYTES_STR(kinds[kind].of_nothing));
}

unsigned checksum_bytes(enum checksum_kind kind)
{
    return kinds[kind].bytes;
}

static bool equals_any_case(struct bytes b, const char *text)
{
    return b.len == strlen(text) && strncasecmp((const char *)b.data, text, b.len) == 0;
}

enum checksum_kind checksum_of_name(struct bytes name)
{
    for (int k = CHECKSUM_NONE + 1; k < CHECKSUM_KINDS; k++)
        if (equals_any_case(name, kinds[k].name))
            return (enum checksum_kind)k;
    return CHECKSUM_NONE;
}

bool checksum_elsewhere(struct bytes name)
{
    static const char *const names[] = {"SHA512", "MD5", "XXHASH64", "XXHASH3", "XXHASH128"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (equals_any_case(name, names[i]))
            return true;
    return false;
}

enum checksum_kind checksum_of_field(struct bytes field)
{
    for (int k = CHECKSUM_NONE + 1; k < CHECKSUM_KINDS; k++)
        if (equals_any_case(field, kinds[k].field))
            return (enum checksum_kind)k;
    return CHECKSUM_NONE;
}

int checksum_begin(struct checksum *c, const struct digest_kit *kit, enum checksum_kind kind)
{
    c->kind = kind;
    c->crc = 0;
    if (kind == CHECKSUM_SHA1)
        return hash_begin(&c->hash, kit, HASH_SHA1);
    return kind == CHECKSUM_SHA256 ? hash_begin(&c->hash, kit, HASH_SHA256) : 0;
}

void checksum_add(struct checksum *c, const void *data, size_t bytes)
{
    switch (c->kind) {
    case CHECKSUM_CRC32:
        c->crc = crc32eth((uint32_t)c->crc, data, bytes);
        break;
    case CHECKSUM_CRC64NVME:
        c->crc = crc64nvme(c->crc, data, bytes);
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

static void crc_put(uint64_t crc, unsigned bytes, uint8_t *out)
{
    for (unsigned i = 0; i < bytes; i++)
        out[i] = (uint8_t)(crc >> 8 * (bytes - 1 - i));
}

static uint64_t crc_get(const uint8_t *value, unsigned bytes)
{
    uint64_t crc = 0;

    for (unsigned i = 0; i < bytes; i++)
        crc = crc << 8 | value[i];
    return crc;
}

void checksum_end(struct checksum *c, uint8_t out[CHECKSUM_BYTES_MAX])
{
    if (c->kind == CHECKSUM_SHA1 || c->kind == CHECKSUM_SHA256)
        hash_end(&c->hash, out);
    else
        crc_put(c->crc, kinds[c->kind].bytes, out);
}

bool checksum_joins(enum checksum_kind kind)
{
    return kind == CHECKSUM_CRC32 || kind == CHECKSUM_CRC32C || kind == CHECKSUM_CRC64NVME;
}

void checksum_join(enum checksum_kind kind, uint8_t value[CHECKSUM_BYTES_MAX], const uint8_t *next,
                   uint64_t next_bytes)
{
    unsigned bytes = kinds[kind].bytes;
    uint64_t a = crc_get(value, bytes), b = crc_get(next, bytes);

    ASSERT(checksum_joins(kind));
    if (kind == CHECKSUM_CRC32)
        a = crc32eth_join((uint32_t)a, (uint32_t)b, next_bytes);
    else if (kind == CHECKSUM_CRC32C)
        a = crc32c_join((uint32_t)a, (uint32_t)b, next_bytes);
    else
        a = crc64nvme_join(a, b, next_bytes);
    crc_put(a, bytes, value);
}

void checksum_fini(struct checksum *c)
{
    hash_fini(&c->hash);
}
