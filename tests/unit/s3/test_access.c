/* test_access.c - the access log: its lines, and how they get to the disk. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base/json.h"
#include "core/env/sim.h"
#include "s3/account/access_log.h"
#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

#define TEXT(s) BYTES_STR(s)

static struct request_facts sample(void)
{
    return (struct request_facts){
        .method = TEXT("GET"),
        .target = TEXT("/photos/2019/08/puppy.jpg?x-id=GetObject"),
        .bucket = TEXT("photos"),
        .key = TEXT("2019/08/puppy.jpg"),
        .host = TEXT("photos.s3.example.org"),
        .user_agent = TEXT("S3Console/0.4 \"quoted\" \\ \x01"),
        .owner = "ann",
        .requester = "bob",
        .peer = "192.0.2.3:40000",
        .error = "",
        .signature = "SigV4",
        .auth = "AuthHeader",
        .host_id = "00000000000000ff",
        .status = 200,
        .request_id = 0x1234,
        .bytes_in = 0,
        .bytes_out = 2662992,
        .object_bytes = 3462992,
        .begun_wall_ns = UINT64_C(1549411238123000000),
        .total_ns = 70 * NS_PER_MS,
        .turn_ns = 10 * NS_PER_MS,
    };
}

static char *line_of(const struct request_facts *f, enum access_format format)
{
    struct writer w = {0};
    size_t len;

    access_line(f, format, &w);
    wr_u8(&w, 0);
    T_OK(w.rc);
    return (char *)wr_take(&w, &len);
}

static void line_is(const struct request_facts *f, const char *want)
{
    char *line = line_of(f, ACCESS_S3);

    T_STR_EQ(line, want);
    mem_free(line);
}

T(access_line, fields_stand_in_the_order_of_aws)
{
    struct request_facts f = sample();

    line_is(&f, "ann photos [06/Feb/2019:00:00:38 +0000] 192.0.2.3 bob 0000000000001234 "
                "REST.GET.OBJECT 2019/08/puppy.jpg "
                "\"GET /photos/2019/08/puppy.jpg?x-id=GetObject HTTP/1.1\" 200 - 2662992 3462992 "
                "70 10 \"-\" \"S3Console/0.4 %22quoted%22 %5C %01\" - 00000000000000ff SigV4 - "
                "AuthHeader photos.s3.example.org - - -\n");
}

T(access_line, what_is_not_known_is_a_dash)
{
    struct request_facts f = {.method = TEXT("GET"),
                              .target = TEXT("/"),
                              .error = "AccessDenied",
                              .status = 403,
                              .http_1_0 = true,
                              .peer = "[2001:db8::1]:9",
                              .object_bytes = FACTS_UNKNOWN};

    line_is(&f,
            "- - [01/Jan/1970:00:00:00 +0000] 2001:db8::1 - 0000000000000000 REST.GET.SERVICE - "
            "\"GET / HTTP/1.0\" 403 AccessDenied - - 0 0 \"-\" \"-\" - - - - - - - - -\n");
    f.status = 0; /* cut before an answer */
    f.error = "";
    f.peer = NULL;
    line_is(&f, "- - [01/Jan/1970:00:00:00 +0000] - - 0000000000000000 REST.GET.SERVICE - "
                "\"GET / HTTP/1.0\" - - - - 0 - \"-\" \"-\" - - - - - - - - -\n");
}

T(access_line, json_has_the_same_fields_by_name)
{
    struct request_facts f = sample();
    char *line = line_of(&f, ACCESS_JSON);
    struct note why;
    json_t *o;

    T_TRUE(line[strlen(line) - 1] == '\n');
    o = json_parse(line, strlen(line), &why);
    if (!o)
        T_FAIL("%s: %s", why.text, line);
    T_STR_EQ(json_string_value(json_object_get(o, "bucket_owner")), "ann");
    T_STR_EQ(json_string_value(json_object_get(o, "time")), "2019-02-06T00:00:38.123Z");
    T_STR_EQ(json_string_value(json_object_get(o, "operation")), "REST.GET.OBJECT");
    T_STR_EQ(json_string_value(json_object_get(o, "request_uri")),
             "GET /photos/2019/08/puppy.jpg?x-id=GetObject HTTP/1.1");
    T_EQ(json_integer_value(json_object_get(o, "http_status")), 200);
    T_EQ(json_integer_value(json_object_get(o, "bytes_sent")), 2662992);
    T_TRUE(json_is_null(json_object_get(o, "error_code")));
    T_TRUE(json_is_null(json_object_get(o, "tls_version")));
    T_STR_EQ(json_string_value(json_object_get(o, "user_agent")),
             "S3Console/0.4 %22quoted%22 %5C %01");
    json_decref(o);
    mem_free(line);
}

