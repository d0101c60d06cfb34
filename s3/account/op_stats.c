/* op_stats.c - counters by operation and status, and by S3's error code.
 *
 * Times are kept by operation and class of status: an error is quick and would hide how slow the
 * successes are. */
#include "s3/account/op_stats.h"

#include <stdio.h>

enum { CLASSES = 3 }; /* below 400, 4xx, 5xx and none */
static const unsigned statuses[] = {200, 204, 206, 304, 400, 403, 404, 405, 409, 411,
                                    412, 413, 416, 417, 431, 500, 501, 503, 505, 0};
enum { STATUSES = ARRAY_LEN(statuses), OTHER = STATUSES - 1 };
static const char *const classes[CLASSES] = {"2xx", "4xx", "5xx"};

struct row {
    const struct s3_op *op;
    const char *name; /* borrowed: a constant */
    struct counter answers[STATUSES];
    struct counter bytes_in, bytes_out;
    struct histogram seconds[CLASSES];
};

struct op_stats {
    struct counter errors[S3_ERROR_END];
    uint32_t count;
    struct row rows[]; /* the first is of requests that were refused before their operation */
};

int op_stats_create(const struct s3_op *const *ops, const char *const *names, uint32_t count,
                    struct op_stats **out_stats)
{
    struct op_stats *s = mem_zalloc(sizeof(*s) + (count + 1) * sizeof(s->rows[0]));

    if (!s)
        return -ENOMEM;
    s->rows[s->count++].name = "none";
    for (uint32_t i = 0; i < count; i++) {
        uint32_t known = 1;

        while (known < s->count && strcmp(s->rows[known].name, names[i]) != 0)
            known++;
        if (known < s->count)
            continue;
        s->rows[s->count].op = ops[i];
        s->rows[s->count++].name = names[i];
    }
    *out_stats = s;
    return 0;
}

void op_stats_destroy(struct op_stats *s)
{
    mem_free(s);
}

static unsigned status_index(unsigned status)
{
    for (unsigned i = 0; i < OTHER; i++)
        if (statuses[i] == status)
            return i;
    return OTHER;
}

static unsigned class_of(unsigned status)
{
    if (status >= 200 && status < 400)
        return 0;
    return status >= 400 && status < 500 ? 1 : 2;
}

void op_stats_count(struct op_stats *s, const struct request_facts *f, enum s3_error e)
{
    struct row *row = &s->rows[0];

    for (uint32_t i = 1; i < s->count && f->op; i++)
        if (s->rows[i].op == f->op)
            row = &s->rows[i];
    counter_add(&row->answers[status_index(f->status)], 1);
    counter_add(&row->bytes_in, f->bytes_in);
    counter_add(&row->bytes_out, f->bytes_out);
    histogram_add(&row->seconds[class_of(f->status)], f->total_ns);
    if (e != S3_OK)
        counter_add(&s->errors[e], 1);
}

static int row_metrics(struct row *row, struct metric_set *set)
{
    char labels[128];
    int rc = 0;

    for (unsigned i = 0; i < STATUSES && rc == 0; i++) {
        (void)snprintf(labels, sizeof(labels), "op=\"%s\",status=\"%u\"", row->name, statuses[i]);
        rc = metric_add_counter(set, "s3_op_requests_total",
                                "Requests by operation and status; 0: cut or another status",
                                labels, &row->answers[i]);
        if (rc == 0)
            metric_rare(set);
    }
    (void)snprintf(labels, sizeof(labels), "op=\"%s\"", row->name);
    if (rc == 0)
        rc = metric_add_counter(set, "s3_op_in_bytes_total", "Body bytes received by operation",
                                labels, &row->bytes_in);
    if (rc == 0) {
        metric_rare(set);
        rc = metric_add_counter(set, "s3_op_out_bytes_total", "Body bytes sent by operation",
                                labels, &row->bytes_out);
    }
    if (rc == 0)
        metric_rare(set);
    for (unsigned i = 0; i < CLASSES && rc == 0; i++) {
        (void)snprintf(labels, sizeof(labels), "op=\"%s\",status=\"%s\"", row->name, classes[i]);
        rc = metric_add_histogram(set, "s3_op_seconds",
                                  "From a request's head to the last byte of its answer", labels,
                                  &row->seconds[i]);
        if (rc == 0)
            metric_rare(set);
    }
    return rc;
}

int op_stats_metrics(struct op_stats *s, struct metric_set *set)
{
    char labels[128];
    int rc = 0;

    for (uint32_t i = 0; i < s->count && rc == 0; i++)
        rc = row_metrics(&s->rows[i], set);
    for (unsigned e = S3_OK + 1; e < S3_ERROR_END && rc == 0; e++) {
        (void)snprintf(labels, sizeof(labels), "code=\"%s\"", s3_error_code((enum s3_error)e));
        rc = metric_add_counter(set, "s3_error_codes_total", "Requests by the error they got",
                                labels, &s->errors[e]);
        if (rc == 0)
            metric_rare(set);
    }
    return rc;
}
