/* rows.h - what the bucket layer keeps on disk, as values; keys and names of objects.
 *
 * doc/format/bucket.md is the format; the codecs here are pure.  A decoded row borrows from the
 * bytes it was decoded from.  Encoders append to a writer and leave a failure in it. */
#ifndef S3_BUCKET_ROWS_H
#define S3_BUCKET_ROWS_H

#include "core/base/arena.h"
#include "core/base/cursor.h"
#include "s3/bucket/bucket.h"

enum {
    UUID_BYTES = 16,
    NAME_BYTES = 128, /* of an object in the pools, terminated */
    SHARD_NOTES = 16, /* objects shards.<n> */
    MANIFEST_ROWS_MAX = S3_PART_NUMBER_MAX,
    ROW_KEY_MAX = 1 + S3_KEY_MAX + 1 + UUID_BYTES + 2 + 1, /* and a NUL to begin behind it */
};

struct uuid {
    uint8_t b[UUID_BYTES];
};
static inline bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->b, b->b, UUID_BYTES) == 0;
}
static inline bool uuid_none(const struct uuid *u)
{
    static const struct uuid none;

    return uuid_equal(u, &none);
}
void uuid_text(const struct uuid *u, char out[2 * UUID_BYTES + 1]);
int uuid_parse(struct bytes text, struct uuid *out_uuid); /* 0 or -EINVAL */

/* ---- values ---- */

enum bucket_state { BUCKET_MAKING = 1, BUCKET_LIVE, BUCKET_DELETING };
struct bucket_row {
    struct uuid id, token;
    uint8_t state;
    uint64_t created_ns;
    struct bytes owner;
};
void bucket_row_encode(const struct bucket_row *r, struct writer *w);
int bucket_row_decode(struct bytes value, struct bucket_row *out_row);

/* The map beside the record says which shard begins at a key; the shards themselves know better. */
void map_row_encode(uint64_t shard, struct writer *w);
int map_row_decode(struct bytes value, uint64_t *out_shard);

struct shard_count {
    uint64_t entries, object_bytes;
    uint64_t row_bytes; /* of entries with what belongs to them: inline data, manifests */
};

enum shard_state {
    SHARD_OPEN = 1,
    SHARD_CLOSED, /* with a token: its bucket is being deleted */
    SHARD_EMPTY,  /* has no range: not yet, or no more */
};
/* A sub-range on its way from one shard to its neighbour (README.md). */
enum shard_move {
    MOVE_NONE,
    MOVE_OUT,   /* source: read here, not written */
    MOVE_IN,    /* destination: its rows are being copied here; they are nobody's yet */
    MOVE_GIVEN, /* source: no longer ours; the destination may not know yet */
    MOVE_SOON,  /* source: inline data is being copied, and all is read and written as ever */
};
enum shard_mapped {
    MAPPED_NOT,
    MAPPED_FROM,  /* the map has us at `from` */
    MAPPED_OTHER, /* ... at mapped_from */
};
struct shard_row {
    struct uuid bucket, token;
    uint64_t no;
    uint8_t state;
    uint64_t generation, epoch;
    struct bytes from, to; /* to: exclusive; empty: no end */
    uint64_t next;         /* who begins at `to` */
    uint8_t mapped;
    struct bytes mapped_from;
    uint8_t move;
    struct { /* unless MOVE_NONE */
        struct uuid token;
        uint64_t peer;
        struct bytes lo, hi;      /* hi: exclusive; empty: no end */
        uint32_t patience_ms;     /* OUT: a writer that has waited for so long takes it back */
        bool complete;            /* IN: all rows are here */
        struct shard_count count; /* IN, complete, and GIVEN: what moves */
    } m;
};
void shard_row_encode(const struct shard_row *r, struct writer *w);
int shard_row_decode(struct bytes value, struct shard_row *out_row);

