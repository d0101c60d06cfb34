/* body_hash.h - the hashes of bodies, those of several side by side.
 *
 * A batch is handed over when it is full and comes back when it is hashed.  Batches of different
 * bodies that wait at the same time are hashed together (s3/auth/lanes.h), which is why they stand
 * in one line instead of going to the workers on their own.
 * Threads: the env's reactor; what a batch points at is a worker's until it is done. */
#ifndef S3_OBJECT_BODY_HASH_H
#define S3_OBJECT_BODY_HASH_H

#include "core/base/buf.h"
#include "core/base/list.h"
#include "core/env/env.h"
#include "s3/auth/checksum.h"
#include "s3/auth/lanes.h"
#include "s3/auth/sigv4.h"

enum { BATCH_MARKS_MAX = 32 };

struct body_hash {
    const struct digest_kit *kit; /* borrowed: the line's */
    bool signs;                   /* SHA-256 is wanted */
    struct stream_hash md5, sha256;
    struct hash scratch;
    struct checksum checksum;
    struct sigv4_chain chain; /* of signed chunks */
    enum s3_error error;
};
struct batch {
    struct list link;
    struct body_hash *hash; /* borrowed: of the one body */
    struct blob *blob;      /* ref, shared with whoever stores it */
    uint32_t used;
    uint32_t mark_count;
    struct batch_mark { /* a signed chunk ends here */
        uint32_t at;
        uint8_t signature[SHA256_BYTES];
    } mark[BATCH_MARKS_MAX];
    void (*done)(struct batch *t);
};
void batch_hash(struct batch *t); /* here and now */

struct hash_line;
/* `workers`: how many threads there are for it.  NULL: no memory. */
struct hash_line *hash_line_create(struct env *env, unsigned workers);
void hash_line_close(struct hash_line *l); /* freed when nothing is left in it; NULL is fine */
/* `h` is zero before.  0 or -ENOMEM; in both cases fini. */
int body_hash_init(struct body_hash *h, const struct hash_line *l, bool signs,
                   enum checksum_kind checksum);
void body_hash_fini(struct body_hash *h);
/* `done` comes from the loop.  At most one batch of a body at a time. */
void hash_line_add(struct hash_line *l, struct batch *t);

#endif
