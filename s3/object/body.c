/* body.c - the pipeline of a body: unwrap, batch, hash, check.
 *
 * A batch is one blob, shared with whoever stores it, and the places in it where a signed chunk
 * ends.  While a batch is being hashed (body_hash.c) the hashes of the body are not ours; the next
 * batch goes out only then, so hashes and signatures see the bytes in order. */
#include "s3/object/body.h"

struct body {
    struct hash_line *line; /* borrowed; not used once the gateway is gone */
    struct body_want want;
    const struct body_calls *calls;
    void *arg;
    enum s3_error error;
    const char *why; /* a constant */
    bool wrapped;    /* aws-chunked */
    bool ended, destroyed, told;
    uint64_t came; /* bytes inside, so far */

    struct chunks chunks;
    bool trailer_seen;
    struct writer trailer; /* lines, as they are signed */

    struct batch *filling;
    struct list waiting; /* batches to hash */
    uint32_t waiting_count;
    bool hashing;
    struct body_hash hash; /* the batch's, while `hashing` */
};

static bool signed_chunks(const struct body *b)
{
    return b->want.payload == PAYLOAD_CHUNKS_SIGNED ||
           b->want.payload == PAYLOAD_CHUNKS_SIGNED_TRAILER;
}

static bool needs_sha256(const struct body *b)
{
    return b->want.payload == PAYLOAD_HASHED || signed_chunks(b);
}

static void fail_why(struct body *b, enum s3_error e, const char *why)
{
    if (b->error != S3_OK || e == S3_OK)
        return;
    b->error = e;
    b->why = why;
}

static void fail(struct body *b, enum s3_error e)
{
    fail_why(b, e, NULL);
}

/* --- batches --- */

static void batch_free(struct batch *t)
{
    blob_unref(t->blob);
    mem_free(t);
}

static void body_free(struct body *b)
{
    struct list *pos;

    while ((pos = list_pop_front(&b->waiting)))
        batch_free(LIST_ENTRY(pos, struct batch, link));
    if (b->filling)
        batch_free(b->filling);
    body_hash_fini(&b->hash);
    writer_fini(&b->trailer);
    explicit_bzero(&b->want.chain, sizeof(b->want.chain));
    mem_free(b);
}

static void next_batch(struct body *b);

static void batch_done(struct batch *t)
{
    struct body *b = CONTAINER_OF(t->hash, struct body, hash);

    batch_free(t);
    b->hashing = false;
    b->waiting_count--;
    if (b->destroyed) {
        body_free(b);
        return;
    }
    fail(b, b->hash.error);
    b->calls->wake(b->arg);
    next_batch(b);
}

/* --- the end --- */

static void check_trailer(struct body *b)
{
    struct body_hash *h = &b->hash;
    uint8_t sum[SHA256_BYTES];

    if (b->want.payload != PAYLOAD_CHUNKS_SIGNED_TRAILER)
        return;
    if (!b->chunks.has_signature || b->trailer.rc) {
        fail(b, b->trailer.rc ? S3_ServiceUnavailable : S3_MalformedTrailerError);
        return;
    }
    if (sha256_of(&h->scratch, h->kit, b->trailer.data, b->trailer.len, sum) < 0 ||
        sigv4_chain_next(&h->chain, &h->scratch, h->kit, true, sum) < 0)
        fail(b, S3_ServiceUnavailable);
    else if (!equal_in_constant_time(h->chain.last, b->chunks.signature, SHA256_BYTES))
        fail(b, S3_SignatureDoesNotMatch);
}

static void finish(struct body *b)
{
    struct body_sums sums = {
        .bytes = b->came, .checksum = b->want.checksum, .checksum_told = b->want.checksum_told};
    uint8_t sum[SHA256_BYTES];

    b->told = true;
    if (b->error == S3_OK)
        check_trailer(b);
    stream_end(&b->hash.md5, sums.md5);
    if (b->error == S3_OK && b->want.payload == PAYLOAD_HASHED) {
        stream_end(&b->hash.sha256, sum);
        if (!equal_in_constant_time(sum, b->want.sha256, SHA256_BYTES))
            fail(b, S3_XAmzContentSHA256Mismatch);
    }
    if (b->want.has_md5 && memcmp(sums.md5, b->want.md5, MD5_BYTES) != 0)
        fail_why(b, S3_BadDigest, "The Content-MD5 you specified did not match what we received.");
    if (sums.checksum != CHECKSUM_NONE)
        checksum_end(&b->hash.checksum, sums.checksum_value);
    if (sums.checksum_told &&
        memcmp(sums.checksum_value, b->want.checksum_value, checksum_bytes(sums.checksum)) != 0)
        fail_why(b, S3_BadDigest, checksum_mismatch(sums.checksum));
    b->calls->done(b->arg, b->error, b->error == S3_OK ? &sums : NULL);
}

