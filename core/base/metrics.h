/* metrics.h - counters, gauges and histograms, printed as Prometheus text (format 0.0.4).
 *
 * Names are `<module>_<thing>_<unit>`.  Each instance of a module owns its metrics as plain struct
 * fields and registers them in the set of its role; the owner updates them with relaxed stores,
 * any thread may print.  Registration is for start-up. */
#ifndef CORE_BASE_METRICS_H
#define CORE_BASE_METRICS_H

#include "core/base/base.h"
#include "core/base/cursor.h"

struct counter {
    _Atomic uint64_t v;
};
static inline void counter_add(struct counter *c, uint64_t n) /* owner only */
{
    uint64_t v = __atomic_load_n((uint64_t *)&c->v, __ATOMIC_RELAXED);

    __atomic_store_n((uint64_t *)&c->v, v + n, __ATOMIC_RELAXED);
}
static inline uint64_t counter_get(const struct counter *c)
{
    return __atomic_load_n((const uint64_t *)&c->v, __ATOMIC_RELAXED);
}
struct gauge {
    _Atomic int64_t v;
};
static inline void gauge_set(struct gauge *g, int64_t v)
{
    __atomic_store_n((int64_t *)&g->v, v, __ATOMIC_RELAXED);
}
static inline int64_t gauge_get(const struct gauge *g)
{
    return __atomic_load_n((const int64_t *)&g->v, __ATOMIC_RELAXED);
}

enum { HISTOGRAM_BUCKETS = 40 }; /* powers of two from 1 us; the last one is open */
struct histogram {
    struct counter bucket[HISTOGRAM_BUCKETS];
    struct counter sum_ns;
};
void histogram_add(struct histogram *h, uint64_t ns);
uint64_t histogram_quantile_ns(const struct histogram *h, double q); /* upper bound of its bucket */

struct metric_set {
    struct metric *rows; /* owned */
    uint32_t count, cap;
    char labels[64]; /* role="osd",id="2" */
};
/* Put one more k="v" behind what `labels` (terminated, `size` bytes of room) says, with the value
 * escaped.  0, or -R_OVERFLOW with `labels` unchanged. */
MUST_CHECK int metric_label_add(char *labels, size_t size, const char *key, const char *value);
/* `labels` is well formed (build it by metric_label_add where a value is not a constant). */
void metric_set_init(struct metric_set *s, const char *labels);
void metric_set_fini(struct metric_set *s);
/* `name` and `help` are constants; `extra` (may be NULL) is copied: more labels, k="v". */
int metric_add_counter(struct metric_set *s, const char *name, const char *help, const char *extra,
                       const struct counter *c);
int metric_add_gauge(struct metric_set *s, const char *name, const char *help, const char *extra,
                     const struct gauge *g);
int metric_add_histogram(struct metric_set *s, const char *name, const char *help,
                         const char *extra, const struct histogram *h);
/* The row added last is left out of the page while it is 0: for tables of which most rows never
 * count anything. */
void metric_rare(struct metric_set *s);
/* Print several sets as one page: one HELP and TYPE line per family; durations in seconds.
 * Returns 0, -ENOMEM, or what `out` failed with. */
int metrics_print(struct metric_set *const *sets, uint32_t count, struct writer *out);

#endif
