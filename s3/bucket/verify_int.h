/* verify_int.h - what verify.c (data, buckets, the chain) and verify_rows.c (one shard) share. */
#ifndef S3_BUCKET_VERIFY_INT_H
#define S3_BUCKET_VERIFY_INT_H

#include "core/base/htable.h"
#include "s3/bucket/shard_move.h"
#include "s3/bucket/verify.h"

/* A row of the shard at hand, as far as others are held against it. */
struct fact {
    uint8_t letter, kind; /* kind: of garbage; place of an entry */
    struct bytes key;     /* in the arena */
    struct uuid id;
    struct stripes stripes; /* entry, part, intent, garbage: what it refers to */
    struct uuid origin;     /* of what an entry, an intent or garbage refers to */
    uint64_t size;          /* of an entry, of inline data; of all that a manifest names */
    bool coming;            /* of a range that is on its way here, and may be here by now */
};
/* The data objects of one uuid. */
struct data {
    struct hnode node;
    struct uuid id;
    uint64_t count, bytes, last_no, last_bytes, largest;
    bool referred, has_first, listed; /* listed: the first one carries a list of references */
    struct named {
        struct uuid id;
        bool seen;
    } * name; /* owned: who is in it */
    uint32_t name_count;
};
struct verify {
    void (*found)(void *arg, const char *text);
    void *arg;
    struct verify_totals n;
    struct htable data; /* owned: struct data */
    bool has_data;

    char bucket[S3_BUCKET_NAME_MAX + 1];
    struct uuid id;
    bool live;
    struct arena arena;       /* of the bucket */
    struct shard_row *shards; /* owned */
    uint32_t shard_count, shard_cap;
    struct {
        struct bytes from;
        uint64_t no;
    } * map; /* owned */
    uint32_t map_count, map_cap;

    struct shard_row shard; /* in the bucket's arena */
    char shard_name[NAME_BYTES];
    bool shard_ok; /* its row could be read */
    struct shard_count says, counted;
    struct arena rows; /* of the shard */
    struct fact *fact; /* owned */
    uint32_t fact_count, fact_cap;
};
PRINTF_LIKE(2, 3) void verify_found(struct verify *v, const char *fmt, ...);
/* Somebody refers to these stripes; `must` they be there? */
void verify_refer(struct verify *v, const struct stripes *s, bool must, const char *by,
                  struct bytes key);
/* May this version refer to data objects of that origin, which begin with `first`?  `must` it be in
 * the list? */
void verify_holds(struct verify *v, const struct stripes *first, const struct uuid *origin,
                  const struct uuid *version, bool must, struct bytes key);
void verify_facts(struct verify *v); /* of a shard, held against each other */
/* Room for one more in an array. */
int verify_grow(void **array, uint32_t count, uint32_t *cap, size_t bytes);
/* A key as it may be printed. */
const char *verify_key(struct bytes key, char out[80]);

#endif
