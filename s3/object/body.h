/* body.h - a request's body on its way in: unwrapped, batched, hashed, checked.
 *
 * Bytes come from the HTTP layer and leave in batches, in order, before they are verified; `done`
 * says whether all of it was what the client signed.  Nothing may become visible before that.
 * Batches are hashed on workers, one at a time and in order, while the next ones come in; at
 * most BODY_BATCHES_MAX wait, then body_add takes less than it is given.  Small bodies are hashed
 * where they are: going to a worker would cost more.
 * Threads: the env's reactor. */
#ifndef S3_OBJECT_BODY_H
#define S3_OBJECT_BODY_H

#include "s3/auth/chunks.h"
#include "s3/object/body_hash.h"

enum {
    BODY_BATCH_BYTES = 256 * 1024,
    BODY_FIRST_BYTES = 64 * 1024, /* of the first batches */
    BODY_BATCHES_MAX = 4,
    BODY_SMALL_BYTES = 16 * 1024,
};

struct body_want {
    enum payload_kind payload;
    uint8_t sha256[SHA256_BYTES]; /* PAYLOAD_HASHED */
    struct sigv4_chain chain;     /* signed chunks */
    uint64_t bytes;               /* what is inside, unwrapped */
    bool up_to;                   /* `bytes` is only the most that may come */
    bool has_md5;
    uint8_t md5[MD5_BYTES];
    enum checksum_kind checksum; /* to be made; CHECKSUM_NONE: none */
    bool checksum_told;          /* by the client: in a field, or else ... */
    bool checksum_in_trailer;
    uint8_t checksum_value[CHECKSUM_BYTES_MAX];
};

/* What the bytes inside came to; all that the client told of them agrees. */
struct body_sums {
    uint64_t bytes;
    uint8_t md5[MD5_BYTES];
    enum checksum_kind checksum;
    bool checksum_told;                         /* by the client; otherwise made here */
    uint8_t checksum_value[CHECKSUM_BYTES_MAX]; /* checksum_bytes() of them */
};

struct body_calls {
    bool (*room)(void *arg);                    /* may a batch come? */
    void (*batch)(void *arg, struct buf *data); /* move it out or share it */
    void (*wake)(void *arg);                    /* body_add will take more */
    /* All was given and checked.  `sums` only without an error.  Also from inside body_end. */
    void (*done)(void *arg, enum s3_error e, const struct body_sums *sums);
};

struct body;
/* NULL: no memory.  `line` is borrowed, `calls` too. */
struct body *body_create(struct hash_line *line, const struct body_want *want,
                         const struct body_calls *calls, void *arg);
/* No call comes after it. */
void body_destroy(struct body *b);
/* How many were taken. */
size_t body_add(struct body *b, const uint8_t *data, size_t bytes);
void body_end(struct body *b);
/* What is wrong already; then the rest of the body does not matter. */
enum s3_error body_error(const struct body *b);
/* A sentence about it, or NULL: the error's own says enough. */
const char *body_why(const struct body *b);

#endif