static void next_batch(struct body *b)
{
    struct list *pos;

    if (b->hashing || b->told)
        return;
    pos = list_pop_front(&b->waiting);
    if (pos) {
        struct batch *t = LIST_ENTRY(pos, struct batch, link);

        b->hashing = true;
        hash_line_add(b->line, t);
    } else if (b->ended) {
        finish(b);
    }
}

/* --- filling --- */

/* Of the next batch.  It grows with what came: a client that sends little holds little. */
static uint64_t batch_bytes(const struct body *b)
{
    uint64_t left = b->want.bytes > b->came ? b->want.bytes - b->came : 1;

    return MIN(left, MAX(BODY_FIRST_BYTES, MIN(b->came, BODY_BATCH_BYTES)));
}

static bool begin_batch(struct body *b)
{
    struct batch *t = mem_zalloc(sizeof(*t));

    if (t)
        t->blob = blob_create(batch_bytes(b));
    if (!t || !t->blob) {
        mem_free(t);
        fail(b, S3_ServiceUnavailable);
        return false;
    }
    t->hash = &b->hash;
    t->done = batch_done;
    list_init(&t->link);
    b->filling = t;
    return true;
}

/* Pass the present batch on: to its taker, and to the hashes. */
static void flush(struct body *b)
{
    struct batch *t = TAKE(b->filling);
    AUTO(buf) data = {0};

    if (!t)
        return;
    if (t->used && buf_append_blob(&data, t->blob, 0, t->used) < 0)
        fail(b, S3_ServiceUnavailable);
    else if (t->used)
        b->calls->batch(b->arg, &data);
    if (b->want.bytes <= BODY_SMALL_BYTES) {
        batch_hash(t);
        fail(b, b->hash.error);
        batch_free(t);
        return;
    }
    list_push_back(&b->waiting, &t->link);
    b->waiting_count++;
    next_batch(b);
}

static bool may_begin(struct body *b)
{
    return b->waiting_count < BODY_BATCHES_MAX && b->calls->room(b->arg);
}

/* Bytes of what is inside.  How many were taken. */
static size_t inside_add(struct body *b, const uint8_t *data, size_t bytes)
{
    size_t done = 0;

    if (bytes > b->want.bytes - b->came) {
        fail(b, S3_IncompleteBody); /* the announced length is too short */
        return bytes;
    }
    while (done < bytes && b->error == S3_OK) {
        struct batch *t;
        size_t n;

        if (!b->filling && (!may_begin(b) || !begin_batch(b)))
            break;
        t = b->filling;
        n = MIN(bytes - done, t->blob->bytes - t->used);
        memcpy(t->blob->data + t->used, data + done, n);
        t->used += (uint32_t)n;
        b->came += n;
        done += n;
        if (t->used == t->blob->bytes)
            flush(b);
    }
    return b->error == S3_OK ? done : bytes;
}

static void chunk_mark(struct body *b)
{
    struct batch *t;

    if (!b->chunks.is_signed)
        return;
    /* The batch may have just gone out; a mark at the start of the next one says the same. */
    if (!b->filling && !begin_batch(b))
        return;
    t = b->filling;
    t->mark[t->mark_count].at = t->used;
    memcpy(t->mark[t->mark_count++].signature, b->chunks.signature, SHA256_BYTES);
    if (t->mark_count == BATCH_MARKS_MAX)
        flush(b);
}

