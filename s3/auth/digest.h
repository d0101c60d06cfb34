/* digest.h - hashes of OpenSSL, fetched once, with contexts that are used again.
 *
 * Threads: a kit is immutable once made and may be shared; a struct hash has one user at a time. */
#ifndef S3_AUTH_DIGEST_H
#define S3_AUTH_DIGEST_H

#include "core/base/cursor.h"

enum { MD5_BYTES = 16, SHA1_BYTES = 20, SHA256_BYTES = 32 };

enum hash_kind { HASH_MD5, HASH_SHA1, HASH_SHA256, HASH_KINDS };

struct digest_kit {
    void *md[HASH_KINDS]; /* owned: EVP_MD */
};
int digest_kit_init(struct digest_kit *kit); /* 0 or -ENOMEM */
void digest_kit_fini(struct digest_kit *kit);

struct hash {
    void *ctx; /* owned: EVP_MD_CTX; made at the first begin */
};
void hash_fini(struct hash *h);
/* Hashing cannot fail but for memory, at begin. */
int hash_begin(struct hash *h, const struct digest_kit *kit, enum hash_kind kind);
void hash_add(struct hash *h, const void *data, size_t bytes);
void hash_end(struct hash *h, uint8_t *out);

/* Those of signatures, in one call; `h` is scratch. */
int sha256_of(struct hash *h, const struct digest_kit *kit, const void *data, size_t bytes,
              uint8_t out[SHA256_BYTES]);
int hmac_sha1(struct hash *h, const struct digest_kit *kit, const void *key, size_t key_bytes,
              const void *data, size_t bytes, uint8_t out[SHA1_BYTES]);
int hmac_sha256(struct hash *h, const struct digest_kit *kit, const void *key, size_t key_bytes,
                const void *data, size_t bytes, uint8_t out[SHA256_BYTES]);

void hex_put(const uint8_t *data, size_t bytes, char *out);  /* lower case, terminated */
bool hex_get(struct bytes text, uint8_t *out, size_t bytes); /* of just that many */
/* Standard alphabet with padding, no white space. */
bool base64_get(struct bytes text, uint8_t *out, size_t bytes);
void base64_put(const uint8_t *data, size_t bytes, char *out); /* 4 for each 3, terminated */
bool equal_in_constant_time(const void *a, const void *b, size_t bytes);

#endif
