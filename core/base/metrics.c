/* metrics.c - the sets of metrics, and the page that a scrape reads.
 *
 * Owners update their numbers with relaxed stores, and a scrape on another thread reads them as
 * they are at that moment: each is exact, together they are not a snapshot.  Only a histogram's
 * count is taken from the very buckets printed, so that the two agree.
 *
 * A page lists each family once, so rows of all sets are sorted by name before printing. */
#include "core/base/metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

struct metric {
    enum metric_kind kind;
    const char *name, *help; /* constants */
    char *extra;             /* owned; NULL: none */
    const void *value;       /* borrowed: a struct counter, gauge or histogram */
    bool rare;               /* not printed while it is 0 */
};

/* ---- histograms ---- */

/* Bucket i holds what is at most 2^i us; the last one what is above the others. */
void histogram_add(struct histogram *h, uint64_t ns)
{
    uint64_t us = ns / NS_PER_US + (ns % NS_PER_US != 0);
    unsigned i = us <= 1 ? 0 : 64 - (unsigned)__builtin_clzll(us - 1);

    counter_add(&h->bucket[MIN(i, HISTOGRAM_BUCKETS - 1u)], 1);
    counter_add(&h->sum_ns, ns);
}

static uint64_t bucket_bound_ns(unsigned i)
{
    return i == HISTOGRAM_BUCKETS - 1 ? UINT64_MAX : NS_PER_US << i;
}

uint64_t histogram_quantile_ns(const struct histogram *h, double q)
{
    uint64_t counts[HISTOGRAM_BUCKETS], total = 0, seen = 0, rank;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        counts[i] = counter_get(&h->bucket[i]);
        total += counts[i];
    }
    if (total == 0)
        return 0;
    rank = (uint64_t)ceil(MAX(q, 0.0) * (double)total);
    rank = MIN(MAX(rank, (uint64_t)1), total);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += counts[i];
        if (seen >= rank)
            return bucket_bound_ns(i);
    }
    UNREACHABLE();
}

/* ---- sets ---- */