T(access_line, no_secret_of_a_presigned_url_is_written)
{
    static const struct {
        const char *target, *want;
    } rows[] = {
        {"/b/k?X-Amz-Algorithm=A&X-Amz-Signature=5ec3e7&X-Amz-Date=D",
         "/b/k?X-Amz-Algorithm=A&X-Amz-Signature=***&X-Amz-Date=D"},
        {"/b/k?x-amz-signature=5ec3e7", "/b/k?x-amz-signature=***"},
        {"/b/k?X%2DAmz%2dSignature=5ec3e7", "/b/k?X%2DAmz%2dSignature=***"},
        {"/b/k?%58-Amz-Signature=5ec3e7=&a", "/b/k?%58-Amz-Signature=***&a"},
        {"/b/k?Signature=5ec3e7&AWSAccessKeyId=A", "/b/k?Signature=***&AWSAccessKeyId=A"},
        {"/b/k?X-Amz-Security-Token=5ec3e7&&=", "/b/k?X-Amz-Security-Token=***&&="},
        {"/b/k?X-Amz-Signature", "/b/k?X-Amz-Signature"},
        {"/X-Amz-Signature=1?XX-Amz-Signature=2", "/X-Amz-Signature=1?XX-Amz-Signature=2"},
        {"/?", "/?"},
    };

    T_CASES (row, rows) {
        struct request_facts f = sample();
        char want[200], *line;

        f.target = TEXT(row->target);
        line = line_of(&f, ACCESS_S3);
        snprintf(want, sizeof(want), "\"GET %s HTTP/1.1\"", row->want);
        if (!strstr(line, want))
            T_FAIL("%s is not in %s", want, line);
        T_TRUE(strstr(line, "5ec3e7") == NULL);
        mem_free(line);
    }
}

T(access_line, nothing_that_a_client_sends_breaks_out_of_its_field)
{
    struct request_facts f = sample();
    char *line;

    f.key = (struct bytes){(const uint8_t *)"a b\n\"c\\%41\xc3\xbc\0d", 14};
    f.referer = TEXT("x\" \"y\r\nz");
    f.method = TEXT("GE\tT");
    f.host = TEXT("a b");
    line = line_of(&f, ACCESS_S3);
    T_TRUE(strstr(line, " a%20b%0A%22c%5C%2541%C3%BC%00d ") != NULL);
    T_TRUE(strstr(line, " \"x%22 %22y%0D%0Az\" ") != NULL);
    T_TRUE(strstr(line, " a%20b - - -\n") != NULL);
    T_TRUE(strchr(line, '\n') == line + strlen(line) - 1);
    mem_free(line);
}

