#include "core/base/metrics.h"
#include "tests/unit/base/fail.h"

T(histogram, buckets_hold_up_to_their_bound)
{
    static const struct {
        uint64_t ns;
        unsigned bucket;
    } rows[] = {
        {0, 0},
        {1, 0},
        {1000, 0},
        {1001, 1},
        {2000, 1},
        {2001, 2},
        {4000, 2},
        {1000000, 10},
        {1024000, 10},
        {1024001, 11},
        {UINT64_MAX, 39},
        {NS_PER_US << 38, 38},
        {(NS_PER_US << 38) + 1, 39},
    };

    T_CASES (row, rows) {
        struct histogram h = {0};

        histogram_add(&h, row->ns);
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
            T_EQ(counter_get(&h.bucket[i]), i == row->bucket);
        T_EQ(counter_get(&h.sum_ns), row->ns);
    }
}

T(histogram, a_quantile_is_the_bound_of_its_bucket)
{
    struct histogram h = {0};

    T_EQ(histogram_quantile_ns(&h, 0.5), 0);
    for (int i = 0; i < 99; i++)
        histogram_add(&h, 3000);
    histogram_add(&h, 3000000);
    T_EQ(histogram_quantile_ns(&h, 0), 4000);
    T_EQ(histogram_quantile_ns(&h, 0.5), 4000);
    T_EQ(histogram_quantile_ns(&h, 0.99), 4000);
    T_EQ(histogram_quantile_ns(&h, 0.999), 4096000);
    T_EQ(histogram_quantile_ns(&h, 1), 4096000);
    T_EQ(histogram_quantile_ns(&h, 7), 4096000);
    histogram_add(&h, UINT64_MAX / 2);
    T_EQ(histogram_quantile_ns(&h, 1), UINT64_MAX);
}

T(metrics, a_page_names_each_family_once_across_sets)
{
    struct metric_set a, b, none;
    struct metric_set *sets[] = {&a, &b, &none};
    struct counter ops = {0};
    struct gauge depth = {0};
    AUTO(writer) out = {0};

    metric_set_init(&a, "role=\"osd\",id=\"0\"");
    metric_set_init(&b, "role=\"osd\",id=\"1\"");
    metric_set_init(&none, "");
    counter_add(&ops, 3);
    gauge_set(&depth, -2);
    T_OK(metric_add_counter(&a, "osd_ops_total", "Operations\nby \\ kind", "kind=\"read\"", &ops));
    T_OK(metric_add_counter(&a, "osd_ops_total", "Operations\nby \\ kind", "kind=\"write\"", &ops));
    T_OK(metric_add_gauge(&a, "osd_depth", "Depth", NULL, &depth));
    T_OK(metric_add_counter(&b, "osd_ops_total", "Operations\nby \\ kind", "kind=\"read\"", &ops));
    T_OK(metric_add_gauge(&none, "up", "Up", NULL, &depth));
    T_OK(metrics_print(sets, 3, &out));
    wr_u8(&out, 0);
    T_STR_EQ((char *)out.data, "# HELP osd_depth Depth\n"
                               "# TYPE osd_depth gauge\n"
                               "osd_depth{role=\"osd\",id=\"0\"} -2\n"
                               "# HELP osd_ops_total Operations\\nby \\\\ kind\n"
                               "# TYPE osd_ops_total counter\n"
                               "osd_ops_total{role=\"osd\",id=\"0\",kind=\"read\"} 3\n"
                               "osd_ops_total{role=\"osd\",id=\"0\",kind=\"write\"} 3\n"
                               "osd_ops_total{role=\"osd\",id=\"1\",kind=\"read\"} 3\n"
                               "# HELP up Up\n"
                               "# TYPE up gauge\n"
                               "up -2\n");
    metric_set_fini(&a);
    metric_set_fini(&b);
    metric_set_fini(&none);
}