static void trailer_add(struct body *b)
{
    const struct chunks *c = &b->chunks;

    wr_raw(&b->trailer, c->name.data, c->name.len);
    wr_raw(&b->trailer, ":", 1);
    wr_raw(&b->trailer, c->value.data, c->value.len);
    wr_raw(&b->trailer, "\n", 1);
    /* One was announced, and this must be it. */
    if (b->trailer_seen || !b->want.checksum_in_trailer ||
        !bytes_equal(c->name, BYTES_STR(checksum_field(b->want.checksum)))) {
        fail(b, S3_MalformedTrailerError);
        return;
    }
    b->trailer_seen = true;
    if (!base64_get(c->value, b->want.checksum_value, checksum_bytes(b->want.checksum)))
        fail_why(b, S3_InvalidRequest, "The value of the trailing checksum is not one.");
}

static void chunks_failed(struct body *b)
{
    switch (b->chunks.fault) {
    case CHUNKS_FRAMING:
        fail_why(b, S3_IncompleteBody, "The chunks of the body are malformed.");
        break;
    case CHUNKS_TOO_SMALL:
        fail(b, S3_InvalidChunkSizeError);
        break;
    case CHUNKS_BAD_TRAILER:
        fail(b, S3_MalformedTrailerError);
        break;
    }
}

/* What the parser found; true: go on with the input. */
static bool chunks_step(struct body *b, enum chunks_event event)
{
    switch (event) {
    case CHUNKS_END:
        chunk_mark(b);
        break;
    case CHUNKS_TRAILER:
        trailer_add(b);
        break;
    case CHUNKS_BAD:
        chunks_failed(b);
        break;
    case CHUNKS_DATA:
    case CHUNKS_MORE:
    case CHUNKS_DONE:
        break;
    }
    return event != CHUNKS_MORE && b->error == S3_OK;
}

static size_t wrapped_add(struct body *b, const uint8_t *data, size_t bytes)
{
    const uint8_t *at = data, *end = data + bytes;
    enum chunks_event event;

    do {
        size_t room = b->filling ? b->filling->blob->bytes - b->filling->used : BODY_FIRST_BYTES;

        if (!b->filling && !may_begin(b))
            break;
        /* Never more than fits: what the parser has passed cannot be given back. */
        event = chunks_next(&b->chunks, &at, at + MIN((size_t)(end - at), room));
        if (event == CHUNKS_DATA &&
            inside_add(b, b->chunks.data.data, b->chunks.data.len) < b->chunks.data.len)
            fail(b, S3_ServiceUnavailable);
    } while (b->error == S3_OK && (chunks_step(b, event) || at < end));
    return b->error == S3_OK ? (size_t)(at - data) : bytes;
}

size_t body_add(struct body *b, const uint8_t *data, size_t bytes)
{
    if (b->error != S3_OK)
        return bytes;
    return b->wrapped ? wrapped_add(b, data, bytes) : inside_add(b, data, bytes);
}

static void check_complete(struct body *b)
{
    if (b->came != b->want.bytes && !b->want.up_to)
        fail(b, S3_IncompleteBody);
    if (!b->wrapped)
        return;
    if (!chunks_whole(&b->chunks))
        fail_why(b, S3_IncompleteBody, "The request body ended unexpectedly.");
    if (b->want.checksum_in_trailer && !b->trailer_seen)
        fail(b, S3_MalformedTrailerError);
}

void body_end(struct body *b)
{
    b->ended = true;
    if (b->error == S3_OK)
        check_complete(b);
    if (b->error == S3_OK)
        flush(b);
    next_batch(b);
}

enum s3_error body_error(const struct body *b)
{
    return b->error;
}

const char *body_why(const struct body *b)
{
    return b->why;
}

/* --- life --- */

struct body *body_create(struct hash_line *line, const struct body_want *want,
                         const struct body_calls *calls, void *arg)
{
    struct body *b = mem_zalloc(sizeof(*b));

    if (!b)
        return NULL;
    b->line = line;
    b->want = *want;
    b->calls = calls;
    b->arg = arg;
    list_init(&b->waiting);
    b->wrapped = signed_chunks(b) || want->payload == PAYLOAD_CHUNKS_TRAILER;
    b->hash.chain = want->chain;
    chunks_init(&b->chunks, signed_chunks(b));
    if (body_hash_init(&b->hash, line, needs_sha256(b), want->checksum) < 0) {
        body_free(b);
        return NULL;
    }
    return b;
}

void body_destroy(struct body *b)
{
    if (!b)
        return;
    b->destroyed = true;
    if (!b->hashing)
        body_free(b);
}