/* What is kept beside the record: S3_PROP_*, encoded as headers are. */
struct props_row {
    struct uuid bucket;
    struct bytes props;
};
void props_row_encode(const struct props_row *r, struct writer *w);
int props_row_decode(struct bytes value, struct props_row *out_row);

/* The xattr `quota` beside a bucket's record. */
void quota_row_encode(const struct s3_quota *q, struct writer *w);
int quota_row_decode(struct bytes value, struct s3_quota *out_quota);

struct own_row {
    bool sure;
    struct uuid id, token;
    uint64_t created_ns;
};
void own_row_encode(const struct own_row *r, struct writer *w);
int own_row_decode(struct bytes value, struct own_row *out_row);

struct shard_note {
    struct uuid id;
    uint64_t no;
    struct bytes bucket;
};
void shard_note_encode(const struct shard_note *r, struct writer *w);
int shard_note_decode(struct bytes value, struct shard_note *out_note);

struct stripes {
    struct uuid id;
    uint64_t size;
    uint32_t stripe;
};
static inline uint64_t stripes_count(const struct stripes *s)
{
    return s->stripe ? (s->size + s->stripe - 1) / s->stripe : 0;
}

/* Headers as they stand in rows: u32 count, then name and value of each. */
void headers_encode(const struct s3_header *h, uint32_t count, struct writer *w);
int headers_decode(struct bytes raw, struct arena *arena, const struct s3_header **out_headers,
                   uint32_t *out_count);

enum entry_place { ENTRY_INLINE = 1, ENTRY_STRIPES, ENTRY_MANIFEST };
struct entry_row {
    struct uuid version;
    /* Whose data objects they are, unless it is inline: an earlier version's, of a copy.  None,
     * when encoding: its own. */
    struct uuid origin;
    uint8_t place;
    uint64_t size, mtime_ns;
    struct s3_etag etag;
    uint32_t stripe;
    struct bytes headers; /* as encoded by headers_encode, and so the tags */
    uint8_t acl;
    struct s3_sum sum;
    struct bytes tags;
};
void entry_row_encode(const struct entry_row *r, struct writer *w);
int entry_row_decode(struct bytes value, struct entry_row *out_row);

void inline_row_encode(const struct uuid *version, const struct buf *data, struct writer *w);
int inline_row_decode(struct bytes value, struct uuid *out_version, struct bytes *out_data);

/* Stripes and what is told of each part; both, or what is asked for, in the arena. */
void manifest_encode(const struct stripes *rows, const struct object_part *parts, uint32_t count,
                     struct writer *w);
int manifest_decode(struct bytes value, struct arena *arena, struct stripes **out_rows,
                    uint32_t *out_count);
int manifest_parts_decode(struct bytes value, struct arena *arena, struct object_part **out_parts,
                          uint32_t *out_count);

/* What a version or part has in s3.data, as an intent or a garbage row says it. */
enum garbage_kind { GARBAGE_STRIPES = 1, GARBAGE_MANIFEST, GARBAGE_PARTS, GARBAGE_RESULT };
struct intent_row {
    uint64_t instance;
    uint8_t kind;           /* stripes, or a manifest that stands beside the intent: a copy's */
    struct stripes stripes; /* of another id than the intent: a copy's */
    struct uuid origin;     /* of a manifest's data objects */
    uint64_t epoch;         /* of the shard when it was written or renewed */
};
void intent_row_encode(const struct intent_row *r, struct writer *w);
int intent_row_decode(struct bytes value, struct intent_row *out_row);

enum garbage_state { GARBAGE_WAITING = 1, GARBAGE_CLAIMED };
struct garbage_row {
    uint8_t state, kind, passes;
    struct stripes stripes; /* of kind stripes: as in an intent */
    struct uuid origin;     /* of the others: likewise; of parts: the version that they were made
                               into, or none */
    uint64_t epoch;         /* of the shard when it was written, or renewed by a reader */
};
void garbage_row_encode(const struct garbage_row *r, struct writer *w);
int garbage_row_decode(struct bytes value, struct garbage_row *out_row);

