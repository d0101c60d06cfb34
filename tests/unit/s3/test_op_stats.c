/* test_op_stats.c - counters by operation, status and error. */
#include <stdio.h>

#include "s3/account/op_stats.h"
#include "s3/object/route.h"
#include "tests/unit/t.h"

static const struct s3_op get = {"GetObject", NULL, NULL}, put = {"PutObject", NULL, NULL},
                          never = {"Never", NULL, NULL};

static char *page_of(struct op_stats *s)
{
    struct metric_set set;
    struct metric_set *sets[] = {&set};
    struct writer w = {0};
    size_t len;

    metric_set_init(&set, "role=\"s3\"");
    T_OK(op_stats_metrics(s, &set));
    T_OK(metrics_print(sets, 1, &w));
    wr_u8(&w, 0);
    metric_set_fini(&set);
    return (char *)wr_take(&w, &len);
}

static void count(struct op_stats *s, const struct s3_op *op, unsigned status, enum s3_error e,
                  uint64_t total_ns)
{
    struct request_facts f = {
        .op = op, .status = status, .total_ns = total_ns, .bytes_in = 3, .bytes_out = 5};

    op_stats_count(s, &f, e);
}

T(op_stats, each_operation_and_status_counts_by_itself)
{
    const struct s3_op *ops[] = {&get, &put, &never, &get};
    const char *names[] = {"GetObject", "PutObject", "Never", "GetObject"};
    static const char *const want[] = {
        "s3_op_requests_total{role=\"s3\",op=\"GetObject\",status=\"200\"} 2\n",
        "s3_op_requests_total{role=\"s3\",op=\"GetObject\",status=\"404\"} 1\n",
        "s3_op_requests_total{role=\"s3\",op=\"PutObject\",status=\"0\"} 1\n",
        "s3_op_requests_total{role=\"s3\",op=\"none\",status=\"403\"} 1\n",
        "s3_op_in_bytes_total{role=\"s3\",op=\"GetObject\"} 9\n",
        "s3_op_out_bytes_total{role=\"s3\",op=\"PutObject\"} 5\n",
        "s3_error_codes_total{role=\"s3\",code=\"NoSuchKey\"} 1\n",
        "s3_op_seconds_count{role=\"s3\",op=\"GetObject\",status=\"2xx\"} 2\n",
        "s3_op_seconds_sum{role=\"s3\",op=\"GetObject\",status=\"4xx\"} 0.000004000\n",
        "s3_op_seconds_count{role=\"s3\",op=\"PutObject\",status=\"5xx\"} 1\n",
    };
    struct op_stats *s;
    char *page;

    T_OK(op_stats_create(ops, names, ARRAY_LEN(ops), &s));
    count(s, &get, 200, S3_OK, 1000);
    count(s, &get, 200, S3_OK, 1000);
    count(s, &get, 404, S3_NoSuchKey, 4000);
    count(s, &put, 0, S3_OK, 1000);
    count(s, NULL, 403, S3_AccessDenied, 1000);
    page = page_of(s);
    T_CASES (line, want)
        if (!strstr(page, *line))
            T_FAIL("%s is not on the page:\n%s", *line, page);
    T_TRUE(strstr(page, "Never") == NULL);
    T_TRUE(strstr(page, "NoSuchBucket") == NULL);
    mem_free(page);
    op_stats_destroy(s);
}

T(op_stats, operations_that_can_be_routed_have_different_names)
{
    const struct s3_op *op, *other;

    for (uint32_t i = 0; (op = route_op(i)); i++)
        for (uint32_t k = 0; k < i && (other = route_op(k)); k++)
            if (other != op && strcmp(other->name, op->name) == 0)
                T_FAIL("two operations are called %s", op->name);
}
