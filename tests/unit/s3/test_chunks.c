/* test_chunks.c - the parser of aws-chunked bodies, fed whole and byte by byte. */
#include "s3/auth/chunks.h"
#include "tests/unit/t.h"

#define SIG  "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"
#define MARK ";chunk-signature=" SIG

/* Run a body through; what it gave as text: data in brackets, E for an end, T name=value, D done, B
 * bad. */
static void run(const char *body, bool is_signed, size_t step, char *out)
{
    const uint8_t *at = (const uint8_t *)body, *end = at + strlen(body);
    enum chunks_event event = CHUNKS_MORE;
    struct chunks c;

    chunks_init(&c, is_signed);
    while (at < end && event != CHUNKS_BAD) {
        const uint8_t *stop = at + (step < (size_t)(end - at) ? step : (size_t)(end - at));

        do {
            event = chunks_next(&c, &at, stop);
            if (event == CHUNKS_DATA)
                out += sprintf(out, "%.*s", (int)c.data.len, (const char *)c.data.data);
            else if (event == CHUNKS_END)
                out += sprintf(out, c.has_signature ? "(s)" : "()");
            else if (event == CHUNKS_TRAILER)
                out += sprintf(out, "T%.*s=%.*s,", (int)c.name.len, (const char *)c.name.data,
                               (int)c.value.len, (const char *)c.value.data);
            else if (event == CHUNKS_DONE)
                out += sprintf(out, c.has_signature ? "Ds" : "D");
            else if (event == CHUNKS_BAD)
                out += sprintf(out, "B");
        } while (event != CHUNKS_MORE && event != CHUNKS_BAD);
    }
    *out = '\0';
}

static const struct {
    const char *body;
    bool is_signed;
    const char *want;
} rows[] = {
    {"3\r\nabc\r\n0\r\n\r\n", false, "abc()()D"},
    {"0\r\n\r\n", false, "()D"},
    {"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", false, "0123456789()0123456789()()D"},
    {"3\r\nabc\r\n0\r\nx-amz-checksum-crc32: NSRBwg==\r\n\r\n", false,
     "abc()()Tx-amz-checksum-crc32=NSRBwg==,D"},
    {"3\r\nabc\r\n0\r\nX-Amz-A:b\r\nc:d\r\n\r\n", false, "abc()()Tx-amz-a=b,Tc=d,D"},
    {"3" MARK "\r\nabc\r\n0" MARK "\r\n\r\n", true, "abc(s)(s)D"},
    {"3" MARK "\r\nabc\r\n0" MARK "\r\na:b\r\nx-amz-trailer-signature:" SIG "\r\n\r\n", true,
     "abc(s)(s)Ta=b,Ds"},
    {"3\r\nabc\r\n0\r\na:b\n\r\n\r\n", false, "abc()()Ta=b,D"},
    {"0" MARK "\r\na:b\n\r\nx-amz-trailer-signature:" SIG "\r\n\r\n", true, "(s)Ta=b,Ds"},
    {"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", false, "a()b()()D"},
    /* refused */
    {"3\r\nabc\r\n0\r\n\r\nx", false, "abc()()DB"},
    {"3\nabc\r\n0\r\n\r\n", false, "B"},
    {"3\r\nabcd\r\n", false, "abcB"},
    {"3\r\nabc\n", false, "abcB"},
    {"\r\n", false, "B"},
    {"g\r\n", false, "B"},
    {"-1\r\n", false, "B"},
    {"0x3\r\n", false, "B"},
    {" 3\r\n", false, "B"},
    {"3 \r\n", false, "B"},
    {"3;a=b\r\n", false, "B"},
    {"3" MARK "\r\n", false, "B"},
    {"12345678901\r\n", false, "B"},
    {"3\r\nabc\r\n", true, "B"},
    {"3;chunk-signature=12\r\n", true, "B"},
    {"3" MARK "0\r\n", true, "B"},
    {"0\r\nnocolon\r\n", false, "()B"},
    {"0\r\n:x\r\n", false, "()B"},
    {"0\r\na:b\nc:d\r\n\r\n", false, "()B"},
    {"0\r\n\na:b\r\n", false, "()B"},
    {"1" MARK "\r\na\r\n1" MARK "\r\nb\r\n", true, "a(s)B"},
    {"0\r\nx-amz-trailer-signature:" SIG "\r\n", false, "()B"},
    {"0" MARK "\r\nx-amz-trailer-signature:" SIG "\r\nx-amz-trailer-signature:" SIG "\r\n", true,
     "(s)B"},
};

T(s3_chunks, bodies_are_taken_apart_or_refused)
{
    char out[256];

    T_CASES (row, rows) {
        run(row->body, row->is_signed, SIZE_MAX, out);
        T_STR_EQ(out, row->want);
    }
}

T(s3_chunks, where_the_input_is_cut_does_not_matter)
{
    char out[256];

    T_CASES (row, rows)
        for (size_t step = 1; step < 8; step++) {
            run(row->body, row->is_signed, step, out);
            T_STR_EQ(out, row->want);
        }
}

T(s3_chunks, a_line_without_end_is_refused)
{
    char body[2 * CHUNKS_LINE_MAX], out[64];

    memset(body, '0', sizeof(body));
    body[sizeof(body) - 1] = '\0';
    run(body, false, 100, out);
    T_STR_EQ(out, "B");
}