T(metrics, a_histogram_prints_cumulative_buckets_in_seconds)
{
    struct metric_set s;
    struct metric_set *sets[] = {&s};
    struct histogram h = {0};
    AUTO(writer) out = {0};
    char *page;

    histogram_add(&h, 900);
    histogram_add(&h, 3000);
    histogram_add(&h, UINT64_C(1500000000));
    metric_set_init(&s, "");
    T_OK(metric_add_histogram(&s, "op_seconds", "Time", "k=\"v\"", &h));
    T_OK(metrics_print(sets, 1, &out));
    wr_u8(&out, 0);
    page = (char *)out.data;
    T_TRUE(strstr(page, "# TYPE op_seconds histogram\n") != NULL);
    T_TRUE(strstr(page, "op_seconds_bucket{k=\"v\",le=\"1e-06\"} 1\n") != NULL);
    T_TRUE(strstr(page, "op_seconds_bucket{k=\"v\",le=\"4e-06\"} 2\n") != NULL);
    T_TRUE(strstr(page, "op_seconds_bucket{k=\"v\",le=\"1.048576\"} 2\n") != NULL);
    T_TRUE(strstr(page, "op_seconds_bucket{k=\"v\",le=\"2.097152\"} 3\n") != NULL);
    T_TRUE(strstr(page, "op_seconds_bucket{k=\"v\",le=\"+Inf\"} 3\n") != NULL);
    T_TRUE(strstr(page, "op_seconds_sum{k=\"v\"} 1.500003900\n") != NULL);
    T_TRUE(strstr(page, "op_seconds_count{k=\"v\"} 3\n") != NULL);
    metric_set_fini(&s);
}

T(metrics, label_values_are_escaped)
{
    char labels[40] = "";

    T_OK(metric_label_add(labels, sizeof(labels), "a", "x\"y\\z\n"));
    T_STR_EQ(labels, "a=\"x\\\"y\\\\z\\n\"");
    T_OK(metric_label_add(labels, sizeof(labels), "b", "2"));
    T_STR_EQ(labels, "a=\"x\\\"y\\\\z\\n\",b=\"2\"");
    T_EQ(metric_label_add(labels, sizeof(labels), "c", "a value that does not fit"), -R_OVERFLOW);
    T_STR_EQ(labels, "a=\"x\\\"y\\\\z\\n\",b=\"2\"");
}

T(metrics, labels_that_would_break_the_page_are_caught)
{
    static const char *const bad[] = {"x",         "x=",        "x=\"",           "x=\"1\",",
                                      "1x=\"1\"",  "=\"1\"",    "x=\"1\" y=\"\"", "x=\"a\nb\"",
                                      "x=\"\\q\"", "x=\"1\"}1", "x=\"\\"};
    struct metric_set s;

    T_CASES (labels, bad)
        T_ABORTS(metric_set_init(&s, *labels));
}

static int build(struct metric_set *s, const struct counter *c, struct writer *out)
{
    int rc = 0;

    metric_set_init(s, "");
    for (int i = 0; i < 20 && rc == 0; i++)
        rc = metric_add_counter(s, "c_total", "C", "a=\"b\"", c);
    return rc ? rc : metrics_print(&s, 1, out);
}

T(metrics, short_memory_is_reported)
{
    struct metric_set s;
    struct counter c = {0};
    struct writer out = {0};

    EACH_ALLOCATION_FAILS(20, build(&s, &c, &out), {
        metric_set_fini(&s);
        writer_fini(&out);
    });
    metric_set_fini(&s);
    writer_fini(&out);
}

T(metrics, rare_rows_are_on_the_page_only_once_they_have_counted)
{
    struct metric_set s;
    struct metric_set *sets[] = {&s};
    struct counter often = {0}, rare = {0};
    struct histogram slow = {0};
    AUTO(writer) before = {0}, after = {0};

    metric_set_init(&s, "");
    T_OK(metric_add_counter(&s, "often_total", "O", NULL, &often));
    T_OK(metric_add_counter(&s, "rare_total", "R", NULL, &rare));
    metric_rare(&s);
    T_OK(metric_add_histogram(&s, "slow_seconds", "S", NULL, &slow));
    metric_rare(&s);
    T_OK(metrics_print(sets, 1, &before));
    wr_u8(&before, 0);
    T_STR_EQ((char *)before.data,
             "# HELP often_total O\n# TYPE often_total counter\noften_total 0\n");
    counter_add(&rare, 1);
    histogram_add(&slow, 1);
    T_OK(metrics_print(sets, 1, &after));
    wr_u8(&after, 0);
    T_TRUE(strstr((char *)after.data, "\nrare_total 1\n") != NULL);
    T_TRUE(strstr((char *)after.data, "\nslow_seconds_count 1\n") != NULL);
    metric_set_fini(&s);
}
