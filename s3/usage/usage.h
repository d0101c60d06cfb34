/* usage.h - who used how much, kept for bills.
 *
 * Requests and their bytes are added up in memory by hour, user and bucket, and written every
 * flush_ms into rows of their own for each gateway: a row holds all that this gateway counted in
 * that hour, so writing it again changes nothing, and nothing is counted twice or read back.  A
 * gateway that is killed loses what it counted since the last flush, flush_ms at most; one that
 * stops loses nothing.
 *
 * A request belongs to the owner of its bucket, whoever asked; one about no known bucket to the
 * user who asked; one of nobody to nobody.
 *
 * Once an hour some gateway writes what each bucket holds: the sum over hours is byte-hours.
 * Days older than keep_days go.
 * Threads: the env's reactor. */
#ifndef S3_USAGE_USAGE_H
#define S3_USAGE_USAGE_H

#include "core/base/metrics.h"
#include "core/client/include/cairn_env.h"
#include "s3/usage/rows.h"

struct usage;
struct usage_conf {
    struct cairn *cluster;        /* borrowed */
    struct bucket_layer *buckets; /* borrowed; ready */
    uint32_t flush_ms;
    uint32_t keep_days;
};
struct usage_stats {
    struct counter rows, failures; /* written; operations that failed and come again */
    struct counter dropped;        /* requests that found no memory to be counted in */
    struct counter samples;
};

int usage_start(struct env *env, const struct usage_conf *conf, struct usage **out_usage);
/* One request; `user` and `bucket` as they are to be billed, `bucket` may be empty. */
void usage_count(struct usage *u, const char *user, struct bytes bucket, enum usage_kind kind,
                 bool failed, uint64_t bytes_in, uint64_t bytes_out);
struct usage_stats *usage_stats(struct usage *u);
int usage_metrics(struct usage *u, struct metric_set *set);
/* Write what waits (for two seconds at most), then `stopped(arg)` from the loop; it is gone. */
void usage_stop(struct usage *u, void (*stopped)(void *arg), void *arg);

#endif
