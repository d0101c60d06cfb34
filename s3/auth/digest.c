/* digest.c - OpenSSL behind digest.h.
 *
 * Looking an algorithm up by name costs as much as hashing a small request, so it is done once;
 * re-initialising a context keeps its memory. */
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "s3/auth/digest.h"

enum { HMAC_BLOCK = 64 };

int digest_kit_init(struct digest_kit *kit)
{
    static const char *const names[HASH_KINDS] = {"MD5", "SHA1", "SHA256"};

    memset(kit, 0, sizeof(*kit));
    for (int i = 0; i < HASH_KINDS; i++) {
        kit->md[i] = EVP_MD_fetch(NULL, names[i], NULL);
        if (!kit->md[i]) {
            digest_kit_fini(kit);
            return -ENOMEM;
        }
    }
    return 0;
}

void digest_kit_fini(struct digest_kit *kit)
{
    for (int i = 0; i < HASH_KINDS; i++)
        EVP_MD_free(kit->md[i]);
    memset(kit, 0, sizeof(*kit));
}

void hash_fini(struct hash *h)
{
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

int hash_begin(struct hash *h, const struct digest_kit *kit, enum hash_kind kind)
{
    if (!h->ctx)
        h->ctx = EVP_MD_CTX_new();
    if (!h->ctx || EVP_DigestInit_ex2(h->ctx, kit->md[kind], NULL) != 1)
        return -ENOMEM;
    return 0;
}

void hash_add(struct hash *h, const void *data, size_t bytes)
{
    int ok = EVP_DigestUpdate(h->ctx, data, bytes);

    ASSERT(ok == 1);
}

void hash_end(struct hash *h, uint8_t *out)
{
    int ok = EVP_DigestFinal_ex(h->ctx, out, NULL);

    ASSERT(ok == 1);
}

static int hash_of(struct hash *h, const struct digest_kit *kit, enum hash_kind kind,
                   const void *data, size_t bytes, uint8_t *out)
{
    int rc = hash_begin(h, kit, kind);

    if (rc < 0)
        return rc;
    hash_add(h, data, bytes);
    hash_end(h, out);
    return 0;
}

int sha256_of(struct hash *h, const struct digest_kit *kit, const void *data, size_t bytes,
              uint8_t out[SHA256_BYTES])
{
    return hash_of(h, kit, HASH_SHA256, data, bytes, out);
}

/* RFC 2104, for hashes with blocks of 64 bytes and results of `out_bytes`. */
static int hmac_of(struct hash *h, const struct digest_kit *kit, enum hash_kind kind,
                   struct bytes key, struct bytes data, uint8_t *out, size_t out_bytes)
{
    uint8_t block[HMAC_BLOCK] = {0}, inner[SHA256_BYTES];
    int rc = 0;

    if (key.len > sizeof(block))
        rc = hash_of(h, kit, kind, key.data, key.len, block);
    else
        memcpy(block, key.data, key.len);
    for (unsigned i = 0; i < sizeof(block); i++)
        block[i] ^= 0x36;
    if (rc == 0)
        rc = hash_begin(h, kit, kind);
    if (rc == 0) {
        hash_add(h, block, sizeof(block));
        hash_add(h, data.data, data.len);
        hash_end(h, inner);
        rc = hash_begin(h, kit, kind);
    }
    if (rc == 0) {
        for (unsigned i = 0; i < sizeof(block); i++)
            block[i] ^= 0x36 ^ 0x5c;
        hash_add(h, block, sizeof(block));
        hash_add(h, inner, out_bytes);
        hash_end(h, out);
    }
    OPENSSL_cleanse(block, sizeof(block));
    return rc;
}

int hmac_sha1(struct hash *h, const struct digest_kit *kit, const void *key, size_t key_bytes,
              const void *data, size_t bytes, uint8_t out[SHA1_BYTES])
{
    return hmac_of(h, kit, HASH_SHA1, (struct bytes){key, (uint32_t)key_bytes},
                   (struct bytes){data, (uint32_t)bytes}, out, SHA1_BYTES);
}

int hmac_sha256(struct hash *h, const struct digest_kit *kit, const void *key, size_t key_bytes,
                const void *data, size_t bytes, uint8_t out[SHA256_BYTES])
{
    return hmac_of(h, kit, HASH_SHA256, (struct bytes){key, (uint32_t)key_bytes},
                   (struct bytes){data, (uint32_t)bytes}, out, SHA256_BYTES);
}

void hex_put(const uint8_t *data, size_t bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < bytes; i++) {
        *out++ = digits[data[i] >> 4];
        *out++ = digits[data[i] & 15];
    }
    *out = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool hex_get(struct bytes text, uint8_t *out, size_t bytes)
{
    if (text.len != bytes * 2)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_get(struct bytes text, uint8_t *out, size_t bytes)
{
    size_t digits = (bytes * 8 + 5) / 6, at = 0;
    uint32_t bits = 0, have = 0;

    if (text.len != (bytes + 2) / 3 * 4)
        return false;
    for (uint32_t i = 0; i < text.len; i++) {
        int d = i < digits ? base64_digit(text.data[i]) : 0;

        if (d < 0 || (i >= digits && text.data[i] != '='))
            return false;
        if (i >= digits)
            continue;
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[at++] = (uint8_t)(bits >> have);
        }
    }
    return (bits & ((1u << have) - 1)) == 0; /* one text for each value */
}

void base64_put(const uint8_t *data, size_t bytes, char *out)
{
    int n = EVP_EncodeBlock((unsigned char *)out, data, (int)bytes);

    out[n] = '\0';
}

bool equal_in_constant_time(const void *a, const void *b, size_t bytes)
{
    return CRYPTO_memcmp(a, b, bytes) == 0;
}
