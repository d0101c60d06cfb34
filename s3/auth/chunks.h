/* chunks.h - the body format "aws-chunked": chunks with signatures inside an HTTP body.
 *
 *     1000;chunk-signature=<64 digits>CRLF <data> CRLF ... 0;chunk-signature=...CRLF CRLF
 *
 * The signatures are missing in unsigned bodies; between the last chunk and the final CRLF there
 * may be trailer lines, name:valueCRLF (some clients end them LF CRLF).  A pull parser: it copies
 * no data.  Pure. */
#ifndef S3_AUTH_CHUNKS_H
#define S3_AUTH_CHUNKS_H

#include "s3/auth/digest.h"

enum {
    CHUNKS_LINE_MAX = 512,
    CHUNKS_SIGNED_BYTES_MIN = 8192, /* of a signed chunk; the last one with data may be smaller */
};

enum chunks_event {
    CHUNKS_MORE,    /* the input is used up */
    CHUNKS_DATA,    /* `data`, lent from the input */
    CHUNKS_END,     /* a chunk is complete (the empty last one too); `signature` if signed */
    CHUNKS_TRAILER, /* `name` and `value` of a line, good until the next call */
    CHUNKS_DONE,    /* the whole body is; `signature` of the trailer, if there was one */
    CHUNKS_BAD,     /* for ever; `fault` says why */
};

enum chunks_fault { CHUNKS_FRAMING, CHUNKS_TOO_SMALL, CHUNKS_BAD_TRAILER };

struct chunks {
    bool is_signed;
    bool ended; /* a chunk, by the call before */
    bool small; /* the chunk before was */
    bool has_signature;
    uint8_t state;
    enum chunks_fault fault;
    uint64_t left; /* of the present chunk */
    uint32_t line_len;
    uint8_t line[CHUNKS_LINE_MAX];

    struct bytes data, name, value;
    uint8_t signature[SHA256_BYTES];
};

void chunks_init(struct chunks *c, bool is_signed);
/* The body's last byte was seen: without it the body is not whole. */
bool chunks_whole(const struct chunks *c);
/* Advances *at towards `end`. */
enum chunks_event chunks_next(struct chunks *c, const uint8_t **at, const uint8_t *end);

#endif
