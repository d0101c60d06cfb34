/* test_http.c - what the wire may bring: heads, bodies, time, and connections that end. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/s3/client.h"
#include "tests/unit/t.h"

static void make_bucket(struct server *s)
{
    struct call_args args = {.method = "PUT", .target = "/bucket"};
    struct response r;

    T_EQ(client_once(s, &args, &r), 200);
    response_fini(&r);
}

/* --- heads --- */

#define TOP  "GET / HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

T(s3_http, heads_that_two_readers_could_read_differently_are_refused)
{
    static const struct {
        const char *text;
        size_t bytes; /* 0: all of the text */
        unsigned status;
    } rows[] = {
        {TOP HOST "\r\n", 0, 403}, /* well-formed, but nobody's */
        {TOP HOST "A: b\r\n\r\n", 0, 403},
        {TOP HOST "A:b\r\n\r\n", 0, 403},
        {TOP HOST "A:\t b \r\n\r\n", 0, 403},
        {TOP HOST "A:\r\n\r\n", 0, 403},
        {TOP "\r\n", 0, 400},
        {TOP HOST HOST "\r\n", 0, 400},
        {TOP HOST "A : b\r\n\r\n", 0, 400},
        {TOP HOST "A: b\n\r\n", 0, 400},
        {TOP HOST "A: b\nC: d\r\n\r\n", 0, 400},
        {TOP HOST "A: b\r\n\n", 0, 400},
        {TOP HOST "A: b\n\n", 0, 400},
        {"\r\n" TOP HOST "A: b\r\n\r\n", 0, 403},
        {"GET / HTTP/1.1\nHost: a\r\n\r\n", 0, 400},
        {TOP HOST "A: b\r\n c\r\n\r\n", 0, 400},
        {TOP HOST "A: b\r\n\tc\r\nD: e\r\n\r\n", 0, 400},
        {TOP HOST "A: b\0c\r\n\r\n", sizeof(TOP HOST "A: b\0c\r\n\r\n") - 1, 400},
        {TOP HOST "A\0: b\r\n\r\n", sizeof(TOP HOST "A\0: b\r\n\r\n") - 1, 400},
        {"GET /\0 HTTP/1.1\r\n" HOST "\r\n", sizeof("GET /\0 HTTP/1.1\r\n" HOST "\r\n") - 1, 400},
        {TOP HOST "A: b\rc\r\n\r\n", 0, 400},
        {TOP HOST "A: b\001\r\n\r\n", 0, 400},
        {TOP HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 400},
        {TOP HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", 0, 400},
        {TOP HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0, 400},
        {TOP HOST "Content-Length: +3\r\n\r\n", 0, 400},
        {TOP HOST "Content-Length: 3a\r\n\r\n", 0, 400},
        {"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 0, 501},
        {"PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTrailer: A\r\n\r\n", 0, 400},
        {"PUT / HTTP/1.1\r\n" HOST "Expect: tea\r\nContent-Length: 1\r\n\r\n", 0, 417},
        {"GET http://a/ HTTP/1.1\r\n" HOST "\r\n", 0, 400},
        {"GET /\303\274 HTTP/1.1\r\n" HOST "\r\n", 0, 400},
        {"GET / HTTP/1.0\r\n\r\n", 0, 403},
    };
    struct server *s = server_start(NULL, NULL);

    T_CASES (row, rows) {
        int fd = server_connect(s);
        struct response r;

        client_send(fd, row->text, row->bytes ? row->bytes : strlen(row->text));
        client_receive(fd, false, &r);
        T_EQ(r.status, row->status);
        if (row->status != 403)
            T_TRUE(client_closed(fd));
        response_fini(&r);
        close(fd);
    }
    server_stop(s);
}

T(s3_http, heads_beyond_their_bounds_are_refused)
{
    struct server *s = server_start(NULL, NULL);
    int fd = server_connect(s);
    struct response r;
    char line[64];
    static char big[20 * 1024];

    client_send_text(fd, TOP HOST);
    for (unsigned i = 0; i < HTTP_FIELDS_MAX; i++) {
        (void)snprintf(line, sizeof(line), "A%u: b\r\n", i);
        client_send_text(fd, line);
    }
    client_send_text(fd, "\r\n");
    client_receive(fd, false, &r);
    T_EQ(r.status, 431);
    response_fini(&r);
    close(fd);

    memset(big, 'x', sizeof(big) - 1);
    fd = server_connect(s);
    client_send_text(fd, TOP HOST "A: ");
    client_send_text(fd, big);
    client_send_text(fd, "\r\n\r\n");
    client_receive(fd, false, &r);
    T_EQ(r.status, 431);
    response_fini(&r);
    close(fd);

    fd = server_connect(s);
    client_send_text(fd, "GET /");
    client_send_text(fd, big);
    client_send_text(fd, " HTTP/1.1\r\n" HOST "\r\n");
    client_receive(fd, false, &r);
    T_EQ(r.status, 431);
    T_STR_EQ(response_xml(&r, "Code"), "RequestHeaderSectionTooLarge");
    response_fini(&r);
    close(fd);
    server_stop(s);
}

T(s3_http, a_connection_is_used_again_and_requests_may_queue_on_it)
{
    struct call_args list = {.method = "GET", .target = "/"};
    struct call_args put = {.method = "PUT", .target = "/bucket"};
    struct server *s = server_start(NULL, NULL);
    int fd = server_connect(s);
    AUTO(writer) two = {0};
    struct response r;

    client_call(fd, &put, &r);
    T_EQ(r.status, 200);
    response_fini(&r);
    client_call(fd, &put, &r);
    T_EQ(r.status, 409);
    T_STR_EQ(response_xml(&r, "Code"), "BucketAlreadyOwnedByYou");
    response_fini(&r);
    client_head(&list, &two);
    client_head(&list, &two);
    client_send(fd, two.data, two.len);
    for (int i = 0; i < 2; i++) {
        client_receive(fd, false, &r);
        T_EQ(r.status, 200);
        T_STR_EQ(response_xml(&r, "Name"), "bucket");
        T_FALSE(r.closed);
        response_fini(&r);
    }
    close(fd);
    server_stop(s);
}

/* --- 100 Continue --- */

#define EXPECT "expect: 100-continue\r\n"

T(s3_http, a_body_is_asked_for_only_when_the_head_was_verified)
{
    static uint8_t body[100 * 1024];
    const struct {
        const char *secret, *target;
        size_t bytes;
        unsigned status;
        const char *fields;
    } rows[] = {
        {NULL, "/bucket/key", 10, 100, NULL},
        {NULL, "/bucket/key", sizeof(body), 100, NULL},
        {"wrong", "/bucket/key", 10, 403, NULL},
        {NULL, "/nobucket/key", sizeof(body), 404, NULL},
        {NULL, "/bucket/key?retention", 10, 501, NULL},
        /* Conditions that do not hold. */
        {NULL, "/bucket/key", sizeof(body), 412, EXPECT "if-none-match: *\r\n"},
        {NULL, "/bucket/key", sizeof(body), 412, EXPECT "if-match: \"0\"\r\n"},
        {NULL, "/bucket/new", sizeof(body), 404, EXPECT "if-match: \"0\"\r\n"},
        {NULL, "/bucket/new", sizeof(body), 404, EXPECT "if-match: *\r\n"},
        {NULL, "/nobucket/key", sizeof(body), 404, EXPECT "if-none-match: *\r\n"},
        {NULL, "/bucket/key", sizeof(body), 100, EXPECT "if-match: *\r\n"},
        {NULL, "/bucket/new", sizeof(body), 100, EXPECT "if-none-match: *\r\n"},
    };
    struct server *s = server_start(NULL, NULL);

    make_bucket(s);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct call_args args = {.method = "PUT",
                                 .target = rows[i].target,
                                 .fields = rows[i].fields ? rows[i].fields : EXPECT,
                                 .body = body,
                                 .body_bytes = rows[i].bytes,
                                 .secret = rows[i].secret};
        int fd = server_connect(s);
        AUTO(writer) head = {0};
        struct response r;

        client_head(&args, &head);
        client_send(fd, head.data, head.len);
        client_receive(fd, false, &r);
        T_EQ(r.status, rows[i].status);
        response_fini(&r);
        if (rows[i].status == 100) {
            client_send(fd, body, rows[i].bytes);
            client_receive(fd, false, &r);
            T_EQ(r.status, 200);
            response_fini(&r);
        } else {
            T_TRUE(client_closed(fd)); /* the body stands between us and the next request */
        }
        close(fd);
    }
    server_stop(s);
}

/* --- lengths --- */

T(s3_http, a_body_without_a_length_is_refused)
{
    struct call_args chunked = {.method = "PUT",
                                .target = "/bucket/key",
                                .fields = "transfer-encoding: chunked\r\n",
                                .no_length = true};
    struct call_args none = {.method = "PUT", .target = "/bucket/key", .no_length = true};
    struct server *s = server_start(NULL, NULL);
    struct response r;

    make_bucket(s);
    T_EQ(client_once(s, &chunked, &r), 411);
    T_STR_EQ(response_xml(&r, "Code"), "MissingContentLength");
    response_fini(&r);
    T_EQ(client_once(s, &none, &r), 411);
    response_fini(&r);
    server_stop(s);
}

T(s3_http, a_body_that_stands_after_an_answer_is_not_the_next_request)
{
    struct call_args args = {.method = "GET",
                             .target = "/bucket/none",
                             .body = "GET /x HTTP/1.1\r\n\r\n",
                             .body_bytes = 19};
    struct server *s = server_start(NULL, NULL);
    int fd = server_connect(s);
    struct response r;

    for (int i = 0; i < 2; i++) {
        client_call(fd, &args, &r);
        T_EQ(r.status, 400);
        T_STR_EQ(response_xml(&r, "Code"), "InvalidRequest");
        T_FALSE(r.closed);
        response_fini(&r);
    }
    T_TRUE(client_silent(fd, 20));
    close(fd);
    server_stop(s);
}

T(s3_http, a_client_that_does_not_wait_to_be_asked_reads_why_its_body_is_refused)
{
    static uint8_t body[8 * 1024 * 1024];
    struct server *s = server_start(NULL, NULL);
    struct call_args put = {.method = "PUT",
                            .target = "/bucket/key",
                            .body = body,
                            .body_bytes = sizeof(body),
                            .secret = "wrong"};
    struct call_args list = {.method = "GET", .target = "/"};
    int fd = server_connect(s);
    struct response r;

    for (int i = 0; i < 4; i++) { /* a reset would come when it likes */
        client_call(fd, &put, &r);
        T_EQ(r.status, 403);
        T_STR_EQ(response_xml(&r, "Code"), "SignatureDoesNotMatch");
        T_FALSE(r.closed);
        response_fini(&r);
    }
    client_call(fd, &list, &r);
    T_EQ(r.status, 200);
    response_fini(&r);
    close(fd);
    server_stop(s);
}

/* --- connections that end --- */

T(s3_http, a_client_that_leaves_in_the_middle_leaves_nothing_behind)
{
    static uint8_t body[3 * 1024 * 1024];
    struct fake_knobs knobs = {.window_bytes = 100 * 1024, .piece_bytes = 50 * 1024};
    struct server *s = server_start(&knobs, NULL);
    struct call_args put = {
        .method = "PUT", .target = "/bucket/key", .body = body, .body_bytes = sizeof(body)};
    struct call_args get = {.method = "GET", .target = "/bucket/key"};
    struct response r;

    make_bucket(s);
    for (size_t part = 0; part < sizeof(body); part += sizeof(body) / 5) {
        int fd = server_connect(s);
        AUTO(writer) head = {0};

        client_head(&put, &head);
        client_send(fd, head.data, head.len);
        client_send(fd, body, part);
        close(fd);
    }
    T_EQ(client_once(s, &get, &r), 404); /* none of them became visible */
    response_fini(&r);
    T_EQ(client_once(s, &put, &r), 200);
    response_fini(&r);
    for (int i = 0; i < 5; i++) {
        int fd = server_connect(s);
        AUTO(writer) head = {0};
        char some[100];

        client_head(&get, &head);
        client_send(fd, head.data, head.len);
        T_GT(read(fd, some, sizeof(some)), 0);
        close(fd);
    }
    server_stop(s); /* fails if anything is still open */
}

T(s3_http, a_read_that_breaks_off_is_never_a_short_success)
{
    static uint8_t body[1024 * 1024];
    struct fake_knobs knobs = {.piece_bytes = 100 * 1024, .get_fails_at = 500 * 1024};
    struct server *s = server_start(&knobs, NULL);
    struct call_args put = {
        .method = "PUT", .target = "/bucket/key", .body = body, .body_bytes = sizeof(body)};
    struct call_args get = {.method = "GET", .target = "/bucket/key"};
    struct call_args end = {
        .method = "GET", .target = "/bucket/key", .fields = "range: bytes=600000-\r\n"};
    struct response r;

    make_bucket(s);
    T_EQ(client_once(s, &put, &r), 200);
    response_fini(&r);
    T_EQ(client_once(s, &get, &r), 200);
    T_TRUE(r.cut);
    T_LT(r.body_bytes, sizeof(body));
    response_fini(&r);
    T_EQ(client_once(s, &end, &r), 500); /* nothing was promised yet */
    T_STR_EQ(response_xml(&r, "Code"), "InternalError");
    response_fini(&r);
    server_stop(s);
}

T(s3_http, stopping_answers_what_is_under_way_and_cuts_what_takes_too_long)
{
    static uint8_t body[1024 * 1024];
    struct server *s = server_start(NULL, NULL);
    struct call_args put = {
        .method = "PUT", .target = "/bucket/key", .body = body, .body_bytes = sizeof(body)};
    AUTO(writer) head = {0};
    int half, idle;

    make_bucket(s);
    idle = server_connect(s);
    half = server_connect(s);
    client_head(&put, &head);
    client_send(half, head.data, head.len);
    client_send(half, body, sizeof(body) / 2);
    T_TRUE(client_silent(half, 50));
    server_stop_in(s, 100);
    T_TRUE(client_closed(half));
    T_TRUE(client_closed(idle));
    close(half);
    close(idle);
}
