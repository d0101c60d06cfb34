/* test_guard.c - each head that the guard refuses, and those that it must not. */
#include "s3/http.h"
#include "s3/http/guard.h"
#include "tests/unit/t.h"

struct row {
    const char *method, *target;
    const char *field[4][2];
    unsigned status;
};

#define HOST                                                                                       \
    {                                                                                              \
        "host", "example.org:80"                                                                   \
    }

static const struct row rows[] = {
    {"GET", "/", {HOST}, 0},
    {"GET", "/a%20b?c=d&e", {HOST}, 0},
    {"PUT", "/a", {HOST, {"content-length", "5"}}, 0},
    {"PUT", "/a", {HOST, {"transfer-encoding", "Chunked"}}, 0},
    {"PUT", "/a", {HOST, {"content-length", "0"}, {"expect", "100-Continue"}}, 0},
    {"GET", "/", {{"host", "[::1]:7480"}}, 0},
    {"GET", "/", {HOST, {"cookie", "a"}, {"cookie", "b"}}, 0},
    {"GET", "/", {HOST, {"x-amz-meta-a", "\303\274"}}, 0},
    /* the request line */
    {"G(T", "/", {HOST}, 400},
    {"", "/", {HOST}, 400},
    {"ABCDEFGHIJKLMNOPQ", "/", {HOST}, 400},
    {"GET", "", {HOST}, 400},
    {"GET", "*", {HOST}, 400},
    {"GET", "http://example.org/", {HOST}, 400},
    {"GET", "/a b", {HOST}, 400},
    {"GET", "/\303\274", {HOST}, 400},
    {"GET", "/#a", {HOST}, 400},
    {"GET", "/\001", {HOST}, 400},
    /* names and values */
    {"GET", "/", {HOST, {"", "a"}}, 400},
    {"GET", "/", {HOST, {"a b", "a"}}, 400},
    {"GET", "/", {HOST, {"a ", "a"}}, 400},
    {"GET", "/", {HOST, {"a\"", "a"}}, 400},
    {"GET", "/", {HOST, {"a", "b\rc"}}, 400},
    {"GET", "/", {HOST, {"a", "b\001c"}}, 400},
    {"GET", "/", {HOST, {"a", "b\177c"}}, 400},
    {"GET", "/", {HOST, {"authorization", "a"}, {"authorization", "b"}}, 400},
    {"GET", "/", {HOST, {"range", "a"}, {"range", "a"}}, 400},
    {"GET", "/", {HOST, {"x-amz-date", "a"}, {"x-amz-date", "b"}}, 400},
    /* Host */
    {"GET", "/", {{"a", "b"}}, 400},
    {"GET", "/", {HOST, HOST}, 400},
    {"GET", "/", {{"host", ""}}, 400},
    {"GET", "/", {{"host", "a/b"}}, 400},
    {"GET", "/", {{"host", "a b"}}, 400},
    {"GET", "/", {{"host", "a@b"}}, 400},
    {"GET", "/", {{"host", "a,b"}}, 400},
    /* lengths */
    {"PUT", "/", {HOST, {"content-length", "5"}, {"content-length", "5"}}, 400},
    {"PUT", "/", {HOST, {"content-length", "5, 5"}}, 400},
    {"PUT", "/", {HOST, {"content-length", "+5"}}, 400},
    {"PUT", "/", {HOST, {"content-length", "-5"}}, 400},
    {"PUT", "/", {HOST, {"content-length", "0x5"}}, 400},
    {"PUT", "/", {HOST, {"content-length", ""}}, 400},
    {"PUT", "/", {HOST, {"content-length", "1234567890123456789"}}, 400},
    {"PUT", "/", {HOST, {"content-length", "5"}, {"transfer-encoding", "chunked"}}, 400},
    {"PUT", "/", {HOST, {"transfer-encoding", "gzip, chunked"}}, 501},
    {"PUT", "/", {HOST, {"transfer-encoding", "identity"}}, 501},
    {"PUT", "/", {HOST, {"transfer-encoding", "chunked"}, {"transfer-encoding", "chunked"}}, 400},
    /* the rest */
    {"PUT", "/", {HOST, {"expect", "200-ok"}}, 417},
    {"PUT", "/", {HOST, {"trailer", "x"}, {"transfer-encoding", "chunked"}}, 400},
};

static void fill(struct http_head *head, const struct row *row)
{
    memset(head, 0, sizeof(*head));
    head->method = BYTES_STR(row->method);
    head->target = BYTES_STR(row->target);
    for (size_t i = 0; i < 4 && row->field[i][0]; i++)
        head->field[head->field_count++] =
            (struct http_field){BYTES_STR(row->field[i][0]), BYTES_STR(row->field[i][1])};
}

T(s3_guard, heads_with_two_readings_are_refused_and_no_others)
{
    struct http_head head;
    const char *why;

    T_CASES (row, rows) {
        fill(&head, row);
        T_EQ(http_guard(&head, &why), row->status);
    }
}

T(s3_guard, an_old_client_needs_no_host_but_sends_no_chunks)
{
    static const struct row plain = {"GET", "/", {{"a", "b"}}, 0};
    static const struct row chunked = {"PUT", "/", {{"transfer-encoding", "chunked"}}, 0};
    struct http_head head;
    const char *why;

    fill(&head, &plain);
    head.http_1_0 = true;
    T_EQ(http_guard(&head, &why), 0);
    fill(&head, &chunked);
    head.http_1_0 = true;
    T_EQ(http_guard(&head, &why), 400);
}

T(s3_guard, what_was_found_is_told)
{
    static const struct row row = {
        "PUT", "/", {HOST, {"content-length", "123456789"}, {"expect", "100-continue"}}, 0};
    struct http_head head;
    const char *why;

    fill(&head, &row);
    T_EQ(http_guard(&head, &why), 0);
    T_TRUE(head.has_length && head.expects_continue && !head.chunked);
    T_EQ(head.length, 123456789);
    T_TRUE(bytes_equal(head.host, BYTES_STR("example.org:80")));
    T_TRUE(bytes_equal(*http_field(&head, "expect"), BYTES_STR("100-continue")));
    T_EQ(http_field(&head, "Expect"), NULL);
}

T(s3_guard, names_become_lower_case_or_are_refused)
{
    uint8_t out[16];

    T_TRUE(http_token_lower("X-Amz-A1", 8, out));
    T_MEM_EQ(out, "x-amz-a1", 8);
    T_FALSE(http_token_lower("a:", 2, out));
    T_FALSE(http_token_lower("a\0b", 3, out));
    T_FALSE(http_token_lower("", 0, out));
}
