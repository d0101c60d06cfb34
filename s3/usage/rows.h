/* rows.h - usage as it lies in the pool s3.index: names, keys, values.  doc/format/usage.md.  Pure.
 *
 * Time is counted in hours since 1970 UTC. */
#ifndef S3_USAGE_ROWS_H
#define S3_USAGE_ROWS_H

#include "core/base/cursor.h"
#include "s3/bucket/bucket.h"

enum {
    USAGE_NAME_BYTES = 32,
    USAGE_KEY_MAX = 2 + S3_USER_NAME_MAX + 1 + S3_BUCKET_NAME_MAX + 1 + 8,
    USAGE_DAY_TEXT = 11, /* 2026-11-21, terminated */
};
#define USAGE_DAYS "usage.days"

enum usage_kind {
    USAGE_GET,
    USAGE_HEAD,
    USAGE_PUT,
    USAGE_DELETE,
    USAGE_LIST,
    USAGE_OTHER,
    USAGE_KINDS
};
extern const char *const usage_kind_names[USAGE_KINDS];
/* By the name of the operation ("GetObject"); NULL: other. */
enum usage_kind usage_kind_of(const char *op);

struct usage_tally { /* of one user and bucket, in one hour, at one gateway */
    uint64_t requests[USAGE_KINDS];
    uint64_t failed; /* of these, answered with an error or not at all */
    uint64_t bytes_in, bytes_out;
};
void usage_tally_add(struct usage_tally *to, const struct usage_tally *t);
void usage_tally_encode(const struct usage_tally *t, struct writer *w);
int usage_tally_decode(struct bytes value, struct usage_tally *out_tally);

struct usage_sample { /* what a bucket held at some time within an hour */
    uint64_t bytes, objects;
};
void usage_sample_encode(const struct usage_sample *s, struct writer *w);
int usage_sample_decode(struct bytes value, struct usage_sample *out_sample);

/* Keys.  Requests end in the gateway's instance, so that no two gateways write one row. */
struct usage_key {
    char kind;    /* 'm' mark: the samples of this hour are whole; 'r' requests; 's' sample */
    uint8_t hour; /* of the day */
    char user[S3_USER_NAME_MAX + 1], bucket[S3_BUCKET_NAME_MAX + 1]; /* 'm': empty */
    uint64_t instance;                                               /* 'r' */
};
void usage_key_encode(const struct usage_key *k, struct writer *w);
int usage_key_decode(struct bytes raw, struct usage_key *out_key);

void usage_day_text(uint32_t day, char out[USAGE_DAY_TEXT]); /* days since 1970 */
bool usage_day_parse(struct bytes text, uint32_t *out_day);
void usage_day_name(uint32_t day, char out[USAGE_NAME_BYTES]); /* the object of a day */

#endif
