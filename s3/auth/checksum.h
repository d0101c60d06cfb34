/* checksum.h - the additional checksums of S3: x-amz-checksum-crc32 and its kin.
 *
 * Threads: one user at a time. */
#ifndef S3_AUTH_CHECKSUM_H
#define S3_AUTH_CHECKSUM_H

#include "s3/auth/digest.h"

enum checksum_kind {
    CHECKSUM_NONE,
    CHECKSUM_CRC32,
    CHECKSUM_CRC32C,
    CHECKSUM_CRC64NVME,
    CHECKSUM_SHA1,
    CHECKSUM_SHA256,
    CHECKSUM_KINDS
};

enum { CHECKSUM_BYTES_MAX = SHA256_BYTES, CHECKSUM_TEXT = 48 /* in base64, terminated */ };

struct checksum {
    enum checksum_kind kind;
    uint64_t crc;
    struct hash hash;
};

const char *checksum_name(enum checksum_kind kind);       /* "CRC32" */
const char *checksum_field(enum checksum_kind kind);      /* "x-amz-checksum-crc32" */
const char *checksum_mismatch(enum checksum_kind kind);   /* a sentence: theirs and ours differ */
enum checksum_kind checksum_of_name(struct bytes name);   /* any case; CHECKSUM_NONE: unknown */
enum checksum_kind checksum_of_field(struct bytes field); /* likewise */
bool checksum_elsewhere(struct bytes name);               /* S3 knows it, and we do not; any case */
unsigned checksum_bytes(enum checksum_kind kind);
/* In base64, it is that of no bytes at all. */
bool checksum_is_of_nothing(enum checksum_kind kind, struct bytes text);

int checksum_begin(struct checksum *c, const struct digest_kit *kit, enum checksum_kind kind);
void checksum_add(struct checksum *c, const void *data, size_t bytes);
void checksum_end(struct checksum *c, uint8_t out[CHECKSUM_BYTES_MAX]); /* big-endian */
void checksum_fini(struct checksum *c);

/* Whether the value of a whole can be made from those of its parts (FULL_OBJECT): of CRCs. */
bool checksum_joins(enum checksum_kind kind);
/* `value` becomes that of its bytes with `next_bytes` more behind them, whose own is `next`. */
void checksum_join(enum checksum_kind kind, uint8_t value[CHECKSUM_BYTES_MAX], const uint8_t *next,
                   uint64_t next_bytes);

#endif
