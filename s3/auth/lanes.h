/* lanes.h - MD5 and SHA-256 of several streams, side by side.
 *
 * One stream of either leaves most of a core idle: each step waits for the one before.  Eight
 * streams in the lanes of vectors take little longer than one, so whoever has several to hash hands
 * them over together.
 *
 * Threads: a stream has one user at a time. */
#ifndef S3_AUTH_LANES_H
#define S3_AUTH_LANES_H

#include "s3/auth/digest.h"

enum { LANES = 8, STREAM_BLOCK = 64 };

/* A hash under way.  No memory of its own: nothing to release, nothing that can fail. */
struct stream_hash {
    enum hash_kind kind; /* HASH_MD5 or HASH_SHA256 */
    uint32_t state[8];
    uint64_t bytes;
    uint8_t tail[STREAM_BLOCK]; /* bytes % STREAM_BLOCK of them wait for the rest of a block */
};
void stream_begin(struct stream_hash *h, enum hash_kind kind);
void stream_add(struct stream_hash *h, const void *data, size_t bytes);
void stream_end(struct stream_hash *h, uint8_t *out);

struct stream_piece {
    struct stream_hash *hash;
    const uint8_t *data;
    size_t bytes;
};
/* What this processor is good at; immutable once made. */
struct lanes {
    unsigned md5_from, sha256_from; /* so many streams are faster together; 0: none are */
    bool wide;                      /* AVX-512 */
};
void lanes_init(struct lanes *l);
bool lanes_help(const struct lanes *l); /* at all */
/* As stream_add of each; `l` NULL: one after the other.  All of one kind, and at most LANES; the
 * pieces are used up. */
void stream_add_all(const struct lanes *l, struct stream_piece *pieces, unsigned count);

#endif