T(access_line, operations_have_the_names_of_s3)
{
    static const struct {
        const char *method, *bucket, *key, *target, *want;
        bool copy;
    } rows[] = {
        {"GET", "", "", "/", "REST.GET.SERVICE", false},
        {"GET", "b", "", "/b?list-type=2", "REST.GET.BUCKET", false},
        {"PUT", "b", "", "/b", "REST.PUT.BUCKET", false},
        {"GET", "b", "", "/b?uploads", "REST.GET.UPLOADS", false},
        {"POST", "b", "", "/b?delete", "REST.POST.MULTI_OBJECT_DELETE", false},
        {"GET", "b", "", "/b?location", "REST.GET.LOCATION", false},
        {"POST", "b", "k", "/b/k?uploads", "REST.POST.UPLOADS", false},
        {"PUT", "b", "k", "/b/k?partNumber=1&uploadId=x", "REST.PUT.PART", false},
        {"PUT", "b", "k", "/b/k?partNumber=1&uploadId=x", "REST.COPY.PART", true},
        {"PUT", "b", "k", "/b/k", "REST.COPY.OBJECT", true},
        {"POST", "b", "k", "/b/k?uploadId=x", "REST.POST.UPLOAD", false},
        {"DELETE", "b", "k", "/b/k?uploadId=x", "REST.DELETE.UPLOAD", false},
        {"GET", "b", "k", "/b/k?acl", "REST.GET.ACL", false},
        {"HEAD", "b", "uploads", "/b/uploads", "REST.HEAD.OBJECT", false},
    };

    T_CASES (row, rows) {
        struct request_facts f = sample();
        char want[100], *line;

        f.method = TEXT(row->method);
        f.bucket = TEXT(row->bucket);
        f.key = TEXT(row->key);
        f.target = TEXT(row->target);
        f.is_copy = row->copy;
        line = line_of(&f, ACCESS_S3);
        snprintf(want, sizeof(want), " %s ", row->want);
        if (!strstr(line, want))
            T_FAIL("%s is not in %s", want, line);
        mem_free(line);
    }
}

/* ---- the file ---- */

struct logged {
    char text[1 << 20];
    unsigned lines;
};

static void log_read(const char *path, struct logged *out)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(out->text, 1, sizeof(out->text) - 1, f) : 0;

    if (f)
        fclose(f);
    out->text[n] = 0;
    out->lines = 0;
    for (size_t i = 0; i < n; i++)
        out->lines += out->text[i] == '\n';
}

static void log_wait(const char *path, unsigned lines, struct logged *out)
{
    for (unsigned i = 0; i < 500; i++) {
        log_read(path, out);
        if (out->lines >= lines)
            return;
        usleep(20000);
    }
    T_FAIL("%u lines of %u came: %s", out->lines, lines, out->text);
}

static void ask(struct server *s, const char *method, const char *target, unsigned status)
{
    struct call_args args = {.method = method, .target = target};
    struct response r;

    T_EQ(client_once(s, &args, &r), status);
    response_fini(&r);
}

T(access_log, each_request_has_a_line_and_a_renamed_file_is_left_behind)
{
    static struct logged log;
    struct fake_knobs knobs = {.access_log = "access.log"};
    struct server *s;
    struct call_args put = {
        .method = "PUT", .target = "/bucket/a%20b", .body = "hello", .body_bytes = 5};
    struct response r;

    unlink("access.log"); /* of a run that failed */
    s = server_start(&knobs, NULL);
    ask(s, "PUT", "/bucket", 200);
    T_EQ(client_once(s, &put, &r), 200);
    response_fini(&r);
    ask(s, "GET", "/bucket/a%20b", 200);
    ask(s, "HEAD", "/bucket/a%20b", 200);
    ask(s, "GET", "/bucket/none?torrent", 501);
    log_wait("access.log", 5, &log);
    T_EQ(log.lines, 5);
    T_TRUE(strstr(log.text, " alice ") != NULL);
    T_TRUE(strstr(log.text, "REST.PUT.OBJECT a%20b \"PUT /bucket/a%20b HTTP/1.1\" 200 - - 5 "));
    T_TRUE(strstr(log.text, "REST.GET.OBJECT a%20b \"GET /bucket/a%20b HTTP/1.1\" 200 - 5 5 "));
    T_TRUE(strstr(log.text, "REST.HEAD.OBJECT a%20b \"HEAD /bucket/a%20b HTTP/1.1\" 200 - - 5 "));
    T_TRUE(strstr(log.text, "501 NotImplemented "));
    T_TRUE(strstr(log.text, " 127.0.0.1 "));
    T_EQ(rename("access.log", "access.log.1"), 0);
    ask(s, "GET", "/bucket/a%20b", 200);
    log_wait("access.log", 1, &log);
    ask(s, "GET", "/bucket/a%20b", 200);
    server_stop(s); /* writes what waits */
    log_read("access.log", &log);
    T_EQ(log.lines, 2);
    log_read("access.log.1", &log);
    T_EQ(log.lines, 5);
    unlink("access.log");
    unlink("access.log.1");
}