enum upload_state { UPLOAD_OPEN = 1, UPLOAD_SEALED };
struct upload_row {
    uint8_t state;
    struct uuid token;
    uint64_t created_ns;
    struct bytes owner, headers;
    uint8_t acl;
    struct s3_sum sum; /* kind and type */
    struct bytes tags;
};
void upload_row_encode(const struct upload_row *r, struct writer *w);
int upload_row_decode(struct bytes value, struct upload_row *out_row);

struct part_row {
    struct stripes stripes;
    uint8_t md5[16];
    uint64_t mtime_ns;
    struct s3_sum sum;
};
void part_row_encode(const struct part_row *r, struct writer *w);
int part_row_decode(struct bytes value, struct part_row *out_row);

struct result_row {
    uint8_t request[16];
    uint64_t size, mtime_ns;
    struct s3_etag etag;
    struct s3_sum sum;
};
void result_row_encode(const struct result_row *r, struct writer *w);
int result_row_decode(struct bytes value, struct result_row *out_row);

/* ---- how much there is in a shard ---- */

enum { SHARD_COUNT_BYTES = 24 };
/* The xattr `count`: raw, since the OSDs add to it.  0 or -R_MALFORMED. */
int shard_count_decode(struct bytes value, struct shard_count *out_count);
/* What one entry counts, its key and value having these lengths. */
struct shard_count entry_count(uint32_t key_bytes, uint32_t value_bytes, const struct entry_row *e);

/* ---- keys of rows: a letter and the object's key, then what tells the rows of one key apart.
 * So the rows of a range of keys are a range for each letter. ---- */

enum row_prefix {
    ROW_DATA = 'd',
    ROW_ENTRY = 'e',
    ROW_GARBAGE = 'g',
    ROW_INTENT = 'i',
    ROW_MANIFEST = 'm',
    ROW_PART = 'p',
    ROW_RESULT = 'c',
    ROW_UPLOAD = 'u',
};
#define ROW_PREFIXES "cdegimpu"
enum { MAP_PREFIX = 's' }; /* of the map's rows */
struct row_key {
    uint32_t len;
    uint8_t b[ROW_KEY_MAX];
};
/* `key` has at most S3_KEY_MAX bytes. */
void row_key_map(struct row_key *k, struct bytes from);
void row_key_named(struct row_key *k, enum row_prefix prefix, struct bytes key); /* e, d */
void row_key_of(struct row_key *k, enum row_prefix prefix, struct bytes key,
                const struct uuid *id); /* i, m, u, c */
void row_key_garbage(struct row_key *k, struct bytes key, uint8_t kind, const struct uuid *id);
void row_key_part(struct row_key *k, struct bytes key, const struct uuid *upload, uint32_t number);
int row_key_parse(struct bytes k, struct bytes *out_key, struct uuid *out_id);
int row_key_garbage_parse(struct bytes k, struct bytes *out_key, struct uuid *out_id);
int row_key_part_parse(struct bytes k, struct bytes *out_key, struct uuid *out_upload,
                       uint32_t *out_number);

/* ---- names of objects, each at most NAME_BYTES with its NUL ---- */

void name_bucket(char out[NAME_BYTES], struct bytes bucket);
void name_owner(char out[NAME_BYTES], const char *owner);
void name_notes(char out[NAME_BYTES], unsigned n);
unsigned notes_of(const struct uuid *bucket); /* which of them */
void name_shard(char out[NAME_BYTES], const struct uuid *bucket, uint64_t no);
void name_stripe(char out[NAME_BYTES], const struct uuid *id, uint64_t n);

/* 0, -R_BAD_KEY, -R_KEY_TOO_LONG. */
int s3_key_check(struct bytes key);
/* 0, -R_META_TOO_LARGE. */
int s3_headers_check(const struct s3_header *h, uint32_t count);
/* Of a bucket. */
int props_check(const struct s3_header *props, uint32_t count);
int s3_tags_check(const struct s3_header *tags, uint32_t count);

#endif