/* k="v",k="v": values hold no bare quote or newline. */
static bool labels_ok(const char *at)
{
    if (!*at)
        return true;
    for (;;) {
        const char *name = at;

        while (*at == '_' || (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
               (at > name && *at >= '0' && *at <= '9'))
            at++;
        if (at == name || at[0] != '=' || at[1] != '"')
            return false;
        for (at += 2; *at != '"'; at++) {
            if (*at == '\\' && !strchr("\\\"n", *++at))
                return false;
            if (!*at || *at == '\n')
                return false;
        }
        if (*++at == '\0')
            return true;
        if (*at++ != ',')
            return false;
    }
}

int metric_label_add(char *labels, size_t size, const char *key, const char *value)
{
    size_t before = strlen(labels), len = before;
    int head = snprintf(labels + len, size - len, "%s%s=\"", len ? "," : "", key);

    if (head < 0 || (size_t)head >= size - len)
        goto too_long;
    len += (size_t)head;
    for (; *value; value++) {
        bool escape = strchr("\\\"\n", *value) != NULL;

        if (size - len < 5) /* two bytes of it, the quote, the NUL */
            goto too_long;
        if (escape)
            labels[len++] = '\\';
        labels[len++] = *value == '\n' ? 'n' : *value;
    }
    if (size - len < 2)
        goto too_long;
    memcpy(labels + len, "\"", 2);
    return 0;
too_long:
    labels[before] = '\0';
    return -R_OVERFLOW;
}

void metric_set_init(struct metric_set *s, const char *labels)
{
    size_t len = strlen(labels);

    ASSERT(len < sizeof(s->labels));
    ASSERT(labels_ok(labels));
    *s = (struct metric_set){0};
    memcpy(s->labels, labels, len + 1);
}

void metric_set_fini(struct metric_set *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        mem_free(s->rows[i].extra);
    mem_free(s->rows);
    *s = (struct metric_set){0};
}

static int add(struct metric_set *s, const struct metric *row, const char *extra)
{
    uint32_t cap = s->cap ? s->cap * 2 : 16;
    struct metric *rows;
    char *copy = NULL;

    ASSERT(!extra || labels_ok(extra));
    if (s->count == s->cap) {
        rows = mem_realloc(s->rows, cap * sizeof(*rows));
        if (!rows)
            return -ENOMEM;
        s->rows = rows;
        s->cap = cap;
    }
    if (extra && extra[0]) {
        copy = mem_strdup(extra);
        if (!copy)
            return -ENOMEM;
    }
    s->rows[s->count] = *row;
    s->rows[s->count++].extra = copy;
    return 0;
}

int metric_add_counter(struct metric_set *s, const char *name, const char *help, const char *extra,
                       const struct counter *c)
{
    return add(s, &(struct metric){METRIC_COUNTER, name, help, NULL, c, false}, extra);
}

int metric_add_gauge(struct metric_set *s, const char *name, const char *help, const char *extra,
                     const struct gauge *g)
{
    return add(s, &(struct metric){METRIC_GAUGE, name, help, NULL, g, false}, extra);
}

int metric_add_histogram(struct metric_set *s, const char *name, const char *help,
                         const char *extra, const struct histogram *h)
{
    return add(s, &(struct metric){METRIC_HISTOGRAM, name, help, NULL, h, false}, extra);
}

void metric_rare(struct metric_set *s)
{
    ASSERT(s->count > 0);
    s->rows[s->count - 1].rare = true;
}

/* ---- the page ---- */

struct page_row {
    const struct metric *metric;  /* borrowed */
    const struct metric_set *set; /* borrowed */
    uint32_t order;               /* as registered: equal names keep it */
};

static void put(struct writer *out, const char *text)
{
    wr_raw(out, text, strlen(text));
}

static int page_row_compare(const void *left, const void *right)
{
    const struct page_row *a = left, *b = right;
    int order = strcmp(a->metric->name, b->metric->name);

    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static void print_head(struct writer *out, const struct metric *m)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    put(out, "# HELP ");
    put(out, m->name);
    put(out, " ");
    for (const char *at = m->help; *at; at++) {
        if (*at == '\\' || *at == '\n')
            put(out, *at == '\n' ? "\\n" : "\\\\");
        else
            wr_raw(out, at, 1);
    }
    put(out, "\n# TYPE ");
    put(out, m->name);
    put(out, " ");
    put(out, types[m->kind]);
    put(out, "\n");
}

/* One sample: name, suffix, labels, value. */
static void print_sample(struct writer *out, const struct page_row *row, const char *suffix,
                         const char *bucket, const char *value)
{
    const char *parts[] = {row->set->labels, row->metric->extra, bucket};
    bool open = false;

    put(out, row->metric->name);
    put(out, suffix);
    for (unsigned i = 0; i < ARRAY_LEN(parts); i++) {
        if (!parts[i] || !parts[i][0])
            continue;
        put(out, open ? "," : "{");
        put(out, parts[i]);
        open = true;
    }
    put(out, open ? "} " : " ");
    put(out, value);
    put(out, "\n");
}

static void print_histogram(struct writer *out, const struct page_row *row)
{
    const struct histogram *h = row->metric->value;
    char bucket[40], value[40];
    uint64_t total = 0, sum_ns;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        total += counter_get(&h->bucket[i]);
        if (i == HISTOGRAM_BUCKETS - 1)
            snprintf(bucket, sizeof(bucket), "le=\"+Inf\"");
        else
            snprintf(bucket, sizeof(bucket), "le=\"%.12g\"", (double)bucket_bound_ns(i) / 1e9);
        snprintf(value, sizeof(value), "%llu", (unsigned long long)total);
        print_sample(out, row, "_bucket", bucket, value);
    }
    sum_ns = counter_get(&h->sum_ns);
    snprintf(value, sizeof(value), "%llu.%09llu", (unsigned long long)(sum_ns / NS_PER_S),
             (unsigned long long)(sum_ns % NS_PER_S));
    print_sample(out, row, "_sum", NULL, value);
    snprintf(value, sizeof(value), "%llu", (unsigned long long)total);
    print_sample(out, row, "_count", NULL, value);
}

static void print_row(struct writer *out, const struct page_row *row)
{
    char value[40];

    switch (row->metric->kind) {
    case METRIC_COUNTER:
        snprintf(value, sizeof(value), "%llu", (unsigned long long)counter_get(row->metric->value));
        print_sample(out, row, "", NULL, value);
        break;
    case METRIC_GAUGE:
        snprintf(value, sizeof(value), "%lld", (long long)gauge_get(row->metric->value));
        print_sample(out, row, "", NULL, value);
        break;
    case METRIC_HISTOGRAM:
        print_histogram(out, row);
        break;
    }
}

static bool is_zero(const struct metric *m)
{
    switch (m->kind) {
    case METRIC_COUNTER:
        return counter_get(m->value) == 0;
    case METRIC_GAUGE:
        return gauge_get(m->value) == 0;
    case METRIC_HISTOGRAM:
        break;
    }
    return histogram_quantile_ns(m->value, 1) == 0;
}

int metrics_print(struct metric_set *const *sets, uint32_t count, struct writer *out)
{
    struct page_row *rows;
    uint32_t total = 0, n = 0;

    for (uint32_t i = 0; i < count; i++)
        total += sets[i]->count;
    rows = mem_calloc(total, sizeof(*rows));
    if (!rows)
        return -ENOMEM;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < sets[i]->count; j++) {
            const struct metric *m = &sets[i]->rows[j];

            if (m->rare && is_zero(m))
                continue;
            rows[n] = (struct page_row){m, sets[i], n};
            n++;
        }
    }
    qsort(rows, n, sizeof(*rows), page_row_compare);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(rows[i].metric->name, rows[i - 1].metric->name) != 0)
            print_head(out, rows[i].metric);
        else
            ASSERT(rows[i].metric->kind == rows[i - 1].metric->kind);
        print_row(out, &rows[i]);
    }
    mem_free(rows);
    return out->rc;
}