T(access_log, a_file_that_cannot_be_written_costs_no_request)
{
    static struct logged log;
    struct fake_knobs knobs = {.access_log = "folder/access.log"};
    struct server *s = server_start(&knobs, NULL);

    rmdir("folder");
    ask(s, "PUT", "/bucket", 200);
    usleep(400000);
    ask(s, "GET", "/bucket", 200);
    T_EQ(system("mkdir -p folder"), 0);
    ask(s, "GET", "/bucket", 200);
    log_wait("folder/access.log", 1, &log); /* on a line of its own */
    T_TRUE(strstr(log.text, "REST.GET.BUCKET") != NULL);
    server_stop(s);
    unlink("folder/access.log");
    rmdir("folder");
}

/* A log in the simulator, where the disk is as slow as we say. */
struct slow {
    struct sim *s;
    struct sim_machine *m;
    struct env *env;
    struct access_log *log;
    unsigned lines;
    bool stopped;
};

static void slow_start(void *arg)
{
    struct slow *w = arg;

    T_OK(access_log_start(w->env, "log", ACCESS_S3, 2000, &w->log));
}

static void slow_add(void *arg)
{
    struct slow *w = arg;
    struct request_facts f = sample();

    for (unsigned i = 0; i < w->lines; i++)
        access_log_add(w->log, &f);
}

static void slow_stopped(void *arg)
{
    ((struct slow *)arg)->stopped = true;
}

static void slow_stop(void *arg)
{
    struct slow *w = arg;

    access_log_stop(w->log, slow_stopped, w);
}

static void slow_run(struct slow *w, unsigned lines, uint64_t ns)
{
    w->lines = lines;
    sim_enter(w->env, slow_add, w);
    sim_run_until(w->s, sim_now_ns(w->s) + ns, NULL, NULL);
}

static void slow_begin(struct slow *w)
{
    mem_scopes_enable();
    *w = (struct slow){.s = sim_create(&(struct sim_conf){.seed = 1})};
    w->m = sim_machine_create(w->s, "m", "127.0.0.1");
    w->env = sim_process_start(w->m, "p");
    sim_enter(w->env, slow_start, w);
}

static void slow_end(struct slow *w)
{
    sim_enter(w->env, slow_stop, w);
    sim_run_until(w->s, sim_now_ns(w->s) + NS_PER_S, NULL, NULL);
    T_TRUE(w->stopped);
    T_EQ(sim_process_end(w->env), 0);
    sim_destroy(w->s);
}

T(access_log, a_queue_that_is_full_drops_lines_and_counts_them)
{
    struct access_log_stats *n;
    struct slow w;

    slow_begin(&w);
    n = access_log_stats(w.log);
    slow_run(&w, 100, NS_PER_MS); /* 2,000 bytes have room for six or seven */
    T_TRUE(counter_get(&n->dropped) >= 90 && counter_get(&n->dropped) < 97);
    T_TRUE(gauge_get(&n->queued_bytes) > 1000 && gauge_get(&n->queued_bytes) <= 2000);
    T_EQ(counter_get(&n->lines), 0);
    slow_run(&w, 0, NS_PER_S);
    T_EQ(counter_get(&n->lines) + counter_get(&n->dropped), 100);
    T_EQ(gauge_get(&n->queued_bytes), 0);
    sim_disk_fault(w.m, SIM_DISK_FULL, 0);
    slow_run(&w, 3, NS_PER_S);
    T_EQ(counter_get(&n->failures), 1);
    sim_disk_fault(w.m, SIM_DISK_FULL, UINT64_MAX);
    slow_run(&w, 1, NS_PER_S);
    T_EQ(counter_get(&n->failures), 1);
    T_EQ(counter_get(&n->lines) + counter_get(&n->dropped), 104);
    slow_end(&w);
}

T(access_log, a_stop_writes_what_waits)
{
    struct slow w;

    slow_begin(&w);
    slow_run(&w, 3, 0);
    slow_end(&w);
}
