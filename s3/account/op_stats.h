/* op_stats.h - what was asked, how it was answered, how long it took: counters by operation.
 *
 * Rows are made at the start, one for each operation; counting a request allocates nothing.
 * Threads: the env's reactor counts, any thread prints. */
#ifndef S3_ACCOUNT_OP_STATS_H
#define S3_ACCOUNT_OP_STATS_H

#include "core/base/metrics.h"
#include "s3/account/facts.h"
#include "s3/error.h"

struct op_stats;

/* `ops` are the operations that there are, by name; repeats are fine.  0 or -ENOMEM. */
int op_stats_create(const struct s3_op *const *ops, const char *const *names, uint32_t count,
                    struct op_stats **out_stats);
void op_stats_destroy(struct op_stats *s); /* NULL is fine */
void op_stats_count(struct op_stats *s, const struct request_facts *f, enum s3_error e);
int op_stats_metrics(struct op_stats *s, struct metric_set *set);

#endif
